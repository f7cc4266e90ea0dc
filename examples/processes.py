"""Count pairs of bytes by several processes, of which one is killed half-way, and end right.

As in bigrams.py, the input are the source files of Python's standard library.  Each process has its
share of the files, and counts into a row of its own, of one array that all share.  One of them is
killed by SIGKILL, as the kernel does when memory is short: half-way through its share, and in the
middle of writing.  Its row is half written, and reading it is a PoisonedError; the others count on.
The program repairs that row, has another process count for it, and compares the result with a count
by one process.

    python processes.py
    python processes.py --processes 4 --method spawn
    python processes.py --files 100                     # quicker

What makes the repair right is how the rows are written.  A row has the counts and, beside them, how
many files they are of, and both change in one write.  So a row that is not poisoned tells where to
go on, whenever its process died.  One that is poisoned tells nothing: it begins anew with zeros.

The exit code is 1 if the counts differ.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import sysconfig
import time
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

import lockedarray as la
import lockedarray.shared

SHAPE = (256, 256)
POISONED = 3  # an exit code
ROW = np.dtype([("files", np.int64), ("counts", np.int64, SHAPE)])


def count(path):
    """Return the pairs of bytes in a file as an array of its own."""
    codes = np.frombuffer(path.read_bytes(), np.uint8).astype(np.intp)
    pairs = codes[:-1] * 256 + codes[1:]
    return np.bincount(pairs, minlength=256 * 256).reshape(SHAPE)


def standard_library():
    """Return the source files of Python's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"}
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and installed.isdisjoint(path.relative_to(root).parts)
    ]


# -- the processes ---------------------------------------------------------------------------------


def work(row, paths, fatal):
    """Count `paths` into a row, from where it stands on; be killed while file `fatal` is added.

    `row` is a view of the array of all rows.  It is just passed: here, too, it shows their memory.
    """
    try:
        first = int(row["files"][0])
        for number, path in enumerate(paths[first:], first):
            counts = count(path)  # nobody is kept out meanwhile
            with row.write() as raw:
                if number == fatal:
                    raw["counts"][0, :128] += counts[:128]
                    os.kill(os.getpid(), signal.SIGKILL)
                raw["counts"] += counts
                raw["files"] += 1
    except la.PoisonedError:  # in another row, where all of them have one lock (not on Linux)
        sys.exit(POISONED)


def files_counted(rows, number, row_of):
    """Return how many files are counted in a row, which is repaired if it is half written."""
    while True:
        try:
            return int(rows["files"][number])
        except la.PoisonedError as error:
            print(f"process {number}: PoisonedError, bytes {error.region} are half written")
            half = row_of[error.pid]
            if error.region == (0, rows.nbytes):  # all rows have one lock (not on Linux)
                with rows.recover() as raw:
                    raw[half : half + 1] = 0
            else:  # and no more: others may have died since
                with rows[half : half + 1].recover() as raw:
                    raw[:] = 0


def count_by_processes(paths, processes, method):
    """Return the counts of all processes together, whichever of them die."""
    context = multiprocessing.get_context(method)
    rows = la.shared.zeros(processes, ROW)
    shares = [paths[number::processes] for number in range(processes)]
    running = {}  # by what tells that a process has ended
    row_of = {}  # by the number that errors have

    def start(number, fatal=None):
        row = rows[number : number + 1]
        process = context.Process(target=work, args=(row, shares[number], fatal))
        process.start()
        running[process.sentinel] = process
        row_of[process.pid] = number

    start(0, fatal=len(shares[0]) // 2)
    for number in range(1, processes):
        start(number)
    while running:
        for sentinel in wait(list(running)):
            process = running.pop(sentinel)
            process.join()
            number = row_of[process.pid]
            if process.exitcode < 0:
                print(f"process {number}: killed by {signal.Signals(-process.exitcode).name}")
            elif process.exitcode not in (0, POISONED):
                raise RuntimeError(f"process {number} has failed")
            if process.exitcode:
                left = len(shares[number]) - files_counted(rows, number, row_of)
                print(f"process {number}: another one goes on, with {left:,} files", flush=True)
                start(number)
    return rows["counts"].sum(axis=0)


# -- the program -----------------------------------------------------------------------------------


def count_by_one_process(paths):
    """Return what the others are compared with."""
    counts = np.zeros(SHAPE, np.int64)
    for path in paths:
        counts += count(path)
    return counts


def main():
    """Count by several processes and by one, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cores = max(2, min(8, os.cpu_count() or 2))
    add = parser.add_argument
    add("--processes", type=int, default=cores, help="default: one per core, 2 to 8")
    add("--method", choices=multiprocessing.get_all_start_methods(), help="how they are started")
    add("--files", type=int, help="count in this many files; default: all")
    chosen = parser.parse_args()
    paths = standard_library()[: chosen.files]
    if not 0 < chosen.processes <= len(paths):
        parser.error("--processes must be 1 or more, and at most --files")

    begin = time.perf_counter()
    counts = count_by_processes(paths, chosen.processes, chosen.method)
    seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    right = count_by_one_process(paths)
    by_one = time.perf_counter() - begin
    print(
        f"{len(paths):,} files, {right.sum():,} pairs: {seconds:.2f} s by {chosen.processes} "
        f"processes and those in their places, {by_one:.2f} s by one"
    )
    same = np.array_equal(counts, right)
    print("the counts are " + ("those of one process" if same else "WRONG"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
