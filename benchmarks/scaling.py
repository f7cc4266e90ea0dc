"""What changes with size, threads, the share of reads, and how much of the array two threads share.

All contenders are in one process and take turns within each of many short rounds, so that a slow
moment of the machine hits all of them; the median over the rounds counts:

ndarray
    No lock at all: fast, and wrong as soon as two threads write.
Lock, RLock, RWLockFair
    The same under ``with lock:``, one lock for the array, of `threading` or `readerwriterlock`.
multiprocessing.Array
    Its memory as an ndarray, under its own lock, which other processes can share.
LockedArray
    On the core that ``LOCKEDARRAY_BACKEND`` chooses.
cereggii
    Its `AtomicInt64`, for one counter, where it is installed.

    python benchmarks/scaling.py --json scaling.json --plot scaling.png
    python benchmarks/scaling.py --only threads --most-threads 8
"""

import argparse
import contextlib
import gc
import json
import multiprocessing
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from readerwriterlock.rwlock import RWLockFair

import lockedarray as la

Act = Callable[[], Any]
"""One operation."""
Results = dict[str, dict[str, float]]
"""A number for each row and contender."""

NAMES = ["ndarray", "Lock", "RLock", "RWLockFair", "multiprocessing.Array", "LockedArray"]
STATEMENTS = ["x[i]", "x[i] += 1", "x.sum()", "x += 1", "x[:] = y", "x.copy()"]
READS = {"x[i]", "x.sum()", "x.copy()"}
SHARES = [0, 50, 90, 99, 100]


class Contender:
    """An array of `size` float64, and how an operation on it is protected."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.read_lock: Any = None
        self.write_lock: Any = None
        match name:
            case "LockedArray":
                self.array: Any = la.zeros(size)
            case "multiprocessing.Array":
                shared = multiprocessing.Array("d", size)
                self.array = np.frombuffer(shared.get_obj())
                self.read_lock = self.write_lock = shared.get_lock()
            case "RWLockFair":
                self.array = np.zeros(size)
                both = RWLockFair()
                self.read_lock, self.write_lock = both.gen_rlock(), both.gen_wlock()
                self._both = both
            case _:
                self.array = np.zeros(size)
                if name != "ndarray":
                    self.read_lock = self.write_lock = getattr(threading, name)()

    def view(self, part: slice) -> "Contender":
        """Return the contender with a part of its array: its lock is that of the whole."""
        other = Contender.__new__(Contender)
        other.__dict__.update(self.__dict__)
        other.array = self.array[part]
        if self.name == "RWLockFair":  # of which each thread has its own
            other.read_lock, other.write_lock = self._both.gen_rlock(), self._both.gen_wlock()
        return other

    def act(self, statement: str) -> Callable[[int], None]:
        """Return what does the statement so many times."""
        lock = self.read_lock if statement in READS else self.write_lock
        body = f"with lock: {statement}" if lock is not None else statement
        code = f"def loop(count, x=x, y=y, lock=lock, i=0):\n  for _ in range(count):\n    {body}\n"
        names = {"x": self.array, "y": np.ones(self.array.shape), "lock": lock}
        exec(code, names)
        return names["loop"]


def seconds(loop: Callable[[int], None], count: int) -> float:
    """Return the seconds that one of `count` operations takes."""
    start = time.perf_counter()
    loop(count)
    return (time.perf_counter() - start) / count


def sizes(rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield a row, and the seconds of each contender, for each statement and size."""
    for statement in STATEMENTS:
        for exponent in range(8):
            contenders = [Contender(name, 10**exponent) for name in NAMES]
            loops = {each.name: each.act(statement) for each in contenders}
            count = max(1, int(2e-3 / max(seconds(loop, 3) for loop in loops.values())))
            taken: dict[str, list[float]] = {name: [] for name in NAMES}
            for _ in range(rounds):
                for name, loop in loops.items():
                    taken[name].append(seconds(loop, count))
            yield f"{statement}, 1e{exponent}", {n: statistics.median(t) for n, t in taken.items()}


@contextlib.contextmanager
def running(loops: list[Callable[[int], None]], done: list[int]) -> Iterator[None]:
    """Have each loop go on in a thread of its own, and count, until the block ends."""
    ready, stop = threading.Barrier(len(loops) + 1), threading.Event()

    def go_on(number: int) -> None:
        ready.wait()
        while not stop.is_set():
            loops[number](20)
            done[number] += 20

    threads = [threading.Thread(target=go_on, args=(n,)) for n in range(len(loops))]
    for thread in threads:
        thread.start()
    ready.wait()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def rate(loops: list[Callable[[int], None]], duration: float) -> float:
    """Return how many operations a second all threads do together."""
    done = [0] * len(loops)
    start = time.perf_counter()
    with running(loops, done):
        time.sleep(duration)
    return sum(done) / (time.perf_counter() - start)


def mixed(contender: Contender, share: int, number: int) -> Callable[[int], None]:
    """Return a loop in which so many of a hundred operations read, spread evenly."""
    reading, writing = contender.act("x.sum()"), contender.act("x += 1")

    def loop(count: int) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            reads = (number * share) // 100 > ((number - 1) * share) // 100
            (reading if reads else writing)(1)

    return loop


def together(
    rounds: int, duration: float, loops_of: Callable[[str], list[Callable[[int], None]]]
) -> dict[str, float]:
    """Return the rate of each contender, the median over the rounds."""
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(rounds):
        for name in NAMES:
            rates[name].append(rate(loops_of(name), duration))
    return {name: statistics.median(each) for name, each in rates.items()}


def by_threads(
    rounds: int, duration: float, most: int, size: int = 1000
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield a row, and operations a second, for 1 to `most` threads, apart and in one place."""
    threads = [1 << k for k in range(7) if 1 << k <= most]
    for where in ("each its own part", "all the same part"):
        for number in threads:

            def loops_of(name: str, number: int = number, where: str = where) -> list:
                contender = Contender(name, size * number)
                parts = [slice(k * size, (k + 1) * size) for k in range(number)]
                if where == "all the same part":
                    parts = [parts[0]] * number
                return [contender.view(part).act("x += 1") for part in parts]

            yield f"x += 1, {where}, {number} threads", together(rounds, duration, loops_of)


def by_share(rounds: int, duration: float, most: int, size: int = 1000) -> Iterator:
    """Yield a row, and operations a second, for each share of reads."""
    number = min(most, 8)
    for share in SHARES:

        def loops_of(name: str, share: int = share) -> list:
            contender = Contender(name, size)
            whole = slice(None)
            return [mixed(contender.view(whole), share, 17 * k) for k in range(number)]

        yield f"{share} % reads, {number} threads", together(rounds, duration, loops_of)


def counters(rounds: int, duration: float, most: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield operations a second on one counter, with cereggii's where it is installed."""
    try:
        from cereggii import AtomicInt64
    except ImportError:
        AtomicInt64 = None  # noqa: N806
    for number in [1 << k for k in range(7) if 1 << k <= most]:
        row = together(
            rounds,
            duration,
            lambda name, number=number: [c.act("x[i] += 1") for c in _of_one(name, number)],
        )
        if AtomicInt64 is not None:
            rates = []
            for _ in range(rounds):
                counter = AtomicInt64(0)

                def loop(count: int, add: Any = counter.increment_and_get) -> None:
                    for _ in range(count):
                        add(1)

                rates.append(rate([loop] * number, duration))
            row["cereggii"] = statistics.median(rates)
        yield f"x[0] += 1, {number} threads", row


def _of_one(name: str, number: int) -> list[Contender]:
    contender = Contender(name, 1)
    return [contender.view(slice(None)) for _ in range(number)]


def memory(count: int = 2000) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the bytes of an array and its lock, of a few sizes."""
    for size in (1, 10, 1000, 100_000):
        row = {}
        for name in NAMES:
            if name == "multiprocessing.Array":
                continue  # its memory is a file's
            number = max(3, count // size)
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            kept = [Contender(name, size) for _ in range(number)]
            after = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            slots = sum(sys.getsizeof(each.__dict__) + sys.getsizeof(each) for each in kept)
            row[name] = (after - before - slots) / number
            del kept
        yield f"{size} elements", row


def table(title: str, unit: str, rows: Results) -> None:
    """Print a table in Markdown: each contender's number, and LockedArray beside two of them."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    print(f"\n{title}, {unit}:\n")
    print("| |", " | ".join(names), "| LockedArray / ndarray | / Lock |")
    print("| --- |" + " --- |" * (len(names) + 2))
    for row, numbers in rows.items():
        cells = [f"{numbers[n]:.3g}" if n in numbers else "" for n in names]
        ours = numbers["LockedArray"]
        cells += [f"{ours / numbers['ndarray']:.2f}", f"{ours / numbers['Lock']:.2f}"]
        print(f"| {row} |", " | ".join(cells), "|", flush=True)


def draw(path: str, results: dict[str, Results]) -> None:
    """Draw sizes, threads and shares of reads into one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, all_axes = pyplot.subplots(2, 2, figsize=(12, 8), layout="constrained")
    (of_sizes, of_shares), (apart, same) = all_axes
    for statement in STATEMENTS:
        rows = {k: v for k, v in results["sizes"].items() if k.startswith(f"{statement},")}
        numbers = [10 ** int(k.rpartition("1e")[2]) for k in rows]
        ratios = [v["LockedArray"] / v["Lock"] for v in rows.values()]
        of_sizes.plot(numbers, ratios, marker=".", label=statement)
    of_sizes.axhline(1, color="grey", linewidth=0.8)
    of_sizes.set(xscale="log", xlabel="elements", ylabel="time, relative to ndarray and Lock")
    of_sizes.set(title="One thread: below 1 is cheaper than a lock")
    for axes, where in [(apart, "each its own part"), (same, "all the same part")]:
        rows = {k: v for k, v in results["threads"].items() if where in k}
        numbers = [int(k.split(", ")[2].split()[0]) for k in rows]
        for name in NAMES:
            axes.plot(numbers, [v[name] for v in rows.values()], marker=".", label=name)
        axes.set(xscale="log", yscale="log", xlabel="threads", ylabel="operations a second")
        axes.set(title=f"x += 1 of 1000 elements, {where}")
    for name in NAMES:
        of_shares.plot(SHARES, [v[name] for v in results["reads"].values()], marker=".", label=name)
    of_shares.set(xlabel="reads among all operations, %", ylabel="operations a second")
    of_shares.set(title="Threads that read and write one array", yscale="log")
    for axes in (of_sizes, of_shares, apart, same):
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print tables, and keep the numbers if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=0.1, help="seconds of a run of threads")
    parser.add_argument("--most-threads", type=int, default=64)
    parser.add_argument("--only", choices=["sizes", "threads", "reads", "counter", "memory"])
    parser.add_argument("--json", metavar="FILE", help="keep the numbers")
    parser.add_argument("--plot", metavar="FILE", help="draw them; needs matplotlib")
    options = parser.parse_args()
    timed = options.rounds, options.duration, options.most_threads
    parts: dict[str, tuple[str, str, Iterator[tuple[str, dict[str, float]]]]] = {
        "sizes": ("One thread", "seconds", sizes(options.rounds)),
        "threads": ("Threads", "operations a second", by_threads(*timed)),
        "reads": ("Shares of reads", "operations a second", by_share(*timed)),
        "counter": ("One counter", "operations a second", counters(*timed)),
        "memory": ("Memory", "bytes", memory()),
    }
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    about = (
        f"CPython {sys.version.split()[0]}, {'the' if gil else 'no'} GIL, NumPy {np.__version__}"
    )
    print(f"{about}, {la.backend} core")
    results: dict[str, Results] = {}
    for name, (title, unit, rows) in parts.items():
        if options.only in (None, name):
            results[name] = dict(rows)
            table(title, unit, results[name])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"about": about, "core": la.backend, **results}, file, indent=1)
    if options.plot:
        draw(options.plot, results)


if __name__ == "__main__":
    main()
