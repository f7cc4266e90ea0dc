"""Who waits for whom and how long: readers, writers, timeouts, fairness, threads that end."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, queued, run_isolated, waits_beside
from lockedarray import LockedArray
from threads import DEADLINE, start, together, wait_until

GUARDS = {"read": LockedArray.read, "write": LockedArray.write}

# And of several.
ways = pytest.mark.parametrize(
    "take",
    [*GUARDS.values(), lambda x: la.acquire(write=(x[:1], x[1:]))],
    ids=[*GUARDS, "acquire"],
)


def hold(guard, event=None):
    """Acquire a guard, wait for the event inside, release it."""
    with guard:
        if event is not None:
            assert event.wait(DEADLINE)


# -- modes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", GUARDS)
@pytest.mark.parametrize("wanted", GUARDS)
def test_only_readers_share(held, wanted):
    x = LockedArray([1.0])
    mode, _ = waits_beside(GUARDS[held](x), x.lock, lambda: hold(GUARDS[wanted](x)))
    assert mode == (None if held == wanted == "read" else wanted)
    assert free(x)


def test_readers_are_inside_together():
    x = LockedArray([1.0])
    inside = threading.Barrier(4)

    def read():
        with x.read():
            inside.wait(DEADLINE)  # broken, if one of them had to wait outside

    together(*[read] * 4)
    assert free(x)


def test_writer_is_inside_alone():
    x = LockedArray([1.0])
    inside = []

    def write():
        for _ in range(50):
            with x.write():
                inside.append(1)
                assert len(inside) == 1
                time.sleep(0)
                inside.pop()

    together(*[write] * 4)


def test_operations_on_different_arrays_do_not_meet():
    x, y = LockedArray([1.0]), LockedArray([2.0])
    with held_elsewhere(x.write()):
        y += 1
        y.resize(5)
        with y.write(timeout=0):
            pass


def test_guard_of_several_arrays_waits_for_each():
    x, y, z = LockedArray([1.0]), LockedArray([2.0]), LockedArray([3.0])
    for busy in (x, y, z):
        mode, _ = waits_beside(busy.read(), busy.lock, lambda: hold(la.acquire(write=(x, y, z))))
        assert mode == "write"
        mode, _ = waits_beside(busy.read(), busy.lock, lambda: hold(la.acquire(read=(x, y, z))))
        assert mode is None
    mode, _ = waits_beside(y.read(), y.lock, lambda: hold(la.acquire(write=(x, z), read=y)))
    assert mode is None
    assert free(x, y, z)


def test_arrays_given_in_any_order_never_wait_in_a_circle():
    x, y, z = LockedArray([0]), LockedArray([0]), LockedArray([0])
    orders = [(x, y, z), (z, y, x), (y, z, x), (x, z, y)]

    def work(order):
        for _ in range(100):
            with la.acquire(write=order) as raws:
                for raw in raws:
                    raw += 1
            with la.acquire(write=order[0], read=order[1:]) as (raw, others):
                raw += others[0] - others[0]
            order[0][...] = np.add(order[0], order[2] - order[2])

    together(*[lambda order=order: work(order) for order in orders])
    with la.acquire(read=(x, y, z)):
        pass
    assert free(x, y, z)


def test_release_wakes_a_waiting_writer_and_all_waiting_readers():
    x = LockedArray([1.0])
    go = threading.Event()
    with held_elsewhere(x.write()):
        readers = [start(hold, x.read(), go) for _ in range(3)]
        for reader in readers:
            assert reader.waits_for(x.lock) == "read"
    wait_until(lambda: len(x.lock.holds()) == 3 and not queued(x.lock))
    writer = start(hold, x.write())
    assert writer.waits_for(x.lock) == "write"
    go.set()
    for call in (*readers, writer):
        call.result()
    assert free(x)


# -- timeouts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", GUARDS)
@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.02])
def test_timeout_raises_and_leaves_nothing_held_or_queued(mode, timeout):
    x = LockedArray([1.0])
    with held_elsewhere(x.write()) as holder:
        began = time.monotonic()
        with pytest.raises(la.LockTimeout) as caught:
            GUARDS[mode](x, timeout=timeout).acquire()
        assert time.monotonic() - began >= timeout
        assert isinstance(caught.value, TimeoutError)
        assert holder.name in str(caught.value)
        assert mode in str(caught.value)
        assert [entry.thread for entry in x.lock.holds()] == [holder.name]
    assert free(x)
    x += 1


def test_timeout_names_who_is_in_the_way():
    x = LockedArray([1.0, 2.0, 3.0])
    with held_elsewhere(x[:2].read()) as one, held_elsewhere(x[2:].read()) as other:
        with pytest.raises(la.LockTimeout) as caught:
            x.write(timeout=0).acquire()
        names = ", ".join(sorted(map(repr, [one.name, other.name])))
        serial = x.lock.serial
        assert str(caught.value) == (
            f"write lock {serial}: not free in time; held by threads {names}"
        )
        with pytest.raises(la.LockTimeout) as caught:
            x[:1].write(timeout=1e-3).acquire()
        if la.backend == "native":  # who holds another part, is not in the way
            names = repr(one.name)
        assert str(caught.value).endswith(names)


def test_timeout_is_for_all_arrays_together():
    x, y, z = LockedArray([1.0]), LockedArray([2.0]), LockedArray([3.0])
    with held_elsewhere(z.write()):
        for given in ((x, y, z), (z, y, x)):
            guard = la.acquire(write=given, timeout=0.01)
            with pytest.raises(la.LockTimeout):
                guard.acquire()
            assert free(x, y)  # while the guard is there
            assert not queued(z.lock)
            assert not guard.held


def test_lock_that_comes_free_in_time_is_taken():
    x = LockedArray([1.0])
    with held_elsewhere(x.write()):
        call = start(hold, x.write(timeout=DEADLINE))
        assert call.waits_for(x.lock) == "write"
    call.result()
    assert free(x)


def test_guard_can_be_tried_again_after_a_timeout():
    x = LockedArray([1.0])
    guard = x.write(timeout=0)
    with held_elsewhere(x.read()):
        for _ in range(3):
            with pytest.raises(la.LockTimeout):
                guard.acquire()
            assert not guard.held
    with guard as raw:
        raw[0] = 2
    assert x[0] == 2


def test_timed_out_upgrade_still_reads():
    x = LockedArray([1.0])
    with x.read() as raw:
        with held_elsewhere(x.read()):
            with pytest.raises(la.LockTimeout):
                x.write(timeout=0.005).acquire()
            with pytest.raises(la.LockTimeout):
                x.write(timeout=0).acquire()
        assert [entry.mode for entry in x.lock.holds()] == ["read"]
        writer = start(x.fill, 5)
        assert writer.waits_for(x.lock) == "write"
        assert raw[0] == 1
    writer.result()
    assert free(x)


def test_waiter_that_times_out_lets_those_behind_it_go():
    x = LockedArray([1.0])
    with held_elsewhere(x.read()):
        impatient = start(hold, x.write(timeout=0.5))
        assert impatient.waits_for(x.lock) == "write"
        reader = start(hold, x.read())  # behind the writer, or past it
        with pytest.raises(la.LockTimeout):
            impatient.result()
        reader.result()
    assert free(x)


# -- fairness ------------------------------------------------------------------------------------------


def refused(guard):
    """Whether a guard that could be had as far as holders go is refused for the queue."""
    try:
        with guard:
            return False
    except la.LockTimeout:
        return True


def test_waiter_is_not_overtaken_by_newcomers():
    x = LockedArray([1.0])
    with held_elsewhere(x.read()):
        writer = start(hold, x.write())
        assert writer.waits_for(x.lock) == "write"
        wait_until(lambda: refused(x.read(timeout=0)))  # within about a millisecond
        assert all(refused(x.read(timeout=0)) for _ in range(20))
        newcomer = start(hold, x.read())
        assert newcomer.waits_for(x.lock) == "read"
        assert queued(x.lock)[0] == writer.name
    writer.result()
    newcomer.result()
    assert free(x)


def test_thread_that_holds_something_queues_like_any_other():
    x, y = LockedArray([1.0]), LockedArray([2.0])
    with held_elsewhere(x.read()):
        writer = start(hold, x.write())
        assert writer.waits_for(x.lock) == "write"
        wait_until(lambda: refused(x.read(timeout=0)))
        for other in (y.read(), y.write()):
            with other:
                assert refused(x.read(timeout=0))
                assert not x.lock.gen_rlock().acquire(blocking=False)
                assert not refused(y.read(timeout=0))  # what it has itself
        assert refused(x.read(timeout=0))
    writer.result()
    assert free(x, y)


def test_reader_goes_on_reading_while_a_writer_waits():
    x = LockedArray([1.0, 2.0])
    with x.read():
        writer = start(x.fill, 5)
        assert writer.waits_for(x.lock) == "write"
        wait_until(lambda: start(refused, x.read(timeout=0)).result())
        with x.read(timeout=0), x[1:].read(timeout=0):
            assert x.sum() == 3
            assert np.add(x, x).tolist() == [2, 4]
            assert [*x] == [1, 2]
        assert not writer.done
    writer.result()
    assert x.tolist() == [5, 5]


@pytest.mark.parametrize(
    ("many", "one"), [("read", "write"), ("write", "read"), ("write", "write")]
)
def test_nobody_starves(many, one):
    x = LockedArray([1.0])
    done = threading.Event()
    limit = 3000

    def crowd():
        for i in range(limit):
            if done.is_set():
                return i
            with GUARDS[many](x):
                time.sleep(0.0002)  # so that it is hardly ever free
        return limit

    def lonely():
        for _ in range(5):
            hold(GUARDS[one](x))
        done.set()
        return 0

    counts = together(*[crowd] * 3, lonely)
    assert max(counts) < limit
    assert free(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda x, y: np.add(x, y),
        lambda x, y: y - x,
        lambda x, y: np.concatenate([x, y]),
        lambda x, y: hold(la.acquire(read=(x, y))),
        lambda x, y: hold(la.acquire(read=(y, x))),
        lambda x, y: hold(la.acquire(write=x, read=y)),
        lambda x, y: hold(la.acquire(read=(x, y, x[:1]), timeout=DEADLINE)),
    ],
    ids=["add", "subtract", "concatenate", "acquire", "reversed", "write and read", "timeout"],
)
def test_who_wants_several_arrays_does_not_overtake_who_waits_for_one(use):
    x, y = LockedArray([1.0]), LockedArray([2.0])
    with held_elsewhere(y.read()):
        writer = start(y.fill, 3)
        assert writer.waits_for(y.lock) == "write"
        wait_until(lambda: start(refused, y.read(timeout=0)).result())  # for long enough
        both = start(use, x, y)
        assert both.waits_for(y.lock) == "read"
        assert free(x)  # and keeps nobody from the other one meanwhile
    writer.result()
    both.result()
    assert free(x, y)


# -- threads that end ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "take",
    [
        lambda x: x.read(),
        lambda x: x.write(),
        lambda x: la.acquire(write=(la.zeros(1), x), read=x[:1]),
        lambda x: x.lock.gen_wlock(),
    ],
    ids=["read", "write", "acquire", "lock object"],
)
def test_thread_that_ends_inside_a_guard_holds_nothing_afterwards(take):
    x = LockedArray([1.0])
    kept = []

    def acquire_and_end():
        guard = take(x)
        guard.acquire()
        kept.append(guard)

    start(acquire_and_end).result()
    gc.collect()
    wait_until(lambda: free(x))
    x += 1
    with pytest.raises(RuntimeError):
        kept[0].release()
    assert free(x)
    with kept[0]:  # and whoever likes may have it
        assert not free(x)
    assert free(x)


def test_end_of_a_thread_wakes_who_waited_for_it():
    x = LockedArray([1.0])
    end = threading.Event()
    kept = []

    def acquire_and_end():
        kept.append(x.write())
        kept[0].acquire()
        assert end.wait(DEADLINE)

    holder = start(acquire_and_end)
    wait_until(lambda: not free(x))
    waiter = start(hold, x.write())
    assert waiter.waits_for(x.lock) == "write"
    end.set()
    holder.result()
    waiter.result()
    assert free(x)


def test_raw_view_of_a_thread_that_ended_is_read_only():
    x = LockedArray([1.0, 2.0, 3.0])
    kept = []

    def acquire_and_end():
        guards = [x[:1].write(), la.acquire(write=(x[1:2], x[2:]))]
        raws = guards[0].acquire(), *guards[1].acquire()
        kept.extend([guards, raws])

    start(acquire_and_end).result()
    gc.collect()
    wait_until(lambda: free(x))
    for raw in kept[1]:
        with pytest.raises(ValueError, match="read-only"):
            raw[0] = 5
    assert not any(guard.held for guard in kept[0])
    assert x.tolist() == [1, 2, 3]


def test_guard_of_a_thread_that_ended_is_acquired_amid_a_resize():
    x = LockedArray([1.0])
    kept = []

    def acquire_and_end():
        guard = x.write()
        last = weakref.ref(guard.acquire(), lambda _: x.resize(10_000))
        kept.extend([guard, last])

    start(acquire_and_end).result()
    wait_until(lambda: free(x))
    with kept[0] as raw:  # lets go of the raw view of before
        raw[0] = 5
    assert kept[1]() is None
    assert x.shape == (10_000,)
    assert x[0] == 5


def test_thread_that_raises_inside_a_guard_releases_it():
    x = LockedArray([1.0])

    def fail():
        with x.write():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start(fail).result()
    assert free(x)


@ways
def test_guard_is_released_by_the_thread_that_acquired_it(take):
    x = LockedArray([1.0])
    guard = take(x)
    guard.acquire()
    holds = x.lock.holds()
    with pytest.raises(RuntimeError, match="thread"):
        start(guard.release).result()
    assert guard.held
    assert x.lock.holds() == holds
    guard.release()
    assert free(x)


def test_guard_of_two_threads_is_held_by_one_at_a_time():
    x = LockedArray([0])
    guard = x.write()
    inside = []
    refusals = []

    def work():
        for _ in range(100):
            try:
                raw = guard.acquire()
            except RuntimeError:  # the other thread has it
                refusals.append(1)
                continue
            inside.append(1)
            assert len(inside) == 1
            raw += 1
            inside.pop()
            guard.release()

    together(work, work)
    assert x[0] + len(refusals) == 200
    assert free(x)


@pytest.mark.parametrize("lock", [None, rwlock.RWLockFair()], ids=["own", "foreign"])
def test_lock_object_of_two_threads_is_held_by_both(lock):
    x = LockedArray([1.0], lock=lock)
    shared = x.lock.gen_rlock()
    inside, over = [threading.Event(), threading.Event()], threading.Event()

    def take(entered):
        with shared:
            entered.set()
            assert over.wait(DEADLINE)

    with held_elsewhere(x.write()):
        calls = [start(take, entered) for entered in inside]
        for call in calls:
            call.waits_for(x.lock)
    try:
        for entered in inside:
            assert entered.wait(DEADLINE)
        assert [entry.waiting for entry in x.lock.holds()] == [False, False]
        assert shared.locked()
    finally:
        over.set()
    for call in calls:
        call.result()
    assert not shared.locked()
    assert free(x)


def test_dropped_guard_wakes_who_waited_for_it():
    x = LockedArray([1.0])
    guards = [x.write()]
    guards[0].acquire()
    waiter = start(hold, x.write())
    assert waiter.waits_for(x.lock) == "write"
    guards.clear()
    gc.collect()
    waiter.result()
    assert free(x)


@ways
def test_guard_that_is_dropped_in_another_thread_is_left_to_its_own(take):
    x = LockedArray([1.0, 2.0])
    guards, dropped, over = [], threading.Event(), threading.Event()

    def acquire_and_wait():
        guards.append(take(x))
        raws = guards[0].acquire()
        assert dropped.wait(DEADLINE)
        for raw in raws if isinstance(raws, tuple) else (raws,):
            assert not raw.flags.writeable
        with y.read():  # whatever was left to this thread is given back by now, or at its end
            pass
        assert over.wait(DEADLINE)

    y = LockedArray([1.0])
    holder = start(acquire_and_wait)
    wait_until(lambda: not free(x) and guards)
    wait_until(lambda: guards[0].held)
    guards.clear()
    gc.collect()
    dropped.set()
    over.set()
    holder.result()
    wait_until(lambda: free(x, y))
    x += 1
    assert x[0] == 2


@pytest.mark.parametrize(
    "acquire",
    [LockedArray.read, lambda y: y.read(timeout=20), lambda y: la.acquire(read=(y,))],
    ids=["read", "read(timeout)", "acquire"],
)
def test_guard_that_was_dropped_in_another_thread_is_given_back_with_the_next_one(acquire):
    x, y = LockedArray([1.0]), LockedArray([1.0])
    guards, held, dropped = [], threading.Event(), threading.Event()

    def drop_and_acquire():
        guards.append(x.write())
        guards[0].acquire()
        held.set()
        assert dropped.wait(DEADLINE)
        with acquire(y):
            assert free(x)

    holder = start(drop_and_acquire)
    assert held.wait(DEADLINE)
    guards.clear()
    gc.collect()
    dropped.set()
    holder.result()
    assert free(x, y)


def test_end_of_a_thread_beside_the_end_of_its_guards():
    x = LockedArray(np.zeros(100))
    for _ in range(30):
        guards = []

        def acquire_many(guards=guards):
            for i in range(20):
                guard = x[5 * i : 5 * i + 5].write()
                guard.acquire()
                guards.append(guard)

        threads = [start(acquire_many)]
        wait_until(lambda guards=guards: len(guards) > 5)
        while not threads[0].done or guards:
            if guards:
                guards.pop()
        threads[0].result()
        guards.clear()
    gc.collect()
    wait_until(lambda: free(x))


def test_many_threads_take_guards_of_one_array_side_by_side():
    x = LockedArray(np.zeros(8))

    def work():
        for i in range(300):
            with x.write() as raw:
                raw += 1
            with x.read() as raw:
                assert (raw[:8] == raw[0]).all()
            if i % 10 == 0:
                x.resize(8 + i % 30)
                x.resize(8)

    together(*[work] * 4)
    assert x.tolist() == [1200.0] * 8
    assert free(x)


def test_finalizers_wait_for_locks_as_the_interpreter_ends():
    told = run_isolated(
        """
import gc, os, threading
import lockedarray as la

x = la.zeros(3)
held, never = threading.Event(), threading.Event()

def hold():
    with x.write():
        held.set()
        never.wait()

class Late:
    def __del__(self):
        try:
            with x.write(timeout=0.05):
                os.write(1, b"acquired")
        except la.LockTimeout:
            os.write(1, b"timeout")

gc.collect()
gc.set_threshold(0)
late = Late()
late.itself = late
del late  # garbage until the interpreter ends
threading.Thread(target=hold, daemon=True).start()
held.wait()
""",
        timeout=30,
    )
    assert told in ("timeout", "acquired")  # the thread may have ended by then, or may not


def test_keyword_arguments_that_go_while_a_function_waits_are_kept():
    x = LockedArray(np.ones(10))
    kwargs = {"initial": float("12345.5"), "where": LockedArray(np.full(10, True))}
    with held_elsewhere(x.write()):
        call = start(x.__array_function__, np.sum, (LockedArray,), (x,), kwargs)
        wait_until(lambda: queued(x.lock))
        kwargs.clear()
        others = [float(f"{i}.25") for i in range(1000)]  # these take freed memory
    assert call.result() == 12355.5
    assert len(others) == 1000
    assert free(x)
