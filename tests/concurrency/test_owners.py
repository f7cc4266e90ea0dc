"""Owners: those of one thread exclude each other like threads, and nobody waits for one that cannot go on."""

import gc
import os
import random
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere, run_isolated
from lockedarray import LockedArray
from lockedarray._cores import exchange_owner, new_owner
from threads import start, together


@contextmanager
def current(owner):
    """Have `owner` be who holds and waits in this thread, for the length of the block."""
    before = exchange_owner(owner)
    try:
        yield
    finally:
        assert exchange_owner(before) is owner


def take(guard, owner):
    """Acquire `guard` for `owner`, and return what it yields."""
    with current(owner):
        return guard.acquire()


def let_go(guard, owner):
    with current(owner):
        guard.release()


# -- owners of one thread --------------------------------------------------------------------------


def test_owners_of_one_thread_exclude_each_other_like_threads():
    x, owner = LockedArray([1.0]), new_owner()
    for mine in (x.write(), x.lock.gen_wlock(), la.acquire(write=(x[:1], x))):
        mine.acquire()
        with current(owner):
            for theirs in (x.read(timeout=0), x.write(timeout=0), la.acquire(write=x, timeout=0)):
                with pytest.raises(la.LockTimeout):
                    theirs.acquire()
            assert not x.lock.gen_rlock().acquire(blocking=False)
        mine.release()
    with x.read(), current(owner):
        assert x.sum() == 1
        with x.read(timeout=0):
            assert [entry.mode for entry in x.lock.holds()] == ["read", "read"]
        with pytest.raises(la.LockTimeout):
            x.write(timeout=0).acquire()
    assert free(x)


def test_owner_has_what_it_held_when_it_is_current_again():
    x, owner = LockedArray([1.0]), new_owner()
    guard = x.write()
    take(guard, owner)
    with pytest.raises(la.LockTimeout):
        x.read(timeout=0).acquire()
    with current(owner):
        x += 1  # reentrant
        with x.write(timeout=0) as raw:
            raw += 1
    let_go(guard, owner)
    assert x[0] == 3
    assert free(x)


def test_holds_tells_the_thread_of_each_owner():
    x, owner = LockedArray([1.0]), new_owner()
    theirs = x.read()
    take(theirs, owner)
    with x.read():
        me = threading.current_thread().name
        assert [entry.thread for entry in x.lock.holds()] == [me, me]
    let_go(theirs, owner)
    assert free(x)


def test_owner_releases_what_it_acquired_and_no_other_does():
    x, owner = LockedArray([1.0]), new_owner()
    for guard in (x.write(), x.read(timeout=20), la.acquire(write=(x, x)), x.lock.gen_wlock()):
        take(guard, owner)
        with pytest.raises(RuntimeError, match="only the thread that acquired"):
            guard.release()
        assert not free(x)
        let_go(guard, owner)
        assert free(x)


def test_lock_object_is_held_by_several_owners_of_a_thread():
    x, owner = LockedArray([1.0]), new_owner()
    shared = x.lock.gen_rlock()
    with shared:
        with current(owner), shared:
            assert [entry.mode for entry in x.lock.holds()] == ["read", "read"]
        assert [entry.mode for entry in x.lock.holds()] == ["read"]
        assert shared.locked()
    assert not shared.locked()
    assert free(x)


def test_owner_is_current_in_one_thread():
    x, owner = LockedArray([1.0]), new_owner()
    guard = x.write()
    with current(owner):
        guard.acquire()
        with pytest.raises(RuntimeError):
            start(exchange_owner, owner).result()
    assert not free(x)
    start(let_go, guard, owner).result()  # whoever has it gives back what it holds
    assert free(x)


def test_what_is_no_owner_is_refused():
    assert exchange_owner(None) is None  # the owner that this thread began with
    for wrong in (1, object(), threading.current_thread()):
        with pytest.raises(TypeError):
            exchange_owner(wrong)


# -- circles -----------------------------------------------------------------------------------------

WAITS = {
    "write": lambda x: x.write().acquire(),
    "read": lambda x: x.read().acquire(),
    "with a timeout": lambda x: x.write(timeout=50).acquire(),
    "operation": lambda x: x.fill(1),
    "reader": lambda x: x.sum(),
    "item": lambda x: x.__setitem__(0, 1),
    "at": lambda x: x.at[0].add(1),
    "resize": lambda x: x.resize(5),
    "freeze": lambda x: x.freeze(),
    "function": lambda x: np.copyto(x, 1),
    "acquire": lambda x: la.acquire(write=(la.zeros(1), x)).acquire(),
    "lock object": lambda x: x.lock.gen_wlock().acquire(),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_wait_for_another_owner_of_the_thread_is_refused_at_once(wait):
    x, owner = LockedArray([1.0]), new_owner()
    guard = x.write()
    take(guard, owner)
    with pytest.raises(la.DeadlockError):
        wait(x)
    assert [entry.waiting for entry in x.lock.holds()] == [False]
    let_go(guard, owner)
    assert free(x)
    assert x.tolist() == [1]
    wait(x)


def test_upgrade_beside_another_reader_of_the_thread_is_refused():
    x, owner = LockedArray([1.0]), new_owner()
    theirs = x.read()
    take(theirs, owner)
    with x.read():
        with pytest.raises(la.DeadlockError):
            x.fill(2)
        assert len(x.lock.holds()) == 2
    let_go(theirs, owner)
    x.fill(2)
    assert free(x)


def test_circle_through_another_owner_of_a_waiting_thread_is_refused(threads):
    x, y = LockedArray([0.0]), LockedArray([0.0])
    owner, [other] = new_owner(), threads(1)
    mine, theirs = x.write(), y.write()
    other.do(theirs.acquire)
    take(mine, owner)
    other.begin(lambda: x.fill(1))
    assert other.waits_for(x.lock) == "write"
    with pytest.raises(la.DeadlockError) as caught:  # it holds nothing, but its thread does
        y.fill(1)
    assert other.call.name in str(caught.value)
    let_go(mine, owner)
    other.wait()
    other.do(theirs.release)
    assert (x[0], y[0]) == (1, 0)
    assert free(x, y)


def test_who_waits_for_an_owner_whose_thread_waits_for_it_is_refused(threads):
    x, y = LockedArray([0.0]), LockedArray([0.0])
    one, two = threads(2)
    mine, theirs = x.write(), y.write()
    owner = new_owner()
    one.do(lambda: take(mine, owner))
    two.do(theirs.acquire)
    one.begin(lambda: y.fill(1))
    assert one.waits_for(y.lock) == "write"
    with pytest.raises(la.DeadlockError):
        two.do(lambda: x.fill(1))
    two.do(theirs.release)
    one.wait()
    one.do(lambda: let_go(mine, owner))
    assert (x[0], y[0]) == (0, 1)
    assert free(x, y)


def test_circle_of_three_threads_with_owners_is_refused(threads):
    xs = [LockedArray([0.0]) for _ in range(3)]
    workers, owners, guards = threads(3), [new_owner() for _ in xs], [x.write() for x in xs]
    for worker, guard, owner in zip(workers, guards, owners, strict=True):
        worker.do(lambda guard=guard, owner=owner: take(guard, owner))
    for worker, x in zip(workers[:2], xs[1:], strict=True):
        worker.begin(lambda x=x: x.fill(1))
        assert worker.waits_for(x.lock) == "write"
    with pytest.raises(la.DeadlockError):
        workers[2].do(lambda: xs[0].fill(1))
    for i in (2, 1, 0):
        workers[i].wait()
        workers[i].do(lambda i=i: let_go(guards[i], owners[i]))
    assert free(*xs)


def test_owner_whose_thread_holds_nothing_waits(threads):
    x, y = LockedArray([0.0]), LockedArray([0.0])
    one, two = threads(2)
    owner = new_owner()
    one.do(lambda: exchange_owner(owner) and None)
    guard = x.write()
    two.do(guard.acquire)
    one.begin(lambda: x.fill(1))
    assert one.waits_for(x.lock) == "write"
    two.do(lambda: y.fill(1))
    two.do(guard.release)
    one.wait()
    assert x[0] == 1
    assert free(x, y)


def test_thread_waits_for_an_owner_that_goes_on():
    x, owner = LockedArray([0.0]), new_owner()
    guard = x.write()
    take(guard, owner)
    waiter = start(x.fill, 1)
    assert waiter.waits_for(x.lock) == "write"
    let_go(guard, owner)
    waiter.result()
    assert free(x)


# -- ends ----------------------------------------------------------------------------------------------


def test_end_of_a_thread_gives_back_what_all_its_owners_held():
    xs = [LockedArray([1.0]) for _ in range(4)]
    kept = []

    def acquire_and_end():
        owners = [new_owner(), new_owner()]
        guards = [xs[0].write(), xs[1].write(), la.acquire(write=(xs[2], xs[2]))]
        guards.append(xs[3].lock.gen_wlock())
        raws = [guards[0].acquire()]
        raws += [take(guard, owner) for guard, owner in zip(guards[1:], [*owners, owners[0]])]
        exchange_owner(owners[1])  # ends with another one than its own
        kept.extend([owners, guards, raws])

    start(acquire_and_end).result()
    assert free(*xs)
    _, guards, raws = kept
    assert not any(guard.held for guard in guards[:3])
    assert not guards[3].locked()
    for raw in (*raws[:2], *raws[2]):
        assert not raw.flags.writeable
    for x in xs:
        x += 1


def test_end_of_a_thread_wakes_who_waited_for_one_of_its_owners():
    x = LockedArray([1.0])
    held, end, kept = threading.Event(), threading.Event(), []

    def acquire_and_end():
        owner, guard = new_owner(), x.write()
        kept.extend([owner, guard])
        take(guard, owner)
        held.set()
        assert end.wait(50)

    holder = start(acquire_and_end)
    assert held.wait(50)
    waiter = start(x.fill, 2)
    assert waiter.waits_for(x.lock) == "write"
    end.set()
    holder.result()
    waiter.result()
    assert free(x)


@pytest.mark.parametrize("where", ["here", "in another thread"])
def test_owner_that_nobody_has_any_more_holds_nothing(where):
    x, y = LockedArray([1.0]), LockedArray([1.0])
    owners = [new_owner()]
    guards = [x.write(), y.lock.gen_wlock()]
    raw = [take(guard, owners[0]) for guard in guards][0]
    waiter = start(x.fill, 2)
    assert waiter.waits_for(x.lock) == "write"
    if where == "here":
        owners.clear()
    else:
        start(owners.clear).result()
    gc.collect()
    waiter.result()
    assert free(x, y)
    assert not guards[0].held
    assert not guards[1].locked()
    assert not raw.flags.writeable
    with guards[0] as raw, guards[1]:
        raw[0] = 5
    assert x[0] == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_child_of_a_fork_has_what_the_owners_of_its_thread_held():
    run_isolated(
        """
import os, threading, warnings
import lockedarray as la
from lockedarray._cores import exchange_owner, new_owner

warnings.simplefilter("ignore")  # of forking with threads
x, y = la.zeros(3), la.zeros(3)
owner, guard = new_owner(), x.write()
me = exchange_owner(owner)
raw = guard.acquire()
assert exchange_owner(me) is owner
there, go = threading.Event(), threading.Event()

def other():
    exchange_owner(new_owner())
    with y.write():
        there.set()
        go.wait(20)

thread = threading.Thread(target=other)
thread.start()
there.wait(20)
pid = os.fork()
if pid == 0:
    y.fill(1)  # of a thread that is not there
    try:
        x.fill(1)
    except la.DeadlockError:
        exchange_owner(owner)
        x.fill(2)
        guard.release()
        exchange_owner(me)
        x += 1
        os._exit(0 if x[0] == 3 else 1)
    os._exit(2)
assert os.waitpid(pid, 0)[1] == 0
go.set()
thread.join(20)
assert x.lock.holds()
exchange_owner(owner)
guard.release()
assert not x.lock.holds() and not y.lock.holds()
"""
    )


# -- stress --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_random_owners_always_end(seed):
    xs = [LockedArray(np.zeros(1, int)) for _ in range(4)]
    done = [0] * len(xs)
    refused = []
    tally = threading.Lock()

    def work(number):
        rng = random.Random(f"{seed}-{number}")
        owners = [new_owner() for _ in range(3)]
        guards = [None] * len(owners)
        own = exchange_owner(owners[0])
        for _ in range(150):
            turn = rng.randrange(len(owners))
            exchange_owner(owners[turn])
            try:
                if guards[turn] is not None:
                    guards[turn].release()
                    guards[turn] = None
                    continue
                i = rng.randrange(len(xs))
                if rng.random() < 0.5:
                    guard = xs[i].read() if rng.random() < 0.5 else xs[i].write()
                    guard.acquire()
                    guards[turn] = guard
                else:
                    xs[i].at[0] += 1
                    with tally:
                        done[i] += 1
            except la.DeadlockError:
                refused.append(1)
        for owner, guard in zip(owners, guards, strict=True):
            exchange_owner(owner)
            if guard is not None:
                guard.release()
        exchange_owner(own)

    together(*[lambda number=number: work(number) for number in range(4)])
    print(f"seed {seed}: {len(refused)} refused")
    assert refused
    assert [x[0] for x in xs] == done
    assert free(*xs)


def test_owners_of_several_threads_wait_for_each_other():
    x = LockedArray(np.zeros(1, int))

    def work():
        owners = [new_owner() for _ in range(3)]
        for i in range(60):
            with current(owners[i % 3]):
                x.at[0] += 1
                with x.write() as raw:
                    raw += 1

    together(work, work, work)
    assert x[0] == 3 * 60 * 2
    assert free(x)


def test_owners_leave_the_holders_of_other_threads_alone():
    x, y, owner = LockedArray([1.0]), LockedArray([1.0]), new_owner()
    mine = y.write()
    take(mine, owner)
    with held_elsewhere(x.write()) as holder:
        with pytest.raises(la.LockTimeout) as caught:
            x.write(timeout=0.01).acquire()
        assert holder.name in str(caught.value)
    let_go(mine, owner)
    assert free(x, y)
