"""Draw docs/pictures/slow-threads.png, the picture of the how-to, from a real run.

python docs/pictures/slow_threads.py
"""

import threading
import time
from pathlib import Path

import matplotlib
import numpy as np

import lockedarray as la

matplotlib.use("Agg")

frames = la.zeros((4, 200, 200), name="frames")
means = la.zeros(4, name="means")


def develop(picture):
    """Take long to make a picture."""
    time.sleep(0.02)
    return np.sqrt(picture + 1)


def camera(i):
    """Write one frame after the other, and compute with the lock in hand."""
    for _ in range(3):
        with frames.write() as raw:
            raw[i] = develop(raw[i])
        time.sleep(0.005)


def viewer():
    """Look at all frames again and again."""
    for _ in range(4):
        means[:] = frames.mean(axis=(1, 2))
        time.sleep(0.01)


with la.tracing() as trace:
    threads = [threading.Thread(target=camera, args=(i,), name=f"camera {i}") for i in range(2)] + [
        threading.Thread(target=viewer, name="viewer")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

trace.plot(Path(__file__).with_name("slow-threads.png"))
print(trace)
