"""Arrays whose locks are broken on purpose: the checker has to find each of them.

Each does some of its calls as an array would whose lock has that fault.  In the middle of the
broken step it pauses, so that others come in between.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

import lockedarray as la
from array_histories import Cells, contents
from stress.scenes import SCENES, Scene

__all__ = ["BROKEN", "scene_of"]


def pause():
    """Let the others do something."""
    time.sleep(0.001)


class Broken(Cells):
    """Cells, and the memory of their arrays without a lock."""

    plain: list[np.ndarray]
    scene: str
    """Of which kind of scene the arrays are."""
    kinds: str
    """Which calls are made."""
    is_past_the_lock = False
    """Whether some of it is written without any lock: that needs memory that we have made."""

    def _unlocked(self, a, b):
        """Return the part of the memory itself."""
        number, start = divmod(a, self.length)
        return self.plain[number][start : start + b - a]


def scene_of(broken) -> Scene:
    """Return a scene with such arrays."""
    scene = SCENES[broken.scene]

    def make(zeros):
        plain = []

        def known(shape, dtype):
            plain.append(np.zeros(shape, dtype))
            return la.LockedArray(plain[-1], copy=False)

        cells = broken.__new__(broken)
        made = scene.make(known if broken.is_past_the_lock else zeros)
        vars(cells).update(vars(made), plain=plain)
        return cells

    return dataclasses.replace(
        scene, name=broken.__name__, make=make, kinds=tuple(broken.kinds.split())
    )


def write_in_halves(rows, value):
    """Write to plain rows: the left half, and then the right one."""
    half = rows.shape[1] // 2
    rows[:, :half] = value
    pause()
    rows[:, half:] = value


class NoLock(Broken):
    """There is no lock: a reader sees half of what is written."""

    scene = "rows"
    kinds = "set_slice get_slice"
    is_past_the_lock = True

    def set_slice(self, a, b, value):
        write_in_halves(self._unlocked(a, b), value)


class AddInTwoSteps(Broken):
    """``x[i] += v`` reads, lets go, and writes."""

    scene = "vector"
    kinds = "add get"

    def add(self, i, value):
        x = self.arrays[0]
        now = x[i]
        pause()
        x[i] = now + value


class ReadLockToWrite(Broken):
    """What writes takes the read lock, so that readers are not kept out."""

    scene = "rows"
    kinds = "fill read"
    is_past_the_lock = True

    def fill(self, a, b, value):
        with self._part(a, b).read():
            write_in_halves(self._unlocked(a, b), value)


class HalfOfTheRegion(Broken):
    """Of the rows that are written the left halves are locked."""

    scene = "rows"
    kinds = "set_slice get_slice"
    is_past_the_lock = True

    def set_slice(self, a, b, value):
        half = self.arrays[0].shape[1] // 2
        with self._part(a, b)[:, :half].write() as raw:
            raw[...] = value
            write_in_halves(self._unlocked(a, b)[:, half:], value)

    def get_slice(self, a, b):
        half = self.arrays[0].shape[1] // 2
        right = self._part(a, b)[:, half:]
        return contents(right.snapshot())


class HalfOfTheArrays(Broken):
    """Of two arrays that are written the first is locked."""

    scene = "two arrays"
    kinds = "move derive"
    is_past_the_lock = True

    def move(self, i, j, value):
        with self._part(i, i + 1).write() as x:
            before = int(x[0])
            x -= value
            y = self._unlocked(j, j + 1)
            now = y.copy()
            pause()
            y[...] = now + value
        return before


class LetGoToUpgrade(Broken):
    """The read lock is given back before the write lock is taken."""

    scene = "vector"
    kinds = "compare_exchange set"

    def compare_exchange(self, i, expected, value):
        x = self.arrays[0]
        with x.read() as raw:
            old = int(raw[i])
        pause()
        if old == expected:
            x[i] = value
        return old == expected, old


class UpgradeWithoutWaiting(Broken):
    """Who reads may write without waiting for the others who read."""

    scene = "vector"
    kinds = "add_at get"
    is_past_the_lock = True

    def add_at(self, i, value):
        element = self._unlocked(i, i + 1)
        with self._part(i, i + 1).read() as raw:
            after = int(raw[0]) + value
            pause()
            element[0] = after
        return after


class ResizeWithoutLock(Broken):
    """To append looks at the length before the lock is taken."""

    scene = "growing"
    kinds = "append snapshot"

    def append(self, value):
        x = self.arrays[0]
        first = len(x)
        pause()
        x.resize(first + 1)
        x[first] = value
        return first


class OneAfterTheOther(Broken):
    """Of two arrays one is locked after the other was given back."""

    scene = "two arrays"
    kinds = "swap move snapshot"

    def snapshot(self):
        rows = []
        for x in self.arrays:
            rows += self._cells(x.snapshot())
            pause()
        return tuple(rows)


class RowByRow(Broken):
    """Each row is locked for itself."""

    scene = "rows"
    kinds = "snapshot set_slice"

    def snapshot(self):
        rows = []
        for i in range(self.length):
            rows.append(self.get(i))
            pause()
        return tuple(rows)


class WaitAndDoNotLookAgain(Broken):
    """A predicate was true, but not under the lock that is taken then."""

    scene = "waiting"
    kinds = "take give snapshot"

    def give(self):
        pause()
        pause()  # so that two wait for one
        super().give()

    def take(self):
        x = self.arrays[0]
        x.wait_for(lambda raw: raw[0] > 0, 10)
        pause()
        with x.write() as raw:
            before = int(raw[0])
            raw[0] -= 1
        return before


class OldCopy(Broken):
    """What is read is of the look before."""

    scene = "vector"
    kinds = "get set"

    def get(self, i):
        old = vars(self).setdefault("old", self.arrays[0].snapshot())
        self.old = self.arrays[0].snapshot()
        return int(old[i])


BROKEN = Broken.__subclasses__()
