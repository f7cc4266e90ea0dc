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
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import NamedTuple

import numpy as np

from lockedarray._cores import address

__all__ = ["Comb", "Region"]

_MOST_COMBS = 4
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

    And some that share none do so, too:

    >>> y = x.reshape(-1)
    >>> conflict(y[5:9:3], y[6:11:4])
    True

    What is known of their bytes holds modulo gcd(24, 32), which is one item.  To tell them apart
    is a question of integer programming, which `numpy.shares_memory` solves.  The price of a
    false conflict is that one thread waits for the other.
    """

    low: int
    high: int
    combs: tuple[Comb, ...] = ()

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
        reaches: dict[int, int] = {}  # from the first item of an axis to its last, by stride
        for length, stride in zip(array.shape, array.strides, strict=True):
            reach = (length - 1) * abs(stride)
            if reach > _HIGHEST:
                return cls(_LOWEST, _HIGHEST)
            if reach > 0:  # axes of one step, or of stride 0, touch nothing new
                reaches[abs(stride)] = reaches.get(abs(stride), 0) + reach
            if stride < 0:
                low -= reach
            else:
                high += reach
        if low < _LOWEST or high > _HIGHEST:
            return cls(_LOWEST, _HIGHEST)
        return cls(low, high, _combs(low, high - low, sorted(reaches.items(), reverse=True)))

    def conflicts(self, other: Region) -> bool:
        """Whether the two may have a byte in common; never False when they do.

        Exact for rows, columns, blocks of them, boxes of up to four axes, slices of one or two
        axes with the same steps, fields, and real and imaginary parts.
        """
        if self.low >= other.high or other.low >= self.high:
            return False
        return all(
            _meet(self._through(b.window, a), other._through(a.window, b))
            for a, b in product(self._known(), other._known())
        )

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


def _combs(low: int, length: int, axes: list[tuple[int, int]]) -> tuple[Comb, ...]:
    """Return the combs of `length` bytes from `low` with axes of (stride, reach), largest first."""
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


def _divides(stride: int, axes: list[tuple[int, int]]) -> bool:
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
