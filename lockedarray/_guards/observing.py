"""The observers of locks, traces and the debug mode, and the line of the user's that they name.

While there is none, the cores tell nobody.  One that is told runs with the lock in hand: it is
quick, uses no LockedArray, and waits for nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType, FrameType
from typing import Any, Protocol

import numpy as np

from lockedarray._cores import RegionLockBase, observe
from lockedarray._holding import holding

__all__ = ["Observer", "add_observer", "name_of_thread", "remove_observer", "users_frame"]


class Observer(Protocol):
    """What is told of locks."""

    def taken(
        self, lock: RegionLockBase, write: bool, key: int, subject: Any, low: int, high: int
    ) -> None:
        """A hold was acquired, which `key` is for as long as it is held.

        `subject` is what a single operation locks: the Buffer, of which it has the bytes from `low`
        to `high`; or the array, on the portable core; or None where that is not known.
        """

    def waited(self, lock: RegionLockBase, write: bool, nanoseconds: int) -> None:
        """A thread has waited for so long, for this lock, whatever came of it."""

    def given(self, key: int) -> None:
        """The calling thread has given that hold back."""


class _All:
    """Tells all the observers there are; the cores know this one alone."""

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()  # exchanged whole: others may go through it

    def taken(self, *args: Any) -> None:
        for observer in self.observers:
            observer.taken(*args)

    def waited(self, *args: Any) -> None:
        for observer in self.observers:
            observer.waited(*args)

    def given(self, key: int) -> None:
        for observer in self.observers:
            observer.given(key)

    def change(self, observers: tuple[Observer, ...]) -> None:
        self.observers = observers
        observe(self if observers else None)


_all = _All()
_changing = threading.RLock()


def add_observer(observer: Observer) -> None:
    """Have `observer` told what happens to all locks from now on."""
    holding(_changing, lambda: _all.change((*_all.observers, observer)))


def remove_observer(observer: Observer) -> None:
    """Have it told no more, if it was."""
    holding(
        _changing,
        lambda: _all.change(tuple(other for other in _all.observers if other is not observer)),
    )


_LIBRARIES = tuple(
    os.path.dirname(os.path.abspath(path)) + os.sep
    for path in (os.path.dirname(__file__), np.__file__)
)
_is_library: dict[CodeType, bool] = {}
_MOST_CODES = 10_000  # that are remembered: programs may make code as they run


def users_frame(skipped: list[FrameType] | None = None) -> FrameType | None:
    """Return the innermost frame of the calling thread that is not lockedarray's nor NumPy's.

    Those inside it are added to `skipped`, the innermost first.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        library = _is_library.get(code)
        if library is None:
            if len(_is_library) >= _MOST_CODES:
                _is_library.clear()
            library = _is_library[code] = code.co_filename.startswith(_LIBRARIES)
        if not library:
            return frame
        if skipped is not None:
            skipped.append(frame)
        frame = frame.f_back
    return None


def name_of_thread(ident: int) -> str:
    """Return the name of a thread, which `threading` need not know."""
    # Not by current_thread(), which makes an entry for a thread that is not Python's.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return f"thread {ident}" if thread is None else str(thread.name)


def _after_fork_in_child() -> None:
    global _changing
    _changing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
