"""The RegionLock beside the locks that people use instead, all in one run.

1. In C (``locks_c.c``, compiled here): hold and release beside ``pthread_rwlock`` and
   ``pthread_mutex``, throughput of 1 to 16 threads that read, with and without writes, what
   it costs a writer to end the bias towards readers, and the longest waits of readers and
   writers, up to 64 threads.
2. From Python: hold and release beside `threading.Lock` and `readerwriterlock.rwlock.RWLockFair`.
3. Throughput of two threads that write disjoint parts of one 2 MB array, ``np.sin(v, out=v)``,
   beside the same program on a plain array without any lock.
4. The longest wait of a writer of one array beside threads that read two, ours alone and with
   others' locks below; and how often threads wake that wait for a lock.
5. Throughput of 1 to 16 threads that read ``x[5]`` in a loop, beside a frozen and a plain array.
   With the GIL one thread runs at a time.  Without it, threads that share the array object share
   its reference count, whatever the array is; those with a view each share the lock alone.
6. Two threads that take turns, each waiting for what the other writes: by ``when=``, by `wait_for`,
   by a `threading.Condition` on ``x.lock``, and by one of its own beside a plain array.
7. ``async with`` of a guard beside `asyncio.Lock` with a plain array: one task alone, ten that
   want it at the same time, and two that take turns (``when=`` beside `asyncio.Condition`).

Run with ``python benchmarks/locks.py [--seconds S]``.  The contenders take turns in short rounds,
and the medians are compared, since other programs share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from readerwriterlock import rwlock

import lockedarray as la

ROOT = Path(__file__).parent.parent


def in_c(seconds: float) -> None:
    """Compile and run the part in C, if there is a compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    core = ROOT / "lockedarray" / "_core"
    if compiler is None or not core.exists():
        print("no C compiler: the part in C is left out\n")
        return
    plain_c = sorted((core / "lock").glob("*.c"))  # what does not know Python
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "locks_c"
        options = ["-O2", "-std=gnu11", "-pthread", f"-I{core}"]
        source = ROOT / "benchmarks" / "locks_c.c"
        subprocess.run([compiler, *options, source, *plain_c, "-o", program], check=True)
        subprocess.run([program, str(seconds)], check=True)
    print()


def from_python(rounds: int = 151, pairs: int = 1000) -> None:
    """Time ``with lock:`` for each contender, in turn."""
    ours, fair, lock = la.zeros(8).lock, rwlock.RWLockFair(), threading.Lock()
    contenders = {
        "threading.Lock": lock,
        "RWLockFair, read": fair.gen_rlock(),
        "RWLockFair, write": fair.gen_wlock(),
        f"RegionLock ({la.backend}), read": ours.gen_rlock(),
        f"RegionLock ({la.backend}), write": ours.gen_wlock(),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            start = time.perf_counter_ns()
            for _ in range(pairs):
                contender.acquire()
                contender.release()
            times[name].append((time.perf_counter_ns() - start) / pairs)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'acquire and release, ns':34} {'best':>8} {'median':>8}   to RWLockFair")
    for name, values in times.items():
        mode = "read" if name.endswith("read") else "write"
        ratio = medians[name] / medians[f"RWLockFair, {mode}"]
        print(f"{name:34} {min(values):8.0f} {medians[name]:8.0f}   {ratio:.2f}")
    print()


def two_writers(rounds: int = 15, calls: int = 10) -> None:
    """Throughput of two threads that write disjoint parts, ours to that without a lock."""
    columns = 250_000 // 4
    record = np.dtype([("a", float), ("b", float)])
    parts: dict[str, tuple[Callable[[], np.ndarray], Callable[..., list]]] = {
        "halves": (lambda: np.ones(250_000), lambda x: [x[:125_000], x[125_000:]]),
        "columns": (lambda: np.ones((columns, 4)), lambda x: [x[:, 0:2], x[:, 2:4]]),
        "fields": (lambda: np.ones(125_000, record), lambda x: [x["a"], x["b"]]),
    }
    print(f"{'two writers of disjoint parts of 2 MB':38} {'of the throughput without a lock'}")
    for name, (make, split) in parts.items():
        plain, locked = split(make()), split(la.LockedArray(make()))
        ratios = []
        for _ in range(rounds):
            without = _together(plain, calls)
            ratios.append(without / _together(locked, calls))
        low, high = min(ratios), max(ratios)
        print(f"{name:38} {statistics.median(ratios):.2f}   ({low:.2f} to {high:.2f})")
    print()


def _together(views: list, calls: int) -> float:
    """Seconds that threads need that each call ``np.sin(view, out=view)`` so many times."""
    barrier = threading.Barrier(len(views) + 1)

    def work(view: np.ndarray) -> None:
        barrier.wait()
        for _ in range(calls):
            np.sin(view, out=view)

    threads = [threading.Thread(target=work, args=(view,)) for view in views]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def two_arrays(seconds: float, takers: int = 8) -> None:
    """The longest waits of a writer of the last of two arrays that others read together."""
    below: dict[str, Callable[[], dict]] = {
        "two arrays": dict,
        "two arrays, lock=RWLockFair()": lambda: {"lock": rwlock.RWLockFair()},
    }
    print(f"{f'{takers} threads that read two arrays':38} longest waits, ms (turns)")
    for name, options in below.items():
        x, y = (la.LockedArray(np.zeros(8), **options()) for _ in range(2))
        guards = [functools.partial(la.acquire, read=(x, y))] * takers + [y.write]
        waits = _waits(guards, seconds)
        theirs, last = [wait for turns in waits[:takers] for wait in turns], waits[-1]
        print(
            f"{name:38} of a writer of the last {max(last) * 1e3:8.1f} ({len(last)}), "
            f"theirs {max(theirs) * 1e3:8.1f} ({len(theirs)})",
            flush=True,
        )
    print()


def _waits(guards: list[Callable[[], la.Guard]], seconds: float) -> list[list[float]]:
    """How long each of so many threads waited for each guard that it took, in that time."""
    waits: list[list[float]] = [[] for _ in guards]
    stop = threading.Event()

    def work(make: Callable[[], la.Guard], waited: list[float]) -> None:
        while not waited or not stop.is_set():
            start = time.perf_counter()
            with make():
                waited.append(time.perf_counter() - start)
                sum(range(200))

    threads = [
        threading.Thread(target=work, args=given) for given in zip(guards, waits, strict=True)
    ]
    for thread in reversed(threads):
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return waits


def wake_ups(waiting: int = 200, seconds: float = 2) -> None:
    """How often threads wake that wait for a lock, all of them together (on Linux)."""
    if not Path("/proc/self/task").exists():
        print("no /proc: wake-ups are not counted\n")
        return
    x = la.zeros(8)
    guard = x.write()
    guard.acquire()

    def wait() -> None:
        with x.write():
            pass

    threads = [threading.Thread(target=wait) for _ in range(waiting)]
    for thread in threads:
        thread.start()
    while sum(held.waiting for held in x.lock.holds()) < waiting:
        time.sleep(0.01)
    before, start = _switches(threads), time.perf_counter()
    time.sleep(seconds)
    rate = (_switches(threads) - before) / (time.perf_counter() - start)
    guard.release()
    for thread in threads:
        thread.join()
    print(f"{waiting} waiting threads: {rate:.0f} wake-ups a second\n")


def _switches(threads: list[threading.Thread]) -> int:
    """How often these threads have gone to sleep so far."""
    counted = 0
    for thread in threads:
        for line in Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            counted += int(value) if name == "voluntary_ctxt_switches" else 0
    return counted


def readers(rounds: int = 5, seconds: float = 0.1) -> None:
    """Million reads a second of threads that all read one element of one array."""
    x, frozen, plain = la.zeros(100), la.zeros(100), np.zeros(100)
    frozen.freeze()
    parts: dict[str, Callable[[], np.ndarray]] = {
        "LockedArray": lambda: x,
        "LockedArray, a view for each thread": lambda: x[:],
        "frozen": lambda: frozen,
        "frozen, a view for each thread": lambda: frozen[:],
        "ndarray": lambda: plain,
        "ndarray, a view for each thread": lambda: plain[:],
    }
    counts = [1, 2, 4, 8, 16]
    title = "x[5], million a second, of threads:"
    print(f"{title:38}" + "".join(f"{count:8}" for count in counts))
    for name, array in parts.items():
        line = f"{name:38}"
        for count in counts:
            arrays = [array() for _ in range(count)]
            line += f"{statistics.median(_reads(arrays, seconds) for _ in range(rounds)):8.2f}"
        print(line)
    print()


def _reads(arrays: list[np.ndarray], seconds: float) -> float:
    """Million reads a second of threads that each read its array until they are told to stop."""
    stop, turns = threading.Event(), [0] * len(arrays)

    def read(number: int, array: np.ndarray) -> None:
        count = 0
        while not stop.is_set():
            for _ in range(200):
                array[5]
            count += 200
        turns[number] = count

    threads = [threading.Thread(target=read, args=each) for each in enumerate(arrays)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(turns) / (time.perf_counter() - start) / 1e6


def turns(rounds: int = 15, count: int = 200) -> None:
    """Microseconds from the write of one thread to the next one of a thread that waited for it."""
    plain, x = np.zeros(2), la.zeros(2)
    own, on_lock = threading.Condition(), threading.Condition(x.lock)

    def with_condition(array: np.ndarray, changed: threading.Condition, parity: int) -> None:
        with changed:
            changed.wait_for(lambda: array[0] % 2 == parity)
            array[0] += 1
            changed.notify()

    def with_when(parity: int) -> None:
        with x.write(when=lambda raw: raw[0] % 2 == parity) as raw:
            raw[0] += 1

    def with_wait_for(parity: int) -> None:
        x.wait_for(lambda raw: raw[0] % 2 == parity)
        x[0] += 1

    ways: dict[str, Callable[[int], None]] = {
        "threading.Condition, plain array": functools.partial(with_condition, plain, own),
        "threading.Condition(x.lock)": functools.partial(with_condition, x, on_lock),
        "x.write(when=)": with_when,
        "x.wait_for()": with_wait_for,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, turn in ways.items():
            plain[0] = x[0] = 0

            def play(parity: int, turn: Callable[[int], None] = turn) -> None:
                for _ in range(count):
                    turn(parity)

            threads = [threading.Thread(target=play, args=(parity,)) for parity in (0, 1)]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            times[name].append((time.perf_counter() - start) / (2 * count) * 1e6)
    print("two threads that take turns, us a turn (median):")
    base = statistics.median(times["threading.Condition, plain array"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"  {name:36}{median:8.1f}  {median / base:5.2f} times")
    print()


def tasks(rounds: int = 15, count: int = 300) -> None:
    """Microseconds of one block of a task."""
    x, plain = la.zeros(2), np.zeros(2)

    async def alone_ours(count: int) -> None:
        for _ in range(count):
            async with x.write() as raw:
                raw[0] += 1

    async def alone_theirs(count: int) -> None:
        lock = asyncio.Lock()
        for _ in range(count):
            async with lock:
                plain[0] += 1

    async def ten_ours(count: int) -> None:
        async def one() -> None:
            for _ in range(count // 10):
                async with x.write() as raw:
                    raw[0] += 1
                    await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(10)))

    async def ten_theirs(count: int) -> None:
        lock = asyncio.Lock()

        async def one() -> None:
            for _ in range(count // 10):
                async with lock:
                    plain[0] += 1
                    await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(10)))

    async def turns_ours(count: int) -> None:
        async def one(parity: int) -> None:
            for _ in range(count // 2):
                async with x.write(when=lambda raw: raw[0] % 2 == parity) as raw:
                    raw[0] += 1

        x[0] = 0
        await asyncio.gather(one(0), one(1))

    async def turns_theirs(count: int) -> None:
        changed = asyncio.Condition()

        async def one(parity: int) -> None:
            for _ in range(count // 2):
                async with changed:
                    await changed.wait_for(lambda: plain[0] % 2 == parity)
                    plain[0] += 1
                    changed.notify()

        plain[0] = 0
        await asyncio.gather(one(0), one(1))

    pairs = {
        "one task alone": (alone_theirs, alone_ours),
        "ten at the same time": (ten_theirs, ten_ours),
        "two that take turns": (turns_theirs, turns_ours),
    }
    print("a block of a task, us (median): asyncio with a plain array, async with of a guard:")
    for name, contenders in pairs.items():
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for contender, taken in zip(contenders, times, strict=True):
                start = time.perf_counter()
                asyncio.run(contender(count))
                taken.append((time.perf_counter() - start) / count * 1e6)
        theirs, ours = (statistics.median(taken) for taken in times)
        print(f"  {name:36}{theirs:8.1f}{ours:8.1f}  {ours / theirs:5.2f} times")
    print()


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2, help="of each crowd")
    arguments = parser.parse_args()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{'with' if gil else 'without'} GIL, NumPy {np.__version__}, "
        f"{os.cpu_count()} cores, core: {la.backend}\n"
    )
    in_c(arguments.seconds)
    from_python()
    two_writers()
    two_arrays(arguments.seconds)
    wake_ups()
    readers()
    turns()
    tasks()


if __name__ == "__main__":
    main()
