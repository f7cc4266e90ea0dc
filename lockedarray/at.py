"""``x.at[index]``: atomic read-modify-write of elements, with JAX's names where JAX has one."""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import Any

import numpy as np

from lockedarray.cores import AtBase, AtIndexBase
from lockedarray.dispatch.operation import run, settled
from lockedarray.facade import Facade
from lockedarray.indexing import picks_element

__all__ = ["At", "AtIndex"]


def _current(array: np.ndarray, index: Any) -> Any:
    """Return a copy of ``array[index]``."""
    value = array[index]
    return value.copy() if isinstance(value, (np.ndarray, np.void)) else value


def _set(array: np.ndarray, index: Any, value: Any) -> Any:
    array[index] = value
    return _current(array, index)


def _accumulate(array: np.ndarray, index: Any, ufunc: np.ufunc, value: Any) -> Any:
    ufunc.at(array, index, value)
    return _current(array, index)


def _apply(array: np.ndarray, index: Any, function: Callable[[Any], Any]) -> Any:
    array[index] = function(_current(array, index))
    return _current(array, index)


def _exchange(array: np.ndarray, index: Any, value: Any) -> Any:
    old = _current(array, index)
    array[index] = value
    return old


def _compare_exchange(array: np.ndarray, index: Any, expected: Any, desired: Any) -> Any:
    old = _current(array, index)
    if array.dtype.names is not None:
        expected = np.asarray(expected, array.dtype)
    same = np.asarray(old == expected)
    if array.dtype.kind in "fcmM":
        same = same | (np.isnan(old) & np.isnan(np.asarray(expected, array.dtype)))
    if same.ndim == 0:
        swapped: Any = bool(same)
        if swapped:
            array[index] = desired
    else:
        swapped = np.broadcast_to(same, np.shape(old)).copy()
        array[index] = np.where(swapped, np.asarray(desired, array.dtype), old)
    return swapped, old


class At(AtBase):
    """What ``x.at`` is: an index on it names the elements to work on."""

    __slots__ = ()
    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    def _general_setitem(self, index: Any, value: Any) -> None:
        if isinstance(value, AtIndexBase):
            raise TypeError("x.at[i] is no value: assign y.at[j].get(), its elements")
        AtIndex(self._array, index).set(value)

    def __repr__(self) -> str:
        return f"<at: index it, as in x.at[i] += 1, of a LockedArray of shape {self._array.shape}>"


class AtIndex(AtIndexBase):
    """Elements of a LockedArray, for one atomic read-modify-write each call.

    Every method holds the write lock (`get` the read lock) from its first look at the elements
    to its last write.  Each returns a copy: the new value, where nothing else is said.  With
    duplicate indices the updates accumulate, as in `numpy.ufunc.at`.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x = la.LockedArray(np.zeros(3, int))
    >>> x.at[0] += 5
    >>> x.at[[1, 1, 2]].add(1)
    array([2, 2, 1])
    >>> x.at[0].compare_exchange(5, 7)
    (True, np.int64(5))
    """

    __slots__ = ()
    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    def _write(self, function: Callable[..., Any], *values: Any) -> Any:
        if self._array.dtype.hasobject and (
            picks_element(self._index, self._array.ndim)
            or not any(isinstance(v, Facade) for v in values)
        ):

            def store(array: np.ndarray, index: Any) -> Any:  # the very objects are stored
                return function(array, index, *values)

            return run(store, (self._array, self._index), {}, (id(self._array),))
        return run(function, (self._array, self._index, *values), {}, (id(self._array),))

    def _accumulate(self, ufunc: np.ufunc, value: Any) -> Any:
        return self._write(_accumulate, ufunc, settled(value))

    def _augment(self, ufunc: str, value: Any) -> AtIndex:
        """Update by the ufunc of this name: what the augmented assignments do."""
        self._accumulate(getattr(np, ufunc), value)
        self._updated = True
        return self

    def get(self) -> Any:
        """Return the elements."""
        return run(_current, (self._array, self._index), {})

    def set(self, value: Any) -> Any:
        """Assign `value`."""
        return self._write(_set, value)

    def add(self, value: Any) -> Any:
        """Add `value`; ``x.at[i] += value``."""
        return self._accumulate(np.add, value)

    def subtract(self, value: Any) -> Any:
        """Subtract `value`; ``x.at[i] -= value``."""
        return self._accumulate(np.subtract, value)

    def multiply(self, value: Any) -> Any:
        """Multiply by `value`; ``x.at[i] *= value``."""
        return self._accumulate(np.multiply, value)

    def divide(self, value: Any) -> Any:
        """Divide by `value`; ``x.at[i] /= value``."""
        return self._accumulate(np.divide, value)

    def power(self, value: Any) -> Any:
        """Raise to the power `value`; ``x.at[i] **= value``."""
        return self._accumulate(np.power, value)

    def min(self, value: Any) -> Any:
        """Keep the smaller of the element and `value`."""
        return self._accumulate(np.minimum, value)

    def max(self, value: Any) -> Any:
        """Keep the larger of the element and `value`."""
        return self._accumulate(np.maximum, value)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """Assign ``function(elements)``; the function is given a copy and runs under the lock."""
        if not callable(function):
            raise TypeError(f"apply() takes a function of the elements, not {function!r}")
        return self._write(_apply, function)

    def exchange(self, value: Any) -> Any:
        """Assign `value` and return the old elements."""
        return self._write(_exchange, value)

    def compare_exchange(self, expected: Any, desired: Any) -> tuple[Any, Any]:
        """Assign `desired` where the elements equal `expected`.

        Returns
        -------
        swapped : bool or ndarray of bool
            Whether, element by element, it was assigned.  NaN equals NaN here.
        old : scalar or ndarray
            What the elements were before.
        """
        return self._write(_compare_exchange, expected, desired)

    def __repr__(self) -> str:
        return f"<at[{self._index!r}] of a LockedArray of shape {self._array.shape}>"
