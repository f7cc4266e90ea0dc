"""What travels: requests and results as bytes, in chunks where they are large.

They are pickled here, and not by Dask, so that a result is bytes before its lock is let go: what
`distributed` is given to pickle it may pickle later, when others write to the same memory.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, NamedTuple, TypeAlias

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
    "sendable",
    "size_text",
    "unpack",
]

CHUNK = 16 * 2**20
"""Bytes of a message at most."""

_DEFAULT_LIMIT = "1 GiB"


class Outcome(NamedTuple):
    """How a call ended.  It is passed on as a value: a coroutine cannot raise StopIteration."""

    error: BaseException | None
    value: Any

    def unwrap(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


Message: TypeAlias = "bytes | memoryview"
"""What `pack` returns: bytes, or memory of its own if that is large."""

_SMALL = 2**16  # bytes

_ALIGNED = 64  # bytes: where arrays begin in a message


def pack(value: Any) -> Message:
    """Return `value` as bytes of their own; functions of a main module are pickled by value.

    They are lengths, a pickle, and the memory of arrays, which is copied once (PEP 574).
    """
    buffers: list[pickle.PickleBuffer] = []
    head = _pickled(value, buffers)
    parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    lengths = np.array([len(parts), *map(len, parts)], np.int64).tobytes()
    ends, at = [], len(lengths)
    for part in parts:
        at += -at % _ALIGNED
        ends.append((at, part))
        at += len(part)
    memory = np.empty(at, np.uint8).data
    memory[: len(lengths)] = lengths
    for start, part in ends:
        memory[start : start + len(part)] = part
    return bytes(memory) if at <= _SMALL else memory


def sendable(message: Message) -> bytes | np.ndarray:
    """Return a message as Dask sends it without a copy, if it is large: as an array."""
    return message if isinstance(message, bytes) else np.frombuffer(message, np.uint8)


def _pickled(value: Any, buffers: list[pickle.PickleBuffer]) -> bytes:
    # Python's own pickle is much quicker, and is enough for what names no main module.
    try:
        head = pickle.dumps(value, 5, buffer_callback=buffers.append)
        if b"__main__" not in head:
            return head
    except Exception:  # a lambda, for example
        pass
    buffers.clear()
    return bytes(
        distributed_pickle.dumps(value, buffer_callback=buffers.append)  # type: ignore[no-untyped-call]
    )


def unpack(message: Any) -> Any:
    """Return the value of such bytes; arrays in it show their memory."""
    memory = memoryview(message)
    count = int.from_bytes(memory[:8], sys.byteorder)
    lengths = np.frombuffer(memory, np.int64, count, 8).tolist()
    parts, at = [], 8 * (count + 1)
    for length in lengths:
        at += -at % _ALIGNED
        parts.append(memory[at : at + length])
        at += length
    return pickle.loads(parts[0], buffers=parts[1:])


def pack_function(function: Any) -> bytes:
    """Return a function as bytes, whatever it closes over; they travel in a message."""
    return bytes(pack(function))


def pack_error(error: BaseException) -> Message:
    """Return an outcome that is an error; one that cannot be pickled is told by its text."""
    try:
        packed = pack(Outcome(error, None))
        unpack(packed)  # some can be pickled and not be made anew
        return packed
    except Exception:
        told = RuntimeError(f"{type(error).__name__}: {error}")
        return pack(Outcome(told, None))


def chunks(message: Message) -> list[tuple[int, np.ndarray]]:
    """Return the parts of a message, each with its offset; Dask sends arrays without a copy."""
    view = np.frombuffer(message, np.uint8)
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
