"""NumPyInterface: what a LockedArray has of ndarray, each operation under the lock.

NumPy's protocols, indexing, operators, properties and methods.  What ndarray has not is in the
class above, LockedArray.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lockedarray._array import copying
from lockedarray._array.augmented import Augmented
from lockedarray._array.construction import as_type, created_like
from lockedarray._array.dispatch import function_roles
from lockedarray._array.dispatch.functions import call_function
from lockedarray._array.dispatch.operands import converted
from lockedarray._array.dispatch.operation import TRIES, run, run_as_view, run_unlocked
from lockedarray._array.dispatch.operators import has_own, operate
from lockedarray._array.dispatch.ufuncs import call_ufunc
from lockedarray._array.facade import Facade, buffer_of, check_may_write, make_view, settle
from lockedarray._array.flags import Flags
from lockedarray._array.flat import FlatIterator
from lockedarray._array.indexing import as_integer, makes_view, picks_element, stand_in
from lockedarray._array.memory import plain_view
from lockedarray._array.methods import by_core, methods_of_ndarray
from lockedarray._array.objects import put
from lockedarray._array.pointers import Pointers
from lockedarray._array.text import repr_of, str_of
from lockedarray._cores import ArrayBase, address, locked_property, locks_regions

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from lockedarray._array.facade import Facade as LockedArray  # as users know it

__all__ = ["NumPyInterface"]


class _NotGiven:
    """What stands for an argument that was not given, where None is one."""

    def __repr__(self) -> str:
        return "<not given>"


_NOT_GIVEN: Any = _NotGiven()


class NumPyInterface(Facade):
    """What a LockedArray has of ndarray: its protocols, properties and methods, with the lock."""

    # What the class above has beside it.
    freeze: Callable[[], None]
    snapshot: Callable[[], np.ndarray]

    _baseclass = np.ndarray  # what numpy.ma views its data as
    _set_dtype = None  # NumPy 2.5: view(dtype) is not to call a setter
    __hash__ = None  # type: ignore[assignment]

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
        if function_roles.is_creator(func):
            return created_like(self, func, args, kwargs)
        return call_function(func, args, dict(kwargs))  # the caller's may change meanwhile

    def __array_wrap__(
        self, array: np.ndarray, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Return what NumPy computed as it is: results in new memory are plain."""
        return array[()] if return_scalar and array.ndim == 0 else array

    @by_core("aliases", np.ndarray.__array__)
    def __array__(  # type: ignore[override]
        self, dtype: Any = None, *, copy: bool | None = None
    ) -> np.ndarray:
        """Return a plain array: a read-only alias, or a copy made under the read lock."""
        settle(self)
        if not copy and (dtype is None or np.dtype(dtype) == self.dtype):
            return plain_view(self, np.ndarray)
        if copy is not None and not copy:
            raise ValueError(
                "Unable to avoid copy while creating an array as requested: copy=False of a "
                f"LockedArray is an alias of its own dtype, {self.dtype}; leave out one of the two"
            )
        return run(np.ndarray.astype, (self, self.dtype if dtype is None else dtype), {})

    def __dlpack__(self, *, copy: bool | None = None, **kwargs: Any) -> Any:
        """Export a snapshot, since those who import it do not take the lock."""
        if copy is False:
            raise BufferError(
                "a LockedArray exports a copy by DLPack, never its own memory: leave out copy=False"
            )
        return self.snapshot().__dlpack__(**kwargs)

    # -- indexing --------------------------------------------------------------------------------

    def _general_getitem(self, index: Any) -> Any:
        settle(self)
        if makes_view(index, self.ndim):
            result = plain_view(self, np.ndarray)[index]
            if type(result) is np.ndarray and result.base is not None:
                return make_view(result, self, self._may_write)
        return self._run_within(operator.getitem, index, (), write=False)

    def _general_setitem(self, index: Any, value: Any) -> None:
        if type(value) is not Augmented:
            self._assign(index, value, operator.setitem)
        elif value.ends_at(self, index):
            value.assign(lambda store: self._assign(value.kept, value.result, store))
        else:
            self._assign(index, value.read if value.function is None else value.result)

    def _assign(self, index: Any, value: Any, assign: Callable[..., Any] = operator.setitem) -> Any:
        """Call ``assign(array, index, value)`` under the write lock, and return what it does."""
        if isinstance(value, Facade) and self._is_own_view(index, value):
            check_may_write(self)
            return None  # the end of x[index] += ...: the elements are there already
        try:
            value = converted(value, "elements", self, index)
        except Exception:  # NumPy says what is wrong first, the index or the value
            stand_in(self)[index] = value
            return run(_storing(value, assign), (self, index), {}, (id(self),))
        if self.dtype.hasobject:
            integer = as_integer(index)
            is_stored = picks_element(integer, self.ndim)  # the very object
            if is_stored and assign is operator.setitem and self.dtype.type is np.object_:
                index, assign = integer, put
            if is_stored or not isinstance(value, Facade):
                stored = () if is_stored else (value,)
                return run(_storing(value, assign), (self, index), {}, (id(self),), stored=stored)
        return self._run_within(assign, index, (value,))

    def _general_augmented(self, index: Any) -> Any:
        """Read ``x[index]`` for ``x[index] op= v``: what remembers it, or a view."""
        if makes_view(index, self.ndim):
            view = self._general_getitem(index)
            if isinstance(view, Facade):
                view._augmented = True  # its elements are there when the statement ends
            return view
        return Augmented.begin(self, index, self._general_getitem, self.dtype)

    def _general_augmented_end(
        self, index: Any, read: Any, result: Any, function: Callable[..., Any], operand: Any
    ) -> None:
        """Assign for ``x[index] op= operand``, where a core had what remembers it."""
        augmented = Augmented(self, index, index, read, self.dtype)
        augmented.result, augmented.function, augmented.operand = result, function, operand
        self._general_setitem(index, augmented)

    def _run_within(
        self,
        function: Callable[..., Any],
        index: Any,
        values: tuple[Any, ...],
        *,
        write: bool = True,
    ) -> Any:
        """Run ``function(array, index, *values)``, under a lock of what a basic index names."""
        is_view = self._is_locked_in_part() and makes_view(index, self.ndim)
        for _ in range(TRIES):
            view = self._named(index, is_view)
            if view is None:
                break
            place = _place(self, view)

            def act(array: np.ndarray, *values: Any, view: Any = view, place: Any = place) -> Any:
                if _place(self, view) != place:
                    return _RESIZED
                return function(array, ... if is_view else (), *values)

            result = run(act, (view, *values), {}, (id(view),) if write else ())
            if result is not _RESIZED:
                return result
        return run(function, (self, index, *values), {}, (id(self),) if write else ())

    def _is_locked_in_part(self) -> bool:
        # Code of elements, such as __del__ of one that is replaced, runs alone.
        return locks_regions and not self.dtype.hasobject and not buffer_of(self).whole

    def _named(self, index: Any, is_view: bool) -> LockedArray | None:
        """Return a view of what the index names, or None if that is not locked alone."""
        if not self._is_locked_in_part():
            return None
        if not is_view:
            if not picks_element(index, self.ndim):
                return None
            index = (*index, ...) if type(index) is tuple else (index, ...)
        try:
            view = ArrayBase.__getitem__(self, index)
        except (IndexError, KeyError, ValueError):
            return None  # raised anew under the lock
        return view if isinstance(view, Facade) else None

    def _is_own_view(self, index: Any, value: Facade) -> bool:
        if value._buffer is not self._buffer or value._buffer is None:
            return False
        if not makes_view(index, self.ndim):
            return False
        try:
            target = plain_view(self, np.ndarray)[index]
        except (IndexError, ValueError, KeyError):
            return False
        return type(target) is np.ndarray and _shows_the_same(target, value)

    def _set_part(self, name: str, value: Any) -> None:
        """Set `real` or `imag`, whose part of the array is all that is locked."""
        buffer_of(self)
        if isinstance(value, Facade) and value._buffer is self._buffer:
            if _shows_the_same(getattr(plain_view(self, np.ndarray), name), value):
                check_may_write(self)
                return  # the end of x.imag += ...: the elements are there already

        def store(array: np.ndarray, value: Any) -> bool:
            now = getattr(plain_view(self, np.ndarray), name)
            if not _shows_the_same(now, array):
                return False  # a resize came in between
            array.real = value  # as NumPy sets a part: by what it makes an array of
            return True

        for _ in range(TRIES):
            part = make_view(getattr(plain_view(self, np.ndarray), name), self, self._may_write)
            if run(store, (part, value), {}, (id(part),)):
                return
        run(setattr, (self, name, value), {}, (id(self),))

    def _general_compare(self, name: str, other: Any) -> Any:
        """Compare by `name`, ``__eq__`` or another; structured dtypes have no ufunc for it."""
        if self._stands_back(other):  # Python asks all of them, whose comparison it is
            return run(operate(name), (self, other), {})
        return run(getattr(np.ndarray, name), (self, converted(other, "operand")), {})

    def _general_operate(self, name: str, other: Any) -> Any:
        """Apply the operator whose method is `name`; `other` may be of a class that has its own."""
        if self._stands_back(other) and has_own(type(other), name):
            return run(operate(name), (self, other), {})
        return getattr(np.ndarray, name)(self, other)

    def _stands_back(self, other: Any) -> bool:
        """Whether `other` has its say first, as it has where a plain array is on the left.

        It is of a subclass of ndarray, of which a LockedArray is no base: Python would ask it last.
        """
        return (
            isinstance(other, np.ndarray)
            and type(other) is not np.ndarray
            and not isinstance(other, Facade)
            and type(self).__array_ufunc__ is ArrayBase.__array_ufunc__
        )

    # -- properties ------------------------------------------------------------------------------

    @property
    def base(self) -> LockedArray | None:  # type: ignore[override]
        """The LockedArray that this is a view of; None of an array with memory of its own."""
        return self._owner  # type: ignore[return-value]

    @property  # type: ignore[override]
    def flat(self) -> FlatIterator:
        """The elements in C order; each access is atomic."""
        return FlatIterator(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        FlatIterator(self)._fill(value)

    @property
    def real(self) -> Any:
        """View of the real part; of an array that is not complex, itself.

        Of an array of objects, since NumPy 2.5, a plain array of their real parts.
        """
        return run_as_view(_real, (self,), {}) if self.dtype.kind in "cO" else self

    @real.setter
    def real(self, value: Any) -> None:
        if self.dtype.kind == "c":
            self._set_part("real", value)
        elif value is not self:
            run(setattr, (self, "real", value), {}, (id(self),))
        else:  # the end of x.real += ...
            check_may_write(self)

    @property
    def imag(self) -> Any:
        """View of the imaginary part; of a real array, plain read-only zeros."""
        if self.dtype.kind not in "cO":
            return run_unlocked(_imag, (self,), {})
        return run_as_view(_imag, (self,), {})

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind == "c":
            self._set_part("imag", value)
        else:
            run(setattr, (self, "imag", value), {})  # which NumPy refuses

    @property
    def T(self) -> NumPyInterface:  # noqa: N802
        """View with the axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> NumPyInterface:  # noqa: N802
        """View with the last two axes exchanged."""
        if self.ndim < 2:
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        return self.swapaxes(-1, -2)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        settle(self)
        return _shape_of(self)

    @shape.setter
    def shape(self, _value: Any) -> None:
        raise AttributeError("the shape of a LockedArray is not set in place: use x.reshape(...)")

    @property
    def dtype(self) -> np.dtype:
        """Data type of the elements."""
        return _dtype_of(self)

    @dtype.setter
    def dtype(self, _value: Any) -> None:
        raise AttributeError("the dtype of a LockedArray is not set in place: use x.view(dtype)")

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes to step from element to element along each axis."""
        settle(self)
        return _strides_of(self)

    @strides.setter
    def strides(self, _value: Any) -> None:
        raise AttributeError(
            "the strides of a LockedArray are not set in place: use x.reshape(...), x.view(...) "
            "or an index with a step"
        )

    @property
    def ctypes(self) -> Pointers:  # type: ignore[override]
        """Shape and strides for `ctypes`; only the raw view of a guard has a pointer, too."""
        return Pointers(self)

    # -- flags and state -------------------------------------------------------------------------

    @property
    def flags(self) -> Any:
        """Memory layout; ``writeable`` is always False, as only operations with the lock write."""
        settle(self)
        return Flags(self)

    def __sizeof__(self) -> int:
        """Return the bytes of the object, and those of the elements if it is not a view."""
        size = np.ndarray.__sizeof__(self)
        return size + self.nbytes if self.flags.owndata and not _flags_of(self).owndata else size

    def setflags(
        self, write: bool | None = None, align: bool | None = None, uic: bool | None = None
    ) -> None:
        """Set flags, of which only ``write=False`` is of use.

        Parameters
        ----------
        write : bool, optional
            False makes the array read-only for good, as `LockedArray.freeze` does; of a view, only
            that view.
        align, uic : bool, optional
            As for `numpy.ndarray.setflags`.

        Raises
        ------
        ValueError
            `write` is true: nothing writes to a LockedArray but its own operations and its guards.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> x.setflags(write=False)
        >>> x.frozen
        True
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
        raise AttributeError("the shape of a LockedArray is not set in place: use x.reshape(...)")

    def __setstate__(self, _state: Any) -> None:
        """Refuse: unpickling makes a new array."""
        raise TypeError("a LockedArray is not changed by __setstate__; unpickling makes a new one")

    # -- copies ----------------------------------------------------------------------------------

    def _general_reduce(self) -> tuple[Any, ...]:
        return copying.reduced(self, 2)

    def _general_reduce_ex(self, protocol: Any) -> tuple[Any, ...]:
        if type(self).__reduce__ is not ArrayBase.__reduce__:  # a subclass knows better
            return self.__reduce__()
        return copying.reduced(self, protocol)

    def _general_copy(self) -> Facade:
        return copying.copied(self)

    def _general_deepcopy(self, memo: dict[int, Any] | None) -> Facade:
        return copying.deeply_copied(self, memo)

    def dump(self, file: Any) -> None:
        """Pickle the array, as it is at one moment, to a file or a path."""
        copying.dump(self, file)

    def dumps(self) -> bytes:
        """Return the array, as it is at one moment, pickled."""
        return copying.dumps(self)

    # -- text ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return repr_of(self)

    def __str__(self) -> str:
        return str_of(self)

    @by_core("reads", np.ndarray.__format__)
    def __format__(self, spec: str) -> str:
        """Return format(self, spec); one element is formatted under the read lock."""
        return run(np.ndarray.__format__, (self, spec), {})

    # -- views -----------------------------------------------------------------------------------

    @by_core("views as", np.ndarray.view)
    def view(
        self,
        dtype: DTypeLike | type[np.ndarray] | None = _NOT_GIVEN,
        type: type[np.ndarray] = _NOT_GIVEN,
    ) -> Any:
        """Return a view on the same memory, with another dtype or as another type of array.

        Parameters
        ----------
        dtype : dtype_like or type, optional
            Data type of the view, or the type of array that it is.  (As in NumPy, None is float64.)
        type : type, optional
            ``np.ndarray``, or a subclass of it.

        Returns
        -------
        LockedArray or ndarray
            A LockedArray with the same lock.  Of another type of array it is a read-only view that
            takes no lock: what is read there may be half written.

        Examples
        --------
        >>> import lockedarray as la
        >>> la.zeros(1).view("u1")
        LockedArray([0, 0, 0, 0, 0, 0, 0, 0], dtype=uint8)
        """
        cls = type
        if _is_array_class(dtype):
            if cls is not _NOT_GIVEN:
                raise ValueError("Cannot specify output type twice.")
            dtype, cls = _NOT_GIVEN, dtype
        elif cls is not _NOT_GIVEN and not _is_array_class(cls):
            raise ValueError("Type must be a sub-type of ndarray type")
        settle(self)
        plain = plain_view(self, np.ndarray)
        if isinstance(dtype, np.dtypes.StringDType) and dtype == plain.dtype:
            dtype = _NOT_GIVEN  # the texts are in the instance that the memory has, in no other
        viewed = plain if dtype is _NOT_GIVEN else plain.view(dtype)  # type: ignore[arg-type]
        if cls is _NOT_GIVEN:
            return make_view(viewed, self, self._may_write)
        if issubclass(cls, Facade):
            return make_view(viewed, as_type(cls, self), self._may_write)
        return viewed if cls is np.ndarray else viewed.view(cls)


def _is_array_class(given: Any) -> bool:
    return isinstance(given, type) and issubclass(given, np.ndarray)


_shape_of = np.ndarray.shape.__get__  # type: ignore[attr-defined]
_dtype_of = np.ndarray.dtype.__get__  # type: ignore[attr-defined]
_strides_of = np.ndarray.strides.__get__  # type: ignore[attr-defined]
_flags_of = np.ndarray.flags.__get__  # type: ignore[attr-defined]  # as NumPy's C code sees them


def _place(array: Any, view: Any) -> Any:
    """What tells whether `array` was resized since `view` was made of it, and how."""
    return _shape_of(array), _strides_of(array), address(array) - address(view)


_RESIZED = object()
"""The array was resized before what an index names was locked: it may name something else now."""


def _storing(value: Any, assign: Callable[..., Any]) -> Callable[[np.ndarray, Any], Any]:
    def store(array: np.ndarray, index: Any) -> Any:
        return assign(array, index, value)

    return store


def _shows_the_same(array: np.ndarray, other: np.ndarray) -> bool:
    return (
        address(array) == address(other)
        and array.shape == other.shape
        and array.strides == other.strides
        and array.dtype == other.dtype
    )


def _real(array: np.ndarray) -> np.ndarray:
    return array.real


def _imag(array: np.ndarray) -> np.ndarray:
    return array.imag


for _name, _method in methods_of_ndarray():
    setattr(NumPyInterface, _name, _method)

for _name in ("T", "mT", "base", "dtype", "flags", "flat", "imag", "real", "shape", "strides"):
    setattr(NumPyInterface, _name, locked_property(_name, NumPyInterface.__dict__[_name]))
