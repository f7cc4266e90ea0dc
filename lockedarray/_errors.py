"""What the locks of both cores raise: exceptions of our own, and their words.

Everywhere else NumPy's types are raised.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Protocol

__all__ = [
    "DeadlockError",
    "DebugWarning",
    "LockTimeout",
    "PoisonedError",
    "cannot_come_true",
    "closed_between",
    "closes_cycle",
    "frozen_for_good",
    "held_beside",
    "lock_text",
    "not_in_time",
    "not_true_in_time",
    "poisoned",
    "poisoned_beyond",
    "recovers_frozen",
    "struck_inside",
    "table_is_full",
    "two_upgrades",
    "waits_inside_operation",
]


class _Lock(Protocol):
    """What of a lock its errors tell."""

    serial: int

    @property
    def made_at(self) -> str | None: ...

    @property
    def name(self) -> str | None: ...


class DeadlockError(RuntimeError):
    """Threads would have waited for each other in a circle, for ever.

    Each of them holds a lock that the next one waits for.  It is raised at once in the thread whose
    wait would have closed the circle.  What that thread held before, it still holds; it got nothing
    of what it asked for.  `acquire` takes several arrays without this danger.

    Examples
    --------
    >>> import lockedarray as la
    >>> x = la.zeros(3, name="x")
    >>> with x.read():  # who holds a part cannot wait for others to change it
    ...     x.wait_for(lambda a: a[0] == 1)
    Traceback (most recent call last):
    ...
    lockedarray.DeadlockError: lock of 'x': the predicate is false, and cannot become true...
    """


class LockTimeout(TimeoutError):
    """A lock was not free, or a predicate not true, within the timeout.

    The message names the threads that held the lock.  Nothing is held afterwards but what was held
    before.

    Examples
    --------
    >>> import threading, lockedarray as la
    >>> x = la.zeros(3, name="x")
    >>> def work():
    ...     try:
    ...         x.write(timeout=0).acquire()
    ...     except la.LockTimeout as error:
    ...         print(error)
    >>> with x.read():
    ...     thread = threading.Thread(target=work)
    ...     thread.start()
    ...     thread.join()
    write lock of 'x': not free in time; held by thread 'MainThread'
    """


class PoisonedError(RuntimeError):
    """A process died while it was writing to this part of a shared array.

    The part may be half written.  Every use of it raises this error, in all processes, until it has
    been repaired in ``with x.recover() as raw:``.

    Attributes
    ----------
    pid : int
        The process that died.
    region : tuple of int
        The bytes of the array's memory that it was writing to: the first one, and the end.  If it
        was writing to all of the array, or changing its length, the end is `sys.maxsize`.
    since : float
        When its death was noticed, as `time.time` counts.  Where the whole array has one lock (not
        on Linux), it is when the process began to write.

    See Also
    --------
    LockedArray.recover : Repair the array.
    """

    def __init__(
        self,
        pid: int,
        region: tuple[int, int],
        since: float,
        called: str = "",
        remedy: str = "repair them, with x.recover() as raw",
    ) -> None:
        low, high = max(region[0], 0), min(region[1], sys.maxsize)
        what = (
            f"bytes {low} to {high}, which may be half written"
            if high < sys.maxsize
            else "to all of it, which may be half written"
        )
        super().__init__(
            f"{called or 'a shared array'}: process {pid} died while it wrote {what}: {remedy}"
        )
        self.pid = pid
        self.region = (low, high)
        self.since = since
        self._words = called, remedy

    def __reduce__(self) -> tuple[object, ...]:
        return PoisonedError, (self.pid, self.region, self.since, *self._words)


class DebugWarning(RuntimeWarning):
    """The debug mode has seen a line of the program that is probably wrong.

    The debug mode is on where the environment variable ``LOCKEDARRAY_DEBUG`` is set when
    lockedarray is imported.
    """


def not_in_time(lock: _Lock, write: bool, holders: Iterable[str], foreign: bool) -> LockTimeout:
    """Return the error of a lock that was not free in time.

    `holders` are the threads, tasks and other processes whose holds were in the way when the time
    was over, such as "thread 'a'", "task 'b'" or "process 4711". There may be none: they have just
    let go, or others' code has the lock below, if that is `foreign`.
    """
    known = sorted(set(holders))
    groups = []
    kinds = (("thread ", "threads "), ("task ", "tasks "), ("process ", "processes "))
    for kind, several in kinds:
        names = [holder.removeprefix(kind) for holder in known if holder.startswith(kind)]
        if names:
            groups.append(f"{several if len(names) > 1 else kind}{', '.join(names)}")
    if groups:
        blame = f"held by {' and '.join(groups)}"
    else:
        blame = "held by code outside lockedarray" if foreign else "other threads wait in front"
    return LockTimeout(f"{_describe(lock, write)}: not free in time; {blame}")


def not_true_in_time(timeout: float, lock: _Lock) -> LockTimeout:
    """Return the error of a guard whose predicate did not come true in time."""
    return LockTimeout(f"{lock_text(lock)}: the predicate was not true within {timeout:g} s")


def poisoned(lock: _Lock, pid: int, region: tuple[int, int], since: float) -> PoisonedError:
    """Return the error of what a process has left half written."""
    return PoisonedError(pid, region, since, lock_text(lock, "the "))


def poisoned_beyond(called: str, pid: int, region: tuple[int, int], since: float) -> PoisonedError:
    """Return the error of a recovery of a part, where more than that is half written."""
    return PoisonedError(
        pid, region, since, called,
        "that is more than this view shows, so recover the array, with x.base.recover() as raw",
    )  # fmt: skip


def recovers_frozen(called: str) -> ValueError:
    """Return the error of a recovery of what nobody may write to."""
    return ValueError(
        f"{called} is frozen: there is nothing to repair, since nobody can write to it; read it as "
        "it is, or write to a copy (x.copy())"
    )


def table_is_full(lock: _Lock) -> RuntimeError:
    """Return the error of a lock that has no room for another thread."""
    return RuntimeError(
        f"{lock_text(lock)}: it has no place left: there are 256 for the threads of all processes, "
        "and a thread takes another one for each further eight parts that it holds; or this thread "
        "uses some 1,700 shared arrays, which is the most"
    )


def cannot_come_true(lock: _Lock) -> DeadlockError:
    """Return the error of a wait for a change by a thread that holds a part of what must change."""
    return DeadlockError(
        f"{lock_text(lock)}: the predicate is false, and cannot become true while this thread "
        "holds a part of the array; wait before you take the lock, or give when= to the "
        "outermost guard"
    )


def waits_inside_operation() -> RuntimeError:
    """Return the error of a Condition's wait in code that an operation calls."""
    return RuntimeError(
        "cannot wait inside an operation on the array, in a callback or in element code: "
        "the operation keeps its lock until it ends"
    )


def frozen_for_good() -> DeadlockError:
    """Return the error of a wait for a change of what is frozen."""
    return DeadlockError(
        "the predicate is false, and cannot become true: the array is frozen, so nobody can "
        "write to it"
    )


def closes_cycle(
    lock: _Lock,
    write: bool,
    cycle: tuple[str, str],
    waits_for: _Lock | int,
    length: int,
    of_one_lock: bool,
) -> DeadlockError:
    """Return the error of a wait that would have closed a cycle.

    `cycle` has what to call the thread, or task, that is in the way, which waits for the lock
    `waits_for` (or the one of that number), and the one that waits for this thread; `length`
    counts the threads of the cycle, this one too. `of_one_lock`: all of them want the same lock.
    """
    first, last = cycle
    chain = f"{first} holds it and waits for {lock_text(waits_for, the='the ')}, "
    if length <= 2:
        chain += "which this thread holds"
    else:
        last = last.removeprefix("thread ")
        chain += f"and so on in a cycle of {length} threads to {last}, which waits for this thread"
    remedy = (
        "take the write lock from the start, x.write(), or all parts at once, la.acquire(...)"
        if of_one_lock
        else "take both at once: la.acquire(write=(x, y))"
    )
    return DeadlockError(f"{_describe(lock, write)}: {chain}; {remedy}")


def held_beside(
    lock: _Lock, write: bool, holder: str | None = None, in_task: bool = False
) -> DeadlockError:
    """Return the error of a wait for another owner of the same thread, which could not go on.

    `holder` is the name of the asyncio task that holds the lock, if one does; `in_task`: it is a
    task that asks for it.
    """
    if holder is not None or in_task:
        who = f"task {holder!r} of this thread" if holder else "this thread outside of its tasks"
        me = "this task" if in_task else "this thread"
        return DeadlockError(
            f"{_describe(lock, write)}: held by {who}, which cannot go on while {me} waits: "
            f"use 'async with x.{'write' if write else 'read'}()'"
        )
    return DeadlockError(
        f"{_describe(lock, write)}: another owner in this thread holds it, "
        "which cannot go on while this thread waits"
    )


def two_upgrades(called: str) -> DeadlockError:
    """Return the error of a reader that wants to write, as one in another process does, too."""
    return DeadlockError(
        f"write lock of {called}: a reader in another process wants it, too: each would wait for "
        "the other; take the write lock from the start, x.write()"
    )


def closed_between(called: str) -> ValueError:
    """Return the error of an array that is closed."""
    return ValueError(
        f"the shared array {called} is closed in this process: attach it again, "
        "la.shared.attach(name) or la.shared.open(path)"
    )


def struck_inside(lock: _Lock, write: bool) -> DeadlockError:
    """Return the error of a wait by code that has interrupted its own thread inside the locks."""
    return DeadlockError(
        f"{_describe(lock, write)}: a signal handler or finalizer interrupted this thread "
        "inside the lock, and another thread holds what it asks for"
    )


def lock_text(lock: _Lock | int, the: str = "") -> str:
    """Return how messages call a lock: by the name of its array, by a place, or by a number.

    The place is where the array was made. `the` stands before all but a number.
    """
    if isinstance(lock, int):
        return f"lock {lock}"
    if lock.name is not None:
        return f"{the}lock of {lock.name!r}"
    if lock.made_at is not None:
        return f"{the}lock of the array made at {lock.made_at}"
    return f"lock {lock.serial}"


def _describe(lock: _Lock, write: bool) -> str:
    return f"{'write' if write else 'read'} {lock_text(lock)}"
