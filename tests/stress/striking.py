"""Ctrl-C at each bytecode of a statement, in the code of the library too: what is left held?

There are two ways to strike.  `SIGNAL`: the signal comes just before the k-th bytecode that looks for
signals, and is heard there, as it is for who presses Ctrl-C.  (Calls, jumps back and the beginnings of
functions look; a signal that comes before another bytecode is heard at the next one of these.)  `RAISE`:
the exception is raised at the k-th bytecode itself, whichever it is, where Python never runs a handler, but
a trace function (a debugger that is left) may raise.  So it strikes the statement alone: in the code of the
library it would strike inside each ``finally``, and no code in Python withstands that.
"""

from __future__ import annotations

import ctypes
import dis
import functools
import itertools
import queue
import signal
import sys
import threading
from dataclasses import dataclass

__all__ = ["RAISE", "SIGNAL", "Elsewhere", "Strike", "strikes"]

RAISE, SIGNAL = "raise", "signal"


@dataclass
class Strike:
    """The k-th strike: where the bytecode is, and whether the statement was ended by it."""

    number: int
    place: str
    struck: bool


class Elsewhere:
    """A thread that calls functions, one after the other; the caller waits for each."""

    def __init__(self):
        self._orders, self._answers = queue.SimpleQueue(), queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        while (order := self._orders.get()) is not None:
            try:
                order()
            except BaseException as error:
                self._answers.put(error)
            else:
                self._answers.put(None)

    def __call__(self, function, seconds=20):
        """Call `function` there; raise what it raises, or `queue.Empty` if it does not end."""
        self._orders.put(function)
        if (error := self._answers.get(timeout=seconds)) is not None:
            raise error

    def end(self):
        self._orders.put(None)
        self._thread.join(20)


# A trace function that is C: between it and the next bytecode Python does not look for signals.
_trip = ctypes.PyDLL(None).PyErr_SetInterrupt
_trip.argtypes = [ctypes.py_object] * 3  # which it does not look at
_trip.restype = None


@functools.cache
def _before_looks(code):
    """Return the offsets of the bytecodes after which one may come that looks for signals."""
    steps = list(dis.get_instructions(code))
    return {
        step.offset
        for step, following in itertools.pairwise(steps)
        if following.opname.startswith(("CALL", "JUMP", "SEND", "RESUME")) or "JUMP" in step.opname
    }


def _place(frame):
    code = frame.f_code
    file = "/".join(code.co_filename.split("/")[-3:])
    return f"{file}:{frame.f_lineno} {code.co_name} +{frame.f_lasti}"


def _strike(act, number, how):
    """Call `act`, and strike before the bytecode of that number, counted over all frames of this thread."""
    seen, place, armed = 0, "", True

    def trace(frame, event, _):
        nonlocal seen, place
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event != "opcode" or not armed or place:
            return trace
        if how == RAISE and frame.f_code.co_filename != act.__code__.co_filename:
            return trace
        if "/asyncio/" in frame.f_code.co_filename:  # a loop that is struck itself is not whole
            return trace
        if how == SIGNAL and frame.f_lasti not in _before_looks(frame.f_code):
            return trace
        seen += 1
        if seen != number:
            return trace
        place = _place(frame)
        if how == RAISE:
            raise KeyboardInterrupt
        return _trip  # at the next bytecode of this frame, and on until it is heard

    def heard(*_):
        nonlocal armed
        sys.settrace(None)
        if armed:
            armed = False
            raise KeyboardInterrupt

    before, struck = signal.signal(signal.SIGINT, heard), False
    try:
        try:
            sys.settrace(trace)
            act()
        finally:
            armed = armed and how == SIGNAL and bool(place)
            sys.settrace(None)
            armed = False
    except KeyboardInterrupt:
        struck = True
    finally:
        signal.signal(signal.SIGINT, before)
    return Strike(number, place, struck)


def strikes(arrange, how, step=1, first=1):
    """Strike a statement at each of its bytecodes; yield what `arrange` returned, and the `Strike`.

    `arrange` returns what it likes, with a method ``act``, and one to ``end`` it; it is asked anew each
    time.  With a step each `step`-th bytecode is struck.
    """
    arranged = arrange()
    _strike(arranged.act, 0, how)  # none: CPython 3.13 tells of bytecodes from the second time on
    arranged.end()
    number = first
    while True:
        arranged = arrange()
        strike = _strike(arranged.act, number, how)
        if not strike.place:
            arranged.end()
            return
        yield arranged, strike
        number += step
