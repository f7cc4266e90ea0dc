"""append, popleft and assign in one thread: what rows there are, who shows them, what is refused."""

import gc
import pickle
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray
from lockedarray._array.buffer import Buffer


def content(x):
    return x.snapshot().tolist()


# -- as a list of rows ---------------------------------------------------------------------------------


class Tape:
    """What a LockedArray that grows promises: a row is a cell, and views show the same cells."""

    def __init__(self, rows):
        self.cells = [[row] for row in rows]
        self.begin, self.length = 0, len(rows)

    def rows(self, start=0, stop=None):
        stop = self.length if stop is None else stop
        return self.cells[self.begin + start : self.begin + stop]

    def put(self, start, values):
        for i, value in enumerate(values):
            at = self.begin + start + i
            if at == len(self.cells):
                self.cells.append([value])
            else:
                self.cells[at][0] = value

    def append(self, values):
        self.put(self.length, values)
        self.length += len(values)

    def popleft(self, n):
        removed = [cell[0] for cell in self.rows(0, n)]
        self.begin, self.length = self.begin + n, self.length - n
        return removed

    def assign(self, values):
        self.put(0, values)
        self.length = len(values)

    def resize(self, n, zero):
        self.put(self.length, [zero] * (n - self.length))
        self.length = n


COUNTS = st.integers(0, 9)
ACTS = st.lists(
    st.tuples(
        st.sampled_from("append append one pop pop assign resize view write drop".split()),
        COUNTS,
        COUNTS,
    ),
    max_size=60,
)
KINDS = {
    "numbers": ((), "f8", float),
    "rows": ((2,), "i4", int),
    "objects": ((), object, str),
    "texts": ((), np.dtypes.StringDType(), str),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(acts=ACTS)
def test_rows_and_views_are_those_of_a_list(kind, acts):
    shape, dtype, make = KINDS[kind]
    zero = np.zeros(shape, dtype).tolist()
    number = 0

    def fresh(n):
        nonlocal number
        number += n
        return [make(i) if not shape else [make(i)] * 2 for i in range(number - n, number)]

    first = fresh(3)
    x, tape, views = LockedArray(np.array(first, dtype)), Tape(first), []
    for act, n, m in acts:
        values = fresh(n)
        if act == "append":
            assert x.append(np.array(values, dtype).reshape(n, *shape)) == tape.length
            tape.append(values)
        elif act == "one":
            assert x.append(fresh(1)[0]) == tape.length
            tape.append([make(number - 1) if not shape else [make(number - 1)] * 2])
        elif act == "pop":
            n = min(n, tape.length)
            assert x.popleft(n).tolist() == tape.popleft(n)
        elif act == "assign":
            x.assign(np.array(values, dtype).reshape(n, *shape))
            tape.assign(values)
        elif act == "resize":
            x.resize(n, *shape)
            tape.resize(n, zero)
        elif act == "view":
            start, stop = sorted((min(n, tape.length), min(m, tape.length)))
            if start < stop:
                views.append((x[start:stop], tape.rows(start, stop)))
        elif act == "write" and tape.length:
            x[n % tape.length] = values[0] if values else zero
            tape.rows()[n % tape.length][0] = values[0] if values else zero
        elif act == "drop" and views:
            del views[n % len(views)]
        assert x.shape == (tape.length, *shape)
        assert content(x) == [cell[0] for cell in tape.rows()]
        for view, cells in views:
            assert content(view) == [cell[0] for cell in cells]
    assert x.base is None
    assert free(x)


# -- append ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "values", "appended"),
    [
        (np.zeros(2), 1.5, [1.5]),
        (np.zeros(2), [1, 2], [1.0, 2.0]),
        (np.zeros(2), np.float32(3), [3.0]),
        (np.zeros(2), np.arange(3, dtype="i2"), [0.0, 1.0, 2.0]),
        (np.zeros(2), np.arange(6.0)[::-2], [5.0, 3.0, 1.0]),
        (np.zeros(2), [], []),
        (np.zeros(2), np.array(4.0), [4.0]),
        (np.zeros(2, ">i4"), [1, 2], [1, 2]),
        (np.zeros((1, 2)), [1, 2], [[1.0, 2.0]]),
        (np.zeros((1, 2)), [[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
        (np.zeros((1, 2)), np.arange(4).reshape(2, 2).T, [[0.0, 2.0], [1.0, 3.0]]),
        (np.zeros((0, 2, 1), "i8"), np.ones((3, 2, 1)), [[[1], [1]]] * 3),
        (np.zeros((2, 0)), np.zeros((3, 0)), [[]] * 3),
        (np.zeros(1, "U3"), "abcd", ["abc"]),
        (np.zeros(1, "S2"), [b"a", b"bcd"], [b"a", b"bc"]),
        (np.zeros(1, "M8[s]"), np.datetime64("2000-01-01"), None),
        (np.zeros(1, "i4,f8"), (1, 2.5), [(1, 2.5)]),
        (np.zeros(1, "i4,f8"), [(1, 2.5), (3, 4)], [(1, 2.5), (3, 4.0)]),
        (np.zeros(1, object), None, [None]),
        (np.zeros(1, object), [1, 2], [[1, 2]]),
        (np.zeros(1, object), (1, 2), [(1, 2)]),
        (np.zeros(1, object), np.array([1, [2]], object), [1, [2]]),
        (np.zeros((1, 2), object), ["a", None], [["a", None]]),
        (np.zeros(1, np.dtypes.StringDType()), "t" * 50, ["t" * 50]),
        (np.zeros(1, np.dtypes.StringDType()), ["a", "b"], ["a", "b"]),
    ],
    ids=str,
)
def test_append_adds_an_element_a_row_or_rows(x, values, appended):
    first, old = len(x), x.tolist()
    appended = [np.array(values, x.dtype)[()].item()] if appended is None else appended
    x = LockedArray(x)
    for times in (1, 2, 3):
        assert x.append(values) == first + (times - 1) * len(appended)
        assert type(x.append(np.zeros((0, *x.shape[1:]), x.dtype))) is int
        assert content(x) == old + times * appended
    assert x.flags.c_contiguous
    assert x.strides == np.zeros(x.shape, x.dtype).strides or x.size == 0
    assert free(x)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("i4", 1.9), ("i4", np.float64(-1.5)), ("u1", np.int64(300)), ("f4", 1e300), ("i8", 2**70),
        ("i8", float("nan")), ("f8", "3.5"), ("f8", "no"), ("f8", None), ("f8", 1j), ("f8", {}),
        ("i4", [1, "x"]), ("i4", [[1], [2, 3]]), ("M8[s]", "never"), ("f8", np.array([1j])),
        ("f8", np.complex128(1j)), ("?", "a"), ("f8", object()),
    ],
    ids=str,
)  # fmt: skip
def test_append_casts_and_refuses_as_an_assignment_does(dtype, value):
    single = not isinstance(value, (list, np.ndarray))

    def outcome(store):
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
            warnings.simplefilter("always")
            try:
                return store(), [warning.category for warning in caught]
            except Exception as error:
                return type(error), [warning.category for warning in caught]

    def assigned():
        a = np.zeros(1 if single else len(value), dtype)
        a[0 if single else slice(None)] = value
        return a.tolist()

    def appended():
        x.append(value)
        return content(x)[2:]

    for length in (2, 600):  # where there is no room for more, and where there is
        x = la.ones(2, dtype)
        if length > 2:
            x.resize(length)
            x.resize(2)
        result = outcome(appended)
        expected = outcome(assigned)
        assert repr(result) == repr(expected)
        if isinstance(result[0], type):
            assert content(x) == [1, 1] or dtype == "M8[s]"
            assert x.shape == (2,)
        assert free(x)


@pytest.mark.parametrize(
    ("shape", "wrong"),
    [
        ((2,), (1, 1)), ((2,), (2, 3)), ((2, 3), ()), ((2, 3), (2,)), ((2, 3), (1,)),
        ((2, 3), (3, 1)), ((2, 3), (1, 1, 3)), ((0, 3), (2,)), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 1)),
        ((), ()), ((), (1,)),
    ],
    ids=str,
)  # fmt: skip
def test_nothing_is_broadcast(shape, wrong):
    x = la.ones(shape)
    view, lock = x[...], x.lock
    for values in (np.zeros(wrong), np.zeros(wrong).tolist(), la.zeros(wrong)):
        with pytest.raises(ValueError, match="append|rows|inhomogeneous|sequence"):
            x.append(values)
        if wrong != shape:
            with pytest.raises(ValueError, match="assign|shape"):
                x.assign(np.zeros((*wrong, 7)))
    assert x.shape == view.shape == shape
    assert (x == 1).all()
    assert x.lock is lock
    assert free(x)


def test_locked_arrays_are_appended_and_an_array_to_itself():
    x, y = LockedArray(np.arange(3.0)), la.ones(2)
    assert x.append(y) == 3
    assert x.append(x) == 5
    assert x.append(x[:2]) == 10
    assert x.append(x[::-5]) == 12
    assert content(x) == [0, 1, 2, 1, 1] * 2 + [0, 1] + [1, 1, 1]
    t = la.zeros((1, 2))
    t.append([y, y + 1])
    t.append([t[0], y])
    assert content(t) == [[0, 0], [1, 1], [2, 2], [0, 0], [1, 1]]
    assert free(x, y, t)


def test_arrays_are_read_under_their_lock_when_they_are_appended():
    x, y = la.zeros(1), la.ones(2)
    mode, first = waits_beside(y.write(), y.lock, lambda: x.append(y))
    assert (mode, first) == ("read", 1)
    mode, _ = waits_beside(x[:1].read(), x.lock, lambda: x.append(1.0))
    assert mode == "write"
    mode, _ = waits_beside(x[:1].read(), x.lock, x.popleft)
    assert mode == "write"
    mode, _ = waits_beside(x[:1].read(), x.lock, lambda: x.assign([1.0]))
    assert mode == "write"
    assert free(x, y)


# -- popleft and assign ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [-1, -(2**70), 4, 2**70, 1.0, "1", None, [1]], ids=str)
def test_popleft_refuses_what_is_no_number_of_rows_there(n):
    x = LockedArray([1, 2, 3])
    expected = TypeError if not isinstance(n, int) else ValueError if n < 0 else IndexError
    with pytest.raises(expected):
        x.popleft(n)
    assert content(x) == [1, 2, 3]
    assert x.popleft(np.int8(2)).tolist() == [1, 2]
    assert x.popleft(0).shape == (0,)
    assert x.popleft().tolist() == [3]
    with pytest.raises(IndexError):
        x.popleft()
    assert free(x)


def test_what_popleft_returns_is_plain_and_of_its_own():
    x = LockedArray(np.arange(6, dtype="i2").reshape(3, 2))
    rows = x.popleft(2)
    assert type(rows) is np.ndarray
    assert rows.flags.owndata
    assert rows.flags.writeable
    assert (rows.dtype, rows.tolist()) == (np.dtype("i2"), [[0, 1], [2, 3]])
    assert x.popleft().tolist() == [[4, 5]]
    assert x.popleft(0).shape == (0, 2)


@pytest.mark.parametrize("n", [0, 1, 3, 5, 1000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_assign_replaces_contents_and_length(n, order):
    x = LockedArray(np.array(np.ones((3, 2)), order=order))
    view = x[1]
    values = np.arange(2.0 * n).reshape(n, 2)
    x.assign(values)
    assert x.shape == (n, 2)
    assert content(x) == values.tolist()
    if n >= 2 and order == "C":
        assert content(view) == [2, 3]
    x.assign(x[::-1])
    assert content(x) == values[::-1].tolist()
    x.assign(np.zeros((0, 2)))
    assert len(x) == 0
    assert free(x)


def test_assign_takes_lists_and_aliases_of_itself_and_casts():
    x = LockedArray(np.arange(6))
    x.assign(np.asarray(x)[3:])
    assert content(x) == [3, 4, 5]
    x.assign([1.9, 2.1])
    assert content(x) == [1, 2]
    o = LockedArray(np.array([1, 2, 3], object))
    o.assign(np.asarray(o)[1:])
    assert content(o) == [2, 3]
    o.assign([[1], (2, 3), None])
    assert content(o) == [[1], (2, 3), None]
    with pytest.raises(ValueError, match="invalid literal"):
        x.assign([1, "x"])
    assert content(x) == [1, 2]
    z = la.zeros(())
    z.assign(5)
    assert z[()] == 5
    assert free(x, o, z)


# -- views and aliases ---------------------------------------------------------------------------------


def test_views_of_removed_rows_stay_attached_to_each_other():
    x = LockedArray(np.arange(10.0))
    removed, inside, across = x[:3], x[1:2], x[2:8]
    x.popleft(4)
    for i in range(2000):
        x.append(i)
        x.popleft()
    inside[0] = 5
    assert content(removed) == [0, 5, 2]
    across[0] = -2
    assert content(removed) == [0, 5, -2]
    assert content(across) == [-2, 3, 4, 5, 6, 7]
    assert content(x) == list(range(1994, 2000))
    part = removed[1:]
    part += 1
    assert content(removed) == [0, 6, -1]
    assert removed.base is x
    assert removed.lock is x.lock
    assert free(x)


def test_view_of_rows_that_are_there_still_is_attached_after_moves():
    x = LockedArray(np.arange(10.0))
    x.popleft(5)
    view = x[2:]
    for i in range(5000):
        x.append(i)
    view += 100
    assert content(x)[:6] == [5, 6, 107, 108, 109, 0]


@pytest.mark.parametrize("alias", [np.asarray, memoryview, lambda x: x[1:].view(np.ndarray)])
def test_plain_alias_keeps_what_it_saw_though_the_rows_are_gone(alias):
    x = LockedArray(np.arange(50.0))
    kept = []
    for i in range(2000):
        if i % 400 == 0:
            kept.append((alias(x), np.array(alias(x))))
        x.append(i)
        x.popleft()
        if i % 400 == 399:
            del kept[:-2]
        for shown, before in kept:
            assert np.asarray(shown)[0] == before[0]
    for shown, before in kept:
        np.testing.assert_array_equal(np.asarray(shown), before)


def test_nothing_of_the_capacity_shows():
    x = LockedArray(np.arange(3.0))
    plain = np.arange(1.0, 4.0)
    x.append(3.0)
    x.popleft()
    assert (x.nbytes, x.size, len(x), x.base) == (24, 3, 3, None)
    assert memoryview(x).nbytes == 24
    assert memoryview(x).tolist() == plain.tolist()
    assert np.asarray(x).nbytes == 24
    assert x.flags.owndata == LockedArray(plain).flags.owndata
    assert x.__sizeof__() == LockedArray(plain).__sizeof__()
    assert len(pickle.dumps(x, 5)) < 1000
    assert pickle.loads(pickle.dumps(x)).tolist() == plain.tolist()
    assert x.__array_interface__["shape"] == (3,)
    twin = x.__copy__()
    twin.append(1)
    assert content(twin) == [*plain, 1]
    assert content(x) == plain.tolist()


def test_raw_views_of_guards_follow_rows_that_are_appended_and_removed():
    x = LockedArray(np.arange(4.0))
    with x.write() as raw, x[1:3].read() as part:
        assert x.popleft().tolist() == [0]
        x.append(np.arange(5000))
        raw[1] = 7
        assert part.tolist() == [7, 2]
        assert raw.tolist() == [0, 7, 2, 3]
        assert content(x)[:4] == [7, 2, 3, 0]
        assert x.popleft(5000).tolist()[:3] == [7, 2, 3]
        assert raw.tolist() == [0, 7, 2, 3]
    x.append(np.arange(9000))
    assert len(x) == 3 + 9000
    assert content(x)[:4] == [4997, 4998, 4999, 0]
    assert free(x)


# -- objects and texts -------------------------------------------------------------------------------


class Thing:
    pass


def test_objects_are_let_go_when_they_are_removed():
    x = LockedArray(np.zeros(0, object))
    things = []
    for _ in range(300):
        thing = Thing()
        things.append(weakref.ref(thing))
        x.append(thing)
        del thing
        if len(x) > 5:
            x.popleft()
    gc.collect()
    assert sum(thing() is not None for thing in things) == 5
    x.assign(np.array([None], object))
    gc.collect()
    assert all(thing() is None for thing in things)


@pytest.mark.parametrize("across", [False, True], ids=["removed only", "across"])
def test_removed_objects_live_as_long_as_a_view_shows_them(across):
    x = LockedArray(np.array([Thing() for _ in range(6)], object))
    things = [weakref.ref(thing) for thing in x.tolist()]
    view = x[1:5] if across else x[1:3]
    x.popleft(3)
    gc.collect()
    assert things[1]() is view[0]
    assert things[2]() is view[1]
    del view
    gc.collect()
    assert [thing() is None for thing in things] == [True] * 3 + [False] * 3
    assert x[0] is things[3]()


def test_code_of_a_removed_object_may_use_the_array_and_not_grow_it():
    seen = []

    class Last:
        def __del__(self):
            try:
                seen.append(len(x))
                x.append(1)
            except ValueError as error:
                seen.append(str(error))

    x = LockedArray(np.array([Last(), 1, 2], object))
    x.assign(np.array([3], object))
    gc.collect()
    assert "inside an operation" in seen[-1]
    assert content(x) == [3]
    assert free(x)


# -- what is refused -----------------------------------------------------------------------------------


def frozen():
    x = LockedArray(np.arange(4.0))
    x.freeze()
    return x


REFUSED = {
    "view": (lambda: LockedArray(np.arange(4.0))[:], "view"),
    "reshaped": (lambda: LockedArray(np.arange(4.0)).reshape(2, 2), "view"),
    "frozen": (frozen, "frozen"),
    "caller's memory": (lambda: LockedArray(np.arange(4.0), copy=False), "copy"),
    "bytes": (lambda: np.frombuffer(bytearray(8), "u1").view(LockedArray), "copy"),
    "non-contiguous": (
        lambda: LockedArray(np.arange(8.0).reshape(2, 2, 2).transpose(1, 0, 2), order="K"),
        "single-segment",
    ),
    "no axis": (lambda: la.zeros(()), "no rows"),
    "Fortran order": (lambda: LockedArray(np.ones((2, 3), order="F")), "Fortran"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_growth_changes_nothing(make, message):
    x = make()
    before = x.snapshot()
    row = before[:1] if x.ndim else before
    assigned = message not in ("no rows", "Fortran")
    for act in (
        lambda: x.append(row),
        lambda: x.popleft(1),
        lambda: x.popleft(0),
        lambda: x.append(row[:0] if x.ndim else row),
    ):
        with pytest.raises(ValueError, match=message):
            act()
    if assigned:
        with pytest.raises(ValueError, match=message):
            x.assign(row)
    assert x.shape == before.shape
    np.testing.assert_array_equal(x.snapshot(), before)
    assert free(x)


def test_growth_inside_an_operation_is_refused_and_nothing_is_lost():
    x = la.zeros(3, "f4")
    refused = []

    def grow(*_args, **_kwargs):
        for act in (lambda: x.append(1), x.popleft, lambda: x.assign([1]), lambda: x.append(x)):
            with pytest.raises(ValueError, match="inside an operation"):
                act()
        refused.append(len(x))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = grow
        x[1] = np.complex128(5 + 1j)
    assert refused == [3]
    assert content(x) == [0, 5, 0]
    assert free(x)


def test_wrong_arguments_are_type_errors():
    x = la.zeros(3)
    for act in (
        x.append,
        x.assign,
        lambda: x.append(1, 2),
        lambda: x.popleft(1, 2),
        lambda: x.append(n=1),
        lambda: x.popleft(m=1),
    ):
        with pytest.raises(TypeError):
            act()
    assert x.popleft(n=2).tolist() == [0, 0]
    x.append(values=1)
    x.assign(array=[5])
    assert content(x) == [5]


# -- under another lock, in subclasses -------------------------------------------------------------------


def test_arrays_under_one_lock_grow_together():
    x, y = la.zeros(2), la.zeros((0, 2))
    z = la.zeros(0, lock=x.lock)
    with la.acquire(write=(x, z)):
        for i in range(2000):
            z.append(i)
            x.append(z) if i == 0 else x.popleft(1) if len(x) > 1 else x.append(i)
    y.append(z[:2])
    assert len(z) == 2000
    assert content(y) == [[0, 1]]
    assert free(x, y, z)


def test_subclass_grows_and_its_views_with_it():
    class Log(LockedArray):
        pass

    x = Log(np.zeros(0))
    for i in range(1000):
        assert x.append(i) == i
    view = x[990:]
    assert type(view) is Log
    assert x.popleft(995).tolist() == list(range(995))
    assert content(x) == [995, 996, 997, 998, 999]
    view[-1] = 0
    assert x[-1] == 0


def test_array_that_numpy_made_grows():
    x = np.array(LockedArray([1.0, 2.0]), subok=True)
    assert type(x) is LockedArray
    alias = np.asarray(x)
    for i in range(3000):
        x.append(i)
        x.popleft()
    assert alias.tolist() == [1, 2]
    assert content(x) == [2998, 2999]


# -- memory -----------------------------------------------------------------------------------------------


def traced(operation, warm_up, count):
    """How many bytes more are in use after `count` operations than after `warm_up`."""
    for i in range(warm_up):
        operation(i)
    gc.collect()
    tracemalloc.start()
    try:
        for i in range(count):
            operation(i)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("beside", ["nothing", "views", "aliases"])
@pytest.mark.parametrize("dtype", ["f8", object])
def test_queue_that_goes_on_for_ever_stays_small(beside, dtype):
    x = LockedArray(np.zeros((10, 600), dtype))
    row, kept, places = np.ones(600, dtype), [], set()

    def operation(i):
        x.append(row)
        x.popleft()
        if beside != "nothing" and i % 3 == 0:
            kept.append(x[-2:] if beside == "views" else np.asarray(x))
            del kept[:-2]

    more = traced(operation, 60, 150)
    assert more < 4 * x.nbytes  # of fifteen times as much that has gone through
    for i in range(100):
        operation(i)
        places.add(x._buffer.memory.address)
    assert 2 <= len(places) <= 6


def test_array_that_grows_row_by_row_moves_seldom():
    x = la.zeros((0, 300))
    row, places = np.ones(300), set()
    for _ in range(500):
        x.append(row)
        places.add(x.__array_interface__["data"][0])
    assert len(places) < 25
    assert x._buffer.memory.nbytes < 2 * x.nbytes


@pytest.mark.parametrize("shape", [(4, 1), (1, 4)])
def test_resizes_of_two_dimensions_look_through_no_list(shape):
    x = la.zeros(shape)
    steps = []
    for n in (100, 400):
        for i in range(n):
            x.resize(4, 2 + i) if shape == (4, 1) else x.resize(2 + i, 4)
        earlier = x._earlier or {}
        steps.append(
            max([len(value) for value in earlier.values() if isinstance(value, list)], default=0)
        )
    assert steps[1] <= 2


def _no_memory(*_):
    raise MemoryError


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0, 4.0], np.arange(900.0)])
@pytest.mark.parametrize("step", ["_with_room", "_make_room", "_shaped", "_reshaping"])
def test_assign_that_runs_out_of_memory_changes_nothing(values, step, monkeypatch):
    x = la.array([5.0, 6.0, 7.0])
    view = x[1:]
    x[0] = 4.0
    monkeypatch.setattr(Buffer, step, _no_memory)
    try:
        x.assign(values)
    except MemoryError:
        assert x.tolist() == [4.0, 6.0, 7.0]
        assert view.tolist() == [6.0, 7.0]
    else:
        assert step == "_make_room"  # of few rows, which have room
    monkeypatch.undo()
    x.assign(values)
    assert x.tolist() == list(values)


def test_assign_puts_the_elements_before_they_can_be_seen(monkeypatch):
    x = la.array([5.0, 6.0, 7.0])
    seen = []

    def look(*arguments):
        steps = reshaping(*arguments)

        def act(*_):
            seen.append((len(x), x._buffer.root[:4].tolist()))
            steps[0][0](*steps[0][1])

        return (act, ()), steps[1]

    reshaping = Buffer._reshaping
    monkeypatch.setattr(Buffer, "_reshaping", lambda *arguments: look(*arguments))
    x.assign([1.0, 2.0, 3.0, 4.0])
    assert seen == [(3, [1.0, 2.0, 3.0, 4.0])]
    assert x.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_rows_that_were_removed_are_returned_though_memory_runs_out_afterwards(monkeypatch):
    x = LockedArray(np.array([Thing() for _ in range(6)], object))
    things = [weakref.ref(thing) for thing in x.tolist()]
    view = x[1:3]
    monkeypatch.setattr(Buffer, "_make_room", _no_memory)
    assert [thing() for thing in things[:3]] == list(x.popleft(3))
    monkeypatch.undo()
    assert len(x) == 3
    del view
    x.popleft()
    gc.collect()
    assert [thing() is None for thing in things] == [True] * 4 + [False] * 2
