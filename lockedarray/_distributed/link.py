"""Calls to one owner, from one process: each is carried out once, however often it is sent.

What breaks is a connection, a reply, or a machine.  A call that was not answered is sent again,
under its number, as long as the scheduler says that the owner is the owner; the owner knows whether
it has carried it out.  When it is not, nobody can say what has become of the call: OwnerLost.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import weakref
from collections.abc import Coroutine, Iterator
from typing import Any

import numpy as np
from distributed import Client
from distributed.actor import ProxyRPC
from distributed.protocol.serialize import to_serialize

from lockedarray._distributed.clock import deadline_of, left, now
from lockedarray._distributed.errors import (
    OwnerLost,
    owner_was_lost,
    reply_is_gone,
    session_is_forgotten,
)
from lockedarray._distributed.held import held as held_tokens
from lockedarray._distributed.operations import READS
from lockedarray._distributed.owner import LANE_UNKNOWN, REQUEST_GONE
from lockedarray._distributed.wire import CHUNK, Message, Outcome, chunks, pack, sendable, unpack

__all__ = ["Link", "link_to"]

_FIRST_LOOK = 0.3  # seconds after which a call that is not answered asks whether the owner lives
_LOOKED_EVERY = 2.0  # seconds between such questions
_ASKED_AGAIN = 30.0  # seconds that a call waits at the owner for a change, until it is sent anew
_PARTS_AT_ONCE = 3  # of a message that is larger than a chunk
_SCHEDULER_AWAY = 10.0  # seconds until it counts as lost
_LANE_KEPT = 1800.0  # seconds without a call: owners know lanes for longer
_LARGE = 64_000  # bytes of a reply that the owner is told to forget when it has arrived
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 1.0  # seconds between two sendings


class _Lane:
    __slots__ = ("name", "number", "used")

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.used = now()


class _Attempts:
    """How often a call was sent."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Link:
    """What this process sends to one owner.  All of it runs in the client's event loop."""

    def __init__(self, client: Client, name: str, generation: int, key: str, address: str) -> None:
        self.shape: tuple[int, ...] | None = None
        """Of the owner's block, as the last answer told."""
        # Who calls has the client; or else no link to it would ever be forgotten.
        self._client: Any = weakref.proxy(client)
        self._name = name
        self._generation = generation
        self._key = key
        self._address = address
        self._caller = f"client {client.id}"
        self._idle: list[_Lane] = []
        self._telling: set[asyncio.Task[None]] = set()

    async def call(
        self,
        kind: str,
        *arguments: Any,
        timeout: float | None = None,
        held: tuple[str, ...] | None = None,
        **named: Any,
    ) -> Outcome:
        """Have an operation carried out, and return its outcome.

        Parameters
        ----------
        kind : str
            One of the operations of `Operations`.
        timeout : float, optional
            Seconds that it may wait for a lock.
        held : tuple of str, optional
            The tokens of the caller's leases; those that `held` of this context has, if not given.
        """
        tokens = held_tokens.get() if held is None else held
        deadline = deadline_of(timeout)
        if kind == "wait_for":  # so that the owner does not wait for ever for who has died
            named["patience"] = _ASKED_AGAIN
        try:
            if kind == "close":
                await self._send("close")
                return Outcome(None, None)
            while True:
                if deadline is not None:
                    named["timeout"] = left(deadline)
                message = pack((kind, arguments, named))
                reply = await self._deliver(kind, message, tokens)
                outcome: Outcome | None = unpack(reply)
                if outcome is not None:
                    return outcome
        except OwnerLost as error:
            return Outcome(error, None)

    async def _deliver(self, kind: str, message: Message, held: tuple[str, ...]) -> Any:
        is_read = kind in READS
        while True:
            sent: bytes | np.ndarray | str = sendable(message)
            token = f"reply-{secrets.token_hex(16)}"
            try:
                if len(message) > CHUNK:
                    sent = f"call-{token}"
                    await _several(
                        self._send("put", sent, offset, len(message), part)
                        for offset, part in chunks(message)
                    )
                if is_read:
                    reply = await self._received(
                        await self._send("call", None, 0, sent, held, self._caller, token)
                    )
                else:
                    reply = await self._deliver_once(sent, held, token)
            except asyncio.CancelledError:  # what nobody waits for is not to be kept
                self._tell("drop", token)
                if isinstance(sent, str):
                    self._tell("drop", sent)
                raise
            if reply is not None:
                return reply
            # It was not carried out, or may be again.

    async def _deliver_once(
        self, sent: bytes | np.ndarray | str, held: tuple[str, ...], token: str
    ) -> Any:
        """Return the reply of a call that is carried out once; None if it was not carried out."""
        lane = await self._free_lane()
        lane.number += 1
        try:
            attempts = _Attempts()
            answer = await self._send(
                "call", lane.name, lane.number, sent, held, self._caller, token,
                underway=True, attempts=attempts,
            )  # fmt: skip
            if answer[-1] == LANE_UNKNOWN:  # it is never used again
                if attempts.count > 1:  # the one before may have arrived while it was known
                    raise session_is_forgotten(self._name)
                return None
            reply = await self._received(answer)
        except asyncio.CancelledError:
            self._tell("leave", lane.name)
            raise
        if reply is None and answer[-1] != REQUEST_GONE:
            raise reply_is_gone(self._name)
        if answer[-1] > _LARGE:
            self._tell("arrived", lane.name, lane.number)
        lane.used = now()
        self._idle.append(lane)
        return reply

    async def _free_lane(self) -> _Lane:
        """Return a lane in which no call is under way, and that the owner is sure to know."""
        while self._idle:
            lane = self._idle.pop()
            if now() - lane.used < _LANE_KEPT:
                return lane
        return _Lane(await self._send("open"))

    def _tell(self, function: str, *arguments: Any) -> None:
        """Call a method of the owner, once; whether it hears of it does not matter."""

        async def tell() -> None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._execute(function, arguments), _SCHEDULER_AWAY)

        task = asyncio.ensure_future(tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _received(self, answer: Any) -> Any:
        """Return the reply; None if the owner does not have it, or has it no more."""
        shape, reply, token, nbytes = answer
        if nbytes < 0:
            return None
        if shape is not None:
            self.shape = shape
        if reply is not None:
            return reply
        received = np.empty(nbytes, np.uint8)

        is_there = True

        async def take(offset: int) -> None:
            nonlocal is_there
            part = await self._send("take", token, offset)
            if part is None:
                is_there = False
            else:
                received[offset : offset + CHUNK] = part

        await _several(take(offset) for offset in range(0, nbytes, CHUNK))
        self._tell("drop", token)
        return received.data if is_there else None

    async def _send(
        self,
        function: str,
        *arguments: Any,
        underway: bool = False,
        attempts: _Attempts | None = None,
    ) -> Any:
        """Call a method of the owner until it has answered, or is lost."""
        attempts = attempts or _Attempts()
        pause = _FIRST_PAUSE
        look = _FIRST_LOOK
        refused = 0
        while True:
            attempts.count += 1
            answer = asyncio.ensure_future(self._execute(function, arguments))
            try:
                while not answer.done():
                    await asyncio.wait({answer}, timeout=look)
                    look = _LOOKED_EVERY
                    if not answer.done():
                        await self._look(underway)
            finally:
                if not answer.done():
                    answer.cancel()
            try:
                return answer.result()
            except OSError:
                pass  # of the connection: what the owner has to say comes as an outcome
            except Exception as error:
                # There is no such actor at that address, or not any more.  What comes by way of
                # the scheduler has lost its type.
                refused += 1
                if refused > 3:
                    raise self._lost(f"{type(error).__name__}: {error}", underway) from error
            await self._look(underway)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    async def _execute(self, function: str, arguments: tuple[Any, ...]) -> Any:
        # As `distributed.Actor` does it, which would also wait for the actor's future, and have the
        # client want its key: but who has it, and for how long, only the registry says.
        client = self._client
        worker: Any = (
            client.rpc(self._address)
            if client.direct_to_workers
            else ProxyRPC(client.scheduler, self._address)  # type: ignore[no-untyped-call]
        )
        answer = await worker.actor_execute(
            function="run",
            actor=self._key,
            args=[to_serialize((function, arguments))],  # type: ignore[no-untyped-call]
            kwargs={},
        )
        if answer["status"] != "OK":
            raise answer["exception"]
        return answer["result"]

    async def _look(self, underway: bool) -> None:
        """Return if the scheduler says that the owner lives.

        Raises
        ------
        OwnerLost
            It says that it does not, or does not say anything.
        """
        limit = time.monotonic() + _SCHEDULER_AWAY
        while True:
            try:
                scheduler: Any = self._client.scheduler
                found = await asyncio.wait_for(
                    scheduler.lockedarray_find(name=self._name),
                    max(0.1, limit - time.monotonic()),
                )
            except Exception as error:
                if time.monotonic() >= limit:
                    why = "the scheduler does not answer"
                    raise self._lost(why, underway) from error
                await asyncio.sleep(0.2)
                continue
            if found is None:
                raise self._lost(
                    "nobody has it: it was deleted, or the scheduler is a new one", underway
                )
            if self._key not in found["keys"]:
                where = ", ".join(found["addresses"])
                why = f"it was made anew, as generation {found['generation']} on {where}"
                raise self._lost(why, underway)
            if not found["is_alive"]:
                raise self._lost(f"the worker at {self._address} is gone", underway)
            return

    def is_before(self, entry: Any) -> bool:
        """Whether it is to an array of that name that was made before."""
        return self._name == entry.name and self._generation < entry.generation

    def _lost(self, why: str, underway: bool) -> OwnerLost:
        return owner_was_lost(self._name, self._generation, why, underway)


async def _several(sendings: Iterator[Coroutine[Any, Any, Any]]) -> None:
    """Have some of these under way at once: one is copied while another travels."""
    underway: set[asyncio.Task[Any]] = set()
    try:
        for sending in sendings:
            underway.add(asyncio.ensure_future(sending))
            if len(underway) >= _PARTS_AT_ONCE:
                done, underway = await asyncio.wait(underway, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        await asyncio.gather(*underway)
    finally:
        for task in underway:
            task.cancel()


_links: weakref.WeakKeyDictionary[Client, dict[str, Link]] = weakref.WeakKeyDictionary()


def link_to(client: Client, entry: Any, block: int) -> Link:
    """Return the one link of this client's process to the owner of a block.

    So proxies that come and go, as those in tasks do, open no lanes of their own.
    """
    links = _links.setdefault(client, {})
    key, address = entry.keys[block], entry.addresses[block]
    if key not in links:
        for old in [old for old, link in links.items() if link.is_before(entry)]:
            del links[old]
        links[key] = Link(client, entry.name, entry.generation, key, address)
    return links[key]
