"""la.holds(): who holds and waits for what, over all locks."""

import os
import threading

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import held_elsewhere, run_isolated
from threads import start, wait_until


@pytest.fixture(autouse=True)
def no_earlier_ones(monkeypatch):
    """Leave out what tests before this one have left held in this thread."""
    everything = la.holds
    earlier = {entry.array for entry in everything()}

    def holds():
        found = everything()
        return type(found)(entry for entry in found if entry.array not in earlier)

    monkeypatch.setattr(la, "holds", holds)


def of(*arrays):
    """What `la.holds` tells of the locks of these arrays, by (thread, mode, waiting)."""
    labels = {f"lock {array.lock.serial}" for array in arrays}
    return [
        (entry.thread, entry.mode, entry.waiting) for entry in la.holds() if entry.array in labels
    ]


def test_holds_tells_of_every_lock_that_is_held_and_of_no_other():
    x, y, idle = la.zeros(4), la.zeros(4), la.zeros(4)
    me = threading.current_thread().name
    with x.write(), y.read():
        assert of(x) == [(me, "write", False)]
        assert of(y) == [(me, "read", False)]
        assert of(idle) == []
        assert [entry.waited for entry in la.holds()] == [None, None]
    assert la.holds() == []
    assert str(la.holds()) == "no lock is held or waited for"


def test_holds_tells_who_waits_and_how_long():
    x = la.zeros(4)
    with held_elsewhere(x.write()) as holder:
        waiter = start(x.sum)
        assert waiter.waits_for(x.lock) == "read"
        entries = la.holds()
        assert of(x) == [(holder.name, "write", False), (waiter.name, "read", True)]
        first, second = entries
        wait_until(lambda: la.holds()[1].waited > second.waited)
        assert first.waited is None
        assert second.waited >= 0
        text = str(entries)
        assert holder.name in text
        assert f"{waiter.name}" in text
        assert "waits to read" in text
    assert waiter.result() == 0


def test_holds_tells_of_parts_of_arrays_and_of_several_arrays():
    x, y = la.zeros(8), la.zeros(8)
    with la.acquire(write=x[2:4], read=y):
        entries = la.holds()
    assert [entry.mode for entry in entries] == ["write", "read"]
    if la.backend == "native":
        assert entries[0][-2:] == (16, 32)


def test_holds_tells_of_lock_objects_and_of_locks_below():
    below = rwlock.RWLockFair()
    x = la.LockedArray(np.zeros(3), lock=below)
    with below.gen_wlock():
        waiter = start(x.sum)
        wait_until(lambda: of(x) == [(waiter.name, "read", True)])
        assert la.holds()[0].waited >= 0
    waiter.result()
    with x.lock.gen_rlock():
        assert [mode for _, mode, _ in of(x)] == ["read"]
    assert la.holds() == []


def test_holds_tells_who_waits_for_a_change_of_what_nobody_holds():
    x = la.zeros(4)
    waiter = start(x.wait_for, lambda raw: raw[0] > 0)
    wait_until(lambda: of(x) == [(waiter.name, "change", True)])
    (entry,) = la.holds()
    assert 0 <= entry.waited < 3600
    x[0] = 1
    waiter.result()
    wait_until(lambda: la.holds() == [])


def test_holds_tells_of_each_part_that_a_thread_waits_for_since_when():
    x = la.zeros(400)
    for _ in range(3):  # what waited before is not told
        with held_elsewhere(x.write()):
            waiter = start(lambda: la.acquire(read=(x[:4], x[100:104], x[200:204])).acquire())
            wait_until(lambda: [entry for entry in la.holds() if entry.waiting])
            assert all(0 <= entry.waited < 3600 for entry in la.holds() if entry.waiting)
        waiter.result()


def test_holds_beside_threads_that_take_and_give_back():
    arrays = [la.zeros(3) for _ in range(4)]
    stop = threading.Event()

    def work(i):
        while not stop.is_set():
            with la.acquire(write=arrays[i], read=arrays[(i + 1) % 4]):
                arrays[i].sum()  # threads may change places here

    workers = [start(work, i) for i in range(4)]
    serials = {f"lock {array.lock.serial}" for array in arrays}
    try:
        wait_until(lambda: serials & {entry.array for entry in la.holds()})
        for _ in range(300):
            assert {entry.array for entry in la.holds()} <= serials
    finally:
        stop.set()
    for worker in workers:
        worker.result()
    assert la.holds() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_holds_in_a_forked_child_tells_of_its_own_thread_alone():
    run_isolated(
        """
        import os, threading, warnings
        import lockedarray as la
        warnings.simplefilter("ignore")
        x, y = la.zeros(2), la.zeros(2)
        held, done = threading.Event(), threading.Event()
        def hold():
            with y.write():
                held.set(); done.wait()
        thread = threading.Thread(target=hold, daemon=True); thread.start(); held.wait()
        with x.write():
            assert len(la.holds()) == 2
            pid = os.fork()
            if pid == 0:
                os._exit(0 if [e.array for e in la.holds()] == [f"lock {x.lock.serial}"] else 1)
            assert os.waitpid(pid, 0)[1] == 0
        done.set()
        thread.join()
        """
    )
