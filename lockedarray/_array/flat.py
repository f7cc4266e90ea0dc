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
from lockedarray._array.objects import put
from lockedarray._cores import FlatBase

__all__ = ["FlatIterator"]


def _get(array: np.ndarray, index: Any) -> Any:
    return array.flat[index]


def _set(array: np.ndarray, index: Any, value: Any) -> None:
    array.flat[index] = value


def _set_all(array: np.ndarray, _index: Any, value: Any) -> None:
    array.flat = value  # type: ignore[misc]  # so says NumPy's stub


class FlatIterator(FlatBase):
    """A 1-d iterator over a LockedArray, with the interface of `numpy.flatiter`.

    Reading an element or several takes the read lock, assigning the write lock.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    @property
    def coords(self) -> tuple[Any, ...]:
        """N-d index of the element that comes next."""
        shape = self._array.shape
        if self._position < self._array.size:
            return tuple(int(i) for i in np.unravel_index(self._position, shape))
        if not self._array.size:
            return (0,) * len(shape)
        return (shape[0], *(0,) * (len(shape) - 1)) if shape else ()

    def _general_augmented(self, index: Any) -> Any:
        """Read ``flat[index]`` for ``flat[index] op= v``: what remembers it."""
        return Augmented.begin(self, index, self._general_getitem, self._array.dtype)

    def _general_augmented_end(
        self, index: Any, read: Any, result: Any, function: Callable[..., Any], operand: Any
    ) -> None:
        """Assign for ``flat[index] op= operand``, where a core had what remembers it."""
        augmented = Augmented(self, index, index, read, self._array.dtype)
        augmented.result, augmented.function, augmented.operand = result, function, operand
        self._general_setitem(index, augmented)

    def _general_getitem(self, index: Any) -> Any:
        if isinstance(index, FlatIterator):
            index = list(index)  # to NumPy, too, it is a sequence and no array
        return run(_get, (self._array, index), {})

    def _general_setitem(self, index: Any, value: Any) -> None:
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

        is_object = assign is _set and type(index) is int and array.dtype.type is np.object_

        def store(raw: np.ndarray, index: Any) -> Any:  # the very object
            if is_object and -raw.size <= index < raw.size:  # else NumPy says what is wrong
                put(raw.flat, index, value)
                return None
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

    def _general_array(self, dtype: Any = None, *, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(
                "Unable to avoid copy while creating an array as requested: x.flat makes a copy "
                "of the elements; leave out copy=False"
            )
        values = self.copy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def _general_copy(self) -> np.ndarray:
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
