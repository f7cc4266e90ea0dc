"""Names of arrays: where they show, and what has which name."""

import copy
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from lockedarray import LockedArray
from threads import start


def without_addresses(text):
    return re.sub(r"0x[0-9a-f]+", "...", text)


def shown(lock):
    return without_addresses(repr(lock))


def test_the_lock_shows_the_name():
    x = la.zeros(3, name="frames")
    assert shown(x.lock) == "<unlocked RegionLock object of 'frames' at ...: free>"
    with x.write():
        assert shown(x.lock).startswith(
            "<unlocked RegionLock object of 'frames' at ...: [HeldLock("
        )
    assert x.lock.name == "frames"
    assert repr(la.zeros(3).lock).split()[3].isdecimal()


def test_views_have_the_name_of_their_array():
    x = la.zeros((2, 3), name="frames")
    for view in (x[1:], x.T, x.view("i8"), x.real, LockedArray(x, copy=False), x.reshape(6)):
        assert view.name == "frames"
    assert np.zeros(3, like=x).name is None
    assert LockedArray(x).name is None
    assert LockedArray(np.zeros(3)).view(LockedArray).name is None


def test_a_name_is_not_set_afterwards():
    x = la.zeros(3)
    with pytest.raises(AttributeError):
        x.name = "frames"
    with pytest.raises(AttributeError):
        x.lock.name = "frames"
    assert (x.name, x.lock.name) == (None, None)


def test_a_str_of_another_class_is_taken_as_a_str():
    class Name(str):
        def __repr__(self):
            raise AssertionError

    x = la.zeros(1, name=Name("frames"))
    assert type(x.name) is str
    assert "'frames'" in repr(x.lock)
    assert type(la.zeros(1, name=np.str_("a")).name) is str
    assert la.zeros(1, name="").name == ""
    assert la.zeros(1, name="it's\n").lock.name == "it's\n"


def test_a_lock_has_its_own_name_or_that_of_the_first_array_with_one():
    lock = la.RegionLock(name="state")
    x = la.zeros(1, lock=lock, name="frames")
    assert (x.name, lock.name) == ("frames", "state")
    x, y = la.zeros(1), la.zeros(1)
    a, b = la.zeros(1, lock=x.lock, name="a"), la.zeros(1, lock=x.lock, name="b")
    assert [array.name for array in (x, y, a, b)] == [None, None, "a", "b"]
    assert shown(x.lock) == "<unlocked RegionLock object of 'a' at ...: free>"
    below = rwlock.RWLockFair()
    z = la.zeros(1, lock=below, name="z")
    assert z.lock.name == "z"
    with pytest.raises(TypeError, match="name must be a str"):
        la.RegionLock(name=3)


def test_memory_keeps_the_name_that_it_has():
    a = np.zeros(3)
    x = LockedArray(a, copy=False, name="a")
    assert LockedArray(a, copy=False).name == "a"
    assert LockedArray(a, copy=False, name="a").lock is x.lock
    for other in (lambda: LockedArray(a, copy=False, name="b"),
                  lambda: LockedArray(x, copy=False, name="b")):  # fmt: skip
        with pytest.raises(ValueError, match="has the name 'a', and keeps it"):
            other()
    b = np.zeros(3)
    kept = LockedArray(b, copy=False)
    with pytest.raises(ValueError, match="has no name, and keeps it"):
        LockedArray(b, copy=False, name="b")
    assert kept.name is None


@pytest.mark.parametrize(
    "twin",
    [copy.copy, copy.deepcopy]
    + [lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)],
)
def test_copies_and_pickles_keep_the_name(twin):
    x = la.arange(3, name="frames")
    assert twin(x).name == "frames"
    assert twin(x).lock.name == "frames"
    assert twin(x[1:]).name == "frames"
    assert twin(la.arange(3)).name is None


def test_the_pickle_of_what_has_no_name_has_none():
    function, arguments = la.zeros(3).__reduce__()
    assert len(arguments) == 4
    assert function(*arguments).name is None


@pytest.mark.parametrize("write", [True, False], ids=["write", "read"])
def test_a_timeout_names_the_array(write):
    x = la.zeros(3, name="frames")
    with x.write():
        call = start((x.write if write else x.read)(timeout=0).acquire)
        with pytest.raises(la.LockTimeout) as raised:
            call.result()
    mode = "write" if write else "read"
    assert str(raised.value).startswith(f"{mode} lock of 'frames': not free in time; held by")


def test_a_deadlock_names_both_arrays():
    x, y = la.zeros(3, name="frames"), la.zeros(3, name="masks")

    def hold_the_other_way():
        with y.write():
            x.fill(1)

    with x.write():
        call = start(hold_the_other_way)
        assert call.waits_for(x.lock) == "write"
        with pytest.raises(la.DeadlockError) as raised:
            y.fill(1)
    call.result()
    assert str(raised.value) == (
        f"write lock of 'masks': thread {call.name!r} holds it and waits for the lock of "
        "'frames', which this thread holds; take both at once: la.acquire(write=(x, y))"
    )


def test_a_frozen_array_is_refused_by_its_name():
    x = la.zeros(3, name="frames")
    diagonal = la.zeros((2, 2), name="table").diagonal()
    with pytest.raises(ValueError, match="this view of 'table' was made read-only"):
        diagonal[0] = 1
    x.freeze()
    for write in (lambda: x.__setitem__(0, 1), lambda: np.add(x, 1, out=x), x.sort,
                  lambda: x.write().acquire(), lambda: x.at[0].add(1)):  # fmt: skip
        with pytest.raises(ValueError, match="read-only: 'frames' is frozen"):
            write()


PROGRAM = """
import lockedarray as la
import numpy as np
x = la.zeros(3)
named = la.zeros(3, name="frames")
shared = la.zeros(3, lock=x.lock)
made = np.zeros(3, like=x)
print(repr(x.lock), repr(named.lock), x.name, sep="; ")
print(repr(made.lock))
print(repr(la.LockedArray([1]).lock))
"""


@pytest.mark.parametrize("debug", ["1", "0", ""])
def test_debug_mode_tells_where_an_array_without_a_name_was_made(debug, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"LOCKEDARRAY_DEBUG": debug}
    command = [sys.executable, "-P", str(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = without_addresses(done.stdout).splitlines()
    if debug == "1":
        place = f"of the array made at {program}"
        unnamed = f"<unlocked RegionLock object {place}:{{}} at ...: free>"
        named = "<unlocked RegionLock object of 'frames' at ...: free>"
        assert lines[0] == f"{unnamed.format(4)}; {named}; None"
        assert lines[1] == unnamed.format(7)
        assert lines[2] == unnamed.format(10)
    else:
        assert "made at" not in done.stdout
