"""Ways to make any operation of the catalogue fail halfway: hostile elements and arguments."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from catalogue.operation import Operand

__all__ = ["Hostile", "Trouble", "sabotaged"]


class Trouble(Exception):
    """What everything that is done with a `Hostile` raises."""


class Hostile:
    """An object that raises, whatever is done with it."""


def _raise(*_args, **_kwargs):
    raise Trouble


for _name in """
    add radd iadd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow divmod
    rdivmod lshift rlshift rshift rrshift and rand or ror xor rxor matmul rmatmul neg pos abs invert
    eq ne lt le gt ge hash bool int float complex index contains call repr str format
    copy deepcopy reduce_ex
""".split():
    setattr(Hostile, f"__{_name}__", _raise)


def sabotaged(operation):
    """Yield variants of `operation` that probably fail, with the way it was done."""
    roots = operation.roots
    read_only = [root for root in roots if operation.mode(root) != "write" or root.mode == "read"]
    for name, chosen in (("hostile elements", read_only), ("hostile elements, too", roots)):
        if chosen:
            yield name, operation.replaced(_with_hostile_elements(operation, chosen))
    if operation.takes_keywords:
        kwargs = operation.kwargs | {"no_such_keyword": 1}
        yield "unknown keyword", dataclasses.replace(operation, kwargs=kwargs)
    arguments = operation.args, operation.kwargs
    for number, argument in enumerate(_leaves(arguments)):
        args, kwargs = _with_leaf(arguments, itertools.count(), number, Hostile())
        hostile = dataclasses.replace(operation, args=args, kwargs=kwargs)
        yield f"hostile argument instead of {type(argument).__name__}", hostile


def _with_hostile_elements(operation, chosen):
    """Return, by id, what replaces the operands on the chosen roots."""
    roots = {root: root for root in operation.roots}
    for root in chosen:
        roots[root] = root.with_values(_hostile_elements(root.values.shape))
    replacements = {}
    for operand in operation.operands:
        root = roots[operand.root]
        replacements[id(operand)] = (
            root if operand is operand.root else root.part(operand.through, operand.mode)
        )
    return replacements


def _hostile_elements(shape):
    # A ufunc is the way to make them: an assignment would ask the element for its length.
    elements = np.frompyfunc(lambda _: Hostile(), 1, 1)(np.zeros(math.prod(shape)))
    return elements.reshape(shape)


def _leaves(argument):
    """Yield the arguments that are no operands, those in lists included."""
    if isinstance(argument, (list, tuple)):
        for item in argument:
            yield from _leaves(item)
    elif isinstance(argument, dict):
        yield from _leaves(list(argument.values()))
    elif not isinstance(argument, Operand):
        yield argument


def _with_leaf(argument, numbers, number, leaf):
    """Return `argument` with its leaf of this number, in the order of `_leaves`, replaced."""
    if isinstance(argument, (list, tuple)):
        items = [_with_leaf(item, numbers, number, leaf) for item in argument]
        return items if isinstance(argument, list) else tuple(items)
    if isinstance(argument, dict):
        return {name: _with_leaf(value, numbers, number, leaf) for name, value in argument.items()}
    if isinstance(argument, Operand) or next(numbers) != number:
        return argument
    return leaf
