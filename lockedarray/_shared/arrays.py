"""Making and attaching arrays between processes, and pickling them, which is attaching."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.copying import attributes_of
from lockedarray._array.facade import make_view
from lockedarray._array.memory import memory_of, plain_view
from lockedarray._cores import address
from lockedarray._holding import holding
from lockedarray._shared import buffer as buffers
from lockedarray._shared import control as controls
from lockedarray._shared import lifetime
from lockedarray._shared.buffer import SharedBuffer
from lockedarray._shared.control import Control, opening
from lockedarray._shared.header import Layout, describe
from lockedarray._shared.segments import Place, check_platform, place_of

__all__ = ["attached", "made"]


def made(
    shape: Any,
    dtype: Any,
    order: Any,
    fill: Callable[[np.ndarray], None] | None,
    name: str | None,
    path: Any,
) -> LockedArray:
    """Return a new array of zeros, which `fill` is called to write into before others find it."""
    check_platform()
    place = place_of(name, path)
    kind = np.dtype(dtype)
    probe: np.ndarray = np.empty((), kind)  # NumPy's own idea of 'S' and subarrays
    shape = np.broadcast_to(probe, shape).shape  # and of shapes
    description = describe(probe.dtype)
    capacity = math.prod(shape) * probe.dtype.itemsize
    if capacity > sys.maxsize:
        raise ValueError("array is too big: its size in bytes is more than an address can say")
    layout = Layout(capacity, 0, shape, _order_of(order), False)

    def write(control: Control) -> None:
        if fill is not None and capacity:
            storage = buffers.storage_of(control, capacity, probe.dtype)
            fill(storage.reshape(shape, order=layout.order))  # type: ignore[call-overload]

    return opening(_made_locked, place, description, layout, write)


def _order_of(order: Any) -> str:
    if order is None or order in ("C", "c"):
        return "C"
    if order in ("F", "f"):
        return "F"
    raise ValueError(f"order must be 'C' or 'F', not {order!r}")


def _made_locked(
    place: Place, dtype: bytes, layout: Layout, write: Callable[[Control], None]
) -> LockedArray:
    control = controls.create(place, dtype, layout, write)
    try:
        array = _array_of(control)
        lifetime.created(control)
        return array
    except BaseException:
        control.unlink()
        raise


def attached(place: Place) -> LockedArray:
    """Return the array at `place`; the very object that this process has already, if it has one."""
    check_platform()
    return opening(_attached_locked, place)


def _attached_locked(place: Place) -> LockedArray:
    return _array_of(controls.attach(place))


def _array_of(control: Control) -> LockedArray:
    """Return the array that owns the Buffer of a control block, made if need be."""
    known = None if control.buffer is None else control.buffer()
    owner = None if known is None or known._owner is None else known._owner()
    if owner is not None:
        return owner
    buffer = SharedBuffer(control) if known is None else known
    _, layout = control.header.layout()
    root = buffer.memory.root(buffer.shaped(layout))
    array: Any = plain_view(root, LockedArray)
    array._may_write = True
    lifetime.watch()
    return array


# -- pickling --------------------------------------------------------------------------------------


def _reduced(buffer: SharedBuffer, array: Any) -> tuple[Any, ...]:
    control = buffer.control
    buffer.settle()
    where = (tuple(control.place), control.header.token, type(array), attributes_of(array))
    if array._owner is None:
        return _unpickled, (where, None)
    offset = holding(buffer.moving, _offset_locked, buffer, array)
    view = (offset, array.shape, array.strides, array.dtype, array._may_write)
    return _unpickled, (where, view)


def _offset_locked(buffer: SharedBuffer, array: Any) -> int:
    memory: Any = memory_of(array)
    if memory is not buffer.memory:
        raise _removed(buffer.control)
    return buffer.left_out + address(array) - memory.address


def _unpickled(where: Any, view: Any) -> Any:
    place, token, cls, attributes = where
    array: Any = opening(_found_locked, Place(*place), token)
    if view is not None:
        array = _viewed(array, *view)
    if cls is not LockedArray:
        owner = array
        array = plain_view(array, cls)
        array._owner = owner if owner._owner is None else owner._owner
    if attributes:
        vars(array).update(attributes)
    return array


def _found_locked(place: Place, token: bytes) -> LockedArray:
    control = controls.known_by_token(token)
    if control is None:
        try:
            control = controls.attach(place)
        except FileNotFoundError:
            control = None
        if control is None or control.header.token != token:
            raise FileNotFoundError(
                f"the shared array {place.name!r} was unlinked before it was unpickled here: keep "
                "it, in the process that made it, until all others have attached it"
            )
    return _array_of(control)


def _viewed(
    root: Any, offset: int, shape: Any, strides: Any, dtype: np.dtype, may_write: bool
) -> Any:
    """Return the view of `root` that begins `offset` bytes behind the first one of all times."""
    return holding(
        root._buffer.moving, _viewed_locked, root, offset, shape, strides, dtype, may_write
    )


def _viewed_locked(
    root: Any, offset: int, shape: Any, strides: Any, dtype: np.dtype, may_write: bool
) -> Any:
    buffer = root._buffer
    buffer.catch_up()  # it may have grown, or moved
    offset -= buffer.left_out
    low, high = _bounds(shape, strides, dtype.itemsize)
    if low == high:
        offset = min(max(offset, 0), buffer.memory.nbytes)
    elif offset + low < 0:
        raise _removed(buffer.control)
    storage = buffer.memory.owner.view(np.uint8)
    view: np.ndarray = np.ndarray(shape, dtype, storage, offset, strides)
    return make_view(buffer.memory.root(view), root, may_write)


def _removed(control: Control) -> ValueError:
    return ValueError(
        f"cannot pass on this view of the shared array {control.called}: its rows were removed, "
        "and others are in their place; pass a view of rows that are still there"
    )


def _bounds(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    """The bytes before and behind its first element between which a view has its elements."""
    if 0 in shape:
        return 0, 0
    steps = [(length - 1) * stride for length, stride in zip(shape, strides, strict=True)]
    return sum(min(step, 0) for step in steps), sum(max(step, 0) for step in steps) + itemsize


buffers.reduced = _reduced
