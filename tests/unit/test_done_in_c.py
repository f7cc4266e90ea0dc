"""What the native core does by itself, without a line of the package's Python.

Speed is measured in benchmarks; what is tested here is that none of this falls back, unnoticed, to
the general versions, which take ten microseconds.
"""

import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import lockedarray as la
from lockedarray import LockedArray

pytestmark = pytest.mark.skipif(
    la.backend != "native", reason="the portable core has the general versions alone"
)

PACKAGE = str(Path(la.__file__).parent)

STATEMENTS = """
x[3]; x[np.intp(3)]; t[1, 2]; t[1]; x[2:5]; t[:, 1]; r['a']; x[...]; x[None]
x[3] = 1.5; t[1, 2] = 1; x[2:5] = 1; x[2:5] = y[2:5]; t[1] = row; r['a'] = 1; r['a'][1] = 2; t[:, 1] += 1; x[3] += 1; t[1, 2] -= 0.5; r['a'][1] += 1
x[idx]; x[mask]; t[idx, 1]; t[idx, idx]; x[idx] = 1; x[mask] = 0; x[idx] += 1; x[mask] -= 1; t[idx, 1] *= 2; x[idx] = x[:3]; t[idx] = row
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
x.write(timeout=1.0).acquire(); x.read(0).acquire(); exec("with x.write(timeout=2) as raw: raw += 1")
g.append(1.5); g.append(y[:3]); g.append([1, 2.5]); g.popleft(); g.popleft(2); g.resize(50); g.resize((60,), refcheck=False); h.append(row); h.append(t2); h.popleft(2)
o[3]; o[3] = None; o[3] = [1]; o[3] = x; o[3] = o[2]; o[2:5]; o[2:5] = None; o[2:5] = [1, 'two', 3]; o[2:5] = (1, 2, 3); o[2:5] = o[:3]; o[idx]; o[idx] = 1; o[mask[:10]]
list(o); exec("for e in o: pass"); o.tolist(); o.copy(); o.sum(); o.astype('O'); o.take(idx); o.fill(None); o.nonzero(); o.ravel(); o == o; o + 1; o += 1; -o; o.snapshot()
w[3]; w[3] = 'a'; w[2:5] = 'a'; w[idx]; w[2:5] = w[:3]; list(w); w.tolist(); w.copy(); w == w; w + w
r[3]; r[3]['a']; r[3][0]; r[3] = (1, 2); r[3] = r[2]; r[2:5] = (1, 2); r[2:5] = r[1]; r[['a', 'b']]; list(r); r.tolist(); r == r
x[3] = d; r['a'][3] = d
len(x); list(x); list(t); bool(x[:1]); float(x[3]); 3.0 in x; z[3]; z.sum(); z[idx]
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
        "g": grown,
        "h": rows,
        "t2": np.ones((2, 8)),
        "x": la.ones(100),
        "d": LockedArray(np.array(2.0)),
        "o": LockedArray(np.arange(10).astype(object)),
        "w": LockedArray(np.array(["some text"] * 10, np.dtypes.StringDType())),
        "t": la.ones((5, 8)),
        "r": la.zeros(5, RECORD),
        "y": np.arange(100.0),
        "z": frozen,
        "row": np.arange(8.0),
        "idx": np.array([1, 2, 1]),
        "mask": np.arange(100) > 50,
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
    "statement", ["x.T", "x[[True] * 99 + [np.True_]]", "x.flat[3]", "o[3] += 1"]
)
def test_what_is_left_to_python_is_seen(statement):
    assert python_of_the_package(compile(statement, "<test>", "exec"), arrays()) != []
