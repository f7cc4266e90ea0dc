"""What an array of objects holds comes out as it went in: it is the very object, whatever it is."""

import collections
import operator
import sys

import numpy as np
import pytest

import lockedarray as la
from arrange import free
from lockedarray import LockedArray
from threads import start

Pair = collections.namedtuple("Pair", "a b")


class Equal(list):
    """Orders and adds, so that reductions return one of them."""

    def __lt__(self, other):
        return True

    __gt__ = __le__ = __ge__ = __lt__


def circle():
    made = [1]
    made.append(made)
    return made


def nested(levels=5000):
    made = []
    for _ in range(levels):
        made = [made]
    return made


ELEMENTS = {
    "a list that contains itself": lambda o: circle(),
    "5000 nested lists": lambda o: nested(),
    "a dict that contains itself": lambda o: (made := {}) or made.update(key=made) or made,
    "a list with an alias": lambda o: [np.asarray(o), [np.asarray(o)]],
    "a tuple with an alias": lambda o: (np.asarray(o), o),
    "an alias": np.asarray,
    "a view of an alias": lambda o: np.asarray(o)[1:],
    "the array itself": lambda o: o,
    "a view of itself": lambda o: o[1:],
    "another array": lambda o: la.zeros(2),
    "a list of arrays": lambda o: [la.zeros(2), o, o[1:]],
    "a record": lambda o: np.zeros((), "i4,f8")[()],
    "a named tuple": lambda o: Pair(np.asarray(o), [o]),
    "a plain array": lambda o: np.zeros(3),
    "an array without axes": lambda o: np.zeros(()),
}
WAYS = {
    "o[i]": lambda o: o[1],
    "o[np.int8]": lambda o: o[np.int8(1)],
    "o[i, j]": lambda o: o.reshape(1, 3)[0, 1],
    "of a view": lambda o: o[1:][0],
    "of a row": lambda o: o.reshape(3, 1)[1][0],
    "item": lambda o: o.item(1),
    "tolist": lambda o: o.tolist()[1],
    "tolist of a table": lambda o: o.reshape(1, 3).tolist()[0][1],
    "tolist without axes": lambda o: o[1:2].reshape(()).tolist(),
    "o[()]": lambda o: o[1:2].reshape(())[()],
    "iteration": lambda o: list(o)[1],
    "unpacking": lambda o: [*o][1],
    "flat": lambda o: o.flat[1],
    "flat iteration": lambda o: list(o.flat)[1],
    "take": lambda o: o.take(1),
    "np.take": lambda o: np.take(o, 1),
    "np.take, several": lambda o: np.take(o, [1])[0],
    "choose": lambda o: np.choose(1, [o[:1].reshape(()), o[1:2].reshape(())]),
    "compress": lambda o: o.compress([False, True])[0],
    "indices": lambda o: o[[1]][0],
    "mask": lambda o: o[np.array([False, True, False])][0],
    "an index without axes": lambda o: o[np.array(1)],
    "reduce": lambda o: np.add.reduce(o[1:2]),
    "sum": lambda o: o[1:2].sum(),
    "max": lambda o: o[1:2].max(),
    "np.min": lambda o: np.min(o[1:2]),
    "unstack": lambda o: getattr(np, "unstack", list)(o)[1],
    "snapshot": lambda o: o.snapshot()[1],
    "at.get": lambda o: o.at[1].get(),
    "at.get of a table": lambda o: o.reshape(1, 3).at[0, 1].get(),
    "at.get, index without axes": lambda o: o.at[np.array(1)].get(),
    "at.get, several": lambda o: o.at[1:].get()[0],
    "at.exchange": lambda o: o.at[1].exchange(None),
    "at.exchange, several": lambda o: o.at[[1]].exchange(None)[0],
    "at.apply": lambda o: o.at[1].apply(lambda element: element),
    "at.apply is given it": lambda o: (seen := []) or o.at[1].apply(seen.append) or seen[0],
    "at.compare_exchange": lambda o: o.at[1].compare_exchange(o[1], None)[1],
    "at.compare_exchange, other": lambda o: compared(o),
    "read": lambda o: read(o),
    "a ufunc of Python's": lambda o: np.frompyfunc(lambda _: o[1], 1, 1)(la.zeros(())),
    "records": lambda o: records(o)[0]["o"],
    "item of records": lambda o: records(o).item(0)[1],
    "tolist of records": lambda o: records(o).tolist()[0][1],
    "a field": lambda o: records(o)["o"][0],
}


def compared(o):
    if isinstance(o[1], (np.ndarray, np.void)):  # whose == has no truth, or no end
        return o[1]
    return o.at[1].compare_exchange("other", None)[1]


def read(o):
    with o.read() as raw:
        return raw[1]


def records(o):
    made = LockedArray(np.zeros(1, [("n", "i4"), ("o", "O")]))
    made["o"].at[0].set(o[1])
    return made


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("make", ELEMENTS.values(), ids=ELEMENTS)
def test_element_is_handed_out_as_it_is(make, way):
    o = la.full(3, None)
    element = make(o)
    o[1] = element
    assert way(o) is element
    assert free(o)
    o.fill(None)


@pytest.mark.parametrize("make", ELEMENTS.values(), ids=ELEMENTS)
def test_element_that_nothing_else_refers_to_is_handed_out_as_it_is(make):
    o = la.full(3, None)
    o[1] = make(o)
    key = id(o[1])
    assert id(o[1]) == key
    old = o.at[1].exchange(None)
    assert id(old) == key
    o[1] = old
    del old
    old = o.at[1].compare_exchange(o[1], None)[1]
    assert id(old) == key
    o[1] = old
    del old
    assert id(o.tolist()[1]) == key
    o.fill(None)


def _put_along(o, e):
    box = np.empty(1, object)
    box[0] = e
    np.put_along_axis(o, np.array([1]), box, 0)


def _boxed(store):
    """`store`, given the element in an array of objects, as NumPy's functions want it."""

    def call(o, e):
        box = np.empty(1, object)
        box[0] = e
        store(o, box)

    return call


STORES = {
    "o[i] =": lambda o, e: operator.setitem(o, 1, e),
    "o[i, j] =": lambda o, e: operator.setitem(o.reshape(1, 3), (0, 1), e),
    "o[i:j] =": _boxed(lambda o, box: operator.setitem(o, slice(1, 2), box)),
    "mask": _boxed(lambda o, box: operator.setitem(o, np.array([False, True, False]), box)),
    "fill": lambda o, e: o[1:2].fill(e),
    "put": _boxed(lambda o, box: o.put(1, box)),
    "np.put": _boxed(lambda o, box: np.put(o, 1, box)),
    "copyto": _boxed(lambda o, box: np.copyto(o[1:2], box)),
    "np.place": _boxed(lambda o, box: np.place(o, np.array([False, True, False]), box)),
    "np.putmask": _boxed(lambda o, box: np.putmask(o, np.array([False, True, False]), box)),
    "np.put_along_axis": _put_along,
    "flat": lambda o, e: operator.setitem(o.flat, 1, e),
    "flat, several": _boxed(lambda o, box: operator.setitem(o.flat, slice(1, 2), box)),
    "flat =": _boxed(lambda o, box: setattr(o[1:2], "flat", box)),
    "at.set": lambda o, e: o.at[1].set(e),
    "at =": lambda o, e: operator.setitem(o.at, 1, e),
    "at.exchange": lambda o, e: o.at[1].exchange(e),
    "at.compare_exchange": lambda o, e: o.at[1].compare_exchange(None, e),
    "at.apply": lambda o, e: o.at[1].apply(lambda _: e),
    "at.set, several": _boxed(lambda o, box: o.at[1:2].set(box)),
}


@pytest.mark.parametrize("store", STORES.values(), ids=STORES)
@pytest.mark.parametrize("make", ELEMENTS.values(), ids=ELEMENTS)
def test_element_is_stored_as_it_is(make, store):
    o = la.full(3, None)
    element = make(o)
    store(o, element)
    assert o.snapshot()[1] is element
    if isinstance(element, (list, tuple)) and element and isinstance(element[-1], LockedArray):
        assert type(o[1][-1]) is LockedArray
    assert free(o)
    o.fill(None)


def ragged(y):
    return [y, None, [y]]


@pytest.mark.parametrize(
    "store",
    [
        lambda o, v: operator.setitem(o, slice(None), v),
        lambda o, v: operator.setitem(o, [0, 1, 2], v),
        lambda o, v: o.at[:].set(v) if hasattr(o, "at") else operator.setitem(o, slice(None), v),
        lambda o, v: (
            o.at[[0, 1, 2]].exchange(v) if hasattr(o, "at") else operator.setitem(o, [0, 1, 2], v)
        ),
        lambda o, v: operator.setitem(o.flat, slice(None), v),
        lambda o, v: setattr(o, "flat", v),
        lambda o, v: o.put([0, 1, 2], v),
        lambda o, v: np.put(o, [0, 1, 2], v),
        lambda o, v: np.place(o, np.ones(3, bool), v),
        lambda o, v: np.putmask(o, np.ones(3, bool), v),
        lambda o, v: np.fill_diagonal(o.reshape(1, 3), v[:1]),
    ],
    ids=range(11),
)
def test_locked_array_in_a_list_that_is_spread_is_stored_itself(store):
    """As NumPy stores the arrays of a list, where the rest of it is of another shape."""
    outcomes = []
    for o, y in ((la.full(3, None), la.zeros(2)), (np.full(3, None), np.zeros(2))):
        try:
            store(o, ragged(y))
        except ValueError as problem:
            outcomes.append(str(problem))
        else:
            e = o.tolist()
            outcomes.append([e[0] is y, e[1], isinstance(e[2], list) and e[2][0] is y])
    assert outcomes[0] == outcomes[1]


def test_full_stores_the_very_objects():
    y, element = la.zeros(2), [nested()]
    given = np.empty(2, object)
    given[:] = [y, element]
    for made in (
        la.full(2, given),
        la.full(2, given, object),
        np.full_like(la.full(2, None), given),
    ):
        assert made[0] is y
        assert made[1] is element
    assert la.full(1, y[:1], object)[0] == 0
    for full in (np.full, la.full):
        with pytest.raises(ValueError, match="inhomogeneous"):
            full(2, [y.snapshot(), None], object)


def test_list_that_another_thread_changes_comes_out_itself():
    o, element = la.full(1, None), list(range(100))
    o[0] = element
    stop = []

    def change():
        while not stop:
            element.append(None)
            del element[50:]

    changer = start(change)
    try:
        for _ in range(300):
            assert o[0] is element
            assert o.tolist()[0] is element
            assert np.take(o, 0) is element
            o[0] = element
            o.put(0, np.array([element, None], object)[:1])
    finally:
        stop.append(True)
        changer.result()


def test_list_that_another_thread_changes_may_be_an_argument():
    x, index = la.zeros(1000), [0] * 100
    stop = []

    def change():
        while not stop:
            index.append(x[:1])
            del index[50:]

    changer = start(change)
    try:
        for _ in range(200):
            for use in (lambda: np.put(x, [0], index), lambda: np.where(x[:1], index, 0)):
                try:
                    use()
                except (ValueError, RuntimeError) as problem:  # in NumPy's words
                    assert "zip()" not in str(problem)
                    assert "inhomogeneous" in str(problem) or "sequence" in str(problem)
    finally:
        stop.append(True)
        changer.result()


@pytest.mark.parametrize(
    "use",
    [
        lambda a, v: operator.setitem(a, slice(None), v),
        lambda a, v: a.put([0], v),
        lambda a, v: np.put(a, [0], v),
        lambda a, v: np.copyto(a, v),
        lambda a, v: a + v,
        lambda a, v: np.add(a, v),
        lambda a, v: operator.setitem(a.flat, slice(None), v),
        lambda a, v: np.where(a, v, 0),
        lambda a, v: np.concatenate([a, v]),
        lambda a, v: operator.getitem(a, v),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("dtype", [object, float])
@pytest.mark.parametrize("make", [nested, circle], ids=["5000 lists", "circle"])
def test_nested_lists_are_arguments_as_they_are_numpys(make, use, dtype):
    outcomes = []
    for a in (np.zeros(1, dtype), LockedArray(np.zeros(1, dtype))):
        try:
            result = use(a, make())
        except Exception as problem:
            outcomes.append(type(problem))
        else:
            outcomes.append([np.shape(result), np.shape(a)])
    assert outcomes[0] == outcomes[1]


def test_argument_that_is_handed_through_is_the_same_object():
    x, alias = la.zeros(2), None
    alias = np.asarray(x)
    assert np.frompyfunc(lambda _: alias, 1, 1)(la.zeros(())) is alias
    kept = [alias]
    assert np.frompyfunc(lambda _: kept, 1, 1)(x[:1].reshape(())) is kept


def test_views_are_locked_arrays_in_lists_of_lists_and_in_records():
    x = la.zeros((4, 3))
    parts = np.split(x, 2)
    assert [type(part) for part in parts] == [LockedArray] * 2
    one, two = np.atleast_2d(x, x[0])
    assert one is x
    assert two.lock is x.lock
    r = LockedArray(np.zeros((2, 2), [("s", "f8", (2,)), ("t", [("u", "f8", (2,))])]))
    for record in (r.tolist()[0][0], r.item(0)):
        for part in (record[0], record[1][0]):
            assert type(part) is LockedArray
            assert part.lock is r.lock


@pytest.mark.parametrize("dtype", [float, object])
def test_views_are_locked_arrays_though_a_debugger_keeps_what_functions_return(dtype):
    x = LockedArray(np.zeros((4, 3), dtype))
    alias = np.asarray(x)
    kept = []

    def keep(_frame, event, returned):
        if event == "return":
            kept.append(returned)

    sys.setprofile(keep)
    try:
        results = [np.flip(x), np.rot90(x), np.atleast_3d(x), *np.split(x, 2), np.roll(x, 1)]
        given = np.atleast_2d(x, alias)[1]
    finally:
        sys.setprofile(None)
    *views, copy = results
    assert [type(view) for view in views] == [LockedArray] * len(views)
    assert all(view.lock is x.lock for view in views)
    assert type(copy) is np.ndarray
    assert given is alias
