"""SharedBuffer: the Buffer over a segment, whose layout any process may change."""

from __future__ import annotations

import gc
import math
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn, TypeVar

import numpy as np

from lockedarray._array.buffer import Buffer
from lockedarray._array.facade import Facade
from lockedarray._array.memory import Memory, memory_of, plain_view
from lockedarray._cores import Holds, address, exchange_bodies, set_base, set_rows, was_exported
from lockedarray._errors import LockTimeout, PoisonedError
from lockedarray._holding import holding
from lockedarray._shared.control import Control, opening
from lockedarray._shared.header import Layout
from lockedarray._shared.segments import reserve

__all__ = ["SharedBuffer", "storage_of"]

_R = TypeVar("_R")

reduced: Any = None  # how a view is pickled: set by the module above


def storage_of(control: Control, capacity: int, dtype: np.dtype) -> np.ndarray:
    """Return all of the segment as an array with one axis, mapped anew."""
    if capacity == 0:
        return np.zeros(0, dtype)  # nothing can be mapped
    mapped = mmap.mmap(control.data, capacity)
    return np.frombuffer(mapped, dtype, capacity // dtype.itemsize)


class SharedBuffer(Buffer):
    """The memory of an array between processes, and its lock, as this process sees them.

    Parameters
    ----------
    control : Control
        The control block.
    """

    __slots__ = ("control",)

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
        control.applied = generation
        control.buffer = weakref.ref(self)
        self.enter(storage)

    # `foreign` says that no core is to change its rows, as others would not know. It does move.

    @property
    def is_fixed(self) -> bool:
        """Whether it can not be resized."""
        return False

    def register(self, facade: Any) -> None:
        """Know `facade` from now on; see `Buffer.register`."""
        self.know(facade)
        if memory_of(facade) is not self.memory:
            holding(self.moving, self._join, facade)

    def reduced(self, facade: Any) -> tuple[Any, ...]:
        """Return what pickle keeps of `facade`: where it is."""
        return reduced(self, facade)

    def shaped(self, layout: Layout) -> np.ndarray:
        """Return what the array shows, as a plain array."""
        dtype = self.root.dtype
        return self._shaped(layout.first // dtype.itemsize, layout.shape, layout.order)

    # -- the layout ------------------------------------------------------------------------------

    def change(self, act: Callable[..., _R], *args: Any) -> _R:
        """Do as `Buffer.change`, and tell the other processes."""
        try:
            return super().change(act, *args)
        finally:
            self._publish()

    def freeze(self) -> None:
        """Have nothing written any more, in any process."""
        super().freeze()
        self._publish()

    def _publish(self) -> None:
        facade = self._owner() if self._owner is not None else None
        if facade is None:
            return
        is_c = facade.flags.c_contiguous
        layout = Layout(
            self.memory.nbytes,
            address(facade) - self.memory.address,
            facade.shape,
            "C" if is_c else "F",
            self.frozen,
        )
        if layout != self.control.header.layout()[1]:
            self.control.change(layout)

    def catch_up(self) -> bool:
        """Be as another process has left it; nobody here works on it.  False: not now."""
        if not self.moving.acquire(blocking=False):
            return False
        try:
            self._catch_up_locked()
            return True
        finally:
            self.moving.release()

    def _catch_up_locked(self) -> None:
        if self.moving_to is not None:
            self._settle()
        generation, layout = self.control.header.layout()
        if layout.capacity != self.memory.nbytes:
            self._move(storage_of(self.control, layout.capacity, self.root.dtype), 0)
        facade = self._owner() if self._owner is not None else None
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

    def _make_room(self, facade: Any, size: int, spare: int) -> tuple[int, bool]:
        """Have room in the segment for `facade` to have `size` items, and more."""
        itemsize = facade.itemsize
        least = self.item_of(facade) + size
        used = self.item_of(facade) + facade.size
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
        self._move(storage_of(self.control, items * itemsize, facade.dtype), 0)
        return 0, False

    # -- the end -----------------------------------------------------------------------------------

    @property
    def mapped(self) -> Any:
        """The mapping of the file that the array is on, or None."""
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
        with control.backend.here_alone():
            holds = Holds([(self.lock, True)])
            try:
                holds.acquire(timeout)
                self._detach(facade)
            finally:
                holds.release()
        control.buffer = None
        self._trim()
        control.close()

    def _detach(self, facade: Facade) -> None:
        """Have `facade` show nothing, and nothing keep the memory."""
        self.check_idle()
        views = sum(array is not facade for array in self.known())
        if views:
            plural = "s of it live" if views > 1 else " of it lives"
            self._refuse_to_close(f"{views} view{plural}: let go of them first (del view)")
        if any(type(array) is np.ndarray for array in self._known()):
            self._refuse_to_close("this thread holds a guard of it")
        if self._older_ones():
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
            gc.collect()  # tracebacks and other cycles
        memory = alive()
        if memory is not None:
            begin = place[0] - memory.address
            shown: np.ndarray = np.ndarray(place[1], storage.dtype, storage, begin, place[2])
            self._show(facade, memory, shown)
            self._refuse_to_close(_ALIASED)
        self.retired = {}
        self.frozen = False  # or it would be read without asking whether it is closed

    def _show(self, facade: Facade, memory: Memory, array: np.ndarray) -> None:
        """Have the only array here show other memory."""
        root = memory.root(memory.owner)
        body = plain_view(array, np.ndarray)
        body.setflags(write=False)
        set_base(body, root)
        exchange_bodies([(facade, body)])
        facade._memory = self.memory = memory
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
        holds = Holds([(self.lock, True)])
        try:
            holds.acquire(0)  # and so, should this process die here, that is told
            if size and layout.first:
                with mmap.mmap(control.data, layout.capacity) as mapped:
                    mapped.move(0, layout.first, size)
            control.change(layout._replace(capacity=size, first=0))
            os.ftruncate(control.data, size)
        except (LockTimeout, PoisonedError):
            pass
        finally:
            holds.release()

    def unlink(self) -> None:
        """Remove the names."""
        self.control.unlink()

    def recover(self, facade: Facade) -> AbstractContextManager[np.ndarray]:
        """Return what takes the write lock in spite of a writer that died."""
        return self.control.backend.recovery(facade)

    def after_fork(self) -> None:
        """Have nothing held in the child: what guards have lent is not to be written."""
        for raw in self._known():
            if type(raw) is np.ndarray:
                raw.setflags(write=False)


_ALIASED = (
    "plain arrays live that show it, as np.asarray(x) is one: let go of them first, or take copies "
    "(x.snapshot())"
)
