"""x.at: every method against a loop in Python, with duplicates, NaN, records and objects."""

import asyncio
import copy
import itertools
import operator
import pickle
import threading
import warnings
from fractions import Fraction

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

UPDATES = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "min": min,
    "max": max,
}
SIGNS = {
    "+=": operator.add,
    "-=": operator.sub,
    "*=": operator.mul,
    "/=": operator.truediv,
    "//=": operator.floordiv,
    "%=": operator.mod,
    "**=": operator.pow,
}
BITWISE = {
    "&=": operator.and_,
    "|=": operator.or_,
    "^=": operator.xor,
    "<<=": operator.lshift,
    ">>=": operator.rshift,
}
INDICES = {
    "integer": 1,
    "negative": -1,
    "numpy integer": np.int8(2),
    "slice": slice(1, 3),
    "step": slice(None, None, -2),
    "ellipsis": Ellipsis,
    "list": [0, 3],
    "duplicates": [1, 1, 2, 1],
    "array": np.array([[0, 1], [1, 0]]),
    "mask": np.array([True, False, True, True]),
    "tuple": (slice(None),),
    "empty": [],
    "empty slice": slice(2, 2),
}
VALUES = [4.0, 2.0, 8.0, 3.0]


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("name", UPDATES)
def test_update_equals_a_loop_over_the_indices(name, index):
    x, expected = LockedArray(VALUES), list(VALUES)
    for place in np.ravel(np.arange(4)[index]):
        expected[place] = UPDATES[name](expected[place], 3.0)
    new = getattr(x.at[index], name)(3)
    assert x.tolist() == expected
    np.testing.assert_array_equal(new, np.array(expected)[index])
    assert not isinstance(new, LockedArray)
    assert free(x)


def places(index):
    return np.ravel(np.arange(4)[index])


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("sign", SIGNS)
def test_augmented_assignment_equals_a_loop(sign, index):
    x, expected = LockedArray(VALUES), list(VALUES)
    exec(f"x.at[index] {sign} 3")
    for place in places(index):
        expected[place] = SIGNS[sign](expected[place], 3.0)
    assert x.tolist() == expected
    element = x.at[index]  # without the way back into x.at
    element += 1
    for place in places(index):
        expected[place] += 1
    assert x.tolist() == expected
    assert free(x)


@pytest.mark.parametrize(
    "written", ["0", "-1", "1:3", ":", "::2", "...", "[0, 0]", "(1,)", "x > 2", "[True] * 4"]
)
def test_augmented_assignment_as_it_is_written(written):
    x, expected = LockedArray(VALUES), list(VALUES)
    exec(f"x.at[{written}] += 1")
    for place in places(
        eval(written, {"x": np.array(VALUES)}) if ":" not in written else eval(f"np.s_[{written}]")
    ):
        expected[place] += 1
    assert x.tolist() == expected


@pytest.mark.parametrize(
    "written", ["0, 1", ":, 0", "1:, ::2", "..., 1", "[0, 0], [1, 1]", "None, 0", "1", "1:"]
)
def test_augmented_assignment_to_two_dimensions(written):
    x, expected = la.zeros((2, 3)), np.zeros((2, 3))
    exec(f"x.at[{written}] += 1")
    exec(f"np.add.at(expected, np.s_[{written}], 1)")
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize("sign", BITWISE)
def test_bitwise_assignment_accumulates(sign):
    x, plain = LockedArray([12, 10, 5]), BITWISE[sign]
    exec(f"x.at[[0, 0, 1]] {sign} 3")
    assert x.tolist() == [plain(plain(12, 3), 3), plain(10, 3), 5]


def test_values_go_with_their_indices():
    x = LockedArray(np.zeros((2, 3)))
    x.at[[0, 0, 1], [1, 1, 2]].add([1.0, 2.0, 4.0])
    assert x.tolist() == [[0, 3, 0], [0, 0, 4]]
    x.at[0] += [1.0, 2.0, 3.0]
    x.at[:, 0] += [[10.0], [20.0]][0]
    assert x.tolist() == [[11, 5, 3], [10, 0, 4]]
    x.at[x > 4].multiply(-1)
    assert x.tolist() == [[-11, -5, 3], [-10, 0, 4]]


def test_zero_dimensional_array():
    x = LockedArray(5.0)
    x.at[()] += 1
    x.at[...] *= 2
    assert x[()] == 12
    assert x.at[()].exchange(1) == 12
    assert x.at[()].compare_exchange(1, 2) == (True, 1)
    assert x[()] == 2


def test_get_and_set_and_assignment():
    x = LockedArray(VALUES)
    assert x.at[1].get() == 2
    assert x.at[1:3].get().tolist() == [2, 8]
    assert x.at[1].set(7) == 7
    assert x.at[[0, 3]].set([5, 6]).tolist() == [5, 6]
    x.at[2] = 1
    x.at[-1:] = [9]
    assert x.tolist() == [5, 7, 1, 9]


def test_results_are_copies():
    x = LockedArray(VALUES)
    for result in (
        x.at[:].get(),
        x.at[:].set(VALUES),
        x.at[:].add(0),
        x.at[:].exchange(VALUES),
        x.at[:].apply(lambda v: v),
        x.at[:].compare_exchange(1, 1)[1],
    ):
        assert type(result) is np.ndarray
        result[...] = 99
    assert x.tolist() == VALUES


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_exchange_returns_what_was_there(index):
    x = LockedArray(VALUES)
    old = x.at[index].exchange(1)
    np.testing.assert_array_equal(old, np.array(VALUES)[index])
    assert (x.snapshot()[index] == 1).all()


# -- apply -------------------------------------------------------------------------------------------


def test_apply_is_given_a_copy_and_assigns_what_it_returns():
    x = LockedArray(VALUES)
    seen = []

    def double(values):
        seen.append(values)
        return values * 2

    assert x.at[1:3].apply(double).tolist() == [4, 16]
    assert x.tolist() == [4, 4, 16, 3]
    seen[0][...] = 99
    assert x.tolist() == [4, 4, 16, 3]
    assert type(seen[0]) is np.ndarray
    assert x.at[0].apply(lambda v: v + 1) == 5


def test_apply_holds_the_write_lock():
    x = LockedArray(VALUES)
    modes = []
    x.at[0].apply(lambda v: modes.extend(entry.mode for entry in x.lock.holds()) or v)
    assert modes == ["write"]


@pytest.mark.parametrize("index", [0, slice(2), [0, 1]])
def test_apply_reads_a_locked_array_that_is_returned_under_its_lock(index):
    x, y = la.zeros(3), la.array([4.0, 5.0])
    given = y[0:1].reshape(()) if index == 0 else y
    mode, new = waits_beside(y.write(), y.lock, lambda: x.at[index].apply(lambda _: given))
    assert mode == "read"
    assert np.array_equal(new, [4.0, 5.0] if index != 0 else 4.0)


def test_apply_may_use_the_array_itself():
    x = LockedArray(VALUES)
    x.at[0].apply(lambda v: v + x.sum() + x[1])
    assert x[0] == 4 + 17 + 2


def test_apply_that_resizes_is_refused_and_changes_nothing():
    x = LockedArray(VALUES)

    def grow(value):
        x.resize(100_000)
        return value + 5

    with pytest.raises(ValueError, match="inside an operation"):
        x.at[0].apply(grow)
    assert x.tolist() == list(VALUES)
    x.resize(5)  # and afterwards it may
    assert len(x) == 5


MADE = {
    "floats": lambda: la.arange(4.0),
    "a table": lambda: la.ones((3, 4)),
    "objects": lambda: LockedArray([1, 2, 3, 4], dtype=object),
    "no axes": lambda: LockedArray(3.0),
}
PARTS = {
    "an element": lambda x: (1,) * x.ndim,
    "a part": lambda x: (slice(0, 2),) * x.ndim,
    "several": lambda x: (np.array([0, 2, 0]),) * x.ndim,
}
every_part = pytest.mark.parametrize("part", PARTS)
every_array = pytest.mark.parametrize("made", MADE)


@every_part
@every_array
def test_apply_exchange_and_assignment_are_as_they_are_written(made, part):
    x = MADE[made]()
    index, plain = PARTS[part](x), x.snapshot()
    seen = []

    def function(value):
        seen.append(value)
        return value * 2 + 1

    applied = x.at[index].apply(function)
    assert repr(seen) == repr([plain[index]])
    plain[index] = plain[index] * 2 + 1
    assert repr(applied) == repr(plain[index])
    assert repr(x.at[index].exchange(7)) == repr(plain[index])
    plain[index] = 7
    assert np.array_equal(x, plain)
    x.at[index] = 8
    assert repr(x.at[index].set(9)) == repr((plain.__setitem__(index, 9), plain[index])[1])
    assert np.array_equal(x, plain)
    assert free(x)


@every_part
@every_array
def test_function_that_freezes_or_resizes_changes_nothing(made, part):
    x = MADE[made]()
    index, before = PARTS[part](x), x.tolist()
    with pytest.raises(ValueError, match="inside an operation"):
        x.at[index].apply(lambda value: x.resize(50) or value)
    with pytest.raises(ValueError, match="read-only"):
        x.at[index].apply(lambda value: x.freeze() or value * 2)
    assert x.tolist() == before
    assert free(x)
    with pytest.raises(ValueError):
        x.at[index].apply(lambda value: pytest.fail("called"))


@every_part
@every_array
def test_function_may_run_an_event_loop(made, part):
    async def doubled(value):
        return value * 2

    x = MADE[made]()
    index, plain = PARTS[part](x), x.snapshot()
    plain[index] = plain[index] * 2
    x.at[index].apply(lambda value: asyncio.run(doubled(value)))
    assert np.array_equal(x, plain)
    assert free(x)


@every_part
def test_function_does_not_wait_for_a_condition_of_the_array(part):
    x = la.zeros(4)
    condition = threading.Condition(x.lock)

    def wait(value):
        with condition:
            condition.wait(1)

    with pytest.raises(RuntimeError, match="inside an operation"):
        x.at[PARTS[part](x)].apply(wait)
    assert free(x)


def test_function_that_raises_leaves_an_object_as_it_was():
    x = LockedArray([1, "a", None], dtype=object)
    with pytest.raises(ZeroDivisionError):
        x.at[1].apply(lambda value: 1 // 0)
    assert x.tolist() == [1, "a", None]
    assert free(x)


def test_objects_end_under_the_lock_and_may_use_the_array():
    class Ends:
        def __del__(self):
            x[0] = "late"

    x = LockedArray([0, Ends(), Ends()], dtype=object)
    assert x.at[1].apply(lambda value: 5) == 5
    assert x.at[2].exchange(6) is not None
    assert x.tolist() == ["late", 5, 6]
    assert free(x)


@pytest.mark.parametrize("function", [None, 3, "text", [], LockedArray([1.0])])
def test_apply_takes_a_function(function):
    x = LockedArray(VALUES)
    with pytest.raises(TypeError, match="function"):
        x.at[0].apply(function)
    assert free(x)


def test_function_that_raises_changes_nothing():
    x = LockedArray(VALUES)
    with pytest.raises(ZeroDivisionError):
        x.at[:].apply(lambda v: 1 // 0)
    with pytest.raises(ValueError, match="broadcast"):
        x.at[:].apply(lambda v: [1.0, 2.0])
    assert x.tolist() == VALUES
    assert free(x)


# -- compare_exchange ----------------------------------------------------------------------------------


def test_compare_exchange_of_one_element():
    x = LockedArray(VALUES)
    assert x.at[0].compare_exchange(4, 5) == (True, 4)
    assert x.at[0].compare_exchange(4, 6) == (False, 5)
    swapped, old = x.at[1].compare_exchange(2, 3)
    assert swapped is True
    assert isinstance(old, np.float64)
    assert x.tolist() == [5, 3, 8, 3]


def test_compare_exchange_goes_element_by_element():
    x = LockedArray(VALUES)
    swapped, old = x.at[:].compare_exchange([4, 0, 8, 0], [40, 20, 80, 30])
    assert swapped.tolist() == [True, False, True, False]
    assert swapped.dtype == bool
    assert old.tolist() == VALUES
    assert x.tolist() == [40, 2, 80, 3]
    swapped, _ = x.at[[1, 3]].compare_exchange(2, 9)
    assert swapped.tolist() == [True, False]
    swapped, old = x.at[:0].compare_exchange(1, 2)
    assert (swapped.shape, old.shape) == ((0,), (0,))
    table = LockedArray(np.zeros((2, 2)))
    swapped, _ = table.at[...].compare_exchange([0, 1], [[5, 6], [7, 8]])
    assert swapped.tolist() == [[True, False]] * 2
    assert table.tolist() == [[5, 0], [7, 0]]


@pytest.mark.parametrize(
    ("dtype", "nothing", "something"),
    [
        ("f8", np.nan, 1.0),
        ("f4", np.nan, 1.0),
        ("c16", complex(np.nan, 0), 1j),
        ("M8[s]", np.datetime64("NaT", "s"), np.datetime64("2024-01-01")),
        ("m8[s]", np.timedelta64("NaT", "s"), np.timedelta64(3, "s")),
    ],
)
def test_nan_equals_nan(dtype, nothing, something):
    x = LockedArray(np.array([nothing, something], dtype))
    swapped, old = x.at[0].compare_exchange(nothing, something)
    assert swapped
    assert np.isnan(old)
    assert x[0] == np.array(something, dtype)
    swapped, old = x.at[1].compare_exchange(nothing, something)
    assert not swapped
    swapped, _ = x.at[:].compare_exchange([something, nothing], nothing)
    assert swapped.tolist() == [True, False]
    assert np.isnan(x[0])


def test_nan_spreads_as_in_numpy():
    x = LockedArray([1.0, np.nan, 3.0])
    with np.errstate(invalid="ignore"):  # NumPy's minimum.at warns
        assert np.isnan(x.at[1].max(5))
        assert np.isnan(x.at[0].min(np.nan))
        assert np.isnan(x.at[2].add(np.nan))


@pytest.mark.parametrize("values", [["a", "bc"], [b"a", b"bc"], [True, False], [3, 4]])
def test_compare_exchange_of_other_dtypes(values):
    x = LockedArray(values)
    assert x.at[0].compare_exchange(values[0], values[1]) == (True, values[0])
    assert x.at[0].compare_exchange(values[0], values[1]) == (False, values[1])
    assert x.tolist() == [values[1]] * 2


# -- records and objects -------------------------------------------------------------------------------


def test_records():
    x = LockedArray(np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")]))
    x["a"].at[[0, 0, 1]] += 10
    assert x["a"].tolist() == [21, 13]
    assert x.at[0].get().tolist() == (21, 2.0)
    assert x.at[0].set((5, 6.0)).tolist() == (5, 6.0)
    assert x.at[0].exchange((7, 8.0)).tolist() == (5, 6.0)
    assert x.at["b"].get().tolist() == [8, 4]
    x.at["b"].set([1, 2])
    x.at[1] = (9, 9.0)
    assert x.tolist() == [(7, 1.0), (9, 9.0)]
    with pytest.raises((TypeError, np._core._exceptions.UFuncTypeError)):
        x.at[0].add(1)
    assert x.tolist() == [(7, 1.0), (9, 9.0)]
    assert free(x)


def test_a_field_is_updated_by_its_name():
    x = LockedArray(np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")]))
    assert x.at["a"].add(1).tolist() == [2, 4]
    x.at["b"] *= 2
    assert x.tolist() == [(2, 4.0), (4, 8.0)]
    with pytest.raises((ValueError, IndexError), match="c"):
        x.at["c"].add(1)
    assert free(x)


def test_records_are_compared_and_exchanged():
    x = LockedArray(np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")]))
    expected, desired = x[0], np.array((9, 9.0), x.dtype)[()]
    swapped, old = x.at[0].compare_exchange(expected, desired)
    assert swapped
    assert old.tolist() == (1, 2.0)
    swapped, old = x.at[0].compare_exchange(expected, desired)
    assert not swapped
    swapped, old = x.at[1].compare_exchange((3, 4.0), (5, 6.0))
    assert swapped
    swapped, old = x.at[:].compare_exchange(x.snapshot(), x.snapshot()[::-1].copy())
    assert swapped.tolist() == [True, True]
    assert x.tolist() == [(5, 6.0), (9, 9.0)]


def test_objects():
    x = LockedArray([Fraction(1, 3), "text", None])
    x.at[0] += Fraction(1, 3)
    x.at[[0, 0]] *= 2
    assert x.at[1].add("!") == "text!"
    assert x.tolist() == [Fraction(8, 3), "text!", None]
    assert x.at[2].exchange([1]) is None or x[2] == 1
    y = LockedArray([None, "a"])
    assert y.at[0].compare_exchange(None, "b") == (True, None)
    assert y.at[1].compare_exchange("x", "y") == (False, "a")
    assert y.tolist() == ["b", "a"]


# -- what else may be given ------------------------------------------------------------------------------


def test_views_and_lockedarrays_as_operands():
    x, y, i = LockedArray(VALUES), LockedArray([1.0, 2.0]), LockedArray([0, 0])
    x[1:].at[0] += 1
    assert x[1] == 3
    x.at[i].add(y)
    assert x[0] == 7
    x.at[:2].set(x[2:])
    assert x.tolist() == [8, 3, 8, 3]
    x.at[:2] += x[2:]
    assert x.tolist() == [16, 6, 8, 3]
    assert free(x, y, i)


def test_operands_are_locked_too():
    x, y = LockedArray([1.0]), LockedArray([2.0])
    mode, _ = waits_beside(y.write(), y.lock, lambda: x.at[:1].add(y[:]))
    assert mode == "read"
    mode, _ = waits_beside(x.read(), x.lock, lambda: x.at[0].add(1))
    assert mode == "write"
    mode, _ = waits_beside(x.read(), x.lock, x.at[0].get)
    assert mode is None
    assert x[0] == 4


def test_assigning_one_at_to_another_is_not_silently_nothing():
    x = LockedArray([1.0, 2.0])
    y = LockedArray([3.0])
    for source in (x.at[1], y.at[0]):
        try:
            x.at[0] = source
        except (TypeError, ValueError):
            assert x[0] == 1
        else:
            assert x[0] == source.get()
            x[0] = 1


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (lambda x: x.at[7].add(1), IndexError),
        (lambda x: x.at[[0, 7]].add(1), IndexError),
        (lambda x: x.at["f"].add(1), IndexError),
        (lambda x: x.at[1.5].add(1), IndexError),
        (lambda x: x.at[0, 0].get(), IndexError),
        (lambda x: x.at[0].add("text"), (TypeError, ValueError)),
        (lambda x: x.at[:2].add([1, 2, 3]), ValueError),
        (lambda x: x.at[:2].set([1, 2, 3]), ValueError),
        (lambda x: x.at[0].add(), TypeError),
        (lambda x: x.at[0].set(None, 1), TypeError),
        (lambda x: x.at[0].compare_exchange(1), TypeError),
        (lambda x: x.at[0].compare_exchange(4.0, "text"), ValueError),
        (lambda x: x.at[:].compare_exchange([1, 2, 3], 1), ValueError),
    ],
)
def test_bad_input_changes_nothing(operation, error):
    x = LockedArray(VALUES)
    with pytest.raises(error):
        operation(x)
    assert x.tolist() == VALUES
    assert free(x)


@pytest.mark.parametrize("dtype", ["i8", "f4", "?"])
@pytest.mark.parametrize(
    ("method", "ufunc"), [("divide", np.divide), ("power", np.power), ("add", np.add)]
)
@pytest.mark.parametrize("value", [3, 2.5, True, "text", None])
def test_casting_is_that_of_ufunc_at(dtype, method, ufunc, value):
    x, plain = LockedArray(np.array([4, 2], dtype)), np.array([4, 2], dtype)
    outcomes = []
    with np.errstate(all="ignore"):
        for update in (
            lambda: ufunc.at(plain, [0, 0], value),
            lambda: getattr(x.at[[0, 0]], method)(value),
        ):
            try:
                update()
            except (TypeError, OverflowError, ValueError) as error:
                outcomes.append(type(error))
            else:
                outcomes.append(None)
    assert outcomes[0] is outcomes[1]
    assert x.tolist() == plain.tolist()
    assert free(x)


ELEMENTS = [*"?bBhHiIlLqQefdgFD", ">i4", ">f8"]
AUGMENTED = {
    "add": operator.iadd,
    "subtract": operator.isub,
    "multiply": operator.imul,
    "divide": operator.itruediv,
    "bitwise_and": operator.iand,
    "bitwise_or": operator.ior,
    "bitwise_xor": operator.ixor,
}


def numbers_for(dtype, rng):
    """Numbers that an element of `dtype` may be, and be updated by: ordinary ones and the extremes."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        elements = [False, True]
    elif kind in "iu":
        info = np.iinfo(dtype)
        elements = [0, 1, 3, info.min, info.max, info.max - 1, int(rng.integers(0, 100))]
    else:
        info = np.finfo(dtype)
        elements = [0.0, -0.0, 1.0, -2.5, float(rng.normal()), np.inf, np.nan]
        elements += [info.max, info.tiny, info.smallest_subnormal, info.eps]
        if kind == "c":
            elements += [complex(*rng.normal(size=2)), complex(-0.0, -0.0), complex(1, -np.inf)]
    values = [0, 1, -1, 7, 255, -129, 2**31, 2**53 + 1, -(2**63), 2**63, 2**70]
    values += [0.0, -0.0, 0.1, -3.5, float(rng.normal()), 1e39, 1e-39, 1e-46, 1e308, 5e-324]
    values += [np.inf, np.nan, True, False, 1j, complex(0.1, -0.0), complex(*rng.normal(size=2))]
    values += [np.intp(5), np.uint8(200), np.uint64(2**63 + 9), np.int8(-3), np.float16(0.1)]
    values += [np.float32(0.1), np.float32(1e-45), np.float64(0.1), np.longdouble(0.1)]
    values += [np.complex64(0.1 + 2j), np.complex128(0.1 - 0.0j), np.True_, np.False_]
    return elements, values


def outcome_of(function):
    """Return the type of what `function` raises, or its result as text, which has all its digits."""
    try:
        result = function()
    except (TypeError, OverflowError, FloatingPointError, ValueError) as error:
        return type(error)
    return repr(result)


def texts(array):
    return [repr(element) for element in array.tolist()]


def each_element_and_value(dtype, step=1):
    elements, values = numbers_for(dtype, np.random.default_rng(3))
    for n, element in enumerate(elements):
        for value in values[n % step :: step]:
            plain = np.array([1, 0, 1]).astype(dtype)
            plain[1] = element
            yield plain, LockedArray(plain), value


def beside(array, value):
    """Return an int as `array` can hold it, of uint64: ufunc.at would make an int64 of it, and so
    compute the two in float64."""
    fits = array.dtype.char in "LQ" and type(value) is int and 0 <= value < 2**64
    return np.uint64(value) if fits else value


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("strict", [False, True], ids=["silent", "errors raised"])
@pytest.mark.parametrize("name", [*AUGMENTED, "minimum", "maximum"])
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_update_of_one_element_is_what_ufunc_at_computes(dtype, name, strict):
    ufunc = getattr(np, name)
    method = {"minimum": "min", "maximum": "max"}.get(name, name)
    for plain, x, value in each_element_and_value(dtype, step=1 if name in AUGMENTED else 3):
        ways = [lambda: ufunc.at(plain, 1, beside(plain, value)) or plain[1]]
        if name in AUGMENTED:
            ways.append(lambda: (AUGMENTED[name](x.at[1], value), x[1])[1])
        if hasattr(x.at[1], method):
            other = LockedArray(plain)
            ways.append(lambda: getattr(other.at[1], method)(value))
        with np.errstate(all="raise" if strict else "ignore"):
            outcomes = [outcome_of(way) for way in ways]
        assert len({*outcomes}) == 1, (outcomes, value)
        if isinstance(outcomes[0], str):
            assert texts(x) == texts(plain) or name not in AUGMENTED


BY_LOOPS = {
    "floor_divide": operator.ifloordiv,
    "remainder": operator.imod,
    "power": operator.ipow,
    "left_shift": operator.ilshift,
    "right_shift": operator.irshift,
}


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("name", BY_LOOPS)
@pytest.mark.parametrize("dtype", [*"?bIqQefdFD", ">f8"])
def test_update_of_one_element_by_a_loop_is_what_ufunc_at_computes(dtype, name):
    ufunc = getattr(np, name)
    for n, (plain, x, value) in enumerate(each_element_and_value(dtype, step=7)):
        if type(value) is int and value == 2**70:
            continue  # Python computes that, of objects, and takes for ever
        ways = [
            lambda: ufunc.at(plain, 1, beside(plain, value)) or plain[1],
            lambda: (BY_LOOPS[name](x.at[1], value), x[1])[1],
        ]
        if name == "power":
            other = LockedArray(plain)
            ways.append(lambda: other.at[1].power(value))
        with np.errstate(all="raise" if n % 2 else "ignore"):
            outcomes = [outcome_of(way) for way in ways]
        assert len({*outcomes}) == 1, (outcomes, value)
        if isinstance(outcomes[0], str):
            assert texts(x) == texts(plain)


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "power", "left_shift"])
@pytest.mark.parametrize("dtype", ["i1", "i8", "f4", "f8", "c16"])
def test_values_of_the_same_dtype_are_computed_in_it(dtype, name):
    """And warnings say what NumPy's say."""
    elements, _ = numbers_for(dtype, np.random.default_rng(4))
    for element, value in itertools.product(elements, [*elements, np.zeros((), dtype)[()]]):
        told = []
        value = np.array(value).astype(dtype)[()]
        for update in (
            lambda plain: getattr(np, name).at(plain, 1, value),
            lambda plain: (BY_LOOPS[name](plain.at[1], value), None)[1],
        ):
            array = np.array([1, 0, 1]).astype(dtype)
            array[1] = element
            array = LockedArray(array) if told else array
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                outcome = outcome_of(lambda: update(array))
            told.append((outcome, [str(warning.message) for warning in caught], texts(array)))
        assert told[0] == told[1], (element, value)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("name", AUGMENTED)
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_update_of_a_slice_is_what_ufunc_at_computes(dtype, name):
    ufunc = getattr(np, name)
    for plain, x, value in each_element_and_value(dtype, step=2):
        with np.errstate(all="ignore"):
            outcomes = [
                outcome_of(lambda: ufunc.at(plain, slice(None, None, -2), beside(plain, value))),
                outcome_of(lambda: AUGMENTED[name](x.at[::-2], value) is None or None),
            ]
        assert outcomes[0] == outcomes[1], (outcomes, value)
        assert texts(x) == texts(plain)


@pytest.mark.parametrize(
    "index", [np.s_[1], np.s_[:, 1], np.s_[::-1, 1:3], np.s_[...], np.s_[None]]
)
@pytest.mark.parametrize("value", [2, [1, 2, 3, 4], [[1], [2], [3]], np.arange(8.0).reshape(2, 4)])
def test_update_of_a_view_takes_values_that_ufunc_at_takes(index, value):
    plain = np.arange(12).reshape(3, 4)
    x = LockedArray(plain)
    try:
        np.add.at(plain, index, value)
    except ValueError:
        with pytest.raises(ValueError):
            x.at[index] += value
    else:
        x.at[index] += value
        assert np.array_equal(LockedArray(x).at[index].add(0), plain[index])
    assert np.array_equal(x, plain)


@pytest.mark.parametrize("dtype", ["i1", "i8"])
def test_power_that_fails_leaves_the_elements_as_they_were(dtype):
    x = LockedArray(np.array([1, 2, 3], dtype))
    with pytest.raises(ValueError, match="negative"):
        x.at[:] **= -1
    with pytest.raises(ValueError, match="negative"):
        x.at[::2].power([1, -1])
    assert x.tolist() == [1, 2, 3]
    x.at[:] **= 2
    assert x.tolist() == [1, 4, 9]
    assert free(x)


def test_update_of_elements_that_overlap_accumulates():
    plain = np.lib.stride_tricks.as_strided(np.arange(5), (4, 2), (8, 8))
    other = np.lib.stride_tricks.as_strided(np.arange(5), (4, 2), (8, 8))
    x = LockedArray(other, copy=False)
    np.add.at(plain, slice(None), 1)
    x.at[:] += 1
    assert x.tolist() == plain.tolist() == [[1, 3], [3, 4], [4, 5], [5, 5]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_elements_are_set_exchanged_and_compared_as_numpy_does(dtype):
    for plain, x, value in each_element_and_value(dtype, step=3):
        old, y, z = repr(plain[1]), LockedArray(plain), LockedArray(plain)
        equal = outcome_of(
            lambda: bool(plain[1] == value or (plain[1] != plain[1] and value != value))
        )

        def assign(plain=plain, value=value):
            plain[1] = value
            return plain[1]

        new = outcome_of(assign)
        assert outcome_of(lambda: x.at[1].set(value)) == new, (old, value)
        assert outcome_of(lambda: y.at[1].exchange(value)) == (old if isinstance(new, str) else new)
        assert texts(y) == texts(x)
        if equal in ("True", "False"):
            swapped, was = z.at[1].compare_exchange(value, 1)
            assert (repr(swapped), repr(was)) == (equal, old), (old, value)
            assert z[1] == 1 or equal == "False"
        assert free(x, y, z)


def test_at_is_not_made_without_an_array():
    x = LockedArray(VALUES)
    for kind in (type(x.at), type(x.at[0])):
        for use in (repr, lambda at: at[0], lambda at: operator.iadd(at, 1)):
            with pytest.raises((TypeError, AttributeError)):
                use(kind.__new__(kind))
    assert x.tolist() == VALUES


def test_text_of_at_names_the_array():
    x = la.zeros((2, 3))
    assert "(2, 3)" in repr(x.at)
    assert "1" in repr(x.at[1])


def test_elements_are_not_deleted():
    x = la.zeros(3)
    with pytest.raises(TypeError, match="not deleted"):
        del x.at[0]


# -- what x.at and x.at[i] are not ---------------------------------------------------------------------


NO_VALUE = {
    "bool": bool,
    "not": operator.not_,
    "if": lambda at: 1 if at else 0,
    "len": len,
    "iter": iter,
    "list": list,
    "in": lambda at: 3 in at,
    "==": lambda at: at == 3,
    "!=": lambda at: at != 3,
    "<": lambda at: at < 3,
    ">=": lambda at: at >= 3,
    "reflected <": lambda at: 3 < at,
    "== itself": lambda at: at == at,
    "+": lambda at: at + 1,
    "reflected +": lambda at: 1 + at,
    "*": lambda at: at * 2.0,
    "-": operator.neg,
    "abs": abs,
    "@": lambda at: at @ [1],
    "**": lambda at: at**2,
    "divmod": lambda at: divmod(at, 2),
    "&": lambda at: at & 1,
    "float": float,
    "int": int,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "np.asarray": np.asarray,
    "np.array of a list": lambda at: np.array([at]),
    "np.float64": np.float64,
    "plain + at": lambda at: np.zeros(2) + at,
    "at + plain": lambda at: at + np.zeros(2),
    "plain == at": lambda at: np.zeros(2) == at,
    "locked + at": lambda at: la.zeros(2) + at,
    "locked == at": lambda at: la.zeros(2) == at,
    "scalar + at": lambda at: np.float64(1) + at,
    "x[0] = at": lambda at: operator.setitem(la.zeros(2), 0, at),
    "x[:] = at": lambda at: operator.setitem(la.zeros(2), slice(None), at),
    "o[:] = at": lambda at: operator.setitem(la.full(2, None), slice(None), at),
}


@pytest.mark.parametrize("use", NO_VALUE.values(), ids=NO_VALUE)
@pytest.mark.parametrize("index", [None, 0, slice(None)], ids=["x.at", "x.at[0]", "x.at[:]"])
def test_at_is_no_value_and_says_what_to_write(use, index):
    x = LockedArray(VALUES)
    # To NumPy what has a __getitem__ in Python is a sequence, and of that it has words of its own.
    with pytest.raises((TypeError, ValueError)) as refused:
        use(x.at if index is None else x.at[index])
    cause = refused.value.__cause__
    assert "x.at[i].get()" in f"{refused.value} {cause}"
    assert x.tolist() == VALUES
    assert free(x)


def test_at_is_not_stored_in_place_of_its_elements():
    x, y = LockedArray(VALUES), la.zeros(2)
    for store in (y.fill, y.at[0].set, y.at[:].set, y.at[0].add, lambda at: np.copyto(y, at)):
        with pytest.raises(TypeError):
            store(x.at[0])
    assert y.tolist() == [0, 0]


def test_ufunc_of_at_is_refused():
    x = LockedArray(VALUES)
    for use in (np.sqrt, lambda at: np.add(at, 1), lambda at: np.add(x, at)):
        with pytest.raises(TypeError):
            use(x.at[0])
    assert free(x)


def test_at_may_be_kept_and_hashed():
    x = LockedArray(VALUES)
    element = x.at[0]
    assert {element: 1, x.at: 2}[element] == 1
    assert any(element is other for other in (element,))
    element += 1
    assert element is not x.at[0]
    assert x[0] == 5


# -- the result of compare_exchange --------------------------------------------------------------------


def test_result_of_compare_exchange_is_true_if_it_swapped():
    for x, first, second in (
        (LockedArray(VALUES), 4.0, 5.0),
        (LockedArray(["a", "b"]), "a", "b"),
        (LockedArray([None, 1]), None, "b"),
        (LockedArray(VALUES)[:1].reshape(()), 4.0, 5.0),
    ):
        index = 0 if x.ndim else ()
        for swaps in (True, False):
            result = x.at[index].compare_exchange(first, second)
            assert bool(result) is swaps
            assert (result.swapped, result.old) == (swaps, first if swaps else second)


def test_result_of_compare_exchange_of_several_is_neither_true_nor_false():
    result = LockedArray(VALUES).at[:].compare_exchange(4, 5)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(result)
    assert result.swapped.any()
    assert LockedArray([1.0]).at[:].compare_exchange(1, 2)
    assert not LockedArray([1.0]).at[[0]].compare_exchange(3, 2)


def test_result_of_compare_exchange_is_a_named_tuple():
    x = LockedArray([1, 2])
    o = LockedArray([1, None])
    results = [a.at[0].compare_exchange(1, 7) for a in (x, o)]
    assert type(results[0]) is type(results[1])
    for result in results:
        swapped, old = result
        assert (swapped, old) == result == (True, 1)
        assert hash(result) == hash((True, 1))
        assert {(True, 1): "found"}[result] == "found"
        assert isinstance(result, tuple)
        assert result._fields == ("swapped", "old")
        assert result._replace(old=3) == (True, 3)
        assert repr(result).startswith("CompareExchangeResult(swapped=True, old=")
        for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            assert type(twin) is type(result)
            assert twin == result
            assert twin
    table = LockedArray(VALUES).at[:2].compare_exchange(4, 5)
    assert type(table) is type(results[0])


class Odd:
    """Equals nothing, not even itself, or raises."""

    def __init__(self, answer):
        self.answer = answer

    def __eq__(self, other):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    "make",
    [lambda: np.zeros(2), lambda: la.zeros(2), lambda: Odd(False), lambda: Odd(KeyError("odd")),
     lambda: float("nan"), lambda: [np.zeros(2)]],
)  # fmt: skip
def test_object_equals_itself_in_compare_exchange(make):
    element = make()
    for several in (False, True):
        o = la.full(2, None)
        o[0] = element
        expected = np.empty(1, object)
        expected[0] = element
        result = (
            o.at[:1].compare_exchange(expected, "new")
            if several
            else o.at[0].compare_exchange(element, "new")
        )
        assert np.all(result.swapped)
        assert (result.old[0] if several else result.old) is element
        assert o[0] == "new"


def test_object_whose_comparison_fails_is_left_alone():
    for element, other, error in (
        (np.zeros(2), np.zeros(2), ValueError),
        (np.zeros(2), 0.0, ValueError),
        (Odd(KeyError("odd")), 1, KeyError),
        (Odd(np.zeros(2)), 1, ValueError),
    ):
        o = la.full(2, None)
        o[0] = element
        with pytest.raises(error):
            o.at[0].compare_exchange(other, "new")
        assert o[0] is element
        assert free(o)
    o[0] = np.zeros(1)  # has a truth
    assert o.at[0].compare_exchange(np.zeros(1), "new")


def test_array_in_an_array_of_objects_is_updated_as_the_element_that_it_is():
    element = np.zeros(2)
    o = la.full(2, None)
    o[0] = element
    assert o.at[0].get() is element
    assert o.at[0].exchange(element) is element
    assert o.at[0].apply(lambda e: e) is element
    for copies in (o.at[:1].get(), o.at[[0]].get(), o.at[...].get(), o.at[0, ...].get()):
        assert type(copies) is np.ndarray
        copies[...] = None
        assert o[0] is element
