"""Elements that are no plain scalars (objects, text of varied length, records), beside plain arrays."""

import gc
import threading
import weakref

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

RECORD = np.dtype([("a", "i4"), ("b", "f8"), ("s", "i2", (2,)), ("t", [("u", "U2")])])
PAIR = np.dtype([("a", "i8"), ("b", "f8")])
PACKED = np.dtype({"names": ["a", "b"], "formats": [">i2", "f8"], "offsets": [9, 1]})

SIX = {
    "object": lambda: np.array([1, "two", None, (4,), 5.0, "six"], object),
    "text": lambda: np.array(["one", "two" * 20, "", "four", "é", "six"], np.dtypes.StringDType()),
    "record": lambda: np.array([(i, i / 2, (i, -i), (str(i),)) for i in range(6)], RECORD),
    "pair": lambda: np.array([(i, i / 2) for i in range(6)], PAIR),
    "packed": lambda: np.array([(i, i / 2) for i in range(6)], PACKED),
    "unnamed": lambda: np.arange(6).view("V8"),
    "objects in records": lambda: np.array([(i, [i]) for i in range(6)], [("a", "i8"), ("o", "O")]),
}
LAYOUTS = {
    "one axis": lambda a: a,
    "backwards": lambda a: a[::-1],
    "steps": lambda a: a[::2],
    "two axes": lambda a: a.reshape(2, 3),
    "turned": lambda a: a.reshape(2, 3).T,
    "no axes": lambda a: a[1:2].reshape(()),
    "empty": lambda a: a[:0],
}
READS = {
    "i": lambda x: x[1],
    "negative": lambda x: x[-2],
    "far": lambda x: x[99],
    "int8": lambda x: x[np.int8(1)],
    "i, j": lambda x: x[1, 0],
    "()": lambda x: x[()],
    "indices": lambda x: x[np.array([1, 0])],
    "mask": lambda x: x[np.ones(x.shape, bool)],
    "names": lambda x: x[["b", "a"]],
    "no names": lambda x: x[["b", "x"]],
    "list": list,
    "tolist": lambda x: x.tolist(),
    "copy": lambda x: x.copy(),
    "take": lambda x: x.take(np.array([0, 1])),
    "==": lambda x: x == x,
    "!=": lambda x: x != x.copy(),
    "+": lambda x: x + x,
    "sum": lambda x: x.sum(),
    "max": lambda x: x.max(),
    "nonzero": lambda x: x.nonzero(),
    "astype": lambda x: x.astype(object),
    "ravel": lambda x: x.ravel(),
    "item": lambda x: x.item(1),
}


def outcome(function, *args):
    """What comes out, as something to compare: values, dtypes and shapes, or the error."""
    try:
        return shown(function(*args))
    except Exception as error:
        return type(error)


def shown(value):
    if isinstance(value, np.ndarray):
        return "array", value.dtype, value.shape, repr(np.ndarray.tolist(np.array(value)))
    if isinstance(value, (list, tuple)):
        return type(value), [shown(item) for item in value]
    dtype = np.dtype((np.void, value.dtype)) if isinstance(value, np.void) else None
    return "scalar", repr(value), dtype


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", SIX)
def test_what_is_read_is_what_a_plain_array_has(kind, layout):
    for name, read in READS.items():
        plain = LAYOUTS[layout](SIX[kind]())
        for objects in ("exclusive", "shared"):
            x = LAYOUTS[layout](LockedArray(SIX[kind](), objects=objects))
            assert outcome(read, x) == outcome(read, plain), name
        x.base.freeze() if x.base is not None else x.freeze()
        assert outcome(read, x) == outcome(read, plain), name
        assert free(x)


WRITES = {
    "i": 1,
    "int8": np.int8(1),
    "i, j": (1, 0),
    "()": (),
    "far": 99,
    "slice": slice(0, 2),
    "slice and i": (slice(0, 2), 0),
    "...": ...,
    "i, ...": (1, ...),
    "i, j, ...": (1, 0, ...),
    "new axis": (None, ..., 0),
    "indices": np.array([0, 1]),
    "one index": np.array(0),
    "list": [0, 1],
    "field": "a",
    "fields": ["b", "a"],
}
VALUES = {  # the same ones for both arrays, or what they make of an array
    "None": None,
    "number": 3,
    "text": "xyz",
    "list": [1, 2],
    "list of one": [1],
    "three": [7, "b", None],
    "tuple": (8, 2.5),
    "wrong tuple": (9, "bad"),
    "long tuple": (1, 2, 3),
    "nested": [[1, 2], [3, 4]],
    "whole record": (1, 2, (3, 4), ("u",)),
    "array": np.array([1, 2]),
    "array of objects": np.array([{}, [1]], object),
    "array of no axes": np.array(5),
    "its own element": lambda a: a.reshape(-1)[0],
    "its own elements": lambda a: a[:2],
    "itself backwards": lambda a: a[::-1],
    "a field": lambda a: a["a"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", SIX)
def test_what_is_assigned_is_what_a_plain_array_gets(kind, layout):
    for index, at in WRITES.items():
        for name, value in VALUES.items():
            plain, x = LAYOUTS[layout](SIX[kind]()), LAYOUTS[layout](LockedArray(SIX[kind]()))
            if callable(value):
                try:
                    given, taken = value(plain), value(x)
                except (IndexError, ValueError):
                    continue
                given = given.copy() if isinstance(given, np.void) else given  # as LockedArrays do
            else:
                given = taken = value
            if kind == "text" and isinstance(given, np.ndarray) and given.base is not None:
                continue  # NumPy may wait for its own lock, for good
            expected = outcome(plain.__setitem__, at, given)
            assert outcome(x.__setitem__, at, taken) == expected, (index, name)
            if isinstance(expected, tuple):  # where it is refused, some of it may be set
                assert same_elements(x, taken, plain, given), (index, name)
            assert free(x)


def same_elements(array, taken, plain, given):
    """Whether both have the same elements; each may be itself in itself, which has no repr."""
    if plain.dtype != object:
        return shown(array.snapshot()) == shown(plain)
    pairs = list(zip(array.snapshot().flat, plain.flat, strict=True))
    return array.shape == plain.shape and all(
        element is taken if other is given else type(element) is type(other) and element == other
        for element, other in pairs
    )


@pytest.mark.parametrize("axes", [0, 1, 2])
def test_list_is_the_element_where_an_index_leaves_no_axes(axes):
    plain, x = np.empty((2,) * axes, object), LockedArray(np.empty((2,) * axes, object))
    for value in ([1, "two"], (1, "two"), [], [None]):
        at = (1,) * axes + (...,)
        plain[at] = value
        x[at] = value
        assert type(x[at][()]) is type(plain[at][()]) is type(value)
        assert x[at][()] == value
    assert free(x)


@pytest.mark.parametrize("dtype", ["f8", ">f8", "i4", "f4", "c16", "U3", "M8[s]"])
def test_array_without_axes_is_assigned_to_an_element(dtype):
    for made in (np.array(1, "i8"), np.array(2.5), np.array(4).astype(dtype), np.array([3.0])):
        plain, x = np.zeros(3).astype(dtype), LockedArray(np.zeros(3).astype(dtype))
        expected = outcome(plain.__setitem__, 1, made)
        for value in (LockedArray(made.copy()), made):
            x[1] = x[0]
            assert outcome(x.__setitem__, 1, value) == expected
            assert shown(x.snapshot()) == shown(plain)
    x[2] = x[1:2].reshape(())
    assert x[2] == x[1]
    x.freeze()
    with pytest.raises(ValueError, match="frozen"):
        x[1] = LockedArray(np.zeros((), dtype))
    assert free(x)


@pytest.mark.parametrize("kind", ["object", "text", "pair"])
def test_element_waits_for_its_lock(kind):
    x = LockedArray(SIX[kind]())
    element, value = x[0], x[1]
    assert waits_beside(x.write(), x.lock, lambda: x[0])[1] == element
    assert waits_beside(x.write(), x.lock, lambda: list(x)[0])[1] == element
    assert waits_beside(x.read(), x.lock, lambda: x.__setitem__(0, value))[0] == "write"
    assert x[0] == value
    assert waits_beside(x.read(), x.lock, lambda: x.__setitem__(slice(0, 2), element))[0] == "write"
    assert x[1] == element
    assert free(x)


def test_array_that_is_assigned_to_an_element_is_read_under_its_lock():
    x, z = la.zeros(3), LockedArray(np.array(2.0))
    assert waits_beside(z.write(), z.lock, lambda: x.__setitem__(1, z))[0] == "read"
    assert waits_beside(x[1:2].read(), x.lock, lambda: x.__setitem__(1, z))[0] == "write"
    with x[2:].write():
        assert x.tolist()[1] == 2.0
        x[1] = z
    assert free(x, z)


def test_what_an_index_of_one_element_is_given_is_the_very_object():
    class Index:
        def __index__(self):
            return 1

    integers = (np.array(1), (np.array(1),), LockedArray(np.array(1)), Index())
    x = LockedArray(np.empty(3, object))
    for value in ([1], (1, 2), {}, np.zeros(2), np.array(1), np.float64(1), x, x[1:], la.zeros(2)):
        for index in (1, (1,), -2, np.intp(1), np.int8(1), *integers):
            x[index] = None
            x[index] = value
            assert x[1] is value
            assert x.tolist()[1] is value
            assert list(x)[1] is value
    x[0] = x[1] = None
    assert free(x)


def test_list_that_is_assigned_to_several_objects_may_change_afterwards():
    x = LockedArray(np.empty(4, object))
    values = [1, "two"]
    x[1:3] = values
    values[0] = 3
    assert x.tolist() == [None, 1, "two", None]


def test_array_that_shows_its_beginning_before_it_was_resized_gives_and_takes_objects():
    x = LockedArray(np.array([1, "two"], object))
    view = x[:2]
    x.resize(100_000)
    x[99_999] = view[1] = {}
    assert view[1] is x[1] is x[99_999]
    assert list(view) == [1, {}]
    with pytest.raises(IndexError):
        view[2]


def test_nothing_is_kept_of_what_elements_and_records_were():
    class Element:
        pass

    element = Element()
    alive = weakref.ref(element)
    x, w, r = (LockedArray(SIX[kind]()) for kind in ("object", "text", "pair"))
    x[0] = element
    x[1:3] = [None, 1]
    del element
    assert [x[0] for _ in range(10)][0] is alive()
    x[0] = r[0]
    x[1] = w[0]
    gc.collect()
    assert alive() is None
    assert x[0] == r[0]


def test_record_keeps_its_bytes_and_the_names_that_it_had():
    dtype = np.dtype([("a", "i8"), ("b", "f8")])
    x = LockedArray(np.zeros(2, dtype))
    record = x[0]
    x["a"] = 5
    assert record.tolist() == (0, 0.0)
    assert x[0]["a"] == 5
    for _ in range(2):  # more dtypes than are kept
        others = [LockedArray(np.ones(1, [(f"f{i}", "i8"), ("b", "f8")])) for i in range(40)]
        assert [other[0].dtype.names[0] for other in others] == [f"f{i}" for i in range(40)]
    assert x[0].dtype == dtype
    assert record.dtype.names == ("a", "b")
    assert x.view(np.recarray)[0].a == 5
    assert la.zeros(2, np.dtype((np.record, dtype)))[0].b == 0.0


class Derived(LockedArray):
    pass


@pytest.mark.parametrize("kind", ["object", "text", "pair"])
def test_subclass_and_array_below_anothers_lock_do_the_same(kind):
    rwlock = pytest.importorskip("readerwriterlock.rwlock")
    expected = SIX[kind]()
    for x in (Derived(SIX[kind]()), LockedArray(SIX[kind](), lock=rwlock.RWLockFair())):
        assert x[1] == expected[1]
        assert shown(list(x)) == shown(list(expected))
        x[0] = expected[1]
        x[1:3] = expected[0]
        assert x[0] == expected[1]
        assert x[2] == expected[0]
        assert free(x)


def test_deletion_of_replaced_objects_may_use_the_array_and_not_resize_it():
    seen = []

    class Dying:
        def __del__(self):
            try:
                x.resize(9)
            except ValueError as error:
                seen.append(str(error))
            x[3] = x[2]

    x = LockedArray(np.array([Dying(), Dying(), 7, 0], object))
    x[0] = None
    x[:2] = [None, None]
    gc.collect()
    assert len(seen) == 2
    assert all("inside an operation" in text for text in seen)
    assert x.tolist() == [None, None, 7, 7]
    assert free(x)


def test_threads_that_exchange_records_see_whole_ones():
    x = LockedArray(np.zeros(4, PAIR))
    torn = []

    def write(number):
        for i in range(300):
            x[i % 4] = (i * 4 + number, float(i * 4 + number))
            x[1:3] = (i, float(i))
            torn.extend(record for record in x if record["a"] != record["b"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == []
    assert free(x)
