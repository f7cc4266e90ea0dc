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


@only_native
def test_owner_of_a_thread_that_ended_is_let_go():
    owner = new_owner()
    before = sys.getrefcount(owner)

    def end_as_another():
        exchange_owner(owner)

    start(end_as_another).result()
    assert sys.getrefcount(owner) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="compiles a thread in C")
@pytest.mark.skipif(
    la.backend == "portable" and not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="what pure Python knows of a thread may end before what else is in its local storage",
)
def test_next_state_of_a_thread_ends_what_it_holds_though_a_finalizer_came_after_the_last_end():
    run_isolated(
        """
import ctypes, os, shutil, subprocess, sys, tempfile, threading
import lockedarray as la

x, kept, seen, local = la.zeros(8), [], [], threading.local()

class Late:
    def __del__(self):  # the thread's state is ending
        with x[4:].write():
            pass

@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def call(*_):  # in a thread of C: each call has a thread state of its own
    seen.append(len(x.lock.holds()))
    with x.write():  # first, lest the finalizer comes before the end that it is to come after
        pass
    local.late = Late()
    guard = x[:2].write()
    guard.acquire()
    kept.append(guard)
    return 1

compiler = shutil.which("cc")
if compiler is None:
    sys.exit()
folder = tempfile.mkdtemp()
with open(folder + "/thread.c", "w") as file:
    file.write('''
#include <pthread.h>
#include <stddef.h>
static void *run(void *call) {
    for (int i = 0; i < 4; i++) ((int (*)(void *, void *))call)(NULL, NULL);
    return NULL;
}
void start(void *call) {
    pthread_t thread;
    pthread_create(&thread, NULL, run, call);
    pthread_join(thread, NULL);
}
''')
clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
subprocess.run([compiler, "-shared", "-fPIC", "-pthread", "-o", folder + "/thread.so", folder + "/thread.c"],
               env=clean, check=True)
ctypes.CDLL(folder + "/thread.so").start(call)
shutil.rmtree(folder)
assert seen == [0, 0, 0, 0], seen
assert not any(guard.held for guard in kept)
"""
    )


@only_native
def test_what_a_daemon_thread_is_granted_at_the_end_of_the_interpreter_is_free():
    out = run_isolated(
        """
import sys, threading, time
import lockedarray as la

x = la.zeros(4)
with x.write(timeout=0.001):
    pass
guard = x.write()
guard.acquire()
threading.Thread(target=lambda: x.write().acquire(), daemon=True).start()
while not any(hold.waiting for hold in x.lock.holds()):
    time.sleep(0.001)
time.sleep(0.01)  # long enough to be handed the lock

class Last:
    def __init__(self):
        self.guard, self.array, self.sleep, self.out = guard, x, time.sleep, sys.stdout

    def __del__(self):
        self.guard.release()
        self.sleep(0.1)
        with self.array.write(timeout=10):
            self.out.write("free")
            self.out.flush()

sys.modules["last"] = Last()
del guard
"""
    )
    assert out == "free"


@only_native
def test_owner_amid_an_operation_is_not_taken_by_another_thread():
    x, owner, refused = LockedArray([1.0]), new_owner(), []

    def elsewhere():
        with pytest.raises(RuntimeError):
            exchange_owner(owner)
        refused.append(True)

    def switch(*_):
        before = exchange_owner(None)
        start(elsewhere).result()
        exchange_owner(before)

    exchange_owner(owner)
    with np.errstate(divide="call", call=switch):
        np.divide(x, 0.0, out=x)
    exchange_owner(None)
    assert refused
    assert free(x)


@only_native
@pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="signals are sent to a thread of choice"
)
def test_owner_amid_a_wait_is_not_taken_by_another_thread():
    run_isolated(
        """
import signal, threading, time
import lockedarray as la
from lockedarray._cores import exchange_owner, new_owner

x, owner, held, go, results = la.zeros(3), new_owner(), threading.Event(), threading.Event(), []

def hold():
    with x.write():
        held.set()
        go.wait(30)

def steal():
    try:
        exchange_owner(owner)
    except RuntimeError:
        results.append("refused")

def strike(*_):
    before = exchange_owner(None)
    thief = threading.Thread(target=steal)
    thief.start()
    thief.join(30)
    exchange_owner(before)
    go.set()

def watch():
    while not any(hold.waiting for hold in x.lock.holds()):
        time.sleep(0.001)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

signal.signal(signal.SIGUSR1, strike)
threading.Thread(target=hold).start()
assert held.wait(30)
threading.Thread(target=watch).start()
exchange_owner(owner)
with x.write():
    pass
exchange_owner(None)
assert results == ["refused"], results
assert not x.lock.holds()
"""
    )


def test_resize_by_the_code_of_a_foreign_lock_while_another_one_is_held():
    x = LockedArray(np.zeros(4))
    lock = RWLockFair()
    y = LockedArray(np.zeros(4), lock=lock)
    generate = lock.gen_wlock

    def gen_wlock():
        lock.gen_wlock = generate
        x.resize(100)
        return generate()

    lock.gen_wlock = gen_wlock
    with la.acquire(write=(x, y)) as (raw, _):
        assert raw.shape == (100,)
        with pytest.raises(la.LockTimeout):
            start(lambda: x[50:].write(timeout=0).acquire()).result()
    assert free(x, y)
