"""Details that NumPy's own test suite asks for, each with LockedArrays and with plain arrays."""

import operator
import warnings

import numpy as np
import pytest

import lockedarray as la


class Sequence:
    """Has a length, and no items."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        raise IndexError("not possible")


class Reluctant:
    """Goes before arrays, and is none."""

    __array_priority__ = 1000

    def __array__(self, dtype=None, copy=None):
        raise ValueError("no array")


def both(values):
    """Return a plain array and a LockedArray of these values."""
    return np.array(values), la.LockedArray(values)


def test_conjugate_takes_out_by_position():
    for array in both([1 + 2j, 3 - 1j]):
        for out in both([0j, 0j]):
            assert array.conjugate(out) is out
            assert array.conj(out) is out
            assert out.tolist() == [1 - 2j, 3 + 1j]


def test_astype_warns_once():
    def warnings_of(array):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            array.astype(np.int32)
        return len(caught)

    plain, locked = both([1 + 2j])
    assert warnings_of(locked) == warnings_of(plain) == 1


def test_astype_is_the_array_itself_where_nothing_is_to_do():
    for array in both([1.0, 2.0]):
        assert array.astype(float, copy=False) is array
        assert array.astype(float, "K", "unsafe", True, False) is array
        assert array.astype(float) is not array


def test_an_empty_sequence_is_an_index_of_nothing():
    for array in both([1.0, 2.0]):
        assert array[Sequence(0)].shape == (0,)
        array[Sequence(0)] = 7
        assert np.add.reduceat(array, []).shape == (0,)
        if np.lib.NumpyVersion(np.__version__) >= "2.4.0":  # older ones take no flat iterator here
            assert array.flat[array[:0].flat].shape == (0,)
        with pytest.raises(IndexError, match="only integers|unsupported"):
            array.flat[np.array(["a", "b"]).flat]


def test_what_goes_before_arrays_is_not_converted():
    for array in both([1.0, 2.0]):
        with pytest.raises(TypeError, match="not supported"):
            _ = array < Reluctant()
        assert not array == Reluctant()
        assert array != Reluctant()


def test_flat_takes_no_more_axes_than_that_of_numpy():
    for array in (np.ones((1,) * 64), la.ones((1,) * 64)):
        with pytest.raises(RuntimeError, match="32 dimensions"):
            _ = array.flat


def test_an_array_that_contains_itself_is_printed():
    for array in both([None, None]):
        array[1] = [array]
        name = type(array).__name__.replace("nd", "")
        assert repr(array) == f"{name}([None, list([{name}(..., dtype=object)])], dtype=object)"
        assert str(array) == f"[None list([{name}(..., dtype=object)])]"
        array[1] = array
        assert "..." in repr(array)
        assert "..." in str(array)
        array[1] = None  # no cycle is left behind


def test_refcheck_is_a_flag():
    for array in both([1.0, 2.0]):
        with pytest.raises(TypeError):
            array.resize(2, refcheck="no")


def test_array_function_is_called_by_keyword_too():
    for array in both([1.0, 2.0]):
        called = {"func": np.flip, "types": (type(array),), "args": (array,), "kwargs": {}}
        assert array.__array_function__(**called).tolist() == [2.0, 1.0]
        assert array.__array_function__(np.flip, (), args=(array,), kwargs={"axis": 0})[0] == 2.0
        for wrong in ({"func": np.flip}, {"no": 1, "types": (), "args": (), "kwargs": {}}):
            with pytest.raises(TypeError):
                array.__array_function__(**wrong)


def test_array_function_looks_at_its_arguments():
    # In the words of newer NumPy; 2.0 reads what is no tuple as one.
    array = la.LockedArray([1, 2])
    with pytest.raises(TypeError, match="args must be a tuple"):
        array.__array_function__(np.reshape, (la.LockedArray,), array, (2, 1))
    with pytest.raises(TypeError, match="kwargs must be a dict"):
        array.__array_function__(np.reshape, (la.LockedArray,), (array,), (2, 1))


def test_a_record_compared_with_what_makes_no_array_is_as_numpys():
    records = np.array([((1, 2), True), ((0, 1), False)], [("m", "i2", (2,)), ("k", "?")])
    for compare in (operator.eq, operator.ne):
        with pytest.warns(DeprecationWarning, match="elementwise"):
            expected = compare(records, ((1, 2), True))
        with pytest.warns(DeprecationWarning, match="elementwise"):
            assert compare(la.LockedArray(records), ((1, 2), True)) is expected
