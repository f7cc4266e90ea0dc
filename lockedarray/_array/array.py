"""LockedArray, the array type: its protocols, properties and methods of its own."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.lib._stride_tricks_impl import DummyArray

from lockedarray._array import copying
from lockedarray._array.at import At, AtIndex, CompareExchangeResult
from lockedarray._array.augmented import Augmented
from lockedarray._array.calls import asks_for_array
from lockedarray._array.construction import (
    as_type,
    copied,
    created_like,
    is_adoptable,
    sharing,
)
from lockedarray._array.dispatch import function_roles
from lockedarray._array.dispatch.functions import call_function
from lockedarray._array.dispatch.operands import converted
from lockedarray._array.dispatch.operation import STORES, run, run_as_view, run_unlocked
from lockedarray._array.dispatch.operators import has_own, operate
from lockedarray._array.dispatch.results import wrapped_of_several, wrapped_view
from lockedarray._array.dispatch.ufuncs import call_ufunc
from lockedarray._array.facade import (
    Facade,
    buffer_of,
    check_may_write,
    make_root,
    make_view,
    settle,
)
from lockedarray._array.flags import Flags
from lockedarray._array.flat import FlatIterator
from lockedarray._array.growing import append, assign, popleft
from lockedarray._array.indexing import as_integer, makes_view, picks_element, stand_in
from lockedarray._array.memory import plain_view
from lockedarray._array.methods import by_core, methods_of_ndarray
from lockedarray._array.objects import ANY_NUMBER, ARENAS_DEADLOCK, check_policy, put
from lockedarray._array.pointers import Pointers
from lockedarray._array.resizing import resize
from lockedarray._array.temporaries import is_unreachable
from lockedarray._array.text import repr_of, str_of
from lockedarray._array.voids import RECORDS, copied_dtype
from lockedarray._cores import (
    ArrayBase,
    Holds,
    address,
    connect,
    locked_property,
    locks_regions,
)
from lockedarray._guards.guards import Guard, wait_for
from lockedarray._guards.region_lock import RegionLock, checked_name, region_lock_of

__all__ = ["LockedArray"]


_NOT_GIVEN: Any = object()

_T = TypeVar("_T")


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
        caller's word that nobody writes to it otherwise.  Until the array and its aliases are
        gone, its owner can not close or move it (``mmap.close``, ``bytearray.extend``).
    order : {'K', 'A', 'C', 'F'}
        Memory layout of a copy.
    lock : RegionLock or RWLockable, optional
        The ``lock`` of another LockedArray, or a readers-writer lock of the package
        ``readerwriterlock``, to stand under together with it.
    objects : {'exclusive', 'shared', 'forbid'}
        For dtypes with Python objects: operations exclude each other, reads included, so that
        element code of two threads does not overlap; or reads share; or such dtypes are refused.
    name : str, optional
        What errors and the ``repr`` of the lock call the array by.

    Raises
    ------
    TypeError
        `lock` is no lock, `name` no str, or `objects` is 'forbid' and the dtype holds objects.
    ValueError
        `objects` or `copy` is none of the values above, ``copy=False`` cannot share the memory
        (its owner may have closed it), or that memory has another lock or name already.

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
        name: str | None = None,
    ) -> LockedArray:
        """Return a new LockedArray."""
        references = sys.getrefcount(obj)
        if copy is not None and copy is not True and copy is not False:
            raise ValueError(f"copy must be True, False or None, not {copy!r}")
        region_lock = None if lock is None else region_lock_of(lock)
        name = checked_name(name)
        check_policy(objects, ANY_NUMBER)
        if copy is False:
            return sharing(cls, obj, dtype, order, region_lock, objects, name)
        is_ours = (
            copy is None
            and is_adoptable(obj, dtype, order)
            and is_unreachable(cls, obj, references)
        )
        array = obj if is_ours else copied(obj, dtype, order)
        check_policy(objects, array.dtype)
        return make_root(cls, array, lock=region_lock, objects=objects, name=name)

    # -- the lock ------------------------------------------------------------------------------

    @property
    def lock(self) -> RegionLock:
        """The lock of the Buffer; satisfies the protocol ``RWLockable`` of readerwriterlock."""
        return buffer_of(self).lock

    @property
    def name(self) -> str | None:
        """The name of the array, as errors and the ``repr`` of its lock show it; or None.

        It was given when the array was made.  Views have the name of the array that they show;
        copies and pickles keep it.
        """
        return buffer_of(self).name

    @by_core("reads")
    def read(
        self,
        timeout: float | None = None,
        when: Callable[[np.ndarray], object] | None = None,
    ) -> Guard:
        """Return a guard that holds the read lock and yields a read-only plain view.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None waits for ever, 0 tries once.
        when : callable, optional
            A predicate, called under the lock with the raw view, which is read-only until it is
            true. While it is false the guard lets go and waits until somebody has written
            what this array shows. The `timeout` spans all of it.

        Returns
        -------
        Guard
            For a ``with`` block, or for its own ``acquire()`` and ``release()``.

        Raises
        ------
        TypeError, ValueError
            `timeout` is not a number, or negative or not finite; `when` is not callable.
        """
        return Guard._of(self, False, timeout, when)

    @by_core("writes")
    def write(
        self,
        timeout: float | None = None,
        when: Callable[[np.ndarray], object] | None = None,
    ) -> Guard:
        """Return a guard that holds the write lock and yields a writable plain view.

        The raw view is the holder's until the guard is released, and read-only afterwards;
        views taken from it must not outlive the guard.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None waits for ever, 0 tries once.
        when : callable, optional
            A predicate, called under the lock with the raw view, which is read-only until it is
            true. While it is false the guard lets go and waits until somebody has written
            what this array shows. The `timeout` spans all of it.

        Returns
        -------
        Guard
            For a ``with`` block, or for its own ``acquire()`` and ``release()``.

        Raises
        ------
        TypeError, ValueError
            `timeout` is not a number, or negative or not finite; `when` is not callable.
        """
        return Guard._of(self, True, timeout, when)

    def wait_for(
        self, predicate: Callable[[np.ndarray], _T], timeout: float | None = None
    ) -> _T | Literal[False]:
        """Wait until a predicate is true of what this array shows.

        It is called under the read lock with a read-only plain view: at once, and then whenever
        somebody has written any of it, until it is true. Nothing is held in between, or afterwards.

        Parameters
        ----------
        predicate : callable
            What it returns is tested as by ``bool()``.
        timeout : float, optional
            Seconds to wait at most; None waits for ever, 0 tries once.

        Returns
        -------
        object
            What the predicate returned last; false when the time was over.

        Raises
        ------
        DeadlockError
            It is false, and this thread holds a part of the array, or the array is frozen.
        TypeError, ValueError
            `timeout` is not a number, or negative or not finite; `predicate` is not callable.

        See Also
        --------
        read, write : `when=` keeps the lock once the predicate is true.

        Examples
        --------
        >>> import threading, numpy as np, lockedarray as la
        >>> x = la.zeros(3)
        >>> threading.Timer(0.01, x.fill, [1]).start()
        >>> x.wait_for(lambda a: a.sum())
        np.float64(3.0)
        """
        return wait_for(self, predicate, timeout)

    @by_core("reads", np.ndarray.__copy__)
    def snapshot(self) -> np.ndarray:
        """Return a plain copy of the whole array as it was at one moment (read lock)."""
        return run(np.ndarray.copy, (self,), {"order": "K"})

    @property
    def frozen(self) -> bool:
        """Whether `freeze` was called on the memory of this array."""
        settle(self)
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

    def flush(self) -> None:
        """Write what has changed to the file that the array is on (read lock of all of it).

        So what is on the disk afterwards is the array as it was at one moment.

        Raises
        ------
        ValueError
            The array is not on a file: `memmap` makes one that is.
        """
        buffer = buffer_of(self)
        mapped = buffer.mapped
        if mapped is None:
            raise ValueError("this array is not on a file: la.memmap(path) makes one that is")
        holds = Holds([(buffer.lock, False)])
        try:
            holds.acquire()
            mapped.flush()
        finally:
            holds.release()

    # -- between processes -----------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the memory of an array that processes share; in this process only.

        Waits until no thread of this process has its lock.  Whatever is done with the array
        afterwards raises ValueError.  `lockedarray.shared.attach` makes it anew.

        Raises
        ------
        BufferError
            Views of it live, or plain arrays that show it (but for raw views that guards have
            yielded, and were given back).
        ValueError
            This is a view, or an array that is not shared.
        """
        buffer_of(self).close(self)

    def unlink(self) -> None:
        """Remove the names of an array that processes share: nobody can attach it any more.

        Who has it attached goes on.  The process that made an array does so when it ends, but for
        those in files.

        Raises
        ------
        ValueError
            The array is not shared.
        """
        buffer_of(self).unlink()

    def recover(self) -> AbstractContextManager[np.ndarray]:
        """Return what holds the write lock, in spite of a process that died while it wrote.

        As `write`, it yields a writable plain view.  What that process has left half done is to
        be repaired there.  At the end of the block all may use it again; but if an
        exception ends the block, it stays as it was.  So does what a process was writing that dies
        while this one waits for the lock.

        Raises
        ------
        PoisonedError
            This is a view, and more than it shows is half done.
        ValueError
            The array is not shared, or it is frozen.

        See Also
        --------
        PoisonedError : What others get before.
        """
        return buffer_of(self).recover(self)

    @by_core("grows")
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
        resize(self, new_shape, refcheck)

    @by_core("grows")
    def append(self, values: Any) -> int:
        """Add a row, or rows, at the end, and return the index of the first.

        Holds the write lock of the whole memory, and reads LockedArrays in `values` under
        theirs, as one step.  Its cost does not grow with the length, on average.  Views stay
        attached, as with `resize`.

        Parameters
        ----------
        values : array_like
            One row, of shape ``x.shape[1:]``, or n rows, of shape ``(n, *x.shape[1:])``: nothing
            is broadcast.  It is cast as by an assignment.  To one axis of objects what is no
            array is one element, whatever it is: a list, too.

        Returns
        -------
        int
            The index of the first row that was added: the length before.

        Raises
        ------
        ValueError
            `values` has another shape.  Or, as with `resize`, this is a view; the array is frozen,
            or its rows do not stand one behind the other; the memory is the caller's
            (``copy=False``).

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros((0, 2))
        >>> x.append([1, 2])
        0
        >>> x.append([[3, 4], [5, 6]])
        1
        >>> x
        LockedArray([[1., 2.],
                     [3., 4.],
                     [5., 6.]])
        """
        return append(self, values)

    @by_core("grows")
    def popleft(self, n: int = 1) -> np.ndarray:
        """Remove the first `n` rows, and return them as a plain array.

        Holds the write lock of the whole memory.  Views, of removed rows too, show what they
        showed.  What is left does not move.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        ndarray
            A copy of the rows, of shape ``(n, *x.shape[1:])``.

        Raises
        ------
        IndexError
            There are fewer than `n` rows.
        ValueError
            `n` is negative.  Or it is refused as `append` is.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.LockedArray([1, 2, 3])
        >>> x.popleft(2)
        array([1, 2])
        >>> x
        LockedArray([3])
        """
        return popleft(self, n)

    def assign(self, array: Any) -> None:
        """Replace all rows by those of `array`, which may be more or fewer.

        Holds the write lock of the whole memory, and reads LockedArrays in `array` under theirs,
        as one step.  Views stay attached, as with `resize`.

        Parameters
        ----------
        array : array_like
            Of shape ``(n, *x.shape[1:])``: nothing is broadcast.  It is cast as by an
            assignment.

        Raises
        ------
        ValueError
            `array` has another shape.  Or it is refused as `resize` is.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.LockedArray([1, 2, 3])
        >>> x.assign([4, 5])
        >>> x
        LockedArray([4, 5])
        """
        assign(self, array)

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
        """Export a snapshot: consumers of DLPack know no lock."""
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
        if isinstance(value, LockedArray) and self._is_own_view(index, value):
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
            if isinstance(view, LockedArray):
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
        while (view := self._named(index, is_view)) is not None:
            place = _place(self, view)

            def act(array: np.ndarray, *values: Any, place: Any = place) -> Any:
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
        return view if isinstance(view, LockedArray) else None

    def _is_own_view(self, index: Any, value: LockedArray) -> bool:
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
        if isinstance(value, LockedArray) and value._buffer is self._buffer:
            if _shows_the_same(getattr(plain_view(self, np.ndarray), name), value):
                check_may_write(self)
                return  # the end of x.imag += ...: the elements are there already
        is_set = False
        while not is_set:

            def store(array: np.ndarray, value: Any) -> bool:
                now = getattr(plain_view(self, np.ndarray), name)
                if not _shows_the_same(now, array):
                    return False  # a resize came in between
                array.real = value  # as NumPy sets a part: by what it makes an array of
                return True

            part = make_view(getattr(plain_view(self, np.ndarray), name), self, self._may_write)
            is_set = run(store, (part, value), {}, (id(part),))

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
        """Of a view, the LockedArray that owns the memory; else None."""
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
        """View of the imaginary part; zeros, plain and read-only, of a real array."""
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
        """Shape and strides for ctypes; a pointer has the raw view of a guard alone."""
        return Pointers(self)

    # -- flags and state -------------------------------------------------------------------------

    @property
    def flags(self) -> Any:
        """Memory layout; ``owndata`` is True of what `base` is None of, ``writeable`` is False."""
        settle(self)
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
        raise AttributeError("the shape of a LockedArray is not set in place: use x.reshape(...)")

    def __setstate__(self, _state: Any) -> None:
        raise TypeError("a LockedArray is not changed by __setstate__; unpickling makes a new one")

    # -- copies ----------------------------------------------------------------------------------

    def _general_reduce(self) -> tuple[Any, ...]:
        return copying.reduced(self, 2)

    def _general_reduce_ex(self, protocol: Any) -> tuple[Any, ...]:
        if type(self).__reduce__ is not ArrayBase.__reduce__:  # a subclass knows better
            return self.__reduce__()
        return copying.reduced(self, protocol)

    def _general_copy(self) -> LockedArray:
        return copying.copied(self)

    def _general_deepcopy(self, memo: dict[int, Any] | None) -> LockedArray:
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
        return run(np.ndarray.__format__, (self, spec), {})

    # -- views -----------------------------------------------------------------------------------

    @by_core("views as", np.ndarray.view)
    def view(self, dtype: Any = _NOT_GIVEN, type: Any = _NOT_GIVEN) -> Any:
        """Return a view on the same memory, with another dtype or as another array type.

        ``x.view(np.ndarray)`` and other types are read-only aliases that take no lock.
        As to NumPy, a `dtype` of None is float64, and not the same as none at all.
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
        viewed = plain if dtype is _NOT_GIVEN else plain.view(dtype)
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
    setattr(LockedArray, _name, _method)

for _name in ("T", "mT", "base", "dtype", "flags", "flat", "imag", "real", "shape", "strides"):
    setattr(LockedArray, _name, locked_property(_name, LockedArray.__dict__[_name]))


connect(
    cls=LockedArray,
    at=At,
    at_index=AtIndex,
    at_exchanged=CompareExchangeResult,
    flat=FlatIterator,
    flags=Flags,
    asks_for_array=asks_for_array,
    guard=Guard,
    wrapped=wrapped_view,
    wrapped_of_several=wrapped_of_several,
    role=function_roles.plain_role,
    readers=function_roles.PLAIN_READERS,
    writers=function_roles.PLAIN_WRITERS,
    joiners=function_roles.PLAIN_JOINERS,
    viewers=function_roles.viewers(),
    stand_in=DummyArray,
    named_out=function_roles.NAMED_OUT,
    copied_dtype=copied_dtype,
    augmented=Augmented,
    records=RECORDS,
    stores=STORES,
    arenas_deadlock=ARENAS_DEADLOCK,
)
