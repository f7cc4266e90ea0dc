"""x.real = v and x.imag = v are what they are for a plain array: values, warnings and errors."""

import warnings
from fractions import Fraction

import numpy as np
import pytest

import lockedarray as la
from lockedarray import LockedArray

COMPLEX = np.array([[1 + 2j, 3 - 4j, 5j], [6, 7 + 8j, -9j]])

ARRAYS = {
    "complex128": COMPLEX,
    "complex64": COMPLEX.astype("c8"),
    "clongdouble": COMPLEX.astype("G"),
    "swapped": COMPLEX.astype(COMPLEX.dtype.newbyteorder()),
    "column": COMPLEX[:, 1],
    "turned over": COMPLEX[::-1, ::-2].T,
    "no axes": COMPLEX[0, 1, ...],
    "empty": COMPLEX[:0],
    "float": COMPLEX.real.copy(),
    "int": np.arange(6).reshape(2, 3),
    "bool": np.array([True, False]),
    "text": np.array(["a", "bc"]),
    "datetime": np.array(["2020", "2021"], "M8[D]"),
    "objects": np.array([1, "a", 2.5], object),
    "records": np.zeros(3, [("a", "f8"), ("b", "c16")]),
}

VALUES = {
    "number": 1.5,
    "big": 2**70,
    "complex": 1 + 2j,
    "row": [1, 2.5, 3],
    "rows": [[1, 2, 3], [4, 5, 6]],
    "wrong shape": np.arange(4),
    "too many axes": np.ones((1, 1, 1, 1)),
    "ragged": [[1, 2], [3]],
    "empty": [],
    "complex array": COMPLEX[0],
    "text": "1.5",
    "texts": ["1", "2", "x"],
    "none": None,
    "fraction": Fraction(1, 3),
    "objects": np.array([1, None, 2.5], object),
    "NaN": np.nan,
    "bool": True,
    "int8": np.int8(-3),
    "date": np.datetime64("2020-01-01"),
    "range": range(3),
    "set": {1, 2},
    "array": np.float32(7) * np.ones(3, "f4"),
}


def outcome(array, name, value):
    """What becomes of the array, or the error, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            setattr(array, name, value)
        except Exception as problem:
            end = type(problem), str(problem)
        else:
            end = None
    copy = array.snapshot() if isinstance(array, LockedArray) else array
    return end, [(one.category, str(one.message)) for one in caught], repr(copy), copy.dtype


@pytest.mark.parametrize("name", ["real", "imag"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_what_is_set_and_what_is_refused_is_as_numpy_does(value, name):
    for kind, array in ARRAYS.items():
        if kind == "objects" and name == "real" and np.lib.NumpyVersion(np.__version__) >= "2.5.0":
            continue  # asks the elements
        plain, x = array.copy(), LockedArray(array.copy())
        assert outcome(x, name, value) == outcome(plain, name, value), kind
        assert x.lock.holds() == []


@pytest.mark.parametrize("name", ["real", "imag"])
@pytest.mark.parametrize("kind", ["complex128", "column", "no axes", "empty", "float"])
def test_a_locked_array_is_a_value_as_a_plain_one_is(kind, name):
    x, a = LockedArray(ARRAYS[kind].copy()), ARRAYS[kind].copy()
    other = LockedArray(np.full(a.shape, 3.0))
    values = [
        lambda array: array,
        lambda array: array.real,
        lambda array: array.imag,
        lambda array: array.real[::-1] if array.ndim else array.imag,
        lambda array: other if array is x else other.snapshot(),
    ]
    for value in values:
        assert outcome(x, name, value(x)) == outcome(a, name, value(a))


def test_parts_are_updated_in_place():
    x, a = LockedArray(COMPLEX.copy()), COMPLEX.copy()
    for array in (x, a):
        array.imag += 1
        array.real *= 2
        array[1].imag -= [1, 2, 3]
        array[:, 1:].real += array[:, :2].imag
        array.T.imag /= 2
        array.real[0] = 7
        np.negative(array.imag, out=array.imag)
    np.testing.assert_array_equal(x.snapshot(), a)
    y, b = LockedArray(COMPLEX.real.copy()), COMPLEX.real.copy()
    for array in (y, b):
        array.real += 1
        array[0].real *= 3
    np.testing.assert_array_equal(y.snapshot(), b)


def test_parts_of_what_may_not_be_written_are_refused():
    frozen, given = LockedArray(COMPLEX.copy()), COMPLEX.copy()
    given.setflags(write=False)
    frozen.freeze()
    read_only = LockedArray(given, copy=False)
    diagonal = LockedArray(COMPLEX.copy()).diagonal()
    real = la.ones(3)
    real.freeze()
    for array in (frozen, frozen[0], read_only, diagonal, real):
        before = array.snapshot()
        for value in (1, [1, 2, 3, 4], array.real, array.imag):
            with pytest.raises(ValueError, match="read-only|broadcast"):
                array.real = value
            with pytest.raises(TypeError if array is real else ValueError):
                array.imag = value
        with pytest.raises(ValueError, match="read-only"):
            array.real += 1
        np.testing.assert_array_equal(array.snapshot(), before)


def test_a_part_of_what_numpy_made_itself_is_set():
    x = np.array(LockedArray(COMPLEX.copy()), subok=True)
    assert type(x) is LockedArray
    x.imag = 1
    x.real = x.imag
    assert (x == 1 + 1j).all()
