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
    """Return the LockedArrays in `arguments`, and what is of no type that is known, by id."""
    found: dict[int, Facade] = {}
    others: dict[int, Any] = {}
    seen: set[int] = set()
    for argument in arguments:
        if type(argument) not in PLAIN:
            _collect(argument, found, others, seen)
    return found, others


def _collect(
    argument: Any, found: dict[int, Facade], others: dict[int, Any], seen: set[int]
) -> None:
    if isinstance(argument, Facade):
        found[id(argument)] = argument
    elif type(argument) in PLAIN or isinstance(argument, (np.ndarray, np.generic)):
        return
    elif not isinstance(argument, (list, tuple, dict)):
        others[id(argument)] = argument
    elif id(argument) not in seen:  # a list may contain itself
        seen.add(id(argument))
        for item in argument.values() if isinstance(argument, dict) else argument:
            _collect(item, found, others, seen)


def replaced(argument: Any, arrays: dict[int, np.ndarray], memo: dict[int, Any]) -> Any:
    """Return `argument` with the arrays that stand for LockedArrays and foreign objects in it."""
    if type(argument) in PLAIN:
        return argument
    key = id(argument)
    if key in arrays:
        return arrays[key]
    if not isinstance(argument, (list, tuple, dict)):
        return argument
    if key in memo:
        return memo[key]
    if isinstance(argument, dict):
        new: Any = memo.setdefault(key, {})
        new.update((name, replaced(value, arrays, memo)) for name, value in argument.items())
        changed = any(new[name] is not value for name, value in argument.items())
    elif PLAIN.issuperset(map(type, argument)):
        new, changed = argument, False
    else:
        items: list[Any] = []
        if isinstance(argument, list):  # one that contains itself goes on containing itself
            memo[key] = items
        items.extend(replaced(item, arrays, memo) for item in argument)
        changed = any(new is not old for new, old in zip(items, argument, strict=True))
        new = like(argument, items)
    memo[key] = new if changed else argument
    return memo[key]


def like(container: Any, items: list[Any]) -> Any:
    """Return `items` in a list or tuple of the type of `container`."""
    if isinstance(container, list):
        return items
    make = getattr(type(container), "_make", tuple)  # of a named tuple
    return make(items)
