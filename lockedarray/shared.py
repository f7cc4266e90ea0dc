"""Arrays between processes: the same array, in shared memory or in a file, with its lock.

``import lockedarray.shared`` has them; ``python -m lockedarray.shared`` lists what is in shared
memory, and removes what nobody has any more.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from lockedarray._array.array import LockedArray
from lockedarray._array.construction import copied
from lockedarray._array.dispatch.operation import run
from lockedarray._shared.arrays import attached, made
from lockedarray._shared.listing import SharedArray, listed, main
from lockedarray._shared.segments import Place, checked, place_of

__all__ = ["SharedArray", "array", "attach", "empty", "full", "list", "ones", "open", "zeros"]


def zeros(
    shape: Any, dtype: Any = float, order: Any = "C", *, name: str | None = None, path: Any = None
) -> LockedArray:
    """Return a new array of zeros that processes share.

    Parameters
    ----------
    shape, dtype, order
        As those of `numpy.zeros`.
    name : str, optional
        What to call it in shared memory; by default a new name, which ``x.name`` tells.
    path : path_like, optional
        A file to have it in, in place of shared memory: just the array's bytes.  What describes it
        is beside it, ``path + '.lock'``; `open` reopens it.

    Raises
    ------
    FileExistsError
        There is one of that name, or path, already.
    OSError
        There is no room for it.
    TypeError
        `dtype` has objects or text of varied length.
    NotImplementedError
        This is Windows.

    See Also
    --------
    attach, open : Have it in another process; so does pickling it.

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
    shape: Any, dtype: Any = float, order: Any = "C", *, name: str | None = None, path: Any = None
) -> LockedArray:
    """Return a new array of ones that processes share; see `zeros`.

    Examples
    --------
    >>> import lockedarray.shared
    >>> lockedarray.shared.ones(2)
    LockedArray([1., 1.])
    """
    return made(shape, dtype, order, lambda raw: np.copyto(raw, 1, "unsafe"), name, path)


def empty(
    shape: Any, dtype: Any = float, order: Any = "C", *, name: str | None = None, path: Any = None
) -> LockedArray:
    """Return a new array that processes share, of zeros as it happens; see `zeros`.

    Examples
    --------
    >>> import lockedarray.shared
    >>> lockedarray.shared.empty((2, 3)).shape
    (2, 3)
    """
    return made(shape, dtype, order, None, name, path)


def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "C",
    *,
    name: str | None = None,
    path: Any = None,
) -> LockedArray:
    """Return a new array that processes share, each element `fill_value`; see `zeros`.

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
    obj: Any,
    dtype: Any = None,
    *,
    order: Any = "K",
    ndmin: int = 0,
    name: str | None = None,
    path: Any = None,
) -> LockedArray:
    """Return a new array that processes share, a copy of `obj`; see `numpy.array` and `zeros`.

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
    """Return the array of that name in shared memory, which another process has made.

    Of an array that this process has already, it is the same object.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        What is there is no array, or one that can not be used; the message tells why.
    """
    return attached(Place(checked(name), False))


def open(path: Any) -> LockedArray:
    """Return the array in a file that `zeros` or another one made with ``path=``, now or earlier.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        What is there is no array, or one that can not be used; the message tells why.
    """
    return attached(place_of(None, path))


def list() -> builtins.list[SharedArray]:
    """Return what this user has in shared memory: a list of `SharedArray`, by name.

    Those that are not ``alive``, whose processes have all ended without unlinking it,
    ``python -m lockedarray.shared remove`` removes.
    """
    return listed()


for _name in __all__:
    globals()[_name].__module__ = "lockedarray.shared"

if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
