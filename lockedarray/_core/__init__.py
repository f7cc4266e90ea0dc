"""The native core: the RegionLock in plain C and the array type's hot operations.

It has the names of the portable core; `lockedarray._cores` chooses between the two.
"""

import os

from lockedarray._core._native import (
    ArrayBase,
    AtBase,
    AtIndexBase,
    BufferBase,
    GuardBase,
    Holds,
    LockedMethod,
    address,
    after_fork,
    after_fork_in_child,
    before_fork,
    connect,
    exchange_bodies,
    exchange_owner,
    guard_of_several,
    is_temporary,
    new_owner,
    set_base,
    set_data,
    set_length,
    set_writeable,
)
from lockedarray._core.lock import RegionLock


def hot_method(plain, general, mode):
    words = {
        "r": "reads",
        "c": "reads one argument",
        "w": "writes",
        "v": "views contiguous",
        "V": "views",
        "a": "views alone",
    }
    return LockedMethod(plain, general, words[mode])


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
    "RegionLock",
    "address",
    "connect",
    "exchange_bodies",
    "exchange_owner",
    "guard_of_several",
    "hot_method",
    "is_temporary",
    "locks_regions",
    "new_owner",
    "set_base",
    "set_data",
    "set_length",
    "set_writeable",
]
