from types import TracebackType
from typing import NamedTuple

__all__ = ["HeldLock", "Lockable"]

class HeldLock(NamedTuple):
    thread: str
    mode: str
    waiting: bool
    low: int | None = ...
    high: int | None = ...

class Lockable:
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def locked(self) -> bool: ...
    def __enter__(self) -> bool: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
        /,
    ) -> None: ...
