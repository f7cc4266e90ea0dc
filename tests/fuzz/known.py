"""What programs leave out, each with the reason."""

from __future__ import annotations

import re

import numpy as np

SWITCHES = {
    "string-resize": "StringDType and a resize corrupt memory",
    "out-ellipsis": "out=... gives a scalar",
    "siblings": "operators of sibling classes are passed by",
}


def on(name):
    return name in SWITCHES


def excluded(line, names):
    """Return the name of the rule that leaves `line` out, or None."""
    if line.kind == "resize" and on("string-resize"):
        used = names.get(line.ours.split(".")[0])
        if isinstance(used, np.ndarray) and used.dtype.kind == "T":
            return "string-resize"
    if "out=..." in line.ours and on("out-ellipsis"):
        return "out-ellipsis"
    return None
