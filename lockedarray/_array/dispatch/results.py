"""The results of an operation: what shares memory with a LockedArray is one, on the same Buffer."""

from __future__ import annotations

from typing import Any

import numpy as np

from lockedarray._array.dispatch.arguments import like
from lockedarray._array.facade import Facade, make_view
from lockedarray._array.memory import memory_of
from lockedarray._array.voids import detached

__all__ = ["is_view", "wrapped", "wrapped_view"]


def _shares(result: np.ndarray, facades: dict[int, Facade]) -> Facade | None:
    memory = memory_of(result)
    buffer = memory.buffer() if memory is not None and memory.buffer is not None else None
    if buffer is not None:  # a resize may have moved it to other memory meanwhile
        for facade in facades.values():
            if facade._buffer is buffer:
                return facade
    return None


def wrapped(
    result: Any, facades: dict[int, Facade], raws: dict[int, np.ndarray], read_only: bool
) -> Any:
    """Return `result` with LockedArrays in place of arrays that share memory with one."""
    kind = type(result)
    if kind is np.ndarray:
        for key, raw in raws.items():
            if result is raw:
                return facades[key]
        template = _shares(result, facades)
        if template is None:
            return result
        return make_view(result, template, template._may_write and not read_only)
    if isinstance(result, np.void):
        return detached(result)
    if isinstance(result, (tuple, list)):
        items = [wrapped(item, facades, raws, read_only) for item in result]
        if all(new is old for new, old in zip(items, result, strict=True)):
            return result
        return like(result, items)
    return result


def wrapped_view(result: Any, facade: Facade) -> Any:
    """Return what NumPy returned for a raw view of `facade`, with its views locked."""
    return wrapped(result, {id(facade): facade}, {}, False)


def is_view(result: Any, raws: dict[int, np.ndarray]) -> bool:
    """Whether nothing in `result` is new memory that was filled from a LockedArray."""
    if isinstance(result, (tuple, list)):
        return all(is_view(item, raws) for item in result)
    if isinstance(result, np.ndarray):
        return memory_of(result) is not None or not raws
    return False
