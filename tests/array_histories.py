"""Histories of operations on arrays, for the checker of linearizability: a model, and random ones.

The state of the model is a number for each *cell*: an element, a row, a column, or a row of a field.
`Cells` knows where in which array each cell is, and does the calls. Several arrays of a
length are the cells of the first, then those of the second, and so on.
"""

from __future__ import annotations

import random
import time

import numpy as np

import lockedarray as la
from linearizability import Operation

__all__ = [
    "ARGUMENTS",
    "LENGTH",
    "NEVER",
    "OF_ALL",
    "OF_ELEMENTS",
    "Cells",
    "arguments",
    "contents",
    "model",
    "new_state",
    "perform",
    "play",
    "program",
]

LENGTH = 4

PATIENCE = 60
"""Seconds after which whoever waits for a change has missed it."""

NEVER = type("Never", (), {"__repr__": lambda _: "(has to wait)"})()
"""What the model returns for a call that cannot happen in this state: equal to no result."""

NO_SUCH = "IndexError"
"""The result of a call whose index is beyond the end."""


def new_state(length=LENGTH):
    """What the model has at first: a number for each cell."""
    return (0,) * length


# What each kind of call does where all are alone: of the state, its result and the state after it.

_MEANINGS = {}


def model(state, call):
    """Return what `call` returns where all are alone, and the state that it leaves."""
    return _MEANINGS[call[0]](state, *call[1:])


def means(*kinds):
    """Enter what these kinds of calls mean."""

    def enter(meaning):
        _MEANINGS.update(dict.fromkeys(kinds, meaning))
        return meaning

    return enter


def _with(state, changes):
    """Return the state with some cells changed; None where there is no such cell."""
    cells = list(state)
    for i, value in changes:
        if i >= len(cells):
            return None
        cells[i] = value
    return tuple(cells)


@means("get", "get_at")
def _get(state, i):
    return (state[i] if i < len(state) else NO_SUCH), state


@means("get_slice", "read")
def _get_slice(state, a, b):
    return state[a:b], state


@means("get_list", "get_record")
def _get_list(state, indices):
    if max(indices) >= len(state):
        return NO_SUCH, state
    return tuple(state[i] for i in indices), state


@means("sum")
def _sum(state, a, b):
    return sum(state[a:b]), state


@means("snapshot")
def _snapshot(state):
    return state, state


@means("set", "set_at")
def _set(state, i, value):
    after = _with(state, [(i, value)])
    return (NO_SUCH, state) if after is None else (None, after)


@means("set_slice", "fill", "copyto_value")
def _set_slice(state, a, b, value):
    return None, (*state[:a], *(value for _ in state[a:b]), *state[b:])


@means("set_list", "set_mask", "set_record")
def _set_list(state, indices, value):
    after = _with(state, [(i, value) for i in indices])
    return (NO_SUCH, state) if after is None else (None, after)


@means("add")
def _add(state, i, value):
    if i >= len(state):
        return NO_SUCH, state
    return None, _with(state, [(i, state[i] + value)])


@means("add_at")
def _add_at(state, i, value):
    if i >= len(state):
        return NO_SUCH, state
    return state[i] + value, _with(state, [(i, state[i] + value)])


@means("add_slice", "add_all", "add_out")
def _add_slice(state, a, b, value):
    return None, (*state[:a], *(cell + value for cell in state[a:b]), *state[b:])


@means("guard")
def _guard(state, a, b, value):
    return state[a:b], _add_slice(state, a, b, value)[1]


@means("add_list", "add_mask")
def _add_list(state, indices, value):
    if max(indices) >= len(state):
        return NO_SUCH, state
    return None, _with(state, [(i, state[i] + value) for i in set(indices)])


@means("add_twice")
def _add_twice(state, i, j, value):
    if max(i, j) >= len(state):
        return NO_SUCH, state
    _, state = _add(state, i, 2 * value)
    return _add(state, j, value)


@means("exchange")
def _exchange(state, i, value):
    if i >= len(state):
        return NO_SUCH, state
    return state[i], _with(state, [(i, value)])


@means("compare_exchange")
def _compare_exchange(state, i, expected, value):
    if i >= len(state):
        return NO_SUCH, state
    is_same = state[i] == expected
    return (is_same, state[i]), (_with(state, [(i, value)]) if is_same else state)


@means("copy", "copyto")
def _copy(state, a, b, c):
    return None, (*state[:c], *state[a:b], *state[c + b - a :])


@means("sum_out")
def _sum_out(state, a, b, c, count):
    sums = (state[a + i] + state[b + i] for i in range(count))
    return None, (*state[:c], *sums, *state[c + count :])


@means("swap")
def _swap(state, i, j):
    return (state[i], state[j]), _with(state, [(i, state[j]), (j, state[i])])


@means("move")
def _move(state, i, j, value):
    return state[i], _with(state, [(i, state[i] - value), (j, state[j] + value)])


@means("derive")
def _derive(state, i, j, value):
    return state[i], _with(state, [(j, state[i] + value)])


@means("sort")
def _sort(state, a, b):
    return None, (*state[:a], *sorted(state[a:b]), *state[b:])


@means("append")
def _append(state, value):
    return len(state), (*state, value)


@means("append_rows")
def _append_rows(state, value):
    return len(state), (*state, value, value)


@means("popleft")
def _popleft(state, count):
    if count > len(state):
        return NO_SUCH, state
    return state[:count], state[count:]


@means("resize")
def _resize(state, length):
    return None, (*state[:length], *new_state(length - len(state)))


@means("assign")
def _assign(state, length, value):
    return None, (value,) * length


# Cell 0 counts what there is to take, and cell 1 all that was ever given.


@means("give")
def _give(state):
    return None, _with(state, [(0, state[0] + 1), (1, state[1] + 1)])


@means("take", "acquire_when")
def _take(state):
    if not state[0]:
        return NEVER, state
    return state[0], _with(state, [(0, state[0] - 1)])


@means("wait_for", "read_when")
def _wait_for(state):
    return (state if state[1] else NEVER), state


def contents(rows):
    """Return a number for each row whose elements are equal, and all of them where they are not."""
    rows = np.asarray(rows)
    if rows.ndim == 1:
        return tuple(rows.tolist())
    if (rows == rows[:, :1]).all():
        return tuple(rows[:, 0].tolist())
    return tuple(row[0] if len(set(row)) == 1 else tuple(row) for row in rows.tolist())


def _copied(rows):
    """Return a copy of a view; what comes from another machine is one."""
    return rows.snapshot() if hasattr(rows, "snapshot") else rows


def let_others_in():
    """Give the others their turn, in the middle of a block that is one step."""
    time.sleep(0)


class Cells:
    """Where in which array each cell is, and each kind of call done to them.

    Parameters
    ----------
    arrays : LockedArrays
        Of one axis, or of two: then a cell is a row.
    length : int, optional
        How many cells each array has; None: there is one array, which may grow.
    columns : bool
        Whether a cell is a column instead.
    records : LockedArray, optional
        That of which `arrays` are the fields.
    """

    def __init__(self, *arrays, length=None, columns=False, records=None):
        self.arrays = arrays
        self.length = length
        self.columns = columns
        self.records = records
        self.are_wide = arrays[0].ndim > 1
        self._order = (slice(None),) if columns else ()

    def perform(self, call):
        """Do `call`, and return what the model should."""
        try:
            return getattr(self, call[0])(*call[1:])
        except IndexError:
            return NO_SUCH

    # Where a cell is, and what is there.

    def _index(self, index):
        return (*self._order, index) if self.columns else index

    def _array(self, i):
        """Return the array of a cell, and where it is in there."""
        if self.length is None:
            return self.arrays[0], i
        number, i = divmod(i, self.length)
        return self.arrays[number], i

    def _cell(self, i):
        array, i = self._array(i)
        return array, self._index(i)

    def _span(self, a, b):
        array, start = self._array(a)
        return array, self._index(slice(start, start + b - a))

    def _part(self, a, b):
        array, index = self._span(a, b)
        return array[index]

    def _list(self, indices):
        array, first = self._array(indices[0])
        return array, self._index([i - indices[0] + first for i in indices])

    def _mask(self, indices):
        array, first = self._array(indices[0])
        mask = np.zeros(len(array.T if self.columns else array), bool)
        mask[[i - indices[0] + first for i in indices]] = True
        return array, self._index(mask)

    def _cells(self, rows):
        """Return the numbers of a raw view or copy of cells."""
        return contents(rows.T if self.columns else rows)

    def _one(self, cell):
        """Return the number of a copy of one cell."""
        return contents(cell[None])[0] if self.are_wide else int(cell)

    def _like(self, values):
        """Return what stands for a number, or for several, where nothing is broadcast."""
        width = self.arrays[0].shape[1:]
        values = np.asarray(values)
        return np.broadcast_to(
            values.reshape(values.shape + (1,) * len(width)), values.shape + width
        )

    # What reads.

    def get(self, i):
        if self.are_wide:
            return self.get_slice(i, i + 1)[0]
        array, index = self._cell(i)
        return int(array[index])

    def get_at(self, i):
        array, index = self._cell(i)
        return self._one(array.at[index].get())

    def get_slice(self, a, b):
        return self._cells(_copied(self._part(a, b)))

    def get_list(self, indices):
        array, index = self._list(indices)
        return self._cells(array[index])

    def get_record(self, indices):
        return tuple(self._one(np.asarray(field)) for field in self.records[indices[0]].item())

    def read(self, a, b):
        with self._part(a, b).read() as raw:
            first = self._cells(raw)
            let_others_in()
            again = self._cells(raw)
        return first if first == again else (first, again)

    def sum(self, a, b):
        total = int(self._part(a, b).sum())
        width = self.arrays[0].size // self.length if self.are_wide else 1
        return total // width if total % width == 0 else total / width

    def snapshot(self):
        if self.records is not None:
            copy = self.records.snapshot()
            return tuple(x for name in copy.dtype.names for x in self._cells(copy[name]))
        if len(self.arrays) == 1:
            return self._cells(self.arrays[0].snapshot())
        with la.acquire(read=self.arrays) as raws:
            cells = []
            for raw in raws:
                cells += self._cells(raw)
                let_others_in()
            return tuple(cells)

    # What writes.

    def set(self, i, value):
        array, index = self._cell(i)
        array[index] = value

    def set_at(self, i, value):
        array, index = self._cell(i)
        array.at[index].set(value)

    def set_slice(self, a, b, value):
        array, index = self._span(a, b)
        array[index] = value

    def fill(self, a, b, value):
        self._part(a, b).fill(value)

    def copyto_value(self, a, b, value):
        np.copyto(self._part(a, b), value)

    def set_list(self, indices, value):
        array, index = self._list(indices)
        array[index] = value

    def set_mask(self, indices, value):
        array, index = self._mask(indices)
        array[index] = value

    def set_record(self, indices, value):
        self.records[indices[0]] = (value,) * len(indices)

    def add(self, i, value):
        array, index = self._cell(i)
        array[index] += value

    def add_at(self, i, value):
        array, index = self._cell(i)
        return self._one(array.at[index].add(value))

    def add_slice(self, a, b, value):
        array, index = self._span(a, b)
        array[index] += value

    def add_all(self, a, b, value):
        if self.records is not None:
            self.records[self.records.dtype.names[a // self.length]] += value
            return
        array, _ = self._array(a)
        array += value

    def add_out(self, a, b, value):
        part = self._part(a, b)
        np.add(part, value, out=part)

    def guard(self, a, b, value):
        with self._part(a, b).write() as raw:
            before = self._cells(raw)
            raw += 2 * value
            let_others_in()
            raw -= value
        return before

    def add_list(self, indices, value):
        array, index = self._list(indices)
        array[index] += value

    def add_mask(self, indices, value):
        array, index = self._mask(indices)
        array[index] += value

    def add_twice(self, i, j, value):
        array, index = self._list([i, i, j])
        np.add.at(array, index, value)

    def exchange(self, i, value):
        array, index = self._cell(i)
        return self._one(array.at[index].exchange(value))

    def compare_exchange(self, i, expected, value):
        array, index = self._cell(i)
        swapped, old = array.at[index].compare_exchange(expected, value)
        return (contents(swapped[None])[0] if self.are_wide else bool(swapped)), self._one(old)

    def sort(self, a, b):
        self._array(a)[0].sort(axis=-1 if self.columns else 0)

    # Several places, or several arrays, at once.

    def copy(self, a, b, c):
        array, index = self._span(c, c + b - a)
        array[index] = self._part(a, b)

    def copyto(self, a, b, c):
        np.copyto(self._part(c, c + b - a), self._part(a, b))

    def sum_out(self, a, b, c, count):
        parts = (self._part(start, start + count) for start in (a, b, c))
        x, y, out = parts
        np.add(x, y, out=out)

    def swap(self, i, j):
        with la.acquire(write=(self._part(i, i + 1), self._part(j, j + 1))) as (x, y):
            before = self._cells(x)[0], self._cells(y)[0]
            copy = x.copy()
            x[...] = y
            let_others_in()
            y[...] = copy
        return before

    def move(self, i, j, value):
        with la.acquire(write=(self._part(i, i + 1), self._part(j, j + 1))) as (x, y):
            before = self._cells(x)[0]
            x -= value
            let_others_in()
            y += value
        return before

    def derive(self, i, j, value):
        with la.acquire(write=self._part(j, j + 1), read=self._part(i, i + 1)) as (y, x):
            before = self._cells(x)[0]
            let_others_in()
            y[...] = x + value
        return before

    # Another length.

    def append(self, value):
        x = self.arrays[0]
        return int(x.append(value if x.ndim == 1 else np.full(x.shape[1:], value)))

    def append_rows(self, value):
        return int(self.arrays[0].append(self._like([value, value])))

    def popleft(self, count):
        return self._cells(self.arrays[0].popleft(count))

    def resize(self, length):
        x = self.arrays[0]
        x.resize((length, *x.shape[1:]))

    def assign(self, length, value):
        self.arrays[0].assign(self._like([value] * length))

    # Waiting for a change.

    def give(self):
        with self._part(0, 2).write() as raw:
            raw += 1

    def take(self):
        with self.arrays[0].write(PATIENCE, when=lambda raw: raw[0] > 0) as raw:
            before = int(raw[0])
            let_others_in()
            raw[0] = before - 1
        return before

    def acquire_when(self):
        with la.acquire(
            write=self.arrays[0][:1], timeout=PATIENCE, when=lambda raw: raw[0] > 0
        ) as raw:
            before = int(raw[0])
            let_others_in()
            raw[0] = before - 1
        return before

    def wait_for(self):
        return self.arrays[0].wait_for(lambda raw: bool(raw[1]) and contents(raw), PATIENCE)

    def read_when(self):
        with self.arrays[0].read(PATIENCE, when=lambda raw: raw[1]) as raw:
            return contents(raw)


def perform(x, call):
    """Do `call` to a LockedArray, of one axis or of rows, and return what the model should."""
    return Cells(x).perform(call)


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

ARGUMENTS = {
    "": "snapshot give take acquire_when wait_for read_when",
    "i": "get get_at",
    "i value": "set set_at add add_at exchange",
    "i expected value": "compare_exchange",
    "span": "get_slice read",
    "span value": "set_slice copyto_value fill add_slice add_out guard",
    "array": "sum sort",
    "array value": "add_all",
    "list": "get_list",
    "list value": "set_list set_mask add_list add_mask",
    "pair value": "add_twice",
    "record": "get_record",
    "record value": "set_record",
    "from_to": "copy copyto",
    "three": "sum_out",
    "two": "swap",
    "two value": "move derive",
    "value": "append append_rows",
    "count": "popleft",
    "length": "resize",
    "length value": "assign",
}
"""Which arguments each kind of call has."""

_ARGUMENTS = {kind: names.split() for names, kinds in ARGUMENTS.items() for kind in kinds.split()}


def arguments(source, kind, value, length=LENGTH, arrays=1):
    """Return random arguments of that kind of call, on so many arrays of that length."""
    return [x for name in _ARGUMENTS[kind] for x in _drawn(source, name, value, length, arrays)]


def _drawn(source, name, value, length, arrays):
    first = source.randrange(arrays) * length

    def span(count=None):
        a = source.randrange(length - 1) if count is None else source.randrange(length - count + 1)
        b = source.randrange(a + 1, length + 1) if count is None else a + count
        return a, b

    match name:
        case "value":
            return [value]
        case "expected":
            return [None]
        case "i":
            return [first + source.randrange(length)]
        case "span":
            a, b = span()
            return [first + a, first + b]
        case "array":
            return [first, first + length]
        case "list":
            return [sorted(first + i for i in source.sample(range(length), 2))]
        case "pair":
            return [first + i for i in source.sample(range(length), 2)]
        case "two":
            return source.sample(range(arrays * length), 2)
        case "record":
            i = source.randrange(length)
            return [[number * length + i for number in range(arrays)]]
        case "from_to":
            count = source.randrange(1, length + 1)
            a, c = (source.randrange(arrays) * length + span(count)[0] for _ in range(2))
            return [a, a + count, c]
        case "three":
            count = source.randrange(1, length + 1)
            starts = [source.randrange(arrays) * length + span(count)[0] for _ in range(3)]
            return [*starts, count]
        case "count":
            return [source.randrange(1, 3)]
        case "length":
            return [source.randrange(1, length + 3)]
    raise ValueError(name)


def program(seed, count, kinds):
    """Return that many random calls; no two of all programs of seeds below 1000 write one value."""
    source = random.Random(seed)
    calls = []
    for number in range(count):
        kind = source.choice(kinds)
        calls.append((kind, *arguments(source, kind, seed + 1000 * (number + 1))))
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
    seen = {}
    history = []
    for call in calls:
        if call[0] == "compare_exchange":
            call = (call[0], call[1], seen.get(call[1], 0), call[3])
        start = time.monotonic_ns()
        begin(call, start)
        result = perform(x, call)
        operation = Operation(caller, call, result, start, time.monotonic_ns())
        ended(operation)
        history.append(operation)
        if result == NO_SUCH:
            continue
        match call:
            case "get", i:
                seen[i] = result
            case "set" | "exchange", i, value:
                seen[i] = value
            case "compare_exchange", i, _, value:
                seen[i] = value if result[0] else result[1]
    return history
