"""``x.flags``: NumPy's flags of an array, told of the array that the user sees."""

from __future__ import annotations

from typing import Any

from lockedarray._cores import FlagsBase

__all__ = ["Flags"]

_OWNDATA = 0x4  # NPY_ARRAY_OWNDATA


class Flags(FlagsBase):
    """The flags of a LockedArray, with the interface of `numpy.ndarray.flags`.

    They are what NumPy's C code sees, except that ``owndata`` is True of an array that owns its
    Buffer.  ``writeable`` is False: nothing but the locked operations writes.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    @property
    def owndata(self) -> bool:
        """Whether the memory is the array's own, neither a view's nor the caller's."""
        buffer = self._array._buffer
        if buffer is None:
            return bool(self._flags.owndata)
        return self._array._owner is None and not buffer.foreign

    @property
    def num(self) -> int:
        """The flags as one number."""
        return int(self._flags.num) | (_OWNDATA if self.owndata else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flags, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._flags, name, value)

    def _general_getitem(self, key: Any) -> Any:
        return self.owndata if key in ("O", "OWNDATA") else self._flags[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._flags[key] = value

    def __dir__(self) -> list[str]:
        return dir(self._flags)

    def __eq__(self, other: object) -> Any:
        num = getattr(other, "num", None)
        return self.num == num if num is not None else NotImplemented

    def __repr__(self) -> str:
        return repr(self._flags).replace(
            f"OWNDATA : {self._flags.owndata}", f"OWNDATA : {self.owndata}"
        )
