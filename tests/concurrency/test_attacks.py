"""Guards and owners where few look for them: in finalizers, at the ends of threads and of the interpreter."""

import gc
import signal
import sys
import time

import numpy as np
import pytest
from readerwriterlock.rwlock import RWLockFair

import lockedarray as la
from arrange import free, run_isolated
from lockedarray import LockedArray
from lockedarray._cores import exchange_owner, new_owner
from threads import start

only_native = pytest.mark.skipif(la.backend != "native", reason="about the native core")


@pytest.mark.parametrize("several", [False, True])
def test_threads_that_share_a_guard_never_lose_it(several):
    x, y = LockedArray([0.0]), LockedArray([0.0])
    guard = la.acquire(write=x, read=y, timeout=20) if several else x.write(timeout=20)
    end = time.monotonic() + 0.5

    def use():
        while time.monotonic() < end:
            for _ in range(100):
                try:
                    guard.acquire()
                except RuntimeError:  # held by another thread
                    continue
                guard.release()

    def look():
        while time.monotonic() < end:
            for _ in range(100):
                _ = guard.held

    running = [start(use), start(use), start(look)]
    for call in running:
        call.result()
    assert not guard.held
    assert free(x, y)


@only_native
def test_guard_that_was_garbage_is_not_acquired_by_the_general_version():
    x = LockedArray([0.0], lock=RWLockFair())
    back = []

    class Back:
        def __del__(self):
            back.append(self.guard)

    garbage = Back()
    garbage.guard, garbage.self = x.write(), garbage
    garbage.guard.acquire()
    del garbage
    gc.collect()
    guard = back.pop()
    assert not guard.held
    with pytest.raises(RuntimeError, match="was garbage"):
        guard.acquire()
    assert not guard.held
    del guard
    assert free(x)
