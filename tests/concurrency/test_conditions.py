"""x.lock as an RLock, and threading.Condition on it and on lock objects."""

import asyncio
import gc
import threading

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere
from lockedarray import LockedArray
from threads import DEADLINE, start, wait_until

MAKERS = {
    "own": lambda: la.zeros(4),
    "objects": lambda: LockedArray([0.0] * 4, dtype=object),
    "lock below": lambda: LockedArray(np.zeros(4), lock=rwlock.RWLockFair()),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)

LOCKS = {
    "lock": lambda x: x.lock,
    "gen_wlock": lambda x: x.lock.gen_wlock(),
    "gen_rlock": lambda x: x.lock.gen_rlock(),
}


def modes(x):
    return sorted(entry.mode for entry in x.lock.holds())


@makers
def test_the_lock_is_the_write_lock_of_all_of_it(make):
    x = make()
    assert not x.lock.locked()
    with x.lock as entered:
        assert entered is True
        assert x.lock.locked()
        assert modes(x) == ["write"]
        x += 1  # reentrant
        with x.lock, x.write(), x.read():
            assert x.lock.acquire(False)
            x.lock.release()
        call = start(x[1:].sum)
        assert call.waits_for(x.lock)
    call.result()
    assert not x.lock.locked()
    assert free(x)


@makers
def test_only_who_acquired_it_releases_it(make):
    x = make()
    with pytest.raises(RuntimeError, match="un-acquired"):
        x.lock.release()
    with held_elsewhere(x.lock):
        assert x.lock.locked()
        with pytest.raises(RuntimeError, match="only the thread that acquired"):
            x.lock.release()
        assert x.lock.acquire(blocking=False) is False
        assert x.lock.acquire(timeout=0.001) is False
    with x.write(), pytest.raises(RuntimeError, match="un-acquired"):
        x.lock.release()
    assert free(x)


@makers
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"blocking": False, "timeout": 1}, ValueError),
        ({"timeout": -2}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"timeout": 1e100}, OverflowError),
    ],
)
def test_bad_arguments_are_refused(make, arguments, error):
    x = make()
    for lock in (x.lock, x.lock.gen_wlock(), threading.RLock()):
        with pytest.raises(error):
            lock.acquire(**arguments)
    assert free(x)


@makers
def test_the_end_of_a_thread_that_acquired_it_gives_it_back(make):
    x = make()
    start(x.lock.acquire).result()
    wait_until(lambda: free(x))
    assert not x.lock.locked()
    with x.lock:
        x += 1


def test_a_generator_that_another_thread_closes_leaves_it():
    x = la.zeros(2)

    def inside():
        with x.lock:
            yield

    generator = inside()
    call = start(next, generator)
    call.result()
    generator.close()
    wait_until(lambda: free(x))


def test_a_lock_that_is_dropped_while_it_is_held_is_gone():
    def drop():
        x = la.zeros(2)
        x.lock.acquire()
        del x
        gc.collect()

    start(drop).result()


def test_it_refuses_a_deadlock():
    x, y = la.zeros(1), la.zeros(1)
    held = threading.Event()

    def other():
        with y.lock:
            held.set()
            with x.lock:
                pass

    with x.lock:
        call = start(other)
        assert held.wait(DEADLINE)
        assert call.waits_for(x.lock)
        with pytest.raises(la.DeadlockError):
            y.lock.acquire()
    call.result()
    assert free(x, y)


class Waiting:
    """A thread that waits for a condition on a lock of x, inside the blocks of `holding`."""

    def __init__(self, condition, holding):
        self.condition = condition
        self.inside = threading.Event()
        self._holding = holding
        self.call = start(self._wait)
        assert self.inside.wait(DEADLINE)

    def _wait(self):
        with self.condition:
            return self._holding(self._wait_now)

    def _wait_now(self):
        self.inside.set()
        assert self.condition.wait(DEADLINE)

    def notify(self, act):
        """Notify the thread, with the lock, after `act`; return what it returned."""
        with self.condition:
            act()
            self.condition.notify()
        return self.call.result()


@makers
@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_wait_lets_go_of_all_that_its_thread_holds_and_takes_it_again(make, lock):
    x = make()

    def holding(wait):
        with x.write() as raw, x[2:].read() as other, x.lock.gen_wlock(), x.lock, x.lock:
            raw[0] = 1
            before = modes(x)
            wait()
            assert modes(x) == before
            assert x.lock._recursion_count() in (2, 3)
            assert raw.flags.writeable
            assert not other.flags.writeable
            raw[1] = 7
            return raw.tolist()

    # A condition's lock object must be the same in both threads where it is one.
    waiting = Waiting(threading.Condition(lock(x)), holding)
    with x.write() as raw:  # free: nothing is held
        raw[3] = 5
    with x.lock:
        pass
    assert waiting.notify(lambda: None) == [1, 7, 0, 5]
    assert free(x)


@makers
def test_raw_views_are_read_only_while_their_thread_waits(make):
    x = make()
    views = []

    def holding(wait):
        with x.write() as raw:
            views.append(raw)
            wait()
            raw[0] = 3
        return raw.flags.writeable

    waiting = Waiting(threading.Condition(x.lock), holding)
    with x.lock:
        assert not views[0].flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            views[0][0] = 9
    assert waiting.notify(lambda: None) is False
    assert x[0] == 3


def test_raw_views_follow_a_resize():
    x = la.zeros(4)

    def holding(wait):
        with x.write() as raw, x[1:3].read() as part:
            wait()
            raw[0] = 8
            return raw.tolist(), part.tolist()

    waiting = Waiting(threading.Condition(x.lock), holding)

    def resize():
        x.resize(100_000)
        x[2], x[50_000] = 6, 1

    assert waiting.notify(resize) == ([8, 0, 6, 0], [0, 6])
    assert x[0] == 8
    assert len(x) == 100_000


def test_raw_views_stay_read_only_when_the_array_was_frozen():
    x = la.zeros(4)

    def holding(wait):
        with x.write() as raw:
            wait()
            return raw.flags.writeable

    assert Waiting(threading.Condition(x.lock), holding).notify(x.freeze) is False


def test_a_guard_alone_is_enough_to_wait_and_to_notify():
    x = la.zeros(4)
    changed = threading.Condition(x.lock)
    inside = threading.Event()

    def wait():
        with x.write() as raw:
            inside.set()
            assert changed.wait_for(lambda: raw[0] > 0, DEADLINE)
            raw[0] -= 1

    call = start(wait)
    assert inside.wait(DEADLINE)
    with x[:1].write() as raw:
        raw[0] = 1
        changed.notify_all()
    call.result()
    assert x[0] == 0
    with pytest.raises(RuntimeError):
        changed.notify()
    with pytest.raises(RuntimeError):
        changed.wait(0)
    assert free(x)


def test_wait_inside_an_operation_is_refused():
    x = la.zeros(2)
    changed = threading.Condition(x.lock)
    with pytest.raises(RuntimeError, match="inside an operation"):
        x.at[0].apply(lambda value: changed.wait(0))
    assert free(x)


def test_other_arrays_stay_locked_while_it_waits():
    x, y = la.zeros(2), la.zeros(2)

    def holding(wait):
        with la.acquire(write=(x, y)) as (rx, ry):
            wait()
            ry[0] = 1
            return rx.flags.writeable

    waiting = Waiting(threading.Condition(x.lock), holding)
    wait_until(lambda: free(x))
    assert modes(y) == ["write"]
    assert waiting.notify(lambda: x.fill(2))
    assert free(x, y)


def test_to_take_it_again_is_refused_where_that_would_be_a_deadlock():
    x, y = la.zeros(1), la.zeros(1)

    def holding(wait):
        with y.write():
            wait()

    waiting = Waiting(threading.Condition(x.lock), holding)
    with x.lock:
        # The one that waits holds y; this thread holds x, and asks for y.
        with waiting.condition:
            waiting.condition.notify()
        call = waiting.call
        assert call.waits_for(x.lock) == "write"
        with pytest.raises(la.DeadlockError):
            y.fill(1)
    call.result()
    assert free(x, y)


def test_a_guard_that_is_dropped_meanwhile_is_not_held_again():
    x = la.zeros(2)
    guards = [x[:1].write()]

    def holding(wait):
        guards[0].acquire()
        wait()
        return modes(x)

    def drop():
        guards.clear()
        gc.collect()

    assert Waiting(threading.Condition(x.lock), holding).notify(drop) == ["write"]
    assert free(x)


def test_writers_and_readers_meet_at_a_condition():
    x = la.zeros(1, dtype=np.int64)
    changed = threading.Condition(x.lock)

    def consume():
        with changed:
            for _ in range(50):
                changed.wait_for(lambda: x[0] > 0, DEADLINE)
                x[0] -= 1

    calls = [start(consume) for _ in range(3)]
    for _ in range(150):
        with changed:
            x[0] += 1
            changed.notify()
    for call in calls:
        call.result()
    assert x[0] == 0
    assert free(x)


@makers
@pytest.mark.parametrize("how", ["plain", "async", "wait_for"])
def test_a_predicate_does_not_wait_in_a_condition_of_its_own_lock(make, how):
    x = make()
    condition = threading.Condition(x.lock)

    def when(raw):
        condition.wait(0)
        return True

    async def acquire():
        async with x.write(when=when):
            pass

    with pytest.raises(RuntimeError, match="cannot wait inside an operation"):
        if how == "async":
            asyncio.run(acquire())
        elif how == "plain":
            with x.write(when=when):
                pass
        else:
            x.wait_for(when)
    assert free(x)
    with x.write() as raw:  # outside of the predicate all is as before
        assert raw.flags.writeable
        assert not condition.wait(0)
