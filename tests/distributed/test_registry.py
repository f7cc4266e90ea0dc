"""Who has a name, from when on, and until when."""

import asyncio
import contextlib
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("distributed.client")

from distributed import Client, get_client
from distributed.core import Status

from lockedarray._distributed import making
from lockedarray._distributed.errors import NewerCheckpoint, OwnerLost
from lockedarray._distributed.making import create, ensure_registry, find
from lockedarray._distributed.registry import OWNERSHIP, RESERVATION, RegistryPlugin
from lockedarray._distributed.wire import dtype_to_wire

# -- the registry alone, on a scheduler that is none, by a clock of the test's ---------------------


class Scheduler:
    """As much of a scheduler as the registry sees."""

    def __init__(self, **limits):
        self.handlers = {}
        self.tasks = {}
        self.clients = {}
        self.aliases = {}
        self.workers = {}
        self.wanted = {}
        self.later = []
        self.loop = SimpleNamespace(call_later=lambda seconds, *call: self.later.append(call))
        for name, limit in limits.items():
            address = f"tcp://{name}"
            self.aliases[name] = address
            self.workers[address] = SimpleNamespace(
                address=address,
                name=name,
                status=Status.running,
                memory_limit=limit,
                metrics={"memory": 0},
                nbytes=0,
            )

    def client_desires_keys(self, keys, client):
        self.clients[client] = self.wanted[client] = list(keys)

    def let_time_pass(self):
        """Call what was to be called later."""
        while self.later:
            function, *arguments = self.later.pop(0)
            function(*arguments)

    def client_releases_keys(self, keys, client):
        self.wanted[client] = [key for key in self.wanted[client] if key not in keys]


class Registry:
    """A registry, and what happens to it."""

    def __init__(self, **limits):
        self.now = 1000.0
        self.scheduler = Scheduler(**(limits or {"a": 1000, "b": 1000}))
        self.plugin = RegistryPlugin(lambda: self.now)
        asyncio.run(self.plugin.start(self.scheduler))

    def reserve(self, name="x", creator="me", sizes=(8,), checkpoint=None, **named):
        description = {"shape": [1], "starts": [0], "checkpoint": checkpoint, "shards": len(sizes)}
        description["dtype"] = dtype_to_wire(np.dtype("f8"))
        return self.plugin.reserve(name, creator, sizes, description, **named)

    def make(self, name="x", creator="me", **named):
        """Reserve, have the owners made, and register."""
        reserved = self.reserve(name, creator, **named)
        assert reserved["status"] == "reserved", reserved
        keys = reserved["keys"]
        for key, address in zip(keys, reserved["workers"], strict=True):
            self.task(key, "memory", address)
        assert self.plugin.register(name, reserved["generation"], creator, keys)
        return reserved["generation"], keys

    def task(self, key, state, address):
        has = [self.scheduler.workers[address]]
        self.scheduler.tasks[key] = SimpleNamespace(key=key, state=state, who_has=has)

    def lose(self, key):
        """The scheduler finds that the worker is gone."""
        self.scheduler.tasks[key].state = "erred"
        self.plugin.transition(key, "memory", "erred", stimulus_id="test")


def test_of_two_creators_one_gets_the_name():
    registry = Registry()
    assert registry.reserve(creator="me")["status"] == "reserved"
    assert registry.reserve(creator="you")["status"] == "taken"
    assert registry.reserve("y", "you")["status"] == "reserved"


def test_a_name_that_is_only_reserved_is_not_found():
    registry = Registry()
    registry.reserve()
    assert registry.plugin.find("x") is None
    assert registry.plugin.names() == []
    assert not registry.plugin.delete("x", 1)


def test_a_name_is_taken_as_long_as_its_owners_live():
    registry = Registry()
    registry.make()
    registry.now += 1000 * RESERVATION
    assert registry.reserve(creator="you")["status"] == "taken"


def test_a_reservation_that_is_over_is_anybodys():
    registry = Registry()
    first = registry.reserve(sizes=(0,))
    registry.now += RESERVATION - 0.1
    assert registry.reserve(creator="you")["status"] == "taken"
    registry.now += 0.1
    assert registry.plugin.check("x", "me") is not None
    keys = first["keys"]
    registry.task(keys[0], "memory", first["workers"][0])
    assert not registry.plugin.register("x", first["generation"], "me", keys)
    assert registry.reserve(creator="you")["generation"] > first["generation"]


def test_a_large_array_has_more_time_to_be_made():
    registry = Registry(a=0)
    registry.reserve(sizes=(50_000_000_000,))
    registry.now += RESERVATION + 900
    assert registry.plugin.check("x", "me") is None


def test_a_reservation_ends_with_its_client():
    registry = Registry()
    registry.reserve(client="client-1")
    registry.make("y", client="client-1")
    registry.plugin.remove_client(registry.scheduler, "client-1")
    assert registry.reserve(creator="you")["status"] == "reserved"
    assert registry.plugin.find("y")["is_alive"]


def test_only_who_has_reserved_can_register_or_release():
    registry = Registry()
    reserved = registry.reserve(creator="me")
    keys = reserved["keys"]
    registry.task(keys[0], "memory", reserved["workers"][0])
    registry.plugin.release("x", "you")
    assert not registry.plugin.register("x", reserved["generation"], "you", keys)
    assert not registry.plugin.register("x", reserved["generation"] + 1, "me", keys)
    assert registry.plugin.register("x", reserved["generation"], "me", keys)


def test_registering_twice_is_registering_once():
    registry = Registry()
    generation, keys = registry.make()
    assert registry.plugin.register("x", generation, "me", keys)
    assert registry.plugin.names() == ["x"]


def test_owners_that_are_not_all_there_are_not_registered():
    registry = Registry()
    reserved = registry.reserve(sizes=(8, 8))
    keys = reserved["keys"]
    registry.task(keys[0], "memory", reserved["workers"][0])
    registry.task(keys[1], "processing", reserved["workers"][1])
    assert not registry.plugin.register("x", reserved["generation"], "me", keys)
    assert registry.plugin.find("x") is None


def test_the_scheduler_keeps_the_owners_until_the_array_is_deleted():
    registry = Registry()
    generation, keys = registry.make()
    assert registry.scheduler.wanted == {keys[0]: keys}
    assert not registry.plugin.delete("x", generation + 1)
    assert registry.plugin.delete("x", generation)
    registry.scheduler.let_time_pass()
    assert registry.scheduler.wanted == {keys[0]: []}
    assert registry.scheduler.clients == {}
    assert not registry.plugin.delete("x", generation)


def test_a_creation_that_failed_after_it_was_registered_leaves_nothing():
    registry = Registry()
    _, keys = registry.make()
    registry.plugin.release("x", "me")
    assert registry.plugin.find("x") is None
    assert registry.scheduler.wanted == {keys[0]: []}


def test_owners_of_an_array_that_was_deleted_can_be_told_before_they_go():
    registry = Registry()
    generation, keys = registry.make()
    assert registry.plugin.delete("x", generation)
    assert registry.plugin.find("x") is None
    assert registry.scheduler.wanted == {keys[0]: keys}
    # A new one of that name is not let go with it.
    _, new_keys = registry.make()
    registry.scheduler.let_time_pass()
    assert registry.scheduler.wanted == {keys[0]: [], new_keys[0]: new_keys}


def test_two_schedulers_give_no_two_arrays_the_same_key():
    (one, keys), (other, other_keys) = Registry().make(), Registry().make()
    assert one == other
    assert not {*keys} & {*other_keys}


def test_only_the_array_itself_is_deleted_and_not_one_of_another_scheduler():
    _, (old,) = Registry().make()
    registry = Registry()
    generation, (key,) = registry.make()
    assert not registry.plugin.delete("x", generation, old)
    assert registry.plugin.find("x") is not None
    assert registry.plugin.delete("x", generation, key)


def test_ownership_goes_on_being_over_while_the_machine_sleeps(monkeypatch):
    def stands_still():
        raise AssertionError("this clock stands still while the machine sleeps")

    monkeypatch.setattr(time, "monotonic", stands_still)
    if not hasattr(time, "clock_gettime"):
        pytest.skip("no other clock")
    registry = RegistryPlugin()
    assert registry._clock() > 0


def test_an_owner_does_not_serve_before_it_is_registered():
    registry = Registry()
    reserved = registry.reserve()
    (key,) = reserved["keys"]
    assert registry.plugin.renew("x", reserved["generation"], key) == 0
    registry.plugin.release("x", "me")
    assert registry.plugin.renew("x", reserved["generation"], key) is None


def test_an_owner_of_that_name_and_number_somewhere_else_is_granted_nothing():
    registry = Registry()
    generation, (key,) = registry.make()
    (address,) = registry.plugin.find("x")["addresses"]
    assert registry.plugin.renew("x", generation, key, "tcp://elsewhere:1") is None
    assert registry.plugin.renew("x", generation, key, address) == OWNERSHIP


def test_a_lost_owner_is_granted_nothing_and_keeps_the_name_until_its_ownership_is_over():
    registry = Registry()
    generation, (key,) = registry.make()
    registry.now += 100
    assert registry.plugin.renew("x", generation, key) == OWNERSHIP
    registry.lose(key)
    registry.now += 1
    assert registry.plugin.renew("x", generation, key) is None
    assert not registry.plugin.find("x")["is_alive"]
    answer = registry.reserve(creator="you")
    assert answer == {"status": "wait", "seconds": OWNERSHIP - 1}
    registry.now += OWNERSHIP - 1
    assert registry.reserve(creator="you")["generation"] == generation + 1
    assert registry.plugin.renew("x", generation, key) is None


def test_the_last_of_several_blocks_to_be_granted_counts():
    registry = Registry()
    generation, keys = registry.make(sizes=(8, 8))
    registry.plugin.renew("x", generation, keys[0])
    registry.now += 2
    registry.plugin.renew("x", generation, keys[1])
    registry.lose(keys[0])
    assert registry.plugin.renew("x", generation, keys[1]) is None
    assert registry.reserve(creator="you") == {"status": "wait", "seconds": OWNERSHIP}


def test_a_name_that_was_deleted_is_free_when_its_owner_is_none_any_more():
    registry = Registry()
    generation, (key,) = registry.make()
    registry.plugin.renew("x", generation, key)
    registry.plugin.delete("x", generation)
    assert registry.plugin.renew("x", generation, key) is None
    assert registry.reserve() == {"status": "wait", "seconds": OWNERSHIP}
    registry.plugin.resign("x", generation, key)
    assert registry.reserve()["generation"] == generation + 1


def test_an_owner_that_has_resigned_keeps_nobody_waiting_when_it_is_lost():
    registry = Registry()
    generation, (key,) = registry.make()
    registry.plugin.renew("x", generation, key)
    registry.plugin.resign("x", generation, key)
    registry.lose(key)
    assert registry.reserve(creator="you")["status"] == "reserved"


def test_what_was_lost_is_not_there_again_when_its_task_is():
    registry = Registry()
    generation, (key,) = registry.make()
    registry.lose(key)
    registry.scheduler.tasks[key].state = "memory"
    assert not registry.plugin.find("x")["is_alive"]
    assert registry.plugin.renew("x", generation, key) is None


def test_an_owner_whose_task_is_forgotten_is_lost():
    registry = Registry()
    generation, (key,) = registry.make()
    del registry.scheduler.tasks[key]
    assert registry.plugin.renew("x", generation, key) is None
    assert not registry.plugin.find("x")["is_alive"]
    assert registry.plugin.delete("x", generation)


def test_an_owner_on_a_worker_that_is_gone_is_lost():
    registry = Registry()
    generation, (key,) = registry.make(worker="a")
    del registry.scheduler.workers["tcp://a"]
    assert registry.plugin.renew("x", generation, key) is None


def test_an_array_with_a_checkpoint_is_not_made_anew_without_it():
    registry = Registry()
    _, (key,) = registry.make(checkpoint="/data/x")
    registry.lose(key)
    answer = registry.reserve()
    assert answer["status"] == "refused"
    assert "checkpoint='/data/x'" in answer["error"]
    assert registry.reserve(checkpoint="/data/x")["status"] == "reserved"


def test_no_name_has_the_same_generation_twice():
    registry = Registry()
    generations = [registry.make(at_least=7)[0]]
    registry.plugin.delete("x", 7)
    generations.append(registry.reserve()["generation"])
    registry.plugin.release("x", "me")
    generations.append(registry.reserve(at_least=3)["generation"])
    assert generations == [7, 8, 9]
    assert registry.reserve("y")["generation"] == 1


def test_names_that_were_deleted_are_not_remembered_for_ever():
    registry = Registry()
    for number in range(10):
        generation, (key,) = registry.make(str(number))
        registry.plugin.renew(str(number), generation, key)
        registry.plugin.delete(str(number), generation)
    registry.now += OWNERSHIP
    registry.make("last")
    registry.plugin.delete("last", 1)
    assert registry.plugin._still_owned == {}
    assert registry.plugin._by_key == {}


# -- where blocks go -------------------------------------------------------------------------------


def test_blocks_are_spread_before_they_are_stacked():
    registry = Registry(a=1000, b=900, c=800)
    workers = registry.reserve(sizes=(10, 10, 10, 10))["workers"]
    assert workers == ["tcp://a", "tcp://b", "tcp://c", "tcp://a"]


def test_an_array_goes_where_the_most_memory_is_left():
    registry = Registry(a=1000, b=900)
    registry.scheduler.workers["tcp://a"].metrics["memory"] = 200
    assert registry.reserve()["workers"] == ["tcp://b"]


def test_arrays_that_are_made_or_were_count_before_they_are_written():
    registry = Registry(a=1000, b=900)
    assert registry.reserve("x", sizes=(500,))["workers"] == ["tcp://a"]
    assert registry.make("y", sizes=(500,))[1]
    answer = registry.reserve("z", sizes=(600,))
    assert answer["status"] == "refused"
    assert "600 bytes" in answer["error"]
    assert "500 bytes left" in answer["error"]
    assert "shards=" in answer["error"]


def test_blocks_of_one_array_count_together():
    assert Registry(a=1000).reserve(sizes=(600, 600))["status"] == "refused"


def test_an_array_that_was_written_does_not_count_twice():
    registry = Registry(a=1000)
    registry.make(sizes=(600,))
    registry.scheduler.workers["tcp://a"].metrics["memory"] = 650
    assert registry.reserve("y", sizes=(350,))["status"] == "reserved"


def test_what_dask_has_in_memory_counts_beside_arrays():
    registry = Registry(a=1000)
    registry.make(sizes=(400,))
    state = registry.scheduler.workers["tcp://a"]
    state.metrics["memory"] = state.nbytes = 400
    assert registry.reserve("y", sizes=(300,))["status"] == "refused"


def test_a_worker_without_a_limit_takes_anything():
    registry = Registry(a=0)
    assert registry.reserve(sizes=(10**18,))["workers"] == ["tcp://a"]


@pytest.mark.parametrize("worker", ["b", "tcp://b", ["b"], ("b", "tcp://b")])
def test_workers_are_named_by_name_or_address(worker):
    assert set(Registry().reserve(sizes=(1, 1), worker=worker)["workers"]) == {"tcp://b"}


def test_workers_that_are_named_take_turns():
    workers = Registry().reserve(sizes=(1, 1, 1), worker=["b", "a"])["workers"]
    assert workers == ["tcp://b", "tcp://a", "tcp://b"]


def test_a_worker_that_is_not_there_or_paused_is_refused():
    registry = Registry()
    answer = registry.reserve(worker="c")
    assert answer["status"] == "refused"
    assert "'c'" in answer["error"]
    assert "'a' (tcp://a)" in answer["error"]
    registry.scheduler.workers["tcp://a"].status = Status.paused
    assert "paused" in registry.reserve(worker="a")["error"]
    assert registry.reserve(sizes=(1, 1))["workers"] == ["tcp://b", "tcp://b"]
    registry.scheduler.workers.clear()
    assert "no worker" in registry.reserve("y")["error"]


# -- what can be asked for -------------------------------------------------------------------------


def plan(**changed):
    asked = {"shape": 4, "dtype": "f8", "name": "x", "checkpoint": None}
    asked |= {"every": None, "shards": 1, "worker": None}
    return making._plan(**{**asked, **changed})


@pytest.mark.parametrize(
    ("error", "words", "changed"),
    [
        (TypeError, "name must be a str", {"name": 3}),
        (ValueError, "name must not be empty", {"name": ""}),
        (TypeError, "shape must be an int or a tuple", {"shape": 1.5}),
        (TypeError, "shape must be an int or a tuple", {"shape": (1, "2")}),
        (ValueError, "shape must not be negative", {"shape": (3, -1)}),
        (ValueError, "too big", {"shape": (2**40, 2**40)}),
        (TypeError, "one process's memory", {"dtype": object}),
        (TypeError, "one process's memory", {"dtype": [("a", "i4"), ("b", "O")]}),
        (TypeError, "one process's memory", {"dtype": np.dtypes.StringDType()}),
        (TypeError, "shards must be an int", {"shards": 1.0}),
        (ValueError, "shards must be 1 to 4", {"shards": 5}),
        (ValueError, "shards must be 1 to 4", {"shards": 0}),
        (ValueError, "shards must be 1 to 1", {"shape": (), "shards": 2}),
        (ValueError, "every= needs checkpoint=", {"every": 1}),
        (TypeError, "every must be a number", {"every": "often", "checkpoint": "x"}),
        (ValueError, "every must be more than 0", {"every": 0, "checkpoint": "x"}),
        (ValueError, "every must be more than 0", {"every": float("nan"), "checkpoint": "x"}),
        (TypeError, "checkpoint must be a path", {"checkpoint": 3}),
        (TypeError, "checkpoint must be a path", {"checkpoint": b"x"}),
        (ValueError, "empty path", {"checkpoint": ""}),
        (TypeError, "worker must be", {"worker": []}),
        (TypeError, "worker must be", {"worker": 1.5}),
    ],
)
def test_what_can_not_be_made_is_told_in_words(error, words, changed):
    with pytest.raises(error, match=words):
        plan(**changed)


def test_a_plan_splits_rows_evenly_and_takes_dtypes_as_numpy_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = plan(shape=(10, 3), dtype="(2,)f4", shards=4, checkpoint="x.ckpt", every=1)
    assert made.shape == (10, 3, 2)
    assert made.dtype == np.float32
    assert made.starts == [0, 2, 5, 7]
    assert made.shapes == [(2, 3, 2), (3, 3, 2), (2, 3, 2), (3, 3, 2)]
    assert sum(made.sizes) == 10 * 3 * 2 * 4
    assert made.checkpoint == str(tmp_path / "x.ckpt")
    assert plan(shape=(), dtype="S").shapes == [()]
    assert plan(shape=0).sizes == [0]


# -- on a cluster ----------------------------------------------------------------------------------


def stand_in():
    """The class of an owner that only renews; pickled by value, since workers do not have it."""

    class StandIn:
        def __init__(self, name, generation, block, shape, dtype, *, of, start, checkpoint, every):
            from pathlib import Path

            from lockedarray._distributed.errors import NewerCheckpoint

            if checkpoint is not None:
                newest = int(Path(checkpoint).read_text())
                if newest >= generation:
                    raise NewerCheckpoint(newest)
            if name == "fails" and block == of - 1:
                raise ValueError("the last block fails")
            if name == "module":
                raise ModuleNotFoundError("No module named 'lockedarray'", name="lockedarray")
            if name == "slow":
                import time

                time.sleep(60)

        async def rows(self):
            return 8

        async def pid(self):
            import os

            return os.getpid()

    return StandIn


async def make(client, name="x", shape=(8,), checkpoint=None, shards=1, worker=None, owner=None):
    owner = stand_in() if owner is None else owner
    return await create(client, shape, "f8", name, checkpoint, None, shards, worker, owner)


def registry_of(cluster):
    return cluster.scheduler.plugins["lockedarray"]


def owners_on(cluster):
    return [key for key in cluster.scheduler.tasks if str(key).startswith("lockedarray-")]


def renew(client, entry, block=0):
    return client.sync(
        client.scheduler.lockedarray_renew,
        name=entry.name,
        generation=entry.generation,
        key=entry.keys[block],
    )


def delete(client, entry):
    return client.sync(
        client.scheduler.lockedarray_delete,
        name=entry.name,
        generation=entry.generation,
        key=entry.keys[0],
    )


def process_of(client, entry):
    """The id of the process that has the first block."""
    call = {"op": "actor_execute", "function": "pid", "actor": entry.keys[0]}
    call.update(args=[], kwargs={})
    answer = client.sync(client.scheduler.proxy, worker=entry.addresses[0], msg=call)
    return answer["result"]


def test_an_array_that_is_made_is_found_by_another_client(cluster, client, in_loop):
    made = client.sync(make, client, shape=(8, 2), shards=2)
    assert [key.startswith("lockedarray-x-1-") for key in made.keys] == [True, True]
    assert len(set(made.keys)) == 2
    assert len(set(made.addresses)) == 2
    assert (made.shape, made.dtype, made.starts) == ((8, 2), np.dtype("f8"), (0, 4))
    assert in_loop(lambda other: find(other, "x")) == made


def test_an_asynchronous_client_makes_arrays(client, in_loop):
    made = in_loop(make)
    assert client.sync(find, client, "x") == made


def test_an_array_outlives_its_creator(cluster, client):
    with Client(cluster, set_as_default=False) as creator:
        made = creator.sync(make, creator, "outliving")
    assert renew(client, made) == OWNERSHIP
    assert client.sync(find, client, "outliving") == made


def test_a_name_that_nobody_has_is_a_lookup_error(client):
    client.sync(make, client, "there")
    with pytest.raises(LookupError, match="no array 'elsewhere'; it has: 'there'"):
        client.sync(find, client, "elsewhere")


def test_a_taken_name_is_a_value_error(client):
    client.sync(make, client)
    with pytest.raises(ValueError, match="'x' is taken"):
        client.sync(make, client)


def test_of_racing_creators_one_wins(client, in_loop):
    async def race(client):
        return await asyncio.gather(*(make(client) for _ in range(5)), return_exceptions=True)

    outcomes = in_loop(race)
    lost = [outcome for outcome in outcomes if isinstance(outcome, ValueError)]
    assert len(lost) == 4
    assert len(set(outcomes) - set(lost)) == 1


def test_a_block_that_fails_leaves_no_other_block_behind(cluster, client, until):
    with pytest.raises(ValueError, match="the last block fails") as error:
        client.sync(make, client, "fails", shards=3)
    until(lambda: not owners_on(cluster))
    assert registry_of(cluster)._arrays == {}
    assert error.traceback  # which knows the futures, and is kept until now


def test_an_array_that_is_cancelled_leaves_nothing_behind(cluster, in_loop, until):
    async def cancelled(client):
        task = asyncio.ensure_future(make(client, "slow"))
        while not owners_on(cluster):
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert in_loop(cancelled)
    assert registry_of(cluster)._arrays == {}
    until(lambda: not owners_on(cluster))


def test_a_registration_that_is_refused_leaves_nothing_behind(cluster, client, until, monkeypatch):
    client.sync(ensure_registry, client)
    refusing = dict(cluster.scheduler.handlers, lockedarray_register=lambda **named: False)
    monkeypatch.setattr(cluster.scheduler, "handlers", refusing)
    with pytest.raises(RuntimeError, match="'x' was not made, and nothing of it is left"):
        client.sync(make, client)
    until(lambda: not owners_on(cluster))
    assert registry_of(cluster)._arrays == {}


def test_a_checkpoint_of_a_newer_generation_makes_a_newer_one(client, tmp_path):
    path = tmp_path / "checkpoint"
    path.write_text("41")
    assert client.sync(make, client, checkpoint=path).generation == 42


def test_a_checkpoint_that_is_always_newer_is_given_up(cluster, client):
    def always_newer(name, generation, *block, **named):
        raise NewerCheckpoint(generation + 10)

    with pytest.raises(RuntimeError, match="several clusters"):
        client.sync(make, client, owner=always_newer)
    assert registry_of(cluster)._arrays == {}


def test_a_name_that_was_deleted_is_given_again_when_its_owner_has_ended(client):
    first = client.sync(make, client, "again")
    assert renew(client, first) == OWNERSHIP
    granted = time.monotonic()
    assert delete(client, first)
    assert renew(client, first) is None
    second = client.sync(make, client, "again")
    assert time.monotonic() - granted > OWNERSHIP - 0.5  # it was granted a little earlier
    assert second.generation == first.generation + 1
    assert renew(client, first) is None
    assert renew(client, second) == OWNERSHIP
    assert not delete(client, first)


def test_deleting_lets_the_owners_go(cluster, client, until):
    made = client.sync(make, client, shards=2)
    assert made.keys[0] in cluster.scheduler.clients
    assert delete(client, made)
    until(lambda: not owners_on(cluster))
    assert made.keys[0] not in cluster.scheduler.clients


def test_a_client_makes_the_registry_known_once_per_connection(client, monkeypatch):
    made = client.sync(make, client)
    calls = []
    register = client.register_plugin
    monkeypatch.setattr(client, "register_plugin", lambda one: calls.append(one) or register(one))
    assert client.sync(find, client, "x") == made
    assert calls == []
    making._ready[client] = "an earlier connection"
    assert client.sync(find, client, "x") == made  # and the registry is the same one
    assert len(calls) == 1


def test_a_scheduler_without_lockedarray_is_told(client, monkeypatch):
    def unknown(*arguments, **named):
        raise ModuleNotFoundError("No module named 'lockedarray'", name="lockedarray")

    monkeypatch.setattr(client, "register_plugin", unknown)
    with pytest.raises(ImportError, match="on the scheduler, too"):
        client.sync(find, client, "x")


def test_a_worker_without_lockedarray_is_told(client):
    with pytest.raises(ImportError, match="on the workers, too"):
        client.sync(make, client, "module")


def test_what_was_made_by_a_task_is_there(client):
    def task(make):
        from distributed import get_client

        client = get_client()
        return client.sync(make, client, "x")

    made = client.submit(task, pickled(), pure=False).result(timeout=60)
    assert client.sync(find, client, "x") == made


def pickled():
    """`make`, of which a worker needs nothing but what is installed."""
    owner = stand_in()

    async def make(client, name):
        from lockedarray._distributed.making import create

        return await create(client, 8, "f8", name, None, None, 1, None, owner)

    return make


def test_a_killed_owner_is_lost_and_its_name_is_given_again(fresh_cluster, until):
    cluster, client = fresh_cluster()
    made = client.sync(make, client)
    assert renew(client, made) == OWNERSHIP
    granted = time.monotonic()
    os.kill(process_of(client, made), signal.SIGKILL)
    until(lambda: not registry_of(cluster).find("x")["is_alive"])
    assert renew(client, made) is None
    with pytest.raises(OwnerLost, match="'x'"):
        client.sync(find, client, "x")
    again = client.sync(make, client)
    assert time.monotonic() - granted > OWNERSHIP - 0.5
    assert again.generation == made.generation + 1
    assert renew(client, again) == OWNERSHIP
    until(lambda: owners_on(cluster) == list(again.keys))


def noticing_late(monkeypatch, registry, times):
    """Have the registry not see, so many times, that an array is lost."""
    is_alive = registry._is_alive
    seen = []

    def late(array):
        seen.append(array)
        return len(seen) <= times or is_alive(array)

    monkeypatch.setattr(registry, "_is_alive", late)
    return seen


def test_a_name_whose_owner_was_killed_just_now_is_given_when_the_scheduler_notices(
    fresh_cluster, until, monkeypatch
):
    cluster, client = fresh_cluster()
    made = client.sync(make, client)
    registry = registry_of(cluster)
    os.kill(process_of(client, made), signal.SIGKILL)
    until(lambda: not registry.find("x")["is_alive"])
    seen = noticing_late(monkeypatch, registry, 3)
    again = client.sync(make, client)
    assert len(seen) > 3
    assert again.generation == made.generation + 1


def test_a_name_whose_owner_does_not_answer_is_taken_after_a_while(fresh_cluster, monkeypatch):
    _, client = fresh_cluster(n_workers=1)
    made = client.sync(make, client)
    process = process_of(client, made)
    monkeypatch.setattr(making, "_ANSWERED_WITHIN", 0.2)
    monkeypatch.setattr(making, "_NOTICED_WITHIN", 1.0)
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(ValueError, match="taken: it is on .*, which does not answer"):
            client.sync(make, client)
    finally:
        os.kill(process, signal.SIGCONT)
    with pytest.raises(ValueError, match="is taken: it is on [^,]*\\. Attach"):
        client.sync(make, client)


def test_a_task_makes_an_array_on_a_worker_with_one_thread(fresh_cluster):
    _, client = fresh_cluster(n_workers=1)

    def task(make):
        from distributed import get_client

        from lockedarray._distributed.making import beside_tasks

        client = get_client()
        with beside_tasks():
            return client.sync(make, client, "x")

    made = client.submit(task, pickled(), pure=False).result(timeout=20)
    assert client.sync(find, client, "x") == made
    assert client.submit(abs, -1).result(timeout=20) == 1


def test_giving_up_a_thread_is_nothing_where_there_is_no_task(client):
    with making.beside_tasks():
        made = client.sync(make, client)
    assert client.sync(find, client, "x") == made


def test_an_array_is_made_before_tasks_that_wait_for_a_thread(fresh_cluster, until):
    _, client = fresh_cluster(n_workers=1)
    here = list(client.scheduler_info()["workers"])
    many = client.map(time.sleep, [0.1] * 100, pure=False, workers=here)  # the worker has them all
    until(many[5].done)  # what is submitted later comes later, but for its priority
    client.sync(make, client)
    assert sum(future.done() for future in many) < 50


def test_who_waits_for_a_thread_in_vain_is_told_the_way_out(fresh_cluster, monkeypatch):
    _, client = fresh_cluster(n_workers=1)
    client.sync(ensure_registry, client)
    monkeypatch.setattr("lockedarray._distributed.registry.RESERVATION", 1.0)
    monkeypatch.setattr(making, "_LOOK", 0.1)
    busy = client.submit(time.sleep, 60)
    with pytest.raises(RuntimeError, match=r"threads.*busy\?.*worker_client.*more threads"):
        client.sync(make, client)
    busy.cancel()


def test_a_worker_that_dies_while_it_makes_an_owner_is_told(fresh_cluster, until):
    cluster, client = fresh_cluster()
    client.sync(ensure_registry, client)
    pids = client.run(os.getpid)
    busy = asyncio.run_coroutine_threadsafe(make(client, "slow"), client.loop.asyncio_loop)
    key = until(lambda: owners_on(cluster))[0]
    address = until(lambda: cluster.scheduler.tasks[key].processing_on).address
    os.kill(pids[address], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="was lost"):
        busy.result(timeout=60)
    until(lambda: not owners_on(cluster))
    assert registry_of(cluster)._arrays == {}


def test_a_restart_loses_all_arrays(fresh_cluster):
    _, client = fresh_cluster(n_workers=1)
    made = client.sync(make, client)
    client.restart(timeout=60)
    assert renew(client, made) is None
    with pytest.raises(OwnerLost):
        client.sync(find, client, "x")
    again = client.sync(make, client)
    assert again.generation == made.generation + 1
    assert client.sync(find, client, "x") == again


def test_tasks_that_have_all_threads_can_create_arrays(fresh_cluster):
    _, client = fresh_cluster(n_workers=1, threads_per_worker=1)

    def task(name):
        from lockedarray.distributed import create

        x = create(get_client(), 3, name=name)
        x[0] += 1
        return float(x[0])

    made = [client.submit(task, name, pure=False) for name in ("a", "b")]
    assert client.gather(made) == [1.0, 1.0]
