"""An index of an array in blocks does to the blocks what NumPy does to the whole array with it."""

import itertools
import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockedarray._distributed.splitting import Part, gathered, operand_for, split

EXAMPLES = settings(
    max_examples=400,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
RECORD = np.dtype([("a", "i4"), ("b", "f8", (2, 3)), ("c", "S3")])


def numbered(shape):
    """An array whose items are all different."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def in_blocks(array, starts):
    """Copies of the blocks of an array."""
    stops = [*starts[1:], len(array)]
    return [array[low:high].copy() for low, high in zip(starts, stops, strict=True)]


def taken(array, starts, index):
    """What an index finds in the blocks."""
    whole = split(index, array.shape, starts, array.dtype)
    blocks = in_blocks(array, starts)
    results = [blocks[part.block][part.index] for part in whole.parts]
    result = gathered(whole, results, array.dtype)
    assert whole.is_scalar == (not isinstance(result, np.ndarray))
    assert whole.shape == np.shape(result)
    check_parts(whole)
    return result


def stored(array, starts, index, value, dtype=None):
    """The array after its blocks have stored a value each."""
    whole = split(index, array.shape, starts, array.dtype)
    blocks = in_blocks(array, starts)
    for part in whole.parts:
        blocks[part.block][part.index] = operand_for(value, whole, part, dtype)
    return np.concatenate(blocks)


def check_parts(whole):
    """There is a part always; a block has one at most; and a part alone is everything."""
    blocks = [part.block for part in whole.parts]
    assert len(blocks) == len(set(blocks)) >= 1
    assert (whole.parts[0].place is ...) == (len(blocks) == 1)


def outcome(function, *arguments):
    """What a call returns, or what error it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy 2.0: out of bounds of nothing
        try:
            return function(*arguments), None
        except (IndexError, ValueError, TypeError) as error:
            return None, error


def rows_of(array, index):
    """Which rows of an array an index picks."""
    rows = np.arange(len(array)).reshape((-1,) + (1,) * (array.ndim - 1))
    return np.unique(np.broadcast_to(rows, array.shape)[index])


def check_same(array, starts, index):
    expected, error = outcome(lambda: array[index])
    result, own_error = outcome(taken, array, starts, index)
    assert type(own_error) is type(error), (error, own_error)
    assert str(own_error) == str(error)
    if error is None:
        assert type(result) is type(expected)
        np.testing.assert_array_equal(result, expected, strict=True)
    return error is None


SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7)


@st.composite
def starts_of(draw, shape):
    inner = draw(st.lists(st.integers(0, shape[0]), max_size=4))
    return [0, *sorted(inner)]


@st.composite
def items(draw, shape):
    """One index, or a tuple: most are right, some are not."""
    found, axis = [], 0
    common = draw(st.sampled_from([(3,), (1,), (0,), (2, 3), (4, 1, 2), (12,)]))
    kinds = st.sampled_from(
        [
            "int",
            "slice",
            "slice",
            "none",
            "ellipsis",
            "array",
            "array",
            "mask",
            "flag",
            "list",
            "0-d",
        ]
    )
    for kind in draw(st.lists(kinds, max_size=5)):
        length = shape[axis] if axis < len(shape) else 3
        slack = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
        low, high = (-length - slack, length - 1 + slack)
        if kind not in ("int", "array", "list", "0-d", "flag", "none", "ellipsis", "mask"):
            found.append(draw(st.slices(length)))
            axis += 1
        elif kind == "none":
            found.append(None)
        elif kind == "ellipsis":
            found.append(...)
            axis = max(axis, len(shape) - draw(st.integers(0, 2)))
        elif kind == "flag":
            if draw(st.integers(0, 3)) == 0:
                found.append(draw(st.sampled_from([True, False, np.True_, np.array(True)])))
        elif kind == "mask":
            over = draw(st.integers(1, 2))
            sides = list(shape[axis : axis + over]) or [2]
            sides[-1] += slack
            found.append(draw(hnp.arrays(bool, tuple(sides))))
            axis += over
        elif low > high:
            found.append(slice(None))
            axis += 1
        elif kind == "int":
            make = draw(st.sampled_from([int, np.int8, np.int64]))
            found.append(make(draw(st.integers(low, high))))
            axis += 1
        elif kind == "0-d":
            found.append(np.array(draw(st.integers(low, high))))
            axis += 1
        else:
            keep = draw(st.integers(0, len(common)))
            sides = [draw(st.sampled_from([1, n, n])) for n in common[keep:]] or [1]
            dtype = draw(st.sampled_from(["i8", "i4", "i1"]))
            array = draw(hnp.arrays(dtype, tuple(sides), elements=st.integers(low, high)))
            found.append(array.tolist() if kind == "list" else array)
            axis += 1
    if len(found) == 1 and draw(st.booleans()):
        return found[0]
    return tuple(found)


@st.composite
def cases(draw):
    shape = draw(SHAPES)
    index = draw(
        st.one_of(
            items(shape),
            items(shape),
            items(shape),
            hnp.basic_indices(shape, allow_newaxis=True, max_dims=8),
            hnp.integer_array_indices(shape) if 0 not in shape else items(shape),
            hnp.arrays(bool, shape),
            hnp.arrays(bool, shape[:1]),
        )
    )
    return shape, draw(starts_of(shape)), index


@EXAMPLES
@given(cases())
def test_blocks_find_what_numpy_finds_or_raise_its_error(case):
    shape, starts, index = case
    check_same(numbered(shape), starts, index)


@EXAMPLES
@given(cases(), st.data())
def test_blocks_store_what_numpy_stores_or_raise_its_error(case, data):
    shape, starts, index = case
    array = numbered(shape)
    result, error = outcome(lambda: array[index])
    if error is not None:
        return
    sides = [data.draw(st.sampled_from([n, n, n, 1])) for n in np.shape(result)]
    sides = sides[data.draw(st.integers(0, len(sides))) if data.draw(st.booleans()) else 0 :]
    if sides and data.draw(st.integers(0, 5)) == 0:
        sides[data.draw(st.integers(0, len(sides) - 1))] += 1
    if data.draw(st.integers(0, 5)) == 0:
        sides.insert(0, 1)
    value = -1 - numbered(tuple(sides))
    expected = array.copy()
    _, error = outcome(expected.__setitem__, index, value)
    result, own_error = outcome(stored, array, starts, index, value)
    if error is None:
        assert own_error is None
        np.testing.assert_array_equal(result, expected)
    else:  # for masks NumPy has a TypeError, too
        assert type(own_error) in (ValueError, type(error)), (error, own_error)


@EXAMPLES
@given(cases())
def test_what_lies_in_one_block_is_one_part(case):
    shape, starts, index = case
    array = numbered(shape)
    rows, error = outcome(rows_of, array, index)
    if error is not None or len(starts) == 1:
        return
    blocks = np.unique(np.searchsorted(starts, rows, side="right") - 1)
    whole = split(index, shape, starts)
    if array[index].size:
        assert sorted(part.block for part in whole.parts) == blocks.tolist()
    check_parts(whole)


FLAGS = np.zeros((4, 3), bool)
FLAGS[[0, 3], [1, 2]] = True
FEW = [..., -1, slice(None, None, -2), [2, -3], [[0], [2]], None]
MANY = [*FEW, slice(1, 1), [[0, 2], [2, 1]], [], FLAGS.any(1), FLAGS[0:3].any(1), FLAGS, True]


@pytest.mark.parametrize(
    ("choices", "count"), [(MANY, 1), (MANY, 2), (MANY, 3), (FEW, 4)], ids=["1", "2", "3", "4"]
)
def test_all_kinds_of_items_in_any_order_find_and_store_what_numpy_does(choices, count):
    array, starts, right = numbered((4, 3, 3)), [0, 2, 2], 0
    for index in itertools.product(choices, repeat=count):
        if check_same(array, starts, index):
            right += 1
            value = -1 - numbered(array[index].shape)
            expected = array.copy()
            expected[index] = value
            np.testing.assert_array_equal(stored(array, starts, index, value), expected)
    assert right > 9


def test_numbers_that_are_broadcast_to_nothing_may_be_of_no_row():
    index = ([[7], [1]], np.zeros((1, 0), int))
    assert check_same(numbered((4, 3)), [0, 0, 2], index)


@EXAMPLES
@given(st.data())
def test_open_meshes_find_and_store_what_numpy_does(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9))
    starts = data.draw(starts_of(shape))
    lists = [data.draw(st.lists(st.integers(0, n - 1), max_size=6)) for n in shape]
    index = np.ix_(*lists)
    array = numbered(shape)
    assert check_same(array, starts, index)
    value = -1 - numbered(tuple(map(len, lists)))
    expected = array.copy()
    expected[index] = value
    np.testing.assert_array_equal(stored(array, starts, index, value), expected)


@pytest.mark.parametrize(
    "index",
    [
        5,
        -6,
        10**30,
        1.5,
        "a",
        b"a",
        (0, "a"),
        ["a", 1],
        [1.5],
        [[0], [0, 1]],
        (0, 0, 0),
        (..., ...),
        (..., [0], ...),
        ([0], [0], [0]),
        [0, 5],
        (slice(None), [0, 3]),
        ([0, 1], [0, 1, 2]),
        [True, False],
        (slice(None), [True] * 4),
        (0, [True] * 2),
        np.ones((5, 4), bool),
        np.ones((5, 3, 1), bool),
        slice(None, None, 0),
        (slice(None, None, 0), [0]),
        slice(1.5),
        np.array([0, 1], object),
        {},
    ],
    ids=repr,
)
def test_what_numpy_refuses_is_refused_in_its_words_before_anything_is_sent(index):
    array = numbered((5, 3))
    _, error = outcome(lambda: array[index])
    _, own_error = outcome(split, index, array.shape, [0, 2])
    assert error is not None
    assert (type(own_error), str(own_error)) == (type(error), str(error))


@pytest.mark.parametrize("index", [5, (0, 0, 0), [7], "a", ["a"], np.ones(3, bool)], ids=repr)
def test_what_seems_wrong_for_a_single_block_is_left_to_its_owner(index):
    whole = split(index, (5, 3), [0])
    assert whole.shape == ()
    assert whole.parts[0].index is index
    assert whole.parts[0].place is ...


@pytest.mark.parametrize(
    ("index", "block", "local"),
    [
        (4, 1, 1),
        (-1, 2, 3),
        (np.int16(4), 1, 1),
        ((4, ..., None), 1, (1, ..., None)),
        (slice(4, 6), 1, slice(1, 3)),
        (slice(5, 3, -1), 1, slice(2, 0, -1)),
        (slice(5, 2, -1), 1, slice(2, None, -1)),
        (slice(-1, None), 2, slice(3, 4)),
        (slice(6, None, 3), 2, slice(0, 4, 3)),
        ((slice(4, 6), 0), 1, (slice(1, 3), 0)),
        ((None, slice(4, 6)), 1, (None, slice(1, 3))),
        (slice(8, 2), 0, slice(0, 0)),
    ],
    ids=repr,
)
def test_ints_and_slices_within_one_block_stay_ints_and_slices(index, block, local):
    assert split(index, (10, 2), [0, 3, 6]).parts == [Part(block, local, ...)]
    assert repr(split(index, (10, 2), [0, 3, 6]).parts[0].index) == repr(local)


@pytest.mark.parametrize("index", [3, slice(2), [1, 1], (..., 0), np.ones(5, bool)], ids=repr)
def test_a_single_block_is_given_the_very_index(index):
    whole = split(index, (5, 3), [0])
    assert whole.parts[0].index is index
    assert whole.shape == np.zeros((5, 3))[index].shape


def test_lists_keep_their_order_and_their_duplicates():
    array, starts, index = numbered((9, 2)), [0, 3, 3, 6], [8, 0, 8, -9, 4, 0]
    assert check_same(array, starts, index)
    result = stored(array, starts, index, np.arange(6)[:, np.newaxis])
    assert result[[8, 0, 4], 0].tolist() == [2, 5, 4]


def test_a_mask_goes_to_each_block_as_a_mask_of_its_rows():
    mask = np.arange(12).reshape(6, 2) % 3 == 0
    whole = split(mask, (6, 2), [0, 2, 4])
    for part in whole.parts:
        np.testing.assert_array_equal(part.index, mask[2 * part.block : 2 * part.block + 2])
    assert [part.place for part in whole.parts] == [(slice(0, 2),), (slice(2, 3),), (slice(3, 4),)]


def test_a_mask_that_picks_rows_of_one_block_goes_to_that_block_alone():
    mask = np.arange(6) == 3
    whole = split(mask, (6, 2), [0, 2, 4])
    assert [(part.block, part.place) for part in whole.parts] == [(1, ...)]
    assert whole.parts[0].index.tolist() == [False, True]


def test_an_open_mesh_is_sent_as_open_meshes():
    whole = split(np.ix_(range(100), range(50)), (100, 60), [0, 40])
    assert [[axis.shape for axis in part.index] for part in whole.parts] == [
        [(40, 1), (1, 50)],
        [(60, 1), (1, 50)],
    ]


def test_rows_that_ascend_are_put_into_a_slice_of_the_result():
    whole = split([0, 1, 5, 7], (10,), [0, 4])
    assert [part.place for part in whole.parts] == [(slice(0, 2),), (slice(2, 4),)]


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        (..., (10**12, 10**5)),
        (slice(None, None, -3), (333333333334, 10**5)),
        ((..., 0), (10**12,)),
        ((..., [0, 5]), (10**12, 2)),
        ((slice(7, None), np.ones(10**5, bool)), (10**12 - 7, 10**5)),
        ([0, 10**12 - 1], (2, 10**5)),
        (([[0]], slice(None, None, 2)), (1, 1, 5 * 10**4)),
    ],
    ids=["...", "step", "column", "columns", "mask", "rows", "mesh"],
)
def test_no_index_is_spelled_out_for_all_that_it_picks(index, shape):
    whole = split(index, (10**12, 10**5), [0, 10**11, 5 * 10**11])
    assert whole.shape == shape


@pytest.mark.parametrize("index", ["a", "b", np.str_("c"), ["a"], ["c", "b"]], ids=repr)
@pytest.mark.parametrize("starts", [[0], [0, 2], [0, 0, 3], [0, 5]], ids=repr)
@pytest.mark.parametrize("length", [0, 5])
def test_fields_are_those_of_all_blocks(index, starts, length):
    array = np.zeros((length, 2), RECORD)
    array["a"] = numbered((length, 2))
    array["b"] = numbered((length, 2, 2, 3))
    array["c"] = array["a"].astype("S3")
    starts = [min(start, length) for start in starts]
    result = taken(array, starts, index)
    expected = array[index]
    assert result.shape == expected.shape
    assert result.dtype.names == expected.dtype.names
    assert repr(result.tolist()) == repr(expected.tolist())
    if length and isinstance(index, str):
        value = expected[::-1].copy()
        assert stored(array, starts, index, value)[index].tolist() == value.tolist()


def test_a_field_that_is_not_there_is_refused_as_numpy_refuses_it():
    array = np.zeros((4,), RECORD)
    for index in ("d", ["a", "d"]):
        with pytest.raises((ValueError, KeyError)) as expected:
            array[index]
        with pytest.raises(expected.type) as refused:
            split(index, array.shape, [0, 2], RECORD)
        assert str(refused.value) == str(expected.value)
    with pytest.raises(IndexError):
        split("a", array.shape, [0, 2])


@pytest.mark.parametrize(
    "value",
    [7, 2.5, np.float32(1), np.array(3), np.arange(3), [1, 2, 3], np.ones((1, 3)), np.ones((1, 1))],
    ids=repr,
)
def test_an_operand_that_is_the_same_for_all_rows_is_passed_whole(value):
    whole = split(slice(1, 5), (6, 3), [0, 3])
    for part in whole.parts:
        np.testing.assert_array_equal(operand_for(value, whole, part), value, strict=False)
        assert np.shape(operand_for(value, whole, part)) == np.shape(value)


def test_of_an_operand_that_differs_by_row_each_block_gets_its_rows():
    whole = split((slice(1, 5), slice(None)), (6, 1000), [0, 3])
    value = np.arange(4)[:, np.newaxis]
    parts = [operand_for(value, whole, part) for part in whole.parts]
    assert [part.tolist() for part in parts] == [[[0], [1]], [[2], [3]]]


def test_a_python_number_stays_one_since_numpy_treats_it_in_its_own_way():
    whole = split(slice(1, 5), (6, 3), [0, 3])
    assert type(operand_for(7, whole, whole.parts[0])) is int


def test_an_operand_without_the_axes_of_a_table_of_rows_is_passed_whole():
    whole = split([[0, 3], [4, 1]], (6, 3), [0, 3])
    assert operand_for(np.arange(3), whole, whole.parts[0]).shape == (3,)


@pytest.mark.parametrize("shape", [(2,), (3, 3), (4, 4), (5, 1), (2, 4, 3)])
def test_an_operand_that_does_not_broadcast_is_refused(shape):
    whole = split(slice(1, 5), (6, 3), [0, 3])
    with pytest.raises(ValueError, match="could not broadcast input array from shape"):
        operand_for(np.zeros(shape), whole, whole.parts[0])


def test_a_tuple_may_be_one_item_of_a_structured_array():
    dtype = np.dtype([("x", "i4"), ("y", "f8")])
    array = np.zeros(6, dtype)
    for value in [(1, 2.5), [(1, 2.5), (3, 4.5), (5, 6.5), (7, 8.5)]]:
        expected = array.copy()
        expected[1:5] = value
        np.testing.assert_array_equal(stored(array, [0, 3], slice(1, 5), value, dtype), expected)


def test_results_keep_their_own_dtype():
    whole = split(slice(None), (4,), [0, 2])
    assert gathered(whole, [np.ones(2, ">f4"), np.ones(2, ">f4")], np.dtype(bool)).dtype == ">f4"
