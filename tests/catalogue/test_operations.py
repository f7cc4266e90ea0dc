"""Every operation of the catalogue waits when it must, and only then, and does what NumPy does."""

from __future__ import annotations

import contextlib
import gc
import re
import sys

import numpy as np
import pytest

import lockedarray as la
import threads
from catalogue import CATALOGUE
from catalogue.counting import CountingLock
from catalogue.hostile import sabotaged
from catalogue.operation import Call, Outcome
from catalogue.same import check_same

pytestmark = [
    pytest.mark.timeout(60),
    # NumPy warns of deprecated functions and of NaN results; what is compared is what it does.
    pytest.mark.filterwarnings("ignore"),
]

SUCCEEDING = [operation for operation in CATALOGUE if not operation.raises]
LOCKING = [
    operation
    for operation in SUCCEEDING
    if any(operation.mode(root) != "none" for root in operation.roots)
]
LOCK_FREE = [
    operation
    for operation in CATALOGUE
    if any(operation.mode(root) == "none" for root in operation.roots)
]


def every(operations):
    return pytest.mark.parametrize("operation", operations, ids=str)


def locked_arrays(call):
    return [array for array in call.arrays.values() if isinstance(array, la.LockedArray)]


def check_nothing_is_held(call):
    for array in locked_arrays(call):
        assert array.lock.holds() == []


def check_same_as_numpy(call, outcome):
    """Fail unless `call`, with this outcome, did what NumPy does to plain arrays."""
    check_nothing_is_held(call)
    plain = Call.plain(call.operation)
    check_same(call, outcome, plain, plain.outcome())


def waits(mode, array):
    """The mode in which who needs this one waits for another: none if there is nothing to lock."""
    return mode if array.nbytes or array.base is None else None


@every(LOCKING)
def test_it_waits_for_a_writer_and_then_sees_what_that_has_written(operation):
    for root in operation.roots:
        mode = operation.mode(root)
        if mode == "none":
            continue
        locked = [root] if operation.stands_alone(root) else operation.roots
        call = Call(operation, locked)
        array = call.arrays[root]
        with array.write() as raw:
            written = raw.copy()
            raw[...] = np.zeros((), raw.dtype)
            running = threads.start(call.outcome)
            assert running.waits_for(array.lock) == waits(mode, array)
            raw[...] = written
        check_same_as_numpy(call, running.result())


@every(LOCKING)
def test_it_waits_for_a_reader_only_if_it_writes(operation):
    for root in operation.roots:
        mode = operation.mode(root)
        call = Call.all_locked(operation)
        array = call.arrays[root]
        with array.read():
            running = threads.start(call.outcome)
            waited = running.waits_for(array.lock)
        assert waited == (waits("write", array) if mode == "write" else None)
        check_same_as_numpy(call, running.result())


@every(LOCK_FREE)
def test_it_makes_a_view_or_touches_no_data_and_waits_for_nobody(operation):
    for root in operation.roots:
        if operation.mode(root) != "none":
            continue
        call = Call.all_locked(operation)
        array = call.arrays[root]
        with array.write():
            running = threads.start(call.outcome)
            waited = running.waits_for(array.lock)
        assert waited is None
        check_same_as_numpy(call, running.result())


@every([operation for operation in LOCKING if operation.steps is not None])
def test_it_is_one_atomic_step(operation):
    locks = {root: CountingLock() for root in operation.roots}
    call = Call(operation, operation.roots, locks=locks)
    call()
    numbers = [locks[root].number for root in operation.roots]
    expected = [operation.steps if operation.mode(root) != "none" else 0 for root in locks]
    assert numbers == expected


@every(CATALOGUE)
def test_it_does_what_numpy_does(operation):
    choices = [operation.roots]
    if len(operation.roots) > 1:  # the others plain, in turn
        choices += [[root] for root in operation.roots if operation.stands_alone(root)]
    for locked in choices:
        call = Call(operation, locked)
        check_same_as_numpy(call, call.outcome())
    raised = Call.plain(operation).outcome().error is not None
    assert raised is operation.raises, "the entry is wrong about whether NumPy raises"


@every(LOCKING)
def test_it_leaves_nothing_held_when_it_raises(operation):
    if sys.version_info >= (3, 14) and re.search("matmul|matvec|vecmat", operation.name):
        pytest.skip("NumPy's matmul of objects that raise can crash there, of plain arrays, too")
    number_raised = 0
    for how, variant in sabotaged(operation):
        plain = Outcome.of(Call.plain, variant)
        if plain.error is not None:  # such arrays have no such view
            continue
        call = Call.all_locked(variant)
        with _no_garbage_collection():
            ours, theirs = call.outcome(), plain.value.outcome()
        check_nothing_is_held(call)
        if isinstance(theirs.error, SystemError):
            continue  # NumPy returned a result, and left an error behind: where that strikes is chance
        assert type(ours.error) is type(theirs.error), f"{how}: {ours.error!r}, {theirs.error!r}"
        number_raised += ours.error is not None
    can_fail = operation.name not in UNFAILING and any(root.values.size for root in operation.roots)
    assert number_raised or not can_fail, "nothing made it raise"


@contextlib.contextmanager
def _no_garbage_collection():
    """Have element code raise the same whenever it is called.

    NumPy's `dot` of objects goes on to the next elements when one has raised, with the exception
    set, and Python makes a SystemError of their exceptions.  But from 3.12 on a garbage collection,
    should one be due just then, drops the exception, and the last element may raise its own.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# What takes no arguments and does nothing with an element but copy it.
UNFAILING = frozenset(
    """
    __getitem__ __setitem__ __iter__ __next__ __array__ __copy__ __reduce__ __new__ copy index
    coords at.get read _ones_like real imag
    """.split()
)


@every([operation for operation in LOCKING if operation.name not in ("freeze", "setflags")])
def test_it_refuses_to_write_to_a_frozen_array_and_reads_it_without_the_lock(operation):
    call = Call.all_locked(operation, read_only=True)
    plain = Call.plain(operation, read_only=True)
    ours, theirs = call.outcome(), plain.outcome()
    check_nothing_is_held(call)
    modes = {operation.mode(root) for root in operation.roots if root.mode != "read"}
    if "write" in modes and theirs.error is None:  # where NumPy forgets to look at the flag
        assert isinstance(ours.error, ValueError)
        return
    check_same(call, ours, plain, theirs)
