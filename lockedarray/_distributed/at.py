"""``x.at[index]`` of an array between machines: atomic read-modify-write by its owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lockedarray._array.at import CompareExchangeResult, _NoValue  # type: ignore[attr-defined]
from lockedarray._distributed.refusals import SIGNS, awaited
from lockedarray._distributed.wire import pack_function

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CompareExchangeResult", "DistributedAt", "DistributedAtIndex"]

_IN_PLACE = "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift".split()


class DistributedAt(_NoValue):
    """What ``x.at`` is: ``x.at[i]`` names the elements to change, with any index of NumPy's."""

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
            raise TypeError("x.at[i] is not a value: assign y.at[j].get()")
        self._array._refuse_statement("x.at[i] = v", "await x.at[i].set(v)")
        DistributedAtIndex(self._array, index).set(value)

    def __repr__(self) -> str:
        return f"<at: index it, as in x.at[i] += 1, of {self._array!r}>"


class DistributedAtIndex(_NoValue):
    """Some elements of a DistributedArray, ``x.at[i]``: each method changes them in one step.

    The owner carries it out, and holds the write lock (for `get` the read lock) of the elements
    from its first look at them to its last write.  A method returns their new value, where it does
    not say otherwise: a scalar, or a plain copy of several.  With an asynchronous client it returns
    an awaitable.

    ``x.at[i] += 1`` works, too, and so do the other augmented assignments.

    If an index names an element several times, each update counts, as in `numpy.ufunc.at`.  If the
    elements are in several blocks, it is one step in each block.

    Examples
    --------
    >>> import lockedarray.distributed as distributed
    >>> x = distributed.create(client, 3, name="elements")
    >>> x.at[0].add(5)
    np.float64(5.0)
    >>> x.at[0].compare_exchange(5, 7)
    CompareExchangeResult(swapped=True, old=np.float64(5.0))
    """

    __slots__ = ("_array", "_index", "_updated")

    def __init__(self, array: Any, index: Any) -> None:
        self._array = array
        self._index = index
        self._updated = False

    def _ask(self, method: str, *operands: Any) -> Any:
        return self._array._at_index(self._index, method, operands)

    def get(self) -> Any:
        """Return the elements (read lock).

        Returns
        -------
        scalar or ndarray
            The elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[1:].get()
        array([0., 0.])
        """
        return self._ask("get")

    def set(self, value: ArrayLike) -> Any:
        """Assign a value.

        Parameters
        ----------
        value : scalar or array_like
            What to assign; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].set(5)
        np.float64(5.0)
        """
        return self._ask("set", value)

    def add(self, value: ArrayLike) -> Any:
        """Add a value, as ``x.at[i] += value`` does.

        Parameters
        ----------
        value : scalar or array_like
            What to add; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].add(5)
        np.float64(5.0)
        """
        return self._ask("add", value)

    def subtract(self, value: ArrayLike) -> Any:
        """Subtract a value, as ``x.at[i] -= value`` does.

        Parameters
        ----------
        value : scalar or array_like
            What to subtract; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].subtract(5)
        np.float64(-5.0)
        """
        return self._ask("subtract", value)

    def multiply(self, value: ArrayLike) -> Any:
        """Multiply by a value, as ``x.at[i] *= value`` does.

        Parameters
        ----------
        value : scalar or array_like
            The factor; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].multiply(5)
        np.float64(0.0)
        """
        return self._ask("multiply", value)

    def divide(self, value: ArrayLike) -> Any:
        """Divide by a value, as ``x.at[i] /= value`` does.

        Parameters
        ----------
        value : scalar or array_like
            The divisor; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].divide(5)
        np.float64(0.0)
        """
        return self._ask("divide", value)

    def power(self, value: ArrayLike) -> Any:
        """Raise to a power, as ``x.at[i] **= value`` does.

        Parameters
        ----------
        value : scalar or array_like
            The exponent; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].power(2)
        np.float64(0.0)
        """
        return self._ask("power", value)

    def min(self, value: ArrayLike) -> Any:
        """Replace elements that are larger than a value by the value.

        Parameters
        ----------
        value : scalar or array_like
            The limit; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].min(-5)
        np.float64(-5.0)
        """
        return self._ask("min", value)

    def max(self, value: ArrayLike) -> Any:
        """Replace elements that are smaller than a value by the value.

        Parameters
        ----------
        value : scalar or array_like
            The limit; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].max(5)
        np.float64(5.0)
        """
        return self._ask("max", value)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """Assign what a function makes of the elements; it runs at the owner, under the lock.

        Parameters
        ----------
        function : callable
            It is called with a copy of the elements, and returns what to assign.  If they are in
            several blocks, it is called once for each block, with the elements that are there.

        Returns
        -------
        scalar or ndarray
            The new elements.

        Raises
        ------
        TypeError
            `function` is not callable.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[:].apply(lambda a: a + [1, 2, 3])
        array([1., 2., 3.])
        """
        if not callable(function):
            raise TypeError(f"apply() takes a function of the elements, not {function!r}")
        return self._ask("apply", pack_function(function))

    def exchange(self, value: ArrayLike) -> Any:
        """Assign a value, and return the old elements.

        Parameters
        ----------
        value : scalar or array_like
            What to assign; it is broadcast to the elements.

        Returns
        -------
        scalar or ndarray
            The old elements.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> x.at[0].exchange(5)
        np.float64(0.0)
        """
        return self._ask("exchange", value)

    def compare_exchange(self, expected: ArrayLike, desired: ArrayLike) -> Any:
        """Assign `desired` where the elements equal `expected`.

        NaN equals NaN here.

        Parameters
        ----------
        expected : scalar or array_like
            What to compare with; it is broadcast to the elements.
        desired : scalar or array_like
            What to assign; it is broadcast to the elements.

        Returns
        -------
        CompareExchangeResult
            A named tuple ``(swapped, old)``: whether `desired` was assigned (of several elements,
            for each), and what the elements were before.  Of one element it is true if it was
            assigned.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="x")
        >>> bool(x.at[0].compare_exchange(0, 1))
        True
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
