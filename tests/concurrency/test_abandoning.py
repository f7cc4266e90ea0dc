"""What is let go of in another thread than the one that acquired it is free at once, and nobody minds."""

import gc
import os
import sys
import threading
import time

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, queued, run_isolated
from lockedarray import LockedArray
from lockedarray._cores import Holds
from threads import DEADLINE, start, together

WAYS = {
    "read": lambda x: x.read(),
    "write": lambda x: x.write(),
    "write(timeout)": lambda x: x.write(timeout=DEADLINE),
    "acquire": lambda x: la.acquire(write=(x[:1], la.zeros(1)), read=x[1:]),
    "reader": lambda x: x.lock.gen_rlock(),
    "writer": lambda x: x.lock.gen_wlock(),
}
ways = pytest.mark.parametrize("take", WAYS.values(), ids=WAYS)


def suspended(guard):
    """A generator that stands in the middle of a ``with``."""
    with guard as raws:
        yield raws


def close(kept):
    kept.pop().close()


def collect():
    """Collect garbage, with what goes because of it.

    Without a GIL an object that another thread made goes as soon as that thread runs, or when garbage is
    collected: so what such an object was the last to refer to takes a second time.
    """
    gc.collect()
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        gc.collect()


def let_go(*arrays):
    """Whether `arrays` are free; without a GIL, once what was dropped has gone."""
    for _ in range(100):
        if free(*arrays) or getattr(sys, "_is_gil_enabled", lambda: True)():
            break
        gc.collect()
    return free(*arrays)


def drop(kept):
    kept.clear()
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        collect()


def drop_in_a_circle(kept):
    kept.append(kept)
    del kept
    # The last reference that is not inside the circle is the caller's, who collects.


# How a generator, or a guard, that is the only thing in a list, is let go of.
ENDS = {"close": close, "drop": drop, "circle": drop_in_a_circle}
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def made_in(thread, make):
    """Return a list with what `make`, run in the `Step` thread, returns, and no other reference to it."""
    kept = []
    thread.do(lambda: kept.append(make()))
    return kept


def entered(guard):
    guard.acquire()
    return guard


def begun(guard):
    generator = suspended(guard)
    next(generator)
    return generator


def writable(raws):
    raws = raws if isinstance(raws, tuple) else (raws,)
    flat = [raw for part in raws for raw in (part if isinstance(part, tuple) else (part,))]
    return any(raw.flags.writeable for raw in flat if isinstance(raw, np.ndarray))


@pytest.fixture
def no_garbage():
    """Leave the collector to the test, so that it is this thread that collects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# -- generators ------------------------------------------------------------------------------------


@ways
@ends
def test_generator_that_ends_in_another_thread_lets_go_at_once(threads, no_garbage, take, end):
    x = LockedArray([1.0, 2.0])
    [other] = threads(1)
    kept = made_in(other, lambda: begun(take(x)))
    assert not free(x)
    end(kept)
    if end is drop_in_a_circle:
        assert not free(x)
        del kept
        collect()
    assert let_go(x)
    x += 1  # by a thread that holds nothing, and waits for nobody
    with x.write(timeout=0):
        pass
    other.do(lambda: x.fill(7))  # and the thread that acquired goes on
    with held_elsewhere(x.read()):
        other.begin(lambda: x.fill(8))
        assert other.waits_for(x.lock) == "write"
    other.wait()
    assert x.tolist() == [8, 8]
    assert let_go(x)


@ways
@ends
def test_end_of_a_generator_in_another_thread_wakes_who_waits(threads, no_garbage, take, end):
    x = LockedArray([1.0, 2.0])
    [other] = threads(1)
    kept = made_in(other, lambda: begun(take(x)))
    waiters = [start(x.fill, 5), start(x.fill, 5)]
    for waiter in waiters:
        assert waiter.waits_for(x.lock) == "write"
    end(kept)
    del kept
    collect()
    for waiter in waiters:
        waiter.result()
    assert x.tolist() == [5, 5]
    assert let_go(x)


@pytest.mark.parametrize("mode", ["write", "acquire"])
@pytest.mark.parametrize("what", ["generator", "guard"])
def test_raw_view_turns_read_only_when_it_is_let_go_in_another_thread(threads, mode, what):
    x = LockedArray([1.0, 2.0])
    [other] = threads(1)
    raws = []

    def make():
        if what == "guard":
            guard = WAYS[mode](x)
            raws.append(guard.acquire())
            return guard
        generator = suspended(WAYS[mode](x))
        raws.append(next(generator))
        return generator

    kept = made_in(other, make)
    assert writable(raws[0])
    kept.clear()
    collect()
    assert let_go(x)
    assert not writable(raws[0])


@ways
def test_other_exceptions_do_not_let_go_in_another_thread(threads, take):
    x = LockedArray([1.0, 2.0])
    [other] = threads(1)
    guards = made_in(other, lambda: take(x))
    kept = made_in(other, lambda: begun(guards[0]))
    entries = x.lock.holds()
    with pytest.raises(RuntimeError, match="only the thread that acquired"):
        kept[0].throw(ZeroDivisionError)
    assert x.lock.holds() == entries
    for leave in (guards[0].release, lambda: guards[0].__exit__(None, None, None)):
        with pytest.raises(RuntimeError, match="only the thread that acquired"):
            leave()
    with pytest.raises(RuntimeError, match="only the thread that acquired"):
        guards[0].__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert x.lock.holds() == entries
    kept.clear()
    guards.clear()
    collect()
    assert let_go(x)


def test_generator_that_runs_on_in_another_thread_does_not_leave_its_block(threads):
    x = LockedArray([1.0])
    [other] = threads(1)
    guards = made_in(other, lambda: x.write())
    kept = made_in(other, lambda: begun(guards[0]))
    with pytest.raises(RuntimeError, match="only the thread that acquired"):
        next(kept[0])
    assert guards[0].held
    other.do(guards[0].release)
    assert let_go(x)


@ways
def test_generator_of_a_thread_that_has_ended_is_closed_without_an_error(take):
    x = LockedArray([1.0, 2.0])
    kept = []
    start(lambda: kept.append(begun(take(x)))).result()
    assert let_go(x)
    with x.write():  # and what another thread holds by now is not let go
        kept.pop().close()
        with pytest.raises(la.LockTimeout):
            start(x.write(timeout=0).acquire).result()
    assert let_go(x)


def test_guard_that_was_left_by_a_generator_is_acquired_again_by_whoever_likes(threads):
    x = LockedArray([1.0])
    one, two = threads(2)
    guards = made_in(one, lambda: x.write())
    kept = made_in(one, lambda: begun(guards[0]))
    kept.pop().close()
    assert not guards[0].held
    for thread in (two, one, two):
        thread.do(guards[0].acquire)
        assert guards[0].held
        assert [entry.thread for entry in x.lock.holds()] == [thread.call.name]
        thread.do(guards[0].release)
    two.do(guards[0].acquire)
    one.end()  # its end is nothing to a guard that it has no more
    assert guards[0].held
    two.do(guards[0].release)
    assert let_go(x)


def test_generators_of_one_thread_are_closed_one_by_one(threads):
    x = LockedArray([1.0])
    [other] = threads(1)
    reader = made_in(other, lambda: begun(x.read()))
    writer = made_in(other, lambda: begun(x.write()))
    with pytest.raises(la.LockTimeout):
        x.read(timeout=0).acquire()
    writer.pop().close()
    with x.read(timeout=0), pytest.raises(la.LockTimeout):
        x.write(timeout=0).acquire()
    reader.pop().close()
    assert let_go(x)


def test_generator_that_ends_in_its_own_thread_lets_go_as_ever():
    x = LockedArray([1.0])
    for take in WAYS.values():
        generator = begun(take(x))
        assert not free(x)
        generator.close()
        assert let_go(x)


# -- guards and lock objects -----------------------------------------------------------------------


@ways
@pytest.mark.parametrize("end", [drop, drop_in_a_circle], ids=["drop", "circle"])
def test_guard_that_is_collected_in_another_thread_lets_go_at_once(threads, no_garbage, take, end):
    x = LockedArray([1.0, 2.0])
    [other] = threads(1)
    kept = made_in(other, lambda: entered(take(x)))
    waiter = start(x.fill, 5)
    assert waiter.waits_for(x.lock) == "write"
    end(kept)
    if end is drop_in_a_circle:
        assert not waiter.done
        del kept
        collect()
    waiter.result()
    assert let_go(x)
    other.do(lambda: x.fill(6))
    other.do(lambda: begun(take(x)).close())
    assert let_go(x)


@ways
def test_thread_whose_guard_is_collected_elsewhere_ends_as_ever(threads, take):
    x, y = LockedArray([1.0, 2.0]), LockedArray([1.0])
    one, two = threads(2)
    kept = made_in(one, lambda: [entered(take(x)), entered(y.write())])
    second = made_in(two, lambda: entered(take(x))) if take is WAYS["read"] else []
    kept[0].pop(0)
    kept[0][:0] = []
    collect()
    assert second or let_go(x)
    assert not free(y)
    one.end()  # gives back what is left
    assert let_go(y)
    two.end()
    assert let_go(x)


@ways
def test_guard_is_collected_while_its_thread_waits_for_another_lock(threads, take):
    x, y = LockedArray([1.0, 2.0]), LockedArray([1.0])
    [other] = threads(1)
    kept = made_in(other, lambda: entered(take(x)))
    with y.write():
        other.begin(lambda: y.fill(5))
        assert other.waits_for(y.lock) == "write"
        with pytest.raises(la.DeadlockError):
            x.fill(3)
        kept.clear()
        collect()
        x.fill(4)  # it waits for this thread, but has nothing any more
        with x.write():
            pass
    other.wait()
    assert x.tolist() == [4, 4]
    assert let_go(x, y)


def test_lock_object_that_threads_share_lets_go_of_all_of_them(threads):
    x = LockedArray([1.0])
    one, two = threads(2)
    shared = [x.lock.gen_rlock()]
    one.do(lambda: shared[0].acquire() and None)
    two.do(lambda: shared[0].acquire() and None)
    assert len(x.lock.holds()) == 2
    waiter = start(x.fill, 5)
    assert waiter.waits_for(x.lock) == "write"
    shared.clear()
    collect()
    waiter.result()
    assert let_go(x)


@ways
def test_lock_below_is_let_go_in_another_thread(threads, take):
    lock = rwlock.RWLockFair()
    x = LockedArray([1.0, 2.0], lock=lock)
    [other] = threads(1)
    for make in (entered, begun):
        kept = made_in(other, lambda: make(take(x)))
        assert not lock.gen_wlock().acquire(blocking=False)
        kept.clear()
        collect()
        assert let_go(x)
        foreign = lock.gen_wlock()
        assert foreign.acquire(blocking=False)
        foreign.release()
    other.do(lambda: x.fill(3))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("take", ["x.write()", "la.acquire(write=(x, y))", "x.lock.gen_wlock()"])
def test_thread_whose_guard_was_collected_elsewhere_forks(take):
    run_isolated(
        f"""
import gc, os, sys, threading, warnings
import lockedarray as la

warnings.simplefilter("ignore")  # of forking with threads
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
x, y = la.zeros(3), la.zeros(3)
kept, collected = [], threading.Event()
guard = {take}
guard.acquire()
kept.append(guard)
del guard

def collect():
    kept.clear()
    gc.collect()
    while not has_gil and (x.lock.holds() or y.lock.holds()):
        gc.collect()  # there the thread that made an object has a say in when it goes
    assert not x.lock.holds() and not y.lock.holds()
    x.fill(1)
    with x.write():
        collected.set()
        over.wait(20)

over = threading.Event()
thread = threading.Thread(target=collect, name="other")
thread.start()
assert collected.wait(20)
pid = os.fork()
if pid == 0:
    assert not x.lock.holds() and not y.lock.holds()
    x += 1
    guard = {take}
    with guard:
        y += 1
    os._exit(0 if x.tolist() == [2, 2, 2] and not x.lock.holds() else 1)
assert os.waitpid(pid, 0)[1] == 0
assert [entry.thread for entry in x.lock.holds()] == ["other"]
over.set()
thread.join(20)
x += 1
assert not x.lock.holds() and not y.lock.holds()
"""
    )


def test_who_waits_for_a_lock_object_is_woken_by_its_end(threads):
    x = LockedArray([1.0])
    [other] = threads(1)
    for _ in range(5):
        kept = made_in(other, lambda: begun(x.lock.gen_wlock()))
        waiter = start(x.fill, 5)
        assert waiter.waits_for(x.lock) == "write"
        kept.clear()
        collect()
        waiter.result()


def test_thread_ends_while_another_acquires_what_it_had(threads):
    x = LockedArray([1.0])
    one, two = threads(2)
    guards = made_in(one, lambda: x.write())
    made_in(one, lambda: begun(guards[0])).pop().close()
    with held_elsewhere(x.read()):
        two.begin(lambda: guards[0].acquire())
        assert two.waits_for(x.lock) == "write"
        one.end()
    two.wait()
    assert guards[0].held
    two.do(guards[0].release)
    assert let_go(x)


@ways
def test_generator_whose_thread_has_ended_is_closed_by_the_next_one(take):
    x, y, kept = la.zeros(1), la.zeros(1), []
    start(lambda: kept.append(begun(take(x)))).result()

    def close_it():
        y.fill(1)  # has a record as an owner: that of the thread before
        close(kept)

    start(close_it).result()
    assert let_go(x)


def test_generators_are_closed_by_another_thread_amid_the_work_of_many():
    x = LockedArray(np.zeros(1, int))
    suspended_ones, over = [], threading.Event()
    closed = []

    def work():
        for _ in range(60):
            suspended_ones.append(begun(x.write()))
            x.at[0] += 1

    def end_them():
        while not over.is_set() or suspended_ones:
            try:
                suspended_ones.pop().close()
                closed.append(1)
            except IndexError:
                time.sleep(0)

    ender = start(end_them)
    try:
        together(work, work, work)
    finally:
        over.set()
    ender.result()
    assert x[0] == len(closed) == 180
    assert let_go(x)


def test_generator_of_a_thread_that_ended_is_closed_by_one_that_began_later():
    x = LockedArray(np.zeros(1, int))
    kept = []
    start(lambda: kept.append(begun(x.write()))).result()

    def end():
        x[0] = 1  # from here on the core knows this thread, by what it knew the other one, maybe
        close(kept)

    start(end).result()
    assert let_go(x)


# -- what is told of many --------------------------------------------------------------------------


def test_holds_tells_all_of_two_thousand_and_a_timeout_names_the_holder(threads):
    x = LockedArray(np.zeros(2000))
    [other] = threads(1)
    guards = []

    def hold_each():
        for i in range(2000):
            guards.append(x[i : i + 1].write())
            guards[-1].acquire()

    other.do(hold_each)
    entries = x.lock.holds()
    assert len(entries) == 2000
    assert {(entry.thread, entry.mode, entry.waiting) for entry in entries} == {
        (other.call.name, "write", False)
    }
    if la.backend == "native":
        assert len({entry.low for entry in entries}) == 2000
    for part in (x, x[:1], x[-1:]):
        with pytest.raises(la.LockTimeout, match=repr(other.call.name)):
            part.read(timeout=0).acquire()
    waiter = start(x[1999:].fill, 5)
    assert waiter.waits_for(x.lock) == "write"
    assert queued(x.lock) == [waiter.name]
    assert len(x.lock.holds()) == 2001
    other.do(lambda: [guard.release() for guard in guards] and None)
    waiter.result()
    assert let_go(x)


@pytest.mark.parametrize("write", [True, False])
def test_what_an_operation_was_robbed_of_is_free_for_whoever_only_tries(no_garbage, write):
    x = la.zeros(2)
    holds = Holds([(x.lock, write)])
    holds.acquire()
    with pytest.raises(la.LockTimeout):
        start(lambda: x.write(timeout=0).acquire()).result()
    del holds  # as where an exception strikes before its ``finally``
    start(lambda: x.write(timeout=0).acquire()).result()
    assert let_go(x)
