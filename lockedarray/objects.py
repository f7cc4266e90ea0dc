"""The object-dtype policy: which dtypes run Python code per element, and what reading them locks.

Elements of dtype ``object`` bring their own ``__add__``, ``__eq__``, ``__repr__`` and
``__del__``, and NumPy runs those.  What must not overlap is the user's choice, ``objects=``.
"""

from __future__ import annotations

import numpy as np

__all__ = ["POLICIES", "check_policy", "runs_element_code"]

POLICIES = ("exclusive", "shared", "forbid")

# Before NumPy 2.3, two readers of one StringDType array can deadlock inside NumPy.
_STRINGS_COUNT = tuple(int(part) for part in np.__version__.split(".")[:2]) < (2, 3)


def runs_element_code(dtype: np.dtype) -> bool:
    """Whether operations on this dtype (or one of its fields) run code of their elements."""
    return dtype.hasobject and (_STRINGS_COUNT or not isinstance(dtype, np.dtypes.StringDType))


def check_policy(objects: str, dtype: np.dtype) -> None:
    """Refuse an unknown policy, and an object dtype where the policy forbids it.

    Raises
    ------
    ValueError
        `objects` is not one of 'exclusive', 'shared', 'forbid'.
    TypeError
        The policy is 'forbid' and the dtype holds Python objects.
    """
    if objects not in POLICIES:
        raise ValueError(f"objects must be 'exclusive', 'shared' or 'forbid', not {objects!r}")
    if objects == "forbid" and runs_element_code(dtype):
        raise TypeError(
            f"objects='forbid' refuses dtype {dtype}: its elements are Python objects; "
            "choose objects='exclusive' or objects='shared'"
        )
