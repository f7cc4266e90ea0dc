"""The arguments of an operation: the LockedArrays in them, and what stands for these in a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lockedarray._array.facade import Facade

__all__ = ["PLAIN", "collected", "facades_in", "like", "replaced"]

PLAIN = frozenset(
    {int, float, complex, bool, str, bytes, type(None), slice, type(Ellipsis), np.ndarray}
)
"""Types of what is, and holds, no LockedArray, and is not converted by foreign code."""


def facades_in(*arguments: Any) -> dict[int, Facade]:
    """Return the LockedArrays in `arguments`, values or nested containers of values, by id."""
    return collected(arguments)[0]


def collected(arguments: Iterable[Any]) -> tuple[dict[int, Facade], dict[int, Any]]:
    """Return the LockedArrays in `arguments`, and what is of no type that is known, by id.

    Level by level: a list may contain itself, and be found in itself again.
    """
    found: dict[int, Facade] = {}
    others: dict[int, Any] = {}
    seen: dict[int, Any] = {}
    level = [argument for argument in arguments if type(argument) not in PLAIN]
    for _ in range(_DEEPEST):
        containers = []
        for argument in level:
            if isinstance(argument, Facade):
                found[id(argument)] = argument
            elif isinstance(argument, (np.ndarray, np.generic)):
                continue
            elif not isinstance(argument, (list, tuple, dict)):
                others[id(argument)] = argument
            elif id(argument) not in seen:
                seen[id(argument)] = argument
                containers.append(argument)
        if not containers:
            break
        level = [
            item for within in containers for item in _items(within) if type(item) not in PLAIN
        ]
    return found, others


_DEEPEST = 64 + 2
"""So many containers are around what NumPy can take for a part of an array: its axes, at most, a
list of arrays, and the keyword arguments."""


def _items(container: Any) -> tuple[Any, ...]:
    """Return the items of `container` at one moment: other threads may change it."""
    if isinstance(container, dict):
        return tuple(dict.copy(container).values())
    return tuple(container)


def replaced(
    argument: Any, arrays: dict[int, np.ndarray], memo: dict[int, Any], levels: int = _DEEPEST
) -> Any:
    """Return `argument` with the arrays that stand for LockedArrays and foreign objects in it."""
    if type(argument) in PLAIN:
        return argument
    key = id(argument)
    if key in arrays:
        return arrays[key]
    if not levels or not isinstance(argument, (list, tuple, dict)):
        return argument
    if key in memo:
        return memo[key]
    if isinstance(argument, dict):
        named = dict.copy(argument)
        memo[id(named)] = named  # with what is in it, lest another object get the id of that
        new: Any = memo.setdefault(key, {})
        for name, value in named.items():
            new[name] = replaced(value, arrays, memo, levels - 1)
        changed = any(new[name] is not value for name, value in named.items())
    elif PLAIN.issuperset(map(type, argument)):
        new, changed = argument, False
    else:
        given = tuple(argument)
        memo[id(given)] = given
        items: list[Any] = []
        if isinstance(argument, list):  # one that contains itself goes on containing itself
            memo[key] = items
        for item in given:
            items.append(replaced(item, arrays, memo, levels - 1))
        changed = any(new is not old for new, old in zip(items, given, strict=True))
        new = like(argument, items)
    memo[key] = new if changed else argument
    return memo[key]


def like(container: Any, items: list[Any]) -> Any:
    """Return `items` in a list or tuple of the type of `container`."""
    if isinstance(container, list):
        return items
    make = getattr(type(container), "_make", tuple)  # of a named tuple
    return make(items)
