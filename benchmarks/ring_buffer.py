"""The ring buffer of examples/ring_buffer.py beside one by `threading.Condition` and plain arrays.

Run with ``python benchmarks/ring_buffer.py [--frames 2000] [--rounds 5]``.  Both pass the same
frames from one producer to two consumers, and both let the producer fill one slot while the
consumers look at others.  They take turns, since other programs share the machine; the fastest
round of each is shown, for small frames, where all the time goes into waiting and waking, and for
large ones.
"""

import argparse
import importlib.util
import inspect
import platform
import sys
import threading
from pathlib import Path

import numpy as np

import lockedarray as la

FILE = Path(__file__).parent.parent / "examples" / "ring_buffer.py"
specification = importlib.util.spec_from_file_location("ring_buffer", FILE)
example = importlib.util.module_from_spec(specification)
specification.loader.exec_module(example)
SLOTS, CONSUMERS, look = example.SLOTS, example.CONSUMERS, example.look


class Ring:
    """Plain arrays, and the condition under which they change."""

    def __init__(self, height, width):
        self.numbers = np.full(SLOTS, -1)
        self.left = np.zeros(SLOTS, np.int64)
        self.pixels = np.zeros((SLOTS, height, width), np.uint16)
        self.changed = threading.Condition()


def produce(ring, frames):
    """Put each frame into the next slot, once all have seen what is in it."""
    for number, frame in enumerate(frames):
        slot = number % SLOTS
        with ring.changed:
            if not ring.changed.wait_for(lambda slot=slot: ring.left[slot] == 0, 60):
                raise TimeoutError
        ring.pixels[slot] = frame  # without the lock: nobody looks at it
        with ring.changed:
            ring.numbers[slot] = number
            ring.left[slot] = CONSUMERS
            ring.changed.notify_all()


def consume(ring, frames):
    """Look at each frame, in order."""
    seen = []
    for number in range(frames):
        slot = number % SLOTS
        with ring.changed:
            if not ring.changed.wait_for(lambda s=slot, n=number: ring.numbers[s] == n, 60):
                raise TimeoutError
        seen.append(look(ring.pixels[slot]))  # without the lock: nobody writes to it
        with ring.changed:
            ring.left[slot] -= 1
            ring.changed.notify_all()
    return seen


def lines(*functions):
    """Return how many lines of code the functions have, without docstrings and empty lines."""
    sources = [inspect.getsource(function).strip().splitlines() for function in functions]
    code = [line for source in sources for line in source if line.strip()]
    return sum('"""' not in line for line in code)


def main():
    """Print frames per second and lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000, help="default: 2000")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    chosen = parser.parse_args()
    ways = {
        "threading.Condition": (Ring, produce, consume),
        "LockedArray": (example.make_ring, example.produce, example.consume),
    }
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, lockedarray {la.backend}")
    print("frames per second, the fastest of the rounds; lines of code\n")
    print(f"{'':<20} {'8 x 8':>10} {'480 x 640':>10} {'lines':>6}")
    fastest = {(way, size): 0.0 for way in ways for size in [(8, 8), (480, 640)]}
    for _ in range(chosen.rounds):
        for way, size in fastest:
            frames = chosen.frames if size[0] < 100 else max(chosen.frames // 10, 1)
            seconds, _seen = example.run(*ways[way], frames, *size)
            fastest[way, size] = max(fastest[way, size], frames / seconds)
    for way, functions in ways.items():
        small, large = (speed for (name, _), speed in fastest.items() if name == way)
        print(f"{way:<20} {small:>10,.0f} {large:>10,.0f} {lines(*functions):>6}")


if __name__ == "__main__":
    sys.exit(main())
