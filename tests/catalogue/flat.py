"""The catalogue, part 5: the elements of an array in C order, `x.flat`."""

from __future__ import annotations

import operator

import numpy as np

from catalogue.arrays import (
    FLOATS,
    INT_TABLE,
    MASK,
    OBJECTS,
    RECORDS,
    TABLE,
    TEXT,
)
from catalogue.operation import N, R, W, op

__all__ = ["FLAT"]


def _flat(function):
    """Return what `function` does with the ``flat`` of an array."""

    def call(array, *args):
        return function(array.flat, *args)

    call.__name__ = f"flat.{getattr(function, '__name__', function)}"
    return call


def _after_two(name):
    def call(flat):
        next(flat), next(flat)
        return getattr(flat, name)

    call.__name__ = name
    return call


FLAT = [
    *(
        op("__getitem__", _flat(operator.getitem), R(TABLE), index)
        for index in (3, -1, slice(1, 9, 2), slice(None), ..., [0, 5], MASK.ravel(), np.int64(2))
    ),
    op("__getitem__", _flat(operator.getitem), R(RECORDS), 1),
    op("__getitem__", _flat(operator.getitem), R(OBJECTS), 1),
    op("__getitem__", _flat(operator.getitem), R(TABLE), 12, raises=True),
    op("__getitem__", _flat(operator.getitem), R(TABLE), (0, 0), raises=True),
    op("__getitem__", _flat(operator.getitem), R(TABLE), "a", raises=True),
    *(
        op("__setitem__", _flat(operator.setitem), W(TABLE), index, value)
        for index, value in [
            (3, 9),
            (-1, 9),
            (slice(1, 9, 2), 9),
            (slice(1, 4), [7, 8]),
            (..., FLOATS),
            ([0, 5], [7, 8]),
            (MASK.ravel(), 9),
        ]
    ),
    op("__setitem__", _flat(operator.setitem), W(TABLE), slice(3), R(FLOATS), alone="first"),
    op("__setitem__", _flat(operator.setitem), W(RECORDS), 0, (7, 8.5)),
    op("__setitem__", _flat(operator.setitem), W(TABLE), 12, 9, raises=True),
    op("__setitem__", _flat(operator.setitem), W(TABLE), 0, "a", raises=True),
    op("__setitem__", _flat(operator.setitem), W(TABLE).part(lambda array: array.T, "write"), 1, 0),
    op("__delitem__", _flat(operator.delitem), N(TABLE), 0, why="refused", raises=True),
    op("__iter__", _flat(list), R(TABLE), steps=None),
    op("__iter__", _flat(list), R(OBJECTS), steps=None),
    op("__iter__", _flat(sum), R(INT_TABLE).part(lambda array: array.T, "read"), steps=None),
    op("__next__", _flat(next), R(TABLE)),
    op("__next__", _flat(next), R(np.zeros(0)), raises=True),
    op("__len__", _flat(len), N(TABLE), why="metadata"),
    op("__array__", _flat(np.array), R(TABLE), shown=np.copy),
    op("__array__", _flat(lambda flat: flat.__array__()), R(TABLE), shown=np.copy),
    op("copy", _flat(lambda flat: flat.copy()), R(TABLE)),
    op("base", _flat(operator.attrgetter("base")), N(TABLE), why="the array itself"),
    op("index", _flat(operator.attrgetter("index")), N(TABLE), why="of the iterator"),
    op("coords", _flat(operator.attrgetter("coords")), N(TABLE), why="of the iterator"),
    op("index", _flat(_after_two("index")), R(TABLE), steps=2),
    op("coords", _flat(_after_two("coords")), R(TABLE), steps=2),
    *(
        op(f"__{name}__", _flat(getattr(operator, name)), R(TABLE), other)
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
        for other in (0.5, TABLE.ravel(), R(np.arange(12.0)))
    ),
    op("__eq__", _flat(operator.eq), R(TEXT), "fig"),
    op("__eq__", _flat(operator.eq), R(RECORDS), RECORDS),
]  # fmt: skip
