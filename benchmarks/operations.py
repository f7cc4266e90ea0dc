"""Time of single operations, without contention: a LockedArray beside what people use instead.

All contenders run in turn within each round, on equal data, so that a slow moment of the machine
hits all of them. Prints min, median and max over the rounds, per operation.
"""

import argparse
import os
import platform
import statistics
import sysconfig
import threading
from timeit import Timer

import numpy as np
from readerwriterlock import rwlock

import lockedarray as la

OPERATIONS = {"x[1] = 2.0": "writer", "x[1]": "reader", "x += 1": "writer", "x.sum()": "reader"}


def timers(size):
    """Yield (operation, contender, Timer)."""
    below = rwlock.RWLockFair()
    names = {
        "plain": np.zeros(size),
        "locked": la.zeros(size),
        "lock": threading.Lock(),
        "reader": below.gen_rlock(),
        "writer": below.gen_wlock(),
    }
    for operation, mode in OPERATIONS.items():
        contenders = {
            "ndarray": ("plain", operation),
            "ndarray, with Lock": ("plain", f"with lock: {operation}"),
            "ndarray, with RWLockFair": ("plain", f"with {mode}: {operation}"),
            f"LockedArray ({la.backend})": ("locked", operation),
        }
        for contender, (array, statement) in contenders.items():
            yield operation, contender, Timer(statement, f"x = {array}", globals=names)


def main():
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000, help="elements of the array")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=2000, help="operations in each round")
    options = parser.parse_args()

    gil = "without" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with"
    versions = f"CPython {platform.python_version()} {gil} GIL, NumPy {np.__version__}"
    print(f"{versions}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"float64 arrays of {options.size}; ns per operation over {options.rounds} rounds\n")

    rows = list(timers(options.size))
    times = [[] for _ in rows]
    for _ in range(options.rounds):
        for (_, _, timer), samples in zip(rows, times, strict=True):
            samples.append(timer.timeit(options.repeats) / options.repeats * 1e9)

    print(f"{'operation':<12} {'contender':<26} {'min':>9} {'median':>9} {'max':>9}")
    for (operation, contender, _), samples in zip(rows, times, strict=True):
        low, middle, high = min(samples), statistics.median(samples), max(samples)
        print(f"{operation:<12} {contender:<26} {low:9.0f} {middle:9.0f} {high:9.0f}")


if __name__ == "__main__":
    main()
