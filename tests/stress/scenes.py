"""The kinds of scenes: of which shape the arrays of a history are, and what is done to them.

Also what a random history is: a scene, and a program for each caller, all drawn by one seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import lockedarray as la
from array_histories import Cells, arguments, new_state

__all__ = ["SCENES", "Play", "Scene", "Slow", "draw"]

MOST_CALLERS = 8

ELEMENTS = "get get_at set set_at add add_at exchange compare_exchange"
PARTS = """get_slice get_list read sum snapshot set_slice fill copyto_value set_list set_mask
    add_slice add_all add_out guard add_list add_mask add_twice copy copyto sum_out sort"""
SEVERAL = "swap move derive"


@dataclass(frozen=True)
class Scene:
    """Arrays of a shape, and the kinds of calls that they have."""

    name: str
    make: Callable
    """Called with what makes an array of zeros: ``zeros(shape, dtype)``; returns `Cells`."""
    kinds: tuple[str, ...]
    length: int = 4
    """How many cells an array has, at first."""
    arrays: int = 1
    number: type = int
    for_processes: bool = True

    @property
    def state(self):
        return new_state(self.length * self.arrays)

    def reset(self, cells):
        """Have all be as it was made."""
        for array in cells.arrays:
            if cells.length is None:
                array.assign(np.zeros((self.length, *array.shape[1:]), array.dtype))
            else:
                array[...] = 0

    def can_end(self, programs):
        """Whether nobody waits for ever: of those who give nobody waits, and they give enough."""
        kinds = [[call[0] for call in program] for program in programs]
        given = sum(program.count("give") for program in kinds)
        taken = sum(sum(map(program.count, TAKING)) for program in kinds)
        looks = any(kind in LOOKING for program in kinds for kind in program)
        return given >= max(taken, looks) and not any(
            "give" in program and {*TAKING, *LOOKING} & {*program} for program in kinds
        )


TAKING = ("take", "acquire_when")
LOOKING = ("wait_for", "read_when")


class Slow(int):
    """A number whose addition is code in Python, in which other threads get their turn."""

    def __add__(self, other):
        return Slow(int(self) + int(other))

    __radd__ = __add__

    def __sub__(self, other):
        return Slow(int(self) - int(other))

    def __rsub__(self, other):
        return Slow(int(other) - int(self))

    def __mul__(self, other):
        return Slow(int(self) * int(other))

    __rmul__ = __mul__


class Objects(Cells):
    """Cells that are Python objects: a ``+=`` that others came into says so, and is done again."""

    def _again(self, add, *given):
        while True:
            try:
                return add(*given)
            except la.DeadlockError:
                raise
            except RuntimeError as error:
                if "another thread changed" not in str(error):
                    raise

    def add(self, *given):
        return self._again(super().add, *given)

    def add_list(self, *given):
        return self._again(super().add_list, *given)

    def add_mask(self, *given):
        return self._again(super().add_mask, *given)


def _vector(zeros):
    return Cells(zeros(4, int), length=4)


def _rows(zeros):
    return Cells(zeros((4, 1500), int), length=4)


def _columns(zeros):
    return Cells(zeros((300, 4), int), length=4, columns=True)


def _records(zeros):
    x = zeros(3, [("a", int), ("b", int)])
    return Cells(x["a"], x["b"], length=3, records=x)


def _wide_records(zeros):
    x = zeros(3, [("a", int, 600), ("b", int, 600)])
    return Cells(x["a"], x["b"], length=3, records=x)


def _two(zeros):
    return Cells(zeros(2, int), zeros(2, int), length=2)


def _three(zeros):
    return Cells(*(zeros((2, 800), int) for _ in "123"), length=2)


def _objects(policy):
    def make(_):
        start = np.empty(4, object)
        start[:] = [Slow(0)] * 4
        return Objects(la.array(start, objects=policy), length=4)

    return make


def _growing(zeros):
    return Cells(zeros(3, int))


def _growing_rows(zeros):
    return Cells(zeros((3, 700), int))


def _waiting(zeros):
    return Cells(zeros(4, int), length=4)


def _kinds(*named):
    return tuple(kind for names in named for kind in names.split())


_FIXED = _kinds(ELEMENTS, PARTS, SEVERAL)
# A view shows the rows that it showed when it was made, whatever becomes of the length: that is
# another step.  So here are calls alone that make none.
_LENGTHS = "append append_rows popleft resize assign snapshot get_at set set_at set_slice set_list"

SCENES = {
    scene.name: scene
    for scene in [
        Scene("vector", _vector, _FIXED),
        Scene("rows", _rows, _FIXED),
        Scene("columns", _columns, _FIXED),
        Scene("records", _records, (*_FIXED, "get_record", "set_record"), 3, 2),
        Scene("wide records", _wide_records, (*_FIXED, "get_record", "set_record"), 3, 2),
        Scene("two arrays", _two, _FIXED, 2, 2),
        Scene("three wide arrays", _three, _FIXED, 2, 3),
        Scene("objects", _objects("exclusive"), _FIXED, number=Slow, for_processes=False),
        Scene("objects, shared", _objects("shared"), _FIXED, number=Slow, for_processes=False),
        Scene("growing", _growing, _kinds(ELEMENTS, _LENGTHS, "get_list add_list add_twice"), 3),
        Scene("growing rows", _growing_rows, _kinds(_LENGTHS, "add_at exchange"), 3),
        Scene("waiting", _waiting, _kinds(*TAKING, *LOOKING, "give snapshot get read")),
    ]
}


@dataclass(frozen=True)
class Play:
    """A scene, and what each caller does there."""

    scene: Scene
    programs: tuple[tuple[tuple, ...], ...]

    @property
    def size(self):
        return sum(map(len, self.programs))


def draw(seed, scenes=tuple(SCENES.values()), most_callers=MOST_CALLERS):
    """Return a random play: 2 to 8 callers with a handful of calls each, of a few kinds."""
    source = random.Random(seed)
    scene = source.choice(scenes)
    callers = source.randint(2, most_callers)
    kinds = source.sample(scene.kinds, min(len(scene.kinds), source.randint(2, 6)))
    programs = tuple(
        _program(source, scene, caller, source.randint(1, 1 + 10 // callers), kinds)
        for caller in range(callers)
    )
    if not scene.can_end(programs):
        programs = _that_ends(source, scene, programs)
    return Play(scene, programs)


def _program(source, scene, caller, count, kinds):
    """Return random calls; no two of a play write one value."""
    calls = []
    for number in range(count):
        kind = source.choice(kinds)
        value = scene.number(caller + 1 + 10 * number)
        given = arguments(source, kind, value, scene.length, scene.arrays)
        calls.append((kind, *given))
    return tuple(calls)


def _that_ends(source, scene, programs):
    """Have some callers wait, and the others give them enough."""
    waiting = [call for program in programs for call in program if call[0] != "give"]
    half = max(1, len(programs) // 2)
    needed = sum(call[0] in TAKING for call in waiting) or 1
    taking = [tuple(waiting[start::half]) for start in range(half)]
    giving = max(1, len(programs) - half)
    gives = [((("give",),) * len(range(start, needed, giving))) for start in range(giving)]
    return tuple(program for program in [*taking, *gives] if program)
