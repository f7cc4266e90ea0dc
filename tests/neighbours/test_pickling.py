"""pickle protocol 5, cloudpickle and NumPy's files."""

import io
import pickle

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

VALUES = np.arange(12.0).reshape(3, 4)


def test_pickle_5_hands_out_buffers_of_a_snapshot():
    x = la.LockedArray(VALUES)
    buffers = []
    mode, data = waits_beside(
        x.write(), x.lock, lambda: pickle.dumps(x, protocol=5, buffer_callback=buffers.append)
    )
    assert mode == "read"
    assert len(buffers) == 1
    x[...] = 0
    loaded = pickle.loads(data, buffers=buffers)
    assert type(loaded) is la.LockedArray
    assert loaded.lock is not x.lock
    assert np.array_equal(loaded.snapshot(), VALUES)
    assert free(x)


def test_cloudpickle_takes_it_inside_a_function():
    cloudpickle = pytest.importorskip("cloudpickle")
    x = la.LockedArray(VALUES)
    function = pickle.loads(cloudpickle.dumps(lambda: x))
    assert type(function()) is la.LockedArray
    assert np.array_equal(function().snapshot(), VALUES)
    assert waits_beside(x.write(), x.lock, lambda: cloudpickle.dumps(x))[0] == "read"


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed, np.savetxt])
def test_numpys_files_are_written_under_the_read_lock(save):
    x = la.LockedArray(VALUES)
    file = io.BytesIO()
    assert waits_beside(x.write(), x.lock, lambda: save(file, x))[0] == "read"
    file.seek(0)
    loaded = np.loadtxt(file) if save is np.savetxt else np.load(file)
    loaded = loaded["arr_0"] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    assert np.array_equal(loaded, VALUES)
    assert free(x)


def test_file_is_loaded_into_the_array_under_the_write_lock():
    file = io.BytesIO()
    np.save(file, VALUES)
    file.seek(0)
    x = la.zeros((3, 4))
    assert waits_beside(x.read(), x.lock, lambda: x.__setitem__(..., np.load(file)))[0] == "write"
    assert np.array_equal(x.snapshot(), VALUES)


def test_loaded_array_is_adopted_as_it_is(tmp_path):
    np.save(tmp_path / "x.npy", VALUES)
    x = la.LockedArray(np.load(tmp_path / "x.npy"))
    assert np.array_equal(x.snapshot(), VALUES)
