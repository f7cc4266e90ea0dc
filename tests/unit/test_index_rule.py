"""Which index makes a view and which picks an element: both rules, in Python and in C, against NumPy."""

import itertools
import sysconfig

import numpy as np
import pytest

import lockedarray
from lockedarray._array.indexing import makes_view, picks_element

needs_c = pytest.mark.skipif(
    lockedarray.backend != "native", reason="the portable core has no rule in C"
)


def in_python(index, ndim):
    return makes_view(index, ndim)


def in_c(index, ndim):
    from lockedarray._core._native import index_makes_view

    return index_makes_view(index, ndim)


both_rules = pytest.mark.parametrize(
    "rule", [pytest.param(in_python, id="Python"), pytest.param(in_c, id="C", marks=needs_c)]
)

INTEGERS = [0, -1, np.intp(1), np.int8(0), np.uint64(1)]
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

NAMES = ["a", ["a"], ["b", "a"]]
PARTS = [
    *INTEGERS,
    slice(None), slice(1, 0), slice(None, None, -2), None, Ellipsis,
    True, np.True_, False,
    [0, 1], [], [[0], [1]], [True, False, True], (0, 1),
    np.array([0, 1]), np.array(1), np.array([], int), np.array([True, False, True]), np.array(True),
]  # fmt: skip
INDICES = [
    *PARTS,
    *NAMES,
    *(parts for n in range(4) for parts in itertools.product(PARTS, repeat=n)),
    *itertools.product(NAMES, PARTS),
]
RECORDS = np.dtype([("a", "f8"), ("b", "i4", 3)])
ARRAYS = {
    f"{dtype} {shape}": np.zeros(shape, dtype)
    for dtype in (np.dtype("f8"), RECORDS)
    for shape in [(), (3,), (2, 3), (3, 2, 3), (0,), (3, 0)]
}


def outcomes(array):
    """Yield (index, what NumPy selects by it) of each index that NumPy takes."""
    for index in INDICES:
        try:
            yield index, array[index]
        except (IndexError, ValueError, DeprecationWarning):  # older NumPys only warn of some
            pass


def shows(selected, array):
    """Whether what was selected is an array on the memory of `array`."""
    while isinstance(selected, np.ndarray) and selected is not array:
        selected = selected.base
    return selected is array


def in_words(index):
    return f"{index!r} ({type(index).__name__})"


@both_rules
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_index_makes_a_view_where_numpy_makes_one(rule, array):
    seen = set()
    for index, selected in outcomes(array):
        is_view = shows(selected, array)
        if rule is in_c and FREE_THREADED and type(index) is list and index in NAMES:
            is_view = False  # another thread may change the list: that is left to Python
        assert rule(index, array.ndim) == is_view, in_words(index)
        seen.add(is_view)
    assert seen == {True, False}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_index_that_picks_an_element_is_one_by_which_numpy_reads_a_scalar(array):
    count = 0
    for index, selected in outcomes(array):
        if picks_element(index, array.ndim):
            count += 1
            assert not isinstance(selected, np.ndarray), in_words(index)
    assert (count > 0) == (array.size > 0)


@pytest.mark.parametrize("rule", [makes_view, picks_element])
def test_what_has_an_index_of_its_own_is_neither(rule):
    class Index:
        def __index__(self):
            return 0

    class Integer(int):
        pass

    class Tuple(tuple):
        pass

    for index in (Index(), Integer(0), Tuple((0,)), (Index(), slice(None))):
        assert not rule(index, 1)
