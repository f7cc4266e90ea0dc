"""What an index selects, as far as its type tells.

The native core has the rule for views in C (``_core/array/index.c``); the tests hold the two
against each other, and against NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["as_integer", "makes_view", "picks_element"]

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


def as_integer(index: Any) -> Any:
    """Return `index` with integers in place of arrays of one integer and no axes.

    To NumPy the two name the same element, where something is assigned.
    """
    if type(index) is tuple:
        return tuple(map(as_integer, index))
    if type(index) is np.ndarray and index.ndim == 0 and index.dtype.kind in "iu":
        return index.item()
    return index


def _is_integer(part: Any) -> bool:
    return type(part) is int or isinstance(part, np.integer)


def _is_basic(part: Any) -> bool:
    kind = type(part)
    if kind in _BASIC:
        return True
    if kind is list:  # of field names
        return bool(part) and all(type(name) is str for name in part)
    return isinstance(part, np.integer)
