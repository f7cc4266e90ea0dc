"""Time of single operations: a LockedArray, on both cores, beside what people use instead.

Four contenders: a plain ndarray without any lock, the same under ``with lock:`` (one
`threading.Lock`), and a LockedArray on the native and on the portable core.  A core is one for a
process, so the contenders live in worker processes, of which one at a time works: all run in turn
within each of many short rounds, on equal data, so that a slow moment of the machine hits all of
them; the median over the rounds counts.  With ``--python`` other interpreters, such as one without
a GIL, take their turns in the same rounds.

Each row has the ratio of the native core's time to those of the other two, and beside it the goal.
The last rows are of threads that work side by side: there the ratio is one of throughput, and the
more the better.
"""

import argparse
import functools
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from typing import NamedTuple

import numpy as np

import lockedarray as la


class Row(NamedTuple):
    """An operation, and what it may cost relative to the ndarray, and to that under a lock."""

    statement: str
    to_plain: float | None
    to_lock: float | None
    plain: str | None = None  # what an ndarray does, if that is something else
    lock: str | None = None
    threads: int = 0  # of so many; the goals are then for throughput
    name: str | None = None

    @property
    def title(self):
        """What stands in the table."""
        return self.name or self.statement

    def statement_of(self, contender):
        """Return what `contender` does in this row."""
        if contender in ("native", "portable"):
            return self.statement
        plain = self.plain or self.statement
        return plain if contender == "plain" else self.lock or f"with lock: {plain}"


ROWS = [
    Row("x[i]", 1.6, 0.5),
    Row("x[i] = v", 1.6, 0.5),
    Row("t[i, j]", 1.6, 0.5),
    Row("t[i, j] = v", 1.6, 0.5),
    Row("x[i] += v", 1.3, 0.6),
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
    Row("x.at[i].add(v)", None, None, "x[i] += v; x[i]"),
    Row("x[idx]", None, None),
    Row("x[idx] = v", None, None),
    Row("x[mask] = v", None, None),
    Row("np.add.at(x, idx, 1)", None, None),
    Row("t.T", None, None),
    Row("x.reshape(-1, 10)", None, None),
    Row("np.sum(t, axis=0)", None, None),
    Row("np.where(mask, x, y)", None, None),
    Row("np.concatenate([x, y])", None, None),
    Row("x.astype('f4')", None, None),
    Row("la.zeros(10)", 6.5, None, "np.zeros(10)"),
    Row("with x.write() as r: r[i] = v", None, 1.5, "x[i] = v"),
    Row(
        "with la.acquire(write=(x, u)) as (r, s): r[i] = s[i] = v",
        None,
        None,
        "x[i] = u[i] = v",
        "with lock, other: x[i] = u[i] = v",
        name="with la.acquire(write=(x, u))",
    ),
    Row("x.resize(len(x) + 1)", 3, 3, "x.resize(len(x) + 1, refcheck=False)"),
    Row(
        "log.append(row)", None, 1.0, "log.append(row.copy())", name="x.append(row), beside a list"
    ),
    Row("log.append(row); log.popleft()", None, None, "log.append(row.copy()); log.pop(0)"),
    Row("big.sum()", 0.95, 1.8, threads=2, name="2 threads: readers of one array"),
    Row("half += 1", 0.95, 1.8, threads=2, name="2 threads: disjoint slices"),
    Row("columns += 1", 0.95, 1.8, threads=2, name="2 threads: disjoint columns"),
    Row("field += 1", 0.95, 1.8, threads=2, name="2 threads: disjoint fields"),
    Row("table_row.sum()", 0.95, 1.8, threads=2, name="2 threads: readers of two rows"),
    Row(
        "own.at[k, 3].apply(f)",
        None,
        1.0,
        "own[k, 3] = f(own[k, 3])",
        threads=2,
        name="2 threads: x.at[i, j].apply(f)",
    ),
    Row(
        "x.at[0] += 1",
        None,
        1.3,
        "x[0] += 1",
        threads=8,
        name="8 threads: x.at[0] += 1",
    ),
]

# Plain ndarrays live in the process of the native core: which one makes no difference.
CONTENDERS = {"plain": "native", "lock": "native", "native": "native", "portable": "portable"}
BIG = 262_144  # elements, 2 MB, of the arrays that threads share

LOOP = """
def run(
    count, x, u, t, y, idx, mask, log, row, big, half, columns, field, table_row, own, k, f,
    lock, other, la, np, clock, i=5, j=7, v=1.5, a=100, b=200,
):
    start = clock()
    for _ in range(count):
        {statement}
    return start, clock()
"""


# -- in a worker -----------------------------------------------------------------------------------


def arrays_of(contender, size):
    """Return the operands by name, for each of two threads."""
    make = la.ones if contender in ("native", "portable") else np.ones
    shared = {
        "x": make(size),
        "u": make(size),
        "t": make((30, 30)),
        "y": np.ones(size),
        "big": make(BIG),
    }
    shared |= {"log": la.zeros((0, 4)) if make is la.ones else [], "row": np.ones(4)}
    shared |= {"idx": np.arange(0, 200, 4), "mask": np.arange(size) % 2 == 0}
    table = make((512, BIG // 512))
    records = (la if make is la.ones else np).zeros(BIG // 2, [("a", "f8"), ("b", "f8")])
    shared |= {"own": make((2, 8)), "f": lambda value: value + 1}
    return [
        {
            **shared,
            "half": shared["big"][k * BIG // 2 : (k + 1) * BIG // 2],
            "columns": table[:, k * 256 : (k + 1) * 256],
            "field": records["ab"[k]],
            "table_row": shared["big"].reshape(2, -1)[k],
            "k": k,
        }
        for k in range(2)
    ]


class Loops:
    """A statement in loops, in one thread or several: tells the seconds that it took."""

    def __init__(self, statement, arrays, threads):
        names = {}
        exec(LOOP.format(statement=statement), names)
        known = {"lock": threading.Lock(), "other": threading.Lock(), "la": la, "np": np}
        self._runs = [
            functools.partial(names["run"], **given, **known, clock=time.perf_counter)
            for given in itertools.islice(itertools.cycle(arrays), max(threads, 1))
        ]

    def run(self, count):
        """Return the seconds for `count` times in each thread, from the first start on."""
        if len(self._runs) == 1:
            start, end = self._runs[0](count)
            return end - start
        times = []
        barrier = threading.Barrier(len(self._runs))

        def work(run):
            barrier.wait()
            times.append(run(count))

        threads = [threading.Thread(target=work, args=[run]) for run in self._runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(end for _, end in times) - min(start for start, _ in times)

    def count_for(self, seconds):
        """How many repeats take about `seconds`."""
        count = 1
        while self.run(count) < seconds / 4:
            count *= 2
        return 4 * count


def work():
    """Do what the lines on standard input ask for, and answer each with one."""
    about = {
        "python": platform.python_version(),
        "gil": not sysconfig.get_config_var("Py_GIL_DISABLED"),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "core": la.backend,
        "lockedarray": la.__version__,
    }
    print(json.dumps(about), flush=True)
    loops = {}
    for line in sys.stdin:
        contender, row, size, seconds = json.loads(line)
        key = contender, row
        if key not in loops:
            loops = {known: loop for known, loop in loops.items() if known[1] == row}
            chosen = ROWS[row]
            made = Loops(chosen.statement_of(contender), arrays_of(contender, size), chosen.threads)
            loops[key] = made, made.count_for(seconds)
        made, count = loops[key]
        made.run(count // 8 + 1)  # the caches are somebody else's
        print(made.run(count) / count, flush=True)


# -- in the process that asks ----------------------------------------------------------------------


class Worker:
    """A process with one interpreter and one core."""

    def __init__(self, python, core):
        environment = {**os.environ, "LOCKEDARRAY_BACKEND": core}
        self._process = subprocess.Popen(
            [python, os.path.abspath(__file__), "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.about = json.loads(self._read())

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker process ended: see above")
        return line

    def seconds(self, contender, row, size, seconds):
        """Return how long `contender` takes for one operation of a row."""
        print(json.dumps([contender, row, size, seconds]), file=self._process.stdin, flush=True)
        return float(self._read())

    def end(self):
        """Let the process end."""
        self._process.stdin.close()
        self._process.wait()


def measure(interpreters, row, options):
    """Return the seconds of one operation, in each round: by interpreter, then by contender."""
    times = [{contender: [] for contender in CONTENDERS} for _ in interpreters]
    rounds = options.rounds if not ROWS[row].threads else max(options.rounds // 4, 3)
    turns = [*CONTENDERS.items()] * 2
    for n in range(rounds):
        for workers, known in zip(interpreters, times, strict=True):
            for contender, core in turns[n % 4 : n % 4 + 4]:  # each comes first in its turn
                seconds = options.seconds * (20 if ROWS[row].threads else 1)
                known[contender].append(
                    workers[core].seconds(contender, row, options.size, seconds)
                )
    return times


def ratios(row, times):
    """Return (value, goal): the native core against the ndarray, and against the lock."""
    plain, lock, native = (statistics.median(times[name]) for name in ("plain", "lock", "native"))
    if row.threads:  # in throughput
        return (plain / native, row.to_plain), (lock / native, row.to_lock)
    return (native / plain, row.to_plain), (native / lock, row.to_lock)


def misses(row, value, goal):
    """Whether a ratio misses its goal."""
    return goal is not None and (value < goal if row.threads else value > goal)


def cell(row, value, goal):
    """Return a ratio beside its goal, marked where it misses it."""
    if goal is None:
        return f"{value:8.2f}           "
    sign = ">=" if row.threads else "<="
    return f"{value:8.2f} ({sign} {goal:4.2f}){'*' if misses(row, value, goal) else ' '}"


def describe(about):
    """Return what an interpreter's numbers depend on, in words."""
    return (
        f"CPython {about['python']} {'with' if about['gil'] else 'without'} GIL, "
        f"NumPy {about['numpy']}, {about['machine']}, {about['cores']} cores"
    )


def table(about, results, options):
    """Print the table of one interpreter."""
    print(f"\n{describe(about)}; {options.size} float64")
    print("ns per operation, median of all rounds; * misses the goal\n")
    heads = "".join(f"{head:>11}" for head in ("ndarray", "+ Lock", "native", "portable"))
    print(f"{'operation':33}{heads}   / ndarray           / Lock")
    for row, times in results:
        numbers = "".join(f"{statistics.median(times[c]) * 1e9:11.0f}" for c in CONTENDERS)
        cells = "".join(cell(row, *pair) for pair in ratios(row, times))
        print(f"{row.title:33}{numbers}{cells}")


def draw(path, abouts, results):
    """Draw the ratios of each interpreter to the lock, and to the ndarray, with their goals."""
    import matplotlib.pyplot as plt

    rows = [row for row, _ in results[0]]
    places = np.arange(len(rows))[::-1]
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 0.4 * len(rows) + 1.5), sharey=True)
    height = 0.8 / len(results)
    for n, (about, found) in enumerate(zip(abouts, results, strict=True)):
        pairs = [ratios(row, times) for row, times in found]
        for axes, side in ((left, 0), (right, 1)):
            values = [pair[side][0] for pair in pairs]
            axes.barh(places + (0.5 - n) * height, values, height, label=describe(about))
    for axes, goals, title in (
        (left, [row.to_plain for row in rows], "against plain ndarray"),
        (right, [row.to_lock for row in rows], "against an ndarray and a Lock"),
    ):
        axes.plot(
            [np.nan if goal is None else goal for goal in goals], places, "k|", ms=12, label="goal"
        )
        axes.axvline(1, color="grey", lw=0.8)
        axes.set_xscale("log")
        axes.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
        axes.set_xticks([], minor=True)
        axes.set_title(title)
    left.set_yticks(places, [row.title for row in rows])
    figure.suptitle("native core: time; of threads, throughput", fontsize=10)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.legend(*right.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=120)


def main():
    """Run the rounds and print a table for each interpreter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=1000, help="elements of x")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--seconds", type=float, default=0.001, help="of each round, about")
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument(
        "--python", action="append", metavar="PATH",
        help="an interpreter that has the package (again for more); by default this one",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the raw results there")
    parser.add_argument("--picture", metavar="FILE", help="draw the ratios there (matplotlib)")
    options = parser.parse_args()
    if options.worker:
        work()
        return
    if options.size < 200:
        parser.error("--size: at least 200, which is where the slices end")

    pythons = options.python or [sys.executable]
    cores = sorted(set(CONTENDERS.values()))
    interpreters = [{core: Worker(python, core) for core in cores} for python in pythons]
    abouts = [workers["native"].about for workers in interpreters]
    results = [[] for _ in pythons]
    for number, row in enumerate(ROWS):
        if options.only not in row.title:
            continue
        for found, times in zip(results, measure(interpreters, number, options), strict=True):
            found.append((row, times))
    for workers in interpreters:
        for worker in workers.values():
            worker.end()
    for about, found in zip(abouts, results, strict=True):
        table(about, found, options)
    if options.json:
        raw = [{row.title: times for row, times in found} for found in results]
        with open(options.json, "w") as file:
            json.dump([{"about": a, "seconds": r} for a, r in zip(abouts, raw, strict=True)], file)
    if options.picture:
        draw(options.picture, abouts, results)


if __name__ == "__main__":
    main()
