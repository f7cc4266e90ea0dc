"""The text of an array, read under its lock, and that of an array which is an element of itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade, buffer_of
from lockedarray._array.memory import plain_view

__all__ = ["repr_of", "str_of"]


def repr_of(array: Facade) -> str:
    """Return ``repr(array)``: NumPy's, with the name of the array's class."""
    if buffer_of(array).is_closed:
        return f"<closed shared array {buffer_of(array).name!r}>"
    name = type(array).__name__
    return _text(array, _repr, name, again=f"{name}(..., dtype={array.dtype})")


def str_of(array: Facade) -> str:
    """Return ``str(array)``: NumPy's."""
    if buffer_of(array).is_closed:
        return repr_of(array)
    return _text(array, np.ndarray.__str__, again="...")


def _repr(array: np.ndarray, name: str) -> str:
    return np.array_repr(plain_view(array, _named(name)))


def _text(array: Facade, function: Callable[..., str], *args: Any, again: str) -> str:
    """Return `function` of the array, or `again` of one that is in it: an element of itself."""
    printing = _printing.__dict__.setdefault("arrays", set())
    key = id(array)
    if key in printing:
        return again
    try:
        printing.add(key)  # in here, as Ctrl-C may strike behind it
        return run(function, (array, *args), {})
    finally:
        printing.discard(key)  # for which no memory is needed


_printing = threading.local()


def _named(name: str) -> type[np.ndarray]:
    """Return a plain array type that NumPy prints as `name`."""
    if name not in _names:
        _names[name] = type(name, (np.ndarray,), {})
    return _names[name]


_names: dict[str, type[np.ndarray]] = {}
