"""`x.flat` reads and iterates as NumPy's does, whatever the memory looks like and who changes it."""

import gc
import itertools
import operator

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from lockedarray import LockedArray
from threads import changing_often, start, together

NUMBERS = np.arange(24.0).reshape(2, 3, 4)

ARRAYS = {
    "one axis": np.arange(6),
    "three axes": NUMBERS,
    "in Fortran's order": np.asfortranarray(NUMBERS),
    "turned over": NUMBERS[::-1, :, ::-2].T,
    "a column": NUMBERS[:, 1],
    "repeated": np.broadcast_to(np.arange(3), (2, 3)),
    "no axes": np.array(2.5),
    "empty": NUMBERS[:, :0],
    "nine axes": np.arange(2**9).reshape((2,) * 9),
    "big-endian": np.arange(6).astype(">i4"),
    "unaligned": np.frombuffer(bytes(range(1, 18)), "u1")[1:].view("f8"),
    "complex": NUMBERS[0] + 1j,
    "bool": NUMBERS > 3,
    "text": np.array(["a", "bc"]),
    "datetime": np.array(["2020", "NaT"], "M8[D]"),
    "field": np.zeros(3, [("a", "u1"), ("b", "f8")])["b"],
    "records": np.array([(1, 2.5), (3, 4.5)], [("a", "u1"), ("b", "f8")]),
    "objects": np.array([[1, "a"], [None, 2.5]], object),
    "a row of objects": np.array([1, "a", None], object),
}

INDICES = [
    0, 1, -1, 5, -6, 23, -24, 24, -25, 2**40, 2**70, True, np.intp(1), np.intp(-1), np.int8(1), 1.0,
    slice(None), slice(1, 4), slice(None, None, -2), slice(9, 2), ..., None, (), (0,), (0, 0), "a",
    [0, 1], [1, -1, 1], [], [99], [True, False], np.array([1, 0]), np.array([[0, 1]]), np.array(1),
    np.array([True, False, True]), np.array(["a"]),
]  # fmt: skip


def outcome(function, *args):
    """What a function returns, as text and with its type, or what it raises."""
    try:
        result = function(*args)
    except Exception as problem:
        return type(problem), str(problem)
    name = type(result).__name__  # of a record, too, which is a class of ours
    return name, getattr(result, "dtype", None), repr(result)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("plain", ARRAYS.values(), ids=ARRAYS)
def test_what_is_read_is_what_numpy_reads(plain):
    x = LockedArray(plain, copy=False)
    for index in INDICES:
        if type(index) is tuple and not index and plain.flat[()] is plain:  # older NumPy
            assert x.flat[()] is x
            continue
        expected = outcome(operator.getitem, plain.flat, index)
        assert outcome(operator.getitem, x.flat, index) == expected, index
    for function in (list, len, np.asarray, lambda flat: flat.copy()):
        assert outcome(function, x.flat) == outcome(function, plain.flat)
    assert free(x)


@pytest.mark.parametrize("frozen", [False, True])
def test_an_iterator_goes_on_where_it_was(frozen):
    x, plain = LockedArray(NUMBERS), NUMBERS.copy()
    if frozen:
        x.freeze()
    flat, expected = x.flat, plain.flat
    for _ in range(plain.size):
        assert (flat.index, flat.coords) == (expected.index, expected.coords)
        assert next(flat) == next(expected)
    assert next(flat, "end") == next(flat, "end") == "end"
    assert flat.base is x
    assert iter(flat) is flat


def test_threads_that_share_an_iterator_get_each_element_once():
    x = la.arange(4000).reshape(40, 100)
    flat = x.flat
    with changing_often():
        parts = together(*[lambda: list(flat)] * 4)
    assert sorted(itertools.chain(*parts)) == list(range(4000))


def test_an_array_that_shrinks_ends_its_iteration():
    x = la.arange(6)
    flat = x.flat
    assert next(flat) == 0
    x.resize(2)
    assert list(flat) == [1]
    with pytest.raises(IndexError, match="out of bounds"):
        x.flat[2]
    with pytest.raises(IndexError, match="out of bounds"):
        x.flat[2] = 1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("position", [3, -1, -3])
def test_a_position_is_that_of_the_shape_that_the_array_has_once_it_is_locked(order, position):
    x = LockedArray(np.zeros((2, 3)), order=order)
    call = []

    def resize():
        with x.write():
            call.append(start(lambda: x.flat[position]))
            assert call[0].waits_for(x.lock) is not None
            x.resize(3, 2)
            x[...] = np.arange(6).reshape(3, 2)

    start(resize).result()
    assert call[0].result() == np.arange(6)[position]


ACTS = {
    "flat[3]": (lambda x: x.flat[3], "read"),
    "flat[-1]": (lambda x: x.flat[-1], "read"),
    "flat[1:4]": (lambda x: x.flat[1:4], "read"),
    "flat[list]": (lambda x: x.flat[[1, 2]], "read"),
    "next": (lambda x: next(x.flat), "read"),
    "copy": (lambda x: x.flat.copy(), "read"),
    "asarray": (lambda x: np.asarray(x.flat), "read"),
    "flat[3] =": (lambda x: x.flat.__setitem__(3, 1.0), "write"),
    "flat[1:4] =": (lambda x: x.flat.__setitem__(slice(1, 4), 1.0), "write"),
    "flat =": (lambda x: setattr(x, "flat", 1.0), "write"),
    "conj": (lambda x: x.view("c16").conj(), "read"),
    "str": (lambda x: str(x[0, 0, ...]), "read"),
    "float": (lambda x: float(x[0, 0, ...]), "read"),
    "bool": (lambda x: bool(x[0, 0, ...]), "read"),
    "int": (lambda x: int(x[0, 0, ...]), "read"),
    "format": (lambda x: f"{x[0, 0, ...]:.2f}", "read"),
}


@pytest.mark.parametrize("name", ACTS)
def test_it_waits_for_who_holds_the_array(name):
    act, mode = ACTS[name]
    x = la.ones((2, 4))
    assert waits_beside(x.write(), x.lock, lambda: act(x))[0] == mode
    assert waits_beside(x.read(), x.lock, lambda: act(x))[0] == (None if mode == "read" else mode)


@pytest.mark.skipif(la.backend != "native", reason="the portable core locks the whole array")
def test_one_element_is_locked_alone():
    x = la.zeros((2, 4))
    for act in (lambda: x.flat[5], lambda: x.flat.__setitem__(-1, 1), lambda: x.T.flat[3]):
        assert waits_beside(x[0].write(), x.lock, act)[0] is None
        assert waits_beside(x[1].write(), x.lock, act)[0] is not None


NOT_WAITING = {
    "T": lambda x: x.T,
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "flat": lambda x: x.flat,
    "flags": lambda x: x.flags.writeable,
    "shape": lambda x: x.shape,
    "conj of reals": lambda x: x.real.conj() if x.dtype == float else None,
    "__array__": lambda x: x.__array__(),
}


@pytest.mark.parametrize("name", NOT_WAITING)
@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_what_reads_no_element_waits_for_nobody(name, dtype):
    x = la.zeros((2, 4), dtype)
    assert waits_beside(x.write(), x.lock, lambda: NOT_WAITING[name](x))[0] is None


def test_a_real_array_is_its_own_conjugate_while_another_thread_holds_it():
    for dtype in ("f8", "i4", "u1", "f2"):
        x = la.zeros(3, dtype)
        assert waits_beside(x.write(), x.lock, lambda x=x: x.conj() is x)[1]
        assert x.conjugate() is x
    q, plain = la.zeros(3, bool), np.zeros(3, bool)
    assert outcome(lambda: plain.conj() is plain) == outcome(lambda: q.conj() is q)
    c = LockedArray([1j, 2 - 1j])
    assert type(c.conj()) is np.ndarray
    assert c.conj().tolist() == [-1j, 2 + 1j]
    out = la.zeros(2, complex)
    assert c.conj(out) is out
    assert out.tolist() == [-1j, 2 + 1j]


@pytest.mark.parametrize("name", ["T", "mT", "real", "imag"])
def test_views_of_the_parts_of_an_array_are_on_its_memory(name):
    plain = np.arange(6).reshape(2, 3) + 1j
    x = LockedArray(plain)
    for array, expected in ((x, plain), (x[:, ::2], plain[:, ::2]), (x.T, plain.T)):
        part, like = getattr(array, name), getattr(expected, name)
        assert type(part) is LockedArray
        assert part.base is x
        assert part.lock is x.lock
        assert not part.flags.writeable
        assert (part.shape, part.strides, part.dtype) == (like.shape, like.strides, like.dtype)
        assert part.tolist() == like.tolist()
        part[0, 0] = 9
        like[0, 0] = 9
        assert array.tolist() == expected.tolist()
    x.freeze()
    with pytest.raises(ValueError, match="frozen"):
        getattr(x, name)[0, 0] = 1


def test_a_view_that_may_not_be_written_has_parts_that_may_not():
    x = la.zeros((2, 2), complex)
    view = x[:]
    view.setflags(write=False)
    for part in (view.real, view.imag, view.T, view.mT):
        with pytest.raises(ValueError, match="read-only"):
            part[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        view.flat[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        view.flat = 1


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f4", ">f8", "g", "M8[s]", "S3", "U2"])
def test_the_imaginary_part_of_what_has_none_is_numpys(dtype):
    for plain in (np.ones((2, 3), dtype), np.ones((2, 3), dtype, order="F"), np.ones((), dtype)):
        x = LockedArray(plain)
        expected, zeros = outcome(lambda a=plain: a.imag), outcome(lambda x=x: x.imag)
        assert zeros == expected
        if expected[0] == "ndarray":
            assert x.imag.flags.num == plain.imag.flags.num
        assert x.real is x


class Own(LockedArray):
    """Says itself what some attributes and conversions are."""

    __slots__ = ()

    def transpose(self, *axes):
        return "turned"

    def __bool__(self):
        return False

    def __float__(self):
        return 7.5

    def __str__(self):
        return "own"

    @property
    def shape(self):
        return "mine"


def test_a_subclass_has_its_own_say():
    x = la.ones(()).view(Own)
    assert (x.T, bool(x), float(x), str(x), x.shape) == ("turned", False, 7.5, "own", "mine")
    assert int(x) == 1
    c = la.zeros(2, complex).view(Own)
    assert type(c.real) is type(c.imag) is Own
    assert c.flat[0] == 0


def test_attributes_are_properties_with_their_text():
    for name in ("T", "mT", "base", "dtype", "flags", "flat", "imag", "real", "shape", "strides"):
        attribute = getattr(LockedArray, name)
        assert isinstance(attribute, property)
        assert attribute.__doc__ == attribute.fget.__doc__
        assert attribute.__doc__
    x = la.zeros(3)
    for name in ("T", "mT", "base", "flags"):
        with pytest.raises(AttributeError):
            setattr(x, name, None)
    for name in ("shape", "dtype", "strides"):
        with pytest.raises(AttributeError, match="in place"):
            setattr(x, name, None)
    for name in ("T", "flat", "real", "shape"):
        with pytest.raises(AttributeError):
            delattr(x, name)


@pytest.mark.parametrize("dtype", ["?", "i4", "u8", "f2", "f8", "c16", "M8[s]", "S3", "U2", "O"])
@pytest.mark.filterwarnings("ignore")
def test_scalars_convert_as_numpys_do(dtype):
    for value in (0, 1):
        plain = np.array([value]).astype(dtype)
        for shown in (plain, plain[0, ...], plain.repeat(2)):
            x = LockedArray(shown)
            for function in (bool, int, float, complex, str, operator.index, format):
                assert outcome(function, x) == outcome(function, shown), function
            for spec in ("", ".2f", "d", ">9"):
                assert outcome(format, x, spec) == outcome(format, shown, spec)
        assert free(x)


def test_an_iterator_keeps_its_array_and_nothing_more():
    x = la.zeros(1, object)
    flat = x.flat
    x[0] = flat  # a circle
    del x, flat
    gc.collect()
    flat = la.arange(3).flat
    assert flat.base.tolist() == [0, 1, 2]
    with pytest.raises(TypeError):
        hash(flat)
    with pytest.raises(TypeError, match="Cannot delete"):
        del flat[0]


@pytest.mark.parametrize("array", [np.arange(4.0), np.arange(4) * (1 + 1j), np.arange(4)])
@pytest.mark.parametrize("operand", [[2], [1, 2, 3], [], np.array([3]), np.array(3)])
def test_an_element_plus_an_array_is_told_what_numpy_tells(array, operand):
    def outcome(x):
        try:
            x.flat[1] += operand
        except Exception as error:
            return type(error), str(error), x.tolist()
        return x.tolist()

    assert outcome(LockedArray(array)) == outcome(array.copy())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "array",
    [
        np.array([[1, "a", None], [2.5, [1], ()]], object),
        np.array([[(1, 2.0), (3, 4.0)], [(5, 6.0), (7, 8.0)]], [("a", "i4"), ("b", "f8")]),
        np.array([["a", "b" * 40], ["", "d"]], np.dtypes.StringDType()),
        np.array([[None]], object)[:0],
    ],
)
def test_elements_that_are_no_plain_scalars_come_in_the_order_of_ndarray(array, order):
    array = array.copy(order)
    x = la.LockedArray(array.copy(order))
    for shown, plain in [(x, array), (x.T, array.T), (x[:, ::-1], array[:, ::-1])]:
        assert [str(e) for e in shown.flat] == [str(e) for e in plain.flat]
        for position in range(-array.size - 1, array.size + 1):
            try:
                expected = str(plain.flat[position])
            except IndexError:
                with pytest.raises(IndexError):
                    shown.flat[position]
            else:
                assert str(shown.flat[position]) == expected


def test_a_position_counts_in_the_shape_that_the_array_has_then():
    x = la.LockedArray(np.arange(6).astype(object).reshape(2, 3))
    elements = x.flat
    assert next(elements) == 0
    x.resize(3, 2)
    assert list(elements) == [1, 2, 3, 4, 5]
