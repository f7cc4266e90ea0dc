"""Whether a history of operations that overlapped is one that they could have had one after the other.

The algorithm is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993) with Lowe's
memory of what was tried (Testing for Linearizability, 2017): the operations are put into an order
one by one, each at a place between its start and its end, and a sequential model is asked for the
result; where none is left that could be the next, the last one is taken back.  A set of operations
that left the model in a state that was seen after the same set before is not tried twice.

Nothing here knows what the operations are, nor who calls them: threads, processes or machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["UNKNOWN", "Operation", "check", "explain", "find_order", "overlap"]

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda _: "?"})()
"""The result of an operation of which nobody knows how it ended: its caller was killed."""


class Operation(NamedTuple):
    """What one caller did, and when.

    One whose caller was killed has ``end=math.inf`` and ``result=UNKNOWN``: it may have happened
    at any time after its start, or never.
    """

    caller: Hashable
    call: Any
    result: Any
    start: float
    end: float = math.inf


Model = Callable[[Any, Any], tuple[Any, Hashable]]
"""What ``call`` does in ``state``, without others: the result, and the state that it leaves."""


def find_order(
    history: Iterable[Operation], model: Model, state: Hashable
) -> list[Operation] | None:
    """Return the operations in an order that explains them all, or None if there is none.

    Parameters
    ----------
    history : iterable of Operation
        In any order.  Two operations overlap unless one ends before the other starts.
    model : callable
        Given a state and a call it returns the result and the next state, which are compared by
        ``==``; states are hashable.
    state : hashable
        What is there at the beginning.
    """
    return _search(history, model, state)[0]


def explain(history: Iterable[Operation], model: Model, state: Hashable) -> str | None:
    """Return why there is no such order, or None if there is one.

    It has the longest order that was found, the state that it leads to, and what could not follow.
    """
    order, longest, left = _search(history, model, state)
    if order is not None:
        return None
    lines = ["no order explains this history; the longest that was found:"]
    for operation in longest:
        result, state = model(state, operation.call)
        lines.append(f"    {operation.caller}: {operation.call} -> {operation.result}")
    lines.append(f"leads to {state}, and then none of these can follow:")
    for operation in left:
        result, _ = model(state, operation.call)
        lines.append(
            f"    {operation.caller}: {operation.call} -> {operation.result}, not {result}"
        )
    return "\n".join(lines)


def check(history: Iterable[Operation], model: Model, state: Hashable) -> None:
    """Fail with an explanation if no order explains the history."""
    history = list(history)
    problem = explain(history, model, state)
    assert problem is None, problem


def overlap(history: Iterable[Operation]) -> bool:
    """Whether any operation began before another one, that had begun earlier, had ended."""
    latest = -math.inf
    for operation in sorted(history, key=lambda operation: operation.start):
        if operation.start < latest:
            return True
        latest = max(latest, operation.end)
    return False


class _Event:
    """The start of an operation, or its end, in a list from which both can be taken, and put back."""

    __slots__ = ("end", "next", "number", "operation", "previous")

    def __init__(self, operation: Operation, number: int, end: _Event | None) -> None:
        self.operation, self.number, self.end = operation, number, end
        self.previous: _Event | None = None
        self.next: _Event | None = None

    def take_out(self) -> None:
        self.previous.next = self.next
        if self.next is not None:
            self.next.previous = self.previous

    def put_back(self) -> None:
        self.previous.next = self
        if self.next is not None:
            self.next.previous = self


def _listed(history: Sequence[Operation]) -> _Event:
    """Return the head of the list of all events, in the order of their times."""
    events = []
    for number, operation in enumerate(history):
        assert operation.start <= operation.end, operation
        end = _Event(operation, number, None)
        # What ends as another starts may come after it: starts are in front.
        events.append((operation.start, 0, number, _Event(operation, number, end)))
        events.append((operation.end, 1, number, end))
    events.sort(key=lambda event: event[:3])
    head = last = _Event(Operation(None, None, None, 0), -1, None)
    for *_, event in events:
        last.next, event.previous = event, last
        last = event
    return head


def _search(
    history: Iterable[Operation], model: Model, state: Hashable
) -> tuple[list[Operation] | None, list[Operation], list[Operation]]:
    """Return an order or None; the longest one; and what could have been next after that."""
    history = list(history)
    head = _listed(history)
    wanted = sum(operation.end != math.inf for operation in history)
    seen: set[tuple[int, Hashable]] = set()
    taken: list[tuple[_Event, Hashable]] = []  # with the state before
    done, ended = 0, 0  # which are taken, as bits; how many of those that have to be
    longest: list[Operation] = []
    left: list[Operation] = []
    event = head.next
    while ended < wanted:
        if event is not None and event.end is not None:  # a start: it could be the next
            operation = event.operation
            result, after = model(state, operation.call)
            is_right = operation.result is UNKNOWN or bool(result == operation.result)
            if is_right and (done | 1 << event.number, after) not in seen:
                done |= 1 << event.number
                seen.add((done, after))
                taken.append((event, state))
                state = after
                ended += operation.end != math.inf
                event.take_out()
                event.end.take_out()
                event = head.next
            else:
                event = event.next
            continue
        # The end of an operation that is not in the order yet: those behind it start too late.
        if not left or len(taken) > len(longest):
            longest = [earlier.operation for earlier, _ in taken]
            left = _starts(head)
        if not taken:
            return None, longest, left
        event, state = taken.pop()
        done &= ~(1 << event.number)
        ended -= event.operation.end != math.inf
        event.end.put_back()
        event.put_back()
        event = event.next
    return [earlier.operation for earlier, _ in taken], [], []


def _starts(head: _Event) -> list[Operation]:
    starts = []
    event = head.next
    while event is not None and event.end is not None:
        starts.append(event.operation)
        event = event.next
    return starts
