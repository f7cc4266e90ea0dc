"""Views are LockedArrays and results plain arrays, with shape and dtype where they are known."""

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np

import lockedarray as la
from lockedarray import LockedArray

f: LockedArray[tuple[int], np.dtype[np.float64]] = LockedArray(np.zeros(3))
i: LockedArray[tuple[int], np.dtype[np.int64]] = LockedArray(np.zeros(3, np.int64))
c: LockedArray[tuple[int, int], np.dtype[np.complex128]] = LockedArray(np.zeros((2, 2), complex))
r: LockedArray[tuple[int], np.dtype[np.void]] = LockedArray(np.zeros(3, "f8,i4"))
n: LockedArray[tuple[Any, ...], np.dtype[np.float64]] = LockedArray(np.zeros((2, 3)))

# Construction
plain: np.ndarray[tuple[int], np.dtype[np.float64]] = np.zeros(3)
assert_type(LockedArray(plain), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(LockedArray(f, copy=True), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(LockedArray(plain, np.int64), LockedArray[tuple[int], np.dtype[np.int64]])
assert_type(LockedArray([1, 2], np.int8), LockedArray[tuple[Any, ...], np.dtype[np.int8]])
assert_type(LockedArray([1, 2]), LockedArray[tuple[Any, ...], np.dtype[Any]])
assert_type(LockedArray(3, "i8", lock=f.lock), LockedArray[tuple[Any, ...], np.dtype[Any]])
assert_type(la.zeros(3), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.ones((3, 4)), LockedArray[tuple[int, int], np.dtype[np.float64]])
assert_type(la.empty([3, 4]), LockedArray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(la.zeros(3, np.int8), LockedArray[tuple[int], np.dtype[np.int8]])
assert_type(la.zeros((3, 4), np.dtype(np.int8)), LockedArray[tuple[int, int], np.dtype[np.int8]])
assert_type(la.zeros(3, int, lock=f.lock), LockedArray[tuple[int], np.dtype[Any]])
assert_type(la.full(3, np.int8(1)), LockedArray[tuple[int], np.dtype[np.int8]])
assert_type(la.full((3, 4), 1, np.int8), LockedArray[tuple[int, int], np.dtype[np.int8]])
assert_type(la.full(3, 1.0, objects="shared"), LockedArray[tuple[int], np.dtype[Any]])
assert_type(la.zeros(3, name="a"), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.array(plain, name="a"), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.array(f, np.int8), LockedArray[tuple[int], np.dtype[np.int8]])
assert_type(la.array([1, 2], np.int8, ndmin=2), LockedArray[tuple[Any, ...], np.dtype[np.int8]])
assert_type(la.array([1, 2]), LockedArray[tuple[Any, ...], np.dtype[Any]])
assert_type(la.asarray(f), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.asarray(plain, copy=False), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.asarray([1, 2], np.int8), LockedArray[tuple[Any, ...], np.dtype[np.int8]])
assert_type(la.arange(3), LockedArray[tuple[int], np.dtype[np.int_]])
assert_type(la.arange(0, 3, 0.5), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.arange(3, dtype=np.int8), LockedArray[tuple[int], np.dtype[np.int8]])
assert_type(la.linspace(0, 1), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.linspace(0, 1, 5, retstep=True)[0], LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(la.linspace([0], 1), LockedArray[tuple[Any, ...], np.dtype[Any]])
assert_type(la.zeros_like(c), LockedArray[tuple[int, int], np.dtype[np.complex128]])
assert_type(la.ones_like(plain, np.int8), LockedArray[tuple[int], np.dtype[np.int8]])
assert_type(la.empty_like([1, 2]), LockedArray[tuple[Any, ...], np.dtype[Any]])
assert_type(la.full_like(f, 3, lock=f.lock), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(f.name, str | None)
assert_type(f.lock.name, str | None)

# Attributes
assert_type(f.shape, tuple[int])
assert_type(f.dtype, np.dtype[np.float64])
assert_type(f.strides, tuple[int, ...])
assert_type(f.base, LockedArray[tuple[Any, ...], np.dtype[Any]] | None)
assert_type(f.frozen, bool)

# Views
assert_type(f[:2], LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(c[...], LockedArray[tuple[int, int], np.dtype[np.complex128]])
assert_type(c[:, 0], LockedArray[tuple[Any, ...], np.dtype[np.complex128]])
assert_type(f[None], LockedArray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(r["f0"], LockedArray[tuple[Any, ...], np.dtype[Any]])
assert_type(r[["f0"]], LockedArray[tuple[int], np.dtype[np.void]])
assert_type(c.T, LockedArray[tuple[int, int], np.dtype[np.complex128]])
assert_type(c.real, LockedArray[tuple[int, int], np.dtype[np.float64]])
assert_type(c.imag, LockedArray[tuple[int, int], np.dtype[np.float64]])
assert_type(f.real, LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(c.swapaxes(0, 1), LockedArray[tuple[int, int], np.dtype[np.complex128]])
assert_type(c.transpose(), LockedArray[tuple[int, int], np.dtype[np.complex128]])
assert_type(c.squeeze(), LockedArray[tuple[Any, ...], np.dtype[np.complex128]])
assert_type(c.diagonal(), LockedArray[tuple[Any, ...], np.dtype[np.complex128]])
assert_type(c.reshape(4), LockedArray[tuple[int], np.dtype[np.complex128]])
assert_type(c.reshape(4, 1), LockedArray[tuple[int, int], np.dtype[np.complex128]])
assert_type(c.reshape((2, 1, 2)), LockedArray[tuple[int, int, int], np.dtype[np.complex128]])
assert_type(c.reshape([2, 2]), LockedArray[tuple[Any, ...], np.dtype[np.complex128]])
assert_type(c.ravel(), LockedArray[tuple[int], np.dtype[np.complex128]])
assert_type(f.view(), LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(f.view(np.int64), LockedArray[tuple[int], np.dtype[np.int64]])
assert_type(f.view("i8"), LockedArray[tuple[int], np.dtype[Any]])
assert_type(iter(f), Iterator[np.float64])
assert_type(iter(c), Iterator[LockedArray[tuple[Any, ...], np.dtype[np.complex128]]])
assert_type(iter(n), Iterator[Any])

# Results
assert_type(f.snapshot(), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(f.append(1.5), int)
assert_type(f.popleft(), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(c.popleft(1), np.ndarray[tuple[int, int], np.dtype[np.complex128]])
assert_type(f.copy(), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(f.conj(), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(f.round(2), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(f.byteswap(), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(f[np.array([0, 1], np.intp)], np.ndarray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(f[f.snapshot() > 0], np.ndarray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(f[[0, 1]], np.ndarray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(-f, np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(+f, np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(abs(f), np.ndarray[tuple[int], np.dtype[np.float64]])
assert_type(abs(c), np.ndarray[tuple[int, int], np.dtype[np.float64]])
assert_type(~i, np.ndarray[tuple[int], np.dtype[np.int64]])
assert_type(f.item(0), float)

# In place
f += 1
f /= 2.0
c[0] *= 1j
i |= 1
i ^= 1
i <<= 1
i >>= 1
assert_type(f, LockedArray[tuple[int], np.dtype[np.float64]])
assert_type(i, LockedArray[tuple[int], np.dtype[np.int64]])
