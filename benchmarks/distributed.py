"""Arrays between machines beside what Dask itself has for it, all on one cluster in one run.

The contenders are a DistributedArray; plain actors of Dask's, with synchronous and with
asynchronous methods; and Dask's Lock, held around what is done to an array that an actor or a
Variable has, and which has to travel, since what is done is done by the caller.  A plain actor
promises less: a call whose connection breaks may have been carried out or not, and be lost.

1. What a call costs one caller: to read, to write and to add to a whole array of one element, of
   1 MB and of 100 MB.  The bytes of those that travel are told, too, per second.
2. How many additions to one element there are in a second by several callers: by a task on each
   worker, and by threads of the client.  What is lost is counted.
3. What ``+=`` on 500 elements costs as one update, beside a loop of 500.

Run with ``python benchmarks/distributed.py [--only costs] [--rounds 5]``.  The contenders take
turns in short rounds, and the medians are compared, since other programs share the machine: the
load is printed.  All is on one machine: what a network adds to each message is not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# This file is named like Dask's package, which is meant below.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).parent]

import numpy as np  # noqa: E402
from distributed import Client, LocalCluster, Lock, Variable, get_client  # noqa: E402
from distributed import __version__ as version_of_distributed  # noqa: E402

import lockedarray as la  # noqa: E402
import lockedarray.distributed  # noqa: E402

SIZES = {"1 element": 1, "1 MB": 125_000, "100 MB": 12_500_000}  # of 8 bytes
CALLS = {"1 element": 20, "1 MB": 5, "100 MB": 1}  # in one round
OURS = "DistributedArray"


# -- contenders: each can be pickled into a task, and has read(), write(values) and add() ----------


class Ours:
    """A DistributedArray, one operation each."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.index = 0 if array.size == 1 else ...

    def read(self) -> Any:
        """Return what is there."""
        return self.array[self.index]

    def write(self, values: np.ndarray) -> None:
        """Replace it."""
        self.array[self.index] = values[0] if self.index == 0 else values

    def add(self) -> None:
        """Add 1 to each element."""
        self.array[self.index] += 1.0


class Holder:
    """An actor that has an array."""

    def __init__(self, length: int) -> None:
        self.array = np.zeros(length)

    def get(self) -> np.ndarray:
        """Return the array."""
        return self.array

    def set(self, values: np.ndarray) -> None:
        """Replace it."""
        self.array = values

    def add(self, value: float) -> None:
        """Add to each element."""
        self.array = self.array + value  # one that has come is read-only


class AsyncHolder(Holder):
    """An actor whose methods run in the worker's event loop."""

    async def get(self) -> np.ndarray:  # type: ignore[override]
        """Return the array."""
        return self.array

    async def set(self, values: np.ndarray) -> None:  # type: ignore[override]
        """Replace it."""
        self.array = values

    async def add(self, value: float) -> None:  # type: ignore[override]
        """Add to each element."""
        self.array = self.array + value


class PlainActor:
    """An actor, one of its methods each."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def read(self) -> Any:
        """Return what is there."""
        return self.actor.get().result()

    def write(self, values: np.ndarray) -> None:
        """Replace it."""
        self.actor.set(values).result()

    def add(self) -> None:
        """Add 1 to each element."""
        self.actor.add(1.0).result()


class LockAndActor:
    """An actor that only keeps the array; what is done to it is done here, under a Lock."""

    def __init__(self, actor: Any, name: str) -> None:
        self.actor = actor
        self.lock = Lock(name)

    def read(self) -> Any:
        """Return what is there."""
        with self.lock:
            return self.actor.get().result()

    def write(self, values: np.ndarray) -> None:
        """Replace it."""
        with self.lock:
            self.actor.set(values).result()

    def add(self) -> None:
        """Add 1 to each element."""
        with self.lock:
            self.actor.set(self.actor.get().result() + 1.0).result()


class LockAndVariable:
    """A Variable under a Lock: a number, or a future of an array that lies on some worker."""

    def __init__(self, name: str, length: int) -> None:
        self.lock = Lock(name)
        self.variable = Variable(name)
        self.length = length

    def get(self) -> Any:
        """Return the value."""
        value = self.variable.get()
        return value if self.length == 1 else get_client().gather(value, direct=True)

    def set(self, values: Any) -> None:
        """Replace it."""
        if self.length == 1:
            self.variable.set(float(values))
        else:
            self.variable.set(get_client().scatter(values, direct=True, hash=False))

    def read(self) -> Any:
        """Return what is there."""
        with self.lock:
            return self.get()

    def write(self, values: np.ndarray) -> None:
        """Replace it."""
        with self.lock:
            self.set(values[0] if self.length == 1 else values)

    def add(self) -> None:
        """Add 1 to each element."""
        with self.lock:
            self.set(self.get() + 1.0)


@contextlib.contextmanager
def contenders(client: Client, length: int) -> Iterator[dict[str, Any]]:
    """Yield what there is, by name: each with zeros, and what one worker has is on the first."""
    name = f"benchmark-{uuid.uuid4().hex}"
    first = min(client.ncores())

    def actor(kind: type) -> Any:
        return client.submit(kind, length, actor=True, workers=[first], pure=False).result()

    array = la.distributed.create(client, length, name=name, worker=first)
    found = {
        OURS: Ours(array),
        "actor": PlainActor(actor(Holder)),
        "actor, async methods": PlainActor(actor(AsyncHolder)),
        "Lock and actor": LockAndActor(actor(AsyncHolder), f"{name}-actor"),
        "Lock and Variable": LockAndVariable(f"{name}-variable", length),
    }
    try:
        for contender in found.values():
            contender.write(np.zeros(length))
        yield found
    finally:
        array.delete()
        found["Lock and Variable"].variable.delete()


# -- one caller ------------------------------------------------------------------------------------


def costs(client: Client, rounds: int) -> None:
    """Print what each operation costs one caller, for each size."""
    for size, length in SIZES.items():
        values = np.random.default_rng(1).random(length)
        with contenders(client, length) as found:
            # Few times are enough for what takes long.
            times = _costs_of(found, values, CALLS[size], rounds if length < 10**6 else 3)
        _print_costs(size, values.nbytes, list(found), times)


OPERATIONS = "read", "write", "add"


def _costs_of(
    found: dict[str, Any], values: np.ndarray, calls: int, rounds: int
) -> dict[tuple[str, str], float]:
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for operation in OPERATIONS:
            for name, contender in found.items():
                function = getattr(contender, operation)
                arguments = (values,) if operation == "write" else ()
                start = time.perf_counter()
                for _ in range(calls):
                    function(*arguments)
                taken = (time.perf_counter() - start) / calls
                if number:  # in the first one connections are made
                    times.setdefault((operation, name), []).append(taken)
    return {key: statistics.median(taken) for key, taken in times.items()}


def _print_costs(
    size: str, nbytes: int, names: list[str], times: dict[tuple[str, str], float]
) -> None:
    print(f"{size}: ms of a call (median){'; MB/s' if nbytes > 10**5 else ''}")
    print(f"{'':24}" + "".join(f"{operation:>18}" for operation in OPERATIONS))
    for name in names:
        cells = []
        for operation in OPERATIONS:
            seconds = times[operation, name]
            travels = nbytes > 10**5 and operation != "add"
            speed = f"{nbytes / seconds / 1e6:8,.0f}" if travels else f"{'':8}"
            cells.append(f"{seconds * 1e3:10.2f}{speed}")
        print(f"{name:24}" + "".join(cells))
    for other in names[1:]:
        ratios = [times[operation, OURS] / times[operation, other] for operation in OPERATIONS]
        line = "".join(f"{ratio:10.2f}{'':8}" for ratio in ratios)
        print(f"{'to ' + other:24}{line}")
    print()


# -- several callers -------------------------------------------------------------------------------


def _add_often(contender: Any, count: int) -> None:
    for _ in range(count):
        contender.add()


def _by_tasks(client: Client, contender: Any, count: int) -> int:
    workers = list(client.ncores())
    tasks = [
        client.submit(_add_often, contender, count // len(workers), workers=[worker], pure=False)
        for worker in workers
    ]
    client.gather(tasks)
    return count // len(workers) * len(workers)


def _by_threads(client: Client, contender: Any, count: int, threads: int = 16) -> int:
    with ThreadPoolExecutor(threads) as pool:
        each = [pool.submit(_add_often, contender, count // threads) for _ in range(threads)]
        for future in each:
            future.result()
    return count // threads * threads


def throughput(client: Client, rounds: int, count: int = 160) -> None:
    """Print how many additions to one element there are in a second, and what is lost."""
    ways = {"a task per worker": _by_tasks, "16 threads": _by_threads}
    rates: dict[tuple[str, str], list[float]] = {}
    with contenders(client, 1) as found:
        done = dict.fromkeys(found, 0)
        for number in range(rounds + 1):
            for way, add in ways.items():
                for name, contender in found.items():
                    start = time.perf_counter()
                    added = add(client, contender, count)
                    taken = time.perf_counter() - start
                    done[name] += added
                    if number:
                        rates.setdefault((way, name), []).append(added / taken)
        lost = {name: done[name] - int(np.sum(found[name].read())) for name in found}
    medians = {key: statistics.median(values) for key, values in rates.items()}
    print("additions to one element per second, by all callers together (median)")
    print(f"{'':24}" + "".join(f"{way:>20}" for way in ways) + f"{'lost':>12}")
    for name in found:
        line = "".join(f"{medians[way, name]:20,.0f}" for way in ways)
        print(f"{name:24}{line}{lost[name]:12,}")
    for other in list(found)[1:]:
        ratios = [medians[way, OURS] / medians[way, other] for way in ways]
        print(f"{'to ' + other:24}" + "".join(f"{ratio:20.2f}" for ratio in ratios))
    print()


# -- one update or many ----------------------------------------------------------------------------


def many(client: Client, rounds: int, count: int = 500) -> None:
    """Print what ``+=`` on many elements costs as one update, and as a loop."""
    x = la.distributed.create(client, count, name=f"benchmark-{uuid.uuid4().hex}")

    def loop() -> None:
        for i in range(count):
            x[i] += 1.0

    def at_once() -> None:
        x[:] += 1.0

    def update() -> None:
        x.update(_add_one)

    ways = {"for i: x[i] += 1": loop, "x[:] += 1": at_once, "x.update(function)": update}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, function in ways.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    wrong = np.count_nonzero(np.asarray(x) != rounds * len(ways))
    x.delete()
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"ms of += on {count} elements (median); {wrong} of them are wrong")
    for name, seconds in medians.items():
        part = medians["for i: x[i] += 1"] / seconds
        print(f"{name:24}{seconds * 1e3:10.2f}   the loop takes {part:,.0f} times as long")
    print()


def _add_one(raw: np.ndarray) -> None:
    raw += 1.0


def main() -> None:
    """Run all parts, or some."""
    parts: dict[str, Callable[[Client, int], None]] = {
        "costs": costs,
        "throughput": throughput,
        "many": many,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=parts, help="one of the parts")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    print(
        f"{platform.python_implementation()} {platform.python_version()}, NumPy {np.__version__}, "
        f"distributed {version_of_distributed}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}, core: {la.backend}; 2 workers of 1 thread\n",
        flush=True,
    )
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**settings, silence_logs="ERROR") as cluster, Client(cluster) as client:
        for name, part in parts.items():
            if options.only in (None, name):
                part(client, options.rounds)


if __name__ == "__main__":
    main()
