"""Ctrl-C and other exceptions out of nowhere: nothing stays held, and the array is usable."""

import asyncio
import signal
import sys
import threading

import pytest

import lockedarray as la
from arrange import run_isolated
from threads import start

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="signals are sent to a thread of choice"
)

SETUP = """
import contextlib, gc, os, signal, sys, threading, time
import numpy as np
import lockedarray as la
from readerwriterlock import rwlock

armed = []

def interrupt(*_):
    if armed:  # once, however often the signal is sent
        armed.clear()
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)

def interrupt_when_queued(*locks, before):
    # Ctrl-C for the main thread, as soon as it is seen to wait. Should the signal come just before
    # the system call that waits, Python does not notice it: so it is sent until it is noticed.
    def watch():
        while not any(e.waiting and e.thread == "MainThread" for lock in locks for e in lock.holds()):
            time.sleep(0.0005)
        before()
        while armed:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.005)
    armed.append(True)
    thread = threading.Thread(target=watch)
    thread.start()
    return thread

@contextlib.contextmanager
def held_elsewhere(guard):
    held, go = threading.Event(), threading.Event()
    def hold():
        with guard:
            held.set()
            assert go.wait(30)
    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    try:
        yield
    finally:
        go.set()
        thread.join(30)

def check_interrupted(wait, *locks, before=lambda: None):
    # Return after Ctrl-C out of `wait`; the main thread must not be in any queue.
    watcher = interrupt_when_queued(*locks, before=before)
    try:
        wait()
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("not interrupted")
    finally:
        watcher.join(30)
    for lock in locks:
        assert not any(e.waiting and e.thread == "MainThread" for e in lock.holds()), lock.holds()

def mine(lock):
    return [e.mode for e in lock.holds() if e.thread == "MainThread"]
"""

WAITS = {
    "write": "x.write().acquire()",
    "read": "x.read().acquire()",
    "with a timeout": "x.write(timeout=30).acquire()",
    "operation": "x.fill(5)",
    "item": "x.__setitem__(0, 5)",
    "reader": "x.sum()",
    "ufunc": "np.add(x, y, out=y)",
    "at": "x.at[0].add(1)",
    "resize": "x.resize(100)",
    "freeze": "x.freeze()",
    "acquire": "la.acquire(write=(y, x), read=z).acquire()",
    "lock object": "x.lock.gen_wlock().acquire()",
    "lock object with a timeout": "x.lock.gen_rlock().acquire(timeout=30)",
}


def test_waiting_main_thread_is_interrupted():
    for_each = "\n".join(
        f"""
x, y, z = la.zeros(3), la.zeros(3), la.zeros(3)
with held_elsewhere(x.write()):
    check_interrupted(lambda: {wait}, x.lock)
    assert not mine(x.lock) and not y.lock.holds() and not z.lock.holds()
gc.collect()
assert not x.lock.holds() and not x.frozen and x.tolist() == [0, 0, 0]
x += 1
"""
        for wait in WAITS.values()
    )
    run_isolated(SETUP + for_each)


def test_interrupted_upgrade_still_reads():
    run_isolated(
        SETUP
        + """
x = la.zeros(3)
with x.read() as raw:
    with held_elsewhere(x.read()):
        check_interrupted(lambda: x.fill(5), x.lock)
        assert mine(x.lock) == ["read"]
    assert mine(x.lock) == ["read"]
    assert raw.tolist() == [0, 0, 0]
    x.fill(6)
assert not x.lock.holds()
assert x.tolist() == [6, 6, 6]
"""
    )


def test_interrupted_inner_wait_keeps_what_is_held_outside():
    run_isolated(
        SETUP
        + """
x, y = la.zeros(3), la.zeros(3)
with x.write() as raw:
    with held_elsewhere(y.write()):
        check_interrupted(lambda: y.fill(5), y.lock)
        check_interrupted(lambda: la.acquire(write=(x, y)).acquire(), y.lock)
        assert mine(x.lock) == ["write"]
        raw[0] = 7
assert not x.lock.holds() and not y.lock.holds()
assert x[0] == 7
"""
    )


@pytest.mark.parametrize("make", ["RWLockFair", "RWLockRead", "RWLockWrite"])
def test_wait_for_a_foreign_lock_is_interrupted(make):
    run_isolated(
        SETUP
        + f"""
lock = rwlock.{make}()
x = la.LockedArray(np.zeros(3), lock=lock)
with held_elsewhere(lock.gen_wlock()):
    for wait in (lambda: x.fill(1), lambda: x.sum(), lambda: x.write().acquire()):
        check_interrupted(wait, x.lock)
        assert not x.lock.holds()
with held_elsewhere(lock.gen_rlock()):
    with x.read():
        check_interrupted(lambda: x.fill(1), x.lock)
        assert mine(x.lock) == ["read"]
assert not x.lock.holds()
x += 1
for generate in (lock.gen_wlock, lock.gen_rlock):
    taken = generate()
    assert taken.acquire(blocking=False)
    taken.release()
"""
    )


def test_interrupted_waiter_lets_those_behind_it_go():
    run_isolated(
        SETUP
        + """
x = la.zeros(3)
with held_elsewhere(x.read()):
    readers = [threading.Thread(target=x.sum) for _ in range(3)]
    def start_readers():
        for reader in readers:
            reader.start()
    check_interrupted(lambda: x.fill(1), x.lock, before=start_readers)
    for reader in readers:
        reader.join(30)
        assert not reader.is_alive()
assert not x.lock.holds()
"""
    )


STORM = """
class Storm(Exception):
    pass

def strike(*_):
    raise Storm

signal.signal(signal.SIGALRM, strike)
sys.unraisablehook = lambda _: None  # where it strikes a finalizer, Python can only report it
rng = np.random.default_rng(0)

def weather(act, strikes):
    # Call `act` again and again, with a Storm at a random moment of each call, until so many struck.
    struck = calls = 0
    while struck < strikes and calls < 50 * strikes:
        calls += 1
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, REACH))
                for _ in range(4):
                    act()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Storm:
            struck += 1
        check()
    assert struck >= strikes // 4, (struck, calls)

def check():
    gc.collect(0)
    for array in arrays:
        assert not array.lock.holds(), (array.lock.holds(), "after a storm")

def use_elsewhere():
    def use():
        for array in arrays:
            with array.write(timeout=20) as raw:
                raw[...] = 1
            array += 1
            with array.read(timeout=20) as raw:
                assert (raw == 2).all(), raw
        done.append(True)
    done = []
    thread = threading.Thread(target=use)
    thread.start()
    thread.join(30)
    assert done, [array.lock for array in arrays]
"""

ACTS = {
    "operations": """
def act():
    x[3] = 1
    x[1:5] += 1
    np.add(x, y, out=x)
    x.at[[0, 1]] += 1
    x.sum()
    x[1:].T.copy()
    np.concatenate([x, y])
    y[...] = x
    x.fill(0)
""",
    "guards": """
def act():
    with x.write() as raw:
        raw += 1
        with y.read(), x.read():
            pass
    with la.acquire(write=(y, x)) as (a, b):
        a += b
    with x.lock.gen_wlock():
        pass
    with x.read():
        with x.write() as raw:
            raw[0] = 1
""",
    "resize": """
size = [10]
def act():
    size[0] = size[0] % 997 + 130
    x.resize(size[0])
    view = x[1:3]
    x.resize(5, 2)
    x.resize(10)
    view += 1
""",
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_exceptions_out_of_a_signal_handler_leave_nothing_held(act):
    run_isolated(
        f"""{SETUP}{STORM}
REACH = 300e-6
x, y = la.zeros(10), la.zeros(10)
arrays = [x, y]
{act}
weather(act, 100)
use_elsewhere()
""",
        timeout=100,
    )


@pytest.mark.skipif(
    la.backend != "native", reason="pure Python cannot close the windows between its bytecodes"
)
def test_exceptions_out_of_a_signal_handler_leave_guards_that_are_kept_as_new():
    run_isolated(
        f"""{SETUP}{STORM}
REACH = 100e-6
x, y = la.zeros(10), la.zeros(10)
arrays = [x, y]
kept = [x.write(), la.acquire(write=(y, x)), x.read(timeout=20)]
def act():
    for guard in kept:
        with guard:
            pass
weather(act, 300)
assert not any(guard.held for guard in kept)
act()
use_elsewhere()
""",
        timeout=100,
    )


def test_exceptions_beside_other_threads_leave_nothing_held():
    run_isolated(
        f"""{SETUP}{STORM}
REACH = 600e-6
x, y = la.zeros(10), la.zeros(10)
arrays = [x, y]
over = threading.Event()
problems = []

def others():
    try:
        while not over.is_set():
            # On the portable core a lock that a strike has left is found by who waits for it next.
            # Until then it closes a circle with what the struck thread waits for.
            with contextlib.suppress(la.DeadlockError if la.backend == "portable" else ()):
                x.fill(1)
                np.add(x, y, out=y)
                with la.acquire(write=x, read=y):
                    pass
            time.sleep(0.0003)
    except BaseException as problem:
        problems.append(problem)

def check():
    for array in arrays:
        for entry in array.lock.holds():
            assert entry.thread != "MainThread", entry
{ACTS["guards"]}
threads = [threading.Thread(target=others) for _ in range(2)]
for thread in threads:
    thread.start()
try:
    weather(act, 100)
finally:
    over.set()
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
assert not problems, problems
use_elsewhere()
""",
        timeout=100,
    )


def test_an_exception_leaves_no_lock_of_python_held():
    run_isolated(
        f"""{SETUP}
import ctypes, random
from lockedarray._holding import holding

class Storm(Exception):
    pass

STORMS = 1000
lock = threading.RLock()
ready = left = 0

def work():
    global ready, left
    for number in range(1, STORMS + 1):
        try:
            ready = number
            while True:
                holding(lock, int)
        except Storm:
            left += lock._is_owned()
            while lock._is_owned():
                lock.release()

raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
raise_in.argtypes = [ctypes.c_ulong, ctypes.py_object]
sys.setswitchinterval(1e-4)
thread = threading.Thread(target=work)
thread.start()
for number in range(1, STORMS + 1):
    while ready < number:
        time.sleep(0)
    time.sleep(random.random() * 1e-4)
    raise_in(thread.ident, Storm)
thread.join(30)
assert not thread.is_alive() and left == 0, left
assert holding(lock, str) == ""
"""
    )


def test_a_signal_that_strikes_while_python_waits_for_a_lock_is_what_is_raised():
    run_isolated(
        SETUP
        + """
from lockedarray._holding import holding

lock = threading.RLock()
taken, over = threading.Event(), threading.Event()

def other():
    with lock:
        taken.set()
        over.wait(20)

thread = threading.Thread(target=other)
thread.start()
taken.wait(20)
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    holding(lock, int)
except KeyboardInterrupt as error:
    assert error.__context__ is None, error.__context__
else:
    raise AssertionError("not interrupted")
over.set()
thread.join(20)
assert holding(lock, int) == 0
"""
    )


def test_exceptions_set_into_other_threads_leave_nothing_held():
    run_isolated(
        f"""{SETUP}
import ctypes

class Storm(Exception):
    pass

sys.unraisablehook = threading.excepthook = lambda _: None  # where it strikes too late or too early
x, y = la.zeros(10), la.zeros(10)
{ACTS["operations"]}
raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
raise_in.argtypes = [ctypes.c_ulong, ctypes.py_object]
over = threading.Event()
struck = [0] * 3

def work(i):
    while not over.is_set():
        try:
            while not over.is_set():
                act()
        except Storm:
            struck[i] += 1

threads = [threading.Thread(target=work, args=[i]) for i in range(3)]
for thread in threads:
    thread.start()
for i in range(300):
    raise_in(threads[i % 3].ident, Storm)
    time.sleep(0.0005)
over.set()
for thread in threads:
    try:
        thread.join(30)
    except Storm:
        pass
    assert not thread.is_alive()
gc.collect()
assert not x.lock.holds(), x.lock.holds()
assert not y.lock.holds(), y.lock.holds()
assert sum(struck) > 20, struck
x += 1
""",
        timeout=100,
    )


def test_signal_handler_may_use_the_array_it_interrupted():
    run_isolated(
        SETUP
        + """
x = la.zeros(3)
seen = []
def handler(*_):
    x.at[1] += 1
    with x.write() as raw:
        raw[2] += 1
    seen.append(x.sum())
signal.signal(signal.SIGALRM, handler)
for struck in range(200):  # each time once: a handler slower than the timer would pile up
    signal.setitimer(signal.ITIMER_REAL, 0.0002)
    while len(seen) == struck:
        x.at[0] += 1
        with x.read():
            x.sum()
assert x[1] == x[2] == len(seen)
assert not x.lock.holds()
"""
    )


@pytest.mark.parametrize("inner", ["read", "write"])
def test_signal_handler_may_use_the_array_at_each_line_of_its_lock(inner):
    run_isolated(
        SETUP
        + f"""
import importlib
from readerwriterlock import rwlock

# What is in Python: on the native core the way to a foreign lock, on the portable one all of it.
native = la.backend == "native"
module = importlib.import_module(f"lockedarray.{{'_core' if native else '_portable'}}.lock")

def others_come_in():
    if native:
        other = lock.gen_wlock()
        return other.acquire(blocking=False) and not other.release()
    came = []
    def come():
        try:
            with x.read(timeout=0):
                came.append(1)
        except la.LockTimeout:
            pass
    thread = threading.Thread(target=come)
    thread.start()
    thread.join()
    return bool(came)

def handler(*_):
    try:
        with x.{inner}(timeout=0.05):
            assert not native or not others_come_in()  # they might wait for the monitor
    except (la.LockTimeout, la.DeadlockError):
        pass  # struck where what it wants is half taken

def trace(frame, event, _):
    global left
    if frame.f_code.co_filename != module.__file__:
        return None
    if event == "line":
        left -= 1
        if left == 0:
            sys.settrace(None)
            signal.raise_signal(signal.SIGUSR1)
    return trace

signal.signal(signal.SIGUSR1, handler)
for outer in ("read", "write"):
    line, left = 0, 0
    while left <= 0:
        line = left = line + 1
        lock = rwlock.RWLockFair() if native else None
        x = la.zeros(3, lock=lock)
        guard = getattr(x, outer)()
        sys.settrace(trace)
        guard.acquire()
        sys.settrace(None)
        if outer == "write" or native:
            assert not others_come_in(), (outer, line)
        sys.settrace(trace)
        guard.release()
        sys.settrace(None)
        assert not x.lock.holds(), (outer, line)
        assert others_come_in(), (outer, line)
    assert line > 10, line
"""
    )


def test_signal_handler_may_wait_for_the_array_that_the_thread_waits_for():
    run_isolated(
        SETUP
        + """
x = la.zeros(3)
struck = []

def handler(*_):
    struck.append(True)
    x.at[1] += 1  # waits, too

def hold():
    with x.write():
        taken.set()
        while not any(e.waiting and e.thread == "MainThread" for e in x.lock.holds()):
            time.sleep(0.001)
        while not struck:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            time.sleep(0.005)
        time.sleep(0.02)  # for longer than after which nobody is overtaken

def others():
    for _ in range(100):
        x.at[2] += 1

taken = threading.Event()
signal.signal(signal.SIGUSR1, handler)
threads = [threading.Thread(target=target) for target in (hold, others, others)]
threads[0].start()
taken.wait()
for thread in threads[1:]:
    thread.start()
x.at[0] += 1
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
assert x.tolist() == [1, len(struck), 200], x
assert struck and not x.lock.holds()
"""
    )


def test_finalizer_may_use_the_array_wherever_it_strikes():
    run_isolated(
        SETUP
        + """
x = la.zeros(3)
class Dying:
    def __init__(self):
        self.me = self
    def __del__(self):
        try:
            x.at[1] += 1
        except la.DeadlockError:  # struck inside the lock of the core, and another thread has it
            pass
gc.set_threshold(20)
def work():
    for _ in range(1500):
        Dying()
        x.at[0] += 1
        with x.read():
            x.sum()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(50)
    assert not thread.is_alive()
gc.collect()
assert x[0] == 4500, x
assert 0 < x[1] <= 4500
assert not x.lock.holds()
"""
    )


@pytest.mark.skipif(la.backend != "portable", reason="the native core does it without Python")
@pytest.mark.parametrize("whose", ["another thread", "another task"])
def test_to_list_the_holds_while_the_lock_is_handed_over_takes_it_from_nobody(whose, monkeypatch):
    """As a signal handler, or a finalizer, may do at any bytecode."""
    from lockedarray._portable import lock as core

    monkeypatch.setattr(core, "HAND_OFF", -1.0)  # who waits is handed the lock at once
    x = la.zeros(3)
    listed = []

    def list_holds(frame, event, _):
        if event == "return" and frame.f_code is core.RegionLockBase._list.__code__:
            sys.setprofile(None)
            listed.append(x.lock.holds())

    def release(guard):
        sys.setprofile(list_holds)
        try:
            guard.release()
        finally:
            sys.setprofile(None)

    def check():
        assert [entry.mode for entry in x.lock.holds()] == ["write"]
        with pytest.raises(la.LockTimeout):
            start(x.write(timeout=0).acquire).result()

    def in_threads():
        held, done = threading.Event(), threading.Event()

        def hold():
            with x.write():
                held.set()
                assert done.wait(30)

        guard = x.write()
        guard.acquire()
        thread = start(hold)
        while not any(entry.waiting for entry in x.lock.holds()):
            pass
        release(guard)
        assert held.wait(30)
        try:
            check()
        finally:
            done.set()
            thread.result()

    async def in_tasks():
        async def hold():
            async with x.write():
                check()

        guard = x.write()
        await guard.__aenter__()
        task = asyncio.create_task(hold())
        while not any(entry.waiting for entry in x.lock.holds()):
            await asyncio.sleep(0)
        release(guard)
        await task

    if whose == "another thread":
        in_threads()
    else:
        asyncio.run(in_tasks())
    assert listed


@pytest.mark.skipif(la.backend != "portable", reason="the native core releases without Python")
def test_what_a_strike_has_left_closes_no_circle():
    from lockedarray._portable import lock as core

    x, y = la.zeros(3), la.zeros(3)
    kept = []

    def strike(frame, event, _):
        if event == "return" and frame.f_code is core.RegionLockBase._unlist.__code__:
            sys.setprofile(None)
            raise KeyboardInterrupt

    def work():
        sys.setprofile(strike)
        try:
            x.fill(1)
        except KeyboardInterrupt as error:
            kept.append(error)  # and so what it holds of the operation
        y.fill(2)

    with y.write():
        thread = start(work)
        while not any(entry.waiting for entry in y.lock.holds()):
            pass
        x.fill(3)
    thread.result()
    assert kept
    assert x.tolist() == [3] * 3
    assert y.tolist() == [2] * 3
