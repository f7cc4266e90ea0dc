"""What an index selects, as far as its type tells.

The native core has the rule for views in C (``_core/array/index.c``); the tests hold the two
against each other, and against NumPy.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

__all__ = [
    "as_flat_integer",
    "as_integer",
    "makes_view",
    "picks_element",
    "picks_flat_element",
    "stand_in",
]

_BASIC = frozenset({int, slice, type(Ellipsis), type(None), str})


def makes_view(index: Any, ndim: int) -> bool:
    """Whether `index` is basic and makes a view of an array with `ndim` axes."""
    parts = index if type(index) is tuple else (index,)
    if not all(_is_basic(part) for part in parts):
        return False
    return len(parts) < ndim or not all(_is_integer(part) for part in parts)


def picks_element(index: Any, ndim: int) -> bool:
    """Whether `index` is one integer for each axis, of `ndim`, and so names one element."""
    parts = index if type(index) is tuple else (index,)
    return len(parts) == ndim and all(_is_integer(part) for part in parts)


def picks_flat_element(index: Any) -> bool:
    """Whether `index` names one element of ``array.flat``, as a number of any kind does."""
    index = as_flat_integer(index)
    return picks_element(index, 1) or isinstance(index, (int, float, np.number, np.bool_))


def as_flat_integer(index: Any) -> Any:
    """Return `index` as `as_integer` does, of what is assigned to ``array.flat[index]``."""
    if _IS_A_LIST_TO_FLAT and isinstance(index, np.ndarray):
        return index
    return as_integer(index)


def _is_a_list_to_flat() -> bool:
    """Whether an array without axes names several elements of ``flat``, as in NumPy before 2.4."""
    array = np.zeros(1)
    try:
        array.flat[np.array(0)] = [1.0]
    except ValueError:
        return False
    return True


_IS_A_LIST_TO_FLAT = _is_a_list_to_flat()


def as_integer(index: Any) -> Any:
    """Return `index` with integers for what stands for one: arrays of no axes, and ``__index__``.

    To NumPy they name the same element, where something is assigned.
    """
    if type(index) is tuple:
        return tuple(_as_integer(part) for part in index)
    return _as_integer(index)


def _as_integer(part: Any) -> Any:
    if isinstance(part, np.ndarray):
        return part.item() if part.ndim == 0 and part.dtype.kind in "iu" else part
    if isinstance(part, (int, np.generic)) or hasattr(type(part), "__len__"):
        return part
    try:
        return operator.index(part) if hasattr(type(part), "__index__") else part
    except Exception:  # NumPy says what becomes of it
        return part


def stand_in(array: np.ndarray) -> np.ndarray:
    """Return what refuses an assignment as `array` would, without its memory: one element."""
    shown = np.broadcast_to(np.zeros((), array.dtype), array.shape)
    shown.setflags(write=True)
    return shown


def _is_integer(part: Any) -> bool:
    return type(part) is int or isinstance(part, np.integer)


def _is_basic(part: Any) -> bool:
    kind = type(part)
    if kind in _BASIC:
        return True
    if kind is list:  # of field names
        return bool(part) and all(type(name) is str for name in part)
    return isinstance(part, np.integer)
