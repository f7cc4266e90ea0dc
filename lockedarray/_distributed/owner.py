"""The owner of an array, or of a block of one: an actor of Dask's, which lives on one worker.

It answers as long as the scheduler has said, not long ago, that it is the owner.  One that was
stopped, or cut off, for so long that another may have taken its place asks again before it answers;
so nobody is shown, or told to have changed, what is not the array any more.  (A lease, as Gray and
Cheriton 1989 have it, of the ownership itself.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import numpy as np
from distributed import get_worker

from lockedarray._array.array import LockedArray
from lockedarray._distributed import checkpoints
from lockedarray._distributed.clock import now
from lockedarray._distributed.errors import NewerCheckpoint, owner_was_lost, raised_no_exception
from lockedarray._distributed.lanes import Lanes
from lockedarray._distributed.operations import Operations
from lockedarray._distributed.staging import Staging
from lockedarray._distributed.wire import (
    CHUNK,
    Message,
    Outcome,
    dtype_from_wire,
    pack,
    pack_error,
    sendable,
    unpack,
)

__all__ = ["LANE_UNKNOWN", "REQUEST_GONE", "Owner"]

LANE_UNKNOWN = -1
"""What the size of a reply tells of a call in a lane that this owner does not know."""

REQUEST_GONE = -2
"""The same, of a call whose parts are not there any more; it was not carried out."""

_RENEWED_EVERY = 0.75  # seconds
_WAITED_FOR_SCHEDULER = 10.0  # seconds until a call ends that would need its word
_LARGE = 64_000  # bytes of a reply that is not kept for long
_LOOKED_FOR_OLD_EVERY = 20.0  # seconds
_NEVER_REGISTERED = 120.0  # seconds after which nobody will

_Answer: TypeAlias = "tuple[tuple[int, ...] | None, Message | np.ndarray | None, str | None, int]"


class Owner:
    """The LockedArray of one block, and what is asked of it.

    Parameters
    ----------
    name : str
    generation : int
        How many owners of that name there were before, or more.
    block : int
        Which block of the array it is.
    shape : tuple of int
        Of the block.
    dtype_text : str
        As `dtype_to_wire` has it.
    of : int
        How many blocks there are.
    start : int
        Which row of the array is the block's first one.
    checkpoint : str, optional
        A file: what is in it is what the block begins with.
    every : float, optional
        Seconds between checkpoints, where something has changed.

    Raises
    ------
    NewerCheckpoint
        The checkpoint is of a generation that is not below this one.
    ValueError
        The checkpoint is damaged, or one of another array.
    """

    def __init__(
        self,
        name: str,
        generation: int,
        block: int,
        shape: tuple[int, ...],
        dtype_text: str,
        *,
        of: int,
        start: int,
        checkpoint: str | None,
        every: float | None,
    ) -> None:
        self._name = name
        self._generation = generation
        self._block, self._of, self._start = block, of, start
        self._checkpoint = checkpoint
        self._every = every
        dtype = dtype_from_wire(dtype_text)
        data = None
        if checkpoint is not None:
            data = self._restored(checkpoint, tuple(shape), dtype)
        plain = np.zeros(shape, dtype) if data is None else data
        self._operations: Operations | None = Operations(name, LockedArray(plain, name=name))
        self._saving: asyncio.Lock | None = None
        self._number = 0
        self._saved_version = 0
        if checkpoint is not None:
            # At once, so that what a former owner writes late is never read again, and that a file
            # that cannot be written is told here.
            self._write(plain, self._number)
        self._lanes = Lanes(name, lambda answer: answer[-1] > _LARGE)
        self._staging = Staging()
        self._owns_until = 0.0  # as `now` tells it
        self._was_registered = False
        self._lost: str | None = None
        self._worker = get_worker()
        self._key = str(self._worker.get_current_task())
        self._begun = time.monotonic()
        self._running: set[asyncio.Future[Any]] = set()
        self._worker.loop.add_callback(self._begin)

    # -- what callers call -------------------------------------------------------------------------

    async def run(self, request: tuple[str, tuple[Any, ...]]) -> Any:
        """Call the method of that name: arguments that travel together travel faster."""
        function, arguments = request
        return await getattr(self, function)(*arguments)

    async def rows(self) -> int:
        """Return the length of the block: what a checkpoint had, where there was one."""
        return len(self._operations.array) if self._operations is not None else 0

    async def open(self) -> str:
        """Return the name of a new lane: a sequence of calls."""
        return self._lanes.open()

    async def call(
        self,
        lane: str | None,
        number: int,
        message: bytes | np.ndarray | str,
        held: tuple[str, ...] = (),
        caller: str = "a client",
        token: str | None = None,
    ) -> _Answer:
        """Carry out a call, or return the answer of the same one again.

        Parameters
        ----------
        lane : str or None
            None for what may be done twice, as it changes nothing.
        number : int
            Its place in the lane.
        message : bytes or str
            ``(kind, arguments, named arguments)``, or the token of what `put` has brought.
        held : tuple of str
            The tokens of the caller's own leases.
        caller : str
            Whom those are told of who wait for it.
        token : str, optional
            By which to take the reply, if it is larger than a chunk.

        Returns
        -------
        shape : tuple of int or None
            Of the block, when it was done.
        reply : bytes or None
            The outcome; None if it is larger than a chunk.
        token : str or None
            What to `take` then.
        nbytes : int
            The size of the reply; or `LANE_UNKNOWN`, or `REQUEST_GONE`.
        """
        answer: _Answer
        try:
            if lane is None:
                answer = await self._answer(message, held, caller, token)
            else:
                answer = await self._in_lane(
                    lane, number, lambda: self._answer(message, held, caller, token)
                )
            await self._confirm(underway=True)
        except Exception as error:
            answer = (None, pack_error(error), None, 0)
        return answer

    async def close(self) -> None:
        """Be the owner no more, since the array is deleted."""
        self._end("it was deleted")

    async def put(self, token: str, offset: int, total: int, part: Any) -> None:
        """Take a part of a message that is larger than a chunk; once or more often."""
        self._staging.put(token, offset, total, part)

    async def take(self, token: str, offset: int) -> np.ndarray | None:
        """Return a part of a reply that is; None if it is not there any more."""
        return self._staging.take(token, offset)

    async def drop(self, token: str) -> None:
        """Forget such a reply, or message."""
        self._staging.drop(token)

    async def arrived(self, lane: str, number: int) -> None:
        """Forget the answer of a call in a lane: it has arrived."""
        self._lanes.arrived(lane, number)

    async def leave(self, lane: str) -> None:
        """Forget a lane."""
        self._lanes.close(lane)

    # -- how they are answered ---------------------------------------------------------------------

    async def _in_lane(
        self, lane: str, number: int, perform: Callable[[], Coroutine[Any, Any, Any]]
    ) -> _Answer:
        try:
            answer: _Answer = await self._lanes.call(lane, number, perform)
        except LookupError:
            return None, None, None, LANE_UNKNOWN
        return answer

    async def _answer(
        self,
        message: bytes | np.ndarray | str,
        held: tuple[str, ...],
        caller: str,
        token: str | None,
    ) -> _Answer:
        await self._confirm()
        operations = self._operations
        if operations is None:
            raise self._lost_error()
        if isinstance(message, str):
            try:
                arrived = self._staging.arrived(message)
            except KeyError:
                return None, None, None, REQUEST_GONE
            request = await operations.in_thread(unpack, arrived)
            del arrived
        else:
            try:
                request = unpack(message)
            except Exception:
                raise
            except BaseException as error:  # which would end the worker, or look like its end
                raise raised_no_exception(error) from None
        kind, arguments, named = request
        del request, message
        task = asyncio.current_task()
        assert task is not None
        name = task.get_name()
        task.set_name(f"{kind} of {caller}")
        try:
            if kind == "checkpoint":
                reply = await self._save_now(held, **named)
            else:
                reply = await operations.perform(kind, arguments, named, held)
        except asyncio.CancelledError:
            if self._lost is None:
                raise
            task.uncancel()
            raise self._lost_error(underway=True) from None
        finally:
            task.set_name(name)  # it may be one of Dask's, which goes on
        shape = operations.array.shape
        if len(reply) <= CHUNK:
            return shape, sendable(reply), None, len(reply)
        return shape, None, *self._staging.hand_out(reply, token)

    def _lost_error(self, underway: bool = False) -> Exception:
        return owner_was_lost(self._name, self._generation, self._lost or "it has ended", underway)

    # -- ownership ---------------------------------------------------------------------------------

    async def _confirm(self, underway: bool = False) -> None:
        """Return if this is the owner now; ask if it may not be.

        Raises
        ------
        OwnerLost
            It is not, or the scheduler does not say.
        """
        limit = time.monotonic() + _WAITED_FOR_SCHEDULER
        while now() >= self._owns_until or self._lost:
            if self._lost:
                raise self._lost_error(underway)
            try:
                await asyncio.wait_for(self._renew(), max(0.1, limit - time.monotonic()))
            except (TimeoutError, OSError):
                if time.monotonic() >= limit:
                    raise owner_was_lost(
                        self._name, self._generation, "the scheduler does not answer", underway
                    ) from None
                await asyncio.sleep(0.1)
                continue
            if now() >= self._owns_until and not self._lost:
                if time.monotonic() >= limit:
                    raise owner_was_lost(
                        self._name, self._generation, "it is not registered", underway
                    )
                await asyncio.sleep(0.1)

    async def _renew(self) -> None:
        sent = now()
        seconds = await self._worker.scheduler.lockedarray_renew(
            name=self._name,
            generation=self._generation,
            key=self._key,
            worker=self._worker.address,
        )
        if seconds is not None:
            self._was_registered = True
            self._owns_until = max(self._owns_until, sent + seconds)
        else:
            self._end("another one has its place, or it was deleted")

    def _begin(self) -> None:
        """Start what goes on beside the calls; in the event loop."""
        self._keep(self._renew_for_ever())
        if self._every is not None:
            self._keep(self._save_for_ever(self._every), "checkpoint")

    def _keep(self, work: Any, name: str | None = None) -> None:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _renew_for_ever(self) -> None:
        looked = time.monotonic()
        while self._lost is None:
            try:
                await self._renew()
            except Exception:  # the scheduler may come back; until then nothing is answered
                pass
            if not self._was_registered and time.monotonic() - self._begun > _NEVER_REGISTERED:
                self._end("it was never registered")
            if time.monotonic() - looked > _LOOKED_FOR_OLD_EVERY:
                looked = time.monotonic()
                self._lanes.forget_old()
                self._staging.forget_old()
            await asyncio.sleep(_RENEWED_EVERY)

    def _end(self, why: str) -> None:
        """Be no owner any more: let go of the memory, and of whoever waits."""
        self._lost = self._lost or why
        operations, self._operations = self._operations, None
        if operations is not None:
            operations.close()
            self._owns_until = 0.0
            self._keep(self._resign())

    async def _resign(self) -> None:
        """Tell the scheduler that the name need not wait for this one."""
        try:
            await self._worker.scheduler.lockedarray_resign(
                name=self._name, generation=self._generation, key=self._key
            )
        except Exception:  # then the name waits
            pass

    # -- checkpoints -------------------------------------------------------------------------------

    def _restored(self, path: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
        """Return what the checkpoint has, or None if there is none yet."""
        # The last block may have grown, or lost rows.
        first = (None,) if shape and self._block == self._of - 1 else shape[:1]
        found = checkpoints.newest(
            path, self._block, self._of, name=self._name, shape=(*first, *shape[1:]), dtype=dtype
        )
        if found is None:
            return None
        if found.generation >= self._generation:
            raise NewerCheckpoint(found.generation)
        if found.header["start"] != self._start:
            raise ValueError(
                f"the checkpoint {path!r} has block {self._block} from row {found.header['start']} "
                f"on, not from row {self._start} on: create the array in its shape, or give "
                "another checkpoint="
            )
        return found.load()

    async def _save_now(self, held: tuple[str, ...], timeout: float | None = None) -> Message:
        if self._checkpoint is None:
            raise ValueError(
                f"the array {self._name!r} has no checkpoint: create it with checkpoint=path"
            )
        await self._save(held, timeout)
        return pack(Outcome(None, None))

    async def _save(self, held: tuple[str, ...] = (), timeout: float | None = None) -> None:
        """Write a checkpoint: the block as it is at one moment."""
        if self._saving is None:
            self._saving = asyncio.Lock()
        operations = self._operations
        if operations is None:
            raise self._lost_error()
        array = operations.array
        operations.leases.check(held, np.asarray(array), False)
        async with array.read(timeout=timeout) as raw:
            version = operations.version
            data = await operations.in_thread(raw.copy)
            self._number += 1
            number = self._number
        async with self._saving:
            await self._confirm()
            await operations.in_thread(lambda: self._write(data, number))
            self._saved_version = max(self._saved_version, version)

    def _write(self, data: np.ndarray, number: int) -> None:
        assert self._checkpoint is not None
        checkpoints.write(
            self._checkpoint,
            data,
            name=self._name,
            generation=self._generation,
            number=number,
            block=self._block,
            of=self._of,
            description={"start": self._start},
        )

    async def _save_for_ever(self, every: float) -> None:
        while self._lost is None:
            await asyncio.sleep(every)
            operations = self._operations
            if operations is not None and operations.version != self._saved_version:
                try:
                    await self._save()
                except Exception as error:  # the next one may be written
                    self._worker.log_event(
                        "lockedarray", {"checkpoint": self._name, "error": str(error)}
                    )
