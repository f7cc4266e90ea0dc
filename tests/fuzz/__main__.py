"""Random programs for a while: `make fuzz SECONDS=600`."""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import warnings
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.grammar import programs
from fuzz.play import difference_of, shortened
from fuzz.sides import brief, script


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--most", type=int, default=1, help="stop after so many differences")
    parser.add_argument("--brief", action="store_true", help="the lines alone")
    parser.add_argument("--last", help="a file for the program that is played")
    options = parser.parse_args(arguments)
    first = random.randrange(2**32) if options.seed is None else options.seed
    print(f"seed {first}", flush=True)
    found = {}
    counts = Counter()
    end = time.monotonic() + options.seconds

    def one(lines):
        if time.monotonic() > end or len(found) >= options.most:
            return
        if options.last:
            with open(options.last, "w") as file:
                file.write("\n".join(line.ours for line in lines))
        counts["programs"] += 1
        counts["lines"] += len(lines)
        difference = difference_of(lines)
        if difference is None:
            return
        signature = (difference.kind, difference.line.kind)
        counts[signature] += 1
        if signature in found:
            return
        found[signature] = True
        fewer, difference = shortened(lines, difference)
        print(f"--- {signature}\n{brief(fewer, difference) if options.brief else script(fewer, difference)}\n", flush=True)

    number = first
    while time.monotonic() < end and len(found) < options.most:
        batch = settings(
            max_examples=500,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(batch(given(programs())(one)))()
        number += 1
    print(f"{counts['programs']} programs of {counts['lines']} lines, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    warnings.simplefilter("ignore")
    sys.exit(main())
