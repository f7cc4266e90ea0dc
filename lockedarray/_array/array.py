"""LockedArray, the array type: what it has beside ndarray's methods, and how one is made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.lib._stride_tricks_impl import DummyArray

from lockedarray._array.at import At, AtIndex, CompareExchangeResult
from lockedarray._array.augmented import Augmented
from lockedarray._array.calls import asks_for_array
from lockedarray._array.construction import copied, is_adoptable, sharing
from lockedarray._array.dispatch import function_roles
from lockedarray._array.dispatch.operation import STORES, run
from lockedarray._array.dispatch.results import wrapped_of_several, wrapped_view
from lockedarray._array.facade import buffer_of, make_root, settle
from lockedarray._array.flags import Flags
from lockedarray._array.flat import FlatIterator
from lockedarray._array.growing import append, assign, popleft
from lockedarray._array.methods import by_core
from lockedarray._array.numpy_interface import NumPyInterface
from lockedarray._array.objects import ANY_NUMBER, ARENAS_DEADLOCK, check_policy
from lockedarray._array.resizing import resize
from lockedarray._array.temporaries import is_unreachable
from lockedarray._array.voids import RECORDS, copied_dtype
from lockedarray._cores import Holds, connect
from lockedarray._guards.guards import Guard, wait_for
from lockedarray._guards.region_lock import RegionLock, checked_name, region_lock_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike
    from readerwriterlock.rwlock import RWLockable

__all__ = ["LockedArray"]

_T = TypeVar("_T")


class LockedArray(NumPyInterface):
    """A NumPy array that threads can share and change: every operation on it is atomic.

    It is a `numpy.ndarray` with a readers-writer lock inside.  Each operation takes the lock by
    itself: operations that read run side by side, and so do operations that write to different
    parts of the array.

    A view (``x[2:5]``, ``x.T``, ``x['field']``) is a LockedArray on the same memory, with the same
    lock.  A result in new memory (``x + 1``, ``x.sum(axis=0)``, ``x[[0, 2]]``) is a plain array.

    Beside what an ndarray has, there are:

    - `write`, `read`: hold the lock for several steps; `acquire` does so for several arrays
    - `at`: change elements in one step, and get the new value
    - `wait_for`: wait until other threads have made something true
    - `snapshot`: a plain copy of one moment
    - `append`, `popleft`, `assign`, `resize`: change the length beside readers
    - `freeze`, `frozen`: make the array read-only for good
    - `lock`, `name`: its lock, and what messages call it
    - `flush`, for an array in a file; `close`, `unlink`, `recover`, for one that processes share

    Parameters
    ----------
    obj : array_like
        The elements.
    dtype : dtype_like, optional
        Data type of the elements; by default that of `obj`.
    copy : bool, optional
        True always copies `obj`.  None (default) copies it, too, unless nobody else can reach it,
        as ``np.zeros(3)`` in ``LockedArray(np.zeros(3))``: the memory of that is taken over.
        False shares the memory of `obj`: you promise that nothing else writes to it, and it can
        not be closed or resized (``mmap.close``, ``bytearray.extend``) before the array and all
        views of it are gone.
    order : {'K', 'A', 'C', 'F'}
        Memory layout of a copy.
    lock : RegionLock or RWLockable, optional
        A lock to share: the `lock` of another LockedArray, or a readers-writer lock of the package
        ``readerwriterlock``.  By default the array gets a lock of its own.
    objects : {'exclusive', 'shared', 'forbid'}
        How to lock arrays of Python objects.  With ``'exclusive'`` one operation runs at a time,
        even if all only read.  So methods of the elements never run in two threads at once.
        With ``'shared'`` readers run side by side.  ``'forbid'`` refuses such dtypes.
    name : str, optional
        What error messages, traces and the ``repr`` of the lock call the array.

    Raises
    ------
    TypeError
        `lock` is not a lock; `name` is not a str; or `objects` is ``'forbid'``, and the dtype has
        objects.
    ValueError
        `copy` or `objects` is none of the values above.  Or ``copy=False`` cannot share the memory
        of `obj`, or that memory has another lock or name already.

    See Also
    --------
    zeros, array : Make a LockedArray directly.
    acquire : Hold several arrays at once.

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

    def __new__(
        cls,
        obj: ArrayLike,
        dtype: DTypeLike | None = None,
        *,
        copy: bool | None = None,
        order: Literal["K", "A", "C", "F"] = "K",
        lock: RegionLock | RWLockable | None = None,
        objects: Literal["exclusive", "shared", "forbid"] = "exclusive",
        name: str | None = None,
    ) -> LockedArray:
        """Return a new LockedArray; the class says with what."""
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
        array: Any = obj if is_ours else copied(obj, dtype, order)
        check_policy(objects, array.dtype)
        return make_root(cls, array, lock=region_lock, objects=objects, name=name)

    # -- the lock ------------------------------------------------------------------------------

    @property
    def lock(self) -> RegionLock:
        """The lock of the array and of all its views.

        It is a ``RWLockable`` of the package readerwriterlock, too.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> x[1:].lock is x.lock
        True
        >>> y = la.zeros(3, lock=x.lock)  # both under one lock
        """
        return buffer_of(self).lock

    @property
    def name(self) -> str | None:
        """What error messages, traces and the ``repr`` of the lock call the array, or None.

        It is given when the array is made.  Views, copies and pickles have the same name.

        Examples
        --------
        >>> import lockedarray as la
        >>> la.zeros(3, name="counts").name
        'counts'
        """
        return buffer_of(self).name

    @by_core("reads")
    def read(
        self,
        timeout: float | None = None,
        when: Callable[[np.ndarray], object] | None = None,
    ) -> Guard:
        """Return a guard that holds the read lock: ``with x.read() as raw:``.

        `raw` is a read-only plain array over the same memory.  While the guard is held, nobody
        writes to what this array shows.  Other readers go on.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for the lock; None (default) waits for ever, 0 tries once.
        when : callable, optional
            A condition to wait for: called with `raw` under the lock, it returns whether it is
            true.  While it is false, the guard lets go of the lock and waits until somebody has
            written to what this array shows.  `timeout` limits the whole wait.

        Returns
        -------
        Guard
            To be used in a ``with`` or ``async with`` block, or by its methods ``acquire()`` and
            ``release()``.  Nothing is held before.

        Raises
        ------
        TypeError
            `timeout` is not a number, or `when` is not callable.
        ValueError
            `timeout` is negative or not finite.

        See Also
        --------
        Guard.acquire : What is raised when the lock is taken: LockTimeout, DeadlockError.
        snapshot : A plain copy, to read without the lock.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.arange(4)
        >>> with x.read() as raw:  # both of one moment
        ...     print(raw.min(), raw.max())
        0 3
        """
        return Guard._of(self, False, timeout, when)

    @by_core("writes")
    def write(
        self,
        timeout: float | None = None,
        when: Callable[[np.ndarray], object] | None = None,
    ) -> Guard:
        """Return a guard that holds the write lock: ``with x.write() as raw:``.

        `raw` is a writable plain array over the same memory.  While the guard is held, nobody else
        reads or writes what this array shows.  Of a view, as in ``x[2:5].write()``, only that part
        is locked.

        When the guard is released, `raw` becomes read-only.  Views of `raw` do not: do not use them
        after the block.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for the lock; None (default) waits for ever, 0 tries once.
        when : callable, optional
            A condition to wait for: called with `raw`, still read-only, under the lock, it returns
            whether it is true.  While it is false, the guard lets go of the lock and waits until
            somebody has written to what this array shows.  `timeout` limits the whole wait.

        Returns
        -------
        Guard
            To be used in a ``with`` or ``async with`` block, or by its methods ``acquire()`` and
            ``release()``.  Nothing is held before.

        Raises
        ------
        TypeError
            `timeout` is not a number, or `when` is not callable.
        ValueError
            `timeout` is negative or not finite.

        See Also
        --------
        Guard.acquire : What is raised when the lock is taken: LockTimeout, DeadlockError.
        acquire : Hold several arrays at once.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.array([1.0, 2.0, 6.0])
        >>> with x.write() as raw:  # nobody sees a state in between
        ...     raw -= raw.mean()
        >>> x
        LockedArray([-2., -1.,  3.])
        """
        return Guard._of(self, True, timeout, when)

    def wait_for(
        self, predicate: Callable[[np.ndarray], _T], timeout: float | None = None
    ) -> _T | Literal[False]:
        """Wait until a condition is true of what this array shows.

        The predicate is called under the read lock: at once, and again whenever somebody has
        written to what this array shows.  Between the calls, and afterwards, nothing is held.

        Parameters
        ----------
        predicate : callable
            It is called with a read-only plain array, and returns whether the wait is over.
        timeout : float, optional
            Seconds to wait; None (default) waits for ever, 0 asks once.

        Returns
        -------
        object
            What the predicate returned last.  If the time was over before, that is false.

        Raises
        ------
        DeadlockError
            The predicate is false, and cannot become true: this thread holds a part of the array,
            or the array is frozen.
        TypeError
            `predicate` is not callable, or `timeout` is not a number.
        ValueError
            `timeout` is negative or not finite.

        See Also
        --------
        read, write : ``when=`` waits in the same way and then keeps the lock.

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
        """Return a plain copy of the array as it is at one moment (read lock).

        Returns
        -------
        ndarray
            A plain array with memory of its own, of the same shape, dtype and memory layout.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.arange(3)
        >>> seen = x.snapshot()
        >>> x += 1
        >>> seen
        array([0, 1, 2])
        """
        return run(np.ndarray.copy, (self,), {"order": "K"})

    @property
    def frozen(self) -> bool:
        """Whether the array is read-only for good; see `freeze`.

        Examples
        --------
        >>> import lockedarray as la
        >>> la.zeros(3).frozen
        False
        """
        settle(self)
        return buffer_of(self).frozen

    def freeze(self) -> None:
        """Make the array, and all views of it, read-only for good.

        It waits for the write lock.  Afterwards every write raises ValueError, and reads take no
        lock any more.

        Raises
        ------
        DeadlockError
            This thread reads the array, and another one that reads it waits to write.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.zeros(3)
        >>> x.freeze()
        >>> x[0] = 1
        Traceback (most recent call last):
        ...
        ValueError: assignment destination is read-only: this array is frozen, ...
        """
        buffer = buffer_of(self)
        holds = Holds([(buffer.lock, True)])
        try:
            holds.acquire()
            buffer.freeze()
        finally:
            holds.release()

    def flush(self) -> None:
        """Write the array to the file that it is on, as it is at one moment (read lock).

        Raises
        ------
        ValueError
            The array is not on a file; `memmap` makes one that is.

        Examples
        --------
        >>> import numpy as np, lockedarray as la, tempfile
        >>> file = tempfile.NamedTemporaryFile()
        >>> x = la.memmap(file.name, float, "w+", shape=3)
        >>> x += 1
        >>> x.flush()
        >>> np.fromfile(file.name)
        array([1., 1., 1.])
        """
        buffer = buffer_of(self)
        mapped = buffer.mapped
        if mapped is None:
            raise ValueError(
                "cannot flush: this array is not on a file; la.memmap(path) makes one that is"
            )
        holds = Holds([(buffer.lock, False)])
        try:
            holds.acquire()
            mapped.flush()
        finally:
            holds.release()

    # -- between processes -----------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the memory of an array that processes share, in this process only.

        It waits until no thread of this process holds the lock.  Afterwards every use of the array
        raises ValueError.  Other processes go on.  `lockedarray.shared.attach` brings it back.

        Raises
        ------
        BufferError
            There still are views of the array, or plain arrays that show its memory.  (The raw
            views of guards that were released do not count.)
        ValueError
            This is a view, or an array that processes do not share.

        Examples
        --------
        >>> import lockedarray as la, lockedarray.shared
        >>> x = la.shared.zeros(3)
        >>> x.close()
        >>> la.shared.attach(x.name)
        LockedArray([0., 0., 0.])
        """
        buffer_of(self).close(self)

    def unlink(self) -> None:
        """Remove the name of an array that processes share: nobody can attach it any more.

        Processes that have attached it go on.  Its memory is freed when the last of them lets go of
        it.  The process that made an array in shared memory unlinks it when it ends.

        Raises
        ------
        ValueError
            Processes do not share the array.

        Examples
        --------
        >>> import lockedarray as la, lockedarray.shared
        >>> x = la.shared.zeros(3)
        >>> x.unlink()
        >>> x[0] += 1  # whoever has it goes on
        """
        buffer_of(self).unlink()

    def recover(self) -> AbstractContextManager[np.ndarray]:
        """Return a guard that repairs what a process left half written when it died.

        Until then every use of that part raises PoisonedError.  The guard holds the write lock:
        repair the array in ``with x.recover() as raw:``.  At the end of the block all processes can
        use it again.  If the block raises, that part stays half written.

        If another process dies while this one waits for the lock, the block begins all the same.
        What that one left half written needs a recovery of its own.

        Returns
        -------
        context manager
            It yields a writable plain array over the same memory.

        Raises
        ------
        PoisonedError
            This is a view, and more than it shows is half written.
        ValueError
            Processes do not share the array, or it is frozen.

        See Also
        --------
        PoisonedError : It has the process that died, and the bytes that it was writing.

        Examples
        --------
        >>> import lockedarray as la, lockedarray.shared
        >>> x = la.shared.zeros(3)
        >>> try:
        ...     x += 1
        ... except la.PoisonedError:
        ...     with x.recover() as raw:
        ...         raw[:] = 0
        """
        return buffer_of(self).recover(self)

    # -- its length ------------------------------------------------------------------------------

    @by_core("grows")
    def resize(  # type: ignore[override]
        self, *new_shape: int | tuple[int, ...], refcheck: bool = True
    ) -> None:
        """Change shape and size in place; new elements are zero.

        It holds the write lock of the whole array.  Views stay attached: they show the same
        elements of the array as before, even if the memory had to move.  Plain arrays that show
        the memory (`numpy.asarray`) keep what they saw.

        Parameters
        ----------
        *new_shape : int or tuple of int
            The new shape: ``x.resize(2, 3)`` or ``x.resize((2, 3))``.
        refcheck : bool
            Without effect: it is there since ndarray has it.

        Raises
        ------
        ValueError
            This is a view; the array is frozen, or not contiguous; its memory is the caller's
            (``copy=False``); or a length is negative.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.array([1, 2, 3])
        >>> view = x[1:]
        >>> x.resize(5)
        >>> x
        LockedArray([1, 2, 3, 0, 0])
        >>> view
        LockedArray([2, 3])
        """
        resize(self, new_shape, refcheck)

    @by_core("grows")
    def append(self, values: ArrayLike) -> int:
        """Add a row, or several, at the end, and return the index of the first of them.

        It holds the write lock of the whole array.  LockedArrays in `values` are read under their
        locks, in the same step.  On average the cost does not depend on the length of the array.
        Views stay attached, as with `resize`.

        Parameters
        ----------
        values : array_like
            One row, of shape ``x.shape[1:]``, or n rows, of shape ``(n, *x.shape[1:])``.  Nothing
            is broadcast.  Values are cast as in an assignment.  For a 1-d array of objects,
            anything that is not an array is one element, also a list.

        Returns
        -------
        int
            The index of the first new row, which is the length of the array before.

        Raises
        ------
        ValueError
            `values` has another shape.  Or, as with `resize`, this is a view; the array is frozen,
            or not in C order; or its memory is the caller's (``copy=False``).

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

        It holds the write lock of the whole array.  Views keep showing what they showed, also views
        of rows that were removed.

        Parameters
        ----------
        n : int
            How many rows.

        Returns
        -------
        ndarray
            A plain copy of the rows, of shape ``(n, *x.shape[1:])``.

        Raises
        ------
        IndexError
            The array has fewer than `n` rows.
        ValueError
            `n` is negative.  Or, as with `append`, this is a view, or the array cannot change its
            length.

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

    def assign(self, array: ArrayLike) -> None:
        """Replace all rows by those of another array, which may have more rows or fewer.

        It holds the write lock of the whole array.  LockedArrays in `array` are read under their
        locks, in the same step.  Views stay attached, as with `resize`.

        Parameters
        ----------
        array : array_like
            The new rows, of shape ``(n, *x.shape[1:])``.  Nothing is broadcast.  Values are cast as
            in an assignment.

        Raises
        ------
        ValueError
            `array` has another shape.  Or, as with `resize`, this is a view, or the array cannot
            change its length.

        Examples
        --------
        >>> import lockedarray as la
        >>> x = la.LockedArray([1, 2, 3])
        >>> x.assign([4, 5])
        >>> x
        LockedArray([4, 5])
        """
        assign(self, array)


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
