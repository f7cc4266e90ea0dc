"""Lock objects: a whole RegionLock for reading, or for writing, as a `threading.Lock`."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any, NoReturn

from lockedarray._cores import Holds
from lockedarray._errors import LockTimeout

__all__ = ["Lockable", "time_limit"]


def time_limit(blocking: bool, timeout: float) -> float | None:
    """Return how many seconds ``acquire(blocking, timeout)`` waits at most; None: no limit."""
    is_number = hasattr(timeout, "__float__") or hasattr(timeout, "__index__")
    if isinstance(timeout, str) or not is_number:
        raise TypeError(f"timeout must be a number of seconds or -1, not {timeout!r}")
    given, timeout = timeout, float(timeout)
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout != -1 and not timeout >= 0:
        raise ValueError(f"timeout must not be negative (seconds), or -1, not {given!r}")
    if timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    return 0 if not blocking else None if timeout < 0 else timeout


_HELD = "this thread holds this lock object already; make another one, which it can hold, too"


class Lockable:
    """One reader's or writer's lock object over a whole RegionLock.

    It has the interface of `threading.Lock` and satisfies ``readerwriterlock.rwlock.Lockable``.
    Threads may share it: each takes the lock by it, and gives it back, for itself.
    """

    __slots__ = ("__weakref__", "_held", "_request")
    _finalizing = staticmethod(sys.is_finalizing)

    def __init__(self, lock: Any, write: bool) -> None:  # a RegionLock
        self._request = lock, write
        self._held: list[Holds] = []  # of all who have taken the lock by this object

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; False if it was not free within `timeout` seconds (-1: no limit)."""
        limit = time_limit(blocking, timeout)
        if self._mine() is not None:
            if limit is None:
                raise RuntimeError(_HELD)
            return False  # nobody else can let it go
        holds = Holds([self._request], True)
        try:
            holds.acquire(limit)
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
                raise RuntimeError("only the thread that acquired a lock can release it")
            raise RuntimeError("release unlocked lock")
        self._forget(holds)
        holds.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def locked(self) -> bool:
        """Return whether some thread holds the lock by this object."""
        return any(holds.held() for holds in list(self._held))

    # What `threading.Condition` asks: to let go of all that this thread has of the lock, by guards
    # and other lock objects, too.

    def _is_owned(self) -> bool:
        """Whether this thread holds the lock by this object."""
        return self._mine() is not None

    def _release_save(self) -> Any:
        if self._mine() is None:
            raise RuntimeError("cannot release un-acquired lock")
        return self._request[0]._release_save()

    def _acquire_restore(self, saved: Any) -> None:
        self._request[0]._acquire_restore(saved)

    def _at_fork_reinit(self) -> None:
        """Have nobody hold the lock by this object any more."""
        for holds in list(self._held):
            self._forget(holds)
            holds.release()

    def __repr__(self) -> str:
        lock, write = self._request
        return (
            f"<{'locked' if self.locked() else 'unlocked'} lockedarray.Lockable object "
            f"({'write' if write else 'read'}, lock {lock.serial}) at {id(self):#x}>"
        )

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
