"""Structured scalars: copies that refuse assignment.

``array[i]`` of a structured dtype is an `numpy.void` that shows the array's memory, and
assigning to its fields writes there.  No lock could see that, so what a LockedArray gives out
is a copy, and an assignment to it is an error instead of a write that goes nowhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["RECORDS", "copied_dtype", "detached"]

_REFUSAL = (
    "assignment destination is read-only: this is a copy of one record of a LockedArray; "
    "assign through the array: x['field'][i] = value, or x[i] = record"
)


class _ReadOnly:
    """Rewords NumPy's refusal to assign to a record that is not writable."""

    __slots__ = ()

    @property
    def dtype(self) -> np.dtype:
        dtype = super().dtype  # type: ignore[misc]
        return np.dtype((_NUMPY_CLASSES[type(self)], dtype))

    def __repr__(self) -> str:
        name = _NUMPY_CLASSES[type(self)].__name__
        return f"np.{name}({self}, dtype={np.dtype((np.void, self.dtype))})"

    def __setitem__(self, key: Any, value: Any) -> None:
        try:
            super().__setitem__(key, value)  # type: ignore[misc]
        except ValueError as problem:
            raise ValueError(_REFUSAL) from problem

    def setfield(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().setfield(*args, **kwargs)  # type: ignore[misc]
        except (ValueError, RuntimeError) as problem:
            raise ValueError(_REFUSAL) from problem


class void(_ReadOnly, np.void):  # type: ignore[misc]  # noqa: N801 - named as NumPy's class
    """A record copied out of a LockedArray."""

    __slots__ = ()


class record(_ReadOnly, np.record):  # type: ignore[misc]  # noqa: N801
    """A record of a record array, copied out of a LockedArray."""

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except (ValueError, RuntimeError) as problem:
            raise ValueError(_REFUSAL) from problem


_CLASSES: dict[type, type] = {np.void: void, np.record: record}
_NUMPY_CLASSES = {ours: numpys for numpys, ours in _CLASSES.items()}

RECORDS: tuple[type, ...] = (np.record, void, record)
"""Types of records, besides `numpy.void`, that run no foreign code where they are assigned."""


def copied_dtype(dtype: np.dtype) -> np.dtype | None:
    """Return the dtype of copies of records of an array of `dtype`; None: they have that."""
    cls = _CLASSES.get(dtype.type)
    return None if cls is None or dtype.names is None else np.dtype((cls, dtype))


def detached(scalar: np.void) -> np.void:
    """Return a read-only copy of `scalar`; the caller holds a lock on the memory it shows."""
    dtype = scalar.dtype
    copy: Any = np.empty((), dtype)
    copy[()] = scalar
    copy.setflags(write=False)
    ours = copied_dtype(dtype)
    if ours is not None:
        copy = copy.view(ours)
    return copy[()]
