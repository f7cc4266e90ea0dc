"""zarr: a LockedArray saved into a chunked array, and filled from one."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere, queued, waits_beside
from threads import start, wait_until

zarr = pytest.importorskip("zarr")

VALUES = np.arange(100.0).reshape(10, 10)


@pytest.fixture
def stored():
    return zarr.create_array(store={}, shape=(10, 10), chunks=(5, 5), dtype="f8")


def test_array_is_saved_and_loaded(stored):
    x = la.LockedArray(VALUES)
    stored[...] = x.snapshot()
    assert np.array_equal(stored[...], VALUES)
    x[...] = 0
    x[...] = stored[...]
    assert np.array_equal(x.snapshot(), VALUES)
    assert free(x)


def test_saving_the_array_itself_reads_chunk_by_chunk_without_the_lock(stored):
    x = la.LockedArray(VALUES)
    mode, _ = waits_beside(x.write(), x.lock, lambda: stored.__setitem__(..., x))
    assert mode is None
    assert np.array_equal(stored[...], VALUES)
    mode, _ = waits_beside(x.write(), x.lock, lambda: stored.__setitem__(..., x.snapshot()))
    assert mode == "read"


def test_new_zarr_array_has_the_data():
    x = la.LockedArray(VALUES)
    with held_elsewhere(x.read()):  # readers run beside each other
        made = zarr.create_array(store={}, data=x, chunks=(5, 5))
    assert np.array_equal(made[...], VALUES)


def test_zarr_array_is_assigned_under_the_write_lock(stored):
    stored[...] = VALUES
    x = la.zeros((10, 10))
    with held_elsewhere(x.read()):
        assigning = start(lambda: x.__setitem__(..., stored))
        wait_until(lambda: assigning.done or queued(x.lock), assigning.stack)
        assert queued(x.lock)
    assigning.result()
    assert np.array_equal(x.snapshot(), VALUES)
    x[:5] = stored[5:]
    assert np.array_equal(x[:5].snapshot(), VALUES[5:])
    assert free(x)


def test_selection_is_read_into_the_raw_view_of_a_guard(stored):
    stored[...] = VALUES
    buffers = pytest.importorskip("zarr.core.buffer.cpu")
    x = la.zeros((10, 10))
    with x.write() as raw:
        stored.get_basic_selection(out=buffers.NDBuffer.from_ndarray_like(raw))
    assert np.array_equal(x.snapshot(), VALUES)
