"""Exceptions in code of others that runs amid an operation: of elements, of other classes, callbacks."""

from __future__ import annotations

import gc
import io
import pickle
import sys
import warnings
import weakref

import numpy as np

import lockedarray as la
from stress.faulting import Blown, blows, fault, whole

NAMES = """add radd iadd sub rsub mul rmul truediv mod pow neg abs eq ne lt le gt ge hash repr str float int
    index bool format deepcopy reduce_ex and or invert lshift floordiv divmod matmul complex round""".split()


class Charge:
    """An element whose methods count down, and raise at zero."""

    left = 10**9

    def __init__(self, value=1):
        self.value = value

    def _burn():
        def method(self, *_):
            Charge.left -= 1
            if Charge.left == 0:
                raise Blown
            return method.answer(self)

        return method

    for _name in NAMES:
        locals()[f"__{_name}__"] = _method = _burn()
        _method.answer = {
            "repr": lambda self: "charge", "str": lambda self: "charge", "hash": lambda self: 1,
            "float": lambda self: 1.0, "int": lambda self: 1, "index": lambda self: 1,
            "format": lambda self: "charge", "complex": lambda self: 1j,
            "reduce_ex": lambda self: (Charge, (1,)), "divmod": lambda self: (self, self),
            **dict.fromkeys(["eq", "le", "ge", "bool"], lambda self: True),
            **dict.fromkeys(["ne", "lt", "gt"], lambda self: False),
        }.get(_name, lambda self: self)  # fmt: skip
    sin = sqrt = rint = conjugate = _burn()
    sin.answer = lambda self: self
    del _burn, _name, _method


OPERATIONS = {
    "x + x": lambda x: x + x,
    "x += x": lambda x: x.__iadd__(x),
    "x == x": lambda x: x == x,
    "x < 1": lambda x: x < 1,
    "-x": lambda x: -x,
    "abs(x)": lambda x: abs(x),
    "x @ x": lambda x: x @ x,
    "x ** 2": lambda x: x**2,
    "divmod": lambda x: divmod(x, x),
    "x.sum()": lambda x: x.sum(),
    "x.sort()": lambda x: x.sort(),
    "x.argsort()": lambda x: x.argsort(),
    "x.partition(1)": lambda x: x.partition(1),
    "x.max()": lambda x: x.max(),
    "x.argmax()": lambda x: x.argmax(),
    "x.any()": lambda x: x.any(),
    "x.cumsum()": lambda x: x.cumsum(),
    "x.searchsorted": lambda x: x.searchsorted(x[0]),
    "x.clip": lambda x: x.clip(x[0], x[1]),
    "x.nonzero()": lambda x: x.nonzero(),
    "x.astype(float)": lambda x: x.astype(float),
    "x.astype(int)": lambda x: x.astype(int),
    "x.astype(str)": lambda x: x.astype(str),
    "x.round()": lambda x: x.round(),
    "repr(x)": repr,
    "str(x)": str,
    "1 in x": lambda x: 1 in x,
    "set(x)": set,
    "float(x[0:1])": lambda x: float(x[0:1].reshape(())),
    "bool(x[0:1])": lambda x: bool(x[0:1]),
    "index": lambda x: range(5)[x[0:1].reshape(())],
    "deepcopy": lambda x: x.__deepcopy__({}),
    "pickle": lambda x: pickle.dumps(x),
    "at.add": lambda x: x.at[0].add(x[1]),
    "at several": lambda x: x.at[[0, 1, 0]].add(1),
    "at.min": lambda x: x.at[0].min(1),
    "compare_exchange": lambda x: x.at[0].compare_exchange(1, x[1]),
    "x[0] += 1": lambda x: exec("x[0] += 1", {"x": x}),
    "x[mask] += 1": lambda x: exec("x[[0, 1]] += 1", {"x": x}),
    "x[:2] += 1": lambda x: exec("x[:2] += 1", {"x": x}),
    "np.add.at": lambda x: np.add.at(x, [0, 0], x[0]),
    "np.add.reduceat": lambda x: np.add.reduceat(x, [0, 1]),
    "np.add.outer": lambda x: np.add.outer(x, x),
    "np.add(out=)": lambda x: np.add(x, x, out=x),
    "np.sin": np.sin,
    "np.unique": np.unique,
    "np.array_equal": lambda x: np.array_equal(x, x),
    "np.dot": lambda x: np.dot(x, x),
    "np.where": lambda x: np.where(x, 1, 2),
    "np.isin": lambda x: np.isin(x, [1]),
    "np.median": np.median,
}


@fault("code of elements")
def elements_raise_at_each_of_their_calls():
    """Each method that an operation calls on an element raises, at the first call, the second, ..."""
    seen = 0
    for objects in ("exclusive", "shared"):
        for name, act in OPERATIONS.items():
            for number in range(1, 30):
                x = la.LockedArray(np.array([Charge() for _ in range(4)], object), objects=objects)
                # NumPy catches some by itself, and goes on.
                Charge.left = number
                try:
                    act(x)
                except Exception:
                    pass
                burnt, Charge.left = Charge.left <= 0, 10**9
                assert x.lock.holds() == [], (name, number)
                assert all(type(element) is not int for element in x.snapshot().tolist()), name
                if not burnt:
                    break
                seen += 1
            whole(x)
    assert seen > 150, seen


class Dying:
    """An element whose end is an error."""

    def __del__(self):
        raise Blown


@fault("code of elements")
def ends_of_replaced_elements_raise():
    """``__del__`` of an element that is replaced raises: Python tells it, and the new one is there."""
    told = []
    sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_type)
    acts = [
        lambda x: x.fill(None),
        lambda x: x.__setitem__(0, None),
        lambda x: x.__setitem__(slice(None), None),
        lambda x: x.__setitem__([0, 2], None),
        lambda x: x.at[0].set(None),
        lambda x: x.at[0].exchange(None),
        lambda x: x.resize(1),
        lambda x: x.popleft(2),
        lambda x: x.assign([None]),
        lambda x: np.copyto(x, None),
        lambda x: x.put([0], None),
    ]
    for act in acts:
        x = la.LockedArray(np.array([None] * 4, object))
        for i in range(4):
            x[i] = Dying()
        before = len(told)
        act(x)
        gc.collect()
        assert len(told) > before, act
        whole(x)
    assert set(told) == {Blown}


def refusing(name, **others):
    """Return an object whose method of that name raises, and which has the others."""

    def method(*_, **__):
        raise Blown

    return type("Refusing", (), {f"__{name}__": method, **others})()


@fault("other classes")
def protocols_of_numpy_raise():
    """``__array_ufunc__``, ``__array_function__`` and ``__array__`` of the other operand raise."""
    x, y = la.zeros(3), la.zeros(3)
    ufunc, function = refusing("array_ufunc"), refusing("array_function")
    values = [refusing("array"), refusing("len", __getitem__=lambda self, i: 1.0)]
    acts = [
        lambda: np.add(x, ufunc), lambda: np.add(ufunc, x, out=y), lambda: np.add(x, y, out=ufunc),
        lambda: np.add(x, y, where=ufunc), lambda: np.add.at(x, [0], ufunc), lambda: x + ufunc,
        lambda: x.__iadd__(ufunc), lambda: np.add.reduce(x, out=ufunc),
        lambda: np.concatenate([x, function]), lambda: np.copyto(x, function),
        lambda: np.median(x, out=function), lambda: np.put_along_axis(x, function, 1, 0),
    ]  # fmt: skip
    for value in values[:1]:
        acts += [
            lambda v=value: x.__setitem__(slice(None), v), lambda v=value: x.__setitem__(0, v),
            lambda v=value: x + v, lambda v=value: x.__iadd__(v), lambda v=value: x.append(v),
            lambda v=value: x.assign(v), lambda v=value: np.copyto(x, v), lambda v=value: x.at[0].set(v),
            lambda v=value: x.at[[0, 1]].add(v), lambda v=value: la.array(v),
            lambda v=value: np.add(x, v, out=y), lambda v=value: x.put([0], v), lambda v=value: x.fill(v),
            lambda v=value: exec("x[[0, 1]] += v", {"x": x, "v": v}),
            lambda v=value: exec("x[0] += v", {"x": x, "v": v}),
        ]  # fmt: skip
    for act in acts:
        blows(act, x, y)
    assert x.tolist() == y.tolist() == [0, 0, 0]


class Wrapping(np.ndarray):
    def __array_wrap__(self, *_):
        raise Blown


class Finalizing(np.ndarray):
    armed = False

    def __array_finalize__(self, _):
        if Finalizing.armed:
            raise Blown


@fault("other classes")
def subclasses_of_ndarray_raise_where_results_are_made():
    """``__array_wrap__`` and ``__array_finalize__`` of another subclass raise when a result is theirs."""
    x = la.zeros(3)
    other = np.ones(3).view(Wrapping)
    for act in (lambda: np.add(x, other), lambda: x + other, lambda: np.sin(other)):
        blows(act, x)
    np.add(x, other, out=x)
    whole(x)
    assert x.tolist() == [1, 1, 1]
    final = np.ones(3).view(Finalizing)
    Finalizing.armed = True
    for act in (lambda: np.multiply(x, final), lambda: x.view(Finalizing), lambda: x * final):
        blows(act, x)
    Finalizing.armed = False
    assert (x * final).tolist() == [1, 1, 1]


class LockedSubclass(la.LockedArray):
    armed = False

    def __array_finalize__(self, other):
        if LockedSubclass.armed:
            raise Blown
        super().__array_finalize__(other)


@fault("other classes")
def subclasses_of_ours_raise_where_views_are_made():
    """``__array_finalize__`` of a subclass of LockedArray raises in each operation that makes a view."""
    x = np.zeros((3, 3)).view(LockedSubclass)
    LockedSubclass.armed = True
    acts = [
        lambda: x[1:], lambda: x.T, lambda: x.reshape(9), lambda: x.ravel(), lambda: x.real,
        lambda: x.view(int), lambda: np.split(x, 3), lambda: x.diagonal(), lambda: list(x),
        lambda: exec("x[1:] += 1", {"x": x}), lambda: np.broadcast_to(x, (2, 3, 3), subok=True),
    ]  # fmt: skip
    for act in acts:
        try:
            act()
        except Blown:
            pass
        LockedSubclass.armed = False
        whole(x)
        LockedSubclass.armed = True
    LockedSubclass.armed = False
    assert x[1:].tolist() == [[0] * 3] * 2


@fault("other classes")
def conversions_of_values_and_indices_raise():
    """``__float__``, ``__index__``, ``__bool__``, ``__len__`` of a value, index, shape or timeout raise."""
    x = la.zeros(3)
    number, index = refusing("float"), refusing("index")
    acts = [
        lambda: x.__setitem__(0, number), lambda: x.fill(number), lambda: x.at[0].set(number),
        lambda: x[index], lambda: x.__setitem__(index, 1), lambda: x.at[index].add(1),
        lambda: x[index:], lambda: x.resize(index), lambda: x.popleft(index), lambda: x.item(index),
        lambda: x.reshape(index), lambda: x.sum(axis=index), lambda: x.take(index),
        lambda: exec("x[index] += 1", {"x": x, "index": index}), lambda: x.write(timeout=number),
        lambda: x.write(when=lambda raw: refusing("bool")).acquire(),
        lambda: x.wait_for(lambda raw: refusing("bool")),
    ]  # fmt: skip
    for act in acts:
        blows(act, x)
    assert x.tolist() == [0, 0, 0]


def generating():
    yield 1.0
    raise Blown


class Sequence(list):
    def __iter__(self):
        raise Blown

    def __getitem__(self, _):
        raise Blown


@fault("other classes")
def generators_and_sequences_raise_amid_their_values():
    """What gives the values raises after the first."""
    x = la.zeros(3)
    for act in (
        lambda: np.fromiter(generating(), float),
        lambda: x.assign(list(generating())),
        lambda: np.concatenate(part for part in generating_arrays(x)),
        lambda: la.acquire(write=tuple(part for part in generating_arrays(x))),
    ):
        try:
            act()
        except (Blown, TypeError):
            pass
        whole(x)
    for act in (
        lambda: x.__setitem__(slice(None), Sequence([1, 2, 3])),
        lambda: x.append(Sequence([1])),
        lambda: x + Sequence([1, 2, 3]),
        lambda: x.__iadd__(Sequence([1, 2, 3])),
    ):
        try:  # NumPy reads lists in C, and may not ask
            act()
        except Blown:
            pass
        whole(x)


def generating_arrays(x):
    yield x
    raise Blown


def raising(*_, **__):
    raise Blown


class File(io.RawIOBase):
    def write(self, _):
        raise Blown

    def writable(self):
        return True


@fault("callbacks")
def callbacks_raise():
    """What NumPy or the array calls back raises: in the first call, and in a later one."""
    x, y = la.zeros((3, 3)), la.zeros(3)
    acts = [
        lambda: np.vectorize(raising)(x),
        lambda: np.apply_along_axis(raising, 0, x),
        lambda: np.apply_over_axes(raising, x, 0),
        lambda: np.fromfunction(raising, (3,), like=x),
        lambda: np.piecewise(x, [x == 0], [raising]),
        lambda: np.frompyfunc(raising, 1, 1)(x, out=la.LockedArray(np.zeros((3, 3), object))),
        lambda: x.at[0, 0].apply(raising),
        lambda: x.at[[0, 1]].apply(raising),
        lambda: x.at[:].apply(raising),
        lambda: x.read(when=raising).acquire(),
        lambda: la.acquire(write=x, read=y, when=raising).acquire(),
        lambda: x.wait_for(raising),
        lambda: np.array2string(x, formatter={"float": raising}),
        lambda: np.savetxt(File(), x),
        lambda: np.save(File(), x),
        lambda: pickle.dump(x, File()),
        lambda: sorted(y, key=raising),
    ]
    for act in acts:
        blows(act, x, y)

    def second(value, calls=iter(range(9))):
        if next(calls):
            raise Blown
        return value

    blows(lambda: np.vectorize(second, otypes=[float])(x), x)
    with np.printoptions(formatter={"float": raising}):
        blows(lambda: repr(x), x)
        blows(lambda: f"{x}", x)
    assert not x.any()


@fault("callbacks")
def errors_of_floating_point_are_raised_amid_writes():
    """``np.errstate`` and warnings that are errors raise out of operations that write."""
    acts = [
        lambda x: x.__itruediv__(0.0), lambda x: np.divide(x, 0, out=x), lambda x: x.at[0].divide(0),
        lambda x: x.at[[0, 1]].divide(0), lambda x: np.divide.at(x, [0], 0),
        lambda x: exec("x[0] /= 0", {"x": x}), lambda x: exec("x[[0, 1]] /= 0", {"x": x}),
        lambda x: exec("x[:2] /= 0", {"x": x}), lambda x: exec("x.flat[0] /= 0", {"x": x}),
        lambda x: x.__truediv__(0.0), lambda x: x.astype("i4"), lambda x: np.log(x, out=x),
    ]  # fmt: skip
    for act in acts:
        for kind in ("raise", "call", "warn"):
            x = la.LockedArray(np.array([1.0, -np.inf, 0.0]))
            with warnings.catch_warnings(), np.errstate(all=kind, call=raising):
                warnings.simplefilter("error")
                try:
                    act(x)
                except (FloatingPointError, RuntimeWarning, Blown):
                    pass
                else:
                    raise AssertionError((act, kind))
            whole(x)


@fault("callbacks")
def callbacks_raise_what_is_no_exception():
    """SystemExit, KeyboardInterrupt and GeneratorExit come out of callbacks, and nothing is held."""
    x = la.zeros(3)
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit):

        def raising(*_, kind=kind):
            raise kind

        element = type(
            "Element", (), {"__add__": raising, "__eq__": raising, "__repr__": raising}
        )()
        o = la.LockedArray(np.array([element], object))
        for act in (
            lambda: x.at[0].apply(raising), lambda: x.wait_for(raising), lambda: o + 1, lambda: o == 1,
            lambda: x.write(when=raising).acquire(), lambda: repr(o), lambda: o.at[0].add(1),
            lambda: exec("o[0] += 1", {"o": o}),
        ):  # fmt: skip
            try:
                act()
            except kind:
                pass
            else:
                raise AssertionError(act)
            whole(x, o)


@fault("finalizers")
def weak_references_and_finalizers_of_arrays_raise():
    """What is called at the end of an array, view, guard or raw view raises, and the rest goes on."""
    told = []
    sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_type)
    x = la.zeros(3)
    view, guard = x[1:], x.write()
    kept = [weakref.ref(view, raising), weakref.ref(guard, raising)]
    raw = guard.acquire()
    kept.append(weakref.ref(raw, raising))
    del view, raw
    del guard  # while it is held
    gc.collect()
    assert told == [Blown] * 3, told
    whole(x)

    class Ending(la.LockedArray):
        def __del__(self):
            raise Blown

    y = Ending(np.zeros(3), copy=True)
    y[1:] += 1
    y.resize(1000)
    base = y.lock
    del y
    gc.collect()
    assert len(told) > 3
    assert base.holds() == []
    del kept


@fault("finalizers")
def callbacks_of_the_collector_raise():
    """``gc.callbacks`` raise while guards and generators are collected."""
    told = []
    sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_type)
    gc.callbacks.append(raising)
    x = la.zeros(3)

    def suspended():
        with x.write():
            yield itself

    itself = [suspended()]
    next(itself[0])
    itself.append(itself)
    suspended = itself = None
    gc.collect()
    gc.callbacks.clear()
    assert told
    whole(x)
