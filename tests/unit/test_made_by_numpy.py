"""Arrays that NumPy makes by itself, which own their data: they get a Buffer over the same bytes."""

import copy
import gc
import pickle

import numpy as np
import pytest

import lockedarray as la
from arrange import free
from lockedarray import LockedArray
from threads import together

reconstruct = np._core.multiarray._reconstruct


def address(array):
    return array.__array_interface__["data"][0]


MAKERS = {
    "np.array(subok)": lambda: np.array(LockedArray([1.0, 2.0, 3.0]), subok=True),
    "np.array(subok, dtype)": lambda: np.array(LockedArray([1, 2, 3]), "f8", subok=True),
    "np.array(subok, F)": lambda: np.array(
        LockedArray([[1.0, 2.0], [3.0, 4.0]]), order="F", subok=True
    ),
    "np.array(subok) of a list": lambda: np.array(LockedArray([1.0, None]), subok=True),
    "ndarray.copy": lambda: np.ndarray.copy(LockedArray([1.0, 2.0, 3.0])),
    "ndarray.astype": lambda: np.ndarray.astype(LockedArray([1, 2, 3]), "f8"),
    "ndarray.flatten": lambda: np.ndarray.flatten(LockedArray([[1.0, 2.0]])),
    "ndarray.__copy__": lambda: np.ndarray.__copy__(LockedArray([1.0, 2.0])),
    "ndarray.take": lambda: np.ndarray.take(LockedArray([1.0, 2.0]), [0, 1]),
    "_reconstruct": lambda: reconstruct(LockedArray, (0,), b"b"),
    "_reconstruct with a shape": lambda: reconstruct(LockedArray, (3,), "d"),
    "ndarray.__new__": lambda: np.ndarray.__new__(LockedArray, (3,)),
    "ndarray.__new__ of objects": lambda: np.ndarray.__new__(LockedArray, (3,), object),
    "ndarray.__new__, 0-d": lambda: np.ndarray.__new__(LockedArray, ()),
    "ndarray.__new__, empty": lambda: np.ndarray.__new__(LockedArray, (0, 3)),
    "ndarray.__new__, F": lambda: np.ndarray.__new__(LockedArray, (2, 3), order="F"),
}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS)
def made(request):
    """Return a function that makes a LockedArray past our own constructor."""
    return request.param


def test_is_locked_as_any_other(made):
    x = made()
    with x.write() as raw:
        assert raw.flags.writeable
        assert [entry.mode for entry in x.lock.holds()] == ["write"]
        raw[...] = 5
    assert not raw.flags.writeable
    assert not x.flags.writeable
    assert (x == 5).all()
    x[...] = 6
    x += 1
    assert (x == 7).all()
    assert free(x)


def test_moves_no_data_when_it_gets_its_buffer(made):
    x = made()
    where, shape, strides = address(x), x.shape, x.strides
    assert type(x) is LockedArray
    x[...] = 3  # the first locked operation
    assert (address(x), x.shape, x.strides) == (where, shape, strides)


def test_alias_made_before_sees_what_is_written_later(made):
    x = made()
    alias = np.asarray(x)
    x[...] = 4
    assert (alias == 4).all()
    assert np.shares_memory(alias, x) or alias.size == 0


def test_views_are_on_one_buffer(made):
    x = made()
    early = x.view()
    x[...] = 1
    late = x.reshape(-1, order="A")
    early[...] = 2
    assert (late == 2).all()
    assert early.lock is x.lock is late.lock
    assert early.base is x
    assert late.base is x
    assert x.base is None


def test_can_be_resized_frozen_copied_and_pickled(made):
    x = made()
    x[...] = 1
    size = x.size
    view = x.view()
    x.resize(size + 1000)
    view[...] = 2
    assert x[:size].tolist() == [2] * size
    assert not x[size:].any()
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(twin) is LockedArray
        assert twin.lock is not x.lock
        assert twin.tolist() == x.tolist()
    x.freeze()
    with pytest.raises(ValueError, match="frozen"):
        x[...] = 1


def test_memory_lasts_as_long_as_an_alias():
    x = np.array(LockedArray(np.arange(50_000.0)), subok=True)
    alias, view = np.asarray(x), x[1:]
    x[0] = 7
    del x
    gc.collect()
    view[0] = 8
    assert alias[:2].tolist() == [7, 8]
    del view
    gc.collect()
    assert alias[:3].tolist() == [7, 8, 2]


def test_reading_alone_gives_it_a_buffer():
    x = np.array(LockedArray([1.0, 2.0]), subok=True)
    assert x.sum() == 3
    assert not x.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        np.ndarray.fill(x, 1)
    with pytest.raises(ValueError, match="WRITEABLE"):
        x.flags.writeable = True


def test_threads_that_come_first_together_find_one_lock():
    for _ in range(30):
        x = np.array(LockedArray([1.0, 2.0]), subok=True)
        locks = together(*[lambda x=x: x.lock] * 4, *[lambda x=x: x[1:].lock] * 4)
        assert len(set(map(id, locks))) == 1


def test_threads_that_write_first_together_lose_nothing():
    for _ in range(20):
        x = np.array(LockedArray([0, 0]), subok=True)

        def add(x=x):
            for _ in range(5):
                x.at[0] += 1
                np.add(x[1:], 1, out=x[1:])

        together(*[add] * 4)
        assert x.tolist() == [20, 20]


def test_new_on_a_buffer_shares_its_memory():
    memory = bytearray(24)
    x = np.ndarray.__new__(LockedArray, (3,), "f8", memory)
    y = np.ndarray.__new__(LockedArray, (1,), "f8", memory, 8)
    x[1] = 5
    assert y[0] == 5
    assert x.lock is y.lock
    assert np.frombuffer(memory).tolist() == [0, 5, 0]


def test_new_on_a_lockedarray_cannot_write():
    x = LockedArray([1.0, 2.0])
    y = np.ndarray.__new__(LockedArray, (2,), "f8", x)
    with pytest.raises(ValueError, match="read-only"):
        y[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        np.ndarray.__new__(np.ndarray, (2,), "f8", x)[0] = 5
    assert x.tolist() == [1, 2]


def test_state_is_not_set_into_one():
    x = reconstruct(LockedArray, (0,), b"b")
    with pytest.raises(TypeError, match="__setstate__"):
        x.__setstate__((1, (2,), np.dtype("f8"), False, bytes(16)))
    y = LockedArray([1.0, 2.0])
    with pytest.raises(TypeError, match="__setstate__"):
        y.__setstate__((1, (2,), np.dtype("f8"), False, bytes(16)))
    assert y.tolist() == [1, 2]


@pytest.mark.parametrize("through", [lambda x: x, lambda x: x[1:]], ids=["array", "view"])
@pytest.mark.parametrize(
    "source",
    [lambda: LockedArray(np.zeros(500)), lambda: np.zeros(5), lambda: None, lambda: "text"],
    ids=["LockedArray", "array", "None", "text"],
)
def test_finalize_by_hand_changes_nothing(source, through):
    x = LockedArray(np.ones(5))
    shown = through(x)
    shown.__array_finalize__(source())
    gc.collect()
    shown[0] = 2
    shown += 1
    assert shown.lock is x.lock
    assert shown.base is (None if shown is x else x)
    x.resize(1000)
    assert shown[:2].tolist() == [3, 2]


@pytest.mark.skipif(
    la.backend == "portable", reason="there the Buffer finds its arrays by weak references"
)
def test_array_keeps_its_buffer():
    x, y = LockedArray(np.ones(5)), LockedArray(np.zeros(500))
    lock = x.lock
    with pytest.raises(AttributeError, match="keeps its Buffer"):
        x._buffer = y._buffer
    with pytest.raises(TypeError):
        del x._buffer
    del y
    gc.collect()
    x += 1
    assert x.lock is lock
    assert x.tolist() == [2] * 5
