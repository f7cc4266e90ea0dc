"""``async with`` of guards: a task waits for locks, and its event loop does not.

The task has a place in the queue of a lock, as a thread has; whoever releases the lock tells the
task's loop that it is its turn.  What it has been handed then keeps others out until the guard is
acquired, which needs no waiting, as holds of one owner do not conflict.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from typing import Any

from lockedarray._cores import Place, ensure_teller, follow_task
from lockedarray._errors import LockTimeout

__all__ = ["enter"]

_TURNS = 4  # tries of a task that wants several locks before it waits with some in hand
_FIRST_POLL, _LAST_POLL = (
    0.001,
    0.01,
)  # seconds between looks at a lock that others' code holds, too


class _Bell:
    """Called when it is the task's turn, in whatever thread: tells its loop.

    The lock refers to it, and so keeps neither: a loop that nobody runs any more is garbage, and
    so are its tasks, which then leave the queue.
    """

    __slots__ = ("_future", "_loop")

    def __init__(self, loop: Any, future: Any) -> None:
        self._loop = weakref.ref(loop)
        self._future = weakref.ref(future)

    def __call__(self) -> None:
        loop = self._loop()
        if loop is None:
            return
        if sys.modules["asyncio.events"]._get_running_loop() is loop:  # type: ignore[attr-defined]
            self.ring()
            return
        try:
            loop.call_soon_threadsafe(self.ring)
        except RuntimeError:  # the loop is closed: the task is not there any more
            pass

    def ring(self) -> None:
        future = self._future()
        if future is not None and not future.done():
            future.set_result(None)


async def enter(guard: Any) -> Any:
    """Acquire `guard` for the running task, and return what it yields."""
    if not follow_task():
        raise RuntimeError(
            "'async with' of a guard needs an asyncio task that runs in this thread; "
            "elsewhere use 'with'"
        )
    try:
        return guard._acquire_now()
    except LockTimeout:
        pass
    return await _enter_slow(guard)


async def _enter_slow(guard: Any) -> Any:
    """The same, where that needs waiting."""
    import asyncio

    loop = asyncio.get_running_loop()
    wanted, _, timeout, _ = guard._whole_plan()
    deadline = None if timeout is None else loop.time() + timeout
    poll, first = _FIRST_POLL, 0
    for turn in itertools.count():
        if deadline is not None and deadline <= loop.time():
            return guard._acquire_now()
        places, foreign = _places_of(wanted)
        if foreign:  # whose other users do not tell when they let it go
            pause = poll if deadline is None else min(poll, deadline - loop.time())
            poll = min(2 * poll, _LAST_POLL)
            await asyncio.sleep(pause)
        else:
            # A few times it waits for one alone, and then tries the others.
            if turn < _TURNS and places:
                places = [places[first % len(places)]]
            first += 1
        try:
            for place in [] if foreign else places:
                if not await _wait_for(place, loop, deadline):
                    break
            try:
                return guard._acquire_now()
            except LockTimeout:
                if deadline is not None and deadline <= loop.time():
                    raise
        finally:
            for place in reversed(places):
                place.leave()
        if not foreign:
            await asyncio.sleep(0)
    return None


def _places_of(wanted: list[tuple[Any, bool]]) -> tuple[list[Place], bool]:
    """Return a place for each lock, in lock order; and whether others' locks are below some."""
    requests: dict[Any, list[tuple[Any, bool]]] = {}
    for array, write in wanted:
        request = array._request(write)
        if request is not None:
            requests.setdefault(array._buffer.lock, []).append((request[0], bool(request[1])))
    locks = sorted(requests, key=lambda lock: lock.serial)
    foreign = any(lock._foreign is not None for lock in locks)
    return [Place(lock, tuple(requests[lock])) for lock in locks], foreign


async def _wait_for(place: Place, loop: Any, deadline: float | None) -> bool:
    """Have the lock of `place`; False if the time is over before."""
    while True:
        future = loop.create_future()
        bell = _Bell(loop, future)
        if place.begin(bell):
            return True
        ensure_teller()
        timer = None if deadline is None else loop.call_at(deadline, bell.ring)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
        if (accepted := place.accept()) is not None:
            return accepted
