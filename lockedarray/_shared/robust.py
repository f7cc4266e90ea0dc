"""The robust backend: a RegionLock between processes, which survives whoever holds it.

It is the native core's, on Linux.  Who has the array attached is told by record locks, as in
the other backend, since a process may have it and not have used its lock yet.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast
from weakref import WeakMethod

import numpy as np

from lockedarray._cores import Holds, address, backend
from lockedarray._errors import closed_between, poisoned_beyond
from lockedarray._guards.guards import Guard
from lockedarray._guards.region_lock import RegionLock
from lockedarray._shared.attachments import Attachment
from lockedarray._shared.backend import FIRST_SERIAL, bytes_of

__all__ = ["Robust"]

_native: Any = None
if backend == "native":
    import lockedarray._core._native as _native

_AREA = _native.control_size() if hasattr(_native, "control_size") else 0

_GENERATION = 64  # where a header has it

_ALL = -(1 << 63), (1 << 63) - 1  # bytes: those that whoever changes the layout holds


def _address(area: memoryview) -> int:
    return address(np.frombuffer(area, np.uint8))


def _new_serial() -> int:
    return FIRST_SERIAL | secrets.randbits(59)


class Robust:
    """What locks one array: a control block in C."""

    code: ClassVar[int] = 2
    area: ClassVar[int] = _AREA

    def __init__(self, control: Any) -> None:  # the Control, which is above
        self._control = control
        self._attachment = Attachment(control)
        self._lock: RegionLock | None = None

    @classmethod
    def is_available(cls) -> bool:
        return _AREA > 0

    def format(self) -> None:
        _native.control_init(self._where(), _new_serial(), self._control.header.generation)

    def _where(self) -> int:
        return _address(self._control.area[: self.area])

    @classmethod
    def renew(cls, area: memoryview, was: int) -> None:
        whole: Any = area.obj
        generation = int.from_bytes(whole[_GENERATION : _GENERATION + 8], "little")
        where = _address(area[: cls.area])
        if was == cls.code and _native.control_is_known(where):
            _native.control_renew(where, _new_serial(), generation)
        else:
            area[: cls.area] = bytes(cls.area)
            _native.control_init(where, _new_serial(), generation)

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
        return self._control.catch_up()

    def publish(self, generation: int) -> None:
        if self._lock is not None:
            _native.shared_publish(self._lock, generation)

    def shut(self) -> None:
        if self._lock is not None:
            _native.shared_close(self._lock)

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
            raise ValueError(
                "cannot recover this view, which is not contiguous: recover the array, "
                "x.base.recover()"
            )
        known = {which for *_, which in _native.shared_poisons(self._lock)}
        is_all = array._owner is None  # also where there are no elements yet, or not any more
        holds = Holds([(self._lock, True)] if is_all else [])
        try:
            with self.here_alone():
                holds.acquire()
                if is_all:
                    self._settle_locked()
                guard = cast(Any, Guard)._of(array, True, None)
                raw = guard.acquire()
            try:
                low, high = _ALL if is_all else bytes_of(array)
                found = _native.shared_poisons(self._lock, low, high)
                for pid, since, first, last, _ in found:
                    if not low <= first <= last <= high:
                        raise poisoned_beyond(self._control.called, pid, (first, last), since)
                yield raw
                for *_, which in found:
                    if which in known:
                        _native.shared_heal(self._lock, which)
            finally:
                guard.release()
        finally:
            holds.release()

    def _settle_locked(self) -> None:
        """Have the array be as one left it who died before telling so; all of it is held."""
        if self._control.changed():
            self._control.catch_up()
        self.publish(self._control.header.generation)

    @contextmanager
    def here_alone(self) -> Iterator[None]:
        """In spite of what is half written; others keep it out as ever."""
        before = _native.shared_recovering(True)
        try:
            yield
        finally:
            _native.shared_recovering(before)

    @contextmanager
    def for_all(self) -> Iterator[bool]:
        yield not _native.shared_poisons(self._lock)
