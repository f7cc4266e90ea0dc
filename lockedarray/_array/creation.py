"""Functions that make a LockedArray directly: `zeros`, `array`, `arange`, `memmap` and the others.

They take the arguments of NumPy's functions of the same names, but for ``like`` and ``device``,
and besides ``lock``, ``objects`` and ``name``, which `LockedArray` explains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.construction import copied, has_order, sharing
from lockedarray._array.dispatch.functions import call_function
from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade, buffer_of, make_root
from lockedarray._array.memory import plain_view
from lockedarray._array.objects import ANY_NUMBER, check_policy, runs_element_code
from lockedarray._cores import connect_makers, maker, new_root
from lockedarray._guards.region_lock import RegionLock, checked_name, region_lock_of
from lockedarray._places import DEBUG

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike
    from readerwriterlock.rwlock import RWLockable


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
    shape: int | Sequence[int],
    dtype: DTypeLike | None = float,
    order: Literal["C", "F"] = "C",
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray of zeros.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype_like
        Data type of the elements.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        Of the given shape and dtype.

    Raises
    ------
    TypeError, ValueError
        As `numpy.zeros` and `LockedArray` raise them.

    See Also
    --------
    numpy.zeros : The same for a plain array.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.zeros(3, name="counts")
    LockedArray([0., 0., 0.])
    """
    return _made(np.zeros(shape, dtype, order), lock, objects, name)


@_by_core(np.ones)
def ones(
    shape: int | Sequence[int],
    dtype: DTypeLike | None = float,
    order: Literal["C", "F"] = "C",
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray of ones.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype_like
        Data type of the elements.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        Of the given shape and dtype.

    Raises
    ------
    TypeError, ValueError
        As `numpy.ones` and `LockedArray` raise them.

    See Also
    --------
    numpy.ones : The same for a plain array.

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
    shape: int | Sequence[int],
    dtype: DTypeLike | None = float,
    order: Literal["C", "F"] = "C",
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray whose elements are not set: they are whatever was in the memory.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype_like
        Data type of the elements.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        Of the given shape and dtype.

    Raises
    ------
    TypeError, ValueError
        As `numpy.empty` and `LockedArray` raise them.

    See Also
    --------
    numpy.empty : The same for a plain array.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.empty((2, 3)).shape
    (2, 3)
    """
    return _made(np.empty(shape, dtype, order), lock, objects, name)


@_by_core(np.full)
def full(
    shape: int | Sequence[int],
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["C", "F"] = "C",
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray in which each element has the same value.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    fill_value : scalar or array_like
        The value, which is broadcast to `shape`.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `fill_value`.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        Of the given shape and dtype.

    Raises
    ------
    TypeError, ValueError
        As `numpy.full` and `LockedArray` raise them.

    See Also
    --------
    numpy.full : The same for a plain array.

    Examples
    --------
    >>> import lockedarray as la
    >>> la.full(3, 7)
    LockedArray([7, 7, 7])
    """
    return _made(run(np.full, (shape, fill_value, dtype, order), {}), lock, objects, name)


@_by_core(np.arange)
def arange(
    *args: Any,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
    **kwargs: Any,
) -> LockedArray:
    """Return a new LockedArray of evenly spaced numbers.

    Write ``arange(stop)``, ``arange(start, stop)`` or ``arange(start, stop, step)``.

    Parameters
    ----------
    *args, **kwargs : number
        `start` (0 by default), `stop`, `step` (1 by default) and `dtype`, by position or by name,
        as for `numpy.arange`.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        1-d: `start`, ``start + step``, and so on, below `stop`.

    Raises
    ------
    TypeError, ValueError
        As `numpy.arange` and `LockedArray` raise them.

    See Also
    --------
    numpy.arange : The same for a plain array.

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
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> Any:
    """Return a new LockedArray of `num` evenly spaced numbers from `start` to `stop`.

    Parameters
    ----------
    start, stop : array_like
        The first number, and the last.
    num : int
        How many.
    endpoint : bool
        Whether `stop` is the last of them; else they end one step before it.
    retstep : bool
        Whether to return the step, too.
    dtype : dtype_like, optional
        Data type of the elements; by default that of a calculation with floats.
    axis : int
        The axis of the result along which the numbers are, where `start` or `stop` are arrays.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        With `retstep` a tuple of it and the step, which is plain.

    Raises
    ------
    TypeError, ValueError
        As `numpy.linspace` and `LockedArray` raise them.

    See Also
    --------
    numpy.linspace : The same for a plain array.

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
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["K", "A", "C", "F"] = "K",
    subok: bool = True,
    shape: int | Sequence[int] | None = None,
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray of zeros with the shape and dtype of another array.

    Parameters
    ----------
    a : array_like
        The other array.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `a`.
    order : {'K', 'A', 'C', 'F'}
        Memory layout; ``'K'`` is as near to that of `a` as possible.
    subok : bool
        Whether to return an array of the class of `a`, where that is a subclass of LockedArray.
    shape : int or tuple of int, optional
        Lengths of the axes; by default those of `a`.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        With a lock of its own, unless `lock` is given.

    Raises
    ------
    TypeError, ValueError
        As `numpy.zeros_like` and `LockedArray` raise them.

    See Also
    --------
    numpy.zeros_like : The same for a plain array.

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
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["K", "A", "C", "F"] = "K",
    subok: bool = True,
    shape: int | Sequence[int] | None = None,
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray of ones with the shape and dtype of another array.

    Parameters
    ----------
    a : array_like
        The other array.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `a`.
    order : {'K', 'A', 'C', 'F'}
        Memory layout; ``'K'`` is as near to that of `a` as possible.
    subok : bool
        Whether to return an array of the class of `a`, where that is a subclass of LockedArray.
    shape : int or tuple of int, optional
        Lengths of the axes; by default those of `a`.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        With a lock of its own, unless `lock` is given.

    Raises
    ------
    TypeError, ValueError
        As `numpy.ones_like` and `LockedArray` raise them.

    See Also
    --------
    numpy.ones_like : The same for a plain array.

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
    prototype: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["K", "A", "C", "F"] = "K",
    subok: bool = True,
    shape: int | Sequence[int] | None = None,
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray, whose elements are not set, with the shape and dtype of another.

    Parameters
    ----------
    prototype : array_like
        The other array.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `prototype`.
    order : {'K', 'A', 'C', 'F'}
        Memory layout; ``'K'`` is as near to that of `prototype` as possible.
    subok : bool
        Whether to return an array of the class of `prototype`, where that is a subclass of
        LockedArray.
    shape : int or tuple of int, optional
        Lengths of the axes; by default those of `prototype`.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        With a lock of its own, unless `lock` is given.

    Raises
    ------
    TypeError, ValueError
        As `numpy.empty_like` and `LockedArray` raise them.

    See Also
    --------
    numpy.empty_like : The same for a plain array.

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
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["K", "A", "C", "F"] = "K",
    subok: bool = True,
    shape: int | Sequence[int] | None = None,
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray of one value, with the shape and dtype of another array.

    Parameters
    ----------
    a : array_like
        The other array.
    fill_value : scalar or array_like
        The value, which is broadcast to the shape.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `a`.
    order : {'K', 'A', 'C', 'F'}
        Memory layout; ``'K'`` is as near to that of `a` as possible.
    subok : bool
        Whether to return an array of the class of `a`, where that is a subclass of LockedArray.
    shape : int or tuple of int, optional
        Lengths of the axes; by default those of `a`.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        With a lock of its own, unless `lock` is given.

    Raises
    ------
    TypeError, ValueError
        As `numpy.full_like` and `LockedArray` raise them.

    See Also
    --------
    numpy.full_like : The same for a plain array.

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
    object: ArrayLike,
    dtype: DTypeLike | None = None,
    *,
    copy: bool | None = True,
    order: Literal["K", "A", "C", "F"] = "K",
    ndmin: int = 0,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] | None = None,
    name: str | None = None,
) -> LockedArray:
    """Return a new LockedArray with a copy of `object`.

    It has no parameters ``subok``, ``ndmax`` and ``like``.

    Parameters
    ----------
    object : array_like
        The elements.  LockedArrays in it are read under their locks.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `object`.
    copy : bool, optional
        True (default) copies.  With None or False it does what `asarray` does.
    order : {'K', 'A', 'C', 'F'}
        Memory layout; ``'K'`` is as near to that of `object` as possible.
    ndmin : int
        How many axes at least: axes of length 1 are put in front.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        With a lock of its own, unless `lock` is given.

    Raises
    ------
    TypeError, ValueError
        As `numpy.array` and `LockedArray` raise them.

    See Also
    --------
    numpy.array : The same for a plain array.

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
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["K", "A", "C", "F"] | None = None,
    *,
    copy: bool | None = None,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] | None = None,
    name: str | None = None,
) -> LockedArray:
    """Return `a` itself if it is a LockedArray of that `dtype` and `order`, else a new one.

    Parameters
    ----------
    a : array_like
        The elements.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `a`.
    order : {'K', 'A', 'C', 'F'}, optional
        Memory layout; by default that of `a`.
    copy : bool, optional
        None (default) copies whatever is not a LockedArray, also a plain array, since others may
        write to that without the lock.  (`numpy.asarray` does not copy it.)  False shares the
        memory of `a`: you promise that nothing else writes to it.  True always copies.
    lock, objects, name : optional
        As for `LockedArray`, of a new array.

    Returns
    -------
    LockedArray
        `a` itself, or a new one.

    Raises
    ------
    ValueError
        `a` would be returned itself, but has another lock, policy for objects or name than the one
        given.

    See Also
    --------
    numpy.asarray : The same for a plain array.

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
    filename: str | PathLike[str] | BinaryIO,
    dtype: DTypeLike = np.uint8,
    mode: Literal["r+", "r", "w+", "c"] = "r+",
    offset: int = 0,
    shape: int | Sequence[int] | None = None,
    order: Literal["C", "F"] = "C",
    *,
    lock: RegionLock | RWLockable | None = None,
    objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
    name: str | None = None,
) -> LockedArray:
    """Return a LockedArray on the bytes of a file.

    Each call makes a map with a lock of its own, and two such arrays know nothing of each other:
    make one for a file, and hand that around.

    Parameters
    ----------
    filename : path_like or file object
        The file.
    dtype : dtype_like
        Data type of the elements.
    mode : {'r+', 'r', 'w+', 'c'}
        ``'r+'`` reads and writes a file that exists; ``'w+'`` makes a file, or overwrites one;
        ``'r'`` gives a read-only array; what is written with ``'c'`` stays in memory.
    offset : int
        Where in the file the array begins (bytes).
    shape : int or tuple of int, optional
        Lengths of the axes; by default it is 1-d and goes to the end of the file.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    lock, objects, name : optional
        As for `LockedArray`.

    Returns
    -------
    LockedArray
        What is written to it gets into the file, at the latest when the array and its views are
        gone; `LockedArray.flush` writes it at once.

    Raises
    ------
    TypeError, ValueError
        As `numpy.memmap` and `LockedArray` raise them.

    See Also
    --------
    numpy.memmap : The same for a plain array.

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
        raise TypeError(
            f"memmap(): elements of dtype {np.dtype(dtype)} cannot be in a file, as they are "
            "Python objects; use numbers, or text of a fixed length"
        )
    make: Any = np.memmap  # whose stub knows fewer arguments
    mapped = make(filename, dtype, mode, offset, shape, order)
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
        raise ValueError("this LockedArray has another lock: leave out lock=, or make a copy")
    if objects is not None:
        check_policy(objects, array.dtype)
        if objects != buffer.objects and runs_element_code(array.dtype):
            raise ValueError(
                f"this LockedArray was made with objects={buffer.objects!r}: give the same, or "
                "make a copy"
            )
    buffer.check_name(name)
