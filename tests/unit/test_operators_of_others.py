"""Operators beside arrays of other classes: those are asked as beside a plain array on the left."""

import operator

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray

pytestmark = pytest.mark.filterwarnings("ignore")


class Reflected(np.ndarray):
    def __rmul__(self, other):
        return "reflected", type(other) is np.ndarray


class Forward(np.ndarray):
    def __add__(self, other):
        return "added"


class Equal(np.ndarray):
    def __eq__(self, other):
        return "equal", type(other) is np.ndarray


class NoUfuncs(np.ndarray):
    __array_ufunc__ = None


class OwnInsteadOfUfuncs(np.ndarray):
    __array_ufunc__ = None

    def __radd__(self, other):
        return "added"

    def __lt__(self, other):
        return "less"


class Prior(np.ndarray):
    __array_priority__ = 100.0

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return "wrapped"

    def __rsub__(self, other):
        return NotImplemented


class Quantity(np.ndarray):
    """As astropy's: ufuncs of its own, and operators that come before them."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        inputs = [np.asarray(i) if isinstance(i, Quantity) else i for i in inputs]
        result = NotImplemented if out else getattr(ufunc, method)(*inputs, **kwargs)
        return result.view(Quantity) if isinstance(result, np.ndarray) else result

    def __rmul__(self, other):
        return super().__rmul__(other) * 1

    def __rlshift__(self, unit):
        return "converted"


class Foreign:
    __array_ufunc__ = None

    def __radd__(self, other):
        return "added"

    def __iadd__(self, other):
        return "added in place"

    def __eq__(self, other):
        return "equal"


class PriorAsOfOld:
    __array_priority__ = 10

    def __radd__(self, other):
        return "added"

    def __ge__(self, other):
        return "not less"


class Derived(LockedArray):
    def __radd__(self, other):
        return "added"

    def __eq__(self, other):
        return "equal"


def numbers_as(cls):
    return lambda: np.array([1, 2]).view(cls)


OTHERS = {
    "matrix": lambda: np.matrix([[1, 2], [3, 4]]),
    "chararray": lambda: np.char.array(["a ", "b"]),
    "masked": lambda: np.ma.array([2, 0], mask=[False, True]),
    "masked zero": lambda: np.ma.array([2.0, 0.0]),
    "records": lambda: np.rec.array([(1, 2.0), (3, 4.0)], [("a", "i8"), ("b", "f8")]),
    "memmap": numbers_as(np.memmap),
    "Foreign": Foreign,
    "PriorAsOfOld": PriorAsOfOld,
    "Derived": lambda: Derived([1, 2]),
} | {
    cls.__name__: numbers_as(cls)
    for cls in (Reflected, Forward, Equal, NoUfuncs, OwnInsteadOfUfuncs, Prior, Quantity)
}
ARRAYS = [
    np.array([3, 4]),
    np.array([[1.0, 2.0], [0.0, 4.0]]),
    np.array(["a", "b"]),
    np.array([(1, 2.0), (3, 5.0)], [("a", "i8"), ("b", "f8")]),
    np.array([1, "x"], object),
    np.array(True),
]
NAMES = (
    "add sub mul mod lshift rshift and_ xor or_ floordiv truediv matmul pow lt le eq ne gt ge "
    "iadd isub imul imod ipow ifloordiv itruediv iand imatmul ilshift"
).split()
OPERATORS = [divmod, *(getattr(operator, name) for name in NAMES)]


def shown(result):
    if isinstance(result, tuple):
        return tuple(map(shown, result))
    if isinstance(result, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(result).tolist()
        return type(result), result.dtype, repr(result.tolist()), mask
    if isinstance(result, np.ndarray):
        return type(result), result.dtype, repr(result.tolist())
    return type(result), repr(result)


def outcome(function, first, second):
    try:
        return shown(function(first, second))
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_operators_ask_as_beside_a_plain_array(make):
    for array in ARRAYS:
        for function in OPERATORS:
            x, plain = LockedArray(array, copy=True), array.copy()
            expected = outcome(function, plain, make())
            got = outcome(function, x, make())
            if isinstance(expected, tuple) and isinstance(got, tuple) and got[0] is LockedArray:
                assert function.__name__[0] == "i"  # it is x itself
                expected = (LockedArray, *expected[1:])
            assert got == expected, (array.dtype, function)
            assert repr(x.snapshot()) == repr(plain)
            assert free(x)


@pytest.mark.parametrize("name", ["matrix", "masked", "Reflected", "Quantity", "records"])
def test_operators_of_others_on_the_left_are_as_before(name):
    for array in ARRAYS:
        for function in OPERATORS[:20]:
            expected = outcome(function, OTHERS[name](), array)
            assert outcome(function, OTHERS[name](), LockedArray(array)) == expected


@pytest.mark.parametrize("function", [operator.mul, operator.eq, operator.pow])
def test_operator_of_another_class_reads_under_the_lock(function):
    x = LockedArray(np.eye(2))
    other = np.matrix([[1, 2], [3, 4]]) if function is not operator.pow else np.ma.array([1, 2])
    assert waits_beside(x.write(), x.lock, lambda: function(x, other))[0] == "read"
    assert waits_beside(x.read(), x.lock, lambda: function(x, other))[0] is None


def test_what_another_class_keeps_of_the_left_operand_is_read_only():
    class Keeping(np.ndarray):
        def __radd__(self, other):
            kept.append(other)
            return other

    kept = []
    x = la.zeros(2)
    result = x + np.ones(2).view(Keeping)
    assert result is x
    assert not kept[0].flags.writeable
    assert free(x)


def test_subclass_of_a_lockedarray_asks_others_as_it_does():
    class Tagged(LockedArray):
        tag = None

    matrix = np.matrix([[1, 2], [3, 4]])
    assert (Tagged(np.eye(2)) * matrix).tolist() == matrix.tolist()
    assert Tagged([1, 2]) * np.array([1, 2]).view(Reflected) == ("reflected", True)


def test_subclass_with_ufuncs_of_its_own_decides_itself():
    class Logged(LockedArray):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return ufunc.__name__

    assert Logged([1, 2]) * np.array([1, 2]).view(Reflected) == "multiply"


def test_operator_of_another_class_that_raises_leaves_no_lock_held():
    class Failing(np.ndarray):
        def __rmul__(self, other):
            raise LookupError

        __eq__ = __rmul__

    x = la.zeros(2)
    for function in (operator.mul, operator.eq):
        with pytest.raises(LookupError):
            function(x, np.ones(2).view(Failing))
        assert free(x)
