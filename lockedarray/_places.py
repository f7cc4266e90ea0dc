"""Where in the user's program something happens, for messages in debug mode.

``LOCKEDARRAY_DEBUG=1`` turns it on, as it is when the package is imported.
"""

from __future__ import annotations

import os
import sys

__all__ = ["DEBUG", "place_of_caller"]

DEBUG = os.environ.get("LOCKEDARRAY_DEBUG", "") not in ("", "0")

_PACKAGE = __name__.partition(".")[0]


def place_of_caller() -> str | None:
    """Return ``file:line`` of the innermost frame outside of this package, if there is one."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if not isinstance(module, str) or module.partition(".")[0] != _PACKAGE:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None
