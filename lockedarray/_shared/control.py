"""Control: the control block of one array, as this process has it open; there is one of each.

Closing any descriptor of a file gives back all record locks that the process has on it.
So no control block is opened twice: whoever wants one looks here first, without opening it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from lockedarray._holding import holding
from lockedarray._shared import backends
from lockedarray._shared.header import SIZE, VERSION, Header, Layout
from lockedarray._shared.segments import Place, boot_id, map_all, reserve

__all__ = ["Control", "attach", "create", "known", "known_by_token", "opening", "registered"]

_T = TypeVar("_T")
_Key = tuple[int, int]

_opening = threading.RLock()
_known: dict[_Key, weakref.ref[Control]] = {}  # by device and inode of the file
_PATIENCE = 0.5  # seconds for which a creator may not have begun yet


def opening(act: Callable[..., _T], *args: Any) -> _T:
    """Return ``act(*args)``, called while no other thread opens or closes a control block."""
    return holding(_opening, act, *args)


class Control:
    """An open control block.

    Parameters
    ----------
    place : Place
        Where it is.
    file, data : int
        Descriptors of it, and of the segment with the bytes, which are this object's from now on.
    """

    def __init__(self, place: Place, file: int, data: int) -> None:
        self.place = place
        self.file = file
        self.data = data
        self.is_closed = False
        self.applied = 0  # the generation that the Buffer here has
        self.lock: Any = None  # a weak reference to the RegionLock
        self.buffer: Any = None  # to the Buffer
        self.stat = os.fstat(file)
        self.bytes = map_all(file)
        self.header = Header(self.bytes)
        self.area = memoryview(self.bytes)[SIZE:]
        self.backend: Any = None
        key = self.stat.st_dev, self.stat.st_ino
        self.shown = [self.header._words, self.area]  # what shows the mapping
        self._end = weakref.finalize(self, _close, (file, data), self.bytes, self.shown, key)
        self._end.atexit = False

    @property
    def called(self) -> str:
        """What messages call the array."""
        return repr(self.place.name)

    def use(self, backend: type[Any]) -> None:
        """Have a backend, and be known."""
        self.backend = backend(self)
        _known[self.stat.st_dev, self.stat.st_ino] = weakref.ref(self)

    def changed(self) -> bool:
        """Whether another process has changed the layout since."""
        return self.header.generation != self.applied

    def catch_up(self) -> bool:
        """Have the Buffer be as the layout says; False: not now."""
        buffer = None if self.buffer is None else self.buffer()
        return buffer is None or buffer.catch_up()

    def change(self, layout: Layout) -> int:
        """Have all processes see another layout; under the write lock of everything."""
        generation = self.header.change(layout)
        self.backend.publish(generation)
        self.applied = generation
        return generation

    def shut(self) -> None:
        """Have whoever wants the lock from now on be told that it is closed; all of it is held."""
        self.is_closed = True
        self.backend.shut()

    def close(self) -> None:
        """Be of no process but others; nothing is held."""
        self.is_closed = True
        if self.backend is not None:
            self.backend.leave()
        self._end()

    def unlink(self) -> None:
        """Remove the names."""
        self.place.unlink(self.stat)


def _close(
    descriptors: tuple[int, ...], mapping: mmap.mmap, shown: list[memoryview], key: _Key
) -> None:
    if sys.version_info < (3, 13):
        # The descriptor that it has is closed now, and not when somebody has it open anew. Later on
        # there is none; and who looks at the mapping without a GIL may do so still.
        for view in reversed(shown):
            view.release()
        try:
            mapping.close()
        except BufferError:  # a thread looks at it at this moment
            pass
    for descriptor in descriptors:
        os.close(descriptor)
    _known.pop(key, None)


def registered() -> list[Control]:
    """Return the control blocks that this process has open."""
    found = [reference() for reference in list(_known.values())]
    return [control for control in found if control is not None]


def known(place: Place) -> Control | None:
    """Return the control block at `place`, if this process has it open.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    seen = os.stat(place.control)
    key = (seen.st_dev, seen.st_ino)
    while (reference := _known.get(key)) is not None:
        control = reference()
        if control is not None:
            return control
        time.sleep(0.001)  # another thread lets go of the last array there
    return None


def known_by_token(token: bytes) -> Control | None:
    """Return the control block of that array, if this process has it open, unlinked or not."""
    for control in registered():
        if not control.is_closed and control.header.token == token:
            return control
    return None


# -- making and opening ----------------------------------------------------------------------------


def create(place: Place, dtype: bytes, layout: Layout, fill: Callable[[Control], None]) -> Control:
    """Return the control block of a new array, which `fill` is called to write into.

    Raises
    ------
    FileExistsError
        Its place is taken.
    """
    backend = backends.chosen()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        file = os.open(place.control, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise _taken(place, place.control) from None
    mine = [file]  # what is to be closed here
    control = None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # who finds it waits until it is complete
        reserve(file, 0, SIZE + backend.area)
        try:
            data = place.open_data(flags)
        except FileExistsError:
            raise _taken(place, place.name) from None
        mine.append(data)
        try:
            reserve(data, 0, layout.capacity)
            control = Control(place, file, data)
            mine.clear()
            control.header.write(backend.code, dtype, layout)
            control.use(backend)
            control.backend.format()
            control.backend.enter()
            fill(control)
            control.header.complete()
        except BaseException:
            place.unlink_data()
            raise
        fcntl.flock(file, fcntl.LOCK_UN)
        return control
    except BaseException:
        os.unlink(place.control)
        _give_up(control, mine)
        raise


def _give_up(control: Control | None, mine: list[int]) -> None:
    for descriptor in mine:
        os.close(descriptor)
    if control is not None:
        control.close()


def _taken(place: Place, what: str) -> FileExistsError:
    instead = "la.shared.open(path)" if place.is_file else "la.shared.attach(name)"
    return FileExistsError(
        f"{what!r} exists already: to use that array, {instead}; if nobody does, "
        + ("remove it" if place.is_file else "'python -m lockedarray.shared remove'")
    )


def attach(place: Place) -> Control:
    """Return the control block at `place`, opened if it is not open here.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        What is there is none, or one that cannot be used.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            control = known(place)
            if control is not None:
                return control
            file = os.open(place.control, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            kind = "file with a shared array" if place.is_file else "shared array of the name"
            raise FileNotFoundError(
                f"there is no {kind} {place.name!r}: nobody has made it, or it was unlinked"
            ) from None
        mine = [file]
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.fstat(file).st_nlink:
                control = _attached(place, mine, time.monotonic() >= deadline)
                if control is not None:
                    return control
        finally:
            _give_up(None, mine)
        time.sleep(0.001)


def _attached(place: Place, mine: list[int], is_late: bool) -> Control | None:
    """Return the control block in an open file; None if its creator may not have begun yet.

    The descriptors in `mine` are those that the caller is to close.
    """
    (file,) = mine
    what = f"{place.control!r} is not the control block of a shared array"
    if os.fstat(file).st_size < SIZE:
        if is_late:
            raise ValueError(
                f"{what}, or its creator has died before it was complete: remove it, "
                "and make the array anew"
            )
        return None
    with map_all(file) as seen:
        problem = _problem(Header(seen), place, file, what)
    if problem == "incomplete":
        if is_late:
            raise ValueError(
                f"{what}, or its creator has died before it was complete: remove it, "
                "and make the array anew"
            )
        return None
    if problem is not None:
        raise ValueError(problem)
    mine.append(_opened_data(place))
    control = Control(place, *mine)
    mine.clear()
    try:
        control.use(backends.of(control.header.backend))
        control.backend.enter()
        fcntl.flock(file, fcntl.LOCK_UN)
    except BaseException:
        control.close()
        raise
    return control


def _problem(header: Header, place: Place, file: int, what: str) -> str | None:
    """Say what is wrong with a header, if anything is."""
    try:
        if not header.is_complete:
            is_empty = not any(header._bytes[:8])
            return "incomplete" if is_empty else f"{what}: it does not begin as one does"
        if header.version != VERSION:
            return (
                f"the shared array {place.name!r} is of version {header.version} of the format, "
                f"and this lockedarray knows version {VERSION}: use the same one in all processes"
            )
        if header.boot != boot_id():
            if not place.is_file:
                return (
                    f"the shared array {place.name!r} was made before the machine was started "
                    "last, and nobody can have it: remove it, and make it anew"
                )
            _renew(header, file)
        reason = backends.unavailable(header.backend)
        if reason is not None:
            return f"the shared array {place.name!r} {reason}"
        _, layout = header.layout()
        header.dtype  # noqa: B018 # it is asked whether it is one
    except ValueError as problem:
        return f"{what}: {problem}"
    finally:
        header.release()
    try:
        size = os.stat(place.name).st_size if place.is_file else layout.capacity
    except FileNotFoundError:
        size = -1
    if size < layout.capacity:
        found = "is gone" if size < 0 else f"has {size} bytes only, of {layout.capacity}"
        return f"the shared array {place.name!r} {found}: remove it, and make it anew"
    return None


def _renew(header: Header, file: int) -> None:
    """Have a file that has outlived the machine's last run be of this one; the first does it."""
    fcntl.flock(file, fcntl.LOCK_EX)
    if header.boot != boot_id():  # nobody else was faster
        backend = backends.chosen()
        reserve(file, os.fstat(file).st_size, SIZE + backend.area)
        with map_all(file) as whole, memoryview(whole) as seen, seen[SIZE:] as area:
            backend.renew(area, header.backend)
        header.renew(backend.code)
    fcntl.flock(file, fcntl.LOCK_SH)


def _opened_data(place: Place) -> int:
    try:
        return place.open_data(os.O_RDWR)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the bytes of the shared array {place.name!r} are gone, its control block is left: "
            f"remove {place.control!r}, and make it anew"
        ) from None


def _after_fork_in_child() -> None:
    global _opening
    _opening = threading.RLock()
    for control in registered():
        if not control.is_closed and control.backend is not None:
            control.backend.after_fork()
            buffer = None if control.buffer is None else control.buffer()
            if buffer is not None:
                buffer.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
