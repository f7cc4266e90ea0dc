"""The portable core: pure Python on the ``readerwriterlock`` package.

A core provides what `lockedarray._cores` names: the lock of a Buffer (`RegionLockBase`, `Holds`)
and the few acts on an array's C structure that NumPy has no Python API for.
"""

from lockedarray._portable.bases import (
    ArrayBase,
    AtBase,
    AtIndexBase,
    BufferBase,
    GuardBase,
    connect,
    connect_calls,
    connect_makers,
    connect_roots,
    guard_of_several,
    locked_method,
    maker,
    new_lockable,
    new_root,
)
from lockedarray._portable.lock import (
    Holds,
    Place,
    RegionLockBase,
    ensure_teller,
    exchange_owner,
    follow_task,
    locks_in_use,
    new_owner,
    observe,
    telling,
)
from lockedarray._portable.memory import (
    address,
    exchange_bodies,
    exchange_places,
    is_temporary,
    set_base,
    set_data,
    set_dtype,
    set_length,
    set_rows,
    set_writeable,
    was_exported,
)
from lockedarray._portable.statement import augments, stores_augmented

locks_regions = False

__all__ = [
    "ArrayBase",
    "AtBase",
    "AtIndexBase",
    "BufferBase",
    "GuardBase",
    "Holds",
    "Place",
    "RegionLockBase",
    "address",
    "augments",
    "connect",
    "connect_calls",
    "connect_makers",
    "connect_roots",
    "ensure_teller",
    "exchange_bodies",
    "exchange_owner",
    "exchange_places",
    "follow_task",
    "guard_of_several",
    "is_temporary",
    "locked_method",
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
