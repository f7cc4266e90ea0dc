"""The shortest history without an order that is found, of a play that has one.

An operation cannot just be left out of a history: what it wrote may have been seen, and then the
rest is wrong although nothing is.  So there are three steps.  The *play* is made smaller: a caller
or a call is left out, and what is left is played again, some times, until there is a history without
an order again.  Which calls are left is then a matter of luck, but what is found is a history that
was really played.  Of that history everything *after the first moment* at which there is no order
any more is left out: what had begun and not ended by then may have happened, or not.
And at last those operations that *change nothing*, by the model, whatever the state: if a
history has an order, so it has without them.
"""

from __future__ import annotations

import dataclasses
import math
import time

from linearizability import UNKNOWN, Operation, find_order

__all__ = ["READS", "beginning", "shortest", "told", "without_reads"]

READS = frozenset(
    "get get_at get_slice get_list get_record read sum snapshot wait_for read_when".split()
)
"""The kinds of calls that change nothing, in any state."""


OVERLAPPING = "overlapping"
"""Under which is counted in how many histories there were operations at the same time."""


def shortest(again, play, history, model, state, seconds=20, tries=30):
    """Return the smallest play that is found, and its shortest history without an order.

    Parameters
    ----------
    again : callable
        ``again(play)`` plays, and returns the history.
    seconds : float
        After which no smaller play is looked for.
    tries : int
        How often a smaller play is played.
    """
    deadline = time.monotonic() + seconds
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for smaller in _smaller(play):
            for _ in range(tries):
                if time.monotonic() > deadline:
                    break
                played = again(smaller)
                if find_order(played, model, state) is None:
                    play, history, is_smaller = smaller, played, True
                    break
            if is_smaller:
                break
    return play, without_reads(beginning(history, model, state), model, state)


def _smaller(play):
    """Give each play that has a caller, or a call, less."""
    programs = play.programs
    for caller in range(len(programs)):
        rest = (*programs[:caller], *programs[caller + 1 :])
        yield from _playable(play, rest)
    for caller, calls in enumerate(programs):
        for number in range(len(calls) if len(calls) > 1 else 0):
            fewer = (*calls[:number], *calls[number + 1 :])
            yield from _playable(play, (*programs[:caller], fewer, *programs[caller + 1 :]))


def _playable(play, programs):
    if programs and play.scene.can_end(programs):
        yield dataclasses.replace(play, programs=programs)


def beginning(history, model, state):
    """Return what had begun at the first moment at which no order explains it any more."""
    for moment in sorted(operation.end for operation in history):
        part = [
            operation if operation.end <= moment else _not_ended(operation)
            for operation in history
            if operation.start <= moment
        ]
        if find_order(part, model, state) is None:
            return part
    return list(history)


def _not_ended(operation):
    return Operation(operation.caller, operation.call, UNKNOWN, operation.start, math.inf)


def without_reads(history, model, state):
    """Return the history without those that change nothing, as far as there is no order still."""
    for operation in list(history):
        if operation.call[0] in READS:
            rest = [other for other in history if other is not operation]
            if find_order(rest, model, state) is None:
                history = rest
    return history


def told(history):
    """Return a history as text: when each operation began and ended, in microseconds."""
    first = min(operation.start for operation in history)
    lines = []
    for operation in sorted(history, key=lambda operation: operation.start):
        start = (operation.start - first) / 1000
        end = "-" if operation.end == math.inf else f"{(operation.end - first) / 1000:.1f}"
        lines.append(
            f"  {start:9.1f} {end:>9}  {operation.caller}: {operation.call} -> {operation.result}"
        )
    return "\n".join(lines)
