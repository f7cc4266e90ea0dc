"""``x.ctypes``: the shape and the strides for C, and no pointer to write by past the lock."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from lockedarray._array.facade import Facade
from lockedarray._array.memory import plain_view

__all__ = ["Pointers"]


class Pointers:
    """What ``x.ctypes`` is of a LockedArray, with the interface of `numpy.ndarray.ctypes`.

    C code that has the address of an array writes to it whatever its flags say.  So what would tell
    the address raises ValueError; the raw view of a guard has one.
    """

    __slots__ = ("_array",)

    def __init__(self, array: Facade) -> None:
        self._array = array

    @property
    def shape(self) -> Any:
        """The lengths of the axes, as an array of ctypes."""
        return plain_view(self._array, np.ndarray).ctypes.shape

    @property
    def strides(self) -> Any:
        """The strides in bytes, as an array of ctypes."""
        return plain_view(self._array, np.ndarray).ctypes.strides

    def shape_as(self, obj: Any) -> Any:
        """Return the lengths of the axes as an array of a ctypes type."""
        return plain_view(self._array, np.ndarray).ctypes.shape_as(obj)

    def strides_as(self, obj: Any) -> Any:
        """Return the strides in bytes as an array of a ctypes type."""
        return plain_view(self._array, np.ndarray).ctypes.strides_as(obj)

    @property
    def data(self) -> NoReturn:
        """Refused: ValueError."""
        _refuse()

    def data_as(self, _obj: Any) -> NoReturn:
        """Refused: ValueError."""
        _refuse()

    @property
    def _as_parameter_(self) -> NoReturn:
        _refuse()

    def __getattr__(self, name: str) -> Any:
        numpys = plain_view(self._array, np.ndarray).ctypes
        if name in ("get_shape", "get_strides"):  # as NumPy once named them
            return getattr(numpys, name)
        if hasattr(numpys, name):
            _refuse()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _refuse() -> NoReturn:
    raise ValueError(
        "a LockedArray is read-only outside of its guards, and has no pointer for C code: "
        "write 'with x.write() as raw: f(raw.ctypes)', or for a function that only reads "
        "'with x.read() as raw: f(raw.ctypes)' or f(x.snapshot().ctypes)"
    )
