"""Who comes first: all stand behind who has waited for long, but where that would close a circle."""

import contextlib
import threading
import time

import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, queued
from lockedarray import LockedArray
from threads import changing_often, start, together, wait_until

pytestmark = pytest.mark.timeout(60)

FOREIGN = {"own": lambda: None, "foreign": rwlock.RWLockFair}
below = pytest.mark.parametrize("below", FOREIGN.values(), ids=FOREIGN)


def arrays(count, below=lambda: None):
    return [LockedArray([1.0, 2.0], lock=below()) for _ in range(count)]


def refused(guard):
    """Whether a guard without a timeout of its own is not to be had at once."""
    try:
        with guard:
            return False
    except la.LockTimeout:
        return True


def begin_to_write(x):
    """Have a thread that holds nothing write `x`; return it once it is not overtaken any more.

    Until then somebody else has to hold `x` for reading.
    """
    writer = start(x.fill, 9)
    assert writer.waits_for(x.lock) == "write"
    wait_until(lambda: start(refused, x.read(timeout=0)).result())
    return writer


def take(guard):
    with guard:
        pass


# -- who holds something queues --------------------------------------------------------------------


@below
def test_readers_inside_guards_of_their_own_do_not_keep_a_writer_out(threads, below):
    [x] = arrays(1, below)
    count = 4
    readers, own = threads(count), arrays(count)
    outer, inner = [y.write() for y in own], [x.read() for _ in own]
    for reader, guard in zip(readers, outer, strict=True):
        reader.do(guard.acquire)
    readers[0].do(inner[0].acquire)
    writer = begin_to_write(x)
    for turn in range(1, 2 * count):  # the next one comes before the last one goes
        before, after = (turn - 1) % count, turn % count
        readers[after].begin(inner[after].acquire)
        readers[after].waits_for(x.lock)
        readers[before].do(inner[before].release)
        readers[after].wait()
    writer.result()  # a reader still holds x
    readers[after].do(inner[after].release)
    for reader, guard in zip(readers, outer, strict=True):
        reader.do(guard.release)
    assert free(x, *own)


TAKES = {
    "read": lambda x, **timeout: x.read(**timeout),
    "write": lambda x, **timeout: x.write(**timeout),
    "acquire": lambda x, **timeout: la.acquire(read=x, **timeout),
    "several": lambda x, **timeout: la.acquire(read=(x, la.zeros(1)), **timeout),
}
takes = pytest.mark.parametrize("wanted", TAKES.values(), ids=TAKES)


@below
@takes
@pytest.mark.parametrize("outer", ["read", "write"])
def test_who_holds_another_array_is_refused_behind_who_has_waited_for_long(below, wanted, outer):
    x, y = arrays(2, below)
    with held_elsewhere(x.read()):
        writer = begin_to_write(x)
        with getattr(y, outer)():
            assert refused(wanted(x, timeout=0))
            assert refused(wanted(x, timeout=0.005))
            assert not writer.done
            with y.read(timeout=0):  # what it has itself is still to be had
                pass
        assert queued(x.lock) == [writer.name]
    writer.result()
    assert free(x, y)


@below
@takes
def test_who_holds_another_array_comes_after_who_has_waited_for_long(threads, below, wanted):
    x, y = arrays(2, below)
    [thread] = threads(1)
    guard = y.write()
    thread.do(guard.acquire)
    with held_elsewhere(x.read()):
        writer = begin_to_write(x)
        thread.begin(lambda: take(wanted(x)))
        assert thread.waits_for(x.lock)
        assert not writer.done
    writer.result()
    thread.wait()
    thread.do(guard.release)
    assert free(x, y)


@pytest.mark.parametrize("nested", [False, True])
def test_reader_behind_a_writer_stays_there_when_one_of_several_readers_leaves(threads, nested):
    x, y = arrays(2)
    [thread] = threads(1)
    outer, inner = y.write(), x.read()
    if nested:
        thread.do(outer.acquire)
    with held_elsewhere(x.read()):
        with held_elsewhere(x.read()):
            writer = begin_to_write(x)
            thread.begin(inner.acquire)
            assert thread.waits_for(x.lock) == "read"
            time.sleep(0.005)  # it has waited for long, too
        for _ in range(3):  # others come and go
            assert refused(x.read(timeout=0))
            assert queued(x.lock) == [writer.name, thread.call.name]
    writer.result()
    thread.wait()
    thread.do(inner.release)
    if nested:
        thread.do(outer.release)
    assert free(x, y)


# -- where to stand behind would close a circle ----------------------------------------------------


@below
@pytest.mark.parametrize(
    "again",
    [
        lambda x, _: take(x.read(timeout=0)),
        lambda x, _: take(x.read()),
        lambda x, _: take(x[1:].read(timeout=50)),
        lambda x, y: take(la.acquire(read=(x, y), timeout=0)),
        lambda x, y: take(la.acquire(read=(x, y))),
        lambda x, y: x + y,
        lambda x, _: x.lock.gen_rlock().acquire(blocking=False),
        lambda x, _: x.lock.gen_rlock().acquire(),
    ],
    ids="try read time-limit try-both both add try-lock lock".split(),
)
def test_who_reads_reads_again_beside_a_waiting_writer(below, again):
    x, y = arrays(2, below)
    with x.read():
        writer = begin_to_write(x)
        again(x, y)
        assert writer.waiting(x.lock)
    writer.result()
    assert free(x, y)


@pytest.mark.parametrize("timeout", [0, None, 50])
def test_who_reads_may_write_before_a_waiting_writer(timeout):
    [x] = arrays(1)
    with x.read():
        writer = begin_to_write(x)
        with x.write(timeout=timeout) as raw:
            raw[0] = 5
        assert writer.waiting(x.lock)
        assert x[0] == 5
    writer.result()
    assert free(x)


def test_upgrade_that_waits_for_a_reader_comes_before_the_writer_in_front(threads):
    [x] = arrays(1)
    [one] = threads(1)
    outer, inner = x.read(), x.write()
    one.do(outer.acquire)
    with held_elsewhere(x.read()):
        writer = begin_to_write(x)
        one.begin(inner.acquire)
        assert one.waits_for(x.lock) == "write"
        assert queued(x.lock) == [writer.name, one.call.name]
    one.wait()
    assert writer.waiting(x.lock)
    one.do(inner.release)
    one.do(outer.release)
    writer.result()
    assert free(x)


@below
@pytest.mark.parametrize("limit", [None, 50])
@pytest.mark.parametrize("wants", ["read", "write"])
@pytest.mark.parametrize("nested", [False, True])
def test_wait_that_would_close_a_circle_lets_another_pass(threads, below, limit, wants, nested):
    x, y, z = arrays(3, below)
    one, two, three = threads(3)
    guards = [x.write(), y.read(), z.write()]
    one.do(guards[0].acquire)
    three.do(guards[1].acquire)
    if nested:
        two.do(guards[2].acquire)
    two.begin(lambda: y.fill(5))  # waits for three
    assert two.waits_for(y.lock) == "write"
    wait_until(lambda: start(refused, y.read(timeout=0)).result())
    inner = y.read(timeout=limit)
    one.begin(inner.acquire)  # stands behind two
    assert one.waits_for(y.lock) == "read"
    three.begin(lambda: take(getattr(x, wants)()))  # waits for one
    one.wait()
    assert three.waits_for(x.lock) == wants
    assert two.waits_for(y.lock) == "write"
    one.do(inner.release)
    one.do(guards[0].release)
    three.wait()
    three.do(guards[1].release)
    two.wait()
    if nested:
        two.do(guards[2].release)
    assert y[0] == 5
    assert free(x, y, z)


def test_who_closes_the_circle_passes_several_that_wait(threads):
    x, y = arrays(2)
    one, two = threads(2)
    outer, inner = x.write(), y.read()
    one.do(outer.acquire)
    two.do(inner.acquire)
    writers = [begin_to_write(y)]
    writers += [start(y.fill, 5) for _ in range(3)]
    for writer in writers:
        assert writer.waits_for(y.lock) == "write"
    two.begin(lambda: x.fill(1))  # waits for one
    assert two.waits_for(x.lock) == "write"
    one.do(lambda: take(y.read(timeout=0)))
    one.do(lambda: take(y.read()))
    assert all(writer.waiting(y.lock) for writer in writers)
    one.do(outer.release)
    two.wait()
    two.do(inner.release)
    for writer in writers:
        writer.result()
    assert free(x, y)


def test_circle_of_holds_alone_is_refused_beside_a_waiting_writer(threads):
    x, y = arrays(2)
    one, two = threads(2)
    guards = [x.read(), y.read()]
    one.do(guards[0].acquire)
    two.do(guards[1].acquire)
    writers = [begin_to_write(x), begin_to_write(y)]
    one.begin(lambda: y.fill(1))
    assert one.waits_for(y.lock) == "write"
    with pytest.raises(la.DeadlockError):
        two.do(lambda: x.fill(1))
    assert [writer.done for writer in writers] == [False, False]
    two.do(guards[1].release)
    one.wait()
    one.do(guards[0].release)
    for writer in writers:
        writer.result()
    assert free(x, y)


def test_who_has_passed_once_stands_behind_the_next_time(threads):
    x, y = arrays(2)
    one, three = threads(2)
    outer, inner = x.write(), y.read()
    one.do(outer.acquire)
    three.do(inner.acquire)
    writer = begin_to_write(y)
    three.begin(lambda: x.fill(1))
    assert three.waits_for(x.lock) == "write"
    one.do(lambda: take(y.read()))  # passes the writer, who waits for three, who waits for one
    one.do(outer.release)
    three.wait()
    one.do(outer.acquire)
    one.begin(lambda: take(y.read()))  # three waits for nobody now
    assert one.waits_for(y.lock) == "read"
    assert writer.waiting(y.lock)
    three.do(inner.release)
    writer.result()
    one.wait()
    one.do(outer.release)
    assert free(x, y)


@pytest.mark.skipif(
    la.backend != "native",
    reason="on the portable core, whoever is in front waits for all holders, too",
)
def test_who_passes_one_waiter_still_stands_behind_those_in_front_of_that_one(threads):
    x, y = arrays(2)
    holder, other, one, front = threads(4)
    outer, left, right = y.write(), x[:1].read(), x[1:].read()
    one.do(outer.acquire)
    holder.do(left.acquire)
    other.do(right.acquire)
    front.begin(lambda: x[1:].fill(5))  # waits for the other reader alone
    assert front.waits_for(x.lock) == "write"
    writer = begin_to_write(x)
    holder.begin(lambda: y.fill(1))  # waits for one
    assert holder.waits_for(y.lock) == "write"
    one.begin(lambda: take(x.read()))  # passes the writer of all, who waits for the holder
    assert one.waits_for(x.lock) == "read"
    assert front.waits_for(x.lock) == "write"
    other.do(right.release)
    front.wait()
    one.wait()
    assert writer.waiting(x.lock)
    one.do(outer.release)
    holder.wait()
    holder.do(left.release)
    writer.result()
    assert free(x, y)


# -- several arrays --------------------------------------------------------------------------------


@below
@pytest.mark.parametrize("nested", [False, True])
def test_who_does_not_get_all_is_in_nobodys_way(below, nested):
    x, y, z = arrays(3, below)
    done = threading.Event()

    def try_both():
        with z.write() if nested else contextlib.nullcontext():
            while not done.is_set():
                assert refused(la.acquire(write=(x, y), timeout=0))

    def try_one():
        try:
            for _ in range(1000):
                with x.write(timeout=0):
                    time.sleep(0)
        finally:
            done.set()

    with held_elsewhere(y.read()), changing_often():
        together(try_both, try_one)
    assert free(x, y, z)


@below
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_loops_over_several_arrays_do_not_keep_out_a_writer_of_the_last(below, nested, count):
    xs = tuple(arrays(count, below))
    own = arrays(3)
    done = threading.Event()
    inside = []
    limit = 2000

    def crowd(mine):
        with mine.write() if nested else contextlib.nullcontext():
            while len(inside) < limit and not done.is_set():
                with la.acquire(read=xs):
                    inside.append(1)
                    stay(len(inside))

    def stay(entered):  # until the next one is inside, or waits beside the writer
        wait_until(
            lambda: (
                done.is_set()
                or len(inside) > entered
                or sum(len(queued(x.lock)) for x in xs) > 1
                or entered >= limit
            )
        )

    def lonely():
        wait_until(lambda: len(inside) > 3)
        for i in range(3):
            xs[-1].fill(i)
        done.set()

    together(*[lambda mine=mine: crowd(mine) for mine in own], lonely)
    assert len(inside) < limit
    assert free(*xs, *own)
