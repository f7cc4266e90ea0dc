"""The two exceptions that are the project's own; everywhere else NumPy's types are raised."""

from __future__ import annotations

__all__ = ["DeadlockError", "LockTimeout"]


class DeadlockError(RuntimeError):
    """A lock was not waited for, because the wait could never have ended.

    Raised at once in the thread whose wait would have closed a cycle: every thread of the cycle
    holds a lock that the next one waits for.  Nothing that the failed call asked for is held
    afterwards; what the thread held before, it still holds.
    """


class LockTimeout(TimeoutError):
    """A lock did not become free within the timeout (seconds) that was given."""
