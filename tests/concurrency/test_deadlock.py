"""Circles of waiting threads are refused at once, and nothing else is."""

import itertools
import random
import threading

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere
from lockedarray import LockedArray
from threads import DEADLINE, start, together, wait_until


def arrays(count):
    return [LockedArray([0.0, 0.0]) for _ in range(count)]


# -- circles -----------------------------------------------------------------------------------------


def test_two_threads_that_cross_end_and_one_is_refused():
    a, b = arrays(2)
    both_inside = threading.Barrier(2)

    def add(outer, inner):
        with outer.write():
            both_inside.wait(DEADLINE)
            try:
                inner += 1
            except la.DeadlockError:
                return "refused"
            return "done"

    assert sorted(together(lambda: add(a, b), lambda: add(b, a))) == ["done", "refused"]
    assert sorted([a[0], b[0]]) == [0, 1]
    assert free(a, b)


WAYS = {
    "write": lambda x: x.write(),
    "read": lambda x: x.read(),
    "acquire": lambda x: la.acquire(write=x),
    "lock": lambda x: x.lock.gen_wlock(),
}
INNER = {
    "guard": lambda x: x.write().acquire(),
    "operation": lambda x: x.fill(1),
    "item": lambda x: x.__setitem__(0, 1),
    "at": lambda x: x.at[0].add(1),
    "resize": lambda x: x.resize(5),
    "freeze": lambda x: x.freeze(),
    "function": lambda x: np.copyto(x, 1),
    "lock": lambda x: x.lock.gen_wlock().acquire(),
    "with a timeout": lambda x: x.write(timeout=DEADLINE).acquire(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_who_closes_the_circle_is_refused_at_once(threads, way, inner):
    x, y = arrays(2)
    [other] = threads(1)
    mine, theirs = way(x), way(y)
    mine.acquire()
    other.do(theirs.acquire)
    other.begin(lambda: x.fill(7))
    assert other.waits_for(x.lock) == "write"
    with pytest.raises(la.DeadlockError) as caught:
        inner(y)
    assert isinstance(caught.value, RuntimeError)
    assert other.call.name in str(caught.value)
    assert "la.acquire" in str(caught.value)
    # What was held is held, what was asked for is not, and the other one waits on.
    assert [entry.waiting for entry in x.lock.holds()] == [False, True]
    assert [entry.thread for entry in y.lock.holds()] == [other.call.name]
    mine.release()
    other.wait()
    other.do(theirs.release)
    assert x.tolist() == [7, 7]
    assert y.tolist() == [0, 0]
    assert free(x, y)


@pytest.mark.parametrize("length", [2, 3, 5])
def test_circle_of_any_length_is_refused(threads, length):
    xs = arrays(length)
    workers = threads(length)
    guards = [x.write() for x in xs]
    for worker, guard in zip(workers, guards, strict=True):
        worker.do(guard.acquire)
    for worker, x in zip(workers[:-1], xs[1:], strict=True):
        worker.begin(lambda x=x: x.fill(1))
        assert worker.waits_for(x.lock) == "write"
    with pytest.raises(la.DeadlockError):
        workers[-1].do(lambda: xs[0].fill(1))
    for worker, guard in reversed(list(zip(workers, guards, strict=True))):
        worker.wait()
        worker.do(guard.release)
    assert [x[0] for x in xs] == [0] + [1] * (length - 1)
    assert free(*xs)


def test_readers_in_a_circle_are_refused(threads):
    x, y = arrays(2)
    one, two = threads(2)
    readers = [x.read(), y.read()]
    one.do(readers[0].acquire)
    two.do(readers[1].acquire)
    one.begin(lambda: y.fill(1))
    assert one.waits_for(y.lock) == "write"
    with pytest.raises(la.DeadlockError):
        two.do(lambda: x.fill(1))
    assert two.do(x.sum) is None  # reading closes no circle
    two.do(readers[1].release)
    one.wait()
    one.do(readers[0].release)
    assert free(x, y)


def test_two_upgraders_are_a_circle(threads):
    x = LockedArray([0.0])
    one, two = threads(2)
    readers = [x.read(), x.read()]
    one.do(readers[0].acquire)
    two.do(readers[1].acquire)
    one.begin(lambda: x.fill(1))
    assert one.waits_for(x.lock) == "write"
    name, serial = one.call.name, x.lock.serial
    with pytest.raises(la.DeadlockError) as caught:
        two.do(lambda: x.fill(2))
    assert str(caught.value) == (
        f"write lock {serial}: thread {name!r} holds it and waits for lock {serial}, which this "
        "thread holds; take the write lock from the start, x.write(), or all parts at once, "
        "la.acquire(...)"
    )
    two.do(readers[1].release)
    one.wait()
    one.do(readers[0].release)
    assert x[0] == 1
    assert free(x)


def test_error_names_the_circle(threads):
    x, y, z = arrays(3)
    one, two, three = threads(3)
    guards = [array.write() for array in (x, y, z)]
    for thread, guard in zip((one, two, three), guards, strict=True):
        thread.do(guard.acquire)
    two.begin(lambda: z.fill(2))
    assert two.waits_for(z.lock)
    three.begin(lambda: x.fill(3))
    assert three.waits_for(x.lock)
    with pytest.raises(la.DeadlockError) as caught:
        one.do(lambda: y.fill(1))
    assert str(caught.value) == (
        f"write lock {y.lock.serial}: thread {two.call.name!r} holds it and waits for lock "
        f"{z.lock.serial}, and so on in a cycle of 3 threads to {three.call.name!r}, which waits "
        "for this thread; take both at once: la.acquire(write=(x, y))"
    )
    one.do(guards[0].release)
    three.wait()
    three.do(guards[2].release)
    two.wait()
    two.do(guards[1].release)
    assert free(x, y, z)


def test_one_of_many_upgraders_gets_through():
    x = LockedArray([0.0])
    count = 5
    all_read = threading.Barrier(count)

    def upgrade():
        with x.read():
            all_read.wait(DEADLINE)
            try:
                with x.write() as raw:
                    raw += 1
            except la.DeadlockError:
                return "refused"
            return "done"

    assert sorted(together(*[upgrade] * count)) == ["done"] + ["refused"] * (count - 1)
    assert x[0] == 1
    assert free(x)


def test_circle_through_one_of_several_arrays_is_refused(threads):
    x, y, z = arrays(3)
    one, two = threads(2)
    guard, many = x.write(), la.acquire(write=(y, z))
    one.do(guard.acquire)
    two.do(many.acquire)
    one.begin(lambda: np.add(y, z))
    wait_until(lambda: one.call.waiting(y.lock) or one.call.waiting(z.lock))
    with pytest.raises(la.DeadlockError):
        two.do(lambda: x.fill(1))
    two.do(many.release)
    one.wait()
    one.do(guard.release)
    assert free(x, y, z)


def test_unfinished_acquire_holds_nothing_while_it_waits(threads):
    x, y, z = arrays(3)
    one, two = threads(2)
    last = z.write()
    one.do(last.acquire)
    two.begin(lambda: la.acquire(write=(x, y, z)).acquire())
    assert two.waits_for(z.lock) == "write"
    assert free(x, y)
    one.do(lambda: x.fill(1))
    one.do(last.release)
    two.wait()
    wait_until(lambda: free(x, y, z))


def test_circle_through_what_an_unfinished_acquire_holds_is_refused(threads):
    w, x, y, z = arrays(4)  # in lock order
    one, two = threads(2)
    first, last = w.write(), z.write()
    one.do(last.acquire)
    two.do(first.acquire)  # it holds something, and so takes the others in order
    two.begin(lambda: la.acquire(write=(x, y, z)).acquire())
    assert two.waits_for(z.lock) == "write"
    assert x.lock.holds()
    with pytest.raises(la.DeadlockError):
        one.do(lambda: x.fill(1))
    one.do(last.release)
    two.wait()
    two.do(first.release)
    wait_until(lambda: free(w, x, y, z))


IN_ANY_ORDER = {
    "in order": lambda x, y: la.acquire(write=(x, y)).acquire(),
    "the other way round": lambda x, y: la.acquire(write=(y, x)).acquire(),
    "a writer of the second": lambda x, y: la.acquire(write=y, read=x).acquire(),
    "an operation": lambda x, y: np.add(y, x, out=y),
    "in place": lambda x, y: y.__iadd__(x),
    "a function": lambda x, y: np.copyto(y, x),
    "an assignment": lambda x, y: y.__setitem__(slice(None), x),
}


@pytest.mark.parametrize("take", IN_ANY_ORDER.values(), ids=IN_ANY_ORDER)
def test_who_holds_something_takes_several_in_one_order_whatever_that_of_the_arguments(
    threads, take
):
    w, x, y = arrays(3)  # in lock order
    one, two = threads(2)
    first, second = w.write(), x.write()
    one.do(second.acquire)
    two.do(first.acquire)  # so it takes the others one after the other
    two.begin(lambda: take(x, y))
    assert two.waits_for(x.lock) is not None
    assert free(y)
    one.do(second.release)
    two.wait()
    two.do(first.release)
    wait_until(lambda: free(w, x, y))


def test_circle_of_arrays_under_one_lock_is_none(threads):
    x = LockedArray([0.0])
    y = la.zeros(1, lock=x.lock)
    with x.write(), y.write():
        y += 1
        x += y
    assert x[0] == 1
    assert free(x, y)


# -- no circles ----------------------------------------------------------------------------------------


def test_chain_of_waiting_threads_is_not_refused(threads):
    xs = arrays(4)
    workers = threads(4)
    guards = [x.write() for x in xs]
    for worker, guard in zip(workers, guards, strict=True):
        worker.do(guard.acquire)
    for i in (2, 1, 0):  # each waits for the next one
        workers[i].begin(lambda i=i: xs[i + 1].fill(1))
        assert workers[i].waits_for(xs[i + 1].lock) == "write"
    for worker, guard in reversed(list(zip(workers, guards, strict=True))):
        worker.wait()
        worker.do(guard.release)
    assert [x[0] for x in xs] == [0, 1, 1, 1]
    assert free(*xs)


def test_wait_for_a_thread_that_waits_for_another_one_is_not_refused(threads):
    x, y, z = arrays(3)
    one, two, three = threads(3)
    a, b, c = x.read(), y.write(), z.write()
    one.do(a.acquire)
    two.do(b.acquire)
    three.do(c.acquire)
    two.begin(z.sum)
    assert two.waits_for(z.lock) == "read"
    one.begin(y.sum)
    assert one.waits_for(y.lock) == "read"
    three.do(x.sum)  # x is read by one, who waits for two, who waits for three: no conflict
    three.begin(lambda: None)
    three.do(c.release)
    for thread in (two, one):
        thread.wait()
        thread.do({one: a, two: b}[thread].release)
    assert free(x, y, z)


def test_upgrade_waits_for_a_reader_that_waits_for_nobody(threads):
    x = LockedArray([0.0])
    [reader] = threads(1)
    guard = x.read()
    reader.do(guard.acquire)
    upgrader = start(lambda: upgrade(x))
    assert upgrader.waits_for(x.lock) == "write"
    reader.do(guard.release)
    upgrader.result()
    assert x[0] == 1
    assert free(x)


def upgrade(x):
    with x.read() as raw:
        before = raw[0]
        with x.write() as writable:
            assert raw[0] == before
            writable += 1


def test_thread_that_holds_nothing_is_never_refused(threads):
    x, y = arrays(2)
    with held_elsewhere(x.write()), held_elsewhere(y.write()):
        calls = [start(la.acquire(write=order).acquire) for order in [(x, y), (y, x), (x,), (y,)]]
        for call in calls:
            wait_until(lambda call=call: call.waiting(x.lock) or call.waiting(y.lock))
    for call in calls:
        call.result()


def test_upgrade_after_the_refused_one_gave_up_succeeds(threads):
    x = LockedArray([0.0])
    one, two = threads(2)
    readers = [x.read(), x.read()]
    one.do(readers[0].acquire)
    two.do(readers[1].acquire)
    one.begin(lambda: x.fill(1))
    assert one.waits_for(x.lock) == "write"
    for _ in range(3):
        with pytest.raises(la.DeadlockError):
            two.do(lambda: x.fill(2))
    two.do(readers[1].release)
    one.wait()
    two.begin(lambda: x.fill(2))  # now it only waits
    assert two.waits_for(x.lock) == "write"
    one.do(readers[0].release)
    two.wait()
    assert x[0] == 2


def test_wait_that_ends_by_a_timeout_opens_the_circle_again(threads):
    x, y = arrays(2)
    one, two = threads(2)
    a, b = x.write(), y.write()
    one.do(a.acquire)
    two.do(b.acquire)
    with pytest.raises(la.LockTimeout):
        one.do(lambda: y.write(timeout=0.01).acquire())
    two.begin(lambda: x.fill(1))  # nobody waits for two any more
    assert two.waits_for(x.lock) == "write"
    one.do(a.release)
    two.wait()
    two.do(b.release)
    assert free(x, y)


# -- stress --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_random_nesting_always_ends(seed):
    xs = [LockedArray(np.zeros(1, int)) for _ in range(4)]
    done = [0] * len(xs)
    refused = []
    tally = threading.Lock()

    def work(number):
        rng = random.Random(f"{seed}-{number}")
        for _ in range(120):
            chain = rng.choices(range(len(xs)), k=3)
            written = []
            try:
                nest(rng, chain, written)
            except la.DeadlockError:
                refused.append(1)
            with tally:
                for i in written:
                    done[i] += 1

    def nest(rng, chain, written):
        if not chain:
            return
        i, *rest = chain
        if rng.random() < 0.4:
            with xs[i].read():
                nest(rng, rest, written)
        elif rng.random() < 0.7:
            with xs[i].write() as raw:
                raw += 1
                written.append(i)
                nest(rng, rest, written)
        else:
            xs[i].at[0] += 1
            written.append(i)
            nest(rng, rest, written)

    together(*[lambda number=number: work(number) for number in range(5)])
    print(f"seed {seed}: {len(refused)} refused")
    assert [x[0] for x in xs] == done
    assert free(*xs)


def test_operations_on_the_same_arrays_in_all_orders_end():
    xs = [LockedArray(np.zeros(3)) for _ in range(3)]

    def work(order):
        a, b, c = order
        for _ in range(40):
            np.add(a, b, out=c)
            a[...] = b
            np.copyto(b, c)
            np.concatenate([a, b, c])
            np.divmod(a, 2, out=(b, c))
            b.at[0].set(c[0])
            np.where(a > b, b, c)

    together(*[lambda order=order: work(order) for order in itertools.permutations(xs)])
    assert free(*xs)
