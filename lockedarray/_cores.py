"""The core in use: which implementation provides the lock and the acts on arrays' C structure.

``LOCKEDARRAY_BACKEND`` chooses, ``native`` or ``portable``; `backend` tells.  What is written
once, above the cores, imports these names from here and never from a core.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

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
    "backend",
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

_MODULES = {"native": "lockedarray._core", "portable": "lockedarray._portable"}


def _chosen() -> tuple[str, Any]:
    name = os.environ.get("LOCKEDARRAY_BACKEND", "")
    if name:
        if name not in _MODULES:
            raise ImportError(f"LOCKEDARRAY_BACKEND={name!r} is neither 'native' nor 'portable'")
        return name, importlib.import_module(_MODULES[name])
    try:
        return "native", importlib.import_module(_MODULES["native"])
    except ModuleNotFoundError:  # built without it
        return "portable", importlib.import_module(_MODULES["portable"])


if TYPE_CHECKING:
    import lockedarray._portable as _core

    backend: str
else:
    backend, _core = _chosen()

ArrayBase = _core.ArrayBase
AtBase = _core.AtBase
AtIndexBase = _core.AtIndexBase
BufferBase = _core.BufferBase
FlagsBase = _core.FlagsBase
FlatBase = _core.FlatBase
GuardBase = _core.GuardBase
MemoryBase = _core.MemoryBase
Holds = _core.Holds
Place = _core.Place
RegionLockBase = _core.RegionLockBase
address = _core.address
augments = _core.augments
build = _core.build
connect = _core.connect
connect_calls = _core.connect_calls
connect_copies = _core.connect_copies
connect_makers = _core.connect_makers
connect_roots = _core.connect_roots
exchange_bodies = _core.exchange_bodies
given_back = _core.given_back
exchange_owner = _core.exchange_owner
exchange_places = _core.exchange_places
ensure_teller = _core.ensure_teller
follow_task = _core.follow_task
guard_of_several = _core.guard_of_several
is_temporary = _core.is_temporary
new_lockable = _core.new_lockable
locked_method = _core.locked_method
locked_property = _core.locked_property
locked_run = _core.locked_run
locks_in_use = _core.locks_in_use
locks_regions = _core.locks_regions
maker = _core.maker
new_owner = _core.new_owner
new_root = _core.new_root
observe = _core.observe
set_base = _core.set_base
set_data = _core.set_data
set_dtype = _core.set_dtype
set_length = _core.set_length
set_rows = _core.set_rows
set_writeable = _core.set_writeable
stores_augmented = _core.stores_augmented
was_exported = _core.was_exported
telling = _core.telling
