"""lockedarray: NumPy arrays that threads can share and mutate."""

from lockedarray._array.array import LockedArray
from lockedarray._array.creation import empty, full, ones, zeros
from lockedarray._array.recognition import atomic_augmented_assignment
from lockedarray._cores import backend
from lockedarray._errors import DeadlockError, LockTimeout
from lockedarray._guards.guards import Guard, acquire
from lockedarray._guards.region_lock import RegionLock

__version__ = "0.1.0"

__all__ = [
    "DeadlockError",
    "Guard",
    "LockTimeout",
    "LockedArray",
    "RegionLock",
    "__version__",
    "acquire",
    "atomic_augmented_assignment",
    "backend",
    "empty",
    "full",
    "ones",
    "zeros",
]

# Tracebacks, pickles and help() name what users write, and not the module where it stands.
for _name in __all__:
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
