"""Arrays between processes have the types of those between threads."""

from typing import Any, assert_type

import numpy as np

import lockedarray as la
from lockedarray import LockedArray


def made(plain: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """Make some, with shape and dtype where they are known."""
    assert_type(la.shared.zeros(3), LockedArray[tuple[int], np.dtype[np.float64]])
    assert_type(la.shared.ones([3], name="a"), LockedArray[tuple[Any, ...], np.dtype[np.float64]])
    assert_type(la.shared.empty((3, 4), np.int8), LockedArray[tuple[int, int], np.dtype[np.int8]])
    assert_type(la.shared.zeros(3, "i8", "F"), LockedArray[tuple[int], np.dtype[Any]])
    assert_type(la.shared.full(3, np.int8(1)), LockedArray[tuple[int], np.dtype[np.int8]])
    assert_type(la.shared.full((3, 4), 1, path="a"), LockedArray[tuple[int, int], np.dtype[Any]])
    assert_type(la.shared.array(plain), LockedArray[tuple[int], np.dtype[np.float64]])
    assert_type(la.shared.array([1], np.int8), LockedArray[tuple[Any, ...], np.dtype[np.int8]])
    assert_type(la.shared.array([1, 2], ndmin=2), LockedArray)


def used(x: LockedArray[tuple[int], np.dtype[np.float64]]) -> None:
    """Attach, repair, list and let go."""
    assert_type(la.shared.attach("a"), LockedArray)
    assert_type(la.shared.open(b"a"), LockedArray)
    assert_type(x.name, str | None)
    try:
        assert_type(x[0], Any)
    except la.PoisonedError as error:
        assert_type(error.pid, int)
        assert_type(error.region, tuple[int, int])
        assert_type(error.since, float)
    with x.recover() as raw:
        assert_type(raw, np.ndarray[tuple[int], np.dtype[np.float64]])
    assert_type([entry.alive for entry in la.shared.list()], list[bool])
    x.unlink()
    x.close()
