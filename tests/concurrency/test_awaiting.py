"""``async with`` of a guard: a task waits for the lock, and its loop goes on meanwhile."""

import asyncio
import gc
import os
import threading

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import free, held_elsewhere, queued, run_isolated
from lockedarray import LockedArray
from threads import start, wait_until

GUARDS = {
    "write": lambda x: x.write(),
    "write with a timeout": lambda x: x.write(timeout=50),
    "acquire": lambda x: la.acquire(write=(x, x[:1])),
    "acquire several": lambda x: la.acquire(write=x, read=(la.zeros(1), la.zeros(2))),
}


async def settle(turns=5):
    """Let all other tasks that can go on do so."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition):
    """Let the loop go on until the condition holds."""
    deadline = asyncio.get_running_loop().time() + 50
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0)


def waits(x, count=1):
    return lambda: len(queued(x.lock)) == count


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("dtype", [float, object])
def test_ten_tasks_that_count_across_an_await_count_ten(guard, dtype):
    x = LockedArray(np.zeros(1, dtype))

    async def count():
        async with guard(x) as raw:
            value = x[0]
            await asyncio.sleep(0)
            (raw[0] if isinstance(raw, tuple) else raw)[:1] = value + 1

    async def main():
        await asyncio.gather(*(count() for _ in range(10)))

    asyncio.run(main())
    assert x[0] == 10
    assert free(x)


def test_guard_yields_what_a_plain_one_does_and_is_the_tasks():
    x = la.zeros(3)

    async def main():
        async with x.write() as raw:
            assert type(raw) is np.ndarray
            assert raw.flags.writeable
            np.add(x, 1, out=x)
            with x.read(), x.write() as inner:
                inner += 1
            await asyncio.sleep(0)
            async with x.write() as again:
                again += 1
            x.resize(4)
        assert not raw.flags.writeable
        async with x.read() as raw:
            assert not raw.flags.writeable
            assert raw.tolist() == [3, 3, 3, 0]
        with pytest.raises(ZeroDivisionError):
            async with x.write():
                raise ZeroDivisionError
        guard = x.write()
        async with guard:
            assert guard.held
            with pytest.raises(RuntimeError, match="held already"):
                await guard.__aenter__()
        assert not guard.held

    asyncio.run(main())
    assert free(x)


def test_loop_goes_on_while_a_task_waits_for_a_thread():
    x = la.zeros(1)
    steps = []

    async def want():
        async with x.write() as raw:
            steps.append("in")
            raw[0] += 1

    async def main(end):
        task = asyncio.create_task(want())
        await until(waits(x))
        steps.append("other")
        await settle()
        end.set()
        await task

    with_end = threading.Event()

    def hold():
        with x.write() as raw:
            held.set()
            assert with_end.wait(50)
            raw[0] += 1

    held = threading.Event()
    holder = start(hold)
    assert held.wait(50)
    asyncio.run(main(with_end))
    holder.result()
    assert steps == ["other", "in"]
    assert x[0] == 2
    assert free(x)


def test_task_is_told_by_an_operation_and_by_the_end_of_a_thread():
    x = la.zeros(1)
    kept = []

    async def want():
        async with x.write() as raw:
            raw[0] += 1

    async def main():
        for _ in range(3):
            end, held = threading.Event(), threading.Event()

            def hold(held=held, end=end):
                kept.append(x.write())
                kept[-1].acquire()
                held.set()
                assert end.wait(50)  # and ends without having released

            holder = start(hold)
            await until(held.is_set)
            task = asyncio.create_task(want())
            await until(waits(x))
            end.set()
            await task
            holder.result()

    asyncio.run(main())
    assert x[0] == 3
    assert free(x)


def test_thread_waits_for_a_task_and_goes_on_when_that_leaves():
    x = la.zeros(1)

    async def main():
        async with x.write() as raw:
            call = start(x.fill, 2)
            await until(waits(x))
            raw[0] = 1
        await until(lambda: call.done)
        call.result()

    asyncio.run(main())
    assert x[0] == 2
    assert free(x)


def test_outside_of_a_task_it_is_refused_and_nothing_is_held():
    x = la.zeros(1)
    guard = x.write()
    entering = guard.__aenter__()
    with pytest.raises(RuntimeError, match="asyncio task"):
        entering.send(None)
    assert not guard.held
    loop = asyncio.new_event_loop()
    caught = []

    def call():
        entering = x.read().__aenter__()
        try:
            entering.send(None)
        except RuntimeError as error:
            caught.append(error)
        loop.stop()

    loop.call_soon(call)
    loop.run_forever()
    loop.close()
    assert "asyncio task" in str(caught[0])
    assert free(x)


# -- cancellation and timeouts ---------------------------------------------------------------------


def test_cancelled_while_it_waits_leaves_nothing_and_lets_the_next_one_go():
    x = la.zeros(1)
    order = []

    async def want(name):
        async with x.read() if name == "reader" else x.write():
            order.append(name)

    async def main():
        async with x.read():
            writer = asyncio.create_task(want("writer"))
            await until(waits(x))
            await asyncio.sleep(0.002)  # so old that nobody overtakes it
            reader = asyncio.create_task(want("reader"))
            await until(waits(x, 2))
            writer.cancel()
            await reader  # beside the one that holds, as nobody is in front of it any more
            with pytest.raises(asyncio.CancelledError):
                await writer
        assert order == ["reader"]
        assert free(x)

    asyncio.run(main())


def test_cancelled_at_the_moment_of_the_grant_gives_back():
    x = la.zeros(1)

    async def want():
        async with x.write():
            raise AssertionError("cancelled before")

    async def main():
        for both in (True, False):
            async with x.write():
                task = asyncio.create_task(want())
                await until(waits(x))
            assert not free(x)  # it has been handed over, and the task does not know yet
            task.cancel()
            if both:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert free(x)
            async with x.write(timeout=0):
                pass

    asyncio.run(main())


def test_timeouts_leave_nothing_behind():
    x, y = la.zeros(1), la.zeros(1)

    async def main():
        for guard in (
            x.write(timeout=0.01),
            x.read(timeout=0),
            la.acquire(read=(y, x), timeout=0.01),
        ):
            with pytest.raises(la.LockTimeout, match="lock"):
                async with guard:
                    pass
            assert not guard.held
            assert queued(x.lock) == []
        if hasattr(asyncio, "timeout"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), x.write():
                    pass
        assert queued(x.lock) == []
        assert free(y)

    with held_elsewhere(x.write()):
        asyncio.run(main())
    assert free(x)


def test_loop_that_ends_gives_up_its_waits():
    x = la.zeros(1)

    async def want():
        async with x.write():
            pass

    async def main():
        main.tasks = [asyncio.create_task(want()) for _ in range(3)]
        await until(waits(x, 3))

    with held_elsewhere(x.write()):
        asyncio.run(main())  # which cancels what is left
        assert queued(x.lock) == []
    assert free(x)


def test_tasks_that_are_garbage_give_up_their_waits():
    x = la.zeros(1)

    async def want():
        async with x.write():
            pass

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    with held_elsewhere(x.write()):
        task = loop.create_task(want())
        loop.run_until_complete(until(waits(x)))
        loop.close()
        del task, loop
        gc.collect()
        wait_until(lambda: queued(x.lock) == [])
    assert free(x)


# -- circles ---------------------------------------------------------------------------------------


def test_two_tasks_that_want_what_the_other_holds_are_told_of_the_deadlock():
    x, y = la.zeros(1), la.zeros(1)

    async def take(first, second, mine, other):
        async with first.write():
            mine.set()
            await other.wait()
            try:
                async with second.write() as raw:
                    raw += 1
            except la.DeadlockError as error:
                return error
        return None

    async def main():
        one, two = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(
            asyncio.create_task(take(x, y, one, two), name="first"),
            asyncio.create_task(take(y, x, two, one), name="second"),
        )

    results = asyncio.run(main())
    [error] = [result for result in results if result is not None]
    assert "task 'first' holds it" in str(error) or "task 'second' holds it" in str(error)
    assert x[0] + y[0] == 1
    assert free(x, y)


def test_circle_of_a_task_and_a_thread_is_refused():
    x, y = la.zeros(1), la.zeros(1)
    held = threading.Event()

    def thread():
        with y.write():
            held.set()
            with x.write() as raw:
                raw += 1

    async def main():
        async with x.write():
            call = start(thread)
            await until(held.is_set)
            await until(waits(x))
            with pytest.raises(la.DeadlockError):
                async with y.write():
                    pass
        await until(lambda: call.done)
        call.result()

    asyncio.run(main())
    assert free(x, y)


def test_thread_that_closes_a_circle_with_a_waiting_task_is_refused():
    x, y = la.zeros(1), la.zeros(1)
    held, go_on = threading.Event(), threading.Event()

    def thread():
        with y.write():
            held.set()
            assert go_on.wait(50)
            with pytest.raises(la.DeadlockError):
                x.fill(1)

    async def main():
        call = start(thread)
        await until(held.is_set)
        async with x.write():
            task = asyncio.create_task(other())
            await until(waits(x))
            asyncio.get_running_loop().call_soon(go_on.set)
            async with y.write():
                pass
        await task
        call.result()

    async def other():
        async with x.write():
            pass

    asyncio.run(main())
    assert free(x, y)


def test_task_may_wait_for_another_that_waits_for_something_else():
    x, y = la.zeros(1), la.zeros(1)

    async def inner():
        async with x.write(), y.write() as raw:
            raw += 1

    async def outer():
        async with x.write() as raw:
            raw += 1

    async def main():
        async with y.write():
            one = asyncio.create_task(inner())
            await until(waits(y))
            two = asyncio.create_task(outer())
            await until(waits(x))
            await settle()
        await asyncio.gather(one, two)

    asyncio.run(main())
    assert (x[0], y[0]) == (1, 1)
    assert free(x, y)


def test_plain_operation_that_waits_for_a_waiting_task_of_its_thread_is_refused():
    x, y = la.zeros(1), la.zeros(1)

    async def holder():
        async with x.write(), y.write():
            pass

    async def main(end):
        task = asyncio.create_task(holder())
        await until(waits(y))
        with pytest.raises(la.DeadlockError, match="async with"):
            x.fill(1)  # which its holder could let go only after the loop went on
        end()
        await task

    let_go, held = threading.Event(), threading.Event()

    def hold():
        with y.write():
            held.set()
            assert let_go.wait(50)

    call = start(hold)
    assert held.wait(50)
    asyncio.run(main(let_go.set))
    call.result()
    assert free(x, y)


def test_plain_operation_goes_past_a_waiting_task_of_its_thread():
    """The task could not go on while the operation waits: to queue behind it were a deadlock."""
    x = la.zeros(1)
    let_go, held = threading.Event(), threading.Event()

    def hold():
        with x.write():
            held.set()
            assert let_go.wait(50)

    async def want():
        async with x.write() as raw:
            raw += 1

    def release_when_it_waits():
        wait_until(waits(x, 2))
        let_go.set()

    async def main():
        task = asyncio.create_task(want())
        await until(waits(x))
        helper = start(release_when_it_waits)
        x.fill(5)  # blocks this loop, as plain operations do
        await task
        helper.result()

    call = start(hold)
    assert held.wait(50)
    asyncio.run(main())
    call.result()
    assert x[0] == 6
    assert free(x)


# -- many, and several loops -----------------------------------------------------------------------


def test_thousand_tasks_wait_and_each_has_its_turn_in_order():
    x = la.zeros(1)
    order = []

    async def want(i):
        async with x.write() as raw:
            raw += 1
            order.append(i)

    async def main():
        async with x.write():
            tasks = [asyncio.create_task(want(i)) for i in range(1000)]
            await until(waits(x, 1000))
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert x[0] == 1000
    assert order == sorted(order)
    assert free(x)


def test_loops_in_several_threads_share_an_array_with_threads():
    x, y = la.zeros(2), la.zeros(1)

    async def count(i):
        for k in range(20):
            if k % 2:
                async with x.write() as raw:
                    raw[0] += 1
                    await asyncio.sleep(0)
                    raw[1] += 1
            else:
                async with la.acquire(write=(y, x) if i % 2 else (x, y)):
                    np.add(x, 1, out=x)
                    await asyncio.sleep(0)
                    np.add(y, 1, out=y)

    async def main():
        await asyncio.gather(*(count(i) for i in range(5)))

    def plain():
        for _ in range(100):
            with x.write() as raw:
                raw += 1

    calls = [start(lambda: asyncio.run(main())) for _ in range(3)]
    calls.append(start(plain))
    for call in calls:
        call.result()
    assert x.tolist() == [400, 400]
    assert y[0] == 150
    assert free(x, y)


def test_array_that_is_resized_while_a_task_waits_is_yielded_as_it_is_then():
    x = la.zeros(2)

    async def want():
        async with x.write() as raw:
            return raw.size

    async def main():
        async with x.write():
            task = asyncio.create_task(want())
            await until(waits(x))
            x.resize(500)
        return await task

    assert asyncio.run(main()) == 500
    assert free(x)


def test_frozen_array_is_read_and_not_written():
    x, y = la.zeros(2), la.zeros(2)
    x.freeze()

    async def main():
        async with x.read() as raw:
            assert raw.tolist() == [0, 0]
        with pytest.raises(ValueError, match="read-only"):
            async with x.write():
                pass

        async def want():
            async with y.write():
                pass

        async with y.write():
            task = asyncio.create_task(want())
            await until(waits(y))
            y.freeze()
        with pytest.raises(ValueError, match="read-only"):
            await task

    asyncio.run(main())
    assert free(x, y)


def test_lock_of_others_below_is_waited_for_without_blocking_the_loop():
    below = rwlock.RWLockFair()
    x = LockedArray([0.0], lock=below)
    theirs = below.gen_wlock()

    async def want():
        async with x.write() as raw:
            raw += 1

    async def main():
        with pytest.raises(la.LockTimeout):
            async with x.write(timeout=0.01):
                pass
        task = asyncio.create_task(want())
        await settle(20)
        assert not task.done()
        theirs.release()
        await task
        theirs.acquire()
        task = asyncio.create_task(want())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        theirs.release()

    theirs.acquire()
    asyncio.run(main())
    assert x[0] == 1
    assert free(x)


def test_uvloop_works_as_well():
    uvloop = pytest.importorskip("uvloop")
    x = la.zeros(1)

    async def count():
        async with x.write() as raw:
            value = raw[0]
            await asyncio.sleep(0)
            raw[0] = value + 1

    async def main():
        async with x.write():
            tasks = [asyncio.create_task(count()) for _ in range(10)]
            call = start(x.sum)
            await until(waits(x, 11))
        await asyncio.gather(*tasks)
        await until(lambda: call.done)

    loop = uvloop.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert x[0] == 10
    assert free(x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(la.backend != "native", reason="tells tasks by a thread on the native core")
def test_fork_beside_the_start_of_the_thread_that_tells_lets_the_child_start_its_own():
    run_isolated(
        """
        import os, signal, warnings
        from lockedarray._core import teller
        warnings.simplefilter("ignore")
        with teller._starting:
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                teller.ensure_teller()
                os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """
    )
