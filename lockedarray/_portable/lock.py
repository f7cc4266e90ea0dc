"""The lock of a Buffer in pure Python: `readerwriterlock` below, everything it lacks above.

`RWLockFair` keeps readers and writers apart, but is not reentrant, cannot upgrade, knows no
owner, and its `acquire` leaves its inner locks held when Ctrl-C interrupts it while it waits.
So nobody waits inside it.  One process-wide *monitor* protects a list of holds per lock; a
thread decides there whether its hold conflicts, waits in our own queue while it does, and takes
the `RWLockFair` without waiting when it does not.

Invariants, true whenever the monitor is free:

- ``lock._holds`` has one entry per hold; entering it there *is* acquiring, deleting it is
  releasing, and both are one step, so an asynchronous exception finds it done or not done.
- no two holds of different threads in ``lock._holds`` conflict (one of them a write);
- ``lock._taken`` maps each holding thread to what it has of the readers-writer lock below, at
  least as strong as its strongest hold;
- a waiter is in ``lock._queue`` of the one lock it waits for, and ``thread.waiter`` is it.

Order of locks: the monitor, then the inner locks of an `RWLockFair`; nothing is waited for
under the monitor.  A region is taken as the whole Buffer.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from readerwriterlock import rwlock

from lockedarray._errors import (
    DeadlockError,
    LockTimeout,
    closes_cycle,
    not_in_time,
    struck_inside,
)
from lockedarray._holding import holding

__all__ = ["Holds", "RegionLock"]

HAND_OFF = 0.001
"""Seconds after which the first waiter is no longer overtaken by newcomers.

They count from the lock's last hand-off: were each waiter of many handed the lock as soon as it has
waited that long, then no thread would ever run two operations without a switch of threads in
between, which takes longer than they do.
"""

_TURNS = 4  # tries of a thread that wants several locks before it holds one while it waits
_NAP = 0.5  # seconds between a waiter's looks for holds whose owners died
_FIRST_POLL, _LAST_POLL = 0.0005, 0.01  # seconds between looks at a lock that others hold, too

_monitor = threading.RLock()  # reentrant, for signal handlers and finalizers that lock
_serials = itertools.count(1)
_locks: weakref.WeakValueDictionary[int, RegionLock] = weakref.WeakValueDictionary()


class _Thread:
    """What the locks know of one thread: what it holds and the one lock that it waits for."""

    __slots__ = ("holds", "name", "waiter")

    def __init__(self, name: str) -> None:
        self.name = name
        self.holds: dict[_Hold, RegionLock] = {}
        self.waiter: _Waiter | None = None


class _Ending:
    """Lives in a thread's local storage; when the thread ends, its holds are released."""

    _finalizing = staticmethod(sys.is_finalizing)

    def __init__(self, thread: _Thread) -> None:
        self._thread = thread

    def __del__(self) -> None:
        if self._finalizing():  # globals have gone
            return
        for hold, lock in list(self._thread.holds.items()):
            lock._release(hold)


_local = threading.local()


def _this_thread() -> _Thread:
    try:
        return _local.thread
    except AttributeError:
        thread = _local.thread = _Thread(threading.current_thread().name)
        _local.ending = _Ending(thread)
        return thread


class _InnerLock(rwlock.Lockable):
    """A lock inside our own `RWLockFair`: used under the monitor alone, so it never waits.

    One that is not free was left held by an asynchronous exception; the whole is then renewed.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._lock.acquire(blocking=False):
            return True
        if blocking and timeout < 0:
            raise RuntimeError("left locked by an asynchronous exception")
        return False

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()


def _new_below() -> Any:
    return rwlock.RWLockFair(lock_factory=_InnerLock)


class _Hold:
    """One request for a lock, held or not: its identity is the entry in the list of holds.

    `owner` is the `Holds` that it belongs to.  An asynchronous exception may rob an operation of
    its ``finally``; that one then dies with the frame, and whoever meets the hold, or sees it wait,
    releases it.
    (A finalizer would do it at once, but swallow each Ctrl-C that strikes in it.)
    """

    __slots__ = ("owner", "thread", "write")

    def __init__(self, thread: _Thread, write: bool, owner: weakref.ref[Holds]) -> None:
        self.thread = thread
        self.write = write
        self.owner = owner


class _Waiter:
    """A hold that waits its turn.  `bell` is locked until somebody rings.

    A signal handler or finalizer may strike a thread that waits, and wait for something itself:
    `outer` is what the thread goes on waiting for afterwards.
    """

    __slots__ = ("bell", "hold", "lock", "outer", "rung", "since")

    def __init__(self, lock: RegionLock, hold: _Hold) -> None:
        self.lock = lock
        self.hold = hold
        self.since = time.monotonic()
        self.outer: _Waiter | None = None
        self.rung = False
        self.bell = threading.Lock()
        self.bell.acquire()

    def ring_locked(self) -> None:
        if not self.rung:
            self.rung = True
            self.bell.release()


class RegionLock:
    """A readers-writer lock with reentrancy, upgrade, fairness and a wait-for graph.

    Parameters
    ----------
    below : RWLockable, optional
        The lock that keeps readers and writers apart.  By default an `RWLockFair` of its own;
        another one may be held by code that knows nothing of this class, and is then polled.
    """

    def __init__(self, below: Any = None) -> None:
        self.serial = next(_serials)
        self._own = below is None
        self._below = _new_below() if below is None else below
        self._holds: dict[_Hold, _Thread] = {}
        self._taken: dict[_Thread, tuple[bool, Any]] = {}
        self._queue: list[_Waiter] = []
        self._handed_off = 0.0  # when a waiter last got the lock because it had waited for long
        _locks[self.serial] = self

    def _entries(self) -> list[tuple[str, str, bool, None, None]]:
        """Return who holds, and then who waits: (thread, mode, waiting, and two for the region)."""
        return [
            (hold.thread.name, "write" if hold.write else "read", waiting, None, None)
            for hold, waiting in holding(_monitor, self._holds_locked)
        ]

    def _holds_locked(self) -> list[tuple[_Hold, bool]]:
        self._release_orphans_locked()
        held = [(hold, False) for hold in list(self._holds)]
        return held + [(waiter.hold, True) for waiter in self._queue]

    # -- acquiring -----------------------------------------------------------------------------

    def _acquire(self, hold: _Hold, deadline: float | None) -> None:
        """Enter `hold` into the list of holds, or raise and leave no trace of it."""
        if not holding(_monitor, self._grant_locked, hold):
            self._acquire_slow(hold, deadline)

    def _acquire_slow(self, hold: _Hold, deadline: float | None) -> None:
        thread = hold.thread
        if _monitor._is_owned():  # type: ignore[attr-defined]
            raise struck_inside(self.serial, hold.write)
        if deadline is not None and deadline <= time.monotonic():
            raise self._not_in_time(hold)
        waiter = _Waiter(self, hold)
        poll = _FIRST_POLL
        try:
            if holding(_monitor, self._join_locked, waiter):
                return
            while True:
                limit = -1.0 if deadline is None else deadline - time.monotonic()
                if deadline is not None and limit <= 0:
                    raise self._not_in_time(hold)
                if not self._own:  # its other users do not ring
                    limit = poll if limit < 0 else min(poll, limit)
                    poll = min(2 * poll, _LAST_POLL)
                limit = _NAP if limit < 0 else min(limit, _NAP)
                waiter.bell.acquire(timeout=limit)
                if holding(_monitor, self._woken_locked, waiter):
                    return
        except BaseException:
            self._release(hold)
            self._restore_below(thread)
            raise
        finally:
            holding(_monitor, self._leave_locked, waiter)

    def _join_locked(self, waiter: _Waiter) -> bool:
        """Join the queue, unless that would close a cycle, and try once more."""
        self._release_orphans_locked()
        self._refuse_cycle_locked(waiter.hold)
        thread = waiter.hold.thread
        waiter.outer, thread.waiter = thread.waiter, waiter
        self._queue.append(waiter)
        return self._grant_locked(waiter.hold)

    def _woken_locked(self, waiter: _Waiter) -> bool:
        """Try again, the bell being silent before."""
        self._release_orphans_locked()
        if waiter.rung:
            waiter.rung = False
            waiter.bell.acquire(blocking=False)
        if not self._grant_locked(waiter.hold):
            return False
        if (now := time.monotonic()) - waiter.since >= HAND_OFF:
            self._handed_off = now
        return True

    def _leave_locked(self, waiter: _Waiter) -> None:
        thread = waiter.hold.thread
        if thread.waiter is waiter:
            thread.waiter = waiter.outer
        if waiter in self._queue:
            self._queue.remove(waiter)
        self._wake_locked()  # it may have been rung, and not used its turn

    def _try_in_turn(self, hold: _Hold) -> bool:
        """Enter `hold` if nothing is in its way, whatever else the thread holds, and tell."""
        return holding(_monitor, self._grant_locked, hold, True)

    def _grant_locked(self, hold: _Hold, in_turn: bool = False) -> bool:
        """Enter `hold` if nothing is in its way, and tell."""
        thread = hold.thread
        if self._holders_in_the_way(hold) or self._queue_in_the_way(hold, in_turn):
            return False
        thread.holds[hold] = self  # first, or a signal handler would give back what is taken
        self._holds[hold] = thread
        if self._take_below(thread, hold.write):
            return True
        self._holds.pop(hold, None)
        thread.holds.pop(hold, None)
        return False

    def _holders_in_the_way(self, hold: _Hold) -> list[_Thread]:
        """The other threads whose holds conflict with `hold`."""
        return [
            thread
            for thread, (write, _) in list(self._taken.items())
            if thread is not hold.thread and (write or hold.write)
        ]

    def _queue_in_the_way(self, hold: _Hold, in_turn: bool) -> bool:
        """Whether `hold` must queue behind a waiter that has waited long enough.

        A thread that holds any lock never queues: whoever waits in front might wait for it.  Nor
        does one behind itself, when it has been struck while it waits.
        """
        if not self._queue or (hold.thread.holds and not in_turn):
            return False
        long_ago = time.monotonic() - HAND_OFF
        if self._handed_off > long_ago:
            return False
        for waiter in self._queue:
            if waiter.hold.thread is hold.thread:
                return False
            if (waiter.hold.write or hold.write) and waiter.since <= long_ago:
                return True
        return False

    def _refuse_cycle_locked(self, hold: _Hold) -> None:
        """Raise DeadlockError if the wait for `hold` would close a cycle.

        Edges run from a waiting thread to the holders in its way.  A cycle comes into being
        only when a thread begins to wait: a hold that is granted adds edges to a thread that
        does not wait.  So the last thread to begin finds it here.
        """
        if not hold.thread.holds:
            return
        parents: dict[_Thread, _Thread] = {}  # of those met: whom each is in the way of
        walk = [(thread, hold.thread) for thread in self._holders_in_the_way(hold)]
        for thread, parent in walk:  # grows meanwhile: breadth first, for the shortest cycle
            if thread in parents or thread.waiter is None:
                continue
            parents[thread] = parent
            waiter = thread.waiter
            blockers = waiter.lock._holders_in_the_way(waiter.hold)
            if hold.thread in blockers:
                raise self._closes_cycle(hold, thread, parents)
            walk.extend((blocker, thread) for blocker in blockers)

    def _closes_cycle(
        self, hold: _Hold, last: _Thread, parents: dict[_Thread, _Thread]
    ) -> DeadlockError:
        cycle = [last]
        while (parent := parents[cycle[-1]]) is not hold.thread:
            cycle.append(parent)
        first = cycle[-1]
        locks = {thread.waiter.lock for thread in cycle if thread.waiter is not None}
        waits_for = 0 if first.waiter is None else first.waiter.lock.serial
        return closes_cycle(
            self.serial,
            hold.write,
            (first.name, last.name),
            waits_for,
            len(cycle) + 1,
            locks == {self},
        )

    # -- releasing -----------------------------------------------------------------------------

    def _release(self, hold: _Hold) -> None:
        """Delete `hold` from the list of holds, if it is there, and wake who may now run."""
        holding(_monitor, self._release_locked, hold)

    def _release_locked(self, hold: _Hold) -> None:
        self._holds.pop(hold, None)
        hold.thread.holds.pop(hold, None)
        try:
            self._return_below(hold.thread)
        finally:
            if self._queue:
                self._wake_locked()

    def _release_orphans_locked(self) -> None:
        for hold in list(self._holds):
            if hold.owner() is None:
                self._release(hold)
        for waiter in list(self._queue):
            if waiter.hold.owner() is None:
                self._leave_locked(waiter)
        holding = set(self._holds.values())
        for thread in list(self._taken):  # an exception may have struck before the entry, too
            if thread not in holding and thread is not _this_thread():
                self._return_below(thread)

    def _wake_locked(self) -> None:
        """Ring for the waiters that nothing is in the way of: the first, or readers together."""
        writer_rung = False
        rung: set[_Thread] = set()
        for waiter in list(self._queue):
            thread = waiter.hold.thread
            if self._holders_in_the_way(waiter.hold):
                continue
            if writer_rung and not thread.holds and thread not in rung:
                continue  # its turn comes later; one that holds a lock must not queue
            waiter.ring_locked()
            rung.add(thread)
            writer_rung = writer_rung or waiter.hold.write

    # -- the readers-writer lock below -----------------------------------------------------------

    def _take_below(self, thread: _Thread, write: bool) -> bool:
        """Have `thread` hold the lock below at least in the mode asked for; never wait."""
        taken = self._taken.get(thread)
        held = taken is not None and taken[1] is not None and taken[1].locked()
        if taken is not None and held and (taken[0] or not write):
            return True
        if self._relock(thread, write):
            return True
        if self._own:  # an asynchronous exception left its inner locks held: a new one
            self._taken.pop(thread, None)
            self._renew_below()
            self._relock(thread, write)
            return True
        if taken is None:
            self._taken.pop(thread, None)
        else:
            self._relock(thread, False)
        return False

    def _return_below(self, thread: _Thread) -> None:
        """Give back what `thread` no longer needs of the lock below."""
        taken = self._taken.get(thread)
        if taken is None:
            return
        modes = [hold.write for hold, holder in list(self._holds.items()) if holder is thread]
        if not modes:
            self._let_go(taken[1])
            if self._taken.get(thread) is taken:  # else a signal handler has been here meanwhile
                self._taken.pop(thread, None)
        elif taken[0] and not any(modes) and self._own:  # others' lock: a writer could slip in
            self._let_go(taken[1])
            self._relock(thread, False)

    def _relock(self, thread: _Thread, write: bool) -> bool:
        """Take the lock below without waiting; known before it is, lest an exception lose it."""
        lockable = self._below.gen_wlock() if write else self._below.gen_rlock()
        taken = self._taken.get(thread)
        if taken is not None and taken[1] is not None and taken[1].locked():
            if taken[0] or not write:  # a signal handler has taken it meanwhile
                return True
            self._let_go(taken[1])  # an upgrade: the other threads' holds are not in the way
        self._taken[thread] = (write, lockable)
        if not lockable.acquire(blocking=False):
            self._taken[thread] = (write, None)
            return False
        taken = self._taken.get(thread)
        if taken is None or taken[1] is not lockable:  # the same, while it was acquired
            self._taken[thread] = (write, lockable)
            if taken is not None:
                self._let_go(taken[1])
        return True

    def _renew_below(self) -> None:
        """Replace our own lock below by a new one, taken as `_taken` says."""
        self._below = _new_below()
        for thread, (write, _) in list(self._taken.items()):
            self._taken[thread] = (write, None)  # what it has is of the old one
            self._relock(thread, write)

    def _restore_below(self, thread: _Thread) -> None:
        """Give `thread` back the read lock that a failed upgrade let go and others then took."""
        while not holding(_monitor, self._restore_locked, thread):
            time.sleep(_FIRST_POLL)

    def _restore_locked(self, thread: _Thread) -> bool:
        taken = self._taken.get(thread)
        if taken is None or taken[1] is not None:
            return True
        return self._relock(thread, taken[0])

    @staticmethod
    def _let_go(lockable: Any) -> None:
        if lockable is None:
            return
        try:
            lockable.release()
        except RuntimeError:  # never taken: an asynchronous exception came first
            pass
        except BaseException:  # of whoever made it, or Ctrl-C: perhaps before it was released
            if lockable.locked():
                lockable.release()
            raise

    # -- messages --------------------------------------------------------------------------------

    def _not_in_time(self, hold: _Hold) -> LockTimeout:
        holders = (thread.name for thread in self._holders_in_the_way(hold))
        return not_in_time(self.serial, hold.write, holders, not self._own)

    def _forget_other_threads(self, thread: _Thread) -> None:
        """Drop what threads hold that a fork did not bring along (in the child)."""
        self._queue.clear()
        for hold in [hold for hold, holder in self._holds.items() if holder is not thread]:
            del self._holds[hold]
        gone = [taken for holder, taken in self._taken.items() if holder is not thread]
        self._taken = {holder: t for holder, t in self._taken.items() if holder is thread}
        if self._own:
            self._renew_below()
        else:
            for _, lockable in gone:
                self._let_go(lockable)


class Holds:
    """Several holds that are acquired together, in lock order, and released together.

    Parameters
    ----------
    requests : iterable of (LockedArray or RegionLock, write)
        What to take: the lock of an array, for what that shows, or a whole lock.  Requests for
        one lock are taken in one step, a write if one of them is.

    """

    __slots__ = ("__weakref__", "_holds", "thread")

    def __init__(self, requests: Iterable[tuple[Any, bool]]) -> None:
        modes: dict[RegionLock, bool] = {}
        for wanted, write in requests:
            lock = wanted if isinstance(wanted, RegionLock) else wanted._buffer.lock
            modes[lock] = modes.get(lock, False) or write
        self.thread = _this_thread()
        owner = weakref.ref(self)
        self._holds = [
            (lock, _Hold(self.thread, modes[lock], owner))
            for lock in sorted(modes, key=lambda lock: lock.serial)
        ]

    def acquire(self, timeout: float | None = None) -> None:
        """Take every lock, within `timeout` seconds, or raise and hold none.

        Raises
        ------
        LockTimeout
            The time is over.
        DeadlockError
            The wait would have closed a cycle.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            if not self._acquire_in_turn(deadline):
                for lock, hold in self._holds:
                    lock._acquire(hold, deadline)
        except BaseException:
            self.release()
            raise

    def _acquire_in_turn(self, deadline: float | None) -> bool:
        """Take every lock, with no other in hand while it waits for one; False: none, that failed.

        Who holds something overtakes those who wait for the next lock, or there would be waits that
        the graph does not know; so threads that take the same locks again and again would keep all
        others from the last one.
        """
        if len(self._holds) < 2 or self.thread.holds:
            return False
        lock, hold = self._holds[0]
        for _ in range(_TURNS):
            lock._acquire(hold, deadline)
            missed = None
            for other, wanted in self._holds:
                if wanted is not hold and not other._try_in_turn(wanted):
                    missed = other, wanted
                    break
            if missed is None:
                return True
            self.release()
            lock, hold = missed
        return False

    def release(self) -> None:
        """Release what is held; nothing happens to what is not."""
        self._release_all(iter(self._holds))

    def _release_all(self, holds: Iterator[tuple[RegionLock, _Hold]]) -> None:
        for lock, hold in holds:
            try:
                lock._release(hold)
            except BaseException:  # of others' locks, or Ctrl-C: the rest is released
                self._release_all(holds)
                raise

    def held_by_this_thread(self) -> bool:
        """Whether the calling thread is the one that took the holds."""
        return self.thread is _this_thread()

    def held(self) -> bool:
        """Whether a thread has the holds, and has not ended."""
        return any(hold in lock._holds for lock, hold in self._holds)


def _all_locks() -> Iterator[RegionLock]:
    return iter(list(_locks.values()))


def _before_fork() -> None:
    _monitor.acquire()


def _after_fork_in_parent() -> None:
    _monitor.release()


def _after_fork_in_child() -> None:
    global _monitor
    _monitor = threading.RLock()
    thread = _this_thread()
    thread.waiter = None
    for lock in _all_locks():
        lock._forget_other_threads(thread)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
