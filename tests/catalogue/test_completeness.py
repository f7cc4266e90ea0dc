"""The catalogue knows everything that NumPy, in the version at hand, can do with an array."""

from __future__ import annotations

import numpy as np
import pytest

import lockedarray as la
from catalogue import CATALOGUE, METHODS
from catalogue.flat import FLAT
from catalogue.functions import FUNCTIONS, all_functions
from catalogue.ufuncs import UFUNC_METHODS, UFUNCS, all_ufuncs

# Of every Python object, and without a use of their own for arrays or their iterators.
OF_ALL_OBJECTS = frozenset(dir(object))


def covered_by(operations):
    return frozenset().union(*(operation.covers for operation in operations))


def test_it_knows_every_attribute_of_ndarray():
    assert set(dir(np.ndarray)) <= covered_by(METHODS)


def test_it_knows_every_public_attribute_of_lockedarray():
    public = {name for name in dir(la.LockedArray) if not name.startswith("_")}
    assert public <= covered_by(METHODS)


def test_it_knows_every_attribute_of_flat():
    assert set(dir(np.flatiter)) - OF_ALL_OBJECTS <= covered_by(FLAT)


def test_it_knows_every_method_of_at():
    at = type(la.zeros(1).at[0])
    names = {f"at.{name}" for name in dir(at) if not name.startswith("_")}
    names |= {f"at.{name}" for name in dir(at) if name.startswith("__i") and hasattr(int, name)}
    refused = {"at.__int__", "at.__index__", "at.__invert__"}  # tests/unit/test_at.py
    assert names - {"at.__init__", "at.__init_subclass__"} - refused <= covered_by(METHODS)


def test_it_knows_every_ufunc():
    unknown = set(all_ufuncs().values()) - covered_by(UFUNCS)
    assert not unknown


def test_it_knows_every_method_of_a_ufunc():
    public = {name for name in dir(np.ufunc) if not name.startswith("_")}
    methods = {name for name in public if callable(getattr(np.ufunc, name))}
    assert methods <= set(UFUNC_METHODS)


@pytest.mark.parametrize("ufunc", [np.add, np.maximum, np.logical_or], ids=lambda u: u.__name__)
def test_it_has_every_method_of_a_common_ufunc_at_work(ufunc):
    name = ufunc.__name__
    at_work = {operation.name for operation in UFUNCS if not operation.raises}
    methods = {method for method, why_not in UFUNC_METHODS.items() if not why_not}
    assert {name} | {f"{name}.{method}" for method in methods - {"__call__"}} <= at_work


def test_it_knows_every_function_that_can_be_overridden():
    assert all_functions() - covered_by(FUNCTIONS) == set()


def test_it_has_each_of_them_at_work():
    at_work = covered_by([entry for entry in FUNCTIONS if not entry.raises])
    assert all_functions() - at_work <= {"numpy.lib.recfunctions.find_duplicates"}  # masked only
    at_work = covered_by([entry for entry in UFUNCS if not entry.raises])
    assert set(all_ufuncs().values()) <= at_work


def test_it_has_a_reason_for_each_operation_that_takes_no_lock():
    assert not [
        str(operation)
        for operation in CATALOGUE
        if all(operation.mode(root) == "none" for root in operation.roots) and not operation.why
    ]
