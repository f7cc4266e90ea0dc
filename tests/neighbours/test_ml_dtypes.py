"""ml_dtypes: a dtype that is not NumPy's own."""

import pickle

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

ml_dtypes = pytest.importorskip("ml_dtypes")

DTYPES = [ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.int4]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_operations_are_those_of_a_plain_array(dtype):
    plain = np.array([3, 1, 2, 1]).astype(dtype)
    x = la.LockedArray(plain)
    for operation in (
        lambda a: a + a,
        lambda a: a == a[0],
        lambda a: a[[0, 2]],
        lambda a: a.astype("f4"),
        lambda a: a.tobytes(),
        lambda a: a[1:].tolist(),
        lambda a: np.argsort(a),
        lambda a: str(a),
    ):
        ours, numpys = operation(x), operation(plain)
        assert type(ours) is type(numpys)
        assert np.array_equal(ours, numpys)
    for change in (
        lambda a: a.__setitem__(0, 2),
        lambda a: a.__setitem__(slice(1, 3), a[::-2]),
        lambda a: a.__iadd__(a),
        lambda a: np.add(a[1:], a[:-1], out=a[1:]),
        lambda a: a.sort(),
        lambda a: a.fill(1),
    ):
        change(x)
        change(plain)
        assert x.dtype == plain.dtype
        assert x.tolist() == plain.tolist()
    assert free(x)


def test_operations_are_locked():
    x = la.zeros(4, dtype=ml_dtypes.bfloat16)
    assert waits_beside(x.write(), x.lock, lambda: x + 1)[0] == "read"
    assert waits_beside(x.read(), x.lock, lambda: x.__iadd__(1))[0] == "write"
    assert waits_beside(x.read(), x.lock, lambda: x.at[0].add(1))[0] == "write"
    assert x.astype(float).tolist() == [2, 1, 1, 1]


def test_at_resize_and_pickle():
    x = la.ones(3, dtype=ml_dtypes.bfloat16)
    x.at[[0, 0]].add(1)
    assert float(x.at[1].max(9)) == 9
    x.resize(5)
    copy = pickle.loads(pickle.dumps(x))
    assert type(copy) is la.LockedArray
    assert copy.dtype == x.dtype
    assert copy.astype(float).tolist() == [3, 9, 1, 0, 0]
