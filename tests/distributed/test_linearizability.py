"""Histories of operations of several clients on one array are linearizable, whatever gets lost."""

import asyncio
import os

import numpy as np
import pytest

pytest.importorskip("distributed.client")

import far_histories
import lockedarray as la
from array_histories import OF_ALL, OF_ELEMENTS, new_state
from far_histories import OF_ALL_FAR, model
from far_players import WIDTH, playing
from linearizability import check, find_order
from lockedarray._distributed import wire
from lockedarray._distributed.operations import Operations
from stress import clients
from stress.shortest import OVERLAPPING

HISTORIES = int(os.environ.get("LOCKEDARRAY_HISTORIES", "60"))
"""How many random ones in all."""

pytestmark = pytest.mark.timeout(100 + 3 * HISTORIES)


@pytest.fixture(scope="module")
def players():
    with playing() as players:
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


def test_the_histories_of_the_command_have_an_order_and_what_has_none_is_told(players, monkeypatch):
    told = []

    def tell(seed, text):
        told.append((seed, text))

    wrong, counts = clients.check_all(players, range(1000, 1006), tell)
    assert (wrong, told) == (0, [])
    assert counts.total() - counts[OVERLAPPING] == 6
    monkeypatch.setattr(clients, "SCENES", {"broken": (["add", "get"], None, False)})
    players.client.run(far_histories.add_in_two_steps)
    try:
        for seed in range(1100, 1140):
            if clients.check_all(players, [seed], tell)[0]:
                break
    finally:
        players.client.run(far_histories.put_right)
    [(wrong_seed, text)] = told
    assert wrong_seed == seed
    assert "no order explains" in text


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
