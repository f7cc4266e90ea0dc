"""Construction: what is copied, what is shared, which lock and which policy an array gets."""

import array
import ctypes
import gc
import io
import mmap
import tracemalloc
import weakref
from multiprocessing import shared_memory

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from lockedarray import LockedArray

RW_LOCKS = [
    rwlock.RWLockRead,
    rwlock.RWLockWrite,
    rwlock.RWLockFair,
    rwlock.RWLockReadD,
    rwlock.RWLockWriteD,
    rwlock.RWLockFairD,
]


class Array:
    """Something that is an array only when it is asked."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0, 3.0], dtype=dtype)


# -- what is copied ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        3,
        2.5,
        True,
        "text",
        b"bytes",
        None,
        [1, 2, 3],
        [[1.0, 2.0], [3.0, 4.0]],
        (1, 2),
        range(4),
        [],
        Array(),
        np.float32(2),
        np.array(5),
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.zeros((0, 3)),
        np.array([1 + 2j]),
        np.array(["a", "bcd"]),
        np.array(["2024-01-01"], "M8[D]"),
        np.array([None, "x"], object),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.ma.array([1, 2]),
        np.rec.array([(1, 2.0)], names="a,b"),
        memoryview(b"abc"),
        bytearray(b"abc"),
    ],
    ids=lambda given: f"{type(given).__name__}-{getattr(given, 'dtype', '')}",
)
def test_holds_what_numpy_would_hold(given):
    expected = np.asarray(np.array(given))
    x = LockedArray(given)
    assert type(x) is LockedArray
    assert x.dtype == expected.dtype
    assert x.shape == expected.shape
    np.testing.assert_array_equal(x.snapshot(), expected)
    assert not x.flags.writeable
    assert x.base is None


@pytest.mark.parametrize("dtype", ["f4", "i8", "c16", "S5", "U5", object, "?"])
@pytest.mark.parametrize("given", [[1, 0, 1], np.array([1, 0, 1])], ids=["list", "array"])
def test_dtype_converts_as_numpy_does(given, dtype):
    x = LockedArray(given, dtype)
    expected = np.array(given, dtype)
    assert x.dtype == expected.dtype
    np.testing.assert_array_equal(x.snapshot(), expected)


@pytest.mark.parametrize("order", ["K", "A", "C", "F"])
@pytest.mark.parametrize(
    "given",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(24.0).reshape(2, 3, 4)[:, ::-1, ::2],
    ],
    ids=["C", "F", "transposed", "strided"],
)
@pytest.mark.parametrize("copy", [None, True])
def test_order_is_that_of_numpys_copy(given, order, copy):
    x = LockedArray(given, copy=copy, order=order)
    expected = np.array(given, order=order)
    assert x.strides == expected.strides
    assert (x.flags.c_contiguous, x.flags.f_contiguous) == (
        expected.flags.c_contiguous,
        expected.flags.f_contiguous,
    )
    np.testing.assert_array_equal(x.snapshot(), given)


@pytest.mark.parametrize("order", ["Z", "f", "F", "c", "k", None, b"F", "Fortran", "", 1, ["F"]])
def test_order_of_a_temporary_is_what_numpy_takes_for_one(order):
    def outcome(make):
        try:
            flags = make().flags
        except Exception as error:
            return type(error), str(error)
        return flags.c_contiguous, flags.f_contiguous

    for copy in (None, True, False):
        expected = outcome(lambda copy=copy: np.array(np.zeros((2, 3)), order=order, copy=copy))
        got = outcome(lambda copy=copy: LockedArray(np.zeros((2, 3)), order=order, copy=copy))
        assert got == expected
    x = LockedArray(np.zeros((2, 3)))
    for method in (np.ndarray.copy, np.ndarray.flatten):
        plain = outcome(lambda method=method: method(np.zeros((2, 3)), order))
        assert outcome(lambda method=method: getattr(x, method.__name__)(order)) == plain
    expected = outcome(lambda: np.zeros((2, 3)).astype(float, order, copy=False))
    assert outcome(lambda: x.astype(float, order, copy=False)) == expected


def test_temporary_in_another_order_is_converted():
    x = LockedArray(np.arange(6.0).reshape(2, 3).copy(), order="F")
    assert x.flags.f_contiguous
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_copy_of_a_lockedarray_has_a_lock_of_its_own():
    x = LockedArray([1.0, 2.0])
    for y in (LockedArray(x), LockedArray(x, copy=True), LockedArray(x[:1])):
        assert y.lock is not x.lock
        assert y.base is None
        y[0] = 9
    assert x.tolist() == [1, 2]


def test_list_of_lockedarrays_is_read_into_one():
    x, y = LockedArray([1.0, 2.0]), LockedArray([3.0, 4.0])
    assert LockedArray([x, y]).tolist() == [[1, 2], [3, 4]]


def test_subclass_is_made_where_it_is_asked_for():
    class Signal(LockedArray):
        pass

    assert type(Signal([1.0])) is Signal
    assert type(Signal(LockedArray([1.0]))) is Signal
    assert type(LockedArray(Signal([1.0]))) is LockedArray


# -- what is shared ------------------------------------------------------------------------------


def test_sharing_writes_through_to_the_callers_memory():
    a = np.zeros(4)
    x = LockedArray(a, copy=False)
    x[1] = 5
    assert a[1] == 5
    a[2] = 6
    assert x[2] == 6


@pytest.mark.parametrize(
    "share",
    [lambda a: LockedArray(a, copy=False), lambda a: a.view(LockedArray)],
    ids=["copy=False", "view"],
)
def test_all_that_share_one_memory_have_one_lock(share):
    a = np.zeros((4, 4))
    made = [share(part) for part in (a, a, a[1:], a[::2], a.T, a.ravel(), a[3, 3:], a.view("i8"))]
    assert len({id(x.lock) for x in made}) == 1
    made[0][3, 3] = 7
    assert made[6][0] == 7


def test_alias_of_a_lockedarray_is_known_as_its_memory():
    x = LockedArray([1.0, 2.0, 3.0])
    y = np.asarray(x).view(LockedArray)
    assert y.lock is x.lock
    with pytest.raises(ValueError, match="read-only"):
        y[0] = 1  # the alias is read-only, and so is what is made of it


def test_sharing_a_lockedarray_is_a_view_of_it():
    x = LockedArray([1.0, 2.0, 3.0])
    y = LockedArray(x, copy=False)
    y[0] = 9
    assert y.lock is x.lock
    assert x[0] == 9


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytearray(32),
        lambda: memoryview(bytearray(32)),
        lambda: mmap.mmap(-1, 32),
        lambda: io.BytesIO(bytes(32)).getbuffer(),
    ],
    ids=["bytearray", "memoryview", "mmap", "getbuffer"],
)
def test_memory_of_a_foreign_buffer_has_one_lock(make):
    memory = make()
    x = np.frombuffer(memory, "f8").view(LockedArray)
    y = np.frombuffer(memory, "u1").view(LockedArray)
    assert x.lock is y.lock
    x[0] = 1.0
    assert np.frombuffer(memory, "f8")[0] == 1.0


class Shown:
    """Shows the memory of another object, by ``__array_interface__``."""

    def __init__(self, memory):
        self.__array_interface__ = {"version": 3, "shape": (4,), "typestr": "<f8", "data": memory}


class Segment(shared_memory.SharedMemory):
    """Shared memory of four numbers."""

    def __init__(self):
        super().__init__(create=True, size=32)
        self.unlink()


EXPORTERS = {
    "bytearray": (lambda: bytearray(32), lambda memory: memory.extend(bytes(99))),
    "array.array": (lambda: array.array("d", [0.0] * 4), lambda memory: memory.append(1.0)),
    "mmap": (lambda: mmap.mmap(-1, 32), mmap.mmap.close),
    "mmap, resized": (lambda: mmap.mmap(-1, 32), lambda memory: memory.resize(64)),
    "BytesIO": (lambda: io.BytesIO(bytes(32)), io.BytesIO.close),
    "ndarray": (lambda: np.zeros(4), lambda memory: memory.resize(99, refcheck=False)),
    "SharedMemory": (Segment, Segment.close),
}


def buffer_in(memory):
    """Return what of `memory` is a buffer."""
    if isinstance(memory, io.BytesIO):
        return memory.getbuffer()
    return memory.buf if isinstance(memory, Segment) else memory


SHARING = {
    "ndarray(buffer=)": lambda buffer: LockedArray(np.ndarray(4, buffer=buffer), copy=False),
    "a part": lambda buffer: LockedArray(np.ndarray(4, buffer=buffer)[1:3], copy=False),
    "frombuffer": lambda buffer: LockedArray(np.frombuffer(buffer), copy=False),
    "asarray": lambda buffer: LockedArray(np.asarray(buffer), copy=False),
    "the buffer itself": lambda buffer: LockedArray(buffer, copy=False),
    "view": lambda buffer: np.ndarray(4, buffer=buffer).view(LockedArray),
    "__new__": lambda buffer: np.ndarray.__new__(LockedArray, 4, buffer=buffer),
    "__array_interface__": lambda buffer: LockedArray(Shown(buffer), copy=False),
    "array of an array": lambda buffer: LockedArray(
        np.frombuffer(np.ndarray(4, buffer=buffer)), copy=False
    ),
}


@pytest.mark.parametrize("share", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize(("make", "let_go"), EXPORTERS.values(), ids=EXPORTERS)
def test_foreign_memory_cannot_be_let_go_while_it_is_shared(make, let_go, share):
    memory = make()
    x = share(buffer_in(memory))
    if x.dtype != float:  # of an mmap or a bytearray itself NumPy makes bytes
        x = x.view(float)
    alias = np.asarray(x[:2])
    with pytest.raises((BufferError, ValueError)):
        let_go(memory)
    x[0] = 1.0
    del x
    with pytest.raises((BufferError, ValueError)):
        let_go(memory)
    assert alias[0] == 1.0
    del alias
    try:
        let_go(memory)
    except SystemError:  # resize of an mmap, where there is no mremap()
        memory.close()


def test_map_of_a_file_cannot_be_closed_while_it_is_shared(tmp_path):
    mapped = np.memmap(tmp_path / "data", float, "w+", shape=4)
    x = LockedArray(mapped, copy=False)
    file = mapped._mmap
    del mapped
    with pytest.raises(BufferError):
        file.close()
    x[0] = 1.0
    del x
    file.close()


LET_GO = {
    "bytearray": (lambda: bytearray(32), lambda memory: memory.extend(bytes(100_000))),
    "array.array": (
        lambda: array.array("d", [0.0] * 4),
        lambda memory: memory.extend([1.0] * 10_000),
    ),
    "mmap": EXPORTERS["mmap"],
    "SharedMemory": EXPORTERS["SharedMemory"],
}


@pytest.mark.parametrize(("make", "let_go"), LET_GO.values(), ids=LET_GO)
def test_memory_that_was_let_go_before_is_not_shared(make, let_go):
    memory = make()
    stale = np.ndarray(4, buffer=buffer_in(memory))
    let_go(memory)
    for share in (
        lambda: LockedArray(stale, copy=False),
        lambda: stale[1:].view(LockedArray),
        lambda: np.ndarray.view(stale, LockedArray),
    ):
        with pytest.raises(ValueError, match="make the array anew"):
            share()


def test_array_whose_own_export_was_released_is_not_shared():
    stale = np.frombuffer(bytearray(32))
    stale.base.release()
    with pytest.raises(ValueError, match="make the array anew"):
        stale.view(LockedArray)


def test_memory_that_has_moved_is_not_shared_though_there_is_an_array_on_its_new_place():
    memory = bytearray(32)
    stale = np.ndarray(4, buffer=memory)
    memory.extend(bytes(100_000))
    x = np.frombuffer(memory).view(LockedArray)
    with pytest.raises(ValueError, match="make the array anew"):
        stale.view(LockedArray)
    x[0] = 1.0


def test_memory_that_is_no_buffer_is_kept_alive():
    class Owner:
        def __init__(self):
            self.array = np.zeros(4)
            self.__array_interface__ = self.array.__array_interface__

    x = LockedArray(Owner(), copy=False)
    gc.collect()
    x[0] = 1.0
    assert x.tolist() == [1, 0, 0, 0]


def test_memory_of_ctypes_is_shared():
    numbers = (ctypes.c_double * 4)()
    arrays = [
        np.ctypeslib.as_array(numbers),
        np.ctypeslib.as_array(ctypes.cast(numbers, ctypes.POINTER(ctypes.c_double)), (4,)),
        np.ndarray(4, buffer=numbers),
        np.ndarray((2, 2), buffer=numbers, order="F").T,
    ]
    for array_ in arrays:
        x = array_.view(LockedArray)
        x += 1
    assert list(numbers) == [4, 4, 4, 4]


def test_memory_that_is_read_only_stays_so():
    a = np.zeros(3)
    a.setflags(write=False)
    for x in (LockedArray(a, copy=False), np.frombuffer(bytes(24)).view(LockedArray)):
        with pytest.raises(ValueError, match="was given is read-only"):
            x[0] = 1
        assert x.tolist() == [0, 0, 0]


def test_sharing_what_has_to_be_converted_is_refused():
    a = np.zeros(3)
    for refused in (
        lambda: LockedArray(a, "f4", copy=False),
        lambda: LockedArray([1, 2], copy=False),
        lambda: LockedArray(np.zeros((2, 3)), order="F", copy=False),
    ):
        with pytest.raises(ValueError, match=r"copy|[Uu]nable"):
            refused()


def test_shared_memory_is_kept_alive():
    class Memory(np.ndarray):
        pass

    a = np.zeros(3).view(Memory)
    gone = weakref.ref(a)
    x = LockedArray(a[1:], copy=False)
    del a
    gc.collect()
    x[0] = 4
    assert x.tolist() == [4, 0]
    del x
    gc.collect()
    assert gone() is None


def test_lock_of_shared_memory_ends_with_its_arrays():
    a = np.zeros(3)
    x = LockedArray(a, copy=False, lock=rwlock.RWLockFair())
    del x
    gc.collect()
    LockedArray(a, copy=False, lock=rwlock.RWLockFair())[0] = 1
    assert a[0] == 1


def test_array_with_nothing_left_frees_its_memory():
    class Element:
        pass

    element = Element()
    gone = weakref.ref(element)
    x = LockedArray([element, None])
    views = [x[:1], x[1:], x[::2][:1]]
    x.resize(100)
    del element, x
    gc.collect()
    assert gone() is not None
    del views
    gc.collect()
    assert gone() is None


# -- the lock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", RW_LOCKS, ids=lambda make: make.__name__)
def test_stands_under_any_lock_of_readerwriterlock(make):
    lock = make()
    x, y = LockedArray([1.0, 2.0], lock=lock), la.zeros(2, lock=lock)
    assert x.lock is y.lock
    x += 1
    with x.write() as raw:
        raw[0] = 5
        y[1] = raw[0]
    assert x.tolist() == [5, 3]
    assert y.tolist() == [0, 5]
    for generate in (lock.gen_rlock, lock.gen_wlock):  # nothing is left held
        taken = generate()
        assert taken.acquire(blocking=False)
        taken.release()


def test_stands_under_the_lock_of_another_array():
    x = LockedArray([1.0])
    y = LockedArray([2.0, 3.0], lock=x.lock)
    assert y.lock is x.lock
    assert not np.shares_memory(x, y)
    with y.read():
        assert [entry.mode for entry in x.lock.holds()] == ["read"]


@pytest.mark.parametrize(
    "make",
    [
        lambda lock: la.zeros(3, lock=lock),
        lambda lock: la.ones(3, lock=lock),
        lambda lock: la.empty(3, lock=lock),
        lambda lock: la.full(3, 7, lock=lock),
        lambda lock: LockedArray(np.zeros(3), copy=False, lock=lock),
        lambda lock: LockedArray(np.zeros(3), copy=True, lock=lock),
    ],
)
def test_every_constructor_takes_a_lock(make):
    x = la.zeros(1)
    assert make(x.lock).lock is x.lock


@pytest.mark.parametrize(
    "lock",
    [
        True,
        "lock",
        object(),
        rwlock.RWLockFair,
        LockedArray,
        rwlock.RWLockFair().gen_rlock(),
        la.zeros(1),
    ],
    ids=lambda lock: type(lock).__name__,
)
def test_what_is_no_lock_is_refused(lock):
    with pytest.raises(TypeError, match="lock"):
        LockedArray([1.0], lock=lock)
    with pytest.raises(TypeError, match="lock"):
        la.zeros(1, lock=lock)


def test_another_lock_for_memory_that_has_one_is_refused():
    a = np.zeros(3)
    x = LockedArray(a, copy=False)
    for given in (a, a[1:], x):
        with pytest.raises(ValueError, match="lock"):
            LockedArray(given, copy=False, lock=la.zeros(1).lock)
    assert LockedArray(a, copy=False, lock=x.lock).lock is x.lock


# -- the policy for objects ------------------------------------------------------------------------


@pytest.mark.parametrize("objects", ["exclusive", "shared", "forbid"])
def test_every_policy_takes_plain_numbers(objects):
    assert LockedArray([1.0], objects=objects).tolist() == [1]
    assert la.zeros(1, objects=objects).tolist() == [0]


@pytest.mark.parametrize("objects", ["no", "", "Exclusive", None, 1, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda objects: LockedArray([1.0], objects=objects),
        lambda objects: LockedArray([None], objects=objects),
        lambda objects: LockedArray(np.zeros(2), copy=False, objects=objects),
        lambda objects: la.zeros(1, objects=objects),
        lambda objects: la.full(1, 1.0, objects=objects),
    ],
    ids=["array", "objects", "shared", "zeros", "full"],
)
def test_unknown_policy_is_refused(make, objects):
    with pytest.raises((ValueError, TypeError), match="objects"):
        make(objects)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LockedArray([None], objects="forbid"),
        lambda: LockedArray(np.array([1]), object, objects="forbid"),
        lambda: LockedArray(np.zeros(2, object), copy=False, objects="forbid"),
        lambda: LockedArray(np.zeros(2, [("a", "i4"), ("b", object)]), objects="forbid"),
        lambda: la.zeros(2, object, objects="forbid"),
        lambda: la.empty(2, object, objects="forbid"),
        lambda: la.full(2, None, objects="forbid"),
    ],
)
def test_objects_are_refused_where_the_policy_forbids_them(make):
    with pytest.raises(TypeError, match="forbid"):
        make()


def test_another_policy_for_memory_that_has_one_is_refused():
    a = np.array([None, 1], object)
    x = LockedArray(a, copy=False, objects="shared")
    with pytest.raises(ValueError, match="objects"):
        LockedArray(a, copy=False, objects="exclusive")
    assert LockedArray(a, copy=False, objects="shared").lock is x.lock


# -- other bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [1, 0, "yes", "always", np.True_, [], 2.0], ids=repr)
def test_copy_is_true_false_or_none(copy):
    with pytest.raises(ValueError, match="copy"):
        LockedArray([1.0], copy=copy)


@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize(
    "bad", [{"order": "X"}, {"order": 3}, {"dtype": "nonsense"}, {"unknown": 1}]
)
def test_bad_arguments_raise_what_numpy_raises(copy, bad):
    with pytest.raises((TypeError, ValueError)) as numpys:
        np.array(np.zeros(2), copy=copy, **bad)
    with pytest.raises(numpys.type):
        LockedArray(np.zeros(2), copy=copy, **bad)


def test_error_in_conversion_is_passed_on():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        LockedArray(Broken())
    with pytest.raises(ValueError, match="inhomogeneous"):
        LockedArray([[1, 2], [3]])
    with pytest.raises(TypeError, match="obj"):
        LockedArray()


# -- zeros, ones, empty, full ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [3, (), (0,), (2, 3), [4]], ids=str)
@pytest.mark.parametrize("dtype", ["f8", "i2", "?", "U3", object, "i4,f8"], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "full"])
def test_constructors_make_what_numpys_make(name, shape, dtype, order):
    fill = () if name != "full" else (1,)
    expected = getattr(np, name)(shape, *fill, dtype=dtype, order=order)
    x = getattr(la, name)(shape, *fill, dtype=dtype, order=order)
    assert type(x) is LockedArray
    assert (x.shape, x.dtype, x.strides) == (expected.shape, expected.dtype, expected.strides)
    if name != "empty" or dtype is object:
        np.testing.assert_array_equal(x.snapshot(), expected)
    x[...] = x.snapshot()
    assert x.base is None


def test_full_takes_its_dtype_from_the_value():
    assert la.full(2, 7).dtype == np.full(2, 7).dtype
    assert la.full((2, 2), [1.5, 2]).tolist() == [[1.5, 2], [1.5, 2]]
    assert la.full(2, la.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "full"])
@pytest.mark.parametrize(
    "bad", [{"shape": -1}, {"shape": "3"}, {"shape": 1.5}, {"shape": 3, "dtype": "x"}]
)
def test_constructors_refuse_what_numpys_refuse(name, bad):
    fill = {} if name != "full" else {"fill_value": 1}
    with pytest.raises((TypeError, ValueError)) as numpys:
        getattr(np, name)(**bad, **fill)
    with pytest.raises(numpys.type):
        getattr(la, name)(**bad, **fill)


# -- like= -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: np.zeros((2, 3), **k),
        lambda **k: np.ones(3, **k),
        lambda **k: np.full(3, 7, **k),
        lambda **k: np.array([1, 2], **k),
        lambda **k: np.asarray([1, 2], **k),
        lambda **k: np.asanyarray([1, 2], **k),
        lambda **k: np.ascontiguousarray([1, 2], **k),
        lambda **k: np.asfortranarray([1, 2], **k),
        lambda **k: np.require([1, 2], **k),
        lambda **k: np.arange(4, **k),
        lambda **k: np.eye(2, **k),
        lambda **k: np.identity(2, **k),
        lambda **k: np.tri(2, **k),
        lambda **k: np.frombuffer(b"abcd", "u1", **k),
        lambda **k: np.fromiter([1, 2], int, **k),
        lambda **k: np.fromfunction(lambda i: 2 * i, (3,), **k),
        lambda **k: np.fromstring("1 2", sep=" ", **k),
        lambda **k: np.loadtxt(["1 2", "3 4"], **k),
        lambda **k: np.genfromtxt(["1 2", "3 4"], **k),
    ],
)
def test_like_makes_a_lockedarray_of_its_own(make):
    x = LockedArray([9.0])
    y = make(like=x)
    expected = make()
    assert type(y) is LockedArray
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y.snapshot(), expected)
    assert y.lock is not x.lock
    assert y.base is None
    y[...] = y.snapshot()
    y.resize(1000)


def test_like_makes_the_subclass():
    class Signal(LockedArray):
        pass

    assert type(np.zeros(2, like=Signal([1.0]))) is Signal


def test_like_takes_over_new_memory():
    x = LockedArray([9.0])
    tracemalloc.start()
    try:
        y = np.ones(1_000_000, like=x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert y.nbytes <= peak < 1.5 * y.nbytes


def test_like_takes_over_no_memory_that_is_reachable():
    x = LockedArray([9.0])
    kept = np.zeros(3)
    held = [kept]
    for y in (
        np.asarray(kept, like=x),
        np.fromfunction(lambda i: kept, (3,), like=x),
        np.fromfunction(lambda i: held[0], (3,), like=x),
    ):
        y[...] = 1
        assert not np.any(kept)


def test_array_like_copies_and_asarray_like_does_not():
    x = LockedArray([1.0, 2.0])
    assert not np.shares_memory(np.array(x, like=x), x)
    y = np.asarray(x, like=x)
    assert np.shares_memory(y, x)
    assert y.lock is x.lock
