"""Header: page 0 of a control block, which says what the array is.

All in the machine's own byte order.  The words that processes look at while others write are
aligned, and stored by one instruction::

    0     magic, written last
    8     version, backend (32 bits each)
    16    boot id
    32    pid and start of the creator
    48    token: random, to tell one array from the next of its name
    64    generation
    128   layout 0, 768  layout 1: a generation is described by the one with its parity
    1536  length of the description of the dtype, and that, as `numpy.save` has it

A layout changes under the write lock of everything: the one that is not current is written, and
then the generation made one more.  So whoever dies in between leaves the old one.
"""

from __future__ import annotations

import ast
import mmap
import os
import secrets
import struct
from typing import Any, NamedTuple

import numpy as np

from lockedarray._shared.segments import boot_id, start_of

__all__ = ["SIZE", "Header", "Layout", "describe"]

MAGIC = b"LOCKEDAR"
VERSION = 2
SIZE = 4096

_GENERATION = 64 // 8
_LAYOUTS = (128, 768)
_DTYPE = 1536
_FIXED = struct.Struct("=II16sQQ8s")
_LAYOUT = struct.Struct("=QQQQBBBx4x64Q")


class Layout(NamedTuple):
    """Where in its segment an array stands, and how.

    `capacity` and `first` are bytes: those of the segment, and those before the first element.
    `moved` tells how far the elements have been moved to the front, all in all.
    """

    capacity: int
    first: int
    shape: tuple[int, ...]
    order: str
    frozen: bool
    moved: int = 0


def describe(dtype: np.dtype) -> bytes:
    """Return the description of `dtype`, by which other processes make it.

    Raises
    ------
    TypeError
        It has objects or text of varied length, which are this process's, or is not NumPy's own.
    """
    if dtype.hasobject or isinstance(dtype, np.dtypes.StringDType):
        raise TypeError(
            f"an array of {dtype} cannot be shared between processes: its elements are "
            "objects of one process; use numbers, or text of a fixed length, such as 'S20' or 'U20'"
        )
    if dtype.itemsize == 0:
        raise TypeError(
            f"an array of {dtype} cannot be shared, as its items have no bytes; give them a length"
        )
    descr: Any = np.lib.format.dtype_to_descr(dtype)
    text = repr(descr).encode()
    if np.lib.format.descr_to_dtype(descr) != dtype or len(text) > SIZE - _DTYPE - 4:
        raise TypeError(
            f"an array of {dtype} cannot be shared: NumPy cannot write this dtype to a file"
        )
    return text


class Header:
    """The header in a control block that is mapped."""

    def __init__(self, control: mmap.mmap) -> None:
        self._bytes = control
        self._words = memoryview(control)[:SIZE].cast("Q")

    def release(self) -> None:
        """Let the mapping be closed."""
        self._words.release()

    @property
    def watched(self) -> memoryview:
        """The word with the generation, for those who look at it in memory."""
        return self._words[_GENERATION : _GENERATION + 1]

    # -- what stays ------------------------------------------------------------------------------

    def write(self, backend: int, dtype: bytes, layout: Layout) -> None:
        """Describe a new array; all but the magic, which `complete` writes."""
        pid = os.getpid()
        _FIXED.pack_into(
            self._bytes, 8, VERSION, backend, boot_id(), pid, start_of(pid), secrets.token_bytes(8)
        )
        struct.pack_into("=I", self._bytes, _DTYPE, len(dtype))
        self._bytes[_DTYPE + 4 : _DTYPE + 4 + len(dtype)] = dtype
        self.change(layout)

    def complete(self) -> None:
        """Have others find it."""
        self._words[0] = int.from_bytes(MAGIC, _ORDER)

    def renew(self, backend: int) -> None:
        """Have it be of this run of the machine."""
        struct.pack_into("=I16s", self._bytes, 12, backend, boot_id())

    @property
    def is_complete(self) -> bool:
        """Whether it has the magic."""
        return self._bytes[:8] == MAGIC

    @property
    def version(self) -> int:
        """The version of the format."""
        return _FIXED.unpack_from(self._bytes, 8)[0]

    @property
    def backend(self) -> int:
        """The number of what locks it."""
        return _FIXED.unpack_from(self._bytes, 8)[1]

    @property
    def boot(self) -> bytes:
        """The boot id of the machine when it was made."""
        return _FIXED.unpack_from(self._bytes, 8)[2]

    @property
    def creator(self) -> int:
        """The pid of who made it."""
        return _FIXED.unpack_from(self._bytes, 8)[3]

    @property
    def token(self) -> bytes:
        """What tells it from the next of its name."""
        return _FIXED.unpack_from(self._bytes, 8)[5]

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the array.

        Raises
        ------
        ValueError
            It is none.
        """
        (length,) = struct.unpack_from("=I", self._bytes, _DTYPE)
        try:
            text = self._bytes[_DTYPE + 4 : _DTYPE + 4 + length].decode()
            return np.lib.format.descr_to_dtype(ast.literal_eval(text))
        except (SyntaxError, TypeError, UnicodeDecodeError) as problem:
            raise ValueError(f"the dtype of a control block is damaged: {problem}") from None

    # -- what changes ----------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """How often the layout has changed."""
        return self._words[_GENERATION]

    def change(self, layout: Layout) -> int:
        """Have another layout, under the write lock of everything; return its generation."""
        generation = self._words[_GENERATION] + 1
        shape = (*layout.shape, *(0,) * (64 - len(layout.shape)))
        _LAYOUT.pack_into(
            self._bytes, _LAYOUTS[generation & 1], generation, layout.capacity, layout.first,
            layout.moved, layout.frozen, layout.order == "F", len(layout.shape), *shape,
        )  # fmt: skip
        self._words[_GENERATION] = generation
        return generation

    def layout(self) -> tuple[int, Layout]:
        """Return the generation and its layout, also while somebody changes it."""
        while True:
            generation = self._words[_GENERATION]
            place = _LAYOUTS[generation & 1]
            written, capacity, first, moved, frozen, fortran, ndim, *shape = _LAYOUT.unpack_from(
                self._bytes, place
            )
            if generation == self._words[_GENERATION]:
                if written != generation or ndim > 64:
                    raise ValueError("the control block of a shared array is damaged")
                order = "F" if fortran else "C"
                return generation, Layout(
                    capacity, first, tuple(shape[:ndim]), order, bool(frozen), moved
                )


_ORDER: Any = "little" if struct.pack("=H", 1) == b"\1\0" else "big"
