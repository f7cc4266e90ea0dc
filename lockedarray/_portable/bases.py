"""The parts of Buffer and LockedArray that a core provides: here, nothing but their fields."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from lockedarray._portable.lock import RegionLock

__all__ = ["ArrayBase", "BufferBase"]


class BufferBase:
    """What a core knows of a Buffer."""

    __slots__ = ("_facades", "frozen", "lock", "origin", "whole")

    lock: RegionLock
    frozen: bool  # nothing may be written any more
    whole: bool  # the lock is shared: each hold is of the whole memory
    origin: int  # address at which the current memory begins

    def __init__(self) -> None:
        self._facades: dict[int, weakref.ref[ArrayBase]] = {}

    def know(self, facade: ArrayBase) -> None:
        """Have `facade` among the known ones as long as it lives."""
        key, facades = id(facade), self._facades
        facades[key] = weakref.ref(facade, lambda _: facades.pop(key, None))

    def known(self) -> list[ArrayBase]:
        """Return the live LockedArrays on this Buffer."""
        facades = [reference() for reference in self._facades.copy().values()]
        return [facade for facade in facades if facade is not None]


class ArrayBase(np.ndarray):
    """What a core knows of a LockedArray; one that NumPy made and still fills has the defaults."""

    _buffer: Any = None
    _memory: Any = None  # the one it shows; follows the Buffer's
    _owner: Any = None  # of a view: the LockedArray that owns the Buffer
    _may_write: bool = True
    _past: Any = None  # what it showed before resizes: C code may be reading there still
