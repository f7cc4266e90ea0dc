"""Pass frames from a camera to two consumers by a ring of eight frames.

The ring is one array of records.  Each slot has the number of the frame in it, how many consumers
have still to look at it, and its pixels.  Who needs a slot waits until it is ready for him, and
takes its lock in the same step:

    with slot.write(when=lambda slot: not slot["left"]) as raw:

A slot is a view, so the camera fills one while the consumers look at others.  No frame is lost,
none is seen twice, and the camera waits when both are too slow.

    python ring_buffer.py
    python ring_buffer.py --frames 5000 --height 480 --width 640

The camera is simulated.  The exit code is 1 if a consumer has seen anything but all frames in
order: what it makes of them is compared with what one thread does.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import lockedarray as la

SLOTS, CONSUMERS = 8, 2
PATIENCE = 60  # seconds: the others have failed, or been stopped


def camera(frames, height, width):
    """Yield frames, each another picture."""
    picture = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint16)
    for number in range(frames):
        yield picture + np.uint16(number * 7 % 65536)


def look(pixels):
    """Return what a consumer makes of a frame: its brightness, first and last pixel."""
    return int(pixels.sum()), int(pixels[0, 0]), int(pixels[-1, -1])


# -- the ring --------------------------------------------------------------------------------------


def make_ring(height, width):
    """Return an empty ring."""
    slot = [("number", np.int64), ("left", np.int64), ("pixels", np.uint16, (height, width))]
    return la.zeros((SLOTS, 1), dtype=slot)


def produce(ring, frames):
    """Put each frame into the next slot, once all have seen what is in it."""
    for number, frame in enumerate(frames, start=1):
        slot = ring[number % SLOTS]
        with slot.write(PATIENCE, when=lambda slot: not slot["left"]) as raw:
            raw[0] = number, CONSUMERS, frame


def consume(ring, frames):
    """Look at each frame, in order."""
    seen, left = [], ring["left"]
    for number in range(1, frames + 1):
        slot = ring[number % SLOTS]
        with slot.read(PATIENCE, when=lambda slot, n=number: slot["number"][0] == n) as raw:
            seen.append(look(raw["pixels"][0]))
        left[number % SLOTS, 0] -= 1
    return seen


# -- the program -----------------------------------------------------------------------------------


def run(make, produce, consume, frames, height, width):
    """Run one producer and the consumers; return the seconds it took, and what they have seen."""
    ring = make(height, width)
    with ThreadPoolExecutor(1 + CONSUMERS) as pool:
        begin = time.perf_counter()
        consumers = [pool.submit(consume, ring, frames) for _ in range(CONSUMERS)]
        pool.submit(produce, ring, camera(frames, height, width)).result()
        seen = [consumer.result() for consumer in consumers]
        return time.perf_counter() - begin, seen


def main():
    """Pass the frames on, and compare what has been seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000, help="default: 2000")
    parser.add_argument("--height", type=int, default=240, help="default: 240")
    parser.add_argument("--width", type=int, default=320, help="default: 320")
    chosen = parser.parse_args()
    if min(chosen.frames, chosen.height, chosen.width) < 1:
        parser.error("--frames, --height and --width must be 1 or more")
    size = chosen.frames, chosen.height, chosen.width
    right = [look(frame) for frame in camera(*size)]
    seconds, seen = run(make_ring, produce, consume, *size)
    print(f"{chosen.frames:,} frames to {CONSUMERS} consumers: {chosen.frames / seconds:,.0f}/s")
    same = all(numbers == right for numbers in seen)
    print("each has seen " + ("every frame, in order" if same else "SOMETHING ELSE"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
