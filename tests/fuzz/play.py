"""Playing a program on both sides, and making one that fails shorter."""

from __future__ import annotations

import numpy as np

from fuzz.sides import Difference, Sides, show

__all__ = ["difference_of", "play", "shortened"]


def play(lines):
    """Run `lines` on both sides; raise Difference at the first line that they differ in."""
    sides = Sides()
    with np.errstate(all="warn"):
        for number, line in enumerate(lines):
            plain = sides.run_plain(line)
            ours = sides.run_ours(line)
            try:
                sides.compare(line, plain, ours)
            except Difference as difference:
                raised = plain.error is not None and ours.error is not None
                if difference.kind == "value" and raised and _is_as_before(sides, lines[:number]):
                    return  # the rule "half-done"
                raise


def _is_as_before(sides, lines):
    """Whether what `lines` leave is what `sides` have, on our side."""
    before = Sides()
    for line in lines:
        before.run_plain(line)
        before.run_ours(line)
    names = before.variables()
    return [show(before.ours[name]) for name in names] == [show(sides.ours[name]) for name in names]


def difference_of(lines):
    """Return what differs in `lines`, or None."""
    try:
        play(lines)
    except Difference as difference:
        return difference
    return None


def shortened(lines, difference):
    """Return fewer lines with the same kind of difference in the last one, and the difference."""
    lines = lines[: lines.index(difference.line) + 1]
    smaller = True
    while smaller:
        smaller = False
        for place in reversed(range(len(lines) - 1)):
            fewer = lines[:place] + lines[place + 1 :]
            found = difference_of(fewer)
            if found is not None and (found.kind, found.line) == (difference.kind, difference.line):
                lines, difference, smaller = fewer, found, True
    return lines, difference
