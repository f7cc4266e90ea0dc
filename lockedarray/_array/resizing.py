"""``x.resize(...)``: what may be resized, and to what."""

from __future__ import annotations

import operator
from typing import Any

from lockedarray._array.buffer import Buffer
from lockedarray._array.facade import Facade, buffer_of
from lockedarray._cores import Holds

__all__ = ["resize"]


def resize(array: Facade, new_shape: tuple[Any, ...], refcheck: Any) -> None:
    """Do what ``array.resize(*new_shape, refcheck=refcheck)`` asks for."""
    operator.index(refcheck)  # is no flag: TypeError, as NumPy's
    if len(new_shape) == 1:
        if new_shape[0] is None:
            return
        if not hasattr(type(new_shape[0]), "__index__"):
            new_shape = tuple(new_shape[0])
    elif not new_shape:
        return
    shape = tuple(operator.index(length) for length in new_shape)
    if any(length < 0 for length in shape):
        raise ValueError("all elements of 'new_shape' must be non-negative")
    if array._owner is not None:
        raise ValueError(
            "a view of a LockedArray cannot be resized: resize the array it belongs to, x.base"
        )
    buffer = buffer_of(array)
    holds = Holds([(buffer.lock, True)])
    try:
        holds.acquire()
        _resize_locked(array, buffer, shape)
    finally:
        holds.release()


def _resize_locked(array: Facade, buffer: Buffer, shape: tuple[int, ...]) -> None:
    if buffer.frozen:
        raise ValueError("cannot resize: this array is frozen; resize a copy (x.copy())")
    if shape == array.shape:
        return
    if buffer.foreign:
        raise ValueError(
            "cannot resize: the memory belongs to the caller (copy=False); "
            "make the array with copy=True to resize it"
        )
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError(
            "resize only works on single-segment arrays: the elements of this LockedArray are in "
            "neither C nor Fortran order; resize LockedArray(x, order='C')"
        )
    buffer.resize(array, shape, "C" if array.flags.c_contiguous else "F")
