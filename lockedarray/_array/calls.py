"""What call a frame is making, as far as its bytecode tells."""

from __future__ import annotations

import dis
import functools
from types import CodeType, FrameType
from typing import NamedTuple

import numpy as np

__all__ = ["Call", "asks_for_array", "call_at"]

_VARIABLES = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF")


class Call(NamedTuple):
    """A call that the interpreter makes by itself, with arguments of its own."""

    before: tuple[dis.Instruction, ...]  # all instructions before it, to that of its last argument
    arguments: int  # by position and by keyword together
    keywords: tuple[str, ...]  # the names of the last ones


def call_at(code: CodeType, at: int) -> Call | None:
    """Return the call at offset `at`; None where that is no call, or one that unpacks arguments."""
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    index = next((k for k, i in enumerate(instructions) if i.offset == at), -1)
    if index < 1 or instructions[index].opname not in ("CALL", "CALL_KW"):
        return None
    arguments = instructions[index].arg or 0
    names_are_on_stack = instructions[index].opname == "CALL_KW"  # 3.13
    if instructions[index - 1].opname == "PRECALL":  # 3.11
        index -= 1
    before = instructions[index - 1]
    keywords = ()
    if before.opname == "KW_NAMES":
        keywords = code.co_consts[before.arg or 0]
        index -= 1
    elif names_are_on_stack:
        if before.opname != "LOAD_CONST":
            return None
        keywords = before.argval
        index -= 1
    return Call(tuple(instructions[:index]), arguments, keywords)


def asks_for_array(frame: FrameType | None) -> bool:
    """Whether `frame` calls a ufunc with ``out=...``, which NumPy does not hand on to us.

    Since NumPy 2.3 that asks for an array where the result has no axes.  All that we are told is
    that there is no array to write to: an ``out`` in the call is the Ellipsis, then, or None.
    """
    if frame is None or not _NUMPY_HAS_IT or not _names_out(frame.f_code):
        return False
    values = _values_of_out(frame.f_code, frame.f_lasti)
    return any(
        value is ... or (type(value) is _Variable and value.of(frame) is ...) for value in values
    )


_NUMPY_HAS_IT = np.lib.NumpyVersion(np.__version__) >= "2.3.0"


class _Variable(NamedTuple):
    name: str

    def of(self, frame: FrameType) -> object:
        return frame.f_locals.get(self.name, frame.f_globals.get(self.name))


def _names_out(code: CodeType) -> bool:
    """Whether a call in `code` names an ``out``: such names are a tuple among its constants."""
    return any(type(constant) is tuple and "out" in constant for constant in code.co_consts)


@functools.lru_cache(maxsize=256)
def _values_of_out(code: CodeType, at: int) -> tuple[object, ...]:
    """Return what the argument ``out`` of a call may be: constants, and variables."""
    call = call_at(code, at)
    if call is None or "out" not in call.keywords:
        return ()
    end = len(call.before)
    for _ in call.keywords[call.keywords.index("out") + 1 :]:  # back over the arguments behind it
        wanted = 1
        while wanted > 0:
            end -= 1
            instruction = call.before[end]
            if end < 1 or instruction.is_jump_target or _jumps(instruction):
                return ()
            wanted -= dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
    last = [call.before[end - 1]]
    after = call.before[end].offset if end < len(call.before) else None
    for k in range(1, end):  # the other ends of ``... if condition else out``
        jump = call.before[k]
        if _jumps(jump) and "IF" not in jump.opname and jump.argval > jump.offset:
            if jump.argval == after or (after is None and jump.argval > last[0].offset):
                last.append(call.before[k - 1])
    return tuple(map(_value, last))


def _jumps(instruction: dis.Instruction) -> bool:
    return instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs


def _value(instruction: dis.Instruction) -> object:
    if instruction.opname == "LOAD_CONST":
        return instruction.argval
    return _Variable(str(instruction.argval)) if instruction.opname in _VARIABLES else None
