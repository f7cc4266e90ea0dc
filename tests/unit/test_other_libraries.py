"""Other libraries' types, np.ma, dlpack, containers that contain themselves, foreign code."""

import array
import collections
import mmap

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere, waits_beside
from lockedarray import LockedArray

# -- types that override NumPy's functions (NEP 13, NEP 18) ----------------------------------------


class Other:
    """An array of another library: remembers what it was called with."""

    def __init__(self, values=(1.0, 2.0), lock=None):
        self.values = np.array(values)
        self.calls = []
        self.lock = lock
        self.held = []

    def _called(self, name, arguments):
        self.calls.append((name, arguments))
        if self.lock is not None:
            self.held.append([entry.mode for entry in self.lock.holds()])

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        self._called(ufunc.__name__, inputs + (out or ()))
        inputs = [i.values if isinstance(i, Other) else i for i in inputs]
        if out is not None:
            kwargs["out"] = out
        return ("other", getattr(ufunc, method)(*inputs, **kwargs))

    def __array_function__(self, function, types, args, kwargs):
        self._called(function.__name__, args)
        return ("other", function.__name__)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x, o: np.add(x, o),
        lambda x, o: x + o,
        lambda x, o: np.multiply.outer(x, o),
        lambda x, o: np.maximum(x, o),
    ],
)
def test_ufunc_of_another_library_gets_the_raw_view_under_the_lock(operation):
    x = LockedArray([1.0, 2.0])
    other = Other(lock=x.lock)
    name, result = operation(x, other)
    assert name == "other"
    assert isinstance(result, np.ndarray)
    [(_, arguments)] = other.calls
    raws = [a for a in arguments if isinstance(a, np.ndarray)]
    assert [type(raw) for raw in raws] == [np.ndarray]
    assert np.shares_memory(raws[0], x)
    assert not raws[0].flags.writeable
    assert other.held == [["read"]]
    assert free(x)


def test_out_of_another_librarys_ufunc_is_written_under_the_write_lock():
    x, y = LockedArray([1.0, 2.0]), LockedArray([0.0, 0.0])
    other = Other((10.0, 20.0), lock=y.lock)
    name, result = np.add(x, other, out=y)
    assert name == "other"
    assert y.tolist() == [11, 22]
    assert np.shares_memory(result, y)
    assert other.held == [["write"]]
    for argument in other.calls[0][1]:
        assert not isinstance(argument, np.ndarray) or not argument.flags.writeable
    assert free(x, y)


def test_ufunc_that_hands_on_out_as_it_was_given_writes_under_the_write_lock():
    x = LockedArray([1.0, 2.0])  # NumPy's own ufuncs make a tuple of it, numba's do not
    mode, result = waits_beside(
        x.read(), x.lock, lambda: x.__array_ufunc__(np.add, "__call__", x, 1.0, out=x)
    )
    assert mode == "write"
    assert result is x
    assert x.tolist() == [2, 3]
    assert free(x)


def test_other_library_that_comes_first_gets_the_lockedarray():
    x = LockedArray([1.0, 2.0])
    other = Other((10.0, 20.0), lock=x.lock)
    name, result = np.add(other, x)
    assert other.calls[0][1][1] is x
    assert (name, result.tolist()) == ("other", [11, 22])
    assert np.add(other, 1, out=x)[1] is x
    assert x.tolist() == [11, 21]
    assert free(x)


@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        (lambda x, o: np.concatenate([x, o]), "read"),
        (lambda x, o: np.stack([x, o]), "read"),
        (lambda x, o: np.where(x > 1, x, o), "read"),
        (lambda x, o: np.dot(x, o), "read"),
        (lambda x, o: np.sum(x, out=o), "read"),
        (lambda x, o: np.copyto(x, o), "write"),
        (lambda x, o: np.put(x, [0], o), "write"),
    ],
)
def test_function_of_another_library_gets_the_raw_view_under_the_lock(operation, mode):
    x = LockedArray([1.0, 2.0])
    other = Other(lock=x.lock)
    operation(x, other)
    [(_, arguments)] = other.calls
    arguments = [a for b in arguments for a in (b if isinstance(b, (list, tuple)) else [b])]
    raws = [a for a in arguments if isinstance(a, np.ndarray) and np.shares_memory(a, x)]
    assert [type(raw) for raw in raws] == [np.ndarray]
    assert other.held == [[mode]]
    assert not raws[0].flags.writeable  # now that the operation is over
    assert free(x)


def test_type_that_declines_gets_a_type_error():
    class Declining:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "reflected"

    x = LockedArray([1.0])
    assert x + Declining() == "reflected"
    with pytest.raises(TypeError):
        np.add(x, Declining())
    with pytest.raises(TypeError):
        x += Declining()
    assert free(x)


def test_type_that_raises_leaves_no_lock_held():
    class Broken:
        def __array_ufunc__(self, *args, **kwargs):
            raise ZeroDivisionError

        def __array_function__(self, *args, **kwargs):
            raise ZeroDivisionError

        def __array__(self, *args, **kwargs):
            raise ZeroDivisionError

    x = LockedArray([1.0, 2.0])
    for operation in (
        lambda: x + Broken(),
        lambda: np.add(1, Broken(), out=x),
        lambda: np.copyto(x, Broken()),
        lambda: np.concatenate([x, Broken()]),
        lambda: x.__setitem__(0, Broken()),
        lambda: x.__setitem__(slice(None), Broken()),
    ):
        with pytest.raises((ZeroDivisionError, TypeError)):
            operation()
        assert free(x)
    assert x.tolist() == [1, 2]


def test_other_subclass_without_override_works_as_with_numpy():
    class Sub(np.ndarray):
        pass

    x, sub = LockedArray([1.0, 2.0]), np.array([3.0, 4.0]).view(Sub)
    for operation in (
        lambda x: x + sub,
        lambda x: sub + x,
        lambda x: np.add(sub, x),
        lambda x: np.multiply.outer(sub, x),
        lambda x: sub * x,
    ):
        plain, result = operation(np.array([1.0, 2.0])), operation(x)
        assert type(result) is type(plain)
        np.testing.assert_array_equal(np.asarray(result), np.asarray(plain))
    sub += x
    assert type(sub) is Sub
    assert sub.tolist() == [4, 6]
    x += sub
    assert type(x) is LockedArray
    assert x.tolist() == [5, 8]


def test_memmap_and_matrix_as_operands(tmp_path):
    mapped = np.memmap(tmp_path / "data", "f8", "w+", shape=(2,))
    x = LockedArray([1.0, 2.0])
    mapped[:] = x
    mapped += x
    assert mapped.tolist() == [2, 4]
    x += mapped
    assert x.tolist() == [3, 6]
    y = LockedArray(mapped, copy=False)
    z = LockedArray(mapped[1:], copy=False)
    assert y.lock is z.lock
    y[0] = 9
    assert mapped[0] == 9


# -- np.ma -----------------------------------------------------------------------------------------


def test_masked_arrays_of_a_lockedarray_are_plain_and_read_only():
    x = LockedArray([1.0, 2.0, 3.0])
    m = np.ma.array(x, mask=[0, 1, 0], copy=False)
    assert type(m.data) is np.ndarray
    assert type(m.filled(0)) is np.ndarray
    assert m.sum() == 4
    assert m.mean() == 2
    with pytest.raises(ValueError, match="read-only"):
        m[0] = 9
    with pytest.raises(ValueError, match="read-only"):
        m += 1
    copy = np.ma.array(x, copy=True)
    copy[0] = 9
    assert x.tolist() == [1, 2, 3]
    assert np.ma.masked_greater(x, 1).count() == 1
    assert np.ma.masked_invalid(x).count() == 3
    assert np.ma.median(np.ma.array(x)) == 2
    assert free(x)


def test_operations_with_masked_arrays_are_as_with_numpys():
    a = np.array([1.0, 2.0, 3.0])
    x = LockedArray(a)
    m = np.ma.array([1.0, 5.0, 3.0], mask=[0, 1, 0])
    for operation in (
        lambda x: x + m,
        lambda x: m + x,
        lambda x: np.add(x, m),
        lambda x: m * x,
        lambda x: x == m,
        lambda x: m - x,
        lambda x: np.ma.add(x, m),
        lambda x: np.ma.concatenate([m, x]),
        lambda x: np.ma.where(m > 2, x, 0),
    ):
        plain, result = operation(a), operation(x)
        assert type(result) is type(plain)
        assert result.tolist() == plain.tolist()
    assert free(x)


def test_masked_assignment_into_a_lockedarray():
    x, a = LockedArray([1.0, 2.0]), np.array([1.0, 2.0])
    m = np.ma.array([5.0, 6.0], mask=[0, 1])
    for target in (x, a):
        target[:] = m
        target += m
    assert x.tolist() == a.tolist()


# -- dlpack ------------------------------------------------------------------------------------------


def test_dlpack_exports_a_snapshot():
    x = LockedArray([1.0, 2.0])
    exported = np.from_dlpack(x)
    assert type(exported) is np.ndarray
    assert exported.tolist() == [1, 2]
    assert not np.shares_memory(exported, x)
    x[0] = 9
    assert exported[0] == 1
    assert x.__dlpack_device__() == np.zeros(1).__dlpack_device__()
    assert free(x)


def test_dlpack_reads_under_the_lock():
    x = LockedArray([1.0])
    assert waits_beside(x.write(), x.lock, lambda: np.from_dlpack(x))[0] == "read"


def test_dlpack_refuses_to_share():
    x = LockedArray([1.0])
    with pytest.raises(BufferError, match="copy"):
        x.__dlpack__(copy=False)
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        with pytest.raises((BufferError, ValueError)):
            np.from_dlpack(x, copy=False)
        assert np.from_dlpack(x, copy=True).tolist() == [1]
    with pytest.raises((BufferError, TypeError, ValueError)):
        LockedArray([None]).__dlpack__()
    with pytest.raises((BufferError, TypeError, ValueError)):
        x.__dlpack__(unknown=1)
    assert free(x)


# -- containers --------------------------------------------------------------------------------------


def cyclic_list(x):
    container = [x]
    container.append(container)
    return container


def cyclic_tuple(x):
    inner = [x]
    outer = (inner, x)
    inner.append(outer)
    return outer


def cyclic_dict(x):
    container = {"x": x}
    container["self"] = container
    return container


@pytest.mark.parametrize("make", [cyclic_list, cyclic_tuple, cyclic_dict])
@pytest.mark.parametrize(
    "operation",
    [
        lambda x, c: np.sum(c),
        lambda x, c: np.concatenate(c),
        lambda x, c: x + c,
        lambda x, c: x == c,
        lambda x, c: np.add(1, 2, out=x, where=c),
        lambda x, c: np.copyto(x, c),
        lambda x, c: x.__setitem__(slice(None), c),
        lambda x, c: x.__setitem__(0, c),
        lambda x, c: x[c],
        lambda x, c: x.at[0].set(c),
        lambda x, c: x.at[0].add(c),
        lambda x, c: np.stack([x, c]),
        lambda x, c: LockedArray(c),
        lambda x, c: x.dot(c),
        lambda x, c: x.searchsorted(c),
        lambda x, c: np.where(c, x, x),
        lambda x, c: x.reshape(c),
        lambda x, c: c in x,
    ],
)
def test_container_that_contains_itself_is_an_error_and_not_the_end(make, operation):
    a = np.array([1.0, 2.0])
    x = LockedArray(a)
    for target in (a, x):
        try:
            operation(target, make(target))
        except (ValueError, TypeError, IndexError, RecursionError, AttributeError):
            pass
    assert free(x)
    assert x.tolist() == a.tolist()


def test_arrays_deep_in_containers_are_locked_and_found():
    x, y = LockedArray([1.0, 2.0]), LockedArray([3.0, 4.0])
    Both = collections.namedtuple("Both", "x y")
    for container in ([x, y], (x, y), Both(x, y), [x, [3.0, 4.0], y]):
        mode, result = waits_beside(y.write(), y.lock, lambda c=container: np.concatenate(c))
        assert mode == "read"
        assert result[-1] == 4
    mode, result = waits_beside(y.write(), y.lock, lambda: np.block([[x], [x], [y]]))
    assert mode == "read"
    mode, result = waits_beside(y.write(), y.lock, lambda: x + [y, y])
    assert mode == "read"
    assert result.tolist() == [[4, 6], [4, 6]]
    assert np.block([[x, y], [y, x]]).tolist() == [[1, 2, 3, 4], [3, 4, 1, 2]]
    assert np.concatenate((x, [5.0], y)).tolist() == [1, 2, 5, 3, 4]
    assert free(x, y)


def test_same_array_many_times_is_locked_once():
    x = LockedArray([1.0, 2.0])
    assert np.stack([x, x, x]).shape == (3, 2)
    assert np.add(x, x, out=x) is x
    assert np.where(x > 2, x, x).tolist() == [2, 4]
    assert free(x)


# -- foreign code ------------------------------------------------------------------------------------


class Foreign:
    """Something whose conversion to an array is code that we know nothing of."""

    def __init__(self, lock, values=(1.0, 2.0, 3.0)):
        self._lock = lock
        self._values = values
        self.held = []

    def __array__(self, dtype=None, copy=None):
        self.held.append(list(self._lock.holds()))
        return np.array(self._values, dtype)


class Sequence:
    """The same as a sequence."""

    def __init__(self, lock, values=(1.0, 2.0, 3.0)):
        self._lock = lock
        self._values = values
        self.held = []

    def __len__(self):
        return len(self._values)

    def __getitem__(self, i):
        self.held.append(list(self._lock.holds()))
        return self._values[i]


INTS = np.array([0, 1, 2])
FOREIGN = {
    "x + f": lambda x, f: x + f,
    "f + x": lambda x, f: np.add(f, x),
    "x += f": lambda x, f: x.__iadd__(f),
    "x @ f": lambda x, f: x @ f,
    "x == f": lambda x, f: x == f,
    "x < f": lambda x, f: x < f,
    "divmod": lambda x, f: divmod(x, f),
    "x[:] = f": lambda x, f: x.__setitem__(slice(None), f),
    "x[...] = f": lambda x, f: x.__setitem__(Ellipsis, f),
    "x[list] = f": lambda x, f: x.__setitem__([0, 1, 2], f),
    "x[mask] = f": lambda x, f: x.__setitem__(np.ones(3, bool), f),
    "flat": lambda x, f: x.flat.__setitem__(slice(None), f),
    "x.flat = f": lambda x, f: setattr(x, "flat", f),
    "x.real = f": lambda x, f: setattr(x, "real", f),
    "ufunc": lambda x, f: np.maximum(x, f),
    "ufunc out": lambda x, f: np.add(f, f, out=x),
    "ufunc where": lambda x, f: np.add(1, 2, out=x, where=np.asarray(f, bool)),
    "ufunc.at": lambda x, f: np.add.at(x, INTS, f),
    "ufunc.outer": lambda x, f: np.add.outer(x, f),
    "at.add": lambda x, f: x.at[:].add(f),
    "at.set": lambda x, f: x.at[:].set(f),
    "at =": lambda x, f: x.at.__setitem__(slice(None), f),
    "at.exchange": lambda x, f: x.at[:].exchange(f),
    "at.compare_exchange": lambda x, f: x.at[:].compare_exchange(f, f),
    "x.dot": lambda x, f: x.dot(f),
    "x.searchsorted": lambda x, f: x.searchsorted(f),
    "x.clip": lambda x, f: x.clip(f, f),
    "x.put": lambda x, f: x.put(INTS, f),
    "f in x": lambda x, f: f in x,
    "np.copyto": lambda x, f: np.copyto(x, f),
    "np.put": lambda x, f: np.put(x, INTS, f),
    "np.place": lambda x, f: np.place(x, x > 0, f),
    "np.putmask": lambda x, f: np.putmask(x, x > 0, f),
    "np.put_along_axis": lambda x, f: np.put_along_axis(x, INTS, f, 0),
    "np.dot": lambda x, f: np.dot(x, f),
    "np.concatenate": lambda x, f: np.concatenate([x, f]),
    "np.stack": lambda x, f: np.stack([x, f]),
    "np.where": lambda x, f: np.where(x > 1, x, f),
    "np.clip": lambda x, f: np.clip(x, f, f),
    "np.allclose": lambda x, f: np.allclose(x, f),
    "np.interp": lambda x, f: np.interp(x, f, f),
    "np.einsum": lambda x, f: np.einsum("i,i", x, f),
    "np.insert": lambda x, f: np.insert(x, 0, f),
    "np.append": lambda x, f: np.append(x, f),
    "np.isin": lambda x, f: np.isin(x, f),
    "np.searchsorted": lambda x, f: np.searchsorted(x, f),
    "np.average": lambda x, f: np.average(x, weights=f),
}


@pytest.mark.parametrize("operation", FOREIGN.values(), ids=FOREIGN)
def test_conversion_of_an_operand_does_not_run_under_the_lock(operation):
    x = LockedArray([1.0, 2.0, 3.0])
    foreign = Foreign(x.lock)
    operation(x, foreign)
    assert foreign.held
    assert not any(foreign.held)
    assert free(x)


@pytest.mark.parametrize(
    "name", [name for name in FOREIGN if not name.startswith(("np.", "x.", "f in"))]
)
def test_operand_that_is_a_sequence_is_not_read_under_the_lock(name):
    x = LockedArray([1.0, 2.0, 3.0])
    foreign = Sequence(x.lock)
    try:
        FOREIGN[name](x, foreign)
    except TypeError:  # it is no operand of a Python operator
        pass
    assert not any(foreign.held)
    assert free(x)


def test_operand_may_wait_for_another_thread_that_uses_the_array():
    x = LockedArray([1.0, 2.0, 3.0])

    class Patient:
        def __array__(self, dtype=None, copy=None):
            with held_elsewhere(x.write()):
                return np.array([1.0, 2.0, 3.0])

    x += Patient()
    x[:] = Patient()
    np.copyto(x, Patient())
    assert (x + Patient()).tolist() == [2, 4, 6]
    assert free(x)


def test_callable_that_is_a_sequence_as_well_stays_a_callable():
    class Pipeline:
        steps = (np.sum, float)

        def __len__(self):
            return len(self.steps)

        def __getitem__(self, i):
            return self.steps[i]

        def __call__(self, values):
            for step in self:
                values = step(values)
            return values

    x = LockedArray([[1.0, 2.0], [3.0, 4.0]])
    assert np.apply_along_axis(Pipeline(), 1, x).tolist() == [3, 7]
    assert x.at[0, 0].apply(Pipeline()) == 1
    assert free(x)


def test_file_that_is_a_sequence_as_well_stays_a_file():
    x = LockedArray([1.0, 2.0])
    with mmap.mmap(-1, 1000) as file:
        np.save(file, x)
        file.seek(0)
        assert np.load(file).tolist() == [1, 2]
    assert free(x)


def test_buffers_of_the_standard_library_are_operands():
    x = LockedArray([1.0, 2.0])
    x += array.array("d", [1, 2])
    x[:] = memoryview(array.array("d", [5, 6]))
    assert x.tolist() == [5, 6]
    assert (x + range(2)).tolist() == [5, 7]
    assert (x + la.ones(2)).tolist() == [6, 7]
    assert x[:].tolist() == [5, 6]
    assert [*reversed(x)] == [6, 5]
    assert bytes(LockedArray([1, 2], "u1")) == b"\x01\x02"
    assert max(x) == 6
    assert sorted(x, reverse=True) == [6, 5]
    assert dict.fromkeys(x.tolist()) == {5: None, 6: None}
