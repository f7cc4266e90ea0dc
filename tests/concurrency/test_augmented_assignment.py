"""``x[i] += v`` is one step, also where another thread writes between its read and its write."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free
from lockedarray import LockedArray
from threads import Running, together

CASES = {
    "float": (np.zeros(3), 0, 5.0, 1),
    "float, kept by a cast": (np.zeros(3), 0, 5.0, np.float32(1.5)),
    "int": (np.zeros(3, int), -1, 5, 2.75),
    "int8, that wraps": (np.zeros(3, "i1"), 1, 100, np.int8(100)),
    "int16 and an array": (np.zeros(3, "i2"), 1, 7, np.array(3)),
    "complex": (np.zeros(3, complex), 1, 2j, 1j),
    "long double": (np.zeros(3, "g"), 1, 2, 1),
    "half": (np.zeros(3, "e"), 1, 2, 1),
    "other byte order": (np.zeros(3, ">i4"), 1, 2, 1),
    "text": (np.array(["a", "b"], "U8"), 0, "cd", "e"),
    "bytes": (np.array([b"a", b"b"], "S8"), 0, b"cd", b"e"),
    "varied text": (np.array(["a", "b"], np.dtypes.StringDType()), 0, "cd", "e"),
    "datetime": (np.array(["2020", "2021"], "M8[D]"), 0, "2022-05-05", np.timedelta64(49, "h")),
    "timedelta": (np.array([1, 2], "m8[s]"), 1, 5, np.timedelta64(1, "m")),
    "without axes": (np.array(1.0), (), 5, 1),
    "two axes": (np.zeros((2, 2)), (1, -1), 5, 1),
    "numpy integer": (np.zeros(3), np.int16(2), 5, 1),
    "list": (np.zeros(3), [0, 0, 2], 5, 1),
    "array": (np.zeros((3, 2)), np.array([0, 1]), 5, np.arange(2)),
    "mask": (np.zeros(3), np.array([True, False, True]), [5, 6], 1),
    "mask of bool": (np.zeros(3, bool), np.array([True, False, True]), [True, False], True),
}


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("flat", [False, True], ids=["array", "flat"])
@pytest.mark.parametrize("case", CASES)
def test_what_another_thread_writes_in_between_is_not_lost(case, flat):
    plain, index, written, operand = CASES[case]
    if flat and plain.ndim != 1:
        return
    x, expected = LockedArray(plain.copy()), plain.copy()

    def interrupted():
        Running(lambda: x.__setitem__(index, written)).result()
        return operand

    expected[index] = written
    container, plainly = (x.flat, expected.flat) if flat else (x, expected)
    container[index] += interrupted() if plain.dtype.kind != "b" else False
    if plain.dtype.kind == "b":
        container[index] ^= interrupted()
        plainly[index] ^= operand
    else:
        plainly[index] += operand
    assert x.tolist() == expected.tolist()
    assert x.dtype == expected.dtype
    assert free(x)


@pytest.mark.parametrize("index", [0, [0, 1]])
def test_the_operand_that_is_a_locked_array_is_read_before_the_other_lock_is_taken(index):
    x, y = LockedArray(np.zeros(2)), LockedArray(np.ones(2 if index else ()))

    def interrupted():
        Running(lambda: x.__setitem__(slice(None), 10)).result()
        return y

    x[index] += interrupted()
    assert x.tolist() == ([11, 11] if index else [11, 10])


CHANGED = {
    "bool": (np.zeros(2, bool), True, "^"),
    "object": (np.array([1, 2], object), 5, "+"),
    "list of objects": (np.array([1, 2], object), 5, "+"),
}


@pytest.mark.parametrize("flat", [False, True], ids=["array", "flat"])
@pytest.mark.parametrize("case", CHANGED)
def test_truth_values_and_objects_that_another_thread_changes_are_told_and_not_lost(case, flat):
    plain, written, sign = CHANGED[case]
    x = LockedArray(plain.copy())
    index = [0, 1] if "list" in case else 0

    def interrupted():
        Running(lambda: x.__setitem__(0, written)).result()
        return written

    names = {"x": x.flat if flat else x, "interrupted": interrupted, "i": index}
    with pytest.raises(RuntimeError, match=r"x\.at\[i\]"):
        exec(f"x[i] {sign}= interrupted()", names)
    assert x.tolist() == [written, *plain.tolist()[1:]]
    assert free(x)


def test_an_element_that_is_gone_is_out_of_bounds():
    x = LockedArray(np.zeros(5))

    def interrupted():
        Running(lambda: x.resize(2)).result()
        return 1

    with pytest.raises(IndexError, match="out of bounds"):
        x[4] += interrupted()
    x[1] += interrupted()
    assert x.tolist() == [0, 1]
    assert free(x)


def test_an_array_that_is_frozen_in_between_stays_as_it_is():
    x = LockedArray(np.zeros(5))

    def interrupted():
        Running(x.freeze).result()
        return 1

    with pytest.raises(ValueError, match="read-only"):
        x[4] += interrupted()
    assert x.tolist() == [0] * 5


def test_an_array_that_moves_in_between_is_updated_where_it_is():
    x = LockedArray(np.arange(5.0))
    view = x[1:]

    def interrupted():
        Running(lambda: x.resize(100_000)).result()
        return 1

    view[0] += interrupted()
    x[[2, 3]] += 1
    assert x[:5].tolist() == [0, 2, 3, 4, 4]


def counted(x):
    for _ in range(200):
        x[0] += 1
        x[[1, 2]] += 1
        x.flat[3] += 1


def test_the_counts_of_four_threads_are_all_there():
    for dtype in (int, float, ">f4"):
        x = LockedArray(np.zeros(4, dtype))
        together(*[lambda x=x: counted(x)] * 4)
        assert x.tolist() == [800] * 4
        assert free(x)


def test_truth_values_are_turned_as_often_as_is_told():
    x = LockedArray(np.zeros(1, bool))
    turned = [0] * 4

    def turn(i):
        for _ in range(300):
            try:
                x[0] ^= True
                turned[i] += 1
            except RuntimeError:
                pass

    together(*[lambda i=i: turn(i) for i in range(4)])
    assert x[0] == sum(turned) % 2


def test_it_is_one_step_beside_the_other_ways_to_update():
    x = LockedArray(np.zeros(2))

    def guarded():
        with x.write() as raw:
            raw[0] += 1

    together(
        *[lambda: [x.__class__ for _ in range(100) if x.at[0].add(1)]],
        *[lambda: [guarded() for _ in range(100)]],
        *[lambda: exec("for _ in range(300): x[0] += 1", {"x": x})],
        *[lambda: exec("for _ in range(300): x[0:1] += 1", {"x": x})],
    )
    assert x[0] == 800
    assert la.atomic_augmented_assignment


RESIZES = {
    "resize": lambda x: x.resize(6),
    "append": lambda x: x.append(9.0),
    "move": lambda x: x.resize(50_000),
    "shrink": lambda x: x.resize(3),
}

VIEWS = {
    "x[...]": [0, 1, 2, 3],
    "x[()]": [0, 1, 2, 3],
    "x[None]": [0, 1, 2, 3],
    "x[:]": [0, 1, 2, 3],
    "x[::2]": [0, 2],
    "x[-3:-1]": [1, 2],
    "x[::-1]": [0, 1, 2, 3],
    "x[a:]": [2, 3],
    "x[a:][-1:]": [3],
    "x.real[:]": [0, 1, 2, 3],
}


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_beside_a_resize_is_updated_where_it_was_read_and_nowhere_else(view, how):
    x = LockedArray(np.arange(4.0))

    def interrupted():
        Running(lambda: RESIZES[how](x)).result()
        return 10

    exec(f"{view} += interrupted()", {"x": x, "interrupted": interrupted, "a": 2})
    added = dict.fromkeys(VIEWS[view], 10.0)
    expected = [i + added.get(i, 0.0) for i in range(4)]
    assert x[:4].tolist() == expected[: len(x)]
    assert not x[5:].any()
    assert free(x)


def test_a_view_that_an_operand_hands_back_is_assigned():
    x = LockedArray(np.arange(4.0))

    class Another:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return x[2:]

    x[:2] += Another()
    assert x.tolist() == [2, 3, 2, 3]


def test_a_view_of_an_array_that_is_frozen_in_between_is_refused():
    x = LockedArray(np.zeros(4))

    class Freezes:
        def __array_ufunc__(self, ufunc, method, *inputs, out, **kwargs):
            x.freeze()
            return out[0]

    with pytest.raises(ValueError, match="read-only"):
        x[:2] += Freezes()
