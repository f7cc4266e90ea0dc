"""The functions that make LockedArrays, `la.array` and the others: what NumPy's make, locked."""

import copy
import gc
import inspect
import pickle
import sysconfig
import tracemalloc

import numpy as np
import pytest

import lockedarray as la
from arrange import waits_beside
from lockedarray import LockedArray

A = np.arange(6.0).reshape(2, 3)
F = np.asfortranarray(A)
S = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1)
MATRIX = np.eye(2)[:1].view(np.matrix)
RECORDS = np.zeros(2, "i4,f8")
MASKED = np.ma.array([1, 2], mask=[0, 1])

CALLS = [
    ("array", [1, 2], {}),
    ("array", (1, 2.5), {"dtype": "f4"}),
    ("array", 3, {}),
    ("array", [], {}),
    ("array", "text", {}),
    ("array", [None, "a"], {}),
    ("array", A, {}),
    ("array", A, {"order": "F"}),
    ("array", S, {"order": "K"}),
    ("array", S, {"order": "C", "dtype": "i2"}),
    ("array", A[::-1, ::2], {}),
    ("array", 3, {"ndmin": 2}),
    ("array", [1, 2], {"ndmin": 3}),
    ("array", S, {"ndmin": 4, "order": "F"}),
    ("array", A, {"ndmin": 1}),
    ("array", MATRIX, {}),
    ("array", MASKED, {}),
    ("array", RECORDS, {}),
    ("array", range(3), {"dtype": object}),
    ("asarray", [1, 2], {}),
    ("asarray", A, {"dtype": int}),
    ("asarray", A, {"order": "F"}),
    ("asarray", F, {"order": "C", "copy": True}),
    ("asarray", S, {"order": "K", "copy": True}),
    ("zeros_like", A, {}),
    ("zeros_like", S, {}),
    ("zeros_like", S, {"order": "C"}),
    ("ones_like", A, {"dtype": "i2"}),
    ("ones_like", [1, 2], {}),
    ("ones_like", A, {"shape": (4, 1)}),
    ("zeros_like", MATRIX, {}),
    ("zeros_like", RECORDS, {}),
    ("full_like", A, {"fill_value": 7}),
    ("full_like", F, {"fill_value": [1, 2, 3], "order": "A"}),
    ("full_like", A, {"fill_value": 7.5, "dtype": int, "shape": 3}),
    ("full_like", [None], {"fill_value": "x"}),
    ("array", A.T, {"dtype": "f4"}),
    ("array", [[1, 2], [3, 4]], {"dtype": "i1"}),
    ("array", [[1], []][0:1], {}),
    ("array", [1, 2**70], {}),
    ("array", np.zeros((0, 3)), {}),
    ("array", np.array(5.0), {}),
    ("array", A.astype(">f8"), {}),
    ("array", np.broadcast_to(A, (2, 2, 3)), {}),
    ("array", np.array(["a", "bc"]), {}),
    ("array", np.array(["2024-01-01"], "M8[D]"), {}),
    ("asarray", A.T, {}),
    ("asarray", np.array([1, "a"], object), {}),
    ("zeros_like", A[::-1, ::2], {}),
    ("zeros_like", np.array(["2024-01-01"], "M8[D]"), {}),
    ("zeros_like", np.array(["a", "bc"]), {}),
    ("zeros_like", np.array([1, "a"], object), {}),
    ("zeros_like", np.broadcast_to(A, (2, 2, 3)), {}),
    ("ones_like", S, {}),
    ("ones_like", np.zeros(2, bool), {}),
    ("ones_like", np.zeros((0, 3), ">i4"), {}),
    ("ones_like", np.array(["a", "bc"]), {}),
    ("full_like", S, {"fill_value": 7.9}),
    ("full_like", np.zeros(2, ">c8"), {"fill_value": 2j}),
    ("full", 3, {"fill_value": 7}),
    ("full", (2, 3), {"fill_value": 1.5, "order": "F", "dtype": "f4"}),
    ("full", 3, {"fill_value": [1, 2, 3]}),
    ("zeros", (2, 0), {}),
    ("zeros", 3, {"dtype": "V0"}),
    ("zeros", [2, 3], {"dtype": [("a", "f8"), ("b", "i4")], "order": "F"}),
    ("zeros", 3, {"dtype": object}),
    ("ones", 3, {"dtype": bool}),
    ("arange", 5, {}),
    ("arange", 2.5, {"dtype": "f4"}),
    ("arange", 5, {"stop": 9, "step": 2}),
    ("arange", np.datetime64("2024-01-01"), {"stop": np.datetime64("2024-01-05")}),
    ("linspace", 0, {"stop": 1}),
    ("linspace", 0, {"stop": 1, "num": 5, "endpoint": False}),
    ("linspace", [0, 1], {"stop": [1, 5], "num": 3}),
    ("linspace", [0, 1], {"stop": [1, 5], "num": 3, "axis": -1}),
    ("linspace", 0, {"stop": 10, "num": 4, "dtype": int}),
    ("linspace", MATRIX, {"stop": 3, "num": 2}),
    ("linspace", 0, {"stop": 1, "num": 0}),
    ("linspace", 1j, {"stop": 1, "num": 1}),
]


def described(call):
    name, first, options = call
    return f"{name}-{type(first).__name__}-{','.join(options)}"


def outcome(function, *args, **kwargs):
    try:
        made = function(*args, **kwargs)
    except Exception as error:
        return type(error)
    return np.asarray(made).shape, made.dtype, np.asarray(made).strides, np.asarray(made).tolist()


@pytest.mark.parametrize("call", CALLS, ids=described)
def test_they_make_what_numpys_make(call):
    name, first, options = call
    x = getattr(la, name)(first, **options)
    assert type(x) is LockedArray
    expected = outcome(getattr(np, name), first, **options)
    assert expected[:2] == (x.shape, x.dtype)
    assert outcome(lambda: x) == expected
    assert not x.flags.writeable
    x[...] = x.snapshot()
    assert not np.shares_memory(x, np.asarray(first))


@pytest.mark.parametrize(
    "call", [call for call in CALLS if isinstance(call[1], np.ndarray)], ids=described
)
def test_they_take_lockedarrays_for_plain_ones(call):
    name, first, options = call
    expected = outcome(getattr(la, name), np.asarray(first), **options)
    assert outcome(getattr(la, name), la.array(first), **options) == expected
    wrapped = {
        key: la.array(value) if key in ("fill_value", "stop") else value
        for key, value in options.items()
    }
    assert outcome(getattr(la, name), la.array(first), **wrapped) == expected


@pytest.mark.parametrize("name", ["empty", "empty_like"])
def test_what_is_not_filled_has_the_shape_and_dtype_of_numpys(name):
    first = (2, 3) if name == "empty" else S
    x, a = getattr(la, name)(first, "i2", "F"), getattr(np, name)(first, "i2", "F")
    assert (type(x), x.shape, x.dtype, x.strides) == (LockedArray, a.shape, a.dtype, a.strides)


@pytest.mark.parametrize("positions", [(1,), (1, 5), (1, 5, 2), (5, 1, -1.5), (1, 5, 2, "f4")])
def test_arange_takes_its_arguments_by_position(positions):
    assert outcome(la.arange, *positions) == outcome(np.arange, *positions)


def test_linspace_returns_its_step_plain():
    x, step = la.linspace(0, 1, 5, retstep=True, name="grid")
    assert (type(x), x.name, step) == (LockedArray, "grid", 0.25)
    assert type(step) is type(np.linspace(0, 1, 5, retstep=True)[1])


def test_they_read_a_lockedarray_as_one_and_frozen_or_read_only_ones_too():
    x = la.array(S)
    frozen = la.array(S)
    frozen.freeze()
    for source in (x, x[::-1], frozen, x[0, 0, 1, ...], x[:0], la.array(S)[::2].T):
        for made in (la.array(source), LockedArray(source), la.asarray(source, copy=True)):
            assert outcome(lambda made=made: made) == outcome(np.array, source)
            assert made.lock is not source.lock
            made[...] = made.snapshot()


def test_they_wait_for_who_writes_what_they_copy_and_for_nobody_else():
    for make, expected in (
        (la.array, "read"),
        (LockedArray, "read"),
        (la.asarray, None),
        (la.zeros_like, None),
        (la.ones_like, None),
    ):
        x = la.ones(3)
        mode, made = waits_beside(x.write(), x.lock, lambda make=make, x=x: make(x))
        assert (mode, made.shape) == (expected, (3,))
    with x.write() as raw:
        raw += 1
        assert la.array(x).tolist() == LockedArray(x).tolist() == [2, 2, 2]


def test_functions_that_make_arrays_are_pickled_by_name_and_describe_themselves():
    for name in ("zeros", "array", "full_like"):
        function = getattr(la, name)
        assert pickle.loads(pickle.dumps(function)) is copy.copy(function) is function
        assert (function.__name__, function.__module__) == (name, "lockedarray")
        assert list(inspect.signature(function).parameters)[-3:] == ["lock", "objects", "name"]
        assert "Examples" in function.__doc__


BAD = [
    ("zeros", (), {}),
    ("zeros", (-1,), {}),
    ("zeros", ("a",), {}),
    ("zeros", (3, "nonsense"), {}),
    ("zeros", (3,), {"shape": 3}),
    ("zeros", (3,), {"unknown": 3}),
    ("full", (3,), {}),
    ("full", (3, 1, None, "X"), {}),
    ("array", (), {}),
    ("array", ([1, [2, 3]],), {}),
    ("array", ([1],), {"dtype": "nonsense"}),
    ("array", ([1],), {"order": "X"}),
    ("array", ([1],), {"ndmin": 99}),
    ("array", ([1],), {"copy": False}),
    ("asarray", (A,), {"copy": False, "dtype": int}),
    ("asarray", ([1],), {"order": 3}),
    ("zeros_like", (A,), {"shape": -1}),
    ("ones_like", (), {}),
    ("full_like", (A, [1, 2]), {}),
    ("arange", (), {}),
    ("arange", ("a",), {}),
    ("arange", (1, 2, 0), {}),
    ("arange", (1,), {"unknown": 1}),
    ("linspace", (0,), {}),
    ("linspace", (0, 1, -1), {}),
    ("linspace", (0, 1, 2.5), {}),
    ("memmap", ("/nonexistent/file",), {}),
    ("memmap", ("/nonexistent/file",), {"mode": "x"}),
    ("memmap", ("/nonexistent/file",), {"mode": "w+"}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), BAD)
def test_they_refuse_what_numpys_refuse(name, args, kwargs):
    expected = outcome(getattr(np, name), *args, **kwargs)
    assert issubclass(expected, Exception)
    assert outcome(getattr(la, name), *args, **kwargs) is expected


@pytest.mark.parametrize(
    "refused", [{"like": np.zeros(1)}, {"device": "cpu"}, {"subok": True}], ids=lambda d: [*d][0]
)
def test_what_makes_no_sense_is_no_argument(refused):
    for make in (la.array, la.arange, la.asarray, la.zeros):
        with pytest.raises(TypeError, match=next(iter(refused))):
            make(3, **refused)


MAKERS = {
    "zeros": lambda **k: la.zeros(3, **k),
    "ones": lambda **k: la.ones(3, **k),
    "empty": lambda **k: la.empty(3, **k),
    "full": lambda **k: la.full(3, 1.0, **k),
    "array": lambda **k: la.array([1.0, 2.0, 3.0], **k),
    "asarray": lambda **k: la.asarray([1.0, 2.0, 3.0], **k),
    "arange": lambda **k: la.arange(3.0, **k),
    "linspace": lambda **k: la.linspace(0, 1, 3, **k),
    "long linspace": lambda **k: la.linspace(0, 1, 10_000, **k),
    "zeros_like": lambda **k: la.zeros_like(np.zeros(3), **k),
    "ones_like": lambda **k: la.ones_like(la.zeros(3), **k),
    "empty_like": lambda **k: la.empty_like([1.0, 2.0, 3.0], **k),
    "full_like": lambda **k: la.full_like(np.zeros((3, 1)), 2, **k),
    "LockedArray": lambda **k: LockedArray(np.zeros(3), **k),
    "copy=False": lambda **k: LockedArray(np.zeros(3), copy=False, **k),
    "array, copy=False": lambda **k: la.array(np.zeros(3), copy=False, **k),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_one_takes_lock_objects_and_name(make):
    first = la.zeros(1)
    x = make(lock=first.lock, objects="shared", name="frames")
    assert x.lock is first.lock
    assert x.name == "frames"
    assert x._buffer.objects == "shared"
    assert make(name="frames").lock.name == "frames"
    assert make().name is None
    assert make().lock is not make().lock
    for bad, error in [({"lock": 3}, TypeError), ({"objects": "no"}, ValueError)]:
        with pytest.raises(error, match=next(iter(bad))):
            make(**bad)


@pytest.mark.parametrize("bad", [3, b"frames", ["frames"], True], ids=repr)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_name_is_a_str(make, bad):
    with pytest.raises(TypeError, match="name must be a str"):
        make(name=bad)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_they_make_owns_its_memory_and_can_grow(make):
    x = make()
    if x.ndim == 1 and not x._buffer.foreign:
        x.resize(20_000)
        assert x.shape == (20_000,)
        assert x[19_999] == 0
    assert x.base is None


def test_arrays_with_more_axes_by_ndmin_can_grow():
    x = la.array([1, 2], ndmin=2)
    assert x.base is None
    x.resize((3, 2))
    assert x.tolist() == [[1, 2], [0, 0], [0, 0]]


def test_asarray_of_a_lockedarray_is_itself():
    class Signal(LockedArray):
        pass

    for x in (la.zeros((2, 3)), la.zeros((2, 3))[:1], Signal([1.0])):
        assert la.asarray(x) is x
        assert la.asarray(x, x.dtype, copy=False) is x
        assert la.asarray(x, order="C", lock=x.lock) is x
        assert la.array(x, copy=None) is x
    x = la.zeros((2, 3), name="frames", objects="shared")
    assert la.asarray(x, name="frames", objects="exclusive") is x


def test_asarray_with_another_dtype_or_order_is_a_new_array():
    x = la.ones((2, 3), name="frames")
    for y in (
        la.asarray(x, int),
        la.asarray(x, order="F", name="other", lock=la.zeros(1).lock),
        la.asarray(x, copy=True),
    ):
        assert y.lock is not x.lock
        assert y.name in (None, "other")
        y[...] = 5
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    "given",
    [{"lock": la.RegionLock()}, {"name": "other"}, {"objects": "shared"}],
    ids=lambda given: [*given][0],
)
def test_asarray_refuses_to_give_an_array_what_it_has_not(given):
    for x in (la.zeros(2, object), la.zeros(2, object, name="frames")):
        with pytest.raises(ValueError, match="this memory|this LockedArray"):
            la.asarray(x, **given)
        with pytest.raises(ValueError, match="this memory|this LockedArray"):
            la.asarray(x, copy=False, **given)


def test_asarray_copies_a_plain_array_unless_it_is_to_share():
    a = np.zeros(3)
    la.asarray(a)[0] = 1
    assert a.tolist() == [0, 0, 0]
    la.asarray(a, copy=False)[1] = 2
    assert a.tolist() == [0, 2, 0]


def test_array_of_a_lockedarray_is_a_copy_with_a_lock_of_its_own():
    x = la.array([1.0, 2.0], name="frames")
    for y in (la.array(x), la.array([x]), la.array(x[:1]), la.array(x, ndmin=2)):
        assert y.lock is not x.lock
        assert y.name is None
        y[...] = 9
    assert x.tolist() == [1, 2]


def test_likes_of_a_subclass_are_of_it_unless_subok_is_false():
    class Signal(LockedArray):
        def __array_finalize__(self, obj):
            super().__array_finalize__(obj)
            self.rate = getattr(obj, "rate", 1)

    x = Signal([1.0, 2.0])
    x.rate = 50
    for make in (
        la.zeros_like,
        la.ones_like,
        la.empty_like,
        lambda *a: la.full_like(a[0], 1, *a[1:]),
    ):
        y = make(x)
        assert (type(y), y.rate, y.shape) == (Signal, 50, (2,))
        assert y.lock is not x.lock
        assert type(make(x, None, "K", False)) is LockedArray


# -- memmap ----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(np.arange(8.0).tobytes())
    return path


def test_memmap_shows_what_numpys_shows(path):
    for arguments in [(), ("f8",), ("f8", "r"), ("f8", "r+", 16), ("i2", "c", 8, (2, 4), "F")]:
        x, a = la.memmap(path, *arguments), np.memmap(path, *arguments)
        assert type(x) is LockedArray
        assert outcome(lambda x=x: x) == outcome(lambda a=a: a)
        assert x.base is None


@pytest.mark.parametrize("dtype", [object, [("a", int), ("b", object)], np.dtypes.StringDType()])
def test_memmap_takes_no_dtype_whose_elements_are_in_memory(path, dtype):
    with pytest.raises(TypeError, match="cannot be in a file"):
        la.memmap(path, dtype, "r+", shape=1)


def test_memmap_writes_to_the_file(path):
    x = la.memmap(path, float, "r+", name="data")
    x[2:4] += 10
    x.flush()
    assert np.fromfile(path).tolist() == [0, 1, 12, 13, 4, 5, 6, 7]
    x[:1].flush()
    assert (x.name, x.lock.name) == ("data", "data")
    with pytest.raises(ValueError, match="resize"):
        x.resize(9)
    y = la.memmap(path, "i4", "w+", shape=(2, 2))
    y[...] = 1
    del y
    assert np.fromfile(path, "i4").tolist() == [1, 1, 1, 1]


def test_memmap_in_mode_r_is_read_only_and_in_mode_c_private(path):
    x = la.memmap(path, float, "r", name="data")
    with pytest.raises(ValueError, match="the memory that 'data' was given is read-only"):
        x[0] = 1
    x.flush()
    x = la.memmap(path, float, "c")
    x += 1
    x.flush()
    assert x[0] == 1
    assert np.fromfile(path)[0] == 0


def test_flush_waits_for_writers(path):
    x = la.memmap(path, float)
    y = la.zeros(3, lock=x.lock)
    with pytest.raises(ValueError, match="not on a file"):
        y.flush()
    with x.read():
        x.flush()
    with x.write():
        x.flush()
    assert x.lock.holds() == []


# -- what few arrays need --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0, 3, (2, 3), ()], ids=str)
def test_what_is_made_of_an_alias_of_a_new_array_belongs_to_it(shape):
    x = la.zeros(shape, name="frames")
    alias = np.asarray(x)
    y = alias.view(LockedArray)
    assert y.base is x
    assert y.lock is x.lock
    assert y.name == "frames"
    del x, y
    z = alias.view(LockedArray)
    assert z.base is None
    assert z.lock is z[...].lock


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_new_array_can_grow_beside_its_views(order):
    x = la.full((2, 3), 1, order=order)
    view, alias = x[1:], np.asarray(x)
    x.resize((200, 3) if order == "C" else (2, 300))
    x[1, 2] = 9
    assert view.tolist() == [[1, 1, 9]]
    assert alias.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert view.base is x


def test_a_new_array_needs_little_memory():
    def grown(make):
        kept = [make() for _ in range(300)]  # what is made once
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for i in range(300):
                kept[i] = make()
            return (tracemalloc.get_traced_memory()[0] - before) / 300
        finally:
            tracemalloc.stop()

    with_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")  # objects are smaller then
    most = 6000 if la.backend != "native" else 810 if with_gil else 1100
    assert grown(lambda: la.zeros(10)) < most
    assert grown(lambda: LockedArray(np.zeros(10))) < most


@pytest.mark.parametrize("make", [la.zeros, la.ones, lambda n: LockedArray(np.arange(float(n)))])
def test_bytes_outlive_the_array_that_numpy_made_of_them(make):
    x = make(5)
    expected = x.tolist()
    alias, memory = np.asarray(x), x._buffer.memory
    with pytest.raises(ValueError, match="WRITEABLE"):
        alias.base.setflags(write=True)
    assert memory.buffer() is x._buffer
    owner = memory.owner
    assert memory.owner is owner
    assert owner.flags.owndata
    assert owner.tolist() == expected
    x.resize(500)
    x[:] = 7
    assert alias.tolist() == owner.tolist() == expected
    buffer = memory.buffer
    del x
    gc.collect()
    assert buffer() is None
    assert memory.buffer() is None
    del memory, owner
    assert alias.tolist() == expected
