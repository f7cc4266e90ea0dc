"""Functions that make a LockedArray directly: `zeros`, `ones`, `empty` and `full`."""

from __future__ import annotations

from typing import Any

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import make_root
from lockedarray._array.objects import check_policy
from lockedarray._guards.region_lock import region_lock_of

__all__ = ["empty", "full", "ones", "zeros"]


def zeros(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with zeros; see `numpy.zeros` and `LockedArray`."""
    return _made(np.zeros(shape, dtype, order), lock, objects)


def ones(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with ones; see `numpy.ones` and `LockedArray`."""
    return _made(np.ones(shape, dtype, order), lock, objects)


def empty(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape`, not filled; see `numpy.empty` and `LockedArray`."""
    return _made(np.empty(shape, dtype, order), lock, objects)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with `fill_value`; see `numpy.full`."""
    return _made(run(np.full, (shape, fill_value, dtype, order), {}), lock, objects)


def _made(array: np.ndarray, lock: Any, objects: str) -> LockedArray:
    check_policy(objects, array.dtype)
    region_lock = None if lock is None else region_lock_of(lock)
    return make_root(LockedArray, array, lock=region_lock, objects=objects)
