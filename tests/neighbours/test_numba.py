"""numba: compiled functions read a LockedArray, and write to the raw view of a guard."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

numba = pytest.importorskip("numba")

VALUES = np.arange(6.0)


@numba.njit
def running_sum(array):
    total = 0.0
    for i in range(array.shape[0]):
        total += array[i]
        array[i] = total
    return total


@numba.njit(nogil=True)
def total_of(array):
    total = 0.0
    for i in range(array.shape[0]):
        total += array[i]
    return total


@numba.vectorize
def dynamic(a, b):
    return a + 2 * b


@numba.vectorize(["f8(f8,f8)"])
def eager(a, b):
    return a + 2 * b


@numba.guvectorize(["void(f8[:], f8[:])"], "(n)->(n)")
def doubled(a, result):
    for i in range(a.shape[0]):
        result[i] = 2 * a[i]


def test_function_that_writes_is_refused_when_it_is_compiled():
    x = la.LockedArray(VALUES)
    with pytest.raises(numba.TypingError, match="readonly array"):
        running_sum(x)
    assert x.tolist() == VALUES.tolist()


def test_function_writes_to_the_raw_view_under_the_write_lock():
    x = la.LockedArray(VALUES)

    def compiled():
        with x.write() as raw:
            return running_sum(raw)

    mode, total = waits_beside(x.read(), x.lock, compiled)
    assert mode == "write"
    assert total == VALUES.sum()
    assert x.tolist() == np.cumsum(VALUES).tolist()
    assert free(x)


def test_function_that_reads_takes_the_array_without_the_lock_and_a_raw_view_under_it():
    x = la.LockedArray(VALUES)
    mode, total = waits_beside(x.write(), x.lock, lambda: total_of(x))
    assert mode is None
    assert total == VALUES.sum()

    def compiled():
        with x.read() as raw:
            return total_of(raw)

    mode, total = waits_beside(x.write(), x.lock, compiled)
    assert mode == "read"
    assert total == VALUES.sum()


def test_raw_view_of_a_read_guard_is_refused_to_a_function_that_writes():
    x = la.LockedArray(VALUES)
    with x.read() as raw, pytest.raises(numba.TypingError, match="readonly array"):
        running_sum(raw)


@pytest.mark.parametrize("ufunc", [dynamic, eager], ids=["dynamic", "eager"])
def test_compiled_ufunc_is_locked_as_numpys(ufunc):
    x = la.LockedArray(VALUES)
    mode, result = waits_beside(x.write(), x.lock, lambda: ufunc(x, 1.0))
    assert mode == "read"
    assert type(result) is np.ndarray
    assert result.tolist() == (VALUES + 2).tolist()
    mode, result = waits_beside(x.read(), x.lock, lambda: ufunc(x, 1.0, out=x))
    assert mode == "write"
    assert result is x
    assert x.tolist() == (VALUES + 2).tolist()
    assert free(x)


def test_compiled_gufunc_is_locked_as_numpys():
    x = la.LockedArray(VALUES)
    mode, result = waits_beside(x.write(), x.lock, lambda: doubled(x))
    assert mode == "read"
    assert result.tolist() == (VALUES * 2).tolist()
    mode, _ = waits_beside(x.read(), x.lock, lambda: doubled(VALUES, x))
    assert mode == "write"
    assert x.tolist() == (VALUES * 2).tolist()
    assert free(x)
