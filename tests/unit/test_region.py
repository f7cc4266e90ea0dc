"""Region against np.shares_memory: never apart when they share, and exact where that is promised.

Each test runs for the rule in Python and, on the native core, for the one in C. The C function
counts bytes from address 0, as `Region.of` does by default. So that both see what the lock sees,
the arrays here begin where a Buffer may: at a multiple of the length of their rows.
"""

import itertools
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import lockedarray
from lockedarray import LockedArray
from lockedarray._array.region import Region

needs_c = pytest.mark.skipif(
    lockedarray.backend != "native", reason="the portable core has no rule in C"
)


def in_python(a, b):
    return Region.of(a).conflicts(Region.of(b))


def in_c(a, b):
    from lockedarray._core._native import regions_conflict

    return regions_conflict(a, b)


both_rules = pytest.mark.parametrize(
    "conflict", [pytest.param(in_python, id="Python"), pytest.param(in_c, id="C", marks=needs_c)]
)

PAIRS = settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

ROW_LENGTHS = 2 * 3 * 5 * 7 * 8 * 9 * 11  # a multiple of the row lengths used here


def buffer_of(size):
    """Return `size` zero bytes at an address that is a multiple of `ROW_LENGTHS`."""
    room = np.zeros(ROW_LENGTHS + size, np.uint8)
    start = -room.ctypes.data % ROW_LENGTHS
    return room[start : start + size]


def zeros(shape, dtype="f8"):
    dtype = np.dtype(dtype)
    size = dtype.itemsize * int(np.prod(shape))
    return buffer_of(size).view(dtype).reshape(shape)


def check_safe(conflict, a, b):
    """Never apart when memory is shared, whichever of the two comes first."""
    found = conflict(a, b)
    assert found == conflict(b, a)
    assert found or not np.shares_memory(a, b), (layout(a), layout(b))


def check_exact(conflict, views):
    for a, b in itertools.combinations_with_replacement(views, 2):
        shared = np.shares_memory(a, b)
        assert conflict(a, b) == conflict(b, a) == shared, (layout(a), layout(b))


def layout(array):
    """What a failed test shows of an array; the address is that within the aligned buffer."""
    return array.shape, array.strides, array.itemsize, array.ctypes.data % ROW_LENGTHS


# -- random views ----------------------------------------------------------------------------------

RECORD = np.dtype([("a", "i4"), ("b", "f8"), ("c", "i2", (4,))])  # 20 bytes: b divides no row
BYTES = buffer_of(720)
WHOLES = [
    BYTES,
    BYTES.view("i2").reshape(4, 9, 10),
    BYTES.view("f8").reshape(9, 10),
    BYTES.view("f8").reshape((6, 15), order="F"),
    BYTES.view("c16").reshape(9, 5),
    BYTES.view("c8").reshape(2, 3, 3, 5),
    BYTES.view(RECORD).reshape(4, 9),
]


def slice_an_axis(draw, array):
    axis = draw(st.integers(0, array.ndim - 1))
    start = draw(st.integers(0, array.shape[axis] - 1))
    step = draw(st.sampled_from([2, 3, 1, 4, -1, -2]))
    count = draw(st.sampled_from([9, 2, 1, 3]))
    before = (slice(None),) * axis
    return array[(*before, slice(start, None, step))][(*before, slice(count))]


def take_nothing(draw, array):
    return array[draw(st.integers(0, 2)) :][:0]


def index_an_axis(draw, array):
    axis = draw(st.integers(0, array.ndim - 1))
    at = draw(st.integers(0, array.shape[axis] - 1))
    return array[(slice(None),) * axis + (at, ...)]


def transpose(draw, array):
    return array.transpose(draw(st.permutations(range(array.ndim))))


def take_a_field(draw, array):
    return array[draw(st.sampled_from(array.dtype.names or ()))]


def take_a_part(draw, array):
    if array.dtype.kind != "c":
        raise TypeError
    return draw(st.sampled_from([array.real, array.imag]))


def view_as_another_type(draw, array):
    return array.view(draw(st.sampled_from(["u1", "i2", "f4", "f8", "V3", "V5", "c16"])))


def reshape(draw, array):
    shape = draw(st.sampled_from([(-1,), (2, -1), (-1, 3), (3, 2, -1)]))
    reshaped = array.reshape(shape)
    return reshaped if np.may_share_memory(reshaped, BYTES) else array


def broadcast(draw, array):
    return np.broadcast_to(array, (draw(st.sampled_from([2, 1, 3])), *array.shape))


def add_an_axis(draw, array):
    return np.expand_dims(array, draw(st.integers(0, array.ndim)))


def take_a_diagonal(draw, array):
    return array.diagonal(draw(st.integers(-3, 3)))


def slide_a_window(draw, array):
    return sliding_window_view(array, draw(st.integers(1, 3)), axis=0)


RARE = [
    index_an_axis, take_a_part, view_as_another_type, transpose, reshape, broadcast, add_an_axis,
    take_a_diagonal, slide_a_window, take_nothing,
]  # fmt: skip
ACTS = [slice_an_axis] * 10 + [take_a_field] * 2 + RARE


def acted_on(draw, array, least, most):
    """Return some view of `array`; acts that NumPy refuses are left out."""
    for act in draw(st.lists(st.sampled_from(ACTS), min_size=least, max_size=most)):
        try:
            array = act(draw, array)
        except (IndexError, TypeError, ValueError, InvalidArgument):  # the last: nothing to draw
            continue
    return array


@st.composite
def pairs(draw):
    """Two views of some view of `BYTES`."""
    whole = acted_on(draw, draw(st.sampled_from(WHOLES)), 0, 2)
    return acted_on(draw, whole, 1, 4), acted_on(draw, whole, 1, 4)


def any_strides(seed, count):
    """Pairs of arrays with whatever strides, as `as_strided` makes them."""
    rng = random.Random(seed)

    def array():
        while True:
            itemsize, unit = rng.choice([1, 2, 3, 4, 8, 12]), rng.choice([1, 1, 2, 4, 8])
            shape = [rng.choice([0, *range(1, 7)] * 2 + [1, 2, 2]) for _ in range(rng.randrange(4))]
            strides = [unit * rng.randrange(-20, 21) for _ in shape]
            ends = [(length - 1) * stride for length, stride in zip(shape, strides, strict=True)]
            low, high = sum(end for end in ends if end < 0), sum(end for end in ends if end > 0)
            room = BYTES.size - (high - low + itemsize)
            if room >= 0:
                first = rng.randrange(room + 1) - low
                item = BYTES[first : first + itemsize].view(f"V{itemsize}")
                return as_strided(item, shape, strides)

    for _ in range(count):
        yield array(), array()


def hard_pairs(seed, count):
    """Pairs of arrays of many axes whose strides do not fit each other."""
    rng = random.Random(seed)
    room = buffer_of(200000)

    def array():
        shape = [rng.randrange(2, 4) for _ in range(rng.randrange(2, 8))]
        strides = [rng.randrange(100, 9000) for _ in shape]
        return as_strided(room[rng.randrange(20000) :][:1], shape, strides)

    for _ in range(count):
        yield array(), array()


def pairs_of_slices(seed, count, same_steps):
    """Pairs of slices of one array of up to three axes, with the same steps or with others."""
    rng = random.Random(seed)

    def steps(shape):
        return [rng.randrange(1, 4) for _ in shape]

    def part(whole, steps):
        starts = [rng.randrange(length) for length in whole.shape]
        return whole[
            tuple(
                slice(start, rng.randrange(start + 1, length + 1), step)
                for start, length, step in zip(starts, whole.shape, steps, strict=True)
            )
        ]

    for _ in range(count):
        whole = WHOLES[1][: rng.randrange(1, 5), : rng.randrange(1, 10), : rng.randrange(1, 11)]
        first = steps(whole.shape)
        second = first if same_steps else steps(whole.shape)
        yield part(whole, first), part(whole, second)


@both_rules
def test_never_apart_when_memory_is_shared_whatever_the_strides(conflict):
    for a, b in any_strides(seed=1, count=4000):
        check_safe(conflict, a, b)


@both_rules
@pytest.mark.parametrize("same_steps", [True, False])
def test_slices_of_up_to_three_axes_are_exact_whatever_their_steps(conflict, same_steps):
    apart = 0
    for a, b in pairs_of_slices(seed=2, count=4000, same_steps=same_steps):
        shared = np.shares_memory(a, b)
        assert conflict(a, b) == conflict(b, a) == shared, (layout(a), layout(b))
        apart += not shared
    assert apart > 1000


@both_rules
@PAIRS
@given(pair=pairs())
def test_views_as_numpy_makes_them_are_exact(conflict, pair):
    a, b = pair
    assert conflict(a, b) == conflict(b, a) == np.shares_memory(a, b), (layout(a), layout(b))


@both_rules
def test_nearly_all_strides_are_exact(conflict):
    apart = proven = 0
    for a, b in any_strides(seed=8, count=4000):
        apart += not np.shares_memory(a, b)
        proven += not conflict(a, b)
    assert proven >= 0.999 * apart, f"{proven} of {apart}"


@needs_c
@PAIRS
@given(pair=pairs())
def test_python_and_c_agree(pair):
    assert in_python(*pair) == in_c(*pair)


@needs_c
def test_python_and_c_agree_on_any_strides_and_at_any_address():
    pairs = [
        any_strides(seed=3, count=5000),
        hard_pairs(seed=9, count=300),
        pairs_of_slices(seed=4, count=5000, same_steps=True),
        pairs_of_slices(seed=5, count=5000, same_steps=False),
    ]
    rng = random.Random(6)
    for a, b in itertools.chain(*pairs):
        found = in_python(a, b)
        assert found == in_c(a, b), (layout(a), layout(b))
        # The same arrays in a Buffer that begins elsewhere.
        origin = a.ctypes.data - rng.randrange(-1000, 1000)
        moved = Region.of(a, origin).conflicts(Region.of(b, origin))
        assert moved == found, (layout(a), layout(b), origin)


# -- exact -----------------------------------------------------------------------------------------


def intervals(length):
    return [slice(*ends) for ends in itertools.combinations(range(length + 1), 2)]


orders = pytest.mark.parametrize("order", "CF")


@both_rules
@orders
def test_rows_are_exact(conflict, order):
    x = zeros(30).reshape((6, 5), order=order)
    check_exact(conflict, [x[part] for part in intervals(6)])


@both_rules
@orders
def test_columns_and_blocks_of_columns_are_exact(conflict, order):
    x = zeros(30).reshape((5, 6), order=order)
    check_exact(conflict, [x[:, j] for j in range(6)] + [x[:, part] for part in intervals(6)])


@both_rules
@orders
def test_rows_and_columns_are_exact(conflict, order):
    x = zeros(20).reshape((4, 5), order=order)
    rows_and_columns = [*x, *x.T]
    check_exact(conflict, rows_and_columns)
    assert conflict(x[1], x[:, 2])


@both_rules
def test_boxes_of_two_axes_are_exact(conflict):
    x = zeros((3, 4))
    boxes = [x[rows, columns] for rows in intervals(3) for columns in intervals(4)]
    check_exact(conflict, [*boxes, *(box[::-1] for box in boxes[::7])])


@both_rules
@pytest.mark.parametrize("ndim", [3, 4])
def test_boxes_of_more_axes_are_exact(conflict, ndim):
    rng = random.Random(ndim)
    for _ in range(2000):
        shape = [rng.randrange(1, 6) for _ in range(ndim)]
        x = zeros(shape, rng.choice(["i1", "f8", RECORD]))
        x = x.transpose(rng.sample(range(ndim), ndim))
        a, b = (x[tuple(rng.choice(intervals(length)) for length in x.shape)] for _ in range(2))
        check_exact(conflict, [a, b])


@both_rules
def test_slices_with_the_same_step_are_exact(conflict):
    x = zeros(30)
    for step in range(1, 7):
        forwards = [x[start::step] for start in range(step)]
        parts = [part[at : at + 3] for part in forwards for at in (0, 2)]
        check_exact(conflict, [*forwards, *parts, *(part[::-1] for part in forwards)])


@both_rules
@pytest.mark.parametrize("columns", [5, 6, 7])
def test_slices_of_rows_and_columns_with_the_same_steps_are_exact(conflict, columns):
    # Whether the step divides the length of a row, or not.
    x = zeros((4, columns))
    for steps in itertools.product(range(1, 3), range(1, 5)):
        starts = itertools.product(*map(range, steps))
        parts = [x[i :: steps[0], j :: steps[1]] for i, j in starts]
        check_exact(conflict, [*parts, *(part[1:, 1:] for part in parts), *(p.T for p in parts)])


@both_rules
def test_fields_are_exact(conflict):
    x = zeros((4, 3), RECORD)
    fields = [x, x["a"], x["b"], x["c"], x["c"][..., 1], x["c"][..., ::2], x["c"][..., 1::2]]
    fields += [x["b"].T, x[:, 1]["b"], x["c"][2]]
    fields += [x[1:2, 2:]["a"], x[1:2, 2:]["b"], x[1:2, 2:]]
    check_exact(conflict, fields)


@both_rules
def test_nested_fields_are_exact(conflict):
    inner = np.dtype([("x", "f4"), ("y", "f4")])
    x = zeros(6, [("p", inner), ("q", inner, (2,))])
    check_exact(
        conflict,
        [x["p"], x["q"], x["p"]["x"], x["p"]["y"], x["q"]["x"], x["q"][:, 1], x["q"][:, 0]["y"]],
    )


@both_rules
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_real_and_imag_are_exact(conflict, dtype):
    x = zeros((4, 5), dtype)
    columns = [x[:, 1].real, x[:, 1].imag, x[:, 2].real]
    check_exact(conflict, [x, x.real, x.imag, x.real.T, x.imag[::-1], x[1].imag, x[1], *columns])


# -- by name ---------------------------------------------------------------------------------------


@both_rules
def test_a_record_conflicts_with_each_of_its_fields(conflict):
    x = zeros(5, RECORD)
    for name in RECORD.names:
        assert conflict(x, x[name])
        assert conflict(x[name], x)
        assert conflict(x[2:3], x[name])
        assert not conflict(x[2:3], x[3:][name])


@both_rules
def test_a_view_of_several_fields_counts_as_whole_records(conflict):
    # Its items, as NumPy describes them, have the size of the record, with gaps.
    x = zeros(5, RECORD)
    several = x[["a", "c"]]
    assert several.itemsize == RECORD.itemsize
    assert conflict(several, x["a"])
    assert conflict(several, x["b"])


@both_rules
def test_a_complex_array_conflicts_with_both_its_parts(conflict):
    x = zeros(5, "c16")
    assert conflict(x, x.real)
    assert conflict(x, x.imag)
    assert conflict(x.imag, x)
    assert not conflict(x.real, x.imag)


@both_rules
def test_arrays_without_axes(conflict):
    x = zeros(5)
    check_exact(conflict, [x, *(x[i, ...] for i in range(5)), x[1:4], x[::2]])
    assert x[2, ...].ndim == 0


@both_rules
def test_zero_strides(conflict):
    x = zeros((4, 5))
    repeated = np.broadcast_to(x[1], (7, 5))
    constant = np.broadcast_to(x[2, 3], (3, 3, 3))
    assert 0 in repeated.strides
    assert set(as_strided(x[2, 3:4], (3, 3), (0, 0)).strides) == {0}
    check_exact(conflict, [x, *x, *x.T, repeated, np.broadcast_to(x[:, 3], (2, 4))])
    check_exact(conflict, [x[2, 3:4], x[2, 2:3], as_strided(x[2, 3:4], (3, 3), (0, 0)), x[:, 3]])
    assert not conflict(constant, x)  # of a scalar, which is a copy


@both_rules
def test_strides_of_axes_of_length_one_do_not_count(conflict):
    x = zeros(12)
    odd = as_strided(x[3:], (1, 2, 1), (12345, 16, -7))  # items 3 and 5
    check_exact(conflict, [odd, *(x[i : i + 1] for i in range(12)), x[4::2], x[1::2], x[:, None]])


@both_rules
def test_negative_strides(conflict):
    x = zeros((4, 6))
    check_exact(
        conflict,
        [
            x[::-1],
            x[:, ::-1],
            x[::-1, ::-2],
            x[:, -2::-2],
            x[2::-1, 1],
            x[0, 3::-1],
            x[3, :1:-1],
            x[3],
        ],
    )


@both_rules
def test_empty_arrays_conflict_with_nothing(conflict):
    x = zeros((4, 6))
    empties = [x[:0], x[2:2, 1], x[:, 3:3], x[1:, 6:].T, as_strided(x, (0, 3), (-8, 2**62))]
    for empty in [*empties, np.zeros(3, "V0")]:
        for other in [x, *empties]:
            assert not conflict(empty, other)
            assert not conflict(other, empty)


@both_rules
def test_views_of_another_itemsize(conflict):
    x = zeros(16)
    octets, halves = x.view("u1"), x.view("f4")
    check_exact(
        conflict,
        [
            x,
            x[::2],
            octets[::8],
            octets[7::8],
            octets[3:9],
            octets[64:65],
            halves[::2],
            halves[1::2],
        ],
    )
    check_exact(conflict, [x[3:5], halves[6:8], halves[5:6], x.view("c16")[2:], x.view("c16").imag])


@both_rules
def test_overlapping_windows(conflict):
    x = zeros(12)
    windows = sliding_window_view(x[:10], 4)  # 7 windows, 8 bytes apart, of 4 items
    check_exact(conflict, [windows, windows[::4], *(x[i : i + 1] for i in range(12))])
    check_exact(conflict, [windows[:2], windows[4:6], windows[2:4, 1:3], x[4:6]])


@both_rules
def test_an_array_conflicts_with_itself(conflict):
    for x in [zeros(5), zeros((3, 3))[:, 1], zeros(4, RECORD)["b"], zeros(9)[::-2], zeros(())]:
        assert conflict(x, x)


@both_rules
def test_numbers_that_overflow_mean_the_whole_buffer(conflict):
    x = zeros(4, "u1")
    for shape, strides in [((2**62,), (8,)), ((3, 3), (2**61, 2**62)), ((3,), (-(2**62),))]:
        wide = as_strided(x, shape, strides)
        assert conflict(wide, x)
        assert conflict(x[2:], wide)
        assert conflict(wide, wide)
        assert not conflict(wide, x[:0])


# -- apart, though combs do not tell -----------------------------------------------------------------


@both_rules
def test_slices_with_unlike_steps_are_exact(conflict):
    # The gcd of 3 and 4 items is one item: nothing is left to tell them apart by.
    x = zeros(40)
    assert not conflict(x[5:9:3], x[6:11:4])
    assert conflict(x[5:9:3], x[8:14:4])
    slices = [
        x[start:stop:step] for start in (0, 3) for stop in (9, 20, 39) for step in range(1, 8)
    ]
    check_exact(conflict, [*slices, *(part[::-1] for part in slices[::5]), x[5:9:3], x[6:11:4]])


@both_rules
def test_long_slices_with_unlike_steps_are_exact(conflict):
    # By a way like Euclid's, and not item by item.
    x = as_strided(np.zeros(1, "u1"), (10**15,), (1,))
    shared = 999_983 * (349_994 + 7)  # the first one
    assert shared == 1 + 1_000_003 * 349_994
    assert conflict(x[0::999_983], x[1::1_000_003])
    assert conflict(x[0 : shared + 1 : 999_983], x[1::1_000_003])
    assert not conflict(x[0:shared:999_983], x[1::1_000_003])
    assert not conflict(x[0::999_983], x[1:shared:1_000_003])
    assert conflict(x[shared : shared + 1], x[0::999_983])
    assert not conflict(x[shared + 1 : shared + 999_983], x[0::999_983])


@both_rules
def test_a_diagonal_and_a_part_of_a_column_are_exact(conflict):
    # The stride of the diagonal is a row and one item: the gcd with a row is one item.
    x = zeros((4, 4))
    assert not conflict(x.diagonal(), x[1:, 0])
    check_exact(
        conflict, [*(x.diagonal(k) for k in range(-3, 4)), *(x[i:, j] for i, j in np.ndindex(4, 4))]
    )


@both_rules
def test_boxes_of_six_axes_are_exact(conflict):
    # Four combs are kept, those of the largest strides.
    x = zeros((3,) * 6, "u1")
    a, b = x[:2, :2, :2, :2, :2, :1], x[:2, :2, :2, :2, :2, 2:]
    check_exact(conflict, [a, b, a[0], b[0], x[::2, ::2, ::2, ::2, ::2, ::2], x[1::2, ..., ::2]])


@both_rules
def test_steps_in_rows_that_begin_anywhere_are_exact(conflict):
    # The step of 2 does not divide the 5 columns, and these rows, counted from the start of
    # the Buffer, wrap around: no window.
    rows = zeros(60)[2:52].reshape(10, 5)
    check_exact(conflict, [rows[:, ::2], rows[:, 1::2], rows[:, :3], rows[:, 3:], rows[::2, ::3]])


@both_rules
def test_steps_in_three_axes_where_one_has_no_rows_are_exact(conflict):
    # One has the window of a row, the other, with one item on each row, that of a plane; what is
    # known in different windows holds modulo the gcd of these, too: one item.
    x = zeros((2, 2, 3))
    check_exact(conflict, [x[:1, :, ::2], x[:, 1:, 1::2], x[..., ::2], x[..., 1::2]])


@both_rules
def test_rows_of_two_lengths_are_exact(conflict):
    x = zeros(210)
    tens, sevens = x.reshape(21, 10), x.reshape(30, 7)
    check_exact(
        conflict, [tens[:, 3], tens[::3, 4:8:3], sevens[::10, 2], sevens[1::7, 1::4], tens[1::2]]
    )


@both_rules
def test_false_conflict_of_many_axes_whose_strides_do_not_fit(conflict):
    # Nothing but to try one sum after the other tells such arrays apart, which would take too long.
    x = buffer_of(200000)
    a = as_strided(x[7777:7778], (2, 2, 3, 2), (2539, 5167, 8026, 2746))
    b = as_strided(x[10950:10951], (2, 2, 2, 3), (5733, 4199, 7565, 7010))
    assert not np.shares_memory(a, b)
    assert conflict(a, b)
    assert conflict(b, a)


@both_rules
def test_what_is_too_hard_to_tell_is_so_from_both_sides(conflict):
    room = buffer_of(11_000_000)
    two = as_strided(room[22165:][:6].view("V6"), (10, 5), (257740, 1505))
    three = as_strided(room[143260:][:12].view("V12"), (2, 10, 10), (374775, 348475, 309025))
    assert conflict(two, three) == conflict(three, two)


@both_rules
def test_what_conflicts_with_a_part_conflicts_with_all_of_an_extent(conflict):
    # Also where it is too hard to tell: the queue of the lock relies on it.
    rng = random.Random(11)
    with_part = 0
    for other, part in hard_pairs(seed=10, count=500):
        part = as_strided(part, part.shape, [stride // 50 + 1 for stride in part.strides])
        length = Region.of(part, part.ctypes.data).high + rng.randrange(100)
        if conflict(other, part):
            with_part += 1
            assert conflict(other, as_strided(part, (length,), (1,))), (layout(other), layout(part))
    assert with_part > 20


# -- the Region itself -----------------------------------------------------------------------------


def test_region_counts_from_the_origin():
    x = zeros((4, 6))
    origin = x.ctypes.data
    assert Region.of(x, origin) == Region(0, 192)
    assert Region.of(x[1], origin) == Region(48, 96)
    assert Region.of(x[::-1, 2], origin) == Region.of(x[:, 2], origin)
    column = Region.of(x[:, 2], origin)
    assert (column.low, column.high) == (16, 168)
    assert [(comb.period, comb.low, comb.length) for comb in column.combs] == [(48, 16, 8)]
    assert [(axis.stride, axis.reach) for axis in column.axes] == [(48, 144)]
    assert Region.of(x[:, :4:2]).axes == ((48, 144), (16, 16))
    assert Region.of(x[:, ::2]).axes == ((16, 176),)  # goes on in the next row
    assert Region.of(x[1]).low == origin + 48


def test_regions_are_values():
    x = zeros((4, 6))
    assert Region.of(x[:, 2]) == Region.of(x[:, 2:3])
    assert len({Region.of(x[:, 2]), Region.of(x[:, 2]), Region.of(x[:, 3])}) == 2
    with pytest.raises(AttributeError):
        Region.of(x).low = 0


def test_a_region_without_its_combs_only_conflicts_more():
    for a, b in pairs_of_slices(seed=7, count=1000, same_steps=False):
        known = Region.of(a)
        less = Region(known.low, known.high, known.combs[1:])
        assert less.conflicts(Region.of(b)) or not known.conflicts(Region.of(b))


@both_rules
def test_region_of_a_locked_array_is_that_of_what_it_shows(conflict):
    x = LockedArray(np.zeros((4, 6)))
    assert Region.of(x[1:], np.asarray(x).ctypes.data) == Region(48, 192)
    assert conflict(x[:, 2], x[1])
    assert not conflict(x[:, 2], x[:, 3])
    assert Region.of(x[:, 2]) == Region.of(np.asarray(x)[:, 2])
