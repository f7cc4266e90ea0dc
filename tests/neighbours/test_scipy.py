"""SciPy: transforms, filters, linear algebra and sparse matrices of a LockedArray."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

scipy = pytest.importorskip("scipy")
fft = pytest.importorskip("scipy.fft")
linalg = pytest.importorskip("scipy.linalg")
ndimage = pytest.importorskip("scipy.ndimage")
signal = pytest.importorskip("scipy.signal")
sparse = pytest.importorskip("scipy.sparse")
special = pytest.importorskip("scipy.special")

VALUES = np.arange(12.0).reshape(3, 4) % 5

READERS = {
    "fft": lambda x: fft.fft(x),
    "rfft": lambda x: fft.rfft(x, axis=0),
    "dct": lambda x: fft.dct(x),
    "gaussian_filter": lambda x: ndimage.gaussian_filter(x, 1),
    "label": lambda x: ndimage.label(x),
    "zoom": lambda x: ndimage.zoom(x, 2, order=1),
    "svdvals": lambda x: linalg.svdvals(x),
    "solve": lambda x: linalg.solve(np.eye(3), x),
    "lfilter": lambda x: signal.lfilter([1.0], [1.0, 0.5], x),
    "convolve": lambda x: signal.convolve(x, np.ones((2, 2))),
    "csr": lambda x: sparse.csr_array(x).toarray(),
    "coo": lambda x: sparse.coo_array(x).toarray(),
    "csr @ x": lambda x: sparse.eye_array(3).tocsr() @ x,
    "expit": lambda x: special.expit(x),
}


def same(ours, numpys):
    if isinstance(numpys, tuple):
        return all(map(same, ours, numpys))
    return type(ours) is type(numpys) and np.array_equal(ours, numpys)


@pytest.mark.parametrize("function", READERS.values(), ids=READERS)
def test_result_is_that_of_a_plain_array_and_private(function):
    x = la.LockedArray(VALUES)
    result = function(x)
    assert same(result, function(VALUES))
    for array in result if isinstance(result, tuple) else [result]:
        assert not np.shares_memory(array, x)
    assert x.tolist() == VALUES.tolist()
    assert free(x)


@pytest.mark.parametrize("name", ["fft", "gaussian_filter", "svdvals", "lfilter", "csr"])
def test_compiled_code_reads_without_the_lock_and_under_it_from_a_snapshot(name):
    x = la.LockedArray(VALUES)
    assert waits_beside(x.write(), x.lock, lambda: READERS[name](x))[0] is None
    mode, result = waits_beside(x.write(), x.lock, lambda: READERS[name](x.snapshot()))
    assert mode == "read"
    assert same(result, READERS[name](VALUES))


def test_special_functions_are_ufuncs_and_locked():
    x = la.LockedArray(VALUES)
    assert waits_beside(x.write(), x.lock, lambda: special.expit(x))[0] == "read"
    mode, result = waits_beside(x.read(), x.lock, lambda: special.expit(VALUES, out=x))
    assert mode == "write"
    assert result is x
    assert np.array_equal(x.snapshot(), special.expit(VALUES))


def test_result_is_assigned_under_the_write_lock():
    x = la.LockedArray(VALUES)

    def smooth():
        x[...] = ndimage.gaussian_filter(x.snapshot(), 1)

    assert waits_beside(x.read(), x.lock, smooth)[0] == "write"
    assert np.array_equal(x.snapshot(), ndimage.gaussian_filter(VALUES, 1))


@pytest.mark.parametrize(
    "write",
    [
        lambda x: ndimage.gaussian_filter(VALUES, 1, output=x),
        lambda x: fft.fft(x.view("c16"), overwrite_x=True),
    ],
    ids=["output=", "overwrite_x="],
)
def test_what_would_write_past_the_lock_is_refused(write):
    x = la.LockedArray(VALUES)
    with pytest.raises(ValueError, match="read-only|not writeable"):
        write(x)
    assert x.tolist() == VALUES.tolist()
    assert free(x)


def test_sparse_output_is_refused_and_assigned_instead():
    x = la.LockedArray(VALUES)
    with pytest.raises(ValueError, match="read-only"):
        sparse.csr_array(VALUES).toarray(out=x)  # SciPy has cleared x by then, with x[...] = 0
    assert not x.any()
    x[...] = sparse.csr_array(VALUES).toarray()
    assert x.tolist() == VALUES.tolist()
    assert free(x)


def test_output_is_written_through_the_raw_view_of_a_guard():
    x = la.LockedArray(VALUES)
    with x.write() as raw:
        ndimage.gaussian_filter(raw.copy(), 1, output=raw)
    assert np.array_equal(x.snapshot(), ndimage.gaussian_filter(VALUES, 1))


def test_overwrite_a_of_scipy_ignores_that_an_array_is_read_only():
    # f2py does not look at the flag of any array; so nobody may ask for this but under a guard.
    plain = np.asfortranarray(np.eye(3) * 2 + 0.5)
    before = plain.copy()
    plain.flags.writeable = False
    linalg.lu_factor(plain, overwrite_a=True)
    if np.array_equal(plain, before):
        pytest.skip("this SciPy looks at the flag")
    x = la.LockedArray(before, order="F")
    linalg.lu_factor(x, overwrite_a=True)
    assert not np.array_equal(x.snapshot(), before)
    safe = la.LockedArray(before, order="F")
    linalg.lu_factor(safe)  # without it nothing is written
    assert np.array_equal(safe.snapshot(), before)


def test_sparse_operators_are_as_with_numpy():
    x, diagonal = la.LockedArray(VALUES), sparse.diags_array([1.0, 2.0, 3.0]).tocsr()
    assert same(diagonal @ x, diagonal @ VALUES)
    assert same(x.T @ diagonal, VALUES.T @ diagonal)
    assert type(x * sparse.csr_array(VALUES)) is type(VALUES * sparse.csr_array(VALUES))
    x[...] = (sparse.csr_array(VALUES) * 2).toarray()
    assert x.tolist() == (VALUES * 2).tolist()
