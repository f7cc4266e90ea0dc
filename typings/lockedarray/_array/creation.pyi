from collections.abc import Sequence
from typing import (
    Any,
    Literal,
    Protocol,
    SupportsIndex,
    TypeAlias,
    TypedDict,
    Unpack,
    overload,
    type_check_only,
)

import numpy as np
from numpy._typing import _DTypeLike
from numpy.typing import DTypeLike
from typing_extensions import TypeVar

from .._guards.region_lock import _RWLockable
from .array import LockedArray

__all__ = ["empty", "full", "ones", "zeros"]

_AnyShape: TypeAlias = tuple[Any, ...]
_OrderCF: TypeAlias = Literal["C", "F"]
_Objects: TypeAlias = Literal["exclusive", "shared", "forbid"]

_ShapeT = TypeVar("_ShapeT", bound=_AnyShape)
_ScalarT = TypeVar("_ScalarT", bound=np.generic)

@type_check_only
class _Options(TypedDict, total=False):
    lock: _RWLockable | None
    objects: _Objects

# zeros, ones and empty
@type_check_only
class _Constructor(Protocol):
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        dtype: None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[tuple[int], np.dtype[np.float64]]: ...
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        dtype: DTypeLike,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[tuple[int], np.dtype[Any]]: ...
    @overload
    def __call__(
        self, shape: _ShapeT, dtype: None = None, order: _OrderCF = "C", **options: Unpack[_Options]
    ) -> LockedArray[_ShapeT, np.dtype[np.float64]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self, shape: _ShapeT, dtype: DTypeLike, order: _OrderCF = "C", **options: Unpack[_Options]
    ) -> LockedArray[_ShapeT, np.dtype[Any]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        dtype: None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[np.float64]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        dtype: DTypeLike,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[Any]]: ...

zeros: _Constructor
ones: _Constructor
empty: _Constructor

@type_check_only
class _Full(Protocol):
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        fill_value: _ScalarT,
        dtype: None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        fill_value: object,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: SupportsIndex,
        fill_value: object,
        dtype: DTypeLike | None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[tuple[int], np.dtype[Any]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        fill_value: _ScalarT,
        dtype: None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        fill_value: object,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: _ShapeT,
        fill_value: object,
        dtype: DTypeLike | None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[Any]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        fill_value: _ScalarT,
        dtype: None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        fill_value: object,
        dtype: _DTypeLike[_ScalarT],
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        shape: Sequence[SupportsIndex],
        fill_value: object,
        dtype: DTypeLike | None = None,
        order: _OrderCF = "C",
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[Any]]: ...

full: _Full
