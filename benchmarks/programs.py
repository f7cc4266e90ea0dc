"""Whole programs, three times each: without a lock, with one of `threading`, and with LockedArrays.

What is told is how many lines the threads' work has, how long it takes, and whether the result is
right, in how many of the rounds.  What is unsafe may be right by luck.  The GIL changes hands every
10 microseconds instead of every 5 milliseconds, so that a fault shows in seconds and not in days.

    python benchmarks/programs.py
    python benchmarks/programs.py --threads 8 --rounds 9 --json programs.json
"""

import argparse
import inspect
import json
import statistics
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import lockedarray as la


class Program(NamedTuple):
    """Three ways to do the same work: each is given threads and input, and returns the result."""

    name: str
    unsafe: Callable[[int, Any], Any]
    with_lock: Callable[[int, Any], Any]
    locked: Callable[[int, Any], Any]
    given: Callable[[], Any]
    is_right: Callable[[Any, Any], bool]


def together(threads: int, work: Callable[[int], Any]) -> list[Any]:
    """Do `work` in that many threads, each with its number, and return what they return."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))


# Bigrams: threads count pairs of letters in files, all into one table.


def texts() -> list[np.ndarray]:
    """Return the sources of the standard library, as pairs of letters."""
    folder = Path(sysconfig.get_path("stdlib"))
    sources = sorted(folder.glob("*.py"))[:20]
    letters = [np.frombuffer(path.read_bytes(), np.uint8).astype(int) for path in sources]
    return [each[:-1] * 256 + each[1:] for each in letters if len(each) > 1]


def bigrams_unsafe(threads, texts):
    counts = np.zeros(256 * 256, int)

    def count(number):
        for pairs in texts[number::threads]:
            for pair in pairs:
                counts[pair] += 1

    together(threads, count)
    return counts


def bigrams_with_lock(threads, texts):
    counts = np.zeros(256 * 256, int)
    lock = threading.Lock()

    def count(number):
        for pairs in texts[number::threads]:
            for pair in pairs:
                with lock:
                    counts[pair] += 1

    together(threads, count)
    return counts


def bigrams_locked(threads, texts):
    counts = la.zeros(256 * 256, int)

    def count(number):
        for pairs in texts[number::threads]:
            for pair in pairs:
                counts[pair] += 1

    together(threads, count)
    return counts


# Frames: one thread writes frames into a buffer, the others look at it.  Each frame is of one grey.


def frames_unsafe(threads, number_of_frames):
    frame = np.zeros((480, 640), np.uint8)
    torn = []

    def work(number):
        for grey in range(number_of_frames):
            if number == 0:
                frame[:] = grey % 256
            else:
                seen = frame.copy()
                torn.append(seen.min() != seen.max())

    together(threads, work)
    return sum(torn)


def frames_with_lock(threads, number_of_frames):
    frame = np.zeros((480, 640), np.uint8)
    lock = threading.Lock()
    torn = []

    def work(number):
        for grey in range(number_of_frames):
            if number == 0:
                with lock:
                    frame[:] = grey % 256
            else:
                with lock:
                    seen = frame.copy()
                torn.append(seen.min() != seen.max())

    together(threads, work)
    return sum(torn)


def frames_locked(threads, number_of_frames):
    frame = la.zeros((480, 640), np.uint8)
    torn = []

    def work(number):
        for grey in range(number_of_frames):
            if number == 0:
                frame[:] = grey % 256
            else:
                seen = frame.copy()
                torn.append(seen.min() != seen.max())

    together(threads, work)
    return sum(torn)


# k-means: threads add up the points of their part, for the new centres.


def points() -> np.ndarray:
    """Return points around four centres."""
    rng = np.random.default_rng(7)
    centres = np.array([[0, 0], [0, 9], [9, 0], [9, 9.0]])
    return centres[rng.integers(4, size=20_000)] + rng.normal(size=(20_000, 2))


def labelled(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points, and which of four centres is near."""
    centres = np.array([[1, 1], [1, 8], [8, 1], [8, 8.0]])
    return points, ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)


def k_means_unsafe(threads, points):
    sums, numbers = np.zeros((4, 2)), np.zeros(4, int)

    def add(number):
        for part in np.array_split(points[number::threads], 200):
            part, labels = labelled(part)
            np.add.at(sums, labels, part)
            np.add.at(numbers, labels, 1)

    together(threads, add)
    return sums, numbers


def k_means_with_lock(threads, points):
    sums, numbers = np.zeros((4, 2)), np.zeros(4, int)
    lock = threading.Lock()

    def add(number):
        for part in np.array_split(points[number::threads], 200):
            part, labels = labelled(part)
            with lock:
                np.add.at(sums, labels, part)
                np.add.at(numbers, labels, 1)

    together(threads, add)
    return sums, numbers


def k_means_locked(threads, points):
    sums, numbers = la.zeros((4, 2)), la.zeros(4, int)

    def add(number):
        for part in np.array_split(points[number::threads], 200):
            part, labels = labelled(part)
            np.add.at(sums, labels, part)
            np.add.at(numbers, labels, 1)

    together(threads, add)
    return sums, numbers


# Heat: one thread lets heat flow through a rod, the others watch its sum, which stays the same.


def flowed(heat: np.ndarray) -> np.ndarray:
    """Return the temperatures one step later; the ends of the rod touch each other."""
    return heat + 0.2 * (np.roll(heat, 1) + np.roll(heat, -1) - 2 * heat)


def heat_unsafe(threads, start):
    heat = np.array(start)
    sums = []

    def work(number):
        for _ in range(150):
            if number == 0:
                heat[:] = flowed(heat)
            else:
                sums.append(heat.sum())

    together(threads, work)
    return sums


def heat_with_lock(threads, start):
    heat = np.array(start)
    lock = threading.Lock()
    sums = []

    def work(number):
        for _ in range(150):
            if number == 0:
                with lock:
                    heat[:] = flowed(heat)
            else:
                with lock:
                    sums.append(heat.sum())

    together(threads, work)
    return sums


def heat_locked(threads, start):
    heat = la.array(start)
    sums = []

    def work(number):
        for _ in range(150):
            if number == 0:
                heat[:] = flowed(heat.snapshot())
            else:
                sums.append(heat.sum())

    together(threads, work)
    return sums


# Ring buffer: one thread puts numbers into eight slots, the others take them out, each number once.


def ring_unsafe(threads, count):
    slots, state = np.zeros(8, int), np.zeros(2, int)  # how many were put, how many taken

    def work(number):
        taken = []
        while number == 0 and state[0] < count:
            if state[0] - state[1] < len(slots):
                slots[state[0] % len(slots)] = state[0]
                state[0] += 1
        while number and state[1] < count:
            if state[0] > state[1]:
                taken.append(slots[state[1] % len(slots)])
                state[1] += 1
        return taken

    return sorted(value for taken in together(threads, work) for value in taken)


def ring_with_lock(threads, count):
    slots, state = np.zeros(8, int), np.zeros(2, int)
    changed = threading.Condition()

    def work(number):
        taken = []
        while True:
            with changed:
                if number == 0:
                    changed.wait_for(lambda: state[0] - state[1] < len(slots))
                    if state[0] == count:
                        return taken
                    slots[state[0] % len(slots)] = state[0]
                    state[0] += 1
                else:
                    changed.wait_for(lambda: state[0] > state[1] or state[1] == count)
                    if state[1] == count:
                        return taken
                    taken.append(slots[state[1] % len(slots)])
                    state[1] += 1
                changed.notify_all()

    return sorted(value for taken in together(threads, work) for value in taken)


def ring_locked(threads, count):
    queue = la.zeros(0, int)

    def work(number):
        if number == 0:
            for value in range(count):
                queue.wait_for(lambda queue: len(queue) < 8)
                queue.append(value)
            for _ in range(threads - 1):
                queue.append(-1)
        taken = []
        while number:
            with queue.write(when=len):
                (value,) = queue.popleft(1)
            if value < 0:
                break
            taken.append(value)
        return taken

    return sorted(value for taken in together(threads, work) for value in taken)


PROGRAMS = [
    Program(
        "bigrams", bigrams_unsafe, bigrams_with_lock, bigrams_locked, texts,
        lambda counts, texts: (counts == np.bincount(np.concatenate(texts), minlength=65536)).all(),
    ),
    Program(
        "frames", frames_unsafe, frames_with_lock, frames_locked, lambda: 1000,
        lambda torn, _: torn == 0,
    ),
    Program(
        "k-means", k_means_unsafe, k_means_with_lock, k_means_locked, points,
        lambda found, points: np.allclose(found[0].sum(axis=0), points.sum(axis=0))
        and found[1].sum() == len(points),
    ),
    Program(
        "heat", heat_unsafe, heat_with_lock, heat_locked,
        lambda: np.where(np.arange(200_000) < 1000, 1000.0, 0.0),
        lambda sums, start: np.allclose(sums, start.sum(), rtol=1e-9, atol=0),
    ),
    Program(
        "ring buffer", ring_unsafe, ring_with_lock, ring_locked, lambda: 1000,
        lambda taken, count: taken == list(range(count)),
    ),
]  # fmt: skip

WAYS = ["unsafe", "with_lock", "locked"]


def lines(function: Callable) -> int:
    """Return how many lines of code a function has."""
    return sum(bool(line.strip()) for line in inspect.getsource(function).splitlines())


def tried(program: Program, threads: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Return lines, seconds (the median) and how often it was right, of each of the three ways."""
    given = program.given()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    right = dict.fromkeys(WAYS, 0)
    for _ in range(rounds):
        for way in WAYS:
            start = time.perf_counter()
            try:
                result = getattr(program, way)(threads, given)
            except IndexError:  # of the unsafe one: two threads have taken one slot
                result = None
            seconds[way].append(time.perf_counter() - start)
            right[way] += result is not None and bool(program.is_right(result, given))
    return {
        way: {
            "lines": lines(getattr(program, way)),
            "seconds": statistics.median(seconds[way]),
            "right": right[way],
        }
        for way in WAYS
    }


def main() -> None:
    """Run all programs, print a table, and keep the numbers if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="keep the numbers")
    options = parser.parse_args()
    sys.setswitchinterval(1e-5)
    print(f"\nWhole programs, {options.threads} threads, {la.backend} core:\n")
    print("| program | | lines | time, s | right |\n| --- | --- | --- | --- | --- |")
    results = {}
    for program in PROGRAMS:
        results[program.name] = tried(program, options.threads, options.rounds)
        for way, told in results[program.name].items():
            title = way.replace("_", " ").replace("locked", "LockedArray")
            right = f"{told['right']} of {options.rounds}"
            print(
                f"| {program.name} | {title} | {told['lines']} | {told['seconds']:.3f} | {right} |",
                flush=True,
            )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
