"""Time of single operations, without contention: a LockedArray beside what people use instead.

Three contenders: a plain ndarray without any lock, the same under ``with lock:`` (one
`threading.Lock`), and a LockedArray.  All run in turn within each of many short rounds, on equal
data, so that a slow moment of the machine hits all of them; the median over the rounds counts.
Each row has the two ratios of LockedArray to the others, and beside each the goal of the native
core (on the portable core a microsecond is spent on the lock alone).
"""

import argparse
import functools
import json
import os
import platform
import statistics
import sysconfig
import threading
import time
from typing import NamedTuple

import numpy as np

import lockedarray as la


class Row(NamedTuple):
    """An operation on ``x``, and what it may cost relative to the other two contenders."""

    statement: str
    to_plain: float | None
    to_lock: float | None
    plain_statement: str | None = None  # where an ndarray has no such thing
    lock_statement: str | None = None


ROWS = [
    Row("x[i]", 1.6, 0.5),
    Row("x[i] = v", 1.6, 0.5),
    Row("t[i, j]", 1.6, 0.5),
    Row("t[i, j] = v", 1.6, 0.5),
    Row("x.at[i] += v", 1.3, 0.6, "x[i] += v"),
    Row("x[a:b]", 2.2, 1.0),
    Row("x[a:b] = v", 1.5, 0.8),
    Row("x[a:b] += v", 1.5, 0.8),
    Row("x += 1", 1.1, 0.95),
    Row("x += y", 1.1, 0.95),
    Row("x + y", 1.1, 0.95),
    Row("x > 0", 1.1, 0.95),
    Row("np.add(y, y, out=x)", 1.9, 1.25),
    Row("np.sin(x)", 1.5, 1.2),
    Row("x.sum()", 1.5, 1.2),
    Row("np.sum(x)", 1.6, 1.4),
    Row("np.copyto(x, y)", 4, 2.5),
    Row("list(x)", 1.6, None),
    Row("with x.write() as r: r[i] = v", None, 1.5, "x[i] = v", "with lock: x[i] = v"),
]

CONTENDERS = ("plain", "lock", "locked")

LOOP = """
def run(count, x, t, y, lock, np, clock, i=5, j=7, v=1.5, a=100, b=200):
    start = clock()
    for _ in range(count):
        {statement}
    return clock() - start
"""


def statement_of(row, contender):
    """Return what `contender` does in this row."""
    if contender == "locked":
        return row.statement
    plain = row.plain_statement or row.statement
    return plain if contender == "plain" else row.lock_statement or f"with lock: {plain}"


def loop(statement, arrays):
    """Return a function that does `statement` so many times, and tells the seconds it took."""
    names = {}
    exec(LOOP.format(statement=statement), names)
    return functools.partial(
        names["run"], **arrays, lock=threading.Lock(), np=np, clock=time.perf_counter
    )


def arrays_of(contender, size):
    """Return the operands by name: ``x`` and the table ``t`` are what is compared."""
    make = la.ones if contender == "locked" else np.ones
    return {"x": make(size), "t": make((30, 30)), "y": np.ones(size)}


def count_for(run, seconds):
    """How many repeats take about `seconds`."""
    count = 1
    while run(count) < seconds / 4:
        count *= 2
    return 4 * count


def measure(row, size, rounds, seconds):
    """Return the seconds of one operation for each contender, in each round."""
    runs = {c: loop(statement_of(row, c), arrays_of(c, size)) for c in CONTENDERS}
    counts = {c: count_for(run, seconds) for c, run in runs.items()}
    times = {c: [] for c in CONTENDERS}
    for _ in range(rounds):
        for contender, run in runs.items():
            times[contender].append(run(counts[contender]) / counts[contender])
    return times


def ratio(value, goal):
    """Return a ratio beside its goal, marked where it misses it."""
    if goal is None:
        return f"{value:8.2f}           "
    return f"{value:8.2f} (<= {goal:4.2f}){'*' if value > goal else ' '}"


def machine():
    """Return what the numbers depend on."""
    return {
        "python": platform.python_version(),
        "gil": not sysconfig.get_config_var("Py_GIL_DISABLED"),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "core": la.backend,
    }


def main():
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000, help="elements of x")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--seconds", type=float, default=0.001, help="of each round, about")
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--json", metavar="FILE", help="write the raw results there")
    options = parser.parse_args()
    if options.size < 200:
        parser.error("--size: at least 200, which is where the slices end")

    about = machine()
    print(
        f"CPython {about['python']} {'with' if about['gil'] else 'without'} GIL, "
        f"NumPy {about['numpy']}, {about['machine']}, {about['cores']} cores, "
        f"{about['core']} core; {options.size} float64"
    )
    print(f"ns per operation, median of {options.rounds} rounds; * misses the goal\n")
    heads = ("ndarray", "+ Lock", "Locked")
    print(
        f"{'operation':31}{''.join(f'{head:>9}' for head in heads)}   / ndarray             / Lock"
    )
    raw = {}
    for row in ROWS:
        if options.only not in row.statement:
            continue
        times = raw[row.statement] = measure(row, options.size, options.rounds, options.seconds)
        plain, lock, locked = (statistics.median(times[c]) for c in CONTENDERS)
        print(
            f"{row.statement:31}{plain * 1e9:9.0f}{lock * 1e9:9.0f}{locked * 1e9:9.0f}"
            f"{ratio(locked / plain, row.to_plain)}{ratio(locked / lock, row.to_lock)}"
        )
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"about": about, "seconds": raw}, file)


if __name__ == "__main__":
    main()
