"""Arrays that processes share: one LockedArray in shared memory, or in a file, with its lock.

Make one, and find it again in another process:

- `zeros`, `ones`, `empty`, `full`, `array`: make an array, in shared memory or with ``path=`` in a
  file
- `attach`: use the array in shared memory that has a name
- `open`: use the array in a file
- `list`: which arrays are in shared memory; a list of `SharedArray`

An array can also be pickled, as to `multiprocessing`: it arrives as the same array.  Its methods
``close()``, ``unlink()`` and ``recover()`` are there for such arrays.

In a shell, ``python -m lockedarray.shared`` lists the arrays in shared memory, and
``python -m lockedarray.shared remove`` removes those that no process uses any more.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.construction import copied
from lockedarray._array.dispatch.operation import run
from lockedarray._shared.arrays import attached, made
from lockedarray._shared.listing import SharedArray, listed, main
from lockedarray._shared.segments import Place, checked, place_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["SharedArray", "array", "attach", "empty", "full", "list", "ones", "open", "zeros"]


def zeros(
    shape: int | Sequence[int],
    dtype: DTypeLike = float,
    order: Literal["C", "F"] = "C",
    *,
    name: str | None = None,
    path: str | PathLike[str] | None = None,
) -> LockedArray:
    """Make an array of zeros that processes share.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype_like
        Data type of the elements: no objects, and no text of varied length.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    name : str, optional
        The name in shared memory, by which other processes `attach` it; by default a new one, which
        ``x.name`` tells.
    path : path_like, optional
        A file to have the array in, in place of shared memory.  The file has the array's bytes and
        nothing else; a second one, ``path + '.lock'``, has the lock.

    Returns
    -------
    LockedArray
        Its elements, its lock and its length are shared.

    Raises
    ------
    FileExistsError
        The name, or the file, exists already.
    OSError
        There is no room for it.
    TypeError
        Elements of that dtype cannot be shared.
    NotImplementedError
        This system has no POSIX shared memory (Windows).

    See Also
    --------
    attach, open : Use the array in another process, as a pickle of it does.

    Examples
    --------
    >>> import lockedarray as la
    >>> import lockedarray.shared
    >>> x = la.shared.zeros(3)
    >>> x[1] += 1
    >>> la.shared.attach(x.name)
    LockedArray([0., 1., 0.])
    """
    return made(shape, dtype, order, None, name, path)


def ones(
    shape: int | Sequence[int],
    dtype: DTypeLike = float,
    order: Literal["C", "F"] = "C",
    *,
    name: str | None = None,
    path: str | PathLike[str] | None = None,
) -> LockedArray:
    """Make an array of ones that processes share.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype_like
        Data type of the elements: no objects, and no text of varied length.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    name : str, optional
        The name in shared memory, by which other processes `attach` it; by default a new one, which
        ``x.name`` tells.
    path : path_like, optional
        A file to have the array in, in place of shared memory.  The file has the array's bytes and
        nothing else; a second one, ``path + '.lock'``, has the lock.

    Returns
    -------
    LockedArray
        Its elements, its lock and its length are shared.

    Raises
    ------
    FileExistsError
        The name, or the file, exists already.
    OSError
        There is no room for it.
    TypeError
        Elements of that dtype cannot be shared.
    NotImplementedError
        This system has no POSIX shared memory (Windows).

    See Also
    --------
    attach, open : Use the array in another process, as a pickle of it does.

    Examples
    --------
    >>> import lockedarray.shared
    >>> lockedarray.shared.ones(2)
    LockedArray([1., 1.])
    """
    return made(shape, dtype, order, lambda raw: np.copyto(raw, 1, "unsafe"), name, path)


def empty(
    shape: int | Sequence[int],
    dtype: DTypeLike = float,
    order: Literal["C", "F"] = "C",
    *,
    name: str | None = None,
    path: str | PathLike[str] | None = None,
) -> LockedArray:
    """Make an array that processes share, without saying what is in it (zeros, in fact).

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype_like
        Data type of the elements: no objects, and no text of varied length.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    name : str, optional
        The name in shared memory, by which other processes `attach` it; by default a new one, which
        ``x.name`` tells.
    path : path_like, optional
        A file to have the array in, in place of shared memory.  The file has the array's bytes and
        nothing else; a second one, ``path + '.lock'``, has the lock.

    Returns
    -------
    LockedArray
        Its elements, its lock and its length are shared.

    Raises
    ------
    FileExistsError
        The name, or the file, exists already.
    OSError
        There is no room for it.
    TypeError
        Elements of that dtype cannot be shared.
    NotImplementedError
        This system has no POSIX shared memory (Windows).

    See Also
    --------
    attach, open : Use the array in another process, as a pickle of it does.

    Examples
    --------
    >>> import lockedarray.shared
    >>> lockedarray.shared.empty((2, 3)).shape
    (2, 3)
    """
    return made(shape, dtype, order, None, name, path)


def full(
    shape: int | Sequence[int],
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Literal["C", "F"] = "C",
    *,
    name: str | None = None,
    path: str | PathLike[str] | None = None,
) -> LockedArray:
    """Make an array that processes share, in which each element has the same value.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    fill_value : scalar or array_like
        The value, which is broadcast to `shape`.
    dtype : dtype_like, optional
        Data type of the elements, by default that of `fill_value`: no objects, and no text of
        varied length.
    order : {'C', 'F'}
        Memory layout: rows or columns one after the other.
    name : str, optional
        The name in shared memory, by which other processes `attach` it; by default a new one, which
        ``x.name`` tells.
    path : path_like, optional
        A file to have the array in, in place of shared memory.  The file has the array's bytes and
        nothing else; a second one, ``path + '.lock'``, has the lock.

    Returns
    -------
    LockedArray
        Its elements, its lock and its length are shared.

    Raises
    ------
    FileExistsError
        The name, or the file, exists already.
    OSError
        There is no room for it.
    TypeError
        Elements of that dtype cannot be shared.
    NotImplementedError
        This system has no POSIX shared memory (Windows).

    See Also
    --------
    attach, open : Use the array in another process, as a pickle of it does.

    Examples
    --------
    >>> import lockedarray.shared
    >>> lockedarray.shared.full(3, 7)
    LockedArray([7, 7, 7])
    """
    value = (
        run(np.asarray, (fill_value,), {}) if isinstance(fill_value, LockedArray) else fill_value
    )
    value = np.array(value)
    kind = value.dtype if dtype is None else dtype
    return made(shape, kind, order, lambda raw: np.copyto(raw, value, "unsafe"), name, path)


def array(
    obj: ArrayLike,
    dtype: DTypeLike | None = None,
    *,
    order: Literal["K", "A", "C", "F"] = "K",
    ndmin: int = 0,
    name: str | None = None,
    path: str | PathLike[str] | None = None,
) -> LockedArray:
    """Make an array that processes share, with a copy of `obj`.

    Parameters
    ----------
    obj : array_like
        The elements.  LockedArrays in it are read under their locks.
    dtype : dtype_like, optional
        Data type of the elements, by default that of `obj`: no objects, and no text of varied
        length.
    order : {'K', 'A', 'C', 'F'}
        Memory layout; ``'K'`` is as near to that of `obj` as possible.
    ndmin : int
        How many axes at least: axes of length 1 are put in front.
    name : str, optional
        The name in shared memory, by which other processes `attach` it; by default a new one, which
        ``x.name`` tells.
    path : path_like, optional
        A file to have the array in, in place of shared memory.  The file has the array's bytes and
        nothing else; a second one, ``path + '.lock'``, has the lock.

    Returns
    -------
    LockedArray
        Its elements, its lock and its length are shared.

    Raises
    ------
    FileExistsError
        The name, or the file, exists already.
    OSError
        There is no room for it.
    TypeError
        Elements of that dtype cannot be shared.
    NotImplementedError
        This system has no POSIX shared memory (Windows).

    See Also
    --------
    attach, open : Use the array in another process, as a pickle of it does.

    Examples
    --------
    >>> import lockedarray.shared
    >>> lockedarray.shared.array([[1, 2], [3, 4]])
    LockedArray([[1, 2],
                 [3, 4]])
    """
    plain = copied(obj, dtype, order, ndmin)
    is_f = plain.flags.f_contiguous and not plain.flags.c_contiguous
    return made(
        plain.shape,
        plain.dtype,
        "F" if is_f else "C",
        lambda raw: np.copyto(raw, plain),
        name,
        path,
    )


def attach(name: str) -> LockedArray:
    """Return the array in shared memory that has this name.

    Parameters
    ----------
    name : str
        Its name, which ``x.name`` tells in the process that made it.

    Returns
    -------
    LockedArray
        If this process has the array already, the same object.

    Raises
    ------
    FileNotFoundError
        There is no such array.
    ValueError
        What is there is not an array, or is damaged; the message tells how.

    Examples
    --------
    >>> import lockedarray as la, lockedarray.shared
    >>> x = la.shared.zeros(3)
    >>> la.shared.attach(x.name) is x
    True
    """
    return attached(Place(checked(name), False))


def open(path: str | PathLike[str]) -> LockedArray:
    """Return the array in a file, which was made with ``path=``.

    The file may have been made by any process, at any time.

    Parameters
    ----------
    path : path_like
        The file.

    Returns
    -------
    LockedArray
        If this process has the array already, the same object.

    Raises
    ------
    FileNotFoundError
        There is no such array.
    ValueError
        What is there is not an array, or is damaged; the message tells how.

    Examples
    --------
    >>> import lockedarray as la, lockedarray.shared, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "counts")
    >>> x = la.shared.zeros(3, path=path)
    >>> la.shared.open(path) is x
    True
    """
    return attached(place_of(None, path))


def list() -> builtins.list[SharedArray]:
    """Return which arrays this user has in shared memory.

    An array whose processes have all ended without unlinking it stays there, and is not ``alive``.
    ``python -m lockedarray.shared remove`` removes such arrays.

    Returns
    -------
    list of SharedArray
        Named tuples ``(name, path, shape, dtype, nbytes, creator, alive)``, ordered by name.

    Examples
    --------
    >>> import lockedarray as la, lockedarray.shared
    >>> x = la.shared.zeros(3)
    >>> [entry.shape for entry in la.shared.list() if entry.name == x.name]
    [(3,)]
    """
    return listed()


for _name in __all__:
    globals()[_name].__module__ = "lockedarray.shared"

if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
