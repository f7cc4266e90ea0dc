"""The two sides that a program runs on, and what must be the same on both.

A program is a list of lines of Python.  Ours runs them as they stand; in NumPy's, the name `la`
stands for `Plain`, whose arrays are plain ones that views and resizes work on as promised of a
LockedArray: a resize moves nothing, so that views stay attached.
"""

from __future__ import annotations

import copy
import math
import pickle
import re
import warnings
from fractions import Fraction
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

import lockedarray as la

__all__ = ["Difference", "Line", "Plain", "Sides", "script", "show"]

CAPACITY = 64
"""Elements that a plain root has room for; no program resizes to more."""


class Difference(AssertionError):
    """What ours did is not what NumPy's did; `kind` says in which respect."""

    def __init__(self, kind, text, line):
        super().__init__(text)
        self.kind = kind
        self.line = line


class Line(NamedTuple):
    """One step of a program, and of what kind it is."""

    ours: str
    plain: str
    kind: str


class Plain:
    """What `la` is to NumPy's side: arrays over blocks with room to grow."""

    def __init__(self, names):
        self.names = names
        self.blocks = []

    def LockedArray(self, values, **keywords):
        return self.root(np.array(values, **{"copy": True, **keywords}))

    def root(self, array):
        axes = sorted(range(array.ndim), key=lambda axis: (-array.strides[axis], axis))
        lengths = [array.shape[axis] for axis in axes]
        block = np.zeros(max(CAPACITY, array.size), array.dtype)
        root = block[: array.size].reshape(lengths).transpose(np.argsort(axes).astype(int))
        root[...] = array
        self.blocks.append(block)
        return root

    def block_of(self, array):
        """Return the number of the block that `array` shows, or None."""
        while getattr(array, "base", None) is not None:
            array = array.base
        for number, block in enumerate(self.blocks):
            if array is block:
                return number
        return None

    def resize(self, array, *shape):
        """Do what `x.resize(*shape)` promises, for all names of `array`."""
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        number = self.block_of(array)
        if any(length < 0 for length in shape) or number is None or not self.is_root(array):
            raise ValueError("cannot resize")
        if shape == array.shape:
            return
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            raise ValueError("cannot resize")
        block, size = self.blocks[number], math.prod(shape)
        if size > array.size:
            block[array.size : size] = np.zeros((), block.dtype)
        order = "C" if array.flags.c_contiguous else "F"
        resized = block[:size].reshape(shape, order=order)
        self.root_of[number] = resized
        for name, value in self.names.items():
            self.names[name] = _exchanged(value, array, resized)

    def is_root(self, array):
        return any(array is root for root in self.root_of.values())

    root_of: dict


def _exchanged(value, old, new):
    if value is old:
        return new
    if type(value) is list:
        value[:] = [_exchanged(item, old, new) for item in value]
    elif type(value) is tuple and any(item is old for item in value):
        return tuple(_exchanged(item, old, new) for item in value)
    return value


class At:
    """What `x.at[index]` promises, of a plain array."""

    def __init__(self, array, index):
        self.array, self.index = array, index

    def get(self):
        value = self.array[self.index]
        return value.copy() if isinstance(value, (np.ndarray, np.void)) else value

    def set(self, value):
        self.array[self.index] = value
        return self.get()

    def exchange(self, value):
        old = self.get()
        self.array[self.index] = value
        return old

    def apply(self, function):
        return self.set(function(self.get()))


def _beside(array, value):
    """Return an int as uint64 beside elements of that: ufunc.at would compute in float64."""
    is_int = type(value) is int and 0 <= value < 2**64
    return np.uint64(value) if is_int and array.dtype == np.uint64 else value


def _updating(ufunc):
    def update(self, value):
        value = _beside(self.array, value)
        if isinstance(self.index, str):  # ufuncs know no names
            ufunc.at(self.array[self.index], ..., value)
        else:
            ufunc.at(self.array, self.index, value)
        return self.get()

    return update


for _name in "add subtract multiply divide power".split():
    setattr(At, _name, _updating(getattr(np, _name)))
At.min, At.max = _updating(np.minimum), _updating(np.maximum)


def round_trip(array, protocol):
    """Return `array` pickled and unpickled, its buffers handed out of band."""
    buffers = []
    hand_out = buffers.append if protocol == 5 else None
    return pickle.loads(pickle.dumps(array, protocol, buffer_callback=hand_out), buffers=buffers)


def text(array):
    """Return what `repr` shows, on whichever lines."""
    return re.sub(r"\s+", "", repr(array)).replace("LockedArray(", "array(")


COMMON = {
    "np": np,
    "copy": copy,
    "Fraction": Fraction,
    "operator": __import__("operator"),
    "round_trip": round_trip,
    "text": text,
}
HELPERS = {"round_trip": round_trip, "text": text}


class Sides:
    """Both sides: `ours` and `plain` are the names of each."""

    def __init__(self):
        self.plain = dict(COMMON)
        self.ours = dict(COMMON)
        self.model = Plain(self.plain)
        self.model.root_of = {}
        self.locks = []
        self.plain["la"] = self.model
        self.plain["own"] = self.model.root
        self.plain["at"] = At
        self.plain["resize"] = self.model.resize
        self.ours["la"] = la

    # -- one line ------------------------------------------------------------------------------

    def run_plain(self, line):
        """Run `line` on NumPy's side; return what happened."""
        before = len(self.model.blocks)
        _note(f"{line.plain}  # NumPy", not before)
        outcome = _run(line.plain, self.plain)
        for name in self.variables():
            value = self.plain[name]
            self.plain[name] = _detached(value)
            number = self.model.block_of(value) if type(value) is np.ndarray else None
            if number is not None and number >= before and number not in self.model.root_of:
                self.model.root_of[number] = value
        return outcome

    def run_ours(self, line):
        _note(line.ours, False)
        return _run(line.ours, self.ours)

    def variables(self):
        """Return the names of the program's variables, in order."""
        return sorted(
            name for name in self.plain if len(name) < 3 and name not in ("np", "la", "at")
        )

    def compare(self, line, plain, ours):
        """Raise Difference unless the same happened, and the same is left, on both sides."""

        def differ(kind, message):
            raise Difference(kind, f"{line.ours}\n    {message}", line)

        if plain.error is None and ours.error is not None:
            differ(f"raises {type(ours.error).__name__}", f"ours raises {ours.error!r}")
        if plain.error is not None:
            if ours.error is None:
                differ("does not raise", f"ours does not raise; NumPy raises {plain.error!r}")
            refused = (
                "read-only" in f"{ours.error} {plain.error}"
            )  # before the arguments are looked at
            if type(ours.error) is not type(plain.error) and not refused:
                differ("error", f"ours raises {ours.error!r}; NumPy raises {plain.error!r}")
        if (
            plain.error is None and ours.warnings != plain.warnings
        ):  # a refusal may come before them
            differ("warnings", f"ours warns {ours.warnings}; NumPy warns {plain.warnings}")
        names = self.variables()
        extra = sorted(name for name in self.ours if name not in self.plain)
        if extra:
            differ("names", f"only ours has {extra}")
        while len(self.locks) < len(self.model.blocks):
            number = len(self.locks)
            root = self.model.root_of.get(number)
            names_of_root = [n for n in names if root is not None and self.plain[n] is root]
            if not names_of_root:
                self.locks.append(None)
                continue
            array = self.ours[names_of_root[0]]
            if type(array) is not la.LockedArray:
                differ("kind", f"{names_of_root[0]} is a {type(array).__name__}, no LockedArray")
            if array.lock in self.locks:
                differ("kind", f"{names_of_root[0]} has the lock of another array")
            self.locks.append(array.lock)
        for name in names:
            if name not in self.ours:
                differ("names", f"only NumPy's has {name}")
            self._compare_kind(self.ours[name], self.plain[name], name, differ)
        for name in names:
            one, other = show(self.ours[name]), show(self.plain[name])
            if one != other:
                differ("value", f"{name} is {one}\n    NumPy's  is {other}")
        one, other = identities(self.ours, names), identities(self.plain, names)
        if one != other:
            differ("identity", f"the same objects are {one}; NumPy's are {other}")

    def _compare_kind(self, ours, plain, what, differ):
        if isinstance(plain, np.ndarray):
            number = self.model.block_of(plain)
            if number is not None and type(plain) is np.ndarray:
                if type(ours) is not la.LockedArray:
                    differ("kind", f"{what} is a {type(ours).__name__}, and not a view")
                if self.locks[number] is not None and ours.lock is not self.locks[number]:
                    differ("kind", f"{what} is under another lock")
                if ours.flags.writeable:
                    differ("kind", f"{what} is writable")
                if ours._may_write != plain.flags.writeable:
                    differ("kind", f"{what}: may it be written? {ours._may_write}")
            elif type(ours) is not type(plain):
                differ("kind", f"{what} is a {type(ours).__name__}, not {type(plain).__name__}")
            elif number is None and ours.flags.writeable != plain.flags.writeable:
                differ("kind", f"{what}: writeable is {ours.flags.writeable}")
            if plain.size and _steps(ours) != _steps(plain) and plain.shape == ours.shape:
                differ("strides", f"{what} has strides {ours.strides}, not {plain.strides}")
        elif isinstance(plain, (list, tuple)):
            if type(ours) is type(plain) and len(ours) == len(plain):
                for item, (one, other) in enumerate(zip(ours, plain, strict=True)):
                    self._compare_kind(one, other, f"{what}[{item}]", differ)


journal = []
"""The path of a file for the lines of the program that is played: what is left of a crash."""


def _note(text, anew):
    for path in journal:
        with open(path, "w" if anew else "a", encoding="utf-8") as file:
            file.write(text + "\n")


def _run(line, names):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = None
        try:
            exec(compile(line, "<program>", "exec"), names)
        except Exception as problem:
            error = problem.with_traceback(None)
            error.__context__ = error.__cause__ = None
    names.pop("__builtins__", None)
    names.pop("__warningregistry__", None)
    categories = sorted({warning.category.__name__ for warning in caught})
    return SimpleNamespace(error=error, warnings=categories)


def _steps(array):
    """Return the strides along which there is something."""
    return [step for step, length in zip(array.strides, array.shape, strict=True) if length > 1]


def _detached(value):
    """Return records as what a LockedArray gives out: copies."""
    if isinstance(value, np.void):
        return value.copy()
    if type(value) is list and any(isinstance(item, (np.void, list, tuple)) for item in value):
        value[:] = [_detached(item) for item in value]
    elif type(value) is tuple and any(isinstance(item, (np.void, list, tuple)) for item in value):
        return tuple(_detached(item) for item in value)
    return value


def show(value, around=()):
    """Return all that is to be the same of `value`, as text."""
    if any(value is outer for outer in around) or len(around) > 20:
        return "..."
    around = (*around, value)
    if isinstance(value, np.ndarray):
        name = type(value).__name__
        name = "ndarray" if type(value) is la.LockedArray else name
        try:
            plain = np.array(value.snapshot() if isinstance(value, la.LockedArray) else value)
            items = plain.tolist()
        except Exception as error:  # bytes that are no text
            items = type(error)
        if type(items) is not type and value.dtype.hasobject and value.dtype.kind != "T":
            items = show(items, around)
        return f"{name} {value.dtype!r} {value.shape} {items!r}"
    if isinstance(value, np.void):
        name = "void" if type(value).__name__ == "void" else type(value).__name__
        return f"{name} {np.dtype((np.void, value.dtype))!r} {show(value.item(), around)}"
    if isinstance(value, np.generic):
        return f"{type(value).__name__} {value.dtype!r} {value.item()!r}"
    if type(value) in (list, tuple):
        return f"{type(value).__name__}[{', '.join(show(item, around) for item in value)}]"
    return f"{type(value).__name__} {value!r}"


def identities(names, variables):
    """Return which mutable objects are found in which places: the same places on both sides."""
    places = {}
    for name in variables:
        value = names[name]
        if isinstance(value, np.ndarray) and value.dtype == object:
            raw = value.snapshot() if isinstance(value, la.LockedArray) else value
            objects = raw.ravel().tolist() if raw.ndim else [raw[()]]
        elif type(value) is list:
            objects = [value, *value]
        else:
            objects = [value]
        for position, item in enumerate(objects):
            if type(item) in (list, dict, set):
                places.setdefault(id(item), []).append(f"{name}{position}")
    return sorted(found for found in places.values() if len(found) > 1)


HEAD = """\
import copy
import operator
import pickle
import re
from fractions import Fraction

import numpy as np

import lockedarray as la
"""


def script(lines, difference):
    """Return a program that a user can run, with what is wrong in it as a comment."""
    import inspect

    body = "\n".join(line.ours for line in lines)
    helpers = [
        inspect.getsource(function) for name, function in HELPERS.items() if name + "(" in body
    ]
    comment = "\n".join("# " + line.strip() for line in str(difference).splitlines())
    return "\n".join([HEAD, *helpers, body, comment])


def brief(lines, difference):
    """Return the lines alone, and what is wrong."""
    return "\n".join(
        [
            *(line.ours for line in lines),
            *("# " + t.strip() for t in str(difference).splitlines()[1:]),
        ]
    )
