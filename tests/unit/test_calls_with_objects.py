"""Methods and functions of arrays of objects, varied text and records of objects, as of ndarray."""

import datetime
import gc

import numpy as np
import pytest

import lockedarray as la

CALLS = """
o.take([1, 2]); o.take([[0], [3]]); o.take(3); o.take([9]); o.take(k); o.repeat([1, 2, 0, 1]); o.repeat(2); o.dot(o); o.dot([1, 2, 3, 4]); o.compress([True, False, True])
o.searchsorted([1, 2]); o.choose([o, o]); k.choose([o, o, o, o]); o.sum(out=o[0:1].reshape(())); o.sum(out=z); o.clip([0] * 4, 2); o.put([1, 2], [3, 4]); o.put([1], [[5]])
np.take(o, [1, 2]); np.concatenate([o, o]); np.concatenate([o, x]); np.where(q, o, o); np.where(q, o, x); np.compress([True, False], o); np.sort(o); np.append(o, [1]); np.insert(o, [1], o[:1])
np.add(o, [1, 2, 3, 4]); np.add(o, x); np.add(o, 1, out=x, casting='unsafe'); np.add(o, [o, o]); np.divmod(o, 2); np.add.reduceat(o, [0, 2]); np.multiply.outer(o, o); np.repeat(o, 2)
np.copyto(o, x); np.copyto(x, o, casting='unsafe'); np.copyto(o, [x, 1, 2, 3]); np.put(o, [0], [x]); np.put(x, [0], [o[1]]); np.place(o, q, [7]); np.putmask(o, q, x); np.fill_diagonal(m, o)
np.full_like(o, 3); np.full_like(o, [o, 1, 2, 3]); np.put(plain, [0], [o]); np.copyto(plain, o); np.isin(o, [1]); np.unique(o); np.argsort(o); np.add(o, None); o.take('a'); np.nan_to_num(o)
l.take([1, 0]); l.take(0); l.sum(); l.max(); np.take(l, 1); np.add(l, l); np.concatenate([l, o]); np.add.reduce(l); np.maximum(l, l); n.take(1); n.item(0); n.take([0, 1])
w.take([1, 2]); np.take(w, [0]); w.repeat(2); np.concatenate([w, w]); np.sort(w); np.strings.add(w, w); np.strings.find(w, ['a', 'b']); np.where(w == 'a', w, w); w.searchsorted(['b'])
s.take([1]); s.take(1); np.take(s, [0]); np.concatenate([s, s]); s.repeat(2); s['a'].take([1, 0]); np.sort(s, order='a'); s.item(1); s.take([9]); f.take([1, 2]); np.take(f, [1]); np.add(f, [1, 2, 3, 4])
d.item(1); t.item(1); d.max(); d.take([1]); d.item(2); e.take([0]); e.repeat(2); np.concatenate([e, e]); z.take([0]); b.item(0); b.take(1)
""".replace("\n", ";").split(";")


def plain():
    numbers = np.array([3, 1, 2, 0], object)
    lists, nested = np.empty(2, object), np.empty(2, object)
    lists[:] = [1, "a"], [2]
    nested[:] = np.arange(3), np.arange(2.0)
    frozen = numbers.copy()
    frozen.flags.writeable = False
    records = np.array([(1, 2.0), (None, 3.0)], [("a", "O"), ("b", "f8")])
    return {
        "o": numbers, "x": np.arange(4.0), "k": np.array([0, 1, 2, 3]), "z": np.array(None),
        "q": np.array([True, False, True, False]), "m": np.arange(16).astype(object).reshape(4, 4),
        "l": lists, "n": nested, "w": np.array(["a", "b" * 40, "c"], np.dtypes.StringDType()),
        "s": records, "f": frozen, "d": np.array(["2020-01-01", "2021-01-01", "NaT"], "M8[us]"),
        "t": np.array([1, 2], "m8[s]"), "e": np.empty(0, object),
        "b": np.array([datetime.date(2020, 1, 1), datetime.timedelta(1)]),
    }  # fmt: skip


def locked(values):
    names = {name: la.LockedArray(array.copy()) for name, array in values.items()}
    names["f"].freeze()
    return names


def outcome(code, names):
    try:
        result = eval(code, {"np": np, "plain": np.array([0, 1, 2, 3], object), **names})
    except Exception as problem:
        result = type(problem)
    return result, {name: array.copy() for name, array in names.items()}


def shown(result):
    """Return the result with its type, and that of its items, where these are told apart."""
    if isinstance(result, np.void):
        return "record", result.item()
    if isinstance(result, np.ndarray):
        return (
            "array",
            result.dtype,
            result.shape,
            [shown(item) for item in np.asarray(result).ravel().tolist()],
        )
    if isinstance(result, (tuple, list)):
        return type(result), [shown(item) for item in result]
    return type(result), repr(result)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", [text.strip() for text in CALLS if text.strip()])
def test_it_does_what_ndarray_does(code):
    if "w.repeat(2)" in code and np.__version__ < "2.4":
        pytest.skip("older NumPy repeats texts that are not there")
    expected, left = outcome(code, plain())
    result, remains = outcome(code, locked(plain()))
    assert shown(result) == shown(expected)
    assert {n: shown(v) for n, v in remains.items()} == {n: shown(v) for n, v in left.items()}


def test_what_is_an_element_is_handed_out_as_it_is():
    x = la.zeros(3)
    held = la.LockedArray(np.empty(2, object))
    held[0], held[1] = x, np.asarray(x)
    assert held.take(0) is x
    assert held.take(1) is held[1]
    assert held.take([0, 1])[0] is x
    assert np.take(held, [1])[0] is held[1]


class Looks:
    """An element of which the addition does what the test wants to be done under the lock."""

    def __init__(self, act):
        self.act = act

    def __add__(self, other):
        return self.act()


def test_code_of_elements_runs_under_the_write_lock():
    array = la.LockedArray(np.empty(1, object))
    array[0] = Looks(lambda: str(la.holds()))
    assert "holds to write" in np.add(array, [1])[0]


def test_code_of_elements_does_not_resize_the_array():
    array = la.LockedArray(np.empty(2, object))
    array[0] = array[1] = Looks(lambda: array.resize(100))
    with pytest.raises(ValueError, match="inside an operation"):
        np.add(array, [1])
    assert array.shape == (2,)


def test_who_writes_reads_its_objects():
    array = la.LockedArray(np.arange(3).astype(object))
    with array.write():
        assert array.take([0, 1]).tolist() == [0, 1]
        other = la.LockedArray(np.arange(3).astype(object))
        assert np.concatenate([array, other]).tolist() == [0, 1, 2] * 2


def test_records_of_numbers_are_not_looked_at_by_the_collector():
    array = la.zeros(2, [("a", "i8"), ("b", "f8")])
    plain_record = np.zeros(2, array.dtype)[0]
    assert gc.is_tracked(array[0]) == gc.is_tracked(plain_record) or la.backend == "portable"
    records = np.zeros(2, [("a", "i8")]).view(np.recarray)
    record = la.LockedArray(records, copy=False)[0]
    assert record.tolist() == (0,)
