"""x.flags, and what x says of its size."""

import sys

import numpy as np
import pytest

import lockedarray as la
from lockedarray import LockedArray


def test_owndata_is_told_of_the_array_that_owns_its_buffer():
    x = la.zeros((2, 3))
    assert x.flags.owndata
    assert x.flags["OWNDATA"]
    assert x.flags["O"]
    assert not x[0].flags.owndata
    assert not x.T.flags["O"]
    assert not LockedArray(np.zeros(3), copy=False).flags.owndata
    assert np.require(x, requirements=["O"]) is x


def test_an_array_that_numpy_made_owns_its_data_before_and_after_it_is_used():
    x = np.array(la.zeros(3), subok=True)
    assert x.flags.owndata
    x[0] = 1
    assert x.flags.owndata


def test_the_other_flags_are_those_of_the_memory_layout():
    x, a = la.zeros((2, 3), order="F"), np.zeros((2, 3), order="F")
    for name in ("aligned", "c_contiguous", "contiguous", "f_contiguous", "fnc", "forc", "fortran"):
        assert getattr(x.flags, name) == getattr(a.flags, name)
    assert set(dir(a.flags)) == set(dir(x.flags))
    assert not x.flags.writeable
    assert not x.flags["WRITEABLE"]
    assert not x.flags.carray
    a.flags.writeable = False
    assert x.flags == a.flags
    assert x.flags != x[0].flags
    assert x.flags != 1
    assert repr(x.flags) == repr(a.flags)
    assert x.flags.num == a.flags.num
    with pytest.raises(AttributeError):
        x.flags.unknown
    with pytest.raises(KeyError):
        x.flags["unknown"]
    with pytest.raises(TypeError):
        hash(x.flags)


def test_flags_are_set_as_by_setflags():
    x = la.zeros(3)
    view = x[:]
    view.flags["WRITEABLE"] = False
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    x[0] = 1
    x.flags.writeable = False
    assert x.frozen
    with pytest.raises(AttributeError):
        x.flags.owndata = True


def test_size_in_memory_counts_the_elements_of_the_array_that_owns_them():
    x = la.zeros(1000)
    assert sys.getsizeof(x) > x.nbytes
    assert sys.getsizeof(x[:]) < 1000
    x.resize(2000)
    assert sys.getsizeof(x) > 16000
