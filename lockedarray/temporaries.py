"""Whether an argument is a temporary that nobody but the callee can reach."""

from __future__ import annotations

import dis
import sys
from types import FrameType

__all__ = ["is_unreachable"]


class _Probe:
    """Takes arguments in the same way as LockedArray, to count the references of a call."""

    count = 0

    def __new__(
        cls, obj: object, dtype: object = None, *, copy: object = None, order: str = "K",
        lock: object = None, objects: str = "exclusive",
    ) -> _Probe:  # fmt: skip
        cls.count = sys.getrefcount(obj)
        return object.__new__(cls)


def _calibrated() -> int:
    """References to a temporary inside ``__new__``; 0 where a variable has no more of them."""
    _Probe(bytearray(1))
    temporary = _Probe.count
    named = bytearray(1)
    _Probe(named)
    return temporary if _Probe.count == temporary + 1 else 0


# From 3.14 on a call borrows its caller's variables, and no count tells them from a temporary.
_REFERENCES = _calibrated() if sys.version_info < (3, 14) else 0


def is_unreachable(references: int, caller: FrameType) -> bool:
    """Whether an argument with so many `references` is a temporary of the calling expression.

    The caller must be executing a plain call with a positional argument: callables in C that
    keep their arguments, such as `functools.partial`, would show the same count.
    """
    if references != _REFERENCES:
        return False
    code = caller.f_code.co_code
    at = caller.f_lasti
    name = dis.opname[code[at]]
    if name == "CALL_KW":
        return code[at + 1] > 1
    return name == "CALL" and code[at + 1] > 0
