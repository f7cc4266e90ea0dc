"""What holds between threads holds between processes: passing arrays, waiting, and ends of all kinds."""

import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest

import lockedarray as la
import lockedarray.shared
from threads import DEADLINE, start, wait_until
from workers import Labelled, relabel, shape_of

pytestmark = pytest.mark.timeout(100)


# -- passing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_pool_gets_views_and_subclasses_as_they_are(method):
    x = la.shared.array(np.arange(24).reshape(4, 6))
    labelled = x.view(Labelled)[1]
    labelled.label = "a"
    views = [x[1:3, ::2], x[::-1, 4:0:-3], x.T[5], x[2:2]]
    with multiprocessing.get_context(method).Pool(1) as pool:
        for view, found in zip(views, pool.map(shape_of, views, chunksize=1), strict=True):
            if view.size:
                assert found == shape_of(view)
            else:
                assert found[:2] == ("LockedArray", (0, 6))
        assert pool.apply(relabel, (labelled,)) == ("Labelled", "a!")
    assert x[1, 0] == 7
    assert labelled.label == "a"


# -- who waits ---------------------------------------------------------------------------------------


def waits(x, child):
    """Return once a child waits for x, as far as that can be seen from here."""
    if os.environ["LOCKEDARRAY_SHARED"] == "robust":
        name = f"process {child.process.pid}"
        wait_until(lambda: any(h.waiting and h.thread == name for h in x.lock.holds()))


@pytest.mark.parametrize(
    ("held", "outcome"), [("write", "PoisonedError"), ("read", "wrote"), ("recover", "PoisonedError")]
)  # fmt: skip
def test_who_waits_for_a_process_is_told_when_it_dies(child, held, outcome):
    x = la.shared.zeros(3)
    holder = child(f"x = la.shared.attach({x.name!r})\nwith x.{held}(): tell('in'); hear()")
    assert holder.hear() == "in"
    waiter = child(f"""
        x = la.shared.attach({x.name!r}); tell("waits")
        try:
            with x.write(timeout={DEADLINE}) as raw: raw[0] = 1; tell("wrote")
        except la.PoisonedError as error: tell(type(error).__name__)
    """)
    assert waiter.hear() == "waits"
    waits(x, waiter)
    holder.kill()
    assert waiter.end() == outcome


def test_the_death_of_who_waits_harms_nobody(child):
    x = la.shared.zeros(3)
    with x.write() as raw:
        waiter = child(f"x = la.shared.attach({x.name!r}); tell('waits'); x[0] = 1")
        other = child(
            f"x = la.shared.attach({x.name!r}); tell('waits'); x[1] = 2; tell(x.tolist())"
        )
        for each in waiter, other:
            assert each.hear() == "waits"
            waits(x, each)
        waiter.kill()
        raw[2] = 3
    assert other.end() == "[0.0, 2.0, 3.0]"


def test_a_stopped_process_is_no_dead_one(child):
    x = la.shared.zeros(3)
    holder = child(f"""
        x = la.shared.attach({x.name!r})
        with x.write() as raw: raw[0] = 1; tell("in"); hear(); raw[1] = 2
    """)
    assert holder.hear() == "in"
    holder.process.send_signal(signal.SIGSTOP)
    with pytest.raises(la.LockTimeout):
        x.read(timeout=0.05).acquire()
    holder.process.send_signal(signal.SIGCONT)
    holder.tell()
    with x.read(timeout=DEADLINE) as raw:
        assert raw.tolist() == [1, 2, 0]
    holder.end()


def test_a_thread_that_ends_in_a_guard_gives_it_back(child):
    x = la.shared.zeros(3)
    other = child(f"""
        import threading
        x = la.shared.attach({x.name!r}); guard = x.write()
        def end(): guard.acquire()[0] = 1
        thread = threading.Thread(target=end); thread.start(); thread.join()
        tell("ended"); hear()
    """)
    assert other.hear() == "ended"
    with x.write(timeout=DEADLINE) as raw:
        raw[1] = 2
    assert x.tolist() == [1, 2, 0]
    other.tell()
    other.end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_end_of_a_forks_child_gives_back_nothing_of_its_parent(child):
    x = la.shared.zeros(3)
    held, done = threading.Event(), threading.Event()

    def hold():
        with x[1:].write() as raw:
            raw[0] = 1
            held.set()
            assert done.wait(DEADLINE)
            raw[1] = 2

    holder = start(hold)
    assert held.wait(DEADLINE)
    with x[:1].read() if os.environ["LOCKEDARRAY_SHARED"] == "robust" else threading.Lock():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        other = child(f"""
            x = la.shared.attach({x.name!r})
            try: x.write(timeout=0.05).acquire()
            except la.LockTimeout: tell("held")
        """)
        assert other.end() == "held"
    done.set()
    holder.result()
    assert x.tolist() == [0, 1, 2]


# -- waiting for a change ----------------------------------------------------------------------------


def test_a_guard_waits_for_what_another_process_writes(child):
    x, y = la.shared.zeros(3), la.shared.zeros(3)
    head = f"x, y = la.shared.attach({x.name!r}), la.shared.attach({y.name!r})"
    waiters = [
        child(f"""
            {head}; tell("in")
            with {guard} as raw: {act}
            tell("done")
        """)
        for guard, act in [
            (f"x.write(timeout={DEADLINE}, when=lambda a: a[0] == 1)", "raw[0] = 2"),
            (f"x.read(timeout={DEADLINE}, when=lambda a: a[0] == 2)", "y[2] = raw[0]"),
            (f"la.acquire(write=y, read=x, timeout={DEADLINE}, when=lambda p: p[1][0] == 2)", "raw[0][1] = raw[1][0]"),
        ]
    ]  # fmt: skip
    for waiter in waiters:
        assert waiter.hear() == "in"
    waits(x, waiters[0])
    x[0] = 1
    for waiter in waiters:
        assert waiter.end() == "done"
    assert x.tolist() == [2, 0, 0]
    assert y.tolist() == [0, 2, 2]


def test_who_waits_to_write_is_refused_where_another_process_freezes(child):
    x = la.shared.zeros(3)
    with x.write():
        other = child(f"""
            x = la.shared.attach({x.name!r}); tell("waits")
            try: x[0] = 1
            except ValueError as error: tell(error)
        """)
        assert other.hear() == "waits"
        waits(x, other)
        x.freeze()
    assert "frozen" in other.end()


# -- several arrays ----------------------------------------------------------------------------------


def test_several_arrays_are_taken_in_one_order_by_all_processes(child):
    x, y = la.shared.zeros(1, int), la.shared.zeros(1, int)
    program = """
        first, second = la.shared.attach({!r}), la.shared.attach({!r})
        tell("in"); hear()
        for _ in range(200):
            with la.acquire(write=(first, second), timeout=60) as (one, other):
                assert one[0] == other[0]
                one += 1
                other += 1
    """
    others = [child(program.format(*names)) for names in [(x.name, y.name), (y.name, x.name)]]
    for other in others:
        assert other.hear() == "in"
    for other in others:
        other.tell()
    for other in others:
        other.end()
    assert x[0] == y[0] == 400


def test_a_death_in_several_arrays_poisons_each_of_them(child):
    x, y, z = la.shared.zeros(1), la.shared.zeros(1), la.shared.zeros(1)
    victim = child(f"""
        x, y, z = map(la.shared.attach, {(x.name, y.name, z.name)!r})
        with la.acquire(write=(x, y), read=z) as ((raw, _), _): raw[0] = 1; os._exit(0)
    """)
    victim.process.wait(DEADLINE)
    z[0] = 1
    for array in x, y:
        with pytest.raises(la.PoisonedError):
            la.acquire(read=(array, z)).acquire()
        with array.recover():
            pass
    with la.acquire(write=(x, y, z), timeout=0) as raws:
        assert [float(raw[0]) for raw in raws] == [1, 0, 1]


# -- watching ----------------------------------------------------------------------------------------


def test_a_trace_tells_of_waits_for_other_processes(child):
    x = la.shared.zeros(3)
    other = child(f"x = la.shared.attach({x.name!r})\nwith x.write(): tell('in'); hear()")
    assert other.hear() == "in"
    with la.tracing() as trace:
        writer = start(lambda: x.__setitem__(0, 1))
        assert writer.waits_for(x.lock) == "write"
        other.tell()
        writer.result()
    (row,) = [row for row in trace.rows if x.name in row.array]
    assert (row.mode, row.waits) == ("write", 1)
    assert row.locks >= 1  # record locks are looked at again
    other.end()
