from typing import Final, Literal

from ._array.array import LockedArray
from ._array.creation import empty, full, ones, zeros
from ._errors import DeadlockError, LockTimeout
from ._guards.guards import Guard, acquire
from ._guards.region_lock import RegionLock

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

__version__: Final[str]
atomic_augmented_assignment: Final[bool]
backend: Final[Literal["native", "portable"]]
