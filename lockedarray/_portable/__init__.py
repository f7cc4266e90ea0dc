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
    guard_of_several,
    locked_method,
    new_lockable,
)
from lockedarray._portable.lock import (
    Holds,
    Place,
    RegionLockBase,
    ensure_teller,
    exchange_owner,
    follow_task,
    new_owner,
    telling,
)
from lockedarray._portable.memory import (
    address,
    exchange_bodies,
    is_temporary,
    set_base,
    set_data,
    set_dtype,
    set_length,
    set_writeable,
)

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
    "connect",
    "ensure_teller",
    "exchange_bodies",
    "exchange_owner",
    "follow_task",
    "guard_of_several",
    "is_temporary",
    "locked_method",
    "locks_regions",
    "new_lockable",
    "new_owner",
    "set_base",
    "set_data",
    "set_dtype",
    "set_length",
    "set_writeable",
    "telling",
]
