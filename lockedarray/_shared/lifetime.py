"""Lifetime: who makes an array removes its names when it ends; nobody else does."""

from __future__ import annotations

import atexit
import os
import sys

from lockedarray._shared.control import Control, registered
from lockedarray._shared.segments import Place

__all__ = ["created", "watch"]

# What this process made, by its pid, and what `os.stat` says of the control blocks.
_made: dict[tuple[int, int, int], tuple[Place, os.stat_result]] = {}
_watching = 0  # the pid of the process whose end is watched


def created(control: Control) -> None:
    """Remove the names of a named array when this process ends; files stay."""
    if not control.place.is_file:
        key = (os.getpid(), control.stat.st_dev, control.stat.st_ino)
        _made[key] = control.place, control.stat
    watch()


def watch() -> None:
    """See that `_end` is called when this process ends."""
    global _watching
    if _watching == os.getpid():
        return
    if _watching == 0:
        atexit.register(_end)
    _watching = os.getpid()
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # they end without atexit

        Finalize(None, _end, exitpriority=-100)


def _end() -> None:
    for key, (place, stat) in list(_made.items()):
        if key[0] == os.getpid():  # not in the child of a fork
            _made.pop(key, None)
            place.unlink(stat)
    for control in registered():
        if control.place.is_file and not control.is_closed and control.buffer is not None:
            buffer = control.buffer()
            array = None if buffer is None or buffer._owner is None else buffer._owner()
            if array is not None and buffer.memory.nbytes != array.nbytes:
                try:
                    buffer.close(array, 0)  # a file is to be just the bytes
                except Exception:  # views live, or another thread works on it
                    pass
