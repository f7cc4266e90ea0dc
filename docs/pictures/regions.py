"""Draw docs/pictures/regions.png: which writers of one array run beside each other.

Two writers are drawn on one small array, each in a colour of its own. Whether they run beside each
other is tried: one holds its part while a thread asks for the other. What both write is black.

python docs/pictures/regions.py
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import lockedarray as la

ROWS, COLUMNS = 6, 8
FIELDS = [("x", "f8"), ("y", "f8")]

# Each pair of writers: what is written under the picture, and the two parts.
PAIRS = [
    ("x[0:3]", "x[3:6]", lambda x: (x[0:3], x[3:6])),
    ("x[:, 0:3]", "x[:, 3:8]", lambda x: (x[:, 0:3], x[:, 3:8])),
    ("x[1:4, 1:4]", "x[2:6, 4:8]", lambda x: (x[1:4, 1:4], x[2:6, 4:8])),
    ("x[:, ::2]", "x[:, 1::2]", lambda x: (x[:, ::2], x[:, 1::2])),
    ("x[::3]", "x[1::3, ::2]", lambda x: (x[::3], x[1::3, ::2])),
    ("t['x']", "t['y']", lambda x: (x.view(FIELDS)["x"], x.view(FIELDS)["y"])),
    ("x[0:4]", "x[3:6]", lambda x: (x[0:4], x[3:6])),
    ("x[:, 2]", "x[1]", lambda x: (x[:, 2], x[1])),
]
COLORS = ListedColormap(["#eeeeee", "#1f77b4", "#ff9f40", "#222222"])


def painted(part):
    """Return which elements of a ROWS x COLUMNS array a part of it has."""
    x = np.zeros((ROWS, COLUMNS))
    part(x)[...] = 1
    return x.astype(int)


def run_beside_each_other(one, other):
    """Return whether a thread gets the write lock of `other` while this one has that of `one`."""

    def take():
        with other.write(timeout=0):
            pass

    with one.write(), ThreadPoolExecutor(1) as pool:
        return not isinstance(pool.submit(take).exception(), la.LockTimeout)


def draw(axes, first, second, parts):
    """Draw the two parts, and say what the lock says of them."""
    beside = run_beside_each_other(*parts(la.zeros((ROWS, COLUMNS))))
    elements = painted(lambda x: parts(x)[0]) + 2 * painted(lambda x: parts(x)[1])
    axes.pcolormesh(elements[::-1], cmap=COLORS, vmin=0, vmax=3, edgecolors="white", linewidth=1.5)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title("beside each other" if beside else "one after the other", fontsize=11)
    style = {"family": "monospace", "fontsize": 11, "transform": axes.transAxes, "va": "top"}
    axes.text(0, -0.05, first, color="#1f77b4", ha="left", weight="bold", **style)
    axes.text(1, -0.05, second, color="#d97700", ha="right", weight="bold", **style)


assert la.backend == "native"  # the portable core locks the whole array
figure = Figure(figsize=(11, 5.2), layout="constrained")
for axes, pair in zip(figure.subplots(2, len(PAIRS) // 2).flat, PAIRS, strict=True):
    draw(axes, *pair)
figure.savefig(Path(__file__).with_name("regions.png"), dpi=120)
