# mypy: disable-error-code="misc, overload-overlap, override"
# override, misc: views are LockedArrays and results are plain arrays, where NumPy's stubs say Self
# or ndarray for both, and not the same in each version.
# overload-overlap: an exact case stands before the general one.

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import EllipsisType
from typing import (
    Any,
    Literal,
    Never,
    Protocol,
    Self,
    SupportsIndex,
    TypeAlias,
    final,
    overload,
    type_check_only,
)

import numpy as np
from numpy._typing import (
    _ArrayLikeBool_co,
    _ArrayLikeComplex_co,
    _ArrayLikeFloat_co,
    _ArrayLikeInt_co,
    _ArrayLikeTD64_co,
    _DTypeLike,
    _ShapeLike,
)
from numpy.typing import ArrayLike, DTypeLike, NDArray
from typing_extensions import CapsuleType, TypeVar

from .._guards.guards import Guard
from .._guards.region_lock import RegionLock, _RWLockable
from .at import At
from .pointers import Pointers

__all__ = ["LockedArray"]

_T = TypeVar("_T")
_AnyShape: TypeAlias = tuple[Any, ...]
# Matches shapes that are not known, and none that is: mypy takes tuple[Any, ...] for a tuple[int].
_UnknownShape: TypeAlias = tuple[Never, Never, Never, Never, Never, Never, Never, Never, Never]
_Order: TypeAlias = Literal["K", "A", "C", "F"] | None
_OrderACF: TypeAlias = Literal["A", "C", "F"] | None
_Objects: TypeAlias = Literal["exclusive", "shared", "forbid"]
_Selection: TypeAlias = NDArray[np.integer[Any] | np.bool]
_Basic: TypeAlias = SupportsIndex | slice | EllipsisType | None
_Index: TypeAlias = _Basic | _ArrayLikeInt_co

# What nothing is but what has no type, alone or as one of the first of several.
@final
@type_check_only
class _Unknown: ...

_UnknownKey: TypeAlias = (
    _Unknown
    | tuple[_Unknown, *tuple[Any, ...]]
    | tuple[Any, _Unknown, *tuple[Any, ...]]
    | tuple[Any, Any, _Unknown, *tuple[Any, ...]]
)

_T_co = TypeVar("_T_co", covariant=True)
_S_co = TypeVar("_S_co", covariant=True)
_ShapeT_co = TypeVar("_ShapeT_co", bound=_AnyShape, default=_AnyShape, covariant=True)
_DTypeT_co = TypeVar("_DTypeT_co", bound=np.dtype[Any], default=np.dtype[Any], covariant=True)
_ShapeT = TypeVar("_ShapeT", bound=_AnyShape)
_DTypeT = TypeVar("_DTypeT", bound=np.dtype[Any])
_ScalarT = TypeVar("_ScalarT", bound=np.generic)
_ArrayT = TypeVar("_ArrayT", bound=np.ndarray[Any, Any])

_BitsT = TypeVar("_BitsT", bound=np.dtype[np.bool | np.integer[Any] | np.object_])
_RealT = TypeVar(
    "_RealT",
    bound=np.dtype[np.bool | np.integer[Any] | np.floating[Any] | np.timedelta64 | np.object_],
)
_SignedT = TypeVar("_SignedT", bound=np.dtype[np.number[Any] | np.timedelta64 | np.object_])

# LockedArrays of these dtypes, for the in-place operators.
_BoolT = TypeVar("_BoolT", bound=LockedArray[Any, np.dtype[np.bool]])
_IntegerT = TypeVar("_IntegerT", bound=LockedArray[Any, np.dtype[np.integer[Any]]])
_FloatT = TypeVar("_FloatT", bound=LockedArray[Any, np.dtype[np.floating[Any]]])
_InexactT = TypeVar("_InexactT", bound=LockedArray[Any, np.dtype[np.inexact[Any]]])
_ComplexT = TypeVar("_ComplexT", bound=LockedArray[Any, np.dtype[np.complexfloating[Any, Any]]])
_NumberT = TypeVar("_NumberT", bound=LockedArray[Any, np.dtype[np.number[Any]]])
_DeltaT = TypeVar("_DeltaT", bound=LockedArray[Any, np.dtype[np.timedelta64]])
_TimeT = TypeVar("_TimeT", bound=LockedArray[Any, np.dtype[np.timedelta64 | np.datetime64]])
_ObjectT = TypeVar("_ObjectT", bound=LockedArray[Any, np.dtype[np.object_]])

# What an array of complex numbers has in its scalar type, by way of its dtype.
@type_check_only
class _HasParts(Protocol[_T_co, _S_co]):
    @property
    def real(self) -> _T_co: ...
    @property
    def imag(self) -> _S_co: ...

@type_check_only
class _DTypeWithParts(Protocol[_T_co, _S_co]):
    @property
    def type(self) -> type[_HasParts[_T_co, _S_co]]: ...

@type_check_only
class _ArrayWithParts(Protocol[_T_co, _S_co]):
    @property
    def dtype(self) -> _DTypeWithParts[_T_co, _S_co]: ...

class LockedArray(np.ndarray[_ShapeT_co, _DTypeT_co]):
    @overload  # an array without dtype=
    def __new__(
        cls,
        obj: np.ndarray[_ShapeT, _DTypeT],
        dtype: None = None,
        *,
        copy: bool | None = None,
        order: _Order = "K",
        lock: _RWLockable | None = None,
        objects: _Objects = "exclusive",
        name: str | None = None,
    ) -> LockedArray[_ShapeT, _DTypeT]: ...
    @overload  # an array with dtype=
    def __new__(
        cls,
        obj: np.ndarray[_ShapeT, Any],
        dtype: _DTypeLike[_ScalarT],
        *,
        copy: bool | None = None,
        order: _Order = "K",
        lock: _RWLockable | None = None,
        objects: _Objects = "exclusive",
        name: str | None = None,
    ) -> LockedArray[_ShapeT, np.dtype[_ScalarT]]: ...
    @overload  # anything with dtype=
    def __new__(
        cls,
        obj: object,
        dtype: _DTypeLike[_ScalarT],
        *,
        copy: bool | None = None,
        order: _Order = "K",
        lock: _RWLockable | None = None,
        objects: _Objects = "exclusive",
        name: str | None = None,
    ) -> LockedArray[_AnyShape, np.dtype[_ScalarT]]: ...
    @overload
    def __new__(
        cls,
        obj: object,
        dtype: DTypeLike | None = None,
        *,
        copy: bool | None = None,
        order: _Order = "K",
        lock: _RWLockable | None = None,
        objects: _Objects = "exclusive",
        name: str | None = None,
    ) -> LockedArray: ...

    # Locking
    @property
    def lock(self) -> RegionLock: ...
    @property
    def name(self) -> str | None: ...
    @property
    def at(self) -> At[_ShapeT_co, _DTypeT_co]: ...
    @property
    def frozen(self) -> bool: ...
    def read(
        self,
        timeout: float | None = None,
        when: Callable[[np.ndarray[_ShapeT_co, _DTypeT_co]], object] | None = None,
    ) -> Guard[np.ndarray[_ShapeT_co, _DTypeT_co]]: ...
    def write(
        self,
        timeout: float | None = None,
        when: Callable[[np.ndarray[_ShapeT_co, _DTypeT_co]], object] | None = None,
    ) -> Guard[np.ndarray[_ShapeT_co, _DTypeT_co]]: ...
    def wait_for(
        self,
        predicate: Callable[[np.ndarray[_ShapeT_co, _DTypeT_co]], _T],
        timeout: float | None = None,
    ) -> _T | Literal[False]: ...
    def freeze(self) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def unlink(self) -> None: ...
    def recover(self) -> AbstractContextManager[np.ndarray[_ShapeT_co, _DTypeT_co]]: ...
    def setflags(
        self,
        write: Literal[False] | None = None,
        align: bool | None = None,
        uic: Literal[False] | None = None,
    ) -> None: ...
    def snapshot(self) -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    @overload
    def resize(self, new_shape: _ShapeLike, /, *, refcheck: bool = True) -> None: ...
    @overload
    def resize(self, /, *new_shape: SupportsIndex, refcheck: bool = True) -> None: ...
    def append(self, values: object) -> int: ...
    def popleft(self, n: SupportsIndex = 1) -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    def assign(self, array: object) -> None: ...

    # Attributes; those that NumPy can set and this class cannot have no setter here.
    @property
    def base(self) -> LockedArray | None: ...
    @property
    def shape(self) -> _ShapeT_co: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> _DTypeT_co: ...
    @property
    def ctypes(self) -> Pointers: ...
    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType: ...

    # Views
    @property
    def real(
        self: _ArrayWithParts[_ScalarT, object],
    ) -> LockedArray[_ShapeT_co, np.dtype[_ScalarT]]: ...
    @real.setter
    def real(self, value: ArrayLike) -> None: ...
    @property  # of a real array: plain zeros
    def imag(
        self: _ArrayWithParts[object, _ScalarT],
    ) -> LockedArray[_ShapeT_co, np.dtype[_ScalarT]]: ...
    @imag.setter
    def imag(self, value: ArrayLike) -> None: ...
    @overload  # of unknown type: pyright would take ndarray, which includes the others
    def __getitem__(self, key: _UnknownKey, /) -> Any: ...
    @overload  # copies
    def __getitem__(
        self, key: _Selection | tuple[_Selection, ...], /
    ) -> np.ndarray[_AnyShape, _DTypeT_co]: ...
    @overload
    def __getitem__(self, key: SupportsIndex | tuple[SupportsIndex, ...], /) -> Any: ...
    @overload  # the same number of axes
    def __getitem__(self, key: slice | EllipsisType, /) -> LockedArray[_ShapeT_co, _DTypeT_co]: ...
    @overload
    def __getitem__(
        self, key: _Basic | tuple[_Basic, ...], /
    ) -> LockedArray[_AnyShape, _DTypeT_co]: ...
    @overload  # copies
    def __getitem__(
        self, key: _Index | tuple[_Index, ...], /
    ) -> np.ndarray[_AnyShape, _DTypeT_co]: ...
    @overload
    def __getitem__(self: LockedArray[Any, np.dtype[np.void]], key: str, /) -> LockedArray: ...
    @overload
    def __getitem__(
        self: LockedArray[Any, np.dtype[np.void]], key: list[str], /
    ) -> LockedArray[_ShapeT_co, np.dtype[np.void]]: ...
    @overload
    def __iter__(self: LockedArray[_UnknownShape, Any], /) -> Iterator[Any]: ...
    @overload
    def __iter__(self: LockedArray[tuple[int], np.dtype[np.object_]], /) -> Iterator[Any]: ...
    @overload
    def __iter__(self: LockedArray[tuple[int], np.dtype[_ScalarT]], /) -> Iterator[_ScalarT]: ...
    @overload
    def __iter__(
        self: LockedArray[tuple[int, int, *tuple[int, ...]], _DTypeT], /
    ) -> Iterator[LockedArray[_AnyShape, _DTypeT]]: ...
    @overload
    def __iter__(self, /) -> Iterator[Any]: ...
    def getfield(self, /, dtype: DTypeLike, offset: SupportsIndex = 0) -> LockedArray: ...
    def squeeze(
        self, /, axis: SupportsIndex | tuple[SupportsIndex, ...] | None = None
    ) -> LockedArray[_AnyShape, _DTypeT_co]: ...
    def swapaxes(self, axis1: SupportsIndex, axis2: SupportsIndex, /) -> Self: ...
    def diagonal(
        self, offset: SupportsIndex = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1
    ) -> LockedArray[_AnyShape, _DTypeT_co]: ...
    @overload
    def view(self, /) -> Self: ...
    @overload
    def view(self, /, dtype: type[_ArrayT]) -> _ArrayT: ...
    @overload
    def view(
        self, /, dtype: _DTypeLike[_ScalarT]
    ) -> LockedArray[_ShapeT_co, np.dtype[_ScalarT]]: ...
    @overload
    def view(self, /, dtype: DTypeLike | None) -> LockedArray[_ShapeT_co]: ...
    @overload
    def view(self, /, *, type: type[_ArrayT]) -> _ArrayT: ...
    @overload
    def view(self, /, dtype: DTypeLike | None, type: type[_ArrayT]) -> _ArrayT: ...
    # These two give a plain copy where strides rule out a view.
    @overload
    def reshape(
        self, shape: _ShapeT, /, *, order: _OrderACF = "C", copy: bool | None = None
    ) -> LockedArray[_ShapeT, _DTypeT_co]: ...
    @overload
    def reshape(
        self, size: SupportsIndex, /, *, order: _OrderACF = "C", copy: bool | None = None
    ) -> LockedArray[tuple[int], _DTypeT_co]: ...
    @overload
    def reshape(
        self,
        size0: SupportsIndex,
        size1: SupportsIndex,
        /,
        *,
        order: _OrderACF = "C",
        copy: bool | None = None,
    ) -> LockedArray[tuple[int, int], _DTypeT_co]: ...
    @overload
    def reshape(
        self, /, *shape: SupportsIndex, order: _OrderACF = "C", copy: bool | None = None
    ) -> LockedArray[_AnyShape, _DTypeT_co]: ...
    @overload
    def reshape(
        self,
        shape: Sequence[SupportsIndex],
        /,
        *,
        order: _OrderACF = "C",
        copy: bool | None = None,
    ) -> LockedArray[_AnyShape, _DTypeT_co]: ...
    def ravel(self, /, order: _Order = "C") -> LockedArray[tuple[int], _DTypeT_co]: ...

    # Results that NumPy's stubs take for arrays of the same class (as those of NumPy 2.5 do the
    # results of reductions with keepdims=True: not repeated here).
    def byteswap(self, /, inplace: bool = False) -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    def copy(self, /, order: _Order = "C") -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    def conj(self) -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    def conjugate(self) -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    @overload
    def round(
        self, /, decimals: SupportsIndex = 0, out: None = None
    ) -> np.ndarray[_ShapeT_co, _DTypeT_co]: ...
    @overload
    def round(self, /, decimals: SupportsIndex, out: _ArrayT) -> _ArrayT: ...
    @overload
    def round(self, /, decimals: SupportsIndex = 0, *, out: _ArrayT) -> _ArrayT: ...
    def __pos__(self: LockedArray[_ShapeT, _SignedT], /) -> np.ndarray[_ShapeT, _SignedT]: ...
    def __neg__(self: LockedArray[_ShapeT, _SignedT], /) -> np.ndarray[_ShapeT, _SignedT]: ...
    def __invert__(self: LockedArray[_ShapeT, _BitsT], /) -> np.ndarray[_ShapeT, _BitsT]: ...
    @overload
    def __abs__(self: LockedArray[_ShapeT, _RealT], /) -> np.ndarray[_ShapeT, _RealT]: ...
    @overload
    def __abs__(
        self: LockedArray[_ShapeT, np.dtype[np.complex64]], /
    ) -> np.ndarray[_ShapeT, np.dtype[np.float32]]: ...
    @overload
    def __abs__(
        self: LockedArray[_ShapeT, np.dtype[np.complex128]], /
    ) -> np.ndarray[_ShapeT, np.dtype[np.float64]]: ...
    @overload
    def __abs__(
        self: LockedArray[_ShapeT, np.dtype[np.clongdouble]], /
    ) -> np.ndarray[_ShapeT, np.dtype[np.longdouble]]: ...

    # In place, with the casting of NumPy's in-place operators.
    @overload
    def __iadd__(self: _BoolT, other: _ArrayLikeBool_co, /) -> _BoolT: ...
    @overload
    def __iadd__(self: _ComplexT, other: _ArrayLikeComplex_co, /) -> _ComplexT: ...
    @overload
    def __iadd__(self: _InexactT, other: _ArrayLikeFloat_co, /) -> _InexactT: ...
    @overload
    def __iadd__(self: _NumberT, other: _ArrayLikeInt_co, /) -> _NumberT: ...
    @overload
    def __iadd__(self: _TimeT, other: _ArrayLikeTD64_co, /) -> _TimeT: ...
    @overload
    def __iadd__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __isub__(self: _ComplexT, other: _ArrayLikeComplex_co, /) -> _ComplexT: ...
    @overload
    def __isub__(self: _InexactT, other: _ArrayLikeFloat_co, /) -> _InexactT: ...
    @overload
    def __isub__(self: _NumberT, other: _ArrayLikeInt_co, /) -> _NumberT: ...
    @overload
    def __isub__(self: _TimeT, other: _ArrayLikeTD64_co, /) -> _TimeT: ...
    @overload
    def __isub__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __imul__(self: _BoolT, other: _ArrayLikeBool_co, /) -> _BoolT: ...
    @overload
    def __imul__(self: _ComplexT, other: _ArrayLikeComplex_co, /) -> _ComplexT: ...
    @overload
    def __imul__(self: _InexactT, other: _ArrayLikeFloat_co, /) -> _InexactT: ...
    @overload
    def __imul__(self: _NumberT, other: _ArrayLikeInt_co, /) -> _NumberT: ...
    @overload
    def __imul__(self: _DeltaT, other: _ArrayLikeFloat_co, /) -> _DeltaT: ...
    @overload
    def __imul__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __imatmul__(self: _BoolT, other: _ArrayLikeBool_co, /) -> _BoolT: ...
    @overload
    def __imatmul__(self: _ComplexT, other: _ArrayLikeComplex_co, /) -> _ComplexT: ...
    @overload
    def __imatmul__(self: _InexactT, other: _ArrayLikeFloat_co, /) -> _InexactT: ...
    @overload
    def __imatmul__(self: _NumberT, other: _ArrayLikeInt_co, /) -> _NumberT: ...
    @overload
    def __imatmul__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __ipow__(self: _ComplexT, other: _ArrayLikeComplex_co, /) -> _ComplexT: ...
    @overload
    def __ipow__(self: _InexactT, other: _ArrayLikeFloat_co, /) -> _InexactT: ...
    @overload
    def __ipow__(self: _NumberT, other: _ArrayLikeInt_co, /) -> _NumberT: ...
    @overload
    def __ipow__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __itruediv__(self: _ComplexT, other: _ArrayLikeComplex_co, /) -> _ComplexT: ...
    @overload
    def __itruediv__(self: _InexactT, other: _ArrayLikeFloat_co, /) -> _InexactT: ...
    @overload
    def __itruediv__(self: _DeltaT, other: _ArrayLikeFloat_co, /) -> _DeltaT: ...
    @overload
    def __itruediv__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __ifloordiv__(self: _IntegerT, other: _ArrayLikeInt_co, /) -> _IntegerT: ...
    @overload
    def __ifloordiv__(self: _FloatT, other: _ArrayLikeFloat_co, /) -> _FloatT: ...
    @overload
    def __ifloordiv__(self: _DeltaT, other: _ArrayLikeFloat_co, /) -> _DeltaT: ...
    @overload
    def __ifloordiv__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __imod__(self: _IntegerT, other: _ArrayLikeInt_co, /) -> _IntegerT: ...
    @overload
    def __imod__(self: _FloatT, other: _ArrayLikeFloat_co, /) -> _FloatT: ...
    @overload
    def __imod__(self: _DeltaT, other: _ArrayLikeTD64_co, /) -> _DeltaT: ...
    @overload
    def __imod__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __iand__(self: _BoolT, other: _ArrayLikeBool_co, /) -> _BoolT: ...
    @overload
    def __iand__(self: _IntegerT, other: _ArrayLikeInt_co, /) -> _IntegerT: ...
    @overload
    def __iand__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    @overload
    def __ilshift__(self: _IntegerT, other: _ArrayLikeInt_co, /) -> _IntegerT: ...
    @overload
    def __ilshift__(self: _ObjectT, other: object, /) -> _ObjectT: ...
    __ior__ = __iand__
    __ixor__ = __iand__
    __irshift__ = __ilshift__
