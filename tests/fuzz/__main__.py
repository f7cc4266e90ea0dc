"""Random programs for a while: `make fuzz SECONDS=600`."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import random
import sys
import time
import warnings
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.grammar import program, programs
from fuzz.play import difference_of, shortened
from fuzz.sides import brief, journal, script

BATCH = settings(
    max_examples=200,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def main(arguments=None):
    """Play programs, print those that differ, each kind of difference once; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of a run that is to be repeated")
    parser.add_argument("--most", type=int, default=20, help="stop after so many differences")
    parser.add_argument("--brief", action="store_true", help="print the lines alone")
    parser.add_argument("--last", help="a file for the program that is played: what a crash leaves")
    options = parser.parse_args(arguments)
    first = random.randrange(2**32) if options.seed is None else options.seed
    print(f"--seed {first}", flush=True)
    if options.last:
        journal.append(options.last)
    found = set()
    counts = Counter()
    end = time.monotonic() + options.seconds

    def over():
        return time.monotonic() > end or len(found) >= options.most

    def one(lines):
        if over():
            return
        counts["programs"] += 1
        counts["lines"] += len(lines)
        difference = difference_of(lines)
        if difference is None or (difference.kind, difference.line.kind) in found:
            return
        found.add((difference.kind, difference.line.kind))
        write = brief if options.brief else script
        print(f"--- {difference.kind}\n{write(*shortened(lines, difference))}\n", flush=True)

    # hypothesis likes extremes, and what it has drawn before; chance alone has no such habits.
    source = random.Random(first)
    while not over():
        seed(source.getrandbits(64))(BATCH(given(programs())(one)))()
        for _ in range(200):
            if not over():
                one(program(source.randint))
    print(f"{counts['programs']} programs of {counts['lines']} lines: {len(found)} differences")
    return 1 if found else 0


def _limit_memory():
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


if __name__ == "__main__":
    faulthandler.enable()
    _limit_memory()
    warnings.simplefilter("ignore")
    sys.exit(main())
