"""``x.at[index]`` of an array between machines: atomic read-modify-write by its owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lockedarray._array.at import CompareExchangeResult, _NoValue  # type: ignore[attr-defined]
from lockedarray._distributed.refusals import SIGNS, awaited
from lockedarray._distributed.wire import pack_function

__all__ = ["CompareExchangeResult", "DistributedAt", "DistributedAtIndex"]

_IN_PLACE = "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift".split()


class DistributedAt(_NoValue):
    """What ``x.at`` is: an index on it names the elements to work on."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> DistributedAtIndex:
        return DistributedAtIndex(self._array, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, DistributedAtIndex):
            if value._updated and value._array is self._array:
                value._updated = False  # the end of x.at[i] += v: the work is done
                return
            raise TypeError("x.at[i] is no value: assign y.at[j].get(), its elements")
        self._array._refuse_statement("x.at[i] = v", "await x.at[i].set(v)")
        DistributedAtIndex(self._array, index).set(value)

    def __repr__(self) -> str:
        return f"<at: index it, as in x.at[i] += 1, of {self._array!r}>"


class DistributedAtIndex(_NoValue):
    """Elements of a DistributedArray, for one atomic read-modify-write each call.

    Every method holds the write lock (`get` the read lock) of the array's owner from its first
    look at the elements to its last write.  Each returns the new elements, where nothing else is
    said; of an asynchronous client, an awaitable of that.  With duplicate indices the updates
    accumulate, as in `numpy.ufunc.at`.  Over several blocks each block's part is one atomic step.
    """

    __slots__ = ("_array", "_index", "_updated")

    def __init__(self, array: Any, index: Any) -> None:
        self._array = array
        self._index = index
        self._updated = False

    def _ask(self, method: str, *operands: Any) -> Any:
        return self._array._at_index(self._index, method, operands)

    def get(self) -> Any:
        """Return the elements."""
        return self._ask("get")

    def set(self, value: Any) -> Any:
        """Assign `value`."""
        return self._ask("set", value)

    def add(self, value: Any) -> Any:
        """Add `value`; ``x.at[i] += value``."""
        return self._ask("add", value)

    def subtract(self, value: Any) -> Any:
        """Subtract `value`; ``x.at[i] -= value``."""
        return self._ask("subtract", value)

    def multiply(self, value: Any) -> Any:
        """Multiply by `value`; ``x.at[i] *= value``."""
        return self._ask("multiply", value)

    def divide(self, value: Any) -> Any:
        """Divide by `value`; ``x.at[i] /= value``."""
        return self._ask("divide", value)

    def power(self, value: Any) -> Any:
        """Raise to the power `value`; ``x.at[i] **= value``."""
        return self._ask("power", value)

    def min(self, value: Any) -> Any:
        """Keep the smaller of the element and `value`."""
        return self._ask("min", value)

    def max(self, value: Any) -> Any:
        """Keep the larger of the element and `value`."""
        return self._ask("max", value)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """Assign ``function(elements)``; the function runs at the owner, under the lock.

        It is given a copy.  Of an array in several blocks it is called once per block, with the
        elements that are there.
        """
        if not callable(function):
            raise TypeError(f"apply() takes a function of the elements, not {function!r}")
        return self._ask("apply", pack_function(function))

    def exchange(self, value: Any) -> Any:
        """Assign `value` and return the old elements."""
        return self._ask("exchange", value)

    def compare_exchange(self, expected: Any, desired: Any) -> Any:
        """Assign `desired` where the elements equal `expected`.

        Returns
        -------
        CompareExchangeResult
            A named tuple, which is true if `desired` was assigned:

            - ``swapped``, bool or ndarray of bool: whether, element by element, it was assigned.
              NaN equals NaN here.
            - ``old``, scalar or ndarray: what the elements were before.
        """
        return self._ask("compare_exchange", expected, desired)

    def __repr__(self) -> str:
        return f"<at[{self._index!r}] of {self._array!r}>"


def _augmented(name: str) -> Callable[[DistributedAtIndex, Any], DistributedAtIndex]:
    def assign(self: DistributedAtIndex, value: Any) -> DistributedAtIndex:
        self._array._refuse_statement(f"x.at[i] {SIGNS[name]} v", awaited(name, "i"))
        self._ask(f"__{name}__", value)
        self._updated = True
        return self

    assign.__name__ = f"__{name}__"
    assign.__qualname__ = f"DistributedAtIndex.__{name}__"
    assign.__doc__ = "``x.at[i]``, updated by the owner as one atomic step."
    return assign


for _name in _IN_PLACE:
    setattr(DistributedAtIndex, f"__{_name}__", _augmented(_name))
