"""Whether an argument is a temporary that nobody but the callee can reach.

The reference count tells, on CPython up to 3.13, if the call is one that the interpreter's own
bytecode makes: then the only reference to a temporary is the one on the caller's stack.  Callables
in C (`functools.partial`, `functools.reduce`, a sort key, ...) pass on arguments with the same
count that they keep.  So the instruction that the caller executes has to be a call, and what it
calls has to be the class itself, by a name or by an attribute of a module.

From 3.14 on calls borrow their caller's variables, and no count tells these from temporaries.  The
interpreter itself can tell, if it is asked from C: the native core does so where LockedArray, and
not a subclass, is called.  The portable core copies.

Where LockedArray itself is called with one argument alone, the native core does the same by itself.
"""

from __future__ import annotations

import dis
import functools
import sys
import weakref
from types import CodeType, FrameType, ModuleType
from typing import NamedTuple

from lockedarray._array.calls import call_at
from lockedarray._cores import connect_calls, is_temporary

__all__ = ["REFERENCES_OF_ONE", "is_unreachable"]


class _Probe:
    """Takes arguments in the same way as LockedArray, to count the references of a call."""

    count = 0

    def __new__(
        cls, obj: object, dtype: object = None, *, copy: object = None, order: str = "K",
        lock: object = None, objects: str = "exclusive", name: object = None,
    ) -> _Probe:  # fmt: skip
        cls.count = sys.getrefcount(obj)
        return object.__new__(cls)


def _calibrated() -> dict[bool, int]:
    """References to a temporary inside ``__new__``, by whether the call has keywords."""
    if sys.version_info >= (3, 14):
        return {}
    counts = {}
    named = bytearray(1)
    _Probe(bytearray(1))
    counts[False] = _Probe.count
    _Probe(bytearray(1), order="K")
    counts[True] = _Probe.count
    _Probe(named)
    if _Probe.count != counts[False] + 1:
        return {}
    _Probe(named, order="K")
    return counts if _Probe.count == counts[True] + 1 else {}


_REFERENCES = _calibrated()


def _count_one() -> int:
    one = bytearray(1)
    return sys.getrefcount(one)


REFERENCES_OF_ONE = _count_one()
"""What ``sys.getrefcount(variable)`` tells of what only that local variable refers to."""


def is_unreachable(cls: type, obj: object, references: int) -> bool:
    """Whether the argument of ``cls(obj, ...)`` is a temporary of the expression that calls.

    Parameters
    ----------
    cls : type
        The class whose ``__new__`` is our direct caller.
    obj : object
        Its argument.
    references : int
        What `sys.getrefcount` told of it first thing in ``__new__``.
    """
    if sys.version_info >= (3, 14):
        return is_temporary(obj) and not weakref.getweakrefcount(obj)
    if references not in _REFERENCES.values() or weakref.getweakrefcount(obj):
        return False
    try:
        frame = sys._getframe(2)
    except ValueError:  # called from C alone
        return False
    call = _called_at(frame.f_code, frame.f_lasti)
    if call is None:
        return False
    return references == _REFERENCES[call.has_keywords] and call.called(frame) is cls


class _Call(NamedTuple):
    """A call of what has a dotted name: a variable, or an attribute of modules."""

    has_keywords: bool
    is_of_global: bool  # the variable is
    names: tuple[str, ...]

    def called(self, frame: FrameType) -> object:
        """Return what the name means in `frame`."""
        first = self.names[0]
        value = frame.f_globals.get(first)
        if not self.is_of_global:  # a frame makes its dict of locals anew each time
            value = frame.f_locals.get(first, value)
        for attribute in self.names[1:]:
            value = value.__dict__.get(attribute) if isinstance(value, ModuleType) else None
        return value


@functools.lru_cache(maxsize=256)
def _called_at(code: CodeType, at: int) -> _Call | None:
    """Return the call at offset `at`.

    None where it is no call with a positional argument, or calls what has no dotted name.
    """
    call = call_at(code, at)
    if call is None or call.arguments <= len(call.keywords):
        return None
    instructions, above, keywords = call
    index = len(instructions)
    # Backwards over the arguments, to where the stack has none of them.
    while above > 0 and index > 0:
        index -= 1
        instruction = instructions[index]
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return None
        above -= dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
    names: list[str] = []
    for instruction in reversed(instructions[:index] if above == 0 else []):
        if instruction.opname == "PUSH_NULL":
            continue
        names.insert(0, str(instruction.argval))
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF"):
            return _Call(bool(keywords), instruction.opname == "LOAD_GLOBAL", tuple(names))
        if instruction.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
            break
    return None


if _REFERENCES:
    connect_calls(_called_at)
