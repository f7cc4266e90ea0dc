"""The names of arrays, as the scheduler knows them: who owns which, and until when.

All of it runs in the scheduler's event loop and never awaits: each handler is one atomic step.

A name goes through these states:

- *reserved*: somebody makes its owners.  Nobody finds it yet, and they do not serve.  Ends by being
  registered or released, when its client goes, or when its time is over.
- *registered*: it is found.  The scheduler wants its owners' keys: it outlives its creator.
- *lost*: one of its owners is not a task in memory any more.  That is for good: a task that is made
  again under the same key is not the array that was lost.
- *free*: never there, or deleted, or released.

Lost and deleted owners may live on, as the scheduler learns only what reaches it.  So an owner
serves only for `OWNERSHIP` seconds after each renewal, lost ones get none, and a name is given
again only when the ownership that was granted last has run out.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin

from lockedarray._distributed.clock import now
from lockedarray._distributed.wire import size_text

__all__ = ["OWNERSHIP", "RESERVATION", "RegistryPlugin", "keys_of"]

OWNERSHIP = 3.0
"""Seconds that an owner may serve after it was told so."""

RESERVATION = 60.0
"""Seconds that making an array may take, beside the time for its bytes."""

_SLOWEST = 50e6
"""Bytes per second at least that a checkpoint is read with."""


_CLOSED_WITHIN = 2.0
"""Seconds for which the owners of an array that was deleted can be told so."""


def keys_of(name: str, generation: int, shards: int, token: str) -> list[str]:
    """Return the keys of an array's owners, in the order of its blocks.

    `token` is the registry's: a new scheduler counts generations anew, and its arrays are not those
    of the one before, even if they have the same name, generation and address.
    """
    return [f"lockedarray-{name}-{generation}-{token}-{block}" for block in range(shards)]


@dataclass(eq=False)
class _Array:
    name: str
    generation: int
    creator: str
    client: str | None
    keys: list[str]
    addresses: list[str]
    sizes: list[int]
    description: dict[str, Any]
    reserved_until: float
    is_registered: bool = False
    is_lost: bool = False
    owned_until: dict[str, float] = field(default_factory=dict)
    """When the ownership that each key was granted last is over."""


class RegistryPlugin(SchedulerPlugin):
    """The registry of arrays of a scheduler.

    Parameters
    ----------
    clock
        What tells the time, in seconds; tests bring their own.
    """

    name = "lockedarray"
    idempotent = True

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._scheduler: Any = None
        self._token = ""
        self._arrays: dict[str, _Array] = {}
        self._by_key: dict[str, _Array] = {}
        self._generations: dict[str, int] = {}
        """The highest generation of each name: no name has the same one twice."""
        self._still_owned: dict[str, dict[str, float]] = {}
        """For names that were deleted: keys, and when what they were granted last is over."""

    # -- what the scheduler calls ------------------------------------------------------------------

    async def start(self, scheduler: Any) -> None:
        """Make the handlers known."""
        self._scheduler = scheduler
        self._token = secrets.token_hex(4)
        scheduler.handlers.update(
            lockedarray_reserve=self.reserve,
            lockedarray_check=self.check,
            lockedarray_register=self.register,
            lockedarray_release=self.release,
            lockedarray_find=self.find,
            lockedarray_renew=self.renew,
            lockedarray_resign=self.resign,
            lockedarray_delete=self.delete,
            lockedarray_names=self.names,
        )

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Note that an owner is lost, for good: a task can come back, what was in it cannot."""
        array = self._by_key.get(key)
        if array is not None and start in ("memory", "processing") and finish != "memory":
            array.is_lost = True

    def remove_client(self, scheduler: Any, client: str) -> None:
        """End what the client had reserved: it cannot register any more."""
        for array in list(self._arrays.values()):
            if array.client == client and not array.is_registered:
                self._drop(array)

    # -- making ------------------------------------------------------------------------------------

    def reserve(
        self,
        name: str,
        creator: str,
        sizes: Sequence[int],
        description: dict[str, Any],
        worker: Any = None,
        at_least: int = 0,
        client: str | None = None,
    ) -> dict[str, Any]:
        """Give `creator` the name, if it is free, and tell which workers are to have the blocks.

        Parameters
        ----------
        name
            Of the array.
        creator
            A token that nobody else has.
        sizes
            Bytes of each block.
        description
            What `find` tells: "shape", "dtype", "starts", "checkpoint", "shards".
        worker
            Name or address of a worker, or several of them, which take turns; None: any.
        at_least
            The lowest generation.
        client
            The reservation ends when this client goes.
        """
        known = self._standing(name)
        if known is not None and not known.is_registered:
            return {"status": "taken", "why": "somebody is making it", "owners": []}
        if known is not None and self._is_alive(known):
            where = ", ".join(dict.fromkeys(known.addresses))
            owners = [list(pair) for pair in zip(known.keys, known.addresses, strict=True)]
            return {"status": "taken", "why": f"it is on {where}", "owners": owners}
        if known is not None and known.description["checkpoint"] and not description["checkpoint"]:
            return _refused(
                f"the array {name!r} has lost its owner, and there is a checkpoint of it: give "
                f"checkpoint={known.description['checkpoint']!r}, or give it up first, with "
                f"la.distributed.delete(client, {name!r})"
            )
        seconds = self._owned_for(name, known)
        if seconds > 0:
            return {"status": "wait", "seconds": seconds}
        try:
            addresses = self._place(name, list(sizes), worker)
        except _CannotPlace as error:
            return _refused(str(error))
        if known is not None:
            self._drop(known)
        self._still_owned.pop(name, None)
        generation = max(self._generations.get(name, 0) + 1, at_least)
        self._generations[name] = generation
        allowed = RESERVATION + max(sizes) / _SLOWEST
        array = _Array(
            name=name,
            generation=generation,
            creator=creator,
            client=client,
            keys=keys_of(name, generation, len(sizes), self._token),
            addresses=addresses,
            sizes=list(sizes),
            description=dict(description),
            reserved_until=self._clock() + allowed,
        )
        self._arrays[name] = array
        self._by_key.update(dict.fromkeys(array.keys, array))
        return {
            "status": "reserved",
            "generation": generation,
            "keys": array.keys,
            "workers": addresses,
            "seconds": allowed,
        }

    def check(self, name: str, creator: str) -> str | None:
        """Return why what `creator` has reserved cannot be registered; None: nothing is known."""
        array = self._of_creator(name, creator)
        if array is None:
            return "it took too long, or the scheduler has lost its connection meanwhile"
        gone = [address for address in array.addresses if address not in self._scheduler.workers]
        if gone:
            return f"the worker {gone[0]} was lost"
        return None

    def register(
        self,
        name: str,
        generation: int,
        creator: str,
        keys: Sequence[str],
    ) -> bool:
        """Let all find the array; False: its owners are not there, or it is too late."""
        array = self._of_creator(name, creator)
        if array is None or array.generation != generation or array.keys != list(keys):
            return False
        if not self._is_alive(array):
            return False
        if not array.is_registered:
            self._scheduler.client_desires_keys(array.keys, _wanted_by(array))
            array.is_registered = True
        return True

    def release(self, name: str, creator: str) -> None:
        """Give up what `creator` has reserved, or has registered and not told anybody."""
        array = self._of_creator(name, creator)
        if array is not None:
            self._drop(array)

    # -- finding -----------------------------------------------------------------------------------

    def find(self, name: str) -> dict[str, Any] | None:
        """Return what is known of the array, lost or not; None: there is none."""
        array = self._arrays.get(name)
        if array is None or not array.is_registered:
            return None
        return {
            "name": name,
            "generation": array.generation,
            "keys": array.keys,
            "addresses": array.addresses,
            "is_alive": self._is_alive(array),
            "description": array.description,
        }

    def names(self) -> list[str]:
        """Return the names of all arrays, lost ones too."""
        return sorted(array.name for array in self._arrays.values() if array.is_registered)

    def delete(self, name: str, generation: int, key: str | None = None) -> bool:
        """Free the name and let the owners go; False: no such array.

        `key` is the one of its first block: another scheduler's array is not this one.
        """
        array = self._arrays.get(name)
        if array is None or array.generation != generation or not array.is_registered:
            return False
        if key is not None and key != array.keys[0]:
            return False
        # As long as the owners are actors they can be told, and end what others wait for.
        self._scheduler.loop.call_later(_CLOSED_WITHIN, self._unwant, array)
        self._drop(array, unwant=False)
        return True

    # -- owning ------------------------------------------------------------------------------------

    def renew(
        self, name: str, generation: int, key: str, worker: str | None = None
    ) -> float | None:
        """Return the seconds for which an owner may serve; None: it never may again.

        `worker` is the address that the owner is at: one that a former scheduler knew under the
        same name and number, and that has found its way to this one, is another one.

        0 as long as it is only reserved: its time has not come yet.
        """
        array = self._by_key.get(key)
        if array is None or (array.name, array.generation) != (name, generation):
            return None
        if worker is not None and array.addresses[array.keys.index(key)] != worker:
            return None
        if not array.is_registered:
            return None if self._clock() >= array.reserved_until else 0.0
        # `_is_alive` would look at all blocks, and each of them asks; `transition` tells of those.
        if array.is_lost or not self._is_in_memory(key):
            return None
        array.owned_until[key] = self._clock() + OWNERSHIP
        return OWNERSHIP

    def resign(self, name: str, generation: int, key: str) -> None:
        """Note that an owner does not serve any more: the name need not wait for it."""
        array = self._by_key.get(key)
        owned = self._still_owned.get(name, {}) if array is None else array.owned_until
        owned.pop(key, None)

    # -- what is true ------------------------------------------------------------------------------

    def _standing(self, name: str) -> _Array | None:
        """Return what has the name; a reservation that is over has not."""
        array = self._arrays.get(name)
        if array is None or array.is_registered or self._clock() < array.reserved_until:
            return array
        self._drop(array)
        return None

    def _of_creator(self, name: str, creator: str) -> _Array | None:
        array = self._standing(name)
        return array if array is not None and array.creator == creator else None

    def _is_alive(self, array: _Array) -> bool:
        """Whether all owners are there, as far as the scheduler knows."""
        if not array.is_lost and not all(map(self._is_in_memory, array.keys)):
            array.is_lost = True
        return not array.is_lost

    def _is_in_memory(self, key: str) -> bool:
        task = self._scheduler.tasks.get(key)
        if task is None or task.state != "memory":
            return False
        return any(worker.address in self._scheduler.workers for worker in task.who_has or ())

    def _owned_for(self, name: str, known: _Array | None) -> float:
        """Return for how many seconds somebody may yet serve under this name."""
        owned = self._still_owned.get(name, {}) if known is None else known.owned_until
        return max(owned.values(), default=-math.inf) - self._clock()

    def _drop(self, array: _Array, unwant: bool = True) -> None:
        """Forget an array, but not for how long its owners may yet serve."""
        del self._arrays[array.name]
        for key in array.keys:
            del self._by_key[key]
        now = self._clock()
        if array.is_registered:
            self._still_owned[array.name] = array.owned_until
            if unwant:
                self._unwant(array)
        self._still_owned = {
            name: owned
            for name, owned in self._still_owned.items()
            if max(owned.values(), default=now) > now
        }

    def _unwant(self, array: _Array) -> None:
        wanting = _wanted_by(array)
        if wanting in self._scheduler.clients:  # no more, if somebody has restarted the cluster
            keys = [key for key in array.keys if key in self._scheduler.tasks]
            self._scheduler.client_releases_keys(keys=keys, client=wanting)
            del self._scheduler.clients[wanting]

    # -- placing -----------------------------------------------------------------------------------

    def _place(self, name: str, sizes: list[int], worker: Any) -> list[str]:
        """Return the address of a worker for each block: the emptier ones first, each in turn."""
        free = {address: self._free(state) for address, state in self._usable().items()}
        if not free:
            raise _CannotPlace(f"no worker can take the array {name!r}: none is there and running")
        named = [self._address(one) for one in _several(worker)]
        placed: list[str] = []
        for block, size in enumerate(sizes):
            choice = [named[block % len(named)]] if named else list(free)
            best = min(
                choice, key=lambda address: _order(placed.count(address), free, address, size)
            )
            if free[best] < size:
                raise _CannotPlace(_no_room(name, size, best, free[best]))
            free[best] -= size
            placed.append(best)
        return placed

    def _usable(self) -> dict[str, Any]:
        workers = self._scheduler.workers
        return {
            address: state for address, state in workers.items() if state.status == Status.running
        }

    def _address(self, worker: Any) -> str:
        """Return the address of a worker that is given by name or address."""
        address = self._scheduler.aliases.get(worker, worker)
        if address in self._usable():
            return str(address)
        if address in self._scheduler.workers:
            raise _CannotPlace(f"the worker {worker!r} is paused, or about to end")
        known = ", ".join(f"{state.name!r} ({at})" for at, state in self._scheduler.workers.items())
        raise _CannotPlace(f"there is no worker {worker!r}; there are {known}")

    def _free(self, state: Any) -> float:
        """Return the bytes that a worker has left.

        Zeros take no memory until they are written, so what the worker measures may tell nothing of
        the arrays that it has.  They are counted on top of Dask's own data then, and once they are
        written the larger of both numbers is what is measured.
        """
        if not state.memory_limit:
            return math.inf
        taken = sum(
            size
            for array in self._arrays.values()
            if not array.is_lost
            for address, size in zip(array.addresses, array.sizes, strict=True)
            if address == state.address
        )
        used = max(state.metrics.get("memory", 0), state.nbytes + taken)
        return float(state.memory_limit - used)


class _CannotPlace(Exception):
    """No worker can have a block; the text tells why."""


def _refused(error: str) -> dict[str, Any]:
    return {"status": "refused", "error": error}


def _wanted_by(array: _Array) -> str:
    """Return the client, which is none, in whose name the scheduler keeps an array."""
    return array.keys[0]


def _several(worker: Any) -> list[Any]:
    if worker is None:
        return []
    return list(worker) if isinstance(worker, (list, tuple)) else [worker]


def _order(blocks: int, free: dict[str, float], address: str, size: int) -> tuple[bool, int, float]:
    """Return what is least for the worker to take: has room, has few blocks, has the most room."""
    return (free[address] < size, blocks, -free[address])


def _no_room(name: str, size: int, address: str, free: float) -> str:
    room = size_text(max(int(free), 0))
    return (
        f"the array {name!r} needs {size_text(size)} on one worker, and {address}, which has the "
        f"most room of those asked for, has {room} left: split it over more workers, shards=..., "
        "or name others, worker=..."
    )
