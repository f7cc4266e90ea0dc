"""Which Dask client an array uses, and whether it can."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from distributed import Client, get_client, get_worker

__all__ = [
    "UNKNOWN",
    "Scheduler",
    "check_client",
    "check_open",
    "client_here",
    "closed_underway",
    "is_open",
    "scheduler_of",
]


class Scheduler(NamedTuple):
    """Which scheduler a client is one of, as far as it knows."""

    address: str | None
    """Others may know it by another one: by that of another network, or by its name."""
    id: str | None

    def is_other_than(self, other: Scheduler) -> bool:
        """Whether it is known that they are of two clusters."""
        is_known = self.id is not None and other.id is not None
        return is_known and self.id != other.id and self.address != other.address


UNKNOWN = Scheduler(None, None)


def is_open(client: Client) -> bool:
    """Whether nobody has closed the client, and it has not lost its scheduler for good."""
    return client.status not in ("closing", "closed")


def check_client(client: Any) -> None:
    """Raise TypeError if it is no client, and ValueError if it is closed."""
    if not isinstance(client, Client):
        raise TypeError(
            f"client must be a distributed.Client, as Client(...) makes it, not {client!r}"
        )
    if not is_open(client):
        raise ValueError("the client is closed: make another one, Client(...)")


def check_open(client: Client, name: str) -> None:
    """Raise RuntimeError if the client of the array `name` is closed."""
    if not is_open(client):
        raise RuntimeError(
            f"the client of the array {name!r} is closed: attach(client, {name!r}) with another one"
        )


def closed_underway(name: str) -> RuntimeError:
    """Return the error of a call whose client was closed before it was answered."""
    return RuntimeError(
        f"the client of the array {name!r} was closed while a call was under way: whether that has "
        f"happened is unknown; attach(client, {name!r}) with another client"
    )


def scheduler_of(client: Any) -> Scheduler:
    """Return which scheduler is the client's."""
    scheduler = client.scheduler
    address = None if scheduler is None else scheduler.address
    return Scheduler(address, client._scheduler_identity.get("id"))


def client_here(name: str, scheduler: Scheduler) -> Client:
    """Return the worker's client, or else the current one, if it is of that scheduler.

    Raises
    ------
    RuntimeError
        There is none: the array `name` has come to a process that has none to use.
    """
    client: Client | None = None
    with contextlib.suppress(ValueError):
        get_worker()
        client = get_client()
    if client is None:
        try:
            client = Client.current()  # type: ignore[no-untyped-call]
        except ValueError:
            raise RuntimeError(
                f"the array {name!r} has come to a process without a Dask client: make one, "
                f"Client({scheduler.address!r}), before it is used, or attach(client, {name!r})"
            ) from None
    here = scheduler_of(client)
    if here.is_other_than(scheduler):
        raise RuntimeError(
            f"the array {name!r} is on the cluster of the scheduler {scheduler.address}, and the "
            f"Dask client here is one of {here.address}: attach(client, {name!r}) with another"
        )
    return client
