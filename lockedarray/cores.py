"""The core in use: which implementation provides the lock and the acts on arrays' C structure.

``LOCKEDARRAY_BACKEND`` chooses (``portable``); `backend` tells.  What is written once, above the
cores, imports these names from here and never from a core.
"""

from __future__ import annotations

import os

from lockedarray._portable import (
    Holds,
    RegionLock,
    address,
    exchange_bodies,
    set_base,
    set_data,
    set_length,
    set_writeable,
)

__all__ = [
    "Holds",
    "RegionLock",
    "address",
    "backend",
    "exchange_bodies",
    "set_base",
    "set_data",
    "set_length",
    "set_writeable",
]

backend: str = os.environ.get("LOCKEDARRAY_BACKEND", "") or "portable"
if backend != "portable":
    raise ImportError(
        f"LOCKEDARRAY_BACKEND={backend!r}: no such core; this build has 'portable' (the default)"
    )
