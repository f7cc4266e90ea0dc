"""A waiter whose thread runs a signal handler keeps its place, and stands aside while the handler waits."""

import signal
import textwrap
from pathlib import Path

import pytest

from arrange import run_isolated

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="signals are sent to a thread of choice"
)

HELPERS = str(Path(__file__).parents[1])  # `threads`, `arrange`

SETUP = """
import os, signal, threading, time, warnings
import lockedarray as la
from arrange import free, held_elsewhere, queued
from threads import start, wait_until

MAIN = threading.main_thread()
x, y, z = la.zeros(3), la.zeros(3), la.zeros(3)
order = []
entered, go = threading.Event(), threading.Event()

def held(lock):
    return [(entry.thread, entry.mode) for entry in lock.holds() if not entry.waiting]

def long_enough():
    # No newcomer overtakes who has waited for so long.
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.01)

def strike():
    # Have the main thread run the handler, once. Should the signal come just before the system call
    # that waits, Python does not notice it: so it is sent until it is noticed.
    while not entered.is_set():
        signal.pthread_kill(MAIN.ident, signal.SIGUSR1)
        time.sleep(0.002)

def handle(function):
    def handler(*_):
        if not entered.is_set():
            entered.set()
            function()
    signal.signal(signal.SIGUSR1, handler)

def write(array, name, inside=None, leave=None):
    with array.write():
        order.append(name)
        if inside is not None:
            inside.set()
            assert leave.wait(30)

def begin(*args):
    # Have another thread write, and return once it waits.
    call = start(write, *args)
    assert call.waits_for(args[0].lock) == "write"
    return call

def holding(array):
    # Return what lets go of an array, which another thread has.
    hold = held_elsewhere(array.write())
    hold.__enter__()
    return lambda: hold.__exit__(None, None, None)

def refused(guard):
    try:
        with guard:
            return False
    except la.LockTimeout:
        return True
"""


def run(program):
    run_isolated(SETUP + textwrap.dedent(program), timeout=60, PYTHONPATH=HELPERS)


@pytest.mark.parametrize("ends", ["returns", "raises"])
def test_interrupted_waiter_is_granted_before_younger_ones(ends):
    run(
        f"""
class Struck(Exception):
    pass

def handler():
    assert go.wait(30)
    if {ends!r} == "raises":
        raise Struck

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    younger = begin(x, "younger")
    long_enough()
    strike()
    let_go()
    # It cannot look for itself, and so it has been given the lock.
    wait_until(lambda: held(x.lock) == [("MainThread", "write")])
    assert queued(x.lock) == [younger.name]
    for _ in range(50):
        assert refused(x.read(timeout=0)) and refused(x.write(timeout=0.001))
    assert not younger.done
    go.set()
    younger.result()

handle(handler)
let_go = holding(x)
director = start(direct)
try:
    write(x, "main")
except Struck:
    order.append("struck")
    assert "MainThread" not in [entry.thread for entry in x.lock.holds()]
director.result()
assert order == ["main", "younger"] or sorted(order) == ["struck", "younger"], order
assert free(x)
"""
    )


def test_interrupted_reader_is_granted_before_a_younger_writer():
    run(
        """
def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    younger = begin(x, "younger")
    long_enough()
    strike()
    let_go()
    wait_until(lambda: held(x.lock) == [("MainThread", "read")])
    go.set()
    younger.result()

handle(lambda: go.wait(30))
let_go = holding(x)
director = start(direct)
with x.read():
    order.append("main")
director.result()
assert order == ["main", "younger"], order
assert free(x)
"""
    )


def test_interrupted_waiter_keeps_its_place_while_its_handler_takes_other_locks():
    run(
        """
def handler():
    with y.write(), z.read():  # at once
        order.append("handler")
    assert refused(x.read(timeout=0))
    assert not y.lock.holds() and not z.lock.holds()
    assert go.wait(30)

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    younger = begin(x, "younger")
    long_enough()
    strike()
    wait_until(lambda: order == ["handler"])
    assert queued(x.lock) == ["MainThread", younger.name]
    go.set()
    let_go()
    younger.result()

handle(handler)
let_go = holding(x)
director = start(direct)
write(x, "main")
director.result()
assert order == ["handler", "main", "younger"], order
assert free(x, y, z)
"""
    )


def test_waiter_stands_aside_while_its_handler_waits_and_keeps_its_place():
    run(
        """
inside, leave = threading.Event(), threading.Event()

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    younger = begin(x, "younger", inside, leave)
    strike()
    wait_until(lambda: queued(y.lock) == ["MainThread"])
    long_enough()
    let_go_x()  # it is not granted while the thread waits for y, and keeps nobody waiting
    assert inside.wait(30)
    assert held(x.lock) == [(younger.name, "write")]
    youngest = begin(x, "youngest")
    assert queued(x.lock) == ["MainThread", youngest.name]
    let_go_y()
    wait_until(lambda: "handler" in order)
    assert held(x.lock) == [(younger.name, "write")]
    long_enough()
    leave.set()
    younger.result()
    youngest.result()

handle(lambda: write(y, "handler"))
let_go_x, let_go_y = holding(x), holding(y)
director = start(direct)
write(x, "main")
director.result()
assert order == ["younger", "handler", "main", "youngest"], order
assert free(x, y)
"""
    )


def test_nobody_queues_behind_a_waiter_that_stands_aside():
    run(
        """
def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    strike()
    wait_until(lambda: queued(y.lock) == ["MainThread"])
    long_enough()
    let_go_x()
    assert queued(x.lock) == ["MainThread"] and not held(x.lock)
    start(write, x, "newcomer").result()
    with x.write(timeout=0):
        pass
    let_go_y()  # the handler ends, and nobody else has to let go of x

handle(lambda: write(y, "handler"))
let_go_x, let_go_y = holding(x), holding(y)
director = start(direct)
write(x, "main")
director.result()
assert order == ["newcomer", "handler", "main"], order
assert free(x, y)
"""
    )


def test_handler_does_not_queue_behind_the_waiter_that_it_interrupted():
    run(
        """
def handler():
    for part in (x, x[1:]):
        with part.read(timeout=0):  # beside the reader that the writer waits for
            order.append("handler")

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    long_enough()
    assert refused(x.read(timeout=0))  # as others are
    strike()
    wait_until(lambda: len(order) == 2)
    let_go()

handle(handler)
hold = held_elsewhere(x.read())
hold.__enter__()
let_go = lambda: hold.__exit__(None, None, None)
director = start(direct)
write(x, "main")
director.result()
assert order == ["handler", "handler", "main"], order
assert free(x)
"""
    )


def test_handler_waits_for_the_lock_that_its_thread_waits_for():
    run(
        """
def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    strike()
    wait_until(lambda: queued(x.lock) == ["MainThread", "MainThread"])
    long_enough()
    let_go()

handle(lambda: write(x, "handler"))
let_go = holding(x)
director = start(direct)
write(x, "main")
director.result()
assert order == ["handler", "main"], order
assert free(x)
"""
    )


def test_wait_ends_by_what_its_handler_raises_out_of_a_wait_of_its_own():
    run(
        """
def handler():
    with y.write(timeout=0.02):
        pass

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    younger = begin(x, "younger")
    strike()
    wait_until(lambda: order == ["refused"])
    assert queued(x.lock) == [younger.name] and queued(y.lock) == []
    let_go_x()
    younger.result()
    let_go_y()

handle(handler)
let_go_x, let_go_y = holding(x), holding(y)
director = start(direct)
try:
    write(x, "main")
except la.LockTimeout:
    order.append("refused")
director.result()
assert order == ["refused", "younger"], order
assert free(x, y)
"""
    )


def test_circle_through_a_waiter_that_stands_aside_is_refused():
    run(
        """
def other():
    with x.write():
        has_x.set()
        assert close_circle.wait(30)
        try:
            z.fill(1)  # held by the main thread, which waits for x, outside its wait for y
        except la.DeadlockError:
            order.append("refused")

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    strike()
    wait_until(lambda: queued(y.lock) == ["MainThread"])
    close_circle.set()
    wait_until(lambda: order or queued(z.lock))
    let_go_y()

has_x, close_circle = threading.Event(), threading.Event()
handle(lambda: write(y, "handler"))
let_go_y = holding(y)
call = start(other)
assert has_x.wait(30)
director = start(direct)
try:
    with z.write():
        write(x, "main")
except la.DeadlockError:
    order.append("refused")
director.result()
call.result()
assert order.count("refused") == 1, order
assert free(x, y, z)
"""
    )


def test_child_that_is_forked_by_a_handler_goes_on_with_the_wait():
    run(
        """
warnings.simplefilter("ignore")  # of forking with threads
children = []

def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    younger = begin(x, "younger")
    strike()
    wait_until(lambda: children)
    assert os.waitpid(children[0], 0)[1] == 0
    let_go()
    younger.result()

handle(lambda: children.append(os.fork()))
let_go = holding(x)
director = start(direct)
signal.alarm(30)  # should the child hang; it inherits none
with x.write():
    if children[0] == 0:  # whoever held it, is not there
        os._exit(0 if held(x.lock) == [("MainThread", "write")] and not queued(x.lock) else 1)
director.result()
assert free(x)
"""
    )


TASK = """
import asyncio

def run_task(array, name):
    # As a program would that has its loop in a handler, or in a debugger.
    async def task():
        async with array.write():
            order.append(name)
    asyncio.run(task())
"""


def test_a_task_that_a_handler_runs_is_granted_the_lock():
    run(
        TASK
        + """
def direct():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    strike()
    wait_until(lambda: queued(y.lock))
    let_go_y()
    wait_until(lambda: order == ["task"])
    let_go_x()

handle(lambda: run_task(y, "task"))
let_go_x, let_go_y = holding(x), holding(y)
director = start(direct)
write(x, "main")
director.result()
assert order == ["task", "main"], order
assert free(x, y)
"""
    )


def test_a_task_of_a_handler_stands_aside_while_the_handler_waits():
    run(
        TASK
        + """
def both():
    async def task():
        async with y.write():
            order.append("task")
    async def main():
        waits = asyncio.create_task(task())
        while not queued(y.lock):
            await asyncio.sleep(0)
        write(z, "handler")  # in the thread, which cannot go on with the task meanwhile
        await waits
    asyncio.run(main())

def direct():
    with z.write():
        has_z.set()
        wait_until(lambda: queued(z.lock))
        let_go_y()
        with y.write():  # not behind the task, nor refused for its sake
            order.append("other")
    wait_until(lambda: "task" in order)
    let_go_x()

def interrupt():
    wait_until(lambda: queued(x.lock) == ["MainThread"])
    strike()

has_z = threading.Event()
handle(both)
let_go_x, let_go_y = holding(x), holding(y)
director = start(direct)
assert has_z.wait(30)
interrupter = start(interrupt)
write(x, "main")
director.result()
interrupter.result()
assert order == ["other", "handler", "task", "main"], order
assert free(x, y, z)
"""
    )
