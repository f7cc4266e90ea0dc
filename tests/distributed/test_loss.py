"""What is lost with a client, an owner or a scheduler, and what is not; and that nobody waits for ever."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest

pytest.importorskip("distributed.client")

import dask
from distributed import Client, LocalCluster
from distributed.protocol import to_serialize

import lockedarray.distributed
from lockedarray._distributed import checkpoints, making, wire
from lockedarray._distributed import link as links
from lockedarray.distributed import LeaseExpired, OwnerLost, attach, create
from machines import Machine, Program, scheduler, worker

pytestmark = [
    pytest.mark.timeout(100),
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP"),
]

SECONDS = 8
"""What "within seconds" is on a busy machine."""


class Caller(threading.Thread):
    """A call in a thread, and how it ended."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call = call
        self.error = self.value = None
        self.start()

    def run(self):
        try:
            self.value = self._call()
        except BaseException as error:
            self.error = error

    def end(self, seconds=60):
        """Wait until it has ended; return its value or raise its error."""
        self.join(seconds)
        assert not self.is_alive(), f"waits for more than {seconds} s: {self._call}"
        if self.error is not None:
            raise self.error
        return self.value


def lost(call, seconds=SECONDS):
    """Have a call, or one that is under way, end with OwnerLost in so many seconds."""
    with pytest.raises(OwnerLost):
        (call if isinstance(call, Caller) else Caller(call)).end(seconds)


class Machines:
    """A scheduler in this process, and workers and programs in others."""

    def __init__(self, stack, **options):
        self._stack = stack
        cluster = LocalCluster(
            n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL, **options
        )
        self.address = stack.enter_context(cluster).scheduler_address
        self.client = self.new_client()

    def new_client(self):
        return self._stack.enter_context(Client(self.address, timeout=60, set_as_default=False))

    def worker(self, name):
        machine = self._stack.enter_context(Machine(worker, self.address, name))
        machine.address = machine.hear()
        self.client.wait_for_workers(1, timeout=60)
        return machine

    def program(self, function):
        return self._stack.enter_context(Program(self.address, function))

    def create(self, shape=(4,), dtype=int, name="x", **options):
        return create(self.client, shape, dtype, name=name, **options)


@pytest.fixture
def machines():
    """Return ``machines(...)``: a cluster of workers without nannies, which may be killed."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: Machines(stack, **options)


@pytest.fixture
def one(machines):
    """A cluster with one worker, "a"."""
    one = machines()
    one.worker("a")
    return one


def asked(x, question):
    """Return what ``question(operations)`` is, asked of the owner of `x`."""
    key = x._entry.keys[0]

    def ask(dask_worker):
        owner = dask_worker.state.actors.get(key)
        return None if owner is None else question(owner)

    (answer,) = x.client.run(ask, workers=list(x.owners)).values()
    return answer


def waiting(x):
    """Return how many calls are under way at the owner: not those of leases that are granted."""
    return asked(x, lambda owner: len(owner._operations._performing))


# -- a client ----------------------------------------------------------------------------------------


def holder(lease):
    """Return what has a write lease, tells, and when it is told to, leaves it and tells how."""

    def hold(client, say, hear):

        x = lockedarray.distributed.attach(client, "x")
        guard = x.write(lease=lease)
        try:
            with guard as raw:
                raw[...] = 9
                say(guard._token)
                hear()
        except Exception as error:
            say(error)
        else:
            say(None)

    return hold


def test_a_client_that_is_killed_in_a_lease_has_changed_nothing_and_others_go_on(one):
    x = one.create()
    program = one.program(holder(lease=1.0))
    token = program.hear()
    start = time.monotonic()
    others = Caller(lambda: x.at[0].add(1))
    program.kill()
    assert others.end() == 1
    assert 0.5 < time.monotonic() - start < SECONDS
    assert x.snapshot().tolist() == [1, 0, 0, 0]
    link = x._link(0)
    late = one.client.sync(link.call, "commit", token, np.full(4, 9), 1.0)
    assert isinstance(late.error, LeaseExpired)
    assert x.snapshot().tolist() == [1, 0, 0, 0]


def test_a_client_that_was_stopped_for_longer_than_its_lease_has_changed_nothing(one):
    x = one.create()
    program = one.program(holder(lease=0.5))
    program.hear()
    program.stop()
    x[0] = 5  # it waits until the lease is over
    program.go_on()
    program.say()
    assert isinstance(program.hear(), LeaseExpired)
    assert x.snapshot().tolist() == [5, 0, 0, 0]


def test_a_client_that_is_killed_while_it_waits_has_no_lease_for_longer_than_it_asked_for(
    one, until
):
    x = one.create()
    with x.write() as raw:
        program = one.program(holder(lease=1.0))
        until(lambda: waiting(x) == 1)
        program.kill()
        raw[1] = 3
    start = time.monotonic()
    assert x.at[0].add(1) == 1
    assert time.monotonic() - start < SECONDS
    assert x.snapshot().tolist() == [1, 3, 0, 0]


def test_what_a_client_was_killed_in_happens_once_or_never(one, until):
    x = one.create()

    def update(client, say, hear):

        lockedarray.distributed.attach(client, "x").update(lambda raw: raw.__iadd__(1))

    with x.write():
        program = one.program(update)
        until(lambda: waiting(x) == 1)
        program.kill()
    x[0] += 1
    until(lambda: waiting(x) == 0)
    assert x.snapshot().tolist() in ([1, 0, 0, 0], [2, 1, 1, 1])


def test_nothing_waits_for_ever_for_a_client_that_was_killed_in_wait_for(one, until):
    x = one.create()

    def wait(client, say, hear):
        from lockedarray._distributed import link

        link._ASKED_AGAIN = 0.3
        x = lockedarray.distributed.attach(client, "x")
        say(x.wait_for(lambda raw: raw[0]))
        x.wait_for(lambda raw: raw[0] == 99)

    program = one.program(wait)
    time.sleep(1)  # it has asked several times
    x[0] = 7
    assert program.hear() == 7
    until(lambda: waiting(x) == 1)
    program.kill()
    until(lambda: waiting(x) == 0, SECONDS)


# -- an owner ----------------------------------------------------------------------------------------


def all_waiting(x, until):
    """Have callers wait for `x` in each way there is, and return them.

    The first has a lease, which it ends when ``callers[0].leave()`` is called.
    """
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with x.write():
            inside.set()
            assert leave.wait(60)

    def lease():
        with x.write():
            pass

    callers = [Caller(hold)]
    callers[0].leave = leave.set
    assert inside.wait(60)
    callers += map(
        Caller,
        [
            lambda: x[0],
            lambda: x.__setitem__(0, 1),
            lambda: x.at[0].add(1),
            lambda: x.update(lambda raw: raw.fill(1)),
            lambda: x.append(1),
            lambda: x.wait_for(lambda raw: raw[0] == 99),
            lease,
        ],
    )
    until(lambda: waiting(x) == 7)
    return callers


def all_new(x):
    """Calls of each kind."""

    def lease():
        with x.write():
            pass

    return [
        lambda: x[0],
        lambda: x.__setitem__(0, 1),
        lambda: x.at[0].add(1),
        lambda: x.update(lambda raw: raw.fill(1)),
        lambda: x.snapshot(),
        lambda: x.wait_for(lambda raw: True),
        lambda: len(x),
        lambda: x.checkpoint(),
        lease,
    ]


def test_an_owner_that_is_killed_is_lost_to_all_and_comes_back_from_its_checkpoint(
    machines, until, tmp_path
):
    cluster = machines()
    victim = cluster.worker("a")
    path = tmp_path / "x"
    x = cluster.create(checkpoint=path, worker="a")
    x[...] = 1
    x.checkpoint()
    x[...] = 2
    y = cluster.create(name="y", worker="a")
    changes = Caller(lambda: y.wait_for(lambda raw: raw[0] == 99))
    callers = all_waiting(x, until)
    victim.kill()
    for caller in [changes, *callers[1:]]:
        lost(caller)
    callers[0].leave()
    lost(callers[0])
    for caller in map(Caller, all_new(x)):
        lost(caller)
    lost(lambda: attach(cluster.client, "x"))

    cluster.worker("b")
    with pytest.raises(ValueError, match="checkpoint="):
        cluster.create()
    again = cluster.create(checkpoint=path)
    assert again.generation > x.generation
    assert again.snapshot().tolist() == [1, 1, 1, 1]
    again[0] = 5
    for caller in map(Caller, all_new(x)):
        lost(caller)
    x.delete()  # of what is not there any more
    assert attach(cluster.client, "x").snapshot().tolist() == [5, 1, 1, 1]
    # Without a checkpoint, all is lost, and the name is free.
    lost(lambda: attach(cluster.client, "y"))
    assert cluster.create(name="y").snapshot().tolist() == [0, 0, 0, 0]
    lost(lambda: y[0])


def test_a_worker_that_its_nanny_starts_again_is_not_the_owner_any_more(
    fresh_cluster, until, tmp_path
):
    _, client = fresh_cluster(1)
    path = tmp_path / "x"
    x = create(client, 4, int, name="x", checkpoint=path)
    x[...] = 1
    x.checkpoint()
    (pid,) = client.run(os.getpid).values()
    caller = Caller(lambda: x.wait_for(lambda raw: raw[0] == 99))
    os.kill(pid, signal.SIGKILL)
    lost(caller)
    until(lambda: client.scheduler_info()["workers"])
    client.wait_for_workers(1, timeout=60)
    lost(lambda: x[0])
    again = create(client, 4, int, name="x", checkpoint=path)
    assert again.snapshot().tolist() == [1, 1, 1, 1]
    lost(lambda: x[0])

    caller = Caller(lambda: again.wait_for(lambda raw: raw[0] == 99))
    client.restart()
    lost(caller)
    lost(lambda: again[0])
    third = create(client, 4, int, name="x", checkpoint=path)
    assert third.snapshot().tolist() == [1, 1, 1, 1]
    assert third.generation > again.generation > x.generation
    lost(lambda: again[0])


async def ask_directly(client, address, x):
    """Return an answer of the owner itself, as nobody is asked who might know better."""
    message = wire.pack(("get", (...,), {}))
    arguments = [to_serialize(one) for one in (None, 0, message, ())]
    answer = await client.rpc(address).actor_execute(
        function="call", actor=x._entry.keys[0], args=arguments, kwargs={}
    )
    if answer["status"] != "OK":
        raise answer["exception"]
    return wire.unpack(answer["result"][1])


def test_an_owner_that_was_stopped_and_replaced_answers_and_overwrites_nothing(
    machines, until, tmp_path
):
    with dask.config.set({"distributed.scheduler.worker-ttl": "2s"}):
        cluster = machines()
    old = cluster.worker("old")
    path = tmp_path / "x"
    x = cluster.create(checkpoint=path, every=0.05, worker="old")
    x[...] = 1
    x.checkpoint()
    client = cluster.client

    async def ask_three_times():
        return await asyncio.gather(
            *(ask_directly(client, old.address, x) for _ in range(3)), return_exceptions=True
        )

    for outcome in client.sync(ask_three_times):  # the connections are there from now on
        assert outcome.unwrap().tolist() == [1, 1, 1, 1]

    def renew_no_more(owner):  # or it would often be told before it can answer anybody
        for task in owner._running:
            if "renew" in task.get_coro().__qualname__:
                task.cancel()

    asked(x, renew_no_more)
    y = cluster.create(name="y", worker="old")
    with pytest.raises(OwnerLost), y.write() as raw:
        raw[...] = 3
        old.stop()
        # These are there when it goes on, before it can have heard of anything.
        direct = Caller(lambda: client.sync(ask_three_times))
        late = [
            Caller(call)
            for call in (lambda: x[0], lambda: x.at[0].add(10), lambda: x.__setitem__(1, 7))
        ]
        new = cluster.worker("new")
        until(lambda: old.address not in client.scheduler_info()["workers"])
    again = cluster.create(checkpoint=path, worker="new")
    assert again.owners == (new.address,)
    assert again.snapshot().tolist() == [1, 1, 1, 1]
    again[...] = 2
    again.checkpoint()
    old.go_on()
    for caller in late:
        lost(caller)
    for outcome in direct.end():
        answer = outcome.error if isinstance(outcome, wire.Outcome) else outcome
        assert isinstance(answer, (OwnerLost, OSError, KeyError)), outcome
    old.process.join(SECONDS)  # the scheduler does not want it any more
    lost(lambda: x[0])
    assert again.snapshot().tolist() == [2, 2, 2, 2]
    found = checkpoints.newest(path)
    assert found.generation == again.generation
    assert found.load().tolist() == [2, 2, 2, 2]


def test_of_two_that_create_one_name_one_gets_it_and_the_other_leaves_nothing(machines, tmp_path):
    cluster = machines()
    cluster.worker("a")
    clients = [cluster.client, cluster.new_client()]
    for number in range(5):
        name = f"x{number}"
        barrier = threading.Barrier(2)

        def make(client, name=name, barrier=barrier):
            barrier.wait(60)
            return create(
                client, 4, int, name=name, checkpoint=tmp_path / name, every=0.05, shards=2
            )

        makers = [Caller(lambda make=make, client=client: make(client)) for client in clients]
        for maker in makers:
            maker.join(60)
        (winner,) = [maker for maker in makers if maker.error is None]
        (loser,) = [maker for maker in makers if maker.error is not None]
        assert isinstance(loser.error, ValueError)
        assert "taken" in str(loser.error)
        x = winner.value
        x[...] = 1
        keys = cluster.client.run_on_scheduler(
            lambda dask_scheduler, name=name: sorted(
                str(key) for key in dask_scheduler.tasks if f"-{name}-" in str(key)
            )
        )
        assert keys == [*x._entry.keys]
        assert attach(cluster.client, name).snapshot().tolist() == [1, 1, 1, 1]
        x.checkpoint()
        generations = {checkpoints.newest(tmp_path / name, block).generation for block in range(2)}
        assert generations == {x.generation}
        x.delete()


def test_a_worker_that_has_an_array_is_not_retired_and_one_that_ends_is_lost(machines, until):
    cluster = machines()
    ending = cluster.worker("a")
    x = cluster.create(worker="a")
    cluster.worker("b")
    caller = Caller(lambda: x.wait_for(lambda raw: raw[0] == 1))
    until(lambda: waiting(x) == 1)
    # Dask does not retire workers that have actors, which it cannot move.
    cluster.client.retire_workers([ending.address], close_workers=True)
    x[0] += 1
    assert caller.end(SECONDS)

    callers = all_waiting(x, until)
    os.kill(ending.process.pid, signal.SIGTERM)
    callers[0].leave()
    for caller in [*callers, *map(Caller, all_new(x))]:
        lost(caller)


def test_those_who_wait_for_an_array_that_is_deleted_are_told(one, until):
    x = one.create()
    callers = all_waiting(x, until)
    changes = one.create(name="y")
    changing = Caller(lambda: changes.wait_for(lambda raw: raw[0] == 99))
    until(lambda: waiting(changes) == 1)
    x.delete()
    changes.delete()
    for caller in [changing, *callers[1:]]:
        lost(caller)
    callers[0].leave()
    lost(callers[0])
    for caller in map(Caller, all_new(x)):
        lost(caller)
    # Nothing of it goes on where it was.
    until(lambda: not tasks_of_owners(one.client))
    again = one.create()
    assert again.snapshot().tolist() == [0, 0, 0, 0]
    lost(lambda: x[0])


def test_deleting_does_not_wait_for_an_owner_that_was_stopped(machines, until):
    cluster = machines()
    stopped = cluster.worker("stopped")
    cluster.worker("a")
    x = cluster.create(worker="stopped")
    changing = Caller(lambda: x.wait_for(lambda raw: raw[0] == 99))
    until(lambda: waiting(x) == 1)
    stopped.stop()
    start = time.monotonic()
    Caller(lambda: making_delete(x)).end(SECONDS)
    assert time.monotonic() - start < 4
    lost(changing)
    with pytest.raises(LookupError):
        attach(cluster.client, "x")
    again = cluster.create(worker="a")
    assert time.monotonic() - start < SECONDS
    again[0] = 5
    stopped.go_on()
    lost(lambda: x[0])
    assert again.snapshot().tolist() == [5, 0, 0, 0]


def making_delete(x):
    x.client.sync(making.delete, x.client, x._entry)


def test_who_waits_for_an_array_that_is_deleted_is_told_at_once(one, until):
    x = one.create()
    guard = x.write(lease=60)
    raw = guard.__enter__()
    raw[0] = 3
    callers = [Caller(lambda: x.at[0].add(1)), Caller(lambda: x[0])]
    until(lambda: waiting(x) == 2)
    start = time.monotonic()
    making_delete(x)
    for caller in callers:
        lost(caller)
    with pytest.raises(OwnerLost):
        guard.__exit__(None, None, None)
    assert time.monotonic() - start < 2
    again = one.create()
    assert time.monotonic() - start < 2  # nobody can serve under the name any more
    assert again.snapshot().tolist() == [0, 0, 0, 0]
    making_delete(x)  # of what is not there any more
    assert attach(one.client, "x").snapshot().tolist() == [0, 0, 0, 0]


def tasks_of_owners(client):
    """Return the coroutines of owners that go on at the workers."""

    def tasks():
        names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
        return [name for name in names if name.startswith(("Owner.", "Leases.", "Worker.actor"))]

    return [name for names in client.run(tasks).values() for name in names]


def test_owners_of_an_array_that_was_not_made_end(one, until):
    one.client.sync(making.ensure_registry, one.client)

    def refuse(dask_scheduler):  # as if it was released before its owner could ask
        dask_scheduler.handlers["lockedarray_register"] = lambda **named: False
        dask_scheduler.handlers["lockedarray_renew"] = lambda **named: None

    one.client.run_on_scheduler(refuse)
    with pytest.raises(RuntimeError, match="'x' was not made"):
        one.create()
    until(lambda: not tasks_of_owners(one.client), SECONDS)


# -- a scheduler -------------------------------------------------------------------------------------


def test_without_a_scheduler_all_are_told_that_the_owner_is_lost(until):
    with contextlib.ExitStack() as stack:
        head = stack.enter_context(Machine(scheduler))
        address = head.hear()
        stack.enter_context(Machine(worker, address, "a")).hear()
        client = stack.enter_context(Client(address, timeout=60, set_as_default=False))
        x = create(client, 4, int, name="x")
        callers = all_waiting(x, until)
        head.kill()
        callers[0].leave()
        for caller in [*callers, *map(Caller, all_new(x))]:
            lost(caller, 20)
        client.close(timeout=1)


def test_an_array_that_a_new_scheduler_has_under_the_name_is_not_the_old_one():
    with contextlib.ExitStack() as stack:
        head = stack.enter_context(Machine(scheduler))
        address = head.hear()
        stack.enter_context(Machine(worker, address, "a")).hear()
        client = stack.enter_context(Client(address, timeout=60, set_as_default=False))
        x = create(client, 4, int, name="x")
        x[...] = 1
        head.kill()
        head = stack.enter_context(Machine(scheduler, int(address.rsplit(":", 1)[1])))
        head.hear()
        stack.enter_context(Machine(worker, address, "b")).hear()
        other = stack.enter_context(Client(address, timeout=60, set_as_default=False))
        again = create(other, 4, int, name="x")
        for caller in map(Caller, all_new(x)):
            lost(caller, 20)
        assert attach(client, "x").snapshot().tolist() == [0, 0, 0, 0]
        assert again.snapshot().tolist() == [0, 0, 0, 0]


def test_an_array_of_a_new_scheduler_at_the_same_address_is_not_the_old_one():
    with contextlib.ExitStack() as stack:
        head = stack.enter_context(Machine(scheduler))
        address = head.hear()
        first = stack.enter_context(Machine(worker, address, "a"))
        where = first.hear()
        client = stack.enter_context(Client(address, timeout=60, set_as_default=False))
        x = create(client, 4, int, name="x")
        x[...] = 1
        for machine in head, first:
            machine.kill()
        head = stack.enter_context(Machine(scheduler, int(address.rsplit(":", 1)[1])))
        head.hear()
        again = Machine(worker, address, "a", int(where.rsplit(":", 1)[1]))
        assert stack.enter_context(again).hear() == where
        other = stack.enter_context(Client(address, timeout=60, set_as_default=False))
        y = create(other, 4, int, name="x")
        assert (y.name, y.generation, y.owners) == (x.name, x.generation, x.owners)
        for caller in map(Caller, all_new(x)):
            lost(caller, 20)
        assert y.snapshot().tolist() == [0, 0, 0, 0]


def test_a_client_whose_connection_to_the_scheduler_breaks_goes_on(one):
    x = one.create()
    x[0] += 1
    before = one.client.scheduler_comm

    async def breaks():
        one.client.scheduler_comm.comm.abort()
        while one.client.scheduler_comm in (before, None):
            await asyncio.sleep(0.01)

    one.client.sync(breaks)
    x[0] += 1
    assert x.snapshot().tolist() == [2, 0, 0, 0]


def test_a_client_that_is_closed_leaves_nothing_in_its_process(one):
    one.create()
    client = Client(one.address, timeout=60, set_as_default=False)
    x = attach(client, "x")
    x[0] += 1
    assert client in links._links
    known = weakref.ref(client)
    client.close()
    del client, x
    gc.collect()
    assert known() is None
