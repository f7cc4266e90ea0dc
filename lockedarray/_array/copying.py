"""Twins of an array, by copy, deepcopy and pickle: each with memory and a lock of its own."""

from __future__ import annotations

import copy
import os
import pickle
from typing import Any, TypeVar

import numpy as np

from lockedarray._array.dispatch.operation import run
from lockedarray._array.facade import Facade, buffer_of, make_root
from lockedarray._array.memory import plain_view
from lockedarray._cores import connect_copies
from lockedarray._places import DEBUG

__all__ = ["attributes_of", "copied", "deeply_copied", "dump", "dumps", "reduced"]

_F = TypeVar("_F", bound=Facade)


def reduced(array: Facade, protocol: int) -> tuple[Any, ...]:
    """Return what pickle keeps of `array`, as it is at one moment.

    That is a plain array with the layout, and within the pickle or out of band as it is with
    NumPy's own: of protocol 5 what lies in one piece goes out of band.
    """
    attached = buffer_of(array).reduced(array)
    if attached is not None:
        return attached
    elements = run(_pickled, (array,), {})
    cls, elements, *rest = _parts(array, elements)
    in_band = protocol >= 5 and not _is_dense(array)
    if rest[-1] is None:  # the pickle of what has no name has none
        rest.pop()
    return _rebuilt, (cls, _InBand(elements) if in_band else elements, *rest)


class _InBand:
    """Pickled as a plain array that is whole within the pickle."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __reduce__(self) -> Any:
        return self._array.__reduce__()


def _pickled(array: np.ndarray) -> np.ndarray:
    if array.dtype.itemsize == 0 and array.dtype.names is None:  # of which a copy is bigger
        made = np.empty(0)
        made.__setstate__((1, array.shape, array.dtype, False, b""))  # type: ignore[arg-type]
        return made
    return array.copy(order="K" if _is_dense(array) else "C")


def _is_dense(array: np.ndarray) -> bool:
    """Whether the elements lie in one piece, whatever the order of the axes."""
    axes = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    return plain_view(array, np.ndarray).transpose(axes).flags.c_contiguous


def copied(array: _F) -> _F:
    """Return ``copy.copy(array)``."""
    return _rebuilt(*_parts(array, _snapshot(array)))


def deeply_copied(array: _F, memo: dict[int, Any] | None) -> _F:
    """Return ``copy.deepcopy(array)``; the elements are copied under the lock."""
    if isinstance(array.dtype, np.dtypes.StringDType):  # deepcopy of NumPy before 2.2 crashes
        elements = _snapshot(array)
    else:
        elements = run(lambda array: copy.deepcopy(array, memo), (array,), {})
    cls, elements, objects, attributes, name = _parts(array, elements)
    return _rebuilt(cls, elements, objects, copy.deepcopy(attributes, memo), name)


def dump(array: Facade, file: Any) -> None:
    """Pickle `array` to a file or a path."""
    if hasattr(file, "write"):
        file.write(dumps(array))
    else:
        with open(os.fspath(file), "wb") as opened:
            opened.write(dumps(array))


def dumps(array: Any) -> bytes:
    """Return `array`, as it is at one moment, pickled."""
    with array.read():  # for elements, whose code runs
        return pickle.dumps(array, protocol=2)


def _snapshot(array: Facade) -> np.ndarray:
    return run(np.ndarray.copy, (array,), {"order": "K"})


def _parts(
    array: _F, elements: np.ndarray
) -> tuple[type[_F], np.ndarray, str, dict[str, Any], str | None]:
    """What `_rebuilt` is given for a twin of `array`, with the attributes that others gave it."""
    buffer = buffer_of(array)
    return type(array), elements, buffer.objects, attributes_of(array), buffer.name_of_copies


_OURS = frozenset({"_buffer", "_owner", "_may_write", "_earlier"})


def attributes_of(array: Facade) -> dict[str, Any]:
    """Return the attributes that others gave `array`, and may give it at this moment."""
    return {name: value for name, value in vars(array).copy().items() if name not in _OURS}


def _rebuilt(
    cls: type[_F],
    array: np.ndarray,
    objects: str,
    attributes: dict[str, Any],
    name: str | None = None,
) -> _F:
    owned = array if array.flags.owndata else array.copy(order="K")
    made = make_root(cls, owned, lock=None, objects=objects, name=name)
    if attributes:  # without any it needs no dict
        vars(made).update(attributes)
    return made


if not DEBUG:  # where each lock is told where it was made
    connect_copies(_rebuilt)
