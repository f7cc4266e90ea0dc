"""What a DistributedArray does: which owners are asked for what, and what becomes of the answers.

All that an operation does is a coroutine, which runs in the event loop of the Dask client, and
returns an `Outcome`.  Its first argument is the tokens of the caller's leases.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from distributed import Client

from lockedarray._distributed.arguments import arrays_in, check_operands, plain
from lockedarray._distributed.at import CompareExchangeResult
from lockedarray._distributed.clients import (
    UNKNOWN,
    Scheduler,
    check_open,
    client_here,
    closed_underway,
    is_open,
)
from lockedarray._distributed.clock import deadline_of, left
from lockedarray._distributed.errors import OwnerLost, lease_is_over
from lockedarray._distributed.held import held
from lockedarray._distributed.link import link_to
from lockedarray._distributed.making import Entry, delete
from lockedarray._distributed.refusals import SIGNS, Refusals
from lockedarray._distributed.splitting import Part, Split, gathered, operand_for, split
from lockedarray._distributed.wire import Outcome, check_transfer

__all__ = ["Calls"]

_SNAPSHOT_LEASE = 300.0  # seconds that a consistent snapshot may take

_ending: set[asyncio.Future[Any]] = set()
"""Calls that go on when nobody waits for them any more; asyncio itself would forget them."""


class Calls(Refusals):
    """The calls to the owners of one array; `DistributedArray` is what users see of them."""

    __slots__ = ("__weakref__", "_entry", "_own_client", "_scheduler")

    def __init__(
        self,
        client: Client | None,
        entry: Entry,
        scheduler: Scheduler = UNKNOWN,
    ) -> None:
        self._own_client = client
        self._entry = entry
        self._scheduler = scheduler

    @property
    def client(self) -> Client:
        """The Dask client that carries the operations: a `distributed.Client`."""
        if self._own_client is None:
            self._own_client = client_here(self._entry.name, self._scheduler)
        check_open(self._own_client, self._entry.name)
        return self._own_client

    # -- how a call is made ------------------------------------------------------------------------

    def _do(
        self, called: str, work: Callable[..., Coroutine[Any, Any, Outcome]], *arguments: Any
    ) -> Any:
        """Have a coroutine run in the client's event loop, and wait for it, or have that awaited.

        It is called with the tokens of the caller's leases, and the arguments without what cannot
        travel as it is.  If nobody awaits it, Python says that `called` was never awaited.
        """
        client: Any = self.client
        tokens = held.get()
        far = arrays_in(arguments, Calls)
        if client.asynchronous:

            async def done() -> Any:
                snapshots = {id(array): await array.snapshot() for array in far}
                return (await work(tokens, *plain(arguments, snapshots))).unwrap()

            done.__qualname__ = called if "." in called else f"{type(self).__name__}.{called}"
            return done()
        snapshots = {id(array): array.snapshot() for array in far}
        return self._wait(work, tokens, *plain(arguments, snapshots)).unwrap()

    def _wait(self, work: Callable[..., Coroutine[Any, Any, Outcome]], *arguments: Any) -> Outcome:
        """Have a coroutine run in the client's event loop, and wait for it."""
        client: Any = self.client
        try:
            outcome: Outcome = client.sync(work, *arguments)
        except Exception as error:  # of the waiting itself: what the owner says is an outcome
            if is_open(client):
                raise
            raise closed_underway(self._entry.name) from error
        return outcome

    def _refuse_statement(self, statement: str, remedy: str) -> None:
        """Raise TypeError if the client is asynchronous, as a statement cannot be awaited."""
        if self.client.asynchronous:
            raise TypeError(f"the client is asynchronous: write {remedy!r} in place of {statement}")

    def _is_awaited(self) -> bool:
        return self._own_client is not None and self._own_client.asynchronous

    def _link(self, block: int) -> Any:
        return link_to(self.client, self._entry, block)

    async def _call(
        self, block: int, tokens: tuple[str, ...], kind: str, *arguments: Any, **named: Any
    ) -> Outcome:
        return await self._link(block).call(kind, *arguments, held=tokens, **named)

    async def _all(
        self, tokens: tuple[str, ...], kind: str, timeout: float | None = None
    ) -> Outcome:
        """Call all owners, and return the values of all."""
        calls = [
            self._call(block, tokens, kind, timeout=timeout)
            for block in range(len(self._entry.keys))
        ]
        return _values_of(await asyncio.gather(*calls), None)

    async def _have_all(self, tokens: tuple[str, ...], kind: str, timeout: float | None) -> Outcome:
        """Have all owners do what has no result."""
        return Outcome((await self._all(tokens, kind, timeout)).error, None)

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
        return self._shape_with(self._link(len(self._entry.keys) - 1).shape)

    def _shape_with(self, last: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return the shape, as that of the last block is known."""
        entry = self._entry
        return (entry.starts[-1] + last[0], *last[1:]) if last else entry.shape

    async def _shape_now(self, tokens: tuple[str, ...]) -> Outcome:
        """Ask for the shape; what `_told_shape` returns then may be of an older answer."""
        outcome = await self._call(len(self._entry.keys) - 1, tokens, "describe")
        if outcome.error is not None:
            return outcome
        return Outcome(None, self._shape_with(outcome.value["shape"]))

    async def _split(self, tokens: tuple[str, ...], index: Any) -> Split:
        """Return what each block has to do; the last one may have grown."""
        entry = self._entry
        if len(entry.keys) == 1 or self._is_known(index):
            return split(index, self._told_shape(), entry.starts, self._entry.dtype)
        shape = (await self._shape_now(tokens)).unwrap()
        found = split(index, shape, entry.starts, self._entry.dtype)
        if [part.block for part in found.parts] == [len(entry.keys) - 1]:
            # Rows that others append from now on are to count: it is one step, in one block.
            within = _index_in_last(index, entry.starts[-1])
            if within is not None:
                found = found._replace(parts=[found.parts[0]._replace(index=within)])
        return found

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
                f"{called}: the region is in {len(blocks)} blocks of {self._entry.name!r}, and "
                f"only one block can be held: give region= within one of them; they begin with the "
                f"rows {', '.join(map(str, self._entry.starts))}"
            )
        return found.parts[0].block, found.parts[0].index

    def _check_transfer(self, what: str, index: Any) -> None:
        """Raise ValueError if more elements would travel than without being told to."""
        shape = self._told_shape()
        if index is ...:
            count = math.prod(shape)
        else:
            count = math.prod(split(index, shape, (0,), self._entry.dtype).shape)
        check_transfer(what, count * self._entry.dtype.itemsize)

    # -- operations, in the event loop -------------------------------------------------------------

    async def _get(self, tokens: tuple[str, ...], index: Any) -> Outcome:
        self._check_transfer("x[index]", index)
        found = await self._split(tokens, index)
        return await self._in_parts(
            tokens, found, "get",
            lambda part: (part.index,),
            lambda values: _read_only(gathered(found, values, self._entry.dtype)),
        )  # fmt: skip

    async def _set(self, tokens: tuple[str, ...], index: Any, value: Any) -> Outcome:
        check_operands("x[index] = value", value)
        found = await self._split(tokens, index)
        return await self._in_parts(
            tokens, found, "set",
            lambda part: (part.index, operand_for(value, found, part, self._entry.dtype)),
        )  # fmt: skip

    async def _augment(
        self, tokens: tuple[str, ...], index: Any, operator: str, operand: Any
    ) -> Outcome:
        check_operands(f"x[index] {SIGNS[operator]} value", operand)
        found = await self._split(tokens, index)
        if operator == "imatmul" and len(found.parts) > 1:
            raise TypeError(
                "x[index] @= value: a matrix product needs all rows in one block (shards=1)"
            )
        return await self._in_parts(
            tokens, found, "augment",
            lambda part: (part.index, operator, operand_for(operand, found, part)),
        )  # fmt: skip

    def _at_index(self, index: Any, method: str, operands: tuple[Any, ...]) -> Any:
        return self._do(f"DistributedAtIndex.{method}", self._at, index, method, *operands)

    async def _at(
        self, tokens: tuple[str, ...], index: Any, method: str, *operands: Any
    ) -> Outcome:
        called = f"x.at[index].{method}(...)"
        check_operands(called, *operands)
        is_statement = method.startswith("__")  # which has no result
        if not is_statement:
            self._check_transfer(called, index)
        found = await self._split(tokens, index)
        stored = self._entry.dtype if method in ("set", "exchange", "compare_exchange") else None

        def arguments(part: Part) -> tuple[Any, ...]:
            if method == "apply":
                return part.index, method, operands
            given = tuple(operand_for(value, found, part, stored) for value in operands)
            return part.index, method, given

        def finish(values: list[Any]) -> Any:
            if is_statement:
                return None
            if method != "compare_exchange":
                return gathered(found, values, self._entry.dtype)
            swapped = gathered(found, [value.swapped for value in values], np.dtype(bool))
            return CompareExchangeResult(
                swapped, gathered(found, [value.old for value in values], self._entry.dtype)
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

    async def _append(self, tokens: tuple[str, ...], values: Any, timeout: float | None) -> Outcome:
        last = len(self._entry.keys) - 1
        outcome = await self._call(last, tokens, "append", values, timeout=timeout)
        if outcome.error is not None:
            return outcome
        return Outcome(None, self._entry.starts[-1] + outcome.value)

    async def _popleft(self, tokens: tuple[str, ...], n: int, timeout: float | None) -> Outcome:
        outcome = await self._call(0, tokens, "popleft", n, timeout=timeout)
        return Outcome(outcome.error, _owned(outcome.value))

    async def _frozen(self, tokens: tuple[str, ...]) -> Outcome:
        outcome = await self._all(tokens, "describe")
        if outcome.error is not None:
            return outcome
        return Outcome(None, all(told["frozen"] for told in outcome.value))

    async def _snapshot(self, tokens: tuple[str, ...], timeout: float | None) -> Outcome:
        outcome = await self._all(tokens, "snapshot", timeout)
        return outcome if outcome.error is not None else Outcome(None, self._joined(outcome.value))

    async def _consistent_snapshot(self, tokens: tuple[str, ...], timeout: float | None) -> Outcome:
        deadline = deadline_of(timeout)
        leases: list[str] = []  # one per block, in order, so that two snapshots never cross
        parts = []
        try:
            for block in range(len(self._entry.keys)):
                leases.append(secrets.token_hex(16))
                outcome = await self._call(
                    block, tokens, "lease", leases[-1], ..., False, _SNAPSHOT_LEASE,
                    timeout=left(deadline),
                )  # fmt: skip
                if outcome.error is not None:
                    return outcome
                parts.append(outcome.value)
        finally:
            # Whoever is cancelled here does not leave leases behind.
            ends = [
                asyncio.ensure_future(self._call(block, tokens, "end", token))
                for block, token in enumerate(leases)
            ]
            _ending.update(ends)
            for end in ends:
                end.add_done_callback(_ending.discard)
            were_there = await asyncio.shield(asyncio.gather(*ends))
        outcome = _values_of(were_there, None)
        if outcome.error is None and not all(outcome.value):
            return Outcome(lease_is_over(self._entry.name, _SNAPSHOT_LEASE), None)
        return outcome if outcome.error is not None else Outcome(None, self._joined(parts))

    def _joined(self, parts: list[Any]) -> np.ndarray:
        """Return one array of the blocks, which can be written to."""
        if len(parts) == 1:
            whole: np.ndarray = _owned(np.asarray(parts[0]))
            return whole
        # numpy.concatenate would make a dtype of its own of some.
        ends = list(itertools.accumulate(map(len, parts)))
        whole = np.empty((ends[-1], *parts[0].shape[1:]), self._entry.dtype)
        for part, end in zip(parts, ends, strict=True):
            whole[end - len(part) : end] = part
        return whole

    async def _delete(self, tokens: tuple[str, ...]) -> Outcome:
        try:
            await delete(self.client, self._entry)
        except OwnerLost as error:
            return Outcome(error, None)
        return Outcome(None, None)


# -- results ---------------------------------------------------------------------------------------


def _values_of(outcomes: list[Outcome], finish: Callable[[list[Any]], Any] | None) -> Outcome:
    for outcome in outcomes:
        if outcome.error is not None:
            return outcome
    values = [outcome.value for outcome in outcomes]
    return Outcome(None, values if finish is None else finish(values))


def _owned(value: Any) -> Any:
    """Return `value`, or a copy if it came as a reader's view, which nobody can write to."""
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        return value.copy()
    return value


def _read_only(value: Any) -> Any:
    """Return `value` so that to write to it, as if it were the array, is an error."""
    if isinstance(value, np.void):  # which takes after the array that it is an element of
        return _read_only(np.asarray(value))[()]
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value


def _is_low(start: Any) -> bool:
    return start is None or (type(start) is int and start >= 0)


def _index_in_last(index: Any, begin: int) -> Any:
    """Return the index, within the last block, of what is in no other; None if it is not so easy.

    Parameters
    ----------
    index
        Of the whole array: if its first item is negative, or a slice up to the end, it means other
        rows when the array has grown.
    begin : int
        The first row of the last block.
    """
    first, rest = (index[0], index[1:]) if type(index) is tuple and index else (index, ())
    if isinstance(first, (int, np.integer)) and not isinstance(first, bool) and first < 0:
        rows: Any = first
    elif type(first) is slice and type(first.start) is int and first.step is None:
        start = first.start if first.start < 0 else first.start - begin
        if first.stop is None or (type(first.stop) is int and first.stop < 0):
            rows = slice(start, first.stop)
        else:
            return None
        if first.start >= 0 > start:
            return None
    else:
        return None
    return (rows, *rest) if type(index) is tuple else rows
