"""The thread that tells tasks of their turn, where whoever releases a lock does not itself."""

from __future__ import annotations

import os
import threading

from lockedarray._core._native import tell_next

__all__ = ["ensure_teller"]

_teller: threading.Thread | None = None
_starting = threading.Lock()


def _tell() -> None:
    while True:
        tell_next()


def ensure_teller() -> None:
    """See to it that the thread is there; a fork does not bring it along."""
    global _teller
    if (teller := _teller) is not None and teller.is_alive():
        return
    with _starting:
        if _teller is None or not _teller.is_alive():
            teller = threading.Thread(target=_tell, name="lockedarray-teller", daemon=True)
            teller.start()
            _teller = teller


def _after_fork_in_child() -> None:
    global _starting
    _starting = threading.Lock()  # another thread may have had it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
