"""Histories of clients of a cluster, on an array between machines: ``--callers clients``."""

from __future__ import annotations

import collections
import random

from array_histories import OF_ALL, OF_ELEMENTS, new_state
from far_histories import OF_ALL_FAR, model
from far_players import WIDTH, playing
from linearizability import explain, find_order, overlap
from stress.shortest import OVERLAPPING, beginning, told, without_reads

__all__ = ["SCENES", "check_all", "check_clients"]

SCENES = {
    "elements": (OF_ELEMENTS, None, False),
    "all": (OF_ALL_FAR, None, False),
    "elements, unreliable": (OF_ELEMENTS, None, True),
    "all, unreliable": (OF_ALL_FAR, None, True),
    "in parts, unreliable": (OF_ALL, WIDTH, True),
}
"""The kinds of calls; how wide rows are; and whether messages get lost, or come twice or late."""


def check_clients(seeds, tell):
    """Start a cluster, play a history for each seed and check it."""
    with playing() as players:
        return check_all(players, seeds, tell)


def check_all(players, seeds, tell):
    """Play a history for each seed and check it; return how many were wrong, and what they were of.

    A wrong one is told up to where it goes wrong; it is not played again.
    """
    wrong, counts = 0, collections.Counter()
    for seed in seeds:
        name = random.Random(seed).choice(list(SCENES))
        history = players.history(seed, *SCENES[name])
        counts[name] += 1
        counts[OVERLAPPING] += overlap(history)
        if find_order(history, model, new_state()) is None:
            wrong += 1
            history = beginning(history, model, new_state())
            history = without_reads(history, model, new_state())
            tell(seed, f"{name}:\n{told(history)}\n{explain(history, model, new_state())}")
    return wrong, counts
