"""The catalogue, part 2: operators, comparisons, conversions, iteration and text."""

from __future__ import annotations

import math
import operator

import numpy as np

from catalogue.arrays import (
    BOOLS,
    COMPLEX,
    DATES,
    DELTAS,
    FLOATS,
    INTS,
    OBJECTS,
    OTHERS,
    RECORDS,
    SMALL,
    SQUARE,
    TABLE,
    TEXT,
    ZERO_D,
)
from catalogue.operation import N, R, W, method, op

__all__ = ["OPERATORS"]


UNARY = [
    op("__abs__", abs, R(FLOATS)),
    op("__neg__", operator.neg, R(FLOATS)),
    op("__pos__", operator.pos, R(FLOATS)),
    op("__invert__", operator.invert, R(INTS)),
    op("__invert__", operator.invert, R(BOOLS)),
    op("__invert__", operator.invert, R(FLOATS), raises=True),
    op("__neg__", operator.neg, R(OBJECTS)),
    op("__abs__", abs, R(ZERO_D)),
]

# name: function, function in place, operands, a scalar
BINARY = {
    "add": (operator.add, operator.iadd, FLOATS, OTHERS, 2),
    "sub": (operator.sub, operator.isub, FLOATS, OTHERS, 2),
    "mul": (operator.mul, operator.imul, FLOATS, OTHERS, 2),
    "truediv": (operator.truediv, operator.itruediv, FLOATS, OTHERS, 2),
    "floordiv": (operator.floordiv, operator.ifloordiv, INTS, SMALL + 1, 2),
    "mod": (operator.mod, operator.imod, INTS, SMALL + 1, 4),
    "pow": (operator.pow, operator.ipow, INTS, SMALL, 2),
    "lshift": (operator.lshift, operator.ilshift, INTS, SMALL, 2),
    "rshift": (operator.rshift, operator.irshift, INTS, SMALL, 1),
    "and": (operator.and_, operator.iand, INTS, SMALL, 6),
    "or": (operator.or_, operator.ior, INTS, SMALL, 8),
    "xor": (operator.xor, operator.ixor, INTS, SMALL, 5),
    "matmul": (operator.matmul, operator.imatmul, SQUARE, SQUARE[::-1], None),
    "divmod": (divmod, None, INTS, SMALL + 1, 4),
}


def _reflected(function):
    def call(array, scalar):
        return function(scalar, array)

    call.__name__ = f"r{function.__name__}"
    return call


def _binary():
    for name, (function, in_place, one, other, scalar) in BINARY.items():
        both = f"__{name}__ __r{name}__"
        yield op(name, function, R(one), R(other), covers=both)
        yield op(name, function, R(one), other.tolist(), covers=both)
        yield op(name, function, R(one), None, covers=both, raises=True)
        same = R(one)
        yield op(name, function, same, same, covers=both)
        yield method(f"__r{name}__", R(one), R(other))
        if scalar is not None:
            yield op(name, function, R(one), scalar, covers=both)
            yield op(f"r{name}", _reflected(function), R(one), scalar, covers=both)
            yield op(name, function, R(one[0]), scalar, covers=both)
        if in_place is None:
            continue
        dunder = f"__i{name}__"
        yield op(f"i{name}", in_place, W(one), R(other), covers=dunder)
        itself = W(one)
        yield op(f"i{name}", in_place, itself, itself, covers=dunder)
        yield op(f"i{name}", in_place, W(one), "no", covers=dunder, raises=True)
        if scalar is not None:
            yield op(f"i{name}", in_place, W(one), scalar, covers=dunder)
            turned = W(one)
            yield op(
                f"i{name}", in_place, turned.part(lambda array: array[:-1], "write"),
                turned.part(lambda array: array[1:], "read"), covers=dunder,
            )  # fmt: skip


MORE_OPERATORS = [
    op("add", operator.add, R(OBJECTS), R(OBJECTS), covers="__add__"),
    op("add", operator.add, R(OBJECTS, objects="shared"), 1, covers="__add__"),
    op("add", operator.add, R(DATES), R(DELTAS), covers="__add__"),
    op("sub", operator.sub, R(DATES), R(DATES[::-1]), covers="__sub__"),
    op("iadd", operator.iadd, W(OBJECTS), 1, covers="__iadd__"),
    op("iadd", operator.iadd, W(OBJECTS, objects="shared"), 1, covers="__iadd__"),
    op("iadd", operator.iadd, W(DATES), R(DELTAS), covers="__iadd__"),
    op("iadd", operator.iadd, W(INTS), 0.5, covers="__iadd__", raises=True),
    op("iadd", operator.iadd, W(FLOATS), R(TABLE), covers="__iadd__", raises=True),
    op("add", operator.add, R(FLOATS), R(TABLE), covers="__add__", raises=True),
    op("add", operator.add, R(RECORDS), 1, covers="__add__", raises=True),
    op("pow", pow, R(FLOATS), 0.5, covers="__pow__"),
    op("pow", pow, R(INTS), 2, 5, covers="__pow__", raises=True),
]

COMPARISONS = [
    op(f"__{name}__", getattr(operator, name), R(one), other)
    for name in ("eq", "ne", "lt", "le", "gt", "ge")
    for one, other in [
        (FLOATS, R(OTHERS)),
        (FLOATS, OTHERS),
        (FLOATS, 0.5),
        (FLOATS, OTHERS.tolist()),
        (TEXT, R(TEXT[::-1])),
        (TEXT, "fig"),
        (DATES, R(DATES[::-1])),
        (DATES, np.datetime64("2024-01-02")),
        (OBJECTS, R(OBJECTS[::-1])),
        (OBJECTS, 2),
        (BOOLS, R(BOOLS[::-1])),
        (ZERO_D, 2.5),
    ]
] + [
    op(f"__{name}__", getattr(operator, name), R(one), other, **keywords)
    for name, keywords in {"eq": {}, "ne": {}, "lt": {"raises": True}}.items()
    for one, other in [
        (RECORDS, R(RECORDS[::-1])),
        (RECORDS, RECORDS[::-1]),
        (RECORDS, RECORDS[1]),
        (FLOATS, None),
        (FLOATS, "text"),
    ]
]  # fmt: skip


# -- conversions, iteration and text ---------------------------------------------------------------

CONVERSIONS = [
    op("__bool__", bool, R(ZERO_D)),
    op("__bool__", bool, R([0.0])),
    op("__bool__", operator.not_, R(ZERO_D)),
    op("__bool__", bool, R(FLOATS), raises=True),
    op("__int__", int, R(ZERO_D)),
    op("__int__", math.trunc, R(ZERO_D), raises=True),
    op("__int__", int, R(FLOATS), raises=True),
    op("__float__", float, R(ZERO_D)),
    op("__float__", math.sqrt, R(ZERO_D)),
    op("__float__", float, R(np.array("2.5"))),
    op("__float__", float, R(FLOATS), raises=True),
    op("__float__", float, R(np.array(1j)), raises=True),
    op("__complex__", complex, R(ZERO_D)),
    op("__complex__", complex, R(np.array(1 + 2j))),
    op("__complex__", complex, R(COMPLEX), raises=True),
    op("__index__", operator.index, R(np.array(3))),
    op("__index__", range(9).__getitem__, R(np.array(3))),
    op("__index__", operator.index, R(ZERO_D), raises=True),
    op("__index__", operator.index, R(INTS), raises=True),
    op("round", round, R(ZERO_D), raises=True, why="ndarray has no __round__"),
    op("__iter__", list, R(FLOATS), steps=None),
    op("__iter__", tuple, R(TEXT), steps=None),
    op("__iter__", list, R(RECORDS), steps=None),
    op("__iter__", list, R(OBJECTS), steps=None),
    op("__iter__", lambda array: next(iter(array)), R(FLOATS)),
    op("__iter__", lambda array: [*array], R(INTS), steps=None),
    op("__iter__", lambda array: dict(enumerate(array)), R(INTS), steps=None),
    op("__iter__", lambda array: sum(array), R(INTS), steps=None),
    op("__iter__", max, R(FLOATS), steps=None),
    op("__iter__", sorted, R(FLOATS), steps=None),
    op("__iter__", lambda array: list(reversed(array)), R(FLOATS), steps=None),
    op("__iter__", list, N(TABLE), why="the items are views"),
    op("__iter__", lambda table: [row[1] for row in table], R(TABLE), steps=None),
    op("__iter__", iter, R(ZERO_D), raises=True),
    op("__iter__", lambda array: type(iter(array)) is not None, N(FLOATS), why="reads at next()"),
    op("__contains__", operator.contains, R(FLOATS), 0.75),
    op("__contains__", operator.contains, R(TABLE), 99),
    op("__contains__", operator.contains, R(OBJECTS), 7),
    op("__contains__", operator.contains, R(TEXT), "fig"),
    op("__contains__", operator.contains, R(FLOATS), OTHERS[:2], raises=True),
]


def _repr(array):
    """Return the ``repr`` of a plain array under the name of LockedArray."""
    return repr(array.view(type("LockedArray", (np.ndarray,), {})))


REPR = {"reference": _repr}

WORDS = [
    op("__repr__", repr, R(FLOATS), **REPR),
    op("__repr__", repr, R(ZERO_D), **REPR),
    op("__repr__", repr, R(RECORDS), **REPR),
    op("__repr__", repr, R(OBJECTS), **REPR),
    op("__repr__", repr, R(np.zeros((0, 3))), **REPR),
    op("__str__", str, R(FLOATS)),
    op("__str__", str, R(TABLE)),
    op("__str__", str, R(ZERO_D)),
    op("__str__", str, R(RECORDS)),
    op("__format__", format, R(FLOATS)),
    op("__format__", format, R(ZERO_D), ".3f"),
    op("__format__", "{:6.1f}|".format, R(ZERO_D)),
    op("__format__", "{!s} {!r}".format, R(FLOATS), R(ZERO_D), alone="none",
       reference=lambda one, other: f"{one!s} {_repr(other)}"),
    op("__format__", format, R(FLOATS), ".3f", raises=True),
]  # fmt: skip

OPERATORS = [
    *UNARY,
    *_binary(),
    *MORE_OPERATORS,
    *COMPARISONS,
    *CONVERSIONS,
    *WORDS,
]
