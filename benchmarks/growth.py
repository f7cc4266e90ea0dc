"""What an act costs with few of something, and with many.

Each table is of a situation: so many guards that one thread holds, so many rows of one array that
others hold, so many threads that wait.  Its lines are what is done there, and what one of it takes
in nanoseconds, with the lower number and with the higher one, and the ratio of the two.  The goal
is a ratio below 3: a logarithm and colder caches, but no walk through what has nothing to do with
the act.  ("For each": what has to do with all of them, divided by their number.)

Run with ``python benchmarks/growth.py [--few 100 --many 10000] [--threads 100 1000]``.  The two
sizes take turns, each is set up anew in each round, and the least of the rounds is shown, since
other programs share the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import operator
import os
import platform
import sys
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import lockedarray as la

GOAL = 3
Costs = dict[str, float]  # nanoseconds of one act, by what it is
clock = time.perf_counter_ns


def cost(statement: str, **names: Any) -> float:
    """Nanoseconds of a statement, in the fastest of some short loops."""
    known = "; ".join(f"{name} = given[{name!r}]" for name in names)  # += makes them local
    timer = timeit.Timer(statement, known, globals={"la": la, "given": names})
    once = timer.timeit(1)
    count = min(max(int(0.0005 / once), 1), 1000)
    rounds = 7 if once < 0.02 else 2
    return min(timer.timeit(count) for _ in range(rounds)) / count * 1e9


def each(act: Callable[[Any], Any], objects: Any) -> float:
    """Nanoseconds for each of the objects, on the average."""
    start = clock()
    for one in objects:
        act(one)
    return (clock() - start) / len(objects)


def least(costs: list[Costs]) -> Costs:
    """The least of each cost."""
    return {name: min(found[name] for found in costs) for name in costs[0]}


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Keep the garbage collector away, which looks at all guards and arrays now and then."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# -- guards ----------------------------------------------------------------------------------------

acquire, release = (operator.methodcaller(name) for name in ("acquire", "release"))
write, read = (operator.methodcaller(name) for name in ("write", "read"))


def take(parts: list[la.LockedArray]) -> list[la.Guard]:
    """Return guards that the calling thread holds, to write."""
    guards = [write(part) for part in parts]
    for guard in guards:
        acquire(guard)
    return guards


def taking_and_giving_back(parts: list[la.LockedArray]) -> Costs:
    """One guard for each of the parts: all are taken, and all are given back."""
    costs = {}
    held: list[la.Guard] = []

    def hold(part: la.LockedArray) -> None:
        guard = part.write()
        guard.acquire()
        held.append(guard)

    costs["take one more: write() and acquire()"] = each(hold, parts)
    costs["release(), the oldest first"] = each(release, held)
    with without_collector():
        held.clear()
        costs["take one more, no garbage collector"] = each(hold, parts)
        costs["release(), the newest first"] = each(release, held[::-1])
        each(acquire, held)
        costs["release(), in no order"] = each(release, held[::2] + held[1::2])
        each(acquire, held)
        with ThreadPoolExecutor(1) as other:
            costs["dropped, in another thread"] = other.submit(drop_all, held).result()
    return costs


def drop_all(held: list[la.Guard]) -> float:
    """Nanoseconds for each guard to which the list has the last reference."""
    count, start = len(held), clock()
    held.clear()
    return (clock() - start) / count


def guards_of_arrays(n: int) -> Costs:
    """Measure beside guards of N arrays that the calling thread holds."""
    parts = [la.zeros(4) for _ in range(n)]
    costs = least([taking_and_giving_back(parts) for _ in range(4)])
    x, other = la.zeros(4), la.zeros(4)
    held = take(parts)
    for statement in (
        "with x.write(): pass",
        "with x.read(): pass",
        "with la.acquire(write=(x, other)): pass",
        "x[1] = 1.0",
        "x[1]",
        "x += 1",
        "x.at[1] += 1",
        "x.resize(8); x.resize(4)",
        "la.zeros(4).resize(64)",
        "x.lock.holds()",
    ):
        costs[statement] = cost(statement, x=x, other=other)
    each(release, held)
    return costs


def guards_of_parts(make: Callable[[int], la.LockedArray], cut: Any) -> Callable[[int], Costs]:
    """Measure with guards of N parts of one array, of the calling thread."""

    def measure(n: int) -> Costs:
        x = make(n + 1)
        parts, part = [cut(x, i) for i in range(n)], cut(x, n)
        costs = least([taking_and_giving_back(parts) for _ in range(4)])
        held = take(parts)
        costs |= acts_beside(x, part, n)
        costs["x.write() of all, for each"] = cost("with x.write(): pass", x=x) / n
        each(release, held)
        return costs

    return measure


def acts_beside(x: la.LockedArray, part: la.LockedArray, n: int) -> Costs:
    """What is done with one part of an array of which others are held."""
    costs = {}
    index = (slice(None), n) if x.shape[0] == 4 else (n, slice(None))
    element = (1, n) if x.shape[0] == 4 else (n, 1)
    for statement in (
        "with part.write(): pass",
        "with part.read(): pass",
        "part[1] = 1.0",
        "part[1]",
        "x[element] = 1.0",
        "part += 1",
        "x[index]",
    ):
        costs[statement] = cost(statement, x=x, part=part, index=index, element=element)
    costs["x.lock.holds(), for each"] = cost("x.lock.holds()", x=x) / n
    return costs


def guards_of_others(make: Callable[[int], la.LockedArray], cut: Any) -> Callable[[int], Costs]:
    """Measure with guards of N parts of one array, of two other threads.

    One of them has a guard for each part, the other one guard of all its parts.
    """

    def measure(n: int) -> Costs:
        x = make(n + 1)
        parts, part = [cut(x, i) for i in range(n)], cut(x, n)
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
            guards = one.submit(take, parts[: n // 2]).result()
            together = la.acquire(write=tuple(parts[n // 2 :]))
            two.submit(together.acquire).result()
            costs = acts_beside(x, part, n)
            costs["write(timeout=0) of a part that is held"] = cost(
                "try:\n with held.write(timeout=0): pass\nexcept la.LockTimeout: pass",
                held=parts[n // 3],
            )
            one.submit(each, release, guards).result()
            two.submit(together.release).result()
        return costs

    return measure


def readers_of_all(n: int) -> Costs:
    """N guards read the whole of one array: this thread's, and as many of another thread."""
    x = la.zeros((4, 4))
    with ThreadPoolExecutor(1) as other:
        guards = [x.read() for _ in range(n // 2)]
        others = [x.read() for _ in range(n // 2)]
        costs = {"take one more: acquire()": each(acquire, guards)}
        other.submit(each, acquire, others).result()
        for statement in ("with x.read(): pass", "x[1, 1]", "x[1] + x[2]"):
            costs[statement] = cost(statement, x=x)
        costs["release(), the oldest first"] = each(release, guards)
        other.submit(each, release, others).result()
    return costs


# -- several as one --------------------------------------------------------------------------------


def acquire_of_several(n: int) -> Costs:
    """N arrays, or N parts of one array, are taken by one la.acquire: the cost for each of them."""
    arrays = tuple(la.zeros(4) for _ in range(n))
    rows, columns = la.zeros((n, 4)), la.zeros((4, n))
    costs = {}
    for name, parts in (
        ("arrays", arrays),
        ("arrays, shuffled", tuple(shuffled(list(arrays)))),
        ("rows", tuple(rows)),
        ("columns", tuple(columns.T)),
    ):
        costs[f"write= {name}"] = cost("with la.acquire(write=parts): pass", parts=parts) / n
        costs[f"read= {name}"] = cost("with la.acquire(read=parts): pass", parts=parts) / n
    half = n // 2
    costs["write= and read=, half the rows each"] = (
        cost("with la.acquire(write=w, read=r): pass", w=tuple(rows[:half]), r=tuple(rows[half:]))
        / n
    )
    return costs


def shuffled(objects: list[Any]) -> list[Any]:
    """The same in another order, which is always the same one."""
    return [objects[i] for i in np.random.default_rng(1).permutation(len(objects))]


# -- waiters ---------------------------------------------------------------------------------------


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What the functions return that are called one after the other.

    From C, where the interpreter does not give the GIL away between two of them.
    """
    return [*map(operator.call, acts)]


@contextlib.contextmanager
def waiters(x: la.LockedArray, parts: list[la.LockedArray]) -> Iterator[list[int]]:
    """Have as many threads wait for one part each; yields when each of them got it."""
    got: list[int] = []

    def wait(part: la.LockedArray) -> None:
        with part.write():
            got.append(clock())

    threads = [threading.Thread(target=wait, args=[part]) for part in parts]
    for thread in threads:
        thread.start()
    while sum(held.waiting for held in x.lock.holds()) < len(parts):
        time.sleep(0.05)
    yield got
    for thread in threads:
        thread.join()


def release_with_waiters(n: int) -> Costs:
    """N threads wait for a row each of one array: the release that lets them, for each of them."""
    x = la.zeros((n, 4))
    guard = x.write()
    guard.acquire()
    with waiters(x, list(x)) as got:
        start, _, end = at_once(clock, guard.release, clock)
    return {
        "release(), with the GIL in hand": (end - start) / n,
        "until all of them have got on": (max(got) - start) / n,
    }


def acts_with_waiters(n: int) -> Costs:
    """N threads wait for a row each, which another thread holds; this one wants another row."""
    x = la.zeros((n + 1, 4))
    parts, part = list(x[:n]), x[n]
    costs = {}
    with ThreadPoolExecutor(1) as other:
        guard = x[:n].write()
        other.submit(guard.acquire).result()
        with waiters(x, parts):
            for statement in ("with part.write(): pass", "part[1] = 1.0", "part[1]", "part += 1"):
                costs[statement] = cost(statement, part=part)
            other.submit(guard.release).result()
    return costs


# -- the tables ------------------------------------------------------------------------------------


def rows(n: int) -> la.LockedArray:
    """An array of so many rows."""
    return la.zeros((n, 4))


def columns(n: int) -> la.LockedArray:
    """An array of so many columns."""
    return la.zeros((4, n))


def row(x: la.LockedArray, i: int) -> la.LockedArray:
    """One row."""
    return x[i]


def column(x: la.LockedArray, i: int) -> la.LockedArray:
    """One column."""
    return x[:, i]


SITUATIONS: dict[str, Callable[[int], Costs]] = {
    "this thread holds guards of N other arrays": guards_of_arrays,
    "this thread holds guards of N other rows": guards_of_parts(rows, row),
    "this thread holds guards of N other columns": guards_of_parts(columns, column),
    "others hold guards of N other rows": guards_of_others(rows, row),
    "others hold guards of N other columns": guards_of_others(columns, column),
    "N guards read all of the array": readers_of_all,
    "one la.acquire of N, for each": acquire_of_several,
}
OF_THREADS = {
    "N threads wait for a row each, for each": release_with_waiters,
    "N threads wait for other rows": acts_with_waiters,
}


def table(title: str, measure: Callable[[int], Costs], sizes: list[int], rounds: int) -> None:
    """Measure in turn with both sizes, and print what comes out."""
    found: dict[int, list[Costs]] = {size: [] for size in sizes}
    for _, size in itertools.product(range(rounds), sizes):
        found[size].append(measure(size))
        gc.collect()
    few, many = (least(found[size]) for size in sizes)
    print(f"{title + ', ns':46} {sizes[0]:>10} {sizes[1]:>10}   ratio")
    for name in few:
        ratio = many[name] / few[name]
        mark = "*" if ratio >= GOAL else ""
        print(f"    {name:42} {few[name]:10.0f} {many[name]:10.0f} {ratio:7.2f}{mark}", flush=True)
    print()


def main() -> None:
    """Print a table for each situation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--threads", type=int, nargs=2, default=[100, 1000], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="situations that contain this")
    options = parser.parse_args()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{'with' if gil else 'without'} GIL, NumPy {np.__version__}, "
        f"{os.cpu_count()} cores, core: {la.backend}; * grows by {GOAL} or more\n"
    )
    threading.stack_size(256 * 1024)
    for situations, sizes in (
        (SITUATIONS, [options.few, options.many]),
        (OF_THREADS, options.threads),
    ):
        for title, measure in situations.items():
            if options.only in title:
                table(title, measure, sizes, options.rounds)


if __name__ == "__main__":
    main()
