"""Functions that make a LockedArray directly: `zeros`, `array`, `arange`, `memmap` and the others.

They take the arguments of NumPy's functions of the same names, but for ``like`` and ``device``,
and besides ``lock``, ``objects`` and ``name``, which `LockedArray` explains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.construction import copied, has_order, sharing
from lockedarray._array.dispatch.functions import call_function
from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade, buffer_of, make_root
from lockedarray._array.memory import plain_view
from lockedarray._array.objects import ANY_NUMBER, check_policy, runs_element_code
from lockedarray._cores import connect_makers, maker, new_root
from lockedarray._guards.region_lock import checked_name, region_lock_of
from lockedarray._places import DEBUG

__all__ = [
    "arange",
    "array",
    "asarray",
    "empty",
    "empty_like",
    "full",
    "full_like",
    "linspace",
    "memmap",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


_M = TypeVar("_M", bound=Callable[..., Any])


def _by_core(plain: Callable[..., Any]) -> Callable[[_M], _M]:
    """Decorate a function that a core may do by itself, with NumPy's `plain` one."""
    if DEBUG:  # each array is to know where it was made
        return lambda general: general
    return lambda general: maker(plain, general, _over)  # type: ignore[return-value]


def _over(array: np.ndarray) -> LockedArray:
    return _made(array, None, "exclusive", None)


if not DEBUG:
    connect_makers(np.array, np.copyto)


# -- from nothing --------------------------------------------------------------------------------


@_by_core(np.zeros)
def zeros(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with zeros; see `numpy.zeros` and `LockedArray`.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.zeros(3, name="counts")
    LockedArray([0., 0., 0.])
    """
    return _made(np.zeros(shape, dtype, order), lock, objects, name)


@_by_core(np.ones)
def ones(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with ones; see `numpy.ones` and `LockedArray`.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.ones((2, 2), int)
    LockedArray([[1, 1],
                 [1, 1]])
    """
    return _made(np.ones(shape, dtype, order), lock, objects, name)


@_by_core(np.empty)
def empty(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape`, not filled; see `numpy.empty` and `LockedArray`.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.empty((2, 3)).shape
    (2, 3)
    """
    return _made(np.empty(shape, dtype, order), lock, objects, name)


@_by_core(np.full)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with `fill_value`; see `numpy.full`.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.full(3, 7)
    LockedArray([7, 7, 7])
    """
    return _made(run(np.full, (shape, fill_value, dtype, order), {}), lock, objects, name)


@_by_core(np.arange)
def arange(
    *args: Any, lock: Any = None, objects: str = "exclusive", name: str | None = None,
    **kwargs: Any,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of evenly spaced values; see `numpy.arange`.

    ``arange(stop)`` or ``arange(start, stop, step=1)``, each with ``dtype=None``.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.arange(2, 8, 2)
    LockedArray([2, 4, 6])
    """
    for unknown in kwargs.keys() - {"start", "stop", "step", "dtype"}:
        raise TypeError(f"arange() got an unexpected keyword argument {unknown!r}")
    return _made(run(np.arange, args, kwargs), lock, objects, name)


@_by_core(np.linspace)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, retstep: Any = False,
    dtype: Any = None, axis: Any = 0, *, lock: Any = None, objects: str = "exclusive",
    name: str | None = None,
) -> Any:  # fmt: skip
    """Return a LockedArray of `num` evenly spaced numbers; see `numpy.linspace`.

    Returns
    -------
    LockedArray
        Or with `retstep` the pair of it and the step, which is plain.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.linspace(0, 1, 5)
    LockedArray([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    made = run(np.linspace, (start, stop, num, endpoint, retstep, dtype, axis), {})
    if retstep:
        return _made(made[0], lock, objects, name), made[1]
    return _made(made, lock, objects, name)


# -- like another array --------------------------------------------------------------------------


@_by_core(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: Any = True, shape: Any = None, *,
    lock: Any = None, objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of zeros with the shape and dtype of `a`; see `numpy.zeros_like`.

    With `subok` it is of the class of `a`, if that is a LockedArray. Its lock is its own, unless
    `lock` is given.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> la.zeros_like(np.arange(3))
    LockedArray([0, 0, 0])
    """
    made = np.zeros_like(a, dtype, order, False, shape)
    return _made(made, lock, objects, name, a if subok else None)


@_by_core(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: Any = True, shape: Any = None, *,
    lock: Any = None, objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of ones with the shape and dtype of `a`; see `zeros_like`.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> la.ones_like(np.arange(3.0))
    LockedArray([1., 1., 1.])
    """
    made = np.ones_like(a, dtype, order, False, shape)
    return _made(made, lock, objects, name, a if subok else None)


@_by_core(np.empty_like)
def empty_like(
    prototype: Any, dtype: Any = None, order: Any = "K", subok: Any = True, shape: Any = None, *,
    lock: Any = None, objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray, not filled, like `prototype`; see `zeros_like`.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> la.empty_like(np.zeros((2, 3), int)).shape
    (2, 3)
    """
    made = np.empty_like(prototype, dtype, order, False, shape)
    return _made(made, lock, objects, name, prototype if subok else None)


@_by_core(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: Any = True,
    shape: Any = None, *, lock: Any = None, objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray with the shape and dtype of `a` filled with a value; see `zeros_like`.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> la.full_like(np.zeros(3), 2)
    LockedArray([2., 2., 2.])
    """
    made = call_function(np.full_like, (a, fill_value, dtype, order, False, shape), {})
    return _made(made, lock, objects, name, a if subok else None)


# -- from what is there --------------------------------------------------------------------------


@_by_core(np.array)
def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, order: Any = "K", ndmin: Any = 0,
    lock: Any = None, objects: str | None = None, name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray that holds a copy of `object`; see `numpy.array`.

    LockedArrays in `object` are read under their locks. With ``copy=False`` or None it is
    `asarray`. There is no ``subok``, ``ndmax`` or ``like``.

    Examples
    --------
    >>> import lockedarray as la
    >>> x = la.array([1, 2, 3], name="counts")
    >>> y = la.array(x)
    >>> y.lock is x.lock
    False
    """
    _check_copy(copy)
    if copy is None or not copy:
        made = asarray(object, dtype, order, copy=copy, lock=lock, objects=objects, name=name)
    else:
        policy = _policy(objects)
        made = _made(copied(object, dtype, order, ndmin), lock, policy, name)
    missing = int(ndmin) - made.ndim
    return made if missing <= 0 else made[(None,) * missing + (...,)]


@_by_core(np.asarray)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None,
    lock: Any = None, objects: str | None = None, name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return `a` itself, if it is a LockedArray with that `dtype` and `order`; else a new one.

    Parameters
    ----------
    a : array_like
        What to hold.
    dtype, order : optional
        As for `numpy.asarray`.
    copy : bool, optional
        None (default) copies what is no LockedArray, also a plain array, of which
        `numpy.asarray` makes no copy: whoever has that may write to it without the lock. False
        shares its memory, on the caller's word, as in ``LockedArray(a, copy=False)``. True always
        copies.
    lock, objects, name : optional
        As for `LockedArray`, of a new one. What is returned as it is has them already.

    Raises
    ------
    ValueError
        `a` would be returned as it is, and has another lock, policy or name than the ones given.

    Examples
    --------
    >>> import lockedarray as la
    >>> x = la.zeros(3)
    >>> la.asarray(x) is x
    True
    >>> la.asarray([1, 2])
    LockedArray([1, 2])
    """
    _check_copy(copy)
    order = "K" if order is None else order
    if not (copy is None or copy is False):
        return _made(copied(a, dtype, order), lock, _policy(objects), name)
    if (
        isinstance(a, LockedArray)
        and (dtype is None or np.dtype(dtype) == a.dtype)
        and has_order(plain_view(a, np.ndarray), order)
    ):
        _check_is_same(a, lock, objects, checked_name(name))
        return a
    if copy is None:
        return _made(copied(a, dtype, order), lock, _policy(objects), name)
    region_lock = None if lock is None else region_lock_of(lock)
    return sharing(LockedArray, a, dtype, order, region_lock, _policy(objects), checked_name(name))


def memmap(
    filename: Any, dtype: Any = np.uint8, mode: Any = "r+", offset: Any = 0, shape: Any = None,
    order: Any = "C", *, lock: Any = None, objects: str = "exclusive", name: str | None = None,
) -> LockedArray:  # fmt: skip
    """Return a LockedArray on the bytes of a file; see `numpy.memmap`, which makes the map.

    The memory is the file's: what is written to the array gets there, at the latest when the array
    and its views are gone; `LockedArray.flush` has it there at once. In mode ``'r'`` the array is
    read-only; what is written in mode ``'c'`` stays in memory.

    Each call makes a map, and a lock, of its own: make one per file, and hand the array around.

    Examples
    --------
    >>> import lockedarray as la, tempfile
    >>> file = tempfile.NamedTemporaryFile()
    >>> x = la.memmap(file.name, float, "w+", shape=3)
    >>> x += 1
    >>> x.flush()
    >>> la.memmap(file.name, float, "r")
    LockedArray([1., 1., 1.])
    """
    check_policy(objects, ANY_NUMBER)
    region_lock = None if lock is None else region_lock_of(lock)
    name = checked_name(name)
    if np.dtype(dtype).hasobject:  # what a file has is no reference
        raise TypeError(f"elements of dtype {np.dtype(dtype)} cannot be in a file")
    mapped = np.memmap(filename, dtype, mode, offset, shape, order)
    return sharing(LockedArray, mapped, None, "K", region_lock, objects, name)


# -- their parts ---------------------------------------------------------------------------------


def _made(
    array: Any, lock: Any, objects: str, name: str | None, template: Any = None
) -> LockedArray:
    """Return a LockedArray over `array`, which nobody else can reach, of the class of `template`.

    That is a LockedArray, or anything, of which nothing is asked.
    """
    if lock is None and objects == "exclusive" and name is None and template is None and not DEBUG:
        made: Any = new_root(LockedArray, array, None, objects, None)
        if made is not None:
            return made
    check_policy(objects, array.dtype)
    region_lock = None if lock is None else region_lock_of(lock)
    name = checked_name(name)
    if type(array) is not np.ndarray or not _has_all(array):
        array = np.array(array, order="K", subok=False)
    if template is None or type(template) is LockedArray or not isinstance(template, LockedArray):
        return make_root(LockedArray, array, lock=region_lock, objects=objects, name=name)
    made = make_root(type(template), array, lock=region_lock, objects=objects, name=name)
    made.__array_finalize__(template)  # the attributes of a subclass
    return made


def _has_all(array: np.ndarray) -> bool:
    """Whether the memory of `array`, which nobody else can reach, is worth taking over.

    linspace() and ``ndmin=`` return views of what they made.
    """
    base: Any = array.base
    return base is None or (
        array.nbytes > _MANY and type(base) is np.ndarray and base.nbytes == array.nbytes
    )


_MANY = 1 << 16  # bytes: fewer are copied faster than they are taken over as a view


def _check_copy(copy: Any) -> None:
    if copy is not None and copy is not True and copy is not False:
        raise ValueError(f"copy must be True, False or None, not {copy!r}")


def _policy(objects: str | None) -> str:
    return "exclusive" if objects is None else objects


def _check_is_same(array: Facade, lock: Any, objects: str | None, name: str | None) -> None:
    """Raise ValueError if `array` has not what is given."""
    buffer = buffer_of(array)
    if lock is not None and region_lock_of(lock) is not buffer.lock:
        raise ValueError("this LockedArray has another lock; leave out lock=, or copy it")
    if objects is not None:
        check_policy(objects, array.dtype)
        if objects != buffer.objects and runs_element_code(array.dtype):
            raise ValueError(f"this LockedArray was made with objects={buffer.objects!r}")
    buffer.check_name(name)
