"""LockedArray: construction, methods and properties."""

from __future__ import annotations

import copy as copying
import operator
import os
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.at import At, AtIndex
from lockedarray._array.buffer import Buffer, plain_view
from lockedarray._array.dispatch import roles
from lockedarray._array.dispatch.functions import call_function
from lockedarray._array.dispatch.operands import converted
from lockedarray._array.dispatch.operation import run, run_as_view, run_unlocked, wrapped_view
from lockedarray._array.dispatch.ufuncs import call_ufunc
from lockedarray._array.facade import Facade, buffer_of, check_may_write, make_root, make_view
from lockedarray._array.flags import Flags
from lockedarray._array.flat import FlatIterator
from lockedarray._array.indexing import makes_view, picks_element
from lockedarray._array.objects import check_policy
from lockedarray._array.temporaries import REFERENCES_OF_ONE, is_unreachable
from lockedarray._cores import Holds, address, connect, locked_method
from lockedarray._guards.guards import Guard
from lockedarray._guards.region_lock import RegionLock, region_lock_of

__all__ = ["LockedArray", "empty", "full", "ones", "zeros"]


class LockedArray(Facade):
    """An array that threads can share and mutate: every operation on it is atomic.

    A `numpy.ndarray` whose memory is protected by a readers-writer lock that each operation
    takes by itself.  Views (``x[2:5]``, ``x.T``, ``x['field']``) are LockedArrays on the same
    memory and the same lock; results in new memory are plain arrays.

    Parameters
    ----------
    obj : array_like
        What to hold.
    dtype : dtype_like, optional
        Data type of the array.
    copy : bool, optional
        None (default) takes over the memory of a temporary that nobody else can reach and
        copies otherwise; True always copies; False shares the caller's memory, and it is the
        caller's word that nobody writes to it otherwise.
    order : {'K', 'A', 'C', 'F'}
        Memory layout of a copy.
    lock : RegionLock or RWLockable, optional
        The ``lock`` of another LockedArray, or a readers-writer lock of the package
        ``readerwriterlock``, to stand under together with it.
    objects : {'exclusive', 'shared', 'forbid'}
        For dtypes with Python objects: operations exclude each other, reads included, so that
        element code of two threads does not overlap; or reads share; or such dtypes are refused.

    Raises
    ------
    TypeError
        `lock` is no lock, or `objects` is 'forbid' and the dtype holds objects.
    ValueError
        `objects` or `copy` is none of the values above, ``copy=False`` cannot share the memory,
        or that memory has another lock already.

    See Also
    --------
    acquire : Hold several arrays as one.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x = la.LockedArray(np.zeros(4))
    >>> x[1:3] += 1
    >>> x
    LockedArray([0., 1., 1., 0.])
    >>> type(x + x)
    <class 'numpy.ndarray'>
    """

    _baseclass = np.ndarray  # what numpy.ma views its data as
    _set_dtype = None  # NumPy 2.5: view(dtype) is not to call a setter
    __hash__ = None  # type: ignore[assignment]

    def __new__(
        cls,
        obj: Any,
        dtype: Any = None,
        *,
        copy: bool | None = None,
        order: str = "K",
        lock: Any = None,
        objects: str = "exclusive",
    ) -> LockedArray:
        """Return a new LockedArray."""
        references = sys.getrefcount(obj)
        if copy is not None and copy is not True and copy is not False:
            raise ValueError(f"copy must be True, False or None, not {copy!r}")
        region_lock = None if lock is None else region_lock_of(lock)
        check_policy(objects, np.dtype(np.bool_))
        if copy is False:
            return cls._sharing(obj, dtype, order, region_lock, objects)
        adopt = (
            copy is None
            and type(obj) is np.ndarray
            and obj.flags.owndata
            and obj.flags.writeable
            and (dtype is None or np.dtype(dtype) == obj.dtype)
            and _has_order(obj, order)
            and is_unreachable(cls, obj, references)
        )
        array = obj if adopt else _copied(obj, dtype, order)
        check_policy(objects, array.dtype)
        return make_root(cls, array, lock=region_lock, objects=objects)

    @classmethod
    def _sharing(
        cls, obj: Any, dtype: Any, order: str, lock: RegionLock | None, objects: str
    ) -> LockedArray:
        array = np.array(obj, dtype=dtype, copy=False, order=order, subok=True)  # type: ignore[call-overload]
        check_policy(objects, array.dtype)
        if isinstance(array, Facade):
            if lock is not None and lock is not buffer_of(array).lock:
                raise ValueError("this LockedArray has another lock; leave out lock=, or copy it")
            return make_view(plain_view(array, np.ndarray), _as(cls, array), array._may_write)
        buffer = Buffer.shared(array, lock=lock, objects=objects)  # lives on in the facade
        facade = plain_view(array, cls)
        assert facade._buffer is buffer
        return facade

    # -- the lock ------------------------------------------------------------------------------

    @property
    def lock(self) -> RegionLock:
        """The lock of the Buffer; satisfies the protocol ``RWLockable`` of readerwriterlock."""
        return buffer_of(self).lock

    def read(self, timeout: float | None = None) -> Guard:
        """Return a guard that holds the read lock and yields a read-only plain view.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None waits for ever, 0 tries once.

        Returns
        -------
        Guard
            For a ``with`` block, or for its own ``acquire()`` and ``release()``.

        Raises
        ------
        TypeError, ValueError
            `timeout` is not a number, or negative or not finite.
        """
        return Guard._of(self, False, timeout)

    def write(self, timeout: float | None = None) -> Guard:
        """Return a guard that holds the write lock and yields a writable plain view.

        The raw view is the holder's until the guard is released, and read-only afterwards;
        views taken from it must not outlive the guard.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None waits for ever, 0 tries once.

        Returns
        -------
        Guard
            For a ``with`` block, or for its own ``acquire()`` and ``release()``.

        Raises
        ------
        TypeError, ValueError
            `timeout` is not a number, or negative or not finite.
        """
        return Guard._of(self, True, timeout)

    def snapshot(self) -> np.ndarray:
        """Return a plain copy of the whole array as it was at one moment (read lock)."""
        return run(np.ndarray.copy, (self,), {"order": "K"})

    @property
    def frozen(self) -> bool:
        """Whether `freeze` was called on the memory of this array."""
        return buffer_of(self).frozen

    def freeze(self) -> None:
        """Make the memory of this array, with all views of it, read-only for good.

        Waits for the write lock.  From then on writes raise ValueError and reads take no lock.
        """
        buffer = buffer_of(self)
        holds = Holds([(buffer.lock, True)])
        try:
            holds.acquire()
            buffer.freeze()
        finally:
            holds.release()

    def resize(self, *new_shape: Any, refcheck: bool = True) -> None:
        """Change shape and size in place; new elements are zero.

        Holds the write lock of the whole memory.  Views stay attached: they show the same
        elements of the array as before, also when the memory had to move.  Plain aliases
        (`numpy.asarray`) keep what they saw.

        Parameters
        ----------
        new_shape : int or tuple of int
            The new shape.
        refcheck : bool
            Accepted for NumPy's sake and without effect: views cannot dangle.

        Raises
        ------
        ValueError
            This is a view; the array is frozen, or not contiguous; the memory is the caller's
            (``copy=False``); or a length is negative.
        """
        operator.index(refcheck)  # is no flag: TypeError, as NumPy's
        if len(new_shape) == 1:
            if new_shape[0] is None:
                return
            if not hasattr(type(new_shape[0]), "__index__"):
                new_shape = tuple(new_shape[0])
        elif not new_shape:
            return
        shape = tuple(operator.index(length) for length in new_shape)
        if any(length < 0 for length in shape):
            raise ValueError("all elements of 'new_shape' must be non-negative")
        if self._owner is not None:
            raise ValueError("a view cannot be resized: resize the array it belongs to, x.base")
        buffer = buffer_of(self)
        holds = Holds([(buffer.lock, True)])
        try:
            holds.acquire()
            self._resize_locked(buffer, shape)
        finally:
            holds.release()

    def _resize_locked(self, buffer: Buffer, shape: tuple[int, ...]) -> None:
        if buffer.frozen:
            raise ValueError("cannot resize: this array is frozen; resize a copy (x.copy())")
        if shape == self.shape:
            return
        if buffer.foreign:
            raise ValueError(
                "cannot resize: the memory belongs to the caller (copy=False); "
                "make the array with copy=True to resize it"
            )
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise ValueError("resize only works on single-segment arrays")
        buffer.resize(self, shape, "C" if self.flags.c_contiguous else "F")

    # -- NumPy's protocols -----------------------------------------------------------------------

    # The general versions of what a core defines, and may do faster in plain cases.

    def _general_array_ufunc(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def _general_array_function(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        if not isinstance(args, tuple):
            raise TypeError("args must be a tuple.")
        if not isinstance(kwargs, dict):
            raise TypeError("kwargs must be a dict.")
        if roles.is_creator(func):
            return self._created(func, args, kwargs)
        return call_function(func, args, dict(kwargs))  # the caller's may change meanwhile

    def _created(self, func: Callable[..., Any], args: Any, kwargs: Any) -> LockedArray:
        """Make the LockedArray that ``func(..., like=self)`` asks for."""
        result = run(func, args, kwargs)
        if isinstance(result, LockedArray):
            return result
        if (
            type(result) is np.ndarray
            and result.base is None
            and sys.getrefcount(result) == REFERENCES_OF_ONE
        ):
            return make_root(type(self), result, lock=None, objects="exclusive")
        return type(self)(result, copy=True)

    def __array_wrap__(
        self, array: np.ndarray, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Return what NumPy computed as it is: results in new memory are plain."""
        return array[()] if return_scalar and array.ndim == 0 else array

    def __array__(  # type: ignore[override]
        self, dtype: Any = None, *, copy: bool | None = None
    ) -> np.ndarray:
        """Return a plain array: a read-only alias, or a copy made under the read lock."""
        if not copy and (dtype is None or np.dtype(dtype) == self.dtype):
            return plain_view(self, np.ndarray)
        if copy is not None and not copy:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return run(np.ndarray.astype, (self, self.dtype if dtype is None else dtype), {})

    def __dlpack__(self, *, copy: bool | None = None, **kwargs: Any) -> Any:
        """Export a snapshot: consumers of DLPack know no lock."""
        if copy is False:
            raise BufferError("a LockedArray exports a copy by DLPack, never its own memory")
        return self.snapshot().__dlpack__(**kwargs)

    # -- indexing --------------------------------------------------------------------------------

    def _general_getitem(self, index: Any) -> Any:
        if makes_view(index, self.ndim):
            result = plain_view(self, np.ndarray)[index]
            if type(result) is np.ndarray and result.base is not None:
                return make_view(result, self, self._may_write)
        return run(operator.getitem, (self, index), {})

    def _general_setitem(self, index: Any, value: Any) -> None:
        if isinstance(value, LockedArray) and self._is_own_view(index, value):
            check_may_write(self)
            return  # the end of x[index] += ...: the elements are there already
        value = converted(value, "elements", self, index)
        if self.dtype.hasobject and (
            not isinstance(value, Facade) or picks_element(index, self.ndim)
        ):
            run(_storing(value), (self, index), {}, (id(self),))  # the very object is stored
        else:
            run(operator.setitem, (self, index, value), {}, (id(self),))

    def _is_own_view(self, index: Any, value: LockedArray) -> bool:
        if value._buffer is not self._buffer or value._buffer is None:
            return False
        if not makes_view(index, self.ndim):
            return False
        try:
            target = plain_view(self, np.ndarray)[index]
        except (IndexError, ValueError, KeyError):
            return False
        return (
            type(target) is np.ndarray
            and address(target) == address(value)
            and target.shape == value.shape
            and target.strides == value.strides
            and target.dtype == value.dtype
        )

    def _general_compare(self, name: str, other: Any) -> Any:
        """Compare by `name`, ``__eq__`` or another; structured dtypes have no ufunc for it."""
        return run(getattr(np.ndarray, name), (self, converted(other, "operand")), {})

    # -- properties ------------------------------------------------------------------------------

    @property
    def base(self) -> LockedArray | None:  # type: ignore[override]
        """Of a view, the LockedArray that owns the memory; else None."""
        return self._owner  # type: ignore[return-value]

    @property  # type: ignore[override]
    def flat(self) -> FlatIterator:
        """The elements in C order; each access is atomic."""
        return FlatIterator(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        FlatIterator(self)[...] = value

    @property
    def real(self) -> Any:
        """View of the real part; of an array that is not complex, itself.

        Of an array of objects, since NumPy 2.5, a plain array of their real parts.
        """
        return run_as_view(_real, (self,), {}) if self.dtype.kind in "cO" else self

    @real.setter
    def real(self, value: Any) -> None:
        run(setattr, (self, "real", value), {}, (id(self),))

    @property
    def imag(self) -> Any:
        """View of the imaginary part; zeros, plain and read-only, of a real array."""
        if self.dtype.kind not in "cO":
            return run_unlocked(_imag, (self,), {})
        return run_as_view(_imag, (self,), {})

    @imag.setter
    def imag(self, value: Any) -> None:
        written = (id(self),) if self.dtype.kind == "c" else ()  # of others NumPy refuses it
        run(setattr, (self, "imag", value), {}, written)

    @property
    def T(self) -> LockedArray:  # noqa: N802
        """View with the axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> LockedArray:  # noqa: N802
        """View with the last two axes exchanged."""
        if self.ndim < 2:
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        return self.swapaxes(-1, -2)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return _shape_of(self)

    @shape.setter
    def shape(self, _value: Any) -> None:
        raise AttributeError("the shape of a shared array is not set in place: use x.reshape(...)")

    @property
    def dtype(self) -> np.dtype:
        """Data type of the elements."""
        return _dtype_of(self)

    @dtype.setter
    def dtype(self, _value: Any) -> None:
        raise AttributeError("the dtype of a shared array is not set in place: use x.view(dtype)")

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes to step from element to element along each axis."""
        return _strides_of(self)

    @strides.setter
    def strides(self, _value: Any) -> None:
        raise AttributeError(
            "the strides of a shared array are not set in place: use x.reshape(...), x.view(...) "
            "or an index with a step"
        )

    # -- flags and state -------------------------------------------------------------------------

    @property
    def flags(self) -> Any:
        """Memory layout; ``owndata`` is True of what `base` is None of, ``writeable`` is False."""
        return Flags(self)

    def __sizeof__(self) -> int:
        """Bytes of the object, with those of the elements where it owns the memory."""
        size = np.ndarray.__sizeof__(self)
        return size + self.nbytes if self.flags.owndata and not _flags_of(self).owndata else size

    def setflags(self, write: Any = None, align: Any = None, uic: Any = None) -> None:
        """Set flags: ``write=False`` freezes an array, and makes a view of one read-only.

        Raises
        ------
        ValueError
            ``write=True``: a LockedArray is written through its operations, or under `write`.
        """
        if write is not None and write:
            raise ValueError(
                "cannot set WRITEABLE flag to True of a LockedArray: nothing writes to it without "
                "the lock; assign through it, or write to the raw view of 'with x.write() as raw'"
            )
        np.ndarray.setflags(self, write=None, align=align, uic=uic)
        if write is not None:
            if self._owner is None:
                self.freeze()
            else:
                self._may_write = False

    def _set_shape(self, _shape: Any) -> None:
        raise AttributeError("the shape of a shared array is not set in place: use x.reshape(...)")

    def __setstate__(self, _state: Any) -> None:
        raise TypeError("a LockedArray is not changed by __setstate__; unpickling makes a new one")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.snapshot(), buffer_of(self).objects, _attributes(self))

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def __copy__(self) -> LockedArray:
        return _rebuilt(type(self), self.snapshot(), buffer_of(self).objects, _attributes(self))

    def __deepcopy__(self, memo: dict[int, Any] | None) -> LockedArray:
        array = run(lambda array: copying.deepcopy(array, memo), (self,), {})
        attributes = copying.deepcopy(_attributes(self), memo)
        return _rebuilt(type(self), array, buffer_of(self).objects, attributes)

    def dump(self, file: Any) -> None:
        """Pickle the array, as it is at one moment, to a file or a path."""
        if hasattr(file, "write"):
            file.write(self.dumps())
        else:
            with open(os.fspath(file), "wb") as opened:
                opened.write(self.dumps())

    def dumps(self) -> bytes:
        """Return the array, as it is at one moment, pickled."""
        with self.read():  # for elements, whose code runs
            return pickle.dumps(self, protocol=2)

    # -- text ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        name = type(self).__name__
        return _text(self, _repr, name, again=f"{name}(..., dtype={self.dtype})")

    def __str__(self) -> str:
        return _text(self, np.ndarray.__str__, again="...")

    def __format__(self, spec: str) -> str:
        return run(np.ndarray.__format__, (self, spec), {})

    # -- views -----------------------------------------------------------------------------------

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        """Return a view on the same memory, with another dtype or as another array type.

        ``x.view(np.ndarray)`` and other types are read-only aliases that take no lock.
        """
        cls = type
        if cls is None and isinstance(dtype, _type) and issubclass(dtype, np.ndarray):
            dtype, cls = None, dtype
        plain = plain_view(self, np.ndarray)
        viewed = plain if dtype is None else plain.view(dtype)
        if cls is None:
            return make_view(viewed, self, self._may_write)
        if issubclass(cls, Facade):
            return make_view(viewed, _as(cls, self), self._may_write)
        return viewed if cls is np.ndarray else viewed.view(cls)


_type = type  # LockedArray.view has an argument of this name, as ndarray.view has
_shape_of = np.ndarray.shape.__get__  # type: ignore[attr-defined]
_dtype_of = np.ndarray.dtype.__get__  # type: ignore[attr-defined]
_strides_of = np.ndarray.strides.__get__  # type: ignore[attr-defined]
_flags_of = np.ndarray.flags.__get__  # type: ignore[attr-defined]  # as NumPy's C code sees them


def _storing(value: Any) -> Callable[[np.ndarray, Any], None]:
    def store(array: np.ndarray, index: Any) -> None:
        array[index] = value

    return store


def _real(array: np.ndarray) -> np.ndarray:
    return array.real


def _imag(array: np.ndarray) -> np.ndarray:
    return array.imag


def _repr(array: np.ndarray, name: str) -> str:
    return np.array_repr(plain_view(array, _named(name)))


def _text(array: LockedArray, function: Callable[..., str], *args: Any, again: str) -> str:
    """Return `function` of the array, or `again` of one that is in it: an element of itself."""
    printing = _printing.__dict__.setdefault("arrays", set())
    if id(array) in printing:
        return again
    printing.add(id(array))
    try:
        return run(function, (array, *args), {})
    finally:
        printing.discard(id(array))


_printing = threading.local()


def _named(name: str) -> type[np.ndarray]:
    """Return a plain array type that NumPy prints as `name`."""
    if name not in _names:
        _names[name] = type(name, (np.ndarray,), {})
    return _names[name]


_names: dict[str, type[np.ndarray]] = {}


def _as(cls: type[Any], facade: Facade) -> Any:
    """Return a facade like `facade` of type `cls`, to be the template of views."""
    if type(facade) is cls:
        return facade
    owner = facade._owner
    template = make_view(plain_view(facade, np.ndarray), facade, facade._may_write)
    template = plain_view(template, cls)
    template._owner = owner if owner is not None else facade
    return template


def _copied(obj: Any, dtype: Any, order: str) -> np.ndarray:
    """Return a plain copy of `obj`, made under the read locks of the LockedArrays in it."""
    array = run(np.array, (obj, dtype), {"order": order, "copy": True, "subok": False})
    return plain_view(array, np.ndarray) if type(array) is not np.ndarray else array


def _has_order(array: np.ndarray, order: str) -> bool:
    if type(order) is str and order in ("C", "F"):
        return array.flags.c_contiguous if order == "C" else array.flags.f_contiguous
    return True


def _attributes(array: Facade) -> dict[str, Any]:
    """The attributes that a subclass or its user gave `array`."""
    return {name: value for name, value in vars(array).items() if name not in _OURS}


_OURS = frozenset({"_buffer", "_memory", "_owner", "_may_write", "_shown_before"})


def _rebuilt(
    cls: type[LockedArray], array: np.ndarray, objects: str, attributes: dict[str, Any]
) -> LockedArray:
    made = make_root(cls, np.require(array, requirements="O"), lock=None, objects=objects)
    vars(made).update(attributes)
    return made


# -- methods of ndarray that run under a lock ------------------------------------------------------

_READERS = (
    "all any argmax argmin argpartition argsort choose clip compress copy cumprod cumsum dot "
    "flatten item max mean min nonzero prod repeat round searchsorted std sum take tobytes tolist "
    "trace var tofile tostring "
    "__contains__ __bool__ __int__ __float__ __complex__ __index__"
).split()
_WRITERS = "partition put setfield sort".split()
_SOMETIMES_ITSELF = "astype conj conjugate to_device".split()
_VIEWERS = "getfield ravel reshape squeeze swapaxes transpose".split()

# What a core may do by itself, and how.
_MODES = {
    **dict.fromkeys(_READERS, "reads"),
    "astype": "reads one argument",
    **dict.fromkeys((*_WRITERS, "fill"), "writes"),
    **dict.fromkeys(("reshape", "ravel"), "views contiguous"),
    **dict.fromkeys(("getfield", "squeeze", "swapaxes", "transpose"), "views"),
}

# Positions of out=, behind self.
_OUT = {
    "all": 2, "any": 2, "argmax": 1, "argmin": 1, "clip": 2, "compress": 2, "conj": 0,
    "conjugate": 0, "cumprod": 2, "cumsum": 2, "dot": 1, "max": 1, "mean": 2, "min": 1, "prod": 2,
    "round": 1, "std": 2, "sum": 2, "take": 2, "trace": 4, "var": 2,
}  # fmt: skip


def _written_out(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    position = _OUT.get(name)
    out = kwargs.get("out")
    if out is None and position is not None and position < len(args):
        out = args[position]
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    return (id(out),) if isinstance(out, Facade) else ()


def _reader(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: LockedArray, *args: Any, **kwargs: Any) -> Any:
        return run(plain, (self, *args), kwargs, _written_out(name, args, kwargs))

    return method


def _writer(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: LockedArray, *args: Any, **kwargs: Any) -> Any:
        return run(plain, (self, *args), kwargs, (id(self),))

    return method


def _viewer(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: LockedArray, *args: Any, **kwargs: Any) -> Any:
        return run_as_view(plain, (self, *args), kwargs)

    return method


def _sometimes_itself(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Of a method that returns the array itself where there is nothing to do."""
    probe = np.empty(0)

    def may_be_itself(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if name == "astype":
            return not (args[4] if len(args) > 4 else kwargs.get("copy", True))
        return not (args or "out" in kwargs) or name == "to_device"

    def method(self: LockedArray, *args: Any, **kwargs: Any) -> Any:
        order = args[1] if len(args) > 1 else kwargs.get("order", "K")
        if may_be_itself(args, kwargs) and _has_order(self, order) and not self.dtype.hasobject:
            empty = np.empty_like(probe, self.dtype)
            if plain(empty, *args, **kwargs) is empty:
                return self
        return run(plain, (self, *args), kwargs, _written_out(name, args, kwargs))

    return method


def _fill(self: LockedArray, value: Any) -> None:
    if self.dtype.hasobject:  # the value itself becomes the elements
        run(lambda array: array.fill(value), (self,), {}, (id(self),))
    else:
        run(np.ndarray.fill, (self, value), {}, (id(self),))


def _diagonal(self: LockedArray, *args: Any, **kwargs: Any) -> Any:
    return run_as_view(np.ndarray.diagonal, (self, *args), kwargs, read_only_result=True)


def _byteswap(self: LockedArray, inplace: bool = False) -> Any:
    return run(np.ndarray.byteswap, (self, inplace), {}, (id(self),) if inplace else ())


def _add_method(name: str, method: Callable[..., Any], plain: Callable[..., Any]) -> None:
    method.__name__ = name
    method.__qualname__ = f"LockedArray.{name}"
    method.__doc__ = plain.__doc__
    method.__wrapped__ = plain  # type: ignore[attr-defined]  # for its signature
    mode = _MODES.get(name)
    setattr(LockedArray, name, method if mode is None else locked_method(plain, method, mode))


for _make, _names_of in (
    (_reader, _READERS),
    (_writer, _WRITERS),
    (_viewer, _VIEWERS),
    (_sometimes_itself, _SOMETIMES_ITSELF),
):
    for _name in _names_of:
        _plain = getattr(np.ndarray, _name, None)
        if _plain is not None:  # some come and go with NumPy's version
            _add_method(_name, _make(_name, _plain), _plain)
_add_method("diagonal", _diagonal, np.ndarray.diagonal)
_add_method("byteswap", _byteswap, np.ndarray.byteswap)
_add_method("fill", _fill, np.ndarray.fill)


LockedArray.read = locked_method(None, LockedArray.read, "reads")  # type: ignore[method-assign]
LockedArray.write = locked_method(None, LockedArray.write, "writes")  # type: ignore[method-assign]
LockedArray.view = locked_method(  # type: ignore[method-assign]
    np.ndarray.view, LockedArray.view, "views alone"
)
LockedArray.snapshot = locked_method(  # type: ignore[method-assign]
    np.ndarray.__copy__, LockedArray.snapshot, "reads"
)


connect(
    cls=LockedArray,
    at=At,
    at_index=AtIndex,
    guard=Guard,
    wrapped=wrapped_view,
    readers=roles.PLAIN_READERS,
    writers=roles.PLAIN_WRITERS,
    joiners=roles.PLAIN_JOINERS,
    named_out=roles.NAMED_OUT,
)


# -- constructors --------------------------------------------------------------------------------


def zeros(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with zeros; see `numpy.zeros` and `LockedArray`."""
    return _made(np.zeros(shape, dtype, order), lock, objects)


def ones(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with ones; see `numpy.ones` and `LockedArray`."""
    return _made(np.ones(shape, dtype, order), lock, objects)


def empty(
    shape: Any, dtype: Any = float, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape`, not filled; see `numpy.empty` and `LockedArray`."""
    return _made(np.empty(shape, dtype, order), lock, objects)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, lock: Any = None,
    objects: str = "exclusive",
) -> LockedArray:  # fmt: skip
    """Return a LockedArray of `shape` filled with `fill_value`; see `numpy.full`."""
    return _made(run(np.full, (shape, fill_value, dtype, order), {}), lock, objects)


def _made(array: np.ndarray, lock: Any, objects: str) -> LockedArray:
    check_policy(objects, array.dtype)
    region_lock = None if lock is None else region_lock_of(lock)
    return make_root(LockedArray, array, lock=region_lock, objects=objects)
