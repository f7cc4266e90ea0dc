"""Asyncio tasks are owners: a plain guard inside a task is the task's, and not the thread's."""

import asyncio
import contextlib
import gc
import threading
import warnings

import numpy as np
import pytest

import lockedarray as la
from arrange import free, held_elsewhere, queued
from lockedarray import LockedArray
from threads import DEADLINE, start, wait_until

GUARDS = {
    "write": lambda x: x.write(),
    "read of objects": lambda x: x.read(),
    "acquire": lambda x: la.acquire(write=(x, x[:1])),
    "lock object": lambda x: x.lock.gen_wlock(),
    "lock itself": lambda x: x.lock,
}
WANTS = {
    "guard": lambda x: x.write().acquire(),
    "reader's guard": lambda x: x.read().acquire(),
    "acquire": lambda x: la.acquire(read=(x, la.zeros(1))).acquire(),
    "lock object": lambda x: x.lock.gen_rlock().acquire(),
    "lock itself": lambda x: x.lock.acquire(),
    "item": lambda x: x.__setitem__(0, 1),
    "element": lambda x: x[0],
    "ufunc": lambda x: np.add(x, 1, out=x),
    "reader": lambda x: x.sum(),
    "method": lambda x: x.fill(1),
    "function": lambda x: np.copyto(x, 1),
    "at": lambda x: x.at[0].add(1),
    "resize": lambda x: x.resize(5),
    "append": lambda x: x.append(1),
    "freeze": lambda x: x.freeze(),
}


async def beside(guard, wants, name="holder"):
    """Hold `guard` across an await in one task; return what another one gets that calls `wants`."""
    held, end = asyncio.Event(), asyncio.Event()

    async def hold():
        with guard:
            held.set()
            await end.wait()

    async def want():
        await held.wait()
        try:
            return wants()
        except BaseException as error:
            return error
        finally:
            end.set()

    results = await asyncio.gather(asyncio.create_task(hold(), name=name), want())
    return results[1]


@pytest.mark.parametrize("want", WANTS.values(), ids=WANTS)
def test_other_task_that_wants_what_a_plain_guard_holds_is_refused_at_once(want):
    x = LockedArray([1.0])
    error = asyncio.run(beside(x.write(), lambda: want(x), "the 'holder'"))
    assert isinstance(error, la.DeadlockError)
    assert "task \"the 'holder'\" of this thread" in str(error)
    assert "async with x." in str(error)
    assert free(x)
    assert x.tolist() == [1]


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_plain_guard_of_every_kind_is_the_tasks(guard):
    x = LockedArray([1.0], dtype=object)
    error = asyncio.run(beside(guard(x), lambda: x.fill(2)))
    assert isinstance(error, la.DeadlockError)
    assert free(x)


async def count_across_await(x, done):
    with x.write() as raw:
        value = raw[0]
        await asyncio.sleep(0)
        raw[0] = value + 1
    done.append(1)


def test_counting_across_an_await_in_a_plain_guard_is_loud_and_loses_nothing():
    x = la.zeros(1)
    done = []

    async def main():
        tasks = (count_across_await(x, done) for _ in range(10))
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    refused = [result for result in results if isinstance(result, la.DeadlockError)]
    assert len(refused) + len(done) == 10
    assert x[0] == len(done) >= 1
    assert free(x)


def test_task_uses_what_it_holds_before_and_after_awaits():
    x, y = la.zeros(3), la.zeros(3)

    async def use(x):
        for _ in range(3):
            with x.write() as raw, x.read():
                x[0] = x[0] + 1
                await asyncio.sleep(0)
                x += 1
                np.add(x, 1, out=x)
                with x.write():
                    await asyncio.sleep(0)
                    raw[1] += 1
                assert x.sum() == raw.sum()
                x.resize(x.size + 1)
        return x.tolist()

    async def main():
        return await asyncio.gather(use(x), use(y))

    one, other = asyncio.run(main())
    assert one == other == x.tolist()
    assert x.size == 6
    assert free(x, y)


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_task_uses_and_awaits_what_it_holds_by_a_condition_too(guard):
    x = LockedArray([0.0], dtype=object)

    async def main():
        with guard(x):
            x.fill(1)
            await asyncio.sleep(0)
            async with x.write() as raw:
                raw[0] += 1
            changed = threading.Condition(x.lock)
            changed.notify_all()
            assert not changed.wait(0)
            x.append(7)
        assert free(x)

    asyncio.run(main())
    assert x.tolist() == [2, 7]


def test_readers_of_several_tasks_read_together():
    x = la.ones(3)

    async def read():
        with x.read():
            await asyncio.sleep(0)
            return x.sum()

    async def main():
        return await asyncio.gather(*(read() for _ in range(5)))

    assert asyncio.run(main()) == [3] * 5
    assert free(x)


def test_callback_of_the_loop_is_no_part_of_a_task():
    x = la.zeros(1)

    async def main():
        loop = asyncio.get_running_loop()
        told = loop.create_future()

        def call():
            try:
                x.fill(1)
            except BaseException as error:
                told.set_result(error)

        with x.write():
            loop.call_soon(call)
            return await told

    assert isinstance(asyncio.run(main()), la.DeadlockError)
    assert x[0] == 0
    assert free(x)


def test_task_does_not_enter_what_its_thread_holds_outside_of_tasks():
    x = la.zeros(1)

    async def main():
        with pytest.raises(la.DeadlockError, match="outside of its tasks"):
            x.fill(1)
        with pytest.raises(la.DeadlockError, match="async with"):
            x.write().acquire()

    with x.write():
        asyncio.run(main())
        x.fill(2)
    assert x[0] == 2
    assert free(x)


def test_thread_that_a_task_started_waits_for_the_task():
    x = la.zeros(1)

    async def main():
        with x.write() as raw:
            call = asyncio.create_task(asyncio.to_thread(x.fill, 2))
            while not any(entry.waiting for entry in x.lock.holds()):
                await asyncio.sleep(0)
            raw[0] = 1
        await call

    asyncio.run(main())
    assert x[0] == 2
    assert free(x)


def test_guard_is_released_by_the_task_that_acquired_it():
    x = la.zeros(1)

    async def release(guard):
        with pytest.raises(RuntimeError, match="only the task that acquired"):
            guard.release()

    async def main():
        for guard in (x.write(), la.acquire(write=(x, x))):
            guard.acquire()
            await asyncio.create_task(release(guard))
            assert guard.held
            guard.release()
        lock = x.lock.gen_wlock()
        lock.acquire()

        async def other():
            with pytest.raises(RuntimeError, match="that acquired a lock"):
                lock.release()

        await asyncio.create_task(other())
        lock.release()

    asyncio.run(main())
    assert free(x)


def test_end_of_a_task_gives_back_what_it_held():
    x = la.zeros(3)
    kept = []

    async def keep():
        kept.append(x.write())
        kept.append(kept[0].acquire())
        kept.append(x.lock.gen_wlock())
        kept[2].acquire()

    async def main():
        await asyncio.create_task(keep())
        await asyncio.sleep(0)
        x.fill(1)
        assert not kept[0].held
        assert not kept[2].locked()
        assert not kept[1].flags.writeable

    asyncio.run(main())
    assert free(x)
    asyncio.run(keep())
    assert free(x)


def test_guard_that_a_task_dropped_is_released():
    x = la.zeros(1)

    async def main():
        guard = x.write()
        guard.acquire()
        asyncio.get_running_loop().call_soon(lambda: None)
        await asyncio.sleep(0)
        del guard
        gc.collect()
        await asyncio.create_task(asyncio.to_thread(x.fill, 1))

    asyncio.run(main())
    assert x[0] == 1
    assert free(x)


def test_cancelled_task_gives_back_its_plain_guard():
    x = la.zeros(1)

    async def hold():
        with x.write():
            await asyncio.get_running_loop().create_future()

    async def main():
        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        assert not free(x)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        x.fill(1)

    asyncio.run(main())
    assert free(x)


def test_loops_in_several_threads_have_tasks_of_their_own():
    x = la.zeros(1)
    inside, go_on = threading.Event(), threading.Event()

    async def hold():
        with x.write() as raw:
            inside.set()
            await asyncio.to_thread(go_on.wait, 50)
            raw[0] += 1

    async def add():
        with x.write() as raw:
            raw[0] += 1

    holder = start(lambda: asyncio.run(hold()))
    assert inside.wait(50)
    waiter = start(lambda: asyncio.run(add()))
    assert waiter.waits_for(x.lock) == "write"
    go_on.set()
    holder.result()
    waiter.result()
    assert x[0] == 2
    assert free(x)


def test_element_code_has_what_the_operation_of_its_task_holds():
    x, y = LockedArray([None], dtype=object), la.zeros(1)

    class Nosy:
        def __add__(self, other):
            with x.write() as raw:
                return raw.size + other

    async def other():
        with y.write():  # so that another task was the last one that was looked for
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        x[0] = Nosy()
        x.__iadd__(1)
        await task

    asyncio.run(main())
    assert x.tolist() == [2]
    assert free(x, y)


def test_try_of_another_task_is_a_timeout_and_no_deadlock():
    x = la.zeros(1)
    error = asyncio.run(beside(x.write(), lambda: x.write(timeout=0).acquire()))
    assert isinstance(error, la.LockTimeout)
    assert asyncio.run(beside(x.write(), lambda: x.lock.gen_rlock().acquire(False))) is False
    assert free(x)


def test_task_waits_for_a_thread_as_a_thread_does():
    x = la.zeros(1)

    async def main():
        with pytest.raises(la.LockTimeout):
            x.write(timeout=0).acquire()

    with held_elsewhere(x.write()):
        asyncio.run(main())
    assert free(x)


def test_loop_that_was_left_alone_is_garbage_and_so_is_what_its_tasks_held():
    x = la.zeros(1)

    def leave():
        loop = asyncio.new_event_loop()

        async def hold():
            with x.write():
                await asyncio.sleep(3600)

        async def main():
            loop.create_task(hold())  # noqa: RUF006
            await asyncio.sleep(0)

        loop.run_until_complete(main())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the loop
        leave()
        la.zeros(1).write().__enter__()  # whoever acquires next looks which task runs
        gc.collect()
        gc.collect()
    assert free(x)


# -- operations that call back ---------------------------------------------------------------------


class Adding:
    """An element whose addition calls."""

    def __init__(self, call):
        self.call = call

    def __add__(self, other):
        return self.call(other)

    __radd__ = __add__


CALLING = {
    "ufunc": (object, lambda y, f: np.frompyfunc(f, 1, 1)(y, out=y)),
    "ufunc without a result": (object, lambda y, f: np.frompyfunc(f, 1, 1)(y)),
    "ufunc of numbers": (float, lambda y, f: np.frompyfunc(f, 1, 1)(y, out=y, casting="unsafe")),
    "ufunc's method": (float, lambda y, f: np.frompyfunc(lambda a, b: f(a), 2, 1).outer(y, 1.0)),
    "apply": (float, lambda y, f: y.at[0].apply(f)),
    "function": (float, lambda y, f: np.apply_along_axis(f, 0, y)),
    "element": (object, lambda y, f: np.add(y, [Adding(f)], out=y)),
    "augmented": (object, lambda y, f: y.__iadd__(Adding(f))),
    "item": (object, lambda y, f: y.at[0].add(Adding(f))),
    "reader": (object, lambda y, f: np.sum(y, initial=Adding(f))),
}
calling = pytest.mark.parametrize(("dtype", "call"), CALLING.values(), ids=CALLING)


@calling
def test_what_an_operation_calls_is_refused_what_another_task_holds(dtype, call):
    x, y = la.zeros(1), la.zeros(1, dtype)

    def f(value):
        x[0] += 1
        return value

    error = asyncio.run(beside(x.write(), lambda: call(y, f)))
    assert isinstance(error, la.DeadlockError)
    assert x.tolist() == [0]
    assert free(x, y)


@calling
def test_what_an_operation_calls_has_what_its_task_holds(dtype, call):
    x, y, z = la.zeros(1), la.zeros(1, dtype), la.zeros(1)
    mine, others, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def f(value):
        x[0] += 1
        return value

    async def other():
        await mine.wait()
        with z.write():
            others.set()
            await end.wait()

    async def main():
        task = asyncio.create_task(other())
        with x.write():
            mine.set()
            await others.wait()
            call(y, f)
        end.set()
        await task

    asyncio.run(main())
    assert x.tolist() == [1]
    assert free(x, y, z)


@contextlib.asynccontextmanager
async def waiting(x, z):
    """Another task, which has x and waits for z during the block, and has had it afterwards."""

    async def both():
        async with x.write(), z.write():
            pass

    task = asyncio.create_task(both())
    while not queued(z.lock):
        await asyncio.sleep(0)
    yield
    await task


@calling
def test_who_wants_what_an_operation_has_is_not_refused_because_another_task_waits(dtype, call):
    x, y, z = la.zeros(1), la.zeros(1, dtype), la.zeros(1)
    held, go = threading.Event(), threading.Event()

    def other():
        with z.write():
            held.set()
            assert go.wait(DEADLINE)
            y[0] = 5.0

    def f(value):
        go.set()
        wait_until(lambda: thread.done or thread.waiting(y.lock))
        return value

    async def main():
        async with waiting(x, z):
            call(y, f)

    thread = start(other)
    assert held.wait(DEADLINE)
    asyncio.run(main())
    thread.result()
    assert y.tolist() == [5]  # written last
    assert free(x, y, z)


@calling
def test_a_cycle_is_seen_after_an_operation_that_waited_beside_a_task_that_waits(dtype, call):
    x, y, z, v = la.zeros(1), la.zeros(1, dtype), la.zeros(1), la.zeros(1)
    held, lent, go = threading.Event(), threading.Event(), threading.Event()

    def other():
        with z.write():
            held.set()
            assert go.wait(DEADLINE)
            x[0] = 1

    def lend():
        with v.write():
            lent.set()
            wait_until(lambda: any(entry.waiting for entry in v.lock.holds()))

    def f(value):
        v[0] += 1  # which waits
        return value

    async def main():
        async with waiting(x, z):
            call(y, f)
            go.set()

    thread, lender = start(other), start(lend)
    assert held.wait(DEADLINE)
    assert lent.wait(DEADLINE)
    asyncio.run(main())
    with pytest.raises(la.DeadlockError):
        thread.result()
    lender.result()
    assert free(x, y, z, v)


@calling
def test_tasks_of_a_loop_that_runs_inside_an_operation_are_told_apart(dtype, call):
    x, y = la.zeros(1), la.zeros(1, dtype)
    count, refused = [], []

    def f(value):
        async def main():
            tasks = (count_across_await(x, count) for _ in range(3))
            return await asyncio.gather(*tasks, return_exceptions=True)

        refused.extend(result for result in asyncio.run(main()) if result)
        return value

    call(y, f)
    assert {type(error) for error in refused} == {la.DeadlockError}
    assert len(count) + len(refused) == 3
    assert x.tolist() == [len(count)]
    assert free(x, y)


@calling
def test_a_task_of_a_loop_inside_an_operation_may_await_a_lock(dtype, call):
    x, y = la.zeros(1), la.zeros(1, dtype)

    def f(value):
        async def add():
            async with x.write() as raw:
                before = raw[0]
                await asyncio.sleep(0)
                raw[0] = before + 1

        async def main():
            await asyncio.gather(*(add() for _ in range(3)))

        asyncio.run(main())
        return value

    call(y, f)
    assert x.tolist() == [3]
    assert free(x, y)


def test_a_task_of_a_loop_inside_an_operation_does_not_write_under_it():
    y = la.zeros(1)

    def f(value):
        async def write():
            y[0] = 7

        with pytest.raises(la.DeadlockError):
            asyncio.run(write())
        return value + 1

    assert y.at[0].apply(f) == 1
    assert y.tolist() == [1]
    assert free(y)


# -- tasks that end --------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_what_a_task_held_is_free_as_soon_as_it_has_been_awaited(guard):
    x = LockedArray([1.0], dtype=object)
    kept = []

    async def leak():
        kept.append(guard(x))
        kept[-1].acquire()

    async def main():
        await asyncio.create_task(leak())
        x.fill(2)
        await asyncio.gather(leak())
        x.fill(3)
        with x.write():
            x.fill(4)

    asyncio.run(main())
    assert x.tolist() == [4]
    assert free(x)


def test_what_a_task_held_that_stopped_its_loop_is_free_for_its_thread():
    x = la.zeros(1)
    kept = []

    async def leak():
        kept.append(x.write())
        kept[-1].acquire()
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()
    task = loop.create_task(leak())
    loop.run_forever()
    loop.close()
    assert task.done()
    x.fill(2)
    assert x.tolist() == [2]
    assert free(x)


USING = {
    "element": lambda y: y[0],
    "list": lambda y: y.tolist(),
    "guard": lambda y: y.read().acquire(),
    "assignment": lambda y: y.__setitem__(0, 1),
    "append": lambda y: y.append(1),
}


@pytest.mark.parametrize("use", USING.values(), ids=USING)
@calling
def test_what_an_operation_of_a_task_calls_uses_the_same_array_as_outside_of_tasks(
    dtype, call, use
):
    def outcome():
        y, told = la.zeros(1, dtype), []

        def f(value):
            try:
                use(y)
                told.append("used")
            except BaseException as error:
                told.append(type(error))
            return value

        try:
            call(y, f)
        except BaseException as error:
            told.append(type(error))
        gc.collect()
        assert free(y)
        return told

    async def main():
        return outcome()

    assert asyncio.run(main()) == outcome()


def test_an_array_does_not_grow_inside_an_operation_beside_a_task_that_is_left():
    y, x = la.zeros(4), la.zeros(1)
    loop = asyncio.new_event_loop()
    tasks = []

    async def stays():
        async with x.write():
            await asyncio.sleep(1000)

    def f(value):
        tasks.append(loop.create_task(stays()))
        loop.run_until_complete(asyncio.sleep(0.01))
        with pytest.raises(ValueError, match="inside an operation"):
            y.append(5.0)
        return value

    y.at[0].apply(f)
    assert len(y) == 4
    tasks[0].cancel()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    assert free(x, y)
