"""np.memmap as the memory of a LockedArray, shared with it and flushed to the file."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def mapped(path):
    return np.memmap(path, "f8", "w+", shape=(8,))


def test_writes_reach_the_file_by_a_flush(path, mapped):
    x = la.LockedArray(mapped, copy=False)
    x[:] = np.arange(8)
    x.at[0] += 5
    with x.read():  # so that no half-done write is flushed
        mapped.flush()
    assert np.fromfile(path).tolist() == [5, 1, 2, 3, 4, 5, 6, 7]
    assert free(x)


def test_all_that_share_the_map_have_one_lock(mapped):
    x, y = la.LockedArray(mapped, copy=False), la.LockedArray(mapped[4:], copy=False)
    assert x.lock is y.lock
    mode, _ = waits_beside(y.write(), x.lock, lambda: x.sum())
    assert mode == "read"
    y[0] = 7
    assert x[4] == mapped[4] == 7


def test_map_opened_for_reading_is_not_written(path, mapped):
    mapped.flush()
    x = la.LockedArray(np.memmap(path, "f8", "r"), copy=False)
    assert x.sum() == 0
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        x += 1
    assert free(x)


def test_map_is_not_resized(mapped):
    x = la.LockedArray(mapped, copy=False)
    with pytest.raises(ValueError, match="belongs to the caller"):
        x.resize(16)


def test_file_loaded_as_a_map_is_shared(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(4))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r+")
    x = la.LockedArray(mapped, copy=False)
    x[1] = 3
    mapped.flush()
    assert np.load(tmp_path / "x.npy").tolist() == [0, 3, 0, 0]


def test_map_lives_as_long_as_the_array(path, mapped):
    x = la.LockedArray(mapped, copy=False)
    del mapped
    x[:] = 3
    assert x.tolist() == [3] * 8
