"""One locked operation: find the LockedArrays, lock, call NumPy on raw views, wrap, release."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from lockedarray._array.dispatch.arguments import PLAIN, collected, facades_in, replaced
from lockedarray._array.dispatch.function_roles import NEVER_COPY, OF_SEVERAL
from lockedarray._array.dispatch.operands import Use, converted
from lockedarray._array.dispatch.results import WHOLE, is_view, wrapped
from lockedarray._array.facade import Facade, buffer_of, check_may_write, raw_view, settle
from lockedarray._array.memory import plain_view
from lockedarray._cores import Holds, locked_run

__all__ = ["STORES", "run", "run_as_view", "run_unlocked"]

_INDEXING = frozenset({operator.getitem, operator.setitem})

_COMPARISONS = frozenset(getattr(np.ndarray, f"__{name}__") for name in "lt le eq ne gt ge".split())
"""What they are given was converted as an operand; the rest decides itself what it is."""

STORES = frozenset(
    {
        np.copyto, np.fill_diagonal, np.full, np.full_like, np.place, np.put, np.put_along_axis,
        np.putmask, np.ndarray.put,
    }
)  # fmt: skip
"""They store what they are given: in a list, it may become an element of an array of objects."""

_AS_PYTHONS = frozenset({np.ndarray.tolist, np.ndarray.item})

_FREE_THREADED = "free-threading build" in sys.version

_ASK_ELEMENTS = frozenset("real imag _real _imag".split())
"""Since NumPy 2.5 these ask the elements of arrays of objects, which is for a lock, and a copy."""

_OBJECTS_HAVE_PARTS = np.lib.NumpyVersion(np.__version__) >= "2.5.0"


def _run(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    written: Collection[int] = (),
    read_only_result: bool = False,
    *,
    stored: tuple[Any, ...] = (),
    elements: bool = False,
) -> Any:
    """Call ``function(*args, **kwargs)`` as one atomic operation.

    Parameters
    ----------
    function : callable
        Gets plain arrays in place of the LockedArrays in `args` and `kwargs`, those in lists,
        tuples and dicts included: writable ones of what it writes, read-only ones of the rest.
    written : collection of int
        The ``id`` of each LockedArray that is locked for writing; the others are for reading.
    read_only_result : bool
        The function returns views that NumPy documents as read-only.
    stored : tuple
        What `function` has besides its arguments, to store it as it is in an array of objects: the
        LockedArrays in it are locked for reading, and nothing stands in their place.
    elements : bool
        The function returns elements and copies, to be handed out as they are.

    Returns
    -------
    object
        What the function returned; arrays in it that share memory with a LockedArray are
        LockedArrays on the same Buffer.
    """
    facades, others = collected((*args, kwargs) if kwargs else args)
    if stored:
        facades.update(facades_in(*stored))
    if not facades:
        return function(*args, **kwargs)
    arrays: dict[int, np.ndarray] = {}
    objects = any(facade.dtype.hasobject for facade in facades.values())
    if others and not objects and function not in _COMPARISONS:
        use: Use = "argument"
        if function in _INDEXING:
            use = "index"
        elif elements or function in STORES:
            use = "stored"
        arrays = {key: converted(value, use) for key, value in others.items()}
    holds = Holds(_requests(facades, written))
    raws: dict[int, np.ndarray] = {}
    try:
        holds.acquire()
        for key, facade in facades.items():
            if key in written:
                check_may_write(facade)
            raw = raw_view(facade, write=key in written)
            raws[key] = raw
            buffer_of(facade).begin(raw)
        as_they_are = function in STORES and (objects or function is np.full)
        box = [_call(function, args, kwargs, arrays | raws, as_they_are)]
        if elements:
            return box[0]
        if function in _AS_PYTHONS:
            if not any(issubclass(facade.dtype.type, np.void) for facade in facades.values()):
                return box[0]
            return wrapped(box, facades, raws, read_only_result, WHOLE)
        # An element, or what the function behind a ufunc returns, may be anything.
        anything = objects or isinstance(getattr(function, "__self__", function), np.ufunc)
        given = None if anything else (*args, *kwargs.values())
        return wrapped(box, facades, raws, read_only_result, given=given)
    finally:
        try:  # NumPy may have left an error behind that strikes here
            for key, raw in raws.items():
                buffer_of(facades[key]).end(raw)
                raw.setflags(write=False)
        finally:
            holds.release()


run: Callable[..., Any] = locked_run(_run)
"""The same: a core may do it by itself."""

TRIES = 4
"""So often a part of an array is locked that has moved until the lock is had; then all of it is.

It moves once for each resize, of other threads or of the value's own code; and whoever comes again
stands behind all others.
"""


def run_as_view(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    read_only_result: bool = False,
) -> Any:
    """Call a function that makes views without waiting for any lock.

    Where what it returned was a copy after all, that is thrown away and made again under the
    read lock.
    """
    facades = facades_in(*args, kwargs)
    for facade in facades.values():
        settle(facade)
    name = function.__name__
    viewed = args[0] if args else next(iter(facades.values())) if len(facades) == 1 else None
    if name not in OF_SEVERAL and any(facade is not viewed for facade in facades.values()):
        return run(function, args, kwargs, (), read_only_result)  # it reads a shape, or axes
    asks = _OBJECTS_HAVE_PARTS and name in _ASK_ELEMENTS
    asks = asks or (name == "unstack" and any(facade.ndim == 1 for facade in facades.values()))
    if asks or (_FREE_THREADED and name not in NEVER_COPY):
        # Even a copy that is thrown away counts references, which races with a writer.
        if any(facade.dtype.hasobject for facade in facades.values()):
            return run(function, args, kwargs, (), read_only_result)
    raws = {key: plain_view(facade, np.ndarray) for key, facade in facades.items()}
    box = [_call(function, args, kwargs, raws)]
    if is_view(box[0], raws):
        given = (*args, *kwargs.values())
        return wrapped(box, facades, raws, read_only_result, given=given)
    del box
    return run(function, args, kwargs, (), read_only_result)


def run_unlocked(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a function that looks at no data, and returns none, without any lock."""
    facades = facades_in(*args, kwargs)
    for facade in facades.values():
        settle(facade)
    raws = {key: plain_view(facade, np.ndarray) for key, facade in facades.items()}
    return _call(function, args, kwargs, raws)


def _call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    arrays: dict[int, np.ndarray],
    as_they_are: bool = False,
) -> Any:
    """Call `function` with `arrays` in place; not in lists that are to be stored `as_they_are`."""
    memo: dict[int, Any] = {}
    levels = (0,) if as_they_are else ()
    plain = [
        argument if type(argument) in PLAIN else replaced(argument, arrays, memo, *levels)
        for argument in args
    ]
    if kwargs:
        kwargs = {name: replaced(value, arrays, memo, *levels) for name, value in kwargs.items()}
    return function(*plain, **kwargs)


def _requests(facades: dict[int, Facade], written: Collection[int]) -> list[tuple[Any, bool]]:
    requests = [
        buffer_of(facade).request(facade, key in written) for key, facade in facades.items()
    ]
    return [request for request in requests if request is not None]
