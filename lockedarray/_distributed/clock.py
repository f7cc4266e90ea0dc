"""What tells when a lease or an ownership is over, and when a wait is.

A lease is over by a clock that goes on while a machine sleeps: `now`.  `time.monotonic` stands
still then, on Linux and on macOS, so that one who wakes would believe to have what others were
given long ago.  A wait is over by `time.monotonic`, as waits of Python's own are.
"""

from __future__ import annotations

import time

__all__ = ["deadline_of", "left", "now"]

# macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC, which is not `time.monotonic`, goes on.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def now() -> float:
    """Return seconds since some moment."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


def deadline_of(timeout: float | None) -> float | None:
    """Return when a wait of so many seconds is over, as `time.monotonic` tells it; None: never."""
    return None if timeout is None else time.monotonic() + timeout


def left(deadline: float | None) -> float | None:
    """Return the seconds until then, 0 if it is over; None if it never is."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
