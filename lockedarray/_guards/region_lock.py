"""RegionLock: what users see of the lock of an array, ``x.lock``, on either core."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, NamedTuple

from lockedarray._cores import Holds, RegionLockBase, new_lockable
from lockedarray._errors import LockTimeout, lock_text
from lockedarray._guards.conditions import resume, suspend
from lockedarray._guards.lockables import Lockable, time_limit
from lockedarray._holding import holding

__all__ = ["HeldLock", "RegionLock", "checked_name", "region_lock_of"]

_registering = threading.RLock()
_over: weakref.WeakValueDictionary[int, RegionLock] = weakref.WeakValueDictionary()


class HeldLock(NamedTuple):
    """One entry of ``RegionLock.holds()``: who holds the lock, or waits for it, and how.

    `low` and `high` delimit the bytes of the Buffer that are asked for; None is its end.  A view
    without a byte is held to read, from 0 to 0 (on the portable core like any other).  `thread` is
    its name; of an asyncio task ``"task 'Task-1' of MainThread"``.
    """

    thread: str
    mode: str
    waiting: bool
    low: int | None = None
    high: int | None = None


class RegionLock(RegionLockBase):
    """The lock of a LockedArray, ``x.lock``, or one to be shared, ``lock=``.

    A readers-writer lock of regions, with reentrancy, upgrade, fairness and no deadlock.  Satisfies
    ``readerwriterlock.rwlock.RWLockable``.

    Parameters
    ----------
    below : RWLockable, optional
        Another lock to take as well, whole, which code may hold that knows nothing of this one; no
        RegionLock.
    name : str, optional
        What messages call it by.  Without one, that of the first array with a name that stands
        under it.

    Raises
    ------
    TypeError
        `below` is a RegionLock, or no readers-writer lock; or `name` is no str.
    """

    __slots__ = ()

    def __init__(self, below: Any = None, *, name: str | None = None) -> None:
        if below is not None:
            _check_below(below)
        super().__init__(below, checked_name(name))

    # -- as a lock object itself, where the core leaves that to the general versions -----------

    def _general_acquire(self, blocking: bool, timeout: float) -> bool:
        limit = time_limit(blocking, timeout)
        before = self._claim, self._count
        holds = Holds([(self, True)], True)
        try:
            return self._take_claim(holds, limit)
        except BaseException:  # Ctrl-C may strike when it is taken
            if self._claim is holds:
                self._claim = None
            holds.release()
            if self._general_is_mine():  # as it was before
                self._claim, self._count = before
            raise

    def _take_claim(self, holds: Holds, limit: float | None) -> bool:
        if self._general_is_mine():
            self._count += 1
            return True
        try:
            holds.acquire(limit)
        except LockTimeout:
            return False
        self._count = 1
        self._claim = holds
        return True

    def _general_is_mine(self) -> bool:
        claim = self._claim
        return claim is not None and claim.held_by_this_thread() and claim.held()

    def _general_release(self) -> None:
        self._general_exit(None)

    def _general_exit(self, kind: type[BaseException] | None) -> None:
        claim, count = self._claim, self._count
        try:
            is_closed = kind is not None and issubclass(kind, GeneratorExit)
            if is_closed and not self._general_is_mine():  # a generator stood in its ``with``
                self._general_abandon()
            else:
                self._release_claim(claim, count - 1)
        except BaseException:  # Ctrl-C may strike before it is given back
            if claim is not None and claim.held_by_this_thread() and claim.held():
                self._release_claim(claim, count - 1)
            raise

    def _release_claim(self, claim: Holds | None, left: int) -> None:
        if claim is None or not (claim.held_by_this_thread() and claim.held()):
            raise RuntimeError(
                "a lock is released by the thread that acquired it"
                if self._general_locked()
                else "cannot release un-acquired lock"
            )
        self._count = left
        if left == 0:
            self._claim = None
            claim.release()

    def _general_locked(self) -> bool:
        claim = self._claim
        return claim is not None and claim.held()

    def _general_recursion_count(self) -> int:
        return self._count if self._general_is_mine() else 0

    def _general_abandon(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()

    def _release_save(self) -> Any:
        """Let go of all that this thread has of the lock; what `threading.Condition` asks."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        mine = (self._claim, self._count) if self._general_is_mine() else None
        if mine is None:
            return None, suspend(self)
        self._claim = None  # first: once it is given back, others have claims here
        try:
            return mine, suspend(self)
        except BaseException:
            self._claim, self._count = mine
            raise

    def _acquire_restore(self, saved: Any) -> None:
        """Take again what `_release_save` let go of."""
        mine, state = saved
        resume(self, state)
        if mine is not None:
            self._claim, self._count = mine

    def gen_rlock(self) -> Lockable:
        """Return a lock object that takes this lock, whole, for reading.

        It has the interface of `threading.Lock`.  Threads may share it: each takes the lock
        by it for itself, and a thread that has taken it takes it no second time (RuntimeError, or
        False if it need not wait).  A `threading.Condition` can stand on it.
        """
        return new_lockable(self, False) or Lockable(self, False)

    def gen_wlock(self) -> Lockable:
        """Return a lock object that takes this lock, whole, for writing; see `gen_rlock`."""
        return new_lockable(self, True) or Lockable(self, True)

    def holds(self) -> list[HeldLock]:
        """Return who holds this lock, and who waits for it: to look at, when threads are stuck.

        Returns
        -------
        list of HeldLock
            Named tuples ``(thread, mode, waiting, low, high)``: the name of the thread, ``'read'``
            or ``'write'``, and the bytes of the Buffer that are asked for (None: its end; the
            portable core asks for the whole Buffer always).
        """
        return [HeldLock(*entry[:5]) for entry in self._entries()]

    def __repr__(self) -> str:
        state = "locked" if self.locked() else "unlocked"
        which = lock_text(self).removeprefix("lock ")
        holds = self.holds() or "free"
        return f"<{state} RegionLock object {which} at {id(self):#x}: {holds}>"


def checked_name(name: Any) -> str | None:
    """Return `name`, which is to be a str or None, as messages show it.

    Raises
    ------
    TypeError
        It is something else.
    """
    if name is None or type(name) is str:
        return name
    if isinstance(name, str):
        return str.__str__(name)
    raise TypeError(f"name must be a str or None, not {type(name).__name__}")


def region_lock_of(lock: object) -> RegionLock:
    """Return the RegionLock over `lock`: itself, or the only one over that RWLockable.

    Raises
    ------
    TypeError
        `lock` is neither a RegionLock nor has ``gen_rlock`` and ``gen_wlock``.
    """
    if isinstance(lock, RegionLock):
        return lock
    _check_rwlockable(lock, "lock= takes the .lock of a LockedArray or")
    return holding(_registering, _region_lock_over, lock)


def _region_lock_over(lock: object) -> RegionLock:
    known = _over.get(id(lock))
    if known is None:
        known = _over[id(lock)] = RegionLock(lock)
    return known


def _check_rwlockable(lock: object, takes: str) -> None:
    """Raise TypeError, which begins with `takes`, if `lock` does not make lock objects."""
    from readerwriterlock import rwlock  # few need it, and it takes long to import

    if isinstance(lock, type) or not isinstance(lock, rwlock.RWLockable):
        raise TypeError(
            f"{takes} a readers-writer lock with gen_rlock() "
            f"and gen_wlock() (see the package readerwriterlock), not {type(lock).__name__}"
        )


def _check_below(lock: object) -> None:
    """Raise TypeError if a RegionLock can not stand over `lock`.

    Over another one it would hide from the wait-for graph who waits for whom.
    """
    if isinstance(lock, RegionLockBase):
        raise TypeError("a RegionLock is given to lock= itself; another one can not stand over it")
    _check_rwlockable(lock, "a RegionLock stands over")


def _after_fork_in_child() -> None:
    global _registering
    _registering = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
