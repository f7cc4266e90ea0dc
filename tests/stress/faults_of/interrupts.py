"""Ctrl-C at each bytecode of a statement, in the library's code too."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading

import lockedarray as la
from stress import faulting
from stress.faulting import CATALOGUE, Fault, whole
from stress.striking import RAISE, SIGNAL, Elsewhere, strikes

STATEMENTS = {}


class Arranged:
    """Arrays, a statement `act` on them, and what each array may be afterwards."""

    def __init__(self, *arrays):
        self.arrays = arrays
        self.may_be = []

    def end(self):
        """Undo what the arrangement needs."""


def statement(arrange):
    STATEMENTS[arrange.__name__.strip("_")] = arrange
    return arrange


def arranged(*arrays):
    """Return an arrangement whose statement is the function that is decorated."""

    def of(act):
        made = Arranged(*arrays)
        made.act = act
        return made

    return of


@statement
def write():
    x = la.zeros(3)

    @arranged(x)
    def act():
        with x.write() as raw:
            raw += 1

    return act


@statement
def read():
    x = la.zeros(3)

    @arranged(x)
    def act():
        with x.read() as raw:
            raw.sum()

    return act


@statement
def acquire():
    x, y = la.zeros(3), la.ones(3)

    @arranged(x, y)
    def act():
        with la.acquire(write=x, read=y) as (written, other):
            written += other

    return act


@statement
def async_with():
    x = la.zeros(3)

    async def work():
        async with x.write() as raw:
            raw += 1

    loop = asyncio.new_event_loop()

    @arranged(x)
    def act():
        loop.run_until_complete(work())

    def end():
        asyncio._set_running_loop(None)  # which the loop, if it was struck itself, has not done
        loop._thread_id = None
        loop.close()

    act.end = end
    return act


@statement
def add_to_an_element():
    x = la.zeros(3)

    @arranged(x)
    def act():
        x[1] += 1

    return act


@statement
def add_to_a_mask():
    x = la.zeros(3)
    mask = [True, True, False]

    @arranged(x)
    def act():
        x[mask] += 1

    return act


@statement
def at_add():
    x = la.zeros(3)

    @arranged(x)
    def act():
        x.at[1].add(1)

    return act


@statement
def at_add_to_several():
    x = la.zeros(3)

    @arranged(x)
    def act():
        x.at[[0, 1]].add(1)

    return act


@statement
def append():
    x = la.zeros(3)

    @arranged(x)
    def act():
        x.append(0)

    return act


@statement
def resize():
    x = la.zeros(3)

    @arranged(x)
    def act():
        x.resize(1000)

    return act


@statement
def lock_object():
    x = la.zeros(3)

    @arranged(x)
    def act():
        with x.lock:
            pass

    return act


@statement
def write_when():
    """The predicate is false at first; who waits is told by a write of another thread."""
    x, asked, over = la.zeros(3), [], threading.Event()

    @arranged(x)
    def act():
        with x.write(when=lambda raw: asked.append(1) or len(asked) > 1) as raw:
            raw += 1

    def tell():
        while not over.wait(0.001):
            if any(entry.waiting for entry in x.lock.holds()):
                x[2] = 0

    teller = threading.Thread(target=tell)
    teller.start()

    def end():
        over.set()
        teller.join()

    act.end = end
    return act


@statement
def contended_write():
    """Another thread has the array, until somebody waits for it."""
    x, held, over = la.zeros(3), threading.Event(), threading.Event()

    @arranged(x)
    def act():
        with x.write() as raw:
            raw += 1

    def hold():
        with x.write():
            held.set()
            while not over.wait(0.0005):
                if any(entry.waiting for entry in x.lock.holds()):
                    break

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)

    def end():
        over.set()
        holder.join()

    act.end = end
    return act


def interrupted(arrange, how):
    """Return the program that strikes a statement everywhere."""

    def program():
        # Where it strikes a finalizer, Python can only report it.
        sys.unraisablehook = lambda _: None
        logging.getLogger("asyncio").disabled = True  # of tasks that were struck before they began
        elsewhere = Elsewhere()
        places = struck = left = 0
        for each, strike in strikes(arrange, how, faulting.step):
            each.end()
            places += 1
            struck += strike.struck
            for array in each.arrays:
                if array.lock.holds() or arrange is async_with:
                    gc.collect()  # a task and its error are a circle
                if array.lock.holds() and arrange is lock_object and la.backend == "portable":
                    # Before the first bytecode of `__exit__`, where Python code cannot catch it: what
                    # it leaves held is as if it were meant to be, since `x.lock` lives on.
                    array.lock.release()
                    left += 1
                assert array.lock.holds() == [], (strike, array.lock.holds())
                # One step was made, or none: no element has more than one, and all that have, have it whole.
                assert array.shape in [(3,), (4,), (1000,)], (strike, array.shape)
                assert set(array.tolist()) <= {0.0, 1.0}, (strike, array)

            def use(arrays=each.arrays, strike=strike):
                for array in arrays:
                    with array.write(timeout=20) as raw:
                        raw[...] = 7
                    array.resize(5)
                    assert array.tolist()[:3] == [7] * 3, (strike, array)

            elsewhere(use)
            for array in each.arrays:
                array += 1
                assert array.tolist()[:3] == [8] * 3, (strike, array)
        whole(la.zeros(3))
        elsewhere.end()
        # A statement that C does by itself has few places, or none: the signal is heard afterwards.
        assert places >= 5 // faulting.step or how == SIGNAL, places
        assert left <= max(places // 50, 1), (left, places)
        assert struck or not places, (struck, places)

    return program


for _name, _arrange in STATEMENTS.items():
    for _how, _word in ((SIGNAL, "signal"), (RAISE, "exception")):
        if _how == RAISE and _name == "lock_object":
            continue  # what `with` leaves then is held by an object that lives on
        _entry = Fault(
            f"{_word} at each bytecode of {_name.replace('_', ' ')}",
            "Ctrl-C",
            "Nothing is held after it, wherever it strikes.",
            interrupted(_arrange, _how),
            0,
            "",
            "",
            "",
            (),
        )
        CATALOGUE[_entry.name] = _entry
