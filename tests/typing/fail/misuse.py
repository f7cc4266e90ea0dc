"""What a type checker refuses, and with which error.  Only checked, never run."""

import numpy as np
from readerwriterlock import rwlock

import lockedarray as la
from lockedarray import LockedArray

f: LockedArray[tuple[int], np.dtype[np.float64]] = LockedArray(np.zeros(3))
i: LockedArray[tuple[int], np.dtype[np.int64]] = LockedArray(np.zeros(3, np.int64))
plain = np.zeros(3)

# Construction
LockedArray()  # type: ignore[call-overload]
LockedArray(plain, objects="no")  # type: ignore[call-overload]
LockedArray(plain, copy="yes")  # type: ignore[call-overload]
LockedArray(plain, np.int8, "C")  # type: ignore[call-overload]
LockedArray(plain, lock=f)  # type: ignore[call-overload]
LockedArray(plain, lock=rwlock.RWLockFair)  # type: ignore[call-overload]
la.zeros("3")  # type: ignore[arg-type]
la.zeros(3, objects="no")  # type: ignore[call-overload]
la.full(3)  # type: ignore[call-overload]
la.zeros(3, name=3)  # type: ignore[call-overload]
LockedArray(plain, name=b"a")  # type: ignore[call-overload]
la.array()  # type: ignore[call-overload]
la.arange()  # type: ignore[call-overload]
la.asarray(plain, like=plain)  # type: ignore[call-overload]
la.memmap("file", mode="x")  # type: ignore[call-overload]
f.name = "a"  # type: ignore[misc]

# Plain arrays have no locks, and results are plain.
plain.read()  # type: ignore[attr-defined]
la.acquire(write=plain)  # type: ignore[call-overload]
(f + 1).write()  # type: ignore[attr-defined]
(-f).write()  # type: ignore[attr-defined]
f.copy().freeze()  # type: ignore[attr-defined]
f[[0, 1]].read()  # type: ignore[attr-defined]
with f.write() as raw:
    raw.freeze()  # type: ignore[attr-defined]

# Attributes
f.shape = (4,)  # type: ignore[misc]
f.strides = (8,)  # type: ignore[misc]
f.dtype = np.dtype(np.float64)  # type: ignore[misc]
f.setflags(write=True)  # type: ignore[arg-type]
f.frozen = True  # type: ignore[misc]
f.lock = i.lock  # type: ignore[misc]

# Guards
f.read("1")  # type: ignore[arg-type]
f.resize("4")  # type: ignore[arg-type]
f.append()  # type: ignore[call-arg]
f.popleft("4")  # type: ignore[arg-type]
f.assign()  # type: ignore[call-arg]
la.acquire()  # type: ignore[call-overload]
la.acquire(f)  # type: ignore[call-overload]
la.acquire(write=[f, i])  # type: ignore[call-overload]
with la.acquire(write=f, read=i) as (rf,):  # type: ignore[misc]
    pass

# In place, the type of the array stays.
i += 1.5  # type: ignore[arg-type]
i /= 2  # type: ignore[misc]
f |= 1  # type: ignore[misc]

# Elements
f.at(0)  # type: ignore[operator]
f.at["name"]  # type: ignore[call-overload]
f.at[0].add(None)  # type: ignore[arg-type]
f.at[0].add(1, 2)  # type: ignore[call-arg]
f.at[0].compare_exchange(1)  # type: ignore[call-arg]
f.at[0] = f.at[1]  # type: ignore[call-overload]
f.at[0] = None  # type: ignore[call-overload]
f.at[0] @= 1  # type: ignore[operator]
f.at[0] + 1  # type: ignore[operator]
f.at[0] < 1  # type: ignore[operator]
float(f.at[0])  # type: ignore[arg-type]
len(f.at[0])  # type: ignore[arg-type]
len(f.at)  # type: ignore[arg-type]

# Predicates
f.write(when=1)  # type: ignore[arg-type]
f.read(when=lambda: True)  # type: ignore[arg-type, misc]
f.wait_for()  # type: ignore[call-arg]
la.acquire(write=f, when=True)  # type: ignore[call-overload]

# Between processes
la.shared.zeros(3, lock=f.lock)  # type: ignore[call-overload]
la.shared.zeros(3, float, "C", "name")  # type: ignore[call-overload]
la.shared.full(3)  # type: ignore[call-overload]
la.shared.array([1], name=3)  # type: ignore[call-overload]
la.shared.attach(3)  # type: ignore[arg-type]
la.shared.open()  # type: ignore[call-arg]
f.recover(timeout=1)  # type: ignore[call-arg]
