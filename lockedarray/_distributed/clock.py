"""What tells when a lease or an ownership is over: a clock that goes on while a machine sleeps.

`time.monotonic` stands still then, on Linux and on macOS, so that one who wakes would believe to
have what others were given long ago.
"""

from __future__ import annotations

import time

__all__ = ["now"]

# macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC, which is not `time.monotonic`, goes on.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def now() -> float:
    """Return seconds since some moment."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
