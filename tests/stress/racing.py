"""What the programs of the catalogue are made of: threads that race, and what they may see."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

__all__ = ["Failure", "Wrong", "each_of", "race", "seconds", "uniform", "writing"]

SWITCH = 1e-5
"""Seconds after which a thread gives the GIL to another: much less than usual, so that races are met."""

seconds = 0.3
"""How long a program races; the runner sets it."""


class Wrong(Exception):
    """A thread saw, or left, what no order of the operations gives."""


@dataclass(frozen=True)
class Failure:
    """A failure of NumPy beside threads, and the program that shows it."""

    name: str
    told: tuple[str, ...]
    """Where: ``numpy#28197`` is NumPy's tracker, ``manual`` its page Thread Safety, ``source`` its C code."""
    wrong: str
    """What it is at worst: crash, torn read, lost update, wrong result, exception. Each other is wrong, too."""
    sentence: str
    program: object
    """Called with what makes arrays; returns None, or how the operation was refused."""


def race(*works):
    """Do each work over and over, in a thread of its own, until time is up or one of them raises: once at least.

    Returns how often each was done. The time decides only how often an invariant is looked at.
    """
    counts, errors = [0] * len(works), []
    start = threading.Barrier(len(works))
    deadline = time.monotonic() + seconds

    def run(number, work):
        start.wait()
        try:
            while not errors:
                work()
                counts[number] += 1
                if time.monotonic() >= deadline:
                    break
        except BaseException as error:
            errors.append(error)

    sys.setswitchinterval(SWITCH)
    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return counts


def uniform(values):
    """Tell if the elements of a plain array, which are written all at once, are of two moments."""
    values = np.asarray(values)
    if values.size and not (values == values.flat[0]).all():
        raise Wrong("one read saw elements of two moments")


def each_of(values):
    """Return a function that gives the values in turn, for ever, to one thread."""
    values, turn = list(values), [0]

    def following():
        turn[0] += 1
        return values[turn[0] % len(values)]

    return following


def writing(array):
    """Return ``array.write()`` of a LockedArray; a plain array has no such thing, and is itself."""
    return array.write() if hasattr(array, "write") else nullcontext(array)
