"""The native core: the RegionLock in plain C and the array type's hot operations.

It has the names of the portable core; `lockedarray.cores` chooses between the two.
"""

from lockedarray._core._native import (
    ArrayBase,
    BufferBase,
    Holds,
    address,
    exchange_bodies,
    set_base,
    set_data,
    set_length,
    set_writeable,
)
from lockedarray._core.lock import RegionLock

__all__ = [
    "ArrayBase",
    "BufferBase",
    "Holds",
    "RegionLock",
    "address",
    "exchange_bodies",
    "set_base",
    "set_data",
    "set_length",
    "set_writeable",
]
