"""What arrays between machines raise beside NumPy's errors and those of locks, and the words."""

from __future__ import annotations

__all__ = [
    "LeaseExpired",
    "NewerCheckpoint",
    "OwnerLost",
    "lease_is_over",
    "owner_was_lost",
    "raised_no_exception",
    "reply_is_gone",
    "session_is_forgotten",
    "waits_for_itself",
    "would_move",
]

from lockedarray._errors import DeadlockError


class OwnerLost(RuntimeError):
    """The array is gone: a worker that has a part of it is lost, or it was deleted.

    An operation that was under way may have been carried out or not.  The elements can come back
    only from a checkpoint: `create` the array again, with the same name and ``checkpoint=``.
    """


class LeaseExpired(RuntimeError):
    """A guard held its region for longer than its lease: others may have it now.

    What was done in the block was not written back.  Ask for a longer ``lease=``, or let the owner
    do the work: ``x.update(function, region)``.
    """


class NewerCheckpoint(Exception):
    """The checkpoint is of a generation that is not older than the one that reads it."""

    def __init__(self, generation: int) -> None:
        super().__init__(generation)
        self.generation = generation


def owner_was_lost(name: str, generation: int, why: str, underway: bool = False) -> OwnerLost:
    """Return the error of an array whose owner does not answer, or must not any more."""
    unknown = "; whether what was under way has happened is unknown" if underway else ""
    return OwnerLost(
        f"the array {name!r} (generation {generation}) has lost its owner: {why}{unknown}. "
        "Attach it again if somebody has made it anew; or create it with the same name and "
        "checkpoint="
    )


def session_is_forgotten(name: str) -> OwnerLost:
    """Return the error of a call so late that nobody knows whether it was carried out."""
    return OwnerLost(
        f"the array {name!r}: this process did not answer for so long that the owner has forgotten "
        "which of its calls were carried out: it is unknown whether this one was"
    )


def reply_is_gone(name: str) -> OwnerLost:
    """Return the error of a call that was carried out, long ago."""
    return OwnerLost(
        f"the array {name!r}: this call was carried out, once, but what it returned is not known "
        "any more, as this process did not answer for too long"
    )


def lease_is_over(name: str, seconds: float) -> LeaseExpired:
    """Return the error of a lease that ends too late."""
    return LeaseExpired(
        f"the lease of a region of {name!r} was over after {seconds:g} s: the region may have been "
        "given to others, and nothing was changed. Ask for a longer one, lease=..., or ship the "
        "work with x.update(function, region)"
    )


def waits_for_itself(name: str) -> DeadlockError:
    """Return the error of a wait for a region that the caller itself has."""
    return DeadlockError(
        f"the array {name!r}: this call would wait for itself: it is made inside 'with "
        "x.write(...)' or 'with x.read(...)', or by the function that x.update(...) or another "
        "method was given, and that holds the region. Use the plain array that the guard yields, "
        "or that the function is given; or make the call afterwards"
    )


def raised_no_exception(error: BaseException) -> RuntimeError:
    """Return the error in place of one that would have ended the process, not the call."""
    return RuntimeError(f"the function raised {type(error).__name__}({error})")


def would_move(what: str, size: str, limit: str) -> ValueError:
    """Return the error of an operation that would move too much."""
    return ValueError(
        f"{what} would move {size}, more than {limit} (lockedarray.transfer-limit in Dask's "
        "configuration): ship the work with x.update(function, region), take a part, or "
        "x.snapshot(), which moves all of it"
    )
