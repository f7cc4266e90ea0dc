"""Ordinary programs, as a user writes them: they type-check and run."""

import copy
import pickle
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
from readerwriterlock import rwlock

import lockedarray as la
from lockedarray import LockedArray


def mean(a: npt.NDArray[np.float64]) -> float:
    """Take an ndarray."""
    return float(a.mean())


def count(x: LockedArray[tuple[int], np.dtype[np.int64]]) -> None:
    """Count to ten in an element."""
    for _ in range(10):
        x.at[0] += 1


# A shared buffer is an ndarray.
x = LockedArray(np.zeros(1000))
y = la.ones(100)
x[3] = 1.0
x[100:200] += y
x[x > 0] = 0
np.add(x, 1, out=x)
np.copyto(x, np.arange(1000.0))
x.sort()
mean(x)
total: Any = np.median(x)
column = la.zeros((4, 4))[:, 0]
column[...] = [1, 2, 3, 4]
column.real = 1
unshaped: LockedArray = LockedArray([[1, 2], [3, 4]])
for row in unshaped:
    row += 1

# Threads
shared = LockedArray(np.zeros(2, np.int64))
threads = [threading.Thread(target=count, args=(shared,)) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert shared[0] == 20

# Guards
with x.write(timeout=1) as raw:
    raw -= raw.mean()
with x.read():
    x.sum()
guard = x.write()
guard.acquire()[:] = 0
guard.release()
assert not guard.held


async def awaits() -> None:
    async with x.write(timeout=1) as awaited:
        awaited[:] = 0
    async with la.acquire(write=x, read=y) as (rx, ry):
        rx[:4] = ry


with la.acquire(write=x, read=(y, column)) as (rx, (ry, rcolumn)):
    rx[:4] = rcolumn
    rx[:100] += ry
arrays = (x, y, column, unshaped)
with la.acquire(read=arrays, timeout=0) as views:
    sizes = [view.size for view in views]

# Elements
old = x.at[0].exchange(2.0)
swapped, seen = x.at[0].compare_exchange(2, old)
x.at[:10].multiply([2] * 10)
x.at[[0, 0]].add(1)
x.at[0] = 5
x.at[0] -= 1
x.at[0] /= 2
x.at[0] **= 2
element = x.at[0]
element += 1
shared.at[0] |= 1
shared.at[0] <<= 1
x.at[0].apply(lambda value: value + 1)
objects = LockedArray(np.array([None, None]), objects="shared")
objects.at[0].set({"any": "object"})
objects.at[1] = None
objects[0] = {}

# Locks, one's own and those of others
state = rwlock.RWLockFair()
a = LockedArray(np.zeros(3), lock=state)
b = la.zeros(3, lock=a.lock)
with state.gen_rlock():
    pass
with a.lock.gen_wlock():
    b[:] = a
a_lock = a.lock.gen_rlock()
if a_lock.acquire(blocking=False):
    a_lock.release()
print(a.lock.holds())

# Size, freezing and copies
b.resize(6)
b.resize((2, 3))
b.resize(3, 2, refcheck=False)
b.append([1, 2])
b.append(np.ones((3, 2)))
b.popleft(1)
b.assign(np.ones((4, 2)))
snapshot = b.snapshot()
snapshot[0] = 1
twin = pickle.loads(pickle.dumps(copy.copy(b)))
b.freeze()
assert b.frozen

# Errors
try:
    b[0] = 1
except ValueError:
    pass
try:
    with x.write(timeout=0):
        pass
except (la.DeadlockError, la.LockTimeout):
    pass
assert la.backend in ("native", "portable")
print(la.__version__)
