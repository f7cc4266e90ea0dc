"""After a fork the child holds what its one thread held, and nothing that is another thread's."""

import os

import pytest

from arrange import run_isolated

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

SETUP = """
import contextlib, os, signal, sys, threading, time, traceback, warnings
import numpy as np
import lockedarray as la
from readerwriterlock import rwlock

warnings.simplefilter("ignore")  # of forking with threads

def in_child(function):
    # Run `function` in a forked child, and fail if it fails, or hangs for 20 s.
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            function()
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"the child ended with {status}"

@contextlib.contextmanager
def elsewhere(function):
    # Have another thread run `function`, which calls what it is given when it is where it should be.
    there, go = threading.Event(), threading.Event()
    def wait():
        there.set()
        assert go.wait(30)
    thread = threading.Thread(target=function, args=[wait], name="other")
    thread.start()
    assert there.wait(30)
    try:
        yield thread
    finally:
        go.set()
        thread.join(30)
        assert not thread.is_alive()

def held(guard):
    def hold(wait):
        with guard:
            wait()
    return elsewhere(hold)

def use(*arrays):
    # Use the arrays in this thread and in a new one.
    def work():
        for x in arrays:
            x[...] = 1
            x += 1
            with x.write(timeout=5) as raw:
                raw += 1
            with x.read(timeout=5) as raw:
                assert (raw == 3).all()
        done.append(True)
    done = []
    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert len(done) == 2
    assert not any(x.lock.holds() for x in arrays)
"""


@pytest.mark.parametrize(
    "guard", ["x.read()", "x.write()", "la.acquire(write=(x, y))", "x.lock.gen_wlock()"]
)
def test_what_another_thread_held_is_free_in_the_child(guard):
    run_isolated(
        f"""{SETUP}
x, y = la.zeros(3), la.zeros(3)
with held({guard}):
    def child():
        assert x.lock.holds() == [], x.lock.holds()
        use(x, y)
        x.resize(100)
        x[:].freeze()
    in_child(child)
    assert [entry.thread for entry in x.lock.holds()] == ["other"]
use(x, y)
"""
    )


def test_what_the_forking_thread_held_it_holds_in_the_child():
    run_isolated(
        f"""{SETUP}
x, y, z = la.zeros(3), la.zeros(3), la.zeros(3)
with held(y.read()), x.write() as raw, z.read():
    def child():
        assert [entry.mode for entry in x.lock.holds()] == ["write"]
        assert [entry.mode for entry in z.lock.holds()] == ["read"]
        raw[0] = 5
        x[1] = 6
        failed = []
        def other():
            try:
                x.write(timeout=0.01).acquire()
            except la.LockTimeout:
                failed.append(True)
            assert z.sum() == 0
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        assert failed
        with x.write(timeout=0):
            pass
        y.fill(1)
        z.fill(2)
    in_child(child)
    assert raw.tolist() == [0, 0, 0]
use(x, y, z)

guard = x.write()
guard.acquire()
def child():
    guard.release()
    use(x)
in_child(child)
assert [entry.mode for entry in x.lock.holds()] == ["write"]
guard.release()
use(x)
"""
    )


def test_waiting_threads_are_gone_in_the_child():
    run_isolated(
        f"""{SETUP}
x = la.zeros(3)
with x.write() as raw:
    threads = [threading.Thread(target=f) for f in (x.sum, lambda: x.fill(1), lambda: x.resize(9))]
    for thread in threads:
        thread.start()
    while len([entry for entry in x.lock.holds() if entry.waiting]) < 3:
        time.sleep(0.001)
    def child():
        assert [entry.waiting for entry in x.lock.holds()] == [False]
        x.fill(7)
    in_child(child)
for thread in threads:
    thread.join(20)
    assert not thread.is_alive()
use(x)
"""
    )


def test_guard_of_a_thread_that_is_not_in_the_child_is_not_held_there():
    run_isolated(
        SETUP
        + """
x, y = la.zeros(3), la.zeros(3)
guards = [x.write(), y.write(timeout=20)]
raws = []

def hold(wait):
    raws.extend(guard.acquire() for guard in guards)
    wait()
    for guard in guards:
        guard.release()

def look():
    for guard, raw in zip(guards, raws):
        assert not guard.held
        assert not raw.flags.writeable
        with guard as raw:
            raw += 1
    use(x, y)

with elsewhere(hold):
    in_child(look)
    assert all(guard.held for guard in guards)
    assert all(raw.flags.writeable for raw in raws)
use(x, y)
"""
    )


def test_thread_that_forks_may_be_any_thread():
    run_isolated(
        f"""{SETUP}
x, y = la.zeros(3), la.zeros(3)
def fork():
    with x.read():
        def child():
            assert [entry.mode for entry in x.lock.holds()] == ["read"]
            assert y.lock.holds() == []
            y.fill(1)
            x.fill(1)
        in_child(child)
with y.write():
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join(30)
use(x, y)
"""
    )


def test_child_of_a_child_is_free_as_well():
    run_isolated(
        f"""{SETUP}
x = la.zeros(3)
with held(x.write()):
    def child():
        with x.write():
            in_child(lambda: x.fill(1))
        with held(x.write()):
            in_child(lambda: use(x))
    in_child(child)
"""
    )


@pytest.mark.parametrize("make", ["RWLockFair", "RWLockRead", "RWLockWrite"])
def test_foreign_lock_that_an_array_held_is_free_in_the_child(make):
    run_isolated(
        f"""{SETUP}
lock = rwlock.{make}()
x = la.LockedArray(np.zeros(3), lock=lock)
for guard in (x.read(), x.write()):
    with held(guard):
        def child():
            use(x)
            taken = lock.gen_wlock()
            assert taken.acquire(blocking=False)
        in_child(child)
"""
    )


def test_fork_amid_operations_of_other_threads_leaves_a_usable_child():
    run_isolated(
        f"""{SETUP}
x, y = la.zeros(100), la.zeros(100)
a = np.zeros(10)
over = threading.Event()
def work():
    i = 0
    while not over.is_set():
        i += 1
        x.fill(i)
        np.add(y, 1, out=y)
        x.resize(100 + i % 3 * 200)
        y.at[0] += 1
        a[i % 5:].view(la.LockedArray).fill(i)
        np.array(y, subok=True)[0] = 1
        la.LockedArray(np.zeros(3), copy=False)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
def child():
    use(y)
    x.resize(50)
    x.resize(5000)
    use(x)
    b = np.zeros(3)
    shared = b.view(la.LockedArray)
    assert shared.lock is la.LockedArray(b[1:], copy=False).lock
    use(shared, np.array(y, subok=True), a.view(la.LockedArray))
try:
    for _ in range(25):
        in_child(child)
finally:
    over.set()
for thread in threads:
    thread.join(20)
""",
        timeout=100,
    )


def test_fork_while_another_thread_is_inside_a_resize():
    run_isolated(
        f"""{SETUP}
class Dying:
    def __del__(self):
        if os.getpid() == parent:
            self.wait()

parent = os.getpid()
x = la.LockedArray(np.array([None, None], object))
def shrink(wait):
    dying = Dying()
    dying.wait = wait
    x[1] = dying
    del dying
    x.resize(1)  # lets go of the element, inside
with elsewhere(shrink):
    def child():
        x.resize(5)
        x.resize(5000)
        x[:] = 1
        x[1:].freeze()
    in_child(child)
assert x.shape == (1,)
"""
    )


def test_fork_while_another_thread_runs_code_of_elements_or_callbacks():
    run_isolated(
        f"""{SETUP}
x = la.zeros(3)
def apply(wait):
    x.at[0].apply(lambda value: wait() or 5)
with elsewhere(apply):
    in_child(lambda: use(x))
assert x[0] == 5

class Waiting:
    def __add__(self, other):
        self.wait()
        return 1
waiting = Waiting()
y = la.LockedArray(np.array([waiting], object))
def add(wait):
    waiting.wait = wait
    y[...] += 1
with elsewhere(add):
    in_child(lambda: use(y))
assert y[0] == 1
"""
    )


def test_multiprocessing_gives_each_process_its_own():
    run_isolated(
        f"""{SETUP}
import multiprocessing
x = la.zeros(3)
context = multiprocessing.get_context("fork")
def work(queue):
    x.fill(5)
    queue.put(x)
with held(x.write()):
    queue = context.Queue()
    process = context.Process(target=work, args=[queue])
    process.start()
    sent = queue.get(timeout=20)
    process.join(20)
assert type(sent) is la.LockedArray
assert sent.tolist() == [5, 5, 5]
assert x.tolist() == [0, 0, 0]
queue.close()
queue.join_thread()
"""
    )
