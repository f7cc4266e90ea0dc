"""Code of elements: under 'exclusive' that of two threads never overlaps, whatever it does."""

import gc
import sysconfig
import threading
import time

import numpy as np
import pytest

import lockedarray as la
from arrange import free, run_isolated, waits_beside
from lockedarray import LockedArray
from threads import DEADLINE, start, together, wait_until


class Watched:
    """A number whose every method tells a watch when it begins and ends."""

    def __init__(self, watch, value):
        self.watch = watch
        self.value = value

    def _watched(self, make):
        with self.watch:
            time.sleep(0)
            return make()

    def __add__(self, other):
        return self._watched(
            lambda: Watched(self.watch, self.value + getattr(other, "value", other))
        )

    __radd__ = __add__

    def __mul__(self, other):
        return self._watched(
            lambda: Watched(self.watch, self.value * getattr(other, "value", other))
        )

    def __eq__(self, other):
        return self._watched(lambda: self.value == getattr(other, "value", other))

    def __lt__(self, other):
        return self._watched(lambda: self.value < getattr(other, "value", other))

    __gt__ = __le__ = __ge__ = __lt__
    __hash__ = None

    def __repr__(self):
        return self._watched(lambda: f"<{self.value}>")

    def __float__(self):
        return self._watched(lambda: float(self.value))

    def __bool__(self):
        return self._watched(lambda: bool(self.value))

    def sqrt(self):
        return self._watched(lambda: self.value**0.5)

    def __deepcopy__(self, memo):
        return self._watched(lambda: Watched(self.watch, self.value))

    def __reduce__(self):
        return self._watched(lambda: (int, (self.value,)))


class Watch:
    """Counts how many are inside at once."""

    def __init__(self):
        self._mutex = threading.Lock()
        self.inside = {}
        self.overlaps = 0
        self.entries = 0

    def __enter__(self):
        me = threading.get_ident()
        with self._mutex:
            self.entries += 1
            self.inside[me] = self.inside.get(me, 0) + 1
            self.overlaps += len(self.inside) > 1

    def __exit__(self, *_):
        me = threading.get_ident()
        with self._mutex:
            self.inside[me] -= 1
            if not self.inside[me]:
                del self.inside[me]


OPERATIONS = {
    "x + 1": lambda x: x + 1,
    "1 + x": lambda x: 1 + x,
    "x += 1": lambda x: x.__iadd__(1),
    "x * x": lambda x: x * x,
    "x == 1": lambda x: x == 1,
    "x < 2": lambda x: x < 2,
    "1 in x": lambda x: 1 in x,
    "repr": repr,
    "str": str,
    "astype": lambda x: x.astype(float),
    "sum": lambda x: x.sum(),
    "sort": lambda x: x.sort(),
    "np.sort": np.sort,
    "argsort": lambda x: x.argsort(),
    "max": lambda x: x.max(),
    "any": lambda x: x.any(),
    "nonzero": lambda x: x.nonzero(),
    "sqrt": np.sqrt,
    "add.at": lambda x: np.add.at(x, [0, 0], 1),
    "at.add": lambda x: x.at[0].add(1),
    "at.compare_exchange": lambda x: x.at[0].compare_exchange(-1, 5),
    "np.where": lambda x: np.where(x, 1, 2),
    "deepcopy": lambda x: x.__deepcopy__({}),
    "dumps": lambda x: x.dumps(),
    "array_equal": lambda x: np.array_equal(x, x),
    "view": lambda x: x[::-1] + 1,
    "into floats": lambda x: la.zeros(3).__setitem__(slice(None), x),
    "float": lambda x: float(x[:1].reshape(())),
    "bool": lambda x: bool(x[:1]),
    "format": lambda x: f"{x}",
    "flat": lambda x: x.flat == 1,
    "tofile": lambda x: np.array_str(x),
    "LockedArray": lambda x: LockedArray(x, float),
    "guard": lambda x: guarded(x),
}


def guarded(x):
    with x.read() as raw:
        return raw + 1


def watched(objects):
    watch = Watch()
    elements = np.empty(3, object)
    elements[:] = [Watched(watch, i) for i in range(3)]
    return watch, LockedArray(elements, objects=objects)


def test_every_operation_on_exclusive_elements_excludes_all_others():
    watch, x = watched("exclusive")

    def work(first):
        names = list(OPERATIONS)
        for i in range(len(names)):
            OPERATIONS[names[(first * 8 + i) % len(names)]](x)

    together(*[lambda first=first: work(first) for first in range(4)])
    assert watch.overlaps == 0
    assert watch.entries > 100
    assert free(x)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operation_runs_element_code_or_waits_for_it(operation):
    watch, x = watched("exclusive")
    inside, go = threading.Event(), threading.Event()

    class Blocking(Watched):
        def __add__(self, other):
            inside.set()
            assert go.wait(DEADLINE)
            return self

    blocked = LockedArray(np.array([Blocking(watch, 1)], object), lock=x.lock)
    holder = start(lambda: blocked + 1)
    assert inside.wait(DEADLINE)
    call = start(operation, x)
    assert call.waits_for(x.lock) == "write"
    assert watch.entries == 0
    go.set()
    holder.result()
    call.result()
    assert watch.entries > 0 or operation is OPERATIONS["guard"]
    assert free(x)


def test_shared_elements_are_read_side_by_side():
    x = None
    both = threading.Barrier(2)

    class Meeting:
        def __add__(self, other):
            both.wait(DEADLINE)
            return 1

    x = LockedArray(np.array([Meeting()], object), objects="shared")
    together(lambda: x + 1, lambda: x + 1)
    assert free(x)


def test_shared_elements_are_written_alone():
    watch, x = watched("shared")
    together(*[lambda: [x.__iadd__(1) for _ in range(10)]] * 3)
    assert watch.overlaps == 0
    assert sorted(element.value for element in x.snapshot()) == [30, 31, 32]


def test_blocking_element_blocks_others_only_as_long_as_their_timeout():
    inside, go = threading.Event(), threading.Event()

    class Blocking:
        def __eq__(self, other):
            inside.set()
            return go.wait(DEADLINE)

        __hash__ = None

    x = LockedArray(np.array([Blocking(), 2], object))
    holder = start(lambda: x == 1)
    assert inside.wait(DEADLINE)
    for guard in (x.read(timeout=0), x.write(timeout=0.01)):
        with pytest.raises(la.LockTimeout):
            guard.acquire()
    go.set()
    assert holder.result().tolist() == [True, False]
    assert free(x)


def test_elements_that_write_to_each_others_arrays_are_refused_a_deadlock():
    both_inside = threading.Barrier(2)
    arrays = []

    class Caller:
        def __init__(self, other):
            self.other = other

        def __add__(self, value):
            both_inside.wait(DEADLINE)
            arrays[self.other][1] = value
            return value

    arrays += [LockedArray(np.array([Caller(1 - i), 0], object)) for i in range(2)]

    def add(x):
        try:
            return (x[:1] + 5).tolist()
        except la.DeadlockError:
            return "refused"

    results = together(lambda: add(arrays[0]), lambda: add(arrays[1]))
    assert sorted(results, key=str) == [[5], "refused"]
    assert sorted(x[1] for x in arrays) == [0, 5]
    assert free(*arrays)


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="without a GIL, Python lets an object go in the thread that made it, whenever that likes",
)
def test_deletion_of_a_replaced_element_runs_alone():
    watch = Watch()

    class Dying:
        def __del__(self):
            with watch:
                time.sleep(0)

    x = LockedArray(np.array([Dying() for _ in range(4)], object))

    def work(number):
        for i in range(50):
            if number % 2:
                x[i % 4] = Dying()
            else:
                x.at[i % 4].set(Dying())

    together(*[lambda number=number: work(number) for number in range(4)])
    assert watch.overlaps == 0
    assert watch.entries >= 190
    x.fill(None)
    assert free(x)


def test_reference_counts_of_elements_survive_many_threads():
    class Element:
        alive = 0
        mutex = threading.Lock()

        def __init__(self):
            with Element.mutex:
                Element.alive += 1

        def __del__(self):
            with Element.mutex:
                Element.alive -= 1

    x = LockedArray(np.array([Element() for _ in range(8)], object))

    def work(number):
        for i in range(150):
            x[(i + number) % 8] = Element()
            x[i % 8] = x[(i + 1) % 8]
            x[:4] = x[4:8]
            copy = x.snapshot()
            assert all(isinstance(element, Element) for element in copy)
            x.at[i % 8].exchange(Element())
            if i % 10 == number:
                with x.write():
                    x.resize(16)
                    x[8:] = x[:8]
                    x.resize(8)

    together(*[lambda number=number: work(number) for number in range(4)])
    left = len({id(element) for element in x.snapshot()})
    assert left <= Element.alive
    x.resize(0)
    del x
    gc.collect()
    wait_until(lambda: Element.alive == 0)


def test_text_of_what_is_assigned_is_asked_for_before_the_lock_is_taken():
    run_isolated("""
import numpy as np, lockedarray as la
x = la.LockedArray(np.array(["a", "b", "c"], np.dtypes.StringDType()))

class Text:
    def __str__(self):
        assert not x.lock.holds()
        x[1] = "inner"  # NumPy alone would wait for itself, before 2.5.1
        return "outer"

x[0] = Text()
assert x.tolist() == ["outer", "inner", "c"], x
""")


arenas_deadlock = np.lib.NumpyVersion(np.__version__) < "2.5.1"


@pytest.mark.skipif(not arenas_deadlock, reason="this NumPy takes the locks of arenas in one order")
def test_operations_on_any_parts_of_a_stringdtype_array_do_not_overlap():
    x = LockedArray(np.array(["a", "b", "c"], np.dtypes.StringDType()))
    for guard in (x[:1].read(), x[:1].write()):
        for function in (lambda: x[1:] == "b", x[2:].snapshot, lambda: x.at[2].exchange("c")):
            assert waits_beside(guard, x.lock, function)[0] == "write"
    with x[:1].read() as raw:
        assert not raw.flags.writeable
    assert free(x)


def test_operations_on_stringdtype_arrays_in_opposite_orders_end():
    words = np.array(["alphabetically", "boustrophedonically"] * 300, np.dtypes.StringDType())
    x, y, z = LockedArray(words), LockedArray(words[::-1]), LockedArray(words)
    half = len(words) // 2

    def forth():
        for _ in range(60):
            np.less(x, y)
            np.maximum(x[:half], y[:half], out=z[:half])

    def back():
        for _ in range(60):
            np.less(y, x)
            np.maximum(y[half:], x[half:], out=z[half:])

    together(*[forth, back] * 4)
    assert z.tolist() == np.maximum(words, words[::-1]).tolist()
    assert free(x, y, z)


@pytest.mark.parametrize("index", [0, (0,), np.int8(0), (np.uint64(0),)], ids=repr)
def test_element_that_is_a_lockedarray_is_read_under_the_lock_by_integers_of_every_kind(index):
    x, element = LockedArray(np.array([None, None], object)), la.zeros(2)
    x[0] = element
    assert x[index] is element
    assert waits_beside(x.write(), x.lock, lambda: x[index]) == ("write", element)


def test_key_functions_and_callbacks_run_under_the_lock_of_their_operation():
    x = LockedArray(np.arange(6.0).reshape(2, 3))
    modes = []

    def look(row):
        modes.append([entry.mode for entry in x.lock.holds()])
        return row.sum()

    assert np.apply_along_axis(look, 1, x).tolist() == [3, 12]
    assert np.piecewise(x, [x > 2], [look, 0]).shape == (2, 3)
    assert all(held == ["read"] for held in modes)
    assert len(modes) >= 3
    assert free(x)
