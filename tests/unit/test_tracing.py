"""la.tracing(): who takes locks, who waits for them, where in the program, and how long."""

import inspect
import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import held_elsewhere
from lockedarray._guards.observing import add_observer, remove_observer
from threads import start, together


def here(offset=0):
    """The number of the line that calls, and so many more."""
    return inspect.currentframe().f_back.f_lineno + offset


def of(trace, array):
    """The rows of one array."""
    return [row for row in trace.rows if row.array == f"lock {array.lock.serial}"]


def counts(rows):
    return {(row.mode, row.line): (row.locks, row.waits) for row in rows}


def test_a_trace_counts_locks_by_array_mode_and_line():
    x, y = la.zeros(8), la.zeros(8)
    with la.tracing() as trace:
        for _ in range(3):
            x[0] = 1
        x.sum()
        x[2:4] *= 2
        y.read().acquire()
        line = here()
    assert counts(of(trace, x)) == {
        ("write", line - 4): (3, 0),
        ("read", line - 3): (1, 0),
        ("write", line - 2): (1, 0),
    }
    assert counts(of(trace, y)) == {("read", line - 1): (1, 0)}
    assert {row.file for row in trace.rows} == {__file__}
    assert all(row.waited == 0 for row in trace.rows)


def hold_its_lock(x):
    with x.lock:
        pass


def test_an_augmented_assignment_is_one_lock_of_its_line():
    x = la.zeros(8)
    truth = la.zeros(8, dtype=bool)
    index = [0, 1]
    with la.tracing() as trace:
        for _ in range(3):
            x[0] += 1
        x[index] += 1
        x.flat[2] += x[3]
        x[index[0]] = x[1] + 1
        truth[0] |= True
        line = here()
    assert counts(of(trace, x)) == {
        ("write", line - 5): (3, 0),
        ("write", line - 4): (1, 0),
        ("write", line - 3): (1, 0),
        ("read", line - 3): (1, 0),
        ("write", line - 2): (1, 0),
        ("read", line - 2): (1, 0),
    }
    assert counts(of(trace, truth)) == {("write", line - 1): (1, 0)}


OPERATIONS = {
    "element": lambda x: x[0],
    "store": lambda x: x.__setitem__(0, 1),
    "slice": lambda x: x.__setitem__(slice(2), 1),
    "list": lambda x: x[[0, 1]],
    "method": lambda x: x.sort(),
    "ufunc": lambda x: np.add(x, 1, out=x),
    "function": lambda x: np.median(x),
    "at": lambda x: x.at[0].add(1),
    "flat": lambda x: x.flat[1],
    "several": lambda x: np.add(x[:2], la.ones(2), out=x[2:4]),
    "snapshot": lambda x: x.snapshot(),
    "resize": lambda x: x.resize(5),
    "guard": lambda x: x.write().__enter__(),
    "acquire": lambda x: la.acquire(write=x, read=la.ones(1)).acquire(),
    "lock object": lambda x: x.lock.gen_wlock().acquire(),
    "lock itself": hold_its_lock,
    "append": lambda x: x.append(1),
    "popleft": lambda x: x.popleft(),
}


@pytest.mark.parametrize("act", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_trace_sees_every_way_to_take_a_lock(act):
    x = la.zeros(4)
    with la.tracing() as trace:
        kept = act(x)
    # A resize that has to move the memory finds that out under the lock, and takes it again.
    most = 2 if act in (OPERATIONS["resize"], OPERATIONS["append"]) else 1
    assert 1 <= sum(row.locks for row in of(trace, x)) <= most, (trace.rows, kept)


def test_a_trace_sees_the_locks_below():
    x = la.LockedArray(np.zeros(3), lock=rwlock.RWLockFair())
    with la.tracing() as trace:
        x.sum()
        x[0] = 1
    assert [(row.mode, row.locks) for row in sorted(of(trace, x), key=lambda row: row.line)] == [
        ("read", 1),
        ("write", 1),
    ]


def test_a_wait_is_counted_with_its_time_and_with_the_line_it_was_behind():
    x = la.zeros(4)
    taken, let_go = threading.Event(), threading.Event()

    def hold():
        with x.write():
            taken.set()
            let_go.wait()

    holding = hold.__code__.co_firstlineno + 1
    with la.tracing() as trace:
        holder = start(hold)
        taken.wait()
        waiter = start(lambda: x.sum())
        waiting = here(-1)
        waiter.waits_for(x.lock)
        let_go.set()
        waiter.result()
        holder.result()
    rows = {row.line: row for row in of(trace, x)}
    assert (rows[waiting].locks, rows[waiting].waits) == (1, 1)
    assert (rows[holding].locks, rows[holding].waits) == (1, 0)
    assert 0 < rows[waiting].waited <= trace.seconds  # it may take a while to wake
    assert 0 < rows[holding].held <= trace.seconds
    assert rows[waiting].behind == f"{__file__}:{holding}"
    assert rows[holding].behind == ""
    assert trace.rows[0] == rows[waiting]  # the longest wait is first
    text = str(trace)
    assert f"test_tracing.py:{waiting}  test_tracing.py:{holding}" in text
    assert "3 threads" not in text
    assert "2 threads" in text


def test_a_wait_that_gives_up_is_counted_and_takes_no_lock():
    x = la.zeros(4)
    with held_elsewhere(x.write()):
        with la.tracing() as trace:
            with pytest.raises(la.LockTimeout):
                x.write(timeout=1e-3).acquire()
    (row,) = of(trace, x)
    assert (row.locks, row.waits) == (0, 1)
    assert row.waited > 0  # it is measured from a little later on than the timeout


def test_counts_of_many_threads_add_up():
    x, y = la.zeros(4), la.zeros(4)

    def work():
        for _ in range(200):
            x.at[0].add(1)
            with la.acquire(write=y, read=x):
                pass

    with la.tracing() as trace:
        together(*[work] * 4)
    assert sum(row.locks for row in of(trace, x)) == 1600
    assert sum(row.locks for row in of(trace, y)) == 800
    assert x[0] == 800


def test_traces_overlap_and_each_sees_its_own_time():
    x = la.zeros(4)
    with la.tracing() as outer:
        x.sum()
        with la.tracing() as inner:
            x.sum()
        x.sum()
    x.sum()
    assert sum(row.locks for row in of(outer, x)) == 3
    assert sum(row.locks for row in of(inner, x)) == 1
    with pytest.raises(RuntimeError, match="made once"):
        inner.__enter__()


def test_a_trace_can_be_looked_at_while_it_runs_and_keeps_no_array():
    with la.tracing() as trace:
        assert "no locks" in str(trace)
        x = la.zeros(4)
        x.sum()
        assert sum(row.locks for row in of(trace, x)) == 1
        assert "under way" in repr(trace)
    assert "ended" in repr(trace)
    lock = x.lock
    references = sys.getrefcount(lock)
    del trace
    assert sys.getrefcount(lock) == references


def test_events_are_limited_and_the_counts_go_on():
    x = la.zeros(4)
    with la.tracing(events=5) as trace:
        for _ in range(20):
            with x.read():
                pass
    assert sum(row.locks for row in of(trace, x)) == 20
    assert trace.dropped == 15
    assert "15 holds and waits are not in plot() and save()" in str(trace)
    for wrong, error in ((-1, ValueError), ("1", TypeError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(error, match="events"):
            la.tracing(events=wrong)


def test_a_saved_trace_has_events_for_holds_and_for_waits(tmp_path):
    x = la.zeros(4)
    with la.tracing() as trace:
        with held_elsewhere(x.write()) as holder:
            waiter = start(lambda: x.sum())
            waiter.waits_for(x.lock)
        waiter.result()
    trace.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert {holder.name, waiter.name} <= set(names.values())
    label = f"lock {x.lock.serial}"
    spans = {
        (event["cat"], event["name"], names[event["tid"]]): event
        for event in events
        if event["ph"] == "X"
    }
    hold = spans["hold", f"write {label}", holder.name]
    wait = spans["wait", f"wait to read {label}", waiter.name]
    assert wait["args"]["array"] == label
    assert wait["args"]["thread"] == waiter.name
    assert wait["args"]["line"].startswith(__file__)
    assert 0 <= hold["ts"] <= wait["ts"]
    assert wait["dur"] > 0


def test_a_plot_has_a_lane_for_each_thread(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    x = la.zeros(4)
    with la.tracing() as trace:
        with held_elsewhere(x.write()) as holder:
            waiter = start(lambda: x.sum())
            waiter.waits_for(x.lock)
        waiter.result()
    ax = trace.plot(tmp_path / "trace.png")
    assert {label.get_text() for label in ax.get_yticklabels()} == {holder.name, waiter.name}
    assert (tmp_path / "trace.png").stat().st_size > 0
    assert trace.plot(ax=ax) is ax


def test_a_plot_without_matplotlib_says_how_to_get_it():
    program = (
        "import sys; sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "import lockedarray as la\n"
        "with la.tracing() as trace: la.zeros(3).sum()\n"
        "try: trace.plot()\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'lockedarray[plot]'" in done.stdout, done.stderr


class Struck(Exception):
    pass


class Striking:
    """An observer in which a signal strikes."""

    def __init__(self, where):
        self.where = where

    def strike(self, where):
        if where == self.where:
            self.where = None
            signal.raise_signal(signal.SIGINT)

    def taken(self, *_):
        self.strike("taken")

    def waited(self, *_):
        self.strike("waited")

    def given(self, *_):
        self.strike("given")


def hold_to_write(x):
    with x.write():
        pass


@pytest.mark.parametrize("where", ["taken", "given"])
@pytest.mark.parametrize("act", [la.LockedArray.sum, hold_to_write, hold_its_lock])
def test_what_strikes_in_an_observer_is_raised_and_leaves_no_lock_held(where, act):
    x = la.zeros(4)

    def handler(*_):
        raise Struck

    before = signal.signal(signal.SIGINT, handler)
    striking = Striking(where)
    add_observer(striking)
    try:
        with pytest.raises(Struck):
            act(x)
            x[0] = 1
            x.snapshot()
            len([1])
    finally:
        remove_observer(striking)
        signal.signal(signal.SIGINT, before)
    assert striking.where is None
    assert x.lock.holds() == []
