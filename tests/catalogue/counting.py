"""A readers-writer lock that counts how often it was taken."""

from __future__ import annotations

from readerwriterlock import rwlock

__all__ = ["CountingLock"]


class CountingLock:
    """An `RWLockFair` that says in `number` how often it was taken, in either mode."""

    def __init__(self):
        self.number = 0
        self._lock = rwlock.RWLockFair()

    def gen_rlock(self):
        return _Counting(self, self._lock.gen_rlock())

    def gen_wlock(self):
        return _Counting(self, self._lock.gen_wlock())


class _Counting:
    def __init__(self, counter, lock):
        self._counter = counter
        self._lock = lock

    def acquire(self, blocking=True, timeout=-1):
        taken = self._lock.acquire(blocking, timeout)
        self._counter.number += taken
        return taken

    def release(self):
        self._lock.release()

    def locked(self):
        return self._lock.locked()
