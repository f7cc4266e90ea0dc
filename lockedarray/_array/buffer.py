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
import mmap
import operator
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lockedarray._alive import Alive
from lockedarray._array.memory import (
    Memory,
    bounds_of,
    held,
    memory_of,
    plain_view,
    ultimate_owner,
)
from lockedarray._array.objects import has_arena, runs_element_code
from lockedarray._cores import (
    BufferBase,
    address,
    exchange_bodies,
    exchange_places,
    set_base,
    set_data,
    set_dtype,
    set_length,
    set_rows,
    set_writeable,
    was_exported,
)
from lockedarray._guards.region_lock import RegionLock
from lockedarray._holding import holding
from lockedarray._places import DEBUG, place_of_caller

__all__ = ["Buffer", "registering"]

_R = TypeVar("_R")

_registry: weakref.WeakValueDictionary[int, Buffer] = weakref.WeakValueDictionary()
_registering = threading.RLock()
_making = threading.RLock()  # nothing is waited for under it

# Memory that a raw view showed before a resize, as long as the raw view lives.
_earlier_of_raw_views: dict[int, tuple[weakref.ref[np.ndarray], list[np.ndarray]]] = {}


_Step = tuple[Callable[..., Any], tuple[Any, ...]]
_NOTHING: _Step = (bool, ())

_MOST_EXPORTED = 4
"""So many old memories are kept as they were for those who have a buffer of the array."""


def registering() -> Any:
    """Return the lock under which memory gets its Buffer; reentrant."""
    return _registering


def _after_fork_in_child() -> None:
    """Give locks of threads that are gone back, and end the moves that they had begun."""
    global _making, _registering
    _making = threading.RLock()
    _registering = threading.RLock()
    for buffer in [reference() for reference in _registry.valuerefs()]:
        if buffer is None:
            continue
        buffer.moving = threading.RLock()
        buffer.operating.clear()
        buffer.growing = False
        buffer._follow(buffer._known())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _only_changed_axis(array: np.ndarray, target: np.ndarray) -> int | None:
    """The axis in whose length alone `array` and `target`, on the same bytes, differ."""
    if array.ndim != target.ndim or array.strides != target.strides:
        return None
    changed = [i for i, length in enumerate(target.shape) if length != array.shape[i]]
    return changed[0] if len(changed) == 1 else None


def _flat(array: np.ndarray) -> np.ndarray:
    """Return a view of `array` with one axis, of which a resize can take any part, if it may be."""
    if array.ndim == 1:
        return array
    order: Any = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else None
    return array.reshape(-1, order=order) if order else array


class _Retired:
    """Memory that a Buffer had: C code may be reading there still, so it is kept.

    Once nothing shows it any more, no alias and no view of what was removed, it lets go of
    the objects in it, and can be used again.
    """

    __slots__ = ("address", "aliased", "first", "idle", "memory", "nbytes", "storage")

    def __init__(self, memory: Memory) -> None:
        self.address = memory.address
        self.nbytes = memory.nbytes
        self.first = memory.first
        self.aliased = memory.aliased
        self.storage: Any = memory.owner
        self.idle = False
        self.memory = weakref.ref(memory, self._nobody_shows_it)

    def _nobody_shows_it(self, _: object) -> None:
        if self.aliased:
            return
        if self.storage.dtype.hasobject:
            self.storage[...] = np.zeros((), self.storage.dtype)
        self.idle = True


class _Rare:
    """What few Buffers need; most have none of it."""

    __slots__ = (
        "moving", "moving_to", "older", "pins", "raw_views", "retired", "root", "shown_from",
    )  # fmt: skip


class _OfRare:
    """An attribute of Buffers that is kept with what few of them need."""

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, buffer: Buffer, _: type) -> Any:
        try:
            return getattr(buffer._rare, self._name)
        except AttributeError:
            return holding(_making, buffer._made_rare_locked, self._name)

    def __set__(self, buffer: Buffer, value: Any) -> None:
        setattr(holding(_making, buffer._rare_locked), self._name, value)


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
    name : str, optional
        What messages call the array by; so they do the lock, unless that has a name.
    """

    __slots__ = ("__weakref__", "_rare")

    _rare: _Rare

    lock: RegionLock  # type: ignore[assignment] # its stub has no base class

    # What few arrays need is made when it is asked for; so is all that is not the core's of
    # a Buffer that a core made.
    operating: dict[int, weakref.ref[Any]]
    moving = _OfRare()  # an RLock
    raw_views = _OfRare()  # weak references, by id
    older = _OfRare()  # the Memory that it had before, as long as something shows it
    retired = _OfRare()  # _Retired, by id
    pins = _OfRare()  # weak references
    moving_to = _OfRare()  # Memory, or None: a move has begun, and not come to its end
    shown_from = _OfRare()  # an int: where objects begin that were removed, and are shown by views
    root = _OfRare()  # the read-only array over all of it

    if not TYPE_CHECKING:  # or no attribute that there is none of would be an error

        def __getattr__(self, name: str) -> Any:
            if name != "operating":
                raise AttributeError(f"a Buffer has no {name}")
            return holding(_making, self._made_locked, self, name)

    def _made_locked(self, keeper: Any, name: str) -> Any:
        try:
            return object.__getattribute__(keeper, name)  # another thread was faster
        except AttributeError:
            made = _LATER[name](self)
            setattr(keeper, name, made)
            return made

    def _made_rare_locked(self, name: str) -> Any:
        return self._made_locked(self._rare_locked(), name)

    def _rare_locked(self) -> _Rare:
        try:
            return self._rare
        except AttributeError:
            rare = self._rare = _Rare()
            return rare

    def _enter_and(self, make: Callable[[], _R]) -> _R:
        """Return ``make()``, of which the child of a fork has to know."""
        _registry.setdefault(id(self.memory.owner), self)
        return make()

    def __init__(
        self,
        array: np.ndarray,
        owner: object,
        *,
        foreign: bool,
        objects: str,
        lock: RegionLock | None = None,
        exports: list[object] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.lock = RegionLock(name=name) if lock is None else lock
        self.whole = lock is not None
        self.name = name
        self.describe_lock()
        self.objects = objects
        self.foreign = foreign
        self.frozen = False
        self._owner = None
        self.growing = False
        self._use(Memory(array, owner, exports), array)

    def describe_lock(self) -> None:
        """Have messages about the lock say whose it is."""
        lock: Any = self.lock  # whose stub tells of less
        if lock.name is None:
            if self.name is not None:
                lock._be_named(self.name)
            elif DEBUG and lock.made_at is None and (place := place_of_caller()) is not None:
                lock._be_placed(place)

    def _use(self, memory: Memory, array: np.ndarray) -> None:
        array = array if self.foreign else _flat(array)
        memory.buffer = weakref.ref(self)
        self.root = memory.root(array)
        self.memory = memory
        self.origin = memory.address
        self.extent = memory.nbytes

    @classmethod
    def private(
        cls, array: np.ndarray, *, lock: RegionLock | None, objects: str, name: str | None
    ) -> Buffer:
        """Return a new Buffer over `array`, which nobody else can reach."""
        return cls(array, array, foreign=False, lock=lock, objects=objects, name=name)

    def enter(self, owner: object) -> None:
        """Be found by the owner of the memory, and by the child of a fork."""
        _registry[id(owner)] = self

    @classmethod
    def shared(
        cls,
        array: np.ndarray,
        *,
        lock: RegionLock | None = None,
        objects: str | None = None,
        name: str | None = None,
    ) -> Buffer:
        """Return the one Buffer of the memory that `array` shows, made if need be.

        Raises
        ------
        ValueError
            The memory has a Buffer already, with another lock, policy or name than the ones given;
            or its owner has closed or moved it, and the array shows what is freed.
        """
        return holding(_registering, cls._shared_locked, array, lock, objects, name)

    @classmethod
    def _shared_locked(
        cls, array: np.ndarray, lock: RegionLock | None, objects: str | None, name: str | None
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
                    "the LockedArray on this memory has another lock: leave out lock=, or give the "
                    "lock of that array"
                )
            if objects is not None and runs_element_code(array.dtype):
                if objects != known.objects:
                    raise ValueError(
                        "the LockedArray on this memory was made with "
                        f"objects={known.objects!r}: give the same, or make a copy"
                    )
            known.check_name(name)
            return known
        extent = owner if type(owner) is np.ndarray else plain_view(array, np.ndarray)
        buffer = cls(
            extent,
            owner,
            foreign=True,
            lock=lock,
            objects=objects or "exclusive",
            exports=exports,
            name=name,
        )
        if isinstance(owner, Memory):  # an alias outlived the Buffer that it was made from
            owner.buffer = weakref.ref(buffer)
        else:
            buffer.enter(owner)
        return buffer

    # -- what only a Buffer between processes does otherwise ---------------------------------------

    @property
    def is_fixed(self) -> bool:
        """Whether the memory cannot be resized."""
        return self.foreign

    @property
    def mapped(self) -> Any:
        """The mapping of the file that the array is on, or None."""
        owner = self.memory.owner
        return owner if isinstance(owner, mmap.mmap) else None

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return False

    @property
    def name_of_copies(self) -> str | None:
        """The name of what is copied from it."""
        return self.name

    def settle(self) -> None:
        """Be as another process has left it; called where it is `watched`."""

    def reduced(self, facade: Any) -> tuple[Any, ...] | None:
        """Return what pickle keeps of `facade`, or None: its elements."""
        return None

    def close(self, facade: Any) -> None:
        """Let go of the memory, in this process."""
        raise self._not_shared("closed")

    def unlink(self) -> None:
        """Remove the names of the memory."""
        raise self._not_shared("unlink")

    def recover(self, facade: Any) -> AbstractContextManager[np.ndarray]:
        """Return what takes the write lock in spite of a writer that died."""
        raise self._not_shared("recover")

    def _not_shared(self, what: str) -> ValueError:
        return ValueError(
            f"cannot {what}: processes do not share this array; lockedarray.shared "
            "makes arrays that they share"
        )

    def check_name(self, name: str | None) -> None:
        """Raise ValueError if a `name` is given that is not the one of this memory."""
        if name is not None and name != self.name:
            has = "no name" if self.name is None else f"the name {self.name!r}"
            raise ValueError(
                f"the LockedArray on this memory has {has}, and keeps it: leave out name=, or "
                "make a copy"
            )

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
        for memory in (self.memory, *self.older):
            if memory.address <= pointer < memory.address + memory.nbytes:
                return memory
        return holding(self.moving, self._retired_at_locked, pointer)

    def _retired_at_locked(self, pointer: int) -> Memory:
        for retired in self.retired.values():
            if retired.address <= pointer < retired.address + retired.nbytes:
                storage = retired.storage
                memory = Memory(storage, storage, first=retired.first)
                memory.buffer = weakref.ref(self)
                self.older.add(memory)
                self.retired[id(storage)] = _Retired(memory)
                return memory
        return self.memory  # an empty array, or memory of the caller's, which never moves

    def claim(self, facade: Any) -> Any:
        """Return the LockedArray that owns this Buffer, or None and have it be `facade`."""
        return holding(self.moving, self._claim_locked, facade)

    def _claim_locked(self, facade: Any) -> Any:
        owner = self._owner() if self._owner is not None else self._root_beside(facade)
        if owner is None:
            self._owner = weakref.ref(facade)
        return owner

    def _root_beside(self, facade: Any) -> Any:
        """Return the LockedArray that a core made together with this Buffer, if there is one."""
        for array in self.known():
            if array is not facade and array._owner is None:
                return array
        return None

    def register(self, facade: Any) -> None:
        """Know `facade` from now on, and point it at the current Memory if that has moved.

        The order matters: it is known first and compared then, while a move sets the Memory
        first and collects the known ones then; so one of the two sees the other.
        """
        self.know(facade)
        if memory_of(facade) is not self.memory and not self.foreign:
            holding(self.moving, self._join, facade)

    def _join(self, facade: Any) -> None:
        if self.moving_to is not None:
            self._settle()
        self._follow([facade])

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
        references = [*self.raw_views.copy().values(), *self.operating.copy().values()]
        raws = [*self.guarded(), *[reference() for reference in references]]
        self.frozen = True
        for raw in raws:
            if raw is not None:
                raw.setflags(write=False)

    # -- moving ----------------------------------------------------------------------------------

    def check_idle(self) -> None:
        """Refuse to move what code that is called inside an operation works on.

        Raises
        ------
        ValueError
            The calling thread is inside an operation on this memory.
        """
        operating = any(reference() is not None for reference in self.operating.copy().values())
        if operating or self.growing or self.in_operation():
            raise ValueError(
                "cannot resize inside an operation on the same array, as element code, callbacks "
                "and predicates run; resize before or after it"
            )

    def change(self, act: Callable[..., _R], *args: Any) -> _R:
        """Return ``act(*args)``, which moves or removes; not inside an operation or another such.

        The caller holds the write lock of the whole Buffer.
        """
        return holding(self.moving, self._change_locked, act, *args)

    def _change_locked(self, act: Callable[..., _R], *args: Any) -> _R:
        self.check_idle()
        try:
            self.growing = True
            if self.moving_to is not None:
                self._settle()
            return act(*args)
        finally:
            self.growing = False

    def resize(self, facade: Any, shape: tuple[int, ...], order: Any) -> None:
        """Give `facade` another shape; inside `change`."""
        old_size, size = facade.size, math.prod(shape)
        begin, used = self._with_room(facade, size)
        if size > old_size:
            self._clear(begin + old_size, min(begin + size, max(used, begin + old_size)))
        self._reshape(facade, self._shaped(begin, shape, order))
        self._let_go_behind(facade, begin + size, begin + old_size)

    def assign(self, facade: Any, values: np.ndarray, order: Any) -> None:
        """Have `facade` be as `values`, of its dtype and memory of their own; inside `change`.

        The elements are put first where they will be seen, and all that can fail is done before.
        """
        old_size = facade.size
        begin, _ = self._with_room(facade, values.size)
        target = self._shaped(begin, values.shape, order)
        elements = plain_view(target, np.ndarray)
        set_writeable(elements)
        (set_shape, shape), (keep, kept) = self._reshaping(facade, target)
        try:
            elements[...] = values
            set_shape(*shape)
        finally:
            keep(*kept)
        self._let_go_behind(facade, begin + values.size, begin + old_size)

    def _with_room(self, facade: Any, size: int) -> tuple[int, int]:
        """Have room for `facade` to have `size` items.

        Returns
        -------
        begin, used : int
            At which item of the Memory it begins; and from which one on all of it is zero.
        """
        begin, used = self.item_of(facade), self.root.size
        if begin + size > used:  # not by bytes: an item may have none
            skipped, is_new = self._make_room(facade, size, 8)
            begin, used = begin - skipped, used - skipped if is_new else self.root.size
        return begin, used

    def _let_go_behind(self, facade: Any, start: int, stop: int) -> None:
        """Let go of objects that were removed from the end, unless others show them."""
        if start < stop and facade.dtype.hasobject and not self._has_views(facade):
            self._clear(start, stop)

    def append(self, facade: Any, rows: np.ndarray) -> None:
        """Put `rows`, of the dtype, behind the last row of `facade`; inside `change`."""
        begin, old_size = self.item_of(facade), facade.size
        size = old_size + rows.size
        if begin + size > self.root.size:
            skipped, _ = self._make_room(facade, size, 4096 // max(facade.itemsize, 1) + 8)
            begin -= skipped
        items = self.root[begin + old_size : begin + size].reshape(rows.shape)
        set_writeable(items)
        items[...] = rows
        shape = (len(facade) + len(rows), *facade.shape[1:])
        target = self._shaped(begin, shape, "C")
        if target.strides == facade.strides:
            set_rows(facade, address(facade), shape[0], target.flags.num)
        else:
            self._reshape(facade, target)

    def popleft(self, facade: Any, count: int) -> np.ndarray:
        """Remove the first `count` rows of `facade`, and return a copy of them; inside `change`."""
        plain = plain_view(facade, np.ndarray)
        removed = plain[:count].copy()
        rest = plain[count:]
        # Not the address of `rest`, which NumPy leaves where it was if nothing is left.
        pointer = address(facade) + removed.nbytes
        set_rows(facade, pointer, len(rest), rest.flags.num)
        if facade.dtype.hasobject:
            try:
                self.let_go(facade)
            except MemoryError:
                pass  # at the next removal; who gets no rows now has lost them
        return removed

    def let_go(self, facade: Any) -> None:
        """Let go of the objects that were removed from the front, unless a view shows them.

        If only views do that show nothing else, they are left in the old memory, and what is in
        there goes with the last of them.
        """
        begin = self.item_of(facade)
        if not self._shows_objects(facade, begin):
            self._clear(self.shown_from, begin)
            self.shown_from = begin
            return
        if self._skippable(facade) > self.shown_from:
            self._make_room(facade, facade.size, 0)
        self._let_go_with_last_view(facade)

    def _shows_objects(self, facade: Any, begin: int) -> bool:
        """Whether an array shows what was removed in front of `begin`, and not let go of yet."""
        low = self.memory.address + self.shown_from * facade.itemsize
        high = self.memory.address + begin * facade.itemsize
        for array in self._known():
            if array is not facade and memory_of(array) is self.memory:
                first, last = bounds_of(array)
                if first < high and low < last:
                    return True
        return False

    def _let_go_with_last_view(self, facade: Any) -> None:
        """Look again when one of the views is gone that show what was removed."""
        if self.raw_views or self.guarded() or self.shown_from == self.item_of(facade):
            return  # what guards gave out is known in their thread alone: so at the next removal
        here = weakref.ref(self)

        def look_again(_: object) -> None:
            buffer = here()
            if buffer is None or not buffer.moving.acquire(blocking=False):
                return
            try:
                buffer._look_again_locked()
            finally:
                buffer.moving.release()

        self.pins = [
            weakref.ref(array, look_again)
            for array in self.known()
            if array is not facade and memory_of(array) is self.memory
        ]

    def _look_again_locked(self) -> None:
        """Let go of what was removed: without a lock, as nobody shows it, and so can reach it."""
        facade = self._owner() if self._owner is not None else None
        if facade is None or self.growing or self.raw_views:
            return
        begin = self.item_of(facade)
        if self.shown_from < begin and not self._shows_objects(facade, begin):
            start, self.shown_from = self.shown_from, begin
            self._clear(start, begin)

    def item_of(self, facade: Any) -> int:
        """Return at which item of the Memory `facade` begins, which is no view."""
        itemsize = facade.itemsize
        return (address(facade) - self.memory.address) // itemsize if itemsize else 0

    def _shaped(
        self, begin: int, shape: tuple[int, ...], order: str, root: np.ndarray | None = None
    ) -> np.ndarray:
        """Return an array of `shape` over the Memory, or `root`, from the item `begin` on."""
        axes = shape if order == "C" else shape[::-1]
        target = (self.root if root is None else root)[begin : begin + math.prod(shape)].reshape(
            axes
        )
        return target if order == "C" else target.T

    def _reshape(self, facade: Any, target: np.ndarray, root: np.ndarray | None = None) -> None:
        """Have `facade` show what `target` does, on the Memory or on `root`."""
        (set_shape, shape), (keep, kept) = self._reshaping(facade, target, root)
        try:
            set_shape(*shape)
        finally:
            keep(*kept)

    def _reshaping(
        self, facade: Any, target: np.ndarray, root: np.ndarray | None = None
    ) -> tuple[_Step, _Step]:
        """Return what is to be called to have `facade` show what `target` does.

        These are two functions, of which the first changes it and the second clears up, also after
        a failure; and their arguments. Such a call needs no memory, so that it cannot fail.

        A shape block is taken that it had before, if any. The one that it has now is kept: C code
        may be reading it.
        """
        axis = _only_changed_axis(facade, target)
        stays = address(facade) == address(target) or not target.size
        if axis is not None and stays and root is None:
            return (set_length, (facade, axis, target.shape[axis], target.flags.num)), _NOTHING
        earlier = _earlier_of(facade)
        body = self._known_body(earlier.get(target.strides, []), target)
        if body is None:
            body = target
        else:
            set_data(body, address(target))
            set_base(body, self.root if root is None else root)
            set_dtype(body, target.dtype)
        bodies = earlier.setdefault(facade.strides, [])  # which it will have
        steps = (
            (exchange_bodies, ([(facade, body)],)),
            (set_base, (body, self.memory.owner)),  # not the Memory, which only aliases keep
        )
        if not any(known is body for known in bodies):
            bodies.append(body)
        return steps

    def _known_body(self, bodies: list[np.ndarray], target: np.ndarray) -> np.ndarray | None:
        """Return one of these, with the shape of `target` from now on, or None."""
        for body in bodies:
            if body.strides == target.strides:
                axis = _only_changed_axis(body, target)
                if axis is not None:
                    set_length(body, axis, target.shape[axis], target.flags.num)
                if body.shape == target.shape:
                    return body
        return None

    def _clear(self, start: int, stop: int) -> None:
        """Zero the items of the Memory from `start` to `stop`."""
        if start < stop:
            items = self.root[start:stop]
            set_writeable(items)
            items[...] = np.zeros((), items.dtype)

    def _make_room(self, facade: Any, size: int, spare: int) -> tuple[int, bool]:
        """Move to where `facade` can have `size` items, and more without another move.

        What was removed in front is left behind, with the views that show nothing else.

        Returns
        -------
        skipped, is_new : int, bool
            How many items were left behind; and whether the memory is new, so that it is zero
            where nothing was copied to.
        """
        if all(array is not facade for array in self.known()):
            # The collector clears weak references to what it is about to let go of, and a `__del__`
            # may use that still.
            self.know(facade)
        skipped = self._skippable(facade)
        used = self.item_of(facade) - skipped + facade.size
        least = max(self.item_of(facade) - skipped + size, self.root.size - skipped)
        old = self.root[skipped:]
        recycled = self._recycled(max(least, used + used // 4 + spare // 2), facade.dtype)
        array = recycled
        if array is None:
            array = self._allocated(least, max(least, used + used // 2 + spare), facade.dtype)
        array[: old.size] = old
        self._move(array, self.memory.first + skipped * facade.itemsize)
        return skipped, recycled is None

    def _skippable(self, facade: Any) -> int:
        """Return how many items in front nobody shows together with what `facade` shows."""
        low = address(facade)
        if low == self.memory.address or self.raw_views or self.guarded():
            return 0  # where the bytes of a guard stand, its lock knows
        views = [array for array in self._known() if array is not facade]
        bounds = [bounds_of(view) for view in views if memory_of(view) is self.memory]
        for first, last in sorted(bounds, key=operator.itemgetter(1), reverse=True):
            if last > low:
                low = min(low, first)
        return (low - self.memory.address) // max(facade.itemsize, 1)

    def _recycled(self, size: int, dtype: np.dtype) -> np.ndarray | None:
        """Return memory that this Buffer had, for at least `size` items, if any is free."""
        for key, retired in list(self.retired.items()):
            storage = retired.storage
            if retired.idle and storage.ndim == 1 and size <= storage.size:
                if storage.dtype == dtype and storage.flags.c_contiguous:
                    return self.retired.pop(key).storage
        return None

    def _allocated(self, least: int, generous: int, dtype: np.dtype) -> np.ndarray:
        """Return zeroed 1-d memory for `generous` items, or for the `least` if there is no more."""
        try:
            return np.zeros(generous, dtype)
        except (MemoryError, ValueError):
            try:
                return np.zeros(least, dtype)
            except ValueError as problem:  # more than an address can say
                raise MemoryError(str(problem)) from problem

    def _move(self, array: np.ndarray, first: int) -> None:
        """Have all arrays show new memory, in one step: what strikes comes before or after it."""
        memory = Memory(array, array, first=first)
        memory.buffer = weakref.ref(self)
        try:
            self.moving_to = memory
            self._follow(self._known(), memory)
        finally:
            self._settle()

    def _settle(self) -> None:
        """End a move, if the arrays show the new memory, also one that was broken off."""
        new, old = self.moving_to, self.memory
        array: Any = None if new is None else new.owner
        if new is not None and new is not old and any(memory_of(a) is new for a in self.known()):
            exported = [was for was in self.retired.values() if was.aliased]
            if len(exported) < _MOST_EXPORTED and any(map(was_exported, self.known())):
                # A memoryview keeps the array, and not the Memory; for ever, as far as one can see.
                old.aliased = True
            self.older.add(old)
            self.retired[id(old.owner)] = _Retired(old)
            skipped = (new.first - old.first) // max(array.itemsize, 1)
            self.shown_from = max(self.shown_from - skipped, 0)
            holding(_registering, self._enter_anew, new.owner)
            self._use(new, array)
        self.origin, self.extent = self.memory.address, self.memory.nbytes
        self._follow(self._known())  # those that have come meanwhile
        self.moving_to = None

    def _enter_anew(self, owner: object) -> None:
        _registry.pop(id(self.memory.owner), None)
        self.enter(owner)

    def _known(self) -> list[Any]:
        raws = [reference() for reference in self.raw_views.copy().values()]
        return self.known() + self.guarded() + [raw for raw in raws if raw is not None]

    def _has_views(self, facade: Any) -> bool:
        return any(array is not facade for array in self._known())

    def _follow(self, arrays: list[Any], target: Memory | None = None) -> None:
        """Point `arrays` at the same bytes in the current Memory, or in `target`.

        But not those that show what was left out there.
        """
        new = self.memory if target is None else target
        storage: Any = new.owner
        root = self.root if target is None else target.root(_flat(storage))
        pairs = []
        kept = []
        for array in arrays:
            memory = memory_of(array)
            if memory is None or memory is new:
                continue
            skipped = new.first - memory.first
            if skipped and bounds_of(array)[0] < memory.address + skipped:
                continue  # it shows what was removed: there it stays
            moved = plain_view(array, np.ndarray)
            set_data(moved, address(array) - memory.address - skipped + new.address)
            set_base(moved, root)
            if array.dtype is memory.dtype and array.dtype is not new.dtype:
                set_dtype(moved, new.dtype)
            pairs.append((array, moved))
            kept.append((array, memory.owner))
        exchange_places(pairs)
        for array, storage in kept:
            self._keep(array, storage)

    def follow(self, raw: np.ndarray) -> None:
        """Point a raw view at the current Memory: its guard went without its lock for a while."""
        holding(self.moving, self._follow, [raw])

    def _keep(self, array: Any, storage: Any) -> None:
        """Keep what `array` showed until it is gone: C code may be reading there still."""
        if type(array) is not np.ndarray:
            _earlier_of(array)[id(storage)] = storage
            return
        key = id(array)
        if key not in _earlier_of_raw_views:
            reference = weakref.ref(array, lambda _: _earlier_of_raw_views.pop(key, None))
            _earlier_of_raw_views[key] = (reference, [])
        _earlier_of_raw_views[key][1].append(storage)


def _earlier_of(facade: Any) -> dict[Any, Any]:
    """What `facade` showed before: memory, by its id, and arrays with shape blocks, by strides."""
    earlier = facade._earlier
    if earlier is None:
        earlier = facade._earlier = {}
    return earlier


# What a Buffer makes later, when it is asked for.
_LATER: dict[str, Callable[[Buffer], Any]] = {
    "moving": lambda buffer: buffer._enter_and(threading.RLock),
    "operating": lambda buffer: buffer._enter_and(dict),
    "raw_views": lambda buffer: {},
    "older": lambda buffer: Alive(),
    "root": lambda buffer: buffer.memory.root(_flat(buffer.memory.owner)),
    "retired": lambda buffer: {},
    "pins": lambda buffer: [],
    "shown_from": lambda buffer: 0,
    "moving_to": lambda buffer: None,
}
