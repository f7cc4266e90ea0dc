"""Arrays under a lock of readerwriterlock that code which knows nothing of us holds, too."""

import gc
import threading

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, run_isolated
from lockedarray import LockedArray
from threads import DEADLINE, start, together, wait_until

LOCKS = [
    rwlock.RWLockRead,
    rwlock.RWLockWrite,
    rwlock.RWLockFair,
    rwlock.RWLockReadD,
    rwlock.RWLockWriteD,
    rwlock.RWLockFairD,
]
every_lock = pytest.mark.parametrize("make", LOCKS, ids=lambda make: make.__name__)


def available(lockable):
    """Whether a lock object of the foreign lock can be had at once."""
    if lockable.acquire(blocking=False):
        lockable.release()
        return True
    return False


@every_lock
def test_foreign_writer_excludes_readers_and_writers(make):
    lock = make()
    x = LockedArray([1.0], lock=lock)
    with held_elsewhere(lock.gen_wlock()):
        for guard in (
            x.read(timeout=0),
            x.write(timeout=0),
            x.write(timeout=0.01),
            x.read(timeout=0.01),
        ):
            with pytest.raises(la.LockTimeout, match="outside"):
                guard.acquire()
        calls = [start(x.sum), start(x.fill, 5), start(x.snapshot)]
        for call in calls:
            call.waits_for(x.lock)
        wait_until(lambda: len(x.lock.holds()) == 3)  # each has tried once
        for _ in range(300):  # it tries again and again, and waits all the time
            entries = x.lock.holds()
            assert [entry.waiting for entry in entries] == [True] * 3, entries
    for call in calls:
        call.result()
    assert x[0] == 5
    assert free(x)
    assert available(lock.gen_wlock())


@every_lock
def test_foreign_reader_excludes_writers_alone(make):
    lock = make()
    x = LockedArray([1.0], lock=lock)
    with held_elsewhere(lock.gen_rlock()):
        assert x.sum() == 1
        with x.read(timeout=0):
            pass
        with pytest.raises(la.LockTimeout):
            x.write(timeout=0).acquire()
        writer = start(x.fill, 5)
        assert writer.waits_for(x.lock) == "write"
    writer.result()
    assert x[0] == 5
    assert available(lock.gen_wlock())


@every_lock
def test_array_excludes_foreign_code(make):
    lock = make()
    x = LockedArray([1.0], lock=lock)
    with x.read():
        assert available(lock.gen_rlock())
        assert not available(lock.gen_wlock())
        with x.read():
            assert not available(lock.gen_wlock())
        assert not available(lock.gen_wlock())
    with x.write():
        assert not available(lock.gen_rlock())
        assert not available(lock.gen_wlock())
    assert available(lock.gen_wlock())


@every_lock
@pytest.mark.parametrize(
    "chain", [("write", "read"), ("read", "write"), ("write", "write"), ("read", "read")]
)
def test_nested_guards_keep_foreign_writers_out_to_the_end(make, chain):
    lock = make()
    x = LockedArray([1.0], lock=lock)
    first, second = (getattr(x, mode)() for mode in chain)
    first.acquire()
    second.acquire()
    for guard in (first, second):  # the outer one first
        assert not available(lock.gen_wlock())
        guard.release()
    assert available(lock.gen_wlock())
    assert available(lock.gen_rlock())
    assert free(x)


@every_lock
def test_upgrade_waits_for_a_foreign_reader_and_then_succeeds(make):
    lock = make()
    x = LockedArray([1.0], lock=lock)

    def upgrade():
        with x.read(), x.write() as raw:
            raw[0] = 5

    with held_elsewhere(lock.gen_rlock()):
        call = start(upgrade)
        assert call.waits_for(x.lock) == "write"
    call.result()
    assert x[0] == 5
    assert free(x)
    assert available(lock.gen_wlock())


@every_lock
def test_failed_upgrade_still_reads(make):
    lock = make()
    x = LockedArray([1.0], lock=lock)
    with x.read() as raw:
        with held_elsewhere(lock.gen_rlock()):
            for timeout in (0, 0.01):
                with pytest.raises(la.LockTimeout):
                    x.write(timeout=timeout).acquire()
                assert [entry.mode for entry in x.lock.holds()] == ["read"]
                assert not available(lock.gen_wlock())
        assert not available(lock.gen_wlock())
        assert available(lock.gen_rlock())
        assert raw[0] == 1
        with x.write(timeout=DEADLINE) as writable:
            writable[0] = 2
    assert available(lock.gen_wlock())
    assert x[0] == 2


@every_lock
def test_upgrade_beside_a_waiting_foreign_writer_ends(make):
    lock = make()
    x = LockedArray([1], lock=lock)

    def foreign():
        begun.set()
        with lock.gen_wlock():
            state.append("foreign")

    begun, state = threading.Event(), []
    with x.read():
        call = start(foreign)
        assert begun.wait(DEADLINE)
        with x.write() as raw:
            state.append("upgraded")
            raw += 1
            assert not available(lock.gen_rlock())
    call.result()
    assert sorted(state) == ["foreign", "upgraded"]
    assert x[0] == 2
    assert free(x)
    assert available(lock.gen_wlock())


@every_lock
def test_nested_reader_does_not_wait_behind_a_foreign_writer(make):
    lock = make()
    x = LockedArray([1.0, 2.0], lock=lock)
    begun = threading.Event()

    def foreign():
        begun.set()
        with lock.gen_wlock():
            pass

    with x.read():
        call = start(foreign)
        assert begun.wait(DEADLINE)
        for _ in range(20):
            with x.read(timeout=0):
                assert x.sum() == 3
            assert x[1:].tolist() == [2]
    call.result()
    assert free(x)


def test_two_upgraders_under_a_foreign_lock_are_refused():
    x = LockedArray([0.0], lock=rwlock.RWLockFair())
    both_read = threading.Barrier(2)

    def upgrade():
        with x.read():
            both_read.wait(DEADLINE)
            try:
                x.fill(1)
            except la.DeadlockError:
                return "refused"
            return "done"

    assert sorted(together(upgrade, upgrade)) == ["done", "refused"]
    assert free(x)


def test_arrays_under_one_foreign_lock_exclude_each_other():
    lock = rwlock.RWLockFair()
    x, y = LockedArray([1.0], lock=lock), LockedArray([2.0], lock=lock)
    with held_elsewhere(x.write()):
        assert start(y.sum).waits_for(y.lock) == "read"
    with x.write(), y.write(), la.acquire(write=(x, y)):
        x += y
    assert x[0] == 3
    wait_until(lambda: free(x, y))
    assert available(lock.gen_wlock())


@pytest.mark.parametrize("make", LOCKS[:3], ids=lambda make: make.__name__)
def test_state_of_the_application_and_array_stay_equal(make):
    lock = make()
    x = LockedArray([0], lock=lock)
    state = {"count": 0}

    def foreign():
        for _ in range(40):
            with lock.gen_wlock():
                state["count"] += 1
                # what is held behind our back is nothing that we can know of: no operations here

    def ours():
        for _ in range(40):
            with x.write() as raw:
                state["count"] += 1
                raw += 1

    def readers():
        for _ in range(20):
            with lock.gen_rlock():
                before = state["count"]
                assert state["count"] == before
            with x.read() as raw:
                assert raw[0] <= state["count"]

    together(foreign, ours, ours, readers)
    assert state["count"] == 120
    assert x[0] == 80
    assert free(x)
    assert available(lock.gen_wlock())


def test_thread_that_took_the_foreign_lock_itself_times_out():
    lock = rwlock.RWLockFair()
    x = LockedArray([1.0], lock=lock)
    with lock.gen_wlock():
        with pytest.raises(la.LockTimeout):
            x.read(timeout=0.01).acquire()
    with lock.gen_rlock():
        assert x.sum() == 1
        with pytest.raises(la.LockTimeout):
            x.write(timeout=0.01).acquire()
    assert free(x)
    assert available(lock.gen_wlock())


class Struck:
    """A foreign lock whose lock objects raise, once, at one place."""

    def __init__(self, error, method, place):
        self.mutex = threading.Lock()
        self._strikes = [(error, method, place)]

    def gen_rlock(self):
        return StruckObject(self)

    gen_wlock = gen_rlock

    def strike(self, *where):
        if self._strikes and self._strikes[0][1:] == where:
            raise self._strikes.pop()[0]


class StruckObject(rwlock.Lockable):
    def __init__(self, lock):
        self._lock, self._held = lock, False

    def acquire(self, blocking=True, timeout=-1):
        self._lock.strike("acquire", "before")
        self._held = self._lock.mutex.acquire(blocking, timeout)
        self._lock.strike("acquire", "after")
        return self._held

    def release(self):
        self._lock.strike("release", "before")
        self._held = False
        self._lock.mutex.release()
        self._lock.strike("release", "after")

    def locked(self):
        return self._held


@pytest.mark.skipif(la.backend != "native", reason="the portable core tries under its monitor")
def test_who_only_tries_the_foreign_lock_is_not_said_to_hold_ours():
    class Slow(rwlock.RWLockFair):
        tries, go_on = threading.Event(), threading.Event()

        def gen_wlock(self):
            self.tries.set()
            assert self.go_on.wait(DEADLINE)
            return super().gen_wlock()

    lock = Slow()
    x = LockedArray([1.0], lock=lock)
    call = start(x.fill, 2)
    assert lock.tries.wait(DEADLINE)
    assert x.lock.holds() == []
    lock.go_on.set()
    call.result()
    assert free(x)


def take_and_release(lockable):
    lockable.acquire()
    lockable.release()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("method", ["acquire", "release"])
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "use",
    [
        lambda x, y: x.fill(3),
        lambda x, y: take_and_release(x.write()),
        lambda x, y: take_and_release(la.acquire(write=(y, x))),
        lambda x, y: take_and_release(x.lock.gen_wlock()),
    ],
    ids=["operation", "guard", "acquire", "lock object"],
)
def test_exception_out_of_a_foreign_lock_comes_out_and_nothing_stays_held(
    error, method, place, use
):
    lock = Struck(error, method, place)
    x, y = LockedArray([1.0], lock=lock), LockedArray([1.0])
    with pytest.raises(error):
        use(x, y)
    assert not lock.mutex.locked()
    assert free(x, y)
    x += 1


def test_what_a_thread_that_ended_held_is_not_let_go_again_by_another():
    lock = rwlock.RWLockFair()
    x = LockedArray([1.0], lock=lock)
    shared = x.lock.gen_wlock()
    for _ in range(5):  # the next thread mostly gets the number of the last one
        start(shared.acquire).result()
        gc.collect()
        wait_until(lambda: available(lock.gen_wlock()))

        def hold_again():
            with shared:
                assert not available(lock.gen_rlock())
            with x.write():
                assert not available(lock.gen_rlock())

        start(hold_again).result()
        assert available(lock.gen_wlock())
    assert free(x)


@pytest.mark.parametrize("mode", ["guard", "lock object"])
def test_foreign_lock_is_let_go_by_what_is_garbage_together_with_its_lock(mode):
    lock = rwlock.RWLockFair()
    x = LockedArray([1.0], lock=lock)
    held = x.write() if mode == "guard" else x.lock.gen_wlock()
    held.acquire()
    circle = [x, x.lock, held]
    circle.append(circle)
    assert not available(lock.gen_rlock())
    del x, held, circle
    gc.collect()
    assert available(lock.gen_wlock())


def test_lock_objects_of_x_lock_take_the_foreign_lock():
    lock = rwlock.RWLockFair()
    x = LockedArray([1.0], lock=lock)
    with x.lock.gen_rlock():
        assert not available(lock.gen_wlock())
        assert available(lock.gen_rlock())
    with x.lock.gen_wlock():
        assert not available(lock.gen_rlock())
        x += 1
    assert available(lock.gen_wlock())


def test_exception_inside_gives_the_foreign_lock_back():
    lock = rwlock.RWLockFair()
    x = LockedArray([1.0], lock=lock)
    with pytest.raises(ZeroDivisionError), x.write():
        raise ZeroDivisionError
    with pytest.raises(ValueError, match="broadcast"):
        x += np.ones(5)
    with pytest.raises(ZeroDivisionError), x.read(), x.write():
        raise ZeroDivisionError
    assert available(lock.gen_wlock())


class Broken:
    """A readers-writer lock whose lock objects raise on demand."""

    def __init__(self):
        self.lock = rwlock.RWLockFair()
        self.broken = False

    def gen_rlock(self):
        return self._made(self.lock.gen_rlock())

    def gen_wlock(self):
        return self._made(self.lock.gen_wlock())

    def _made(self, lockable):
        if self.broken:
            raise ZeroDivisionError
        return lockable


def test_foreign_lock_that_raises_leaves_nothing_held():
    lock = Broken()
    x, y = LockedArray([1.0], lock=lock), la.zeros(1)
    lock.broken = True
    for operation in (x.sum, lambda: x.fill(1), lambda: la.acquire(write=(x, y)).acquire()):
        with pytest.raises(ZeroDivisionError):
            operation()
        assert free(x, y)
    lock.broken = False
    x += 1
    assert x[0] == 2
    assert available(lock.gen_wlock())


def test_thread_that_ends_lets_foreign_locks_go_while_others_are_made():
    run_isolated(
        """
import sys, threading
from readerwriterlock import rwlock
import lockedarray as la

sys.setswitchinterval(1e-6)
lock = rwlock.RWLockFair()
x = la.zeros(1, lock=lock)
over = threading.Event()

def make_locks():
    while not over.is_set():
        locks = [la.zeros(1, lock=rwlock.RWLockFair()) for _ in range(20)]

makers = [threading.Thread(target=make_locks) for _ in range(2)]
for maker in makers:
    maker.start()
try:
    for _ in range(200):
        taken = x.lock.gen_wlock()
        holder = threading.Thread(target=taken.acquire)
        holder.start()
        holder.join()
        with x.write(timeout=10):
            pass
finally:
    over.set()
for maker in makers:
    maker.join()
assert lock.gen_wlock().acquire(blocking=False)
"""
    )
