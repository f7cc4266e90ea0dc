from typing import Final, Literal

from ._array.array import LockedArray
from ._array.creation import empty, full, ones, zeros
from ._errors import DeadlockError, DebugWarning, LockTimeout
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
    "RegionLock",
    "__version__",
    "acquire",
    "backend",
    "empty",
    "full",
    "holds",
    "ones",
    "tracing",
    "zeros",
]

__version__: Final[str]
backend: Final[Literal["native", "portable"]]
