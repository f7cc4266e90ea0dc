"""The robust backend: a RegionLock between processes, which survives whoever holds it.

It is the native core's, on Linux.  Who has the array attached is told by record locks, as in
the other backend, since a process may have it and not have used its lock yet.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast
from weakref import WeakMethod

import numpy as np

from lockedarray._cores import address, backend
from lockedarray._errors import closed_between
from lockedarray._guards.guards import Guard
from lockedarray._guards.region_lock import RegionLock
from lockedarray._shared.attachments import Attachment
from lockedarray._shared.backend import FIRST_SERIAL

if TYPE_CHECKING:
    from lockedarray._shared.control import Control

__all__ = ["Robust"]

_native: Any = None
if backend == "native":
    import lockedarray._core._native as _native

_AREA = _native.control_size() if hasattr(_native, "control_size") else 0

_GENERATION = 64  # where a header has it


def _address(area: memoryview) -> int:
    return address(np.frombuffer(area, np.uint8))


def _format(where: int, generation: int) -> None:
    _native.control_init(where, FIRST_SERIAL | secrets.randbits(59), generation)


class Robust:
    """What locks one array: a control block in C."""

    code: ClassVar[int] = 2
    area: ClassVar[int] = _AREA

    def __init__(self, control: Control) -> None:
        self._control = control
        self._attachment = Attachment(control)
        self._lock: RegionLock | None = None

    @classmethod
    def is_available(cls) -> bool:
        return _AREA > 0

    def format(self) -> None:
        _format(self._where(), self._control.header.generation)

    def _where(self) -> int:
        return _address(self._control.area[: self.area])

    @classmethod
    def renew(cls, area: memoryview, was: int) -> None:
        area[: cls.area] = bytes(cls.area)
        whole: Any = area.obj
        generation = int.from_bytes(whole[_GENERATION : _GENERATION + 8], "little")
        _format(_address(area[: cls.area]), generation)

    def enter(self) -> None:
        where = self._where()
        if not _native.control_is_known(where):
            raise ValueError(
                f"the shared array {self._control.called} is locked by another version of "
                "lockedarray: use the same one in all processes"
            )
        self._attachment.enter()

    def new_lock(self, name: str) -> RegionLock:
        lock: Any = RegionLock()
        follow = WeakMethod(self._follow)
        _native.share(lock, self._where(), follow, self._control.header.generation)
        lock._be_named(name)
        self._lock = lock
        return lock

    def _follow(self) -> bool:
        """Have the array be as another process left it; nobody here works on it."""
        if self._control.is_closed:
            raise closed_between(self._control.called)
        if not self._control.catch_up():
            return False
        _native.shared_followed(self._lock, self._control.applied)
        return True

    def publish(self, generation: int) -> None:
        if self._lock is not None:
            _native.shared_publish(self._lock, generation)

    def leave(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            _native.shared_close(lock)  # what has it still finds the array closed
        self._attachment.leave()

    def has_others(self) -> bool:
        return self._attachment.has_others()

    def after_fork(self) -> None:
        self._attachment.enter()

    @contextmanager
    def recovery(self, array: Any) -> Iterator[np.ndarray]:
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            raise ValueError("only what is in one piece is repaired: recover the array, x.base")
        guard = cast(Any, Guard)._of(array, True, None)
        with self.here_alone():
            raw = guard.acquire()
        try:
            yield raw
            _native.shared_heal(self._lock)
        finally:
            guard.release()

    @contextmanager
    def here_alone(self) -> Iterator[None]:
        """In spite of what is half written; others keep it out as ever."""
        before = _native.shared_recovering(True)
        try:
            yield
        finally:
            _native.shared_recovering(before)
