"""What travels: requests and results as bytes, in chunks where they are large.

They are pickled here, and not by Dask, so that a result is bytes before its lock is let go: what
`distributed` is given to pickle it may pickle later, when others write to the same memory.
"""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import dask
import numpy as np
from dask.utils import parse_bytes
from distributed.protocol import pickle as distributed_pickle

from lockedarray._distributed.errors import would_move

__all__ = [
    "CHUNK",
    "Outcome",
    "check_transfer",
    "chunks",
    "dtype_from_wire",
    "dtype_to_wire",
    "pack",
    "pack_error",
    "pack_function",
    "size_text",
    "unpack",
]

CHUNK = 16 * 2**20
"""Bytes of a message at most."""

_DEFAULT_LIMIT = "1 GiB"


class Outcome(NamedTuple):
    """How a call ended.  It is passed on as a value: a coroutine can not raise StopIteration."""

    error: BaseException | None
    value: Any

    def unwrap(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


def pack(value: Any) -> bytes:
    """Return `value` as bytes; functions of a program's main module are pickled by value."""
    return bytes(distributed_pickle.dumps(value))  # type: ignore[no-untyped-call]


def unpack(message: bytes | bytearray | memoryview) -> Any:
    """Return the value of such bytes."""
    return pickle.loads(message)


def pack_function(function: Any) -> bytes:
    """Return a function as bytes, whatever it closes over."""
    return bytes(distributed_pickle.dumps(function))  # type: ignore[no-untyped-call]


def pack_error(error: BaseException) -> bytes:
    """Return an outcome that is an error; one that can not be pickled is told by its text."""
    try:
        packed = pack(Outcome(error, None))
        unpack(packed)  # some can be pickled and not be made anew
        return packed
    except Exception:
        told = RuntimeError(f"{type(error).__name__}: {error}")
        return pack(Outcome(told, None))


def chunks(message: bytes) -> list[tuple[int, memoryview]]:
    """Return the parts of a message, each with its offset."""
    view = memoryview(message)
    return [(at, view[at : at + CHUNK]) for at in range(0, len(view), CHUNK)]


def dtype_to_wire(dtype: np.dtype) -> str:
    """Return text that tells a dtype, with its fields, offsets and alignment."""
    return pickle.dumps(dtype, 0).decode("latin-1")


def dtype_from_wire(text: str) -> np.dtype:
    """Return the dtype."""
    return pickle.loads(text.encode("latin-1"))


def size_text(nbytes: int) -> str:
    """Return a number of bytes as people read it, such as "2.1 GB"."""
    size = float(nbytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def check_transfer(what: str, nbytes: int) -> None:
    """Raise ValueError if so many bytes are more than an operation moves without being told to."""
    limit = parse_bytes(dask.config.get("lockedarray.transfer-limit", _DEFAULT_LIMIT))
    if nbytes > limit:
        raise would_move(what, size_text(nbytes), size_text(limit))
