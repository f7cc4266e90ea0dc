"""How much memory a process has, and whether it has more and more."""

from __future__ import annotations

import itertools
import os
import resource
import sys

__all__ = ["BOUND", "Memory", "resident"]

BOUND = 32.0
"""MiB that a soak may grow by in its second half. What is lost with each operation is soon much more."""

_MIB = 2**20


def resident():
    """Return the MiB of this process that are resident; where the system tells only that, their peak."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / _MIB if sys.platform == "darwin" else peak / 1024


class Memory:
    """What was measured over time: fewer than `most` moments, at equal distances, however long it takes."""

    def __init__(self, most=512):
        self.most = most
        self.values = []
        self.every, self.turn = 1, 0
        self.last = 0.0

    def add(self, value):
        """Note what is resident now."""
        self.last = value
        if self.turn % self.every == 0:
            self.values.append(value)
        self.turn += 1
        if len(self.values) == self.most:
            del self.values[1::2]
            self.every *= 2

    @property
    def first(self):
        return self.values[0] if self.values else 0.0

    def growth(self):
        """Return by how many MiB it grows steadily, or 0: with few values nobody can tell.

        The second half is cut in four. Memory that comes and goes has a least value in each that does not
        grow; what is lost raises each of them, all by about the same.
        """
        half = self.values[len(self.values) // 2 :]
        part = len(half) // 4
        if part < 4:
            return 0.0
        least = [min(half[start : start + part]) for start in range(0, 4 * part, part)]
        growth = least[3] - least[0]
        steps = [later - earlier for earlier, later in itertools.pairwise(least)]
        return growth if growth > BOUND and min(steps) > growth / 8 else 0.0
