from builtins import list as _list
from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias, overload, type_check_only

import numpy as np
from numpy._typing import _DTypeLike
from numpy.typing import DTypeLike
from typing_extensions import TypeVar

from ._array.array import LockedArray
from ._shared.listing import SharedArray

__all__ = ["SharedArray", "array", "attach", "empty", "full", "list", "ones", "open", "zeros"]

_AnyShape: TypeAlias = tuple[Any, ...]
_OrderCF: TypeAlias = Literal["C", "F"]
_Order: TypeAlias = Literal["K", "A", "C", "F"]
_Path: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]

_ShapeT = TypeVar("_ShapeT", bound=_AnyShape)
_ScalarT = TypeVar("_ScalarT", bound=np.generic)
_DTypeT = TypeVar("_DTypeT", bound=np.dtype[Any])

# zeros, ones and empty
@type_check_only
class _Constructor(Protocol):
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        dtype: type[float] = ...,
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[tuple[int], np.dtype[np.float64]]: ...
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        dtype: DTypeLike,
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[tuple[int], np.dtype[Any]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        dtype: type[float] = ...,
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[_ShapeT, np.dtype[np.float64]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        dtype: DTypeLike,
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[_ShapeT, np.dtype[Any]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        dtype: type[float] = ...,
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[_AnyShape, np.dtype[np.float64]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        dtype: DTypeLike,
        order: _OrderCF = "C",
        *,
        name: str | None = None,
        path: _Path | None = None,
    ) -> LockedArray[_AnyShape, np.dtype[Any]]: ...

zeros: _Constructor
ones: _Constructor
empty: _Constructor

@overload
def full(
    shape: SupportsIndex,
    fill_value: _ScalarT,
    dtype: None = None,
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
@overload
def full(
    shape: SupportsIndex,
    fill_value: object,
    dtype: _DTypeLike[_ScalarT],
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
@overload
def full(
    shape: SupportsIndex,
    fill_value: object,
    dtype: DTypeLike | None = None,
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[tuple[int], np.dtype[Any]]: ...
@overload
def full(
    shape: _ShapeT,
    fill_value: _ScalarT,
    dtype: None = None,
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
@overload
def full(
    shape: _ShapeT,
    fill_value: object,
    dtype: _DTypeLike[_ScalarT],
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
@overload
def full(
    shape: _ShapeT,
    fill_value: object,
    dtype: DTypeLike | None = None,
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_ShapeT, np.dtype[Any]]: ...
@overload
def full(
    shape: Sequence[SupportsIndex],
    fill_value: _ScalarT,
    dtype: None = None,
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def full(
    shape: Sequence[SupportsIndex],
    fill_value: object,
    dtype: _DTypeLike[_ScalarT],
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def full(
    shape: Sequence[SupportsIndex],
    fill_value: object,
    dtype: DTypeLike | None = None,
    order: _OrderCF = "C",
    *,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_AnyShape, np.dtype[Any]]: ...
@overload
def array(
    obj: np.ndarray[_ShapeT, _DTypeT],
    dtype: None = None,
    *,
    order: _Order | None = "K",
    ndmin: Literal[0] = 0,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_ShapeT, _DTypeT]: ...
@overload
def array(
    obj: np.ndarray[_ShapeT, Any],
    dtype: _DTypeLike[_ScalarT],
    *,
    order: _Order | None = "K",
    ndmin: Literal[0] = 0,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
@overload
def array(
    obj: object,
    dtype: _DTypeLike[_ScalarT],
    *,
    order: _Order | None = "K",
    ndmin: int = 0,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def array(
    obj: object,
    dtype: DTypeLike | None = None,
    *,
    order: _Order | None = "K",
    ndmin: int = 0,
    name: str | None = None,
    path: _Path | None = None,
) -> LockedArray: ...
def attach(name: str) -> LockedArray: ...
def open(path: _Path) -> LockedArray: ...
def list() -> _list[SharedArray]: ...
