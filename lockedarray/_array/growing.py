"""``x.append``, ``x.popleft`` and ``x.assign``: the general versions, for all arguments."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.buffer import Buffer
from lockedarray._array.dispatch.arguments import facades_in, replaced
from lockedarray._array.facade import Facade, buffer_of, check_may_write, raw_view
from lockedarray._array.memory import plain_view
from lockedarray._array.resizing import refuse_frozen, refuse_immovable, refuse_view
from lockedarray._cores import Holds

__all__ = ["append", "assign", "popleft"]

_SCALARS = (np.generic, int, float, complex, str, bytes, type(None))


def append(array: Facade, values: Any) -> int:
    """Do what ``array.append(values)`` asks for."""

    def put(buffer: Buffer, made: np.ndarray) -> int:
        rows = made[None] if made.ndim == array.ndim - 1 else made
        _check_rows(array, "append", rows, array.shape[1:], made)
        first = len(array)
        if len(rows):
            buffer.change(buffer.append, array, rows)
        return first

    return _grown(array, values, put, "append")


def assign(array: Facade, values: Any) -> None:
    """Do what ``array.assign(values)`` asks for."""

    def put(buffer: Buffer, made: np.ndarray) -> None:
        _check_rows(array, "assign", made, None, made)
        if array.dtype.hasobject or np.may_share_memory(made, buffer.root):
            made = made.copy()
        buffer.change(fill, buffer, made)

    def fill(buffer: Buffer, made: np.ndarray) -> None:
        if made.shape == array.shape:
            raw_view(array, write=True)[...] = made
        else:
            buffer.assign(array, made, "C" if array.flags.c_contiguous else "F")

    _grown(array, values, put, "assign")


def popleft(array: Facade, n: Any) -> np.ndarray:
    """Do what ``array.popleft(n)`` asks for."""
    count = operator.index(n)
    if count < 0:
        raise ValueError(f"cannot popleft: n must not be negative, but is {count}")
    refuse_view(array, "lose rows", "popleft")
    buffer = buffer_of(array)
    holds = Holds([(buffer.lock, True)])
    try:
        holds.acquire()
        _check_may_grow(array, buffer, "popleft")
        if count > len(array):
            raise IndexError(f"cannot remove {count} rows: there are {len(array)}")
        return buffer.change(buffer.popleft, array, count)
    finally:
        holds.release()


def _grown(array: Facade, values: Any, put: Callable[[Buffer, np.ndarray], Any], what: str) -> Any:
    """Call `put` with an array of `values`, under the lock of all of `array` and of theirs."""
    refuse_view(array, "grow", what)
    is_element = what == "append" and array.ndim == 1
    facades = facades_in(values)
    made = None if facades else _made(values, array, is_element)
    buffer = buffer_of(array)
    requests = [buffer_of(facade).request(facade, False) for facade in facades.values()]
    holds = Holds([(buffer.lock, True), *(request for request in requests if request is not None)])
    try:
        holds.acquire()
        _check_may_grow(array, buffer, what)
        if made is None:
            buffer.check_idle()
            raws = {key: raw_view(facade, write=False) for key, facade in facades.items()}
            made = _made(_plain(values, raws), array, is_element)
        return put(buffer, made)
    finally:
        holds.release()


def _plain(values: Any, raws: dict[int, np.ndarray]) -> Any:
    return replaced(values, raws, {})


def _check_may_grow(array: Facade, buffer: Buffer, what: str) -> None:
    refuse_frozen(buffer, what)
    check_may_write(array)
    refuse_immovable(array, buffer, what)
    if what == "assign":
        return
    if array.ndim == 0:
        raise ValueError(
            f"cannot {what}: an array without axes has no rows; x.resize(1) gives it one axis"
        )
    if not array.flags.c_contiguous:
        raise ValueError(
            f"cannot {what}: this array is in Fortran order, in which rows are not added or "
            "removed; make the array with order='C'"
        )


def _check_rows(
    array: Facade, what: str, rows: np.ndarray, row: tuple[int, ...] | None, given: np.ndarray
) -> None:
    """Raise ValueError unless `rows` fit; `given`, of the shape `row`, was to be one of them."""
    if rows.ndim != array.ndim or rows.shape[1:] != array.shape[1:]:
        sizes = ", ".join(["n", *map(str, array.shape[1:])]) if array.ndim else ""
        shapes = f"({sizes},)" if array.ndim == 1 else f"({sizes})"
        wanted = shapes if row is None else f"{row} or {shapes}"
        raise ValueError(
            f"cannot {what} values of shape {given.shape} to an array of shape {array.shape}: "
            f"they must have shape {wanted}, as nothing is broadcast"
        )


def _made(values: Any, array: Facade, is_element: bool) -> np.ndarray:
    """Return a plain array of `values` in the dtype of `array`, cast as by an assignment.

    What is no array is one element where `array` has one axis, and its elements are objects;
    to `assign` it is a list of them.
    """
    dtype = array.dtype
    if isinstance(values, np.ndarray):
        plain = plain_view(values, np.ndarray)
        if plain.dtype == dtype and not isinstance(dtype, np.dtypes.StringDType):
            return plain
        made = np.empty(plain.shape, dtype)
        made[...] = plain
        return made
    objects = dtype.kind == "O" and array.ndim == 1
    if is_element and (objects or isinstance(values, _SCALARS) or type(values) is tuple):
        if objects or dtype.names is not None or not isinstance(values, tuple):
            made = np.empty(1, dtype)
            made[0] = values
            return made.reshape(())
    if objects and isinstance(values, (list, tuple)):
        made = np.empty(len(values), dtype)
        made[:] = values
        return made
    return np.asarray(values, dtype=dtype)
