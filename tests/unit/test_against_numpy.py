"""Random programs do to a LockedArray, and to views of it, what they do to a plain ndarray."""

import operator
import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from arrange import free
from lockedarray import LockedArray

PROGRAMS = settings(
    max_examples=150,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

DTYPES = ["i8", "f8", "u1", "c8", "?", "M8[s]", "U3"]
BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.and_,
    operator.or_,
    operator.lt,
    operator.le,
    operator.eq,
    operator.ne,
    operator.matmul,
    np.maximum,
    np.hypot,
    np.arctan2,
    np.logical_or,
    divmod,
]
IN_PLACE = [
    operator.iadd,
    operator.isub,
    operator.imul,
    operator.ifloordiv,
    operator.imod,
    operator.ior,
    operator.iand,
    operator.ipow,
    operator.itruediv,
]
UNARY = [
    operator.neg,
    operator.invert,
    abs,
    np.sqrt,
    np.square,
    np.sign,
    np.isnan,
    np.conjugate,
    np.sum,
    np.prod,
    np.mean,
    np.median,
    np.max,
    np.ptp,
    np.argmax,
    np.sort,
    np.unique,
    np.nonzero,
    np.cumsum,
    np.diff,
    np.std,
    np.any,
    np.all,
    np.flip,
    np.ravel,
    np.trace,
    np.diagonal,
    np.atleast_2d,
    np.real,
    np.imag,
    np.argsort,
    np.count_nonzero,
    np.squeeze,
    np.transpose,
    lambda a: np.split(a, 2),
    lambda a: np.concatenate([a, a]),
    lambda a: np.stack([a, a[...]]),
    lambda a: np.where(a == a, a, a),
    lambda a: np.broadcast_to(a, (2, *a.shape)),
    lambda a: np.expand_dims(a, 0),
    lambda a: np.array_split(a, 3),
    lambda a: np.roll(a, 1),
    lambda a: np.take(a, [0, -1]),
    lambda a: np.add.reduce(a, axis=-1),
    lambda a: np.add.accumulate(a),
    lambda a: np.multiply.outer(a, a),
    lambda a: np.add.reduceat(a, [0, 1]),
    lambda a: np.einsum("...i->...", a),
    lambda a: a.tolist(),
    lambda a: a.tobytes(),
    lambda a: a.astype("f4"),
    lambda a: a.copy(),
    lambda a: a.item(0),
    lambda a: a.item(),
    lambda a: bool(a),
    lambda a: float(a),
    lambda a: int(a),
    lambda a: complex(a),
    lambda a: operator.index(a),
    lambda a: len(a),
    lambda a: list(a),
    lambda a: list(a.flat),
    lambda a: 1 in a,
    lambda a: str(a),
    lambda a: f"{a}",
    lambda a: hash(a),
    lambda a: a.view("u1"),
    lambda a: a.reshape(-1),
    lambda a: a.reshape(2, -1),
    lambda a: a.swapaxes(0, -1),
    lambda a: a.real,
    lambda a: a.T,
    lambda a: a.mT,
    lambda a: a.nbytes,
    lambda a: a.strides,
]
UPDATES = [
    lambda a, v: a.fill(v.flat[0]),
    lambda a, v: a.sort(),
    lambda a, v: a.sort(axis=0),
    lambda a, v: a.partition(1),
    lambda a, v: a.put([0, -1, 0], v),
    lambda a, v: a.byteswap(inplace=True),
    lambda a, v: np.copyto(a, v),
    lambda a, v: np.copyto(a, v, where=a == a),
    lambda a, v: np.putmask(a, a == a, v),
    lambda a, v: np.place(a, a == a, v),
    lambda a, v: np.fill_diagonal(a, v.flat[0]),
    lambda a, v: np.put_along_axis(a, np.zeros((1,) * a.ndim, int), v.flat[0], 0),
    lambda a, v: np.add(a, v, out=a),
    lambda a, v: np.multiply(a, v, out=a, where=a == a),
    lambda a, v: np.negative(a[..., ::-1], out=a),
    lambda a, v: np.cumsum(a, out=a[...]),
    lambda a, v: np.clip(a, v.min(), v.max(), out=a),
    lambda a, v: np.nan_to_num(a, copy=False),
    lambda a, v: np.median(a, overwrite_input=True),
    lambda a, v: np.add.at(a, 0, v.flat[0]),
    lambda a, v: np.add.at(a, ([0, 0, -1],), v.flat[0]),
    lambda a, v: a.__setitem__(Ellipsis, a[..., ::-1]),
    lambda a, v: a.__setitem__(a == v.flat[0], v.flat[-1]),
    lambda a, v: a.__setitem__([0, -1], v),
    lambda a, v: setattr(a, "real", v),
    lambda a, v: setattr(a, "imag", v),
    lambda a, v: setattr(a, "flat", v),
    lambda a, v: a.flat.__setitem__(0, v.flat[0]),
    lambda a, v: a.flat.__setitem__(slice(None, None, 2), v),
]


@st.composite
def programs(draw):
    """Draw an array and a list of steps, each of them data that both sides run on."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    values = hnp.from_dtype(dtype)
    array = draw(hnp.arrays(dtype, shapes, elements=values, fill=st.nothing()))
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    steps = []
    shape = array.shape
    for _ in range(draw(st.integers(1, 6))):
        value = draw(
            hnp.arrays(dtype, st.sampled_from([(), shape, shape[-1:], (1,)]), elements=values)
        )
        indices = [hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)]
        if shape and all(shape):
            indices.append(hnp.integer_array_indices(shape, result_shape=st.just((2,))))
        indices.append(hnp.arrays(bool, st.just(shape)))
        index = draw(st.one_of(indices))
        steps.append(
            draw(
                st.sampled_from(
                    [("unary", f) for f in UNARY]
                    + [(kind, f, value) for f in BINARY for kind in ("binary", "reflected")]
                    + [("in place", f, value) for f in IN_PLACE]
                    + [("update", f, value) for f in UPDATES]
                    + [("get", index), ("set", index, value), ("part in place", index, value)] * 8
                    + [("view", index)] * 8
                    + [("resize", draw(shapes))] * 4
                    + [("itself", index)] * 4
                )
            )
        )
    return array, steps


class Side:
    """One of the two that a program runs on: an array and the part of it that steps work on."""

    def __init__(self, array):
        self.array = array
        self.part = array

    def run(self, step):
        kind, *arguments = step
        return getattr(self, kind.replace(" ", "_"))(*arguments)

    def unary(self, function):
        return function(self.part)

    def binary(self, function, value):
        return function(self.part, value)

    def reflected(self, function, value):
        return function(value, self.part)

    def in_place(self, function, value):
        part = self.part
        result = function(part, value)
        assert result is part
        return None

    def update(self, function, value):
        function(self.part, value)

    def get(self, index):
        return self.part[index]

    def set(self, index, value):
        self.part[index] = value

    def part_in_place(self, index, value):
        self.part[index] += value

    def itself(self, index):
        self.part[index] = self.part[index]

    def view(self, index):
        part = self.part[index]
        if isinstance(part, np.ndarray) and (part.base is not None):
            self.part = part
        return part

    def resize(self, shape):
        self.part = self.array  # views of a plain array would dangle
        if isinstance(self.array, LockedArray):
            self.array.resize(shape)
        else:
            self.array.resize(shape, refcheck=False)


def outcome(side, step):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return None, side.run(step)
        except Exception as error:
            return type(error), None


def check_same(ours, numpys, array):
    """Check that two results have the same values, dtype and shape, and the kind we promise."""
    if isinstance(numpys, (list, tuple)):
        assert type(ours) is type(numpys)
        assert len(ours) == len(numpys)
        for one, other in zip(ours, numpys, strict=True):
            check_same(one, other, array)
    elif isinstance(numpys, np.ndarray):
        assert isinstance(ours, np.ndarray)
        assert (ours.shape, ours.dtype) == (numpys.shape, numpys.dtype)
        np.testing.assert_array_equal(np.asarray(ours), numpys)
        if numpys.size and not isinstance(ours, LockedArray):
            assert not np.shares_memory(ours, array) or not ours.flags.writeable
        if isinstance(ours, LockedArray):
            assert ours.lock is array.lock
    elif isinstance(numpys, np.generic):
        assert type(ours) is type(numpys)
        np.testing.assert_array_equal(ours, numpys)
    elif isinstance(numpys, (float, complex)):
        assert type(ours) is type(numpys)
        np.testing.assert_equal(ours, numpys)
    else:
        assert ours == numpys
        assert type(ours) is type(numpys)


@PROGRAMS
@given(programs())
def test_program_on_a_lockedarray_does_what_it_does_on_an_ndarray(program):
    array, steps = program
    plain = Side(array.copy(order="K"))
    ours = Side(LockedArray(array))
    for step in steps:
        note(str(step))
        numpys_error, numpys_result = outcome(plain, step)
        our_error, our_result = outcome(ours, step)
        assert our_error is numpys_error
        check_same(our_result, numpys_result, ours.array)
        del numpys_result, our_result
        np.testing.assert_array_equal(ours.array.snapshot(), plain.array)
        np.testing.assert_array_equal(ours.part.snapshot(), plain.part)
        assert free(ours.array)
        assert not ours.array.flags.writeable


@PROGRAMS
@given(programs())
def test_program_inside_a_write_guard_does_the_same(program):
    array, steps = program
    plain = Side(array.copy(order="K"))
    ours = Side(LockedArray(array))
    with ours.array.write() as raw:
        for step in steps:
            note(str(step))
            numpys_error, _ = outcome(plain, step)
            our_error, _ = outcome(ours, step)
            assert our_error is numpys_error
            np.testing.assert_array_equal(ours.array.snapshot(), plain.array)
            assert raw.flags.writeable
            assert len([entry for entry in ours.array.lock.holds() if not entry.waiting]) == 1
    assert free(ours.array)


@pytest.mark.parametrize("seed", range(3))
def test_views_follow_through_random_resizes(seed):
    rng = np.random.default_rng(seed)
    x = LockedArray(np.arange(10))
    views, size = [], 10
    values = np.zeros(60, int)  # what each element should be, wherever it is
    values[:10] = x
    for step in range(200):
        if rng.random() < 0.5:
            old, size = size, int(rng.integers(60))
            x.resize(size)
            values[old:size] = 0
            assert x.shape == (size,)
        if size > 2:
            start, stop = sorted(rng.integers(0, size, 2))
            views.append((x[start:stop], slice(int(start), int(stop))))
            place = int(rng.integers(size))
            x[place] = values[place] = step
        np.testing.assert_array_equal(x.snapshot(), values[:size])
        for view, where in views[-5:]:
            np.testing.assert_array_equal(view.snapshot(), values[where])
        if len(views) > 20:
            del views[:10]
    assert free(x)
