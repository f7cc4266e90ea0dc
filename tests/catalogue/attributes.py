"""The catalogue, part 2: every other attribute of an array, and what LockedArray adds."""

from __future__ import annotations

import copy
import io
import math
import operator
import pickle
import sys
import tempfile

import numpy as np

import lockedarray as la
from catalogue.arrays import (
    BOOLS,
    COMPLEX,
    CUBE,
    DATES,
    DELTAS,
    FLOATS,
    INT_TABLE,
    INTS,
    MASK,
    OBJECTS,
    OTHERS,
    RECORDS,
    SMALL,
    SQUARE,
    TABLE,
    TEXT,
    ZERO_D,
)
from catalogue.operation import N, R, W, attribute, method, op

__all__ = ["ATTRIBUTES", "FLAT"]


# -- operators -------------------------------------------------------------------------------------

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


# -- methods ---------------------------------------------------------------------------------------


def _tofile(array, *args, **kwargs):
    with tempfile.TemporaryFile() as file:
        array.tofile(file, *args, **kwargs)
        file.seek(0)
        return file.read()


def _tofile_by_name(array):
    with tempfile.NamedTemporaryFile() as file:
        array.tofile(file.name)
        return file.read()


def _dump(array):
    file = io.BytesIO()
    array.dump(file)
    return pickle.loads(file.getvalue())


def _dump_by_name(array):
    with tempfile.NamedTemporaryFile() as file:
        array.dump(file.name)
        return pickle.load(file)


def _sum_of(dtype):
    return np.zeros(4, dtype)


REDUCTIONS = [
    method("all", R(MASK)),
    method("all", R(MASK), 0, None, W(_sum_of(bool))),
    method("all", R(MASK), axis=1, out=W(np.zeros(3, bool)), where=R(MASK)),
    method("any", R(MASK)),
    method("any", R(MASK), 0, None, W(_sum_of(bool)), keepdims=False),
    method("any", R(MASK), axis=0, out=W(_sum_of(bool)), where=R(MASK)),
    method("argmax", R(TABLE)),
    method("argmax", R(TABLE), 0, W(_sum_of(np.intp))),
    method("argmax", R(TABLE), axis=0, out=W(_sum_of(np.intp))),
    method("argmin", R(TABLE)),
    method("argmin", R(TABLE), 0, W(_sum_of(np.intp))),
    method("cumprod", R(TABLE)),
    method("cumprod", R(TABLE), 0, None, W(np.zeros((3, 4)))),
    method("cumprod", R(TABLE), axis=1, out=W(np.zeros((3, 4)))),
    method("cumsum", R(TABLE)),
    method("cumsum", R(TABLE), 0, None, W(np.zeros((3, 4)))),
    method("cumsum", R(TABLE), axis=1, out=W(np.zeros((3, 4)))),
    method("max", R(TABLE)),
    method("max", R(TABLE), 0, W(_sum_of(float))),
    method("max", R(TABLE), axis=0, out=W(_sum_of(float)), where=R(MASK), initial=0),
    method("mean", R(TABLE)),
    method("mean", R(TABLE), 0, None, W(_sum_of(float))),
    method("mean", R(TABLE), axis=0, out=W(_sum_of(float)), where=R(MASK)),
    method("min", R(TABLE)),
    method("min", R(TABLE), 0, W(_sum_of(float))),
    method("min", R(TABLE), axis=0, out=W(_sum_of(float)), where=R(MASK), initial=9),
    method("prod", R(TABLE)),
    method("prod", R(TABLE), 0, None, W(_sum_of(float))),
    method("prod", R(TABLE), axis=0, out=W(_sum_of(float)), where=R(MASK)),
    method("std", R(TABLE)),
    method("std", R(TABLE), 0, None, W(_sum_of(float))),
    method("std", R(TABLE), axis=0, ddof=1, out=W(_sum_of(float))),
    method("std", R(TABLE), where=R(MASK), mean=R(np.array([[1.0]]))),
    method("sum", R(TABLE)),
    method("sum", R(TABLE), 0, None, W(_sum_of(float))),
    method("sum", R(TABLE), axis=0, out=W(_sum_of(float)), where=R(MASK)),
    method("sum", R(TABLE), keepdims=True),
    method("sum", R(OBJECTS)),
    method("sum", R(OBJECTS, objects="shared")),
    method("sum", R(TABLE), axis=2, raises=True),
    method("sum", R(TABLE), axis=0, out=W(np.zeros(5)), raises=True),
    method("var", R(TABLE)),
    method("var", R(TABLE), 0, None, W(_sum_of(float))),
    method("var", R(TABLE), axis=0, out=W(_sum_of(float)), where=R(MASK)),
    method("trace", R(SQUARE)),
    method("trace", R(CUBE), 0, 1, 2, None, W(np.zeros(2))),
    method("trace", R(CUBE), axis1=1, axis2=2, out=W(np.zeros(2))),
]

_clipped = W(FLOATS)
_rounded = W(FLOATS)
_doubled = W(SQUARE)

SELECTIONS = [
    method("argpartition", R(FLOATS), 2),
    method("argsort", R(FLOATS)),
    method("argsort", R(TABLE), axis=0, kind="stable"),
    method("argsort", R(RECORDS), order="b"),
    method("argsort", R(OBJECTS)),
    method("choose", R(SMALL[:3]), [R(OTHERS[:3]), R(FLOATS[:3]), OTHERS[3:], OTHERS[3:]]),
    method("choose", R(SMALL[:3]), R(CUBE[0, :, :3]), out=W(np.zeros(3))),
    method("choose", R(SMALL[:3]), R(OTHERS[:3]), R(FLOATS[:3]), OTHERS[3:]),
    method("choose", R(SMALL[:3]), (R(FLOATS[:3]), 1, 2), out=W(np.zeros(3)), mode="clip"),
    method("choose", R(INTS), [1, 2], raises=True),
    method("clip", R(FLOATS), 0.25, 0.75),
    method("clip", R(FLOATS), R(OTHERS / 2), R(OTHERS), W(np.zeros(6))),
    method("clip", R(FLOATS), min=R(OTHERS), out=W(np.zeros(6))),
    method("clip", _clipped, 0.25, 0.75, out=_clipped),
    method("compress", R(TABLE), R(BOOLS[:3]), 0),
    method("compress", R(TABLE), [True, False, True], 0, W(np.zeros((2, 4)))),
    method("compress", R(FLOATS), BOOLS, out=W(np.zeros(4))),
    method("diagonal", N(TABLE), why="a view"),
    method("diagonal", N(CUBE), 1, 0, 2, why="a view"),
    method("dot", R(SQUARE), R(SQUARE[::-1])),
    method("dot", R(SQUARE), R(SQUARE[::-1]), W(np.zeros((3, 3)))),
    method("dot", R(SQUARE), SQUARE[0], out=W(np.zeros(3))),
    method("dot", R(SQUARE), 2.0),
    method("dot", R(SQUARE), R(FLOATS), raises=True),
    method("dot", _doubled, 2.0, out=_doubled),
    method("item", R(ZERO_D)),
    method("item", R(TABLE), 3),
    method("item", R(TABLE), 1, 2),
    method("item", R(TABLE), (1, 2)),
    method("item", R(RECORDS), 1),
    method("item", R(TABLE), raises=True),
    method("item", R(TABLE), 99, raises=True),
    method("nonzero", R(MASK)),
    method("repeat", R(FLOATS), 2),
    method("repeat", R(TABLE), R(np.array([1, 0, 2])), axis=0),
    method("round", R(FLOATS), 1),
    method("round", R(FLOATS), 1, W(np.zeros(6))),
    method("round", R(FLOATS), decimals=1, out=W(np.zeros(6))),
    method("round", _rounded, 1, out=_rounded),
    method("round", R(INTS)),
    method("searchsorted", R(np.arange(9.0)), R(FLOATS)),
    method("searchsorted", R(FLOATS), 0.3, "right", R(np.argsort(FLOATS))),
    method("take", R(FLOATS), [0, 2]),
    method("take", R(TABLE), R(np.array([2, 0])), 0),
    method("take", R(TABLE), [2, 0], 0, W(np.zeros((2, 4)))),
    method("take", R(FLOATS), [0, 7], out=W(np.zeros(2)), mode="wrap"),
    method("take", R(FLOATS), [0, 7], raises=True),
]

WRITING = [
    method("byteswap", R(INTS)),
    method("byteswap", R(INTS), False),
    method("byteswap", W(INTS), True),
    method("byteswap", W(INTS), inplace=True),
    method("byteswap", W(TEXT), inplace=True),
    method("byteswap", W(OBJECTS), inplace=True),
    method("fill", W(FLOATS), 1.5),
    method("fill", W(TABLE), R(ZERO_D)),
    method("fill", W(OBJECTS), 1),
    method("fill", W(RECORDS), (1, 2.5)),
    method("fill", W(FLOATS), "no", raises=True),
    method("partition", W(FLOATS), 2),
    method("partition", W(TABLE), 1, axis=0),
    method("partition", W(FLOATS), 9, raises=True),
    method("put", W(FLOATS), [0, 2], [7, 8]),
    method("put", W(FLOATS), R(SMALL), R(OTHERS)),
    method("put", W(FLOATS), [-1, 99], 7, "clip"),
    method("put", W(FLOATS), [0, 99], 7, raises=True),
    method("setfield", W(RECORDS), 7, np.int32),
    method("setfield", W(RECORDS), R(FLOATS[:3]), np.float64, 4),
    method("setfield", W(RECORDS), 7, np.float64, 8, raises=True),
    method("sort", W(FLOATS)),
    method("sort", W(TABLE), 0),
    method("sort", W(TABLE), axis=None, raises=True),
    method("sort", W(RECORDS), order="b"),
    method("sort", W(RECORDS), order="c", raises=True),
    method("sort", W(TEXT), kind="stable"),
    method("sort", W(OBJECTS)),
    method("sort", W(np.array([1, "a"], object)), raises=True),
    op("flat", setattr, W(TABLE), "flat", 1.5),
    op("flat", setattr, W(TABLE), "flat", [1, 2]),
    op("flat", setattr, W(TABLE), "flat", R(FLOATS), alone="first"),
    op("real", setattr, W(COMPLEX), "real", 1.5),
    op("real", setattr, W(COMPLEX), "real", R(FLOATS[:3]), alone="first"),
    op("real", setattr, W(FLOATS), "real", 1.5),
    op("imag", setattr, W(COMPLEX), "imag", [1, 2, 3]),
    op("imag", setattr, W(COMPLEX), "imag", R(FLOATS[:3]), alone="first"),
    op("imag", setattr, W(FLOATS), "imag", 1.5, raises=True),
]

COPYING = [
    method("astype", R(FLOATS), np.int64),
    method("astype", R(FLOATS), float),
    method("astype", R(TABLE), float, "F", "unsafe", True, False),
    method("astype", R(INTS), "f4", copy=False),
    method("astype", R(TEXT), object),
    method("astype", N(FLOATS), float, copy=False, why="it is the array itself"),
    method("astype", R(TEXT), float, raises=True),
    method("copy", R(TABLE)),
    method("copy", R(TABLE), "F"),
    method("copy", R(OBJECTS)),
    method("copy", R(RECORDS)),
    method("flatten", R(TABLE)),
    method("flatten", R(TABLE), "F"),
    method("ravel", R(TABLE), "F"),
    method("reshape", R(TABLE), 12, order="F"),
    method("reshape", R(CUBE).part(lambda array: array[:, ::2], "read"), -1),
    method("tolist", R(TABLE)),
    method("tolist", R(ZERO_D)),
    method("tolist", R(RECORDS)),
    method("tolist", R(OBJECTS)),
    method("tobytes", R(TABLE)),
    method("tobytes", R(TABLE), "F"),
    op("tofile", _tofile, R(TABLE)),
    op("tofile", _tofile, R(FLOATS), sep=",", format="%s"),
    op("tofile", _tofile_by_name, R(FLOATS)),
    op("dump", _dump, R(TABLE), result="own"),
    op("dump", _dump_by_name, R(TABLE), result="own"),
    method("dumps", R(TABLE), shown=pickle.loads, result="own"),
    method("conj", R(COMPLEX)),
    method("conjugate", R(COMPLEX)),
    method("conj", R(OBJECTS)),
    op("__copy__", copy.copy, R(TABLE), result="own"),
    op("__copy__", copy.copy, R(OBJECTS), result="own"),
    method("__copy__", R(TABLE), result="own"),
    op("__deepcopy__", copy.deepcopy, R(TABLE), result="own"),
    op("__deepcopy__", copy.deepcopy, R(OBJECTS), result="own"),
    method("__deepcopy__", R(TABLE), {}, result="own"),
    op("__deepcopy__", lambda array: copy.deepcopy([array, array])[1], R(TABLE), result="own"),
    *(
        op("__reduce_ex__", pickle.dumps, R(TABLE), protocol, shown=pickle.loads, result="own")
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ),
    op("__reduce_ex__", pickle.dumps, R(OBJECTS), shown=pickle.loads, result="own"),
    op("__reduce_ex__", pickle.dumps, R(RECORDS), shown=pickle.loads, result="own"),
    op("__reduce__", lambda array: array.__reduce__()[0] is not None, R(TABLE)),
    method("__array__", R(FLOATS), np.float32),
    method("__array__", R(FLOATS), copy=True),
    method("__array__", R(FLOATS), np.dtype(int)),
    op("__array_ufunc__", lambda array: array.__array_ufunc__(np.add, "__call__", array, 1),
       R(FLOATS)),
    op("__array_function__", lambda array: array.__array_function__(
       np.sum, (type(array),), (array,), {}), R(FLOATS)),
    op("__dlpack__", np.from_dlpack, R(TABLE), shown=np.copy,
       reference=lambda array: np.from_dlpack(array.copy())),
    op("__new__", la.LockedArray, R(TABLE), reference=np.array, result="own"),
    op("__new__", la.LockedArray, R(TABLE), np.float32, copy=True, order="F",
       reference=np.array, result="own"),
    op("__new__", la.LockedArray, [R(FLOATS), R(OTHERS)], reference=np.array, result="own"),
    op("full", la.full, 3, R(ZERO_D), reference=np.full, covers="", result="own"),
]  # fmt: skip


VIEWS = [
    attribute("T", N(TABLE), why="a view"),
    attribute("T", N(FLOATS), why="a view"),
    attribute("mT", N(CUBE), why="a view"),
    attribute("mT", N(FLOATS), why="a view", raises=True),
    attribute("real", N(COMPLEX), why="a view"),
    attribute("imag", N(COMPLEX), why="a view"),
    attribute("real", N(FLOATS), why="it is the array itself"),
    attribute("imag", N(FLOATS), why="zeros that are no part of the array"),
    method("conj", N(FLOATS), why="it is the array itself"),
    method("conjugate", N(INTS), why="it is the array itself"),
    method("getfield", N(RECORDS), np.int32, why="a view"),
    method("getfield", N(RECORDS), np.float64, 4, why="a view"),
    method("getfield", N(RECORDS), np.float64, 8, why="a view", raises=True),
    method("ravel", N(TABLE), why="a view"),
    method("ravel", N(TABLE).part(lambda array: array.T, "none"), "K", why="a view"),
    method("reshape", N(TABLE), 12, why="a view"),
    method("reshape", N(TABLE), (4, 3), why="a view"),
    method("reshape", N(TABLE), 2, -1, why="a view"),
    method("reshape", N(TABLE), -1, order="A", why="a view"),
    method("reshape", N(TABLE), 5, why="a view", raises=True),
    method("squeeze", N(TABLE[:1]), why="a view"),
    method("squeeze", N(TABLE[:1]), axis=0, why="a view"),
    method("squeeze", N(TABLE), why="it is the array itself"),
    method("squeeze", N(TABLE), axis=0, why="a view", raises=True),
    method("swapaxes", N(CUBE), 0, 2, why="a view"),
    method("transpose", N(CUBE), why="a view"),
    method("transpose", N(CUBE), (1, 0, 2), why="a view"),
    method("transpose", N(CUBE), 2, 1, 0, why="a view"),
    method("view", N(TABLE), why="a view"),
    method("view", N(TABLE), np.int64, why="a view"),
    method("view", N(INTS), dtype="V8", why="a view"),
    method("view", N(RECORDS), RECORDS.dtype, why="a view"),
    method("view", N(RECORDS), [("x", "V12")], why="a view"),
    method("view", N(FLOATS), "f4", why="a view"),
    method("view", N(FLOATS), "V7", why="a view", raises=True),
    method("view", N(TABLE), np.ndarray, result="alias", why="an alias, read-only"),
    method("view", N(TABLE), type=np.ndarray, result="alias", why="an alias, read-only"),
    method("view", N(TABLE), np.int64, np.ndarray, result="alias", why="an alias, read-only"),
    method("view", N(RECORDS), np.recarray, result="alias", why="an alias, read-only"),
    method("view", N(TABLE), la.LockedArray, why="a view",
           reference=lambda array, _: array.view()),
    method("__array__", N(TABLE), result="alias", why="an alias, read-only",
           reference=np.ndarray.view),
    method("__array__", N(TABLE), np.float64, result="alias", why="an alias, read-only",
           reference=lambda array, _: array.view()),
    op("__array__", np.asarray, N(TABLE), result="alias", why="an alias, read-only",
       reference=np.ndarray.view),
    op("__array_interface__", lambda array: np.asarray(_Interface(array)), N(TABLE),
       why="an alias, read-only", shown=lambda array: array.shape),
    op("__buffer__", memoryview, N(TABLE), why="an alias, read-only",
       shown=lambda view: (view.shape, view.strides, view.format)),
    attribute("data", N(TABLE), why="an alias, read-only",
              shown=lambda view: (view.shape, view.strides, view.format)),
    op("__new__", lambda array: la.LockedArray(array, copy=False), N(TABLE), why="a view",
       reference=np.ndarray.view),
]  # fmt: skip


class _Interface:
    """What has ``__array_interface__`` only."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self._keep = array


# -- the locks of a LockedArray, and what else it adds ---------------------------------------------


def _at(name, index):
    """Return what ``x.at[index].name(...)`` does to a LockedArray."""

    def call(array, *args):
        return getattr(array.at[index], name)(*args)

    call.__name__ = f"at[{index}].{name}"
    return call


def _then_get(change, index):
    """Return what `change` and then ``array[index]`` does to a plain array."""

    def call(array, *args):
        change(array, *args)
        value = array[index]
        return value.copy() if isinstance(value, np.ndarray) else value

    return call


def _setting(index):
    return lambda array, value: array.__setitem__(index, value)


def _accumulating(ufunc, index):
    def call(array, value):
        array[index] = array[index]  # NumPy's ufunc.at() forgets to ask whether it may write
        ufunc.at(array, index, value)

    return call


def _exchange(index):
    def call(array, value):
        old = array[index]
        old = old.copy() if isinstance(old, np.ndarray) else old
        array[index] = value
        return old

    return call


def _compare_exchange(index):
    def call(array, expected, desired):
        old = copy.copy(array[index])
        swapped = old == expected
        array[index] = np.where(swapped, desired, old)
        return (swapped if swapped.ndim else bool(swapped)), old[()]

    return call


AT_UFUNCS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "min": np.minimum,
    "max": np.maximum,
}
AT_OPERATORS = {
    operator.iadd: (np.add, FLOATS),
    operator.isub: (np.subtract, FLOATS),
    operator.imul: (np.multiply, FLOATS),
    operator.itruediv: (np.divide, FLOATS),
    operator.ifloordiv: (np.floor_divide, INTS),
    operator.imod: (np.remainder, INTS),
    operator.ipow: (np.power, FLOATS),
    operator.iand: (np.bitwise_and, INTS),
    operator.ior: (np.bitwise_or, INTS),
    operator.ixor: (np.bitwise_xor, INTS),
    operator.ilshift: (np.left_shift, INTS),
    operator.irshift: (np.right_shift, INTS),
}


def _augmented(function, index):
    """Return what ``x.at[index] += value`` does, for the function of that operator."""

    def call(array, value):
        at = array.at
        at[index] = function(at[index], value)

    call.__name__ = f"at[{index}] {function.__name__}"
    return call


def _at_entries():
    for index in (2, slice(1, 4), [0, 2]):
        yield op("at.get", _at("get", index), R(FLOATS),
                 reference=_then_get(lambda array: None, index))  # fmt: skip
        yield op("at.set", _at("set", index), W(FLOATS), 1.5,
                 reference=_then_get(_setting(index), index))  # fmt: skip
        for name, ufunc in AT_UFUNCS.items():
            yield op(f"at.{name}", _at(name, index), W(FLOATS), 2,
                     reference=_then_get(_accumulating(ufunc, index), index))  # fmt: skip
        yield op("at.apply", _at("apply", index), W(FLOATS), np.sqrt,
                 reference=_then_get(
                     lambda array, function, index=index:
                     array.__setitem__(index, function(array[index])), index))  # fmt: skip
        yield op("at.exchange", _at("exchange", index), W(FLOATS), 9.0,
                 reference=_exchange(index))  # fmt: skip
        yield op("at.compare_exchange", _at("compare_exchange", index), W(FLOATS), 0.75, 9.0,
                 reference=_compare_exchange(index))  # fmt: skip
    for function, (ufunc, array) in AT_OPERATORS.items():
        yield op(f"at.__{function.__name__}__", _augmented(function, 2), W(array), 2,
                 reference=_accumulating(ufunc, 2))  # fmt: skip
    twice = [1, 1, 3]
    yield op("at.add", _at("add", twice), W(FLOATS), [1, 2, 3],
             reference=_then_get(_accumulating(np.add, twice), twice))  # fmt: skip
    yield op("at.add", _at("add", slice(3)), W(FLOATS), R(OTHERS[:3]), alone="first",
             reference=_then_get(_accumulating(np.add, slice(3)), slice(3)))  # fmt: skip
    yield op("at.set", _at("set", slice(3)), W(FLOATS), R(OTHERS[:3]), alone="first",
             reference=_then_get(_setting(slice(3)), slice(3)))  # fmt: skip
    yield op("at.add", _at("add", 9), W(FLOATS), 1, raises=True,
             reference=_accumulating(np.add, 9))  # fmt: skip
    yield op("at.apply", _at("apply", 0), W(FLOATS), _fail, raises=True,
             reference=lambda array, function: function(array[0]))  # fmt: skip


def _holding(guard_of):
    """Return what copies an array while it holds the guard that `guard_of` makes for it."""

    def call(array):
        with guard_of(array) as raw:
            return raw.copy()

    return call


def _doubling(guard_of):
    def call(array):
        with guard_of(array) as raw:
            raw *= 2

    return call


def _failing(guard_of):
    def call(array):
        with guard_of(array):
            raise ZeroDivisionError

    return call


def _twice(array):
    array *= 2


GUARDS = [
    op("read", _holding(lambda array: array.read()), R(TABLE), reference=np.copy),
    op("read", _holding(lambda array: la.acquire(read=array)), R(TABLE), reference=np.copy),
    op("read", _holding(lambda array: array.read(timeout=9)), R(OBJECTS), reference=np.copy),
    op("write", _doubling(lambda array: array.write()), W(TABLE), reference=_twice),
    op("write", _doubling(lambda array: la.acquire(write=array)), W(TABLE), reference=_twice),
    op("write", _doubling(lambda array: array[1:].write()), W(TABLE),
       reference=lambda array: _twice(array[1:])),
    op("read", _failing(lambda array: array.read()), R(TABLE), raises=True,
       reference=lambda array: 1 / 0),
    op("write", _failing(lambda array: array.write()), W(TABLE), raises=True,
       reference=lambda array: 1 / 0),
    method("read", N(TABLE), why="a guard, which is not held yet", reference=type,
           shown=lambda _: None),
    method("write", N(TABLE), why="a guard, which is not held yet", reference=type,
           shown=lambda _: None),
    attribute("lock", N(TABLE), why="the lock itself", reference=type, shown=lambda _: None),
    attribute("frozen", N(TABLE), why="a flag", reference=lambda array: False),
    attribute("at", N(TABLE), why="waits for an index", reference=type, shown=lambda _: None),
]  # fmt: skip


def _fail(_value):
    raise ZeroDivisionError


def _resize(array, *shape):
    array[...] = array  # NumPy forgets to ask whether it may write, and may crash then
    array.resize(*shape, refcheck=False)


def _not(_array, write):
    assert not write


STATE = [
    method("snapshot", R(TABLE), reference=np.copy),
    method("snapshot", R(OBJECTS), reference=np.copy),
    *(
        method("resize", W(array), *shape, reference=_resize)
        for array, *shape in [
            (FLOATS, 9), (FLOATS, 1000), (FLOATS, 4), (FLOATS, (2, 3)), (TABLE, (4, 5)),
            (TABLE, 4, 5), (TABLE, 3), (OBJECTS, 6), (RECORDS, 5), (TABLE.T, (3, 3)),
        ]
    ),
    method("resize", W(FLOATS), 9, refcheck=False,
           reference=lambda array, shape, refcheck: _resize(array, shape)),
    method("resize", W(FLOATS), -1, raises=True),
    method("resize", W(FLOATS), "a", raises=True),
    method("resize", W(FLOATS).part(lambda array: array[::2], "write"), 9, raises=True),
    method("freeze", W(FLOATS), reference=lambda array: None),
    method("setflags", W(FLOATS), write=False, reference=_not),
    method("setflags", W(FLOATS), 0, reference=_not),
    method("setflags", N(FLOATS), write=True, why="refused", raises=True,
           reference=lambda array, write: _refuse(ValueError)),
    method("setflags", N(FLOATS), why="nothing to do"),
]  # fmt: skip


def _refuse(error):
    raise error


def _set(name, value):
    """Return the operation that sets a property which LockedArray refuses to set."""
    return op(name, setattr, N(TABLE), name, value, why="refused: metadata is not set in place",
              reference=lambda *_: _refuse(AttributeError), raises=True)  # fmt: skip


def _flags(flags):
    return flags.c_contiguous, flags.f_contiguous, flags.aligned


UNTOUCHED = [
    _set("shape", (4, 3)),
    _set("dtype", np.int64),
    _set("strides", (8, 24)),
    method("_set_shape", N(TABLE), (4, 3), why="refused: metadata is not set in place",
           reference=lambda *_: _refuse(AttributeError), raises=True),
    attribute("_set_dtype", N(TABLE), why="switched off: NumPy's view() would call it",
              reference=lambda array: None),
    method("__setstate__", N(TABLE), (1, (1,), np.dtype(float), False, b""), raises=True,
           why="refused: unpickling makes a new array", reference=lambda *_: _refuse(TypeError)),
    attribute("shape", N(TABLE), why="metadata"),
    attribute("strides", N(TABLE), why="metadata"),
    attribute("ndim", N(TABLE), why="metadata"),
    attribute("size", N(TABLE), why="metadata"),
    attribute("itemsize", N(TABLE), why="metadata"),
    attribute("nbytes", N(TABLE), why="metadata"),
    attribute("dtype", N(TABLE), why="metadata"),
    attribute("flags", N(TABLE), why="metadata", shown=_flags),
    attribute("base", N(TABLE), why="metadata"),
    attribute("device", N(TABLE), why="metadata"),
    attribute("ctypes", N(TABLE), why="an address and metadata",
              shown=lambda ctypes: (list(ctypes.shape), list(ctypes.strides))),
    attribute("flat", N(TABLE), why="an iterator, which reads later", shown=len),
    attribute("__array_struct__", N(TABLE), why="an address and metadata", shown=type),
    attribute("__array_interface__", N(TABLE), why="an address and metadata",
              shown=lambda interface: (interface["shape"], interface["typestr"])),
    attribute("__array_priority__", N(TABLE), why="of the class"),
    attribute("__class__", N(TABLE), why="of the class", reference=lambda _: la.LockedArray),
    attribute("__doc__", N(TABLE), why="of the class", shown=type),
    attribute("__hash__", N(TABLE), why="None: arrays are not hashable"),
    op("__hash__", hash, N(TABLE), why="refused: arrays are not hashable", raises=True),
    op("__len__", len, N(TABLE), why="metadata"),
    op("__len__", len, N(ZERO_D), why="metadata", raises=True),
    op("__sizeof__", sys.getsizeof, N(TABLE), why="metadata", shown=type),
    op("__dir__", dir, N(TABLE), why="of the class", shown=type),
    op("__getattribute__", getattr, N(TABLE), "ndim", why="metadata"),
    op("__getattribute__", getattr, N(TABLE), "no_such", why="there is none", raises=True),
    op("__setattr__", setattr, N(TABLE), "note", 1, why="the attributes of the Python object",
       reference=lambda *_: None),
    op("__delattr__", delattr, N(TABLE), "note", why="there is none", raises=True),
    attribute("__getstate__", N(TABLE), why="the attributes of the Python object", shown=callable),
    method("__array_namespace__", N(TABLE), why="a module"),
    method("__array_finalize__", N(TABLE), None, why="of NumPy's C code; the array is finished"),
    method("__array_wrap__", N(TABLE), FLOATS, why="the argument is a plain result"),
    method("__dlpack_device__", N(TABLE), why="of the class"),
    method("to_device", N(TABLE), "cpu", why="it is the array itself"),
    method("to_device", N(TABLE), "gpu", why="there is none", raises=True),
    method("__init__", N(TABLE), why="does nothing: __new__ makes the array"),
    method("__class_getitem__", N(TABLE), (int, float), why="of the class", shown=type),
    method("__init_subclass__", N(TABLE), why="of the class"),
    method("__subclasshook__", N(TABLE), int, why="of the class"),
    op("__array_function__", lambda array: array.__array_function__(
       np.shape, (type(array),), (array,), {}), N(TABLE), why="it asks for metadata"),
]  # fmt: skip

# Attributes that come and go with the versions of NumPy and Python.
SOMETIMES = [
    method("ptp", R(TABLE), raises=True, why="removed from ndarray in NumPy 2.0"),
    method("itemset", W(TABLE), 0, 1, raises=True, why="removed from ndarray in NumPy 2.0"),
    method("newbyteorder", N(TABLE), raises=True, why="removed from ndarray in NumPy 2.0"),
    method("tostring", R(TABLE)),
    method("__buffer__", N(TABLE), 0x18 | 0x4, why="an alias, read-only",
           shown=lambda view: (view.shape, view.strides, view.format)),
]  # fmt: skip

ATTRIBUTES = [
    entry
    for group in (
        UNARY, list(_binary()), MORE_OPERATORS, COMPARISONS, CONVERSIONS, WORDS, REDUCTIONS,
        SELECTIONS, WRITING, COPYING, VIEWS, list(_at_entries()), GUARDS, STATE, UNTOUCHED,
        [entry for entry in SOMETIMES if all(hasattr(np.ndarray, name) for name in entry.covers)],
    )
    for entry in group
]  # fmt: skip


# -- flat ------------------------------------------------------------------------------------------


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
