"""NumPy arrays that threads can share and change: every operation on them is atomic.

>>> import numpy as np, lockedarray as la
>>> x = la.LockedArray(np.zeros(1000))
>>> x[3] += 1                   # one atomic step
>>> with x.write() as raw:      # several steps as one
...     raw -= raw.mean()

The array
    `LockedArray`: an ndarray with its lock inside

Making arrays, as NumPy's functions of these names do
    `zeros`, `ones`, `empty`, `full`; `zeros_like`, `ones_like`, `empty_like`, `full_like`;
    `array`, `asarray`, `arange`, `linspace`; `memmap`: on the bytes of a file

Locks
    `acquire`: hold several arrays at once;
    `Guard`: what ``x.read()``, ``x.write()`` and ``acquire()`` return;
    `RegionLock`: the lock of an array, ``x.lock``, which several arrays can share

Looking at threads
    `holds`: who holds and who waits for which lock now;
    `tracing`: how often and how long, for each line of a program

Errors
    `DeadlockError`: threads would wait for each other for ever;
    `LockTimeout`: a lock was not free in time;
    `PoisonedError`: a process died while it wrote;
    `DebugWarning`: what the debug mode has found

About the installation
    `backend`: ``'native'`` or ``'portable'``;
    `atomic_augmented_assignment`: whether ``x[i] += v`` is one step here; `__version__`

More modules, to be imported by themselves
    `lockedarray.shared`: arrays that processes share;
    `lockedarray.distributed`: arrays on a Dask cluster
"""

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
