"""Adoption: the memory of a temporary is taken over, and never that of anything reachable."""

import collections
import contextvars
import copy
import functools
import gc
import itertools
import operator
import sys
import weakref

import numpy as np
import pytest

import lockedarray as la
from arrange import run_isolated
from lockedarray import LockedArray


class Adopting(LockedArray):
    """Remembers what was made of it, where a function in C throws it away."""

    made: list = []

    def __array_finalize__(self, obj):
        super().__array_finalize__(obj)
        Adopting.made.append(self)


@pytest.fixture(autouse=True)
def _nothing_made():
    Adopting.made.clear()
    yield
    Adopting.made.clear()


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture
def temporary():
    """Return a function that makes a new array and remembers where its data is."""

    def make(shape=50_000):
        array = np.zeros(shape)
        make.address = address(array)
        return array

    return make


# From Python 3.14 on a call borrows its caller's variables, and the portable core copies instead.
adopts = pytest.mark.skipif(
    sys.version_info >= (3, 14) and la.backend == "portable",
    reason="no count of references tells a temporary from a variable",
)


@adopts
@pytest.mark.parametrize(
    "make",
    [
        lambda t: LockedArray(t()),
        lambda t: LockedArray(t(), copy=None),
        lambda t: LockedArray(t(), "f8"),
        lambda t: LockedArray(t(), order="C"),
        lambda t: LockedArray(t(), objects="shared", lock=la.zeros(1).lock),
        lambda t: la.LockedArray(t((5, 10_000))),
        lambda t: LockedArray([t()].pop()),
        lambda t: [LockedArray(make()) for make in [t]][0],
    ],
)
def test_temporary_is_adopted_without_a_copy(make, temporary):
    x = make(temporary)
    assert address(x) == temporary.address
    x[...] = 1
    x.resize(60_000)
    assert x.sum() == 50_000


@adopts
def test_result_of_an_expression_is_adopted():
    a = np.arange(50_000.0)
    x = LockedArray(a * 2 + 1)
    assert x[3] == 7
    assert a[3] == 3


def test_copy_true_copies_a_temporary(temporary):
    assert address(LockedArray(temporary(), copy=True)) != temporary.address


def test_temporary_view_or_read_only_array_is_copied():
    a = np.zeros(5)
    a.setflags(write=False)
    for x in (LockedArray(a[:]), LockedArray(a.view()), LockedArray(np.zeros(6)[::2])):
        x[...] = 1
    x = LockedArray(np.frombuffer(bytes(16)))
    x[0] = 1
    assert a.sum() == 0


class Holder:
    def __init__(self):
        self.array = np.zeros(3)

    @property
    def given(self):
        return self.array


def of_argument(array):
    return LockedArray(array)


def of_default(array=np.zeros(3)):
    return LockedArray(array), array


REACHABLE = np.zeros(3)


def reachable_ways():
    """Yield (id, function); the function returns a LockedArray and the array that is reachable."""
    a = np.zeros(3)
    holder = Holder()
    nested = {"key": [np.zeros(3)]}
    yield "variable", lambda: (LockedArray(a), a)
    yield "global", lambda: (LockedArray(REACHABLE), REACHABLE)
    yield "keyword", lambda: (LockedArray(obj=a), a)
    yield "attribute", lambda: (LockedArray(holder.array), holder.array)
    yield "property", lambda: (LockedArray(holder.given), holder.array)
    yield "element", lambda: (LockedArray(nested["key"][0]), nested["key"][0])
    yield "getattr", lambda: (LockedArray(getattr(holder, "array")), holder.array)
    yield "argument", lambda: (of_argument(a), a)
    yield "default", of_default
    yield "walrus", lambda: (LockedArray(b := np.zeros(3)), b)
    yield "conditional", lambda: (LockedArray(a if a is not None else None), a)
    yield "or", lambda: (LockedArray(None or a), a)
    yield "star", lambda: (LockedArray(*[a]), a)
    yield "two stars", lambda: (LockedArray(**{"obj": a}), a)

    def local():
        b = np.zeros(3)
        return LockedArray(b), b

    def closure():
        b = np.zeros(3)

        def inner():
            return LockedArray(b)

        return inner(), b

    def loop():
        rows = [np.zeros(3), np.zeros(3)]
        return [LockedArray(row) for row in rows][1], rows[1]

    def generator():
        rows = [np.zeros(3), np.zeros(3)]
        return next(LockedArray(row) for row in rows), rows[0]

    def viewed():
        b = np.zeros(3)
        view = b[1:]
        del b
        base = view.base
        return LockedArray(base), view

    def exported():
        b = np.zeros(3)
        buffer = memoryview(b)
        return LockedArray(buffer.obj), b

    def subclass():
        class Other(LockedArray):
            def __new__(cls, obj):
                return super().__new__(cls, obj)

        b = np.zeros(3)
        return Other(b), b

    yield from [
        (f.__name__, f) for f in (local, closure, loop, generator, viewed, exported, subclass)
    ]

    # Callables in C, which keep their arguments and pass them on without a reference of their own
    def partial():
        p = functools.partial(LockedArray, np.zeros(3))
        return p(), p.args[0]

    def partial_with_keyword():
        p = functools.partial(LockedArray, np.zeros(3))
        return p(dtype=float), p.args[0]

    def partial_with_dtype():
        p = functools.partial(LockedArray, np.zeros(3))
        return p(float), p.args[0]

    def partial_of_keyword():
        p = functools.partial(LockedArray, obj=np.zeros(3))
        return p(), p.keywords["obj"]

    def partial_of_partial():
        p = functools.partial(functools.partial(LockedArray, np.zeros(3)), order="K")
        return p(dtype=float), p.args[0]

    def partial_in_a_call():
        p = functools.partial(LockedArray, np.zeros(3))
        return list(map(lambda _: p(float), [0]))[0], p.args[0]  # noqa: C417

    def partial_in_a_map():
        p = functools.partial(LockedArray, np.zeros(3))
        return list(map(p, [float]))[0], p.args[0]

    def partialmethod():
        class Maker:
            make = functools.partialmethod(
                classmethod(lambda cls, array, dtype=None: LockedArray(array)), np.zeros(3)
            )

        return Maker().make(), Maker.__dict__["make"].args[0]

    def default_factory():
        p = functools.partial(LockedArray, np.zeros(3))
        table = collections.defaultdict(p)
        return table["key"], p.args[0]

    def default_factory_called():
        p = functools.partial(LockedArray, np.zeros(3))
        return collections.defaultdict(p).__missing__("key"), p.args[0]

    def default_factory_fetched():
        p = functools.partial(LockedArray, np.zeros(3))
        return operator.getitem(collections.defaultdict(p), "key"), p.args[0]

    def mapped():
        rows = [np.zeros(3), np.zeros(3)]
        return list(map(LockedArray, rows))[1], rows[1]

    def mapped_twice():
        rows = [np.zeros(3)]
        return list(map(LockedArray, rows, [float]))[0], rows[0]

    def starmapped():
        rows = [(np.zeros(3),)]
        return list(itertools.starmap(LockedArray, rows))[0], rows[0][0]

    def starmapped_with_dtype():
        rows = [(np.zeros(3), float)]
        return list(itertools.starmap(LockedArray, rows))[0], rows[0][0]

    def called_by_methodcaller():
        caller = operator.methodcaller("LockedArray", np.zeros(3))
        return caller(la), caller.__reduce__()[1][1]

    def called_by_methodcaller_with_dtype():
        caller = operator.methodcaller("LockedArray", np.zeros(3), dtype=float)
        return caller(la), caller(la)

    def called_by_iterator():
        p = functools.partial(Adopting, np.zeros(1))
        iterator = iter(p, 5.0)
        return next(iterator), p.args[0]

    def run_in_a_context():
        b = np.zeros(3)
        return contextvars.copy_context().run(LockedArray, b), b

    def key_of_sort():
        rows = [np.zeros(1)]
        rows.sort(key=Adopting)
        return Adopting.made[-1], rows[0]

    def key_of_sorted():
        rows = [np.zeros(1)]
        sorted(rows, key=Adopting)
        return Adopting.made[-1], rows[0]

    def key_of_max():
        rows = [np.zeros(1)]
        max(rows, key=Adopting)
        return Adopting.made[-1], rows[0]

    def grouped():
        rows = [np.zeros(1)]
        key, _ = next(itertools.groupby(rows, Adopting))
        return key, rows[0]

    def reduced():
        rows = [np.zeros(3), float]
        return functools.reduce(LockedArray, rows), rows[0]

    def rebuilt_by_copy():
        class Reduced:
            array = np.zeros(3)

            def __reduce__(self):
                return LockedArray, (self.array,)

        return copy.copy(Reduced()), Reduced.array

    def cached():
        class Key:
            pass

        key = Key()
        arrays = {key: np.zeros(3)}
        make = functools.lru_cache(lambda key: LockedArray(arrays[key]))
        return make(key), arrays[key]

    for f in (
        partial,
        partial_with_keyword,
        partial_with_dtype,
        partial_of_keyword,
        partial_of_partial,
        partial_in_a_call,
        partial_in_a_map,
        partialmethod,
        default_factory,
        default_factory_called,
        default_factory_fetched,
        mapped,
        mapped_twice,
        starmapped,
        starmapped_with_dtype,
        called_by_methodcaller,
        called_by_methodcaller_with_dtype,
        called_by_iterator,
        run_in_a_context,
        key_of_sort,
        key_of_sorted,
        key_of_max,
        grouped,
        reduced,
        rebuilt_by_copy,
        cached,
    ):
        yield f.__name__, f


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in reachable_ways()])
def test_what_is_reachable_is_not_adopted(make):
    x, reachable = make()
    x[...] = 1
    assert not np.shares_memory(x, reachable)
    assert not np.any(np.asarray(reachable))


def test_what_a_weak_reference_reaches_is_not_adopted():
    array = np.zeros(3)
    reference = weakref.ref(array)
    box = [array]
    del array
    x = LockedArray(box.pop())
    gc.collect()
    reachable = reference()
    assert reachable is None or not np.shares_memory(reachable, x)


@pytest.mark.parametrize(
    "begin",
    [
        "_thread.start_new_thread(LockedArray, (np.zeros(3),))",
        "weakref.finalize(box.pop(), LockedArray, np.zeros(3))",
        "atexit.register(LockedArray, np.zeros(3))",
        "signal.signal(signal.SIGTERM, lambda *_: LockedArray(np.zeros(3))); signal.raise_signal(signal.SIGTERM)",
    ],
    ids=["thread", "finalizer", "exit", "signal handler"],
)
def test_construction_needs_no_python_caller(begin):
    run_isolated(
        f"""
        import _thread, atexit, signal, sys, threading, time, weakref
        import numpy as np
        import lockedarray as la

        class Thing:
            pass

        box = [Thing()]
        made = threading.Event()

        class LockedArray(la.LockedArray):
            def __array_finalize__(self, obj):
                super().__array_finalize__(obj)
                made.set()

        {begin}
        if "atexit" not in {begin!r}:
            assert made.wait(20)
        """
    )


def test_adopted_arrays_of_threads_are_apart():
    made = [LockedArray(np.zeros(3)) for _ in range(50)]
    assert len({address(x) for x in made}) == 50
    assert len({id(x.lock) for x in made}) == 50
