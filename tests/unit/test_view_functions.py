"""Functions and methods that make views, or look at shapes and dtypes alone, beside NumPy's own."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

RECORD = [("a", "f8"), ("b", "i4")]

ARRAYS = {
    "one axis": lambda: np.arange(12.0),
    "two axes": lambda: np.arange(12.0).reshape(3, 4),
    "three axes": lambda: np.arange(24).reshape(2, 3, 4),
    "no axes": lambda: np.array(2.5),
    "empty": lambda: np.zeros((0, 3)),
    "one": lambda: np.ones((1, 1)),
    "Fortran": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big-endian": lambda: np.arange(6, dtype=">i4").reshape(2, 3),
    "complex": lambda: np.arange(4) * (1 + 2j),
    "bool": lambda: np.array([True, False]),
    "text": lambda: np.array(["ab", "c"]),
    "no bytes": lambda: np.zeros(3, "V0"),
    "dates": lambda: np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
    "records": lambda: np.array([(1, 2), (3, 4)], RECORD),
    "objects": lambda: np.array([1, "two", None, 4.0], object),
    "object table": lambda: np.array([[1, "two"], [None, [5]]], object),
    "varied text": lambda: np.array(["a", "a long text that is not in the array"], np.dtypes.StringDType()),
}  # fmt: skip

SHOWN = {
    "whole": lambda x: x,
    "every other": lambda x: x[..., ::2] if x.ndim else x,
    "backwards": lambda x: x[::-1] if x.ndim else x,
    "transposed": lambda x: x.T,
}

CALLS = {
    "reshape": lambda x: np.reshape(x, -1),
    "reshape to a list": lambda x: np.reshape(x, [x.size, 1]),
    "reshape, F": lambda x: np.reshape(x, -1, order="F"),
    "reshape, copy": lambda x: np.reshape(x, (-1,), copy=True),
    "reshape, no copy": lambda x: np.reshape(x, (-1,), copy=False),
    "ravel": np.ravel,
    "ravel, F": lambda x: np.ravel(x, "F"),
    "transpose": np.transpose,
    "transpose, wrong": lambda x: np.transpose(x, (0, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, -1, 0),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "squeeze": np.squeeze,
    "squeeze, axis": lambda x: np.squeeze(x, axis=0),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "atleast_1d": np.atleast_1d,
    "matrix_transpose": lambda x: np.matrix_transpose(x) if hasattr(np, "matrix_transpose") else x,
    "atleast_2d": lambda x: np.atleast_2d(x, 3.0, np.ones(2)),
    "atleast_3d": lambda x: np.atleast_3d(x, x),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "broadcast_to, wrong": lambda x: np.broadcast_to(x, (7, 7)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones(1), x[..., None]),
    "split": lambda x: np.split(x, [1, 5]),
    "split, wrong": lambda x: np.split(x, 5),
    "array_split": lambda x: np.array_split(x, 3, axis=-1),
    "hsplit": lambda x: np.hsplit(x, [1]),
    "flip": np.flip,
    "flip, axis": lambda x: np.flip(x, (0,)),
    "flip, wrong": lambda x: np.flip(x, 5),
    "rot90": np.rot90,
    "real": np.real,
    "imag": np.imag,
    "diagonal": np.diagonal,
    "diag": np.diag,
    "ix_": np.ix_,
    "meshgrid": lambda x: np.meshgrid(x, x),
    "meshgrid, no copy": lambda x: np.meshgrid(x, x, copy=False),
    "sliding windows": lambda x: sliding_window_view(x, 2, axis=0),
    "unstack": lambda x: np.unstack(x) if hasattr(np, "unstack") else x,
    "shape": np.shape,
    "ndim": np.ndim,
    "size": lambda x: np.size(x, axis=0),
    "result_type": lambda x: np.result_type(x, "f4"),
    "common_type": np.common_type,
    "min_scalar_type": np.min_scalar_type,
    "iscomplexobj": np.iscomplexobj,
    "may_share_memory": lambda x: (np.may_share_memory(x, x), np.may_share_memory(x, np.ones(3))),
    "shares_memory": lambda x: np.shares_memory(x, x[..., :1]),
    "zeros_like": lambda x: np.zeros_like(x, order="C"),
    "full_like": lambda x: np.full_like(x, 1),
    "method view": lambda x: x.view(),
    "method view as dtype": lambda x: x.view("i4"),
    "method view as type": lambda x: x.view(np.int8),
    "method view as records": lambda x: x.view(np.dtype(RECORD)),
    "method view, named": lambda x: x.view(dtype="u1"),
    "method view, wrong": lambda x: x.view("no dtype"),
    "method view as None": lambda x: x.view(None),
    "method diagonal": lambda x: x.diagonal(1),
    "method diagonal, wrong": lambda x: x.diagonal(0, 0, 0),
    "method ravel": lambda x: x.ravel(),
    "method ravel, F": lambda x: x.ravel("F"),
    "method reshape": lambda x: x.reshape(-1, 1),
    "method squeeze": lambda x: x.squeeze(),
    "method transpose": lambda x: x.transpose(),
    "method getfield": lambda x: x.getfield("i2", 1),
}


def outcome(call, array):
    try:
        return call(array), None
    except Exception as error:
        return None, error


def leaves(result):
    if isinstance(result, (tuple, list)):
        return [leaf for item in result for leaf in leaves(item)]
    return [result]


def agree(got, expected, x, plain):
    assert type(got) is type(expected) or type(got) is LockedArray
    if isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
    for ours, theirs in zip(leaves(got), leaves(expected), strict=True):
        if not isinstance(theirs, np.ndarray):
            assert isinstance(ours, type(theirs))
            assert str(ours) == str(theirs)
            continue
        shows = theirs is plain or (theirs.nbytes > 0 and np.may_share_memory(theirs, plain))
        if shows:
            assert type(ours) is LockedArray
            assert ours.lock is x.lock
            assert ours is x or ours.base is (x if x.base is None else x.base)
        elif theirs.nbytes > 0:
            assert type(ours) is np.ndarray
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert theirs.size <= 1 or ours.strides == theirs.strides
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("make", ARRAYS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_what_numpy_makes_of_a_plain_array(make, shown):
    for name, call in CALLS.items():
        plain = SHOWN[shown](ARRAYS[make]())
        x = SHOWN[shown](LockedArray(ARRAYS[make](), copy=True, order="K"))
        expected, refused = outcome(call, plain)
        got, error = outcome(call, x)
        assert (name, type(error), str(error)) == (name, type(refused), str(refused))
        if refused is None:
            agree(got, expected, x, plain)
        assert free(x)


def kinds():
    class Sub(LockedArray):
        pass

    frozen = la.ones((3, 4))
    frozen.freeze()
    return {
        "frozen": frozen,
        "foreign lock": LockedArray(np.ones((3, 4)), lock=rwlock.RWLockFair()),
        "shared lock": LockedArray(np.ones((3, 4)), lock=la.ones(3).lock),
        "subclass": LockedArray(np.ones((3, 4))).view(Sub),
        "read-only view": np.broadcast_to(la.ones(4), (3, 4)),
        "the caller's memory": LockedArray(np.ones((3, 4)), copy=False),
    }


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize(
    "call",
    ["flip", "ravel", "ravel, F", "diagonal", "atleast_1d", "shape", "zeros_like", "meshgrid"],
)
def test_arrays_of_other_kinds(kind, call):
    x = kinds()[kind]
    plain = np.ones((3, 4)) if kind != "read-only view" else np.broadcast_to(np.ones(4), (3, 4))
    for got, expected in zip(leaves(CALLS[call](x)), leaves(CALLS[call](plain)), strict=True):
        if not isinstance(expected, np.ndarray):
            assert got == expected
            continue
        assert (got.shape, got.dtype, got.tolist()) == (
            expected.shape, expected.dtype, expected.tolist()
        )  # fmt: skip
        if np.may_share_memory(expected, plain):
            assert type(got) is type(x)
            assert got.lock is x.lock
            refused = outcome(lambda array: array.fill(2), got)[1]
            writable = kind not in ("frozen", "read-only view") and call != "diagonal"
            assert (refused is None) is writable


def test_writable_views_of_windows_and_diagonals():
    x = la.zeros(5)
    sliding_window_view(x, 2, writeable=True)[1, 0] = 7
    assert x.tolist() == [0, 7, 0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        sliding_window_view(x, window_shape=2)[1, 0] = 7


def test_several_arrays_keep_their_locks_and_plain_ones_stay_plain():
    x, y, plain = la.zeros((3, 1)), la.zeros(4), np.zeros(4)
    alias = np.asarray(x)
    a, b, c, d = np.broadcast_arrays(x, y, plain, alias)
    assert (a.lock, b.lock) == (x.lock, y.lock)
    assert type(c) is np.ndarray
    assert np.may_share_memory(c, plain)
    assert type(d) is LockedArray
    one, two = np.atleast_1d(y, plain)
    assert one is y
    assert two is plain
    same = np.broadcast_arrays(y, y[::-1], plain)
    assert same[0] is y
    assert same[2] is plain


def test_the_array_itself_is_what_comes_back():
    x = la.zeros((2, 3))
    assert np.atleast_1d(x) is x
    assert np.squeeze(x) is x
    assert np.real(x) is x
    assert np.broadcast_arrays(x)[0] is x


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.flip(x),
        lambda x: np.shape(x),
        lambda x: np.zeros_like(x),
        lambda x: np.broadcast_arrays(x, x[0]),
        lambda x: np.reshape(x[:, ::2], -1),
        lambda x: x[:, ::2].reshape(-1),
        lambda x: np.ravel(x.T, "F"),
        lambda x: np.full_like(x, 2),
        lambda x: np.diag(x),
        lambda x: np.meshgrid(x[0], x[1], copy=False),
        lambda x: x.view("i8"),
        lambda x: x.diagonal(),
    ],
)
def test_no_lock_is_waited_for(call):
    x = la.ones((4, 4))
    assert waits_beside(x.write(), x.lock, lambda: call(x))[0] is None


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.ravel(x.T),
        lambda x: np.ravel(x, "F"),
        lambda x: x.T.ravel(),
        lambda x: x.T.reshape(-1),
        lambda x: x.ravel("F"),
        lambda x: np.diag(x[0]),
        lambda x: np.meshgrid(x[0], x[1]),
        lambda x: np.imag(x),
        lambda x: np.atleast_1d(x, [1.0]),
        lambda x: np.full_like(x, x[0]),
    ],
)
def test_what_may_be_a_copy_is_read_under_the_lock(call):
    x = la.ones((4, 4))
    mode, _ = waits_beside(x.write(), x.lock, lambda: call(x))
    assert mode == "read"
    with la.tracing() as trace:
        call(x)
    assert sum(row.locks for row in trace.rows) == 1


@pytest.mark.parametrize("call", ["flip", "ravel", "diagonal", "method view as dtype", "split"])
def test_views_follow_a_resize(call):
    x, plain = la.ones((3, 4)), np.ones((3, 4))
    views, expected = leaves(CALLS[call](x)), leaves(CALLS[call](plain))
    x.resize(1000, 4)
    x[:3] = plain[:] = np.arange(12.0).reshape(3, 4)
    assert [view.tolist() for view in views] == [view.tolist() for view in expected]


def test_functions_called_by_hand_are_given_what_numpy_gives():
    x = la.zeros((2, 3))
    assert x.__array_function__(np.shape, (LockedArray,), (), {"a": x}) == (2, 3)
    with pytest.raises(TypeError):
        x.__array_function__(np.shape, (LockedArray,), (), {})
    with pytest.raises(TypeError):
        x.__array_function__(np.flip, (LockedArray,), (x, 0, 0, 0), {})
    with pytest.raises(TypeError):
        x.__array_function__(np.flip, (LockedArray,), (x,), {"no": 1})


PARAMETERS = {
    "reshape": lambda x, n: np.reshape(x, n),
    "x.reshape": lambda x, n: x.reshape(n),
    "broadcast_to": lambda x, n: np.broadcast_to(x[:1, 0], n),
    "moveaxis": lambda x, n: np.moveaxis(x[..., None, None], n, (0, 1)),
    "split": lambda x, n: np.split(x.ravel(), n)[1],
    "split of a plain array": lambda x, n: np.split(np.arange(6.0), n)[1],
    "flip": lambda x, n: np.flip(x[None, None], n),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_shape_or_axes_that_are_a_locked_array_are_read_under_its_lock(name):
    plain = np.arange(6.0).reshape(3, 2)
    x, n = la.array(plain), la.array([2, 3])
    mode, viewed = waits_beside(n.write(), n.lock, lambda: PARAMETERS[name](x, n))
    assert mode == "read"
    assert np.array_equal(viewed, PARAMETERS[name](plain, np.array([2, 3])))
    assert isinstance(viewed, LockedArray) == (name != "split of a plain array")


@pytest.mark.parametrize(
    "shown",
    [
        lambda x: x.reshape((3, 4), order="C"),
        lambda x: x.reshape(3, 4, copy=False) if np.__version__ >= "2.1" else x.reshape(3, 4),
        lambda x: np.trim_zeros(x, "b"),
        lambda x: np.einsum("i->i", x),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        np.transpose,
        np.flip,
        lambda x: np.moveaxis(x, 0, 0),
        lambda x: x.ravel("C"),
        lambda x: np.split(x, 1)[0],
        np.atleast_2d,
        lambda x: np.broadcast_to(x, x.shape),
    ],
)
def test_a_view_of_what_any_function_made_is_a_lockedarray(call, shown):
    x = LockedArray(np.arange(1.0, 13))
    view, plain = call(shown(x)), call(shown(np.arange(1.0, 13)))
    assert type(view) is LockedArray
    assert view.lock is x.lock
    np.testing.assert_array_equal(view, plain)
    x.resize(100_000)
    x[0] = 9
    assert view.max() == 12
    assert 9.0 in view


SLICES = [
    np.s_[:],
    np.s_[2:5],
    np.s_[5:2],
    np.s_[5:2:-1],
    np.s_[2:5:-1],
    np.s_[::-1],
    np.s_[::3],
    np.s_[1:2:7],
]
SLICES += [np.s_[9:20], np.s_[-1:], None, ..., 0, -1, 9]


@pytest.mark.parametrize("name", ARRAYS)
def test_view_has_strides_and_flags_of_numpys(name):
    plain = ARRAYS[name]()
    x = LockedArray(plain, copy=True)
    plain = np.array(plain, copy=True, order="K")
    makers = [lambda a, i=i: a[i] for i in SLICES]
    makers += [lambda a, i=i, j=j: a[i, j] for i in SLICES for j in SLICES]
    makers += [lambda a: a.T, lambda a: a.transpose(), lambda a: a.view(), lambda a: a.ravel()]
    for make in makers:
        try:
            wanted = make(plain)
        except Exception as error:
            with pytest.raises(type(error)):
                make(x)
            continue
        view = make(x)
        if not isinstance(wanted, np.ndarray) or not isinstance(view, LockedArray):
            continue
        assert (view.shape, view.strides, view.dtype) == (
            wanted.shape, wanted.strides, wanted.dtype
        )  # fmt: skip
        for flag in "c_contiguous", "f_contiguous", "aligned":
            assert getattr(view.flags, flag) == getattr(wanted.flags, flag)
        assert view.lock is x.lock
        assert not view.flags.writeable
        assert wanted.nbytes == 0 or np.shares_memory(view, x)
