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
import sys
import sysconfig
from _ctypes import _memmove_addr  # type: ignore[attr-defined]
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["address", "exchange_bodies", "set_base", "set_data", "set_length", "set_writeable"]


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


def _copy_of(place: int, size: int) -> Any:
    copy = ctypes.create_string_buffer(size)
    ctypes.memmove(copy, place, size)
    return copy


def address(array: np.ndarray) -> int:
    """Address of the first element of `array`."""
    return _body(array).data or 0


def set_data(array: np.ndarray, pointer: int) -> None:
    """Point `array`, which no other thread knows yet, at other bytes."""
    _body(array).data = pointer


def set_length(array: np.ndarray, axis: int, length: int, flags: int) -> None:
    """Set one length in the shape of `array`, and its flags, as `exchange_bodies` would.

    The shape block stays the same, so nothing has to be kept for whoever reads it still.
    """
    body = _body(array)
    lengths = ctypes.cast(body.dimensions, ctypes.POINTER(ctypes.c_ssize_t))

    def store() -> None:
        body.flags &= flags  # contiguous, meanwhile, only if it is before and after
        lengths[axis] = length
        body.flags = flags

    _in_one_step(store)


def set_base(array: np.ndarray, base: object) -> None:
    """Make `base` the object that `array` keeps alive for its memory."""
    body = _body(array)
    old = body.base
    _incref(base)
    body.base = id(base)
    if old:
        _decref(old)


def set_writeable(array: np.ndarray) -> None:
    """Set the WRITEABLE flag of `array`, without asking what its base allows."""
    _body(array).flags |= _WRITEABLE


def exchange_bodies(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Exchange what each pair of arrays shows: memory, shape, strides, base, dtype, flags.

    The first of a pair may be in use by other threads and changes in one step; the second
    must be known to the caller alone.  Who owns the data goes with it.
    """
    moves: list[tuple[int, Any, int]] = []
    for shared, private in pairs:
        # The allocator belongs to the owner of the data; nobody looks at it before the end.
        for offset, size in ((_HEADER, _FLAGS_END), (_MEM_HANDLER, _POINTER)):
            one, other = id(shared) + offset, id(private) + offset
            moves.append((one, _copy_of(other, size), size))
            moves.append((other, _copy_of(one, size), size))

    def move() -> None:  # from copies: where an exception stops it, it may begin anew
        for place, copy, size in moves:
            _move(place, ctypes.addressof(copy), size)

    _in_one_step(move)


def _to_the_end(act: Callable[[], None]) -> None:
    """Do all of `act`: an array that Ctrl-C left behind would show freed memory one day."""
    try:
        act()
    except BaseException:
        act()
        raise


def _with_the_world_stopped(act: Callable[[], None]) -> None:
    problems: list[BaseException] = []
    done = False

    def once(_object: int | None, _argument: int | None) -> int:
        nonlocal done
        if not done:
            done = True
            try:
                _to_the_end(act)
            except BaseException as problem:  # ctypes would print it and go on
                problems.append(problem)
        return 0  # visit no further object

    _visit_objects(_Visitor(once), None)
    if problems:
        raise problems[0]


# With a GIL each exchange is one call that keeps it.
_in_one_step: Callable[[Callable[[], None]], None] = _to_the_end
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    _Visitor = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    _visit_objects = ctypes.PYFUNCTYPE(None, _Visitor, ctypes.c_void_p)(
        ("PyUnstable_GC_VisitObjects", ctypes.pythonapi)
    )
    _in_one_step = _with_the_world_stopped


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
