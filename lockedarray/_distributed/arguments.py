"""What callers give: checked, and made into what can travel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._distributed.wire import check_transfer

__all__ = [
    "arrays_in",
    "check_callable",
    "check_operands",
    "checked_lease",
    "checked_timeout",
    "plain",
]


def arrays_in(value: Any, kind: type) -> list[Any]:
    """Return the arrays of that class among arguments, in tuples, too."""
    if isinstance(value, kind):
        return [value]
    if type(value) is tuple:
        return [array for part in value for array in arrays_in(part, kind)]
    return []


def plain(value: Any, snapshots: dict[int, np.ndarray]) -> Any:
    """Return `value` with plain arrays for all others, which the owner may not know.

    Parameters
    ----------
    snapshots : dict
        Of those that `arrays_in` has found, by their ids.
    """
    if type(value) is tuple:
        return tuple(plain(part, snapshots) for part in value)
    if id(value) in snapshots:
        return snapshots[id(value)]
    if isinstance(value, LockedArray):
        return value.snapshot()
    if type(value) is np.ndarray or isinstance(value, (np.generic, type)):
        return value
    return np.asarray(value) if hasattr(value, "__array__") else value


def check_operands(what: str, *operands: Any) -> None:
    """Raise ValueError if an array is larger than what travels without being told to."""
    for operand in operands:
        if isinstance(operand, np.ndarray):
            check_transfer(what, operand.nbytes)


def check_callable(function: object, text: str) -> None:
    """Raise TypeError, with that text, if `function` cannot be called."""
    if not callable(function):
        raise TypeError(f"{text}, not {function!r}")


def checked_timeout(timeout: Any) -> float | None:
    """Return how many seconds to wait at most; None: as long as it takes."""
    if timeout is None:
        return None
    seconds = _number(timeout, "timeout must be a number of seconds or None")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"timeout must be finite and not negative (seconds), not {timeout!r}")
    return seconds


def checked_lease(lease: Any) -> float:
    """Return for how many seconds a region is had."""
    seconds = _number(lease, "lease must be a number of seconds")
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"lease must be finite and above 0 (seconds), not {lease!r}")
    return seconds


def _number(value: Any, text: str) -> float:
    if isinstance(value, (bool, str, bytes)):  # of which float() would take some
        raise TypeError(f"{text}, not {value!r}")
    try:
        return float(value)
    except TypeError:
        raise TypeError(f"{text}, not {value!r}") from None
