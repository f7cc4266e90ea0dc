"""``x.at[index]``: atomic read-modify-write of elements, with JAX's names where JAX has one."""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from lockedarray._array.dispatch.arguments import facades_in
from lockedarray._array.dispatch.operands import converted
from lockedarray._array.dispatch.operation import TRIES, run
from lockedarray._array.dispatch.results import is_new
from lockedarray._array.facade import Facade, buffer_of, make_view
from lockedarray._array.indexing import makes_view, picks_element
from lockedarray._array.memory import plain_view
from lockedarray._array.objects import put
from lockedarray._array.voids import detached
from lockedarray._cores import AtBase, AtIndexBase, address, locked_method, locks_regions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["At", "AtIndex", "CompareExchangeResult"]


class CompareExchangeResult(NamedTuple):
    """What ``x.at[i].compare_exchange(expected, desired)`` returns.

    Of one element it is true if the element was changed.  Of several elements ask
    ``result.swapped.all()`` or ``.any()``, as with any array of bool.

    Attributes
    ----------
    swapped : bool or ndarray of bool
        Whether `desired` was assigned; of several elements, for each.
    old : scalar or ndarray
        What the elements were before.
    """

    swapped: Any
    old: Any

    def __bool__(self) -> bool:
        return bool(self.swapped)


def _looked_up(array: np.ndarray, index: Any) -> tuple[Any, bool]:
    """Return ``array[index]`` and whether that is several: a copy, or the object that it holds."""
    box = [array[index]]
    if not isinstance(box[0], (np.ndarray, np.void)) or not is_new(box):
        return box[0], False
    if isinstance(box[0], np.void):
        return detached(box[0]), False
    return box[0].copy(), True


def _current(array: np.ndarray, index: Any) -> Any:
    return _looked_up(array, index)[0]


def _store(array: np.ndarray, index: Any, value: Any) -> None:
    if array.dtype.type is np.object_ and picks_element(index, array.ndim):
        put(array, index, value)
    else:
        array[index] = value


def _set(array: np.ndarray, index: Any, value: Any) -> Any:
    _store(array, index, value)
    return _current(array, index)


def _is_apart(view: np.ndarray) -> bool:
    """Whether no two elements of `view` can share a byte, as far as its strides tell."""
    reach = view.itemsize  # bytes from the first to the end of the last, of the axes so far
    axes = ((abs(s), n) for s, n in zip(view.strides, view.shape, strict=True) if n > 1)
    for stride, length in sorted(axes):
        if stride < reach:
            return False
        reach += (length - 1) * stride
    return True


def _operand(array: np.ndarray, value: Any) -> Any:
    """Return an int as uint64 beside elements of that: beside int64 they would be float64."""
    if type(value) is int and array.dtype.char in "LQ" and array.itemsize == 8:
        return np.uint64(value) if 0 <= value < 2**64 else value
    return value


def _is_mask(index: Any, array: np.ndarray) -> bool:
    """Whether `index` is a mask of all axes, which selects no element twice."""
    return (
        type(index) is np.ndarray
        and index.dtype.type is np.bool_
        and index.shape == array.shape != ()
        and array.dtype.kind in "biufcmM"
        and _is_apart(array)
    )


def _update(array: np.ndarray, index: Any, ufunc: np.ufunc, value: Any) -> None:
    """Do what ``ufunc.at`` does, which looks up the elements of a slice one by one."""
    if type(index) is str:  # ufuncs know no names
        array, index = array[index], ...
    value = _operand(array, value)
    if _is_mask(index, array):
        mask = index.copy()  # others may change it between the two lines
        elements = array[mask]
        ufunc(elements, np.asarray(value), out=elements, casting="unsafe")
        array[mask] = elements
        return
    if makes_view(index, array.ndim) and not array.dtype.hasobject:
        view = array[index]
        if _is_apart(view):
            number = np.asarray(value)
            if ufunc is np.power:  # it may fail in the middle: of integers, for a negative power
                np.copyto(view, ufunc(view, number), casting="unsafe")
            else:
                ufunc(view, number, out=view, casting="unsafe")  # as ufunc.at casts
            return
    ufunc.at(array, index, value)


def _accumulate(array: np.ndarray, index: Any, ufunc: np.ufunc, value: Any) -> Any:
    _update(array, index, ufunc, value)
    return _current(array, index)


def _apply(array: np.ndarray, index: Any, function: Callable[[Any], Any]) -> Any:
    _store(array, index, _applied(array, index, function(_current(array, index))))
    return _current(array, index)


def _applied(array: np.ndarray, index: Any, made: Any) -> Any:
    """Return `made`, with LockedArrays in it read under their locks, as NumPy would not."""
    if array.dtype.hasobject:
        whole = isinstance(made, Facade) and not picks_element(index, array.ndim)
        return run(np.array, (made,), {}) if whole else made
    return run(np.array, (made,), {}) if facades_in(made) else made


def _exchange(array: np.ndarray, index: Any, value: Any) -> Any:
    old = _current(array, index)
    array[index] = value
    return old


def _compare_exchange(array: np.ndarray, index: Any, expected: Any, desired: Any) -> Any:
    old, several = _looked_up(array, index)
    if array.dtype.type is np.object_:
        same = _same_objects(old, expected) if several else np.asarray(_is_same(old, expected))
    else:
        if array.dtype.names is not None:
            expected = np.asarray(expected, array.dtype)
        same = np.asarray(old == expected)
    if array.dtype.kind in "fcmM":
        given = np.asarray(expected)
        given = given if given.dtype.kind in "fcmM" else given.astype(array.dtype)
        same = same | (np.isnan(old) & np.isnan(given))
    if same.ndim == 0:
        swapped: Any = bool(same)
        if swapped:
            array[index] = desired
    else:
        swapped = np.broadcast_to(same, np.shape(old)).copy()
        array[index] = np.where(swapped, np.asarray(desired, array.dtype), old)
    return CompareExchangeResult(swapped, old)


def _is_same(element: Any, expected: Any) -> bool:
    return element is expected or bool(element == expected)


def _same_objects(elements: np.ndarray, expected: Any) -> np.ndarray:
    others = np.broadcast_to(np.asarray(expected, object), elements.shape)
    same = [_is_same(a, b) for a, b in zip(elements.flat, others.flat, strict=True)]
    return np.array(same, bool).reshape(elements.shape)


_RESIZED = object()
"""The array was resized before the view of the elements was locked: the index may select others."""


def _view_of(array: Facade, index: Any) -> np.ndarray:
    """Return a plain view of what a basic index selects, of a single element, too."""
    whole = plain_view(array, np.ndarray)
    if not picks_element(index, whole.ndim):
        return whole[index]
    parts = index if type(index) is tuple else (index,)
    element = whole[(*parts, ...)]
    return element.reshape(1) if whole.ndim == 1 else element


def _within(array: Facade, index: Any) -> Any:
    """Return the index of what `index` selects within `_view_of` it.

    As many axes as the array has, where that is one: NumPy has other loops for these.
    """
    if not picks_element(index, array.ndim):
        return ...
    return 0 if array.ndim == 1 else ()


def _place(array: np.ndarray) -> tuple[Any, ...]:
    return address(array), array.shape, array.strides


_REMEDIES = {
    "At": "x.at needs an index: write x.at[i].get() to get the value of elements",
    "AtIndex": "x.at[i] is not a value: write x.at[i].get() to get the value of the elements",
}


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *_others: Any, **_named: Any) -> NoReturn:
        kind = "At" if isinstance(self, At) else "AtIndex"
        raise TypeError(f"{_REMEDIES[kind]} ({name} was called)")

    refuse.__name__ = name
    refuse.__qualname__ = f"_NoValue.{name}"
    return refuse


class _NoValue:
    """Refuses what is meant for the elements: to some of it Python has an answer, always true."""

    __slots__ = ()
    __array_ufunc__ = None  # arrays leave it to the operators here
    __hash__ = object.__hash__


_BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor".split()
_ASKED = (
    *"bool len iter contains eq ne lt le gt ge neg pos abs invert int float complex index".split(),
    *"round trunc floor ceil array".split(),
    *_BINARY,
    *(f"r{name}" for name in _BINARY),
)
for _name in _ASKED:
    setattr(_NoValue, f"__{_name}__", _refusal(f"__{_name}__"))


class At(_NoValue, AtBase):
    """What ``x.at`` is: ``x.at[i]`` names the elements to change, with any index of NumPy's."""

    __slots__ = ()
    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    def _general_setitem(self, index: Any, value: Any) -> None:
        if isinstance(value, AtIndexBase):
            raise TypeError("x.at[i] is not a value: assign y.at[j].get()")
        AtIndex(self._array, index).set(value)

    def __repr__(self) -> str:
        return f"<at: index it, as in x.at[i] += 1, of a LockedArray of shape {self._array.shape}>"


class AtIndex(_NoValue, AtIndexBase):
    """Some elements of a LockedArray, ``x.at[i]``: each method changes them in one atomic step.

    Every method holds the write lock (`get` the read lock) of the elements from its first look at
    them to its last write.  It returns their new value, where it does not say otherwise: a scalar,
    or a plain copy of several.  Of an array of objects an element is the object itself.

    ``x.at[i] += 1`` works, too, and so do the other augmented assignments.

    If an index names an element several times, each update counts, as in `numpy.ufunc.at`.  An int
    that meets elements of uint64 is taken as uint64.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x = la.LockedArray(np.zeros(3, int))
    >>> x.at[0] += 5
    >>> x.at[[1, 1, 2]].add(1)
    array([2, 2, 1])
    >>> x.at[0].compare_exchange(5, 7)
    CompareExchangeResult(swapped=True, old=np.int64(5))
    """

    __slots__ = ()
    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    def _write(self, function: Callable[..., Any], *values: Any) -> Any:
        if self._array.dtype.hasobject and (
            picks_element(self._index, self._array.ndim)
            or not any(isinstance(v, Facade) for v in values)
        ):

            def store(array: np.ndarray, index: Any) -> Any:  # the very objects are stored
                return function(array, index, *values)

            is_element = picks_element(self._index, self._array.ndim)
            return run(
                store, (self._array, self._index), {}, (id(self._array),),
                stored=() if is_element else values, elements=True,
            )  # fmt: skip
        return self._run(function, values, True)

    def _run(self, function: Callable[..., Any], values: tuple[Any, ...], write: bool) -> Any:
        """Run ``function(array, index, *values)`` under a lock of what the index selects."""
        array: Any = self._array
        index = self._index
        for _ in range(TRIES):
            view = self._selected()
            if view is None:
                break
            within = _within(array, index)

            def act(raw: np.ndarray, *values: Any, within: Any = within) -> Any:
                if _place(_view_of(array, index)) != _place(raw):
                    return _RESIZED
                return function(raw, within, *values)

            result = run(act, (view, *values), {}, (id(view),) if write else (), elements=True)
            if result is not _RESIZED:
                return result
        written = (id(array),) if write else ()
        return run(function, (array, index, *values), {}, written, elements=True)

    def _selected(self) -> Facade | None:
        """Return a view of the elements, if the index makes one and it can be locked alone."""
        array: Any = self._array
        index = self._index
        if array.dtype.hasobject:
            return None
        if type(index) is not str and (not locks_regions or buffer_of(array).whole):
            return None  # a field is updated by itself: ufuncs know no names
        if not (picks_element(index, array.ndim) or makes_view(index, array.ndim)):
            return None
        try:
            return make_view(_view_of(array, index), array, array._may_write)
        except (IndexError, ValueError, KeyError):
            if type(index) is str:
                raise
            return None  # raised anew under the lock

    def _accumulate(self, ufunc: np.ufunc, value: Any) -> Any:
        return self._write(_accumulate, ufunc, converted(value, "operand"))

    def _augment(self, ufunc: np.ufunc, value: Any) -> AtIndex:
        """Update by `ufunc`: what the augmented assignments do."""
        self._write(_update, ufunc, converted(value, "operand"))
        self._updated = True
        return self

    def get(self) -> Any:
        """Return the elements (read lock).

        Returns
        -------
        scalar or ndarray
            The elements.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.array([1, 2, 3])
        >>> x.at[1:].get()
        array([2, 3])
        """
        return self._run(_current, (), False)

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
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> x.at[0].set(5)
        np.float64(5.0)
        """
        return self._write(_set, value)

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
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> x.at[0].add(5)
        np.float64(5.0)
        """
        return self._accumulate(np.add, value)

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
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> x.at[0].subtract(5)
        np.float64(-5.0)
        """
        return self._accumulate(np.subtract, value)

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
        >>> import lockedarray as la
        >>> x = la.ones(3)
        >>> x.at[0].multiply(5)
        np.float64(5.0)
        """
        return self._accumulate(np.multiply, value)

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
        >>> import lockedarray as la
        >>> x = la.ones(3)
        >>> x.at[0].divide(5)
        np.float64(0.2)
        """
        return self._accumulate(np.divide, value)

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
        >>> import lockedarray as la
        >>> x = la.full(3, 2.0)
        >>> x.at[0].power(3)
        np.float64(8.0)
        """
        return self._accumulate(np.power, value)

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
        >>> import lockedarray as la
        >>> x = la.array([1, 7])
        >>> x.at[:].min(5)
        array([1, 5])
        """
        return self._accumulate(np.minimum, value)

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
        >>> import lockedarray as la
        >>> x = la.array([1, 7])
        >>> x.at[:].max(5)
        array([5, 7])
        """
        return self._accumulate(np.maximum, value)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """Assign what a function makes of the elements; it runs under the lock.

        Parameters
        ----------
        function : callable
            It is called once with a copy of the elements (of an array of objects: with the object
            itself, if it is one element), and returns what to assign.

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
        >>> import lockedarray as la
        >>> x = la.array([1, 7])
        >>> x.at[:].apply(lambda a: a[::-1])
        array([7, 1])
        """
        if not callable(function):
            raise TypeError(f"apply() takes a function of the elements, not {function!r}")
        return self._write(_apply, function)

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
        >>> import lockedarray as la
        >>> x = la.array([1, 7])
        >>> x.at[0].exchange(5)
        np.int64(1)
        """
        return self._write(_exchange, value)

    def compare_exchange(self, expected: ArrayLike, desired: ArrayLike) -> CompareExchangeResult:
        """Assign `desired` where the elements equal `expected`.

        NaN equals NaN here, and an object equals itself.

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
        >>> import lockedarray as la
        >>> x = la.zeros(1)
        >>> if x.at[0].compare_exchange(0, 1):
        ...     print("mine")
        mine
        """
        return self._write(_compare_exchange, expected, desired)

    def __repr__(self) -> str:
        return f"<at[{self._index!r}] of a LockedArray of shape {self._array.shape}>"


# What a core does by itself, with one element or several, and plain values.
for (
    _name
) in "get set add subtract multiply divide power min max apply exchange compare_exchange".split():
    _mode = "reads" if _name == "get" else "writes"
    setattr(AtIndex, _name, locked_method(None, getattr(AtIndex, _name), _mode))
