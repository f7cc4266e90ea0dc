"""``x[i] += v`` as one step: what ``x[i]`` is in between.

The statement reads, operates and assigns.  Where a core recognises it, what it reads is an object
that remembers where it was read, and what.  Its in-place operators let NumPy compute with that, and
keep the result, the operator and the operand.  The assignment at the end compares, under the write
lock, what is there now with what was read: if it is the same, the result is stored; if another
thread came in between, the operation is done again with what is there.

The object is on the stack of the interpreter's frame, and nowhere else: that is part of what is
recognised.  So nobody else sees it.  The native core has one of its own for elements of the common
dtypes (``_core/array/augmented.c``).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.facade import Facade

__all__ = ["Augmented"]

_AGAIN = object()
"""The operation is to be done again, with an operand that has to be read first."""


def _kept(index: Any) -> Any:
    """Return `index` as it is now; another thread, or the operand, may change it meanwhile."""
    if isinstance(index, Facade):
        return index.snapshot()  # type: ignore[attr-defined]
    if type(index) is np.ndarray:
        return index.copy()
    if type(index) in (list, tuple):
        return type(index)(map(_kept, index))
    return index


def _is_unchanged(index: Any, kept: Any) -> bool:
    """Whether `index` is still what it was; another thread's changes of a LockedArray are late."""
    if isinstance(index, Facade):
        return True
    if isinstance(index, np.ndarray):
        return index.shape == kept.shape and index.tobytes() == kept.tobytes()
    if type(index) in (list, tuple):
        return len(index) == len(kept) and all(map(_is_unchanged, index, kept))
    return _is_the_same(index, kept)


def _is_the_same(index: Any, other: Any) -> bool:
    """Whether it is one index; of ``x[a:b] += v`` the interpreter makes two slices."""
    if type(index) is slice is type(other):
        parts = (index.start, other.start), (index.stop, other.stop), (index.step, other.step)
        return all(part is others for part, others in parts)
    return index is other


class Augmented:
    """What ``container[index]`` is, between the beginning and the end of ``... op= operand``."""

    __slots__ = ("container", "dtype", "function", "index", "kept", "operand", "read", "result")

    def __init__(self, container: Any, index: Any, kept: Any, read: Any, dtype: np.dtype) -> None:
        self.container = container
        self.index = index
        self.kept = kept
        self.read = read
        self.dtype = dtype
        self.result: Any = None
        self.function: Callable[[Any, Any], Any] | None = None
        self.operand: Any = None

    @classmethod
    def begin(
        cls, container: Any, index: Any, get: Callable[[Any], Any], dtype: np.dtype
    ) -> Augmented:
        """Return what stands for ``get(index)``."""
        kept = _kept(index)
        return cls(container, index, kept, get(kept), dtype)

    def ends_at(self, container: Any, index: Any) -> bool:
        """Whether this is the assignment at the end of the statement, of what was read."""
        return (
            self.function is not None
            and container is self.container
            and _is_the_same(index, self.index)
            and _is_unchanged(index, self.kept)
        )

    def store(self, array: Any, index: Any, value: Any) -> Any:
        """Assign `value`, the result, or what is to be instead of it; under the write lock."""
        now = array[index]
        if not _is_same(now, self.read, self.dtype):
            if not _is_computed(self.read, self.dtype):
                raise RuntimeError(
                    f"x[{self.index!r}] {_SIGNS[self.function]} ...: another thread changed the "
                    "element in between, so nothing was assigned; write "
                    f"x.at[i] {_SIGNS[self.function]} ..., which is one step"
                )
            if isinstance(self.operand, Facade):
                return _AGAIN
            assert self.function is not None
            value = self.function(now.copy() if type(now) is np.ndarray else now, self.operand)
        array[index] = value
        return None

    def assign(self, run: Callable[[Callable[..., Any]], Any]) -> None:
        """Have `store` run, by `run`, which is given it."""
        if run(self.store) is _AGAIN:
            self.operand = self.operand.snapshot()
            run(self.store)


def _is_same(now: Any, read: Any, dtype: np.dtype) -> bool:
    """Whether what is there is, byte for byte, what was read; of objects, the same ones."""
    if isinstance(dtype, np.dtypes.StringDType):
        return np.shape(now) == np.shape(read) and bool(np.all(now == read))
    if not isinstance(now, np.ndarray) and dtype.hasobject:
        return now is read
    return np.shape(now) == np.shape(read) and _bytes(now, dtype) == _bytes(read, dtype)


def _bytes(value: Any, dtype: np.dtype) -> bytes:
    """Return the bytes of `value`, but for those that fill up a long double: no copy keeps them."""
    array = np.ascontiguousarray(value, None if isinstance(value, np.ndarray) else dtype)
    if array.dtype.char not in "gG":
        return array.tobytes()
    padded = array.reshape(-1).view(np.uint8).reshape(-1, np.dtype(np.longdouble).itemsize)
    return padded[:, _significant_bytes()].tobytes()


@functools.cache
def _significant_bytes() -> slice:
    """Of a long double: the first ten where it is the extended format of x87, else all."""
    return slice(10 if np.finfo(np.longdouble).nmant == 63 else None)


def _is_computed(read: Any, dtype: np.dtype) -> bool:
    """Whether an operation may be done twice: with numbers and text, and not with objects.

    Nor with single truth values, or scalars of other packages.
    """
    if isinstance(dtype, np.dtypes.StringDType):
        return True
    if isinstance(read, np.ndarray):
        return not dtype.hasobject
    return dtype.kind in "iufcmMSU" and dtype.isbuiltin != 2  # which are NumPy's own


_SIGNS: dict[Any, str] = {
    operator.iadd: "+=",
    operator.isub: "-=",
    operator.imul: "*=",
    operator.imatmul: "@=",
    operator.itruediv: "/=",
    operator.ifloordiv: "//=",
    operator.imod: "%=",
    operator.ipow: "**=",
    operator.ilshift: "<<=",
    operator.irshift: ">>=",
    operator.iand: "&=",
    operator.ixor: "^=",
    operator.ior: "|=",
}


def _in_place(function: Callable[[Any, Any], Any]) -> Callable[[Augmented, Any], Augmented]:
    def operate(self: Augmented, operand: Any) -> Augmented:
        read = self.read
        self.result = function(read.copy() if type(read) is np.ndarray else read, operand)
        self.function = function
        self.operand = operand
        return self

    return operate


for _function in _SIGNS:
    setattr(Augmented, f"__{_function.__name__.strip('_')}__", _in_place(_function))
