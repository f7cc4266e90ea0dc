"""DistributedArray: what stands for an array between machines, in each process that uses it.

It has no data.  An operation becomes a call to the owner, or to the owners of the blocks that an
index touches, and its result is a plain array or scalar.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np

from distributed import Client, get_client, get_worker
from lockedarray._array.array import LockedArray
from lockedarray._cores import augments
from lockedarray._distributed.at import CompareExchangeResult, DistributedAt
from lockedarray._distributed.errors import lease_is_over, owner_was_lost
from lockedarray._distributed.guards import LeaseGuard
from lockedarray._distributed.held import held
from lockedarray._distributed.link import link_to
from lockedarray._distributed.making import Entry
from lockedarray._distributed.splitting import Part, Split, gathered, operand_for, split
from lockedarray._distributed.wire import Outcome, check_transfer, pack_function

__all__ = ["DistributedArray"]

_SNAPSHOT_LEASE = 300.0  # seconds that a consistent snapshot may take

_SIGNS = {
    "iadd": "+=",
    "isub": "-=",
    "imul": "*=",
    "imatmul": "@=",
    "itruediv": "/=",
    "ifloordiv": "//=",
    "imod": "%=",
    "ipow": "**=",
    "ilshift": "<<=",
    "irshift": ">>=",
    "iand": "&=",
    "ixor": "^=",
    "ior": "|=",
}


class DistributedArray:
    """An array that one worker of a Dask cluster owns, or several do, a block of rows each.

    Made by `create` and `attach`.  It is no ndarray: operations travel to the owner, and are done
    there one after the other, each exactly once as long as the owner lives.  What comes back is a
    copy.  ``np.asarray(x)`` is a snapshot, and so is what NumPy's functions work on.

    Of an asynchronous client, methods return awaitables, ``await x[i]`` too, and guards are used by
    ``async with``; statements such as ``x[i] = v`` can not wait, and are refused.

    It can be pickled into tasks, where it uses the worker's client.

    Of an array in several blocks (``shards=``), what touches more than one is atomic in each of
    them, and not as a whole.

    Raises
    ------
    OwnerLost
        By each operation: an owner is lost, or the array was deleted.
    DeadlockError
        By operations inside ``with x.write(...)``: it would wait for the region of that guard.
    ValueError
        By indexing, assignment, `np.asarray` and guards: more would travel than
        ``lockedarray.transfer-limit`` of Dask's configuration allows (1 GiB by default).
    """

    def __init__(self, client: Client | None, entry: Entry, scheduler: str | None = None) -> None:
        self._own_client = client
        self._entry = entry
        self._scheduler = scheduler

    # -- what it is --------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The Dask client that it uses."""
        if self._own_client is None:
            self._own_client = _client_here(self._entry.name, self._scheduler)
        return self._own_client

    @property
    def name(self) -> str:
        """The name by which all find it."""
        return self._entry.name

    @property
    def generation(self) -> int:
        """How often it was made, at least: more than that of any array of this name before."""
        return self._entry.generation

    @property
    def owners(self) -> tuple[str, ...]:
        """The address of the worker that has each block."""
        return self._entry.addresses

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements."""
        return self._entry.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._entry.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes.

        The owner is asked, as others may have appended rows; with an asynchronous client it is what
        the last answer told.
        """
        if self.ndim and not self.client.asynchronous:
            self._do(self._describe_last)
        return self._told_shape()

    @property
    def size(self) -> int:
        """Number of elements; see `shape`."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; see `shape`."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        shape = self._entry.shape if self._own_client is None else self._told_shape()
        return (
            f"<DistributedArray {self.name!r}: shape {shape}, {self.dtype}, generation "
            f"{self.generation}, on {', '.join(dict.fromkeys(self.owners))}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        client = self._own_client
        address: Any = self._scheduler if client is None else _scheduler_of(client)
        return _unpickled, (self._entry, address)

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        """Return another token each time: what was read from it once is not what it is now."""
        return "lockedarray", self.name, uuid.uuid4().hex

    # -- elements ----------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        if augments(self, index):
            self._refuse_statement("x[i] op= v", "await x.at[i].add(v)")
            return _Augmented(self)
        return self._do(self._get, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, _Augmented):
            self._do(self._augment, index, value.operator, value.operand)
            return
        self._refuse_statement("x[i] = v", "await x.at[i].set(v)")
        self._do(self._set, index, value)

    @property
    def at(self) -> DistributedAt:
        """Elements for atomic read-modify-write: ``x.at[i].add(1)``; see `DistributedAtIndex`."""
        return DistributedAt(self)

    def __iter__(self) -> Iterator[Any]:
        self._refuse_statement("for row in x", "for row in await x.snapshot()")
        length = len(self)
        return (self[row] for row in range(length))

    def __contains__(self, _element: object) -> bool:
        raise TypeError("'in' is not asked of an array far away: np.asarray(x) has its elements")

    def __bool__(self) -> bool:
        raise TypeError("an array far away is neither true nor false: ask np.asarray(x), or x[i]")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return a snapshot, as `numpy.asarray` does."""
        if copy is False:
            raise ValueError(
                "the elements are on another machine: what NumPy sees is a copy (copy=False)"
            )
        self._refuse_statement("np.asarray(x)", "await x.snapshot()")
        self._check_transfer("np.asarray(x)", ...)
        snapshot = self.snapshot()
        return snapshot if dtype is None else snapshot.astype(dtype, copy=False)

    # -- all of it ---------------------------------------------------------------------------------

    def snapshot(self, consistent: bool = False) -> Any:
        """Return a plain copy of the whole array, however large it is.

        Parameters
        ----------
        consistent : bool
            Of an array in several blocks, have all of them as they were at one moment: nobody
            writes to any of them until all are here.  Without it each one is as it was at some
            moment of the call.

        Returns
        -------
        ndarray

        Raises
        ------
        LeaseExpired
            To have all blocks at once took longer than 300 seconds.
        """
        if consistent and len(self._entry.keys) > 1:
            return self._do(self._consistent_snapshot)
        return self._do(self._snapshot)

    def update(
        self, function: Callable[[np.ndarray], Any], region: Any = ..., timeout: float | None = None
    ) -> Any:
        """Have a function change a region where it is, as one step.

        Parameters
        ----------
        function : callable
            It travels to the owner, and is called with a writable plain view of the region,
            to change in place.  If it raises, nothing has changed, and the exception comes here.
            It runs in a thread of the worker, once, while nobody else has the region.
        region : index
            What integers, slices and names of fields select; by default all.
        timeout : float, optional
            Seconds to wait for the region at most.

        Returns
        -------
        object
            What the function returned.  Where the region is in several blocks, a list: the function
            is called for each, with the part that is there; if it raises in one, the others are
            changed all the same.

        Raises
        ------
        LockTimeout
            The region was not free in time; the function was not called.
        """
        _check_callable(function, "update() takes a function of the region")
        return self._do(self._update, pack_function(function), region, timeout)

    def wait_for(
        self,
        predicate: Callable[[np.ndarray], Any],
        timeout: float | None = None,
        region: Any = ...,
    ) -> Any:
        """Wait until a predicate is true of a region.

        It travels to the owner, and is called under the read lock with a read-only plain view: at
        once, and then whenever the array has changed, until it is true.

        Parameters
        ----------
        predicate : callable
            What it returns is tested as by ``bool()``.
        timeout : float, optional
            Seconds to wait at most.
        region : index
            What integers, slices and names of fields select, within one block; by default all.

        Returns
        -------
        object
            What the predicate returned last; false when the time was over.

        Raises
        ------
        ValueError
            The region is in several blocks, which nobody sees at one moment.
        """
        _check_callable(predicate, "wait_for() takes a predicate of the region")
        return self._do(self._wait_for, pack_function(predicate), timeout, region)

    def write(
        self, region: Any = ..., lease: float = 30, timeout: float | None = None
    ) -> LeaseGuard:
        """Return a guard that has a region for some seconds: ``with x.write(region) as raw:``.

        A copy of the region travels here, and at the end of the block back, in one commit.  What
        overlaps it waits meanwhile; what does not goes on.  An exception commits nothing.

        Parameters
        ----------
        region : index
            What integers, slices and names of fields select, within one block; by default all.
        lease : float
            Seconds from when the region is granted until it is given to others.
        timeout : float, optional
            Seconds to wait for the region at most.

        Raises
        ------
        LeaseExpired
            At the end of the block: it took longer than `lease`, and nothing was changed.
        LockTimeout
            The region was not free in time.
        ValueError
            The region is in several blocks.
        """
        return LeaseGuard(self, region, True, lease, timeout)

    def read(
        self, region: Any = ..., lease: float = 30, timeout: float | None = None
    ) -> LeaseGuard:
        """Return a guard that keeps others from writing to a region, and yields a copy of it.

        It is as `write` is, but for that the copy is read-only, and nothing is committed.

        Raises
        ------
        LeaseExpired
            At the end of the block: it took longer than `lease`, so others may have written.
        """
        return LeaseGuard(self, region, False, lease, timeout)

    def append(self, values: Any) -> Any:
        """Add a row, or rows, at the end (of the last block), and return the index of the first.

        Parameters
        ----------
        values : array_like
            One row, of shape ``x.shape[1:]``, or n rows, of shape ``(n, *x.shape[1:])``: nothing
            is broadcast.

        Returns
        -------
        int
            The length before.
        """
        return self._do(self._append, values)

    def popleft(self, n: int = 1) -> Any:
        """Remove the first `n` rows, and return them as a plain array.

        Raises
        ------
        IndexError
            There are fewer than `n` rows.
        ValueError
            The array is in several blocks, whose rows do not move.
        """
        if len(self._entry.keys) > 1:
            raise ValueError(
                f"cannot popleft: {self.name!r} has {len(self._entry.keys)} blocks, and only an "
                "array of one can lose rows; create it with shards=1"
            )
        return self._do(self._one, 0, "popleft", n)

    def freeze(self) -> Any:
        """Make the array read-only for good; waits for the write lock of each block."""
        return self._do(self._have_all, "freeze")

    @property
    def frozen(self) -> Any:
        """Whether `freeze` was called.  The owner is asked: it can be awaited, as methods can."""
        return self._do(self._frozen)

    def checkpoint(self) -> Any:
        """Write the array, as it is at one moment, to its checkpoint; of each block for itself.

        Raises
        ------
        ValueError
            It was created without ``checkpoint=``.
        """
        return self._do(self._have_all, "checkpoint")

    def delete(self) -> Any:
        """Delete the array, and free its name.  Its checkpoint stays.

        Of one that is deleted already, or made anew by others, nothing is changed.
        """
        return self._do(self._delete)

    # -- how a call is made ------------------------------------------------------------------------

    def _do(self, work: Callable[..., Coroutine[Any, Any, Outcome]], *arguments: Any) -> Any:
        """Have a coroutine run in the client's event loop, and wait for it, or have that awaited.

        It is called with the tokens of the caller's leases, and the arguments without what can not
        travel as it is.
        """
        client: Any = self.client
        tokens = held.get()
        far = _distributed_in(arguments)
        if client.asynchronous:

            async def done() -> Any:
                snapshots = {id(array): await array.snapshot() for array in far}
                return (await work(tokens, *_plain(arguments, snapshots))).unwrap()

            return done()
        snapshots = {id(array): array.snapshot() for array in far}
        outcome: Outcome = client.sync(work, tokens, *_plain(arguments, snapshots))
        return outcome.unwrap()

    def _refuse_statement(self, statement: str, remedy: str) -> None:
        """Raise TypeError if the client is asynchronous, as a statement can not be awaited."""
        if self.client.asynchronous:
            raise TypeError(f"the client is asynchronous: write {remedy!r} in place of {statement}")

    def _link(self, block: int) -> Any:
        return link_to(self.client, self._entry, block)

    async def _call(
        self, block: int, tokens: tuple[str, ...], kind: str, *arguments: Any, **named: Any
    ) -> Outcome:
        return await self._link(block).call(kind, *arguments, held=tokens, **named)

    async def _one(self, tokens: tuple[str, ...], block: int, kind: str, *others: Any) -> Outcome:
        return await self._call(block, tokens, kind, *others)

    async def _all(self, tokens: tuple[str, ...], kind: str) -> Outcome:
        """Call all owners, and return the values of all."""
        blocks = range(len(self._entry.keys))
        return _values_of(
            await asyncio.gather(*(self._call(block, tokens, kind) for block in blocks)), None
        )

    async def _have_all(self, tokens: tuple[str, ...], kind: str) -> Outcome:
        """Have all owners do what has no result."""
        return Outcome((await self._all(tokens, kind)).error, None)

    async def _in_parts(
        self,
        tokens: tuple[str, ...],
        found: Split,
        kind: str,
        arguments: Callable[[Part], tuple[Any, ...]],
        finish: Callable[[list[Any]], Any] | None = None,
        **named: Any,
    ) -> Outcome:
        """Call the owners of all parts at once; the first error counts, and no value else."""
        outcomes = await asyncio.gather(*(
            self._call(part.block, tokens, kind, *arguments(part), **named) for part in found.parts
        ))  # fmt: skip
        return _values_of(outcomes, finish)

    # -- where it goes -----------------------------------------------------------------------------

    def _told_shape(self) -> tuple[int, ...]:
        """Return the shape that the last answer told, or that the array began with."""
        entry = self._entry
        last = self._link(len(entry.keys) - 1).shape
        if last is None or not last:
            return entry.shape
        return (entry.starts[-1] + last[0], *last[1:])

    async def _describe_last(self, tokens: tuple[str, ...]) -> Outcome:
        return await self._call(len(self._entry.keys) - 1, tokens, "describe")

    async def _split(self, tokens: tuple[str, ...], index: Any) -> Split:
        """Return what each block has to do; the last one may have grown."""
        entry = self._entry
        if len(entry.keys) > 1 and not self._is_known(index):
            (await self._describe_last(tokens)).unwrap()
        return split(index, self._told_shape(), entry.starts, self.dtype)

    def _is_known(self, index: Any) -> bool:
        """Whether an index selects the same rows however many have been appended."""
        first = index[0] if type(index) is tuple and index else index
        length = self._told_shape()[0]
        if type(first) is int:
            return 0 <= first < length
        if type(first) is slice and type(first.stop) is int:
            return 0 <= first.stop <= length and first.step in (None, 1) and _is_low(first.start)
        return False

    async def _block_of(self, tokens: tuple[str, ...], region: Any, called: str) -> tuple[int, Any]:
        """Return which block has a region, and what its index is there."""
        found = await self._split(tokens, region)
        if len(found.parts) > 1:
            blocks = [part.block for part in found.parts]
            raise ValueError(
                f"{called}: the region is in {len(blocks)} blocks of {self.name!r}, and nobody has "
                f"several at once: give region= within one of them; they begin with the rows "
                f"{', '.join(map(str, self._entry.starts))}"
            )
        return found.parts[0].block, found.parts[0].index

    def _check_transfer(self, what: str, index: Any) -> None:
        """Raise ValueError if more elements would travel than without being told to."""
        shape = self._told_shape()
        if index is ...:
            count = math.prod(shape)
        else:
            count = math.prod(split(index, shape, (0,), self.dtype).shape)
        check_transfer(what, count * self.dtype.itemsize)

    # -- operations, in the event loop -------------------------------------------------------------

    async def _get(self, tokens: tuple[str, ...], index: Any) -> Outcome:
        self._check_transfer("x[index]", index)
        found = await self._split(tokens, index)
        return await self._in_parts(
            tokens, found, "get",
            lambda part: (part.index,),
            lambda values: _owned(gathered(found, values, self.dtype)),
        )  # fmt: skip

    async def _set(self, tokens: tuple[str, ...], index: Any, value: Any) -> Outcome:
        _check_operands("x[index] = value", value)
        found = await self._split(tokens, index)
        return await self._in_parts(
            tokens, found, "set",
            lambda part: (part.index, operand_for(value, found, part, self.dtype)),
        )  # fmt: skip

    async def _augment(
        self, tokens: tuple[str, ...], index: Any, operator: str, operand: Any
    ) -> Outcome:
        _check_operands(f"x[index] {_SIGNS[operator]} value", operand)
        found = await self._split(tokens, index)
        if operator == "imatmul" and len(found.parts) > 1:
            raise TypeError("x[index] @= value: a product of matrices needs all blocks at once")
        return await self._in_parts(
            tokens, found, "augment",
            lambda part: (part.index, operator, operand_for(operand, found, part)),
        )  # fmt: skip

    def _at_index(self, index: Any, method: str, operands: tuple[Any, ...]) -> Any:
        return self._do(self._at, index, method, *operands)

    async def _at(
        self, tokens: tuple[str, ...], index: Any, method: str, *operands: Any
    ) -> Outcome:
        called = f"x.at[index].{method}(...)"
        _check_operands(called, *operands)
        is_statement = method.startswith("__")  # which has no result
        if not is_statement:
            self._check_transfer(called, index)
        found = await self._split(tokens, index)
        stored = self.dtype if method in ("set", "exchange", "compare_exchange") else None

        def arguments(part: Part) -> tuple[Any, ...]:
            if method == "apply":
                return part.index, method, operands
            given = tuple(operand_for(value, found, part, stored) for value in operands)
            return part.index, method, given

        def finish(values: list[Any]) -> Any:
            if is_statement:
                return None
            if method != "compare_exchange":
                return gathered(found, values, self.dtype)
            swapped = gathered(found, [value.swapped for value in values], np.dtype(bool))
            return CompareExchangeResult(
                swapped, gathered(found, [value.old for value in values], self.dtype)
            )

        return await self._in_parts(tokens, found, "at", arguments, finish)

    async def _update(
        self, tokens: tuple[str, ...], function: bytes, region: Any, timeout: float | None
    ) -> Outcome:
        found = await self._split(tokens, region)
        return await self._in_parts(
            tokens, found, "update",
            lambda part: (function, part.index),
            lambda values: values if len(values) > 1 else values[0],
            timeout=timeout,
        )  # fmt: skip

    async def _wait_for(
        self, tokens: tuple[str, ...], predicate: bytes, timeout: float | None, region: Any
    ) -> Outcome:
        block, index = await self._block_of(tokens, region, "x.wait_for(...)")
        return await self._call(block, tokens, "wait_for", predicate, index, timeout=timeout)

    async def _append(self, tokens: tuple[str, ...], values: Any) -> Outcome:
        outcome = await self._call(len(self._entry.keys) - 1, tokens, "append", values)
        if outcome.error is not None:
            return outcome
        return Outcome(None, self._entry.starts[-1] + outcome.value)

    async def _frozen(self, tokens: tuple[str, ...]) -> Outcome:
        outcome = await self._all(tokens, "describe")
        if outcome.error is not None:
            return outcome
        return Outcome(None, all(told["frozen"] for told in outcome.value))

    async def _snapshot(self, tokens: tuple[str, ...]) -> Outcome:
        outcome = await self._all(tokens, "snapshot")
        return outcome if outcome.error is not None else Outcome(None, _joined(outcome.value))

    async def _consistent_snapshot(self, tokens: tuple[str, ...]) -> Outcome:
        leases: list[str] = []  # one per block, in order, so that two snapshots never cross
        parts = []
        try:
            for block in range(len(self._entry.keys)):
                leases.append(secrets.token_hex(16))
                outcome = await self._call(
                    block, tokens, "lease", leases[-1], ..., False, _SNAPSHOT_LEASE
                )
                if outcome.error is not None:
                    return outcome
                parts.append(outcome.value)
        finally:
            were_there = await asyncio.gather(
                *(self._call(block, tokens, "end", token) for block, token in enumerate(leases))
            )
        outcome = _values_of(were_there, None)
        if outcome.error is None and not all(outcome.value):
            return Outcome(lease_is_over(self.name, _SNAPSHOT_LEASE), None)
        return outcome if outcome.error is not None else Outcome(None, _joined(parts))

    async def _delete(self, tokens: tuple[str, ...]) -> Outcome:
        # An owner that is lost does not answer, and is not asked to.
        await self._all(tokens, "close")
        scheduler: Any = self.client.scheduler
        try:
            await scheduler.lockedarray_delete(name=self.name, generation=self.generation)
        except OSError:
            why = "the scheduler does not answer"
            return Outcome(owner_was_lost(self.name, self.generation, why, underway=True), None)
        return Outcome(None, None)


class _Augmented:
    """What ``x[index]`` is in ``x[index] op= operand``: what is to be done, in place of a value."""

    __slots__ = ("array", "operand", "operator")

    def __init__(self, array: DistributedArray) -> None:
        self.array = array
        self.operator: str | None = None
        self.operand: Any = None


def _in_place(name: str) -> Callable[[_Augmented, Any], _Augmented]:
    def operate(self: _Augmented, operand: Any) -> _Augmented:
        self.operator = name
        self.operand = operand
        return self

    return operate


def _in_place_of_all(name: str) -> Callable[[DistributedArray, Any], DistributedArray]:
    def operate(self: DistributedArray, operand: Any) -> DistributedArray:
        self._refuse_statement(f"x {_SIGNS[name]} v", "await x.at[...].add(v)")
        self._do(self._augment, ..., name, operand)
        return self

    operate.__name__ = f"__{name}__"
    operate.__qualname__ = f"DistributedArray.__{name}__"
    operate.__doc__ = f"``x[...] {_SIGNS[name]} operand``."
    return operate


for _name in _SIGNS:
    setattr(_Augmented, f"__{_name}__", _in_place(_name))
    setattr(DistributedArray, f"__{_name}__", _in_place_of_all(_name))


# -- arguments and results -------------------------------------------------------------------------


def _distributed_in(value: Any) -> list[DistributedArray]:
    if isinstance(value, DistributedArray):
        return [value]
    if type(value) is tuple:
        return [array for part in value for array in _distributed_in(part)]
    return []


def _plain(value: Any, snapshots: dict[int, Any]) -> Any:
    """Return `value` with plain arrays for all others, which the owner may not know."""
    if type(value) is tuple:
        return tuple(_plain(part, snapshots) for part in value)
    if isinstance(value, DistributedArray):
        return snapshots[id(value)]
    if isinstance(value, LockedArray):
        return value.snapshot()
    if type(value) is np.ndarray or isinstance(value, (np.generic, type)):
        return value
    return np.asarray(value) if hasattr(value, "__array__") else value


def _check_operands(what: str, *operands: Any) -> None:
    for operand in operands:
        if isinstance(operand, np.ndarray):
            check_transfer(what, operand.nbytes)


def _check_callable(function: object, text: str) -> None:
    if not callable(function):
        raise TypeError(f"{text}, not {function!r}")


def _values_of(outcomes: list[Outcome], finish: Callable[[list[Any]], Any] | None) -> Outcome:
    for outcome in outcomes:
        if outcome.error is not None:
            return outcome
    values = [outcome.value for outcome in outcomes]
    return Outcome(None, values if finish is None else finish(values))


def _joined(parts: list[Any]) -> np.ndarray:
    return np.concatenate(parts) if len(parts) > 1 else _owned(np.asarray(parts[0]))


def _owned(value: Any) -> Any:
    """Return `value`, or a copy if it came as a reader's view, which nobody can write to."""
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        return value.copy()
    return value


def _is_low(start: Any) -> bool:
    return start is None or (type(start) is int and start >= 0)


# -- pickling --------------------------------------------------------------------------------------


def _unpickled(entry: Entry, scheduler: str | None) -> DistributedArray:
    return DistributedArray(None, entry, scheduler)


def _scheduler_of(client: Client) -> str | None:
    scheduler: Any = client.scheduler
    return None if scheduler is None else scheduler.address


def _client_here(name: str, scheduler: str | None) -> Client:
    """Return the worker's client, or else the current one if it is of that scheduler."""
    with contextlib.suppress(ValueError):
        get_worker()
        return get_client()
    try:
        client: Client = Client.current()  # type: ignore[no-untyped-call]
    except ValueError:
        raise RuntimeError(
            f"the array {name!r} has come to a process without a Dask client: make one, "
            f"Client({scheduler!r}), before it is used, or attach(client, {name!r})"
        ) from None
    if _scheduler_of(client) != scheduler:
        raise RuntimeError(
            f"the array {name!r} is on the cluster of the scheduler {scheduler}, and the current "
            f"Dask client is one of {_scheduler_of(client)}: attach(client, {name!r}) with another"
        )
    return client
