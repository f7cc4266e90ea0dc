"""What calls do to an owner's array: each under its lock, until its result is bytes.

All of it runs in the owner's event loop.  To wait for a lock is to wait as an asyncio task, so that
nobody's wait keeps others from being served; what takes long, users' functions above all, runs in
threads beside the loop, while the task has the lock.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import operator
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.indexing import makes_view, picks_element
from lockedarray._distributed.clock import deadline_of, left
from lockedarray._distributed.errors import raised_no_exception
from lockedarray._distributed.held import held as held_tokens
from lockedarray._distributed.leases import Lease, Leases
from lockedarray._distributed.wire import Message, Outcome, pack, pack_error, unpack
from lockedarray._errors import DeadlockError

__all__ = ["READS", "Operations"]

READS = frozenset({"describe", "get", "snapshot", "wait_for"})
"""The kinds that may be done again, as they change nothing."""

_LARGE = 2**20  # bytes: copied in a thread, not in the loop
_THREADS = 1000  # at most: functions may wait for calls that want another one each
_TRIES = 3  # to have a region that is still where it was
_UPDATE = "update-"  # how the tokens of updates that run begin
_WITHIN_UPDATE = 30.0
"""Seconds that calls of an update's function wait for a lock, if they do not say how long: two
updates that wait for each other's array would else do so for ever, as nobody sees both."""


class Operations:
    """What can be done to one array, or one block of an array.

    Parameters
    ----------
    name : str
        Of the array, for messages.
    array : LockedArray
    """

    def __init__(self, name: str, array: LockedArray) -> None:
        self.array = array
        self.leases = Leases(name)
        self.version = 0  # how many writes have ended
        self._moved = 0  # how often rows were appended or removed
        self._changed: asyncio.Future[None] | None = None
        self._performing: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(_THREADS, "lockedarray")

    async def perform(
        self, kind: str, arguments: tuple[Any, ...], named: dict[str, Any], held: tuple[str, ...]
    ) -> Message:
        """Do what is asked, and return the outcome as bytes; errors of NumPy, too.

        It is cancelled by `close`, if it waits then.
        """
        task = asyncio.current_task()
        assert task is not None
        self._performing.add(task)
        try:
            action = getattr(self, f"_{kind}") if kind in _KINDS else None
            if action is None:
                raise ValueError(
                    f"no operation {kind!r}: are the versions of lockedarray the same?"
                )
            return await action(*arguments, held=held, **named)
        except Exception as error:
            return pack_error(_in_our_words(error))
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and task.cancelling():
                raise
            # Of an operand's own methods: it is not to end the process, here or at the caller's.
            return pack_error(raised_no_exception(error))
        finally:
            self._performing.discard(task)

    def close(self) -> None:
        """End all leases and what waits, and have no threads any more."""
        for task in self._performing:
            task.cancel()
        self.leases.end_all()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- how they are done -------------------------------------------------------------------------

    @asynccontextmanager
    async def _locked(
        self,
        find: Callable[[], LockedArray],
        write: bool,
        timeout: float | None,
        held: tuple[str, ...],
    ) -> AsyncIterator[np.ndarray]:
        """Have the region that `find` returns, and yield it as a plain array.

        A view goes on showing rows that were removed, and shows none that were appended: if that
        has happened to the array while the lock was waited for, the region is looked for again.
        """
        deadline = _deadline(timeout, held)
        for attempt in itertools.count():
            moved = self._moved
            region = find()
            memory = np.asarray(region)
            if not memory.nbytes and region is not self.array and not (write and region.frozen):
                yield np.empty(memory.shape, memory.dtype)  # a hold of nothing keeps `append` out
                return
            if not write and memory.nbytes < _LARGE and self.leases.has_for_reading(held, memory):
                # To ask again would be to wait behind the writers that wait for the lease to end.
                yield memory
                return
            self.leases.check(held, memory, write)
            # Whoever has had bad luck a few times takes all of it, which nobody can move then.
            wanted = region if attempt < _TRIES else self.array
            try:
                async with _guard(wanted, write, left(deadline)) as raw:
                    if wanted is region and (region is self.array or self._moved == moved):
                        yield raw
                        return
                    if wanted is not region:
                        async with _guard(find(), write, None) as raw:
                            yield raw
                            return
            finally:
                if write:
                    self._tell_changed()

    def _tell_changed(self) -> None:
        self.version += 1
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns that takes long; it runs in a thread.

        An exception that would stop the waiting one, or that asyncio does not pass on, arrives as a
        RuntimeError: StopIteration would be waited for without end, SystemExit end the worker.
        """
        context = contextvars.copy_context()

        def outcome() -> Outcome:
            try:
                return Outcome(None, context.run(function, *arguments))
            except (StopIteration, StopAsyncIteration, asyncio.CancelledError) as error:
                return Outcome(raised_no_exception(error), None)
            except Exception as error:
                return Outcome(error, None)
            except BaseException as error:
                return Outcome(raised_no_exception(error), None)

        running = self._threads.submit(outcome)
        ended = asyncio.wrap_future(running)
        # The lock must not be let go while the thread is still at it.
        while not ended.done():
            try:
                await asyncio.wait({ended})
            except asyncio.CancelledError:
                if running.cancel():
                    raise
        return ended.result().unwrap()

    async def _maybe_in_thread(
        self, nbytes: int, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        if nbytes < _LARGE:
            return function(*arguments)
        return await self.in_thread(function, *arguments)

    def _region(self, index: Any) -> LockedArray:
        """Return a view of all that `index` selects, and for lists and masks maybe of more.

        Raises
        ------
        IndexError
            It is out of bounds.
        """
        array = self.array
        if makes_view(index, array.ndim):
            return array[index]
        if picks_element(index, array.ndim):
            return array[(*index, ...) if type(index) is tuple else (index, ...)]
        return self._part(index)[0]

    def _part(self, index: Any) -> tuple[LockedArray, Any]:
        """Return an array, and the index that selects there what `index` selects.

        What the operations of an array lock is all of it, if the index is a list or a mask: for
        those it is a view of the rows from the first to the last that are meant.
        """
        array = self.array
        if self._is_basic(index):
            return array, index
        first, rest = (index[0], index[1:]) if type(index) is tuple and index else (index, ())
        if isinstance(first, (list, np.ndarray)) and array.ndim and len(array):
            rows = np.asarray(first)
            if rows.ndim == 1 and rows.size and rows.dtype.kind in "iu":
                low, high = int(rows.min()), int(rows.max())
                if -len(array) <= low and high < len(array) and (low >= 0 or high < 0):
                    length = len(array) if low < 0 else 0
                    view = array[low + length : high + length + 1]
                    return view, (rows - rows.dtype.type(low), *rest)
            elif rows.shape == (len(array),) and rows.dtype.kind == "b" and rows.any():
                chosen = np.flatnonzero(rows)
                low, high = int(chosen[0]), int(chosen[-1])
                return array[low : high + 1], (rows[low : high + 1], *rest)
        return array, index

    def _is_basic(self, index: Any) -> bool:
        return makes_view(index, self.array.ndim) or picks_element(index, self.array.ndim)

    def _basic_region(self, index: Any) -> LockedArray:
        if not self._is_basic(index):
            raise IndexError(
                f"region must be an index of integers, slices or names of fields, not {index!r}"
            )
        return self._region(index)

    def _selected(self, raw: np.ndarray, index: Any) -> Any:
        """Return what a basic index selects, of its region."""
        return raw[()] if picks_element(index, self.array.ndim) else raw

    # -- operations --------------------------------------------------------------------------------

    async def _describe(self, *, held: tuple[str, ...], timeout: float | None = None) -> Message:
        return pack(Outcome(None, {"frozen": bool(self.array.frozen), "shape": self.array.shape}))

    async def _get(
        self, index: Any, *, held: tuple[str, ...], timeout: float | None = None
    ) -> Message:
        async with self._locked(lambda: self._region(index), False, timeout, held) as raw:
            if self._is_basic(index):
                found = self._selected(raw, index)
                return await self._maybe_in_thread(raw.nbytes, pack, Outcome(None, found))
            found = np.asarray(self.array)[index]
            return await self._maybe_in_thread(np.asarray(found).nbytes, pack, Outcome(None, found))

    async def _snapshot(self, *, held: tuple[str, ...], timeout: float | None = None) -> Message:
        async with self._locked(lambda: self.array, False, timeout, held) as raw:
            return await self._maybe_in_thread(raw.nbytes, pack, Outcome(None, raw))

    async def _set(
        self, index: Any, value: Any, *, held: tuple[str, ...], timeout: float | None = None
    ) -> Message:
        async with self._locked(lambda: self._region(index), True, timeout, held) as raw:
            if self._is_basic(index):
                await self._maybe_in_thread(raw.nbytes, raw.__setitem__, (), value)
            else:
                part, within = self._part(index)
                part[within] = value
        return pack(Outcome(None, None))

    async def _augment(
        self,
        index: Any,
        name: str,
        operand: Any,
        *,
        held: tuple[str, ...],
        timeout: float | None = None,
    ) -> Message:
        function = getattr(operator, name)
        async with self._locked(lambda: self._region(index), True, timeout, held) as raw:
            if not self._is_basic(index):
                part, within = self._part(index)
                part[within] = function(np.asarray(part)[within], operand)
            elif picks_element(index, self.array.ndim):
                raw[()] = function(raw[()], operand)
            else:
                await self._maybe_in_thread(raw.nbytes, _augmented, function, raw, operand)
        return pack(Outcome(None, None))

    async def _at(
        self,
        index: Any,
        method: str,
        operands: tuple[Any, ...],
        *,
        held: tuple[str, ...],
        timeout: float | None = None,
    ) -> Message:
        write = method != "get"
        async with self._locked(lambda: self._region(index), write, timeout, held):
            if method == "apply":
                return await self._apply(index, *operands)
            part, within = self._part(index)
            result = getattr(part.at[within], method)(*operands)
            # What an in-place operator returns stands for this array.
            return pack(Outcome(None, None if method.startswith("__") else result))

    async def _apply(self, index: Any, function: bytes) -> Message:
        """Do ``x.at[index].apply(function)``, whose function runs in a thread."""
        part, within = self._part(index)

        def applied() -> Any:
            now = np.asarray(part)[within]
            return unpack(function)(now.copy() if isinstance(now, np.ndarray) else now)

        with self._under():
            part[within] = await self.in_thread(applied)
        now = np.asarray(part)[within]
        return pack(Outcome(None, now))

    async def _update(
        self,
        function: bytes,
        region: Any,
        *,
        held: tuple[str, ...],
        timeout: float | None = None,
    ) -> Message:
        async with self._locked(lambda: self._basic_region(region), True, timeout, held) as raw:

            def updated() -> Message:
                before = raw.copy()
                try:
                    # The result is bytes before the lock is let go: it may be a view.  And what the
                    # function does to its view's shape is not done to the one it is restored by.
                    return pack(Outcome(None, unpack(function)(raw[...])))
                except BaseException:
                    raw[...] = before
                    raise

            with self._under(held, raw):
                return await self.in_thread(updated)

    def _under(self, held: tuple[str, ...] = (), raw: np.ndarray | None = None) -> Any:
        """Have the calls of what runs in here tell that it has `raw`."""
        return _Under(self.leases, held, np.asarray(self.array) if raw is None else raw)

    async def _append(
        self, values: Any, *, held: tuple[str, ...], timeout: float | None = None
    ) -> Message:
        return pack(Outcome(None, await self._move(self.array.append, values, timeout, held)))

    async def _popleft(
        self, n: int, *, held: tuple[str, ...], timeout: float | None = None
    ) -> Message:
        rows = await self._move(self.array.popleft, n, timeout, held)
        return pack(Outcome(None, np.asarray(rows)))

    async def _move(
        self,
        change: Callable[[Any], Any],
        argument: Any,
        timeout: float | None,
        held: tuple[str, ...],
    ) -> Any:
        """Append or remove rows, under the lock of all of the array."""
        deadline = _deadline(timeout, held)
        while True:
            async with self._locked(lambda: self.array, True, left(deadline), held):
                try:
                    result = change(argument)
                except DeadlockError:
                    # Somebody is handed rows that were removed while he waited, and lets them go.
                    if deadline is not None and time.monotonic() >= deadline:
                        raise
                else:
                    self._moved += 1
                    return result
            await asyncio.sleep(0.001)

    async def _wait_for(
        self,
        predicate: bytes,
        region: Any,
        *,
        held: tuple[str, ...],
        timeout: float | None = None,
        patience: float = math.inf,
    ) -> Message:
        """Return the predicate's value as soon as it is true, or its last one when time is over.

        After `patience` seconds without it there is no outcome but None: the caller, if it is
        still there, asks again.
        """
        deadline = deadline_of(timeout)
        asked_until = time.monotonic() + patience
        function = unpack(predicate)
        while True:
            changed = self._next_change()
            view = self._basic_region(region)
            # Whoever waits for a change of what it has itself would wait for ever.
            self.leases.check(held, np.asarray(view), True)
            locked = self._locked(lambda: self._basic_region(region), False, left(deadline), held)
            async with locked as raw:

                def asked(raw: np.ndarray = raw) -> tuple[bool, Message]:
                    value = function(raw[...])
                    return bool(value), pack(Outcome(None, value))

                with self._under(held, raw):
                    is_true, packed = await self.in_thread(asked)
            if is_true:
                return packed
            remaining = left(deadline)
            if remaining == 0:
                return packed
            patience = asked_until - time.monotonic()
            if patience <= 0:
                return pack(None)
            await asyncio.wait(
                {changed}, timeout=patience if remaining is None else min(remaining, patience)
            )

    def _next_change(self) -> asyncio.Future[None]:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        return self._changed

    async def _freeze(self, *, held: tuple[str, ...], timeout: float | None = None) -> Message:
        if not self.array.frozen:
            async with self._locked(lambda: self.array, True, timeout, held):
                self.array.freeze()
        return pack(Outcome(None, None))

    async def _lease(
        self,
        token: str,
        region: Any,
        write: bool,
        seconds: float,
        *,
        held: tuple[str, ...],
        timeout: float | None = None,
    ) -> Message:
        guard = self._locked(lambda: self._basic_region(region), write, timeout, held)

        async def read(raw: np.ndarray) -> Message:
            packed = await self._maybe_in_thread(raw.nbytes, pack, Outcome(None, raw))
            return packed

        return await self.leases.grant(Lease(token, write, seconds), guard, read)

    async def _commit(
        self,
        token: str,
        data: np.ndarray,
        seconds: float,
        *,
        held: tuple[str, ...],
        timeout: float | None = None,
    ) -> Message:
        async def write(raw: np.ndarray) -> None:
            if raw.shape != data.shape:
                raise ValueError(f"a region of shape {raw.shape} came back as {data.shape}")
            await self._maybe_in_thread(raw.nbytes, np.copyto, raw, data)

        await self.leases.commit(token, seconds, write)
        self._tell_changed()
        return pack(Outcome(None, None))

    async def _end(
        self, token: str, *, held: tuple[str, ...], timeout: float | None = None
    ) -> Message:
        return pack(Outcome(None, self.leases.end(token)))


_KINDS = frozenset({
    "append", "at", "augment", "commit", "describe", "end", "freeze", "get", "lease", "popleft",
    "set", "snapshot", "update", "wait_for",
})  # fmt: skip


_WORDS = (
    (" or setflags(write=False)", ""),
    ("; write to a copy (x.copy())", ": write to a copy, x.snapshot()"),
    ("; x.resize(1) gives it one axis", ": create it with one axis"),
)
"""What a LockedArray's errors advise, and what there is in its place between machines."""


def _in_our_words(error: BaseException) -> BaseException:
    """Return an error that names no methods that only the array here has."""
    text = str(error)
    for theirs, ours in _WORDS:
        text = text.replace(theirs, ours)
    return ValueError(text) if type(error) is ValueError and text != str(error) else error


def _guard(region: LockedArray, write: bool, timeout: float | None) -> Any:
    return region.write(timeout=timeout) if write else region.read(timeout=timeout)


def _deadline(timeout: float | None, held: tuple[str, ...]) -> float | None:
    """Return until when a call may wait for a lock."""
    if timeout is None and any(token.startswith(_UPDATE) for token in held):
        timeout = _WITHIN_UPDATE
    return deadline_of(timeout)


def _augmented(function: Callable[[Any, Any], Any], raw: np.ndarray, operand: Any) -> None:
    """Do ``raw op= operand``; an operand that has no such operation with arrays is TypeError."""
    result = function(raw, operand)
    if result is not raw:
        raw[...] = result


class _Under:
    """While a function of a user's runs, its calls tell what region it has."""

    def __init__(self, leases: Leases, held: tuple[str, ...], raw: np.ndarray) -> None:
        self._leases = leases
        self._held = held
        self._raw = raw
        self._token = f"{_UPDATE}{secrets.token_hex(8)}"
        self._reset: Any = None

    def __enter__(self) -> None:
        self._leases.enter(self._token, self._raw, True)
        self._reset = held_tokens.set((*self._held, self._token))

    def __exit__(self, *_: Any) -> None:
        held_tokens.reset(self._reset)
        self._leases.leave(self._token)
