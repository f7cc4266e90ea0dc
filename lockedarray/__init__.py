"""lockedarray: NumPy arrays that threads can share and mutate."""

import importlib as _importlib

from lockedarray._array.array import LockedArray
from lockedarray._array.creation import (
    arange,
    array,
    asarray,
    empty,
    empty_like,
    full,
    full_like,
    linspace,
    memmap,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from lockedarray._array.recognition import atomic_augmented_assignment
from lockedarray._cores import backend
from lockedarray._errors import DeadlockError, DebugWarning, LockTimeout, PoisonedError
from lockedarray._guards.guards import Guard, acquire
from lockedarray._guards.region_lock import RegionLock
from lockedarray._guards.tracing import tracing
from lockedarray._guards.watching import holds

__version__ = "0.2.0"

__all__ = [
    "DeadlockError",
    "DebugWarning",
    "Guard",
    "LockTimeout",
    "LockedArray",
    "PoisonedError",
    "RegionLock",
    "__version__",
    "acquire",
    "arange",
    "array",
    "asarray",
    "atomic_augmented_assignment",
    "backend",
    "empty",
    "empty_like",
    "full",
    "full_like",
    "holds",
    "linspace",
    "memmap",
    "ones",
    "ones_like",
    "tracing",
    "zeros",
    "zeros_like",
]

# Tracebacks, pickles and help() name what users write, and not the module where it stands.
for _name in __all__:
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__


def __getattr__(name: str) -> object:
    if name in ("shared", "distributed"):  # few need them, and they take long to import
        return _importlib.import_module(f"lockedarray.{name}")
    raise AttributeError(f"module 'lockedarray' has no attribute {name!r}")
