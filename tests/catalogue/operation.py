"""What an entry of the catalogue is: one operation as data, called on locked or on plain arrays.

An operation is a function with its arguments, in which operands stand for arrays:

- ``R(values)``: the operation reads the array, under the read lock;
- ``W(values)``: it writes the array, under the write lock;
- ``N(values)``: it takes no lock. It makes a view, or does not touch the data; then ``why`` says
  why not.

The same operand twice is the same array twice; ``operand.part(function, mode)`` is a view of it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import lockedarray as la

__all__ = ["Call", "N", "Operand", "Operation", "Outcome", "R", "W", "attribute", "method", "op"]

MODES = ("none", "read", "write")


class Operand:
    """Stands for an array in the arguments of an operation."""

    def __init__(self, values, mode, *, objects="exclusive", root=None, through=None):
        self.values = values
        self.mode = mode
        self.objects = objects
        self.root = self if root is None else root
        self.through = through

    def part(self, through, mode):
        """Return an operand on the same memory: what `through` makes of the array."""
        return Operand(self.values, mode, root=self.root, through=through)

    def with_values(self, values):
        """Return this operand, a root, with other values."""
        return Operand(values, self.mode, objects=self.objects)

    @property
    def label(self):
        values = self.values
        kind = values.dtype.kind if values.dtype.names is not None else values.dtype.name
        shape = "x".join(map(str, values.shape)) if values.ndim else "0d"
        return f"{self.mode[0].upper()}:{kind}:{shape}"


def R(values, **keywords):
    """Return an operand that the operation reads."""
    return Operand(np.asarray(values), "read", **keywords)


def W(values, **keywords):
    """Return an operand that the operation writes."""
    return Operand(np.asarray(values), "write", **keywords)


def N(values, **keywords):
    """Return an operand that the operation takes no lock of."""
    return Operand(np.asarray(values), "none", **keywords)


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """One entry of the catalogue.

    Attributes
    ----------
    name : str
        For people.
    function, args, kwargs
        The call, with operands in it, also inside lists, tuples and dicts.
    covers : frozenset
        What of NumPy the entry is there for: names of attributes, or function objects.
    why : str
        Why the operation touches no data, or is unlike NumPy's.
    reference : callable, optional
        What does to a plain array what the operation should do, where that is something else.
    shown : callable, optional
        Makes of the result what is compared, after the operation.
    result : {'', 'alias', 'own'}
        '' is the rule: views are locked, results are plain. 'alias' is a plain read-only array
        on the same memory, 'own' a LockedArray on memory and under a lock of its own.
    alone : {'each', 'first', 'none'}
        Which operands reach us when the others are plain arrays.
    raises : bool
        NumPy raises, too, and then it need not wait for any lock.
    steps : int, optional
        How often it takes the lock of an array; None for a loop, which takes it for each element.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    covers: frozenset[Any] = frozenset()
    why: str = ""
    reference: Callable[..., Any] | None = None
    shown: Callable[[Any], Any] | None = None
    result: str = ""
    alone: str = "each"
    raises: bool = False
    steps: int | None = 1

    def __str__(self):
        arguments = [_label(argument) for argument in self.args]
        arguments += [f"{name}={_label(value)}" for name, value in self.kwargs.items()]
        return f"{self.name}({', '.join(arguments)})"

    @functools.cached_property
    def operands(self):
        """The operands, each once, in order."""
        return list(dict.fromkeys(_operands((self.args, self.kwargs))))

    @functools.cached_property
    def roots(self):
        """The arrays that the operation is called on, as operands without a view."""
        return list(dict.fromkeys(operand.root for operand in self.operands))

    @property
    def takes_keywords(self):
        """Whether the function is NumPy's, or hands all keywords to a method of NumPy's."""
        module = getattr(self.function, "__module__", None) or ""
        return module.startswith("numpy") or getattr(self.function, "is_method", False)

    def mode(self, root):
        """Return the mode in which the operation locks the array of `root`."""
        modes = [operand.mode for operand in self.operands if operand.root is root]
        mode = max(modes, key=MODES.index)
        exclusive = root.objects == "exclusive" and _runs_element_code(root.values.dtype)
        return "write" if mode == "read" and exclusive else mode

    def stands_alone(self, root):
        """Whether the operation reaches us when the array of `root` alone is locked."""
        return self.alone == "each" or (self.alone == "first" and root is self.roots[0])

    def replaced(self, replacements):
        """Return the operation with arguments, operands or not, replaced by identity."""
        args, kwargs = _substituted((self.args, self.kwargs), replacements)
        return dataclasses.replace(self, args=args, kwargs=kwargs)


_OWN = ("covers", "why", "reference", "shown", "result", "alone", "raises", "steps")


def op(name, function, *args, **kwargs):
    """Return the operation ``function(*args, **kwargs)``, for the tables.

    Keywords that are attributes of `Operation` go there; ``covers`` takes names with spaces.
    """
    own = {key: kwargs.pop(key) for key in _OWN if key in kwargs}
    covers = own.pop("covers", name)
    own["covers"] = frozenset(covers.split() if isinstance(covers, str) else [covers])
    return Operation(name, function, args, kwargs, **own)


def method(name, *args, **kwargs):
    """Return the operation that calls the method `name` of the first of `args`."""

    def call(array, *args, **kwargs):
        return getattr(array, name)(*args, **kwargs)

    call.__name__ = name
    call.is_method = True
    kwargs.setdefault("alone", "first")
    return op(name, call, *args, **kwargs)


def attribute(name, operand, **keywords):
    """Return the operation that gets the attribute `name` of `operand`."""
    return op(name, operator.attrgetter(name), operand, **keywords)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a call returned, or the exception that it raised."""

    value: Any
    error: Exception | None

    @classmethod
    def of(cls, function, *args):
        try:
            return cls(function(*args), None)
        except Exception as error:
            return cls(None, error)


class Call:
    """An operation on arrays of its own: LockedArrays, or plain ones, or some of each.

    Parameters
    ----------
    operation : Operation
    locked : collection of Operand
        The roots that become LockedArrays.
    reference : bool
        Call the reference of the operation, if it has one.
    read_only : bool
        Freeze the LockedArrays, and clear the WRITEABLE flag of the plain ones.
    locks : dict of Operand to lock, optional
        What the LockedArrays of the roots stand under.
    kind : type
        Of which kind the others are: ndarray, or a subclass.
    """

    def __init__(
        self, operation, locked=(), reference=False, read_only=False, locks=None, kind=np.ndarray
    ):
        self.operation = operation
        self.arrays = {}
        for root in operation.roots:
            array = np.array(root.values, copy=True, order="K")
            if root in locked:
                lock = locks[root] if locks else None
                array = la.LockedArray(array, copy=True, objects=root.objects, lock=lock)
            elif kind is not np.ndarray:
                array = array.view(kind)
            if read_only:
                array.setflags(write=False)
            self.arrays[root] = array
        parts = {}
        for operand in operation.operands:
            array = self.arrays[operand.root]
            parts[id(operand)] = operand.through(array) if operand.through else array
        self._args, self._kwargs = _substituted((operation.args, operation.kwargs), parts)
        use_reference = reference and operation.reference is not None
        self._function = operation.reference if use_reference else operation.function

    @classmethod
    def all_locked(cls, operation, read_only=False):
        return cls(operation, operation.roots, read_only=read_only)

    @classmethod
    def plain(cls, operation, read_only=False, kind=np.ndarray):
        return cls(operation, reference=True, read_only=read_only, kind=kind)

    def __call__(self):
        return self._function(*self._args, **self._kwargs)

    def outcome(self):
        return Outcome.of(self)


def _runs_element_code(dtype):
    # Before NumPy 2.5.1, two readers of StringDType arrays can deadlock inside NumPy.
    old = np.lib.NumpyVersion(np.__version__) < "2.5.1"
    return dtype.hasobject and (old or not isinstance(dtype, np.dtypes.StringDType))


def _operands(argument):
    if isinstance(argument, Operand):
        yield argument
    elif isinstance(argument, (list, tuple)):
        yield from itertools.chain.from_iterable(map(_operands, argument))
    elif isinstance(argument, dict):
        yield from _operands(list(argument.values()))


def _substituted(argument, replacements):
    if id(argument) in replacements:
        return replacements[id(argument)]
    if type(argument) in (list, tuple):
        return type(argument)(_substituted(item, replacements) for item in argument)
    if type(argument) is dict:
        return {name: _substituted(item, replacements) for name, item in argument.items()}
    return argument


def _label(argument):
    if isinstance(argument, Operand):
        return argument.label
    if isinstance(argument, (list, tuple)):
        inside = ", ".join(map(_label, argument))
        return f"[{inside}]" if isinstance(argument, list) else f"({inside})"
    if isinstance(argument, np.ndarray):
        return f"array{argument.tolist()}"
    if isinstance(argument, type) or callable(argument):
        return getattr(argument, "__name__", repr(argument)).strip("<>")
    text = repr(argument)
    return text if len(text) < 40 and " at 0x" not in text else type(argument).__name__
