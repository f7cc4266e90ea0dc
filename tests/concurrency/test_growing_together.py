"""append and popleft of several threads: every row comes out once, and readers see whole rows."""

import threading

import numpy as np
import pytest

import lockedarray as la
from arrange import free, run_isolated
from lockedarray import LockedArray
from threads import together

ROWS = 300


@pytest.mark.parametrize("dtype", ["f8", object])
def test_every_row_that_threads_append_and_remove_appears_once(dtype):
    x = LockedArray(np.zeros((0, 2), dtype))
    removed = [[] for _ in range(2)]
    left = threading.Semaphore(0)

    def produce(number):
        for i in range(ROWS):
            value = number * ROWS + i
            x.append(np.array([value, value], dtype))
            left.release()

    def consume(mine):
        for _ in range(ROWS):
            assert left.acquire(timeout=50)
            mine.extend(x.popleft().tolist())

    together(
        lambda: produce(0),
        lambda: produce(1),
        lambda: consume(removed[0]),
        lambda: consume(removed[1]),
    )
    rows = removed[0] + removed[1]
    assert sorted(rows) == [[i, i] for i in range(2 * ROWS)]
    for mine in removed:  # those of one producer come in its order
        for number in (0, 1):
            of_one = [a for a, _ in mine if a // ROWS == number]
            assert of_one == sorted(of_one)
    assert len(x) == 0
    assert free(x)


def test_places_that_append_returns_are_those_of_the_rows():
    x = la.zeros(0, "i8")
    places = [[] for _ in range(3)]

    def fill(number):
        for i in range(ROWS):
            places[number].append((x.append([number * ROWS + i] * 2), number * ROWS + i))

    together(*[lambda number=number: fill(number) for number in range(3)])
    content = x.tolist()
    assert len(content) == 6 * ROWS
    for place, value in [pair for pairs in places for pair in pairs]:
        assert content[place : place + 2] == [value, value]


def test_readers_beside_growth_see_whole_rows():
    x = la.zeros((4, 3))
    over = threading.Event()

    def grow():
        try:
            for i in range(1, 4 * ROWS):
                x.append(np.full(3, float(i)))
                if i % 3:
                    x.popleft()
                if i % 100 == 0:
                    x.assign(np.full((i % 7 + 1, 3), float(i)))
        finally:
            over.set()

    def read():
        while not over.is_set():
            rows = x.snapshot()
            assert (rows == rows[:, :1]).all()
            assert (np.diff(rows[:, 0]) >= 0).all()
            view = x[-1:]
            assert len(set(view.snapshot().ravel().tolist())) <= 1
            total = x.sum(axis=1) if len(x) else np.zeros(0)
            assert (np.diff(total) >= 0).all()

    together(grow, read, read)
    assert free(x)


ALIASES = """
import sys, threading
import numpy as np
import lockedarray as la

x = la.LockedArray(np.ones((50, 4)))
over = threading.Event()
errors = []
row = np.ones(4)

def look():
    try:
        kept = []
        while not over.is_set():
            a = np.asarray(x)
            b = x[1:3]
            kept = [*kept[-5:], a, b]
            for array in kept:
                if not (np.array(np.asarray(array)) == 1).all():
                    errors.append("freed memory")
            try:
                np.array(x)
            except ValueError as error:
                assert "broadcast" in str(error), error
    except BaseException as error:
        errors.append(repr(error))

threads = [threading.Thread(target=look) for _ in range(2)]
for thread in threads:
    thread.start()
sys.setswitchinterval(1e-5)
for i in range(3000):
    x.append(row)
    x.popleft()
    if i % 50 == 0:
        x.append(np.ones((200, 4)))
        x.popleft(200)
over.set()
for thread in threads:
    thread.join(50)
assert not errors, errors[:3]
assert x.tolist() == [[1] * 4] * 50
"""


def test_aliases_and_views_beside_growth_show_no_freed_memory():
    run_isolated(ALIASES, MALLOC_PERTURB_="165")
