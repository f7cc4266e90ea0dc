"""What the locks of both cores raise: two exceptions of our own, and their words.

Everywhere else NumPy's types are raised.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "DeadlockError",
    "LockTimeout",
    "closes_cycle",
    "held_beside",
    "not_in_time",
    "struck_inside",
]


class DeadlockError(RuntimeError):
    """A lock was not waited for, because the wait could never have ended.

    Raised at once in the thread whose wait would have closed a cycle: every thread of the cycle
    holds a lock that the next one waits for.  Nothing that the failed call asked for is held
    afterwards; what the thread held before, it still holds.
    """


class LockTimeout(TimeoutError):
    """A lock did not become free within the timeout (seconds) that was given."""


def not_in_time(serial: int, write: bool, holders: Iterable[str], foreign: bool) -> LockTimeout:
    """Return the error of a lock that was not free in time.

    `holders` are the names of the threads whose holds were in the way when the time was over. There
    may be none: they have just let go, or others' code has the lock below, if that is `foreign`.
    """
    names = sorted({repr(name) for name in holders})
    if names:
        blame = f"held by thread{'s' if len(names) > 1 else ''} {', '.join(names)}"
    else:
        blame = "held by code outside lockedarray" if foreign else "others are in front"
    return LockTimeout(f"{_describe(serial, write)}: not free in time; {blame}")


def closes_cycle(
    serial: int, write: bool, cycle: tuple[str, str], waits_for: int, length: int, of_one_lock: bool
) -> DeadlockError:
    """Return the error of a wait that would have closed a cycle.

    `cycle` has what to call the thread, or task, that is in the way, which waits for the lock with
    the number `waits_for`, and the one that waits for this thread; `length` counts the threads of
    the cycle, this one too. `of_one_lock`: all of them want the same lock.
    """
    first, last = cycle
    chain = f"{first} holds it and waits for lock {waits_for}, "
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
    return DeadlockError(f"{_describe(serial, write)}: {chain}; {remedy}")


def held_beside(
    serial: int, write: bool, holder: str | None = None, in_task: bool = False
) -> DeadlockError:
    """Return the error of a wait for another owner of the same thread, which could not go on.

    `holder` is the name of the asyncio task that holds the lock, if one does; `in_task`: it is a
    task that asks for it.
    """
    if holder is not None or in_task:
        who = f"task {holder!r} of this thread" if holder else "this thread outside of its tasks"
        me = "this task" if in_task else "this thread"
        return DeadlockError(
            f"{_describe(serial, write)}: held by {who}, which cannot go on while {me} waits: "
            f"use 'async with x.{'write' if write else 'read'}()'"
        )
    return DeadlockError(
        f"{_describe(serial, write)}: another owner in this thread holds it, "
        "which can not go on while this thread waits"
    )


def struck_inside(serial: int, write: bool) -> DeadlockError:
    """Return the error of a wait by code that has interrupted its own thread inside the locks."""
    return DeadlockError(
        f"{_describe(serial, write)}: a signal handler or finalizer interrupted this thread "
        "inside the lock, and another thread holds what it asks for"
    )


def _describe(serial: int, write: bool) -> str:
    return f"{'write' if write else 'read'} lock {serial}"
