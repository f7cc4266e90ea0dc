"""Count pairs of bytes, with several threads that share one array of counters.

What is counted are the source files of Python's own standard library, which are there on every
machine: how often is each byte followed by each other byte?  All threads add to the same 256 x 256
array, once a plain ndarray and once a LockedArray, and every result is compared with a count by one
thread.  The table tells how long each way took, and how many updates it lost.

    python bigrams.py
    python bigrams.py --threads 4 --output pairs.png
    python bigrams.py --files 100 --sample 100000       # quicker

First come updates of single elements, on a sample of the input.  An update reads a counter and
writes it back; if other threads write in between, their updates are lost.  With the GIL that takes
a switch of threads in between, and today's CPython switches at calls and at the ends of loops only:
`counts[i, j] += 1` has neither, and is spared by luck, until there is a call in it or no GIL.
Python switches every 5 ms.  To see in a second what would otherwise take minutes, this part of the
program lets it switch every 0.1 ms (sys.setswitchinterval).

Then come updates by whole files, on all of the input, and with nothing changed.  This is how one
would really do it.  A plain array loses updates here, too, GIL or not, since NumPy lets go of the
GIL in the middle of such an operation.

The heat map needs matplotlib (pip install matplotlib).  The exit code is 1 if a LockedArray, or a
single thread, has counted wrong.
"""

import argparse
import contextlib
import functools
import os
import platform
import shutil
import sys
import sysconfig
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from pathlib import Path

import numpy as np

import lockedarray as la

SHAPE = (256, 256)
PIECE = 4000  # bytes of one file in the sample
SWITCH_INTERVAL = 100e-6  # seconds


# -- ways to count: each adds the pairs in `data` to the shared array `counts` ---------------------


def element(counts, data):
    """Read, add, write: Python's own `+=` of an element."""
    for i, j in pairwise(data):
        counts[i, j] += 1


def successor(count):
    """Return what a counter is to be next."""
    return count + 1


def element_by_call(counts, data):
    """Read, call a function, write: Python may switch threads during the call."""
    for i, j in pairwise(data):
        counts[i, j] = successor(counts[i, j])


def at_add(counts, data):
    """Update an element of a LockedArray in one atomic step."""
    for i, j in pairwise(data):
        counts.at[i, j] += 1


def at_apply(counts, data):
    """Call a function in one atomic step."""
    for i, j in pairwise(data):
        counts.at[i, j].apply(successor)


def add_at(counts, data):
    """Add a whole file by one NumPy function; the same line for both kinds of array."""
    codes = np.frombuffer(data, np.uint8)
    np.add.at(counts, (codes[:-1], codes[1:]), 1)


def add_count(counts, data):
    """Count a file by itself, for which no lock is needed, and then add what came out."""
    counts += count(data)


def count(data):
    """Return the pairs in `data` as an array of its own."""
    codes = np.frombuffer(data, np.uint8).astype(np.intp)
    pairs = codes[:-1] * 256 + codes[1:]
    return np.bincount(pairs, minlength=256 * 256).reshape(SHAPE)


# -- the input: a list of (path, bytes to read) ----------------------------------------------------


def standard_library():
    """Return the source files of Python's standard library, with their sizes."""
    root = Path(sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"}
    return [
        (path, path.stat().st_size)
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and installed.isdisjoint(path.relative_to(root).parts)
    ]


def beginnings(pieces, total, longest):
    """Return `pieces`, each cut to `longest` bytes, and all of them to `total` bytes."""
    chosen = []
    for path, size in pieces:
        size = min(size, longest, total)
        total -= size
        if size:
            chosen.append((path, size))
    return chosen


def read(path, size):
    """Return the first `size` bytes of a file."""
    with open(path, "rb") as file:
        return file.read(size)


# -- counting --------------------------------------------------------------------------------------


def count_by_one_thread(pieces):
    """Return what all the others are compared with."""
    counts = np.zeros(SHAPE, dtype=np.int64)
    for piece in pieces:
        counts += count(read(*piece))
    return counts


def count_by_threads(counts, update, pieces, threads, show_progress):
    """Have `threads` threads add all pieces to `counts`; return the seconds it took."""
    todo = deque(pieces)
    together = threading.Barrier(threads)

    def work():
        together.wait()
        while True:
            try:
                piece = todo.popleft()
            except IndexError:
                return
            update(counts, read(*piece))

    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        try:
            workers = [pool.submit(work) for _ in range(threads)]
            while wait(workers, timeout=0.1).not_done:
                show_progress(1 - len(todo) / len(pieces))
        finally:  # after Ctrl-C the threads end with the file they are at
            together.abort()
            todo.clear()
        seconds = time.perf_counter() - begin
    for worker in workers:
        worker.result()  # raises what the thread raised
    return seconds


@contextlib.contextmanager
def switch_interval(seconds):
    """Let Python switch threads as often as this, within a ``with`` block."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


# -- what is printed -------------------------------------------------------------------------------


class ProgressBar:
    """One line on the terminal, drawn at most ten times a second; nothing if there is none."""

    def __init__(self, stream=sys.stderr):
        self.stream = stream
        self.visible = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.drawn = 0.0

    def show(self, title, part):
        """Draw the bar, `part` of it (0 to 1) filled."""
        if not self.visible or time.monotonic() - self.drawn < 0.1:
            return
        self.drawn = time.monotonic()
        filled = round(part * 30)
        line = f"[{'#' * filled}{'.' * (30 - filled)}] {part:4.0%}  {title}"
        self.stream.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        self.stream.flush()

    def clear(self):
        """Leave the line empty for what is printed next."""
        if self.visible:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def has_gil():
    """Tell whether this Python runs with the GIL."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


class Table:
    """Runs one way of counting after the other, and prints a row about each."""

    def __init__(self, bar):
        self.bar = bar
        self.lost = 0  # updates, by threads that share a plain ndarray
        self.all_right = True  # everything else

    def print_head(self, title):
        """Print the title of a part, and the names of the columns."""
        print(f"\n{title}\n")
        print(
            f"{'array':<11} {'threads':>7}  {'each update':<38} "
            f"{'pairs':>10} {'seconds':>7} {'ns/pair':>7} {'lost':>8}"
        )

    def add(self, kind, threads, update, text, pieces, expected):
        """Count `pieces` by `update`, print how it went, and return the counts."""
        zeros = la.zeros if kind == "LockedArray" else np.zeros
        counts = zeros(SHAPE, dtype=np.int64)
        show_progress = functools.partial(self.bar.show, f"{kind}, {text}")
        seconds = count_by_threads(counts, update, pieces, threads, show_progress)
        pairs = int(expected.sum())
        lost = pairs - int(counts.sum())
        if kind == "ndarray" and threads > 1:
            self.lost += lost
        elif not np.array_equal(counts, expected):
            self.all_right = False
        self.bar.clear()
        print(
            f"{kind:<11} {threads:>7}  {text:<38} {pairs:>10,} {seconds:>7.2f} "
            f"{1e9 * seconds / pairs:>7,.0f} {lost:>8,}",
            flush=True,
        )
        return counts


def most_frequent(counts, number):
    """Return the most frequent pairs, in words."""
    order = np.argsort(counts, axis=None, kind="stable")[::-1][:number]
    found = zip(*np.unravel_index(order, SHAPE), strict=True)
    return ", ".join(f"{bytes([i, j])!r} {counts[i, j]:,}" for i, j in found)


# -- the heat map ----------------------------------------------------------------------------------


def write_heat_map(counts, path, dpi=100):
    """Draw `counts` into an image file; return what to tell about it."""
    try:
        from matplotlib.colors import LogNorm
        from matplotlib.figure import Figure
    except ImportError:
        return "skipped, since matplotlib is not installed: pip install matplotlib"

    figure = Figure(figsize=(18, 10.4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)
    figure.suptitle("Pairs of bytes in the source files of Python's standard library", fontsize=18)
    everything, printable = figure.subplots(1, 2, width_ratios=(1, 1.6))
    shown = np.ma.masked_equal(counts, 0)
    style = {
        "norm": LogNorm(vmin=0.3, vmax=max(10, counts.max())),  # 1 differs from the black of 0
        "cmap": "inferno",
        "interpolation": "nearest",
    }

    image = everything.imshow(shown, **style)
    everything.set_title("all bytes (the frame: printable ASCII)")
    ticks = range(0, 256, 32)
    everything.set_xticks(ticks, [f"{tick:02x}" for tick in ticks], family="monospace")
    everything.set_yticks(ticks, [f"{tick:02x}" for tick in ticks], family="monospace")
    low, high = 32, 127
    box_x, box_y = [low, high, high, low, low], [low, low, high, high, low]
    everything.plot(np.array(box_x) - 0.5, np.array(box_y) - 0.5, color="white", linewidth=1)

    printable.imshow(shown[low:high, low:high], extent=(low, high, high, low), **style)
    printable.set_title("printable ASCII")
    ticks = np.arange(low, high) + 0.5
    letters = ["␣", *map(chr, range(low + 1, high))]
    printable.set_xticks(ticks, letters, family="monospace", fontsize=6.5)
    printable.set_yticks(ticks, letters, family="monospace", fontsize=6.5)
    printable.tick_params(length=0, labeltop=True, labelright=True)
    for axes in (everything, printable):
        axes.set_xlabel("second byte")
        axes.set_ylabel("first byte")
        axes.set_facecolor("black")
    scale = figure.colorbar(image, ax=[everything, printable], label="how often", shrink=0.8)
    scale.ax.set_ylim(bottom=1)
    figure.savefig(path, dpi=dpi)
    return f"written to {path}"


# -- the program -----------------------------------------------------------------------------------


def positive(text):
    """Convert an argument to an integer above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def options():
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cores = max(2, min(8, os.cpu_count() or 2))
    add = parser.add_argument
    add("--threads", type=positive, default=cores, help="default: one per core, 2 to 8")
    add("--files", type=positive, help="read this many files; default: all")
    add("--bytes", type=positive, default=sys.maxsize, help="and this many bytes; default: all")
    add("--sample", type=positive, default=2_000_000, help="bytes for single updates; default: 2M")
    add("--output", type=Path, default=Path("bigrams.png"), help="default: bigrams.png")
    chosen = parser.parse_args()
    if not chosen.output.parent.is_dir():
        parser.error(f"--output: there is no folder {chosen.output.parent}")
    return chosen


def main():
    """Count in each way, print the table, draw the heat map."""
    chosen = options()
    threads = chosen.threads
    everything = beginnings(standard_library()[: chosen.files], chosen.bytes, chosen.bytes)
    sample = beginnings(everything, chosen.sample, PIECE)
    # What calls Python code under the lock takes some 10 us, as does all on the portable core: that
    # counts a part of the sample.
    part = beginnings(sample, chosen.sample // 20, PIECE)
    if not count_by_one_thread(part).any():
        print("there is nothing to count: no source files, or a limit that is too small")
        return 2

    print(
        f"{len(everything):,} files with {sum(size for _, size in everything):,} bytes\n"
        f"{platform.python_implementation()} {platform.python_version()} "
        f"{'with' if has_gil() else 'without'} the GIL, NumPy {np.__version__}, "
        f"lockedarray {la.backend}"
    )
    table = Table(ProgressBar())

    table.print_head("One update for each pair, on a sample")
    right = count_by_one_thread(sample)
    with switch_interval(SWITCH_INTERVAL):
        table.add("ndarray", 1, element, "counts[i, j] += 1", sample, right)
        table.add("ndarray", threads, element, "counts[i, j] += 1", sample, right)
        text = "counts[i, j] = successor(counts[i, j])"
        table.add("ndarray", threads, element_by_call, text, sample, right)
        right_of_part = count_by_one_thread(part)
        some = (part, right_of_part) if la.backend == "portable" else (sample, right)
        table.add("LockedArray", threads, at_add, "counts.at[i, j] += 1", *some)
        text = "counts.at[i, j].apply(successor)"
        table.add("LockedArray", threads, at_apply, text, part, right_of_part)

    table.print_head("One update for each file, on everything")
    right = count_by_one_thread(everything)
    text = "np.add.at(counts, pairs, 1)"
    table.add("ndarray", 1, add_at, text, everything, right)
    table.add("ndarray", threads, add_at, text, everything, right)
    table.add("LockedArray", threads, add_at, text, everything, right)
    text = "counts += counts_of_file"
    counts = table.add("LockedArray", threads, add_count, text, everything, right)

    print(f"\nmost frequent: {most_frequent(counts.snapshot(), 5)}")
    print(f"plain ndarray: {table.lost:,} updates lost")
    print(f"LockedArray:   {'every count is right' if table.all_right else 'WRONG COUNTS'}")
    print(f"heat map:      {write_heat_map(counts.snapshot(), chosen.output)}")
    return 0 if table.all_right else 1


if __name__ == "__main__":
    sys.exit(main())
