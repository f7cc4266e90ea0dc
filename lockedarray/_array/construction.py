"""Where a new LockedArray has its elements: in memory that it takes over, shares or fills."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from lockedarray._array.buffer import Buffer
from lockedarray._array.dispatch.arguments import PLAIN
from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade, buffer_of, make_root, make_view
from lockedarray._array.memory import plain_view
from lockedarray._array.objects import check_policy
from lockedarray._array.temporaries import REFERENCES_OF_ONE
from lockedarray._guards.region_lock import RegionLock

__all__ = ["as_type", "copied", "created_like", "has_order", "is_adoptable", "sharing"]

_F = TypeVar("_F", bound=Facade)


_OWN_AND_WRITEABLE = 0x0404  # NumPy's flags OWNDATA and WRITEABLE


def is_adoptable(obj: Any, dtype: Any, order: str) -> bool:
    """Whether the memory of `obj` could be a LockedArray's, if nobody else can reach it."""
    return (
        type(obj) is np.ndarray
        and obj.flags.num & _OWN_AND_WRITEABLE == _OWN_AND_WRITEABLE
        and (dtype is None or np.dtype(dtype) == obj.dtype)
        and (order == "K" or has_order(obj, order))
    )


def copied(obj: Any, dtype: Any, order: Any, ndmin: Any = 0) -> np.ndarray:
    """Return a plain copy of `obj`, made under the read locks of the LockedArrays in it."""
    kind = type(obj)
    if kind in PLAIN or (kind in (list, tuple) and PLAIN.issuperset(map(type, obj))):
        return np.array(obj, dtype, order=order, ndmin=ndmin)
    options = {"order": order, "copy": True, "subok": False, "ndmin": ndmin}
    array = run(np.array, (obj, dtype), options)
    return plain_view(array, np.ndarray) if type(array) is not np.ndarray else array


def has_order(array: np.ndarray, order: Any) -> bool:
    """Whether the memory layout of `array` is `order`, or may be any; False of what is no order."""
    if not isinstance(order, str):
        return order is None
    name = order.upper()
    if name in ("C", "F"):
        return array.flags.c_contiguous if name == "C" else array.flags.f_contiguous
    return name in ("K", "A")


def sharing(
    cls: type[_F],
    obj: Any,
    dtype: Any,
    order: Any,
    lock: RegionLock | None,
    objects: str,
    name: str | None = None,
) -> _F:
    """Return a facade on the memory of `obj`, which is the caller's (``copy=False``)."""
    array: Any = np.array(obj, dtype, copy=False, order=order, subok=True)  # type: ignore
    check_policy(objects, array.dtype)
    if isinstance(array, Facade):
        if lock is not None and lock is not buffer_of(array).lock:
            raise ValueError("this LockedArray has another lock: leave out lock=, or make a copy")
        buffer_of(array).check_name(name)
        return make_view(plain_view(array, np.ndarray), as_type(cls, array), array._may_write)
    buffer = Buffer.shared(array, lock=lock, objects=objects, name=name)  # lives on in the facade
    facade = plain_view(array, cls)
    assert facade._buffer is buffer
    return facade


def as_type(cls: type[Any], facade: Facade) -> Any:
    """Return a facade like `facade` of type `cls`, to be the template of views."""
    if type(facade) is cls:
        return facade
    owner = facade._owner
    template = make_view(plain_view(facade, np.ndarray), facade, facade._may_write)
    template = plain_view(template, cls)
    template._owner = owner if owner is not None else facade
    return template


def created_like(facade: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Return what ``function(..., like=facade)`` asks for."""
    result = run(function, args, kwargs)
    if isinstance(result, Facade):
        return result
    if (
        type(result) is np.ndarray
        and result.base is None
        and sys.getrefcount(result) == REFERENCES_OF_ONE
    ):
        return make_root(type(facade), result, lock=None, objects="exclusive")
    return type(facade)(result, copy=True)
