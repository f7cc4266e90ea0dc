"""Guards give raw views in the form of what is locked; `at` gives elements or arrays."""

import threading
from typing import Any, Literal, assert_type

import numpy as np

import lockedarray as la
from lockedarray import Guard, LockedArray
from lockedarray._array.at import CompareExchangeResult

f: LockedArray[tuple[int], np.dtype[np.float64]] = LockedArray(np.zeros(3))
i: LockedArray[tuple[int, int], np.dtype[np.int64]] = LockedArray(np.zeros((2, 2), np.int64))
b: LockedArray[tuple[int], np.dtype[np.bool]] = LockedArray(np.zeros(3, np.bool))
n: LockedArray[tuple[Any, ...], np.dtype[np.float64]] = LockedArray(np.zeros((2, 3)))
o: LockedArray[tuple[int], np.dtype[np.object_]] = LockedArray(np.zeros(3, object))

F1 = np.ndarray[tuple[int], np.dtype[np.float64]]
I2 = np.ndarray[tuple[int, int], np.dtype[np.int64]]
B1 = np.ndarray[tuple[int], np.dtype[np.bool]]
Raw = np.ndarray[Any, Any]

# Guards of one array
assert_type(f.read(), Guard[F1])
assert_type(f.write(timeout=1), Guard[F1])
guard = i.write()
assert_type(guard.held, bool)
assert_type(guard.acquire(), I2)
guard.release()
with f.write() as raw:
    assert_type(raw, F1)

with f.write(when=lambda a: a[0] == 0) as raw:
    assert_type(raw, F1)
assert_type(f.read(1, lambda a: a.sum()), Guard[F1])
assert_type(i.wait_for(lambda a: len(a), 0), int | Literal[False])
assert_type(i.wait_for(lambda a: "text", timeout=1), str | Literal[False])
with la.acquire(write=f, read=i, when=lambda pair: pair[0][0] == pair[1][0, 0]) as (rf, ri):
    assert_type(rf, F1)
    assert_type(ri, I2)
with la.acquire(read=f, when=lambda a: not a.any()) as raw:
    assert_type(raw, F1)
with f.lock as entered:
    assert_type(entered, bool)
assert_type(f.lock.acquire(False), bool)
assert_type(f.lock.locked(), bool)
# Typeshed names the locks that a Condition takes, and knows no other.
condition = threading.Condition(f.lock)  # type: ignore[arg-type]

# Guards of several
assert_type(la.acquire(write=f), Guard[F1])
assert_type(la.acquire(read=f, timeout=0.5), Guard[F1])
assert_type(la.acquire(write=(f, i)), Guard[tuple[F1, I2]])
assert_type(la.acquire(read=(f, i, b)), Guard[tuple[F1, I2, B1]])
assert_type(la.acquire(write=(f,)), Guard[tuple[Raw, ...]])
assert_type(la.acquire(read=(f, i, b, n)), Guard[tuple[Raw, ...]])
assert_type(la.acquire(write=f, read=i), Guard[tuple[F1, I2]])
assert_type(la.acquire(write=f, read=(i, b, n, o)), Guard[tuple[F1, tuple[Raw, ...]]])
assert_type(la.acquire(write=(f, i, b, n), read=f), Guard[tuple[tuple[Raw, ...], F1]])
assert_type(la.acquire(write=(f, i), read=(b,)), Guard[tuple[tuple[Raw, ...], tuple[Raw, ...]]])
with la.acquire(write=f, read=(i, b)) as (rf, (ri, rb)):
    assert_type(rf, F1)
    assert_type(ri, I2)
    assert_type(rb, B1)

# Elements
assert_type(f.at[0].get(), np.float64)
assert_type(f.at[0].add(1), np.float64)
assert_type(i.at[0, 1].exchange(1), np.int64)
assert_type(f.at[:2].set(1), np.ndarray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(f.at[[0, 0]].add(1), np.ndarray[tuple[Any, ...], np.dtype[np.float64]])
assert_type(i.at[0].max(2), Any)
assert_type(n.at[0].min(2), Any)
assert_type(o.at[0].get(), Any)
assert_type(f.at[0].apply(np.sqrt), np.float64)
assert_type(f.at[0].compare_exchange(1, 2), CompareExchangeResult[bool, np.float64])
assert_type(f.at[0].compare_exchange(1, 2).swapped, bool)
assert_type(f.at[0].compare_exchange(1, 2)[1], np.float64)
assert_type(
    f.at[:2].compare_exchange(1, 2),
    CompareExchangeResult[
        np.ndarray[tuple[Any, ...], np.dtype[np.bool]],
        np.ndarray[tuple[Any, ...], np.dtype[np.float64]],
    ],
)

with la.tracing() as trace:
    assert_type([entry.waited for entry in la.holds()], list[float | None])
assert_type([row.behind for row in trace.rows], list[str])
assert_type(trace.dropped, int)
