"""``__array_ufunc__``: every method of every ufunc, locked (NEP 13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lockedarray._array.dispatch.operands import converted
from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade

__all__ = ["call_ufunc"]

# NumPy makes the name anew for each call, and CPython's cache of types keeps each string that it is
# asked for: so it is asked for these.
_METHODS = {name: name for name in ("__call__", "reduce", "accumulate", "reduceat", "outer", "at")}


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a method of `ufunc` on LockedArrays as one atomic operation.

    What ``out`` names, and the first operand of ``at``, is locked for writing, the rest for
    reading.
    """
    outs = kwargs.get("out", ())
    if not isinstance(outs, tuple):  # NumPy makes it a tuple, numba's ufuncs do not
        outs = (outs,)
    written = {id(out) for out in outs if isinstance(out, Facade)}
    if method in ("at", "reduceat"):  # the second is an index: an empty list is no array of floats
        first, *others = inputs
        if method == "at" and isinstance(first, Facade):
            written.add(id(first))
        first = first if method == "at" else converted(first, "operand")
        inputs = (first, *others[:1], *(converted(other, "operand") for other in others[1:]))
    else:
        inputs = tuple(converted(operand, "operand") for operand in inputs)
    return run(getattr(ufunc, _METHODS.get(method, method)), inputs, kwargs, written)
