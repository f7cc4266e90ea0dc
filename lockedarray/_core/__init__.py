"""The native core: the RegionLock in plain C and the array type's hot operations.

It has the names of the portable core; `lockedarray._cores` chooses between the two.
"""

import os

from lockedarray._core._native import (
    ArrayBase,
    AtBase,
    AtIndexBase,
    BufferBase,
    FlagsBase,
    FlatBase,
    GuardBase,
    Holds,
    LockedMethod,
    Maker,
    MemoryBase,
    Place,
    address,
    after_fork,
    after_fork_in_child,
    augments,
    before_fork,
    build,
    connect,
    connect_calls,
    connect_copies,
    connect_makers,
    connect_roots,
    exchange_bodies,
    exchange_owner,
    exchange_places,
    follow_task,
    given_back,
    guard_of_several,
    is_temporary,
    locked_property,
    locked_run,
    new_owner,
    new_root,
    observe,
    set_base,
    set_data,
    set_dtype,
    set_length,
    set_rows,
    set_writeable,
    stores_augmented,
    telling,
    was_exported,
)
from lockedarray._core.lock import RegionLockBase, locks_in_use, new_lockable
from lockedarray._core.teller import ensure_teller

locked_method = LockedMethod
maker = Maker

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
    "FlagsBase",
    "FlatBase",
    "GuardBase",
    "Holds",
    "MemoryBase",
    "Place",
    "RegionLockBase",
    "address",
    "augments",
    "build",
    "connect",
    "connect_calls",
    "connect_copies",
    "connect_makers",
    "connect_roots",
    "ensure_teller",
    "exchange_bodies",
    "exchange_owner",
    "exchange_places",
    "follow_task",
    "given_back",
    "guard_of_several",
    "is_temporary",
    "locked_method",
    "locked_property",
    "locked_run",
    "locks_in_use",
    "locks_regions",
    "maker",
    "new_lockable",
    "new_owner",
    "new_root",
    "observe",
    "set_base",
    "set_data",
    "set_dtype",
    "set_length",
    "set_rows",
    "set_writeable",
    "stores_augmented",
    "telling",
    "was_exported",
]
