"""What `threading.Condition` asks of a lock: to let go of all of it for a while.

The guards of the thread that waits go without their locks meanwhile. Their raw views are read-only
until these are held again, and then show the same bytes, wherever a resize has moved them.
"""

from __future__ import annotations

from typing import Any

from lockedarray._cores import RegionLockBase, set_writeable
from lockedarray._errors import waits_inside_operation
from lockedarray._guards.guards import asked_here, raws_here

__all__ = ["resume", "suspend"]


def suspend(lock: RegionLockBase) -> tuple[Any, list[tuple[Any, Any, bool]]]:
    """Give back all that this thread has of `lock`; return what `resume` is to be given.

    Raises
    ------
    RuntimeError
        The thread is in an operation, or in the predicate of a guard, which keeps its lock.
    """
    if any(lock in locks for locks in asked_here()):
        raise waits_inside_operation()
    shown = [(buffer, raw, raw.flags.writeable) for buffer, raw in _shown(lock)]
    try:
        for _, raw, _ in shown:
            raw.setflags(write=False)
        return lock._suspend_all(), shown
    except BaseException:
        for _, raw, writable in shown:
            if writable:
                set_writeable(raw)
        raise


def resume(lock: RegionLockBase, state: tuple[Any, list[tuple[Any, Any, bool]]]) -> None:
    """Take again what `suspend` gave back, however long that takes.

    Raises
    ------
    DeadlockError
        The wait would have closed a cycle; nothing of the lock is held then.
    """
    suspended, shown = state
    lock._resume_all(suspended)
    held = {id(raw) for _, raw in _shown(lock)}
    for buffer, raw, writable in shown:
        if id(raw) in held:  # else its guard is gone
            buffer.follow(raw)
            if writable and not buffer.frozen:
                set_writeable(raw)


def _shown(lock: RegionLockBase) -> list[tuple[Any, Any]]:
    """Return (Buffer, raw view) of all guards of this thread that hold `lock`."""
    objects = iter(lock._shown())
    pairs = list(zip(objects, objects, strict=True))
    pairs += [(array._buffer, raw) for array, raw in raws_here() if array._buffer.lock is lock]
    return pairs
