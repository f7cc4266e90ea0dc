"""What the end of a replaced object does to the place where it was, and a list that is an index.

NumPy lets go of an object before it stores the next one in ``x[1] = 5``: if the `__del__` of the old
one assigns to ``x[1]``, the old one is let go of twice.  So there the tests state what NumPy leaves,
and do not ask it.
"""

import sys

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere
from lockedarray import LockedArray
from threads import start


class Returning:
    """Puts something back where it was."""

    def __init__(self, put_back):
        self.put_back = put_back

    def __del__(self):
        self.put_back()


def at_operation(name, *values):
    def act(x):
        return getattr(x.at[1], name)(*values)

    return act


def set_view(x):
    x[1:2] = 5


def set_tuple(x):
    x[(1,)] = 5


def set_integer_array(x):
    x[np.array(1)] = 5


def set_small_integer(x):
    x[np.int8(1)] = 5


def set_row(x):
    x.reshape(2, 2)[0, 1] = 5


def set_without_axes(x):
    x[1:2].reshape(())[()] = 5


def set_flat(x):
    x.flat[1] = 5


def set_flat_of_table(x):
    x.reshape(2, 2).flat[1] = 5


def set_at(x):
    x.at[1] = 5


ELEMENT = {
    "x[1]": lambda x: x.__setitem__(1, 5),
    "x[(1,)]": set_tuple,
    "x[np.array(1)]": set_integer_array,
    "x[np.int8(1)]": set_small_integer,
    "t[0, 1]": set_row,
    "flat": set_flat,
    "t.flat": set_flat_of_table,
    "at": set_at,
    "set": at_operation("set", 5),
    "apply": at_operation("apply", lambda old: 5),
}
"""Assignments to one element: NumPy's comes last."""

OTHERS = {
    "x[1:2]": set_view,
    "x[[1]]": lambda x: x.__setitem__([1], 5),
    "mask": lambda x: x.__setitem__(np.array([False, True, False, False]), 5),
    "array": lambda x: x.__setitem__(slice(1, 2), np.array([5], object)),
    "fill": lambda x: x.fill(5),
    "put": lambda x: x.put(1, 5),
    "copyto": lambda x: np.copyto(x, np.full(4, 5, object)),
}
"""Where NumPy stores first, and then lets go."""


def returned(x, put_back, assign):
    """Assign with an object at ``x[1]`` that puts something back; return what is there afterwards."""
    x[1] = Returning(lambda: put_back(x))
    assign(x)
    return x[1]


@pytest.mark.parametrize("assign", ELEMENT.values(), ids=ELEMENT)
def test_element_is_what_was_assigned_whatever_the_old_one_puts_there(assign):
    x = LockedArray(np.empty(4, object))
    assert returned(x, lambda x: x.__setitem__(1, "again"), assign) == 5
    assert x.tolist() == [None, 5, None, None]
    assert free(x)


@pytest.mark.parametrize("assign", OTHERS.values(), ids=OTHERS)
def test_several_elements_are_what_numpy_leaves(assign):
    x, plain = LockedArray(np.empty(4, object)), np.empty(4, object)
    expected = returned(plain, lambda x: x.__setitem__(1, "again"), assign)
    assert returned(x, lambda x: x.__setitem__(1, "again"), assign) == expected
    assert x.tolist() == plain.tolist()
    assert free(x)


@pytest.mark.parametrize("assign", ELEMENT.values(), ids=ELEMENT)
def test_objects_are_let_go_of_once(assign):
    class Kept:
        def __del__(self):
            x[1] = put_back
            kept.append(self)

    kept, put_back, other = [], object(), object()
    x = LockedArray(np.empty(4, object))
    x[1] = Kept()
    assign(x)
    assert x[1] == 5
    assert sys.getrefcount(put_back) == sys.getrefcount(other)
    control = [type("Other", (), {})()]
    assert sys.getrefcount(kept[0]) == sys.getrefcount(control[0])
    assert free(x)


def test_one_that_puts_back_another_of_its_kind_ends_nothing_for_ever():
    x = LockedArray(np.empty(4, object))
    count = []

    def put_back():
        if len(count) < 50:
            count.append(1)
            x[1] = Returning(put_back)

    x[1] = Returning(put_back)
    x[1] = 5
    x[1] = 6
    assert x[1] in (5, 6) or isinstance(x[1], Returning)
    assert len(count) <= 50
    count.extend([1] * 50)
    x.fill(None)
    assert free(x)


@pytest.mark.parametrize("assign", ELEMENT.values(), ids=ELEMENT)
def test_array_that_is_frozen_by_the_old_one_stays_as_it_was_then(assign):
    def freeze(x):
        x[1] = "last"
        x.freeze()

    x = LockedArray(np.empty(4, object))
    assert returned(x, freeze, assign) == "last"
    assert x.tolist() == [None, "last", None, None]
    assert free(x)


def test_compare_exchange_and_exchange_give_out_the_old_one_which_ends_later():
    for name, values in (("exchange", (5,)), ("compare_exchange", (None, 5))):
        x = LockedArray(np.empty(4, object))
        old = Returning(lambda x=x: x.__setitem__(1, "later"))
        x[1] = old
        result = at_operation(name, *(old if value is None else value for value in values))(x)
        assert x[1] == 5
        del old, result
        assert x[1] == "later"
        assert free(x)


# -- an index that changes while its use waits ----------------------------------------------------


class Foreign:
    def __index__(self):
        raise AssertionError("foreign code under the lock")


USES = {
    "x[i] = 5": (lambda x, index: x.__setitem__(index, 5), 5),
    "x[i] = [5]": (lambda x, index: x.__setitem__(index, [5]), 5),
    "x[i]": (lambda x, index: x[index], 2),
    "at.set": (lambda x, index: x.at[index].set(5), 5),
    "at += 5": (lambda x, index: x.at[index].__iadd__(5), 7),
    "at.apply": (lambda x, index: x.at[index].apply(lambda old: old), 2),
    "add.at": (lambda x, index: np.add.at(x, index, 5), 7),
    "flat[i] = 5": (lambda x, index: x.flat.__setitem__(index, 5), 5),
    "flat[i]": (lambda x, index: x.flat[index], 2),
}
"""What uses an index, and what is at 1 afterwards, where 2 was."""

IN_C = [
    *[("a list", name) for name in USES],
    *[("a tuple", name) for name in USES if "flat" not in name],  # where it is no index
    *[("a list of objects", name) for name in ("x[i]", "x[i] = 5")],
]


@pytest.mark.skipif(la.backend != "native", reason="what is copied there is done in C")
@pytest.mark.parametrize(("kind", "name"), IN_C, ids=str)
def test_list_that_is_an_index_may_change_while_its_use_waits(kind, name):
    use, expected = USES[name]
    x = LockedArray(np.array([1, 2, 3], object if "objects" in kind else int))
    index = [1]
    with held_elsewhere(x.write()):
        call = start(use, x, (index,) if kind == "a tuple" else index)
        assert call.waits_for(x.lock) is not None
        index[0] = Foreign()
    call.result()
    assert x.tolist() == [1, expected, 3]
    assert free(x)
