"""The native core: the RegionLock in plain C and the array type's hot operations.

It has the names of the portable core; `lockedarray.cores` chooses between the two.
"""

from lockedarray._core._native import (
    ArrayBase,
    AtBase,
    AtIndexBase,
    BufferBase,
    Holds,
    HotMethod,
    address,
    connect,
    exchange_bodies,
    set_base,
    set_data,
    set_length,
    set_writeable,
)
from lockedarray._core.lock import RegionLock

hot_method = HotMethod

__all__ = [
    "ArrayBase",
    "AtBase",
    "AtIndexBase",
    "BufferBase",
    "Holds",
    "RegionLock",
    "address",
    "connect",
    "exchange_bodies",
    "hot_method",
    "set_base",
    "set_data",
    "set_length",
    "set_writeable",
]
