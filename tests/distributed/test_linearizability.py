"""Histories of operations of several clients on one array are linearizable, whatever gets lost."""

import asyncio
import contextlib
import logging
import os

import numpy as np
import pytest

pytest.importorskip("distributed.client")

from distributed import Client, LocalCluster

import far_histories
import lockedarray as la
from array_histories import LENGTH, OF_ALL, OF_ELEMENTS, new_state
from far_histories import OF_ALL_FAR, model, play, program
from linearizability import check, find_order
from lockedarray._distributed import wire
from lockedarray._distributed.operations import Operations
from lockedarray.distributed import create
from machines import Machine, Program, worker

HISTORIES = int(os.environ.get("LOCKEDARRAY_HISTORIES", "60"))
"""How many random ones in all."""

pytestmark = pytest.mark.timeout(100 + 3 * HISTORIES)

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


@pytest.fixture(scope="module")
def players():
    chunk = wire.CHUNK
    with contextlib.ExitStack() as stack:
        stack.callback(far_histories.send_in_parts_of, chunk)
        far_histories.send_in_parts_of(CHUNK)
        players = Players(stack)
        players.client.run(far_histories.send_in_parts_of, CHUNK)
        yield players


@pytest.mark.parametrize(
    ("kinds", "width", "are_unreliable", "share"),
    [
        (OF_ELEMENTS, None, False, 6),
        (OF_ALL_FAR, None, False, 6),
        (OF_ELEMENTS, None, True, 4),
        (OF_ALL_FAR, None, True, 4),
        (OF_ALL, WIDTH, True, 6),
    ],
    ids=["elements", "all", "elements, unreliable", "all, unreliable", "in parts, unreliable"],
)
def test_operations_of_clients_are_linearizable(players, kinds, width, are_unreliable, share):
    for number in range(HISTORIES // share):
        history = players.history(number, kinds, width, are_unreliable)
        check(history, model, new_state())


@pytest.mark.parametrize(
    "breaks", [far_histories.add_in_two_steps, far_histories.forget_what_is_done]
)
def test_the_checker_finds_an_owner_that_does_a_call_in_two_steps_or_twice(players, breaks):
    players.client.run(breaks)
    try:
        for number in range(100, 120):
            history = players.history(number, ["add", "get"])
            if find_order(history, model, new_state()) is None:
                return
        pytest.fail("not found in 20 histories")
    finally:
        players.client.run(far_histories.put_right)


@pytest.mark.skipif(la.backend != "native", reason="the portable core locks all of an array")
def test_what_a_list_or_a_mask_selects_does_not_wait_for_other_rows():
    def lease(one):
        return perform(one, "lease", "token", slice(0, 2), True, 60.0)

    async def perform(one, kind, *arguments):
        return wire.unpack(await one.perform(kind, arguments, {"timeout": 10}, ())).unwrap()

    async def main():
        one = Operations("x", la.zeros((5, 2), int, name="x"))
        await lease(one)
        mask = np.array([False, False, True, False, True])
        for index in [2, 4], [-3, -1], mask, ([2, 4], [0, 1]), (mask, 1):
            await perform(one, "set", index, 0)
            await perform(one, "augment", index, "iadd", 1)
            await perform(one, "at", index, "add", (1,))
            await perform(one, "at", index, "apply", (wire.pack_function(lambda now: now + 1),))
            plain = np.zeros((5, 2), int)
            plain[index] = 3
            assert (await perform(one, "get", index) == 3).all()
            np.testing.assert_array_equal(np.asarray(one.array)[2:], plain[2:])
            await perform(one, "set", slice(2, 5), 0)

    asyncio.run(asyncio.wait_for(main(), 60))
