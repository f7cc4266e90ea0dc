"""Holding a lock of Python's own while a function runs, whatever strikes in between.

A signal handler or an asynchronous exception strikes after calls.  Since Python 3.14 it can so
strike between the ``__enter__`` of a ``with`` and its block, which then never comes to the
``__exit__``: a lock would stay held.  In a ``try`` no such place is left.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["holding"]

_R = TypeVar("_R")

_is_finalizing = sys.is_finalizing  # modules lose their names at the end


def holding(lock: threading.RLock, act: Callable[..., _R], *args: Any) -> _R:
    """Return ``act(*args)``, called while the reentrant `lock` is held.

    At the end of the interpreter all other threads stand still for ever, and one of them may have
    the lock: it is not waited for then.
    """
    try:
        lock.acquire(not _is_finalizing())
        return act(*args)
    finally:
        try:
            lock.release()
        except RuntimeError:  # it struck while the lock was waited for
            pass
