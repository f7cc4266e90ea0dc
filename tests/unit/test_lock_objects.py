"""x.lock: the protocols of readerwriterlock, and what holds() tells."""

import copy
import gc
import pickle
import threading
import weakref
from fractions import Fraction

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere
from lockedarray import LockedArray
from threads import start, wait_until

KINDS = {"read": lambda lock: lock.gen_rlock(), "write": lambda lock: lock.gen_wlock()}
kinds = pytest.mark.parametrize("mode", KINDS)


def test_lock_satisfies_the_protocols():
    lock = LockedArray([1.0]).lock
    assert isinstance(lock, rwlock.RWLockable)
    for make in KINDS.values():
        assert isinstance(make(lock), rwlock.Lockable)


def test_lock_is_that_of_the_buffer():
    x = LockedArray([1.0, 2.0])
    assert x.lock is x.lock
    assert x.lock is x[1:].lock
    assert x.lock is not LockedArray([1.0]).lock
    with pytest.raises(AttributeError):
        x.lock = LockedArray([1.0]).lock


@kinds
def test_lock_object_takes_the_lock_in_its_mode(mode):
    x = LockedArray([1.0])
    taken = KINDS[mode](x.lock)
    assert not taken.locked()
    assert free(x)
    assert taken.acquire() is True
    assert taken.locked()
    assert [(entry.mode, entry.waiting) for entry in x.lock.holds()] == [(mode, False)]
    taken.release()
    assert not taken.locked()
    assert free(x)
    with taken:
        assert taken.locked()
        x += 1  # reentrant
    assert free(x)


@kinds
def test_lock_object_of_a_held_lock_says_no(mode):
    x = LockedArray([1.0])
    with held_elsewhere(x.write()):
        taken = KINDS[mode](x.lock)
        assert taken.acquire(blocking=False) is False
        assert taken.acquire(False) is False
        assert taken.acquire(timeout=0) is False
        assert taken.acquire(timeout=0.001) is False
        assert taken.acquire(True, 0.001) is False
        assert not taken.locked()
    assert taken.acquire(blocking=False) is True
    taken.release()
    assert free(x)


@kinds
def test_lock_object_waits_until_it_is_free(mode):
    x = LockedArray([1.0])

    def take():
        with KINDS[mode](x.lock):
            return x[0]

    with held_elsewhere(x.write()):
        call = start(take)
        assert call.waits_for(x.lock) == mode
    assert call.result() == 1


def test_readers_share_and_writers_do_not():
    lock = LockedArray([1.0]).lock
    with held_elsewhere(lock.gen_rlock()):
        reader, writer = lock.gen_rlock(), lock.gen_wlock()
        assert reader.acquire(blocking=False)
        reader.release()
        assert not writer.acquire(blocking=False)


@kinds
def test_lock_object_is_misused_as_a_lock_of_threading_is(mode):
    x = LockedArray([1.0])
    taken = KINDS[mode](x.lock)
    with pytest.raises(RuntimeError):
        taken.release()
    taken.acquire()
    with pytest.raises(RuntimeError):
        start(taken.release).result()
    assert taken.locked()
    with pytest.raises(RuntimeError):
        taken.acquire()
    assert taken.locked()
    taken.release()
    with pytest.raises(RuntimeError):
        taken.release()
    assert free(x)


@kinds
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"blocking": False, "timeout": 1}, ValueError),
        ({"blocking": False, "timeout": 0}, ValueError),
        ({"timeout": -2}, ValueError),
        ({"timeout": -0.5}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"timeout": [1]}, TypeError),
        ({"unknown": 1}, TypeError),
    ],
    ids=str,
)
def test_lock_object_refuses_what_a_lock_of_threading_refuses(mode, args, error):
    with pytest.raises(error):
        threading.Lock().acquire(**args)
    x = LockedArray([1.0])
    with pytest.raises(error):
        KINDS[mode](x.lock).acquire(**args)
    assert free(x)


@kinds
def test_what_the_conversion_of_a_timeout_raises_comes_out(mode):
    class Broken:
        def __float__(self):
            raise ZeroDivisionError

    x = la.zeros(3)
    lockable = KINDS[mode](x.lock)
    with pytest.raises(ZeroDivisionError):
        lockable.acquire(timeout=Broken())
    assert not lockable.locked()
    assert free(x)


@kinds
def test_timeout_is_what_a_lock_of_threading_takes(mode):
    class Index:
        def __index__(self):
            return 1

    x = LockedArray([1.0])
    for timeout in (1, 1.0, np.float32(1), np.int8(1), True, Fraction(1), Index()):
        lockable = KINDS[mode](x.lock)
        assert lockable.acquire(timeout=timeout)
        lockable.release()
    assert free(x)


@kinds
def test_lock_object_is_not_copied(mode):
    lockable = KINDS[mode](LockedArray([1.0]).lock)
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="Lockable"):
            duplicate(lockable)


@kinds
def test_timeout_of_minus_one_is_no_limit(mode):
    x = LockedArray([1.0])
    with held_elsewhere(x.write()):
        call = start(KINDS[mode](x.lock).acquire, True, -1)
        assert call.waits_for(x.lock) == mode
    assert call.result() is True


@kinds
def test_lock_object_of_this_thread_says_no_to_it(mode):
    x = LockedArray([1.0])
    taken = KINDS[mode](x.lock)
    with taken:
        assert taken.acquire(False) is False
        for timeout in (0.001, threading.TIMEOUT_MAX):  # nobody else can let it go
            assert taken.acquire(timeout=timeout) is False
        with pytest.raises(RuntimeError, match="make another one"):
            taken.acquire()
        assert taken.locked()
    assert not taken.locked()
    assert free(x)


def test_writers_that_share_a_lock_object_wait_for_each_other():
    x = la.zeros(2)
    shared = x.lock.gen_wlock()
    counts = [0, 0]

    def count():
        for _ in range(100):
            with shared:
                x[0] += 1
                counts[0] += 1
                counts[1] = max(counts[1], len([e for e in x.lock.holds() if not e.waiting]))

    with held_elsewhere(shared):
        assert not shared.acquire(timeout=0.001)
        assert shared.locked()
        call = start(count)
        assert call.waits_for(x.lock) == "write"
        others = [start(count) for _ in range(3)]
    for each in (call, *others):
        each.result()
    assert x[0] == counts[0] == 400
    assert counts[1] == 1
    assert not shared.locked()
    assert free(x)


def test_readers_that_share_a_lock_object_read_beside_each_other():
    x = LockedArray([1.0])
    shared = x.lock.gen_rlock()
    with held_elsewhere(shared):
        with shared:
            assert [entry.mode for entry in x.lock.holds()] == ["read", "read"]
        assert shared.locked()
        with pytest.raises(RuntimeError, match="only the thread that acquired"):
            shared.release()
    assert not shared.locked()
    assert free(x)


@pytest.mark.parametrize("lock", [None, rwlock.RWLockFair()], ids=["own", "foreign"])
def test_lock_object_whose_thread_has_ended_is_as_new(lock):
    x = LockedArray([1.0], lock=lock)
    taken = x.lock.gen_wlock()
    for _ in range(3):
        start(taken.acquire).result()
        wait_until(lambda: not taken.locked())
        with pytest.raises(RuntimeError, match="unlocked"):
            start(taken.release).result()
        assert taken.acquire(timeout=20)
        assert taken.locked()
        taken.release()
        assert not taken.locked()
        assert free(x)


@pytest.mark.skipif(la.backend != "native", reason="of the blocks that the native core allocates")
def test_lock_object_that_another_thread_holds_leaves_nothing_behind():
    locks = []
    for _ in range(3):
        x = la.zeros(3)
        shared = [x.lock.gen_wlock()]
        taken, over = threading.Event(), threading.Event()

        def hold(shared=shared, taken=taken, over=over):
            shared[0].acquire()
            taken.set()
            assert over.wait(20)

        call = start(hold)
        assert taken.wait(20)
        shared.clear()
        over.set()
        call.result()
        locks.append(weakref.ref(x.lock))
        del x
    wait_until(lambda: la.zeros(3).lock.gen_wlock() and not any(lock() for lock in locks))


def test_lock_object_that_is_dropped_by_several_threads_is_released():
    x = LockedArray([1.0])
    shared = x.lock.gen_rlock()
    shared.acquire()
    start(shared.acquire).result()  # that thread ends, and holds nothing any more
    del shared
    gc.collect()
    wait_until(lambda: free(x))


def test_condition_of_threading_stands_on_a_lock_object():
    x = la.zeros(1)
    changed = threading.Condition(x.lock.gen_wlock())

    def consume():
        with changed:
            assert changed.wait_for(lambda: x[0] > 0, timeout=20)
            x[0] -= 1

    calls = [start(consume) for _ in range(3)]
    for _ in calls:
        with changed:
            x[0] += 1
            changed.notify()
    for call in calls:
        call.result()
    with changed:
        assert not changed.wait_for(lambda: x[0] > 0, timeout=0.001)
    assert x[0] == 0
    assert free(x)


def test_lock_objects_nest_in_one_thread():
    x = LockedArray([1.0])
    with x.lock.gen_rlock(), x.lock.gen_rlock(), x.lock.gen_wlock(), x.lock.gen_rlock(), x.write():
        x += 1
    assert free(x)


def test_lock_object_that_is_dropped_is_released():
    x = LockedArray([1.0])
    taken = x.lock.gen_wlock()
    taken.acquire()
    del taken
    gc.collect()
    assert free(x)


def test_lock_object_refuses_a_deadlock():
    x, y = LockedArray([1.0]), LockedArray([1.0])

    def other():
        with y.write():
            held.set()
            with x.write():
                pass

    held = threading.Event()
    with x.lock.gen_wlock():
        call = start(other)
        assert held.wait(20)
        assert call.waits_for(x.lock) == "write"
        with pytest.raises(la.DeadlockError):
            y.lock.gen_wlock().acquire()
    call.result()
    assert free(x, y)


def test_array_and_other_state_stand_under_one_lock():
    x = la.zeros(2)
    state = {"count": 0}

    def count():
        for _ in range(200):
            with x.lock.gen_wlock():
                state["count"] = state["count"] + 1
                x[0] = state["count"]

    calls = [start(count) for _ in range(4)]
    for call in calls:
        call.result()
    assert state["count"] == x[0] == 800


def test_holds_tells_thread_mode_and_waiting():
    x = LockedArray([1.0])
    assert x.lock.holds() == []
    with held_elsewhere(x.read()) as holder:
        writer = start(lambda: x.fill(5))
        writer.waits_for(x.lock)
        told = x.lock.holds()
        assert (told[0].thread, told[0].mode, told[0].waiting) == (holder.name, "read", False)
        assert (told[-1].thread, told[-1].mode, told[-1].waiting) == (writer.name, "write", True)
        assert "write" in repr(x.lock)
    writer.result()
    assert x.lock.holds() == []


def test_holds_of_a_lock_are_those_of_all_its_arrays():
    x = LockedArray([1.0, 2.0])
    y = la.zeros(1, lock=x.lock)
    with x[1:].read(), y.read():
        assert [entry.mode for entry in x.lock.holds()] == ["read", "read"]
        assert x.lock.holds() == y.lock.holds()


def test_lock_lives_as_long_as_somebody_has_it():
    x = LockedArray([1.0])
    lock = x.lock
    del x
    gc.collect()
    with lock.gen_wlock():
        assert [entry.mode for entry in lock.holds()] == ["write"]
    y = la.zeros(2, lock=lock)
    assert y.lock is lock


@pytest.mark.parametrize(
    "below",
    [3, threading.Lock(), rwlock.RWLockFair, la.zeros(2), la.RegionLock()],
    ids=lambda below: type(below).__name__,
)
def test_lock_over_what_is_no_lock_of_others_is_refused(below):
    with pytest.raises(TypeError, match="readers-writer lock|itself"):
        la.RegionLock(below)
    with pytest.raises(TypeError):
        la.RegionLock(below=below)
    assert la.RegionLock(rwlock.RWLockFair()).holds() == []
    assert la.RegionLock(None).holds() == []


def test_lock_is_no_copy_and_no_pickle():
    lock = LockedArray([1.0]).lock
    assert lock == lock
    assert lock != LockedArray([1.0]).lock
    assert np.array([lock], object)[0] is lock
