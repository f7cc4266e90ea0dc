"""Dask: chunks read from a LockedArray, and stored into one by several threads at a time."""

import threading

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere, queued, waits_beside
from threads import DEADLINE, start, wait_until

da = pytest.importorskip("dask.array")

VALUES = np.arange(100.0).reshape(10, 10)


def threads(number):
    return {"scheduler": "threads", "num_workers": number}


@pytest.mark.parametrize("chunks", [10, 5, 3], ids=str)
def test_from_array_computes_what_the_array_holds(chunks):
    x = la.LockedArray(VALUES)
    d = da.from_array(x, chunks=chunks)
    assert float(d.sum().compute(**threads(2))) == VALUES.sum()
    result = d.compute(**threads(2))
    assert np.array_equal(result, VALUES)
    assert type(result) is np.ndarray
    assert free(x)


def test_from_array_takes_its_chunks_under_the_read_lock():
    x = la.LockedArray(VALUES)
    mode, d = waits_beside(x.write(), x.lock, lambda: da.from_array(x, chunks=5))
    assert mode == "read"
    x[...] = 0
    assert np.array_equal(d.compute(**threads(1)), VALUES)  # copies, in as many steps as chunks


def test_store_writes_chunks_of_several_threads_without_a_lock_of_dasks():
    x = la.zeros((10, 10))
    both = threading.Barrier(2)

    def block(part):
        both.wait(DEADLINE)  # two chunks are always at work at once
        return part * 2

    d = da.from_array(VALUES, chunks=(5, 5)).map_blocks(block, dtype=float, meta=np.empty((0, 0)))
    da.store(d, x, lock=False, **threads(2))
    assert np.array_equal(x.snapshot(), VALUES * 2)
    assert free(x)


def test_store_takes_a_lock_of_dasks_beside_ours():
    x = la.zeros((10, 10))
    da.store(da.from_array(VALUES, chunks=3), x, **threads(4))
    assert np.array_equal(x.snapshot(), VALUES)


def test_store_into_a_region_is_a_store_into_a_view():
    x = la.zeros((20, 10))
    d = da.from_array(VALUES, chunks=4)
    da.store(d, x, regions=(slice(10, 20), slice(None)), lock=False, **threads(4))
    assert np.array_equal(x[10:].snapshot(), VALUES)
    assert not x[:10].any()


def test_store_of_a_chunk_waits_for_a_reader():
    x = la.zeros((10, 10))
    with x.read():  # by this thread, since any other reader may have to stand behind the chunks
        storing = start(
            lambda: da.store(da.from_array(VALUES, chunks=5), x, lock=False, **threads(2))
        )
        wait_until(lambda: storing.done or queued(x.lock), storing.stack)
        assert queued(x.lock)
        assert not x.any()
    storing.result()
    assert np.array_equal(x.snapshot(), VALUES)
    assert free(x)


def test_arithmetic_with_a_dask_array_is_daskss():
    x, d = la.LockedArray(VALUES), da.from_array(VALUES, chunks=5)
    for result in (x + d, d + x, np.add(x, d)):
        assert isinstance(result, da.Array)
        assert np.array_equal(result.compute(**threads(1)), VALUES * 2)
    assert free(x)


def test_dask_array_is_assigned_under_the_write_lock():
    x, d = la.zeros((10, 10)), da.from_array(VALUES, chunks=5)
    x[...] = d
    assert np.array_equal(x.snapshot(), VALUES)
    with held_elsewhere(x.read()):
        assigning = start(lambda: x.__setitem__(..., d + 1))
        wait_until(lambda: assigning.done or queued(x.lock), assigning.stack)
        assert queued(x.lock)
    assigning.result()
    assert np.array_equal(x.snapshot(), VALUES + 1)


def test_in_place_operator_with_a_dask_array_is_refused_by_dask():
    x, d = la.LockedArray(VALUES), da.from_array(VALUES, chunks=5)
    with pytest.raises(NotImplementedError, match="out"):
        x += d
    assert np.array_equal(x.snapshot(), VALUES)
    assert free(x)
