"""Show frames of a camera while the next one is acquired, in threads that share one buffer.

An acquisition thread writes frames into the buffer, as fast as it can, and two display threads copy
what is in it.  A copy is torn if it shows the top of one frame above the bottom of another.  The
same program runs with a plain ndarray and with a LockedArray as the buffer, and the table tells how
many copies were torn, and how many frames per second went in and out.

    python frames.py
    python frames.py --frames 500 --height 1080 --width 1920

The camera is simulated: frame n is a picture, the same for all, with n added to each pixel.  So a
copy minus the picture has the same value everywhere, unless it is torn.

The exit code is 1 if a copy from the LockedArray was torn.
"""

import argparse
import platform
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import lockedarray as la

DISPLAYS = 2


def rings(height, width):
    """Return a picture to start from, 16 bits a pixel."""
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return (1000 * (1 + np.cos(distance / 10))).astype(np.uint16)


def acquire_frames(buffer, picture, frames, begin, end):
    """Write `frames` frames into the buffer; return the frames per second."""
    begin.wait()
    started = time.perf_counter()
    try:
        for number in range(1, frames + 1):
            if end.is_set():  # after Ctrl-C
                break
            frame = picture + np.uint16(number % 65536)
            buffer[...] = frame
    finally:
        end.set()
    return number / (time.perf_counter() - started)


def show_frames(buffer, picture, begin, end):
    """Copy what is in the buffer until the acquisition ends; return how many, torn, per second."""
    shown = torn = 0
    begin.wait()
    started = time.perf_counter()
    while shown == 0 or not end.is_set():
        frame = buffer.copy()
        difference = frame - picture
        torn += bool((difference != difference[0, 0]).any())
        shown += 1
    return shown, torn, shown / (time.perf_counter() - started)


def run(buffer, picture, frames):
    """Run the threads on this buffer; return what they returned."""
    begin, end = threading.Barrier(1 + DISPLAYS), threading.Event()
    with ThreadPoolExecutor(1 + DISPLAYS) as pool:
        try:
            camera = pool.submit(acquire_frames, buffer, picture, frames, begin, end)
            displays = [
                pool.submit(show_frames, buffer, picture, begin, end) for _ in range(DISPLAYS)
            ]
            return camera.result(), [display.result() for display in displays]
        finally:
            begin.abort()
            end.set()


def positive(text):
    """Convert an argument to an integer above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main():
    """Run with both kinds of buffer, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=positive, default=5000, help="default: 5000")
    parser.add_argument("--height", type=positive, default=480, help="default: 480")
    parser.add_argument("--width", type=positive, default=640, help="default: 640")
    chosen = parser.parse_args()

    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"{chosen.frames:,} frames of {chosen.height} x {chosen.width} pixels, "
        f"1 acquisition thread, {DISPLAYS} display threads\n"
        f"{platform.python_implementation()} {platform.python_version()} "
        f"{'with' if gil else 'without'} the GIL, NumPy {np.__version__}, "
        f"lockedarray {la.backend}\n"
    )
    print(f"{'buffer':<11} {'acquired/s':>10} {'shown/s':>10} {'shown':>10} {'torn':>8}")

    picture = rings(chosen.height, chosen.width)
    for kind, buffer in [("ndarray", picture.copy()), ("LockedArray", la.LockedArray(picture))]:
        acquired_per_second, displays = run(buffer, picture, chosen.frames)
        shown, torn, shown_per_second = map(sum, zip(*displays, strict=True))
        print(
            f"{kind:<11} {acquired_per_second:>10,.0f} {shown_per_second:>10,.0f} "
            f"{shown:>10,} {torn:>8,}",
            flush=True,
        )
    return 1 if torn else 0  # of the LockedArray, which came last


if __name__ == "__main__":
    sys.exit(main())
