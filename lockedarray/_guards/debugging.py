"""The debug mode, ``LOCKEDARRAY_DEBUG=1``: warnings of lines that are likely to be wrong.

It sees three things.

A *view of a raw view that outlives its guard*.  The raw views that guards lend have a base of their
own then, which views of them refer to; so it is counted, when the guard is released, how many live.

An *update that is lost*: an element is read, then changed by another thread, and then overwritten
in the same function, which knows nothing of the change.  The last elements that a thread has read
are known by their bytes.  When the thread stores to one of them, by ``x[i] = ...``, and the bytes
are others by now, then somebody else has changed it, as whatever the thread itself writes ends what
is known.  To store a constant is no update.

An ``x[i] += v`` that is *not one step*, since something stands between the statement and the array.
"""

from __future__ import annotations

import ctypes
import dis
import os
import sys
import threading
import warnings
import weakref
from types import CodeType, FrameType
from typing import Any

import numpy as np

from lockedarray._cores import ArrayBase, RegionLockBase, stores_augmented
from lockedarray._errors import DebugWarning
from lockedarray._guards.observing import add_observer, users_frame
from lockedarray._guards.watching import label_of

__all__ = ["enabled", "lent_apart", "outliving", "users_frame", "warn"]

enabled = os.environ.get("LOCKEDARRAY_DEBUG", "") not in ("", "0")

_MOST_READS = 64  # of a thread, the last ones
_MOST_BYTES = 256  # of an element


def warn(message: str, frame: FrameType | None) -> None:
    """Give a DebugWarning for the line that `frame` is at."""
    if frame is None:
        warnings.warn(message, DebugWarning, stacklevel=1)
        return
    names = frame.f_globals
    warnings.warn_explicit(
        message,
        DebugWarning,
        frame.f_code.co_filename,
        frame.f_lineno or 1,
        names.get("__name__") or "<unknown>",
        names.setdefault("__warningregistry__", {}),
    )


# -- views that outlive their guard ----------------------------------------------------------------

_bases: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()


def lent_apart(base: np.ndarray) -> np.ndarray:
    """Return a view of `base`, which nobody else has, whose own views can be counted."""
    raw = base.view(np.ndarray)
    _bases[id(raw)] = base
    return raw


def _references(raw: np.ndarray) -> int:
    return sys.getrefcount(raw.base)


_ALONE = _references(np.empty(1).view(np.ndarray))


def outliving(raws: list[tuple[ArrayBase, np.ndarray]]) -> int:
    """Return how many views there are of these raw views, not counting those of a resize."""
    count = 0
    for _, raw in raws:
        if _bases.get(id(raw)) is raw.base and raw.base is not None:
            count += max(_references(raw) - _ALONE, 0)
    return count


# -- updates that are lost -------------------------------------------------------------------------


class _Reads(threading.local):
    """The elements that a thread has read last: where in the program, and their bytes."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int, int], tuple[int, CodeType, bytes]] = {}


class _Watcher:
    """Sees updates that are lost, as an `Observer`."""

    def __init__(self) -> None:
        self._reads = _Reads()

    def taken(self, lock: Any, write: bool, key: int, subject: Any, low: int, high: int) -> None:
        """As `Observer` has it."""
        inside: list[FrameType] = []
        frame = users_frame(inside)
        if frame is None:
            return
        seen = self._reads.seen
        offset, code = frame.f_lasti, frame.f_code
        reads = _reads(code, offset)  # not by the lock: elements that are objects are read alone
        indexes = reads or (write and _stores(code, offset))
        element = _element(subject, low, high, inside) if indexes else None
        if element is None:  # a thread that reads or writes more knows what it does to its parts
            for known in [known for known in seen if known[0] == lock.serial]:
                seen.pop(known, None)
            return
        place = lock.serial, *element[:2]
        if reads:
            seen.pop(place, None)  # so that the last one is the last
            if len(seen) >= _MOST_READS:
                seen.pop(next(iter(seen)), None)
            seen[place] = id(frame), code, element[2]
            return
        known_read = seen.pop(place, None)
        augmented = _is_augmented(code, offset)
        if augmented and getattr(sys.modules["lockedarray"], "atomic_augmented_assignment", False):
            if not _is_recognised(inside):
                warn(
                    f"x[i] += v of {label_of(lock)} is not one step here, as something stands "
                    "between the statement and the array, such as a proxy, or a subclass with "
                    "its own indexing; write x.at[i] += v",
                    frame,
                )
            return
        if known_read is None or known_read[:2] != (id(frame), code):
            return
        if known_read[2] == element[2] or _stores_constant(code, offset):
            return
        what = "x[i] += v" if augmented else "x[i] = ..."
        warn(
            f"{what} of {label_of(lock)}: this thread has read the element, another thread has "
            "changed it, and that change is overwritten now; write x.at[i] += v, or hold x.write() "
            "from the read to the store",
            frame,
        )

    def waited(self, lock: RegionLockBase, write: bool, nanoseconds: int) -> None:
        """Nothing of interest."""

    def given(self, key: int) -> None:
        """Nothing of interest."""


_INDEXING = frozenset({"__getitem__", "__setitem__", "_general_getitem", "_general_setitem"})


def _element(
    subject: Any, low: int, high: int, inside: list[FrameType]
) -> tuple[int, int, bytes] | None:
    """Return first byte, number of bytes, and these, of what is indexed; None if that is more."""
    if inside[-1].f_code.co_name in _INDEXING:
        names = inside[-1].f_locals
        array, index = names.get("self"), names.get("index")
        if not isinstance(array, ArrayBase):
            return None
        shown = array.view(np.ndarray)
        try:
            part = shown[(*index, ...) if type(index) is tuple else (index, ...)]
        except (IndexError, TypeError, ValueError):
            return None
        if part.ndim or part.base is None or not 0 < part.nbytes <= _MOST_BYTES:
            return None
        return part.ctypes.data, part.nbytes, part.tobytes()
    if subject is None or isinstance(subject, ArrayBase) or not 0 < high - low <= _MOST_BYTES:
        return None
    start = subject.origin + low
    return start, high - low, ctypes.string_at(start, high - low)


# What the instructions of a code object do, by their offsets.
_codes: dict[CodeType, tuple[list[Any], dict[int, int]]] = {}


def _instructions(code: CodeType) -> tuple[list[Any], dict[int, int]]:
    known = _codes.get(code)
    if known is None:
        if len(_codes) > 1000:
            _codes.clear()
        found = list(dis.get_instructions(code))
        known = _codes[code] = found, {each.offset: i for i, each in enumerate(found)}
    return known


def _at(code: CodeType, offset: int) -> tuple[list[Any], int]:
    """Return the instructions, and the number of the one at `offset`."""
    found, numbers = _instructions(code)
    while offset > 0 and offset not in numbers:  # an entry of its cache: Python 3.11
        offset -= 2
    return found, numbers.get(offset, 0)


def _reads(code: CodeType, offset: int) -> bool:
    found, i = _at(code, offset)
    name = found[i].opname
    return name == "BINARY_SUBSCR" or (name == "BINARY_OP" and found[i].argrepr == "[]")


def _stores(code: CodeType, offset: int) -> bool:
    found, i = _at(code, offset)
    return bool(found[i].opname == "STORE_SUBSCR")


def _is_augmented(code: CodeType, offset: int) -> bool:
    """Whether a store is the end of ``x[i] += v``, or of another operator."""
    found, i = _at(code, offset)
    names = [each.opname for each in found[max(i - 3, 0) : i]]
    return names == ["BINARY_OP", "SWAP", "SWAP"] and found[i - 3].argrepr.endswith("=")


def _is_recognised(inside: list[FrameType]) -> bool:
    """Whether a store at the end of ``x[i] += v`` is one that compares what is there."""
    return stores_augmented() or any(
        each.f_code.co_qualname == "Augmented.assign" for each in inside
    )


def _stores_constant(code: CodeType, offset: int) -> bool:
    """Whether a store is of a constant, as in ``x[i] = 0``."""
    found, i = _at(code, offset)
    above = 0  # how many are on the stack above the value
    for each in reversed(found[max(i - 50, 0) : i]):
        if above == 2:
            return each.opname in ("LOAD_CONST", "LOAD_SMALL_INT")
        above += dis.stack_effect(each.opcode, each.arg, jump=False)
    return False


if enabled:
    add_observer(_Watcher())
