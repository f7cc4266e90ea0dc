"""Writers of disjoint regions of one array run together; those of overlapping ones wait."""

import random
import threading
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, queued, waits_beside
from lockedarray import LockedArray
from lockedarray._array.region import Region
from threads import DEADLINE, Step, start, together, wait_until

needs_regions = pytest.mark.skipif(
    la.backend != "native", reason="the portable core takes each region as the whole Buffer"
)

RECORD = [("a", "i4"), ("b", "f8"), ("c", "i2", (4,))]


def vector():
    return LockedArray(np.zeros(60))


def matrix():
    return LockedArray(np.zeros((6, 8)))


def odd_matrix():
    return LockedArray(np.zeros((6, 5)))


def tensor():
    return LockedArray(np.zeros((3, 4, 5, 6)))


def records():
    return LockedArray(np.zeros(7, RECORD))


def complexes():
    return LockedArray(np.zeros((4, 5), complex))


def objects():
    return LockedArray(np.full((4, 5), 1, object))


DISJOINT = {
    "rows": (matrix, lambda x: (x[1], x[2])),
    "blocks of rows": (matrix, lambda x: (x[:3], x[3:])),
    "columns": (matrix, lambda x: (x[:, 1], x[:, 2])),
    "blocks of columns": (matrix, lambda x: (x[:, :3], x[:, 3:])),
    "rows of the transposed": (matrix, lambda x: (x.T[1], x[:, 2])),
    "boxes side by side": (matrix, lambda x: (x[1:4, 0:3], x[2:6, 3:5])),
    "boxes one above the other": (matrix, lambda x: (x[0:2, 1:5], x[2:5, 2:6])),
    "boxes of four axes": (tensor, lambda x: (x[1:, :, 2:4, 1:4], x[:, 1:, 1:3, 4:])),
    "a part of a row and a column": (matrix, lambda x: (x[3, :4], x[:, 5])),
    "an element and a column": (matrix, lambda x: (x[3, 4, ...], x[:, 5])),
    "slices with the same step": (vector, lambda x: (x[::3], x[1::3])),
    "slices with steps of either sign": (vector, lambda x: (x[::2], x[::-2])),
    "slices with unlike steps": (vector, lambda x: (x[5:9:3], x[6:11:4])),
    "long slices with unlike steps": (vector, lambda x: (x[2:50:6], x[51:4:-9])),
    "a diagonal and a part of a column": (matrix, lambda x: (x.reshape(-1)[:46:9], x[1:, 0])),
    "rows of two lengths": (matrix, lambda x: (x[:, 1:3], x.reshape(-1, 12)[::2, 3:8:4])),
    "even and odd columns": (odd_matrix, lambda x: (x[:, ::2], x[:, 1::2])),
    "fields": (records, lambda x: (x["a"], x["b"])),
    "parts of a field": (records, lambda x: (x["c"][:, 0], x["c"][:, 1:])),
    "records and a field of others": (records, lambda x: (x[:3], x[3:]["b"])),
    "real and imaginary parts": (complexes, lambda x: (x.real, x.imag)),
    "parts of one column": (complexes, lambda x: (x[:, 1].real, x[:, 1].imag)),
    "halves of the items": (vector, lambda x: (x.view("f4")[::2], x.view("f4")[1::2])),
    "columns of objects": (objects, lambda x: (x[:, 0], x[:, 1])),
    "nothing, and what does not begin there": (vector, lambda x: (x[:0], x[1:])),
}

OVERLAPPING = {
    "one part twice": (matrix, lambda x: (x[:, 1], x[:, 1])),
    "a row and a column": (matrix, lambda x: (x[1], x[:, 2])),
    "blocks of rows": (matrix, lambda x: (x[:4], x[3:])),
    "blocks of columns": (matrix, lambda x: (x[:, :4], x[:, 3:])),
    "boxes": (matrix, lambda x: (x[1:4, 1:4], x[3:, 3:])),
    "boxes of four axes": (tensor, lambda x: (x[1:, :, 2:4, 1:4], x[:, 1:, 1:3, 3:])),
    "the transposed and a row": (matrix, lambda x: (x.T, x[2])),
    "slices with the same step": (vector, lambda x: (x[::3], x[3::6])),
    "slices with steps of either sign": (vector, lambda x: (x[1::2], x[::-2])),
    "slices with unlike steps": (vector, lambda x: (x[5:9:3], x[4:11:4])),
    "a diagonal and a column": (matrix, lambda x: (x.reshape(-1)[:46:9], x[:, 1])),
    "everything and an element": (vector, lambda x: (x, x[7, ...])),
    "items and halves of items": (vector, lambda x: (x[3:5], x.view("f4")[::2])),
    "records and a field": (records, lambda x: (x, x["b"])),
    "a record and a field of all": (records, lambda x: (x[2:3], x["b"])),
    "a complex array and its imaginary part": (complexes, lambda x: (x, x.imag)),
    "objects and a column of them": (objects, lambda x: (x, x[:, 1])),
}


def each_pair(table):
    return pytest.mark.parametrize(("make", "parts"), table.values(), ids=table.keys())


def store(array):
    array[...] = 0


def read(array):
    return array.copy()


# -- what waits, and what does not -----------------------------------------------------------------


@needs_regions
@each_pair(DISJOINT)
def test_writers_of_disjoint_parts_run_together(make, parts):
    x = make()
    a, b = parts(x)
    assert waits_beside(a.write(), x.lock, lambda: store(b)) == (None, None)
    assert waits_beside(b.write(), x.lock, lambda: store(a)) == (None, None)
    with held_elsewhere(a.write()) as one, held_elsewhere(b.write()) as other:
        inside = {entry.thread for entry in x.lock.holds()}
        assert inside == {one.name, other.name}
        assert not queued(x.lock)
    assert free(x)


@needs_regions
@each_pair(DISJOINT)
def test_readers_and_writers_of_disjoint_parts_run_together(make, parts):
    x = make()
    a, b = parts(x)
    assert waits_beside(a.write(), x.lock, lambda: read(b))[0] is None
    assert waits_beside(b.write(), x.lock, lambda: read(a))[0] is None
    assert waits_beside(a.read(), x.lock, lambda: store(b))[0] is None
    assert waits_beside(b.read(), x.lock, lambda: store(a))[0] is None


@each_pair(OVERLAPPING)
def test_writers_of_overlapping_parts_wait(make, parts):
    x = make()
    a, b = parts(x)
    assert waits_beside(a.write(), x.lock, lambda: store(b)) == ("write", None)
    assert waits_beside(b.write(), x.lock, lambda: store(a)) == ("write", None)
    assert free(x)


@each_pair(OVERLAPPING)
def test_a_reader_and_a_writer_of_overlapping_parts_wait(make, parts):
    x = make()
    a, b = parts(x)
    reading = "write" if x.dtype.hasobject else "read"  # which runs code of the elements
    assert waits_beside(a.write(), x.lock, lambda: read(b))[0] == reading
    assert waits_beside(a.read(), x.lock, lambda: store(b))[0] == "write"


@each_pair(OVERLAPPING)
def test_readers_run_together_but_for_those_of_the_same_objects(make, parts):
    x = make()
    a, b = parts(x)
    waits = "write" if x.dtype.hasobject else None
    assert waits_beside(a.read(), x.lock, lambda: read(b))[0] == waits


@needs_regions
def test_more_writers_than_two_run_together():
    x = matrix()
    with held_elsewhere(x[:, 0].write()), held_elsewhere(x[:, 1:3].write()):
        with held_elsewhere(x[:3, 3:].write()), held_elsewhere(x[3:, 3:].read()):
            assert len(x.lock.holds()) == 4
            assert start(read, x[4, 5:]).result().shape == (3,)
            waiting = start(store, x[2:4, 4])
            assert waiting.waits_for(x.lock) == "write"
        waiting.result()
    assert free(x)


@needs_regions
@pytest.mark.parametrize("seed", range(4))
def test_the_lock_tells_apart_what_regions_tell_apart(seed):
    rng = random.Random(seed)

    def part():
        x, whole = rng.choice(arrays)
        while rng.random() < 0.7:
            axis = rng.randrange(x.ndim)
            steps = slice(rng.randrange(x.shape[axis]), None, rng.choice([1, 1, 2, 3, -1, -2]))
            x = x[(slice(None),) * axis + (steps,)]
        return x, whole

    x, r = LockedArray(np.zeros((8, 5, 3), complex)), LockedArray(np.zeros((7, 6), RECORD))
    whole_x, whole_r = Region.of(x).low, Region.of(r).low
    arrays = [(view, whole_x) for view in (x, x[1:], x.real, x.imag, x.T, x.reshape(-1, 6))]
    arrays += [(view, whole_r) for view in (r, r["a"], r["b"], r["c"], r.T["b"], r[2:, 1:4])]
    met = apart = 0
    while met < 40 or apart < 40:
        (a, origin), (b, other_origin) = part(), part()
        if origin != other_origin:
            continue
        expected = Region.of(a, origin).conflicts(Region.of(b, origin))
        with held_elsewhere(a.write()):
            guard = b.write(timeout=0)
            if expected:
                with pytest.raises(la.LockTimeout):
                    guard.acquire()
            else:
                guard.acquire()
                guard.release()
        met += expected
        apart += not expected
    assert free(x, r)


# -- operations ------------------------------------------------------------------------------------

OPERATIONS = {
    "b += 1": lambda x, b: b.__iadd__(1),
    "b[...] = 1": lambda x, b: b.__setitem__(..., 1),
    "b[2] = 1": lambda x, b: b.__setitem__(2, 1),
    "b[::2] += 1": lambda x, b: b[::2].__iadd__(1),
    "x[:, 3] += 1": lambda x, b: add_one(x, (slice(None), 3)),
    "b.at[2] += 1": lambda x, b: b.at[2].add(1),
    "np.add(b, 1, out=b)": lambda x, b: np.add(b, 1, out=b),
    "np.copyto(b, 1)": lambda x, b: np.copyto(b, 1),
    "b.fill(1)": lambda x, b: b.fill(1),
    "b.sort()": lambda x, b: b.sort(),
    "b.flat[2] = 1": lambda x, b: b.flat.__setitem__(2, 1),
    "b.sum()": lambda x, b: b.sum(),
    "np.median(b)": lambda x, b: np.median(b),
    "b[2]": lambda x, b: b[2],
    "str(b)": lambda x, b: str(b),
    "b + 1": lambda x, b: b + 1,
}

INDEXED = {
    "x[2, 3] = 1": lambda x: x.__setitem__((2, 3), 1),
    "x[:, 3] = 1": lambda x: x.__setitem__((slice(None), 3), 1),
    "x[2, 3]": lambda x: x[2, 3],
    "x.at[2, 3] += 1": lambda x: add_one(x.at, (2, 3)),
    "x.at[2, 3].add(1)": lambda x: x.at[2, 3].add(1),
    "x.at[2, 3].power(2)": lambda x: x.at[2, 3].power(2),
    "x.at[2, 3].get()": lambda x: x.at[2, 3].get(),
    "x.at[2, 3].exchange(1)": lambda x: x.at[2, 3].exchange(1),
    "x.at[2, 3].compare_exchange(0, 1)": lambda x: x.at[2, 3].compare_exchange(0, 1),
    "x.at[:, 3] += 1": lambda x: add_one(x.at, (slice(None), 3)),
    "x.at[:, 3].get()": lambda x: x.at[:, 3].get(),
    "x.at[:, 3].set(1)": lambda x: x.at[:, 3].set(1),
    "x.at[:, 3].apply(...)": lambda x: x.at[:, 3].apply(lambda values: values + 1),
}


def add_one(x, index):
    x[index] += 1


def each_operation(table):
    return pytest.mark.parametrize("operation", table.values(), ids=table.keys())


@needs_regions
@each_operation(OPERATIONS)
def test_an_operation_on_a_column_locks_that_column(operation):
    x = matrix()
    b = x[:, 3]
    assert waits_beside(x[:, 4].write(), x.lock, lambda: operation(x, b))[0] is None
    assert waits_beside(x[1:4, :3].write(), x.lock, lambda: operation(x, b))[0] is None
    assert waits_beside(x[2].write(), x.lock, lambda: operation(x, b))[0] is not None


@needs_regions
@each_operation(INDEXED)
def test_an_index_locks_what_it_selects(operation):
    x = matrix()
    assert waits_beside(x[:, 4].write(), x.lock, lambda: operation(x))[0] is None


@each_operation(INDEXED)
def test_an_index_waits_for_who_writes_what_it_selects(operation):
    x = matrix()
    assert waits_beside(x[:, 3].write(), x.lock, lambda: operation(x))[0] is not None


@needs_regions
def test_an_augmented_slice_runs_beside_a_writer_of_another_one():
    x = vector()
    assert waits_beside(x[0:10].write(), x.lock, lambda: add_one(x, slice(10, 20)))[0] is None
    assert waits_beside(x[0:10].write(), x.lock, lambda: add_one(x, slice(9, 20)))[0] == "write"
    assert x.snapshot().tolist() == [0.0] * 9 + [1.0] + [2.0] * 10 + [0.0] * 40


def fill_by_index(index, value):
    return lambda x: x.__setitem__(index, value)


GENERAL = {
    "a list": (vector, fill_by_index(slice(0, 2), [1, 2])),
    "a range": (vector, fill_by_index(slice(0, 2), range(2))),
    "a fraction": (vector, fill_by_index(0, Fraction(1, 2))),
    "a list for a row": (matrix, fill_by_index(0, [1] * 8)),
    "an index of NumPy's": (vector, fill_by_index(slice(np.int64(0), np.int64(2)), 1.5)),
    "complex numbers": (complexes, fill_by_index((0, 1), 1j)),
    "a list of complex numbers": (complexes, fill_by_index(0, [1j] * 5)),
    "a record": (records, fill_by_index(0, (1, 2, [3, 4, 5, 6]))),
    "a record of an array": (records, fill_by_index(0, np.ones((), RECORD))),
    "records": (records, fill_by_index(slice(0, 2), [(1, 2, [3, 4, 5, 6])] * 2)),
    "a field": (records, lambda x: x[:3].__setitem__("b", [1, 2, 3])),
    "a field of arrays": (records, lambda x: x[:3].__setitem__("c", 1)),
    "read a record": (records, lambda x: x[2].item()),
}


@pytest.mark.parametrize(("make", "operation"), GENERAL.values(), ids=GENERAL.keys())
def test_an_index_locks_what_it_selects_whatever_is_stored_there(make, operation):
    x = make()
    expected = x.snapshot()
    operation(expected)
    mode = waits_beside(x[3:].write(), x.lock, lambda: operation(x))[0]
    assert (mode is None) == (la.backend == "native")  # the portable core takes the whole Buffer
    assert repr(x.snapshot()) == repr(expected)
    assert waits_beside(x[:3].write(), x.lock, lambda: operation(x))[0] is not None
    assert free(x)


def test_to_store_in_one_field_runs_beside_a_writer_of_another():
    x = records()
    beside = None if la.backend == "native" else "write"
    for name, value in [("a", list(range(7))), ("c", [1, 2, 3, 4]), ("c", 5)]:
        mode = waits_beside(x["b"].write(), x.lock, partial(x.__setitem__, name, value))[0]
        assert mode == beside
    assert x["c"].tolist() == [[5] * 4] * 7


def test_objects_are_stored_and_read_one_at_a_time():
    # Since code of the elements runs, of those that are replaced, too.
    x = objects()
    assert waits_beside(x[3:].write(), x.lock, lambda: x.__setitem__((0, 1), 2))[0] == "write"
    assert waits_beside(x[3:].write(), x.lock, lambda: x[0, 1])[0] == "write"


@pytest.mark.parametrize("value", [[7] * 2, [[7] * 2] * 2], ids=str)
def test_an_index_that_waited_names_what_it_does_in_the_array_as_it_has_become(value):
    x = LockedArray(np.zeros((4, 6)))
    with x.lock.gen_wlock():
        call = start(x.__setitem__, (slice(0, 2), slice(2, 4)), value)
        assert call.waits_for(x.lock) == "write"
        x.resize((3, 8))
    call.result()
    expected = np.zeros((3, 8))
    expected[0:2, 2:4] = value
    assert x.snapshot().tolist() == expected.tolist()
    record = LockedArray(np.arange(24).reshape(4, 6).view([("number", "i8")]))
    with record.lock.gen_wlock():
        call = start(lambda: record[2, 0])
        assert call.waits_for(record.lock) == "read"
        record.resize((3, 8))
    assert call.result()["number"] == 16
    assert free(x, record)


PARTS = {
    "x.imag = 1": lambda x: setattr(x, "imag", 1),
    "x.imag = [...]": lambda x: setattr(x, "imag", [1, 2, 3, 4, 5]),
    "x.imag = array": lambda x: setattr(x, "imag", np.ones(5)),
    "x.imag += 1": lambda x: add_to(x, "imag", 1),
    "x[2:].imag = 1": lambda x: setattr(x[2:], "imag", 1),
    "x.T.imag += 1": lambda x: add_to(x.T, "imag", 1),
    "x.imag[2:] += 1": lambda x: add_one(x.imag, slice(2, None)),
    "x.imag = x.imag": lambda x: setattr(x, "imag", x.imag[::-1]),
}


def add_to(x, name, value):
    setattr(x, name, getattr(x, name).__iadd__(value))


@pytest.mark.parametrize("operation", PARTS.values(), ids=PARTS.keys())
def test_to_set_a_part_locks_that_part(operation):
    # The portable core takes the whole Buffer.
    x = complexes()
    beside = None if la.backend == "native" else "write"
    assert waits_beside(x.real.write(), x.lock, lambda: operation(x))[0] == beside
    assert waits_beside(x[:, 1].real.read(), x.lock, lambda: operation(x))[0] == beside
    assert waits_beside(x.imag.write(), x.lock, lambda: operation(x))[0] is not None
    assert waits_beside(x[3].write(), x.lock, lambda: operation(x))[0] is not None
    assert not x.real.any()
    assert free(x)


def test_to_update_a_part_of_a_slice_locks_that_part():
    x = LockedArray(np.zeros(30, complex))
    beside = None if la.backend == "native" else "write"
    for held in (x[10:20].imag, x[0:10].real, x[20:]):
        assert waits_beside(held.write(), x.lock, lambda: add_to(x[10:20], "real", 1))[0] == beside
    mode = waits_beside(x[19:21].real.write(), x.lock, lambda: add_to(x[10:20], "real", 1))[0]
    assert mode == "write"
    assert x.snapshot().tolist() == [0] * 10 + [4] * 10 + [0] * 10


def test_a_part_that_was_waited_for_is_that_of_what_the_array_has_become():
    x = LockedArray(np.zeros(3, complex))
    with x.lock.gen_wlock():
        call = start(setattr, x, "imag", 1)
        assert call.waits_for(x.lock) == "write"
        x.resize(5)
    call.result()
    assert x.imag.tolist() == [1, 1, 1, 1, 1]
    assert free(x)


@needs_regions
def test_operands_of_one_buffer_are_held_together():
    x = vector()
    a, b, c = x[0:10], x[10:20], x[20:30]
    adding, go_on = threading.Event(), threading.Event()

    def add(one, other):
        adding.set()
        assert go_on.wait(DEADLINE)
        return one + other + 1

    call = start(lambda: np.frompyfunc(add, 2, 1)(a, b, out=c, casting="unsafe"))
    try:
        assert adding.wait(DEADLINE)
        held = sorted((entry.low, entry.high, entry.mode) for entry in x.lock.holds())
        assert held == [(0, 80, "read"), (80, 160, "read"), (160, 240, "write")]
        assert {entry.thread for entry in x.lock.holds()} == {call.name}
        assert start(store, x[30:]).result() is None
        assert start(read, a).result().shape == (10,)
        writer, reader = start(store, b), start(read, x[25:35])
        assert writer.waits_for(x.lock) == "write"
        assert reader.waits_for(x.lock) == "read"
    finally:
        go_on.set()
    call.result()
    writer.result()
    assert reader.result().tolist() == [1.0] * 5 + [0.0] * 5
    assert free(x)


@needs_regions
@pytest.mark.parametrize("held", [0, 1, 2], ids=["a", "b", "c"])
def test_operands_of_one_buffer_are_taken_in_one_step(held):
    x = vector()
    parts = a, b, c = x[0:10], x[10:20], x[20:30]
    with held_elsewhere(parts[held].write()):
        call = start(lambda: np.add(a, b, out=c))
        # While it waits it holds nothing of all that.
        wait_until(
            lambda: (
                sorted(entry[1:] for entry in x.lock.holds() if entry.thread == call.name)
                == [("read", True, 0, 80), ("read", True, 80, 160), ("write", True, 160, 240)]
            )
        )
    call.result()


@needs_regions
def test_a_guard_of_two_columns_leaves_the_one_between_them_free():
    x = matrix()
    guard = la.acquire(write=(x[:, 0], x[:, 2]))
    assert waits_beside(guard, x.lock, lambda: store(x[:, 1]))[0] is None
    assert waits_beside(guard, x.lock, lambda: read(x[1:, 0]))[0] == "read"
    assert waits_beside(guard, x.lock, lambda: read(x[1:, 2]))[0] == "read"


# -- what holds() tells ----------------------------------------------------------------------------


@needs_regions
def test_holds_show_the_bytes_and_who_waits():
    x = matrix()
    with held_elsewhere(x[2].write()) as holder:
        writer = start(store, x[:, 3])
        assert writer.waits_for(x.lock) == "write"
        reader = start(read, x[2, 4:6])
        assert reader.waits_for(x.lock) == "read"
        entries = [
            (holder.name, "write", False, 128, 192),
            (writer.name, "write", True, 24, 352),
            (reader.name, "read", True, 160, 176),
        ]
        # Who waits is not shown in the moments in which it looks for signals.
        wait_until(lambda: x.lock.holds() == entries, lambda: repr(x.lock))
        assert holder.name in repr(x.lock)
    writer.result()
    reader.result()
    assert x.lock.holds() == []


@needs_regions
def test_holds_of_everything_have_the_length_of_the_array():
    x = vector()
    for array in (x, x[::-1], x.reshape(6, 10).T):
        with array.write():
            assert [(entry.low, entry.high) for entry in x.lock.holds()] == [(0, 480)]
    with x.lock.gen_wlock():
        assert [(entry.low, entry.high) for entry in x.lock.holds()] == [(None, None)]


@needs_regions
def test_holds_count_from_the_start_of_memory_that_is_shared():
    memory = np.zeros(20)
    x = LockedArray(memory[5:], copy=False)
    y = LockedArray(memory[:10], copy=False)
    assert x.lock is y.lock
    with held_elsewhere(x.write()):
        assert [(entry.low, entry.high) for entry in x.lock.holds()] == [(40, 160)]
        assert start(store, y[:5]).result() is None
        call = start(store, y)
        assert call.waits_for(x.lock) == "write"
    call.result()


# -- one thread, several regions -------------------------------------------------------------------


@needs_regions
def test_an_upgrade_waits_only_for_readers_of_what_is_written():
    x = vector()
    left, right = x[:30], x[30:]

    def write_to(array):
        with left.read():
            store(array)

    with held_elsewhere(left.read()):
        assert start(write_to, right).result() is None
        upgrade = start(write_to, left)
        assert upgrade.waits_for(x.lock) == "write"
    upgrade.result()
    assert free(x)


@needs_regions
def test_a_cycle_within_one_array_is_refused():
    x = vector()
    halves = x[:30], x[30:]
    both_inside = threading.Barrier(2)

    def write_the_other(own, other):
        with own.write():
            both_inside.wait(DEADLINE)
            try:
                store(other)
            except la.DeadlockError:
                return "refused"
        return "written"

    results = together(lambda: write_the_other(*halves), lambda: write_the_other(*halves[::-1]))
    assert sorted(results) == ["refused", "written"]
    assert free(x)


@needs_regions
def test_slices_with_unlike_steps_close_no_cycle():
    # Each thread holds a part, and then takes one that only looks as if the other held it.
    x, y = vector(), vector()
    guards = x[5:9:3].write(), y[6:11:4].write()
    one, other = Step(), Step()
    one.do(guards[0].acquire)
    other.do(guards[1].acquire)
    one.do(lambda: store(y[5:9:3]))
    other.do(lambda: store(x[6:11:4]))
    assert [len(array.lock.holds()) for array in (x, y)] == [1, 1]
    one.do(guards[0].release)
    other.do(guards[1].release)
    one.end()
    other.end()


@needs_regions
def test_slices_with_unlike_steps_that_share_an_item_close_a_cycle():
    x, y = vector(), vector()
    guards = x[5:9:3].write(), y[5:9:3].write()
    one, other = Step(), Step()
    one.do(guards[0].acquire)
    other.do(guards[1].acquire)
    one.begin(lambda: store(y[4:11:4]))  # 8 is in both
    assert one.waits_for(y.lock) == "write"
    with pytest.raises(la.DeadlockError):
        other.do(lambda: store(x[4:11:4]))
    other.do(guards[1].release)
    one.do(guards[0].release)
    one.end()
    other.end()


@needs_regions
def test_a_region_that_its_own_thread_holds_is_not_waited_for():
    x = matrix()
    with held_elsewhere(x[:, 0].write()), x[1, 1:].write():
        store(x[:, 1])
        store(x[:, 1:])
        assert len(x.lock.holds()) == 2


# -- resize ----------------------------------------------------------------------------------------


def moved(x, size):
    """Resize `x`, and make sure that its memory is elsewhere now."""
    before = np.asarray(x).ctypes.data
    x.resize(size)
    assert np.asarray(x).ctypes.data != before


@needs_regions
def test_views_lock_the_same_bytes_after_the_memory_moved():
    x = vector()
    a, b, odd = x[:10], x[20:30], x[21::2]
    moved(x, 100_000)
    with held_elsewhere(a.write()), held_elsewhere(odd.write()):
        assert [entry[3:] for entry in x.lock.holds()] in (
            [(0, 80), (168, 480)],
            [(168, 480), (0, 80)],
        )
        assert start(store, x[20::2]).result() is None
        assert start(store, x[60:]).result() is None
        assert start(store, x[10:21]).result() is None
        for overlapping in (b, x[9:11], x[:1], x[1::2]):
            with pytest.raises(la.LockTimeout):
                overlapping.write(timeout=0).acquire()
    assert free(x)


@needs_regions
def test_a_waiter_gets_the_array_as_it_is_when_the_memory_moved_meanwhile():
    x = vector()
    inside = threading.Event()

    def resize_once_somebody_waits():
        with x.write():
            inside.set()
            wait_until(lambda: x.lock.holds()[-1][2:] == (True, 0, 480))
            moved(x, 100_000)

    resizing = start(resize_once_somebody_waits)
    assert inside.wait(DEADLINE)
    with held_elsewhere(x.write()):
        resizing.result()
        assert [entry[2:] for entry in x.lock.holds()] == [(False, 0, 800_000)]
        call = start(store, x[50_000:])
        assert call.waits_for(x.lock) == "write"
    call.result()


def test_a_write_that_waited_goes_to_where_the_memory_moved():
    x = vector()
    part = x[2:4]
    inside = threading.Event()

    def resize_once_somebody_waits():
        with x.write():
            inside.set()
            wait_until(lambda: queued(x.lock))
            moved(x, 100_000)

    resizing = start(resize_once_somebody_waits)
    assert inside.wait(DEADLINE)
    part.fill(7)
    resizing.result()
    assert x[:5].snapshot().tolist() == [0, 0, 7, 7, 0]


# -- locks that arrays share -----------------------------------------------------------------------


def test_arrays_that_share_a_lock_exclude_each_other_whole():
    x = vector()
    y = LockedArray(np.zeros(60), lock=x.lock)
    z = LockedArray(np.zeros((3, 3)), lock=x.lock)
    for held, other in [(x[:2], y[50:]), (y[50:], x[:2]), (y[:, None], z[1]), (z[:, 1], x[::2])]:
        assert waits_beside(held.write(), x.lock, partial(store, other))[0] == "write"
        assert waits_beside(held.write(), x.lock, partial(read, other))[0] == "read"
        assert waits_beside(held.read(), x.lock, partial(read, other))[0] is None
    assert waits_beside(y[:2].write(), x.lock, lambda: store(y[2:]))[0] == "write"
    assert free(x, y, z)


def test_an_array_with_a_lock_of_its_own_runs_beside_the_others():
    x, y = vector(), vector()
    assert waits_beside(x.write(), y.lock, lambda: store(y))[0] is None


def test_a_region_lock_made_alone_becomes_that_of_arrays():
    lock = la.RegionLock()
    x, y = LockedArray(np.zeros(5), lock=lock), LockedArray(np.zeros(5), lock=lock)
    assert x.lock is y.lock is lock
    assert waits_beside(lock.gen_wlock(), lock, lambda: store(x[:1]))[0] == "write"
    assert waits_beside(lock.gen_rlock(), lock, lambda: read(x[:1]))[0] is None
    assert waits_beside(x[:1].write(), lock, lambda: store(y[4:]))[0] == "write"


# -- RegionLock alone ------------------------------------------------------------------------------


def taking(lock):
    with lock:
        return "taken"


def test_a_region_lock_alone_is_a_readers_writer_lock():
    lock = la.RegionLock()
    assert isinstance(lock, rwlock.RWLockable)
    reader, writer = lock.gen_rlock, lock.gen_wlock
    assert waits_beside(writer(), lock, lambda: taking(writer())) == ("write", "taken")
    assert waits_beside(writer(), lock, lambda: taking(reader())) == ("read", "taken")
    assert waits_beside(reader(), lock, lambda: taking(writer())) == ("write", "taken")
    assert waits_beside(reader(), lock, lambda: taking(reader())) == (None, "taken")
    assert lock.holds() == []


def test_holds_of_a_region_lock_name_threads_and_modes():
    lock = la.RegionLock()
    this_thread = threading.current_thread().name
    with held_elsewhere(lock.gen_rlock()) as reader, lock.gen_rlock():
        writer = start(taking, lock.gen_wlock())
        assert writer.waits_for(lock) == "write"
        entries = [(name, "read", False, None, None) for name in (reader.name, this_thread)]
        entries.append((writer.name, "write", True, None, None))
        wait_until(lambda: sorted(lock.holds()) == sorted(entries))
    assert writer.result() == "taken"
    assert lock.holds() == []


def test_a_region_lock_is_reentrant():
    lock = la.RegionLock()
    with lock.gen_wlock(), lock.gen_rlock(), lock.gen_wlock():
        assert start(lock.gen_rlock().acquire, False).result() is False
    assert lock.holds() == []
    assert start(taking, lock.gen_wlock()).result() == "taken"


# -- many at a time --------------------------------------------------------------------------------

THREADS = 8


@pytest.mark.parametrize("order", "CF")
def test_each_of_many_writers_adds_to_its_own_column(order):
    x = LockedArray(np.zeros((30, THREADS), order=order))

    def add_to(j):
        column = x[:, j]
        for _ in range(1000):
            column += 1
            x[:, j] += 1

    together(*(lambda j=j: add_to(j) for j in range(THREADS)))
    assert x.snapshot().tolist() == [[2000.0] * THREADS] * 30
    assert free(x)


def test_each_of_many_writers_adds_to_its_own_field():
    names = [f"f{j}" for j in range(THREADS)]
    x = LockedArray(np.zeros(30, [(name, "i4" if j % 3 else "f8") for j, name in enumerate(names)]))

    def add_to(name):
        field = x[name]
        for _ in range(1000):
            field += 1
            field[::2] -= 1

    together(*(lambda name=name: add_to(name) for name in names))
    for name in names:
        assert x[name].snapshot().tolist() == [0, 1000] * 15
    assert free(x)


def test_writers_of_columns_beside_writers_of_everything_lose_nothing():
    x = LockedArray(np.zeros((100, THREADS)))  # so many that NumPy lets other threads run

    def add_to(j):
        column = x[:, j]
        for i in range(400):
            column += 1
            if i % 4 == 0:
                np.add(x, 1, out=x)

    together(*(lambda j=j: add_to(j) for j in range(THREADS)))
    assert (x.snapshot() == 400 + 100 * THREADS).all()
    assert free(x)


@pytest.mark.parametrize("seed", range(2))
def test_writers_of_random_boxes_lose_nothing(seed):
    x = LockedArray(np.zeros((60, 70), np.int64))

    def add_to_boxes(number):
        rng = random.Random(f"{seed} {number}")
        added = np.zeros(x.shape, np.int64)
        for _ in range(250):
            box = tuple(
                slice(
                    rng.randrange(length // 2),
                    rng.randrange(length // 2, length),
                    rng.choice([1, 1, 2, 3]),
                )
                for length in x.shape
            )
            x[box] += number
            added[box] += number
        return added

    added = together(*(lambda n=n: add_to_boxes(n) for n in range(1, THREADS + 1)))
    assert np.array_equal(x.snapshot(), sum(added)), f"seed {seed}"
    assert free(x)


def test_operations_on_several_parts_of_one_buffer_never_close_a_cycle():
    # Each takes its three operands in one step, whatever their order.
    x = LockedArray(np.ones((20, 3)))
    a, b, c = x[:, 0], x[:, 1], x[:, 2]

    def keep_maximum(one, other, out):
        for _ in range(500):
            np.maximum(one, other, out=out)

    together(
        lambda: keep_maximum(a, b, c),
        lambda: keep_maximum(c, a, b),
        lambda: keep_maximum(b, c, a),
        lambda: keep_maximum(c, b, a),
    )
    assert (x.snapshot() == 1).all()
    assert free(x)
