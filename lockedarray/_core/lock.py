"""The RegionLock on the native core: the lock in C, its errors, and others' locks below it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, NamedTuple, NoReturn

import lockedarray._core._native as _native
from lockedarray._alive import Alive
from lockedarray._errors import (
    cannot_come_true,
    closed_between,
    closes_cycle,
    held_beside,
    not_in_time,
    not_true_in_time,
    poisoned,
    table_is_full,
)
from lockedarray._tasks import TaskOwners, running_task

__all__ = ["RegionLockBase", "locks_in_use", "new_lockable"]

_FIRST_POLL, _LAST_POLL = 0.002, 0.01  # seconds between looks at a lock that others hold, too

_tasks = TaskOwners(_native.new_owner, _native.follow_task)
_native.connect_tasks(_tasks.owner_of)


class _Named(NamedTuple):
    """What is kept of a lock that has a name or a place, by its number, while it lives."""

    serial: int
    name: str | None
    made_at: str | None


class RegionLockBase(_native.ReentrantLock):
    """The lock in C, with somebody else's `below` it if that is given, and its `name`."""

    __slots__ = ("__weakref__",)

    def __init__(self, below: Any = None, name: str | None = None) -> None:
        between = getattr(below, "upgrades", False)  # one of ours, between processes
        super().__init__(None if below is None else _Below(below, weakref.ref(self)), between)
        if name is not None:
            self._be_named(name)

    @property
    def _foreign(self) -> Any:
        return None if self.below is None else self.below._lock

    # What the general `acquire` took, and how often: it is for locks with one below.
    @property
    def _claim(self) -> Any:
        return None if self.below is None else self.below.claim

    @_claim.setter
    def _claim(self, claim: Any) -> None:
        self.below.claim = claim

    @property
    def _count(self) -> int:
        return 0 if self.below is None else self.below.count

    @_count.setter
    def _count(self, count: int) -> None:
        self.below.count = count

    @property
    def _is_looked_at(self) -> bool:
        """Whether a task that waits is told by nobody, and has to look again and again."""
        return self.below is not None or self._is_shared

    @property
    def name(self) -> str | None:
        """What messages call the lock, mostly by the name of its array: a str, or None."""
        known: _Named | None = self._known_as
        return None if known is None else known.name

    @property
    def made_at(self) -> str | None:
        """In debug mode the place where its array was made, or None."""
        known: _Named | None = self._known_as
        return None if known is None else known.made_at

    def _be_named(self, name: str) -> None:
        """Be called by that name in messages, and be found for them."""
        self._be_known(_Named(self.serial, name, self.made_at))

    def _be_placed(self, made_at: str) -> None:
        """Be called by the place where its array was made, likewise."""
        self._be_known(_Named(self.serial, self.name, made_at))

    def _be_known(self, known: _Named) -> None:
        self._known_as = known  # first: it is taken out of the dict only where there is one
        _native.lock_names[self.serial] = known

    def _entries(self) -> list[tuple[str, str, bool, int | None, int | None, float | None]]:
        """Return who holds, and then who waits.

        Each is (thread, mode, waiting, first byte, end, seconds for which it has waited).
        """
        entries = self.entries() if self._foreign is None else self._entries_over_foreign()
        return [(_shown_name(ident, task), *rest) for ident, task, *rest in entries]

    def _entries_over_foreign(self) -> list[Any]:
        """The entries, of which some have this lock for a moment only, to try the one below."""
        waiting = self.below.waiting.copy()
        entries = self.entries()
        waiting |= self.below.waiting.copy()  # who began after the first look, and let go since
        now = time.monotonic()
        shown: list[Any] = [
            (ident, 0, "write" if write else "read", True, None, None, now - since)
            for ident, (write, since) in waiting.items()
        ]
        for ident, task, mode, waits, *rest in entries:
            known = ident in waiting and waiting[ident][0] == (mode == "write")
            if not known and (waits or self.below.is_taken(ident)):
                shown.append((ident, task, mode, waits, *rest))
        return sorted(shown, key=lambda entry: entry[3])  # who holds comes first

    def _lose_all(self) -> None:
        """Have nobody hold what is another process's (in a fork's child)."""
        self.below.lose_all()  # the core has seen to its own part

    def _suspend_all(self) -> tuple[Any, bool | None]:
        """Give back all that this thread keeps of the lock, and below it, for a while."""
        suspended = self._suspend()
        return suspended, None if self._foreign is None else self.below.let_go_here()

    def _resume_all(self, state: tuple[Any, bool | None]) -> None:
        """Take again what `_suspend_all` gave back."""
        suspended, below = state
        self._resume(suspended)
        while below is not None and not self.below.take_here(below):
            suspended = self._suspend()  # nobody waits for others' code with our lock in hand
            time.sleep(_FIRST_POLL)
            self._resume(suspended)


def locks_in_use() -> set[RegionLockBase]:
    """Return the locks that some thread holds, or waits for."""
    locks: set[Any] = _native.locks_in_use()
    for below in _belows:
        if below.waiting and (above := below.above()) is not None:
            locks.add(above)
    return locks


def new_lockable(lock: RegionLockBase, write: bool) -> _native.Lockable | None:
    """Return a lock object in C, or None of a lock with somebody else's below."""
    return _native.Lockable(lock, write) if lock._foreign is None else None


class _Taken:
    """What one thread has of a lock below.

    An exception may strike at any moment, and a signal handler or finalizer that takes the lock,
    too. So a lock object is entered here before it is acquired, and left out once it is released.
    """

    __slots__ = ("lockables", "requests", "write")

    def __init__(self) -> None:
        self.lockables: dict[int, Any] = {}  # by their ids; none: a failed upgrade let it go
        self.write = False
        self.requests: set[int] = set()  # which want it held

    def is_held(self) -> bool:
        return any(lockable.locked() for lockable in list(self.lockables.values()))

    def acquire(self, lock: Any, write: bool) -> bool:
        """Take it, if that needs no waiting."""
        lockable = lock.gen_wlock() if write else lock.gen_rlock()
        self.lockables[id(lockable)] = lockable
        held = lockable.acquire(blocking=False)
        if held:
            self.lockables[id(lockable)] = lockable  # a handler may have left it out
            self.write = self.write or write
        else:
            self.lockables.pop(id(lockable), None)
        return bool(held)

    def let_go(self) -> None:
        for key, lockable in list(self.lockables.items()):
            if lockable.locked():
                try:
                    lockable.release()
                except RuntimeError:
                    if lockable.locked():  # else a handler was faster
                        raise
            self.lockables.pop(key, None)
        self.write = False


class _Below:
    """Somebody else's readers-writer lock, held for each thread in its strongest mode.

    Our own threads exclude each other above it; it keeps code out that knows only it.  Its other
    users do not tell when they let it go, so a thread that waits for it looks again and again,
    and holds nothing of the lock above meanwhile.

    Requests are known by numbers. Whatever is struck by an exception, may be called again.
    """

    def __init__(self, lock: Any, above: weakref.ref[RegionLockBase]) -> None:
        self._lock = lock
        self.above = above
        self._taken: dict[int, _Taken] = {}
        # Which threads want it: whether to write, and since when (time.monotonic).
        self.waiting: dict[int, tuple[bool, float]] = {}
        self._polls: dict[int, float] = {}
        # One of ours, between processes: a reader may ask for the write lock.
        self._upgrades = getattr(lock, "upgrades", False)
        self.claim: Any = None  # what the general `acquire` took of the lock above ...
        self.count = 0  # ... and how often
        _belows.add(self)

    def take(self, request: int, write: bool, _ident: int) -> bool:
        """Have the thread hold it at least in this mode, if that needs no waiting."""
        ident = threading.get_ident()
        _release_when_the_thread_ends(ident)
        taken = self._taken.get(ident)
        if taken is None:
            taken = _Taken()
        taken.requests.add(request)  # first, or a handler would give back what is taken
        self._taken[ident] = taken
        if not taken.is_held():
            held = taken.acquire(self._lock, write)
        elif write and not taken.write:  # an upgrade: there is none, so let go and take anew
            if not self._upgrades:
                taken.let_go()
            held = taken.acquire(self._lock, True)
            if not held and not self._upgrades:
                taken.acquire(self._lock, False)
        else:
            held = True
        if not held and not (taken.is_held() and (taken.write or not write)):
            known = self.waiting.get(ident)
            since = time.monotonic() if known is None or known[0] != write else known[1]
            self.waiting[ident] = write, since
            taken.requests.discard(request)
            if not taken.requests:
                taken.let_go()
                self._taken.pop(ident, None)
            return False
        self._forget_wait(ident)
        return True

    def pause(self, left: float) -> None:
        """Wait a moment, at most `left` seconds, before the next look."""
        ident = threading.get_ident()
        poll = self._polls.get(ident, _FIRST_POLL)
        self._polls[ident] = min(2 * poll, _LAST_POLL)
        time.sleep(min(poll, left))

    def give_up(self, request: int, write: bool, ident: int) -> None:
        """Wait no longer, and have again what the thread had before."""
        self._forget_wait(ident)
        self.give_back(request, write, ident)  # what may have been taken before an exception struck
        taken = self._taken.get(ident)
        while taken is not None and not taken.is_held():
            if not taken.acquire(self._lock, False):
                time.sleep(_FIRST_POLL)

    def let_go_here(self) -> bool | None:
        """Let go of what the thread has, for a while; return whether it writes, None: nothing."""
        taken = self._taken.get(threading.get_ident())
        if taken is None or not taken.is_held():
            return None
        write = taken.write
        taken.let_go()
        return write

    def take_here(self, write: bool) -> bool:
        """Have it again, if that needs no waiting."""
        taken = self._taken.get(threading.get_ident())
        return taken is None or taken.acquire(self._lock, write)

    def give_back(self, request: int, _write: bool, ident: int) -> None:
        """Undo one `take` of a thread; the lock is let go with its last."""
        taken = self._taken.get(ident)
        if taken is None:  # it was not taken
            return
        taken.requests.discard(request)
        if not taken.requests:
            self.forget(ident)

    def forget(self, ident: int) -> None:
        """Let go of what a thread holds, which may have ended."""
        self._forget_wait(ident)
        taken = self._taken.get(ident)
        if taken is not None:
            taken.let_go()
            self._taken.pop(ident, None)

    def forget_other_threads(self) -> None:
        """Let go of what threads hold that a fork did not bring along (in the child)."""
        here = threading.get_ident()
        for ident in {*self._taken, *self.waiting}:
            if ident != here and not self._upgrades:  # else see lose_all
                self.forget(ident)

    def lose_all(self) -> None:
        """Know of no thread that has it: what is below holds nothing in a fork's child."""
        self._taken.clear()
        self.waiting.clear()
        self._polls.clear()

    def is_taken(self, ident: int) -> bool:
        """Whether a thread holds it."""
        taken = self._taken.get(ident)
        return taken is not None and taken.is_held()

    def _forget_wait(self, ident: int) -> None:
        self.waiting.pop(ident, None)
        self._polls.pop(ident, None)
        if self._upgrades:
            self._lock.stop_waiting(ident)


class _Ending:
    """Lives in a thread's local storage; when the thread ends, its locks below are let go."""

    def __init__(self, ident: int) -> None:
        self._belows = _belows  # when the interpreter ends, globals go first
        self._ident = ident

    def __del__(self) -> None:
        if not hasattr(self, "_ident"):  # Ctrl-C struck before anything was taken
            return
        for below in self._belows:
            below.forget(self._ident)


_belows: Alive[_Below] = Alive()
_local = threading.local()


def _release_when_the_thread_ends(ident: int) -> None:
    if not hasattr(_local, "ending"):
        _local.ending = _Ending(ident)


def _after_fork_in_child() -> None:
    for below in _belows:
        below.forget_other_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _name(ident: int) -> str:
    # Not by enumerate(): a thread that did not survive the interpreter's end may have its lock.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return f"thread {ident}" if thread is None else thread.name


_ELSEWHERE = 1 << 63  # what stands for another process: a bit beside its number


def _shown_name(ident: int, task: int) -> str:
    """What lists call it."""
    if task & _ELSEWHERE:
        return f"process {task - _ELSEWHERE}"
    name = _tasks.name_of(task)
    return _name(ident) if name is None else f"task {name!r} of {_name(ident)}"


def _owner_name(ident: int, task: int) -> str:
    """What errors call it."""
    if task & _ELSEWHERE:
        return f"process {task - _ELSEWHERE}"
    name = _tasks.name_of(task)
    return f"thread {_name(ident)!r}" if name is None else f"task {name!r}"


def raise_timeout(lock: RegionLockBase, write: bool, holders: list[tuple[int, int]]) -> NoReturn:
    """Raise LockTimeout, naming who is in the way."""
    foreign = lock._foreign is not None
    if foreign:  # who only tries, gives it back if the lock below is taken
        holders = [holder for holder in holders if holder[0] not in lock.below.waiting]
    raise not_in_time(lock, write, (_owner_name(*holder) for holder in set(holders)), foreign)


def raise_poisoned(lock: RegionLockBase, pid: int, since: float, low: int, high: int) -> NoReturn:
    """Raise PoisonedError of a process that died while it wrote."""
    raise poisoned(lock, pid, (low, high), since)


def raise_full(lock: RegionLockBase) -> NoReturn:
    """Raise RuntimeError: the table that processes share has no room."""
    raise table_is_full(lock)


def raise_closed(lock: RegionLockBase) -> NoReturn:
    """Raise ValueError: the array is between processes, and closed in this one."""
    raise closed_between(repr(lock.name))


def raise_not_true(array: Any, timeout: float) -> NoReturn:
    """Raise LockTimeout of a guard whose predicate did not come true in time."""
    raise not_true_in_time(timeout, array._buffer.lock)


def raise_beside(lock: RegionLockBase) -> NoReturn:
    """Raise DeadlockError of a guard whose predicate nobody can make true."""
    raise cannot_come_true(lock)


def raise_deadlock(
    lock: RegionLockBase,
    write: bool,
    first: tuple[int, int],
    last: tuple[int, int],
    waits_for: int,
    length: int,
    of_one_lock: bool,
) -> NoReturn:
    """Raise DeadlockError, naming the threads of the cycle that the wait would have closed."""
    if length == 1:
        raise held_beside(lock, write, _tasks.name_of(first[1]), running_task() is not None)
    cycle = (_owner_name(*first), _owner_name(*last))
    awaited = _native.lock_names.get(waits_for, waits_for)
    raise closes_cycle(lock, write, cycle, awaited, length, of_one_lock)
