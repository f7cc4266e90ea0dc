"""Buffer: the memory that views share, its lock, and what happens when it moves.

The layers, from what users hold down to the bytes::

    LockedArray ──base──► read-only exact ndarray ──base──► Memory ──owner──► ndarray, mmap, ...
        └─ _buffer ──► Buffer (lock, live facades, current Memory)

`np.asarray` of a LockedArray collapses its base onto the read-only exact ndarray: so the alias
keeps the bytes that it shows alive, wherever the Buffer's bytes move, and cannot be made
writable, because NumPy looks for a writable base and finds a Memory, which offers no buffer.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from typing import Any

import numpy as np

from lockedarray._array.memory import Memory, held, memory_of, plain_view, ultimate_owner
from lockedarray._array.objects import has_arena, runs_element_code
from lockedarray._cores import (
    BufferBase,
    address,
    exchange_bodies,
    set_base,
    set_data,
    set_dtype,
    set_length,
    set_writeable,
)
from lockedarray._guards.region_lock import RegionLock
from lockedarray._holding import holding

__all__ = ["Buffer", "registering"]

_registry: weakref.WeakValueDictionary[int, Buffer] = weakref.WeakValueDictionary()
_registering = threading.RLock()

# Shape blocks and memory that a raw view showed before a resize, as long as the raw view lives.
_earlier_of_raw_views: dict[int, tuple[weakref.ref[np.ndarray], list[np.ndarray]]] = {}


def registering() -> Any:
    """Return the lock under which memory gets its Buffer; reentrant."""
    return _registering


def _after_fork_in_child() -> None:
    """Give locks of threads that are gone back, and end the moves that they had begun."""
    global _registering
    _registering = threading.RLock()
    for buffer in list(_registry.values()):
        buffer.moving = threading.RLock()
        buffer.operating.clear()
        buffer._follow(buffer._known())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _only_changed_axis(array: np.ndarray, target: np.ndarray) -> int | None:
    """The axis in whose length alone `array` and `target`, on the same bytes, differ."""
    if array.ndim != target.ndim or array.strides != target.strides:
        return None
    changed = [i for i, length in enumerate(target.shape) if length != array.shape[i]]
    return changed[0] if len(changed) == 1 else None


class Buffer(BufferBase):
    """The memory of an array, its lock, and the live arrays that share them.

    Parameters
    ----------
    array : ndarray
        Exact ndarray over all of the memory.
    owner : object
        What keeps the memory alive.
    foreign : bool
        The memory is the caller's (``copy=False``): it never moves.
    lock : RegionLock, optional
        The lock of all operations on the memory, shared with others; by default a new one.
    objects : str
        The object-dtype policy.
    exports : list, optional
        What keeps the caller from closing or moving the memory.
    """

    __slots__ = (
        "__weakref__",
        "_owner",
        "foreign",
        "moving",
        "objects",
        "older",
        "operating",
        "raw_views",
        "root",
    )

    lock: RegionLock

    def __init__(
        self,
        array: np.ndarray,
        owner: object,
        *,
        foreign: bool,
        objects: str,
        lock: RegionLock | None = None,
        exports: list[object] | None = None,
    ) -> None:
        super().__init__()
        self.lock = RegionLock() if lock is None else lock
        self.whole = lock is not None
        self.objects = objects
        self.foreign = foreign
        self.frozen = False
        self.moving = threading.RLock()
        self._owner: weakref.ref[Any] | None = None
        self.raw_views: dict[int, weakref.ref[Any]] = {}
        self.operating: dict[int, weakref.ref[Any]] = {}
        self.older: weakref.WeakSet[Memory] = weakref.WeakSet()
        self._use(Memory(array, owner, exports), array)

    def _use(self, memory: Memory, array: np.ndarray) -> None:
        if not self.foreign and array.ndim != 1:  # so that a resize can take any part of it
            order: Any = (
                "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else None
            )
            array = array.reshape(-1, order=order) if order else array
        memory.buffer = weakref.ref(self)
        self.root = memory.root(array)
        self.memory = memory
        self.origin = memory.address
        self.extent = memory.nbytes

    @classmethod
    def private(cls, array: np.ndarray, *, lock: RegionLock | None, objects: str) -> Buffer:
        """Return a new Buffer over `array`, which nobody else can reach."""
        buffer = cls(array, array, foreign=False, lock=lock, objects=objects)
        buffer.enter(array)
        return buffer

    def enter(self, owner: object) -> None:
        """Be found by the owner of the memory, and by the child of a fork."""
        _registry[id(owner)] = self

    @classmethod
    def shared(
        cls, array: np.ndarray, *, lock: RegionLock | None = None, objects: str | None = None
    ) -> Buffer:
        """Return the one Buffer of the memory that `array` shows, made if need be.

        Raises
        ------
        ValueError
            The memory has a Buffer already, with another lock or policy than the ones given; or
            its owner has closed or moved it, and the array shows what is freed.
        """
        return holding(_registering, cls._shared_locked, array, lock, objects)

    @classmethod
    def _shared_locked(
        cls, array: np.ndarray, lock: RegionLock | None, objects: str | None
    ) -> Buffer:
        exports = held(array)
        owner = ultimate_owner(array)
        if isinstance(owner, Memory):
            known = owner.buffer() if owner.buffer is not None else None
        else:
            known = _registry.get(id(owner))
        if known is not None:
            if lock is not None and lock is not known.lock:
                raise ValueError(
                    "another LockedArray on this memory has another lock; leave out lock=, "
                    "or pass that array's .lock"
                )
            if objects is not None and runs_element_code(array.dtype):
                if objects != known.objects:
                    raise ValueError(
                        "another LockedArray on this memory was made with "
                        f"objects={known.objects!r}"
                    )
            return known
        extent = owner if type(owner) is np.ndarray else plain_view(array, np.ndarray)
        buffer = cls(
            extent,
            owner,
            foreign=True,
            lock=lock,
            objects=objects or "exclusive",
            exports=exports,
        )
        if isinstance(owner, Memory):  # an alias outlived the Buffer that it was made from
            owner.buffer = weakref.ref(buffer)
        else:
            buffer.enter(owner)
        return buffer

    def request(self, facade: Any, write: bool) -> tuple[Any, bool] | None:
        """Return what to lock to read or write `facade`, and whether to write; None: nothing.

        Readers, too, take the write lock, where element code of two threads is kept apart, or of
        the whole Buffer, where NumPy's own locks would hang.
        """
        dtype = facade.dtype
        if has_arena(dtype):
            return self.lock, True
        if write or (self.objects == "exclusive" and runs_element_code(dtype)):
            return facade, True
        return None if self.frozen else (facade, False)

    # -- which arrays show the memory ------------------------------------------------------------

    def memory_at(self, pointer: int) -> Memory:
        """Return the Memory, current or older, that `pointer` points into."""
        for memory in (self.memory, *list(self.older)):
            if memory.address <= pointer < memory.address + memory.nbytes:
                return memory
        return self.memory  # an empty array, or memory of the caller's, which never moves

    def claim(self, facade: Any) -> Any:
        """Return the LockedArray that owns this Buffer, or None and have it be `facade`."""
        return holding(self.moving, self._claim_locked, facade)

    def _claim_locked(self, facade: Any) -> Any:
        owner = self._owner() if self._owner is not None else None
        if owner is None:
            self._owner = weakref.ref(facade)
        return owner

    def register(self, facade: Any) -> None:
        """Know `facade` from now on, and point it at the current Memory if that has moved.

        The order matters: it is known first and compared then, while a move sets the Memory
        first and collects the known ones then; so one of the two sees the other.
        """
        self.know(facade)
        if facade._memory is not self.memory and not self.foreign:
            holding(self.moving, self._follow, [facade])

    def register_raw_view(self, raw: np.ndarray) -> None:
        """Know a raw view while its lock is held, so that a resize or a freeze reaches it."""
        self.raw_views[id(raw)] = weakref.ref(raw)

    def forget_raw_view(self, raw: np.ndarray) -> None:
        """The lock of `raw` is about to be released."""
        self.raw_views.pop(id(raw), None)

    def begin(self, raw: np.ndarray) -> None:
        """Know a raw view of an operation, which a freeze reaches and a resize must not move."""
        self.operating[id(raw)] = weakref.ref(raw)  # weak, lest an operation that broke off stays

    def end(self, raw: np.ndarray) -> None:
        """The operation with `raw` has ended, and its lock is about to be released."""
        self.operating.pop(id(raw), None)

    def freeze(self) -> None:
        """Have nothing written any more; the caller holds the write lock of the whole Buffer."""
        self.frozen = True
        references = [*self.raw_views.copy().values(), *self.operating.copy().values()]
        for raw in [*self.guarded(), *[reference() for reference in references]]:
            if raw is not None:
                raw.setflags(write=False)

    # -- moving ----------------------------------------------------------------------------------

    def resize(self, facade: Any, shape: tuple[int, ...], order: Any) -> None:
        """Give `facade` another shape; the caller holds the write lock of the whole Buffer."""
        holding(self.moving, self._resize_locked, facade, shape, order)

    def _resize_locked(self, facade: Any, shape: tuple[int, ...], order: Any) -> None:
        dtype = facade.dtype
        size = math.prod(shape)
        operating = any(reference() is not None for reference in self.operating.copy().values())
        if operating or self.in_operation():
            raise ValueError(
                "cannot resize inside an operation on the same array, as element code and "
                "callbacks run; resize before or after it"
            )
        old_size = facade.size
        fits = size <= self.root.size  # not by bytes: an item may have none
        grown = None if fits else self._grown(size, dtype)
        try:
            if grown is not None:
                self._move(grown)
            if size > old_size:
                self._clear(old_size, size)
            elif dtype.hasobject and not self._has_views(facade):
                self._clear(size, old_size)  # lets go of the elements; others stay visible
            target = self._shaped(facade, shape, order)
            axis = _only_changed_axis(facade, target) if fits else None
            if axis is not None:
                set_length(facade, axis, shape[axis], target.flags.num)
            else:
                exchange_bodies([(facade, target)])
                if not any(target is earlier for earlier in facade._earlier or ()):
                    self._remember(facade, target)
        finally:  # after Ctrl-C, too, everything must show the same Memory
            if grown is not None:
                self._follow(self._known())

    def _shaped(self, facade: Any, shape: tuple[int, ...], order: str) -> np.ndarray:
        """Return an array of `shape` over the Memory, one that `facade` showed before if any."""
        size = math.prod(shape)
        axes = shape if order == "C" else shape[::-1]
        target = self.root[:size].reshape(axes)
        target = target if order == "C" else target.T
        for earlier in facade._earlier or ():
            if earlier.shape == shape and earlier.strides == target.strides:
                if memory_of(earlier) is self.memory:
                    return earlier
        return target

    def _clear(self, start: int, stop: int) -> None:
        """Zero the items of the Memory from `start` to `stop`."""
        items = self.root[start:stop]
        set_writeable(items)
        items[...] = np.zeros((), items.dtype)

    def _grown(self, size: int, dtype: np.dtype) -> np.ndarray:
        """Return zeroed 1-d memory for at least `size` items, with room to grow."""
        generous = self.root.size + self.root.size // 2
        try:
            array = np.zeros(max(size, generous), dtype)
        except (MemoryError, ValueError):
            try:
                array = np.zeros(size, dtype)
            except ValueError as problem:  # more than an address can say
                raise MemoryError(str(problem)) from problem
        old = self.root
        array[: old.size] = old
        return array

    def _move(self, array: np.ndarray) -> None:
        self.older.add(self.memory)
        holding(_registering, self._enter_anew, array)
        self._use(Memory(array, array), array)

    def _enter_anew(self, owner: object) -> None:
        _registry.pop(id(self.memory.owner), None)
        self.enter(owner)

    def _known(self) -> list[Any]:
        raws = [reference() for reference in self.raw_views.copy().values()]
        return self.known() + self.guarded() + [raw for raw in raws if raw is not None]

    def _has_views(self, facade: Any) -> bool:
        return any(array is not facade for array in self._known())

    def _follow(self, arrays: list[Any]) -> None:
        """Point `arrays` at the same bytes in the current Memory."""
        pairs = []
        for array in arrays:
            memory = memory_of(array)
            if memory is None or memory is self.memory:
                continue
            moved = plain_view(array, np.ndarray)
            set_data(moved, address(array) - memory.address + self.memory.address)
            set_base(moved, self.root)
            if array.dtype is memory.dtype and array.dtype is not self.memory.dtype:
                set_dtype(moved, self.memory.dtype)
            pairs.append((array, moved))
        exchange_bodies(pairs)
        for array, moved in pairs:
            self._remember(array, moved)

    def follow(self, raw: np.ndarray) -> None:
        """Point a raw view at the current Memory: its guard went without its lock for a while."""
        holding(self.moving, self._follow, [raw])

    def _remember(self, array: Any, earlier: np.ndarray) -> None:
        """Keep what `array` showed until it is gone: C code may be reading there still."""
        if type(array) is not np.ndarray:
            array._memory = self.memory
            if array._earlier is None:
                array._earlier = []
            array._earlier.append(earlier)
            return
        key = id(array)
        if key not in _earlier_of_raw_views:
            reference = weakref.ref(array, lambda _: _earlier_of_raw_views.pop(key, None))
            _earlier_of_raw_views[key] = (reference, [])
        _earlier_of_raw_views[key][1].append(earlier)
