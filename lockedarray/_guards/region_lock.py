"""RegionLock: what users see of the lock of an array, ``x.lock``, on either core."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, NamedTuple

from readerwriterlock import rwlock

from lockedarray._cores import RegionLockBase, new_lockable
from lockedarray._errors import lock_text
from lockedarray._guards.lockables import Lockable
from lockedarray._holding import holding

__all__ = ["HeldLock", "RegionLock", "checked_name", "region_lock_of"]

_registering = threading.RLock()
_over: weakref.WeakValueDictionary[int, RegionLock] = weakref.WeakValueDictionary()


class HeldLock(NamedTuple):
    """One entry of ``RegionLock.holds()``: who holds the lock, or waits for it, and how.

    `low` and `high` delimit the bytes of the Buffer that are asked for; None is its end.  A view
    without a byte is held to read, from 0 to 0 (on the portable core like any other).
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
        return f"<RegionLock {lock_text(self).removeprefix('lock ')}: {self.holds() or 'free'}>"


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
