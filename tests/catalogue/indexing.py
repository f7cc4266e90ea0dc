"""The catalogue, part 1: getting and setting items, with every kind of index."""

from __future__ import annotations

import operator

import numpy as np

from catalogue.arrays import (
    BOOLS,
    COMPLEX,
    CUBE,
    DATES,
    FLOATS,
    INTS,
    MASK,
    MIXED,
    OBJECTS,
    OTHERS,
    RECORDS,
    SMALL,
    STRINGS,
    TABLE,
    TEXT,
    ZERO_D,
)
from catalogue.operation import N, R, W, op

__all__ = ["INDEXING"]

NEWAXIS = None
EVERY = slice(None)

# Basic indexing makes a view, and a view waits for nobody.
VIEWS = [
    (FLOATS, slice(1, 4)),
    (FLOATS, slice(None, None, 2)),
    (FLOATS, slice(None, None, -1)),
    (FLOATS, slice(4, 1)),
    (FLOATS, slice(np.int64(1), np.int64(3))),
    (FLOATS, EVERY),
    (FLOATS, ...),
    (FLOATS, ()),
    (FLOATS, NEWAXIS),
    (FLOATS, (NEWAXIS, slice(2), NEWAXIS)),
    (FLOATS, (2, ...)),
    (FLOATS, (..., 2)),
    (TABLE, 1),
    (TABLE, -1),
    (TABLE, np.int64(1)),
    (TABLE, np.uint8(1)),
    (TABLE, (1,)),
    (TABLE, (1, EVERY)),
    (TABLE, (EVERY, 1)),
    (TABLE, (EVERY, np.intp(-1))),
    (TABLE, (slice(1, 3), slice(0, 4, 2))),
    (TABLE, (..., 1)),
    (TABLE, (1, ..., 2)),
    (TABLE, (EVERY, NEWAXIS, 2)),
    (CUBE, (0, EVERY, 1)),
    (CUBE, (1, 2)),
    (ZERO_D, ...),
    (ZERO_D, NEWAXIS),
    (ZERO_D, (..., NEWAXIS)),
    (TEXT, slice(1, None)),
    (OBJECTS, slice(1, 3)),
    (RECORDS, slice(1, None)),
    (RECORDS, "a"),
    (RECORDS, ["b"]),
    (RECORDS, ["b", "a"]),
    (MIXED, "o"),
    (MIXED, slice(1)),
    (STRINGS, slice(1, None)),
]

# An element is a scalar, which is new, and so is what fancy indices and masks pick.
COPIES = [
    (FLOATS, 2),
    (FLOATS, -1),
    (FLOATS, np.int64(2)),
    (FLOATS, np.array(2)),
    (FLOATS, (2,)),
    (FLOATS, True),
    (FLOATS, [0, 2, 2]),
    (FLOATS, ([0, 2, 2],)),
    (FLOATS, []),
    (FLOATS, SMALL),
    (FLOATS, np.array([[0, 1], [2, 3]])),
    (FLOATS, BOOLS),
    (FLOATS, BOOLS.tolist()),
    (FLOATS, np.zeros(6, bool)),
    (FLOATS, (NEWAXIS, [0, 1])),
    (FLOATS, (..., [0, 1])),
    (FLOATS, range(2)),
    (TABLE, (1, 2)),
    (TABLE, (np.int8(1), 2)),
    (TABLE, (True, 1)),
    (TABLE, [2, 0]),
    (TABLE, ([0, 1], [1, 2])),
    (TABLE, (1, [0, 2])),
    (TABLE, (EVERY, [0, 2])),
    (TABLE, ([2, 0], slice(1, 3))),
    (TABLE, MASK),
    (TABLE, (EVERY, MASK[0])),
    (TABLE, (MASK[:, 0], 1)),
    (TABLE, np.ix_([0, 2], [1, 3])),
    (TABLE, np.array(True)),
    (CUBE, (0, [0, 1], [1, 1])),
    (CUBE, ([0, 1], EVERY, [1, 1])),
    (CUBE, (1, 2, 3)),
    (ZERO_D, ()),
    (ZERO_D, True),
    (TEXT, 1),
    (TEXT, [0, 2]),
    (DATES, 1),
    (COMPLEX, 1),
    (OBJECTS, 0),
    (OBJECTS, [0, 1]),
    (RECORDS, 1),
    (RECORDS, [0, 2]),
    (RECORDS, np.array([True, False, True])),
    (MIXED, 1),
    (MIXED, [1]),
    (STRINGS, 1),
    (STRINGS, [0, 2]),
]

WRONG = [
    (FLOATS, 6),
    (FLOATS, -7),
    (FLOATS, (0, 0)),
    (FLOATS, 1.5),
    (FLOATS, "a"),
    (FLOATS, ["a"]),
    (FLOATS, slice("a", None)),
    (FLOATS, (..., ...)),
    (FLOATS, [0, 6]),
    (FLOATS, [0.5]),
    (FLOATS, [[0, 1], [2]]),
    (FLOATS, np.zeros(5, bool)),
    (FLOATS, {}),
    (TABLE, (0, 4)),
    (TABLE, ([0, 1], [0, 1, 2])),
    (ZERO_D, 0),
    (ZERO_D, EVERY),
    (RECORDS, "c"),
    (RECORDS, ["a", "c"]),
    (RECORDS, 3),
]

SETTINGS = [
    (FLOATS, 2, 1.5),
    (FLOATS, -1, "1.5"),
    (FLOATS, np.int64(1), np.float32(1.5)),
    (FLOATS, 0, np.array(1.5)),
    (FLOATS, 0, True),
    (FLOATS, 0, None),
    (FLOATS, slice(1, 4), 1.5),
    (FLOATS, slice(1, 4), [1, 2, 3]),
    (FLOATS, slice(1, 4), (1, 2, 3)),
    (FLOATS, slice(1, 4), np.array([1, 2, 3])),
    (FLOATS, slice(1, 4), range(3)),
    (FLOATS, slice(None, None, -2), [1, 2, 3]),
    (FLOATS, EVERY, 0),
    (FLOATS, ..., 0),
    (FLOATS, (), 0),
    (FLOATS, NEWAXIS, 1.5),
    (FLOATS, True, 1.5),
    (FLOATS, False, 1.5),
    (FLOATS, slice(1, 4), np.array([[1, 2, 3]])),
    (FLOATS, [0, 2, 2], [1, 2, 3]),
    (FLOATS, [0, 2, 2], [[1, 2, 3]]),
    (FLOATS, [], 1.5),
    (FLOATS, SMALL, OTHERS),
    (FLOATS, BOOLS, 0),
    (FLOATS, BOOLS, [1, 2, 3, 4]),
    (FLOATS, BOOLS.tolist(), 1.5),
    (TABLE, 1, 0),
    (TABLE, 1, [1, 2, 3, 4]),
    (TABLE, (1, 2), 1.5),
    (TABLE, (EVERY, 1), [1, 2, 3]),
    (TABLE, (slice(1, 3), slice(0, 4, 2)), [[1, 2], [3, 4]]),
    (TABLE, ..., [[1], [2], [3]]),
    (TABLE, ([0, 1], [1, 2]), [1, 2]),
    (TABLE, (EVERY, [0, 2]), 1.5),
    (TABLE, MASK, 0),
    (TABLE, (MASK[:, 0], 1), 9),
    (TABLE, np.ix_([0, 2], [1, 3]), [[1, 2], [3, 4]]),
    (ZERO_D, (), 1.5),
    (ZERO_D, ..., 1.5),
    (TEXT, 1, "kiwi"),
    (TEXT, slice(2), ["a", "longer than that"]),
    (DATES, 0, "2025-05-05"),
    (DATES, slice(2), np.datetime64("2025-05-05")),
    (COMPLEX, 0, 1.5j),
    (COMPLEX, slice(2), [1, 2j]),
    (OBJECTS, 0, [1, 2]),
    (OBJECTS, slice(2), 5),
    (RECORDS, 0, (7, 8.5)),
    (RECORDS, slice(2), (7, 8.5)),
    (RECORDS, slice(2), [(7, 8.5), (9, 10.5)]),
    (RECORDS, "a", [7, 8, 9]),
    (RECORDS, ["a", "b"], np.zeros(3, RECORDS.dtype)),
    (RECORDS, [0, 2], RECORDS[1]),
    (MIXED, 0, (7, None)),
    (MIXED, "o", 7),
    (STRINGS, 1, "longer than before"),
    (STRINGS, slice(2), ["a", "b"]),
]

WRONG_SETTINGS = [
    (FLOATS, 6, 0),
    (FLOATS, 0, [1, 2]),
    (FLOATS, 0, "a"),
    (FLOATS, 0, 1j),
    (FLOATS, 0, {}),
    (FLOATS, slice(1, 4), [1, 2]),
    (FLOATS, slice(1, 4), ["a", 1, 2]),
    (FLOATS, slice(1, 4), [[1, 2, 3]]),  # which an array may be: NumPy counts the axes of lists
    (FLOATS, ..., [[[1]]]),
    (TABLE, 1, [[1, 2, 3, 4]]),
    (FLOATS, (2, ...), [1.5]),
    (ZERO_D, ..., [1]),
    (ZERO_D, (), [[1]]),
    (FLOATS, [0, 1], [1, 2, 3]),
    (FLOATS, BOOLS, [1, 2]),
    (FLOATS, 1.5, 0),
    (FLOATS, "a", 0),
    (INTS, 0, "1.5"),
    (INTS, 0, 2**70),
    (TABLE, (0, 4), 0),
    (RECORDS, "c", 0),
    (RECORDS, 0, (1, 2, 3)),
    (DATES, 0, "noon"),
]


def _index_is_locked():
    """Indices, masks and values that are LockedArrays themselves."""
    values = W(FLOATS)
    table = W(TABLE)
    itself = N(FLOATS)
    return [
        op("__getitem__", operator.getitem, R(FLOATS), R(SMALL), alone="first"),
        op("__getitem__", operator.getitem, R(FLOATS), R(BOOLS), alone="first"),
        op("__getitem__", operator.getitem, R(TABLE), (R(SMALL[:2]), 1), alone="first"),
        op("__getitem__", operator.getitem, R(TABLE), (slice(2), R(SMALL)), alone="first"),
        op("__getitem__", operator.getitem, R(TABLE), R(MASK), alone="first"),
        op("__getitem__", operator.getitem, R(FLOATS), R(np.array(2)), alone="first"),
        op("__setitem__", operator.setitem, W(FLOATS), R(SMALL), 0, alone="first"),
        op("__setitem__", operator.setitem, W(FLOATS), R(BOOLS), 0, alone="first"),
        op("__setitem__", operator.setitem, W(FLOATS), slice(None), R(OTHERS), alone="first"),
        op("__setitem__", operator.setitem, W(FLOATS), 0, R(ZERO_D), alone="first"),
        op("__setitem__", operator.setitem, W(FLOATS), slice(2), [R(ZERO_D), 1], alone="first"),
        op("__setitem__", operator.setitem, W(FLOATS), R(SMALL), R(OTHERS), alone="first"),
        op("__setitem__", operator.setitem, W(RECORDS), "a", R(INTS[:3]), alone="first"),
        op("__setitem__", operator.setitem, W(RECORDS), slice(2), R(RECORDS[1:]), alone="first"),
        # Of one and the same memory, where NumPy knows the overlap.
        op("__setitem__", operator.setitem, itself, slice(None), itself,
           why="what x[:] += 1 ends with: the elements are there already"),
        op("__setitem__", operator.setitem, values, slice(1, None),
           values.part(lambda array: array[:-1], "read")),
        op("__setitem__", operator.setitem, values, slice(None),
           values.part(lambda array: array[::-1], "read")),
        op("__setitem__", operator.setitem, table.part(lambda array: array[0], "write"),
           slice(None), table.part(lambda array: array[2], "read")),
        op("__setitem__", operator.setitem, table.part(lambda array: array.T, "write"), 1, 0),
    ]  # fmt: skip


def _chained(array):
    array[1:4][0] = 9.0
    array[::2][[0, 1]] = 8.0


def _fields(records):
    records["a"][1] = 9
    records["b"][:2] = 1.5


def _is_own_part(array):
    """The write-back of ``x[1:4] += 1`` is no second operation."""
    array[1:4] += 1
    return array


def _part_of_a_table(array):
    array[1] *= 2
    array[:, 1] -= 1
    array[1, 2] += 1
    return array


def _field(records):
    records["a"] += 1
    return records


INDEXING = [
    *(op("__getitem__", operator.getitem, N(array), index, why="a view") for array, index in VIEWS),
    *(op("__getitem__", operator.getitem, R(array), index) for array, index in COPIES),
    *(op("__getitem__", operator.getitem, R(array), index, raises=True) for array, index in WRONG),
    *(op("__setitem__", operator.setitem, W(array), *setting) for array, *setting in SETTINGS),
    *(
        op("__setitem__", operator.setitem, W(array), *setting, raises=True)
        for array, *setting in WRONG_SETTINGS
    ),
    *_index_is_locked(),
    op("__setitem__", _chained, W(FLOATS), steps=2),
    op("__setitem__", _fields, W(RECORDS), steps=2),
    op("__setitem__", _is_own_part, W(FLOATS)),
    op("__setitem__", _part_of_a_table, W(TABLE), steps=4),
    op("__setitem__", _field, W(RECORDS)),
    op("__delitem__", operator.delitem, N(FLOATS), 0, why="NumPy refuses it", raises=True),
]
