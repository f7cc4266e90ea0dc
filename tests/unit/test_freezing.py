"""freeze, setflags(write=False) and snapshot."""

import operator
import pickle

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere, waits_beside
from lockedarray import LockedArray
from threads import start

WRITES = {
    "item": lambda x: x.__setitem__(0, 9),
    "slice": lambda x: x.__setitem__(slice(2), 9),
    "slice onto itself": lambda x: x.__setitem__(slice(2), x[:2]),
    "+=": lambda x: operator.iadd(x, 1),
    "slice +=": lambda x: x.__setitem__(slice(2), operator.iadd(x[:2], 1)),
    "ufunc out": lambda x: np.add(x, 1, out=x),
    "ufunc at": lambda x: np.add.at(x, 0, 1),
    "copyto": lambda x: np.copyto(x, 9),
    "put": lambda x: np.put(x, 0, 9),
    "fill": lambda x: x.fill(9),
    "sort": lambda x: x.sort(),
    "partition": lambda x: x.partition(1),
    "flat": lambda x: x.flat.__setitem__(0, 9),
    "flat =": lambda x: setattr(x, "flat", 9),
    "real =": lambda x: setattr(x, "real", 9),
    "byteswap": lambda x: x.byteswap(True),
    "at": lambda x: x.at[0].add(1),
    "at =": lambda x: x.at.__setitem__(0, 9),
    "write": lambda x: x.write().acquire(),
    "acquire": lambda x: la.acquire(write=x).acquire(),
    "resize": lambda x: x.resize(100),
    "resize to the same": lambda x: x.resize(x.shape),
    "view": lambda x: x[1:].fill(9),
    "median": lambda x: np.median(x, overwrite_input=True),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("freeze", [lambda x: x.freeze(), lambda x: x.setflags(write=False)])
def test_frozen_array_refuses_every_write(write, freeze):
    x = LockedArray([3.0, 1.0, 2.0])
    view = x[:]
    freeze(x)
    resizes = write in (WRITES["resize"], WRITES["resize to the same"])
    for array in (x,) if resizes else (x, view):
        with pytest.raises(ValueError, match="frozen"):
            write(array)
        assert free(x)
    assert x.tolist() == [3, 1, 2]


def test_frozen_tells():
    x = LockedArray([1.0])
    view = x[:]
    assert not x.frozen
    view.freeze()  # of the memory, and so of all its views
    assert x.frozen
    assert view.frozen
    assert x[:].frozen
    x.freeze()  # again, and nothing happens


def test_writeable_flag_set_to_false_freezes():
    x = LockedArray([1.0])
    x.flags.writeable = False
    assert x.frozen
    with pytest.raises(ValueError, match=r"x\.write\(\)"):
        x.flags.writeable = True


def test_setflags_of_a_view_closes_that_view_alone():
    x = LockedArray([1.0, 2.0])
    view, other = x[:], x[:]
    view.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 9
    with pytest.raises(ValueError, match="read-only"):
        view[:1][0] = 9
    other[0] = 3
    x[1] = 4
    assert view.tolist() == [3, 4]
    assert not x.frozen


def test_setflags_without_write_changes_nothing():
    x = LockedArray([1.0])
    x.setflags()
    x.setflags(align=True)
    x[0] = 2
    with pytest.raises((ValueError, TypeError)):
        x.setflags(nonsense=True)
    assert x[0] == 2


def test_freezing_waits_for_readers_and_writers():
    for guard in (LockedArray.read, LockedArray.write):
        x = LockedArray([1.0])
        mode, _ = waits_beside(guard(x), x.lock, x.freeze)
        assert mode == "write"
        assert x.frozen
        assert free(x)


def test_frozen_array_is_read_without_any_lock():
    x = LockedArray([1.0, 2.0])
    y = la.zeros(2, lock=x.lock)
    x.freeze()
    with held_elsewhere(y.write()):  # the same lock
        assert start(x.sum).result() == 3
        assert start(x.snapshot).result().tolist() == [1, 2]
        assert start(x.__getitem__, 1).result() == 2
        assert start(np.median, x).result() == 1.5
        assert start(x.at[0].get).result() == 1

        def guarded():
            with x.read(timeout=0) as raw:
                assert not raw.flags.writeable
                return raw.tolist()

        assert start(guarded).result() == [1, 2]
        mode = start(y.sum).waits_for(y.lock)
        assert mode == "read"


def test_frozen_array_of_objects_still_excludes():
    x = LockedArray([1, 2])
    z = LockedArray([1, None])
    z.freeze()
    mode, _ = waits_beside(x.write(), x.lock, lambda: np.add(x, 1))
    assert mode == "read"
    assert z.tolist() == [1, None]
    with pytest.raises(ValueError, match="frozen"):
        z[0] = 1


def test_waiting_writer_is_refused_when_the_array_was_frozen_meanwhile():
    x = LockedArray([1.0])
    calls = []
    with held_elsewhere(x.read()):
        freezer = start(x.freeze)
        assert freezer.waits_for(x.lock) == "write"
        for write in (
            WRITES["item"],
            WRITES["+="],
            WRITES["at"],
            WRITES["write"],
            WRITES["resize"],
        ):
            calls.append(start(write, x))
            assert calls[-1].waits_for(x.lock) == "write"
    freezer.result()
    for call in calls:  # behind the one who froze, or in front of it
        try:
            call.result()
        except ValueError as error:
            assert "frozen" in str(error)
    assert x.frozen


WAITING = {name: write for name, write in WRITES.items() if name != "slice onto itself"}


@pytest.mark.parametrize("write", WAITING.values(), ids=WAITING)
def test_writer_that_waited_while_the_array_was_frozen_is_refused(write):
    x = LockedArray([3.0, 1.0, 2.0])
    with x.write():
        running = start(write, x)
        assert running.waits_for(x.lock) == "write"
        x.freeze()  # by the holder, so before the writer whoever else may be there
    with pytest.raises(ValueError, match="frozen"):
        running.result()
    assert x.tolist() == [3, 1, 2]
    assert free(x)


def test_freezing_inside_ones_own_write_guard_ends_writing():
    x = LockedArray([1.0, 2.0])
    with x.write() as raw:
        raw[0] = 3
        try:
            x.freeze()
        except (ValueError, RuntimeError):
            assert not x.frozen
            raw[0] = 4
        else:
            with pytest.raises(ValueError, match="read-only"):
                raw[0] = 4
            with pytest.raises(ValueError, match="frozen"):
                x[0] = 4
    assert x.tolist() == ([3, 2] if x.frozen else [4, 2])
    assert free(x)


def test_freezing_inside_an_operation_ends_writing():
    x = LockedArray([1.0, 2.0])

    def freeze_and_add(value):
        x.freeze()
        return value + 1

    with pytest.raises((ValueError, RuntimeError)):
        x.at[0].apply(freeze_and_add)
    assert x.tolist() == [1, 2]
    assert free(x)


def test_copies_of_a_frozen_array_are_not_frozen():
    x = LockedArray([1.0])
    x.freeze()
    for twin in (LockedArray(x), pickle.loads(pickle.dumps(x)), np.array(x, subok=True)):
        twin[0] = 5
        assert not twin.frozen
    assert x.copy().flags.writeable
    assert x[0] == 1


# -- snapshot --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(5),
        np.zeros((0, 2)),
        np.array([(1, 2.0)], "i4,f8"),
        np.array([None, [1]], object),
        np.array(["a", "bc"]),
    ],
    ids=["C", "F", "0-d", "empty", "structured", "objects", "text"],
)
def test_snapshot_is_a_plain_copy(values):
    x = LockedArray(values)
    copy = x.snapshot()
    assert type(copy) is np.ndarray
    assert copy.base is None
    assert copy.flags.writeable
    assert copy.dtype == values.dtype
    assert copy.strides == values.strides
    assert not np.shares_memory(copy, x)
    np.testing.assert_array_equal(copy, values)


def test_snapshot_of_a_view_is_of_the_view():
    x = LockedArray(np.arange(6.0))
    assert x[::2].snapshot().tolist() == [0, 2, 4]
    assert x[::-1].snapshot().tolist() == [5, 4, 3, 2, 1, 0]


def test_snapshot_of_objects_is_shallow():
    element = []
    x = la.full(2, None)
    x[0] = element
    assert x.snapshot()[0] is element


def test_snapshot_waits_for_a_writer_and_not_for_a_reader():
    x = LockedArray([1.0])
    assert waits_beside(x.write(), x.lock, x.snapshot)[0] == "read"
    assert waits_beside(x.read(), x.lock, x.snapshot)[0] is None
