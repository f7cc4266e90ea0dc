"""What shares the memory is a LockedArray on the same Buffer; everything else is plain."""

import operator

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import lockedarray as la
from arrange import free, held_elsewhere, waits_beside
from lockedarray import LockedArray


def numbers(*shape):
    return LockedArray(np.arange(float(np.prod(shape))).reshape(shape))


VIEWS = {
    "x[1:]": lambda x: x[1:],
    "x[::-2]": lambda x: x[::-2],
    "x[:, 1]": lambda x: x[:, 1],
    "x[1]": lambda x: x[1],
    "x[-1, 1:]": lambda x: x[-1, 1:],
    "x[np.int64(1)]": lambda x: x[np.int64(1)],
    "x[...]": lambda x: x[...],
    "x[()]": lambda x: x[()],
    "x[None]": lambda x: x[None],
    "x[0, 0, ...]": lambda x: x[0, 0, ...],
    "x[2:2]": lambda x: x[2:2],
    "x.T": lambda x: x.T,
    "x.mT": lambda x: x.mT,
    "x.real": lambda x: x.view("c16").real,
    "x.imag": lambda x: x.view("c16").imag,
    "x.view()": lambda x: x.view(),
    "x.view(dtype)": lambda x: x.view("i4"),
    "x.view(fields)": lambda x: x.view("f8,f8"),
    "field": lambda x: x.view([("a", "f8"), ("b", "f8")])["b"],
    "fields": lambda x: x.view([("a", "f8"), ("b", "f8")])[["b"]],
    "reshape": lambda x: x.reshape(2, -1),
    "reshape(order)": lambda x: x.reshape(4, 4, order="C"),
    "ravel": lambda x: x.ravel(),
    "transpose": lambda x: x.transpose(1, 0),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:, :1].squeeze(),
    "getfield": lambda x: x.getfield("f4", 4),
    "np.reshape": lambda x: np.reshape(x, 16),
    "np.ravel": np.ravel,
    "np.transpose": np.transpose,
    "np.moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "np.rollaxis": lambda x: np.rollaxis(x, 1),
    "np.expand_dims": lambda x: np.expand_dims(x, 0),
    "np.squeeze": lambda x: np.squeeze(x[:1]),
    "np.flip": np.flip,
    "np.fliplr": np.fliplr,
    "np.rot90": np.rot90,
    "np.atleast_3d": np.atleast_3d,
    "np.real": lambda x: np.real(x.view("c16")),
    "np.imag": lambda x: np.imag(x.view("c16")),
    "np.split": lambda x: np.split(x, 2)[1],
    "np.array_split": lambda x: np.array_split(x, 3)[2],
    "np.hsplit": lambda x: np.hsplit(x, 2)[0],
    "np.vsplit": lambda x: np.vsplit(x, 2)[0],
    "np.ix_": lambda x: np.ix_(x[0])[0],
    "np.meshgrid": lambda x: np.meshgrid(x[0], x[1], copy=False)[0],
    "iteration": lambda x: list(x)[2],
    "sliding windows": lambda x: sliding_window_view(x, (2, 2), writeable=True),
    "__getitem__ of a view": lambda x: x[1:].T[::2][1],
}

READ_ONLY = {
    "x.diagonal()": lambda x: x.diagonal(),
    "np.diagonal": np.diagonal,
    "np.diag": np.diag,
    "np.linalg.diagonal": np.linalg.diagonal,
    "np.broadcast_to": lambda x: np.broadcast_to(x, (2, 4, 4)),
    "np.broadcast_to, same shape": lambda x: np.broadcast_to(x, (4, 4)),
    "sliding windows": lambda x: sliding_window_view(x, (2, 2)),
    "slice of a diagonal": lambda x: x.diagonal()[1:],
    "view of a diagonal": lambda x: x.diagonal().view(),
    "transposed broadcast": lambda x: np.broadcast_to(x, (2, 4, 4)).T,
    "reshaped diagonal": lambda x: x.diagonal().reshape(2, 2),
    "field of a diagonal": lambda x: x.view([("a", "f8")]).diagonal()["a"],
    "row of a broadcast": lambda x: next(iter(np.broadcast_to(x, (2, 4, 4)))),
    "alias": lambda x: np.asarray(x).view(LockedArray),
}


# -- what a view is ------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_view_is_a_lockedarray_on_the_same_lock(view):
    x = numbers(4, 4)
    plain = np.arange(16.0).reshape(4, 4)
    expected = view(plain)
    v = view(x)
    assert type(v) is LockedArray
    assert v.lock is x.lock
    assert v.base is x
    assert not v.flags.writeable
    assert (v.shape, v.strides, v.dtype) == (expected.shape, expected.strides, expected.dtype)
    np.testing.assert_array_equal(v.snapshot(), expected)
    assert free(x)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_view_is_made_without_waiting(view):
    if view is VIEWS["np.ix_"] or view is VIEWS["np.meshgrid"]:
        return  # they look at the data, or may
    x = numbers(4, 4)
    mode, _ = waits_beside(x.write(), x.lock, lambda: view(x))
    assert mode is None


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_view_writes_what_numpys_view_writes(view):
    if view is VIEWS["np.meshgrid"]:
        return  # NumPy warns of writing to what was broadcast
    x = numbers(4, 4)
    plain = np.arange(16.0).reshape(4, 4)
    value = np.zeros((), view(plain).dtype)
    view(x)[...] = value
    view(plain)[...] = value
    np.testing.assert_array_equal(x.snapshot(), plain)


@pytest.mark.parametrize("view", READ_ONLY.values(), ids=READ_ONLY)
def test_view_that_numpy_makes_read_only_stays_so(view):
    x = numbers(4, 4)
    v = view(x)
    assert type(v) is LockedArray
    assert v.lock is x.lock
    for write in (
        lambda: v.__setitem__(Ellipsis, 9),
        lambda: v.fill(9),
        lambda: operator.iadd(v, 1),
        lambda: np.add(v, 1, out=v),
        lambda: np.copyto(v, 9),
        lambda: v.at[0].add(1),
        lambda: v.sort(),
        lambda: v.flat.__setitem__(0, 9),
        lambda: v.write().acquire(),
        lambda: la.acquire(write=v).acquire(),
        lambda: la.acquire(write=(x, v)).acquire(),
        lambda: v[...].__setitem__(0, 9),
        lambda: v.__setitem__(Ellipsis, v),
        lambda: v.__setitem__(Ellipsis, v[...]),
    ):
        with pytest.raises(ValueError, match="read-only"):
            write()
        assert free(x)
    np.testing.assert_array_equal(x.snapshot(), np.arange(16.0).reshape(4, 4))
    before = v.snapshot()
    x += 1  # what it shows can be written
    assert (v == before + 1).all()
    with v.read() as raw:
        assert raw.shape == v.shape


@pytest.mark.parametrize("view", READ_ONLY.values(), ids=READ_ONLY)
def test_read_only_view_cannot_be_resized_nor_opened(view):
    v = view(numbers(4, 4))
    with pytest.raises(ValueError, match=r"x\.write\(\)"):
        v.setflags(write=True)
    with pytest.raises(ValueError, match="resize"):
        v.resize(2)


def test_base_is_the_array_that_owns_the_memory():
    x = numbers(4)
    assert x.base is None
    assert x[1:].base is x
    assert x[1:][1:].base is x
    assert x.reshape(2, 2).T[0].base is x
    assert LockedArray(np.zeros(3)).base is None
    assert la.zeros(3).base is None


def test_view_keeps_its_base_alive():
    v = numbers(4)[1:3]
    v += 1
    assert v.base.tolist() == [0, 2, 3, 3]


@pytest.mark.parametrize("name", ["real", "imag"])
def test_parts_of_objects_are_what_numpy_makes_of_them(name):
    plain = np.array([1 + 2j, 3, "text"], object)
    x = LockedArray(plain)
    expected = getattr(plain, name)
    for result in (getattr(x, name), getattr(np, name)(x)):
        assert result.tolist() == expected.tolist()
        assert (result is x) == (expected is plain)
        assert type(result) is (LockedArray if expected is plain else np.ndarray)


def test_real_of_real_numbers_is_the_array_and_imag_is_zero():
    x = numbers(3)
    x.real[0] = 9
    assert x[0] == 9
    assert not x.imag.any()
    with pytest.raises(ValueError, match="read-only"):
        x.imag[0] = 1
    with pytest.raises(TypeError):
        x.imag = 1
    assert x.imag.shape == (3,)


def test_strided_alias_as_a_view_follows_a_resize():
    x = numbers(10)
    v = as_strided(x[1:], shape=(2,), strides=(16,), subok=True)
    assert v.tolist() == [1, 3]
    assert v.lock is x.lock
    x.resize(10_000)
    x[1] = 7
    assert v.tolist() == [7, 3]
    v[1] = 8
    assert x[3] == 8


# -- results -------------------------------------------------------------------------------------


RESULTS = {
    "+": lambda x: x + 1,
    "-x": operator.neg,
    "+x": operator.pos,
    "abs": abs,
    "divmod": lambda x: divmod(x, 2)[0],
    "==": lambda x: x == 1,
    "@": lambda x: x @ x,
    "mask": lambda x: x[x > 1],
    "fancy": lambda x: x[[0, 1]],
    "mixed": lambda x: x[[0, 1], 1:],
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype("f4"),
    "astype, no copy": lambda x: x.astype("f8", copy=True),
    "flatten": lambda x: x.flatten(),
    "snapshot": lambda x: x.snapshot(),
    "take": lambda x: x.take([0, 1]),
    "cumsum": lambda x: x.cumsum(),
    "sum": lambda x: x.sum(axis=0),
    "ravel of a transpose": lambda x: x.T.ravel(),
    "reshape of a transpose": lambda x: x.T.reshape(-1),
    "ufunc": np.sqrt,
    "reduce": np.add.reduce,
    "outer": lambda x: np.add.outer(x, x),
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x]),
    "sort": np.sort,
    "where": lambda x: np.where(x > 1, x, 0),
    "zeros_like": np.zeros_like,
    "empty_like": lambda x: np.empty_like(x),
    "full_like": lambda x: np.full_like(x, 1),
    "np.array": np.array,
    "np.copy": np.copy,
    "np.roll": lambda x: np.roll(x, 1),
    "np.pad": lambda x: np.pad(x, 1),
    "np.tile": lambda x: np.tile(x, 2),
    "np.unique": lambda x: np.unique_counts(x).values,
    "svd": lambda x: np.linalg.svd(x).U,
    "nonzero": lambda x: x.nonzero()[0],
}


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_result_in_new_memory_is_plain_and_private(make):
    x = numbers(4, 4)
    result = make(x)
    assert type(result) is np.ndarray
    assert not np.shares_memory(result, x)
    assert result.flags.writeable
    result[...] = 0
    assert x[3, 3] == 15
    assert free(x)


def test_scalars_are_scalars():
    x = numbers(4)
    for scalar in (x[1], x.sum(), x.max(), np.median(x), x[1:2][0], x.flat[1], np.add.reduce(x)):
        assert isinstance(scalar, np.float64)
    assert type(x.item(1)) is float
    assert isinstance(LockedArray(2.0)[()], np.float64)
    assert isinstance(LockedArray(2.0) + 1, np.float64)


def test_nested_results_are_wrapped_where_they_share():
    x, y = numbers(4), numbers(4, 1)
    a, b = np.broadcast_arrays(x, y)
    assert (a.lock, b.lock) == (x.lock, y.lock)
    assert (a.base, b.base) == (x, y) or (a.base is x and b.base is y)
    parts = np.split(x, 2)
    assert type(parts) is list
    assert [type(part) for part in parts] == [LockedArray] * 2
    one, two, three = np.atleast_2d(x, [1.0], y)
    assert (type(one), type(two), type(three)) == (LockedArray, np.ndarray, LockedArray)
    counts, edges = np.histogram(x, bins=y[:, 0])
    assert type(counts) is np.ndarray
    assert edges.tolist() == y[:, 0].tolist()
    with pytest.raises((ValueError, AttributeError)):
        edges.flags.writeable = True if isinstance(edges, LockedArray) else None.nothing
    named = np.linalg.eigh(np.eye(2, like=x))
    assert type(named).__name__ == "EighResult"


def test_out_is_returned_as_the_same_object():
    x, y, table = numbers(4), numbers(4), numbers(4, 4)
    a = np.arange(4.0)
    assert np.add(a, a, out=x) is x
    assert np.add(a, a, x) is x
    assert np.add(x, x, out=x) is x
    assert np.add.reduce(table, out=x) is x
    assert np.add.accumulate(a, out=x) is x
    assert np.cumsum(a, out=x) is x
    assert table.sum(axis=0, out=x) is x
    assert x.clip(0, 1, out=x) is x
    assert np.clip(a, 0, 1, out=x) is x
    assert np.take(a, [0, 1, 2, 3], out=x) is x
    assert np.concatenate([a[:2], a[:2]], out=x) is x
    assert np.matmul(table, a, out=x) is x
    assert np.median(table, axis=0, out=x) is x
    assert table.mean(axis=0, out=x) is x
    assert x.cumsum(0, None, x) is x
    quotient, remainder = np.divmod(a, 2, out=(x, y))
    assert quotient is x
    assert remainder is y
    fraction, whole = np.modf(a, out=(None, x))
    assert type(fraction) is np.ndarray
    assert whole is x
    view = x[1:]
    assert np.negative(view, out=view) is view
    assert np.sqrt(a, out=a) is a
    assert free(x, y, table)


def test_plain_out_of_a_locked_operation_is_the_same_object():
    x, out = numbers(3), np.empty(3)
    assert np.add(x, 1, out=out) is out
    assert x.cumsum(out=out) is out
    assert np.take(x, [0, 1, 2], out=out) is out
    assert out.tolist() == [0, 1, 2]


def test_in_place_operators_keep_the_object():
    x = y = numbers(4)
    for operation in (
        operator.iadd,
        operator.imul,
        operator.ipow,
        operator.isub,
        operator.itruediv,
    ):
        y = operation(y, 2.0)
        assert y is x
    table = square = numbers(2, 2)
    square @= np.eye(2)
    assert square is table
    v = x[1:]
    w = v
    w += 1
    assert w is v


def test_in_place_operator_on_a_plain_array_reads_under_the_lock():
    x = numbers(3)
    a = np.ones(3)
    before = a

    def add():
        nonlocal a
        a += x

    mode, _ = waits_beside(x.write(), x.lock, add)
    assert mode == "read"
    assert a is before
    assert a.tolist() == [1, 2, 3]


# -- write-back ------------------------------------------------------------------------------------


PLACES = {
    "slice": slice(1, 3),
    "step": slice(None, None, 2),
    "row": 1,
    "column": (slice(None), 2),
    "box": (slice(1, 3), slice(0, 2)),
    "ellipsis": Ellipsis,
    "newaxis": (None, 0),
    "numpy integer": np.int64(2),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "operation", [operator.iadd, operator.imul, operator.isub], ids=lambda o: o.__name__
)
def test_augmented_assignment_equals_numpys(place, operation):
    x, plain = numbers(4, 4), np.arange(16.0).reshape(4, 4)
    x[place] = operation(x[place], 3)
    plain[place] = operation(plain[place], 3)
    np.testing.assert_array_equal(x.snapshot(), plain)


def test_write_back_takes_no_lock_again():
    x = numbers(4)
    view = x[1:3]
    view += 1
    with held_elsewhere(x.write()):
        x[1:3] = view  # nothing to do, nothing to wait for


def test_write_back_is_taken_only_for_the_same_elements():
    x, plain = numbers(6), np.arange(6.0)
    for a in (x, plain):
        a[1:3] = a[2:4]
        a[4:6] = a[4:5]
        a[...] = a[::-1]
        a.reshape(2, 3)[...] = a.reshape(3, 2).T
    assert x.tolist() == plain.tolist()
    y = numbers(2, 2)
    y[...] = y.T
    assert y.tolist() == [[0, 2], [1, 3]]
    y[0] = y[:, 0]
    assert y.tolist() == [[0, 1], [1, 3]]
    z = LockedArray([1.0])
    z[:] = z.view("i8")  # the same bytes, another meaning
    assert z[0] == np.float64(1.0).view("i8")


def test_write_back_to_fields_and_parts():
    x = LockedArray(np.zeros(2, [("a", "i4"), ("b", "f8")]))
    x["a"] += 1
    x["b"][1:] += 2
    assert x.tolist() == [(1, 0), (1, 2)]
    z = LockedArray([1 + 2j])
    z.real += 1
    z.imag *= 2
    assert z.tolist() == [2 + 4j]
    with pytest.raises(AttributeError):
        z.T += 1


def test_write_back_raises_where_the_write_does():
    x = numbers(3)
    with pytest.raises(IndexError):
        x[7] += 1
    with pytest.raises(ValueError, match="broadcast"):
        x[1:] += np.ones(5)
    x.freeze()
    with pytest.raises(ValueError, match="frozen"):
        x[1:] += 1
    with pytest.raises(ValueError, match="frozen"):
        x[1:] = x[1:]
    assert x.tolist() == [0, 1, 2]
    assert free(x)


# -- structured scalars ------------------------------------------------------------------------------


INNER = np.dtype([("u", "f4"), ("v", "f4")])
RECORD = np.dtype([("a", "i4"), ("b", "f8"), ("s", "f8", (2,)), ("t", INNER)])
SCALARS = {
    "x[0]": lambda x: x[0],
    "x[np.int64(0)]": lambda x: x[np.int64(0)],
    "0-d": lambda x: x[:1].reshape(())[()],
    "x[-2]": lambda x: x[-2],
    "iteration": lambda x: next(iter(x)),
    "flat": lambda x: x.flat[0],
    "flat iteration": lambda x: next(x.flat),
    "np.take": lambda x: np.take(x, 0),
    "x.take": lambda x: x.take(0),
    "at.get": lambda x: x.at[0].get(),
    "at.exchange": lambda x: x.at[0].exchange(x[0]),
    "of a view": lambda x: x[:1][0],
    "reshaped": lambda x: x.reshape(1, 2)[0, 0],
}


@pytest.mark.parametrize("take", SCALARS.values(), ids=SCALARS)
def test_structured_scalar_is_a_copy_that_refuses_assignment(take):
    x = LockedArray(np.array([(1, 2.0, (3, 4), (5, 6)), (0, 0, (0, 0), (0, 0))], RECORD))
    before = x.snapshot()
    record = take(x)
    assert isinstance(record, np.void)
    assert record == before[0]
    assert record["a"] == 1
    assert record["s"].tolist() == [3, 4]
    assert str(record) == str(before[0])
    with pytest.raises(ValueError, match=r"x\['field'\]\[i\]"):
        record["a"] = 9
    with pytest.raises(ValueError, match=r"x\['field'\]\[i\]"):
        record[0] = 9
    with pytest.raises(ValueError, match="read-only"):
        record["s"][0] = 9
    with pytest.raises(ValueError, match="read-only"):
        record["t"]["u"] = 9
    with pytest.raises((ValueError, RuntimeError)):
        record.setfield(9, "i4")
    with pytest.raises(ValueError, match="WRITEABLE"):
        record["s"].setflags(write=True)
    np.testing.assert_array_equal(x.snapshot(), before)
    x["a"][0] = 7
    assert record["a"] == 1
    assert free(x)


def test_structured_scalar_looks_like_numpys():
    a = np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])
    x = LockedArray(a)
    assert repr(x[0]) == repr(a[0])
    assert str(x[0]) == str(a[0])
    assert x[0].dtype == a.dtype
    assert x[0].dtype.fields == a.dtype.fields
    assert np.array([x[0]]).dtype == a.dtype
    assert np.asarray(x[0]).dtype == a.dtype
    assert (x[0] == a[0]) is np.True_ or bool(x[0] == a[0])
    assert hash(x[0]) == hash(a[0]) if a[0].__hash__ is not None and not a.flags.writeable else True
    b = np.zeros(1, a.dtype)
    b[0] = x[0]
    assert b[0] == a[0]
    x[0] = (3, 4.5)
    x[0] = b[0]
    assert x.tolist() == [(1, 2.5)]


def test_record_of_a_recarray_refuses_attributes():
    x = LockedArray(np.rec.array([(1, 2.0)], names="a,b"))
    record = x[0]
    assert (record.a, record.b) == (1, 2.0)
    with pytest.raises((ValueError, AttributeError), match=r"x\['field'\]\[i\]|read-only"):
        record.a = 9
    assert x["a"][0] == 1


def test_unstructured_void_is_a_copy():
    x = LockedArray(np.array([b"abcd"], "V4"))
    record = x[0]
    x[0] = b"wxyz"
    assert bytes(record) == b"abcd"


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: np.sum(x[1:], axis=0, out=out),
        lambda x, out: np.mean(x[1:], axis=0, out=out),
        lambda x, out: np.max(x[1:], axis=0, out=out),
        lambda x, out: np.std(x[1:], axis=0, out=out),
        lambda x, out: np.median(x[1:], axis=0, out=out),
        lambda x, out: np.clip(x[1, ::-1], 0, 1, out=out),
        lambda x, out: np.round(x[1], out=out),
        lambda x, out: np.cumsum(x[1], out=out),
        lambda x, out: np.cumprod(out[::-1], out=out),
        lambda x, out: np.concatenate([x[1, :2], x[2, 2:]], out=out),
        lambda x, out: np.take(x[1], [0, 1, 2], out=out),
        lambda x, out: np.add.reduce(x[1:], axis=0, out=out),
        lambda x, out: np.add.accumulate(x[1], out=out),
        lambda x, out: np.sqrt(x[1], out=out, where=True),
        lambda x, out: np.add(x[1], x[2], out=out),
        lambda x, out: x[1:].sum(axis=0, out=out),
        lambda x, out: np.einsum("ij->j", x[1:], out=out),
    ],
)
def test_out_that_is_memory_of_an_input_is_what_is_returned_and_stays_writable(call):
    x = LockedArray(np.arange(12.0).reshape(4, 3))
    out = x[0]
    plain = np.arange(12.0).reshape(4, 3)
    call(plain, plain[0])
    assert call(x, out) is out
    assert x.tolist() == plain.tolist()
    out[...] = 1
    out += 1
    np.add(out, 1, out=out)
    out.sort()
    assert x[0].tolist() == [3, 3, 3]
