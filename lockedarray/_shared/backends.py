"""Which backend locks an array: ``LOCKEDARRAY_SHARED`` chooses for those that are made here."""

from __future__ import annotations

import os
from typing import Any

from lockedarray._shared.record_locks import RecordLocks
from lockedarray._shared.robust import Robust

__all__ = ["chosen", "of", "unavailable"]

# By the names that LOCKEDARRAY_SHARED takes, the best one first.
_BACKENDS: dict[str, type[Any]] = {"robust": Robust, "fcntl": RecordLocks}


def chosen() -> type[Any]:
    """Return the backend of new arrays.

    Raises
    ------
    ImportError
        ``LOCKEDARRAY_SHARED`` names none, or one that is not there.
    """
    name = os.environ.get("LOCKEDARRAY_SHARED", "")
    if name:
        if name not in _BACKENDS or not _BACKENDS[name].is_available():
            there = [known for known, backend in _BACKENDS.items() if backend.is_available()]
            raise ImportError(f"LOCKEDARRAY_SHARED={name!r} is none of those here: {there}")
        return _BACKENDS[name]
    return next(backend for backend in _BACKENDS.values() if backend.is_available())


def of(code: int) -> type[Any]:
    """Return the backend whose number a header has."""
    return next(backend for backend in _BACKENDS.values() if backend.code == code)


def unavailable(code: int) -> str | None:
    """Say why the backend of that number cannot be used, or None."""
    for name, backend in _BACKENDS.items():
        if backend.code == code:
            if backend.is_available():
                return None
            return f"is locked by the backend {name!r}, which is not here: see LOCKEDARRAY_SHARED"
    return "is locked by a backend that this lockedarray does not have"
