"""What writers that died have left, and how it is repaired: no more is healed than was told of."""

import os
import threading
import time

import numpy as np
import pytest

import lockedarray as la
import lockedarray.shared

pytestmark = pytest.mark.timeout(60)


def _dies(child, x, program):
    """Run a program in another process that dies in it; return its pid."""
    other = child(f"x = la.shared.attach({x.name!r})\n{program}")
    assert other.process.wait(30) == -9, other.process.stderr.read()
    return other.process.pid


KILL = "os.kill(os.getpid(), 9)"

# Who dies before the others are told of the layout; and in between, with the layout written.
DEATHS = {
    "before": f"from lockedarray._shared.control import Control\nControl.change = lambda *_: {KILL}",
    "in between": f"x._buffer.control.backend.publish = lambda *_: {KILL}",
    "afterwards": "from lockedarray._shared.control import Control\nchange = Control.change\n"
    f"Control.change = lambda *args: (change(*args), {KILL})",
}


@pytest.mark.parametrize(
    ("act", "death"),
    [
        ("x.append(np.ones(5000))", "before"),
        ("x.append(np.ones(5000))", "in between"),
        ("x.resize(2)", "afterwards"),
        ("x.popleft()", "in between"),
    ],
)
def test_who_dies_changing_the_length_is_told_and_the_array_is_repaired(child, act, death):
    x = la.shared.array([1.0, 2.0, 3.0])
    view = x[1:]
    pid = _dies(child, x, f"{DEATHS[death]}\n{act}")
    for use in (lambda: x[0], lambda: x.append(1), x.snapshot, lambda: x.write().acquire()):
        with pytest.raises(la.PoisonedError, match=f"process {pid}") as caught:
            use()
        assert caught.value.region[0] == 0
        assert str(1 << 62)[:5] not in str(caught.value)
    with pytest.raises(la.PoisonedError, match=r"recover the array, with x\.base"):
        view.recover().__enter__()
    with x.recover() as raw:
        assert raw.shape == x.shape
        raw[:] = 7
    assert set(x.tolist()) == {7}
    x.append(8)
    x.resize(6)
    assert x.shape == (6,)
    other = child(f"x = la.shared.attach({x.name!r}); x.append(9); tell(x[:-1].tolist())")
    assert other.end() == str(x[:-1].tolist())
    assert x[-1] == 9


def test_the_others_follow_a_layout_whose_writer_died_before_telling(child):
    x = la.shared.array([1.0, 2.0, 3.0])
    witness = child(f"""
        x = la.shared.attach({x.name!r}); tell(x[0]); hear()
        x[-1] = 5; tell(len(x)); x.append(1)
    """)
    assert witness.hear() == "1.0"
    _dies(child, x, f"{DEATHS['in between']}\nx.append([4, 4])")
    with x.recover() as raw:
        raw[3:] = 4
    witness.tell()
    assert witness.end() == "5"
    assert x.tolist() == [1, 2, 3, 4, 5, 1]


def test_a_part_is_not_recovered_where_more_than_that_is_half_written(child):
    x = la.shared.zeros(10)
    pid = _dies(child, x, f"with x[2:8].write() as raw: raw[:3] = 1; {KILL}")
    with pytest.raises(la.PoisonedError, match=r"x\.base\.recover") as caught, x[4:6].recover():
        pytest.fail("it was recovered")
    assert caught.value.pid == pid
    with pytest.raises(la.PoisonedError, match="recover"):
        x[3]
    with x.recover() as raw:
        raw[:] = 0
    assert x[2:8].tolist() == [0] * 6


def test_a_part_recovers_what_lies_inside_of_it_and_not_what_lies_beside(child, shared_backend):
    if shared_backend != "robust":
        pytest.skip("the whole array is poisoned")
    x = la.shared.zeros(10)
    _dies(child, x, f"with x[:2].write(): {KILL}")
    _dies(child, x, f"with x[6:8].write(): {KILL}")
    with x[5:8].recover() as raw:
        raw[:] = 1
    assert x[5:8].tolist() == [1] * 3
    with pytest.raises(la.PoisonedError):
        x[1]


@pytest.mark.parametrize("is_poisoned_before", [False, True])
def test_what_dies_while_the_repairer_waits_stays_poisoned(
    child, shared_backend, is_poisoned_before
):
    x = la.shared.zeros(10)
    if is_poisoned_before:
        if shared_backend != "robust":
            pytest.skip("nobody writes to what is poisoned")
        first = _dies(child, x, f"with x[:2].write(): {KILL}")
    victim = child(f"x = la.shared.attach({x.name!r})\nwith x[4:6].write(): tell('in'); hear()")
    assert victim.hear() == "in"
    entered, errors = threading.Event(), []

    def recover():
        try:
            with x.recover() as raw:
                entered.set()
                raw[:2] = 3
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=recover)
    thread.start()
    while not any(hold.waiting for hold in x.lock.holds()):
        assert thread.is_alive()
    assert not entered.is_set()
    victim.kill()
    thread.join(30)
    assert errors == []
    with pytest.raises(la.PoisonedError) as caught:
        x[5]
    assert caught.value.pid == victim.process.pid
    if is_poisoned_before:
        assert caught.value.pid != first
        assert x[:2].tolist() == [3, 3]
    with x.recover():
        pass
    assert x[5] == 0


def test_a_death_is_dated_to_the_fraction_of_a_second(child):
    x = la.shared.zeros(3)
    other = child(f"x = la.shared.attach({x.name!r})\nwith x.write(): tell('in'); hear()")
    before = time.time() - 1e-3
    assert other.hear() == "in"
    other.kill()
    with pytest.raises(la.PoisonedError) as caught:
        x[0]
    assert other.process.pid == caught.value.pid
    assert caught.value.since <= time.time()
    assert caught.value.since >= before - 60
    assert caught.value.since % 1 != 0


def test_what_is_frozen_is_not_recovered_and_says_why(child):
    x = la.shared.ones(3)
    x.freeze()
    with pytest.raises(ValueError, match=r"frozen: there is nothing to repair"):
        x.recover().__enter__()
    y = la.shared.ones(3)
    _dies(child, y, f"{DEATHS['afterwards']}\nx.freeze()")
    with pytest.raises(ValueError, match=r"frozen: there is nothing to repair"):
        y.recover().__enter__()
    assert y.tolist() == [1, 1, 1]


def test_more_deaths_than_an_entry_has_slots_are_all_repaired(child, shared_backend):
    if shared_backend != "robust":
        pytest.skip("the whole array is poisoned at once")
    x = la.shared.zeros(40)
    other = child(f"""
        x = la.shared.attach({x.name!r})
        for i in range(10):
            pid = os.fork()
            if pid == 0:
                with x[i:i + 1].write(): {KILL}
            os.waitpid(pid, 0)
    """)
    assert other.end() == ""
    with pytest.raises(la.PoisonedError):
        x[9]
    with x.recover() as raw:
        raw[:] = 2
    assert x.sum() == 80


@pytest.mark.parametrize("death", ["in a guard", "told of", "in append"])
def test_poison_in_a_file_outlives_the_machine(tmp_path, child, monkeypatch, death):
    path = tmp_path / "x"
    owner = child(f"x = la.shared.ones(3, path={str(path)!r}); tell('made'); hear(); {KILL}")
    assert owner.hear() == "made"
    act = f"{DEATHS['before']}\nx.append(1)" if death == "in append" else f"with x.write(): {KILL}"
    other = child(f"x = la.shared.open({str(path)!r})\n{act}")
    other.process.wait(30)
    if death == "told of":
        told = child(f"""
            x = la.shared.open({str(path)!r})
            try: x[0]
            except la.PoisonedError as e: tell(e.pid)
        """)
        assert told.end() == str(other.process.pid)
    owner.tell()
    owner.process.wait(30)

    from lockedarray._shared import control, header

    for module in (control, header):
        monkeypatch.setattr(module, "boot_id", lambda: b"x" * 16)
    x = la.shared.open(path)
    with pytest.raises(la.PoisonedError) as caught:
        x[0]
    assert caught.value.pid == other.process.pid
    with x.recover() as raw:
        raw[:] = 4
    x.append(5)
    assert x.tolist() == [4, 4, 4, 5]
    del caught  # whose traceback has views
    for module in (control, header):
        monkeypatch.setattr(module, "boot_id", lambda: b"y" * 16)
    x.close()
    assert la.shared.open(path).tolist() == [4, 4, 4, 5]
    assert np.fromfile(path).tolist() == [4, 4, 4, 5]
    assert sorted(os.listdir(tmp_path)) == ["x", "x.lock"]
