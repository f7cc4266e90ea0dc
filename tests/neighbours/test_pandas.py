"""pandas: Series and DataFrames made of a LockedArray, and columns assigned to one."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

pd = pytest.importorskip("pandas")


@pytest.fixture
def x():
    return la.LockedArray(np.arange(6.0))


@pytest.fixture
def table():
    return la.LockedArray(np.arange(12.0).reshape(3, 4))


@pytest.fixture
def frame():
    return pd.DataFrame({"a": np.arange(6.0) * 2, "b": 1})


def test_series_is_a_private_copy_made_under_the_read_lock(x):
    mode, series = waits_beside(x.write(), x.lock, lambda: pd.Series(x))
    assert mode == "read"
    assert series.tolist() == x.tolist()
    assert not np.shares_memory(series.to_numpy(), x)
    series[0] = 9
    assert x[0] == 0
    assert free(x)


def test_index_is_made_under_the_read_lock(x):
    mode, index = waits_beside(x.write(), x.lock, lambda: pd.Index(x))
    assert mode == "read"
    assert index.tolist() == x.tolist()


def test_series_that_shares_the_memory_writes_to_it_under_the_write_lock(x):
    series = pd.Series(x, copy=False)
    assert np.shares_memory(series.to_numpy(), x)
    mode, _ = waits_beside(x.read(), x.lock, lambda: series.__setitem__(0, 9.0))
    assert mode == "write"
    assert x[0] == 9
    assert waits_beside(x.write(), x.lock, lambda: series.sum())[0] == "read"
    assert free(x)


@pytest.mark.parametrize(
    "make",
    [lambda t: pd.DataFrame(t), lambda t: pd.DataFrame({"a": t[0], "b": t[1]})],
    ids=["table", "columns"],
)
def test_frame_is_a_private_copy_that_pandas_makes_without_the_lock(table, make):
    # NumPy's C code makes this copy, which does not ask us: of a snapshot it is right.
    mode, frame = waits_beside(table.write(), table.lock, lambda: make(table))
    assert mode is None
    assert not np.shares_memory(frame.to_numpy(), table)
    frame.iloc[0, 0] = 9
    assert table[0, 0] == 0


def test_frame_of_a_snapshot_is_of_one_moment(table):
    mode, frame = waits_beside(
        table.write(), table.lock, lambda: pd.DataFrame(table.snapshot(), copy=False)
    )
    assert mode == "read"
    assert frame.to_numpy().tolist() == table.tolist()


def test_frame_on_the_memory_of_a_table_is_an_alias_that_is_not_written(table):
    frame = pd.DataFrame(table, copy=False)
    assert np.shares_memory(frame.to_numpy(), table)
    assert waits_beside(table.write(), table.lock, lambda: frame.sum())[0] is None
    with pytest.raises(ValueError, match="read-only"):
        frame.iloc[0, 0] = 9.0
    assert table[0, 0] == 0
    assert free(table)


def test_frame_on_columns_writes_to_them_under_the_write_lock(table):
    frame = pd.DataFrame({"a": table[0], "b": table[1]}, copy=False)
    mode, _ = waits_beside(table.read(), table.lock, lambda: frame.iloc.__setitem__((0, 0), 9.0))
    assert mode == "write"
    assert table[0, 0] == 9
    assert free(table)


def test_column_is_assigned_under_the_write_lock(x, frame):
    mode, _ = waits_beside(x.read(), x.lock, lambda: x.__setitem__(slice(None), frame["a"]))
    assert mode == "write"
    assert x.tolist() == frame["a"].tolist()
    x[:3] = frame["b"][:3]
    assert x.tolist() == [1, 1, 1, 6, 8, 10]
    assert free(x)


def test_array_becomes_a_column_under_the_read_lock(x, frame):
    mode, _ = waits_beside(x.write(), x.lock, lambda: frame.__setitem__("a", x))
    assert mode == "read"
    assert frame["a"].tolist() == x.tolist()
    assert not np.shares_memory(frame["a"].to_numpy(), x)


@pytest.mark.parametrize(
    "operation",
    [lambda x, s: x + s, lambda x, s: s + x, lambda x, s: np.hypot(x, s), lambda x, s: s <= x],
)
def test_arithmetic_gives_a_series_and_reads_under_the_lock(x, frame, operation):
    mode, result = waits_beside(x.write(), x.lock, lambda: operation(x, frame["a"]))
    assert mode == "read"
    assert type(result) is pd.Series
    assert result.tolist() == operation(x.snapshot(), frame["a"]).tolist()
    assert not np.shares_memory(result.to_numpy(), x)
    assert free(x)


def test_in_place_operator_with_a_column_writes_and_rebinds_as_with_numpy(x, frame):
    plain = x.snapshot()
    for target in (plain, x):
        result = target
        result += frame["a"]
        assert type(result) is pd.Series  # pandas decides, for every array
    assert x.tolist() == plain.tolist()
    mode, _ = waits_beside(x.read(), x.lock, lambda: np.add(x, frame["a"], out=x))
    assert mode == "write"
    assert free(x)


def test_counts_of_threads_become_a_frame_by_group(x):
    frame = pd.DataFrame({"value": x.snapshot(), "group": [0, 0, 1, 1, 2, 2]})
    assert frame.groupby("group")["value"].sum().tolist() == [1, 5, 9]
