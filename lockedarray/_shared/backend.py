"""Backend: what locks an array between processes; each is a class in a file of its own.

What is above knows nothing but this interface.  A backend has the part of the control block behind
the header, from `header.SIZE` on, `area` bytes that are zero at first.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

import numpy as np

from lockedarray._array.memory import bounds_of
from lockedarray._guards.region_lock import RegionLock

__all__ = ["FIRST_SERIAL", "Backend", "bytes_of"]

FIRST_SERIAL = 1 << 60
"""Above all numbers of locks of one process: the order of locks is one in all processes."""


def bytes_of(array: Any) -> tuple[int, int]:
    """Return which bytes of its segment `array` has, from the first one to the end."""
    low, high = bounds_of(array)
    origin = array._buffer.memory.address
    return low - origin, high - origin


class Backend(Protocol):
    """What locks the array of one control block, as this process sees it."""

    code: ClassVar[int]
    """Its number in headers."""
    area: ClassVar[int]
    """How many bytes it has behind the header."""

    def __init__(self, control: Any) -> None:
        """Be for a control block that is mapped (``control.bytes``) and open (``control.file``)."""

    @classmethod
    def is_available(cls) -> bool:
        """Whether this platform and this core have it."""

    def format(self) -> None:
        """Have nobody hold anything: the array is new."""

    @classmethod
    def renew(cls, area: memoryview, was: int) -> None:
        """Make the area of a file that is of an earlier run of the machine, and was of `was`."""

    def enter(self) -> None:
        """Have this process among those that have the array attached."""

    def new_lock(self, name: str) -> RegionLock:
        """Return the lock of the array in this process, called `name`.

        Whenever one of its locks is taken, and nobody here holds another one, it is compared
        whether ``control.changed()``; if so ``control.catch_up()`` is called before the operation
        goes on, as if another thread had resized the array before.
        """

    def publish(self, generation: int) -> None:
        """Tell others of a new layout; the caller holds the write lock of everything."""

    def recovery(self, array: Any) -> AbstractContextManager[np.ndarray]:
        """Return what takes the write lock of `array` in spite of poison, and clears it in the end.

        But not after an exception, and only what was poisoned when it began.  What died while it
        waited, nobody was told of.

        Raises
        ------
        PoisonedError
            `array` is a part, and more than that is poisoned: entered, it takes nothing.
        """

    def here_alone(self) -> AbstractContextManager[None]:
        """Return what has this thread take the lock against threads of this process only."""

    def for_all(self) -> AbstractContextManager[bool]:
        """Return what has a thread that holds all by `here_alone` hold it of all processes, too.

        Entered it tells whether it does: no other has it, and nothing is half written.
        """

    def shut(self) -> None:
        """Have whoever waits for the lock, or asks for it, be told that ``control.is_closed``."""

    def leave(self) -> None:
        """Have this process no longer among them; nothing is held."""

    def has_others(self) -> bool:
        """Whether another living process has the array attached."""

    def after_fork(self) -> None:
        """Be another process, which holds nothing, but has the array attached (in the child)."""
