"""Guards that are left open: by threads that end, generators, tasks and loops that do not."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import contextvars
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import lockedarray as la
from stress.faulting import fault, start, wait_until, whole

TAKEN = {
    "read": lambda x: x.read(),
    "write": lambda x: x.write(),
    "acquire": lambda x: la.acquire(write=x),
    "writer": lambda x: x.lock.gen_wlock(),
    "lock": lambda x: x.lock,
}


# -- threads ---------------------------------------------------------------------------------------


@fault("threads")
def threads_exit_inside_guards():
    """A thread leaves by SystemExit, by ``_thread.exit``, or simply returns; what it held outlives it."""
    for take in TAKEN.values():
        for leave in (sys.exit, _thread.exit, lambda: None):
            x, kept = la.zeros(3), []

            def work(take=take, leave=leave, x=x, kept=kept):
                with contextlib.suppress(SystemExit), take(x):
                    leave()
                guard = take(x)
                guard.acquire()
                kept.append(guard)
                leave()

            thread = threading.Thread(target=work)
            thread.start()
            thread.join(30)
            whole(x)


@fault("threads")
def bare_threads_end_inside_guards():
    """A thread of ``_thread.start_new_thread``, of which nobody knows, ends with guards open."""
    x, y, kept, over = la.zeros(3), la.zeros(3), [], []

    def work():
        for guard in (x.write(), y.read(), x[1:].write()):
            guard.acquire()
            kept.append(guard)
        over.append(1)

    _thread.start_new_thread(work, ())
    wait_until(lambda: over and not x.lock.holds() and not y.lock.holds())
    whole(x, y)
    assert not any(guard.held for guard in kept)


@fault("threads")
def threads_exit_amid_code_of_elements():
    """An element's method raises SystemExit in a thread, while others wait for the array."""

    class Leaving:
        def __add__(self, _):
            wait_until(lambda: any(entry.waiting for entry in x.lock.holds()))
            sys.exit()

    x = la.LockedArray(np.array([Leaving(), 1], object))
    thread = threading.Thread(target=lambda: x + 1)
    thread.start()
    start(x.tolist).result()
    thread.join(30)
    whole(x)


@fault("threads")
def locals_of_a_thread_use_arrays_at_its_end():
    """What a thread has in its local storage takes locks as it ends, and leaves a guard open."""
    x, y, local = la.zeros(3), la.zeros(3), threading.local()

    class Last:
        def __del__(self):
            y[0] += 1
            self.guard = y.write()
            self.guard.acquire()

    def work():
        local.last = Last()
        local.guard = x.write()
        local.guard.acquire()

    for _ in range(20):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        gc.collect()
    whole(x, y)
    assert y[0] == 20


@fault("threads")
def workers_of_a_pool_keep_guards():
    """A worker leaves a guard open and lives on: it is let go of with the last reference, or the worker."""
    x, kept = la.zeros(3), []

    def work(keep):
        guard = x.write()
        guard.acquire()
        if keep:
            kept.append(guard)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work, False).result()
        wait_until(lambda: gc.collect() >= 0 and not x.lock.holds())
        pool.submit(work, True).result()
        assert x.lock.holds()
    wait_until(lambda: not x.lock.holds())
    whole(x)
    assert not kept[0].held


@fault("threads")
def threads_of_contexts_keep_guards():
    """A guard that stands in a context variable is let go of with the context, in whatever thread."""
    x, variable = la.zeros(3), contextvars.ContextVar("guard")

    def work():
        guard = x.write()
        guard.acquire()
        variable.set(guard)

    context = contextvars.copy_context()
    release = threading.Event()

    def run():
        context.run(work)
        release.wait(30)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: x.lock.holds())
    del context
    release.set()
    thread.join(30)
    del run
    gc.collect()
    whole(x)


# -- generators ------------------------------------------------------------------------------------


@fault("generators")
def generators_and_stacks_are_dropped_inside_guards():
    """A generator, a context manager of one, an ExitStack and a coroutine are dropped with guards open."""

    def generator(guard):
        with guard:
            yield

    @contextlib.contextmanager
    def manager(guard):
        with guard:
            yield

    class Once:
        def __await__(self):
            yield

    async def coroutine(guard):
        with guard:
            await Once()

    def stack(guard):
        opened = contextlib.ExitStack()
        opened.enter_context(guard)
        return opened

    def begun(one, begin):
        begin(one)
        return one

    for take in TAKEN.values():
        for make in (
            lambda guard: begun(generator(guard), next),
            lambda guard: begun(manager(guard), lambda one: one.__enter__()),
            lambda guard: begun(coroutine(guard), lambda one: one.send(None)),
            stack,
        ):
            x = la.zeros(3)
            opened = make(take(x))
            if take is TAKEN["lock"] and make is stack:
                opened.close()
            del opened
            whole(x)


@fault("generators")
def generators_raise_and_are_thrown_into_inside_guards():
    """``throw``, ``close`` and an error of its own leave a generator that stands in two guards."""
    x, y = la.zeros(3), la.zeros(3)

    def generator():
        with x.write(), la.acquire(read=y):
            yield 1
            raise ZeroDivisionError

    for leave in (
        lambda one: one.throw(KeyError()),
        lambda one: one.throw(KeyboardInterrupt()),
        lambda one: one.close(),
        lambda one: next(one),
    ):
        one = generator()
        next(one)
        with contextlib.suppress(KeyError, KeyboardInterrupt, ZeroDivisionError):
            leave(one)
        whole(x, y)
        del one


# -- tasks and loops -------------------------------------------------------------------------------


def new_loop():
    logging.getLogger(
        "asyncio"
    ).disabled = True  # of tasks that are destroyed: they are what is meant
    return asyncio.new_event_loop()


async def rows(guard):
    async with guard:
        while True:
            yield
            await asyncio.sleep(0)


@fault("tasks")
def async_generators_are_left_inside_guards():
    """An ``async for`` is broken out of; the generator is closed by the loop, by another task, or not."""
    x = la.zeros(3)

    async def left():
        async for _ in rows(x.write()):
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        whole_here(x)

    async def closed_by_another():
        one = rows(x.write())
        await asyncio.create_task(one.__anext__())
        await one.aclose()
        whole_here(x)

    async def kept(keep):
        one = rows(x.write())
        keep.append(one)
        await one.__anext__()

    keep = []
    for work in (left, closed_by_another, lambda: kept([]), lambda: kept(keep)):
        loop = new_loop()
        loop.run_until_complete(work())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        gc.collect()
        whole(x)
    keep.clear()
    loop = new_loop()
    loop.run_until_complete(kept(keep))
    loop.close()  # and nobody has shut its generators down
    keep.clear()
    del loop
    gc.collect()
    whole(x)


def whole_here(x):
    """In a task the hold of another one of this thread would be a deadlock, and no wait."""
    assert x.lock.holds() == [], x.lock.holds()
    x += 0


@fault("tasks")
def loops_are_closed_amid_waits_and_holds():
    """A loop is stopped and closed while tasks hold, wait for the lock, and wait for a change."""
    x = la.zeros(3)

    async def hold(there):
        async with x.write():
            there.set()
            await asyncio.sleep(1000)

    async def wait(guard):
        async with guard:
            pass

    async def main(tasks):
        there = asyncio.Event()
        tasks.append(asyncio.ensure_future(hold(there)))
        await there.wait()
        for guard in (
            x.write(),
            x.read(),
            la.acquire(write=x),
            x.read(when=lambda raw: raw[0] > 5),
        ):
            tasks.append(asyncio.ensure_future(wait(guard)))
        await asyncio.sleep(0.01)

    for cancel in (False, True):
        tasks = []
        loop = new_loop()
        loop.run_until_complete(main(tasks))
        assert len(x.lock.holds()) >= 4
        if cancel:
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            whole(x)
        loop.close()
        tasks = task = loop = None
        gc.collect()
        whole(x)


@fault("tasks")
def tasks_raise_what_stops_their_loop():
    """SystemExit and KeyboardInterrupt leave a task inside a guard, and ``asyncio.run`` with it."""
    x = la.zeros(3)

    async def fail(kind):
        async with x.write():
            await asyncio.sleep(0)
            raise kind

    async def main(kind):
        waiting = asyncio.ensure_future(fail(ZeroDivisionError))
        await asyncio.gather(fail(kind), waiting)

    logging.getLogger("asyncio").disabled = True
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit, ZeroDivisionError):
        with contextlib.suppress(kind, ZeroDivisionError, RuntimeError, asyncio.CancelledError):
            asyncio.run(main(kind))
        gc.collect()
        whole(x)


@fault("tasks")
def guards_come_out_of_threads_of_a_loop():
    """``asyncio.to_thread`` returns a guard that is held by its thread, and a task drops it."""
    x = la.zeros(3)

    def take():
        guard = x.write()
        guard.acquire()
        return guard

    async def main():
        guard = await asyncio.to_thread(take)
        assert x.lock.holds()
        del guard
        for _ in range(100):
            gc.collect()
            if not x.lock.holds():
                break
            await asyncio.sleep(0.01)
        x.fill(1)
        assert await asyncio.to_thread(take)
        await asyncio.wait_for(asyncio.to_thread(x.lock.holds), 20)

    asyncio.run(main())
    gc.collect()
    whole(x)
