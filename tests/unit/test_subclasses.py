"""Subclasses of LockedArray: their attributes travel as NumPy's manual says, their locks hold."""

import copy
import pickle

import numpy as np
import pytest

from arrange import free, waits_beside
from lockedarray import LockedArray


class Tagged(LockedArray):
    """The example of NumPy's manual, with a call of the inherited method."""

    def __new__(cls, obj, tag=None, **options):
        self = super().__new__(cls, obj, **options)
        self.tag = tag
        return self

    def __array_finalize__(self, obj):
        super().__array_finalize__(obj)
        self.tag = getattr(obj, "tag", None)


class Careless(LockedArray):
    """The example of NumPy's manual as it stands: ndarray's own method needs no call."""

    def __new__(cls, obj, tag=None, **options):
        self = super().__new__(cls, obj, **options)
        self.tag = tag
        return self

    def __array_finalize__(self, obj):
        if obj is None:
            return
        self.tag = getattr(obj, "tag", None)


class Plain(LockedArray):
    """Sets its attributes in ``__init__``, knows nothing of views."""

    def __new__(cls, obj, tag=None):
        return super().__new__(cls, obj)

    def __init__(self, obj, tag=None):
        self.tag = tag


BOTH = pytest.mark.parametrize("cls", [Tagged, Careless])
VIEWS = {
    "slice": lambda x: x[1:],
    "column": lambda x: x.reshape(2, 2)[:, 0],
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(2, 2),
    "ravel": lambda x: x.ravel(),
    "view": lambda x: x.view(),
    "view of dtype": lambda x: x.view("i8"),
    "swapaxes": lambda x: x.reshape(2, 2).swapaxes(0, 1),
    "np.split": lambda x: np.split(x, 2)[1],
    "np.reshape": lambda x: np.reshape(x, (2, 2)),
    "np.atleast_2d": lambda x: np.atleast_2d(x),
    "newaxis": lambda x: x[np.newaxis],
    "ellipsis": lambda x: x[...],
    "row of iteration": lambda x: list(x.reshape(2, 2))[1],
}


@BOTH
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_attributes_travel_to_views(cls, view):
    x = cls([1.0, 2.0, 3.0, 4.0], tag="volts")
    v = view(x)
    assert type(v) is cls
    assert v.tag == "volts"
    assert v.lock is x.lock
    assert v.base is x
    assert not v.flags.writeable
    v[...] = 0
    assert 0 in x


@BOTH
def test_views_of_a_subclass_are_locked(cls):
    x = cls([1.0, 2.0, 3.0], tag="volts")
    mode, _ = waits_beside(x.write(), x.lock, lambda: x[1:].__setitem__(0, 5))
    assert mode == "write"
    mode, _ = waits_beside(x[1:].write(), x.lock, x.sum)
    assert mode == "read"
    for refused in (np.ndarray.fill, lambda v, _: v.setflags(write=True)):
        with pytest.raises(ValueError, match=r"read-only|WRITEABLE"):
            refused(x[1:], 5)
    assert x.tolist() == [1, 5, 3]


@BOTH
def test_views_of_a_subclass_stay_attached(cls):
    x = cls([1.0, 2.0, 3.0], tag="volts")
    v = x[1:]
    x.resize(10_000)
    v[0] = 7
    assert x[1] == 7
    assert v.tag == "volts"


@BOTH
def test_results_of_a_subclass_are_plain(cls):
    x = cls([1.0, 2.0], tag="volts")
    for result in (x + 1, x.copy(), np.sqrt(x), x[[0, 1]], np.concatenate([x, x]), x.astype("f4")):
        assert type(result) is np.ndarray


@BOTH
def test_in_place_operators_return_the_same_object(cls):
    x = y = cls([1.0, 2.0], tag="volts")
    y += 1
    assert y is x
    assert x.tag == "volts"
    assert np.add(x, 1, out=x) is x


@BOTH
@pytest.mark.parametrize(
    "twin",
    [
        copy.copy,
        copy.deepcopy,
        *[
            lambda x, p=p: pickle.loads(pickle.dumps(x, p))
            for p in range(pickle.HIGHEST_PROTOCOL + 1)
        ],
    ],
)
def test_attributes_are_copied_and_pickled(cls, twin):
    x = cls([1.0, 2.0], tag=["volts"])
    y = twin(x)
    assert type(y) is cls
    assert y.tag == ["volts"]
    assert y.tolist() == [1, 2]
    y[0] = 5
    assert x[0] == 1
    assert (y.tag is x.tag) == (twin is copy.copy)


def test_attributes_of_a_plain_class_are_kept():
    x = Plain([1.0], "volts")
    x.extra = [1]
    y = pickle.loads(pickle.dumps(x))
    assert (y.tag, y.extra) == ("volts", [1])
    assert x[:].lock is x.lock


@BOTH
def test_view_as_another_class_keeps_the_lock(cls):
    x = LockedArray([1.0, 2.0])
    y = x.view(cls)
    assert type(y) is cls
    assert y.lock is x.lock
    assert y.tag is None
    assert y.base is x
    z = y.view(LockedArray)
    assert type(z) is LockedArray
    assert z.base is x
    z[0] = 9
    assert x[0] == 9
    a = np.zeros(2)
    assert a.view(cls).lock is a.view(LockedArray).lock


@BOTH
def test_arrays_that_numpy_makes_are_locked(cls):
    x = np.array(cls([1.0, 2.0], tag="volts"), subok=True)
    assert type(x) is cls
    assert x.tag == "volts"
    x[0] = 3
    v = x[1:]
    v[0] = 4
    assert v.lock is x.lock
    assert not x.flags.writeable
    assert x.tolist() == [3, 4]


def test_methods_can_be_overridden():
    class Loud(LockedArray):
        def __setitem__(self, index, value):
            super().__setitem__(index, 2 * value)

        def sum(self, *args, **kwargs):
            return super().sum(*args, **kwargs) + 100

    x = Loud([1.0, 2.0])
    x[0] = 5
    assert x.sum() == 112
    assert free(x)


def test_ufuncs_can_be_overridden():
    class Counting(LockedArray):
        calls = 0

        def __array_ufunc__(self, *args, **kwargs):
            type(self).calls += 1
            return super().__array_ufunc__(*args, **kwargs)

        def __array_function__(self, *args, **kwargs):
            type(self).calls += 1
            return super().__array_function__(*args, **kwargs)

    x = Counting([1.0, 2.0])
    assert np.add(x, 1).tolist() == [2, 3]
    x += 1
    assert np.median(x) == 2.5
    assert Counting.calls >= 3
    assert free(x)


def test_finalizer_that_raises_leaves_no_lock_held():
    class Broken(LockedArray):
        broken = False

        def __array_finalize__(self, obj):
            super().__array_finalize__(obj)
            if Broken.broken:
                raise ZeroDivisionError

    x = Broken([1.0, 2.0, 3.0])
    Broken.broken = True
    for operation in (lambda: x[1:], lambda: x.T, lambda: np.split(x, 3), lambda: x.view()):
        with pytest.raises(ZeroDivisionError):
            operation()
        assert free(x)
    Broken.broken = False
    x[1:] += 1
    x.resize(1000)
    assert x[:3].tolist() == [1, 3, 4]


def test_subclass_with_slots_or_mixins():
    class Mixin:
        def double(self):
            self *= 2

    class Mixed(Mixin, LockedArray):
        __slots__ = ()

    x = Mixed([1.0, 2.0])
    x[1:].double()
    assert x.tolist() == [1, 4]
