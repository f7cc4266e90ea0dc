"""What the robust backend promises beyond the other one: regions, and cycles told by name."""

import multiprocessing
import os
import signal

import pytest

import lockedarray as la
import lockedarray.shared

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork"
)

_PATIENCE = 30


@pytest.fixture(autouse=True)
def _only_robust(shared_backend):
    if shared_backend != "robust":
        pytest.skip("it locks the whole array")


class Actor:
    """A forked process that does `act(x, reached, go)`, which tells and hears by events."""

    def __init__(self, act, *arrays):
        context = multiprocessing.get_context("fork")
        self.reached, self.go = context.Event(), context.Event()
        self.process = context.Process(target=act, args=(*arrays, self.reached, self.go))
        self.process.start()

    def until_reached(self):
        assert self.reached.wait(_PATIENCE)
        return self

    def end(self):
        self.go.set()
        self.process.join(_PATIENCE)
        assert self.process.exitcode == 0

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(_PATIENCE)


def _hold_the_front(x, reached, go):
    with x[:5].write() as raw:
        raw[:] = 1
        reached.set()
        assert go.wait(_PATIENCE)


def test_writers_of_disjoint_regions_run_beside_each_other():
    x = la.shared.zeros(10)
    other = Actor(_hold_the_front, x).until_reached()
    x[5:] += 2  # does not wait
    with pytest.raises(la.LockTimeout, match=f"process {other.process.pid}"):
        x[4:6].write(timeout=0.01).acquire()
    other.end()
    assert x.tolist() == [1] * 5 + [2] * 5


def test_a_dead_writer_poisons_no_more_than_it_was_writing():
    x = la.shared.zeros(10)
    other = Actor(_hold_the_front, x).until_reached()
    other.kill()
    x[5:] = 7  # nothing was wrong there
    with pytest.raises(la.PoisonedError) as caught:
        x[4] += 1
    assert caught.value.pid == other.process.pid
    assert caught.value.region == (0, 40)
    with x[:5].recover() as raw:
        raw[:] = 3
    assert x.tolist() == [3] * 5 + [7] * 5


def _hold_the_front_and_want_the_back(x, reached, go):
    with x[:5].write():
        reached.set()
        assert go.wait(_PATIENCE)
        with x[5:].write():
            pass


def test_a_cycle_of_two_processes_is_refused_at_once_and_names_the_other():
    x = la.shared.zeros(10)
    with x[5:].write():
        other = Actor(_hold_the_front_and_want_the_back, x).until_reached()
        other.go.set()
        while not any(hold.waiting for hold in x.lock.holds()):
            pass
        with pytest.raises(la.DeadlockError, match=f"process {other.process.pid}"):
            x[:5].write().acquire()
    other.end()


def _add_many(x, reached, go):
    reached.set()
    assert go.wait(_PATIENCE)
    for _ in range(500):
        x[0] += 1
        x[1:3] += 1
        x.at[3].add(1)


def test_augmented_assignments_of_processes_lose_nothing():
    x = la.shared.zeros(4, int)
    others = [Actor(_add_many, x).until_reached() for _ in range(3)]
    for other in others:
        other.go.set()
    for other in others:
        other.end()
    assert x.tolist() == [1500] * 4


def _append_many(x, reached, go):
    reached.set()
    assert go.wait(_PATIENCE)
    for i in range(100):
        x.append(float(i))


def test_appends_of_processes_lose_nothing():
    x = la.shared.zeros(0)
    others = [Actor(_append_many, x).until_reached() for _ in range(3)]
    for other in others:
        other.go.set()
    for other in others:
        other.end()
    assert sorted(x.snapshot().tolist()) == sorted(3 * [float(i) for i in range(100)])


def test_a_task_waits_without_blocking_its_loop():
    import asyncio

    x = la.shared.zeros(10)
    other = Actor(_hold_the_front, x).until_reached()
    turns = []

    async def let_go():
        turns.append("loop")
        other.go.set()

    async def write():
        task = asyncio.create_task(let_go())
        async with x.write() as raw:
            turns.append("held")
            raw[:] = 4
        await task

    asyncio.run(write())
    other.end()
    assert turns == ["loop", "held"]
    assert x[0] == 4
