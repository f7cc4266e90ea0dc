"""Guards in one thread: what they hold and yield, reentrancy, misuse, timeouts that are no timeouts."""

import gc
import inspect
import itertools
import sys
import weakref
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere
from lockedarray import LockedArray
from threads import start

GUARDS = {
    "read": lambda x, **k: x.read(**k),
    "write": lambda x, **k: x.write(**k),
    "acquire(read)": lambda x, **k: la.acquire(read=x, **k),
    "acquire(write)": lambda x, **k: la.acquire(write=x, **k),
}
guards = pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)


def modes(x):
    return [entry.mode for entry in x.lock.holds()]


# -- what they hold and yield ----------------------------------------------------------------------


@guards
def test_guard_holds_for_the_block_and_no_longer(guard):
    x = LockedArray([1.0, 2.0])
    made = guard(x)
    assert free(x)
    assert not made.held
    with made as raw:
        assert made.held
        assert len(modes(x)) == 1
        assert type(raw) is np.ndarray
        assert np.shares_memory(raw, x)
    assert not made.held
    assert free(x)


@guards
def test_guard_is_released_by_an_exception(guard):
    x = LockedArray([1.0])
    with pytest.raises(ZeroDivisionError), guard(x):
        raise ZeroDivisionError
    assert free(x)


@guards
def test_guard_can_be_acquired_and_released_again_and_again(guard):
    x = LockedArray([1.0])
    made = guard(x)
    for _ in range(3):
        raw = made.acquire()
        assert made.held
        assert raw.tolist() == [1]
        made.release()
        with made:
            pass
    assert free(x)


def test_read_yields_a_read_only_view_and_write_a_writable_one():
    x = LockedArray([1.0, 2.0])
    with x.read() as raw:
        assert not raw.flags.writeable
        assert modes(x) == ["read"]
    with x.write() as raw:
        assert raw.flags.writeable
        assert modes(x) == ["write"]
        raw += 1
    assert x.tolist() == [2, 3]


def test_guard_of_a_view_yields_that_view():
    x = LockedArray(np.arange(6.0))
    with x[1::2].write() as raw:
        assert raw.tolist() == [1, 3, 5]
        raw[...] = 0
    assert x.tolist() == [0, 0, 2, 0, 4, 0]
    with x.reshape(2, 3).T.read() as raw:
        assert raw.shape == (3, 2)


def test_guard_tells_what_it_is():
    x = LockedArray([1.0])
    guard = la.acquire(write=x, read=x)
    assert "write" in repr(guard)
    assert "read" in repr(guard)
    assert "not held" in repr(guard)
    with guard:
        assert "not held" not in repr(guard)


# -- several arrays ----------------------------------------------------------------------------------


def test_acquire_yields_the_shape_it_was_given():
    x, y, z = LockedArray([1.0]), LockedArray([2.0, 2.0]), LockedArray([3.0, 3.0, 3.0])
    with la.acquire(write=x) as a:
        assert a.tolist() == [1]
    with la.acquire(read=x) as a:
        assert not a.flags.writeable
    with la.acquire(write=(x,)) as one:
        assert type(one) is tuple
        assert len(one) == 1
    with la.acquire(write=(x, y)) as (a, b):
        assert (a.size, b.size) == (1, 2)
        assert a.flags.writeable
        assert b.flags.writeable
    with la.acquire(read=(x, y, z)) as many:
        assert [a.size for a in many] == [1, 2, 3]
    with la.acquire(write=x, read=y) as (a, b):
        assert (a.flags.writeable, b.flags.writeable) == (True, False)
    with la.acquire(write=x, read=(y, z)) as (a, (b, c)):
        assert (a.size, b.size, c.size) == (1, 2, 3)
        assert (modes(x), modes(y), modes(z)) == (["write"], ["read"], ["read"])
    with la.acquire(write=(x, y), read=z) as ((a, b), c):
        assert (a.size, b.size, c.size) == (1, 2, 3)
    with la.acquire(write=(), read=x) as (none, a):
        assert none == ()
        assert a.size == 1
    assert free(x, y, z)


def test_same_array_in_both_or_twice_is_held_once_and_for_writing():
    x = LockedArray([1.0, 2.0])
    for given in ({"write": x, "read": x}, {"write": (x, x)}, {"write": x[:1], "read": x[1:]}):
        with la.acquire(**given) as (a, b):
            assert "write" in modes(x)
            a[0] = 5
            assert a.flags.writeable
            assert b.flags.writeable == ("read" not in given)
            assert np.shares_memory(x, b)
        assert free(x)
    assert x[0] == 5


def test_arrays_under_one_lock_are_acquired_as_one():
    x = LockedArray([1.0])
    y = la.zeros(1, lock=x.lock)
    with la.acquire(write=x, read=y) as (a, b):
        assert (a.flags.writeable, b.flags.writeable) == (True, False)
        assert "write" in modes(y)
    assert free(x)


def test_result_of_one_array_is_computed_from_others():
    x, y, z = la.zeros(2), la.ones((2, 2)), la.ones(2)
    with la.acquire(write=x, read=(y, z)) as (rx, (ry, rz)):
        rx[:] = ry @ rz
    assert x.tolist() == [2, 2]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"write": None},
        {"write": np.zeros(1)},
        {"read": [1.0]},
        {"read": [LockedArray([1.0])]},
        {"write": 3},
        {"read": "x"},
        {"write": (LockedArray([1.0]), np.zeros(1))},
        {"write": ((LockedArray([1.0]),),)},
        {"read": {"x": LockedArray([1.0])}},
        {"read": LockedArray},
        {"unknown": LockedArray([1.0])},
    ],
    ids=lambda given: str(sorted(given)),
)
def test_acquire_takes_lockedarrays_and_tuples_of_them(given):
    with pytest.raises(TypeError):
        la.acquire(**given)


def test_acquire_takes_no_positional_argument():
    with pytest.raises(TypeError):
        la.acquire(LockedArray([1.0]))


def test_refused_array_leaves_the_others_free():
    x, frozen, view = LockedArray([1.0]), LockedArray([1.0]), LockedArray(np.eye(2)).diagonal()
    frozen.freeze()
    for bad in (frozen, view):
        for order in itertools.permutations([x, bad]):
            with pytest.raises(ValueError, match="read-only"), la.acquire(write=order):
                pass
            assert free(x, bad)
        with la.acquire(write=x, read=bad):
            pass


# -- reentrancy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chain", list(itertools.product(["read", "write"], repeat=3)), ids="-".join
)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_guards_nest_and_are_released_in_any_order(chain, order):
    x = LockedArray([1.0, 2.0])
    held = [getattr(x, mode)() for mode in chain]
    raws = [guard.acquire() for guard in held]
    assert [raw.flags.writeable for raw in raws] == [mode == "write" for mode in chain]
    left = set(range(3))
    for i in order:
        held[i].release()
        left.discard(i)
        assert not raws[i].flags.writeable
        for j in left:
            assert held[j].held
            assert raws[j].flags.writeable == (chain[j] == "write")
        excluded = "write" if any(chain[j] == "write" for j in left) else "read" if left else None
        assert strongest(x) == excluded
    assert free(x)


def strongest(x):
    """The strongest mode in which the lock is held, as its `holds` tells."""
    held = modes(x)
    return "write" if "write" in held else "read" if held else None


def test_operations_inside_a_guard_do_not_wait_for_it():
    x = LockedArray([1.0, 2.0])
    for guard in (x.read(), x.write(), la.acquire(write=x, read=x)):
        with guard:
            x[0] = x.sum()
            x += 1
            np.add(x, 1, out=x)
            x.at[0] += 1
            x.sort()
            with x[1:].write() as raw:
                raw[...] = 0
            assert repr(x)
            assert guard.held
    assert free(x)


def test_raw_view_shows_what_operations_inside_the_guard_do():
    x = LockedArray([1.0, 2.0])
    with x.write() as raw:
        x += 1
        assert raw.tolist() == [2, 3]
        raw[0] = 7
        assert x[0] == 7


def test_inner_guard_that_fails_leaves_the_outer_one_held():
    x, y = LockedArray([1.0]), LockedArray([1.0])
    with held_elsewhere(y.write()), x.write() as raw:
        with pytest.raises(la.LockTimeout), la.acquire(write=(x, y), timeout=0):
            pass
        assert modes(x) == ["write"]
        assert raw.flags.writeable
        raw[0] = 5
    assert free(x, y)
    assert x[0] == 5


# -- misuse ------------------------------------------------------------------------------------------


@guards
def test_guard_is_released_only_when_it_is_held(guard):
    x = LockedArray([1.0])
    made = guard(x)
    with pytest.raises(RuntimeError, match="not held"):
        made.release()
    made.acquire()
    made.release()
    with pytest.raises(RuntimeError, match="not held"):
        made.release()
    assert free(x)
    x += 1
    assert x[0] == 2


@guards
def test_guard_is_not_acquired_twice(guard):
    x = LockedArray([1.0])
    made = guard(x)
    with made:
        with pytest.raises(RuntimeError, match="held"):
            made.acquire()
        with pytest.raises(RuntimeError, match="held"), made:
            pass
        assert made.held
        assert len(modes(x)) == 1
    assert free(x)


@guards
def test_guard_released_inside_its_own_block_says_so(guard):
    x = LockedArray([1.0])
    made = guard(x)
    with pytest.raises(RuntimeError, match="not held"), made:
        made.release()
    assert free(x)


@guards
def test_guard_without_room_on_the_stack_holds_nothing(guard):
    x = LockedArray([1.0])
    made = guard(x, timeout=20)

    def deeper(levels):
        if levels:
            deeper(levels - 1)
        else:
            with made:
                pass

    limit = sys.getrecursionlimit()
    depth = len(inspect.stack())
    sys.setrecursionlimit(depth + 50)
    outcomes = set()
    try:
        for levels in range(20, 60):
            try:
                deeper(levels)
            except RecursionError:
                outcomes.add("refused")
            else:
                outcomes.add("done")
            assert not made.held
            assert free(x)
    finally:
        sys.setrecursionlimit(limit)
    assert outcomes == {"done", "refused"}


@guards
def test_guard_that_is_dropped_is_released(guard):
    x = LockedArray([1.0])
    made = guard(x)
    made.acquire()
    del made
    gc.collect()
    assert free(x)
    x[0] = 2


def test_frozen_array_gives_no_write_guard():
    x = LockedArray([1.0])
    x.freeze()
    with pytest.raises(ValueError, match="frozen"):
        x.write().acquire()
    with x.read(timeout=0) as raw:
        assert raw.tolist() == [1]
        assert free(x)  # what is frozen is read without a lock
    assert free(x)


# -- raw views after their guard ---------------------------------------------------------------------


def test_raw_view_that_is_kept_is_given_to_no_other_guard():
    x = LockedArray([1.0, 2.0])
    kept = []
    for _ in range(5):
        with x.write() as raw:
            kept.append(raw)
            assert [one.flags.writeable for one in kept] == [False] * (len(kept) - 1) + [True]
    assert len({id(raw) for raw in kept}) == 5
    assert not any(raw.flags.writeable for raw in kept)


def test_view_of_a_raw_view_that_is_kept_does_not_become_writable_in_the_next_reader():
    x = LockedArray([1.0, 2.0])
    with x.write() as raw:
        raw[0] = 5
    del raw
    for _ in range(3):
        with x.read() as raw:
            assert not raw.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                raw[0] = 6
        with x.write() as raw:
            assert raw.flags.writeable
    assert x[0] == 5


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_raw_view_that_its_holder_changed_is_not_what_the_next_guard_yields():
    x = LockedArray(np.arange(6.0))
    for change in (
        lambda raw: setattr(raw, "shape", (2, 3)),
        lambda raw: setattr(raw, "dtype", np.int64),
        lambda raw: raw.setflags(align=False),
        lambda raw: raw.setflags(write=False),
    ):
        for _ in range(3):
            with x.write() as raw:
                assert raw.shape == (6,)
                assert raw.dtype == float
                assert raw.flags.writeable
                assert raw.flags.aligned
                change(raw)


def test_raw_view_with_a_weak_reference_ends_with_its_holder():
    x = LockedArray([1.0])
    with x.write() as raw:
        reference = weakref.ref(raw)
    del raw
    gc.collect()
    assert reference() is None


def test_guards_raw_views_are_of_their_own_array():
    x = LockedArray(np.arange(4.0))
    views = [x, x[1:], x.reshape(2, 2), x[::2], x.T]
    for _ in range(3):
        for view in views:
            with view.read() as raw:
                assert raw.shape == view.shape
                assert raw.strides == view.strides
                assert raw.tolist() == view.tolist()


# -- how guards end ------------------------------------------------------------------------------------


@guards
def test_guard_that_its_own_array_refers_to_is_released_when_both_are_garbage(guard):
    x = LockedArray([1.0])
    lock = x.lock
    x.guard = guard(x)
    x.guard.acquire()
    assert lock.holds()
    del x
    gc.collect()
    assert not lock.holds()


def test_guards_acquired_by_the_garbage_collector_follow_a_resize():
    x = LockedArray([1.0])
    kept = []

    class Acquiring:
        def __del__(self):
            kept.extend(x.write() for _ in range(500))
            raws.extend(guard.acquire() for guard in kept)

    raws = []
    threshold = gc.get_threshold()
    with x.write():
        gc.disable()
        try:
            garbage = Acquiring()
            garbage.itself = garbage
            del garbage
            guarded = x._buffer.guarded
            gc.set_threshold(1)
            gc.enable()
            guarded()  # makes a list
        finally:
            gc.set_threshold(*threshold)
            gc.enable()
        gc.collect()
        x.resize(1000)
        x[0] = 2
        assert len(raws) == 500
        assert all(raw[0] == 2 for raw in raws)
        for guard in kept:
            guard.release()
    assert free(x)


@guards
def test_guard_can_be_weakly_referenced(guard):
    x = LockedArray([1.0])
    made = guard(x)
    reference = weakref.ref(made)
    assert reference() is made
    del made
    gc.collect()
    assert reference() is None


def test_guard_is_a_generic_type():
    assert la.Guard[np.ndarray].__origin__ is la.Guard
    assert isinstance(LockedArray([1.0]).write(), la.Guard)
    assert isinstance(la.acquire(read=LockedArray([1.0])), la.Guard)


def test_guards_of_one_array_are_refused_what_guards_of_several_are():
    x = LockedArray([1.0])
    x.freeze()
    made = x.write()
    for _ in range(2):
        with pytest.raises(ValueError, match="frozen"):
            made.acquire()
        assert not made.held
    reading = x.read()
    for _ in range(2):
        with reading as raw:
            assert reading.held
            assert raw.tolist() == [1]
            with pytest.raises(RuntimeError, match="held already"):
                reading.acquire()
    assert "(read): not held" in repr(reading)


def test_guard_of_an_object_array_holds_the_write_lock_and_yields_what_was_asked_for():
    x = LockedArray(np.array([[], {}], dtype=object))
    with x.read() as raw:
        assert modes(x) == ["write"]
        assert not raw.flags.writeable
    with x.write() as raw:
        raw[0] = 1
    assert x.tolist() == [1, {}]
    assert free(x)


# -- timeouts ------------------------------------------------------------------------------------------


BAD_VALUES = [
    -1,
    -0.001,
    float("nan"),
    float("inf"),
    float("-inf"),
    np.float64("nan"),
    -(10**400),
    10**400,
]
BAD_TYPES = [
    "1",
    b"1",
    bytearray(b"1"),
    memoryview(b"1"),
    "",
    "soon",
    [1],
    (1,),
    {},
    1j,
    object(),
    np.array([1.0, 2.0]),
    np.zeros(0),
    len,
]


@guards
@pytest.mark.parametrize("timeout", BAD_VALUES, ids=lambda t: str(t)[:9])
def test_timeout_out_of_range_is_refused(guard, timeout):
    x = LockedArray([1.0])
    with pytest.raises(ValueError, match="timeout"):
        guard(x, timeout=timeout)
    assert free(x)


@guards
@pytest.mark.parametrize("timeout", BAD_TYPES, ids=lambda t: type(t).__name__)
def test_timeout_of_another_type_is_refused(guard, timeout):
    x = LockedArray([1.0])
    with pytest.raises((TypeError, ValueError), match="timeout"):
        guard(x, timeout=timeout)
    assert free(x)


@guards
@pytest.mark.parametrize(
    "timeout",
    [
        None,
        0,
        -0.0,
        1,
        0.5,
        True,
        np.float32(1),
        np.int8(1),
        Fraction(1, 2),
        Decimal(1),
        1e300,
        np.array(1.0),
    ],
    ids=repr,
)
def test_timeout_that_is_a_number_is_taken(guard, timeout):
    x = LockedArray([1.0])
    with guard(x, timeout=timeout) as raw:
        assert raw.tolist() == [1]
    assert free(x)


def test_timeout_can_be_given_by_position_or_name():
    x = LockedArray([1.0])
    with x.read(0), x.write(timeout=0):
        pass


@pytest.mark.skipif(la.backend != "native", reason="the portable core keeps no list of raw views")
def test_guards_that_a_finalizer_takes_while_raw_views_are_listed_do_no_harm():
    x = LockedArray([1.0])
    taken = []

    class Taker:
        def __del__(self):
            for _ in range(100):
                taken.append(x.write())
                taken[-1].acquire()

    guarded = x._buffer.guarded
    threshold = gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        lists = [[] for _ in range(200)]  # so that the next list is a new one
        taker = Taker()
        taker.itself = taker
        del taker
        with x.write() as raw:
            gc.set_threshold(1)
            gc.enable()
            listed = guarded()  # Python 3.11 collects garbage in here, later ones after
            gc.disable()
            gc.collect()
            assert taken
            assert any(one is raw for one in listed)
    finally:
        gc.set_threshold(*threshold)
        gc.enable()
    del lists
    for guard in taken:
        guard.release()
    assert free(x)


def test_guard_holds_all_that_it_yields_though_a_handler_resized_amid_its_acquisition():
    x = LockedArray(np.array([1, 2], dtype=object))
    before = sys.gettrace()
    lent = []

    def resize_when_lent(frame, event, argument):
        if frame.f_code.co_name == "_lend":  # the lock is held, the raw view not made yet
            lent.append(frame.f_code.co_name)
            if len(lent) == 1:
                x.resize(100)

    sys.settrace(resize_when_lent)
    try:
        guard = x.write()
        raw = guard.acquire()
    finally:
        sys.settrace(before)
    assert lent
    assert raw.shape == (100,)
    with pytest.raises(la.LockTimeout):
        start(lambda: x[50:].write(timeout=0).acquire()).result()
    guard.release()
    assert not raw.flags.writeable
