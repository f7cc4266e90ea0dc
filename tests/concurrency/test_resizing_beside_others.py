"""resize beside readers and writers: nobody reads freed memory, everybody sees whole arrays."""

import threading
import time

import numpy as np
import pytest

from arrange import free, queued, run_isolated, waits_beside
from lockedarray import LockedArray, backend
from threads import start, together, wait_until

# Freed memory is filled with this byte by glibc, so that whoever reads it sees no plausible number.
PERTURB = {"MALLOC_PERTURB_": "165"}

STRESS = """
import gc, sys, threading
import numpy as np
import lockedarray as la

ones = np.dtype("f8").type(1)
x = la.LockedArray(np.ones(3000))
over = threading.Event()
errors = []

# An alias is read without the lock, and memset may be stopped at any byte, when the thread
# is: this is a one, of which all bytes but the last are zero already.
HALF_ZEROED = 2.0**-15

def check(a):
    # Elements are one, or zero where they are new: whatever else is freed memory.
    a = np.array(a)  # one look at each element, since they change
    good = (a == 1) | (a == 0) | (a == HALF_ZEROED)
    if not good.all():
        errors.append(np.asarray(a)[~good][:5].tolist())

def copied(copy):
    # NumPy reads the shape, makes an array, and reads the shape again: a copy without the lock
    # may fail, but neither crash nor read what is not there.
    try:
        check(copy(x))
    except ValueError as error:
        assert "broadcast" in str(error), error

def running(function):
    def run():
        try:
            while not over.is_set() and not errors:
                function()
        except BaseException as error:
            errors.append(repr(error))
    return threading.Thread(target=run)

def resizer(count, shapes):
    try:
        for i in range(count):
            x.resize(shapes[i % len(shapes)])
            x.fill(1)
            if i % 50 == 0:
                gc.collect()
    except BaseException as error:
        errors.append(repr(error))
    finally:
        over.set()
"""

FINISH = """
threads = [running(reader) for reader in readers]
for thread in threads:
    thread.start()
resizer(COUNT, SHAPES)
for thread in threads:
    thread.join(50)
    assert not thread.is_alive()
assert not errors, errors
assert x.lock.holds() == []
x.resize(5)
x.fill(2)
assert x.tolist() == [2] * 5
"""

READERS = {
    "locked": """
HALF_ZEROED = 1
readers = [lambda: check(x.snapshot()), lambda: check(x + 0), lambda: check(np.sort(x)), lambda: [x.sum(), x.tolist()]]
""",
    "aliases": """
readers = [lambda: check(np.asarray(x)), lambda: check(np.frombuffer(memoryview(x))), lambda: copied(np.array)]
""",
    "aliases that are kept": """
kept = []
def keep():
    kept.append(np.asarray(x))
    check(kept[-1])
    if len(kept) > 20:
        for alias in kept:
            check(alias)
        del kept[:15]
readers = [keep, lambda: check(np.asarray(x[x.size // 2 :]))]
""",
    "views": """
kept = []
def keep():
    view = x[: x.size // 2]
    kept.append(view)
    check(view.snapshot())
    check(np.asarray(view[::-1]))
    if len(kept) > 20:
        for view in kept:
            check(view + 0)
            check(np.asarray(view))
        del kept[:15]
readers = [keep, lambda: check(x.reshape(-1)[::2].snapshot())]
""",
    "guards": """
def guarded():
    with x.read() as raw:
        check(raw)
        check(raw[::2])
def nested():
    with x.write() as raw:
        n = x.size
        x.resize(n + 1)
        check(raw)
        x.resize(n)
readers = [guarded, nested]
""",
    "iteration": """
def iterate():
    for row in x[:20]:
        check(np.asarray(row))
readers = [iterate, lambda: [check(np.asarray(i)) for i in x.flat[:5]], lambda: len(x), lambda: repr(x[:3])]
""",
    "numpy's own": """
readers = [
    lambda: copied(lambda x: np.array(x, subok=True)),
    lambda: [check(chunk) for chunk in np.nditer(x, flags=["external_loop", "buffered", "zerosize_ok"])],
    lambda: check(np.concatenate([np.ones(2), np.asarray(x).ravel()])),
]
""",
}

FAR = "[(10,), (3000,), (0,), (5000,), (100,), (20_000,)]"
NEAR = "[(2999,), (3000,), (2998,)]"
OTHER_SHAPES = "[(30, 100), (100, 30), (3000,), (10, 10), (5000,), (2, 3, 4)]"


@pytest.mark.timeout(250)
@pytest.mark.parametrize("shapes", [FAR, NEAR, OTHER_SHAPES], ids=["far", "near", "other shapes"])
@pytest.mark.parametrize("readers", READERS.values(), ids=READERS)
def test_readers_beside_resize_never_see_freed_memory(readers, shapes):
    if "x.flat" in readers or "nested" in readers or "kept.append(view)" in readers:
        shapes = shapes.replace("(0,)", "(1,)")
    count = 120 if backend == "native" else 40  # there each takes ten times as long
    program = f"{STRESS}{readers}\nSHAPES, COUNT = {shapes}, {count}\n{FINISH}"
    run_isolated(program, timeout=230, **PERTURB)  # views in Python, without the GIL, take long


def test_growing_moves_the_data_beside_readers():
    run_isolated(
        f"""{STRESS}
def grow():
    # Only ever to a new size, so that the data moves time and again.
    try:
        for n in range(1, 60):
            y = la.LockedArray(np.ones(n))
            view, alias = y[:], np.asarray(y)
            for k in range(1, 9):
                y.resize(n * 4**k)
                check(view.snapshot())
                check(alias)
                shared.append((y, view))
            del shared[:-4]
    except BaseException as error:
        errors.append(repr(error))
    finally:
        over.set()

shared = []
def look():
    for y, view in list(shared):
        check(np.asarray(view))
        check(np.asarray(y[: view.size]))
        check(view.snapshot())

threads = [running(look), running(look), threading.Thread(target=grow)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(50)
    assert not thread.is_alive()
assert not errors, errors
""",
        **PERTURB,
    )


def test_views_made_during_a_resize_are_attached():
    x = LockedArray(np.zeros(4))
    made = []
    over = threading.Event()

    def resize():
        for i in range(300):
            x.resize(5 + i % 7 * 300)
        over.set()

    def view():
        while not over.is_set():
            made.append(x[1:3])
            made.append(x[:4].reshape(2, 2).T)
            if len(made) > 200:
                del made[:50]

    together(resize, view, view)
    x[:4] = [1, 2, 3, 4]
    for v in made:
        assert v.sum() in (5, 10)
        assert v.lock is x.lock
    x.resize(100_000)
    x[:4] = 7
    assert all((v == 7).all() for v in made)


def test_objects_beside_resize_are_kept():
    x = LockedArray(np.array([f"element {i}" for i in range(50)], object))
    over = threading.Event()

    def resize():
        for i in range(200):
            x.resize(50 + i % 5 * 100)
        over.set()

    def read():
        while not over.is_set():
            for element in x[:50].snapshot():
                assert element.startswith("element")
            x[7] = f"element {7}"

    together(resize, read, read)
    assert x[:50].tolist() == [f"element {i}" for i in range(50)]
    assert free(x)


def test_resize_and_writers_exclude_each_other():
    x = LockedArray(np.zeros(10, int))

    def resize():
        for i in range(150):
            x.resize(10 + i % 4 * 500)

    def add():
        for _ in range(150):
            x.at[:10] += 1

    def add_to_view(view):
        for _ in range(150):
            view += 1

    together(resize, add, add, lambda: add_to_view(x[:10]))
    assert x[:10].tolist() == [450] * 10
    assert free(x)


def test_two_that_resize_take_turns():
    x = LockedArray(np.ones(10))

    def resize(sizes):
        for i in range(200):
            x.resize(sizes[i % 2])
            assert x.size in (11, 200, 3000, 12)

    together(lambda: resize([11, 3000]), lambda: resize([200, 12]))
    assert x[:10].tolist() == [1] * 10


def test_reader_that_waits_for_a_resize_sees_the_new_shape():
    x = LockedArray(np.ones(3))
    guard = x.write()
    mode, shape = waits_beside(guard, x.lock, lambda: x.snapshot().shape)
    assert (mode, shape) == ("read", (3,))

    def resize_inside():
        with x.write():
            x.resize(7)

    resize_inside()
    assert x.snapshot().shape == (7,)


def add_one(x):
    x[0] += 1


MOVING = {
    "element": lambda x: x[0],
    "assignment": lambda x: x.__setitem__(0, (1, 2.0) if x.dtype.names else 5),
    "augmented": add_one,
    "at": lambda x: x.at[0].add(1),
    "at get": lambda x: x.at[0].get(),
    "imag": lambda x: setattr(x, "imag", 1),
}


MOST_TURNS = 200


@pytest.mark.parametrize("dtype", ["f8", "c16", "i4,f8"])
@pytest.mark.parametrize("operation", MOVING.values(), ids=MOVING)
def test_who_wants_one_element_has_its_turn_though_it_moves_each_time(operation, dtype):
    x = LockedArray(np.zeros(4, dtype))
    if operation is MOVING["imag"] and dtype != "c16":
        operation = MOVING["element"]
    if x.dtype.names and operation in (MOVING["augmented"], MOVING["at"]):
        operation = MOVING["assignment"]
    row, over, turns = np.zeros(1, dtype), threading.Event(), []

    def moves():
        while not over.is_set() and len(turns) < MOST_TURNS:
            with x.write():
                x.popleft(1)
                x.append(row)
                turns.append(1)
                wait_until(lambda: over.is_set() or queued(x.lock))
                time.sleep(0.002)  # it has waited for long enough to be handed the lock

    mover = start(moves)
    wait_until(lambda: turns)
    start(operation, x).result()
    over.set()
    mover.result()
    assert len(turns) < MOST_TURNS
    assert free(x)


class Resizing:
    """A value whose conversion resizes the array that it is assigned to."""

    def __init__(self, x):
        self.x, self.conversions = x, 0

    def __array__(self, *args, **kwargs):
        self.conversions += 1
        assert self.conversions < 1000
        self.x.resize(4 if len(self.x) == 5 else 5)
        return np.ones(())

    def __float__(self):
        return float(self.__array__())


ASSIGNING = {
    "imag": lambda x, value: setattr(x, "imag", value),
    "real": lambda x, value: setattr(x, "real", value),
    "element": lambda x, value: x.__setitem__(0, value),
    "element, list": lambda x, value: x.__setitem__(0, [value]),
    "part, list": lambda x, value: x.__setitem__(slice(0, 1), [[value]]),
    "all, list": lambda x, value: x.__setitem__(..., [value]),
    "at": lambda x, value: x.at[0].set(value),
    "at, part": lambda x, value: x.at[:2].add(value),
}


@pytest.mark.parametrize("dtype", ["f8", "c16", "V16", "i4,f8"])
@pytest.mark.parametrize("assign", ASSIGNING.values(), ids=ASSIGNING)
def test_a_value_that_resizes_the_array_as_it_is_converted_ends(assign, dtype):
    x = LockedArray(np.zeros(4, dtype))
    value = Resizing(x)
    try:
        assign(x, value)
    except (TypeError, ValueError):
        pass
    assert value.conversions < 20
    assert free(x)
