"""``async with`` of guards: a task waits for locks, and its event loop does not.

The task has a place in the queue of a lock, as a thread has; whoever releases the lock tells the
task's loop that it is its turn.  What it has been handed then keeps others out until the guard is
acquired, which needs no waiting, as holds of one owner do not conflict.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

from lockedarray._cores import Place, ensure_teller, follow_task
from lockedarray._errors import LockTimeout

__all__ = ["Bell", "NotNow", "enter", "new_future"]

_TURNS = 4  # tries of a task that wants several locks before it waits with some in hand
_FIRST_POLL, _LAST_POLL = (
    0.001,
    0.01,
)  # seconds between looks at a lock that others' code holds, too


class Bell:
    """Called when it is the task's turn, in whatever thread: tells its loop.

    The lock refers to it, and so keeps neither: a loop that nobody runs any more is garbage, and
    so are its tasks, which then leave the queue.  `waiting`, if given, is what the task waits in.
    """

    __slots__ = ("_future", "_loop", "_waiting")

    def __init__(self, future: Any, waiting: _Waiting | None = None) -> None:
        self._loop = weakref.ref(future.get_loop())
        self._future = weakref.ref(future)
        self._waiting = None if waiting is None else weakref.ref(waiting)

    def __call__(self) -> None:
        loop = self._loop()
        if loop is None:
            return
        if _running_loop() is loop:
            self.ring()
            return
        try:
            loop.call_soon_threadsafe(self.ring)
        except RuntimeError:  # the loop is closed: the task goes on no more, and needs no lock
            waiting = None if self._waiting is None else self._waiting()
            if waiting is not None:
                waiting.place.leave()

    def ring(self) -> None:
        """Tell the task; in its loop."""
        future = self._future()
        if future is not None and not future.done():
            future.set_result(None)


class _Waiting:
    """A task, inside of the wait for a place: it alone refers to this."""

    __slots__ = ("__weakref__", "place")

    def __init__(self, place: Place) -> None:
        self.place = place


class NotNow(Exception):
    """A guard with a predicate is not acquired without waiting.

    `error` is what to raise when the time is over.  `change` is what to wait for, whereupon
    `future` is done; None if the predicate was not asked, as the locks are taken.
    """

    def __init__(self, error: LockTimeout, change: Any = None, future: Any = None) -> None:
        super().__init__(error, change, future)


def new_future() -> Any:
    """Return a future of the loop that runs here."""
    return _running_loop().create_future()


def _running_loop() -> Any:
    return sys.modules["asyncio.events"]._get_running_loop()  # type: ignore[attr-defined]


async def enter(guard: Any) -> Any:
    """Acquire `guard` for the running task, and return what it yields."""
    if not follow_task():
        raise RuntimeError(
            "'async with' of a guard needs an asyncio task that runs in this thread; "
            "elsewhere use 'with'"
        )
    yielded, missed = _try(guard)
    return yielded if missed is None else await _enter_slow(guard, *missed)


def _try(guard: Any) -> tuple[Any, tuple[LockTimeout, Any, Any] | None]:
    """Acquire `guard`, and return what it yields; or what is missing, as NotNow has it."""
    try:
        return guard._acquire_now(), None
    except NotNow as missed:
        return None, missed.args  # type: ignore[return-value]
    except LockTimeout as error:
        if guard._whole_plan()[3] is not None:  # the predicate's own
            raise
        return None, (error.with_traceback(None), None, None)


async def _enter_slow(guard: Any, error: LockTimeout, change: Any, future: Any) -> Any:
    """The same, where that needs waiting."""
    import asyncio

    loop = asyncio.get_running_loop()
    wanted, _, timeout, when = guard._whole_plan()
    deadline = None if timeout is None else loop.time() + timeout
    poll, turn = _FIRST_POLL, 0
    while deadline is None or deadline > loop.time():
        places: list[Place] = []
        foreign = False
        try:
            if change is not None:
                await _wait_for_change(change, future, loop, deadline)
                poll, turn = _FIRST_POLL, 0
            else:
                places, foreign = _places_of(wanted)
                # A few times it waits for one alone, and then tries the others.
                if turn < _TURNS and places:
                    places = [places[turn % len(places)]]
                turn += 1
            if foreign:  # whose other users do not tell when they let it go
                pause = poll if deadline is None else min(poll, deadline - loop.time())
                poll = min(2 * poll, _LAST_POLL)
                await asyncio.sleep(pause)
            else:
                for place in places:
                    if not await _wait_for(place, loop, deadline):
                        break
            if when is not None:
                guard._places = list(reversed(places))
            yielded, missed = _try(guard)
            if missed is None:
                return yielded
            error, change, future = missed
        finally:
            for place in reversed(places):
                place.leave()
        if change is None and not foreign:
            await asyncio.sleep(0)
    if change is not None:
        change.end()
    try:
        raise error
    finally:
        del error


async def _wait_for_change(change: Any, future: Any, loop: Any, deadline: float | None) -> None:
    """Wait until there is the change, the time is over, or it is time to look for others' code."""
    limit = deadline
    if change.polls:
        limit = loop.time() + _LAST_POLL if limit is None else min(limit, loop.time() + _LAST_POLL)
    try:
        ensure_teller()
        timer = None if limit is None else loop.call_at(limit, Bell(future).ring)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
    finally:
        change.end()


def _places_of(wanted: list[tuple[Any, bool]]) -> tuple[list[Place], bool]:
    """Return a place for each lock, in lock order; and whether nobody tells of some of them.

    So it is where others' locks are below, or other processes have the lock.
    """
    requests: dict[Any, list[tuple[Any, bool]]] = {}
    for array, write in wanted:
        request = array._request(write)
        if request is not None:
            requests.setdefault(array._buffer.lock, []).append((request[0], bool(request[1])))
    locks = sorted(requests, key=lambda lock: lock.serial)
    foreign = any(lock._is_looked_at for lock in locks)
    return [Place(lock, tuple(requests[lock])) for lock in locks], foreign


async def _wait_for(place: Place, loop: Any, deadline: float | None) -> bool:
    """Have the lock of `place`; False if the time is over before."""
    waiting = _Waiting(place)
    while True:
        future = loop.create_future()
        bell = Bell(future, waiting)
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
