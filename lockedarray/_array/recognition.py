"""Whether ``x[i] += v`` is recognised, and so is one step: tried at import."""

from __future__ import annotations

import numpy as np

from lockedarray._array.array import LockedArray

__all__ = ["atomic_augmented_assignment"]


def _is_recognised() -> bool:
    """Run the statement, with an operand that changes the element meanwhile."""
    array = LockedArray([0, 0], np.int64)

    def operand() -> int:
        array.at[1].set(10)
        return 1

    array[1] += operand()
    return bool(array[1] == 11)


atomic_augmented_assignment: bool = _is_recognised()
