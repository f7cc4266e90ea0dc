"""A cluster, and clients of it that play histories on one array."""

import contextlib
import logging

from distributed import Client, LocalCluster

import far_histories
from array_histories import LENGTH
from far_histories import play, program
from lockedarray._distributed import wire
from lockedarray.distributed import create
from machines import Machine, Program, worker

__all__ = ["CALLS", "CHUNK", "WIDTH", "Players", "playing"]

CALLS = 8
"""How many calls each client makes in one."""

CHUNK = 2**13
"""Bytes of a message at most: rows of WIDTH elements travel in parts."""

WIDTH = 1500


class Players:
    """A cluster, and three clients of it: two processes, and a thread of this one."""

    def __init__(self, stack):
        self.address = stack.enter_context(
            LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL)
        ).scheduler_address
        stack.enter_context(Machine(worker, self.address, "owner")).hear()
        self.client = stack.enter_context(Client(self.address, timeout=60, set_as_default=False))
        self.programs = [
            stack.enter_context(Program(self.address, far_histories.play_parts)) for _ in range(2)
        ]

    def history(self, seed, kinds, width=None, are_unreliable=True):
        """Return a history of three random programs on a new array, and what they leave."""
        shape = LENGTH if width is None else (LENGTH, width)
        x = create(self.client, shape, int, name=f"history{seed}")
        try:
            seeds = [3 * seed + caller for caller in range(3)]
            calls = [program(each, CALLS, kinds) for each in seeds]
            faults = seeds if are_unreliable else [None] * 3
            for caller, machine in enumerate(self.programs):
                machine.say((x.name, caller, calls[caller], faults[caller], CHUNK))
            for machine in self.programs:
                assert machine.hear() == "ready"
            for machine in self.programs:
                machine.say()
            far_histories.make_unreliable(faults[2])
            try:
                history = play(x, 2, calls[2])
            finally:
                far_histories.make_unreliable(None)
            for machine in self.programs:
                history += machine.hear()
            return history + play(x, "end", [("snapshot",)])
        finally:
            x.delete()


@contextlib.contextmanager
def playing():
    """Have players, whose messages are small, for a while."""
    chunk = wire.CHUNK
    with contextlib.ExitStack() as stack:
        stack.callback(far_histories.send_in_parts_of, chunk)
        far_histories.send_in_parts_of(CHUNK)
        players = Players(stack)
        players.client.run(far_histories.send_in_parts_of, CHUNK)
        yield players
