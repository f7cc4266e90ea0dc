"""``x.flat``: the elements of a LockedArray in C order, each access atomic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.augmented import Augmented
from lockedarray._array.dispatch.arguments import facades_in
from lockedarray._array.dispatch.operands import converted
from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade
from lockedarray._array.indexing import as_flat_integer, picks_flat_element, stand_in
from lockedarray._array.memory import plain_view
from lockedarray._cores import augments

__all__ = ["FlatIterator"]


def _get(array: np.ndarray, index: Any) -> Any:
    return array.flat[index]


def _set(array: np.ndarray, index: Any, value: Any) -> None:
    array.flat[index] = value


def _set_all(array: np.ndarray, _index: Any, value: Any) -> None:
    array.flat = value  # type: ignore[misc]  # so says NumPy's stub


class FlatIterator:
    """A 1-d iterator over a LockedArray, with the interface of `numpy.flatiter`.

    Reading an element or several takes the read lock, assigning the write lock.
    """

    __slots__ = ("_array", "_position")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Facade) -> None:
        if array.ndim > 32:
            _ = plain_view(array, np.ndarray).flat  # NumPy refuses that many, in its own words
        self._array = array
        self._position = 0

    @property
    def base(self) -> Facade:
        """The LockedArray that is iterated over."""
        return self._array

    @property
    def index(self) -> int:
        """Flat index of the element that comes next."""
        return self._position

    @property
    def coords(self) -> tuple[Any, ...]:
        """N-d index of the element that comes next."""
        shape = self._array.shape
        if self._position < self._array.size:
            return tuple(int(i) for i in np.unravel_index(self._position, shape))
        if not self._array.size:
            return (0,) * len(shape)
        return (shape[0], *(0,) * (len(shape) - 1)) if shape else ()

    def __len__(self) -> int:
        return self._array.size

    def __iter__(self) -> FlatIterator:
        return self

    def __next__(self) -> Any:
        position = self._position
        if position >= self._array.size:
            raise StopIteration
        self._position = position + 1
        try:
            return self[position]
        except IndexError:  # the array has shrunk
            raise StopIteration from None

    def __getitem__(self, index: Any) -> Any:
        if augments(self, index):
            return Augmented.begin(self, index, self._get, self._array.dtype)
        return self._get(index)

    def _get(self, index: Any) -> Any:
        if isinstance(index, FlatIterator):
            index = list(index)  # to NumPy, too, it is a sequence and no array
        return run(_get, (self._array, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(value) is not Augmented:
            self._assign(_set, index, value)
        elif value.ends_at(self, index):
            value.assign(
                lambda store: self._assign(
                    lambda array, index, result: store(array.flat, index, result),
                    value.kept,
                    value.result,
                )
            )
        else:
            self._assign(_set, index, value.read if value.function is None else value.result)

    def _fill(self, value: Any) -> None:
        """Do what ``x.flat = value`` does."""
        self._assign(_set_all, ..., value)

    def _assign(self, assign: Callable[..., Any], index: Any, value: Any) -> Any:
        array, written = self._array, (id(self._array),)
        index = as_flat_integer(index)
        is_element = picks_flat_element(index)
        if isinstance(value, FlatIterator) and not is_element:
            value = value.copy()
        try:
            value = converted(value, "flat", array, index)
            is_argument = self._is_argument(value, is_element)
        except Exception:  # NumPy says what is wrong first, the index or the value
            assign(stand_in(array), index, value)
            is_argument = False
        if is_argument:
            return run(assign, (array, index, value), {}, written)

        def store(raw: np.ndarray, index: Any) -> Any:  # the very object
            return assign(raw, index, value)

        return run(store, (array, index), {}, written, stored=() if is_element else (value,))

    def _is_argument(self, value: Any, is_element: bool) -> bool:
        """Whether `value`, to be assigned, may be exchanged for an array."""
        dtype = self._array.dtype
        if isinstance(value, Facade):
            return not (is_element and dtype.hasobject)
        if dtype.hasobject:
            return False
        is_record = dtype.names is not None or dtype.type is np.void
        return not (is_element or is_record) or bool(facades_in(value))

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Cannot delete iterator elements")

    def __array__(self, dtype: Any = None, *, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the elements of a LockedArray in C order are a copy")
        values = self.copy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def copy(self) -> np.ndarray:
        """Return the elements as a plain 1-d array of shape (size,)."""
        return run(np.ndarray.flatten, (self._array,), {})


def _comparison(name: str) -> Callable[[FlatIterator, Any], Any]:
    def compare(self: FlatIterator, other: Any) -> Any:
        other = other.copy() if isinstance(other, FlatIterator) else converted(other, "operand")
        return run(_compare, (self._array, name, other), {})

    compare.__name__ = name
    return compare


def _compare(array: np.ndarray, name: str, other: Any) -> Any:
    return getattr(array.flat, name)(other)


for _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(FlatIterator, _name, _comparison(_name))
