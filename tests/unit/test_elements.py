"""Arrays of Python objects hold the objects themselves, and raise what the objects raise."""

import collections
import gc
import weakref

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

Pair = collections.namedtuple("Pair", "a b")


class ListOfMine(list):
    pass


ELEMENTS = {
    "list": lambda: [1, [2]],
    "empty list": list,
    "tuple": lambda: (1, [2]),
    "dict": lambda: {"key": [1]},
    "set": lambda: {1},
    "named tuple": lambda: Pair(1, [2]),
    "list subclass": lambda: ListOfMine([1]),
    "ordered dict": lambda: collections.OrderedDict(a=1),
    "text": lambda: "text" * 3,
    "array": lambda: np.zeros(2),
    "locked array": lambda: la.zeros(2),
    "list of a locked array": lambda: [la.zeros(2)],
    "dict of a locked array": lambda: {"key": la.zeros(2)},
    "function": lambda: len,
    "class": lambda: LockedArray,
    "object": object,
    "generator": lambda: (i for i in [1]),
}
SETTERS = {
    "x[0] =": lambda x, e: x.__setitem__(0, e),
    "x[0, ...]": lambda x, e: x.reshape(1, 2).__setitem__((0, 0), e),
    "at.set": lambda x, e: x.at[0].set(e),
    "at =": lambda x, e: x.at.__setitem__(0, e),
    "at.exchange": lambda x, e: x.at[0].exchange(e),
    "at.compare_exchange": lambda x, e: x.at[0].compare_exchange(None, e),
    "at.apply": lambda x, e: x.at[0].apply(lambda _: e),
    "fill": lambda x, e: x.fill(e),
    "flat": lambda x, e: x.flat.__setitem__(0, e),
    "write": lambda x, e: written(x, e),
}


def written(x, element):
    with x.write() as raw:
        raw[0] = element


@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
@pytest.mark.parametrize("make", ELEMENTS.values(), ids=ELEMENTS)
def test_element_is_stored_itself_as_in_numpy(setter, make):
    x, element = la.full(2, None), make()
    plain = np.full(2, None)
    try:
        setter_of_numpy = {
            "fill": lambda: plain.fill(element),
            "flat": lambda: plain.flat.__setitem__(0, element),
        }.get(
            next(name for name in SETTERS if SETTERS[name] is setter),
            lambda: plain.__setitem__(0, element),
        )
        setter_of_numpy()
    except Exception as error:
        with pytest.raises(type(error)):
            setter(x, element)
        return
    setter(x, element)
    if plain[0] is element:
        assert x[0] is element
        assert x.snapshot()[0] is element
    assert free(x)


@pytest.mark.parametrize(
    "setter",
    [
        lambda x, e: x.__setitem__((), e),
        lambda x, e: x.at[()].set(e),
        lambda x, e: x.at[()].exchange(e),
        lambda x, e: x.at.__setitem__((), e),
        lambda x, e: x.flat.__setitem__(0, e),
        lambda x, e: x.fill(e),
    ],
)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_locked_array_is_stored_itself_in_an_array_without_axes(setter, shape):
    x, element = la.full((), None), la.zeros(shape)
    setter(x, element)
    assert x[()] is element
    assert free(x, element)


@pytest.mark.parametrize(
    "setter",
    [
        lambda x, row: x.__setitem__(0, row),
        lambda x, row: x.__setitem__((np.int8(0),), row),
        lambda x, row: x.at[0].set(row),
        lambda x, row: x.at[0].exchange(row),
        lambda x, row: x.at.__setitem__(0, row),
        lambda x, row: x.__setitem__(slice(1), row),
    ],
)
def test_row_of_objects_is_filled_under_the_lock_of_what_it_is_filled_with(setter):
    x, row = la.full((2, 3), None), la.ones(3)
    mode, _ = waits_beside(row.write(), row.lock, lambda: setter(x, row))
    assert mode == "read"
    assert x[0].tolist() == [1, 1, 1]
    assert free(x, row)


def test_container_of_locked_arrays_comes_back_as_it_was_given():
    x, y = la.full(2, None), la.zeros(2)
    x[0] = [y]
    assert x[0][0] is y
    x[1] = {"y": (y, x)}
    assert x[1]["y"][0] is y
    assert x[1]["y"][1] is x
    assert x.tolist()[0][0] is y
    x.fill(None)


def test_values_are_spread_over_elements_as_in_numpy():
    for value in ([[1], [2]], ["a", None], [1, 2], ([1, 2],), [[1, 2]]):
        x, plain = la.full(2, None), np.full(2, None)
        outcomes = []
        for a in (x, plain):
            try:
                a[:] = value
            except ValueError as error:
                outcomes.append(str(error))
            else:
                outcomes.append(None)
        assert outcomes[0] == outcomes[1]
        assert x.tolist() == plain.tolist()


def test_replaced_and_remaining_elements_are_let_go():
    class Element:
        pass

    x = la.full(3, None)
    elements = [Element() for _ in range(3)]
    gone = [weakref.ref(element) for element in elements]
    for i in range(3):
        x[i] = elements[i]
    del elements
    x[0] = None
    gc.collect()
    assert [reference() is None for reference in gone] == [True, False, False]
    x.resize(2)
    gc.collect()
    assert [reference() is None for reference in gone] == [True, False, True]
    del x
    gc.collect()
    assert gone[1]() is None


def test_elements_dropped_by_a_resize_are_kept_where_a_view_shows_them():
    x = la.full(3, None)
    x[2] = [3]
    view = x[2:]
    x.resize(1)
    assert view.tolist() == [[3]]
    x.resize(3)  # new elements are zero, also under the view
    assert view.tolist() == [0]
    assert x.tolist() == [None, 0, 0]


class Hostile:
    """Raises in whatever it is asked to do."""

    def __init__(self):
        self.asked = []

    def _refuse(self, *_):
        raise ZeroDivisionError

    __add__ = __radd__ = __mul__ = __neg__ = __abs__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __eq__ = __ne__ = __repr__ = __str__ = __bool__ = __float__ = __int__ = __index__ = _refuse
    __complex__ = __hash__ = __floordiv__ = __and__ = __invert__ = __reduce__ = _refuse
    __format__ = __deepcopy__ = __pow__ = __matmul__ = _refuse

    def sqrt(self):
        raise ZeroDivisionError

    conjugate = sqrt


OPERATIONS = {
    "x + 1": lambda x: x + 1,
    "1 + x": lambda x: 1 + x,
    "x += 1": lambda x: x.__iadd__(1),
    "-x": lambda x: -x,
    "abs(x)": abs,
    "x == 1": lambda x: x == 1,
    "x < 1": lambda x: x < 1,
    "x @ x": lambda x: x @ x,
    "1 in x": lambda x: 1 in x,
    "repr": repr,
    "str": str,
    "bool": lambda x: bool(x[:1]),
    "float": lambda x: float(x[0:1].reshape(())),
    "astype": lambda x: x.astype(float),
    "sort": lambda x: x.sort(),
    "np.sort": np.sort,
    "argsort": lambda x: x.argsort(),
    "sum": lambda x: x.sum(),
    "prod": lambda x: x.prod(),
    "max": lambda x: x.max(),
    "any": lambda x: x.any(),
    "nonzero": lambda x: x.nonzero(),
    "sqrt": np.sqrt,
    "conj": lambda x: x.conj(),
    "unique": np.unique,
    "searchsorted": lambda x: x.searchsorted(1),
    "partition": lambda x: x.partition(0),
    "add.at": lambda x: np.add.at(x, [0, 1], 1),
    "add.reduce": np.add.reduce,
    "add.accumulate": np.add.accumulate,
    "add.outer": lambda x: np.add.outer(x, x),
    "out=": lambda x: np.add(x, 1, out=x),
    "dumps": lambda x: x.dumps(),
    "into floats": lambda x: la.zeros(2).__setitem__(slice(None), x),
    "copyto floats": lambda x: np.copyto(la.zeros(2), x, casting="unsafe"),
    "array_equal": lambda x: np.array_equal(x, [1, 2]),
    "where": lambda x: np.where(x, 1, 2),
    "dot": lambda x: np.dot(x, x),
}


@pytest.mark.parametrize("objects", ["exclusive", "shared"])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_element_that_raises_leaves_no_lock_held(operation, objects):
    elements = np.array([Hostile(), Hostile()], object)
    x = LockedArray(elements, objects=objects)
    with pytest.raises(Exception) as plain:
        operation(elements.copy())
    with pytest.raises(plain.type):
        operation(x)
    assert free(x)
    assert x[0] is elements[0]
    x[0] = None  # and it is usable
    assert x[0] is None


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x.at[0].add(1),
        lambda x: x.at[[0, 1]].max(1),
        lambda x: x.at[0].apply(lambda v: v + 1),
        lambda x: x.at[0].compare_exchange(1, 2),
        lambda x: x.at[:].compare_exchange([1, 2], 2),
    ],
)
def test_element_that_raises_in_at_changes_nothing(operation):
    elements = [Hostile(), Hostile()]
    x = LockedArray(elements)
    with pytest.raises(ZeroDivisionError):
        operation(x)
    assert x[0] is elements[0]
    assert free(x)


def test_element_may_use_the_array_it_is_in():
    class Caller:
        def __add__(self, other):
            seen.append((x.sum, len(x), x[1], [entry.mode for entry in x.lock.holds()]))
            x[2] = "written"
            return other

        def __repr__(self):
            return f"caller of {x[1]}"

    seen = []
    x = LockedArray(np.array([Caller(), 7, 0], object))
    assert (x[:1] + 5).tolist() == [5]
    assert x[2] == "written"
    assert set(seen[0][3]) == {"write"}
    assert "caller of 7" in repr(x)
    x[:1] += 6
    assert x[0] == 6
    assert free(x)


def test_element_that_resizes_the_array_it_is_added_in_is_refused():
    class Grower:
        def __add__(self, other):
            x.resize(100_000)
            return other

    x = LockedArray(np.array([Grower(), 7], object))
    with pytest.raises(ValueError, match="inside an operation"):
        x[:2] += 5
    assert x.shape == (2,)
    assert free(x)


def test_element_that_is_replaced_may_use_the_array():
    class Dying:
        def __del__(self):
            seen.append(x[1])
            x[1] = "written"

    seen = []
    x = LockedArray(np.array([Dying(), 7], object))
    x[0] = None
    gc.collect()
    assert seen == [7]
    assert x.tolist() == [None, "written"]
    y = x
    x = LockedArray(np.array([1, 7, Dying()], object))
    x.resize(2)  # lets go of the last
    gc.collect()
    assert seen == [7, 7]
    assert x.tolist() == [1, "written"]
    assert free(x, y)


@pytest.mark.parametrize("objects", ["exclusive", "shared"])
def test_fields_of_objects_follow_the_policy(objects):
    x = LockedArray(np.array([(1, [1])], [("a", "i4"), ("b", object)]), objects=objects)
    mode = "write" if objects == "exclusive" else "read"
    with x.read():
        assert {entry.mode for entry in x.lock.holds()} == {mode}
    with x["b"].read():
        assert {entry.mode for entry in x.lock.holds()} == {mode}
    x["b"][0] = {}
    assert x["b"][0] == {}
