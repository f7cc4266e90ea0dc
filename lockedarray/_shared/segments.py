"""Segments: named shared memory and files, made, opened, reserved and removed.

An array has two: one with its bytes and one with its control block, which has the same name with
``.lock`` behind it.  Where shared memory is a folder, as on Linux, both are files there.
"""

from __future__ import annotations

import importlib
import mmap
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["SUFFIX", "Place", "boot_id", "map_all", "named", "new_name", "reserve", "start_of"]

SUFFIX = ".lock"
_LONGEST = 200

_shm: Any
try:
    _shm = importlib.import_module("_posixshmem")
except ImportError:  # Windows
    _shm = None


def check_platform() -> None:
    """Raise NotImplementedError where there is neither shared memory nor a record lock."""
    if _shm is None:
        raise NotImplementedError(
            "lockedarray.shared needs POSIX shared memory and record locks; there are none on "
            f"{sys.platform}: use threads, which can share any LockedArray"
        )


def folder() -> Path:
    """Return where the control blocks of named segments are."""
    shm = Path("/dev/shm")
    if sys.platform == "linux" and shm.is_dir():
        return shm
    mine = Path(tempfile.gettempdir(), f"lockedarray-{os.getuid()}")
    mine.mkdir(mode=0o700, exist_ok=True)
    return mine


class Place(NamedTuple):
    """Where an array is: a name in shared memory, or the path of a file, which is absolute."""

    name: str
    is_file: bool

    @property
    def control(self) -> str:
        """Where its control block is."""
        return (self.name if self.is_file else str(folder() / self.name)) + SUFFIX

    def open_data(self, flags: int) -> int:
        """Return a descriptor of the segment with the bytes."""
        if self.is_file:
            return os.open(self.name, flags | os.O_CLOEXEC, 0o600)
        descriptor: int = _shm.shm_open("/" + self.name, flags, mode=0o600)
        return descriptor

    def unlink_data(self) -> None:
        """Remove the name of the segment with the bytes; nothing happens if it is gone."""
        try:
            if self.is_file:
                os.unlink(self.name)
            else:
                _shm.shm_unlink("/" + self.name)
        except FileNotFoundError:
            pass

    def unlink(self, control: os.stat_result) -> None:
        """Remove both names, unless another array has them by now: `control` is what ours was."""
        try:
            now = os.stat(self.control)
        except FileNotFoundError:
            return
        if (now.st_dev, now.st_ino) != (control.st_dev, control.st_ino):
            return
        self.unlink_data()
        try:
            os.unlink(self.control)
        except FileNotFoundError:
            pass


def new_name() -> str:
    """Return a name that nobody has."""
    return f"la-{os.getuid()}-{secrets.token_hex(8)}"


def place_of(name: Any, path: Any) -> Place:
    """Return the place that a user names; a new one if that is none.

    Raises
    ------
    TypeError
        `name` is no str, or both are given.
    ValueError
        `name` cannot be that of a segment.
    """
    if name is not None and path is not None:
        raise TypeError("an array is in shared memory, name=, or in a file, path=: give one")
    if path is not None:
        where = os.path.abspath(os.fsdecode(path))
        return Place(where, True)
    return Place(new_name() if name is None else checked(name), False)


def checked(name: Any) -> str:
    """Return `name`, which is to be one of a segment."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    name = str.__str__(name)
    bare = name[1:] if name.startswith("/") else name
    if (
        not bare
        or bare in (".", "..")
        or "/" in bare
        or "\0" in bare
        or bare.endswith(SUFFIX)
        or len(os.fsencode(bare)) > _LONGEST
    ):
        raise ValueError(
            f"{name!r} is no name for shared memory: it has 1 to {_LONGEST} bytes, no '/', and "
            f"does not end with {SUFFIX!r}; for a file give path="
        )
    return bare


def named() -> Iterator[str]:
    """Yield the names of the control blocks in shared memory that are this user's."""
    for entry in os.scandir(folder()):
        if entry.name.endswith(SUFFIX) and entry.name != SUFFIX:
            try:
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(seen.st_mode) and seen.st_uid == os.getuid():
                yield entry.name.removesuffix(SUFFIX)


def map_all(descriptor: int, nbytes: int = 0) -> mmap.mmap:
    """Return the mapping of so many bytes of a segment, or of all of it.

    Before Python 3.13 it has a descriptor of its own, until it is closed.
    """
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, nbytes, trackfd=False)
    return mmap.mmap(descriptor, nbytes)


def reserve(descriptor: int, old: int, new: int) -> None:
    """Have a segment of `old` bytes have `new` ones, on the disk or in memory, not just in name.

    Raises
    ------
    OSError
        There is no room for them; it has as many as before.
    """
    if new <= old:
        return
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, old, new - old)
        else:
            os.ftruncate(descriptor, new)
    except OSError as problem:
        try:
            os.ftruncate(descriptor, old)
        except OSError:
            pass
        raise OSError(
            problem.errno,
            f"{os.strerror(problem.errno or 0)}: cannot reserve {new:,} bytes for a shared array; "
            "make it smaller, or with path= in a file",
        ) from None


def boot_id() -> bytes:
    """Return 16 bytes that tell this run of the machine from all others; zeros if it does not."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return bytes(16)
    return bytes.fromhex(text.strip().replace("-", ""))


def start_of(pid: int) -> int:
    """Return when a process began, in ticks since the machine did; 0 where nobody tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19])
    except (OSError, IndexError, ValueError):
        return 0
