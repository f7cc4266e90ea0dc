"""Making an array on a cluster: its name is reserved, its owners are made, it is registered."""

from __future__ import annotations

import asyncio
import contextlib
import math
import operator
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from distributed import worker_client
from distributed.worker import thread_state  # type: ignore[attr-defined]

from lockedarray._distributed.errors import NewerCheckpoint, owner_was_lost
from lockedarray._distributed.link import link_to
from lockedarray._distributed.owner import Owner
from lockedarray._distributed.registry import RegistryPlugin
from lockedarray._distributed.wire import dtype_from_wire, dtype_to_wire

__all__ = ["Entry", "beside_tasks", "create", "delete", "ensure_registry", "find"]

_LOOK = 2.0
"""Seconds between two looks whether the workers that make an array are still there."""

_ANSWERED_WITHIN = 2.0
"""Seconds that an owner may take to say that it is there, or that it has ended."""

_NOTICED_WITHIN = 10.0
"""Seconds that a scheduler may take to notice that a worker is gone."""

_SCHEDULER_AWAY = 10.0
"""Seconds until a scheduler that does not answer counts as lost."""

_PRIORITY = 1_000_000
"""An owner takes the first thread that is free: it needs it for a moment."""

_TRIES = 10
"""How often an array is made anew because its checkpoint is of a newer generation."""


class Entry(NamedTuple):
    """What a proxy needs to know of an array."""

    name: str
    generation: int
    keys: tuple[str, ...]
    addresses: tuple[str, ...]
    shape: tuple[int, ...]
    """The shape that was asked for; what comes from a checkpoint may have more rows, or less."""
    dtype: np.dtype
    starts: tuple[int, ...]
    """The first row of each block."""
    checkpoint: str | None


async def create(
    client: Any,
    shape: Any,
    dtype: Any,
    name: str,
    checkpoint: Any,
    every: float | None,
    shards: int,
    worker: Any,
    owner: type = Owner,
) -> Entry:
    """Make an array that its name finds from now on, or raise and leave nothing behind.

    Parameters
    ----------
    client
        Of the cluster; runs in its event loop.
    shape, dtype
        Of the array; zeros, or what the checkpoint has, whose number of rows counts then.
    name
        By which all find it.
    checkpoint
        A path that all workers see, or None.
    every
        Seconds between two checkpoints, or None.
    shards
        The number of blocks of rows, each with an owner of its own.
    worker
        Name or address of a worker, or several; None: those with the most memory left.
    owner
        The class of the actors.

    Raises
    ------
    ValueError
        The name is taken, no worker has the memory, or the checkpoint does not agree.
    """
    plan = _plan(shape, dtype, name, checkpoint, every, shards, worker)
    await ensure_registry(client)
    at_least = 0
    for _ in range(_TRIES):
        try:
            return await _create(client, plan, at_least, owner)
        except NewerCheckpoint as error:
            at_least = error.generation + 1
    raise RuntimeError(
        f"the array {name!r} was not made: its checkpoint {plan.checkpoint!r} was of a newer "
        f"generation each time, up to {at_least - 1}: do several clusters write to it?"
    )


async def find(client: Any, name: str, lost: bool = False) -> Entry:
    """Return what is known of the array; one that is lost, too, if `lost`.

    Raises
    ------
    LookupError
        There is none of that name.
    OwnerLost
        There was one.
    """
    _check_name(name)
    await ensure_registry(client)
    found = await client.scheduler.lockedarray_find(name=name)
    if found is None:
        known = ", ".join(map(repr, await client.scheduler.lockedarray_names())) or "none"
        raise LookupError(f"the cluster has no array {name!r}; it has: {known}")
    if not found["is_alive"] and not lost:
        where = ", ".join(dict.fromkeys(found["addresses"]))
        raise owner_was_lost(name, found["generation"], f"the worker that had it is gone ({where})")
    return _entry(
        name, found["generation"], found["keys"], found["addresses"], found["description"]
    )


async def delete(client: Any, entry: Entry) -> None:
    """Free the name, then have the owners end what others wait for; one that is lost is not asked.

    Of an array that is deleted already, or made anew by others, nothing is changed.

    Raises
    ------
    OwnerLost
        The scheduler does not answer.
    """
    deleted = client.scheduler.lockedarray_delete(
        name=entry.name, generation=entry.generation, key=entry.keys[0]
    )
    try:
        await asyncio.wait_for(deleted, _SCHEDULER_AWAY)
    except OSError as error:
        why = "the scheduler does not answer"
        raise owner_was_lost(entry.name, entry.generation, why, underway=True) from error
    closing = {
        asyncio.ensure_future(link_to(client, entry, block).call("close"))
        for block in range(len(entry.keys))
    }
    _, underway = await asyncio.wait(closing, timeout=_ANSWERED_WITHIN)
    for task in underway:
        task.cancel()


@contextlib.contextmanager
def beside_tasks() -> Iterator[None]:
    """Give up the thread that a Dask task runs in, if this is one, while it waits in the block.

    An owner is made by a thread of its worker, which may have no other one.
    """
    if not hasattr(thread_state, "start_time") or getattr(thread_state, "actor", False):
        yield
        return
    with worker_client():  # type: ignore[no-untyped-call]
        yield


def _entry(
    name: str,
    generation: int,
    keys: Sequence[str],
    addresses: Sequence[str],
    description: dict[str, Any],
) -> Entry:
    return Entry(
        name,
        generation,
        tuple(keys),
        tuple(addresses),
        tuple(description["shape"]),
        dtype_from_wire(description["dtype"]),
        tuple(description["starts"]),
        description["checkpoint"],
    )


# -- the scheduler's part --------------------------------------------------------------------------

_ready: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""For each client the connection over which the registry was made known."""


async def ensure_registry(client: Any) -> None:
    """See to it that the scheduler has a registry; a client that has reconnected asks once more."""
    connection = client.scheduler_comm
    if connection is not None and _ready.get(client) is connection:
        return
    try:
        await client.register_plugin(RegistryPlugin())
    except ModuleNotFoundError as error:
        if not _is_ours(error):
            raise
        raise ImportError(
            "lockedarray.distributed needs lockedarray, of the same version, on the scheduler, "
            f"too: {error}"
        ) from error
    _ready[client] = connection


def _is_ours(error: ModuleNotFoundError) -> bool:
    return (error.name or str(error)).startswith("lockedarray") or "'lockedarray" in str(error)


# -- checking what is asked for --------------------------------------------------------------------


class _Plan(NamedTuple):
    """An array as it was asked for."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    checkpoint: str | None
    every: float | None
    shards: int
    worker: Any

    @property
    def starts(self) -> list[int]:
        """The first row of each block."""
        rows = self.shape[0] if self.shape else 0
        return [rows * block // self.shards for block in range(self.shards)]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each block."""
        if not self.shape:
            return [()]
        ends = [*self.starts[1:], self.shape[0]]
        pairs = zip(self.starts, ends, strict=True)
        return [(end - start, *self.shape[1:]) for start, end in pairs]

    @property
    def sizes(self) -> list[int]:
        """The bytes of each block."""
        return [math.prod(shape) * self.dtype.itemsize for shape in self.shapes]

    def describe(self) -> dict[str, Any]:
        """Return what the registry tells."""
        return {
            "shape": list(self.shape),
            "dtype": dtype_to_wire(self.dtype),
            "starts": self.starts,
            "checkpoint": self.checkpoint,
            "shards": self.shards,
        }


def _plan(
    shape: Any, dtype: Any, name: Any, checkpoint: Any, every: Any, shards: Any, worker: Any
) -> _Plan:
    _check_name(name)
    kind = _checked_dtype(dtype)
    # A dtype like '(2,)f4' adds to the shape, and 'S' is 'S1'.
    probe: np.ndarray = np.empty((), kind)
    dimensions = _checked_shape(shape) + probe.shape
    if math.prod(dimensions) * probe.dtype.itemsize > sys.maxsize:
        raise ValueError("array is too big: its size in bytes is more than an address can say")
    path = None if checkpoint is None else _checked_path(checkpoint)
    return _Plan(
        name,
        dimensions,
        probe.dtype,
        path,
        _checked_every(every, path),
        _checked_shards(shards, dimensions),
        _checked_worker(worker),
    )


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    if not name:
        raise ValueError("name must not be empty: it is what finds the array")


def _checked_dtype(dtype: Any) -> np.dtype:
    kind = np.dtype(dtype)
    if kind.hasobject or isinstance(kind, np.dtypes.StringDType):
        raise TypeError(
            f"dtype {kind} has elements that live in one process's memory: arrays between machines "
            "take numbers, bytes, fixed-width text, dates and structures of these"
        )
    return kind


def _checked_shape(shape: Any) -> tuple[int, ...]:
    several = shape if isinstance(shape, (tuple, list)) else (shape,)
    try:
        dimensions = tuple(map(operator.index, several))
    except TypeError:
        raise TypeError(f"shape must be an int or a tuple of ints, not {shape!r}") from None
    if any(dimension < 0 for dimension in dimensions):
        raise ValueError(f"shape must not be negative: {shape!r}")
    return dimensions


def _checked_path(checkpoint: Any) -> str:
    try:
        path = os.fspath(checkpoint)
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise TypeError(f"checkpoint must be a path, not {checkpoint!r}")
    if not path:
        raise ValueError("checkpoint must not be an empty path")
    return os.path.abspath(path)


def _checked_every(every: Any, path: str | None) -> float | None:
    if every is None:
        return None
    if path is None:
        raise ValueError("every= needs checkpoint=: the path that is written to")
    try:
        seconds = float(every)
    except (TypeError, ValueError):
        raise TypeError(f"every must be a number of seconds, not {every!r}") from None
    if not 0 < seconds < math.inf:
        raise ValueError(f"every must be more than 0 seconds, and finite: {every!r}")
    return seconds


def _checked_shards(shards: Any, shape: tuple[int, ...]) -> int:
    try:
        count = operator.index(shards)
    except TypeError:
        raise TypeError(f"shards must be an int, not {shards!r}") from None
    most = max(1, shape[0]) if shape else 1
    if not 1 <= count <= most:
        raise ValueError(f"shards must be 1 to {most}, the number of rows, for {shape}: {shards!r}")
    return count


def _checked_worker(worker: Any) -> Any:
    several = list(worker) if isinstance(worker, (list, tuple)) else [worker]
    if worker is not None and not (several and all(isinstance(one, (str, int)) for one in several)):
        raise TypeError(f"worker must be a worker's name or address, or a list: {worker!r}")
    return worker


# -- making ----------------------------------------------------------------------------------------


async def _create(client: Any, plan: _Plan, at_least: int, owner: type) -> Entry:
    """Make the array, or leave nothing of it."""
    creator = uuid.uuid4().hex
    futures: list[Any] = []
    try:
        reserved = await _reserve(client, plan, at_least, creator)
        generation, addresses = reserved["generation"], reserved["workers"]
        keys = reserved["keys"]
        futures = _submit(client, plan, owner, generation, keys, addresses)
        await _made(client, plan, creator, futures, reserved["seconds"])
        is_registered = await client.scheduler.lockedarray_register(
            name=plan.name,
            generation=generation,
            creator=creator,
            keys=keys,
        )
        if not is_registered:
            why = await client.scheduler.lockedarray_check(name=plan.name, creator=creator)
            raise _not_made(plan, why or "a worker has lost it")
        return _entry(plan.name, generation, keys, addresses, plan.describe())
    except BaseException:
        await _release(client, plan.name, creator)
        raise
    finally:
        for future in futures:  # the registry wants them now, or nobody does
            future.release()


async def _reserve(client: Any, plan: _Plan, at_least: int, creator: str) -> dict[str, Any]:
    noticed_until = asyncio.get_running_loop().time() + _NOTICED_WITHIN
    while True:
        answer = await client.scheduler.lockedarray_reserve(
            name=plan.name,
            creator=creator,
            sizes=plan.sizes,
            description=plan.describe(),
            worker=plan.worker,
            at_least=at_least,
            client=client.id,
        )
        if answer["status"] == "reserved":
            return answer
        if answer["status"] == "taken":
            # A worker that was killed just now: the scheduler will know.
            silent = await _silent(client, answer["owners"])
            if silent is not None and asyncio.get_running_loop().time() < noticed_until:
                await asyncio.sleep(0.1)
                continue
            why = answer["why"] if silent is None else f"{answer['why']}, which does not answer"
            raise ValueError(
                f"the name {plan.name!r} is taken: {why}. Attach that array, delete it, "
                "or choose another name"
            )
        if answer["status"] == "refused":
            raise ValueError(answer["error"])
        # An owner that was lost or deleted may serve until then.  A little later is not too early.
        await asyncio.sleep(answer["seconds"] + 0.01)


async def _silent(client: Any, owners: Sequence[Sequence[str]]) -> str | None:
    """Return the address of an owner that does not answer; None: all do."""

    async def ask(key: str, address: str) -> str | None:
        message = {"op": "actor_execute", "function": "rows", "actor": key}
        asked = client.scheduler.proxy(worker=address, msg={**message, "args": [], "kwargs": {}})
        try:
            answer = await asyncio.wait_for(asked, _ANSWERED_WITHIN)
        except Exception:  # of the connection, or that there is no such actor there
            return address
        return None if answer["status"] == "OK" else address

    found = await asyncio.gather(*(ask(key, address) for key, address in owners))
    return next((address for address in found if address is not None), None)


def _submit(
    client: Any,
    plan: _Plan,
    owner: type,
    generation: int,
    keys: Sequence[str],
    addresses: Sequence[str],
) -> list[Any]:
    """Have the workers make the owners."""
    dtype = dtype_to_wire(plan.dtype)
    blocks = zip(keys, addresses, plan.shapes, plan.starts, strict=True)
    return [
        client.submit(
            owner,
            plan.name,
            generation,
            block,
            shape,
            dtype,
            of=plan.shards,
            start=start,
            checkpoint=plan.checkpoint,
            every=plan.every,
            actor=True,
            workers=[address],
            allow_other_workers=False,
            key=key,
            pure=False,
            retries=0,
            priority=_PRIORITY,
        )
        for block, (key, address, shape, start) in enumerate(blocks)
    ]


async def _made(client: Any, plan: _Plan, creator: str, futures: list[Any], seconds: float) -> None:
    """Wait until all owners are there; the first that fails raises its error."""
    # A little earlier than the registry, which does not know why it takes so long.
    deadline = asyncio.get_running_loop().time() + seconds - _LOOK
    underway = {asyncio.ensure_future(future.exception()) for future in futures}
    try:
        while underway:
            done, underway = await asyncio.wait(
                underway, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED
            )
            for error in [one.result() for one in done]:
                if error is not None:
                    raise _told(error)
            if done:
                continue
            if asyncio.get_running_loop().time() > deadline:
                raise _not_made(
                    plan,
                    f"not within {seconds:.0f} s. Are all threads of the workers busy? An owner "
                    "needs one for a moment: have tasks that run for long give theirs up while "
                    "they wait (distributed.secede(), or 'with distributed.worker_client()'), "
                    "create the array before they begin, or give the workers more threads",
                )
            why = await client.scheduler.lockedarray_check(name=plan.name, creator=creator)
            if why is not None:
                raise _not_made(plan, why)
    finally:
        for task in underway:
            task.cancel()
    if not all(future.status == "finished" for future in futures):
        raise _not_made(plan, "the client has lost its tasks; was the cluster restarted?")


async def _release(client: Any, name: str, creator: str) -> None:
    """Free the name, even while this task is cancelled; a scheduler that is gone has no names."""
    try:
        await asyncio.shield(client.scheduler.lockedarray_release(name=name, creator=creator))
    except (OSError, asyncio.CancelledError):
        pass


def _told(error: BaseException) -> BaseException:
    if isinstance(error, ModuleNotFoundError) and _is_ours(error):
        told = ImportError(
            "lockedarray.distributed needs lockedarray, of the same version, on the workers, "
            f"too: {error}"
        )
        told.__cause__ = error
        return told
    return error


def _not_made(plan: _Plan, why: str) -> RuntimeError:
    return RuntimeError(f"the array {plan.name!r} was not made, and nothing of it is left: {why}")
