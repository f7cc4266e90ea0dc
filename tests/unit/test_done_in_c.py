"""What the native core does by itself, without a line of the package's Python.

Speed is measured in benchmarks; what is tested here is that none of this falls back, unnoticed, to
the general versions, which take ten microseconds.
"""

import copy
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import run_isolated
from lockedarray import LockedArray

pytestmark = pytest.mark.skipif(
    la.backend != "native", reason="the portable core has the general versions alone"
)

PACKAGE = str(Path(la.__file__).parent)
WITHOUT_GIL = sysconfig.get_config_var("Py_GIL_DISABLED")

STATEMENTS = """
x[3]; x[np.intp(3)]; t[1, 2]; t[1]; x[2:5]; t[:, 1]; r['a']; x[...]; x[None]
x[3] = 1.5; t[1, 2] = 1; x[2:5] = 1; x[2:5] = y[2:5]; t[1] = row; r['a'] = 1; r['a'][1] = 2; t[:, 1] += 1; x[3] += 1; t[1, 2] -= 0.5; r['a'][1] += 1
x[idx]; x[mask]; t[idx, 1]; t[idx, idx]; x[idx] = 1; x[mask] = 0; x[idx] += 1; x[mask] -= 1; t[idx, 1] *= 2; x[idx] = x[:3]; t[idx] = row
x[2:5] = [1, 2, 3]; x[2:5] = (1, 2, 3); t[1] = row.tolist(); t[1:3, :2] = [[1, 2], (3, 4)]; x[2:5] = [4]; x[...] = [1] * 100; r['a'] = [1, 2, 3, 4, 5]
x[[1, 2]] = [3, 4]; x[idx] = (1, 2, 3); x[mask] = [1] * 49; t[[0, 1], [1, 2]] = [1, 2]; x[2:5] += [1, 2, 3]; x[idx] = np.float64(2); x[3] = d; t[1, 2] = d
u[2:4] = ['a', 'b']; u[1] = 'c'; u[idx] = 'd'; u[idx] = ['a', 'b', 'c']; u == 'a'; u != ['a'] * 5; u + 'a'; u + u; x[2:5] = ['1', '2', '3']
x + [1.0] * 100; [1.0] * 100 - x; x > [0]; x == None; x != (1,); x @ ([1.0] * 100); x ** [2]; divmod(x, [3.0]); t * [[1]]; x == 'a'
copy.copy(x); copy.deepcopy(x); x.__reduce__(); copy.copy(x[::2]); copy.copy(t); x.__reduce_ex__(4); x[::-1].__reduce__(); copy.copy(o); o.__reduce__()
x + 1; x + y; y + x; x += y; x *= 2; -x; abs(x); x > 0; x == x; x @ y; x ** 2; x // 2; divmod(x, 3)
np.sin(x); np.add(x, y, out=x); np.add(y, y, x); np.maximum(x, 0, out=x); np.add.at(x, idx, 1); np.negative.at(x, 3)
np.add.reduce(x); np.add.reduce(t, 0, keepdims=True); np.add.reduce(t, axis=1, out=x[:5]); np.maximum.accumulate(x)
np.add.reduceat(x, idx); np.multiply.outer(x, y); np.multiply.outer(y, x); np.sqrt(y, out=x, where=mask); np.add(x, 1, dtype='f4')
x.sum(); t.sum(axis=0); x.mean(); t.mean(0, keepdims=True); x.max(); x.argmax(); x.sort(); x.fill(1); x.copy()
x.snapshot(); x.astype('f4'); x.astype(np.float32); x.tolist(); x.item(3); x.take(idx); x.clip(0, 1); x.any()
t.transpose(); t.transpose(1, 0); x.reshape(10, 10); x.reshape((10, -1)); t.ravel(); x.squeeze(); t.swapaxes(0, 1)
x.view(); np.sum(x); np.sum(t, axis=0, keepdims=True); np.mean(x); np.dot(x, y); np.dot(t, row); np.where(y > 0, x, y)
np.concatenate([x, y]); np.concatenate((x, x), axis=0); np.stack([x, y], axis=1); np.hstack([x, 1]); np.take(x, idx)
np.clip(x, 0, 1, out=x); np.copyto(x, y); np.copyto(x, y, where=mask); np.sort(x); np.cumsum(x); np.median(x)
np.percentile(x, 50); np.einsum('i,i', x, y); np.interp(0.5, y, x); np.histogram(x, bins=5); np.linalg.norm(x)
np.fft.rfft(x); np.searchsorted(x, y); np.bincount(idx, weights=x[:3]); np.allclose(x, y); np.roll(x, 1); np.diff(x)
x.at[3] += 1; x.at[3] *= 2; x.at[idx] += 1; x.at[mask] -= 1; t.at[1, 2] += 1; x.at[3].add(1); x.at[3].get()
x.at[3].set(2); x.at[3].min(1); x.at[3].max(1); x.at[3].exchange(5); x.at[3].compare_exchange(5, 6); x.at[3] -= 0.5
x.at[3] //= 2; x.at[3] %= 7.5; x.at[3] **= 2; x.at[3].power(1); x.at[2:5] **= 2; ints.at[1] <<= 1; ints.at[1] >>= 1; ints.at[1] //= 2
o[3] += 1; o.at[3] += 1; o.at[3].multiply(2); big[3] += 1; big.at[3] += 1; big.at[3].add(1); halves[3] *= 2; halves.at[3] -= 1; longs[3] += 1; longs.at[3].max(1)
x.at[[1, 2]].add(1); x.at[idx].multiply(2); x.at[[1, 1]].max(3); t.at[idx, 1].subtract(1)
x.at[3].apply(float); t.at[1].apply(np.sqrt); t.at[1, 2].apply(abs); x.at[idx].apply(np.sqrt); objects.at[1].apply(str)
t.at[1] = 1; x.at[3] = 1; x.at[2:5].set(1); x.at[mask].exchange(2); objects.at[1].exchange(2); objects.at[1] = 3; objects.at[1].set(4); objects.at[1].compare_exchange(4, 5)
x.write(timeout=1.0).acquire(); x.read(0).acquire(); exec("with x.write(timeout=2) as raw: raw += 1")
g.append(1.5); g.append(y[:3]); g.append([1, 2.5]); g.popleft(); g.popleft(2); g.resize(50); g.resize((60,), refcheck=False); h.append(row); h.append(t2); h.append([[1.0] * 8, (2.0,) * 8]); h.popleft(2)
np.ndim(x); np.shape(t); np.size(x); np.result_type(x, 1.0); np.may_share_memory(x, y); np.shape(a=x); np.iscomplexobj(x); np.isrealobj(x)
np.zeros_like(x); np.ones_like(x, dtype='i4'); np.empty_like(t); np.full_like(x, 1.0); np.min_scalar_type(x); np.common_type(x); np.ndim(o); np.shape(f)
np.reshape(x, (2, -1)); np.reshape(x, [2, 50]); np.ravel(t); np.ravel(o); np.transpose(t); np.swapaxes(t, 0, 1); np.moveaxis(t, 0, 1); np.squeeze(x); np.expand_dims(x, 0)
np.atleast_1d(x); np.atleast_2d(x, y); np.atleast_3d(t); np.broadcast_to(x, (2, 100)); np.broadcast_to(array=x, shape=(2, 100)); np.broadcast_arrays(x, y); np.flip(x); np.flip(t, axis=(0, 1)); np.rot90(t)
np.split(x, 2); np.array_split(x, 3); np.hsplit(t, [1]); np.vsplit(t, [1, 2]); np.diagonal(t); np.diag(t); np.diag(x[:3]); np.real(x); np.imag(c); np.imag(x); np.meshgrid(x[:3], y[:3]); np.meshgrid(x[:3], x[:3], copy=False)
np.ravel(t[:, 1]); t[:, 1].ravel(); t.transpose().reshape(-1); t.ravel('F'); np.ravel(t, order='F'); np.flip(z); np.flip(f); np.lib.stride_tricks.sliding_window_view(x, 3); np.flip(o); np.ix_(x[:3], x[:2])
t.diagonal(); t.diagonal(1); o.reshape(2, 5).diagonal(); o.ravel(); o.reshape(-1); o.transpose(); x.view('i8'); x.view(np.int64); x.view(y.dtype); x.view(dtype='i4'); x.view(np.ndarray); r.view('V12'); f.view(); o.view(np.ndarray)
x.dot(x); x.take([1, 2]); x.sum(out=z0); x.searchsorted([0.5, 1.0]); x.put([1, 2], [3, 4]); x.compress([True, False]); t.dot([x[0]] * 8); k.choose([x, y])
x.byteswap(); x.astype('f8', copy=False); x.astype(dtype='f8', copy=False); x.conj(); x.conjugate(); c.conj(); x.to_device('cpu'); x.repeat([2] * 100); x.clip(x, y, out=x)
np.lexsort((x, y)); np.putmask(x, mask, 1.0); np.place(x, mask, [1.0]); np.put(x, [1], [2.0]); np.fill_diagonal(t, 1.0); np.take(x, [1, 2]); np.append(x, [1.0, x[0]]); np.packbits(k)
np.interp(x, y, x); np.bincount(idx, x[:3]); np.convolve(x, row); np.insert(x, [1], x[:1]); np.isin(x, [1, 2]); np.sum(x, out=z0); np.choose([0, 1], [x[:2], x[2:4]]); np.block([[x, y]])
np.add(x, [1.0]); np.add([1.0], x, out=x); np.divmod(x, 3, out=(x, y)); np.add.reduceat(x, [0, 3]); np.add.at(x, [1, 2], [1.0, 2.0]); np.sqrt(x, where=[True], out=x); np.apply_along_axis(sum, 0, x)
la.zeros(3); la.zeros((2, 3), 'i2', order='F'); la.empty(shape=3); la.ones(3); la.full(3, 1.5); la.arange(2, 8, 2); la.linspace(0, 1, 5)
la.array([1, 2]); la.array([[1, 2], (3, 4)], dtype='f4'); la.array(y); la.array(x); la.asarray(x); la.asarray([1]); la.LockedArray(x); la.LockedArray(y); la.LockedArray([1, 2])
la.zeros_like(x); la.ones_like(t); la.empty_like(y); la.full_like(t, 2.5); la.array(t[:, 1])
o[3]; o[3] = None; o[np.int8(3)] = 1; o[np.array(3)] = 1; o[3] = [1]; o[3] = x; o[3] = o[2]; o[2:5]; o[2:5] = None; o[2:5] = [1, 'two', 3]; o[2:5] = (1, 2, 3); o[2:5] = o[:3]; o[idx]; o[idx] = 1; o[mask[:10]]
list(o); exec("for e in o: pass"); o.tolist(); o.copy(); o.sum(); o.astype('O'); o.take(idx); o.fill(None); o.nonzero(); o.ravel(); o == o; o + 1; o += 1; -o; o.snapshot()
w[3]; w[3] = 'a'; w[2:5] = 'a'; w[idx]; w[2:5] = w[:3]; list(w); w.tolist(); w.copy(); w == w; w + w
r[3]; r[3]['a']; r[3][0]; r[3] = (1, 2); r[3] = r[2]; r[2:5] = (1, 2); r[2:5] = r[1]; r[['a', 'b']]; list(r); r.tolist(); r == r
x[3] = d; r['a'][3] = d
list(om.flat); om.flat[3]; om.flat[-1]; list(om.T.flat); rm.flat[3]; list(rm.flat); list(wm.flat)
x.at[2:5].get(); x.at[idx].get(); x.at[mask].get(); x.at[[1, 2]].get(); t.at[1].get(); t.at[:, idx].get(); r.at['a'].get(); r.at[2].get(); o.at[2:5].get(); o.at[idx].get(); o.at[3].get(); w.at[2].get(); z.at[2:5].get()
x.at[mask].add(1); x.at[mask].max(d); x.at[mask] **= 2; naturals.at[1] <<= 1; naturals.at[1:] |= 1; x.at[2:5] = [1, 2, 3]; x.at[idx] = (1, 2, 3); r.at[1] = (1, 2); r.at[1] = r[2]; u.at[1] = 'a'; u.at[1:3] = ['a', 'b']; w.at[1] = 'a'; o.at[mask[:10]] = 1; o.at[1:3] = [1, 2]
o.take([1, 2]); o.dot([1] * 10); np.take(o, [1, 2]); np.concatenate([o, o]); np.where(mask[:10], o, x[:10]); np.add(o, [1]); np.sort(o); w.take([1, 2]); np.repeat(w, 2); dates.item(1); dates.max(); durations.item(1)
len(x); list(x); list(t); bool(x[:1]); float(x[3]); 3.0 in x; z[3]; z.sum(); z[idx]
x.flat; x.flat[3]; t.flat[-1]; x.flat[np.intp(3)]; x.flat[2:5]; t.flat[idx]; x.flat[3] = 1; t.flat[9] = y[3]; x.flat[2:5] = 1; t.flat[idx] = row[:3]; x.flat = 1; t.flat = row
x.flat[3] += 1; t.flat[9] -= 2; list(x.flat); list(t.flat); list(t.T.flat); next(t.flat); len(t.flat); x.flat.copy(); np.asarray(t.flat); x.flat.base; x.flat.index
c.real; c.imag; x.real; x.imag; c.T.real; c[2].imag; x.conj(); x.conjugate(); c.conj()
x.T; t.T; t.mT; x.shape; x.strides; x.dtype; x.flags; x.flags.writeable; x.flags.c_contiguous; x.flags['C_CONTIGUOUS']; x.base; x.__array__(); np.asarray(x)
bool(n); float(n); int(n); range(i); str(n); f'{n}'; f'{n:.3f}'; f'{i}'; complex(n); n.item(); n[()]; n[...]
""".replace("\n", ";").split(";")


RECORD = np.dtype([("a", "f8"), ("b", "i4")])  # what copies of it are is kept


def arrays():
    frozen = la.zeros(10)
    frozen.freeze()
    grown, rows = la.zeros(100), la.zeros((100, 8))
    for array in (grown, rows):
        array.resize(10, *array.shape[1:])
    return {
        "np": np,
        "copy": copy,
        "la": la,
        "u": la.LockedArray(["x", "yy", "z", "a", "b"]),
        "g": grown,
        "h": rows,
        "t2": np.ones((2, 8)),
        "x": la.ones(100),
        "d": LockedArray(np.array(2.0)),
        "o": LockedArray(np.arange(10).astype(object)),
        "w": LockedArray(np.array(["some text"] * 10, np.dtypes.StringDType())),
        "t": la.ones((5, 8)),
        "r": la.zeros(5, RECORD),
        "c": la.ones((5, 8), complex),
        "n": la.ones(()),
        "i": la.ones((), int),
        "y": np.arange(100.0),
        "z": frozen,
        "f": la.LockedArray(np.ones(5), lock=rwlock.RWLockFair()),
        "z0": la.zeros(()),
        "k": la.zeros(100, int),
        "row": np.arange(8.0),
        "ints": la.ones(5, int),
        "objects": la.LockedArray([1, "a", None], dtype=object),
        "idx": np.array([1, 2, 1]),
        "mask": np.arange(100) > 50,
        "naturals": la.ones(5, np.uint64),
        "big": la.ones(5, ">f8"),
        "halves": la.ones(5, "f2"),
        "longs": la.ones(5, np.longdouble),
        "om": LockedArray(np.arange(10).astype(object).reshape(2, 5)),
        "rm": la.zeros((2, 5), RECORD),
        "wm": LockedArray(np.array([["some text"] * 2] * 2, np.dtypes.StringDType())),
        "dates": LockedArray(np.array(["2020-01-01", "2021-01-01"], "M8[us]")),
        "durations": LockedArray(np.array([1, 2], "m8[s]")),
    }


def python_of_the_package(code, names):
    """Return the names of the package's Python functions that run while `code` does."""
    called = []

    def note(frame, event, _argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            called.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        exec(code, names)
    finally:
        sys.setprofile(None)
    return called


NEEDS_A_GIL = {"o.ravel()", "r[['a', 'b']]"}  # without, objects are locked, and a list may change
LEFT_TO_PYTHON = NEEDS_A_GIL if sysconfig.get_config_var("Py_GIL_DISABLED") else set()


@pytest.mark.parametrize(
    "statement",
    [text for text in map(str.strip, STATEMENTS) if text and text not in LEFT_TO_PYTHON],
)
def test_no_python_of_the_package_runs(statement):
    code = compile(statement, "<test>", "exec")
    exec(code, arrays())  # what is imported or looked up once only
    assert python_of_the_package(code, arrays()) == []


@pytest.mark.parametrize(
    "statement", ["x[[True] * 99 + [np.True_]]", "x.flat[np.int8(3)]", "repr(x)", "o[idx] += 1"]
)
def test_what_is_left_to_python_is_seen(statement):
    assert python_of_the_package(compile(statement, "<test>", "exec"), arrays()) != []


STRUCK = """
import sys

import numpy as np

import lockedarray as la

x = la.zeros(3)

def strike(frame, event, _):
    if event == "call" and frame.f_code.co_name == NAME:
        sys.setprofile(None)
        raise KeyboardInterrupt

sys.setprofile(strike)
try:
    STATEMENT
except KeyboardInterrupt:
    print("raised")
finally:
    sys.setprofile(None)
assert x.lock.holds() == []
"""


@pytest.mark.parametrize(
    ("name", "statement"),
    [("plain_role", "np.unwrap(x)"), ("_called_at", "la.LockedArray(np.zeros(3))")],
)
def test_ctrl_c_in_what_c_asks_python_is_not_swallowed(name, statement):
    if name == "_called_at" and (sys.version_info >= (3, 14) or WITHOUT_GIL):
        pytest.skip("there it is not asked")
    # In a process of its own, since much is asked once only.
    program = STRUCK.replace("NAME", repr(name)).replace("STATEMENT", statement)
    assert run_isolated(program) == "raised\n"
