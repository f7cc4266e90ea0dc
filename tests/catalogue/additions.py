"""The catalogue, part 4: what LockedArray adds, and what it does in ways of its own."""

from __future__ import annotations

import copy
import operator

import numpy as np

import lockedarray as la
from catalogue.arrays import (
    FLOATS,
    INTS,
    OBJECTS,
    OTHERS,
    RECORDS,
    TABLE,
)
from catalogue.operation import N, R, W, attribute, method, op
from lockedarray._array.at import CompareExchangeResult

__all__ = ["ADDITIONS"]


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
        return CompareExchangeResult(swapped if swapped.ndim else bool(swapped), old[()])

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
    attribute("name", N(TABLE), why="it stays what it is", reference=lambda array: None),
    attribute("at", N(TABLE), why="waits for an index", reference=type, shown=lambda _: None),
]  # fmt: skip


def _fail(_value):
    raise ZeroDivisionError


def _resize(array, *shape, refcheck=False):
    array[...] = array  # NumPy forgets to ask whether it may write, and may crash then
    array.resize(*shape, refcheck=refcheck)


def _append(array, values):
    first, values = len(array), np.asarray(values, array.dtype)
    rows = values.reshape(-1, *array.shape[1:])
    array[...] = array  # as in _resize
    array.resize((first + len(rows), *array.shape[1:]), refcheck=False)
    array[first:] = rows
    return first


def _popleft(array, n=1):
    array[...] = array
    removed = array[:n].copy()
    array[: len(array) - n] = array[n:].copy()
    array.resize((len(array) - n, *array.shape[1:]), refcheck=False)
    return removed


def _assign(array, values):
    values = np.asarray(values, array.dtype)
    array[...] = array
    array.resize(values.shape, refcheck=False)
    array[...] = values


def _not(_array, write):
    assert not write


def _refuse(_array, write):
    raise ValueError


STATE = [
    method("snapshot", R(TABLE), reference=np.copy),
    method("snapshot", R(OBJECTS), reference=np.copy),
    method("wait_for", R(TABLE), np.size, reference=lambda array, predicate: predicate(array)),
    *(
        method("resize", W(array), *shape, reference=_resize)
        for array, *shape in [
            (FLOATS, 9), (FLOATS, 1000), (FLOATS, 4), (FLOATS, (2, 3)), (TABLE, (4, 5)),
            (TABLE, 4, 5), (TABLE, 3), (OBJECTS, 6), (RECORDS, 5), (TABLE.T, (3, 3)),
        ]
    ),
    method("resize", W(FLOATS), 9, refcheck=False,
           reference=_resize),
    method("resize", W(FLOATS), -1, raises=True),
    method("resize", W(FLOATS), "a", raises=True),
    method("resize", W(FLOATS).part(lambda array: array[::2], "write"), 9, raises=True),
    *(
        method("append", W(array), values, reference=_append)
        for array, values in [
            (FLOATS, 1.5), (FLOATS, [1, 2]), (TABLE, R(TABLE)), (TABLE, R(TABLE).part(lambda table: table[0], "read")),
            (OBJECTS, np.array([None, 1], object)),
        ]
    ),
    method("append", W(FLOATS), "a", raises=True, reference=_append),
    method("popleft", W(FLOATS), reference=_popleft),
    method("popleft", W(TABLE), 2, reference=_popleft),
    method("popleft", W(OBJECTS), 2, reference=_popleft),
    method("assign", W(FLOATS), R(FLOATS[:2]), reference=_assign),
    method("assign", W(TABLE), R(np.tile(TABLE, (3, 1))), reference=_assign),
    method("assign", W(FLOATS), "a", raises=True, reference=_assign),
    method("flush", N(FLOATS), why="on no file", raises=True, reference=lambda array: int("")),
    method("close", N(FLOATS), why="not shared", raises=True, reference=lambda array: int("")),
    method("unlink", N(FLOATS), why="not shared", raises=True, reference=lambda array: int("")),
    method("recover", N(FLOATS), why="not shared", raises=True, reference=lambda array: int("")),
    method("freeze", W(FLOATS), reference=lambda array: None),
    method("setflags", W(FLOATS), write=False, reference=_not),
    method("setflags", W(FLOATS), 0, reference=_not),
    method("setflags", N(FLOATS), write=True, why="refused", raises=True,
           reference=_refuse),
    method("setflags", N(FLOATS), why="nothing to do"),
]  # fmt: skip

ADDITIONS = [*_at_entries(), *GUARDS, *STATE]
