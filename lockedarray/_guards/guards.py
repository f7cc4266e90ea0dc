"""Guards: ``read()``, ``write()`` and ``acquire()``, which hold locks and yield raw views."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lockedarray._alive import Alive
from lockedarray._cores import (
    ArrayBase,
    GuardBase,
    Holds,
    Place,
    RegionLockBase,
    guard_of_several,
    telling,
)
from lockedarray._errors import (
    LockTimeout,
    cannot_come_true,
    frozen_for_good,
    not_true_in_time,
)
from lockedarray._guards import debugging
from lockedarray._guards.awaiting import Bell, NotNow, enter, new_future

if TYPE_CHECKING:
    from lockedarray._cores import ArrayBase as LockedArray  # as users know it

__all__ = ["Guard", "acquire", "asked_here", "end_lost", "raws_here", "wait_for"]

_POLL = 0.01  # seconds between looks where others' code, which does not tell, may write


# What a core makes; the debug mode lends raw views apart, which only the general version does.
_guard_of_several = (lambda *_: None) if debugging.enabled else guard_of_several


class Guard(GuardBase):
    """Holds the locks of one or several LockedArrays, and yields plain views of them.

    `LockedArray.read`, `LockedArray.write` and `acquire` make one.  It takes the locks when its
    ``with`` or ``async with`` block begins, and gives them back at the end, or by its methods
    `acquire` and `release`.  It can be used again, and guards can be nested: a thread that holds
    a lock may take it again.

    A plain view that it yields (a *raw view*) is an ndarray over the memory of the array: writable
    under the write lock, read-only under the read lock and after the guard is released.  Views of
    a raw view must not be used after that.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x = la.LockedArray(np.arange(3.0))
    >>> with x.write() as raw:
    ...     raw -= raw.mean()
    >>> x
    LockedArray([-1.,  0.,  1.])
    """

    __slots__ = ("_holds", "_ident", "_places", "_plan", "_raws")

    # A core may make guards by itself, without a plan, and acquire and release them so, too. What
    # it leaves to the general versions here, it gives back to them. Who acquires, and whether the
    # guard is held, is the core's to know.

    _holds: Holds | None
    _ident: int
    _places: list[Place]  # which the task that acquires it has, while it has a predicate
    _raws: list[tuple[ArrayBase, np.ndarray]]

    def __init__(
        self,
        wanted: list[tuple[ArrayBase, bool]],
        shape: Callable[[list[np.ndarray]], Any],
        timeout: float | None,
        when: Callable[[Any], object] | None = None,
    ) -> None:
        super().__init__()
        if when is not None:
            _check_callable(when, "when")
        self._plan = wanted, shape, _checked_timeout(timeout), when
        self._raws, self._holds = [], None

    @classmethod
    def _of(
        cls,
        array: ArrayBase,
        write: bool,
        timeout: float | None,
        when: Callable[[Any], object] | None = None,
    ) -> Guard:
        """Return a guard of one array."""
        return cls([(array, write)], _only, timeout, when)

    def _whole_plan(self) -> Any:
        """What it is for: (array, writes) of each, what shapes their raw views, timeout, when."""
        if (one := self._one) is not None:
            return [one[:2]], _only, *one[2:]
        if (several := self._several) is not None:
            return *_plan_of(*several[:3]), several[3]
        return self._plan

    def _general_acquire_now(self) -> Any:
        return self._general_acquire(now=True)

    def _general_acquire(self, now: bool = False) -> Any:
        wanted, shape, timeout, when = self._whole_plan()
        if when is None:
            yielded = shape(self._take(wanted, 0 if now else timeout))
        elif now:
            yielded = self._take_when_now(wanted, shape, timeout, when)
        else:
            yielded = self._take_when(wanted, shape, timeout, when)
        here = _held_here()
        self._ident = here._ident
        here.add(self)
        return yielded

    def _take(
        self, wanted: list[tuple[ArrayBase, bool]], timeout: float | None
    ) -> list[np.ndarray]:
        """Take the locks, and return raw views."""
        requests = [array._request(write) for array, write in wanted]
        # Where an exception strikes, this is what the core gives back.
        raws: list[tuple[ArrayBase, np.ndarray]] = []
        self._raws = raws
        self._holds = holds = Holds([request for request in requests if request is not None], True)
        holds.acquire(timeout)
        for array, write in wanted:
            array._lend(write, raws)
        if not holds.are_current():  # a handler or finalizer came in between, and resized
            self._give_back()
            return self._take(wanted, timeout)
        return [raw for _, raw in raws]

    def _take_when(
        self,
        wanted: list[tuple[ArrayBase, bool]],
        shape: Callable[[list[np.ndarray]], Any],
        timeout: float | None,
        when: Callable[[Any], object],
    ) -> Any:
        """Take the locks when the predicate is true under them; return what the guard yields."""
        deadline = None if timeout is None else time.monotonic() + timeout
        left, changed = timeout, True
        while True:
            is_true, yielded = self._ask(wanted, self._take(wanted, left), shape, when)
            if is_true:
                return yielded
            if left == 0 or not changed:
                assert timeout is not None
                self._give_back(changed=False)
                raise not_true_in_time(timeout, wanted[0][0]._buffer.lock)
            changed = self._wait_for_change(deadline)
            left = None if deadline is None else max(deadline - time.monotonic(), 0)

    def _take_when_now(
        self,
        wanted: list[tuple[ArrayBase, bool]],
        shape: Callable[[list[np.ndarray]], Any],
        timeout: float | None,
        when: Callable[[Any], object],
    ) -> Any:
        """The same for a task, which is told by NotNow where that needs waiting."""
        try:
            raws = self._take(wanted, 0)
        except LockTimeout as error:
            raise NotNow(error) from None
        places = getattr(self, "_places", [])  # not there in one that a core made, at first
        while places:  # from now on the guard's own holds are enough
            places.pop().leave()
        is_true, yielded = self._ask(wanted, raws, shape, when)
        if is_true:
            return yielded
        late = not_true_in_time(0 if timeout is None else timeout, wanted[0][0]._buffer.lock)
        if timeout == 0:
            raise NotNow(late)
        future = new_future()
        raise NotNow(late, self._watch(Bell(future)), future)

    def _ask(
        self,
        wanted: list[tuple[ArrayBase, bool]],
        raws: list[np.ndarray],
        shape: Callable[[list[np.ndarray]], Any],
        when: Callable[[Any], object],
    ) -> tuple[bool, Any]:
        """Whether the predicate is true, and what the guard then yields; it cannot write there."""
        yielded = shape(raws)
        for (array, _), raw in zip(wanted, raws, strict=True):
            array._show(raw)
        asked, locks = asked_here(), [array._buffer.lock for array, _ in wanted]
        try:
            asked.append(locks)
            is_true = bool(when(yielded))
        finally:
            asked[:] = [each for each in asked if each is not locks]
            for (array, _), raw in zip(wanted, raws, strict=True):
                array._show_no_more(raw)
        if self._holds is None or self._holds.lost():
            raise RuntimeError("the predicate has forked, and its locks are the parent's")
        if not is_true:
            return False, None
        for (array, write), raw in zip(wanted, raws, strict=True):
            if write:
                array._lend_again(raw)
        return True, yielded

    def _watch(self, call: Callable[[], object] | None = None) -> Any:
        """Let go, and return a Change of what was held, which calls `call`."""
        holds = self._holds
        assert holds is not None
        if not holds.held():  # nothing is locked of what is frozen
            raise frozen_for_good()
        if (lock := holds.beside()) is not None:
            raise cannot_come_true(lock)
        change = holds.watch() if call is None else holds.watch(call)
        self._give_back(changed=False)
        return change

    def _wait_for_change(self, deadline: float | None) -> bool:
        """Let go, and wait until others have written what was held; False: not in time."""
        change = self._watch()
        limit = None if deadline is None else max(deadline - time.monotonic(), 0)
        if change.polls and (limit is None or limit > _POLL):
            change.wait(_POLL)
            return True
        return change.wait(limit)

    def _general_release(self) -> None:
        _held_here().discard(self)
        outliving = debugging.outliving(self._raws) if debugging.enabled else 0
        self._give_back()
        if outliving:
            debugging.warn(
                f"{outliving} view{'s' if outliving > 1 else ''} of a guard's raw view outlive"
                f"{'' if outliving > 1 else 's'} the guard: what is read or written there from now "
                "on has no lock; use it in the block only (del view), or take a copy (view.copy())",
                debugging.users_frame(),
            )

    def _give_back(self, *, changed: bool = True) -> None:
        """Let go of what was acquired, as far as that came; another thread may do it."""
        raws, holds = self._raws, self._holds
        self._ident = 0  # for the end of its thread, should another one give it back
        try:
            for array, raw in raws:
                array._take_back(raw)
        finally:
            try:
                if holds is not None:
                    holds.release() if changed else holds.give_back()
            finally:
                if holds is None or not holds.held():  # whatever others' locks raised
                    self._raws, self._holds = [], None

    async def __aenter__(self) -> Any:
        return await enter(self)

    async def __aexit__(self, kind: type[BaseException] | None, *exception: Any) -> None:
        # A generator that its loop, or another task, closes is left as one in ``with`` is.
        telling(lambda: self.__exit__(kind, *exception))

    def __repr__(self) -> str:
        modes = ", ".join("write" if write else "read" for _, write in self._whole_plan()[0])
        return f"<Guard ({modes}): {'held' if self.held else 'not held'}>"


class _HeldHere(Alive[Guard]):
    """The guards that a thread holds; lives in its local storage, and so ends with it."""

    _ident = 0  # none, while it is made: Ctrl-C may strike there

    def __init__(self) -> None:
        super().__init__()
        self._ident = threading.get_ident()

    def __del__(self) -> None:
        for guard in self if self._ident else ():
            if guard._ident == self._ident:  # else another thread has acquired it since
                guard._end()


_local = threading.local()


def _held_here() -> _HeldHere:
    try:
        return _local.guards
    except AttributeError:
        _local.guards = _HeldHere()
        return _local.guards


def asked_here() -> list[list[RegionLockBase]]:
    """Return the locks of each guard whose predicate this thread is in, the innermost last."""
    try:
        return _local.asked
    except AttributeError:
        _local.asked = []
        return _local.asked


def raws_here() -> list[tuple[ArrayBase, np.ndarray]]:
    """Return arrays and raw views of the guards that this thread holds by the general version."""
    return [
        pair
        for guard in _held_here()
        if guard._holds is not None and guard._holds.held_by_this_thread()
        for pair in guard._raws
    ]


def end_lost() -> None:
    """End the guards of this thread of whose locks a fork left all to the parent (in the child)."""
    for guard in _held_here():
        holds = guard._holds
        if holds is not None and holds.lost() and not holds.held():
            guard._end()


def _only(raws: list[np.ndarray]) -> np.ndarray:
    """Return the raw view of a guard of one array."""
    return raws[0]


def wait_for(array: ArrayBase, predicate: Callable[[Any], Any], timeout: float | None) -> Any:
    """Do what ``array.wait_for(predicate, timeout)`` does."""
    last: Any = False
    raised = False

    def when(raw: np.ndarray) -> Any:
        nonlocal last, raised
        raised = True
        last = predicate(raw)
        is_true = bool(last)
        raised = False
        return is_true

    _check_callable(predicate, "predicate")
    guard = _guard_of_several(None, array, timeout, when)
    if guard is None:
        guard = Guard._of(array, False, timeout, when)
    try:
        with guard:
            return last
    except LockTimeout:
        if raised:  # by the predicate
            raise
        return last


def acquire(
    *,
    write: LockedArray | tuple[LockedArray, ...] | None = None,
    read: LockedArray | tuple[LockedArray, ...] | None = None,
    timeout: float | None = None,
    when: Callable[[Any], object] | None = None,
) -> Guard:
    """Return a guard that holds several arrays at once, some to write and some to read.

    Two threads may ask for the same arrays in different orders: they do not get into a deadlock.

    Parameters
    ----------
    write, read : LockedArray or tuple of LockedArray, optional
        The arrays to hold with the write lock, and those to hold with the read lock.
    timeout : float, optional
        Seconds to wait for all of them; None (default) waits for ever, 0 tries once.
    when : callable, optional
        A condition to wait for: called under the locks with what the guard will yield, still
        read-only, it returns whether it is true.  While it is false, the guard lets go of all
        locks and waits until somebody has written to one of the arrays.  `timeout` limits the
        whole wait.

    Returns
    -------
    Guard
        It yields the plain views of `write`, or those of `read`; or the pair (write, read), if both
        were given.  For an array that is an ndarray, for a tuple of arrays a tuple.

    Raises
    ------
    TypeError
        Neither `write` nor `read` was given, or one of them is not a LockedArray or a tuple of
        LockedArrays; `timeout` is not a number; or `when` is not callable.
    ValueError
        `timeout` is negative or not finite.

    See Also
    --------
    Guard.acquire : What is raised when the locks are taken: LockTimeout, DeadlockError.

    Examples
    --------
    >>> import numpy as np, lockedarray as la
    >>> x, y, z = la.zeros(2), la.ones((2, 2)), la.ones(2)
    >>> with la.acquire(write=x, read=(y, z)) as (rx, (ry, rz)):
    ...     rx[:] = ry @ rz
    >>> x
    LockedArray([2., 2.])
    """
    guard = _guard_of_several(write, read, timeout, when)
    if guard is not None:
        return guard
    wanted, shape, timeout = _plan_of(write, read, timeout)
    return Guard(wanted, shape, timeout, when)


def _plan_of(write: Any, read: Any, timeout: float | None) -> Any:
    """What `Guard` is made of, for the arguments of `acquire`."""
    if write is None and read is None:
        raise TypeError("acquire() needs write= or read=: a LockedArray or a tuple of them")
    writers, readers = _arrays(write, "write"), _arrays(read, "read")

    def shape(raws: list[np.ndarray]) -> Any:
        parts = []
        for given, views in ((write, raws[: len(writers)]), (read, raws[len(writers) :])):
            if given is not None:
                parts.append(views[0] if isinstance(given, ArrayBase) else tuple(views))
        return tuple(parts) if len(parts) == 2 else parts[0]

    wanted = [(array, True) for array in writers] + [(array, False) for array in readers]
    return wanted, shape, timeout


def _arrays(given: Any, name: str) -> list[ArrayBase]:
    if given is None:
        return []
    arrays = [given] if isinstance(given, ArrayBase) else given
    if not isinstance(given, (ArrayBase, tuple)) or not all(
        isinstance(array, ArrayBase) for array in arrays
    ):
        raise TypeError(
            f"acquire(): {name}= takes a LockedArray or a tuple of LockedArrays, "
            f"not {type(given).__name__}"
        )
    return list(arrays)


def _check_callable(predicate: object, name: str) -> None:
    if not callable(predicate):
        raise TypeError(
            f"{name} must be callable, as lambda a: a[0] > 0 is, not {type(predicate).__name__}"
        )


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    try:
        is_text = isinstance(timeout, (str, bytes, bytearray, memoryview))  # float() would read it
        seconds = None if is_text else float(timeout)
    except TypeError:
        seconds = None
    except OverflowError:  # an int beyond every float
        seconds = math.inf
    if seconds is None:
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"timeout must be finite and not negative (seconds), not {timeout!r}")
    return seconds
