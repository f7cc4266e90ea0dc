"""The results of an operation: what shares memory with a LockedArray is one, on the same Buffer.

A result is what NumPy made in this call, and nothing else refers to: an element of an array of
objects, or an argument that is handed through, is handed out as it is.  What tells them apart is
the number of references.  So a result is looked at in a list of its own, `box`, and counted there
before anything else refers to it.

A debugger, or what traces, may keep what functions return.  Where no result can be an element, an
array that shares the memory, and was not given, is a result for all that.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from lockedarray._array.dispatch.arguments import like
from lockedarray._array.facade import Facade, make_view
from lockedarray._array.memory import memory_of
from lockedarray._array.voids import detached

__all__ = ["WHOLE", "is_new", "is_view", "wrapped", "wrapped_of_several", "wrapped_view"]

WHOLE = 2 * 64
"""So deep are lists of records that NumPy makes: axes, and records in records."""

_NESTED = 2
"""So deep are all others, and no deeper."""


def _references(container: Any) -> list[int]:
    """Return how often each item is referred to; all in C, which borrows no reference."""
    return list(map(sys.getrefcount, container))


_ONE = _references([object()])[0]


def is_new(box: list[Any]) -> bool:
    """Whether nothing refers to the one item of `box` but `box`, as where NumPy just made it."""
    return _references(box)[0] == _ONE


def _shares(result: np.ndarray, facades: dict[int, Facade]) -> Facade | None:
    memory = memory_of(result)
    buffer = memory.buffer() if memory is not None and memory.buffer is not None else None
    if buffer is not None:  # a resize may have moved it to other memory meanwhile
        for facade in facades.values():
            if facade._buffer is buffer:
                return facade
    return None


def _is_made_of_several(kind: type) -> bool:
    """Whether it is a list or tuple as NumPy's functions return: a named tuple of theirs, too."""
    return (
        kind is tuple
        or kind is list
        or (issubclass(kind, tuple) and kind.__module__.partition(".")[0] == "numpy")
    )


def wrapped(
    box: list[Any],
    facades: dict[int, Facade],
    raws: dict[int, np.ndarray],
    read_only: bool,
    levels: int = _NESTED,
    given: tuple[Any, ...] | None = None,
) -> Any:
    """Return the result in `box` with LockedArrays in place of arrays that share memory with one.

    Parameters
    ----------
    box : list
        Of the result alone; nothing else that the caller has refers to it.
    levels : int
        So deep NumPy nests lists and tuples in what the function returns.
    given : tuple, optional
        The arguments of a function that returns no elements and nothing of its own but arrays.
    """
    if type(box[0]) in _PLAIN:
        return box[0]
    new = is_new(box) or _is_made(box[0], given)
    return _wrapped(box[0], new, facades, raws, read_only, levels, given)


def _is_made(result: Any, given: Any, levels: int = _NESTED) -> bool:
    """Whether NumPy made `result`, which others refer to: it is not `given`, nor an item of it."""
    if given is None or result is given:
        return False
    if levels == 0 or not isinstance(given, (tuple, list)):
        return True
    return all(_is_made(result, item, levels - 1) for item in given)


_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None), np.float64, np.int64})
"""Types of most results that are no arrays."""


def _wrapped(
    result: Any,
    new: bool,
    facades: dict[int, Facade],
    raws: dict[int, np.ndarray],
    read_only: bool,
    levels: int,
    given: tuple[Any, ...] | None,
) -> Any:
    kind = type(result)
    if kind is np.ndarray:
        for key, raw in raws.items():
            if result is raw:
                return facades[key]
        template = _shares(result, facades) if new else None
        if template is None:
            return result
        return make_view(result, template, template._may_write and not read_only)
    if not new:
        return result
    if isinstance(result, np.void):
        return detached(result) if _have_records(facades) else result
    if levels and _is_made_of_several(kind):
        news = [count == _ONE for count in _references(result)]
        items = [
            _wrapped(
                item, new or _is_made(item, given), facades, raws, read_only, levels - 1, given
            )
            for item, new in zip(result, news, strict=True)
        ]
        if all(new is old for new, old in zip(items, result, strict=True)):
            return result
        return like(result, items)
    return result


def _have_records(facades: dict[int, Facade]) -> bool:
    return any(issubclass(facade.dtype.type, np.void) for facade in facades.values())


def wrapped_view(box: list[Any], facade: Facade, raw: np.ndarray) -> Any:
    """Return what NumPy returned for `raw`, a raw view of `facade`, with its views locked."""
    key = id(facade)
    levels = WHOLE if issubclass(facade.dtype.type, np.void) else _NESTED
    return wrapped(box, {key: facade}, {key: raw}, False, levels)


def wrapped_of_several(
    box: list[Any],
    facades: tuple[Facade, ...],
    raws: tuple[np.ndarray, ...],
    read_only: bool,
    given: tuple[Any, ...] | None,
) -> Any:
    """Return what NumPy returned for `raws`, the raw views of `facades`, with its views locked."""
    by_id = {id(facade): facade for facade in facades}
    levels = WHOLE if _have_records(by_id) else _NESTED
    return wrapped(box, by_id, dict(zip(by_id, raws, strict=True)), read_only, levels, given)


def is_view(result: Any, raws: dict[int, np.ndarray], levels: int = _NESTED) -> bool:
    """Whether nothing in `result` is new memory that was filled from a LockedArray."""
    kind = type(result)
    if kind is tuple or kind is list:
        return levels > 0 and all(is_view(item, raws, levels - 1) for item in result)
    if isinstance(result, np.ndarray):
        return memory_of(result) is not None or not raws
    return False
