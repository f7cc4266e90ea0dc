"""Nothing writes to the memory without the lock: each way past it is refused, and changes nothing."""

import array
import ctypes
import io
import os
import random
import socket
import struct

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

N = np.ndarray
c_base = N.base.__get__


def aliases():
    """Yield (name, function) of what gives out an alias of the memory that is no LockedArray."""

    class Interface:
        def __init__(self, x):
            self.keep = x
            self.__array_interface__ = x.__array_interface__

    class Struct:
        def __init__(self, x):
            self.keep = x
            self.__array_struct__ = x.__array_struct__

    yield "np.asarray", np.asarray
    yield "np.asarray of a view", lambda x: np.asarray(x[:])
    yield "np.asarray of a list element", lambda x: np.asarray([x][0])
    yield "np.array(copy=False)", lambda x: np.array(x, copy=False)
    yield "np.array(copy=None)", lambda x: np.array(x, copy=None)
    yield "np.asarray_chkfinite", np.asarray_chkfinite
    yield "np.ascontiguousarray", np.ascontiguousarray
    yield "np.require", lambda x: np.require(x, requirements="CA")
    yield "np.frombuffer", np.frombuffer
    yield "np.ndarray(buffer=)", lambda x: np.ndarray(x.shape, x.dtype, x)
    yield "memoryview", lambda x: np.asarray(memoryview(x))
    yield "x.data", lambda x: np.asarray(x.data)
    yield "x.__buffer__", lambda x: np.asarray(memoryview(x).cast("B")).view(x.dtype)
    yield "x.view(np.ndarray)", lambda x: x.view(np.ndarray)
    yield "x.view(dtype, np.ndarray)", lambda x: x.view("i8", np.ndarray).view(x.dtype)
    yield "ndarray.view", lambda x: N.view(x, np.ndarray)
    yield "x.view(np.recarray)", lambda x: x.view(np.recarray)
    yield "x.__array__", lambda x: x.__array__()
    yield "the C-level base", c_base
    yield "the base of an alias", lambda x: np.asarray(x).base
    yield "__array_interface__", lambda x: np.asarray(Interface(x))
    yield "__array_struct__", lambda x: np.asarray(Struct(x))
    yield "as_strided", lambda x: as_strided(x, writeable=True)
    yield "as_strided of an alias", lambda x: as_strided(np.asarray(x))
    yield "np.ma data", lambda x: np.ma.array(x, copy=False).data
    yield "np.ma", lambda x: np.ma.array(x, copy=False)
    yield "np.ma.asarray", lambda x: np.ma.asarray(x)
    yield "np.nditer operand", lambda x: np.nditer(x).operands[0]
    yield "np.nditer view", lambda x: np.nditer(x).itviews[0]
    yield "np.ndenumerate", lambda x: np.ndenumerate(x).iter.base
    yield "np.broadcast", lambda x: np.broadcast(x, 1).iters[0].base
    yield "flatiter", lambda x: N.flat.__get__(x).base
    yield "raw view, read", read_raw
    yield "raw view, released", written_raw


def read_raw(x):
    with x.read() as raw:
        assert not raw.flags.writeable
        return raw


def written_raw(x):
    with x.write() as raw:
        return raw


ALIASES = dict(aliases())


@pytest.fixture
def x():
    array = LockedArray([1.0, 2.0, 3.0, 4.0])
    yield array
    assert array.tolist() == [1, 2, 3, 4]
    assert not array.flags.writeable
    assert free(array)
    array[0] = 5  # and it is usable
    assert array[0] == 5


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
def test_alias_is_read_only(x, alias):
    a = alias(x)
    if not isinstance(a, LockedArray):
        assert not a.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            N.__setitem__(a, 0, 9)
        with pytest.raises(ValueError, match="read-only"):
            N.fill(a.view(np.ndarray), 9)


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
def test_alias_cannot_be_made_writable(x, alias):
    a = alias(x)
    for array_ in (a, a.view(np.ndarray), a[:], np.asarray(a)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            N.setflags(array_, write=True)
        with pytest.raises(ValueError, match="WRITEABLE"):
            array_.flags.writeable = True
        with pytest.raises(ValueError, match="WRITEABLE"):
            array_.flags["W"] = True
        assert memoryview(array_).readonly


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
def test_bases_of_an_alias_give_nothing_to_write_to(x, alias):
    base = alias(x)
    while isinstance(base, np.ndarray):
        assert not base.flags.writeable
        base = c_base(base)
    if isinstance(base, memoryview):  # of x itself, or of an alias
        assert base.readonly
        base = base.obj
    elif hasattr(base, "__array_interface__"):  # NumPy's, of as_strided, and ours, above
        assert base.__array_interface__["data"][1], "the flag that says read-only"
    else:
        with pytest.raises(TypeError, match="bytes-like"):
            memoryview(base)
        for name in ("__array_struct__", "__array__", "__dlpack__", "__buffer__"):
            assert not hasattr(base, name) or hasattr(base, "keep")


class Device(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:8] = bytes(8)
        return 8


def sendable():
    left, right = socket.socketpair()
    left.send(bytes(64))
    left.close()
    return right


def readable_pipe():
    reading, writing = os.pipe()
    os.write(writing, bytes(64))
    os.close(writing)
    return reading


def with_pipe(function):
    def run(x):
        descriptor = readable_pipe()
        try:
            return function(descriptor, x)
        finally:
            os.close(descriptor)

    return run


def with_socket(function):
    def run(x):
        with sendable() as receiver:
            return function(receiver, x)

    return run


def iterate_and_write(x, **options):
    with np.nditer(x, **options) as iterator:
        for element in iterator:
            element[...] = 9


def at_respects_flags():
    """Whether this NumPy's ``ufunc.at`` refuses read-only arrays, as it does from 2.5 on."""
    a = np.zeros(1)
    a.setflags(write=False)
    try:
        np.add.at(a, 0, 1)
    except ValueError:
        return True
    return False


RNG = np.random.default_rng(0)
OLD_RNG = np.random.RandomState(0)
M = np.array([True, False, True, False])

ESCAPES = {
    # flags
    "setflags": lambda x: x.setflags(write=True),
    "setflags(1)": lambda x: x.setflags(1),
    "flags.writeable": lambda x: setattr(x.flags, "writeable", True),
    "flags[W]": lambda x: x.flags.__setitem__("WRITEABLE", True),
    "ndarray.setflags": lambda x: N.setflags(x, write=True),
    "ndarray.setflags of a view": lambda x: N.setflags(x[:], write=True),
    # methods and slots of ndarray, past ours
    "ndarray.fill": lambda x: N.fill(x, 9),
    "ndarray.sort": lambda x: N.sort(x[::-1]),
    "ndarray.partition": lambda x: N.partition(x[::-1], 1),
    "ndarray.put": lambda x: N.put(x, [0], 9),
    "ndarray.byteswap": lambda x: N.byteswap(x, inplace=True),
    "ndarray.setfield": lambda x: N.setfield(x, 9, "f8"),
    "ndarray.__setitem__": lambda x: N.__setitem__(x, 0, 9),
    "ndarray.__setitem__ of a slice": lambda x: N.__setitem__(x, slice(2), 9),
    "ndarray.__setitem__ of a mask": lambda x: N.__setitem__(x, M, 9),
    "ndarray.__setitem__ of a list": lambda x: N.__setitem__(x, [0, 1], 9),
    "ndarray.flat": lambda x: N.flat.__set__(x, 9),
    "ndarray.flat[0]": lambda x: N.flat.__get__(x).__setitem__(0, 9),
    "ndarray.flat[...]": lambda x: N.flat.__get__(x).__setitem__(Ellipsis, 9),
    "ndarray.real": lambda x: N.real.__set__(x, 9),
    "ndarray.resize": lambda x: N.resize(x, 0, refcheck=False),
    "ndarray.take(out=)": lambda x: N.take(np.zeros(4), [0, 1, 2, 3], out=x),
    "ndarray.sum(out=)": lambda x: N.sum(np.zeros((2, 4)), 0, out=c_base(x)),
    "ndarray.clip(out=alias)": lambda x: np.zeros(4).clip(1, 2, out=np.asarray(x)),
    "ndarray.take(out=alias)": lambda x: np.zeros(4).take([0, 1, 2, 3], out=np.asarray(x)),
    "ndarray.dot(out=alias)": lambda x: np.ones((4, 4)).dot(np.ones(4), out=np.asarray(x)),
    "ufunc(out=alias)": lambda x: np.add(1, 2, out=np.asarray(x)),
    "copyto(alias)": lambda x: np.copyto(np.asarray(x), 1),
    "alias +=": lambda x: np.asarray(x).__iadd__(1),
    # functions that know no lock
    "np.nditer readwrite": lambda x: iterate_and_write(x, op_flags=["readwrite"]),
    "np.nditer writeonly": lambda x: iterate_and_write(x, op_flags=["writeonly"]),
    "np.nditer buffered": lambda x: iterate_and_write(
        x,
        flags=["buffered", "external_loop"],
        op_flags=["readwrite"],
        op_dtypes=["f4"],
        casting="unsafe",
    ),
    "np.nditer updateifcopy": lambda x: iterate_and_write(
        x, flags=["zerosize_ok"], op_flags=[["readwrite", "updateifcopy"]]
    ),
    "np.nested_iters": lambda x: np.nested_iters([x], [[0], []], op_flags=[["readwrite"]]),
    "np.broadcast": lambda x: np.broadcast(x, 1).iters[0].__setitem__(0, 9),
    "as_strided": lambda x: as_strided(x).__setitem__(0, 9),
    "as_strided writeable": lambda x: as_strided(x, writeable=True).fill(9),
    "rng.random": lambda x: RNG.random(out=x),
    "rng.standard_normal": lambda x: RNG.standard_normal(out=x),
    "rng.standard_exponential": lambda x: RNG.standard_exponential(out=x),
    "rng.standard_gamma": lambda x: RNG.standard_gamma(1.0, out=x),
    "rng.shuffle": lambda x: RNG.shuffle(x),
    "rng.shuffle of columns": lambda x: RNG.shuffle(x.reshape(2, 2), axis=1),
    "rng.permuted": lambda x: RNG.permuted(x, out=x),
    "RandomState.shuffle": lambda x: OLD_RNG.shuffle(x),
    "RandomState.shuffle of rows": lambda x: OLD_RNG.shuffle(x.reshape(2, 2)),
    "np.ma item": lambda x: np.ma.array(x, copy=False).__setitem__(0, 9),
    "np.ma in place": lambda x: np.ma.array(x, copy=False).__iadd__(1),
    "np.ma fill": lambda x: np.ma.array(x, mask=M, copy=False).data.fill(9),
    "np.ma.put": lambda x: np.ma.put(np.ma.array(x, copy=False), [0], 9),
    "np.ctypeslib": lambda x: np.ctypeslib.as_ctypes(x).__setitem__(0, 9.0),
    # the buffer protocol
    "memoryview": lambda x: memoryview(x).__setitem__(0, 9.0),
    "memoryview cast": lambda x: memoryview(x).cast("B").__setitem__(0, 9),
    "x.data": lambda x: x.data.__setitem__(0, 9.0),
    "x.data =": lambda x: setattr(x, "data", bytearray(32)),
    "readinto": lambda x: io.BytesIO(bytes(32)).readinto(x),
    "buffered readinto": lambda x: io.BufferedReader(Device()).readinto(x),
    "os.readv": with_pipe(lambda descriptor, x: os.readv(descriptor, [x])),
    "recv_into": with_socket(lambda receiver, x: receiver.recv_into(x)),
    "recvmsg_into": with_socket(lambda receiver, x: receiver.recvmsg_into([x])),
    "struct.pack_into": lambda x: struct.pack_into("d", x, 0, 9.0),
    "ctypes from_buffer": lambda x: ctypes.c_double.from_buffer(x),
    "ctypes array from_buffer": lambda x: (ctypes.c_double * 4).from_buffer(x),
    "array of memoryview": lambda x: memoryview(x).__setitem__(slice(4), array.array("d", [9] * 4)),
    "frombuffer": lambda x: np.frombuffer(x).__setitem__(0, 9),
    "ndarray(buffer=)": lambda x: np.ndarray(4, "f8", x).fill(9),
    # metadata
    "shape": lambda x: setattr(x, "shape", (2, 2)),
    "dtype": lambda x: setattr(x, "dtype", "i8"),
    "strides": lambda x: setattr(x, "strides", (0,)),
    "_set_shape": lambda x: x._set_shape((2, 2)),
    "__setstate__": lambda x: x.__setstate__((1, (4,), np.dtype("f8"), False, bytes(32))),
    "base": lambda x: setattr(x, "base", None),
    "del shape": lambda x: delattr(x, "shape"),
}


ACCUMULATIONS = {
    "np.add.accumulate": lambda a, out: np.add.accumulate(a, out=out),
    "np.maximum.accumulate": lambda a, out: np.maximum.accumulate(a, 0, None, out),
    "np.cumsum": lambda a, out: np.cumsum(a, out=out),
    "np.cumprod": lambda a, out: np.cumprod(a, 0, None, out),
    "np.nancumsum": lambda a, out: np.nancumsum(a, out=out),
    "a.cumsum": lambda a, out: a.cumsum(out=out),
    "a.cumsum of rows": lambda a, out: a.reshape(2, 2).cumsum(None, None, out),
    "a.cumprod": lambda a, out: a.cumprod(0, None, out),
}
OUTPUTS = ACCUMULATIONS | {
    "np.add": lambda a, out: np.add(a, 1, out=out),
    "np.add, casting": lambda a, out: np.add(a, 1, out, casting="unsafe"),
    "np.add.reduce": lambda a, out: np.add.reduce(a.reshape(4, 1), 1, out=out),
    "np.add.reduceat": lambda a, out: np.add.reduceat(a, [0, 1, 2, 3], out=out),
    "np.multiply.outer": lambda a, out: np.multiply.outer(a[:2], a[:2], out=out.reshape(2, 2)),
    "np.matmul": lambda a, out: np.matmul(np.eye(4), a, out=out),
    "np.einsum": lambda a, out: np.einsum("i,i->i", a, a, out=out),
    "np.concatenate": lambda a, out: np.concatenate([a[:2], a[2:]], out=out),
    "np.median": lambda a, out: np.median(a.reshape(4, 1), axis=1, out=out),
    "a.sum": lambda a, out: a.reshape(4, 1).sum(1, None, out),
    "a.max": lambda a, out: a.reshape(4, 1).max(axis=1, out=out),
    "a.mean": lambda a, out: a.reshape(4, 1).mean(axis=1, out=out),
    "a.std": lambda a, out: a.reshape(4, 1).std(axis=1, out=out),
    "a.round": lambda a, out: a.round(1, out),
    "a.clip": lambda a, out: a.clip(2, 3, out=out),
    "a.take": lambda a, out: a.take([3, 2, 1, 0], out=out),
    "a.take, clip": lambda a, out: a.take([3, 2, 1, 0], 0, out, "clip"),
    "a.choose": lambda a, out: np.array([0, 0, 0, 0]).choose([a], out=out),
    "a.compress": lambda a, out: a.compress([1, 1, 1, 1], 0, out),
    "a.dot": lambda a, out: np.eye(4).dot(a, out),
    "a.trace": lambda a, out: np.multiply.outer(np.ones((1, 1)), a).trace(out=out),
}


if np.lib.NumpyVersion(np.__version__) >= "2.3.0":  # accumulate() of older ones writes there
    for _name, _function in ACCUMULATIONS.items():
        ESCAPES[f"{_name}(out=alias)"] = lambda x, f=_function: f(np.ones(4), np.asarray(x))

if at_respects_flags():  # or else a plain alias can be written to, as any read-only array
    ESCAPES["ufunc.at(alias)"] = lambda x: np.add.at(np.asarray(x), 0, 1)


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_escape_is_refused(x, escape):
    before = x.shape, x.strides, x.dtype
    with pytest.raises((ValueError, TypeError, BufferError, AttributeError)):
        escape(x)
    assert (x.shape, x.strides, x.dtype) == before


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_escape_is_refused_under_ones_own_write_lock(x, escape):
    with x.write() as raw:
        with pytest.raises((ValueError, TypeError, BufferError, AttributeError)):
            escape(x)
        assert raw.flags.writeable


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
@pytest.mark.parametrize("through", [lambda x: x[:], lambda x: x.view(), lambda x: x.reshape(4)])
def test_escape_through_a_view_is_refused(x, escape, through):
    view = through(x)
    with pytest.raises((ValueError, TypeError, BufferError, AttributeError)):
        escape(view)


@pytest.mark.parametrize(
    "escape",
    [ESCAPES[name] for name in ("setflags", "setflags(1)", "flags.writeable", "flags[W]")],
)
def test_refusal_of_ours_names_the_guard(x, escape):
    with pytest.raises(ValueError, match=r"x\.write\(\)"):
        escape(x)


@pytest.mark.parametrize(
    ("name", "instead"), [("shape", "reshape"), ("dtype", "view"), ("strides", "reshape")]
)
def test_refusal_of_metadata_names_what_to_write_instead(x, name, instead):
    with pytest.raises(AttributeError, match=instead):
        setattr(x, name, getattr(x, name))


@pytest.mark.parametrize("attribute", ["imag", "real"])
def test_parts_of_complex_numbers_are_not_written_past_us(attribute):
    x = LockedArray([1 + 2j])
    with pytest.raises(ValueError, match="read-only"):
        getattr(N, attribute).__set__(x, 9)
    assert x[0] == 1 + 2j


def test_records_are_not_written_past_us():
    x = LockedArray(np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]))
    for write in (
        lambda: N.__setitem__(x, "a", 9),
        lambda: x.view(np.recarray).__setattr__("a", 9),
        lambda: x.view(np.recarray).a.fill(9),
        lambda: np.asarray(x)[0].__setitem__("a", 9),
        lambda: N.__getitem__(x, 0).__setitem__("a", 9),
        lambda: next(iter(np.asarray(x))).__setitem__("a", 9),
        lambda: np.asarray(x)["a"].fill(9),
        lambda: N.setfield(x, 9, "i4", 0),
    ):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert x.tolist() == [(1, 2.0)]


def test_objects_are_not_written_past_us():
    x = LockedArray([1, None])
    for write in (
        lambda: np.asarray(x).fill(9),
        lambda: N.__setitem__(x, 0, 9),
        lambda: RNG.shuffle(x),
        lambda: iterate_and_write(x, flags=["refs_ok"], op_flags=["readwrite"]),
    ):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert x.tolist() == [1, None]


def test_windows_are_written_under_the_lock_or_not_at_all():
    x = LockedArray([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="read-only"):
        sliding_window_view(x, 2)[0, 0] = 9
    windows = sliding_window_view(x, 2, writeable=True)
    assert windows.lock is x.lock
    windows[0, 1] = 9
    assert x.tolist() == [1, 9, 3]
    assert not windows.flags.writeable


def test_function_that_gets_a_raw_view_cannot_keep_it_writable():
    kept = []

    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            kept.extend([*inputs, *kwargs.get("out", ())])
            return NotImplemented if not kwargs.get("out") else kwargs["out"][0]

        def __array_function__(self, function, types, args, kwargs):
            kept.extend(args)

    x = LockedArray([1.0, 2.0])
    np.add(Other(), 1, out=x)
    np.copyto(x, Other())
    raws = [raw for raw in kept if isinstance(raw, np.ndarray)]
    assert raws
    for raw in raws:
        assert isinstance(raw, LockedArray) or not raw.flags.writeable
    assert free(x)


def test_function_in_place_of_a_ufunc_cannot_keep_a_raw_view_writable():
    x = LockedArray([1.0, 2.0])
    kept = []

    def keep(*inputs, out=()):
        kept.extend([*inputs, *(out if isinstance(out, tuple) else (out,))])

    x.__array_ufunc__(keep, "__call__", x, out=(x,))
    x.__array_ufunc__(keep, "__call__", x)
    assert len(kept) == 3
    for raw in kept:
        assert not raw.flags.writeable
    assert free(x)


def test_exception_keeps_no_writable_view():
    x = LockedArray([3.0, 1.0, 2.0])

    def refuse(value):
        raise ZeroDivisionError

    for operation in (
        lambda: np.add(x, "text", out=x),
        lambda: x.partition(7),
        lambda: np.put_along_axis(x, np.array([7]), 1, 0),
        lambda: x.at[0].apply(refuse),
        lambda: x.__setitem__([0, 7], 1),
    ):
        with pytest.raises(Exception, match=".*") as caught:
            operation()
        frame = caught.tb
        while frame is not None:
            for value in frame.tb_frame.f_locals.values():
                for item in value.values() if isinstance(value, dict) else [value]:
                    assert not (
                        type(item) is np.ndarray
                        and item.flags.writeable
                        and np.shares_memory(item, x)
                    )
            frame = frame.tb_next
    assert free(x)


def test_stdlib_shuffle_writes_through_locked_operations():
    x = LockedArray(np.arange(20))
    random.Random(0).shuffle(x)
    assert sorted(x.tolist()) == list(range(20))
    assert free(x)


def test_raw_view_of_write_turns_read_only_with_its_guard():
    x, y = la.zeros(3), la.zeros(3)
    with x.write() as raw:
        raw[0] = 1
    guard = la.acquire(write=(x, y[1:]))
    first, second = guard.acquire()
    second[0] = 2
    guard.release()
    with pytest.raises(ZeroDivisionError), x.write() as third:
        raise ZeroDivisionError
    for kept in (raw, first, second, third):
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 9
        with pytest.raises(ValueError, match="WRITEABLE"):
            kept.setflags(write=True)
        with pytest.raises(ValueError, match="WRITEABLE"):
            kept[:1].setflags(write=True)
    assert (x.tolist(), y.tolist()) == ([1, 0, 0], [0, 2, 0])


@pytest.mark.parametrize(
    "take",
    [
        lambda x: x.write().acquire(),
        lambda x: la.acquire(write=x).acquire(),
        lambda x: x[:].write().acquire(),
    ],
)
def test_raw_view_of_a_dropped_guard_is_not_written_without_the_lock(take):
    x = la.zeros(3)
    raw = take(x)
    if free(x):
        with pytest.raises(ValueError, match="read-only"):
            raw[0] = 1
        assert x[0] == 0


# -- the pointer --------------------------------------------------------------------------------------


POINTERS = {
    "data": lambda x: x.ctypes.data,
    "data_as": lambda x: x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
    "_as_parameter_": lambda x: x.ctypes._as_parameter_,
    "_arr": lambda x: x.ctypes._arr,
    "_data": lambda x: x.ctypes._data,
    "c_void_p": lambda x: ctypes.c_void_p.from_param(x.ctypes),
    "call": lambda x: ctypes.memset(x.ctypes, 9, 8),
    "ndpointer": lambda x: ctypes.memset(np.ctypeslib.ndpointer(float).from_param(x), 9, 8),
}
STATES = {
    "array": lambda x: x,
    "view": lambda x: x[1:],
    "frozen": lambda x: (x.freeze(), x)[1],
    "view of a frozen one": lambda x: (x[::2], x.freeze())[0],
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("pointer", POINTERS.values(), ids=POINTERS)
def test_pointer_is_refused_with_the_remedy(pointer, state):
    x = LockedArray([1.0, 2.0, 3.0, 4.0])
    with pytest.raises((ValueError, ctypes.ArgumentError), match=r"x\.write\(\) as raw"):
        pointer(state(x))
    assert x.tolist() == [1, 2, 3, 4]


def test_shape_and_strides_are_given_to_ctypes_as_numpy_gives_them():
    x, a = LockedArray(np.zeros((2, 3)))[:, ::2], np.zeros((2, 3))[:, ::2]
    assert list(x.ctypes.shape) == list(a.ctypes.shape)
    assert list(x.ctypes.strides) == list(a.ctypes.strides)
    assert type(x.ctypes.shape) is type(a.ctypes.shape)
    for name in ("shape_as", "strides_as"):
        mine, numpys = (getattr(y.ctypes, name)(ctypes.c_longlong) for y in (x, a))
        assert list(mine) == list(numpys)
        assert type(mine) is type(numpys)
    assert LockedArray(1.0).ctypes.shape_as(ctypes.c_int) is None
    assert not hasattr(x.ctypes, "no_such_name")
    with pytest.raises(AttributeError):
        x.ctypes = None


def test_raw_view_of_a_guard_has_a_pointer():
    x = LockedArray([1.0, 2.0])
    with x.write() as raw:
        raw.ctypes.data_as(ctypes.POINTER(ctypes.c_double))[1] = 5.0
    assert x.tolist() == [1, 5]
    with x.read() as raw:
        assert raw.ctypes.data_as(ctypes.POINTER(ctypes.c_double))[1] == 5.0


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_interfaces_say_read_only(state):
    x = LockedArray([1.0, 2.0, 3.0, 4.0])
    y = state(x)
    assert y.__array_interface__["data"][1]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]

    class Interface(ctypes.Structure):
        _fields_ = (("two", ctypes.c_int), ("nd", ctypes.c_int), ("typekind", ctypes.c_char),
                    ("itemsize", ctypes.c_int), ("flags", ctypes.c_int))  # fmt: skip

    capsule = y.__array_struct__
    interface = Interface.from_address(pointer(capsule, None))
    assert interface.two == 2
    assert not interface.flags & 0x0400, "NPY_ARRAY_WRITEABLE"
    assert memoryview(y).readonly
    for refused in (
        lambda: np.ctypeslib.as_ctypes(y),
        lambda: ctypes.c_char.from_buffer(y),
        lambda: np.ctypeslib.ndpointer(float, flags="WRITEABLE").from_param(y),
    ):
        with pytest.raises(TypeError):
            refused()


def test_nothing_of_a_frozen_array_is_made_writable_again():
    x = LockedArray([1.0, 2.0])
    with x.write() as written, x.read() as read:
        x.freeze()
        kept = [written, read, written[:1], written.view("i8"), np.asarray(x), read.base]
    for raw in kept:
        with pytest.raises(ValueError, match="WRITEABLE"):
            raw.setflags(write=True)
        with pytest.raises(ValueError, match="read-only"):
            raw[0] = 9
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("function", OUTPUTS.values(), ids=OUTPUTS)
def test_out_of_plain_arrays_is_locked_or_refused(function):
    a, x, expected = np.array([1.0, 2.0, 3.0, 4.0]), LockedArray(np.zeros(4)), np.zeros(4)
    function(a, expected)

    def call():
        try:
            function(a, x)
        except (ValueError, TypeError) as problem:
            return problem
        return None

    mode, refused = waits_beside(x.read(), x.lock, call)
    if refused is None:
        assert mode == "write"
    np.testing.assert_array_equal(x, expected if refused is None else np.zeros(4))
    x.freeze()
    before = x.tolist()
    with pytest.raises((ValueError, TypeError)):
        function(a, x)
    assert x.tolist() == before
