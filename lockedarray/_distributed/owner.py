"""The owner of an array, or of a block of one: an actor of Dask's, which lives on one worker.

It answers as long as the scheduler has said, not long ago, that it is the owner.  One that was
stopped, or cut off, for so long that another may have taken its place asks again before it answers;
so nobody is shown, or told to have changed, what is not the array any more.  (A lease, as Gray and
Cheriton 1989 have it, of the ownership itself.)
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
from distributed import get_worker

from lockedarray._array.array import LockedArray
from lockedarray._distributed import checkpoints
from lockedarray._distributed.errors import NewerCheckpoint, owner_was_lost
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
    unpack,
)

__all__ = ["Owner"]

_RENEWED_EVERY = 0.75  # seconds
_WAITED_FOR_SCHEDULER = 10.0  # seconds until a call ends that would need its word
_NEVER_REGISTERED = 120.0  # seconds after which nobody will


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
            # that can not be written is told here.
            self._write(plain, self._number)
        self._lanes = Lanes(name)
        self._staging = Staging()
        self._owns_until = 0.0  # time.monotonic
        self._was_registered = False
        self._lost: str | None = None
        self._worker = get_worker()
        self._key = f"lockedarray-{name}-{generation}-{block}"
        self._begun = time.monotonic()
        self._running: set[asyncio.Future[Any]] = set()
        self._worker.loop.add_callback(self._begin)

    # -- what callers call -------------------------------------------------------------------------

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
        message: bytes | str,
        held: tuple[str, ...] = (),
    ) -> tuple[tuple[int, ...] | None, Message | None, str | None, int]:
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

        Returns
        -------
        shape : tuple of int or None
            Of the block, when it was done.
        reply : bytes or None
            The outcome; None if it is larger than a chunk.
        token : str or None
            What to `take` then.
        nbytes : int
            The size of the reply.
        """
        try:
            if lane is None:
                answer = await self._answer(message, held)
            else:
                answer = await self._lanes.call(lane, number, lambda: self._answer(message, held))
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

    async def take(self, token: str, offset: int) -> np.ndarray:
        """Return a part of a reply that is."""
        return self._staging.take(token, offset)

    async def drop(self, token: str) -> None:
        """Forget such a reply, or message."""
        self._staging.drop(token)

    # -- how they are answered ---------------------------------------------------------------------

    async def _answer(
        self, message: bytes | str, held: tuple[str, ...]
    ) -> tuple[tuple[int, ...] | None, Message | None, str | None, int]:
        await self._confirm()
        operations = self._operations
        if operations is None:
            raise self._lost_error()
        if isinstance(message, str):
            request = await operations.in_thread(unpack, self._staging.arrived(message))
        else:
            request = unpack(message)
        kind, arguments, named = request
        del request, message
        try:
            if kind == "checkpoint":
                reply = await self._save_now(held, **named)
            else:
                reply = await operations.perform(kind, arguments, named, held)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._lost is None or task is None:
                raise
            task.uncancel()
            raise self._lost_error(underway=True) from None
        shape = operations.array.shape
        if len(reply) <= CHUNK:
            return shape, reply, None, len(reply)
        return shape, None, self._staging.hand_out(reply), len(reply)

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
        while time.monotonic() >= self._owns_until or self._lost:
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
            if time.monotonic() >= self._owns_until and not self._lost:
                if time.monotonic() >= limit:
                    raise owner_was_lost(
                        self._name, self._generation, "it is not registered", underway
                    )
                await asyncio.sleep(0.1)

    async def _renew(self) -> None:
        sent = time.monotonic()
        seconds = await self._worker.scheduler.lockedarray_renew(
            name=self._name,
            generation=self._generation,
            key=self._key,
            worker=self._worker.address,
        )
        if seconds is not None:
            self._was_registered = True
            self._owns_until = max(self._owns_until, sent + seconds)
        elif self._was_registered:
            self._end("another one has its place, or it was deleted")

    def _begin(self) -> None:
        """Start what goes on beside the calls; in the event loop."""
        self._keep(self._renew_for_ever())
        if self._every is not None:
            self._keep(self._save_for_ever(self._every))

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
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
            if time.monotonic() - looked > 60:
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
