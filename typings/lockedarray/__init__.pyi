from typing import Final, Literal

from . import distributed as distributed
from . import shared as shared
from ._array.array import LockedArray
from ._array.creation import (
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
from ._errors import DeadlockError, DebugWarning, LockTimeout, PoisonedError
from ._guards.guards import Guard, acquire
from ._guards.region_lock import RegionLock
from ._guards.tracing import tracing
from ._guards.watching import holds

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

__version__: Final[str]
atomic_augmented_assignment: Final[bool]
backend: Final[Literal["native", "portable"]]
