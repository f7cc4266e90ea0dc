"""The parts of Buffer and LockedArray that a core provides: here, nothing but their fields."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import GenericAlias
from typing import Any

import numpy as np

from lockedarray._alive import Alive
from lockedarray._portable.lock import Holds, RegionLockBase, follow_task, in_one_step, this_owner
from lockedarray._portable.statement import augments, ends_augmented

__all__ = [
    "ArrayBase",
    "AtBase",
    "AtIndexBase",
    "BufferBase",
    "FlagsBase",
    "FlatBase",
    "GuardBase",
    "MemoryBase",
    "connect",
    "connect_calls",
    "connect_copies",
    "connect_makers",
    "connect_roots",
    "locked_method",
    "locked_property",
    "maker",
    "new_lockable",
    "new_root",
]


class BufferBase:
    """What a core knows of a Buffer."""

    __slots__ = (
        "_facades",
        "_owner",
        "extent",
        "foreign",
        "frozen",
        "growing",
        "lock",
        "memory",
        "name",
        "objects",
        "operating",
        "origin",
        "watched",
        "whole",
    )

    lock: RegionLockBase
    frozen: bool  # nothing may be written any more
    whole: bool  # the lock is shared: each hold is of the whole memory
    foreign: bool  # the memory is the caller's: it never moves
    objects: str  # the policy for arrays of Python objects
    name: str | None  # of the array
    _owner: weakref.ref[Any] | None  # the array that owns the Buffer; None: to be found
    growing: bool  # it is about to be moved, or its rows to be changed
    operating: dict[int, weakref.ref[Any]]  # raw views of operations in Python, by id
    memory: Any  # the current Memory
    origin: int  # address at which it begins
    extent: int  # its length in bytes
    watched: int  # not 0: other processes may change the layout, and settle() sees to it

    settle: Callable[[], None]

    def __init__(self) -> None:
        self._facades: Alive[ArrayBase] = Alive()
        self.watched = 0

    def know(self, facade: ArrayBase) -> None:
        """Have `facade` among the known ones as long as it lives."""
        self._facades.add(facade)

    def known(self) -> list[ArrayBase]:
        """Return the live LockedArrays on this Buffer."""
        return list(self._facades)

    def guarded(self) -> list[Any]:
        """Return raw views of guards of this core by which the calling thread holds this Buffer."""
        return []

    def in_operation(self) -> bool:
        """Whether the calling thread is inside an operation that this core does by itself."""
        return False


class MemoryBase:
    """What a core knows of a Memory."""

    __slots__ = ("aliased", "buffer", "owner")

    owner: Any  # what keeps the bytes alive
    aliased: bool  # there may be aliases that do not keep this Memory alive
    buffer: weakref.ref[Any] | None  # the Buffer whose memory it is, or was


def _settle(array: ArrayBase) -> None:
    buffer = array._buffer
    if buffer is not None and buffer.watched:
        buffer.settle()


_ndim_of = np.ndarray.ndim.__get__  # type: ignore[attr-defined]
_size_of = np.ndarray.size.__get__  # type: ignore[attr-defined]
_nbytes_of = np.ndarray.nbytes.__get__  # type: ignore[attr-defined]


class ArrayBase(np.ndarray):
    """What a core knows of a LockedArray; one that NumPy made and still fills has the defaults."""

    _buffer: Any = None
    _owner: Any = None  # of a view: the LockedArray that owns the Buffer
    _may_write: bool = True
    _augmented: bool = False  # a view that x[i] += ... has read, and not yet assigned
    _earlier: Any = None  # what it showed before resizes: C code may be reading there still

    # What a guard asks of an array is in the class above, as are the general versions.
    _request: Callable[[bool], tuple[Any, bool] | None]
    _lend: Callable[[bool, list[tuple[Any, np.ndarray]]], None]
    _lend_again: Callable[[np.ndarray], None]
    _show: Callable[[np.ndarray], None]
    _show_no_more: Callable[[np.ndarray], None]
    _take_back: Callable[[np.ndarray], None]

    _general_finalize: Callable[..., None]
    _general_array_ufunc: Callable[..., Any]
    _general_array_function: Callable[..., Any]
    _general_getitem: Callable[..., Any]
    _general_setitem: Callable[..., None]
    _general_augmented: Callable[..., Any]
    _general_compare: Callable[..., Any]
    _general_operate: Callable[..., Any]
    _general_copy: Callable[[], Any]
    _general_deepcopy: Callable[[Any], Any]
    _general_reduce: Callable[[], Any]
    _general_reduce_ex: Callable[[Any], Any]

    def __array_finalize__(self, obj: Any) -> None:
        """Attach what NumPy made to the Buffer of the array that it was made from."""
        self._general_finalize(obj)

    # What is asked without the lock, of an array that processes share, too.

    def __len__(self) -> int:
        _settle(self)
        return np.ndarray.__len__(self)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        _settle(self)
        return _ndim_of(self)

    @property
    def size(self) -> int:
        """Number of elements."""
        _settle(self)
        return _size_of(self)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        _settle(self)
        return _nbytes_of(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Every method of every ufunc, locked."""
        if "out" not in kwargs and _classes["asks_for_array"](sys._getframe().f_back):
            kwargs["out"] = ...
        return self._general_array_ufunc(ufunc, method, *inputs, **kwargs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        """NumPy's functions, locked."""
        return self._general_array_function(func, types, args, kwargs)

    def __copy__(self) -> Any:
        """Return a copy with a lock of its own, for `copy.copy`."""
        return self._general_copy()

    def __deepcopy__(self, memo: Any, /) -> Any:
        """Return a copy with a lock of its own, for `copy.deepcopy`."""
        return self._general_deepcopy(memo)

    def __reduce__(self) -> Any:
        """For pickling."""
        return self._general_reduce()

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        """For pickling."""
        return self._general_reduce_ex(protocol)

    @property
    def at(self) -> Any:
        """Changes elements in one step, as ``x.at[i].add(1)`` does; see `AtIndex`."""
        return _classes["at"](self)

    def __getitem__(self, index: Any) -> Any:
        if augments(self, index) and type(self).__setitem__ is ArrayBase.__setitem__:
            return self._general_augmented(index)
        return self._general_getitem(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, ArrayBase) and value._augmented:
            value._augmented = False
            buffer = self._buffer
            if (
                buffer is not None
                and value._buffer is buffer
                and not buffer.frozen
                and self._may_write
                and ends_augmented()
            ):
                return  # the end of x[2:5] += v, whose elements the view has already
        self._general_setitem(index, value)


def _comparison(name: str) -> Callable[[ArrayBase, Any], Any]:
    def compare(self: ArrayBase, other: Any) -> Any:
        return self._general_compare(name, other)

    compare.__name__ = name
    compare.__qualname__ = f"ArrayBase.{name}"
    return compare


for _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(ArrayBase, _name, _comparison(_name))


def _operator(name: str) -> Callable[..., Any]:
    plain = getattr(np.ndarray, name)

    def operate(self: ArrayBase, other: Any, *modulo: Any) -> Any:
        if (
            type(other) is np.ndarray
            or not isinstance(other, np.ndarray)
            or isinstance(other, ArrayBase)
            or modulo
        ):
            return plain(self, other, *modulo)
        return self._general_operate(name, other)

    operate.__name__ = name
    operate.__qualname__ = f"ArrayBase.{name}"
    operate.__doc__ = plain.__doc__
    return operate


for _name in "add sub mul mod divmod lshift rshift and xor or floordiv truediv matmul pow".split():
    setattr(ArrayBase, f"__{_name}__", _operator(f"__{_name}__"))


class FlatBase:
    """What a core knows of ``x.flat``."""

    __slots__ = ("_array", "_position")

    _array: Any

    _general_getitem: Callable[..., Any]
    _general_setitem: Callable[..., None]
    _general_augmented: Callable[..., Any]
    _general_copy: Callable[[], np.ndarray]
    _general_array: Callable[..., np.ndarray]

    def __init__(self, array: ArrayBase) -> None:
        if array.ndim > 32:
            _ = np.ndarray.view(array, np.ndarray).flat  # NumPy refuses that many, in its own words
        self._array = array
        self._position = 0

    @property
    def base(self) -> Any:
        """The LockedArray that is iterated over."""
        return self._array

    @property
    def index(self) -> int:
        """The index, in C order, of the element that comes next: an int."""
        return self._position

    def __len__(self) -> int:
        return self._array.size

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        position = in_one_step(self._step)  # or threads that share it get the same element
        if position is None:
            raise StopIteration
        try:
            return self._general_getitem(position)
        except IndexError:  # the array has shrunk
            raise StopIteration from None

    def _step(self) -> int | None:
        position = self._position
        if position >= self._array.size:
            return None
        self._position = position + 1
        return position

    def __getitem__(self, index: Any) -> Any:
        if augments(self, index):
            return self._general_augmented(index)
        return self._general_getitem(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._general_setitem(index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Cannot delete iterator elements")

    def __array__(self, dtype: Any = None, *, copy: bool | None = None) -> np.ndarray:
        return self._general_array(dtype, copy=copy)

    def copy(self) -> np.ndarray:
        """Return a plain copy of the elements, 1-d, of one moment (read lock)."""
        return self._general_copy()


class FlagsBase:
    """What a core knows of ``x.flags``."""

    __slots__ = ("_array", "_flags")

    _general_getitem: Callable[..., Any]

    def __init__(self, array: ArrayBase) -> None:
        object.__setattr__(self, "_array", array)
        object.__setattr__(self, "_flags", np.ndarray.flags.__get__(array))  # type: ignore[attr-defined]

    def __getitem__(self, key: Any) -> Any:
        return self._general_getitem(key)


class AtBase:
    """What a core knows of ``x.at``."""

    __slots__ = ("_array",)

    _general_setitem: Callable[..., None]

    def __init__(self, array: ArrayBase) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> Any:
        return _classes["at_index"](self._array, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, AtIndexBase) and value._updated and value._array is self._array:
            value._updated = False  # the end of x.at[i] += v: the work is done
        else:
            self._general_setitem(index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("del x.at[i]: the elements of an array are not deleted")


class AtIndexBase:
    """What a core knows of ``x.at[i]``."""

    __slots__ = ("_array", "_index", "_updated")

    _augment: Callable[..., Any]

    def __init__(self, array: ArrayBase, index: Any) -> None:
        self._array = array
        self._index = index
        self._updated = False


def _augmented(ufunc: np.ufunc) -> Callable[[AtIndexBase, Any], Any]:
    def assign(self: AtIndexBase, value: Any) -> Any:
        return self._augment(ufunc, value)

    assign.__doc__ = f"``x.at[i]``, updated by `numpy.{ufunc.__name__}`, as one atomic step."
    return assign


for _name, _ufunc in {
    "__iadd__": np.add,
    "__isub__": np.subtract,
    "__imul__": np.multiply,
    "__itruediv__": np.divide,
    "__ifloordiv__": np.floor_divide,
    "__imod__": np.remainder,
    "__ipow__": np.power,
    "__iand__": np.bitwise_and,
    "__ior__": np.bitwise_or,
    "__ixor__": np.bitwise_xor,
    "__ilshift__": np.left_shift,
    "__irshift__": np.right_shift,
}.items():
    _method = _augmented(_ufunc)
    _method.__name__ = _name
    _method.__qualname__ = f"AtIndexBase.{_name}"
    setattr(AtIndexBase, _name, _method)


class _Acquisition:
    """One acquisition of a guard: under way or, if `held`, done; by which call it ends."""

    __slots__ = ("held", "released_by")

    def __init__(self) -> None:
        self.held = False
        self.released_by: object = None


class GuardBase:
    """What a core knows of a guard: by which acquisition it is held, if by any.

    Threads may share a guard.  What decides between them is one step each: `_begin` and
    `_begin_release`.
    """

    __slots__ = ("__weakref__", "_acquisition", "_owner")
    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    # What a guard that a core made is for.
    _one: tuple[ArrayBase, bool, float | None, Any] | None = None
    _several: tuple[Any, Any, float | None, Any] | None = None

    _holds: Holds | None
    _general_acquire: Callable[[], Any]
    _general_acquire_now: Callable[[], Any]
    _general_release: Callable[[], None]
    _give_back: Callable[[], None]

    def __init__(self) -> None:
        self._acquisition: _Acquisition | None = None
        self._owner: Any = None  # who acquired it last

    @property
    def held(self) -> bool:
        """Whether the guard holds its locks now: a bool."""
        acquisition = self._acquisition
        return acquisition is not None and acquisition.held

    def _end(self) -> None:
        """Release the guard whose owner has ended, or that nobody refers to any more."""
        self._give_back()
        self._acquisition = None

    def _begin(self, acquisition: _Acquisition) -> None:
        if self._acquisition is None:
            self._acquisition = acquisition

    def _begin_release(self, call: object) -> None:
        acquisition = self._acquisition
        if acquisition is None or not acquisition.held or self._holds is None:
            raise RuntimeError("this guard is not held: it was released already, or never acquired")
        if not self._holds.held_by_this_thread():
            who = "task" if self._holds.owner.task else "thread"
            raise RuntimeError(f"only the {who} that acquired a guard can release it")
        acquisition.released_by = call
        acquisition.held = False

    def acquire(self) -> Any:
        """Take the locks, and return the raw views; a ``with`` block does so when it begins.

        Arrays of Python objects are held with the write lock for reading, too, unless they were
        made with ``objects='shared'``.

        Returns
        -------
        ndarray or tuple
            The raw views, as `LockedArray.read`, `LockedArray.write` or `acquire` say.

        Raises
        ------
        LockTimeout
            The locks were not free, or ``when`` was not true, within the guard's timeout.
        DeadlockError
            Threads would wait for each other in a circle, this one among them.
        ValueError
            An array that is to be written is frozen, or is a view that NumPy made read-only.
        RuntimeError
            The guard is held already, or another thread is acquiring it.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(2)
        >>> guard = x.write(timeout=1)
        >>> raw = guard.acquire()
        >>> raw[0] = 1
        >>> guard.release()
        """
        return self._acquire_by(self._general_acquire)

    def _acquire_now(self) -> Any:
        """As `acquire`, with a timeout of 0 whatever the guard has."""
        return self._acquire_by(self._general_acquire_now)

    def _acquire_by(self, general: Callable[[], Any]) -> Any:
        _have_room(_DEEPEST)
        acquisition = _Acquisition()
        try:
            in_one_step(self._begin, acquisition)
            if self._acquisition is not acquisition:
                raise RuntimeError(
                    "this guard is held already; make another one, such as x.write()"
                )
            yielded = general()
            if (holds := self._holds) is not None:
                self._owner = holds.owner
                holds.guard = weakref.ref(self)
            acquisition.held = True
        except BaseException:
            if self._acquisition is acquisition:
                self._end()
            raise
        return yielded

    def release(self) -> None:
        """Give the locks back; a ``with`` block does so at its end.

        From now on the raw views are read-only.

        Raises
        ------
        RuntimeError
            The guard is not held, or another thread has acquired it.
        """
        call = object()
        try:
            in_one_step(self._begin_release, call)
            self._general_release()
        finally:
            acquisition = self._acquisition
            if acquisition is not None and acquisition.released_by is call:
                if self._holds is None:
                    self._acquisition = None
                else:  # others' locks, or Ctrl-C
                    acquisition.held = True

    def __enter__(self) -> Any:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        is_closed = kind is not None and issubclass(kind, GeneratorExit)
        if is_closed and (self._acquisition is None or self._is_elsewhere()):
            self._end()  # a generator that is closed or collected here stood in its ``with``
        else:
            self.release()

    def _is_elsewhere(self) -> bool:
        """Whether another owner than the current one acquired it, and nobody takes it now."""
        acquisition = self._acquisition
        follow_task()
        is_busy = acquisition is not None and not acquisition.held
        return not is_busy and self._owner not in (None, this_owner())

    def __del__(self) -> None:
        if getattr(self, "_acquisition", None) is not None:  # nothing may be written any more
            self._end()


_DEEPEST = 16  # more calls than are inside one another where locks are taken or given back


def _have_room(calls: int) -> None:
    """Raise RecursionError where nothing is held yet, and not where something is."""
    if calls:
        _have_room(calls - 1)


_classes: dict[str, Any] = {}


def connect(*, at: Any, at_index: Any, asks_for_array: Any, **_above: Any) -> None:
    """Tell the core of what is above it; this one calls everything there."""
    _classes.update(at=at, at_index=at_index, asks_for_array=asks_for_array)


def connect_copies(rebuilt: Callable[..., Any], /) -> None:
    """Tell the core of what makes an array of what is in a pickle; this one makes none."""


def connect_roots(buffer: type, memory: type, lock: type) -> None:
    """Tell the core of the classes that `new_root` makes; this one makes none."""


def new_root(cls: Any, array: np.ndarray, lock: Any, objects: str, name: str | None) -> Any:
    """Return a LockedArray over `array`, or None to have it made; here always None."""
    return None


def locked_method(
    plain: Callable[..., Any] | None, general: Callable[..., Any], mode: str, out: int = -1
) -> Callable[..., Any]:
    """Return a method for LockedArray or AtIndex; here always the general version.

    `plain` is ndarray's method, or None of one that is none of ndarray's.  `mode` says what it
    does: 'reads', 'reads one argument' (and is general with none, or with more), 'reads alone' (is
    general with arguments), 'returns itself' (where there is nothing to do), 'writes', 'views
    contiguous' (makes a view of a contiguous array), 'views' (of any array), 'views read-only' (the
    same, and nobody may write to them), 'views as' (with another dtype, or as a plain array),
    'aliases' (makes a plain array over the same memory, and is general with arguments), 'grows'
    (adds or removes rows).  `out` is the position of out= behind self, if it can be given by
    position.
    """
    return general


def locked_property(name: str, general: Any, /) -> Any:
    """Return the property of this name for LockedArray; here always the general version."""
    return general


def locked_run(general: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a function as one operation; here always the general version."""
    return general


def connect_makers(array: Callable[..., Any], copyto: Callable[..., Any]) -> None:
    """Have arrays made by the core, with NumPy's functions; this one makes none."""


def connect_calls(called_at: Callable[..., Any]) -> None:
    """Tell the core how to find what is called at (code, offset); this one does not ask."""


def maker(
    plain: Callable[..., Any], general: Callable[..., Any], made: Callable[[Any], Any]
) -> Callable[..., Any]:
    """Return a function that makes LockedArrays; here always the general version.

    `plain` is NumPy's function of that name, and `made` makes one over a plain array.
    """
    return general


def new_lockable(lock: RegionLockBase, write: bool) -> Any:
    """Return a lock object that takes a whole lock, or None to have one made; here always None."""
    return None


def guard_of_several(write: Any, read: Any, timeout: Any, when: Any) -> Any:
    """Return what `acquire` returns, or None to have it make its guard; here always None."""
    return None
