"""Checkpoints: the state of an array, or of one of its blocks, in files that a crash leaves whole.

A file is a line of JSON (the header), a line with the checksum of that line, and the bytes of the
array.  The header tells what the bytes are, their number and their checksum; nothing in a file is
ever unpickled or run.

    <file>              the newest checkpoint: a hard link (or a copy) of one of the following
    <file>.g<N>         the newest checkpoint of generation N
    <file>.g<N>.*.tmp   one that is being written, or was when its writer died

where <file> is the path of the checkpoint, or <path>.<block> if the array has several blocks.

Only the owner of generation N writes <file>.g<N>.  One that was replaced, was stopped and comes
back can overwrite what is its own, and the link; the newest generation's file it cannot.  So it is
this file that counts: `newest` looks at all of them, takes the highest generation and in it the
highest number, and believes the link only where it says the same.

Every file gets its name by a rename, after its bytes are on the disk, <file>.g<N> first and the
link after it.  So the link is never newer than the newest of the others.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lockedarray._holding import holding

__all__ = ["Found", "newest", "write"]

_MAGIC = "lockedarray checkpoint"
_VERSION = 1
_BEGINNING = f'{{"magic": "{_MAGIC}", '.encode()
_LONGEST_HEADER = 2**24
_PIECE = 2**24
"""Bytes that are written, read and hashed at once."""

_publishing = threading.RLock()
"""Held while this process gives a file its name, so that a lower number never follows a higher."""


@dataclass(frozen=True)
class Found:
    """A checkpoint that was found.

    Attributes
    ----------
    generation, number : int
        Of which generation it is, and the how-manyth.
    header : dict
        All that the file tells about the array: ``name``, ``block``, ``of``, ``start``,
        ``description`` and so on.
    shape : tuple of int
    dtype : numpy.dtype
    """

    generation: int
    number: int
    header: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype
    files: tuple[str, ...]

    def load(self) -> np.ndarray:
        """Read the array, a new one in the memory order in which it was written.

        Raises
        ------
        ValueError
            If the bytes are not the ones that were written.
        """
        errors = []
        for file in self.files:
            try:
                return _load(file, self)
            except FileNotFoundError:
                errors.append(_was_replaced(file))
            except ValueError as error:
                errors.append(error)
        raise errors[0]


def write(
    path: str | os.PathLike[str],
    array: np.ndarray,
    *,
    name: str,
    generation: int,
    number: int,
    block: int = 0,
    of: int = 1,
    description: Mapping[str, Any],
) -> None:
    """Write a checkpoint; when this returns it is on the disk, and is the newest of its generation.

    If the process dies before that, the one before it is still there.  If meanwhile another
    thread has written one of a higher number, this one is dropped.  The files of older generations
    are removed.

    Parameters
    ----------
    path : str or path-like
        Where; the folder exists.
    array : numpy.ndarray
        What; nobody writes to it meanwhile.  Of any memory layout; it is not copied as a whole.
    name : str
        The array's name; one path has the checkpoints of one array.
    generation, number : int
        Who writes, and its how-manyth checkpoint it is.
    block, of : int
        Which block of the array, of how many.
    description : mapping
        What else is to be kept, anything that JSON can tell; its ``"start"`` (the block's first
        row) is in the header as well.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    RuntimeError
        If a newer generation has written here: this owner was replaced.
    TypeError
        If the dtype has objects, or is not NumPy's own.
    ValueError
        If another array has its checkpoints here.
    """
    file = _file(path, block, of)
    _check_that_it_is_ours(file, name, generation)
    order: Literal["C", "F"] = "C"
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        order = "F"
    checksum = _checksum()
    header = {
        "magic": _MAGIC,
        "version": _VERSION,
        "name": name,
        "generation": int(generation),
        "number": int(number),
        "block": int(block),
        "of": int(of),
        "start": description.get("start"),
        "shape": list(array.shape),
        "dtype": _dtype_to_json(array.dtype),
        "order": order,
        "nbytes": array.nbytes,
        "checksum": checksum.hexdigest(),
        "description": dict(description),
    }
    with _temporary(file, generation) as temporary:
        with open(temporary, "xb") as stream:
            stream.write(_header_to_bytes(header))
            for piece in _pieces(array, order):
                checksum.update(piece)
                stream.write(piece)
            # The checksum is known now; its text is as long as the one that is there.
            header["checksum"] = checksum.hexdigest()
            stream.seek(0)
            stream.write(_header_to_bytes(header))
            _sync(stream)
        holding(_publishing, _publish, temporary, file, name, generation, number)


def newest(
    path: str | os.PathLike[str],
    block: int = 0,
    of: int | None = None,
    *,
    name: str | None = None,
    shape: Sequence[int | None] | None = None,
    dtype: np.dtype | None = None,
) -> Found | None:
    """Return the newest checkpoint of a block, or None if there is none.

    Its header is known to be whole then; that its bytes are, `Found.load` finds out.

    Parameters
    ----------
    path : str or path-like
        Where; the folder exists.
    block, of : int
        Which block, of how many; without `of`, of as many as there are.
    name, shape, dtype : optional
        What it must be.  An axis of `shape` that is None may be of any length.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the newest checkpoint is damaged, or if it is of another array.
    """
    if of is not None:
        files = [_file(path, block, of)]
    elif block == 0:
        files = [_file(path, 0, 1), _file(path, 0, 2)]
    else:
        files = [_file(path, block, block + 1)]
    found = _newest_of(files)
    if found is None and of is not None:
        # Or else what was divided in another way would look as if there were nothing.
        found = _newest_of([_file(path, 0, 2 if of == 1 else 1)])
    if found is None:
        return None
    is_of = found.header["of"]
    if is_of != (is_of if of is None else of) or found.header["block"] != block:
        raise ValueError(
            f"the checkpoint {found.files[0]!r} is block {found.header['block']} of an array in "
            f"{_count(is_of, 'block')}, not block {block}{'' if of is None else f' of {of}'}: use "
            f"shards={is_of}, or another path"
        )
    _check(found.files[0], "name", found.header["name"], name)
    _check(found.files[0], "dtype", found.dtype, dtype)
    if shape is not None:
        known = tuple(shape)
        if len(known) == len(found.shape):
            known = tuple(
                there if n is None else n for n, there in zip(known, found.shape, strict=True)
            )
        _check(found.files[0], "shape", found.shape, known)
    return found


# Names of files


def _file(path: str | os.PathLike[str], block: int, of: int) -> str:
    """Return the name of the newest checkpoint's file, in a folder that exists."""
    path = os.fspath(path)
    folder = os.path.dirname(path) or os.curdir
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT,
            "the folder of the checkpoint does not exist: make it, on every machine that may have "
            "the array, or where all of them see it",
            folder,
        )
    if re.search(r"\.g\d+$", path):
        raise ValueError(
            f"the path of a checkpoint cannot end like {path!r}: the files beside a checkpoint "
            "are called so"
        )
    return path if of == 1 else f"{path}.{block}"


def _beside(file: str) -> Iterator[tuple[int, str, bool]]:
    """Yield (generation, file, whether it is a temporary one) of the files beside one."""
    folder, base = os.path.split(file)
    pattern = re.compile(re.escape(base) + r"\.g(\d+)(\..*\.tmp)?", re.ASCII)
    for entry in os.listdir(folder or os.curdir):
        if match := pattern.fullmatch(entry):
            yield int(match[1]), os.path.join(folder, entry), match[2] is not None


@contextlib.contextmanager
def _temporary(file: str, generation: int) -> Iterator[str]:
    """Yield the name of a file that does not exist, and does not afterwards."""
    temporary = f"{file}.g{generation}.{secrets.token_hex(8)}.tmp"
    try:
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


# Writing


def _pieces(array: np.ndarray, order: Literal["C", "F"]) -> Iterator[memoryview]:
    """Yield the bytes of an array in pieces; copies a piece only if it is not in one."""
    if not array.nbytes:
        return
    nditer: Any = np.nditer  # NumPy's annotations do not know "contig"
    with nditer(
        array,
        flags=["external_loop", "buffered"],
        op_flags=[["readonly", "contig"]],
        order=order,
        buffersize=max(1, _PIECE // array.itemsize),
    ) as pieces:
        for piece in pieces:
            yield piece.view(np.uint8).data


def _check_that_it_is_ours(file: str, name: str, generation: int) -> None:
    """Raise an error if another array, or a newer generation of this one, writes here."""
    beside = [(g, other) for g, other, is_temporary in _beside(file) if not is_temporary]
    latest = max((g for g, _ in beside), default=0)
    for other in (file, *(other for _, other in beside)):
        try:
            header = _read_copy(other).header
        except (FileNotFoundError, ValueError):
            # What is damaged is told when it is read, and is no reason not to write a good one.
            continue
        _check(other, "name", header["name"], name)
        latest = max(latest, header["generation"])
    if latest > generation:
        raise RuntimeError(
            f"the owner of generation {generation} of {name!r} was replaced: generation {latest} "
            f"has written to {file!r}. This checkpoint was not written; attach the array again"
        )


def _publish(temporary: str, file: str, name: str, generation: int, number: int) -> None:
    """Give a file that is on the disk its name, then remove what is older."""
    _check_that_it_is_ours(file, name, generation)  # again: it took a while
    own = f"{file}.g{generation}"
    with contextlib.suppress(FileNotFoundError, ValueError):
        if _read_copy(own).header["number"] > number:
            return
    os.replace(temporary, own)
    _sync_folder(file)
    with _temporary(file, generation) as link:
        _link(own, link)
        os.replace(link, file)
    _sync_folder(file)
    for older, other, is_temporary in list(_beside(file)):
        if older < generation:
            _remove(other, name, is_temporary)


def _link(source: str, target: str) -> None:
    """Make a hard link, or a copy where there are none."""
    try:
        os.link(source, target)
    except (AttributeError, NotImplementedError, OSError):
        shutil.copyfile(source, target)
        with open(target, "r+b") as stream:
            _sync(stream)


def _remove(file: str, name: str, is_temporary: bool) -> None:
    """Remove a file of an older generation, if it is there and is this array's."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        if is_temporary or _read_copy(file).header["name"] == name:
            os.unlink(file)


def _sync(stream: io.BufferedIOBase) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(file: str) -> None:
    """Put the names in a folder on the disk."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    folder = os.open(os.path.dirname(file) or os.curdir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# Reading


@dataclass(frozen=True)
class _Copy:
    """A file whose header is whole."""

    file: str
    header: dict[str, Any]
    problem: str
    """What is wrong with its size; nothing if it is right."""

    @property
    def rank(self) -> tuple[int, int]:
        return self.header["generation"], self.header["number"]


def _read_copy(file: str, generation: int | None = None) -> _Copy:
    """Read the header of a file, which must be of this generation if one is given."""
    with open(file, "rb") as stream:
        header = _read_header(stream, file)
        expected = stream.tell() + header["nbytes"]
        size = os.fstat(stream.fileno()).st_size
    if generation is not None and header["generation"] != generation:
        raise _is_damaged(file, f"it is of generation {header['generation']}")
    return _Copy(file, header, "" if size == expected else f"it has {size} bytes, not {expected}")


def _newest_of(files: list[str]) -> Found | None:
    """Return what has the highest generation and number of some files and those beside them."""
    for _ in range(100):
        # A file that was removed since it was listed: somebody has written a newer one before.
        with contextlib.suppress(FileNotFoundError):
            return _look_at(files)
    return _look_at(files)


def _look_at(files: list[str]) -> Found | None:
    """Look once; FileNotFoundError if a file disappears meanwhile."""
    whole: list[_Copy] = []
    damaged: list[tuple[float, ValueError]] = []  # with the generation
    for file in files:
        beside: list[_Copy] = []
        for generation, other, is_temporary in _beside(file):
            if is_temporary:
                continue
            try:
                beside.append(_read_copy(other, generation))
            except ValueError as error:
                damaged.append((generation, error))
        whole += beside
        # By its name, not from the list: a folder that changes may be listed incompletely.
        try:
            whole.append(_read_copy(file))
        except FileNotFoundError:
            pass
        except ValueError as error:
            # It is not newer than the newest beside it; if there is none, nobody knows how new.
            damaged.append((-1 if beside else math.inf, error))
    highest = max((copy.rank for copy in whole), default=(0, 0))
    for of_generation, damage in damaged:
        if of_generation >= highest[0]:  # if equal, its number may have been higher
            raise damage
    same = [copy for copy in whole if copy.rank == highest]
    if not same:
        return None
    good = [copy for copy in same if not copy.problem]
    if not good:
        raise _is_damaged(same[0].file, same[0].problem)
    header = good[0].header
    return Found(
        *highest,
        header=header,
        shape=tuple(header["shape"]),
        dtype=_dtype_from_json(header["dtype"]),
        files=tuple(copy.file for copy in good),
    )


def _load(file: str, found: Found) -> np.ndarray:
    """Read and check the bytes of a file."""
    header = found.header
    with open(file, "rb") as stream:
        if _read_header(stream, file) != header:
            raise _was_replaced(file)
        array = np.empty(found.shape, found.dtype, order=header["order"])
        if array.nbytes:
            content = array.reshape(-1, order=header["order"]).view(np.uint8).data
        else:
            content = memoryview(b"")
        checksum = _checksum()
        for at in range(0, array.nbytes, _PIECE):
            piece = content[at : at + _PIECE]
            _read_into(piece, stream, file)
            checksum.update(piece)
        if stream.read(1):
            raise _is_damaged(file, "bytes follow its end")
    if checksum.hexdigest() != header["checksum"]:
        raise _is_damaged(file, "the checksum of its data is another one")
    return array


def _read_into(piece: memoryview, stream: io.BufferedIOBase, file: str) -> None:
    """Fill a piece."""
    while piece:
        count = stream.readinto(piece)
        if not count:
            raise _is_damaged(file, "bytes are missing at its end")
        piece = piece[count:]


def _was_replaced(file: str) -> ValueError:
    return ValueError(
        f"the checkpoint {file!r} was replaced by another one since it was found: somebody writes "
        "there; look for the newest again"
    )


def _is_damaged(file: str, how: str) -> ValueError:
    return ValueError(
        f"the checkpoint {file!r} is damaged: {how}. Put a copy in its place; or move it and the "
        "files beside it away, and what was in the array is given up, or is that of an older file"
    )


def _check(file: str, what: str, there: object, expected: object) -> None:
    if expected is not None and there != expected:
        asked = repr(expected).replace("None", "n")  # an axis of any length
        raise ValueError(
            f"the checkpoint {file!r} is of an array with {what} {there!r}, not {asked}: use "
            "another path, or move the file away"
        )


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


# Headers


def _checksum() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=32)


def _header_to_bytes(header: dict[str, Any]) -> bytes:
    """Return the two lines before the data."""
    line = json.dumps(header).encode() + b"\n"
    if len(line) > _LONGEST_HEADER:
        raise ValueError(
            f"the dtype and description of a checkpoint take {len(line)} bytes, more than "
            f"{_LONGEST_HEADER}: describe less"
        )
    return line + _line_of_checksum(line)


def _line_of_checksum(line: bytes) -> bytes:
    checksum = _checksum()
    checksum.update(line)
    return checksum.hexdigest().encode() + b"\n"


def _read_header(stream: io.BufferedIOBase, file: str) -> dict[str, Any]:
    """Read a header, up to the first byte of the data; ValueError if it is not whole."""
    line = stream.readline(_LONGEST_HEADER)
    if not line.startswith(_BEGINNING):
        raise _is_damaged(file, "it does not begin as a checkpoint does")
    expected = _line_of_checksum(line)
    if stream.read(len(expected)) != expected:
        raise _is_damaged(file, "the checksum of its header is another one")
    header: dict[str, Any] = json.loads(line)
    if header["version"] != _VERSION:
        raise ValueError(
            f"the checkpoint {file!r} is of version {header['version']} of the format, and this "
            f"lockedarray reads version {_VERSION}: use the one that wrote it"
        )
    # A checksum proves that nothing has changed, not that who wrote it meant well.
    try:
        dtype = _dtype_from_json(header["dtype"])
        is_sound = math.prod(header["shape"]) * dtype.itemsize == header["nbytes"]
    except (KeyError, TypeError, ValueError) as error:
        raise _is_damaged(file, f"its header makes no sense here ({error})") from error
    if dtype.hasobject or not is_sound:
        raise _is_damaged(file, "its header contradicts itself")
    return header


def _dtype_to_json(dtype: np.dtype) -> Any:
    """Return what tells a dtype exactly, with offsets, titles and alignment."""
    told = _describe_dtype(dtype)
    try:
        if dtype.hasobject or _dtype_from_json(json.loads(json.dumps(told))) != dtype:
            raise TypeError
    except (TypeError, ValueError):
        raise TypeError(
            f"an array of dtype {dtype!r} cannot be in a checkpoint: numbers, times, strings of a "
            "fixed length and records of them can"
        ) from None
    return told


def _describe_dtype(dtype: np.dtype) -> Any:
    # `dtype.descr` cannot tell fields that overlap or are in another order than their offsets.
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": _describe_dtype(base), "shape": list(shape)}
    if dtype.names is None or dtype.fields is None:
        return dtype.str
    fields = [dtype.fields[name] for name in dtype.names]
    return {
        "names": list(dtype.names),
        "formats": [_describe_dtype(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
        "record": issubclass(dtype.type, np.record),
    }


def _dtype_from_json(told: Any) -> np.dtype:
    """Return the dtype; text alone is looked at, nothing is run."""
    if isinstance(told, str):
        return np.dtype(told)
    if "base" in told:
        return np.dtype((_dtype_from_json(told["base"]), tuple(told["shape"])))
    dtype = np.dtype(
        {
            "names": told["names"],
            "formats": [_dtype_from_json(each) for each in told["formats"]],
            "offsets": told["offsets"],
            "titles": told["titles"],
            "itemsize": told["itemsize"],
            "aligned": told["aligned"],
        }
    )
    return np.dtype((np.record, dtype)) if told["record"] else dtype
