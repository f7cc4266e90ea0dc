"""Listing: which arrays are in shared memory, and which of them nobody has any more."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import NamedTuple

import numpy as np

from lockedarray._shared import control as controls
from lockedarray._shared.attachments import Attachment
from lockedarray._shared.control import opening
from lockedarray._shared.header import SIZE, VERSION, Header
from lockedarray._shared.segments import Place, boot_id, check_platform, map_all, named

__all__ = ["SharedArray", "listed", "main"]


class SharedArray(NamedTuple):
    """An array in shared memory, as `lockedarray.shared.list` finds it.

    Attributes
    ----------
    name : str
        The name in shared memory.
    path : str or None
        The file, of an array in a file.
    shape : tuple of int or None
        Lengths of the axes; None of what is damaged, or not complete.
    dtype : numpy.dtype or None
        Data type of the elements; None of what is damaged, or not complete.
    nbytes : int
        How many bytes it takes.
    creator : int
        The pid of the process that made it.
    alive : bool
        Whether a process has it attached.
    """

    name: str
    path: str | None
    shape: tuple[int, ...] | None
    dtype: np.dtype | None
    nbytes: int
    creator: int
    alive: bool


def listed() -> list[SharedArray]:
    """Return the arrays of this user in shared memory, by their names."""
    check_platform()
    found = [opening(_seen_locked, Place(name, False)) for name in sorted(named())]
    return [entry for entry in found if entry is not None]


def remove_orphans() -> list[str]:
    """Remove the arrays that no process has attached; return their names."""
    check_platform()
    names = []
    for name in sorted(named()):
        place = Place(name, False)
        if opening(_removed_locked, place):
            names.append(name)
    return names


def _seen_locked(place: Place) -> SharedArray | None:
    try:
        control = controls.known(place)
        if control is not None:
            return _told(place, control.header, True)
        file = os.open(place.control, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return _look(place, file)
    finally:
        os.close(file)


def _look(place: Place, file: int) -> SharedArray | None:
    size = os.fstat(file).st_size
    if size >= 8 and os.pread(file, 8, 0) not in (b"LOCKEDAR", bytes(8)):
        return None  # somebody else's file
    if size < SIZE:
        return SharedArray(place.name, None, None, None, 0, 0, False)
    with map_all(file) as seen:
        header = Header(seen)
        try:
            if not header.is_complete:
                return SharedArray(place.name, None, None, None, 0, header.creator, False)
            alive = header.boot == boot_id() and Attachment.is_attached(file)
            if header.version != VERSION:
                return SharedArray(place.name, None, None, None, 0, header.creator, alive)
            return _told(place, header, alive)
        finally:
            header.release()


def _told(place: Place, header: Header, alive: bool) -> SharedArray:
    try:
        _, layout = header.layout()
        dtype = header.dtype
    except ValueError:
        return SharedArray(place.name, None, None, None, 0, header.creator, alive)
    path = place.name if place.is_file else None
    return SharedArray(
        place.name, path, layout.shape, dtype, layout.capacity, header.creator, alive
    )


def _removed_locked(place: Place) -> bool:
    try:
        if controls.known(place) is not None:
            return False
        file = os.open(place.control, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody makes or attaches it meanwhile
        entry = _look(place, file)
        if entry is None or entry.alive:
            return False
        place.unlink(os.fstat(file))
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(file)


_USAGE = """usage: python -m lockedarray.shared [list | remove]

list    show the arrays in shared memory (as without an argument)
remove  remove the orphans: those that no living process has attached
"""


def main(arguments: list[str]) -> int:
    """Do what ``python -m lockedarray.shared`` is asked for; return its exit status."""
    if arguments in ([], ["list"]):
        entries = listed()
        for entry in entries:
            of = "not complete" if entry.shape is None else f"{entry.dtype} {entry.shape}"
            state = "in use" if entry.alive else "orphan"
            print(f"{entry.name}  {state}  {of}  {entry.nbytes} bytes  made by {entry.creator}")
        if not entries:
            print("no arrays in shared memory")
        return 0
    if arguments == ["remove"]:
        for name in remove_orphans():
            print(f"removed {name}")
        return 0
    print(_USAGE, end="", file=sys.stdout if arguments in (["-h"], ["--help"]) else sys.stderr)
    return 0 if arguments in (["-h"], ["--help"]) else 2
