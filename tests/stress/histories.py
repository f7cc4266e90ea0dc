"""Random short histories of operations on LockedArrays, and whether some order explains each.

    PYTHONPATH=tests python -P -m stress.histories --histories 100000

A history that no order explains is printed, as short as it gets, with the seed that plays it again.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import itertools
import random
import sys
import time

import lockedarray as la
from array_histories import model
from linearizability import explain, find_order, overlap
from stress.callers import Hung, Processes, Threads
from stress.scenes import SCENES, draw
from stress.shortest import OVERLAPPING, shortest, told
from threads import changing_often

__all__ = ["check_all", "main"]

_COUNTS = {"threads": 10_000, "processes": 1000, "clients": 30}
"""How many histories there are if nobody says."""


def check_all(players, seeds, scenes, most_callers=8, tell=print, seconds=20):
    """Play a history for each seed and check it; return how many were wrong, and what they were of.

    Parameters
    ----------
    players : Threads or Processes
        Who plays.
    seeds : iterable of int
        Of the plays.
    scenes : tuple of Scene
        Which there may be.
    tell : callable
        What is called with the seed and the text of each history that no order explains.
    seconds : float
        For how long a shorter one is looked for.
    """
    wrong, counts = 0, collections.Counter()
    for seed in seeds:
        play = draw(seed, scenes, most_callers)
        state = play.scene.state
        try:
            history = players.play(play)
        except Hung:
            tell(seed, f"{play.scene.name}: no end\n{_programs(play)}")
            raise
        counts[play.scene.name] += 1
        counts[OVERLAPPING] += overlap(history)
        if find_order(history, model, state) is None:
            wrong += 1
            played = play
            play, history = shortest(players.play, play, history, model, state, seconds)
            tell(
                seed,
                f"{play.scene.name}: of {played.size} calls {play.size} are needed\n"
                f"{_programs(play)}\n{told(history)}\n{explain(history, model, state)}",
            )
    return wrong, counts


def _programs(play):
    return "\n".join(f"  {number}: {calls}" for number, calls in enumerate(play.programs))


def main(arguments=None):
    """Play, and return the exit status: 1 if some history has no order."""
    parser = argparse.ArgumentParser(prog="stress.histories", description=__doc__)
    parser.add_argument("--histories", type=int, help=f"how many; else {_COUNTS}")
    parser.add_argument("--seed", type=int, help="of the first; the others have those that follow")
    parser.add_argument("--same", action="store_true", help="each history is of the first seed")
    parser.add_argument("--seconds", type=float, help="after which no more are played")
    parser.add_argument("--callers", choices=_COUNTS, default="threads")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, help="which there may be; else all")
    options = parser.parse_args(arguments)
    seed = random.randrange(10**9) if options.seed is None else options.seed
    histories = options.histories or _COUNTS[options.callers]
    print(
        f"{options.callers}, {la.backend} core, Python {sys.version.split()[0]}, {_gil()}",
        flush=True,
    )
    seeds = [seed] * histories if options.same else range(seed, seed + histories)
    start = time.monotonic()
    if options.seconds is not None:
        seeds = itertools.takewhile(lambda _: time.monotonic() - start < options.seconds, seeds)
    named = "".join(f" {name!r}" for name in options.scenes or ())

    def tell(seed, text):
        again = f"--callers {options.callers} --seed {seed} --same"
        again += f" --scenes{named}" if named else ""
        print(f"seed {seed}, {text}\nagain: {again}", flush=True)

    try:
        violations, counts = _PLAYED[options.callers](seeds, options.scenes or tuple(SCENES), tell)
    except Hung:
        faulthandler.dump_traceback(sys.__stderr__)
        print(f"one history without an end, seed {seed}", flush=True)
        return 1
    took = time.monotonic() - start
    overlapping = counts.pop(OVERLAPPING, 0)
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())), flush=True)
    played = counts.total()
    print(
        f"{took:.0f} s, {overlapping / max(played, 1):.0%} with operations that overlap", flush=True
    )
    print(f"histories {played}, violations {violations}, seed {seed}", flush=True)
    return int(violations > 0)


def _gil():
    return "GIL" if getattr(sys, "_is_gil_enabled", lambda: True)() else "no GIL"


def _by_threads(seeds, names, tell):
    with changing_often(), Threads() as players:
        return check_all(players, seeds, tuple(SCENES[name] for name in names), tell=tell)


def _by_processes(seeds, names, tell):
    scenes = tuple(SCENES[name] for name in names if SCENES[name].for_processes)
    with changing_often(), Processes(scenes) as players:
        return check_all(players, seeds, scenes, most_callers=4, tell=tell)


def _by_clients(seeds, names, tell):
    from stress.clients import check_clients

    return check_clients(seeds, tell)


_PLAYED = {"threads": _by_threads, "processes": _by_processes, "clients": _by_clients}

if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
