"""Who holds and waits for what, over all locks: `holds`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lockedarray._cores import RegionLockBase, locks_in_use

__all__ = ["ArrayHold", "Holders", "holds", "label_of", "table"]


class ArrayHold(NamedTuple):
    """One entry of `holds`: a thread that holds the lock of an array, or waits for it.

    Attributes
    ----------
    array : str
        The name of the array's lock, or a number, as in ``'lock 7'``.
    thread : str
        The name of the thread; of an asyncio task ``"task 'Task-1' of MainThread"``.
    mode : str
        ``'read'`` or ``'write'``; or ``'change'`` of one that waits for a change.
    waiting : bool
        Whether it waits for the lock; else it holds it.
    waited : float or None
        For how many seconds it has waited until now; None of one that holds the lock.
    low, high : int or None
        Which bytes of the array's memory: from `low` up to `high`.  None is the beginning, or the
        end.  (The portable core always takes all of them.)
    """

    array: str
    thread: str
    mode: str
    waiting: bool
    waited: float | None = None
    low: int | None = None
    high: int | None = None


class Holders(list[ArrayHold]):
    """The list that `holds` returns; ``print`` shows it as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "no lock is held or waited for"
        rows = [
            (
                entry.array,
                entry.thread,
                ("waits to " if entry.waiting else "holds to ") + entry.mode,
                "all" if entry.low is None and entry.high is None else _bytes(entry),
                "" if entry.waited is None else f"{entry.waited:.3f} s",
            )
            for entry in self
        ]
        return table(("array", "thread", "", "bytes", "waited"), rows, right=4)


def _bytes(entry: ArrayHold) -> str:
    return f"{entry.low or 0}:{'' if entry.high is None else entry.high}"


def holds() -> Holders:
    """Return which threads hold the locks of arrays now, and which wait for them.

    Use it when threads are stuck or slow.  It does not stop any thread, so what it says of two
    locks may be from two moments.

    Returns
    -------
    list of ArrayHold
        Named tuples ``(array, thread, mode, waiting, waited, low, high)``, lock by lock; of each
        lock first those that hold it.  ``print`` shows the list as a table.

    See Also
    --------
    RegionLock.holds : The same of one lock.
    tracing : Who waits for whom, over time.

    Examples
    --------
    >>> import lockedarray as la
    >>> x = la.zeros(4)
    >>> with x.write():
    ...     [(entry.thread, entry.mode, entry.waiting) for entry in la.holds()]
    [('MainThread', 'write', False)]
    """
    locks: Iterable[RegionLockBase] = locks_in_use()
    return Holders(
        ArrayHold(label_of(lock), thread, mode, waiting, waited, low, high)
        for lock in sorted(locks, key=lambda lock: lock.serial)
        for thread, mode, waiting, low, high, waited in lock._entries()
    )


def label_of(lock: RegionLockBase) -> str:
    """Return how a lock is called: by its name, or its serial number."""
    name = getattr(lock, "name", None)
    return f"lock {lock.serial}" if name is None else str(name)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """Return a table as text; the columns from number `right` on stand on the right."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = [
        "  ".join(
            cell.rjust(width) if i >= right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([shown[0], "-" * max(map(len, shown)), *shown[1:]])
