"""Forks inside guards and callbacks, the end of the interpreter with locks in use, subinterpreters."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

import lockedarray as la
from stress.faulting import (
    child,
    daemon,
    ended_well,
    fault,
    held_elsewhere,
    joined,
    start,
    wait_until,
    whole,
)

MAIN = "__main__"
"""The module whose names go last but one."""


def waiting(x):
    return [entry for entry in x.lock.holds() if entry.waiting]


def say(text):
    os.write(1, text.encode())


# -- forks -----------------------------------------------------------------------------------------

if hasattr(os, "fork"):

    def forking(*arrays):
        """Return a function that forks; the child uses the arrays, and goes on with what it was in.

        It is ended by `in_parent`.
        """
        warnings.simplefilter("ignore")  # of forking with threads
        mother = os.getpid()

        def fork(*_):
            children.append(os.fork())
            return True

        def in_parent():
            """Go on in the parent alone, when the child has ended well."""
            if os.getpid() != mother:
                ended_well(lambda: whole(*arrays))
            while children:
                joined(children.pop())
            whole(*arrays)

        children = []
        return fork, in_parent

    @fault("forks")
    def forks_amid_callbacks():
        """The thread forks where the array calls its code, under the lock; both go on from there."""
        for act in (
            lambda x, fork: x.at[0].apply(lambda value: fork() and value),
            lambda x, fork: x.at[[0, 1]].apply(lambda value: fork() and value),
            lambda x, fork: x.wait_for(fork),
            lambda x, fork: x.write(when=fork).acquire(),
            lambda x, fork: np.vectorize(lambda value: value)(x) is not fork(),
            lambda x, fork: np.apply_along_axis(lambda row: fork() and row, 0, x),
        ):
            x = la.zeros(3)
            fork, in_parent = forking(x)
            act(x, fork)
            in_parent()

    @fault("forks")
    def forks_amid_code_of_elements():
        """An element's method forks, and so does the end of one that is replaced."""

        class Forking:
            def __add__(self, _):
                return fork() and 1

            def __del__(self):
                fork()

        x = la.LockedArray(np.array([None, 1], object))
        fork, in_parent = forking()
        x[0] = Forking()
        x + 1
        in_parent()
        x[0] = 1
        in_parent()
        whole(x)

    @fault("forks")
    def forks_amid_generators():
        """A generator forks inside its guard; the child leaves it, too."""
        x = la.zeros(3)
        fork, in_parent = forking()

        def generator():
            with x.write():
                fork()
                yield

        for _ in generator():
            pass
        in_parent()
        whole(x)

    @fault("forks")
    def forks_out_of_a_wait():
        """A signal handler forks while its thread waits; in the child nobody has what it waits for."""
        x = la.zeros(3)
        fork, in_parent = forking()
        mother = os.getpid()
        struck = threading.Event()

        def handler(*_):
            if not struck.is_set():
                struck.set()
                fork()

        def strike():
            wait_until(lambda: waiting(x))
            while not struck.is_set():
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                time.sleep(0.005)
            time.sleep(0.05)

        signal.signal(signal.SIGUSR1, handler)
        held = held_elsewhere(x.write())
        held.__enter__()

        def let_go():
            strike()
            held.__exit__(None, None, None)

        striker = start(let_go)
        x.fill(1)
        assert x.tolist() == [1, 1, 1]
        if os.getpid() != mother:
            ended_well(lambda: whole(x))
        striker.result()
        in_parent()
        whole(x)

    @fault("forks")
    def forks_beside_waits_of_every_kind():
        """Threads wait for locks, changes and conditions when another one forks, again and again."""
        warnings.simplefilter("ignore")
        x, over = la.zeros(3), []
        acts = [
            lambda: x.fill(0), x.sum, lambda: x.wait_for(lambda raw: over), lambda: x.append(0),
            lambda: x.write(when=lambda raw: over).acquire() is None,
            lambda: la.acquire(write=x[:1], read=x[1:]).acquire() is None,
        ]  # fmt: skip
        with x.write():
            threads = [start(act) for act in acts]
            wait_until(lambda: len(waiting(x)) >= len(acts))

            def use():
                x.fill(2)
                x.append(1)

            for _ in range(5):
                child(use)
        child(lambda: whole(x))
        over.append(1)
        x.fill(0)
        for thread in threads:
            thread.result()
        whole(x)

    def count(x, times):
        for _ in range(times):
            x[0] += 1
            x.at[1].add(1)
            with x.write() as raw:
                raw[2] += 1

    @fault("forks")
    def processes_are_forked_beside_threads_that_hold_and_wait():
        """``multiprocessing`` by fork, of a shared array that threads of the parent hold and wait for."""
        import lockedarray.shared as shared

        warnings.simplefilter("ignore")
        x, over = shared.zeros(3, int), threading.Event()

        def work():
            while not over.is_set():
                x[0] += 0
                with x.write(), x.read():
                    pass

        context = multiprocessing.get_context("fork")
        threads = [start(work) for _ in range(2)]
        processes = [context.Process(target=count, args=(x, 50)) for _ in range(3)]
        with x.write():
            for process in processes:
                process.start()
        for process in processes:
            process.join(80)
            assert process.exitcode == 0, process
        over.set()
        for thread in threads:
            thread.result()
        assert x.tolist() == [150] * 3
        with x.write(timeout=20):
            pass


# -- the end of the interpreter --------------------------------------------------------------------


def waits(x):
    """Start daemon threads that wait for `x` in every way, for ever."""
    acts = [
        lambda: x.fill(1), lambda: x.sum(), lambda: x.write().acquire(), lambda: x.lock.acquire(),
        lambda: x.wait_for(lambda raw: False), lambda: x.at[0].add(1), lambda: x.resize(9),
        lambda: np.add(x, 1, out=x), lambda: la.acquire(write=x, when=lambda raw: False).acquire(),
    ]  # fmt: skip
    for act in acts:
        daemon(act)
    wait_until(lambda: len(waiting(x)) == len(acts))


@fault("the end")
def ends_while_daemons_wait_for_what_main_holds():
    """The main thread ends with a guard open, which a module refers to; daemons wait for it."""
    x = la.zeros(3)
    sys.modules[MAIN].guard = guard = x.write()
    guard.acquire()
    waits(x)


@fault("the end")
def ends_while_daemons_wait_for_what_a_daemon_holds():
    """A daemon holds, others wait."""
    x, held = la.zeros(3), threading.Event()

    def hold():
        with x.write():
            held.set()
            threading.Event().wait()

    daemon(hold)
    held.wait(20)
    waits(x)


def busy(x, o):
    """Start daemons that never stop to use arrays."""

    def forever(act):
        while True:
            act()

    for act in (
        lambda: x.__iadd__(1), lambda: x.resize(len(x) % 5000 + 1000), lambda: x.append(1),
        lambda: x.at[0].add(1), lambda: o.__iadd__(1), lambda: np.sort(x), lambda: o.sum(),
    ):  # fmt: skip
        daemon(forever, act)


@fault("the end")
def ends_amid_operations_of_daemons():
    """Daemons are amid operations, on numbers and on objects, small and large."""
    busy(la.zeros(1000), la.LockedArray(np.array([1, 2, 3], object)))
    time.sleep(0.05)


@fault("the end", tells="handler\n")
def ends_with_handlers_that_use_arrays_beside_daemons():
    """``atexit`` handlers take locks, some of which daemons have."""
    x, y, held = la.zeros(3), la.zeros(3), threading.Event()

    def hold():
        with x.write():
            held.set()
            threading.Event().wait()

    def handler():
        y.append(1)
        try:
            with x.write(timeout=0.05):
                say("x is free\n")
        except la.LockTimeout:
            say("handler\n")
        assert start(y.sum).result() == 1

    daemon(hold)
    held.wait(20)
    atexit.register(handler)


class Late:
    """Uses arrays when the interpreter takes its modules apart."""

    def __init__(self, *arrays):
        self.arrays, self.write = arrays, os.write

    def __del__(self):
        for x in self.arrays:
            x[0] = 5
            x += 1
            with x.write(timeout=1) as raw:
                raw += 1
            x.at[0].add(1)
            x.resize(len(x) + 1)
            x[1:] *= 2  # a sum imports something in NumPy, which is too late
        self.write(1, b"late\n")


@fault("the end", tells="late\n")
def ends_with_a_module_whose_object_uses_arrays():
    """``__del__`` of what a module refers to uses arrays, with daemons beside it."""
    x, y = la.zeros(3), la.zeros(3)
    sys.modules[MAIN].late = Late(x, y)
    busy(la.zeros(1000), la.LockedArray(np.array([1, 2, 3], object)))


@fault("the end", tells="late\n")
def ends_with_an_object_that_outlives_the_modules():
    """``__del__`` of what stands in `sys.modules`, and goes when hardly anything is left."""
    sys.modules["late"] = Late(la.zeros(3), la.zeros(3))


@fault("the end")
def ends_with_everything_open():
    """Guards, a generator, a trace and a task that nobody ends are left to the interpreter."""
    main = sys.modules[MAIN]
    x, y, z = la.zeros(3), la.zeros(3), la.zeros(3)

    def generator():
        with x.write(), y.read():
            yield

    async def work():
        async with z.write():
            await asyncio.sleep(1000)

    logging.getLogger("asyncio").disabled = True
    main.trace = la.tracing()
    main.trace.__enter__()
    main.generator = generator()
    next(main.generator)
    main.loop = asyncio.new_event_loop()
    main.task = main.loop.create_task(work())
    main.loop.run_until_complete(asyncio.sleep(0))
    warnings.simplefilter("ignore", ResourceWarning)
    main.lock = la.zeros(3).lock
    main.lock.acquire()


@fault("the end", LOCKEDARRAY_DEBUG="1")
def ends_with_guards_open_in_the_debug_mode():
    """The same for the debug mode, with a view of a raw view."""
    x = la.zeros(3)
    main = sys.modules[MAIN]
    main.guard = x.write()
    main.view = main.guard.acquire()[1:]


@fault("the end", status=3)
def leaves_by_exit_inside_guards():
    """``sys.exit`` inside guards, amid a predicate, with daemons that wait."""
    x, y = la.zeros(3), la.zeros(3)
    with x.write(), la.acquire(read=y):
        waits(x)
        y.wait_for(lambda raw: sys.exit(3))


@fault("the end", status=4)
def leaves_at_once_inside_guards():
    """``os._exit`` inside guards, with daemons that wait."""
    x = la.zeros(3)
    with x.write():
        waits(x)
        os._exit(4)


@fault("the end", status=1, complains="ZeroDivisionError: inside")
def leaves_by_an_error_inside_guards():
    """An error that nobody catches, inside guards."""
    x = la.zeros(3)
    with x.write(), x.read():
        waits(x[1:].base)
        raise ZeroDivisionError("inside")


@fault("the end", status=-signal.SIGINT, complains="KeyboardInterrupt")
def leaves_by_control_c_amid_a_wait():
    """Ctrl-C while the main thread waits for what a daemon holds, and nobody catches it."""
    x = la.zeros(3)
    held = threading.Event()

    def hold():
        with x.write():
            held.set()
            wait_until(lambda: waiting(x))
            while True:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                time.sleep(1)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    daemon(hold)
    held.wait(20)
    x.fill(1)


@fault("the end", status=-signal.SIGTERM)
def is_killed_inside_guards_of_a_shared_array():
    """SIGTERM amid a write of a shared array: it ends the process at once."""
    import lockedarray.shared as shared

    x = shared.zeros(3)
    pid = os.fork()
    if pid == 0:
        with x.write():
            os.kill(os.getpid(), signal.SIGTERM)
    os.waitpid(pid, 0)
    try:
        x.sum()
    except la.PoisonedError:
        pass
    with x.recover():
        pass
    assert x.sum() == 0
    x.unlink()
    os.kill(os.getpid(), signal.SIGTERM)


@fault("the end")
def ends_while_daemons_use_shared_arrays():
    """Daemons hold, wait for and use a shared array; its names are removed all the same."""
    import lockedarray.shared as shared

    x, y = shared.zeros(3, name=f"fault-{os.getpid()}"), shared.zeros(3)
    held = threading.Event()

    def hold():
        with x.write():
            held.set()
            threading.Event().wait()

    def forever():
        while True:
            y[0] += 1

    daemon(hold)
    held.wait(20)
    daemon(x.sum)
    daemon(x.fill, 1)
    daemon(forever)
    sys.modules[MAIN].guard = y.read()


# -- subinterpreters -------------------------------------------------------------------------------

INSIDE = """
import threading, warnings
warnings.simplefilter("ignore")  # NumPy's, of subinterpreters
try:
    import lockedarray as la
except ImportError as error:
    assert str(error), "it does not say why"
else:
    x = la.zeros(3)
    held, go = threading.Event(), threading.Event()
    def hold():
        with x.write():
            held.set()
            go.wait(20)
    threads = [threading.Thread(target=hold), threading.Thread(target=x.fill, args=[1])]
    threads[0].start()
    held.wait(20)
    threads[1].start()
    while not any(entry.waiting for entry in x.lock.holds()):
        pass
    go.set()
    for thread in threads:
        thread.join()
    x.resize(1000)
    x[0] += 1
    assert x.sum() == 4 and not x.lock.holds()
"""


def interpreters():
    """Return a function that runs code in a new interpreter of its own kind, for each kind."""
    if sys.version_info >= (3, 13):
        import _interpreters as module

        makes = [lambda kind=kind: module.create(kind) for kind in ("isolated", "legacy")]
    else:
        import _xxsubinterpreters as module

        makes = [
            lambda isolated=isolated: module.create(isolated=isolated)
            for isolated in (True, False)
            if sys.version_info >= (3, 12) or not isolated  # where such a one has no threads
        ]

    def running(make):
        def run(code):
            number = make()
            error = module.run_string(number, code)  # before 3.13 it raises
            assert error is None, error
            module.destroy(number)

        return run

    return [running(make) for make in makes]


@fault("subinterpreters")
def subinterpreters_import_it_after_the_main_one():
    """A subinterpreter, of each kind, works with arrays, or the import is refused and says why."""
    x = la.zeros(3)
    with x.write():
        for run in interpreters():
            run(INSIDE)
            run(INSIDE)
    whole(x)


@fault("subinterpreters")
def subinterpreters_import_it_before_the_main_one():
    """The first import of the process is that of a subinterpreter, which is gone when the main one comes."""
    code = "\n".join(
        [
            "import sys, warnings",
            f"INSIDE = {INSIDE!r}",
            inspect.getsource(interpreters),
            "for run in interpreters():",
            "    run(INSIDE)",
            "exec(INSIDE.replace('x[0] += 1', 'x.at[0].add(1)'))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-P", "-X", "faulthandler", "-c", code],
        capture_output=True,
        text=True,
        timeout=80,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
