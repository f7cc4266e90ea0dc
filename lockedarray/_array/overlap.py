"""Overlap: whether a sum of steps along some axes lies in a range.

That is what two regions come down to when their extents and combs cannot tell them apart.  Each
touches the bytes ``low + sum(i[k] * stride[k]) + j``, so they share one where, with the steps of
one counted from its other end, some ``sum(i[k] * stride[k])`` over the axes of both lies in a
range.  It is a question of integer programming, which is hard only where strides fit each other
badly.  What is done about it:

- An axis whose stride is a multiple of the next smaller one, and not larger than what that reaches
  and one step, continues it: the two are one axis.
- The sums of some axes are multiples of the gcd of their strides, and end at their reach.
- Two axes: each number of steps along the one leaves a range for the other, and the question is
  whether a multiple of its stride lies in there.  How many do, over all, is the difference of two
  sums of quotients, for which there is a way like Euclid's.
- More axes are parted in two, large strides here and small ones there.  What the large ones sum up
  to is one of a few multiples of their gcd, if the small ones do not reach far.  Each is tried.

The number of steps has a limit, since a lock asks.  Behind it the answer is yes, so that regions
are never taken for apart that are not.  The native core has the same, `_core/lock/overlap.c`, step
by step, and the tests hold the two against each other.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

__all__ = ["MOST_STEPS", "Axis", "continued", "reaches"]

MOST_STEPS = 128
"""Behind so many the answer is yes."""


class Axis(NamedTuple):
    """Steps of `stride`, which is positive, up to `reach`, a multiple of it."""

    stride: int
    reach: int


def continued(axes: list[Axis]) -> list[Axis]:
    """Return `axes`, largest stride first, where one that continues the next is one with it."""
    found: list[Axis] = []
    for axis in reversed(axes):
        last = found[-1] if found else None
        if last and axis.stride <= last.reach + last.stride and axis.stride % last.stride == 0:
            found[-1] = Axis(last.stride, last.reach + axis.reach)
        else:
            found.append(axis)
    return found[::-1]


def reaches(axes: list[Axis], low: int, high: int) -> bool:
    """Whether some sum of steps is at least `low` and at most `high`; also if it is hard to tell.

    Of `axes`, largest stride first, none continues the next.
    """
    return _Search().reaches(_Sums(axes), low, high)


class _Sums:
    """The sums of some axes, parted in two if they are more than two."""

    def __init__(self, axes: list[Axis]) -> None:
        self.axes = axes
        self.gcd = gcd(*(axis.stride for axis in axes))
        self.reach = sum(axis.reach for axis in axes)
        if len(axes) > 2:
            at = min(range(1, len(axes)), key=self._choices)
            self.large, self.small = _Sums(axes[:at]), _Sums(axes[at:])

    def _choices(self, at: int) -> int:
        """About how many sums of the first axes are to be tried."""
        others = sum(axis.reach for axis in self.axes[at:])
        return others // gcd(*(axis.stride for axis in self.axes[:at]))


class _Search:
    def __init__(self) -> None:
        self.steps = MOST_STEPS

    def reaches(self, sums: _Sums, low: int, high: int) -> bool:
        if self.steps == 0:
            return True
        self.steps -= 1
        low, high = max(low, 0), min(high, sums.reach)
        if low > high:
            return False
        if low == 0 or high == sums.reach:
            return True
        if high // sums.gcd * sums.gcd < low:
            return False
        if len(sums.axes) == 1:
            return True
        if len(sums.axes) == 2:
            x, y = sums.axes
            return _two_reach(x, y, low, high)
        step = sums.large.gcd
        first = -(-max(0, low - sums.small.reach) // step) * step
        return any(
            self._is_sum(sums.large, at) and self.reaches(sums.small, low - at, high - at)
            for at in range(first, min(high, sums.large.reach) + 1, step)
        )

    def _is_sum(self, sums: _Sums, at: int) -> bool:
        """Ask from the nearer end, so that it takes as many steps from whichever end one counts."""
        nearer = min(at, sums.reach - at)
        return self.reaches(sums, nearer, nearer)


def _two_reach(x: Axis, y: Axis, low: int, high: int) -> bool:
    """Whether a sum of two axes lies in the range; neither of its ends is an end of all sums.

    Of `x` those steps count after which `high` is not passed, and `low` can still be reached.  Then
    a multiple of the stride of `y` in what is left of the range is one that `y` has, or the range
    has the first or the last of these.
    """
    first = -(-max(0, low - y.reach) // x.stride)
    last = min(high, x.reach) // x.stride
    if first > last:
        return False
    count = last - first + 1
    if high - low + 1 >= y.stride:
        return True
    # For each of them: how many multiples up to `high`, and below `low`; a turn more of both.
    most = high - last * x.stride + y.stride
    least = most - (high - low + 1)
    up_to = _quotients(count, x.stride, most, y.stride)
    return up_to != _quotients(count, x.stride, least, y.stride)


def _quotients(count: int, step: int, start: int, divisor: int) -> int:
    """Return the sum of ``(start + i * step) // divisor`` for i below `count`.

    Whole turns of the divisor come out; what is left counts points of a grid below a line, which
    are the same points with the axes exchanged, and smaller numbers.
    """
    total = 0
    while True:
        total += count * (count - 1) // 2 * (step // divisor) + count * (start // divisor)
        step, start = step % divisor, start % divisor
        end = start + count * step
        if end < divisor:
            return total
        count, start = divmod(end, divisor)
        step, divisor = divisor, step
