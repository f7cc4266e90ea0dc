"""Plot a log while threads append to it.

What is logged is one row for each source file of Python's standard library: its lines and its
bytes.  Several threads read the files, and append each a row to one array, which grows:

    log.append((lines, size))

Meanwhile the main thread waits until there is a quarter more of it, and draws what is there.  A
snapshot has whole rows, and what was drawn once stays as it was.

    python growing_log.py
    python growing_log.py --files 100 --output log.png

The plot needs matplotlib (pip install matplotlib).  The exit code is 1 if a row is missing or
wrong, compared with what one thread finds.
"""

import argparse
import sys
import sysconfig
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import lockedarray as la

QUARTERS = 4


def standard_library():
    """Return the source files of Python's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"}
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and installed.isdisjoint(path.relative_to(root).parts)
    ]


def measured(path):
    """Return the row of a file."""
    data = path.read_bytes()
    return data.count(b"\n"), len(data)


def measure(todo, log):
    """Append a row for each file that is left."""
    while todo:
        try:
            path = todo.popleft()
        except IndexError:  # another thread has taken the last one
            return
        log.append(measured(path))


def grown(log, number, workers):
    """Return the rows at each quarter of `number`."""
    for quarter in range(1, QUARTERS + 1):
        wanted = number * quarter // QUARTERS
        while not log.wait_for(lambda rows, wanted=wanted: len(rows) >= wanted, timeout=1):
            for worker in workers:
                if worker.done():
                    worker.result()  # raises what the thread raised
        rows = log.snapshot()
        print(f"{len(rows):>6,} rows, {rows[:, 1].sum():>12,} bytes", flush=True)
        yield rows


def new_figure():
    """Return a figure with a place for each quarter, or None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(16, 4.5), layout="constrained")
    figure.subplots(1, QUARTERS, sharex=True, sharey=True, subplot_kw={
        "xscale": "log", "yscale": "log", "xlabel": "lines", "ylabel": "bytes",
    })  # fmt: skip
    return figure


def main():
    """Fill the log by threads, draw it meanwhile, and compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=4, help="default: 4")
    parser.add_argument("--files", type=int, help="read this many files; default: all")
    parser.add_argument("--output", type=Path, default=Path("log.png"), help="default: log.png")
    chosen = parser.parse_args()
    paths = standard_library()[: chosen.files]
    if chosen.threads < 1 or not paths:
        parser.error("--threads and --files must be 1 or more")

    log = la.zeros((0, 2), dtype=np.int64)
    todo = deque(paths)
    figure = new_figure()
    drawn = []
    with ThreadPoolExecutor(chosen.threads) as pool:
        workers = [pool.submit(measure, todo, log) for _ in range(chosen.threads)]
        try:
            for number, rows in enumerate(grown(log, len(paths), workers)):
                drawn.append(rows)
                if figure is not None:
                    axes = figure.axes[number]
                    axes.scatter(*(rows.T + 1), s=3)
                    axes.set_title(f"{len(rows):,} files")
        finally:  # after Ctrl-C the threads end with the file they are at
            todo.clear()

    if figure is None:
        print("plot: skipped, since matplotlib is not installed: pip install matplotlib")
    else:
        figure.savefig(chosen.output, dpi=100)
        print(f"plot: written to {chosen.output}")
    found = log.snapshot()
    right = sorted(measured(path) for path in paths)
    same = sorted(map(tuple, found.tolist())) == right
    same = same and all(np.array_equal(rows, found[: len(rows)]) for rows in drawn)
    print("the rows are " + ("those that one thread finds" if same else "WRONG"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
