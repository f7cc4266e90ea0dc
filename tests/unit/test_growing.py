"""append, popleft and assign in one thread: what rows there are, who shows them, what is refused."""

import gc
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lockedarray as la
from arrange import free
from lockedarray import LockedArray


def content(x):
    return x.snapshot().tolist()


# -- as a list of rows ---------------------------------------------------------------------------------


class Tape:
    """What a LockedArray that grows promises: a row is a cell, and views show the same cells."""

    def __init__(self, rows):
        self.cells = [[row] for row in rows]
        self.begin, self.length = 0, len(rows)

    def rows(self, start=0, stop=None):
        stop = self.length if stop is None else stop
        return self.cells[self.begin + start : self.begin + stop]

    def put(self, start, values):
        for i, value in enumerate(values):
            at = self.begin + start + i
            if at == len(self.cells):
                self.cells.append([value])
            else:
                self.cells[at][0] = value

    def append(self, values):
        self.put(self.length, values)
        self.length += len(values)

    def popleft(self, n):
        removed = [cell[0] for cell in self.rows(0, n)]
        self.begin, self.length = self.begin + n, self.length - n
        return removed

    def assign(self, values):
        self.put(0, values)
        self.length = len(values)

    def resize(self, n, zero):
        self.put(self.length, [zero] * (n - self.length))
        self.length = n


COUNTS = st.integers(0, 9)
ACTS = st.lists(
    st.tuples(st.sampled_from("append append one pop pop assign resize view write drop".split()), COUNTS, COUNTS),
    max_size=60,
)
KINDS = {
    "numbers": ((), "f8", float),
    "rows": ((2,), "i4", int),
    "objects": ((), object, str),
    "texts": ((), np.dtypes.StringDType(), str),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(acts=ACTS)
def test_rows_and_views_are_those_of_a_list(kind, acts):
    shape, dtype, make = KINDS[kind]
    zero = np.zeros(shape, dtype).tolist()
    number = 0

    def fresh(n):
        nonlocal number
        number += n
        return [make(i) if not shape else [make(i)] * 2 for i in range(number - n, number)]

    first = fresh(3)
    x, tape, views = LockedArray(np.array(first, dtype)), Tape(first), []
    for act, n, m in acts:
        values = fresh(n)
        if act == "append":
            assert x.append(np.array(values, dtype).reshape(n, *shape)) == tape.length
            tape.append(values)
        elif act == "one":
            assert x.append(fresh(1)[0]) == tape.length
            tape.append([make(number - 1) if not shape else [make(number - 1)] * 2])
        elif act == "pop":
            n = min(n, tape.length)
            assert x.popleft(n).tolist() == tape.popleft(n)
        elif act == "assign":
            x.assign(np.array(values, dtype).reshape(n, *shape))
            tape.assign(values)
        elif act == "resize":
            x.resize(n, *shape)
            tape.resize(n, zero)
        elif act == "view":
            start, stop = sorted((min(n, tape.length), min(m, tape.length)))
            if start < stop:
                views.append((x[start:stop], tape.rows(start, stop)))
        elif act == "write" and tape.length:
            x[n % tape.length] = values[0] if values else zero
            tape.rows()[n % tape.length][0] = values[0] if values else zero
        elif act == "drop" and views:
            del views[n % len(views)]
        assert x.shape == (tape.length, *shape)
        assert content(x) == [cell[0] for cell in tape.rows()]
        for view, cells in views:
            assert content(view) == [cell[0] for cell in cells]
    assert x.base is None
    assert free(x)
