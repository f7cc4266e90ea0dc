"""A view without a byte keeps out a resize and a freeze, since its shape is to stay, and nothing else."""

import threading
from functools import partial

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, waits_beside
from lockedarray import LockedArray
from threads import DEADLINE, start, together

NATIVE = la.backend == "native"
"""The portable core locks the whole Buffer, and of it a view without a byte takes the read lock."""


def matrix():
    return LockedArray(np.zeros((4, 6)))


def objects():
    return LockedArray(np.full((4, 6), 1, object))


def records():
    return LockedArray(np.zeros((4, 6), [("nothing", "V0"), ("number", "f8")]))


EMPTY = {
    "the first rows": (matrix, lambda x: x[0:0]),
    "rows behind the end": (matrix, lambda x: x[5:5]),
    "columns": (matrix, lambda x: x[:, 2:2]),
    "turned over": (matrix, lambda x: x[::-1, 3:3].T),
    "items without a byte": (records, lambda x: x["nothing"]),
    "objects": (objects, lambda x: x[2:2]),
}

each_empty = pytest.mark.parametrize(("make", "part"), EMPTY.values(), ids=EMPTY.keys())
each_mode = pytest.mark.parametrize("mode", ["read", "write"])


def read(array):
    return array.copy()


def zero(array):
    return np.zeros((), array.dtype)[()]


def store(array):
    array[...] = zero(array)


def taking(guard):
    with guard:
        return None


def if_whole(mode):
    """The mode in which the portable core, which locks the whole Buffer, waits."""
    return None if NATIVE else mode


@each_mode
@each_empty
def test_operations_and_guards_do_not_wait_for_who_holds_an_empty_view(make, part, mode):
    x = make()
    empty = part(x)

    def waits(function, *args):
        return waits_beside(getattr(empty, mode)(), x.lock, partial(function, *args))[0]

    # Reads of objects hold the write lock, since code of the elements runs.
    assert waits(read, x) == (if_whole("write") if x.dtype.hasobject else None)
    assert waits(store, x) == if_whole("write")
    assert waits(store, x[0]) == if_whole("write")
    assert waits(x.__setitem__, (0, 0), zero(x)) == if_whole("write")
    assert waits(taking, x.write()) == if_whole("write")
    assert waits(taking, la.acquire(write=x[0], read=x[1:])) == if_whole("write")
    assert free(x)


@each_mode
@each_empty
def test_an_empty_view_does_not_wait_for_who_holds_others(make, part, mode):
    x = make()
    empty = part(x)
    calls = [partial(function, empty) for function in (read, store, np.copy)]
    for call in (*calls, partial(taking, getattr(empty, mode)())):
        assert waits_beside(x.write(), x.lock, call)[0] == if_whole("read")
        # Reads of objects hold the write lock.
        beside_read = if_whole("read") if x.dtype.hasobject else None
        assert waits_beside(x.read(), x.lock, call)[0] == beside_read


@each_empty
def test_empty_views_do_not_wait_for_each_other(make, part):
    x = make()
    with held_elsewhere(part(x).write()), held_elsewhere(x[3:3].write()):
        assert start(store, part(x)).result() is None
        assert [entry.mode for entry in x.lock.holds()] == ["read", "read"]


@each_mode
@each_empty
def test_a_resize_and_a_freeze_wait_for_who_holds_an_empty_view(make, part, mode):
    x = make()
    guard = getattr(part(x), mode)
    assert waits_beside(guard(), x.lock, partial(x.resize, (8, 6)))[0] == "write"
    assert x.shape == (8, 6)
    assert waits_beside(guard(), x.lock, partial(taking, x.lock.gen_wlock()))[0] == "write"
    assert waits_beside(guard(), x.lock, x.freeze)[0] == "write"
    with pytest.raises(ValueError, match="frozen"):
        taking(part(x).write())


@each_empty
def test_an_empty_view_waits_for_a_resize(make, part):
    x = make()
    for function in (
        part(x).copy,
        partial(taking, part(x).write()),
        partial(taking, part(x).read()),
    ):
        assert waits_beside(x.lock.gen_wlock(), x.lock, function)[0] == "read"
    with held_elsewhere(x.lock.gen_wlock()), pytest.raises(la.LockTimeout):
        taking(part(x).write(timeout=0))


def test_the_thread_that_holds_an_empty_view_resizes_and_freezes():
    x = matrix()
    view = x[1:]
    with x[0:0].write() as raw:
        x.resize((400, 6))
        x[399] = 1
        assert raw.shape == (0, 6)
        assert view.shape == (3, 6)
        x.freeze()
        assert not raw.flags.writeable
    assert x.sum() == 6
    assert free(x)


def test_an_array_that_is_empty_grows_under_its_own_guard():
    x = la.zeros((0, 3))
    with x.write() as raw:
        x.resize((4, 3))
        x[0] = 1
        assert raw.shape == (0, 3)
        with x.write() as grown:
            assert grown.shape == (4, 3)
    assert x.sum() == 3
    assert free(x)


def test_two_that_hold_an_empty_view_and_resize_close_a_cycle():
    x = matrix()
    both_inside = threading.Barrier(2)

    def resize_inside():
        with x[0:0].write():
            both_inside.wait(DEADLINE)
            try:
                x.resize((8, 6))
            except la.DeadlockError:
                return "refused"
        return "resized"

    assert sorted(together(resize_inside, resize_inside)) == ["refused", "resized"]
    assert free(x)


def test_a_guard_of_an_empty_view_is_reentrant_and_raises_no_upgrade():
    x = matrix()
    with held_elsewhere(x[0:0].read()), x[0:0].read(), x[0:0].write() as raw, x[5:5].read():
        assert raw.flags.writeable
        raw[...] = 1
    with la.acquire(write=x[0:0], read=x) as (nothing, everything):
        assert (nothing.shape, everything.shape) == ((0, 6), (4, 6))
        assert start(read, x).result().shape == (4, 6)
        assert start(store, x[2:2]).result() is None
    assert not nothing.flags.writeable
    assert free(x)


GROWN = {
    "a guard": lambda x: write_five(x.write()),
    "a guard of several": lambda x: write_five(la.acquire(write=(x, matrix())), 0),
    "fill": lambda x: x.fill(5),
    "x[...] = 5": lambda x: x.__setitem__(..., 5),
    "np.copyto": lambda x: np.copyto(x, 5),
    "x += 5": lambda x: x.__iadd__(5),
}


def write_five(guard, *index):
    with guard as raw:
        (raw[index[0]] if index else raw)[...] = 5


@pytest.mark.parametrize("write", GROWN.values(), ids=GROWN.keys())
def test_who_waited_for_an_empty_array_has_the_write_lock_of_what_it_has_become(write):
    x = la.zeros(0)
    with x.lock.gen_wlock():
        call = start(write, x)
        assert call.waits_for(x.lock)
        x.resize(3)
    call.result()
    assert x.tolist() == [5, 5, 5]
    assert free(x)


@pytest.mark.parametrize("shape", [0, (0, 3), (2, 0)])
def test_who_holds_an_empty_array_that_is_no_view_grows_it_alone(shape):
    x = la.zeros(shape)
    with x.write():
        other = start(write_five, x.write())
        assert other.waits_for(x.lock) == "write"
        x.resize((3, 3))
        x[0] = 1
        later = start(write_five, x.write())
        assert later.waits_for(x.lock) == "write"
        x[2] = 7
        assert x[0].tolist() == [1, 1, 1]
    other.result()
    later.result()
    assert free(x)


@pytest.mark.parametrize("several", [False, True])
def test_a_guard_that_waited_while_its_array_grew_keeps_others_out(several):
    x, other = la.zeros(0), matrix()
    inside, go_on = threading.Event(), threading.Event()

    def hold():
        with la.acquire(write=(x, other)) if several else x.write():
            inside.set()
            assert go_on.wait(DEADLINE)

    with x.lock.gen_wlock():
        call = start(hold)
        assert call.waits_for(x.lock) == "write"
        x.resize(3)
    assert inside.wait(DEADLINE)
    assert [entry.mode for entry in x.lock.holds()] == ["write"]
    reader = start(read, x)
    assert reader.waits_for(x.lock) == "read"
    go_on.set()
    call.result()
    reader.result()


def test_arrays_that_share_a_lock_are_not_kept_out_by_an_empty_view_of_one():
    x = matrix()
    y = LockedArray(np.zeros(60), lock=x.lock)
    for array in (x, y, x[1], y[3:5]):
        assert waits_beside(x[0:0].write(), x.lock, partial(store, array))[0] == if_whole("write")
        assert waits_beside(array.write(), x.lock, partial(store, y[9:9]))[0] == if_whole("read")
    assert waits_beside(array.write(), x.lock, partial(y.__setitem__, 1, 5))[0] == "write"
    assert waits_beside(x[0:0].write(), x.lock, partial(x.resize, (8, 6)))[0] == "write"


def test_of_a_lock_of_others_an_empty_view_takes_the_read_lock():
    below = rwlock.RWLockFair()
    x = LockedArray(np.zeros((4, 6)), lock=below)
    with held_elsewhere(x[0:0].write()):
        assert start(read, x).result().shape == (4, 6)
        assert start(store, x[2:2]).result() is None
        reader, writer = below.gen_rlock(), below.gen_wlock()
        assert start(reader.acquire).result()
        reader.release()
        assert not start(writer.acquire, False).result()
    assert waits_beside(x[0:0].write(), x.lock, partial(store, x))[0] == "write"
    assert free(x)


@pytest.mark.skipif(not NATIVE, reason="the portable core shows no bytes")
def test_holds_show_no_byte_of_an_empty_view_and_the_end_of_all():
    x = matrix()
    y = LockedArray(np.zeros(60), lock=x.lock)
    with x[5:5].write():
        assert [entry[1:] for entry in x.lock.holds()] == [("read", False, 0, 0)]
    with y[3:5].write():
        assert [entry[1:] for entry in x.lock.holds()] == [("write", False, None, None)]
