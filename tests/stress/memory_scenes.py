"""What is done with arrays beside the operations of the catalogue, while memory fails."""

from __future__ import annotations

import copy
import pickle

import numpy as np

import lockedarray as la
from catalogue.operation import Outcome

__all__ = ["scenes"]


class Scene:
    """A call of `function` on new arrays, with the interface of `catalogue.operation.Call`."""

    def __init__(self, function, *arrays):
        self.arrays = {number: la.array(array) for number, array in enumerate(arrays)}
        self._function = function

    def __call__(self):
        return self._function(*self.arrays.values())

    def outcome(self):
        return Outcome.of(self)


def increment(x):
    x[2] += 1


def increment_part(x):
    x[1:3] += 1


def increment_several(x):
    x[[0, 2]] += 1


def increment_masked(x):
    x[x > 1] += 1


def at_augmented(x):
    x.at[2] += 1


def write_block(x):
    with x.write() as raw:
        raw[0] = 7


def read_block(x):
    with x.read() as raw:
        return raw.sum()


def upgrade(x):
    with x.read(), x.write() as raw:
        raw[0] = 7


def several(x, y):
    with la.acquire(write=x, read=(y, y[1:])) as (raw, (first, _)):
        raw[...] = first


def many(x, y):
    with la.acquire(write=[x[i : i + 1] for i in range(3)], read=[y] * 9) as (raws, _):
        raws[0][...] = 7


def lock_objects(x):
    with x.lock.gen_wlock(), x.lock.gen_rlock(), x.lock:
        x[0] = 7


def suspended(x):
    # As in a threading.Condition, whose own __exit__ is in Python: where that cannot begin, the lock
    # stays held, as one of threading does.
    with x.lock:
        x.lock._acquire_restore(x.lock._release_save())


def wait_for(x):
    x.wait_for(lambda raw: raw[0] > 100, timeout=0.001)


def traced(x):
    with la.tracing() as trace:
        x[0] = 7
        x.sum()
    return str(trace)


def held(x):
    with x.write():
        return str(la.holds()), x.lock.holds(), repr(x.lock)


def pickled(x):
    return pickle.loads(pickle.dumps(x, protocol=5))


def copied(x):
    return copy.copy(x), copy.deepcopy(x)


def iterated(x):
    return list(x), list(x.flat)


def made(x):
    return la.zeros(9, name="a"), la.array([1, 2]), la.LockedArray(np.ones(3)), la.asarray(x)


def appended_often(x):
    for i in range(9):
        x.append(i)


FLOATS = np.array([0.5, 1.5, 2.5, 3.5])
OBJECTS = np.array([1, 2.5, 3, 4], object)
FUNCTIONS = (
    increment, increment_part, increment_several, increment_masked, at_augmented, write_block,
    read_block, upgrade, lock_objects, suspended, wait_for, traced, held, pickled,
    copied, iterated, made, appended_often,
)  # fmt: skip
OF_OBJECTS = (
    increment,
    increment_part,
    increment_several,
    at_augmented,
    write_block,
    iterated,
    copied,
)


def scenes():
    """Return names, and what makes a call of each."""
    found = [
        (function.__name__, lambda function=function: Scene(function, FLOATS))
        for function in FUNCTIONS
    ]
    found += [
        (f"{function.__name__} of objects", lambda function=function: Scene(function, OBJECTS))
        for function in OF_OBJECTS
    ]
    found += [
        (function.__name__, lambda function=function: Scene(function, FLOATS, FLOATS + 1))
        for function in (several, many)
    ]
    return [(f"scene {name}", make) for name, make in found]
