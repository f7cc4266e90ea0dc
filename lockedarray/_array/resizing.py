"""``x.resize(...)``: what may be resized, and to what."""

from __future__ import annotations

import operator
from typing import Any

from lockedarray._array.buffer import Buffer
from lockedarray._array.facade import Facade, buffer_of
from lockedarray._cores import Holds

__all__ = ["refuse_frozen", "refuse_immovable", "refuse_view", "resize"]


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
    refuse_view(array, "be resized", "resize")
    buffer = buffer_of(array)
    holds = Holds([(buffer.lock, True)])
    try:
        holds.acquire()
        _resize_locked(array, buffer, shape)
    finally:
        holds.release()


def _resize_locked(array: Facade, buffer: Buffer, shape: tuple[int, ...]) -> None:
    refuse_frozen(buffer, "resize")
    if shape == array.shape:
        return
    refuse_immovable(array, buffer, "resize")
    order = "C" if array.flags.c_contiguous else "F"
    buffer.change(buffer.resize, array, shape, order)


def refuse_view(array: Facade, what: str, instead: str) -> None:
    """Raise ValueError for a view: it cannot do `what`; `instead` is to be done by its base."""
    if array._owner is not None:
        raise ValueError(
            f"a view of a LockedArray cannot {what}: call {instead} of the array that it belongs "
            "to, x.base"
        )


def refuse_frozen(buffer: Buffer, what: str) -> None:
    """Raise ValueError where nothing may be written any more."""
    if buffer.frozen:
        raise ValueError(f"cannot {what}: this array is frozen; do it with a copy, la.array(x)")


def refuse_immovable(array: Facade, buffer: Buffer, what: str) -> None:
    """Raise ValueError where the memory is the caller's, or in no order that can be kept."""
    if buffer.is_fixed:
        raise ValueError(
            f"cannot {what}: the memory belongs to the caller (copy=False); "
            "make the array with copy=True, so that it has memory of its own"
        )
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError(
            f"{what} only works on single-segment arrays: the elements of this LockedArray are in "
            f"neither C nor Fortran order; {what} LockedArray(x, order='C')"
        )
