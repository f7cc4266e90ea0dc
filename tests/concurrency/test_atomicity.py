"""Each operation is one step for all threads: no update is lost, no reader sees half of one."""

import itertools
import threading
import time

import numpy as np
import pytest

import lockedarray as la
from arrange import free
from lockedarray import LockedArray
from threads import together


def test_updates_of_one_element_by_eight_threads_are_all_counted():
    x = LockedArray([0])

    def count():
        for _ in range(2_000):
            x.at[0] += 1

    together(*[count] * 8)
    assert x[0] == 16_000
    assert free(x)


UPDATES = {
    "x[a:b] += 1": lambda x, i: exec("x[1:3] += 1", {"x": x}),
    "x += 1": lambda x, i: x.__iadd__(1),
    "view += 1": lambda x, i: x[:].__iadd__(1),
    "np.add(out)": lambda x, i: np.add(x, 1, out=x),
    "np.add.at": lambda x, i: np.add.at(x, [1, 2], 1),
    "x.at[list] += 1": lambda x, i: exec("x.at[[1, 2]] += 1", {"x": x}),
    "x.at.apply": lambda x, i: x.at[1:3].apply(lambda v: v + 1),
    "compare_exchange": lambda x, i: swap_until_done(x),
    "write": lambda x, i: increase(x),
    "acquire": lambda x, i: increase_by_acquire(x),
    "lock": lambda x, i: increase_under_lock(x),
    "row += 1": lambda x, i: x.reshape(2, 2).T.__iadd__(1),
}


def swap_until_done(x):
    for i in (1, 2):
        old = x[i]
        while not (swap := x.at[i].compare_exchange(old, old + 1))[0]:
            old = swap[1]


def increase(x):
    with x.write() as raw:
        raw[1:3] = raw[1:3] + 1


def increase_by_acquire(x):
    with la.acquire(write=x[1:3], read=x) as (part, whole):
        part[...] = whole[1:3] + 1


def increase_under_lock(x):
    with x.lock.gen_wlock():
        x[1] = x[1] + 1
        x[2] = x[2] + 1


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_no_update_is_lost(update):
    x = LockedArray([0, 0, 0, 0])

    def work():
        for i in range(250):
            update(x, i)

    together(*[work] * 4)
    assert x[1:3].tolist() == [1000, 1000]
    assert free(x)


def test_different_updates_of_one_array_are_all_counted():
    x = LockedArray(np.zeros(4, int))

    def work(update):
        for i in range(100):
            update(x, i)

    together(*[lambda update=update: work(update) for update in UPDATES.values()])
    assert x[1:3].tolist() == [100 * len(UPDATES)] * 2


READS = {
    "snapshot": lambda x: x.snapshot(),
    "copy": lambda x: x.copy(),
    "x + 0": lambda x: x + 0,
    "tolist": lambda x: np.array(x.tolist()),
    "tobytes": lambda x: np.frombuffer(x.tobytes()),
    "fancy": lambda x: x[np.arange(x.size)],
    "mask": lambda x: x[np.ones(x.size, bool)],
    "read": lambda x: guarded(x),
    "minmax": lambda x: np.array([(x - x.min()).max() * 0, 0]),
    "unique": np.unique,
    "sort": np.sort,
    "concatenate": lambda x: np.concatenate([x, x[::-1]]),
    "stack": lambda x: np.stack([x[:10], x[-10:]]),
    "take": lambda x: x.take([0, -1]),
    "flat": lambda x: x.flat[:],
    "repr": lambda x: np.array(
        [len(set(repr(x[::2500])[13:-2].replace("\n", "").split(", "))) == 1] * 2
    ),
    "asarray, snapshot": lambda x: np.asarray(x.snapshot()),
}


def guarded(x):
    with x.read() as raw:
        return raw.copy()


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_reader_sees_half_of_a_write(read):
    x = LockedArray(np.zeros(10_000))
    over = threading.Event()

    def write():
        for i in range(60):
            x[...] = np.full(10_000, float(i))
            x.fill(i + 0.5)
            with x.write() as raw:
                raw[:5000] = i
                time.sleep(0.0005)  # who would look without the lock, looks now
                raw[5000:] = i
        over.set()

    def look():
        looks = 0
        while (
            not over.wait(0.0001) or looks < 3
        ):  # else the GIL may go from reader to reader for seconds
            seen = read(x)
            assert (seen == seen.flat[0]).all(), seen
            looks += 1

    together(write, look, look)
    assert free(x)


def test_no_reader_sees_half_of_an_exchange_between_arrays():
    x, y = LockedArray(np.zeros(2000)), LockedArray(np.ones(2000))
    over = threading.Event()

    def swap():
        for _ in range(200):
            with la.acquire(write=(x, y)) as (a, b):
                a[...], b[...] = b.copy(), a.copy()
        over.set()

    def look():
        while not over.is_set():
            both = np.concatenate([x, y])
            assert both.sum() == 2000
            assert (np.subtract(x, y) ** 2 == 1).all()
            with la.acquire(read=(y, x)) as (b, a):
                assert a[0] + b[-1] == 1

    together(swap, look, look)


def test_records_are_written_whole():
    x = LockedArray(np.zeros(1, [("a", "i8"), ("b", "i8", (50,)), ("c", "i8")]))
    over = threading.Event()

    def write():
        for i in range(1000):
            x[0] = (i, i, i)
        over.set()

    def look():
        while not over.is_set():
            record = x[0]
            assert record["a"] == record["c"]
            assert (record["b"] == record["a"]).all()

    together(write, look)


def test_sorting_loses_nothing_beside_other_writers():
    x = LockedArray(np.arange(500)[::-1])
    total = int(x.sum())

    def work(number):
        for i in range(100):
            [x.sort, lambda: x[::-1].sort(), lambda: x.partition(i), lambda: reverse(x)][number]()
            assert int(x.sum()) == total

    together(*[lambda number=number: work(number) for number in range(4)])
    assert sorted(x.tolist()) == list(range(500))


def reverse(x):
    x[...] = x[::-1]


def test_each_token_is_drawn_once():
    x = LockedArray(np.ones(300, int))
    drawn = [[] for _ in range(4)]

    def draw(mine):
        for i in range(300):
            if x.at[i].exchange(0):
                mine.append(i)

    together(*[lambda mine=mine: draw(mine) for mine in drawn])
    assert sorted(itertools.chain(*drawn)) == list(range(300))


def test_last_ticket_is_sold_once():
    for _ in range(30):
        tickets = LockedArray([3])

        def sell(tickets=tickets):
            with tickets.write() as raw:
                if raw[0] > 0:
                    raw[0] -= 1
                    return 1
                return 0

        assert sum(together(*[sell] * 5)) == 3
        assert tickets[0] == 0


def test_adding_to_each_other_in_both_directions_ends():
    x, y = LockedArray(np.ones(100)), LockedArray(np.ones(100))

    def add(a, b):
        for _ in range(200):
            a += b
            b[...] = a
            a[...] = 1

    together(lambda: add(x, y), lambda: add(y, x))
    assert np.isfinite(x).all()
    assert free(x, y)


def test_appending_by_resize_loses_nothing():
    x = LockedArray(np.zeros(0, int))

    def append(number):
        for i in range(150):
            with x.write():
                n = x.size
                x.resize(n + 1)
                x[n] = number * 1000 + i

    together(*[lambda number=number: append(number) for number in range(4)])
    assert sorted(x.tolist()) == [number * 1000 + i for number in range(4) for i in range(150)]


def test_threads_that_fail_in_between_disturb_nobody():
    x = LockedArray(np.zeros(3))

    def work(number):
        for i in range(150):
            x.at[0] += 1
            for failing in (
                lambda: np.add(x, np.ones(7), out=x),
                lambda: x.at[9].add(1),
                lambda: x.at[0].apply(lambda v: v / 0 if i < 0 else [][0]),
                lambda: x.resize(-1),
                lambda: x.write(timeout=-1),
            ):
                with pytest.raises((ValueError, IndexError)):
                    failing()

    together(*[lambda number=number: work(number) for number in range(4)])
    assert x.tolist() == [600, 0, 0]
    assert free(x)


def test_freezing_is_one_step():
    for _ in range(20):
        x = LockedArray(np.zeros(100))
        begun = threading.Event()

        def write(x=x, begun=begun):
            for i in range(1, 10_000_000):
                try:
                    x.fill(i)
                except ValueError:
                    return i - 1
                begun.set()
            raise AssertionError("never frozen")

        def freeze(x=x, begun=begun):
            begun.wait(20)
            x.freeze()
            return x.snapshot()

        last, seen = together(write, freeze)
        assert (seen == last).all()
        assert (x == last).all()
