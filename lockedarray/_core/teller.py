"""The thread that tells tasks of their turn, where whoever releases a lock does not itself."""

from __future__ import annotations

import os
import threading

from lockedarray._core._native import tell_next
from lockedarray._holding import holding

__all__ = ["ensure_teller"]

_teller: threading.Thread | None = None
_starting = threading.RLock()


def _tell() -> None:
    while True:
        tell_next()


def ensure_teller() -> None:
    """See to it that the thread is there; a fork does not bring it along."""
    if (teller := _teller) is None or not teller.is_alive():
        holding(_starting, _start_locked)


def _start_locked() -> None:
    global _teller
    if _teller is None or not _teller.is_alive():
        teller = threading.Thread(target=_tell, name="lockedarray-teller", daemon=True)
        teller.start()
        _teller = teller


def _after_fork_in_child() -> None:
    global _starting
    _starting = threading.RLock()  # another thread may have had it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
