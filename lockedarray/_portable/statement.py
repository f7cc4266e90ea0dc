"""The statement ``x[i] op= v``, told from any other that reads ``x[i]``.

CPython compiles it to ``COPY 2, COPY 2, BINARY_SUBSCR`` (3.14: ``BINARY_OP []``), ``v``,
``BINARY_OP op=``, ``SWAP 3, SWAP 2, STORE_SUBSCR``, and nothing else to two ``COPY 2`` before a
subscript.  So the uppermost entries of the frame's stack are x, i, x, i.  They are looked for, too:
where C code stands between the statement and us (a defaultdict, a weak proxy), the container on the
stack is another one, and what is read goes to that C code.  See ``_core/guard/statement.c``.

The stack is read by ctypes; of a version of Python whose frames are not known here, no statement is
recognised.
"""

from __future__ import annotations

import ctypes
import dis
import sys
from types import CodeType, FrameType

__all__ = ["augments", "ends_augmented", "stores_augmented"]

_WORD = ctypes.sizeof(ctypes.c_void_p)
_VERSION = sys.version_info[:2]
_KNOWN = sys.implementation.name == "cpython" and (3, 11) <= _VERSION < (3, 15) and _WORD == 8

_COPIES = bytes([dis.opmap["COPY"], 2] * 2) if "COPY" in dis.opmap else b""
_COPIES_OF_SLICE = bytes([dis.opmap["COPY"], 3] * 3) if "BINARY_SLICE" in dis.opmap else None
_SWAPS = bytes([dis.opmap["SWAP"], 3, dis.opmap["SWAP"], 2]) if "SWAP" in dis.opmap else b""

_FRAME = object.__basicsize__ + _WORD  # in a frame object, where it points to the interpreter's
_CODE = (4 if _VERSION == (3, 11) else 0) * _WORD  # in that one
_TOP = 8 * _WORD  # the number of entries, locals included, while it calls; 3.14: their end
_LOCALS = (10 if _VERSION >= (3, 14) else 9) * _WORD
_TAGS = 3 if _VERSION >= (3, 14) else 0  # of an entry: who counts the reference


def augments(container: object, index: object) -> bool:
    """Whether the calling method was called by ``container[index] op= v``, for the value."""
    frame = sys._getframe(2)
    code = frame.f_code
    bytecode = code.co_code
    at = frame.f_lasti
    while bytecode[at] == 0 and at > 0:  # 3.11 and 3.12 stand at the last cache of what calls
        at -= 2
    if not _KNOWN:
        return False
    if bytecode[at - 4 : at] == _COPIES:
        return _stack_has(frame, code, id(container), id(index))
    if isinstance(index, slice) and bytecode[at - 6 : at] == _COPIES_OF_SLICE:
        return _stack_has_slice(frame, code, id(container), index)
    return False


def ends_augmented() -> bool:
    """Whether the calling method was called by the assignment of ``... op= ...``."""
    frame = sys._getframe(2)
    at = frame.f_lasti
    return _KNOWN and frame.f_code.co_code[at - 4 : at] == _SWAPS


def stores_augmented() -> bool:
    """Whether this core itself ends such a statement now; here it leaves that to Python code."""
    return False


def _entries(frame: FrameType, code: CodeType) -> tuple[list[int], bool]:
    """Return what is on the stack, and whether that is known to be all."""
    inner = ctypes.c_size_t.from_address(id(frame) + _FRAME).value
    if ctypes.c_size_t.from_address(inner + _CODE).value & ~_TAGS != id(code):
        return [], True
    names = len({*code.co_varnames, *code.co_cellvars}) + len(code.co_freevars)
    base = inner + _LOCALS + names * _WORD
    if _VERSION >= (3, 14):
        count = (ctypes.c_size_t.from_address(inner + _TOP).value - base) // _WORD
    else:
        count = ctypes.c_int.from_address(inner + _TOP).value - names
    is_known = 0 <= count <= code.co_stacksize
    entries = [
        (entry or 0) & ~_TAGS
        for entry in (ctypes.c_void_p * (count if is_known else code.co_stacksize)).from_address(
            base
        )
    ]
    return entries, is_known


def _is_not_indexed(address: int) -> bool:
    # Iterators of a loop, and exceptions, which are below what is indexed.
    return not hasattr(type(ctypes.cast(address, ctypes.py_object).value), "__getitem__")


def _stack_has(frame: FrameType, code: CodeType, container: int, index: int) -> bool:
    entries, is_known = _entries(frame, code)
    if is_known:  # a call by the instruction has taken the other two with it
        return entries[-2:] == [container, index]
    # Nobody knows here where the stack ends: but below these four there are none like them.
    for i in range(len(entries) - 3):
        first, second = entries[i : i + 2]
        if first and entries[i + 2 : i + 4] == [first, second]:
            if (first, second) == (container, index):
                return True
            if first != second and not _is_not_indexed(first):
                return False
    return False


def _stack_has_slice(frame: FrameType, code: CodeType, container: int, index: slice) -> bool:
    entries, is_known = _entries(frame, code)
    parts = [container, id(index.start), id(index.stop)]
    if is_known:  # it has made the slice of the other two
        return entries[-4:] == [*parts, container]
    for i in range(len(entries) - 5):
        if entries[i] and entries[i : i + 3] == entries[i + 3 : i + 6]:
            if entries[i] == container:
                return entries[i : i + 3] == parts
            if not _is_not_indexed(entries[i]):
                return False
    return False
