"""The lock of a Buffer in pure Python: `readerwriterlock` below, everything it lacks above.

`RWLockFair` keeps readers and writers apart, but is not reentrant, cannot upgrade, knows no
owner, and its `acquire` leaves its inner locks held when Ctrl-C interrupts it while it waits.
So nobody waits inside it.  One process-wide *monitor* protects a list of holds per lock; a
thread decides there whether its hold conflicts, waits in our own queue while it does, and takes
the `RWLockFair` without waiting when it does not.

Invariants, true whenever the monitor is free:

- ``lock._holds`` has one entry per hold; entering it there *is* acquiring, deleting it is
  releasing, and both are one step, so an asynchronous exception finds it done or not done.
- no two holds of different owners in ``lock._holds`` conflict (one of them a write);
- ``lock._taken`` maps each holding owner to what it has of the readers-writer lock below, at
  least as strong as its strongest hold; one that has a write is alone there;
- a waiter is in ``lock._queue`` of the one lock it waits for until it is granted or gives up.
  ``thread.waiter`` is the one that the thread waits in; those that it has struck itself out of, in
  a signal handler, are its ``outer`` ones: they stand *aside* and get nothing until it is gone.

No step of an operation goes through all holds of a lock or a thread: there may be thousands.

What cannot go on while a thread waits are all its owners, and all its waiters.  So a wait of a
thread for another owner of its own is a cycle.  A wait
has two kinds of edges: *hard* ones to those who hold what is wanted, and *soft* ones to those who
wait in front.  A cycle of hard edges is refused.  One that has a soft edge is opened: the waiter
that this edge comes from passes the one in front, once and for all.  Edges come into being only
when a wait begins, or lead to a thread that does not wait; so who begins to wait looks for cycles.

A task waits without its thread (`Place`): its waiter is *away*, and is handed the lock.  So the
nodes of the graph are owners: each waits by its own such waiters, and by those that its thread is
inside of.  While the thread is inside of one, its waiters that are away stand aside.

Order of locks: the monitor, then the inner locks of an `RWLockFair`; nothing is waited for
under the monitor.  A region is taken as the whole Buffer.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

from readerwriterlock import rwlock

from lockedarray._alive import Alive
from lockedarray._errors import (
    DeadlockError,
    LockTimeout,
    closes_cycle,
    held_beside,
    not_in_time,
    struck_inside,
    waits_inside_operation,
)
from lockedarray._holding import holding
from lockedarray._tasks import TaskOwners, running_task

__all__ = [
    "Holds",
    "Owner",
    "Place",
    "RegionLockBase",
    "ensure_teller",
    "exchange_owner",
    "follow_task",
    "in_one_step",
    "locks_in_use",
    "new_owner",
    "observe",
    "telling",
]

_R = TypeVar("_R")

HAND_OFF = 0.001
"""Seconds after which the first waiter is no longer overtaken by newcomers.

They count from the lock's last hand-off: were each waiter of many handed the lock as soon as it has
waited that long, then no thread would ever run two operations without a switch of threads in
between, which takes longer than they do.
"""

_TURNS = 4  # tries of a thread that wants several locks before it holds one while it waits
_NAP = 0.5  # seconds before a waiter looks, lest an asynchronous exception lost who rings; then 2x
_FIRST_POLL, _LAST_POLL = 0.0005, 0.01  # seconds between looks at a lock that others hold, too

_monitor = threading.RLock()  # reentrant, for signal handlers and finalizers that lock
_serials = itertools.count(1)
_tickets = itertools.count(1)  # places in queues
_locks: Alive[RegionLockBase] = Alive()


class _Thread:
    """What the locks know of one thread: which of its owners hold and what it waits in."""

    __slots__ = ("awaiting", "current", "ended", "holders", "name", "waiter")

    def __init__(self, name: str) -> None:
        self.awaiting: dict[_Waiter, None] = {}  # of its owners, which are away
        self.name = name
        self.current: _Owner | None = None
        self.holders: dict[_Owner, None] = {}  # those of its owners that hold something
        self.waiter: _Waiter | None = None
        self.ended = False

    def waiters(self) -> Iterator[_Waiter]:
        """The waiters that the thread is inside of, the innermost first."""
        waiter = self.waiter
        while waiter is not None:
            yield waiter
            waiter = waiter.outer


class _Owner:
    """Who holds and waits, as the locks see it, and the thread that it goes on in."""

    __slots__ = ("awaits", "holds", "task", "thread")

    def __init__(self, thread: _Thread | None) -> None:
        self.awaits: dict[_Waiter, None] = {}  # its waiters that are away
        self.thread = thread
        self.task = 0  # the id of the asyncio task whose it is
        self.holds: dict[_Hold, RegionLockBase] = {}

    def waiters(self) -> list[_Waiter]:
        """The waiters that it waits in, or its thread."""
        inside = [] if self.thread is None else self.thread.waiters()
        return [*self.awaits, *inside]

    def name(self) -> str:
        """What errors call it."""
        if (task := _tasks.name_of(self.task)) is not None:
            return f"task {task!r}"
        return f"thread {'' if self.thread is None else self.thread.name!r}"

    def shown_name(self) -> str:
        """What lists call it."""
        thread = "" if self.thread is None else self.thread.name
        name = _tasks.name_of(self.task)
        return thread if name is None else f"task {name!r} of {thread}"

    def remember(self, hold: _Hold, lock: RegionLockBase) -> None:
        self.holds[hold] = lock
        if self.thread is not None:
            self.thread.holders[self] = None

    def forget(self, hold: _Hold) -> None:
        self.holds.pop(hold, None)
        if not self.holds and self.thread is not None:
            self.thread.holders.pop(self, None)
            if self.holds:  # a signal handler has been here meanwhile
                self.thread.holders[self] = None


class Owner:
    """Who holds and waits, as `exchange_owner` takes it; what it holds goes with it."""

    __slots__ = ("_owner",)
    _finalizing = staticmethod(sys.is_finalizing)

    def __init__(self, owner: _Owner) -> None:
        self._owner = owner

    @property
    def task(self) -> int:
        """The id of the asyncio task whose owner it is; 0 of none."""
        return self._owner.task

    @task.setter
    def task(self, task: int) -> None:
        self._owner.task = task

    def __del__(self) -> None:
        owner = self._owner
        if owner.thread is None or self._finalizing():  # globals have gone
            return
        for hold, lock in list(owner.holds.items()):
            _end_of_hold(hold, lock)


class _Ending:
    """Lives in a thread's local storage; when the thread ends, its holds are released."""

    _finalizing = staticmethod(sys.is_finalizing)

    def __init__(self, thread: _Thread) -> None:
        self._thread = thread

    def __del__(self) -> None:
        if self._finalizing():  # globals have gone
            return
        for owner in list(self._thread.holders):
            for hold, lock in list(owner.holds.items()):
                _end_of_hold(hold, lock)
        for waiter in list(self._thread.awaiting):
            holding(_monitor, waiter.lose_locked)
        self._thread.ended = True


def _end_of_hold(hold: _Hold, lock: RegionLockBase) -> None:
    """Give `hold` back, since its owner has ended; its guard no longer has it."""
    holds = hold.holds()
    guard = None if holds is None or holds.guard is None else holds.guard()
    if guard is not None and guard._holds is holds:
        guard._end()
    lock._release(hold)


_local = threading.local()


def this_owner() -> _Owner:
    """Return the one that holds and waits for what this thread takes."""
    try:
        return _local.current._owner
    except AttributeError:
        thread = _Thread(threading.current_thread().name)
        _local.own = _local.current = Owner(_Owner(thread))
        thread.current = _local.own._owner
        _local.ending = _Ending(thread)
        return _local.own._owner


def _this_thread() -> _Thread:
    thread = this_owner().thread
    assert thread is not None
    return thread


def locks_in_use() -> set[RegionLockBase]:
    """Return the locks that some thread holds, or waits for, or for a change of."""
    return {lock for lock in _locks if lock._holds or lock._queue or lock._changes}


_observer: Any = None


def observe(observer: Any) -> None:
    """Have `observer` be told what happens to locks; None: nobody.

    Its ``taken(lock, write, key, array, 0, 0)`` is called with the lock in hand, for each hold with
    its own key; ``waited(lock, write, nanoseconds)`` after a wait, whatever came of it; and
    ``given(key)`` when the hold was given back.
    """
    global _observer
    _observer = observer


def in_one_step(act: Callable[..., _R], *args: Any) -> _R:
    """Return ``act(*args)``, called while no other thread does anything to a lock."""
    return holding(_monitor, act, *args)


def follow_task() -> bool:
    """Have the owner of the task that runs in this thread, or the thread's own, current.

    Return whether it is a task's.
    """
    task = running_task()
    here = this_owner()
    if here.task == (0 if task is None else id(task)):
        return task is not None
    if here.task or _local.current is _local.own:  # else somebody has chosen by hand
        exchange_owner(_tasks.owner_of(task))
    return task is not None


def new_owner() -> Owner:
    """Return an owner that holds nothing and is no thread's yet.

    When nobody refers to it any more, what it holds is given back.
    """
    return Owner(_Owner(None))


def exchange_owner(owner: Owner | None) -> Owner | None:
    """Have `owner` hold and wait for what this thread takes from now on; return who did before.

    None is the owner that the thread began with. One that holds something stays bound to this
    thread, whoever is current there, and ends with it, unless another thread makes it its own.

    Raises
    ------
    RuntimeError
        `owner` is the current one of another thread.
    """
    if not isinstance(owner, Owner | None):
        raise TypeError(f"exchange_owner() takes an owner or None, not {type(owner).__name__}")
    here = _this_thread()
    return holding(_monitor, _exchange_locked, owner or _local.own, here)


def _exchange_locked(owner: Owner, here: _Thread) -> Owner | None:
    thread = owner._owner.thread
    if thread is not here and thread is not None:
        if thread.current is owner._owner and not thread.ended:
            raise RuntimeError("another thread has this owner")
        thread.holders.pop(owner._owner, None)
    owner._owner.thread = here
    if owner._owner.holds:
        here.holders[owner._owner] = None
    here.current = owner._owner
    previous, _local.current = _local.current, owner
    return None if previous is _local.own else previous


_tasks = TaskOwners(new_owner, follow_task)


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

    `holds` is the `Holds` that it belongs to.  An asynchronous exception may rob an operation of
    its ``finally``; that one then dies with the frame.  While the hold is held, or waits, `watch`
    sees it die and gives the hold back; and so does whoever has waited for long.
    (A finalizer of each Holds would do it, too, but swallow each Ctrl-C that strikes in it.)
    """

    __slots__ = ("holds", "owner", "suspended", "waiter", "watch", "write")

    def __init__(self, owner: _Owner, write: bool, holds: weakref.ref[Holds]) -> None:
        self.owner = owner
        self.write = write
        self.holds = holds
        self.watch: _Watch | None = None
        self.waiter: _Waiter | None = None
        self.suspended = False  # given back, and to be taken again, by a condition variable

    def is_kept(self) -> bool:
        """Whether a guard or a lock object has it, and not an operation."""
        holds = self.holds()
        return holds is None or holds.kept

    @property
    def thread(self) -> _Thread:
        """The thread of its owner, which is bound to one since it is or was current there."""
        thread = self.owner.thread
        assert thread is not None
        return thread


class _Watch(weakref.ref["Holds"]):
    """Sees the Holds of `hold` die."""

    __slots__ = ("hold",)
    hold: _Hold


class _Waiter:
    """A hold that waits its turn.  `bell` is locked until somebody rings.

    Its `ticket` is its place in the queue.  It stands behind those in front whose tickets are
    below `heeds`, which only ever goes down: whom it has passed, it has passed for good.

    A signal handler or finalizer may strike a thread that waits, and wait for something itself:
    `outer` is what the thread goes on waiting for afterwards.  `struck`: the thread may hold more
    than when this wait began.  `call`: the thread is not inside of it, but away; so it is granted
    the lock, and this is called then.  `within` is what the thread was inside of when it began, so
    that it is at work in a handler: this does not stand aside for that.
    """

    __slots__ = (
        "bell", "call", "heeds", "hold", "lock", "outer", "rung", "since", "struck", "thread",
        "ticket", "within",
    )  # fmt: skip

    def __init__(
        self, lock: RegionLockBase, hold: _Hold, call: Callable[[], None] | None = None
    ) -> None:
        self.lock = lock
        self.hold = hold
        self.call = call
        self.thread = hold.thread
        self.since = 0.0
        self.ticket = self.heeds = 0
        self.outer: _Waiter | None = None
        self.within = hold.thread.waiter
        self.rung = False
        self.struck = False
        self.bell = threading.Lock()
        self.bell.acquire()

    def ring_locked(self) -> None:
        if not self.rung:
            self.rung = True
            if self.call is not None:
                self.call()
            else:
                self.bell.release()

    def lose_locked(self) -> None:
        """Leave the queue, and tell: the thread has ended, and nobody goes on there."""
        self.lock._leave_locked(self)
        self.ring_locked()

    def in_thread_of(self, hold: _Hold, waiter: _Waiter | None) -> bool:
        """Whether one thread is inside of it and of `hold`, which waits as `waiter` if it waits."""
        away = self.call is not None or (waiter is not None and waiter.call is not None)
        return not away and self.thread is hold.thread

    def strike_locked(self) -> None:
        """Have it look for cycles again, once its thread comes back to it."""
        self.struck = True
        self.ring_locked()

    def aside(self) -> bool:
        """Whether the thread waits for something else now, inside this wait."""
        if self.call is not None:
            return self.thread.waiter not in (None, self.within)
        return self.thread.waiter is not self


class RegionLockBase:
    """A readers-writer lock with reentrancy, upgrade, fairness and a wait-for graph.

    Parameters
    ----------
    below : RWLockable, optional
        The lock that keeps readers and writers apart.  By default an `RWLockFair` of its own;
        another one may be held by code that knows nothing of this class, and is then polled.
    name : str, optional
        What messages call it by.
    """

    made_at: str | None = None  # where the array was made that brought it, in debug mode
    _claim: Any = None  # what the general `acquire` took ...
    _count: int = 0  # ... and how often

    def __init__(self, below: Any = None, name: str | None = None) -> None:
        self.serial = next(_serials)
        self._name = name
        self._own = below is None
        self._below = _new_below() if below is None else below
        # One of ours, between processes: a reader may ask for the write lock.
        self._upgrades = getattr(below, "upgrades", False)
        self._holds: dict[_Hold, _Owner] = {}
        # The same by owner and mode, so that none is looked for.
        self._listed: dict[tuple[_Owner, bool], dict[_Hold, None]] = {}
        self._taken: dict[_Owner, tuple[bool, Any]] = {}
        self._queue: list[_Waiter] = []
        self._changes: Alive[Change] = Alive()  # who waits for one
        self._passed: dict[_Waiter, None] = {}  # those of it that do not heed all in front
        self._handed_off = 0.0  # when a waiter last got the lock because it had waited for long
        _locks.add(self)

    # As a lock object itself: in the class above.
    _general_acquire: Callable[[bool, float], bool]
    _general_release: Callable[[], None]
    _general_exit: Callable[[type[BaseException] | None], None]
    _general_locked: Callable[[], bool]
    _general_recursion_count: Callable[[], int]
    _general_abandon: Callable[[], None]

    @property
    def name(self) -> str | None:
        """What messages call the lock, mostly by the name of its array: a str, or None."""
        return self._name

    def _be_named(self, name: str) -> None:
        """Be called by that name in messages."""
        self._name = name

    def _be_placed(self, made_at: str) -> None:
        """Be called by the place where its array was made."""
        self.made_at = made_at

    @property
    def _foreign(self) -> Any:
        """Somebody else's lock below, or None."""
        return None if self._own else self._below

    @property
    def _is_looked_at(self) -> bool:
        """Whether a task that waits is told by nobody, and has to look again and again."""
        return not self._own

    def _entries(self) -> list[tuple[str, str, bool, None, None, float | None]]:
        """Return who holds, and then who waits.

        Each is (thread, mode, waiting, two for the region, seconds for which it has waited).
        """
        now = time.monotonic()
        entries: list[tuple[str, str, bool, None, None, float | None]] = [
            (
                hold.owner.shown_name(),
                "write" if hold.write else "read",
                waiter is not None,
                None,
                None,
                None if waiter is None else now - waiter.since,
            )
            for hold, waiter in holding(_monitor, self._holds_locked)
        ]
        return entries + [
            (change.owner.shown_name(), "change", True, None, None, now - change.since)
            for change in self._changes
        ]

    def _holds_locked(self) -> list[tuple[_Hold, _Waiter | None]]:
        self._release_orphans_locked()
        shown: list[tuple[_Hold, _Waiter | None]] = [(hold, None) for hold in list(self._holds)]
        shown += [(waiter.hold, waiter) for waiter in self._queue if waiter.hold not in self._holds]
        return shown

    # -- acquiring -----------------------------------------------------------------------------

    def _acquire(self, hold: _Hold, deadline: float | None) -> None:
        """Enter `hold` into the list of holds, or raise and leave no trace of it."""
        if not holding(_monitor, self._grant_locked, hold):
            self._acquire_slow(hold, deadline)

    def _acquire_slow(self, hold: _Hold, deadline: float | None) -> None:
        if _monitor._is_owned():  # type: ignore[attr-defined]
            if not holding(_monitor, self._grant_past_queue_locked, hold):  # it cannot queue
                raise struck_inside(self, hold.write)
            return
        if _is_over(deadline):
            if not holding(_monitor, self._try_locked, hold):
                raise self._not_in_time(hold)
            return
        waiter = _Waiter(self, hold)
        poll, nap = _FIRST_POLL, _NAP
        look = time.monotonic() + nap
        waits = False
        try:
            if holding(_monitor, self._join_locked, waiter):
                return
            waits = True
            while True:
                now = time.monotonic()
                if deadline is not None and deadline <= now:
                    raise self._not_in_time(hold)
                limit = look if deadline is None else min(look, deadline)
                limit = max(limit - now, 0)
                if not self._own:  # its other users do not ring
                    limit = min(poll, limit)
                    poll = min(2 * poll, _LAST_POLL)
                waiter.bell.acquire(timeout=limit)
                if time.monotonic() >= look:
                    nap *= 2
                    look = time.monotonic() + nap
                    holding(_monitor, self._release_orphans_locked)
                if holding(_monitor, self._woken_locked, waiter):
                    return
        except BaseException:
            self._release(hold)
            self._restore_below(hold.owner)
            raise
        finally:
            holding(_monitor, self._leave_locked, waiter)
            if self._upgrades:
                self._below.stop_waiting(threading.get_ident())
            if waits and (observer := _observer) is not None:
                observer.waited(self, hold.write, int((time.monotonic() - waiter.since) * 1e9))

    def _join_locked(self, waiter: _Waiter) -> bool:
        """Join the queue, unless that would close a cycle of holds, and try once more."""
        self._refuse_cycle_locked(waiter.hold)
        self._append_locked(waiter)
        self._pass_locked(waiter)
        if waiter.outer is not None:  # it stands aside now, and keeps nobody waiting
            waiter.outer.lock._wake_locked()
        self._wake_behind_locked(waiter.thread)
        return self._grant_locked(waiter.hold, waiter)

    def _await_locked(self, waiter: _Waiter) -> bool:
        """Join the queue for a task, unless that would close a cycle; or take the lock at once."""
        hold = waiter.hold
        if self._grant_locked(hold):
            return True
        self._refuse_cycle_locked(hold, away=True)
        self._watch_locked(hold)
        hold.waiter = waiter
        waiter.since = time.monotonic()
        waiter.ticket = waiter.heeds = next(_tickets)
        self._queue.append(waiter)
        hold.owner.awaits[waiter] = waiter.thread.awaiting[waiter] = None
        self._pass_locked(waiter)
        return self._accept_locked(waiter)

    def _accept_locked(self, waiter: _Waiter) -> bool:
        """Whether it has been granted the lock; then it waits no more."""
        if waiter.hold not in self._holds:
            return False
        self._leave_locked(waiter)
        return True

    @staticmethod
    def _wake_behind_locked(thread: _Thread) -> None:
        """Serve the queues in which waiters of the thread are that step aside, or back in."""
        for lock in {waiter.lock for waiter in thread.awaiting}:
            lock._wake_locked()

    def _append_locked(self, waiter: _Waiter) -> None:
        thread = waiter.thread
        self._watch_locked(waiter.hold)
        waiter.hold.waiter = waiter
        waiter.since = time.monotonic()
        waiter.ticket = waiter.heeds = next(_tickets)
        waiter.outer, thread.waiter = thread.waiter, waiter
        for outer in thread.waiters():  # those behind it go on before it does
            if outer.lock is self:
                waiter.heeds = min(waiter.heeds, outer.ticket)
                self._passed[waiter] = None
        self._queue.append(waiter)

    def _woken_locked(self, waiter: _Waiter) -> bool:
        """Try again, the bell being silent before."""
        waiter.thread.waiter = waiter  # whatever strikes out of this one is over
        if waiter.rung:
            waiter.rung = False
            waiter.bell.acquire(blocking=False)
        if waiter.hold in self._holds:  # somebody granted it
            return True
        if waiter.struck:
            waiter.struck = False
            self._refuse_cycle_locked(waiter.hold)
            self._pass_locked(waiter)
        if not self._grant_locked(waiter.hold, waiter):
            return False
        if (now := time.monotonic()) - waiter.since >= HAND_OFF:
            self._handed_off = now
        return True

    def _leave_locked(self, waiter: _Waiter) -> None:
        if waiter in waiter.thread.waiters():
            waiter.thread.waiter = waiter.outer
        if waiter in self._queue:
            self._queue.remove(waiter)
        waiter.hold.waiter = None
        self._passed.pop(waiter, None)
        waiter.hold.owner.awaits.pop(waiter, None)
        waiter.thread.awaiting.pop(waiter, None)
        if waiter.hold not in self._holds:
            waiter.hold.watch = None
        self._wake_locked()  # it may have been rung, and not used its turn
        if waiter.outer is not None:  # it steps back in
            waiter.outer.strike_locked()
            waiter.outer.lock._wake_locked()
        if waiter.call is None:
            self._wake_behind_locked(waiter.thread)

    def _try_locked(self, hold: _Hold) -> bool:
        """Enter `hold` if nothing is in its way, or only waiters that wait for it; and tell."""
        return self._is_open_locked(hold, passing=True) and self._grant_past_queue_locked(hold)

    def _is_open_locked(self, hold: _Hold, *, passing: bool) -> bool:
        """Whether nothing is in the way of `hold`.

        `passing`: nor is a waiter in front that waits for this thread, as the graph has it.
        """
        if self._is_held_against(hold):
            return False
        if not self._queue_in_the_way(hold):
            return True
        # A task does not pass for its thread's sake, which goes on with other tasks.
        if not passing or not (hold.owner.holds if hold.owner.task else hold.thread.holders):
            return False
        waiter = _Waiter(self, hold)
        try:
            self._append_locked(waiter)
            self._pass_locked(waiter)
            return not self._is_held_against(hold) and not self._queue_in_the_way(hold, waiter)
        finally:
            self._leave_locked(waiter)

    def _grant_past_queue_locked(self, hold: _Hold) -> bool:
        """Enter `hold` if no holder is in the way, and tell."""
        return not self._is_held_against(hold) and self._enter_locked(hold)

    def _grant_locked(self, hold: _Hold, waiter: _Waiter | None = None) -> bool:
        """Enter `hold`, which waits as `waiter` if it waits, if nothing is in its way; and tell."""
        if self._is_held_against(hold) or self._queue_in_the_way(hold, waiter):
            return False
        return self._enter_locked(hold)

    def _enter_locked(self, hold: _Hold) -> bool:
        """Enter `hold`, which no holder is in the way of, if the lock below is free; and tell."""
        owner = hold.owner
        self._watch_locked(hold)
        self._list(hold)  # first, or a signal handler would give back what is taken
        owner.remember(hold, self)
        self._holds[hold] = owner
        if self._take_below(owner, hold.write):
            inside = hold.thread.waiter
            if inside is not None and inside.hold is not hold:  # a signal handler's
                inside.strike_locked()
            return True
        self._holds.pop(hold, None)
        self._unlist(hold)
        owner.forget(hold)
        if hold.waiter is None:
            hold.watch = None
        return False

    def _list(self, hold: _Hold) -> None:
        key = (hold.owner, hold.write)
        listed = None
        while listed is None or self._listed.get(key) is not listed:  # a signal handler emptied it
            listed = self._listed.setdefault(key, {})
            listed[hold] = None

    def _unlist(self, hold: _Hold) -> None:
        key = (hold.owner, hold.write)
        listed = self._listed.get(key)
        if listed is None:
            return
        listed.pop(hold, None)
        if not listed:
            gone = self._listed.pop(key, None)
            if gone:  # a signal handler has been here meanwhile
                self._listed[key] = gone

    def _watch_locked(self, hold: _Hold) -> None:
        """See that `hold` is given back at once should its Holds die."""
        if hold.watch is None and (holds := hold.holds()) is not None:
            watch = _Watch(holds, self._died)
            watch.hold = hold
            hold.watch = watch

    def _died(self, watch: Any, _finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Give back what somebody left without giving it back."""
        if not _finalizing():  # else globals have gone
            holding(_monitor, self._abandon_locked, watch.hold)

    def _abandon_locked(self, hold: _Hold) -> None:
        if hold.waiter is not None:
            self._leave_locked(hold.waiter)
        self._release_locked(hold)

    def _is_held_against(self, hold: _Hold) -> bool:
        """Whether holds of other owners conflict with `hold`."""
        if len(self._taken) > 1:  # they are there together: so all of them read
            return hold.write
        return bool(self._holders_in_the_way(hold))

    def _holders_in_the_way(self, hold: _Hold) -> list[_Owner]:
        """The other owners whose holds conflict with `hold`."""
        return [
            owner
            for owner, (write, _) in list(self._taken.items())
            if owner is not hold.owner and (write or hold.write)
        ]

    def _queue_in_the_way(self, hold: _Hold, waiter: _Waiter | None = None) -> bool:
        """Whether `hold` must stand behind a waiter that has waited long enough.

        Nobody stands behind himself, when he has been struck while he waits; nor behind a waiter
        that stands aside; nor does an owner for what it has already, since all whom that is in the
        way of wait for this owner.
        """
        if not self._queue:
            return False
        taken = self._taken.get(hold.owner)
        if taken is not None and (taken[0] or not hold.write):
            return False
        long_ago = time.monotonic() - HAND_OFF
        if waiter is None and self._handed_off > long_ago:
            return False
        for older in self._queue:
            if older is waiter or older.in_thread_of(hold, waiter):
                return False
            if waiter is not None and older.ticket >= waiter.heeds:
                return False
            conflict = older.hold.write or hold.write
            if conflict and older.since <= long_ago and not older.aside():
                return True
        return False

    # -- the wait-for graph ----------------------------------------------------------------------

    def _refuse_cycle_locked(self, hold: _Hold, away: bool = False) -> None:
        """Raise DeadlockError if the wait for `hold` would close a cycle; see `_find_cycle_locked`.

        Not one of what exceptions out of nowhere have left, whose owners hold it no more.
        """
        try:
            self._find_cycle_locked(hold, away)
            return
        except DeadlockError:
            pass
        for lock in _locks:
            lock._release_orphans_locked()
        self._find_cycle_locked(hold, away)

    def _find_cycle_locked(self, hold: _Hold, away: bool) -> None:
        """Raise DeadlockError if the wait for `hold` would close a cycle of hard edges.

        They run from an owner that waits, or whose thread does, to those who hold what is wanted.
        A cycle comes into being only when a wait begins: a hold that is granted adds edges to an
        owner that does not wait.  So the last one to begin finds it here.  `away`: not the whole
        thread waits then, but this owner alone.
        """
        me, here = hold.owner, hold.thread
        if not (me.holds if away else here.holders):
            return
        parents: dict[_Owner, _Owner] = {}  # of those met: whom each is in the way of
        walk = [(owner, me) for owner in self._holders_in_the_way(hold)]
        for owner, parent in walk:  # grows meanwhile: breadth first, for the shortest cycle
            if not away and owner.thread is here and parent is me:
                raise self._held_beside(hold)
            if owner in parents or not (waiters := owner.waiters()):
                continue
            parents[owner] = parent
            blockers = [
                blocker
                for waiter in waiters
                for blocker in waiter.lock._holders_in_the_way(waiter.hold)
                if waiter.call is not None or blocker.thread is not owner.thread
            ]
            if any(blocker is me or (not away and blocker.thread is here) for blocker in blockers):
                raise self._closes_cycle(hold, owner, parents)
            walk.extend((blocker, owner) for blocker in blockers)

    def _held_beside(self, hold: _Hold) -> DeadlockError:
        tasks = [
            owner.task for owner in self._holders_in_the_way(hold) if owner.thread is hold.thread
        ]
        in_task = bool(hold.owner.task)
        return held_beside(self, hold.write, _tasks.name_of(tasks[0]), in_task)

    def _pass_locked(self, waiter: _Waiter) -> None:
        """Open the cycles that the wait of `waiter` closes, now that none is of hard edges alone.

        Who holds nothing closes none, since nobody waits for him yet.
        """
        away = waiter.call is not None
        may_close = bool(waiter.hold.owner.holds if away else waiter.thread.holders)
        while may_close and (edge := _soft_edge_of_cycle(waiter)) is not None:
            behind, in_front = edge
            behind.heeds = in_front.ticket
            behind.lock._passed[behind] = None
            if behind is not waiter:
                behind.lock._wake_locked()

    def _in_front(self, waiter: _Waiter) -> list[_Waiter]:
        """Whom `waiter` stands behind, now or once they are old or step back in; the last first."""
        in_front = []
        for older in self._queue:
            if older.ticket >= waiter.heeds:
                break
            conflict = older.hold.write or waiter.hold.write
            same = older.in_thread_of(waiter.hold, waiter)
            if conflict and not same and older.hold not in self._holds:
                in_front.append(older)
        return in_front[::-1]

    def _closes_cycle(
        self, hold: _Hold, last: _Owner, parents: dict[_Owner, _Owner]
    ) -> DeadlockError:
        cycle = [last]
        while (parent := parents[cycle[-1]]) is not hold.owner:
            cycle.append(parent)
        first = cycle[-1]
        locks = {waiter.lock for owner in cycle for waiter in owner.waiters()}
        waits_for = next((waiter.lock for waiter in first.waiters()), 0)
        return closes_cycle(
            self,
            hold.write,
            (first.name(), last.name()),
            waits_for,
            len(cycle) + 1,
            locks == {self},
        )

    # -- releasing -----------------------------------------------------------------------------

    def _release(self, hold: _Hold, changed: bool = True) -> None:
        """Delete `hold` from the list of holds, if it is there, and wake who may now run.

        And who waits for a change, if it wrote and so `changed` what it held.
        """
        holding(_monitor, self._release_locked, hold, changed)

    def _release_locked(self, hold: _Hold, changed: bool = True) -> None:
        if changed and hold.write and hold in self._holds:
            for change in self._changes:
                change.tell()
        self._holds.pop(hold, None)
        self._unlist(hold)
        hold.owner.forget(hold)
        if hold.waiter is None:
            hold.watch = None
        try:
            self._return_below(hold.owner)
        finally:
            if self._queue:
                self._wake_locked()

    def _release_orphans_locked(self) -> None:
        """Give back whatever exceptions out of nowhere have left; goes through all holds."""
        for hold in list(self._holds):
            if hold.holds() is None:
                self._release(hold)
        for waiter in list(self._queue):
            if waiter.hold.holds() is None:
                self._leave_locked(waiter)
        here = getattr(_local, "current", None)  # not made for a thread that is at its end
        # It is amid something, perhaps. This thread's other owners are not: tasks that were struck.
        current = None if here is None else here._owner
        for listed in list(self._listed.values()):
            for hold in list(listed):
                if hold not in self._holds and hold.owner is not current:
                    self._release(hold)
        for owner in list(self._taken):
            if owner is not current:
                self._return_below(owner)

    def _wake_locked(self) -> None:
        """Serve the waiters that nothing is in the way of: the first, or readers together.

        Who has waited for long is handed the lock, since its thread may be in a signal handler; who
        has not, is rung for, and newcomers may have been faster.
        """
        if not self._queue:
            return
        long_ago = time.monotonic() - HAND_OFF
        hand_off = self._own and self._handed_off <= long_ago
        # The tickets of the first who keep those behind waiting: of writers, and of all.
        first_writer = first = math.inf
        for waiter in list(self._queue):
            write = waiter.hold.write
            if waiter.aside() or waiter.hold in self._holds or waiter.hold.waiter is not waiter:
                continue  # or it has left, as one does whose loop is closed when it is told
            if (first if write else first_writer) >= waiter.heeds:
                if not self._is_held_against(waiter.hold):
                    old = hand_off and waiter.since <= long_ago
                    if (old or waiter.call is not None) and self._enter_locked(waiter.hold):
                        self._handed_off = time.monotonic()
                        waiter.ring_locked()
                        continue
                    if waiter.call is None:
                        waiter.ring_locked()
            if waiter.rung or waiter.since <= long_ago:
                first = min(first, waiter.ticket)
                if write:
                    first_writer = min(first_writer, waiter.ticket)
                    if not self._passed:
                        return  # all others stand behind it

    # -- the readers-writer lock below -----------------------------------------------------------

    def _take_below(self, owner: _Owner, write: bool) -> bool:
        """Have `owner` hold the lock below at least in the mode asked for; never wait."""
        taken = self._taken.get(owner)
        held = taken is not None and taken[1] is not None and taken[1].locked()
        if taken is not None and held and (taken[0] or not write):
            return True
        if self._relock(owner, write):
            return True
        if self._own:  # an asynchronous exception left its inner locks held: a new one
            self._taken.pop(owner, None)
            self._renew_below()
            self._relock(owner, write)
            return True
        if taken is None:
            self._taken.pop(owner, None)
        else:
            self._relock(owner, False)
        return False

    def _return_below(self, owner: _Owner) -> None:
        """Give back what `owner` no longer needs of the lock below."""
        taken = self._taken.get(owner)
        if taken is None:
            return
        writes = bool(self._listed.get((owner, True)))
        if not writes and not self._listed.get((owner, False)):
            self._let_go(taken[1])
            if self._taken.get(owner) is taken:  # else a signal handler has been here meanwhile
                self._taken.pop(owner, None)
        elif taken[0] and not writes and self._own:  # others' lock: a writer could slip in
            self._let_go(taken[1])
            self._relock(owner, False)

    def _relock(self, owner: _Owner, write: bool) -> bool:
        """Take the lock below without waiting; known before it is, lest an exception lose it."""
        lockable = self._below.gen_wlock() if write else self._below.gen_rlock()
        taken = self._taken.get(owner)
        if taken is not None and taken[1] is not None and taken[1].locked():
            if taken[0] or not write:  # a signal handler has taken it meanwhile
                return True
            if self._upgrades:
                if not lockable.acquire(blocking=False):
                    return False
                self._taken[owner] = (write, lockable)
                self._let_go(taken[1])
                return True
            self._let_go(taken[1])  # an upgrade: the other owners' holds are not in the way
        self._taken[owner] = (write, lockable)
        if not lockable.acquire(blocking=False):
            self._taken[owner] = (write, None)
            return False
        taken = self._taken.get(owner)
        if taken is None or taken[1] is not lockable:  # the same, while it was acquired
            self._taken[owner] = (write, lockable)
            if taken is not None:
                self._let_go(taken[1])
        return True

    def _renew_below(self) -> None:
        """Replace our own lock below by a new one, taken as `_taken` says."""
        self._below = _new_below()
        for owner, (write, _) in list(self._taken.items()):
            self._taken[owner] = (write, None)  # what it has is of the old one
            self._relock(owner, write)

    def _restore_below(self, owner: _Owner) -> None:
        """Give `owner` back the read lock that a failed upgrade let go and others then took."""
        while not holding(_monitor, self._restore_locked, owner):
            time.sleep(_FIRST_POLL)

    def _restore_locked(self, owner: _Owner) -> bool:
        taken = self._taken.get(owner)
        if taken is None or taken[1] is not None or self._relock(owner, taken[0]):
            return True
        if self._own:  # an asynchronous exception left its inner locks held
            self._renew_below()
        return self._own

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

    def _lose_all(self) -> None:
        """Have nobody hold what is another process's (in a fork's child)."""
        for hold in list(self._holds):
            self._release(hold, False)
            holds = hold.holds()
            if holds is not None and not holds.held():  # nor any other lock
                _end_of_hold(hold, self)

    # -- what a condition variable asks --------------------------------------------------------

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take all of the lock for writing; a thread may do so several times.

        Parameters
        ----------
        blocking : bool
            Whether to wait for the lock.
        timeout : float
            Seconds to wait; -1 (default) waits for ever.

        Returns
        -------
        bool
            Whether the lock was taken; False if it was not free in time.

        Raises
        ------
        DeadlockError
            Threads would wait for each other in a circle, this one among them.

        Examples
        --------
        >>> import lockedarray as la
        >>> lock = la.RegionLock()
        >>> lock.acquire(timeout=1)
        True
        >>> lock.release()
        """
        return self._general_acquire(blocking, timeout)

    def release(self) -> None:
        """Give the lock back; as often as `acquire` has taken it.

        Raises
        ------
        RuntimeError
            This thread has not acquired it.
        """
        self._general_release()

    def __enter__(self) -> bool:
        return self._general_acquire(True, -1)

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        self._general_exit(kind)

    def locked(self) -> bool:
        """Return whether a thread has acquired the lock; `holds` tells of guards, too.

        Returns
        -------
        bool
        """
        return self._general_locked()

    def _recursion_count(self) -> int:
        return self._general_recursion_count()

    def _at_fork_reinit(self) -> None:
        self._general_abandon()

    def _is_owned(self) -> bool:
        """Whether this thread, or the task that runs in it, has anything of the lock."""
        follow_task()
        return any(lock is self for lock in list(this_owner().holds.values()))

    def _shown(self) -> list[Any]:
        """Return Buffers and raw views of guards of this core; here none."""
        return []

    def _suspend_all(self) -> list[_Hold]:
        """Give back all that this thread has of the lock, for a while."""
        suspended = holding(_monitor, self._suspend_locked)
        if not suspended:
            raise waits_inside_operation()
        return suspended

    def _suspend_locked(self) -> list[_Hold]:
        mine = [hold for hold, lock in list(this_owner().holds.items()) if lock is self]
        if not all(hold.is_kept() for hold in mine):
            return []
        for hold in mine:
            hold.suspended = True
            self._release_locked(hold)
        return sorted(mine, key=lambda hold: not hold.write)  # a write stands for all

    def _resume_all(self, suspended: list[_Hold]) -> None:
        """Take again what `_suspend_all` gave back, whatever signals come meanwhile."""
        struck: BaseException | None = None
        while suspended:
            hold = suspended[0]
            try:
                if hold.suspended and hold not in self._holds and hold.holds() is not None:
                    self._acquire(hold, None)
                hold.suspended = False
                suspended.pop(0)
            except DeadlockError:
                for hold in suspended:
                    hold.suspended = False
                raise
            except BaseException as error:
                struck = error
        if struck is not None:
            raise struck

    # -- messages --------------------------------------------------------------------------------

    def _not_in_time(self, hold: _Hold) -> LockTimeout:
        owners = self._holders_in_the_way(hold)
        holders = [owner.name() for owner in owners if owner.thread is not None]
        return not_in_time(self, hold.write, holders, not self._own)

    def _forget_other_threads(self, thread: _Thread) -> None:
        """Drop what threads hold that a fork did not bring along (in the child)."""
        self._queue = [waiter for waiter in self._queue if waiter.thread is thread]
        self._passed = {waiter: None for waiter in self._passed if waiter.thread is thread}
        for change in self._changes:
            if change.thread is not thread:
                self._changes.discard(change)
        for hold in [hold for hold, owner in self._holds.items() if owner.thread is not thread]:
            del self._holds[hold]
            self._unlist(hold)
            hold.owner.forget(hold)
        gone = [taken for owner, taken in self._taken.items() if owner.thread is not thread]
        self._taken = {owner: t for owner, t in self._taken.items() if owner.thread is thread}
        if self._own:
            self._renew_below()
        else:
            for _, lockable in gone:
                self._let_go(lockable)
        self._wake_locked()  # the thread may fork in a signal handler, while it waits


class Change:
    """What a thread waits for a change by: that somebody gives back a write of one of `locks`.

    It is known to them while they are held, so no change falls between the look and the wait.
    There it is until its `end`, or nobody refers to it.  `notify`, if given, is called once, in the
    thread that made the change, and under the monitor.
    """

    __slots__ = (
        "__weakref__",
        "_bell",
        "_locks",
        "_notify",
        "_seen",
        "owner",
        "polls",
        "since",
        "thread",
    )

    def __init__(
        self, locks: Iterable[RegionLockBase], notify: Callable[[], object] | None = None
    ) -> None:
        self._bell = threading.Lock()
        self._bell.acquire()
        self._seen = False
        self._notify = notify
        self.since = time.monotonic()
        self.thread = _this_thread()
        self.owner = this_owner()
        self.polls = False  # others' code may write, too, and does not tell
        self._locks = list(locks)
        for lock in self._locks:
            self.polls = self.polls or not lock._own
            lock._changes.add(self)

    def tell(self) -> None:
        """There is a change."""
        if not self._seen:
            self._seen = True
            self._bell.release()
            if self._notify is not None:
                self._notify()

    def end(self) -> None:
        """Watch no longer."""
        holding(_monitor, self._end_locked)

    def _end_locked(self) -> None:
        self._notify = None
        for lock in self._locks:
            lock._changes.discard(self)

    def wait(self, timeout: float | None) -> bool:
        """Wait for it; False if there was none in time (seconds, None: no limit)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        nap = _NAP  # a signal just before the sleep does not end it
        while not self._seen and not _is_over(deadline):
            left = nap if deadline is None else min(nap, deadline - time.monotonic())
            self._bell.acquire(timeout=max(left, 0))
            nap = min(2 * nap, threading.TIMEOUT_MAX)
        return self._seen


_Request: TypeAlias = tuple[RegionLockBase, _Hold]


def _is_empty_view(array: Any) -> bool:
    """Whether nothing but a resize could matter to it; an empty array that is no view may grow."""
    return array.nbytes == 0 and array._owner is not None


class Holds:
    """Several holds that are acquired together, in lock order, and released together.

    Parameters
    ----------
    requests : iterable of (LockedArray or RegionLock, write)
        What to take: the lock of an array, for what that shows, or a whole lock.  Requests for
        one lock are taken in one step, a write if one of them is.  A view that shows no
        byte has nothing to write, and only its shape is to stay as it is: that is a read.
    kept : bool
        By a guard or a lock object, and not by an operation.

    """

    __slots__ = ("__weakref__", "_holds", "_requests", "guard", "kept", "owner")

    def __init__(self, requests: Iterable[tuple[Any, bool]], kept: bool = False) -> None:
        self._requests = list(requests)
        modes = self._modes()
        follow_task()
        self.owner = this_owner()
        self.guard: weakref.ref[Any] | None = None  # the one that ends with the owner
        self.kept = kept
        me = weakref.ref(self)
        self._holds = [
            (lock, _Hold(self.owner, modes[lock], me))
            for lock in sorted(modes, key=lambda lock: lock.serial)
        ]

    def _modes(self) -> dict[RegionLockBase, bool]:
        """Return the locks to take, and whether to write, for the arrays as they are now."""
        modes: dict[RegionLockBase, bool] = {}
        for wanted, write in self._requests:
            is_lock = isinstance(wanted, RegionLockBase)
            lock = wanted if is_lock else wanted._buffer.lock
            writes = write and (is_lock or not _is_empty_view(wanted))
            modes[lock] = modes.get(lock, False) or writes
        return modes

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
            while True:
                modes = self._modes()
                for lock, hold in self._holds:
                    hold.write = modes[lock]
                if len(self._holds) == 1 or not self._acquire_together(deadline):
                    for lock, hold in self._holds:
                        lock._acquire(hold, deadline)
                if self.are_current():
                    break
                self.give_back()
            if (observer := _observer) is not None:
                array = self._requests[0][0] if len(self._requests) == 1 else None
                for lock, hold in self._holds:
                    observer.taken(lock, hold.write, id(hold), array, 0, 0)
        except BaseException:
            self.release()
            self._restore_below()
            raise

    def _acquire_together(self, deadline: float | None) -> bool:
        """Take every lock in one step, or with no other in hand while it waits for one.

        False: it has none.  They are to be waited for in order, by who holds something anyway, or
        has not had them all after a few turns.
        """
        if _monitor._is_owned():  # type: ignore[attr-defined]
            return False
        nested = bool(_this_thread().holders)
        missed = holding(_monitor, self._try_all_locked, nested)
        if missed is None:
            return True
        self._restore_below()
        lock, hold = missed
        if _is_over(deadline):
            raise lock._not_in_time(hold)
        for _ in range(0 if nested else _TURNS):
            lock._acquire(hold, deadline)
            missed = holding(_monitor, self._try_all_locked, False)
            if missed is None:
                return True
            self.give_back()
            lock, hold = missed
        return False

    def _try_all_locked(self, passing: bool) -> _Request | None:
        """Enter those that are not, if nothing is in the way of any; else return the first such."""
        wanted = [(lock, hold) for lock, hold in self._holds if hold not in lock._holds]
        for lock, hold in wanted:
            if not lock._is_open_locked(hold, passing=passing):
                return lock, hold
        for i, (lock, hold) in enumerate(wanted):
            if not lock._grant_past_queue_locked(hold):
                self._release_all(iter(wanted[:i]), changed=False)
                return lock, hold
        return None

    def _restore_below(self) -> None:
        if _monitor._is_owned():  # type: ignore[attr-defined]
            return  # nothing is waited for here
        for lock, hold in self._holds:
            lock._restore_below(hold.owner)

    def release(self) -> None:
        """Release what is held; nothing happens to what is not."""
        for _, hold in self._holds:
            hold.suspended = False
        self._release_all(iter(self._holds))
        if (observer := _observer) is not None:
            for _, hold in self._holds:
                observer.given(id(hold))

    def give_back(self) -> None:
        """Release what nothing was written by: nobody who waits for a change is told."""
        self._release_all(iter(self._holds), changed=False)

    def _release_all(self, holds: Iterator[_Request], *, changed: bool = True) -> None:
        for lock, hold in holds:
            try:
                lock._release(hold, changed)
            except BaseException:  # of others' locks, or Ctrl-C: the rest is released
                self._release_all(holds, changed=changed)
                raise

    def watch(self, notify: Callable[[], object] | None = None) -> Change:
        """Return a Change, by which to wait until others have written what is held now."""
        return in_one_step(Change, [lock for lock, _ in self._holds], notify)

    def beside(self) -> RegionLockBase | None:
        """Return a lock of these of which the owner holds something else, too, or None."""
        mine = dict(self._holds)
        for hold, lock in list(self.owner.holds.items()):
            if lock in mine and hold is not mine[lock]:
                return lock
        return None

    def are_current(self) -> bool:
        """Whether they are of all that the arrays show: one that showed no byte may have grown."""
        modes = self._modes()
        return all(hold.write or not modes[lock] for lock, hold in self._holds)

    def held_by_this_thread(self) -> bool:
        """Whether the one that took the holds is the calling thread, or its current owner."""
        follow_task()
        return self.owner is this_owner()

    def held(self) -> bool:
        """Whether a thread has the holds, and has not ended."""
        return any(hold in lock._holds or hold.suspended for lock, hold in self._holds)

    def lost(self) -> bool:
        """Whether some that were taken are held no more: a fork has left them to the parent."""
        return not all(hold in lock._holds or hold.suspended for lock, hold in self._holds)


class Place:
    """One lock that a task waits for, and then has, without a thread that waits.

    Parameters
    ----------
    lock : RegionLockBase
        It has no lock of others below.
    requests : tuple of (LockedArray or RegionLock, write)
        What to take of this lock.
    """

    __slots__ = ("_holds", "_lock", "_requests", "_waiter")

    def __init__(self, lock: RegionLockBase, requests: tuple[tuple[Any, bool], ...]) -> None:
        self._lock = lock
        self._requests = requests
        self._holds: Holds | None = None
        self._waiter: _Waiter | None = None

    def begin(self, call: Callable[[], None]) -> bool:
        """Take the lock, and return True; or wait for it, and have `call` called once it is had."""
        self._holds = holds = Holds(self._requests)
        [(lock, hold)] = holds._holds
        self._waiter = waiter = _Waiter(lock, hold, call)
        return holding(_monitor, lock._await_locked, waiter)

    def accept(self) -> bool | None:
        """Whether the lock is had now; None: the wait was lost, and is to be begun again."""
        waiter = self._waiter
        assert waiter is not None
        follow_task()
        if holding(_monitor, self._lock._accept_locked, waiter):
            return True
        return False if waiter in self._lock._queue else None

    def leave(self) -> None:
        """Wait no longer, or give back what is had."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            holding(_monitor, self._lock._leave_locked, waiter)
        if self._holds is not None:
            self._holds.give_back()  # nothing was written by it


def telling(release: Callable[[], _R]) -> _R:
    """Call a function that releases; here whoever releases tells the tasks whose turn it is."""
    return release()


def ensure_teller() -> None:
    """See to it that tasks are told of their turn; here whoever releases does."""


def _soft_edge_of_cycle(origin: _Waiter) -> tuple[_Waiter, _Waiter] | None:
    """Return who stands behind whom in a cycle that the wait of `origin` closes, if any is.

    Of several such edges the first, from `origin` on.  Whoever is behind there is `origin`, or is
    waited for since its thread holds something.
    """
    met: dict[_Waiter, tuple[_Waiter, bool]] = {}  # from whom, and whether by a soft edge
    walked: dict[RegionLockBase, int] = {}  # all in front of this ticket have been met
    walk = [origin]
    for waiter in walk:  # grows meanwhile
        lock = waiter.lock
        if waiter.hold in lock._holds:  # it has been granted, and goes on
            continue
        edges = [
            (other, False)
            for owner in lock._holders_in_the_way(waiter.hold)
            for other in owner.waiters()
        ]
        if waiter.ticket > walked.get(lock, 0):
            edges.extend((older, True) for older in lock._in_front(waiter))
            if waiter.hold.write and waiter.heeds == waiter.ticket:
                walked[lock] = waiter.ticket
        for other, soft in edges:
            if other is origin:
                met[origin] = waiter, soft
                return _first_soft_edge(origin, met)
            if other not in met:
                met[other] = waiter, soft
                walk.append(other)
    return None


def _first_soft_edge(
    origin: _Waiter, met: dict[_Waiter, tuple[_Waiter, bool]]
) -> tuple[_Waiter, _Waiter] | None:
    first = None
    other = origin
    while True:
        waiter, soft = met[other]
        if soft:
            first = waiter, other
        if waiter is origin:
            return first
        other = waiter


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and deadline <= time.monotonic()


def _before_fork() -> None:
    _monitor.acquire()


def _after_fork_in_parent() -> None:
    _monitor.release()


def _after_fork_in_child() -> None:
    global _monitor
    _monitor = threading.RLock()
    thread = _this_thread()
    for lock in _locks:
        lock._forget_other_threads(thread)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
