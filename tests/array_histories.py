"""Histories of operations on one array, for the checker of linearizability: a model, and random ones."""

from __future__ import annotations

import random
import time

import numpy as np

from linearizability import Operation

__all__ = ["contents", "model", "new_state", "perform", "play", "program"]

LENGTH = 4


def new_state(length=LENGTH):
    """What the model has at first: a number for each element, or for each row."""
    return (0,) * length


def model(state, call):
    """Return what `call` returns where all are alone, and the state that it leaves."""
    kind, *rest = call
    cells = list(state)
    match kind, rest:
        case "get", [i]:
            return state[i], state
        case "get_slice", [a, b]:
            return state[a:b], state
        case "snapshot", []:
            return state, state
        case "set", [i, value]:
            cells[i] = value
        case "set_slice", [a, b, value]:
            cells[a:b] = [value] * (b - a)
        case "add", [i, value]:
            cells[i] += value
        case "add_slice", [a, b, value]:
            cells[a:b] = [cell + value for cell in cells[a:b]]
        case "add_list", [indices, value]:
            for i in indices:
                cells[i] += value
        case "exchange", [i, value]:
            cells[i] = value
            return state[i], tuple(cells)
        case "compare_exchange", [i, expected, value]:
            if state[i] == expected:
                cells[i] = value
            return (state[i] == expected, state[i]), tuple(cells)
        case "append", [value]:
            return len(state), (*state, value)
    return None, tuple(cells)


def contents(rows):
    """Return a number for each row whose elements are equal, and all of them where they are not."""
    rows = np.asarray(rows)
    if rows.ndim == 1:
        return tuple(rows.tolist())
    return tuple(row[0] if len(set(row)) == 1 else tuple(row) for row in rows.tolist())


def perform(x, call):
    """Do `call` to a LockedArray, of one axis or of rows, and return what the model should."""
    kind, *rest = call
    match kind, rest:
        case "get", [i]:
            return int(x[i]) if x.ndim == 1 else contents(_copied(x[i : i + 1]))[0]
        case "get_slice", [a, b]:
            return contents(_copied(x[a:b]))
        case "snapshot", []:
            return contents(x.snapshot())
        case "set", [i, value]:
            x[i] = value
        case "set_slice", [a, b, value]:
            x[a:b] = value
        case "add", [i, value]:
            x[i] += value
        case "add_slice", [a, b, value]:
            x[a:b] += value
        case "add_list", [indices, value]:
            x[indices] += value
        case "exchange", [i, value]:
            return int(x.at[i].exchange(value))
        case "compare_exchange", [i, expected, value]:
            swapped, old = x.at[i].compare_exchange(expected, value)
            return bool(swapped), int(old)
        case "append", [value]:
            return int(x.append(value if x.ndim == 1 else np.full(x.shape[1:], value)))
    return None


def _copied(rows):
    """Return a copy of a view; what comes from another machine is one."""
    return rows.snapshot() if hasattr(rows, "snapshot") else rows


OF_ELEMENTS = ["get", "set", "add", "exchange", "compare_exchange"]
OF_ALL = [
    "get",
    "set",
    "add",
    "get_slice",
    "set_slice",
    "add_slice",
    "add_list",
    "snapshot",
    "append",
]


def program(seed, count, kinds):
    """Return that many random calls; no two of all programs of seeds below 1000 write one value."""
    source = random.Random(seed)
    calls = []
    for number in range(count):
        kind = source.choice(kinds)
        value = seed + 1000 * (number + 1)
        i = source.randrange(LENGTH)
        a = source.randrange(LENGTH - 1)
        b = source.randrange(a + 1, LENGTH + 1)
        rest = {
            "get": (i,),
            "set": (i, value),
            "add": (i, value),
            "get_slice": (a, b),
            "set_slice": (a, b, value),
            "add_slice": (a, b, value),
            "add_list": (sorted(source.sample(range(LENGTH), 2)), value),
            "snapshot": (),
            "exchange": (i, value),
            "compare_exchange": (i, None, value),
            "append": (value,),
        }[kind]
        calls.append((kind, *rest))
    return calls


def play(
    x,
    caller,
    calls,
    begin=lambda call, start: None,
    ended=lambda operation: None,
    perform=perform,
):
    """Do the calls, one after the other, and return the operations with their times.

    What ``compare_exchange`` expects is what this caller has last seen or written there.  `begin`
    is told of a call before it is made, and `ended` of the operation after it.  `perform` does it.
    """
    seen = list(new_state())
    history = []
    for call in calls:
        if call[0] == "compare_exchange":
            call = (call[0], call[1], seen[call[1]], call[3])
        start = time.monotonic_ns()
        begin(call, start)
        result = perform(x, call)
        operation = Operation(caller, call, result, start, time.monotonic_ns())
        ended(operation)
        history.append(operation)
        match call:
            case "get", i:
                seen[i] = result
            case "set" | "exchange", i, value:
                seen[i] = value
            case "compare_exchange", i, _, value:
                seen[i] = value if result[0] else result[1]
    return history
