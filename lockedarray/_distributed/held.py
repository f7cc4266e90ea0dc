"""What regions the calls of this thread or task are made under: those of its guards and updates.

They go with each call, so that an owner can tell a wait that could only end when the waiting ends.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["held"]

held: ContextVar[tuple[str, ...]] = ContextVar("held", default=())
"""The tokens of the leases, and of the updates that this code runs in, from the outermost on."""
