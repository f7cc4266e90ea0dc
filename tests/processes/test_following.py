"""What another process appends, resizes and removes is seen without an operation that locks."""

import os
import pickle
import sys
import threading

import numpy as np
import pytest

import lockedarray as la
import lockedarray.shared
from lockedarray._shared.buffer import SharedBuffer
from lockedarray._shared.control import Control
from lockedarray._shared.header import Header

pytestmark = pytest.mark.timeout(60)


def _appender(child, x, lines):
    other = child(f"""
        x = la.shared.attach({x.name!r})
        while line := hear(): exec(line); tell('done')
    """)
    for line in lines:
        other.tell(line)
    return other


def _done(other, count=1):
    for _ in range(count):
        assert other.hear() == "done"


SEEN = {
    "len": len,
    "shape": lambda x: x.shape[0],
    "size": lambda x: x.size,
    "nbytes": lambda x: x.nbytes // 8,
    "iteration": lambda x: len(list(x)),
    "slice": lambda x: len(x[:]),
    "ellipsis": lambda x: len(x[...]),
    "slice to the end": lambda x: len(x[-2:]) + len(x[:-2]),
    "transposed": lambda x: len(x.T),
    "reshaped": lambda x: len(x.reshape(-1)),
    "viewed": lambda x: len(x.view()),
    "flat": lambda x: len(x.flat),
    "np.shape": lambda x: np.shape(x)[0],
    "np.size": np.size,
    "__array__": lambda x: len(x.__array__()),
    "element": lambda x: x[-1],
    "element by its index": lambda x: x[x._buffer.control.header.layout()[1].shape[0] - 1],
    "at": lambda x: x.at[-1].get(),
    "list of indices": lambda x: x[[-1]][0],
}


def test_what_asks_for_the_length_sees_the_others_appends(child):
    x = la.shared.ones(3)
    other = _appender(child, x, [])
    for length, (what, ask) in enumerate(SEEN.items(), 4):
        other.tell(f"x.append({length})")
        _done(other)
        assert ask(x) == length, what


def test_a_loop_that_waits_by_len_ends(child):
    x = la.shared.zeros(0)
    other = _appender(child, x, [f"x.append({i})" for i in range(20)])
    while len(x) < 20:
        pass
    assert x.tolist() == list(range(20))
    other.tell("x.resize(4, 5); x.freeze()")
    _done(other, 21)
    assert x.ndim == 2
    assert x.strides == (40, 8)
    assert x.frozen
    with pytest.raises(ValueError, match="frozen"):
        x[0, 0] = 1


def test_views_stay_where_they_are_when_the_length_is_asked_for(child):
    x = la.shared.array(np.arange(4.0))
    view = x[1:3]
    other = _appender(child, x, ["x.popleft(); x.append(np.arange(5000.0))"])
    _done(other)
    assert len(x) == 5003
    assert view.tolist() == [1, 2]
    view[0] = 7
    assert x[0] == 7
    other.tell("x[1] = 8")
    _done(other)
    assert view.tolist() == [7, 8]


def test_threads_that_look_while_another_process_grows_and_others_work(child):
    x = la.shared.zeros(8)
    seen, stop, errors = [], threading.Event(), []

    def look():
        try:
            longest = 0
            while not stop.is_set():
                length = len(x)
                assert length >= longest
                longest = length
                assert x[:length].shape == (length,)
        except BaseException as error:
            errors.append(error)
        seen.append(longest)

    def work():
        try:
            while not stop.is_set():
                x[:8] += 1
                x[0] += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for run in (look, look, work)]
    for thread in threads:
        thread.start()
    other = _appender(child, x, ["for i in range(300): x.append(np.ones(50))"])
    _done(other)
    while len(x) < 15008:
        pass
    stop.set()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert x[8:].sum() == 15000


# -- a queue -----------------------------------------------------------------------------------------


def _bytes_of_segment(x):
    if sys.platform == "linux":
        return os.stat(f"/dev/shm/{x.name}").st_size
    return x._buffer.memory.nbytes


def test_a_queue_that_goes_on_for_ever_takes_no_more_room(child):
    x = la.shared.zeros((0, 16))
    other = _appender(child, x, ["row = x.popleft; total = 0.0"])
    _done(other)
    largest = 0
    for i in range(0, 3000, 10):
        x.append(np.repeat(np.arange(i, i + 10.0), 16).reshape(10, 16))
        if i % 500 == 0:  # both have seen it move to the front
            other.tell("total += x.popleft(5)[:, 0].sum(); assert len(x) == 5")
            _done(other)
            assert x.popleft(5)[:, 0].tolist() == list(range(i + 5, i + 10))
        else:
            assert x.popleft(10)[:, 3].tolist() == list(range(i, i + 10))
        largest = max(largest, _bytes_of_segment(x))
    assert largest < 100 * 16 * 8 + 16384
    other.tell("tell(total)")
    assert float(other.hear()) == sum(sum(range(i, i + 5)) for i in range(0, 3000, 500))


def test_a_queue_with_rows_left_keeps_its_views_and_those_of_other_processes(child):
    x = la.shared.array(np.arange(1000))
    other = _appender(child, x, ["v = x[990:]"])
    _done(other)
    mine = x[990:]
    x.popleft(985)
    before = _bytes_of_segment(x)
    while address_of(x) != x._buffer.memory.address:
        x.append(np.zeros(10, int))
        assert _bytes_of_segment(x) <= before
    assert mine.tolist() == list(range(990, 1000))
    assert x[:15].tolist() == list(range(985, 1000))
    other.tell("tell(v.tolist()); tell(x[:15].tolist()); v[0] = 5")
    assert other.hear() == str(list(range(990, 1000)))
    assert other.hear() == str(list(range(985, 1000)))
    _done(other)
    assert (mine[0], x[5]) == (5, 5)


def test_rows_that_another_process_removed_and_used_again_are_zeros_here_and_nobodys(child):
    x = la.shared.array(np.arange(1000))
    other = _appender(child, x, ["v = x[5:15][::-1]; w = x[8:]; tell(v.tolist())"])
    assert other.hear() == str(list(range(14, 4, -1)))
    _done(other)
    x.popleft(990)
    while address_of(x) != x._buffer.memory.address:
        x.append(np.full(10, 7))
    before = x.tolist()
    other.tell(
        "tell(x.tolist() == " + str(before) + "); tell(v.tolist()); v[:] = 3; w += 4; tell(v[0])"
    )
    assert other.hear() == "True"
    assert other.hear() == str([0] * 10)
    assert other.hear() == "3"
    _done(other)
    assert x.tolist() == before


def test_a_view_that_is_passed_finds_its_rows_where_they_are_by_then():
    x = la.shared.array(np.arange(1000))
    kept, removed = pickle.dumps(x[990:]), pickle.dumps(x[5:15])
    empty = pickle.dumps(x[3:3])
    x.popleft(985)
    while address_of(x) != x._buffer.memory.address:
        x.append(np.full(10, 7))
    view = pickle.loads(kept)
    assert view.tolist() == list(range(990, 1000))
    view[0] = 3
    assert x[5] == 3
    with pytest.raises(ValueError, match="removed"):
        pickle.loads(removed)
    assert pickle.loads(empty).shape == (0,)


def test_rows_that_were_removed_and_are_shown_here_are_left_alone():
    x = la.shared.array(np.arange(1000))
    view, reversed_one = x[:10], x[20:30][::-1]
    x.popleft(900)
    for _ in range(100):
        x.append(np.full(50, -1))
    assert view.tolist() == list(range(10))
    assert reversed_one.tolist() == list(range(29, 19, -1))
    assert x[:100].tolist() == list(range(900, 1000))


def address_of(array):
    return array.__array_interface__["data"][0]


def test_a_guard_that_waited_while_its_rows_were_removed_does_not_write_to_others(child):
    x = la.shared.array(np.arange(1000))
    lines = [
        "import threading; wakes = threading.Condition(x.lock)",
        "wake = lambda: (hear(), wakes.acquire(), wakes.notify(), wakes.release())",
        "thread = threading.Thread(target=wake)",
    ]
    other = _appender(child, x, lines)
    _done(other, len(lines))
    other.tell(
        "with x[:2].write() as raw: tell('waits'); thread.start(); wakes.wait(); "
        "tell(raw.tolist()); raw[:] = -5; tell(raw.tolist())"
    )
    assert other.hear() == "waits"
    x.popleft(990)
    while address_of(x) != x._buffer.memory.address:
        x.append(np.zeros(10, int))
    other.tell("now")
    assert other.hear() == str([0, 0])
    assert other.hear() == str([-5, -5])
    _done(other)
    assert x[:10].tolist() == list(range(990, 1000))


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x.append(7.0),
        lambda x: x.append(np.ones(5000)),
        lambda x: x.popleft(2),
        lambda x: x.resize(2),
        lambda x: x.assign([7.0, 8.0]),
        lambda x: x.assign(np.ones(5)),
        lambda x: x.assign(np.ones(5000)),
    ],
    ids=["append", "append many", "popleft", "resize", "assign", "assign more", "assign many"],
)
def test_change_of_which_others_cannot_be_told_is_undone(act, monkeypatch):
    x = la.shared.array(np.arange(4.0))

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(Control, "change", fail)
    with pytest.raises(MemoryError):
        act(x)
    monkeypatch.undo()
    assert x.tolist() == [0, 1, 2, 3]
    x.append(9)
    assert x.tolist() == [0, 1, 2, 3, 9]
    x.unlink()


def _untold(monkeypatch, which):
    """Have this process fail as it tells the others: before it has, or amid."""

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(*which, fail)


@pytest.mark.parametrize("amid", [False, True], ids=["before", "amid"])
def test_freezing_of_which_others_cannot_be_told_is_whole_or_none(amid, child, monkeypatch):
    x = la.shared.array(np.arange(4.0))
    other = child(
        f"""
        x = la.shared.attach({x.name!r})
        x[0] = 5
        tell("in")
        hear()
        try:
            x[1] = 6
        except ValueError:
            tell("frozen")
        else:
            tell("written")
        """
    )
    assert other.hear() == "in"
    if amid:
        _untold(monkeypatch, (SharedBuffer.__mro__[1], "freeze"))
    else:
        _untold(monkeypatch, (Control, "change"))
    with pytest.raises(MemoryError):
        x.freeze()
    monkeypatch.undo()
    other.tell()
    assert other.hear() == ("frozen" if amid else "written")
    assert x.frozen is amid
    assert x.tolist() == [5, 1 if amid else 6, 2, 3]
    other.end()
    x.unlink()


def test_assignment_is_told_though_it_was_struck_amid_the_telling(child, monkeypatch):
    x = la.shared.array(np.arange(4.0))
    other = child(f"x = la.shared.attach({x.name!r}); tell(x.tolist()); hear(); tell(x.tolist())")
    assert other.hear() == str([0.0, 1.0, 2.0, 3.0])
    change = Header.change

    def changes_and_fails(header, layout):
        change(header, layout)
        raise KeyboardInterrupt

    monkeypatch.setattr(Header, "change", changes_and_fails)
    with pytest.raises(KeyboardInterrupt):
        x.assign([7.0, 8.0])
    monkeypatch.undo()
    assert x.tolist() == [7, 8]
    other.tell()
    assert other.hear() == str([7.0, 8.0])
    other.end()
    x.unlink()
