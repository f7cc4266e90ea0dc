"""The end of an array between processes: what close() takes with it, and what stands in its way."""

import copy
import gc
import os
import pickle
import sys
import threading

import numpy as np
import pytest

import lockedarray as la
import lockedarray.shared
from lockedarray._shared.buffer import SharedBuffer

pytestmark = pytest.mark.timeout(60)

USES = {
    "element": lambda x: x[0],
    "elements": lambda x: x[[0, 1]],
    "slice": lambda x: x[1:],
    "assignment": lambda x: x.__setitem__(0, 1),
    "slice assignment": lambda x: x.__setitem__(slice(None), 1),
    "len": len,
    "iteration": list,
    "shape": lambda x: x.shape,
    "size": lambda x: x.size,
    "ndim": lambda x: x.ndim,
    "nbytes": lambda x: x.nbytes,
    "strides": lambda x: x.strides,
    "flags": lambda x: x.flags,
    "transposed": lambda x: x.T,
    "flat": lambda x: x.flat,
    "reshape": lambda x: x.reshape(-1),
    "view": lambda x: x.view(),
    "view as": lambda x: x.view("u8"),
    "operator": lambda x: x + 1,
    "augmented": lambda x: x.__iadd__(1),
    "comparison": lambda x: x == x,
    "sum": lambda x: x.sum(),
    "function": np.median,
    "function of the shape": np.shape,
    "function that makes views": np.flip,
    "at": lambda x: x.at[0].get(),
    "at add": lambda x: x.at[0].add(1),
    "append": lambda x: x.append(1),
    "popleft": lambda x: x.popleft(),
    "assign": lambda x: x.assign([1]),
    "resize": lambda x: x.resize(7),
    "freeze": lambda x: x.freeze(),
    "frozen": lambda x: x.frozen,
    "flush": lambda x: x.flush(),
    "snapshot": lambda x: x.snapshot(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "read": lambda x: x.read().acquire(),
    "write": lambda x: x.write(timeout=1).acquire(),
    "acquire": lambda x: la.acquire(write=x).acquire(),
    "wait_for": lambda x: x.wait_for(lambda raw: True),
    "recover": lambda x: x.recover().__enter__(),
    "lock": lambda x: x.lock.acquire(),
}


def test_each_use_of_a_closed_array_says_so_also_when_it_is_attached_again():
    x = la.shared.ones(3)
    name, lock = x.name, x.lock
    x.close()
    again = None
    for _ in range(2):
        for what, use in USES.items():
            with pytest.raises(ValueError, match="closed"):
                use(x)
                pytest.fail(what)
        assert "closed" in repr(x)
        assert "closed" in str(x)
        assert x.name == name
        if again is None:
            again = la.shared.attach(name)
            again.append(5)
            assert again is not x
    assert again.tolist() == [1, 1, 1, 5]
    with pytest.raises(ValueError, match="closed"):
        lock.acquire()
    again[0] = 2
    with again.write() as raw:
        raw[1] = 3
    assert again.tolist() == [2, 3, 1, 5]


@pytest.mark.parametrize("what", ["len", "sum", "element", "snapshot", "assignment", "append"])
def test_no_other_thread_finds_an_array_without_elements_while_one_closes_it(what, monkeypatch):
    x = la.shared.ones(3)
    use = {**USES, "sum": lambda x: float(x.sum())}[what]
    found = []

    def look():
        try:
            found.append(use(x))
        except Exception as problem:
            found.append(problem)

    other = threading.Thread(target=look)

    def in_the_middle(buffer, trim=SharedBuffer._trim):
        other.start()
        other.join(0.3)
        trim(buffer)

    monkeypatch.setattr(SharedBuffer, "_trim", in_the_middle)
    x.close()
    other.join()
    assert isinstance(found[0], ValueError), found
    assert "closed" in str(found[0])
    assert la.shared.attach(x.name).tolist() == [1, 1, 1]


def test_raw_views_that_were_given_back_are_in_nobodys_way():
    x = la.shared.ones(3)
    raws = []
    for _ in range(4):
        with x.write() as raw:
            raws.append(raw)
        with x.read() as raw:
            raws.append(raw)
    with la.acquire(write=x) as raw:
        raws.append(raw)
    x.close()
    for raw in raws:
        assert raw.tolist() == [1, 1, 1]
        with pytest.raises(ValueError):
            raw[0] = 2
        with pytest.raises(ValueError):
            raw.setflags(write=True)


def test_close_tells_what_is_in_its_way():
    x = la.shared.ones(3)
    with x.write() as raw:
        part = raw[1:]
    with pytest.raises(BufferError, match=r"plain arrays live.*views of what a guard yielded"):
        x.close()
    assert part.tolist() == [1, 1]
    assert x.tolist() == [1, 1, 1]
    del part
    with x.read(), pytest.raises(BufferError, match="guard"):
        x.close()
    x.close()


def test_copies_do_not_have_the_name_of_the_segment():
    x = la.shared.ones(3)
    for twin in (copy.copy(x), copy.deepcopy(x), copy.copy(x[1:])):
        assert twin.name is None
        assert x.name not in repr(twin.lock)
    assert x[1:].name == x.name


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_arrays_that_are_dropped_leave_no_descriptors_and_no_mappings():
    def held():
        gc.collect()
        with open("/proc/self/maps") as maps:
            return len(os.listdir("/proc/self/fd")), sum("/la-" in line for line in maps)

    la.shared.zeros(3)[0] = 1
    before = held()
    for number in range(300):
        x = la.shared.zeros(3)
        x[0] += 1
        x.append(number)
        with x.write() as raw:
            raw[1] = 1
        assert la.shared.attach(x.name) is x
        x.unlink()
        if number % 3 == 0:
            x.close()
        del x, raw
    assert held() <= before
