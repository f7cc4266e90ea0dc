"""The catalogue, part 3: the methods and properties of an array."""

from __future__ import annotations

import copy
import io
import pickle
import sys
import tempfile

import numpy as np

import lockedarray as la
from catalogue.arrays import (
    BOOLS,
    COMPLEX,
    CUBE,
    FLOATS,
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

__all__ = ["ATTRIBUTES"]


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
    attribute("ctypes", N(TABLE), why="metadata; addresses are refused",
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
    *REDUCTIONS,
    *SELECTIONS,
    *WRITING,
    *COPYING,
    *VIEWS,
    *UNTOUCHED,
    *(entry for entry in SOMETIMES if all(hasattr(np.ndarray, name) for name in entry.covers)),
]
