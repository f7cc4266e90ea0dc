"""What an operation is given that is no array: converted before the lock is taken, where it can be.

NumPy makes an array of nearly anything, and calls methods of its class (``__array__``,
``__getitem__``, ``__float__``).  Such foreign code may take long, or wait for a thread that waits
for the lock.  So it does not run under a lock when it can run before it.  It cannot where an array
of objects is in the operation, which does not make arrays of the objects that it is given.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from lockedarray._array.dispatch.arguments import PLAIN, facades_in
from lockedarray._array.facade import Facade
from lockedarray._array.indexing import (
    as_integer,
    makes_view,
    picks_element,
    picks_flat_element,
)
from lockedarray._array.memory import plain_view
from lockedarray._array.objects import has_arena

__all__ = ["Use", "converted"]

Use = Literal["argument", "stored", "index", "operand", "elements", "flat"]


def converted(
    value: Any,
    use: Use,
    array: Facade | None = None,
    index: Any = (),
) -> Any:
    """Return the array that NumPy would make of `value` under the lock, or `value` as it is.

    Parameters
    ----------
    value : object
        What the operation is given.
    use : str
        What NumPy does with it, and so whether it makes an array of it:

        - 'argument' of a function: of what can hardly be meant to be anything else. That has
          ``__array__``, or is a sequence, of a class that is neither Python's nor NumPy's; but what
          overrides NumPy's functions decides itself, and what can be called, or is a mapping, a
          path or a file, is there for what it does. Lists and tuples are not converted, only what
          is in them.
        - 'stored': of the same, but a sequence becomes a list: what is stored gets the dtype of the
          array, and NumPy reads the numbers in it as they are.
        - 'index': of the same; and an empty sequence selects nothing, where NumPy's array of it is
          of floats, and no index.
        - 'operand' of an operator or a ufunc: of every sequence, and of all that has an
          ``__array__`` or an ``__array_interface__``; but what overrides ufuncs, or has a priority
          as NumPy knew it before, has the operator to itself.
        - 'elements' that are assigned to ``array[index]``: of everything, in the array's dtype; but
          not where that is of objects or records, to which a tuple is one element. A list is left
          to NumPy where it has more axes than `index` selects: an array would be broadcast, and the
          list is refused.
        - 'flat': of what is assigned to ``array.flat[index]``, in the array's dtype, where that is
          several elements; those may be repeated, whatever axes the array has.

        A list or tuple with LockedArrays in it is left: they are read under their locks.
    array, index
        Where 'elements' are assigned, or 'flat' ones.

    Returns
    -------
    object
        `value`, or a plain array.
    """
    if type(value) in PLAIN or isinstance(value, (np.ndarray, np.generic)):
        return value
    if use == "elements":
        assert array is not None
        return _converted_elements(value, array, index)
    if use == "flat":
        assert array is not None
        return _converted_flat(value, array, index)
    if use == "operand":
        return _converted_operand(value)
    if not _is_foreign(value):
        return value
    if use == "stored":
        return _listed(value)
    made = np.asarray(value)
    if use == "index" and made.size == 0 and not hasattr(value, "__array__"):
        return made.astype(np.intp)
    return made


def _is_foreign(value: Any) -> bool:
    kind = type(value)
    if kind.__module__ == "builtins" or kind.__module__.partition(".")[0] == "numpy":
        return False
    if hasattr(kind, "__array_ufunc__") or hasattr(kind, "__array_function__"):
        return False
    if hasattr(kind, "__array__"):
        return True
    if callable(value) or any(hasattr(kind, name) for name in ("__fspath__", "keys", "write")):
        return False
    return hasattr(kind, "__getitem__") and hasattr(kind, "__len__")


def _listed(value: Any) -> Any:
    """Return a foreign sequence as a list, and what makes an array by itself as that."""
    kind = type(value)
    if any(hasattr(kind, f"__array{name}__") for name in ("", "_interface", "_struct")):
        return np.asarray(value)
    try:
        memoryview(value)
    except TypeError:
        return [_listed(item) if _is_foreign(item) else item for item in value]
    return np.asarray(value)


def _converted_operand(value: Any) -> Any:
    if not _is_operand(value):
        return value
    try:
        return np.asarray(value)
    except ValueError:  # a list that makes no array: NumPy says what becomes of it
        return value


def _is_operand(value: Any) -> bool:
    kind = type(value)
    if isinstance(value, (list, tuple)):
        return not facades_in(value)
    if hasattr(kind, "__array_ufunc__") or hasattr(kind, "__array_priority__"):
        return False
    return (
        hasattr(kind, "__array__")
        or hasattr(value, "__array_interface__")
        or hasattr(kind, "__getitem__")
    )


def _converted_elements(value: Any, array: Facade, index: Any) -> Any:
    dtype = array.dtype
    if dtype.hasobject and not has_arena(dtype):
        return value
    index = as_integer(index)
    is_list = isinstance(value, (list, tuple))
    if picks_element(index, array.ndim):
        if is_list or (has_arena(dtype) and isinstance(value, str)):
            return value
        element = np.empty((), dtype)
        element[()] = value
        return element
    if has_arena(dtype):
        return value
    view = _view(array, index)
    dtype = dtype if view is None else view.dtype  # of a field, maybe
    is_record = dtype.names is not None or dtype.type is np.void
    if is_list and (is_record or facades_in(value)):
        return value
    if view is None or not is_record:
        made = np.asarray(value, dtype=dtype)
        if view is None or made.ndim <= view.ndim:
            return made
    if is_list:
        return value
    made = np.empty(view.shape, dtype)
    made[...] = value  # NumPy refuses here what it makes an array of elsewhere, and the reverse
    return made


def _converted_flat(value: Any, array: Facade, index: Any) -> Any:
    dtype = array.dtype
    is_element = picks_flat_element(index)
    is_text = isinstance(dtype, np.dtypes.StringDType)
    if (dtype.hasobject and not is_text) or dtype.names is not None or dtype.type is np.void:
        return value
    if dtype.itemsize == 0 or facades_in(value):
        return value
    if is_element and has_arena(dtype):
        return _converted_elements(value, array, (0,) * array.ndim)
    if not is_element:
        return np.asarray(value, dtype=dtype)
    one = np.empty(1, dtype)
    one.flat[0] = value
    return one[0]


def _view(array: Facade, index: Any) -> np.ndarray | None:
    """The view that `index` makes, whose elements are not to be looked at; else None."""
    if not makes_view(index, array.ndim):
        return None
    try:
        return plain_view(array, np.ndarray)[index]
    except (IndexError, ValueError):
        return None
