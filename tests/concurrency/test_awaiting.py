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
from lockedarray._cores import locks_regions
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


def test_lists_and_errors_name_the_tasks_that_hold_and_wait():
    x, y = la.zeros(1), la.zeros(1)

    async def want(x):
        async with x.write():
            pass

    async def want_change():
        async with y.write(when=is_set):
            pass

    async def main():
        asyncio.current_task().set_name("holder")
        here = threading.current_thread().name
        async with x.write():
            one = asyncio.create_task(want(x), name="waiter")
            two = asyncio.create_task(want_change(), name="watcher")
            await until(waits(x))
            await until(watched(y))
            assert [(entry.thread, entry.mode) for entry in (*x.lock.holds(), *y.lock.holds())] == [
                (f"task 'holder' of {here}", "write"),
                (f"task 'waiter' of {here}", "write"),
                (f"task 'watcher' of {here}", "change"),
            ]
            assert f"task 'waiter' of {here}" in [entry.thread for entry in la.holds()]
            with pytest.raises(la.LockTimeout, match="held by task 'holder'$"):
                start(x.write(timeout=0.01).acquire).result()
        await one
        y[0] = 1
        await two

    asyncio.run(main())
    with held_elsewhere(x.write()), pytest.raises(la.LockTimeout, match="held by thread '"):
        x.write(timeout=0).acquire()


# -- guards with a predicate -----------------------------------------------------------------------


def watched(x):
    return lambda: [entry for entry in x.lock.holds() if entry.mode == "change"] != []


async def write_by_guard(x, value):
    async with x.write() as raw:
        raw[0] = value


WHENS = {
    "write": lambda x, when, **more: x.write(when=when, **more),
    "read": lambda x, when, **more: x.read(when=when, **more),
    "acquire": lambda x, when, **more: la.acquire(
        write=la.zeros(2), read=x, when=lambda both: when(both[1]), **more
    ),
}
whens = pytest.mark.parametrize("guard", WHENS.values(), ids=WHENS)


def is_set(raw):
    return raw[0] > 0


@whens
def test_task_waits_for_a_change_and_its_loop_does_not(guard):
    x = la.zeros(2)
    asked = []

    def when(raw):
        asked.append(raw[0])
        with pytest.raises(ValueError, match="read-only"):
            raw[0] = 7
        return raw[0] > 0

    async def want():
        async with guard(x, when) as raw:
            raw = raw[1] if isinstance(raw, tuple) else raw
            return raw[0], raw.flags.writeable

    async def main():
        for write in (lambda: x.__setitem__(0, 1), lambda: start(x.fill, 1).result(), None):
            x[0] = 0
            asked.clear()
            task = asyncio.create_task(want())
            await until(watched(x))
            await settle(20)
            assert asked == [0]  # it does not look by a clock
            x[0] = -1
            await until(lambda: len(asked) == 2)
            if write is None:
                await write_by_guard(x, 1)
            else:
                write()
            assert await task == (1, guard is WHENS["write"])
            assert asked == [0, -1, 1]
            assert free(x)

    asyncio.run(main())


def test_predicate_that_is_true_at_once_is_asked_once():
    x = la.ones(1)
    asked = []

    async def main():
        async with x.write(when=lambda raw: asked.append(1) or True) as raw:
            raw += 1
        assert (x[0], asked) == (2, [1])

    asyncio.run(main())
    assert free(x)


def test_task_waits_for_the_lock_and_then_for_the_predicate():
    x, asked = la.zeros(1), []

    async def want():
        async with x.write(when=lambda raw: asked.append(raw[0]) or raw[0] > 1) as raw:
            raw += 1

    async def main():
        async with x.write() as raw:
            task = asyncio.create_task(want())
            await until(waits(x))
            raw[0] = 1
        await until(watched(x))
        assert asked == [1]
        x[0] = 2
        await task
        assert (x[0], asked) == (3, [1, 2])

    asyncio.run(main())
    assert free(x)


def test_tasks_whose_predicates_are_false_do_not_wake_each_other():
    x, looks = la.zeros(1), []

    async def want(i):
        async with x.write(when=lambda raw: looks.append(i) or raw[0] > i) as raw:
            raw[0] = 0

    async def main():
        async with x.write():
            tasks = [asyncio.create_task(want(i)) for i in range(5)]
            await until(waits(x, 5))  # each gets a place, and leaves it when it is false
        await until(lambda: len(x.lock.holds()) == 5 and watched(x)())
        await settle(50)
        assert len(looks) == 5
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert free(x)


@pytest.mark.skipif(not locks_regions, reason="a region is the whole Buffer there")
def test_writer_of_another_region_does_not_wake_a_task():
    x, asked = la.zeros(4), []

    async def want():
        async with x[:2].read(when=lambda raw: asked.append(1) or raw[0] > 0):
            pass

    async def main():
        task = asyncio.create_task(want())
        await until(watched(x))
        x[2:] = 1
        await settle(20)
        assert asked == [1]
        x[0] = 1
        await task

    asyncio.run(main())


def test_timeout_spans_the_wait_for_the_lock_and_for_the_predicate():
    x = la.zeros(1)

    async def main():
        for timeout in (0, 0.01):
            with pytest.raises(la.LockTimeout, match=f"not true within {timeout}"):
                async with x.write(timeout=timeout, when=is_set):
                    pass
        assert free(x)

    async def taken():
        with pytest.raises(la.LockTimeout, match="not free in time"):
            async with x.write(timeout=0.01, when=is_set):
                pass

    asyncio.run(main())
    with held_elsewhere(x.write()):
        asyncio.run(taken())
    assert free(x)


@whens
def test_cancelled_while_it_waits_for_a_change_leaves_nothing(guard):
    x = la.zeros(2)

    async def want():
        async with guard(x, is_set):
            raise AssertionError("cancelled before")

    async def main():
        for told in (False, True):
            task = asyncio.create_task(want())
            await until(watched(x))
            if told:
                x[0] = 1  # the task is told, and does not know yet
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert free(x)
        assert x[0] == 1

    asyncio.run(main())


def test_what_the_predicate_raises_comes_out_and_nothing_is_held():
    x = la.zeros(1)
    mine = la.LockTimeout("mine")

    def fail(error):
        raise error

    async def main():
        for error in (ZeroDivisionError("no"), mine, asyncio.CancelledError()):
            with pytest.raises(type(error)) as caught:
                async with x.write(when=lambda raw, error=error: fail(error)):
                    pass
            assert caught.value is error
        with pytest.raises(ValueError, match="ambiguous"):
            async with la.zeros(2).read(when=lambda raw: raw > 0):
                pass
        guard = x.read(when=lambda raw: raw[0] > 0 and fail(mine))
        task = asyncio.create_task(guard.__aenter__())
        await until(watched(x))
        x[0] = 1
        with pytest.raises(la.LockTimeout, match="mine"):
            await task
        assert not guard.held

    asyncio.run(main())
    assert free(x)


def test_task_that_holds_a_part_is_told_that_nobody_can_make_it_true():
    x, y = la.zeros(2), la.zeros(1)

    async def main():
        async with x[:1].read():
            with pytest.raises(la.DeadlockError, match="predicate is false"):
                async with x.read(when=is_set):
                    pass
            other = asyncio.create_task(wait_elsewhere())  # holds nothing of it itself
            await until(watched(x))
        x[0] = 1
        await other
        y.freeze()
        with pytest.raises(la.DeadlockError, match="frozen"):
            async with y.read(when=is_set):
                pass

    async def wait_elsewhere():
        async with x.read(when=is_set):
            pass

    asyncio.run(main())
    assert free(x, y)


def test_loop_that_ends_or_is_garbage_gives_up_its_waits_for_changes():
    x = la.zeros(1)

    async def want():
        async with x.write(when=is_set):
            pass

    async def main():
        main.task = asyncio.create_task(want())
        await until(watched(x))

    asyncio.run(main())  # which cancels what is left
    assert free(x)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    task = loop.create_task(want())
    loop.run_until_complete(until(watched(x)))
    loop.close()
    x[0] = 0  # the bell of a closed loop
    del task, loop, main.task
    gc.collect()
    wait_until(lambda: free(x))


def test_tasks_and_threads_hand_values_to_each_other():
    """A box of one value, full or empty, with givers and takers in loops and in threads."""
    box = la.zeros(2)  # whether it is full; the value
    taken = []

    async def give(values):
        for value in values:
            async with box.write(when=lambda raw: raw[0] == 0) as raw:
                raw[:] = 1, value
                await asyncio.sleep(0)

    async def take(count):
        for _ in range(count):
            async with box.write(when=lambda raw: raw[0] == 1) as raw:
                taken.append(raw[1])
                raw[0] = 0

    def give_plainly(values):
        for value in values:
            with box.write(when=lambda raw: raw[0] == 0) as raw:
                raw[:] = 1, value

    def take_plainly(count):
        for _ in range(count):
            with box.write(when=lambda raw: raw[0] == 1) as raw:
                taken.append(raw[1])
                raw[0] = 0

    async def givers():
        await asyncio.gather(give(range(20)), give(range(20, 40)))

    async def takers():
        await asyncio.gather(take(20), take(15))

    calls = [
        start(lambda: asyncio.run(givers())),
        start(lambda: asyncio.run(takers())),
        start(give_plainly, range(40, 60)),
        start(take_plainly, 25),
    ]
    for call in calls:
        call.result()
    assert sorted(taken) == list(range(60))
    assert free(box)


def test_lock_of_others_below_is_looked_at_again_while_a_task_waits_for_a_change():
    below = rwlock.RWLockFair()
    plain = np.zeros(1)
    x = LockedArray(plain, copy=False, lock=below)

    async def want():
        async with x.read(when=is_set) as raw:
            return raw[0]

    async def main():
        task = asyncio.create_task(want())
        await settle(20)
        assert not task.done()
        with below.gen_wlock():
            plain[0] = 1  # its users do not tell
        assert await task == 1

    asyncio.run(main())
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


def test_a_task_is_seen_where_asyncio_is_imported_after_the_first_use():
    run_isolated("""
    import lockedarray as la
    from lockedarray._tasks import running_task
    x = la.zeros(3)
    x[0] = 1
    assert running_task() is None
    import asyncio
    async def main():
        x[0] = 2
        assert running_task() is asyncio.current_task()
    asyncio.run(main())
    """)


@pytest.mark.parametrize("modes", ["w", "ww", "wrw", "wwwrrrwww"])
def test_a_lock_is_not_handed_to_tasks_whose_loop_was_closed(modes):
    x = la.zeros(1)

    async def want(mode):
        async with x.write() if mode == "w" else x.read():
            pass

    async def until_queued():
        while len(queued(x.lock)) < len(modes):
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    with held_elsewhere(x.write()):
        tasks = [loop.create_task(want(mode)) for mode in modes]
        loop.run_until_complete(until_queued())
        loop.close()
    wait_until(lambda: free(x))  # though the tasks are there still
    x.fill(1)
    del tasks
    gc.collect()
    assert x.tolist() == [1]
    assert free(x)
