"""Memory: one allocation, as the base of arrays; and whose memory an array shows."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.lib._stride_tricks_impl import DummyArray

from lockedarray._cores import set_base

__all__ = ["Memory", "base_behind", "c_base", "memory_of", "plain_view", "ultimate_owner"]

c_base = np.ndarray.base.__get__  # type: ignore[attr-defined]  # the base that NumPy's C code sees
plain_view = np.ndarray.view


class Memory:
    """One allocation: keeps its owner alive, and offers neither a buffer nor an array."""

    __slots__ = ("__weakref__", "address", "buffer", "dtype", "exported", "nbytes", "owner")

    def __init__(self, array: np.ndarray, owner: object) -> None:
        low, high = np.lib.array_utils.byte_bounds(array)
        self.address = low
        self.nbytes = high - low
        self.owner = owner
        self.dtype = array.dtype  # the instance: that of a StringDType has the texts
        self.exported = _last_base(array)  # a memoryview, without which the owner may close
        self.buffer: weakref.ref[Any] | None = None  # the Buffer whose memory it is, or was

    def root(self, array: np.ndarray) -> np.ndarray:
        """Return a read-only exact ndarray like `array` whose base is this Memory."""
        root = plain_view(array, np.ndarray)
        root.setflags(write=False)
        set_base(root, self)
        return root


def base_behind(array: np.ndarray) -> object:
    """Return the base of `array`, looking through what NumPy's stride tricks put in between."""
    base = c_base(array)
    while isinstance(base, DummyArray):
        base = base.base
    return base


def memory_of(array: np.ndarray) -> Memory | None:
    """Return the Memory that `array` shows, or None where it shows nobody's or its own."""
    base = _last_base(array)
    return base if isinstance(base, Memory) else None


def _last_base(array: np.ndarray) -> object:
    """The first base in the chain of bases that is no array, or None."""
    base = base_behind(array)
    while isinstance(base, np.ndarray):
        base = base_behind(base)
    return base


def ultimate_owner(array: np.ndarray) -> object:
    """The object at the end of the chain of bases: who really owns the bytes."""
    while True:
        base = base_behind(array)
        if base is None:
            return array
        while isinstance(base, memoryview):
            base = base.obj
        if not isinstance(base, np.ndarray):
            return base
        array = base
