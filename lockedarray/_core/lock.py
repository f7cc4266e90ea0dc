"""RegionLock on the native core: the C lock, its words for errors, and others' locks below it."""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from typing import Any, NoReturn

from readerwriterlock import rwlock

from lockedarray._core import _native
from lockedarray.errors import DeadlockError, LockTimeout
from lockedarray.lockables import HeldLock, Lockable

__all__ = ["RegionLock"]

_serials = itertools.count(1)
_registering = threading.RLock()
_over: weakref.WeakValueDictionary[int, RegionLock] = weakref.WeakValueDictionary()

_FIRST_POLL, _LAST_POLL = 0.0005, 0.01  # seconds between looks at a lock that others hold, too


class RegionLock(_native.RegionLock):
    """A readers-writer lock of regions, with reentrancy, upgrade, fairness and no deadlock.

    Satisfies ``readerwriterlock.rwlock.RWLockable``.

    Parameters
    ----------
    below : RWLockable, optional
        Another lock to take as well, whole, which code may hold that knows nothing of this one.
    """

    __slots__ = ("__weakref__", "_foreign")

    def __init__(self, below: Any = None) -> None:
        self._foreign = below
        super().__init__(next(_serials), None if below is None else _Below(below))

    @classmethod
    def of(cls, lock: object) -> RegionLock:
        """Return the RegionLock over `lock`: itself, or the only one over that RWLockable.

        Raises
        ------
        TypeError
            `lock` is neither a RegionLock nor has ``gen_rlock`` and ``gen_wlock``.
        """
        if isinstance(lock, cls):
            return lock
        if isinstance(lock, type) or not isinstance(lock, rwlock.RWLockable):
            raise TypeError(
                "lock= takes the .lock of a LockedArray or a readers-writer lock with gen_rlock() "
                f"and gen_wlock() (see the package readerwriterlock), not {type(lock).__name__}"
            )
        with _registering:
            known = _over.get(id(lock))
            if known is None:
                known = _over[id(lock)] = cls(lock)
            return known

    def gen_rlock(self) -> Lockable:
        """Return a lock object that takes this lock, whole, for reading."""
        return Lockable(lambda: _native.Holds([(self, False)]))

    def gen_wlock(self) -> Lockable:
        """Return a lock object that takes this lock, whole, for writing."""
        return Lockable(lambda: _native.Holds([(self, True)]))

    def holds(self) -> list[HeldLock]:
        """Return who holds this lock, and who waits for it, in which mode, for which bytes."""
        names = _names()
        return [
            HeldLock(names.get(ident, f"thread {ident}"), mode, waiting, low, high)
            for ident, mode, waiting, low, high in self.entries()
        ]

    def __repr__(self) -> str:
        return f"<RegionLock {self.serial}: {self.holds() or 'free'}>"


class _Below:
    """Somebody else's readers-writer lock, held for each thread in its strongest mode.

    Our own threads exclude each other above it; it keeps code out that knows only it.
    """

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._local = threading.local()

    def take(self, write: bool, timeout: float | None) -> bool:
        """Have the thread hold it at least in this mode; False after `timeout` seconds."""
        modes = self._modes()
        if not modes or (write and not self._local.writes):
            if not self._take(write, timeout, upgrade=bool(modes)):
                return False
            self._local.writes = write
        modes.append(write)
        return True

    def give_back(self, write: bool) -> None:
        """Undo one `take`; the lock is let go with the last."""
        modes = self._modes()
        modes.remove(write)
        if not modes:
            self._local.held.release()

    def _modes(self) -> list[bool]:
        try:
            return self._local.modes
        except AttributeError:
            self._local.modes = []
            return self._local.modes

    def _take(self, write: bool, timeout: float | None, upgrade: bool) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        wanted = self._lock.gen_wlock() if write else self._lock.gen_rlock()
        if upgrade:
            self._local.held.release()
        poll = _FIRST_POLL
        taken = False
        try:
            while not (taken := wanted.acquire(blocking=False)):
                if deadline is not None and time.monotonic() >= deadline:
                    return False
                time.sleep(poll)
                poll = min(2 * poll, _LAST_POLL)
            self._local.held = wanted
            return True
        finally:
            if upgrade and not taken:  # back to what the thread had before
                while not self._local.held.acquire(blocking=False):
                    time.sleep(_FIRST_POLL)


def _names() -> dict[int | None, str]:
    return {thread.ident: thread.name for thread in threading.enumerate()}


def _describe(lock: RegionLock, write: bool) -> str:
    return f"{'write' if write else 'read'} lock {lock.serial}"


def raise_timeout(lock: RegionLock, write: bool) -> NoReturn:
    """Raise LockTimeout, naming who holds the lock."""
    holders = sorted({held.thread for held in lock.holds() if not held.waiting})
    names = ", ".join(repr(name) for name in holders)
    blame = f"held by thread {names}" if names else "held by code outside lockedarray"
    raise LockTimeout(f"{_describe(lock, write)}: not free in time; {blame}")


def raise_deadlock(
    lock: RegionLock, write: bool, blocker: int, last: int, waits_for: int, length: int
) -> NoReturn:
    """Raise DeadlockError, naming the threads of the cycle that the wait would have closed."""
    names = _names()
    first, final = (repr(names.get(ident, ident)) for ident in (blocker, last))
    chain = (
        f"thread {first} holds it and waits for lock {waits_for}, which this thread holds"
        if length <= 2
        else f"thread {first} holds it and waits for lock {waits_for}, and so on in a cycle of "
        f"{length} threads to {final}, which waits for this thread"
    )
    raise DeadlockError(
        f"{_describe(lock, write)}: {chain}; take both at once: la.acquire(write=(x, y))"
    )
