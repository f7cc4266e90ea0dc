"""Memory: one allocation, as the base of arrays; and whose memory an array shows."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np
from numpy.lib._stride_tricks_impl import DummyArray

from lockedarray._cores import MemoryBase, address, set_base

__all__ = [
    "Memory",
    "base_behind",
    "bounds_of",
    "c_base",
    "held",
    "memory_of",
    "plain_view",
    "ultimate_owner",
]

c_base = np.ndarray.base.__get__  # type: ignore[attr-defined]  # the base that NumPy's C code sees
plain_view = np.ndarray.view


def bounds_of(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses between which `array` has its elements.

    As NumPy's ``byte_bounds``, whose ``__array_interface__`` (2.4) crashes where memory runs out.
    """
    low = high = address(array)
    if array.size:
        for length, stride in zip(array.shape, array.strides, strict=True):
            if stride < 0:
                low += (length - 1) * stride
            else:
                high += (length - 1) * stride
        high += array.itemsize
    return low, high


class _Shown(NamedTuple):
    """What is known of memory by an array that shows all of it."""

    address: int
    nbytes: int
    dtype: np.dtype
    held: object  # what keeps others from closing or moving it
    first: int

    @classmethod
    def of(cls, array: np.ndarray, held: object, first: int) -> _Shown:
        low, high = bounds_of(array)
        return cls(low, high - low, array.dtype, held, first)


class Memory(MemoryBase):
    """One allocation: keeps its owner alive, and offers neither a buffer nor an array.

    Parameters
    ----------
    array : ndarray
        What shows all of it.
    owner : object
        What keeps it alive.
    held : object
        What keeps others from closing or moving it, if it is not ours: see `held`.
    first : int
        Where its first byte stands among all that the Buffer ever had, in order: each allocation
        leaves out some more of those that were removed in front.
    """

    __slots__ = ("__weakref__", "_shown")

    def __init__(
        self, array: np.ndarray, owner: object, held: object = None, first: int = 0
    ) -> None:
        self._shown = _Shown.of(array, held, first)
        self.owner = owner
        self.aliased = False
        self.buffer = None

    def __getattr__(self, name: str) -> Any:
        """Describe memory that a core has made: its owner is an array that shows all of it."""
        if name != "_shown":
            raise AttributeError(f"a Memory has no {name}")
        owner: Any = self.owner
        self._shown = shown = _Shown.of(owner, None, 0)
        return shown

    @property
    def address(self) -> int:
        """Where it begins."""
        return self._shown.address

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return self._shown.nbytes

    @property
    def dtype(self) -> np.dtype:
        """The dtype of what shows all of it; the instance: that of a StringDType has the texts."""
        return self._shown.dtype

    @property
    def first(self) -> int:
        """Where its first byte stands among all that the Buffer ever had."""
        return self._shown.first

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


def held(array: np.ndarray) -> list[object]:
    """Hold the memory that `array` borrows from others, so that it stays open and in its place.

    An array keeps the object alive that it was made of, but that may close or move its memory all
    the same (``mmap.close``, ``bytearray.extend``, ``ndarray.resize``), unless somebody has an
    export of it.

    Returns
    -------
    list of object
        Exports: memoryviews, and weak references to arrays, which NumPy then does not resize. An
        object that offers no buffer cannot be held so, and is only kept alive.

    Raises
    ------
    ValueError
        The memory has been closed or moved already, and the array shows what is freed.
    """
    exports: list[object] = []
    base: object = array
    while base is not None:
        if isinstance(base, np.ndarray):
            following = base_behind(base)
            if following is None:
                exports.append(weakref.ref(base))
            base = following
            continue
        try:
            export = memoryview(base)  # type: ignore[arg-type]
        except (TypeError, BufferError):
            break
        except ValueError as problem:
            raise ValueError(
                f"cannot share the memory of this array: the {type(base).__name__} that it was "
                "made of is closed or released; open it again, and make the array anew"
            ) from problem
        if not _is_inside(array, export):
            raise ValueError(
                f"cannot share the memory of this array: the {type(base).__name__} that it was "
                "made of has moved its bytes since; make the array anew"
            )
        exports.append(export)
        base = export.obj if isinstance(export.obj, np.ndarray) else None
    return exports


def _is_inside(array: np.ndarray, export: memoryview) -> bool:
    """Whether the bytes of `array` are among those of `export`, as far as one can see."""
    if array.size == 0 or array.itemsize == 0:
        return True
    try:
        whole = np.frombuffer(export, np.uint8) if export.c_contiguous else np.asarray(export)
    except (ValueError, TypeError, BufferError, NotImplementedError):
        return export.nbytes > 0  # a format that NumPy does not know
    low, high = bounds_of(array)
    first, last = bounds_of(whole)
    return first <= low and high <= last
