"""Which processes have an array attached: a record lock of the control file, for reading.

It is the same with all backends, and in all versions, so that nobody takes for an orphan what
another kind of process has.
"""

from __future__ import annotations

import fcntl
from typing import Any

__all__ = ["ATTACHED", "Attachment", "lock_byte"]

ATTACHED = 1  # a byte of the file


def lock_byte(file: int, kind: int, byte: int) -> bool:
    """Lock a byte of the file, or give it back, without waiting: whether that could be."""
    try:
        fcntl.lockf(file, kind if kind == fcntl.LOCK_UN else kind | fcntl.LOCK_NB, 1, byte)
    except (BlockingIOError, PermissionError):  # EAGAIN, EACCES
        return False
    return True


class Attachment:
    """That this process has the array of one control block attached."""

    def __init__(self, control: Any) -> None:  # the Control, which is above
        self._control = control

    def enter(self) -> None:
        """Have it attached."""
        fcntl.lockf(self._control.file, fcntl.LOCK_SH, 1, ATTACHED)

    def leave(self) -> None:
        """The file is about to be closed, which gives the record lock back."""

    def has_others(self) -> bool:
        """Whether another living process has it attached."""
        if not lock_byte(self._control.file, fcntl.LOCK_EX, ATTACHED):
            return True
        lock_byte(self._control.file, fcntl.LOCK_SH, ATTACHED)
        return False

    @classmethod
    def is_attached(cls, file: int) -> bool:
        """Whether a living process has it attached, of which this one knows nothing."""
        return not lock_byte(file, fcntl.LOCK_EX, ATTACHED)
