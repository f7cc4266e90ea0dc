"""Holding a lock of Python's own while a function runs, whatever strikes in between.

A signal handler or an asynchronous exception strikes after calls.  Since Python 3.14 it can so
strike between the ``__enter__`` of a ``with`` and its block, which then never comes to the
``__exit__``: a lock would stay held.  In a ``try`` no such place is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["holding"]

_R = TypeVar("_R")


def holding(lock: threading.RLock, act: Callable[..., _R], *args: Any) -> _R:
    """Return ``act(*args)``, called while the reentrant `lock` is held."""
    try:
        lock.acquire()
        return act(*args)
    finally:
        try:
            lock.release()
        except RuntimeError:  # it struck while the lock was waited for
            pass
