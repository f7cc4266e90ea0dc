from collections.abc import Sequence
from os import PathLike
from typing import (
    IO,
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
from numpy._typing import _ArrayLikeComplex_co, _DTypeLike, _ShapeLike
from numpy.typing import DTypeLike
from typing_extensions import TypeVar

from .._guards.region_lock import _RWLockable
from .array import LockedArray

__all__ = [
    "arange",
    "array",
    "asarray",
    "empty",
    "empty_like",
    "full",
    "full_like",
    "linspace",
    "memmap",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

_AnyShape: TypeAlias = tuple[Any, ...]
_OrderCF: TypeAlias = Literal["C", "F"]
_Order: TypeAlias = Literal["K", "A", "C", "F"]
_Mode: TypeAlias = Literal["r", "c", "r+", "w+", "readonly", "copyonwrite", "readwrite", "write"]
_File: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes] | IO[bytes]
_Objects: TypeAlias = Literal["exclusive", "shared", "forbid"]

_ShapeT = TypeVar("_ShapeT", bound=_AnyShape)
_ScalarT = TypeVar("_ScalarT", bound=np.generic)
_DTypeT = TypeVar("_DTypeT", bound=np.dtype[Any])

@type_check_only
class _Options(TypedDict, total=False):
    lock: _RWLockable | None
    objects: _Objects
    name: str | None

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

@type_check_only
class _Like(Protocol):
    @overload
    def __call__(
        self,
        a: np.ndarray[_ShapeT, _DTypeT],
        dtype: None = None,
        order: _Order = "K",
        subok: bool = True,
        shape: None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, _DTypeT]: ...
    @overload
    def __call__(
        self,
        a: np.ndarray[_ShapeT, Any],
        dtype: _DTypeLike[_ScalarT],
        order: _Order = "K",
        subok: bool = True,
        shape: None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        a: object,
        dtype: _DTypeLike[_ScalarT],
        order: _Order = "K",
        subok: bool = True,
        shape: _ShapeLike | None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        a: object,
        dtype: DTypeLike | None = None,
        order: _Order = "K",
        subok: bool = True,
        shape: _ShapeLike | None = None,
        **options: Unpack[_Options],
    ) -> LockedArray: ...

@type_check_only
class _EmptyLike(Protocol):
    @overload
    def __call__(
        self,
        prototype: np.ndarray[_ShapeT, _DTypeT],
        dtype: None = None,
        order: _Order = "K",
        subok: bool = True,
        shape: None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, _DTypeT]: ...
    @overload
    def __call__(
        self,
        prototype: np.ndarray[_ShapeT, Any],
        dtype: _DTypeLike[_ScalarT],
        order: _Order = "K",
        subok: bool = True,
        shape: None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        prototype: object,
        dtype: _DTypeLike[_ScalarT],
        order: _Order = "K",
        subok: bool = True,
        shape: _ShapeLike | None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        prototype: object,
        dtype: DTypeLike | None = None,
        order: _Order = "K",
        subok: bool = True,
        shape: _ShapeLike | None = None,
        **options: Unpack[_Options],
    ) -> LockedArray: ...

@type_check_only
class _FullLike(Protocol):
    @overload
    def __call__(
        self,
        a: np.ndarray[_ShapeT, _DTypeT],
        fill_value: object,
        dtype: None = None,
        order: _Order = "K",
        subok: bool = True,
        shape: None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, _DTypeT]: ...
    @overload
    def __call__(
        self,
        a: np.ndarray[_ShapeT, Any],
        fill_value: object,
        dtype: _DTypeLike[_ScalarT],
        order: _Order = "K",
        subok: bool = True,
        shape: None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        a: object,
        fill_value: object,
        dtype: _DTypeLike[_ScalarT],
        order: _Order = "K",
        subok: bool = True,
        shape: _ShapeLike | None = None,
        **options: Unpack[_Options],
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __call__(
        self,
        a: object,
        fill_value: object,
        dtype: DTypeLike | None = None,
        order: _Order = "K",
        subok: bool = True,
        shape: _ShapeLike | None = None,
        **options: Unpack[_Options],
    ) -> LockedArray: ...

zeros_like: _Like
ones_like: _Like
empty_like: _EmptyLike
full_like: _FullLike

@overload
def array(
    object: np.ndarray[_ShapeT, _DTypeT],
    dtype: None = None,
    *,
    copy: bool | None = True,
    order: _Order | None = "K",
    ndmin: Literal[0] = 0,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray[_ShapeT, _DTypeT]: ...
@overload
def array(
    object: np.ndarray[_ShapeT, Any],
    dtype: _DTypeLike[_ScalarT],
    *,
    copy: bool | None = True,
    order: _Order | None = "K",
    ndmin: Literal[0] = 0,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
@overload
def array(
    object: object,
    dtype: _DTypeLike[_ScalarT],
    *,
    copy: bool | None = True,
    order: _Order | None = "K",
    ndmin: int = 0,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def array(
    object: object,
    dtype: DTypeLike | None = None,
    *,
    copy: bool | None = True,
    order: _Order | None = "K",
    ndmin: int = 0,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray: ...
@overload
def asarray(
    a: np.ndarray[_ShapeT, _DTypeT],
    dtype: None = None,
    order: _Order | None = None,
    *,
    copy: bool | None = None,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray[_ShapeT, _DTypeT]: ...
@overload
def asarray(
    a: np.ndarray[_ShapeT, Any],
    dtype: _DTypeLike[_ScalarT],
    order: _Order | None = None,
    *,
    copy: bool | None = None,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
@overload
def asarray(
    a: object,
    dtype: _DTypeLike[_ScalarT],
    order: _Order | None = None,
    *,
    copy: bool | None = None,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def asarray(
    a: object,
    dtype: DTypeLike | None = None,
    order: _Order | None = None,
    *,
    copy: bool | None = None,
    lock: _RWLockable | None = None,
    objects: _Objects | None = None,
    name: str | None = None,
) -> LockedArray: ...

# Of integers and floats; other types by their dtype alone.
@overload
def arange(
    start_or_stop: int,
    /,
    stop: int | None = None,
    step: int = 1,
    *,
    dtype: None = None,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[tuple[int], np.dtype[np.int_]]: ...
@overload
def arange(
    start_or_stop: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: None = None,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[tuple[int], np.dtype[np.float64]]: ...
@overload
def arange(
    start_or_stop: object,
    /,
    stop: object = None,
    step: object = 1,
    *,
    dtype: _DTypeLike[_ScalarT],
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[tuple[int], np.dtype[_ScalarT]]: ...
@overload
def arange(
    start_or_stop: object,
    /,
    stop: object = None,
    step: object = 1,
    dtype: DTypeLike | None = None,
    *,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[tuple[int], np.dtype[Any]]: ...
@overload
def linspace(
    start: float,
    stop: float,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    retstep: Literal[False] = False,
    dtype: None = None,
    axis: SupportsIndex = 0,
    *,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[tuple[int], np.dtype[np.float64]]: ...
@overload
def linspace(
    start: _ArrayLikeComplex_co,
    stop: _ArrayLikeComplex_co,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    *,
    retstep: Literal[False] = False,
    dtype: _DTypeLike[_ScalarT],
    axis: SupportsIndex = 0,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def linspace(
    start: _ArrayLikeComplex_co,
    stop: _ArrayLikeComplex_co,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    retstep: Literal[False] = False,
    dtype: DTypeLike | None = None,
    axis: SupportsIndex = 0,
    *,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray: ...
@overload
def linspace(
    start: float,
    stop: float,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    *,
    retstep: Literal[True],
    dtype: None = None,
    axis: SupportsIndex = 0,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> tuple[LockedArray[tuple[int], np.dtype[np.float64]], Any]: ...
@overload
def linspace(
    start: _ArrayLikeComplex_co,
    stop: _ArrayLikeComplex_co,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    *,
    retstep: Literal[True],
    dtype: _DTypeLike[_ScalarT],
    axis: SupportsIndex = 0,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> tuple[LockedArray[_AnyShape, np.dtype[_ScalarT]], Any]: ...
@overload
def linspace(
    start: _ArrayLikeComplex_co,
    stop: _ArrayLikeComplex_co,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    *,
    retstep: Literal[True],
    dtype: DTypeLike | None = None,
    axis: SupportsIndex = 0,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> tuple[LockedArray, Any]: ...
@overload
def memmap(
    filename: _File,
    dtype: type[np.uint8] = ...,
    mode: _Mode = "r+",
    offset: int = 0,
    shape: int | tuple[int, ...] | None = None,
    order: _OrderCF = "C",
    *,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[_AnyShape, np.dtype[np.uint8]]: ...
@overload
def memmap(
    filename: _File,
    dtype: _DTypeLike[_ScalarT],
    mode: _Mode = "r+",
    offset: int = 0,
    shape: int | tuple[int, ...] | None = None,
    order: _OrderCF = "C",
    *,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
@overload
def memmap(
    filename: _File,
    dtype: DTypeLike,
    mode: _Mode = "r+",
    offset: int = 0,
    shape: int | tuple[int, ...] | None = None,
    order: _OrderCF = "C",
    *,
    lock: _RWLockable | None = None,
    objects: _Objects = "exclusive",
    name: str | None = None,
) -> LockedArray: ...
