"""Dtypes whose elements are not all in the array: what to read them must lock.

Elements of dtype ``object`` bring their own ``__add__``, ``__eq__``, ``__repr__`` and
``__del__``, and NumPy runs those.  What must not overlap is the user's choice, ``objects=``.

The text of a StringDType array is in an arena with a lock of NumPy's, which all its views share.
Up to NumPy 2.5.0 an operation takes the locks of its arrays in the order of its arguments, and
waits for them with the GIL in hand: two threads that read two arrays in different orders hang
(NumPy's issue 31682).  There each operation has the arena for itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "ANY_NUMBER",
    "ARENAS_DEADLOCK",
    "POLICIES",
    "check_policy",
    "has_arena",
    "put",
    "runs_element_code",
]

ANY_NUMBER = np.dtype(np.bool_)
"""Some dtype that each policy takes: to ask about a policy alone."""

POLICIES = ("exclusive", "shared", "forbid")

ARENAS_DEADLOCK = np.lib.NumpyVersion(np.__version__) < "2.5.1"
"""Whether NumPy waits for the locks of arenas in the order of its arguments."""


def runs_element_code(dtype: np.dtype) -> bool:
    """Whether operations on this dtype (or one of its fields) run code of their elements."""
    return dtype.hasobject and not isinstance(dtype, np.dtypes.StringDType)


def has_arena(dtype: np.dtype) -> bool:
    """Whether two operations on any parts of an array of this dtype must not overlap."""
    return ARENAS_DEADLOCK and isinstance(dtype, np.dtypes.StringDType)


def check_policy(objects: str, dtype: np.dtype) -> None:
    """Refuse an unknown policy, and an object dtype where the policy forbids it.

    Raises
    ------
    ValueError
        `objects` is not one of 'exclusive', 'shared', 'forbid'.
    TypeError
        The policy is 'forbid' and the dtype holds Python objects.
    """
    if objects == "exclusive":
        return
    if objects not in POLICIES:
        raise ValueError(f"objects must be 'exclusive', 'shared' or 'forbid', not {objects!r}")
    if objects == "forbid" and runs_element_code(dtype):
        raise TypeError(
            f"objects='forbid' refuses dtype {dtype}: its elements are Python objects; "
            "choose objects='exclusive' or objects='shared'"
        )


def put(array: Any, index: Any, value: Any) -> None:
    """Assign `value` to one element of `array`, a plain array of objects or its ``flat``.

    NumPy lets go of the old object first, while its place still points to it: an assignment to the
    same place by its ``__del__`` would let go of it a second time.  Here it ends when the new one
    is there; what it assigns is replaced again, as by NumPy.
    """
    old = array[index]
    array[index] = value
    del old
    now = array[index]
    shown = array.base if isinstance(array, np.flatiter) else array
    if now is not value and shown.flags.writeable:  # it may have been frozen
        array[index] = value
    del now
