"""Leases: a region that somebody far away has for some seconds, and gives back in one commit.

A lease is a hold of an asyncio task of the owner's, which ends when the lease is committed, ended
or over.  Its token fences it (leases: Gray and Cheriton 1989; fencing tokens: Kleppmann 2016): what
arrives with the token of a lease that has ended changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from lockedarray._array.memory import bounds_of
from lockedarray._cores import locks_regions
from lockedarray._distributed.clock import now
from lockedarray._distributed.errors import lease_is_over, waits_for_itself
from lockedarray._distributed.wire import Message

__all__ = ["Lease", "Leases"]

_STEP = 1.0  # seconds


class Lease:
    """A region that a caller has."""

    def __init__(self, token: str, write: bool, seconds: float) -> None:
        self.token = token
        self.write = write
        self.seconds = seconds
        self.deadline = float("inf")  # as long as it is not granted
        self.ended = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.commit: Callable[[np.ndarray], Awaitable[Any]] | None = None
        self.committed: asyncio.Future[Any] | None = None

    def is_over(self) -> bool:
        """Whether it was committed or ended, or its time is over."""
        return self.ended.is_set() or now() >= self.deadline


class Leases:
    """The leases of one owner, and the regions of updates that run.  All in its event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._leases: dict[str, Lease] = {}
        self._regions: dict[str, tuple[np.ndarray, bool]] = {}  # of leases granted, and of updates
        self._given_up: deque[str] = deque(maxlen=1000)  # tokens that ended before they began

    def check(self, held: tuple[str, ...], memory: np.ndarray, write: bool) -> None:
        """Raise DeadlockError if the caller, which has `held`, would wait for itself."""
        for token in held:
            region = self._regions.get(token)
            if region is not None and (write or region[1]) and _overlap(region[0], memory):
                raise waits_for_itself(self._name)

    def has_for_reading(self, held: tuple[str, ...], memory: np.ndarray) -> bool:
        """Whether the caller has a lease of all of `memory`, as far as that is easily told."""
        low, high = bounds_of(memory)
        for token in held:
            region = self._regions.get(token)
            lease = self._leases.get(token)
            if region is None or lease is None or lease.write or lease.is_over():
                continue
            begin, end = bounds_of(region[0])
            is_whole = region[0].flags.c_contiguous or region[0].flags.f_contiguous
            if is_whole and begin <= low and high <= end:
                return True
        return False

    def enter(self, token: str, memory: np.ndarray, write: bool) -> None:
        """Note a region that the code under `token` has."""
        self._regions[token] = (memory, write)

    def leave(self, token: str) -> None:
        """Forget it."""
        self._regions.pop(token, None)

    async def grant(
        self,
        lease: Lease,
        guard: Any,
        read: Callable[[np.ndarray], Awaitable[Message]],
    ) -> Message:
        """Wait for the region, and return what `read` makes of it; the lease begins then."""
        if lease.token in self._given_up:
            raise lease_is_over(self._name, lease.seconds)
        granted: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._leases[lease.token] = lease
        # Who waits for the region is told this name: "lease of client ..., for 30 s".
        task = asyncio.current_task()
        called = "lease" if task is None else task.get_name()
        lease.task = asyncio.create_task(
            self._live(lease, guard, read, granted), name=f"{called}, for {lease.seconds:g} s"
        )
        awaited: set[asyncio.Future[Any]] = {granted, lease.task}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if not granted.done():  # it was ended before the task had begun
            self._leases.pop(lease.token, None)
            raise lease_is_over(self._name, lease.seconds)
        return granted.result()

    async def _live(
        self,
        lease: Lease,
        guard: Any,
        read: Callable[[np.ndarray], Awaitable[Message]],
        granted: asyncio.Future[Message],
    ) -> None:
        try:
            async with guard as raw:
                self.enter(lease.token, raw, lease.write)
                data = await read(raw)
                lease.deadline = now() + lease.seconds
                if not granted.done():
                    granted.set_result(data)
                del data
                # In steps, as the event loop's clock stands still while the machine sleeps.
                while not lease.ended.is_set() and (left := lease.deadline - now()) > 0:
                    try:
                        await asyncio.wait_for(lease.ended.wait(), min(left, _STEP))
                    except TimeoutError:
                        pass
                # What has been asked for in time is done before the region is given to others.
                if lease.commit is not None and lease.committed is not None:
                    try:
                        done = await lease.commit(raw)
                    except BaseException as error:
                        lease.committed.set_exception(error)
                    else:
                        lease.committed.set_result(done)
        except BaseException as error:
            if not granted.done():
                granted.set_exception(
                    lease_is_over(self._name, lease.seconds)
                    if isinstance(error, asyncio.CancelledError)
                    else error
                )
        finally:
            self.leave(lease.token)
            self._leases.pop(lease.token, None)
            if lease.committed is not None and not lease.committed.done():
                lease.committed.set_exception(lease_is_over(self._name, lease.seconds))

    async def commit(
        self, token: str, seconds: float, write: Callable[[np.ndarray], Awaitable[Any]]
    ) -> Any:
        """Have `write` change the region, and end the lease.

        Raises
        ------
        LeaseExpired
            It is over; `write` was not called.
        """
        lease = self._leases.get(token)
        if lease is None or lease.is_over():
            raise lease_is_over(self._name, seconds)
        lease.commit = write
        lease.committed = asyncio.get_running_loop().create_future()
        lease.ended.set()
        return await lease.committed

    def end(self, token: str) -> bool:
        """End a lease, granted or not; return whether it was still there."""
        lease = self._leases.get(token)
        if lease is None:
            self._given_up.append(token)
            return False
        self.leave(token)
        is_there = not lease.is_over()
        if lease.deadline == float("inf") and lease.task is not None:
            lease.task.cancel()  # it waits for the region
        lease.ended.set()
        return is_there

    def end_all(self) -> None:
        """End all of them, since the array is not this owner's any more."""
        for token in list(self._leases):
            self.end(token)


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    if not locks_regions:
        return True
    try:
        return np.shares_memory(one, other, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
