"""Kill processes that write to shared arrays, for a while: `make test-processes KILLS=10000`."""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import time
import traceback
from collections import Counter

import lockedarray as la
import lockedarray.shared
from kills import episode
from lockedarray._shared.backends import _BACKENDS
from lockedarray._shared.record_locks import RecordLocks

BATCH = 100
"""So many are killed in one episode, which has new arrays."""


def main(arguments=None):
    """Play episodes, each in a process of its own; 1 if one fails, and its seed was printed."""
    parser = argparse.ArgumentParser(prog="make test-processes", description=__doc__)
    parser.add_argument("--kills", type=int, default=4000, help="a tenth of it for record locks")
    parser.add_argument("--seed", type=int, default=None, help="of a run that is to be repeated")
    options = parser.parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    chosen = os.environ.get("LOCKEDARRAY_SHARED")
    for name, backend in _BACKENDS.items():
        if name == chosen or (chosen is None and backend.is_available()):
            os.environ["LOCKEDARRAY_SHARED"] = name
            slow = chosen is None and backend is RecordLocks
            if not _played(name, options.kills // 10 if slow else options.kills, seed):
                return 1
    return 0


def _played(name, least, seed):
    """Kill at least so many; whether all went well."""
    print(f"--seed {seed}, core {la.backend}, LOCKEDARRAY_SHARED={name}", flush=True)
    numbers = Counter()
    start = time.monotonic()
    while numbers["kills"] < least:
        kills = min(BATCH, least - numbers["kills"])
        outcome = _apart(kills, seed)
        if isinstance(outcome, str):
            print(f"failed: --seed {seed} --kills {kills}\n{outcome}", flush=True)
            return False
        numbers.update(outcome)
        seed += 1
    told = ", ".join(f"{count} {name}" for name, count in numbers.items())
    print(f"{told}, in {time.monotonic() - start:.0f} s: no fault, and nobody hung", flush=True)
    return True


def _apart(kills, seed):
    """Play an episode in a child, which has nothing of earlier ones; return its numbers, or text."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with open(writing, "w") as pipe:
            try:
                pipe.write(repr(episode.play(kills, seed)))
            except BaseException:
                pipe.write(traceback.format_exc())
        sys.stdout.flush()
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return eval(told) if told.startswith("{") else told or "the episode has died"


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
