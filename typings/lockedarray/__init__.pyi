from typing import Final, Literal

from ._array.array import LockedArray, _RWLockable, empty, full, ones, zeros
from ._errors import DeadlockError, LockTimeout
from ._guards.guards import Guard, acquire
from ._guards.lockables import HeldLock, Lockable

__all__ = [
    "DeadlockError",
    "Guard",
    "LockTimeout",
    "LockedArray",
    "RegionLock",
    "__version__",
    "acquire",
    "backend",
    "empty",
    "full",
    "ones",
    "zeros",
]

__version__: Final[str]
backend: Final[Literal["native", "portable"]]

class RegionLock:
    def __init__(self, below: _RWLockable | None = None) -> None: ...
    def gen_rlock(self) -> Lockable: ...
    def gen_wlock(self) -> Lockable: ...
    def holds(self) -> list[HeldLock]: ...
