"""Lock objects: a whole RegionLock for reading, or for writing, as a `threading.Lock`."""

from __future__ import annotations

import contextlib
import sys
from typing import NoReturn

from lockedarray._cores import Holds, RegionLockBase
from lockedarray._errors import LockTimeout

__all__ = ["Lockable"]

_HELD = "this thread holds this lock object already; make another one: it nests"


class Lockable:
    """One reader's or writer's lock object over a whole RegionLock.

    It has the interface of `threading.Lock` and satisfies ``readerwriterlock.rwlock.Lockable``.
    Threads may share it: each takes the lock by it, and gives it back, for itself.
    """

    __slots__ = ("_held", "_request")
    _finalizing = staticmethod(sys.is_finalizing)

    def __init__(self, lock: RegionLockBase, write: bool) -> None:
        self._request = lock, write
        self._held: list[Holds] = []  # of all who have taken the lock by this object

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; False if it was not free in time (seconds, -1: no limit)."""
        is_number = hasattr(timeout, "__float__") or hasattr(timeout, "__index__")
        if isinstance(timeout, str) or not is_number:
            raise TypeError(f"timeout must be a number of seconds or -1, not {timeout!r}")
        given, timeout = timeout, float(timeout)
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout != -1 and not timeout >= 0:
            raise ValueError(f"timeout must not be negative (seconds), or -1, not {given!r}")
        if self._mine() is not None:
            if blocking and timeout == -1:
                raise RuntimeError(_HELD)
            return False  # nobody else can let it go
        holds = Holds([self._request])
        try:
            holds.acquire(0 if not blocking else None if timeout < 0 else timeout)
        except LockTimeout:
            return False
        self._held.append(holds)
        return True

    def __del__(self) -> None:
        # Before the collector clears the lock; others' code may wait for what is below that.
        if self._finalizing():  # globals have gone, and so have the others
            return
        for holds in getattr(self, "_held", ()):
            holds.release()

    def _mine(self) -> Holds | None:
        """The holds of this thread, or None."""
        for holds in list(self._held):
            if not holds.held():  # its thread has ended
                self._forget(holds)
            elif holds.held_by_this_thread():
                return holds
        return None

    def _forget(self, holds: Holds) -> None:
        with contextlib.suppress(ValueError):  # another thread has done it
            self._held.remove(holds)

    def release(self) -> None:
        """Give the lock back."""
        holds = self._mine()
        if holds is None:
            if self.locked():
                raise RuntimeError("a lock is released by the thread that acquired it")
            raise RuntimeError("release unlocked lock")
        self._forget(holds)
        holds.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def locked(self) -> bool:
        """Whether some thread holds the lock by this object."""
        return any(holds.held() for holds in list(self._held))

    def __enter__(self) -> bool:
        self.acquire()
        return False

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        if kind is None or not issubclass(kind, GeneratorExit) or self._mine() is not None:
            self.release()
            return
        # A generator that is closed or collected here stood in its ``with`` in another thread.
        # Where several share this object there is no telling which one's it was.
        if len(held := list(self._held)) > 1:
            self.release()
        for holds in held:
            self._forget(holds)
            holds.release()
