from typing import Final, Literal

from .array import LockedArray, empty, full, ones, zeros
from .errors import DeadlockError, LockTimeout
from .guards import Guard, acquire

__all__ = [
    "DeadlockError",
    "Guard",
    "LockTimeout",
    "LockedArray",
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
