"""Guards: ``read()``, ``write()`` and ``acquire()``, which hold locks and yield raw views."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from lockedarray.cores import Holds
from lockedarray.facade import Facade, buffer_of, check_may_write, raw_view

__all__ = ["Guard", "acquire"]

_T = TypeVar("_T")


class Guard(Generic[_T]):
    """Holds the locks of some LockedArrays, and yields raw views of them.

    Made by `LockedArray.read`, `LockedArray.write` and `acquire`, and not yet held: it acquires
    as a ``with`` block, or by `acquire` and `release`.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x = la.LockedArray(np.arange(3.0))
    >>> with x.write() as raw:
    ...     raw -= raw.mean()
    >>> x
    LockedArray([-1.,  0.,  1.])
    """

    __slots__ = ("__weakref__", "_holds", "_raws", "_shape", "_timeout", "_wanted")

    def __init__(
        self,
        wanted: list[tuple[Facade, bool]],
        shape: Callable[[list[np.ndarray]], _T],
        timeout: float | None,
    ) -> None:
        self._wanted = wanted
        self._shape = shape
        self._timeout = _checked_timeout(timeout)
        self._holds: Holds | None = None
        self._raws: list[np.ndarray] = []

    @property
    def held(self) -> bool:
        """Whether the guard holds its locks."""
        return self._holds is not None

    def acquire(self) -> _T:
        """Take the locks and return the raw views.

        Writers get the write lock and writable plain ndarrays, readers the read lock and
        read-only ones; of arrays with an object dtype readers, too, hold the write lock, if
        ``objects='exclusive'``.

        Raises
        ------
        LockTimeout
            The guard's timeout (seconds) is over.
        DeadlockError
            To wait would close a cycle of threads that wait for each other.
        ValueError
            An array to be written is frozen, or a view that NumPy made read-only.
        RuntimeError
            This guard is held already.
        """
        if self._holds is not None:
            raise RuntimeError("this guard is held already; make another one: x.write() nests")
        requests = []
        for facade, write in self._wanted:
            buffer = buffer_of(facade)
            write = write or buffer.reading_writes(facade.dtype)
            if write or not buffer.frozen:
                requests.append((facade, write))
        holds = Holds(requests)
        raws: list[np.ndarray] = []
        try:
            holds.acquire(self._timeout)
            for facade, write in self._wanted:
                if write:
                    check_may_write(facade)
                raw = raw_view(facade, write)
                raws.append(raw)
                buffer_of(facade).register_raw_view(raw)
            _held_here().add(self)
            self._raws, self._holds = raws, holds
        except BaseException:
            self._drop(raws, holds)
            raise
        return self._shape(raws)

    def release(self) -> None:
        """Give the locks back; from now on the raw views are read-only.

        Raises
        ------
        RuntimeError
            The guard is not held, or was acquired by another thread.
        """
        holds = self._holds
        if holds is None:
            raise RuntimeError("this guard is not held: it was released already, or never acquired")
        if not holds.held_by_this_thread():
            raise RuntimeError("a guard is released by the thread that acquired it")
        _held_here().discard(self)
        self._drop(self._raws, holds)
        self._holds, self._raws = None, []

    def _end(self) -> None:
        """Release the guard of a thread that has ended, or that nobody refers to any more."""
        holds, self._holds = self._holds, None
        if holds is not None:
            self._drop(self._raws, holds)

    def _drop(self, raws: list[np.ndarray], holds: Holds) -> None:
        try:
            for raw, (facade, _) in zip(raws, self._wanted, strict=False):
                raw.setflags(write=False)
                buffer_of(facade).forget_raw_view(raw)
        finally:
            holds.release()

    def __del__(self) -> None:
        if getattr(self, "_holds", None) is not None:  # nothing may be written any more
            self._end()

    def __enter__(self) -> _T:
        return self.acquire()

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def __repr__(self) -> str:
        modes = ", ".join("write" if write else "read" for _, write in self._wanted)
        return f"<Guard ({modes}): {'held' if self.held else 'not held'}>"


class _HeldHere(weakref.WeakSet[Guard[Any]]):
    """The guards that a thread holds; lives in its local storage, and so ends with it."""

    def __del__(self) -> None:
        for guard in list(self):
            guard._end()


_local = threading.local()


def _held_here() -> _HeldHere:
    try:
        return _local.guards
    except AttributeError:
        _local.guards = _HeldHere()
        return _local.guards


def acquire(*, write: Any = None, read: Any = None, timeout: float | None = None) -> Guard[Any]:
    """Return a guard that holds several arrays as one, some to write and some to read.

    The locks are taken in one order in the whole process, so that two threads that ask for the
    same arrays in different orders do not wait for each other.

    Parameters
    ----------
    write, read : LockedArray or tuple of LockedArray, optional
        What to lock for writing and for reading.
    timeout : float, optional
        Seconds to wait at most; None waits for ever, 0 tries once.

    Returns
    -------
    Guard
        Yields the write views, the read views, or the pair (write, read) if both were given,
        each a plain ndarray or a tuple of them, as given.

    Raises
    ------
    TypeError
        Neither `write` nor `read` was given, or one of them is not a LockedArray or a tuple of
        LockedArrays, or `timeout` is not a number.
    ValueError
        `timeout` is negative or not finite.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x, y, z = la.zeros(2), la.ones((2, 2)), la.ones(2)
    >>> with la.acquire(write=x, read=(y, z)) as (rx, (ry, rz)):
    ...     rx[:] = ry @ rz
    >>> x
    LockedArray([2., 2.])
    """
    if write is None and read is None:
        raise TypeError("acquire() needs write= or read=: a LockedArray or a tuple of them")
    writers, readers = _facades(write, "write"), _facades(read, "read")

    def shape(raws: list[np.ndarray]) -> Any:
        parts = []
        for given, views in ((write, raws[: len(writers)]), (read, raws[len(writers) :])):
            if given is not None:
                parts.append(views[0] if isinstance(given, Facade) else tuple(views))
        return tuple(parts) if len(parts) == 2 else parts[0]

    wanted = [(facade, True) for facade in writers] + [(facade, False) for facade in readers]
    return Guard(wanted, shape, timeout)


def _facades(given: Any, name: str) -> list[Facade]:
    if given is None:
        return []
    facades = [given] if isinstance(given, Facade) else given
    if not isinstance(given, (Facade, tuple)) or not all(
        isinstance(facade, Facade) for facade in facades
    ):
        raise TypeError(
            f"acquire(): {name}= takes a LockedArray or a tuple of LockedArrays, "
            f"not {type(given).__name__}"
        )
    return list(facades)


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    try:
        seconds = float(timeout) if not isinstance(timeout, (str, bytes)) else None
    except TypeError:
        seconds = None
    except OverflowError:  # an int beyond every float
        seconds = math.inf
    if seconds is None:
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"timeout must be finite and not negative (seconds), not {timeout!r}")
    return seconds
