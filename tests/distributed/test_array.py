"""The proxy: what is done with a DistributedArray is done, once and as one step, by its owner."""

import asyncio
import contextvars
import itertools
import operator
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import pytest
from distributed import Client, Variable

import lockedarray as la
from lockedarray._cores import locks_regions
from lockedarray._distributed import guards
from lockedarray._distributed import link as links
from lockedarray._distributed.clients import Scheduler
from lockedarray.distributed import (
    DistributedArray,
    LeaseExpired,
    OwnerLost,
    attach,
    create,
    delete,
)

da = pytest.importorskip("dask.array")

by_regions = pytest.mark.skipif(not locks_regions, reason="this core locks the whole array")

ROWS = 7
OPERATORS = [
    "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor",
    "ilshift", "irshift",
]  # fmt: skip


numbers = itertools.count(1)


def filled(client, shards=1, dtype=float, shape=(ROWS, 3)):
    """Return a new array of 1, 2, 3, ..., and a plain one of the same."""
    plain = np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype)
    # The name of one that was just deleted is not free at once.
    array = create(client, shape, dtype, name=f"array {next(numbers)}", shards=shards)
    array[...] = plain
    return array, plain


@pytest.fixture(params=[1, 3], ids=["one block", "three blocks"])
def shards(request):
    return request.param


@pytest.fixture
def pair(client, shards):
    return filled(client, shards)


@pytest.fixture
def x(client):
    """An array of one block."""
    return filled(client)[0]


@pytest.fixture
def y(client):
    """An array of three blocks, which begin with the rows 0, 2 and 4."""
    return filled(client, 3)[0]


@pytest.fixture
def kinds(monkeypatch):
    """The kinds of the calls that are made from now on."""
    made = []
    call = links.Link.call

    async def noted(self, kind, *arguments, **named):
        made.append(kind)
        return await call(self, kind, *arguments, **named)

    monkeypatch.setattr(links.Link, "call", noted)
    return made


def elsewhere(function, *arguments):
    """Return what a function returns in a thread that has none of this one's leases."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments).result()


# -- what it is ------------------------------------------------------------------------------------


def test_a_new_array_is_of_zeros_and_tells_what_it_is(client, shards):
    x = create(client, (5, 2), np.int16, name="told", shards=shards)
    assert isinstance(x, DistributedArray)
    assert (x.shape, x.ndim, x.size, x.nbytes, len(x)) == ((5, 2), 2, 10, 20, 5)
    assert (x.dtype, x.name, len(x.owners)) == (np.int16, "told", shards)
    assert x.generation >= 1
    assert "'told': shape (5, 2), int16" in repr(x)
    assert np.array_equal(x, np.zeros((5, 2)))


def test_a_client_attaches_what_another_has_made(client, x):
    other = attach(client, x.name)
    other[0] = 9
    assert (x[0] == 9).all()
    with pytest.raises(LookupError, match="no array 'nothing'"):
        attach(client, "nothing")


def test_a_taken_name_is_refused(client, x):
    with pytest.raises(ValueError, match="taken"):
        create(client, 3, name=x.name)


def test_it_is_the_same_as_itself_and_can_be_a_key(client, x):
    assert x == x
    assert not x != x
    assert {x: 1}[x] == 1
    assert weakref.WeakKeyDictionary({x: 1})[x] == 1
    with pytest.raises(TypeError, match=r"np\.asarray\(x\) == v"):
        x == attach(client, x.name)


def test_it_has_no_truth_value_and_no_in(x):
    with pytest.raises(TypeError, match="np.asarray"):
        bool(x)
    with pytest.raises(TypeError, match="np.asarray"):
        1 in x


BINARY = ["+", "-", "*", "/", "//", "%", "**", "@", "<<", ">>", "&", "^", "|"]
REFUSED = [
    *(f"x {sign} v" for sign in [*BINARY, "==", "!=", "<", "<=", ">", ">="]),
    *(f"v {sign} x" for sign in [*BINARY, "==", "!="]),
    "-x", "+x", "~x", "abs(x)", "divmod(x, v)", "divmod(v, x)", "pow(x, v)",
]  # fmt: skip


@pytest.mark.parametrize("expression", REFUSED)
def test_an_operator_is_refused_and_says_what_to_write(x, expression):
    with pytest.raises(TypeError) as raised:
        eval(expression, {"x": x, "v": 2})
    told = str(raised.value)
    assert "x.update(function), which computes at the owner" in told
    instead = told.partition(": write ")[2].partition(", which says so")[0]
    if expression.startswith("v") and ("=" in expression):  # which Python turns around
        instead = instead.replace("np.asarray(x)", "X").replace("v", "np.asarray(x)")
        instead = instead.replace("X", "v")
    assert instead.replace("np.asarray(x)", "x") == expression.replace("pow(x, v)", "x ** v")


def test_what_an_ndarray_has_beside_is_refused_and_says_what_to_write(x):
    with pytest.raises(AttributeError, match=r"np\.asarray\(x\)\.sum\(\) .*raw\.sum\(\)\)"):
        x.sum()
    with pytest.raises(AttributeError, match=r"np\.asarray\(x\)\.T works"):
        x.T
    for name in "nothing", "_nothing", "__array_interface__":
        with pytest.raises(AttributeError, match=f"no attribute '{name}'$"):
            getattr(x, name)


def test_it_takes_no_attributes_and_loses_no_elements(x):
    with pytest.raises(AttributeError):
        x.nothing = 3
    with pytest.raises(AttributeError):
        x.shape = (21,)
    with pytest.raises(TypeError, match="popleft"):
        del x[0]


def test_it_tells_where_its_blocks_begin(x, y):
    assert (x.starts, y.starts) == ((0,), (0, 2, 4))


def test_an_array_without_axes_has_no_length(client):
    x = create(client, (), name="no axes")
    x[...] = 3
    x[()] += 1
    assert x[()] == 4
    assert (x.shape, np.asarray(x).shape) == ((), ())
    with pytest.raises(TypeError, match="unsized"):
        len(x)


def test_its_rows_are_iterated_over(pair):
    x, plain = pair
    assert np.array_equal(list(x), plain)
    with pytest.raises(ValueError, match="read-only"):
        for row in x:
            row += 1


# -- elements --------------------------------------------------------------------------------------

INDICES = [
    2, -1, (3, 1), slice(1, 6), slice(None, None, -2), (slice(2, 5), 1), [6, 0, 0], ([0, 5], [1, 2]),
    ..., None, (..., 0), np.arange(ROWS) % 2 == 0, slice(3, 3), [], np.int64(4),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_what_an_index_selects_is_what_numpy_selects(client, index, shards):
    x, plain = filled(client, shards)
    found, expected = x[index], plain[index].copy()
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    assert not isinstance(found, np.ndarray) or not found.flags.writeable
    x[index] = 50
    x[index] += expected
    plain[index] = 50
    plain[index] += expected
    assert np.array_equal(x, plain)


@pytest.mark.parametrize("index", [99, (0, 0, 0), "a", 1.5], ids=repr)
def test_what_numpy_refuses_is_refused_with_its_error(pair, index):
    x, plain = pair
    with pytest.raises(IndexError) as expected:
        plain[index]
    for act in (
        lambda: x[index],
        lambda: operator.setitem(x, index, 1),
        lambda: x.at[index].add(1),
        lambda: x.update(len, index),
    ):
        with pytest.raises(IndexError) as raised:
            act()
        assert str(expected.value) in str(raised.value) or "region" in str(raised.value)
    with pytest.raises(IndexError):
        x[index] += 1
    with pytest.raises(ValueError, match="broadcast"):
        x[...] = [1, 2]
    assert np.array_equal(x, plain)


def test_operands_may_be_arrays_of_any_kind(client, pair):
    x, plain = pair
    other, values = filled(client)
    for operand in (
        values,
        values.tolist(),
        la.array(values),
        other,
        da.from_array(values, chunks=2),
        np.ma.masked_equal(values, 2),
    ):
        x[...] = 0
        x[...] = operand
        x[1:] += operand[1:]
        x.at[0].add(operand[0])
        assert np.array_equal(x, 2 * plain)


def test_an_index_may_be_an_array_of_any_kind(client, pair):
    x, plain = pair
    rows = create(client, 2, int, name="rows")
    rows[...] = [5, 1]
    for index in rows, la.array([5, 1]), da.from_array(np.array([5, 1])):
        assert np.array_equal(x[index], plain[[5, 1]])
        assert np.array_equal(x[index, 1], plain[[5, 1], 1])


def test_an_array_is_an_operand_of_itself(pair):
    x, plain = pair
    x += x
    assert np.array_equal(x, 2 * plain)


def test_what_is_read_is_no_place_to_write_to(pair):
    x, plain = pair
    for index in 0, slice(1, 6), [5, 0], ...:
        with pytest.raises(ValueError, match="read-only"):
            x[index][0] = 2
    for whole in x.snapshot(), x.snapshot(consistent=True), np.asarray(x):
        whole[0] = 2
    assert np.array_equal(x, plain)


def test_a_record_that_is_read_is_no_place_to_write_to(client, shards):
    x = create(client, 6, [("a", int), ("b", float)], name="records", shards=shards)
    record = x[5]
    with pytest.raises(ValueError, match="read-only"):
        record["a"] = 1
    assert record.dtype == x.dtype
    assert record.item() == (0, 0.0)


def test_fields_are_read_and_written(client, shards):
    x = create(client, 6, [("a", int), ("b", float)], name="fields", shards=shards)
    x["a"] = np.arange(6)
    x["a"] += 1
    x[1] = (7, 0.5)
    assert x["a"].tolist() == [1, 7, 3, 4, 5, 6]
    assert x[1].item() == (7, 0.5)
    assert x[["b"]].dtype.names == ("b",)


# -- x[i] op= v ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("index", [(3, 1), 1, slice(1, 6), [5, 0]], ids=repr)
def test_an_augmented_assignment_is_done_by_the_owner(client, shards, name, index, kinds):
    dtype = float if name == "itruediv" else int
    x, plain = filled(client, shards, dtype)
    del kinds[:]
    operate = getattr(operator, name)
    source = "x[index] OP v".replace("OP", {
        "iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=",
        "imod": "%=", "ipow": "**=", "iand": "&=", "ior": "|=", "ixor": "^=", "ilshift": "<<=",
        "irshift": ">>=",
    }[name])  # fmt: skip
    exec(source, {"x": x, "index": index, "v": 2})
    if la.atomic_augmented_assignment:
        assert set(kinds) <= {"augment", "describe"}
    plain[index] = operate(plain[index], 2)
    assert np.array_equal(x, plain)


def test_no_augmented_assignment_of_several_threads_is_lost(client, x):
    def work():
        mine = attach(client, x.name)
        for _ in range(20):
            mine[0, 0] += 1
            mine[1:3] += 1
            mine += 1

    before = x.snapshot()
    with ThreadPoolExecutor(3) as executor:
        list(executor.map(lambda _: work(), range(3)))
    before += 60
    before[0, 0] += 60
    before[1:3] += 60
    assert np.array_equal(x, before)


def test_an_operand_is_computed_before_anything_is_sent(x):
    def fails():
        raise LookupError

    before = x.snapshot()
    with pytest.raises(LookupError):
        x[0] += fails()
    with pytest.raises(np._core._exceptions._UFuncNoLoopError):
        x[0] += "text"
    assert np.array_equal(x, before)


def test_an_operator_on_the_whole_keeps_the_proxy(pair):
    x, plain = pair
    same = x
    x += 1
    x *= plain
    x //= 2
    assert x is same
    assert np.array_equal(x, (plain + 1) * plain // 2)


def test_plain_arithmetic_is_numpys_with_a_snapshot(pair):
    x, plain = pair
    for made, expected in (
        (np.add(x, 1), plain + 1),
        (plain * x, plain * plain),
        (plain == x, plain == plain),
        (np.float64(2) * x, 2 * plain),
        (la.array(plain) - x, plain - plain),
        (np.sum(x, axis=0), plain.sum(axis=0)),
        (np.asarray(x, np.float32), plain.astype(np.float32)),
    ):
        assert type(made) is np.ndarray
        assert made.dtype == expected.dtype
        assert np.array_equal(made, expected)
    with pytest.raises(ValueError, match="copy"):
        x.__array__(copy=False)
    assert np.array_equal(x, plain)


# -- x.at ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [(3, 1), -1, slice(1, 6), [5, 0, 5], ([6, 6], [1, 1])], ids=repr)
@pytest.mark.parametrize(
    ("method", "operands"),
    [
        ("get", ()), ("set", (5,)), ("add", (2,)), ("subtract", (2,)), ("multiply", (3,)),
        ("divide", (4,)), ("power", (2,)), ("min", (8,)), ("max", (8,)), ("exchange", (1,)),
        ("apply", (lambda a: a + 1,)), ("compare_exchange", (20, 0)),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)  # fmt: skip
def test_at_does_what_it_does_here(client, shards, index, method, operands):
    x, plain = filled(client, shards)
    local = la.LockedArray(plain)
    made = getattr(x.at[index], method)(*operands)
    expected = getattr(local.at[index], method)(*operands)
    assert type(made) is type(expected)
    for one, other in zip(np.atleast_1d(made), np.atleast_1d(expected), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(x, local)


@pytest.mark.parametrize("name", OPERATORS)
def test_at_accumulates_by_operators(client, shards, name):
    dtype = float if name == "itruediv" else int
    x, plain = filled(client, shards, dtype)
    local = la.LockedArray(plain)
    elements = x.at[[6, 6, 0]]
    assert getattr(operator, name)(elements, 2) is elements
    getattr(operator, name)(local.at[[6, 6, 0]], 2)
    assert np.array_equal(x, local)


def test_at_takes_statements(pair):
    x, plain = pair
    x.at[1] += 2
    x.at[0] = 5
    plain[1] += 2
    plain[0] = 5
    assert np.array_equal(x, plain)


def test_operands_of_at_are_split_between_the_blocks(pair):
    x, plain = pair
    assert np.array_equal(x.at[1:6].add(plain[1:6]), 2 * plain[1:6])
    assert x.at[:, 0].compare_exchange(plain[:, 0], [0] * ROWS).swapped.sum() == 2
    with pytest.raises(ValueError, match="broadcast"):
        x.at[1:6].set([1, 2])


def test_at_is_no_value(x):
    with pytest.raises(TypeError, match=r"x\.at\[i\]\.get\(\)"):
        x.at[0] + 1
    with pytest.raises(TypeError, match="not a value"):
        x.at[0] = x.at[1]
    with pytest.raises(TypeError, match="function"):
        x.at[0].apply(3)


# -- what is shipped -------------------------------------------------------------------------------


def test_an_update_changes_a_region_in_place_and_returns_what_the_function_does(x):
    plain = x.snapshot()

    def halve(raw):
        raw /= 2
        return raw.shape, float(raw.sum())

    assert x.update(halve, slice(2, 4)) == ((2, 3), plain[2:4].sum() / 2)
    plain[2:4] /= 2
    assert np.array_equal(x, plain)


def test_an_update_that_raises_changes_nothing_and_the_error_comes_here(x):
    plain = x.snapshot()

    def fail(raw):
        raw[...] = 0
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        x.update(fail)
    assert np.array_equal(x, plain)
    with pytest.raises(TypeError, match="function"):
        x.update(3)


def test_an_update_of_several_blocks_is_called_for_each(y):
    plain = y.snapshot()
    assert y.update(len) == [2, 2, 3]
    assert y.update(len, slice(3, 6)) == [1, 2]
    assert y.update(lambda raw: raw.sum(), 5) == plain[5].sum()


def test_an_update_that_would_wait_for_itself_is_told_so(client):
    x = create(client, 3, name="itself")
    with pytest.raises(la.DeadlockError):
        x.update(lambda raw: x[0], 0)


@by_regions
def test_an_update_may_ask_for_what_it_does_not_have(client):
    x = create(client, 3, name="beside")
    assert x.update(lambda raw: float(x[1]), 0) == 0


def test_who_waits_for_a_predicate_is_told_when_it_is_true(client, x):
    def waited():
        return x.wait_for(lambda raw: raw[0, 0] > 50 and raw.sum(), region=slice(0, 1))

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(waited)
        x[0] = 20  # once with and once without the predicate true, in whatever order
        assert not waiting.done()
        x[0] = 60
        assert waiting.result() == 180
    assert x.wait_for(lambda raw: raw[0, 0] > 100, timeout=0.01) is np.False_


def test_nobody_waits_for_several_blocks_at_once(y):
    with pytest.raises(ValueError, match="region="):
        y.wait_for(lambda raw: True)
    assert y.wait_for(lambda raw: raw.shape == (1, 3), region=slice(2, 3))
    with pytest.raises(TypeError, match="predicate"):
        y.wait_for(3, region=0)


# -- guards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", [..., 1, (2, 1), slice(2, 5), (slice(None), 1)], ids=repr)
def test_what_a_guard_yields_comes_back_in_one_commit(x, region):
    plain = x.snapshot()
    with x.write(region) as raw:
        assert type(raw) is np.ndarray
        assert np.array_equal(raw, plain[region])
        raw += 10
        raw[...] *= 2
    plain[region] = (plain[region] + 10) * 2
    assert np.array_equal(x, plain)
    with pytest.raises(ValueError, match="read-only"):
        raw[...] = 0


def test_an_exception_in_a_guard_commits_nothing_and_frees_the_region(x):
    plain = x.snapshot()
    with pytest.raises(LookupError), x.write() as raw:
        raw[...] = 0
        raise LookupError
    assert np.array_equal(x, plain)
    x[0] = 1


@by_regions
def test_a_reader_has_a_copy_that_is_read_only_and_keeps_writers_away(x):
    with x.read(slice(0, 2)) as raw:
        with pytest.raises(ValueError, match="read-only"):
            raw[...] = 0
        assert np.array_equal(elsewhere(x.__getitem__, 0), raw[0])
        with pytest.raises(la.LockTimeout):
            elsewhere(x.update, len, 0, 0)
        x[5] = 0
    x[0] = 0


@by_regions
def test_a_region_that_is_not_free_in_time_is_not_waited_for_longer(x):
    with x.write(1):
        with pytest.raises(la.LockTimeout):
            elsewhere(x.write(slice(0, 3), timeout=0.01).__enter__)
        assert elsewhere(x.write(2, timeout=0).__enter__).shape == (3,)


@by_regions
def test_what_would_wait_for_its_own_guard_is_told_so(x):
    with x.write(slice(0, 2)):
        with pytest.raises(la.DeadlockError):
            x[0] += 1
        with pytest.raises(la.DeadlockError):
            x.write(1).__enter__()
        with x.write(2) as raw:
            raw[...] = 0
        with pytest.raises(la.DeadlockError):
            x.snapshot()
    x[0] += 1
    assert (x[2] == 0).all()


def test_a_lease_that_is_over_changes_nothing(x, until):
    plain = x.snapshot()
    with pytest.raises(LeaseExpired), x.write(0, lease=0.05) as raw:
        raw[...] = 0
        elsewhere(x.update, len)  # which has waited until it was over
    with pytest.raises(LeaseExpired), x.read(0, lease=0.05):
        elsewhere(x.update, len)
    assert np.array_equal(x, plain)


def test_a_guard_can_be_used_again_but_not_twice_at_once(x):
    guard = x.write(0)
    for _ in range(2):
        with guard as raw:
            raw += 1
    with guard, pytest.raises(RuntimeError, match="in use"):
        guard.__enter__()
    assert x[0, 0] == 3
    assert "write guard" in repr(guard)


def test_a_guard_within_one_block_of_several_has_that_region(y):
    plain = y.snapshot()
    with y.write(slice(4, 6)) as raw:
        assert np.array_equal(raw, plain[4:6])
        raw[...] = 0
    plain[4:6] = 0
    assert np.array_equal(y, plain)


def test_a_guard_of_several_blocks_is_refused_and_tells_where_they_begin(y):
    with pytest.raises(ValueError, match="rows 0, 2, 4"):
        y.write().__enter__()
    with pytest.raises(IndexError, match="region"):
        y.write([0, 1]).__enter__()


@pytest.mark.parametrize(
    ("lease", "error"), [(0, ValueError), (float("nan"), ValueError), ("3", TypeError)]
)
def test_a_lease_is_a_number_of_seconds(x, lease, error):
    with pytest.raises(error, match="seconds"):
        x.write(lease=lease)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(-1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError), ("1", TypeError),
     ([], TypeError), (True, TypeError)],
    ids=repr,
)  # fmt: skip
def test_a_timeout_is_a_number_of_seconds(x, timeout, error, kinds):
    for act in (
        lambda: x.update(len, timeout=timeout),
        lambda: x.wait_for(len, timeout),
        lambda: x.write(timeout=timeout),
        lambda: x.read(timeout=timeout),
        lambda: x.append([0, 0, 0], timeout=timeout),
        lambda: x.popleft(timeout=timeout),
        lambda: x.freeze(timeout=timeout),
        lambda: x.checkpoint(timeout=timeout),
        lambda: x.snapshot(timeout=timeout),
        lambda: x.snapshot(consistent=True, timeout=timeout),
    ):
        with pytest.raises(error, match=r"timeout must be .*seconds"):
            act()
    assert not set(kinds) - {"set"}


def test_what_needs_all_of_it_waits_no_longer_than_it_is_told_to(client, tmp_path, shards):
    x = create(client, (6, 3), name="waited", checkpoint=tmp_path / "waited", shards=shards)
    acts = [
        lambda timeout: x.append([1, 1, 1], timeout=timeout),
        lambda timeout: x.checkpoint(timeout=timeout),
        lambda timeout: x.snapshot(timeout=timeout),
        lambda timeout: x.snapshot(consistent=True, timeout=timeout),
        lambda timeout: x.freeze(timeout=timeout),
    ]
    if shards == 1:
        acts.insert(0, lambda timeout: x.popleft(timeout=timeout))
    with x.write(5):
        for act in acts:
            with pytest.raises(la.LockTimeout):
                elsewhere(act, 0.01)
    assert x.shape == (6, 3)
    for act in acts:
        act(60)
    assert x.frozen


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal for one thread")
def test_a_wait_for_a_lease_that_is_interrupted_leaves_none(client, x, monkeypatch):
    execute = links.Link._execute

    async def interrupting(self, function, arguments):
        if function == "call" and b"lease" in arguments[2]:
            monkeypatch.undo()
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return await execute(self, function, arguments)

    def held():
        with x.write():
            has_it.set()
            may_end.wait()

    has_it, may_end = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        holding = executor.submit(held)
        has_it.wait()
        monkeypatch.setattr(links.Link, "_execute", interrupting)
        guard = x.write(lease=300)
        try:
            with pytest.raises(KeyboardInterrupt):
                guard.__enter__()
        finally:
            may_end.set()
        holding.result()
    assert x.update(lambda raw: 7, timeout=60) == 7
    with guard as raw:
        raw[...] = 1
    assert (x[...] == 1).all()


def test_a_wait_for_a_lease_that_is_cancelled_leaves_none(in_loop, x, monkeypatch):
    execute = links.Link._execute
    asked = []

    async def noted(self, function, arguments):
        if asked and function == "call" and b"lease" in arguments[2]:
            asked.pop().set()
        return await execute(self, function, arguments)

    async def work(client):
        mine = await attach(client, x.name)
        async with mine.write():
            asked.append(is_asked := asyncio.Event())
            other = contextvars.Context()  # one that has no lease, and so has to wait
            loop = asyncio.get_running_loop()
            waiting = loop.create_task(mine.write(lease=300).__aenter__(), context=other)
            await is_asked.wait()
            await mine.frozen  # until it has arrived, as this has
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        return await mine.update(lambda raw: 7, timeout=20)

    monkeypatch.setattr(links.Link, "_execute", noted)
    assert in_loop(work) == 7


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_acquisition_that_nobody_waits_for_any_more_leaves_no_lease(x, monkeypatch, where):
    # As an interrupt does that comes when Dask does not wait yet, or not any more.
    guard = x.write(lease=300)
    block_of, entered = DistributedArray._block_of, guards.LeaseGuard._entered

    async def interrupted_before(self, *arguments):
        found = await block_of(self, *arguments)
        guard._abandon()
        return found

    def interrupted_after(self, outcome):
        entered(self, outcome)
        raise KeyboardInterrupt

    if where == "before":
        monkeypatch.setattr(DistributedArray, "_block_of", interrupted_before)
    else:
        monkeypatch.setattr(guards.LeaseGuard, "_entered", interrupted_after)
    with pytest.raises((KeyboardInterrupt, LeaseExpired)):
        guard.__enter__()
    monkeypatch.undo()
    assert x.update(len, timeout=20) == ROWS  # in this very thread, which has no region
    with guard as raw:
        raw[...] = 1


def test_an_interrupt_at_the_end_of_a_guard_leaves_no_lease(x, monkeypatch):
    leave = guards.LeaseGuard._leave

    def interrupted(self):
        monkeypatch.undo()
        leave(self)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), x.write(lease=300):
        monkeypatch.setattr(guards.LeaseGuard, "_leave", interrupted)
    assert x.update(len, timeout=20) == ROWS


# -- all of it -------------------------------------------------------------------------------------


def test_a_consistent_snapshot_has_all_blocks_at_one_moment(y):
    plain = y.snapshot()
    assert np.array_equal(y.snapshot(consistent=True), plain)
    with ThreadPoolExecutor(1) as executor:
        with y.write(6) as raw:
            snapshot = executor.submit(y.snapshot, True)

            def is_had():
                try:
                    y.update(len, 0, timeout=0)
                except la.LockTimeout:
                    return True
                return False

            while not is_had():  # until the first block is had, and the last is waited for
                pass
            raw[...] = 0
        plain[6] = 0
        assert np.array_equal(snapshot.result(), plain)
    y[...] = 0  # nothing is held any more


def test_a_consistent_snapshot_that_is_cancelled_leaves_no_leases(in_loop, y, monkeypatch):
    call = links.Link.call
    ending = []

    async def noted(self, kind, *arguments, **named):
        if kind == "end" and ending:
            ending.pop().set()
            await asyncio.sleep(0)  # where it is cancelled a second time
        return await call(self, kind, *arguments, **named)

    async def work(client):
        mine = await attach(client, y.name)
        ending.append(is_ending := asyncio.Event())
        taken = asyncio.create_task(mine.snapshot(consistent=True))
        await is_ending.wait()
        taken.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taken
        return await mine.update(len, timeout=20)

    monkeypatch.setattr(links.Link, "call", noted)
    assert in_loop(work) == [2, 2, 3]


@pytest.mark.parametrize(
    "dtype",
    [">f8", ">U3", "S2", "m8[s]", np.dtype([("a", "u1"), ("b", "f8")], align=True),
     np.dtype({"names": ["b", "a"], "formats": ["f8", "u1"], "offsets": [8, 0], "itemsize": 32})],
    ids=str,
)  # fmt: skip
def test_a_snapshot_has_the_dtype_of_the_array(client, shards, dtype):
    x = create(client, 6, dtype, name=f"of {dtype}", shards=shards)
    for snapshot in x.snapshot(), x.snapshot(consistent=True), np.asarray(x):
        assert snapshot.dtype == x.dtype == np.dtype(dtype)
        assert snapshot.shape == (6,)


@pytest.mark.parametrize(
    "index", [-1, np.int64(-1), (-1, 0), slice(-2, None), slice(-2, -1), slice(5, None)], ids=repr
)
def test_what_counts_from_the_end_counts_rows_that_come_meanwhile(client, y, monkeypatch, index):
    plain = np.concatenate([y.snapshot(), [[7, 8, 9]]])
    call = links.Link.call
    other = attach(client, y.name)

    async def late(self, kind, *arguments, **named):
        if kind == "get":
            monkeypatch.undo()
            await other._append((), [7, 8, 9], None)
        return await call(self, kind, *arguments, **named)

    monkeypatch.setattr(links.Link, "call", late)
    assert np.array_equal(y[index], plain[index])
    assert np.array_equal(y, plain)


@pytest.mark.parametrize(
    "index", [-1, -3, -4, (-1, 0), slice(-2, None), slice(-3, -1), slice(5, None), slice(4, -1),
              slice(-1, 6), slice(-2, 3), slice(-2, -5), slice(9, None), slice(6, 2), slice(3, None),
              slice(-1, None, -1), (slice(-2, None), [0, 1])], ids=repr
)  # fmt: skip
def test_what_counts_from_the_end_is_what_numpy_counts(y, index):
    plain = y.snapshot()
    assert np.array_equal(y[index], plain[index])
    y[index] += 1
    plain[index] += 1
    assert np.array_equal(y, plain)


def test_a_shape_is_not_older_than_the_question(x, monkeypatch):
    call = links.Link.call

    async def overtaken(self, kind, *arguments, **named):
        outcome = await call(self, kind, *arguments, **named)
        if kind == "describe":
            self.shape = (2, 3)  # of an answer that was sent before, and arrives after it
        return outcome

    monkeypatch.setattr(links.Link, "call", overtaken)
    assert (len(x), x.shape) == (ROWS, (ROWS, 3))


def test_a_consistent_snapshot_under_a_guard_of_the_array_is_told_so(y):
    with y.write(6):
        with pytest.raises(la.DeadlockError):
            y.snapshot(consistent=True)
        y[0] = 0  # nothing is held any more


def test_rows_are_appended_at_the_end(client, pair):
    x, plain = pair
    grown = np.concatenate([plain, [[1, 2, 3]], plain[:2]])
    with Client(client.scheduler.address, set_as_default=False) as another:
        other = attach(another, x.name)
        assert np.array_equal(other[-1], plain[-1])
        assert x.append([1, 2, 3]) == ROWS
        assert np.array_equal(other[ROWS], [1, 2, 3])
        assert x.append(plain[:2]) == ROWS + 1
        assert other.shape == (ROWS + 3, 3)
        assert x.append([4, 5, 6]) == ROWS + 3
        assert np.array_equal(other[-1], [4, 5, 6])
        assert x.append([7, 8, 9]) == ROWS + 4
        assert np.array_equal(other[:], [*grown, [4, 5, 6], [7, 8, 9]])
    with pytest.raises(ValueError, match="broadcast"):
        x.append([1, 2])


def test_rows_leave_an_array_of_one_block_only(x, y):
    plain = x.snapshot()
    removed = x.popleft(2)
    assert np.array_equal(removed, plain[:2])
    removed[...] = 0  # which nobody else has
    assert np.array_equal(x, plain[2:])
    with pytest.raises(IndexError):
        x.popleft(99)
    with pytest.raises(ValueError, match="shards=1"):
        y.popleft()


def test_what_frozen_is_read_only(pair):
    x, plain = pair
    assert x.frozen is False
    x.freeze()
    x.freeze()
    assert x.frozen is True
    for act in (
        lambda: x.__setitem__(0, 1),
        lambda: x.at[0].add(1),
        lambda: x.write(0).__enter__(),
        lambda: x.update(lambda raw: raw.fill(0)),
    ):
        with pytest.raises(ValueError, match=r"read-only|frozen"):
            act()
    assert np.array_equal(x, plain)


def test_a_checkpoint_is_what_an_array_begins_with(client, shards, tmp_path):
    path = tmp_path / "saved"
    x = create(client, (5, 2), name="saved", shards=shards, checkpoint=path)
    x[...] = 3
    x.append([4, 4])
    x.checkpoint()
    x[...] = 0
    x.delete()
    again = create(client, (5, 2), name="saved", shards=shards, checkpoint=path)
    assert again.generation > x.generation
    assert again[...].tolist() == [[3, 3]] * 5 + [[4, 4]]


def test_without_a_checkpoint_there_is_none_to_write(pair):
    with pytest.raises(ValueError, match="checkpoint="):
        pair[0].checkpoint()


def test_what_is_deleted_is_lost_and_its_name_free(client, pair):
    x, _ = pair
    x.delete()
    with pytest.raises(LookupError):
        attach(client, x.name)
    again = create(client, 2, name=x.name)
    for act in lambda: x[0], lambda: x.at[0].set(1):
        with pytest.raises(OwnerLost):
            act()
    assert again[...].tolist() == [0, 0]


def test_what_would_move_too_much_is_refused_before_it_does(pair, kinds):
    x, plain = pair
    del kinds[:]
    with dask.config.set({"lockedarray.transfer-limit": "100 B"}):
        for act in (
            lambda: x[...],
            lambda: x[[0] * 5],
            lambda: x.__setitem__(slice(0, 5), plain[:5]),
            lambda: x.at[:].add(1),
            lambda: x.at[0].add(plain),
            lambda: np.asarray(x),
        ):
            with pytest.raises(ValueError, match=r"would move .*x\.update"):
                act()
        with pytest.raises(ValueError, match=r"x\.write.* would move"):
            x.write(...).__enter__()
        assert not set(kinds) - {"describe"}
        x[...] = 0
        x[0] += 1
        x.at[:] += 1
        assert x.snapshot().sum() == plain.size + 3


# -- elsewhere -------------------------------------------------------------------------------------


def test_a_task_has_the_same_array(client, pair):
    x, plain = pair

    def work(x, row):
        x[row] += 100
        return x.shape, x.snapshot().shape

    done = client.map(work, [x] * ROWS, range(ROWS), pure=False)
    assert client.gather(done) == [(plain.shape, plain.shape)] * ROWS
    assert np.array_equal(x, plain + 100)


def test_a_task_that_is_a_coroutine_awaits(client, x):
    async def work(x):
        await x.at[0].add(1)
        async with x.write(1) as raw:
            raw[...] = 0
        return await x[0, 0]

    assert client.submit(work, x, pure=False).result() == 2
    assert (x[1] == 0).all()


def test_without_a_client_it_says_that_there_is_none(client, x):
    carried = pickle.loads(pickle.dumps(x))
    again = pickle.loads(pickle.dumps(carried))
    assert repr(x.name) in repr(again)
    with pytest.raises(RuntimeError, match=r"without a Dask client.*tcp://"):
        again[0]
    with client.as_current():
        assert np.array_equal(again, x)


def test_the_client_of_another_cluster_is_not_used(client, x):
    carried = pickle.loads(pickle.dumps(x))
    carried._scheduler = Scheduler("tcp://127.0.0.1:1", "Scheduler-1")
    done = client.submit(lambda carried: carried[0], carried, pure=False)
    with pytest.raises(RuntimeError, match="tcp://127.0.0.1:1"):
        done.result()
    with client.as_current(), pytest.raises(RuntimeError, match="tcp://127.0.0.1:1"):
        carried[0]


def test_a_scheduler_may_have_several_addresses(client, x):
    carried = pickle.loads(pickle.dumps(x))
    carried._scheduler = carried._scheduler._replace(address="tls://of-another-network:1")
    assert client.submit(lambda carried: carried.shape, carried, pure=False).result() == (ROWS, 3)
    with client.as_current():
        assert np.array_equal(carried, x)


def test_dask_arrays_are_made_of_it_and_stored_to_it(client, pair):
    x, plain = pair
    with client.as_current():
        made = da.from_array(x, chunks=(3, 2))
        assert made.shape == plain.shape
        assert float((made + 1).sum().compute()) == plain.sum() + plain.size
        da.store(2 * da.from_array(plain, chunks=(3, 2)), x)
        assert np.array_equal(x, 2 * plain)
        da.store(da.from_array(plain, chunks=(3, 2)), x, lock=False)
        assert np.array_equal(x, plain)


def test_dask_does_not_take_two_snapshots_for_one(client, x):
    with client.as_current():
        before = da.from_array(x, chunks=-1)
        x[...] = 0
        after = da.from_array(x, chunks=-1)
        assert before.name != after.name
        assert float(after.sum().compute()) == 0


def test_dask_passes_it_on_by_every_way_it_has(client, x):
    y = attach(client, x.name)

    def shapes(*arrays, **named):
        return [array.shape for array in (*arrays, *named.values())]

    with client.as_current():
        assert client.submit(shapes, x, y, named=x).result() == [(ROWS, 3)] * 3
        assert client.submit(lambda given: shapes(*given["a"]), {"a": [x, y]}).result()
        assert client.submit(lambda x: x, x).result().name == x.name
        assert client.submit(shapes, client.scatter(x)).result() == [(ROWS, 3)]
        assert client.gather(client.map(shapes, [x, y], other=x)) == [[(ROWS, 3)] * 2] * 2
        assert dask.compute(dask.delayed(shapes)(x, y), {"a": [x]})[0] == [(ROWS, 3)] * 2
        again = Variable(f"variable of {x.name}")
        again.set(x)
        assert again.get().shape == (ROWS, 3)
        ones = da.ones((ROWS, 3), chunks=(2, 3))
        da.store([ones, 2 * ones], [x, y], lock=False)
        added = da.map_blocks(lambda chunk, array: chunk + array.shape[0], ones, x)
        assert (added.compute() == 1 + ROWS).all()


# -- clients ---------------------------------------------------------------------------------------


def test_an_array_of_a_closed_client_says_so_at_once(client, x, kinds):
    with Client(client.scheduler.address, set_as_default=False) as another:
        y = attach(another, x.name)
        guard, late = y.write(0), y.write(1, lease=1)  # on the portable core of all rows
        late.__enter__()
    del kinds[:]
    for act in (
        lambda: y[0],
        lambda: y.__setitem__(0, 1),
        lambda: y.shape,
        lambda: len(y),
        lambda: np.asarray(y),
        lambda: y.at[0].add(1),
        lambda: y.update(len),
        lambda: y.append([0, 0, 0]),
        lambda: y.frozen,
        lambda: y.client,
        lambda: pickle.dumps(y),
        guard.__enter__,
        lambda: y.read().__enter__(),
        lambda: late.__exit__(None, None, None),
    ):
        with pytest.raises(RuntimeError, match=r"closed: attach\(client, 'array \d+'\)"):
            act()
    assert kinds == []
    assert repr(x.name) in repr(y)
    assert (y.name, y.dtype, y.ndim) == (x.name, x.dtype, 2)
    x.update(len, 0)  # what is after the block that has ended is not taken for a part of it


def test_a_call_whose_client_is_closed_says_that_it_is_open_what_happened(client, x, kinds, until):
    another = Client(client.scheduler.address, set_as_default=False)
    y = attach(another, x.name)
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(y.wait_for, lambda raw: raw[0, 0] > 50)
        until(lambda: "wait_for" in kinds)
        another.close()
        with pytest.raises(RuntimeError, match=r"was closed while .* is unknown; attach\("):
            waiting.result()


@pytest.mark.parametrize("no_client", ["name", None, 3])
def test_what_is_no_client_is_refused(no_client):
    for act in (
        lambda: create(no_client, 3, name="nobody's"),
        lambda: attach(no_client, "nobody's"),
        lambda: delete(no_client, "nobody's"),
    ):
        with pytest.raises(TypeError, match=r"client must be a distributed\.Client"):
            act()


def test_a_closed_client_is_refused(client):
    with Client(client.scheduler.address, set_as_default=False) as another:
        pass
    for act in (
        lambda: create(another, 3, name="nobody's"),
        lambda: attach(another, "nobody's"),
        lambda: delete(another, "nobody's"),
    ):
        with pytest.raises(ValueError, match="the client is closed"):
            act()


# -- asynchronous clients --------------------------------------------------------------------------


def test_with_an_asynchronous_client_all_is_awaited(in_loop, shards):
    async def work(client):
        x = await create(client, (6, 2), name="awaited", shards=shards)
        assert x.shape == (6, 2)
        await x.at[...].set(1)
        assert (await x[1]).tolist() == [1, 1]
        other = await attach(client, "awaited")
        assert (await x.at[...].add(other))[0].tolist() == [2, 2]
        with pytest.raises(ValueError, match="broadcast"):
            await x.at[0].add(other)
        assert (await x.snapshot(consistent=True)).sum() == 24
        await x.delete()
        with pytest.raises(OwnerLost):
            await x[0]

    in_loop(work)


def test_an_asynchronous_client_guards_regions(in_loop):
    async def work(client):
        x = await create(client, (6, 2), name="guarded")
        async with x.write(slice(0, 2)) as raw:
            raw[...] = 5
            with pytest.raises(la.DeadlockError):
                await x[0]
        async with x.read(0) as raw:
            assert raw.tolist() == [5, 5]
        with pytest.raises(LookupError):
            async with x.write() as raw:
                raw[...] = 0
                raise LookupError
        with pytest.raises(LeaseExpired):
            async with x.write(lease=0.01) as raw:
                raw[...] = 0
                await asyncio.sleep(0.1)
        assert await x.append([1, 1]) == 6
        assert x.shape == (7, 2)
        assert await x.frozen is False
        assert await x.update(lambda raw: float(raw.sum())) == 22
        assert await x.wait_for(lambda raw: len(raw) == 7)
        snapshot = await x.snapshot(consistent=True)
        await x.delete()
        return snapshot.sum()

    assert in_loop(work) == 22


def test_what_can_not_be_awaited_is_refused_and_named(in_loop):
    async def work(client):
        x = await create(client, (6, 2), name="refused")
        with pytest.raises(TypeError, match=r"await x\.at\[i\]\.set\(v\)"):
            x[0] = 1
        with pytest.raises(TypeError, match=r"await x\.at\[i\]\.set\(v\)"):
            x.at[0] = 1
        with pytest.raises(TypeError, match=r"await x\.snapshot\(\)"):
            np.asarray(x)
        with pytest.raises(TypeError, match=r"await x\.snapshot\(\)"):
            iter(x)
        with pytest.raises(TypeError, match="async with"), x.write():
            pass
        await x.delete()

    in_loop(work)


@pytest.mark.parametrize(
    "sign", ["+", "-", "*", "/", "**", "//", "%", "@", "<<", ">>", "&", "^", "|"]
)
def test_the_remedy_of_an_augmented_assignment_is_the_one_of_its_operator(in_loop, x, sign):
    methods = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}

    async def work(client):
        mine = await attach(client, x.name)
        statements = [("x[0]", "x[i]", "i"), ("x", "x", "..."), ("x.at[0]", "x.at[i]", "i")]
        if sign == "@":
            del statements[2]
        for statement, told, index in statements:
            if sign in methods:
                remedy = f"await x.at[{index}].{methods[sign]}(v)"
            else:
                remedy = f"await x.update(function, region={index})"
            with pytest.raises(TypeError) as raised:
                exec(f"{statement} {sign}= 1", {"x": mine})
            assert str(raised.value).endswith(f"write '{remedy}' in place of {told} {sign}= v")

    in_loop(work)


def test_what_is_not_awaited_is_named(in_loop, x):
    async def work(client):
        mine = await attach(client, x.name)
        calls = {
            "attach": lambda: attach(client, x.name),
            "create": lambda: create(client, 3, name="never"),
            "delete": lambda: delete(client, x.name),
            "DistributedArray.__getitem__": lambda: mine[0],
            "DistributedArray.append": lambda: mine.append([1, 1, 1]),
            "DistributedArray.frozen": lambda: mine.frozen,
            "DistributedArray.update": lambda: mine.update(len),
            "DistributedAtIndex.add": lambda: mine.at[0].add(1),
        }
        for name, call in calls.items():
            with pytest.warns(RuntimeWarning, match=f"'{name}' was never awaited"):
                call()

    in_loop(work)


def test_what_is_refused_says_what_to_await(in_loop, x):
    async def work(client):
        mine = await attach(client, x.name)
        for act in lambda: mine + 1, lambda: mine == 1, lambda: mine.sum():
            with pytest.raises(
                (TypeError, AttributeError), match=r"\(await x\.snapshot\(\)\).*await x\.update\("
            ):
                act()
        with pytest.raises(TypeError, match=r"for row in await x\.snapshot\(\)"):
            async for _ in mine:
                pass

    in_loop(work)


def test_an_asynchronous_client_that_is_closed_is_named_when_it_is_asked(in_loop, x):
    async def work(client):
        async with Client(
            client.scheduler.address, asynchronous=True, set_as_default=False
        ) as another:
            mine = await attach(another, x.name)
        for act in lambda: mine[0], lambda: mine.append([0, 0, 0]), lambda: mine.frozen:
            with pytest.raises(RuntimeError, match="is closed: attach"):
                act()
        with pytest.raises(RuntimeError, match="is closed: attach"):
            async with mine.write():
                pass

    in_loop(work)


def test_async_with_is_refused_of_a_client_that_blocks(x):
    async def work():
        async with x.write():
            pass

    with pytest.raises(TypeError, match="write 'with"):
        asyncio.run(work())


# -- importing -------------------------------------------------------------------------------------


def run_python(source):
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60
    )


def test_without_distributed_it_says_what_to_install():
    source = "import sys; sys.modules['distributed'] = None; import lockedarray.distributed"
    assert "pip install lockedarray[distributed]" in run_python(source).stderr


def test_it_is_imported_when_it_is_asked_for():
    source = (
        "import sys, lockedarray as la; assert 'distributed' not in sys.modules; "
        "print(la.distributed.create.__module__)"
    )
    assert run_python(source).stdout == "lockedarray.distributed\n"
