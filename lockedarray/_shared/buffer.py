"""SharedBuffer: the Buffer over a segment, whose layout any process may change."""

from __future__ import annotations

import gc
import math
import os
import sys
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn, TypeVar

import numpy as np

from lockedarray._array.buffer import Buffer
from lockedarray._array.facade import Facade
from lockedarray._array.memory import Memory, bounds_of, memory_of, plain_view
from lockedarray._cores import (
    Holds,
    address,
    exchange_bodies,
    exchange_places,
    given_back,
    set_base,
    set_data,
    set_rows,
    set_writeable,
    was_exported,
)
from lockedarray._errors import closed_between, recovers_frozen
from lockedarray._holding import holding
from lockedarray._shared.control import Control, opening
from lockedarray._shared.header import Layout
from lockedarray._shared.segments import map_all, reserve

__all__ = ["SharedBuffer", "storage_of"]

_R = TypeVar("_R")

reduced: Any = None  # how a view is pickled: set by the module above

_NEVER = np.array([1 << 63], np.uint64)  # no generation is so late


def storage_of(control: Control, capacity: int, dtype: np.dtype) -> np.ndarray:
    """Return all of the segment as an array with one axis, mapped anew."""
    if capacity == 0:
        return np.zeros(0, dtype)  # nothing can be mapped
    return np.frombuffer(map_all(control.data, capacity), dtype, capacity // dtype.itemsize)


class SharedBuffer(Buffer):
    """The memory of an array between processes, and its lock, as this process sees them.

    Parameters
    ----------
    control : Control
        The control block.
    """

    __slots__ = ("_given", "_left_out", "_mappings", "_replaced", "_watch", "_word", "control")

    def __init__(self, control: Control) -> None:
        self.control = control
        generation, layout = control.header.layout()
        dtype = control.header.dtype
        storage = storage_of(control, layout.capacity, dtype)
        lock = None if control.lock is None else control.lock()
        if lock is None:
            lock = control.backend.new_lock(control.place.name)
            control.lock = weakref.ref(lock)
        super().__init__(
            storage, storage, foreign=True, lock=lock, objects="exclusive", name=control.place.name
        )
        self.whole = False  # its lock is of this memory alone
        self.frozen = layout.frozen
        self._left_out = layout.moved  # in front of all that this process has ever shown
        self._mappings = [storage]  # of all of the segment as it is now
        self._given: dict[int, weakref.ref[np.ndarray]] = {}  # raw views that were given back
        self._replaced: np.ndarray | None = None  # what `assign` has replaced, till others know
        self._word = address(np.frombuffer(control.header.watched, np.uint64))
        self._watch = np.array([self._word, generation], np.uint64)
        control.applied = generation
        control.buffer = weakref.ref(self)
        self.enter(storage)
        self.watched = address(self._watch)

    # `foreign` says that no core is to change its rows, as others would not know. It does move.

    @property
    def is_fixed(self) -> bool:
        """Whether it cannot be resized."""
        return False

    def register(self, facade: Any) -> None:
        """Know `facade` from now on; see `Buffer.register`."""
        self.know(facade)
        if memory_of(facade) is not self.memory:
            holding(self.moving, self._join, facade)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed: nobody shows the array any more, in this process."""
        return self.control.is_closed

    @property
    def name_of_copies(self) -> str | None:
        """The name of what is copied from it: that of a segment is no other array's."""
        return None

    def reduced(self, facade: Any) -> tuple[Any, ...]:
        """Return what pickle keeps of `facade`: where it is."""
        return reduced(self, facade)

    @property
    def left_out(self) -> int:
        """How many bytes have stood in front of all that there are now."""
        return self._left_out + self.memory.first

    def shaped(self, layout: Layout) -> np.ndarray:
        """Return what the array shows, as a plain array."""
        dtype = self.root.dtype
        return self._shaped(layout.first // dtype.itemsize, layout.shape, layout.order)

    # -- the layout ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Be as another process has left it, if nothing stands in the way, without the lock.

        Raises
        ------
        ValueError
            It is closed.
        """
        if not self.catch_up() and self._is_closing():
            holding(self.moving, self._is_closing)  # it is waited for
        if self.control.is_closed:
            raise closed_between(self.control.called)

    def _is_closing(self) -> bool:
        """Whether a thread is about to see whether it can be closed."""
        return bool(self._watch[0] != self._word) and not self.control.is_closed

    def _change_locked(self, act: Callable[..., _R], *args: Any) -> _R:
        try:
            return super()._change_locked(act, *args)
        finally:
            try:
                self._publish(self.frozen)
            except BaseException:
                self._be_as_told()
                raise
            finally:
                self._replaced = None

    def assign(self, facade: Any, values: np.ndarray, order: Any) -> None:
        """Have `facade` be as `values`; see `Buffer.assign`."""
        self._replaced = plain_view(facade, np.ndarray).copy()
        super().assign(facade, values, order)

    def freeze(self) -> None:
        """Have nothing written any more, in any process."""
        holding(self.moving, self._freeze_locked)

    def _freeze_locked(self) -> None:
        try:
            self._publish(True)  # first: who is frozen here alone would read without a lock
            super().freeze()
        except BaseException:
            self._be_as_told()
            raise

    def _be_as_told(self) -> None:
        """Be as the other processes know it, from the next operation on: a change broke off."""
        control = self.control
        try:
            generation, layout = control.header.layout()
            if generation != control.applied:  # they were about to be told
                control.backend.publish(generation)
            elif self._replaced is not None:
                elements = self.shaped(layout)
                set_writeable(elements)
                elements[...] = self._replaced
        finally:
            control.applied = 0
            self._watch[1] = 0

    def _publish(self, frozen: bool) -> None:
        """Tell the other processes of what this one has made of it."""
        facade = self._owner() if self._owner is not None else None
        if facade is None:
            return
        is_c = facade.flags.c_contiguous
        layout = Layout(
            self.memory.nbytes,
            address(facade) - self.memory.address,
            facade.shape,
            "C" if is_c else "F",
            frozen,
            self.left_out,
        )
        if layout != self.control.header.layout()[1]:
            self._watch[1] = self.control.change(layout)

    def catch_up(self) -> bool:
        """Be as another process has left it; nobody here works on it.  False: not now."""
        if not self.moving.acquire(blocking=False):
            return False
        watched = self.watched
        try:
            is_over = self.control.is_closed or self._is_closing()
            if not is_over and self.control.changed():  # another thread may have seen to it
                self.watched = 0  # what is asked meanwhile is answered as it is
                self._catch_up_locked()
            return True
        finally:
            self.watched = watched
            self.moving.release()

    def _catch_up_locked(self) -> None:
        if self.moving_to is not None:
            self._settle()
        generation, layout = self.control.header.layout()
        facade = self._owner() if self._owner is not None else None
        first = layout.moved - self._left_out
        if (layout.capacity, first) != (self.memory.nbytes, self.memory.first):
            self._move_as(facade, layout, first)
        if facade is not None:
            target = self.shaped(layout)
            if (target.ndim, target.strides, target.shape[1:]) != (
                facade.ndim, facade.strides, facade.shape[1:]
            ) or not target.ndim:  # fmt: skip
                self._reshape(facade, target)
            if target.ndim:  # NumPy leaves the address as it is where nothing is left
                pointer = self.memory.address + layout.first
                set_rows(facade, pointer, layout.shape[0], target.flags.num)
        if layout.frozen and not self.frozen:
            super().freeze()
        self.control.applied = generation
        self._watch[1] = generation

    def _move_as(self, facade: Any, layout: Layout, first: int) -> None:
        """Have all arrays show another mapping; `facade` what the layout says, views what they did.

        But not those of rows that were removed: see `_follow`.
        """
        storage = self._mapped_anew(layout.capacity)
        memory = Memory(storage, storage, first=first)
        memory.buffer = weakref.ref(self)
        try:
            self.moving_to = memory
            if facade is not None:
                root = memory.root(storage)
                begin = layout.first // storage.dtype.itemsize
                target = self._shaped(begin, layout.shape, layout.order, root)
                self._reshape(facade, target, root)
            self._follow(self._known(), memory)
        finally:
            self._settle()

    def _follow(self, arrays: list[Any], target: Memory | None = None) -> None:
        """Point `arrays` at the same bytes in the current Memory, or in `target`.

        But those of rows that were removed, for which there are others in all mappings, at zeros:
        views, and what guards yielded that went without their locks for a while.
        """
        new = self.memory if target is None else target
        for array in arrays:
            memory = memory_of(array)
            if memory is None or memory is new or memory.owner.base is None or not array.size:
                continue  # it shows what is, or was, this process's own
            if _low(array) < memory.address + new.first - memory.first:
                self._leave_out(array)
        super()._follow(arrays, target)

    def _leave_out(self, array: Any) -> None:
        """Have an array show zeros, in memory of this process."""
        shown: Any = memory_of(array)
        low, high = bounds_of(array)
        zeros = np.zeros(high - low, np.uint8)
        memory = Memory(zeros, zeros)
        memory.buffer = weakref.ref(self)
        self.older.add(memory)
        moved = plain_view(array, np.ndarray)
        set_data(moved, memory.address + address(array) - low)
        set_base(moved, memory.root(zeros))
        exchange_places([(array, moved)])
        self._keep(array, shown.owner)

    def _mapped_anew(self, capacity: int) -> np.ndarray:
        """Return all of the segment at another address than the one where it is shown now.

        So who has read an address before, and looks at the memory behind it afterwards, sees that
        they are no pair.  There are two such places: none is given back while C code may be reading
        there still.
        """
        if capacity != self.memory.nbytes:
            self._mappings = []
        for storage in self._mappings:
            if storage is not self.memory.owner:
                self.retired.pop(id(storage), None)
                return storage
        storage = storage_of(self.control, capacity, self.root.dtype)
        self._mappings.append(storage)
        return storage

    def _make_room(self, facade: Any, size: int, spare: int) -> tuple[int, bool]:
        """Have room in the segment for `facade` to have `size` items, and more."""
        itemsize = facade.itemsize
        begin = self.item_of(facade)
        least = begin + size
        used = begin + facade.size
        if begin >= facade.size and size <= self.root.size and self._may_move_to_front(facade):
            self._move_to_front(facade, begin)
            return begin, False
        old = self.control.header.layout()[1].capacity
        generous = max(least, used + used // 2 + spare)
        if least * itemsize > sys.maxsize:
            raise ValueError("array is too big: its size in bytes is more than an address can say")
        try:
            items = generous
            reserve(self.control.data, old, items * itemsize)
        except (OSError, OverflowError):
            items = least
            reserve(self.control.data, old, items * itemsize)
        self._move(self._mapped_anew(items * itemsize), self.memory.first)
        return 0, False

    def _may_move_to_front(self, facade: Any) -> bool:
        """Whether nothing here shows what was removed, or is lent by a guard."""
        low = address(facade)
        if low == self.memory.address or self.raw_views or self.guarded():
            return False
        others = [array for array in self._known() if array is not facade]
        return not any(
            memory_of(array) is self.memory and array.size and _low(array) < low for array in others
        )

    def _move_to_front(self, facade: Any, begin: int) -> None:
        """Move the rows to where others were removed, which are more: whoever dies leaves those."""
        items = self.root[: facade.size]
        set_writeable(items)
        items[...] = self.root[begin : begin + facade.size]
        removed = begin * facade.itemsize
        self._move(self._mapped_anew(self.memory.nbytes), self.memory.first + removed)

    # -- the end -----------------------------------------------------------------------------------

    @property
    def mapped(self) -> Any:
        """The mapping of the file that the array is on, or None."""
        if self.control.is_closed:
            raise closed_between(self.control.called)
        if not self.control.place.is_file or self.memory.nbytes == 0:
            return None
        base: Any = self.memory.owner.base
        mapped: Any = base.obj if isinstance(base, memoryview) else base
        return mapped

    def close(self, facade: Facade, timeout: float | None = None) -> None:
        """Let go of the memory, in this process."""
        opening(self._close_locked, facade, timeout)

    def _close_locked(self, facade: Facade, timeout: float | None) -> None:
        control = self.control
        if control.is_closed:
            return
        if facade._owner is not None:
            raise ValueError("a view of a shared array cannot be closed: x.base.close()")
        holds = Holds([(self.lock, True)])
        try:
            with control.backend.here_alone():
                holds.acquire(timeout)
            holding(self.moving, self._shut_locked, facade)
        finally:
            holds.release()
            if control.is_closed:
                holding(self.moving, control.close)  # nobody maps it at this moment

    def _shut_locked(self, facade: Facade) -> None:
        """Be closed, before who waits for the lock, or asks without it, finds no elements."""
        self._watch[0] = address(_NEVER)  # so all who look ask, and wait for the end of this
        try:
            self._detach(facade)
        except BaseException:
            self._watch[0] = self._word
            raise
        self.control.buffer = None
        try:
            self._trim()
        finally:
            self.control.shut()

    def _detach(self, facade: Facade) -> None:
        """Have `facade` show nothing, and nothing keep the memory."""
        self.check_idle()
        if self._views_of(facade):
            gc.collect()  # tracebacks and other cycles
        views = self._views_of(facade)
        if views:
            plural = "s of it live" if views > 1 else " of it lives"
            self._refuse_to_close(f"{views} view{plural}: let go of them first (del view)")
        if any(type(array) is np.ndarray for array in self._known()):
            self._refuse_to_close("this thread holds a guard of it")
        self._let_go_of_given(facade)
        if list(self.older):
            self._refuse_to_close(_ALIASED)
        nothing = np.zeros((0,) * max(facade.ndim, 1), facade.dtype)
        empty = Memory(nothing, nothing)
        empty.buffer = weakref.ref(self)
        place = address(facade), facade.shape, facade.strides
        was, exported = self.memory, was_exported(facade)
        self._show(facade, empty, nothing)
        if exported:  # a memoryview may show it still
            facade._earlier = {"exported": was}
            self.frozen = False
            return
        facade._earlier = None
        alive, storage = weakref.ref(was), was.owner
        del was
        if alive() is not None:
            gc.collect()
        memory = alive()
        if memory is not None:
            begin = place[0] - memory.address
            shown: np.ndarray = np.ndarray(place[1], storage.dtype, storage, begin, place[2])
            self._show(facade, memory, shown)
            self._refuse_to_close(_ALIASED)
        self.retired = {}
        self._mappings = []
        self.frozen = False  # or it would be read without asking whether it is closed

    def _views_of(self, facade: Facade) -> int:
        return sum(array is not facade for array in self.known())

    def forget_raw_view(self, raw: np.ndarray) -> None:
        """The lock of `raw` is about to be released; whoever has it may keep it."""
        super().forget_raw_view(raw)
        key, given = id(raw), self._given
        given[key] = weakref.ref(raw, lambda _: given.pop(key, None))

    def _let_go_of_given(self, facade: Facade) -> None:
        """Have raw views that were given back keep the bytes that they show by themselves."""
        raws = [reference() for reference in self._given.copy().values()]
        for raw in [*given_back(facade), *raws]:
            if raw is None or (memory := memory_of(raw)) is None:
                continue
            if memory.buffer is not None and memory.buffer() is self:
                storage: Any = memory.owner
                set_base(raw, Memory(storage, storage).root(storage))

    def _show(self, facade: Facade, memory: Memory, array: np.ndarray) -> None:
        """Have the only array here show other memory."""
        root = memory.root(memory.owner)
        body = plain_view(array, np.ndarray)
        body.setflags(write=False)
        set_base(body, root)
        exchange_bodies([(facade, body)])
        self.memory = memory
        self.root = root
        self.origin, self.extent = memory.address, memory.nbytes

    def _refuse_to_close(self, why: str) -> NoReturn:
        raise BufferError(f"cannot close {self.control.called}: {why}")

    def _trim(self) -> None:
        """Have a file be just the bytes of the array, if nobody else has it."""
        control = self.control
        _, layout = control.header.layout()
        size = math.prod(layout.shape) * control.header.dtype.itemsize
        if not control.place.is_file or size == layout.capacity or control.backend.has_others():
            return
        with control.backend.for_all() as may:
            if not may:
                return
            if size and layout.first:
                with map_all(control.data, layout.capacity) as mapped:
                    mapped.move(0, layout.first, size)
            moved = layout.moved + layout.first
            control.change(layout._replace(capacity=size, first=0, moved=moved))
            os.ftruncate(control.data, size)

    def unlink(self) -> None:
        """Remove the names."""
        self.control.unlink()

    def recover(self, facade: Facade) -> AbstractContextManager[np.ndarray]:
        """Return what takes the write lock in spite of a writer that died."""
        self.settle()
        if self.frozen:
            raise recovers_frozen(self.control.called)
        return self.control.backend.recovery(facade)

    def after_fork(self) -> None:
        """Have nothing held in the child: what guards have lent is not to be written."""
        self._watch[0] = self._word  # another thread may have been about to close it, or to follow
        self.watched = address(self._watch)
        for raw in self._known():
            if type(raw) is np.ndarray:
                raw.setflags(write=False)


def _low(array: np.ndarray) -> int:
    """The address of the first byte that `array` shows."""
    return bounds_of(array)[0]


_ALIASED = (
    "plain arrays live that show it, as np.asarray(x) is one, or views of what a guard yielded: "
    "let go of them first, or take copies (x.snapshot())"
)
