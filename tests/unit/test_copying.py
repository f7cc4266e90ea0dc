"""copy, deepcopy, pickle, dump: a twin with a Buffer of its own."""

import copy
import io
import pickle

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

ARRAYS = {
    "floats": lambda: LockedArray(np.arange(6.0).reshape(2, 3)),
    "F order": lambda: LockedArray(np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    "view": lambda: LockedArray(np.arange(12.0))[1::3],
    "reversed": lambda: LockedArray(np.arange(4.0))[::-1],
    "steps": lambda: LockedArray(np.arange(24.0).reshape(4, 6))[::2, ::3],
    "0-d": lambda: LockedArray(5.0),
    "empty": lambda: la.zeros((0, 3)),
    "big-endian": lambda: LockedArray(np.arange(3, dtype=">i4")),
    "text": lambda: LockedArray(["a", "bc"]),
    "dates": lambda: LockedArray(np.array(["2024-01-01", "NaT"], "M8[D]")),
    "records": lambda: LockedArray(np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])),
    "objects": lambda: LockedArray(np.array([(1,), None, "text"], object)),
    "resized": lambda: resized(),
    "read-only view": lambda: LockedArray(np.eye(3)).diagonal(),
    "frozen": lambda: frozen(),
    "shared memory": lambda: LockedArray(np.arange(3.0), copy=False),
}


def resized():
    x = LockedArray([1.0])
    x.resize(5)
    return x


def frozen():
    x = LockedArray([1.0, 2.0])
    x.freeze()
    return x


TWINS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "__copy__": lambda x: x.__copy__(),
    "__deepcopy__": lambda x: x.__deepcopy__({}),
    "inside a list": lambda x: copy.deepcopy([x])[0],
    "protocol 5, out of band": lambda x: out_of_band(x),
    "pickle in Python": lambda x: pickle._loads(pickle._dumps(x)),
} | {
    f"protocol {p}": lambda x, p=p: pickle.loads(pickle.dumps(x, p))
    for p in range(pickle.HIGHEST_PROTOCOL + 1)
}


def out_of_band(x):
    buffers = []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=buffers)


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_twin_is_equal_and_apart(make, twin):
    x = make()
    before = x.snapshot()
    y = twin(x)
    assert type(y) is LockedArray
    assert y.shape == x.shape
    assert y.dtype == twin(before).dtype  # pickle turns some byte orders into the native one
    np.testing.assert_array_equal(y.snapshot(), before)
    assert y.lock is not x.lock
    assert y.base is None
    assert not y.flags.writeable
    assert not y.frozen
    assert not np.shares_memory(x, y)
    y[...] = np.zeros((), y.dtype)
    np.testing.assert_array_equal(x.snapshot(), before)
    y.resize(y.size + 1)
    assert free(x, y)


def test_copy_keeps_the_order_of_axes_as_in_numpy():
    plain = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)
    y = copy.copy(LockedArray(np.arange(24.0).reshape(2, 3, 4)).transpose(1, 0, 2))
    assert y.strides == copy.copy(plain).strides
    assert (y == plain).all()


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_twin_is_made_under_the_read_lock(twin):
    x = LockedArray([1.0])
    assert waits_beside(x.write(), x.lock, lambda: twin(x))[0] == "read"
    assert waits_beside(x.read(), x.lock, lambda: twin(x))[0] is None


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_twin_keeps_order_policy_and_attributes(twin):
    x = LockedArray(np.asfortranarray(np.array([[None, 1], [2, 3]], object)), objects="shared")
    x.unit = "volt"
    y = twin(x)
    assert y.flags.f_contiguous
    assert y.unit == "volt"
    with y.read():  # under the policy 'exclusive' it would be the write lock
        assert [entry.mode for entry in y.lock.holds()] == ["read"]


def test_out_of_band_buffers_are_not_the_arrays_memory():
    x = LockedArray(np.arange(1000.0))
    buffers = []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    for buffer in buffers:
        assert not np.shares_memory(np.frombuffer(buffer, "u1"), x)
    x[...] = 0
    assert pickle.loads(data, buffers=buffers)[3] == 3


def test_copy_is_shallow_and_deepcopy_is_deep():
    element = [1]
    x = LockedArray(np.array([element, None], object))
    assert copy.copy(x)[0] is element
    y = copy.deepcopy(x)
    assert y[0] == [1]
    assert y[0] is not element


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_deepcopy_keeps_what_is_shared_shared(order):
    element = [1]
    x = la.full(2, None)
    x[0] = x[1] = element
    parts = [x, element, x][order]
    a, b, c = copy.deepcopy(parts)
    assert a is c
    array, list_ = (a, b) if isinstance(a, LockedArray) else (b, a)
    assert array[0] is list_
    assert array[1] is list_


def test_deepcopy_locks_one_array_at_a_time():
    x, y = LockedArray([1.0]), LockedArray([2.0])
    mode, both = waits_beside(y.write(), y.lock, lambda: copy.deepcopy({"x": x, "y": y}))
    assert mode == "read"
    assert [both["x"].tolist(), both["y"].tolist()] == [[1], [2]]
    memo = {}
    copy.deepcopy(y, memo)
    mode, _ = waits_beside(y.write(), y.lock, lambda: copy.deepcopy(x, memo))
    assert mode is None  # y is in the memo, and not of interest


def test_deepcopy_that_raises_leaves_no_lock_held():
    class Broken:
        def __deepcopy__(self, memo):
            raise ZeroDivisionError

        def __reduce__(self):
            raise ZeroDivisionError

    x = LockedArray(np.array([Broken(), 1], object))
    for twin in (copy.deepcopy, pickle.dumps, LockedArray.dumps):
        with pytest.raises(ZeroDivisionError):
            twin(x)
        assert free(x)


def test_arrays_under_one_lock_get_locks_of_their_own():
    x = LockedArray([1.0])
    y = la.zeros(1, lock=x.lock)
    a, b = pickle.loads(pickle.dumps((x, y)))
    assert a.lock is not b.lock


def test_dump_and_load(tmp_path):
    x = LockedArray(np.arange(4.0).reshape(2, 2))
    path = tmp_path / "x.pickle"
    x.dump(path)
    with path.open("rb") as file:
        loaded = pickle.load(file)
    for array in (loaded, pickle.loads(x.dumps()), np.load(path, allow_pickle=True)):
        assert array.tolist() == [[0, 1], [2, 3]]
        array[0, 0] = 5
    assert x[0, 0] == 0
    assert waits_beside(x.write(), x.lock, x.dumps)[0] == "read"


def test_save_and_load(tmp_path):
    x, y = LockedArray(np.arange(4.0)), LockedArray([1])
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "xy.npz", x, y=y)
    np.savetxt(tmp_path / "x.txt", x)
    x.tofile(tmp_path / "x.bin")
    assert np.load(tmp_path / "x.npy").tolist() == [0, 1, 2, 3]
    with np.load(tmp_path / "xy.npz") as both:
        assert both["arr_0"].tolist() == [0, 1, 2, 3]
        assert both["y"].tolist() == [1]
    assert np.loadtxt(tmp_path / "x.txt").tolist() == [0, 1, 2, 3]
    assert np.fromfile(tmp_path / "x.bin").tolist() == [0, 1, 2, 3]
    file = io.BytesIO()
    assert waits_beside(x.write(), x.lock, lambda: np.save(file, x))[0] == "read"
    assert free(x, y)


def empty_texts(dtype, shape):
    return np.zeros(shape, [("x", dtype, 0)])["x"]


CUBE = np.arange(24.0).reshape(2, 3, 4)
LAYOUTS = {
    "empty bytes": empty_texts(bytes, 5),
    "empty text": empty_texts(str, (2, 3)),
    "empty void": np.zeros(5, (np.void, 0)),
    "C order": CUBE,
    "F order": np.asfortranarray(CUBE),
    "other order of axes": CUBE.transpose(1, 0, 2),
    "columns": CUBE[:, :, :2],
    "rows in F order": np.asfortranarray(CUBE[0])[::2],
    "reversed": CUBE[::-1],
    "broadcast": np.broadcast_to(np.arange(3), (2, 3)),
    "no axes": np.array(5.0),
    "no elements": np.zeros((3, 0, 2)).T,
    "objects": np.array([[1, None], ["a", 2]], object).T,
    "records": np.array([(1, 2.0), (3, 4.0)], "i4,f8")[::2],
    "a field": np.array([(1, 2.0), (3, 4.0)], "i4,f8")["f1"],
    "texts": np.array(["a", "bc" * 40], np.dtypes.StringDType()),
    "dates": np.array(["2024-01-01", "NaT"], "M8[D]")[::-1],
}


@pytest.mark.parametrize("array", LAYOUTS.values(), ids=LAYOUTS)
def test_pickled_as_numpy_pickles_the_same_array(array):
    x = LockedArray(array, copy=False)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        buffers = ([], [])
        twins = []
        for source, sent in zip((x, array), buffers, strict=True):
            callback = sent.append if protocol >= 5 else None
            pickled = pickle.dumps(source, protocol, buffer_callback=callback)
            twins.append(pickle.loads(pickled, buffers=sent))
        y, plain = twins
        assert len(buffers[0]) == len(buffers[1])
        assert (y.dtype, y.shape) == (plain.dtype, plain.shape)
        assert plain.size == 0 or y.strides == plain.strides
        assert repr(y.tolist()) == repr(plain.tolist())
        assert type(y) is LockedArray
    stored = io.BytesIO()
    x.dump(stored)
    for pickled in (stored.getvalue(), x.dumps()):
        assert pickle.loads(pickled).dtype == pickle.loads(array.dumps()).dtype


def test_attributes_of_a_subclass_are_pickled_within_and_out_of_band():
    x = Tagged(CUBE[:, :, :2])
    x.tag = ["volts"]
    for view in (x, x[::2], x.T):
        assert out_of_band(view).tag == ["volts"]
        assert type(out_of_band(view)) is Tagged


class Tagged(LockedArray):
    def __array_finalize__(self, obj):
        super().__array_finalize__(obj)
        self.tag = getattr(obj, "tag", None)


class Reducing(LockedArray):
    def __reduce__(self):
        function, arguments = super().__reduce__()
        return _tagged, (function, arguments, "volts")


def _tagged(function, arguments, tag):
    made = function(*arguments)
    made.tag = tag
    return made


def test_subclass_that_overrides_reduce_is_asked_by_every_protocol():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        y = pickle.loads(pickle.dumps(Reducing(CUBE), protocol))
        assert (type(y), y.tag) == (Reducing, "volts")
        np.testing.assert_array_equal(y.snapshot(), CUBE)
