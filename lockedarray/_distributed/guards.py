"""``with x.write(region) as raw``: a region that travels here, and back in one commit."""

from __future__ import annotations

import secrets
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np

from lockedarray._distributed.arguments import checked_lease, checked_timeout
from lockedarray._distributed.errors import lease_is_over
from lockedarray._distributed.held import held
from lockedarray._distributed.wire import Outcome

__all__ = ["LeaseGuard"]


class LeaseGuard:
    """Holds a region of a DistributedArray for some seconds, and yields a plain copy of it.

    `DistributedArray.write` and `DistributedArray.read` make one.  It takes the region when its
    ``with`` block begins, and gives it back at the end.  It can be used again then.
    """

    def __init__(
        self, array: Any, region: Any, write: bool, lease: float, timeout: float | None
    ) -> None:
        self._array = array
        self._region = region
        self._write = write
        self._lease = checked_lease(lease)
        self._timeout = checked_timeout(timeout)
        self._token: str | None = None  # of the lease that it has, or waits for
        self._block: int | None = None  # whose owner was asked for it
        self._raw: np.ndarray | None = None

    def __repr__(self) -> str:
        mode = "write" if self._write else "read"
        return f"<{mode} guard of {self._array.name!r}, for {self._lease:g} s>"

    # -- with ... ----------------------------------------------------------------------------------

    def __enter__(self) -> np.ndarray:
        if self._array.client.asynchronous:
            raise TypeError(f"the client is asynchronous: write 'async with {self._called()}'")
        token = self._begin()
        try:
            return self._entered(self._array._wait(self._acquire, token, held.get()))
        except BaseException:  # KeyboardInterrupt, too: nobody is to wait for a lease of nobody's
            self._abandon()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._leave()
            outcome = self._array._wait(self._finish, error is None, held.get())
        except BaseException as failure:
            self._abandon()
            if error is not None and isinstance(failure, Exception):
                return
            raise
        self._exited(outcome, error)

    # -- async with ... ----------------------------------------------------------------------------

    async def __aenter__(self) -> np.ndarray:
        if not self._array.client.asynchronous:
            raise TypeError(f"the client is not asynchronous: write 'with {self._called()}'")
        token = self._begin()
        try:
            return self._entered(await self._acquire(token, held.get()))
        except BaseException:
            self._abandon()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._leave()
            outcome = await self._finish(error is None, held.get())
        except BaseException as failure:
            self._abandon()
            if error is not None and isinstance(failure, Exception):
                return
            raise
        self._exited(outcome, error)

    # -- what both do ------------------------------------------------------------------------------

    def _called(self) -> str:
        return f"x.{'write' if self._write else 'read'}(...)"

    def _begin(self) -> str:
        if self._token is not None:
            raise RuntimeError(
                f"this guard of {self._array.name!r} is in use already: make another one, "
                f"{self._called()}"
            )
        self._token = secrets.token_hex(16)
        self._block = None
        return self._token

    async def _acquire(self, token: str, tokens: tuple[str, ...]) -> Outcome:
        array = self._array
        array._check_transfer(self._called(), self._region)
        block, region = await array._block_of(tokens, self._region, self._called())
        # In this order, and in the other one in `_abandon`: one of the two sees the other.
        self._block = block
        if self._token != token:
            return Outcome(lease_is_over(array.name, self._lease), None)
        outcome: Outcome = await array._call(
            block, tokens, "lease", token, region, self._write, self._lease, timeout=self._timeout
        )
        if self._token != token:
            await array._call(block, (), "end", token)
        return outcome

    def _entered(self, outcome: Outcome) -> np.ndarray:
        if outcome.error is not None:  # then there is no lease
            self._token = None
        raw = np.asarray(outcome.unwrap())
        if self._write and not raw.flags.writeable:
            raw = raw.copy()
        raw.setflags(write=self._write)
        assert self._token is not None
        held.set((*held.get(), self._token))
        self._raw = raw
        return raw

    def _leave(self) -> None:
        """Have nothing written to what was lent any more, and wait as one without the region."""
        if self._raw is not None:
            self._raw.setflags(write=False)
        held.set(tuple(token for token in held.get() if token != self._token))

    async def _finish(self, has_succeeded: bool, tokens: tuple[str, ...]) -> Outcome:
        assert self._block is not None
        if self._write and has_succeeded:
            return await self._array._call(
                self._block, tokens, "commit", self._token, self._raw, self._lease
            )
        return await self._array._call(self._block, tokens, "end", self._token)

    def _exited(self, outcome: Outcome, error: BaseException | None) -> None:
        self._token = self._raw = None
        if error is not None:  # which is what the caller is to see
            return
        was_there = outcome.unwrap()
        if not self._write and not was_there:
            raise lease_is_over(self._array.name, self._lease)

    def _abandon(self) -> None:
        """End the lease, whatever has become of it, without waiting for an answer."""
        self._leave()
        token, self._token = self._token, None
        self._raw = None
        block = self._block
        if token is None or block is None:  # there is no lease, or nobody was asked yet
            return

        async def end() -> None:
            with suppress(Exception):  # a lease ends by itself, too
                await self._array._call(block, (), "end", token)

        with suppress(RuntimeError):  # the client is closed
            loop: Any = self._array.client.loop
            loop.add_callback(end)
