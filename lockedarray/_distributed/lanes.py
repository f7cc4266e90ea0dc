"""Exactly once: a call that is sent again is not carried out again.

A *lane* is a sequence of calls of which each is sent after the one before was answered; a caller
opens as many as it has calls under way at once.  So the owner keeps one answer a lane, whatever
the number of calls, and knows of each number whether it is new, the last one again, or one from
the past that nobody waits for any more.  (In RIFL, Lee et al. 2015, it is a completion record.)
A large answer is kept for a shorter time than the knowledge that there was one.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from lockedarray._distributed.errors import reply_is_gone, session_is_forgotten

__all__ = ["Lanes"]

_FORGOTTEN_AFTER = 3600.0  # seconds without a call
_LARGE_FORGOTTEN_AFTER = 600.0  # the same, for an answer that takes much memory


class _Lane:
    __slots__ = ("answer", "number", "used")

    def __init__(self) -> None:
        self.number = 0
        self.answer: asyncio.Task[Any] | None = None
        self.used = time.monotonic()


class Lanes:
    """The lanes of all callers of one owner.  All of it runs in the owner's event loop."""

    def __init__(self, name: str, is_large: Callable[[Any], bool] = lambda answer: False) -> None:
        self._name = name
        self._is_large = is_large
        self._lanes: dict[str, _Lane] = {}
        # A lane of an owner before this one is not one of this owner's.
        self._prefix = secrets.token_hex(8)
        self._serials = itertools.count(1)

    def __len__(self) -> int:
        return len(self._lanes)

    def open(self) -> str:
        """Return the name of a new lane.  One that nobody uses is forgotten, some time."""
        name = f"{self._prefix}-{next(self._serials)}"
        self._lanes[name] = _Lane()
        return name

    async def call(
        self, name: str, number: int, perform: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Any:
        """Return what `perform` returns, which is called the first time that `number` arrives.

        Raises
        ------
        OwnerLost
            Nobody knows any more whether the call was carried out; or it was, and its answer is
            not kept any more.
        LookupError
            The lane is not known, or not any more.
        """
        lane = self._lanes.get(name)
        if lane is None:
            raise LookupError(name)
        if number < lane.number:
            raise session_is_forgotten(self._name)
        lane.used = time.monotonic()
        if number > lane.number:  # the one before is answered, or nobody waits for it any more
            lane.number = number
            lane.answer = asyncio.ensure_future(perform())
        answer = lane.answer
        if answer is None:
            raise reply_is_gone(self._name)
        # Whoever waits may be cancelled, since its connection broke; the call is not.
        await asyncio.wait({answer})
        lane.used = time.monotonic()
        return answer.result()

    def arrived(self, name: str, number: int) -> None:
        """Forget an answer that has arrived."""
        lane = self._lanes.get(name)
        if lane is not None and lane.number == number:
            if lane.answer is not None and lane.answer.done():
                lane.answer = None

    def close(self, name: str) -> None:
        """Forget a lane that nobody uses any more; what is under way in it goes on."""
        self._lanes.pop(name, None)

    def forget_old(self) -> None:
        """Forget the lanes of those who seem to have died."""
        for name, lane in list(self._lanes.items()):
            answer = lane.answer
            if answer is not None and not answer.done():
                continue
            unused = time.monotonic() - lane.used
            if unused > _FORGOTTEN_AFTER:
                del self._lanes[name]
            elif (
                unused > _LARGE_FORGOTTEN_AFTER
                and answer is not None
                and self._is_large_answer(answer)
            ):
                lane.answer = None

    def _is_large_answer(self, answer: asyncio.Task[Any]) -> bool:
        is_error = answer.cancelled() or answer.exception() is not None
        return not is_error and self._is_large(answer.result())
