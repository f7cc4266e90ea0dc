"""Arrays between processes beside what people use instead, all in one run.

1. What a statement costs where nobody else wants the lock: on a plain array, on a LockedArray of
   threads and one of processes, on a plain array ``with multiprocessing.Lock():``, and on
   `multiprocessing.Array`, `SharedMemory`, SharedArray and shared-ndarray2, where these are
   installed.  The goals: ``x[i] = v`` at most 3 times that of an array of threads, and at most half
   of that with the Lock.
2. The throughput of two processes that write disjoint halves, beside the same program without any
   lock; the goal is 0.9.
3. How long it takes a process that waits for the write lock to be told that its holder was killed
   (goal: 1 ms), beside what it takes until the kernel tells the parent.
4. What is lost of ``x[0] += 1`` in two processes, and what becomes of the others when the holder
   of the lock is killed.

Run with ``python benchmarks/processes.py [--only costs]``.  The contenders take turns in short
rounds, and the medians are compared, since other programs share the machine: the load is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import multiprocessing
import multiprocessing.managers
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import shared_memory
from typing import Any

import numpy as np

import lockedarray as la
import lockedarray.shared
from lockedarray._shared import backends
from lockedarray._shared.record_locks import RecordLocks

PROCESSES = multiprocessing.get_context("fork")
LENGTH = 1000


@contextlib.contextmanager
def contenders() -> Iterator[dict[str, dict[str, Any]]]:
    """Yield what there is, by name: the variables that the statements below use.

    `x` is an array or what stands for one; `lock` what is held around a statement, or None.
    """
    array = PROCESSES.Array("d", LENGTH)
    memory = shared_memory.SharedMemory(create=True, size=LENGTH * 8)
    found: dict[str, dict[str, Any]] = {
        "plain ndarray, no lock": {"x": np.zeros(LENGTH)},
        "LockedArray of threads": {"x": la.zeros(LENGTH)},
        "lockedarray.shared": {"x": la.shared.zeros(LENGTH)},
        "multiprocessing.Lock, ndarray": {"x": np.zeros(LENGTH), "lock": PROCESSES.Lock()},
        "multiprocessing.Array": {"x": array},
        "multiprocessing.Array, get_lock()": {
            "x": np.frombuffer(array.get_obj()),
            "lock": array.get_lock(),
        },
        "SharedMemory, no lock": {"x": np.ndarray(LENGTH, float, memory.buf)},
    }
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("SharedArray"):
            import SharedArray

            name = f"shm://benchmark-{os.getpid()}"
            found["SharedArray, no lock"] = {"x": SharedArray.create(name, LENGTH)}
            stack.callback(SharedArray.delete, name)
        if importlib.util.find_spec("shared_ndarray2"):
            from shared_ndarray2 import SharedNDArray

            manager = stack.enter_context(multiprocessing.managers.SharedMemoryManager())
            theirs = SharedNDArray.from_shape(manager, (LENGTH,), np.float64)
            found["shared-ndarray2, x.get(), no lock"] = {"x": theirs, "get": True}
        try:
            yield found
        finally:
            found.clear()
            memory.unlink()
            with contextlib.suppress(BufferError):  # the array that shows it is gone soon
                memory.close()


STATEMENTS = {
    "x[i] = v": "x[3] = 1.5",
    "x[i]": "x[3]",
    "x[i] += v": "x[3] += 1.5",
    "x[a:b] += v": "x[5:15] += 1.5",
    "1,000 elements": "x[0:1000] += 1.5",
    "guard": "",
}


def timed(statement: str, variables: dict[str, Any]) -> Callable[[int], float] | None:
    """Return what does a statement so many times, for its nanoseconds each; None if it cannot."""
    x = variables["x"]
    if statement == "guard":
        if isinstance(x, la.LockedArray):
            code = "with x.write() as raw: raw[3] = 1.5"
        elif "lock" in variables:
            code = "with lock: x[3] = 1.5"
        else:
            return None
    else:
        code = STATEMENTS[statement]
        if ":" in code and not hasattr(x, "dtype"):
            return None  # not an array
        if "+=" in statement and not hasattr(x, "dtype"):
            code = f"with x.get_lock(): {code}"  # or it is lost
        elif "lock" in variables:
            code = f"with lock: {code}"
        elif "get" in variables:
            code = code.replace("x[", "x.get()[")
    program = f"def run(n, x, lock):\n    for _ in range(n):\n        {code}\n"
    names: dict[str, Any] = {}
    exec(program, names)

    def measure(count: int) -> float:
        start = time.perf_counter_ns()
        names["run"](count, x, variables.get("lock"))
        return (time.perf_counter_ns() - start) / count

    return measure


def costs(rounds: int) -> None:
    """Print what each statement costs each contender."""
    with contenders() as found:
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for statement in STATEMENTS:
                for name, variables in found.items():
                    measure = timed(statement, variables)
                    if measure is not None:
                        times.setdefault((statement, name), []).append(measure(1000))
        names = list(found)
    medians = {key: statistics.median(values) for key, values in times.items()}
    width = max(len(name) for name in names) + 2
    print("ns of one, with the loop; nobody else wants the lock (median); x[a:b] of 10 elements")
    print(" " * width + "".join(f"{text:>16}" for text in STATEMENTS))
    for name in names:
        cells = (medians.get((statement, name)) for statement in STATEMENTS)
        line = "".join(f"{cell:16,.0f}" if cell is not None else f"{'':16}" for cell in cells)
        print(f"{name:{width}}{line}")
    for other, goal in (("LockedArray of threads", 3.0), ("multiprocessing.Lock, ndarray", 0.5)):
        ratios = [
            medians[statement, "lockedarray.shared"] / medians[statement, other]
            for statement in STATEMENTS
        ]
        line = "".join(f"{ratio:16.2f}" for ratio in ratios)
        print(f"{'to ' + other:{width}}{line}   goal of x[i] = v: {goal}")
    print()


# -- two processes ---------------------------------------------------------------------------------


def _both(work: Callable[[int], Any]) -> float:
    """Return the seconds that two processes take that each call `work` with their number."""
    barrier = PROCESSES.Barrier(3)

    def run(number: int) -> None:
        work(number)  # and its pages are there
        barrier.wait(60)
        work(number)
        barrier.wait(60)

    processes = [PROCESSES.Process(target=run, args=(number,)) for number in (0, 1)]
    for process in processes:
        process.start()
    barrier.wait(60)
    start = time.perf_counter()
    barrier.wait(60)
    taken = time.perf_counter() - start
    for process in processes:
        process.join()
    return taken


def halves(rounds: int) -> None:
    """Print the throughput of two processes on disjoint halves to that without a lock."""
    length = 250_000
    ours = la.shared.ones(length)
    memory = shared_memory.SharedMemory(create=True, size=length * 8)
    plain = np.ndarray(length, float, memory.buf)
    plain[:] = 1

    def sines(x: np.ndarray) -> Callable[[int], None]:
        def work(number: int) -> None:
            view = x[number * length // 2 :][: length // 2]
            for _ in range(30):
                np.sin(view, out=view)

        return work

    def slices(size: int, count: int) -> Callable[[np.ndarray], Callable[[int], None]]:
        def of(x: np.ndarray) -> Callable[[int], None]:
            def work(number: int) -> None:
                begin = number * length // 2
                for _ in range(count):
                    x[begin : begin + size] += 1.5

            return work

        return of

    cases = {
        "np.sin(half, out=half), 1 MB": sines,
        "half += v, 1 MB": slices(length // 2, 500),
        "x[a:b] += v, 10,000 elements": slices(10_000, 5000),
        "x[a:b] += v, 1,000 elements": slices(1000, 20_000),
    }
    print("two processes on disjoint halves, of the throughput without a lock (median; goal: 0.9)")
    for name, case in cases.items():
        ratios = [_both(case(plain)) / _both(case(ours)) for _ in range(rounds)]
        low, high = min(ratios), max(ratios)
        print(f"  {name:34}{statistics.median(ratios):6.2f}   ({low:.2f} to {high:.2f})")
    print()
    del plain, cases, sines
    memory.unlink()


# -- death -----------------------------------------------------------------------------------------


def _hold_until_waited_for(x: la.LockedArray, told: Any) -> None:
    with x.write():
        while not any(hold.waiting for hold in x.lock.holds()):
            time.sleep(0.0001)
        time.sleep(0.001)  # and it sleeps
        told[0] = time.monotonic_ns()
        os.kill(os.getpid(), signal.SIGKILL)


def deaths(rounds: int) -> None:
    """Print how long it takes who waits to be told of a death."""
    if backends.chosen() is RecordLocks:
        print("how long until a death is noticed: left out, since nobody sees who waits\n")
        return
    x, told = la.shared.zeros(4), PROCESSES.RawArray("q", 1)
    by_lock, by_kernel = [], []
    for _ in range(rounds):
        process = PROCESSES.Process(target=_hold_until_waited_for, args=(x, told))
        process.start()
        while not x.lock.holds():
            time.sleep(0.0001)
        with contextlib.suppress(la.PoisonedError):
            x.write().acquire()
        by_lock.append((time.monotonic_ns() - told[0]) / 1e6)
        process.join()
        with x.recover():
            pass
        process = PROCESSES.Process(target=_die, args=(told,))
        process.start()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        by_kernel.append((time.monotonic_ns() - told[0]) / 1e6)
        process.join()
    print(f"ms from kill() of itself, {rounds} times:   median      best     worst")
    for name, times in (("until PoisonedError", by_lock), ("until os.waitid() returns", by_kernel)):
        print(f"  {name:32}{statistics.median(times):10.3f}{min(times):10.3f}{max(times):10.3f}")
    print()


def _die(told: Any) -> None:
    time.sleep(0.001)
    told[0] = time.monotonic_ns()
    os.kill(os.getpid(), signal.SIGKILL)


# -- what is lost ----------------------------------------------------------------------------------


def losses(count: int = 100_000) -> None:
    """Print what two processes lose, and whether the others go on when one is killed."""
    print(f"two processes, each {count:,} times x[0] += 1; and one that is killed in the lock")
    with contenders() as found:
        names = [name for name in found if name not in PRIVATE]
    for name in names:
        with contenders() as found:  # anew: it may be locked for ever
            _print_losses(name, count, **found[name])
    print()


PRIVATE = "plain ndarray, no lock", "LockedArray of threads", "multiprocessing.Lock, ndarray"


def _print_losses(name: str, count: int, x: Any, lock: Any = None, get: bool = False) -> None:
    shown = x.get() if get else x
    shown[0] = 0

    def add(_: int) -> None:
        for _ in range(count // 2):  # it is called twice
            if lock is None:
                shown[0] += 1
            else:
                with lock:
                    shown[0] += 1

    _both(add)
    lost = 2 * count - int(shown[0])
    if isinstance(x, la.LockedArray):
        _kill_in(x.write())
        try:
            x.write(timeout=1).acquire()
            what = "nobody is told"
        except la.PoisonedError:
            what = "PoisonedError; x.recover() repairs"
    elif lock is None and not hasattr(x, "get_lock"):
        what = "there is no lock, and nobody is told"
    else:
        lock = lock or x.get_lock()
        _kill_in(lock)
        what = "the others go on" if lock.acquire(timeout=1) else "all others wait for ever"
    print(f"  {name:36}lost {lost:8,}   killed: {what}")


def _kill_in(guard: Any) -> None:
    def die() -> None:
        with guard:
            os.kill(os.getpid(), signal.SIGKILL)

    process = PROCESSES.Process(target=die)
    process.start()
    process.join()


def main() -> None:
    """Run all parts, or some."""
    parts: dict[str, Callable[[], None]] = {
        "costs": lambda: costs(options.rounds * 5),
        "halves": lambda: halves(options.rounds),
        "deaths": lambda: deaths(options.rounds * 5),
        "losses": losses,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=parts, help="one of the parts")
    options = parser.parse_args()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{'with' if gil else 'without'} GIL, NumPy {np.__version__}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}, core: {la.backend}, "
        f"between processes: {os.environ.get('LOCKEDARRAY_SHARED') or 'as chosen by itself'}\n"
    )
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
