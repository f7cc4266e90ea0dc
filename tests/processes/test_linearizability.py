"""Histories of operations of several processes on one array are linearizable; also where one is killed."""

import itertools
import math
import multiprocessing
import os

import numpy as np
import pytest

import lockedarray as la
import lockedarray.shared
from array_histories import LENGTH, OF_ALL, OF_ELEMENTS, model, new_state, play, program
from linearizability import UNKNOWN, Operation, check, find_order

pytestmark = [
    pytest.mark.timeout(100),
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork"),
]

PATIENCE = 60


class Player:
    """A process that does a program on the array, once all others are there."""

    def __init__(self, x, barrier, caller, calls, tells=False):
        context = multiprocessing.get_context("fork")
        self.caller = caller
        self.pipe, there = context.Pipe(duplex=False)
        self.process = context.Process(
            target=self._play, args=(x, barrier, caller, calls, there, tells)
        )
        self.process.start()
        there.close()

    @staticmethod
    def _play(x, barrier, caller, calls, pipe, tells):
        barrier.wait(PATIENCE)
        if tells:  # of each, since it is going to be killed
            play(x, caller, calls, lambda *begun: pipe.send(begun), pipe.send)
        else:
            pipe.send(play(x, caller, calls))

    def history(self):
        assert self.pipe.poll(PATIENCE), f"{self.caller} has come to no end"
        history = self.pipe.recv()
        self.process.join(PATIENCE)
        assert self.process.exitcode == 0
        return history

    def history_until_killed(self, after):
        """Kill it when so many operations are done, and return these, and the one that was begun."""
        history, begun = [], None
        try:
            while True:
                assert self.pipe.poll(PATIENCE)
                told = self.pipe.recv()
                if isinstance(told, Operation):
                    history.append(told)
                    begun = None
                    if len(history) == after:
                        self.process.kill()
                else:
                    begun = told
        except EOFError:
            pass
        self.process.join(PATIENCE)
        assert self.process.exitcode == -9
        if begun is not None:
            history.append(Operation(self.caller, begun[0], UNKNOWN, begun[1], math.inf))
        return history


@pytest.mark.parametrize(
    ("width", "kinds", "processes"),
    [(None, OF_ELEMENTS, 3), (None, OF_ALL, 2), (None, OF_ALL, 4), (3000, OF_ALL, 3)],
)
def test_operations_of_processes_are_linearizable(width, kinds, processes, shared_backend):
    count = 100 if shared_backend == "robust" else 40
    x = la.shared.zeros(LENGTH if width is None else (LENGTH, width), int)
    barrier = multiprocessing.get_context("fork").Barrier(processes)
    programs = (program(seed, count, kinds) for seed in range(processes))
    players = [Player(x, barrier, *each) for each in enumerate(programs)]
    histories = [player.history() for player in players]
    check(itertools.chain(*histories), model, new_state())


class Healing:
    """An array whose poison is healed and the operation done again: what was there is right."""

    ndim = 1

    def __init__(self, x):
        self._x = x

    def _try(self, act):
        while True:
            try:
                return act(self._x)
            except la.PoisonedError:
                with self._x.recover():
                    pass

    def __getitem__(self, i):
        return self._try(lambda x: int(x[i]))

    def __setitem__(self, i, value):
        self._try(lambda x: x.__setitem__(i, value))


@pytest.mark.parametrize("after", [1, 10, 40])
def test_what_a_killed_process_was_doing_has_happened_once_or_never(after):
    x = la.shared.zeros(LENGTH, int)
    barrier = multiprocessing.get_context("fork").Barrier(3)
    kinds = ["get", "set"]
    victim = Player(Healing(x), barrier, 0, program(0, 10_000, kinds), tells=True)
    others = [Player(Healing(x), barrier, n, program(n, 60, kinds)) for n in (1, 2)]
    history = victim.history_until_killed(after)
    for other in others:
        history += other.history()
    check(history, model, new_state())


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="shared memory has no path")
def test_the_checker_finds_that_processes_have_no_lock():
    x = la.shared.zeros((LENGTH, 3000), int)
    plain = np.memmap(f"/dev/shm/{x.name}", x.dtype, "r+", shape=x.shape)
    context = multiprocessing.get_context("fork")
    half, whole = context.Event(), context.Event()

    def write():
        plain[0, :1500] = 1
        half.set()
        assert whole.wait(PATIENCE)
        plain[0, 1500:] = 1

    writer = context.Process(target=write)
    start = 0
    writer.start()
    assert half.wait(PATIENCE)

    class Unlocked:
        ndim = 2

        def __getitem__(self, rows):
            return self

        def snapshot(self):
            return plain[:1].copy()

    history = play(Unlocked(), "reader", [("get", 0)])
    whole.set()
    writer.join(PATIENCE)
    end = history[-1].end + 1
    history.append(Operation("writer", ("set", 0, 1), None, start, end))
    assert find_order(history, model, new_state()) is None
