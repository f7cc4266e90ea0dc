"""Region: which bytes of a Buffer an array touches, and when two arrays are surely apart.

The native core has this rule in C (``_core/lock/region.c``, with the proof); here it is to be
read, and the tests hold the two against each other.  The portable core takes every region as the
whole Buffer.

An array touches the bytes ``offset + sum(i[k] * strides[k]) + j`` with ``0 <= i[k] < shape[k]`` and
``0 <= j < itemsize``.  What a Region knows of such a byte is a few statements of one kind, *combs*:
modulo some period it lies in some span.

- Let P be a stride that divides all larger ones.  Modulo P those axes vanish; what is left, the
  item and the axes with smaller strides, is one span.
- Let the span modulo such a P not wrap around.  Then P is a *window* (a row, say): for bytes modulo
  P the same can be said again, of a stride that divides all strides between itself and P.
- The extent is a comb of period 0, since ``x == y`` modulo 0 means that they are equal.

A comb of period P and one of period Q both hold modulo g = gcd(P, Q), if their windows are the same
or multiples of g.  Where the two spans, taken modulo g, do not meet, the arrays share no byte.

Combs are quick, and tell most pairs apart that are.  The rest is asked exactly: a Region knows its
axes, too, and whether some steps along them come to the same byte is what `overlap.py` finds out,
up to a number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import NamedTuple

import numpy as np

from lockedarray._array.overlap import Axis, continued, reaches
from lockedarray._cores import address

__all__ = ["Comb", "Region"]

_MOST_COMBS = 4
_MOST_AXES = 6
_LONGEST = 2**60  # of what is asked exactly, so that no sum in C overflows
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1  # offsets are 64-bit in C


class Comb(NamedTuple):
    """Every byte, modulo `window` and then `period` if not 0, is in [low, low + length)."""

    window: int
    period: int
    low: int
    length: int


@dataclass(frozen=True)
class Region:
    """The bytes of a Buffer that an array touches.

    Parameters
    ----------
    low, high : int
        The extent, in bytes from the start of the Buffer; it is empty if ``low >= high``.
    combs : tuple of Comb
        What else is known.  To leave one out is safe: it can only make more conflicts.
    axes : tuple of Axis, or None
        The axes, largest stride first, that leave gaps in the extent: none in one piece.  None: too
        many.

    Examples
    --------
    Blocks of columns, and every second column of an odd number, are told apart:

    >>> import numpy as np
    >>> x = np.zeros((1000, 5))
    >>> def conflict(a, b):
    ...     origin = x.ctypes.data
    ...     return Region.of(a, origin).conflicts(Region.of(b, origin))
    >>> conflict(x[:, 0:3], x[:, 3:5])
    False
    >>> conflict(x[:, ::2], x[:, 1::2])
    False

    What shares memory conflicts:

    >>> conflict(x[:, 2:4], x[:, 3])
    True
    >>> conflict(x[7], x[:, 3])
    True

    Slices with unlike steps are asked exactly:

    >>> y = x.reshape(-1)
    >>> conflict(y[5:9:3], y[6:11:4]), conflict(y[5:9:3], y[8:14:4])
    (False, True)

    Where that would take too long, which it does for few arrays of several axes whose strides do
    not fit each other, they conflict, so that one thread may wait for the other without need.
    """

    low: int
    high: int
    combs: tuple[Comb, ...] = ()
    axes: tuple[Axis, ...] | None = ()

    @classmethod
    def of(cls, array: np.ndarray, origin: int = 0) -> Region:
        """Return the region of `array`; no lock is taken.

        Parameters
        ----------
        array : ndarray
            Any array: views with negative or zero strides, fields, empty ones.
        origin : int
            The address at which the Buffer begins, the same for all that are compared.  With
            another one rows may not begin at multiples of their length: as safe, but less exact.

        Returns
        -------
        Region
            The whole Buffer's if a number does not fit into 64 bits.
        """
        if array.size == 0 or array.itemsize == 0:
            return cls(_HIGHEST, _LOWEST)
        low = address(array) - origin
        high = low + array.itemsize
        reaches_of: dict[int, int] = {}  # from the first item of an axis to its last, by stride
        for length, stride in zip(array.shape, array.strides, strict=True):
            reach = (length - 1) * abs(stride)
            if reach > _HIGHEST:
                return cls(_LOWEST, _HIGHEST)
            if reach > 0:  # axes of one step, or of stride 0, touch nothing new
                reaches_of[abs(stride)] = reaches_of.get(abs(stride), 0) + reach
            if stride < 0:
                low -= reach
            else:
                high += reach
        if low < _LOWEST or high > _HIGHEST:
            return cls(_LOWEST, _HIGHEST)
        axes = [Axis(*item) for item in sorted(reaches_of.items(), reverse=True)]
        known = _axes_with_gaps(axes, array.itemsize)
        return cls(low, high, _combs(low, high - low, axes), known)

    def conflicts(self, other: Region) -> bool:
        """Whether the two may have a byte in common; never False when they do.

        Exact for rows, columns, blocks of them, boxes, slices whatever their steps, fields, real
        and imaginary parts, as long as `overlap.py` finds the answer within its number of steps.
        """
        if self.low >= other.high or other.low >= self.high:
            return False
        if self.axes == () == other.axes:
            return True
        return (
            self._combs_meet(other)
            and self._meets_extent(other)
            and other._meets_extent(self)
            and self._meets(other)
        )

    def _combs_meet(self, other: Region) -> bool:
        return all(
            _meet(self._through(b.window, a), other._through(a.window, b))
            for a, b in product(self._known(), other._known())
        )

    def _is_exact(self) -> bool:
        return bool(self.axes) and self.high - self.low < _LONGEST

    def _item(self) -> int:
        """How long the pieces are between the gaps."""
        return self.high - self.low - sum(axis.reach for axis in self.axes or ())

    def _meets_extent(self, other: Region) -> bool:
        """Whether a piece of this, if it is known, meets the extent of the other.

        What is apart from an extent is apart from each one inside it, and is found to be so in as
        many steps, or fewer.  A lock builds on that.
        """
        if not self._is_exact():
            return True
        low, high = max(self.low, other.low), min(self.high, other.high)
        axes = continued(list(self.axes or ()))
        return reaches(axes, low - self.low - self._item() + 1, high - self.low - 1)

    def _meets(self, other: Region) -> bool:
        """Whether a piece of this meets one of the other, if both have gaps."""
        if not (self._is_exact() and other._is_exact()):
            return True
        axes = [*(self.axes or ()), *(other.axes or ())]
        ahead = other.high - other._item() - self.low  # the last piece of the other
        low, high = ahead - self._item() + 1, ahead + other._item() - 1
        axes.sort(reverse=True)
        while axes and axes[-1].stride <= high - low + 1:  # no gaps between those any more
            low -= axes.pop().reach
        return reaches(continued(axes), low, high)

    def _known(self) -> list[Comb]:
        """All that is known: the extent, the combs, and the extent within each window."""
        extent = Comb(0, 0, self.low, self.high - self.low)
        inside = [Comb(c.period, 0, c.low, c.length) for c in self.combs if _is_window(c)]
        return [extent, *self.combs, *inside]

    def _through(self, window: int, comb: Comb) -> Comb:
        """Return `comb` as seen through `window`, if the whole region lies inside one such window.

        There, a byte modulo the window is the byte less a constant.
        """
        if comb.window == 0 and window != 0:
            inside = self.low % window
            if self.high - self.low <= window - inside:
                return comb._replace(window=window, low=comb.low - (self.low - inside))
        return comb


def _combs(low: int, length: int, axes: list[Axis]) -> tuple[Comb, ...]:
    """Return the combs of `length` bytes from `low` with `axes`, largest stride first."""
    combs: list[Comb] = []
    window = 0  # the smallest so far ...
    first = 0  # ... and the first axis inside it
    for k, (stride, reach) in enumerate(axes):
        length -= reach  # now the item and the smaller strides
        if _divides(stride, axes[:k]):
            comb = Comb(0, stride, low % stride, length)
            if _is_window(comb):
                window, first = stride, k + 1
        elif window and _divides(stride, axes[first:k]):
            comb = Comb(window, stride, low % window % stride, length)
        else:
            continue
        if length < stride:  # else it says nothing
            combs.append(comb)
    return tuple(combs[:_MOST_COMBS])


def _axes_with_gaps(axes: list[Axis], item: int) -> tuple[Axis, ...] | None:
    """Return those of `axes`, largest stride first, that do not make one piece with the item."""
    found: list[Axis] = []
    for axis in reversed(axes):
        if not found and axis.stride <= item:
            item += axis.reach
        elif found and axis.stride == found[-1].stride + found[-1].reach:
            found[-1] = Axis(found[-1].stride, found[-1].reach + axis.reach)
        else:
            found.append(axis)
    return tuple(found[::-1]) if len(found) <= _MOST_AXES else None


def _divides(stride: int, axes: list[Axis]) -> bool:
    return all(larger % stride == 0 for larger, _ in axes)


def _is_window(comb: Comb) -> bool:
    """Whether the span does not wrap around: it is an extent, then, modulo the period."""
    return comb.window == 0 and comb.low + comb.length <= comb.period


def _meet(a: Comb, b: Comb) -> bool:
    """Whether the spans meet, taken modulo the gcd of what both are known modulo."""
    g = gcd(a.period, b.period)
    if a.window != b.window:
        g = gcd(g, a.window, b.window)
    if g == 0:  # two extents
        return a.low < b.low + b.length and b.low < a.low + a.length
    return (b.low - a.low) % g < a.length or (a.low - b.low) % g < b.length
