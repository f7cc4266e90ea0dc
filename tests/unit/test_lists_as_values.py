"""Lists and tuples that are assigned, or are operands: as to NumPy, and read before the lock."""

import functools
import operator
import warnings

import numpy as np
import pytest

import lockedarray as la
from arrange import waits_beside

DTYPES = "? u1 i8 >i4 f2 f8 c16 U2 S2 c M8[s] m8[D] U0 V4 i4,f8 (2,)i4 O".split()
VALUES = {
    "numbers": [1, 2, 3],
    "a tuple": (1, 2, 3),
    "floats": [1.5, 0.0, 3.25],
    "complex numbers": [1, 2j, 3],
    "bools": [True, False, True],
    "scalars of NumPy": [np.float32(1), np.int8(2), np.True_],
    "texts": ["a", "bcd", "1"],
    "bytes": [b"a", b"bcd", b"1"],
    "numbers as texts": ["1", "2", "3"],
    "dates": [np.datetime64(5, "s"), np.datetime64("NaT", "s"), "2024-01-01"],
    "mixed": [1, "a", 2.5],
    "one": [7],
    "none": [],
    "none within": [[]],
    "rows": [[1, 2, 3]],
    "a column": [(1,), [2], (3,)],
    "columns": ([1, 2, 3], [4, 5, 6], [7, 8, 9]),
    "a list in a tuple": (1, [2], 3),
    "ragged": [[1], [2, 3]],
    "too many": [1, 2, 3, 4],
    "deep": [[[[1]]]],
    "large": [2**70, 1, 2],
    "out of range": [300, -1, 2**63],
    "not finite": [float("nan"), float("inf"), 0.0],
    "None within": [1, None, 3],
    "an array within": [np.array(1), 2, 3],
    "its own": None,
}
OWN = [1]
OWN.append(OWN)
VALUES["its own"] = OWN
INDICES = [
    *(slice(0, 3), slice(None, None, -1), ..., [0, 2, 1], np.array([0, 1, 2]), [], 1, (..., 1)),
    *(
        np.array([True, False, True]),
        (0, slice(None)),
        ([0, 1, 2], [2, 1, 0]),
        None,
        7,
        np.array(1),
    ),
    *((slice(None), [0, 1, 2]), slice(5, 5), [7]),
]


def outcome(function, *arguments):
    """Return what a function returns and warns of, or the type of its error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*arguments)
        except Exception as error:
            return type(error)
    seen = {str(warning.message) for warning in caught}
    if isinstance(result, np.ndarray):
        return result.dtype, result.shape, content(result), seen
    return type(result), repr(result), seen


def content(array):
    return repr(array.tolist()) if array.dtype.hasobject else array.tobytes()


def assert_left_as_by_numpy(x, plain, result, told):
    """Of what fails x has as much as NumPy leaves, or nothing."""
    if not isinstance(result, type) or content(x) != content(np.zeros_like(plain)):
        assert content(x) == content(plain), told


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (3, 3)], ids=str)
def test_lists_are_assigned_as_in_numpy(dtype, shape):
    for kind, value in VALUES.items():
        for index in INDICES:
            plain = np.zeros(shape, dtype)
            x = la.LockedArray(plain, copy=True)
            expected = outcome(operator.setitem, plain, index, value)
            assert outcome(operator.setitem, x, index, value) == expected, (kind, index)
            assert_left_as_by_numpy(x, plain, expected, (kind, index))


def test_lists_are_assigned_to_fields_as_in_numpy():
    for value in VALUES.values():
        for name in ("f0", "f1", "f2", "f3", "f4"):
            plain = np.zeros(3, "i4,f8,U2,(2,)f4")
            x = la.LockedArray(plain, copy=True)
            expected = outcome(operator.setitem, plain, name, value)
            assert outcome(operator.setitem, x, name, value) == expected, (name, value)
            assert_left_as_by_numpy(x, plain, expected, (name, value))


FUNCTIONS = [
    *(operator.add, operator.truediv, operator.pow, operator.matmul, divmod, operator.and_),
    *(operator.eq, operator.lt, operator.iadd, operator.imul),
]


@pytest.mark.parametrize("dtype", ["?", ">f8", "c16", "U2", "M8[s]", "i4,f8", "O"])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_lists_texts_and_none_are_operands_as_in_numpy(dtype, function):
    in_place = function.__name__.startswith("i")
    for value in [*VALUES.values(), None, "a", b"a", "2024-01-01", "", ()]:
        for swapped in (False, True):
            plain = np.ones(3, dtype)
            x = la.LockedArray(plain, copy=True)
            if swapped and (in_place or isinstance(value, (str, bytes))):
                continue
            if value is OWN and dtype == "O":
                continue  # whose elements take it apart without an end
            if function is operator.imul and dtype == "U2" and np.__version__ < "2.4":
                continue  # older NumPy writes behind the end of the text
            of_x, of_plain = (
                ((value, x), (value, plain)) if swapped else ((x, value), (plain, value))
            )
            expected = outcome(function, *of_plain)
            if in_place and not isinstance(expected, type):
                with warnings.catch_warnings(action="ignore"):
                    assert function(*of_x) is x
            else:
                assert outcome(function, *of_x) == expected, (value, swapped)
            assert content(x) == content(plain), (value, swapped)


def test_in_place_operators_with_lists_return_the_array():
    x = la.zeros(3)
    same = x
    same += [1, 2, 3]
    same *= (2, 2, 2)
    assert same is x
    x[1:] += [1, 1]
    assert x.tolist() == [2.0, 5.0, 7.0]


@pytest.mark.parametrize("value", [[1.0, 2.0], (1, 2), ["1", "2"]], ids=str)
@pytest.mark.parametrize("index", [slice(2), [0, 1], np.array([True, True])], ids=str)
def test_an_assigned_list_waits_for_the_lock(value, index):
    x = la.zeros(2)
    call = functools.partial(operator.setitem, x, index, value)
    assert waits_beside(x.read(), x.lock, call)[0] == "write"
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("operand", [[1, 2], (1, 2), None, "a"], ids=str)
def test_an_operator_with_a_list_waits_for_the_lock(operand):
    x = la.zeros(2)
    assert waits_beside(x.write(), x.lock, lambda: x == operand)[0] == "read"
    assert waits_beside(x.read(), x.lock, lambda: x == operand)[0] is None


def test_an_assigned_list_is_one_lock_of_a_trace():
    x = la.zeros(5)
    with la.tracing() as trace:
        x[2:5] = [1, 2, 3]
        x[[0, 1]] = (4, 5)
        x + [1] * 5
        x == None  # noqa: E711
        x[0] = la.array(2.0)
        x[1:3] += [1, 2]
    rows = [row for row in trace.rows if row.array == f"lock {x.lock.serial}"]
    assert [row.locks for row in rows] == [1] * 6


@pytest.mark.parametrize("index", [slice(2), [0, 1], 0], ids=str)
def test_frozen_arrays_and_read_only_views_refuse_lists(index):
    frozen = la.zeros(2)
    frozen.freeze()
    view = la.LockedArray(np.eye(2)).diagonal()
    for x in (frozen, view):
        before = x.tolist()
        for value in ([1, 2], (3, 4), la.array(2.0)):
            with pytest.raises(ValueError, match="read-only"):
                x[index] = value if index != 0 or not isinstance(value, (list, tuple)) else 5
        assert x.tolist() == before
    assert (frozen + [1, 2]).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["f8", "i2", "c16", "U3", "M8[s]", "i4,f8"])
def test_an_element_is_set_to_what_a_lockedarray_without_axes_holds(dtype):
    for given in (2.5, 3, 1j, "7", np.datetime64(5, "s"), True):
        for shape in ((), (1,), (2,), (1, 1)):
            plain = np.zeros(3, dtype)
            x = la.LockedArray(plain, copy=True)
            value = np.full(shape, given)
            expected = outcome(operator.setitem, plain, 1, value)
            found = outcome(operator.setitem, x, 1, la.LockedArray(value))
            assert found == expected, (given, shape)
            assert content(x) == content(plain), (given, shape)


def test_an_element_is_set_to_another_one_of_its_array_in_one_step():
    x = la.LockedArray([1.0, 2.0, 3.0])
    x[0] = x[2, ...]
    x[1] = x[1, ...]
    assert x.tolist() == [3.0, 2.0, 3.0]
    assert waits_beside(x.read(), x.lock, lambda: operator.setitem(x, 0, x[1, ...]))[0] == "write"


def test_a_subclass_and_a_foreign_lock_take_lists_too():
    class Sub(la.LockedArray):
        pass

    from readerwriterlock.rwlock import RWLockFair

    for x in (Sub(np.zeros(3)), la.LockedArray(np.zeros(3), lock=RWLockFair())):
        x[:2] = [1, 2]
        x[[2]] = (3,)
        x += [1, 1, 1]
        x[0] = la.array(9.0)
        assert x.tolist() == [9.0, 3.0, 4.0]
        assert (x == [9, 3, 5]).tolist() == [True, True, False]


def test_a_list_of_lockedarrays_is_read_under_their_locks():
    x, y = la.zeros(2), la.array(5.0)
    x[:] = [y, 1]
    assert x.tolist() == [5.0, 1.0]
    mode, _ = waits_beside(y.write(), y.lock, lambda: operator.setitem(x, slice(2), [y, 1]))
    assert mode == "read"
