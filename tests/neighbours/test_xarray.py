"""xarray: a DataArray keeps the LockedArray, and each of its operations is one of ours."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

xr = pytest.importorskip("xarray")

VALUES = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def x():
    return la.LockedArray(VALUES)


@pytest.fixture
def labelled(x):
    return xr.DataArray(x, dims=("time", "place"), coords={"place": list("abcd")})


def test_dataarray_holds_the_lockedarray_itself(x, labelled):
    assert isinstance(labelled.data, la.LockedArray)
    assert labelled.data.lock is x.lock
    x[0, 0] = 9
    assert float(labelled[0, 0]) == 9


@pytest.mark.parametrize(
    "operation",
    [
        lambda d: d.sum(),
        lambda d: d.mean("time"),
        lambda d: d + 1,
        lambda d: np.sin(d),
        lambda d: d.copy(),
        lambda d: d.sortby("place", ascending=False),
        lambda d: d.where(d > 3),
    ],
)
def test_operation_reads_under_the_lock(x, labelled, operation):
    mode, result = waits_beside(x.write(), x.lock, lambda: operation(labelled))
    assert mode == "read"
    expected = operation(xr.DataArray(VALUES, dims=labelled.dims, coords=labelled.coords))
    xr.testing.assert_equal(result, expected)
    assert not np.shares_memory(result.data, x)
    assert free(x)


def test_selection_is_a_view_under_the_lock(x, labelled):
    mode, row = waits_beside(x.write(), x.lock, lambda: labelled.isel(time=1))
    assert mode is None
    assert isinstance(row.data, la.LockedArray)
    assert row.data.lock is x.lock
    assert labelled.sel(place="c").data.lock is x.lock


@pytest.mark.parametrize(
    "assign",
    [
        lambda d: d.__setitem__((0, 0), 9.0),
        lambda d: d.__setitem__({"place": 1}, 9.0),
        lambda d: d.loc.__setitem__({"place": "b"}, 9.0),
        lambda d: d.__iadd__(1),
    ],
)
def test_assignment_writes_under_the_lock(x, labelled, assign):
    mode, _ = waits_beside(x.read(), x.lock, lambda: assign(labelled))
    assert mode == "write"
    plain = xr.DataArray(VALUES.copy(), dims=labelled.dims, coords=labelled.coords)
    assign(plain)
    assert np.array_equal(x.snapshot(), plain.data)
    assert free(x)


def test_values_are_a_plain_read_only_alias(x, labelled):
    assert type(labelled.values) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        labelled.values[0, 0] = 9


def test_dataarray_is_assigned_under_the_write_lock(x):
    other = xr.DataArray(VALUES * 2)
    mode, _ = waits_beside(x.read(), x.lock, lambda: x.__setitem__(..., other))
    assert mode == "write"
    assert np.array_equal(x.snapshot(), VALUES * 2)


def test_dataset_keeps_it_through_load(x):
    dataset = xr.Dataset({"v": (("time", "place"), x)}).load()
    assert dataset["v"].data.lock is x.lock
