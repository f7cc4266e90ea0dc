"""joblib: threads share a LockedArray, processes get a copy each."""

import io

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

joblib = pytest.importorskip("joblib")


def count(x, number):
    for _ in range(number):
        x.at[0] += 1
    with x.write() as raw:
        raw[1] += 1


@pytest.mark.parametrize("how", [{"backend": "threading"}, {"require": "sharedmem"}], ids=str)
def test_threads_share_the_array_and_lose_nothing(how):
    x = la.zeros(2)
    joblib.Parallel(n_jobs=4, **how)(joblib.delayed(count)(x, 50) for _ in range(8))
    assert x.tolist() == [400, 8]
    assert free(x)


def test_results_of_threads_are_assigned_to_their_rows():
    x = la.zeros((8, 3))

    def fill(row):
        x[row] = row

    joblib.Parallel(n_jobs=4, backend="threading")(joblib.delayed(fill)(row) for row in range(8))
    assert np.array_equal(x.snapshot(), np.arange(8.0)[:, None] + np.zeros((8, 3)))


def test_dump_and_load_make_a_lockedarray_of_its_own():
    x = la.LockedArray(np.arange(6.0))
    file = io.BytesIO()
    mode, _ = waits_beside(x.write(), x.lock, lambda: joblib.dump(x, file))
    assert mode == "read"
    file.seek(0)
    loaded = joblib.load(file)
    assert type(loaded) is la.LockedArray
    assert loaded.tolist() == x.tolist()
    loaded[0] = 9
    assert x[0] == 0


def test_hash_is_that_of_the_values():
    x = la.LockedArray(np.arange(6.0))
    before = joblib.hash(x.snapshot())
    x[0] = 9
    assert joblib.hash(x.snapshot()) != before
    x[0] = 0
    assert joblib.hash(x.snapshot()) == before
