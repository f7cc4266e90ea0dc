"""Calls with lists, other LockedArrays, out= and where= among their arguments, as of ndarray."""

import sys
import threading

import numpy as np
import pytest

import lockedarray as la

CALLS = """
x.dot(y); x.dot([x[0]] * 4); m.dot(m.T); x.take([1, 2]); x.take([[0], [3]], out=w); x.sum(out=z); x.sum(0, None, z); x.max(None, z)
x.searchsorted([0.5, 1.0]); x.put([1, 2], [3, 4]); x.put(k[:2], y[:2]); x.compress([True, False, True]); q.choose([x, y]); q.choose((y, x), out=y)
x.clip(y, [9] * 4, out=x); x.repeat([1, 2, 0, 1]); x.repeat(k); x.astype('f8', copy=False); x.astype(dtype='f4', copy=False); x.astype(str, copy=False)
x.conj(); c.conj(); x.conj(y); x.to_device('cpu'); x.to_device('gpu'); x.byteswap(); x.byteswap(True); b.conj(); s.conj(); f.conjugate(); e.conj()
x.sum(axis=5, out=z); x.take([9]); x.put([9], 1); f.put([0], 1); x.sum(out=f); x.dot([1, 2]); x.searchsorted(); x.take(nothing=1); x.clip({}); x.fill([1]); x.fill([1, 2]); x.fill({})
np.lexsort((x, y)); np.lexsort([y, x]); np.put(x, [1], [y[0]]); np.place(x, x > 1, [y[0], 2]); np.putmask(x, [True, False, True, False], y); np.put_along_axis(x, k, y, 0)
np.fill_diagonal(m, x); np.fill_diagonal(m, [1, 2]); np.append(x, [1.0]); np.insert(x, [1, 2], y[:2]); np.delete(x, [1]); np.interp([0.5, 1.5], x, y); np.interp(z, x, y)
np.bincount(k, x); np.bincount(k); np.convolve(x, y); np.correlate(x, [1, 2]); np.isin(x, [1, x[2]]); np.digitize(x, [1, 2]); np.choose([0, 1, 0, 1], [x, y]); np.select([x > 1], [y], 0)
np.block([[x, y], [y, x]]); np.piecewise(x, [x > 1], [lambda a: a * 2, 0]); np.apply_along_axis(sum, 0, m); np.nan_to_num(x); np.nan_to_num(x, copy=False); np.nan_to_num(x, False)
np.linalg.eig(m); np.gradient(x); np.histogram2d(x, y); np.median(x, overwrite_input=True); np.cumulative_sum(x, out=y); np.sum(x, out=z); np.take(x, [0, 1], 0, w[0][:2])
np.pad(x, [(1, 2)]); np.packbits(q); np.cross(x[:3], [1, 2, 3]); np.tensordot(m, m, axes=([0], [1])); np.einsum('i,i', x, y, out=z); np.put(f, [0], 1); np.copyto(f, 1); np.bincount(x); np.interp(1, x, [1])
np.add(x, [1, 2, 3, 4]); np.add([1, 2, 3, 4], x, out=x); np.add(x, [1, 2]); np.add(x, [[1], [2, 3]]); np.add(x, [y[0]] * 4); np.divmod(x, 3, out=(x, y)); np.divmod(x, 3, out=(None, y)); np.modf(x, out=(x, f))
np.frexp(x, out=(y, k)); np.add.reduceat(x, [0, 2]); np.add.reduceat(x, k); np.add.reduceat(x, []); np.add.reduceat([1, 2], [0]); np.add.at(x, [1, 1], [1.0, 2.0]); np.add.at(x, [], [])
np.sqrt(x, where=[True, False, True, False], out=x); np.add.reduce(x, where=[True] * 4); np.multiply.outer(x, [1, 2]); np.add.accumulate([x, y]); np.add(x, (1, 2, 3, 4), dtype='f4'); np.add(x, ['a'] * 4); np.add(x, [None] * 4)
np.isin(x, range(3)); np.add(x, range(4)); np.take(x, range(2)); x.take(slice(2)); np.concatenate({0: x}); np.array_equal(x, {'a': y}); np.atleast_1d(x, [1]); np.broadcast_shapes((1,))
""".replace("\n", ";").split(";")


def plain():
    x, y = np.arange(4.0), np.arange(4.0) + 2
    frozen = np.ones(4)
    frozen.flags.writeable = False
    return {
        "x": x, "y": y, "z": np.zeros(()), "m": np.arange(16.0).reshape(4, 4) + np.eye(4),
        "w": np.zeros((2, 1)), "k": np.array([0, 1, 2, 3]), "q": np.array([1, 0, 1, 0]),
        "c": np.arange(3) + 1j, "b": np.array([True]), "s": np.array(["a"]), "f": frozen,
        "e": np.zeros((0, 3)),
    }  # fmt: skip


def locked(values):
    names = {name: la.LockedArray(array.copy()) for name, array in values.items()}
    names["f"].freeze()
    return names


def outcome(code, names):
    given = {id(array): name for name, array in names.items()}
    try:
        result = eval(code, {"np": np, **names})
    except Exception as problem:
        result = type(problem)
    identity = given.get(id(result))
    if isinstance(result, tuple):
        identity = [given.get(id(item)) for item in result]
    return result, identity, {name: np.array(array) for name, array in names.items()}


def same(one, other):
    if isinstance(one, (tuple, list)):
        assert len(one) == len(other)
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        one, other = np.array(one), np.array(other)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        return one.tobytes() == other.tobytes()
    return type(one) is type(other) and (one == other or one != one)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", [text.strip() for text in CALLS if text.strip()])
def test_it_does_what_ndarray_does(code):
    values = plain()
    expected, whose, left = outcome(code, values)
    result, of_whom, remains = outcome(code, locked(plain()))
    assert same(expected, result), (expected, result)
    assert whose == of_whom
    assert all(same(left[name], remains[name]) for name in left)


def test_a_list_that_contains_itself_is_no_end():
    x = la.arange(3.0)
    endless = [x]
    endless.append(endless)
    with pytest.raises(Exception, match=r"."):
        x.take(endless)
    assert x.take([0]).tolist() == [0.0]


def test_what_is_kept_of_a_call_cannot_be_written():
    x, kept = la.zeros(3), []

    def keep(row):
        kept.append(row)
        return 0

    np.apply_along_axis(keep, 0, x)
    with pytest.raises(ValueError, match="read-only"):
        kept[0][0] = 1
    assert x.sum() == 0


def test_no_resize_inside_a_call():
    x = la.zeros(3)
    with pytest.raises(ValueError, match="inside an operation"):
        np.apply_along_axis(lambda row: x.resize(9), 0, x)
    x.resize(9)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.take([0, 1]),
        lambda x: x.put([0], [x[1]]),
        lambda x: np.add([1.0] * 3, x),
        lambda x: np.lexsort((x,)),
        lambda x: np.interp(1, [1, 2, 3], x),
    ],
)
def test_it_waits_for_a_writer(call):
    x, begun, done = la.zeros(3), threading.Event(), threading.Event()

    def work():
        begun.set()
        call(x)
        done.set()

    thread = threading.Thread(target=work)
    with x.write():
        thread.start()
        begun.wait()
        assert not done.wait(0.02)
    thread.join()
    assert done.is_set()


@pytest.mark.parametrize("name", ["conj", "conjugate"])
def test_itself_is_returned_without_waiting(name):
    x, results = la.zeros(3), []
    with x.write():
        thread = threading.Thread(
            target=lambda: results.extend([getattr(x, name)(), x.astype("f8", copy=False)])
        )
        thread.start()
        thread.join()
    assert len(results) == 2
    assert all(result is x for result in results)


def test_no_reference_is_left():
    x, y = la.zeros(3), la.ones(3)
    before = [sys.getrefcount(array) for array in (x, y)]
    for _ in range(50):
        x.take([0, 1])
        x.dot([y[0]] * 3)
        np.lexsort((x, y))
        np.divmod(x, [1, 2, 3], out=(x, y))
        with pytest.raises(IndexError):
            x.take([9])
        with pytest.raises(ValueError, match="shape"):
            np.add([1, 2], x)
    assert [sys.getrefcount(array) for array in (x, y)] == before


@pytest.mark.parametrize("array", [np.arange(3.0), np.array([1, None])])
@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((), {"value": 2}), ((1, 2), {}), ((2,), {})]
)
def test_fill_takes_what_numpys_takes(array, args, kwargs):
    def outcome(x):
        try:
            x.fill(*args, **kwargs)
        except TypeError as error:
            return str(error), x.tolist()
        return x.tolist()

    ours, plain = outcome(la.LockedArray(array)), outcome(array.copy())
    assert type(ours) is type(plain)
    assert ours[-1] == plain[-1]


READ_ALONE = [
    lambda x: np.interp(1, [1, 2, 3], x),
    lambda x: np.take(x, [0, 1]),
    lambda x: np.repeat(x, 2),
    lambda x: np.convolve(x, [1.0, 2.0]),
]


@pytest.mark.parametrize("set_hook", [sys.setprofile, sys.settrace])
@pytest.mark.parametrize("call", READ_ALONE)
def test_no_hook_sees_an_array_that_may_be_written_where_it_is_read(call, set_hook):
    x, seen = la.zeros(3), []

    def hook(frame, *_):
        for value in list(frame.f_locals.values()):
            if type(value) is np.ndarray and np.shares_memory(value, np.asarray(x)):
                seen.append(value.flags.writeable)
        return hook

    before = sys.getprofile() if set_hook is sys.setprofile else sys.gettrace()
    set_hook(hook)
    try:
        call(x)
    finally:
        set_hook(before)
    assert not any(seen)


def test_no_element_of_an_argument_sees_an_array_that_may_be_written_where_it_is_read():
    x, seen = la.zeros(3), []

    class Element:
        def __rmul__(self, other):
            frame = sys._getframe(1)
            while frame is not None:
                for value in list(frame.f_locals.values()):
                    if type(value) is np.ndarray and np.shares_memory(value, np.asarray(x)):
                        seen.append(value.flags.writeable)
                frame = frame.f_back
            return 1.0

    np.convolve(x, np.array([Element()], object))
    assert seen
    assert not any(seen)
