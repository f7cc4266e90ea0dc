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
    """An array that one worker of a Dask cluster owns, or several do, a block of rows each.

    Made by `create` and `attach`.  It is no ndarray: operations travel to the owner, and are done
    there one after the other, each exactly once as long as the owner lives.

    What ``x[index]`` returns is a copy, and read-only, so that nobody writes to it and takes it for
    the array; ``x[index].copy()`` is not.  ``np.asarray(x)`` is a snapshot that can be written to;
    so is what NumPy's functions work on, and the operators of an ndarray that is the left operand:
    ``np.add(x, 1)``, ``np.ones(3) * x``.  Of the operators ``x`` itself has the augmented
    assignments.  The others are TypeError, comparisons too: ``np.asarray(x) + 1`` says that all of
    it is to travel.

    Of an asynchronous client, methods return awaitables, ``await x[i]`` too, and guards are used by
    ``async with``; statements such as ``x[i] = v`` can not wait, and are refused.

    It can be pickled into tasks, where it uses the worker's client.

    Of an array in several blocks (``shards=``), what touches more than one is atomic in each of
    them, and not as a whole.

    Raises
    ------
    OwnerLost
        By each operation: an owner is lost, or the array was deleted.
    RuntimeError
        By each operation: the client is closed.
    DeadlockError
        By operations inside ``with x.write(...)``: it would wait for the region of that guard.
    ValueError
        By indexing, assignment, `np.asarray` and guards: more would travel than
        ``lockedarray.transfer-limit`` of Dask's configuration allows (1 GiB by default).
    """

    __slots__ = ()

    # -- what it is --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name by which all find it."""
        return self._entry.name

    @property
    def generation(self) -> int:
        """How often it was made, at least: more than that of any array of this name before."""
        return self._entry.generation

    @property
    def owners(self) -> tuple[str, ...]:
        """The address of the worker that has each block."""
        return self._entry.addresses

    @property
    def starts(self) -> tuple[int, ...]:
        """The first row of each block; ``(0,)`` if it is not divided."""
        return self._entry.starts

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements."""
        return self._entry.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._entry.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes.

        The owner is asked, as others may have appended rows; with an asynchronous client it is what
        the last answer told.
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
        """Elements for atomic read-modify-write: ``x.at[i].add(1)``; see `DistributedAtIndex`."""
        return DistributedAt(self)

    def __iter__(self) -> Iterator[Any]:
        self._refuse_statement("for row in x", "for row in await x.snapshot()")
        length = len(self)
        return (self[row] for row in range(length))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return a snapshot, as `numpy.asarray` does."""
        if copy is False:
            raise ValueError(
                "the elements are on another machine: what NumPy sees is a copy (copy=False)"
            )
        self._refuse_statement("np.asarray(x)", "await x.snapshot()")
        self._check_transfer("np.asarray(x)", ...)
        snapshot = self.snapshot()
        return snapshot if dtype is None else snapshot.astype(dtype, copy=False)

    # -- all of it ---------------------------------------------------------------------------------

    def snapshot(self, consistent: bool = False, timeout: float | None = None) -> Any:
        """Return a plain copy of the whole array, however large it is, to read and to write.

        Parameters
        ----------
        consistent : bool
            Of an array in several blocks, have all of them as they were at one moment: nobody
            writes to any of them until all are here.  Without it each one is as it was at some
            moment of the call.
        timeout : float, optional
            Seconds to wait at most until nobody writes.

        Returns
        -------
        ndarray

        Raises
        ------
        LockTimeout
            Somebody had a part of it all the time.
        LeaseExpired
            To have all blocks at once took longer than 300 seconds.
        """
        several = consistent and len(self._entry.keys) > 1
        work = self._consistent_snapshot if several else self._snapshot
        return self._do("snapshot", work, checked_timeout(timeout))

    def update(
        self, function: Callable[[np.ndarray], Any], region: Any = ..., timeout: float | None = None
    ) -> Any:
        """Have a function change a region where it is, as one step.

        Parameters
        ----------
        function : callable
            It travels to the owner, and is called with a writable plain view of the region,
            to change in place.  If it raises, nothing has changed, and the exception comes here.
            It runs in a thread of the worker, once, while nobody else has the region.
        region : index
            What integers, slices and names of fields select; by default all.
        timeout : float, optional
            Seconds to wait for the region at most.

        Returns
        -------
        object
            What the function returned.  Where the region is in several blocks, a list: the function
            is called for each, with the part that is there; if it raises in one, the others are
            changed all the same.

        Raises
        ------
        LockTimeout
            The region was not free in time; the function was not called.
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
        """Wait until a predicate is true of a region.

        It travels to the owner, and is called under the read lock with a read-only plain view: at
        once, and then whenever the array has changed, until it is true.

        Parameters
        ----------
        predicate : callable
            What it returns is tested as by ``bool()``.
        timeout : float, optional
            Seconds to wait at most.
        region : index
            What integers, slices and names of fields select, within one block; by default all.

        Returns
        -------
        object
            What the predicate returned last; false when the time was over.

        Raises
        ------
        LockTimeout
            Somebody else had the region until the time was over, so that it was never asked.
        ValueError
            The region is in several blocks, which nobody sees at one moment.
        """
        check_callable(predicate, "wait_for() takes a predicate of the region")
        seconds = checked_timeout(timeout)
        return self._do("wait_for", self._wait_for, pack_function(predicate), seconds, region)

    def write(
        self, region: Any = ..., lease: float = 30, timeout: float | None = None
    ) -> LeaseGuard:
        """Return a guard that has a region for some seconds: ``with x.write(region) as raw:``.

        A copy of the region travels here, and at the end of the block back, in one commit.  What
        overlaps it waits meanwhile; what does not goes on.  An exception commits nothing.

        Parameters
        ----------
        region : index
            What integers, slices and names of fields select, within one block; by default all.
        lease : float
            Seconds from when the region is granted until it is given to others.
        timeout : float, optional
            Seconds to wait for the region at most.

        Raises
        ------
        LeaseExpired
            At the end of the block: it took longer than `lease`, and nothing was changed.
        LockTimeout
            The region was not free in time.
        ValueError
            The region is in several blocks.
        """
        return LeaseGuard(self, region, True, lease, timeout)

    def read(
        self, region: Any = ..., lease: float = 30, timeout: float | None = None
    ) -> LeaseGuard:
        """Return a guard that keeps others from writing to a region, and yields a copy of it.

        It is as `write` is, but for that the copy is read-only, and nothing is committed.

        Raises
        ------
        LeaseExpired
            At the end of the block: it took longer than `lease`, so others may have written.
        """
        return LeaseGuard(self, region, False, lease, timeout)

    def append(self, values: Any, timeout: float | None = None) -> Any:
        """Add a row, or rows, at the end (of the last block), and return the index of the first.

        It waits until nobody has any region of that block.

        Parameters
        ----------
        values : array_like
            One row, of shape ``x.shape[1:]``, or n rows, of shape ``(n, *x.shape[1:])``: nothing
            is broadcast.
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        int
            The length before.

        Raises
        ------
        LockTimeout
            Somebody had a part of it all the time; nothing was added.
        """
        return self._do("append", self._append, values, checked_timeout(timeout))

    def popleft(self, n: int = 1, timeout: float | None = None) -> Any:
        """Remove the first `n` rows, and return them as a plain array.

        It waits until nobody has any region of the array.

        Parameters
        ----------
        n : int
            How many.
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        IndexError
            There are fewer than `n` rows.
        LockTimeout
            Somebody had a part of it all the time; nothing was removed.
        ValueError
            The array is in several blocks, whose rows do not move.
        """
        if len(self._entry.keys) > 1:
            raise ValueError(
                f"cannot popleft: {self.name!r} has {len(self._entry.keys)} blocks, and only an "
                "array of one can lose rows; create it with shards=1"
            )
        return self._do("popleft", self._popleft, n, checked_timeout(timeout))

    def freeze(self, timeout: float | None = None) -> Any:
        """Make the array read-only for good; waits for the write lock of each block.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        LockTimeout
            Somebody had a part of a block all the time; the other blocks are frozen.
        """
        return self._do("freeze", self._have_all, "freeze", checked_timeout(timeout))

    @property
    def frozen(self) -> Any:
        """Whether `freeze` was called.  The owner is asked: it can be awaited, as methods can."""
        return self._do("frozen", self._frozen)

    def checkpoint(self, timeout: float | None = None) -> Any:
        """Write the array, as it is at one moment, to its checkpoint; of each block for itself.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most until nobody writes.

        Raises
        ------
        LockTimeout
            Somebody had a part of a block all the time; those of the other blocks are written.
        ValueError
            It was created without ``checkpoint=``.
        """
        return self._do("checkpoint", self._have_all, "checkpoint", checked_timeout(timeout))

    def delete(self) -> Any:
        """Delete the array, and free its name.  Its checkpoint stays.

        Of one that is deleted already, or made anew by others, nothing is changed.
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
