"""All that is tried under load, in some minutes, on each core, and one line of it at the end.

    PYTHONPATH=tests python -P -m stress
    PYTHONPATH=tests python -P -m stress --cores native --share 0.1

The line has how many histories, cases (programs of NumPy's failures), faults, failed allocations and
mutants there were, and what was wrong.  Each part is a program of its own, which tells more: its
module is what is run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter

from stress import failures, running

COUNTED = re.compile(r"\b(histories|faults|allocations|mutants|caught|violations) (\d+)")
WRONG = "violations"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cores", nargs="+", default=["native", "portable"])
    parser.add_argument("--share", type=float, default=1, help="of the usual time, about")
    given = parser.parse_args()
    start = time.monotonic()
    counts = Counter()
    for core in given.cores:
        os.environ["LOCKEDARRAY_BACKEND"] = core  # of all that is started
        for part in parts(given.share):
            counts += counted(part)
        counts += cases()
    del os.environ["LOCKEDARRAY_BACKEND"]  # each mutant says on which core it is
    counts += counted(["mutants", "--every", every(4, given.share)])
    print(
        f"stress, {time.monotonic() - start:.0f} s: histories {counts['histories']}, "
        f"cases {counts['cases']}, faults {counts['faults']}, allocations {counts['allocations']}, "
        f"mutants {counts['caught']} of {counts['mutants']} caught, violations {counts[WRONG]}"
    )
    sys.exit(counts[WRONG] > 0)


def parts(share):
    """Return the programs of which each core has a turn, with their arguments."""
    seconds = 40 * share
    return [
        ["stress.histories", "--histories", "1000000", "--seconds", str(seconds)],
        ["stress.histories", "--callers", "processes", "--seconds", str(seconds / 4)],
        ["stress.faults", "--step", every(8, share)],
        ["stress.memory_errors", "--every", every(6, share), "--seconds", str(seconds)],
        ["stress.soak", "--seconds", str(seconds / 2)],
    ]


def every(usual, share):
    """Return each how many-th is taken."""
    return str(max(1, round(usual / share)))


def counted(part):
    """Run a program, show what it prints, and return the numbers of its last line."""
    print(f"-- {' '.join(part)}", flush=True)
    program = subprocess.Popen(
        [sys.executable, "-P", "-m", *part], stdout=subprocess.PIPE, text=True
    )
    line = ""
    for line in program.stdout:
        print(line, end="", flush=True)
    found = Counter({name: int(number) for name, number in COUNTED.findall(line)})
    if program.wait() and not found[WRONG]:
        # It has come to no end, or a mutant has escaped.
        found[WRONG] = 1
    return found


def cases():
    """Run the programs of NumPy's failures on LockedArrays."""
    print("-- stress.failures", flush=True)
    found = Counter(cases=len(failures.CATALOGUE))
    for name in failures.CATALOGUE:
        ending = running.apart(name, "LockedArray", seconds=0.1, timeout=60)
        if ending.kind != "right":
            found[WRONG] += 1
            print(f"{name}: {ending}", flush=True)
    return found


if __name__ == "__main__":
    main()
