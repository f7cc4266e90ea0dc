"""Each call is carried out once while the owner lives, however often it is sent, and however large."""

import asyncio
import threading

import numpy as np
import pytest

import lockedarray as la
from lockedarray._distributed import link as links
from lockedarray._distributed import making, wire
from lockedarray._distributed.errors import LeaseExpired, OwnerLost
from lockedarray._distributed.lanes import Lanes
from lockedarray._distributed.operations import Operations
from lockedarray._distributed.staging import Staging
from lockedarray._distributed.wire import pack_function


@pytest.fixture
def link(client, request):
    """Return a link to a new array of eight rows of two."""
    entry = client.sync(
        making.create, client, (8, 2), float, request.node.name, None, None, 1, None
    )
    return links.link_to(client, entry, 0)


@pytest.fixture
def call(client, link):
    """Return what has a call carried out, and returns its value or raises its error."""
    return lambda *arguments, **named: client.sync(link.call, *arguments, **named).unwrap()


def losing(link, monkeypatch, times, function="call"):
    """Have the first replies of a function lost, after it has been carried out."""
    execute = type(link)._execute
    lost = []

    async def execute_and_lose(self, name, arguments):
        answer = await execute(self, name, arguments)
        if name == function and len(lost) < times:
            lost.append(arguments)
            raise OSError("the reply is lost")
        return answer

    monkeypatch.setattr(type(link), "_execute", execute_and_lose)
    return lost


def test_a_call_whose_reply_is_lost_is_carried_out_once(link, call, monkeypatch):
    lost = losing(link, monkeypatch, 3)
    call("augment", (0, 0), "iadd", 1.0)
    assert len(lost) == 3
    assert call("get", (0, 0)) == 1.0
    assert call("append", [5.0, 6.0]) == 8
    assert call("snapshot").shape == (9, 2)


def test_a_call_sent_twice_at_once_is_carried_out_once(client, link, call):
    call("get", 0)  # the actor is known then

    async def both():
        lane = await link._send("open")
        message = wire.pack(("augment", (slice(None), "iadd", 1.0), {}))
        same = (lane, 1, message, ())
        answers = await asyncio.gather(*(link._execute("call", same) for _ in range(5)))
        return [wire.unpack(reply).unwrap() for _, reply, _, _ in answers]

    assert client.sync(both) == [None] * 5
    assert (call("snapshot") == 1).all()


def test_a_call_that_arrives_after_a_later_one_of_its_lane_changes_nothing(client, link, call):
    async def late():
        lane = await link._send("open")
        for number in 1, 2:
            message = wire.pack(("augment", (0, "iadd", 1.0), {}))
            await link._execute("call", (lane, number, message, ()))
        *_, reply, _, _ = await link._execute("call", (lane, 1, message, ()))
        return wire.unpack(reply).error

    assert isinstance(client.sync(late), OwnerLost)
    assert call("get", 0).tolist() == [2.0, 2.0]


def test_a_lane_that_the_owner_does_not_know_is_told_and_changes_nothing(client, link, call):
    async def unknown():
        message = wire.pack(("set", (0, 1.0), {}))
        *_, reply, _, _ = await link._send("call", "another-1", 1, message, ())
        return wire.unpack(reply).error

    error = client.sync(unknown)
    assert isinstance(error, OwnerLost)
    assert "unknown" in str(error)
    assert call("get", 0).tolist() == [0.0, 0.0]


def test_many_calls_of_one_thread_use_one_lane(link, call):
    for _ in range(20):
        call("set", 0, 1.0)
    assert len(link._idle) == 1
    assert link._idle[0].number >= 20


def test_calls_at_once_are_carried_out_once_each(client, link, call):
    async def many():
        calls = [link.call("augment", (1, 1), "iadd", 1.0) for _ in range(50)]
        return await asyncio.gather(*calls)

    for outcome in client.sync(many):
        outcome.unwrap()
    assert call("get", (1, 1)) == 50.0


def test_what_is_larger_than_a_chunk_travels_in_chunks_and_is_applied_once(client, monkeypatch):
    entry = client.sync(making.create, client, (5_000_000,), np.int64, "large", None, None, 1, None)
    link = links.link_to(client, entry, 0)
    sent = []
    execute = type(link)._execute

    async def counted(self, name, arguments):
        sent.append(name)
        return await execute(self, name, arguments)

    monkeypatch.setattr(type(link), "_execute", counted)
    values = np.arange(5_000_000)
    assert client.sync(link.call, "augment", ..., "iadd", values).unwrap() is None
    assert sent.count("put") == 3
    lost = losing(link, monkeypatch, 1, "take")
    received = client.sync(link.call, "snapshot").unwrap()
    assert len(lost) == 1
    assert sent.count("take") >= 3
    np.testing.assert_array_equal(received, values)


@pytest.mark.parametrize(
    "error", [StopIteration, StopAsyncIteration, SystemExit, KeyboardInterrupt, GeneratorExit]
)
def test_whatever_a_function_raises_arrives_and_changes_nothing(link, call, error):
    def function(raw):
        raw[0] = 7
        raise error("why")

    with pytest.raises(RuntimeError, match=f"{error.__name__}"):
        call("update", pack_function(function), ...)
    assert call("get", 0).tolist() == [0.0, 0.0]


def test_a_cancelled_error_of_a_function_arrives_and_the_region_is_free(link, call):
    def function(raw):
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="CancelledError"):
        call("update", pack_function(function), ...)
    call("set", 0, 1.0, timeout=10)


def test_errors_of_numpy_arrive_and_change_nothing(call):
    before = call("snapshot")
    for error, request in [
        (ValueError, ("set", slice(0, 2), np.ones(3))),
        (IndexError, ("get", 99)),
        (IndexError, ("set", (0, 5), 1.0)),
        (ValueError, ("set", 0, "text")),
        (TypeError, ("augment", ..., "ilshift", 1)),
        (ValueError, ("append", np.ones(3))),
        (AttributeError, ("at", 0, "nothing", ())),
        (IndexError, ("update", pack_function(abs), [0, 1])),
        (ValueError, ("nothing",)),
    ]:
        with pytest.raises(error):
            call(*request)
    np.testing.assert_array_equal(call("snapshot"), before)


def test_a_result_that_can_not_be_pickled_is_an_error_and_changes_nothing(call):
    def function(raw):
        raw[...] = 9
        return threading.Lock()

    with pytest.raises(TypeError, match="pickle"):
        call("update", pack_function(function), ...)
    assert call("snapshot").max() == 0


def test_an_error_that_can_not_be_pickled_is_told_by_its_text(call):
    class Strange(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")

    def function(raw):
        raise Strange("one", "two")

    with pytest.raises(RuntimeError, match="Strange: one and two"):
        call("update", pack_function(function), ...)


# -- on the owner's side, without a cluster ------------------------------------------------------------


def run(main):
    return asyncio.run(asyncio.wait_for(main, 60))


def operations(shape=(8,)):
    return Operations("x", la.zeros(shape, name="x"))


async def perform(one, kind, *arguments, held=(), **named):
    return wire.unpack(await one.perform(kind, arguments, named, held))


def test_what_an_update_returns_is_as_it_was_under_the_lock():
    async def main():
        one = operations()
        returned = lambda raw: (raw, {"rows": [raw[:2]]})
        outcome = await perform(one, "update", pack_function(returned), ...)
        await perform(one, "set", ..., 9.0)
        view, parts = outcome.unwrap()
        assert view.tolist() == [0.0] * 8
        assert parts["rows"][0].tolist() == [0.0, 0.0]

    run(main())


def test_writers_of_what_is_leased_wait_and_others_do_not():
    async def main():
        one = operations()
        (await perform(one, "lease", "token", slice(0, 4), True, 60.0)).unwrap()
        (await perform(one, "set", slice(4, 8), 1.0, timeout=5)).unwrap()
        (await perform(one, "get", [5, 6], timeout=5)).unwrap()
        late = await perform(one, "set", 3, 1.0, timeout=0.05)
        waiting = asyncio.ensure_future(perform(one, "set", 3, 5.0))
        (await perform(one, "commit", "token", np.full(4, 2.0), 60.0)).unwrap()
        (await waiting).unwrap()
        values = (await perform(one, "snapshot")).unwrap()
        return late.error, values.tolist()

    error, values = run(main())
    if la.backend == "native":  # the portable core locks the whole array
        assert isinstance(error, la.LockTimeout)
    assert values == [2.0, 2.0, 2.0, 5.0, 1.0, 1.0, 1.0, 1.0]


def test_a_lease_that_is_over_commits_nothing_and_lets_others_go_on():
    async def main():
        one = operations()
        (await perform(one, "lease", "token", ..., True, 0.05)).unwrap()
        (await perform(one, "set", 0, 1.0, timeout=30)).unwrap()
        late = await perform(one, "commit", "token", np.full(8, 2.0), 0.05)
        assert isinstance(late.error, LeaseExpired)
        return (await perform(one, "snapshot")).unwrap()

    assert run(main()).tolist() == [1.0] + [0.0] * 7


def test_a_lease_that_nobody_waits_for_any_more_is_never_granted():
    async def main():
        one = operations()
        (await perform(one, "lease", "first", ..., True, 60.0)).unwrap()
        waiting = asyncio.ensure_future(perform(one, "lease", "second", ..., True, 60.0))
        while "second" not in one.leases._leases:
            await asyncio.sleep(0)
        await perform(one, "end", "second")
        assert isinstance((await waiting).error, LeaseExpired)
        assert (await perform(one, "end", "first")).unwrap() is True
        (await perform(one, "set", 0, 1.0, timeout=30)).unwrap()
        # The end may arrive before the beginning.
        await perform(one, "end", "third")
        assert isinstance(
            (await perform(one, "lease", "third", ..., True, 60.0)).error, LeaseExpired
        )
        (await perform(one, "set", 0, 1.0, timeout=30)).unwrap()

    run(main())


@pytest.mark.parametrize(
    "request_",
    [("get", 2), ("set", 2, 1.0), ("append", 1.0), ("snapshot",), ("lease", "b", 2, True, 9.0)],
)
def test_who_would_wait_for_his_own_lease_is_told_at_once(request_):
    async def main():
        one = operations()
        (await perform(one, "lease", "a", slice(0, 4), True, 60.0)).unwrap()
        outcome = await perform(one, *request_, held=("a",))
        assert isinstance(outcome.error, la.DeadlockError)
        (await perform(one, "get", 6, held=("a",))).unwrap()
        (await perform(one, "end", "a")).unwrap()
        outcome = await perform(one, *request_, held=("a",))
        assert outcome.error is None

    run(main())


def test_who_waits_for_a_change_of_what_he_has_is_told_at_once():
    async def main():
        one = operations()
        (await perform(one, "lease", "a", slice(0, 4), False, 60.0)).unwrap()
        predicate = pack_function(lambda raw: raw[0] == 1)
        outcome = await perform(one, "wait_for", predicate, slice(0, 2), held=("a",))
        assert isinstance(outcome.error, la.DeadlockError)

    run(main())


def test_wait_for_returns_the_true_value_or_the_last_one():
    async def main():
        one = operations()
        predicate = pack_function(lambda raw: raw.sum() if raw[0] == 2 else 0.0)
        waiting = asyncio.ensure_future(perform(one, "wait_for", predicate, ...))
        for value in 1.0, 2.0:
            (await perform(one, "set", ..., value)).unwrap()
        assert (await waiting).unwrap() == 16.0
        never = pack_function(lambda raw: raw[:0].tolist())
        assert (await perform(one, "wait_for", never, ..., timeout=0.05)).unwrap() == []
        fails = pack_function(lambda raw: raw[99])
        assert isinstance((await perform(one, "wait_for", fails, ...)).error, IndexError)
        writes = pack_function(lambda raw: raw.fill(1))
        assert isinstance((await perform(one, "wait_for", writes, ...)).error, ValueError)

    run(main())


def test_owner_keeps_one_answer_a_lane_and_forgets_old_ones(monkeypatch):
    async def main():
        lanes = Lanes("x")
        lane = lanes.open()
        carried_out = []

        async def perform(number):
            carried_out.append(number)
            return number

        for number in range(1, 100):
            assert await lanes.call(lane, number, lambda n=number: perform(n)) == number
            assert await lanes.call(lane, number, lambda n=number: perform(-n)) == number
        assert carried_out == list(range(1, 100))
        assert len(lanes) == 1
        lanes.forget_old()
        assert len(lanes) == 1
        monkeypatch.setattr("lockedarray._distributed.lanes._FORGOTTEN_AFTER", -1.0)
        lanes.forget_old()
        assert len(lanes) == 0
        with pytest.raises(OwnerLost):
            await lanes.call(lane, 100, lambda: perform(100))
        assert 100 not in carried_out

    run(main())


def test_parts_may_arrive_twice_and_in_any_order():
    staging = Staging()
    for offset, part in [(3, b"de"), (0, b"abc"), (3, b"de")]:
        staging.put("token", offset, 5, part)
    assert bytes(staging.arrived("token")) == b"abcde"
    with pytest.raises(ValueError):
        staging.put("token", 4, 5, b"xy")
    reply = staging.hand_out(b"12345")
    assert bytes(staging.take(reply, 2)) == b"345"
    staging.drop(reply)
    with pytest.raises(KeyError):
        staging.take(reply, 2)
