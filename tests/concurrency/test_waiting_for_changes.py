"""Waiting for a change: when= of read(), write() and acquire(), and x.wait_for()."""

import os
import signal
import threading

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, run_isolated
from lockedarray import LockedArray
from lockedarray._cores import locks_regions
from threads import start, wait_until


class Watching:
    """A thread that waits until x[0] > 0, and counts how often it has looked."""

    def __init__(self, x, wait=lambda x, when: x.wait_for(when), when=lambda a: a.flat[0] > 0):
        self.looked = 0

        def look(yielded):
            self.looked += 1
            return when(yielded)

        self._lock = x.lock
        self.call = start(wait, x, look)
        assert self.call.waits_for(x.lock) == "change"
        # What others' code may write unseen is looked at again and again.
        assert self.looked == 1 or (self.looked and x._buffer.lock._is_looked_at)

    def looks_again(self, write):
        """Whether the thread looks once more, and waits again, or ends, when `write` has written."""
        before = self.looked
        write()
        # Whoever was told of a change no longer waits for it when the write has returned.
        wait_until(lambda: self.call.done or self.call.waiting(self._lock) == "change")
        return self.looked > before


def guarded(make):
    """Return a way to wait: by the guard that ``make(x, when)`` returns; what it yields is copied."""

    def wait(x, when):
        with make(x, when) as raw:
            return raw.copy(), raw.flags.writeable

    return wait


WAYS = {
    "wait_for": lambda x, when: x.wait_for(when),
    "read": guarded(lambda x, when: x.read(when=when)),
    "write": guarded(lambda x, when: x.write(when=when)),
    "acquire": guarded(lambda x, when: la.acquire(write=x, when=when)),
}
ways = pytest.mark.parametrize("wait", WAYS.values(), ids=WAYS)

WRITES = {
    "element": lambda x: x.__setitem__(0, 1),
    "slice": lambda x: x[:2].__iadd__(1),
    "operator": lambda x: x.__iadd__(1),
    "method": lambda x: x.fill(1),
    "ufunc": lambda x: np.add(x, 1, out=x),
    "ufunc.at": lambda x: np.add.at(x, [0], 1),
    "function": lambda x: np.copyto(x, 1),
    "at": lambda x: x.at[0].add(1),
    "flat": lambda x: x.flat.__setitem__(0, 1),
    "reversed view": lambda x: x[::-1].__setitem__(3, 1),
    "other view": lambda x: x.reshape(2, 2).__setitem__((0, 0), 1),
    "array on the same memory": lambda x: LockedArray(np.asarray(x), copy=False).fill(1),
    "general": lambda x: x.__setitem__(..., Floats()),
}


class Floats:
    def __array__(self, dtype=None, copy=None):
        return np.ones(4)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_any_way_to_write_wakes(write):
    x = la.zeros(4)
    if write is WRITES["array on the same memory"]:
        plain = np.zeros(4)
        x, write = LockedArray(plain, copy=False), lambda _: LockedArray(plain, copy=False).fill(1)
    watching = Watching(x)
    write(x)
    assert watching.call.result()
    assert watching.looked == 2
    assert free(x)


@ways
def test_each_way_to_wait_is_woken_by_a_guard(wait):
    x = la.zeros(4)
    watching = Watching(x, wait)
    assert free(x[:0]) or x.lock.holds()  # it holds nothing while it waits
    with x.write(timeout=0) as raw:
        raw[0] = 5
    result = watching.call.result()
    if wait is not WAYS["wait_for"]:
        values, writeable = result
        assert values.tolist() == [5, 0, 0, 0]
        assert writeable == (wait is not WAYS["read"])
    assert watching.looked == 2
    assert free(x)


@ways
def test_a_write_after_which_it_is_still_false_makes_it_look_and_wait_again(wait):
    x = la.zeros(4)
    watching = Watching(x, wait)
    for looked in (2, 3):
        x[0] = -1
        wait_until(lambda looked=looked: watching.looked == looked)
        assert watching.call.waits_for(x.lock) == "change"
    x[0] = 1
    watching.call.result()


def test_what_changes_nothing_of_it_does_not_wake():
    x, y = la.zeros((4, 4)), la.zeros(4)
    watching = Watching(x[1])
    x.sum(), x[1].copy(), y.fill(1)
    with x.read(), y.write():
        pass
    with pytest.raises(la.LockTimeout), x.write(timeout=0, when=lambda a: False):
        pass  # nothing was written
    assert watching.looked == 1
    if locks_regions:
        x[0], x[2:], x[:, 0].base[3, 0] = 1, 1, 1
        assert watching.looked == 1
    x[1] = 1
    watching.call.result()
    assert watching.looked == (2 if locks_regions else watching.looked)


@pytest.mark.skipif(not locks_regions, reason="a region is the whole Buffer there")
def test_only_the_waiters_of_what_is_written_look_again():
    x = la.zeros(30)
    watchers = [Watching(x[i : i + 1]) for i in range(30)]
    x[7:9] = 1
    watchers[7].call.result()
    watchers[8].call.result()
    x.fill(1)
    for i, watching in enumerate(watchers):
        watching.call.result()
        assert watching.looked == 2, i


def test_two_that_wait_do_not_wake_each_other():
    x = la.zeros(4)
    first, second = Watching(x, WAYS["write"]), Watching(x, WAYS["write"])
    assert (first.looked, second.looked) == (1, 1)
    x.fill(1)
    first.call.result()
    second.call.result()


def test_any_of_several_arrays_wakes():
    x, y = la.zeros(2), la.zeros(2)

    def wait(_, when):
        with la.acquire(write=x, read=(y, y[1:]), when=when) as (rx, (ry, _)):
            return rx.flags.writeable, ry.flags.writeable, ry.copy()

    watching = Watching(x, wait, lambda yielded: yielded[0][0] + yielded[1][0][0] > 2)
    for write, looked in ((lambda: y.fill(1), 2), (lambda: x.fill(1), 3)):
        write()
        wait_until(lambda looked=looked: watching.looked == looked)
        assert watching.call.waits_for(x.lock) == "change"
    y.fill(2)
    assert watching.call.result()[:2] == (True, False)
    assert free(x, y)


@ways
def test_a_resize_wakes_and_the_new_shape_is_seen(wait):
    x = la.zeros(4)
    watching = Watching(x, wait, lambda a: len(a) > 4)
    x.resize(100)
    watching.call.result()
    assert free(x)


@pytest.mark.parametrize("make", [la.zeros(1).lock.__class__, rwlock.RWLockFair])
def test_an_array_under_the_same_lock_wakes(make):
    lock = make()
    x, y = LockedArray([0.0], lock=lock), LockedArray([0.0], lock=lock)
    watching = Watching(x, when=lambda a: np.asarray(y)[0] > 0)
    y[0] = 1
    watching.call.result()
    assert free(x)


def test_others_code_that_has_the_lock_below_is_not_asked_to_tell():
    lock = rwlock.RWLockFair()
    plain = np.zeros(1)
    x = LockedArray(plain, copy=False, lock=lock)
    call = start(x.wait_for, lambda a: a[0] > 0)
    with lock.gen_wlock():
        plain[0] = 1
    assert call.result()


def test_an_empty_view_waits_for_a_resize_alone():
    x = la.zeros(4)
    watching = Watching(x[2:2], when=lambda a: len(x) > 4)
    if locks_regions:
        x.fill(1)
        assert watching.looked == 1
    x.resize(5)
    watching.call.result()


@pytest.mark.parametrize("objects", ["exclusive", "shared"])
def test_arrays_of_objects_are_waited_for(objects):
    x = LockedArray([0, 0], dtype=object, objects=objects)
    first, second = Watching(x), Watching(x, WAYS["write"])
    x[0] = 7
    first.call.result()
    assert second.call.result()[0].tolist() == [7, 0]
    assert free(x)


# -- the predicate ------------------------------------------------------------------------------


@ways
def test_it_is_called_once_where_it_is_true(wait):
    x, calls = la.ones(2), []
    wait(x, lambda a: calls.append(type(a)) or True)
    assert calls == [np.ndarray]
    assert free(x)


@ways
def test_it_can_not_write(wait):
    x = la.zeros(2)

    def spoil(raw):
        raw[0] = 1

    with pytest.raises(ValueError, match="read-only"):
        wait(x, spoil)
    assert x[0] == 0
    assert free(x)


@ways
def test_what_it_raises_comes_out_and_nothing_is_held(wait):
    x = la.zeros(2)
    with pytest.raises(ZeroDivisionError):
        wait(x, lambda a: 1 // 0)
    assert free(x)


@ways
def test_what_it_raises_later_comes_out(wait):
    x = la.zeros(2)
    watching = Watching(x, wait, lambda a: 1 // 0 if a[0] else False)
    x[0] = 1
    with pytest.raises(ZeroDivisionError):
        watching.call.result()
    assert free(x)


@ways
def test_its_truth_is_that_of_bool(wait):
    x = la.zeros(2)
    with pytest.raises(ValueError, match="ambiguous"):
        wait(x, lambda a: a > 0)
    assert free(x)


@ways
@pytest.mark.parametrize("when", [1, "x", np.zeros(2)])
def test_what_is_not_callable_is_refused(wait, when):
    with pytest.raises(TypeError, match="must be callable"):
        wait(la.zeros(2), when)


def test_what_is_not_callable_is_refused_at_the_call():
    for make in (la.zeros(1).read, la.zeros(1).write, lambda when: la.acquire(read=x, when=when)):
        x = la.zeros(1)
        with pytest.raises(TypeError, match="must be callable"):
            make(when=3)


def test_wait_for_wants_a_predicate():
    with pytest.raises(TypeError, match="predicate must be callable"):
        la.zeros(1).wait_for(None)


GROWTH = {
    "append": lambda x: x.append(1),
    "popleft": lambda x: x.popleft(),
    "assign": lambda x: x.assign([1, 2, 3]),
    "resize": lambda x: x.resize(7),
}


@pytest.mark.parametrize("grow", GROWTH.values(), ids=GROWTH)
@ways
def test_it_does_not_grow_what_it_is_shown(wait, grow):
    x = la.ones(20)
    with pytest.raises(ValueError, match="inside an operation on the same array"):
        wait(x, lambda a: grow(x) or True)
    assert x.tolist() == [1] * 20
    assert free(x)
    grow(x)


@pytest.mark.parametrize("of", ["one", "several"])
def test_its_errors_have_the_name_of_the_array(of):
    x, y = la.zeros(2, name="frames"), la.zeros(2)
    with pytest.raises(la.LockTimeout, match="lock of 'frames': the predicate"):
        never(x, y, of, timeout=0.01).acquire()
    with x.write():
        with pytest.raises(la.DeadlockError, match="lock of 'frames': the predicate"):
            never(x, y, of).acquire()
    assert free(x, y)


def never(x, y, of, timeout=None):
    if of == "one":
        return x.write(timeout=timeout, when=lambda a: False)
    return la.acquire(write=(x, y), timeout=timeout, when=lambda both: False)


@ways
def test_it_may_use_the_array_and_other_locks(wait):
    x, y = la.zeros(2), la.ones(2)

    def when(raw):
        with y.write() as other:
            return x.sum() + raw.sum() + other.sum() == 2

    wait(x, when)
    assert free(x, y)


@ways
def test_it_does_not_wait_itself(wait):
    x = la.zeros(2)
    with pytest.raises(la.DeadlockError, match="holds a part"):
        wait(x, lambda a: x.wait_for(lambda b: b[0]))
    assert free(x)


@ways
def test_a_freeze_inside_it_leaves_nothing_writable(wait):
    x = la.zeros(2)

    def when(raw):
        x.freeze()
        return True

    try:
        assert wait is not WAYS["write"] or wait(x, when)
    except ValueError as error:
        assert "frozen" in str(error)
    assert free(x)


# -- how a wait ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 0.002])
def test_a_timeout_ends_it(timeout):
    x = la.zeros(2, name="data")
    for guard in (
        x.read(timeout, lambda a: a[0]),
        x.write(timeout=timeout, when=lambda a: a[0]),
        la.acquire(write=x, read=x[1:], timeout=timeout, when=lambda pair: pair[0][0]),
    ):
        with pytest.raises(la.LockTimeout, match=f"not true within {timeout} s"):
            guard.acquire()
        assert not guard.held
    assert free(x)


@pytest.mark.parametrize("timeout", [0, 0.002])
def test_wait_for_returns_the_last_value_when_the_time_is_over(timeout):
    x = la.zeros(2)
    assert x.wait_for(lambda a: a[0], timeout) == 0
    assert x.wait_for(lambda a: None, timeout=timeout) is None
    with held_elsewhere(x.write()):
        assert x.wait_for(lambda a: True, timeout) is False
    assert x.wait_for(lambda a: a.sum() + 3, timeout) == 3
    assert free(x)


def test_a_timeout_inside_the_predicate_is_none_of_wait_for():
    x, y = la.zeros(2), la.zeros(2)
    with held_elsewhere(y.write()), pytest.raises(la.LockTimeout):
        x.wait_for(lambda a: y.write(timeout=0).acquire())
    assert free(x)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_bad_timeouts_are_refused(timeout):
    with pytest.raises(ValueError, match="timeout"):
        la.zeros(1).wait_for(lambda a: True, timeout)


HELD = {
    "read": lambda x: x.read(),
    "write": lambda x: x.write(),
    "part": lambda x: x[1:].read(),
    "lock object": lambda x: x.lock.gen_rlock(),
    "lock": lambda x: x.lock,
}


@ways
@pytest.mark.parametrize("hold", HELD.values(), ids=HELD)
def test_who_holds_a_part_of_it_does_not_wait(wait, hold):
    x = la.zeros(2)
    with hold(x):
        if hold is not HELD["read"] or wait is not WAYS["write"]:
            with pytest.raises(la.DeadlockError, match="holds a part"):
                wait(x, lambda a: a[0])
            wait(x, lambda a: True)  # where there is nothing to wait for
        assert not free(x)
    assert free(x)


def test_who_holds_another_array_may_wait():
    x, y = la.zeros(2), la.zeros(2)

    def wait():
        with y.write():
            return x.wait_for(lambda a: a[0])

    call = start(wait)
    assert call.waits_for(x.lock) == "change"
    x[0] = 3
    assert call.result() == 3


def test_nobody_waits_for_what_is_frozen():
    x = la.zeros(2)
    x.freeze()
    for wait in (WAYS["wait_for"], WAYS["read"]):
        with pytest.raises(la.DeadlockError, match="frozen"):
            wait(x, lambda a: a[0])
        wait(x, lambda a: True)
    with pytest.raises(ValueError, match="frozen"):
        WAYS["write"](x, lambda a: True)


@ways
def test_a_freeze_ends_it(wait):
    x = la.zeros(2)
    watching = Watching(x, wait)
    x.freeze()
    error = ValueError if wait in (WAYS["write"], WAYS["acquire"]) else la.DeadlockError
    with pytest.raises(error, match="frozen"):
        watching.call.result()
    assert free(x)


def test_a_guard_is_held_only_once_it_is_true_and_can_be_used_again():
    x = la.zeros(2)
    guard = x.write(when=lambda a: a[0] == 1)
    for _ in range(2):
        x[0] = 0
        call = start(guard.acquire)
        assert call.waits_for(x.lock) == "change"
        assert not guard.held
        with pytest.raises(RuntimeError, match="held already"):
            guard.acquire()
        x[0] = 1
        call.result()
        wait_until(lambda: not guard.held)  # its thread has ended
    with guard as raw:
        raw[1] = 3
        assert guard.held
    assert not raw.flags.writeable
    assert x.tolist() == [1, 3]
    assert free(x)


def test_ctrl_c_ends_it():
    x = la.zeros(2)
    main = threading.get_ident()
    for wait in WAYS.values():
        noticed = threading.Event()

        def notice(*_, noticed=noticed):
            if not noticed.is_set():
                noticed.set()
                raise KeyboardInterrupt

        def interrupt(noticed=noticed):
            wait_until(lambda: any(entry.mode == "change" for entry in x.lock.holds()))
            # One that comes just before the system call that waits does not end it.
            while not noticed.wait(0.01):
                signal.pthread_kill(main, signal.SIGINT)

        before = signal.signal(signal.SIGINT, notice)
        try:
            call = start(interrupt)
            with pytest.raises(KeyboardInterrupt):
                wait(x, lambda a: False)
            call.result()
        finally:
            signal.signal(signal.SIGINT, before)
        assert free(x)


test_ctrl_c_ends_it = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="no signals are sent to threads there"
)(test_ctrl_c_ends_it)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_in_the_child_of_a_fork_nobody_waits():
    run_isolated(
        """
        import os, threading, time, warnings, lockedarray as la
        warnings.simplefilter("ignore")
        x, y = la.zeros(2), la.zeros(2)
        thread = threading.Thread(
            target=lambda: la.acquire(read=(x, y), when=lambda pair: pair[0][0]).acquire(),
            daemon=True,
        )
        thread.start()
        while not x.lock.holds() or not y.lock.holds():
            time.sleep(0.001)
        child = os.fork()
        if not child:
            assert x.lock.holds() == [] == y.lock.holds(), x.lock.holds()
            x[0] = 1
            assert x.wait_for(lambda a: a[0])
            y.fill(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert thread.is_alive()
        x[0] = 1
        thread.join()
        """
    )


def test_a_handler_may_write_what_its_thread_waits_for():
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "pthread_kill"
    ):
        pytest.skip("signals are for the main thread")
    x = la.zeros(2)
    before = signal.signal(signal.SIGUSR1, lambda *_: x.fill(4))
    try:
        main = threading.get_ident()

        def send():
            wait_until(lambda: any(entry.mode == "change" for entry in x.lock.holds()))
            while not over.wait(0.01):  # as above
                signal.pthread_kill(main, signal.SIGUSR1)

        over = threading.Event()
        call = start(send)
        assert x.wait_for(lambda a: a[0]) == 4
        over.set()
        call.result()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_producers_and_consumers_lose_nothing():
    ring, size = (
        la.zeros(6, dtype=np.int64),
        4,
    )  # four items, and how many were put in and taken out
    got = []

    def produce():
        for i in range(300):
            with ring.write(when=lambda a: a[size] - a[size + 1] < size) as raw:
                raw[raw[size] % size] = i
                raw[size] += 1

    def consume():
        for _ in range(300):
            with ring.write(when=lambda a: a[size] > a[size + 1]) as raw:
                got.append(int(raw[raw[size + 1] % size]))
                raw[size + 1] += 1

    calls = [start(work) for work in (produce, consume, produce, consume)]
    for call in calls:
        call.result()
    assert sorted(got) == sorted([*range(300)] * 2)
    assert free(ring)
