"""The fcntl backend: POSIX record locks of the control file, on the whole array, between processes.

The threads of a process keep apart by a RegionLock, as ever.  This is the lock below it: it is held
for reading or for writing while any thread of this process holds any part of the array so.

Three bytes of the control file are locked: the array; whoever has it attached, for reading; and
the right to wait for the write lock with a read lock in hand.  The kernel gives all of them back
when the process ends, however it does, and when it closes any descriptor of the file: so there
is one in a process, which is open as long as the array is.

Who writes is written down in the control block, and taken out before the lock is given back.  So
whoever has the lock and finds somebody else there knows that a writer has died.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import numpy as np

from lockedarray._errors import PoisonedError, closed_between, poisoned_beyond, two_upgrades
from lockedarray._guards.guards import Guard, end_lost
from lockedarray._guards.region_lock import RegionLock
from lockedarray._holding import holding
from lockedarray._shared.attachments import Attachment, lock_byte
from lockedarray._shared.backend import FIRST_SERIAL, bytes_of
from lockedarray._shared.segments import start_of

__all__ = ["RecordLocks"]

_ARRAY, _UPGRADE = 0, 2  # bytes of the file, beside that of attachments
_PID, _START, _SINCE = 0, 1, 2  # words of the area: who writes
_NOTHING, _READ, _WRITE = 0, 1, 2
_KIND = (fcntl.LOCK_UN, fcntl.LOCK_SH, fcntl.LOCK_EX)


class _Part:
    """One thread's part of the lock: to read, or to write."""

    __slots__ = ("_below", "held", "ident", "local", "pid", "write")

    def __init__(self, below: RecordLocks, write: bool) -> None:
        self._below = below
        self.write = write
        self.held = False
        self.local = False  # against threads of this process only
        self.ident = 0
        self.pid = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, if that needs no waiting: the RegionLock above waits by looking again."""
        return self._below.take(self)

    def release(self) -> None:
        if not self.locked():
            raise RuntimeError("cannot release un-acquired lock")
        self._below.give_back(self)

    def locked(self) -> bool:
        return self.held and self.pid == os.getpid()  # a fork's child holds nothing

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_exception: object) -> None:
        self.release()


class RecordLocks:
    """What locks one array; as a readers-writer lock it is below the RegionLock."""

    code: ClassVar[int] = 1
    area: ClassVar[int] = 64
    upgrades: ClassVar[bool] = True  # a reader may ask for the write lock, and keeps its own

    def __init__(self, control: Any) -> None:
        self._control = control
        self._attachment = Attachment(control)
        self._words = control.area[: self.area].cast("Q")
        control.shown.append(self._words)
        self._me = (os.getpid(), start_of(os.getpid()))
        self._free_here()

    def _free_here(self) -> None:
        self._mutex = threading.RLock()
        self._parts: dict[int, _Part] = {}  # which are held, by their ids
        self._mode = _NOTHING  # of this process
        self._exempt: set[int] = set()  # threads that take the lock in spite of poison
        self._alone: set[int] = set()  # threads that take it against this process's only
        self._upgrading: int | None = None  # the thread that has the right to

    @classmethod
    def is_available(cls) -> bool:
        return True

    def format(self) -> None:
        """Zeros are right."""

    @classmethod
    def renew(cls, area: memoryview, was: int) -> None:
        if was != cls.code:  # else what was half written then, is poisoned still
            area[: cls.area] = bytes(cls.area)

    def enter(self) -> None:
        self._attachment.enter()

    def shut(self) -> None:
        """Whoever asks looks whether it is closed."""

    def leave(self) -> None:
        """The file is about to be closed, which gives all locks back."""

    def new_lock(self, name: str) -> RegionLock:
        lock: Any = RegionLock(self)
        # Several locks are taken in one order in all processes.
        lock.serial = FIRST_SERIAL | int.from_bytes(self._control.header.token, "little") >> 5
        lock._be_named(name)
        return lock

    def publish(self, generation: int) -> None:
        """The generation in the header is what others look at."""

    def has_others(self) -> bool:
        return self._attachment.has_others()

    def after_fork(self) -> None:
        self._me = (os.getpid(), start_of(os.getpid()))
        self._free_here()
        self.enter()
        if self._control.lock is not None and (lock := self._control.lock()) is not None:
            lock._lose_all()  # the guards that this thread stands in are the parent's
            end_lost()

    # -- as a readers-writer lock ----------------------------------------------------------------

    def gen_rlock(self) -> _Part:
        return _Part(self, False)

    def gen_wlock(self) -> _Part:
        return _Part(self, True)

    def take(self, part: _Part) -> bool:
        return holding(self._mutex, self._take_locked, part)

    def _take_locked(self, part: _Part) -> bool:
        if self._control.is_closed:
            raise closed_between(self._control.called)
        part.ident = ident = threading.get_ident()
        part.pid = os.getpid()
        if ident in self._alone:
            part.local = part.held = True
            return True
        try:
            if not self._may_locked(part):
                return False
            self._parts[id(part)] = part
            part.held = True
            return True
        finally:
            if not part.held:
                self._settle_locked()

    def _may_locked(self, part: _Part) -> bool:
        """Have the lock of the file in the mode that `part` needs; whether all is well."""
        is_first = self._mode == _NOTHING
        if part.write and self._mode == _READ:
            if not self._upgrade_locked(part):
                return False
        elif not self._have_locked(max(self._mode, _WRITE if part.write else _READ)):
            return False
        poison = self._poison_here()
        if poison is not None and part.ident not in self._exempt:
            high = self._control.header.layout()[1].capacity
            raise PoisonedError(poison[0], (0, high), poison[2], self._control.called)
        # Nobody here works on the array: so nothing is in the way of changing its shape.
        if is_first and self._control.changed() and not self._control.catch_up():
            return False
        if part.write and not self._words[_PID]:
            since = np.array([time.time()]).view(np.uint64)[0]
            self._words[_START], self._words[_SINCE] = self._me[1], int(since)
            self._words[_PID] = self._me[0]
        return True

    def _is_mine(self) -> bool:
        return (self._words[_PID], self._words[_START]) == self._me

    def _upgrade_locked(self, part: _Part) -> bool:
        """Take the write lock in place of the read lock that some thread here has.

        Two that wait for this with a read lock in hand would wait for each other, for ever.
        """
        if self._have_locked(_WRITE):
            return True
        if any(other.ident == part.ident for other in self._parts.values()):
            if self._upgrading is None and not lock_byte(
                self._control.file, fcntl.LOCK_EX, _UPGRADE
            ):
                raise two_upgrades(self._control.called)
            self._upgrading = part.ident
        return False

    def stop_waiting(self, ident: int) -> None:
        """A thread has what it waited for, or does not want it any more."""
        if self._upgrading == ident:
            holding(self._mutex, self._give_up_upgrade_locked, ident)

    def _give_up_upgrade_locked(self, ident: int) -> None:
        if self._upgrading == ident and not self._control.is_closed:
            self._upgrading = None
            lock_byte(self._control.file, fcntl.LOCK_UN, _UPGRADE)

    def _have_locked(self, mode: int) -> bool:
        if self._mode != mode:
            if not lock_byte(self._control.file, _KIND[mode], _ARRAY):
                return False
            self._mode = mode
        return True

    def give_back(self, part: _Part) -> None:
        holding(self._mutex, self._give_back_locked, part)

    def _give_back_locked(self, part: _Part) -> None:
        self._parts.pop(id(part), None)
        part.held = False
        if not part.local:
            self._settle_locked()

    def _settle_locked(self) -> None:
        """Have no more of the lock of the file than the threads need."""
        needed = max((1 + part.write for part in self._parts.values()), default=_NOTHING)
        if needed < _WRITE and self._mode == _WRITE and self._is_mine():
            self._words[_PID] = 0
        if needed < self._mode:
            self._have_locked(needed)

    # -- in spite of others ----------------------------------------------------------------------

    @contextmanager
    def recovery(self, array: Any) -> Iterator[np.ndarray]:
        known = holding(self._mutex, self._poison_locked)
        guard = cast(Any, Guard)._of(array, True, None)
        raw = self._acquired_in_spite(guard)
        try:
            found = holding(self._mutex, self._poison_locked)
            if found is not None:
                pid, _, since = found
                capacity = self._control.header.layout()[1].capacity
                low, high = bytes_of(array)
                if array._owner is not None and (low > 0 or high < capacity):
                    raise poisoned_beyond(self._control.called, pid, (0, capacity), since)
            yield raw
            if found is not None and found == known:
                self._words[_PID] = 0  # nobody else has a lock: so this is the dead one still
        finally:
            guard.release()

    def _poison_locked(self) -> tuple[int, int, float] | None:
        """Return pid, start and time of a writer that died, if one did."""
        if self._mode == _NOTHING and not self._have_locked(_READ):
            return None  # the writer lives
        try:
            return self._poison_here()
        finally:
            self._settle_locked()

    def _poison_here(self) -> tuple[int, int, float] | None:
        """The same, while nobody else has the lock of the file to write."""
        writer = self._words[_PID]
        if not writer or self._is_mine():
            return None
        since = np.array([self._words[_SINCE]], np.uint64).view(np.float64)[0]
        return writer, self._words[_START], float(since)

    def _acquired_in_spite(self, guard: Guard) -> np.ndarray:
        ident = threading.get_ident()
        self._exempt.add(ident)
        try:
            return guard.acquire()
        finally:
            self._exempt.discard(ident)

    @contextmanager
    def here_alone(self) -> Iterator[None]:
        ident = threading.get_ident()
        self._alone.add(ident)
        try:
            yield
        finally:
            self._alone.discard(ident)

    @contextmanager
    def for_all(self) -> Iterator[bool]:
        part = self.gen_wlock()
        try:
            try:
                may = self.take(part)
            except PoisonedError:
                may = False
            yield may
        finally:
            if part.held:
                self.give_back(part)
