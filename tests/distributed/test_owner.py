"""An owner by itself, with a scheduler that answers what the test says: when it may answer."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("distributed.client")

from lockedarray._distributed import owner as owners
from lockedarray._distributed.clock import now
from lockedarray._distributed.errors import OwnerLost
from lockedarray._distributed.wire import Outcome, dtype_to_wire, pack, unpack


class Scheduler:
    """Says for how many seconds the owner is one; None: it is none any more."""

    seconds = 60.0

    async def lockedarray_renew(self, **_owner):
        return self.seconds

    async def lockedarray_resign(self, **_owner):
        pass


@pytest.fixture
def scheduler():
    return Scheduler()


@pytest.fixture
def owner(monkeypatch, scheduler):
    """An owner that notes in `done` what it has carried out; nothing renews it by itself."""
    worker = SimpleNamespace(
        get_current_task=lambda: "key",
        loop=SimpleNamespace(add_callback=lambda _begin: None),
        address="tcp://here",
        scheduler=scheduler,
    )
    monkeypatch.setattr(owners, "get_worker", lambda: worker)
    owner = owners.Owner(
        "x", 1, 0, (3,), dtype_to_wire(np.dtype(float)), of=1, start=0, checkpoint=None, every=None
    )
    owner.done = []

    async def perform(kind, *_arguments):
        owner.done.append(kind)
        return pack(Outcome(None, "done"))

    monkeypatch.setattr(owner._operations, "perform", perform)
    return owner


def call(owner, lane=None):
    """Return what a call of the owner returns, or raises."""

    async def run():
        opened = lane and await owner.open()
        _, reply, _, _ = await owner.call(opened, 1, bytes(pack(("add", (), {}))))
        return unpack(reply).unwrap()

    return asyncio.run(run())


@pytest.mark.parametrize("lane", [None, "a new one"])
def test_an_owner_answers_while_it_is_one(owner, lane):
    assert call(owner, lane) == "done"
    assert owner.done == ["add"]


@pytest.mark.parametrize("lane", [None, "a new one"])
def test_an_owner_that_is_none_any_more_begins_nothing(owner, scheduler, lane):
    scheduler.seconds = None
    with pytest.raises(OwnerLost) as lost:
        call(owner, lane)
    assert owner.done == []
    assert "unknown" not in str(lost.value)  # nothing has happened


@pytest.mark.parametrize("lane", [None, "a new one"])
def test_an_owner_that_is_replaced_while_it_works_does_not_answer(owner, scheduler, lane):
    perform = owner._operations.perform

    async def work_for_long(*arguments):
        reply = await perform(*arguments)
        assert owner._owns_until > now()
        owner._owns_until = now()  # its time is over meanwhile
        scheduler.seconds = None
        return reply

    owner._operations.perform = work_for_long
    with pytest.raises(OwnerLost, match="whether what was under way has happened is unknown"):
        call(owner, lane)
    assert owner.done == ["add"]
