# mypy: disable-error-code="overload-overlap"
# An exact case stands before the general one.

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, overload, type_check_only

import numpy as np

__all__ = ["Guard", "acquire", "asked_here", "end_lost", "raws_here", "wait_for"]

_T_co = TypeVar("_T_co", covariant=True)

class Guard(Generic[_T_co]):
    @property
    def held(self) -> bool: ...
    def acquire(self) -> _T_co: ...
    def release(self) -> None: ...
    def __enter__(self) -> _T_co: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    async def __aenter__(self) -> _T_co: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

# A LockedArray[S, D] is a _Locked[ndarray[S, D]]: one type variable for each array below, not two.
@type_check_only
class _Locked(Protocol[_T_co]):
    def write(self, timeout: float | None = None) -> Guard[_T_co]: ...

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_X = TypeVar("_X")
_Y = TypeVar("_Y")
_Z = TypeVar("_Z")

_2: TypeAlias = tuple[_Locked[_A], _Locked[_B]]
_3: TypeAlias = tuple[_Locked[_A], _Locked[_B], _Locked[_C]]
_N: TypeAlias = tuple[_Locked[_Raw], ...]
_Raw: TypeAlias = np.ndarray[Any, Any]
_Raws: TypeAlias = tuple[_Raw, ...]
_Timeout: TypeAlias = float | None
_When: TypeAlias = Callable[[_A], object] | None

# The raw views come in the form of what was given: an array, or a tuple of arrays. Tuples of two
# and three keep the types of their items, others become tuple[ndarray, ...]; so do both of a pair
# of tuples when one of them does.
@overload  # write alone
def acquire(
    *, write: _Locked[_A], timeout: _Timeout = None, when: _When[_A] = None
) -> Guard[_A]: ...
@overload
def acquire(
    *, write: _2[_A, _B], timeout: _Timeout = None, when: _When[tuple[_A, _B]] = None
) -> Guard[tuple[_A, _B]]: ...
@overload
def acquire(
    *, write: _3[_A, _B, _C], timeout: _Timeout = None, when: _When[tuple[_A, _B, _C]] = None
) -> Guard[tuple[_A, _B, _C]]: ...
@overload
def acquire(*, write: _N, timeout: _Timeout = None, when: _When[_Raws] = None) -> Guard[_Raws]: ...
@overload  # read alone
def acquire(
    *, read: _Locked[_X], timeout: _Timeout = None, when: _When[_X] = None
) -> Guard[_X]: ...
@overload
def acquire(
    *, read: _2[_X, _Y], timeout: _Timeout = None, when: _When[tuple[_X, _Y]] = None
) -> Guard[tuple[_X, _Y]]: ...
@overload
def acquire(
    *, read: _3[_X, _Y, _Z], timeout: _Timeout = None, when: _When[tuple[_X, _Y, _Z]] = None
) -> Guard[tuple[_X, _Y, _Z]]: ...
@overload
def acquire(*, read: _N, timeout: _Timeout = None, when: _When[_Raws] = None) -> Guard[_Raws]: ...
@overload  # both
def acquire(
    *,
    write: _Locked[_A],
    read: _Locked[_X],
    timeout: _Timeout = None,
    when: _When[tuple[_A, _X]] = None,
) -> Guard[tuple[_A, _X]]: ...
@overload
def acquire(
    *,
    write: _Locked[_A],
    read: _2[_X, _Y],
    timeout: _Timeout = None,
    when: _When[tuple[_A, tuple[_X, _Y]]] = None,
) -> Guard[tuple[_A, tuple[_X, _Y]]]: ...
@overload
def acquire(
    *,
    write: _Locked[_A],
    read: _3[_X, _Y, _Z],
    timeout: _Timeout = None,
    when: _When[tuple[_A, tuple[_X, _Y, _Z]]] = None,
) -> Guard[tuple[_A, tuple[_X, _Y, _Z]]]: ...
@overload
def acquire(
    *, write: _Locked[_A], read: _N, timeout: _Timeout = None, when: _When[tuple[_A, _Raws]] = None
) -> Guard[tuple[_A, _Raws]]: ...
@overload
def acquire(
    *,
    write: _2[_A, _B],
    read: _Locked[_X],
    timeout: _Timeout = None,
    when: _When[tuple[tuple[_A, _B], _X]] = None,
) -> Guard[tuple[tuple[_A, _B], _X]]: ...
@overload
def acquire(
    *,
    write: _2[_A, _B],
    read: _2[_X, _Y],
    timeout: _Timeout = None,
    when: _When[tuple[tuple[_A, _B], tuple[_X, _Y]]] = None,
) -> Guard[tuple[tuple[_A, _B], tuple[_X, _Y]]]: ...
@overload
def acquire(
    *,
    write: _2[_A, _B],
    read: _3[_X, _Y, _Z],
    timeout: _Timeout = None,
    when: _When[tuple[tuple[_A, _B], tuple[_X, _Y, _Z]]] = None,
) -> Guard[tuple[tuple[_A, _B], tuple[_X, _Y, _Z]]]: ...
@overload
def acquire(
    *,
    write: _3[_A, _B, _C],
    read: _Locked[_X],
    timeout: _Timeout = None,
    when: _When[tuple[tuple[_A, _B, _C], _X]] = None,
) -> Guard[tuple[tuple[_A, _B, _C], _X]]: ...
@overload
def acquire(
    *,
    write: _3[_A, _B, _C],
    read: _2[_X, _Y],
    timeout: _Timeout = None,
    when: _When[tuple[tuple[_A, _B, _C], tuple[_X, _Y]]] = None,
) -> Guard[tuple[tuple[_A, _B, _C], tuple[_X, _Y]]]: ...
@overload
def acquire(
    *,
    write: _3[_A, _B, _C],
    read: _3[_X, _Y, _Z],
    timeout: _Timeout = None,
    when: _When[tuple[tuple[_A, _B, _C], tuple[_X, _Y, _Z]]] = None,
) -> Guard[tuple[tuple[_A, _B, _C], tuple[_X, _Y, _Z]]]: ...
@overload
def acquire(
    *, write: _N, read: _Locked[_X], timeout: _Timeout = None, when: _When[tuple[_Raws, _X]] = None
) -> Guard[tuple[_Raws, _X]]: ...
@overload
def acquire(
    *, write: _N, read: _N, timeout: _Timeout = None, when: _When[tuple[_Raws, _Raws]] = None
) -> Guard[tuple[_Raws, _Raws]]: ...
def asked_here() -> list[list[Any]]: ...
def raws_here() -> list[tuple[Any, np.ndarray[Any, Any]]]: ...
def end_lost() -> None: ...
def wait_for(array: Any, predicate: Callable[[Any], Any], timeout: float | None) -> Any: ...
