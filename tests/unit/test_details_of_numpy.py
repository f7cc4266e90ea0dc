"""Details that NumPy's own test suite asks for, each with LockedArrays and with plain arrays."""

import operator
import sys
import warnings

import numpy as np
import pytest

import lockedarray as la


class Sequence:
    """Has a length, and no items."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        raise IndexError("not possible")


class Reluctant:
    """Goes before arrays, and is none."""

    __array_priority__ = 1000

    def __array__(self, dtype=None, copy=None):
        raise ValueError("no array")


def both(values):
    """Return a plain array and a LockedArray of these values."""
    return np.array(values), la.LockedArray(values)


def test_conjugate_takes_out_by_position():
    for array in both([1 + 2j, 3 - 1j]):
        for out in both([0j, 0j]):
            assert array.conjugate(out) is out
            assert array.conj(out) is out
            assert out.tolist() == [1 - 2j, 3 + 1j]


def test_astype_warns_once():
    def warnings_of(array):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            array.astype(np.int32)
        return len(caught)

    plain, locked = both([1 + 2j])
    assert warnings_of(locked) == warnings_of(plain) == 1


def test_astype_is_the_array_itself_where_nothing_is_to_do():
    for array in both([1.0, 2.0]):
        assert array.astype(float, copy=False) is array
        assert array.astype(float, "K", "unsafe", True, False) is array
        assert array.astype(float) is not array


def test_an_empty_sequence_is_an_index_of_nothing():
    for array in both([1.0, 2.0]):
        assert array[Sequence(0)].shape == (0,)
        array[Sequence(0)] = 7
        assert np.add.reduceat(array, []).shape == (0,)
        if np.lib.NumpyVersion(np.__version__) >= "2.4.0":  # older ones take no flat iterator here
            assert array.flat[array[:0].flat].shape == (0,)
        with pytest.raises(IndexError, match="only integers|unsupported"):
            array.flat[np.array(["a", "b"]).flat]


def test_what_goes_before_arrays_is_not_converted():
    for array in both([1.0, 2.0]):
        with pytest.raises(TypeError, match="not supported"):
            _ = array < Reluctant()
        assert not array == Reluctant()
        assert array != Reluctant()


def test_flat_takes_no_more_axes_than_that_of_numpy():
    for array in (np.ones((1,) * 64), la.ones((1,) * 64)):
        with pytest.raises(RuntimeError, match="32 dimensions"):
            _ = array.flat


def test_an_array_that_contains_itself_is_printed():
    for array in both([None, None]):
        array[1] = [array]
        name = type(array).__name__.replace("nd", "")
        assert repr(array) == f"{name}([None, list([{name}(..., dtype=object)])], dtype=object)"
        assert str(array) == f"[None list([{name}(..., dtype=object)])]"
        array[1] = array
        assert "..." in repr(array)
        assert "..." in str(array)
        array[1] = None  # no cycle is left behind


def test_an_array_is_printed_whole_after_its_printing_was_struck():
    x = la.ones(2)
    expected, struck = repr(x), True
    for number in range(1, 100):
        seen = 0

        def strike(frame, event, _, number=number):
            nonlocal seen
            seen += event == "c_return" and frame.f_code.co_name == "_text"
            if seen == number:
                sys.setprofile(None)
                raise KeyboardInterrupt

        sys.setprofile(strike)
        try:
            repr(x)
        except KeyboardInterrupt:
            struck = True
        else:
            struck = False
        finally:
            sys.setprofile(None)
        assert repr(x) == expected
        if not struck:
            break
    assert number > 3


def test_refcheck_is_a_flag():
    for array in both([1.0, 2.0]):
        with pytest.raises(TypeError):
            array.resize(2, refcheck="no")


def test_array_function_is_called_by_keyword_too():
    for array in both([1.0, 2.0]):
        called = {"func": np.flip, "types": (type(array),), "args": (array,), "kwargs": {}}
        assert array.__array_function__(**called).tolist() == [2.0, 1.0]
        assert array.__array_function__(np.flip, (), args=(array,), kwargs={"axis": 0})[0] == 2.0
        for wrong in ({"func": np.flip}, {"no": 1, "types": (), "args": (), "kwargs": {}}):
            with pytest.raises(TypeError):
                array.__array_function__(**wrong)


def test_array_function_looks_at_its_arguments():
    # In the words of newer NumPy; 2.0 reads what is no tuple as one.
    array = la.LockedArray([1, 2])
    with pytest.raises(TypeError, match="args must be a tuple"):
        array.__array_function__(np.reshape, (la.LockedArray,), array, (2, 1))
    with pytest.raises(TypeError, match="kwargs must be a dict"):
        array.__array_function__(np.reshape, (la.LockedArray,), (array,), (2, 1))


class Threesome:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return range(3)[index]


class Convertible:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


class Unconvertible:
    def __float__(self):
        raise LookupError


ASSIGNED = [
    *([1, 2, 3], [[1], [2, 3]], [[1, 2, 3]], {1}, range(3), range(1), Threesome()),
    *(Convertible(3), Convertible([4]), Unconvertible(), None, "12", memoryview(b"ab"), 2**70),
]
INDICES = [
    *((), ..., 0, (..., 0), slice(None), [0, 2], None, 7, "f0", 1.0, [], np.int64(1), np.array(1)),
    *((0, 0), np.array([True, False, True])),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "array",
    [
        *(np.array(1.0), np.arange(3, dtype="u1"), np.array([True, False, True])),
        *(np.array(["a", "bb", "c"]), np.zeros(3, "i4,f8"), np.array([1, None, "x"], object)),
        *(np.zeros(3, "V4"), np.ones((3, 3))),
    ],
    ids=lambda array: f"{array.ndim}-d {array.dtype}",
)
def test_assignment_is_that_of_numpy_or_refused_as_by_numpy(array):
    for index in INDICES:
        for value in ASSIGNED:
            x, plain = la.LockedArray(array, copy=True), array.copy()
            outcomes = []
            for target in (x, plain):
                try:
                    target[index] = value
                    outcomes.append(None)
                except Exception as error:
                    outcomes.append(type(error))
            assert outcomes[0] is outcomes[1], (index, value)
            assert repr(x.snapshot()) == repr(plain), (index, value)


OUT = {
    "dot": lambda x, y, z: np.dot(x, y.T, out=z.reshape(2, 4)),
    "ndarray.dot": lambda x, y, z: x.dot(y.T, z.reshape(2, 4)),
    "dot of a slice": lambda x, y, z: np.dot(x, y.T, out=z.T),
    "matmul": lambda x, y, z: np.matmul(x, y.T, out=z.T),
    "einsum": lambda x, y, z: np.einsum("ij,kj->ik", x, y, out=z.T),
    "multi_dot": lambda x, y, z: np.linalg.multi_dot([x, y.T], out=z.reshape(2, 4)),
    "choose": lambda x, y, z: np.choose([[0, 1, 0], [1, 1, 0]], [x, y[:2]], out=z[:3].T),
    "take": lambda x, y, z: np.take(x.T, [0, 1], axis=0, out=z[:2].T),
    "compress": lambda x, y, z: np.compress([1, 0, 1], x.T, 0, out=z[:2].T),
    "concatenate": lambda x, y, z: np.concatenate([x[:1], x[1:, :]], 0, z[:3].T),
    "stack": lambda x, y, z: np.stack([x[0], x[1]], out=z[:3].T),
    "cumsum": lambda x, y, z: np.cumsum(x, 0, out=z[:3].T),
}


@pytest.mark.parametrize("call", OUT.values(), ids=OUT)
def test_out_may_be_in_another_order_than_the_inputs(call):
    plain = [np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(4, 3), np.zeros((4, 2))]
    locked = [la.LockedArray(array, copy=True) for array in plain]
    outcomes = []
    for arrays in (plain, locked):
        try:
            outcomes.append(call(*arrays).tolist())
        except Exception as error:
            outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]
    assert [array.tolist() for array in plain] == [array.tolist() for array in locked]


ZERO_D = [
    lambda x, o: np.add(x, x, out=o),
    lambda x, o: np.add(x, x, where=True, dtype="f4"),
    lambda x, o: np.divmod(x, x, out=(o, None)),
    lambda x, o: np.modf(x, subok=False),
    lambda x, o: np.add.outer(x, x, out=o),
    lambda x, o: np.add.reduce(x, axis=(), keepdims=True),
    lambda x, o: np.add.reduce(x, axis=None, out=o, initial=2),
    lambda x, o: np.clip(x, 1, 2, out=...),
    lambda x, o: np.percentile(x, 50, out=o),
    lambda x, o: np.quantile(x, [0.5, 0.25]),
    lambda x, o: np.interp(x, [0, 4], [0, 8]),
    lambda x, o: (np.mean(x, keepdims=True), np.mean(x, out=o), np.std(x)),
    lambda x, o: (np.linalg.norm(x), np.round(x, 1), np.dot(x, x)),
]


@pytest.mark.parametrize("call", ZERO_D, ids=range(len(ZERO_D)))
def test_result_without_axes_is_of_numpys_kind(call):
    def shown(result):
        if isinstance(result, tuple):
            return [shown(item) for item in result]
        return isinstance(result, np.ndarray), result.dtype, result.shape, result.tolist()

    def outcome(x, o):
        try:
            return shown(call(x, o)), x.tolist(), o.tolist()
        except Exception as error:
            return type(error), x.tolist(), o.tolist()

    x, o = la.LockedArray(2.25), la.LockedArray(0.0)
    assert outcome(x, o) == outcome(np.array(2.25), np.array(0.0))


def _add(x, y, out=None):
    return np.add(x, y, out=out)


def _square(x, out=None):
    return np.multiply(x, x, out=... if out is None else out)


ASKED = [  # each with the result as an array, where the function has no axes, and without
    (lambda x, v: np.add(x, x, out=...), lambda x, v: np.add(x, x, out=None)),
    (lambda x, v: np.sqrt(x, out=..., where=True), lambda x, v: np.sqrt(x, where=True)),
    (lambda x, v: np.divmod(x, 2, dtype="f4", out=...), lambda x, v: np.divmod(x, 2)),
    (lambda x, v: np.add.reduce(v, out=..., axis=0), lambda x, v: np.add.reduce(v)),
    (lambda x, v: np.matmul(v, v, out=...), lambda x, v: np.matmul(v, v)),
    (lambda x, v: _add(x, 1, ...), lambda x, v: _add(x, 1)),
    (lambda x, v: _square(x), lambda x, v: np.sqrt(x, out=None)),
    (lambda x, v: np.add(v, v, out=...), lambda x, v: np.add(v, v)),
]


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.3.0", reason="out=... came then")
@pytest.mark.parametrize("dtype", ["f8", "O", np.dtypes.StringDType()], ids=str)
@pytest.mark.parametrize("calls", ASKED, ids=range(len(ASKED)))
def test_an_ellipsis_as_out_asks_for_an_array(calls, dtype):
    def outcome(call, x, v):
        try:
            results = call(x, v)
        except TypeError:
            return TypeError
        results = results if isinstance(results, tuple) else (results,)
        return [(type(r), getattr(r, "dtype", None), np.asarray(r).tolist()) for r in results]

    plain = np.array(2.25, dtype), np.array([1.0, 2.0], dtype)
    for call in calls:
        assert outcome(call, *map(la.LockedArray, plain)) == outcome(call, *plain)


def test_functions_that_ask_for_arrays_inside_are_as_numpys():
    lerp = np.lib._function_base_impl._lerp
    x, y = np.array(2.0), np.array(4.0)
    assert lerp(la.LockedArray(x), la.LockedArray(y), 0.75) == lerp(x, y, 0.75) == 3.5


def test_a_record_compared_with_what_makes_no_array_is_as_numpys():
    records = np.array([((1, 2), True), ((0, 1), False)], [("m", "i2", (2,)), ("k", "?")])
    for compare in (operator.eq, operator.ne):
        with pytest.warns(DeprecationWarning, match="elementwise"):
            expected = compare(records, ((1, 2), True))
        with pytest.warns(DeprecationWarning, match="elementwise"):
            assert compare(la.LockedArray(records), ((1, 2), True)) is expected


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((None,), {}),
        ((), {"dtype": None}),
        ((None, np.matrix), {}),
        (("i4", None), {}),
        ((), {"type": None}),
        ((), {"type": int}),
        ((int, int), {}),
        (("i4", 3), {}),
        (("no dtype", int), {}),
        ((np.matrix, np.matrix), {}),
        ((np.matrix,), {"type": np.matrix}),
        ((np.matrix,), {}),
        (("i4", np.matrix), {}),
    ],
)
def test_view_takes_and_refuses_what_numpy_does(args, kwargs):
    def outcome(array):
        try:
            made = array.view(*args, **kwargs)
        except Exception as error:
            return type(error), str(error)
        return made.dtype, made.shape, isinstance(made, np.matrix), made.tolist()

    plain, locked = both([[1, 2], [3, 4]])
    assert outcome(locked) == outcome(plain)


@pytest.mark.parametrize("dtype", [np.float64, "f4", None, complex, "c8"])
def test_astype_without_copy_warns_as_often_as_numpy(dtype):
    def outcome(array):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = array.astype(dtype, copy=False)
        return len(caught), made is array, made.dtype

    plain, locked = both([1 + 2j])
    assert outcome(locked) == outcome(plain)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_flat_of_no_elements_begins_at_zeros(shape):
    plain, locked = both(np.zeros(shape))
    assert locked.flat.coords == plain.flat.coords
    assert list(locked.flat) == list(plain.flat)
    assert locked.flat.coords == plain.flat.coords


@pytest.mark.parametrize("step", [2**62, 2**63 - 1, -(2**60), -(2**63 - 1)])
def test_a_step_may_be_larger_than_any_stride(step):
    """The sanitizer of `make asan` looks at the product of step and stride."""
    outcomes = []
    for x in (np.arange(9.0), la.LockedArray(np.arange(9.0))):
        x[::step] = 10
        x[::step] += 1
        x[::step] = x[1:2]
        np.add(x[::step], 1, out=x[::step])
        outcomes.append(x.tolist())
    assert outcomes[0] == outcomes[1]
    la.LockedArray(x).at[::step].add(1)
