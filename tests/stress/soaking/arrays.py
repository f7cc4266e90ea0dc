"""The arrays of a soak, and what holds of them whatever threads and processes have done.

Who changes an array counts what it has done, in ``done``: a Counter by the array's name and by what was
counted. While nobody works, the arrays say the same as these counts.
"""

from __future__ import annotations

import threading

import numpy as np

import lockedarray.shared
from stress.racing import Wrong

__all__ = ["BALANCE", "VIEWED", "Arrays", "check", "check_rows", "expect", "keys", "new", "shared"]

BALANCE = 1000
"""What is in each account at the beginning."""

VIEWED = 4
"""Rows of the grid that are always there, and that views show."""

_MODULUS = 2**62


def _plain():
    """Return the arrays at their beginning, those that processes can share."""
    return {
        "accounts": np.full(32, BALANCE),  # transfers keep the sum
        "left": np.full(16, BALANCE),  # and that of these two
        "right": np.full(16, BALANCE),
        "halves": np.zeros(64, np.int64),  # the first half is as the second; resized
        "counters": np.zeros(8, np.int64),  # each is what was added
        "grid": np.zeros(
            (VIEWED, 4), np.int64
        ),  # the first rows count; resized, with views of them
        "log": np.zeros((0, 3), np.int64),  # who has appended, its number, and a key of both
        "versions": np.zeros(4, np.int64),  # they only grow
        "bell": np.zeros(2, np.int64),  # so often has it rung; so many may come in
    }


class Arrays:
    """The arrays, each an attribute; and what belongs to them, but does not travel to processes."""

    def __init__(self, named):
        self.named = named
        self.is_shared = "objects" not in named
        for name, array in named.items():
            setattr(self, name, array)
        if not self.is_shared:
            self.changed = threading.Condition(self.tokens.lock)

    def __reduce__(self):
        return Arrays, (self.named,)


def new(make):
    """Return arrays of threads; `make` is LockedArray, or what a test has put in its place."""
    named = {name: make(array) for name, array in _plain().items()}
    named["tokens"] = make(np.zeros(1, np.int64))  # with a Condition
    named["records"] = make(np.zeros(50, [("a", "f8"), ("b", "i4")]))  # both fields are equal
    named["objects"] = make(np.array([0] * 4, object))  # counters, too
    return Arrays(named)


def shared():
    """Return arrays of processes."""
    return Arrays({name: lockedarray.shared.array(array) for name, array in _plain().items()})


def expect(condition, *told):
    """Tell what was found wrong, unless the condition holds."""
    if not condition:
        raise Wrong(", ".join(map(str, told)))


def keys(writers, numbers):
    """Return a key for each row of the log: rows that are torn, lost or there twice change the sum."""
    mixed = writers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= numbers.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0x165667B19E3779F9)
    return (mixed >> np.uint64(2)).astype(np.int64)


def check_rows(rows):
    """Tell if rows of the log, one after the other, are torn, or one of a writer is missing between two."""
    writers, numbers, found = rows.T
    expect((keys(writers, numbers) == found).all(), "a row of the log is torn")
    order = np.argsort(writers, kind="stable")
    same = np.diff(writers[order]) == 0
    expect((np.diff(numbers[order])[same] == 1).all(), "rows of the log are lost or there twice")


def check(arrays, done):
    """Tell what does not hold, while nobody works on the arrays."""
    for name, array in arrays.named.items():
        expect(array.lock.holds() == [], f"the lock of {name} is still held", array.lock.holds())
    _check_sums(arrays)
    _check_counts(arrays, done)
    rows = arrays.log.snapshot()
    check_rows(rows)
    left = done["log", "appended"] - done["log", "removed"]
    expect(len(rows) == left, f"the log has {len(rows)} rows and not {left}")
    left = (
        done["log", "appended keys"] - done["log", "removed keys"] - _sum(rows[:, 2])
    ) % _MODULUS
    expect(left == 0, "the log has other rows than those that were appended and not removed")


def _check_sums(arrays):
    for names in (["accounts"], ["left", "right"]):
        total = sum(int(arrays.named[name].sum()) for name in names)
        size = sum(arrays.named[name].size for name in names)
        expect(total == size * BALANCE, f"the sum of {names} is {total}, not {size * BALANCE}")
    halves = arrays.halves.snapshot()
    expect((halves[: len(halves) // 2] == halves[len(halves) // 2 :]).all(), "halves differ")


def _check_counts(arrays, done):
    counted = {name: arrays.named[name].tolist() for name in ("counters", "versions")}
    counted["bell"] = arrays.bell.tolist()
    if not arrays.is_shared:
        counted["tokens"] = arrays.tokens.tolist()
        counted["objects"] = arrays.objects.tolist()
    grid = arrays.grid[:VIEWED].snapshot()
    expect((grid == grid[:, :1]).all(), "a row of the grid is torn", grid.tolist())
    counted["grid"] = grid[:, 0].tolist()
    for name, values in counted.items():
        for number, value in enumerate(values):
            wanted = done[name, number]
            expect(value == wanted, f"{name}[{number}] is {value}, and {wanted} were counted")


def _sum(values):
    return sum(values.tolist())
