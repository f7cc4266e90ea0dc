"""Journal: what each thread of each process is doing, in memory that outlives it and has no lock.

A row is written by one thread.  What it says of a thread that was killed is what it was doing then.
"""

from __future__ import annotations

import mmap

import numpy as np

__all__ = ["ARRAYS", "COUNTS", "WHOLE", "Journal"]

ARRAYS = ["halves", "columns", "rows", "counters", "left", "right", "log", "sizes", "bell", "ice"]
"""The arrays of an episode, by what is in them."""

COUNTS = ["halves", "columns", "rows", "c0", "c1", "c2", "c3", "pair", "log"]
"""What is counted: writes, each of which adds one to something."""

WHOLE = (-(2**63), 2**63 - 1)
"""The region of what locks all of an array's memory, whatever its length."""

_ROW = np.dtype(
    [
        ("pid", "i8"),
        ("slot", "i8"),
        ("killed", "i8"),  # written by who kills, before it does
        ("act", "S20"),  # the name of what it is doing
        ("beats", "i8"),  # operations that have ended, one way or another
        ("inside", "i8"),  # whether it may be writing
        ("writes", "i8", (len(ARRAYS), 2)),  # which bytes
        ("begun", "i8", len(COUNTS)),
        ("done", "i8", len(COUNTS)),
        ("freezes", "i8"),  # whether it has begun to freeze
        ("frozen", "i8"),  # and has ended that
        ("told", "i8"),  # of poison
        ("repaired", "i8"),
    ]
)


class Journal:
    """Rows for so many threads, and whether all are to stop."""

    def __init__(self, threads: int) -> None:
        memory = mmap.mmap(-1, (threads + 1) * _ROW.itemsize)
        self.rows = np.frombuffer(memory, _ROW, threads)
        self._flags = np.frombuffer(memory, "i8", 2, threads * _ROW.itemsize)

    @property
    def stop(self) -> bool:
        """Whether whoever may be killed is to end."""
        return bool(self._flags[0])

    @stop.setter
    def stop(self, value: bool) -> None:
        self._flags[0] = value

    @property
    def alone(self) -> bool:
        """Whether the survivor is the only one that is left."""
        return bool(self._flags[1])

    @alone.setter
    def alone(self, value: bool) -> None:
        self._flags[1] = value

    def of(self, pid: int) -> np.ndarray:
        """Return the rows of a process."""
        return self.rows[self.rows["pid"] == pid]

    def told(self) -> str:
        """Return what those that were killed were writing, and those that live, the last one last."""
        lines = []
        for number, row in enumerate(self.rows):
            writes = ", ".join(
                f"{name} {low} to {high}" if (low, high) != WHOLE else f"{name} as a whole"
                for name, (low, high) in zip(ARRAYS, row["writes"].tolist(), strict=True)
                if low != high
            )
            if row["pid"] and (writes or not row["killed"]):
                how = "killed" if row["killed"] else "lives"
                act = row["act"].decode()
                lines.append(
                    f"{number}: process {row['pid']}, slot {row['slot']}, {how} in {act}: {writes}"
                )
        return "\n".join(lines)

    def sums(self, count: str) -> tuple[int, int]:
        """Return how many writes of that kind are done, and how many may be."""
        number = COUNTS.index(count)
        # The second one last: who looks while others write finds it too high, never too low.
        return int(self.rows["done"][:, number].sum()), int(self.rows["begun"][:, number].sum())
