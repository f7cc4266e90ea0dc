"""Each call is carried out once while the owner lives, however often it is sent, and however large."""

import asyncio
import gc
import threading

import numpy as np
import pytest

import lockedarray as la
from lockedarray._cores import locks_regions
from lockedarray._distributed import leases, making, wire
from lockedarray._distributed import link as links
from lockedarray._distributed.errors import LeaseExpired, OwnerLost
from lockedarray._distributed.held import held as held_tokens
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


def forget_lanes(client, link):
    """Have the owner know of no lanes, as after an hour without calls."""

    def forget(key, dask_worker):
        owner = dask_worker.state.actors.get(key)
        if owner is not None:
            owner._lanes._lanes.clear()

    client.run(forget, link._key)


def test_a_client_that_has_not_called_for_long_goes_on(client, link, call):
    call("set", 0, 1.0)
    forget_lanes(client, link)
    for _ in range(3):
        call("augment", 0, "iadd", 1.0)
    assert call("get", 0).tolist() == [4.0, 4.0]
    assert len(link._idle) == 1


def test_a_lane_that_the_owner_may_not_know_any_more_is_not_used(client, link, call, monkeypatch):
    call("set", 0, 1.0)
    (lane,) = link._idle
    monkeypatch.setattr(links, "_LANE_KEPT", -1.0)
    call("set", 0, 1.0)
    assert lane not in link._idle


def test_a_call_sent_again_in_a_lane_that_was_forgotten_is_lost_and_not_repeated(
    client, link, call, monkeypatch
):
    call("set", 0, 0.0)
    execute = type(link)._execute

    async def execute_and_forget(self, name, arguments):
        answer = await execute(self, name, arguments)
        if name == "call" and arguments[0] is not None and not sent:
            sent.append(arguments)
            await client._run(forget, link._key)
            raise OSError("the reply is lost")
        return answer

    def forget(key, dask_worker):
        owner = dask_worker.state.actors.get(key)
        if owner is not None:
            owner._lanes._lanes.clear()

    sent = []
    monkeypatch.setattr(type(link), "_execute", execute_and_forget)
    with pytest.raises(OwnerLost, match="unknown"):
        call("augment", 0, "iadd", 1.0)
    assert call("get", 0).tolist() == [1.0, 1.0]
    call("augment", 0, "iadd", 1.0)  # in another lane
    assert call("get", 0).tolist() == [2.0, 2.0]


def kept(client, link):
    """Return how many lanes, answers and parts the owner keeps."""

    def count(key, dask_worker):
        owner = dask_worker.state.actors.get(key)
        if owner is None:
            return None
        lanes = owner._lanes._lanes.values()
        staging = owner._staging
        parts = len(staging._leaving) + len(staging._arriving)
        return len(lanes), sum(lane.answer is not None for lane in lanes), parts

    (counted,) = [one for one in client.run(count, link._key).values() if one is not None]
    return counted


def test_large_answers_that_have_arrived_are_not_kept(client, link, call, until):
    large = pack_function(lambda raw: bytes(100_000))
    assert len(call("update", large, ...)) == 100_000
    until(lambda: kept(client, link) == (1, 0, 0))
    call("set", 0, 1.0)
    assert kept(client, link) == (1, 1, 0)


def test_what_a_cancelled_call_would_have_returned_is_not_kept(client, link, call, until):
    def slow(raw):
        import time

        time.sleep(0.3)
        return bytes(40_000_000) if raw[0, 0] == 0 else 1

    async def cancelled(kind):
        calls = [asyncio.ensure_future(link.call(kind, pack_function(slow), ...))]
        await asyncio.sleep(0.1)
        calls[0].cancel()
        await asyncio.wait(calls)
        return calls[0].cancelled()

    assert client.sync(cancelled, "update")
    until(lambda: kept(client, link) == (0, 0, 0))
    assert client.sync(cancelled, "wait_for")
    call("set", 0, 1.0)
    until(lambda: kept(client, link) == (1, 1, 0))


def test_a_cancelled_transfer_of_parts_leaves_no_coroutine_behind(client, link, call, monkeypatch):
    monkeypatch.setattr(links, "CHUNK", 8)
    monkeypatch.setattr(wire, "CHUNK", 8)

    async def cancelled():
        calling = asyncio.ensure_future(link.call("set", ..., np.ones((8, 2))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        calling.cancel()
        await asyncio.wait([calling])
        gc.collect()
        return calling.cancelled()

    assert client.sync(cancelled)


def test_a_large_read_whose_reply_is_not_there_any_more_is_made_again(client, monkeypatch):
    entry = client.sync(making.create, client, (5_000_000,), float, "big", None, None, 1, None)
    link = links.link_to(client, entry, 0)
    client.sync(link.call, "set", 7, 1.0).unwrap()
    execute = type(link)._execute
    dropped = []

    async def execute_dropped(self, name, arguments):
        if name == "take" and not dropped:
            dropped.append(arguments[0])
            await execute(self, "drop", (arguments[0],))
        return await execute(self, name, arguments)

    monkeypatch.setattr(type(link), "_execute", execute_dropped)
    assert client.sync(link.call, "snapshot").unwrap()[7] == 1.0
    assert dropped
    # The parts of a request, too.
    lost_parts = []

    async def execute_without_parts(self, name, arguments):
        if name == "call" and isinstance(arguments[2], str) and not lost_parts:
            lost_parts.append(arguments[2])
            await execute(self, "drop", (arguments[2],))
        return await execute(self, name, arguments)

    monkeypatch.setattr(type(link), "_execute", execute_without_parts)
    client.sync(link.call, "augment", ..., "iadd", np.ones(5_000_000)).unwrap()
    assert lost_parts
    assert client.sync(link.call, "get", slice(6, 9)).unwrap().tolist() == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "CancelledError"])
def test_an_argument_that_raises_when_it_is_unpickled_is_told_and_ends_nothing(call, name):
    def unpickled():
        import asyncio
        import builtins

        raise getattr(builtins, name, asyncio.CancelledError)("why")

    class Strange:
        def __reduce__(self):
            return unpickled, ()

    for request in ("set", 0, Strange()), ("get", Strange()):
        with pytest.raises(RuntimeError, match=name):
            call(*request)
    assert call("get", 0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_an_operand_that_raises_what_is_no_exception_is_told(error):
    class Operand:
        __array_ufunc__ = None

        def __radd__(self, other):
            raise error("why")

        def __iadd__(self, other):
            raise error("why")

    async def main():
        one = operations()
        outcome = await perform(one, "augment", 0, "iadd", Operand())
        assert type(outcome.error) is RuntimeError
        assert error.__name__ in str(outcome.error)
        (await perform(one, "set", 0, 1.0, timeout=5)).unwrap()

    run(main())


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


def test_who_waits_in_vain_is_told_whose_call_or_lease_has_the_region(
    client, link, call, until, tmp_path
):
    def waits(raw):
        import time

        (tmp_path / "inside").touch()
        while not (tmp_path / "leave").exists():
            time.sleep(0.01)

    update = asyncio.run_coroutine_threadsafe(
        link.call("update", pack_function(waits), ...), client.loop.asyncio_loop
    )
    until((tmp_path / "inside").exists)
    try:
        for request in ("get", 0), ("set", 0, 1.0):
            with pytest.raises(la.LockTimeout, match=f"task 'update of client {client.id}'"):
                call(*request, timeout=0.05)
    finally:
        (tmp_path / "leave").touch()
    update.result(60).unwrap()
    call("lease", "token", ..., True, 60.0)
    with pytest.raises(la.LockTimeout, match=f"task 'lease of client {client.id}, for 60 s'"):
        call("get", 0, timeout=0.05)
    call("end", "token")


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
        if locks_regions:
            (await perform(one, "set", slice(4, 8), 1.0, timeout=5)).unwrap()
            (await perform(one, "get", [5, 6], timeout=5)).unwrap()
        else:
            other = await perform(one, "get", [5, 6], timeout=0.05)
            assert isinstance(other.error, la.LockTimeout)
        late = await perform(one, "set", 3, 1.0, timeout=0.05)
        waiting = asyncio.ensure_future(perform(one, "set", 3, 5.0))
        (await perform(one, "commit", "token", np.full(4, 2.0), 60.0)).unwrap()
        (await waiting).unwrap()
        values = (await perform(one, "snapshot")).unwrap()
        return late.error, values.tolist()

    error, values = run(main())
    assert isinstance(error, la.LockTimeout)
    assert values == [2.0, 2.0, 2.0, 5.0] + [1.0 if locks_regions else 0.0] * 4


def test_a_lease_that_is_over_commits_nothing_and_lets_others_go_on():
    async def main():
        one = operations()
        (await perform(one, "lease", "token", ..., True, 0.05)).unwrap()
        (await perform(one, "set", 0, 1.0, timeout=30)).unwrap()
        late = await perform(one, "commit", "token", np.full(8, 2.0), 0.05)
        assert isinstance(late.error, LeaseExpired)
        return (await perform(one, "snapshot")).unwrap()

    assert run(main()).tolist() == [1.0] + [0.0] * 7


def test_a_lease_is_over_in_time_though_the_machine_has_slept(monkeypatch):
    async def main():
        one = operations()
        for token in "first", "second":
            (await perform(one, "lease", token, ..., True, 60.0)).unwrap()
            time_now = leases.now()
            monkeypatch.setattr(leases, "now", lambda: time_now + 61.0)
            late = await perform(one, "commit", token, np.full(8, 2.0), 60.0)
            assert isinstance(late.error, LeaseExpired)
            (await perform(one, "set", 0, 1.0, timeout=30)).unwrap()

    run(main())


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
        other = await perform(one, "get", 6, held=("a",))
        if locks_regions:
            other.unwrap()
        else:  # the lock is of all of the array
            assert isinstance(other.error, la.DeadlockError)
        (await perform(one, "end", "a")).unwrap()
        outcome = await perform(one, *request_, held=("a",))
        assert outcome.error is None

    run(main())


def test_words_name_what_there_is_between_machines():
    async def main():
        one = operations(())
        no_axis = await perform(one, "append", 1.0)
        (await perform(one, "freeze")).unwrap()
        frozen = await perform(one, "set", ..., 1.0)
        return no_axis.error, frozen.error

    no_axis, frozen = run(main())
    assert isinstance(no_axis, ValueError)
    assert "resize" not in str(no_axis)
    assert str(no_axis).endswith("has no rows: create it with one axis")
    assert isinstance(frozen, ValueError)
    assert str(frozen).endswith("is frozen, by freeze(): write to a copy, x.snapshot()")


def test_who_waits_for_himself_in_a_function_is_told_in_words_that_fit():
    async def main():
        one = operations()
        with one._under():
            outcome = await perform(one, "get", 0, held=held_tokens.get())
        return outcome.error

    error = run(main())
    assert isinstance(error, la.DeadlockError)
    assert "x.update(...)" in str(error)
    assert "the function" in str(error)


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


def test_an_update_that_fails_has_changed_nothing_whatever_it_did_to_its_view():
    def reshaped(raw):
        raw += 1
        raw.shape = (-1, 1)
        raise KeyError("why")

    def read_only(raw):
        raw += 1
        raw.flags.writeable = False
        raise KeyError("why")

    def other_dtype(raw):
        raw += 1
        raw.dtype = np.int64
        raise KeyError("why")

    async def main():
        for function in reshaped, read_only, other_dtype:
            one = operations()
            outcome = await perform(one, "update", pack_function(function), ...)
            assert isinstance(outcome.error, KeyError)
            assert (await perform(one, "snapshot")).unwrap().tolist() == [0.0] * 8

    run(main())


def test_a_call_of_an_update_does_not_wait_without_end(monkeypatch):
    monkeypatch.setattr("lockedarray._distributed.operations._WITHIN_UPDATE", 0.05)

    async def main():
        one = operations()
        (await perform(one, "lease", "token", ..., True, 60.0)).unwrap()
        outcome = await perform(one, "set", 0, 1.0, held=("update-elsewhere",))
        assert isinstance(outcome.error, la.LockTimeout)

    run(main())


def test_freeze_is_not_overtaken_by_those_who_queue():
    async def main():
        one = operations()
        (await perform(one, "lease", "first", ..., True, 60.0)).unwrap()
        freezing = asyncio.ensure_future(perform(one, "freeze"))
        waiting = asyncio.ensure_future(perform(one, "lease", "second", ..., True, 60.0))
        while "second" not in one.leases._leases:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        (await perform(one, "end", "first")).unwrap()
        (await freezing).unwrap()
        assert isinstance((await waiting).error, ValueError)  # it is frozen
        assert (await perform(one, "describe")).unwrap()["frozen"]

    run(main())


def test_who_has_a_read_lease_reads_on_while_a_writer_waits():
    async def main():
        one = operations()
        (await perform(one, "lease", "mine", slice(0, 4), False, 60.0)).unwrap()
        writing = asyncio.ensure_future(perform(one, "set", 0, 1.0))
        await asyncio.sleep(0.05)
        read = await asyncio.wait_for(perform(one, "get", 0, held=("mine",)), 10)
        assert read.unwrap() == 0.0
        (await perform(one, "end", "mine")).unwrap()
        (await writing).unwrap()
        assert (await perform(one, "get", 0, held=("mine",))).unwrap() == 1.0

    run(main())


def test_rows_are_appended_while_somebody_waits_for_a_change_of_none():
    async def main():
        one = Operations("x", la.zeros((0, 2)))
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        go_on = threading.Event()

        def predicate(raw):
            loop.call_soon_threadsafe(asked.set)
            assert go_on.wait(30)
            return len(raw)

        waiting = asyncio.ensure_future(wait_for(one, predicate))
        await asked.wait()
        appended = await asyncio.wait_for(perform(one, "append", [1.0, 2.0], timeout=5), 10)
        go_on.set()
        assert appended.unwrap() == 0
        assert (await waiting).unwrap() == 1

    async def wait_for(one, predicate):
        # It is called as it is: what is pickled would have other events.
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("lockedarray._distributed.operations.unpack", lambda function: function)
            return wire.unpack(await one.perform("wait_for", (predicate, ...), {}, ()))

    run(main())


@pytest.mark.parametrize("tries", [3, 0])
def test_who_waited_while_rows_were_removed_or_appended_has_the_rows_of_now(monkeypatch, tries):
    monkeypatch.setattr("lockedarray._distributed.operations._TRIES", tries)

    async def main():
        one = operations((4,))
        (await perform(one, "set", ..., np.arange(4.0))).unwrap()
        (await perform(one, "lease", "first", ..., True, 60.0)).unwrap()
        removed = asyncio.ensure_future(perform(one, "popleft", 1))
        await asyncio.sleep(0.05)
        appended = asyncio.ensure_future(perform(one, "append", [9.0]))
        await asyncio.sleep(0.05)
        first = asyncio.ensure_future(perform(one, "set", 0, 5.0))
        all_ = asyncio.ensure_future(perform(one, "get", slice(None)))
        await asyncio.sleep(0.05)
        (await perform(one, "end", "first")).unwrap()
        assert (await removed).unwrap().tolist() == [0.0]
        assert (await appended).unwrap() == 3
        (await first).unwrap()
        assert (await perform(one, "snapshot")).unwrap().tolist() == [5.0, 2.0, 3.0, 9.0]
        # Before or after the assignment and `append`, which go on beside it; but not the row that
        # was removed beside one that was assigned since.
        assert (await all_).unwrap().tolist()[:3] in ([5.0, 2.0, 3.0], [1.0, 2.0, 3.0])

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
        with pytest.raises(LookupError):
            await lanes.call(lane, 100, lambda: perform(100))
        assert 100 not in carried_out

    run(main())


def test_large_answers_are_kept_for_a_shorter_time_and_known_to_have_been_given(monkeypatch):
    async def main():
        lanes = Lanes("x", lambda answer: len(answer) > 10)
        carried_out = []

        async def perform(answer):
            carried_out.append(answer)
            return answer

        async def fails():
            raise ValueError("why")

        large, small, failed = lanes.open(), lanes.open(), lanes.open()
        await lanes.call(large, 1, lambda: perform("large" * 3))
        await lanes.call(small, 1, lambda: perform("small"))
        with pytest.raises(ValueError):
            await lanes.call(failed, 1, fails)
        lanes.forget_old()
        assert await lanes.call(large, 1, lambda: perform("again")) == "large" * 3
        monkeypatch.setattr("lockedarray._distributed.lanes._LARGE_FORGOTTEN_AFTER", -1.0)
        lanes.forget_old()
        with pytest.raises(OwnerLost, match="was carried out, once, but what it returned is not"):
            await lanes.call(large, 1, lambda: perform("again"))
        with pytest.raises(ValueError):
            await lanes.call(failed, 1, fails)
        assert await lanes.call(small, 1, lambda: perform("again")) == "small"
        assert await lanes.call(large, 2, lambda: perform("next")) == "next"
        assert carried_out == ["large" * 3, "small", "next"]

    run(main())


def test_an_owner_keeps_large_replies_for_a_shorter_time(client, link):
    def forget_all(key, dask_worker):
        from lockedarray._distributed import lanes

        owner = dask_worker.state.actors.get(key)
        before, lanes._LARGE_FORGOTTEN_AFTER = lanes._LARGE_FORGOTTEN_AFTER, -1.0
        if owner is not None:
            owner._lanes.forget_old()
        lanes._LARGE_FORGOTTEN_AFTER = before

    async def called_again():
        answers = []
        for nbytes in 100, 100_000:
            lane = await link._send("open")
            function = pack_function(lambda raw, nbytes=nbytes: bytes(nbytes))
            message = wire.pack(("update", (function, ...), {}))
            *_, reply, _, _ = await link._send("call", lane, 1, message)
            assert len(wire.unpack(reply).unwrap()) == nbytes
            await client._run(forget_all, link._key)
            *_, reply, _, _ = await link._send("call", lane, 1, message)
            answers.append(wire.unpack(reply))
        return answers

    small, large = client.sync(called_again)
    assert len(small.unwrap()) == 100
    assert isinstance(large.error, OwnerLost)
    assert "carried out" in str(large.error)


def test_parts_may_arrive_twice_and_in_any_order():
    staging = Staging()
    for offset, part in [(3, b"de"), (0, b"abc"), (3, b"de")]:
        staging.put("token", offset, 5, part)
    assert bytes(staging.arrived("token")) == b"abcde"
    with pytest.raises(ValueError):
        staging.put("token", 4, 5, b"xy")
    reply, nbytes = staging.hand_out(b"12345")
    assert nbytes == 5
    assert bytes(staging.take(reply, 2)) == b"345"
    staging.drop(reply)
    assert staging.take(reply, 2) is None


def test_the_first_reply_of_a_call_counts_however_often_it_was_sent():
    staging = Staging()
    assert staging.hand_out(b"first", "token") == ("token", 5)
    assert staging.hand_out(b"another", "token") == ("token", 5)
    assert bytes(staging.take("token", 0)) == b"first"
    staging.drop("token")
    staging.hand_out(b"too late", "token")
    assert staging.take("token", 0) is None
