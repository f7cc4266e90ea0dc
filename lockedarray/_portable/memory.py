"""Acts on the C structure of an ndarray that NumPy offers no Python API for, through ctypes.

NumPy's ``PyArrayObject_fields`` begins, behind the object header, with ``data, nd, dimensions,
strides, base, descr, flags``: that is the *body* here, and has been the same since NumPy 1.7.
The layout is checked against a live array at import.

A body is exchanged in one ``memmove`` that keeps the GIL, so no other thread sees half of it.
Without a GIL it happens with the world stopped: inside the first callback of
``PyUnstable_GC_VisitObjects`` no other thread is attached to the interpreter.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import sysconfig
import threading
from _ctypes import _memmove_addr  # type: ignore[attr-defined]
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lockedarray._holding import holding

__all__ = [
    "address",
    "exchange_bodies",
    "exchange_places",
    "given_back",
    "is_temporary",
    "set_base",
    "set_data",
    "set_dtype",
    "set_length",
    "set_rows",
    "set_writeable",
    "was_exported",
]


class _Body(ctypes.Structure):
    """The fields of an ndarray that say which memory it shows, and how."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("nd", ctypes.c_int),
        ("dimensions", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("base", ctypes.c_void_p),
        ("descr", ctypes.c_void_p),
        ("flags", ctypes.c_int),
    )


class _Rest(ctypes.Structure):
    """What follows the body."""

    _fields_ = (
        ("body", _Body),
        ("weakreflist", ctypes.c_void_p),
        ("buffer_info", ctypes.c_void_p),
        ("mem_handler", ctypes.c_void_p),
    )


_HEADER = object.__basicsize__  # ob_refcnt and ob_type, more without a GIL
_FLAGS_END = _Body.flags.offset + ctypes.sizeof(ctypes.c_int)
_MEM_HANDLER = _HEADER + _Rest.mem_handler.offset
_POINTER = ctypes.sizeof(ctypes.c_void_p)
_WRITEABLE = 0x0400

# PYFUNCTYPE, unlike CFUNCTYPE, keeps the GIL during the call.
_move = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(
    _memmove_addr
)
_incref = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_IncRef", ctypes.pythonapi))
_decref = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("Py_DecRef", ctypes.pythonapi))


def _body(array: np.ndarray) -> _Body:
    return _Body.from_address(id(array) + _HEADER)


def address(array: np.ndarray) -> int:
    """Address of the first element of `array`."""
    return _body(array).data or 0


def was_exported(array: np.ndarray) -> bool:
    """Whether anybody was given a buffer of `array`: a memoryview, say."""
    return bool(_Rest.from_address(id(array) + _HEADER).buffer_info)


def set_data(array: np.ndarray, pointer: int) -> None:
    """Point `array`, which no other thread knows yet, at other bytes."""
    _body(array).data = pointer


def set_length(array: np.ndarray, axis: int, length: int, flags: int) -> None:
    """Set one length in the shape of `array`, and its flags, as `exchange_bodies` would.

    The shape block stays the same, so nothing has to be kept for whoever reads it still.
    """
    body = _body(array)
    body.flags &= flags  # contiguous, meanwhile, only if it is before and after
    place = body.dimensions + axis * ctypes.sizeof(ctypes.c_ssize_t)
    _overwrite(place, ctypes.c_ssize_t(length))
    body.flags = flags


def set_rows(array: np.ndarray, pointer: int, length: int, flags: int) -> None:
    """Set where `array` begins and how long its first axis is, in one step, and its flags.

    The two are words apart from each other, and so written as an array of two with that stride.
    """
    body = _body(array)
    body.flags &= flags
    data, place = id(array) + _HEADER + _Body.data.offset, body.dimensions
    words = (ctypes.c_ssize_t * 2)(pointer, length)
    stride, two = (ctypes.c_ssize_t * 1)(place - data), (ctypes.c_ssize_t * 1)(2)
    target = _Buffer(
        data, None, ctypes.sizeof(words), _POINTER, 0, 1, b"P",
        ctypes.addressof(two), ctypes.addressof(stride), None, None,
    )  # fmt: skip
    _scatter(target, words)
    body.flags = flags


def is_temporary(array: np.ndarray) -> bool:
    """Whether an array is the argument of a call of LockedArray, and else unreachable.

    From Python 3.14 on only C can ask the interpreter that; before, see
    `lockedarray._array.temporaries`.
    """
    return False


def set_base(array: np.ndarray, base: object) -> None:
    """Make `base` the object that `array` keeps alive for its memory."""
    body = _body(array)
    old = body.base
    _incref(base)
    body.base = id(base)
    if old:
        _decref(old)


def set_dtype(array: np.ndarray, dtype: np.dtype) -> None:
    """Give `array`, which no other thread knows yet, another instance of its dtype."""
    body = _body(array)
    old = body.descr
    _incref(dtype)
    body.descr = id(dtype)
    _decref(old)


def set_writeable(array: np.ndarray) -> None:
    """Set the WRITEABLE flag of `array`, without asking what its base allows."""
    _body(array).flags |= _WRITEABLE


def given_back(facade: np.ndarray) -> list[np.ndarray]:
    """Return the raw views that guards have given back and the core keeps; this one keeps none."""
    return []


def exchange_bodies(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Exchange what each pair of arrays shows: memory, shape, strides, base, dtype, flags.

    The first of a pair may be in use by other threads and changes in one step; the second
    must be known to the caller alone.  Who owns the data goes with it.
    """
    _exchange(pairs, only_places=False)


def exchange_places(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Exchange where each pair of arrays lies: memory, base and dtype, of equal shape and strides.

    As `exchange_bodies`, but each keeps its shape block, which whoever reads it can go on reading.
    """
    _exchange(pairs, only_places=True)


def _exchange(pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, only_places: bool) -> None:
    moves: list[tuple[Callable[[int, Any], None], int, Any]] = []
    for shared, private in pairs:
        # The allocator belongs to the owner of the data; nobody looks at it before the end.
        for offset, size, write in (
            (_MEM_HANDLER, _POINTER, _copy_to),
            (_HEADER, _FLAGS_END, _overwrite),
        ):
            one, other = id(shared) + offset, id(private) + offset
            new, old = _copy_of(other, size), _copy_of(one, size)
            if only_places and offset == _HEADER:
                for copy, source in ((new, one), (old, other)):
                    ctypes.memmove(
                        ctypes.addressof(copy) + _Body.nd.offset,
                        source + _Body.nd.offset,
                        _Body.base.offset - _Body.nd.offset,
                    )
            moves.append((write, one, new))
            moves.append((_copy_to, other, old))
    try:
        for write, place, copy in moves:
            write(place, copy)
    except BaseException:  # Ctrl-C: an array left behind would show freed memory one day, and
        for write, place, copy in moves:  # since all is written from copies, it may begin anew
            write(place, copy)
        raise


def _copy_of(place: int, size: int) -> Any:
    copy = ctypes.create_string_buffer(size)
    ctypes.memmove(copy, place, size)
    return copy


def _copy_to(place: int, copy: Any) -> None:
    """Copy the bytes of `copy` to an address, in one call that keeps the GIL."""
    _move(place, ctypes.addressof(copy), ctypes.sizeof(copy))


# How to write, in one step, where other threads may be reading.  With a GIL, keeping it will do.
_overwrite: Callable[[int, Any], None] = _copy_to


class _Buffer(ctypes.Structure):
    """Py_buffer, as `PyBuffer_ToContiguous` and `PyBuffer_FromContiguous` read it."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_from_contiguous = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(_Buffer), ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_char
)(("PyBuffer_FromContiguous", ctypes.pythonapi))


def _scatter_words(target: _Buffer, words: Any) -> None:
    """Copy `words` to where `target` has its items, in one call that keeps the GIL."""
    _from_contiguous(ctypes.pointer(target), ctypes.addressof(words), ctypes.sizeof(words), b"C")


_scatter: Callable[[_Buffer, Any], None] = _scatter_words


def _scatter_with_the_world_stopped(target: _Buffer, words: Any) -> None:
    """Copy as `_copy_with_the_world_stopped` does."""
    place, size = ctypes.addressof(words), ctypes.sizeof(words)
    pointer = ctypes.pointer(target)
    visitor = _Visitor(functools.partial(_from_contiguous, pointer, place, size, b"C"))
    holding(_stopping, _visit_objects, visitor, None)


def _copy_with_the_world_stopped(place: int, copy: Any) -> None:
    """Copy while no other thread is attached to the interpreter.

    Nothing may run there that could wait for a thread that is stopped: no bytecode (a signal
    handler, a finalizer or a collection could strike in it).  So what is called back is all C:
    `functools.partial` of `PyBuffer_ToContiguous`, which copies contiguous bytes, and returns the
    0 that ends the visit; the object visited and its argument come behind, and are ignored.
    """
    size = ctypes.sizeof(copy)
    source = _Buffer(ctypes.addressof(copy), None, size, 1, 1, 1, b"B", None, None, None, None)
    pointer = ctypes.pointer(source)
    visitor = _Visitor(functools.partial(_to_contiguous, place, pointer, size, b"C"))
    holding(_stopping, _visit_objects, visitor, None)


def _after_fork_in_child() -> None:
    global _stopping
    _stopping = threading.RLock()


if sysconfig.get_config_var("Py_GIL_DISABLED"):
    # A fork while the world is stopped leaves a child that can never stop its own (CPython 3.13).
    _stopping = threading.RLock()
    os.register_at_fork(
        before=lambda: _stopping.acquire(),
        after_in_parent=lambda: _stopping.release(),
        after_in_child=_after_fork_in_child,
    )
    _Visitor = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    _visit_objects = ctypes.PYFUNCTYPE(None, _Visitor, ctypes.c_void_p)(
        ("PyUnstable_GC_VisitObjects", ctypes.pythonapi)
    )
    _to_contiguous = ctypes.PYFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.c_ssize_t, ctypes.c_char
    )(("PyBuffer_ToContiguous", ctypes.pythonapi))
    _overwrite = _copy_with_the_world_stopped
    _scatter = _scatter_with_the_world_stopped


def _check_layout() -> None:
    probe: Any = np.zeros((2, 3), dtype="f4")[:, ::2]
    body = _body(probe)
    pointers = ctypes.POINTER(ctypes.c_ssize_t)
    expected = (
        probe.__array_interface__["data"][0],
        probe.ndim,
        probe.shape,
        probe.strides,
        id(probe.base),
        id(probe.dtype),
        probe.flags.num,
    )
    found = (
        body.data,
        body.nd,
        tuple(ctypes.cast(body.dimensions, pointers)[: probe.ndim]),
        tuple(ctypes.cast(body.strides, pointers)[: probe.ndim]),
        body.base,
        body.descr,
        body.flags,
    )
    if found != expected:
        raise ImportError(
            "lockedarray's portable core does not know the layout of this NumPy's arrays "
            f"(NumPy {np.__version__}, Python {sys.version.split()[0]})"
        )


_check_layout()
