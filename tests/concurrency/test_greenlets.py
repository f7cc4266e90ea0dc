"""Greenlets that are switched in the middle of an operation: what it holds, it holds until it goes on and ends."""

import sys
import textwrap
from pathlib import Path

import pytest

from arrange import run_isolated

pytest.importorskip("greenlet")

pytestmark = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)() and sys.version_info < (3, 14),
    reason="greenlet 3.2, the last one with wheels for free-threaded 3.13, crashes there by itself",
)

HELPERS = str(Path(__file__).parents[1])  # `threads`, `arrange`

SETUP = """
import gc, warnings
import greenlet
import numpy as np
import lockedarray as la
from arrange import free, held_elsewhere, queued
from threads import start, wait_until

warnings.simplefilter("always")
x, y = la.LockedArray(np.arange(4.0)), la.zeros(3)
back = greenlet.getcurrent()
switched = []

def away():
    # Out of the middle of an operation, once: to where its greenlet was switched to.
    if not switched:
        switched.append(True)
        back.switch()

def deep(calls):
    # Write over the stack that the greenlet had.
    y.fill(calls)
    with y.write() as raw:
        np.add(raw, y, out=raw)
    y.sort()
    if calls:
        deep(calls - 1)
"""

# Each calls away() in the middle of an operation on x, which ends when it returns.
OPERATIONS = {
    "frompyfunc": """
    def f(value):
        away()
        return value + 1
    def operation():
        assert np.frompyfunc(f, 1, 1)(x).tolist() == [1, 2, 3, 4]
    """,
    "frompyfunc, out": """
    objects = la.LockedArray(np.arange(4.0).astype(object))
    def f(value):
        away()
        return value + 1
    def operation():
        np.frompyfunc(f, 1, 1)(x, out=objects)
        assert objects.tolist() == [1, 2, 3, 4] and free(objects)
    """,
    "errstate": """
    def handler(kind, flag):
        away()
    def operation():
        with np.errstate(divide="call", call=handler):
            assert np.divide(1.0, x)[0] == np.inf
    """,
    "errstate, in place": """
    def handler(kind, flag):
        away()
    def operation():
        with np.errstate(divide="call", call=handler):
            np.divide(1.0, x, out=x)
    """,
    "warning": """
    def show(*_, **__):
        away()
    def operation():
        warnings.showwarning = show
        assert (1.0 / x)[0] == np.inf
    """,
    "__array_ufunc__": """
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            away()
            return [type(value) for value in inputs]
    def operation():
        assert np.add(x, Other()) == [np.ndarray, Other]
    """,
    "__array_function__": """
    class Other:
        def __array_function__(self, function, types, args, kwargs):
            away()
            return "other's"
    def operation():
        assert np.concatenate([x, Other()]) == "other's"
    """,
    "apply": """
    def f(value):
        away()
        return value + 1
    def operation():
        assert x.at[0].apply(f) == 1
    """,
    "element": """
    class Element:
        def __add__(self, other):
            away()
            return other
    x = la.LockedArray(np.array([Element()] * 4, object))
    def operation():
        assert (x + 5).tolist() == [5] * 4
    """,
    "element that is replaced": """
    class Element:
        def __del__(self):
            away()
    x = la.LockedArray(np.array([None] * 4, object))
    x[1] = Element()
    def operation():
        x[...] = 5
    """,
    "guard": """
    def operation():
        with x.write() as raw:
            away()
            raw += 1
    """,
    "guard of several": """
    def operation():
        with la.acquire(write=x[1:], read=x[:1]) as (raw, _):
            away()
            raw += 1
    """,
}


def run(program, operation=""):
    run_isolated(
        SETUP + textwrap.dedent(operation) + textwrap.dedent(program),
        timeout=60,
        PYTHONPATH=HELPERS,
    )


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operation_whose_greenlet_is_switched_away_holds_until_it_ends(operation):
    run(
        """
worker = greenlet.greenlet(operation)
worker.switch()
assert switched and not worker.dead
held = x.lock.holds()
assert held and not any(entry.waiting for entry in held), held
call = start(x.fill, 7)
assert call.waits_for(x.lock) == "write"
deep(100)
assert x.lock.holds() == held + [entry for entry in x.lock.holds() if entry.waiting]
assert queued(x.lock) == [call.name]
worker.switch()
assert worker.dead
call.result()
assert x.tolist() == [7] * 4, x
assert free(x, y)
""",
        operation,
    )


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("end", ["worker.throw()", "del worker"])
def test_greenlet_that_is_killed_in_the_middle_of_an_operation_lets_go(operation, end):
    if "__del__" in operation:
        pytest.skip("a finalizer has nobody to raise to")
    run(
        f"""
worker = greenlet.greenlet(operation)
worker.switch()
call = start(x.fill, 7)
assert call.waits_for(x.lock) == "write"
deep(100)
{end}
gc.collect()
call.result()
assert x.tolist() == [7] * 4, x
assert free(x, y)
""",
        operation,
    )


def test_operations_of_several_greenlets_end_in_any_order():
    run(
        """
def f(value):
    mine = greenlet.getcurrent()
    if mine not in switched:
        switched.append(mine)
        back.switch()
    return value + 1

workers = [greenlet.greenlet(lambda: np.frompyfunc(f, 1, 1)(x).tolist()) for _ in range(5)]
for worker in workers:
    worker.switch()
call = start(x.fill, 7)
assert call.waits_for(x.lock) == "write"
for i in (2, 0, 4, 1, 3):
    assert queued(x.lock) == [call.name]
    deep(50)
    assert workers[i].switch() == [1, 2, 3, 4]
call.result()
assert free(x, y)
"""
    )


def test_greenlets_of_one_thread_are_one_owner():
    run(
        """
guard = x.write()

def enter():
    with x.write(timeout=0) as raw:  # although another greenlet is inside
        raw += 1
    x.fill(3)
    guard.release()  # and whichever may give back what the thread has

guard.acquire()
call = start(x.fill, 7)
assert call.waits_for(x.lock) == "write"
greenlet.greenlet(enter).switch()
call.result()
assert x.tolist() == [7] * 4
assert free(x)
"""
    )


def test_greenlets_that_take_turns_wait_for_other_threads_as_one():
    run(
        """
def work():
    for _ in range(50):
        with x.write() as raw:
            before = raw[0]
            raw[0] += 1
        back.switch()

workers = [greenlet.greenlet(work) for _ in range(3)]
others = [start(lambda: [x.at[0].add(1) for _ in range(100)]) for _ in range(2)]
while workers:
    for worker in list(workers):
        worker.switch()
        if worker.dead:
            workers.remove(worker)
for call in others:
    call.result()
assert x[0] == 350, x
assert free(x)
"""
    )
