"""Messages larger than one call may carry, on the owner's side: put together, handed out."""

from __future__ import annotations

import itertools
import time
from collections import deque
from typing import Any

import numpy as np

from lockedarray._distributed.wire import CHUNK, Message

__all__ = ["Staging"]

_FORGOTTEN_AFTER = 60.0  # seconds since the last part that was put or taken


class Staging:
    """Requests that arrive in parts, and replies that leave in parts.

    All of it runs in the owner's event loop.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._arriving: dict[str, tuple[memoryview, float]] = {}
        self._leaving: dict[str, tuple[Message, float]] = {}
        self._dropped: deque[str] = deque(maxlen=1000)

    def put(self, token: str, offset: int, total: int, part: Any) -> None:
        """Keep a part of the request `token`, of `total` bytes; once or more often."""
        if not 0 <= offset <= total - len(part):
            raise ValueError(f"part {offset}..{offset + len(part)} of {total} bytes")
        message, _ = self._arriving.get(token, (None, 0.0))
        if message is None:
            message = np.empty(total, np.uint8).data
        message[offset : offset + len(part)] = memoryview(part)
        self._arriving[token] = (message, time.monotonic())

    def arrived(self, token: str) -> memoryview:
        """Return a request that has arrived; KeyError if it was not sent, or long ago."""
        return self._arriving.pop(token)[0]

    def hand_out(self, reply: Message, token: str | None = None) -> tuple[str, int]:
        """Keep a reply until `drop`; return its token and its size.

        A call that was sent twice has one token, and the first of its replies is the one that
        counts: who has begun to take it is not given parts of another one.
        """
        if token is None:
            token = f"reply-{next(self._numbers)}"
        if token not in self._dropped:
            reply, _ = self._leaving.setdefault(token, (reply, time.monotonic()))
        return token, len(reply)

    def take(self, token: str, offset: int) -> np.ndarray | None:
        """Return a part of a reply; None if it was dropped."""
        reply, _ = self._leaving.get(token, (None, 0.0))
        if reply is None:
            return None
        self._leaving[token] = (reply, time.monotonic())
        return np.frombuffer(reply, np.uint8)[offset : offset + CHUNK]

    def drop(self, token: str) -> None:
        """Forget a reply that has left, or a request that is not to come any more."""
        self._dropped.append(token)
        self._leaving.pop(token, None)
        self._arriving.pop(token, None)

    def forget_old(self) -> None:
        """Drop what nobody has asked for in a long time: its caller has died."""
        before = time.monotonic() - _FORGOTTEN_AFTER
        for kept in (self._arriving, self._leaving):
            for token in [token for token, (_, used) in kept.items() if used < before]:
                del kept[token]
