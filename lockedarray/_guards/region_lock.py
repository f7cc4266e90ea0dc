"""RegionLock: what users see of the lock of an array, ``x.lock``, on either core."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from lockedarray._cores import Holds, RegionLockBase, new_lockable
from lockedarray._errors import LockTimeout, lock_text
from lockedarray._guards.conditions import resume, suspend
from lockedarray._guards.lockables import Lockable, time_limit
from lockedarray._holding import holding

if TYPE_CHECKING:
    from readerwriterlock.rwlock import RWLockable

__all__ = ["HeldLock", "RegionLock", "checked_name", "region_lock_of"]

_registering = threading.RLock()
_over: weakref.WeakValueDictionary[int, RegionLock] = weakref.WeakValueDictionary()


class HeldLock(NamedTuple):
    """One entry of ``RegionLock.holds()``: a thread that holds the lock, or waits for it.

    Attributes
    ----------
    thread : str
        The name of the thread; of an asyncio task ``"task 'Task-1' of MainThread"``.
    mode : str
        ``'read'`` or ``'write'``; or ``'change'`` of one that waits for a change.
    waiting : bool
        Whether it waits for the lock; else it holds it.
    low, high : int or None
        Which bytes of the array's memory: from `low` up to `high`.  None is the beginning, or the
        end.  (The portable core always takes all of them.)
    """

    thread: str
    mode: str
    waiting: bool
    low: int | None = None
    high: int | None = None


class RegionLock(RegionLockBase):
    """The lock of a LockedArray, ``x.lock``: a readers-writer lock of regions.

    Several arrays can share one: ``la.zeros(3, lock=lock)``.  Readers hold it together, and so do
    writers of different parts of an array.  A thread that holds it may take it again, and may go
    from reading to writing.  A thread that would wait for ever gets a DeadlockError.

    It has the methods of `threading.RLock`, which take all of it for writing, and a
    `threading.Condition` can be made with it.  It is a ``RWLockable`` of the package
    readerwriterlock, too.

    Parameters
    ----------
    below : RWLockable, optional
        Another readers-writer lock (but no RegionLock) that is taken together with this one, so
        that code that knows only the other one is kept out, too.
    name : str, optional
        What messages call it; by default the name of the first array with a name that uses it.

    Raises
    ------
    TypeError
        `below` is a RegionLock, or not a readers-writer lock; or `name` is not a str.

    Examples
    --------
    >>> import lockedarray as la
    >>> lock = la.RegionLock(name="account")
    >>> credit, debit = la.zeros(3, lock=lock), la.zeros(3, lock=lock)
    >>> with lock:  # both arrays
    ...     credit[0] += 5
    ...     debit[1] -= 5
    """

    __slots__ = ()

    def __init__(self, below: RWLockable | None = None, *, name: str | None = None) -> None:
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
                "only the thread that acquired a lock can release it"
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
        """Return a lock object that takes all of this lock for reading.

        Threads may share the lock object, and hold it at the same time: they are all readers.  A
        thread that holds it cannot take it again (RuntimeError, or False with a timeout); it may
        use another lock object.

        Returns
        -------
        Lockable
            With the methods of `threading.Lock`; a `threading.Condition` can be made with it.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> with x.lock.gen_rlock():
        ...     x.lock.holds()
        [HeldLock(thread='MainThread', mode='read', waiting=False, low=None, high=None)]
        """
        return new_lockable(self, False) or Lockable(self, False)

    def gen_wlock(self) -> Lockable:
        """Return a lock object that takes all of this lock for writing; see `gen_rlock`.

        Returns
        -------
        Lockable
            With the methods of `threading.Lock`; a `threading.Condition` can be made with it.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> lock = x.lock.gen_wlock()
        >>> lock.acquire(timeout=1)
        True
        >>> lock.release()
        """
        return new_lockable(self, True) or Lockable(self, True)

    def holds(self) -> list[HeldLock]:
        """Return which threads hold this lock, and which wait for it.

        Returns
        -------
        list of HeldLock
            Named tuples ``(thread, mode, waiting, low, high)``; first those that hold it.

        See Also
        --------
        lockedarray.holds : The same of all locks.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> with x.read():
        ...     [(hold.thread, hold.mode) for hold in x.lock.holds()]
        [('MainThread', 'read')]
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
        known = _over[id(lock)] = RegionLock(lock)  # type: ignore[arg-type]  # checked there
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
    """Raise TypeError if a RegionLock cannot stand over `lock`.

    Over another one it would hide from the wait-for graph who waits for whom.
    """
    if isinstance(lock, RegionLockBase):
        raise TypeError("below= takes no RegionLock: give the RegionLock itself to arrays, lock=")
    _check_rwlockable(lock, "a RegionLock stands over")


def _after_fork_in_child() -> None:
    global _registering
    _registering = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
