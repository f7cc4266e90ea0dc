"""PyTorch: tensors over the raw view of a guard, and tensors that are a copy."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

torch = pytest.importorskip("torch")

VALUES = np.arange(6.0)


def test_tensor_on_the_raw_view_writes_under_the_write_lock():
    x = la.LockedArray(VALUES)

    def double():
        with x.write() as raw:
            torch.from_numpy(raw).mul_(2)

    assert waits_beside(x.read(), x.lock, double)[0] == "write"
    assert x.tolist() == (VALUES * 2).tolist()
    assert free(x)


def test_tensor_of_a_snapshot_and_through_dlpack_is_a_copy_made_under_the_lock():
    x = la.LockedArray(VALUES)
    for make in (lambda: torch.from_numpy(x.snapshot()), lambda: torch.from_dlpack(x)):
        mode, tensor = waits_beside(x.write(), x.lock, make)
        assert mode == "read"
        tensor[0] = 9
        assert x[0] == 0


@pytest.mark.filterwarnings("ignore:.*not writ")
def test_tensor_on_the_array_itself_takes_no_lock_and_writes_all_the_same():
    # torch warns, once in a process, that an array is not writable, and takes its pointer.
    x = la.LockedArray(VALUES)
    mode, tensor = waits_beside(x.write(), x.lock, lambda: torch.from_numpy(x))
    assert mode is None
    tensor[0] = 9
    assert x[0] == 9


def test_tensor_is_assigned_under_the_write_lock():
    x = la.zeros(6)
    mode, _ = waits_beside(x.read(), x.lock, lambda: x.__setitem__(..., torch.arange(6.0)))
    assert mode == "write"
    assert x.tolist() == VALUES.tolist()
