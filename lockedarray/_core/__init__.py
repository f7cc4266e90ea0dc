"""The native core: the RegionLock in plain C and the array type's hot operations.

It has the names of the portable core; `lockedarray._cores` chooses between the two.
"""

import os
from typing import Any

from lockedarray._core import _native
from lockedarray._core._native import (
    ArrayBase,
    AtBase,
    AtIndexBase,
    BufferBase,
    GuardBase,
    Holds,
    address,
    after_fork,
    after_fork_in_child,
    before_fork,
    connect,
    exchange_bodies,
    guard_of_several,
    is_temporary,
    set_base,
    set_data,
    set_length,
    set_writeable,
)
from lockedarray._core.lock import RegionLockBase, lock_object

ArrayBase._shown_before = ArrayBase._past  # type: ignore[attr-defined]


def locked_method(plain: Any, general: Any, mode: str) -> Any:
    """Return a method in C, which calls `plain` under the lock by itself, or `general`."""
    letters = {
        "reads": "r",
        "reads one argument": "c",
        "writes": "w",
        "views contiguous": "v",
        "views": "V",
        "views alone": "a",
    }
    return _native.HotMethod(plain, general, letters[mode])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=before_fork, after_in_parent=after_fork, after_in_child=after_fork_in_child
    )

locks_regions = True

__all__ = [
    "ArrayBase",
    "AtBase",
    "AtIndexBase",
    "BufferBase",
    "GuardBase",
    "Holds",
    "RegionLockBase",
    "address",
    "connect",
    "exchange_bodies",
    "guard_of_several",
    "is_temporary",
    "lock_object",
    "locked_method",
    "locks_regions",
    "set_base",
    "set_data",
    "set_length",
    "set_writeable",
]
