"""DistributedArray: what stands for an array between machines, in each process that uses it.

It has no data.  An operation becomes a call to the owner, or to the owners of the blocks that an
index touches, and its result is a plain array or scalar.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lockedarray._cores import augments
from lockedarray._distributed.arguments import check_callable, checked_timeout
from lockedarray._distributed.at import DistributedAt
from lockedarray._distributed.calls import Calls
from lockedarray._distributed.clients import is_open, scheduler_of
from lockedarray._distributed.guards import LeaseGuard
from lockedarray._distributed.refusals import SIGNS, awaited
from lockedarray._distributed.wire import pack_function

__all__ = ["DistributedArray"]


class DistributedArray(Calls):
    """An array on a Dask cluster, which all its workers and clients can change.

    `create` and `attach` return one.  A worker, the *owner*, has the elements in its memory; or
    several workers have a block of rows each.  This object stands for the array, in whatever
    process: each operation travels to the owner, which carries it out once, atomically.

    Indexing, assignment and augmented assignment work as for an ndarray: ``x[i]``, ``x[i] = v``,
    ``x[i] += v``, ``x += v``.  What ``x[i]`` returns is a plain copy, read-only, since a change to
    it would not reach the array.  Operators such as ``x + 1`` and ``x == 1`` raise TypeError, as
    they would move all elements here: write ``np.asarray(x) + 1``, which says so, or ``x.update``,
    which computes at the owner.

    It can be pickled, and passed to tasks; there it uses the client of the worker.

    With an asynchronous client each method returns an awaitable, and so does ``x[i]``; guards are
    used with ``async with``.  Statements such as ``x[i] = v`` raise TypeError: write
    ``await x.at[i].set(v)``.

    In an array of several blocks (``shards=``), an operation on more than one of them is atomic in
    each block, and not as a whole.

    Raises
    ------
    OwnerLost
        By any operation: an owner is lost, or the array was deleted.
    RuntimeError
        By any operation: the client is closed.
    DeadlockError
        By any operation inside ``with x.write(...)``: it would wait for that guard's own region.
    ValueError
        By indexing, assignment, `numpy.asarray` and guards: more bytes would travel than Dask's
        setting ``lockedarray.transfer-limit`` allows (by default 1 GiB).

    Examples
    --------
    >>> import lockedarray.distributed as distributed
    >>> x = distributed.create(client, (4, 2), name="table")
    >>> x[1] = 2.0
    >>> x[1, 0] += 1
    >>> x[1]
    array([3., 2.])
    """

    __slots__ = ()

    # -- what it is --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the array, by which `attach` finds it: a str."""
        return self._entry.name

    @property
    def generation(self) -> int:
        """A number that is higher each time an array of this name is made: an int."""
        return self._entry.generation

    @property
    def owners(self) -> tuple[str, ...]:
        """For each block the address of the worker that has it: a tuple of str."""
        return self._entry.addresses

    @property
    def starts(self) -> tuple[int, ...]:
        """For each block the index of its first row: a tuple of int."""
        return self._entry.starts

    @property
    def dtype(self) -> np.dtype:
        """Data type of the elements."""
        return self._entry.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._entry.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes: a tuple of int.

        The owner is asked, since others may have added rows.  With an asynchronous client it is the
        shape that the owner told last.
        """
        if self.ndim and not self.client.asynchronous:
            told: tuple[int, ...] = self._do("shape", self._shape_now)
            return told
        return self._told_shape()

    @property
    def size(self) -> int:
        """Number of elements; see `shape`."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; see `shape`."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        client = self._own_client
        is_usable = client is not None and is_open(client)
        shape = self._told_shape() if is_usable else self._entry.shape
        return (
            f"<DistributedArray {self.name!r}: shape {shape}, {self.dtype}, generation "
            f"{self.generation}, on {', '.join(dict.fromkeys(self.owners))}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        scheduler = self._scheduler if self._own_client is None else scheduler_of(self.client)
        return DistributedArray, (None, self._entry, scheduler)

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        """Return another token each time: what was read from it once is not what it is now."""
        return "lockedarray", self.name, uuid.uuid4().hex

    # -- elements ----------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        if augments(self, index):
            return _Augmented(self)
        return self._do("__getitem__", self._get, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, _Augmented):
            self._do("__setitem__", self._augment, index, value.operator, value.operand)
            return
        self._refuse_statement("x[i] = v", "await x.at[i].set(v)")
        self._do("__setitem__", self._set, index, value)

    @property
    def at(self) -> DistributedAt:
        """Changes elements in one step, as in ``x.at[i].add(1)``; see `DistributedAtIndex`."""
        return DistributedAt(self)

    def __iter__(self) -> Iterator[Any]:
        self._refuse_statement("for row in x", "for row in await x.snapshot()")
        length = len(self)
        return (self[row] for row in range(length))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return a snapshot, as `numpy.asarray` does."""
        if copy is False:
            raise ValueError(
                "Unable to avoid copy while creating an array as requested: the elements are on "
                "another machine; leave out copy=False"
            )
        self._refuse_statement("np.asarray(x)", "await x.snapshot()")
        self._check_transfer("np.asarray(x)", ...)
        snapshot = self.snapshot()
        return snapshot if dtype is None else snapshot.astype(dtype, copy=False)

    # -- all of it ---------------------------------------------------------------------------------

    def snapshot(self, consistent: bool = False, timeout: float | None = None) -> Any:
        """Return a plain copy of the whole array, however large it is.

        Parameters
        ----------
        consistent : bool
            Whether all blocks are to be of the same moment: nobody writes to any of them until
            all have been copied.  Otherwise each block is of some moment of the call.
        timeout : float, optional
            Seconds to wait until nobody writes; None (default) waits for ever.

        Returns
        -------
        ndarray
            A plain, writable array.

        Raises
        ------
        LockTimeout
            Somebody held a part of the array all the time.
        LeaseExpired
            The copy of all blocks together took longer than 300 seconds.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 2, name="snapped")
        >>> x.snapshot()
        array([0., 0.])
        """
        several = consistent and len(self._entry.keys) > 1
        work = self._consistent_snapshot if several else self._snapshot
        return self._do("snapshot", work, checked_timeout(timeout))

    def update(
        self, function: Callable[[np.ndarray], Any], region: Any = ..., timeout: float | None = None
    ) -> Any:
        """Run a function at the owner, which changes a region in one atomic step.

        Parameters
        ----------
        function : callable
            It is called once, at the owner, with a writable plain array of the region, which it
            changes in place.  If it raises, nothing is changed, and the exception is raised here.
        region : index
            Which elements: integers, slices and names of fields; all by default.
        timeout : float, optional
            Seconds to wait for the region; None (default) waits for ever.

        Returns
        -------
        object
            What the function returned.  If the region is in several blocks, a list: the function is
            called for each block, with the part that is there.  If it raises for one of them, the
            others are changed nevertheless.

        Raises
        ------
        LockTimeout
            The region was not free in time; the function was not called.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="updated")
        >>> x[:] = [3, 1, 2]
        >>> x.update(lambda raw: raw.sort())
        >>> x[:]
        array([1., 2., 3.])
        """
        check_callable(function, "update() takes a function of the region")
        seconds = checked_timeout(timeout)
        return self._do("update", self._update, pack_function(function), region, seconds)

    def wait_for(
        self,
        predicate: Callable[[np.ndarray], Any],
        timeout: float | None = None,
        region: Any = ...,
    ) -> Any:
        """Wait until a condition is true of a region.

        The predicate is called at the owner, under the read lock: at once, and again whenever the
        array has changed.

        Parameters
        ----------
        predicate : callable
            It is called with a read-only plain array of the region, and returns whether the wait is
            over.
        timeout : float, optional
            Seconds to wait; None (default) waits for ever.
        region : index
            Which elements: integers, slices and names of fields, within one block; all by default.

        Returns
        -------
        object
            What the predicate returned last.  If the time was over before, that is false.

        Raises
        ------
        LockTimeout
            Somebody else held the region all the time: the predicate was never called.
        ValueError
            The region is in several blocks.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="awaited")
        >>> x[0] = 1
        >>> x.wait_for(lambda raw: bool(raw[0] == 1))
        True
        """
        check_callable(predicate, "wait_for() takes a predicate of the region")
        seconds = checked_timeout(timeout)
        return self._do("wait_for", self._wait_for, pack_function(predicate), seconds, region)

    def write(
        self, region: Any = ..., lease: float = 30, timeout: float | None = None
    ) -> LeaseGuard:
        """Return a guard that holds the write lock of a region: ``with x.write(region) as raw:``.

        `raw` is a plain copy of the region.  At the end of the block it is written back, in one
        step.  Meanwhile nobody else reads or writes the region.  If the block raises, nothing is
        written.

        Parameters
        ----------
        region : index
            Which elements: integers, slices and names of fields, within one block; all by default.
        lease : float
            Seconds for which the guard holds the region at most; then others get it.
        timeout : float, optional
            Seconds to wait for the region; None (default) waits for ever.

        Returns
        -------
        LeaseGuard
            For a ``with`` block, or an ``async with`` block if the client is asynchronous.

        Raises
        ------
        LockTimeout
            When the block begins: the region was not free in time.
        LeaseExpired
            When the block ends: it took longer than `lease`, and nothing was changed.
        ValueError
            The region is in several blocks.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="written")
        >>> with x.write(slice(0, 2)) as raw:
        ...     raw += 1
        >>> x[:]
        array([1., 1., 0.])
        """
        return LeaseGuard(self, region, True, lease, timeout)

    def read(
        self, region: Any = ..., lease: float = 30, timeout: float | None = None
    ) -> LeaseGuard:
        """Return a guard that holds the read lock of a region: ``with x.read(region) as raw:``.

        `raw` is a read-only plain copy of the region.  While the guard is held, nobody writes to
        the region.

        Parameters
        ----------
        region : index
            Which elements: integers, slices and names of fields, within one block; all by default.
        lease : float
            Seconds for which the guard holds the region at most; then others get it.
        timeout : float, optional
            Seconds to wait for the region; None (default) waits for ever.

        Returns
        -------
        LeaseGuard
            For a ``with`` block, or an ``async with`` block if the client is asynchronous.

        Raises
        ------
        LockTimeout
            When the block begins: the region was not free in time.
        LeaseExpired
            When the block ends: it took longer than `lease`, so others may have written.
        ValueError
            The region is in several blocks.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="read")
        >>> with x.read() as raw:
        ...     raw.sum()
        np.float64(0.0)
        """
        return LeaseGuard(self, region, False, lease, timeout)

    def append(self, values: Any, timeout: float | None = None) -> Any:
        """Add a row, or several, at the end, and return the index of the first of them.

        It waits until nobody holds any part of the last block.

        Parameters
        ----------
        values : array_like
            One row, of shape ``x.shape[1:]``, or n rows, of shape ``(n, *x.shape[1:])``.  Nothing
            is broadcast.
        timeout : float, optional
            Seconds to wait; None (default) waits for ever.

        Returns
        -------
        int
            The index of the first new row, which is the length of the array before.

        Raises
        ------
        LockTimeout
            Somebody held a part of the block all the time; nothing was added.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 0, name="log")
        >>> x.append([3, 4])
        0
        >>> x.append(5)
        2
        """
        return self._do("append", self._append, values, checked_timeout(timeout))

    def popleft(self, n: int = 1, timeout: float | None = None) -> Any:
        """Remove the first `n` rows, and return them as a plain array.

        It waits until nobody holds any part of the array.

        Parameters
        ----------
        n : int
            How many rows.
        timeout : float, optional
            Seconds to wait; None (default) waits for ever.

        Returns
        -------
        ndarray
            A plain copy of the rows, of shape ``(n, *x.shape[1:])``.

        Raises
        ------
        IndexError
            The array has fewer than `n` rows.
        LockTimeout
            Somebody held a part of the array all the time; nothing was removed.
        ValueError
            The array is in several blocks.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="queue")
        >>> x.popleft()
        array([0.])
        >>> len(x)
        2
        """
        if len(self._entry.keys) > 1:
            raise ValueError(
                f"cannot popleft: {self.name!r} has {len(self._entry.keys)} blocks, and only an "
                "array of one can lose rows; create it with shards=1"
            )
        return self._do("popleft", self._popleft, n, checked_timeout(timeout))

    def freeze(self, timeout: float | None = None) -> Any:
        """Make the array read-only for good.

        It waits for the write lock of each block.  Afterwards every write raises ValueError.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; None (default) waits for ever.

        Raises
        ------
        LockTimeout
            Somebody held a part of a block all the time; the other blocks are frozen.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="final")
        >>> x.freeze()
        >>> x.frozen
        True
        """
        return self._do("freeze", self._have_all, "freeze", checked_timeout(timeout))

    @property
    def frozen(self) -> Any:
        """Whether the array is read-only for good: a bool.

        The owner is asked; with an asynchronous client it is an awaitable.
        """
        return self._do("frozen", self._frozen)

    def checkpoint(self, timeout: float | None = None) -> Any:
        """Write the array to its checkpoint, each block as it is at one moment.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait until nobody writes; None (default) waits for ever.

        Raises
        ------
        LockTimeout
            Somebody held a part of a block all the time; the other blocks are written.
        ValueError
            The array was created without ``checkpoint=``.

        Examples
        --------
        >>> import os, tempfile, lockedarray.distributed as distributed
        >>> path = os.path.join(tempfile.mkdtemp(), "weights")
        >>> x = distributed.create(client, 3, name="weights", checkpoint=path)
        >>> x.checkpoint()
        """
        return self._do("checkpoint", self._have_all, "checkpoint", checked_timeout(timeout))

    def delete(self) -> Any:
        """Delete the array, and free its name; its checkpoint stays.

        If it is deleted already, or others have made a new array of that name, nothing is changed.

        Examples
        --------
        >>> import lockedarray.distributed as distributed
        >>> x = distributed.create(client, 3, name="temporary")
        >>> x.delete()
        """
        return self._do("delete", self._delete)


class _Augmented:
    """What ``x[index]`` is in ``x[index] op= operand``: what is to be done, in place of a value."""

    __slots__ = ("array", "operand", "operator")

    def __init__(self, array: DistributedArray) -> None:
        self.array = array
        self.operator: str | None = None
        self.operand: Any = None


def _in_place(name: str) -> Callable[[_Augmented, Any], _Augmented]:
    def operate(self: _Augmented, operand: Any) -> _Augmented:
        self.array._refuse_statement(f"x[i] {SIGNS[name]} v", awaited(name, "i"))
        self.operator = name
        self.operand = operand
        return self

    return operate


def _in_place_of_all(name: str) -> Callable[[DistributedArray, Any], DistributedArray]:
    def operate(self: DistributedArray, operand: Any) -> DistributedArray:
        self._refuse_statement(f"x {SIGNS[name]} v", awaited(name, "..."))
        self._do(f"__{name}__", self._augment, ..., name, operand)
        return self

    operate.__name__ = f"__{name}__"
    operate.__qualname__ = f"DistributedArray.__{name}__"
    operate.__doc__ = f"``x[...] {SIGNS[name]} operand``."
    return operate


for _name in SIGNS:
    setattr(_Augmented, f"__{_name}__", _in_place(_name))
    setattr(DistributedArray, f"__{_name}__", _in_place_of_all(_name))
