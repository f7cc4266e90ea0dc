"""What every RegionLock gives out: lock objects for one mode, and the list of its holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lockedarray.errors import LockTimeout

__all__ = ["HeldLock", "Lockable"]

_HELD = "this lock object is held already; make another one: it nests"


class HeldLock(NamedTuple):
    """One entry of ``RegionLock.holds()``: who holds the lock, or waits for it, and how.

    `low` and `high` delimit the bytes of the Buffer that are asked for; None is its end.
    """

    thread: str
    mode: str
    waiting: bool
    low: int | None = None
    high: int | None = None


class Lockable:
    """One reader's or writer's lock object over a whole RegionLock.

    It has the interface of `threading.Lock` and satisfies ``readerwriterlock.rwlock.Lockable``.
    """

    __slots__ = ("_held", "_make_holds")

    def __init__(self, make_holds: Callable[[], Any]) -> None:
        self._make_holds = make_holds
        self._held: dict[str, Any] = {}  # the holds, under a key, or nothing

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; False if it was not free in time (seconds, -1: no limit)."""
        if isinstance(timeout, str) or not hasattr(timeout, "__float__"):
            raise TypeError(f"timeout must be a number of seconds or -1, not {timeout!r}")
        timeout = float(timeout)
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout != -1 and not timeout >= 0:
            raise ValueError(f"timeout must not be negative (seconds), or -1, not {timeout!r}")
        if self._held:
            raise RuntimeError(_HELD)
        holds = self._make_holds()
        try:
            holds.acquire(0 if not blocking else None if timeout < 0 else timeout)
        except LockTimeout:
            return False
        # In one step: another thread that shares this lock object may come in here, too.
        if self._held.setdefault("holds", holds) is not holds:
            holds.release()
            raise RuntimeError(_HELD)
        return True

    def release(self) -> None:
        """Give the lock back."""
        holds = self._held.get("holds")
        if holds is None:
            raise RuntimeError("release unlocked lock")
        if not holds.held_by_this_thread():
            raise RuntimeError("a lock is released by the thread that acquired it")
        del self._held["holds"]
        holds.release()

    def locked(self) -> bool:
        """Whether this lock object holds the lock."""
        return bool(self._held)

    def __enter__(self) -> bool:
        self.acquire()
        return False

    def __exit__(self, *_exception: object) -> None:
        self.release()
