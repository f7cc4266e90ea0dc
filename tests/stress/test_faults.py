"""Each fault that a program commits leaves nothing held and the array whole: see `stress.faults`."""

import sys

import pytest

import lockedarray as la
from stress import faulting, faults, striking

EVERY = 13
"""Here Ctrl-C strikes each so many bytecodes; ``python -m stress.faults`` strikes all."""


APART = [each.name for each in faults.mine() if each.group != "Ctrl-C"]


@pytest.mark.parametrize("name", APART)
def test_fault_leaves_nothing_held_and_the_array_whole(name):
    assert faulting.apart(name) == ""


@pytest.mark.parametrize(("how", "every"), [(striking.SIGNAL, EVERY), ("exception", 1)])
def test_control_c_leaves_nothing_held_and_the_array_whole(how, every):
    names = [each.name for each in faults.mine() if each.name.startswith(f"{how} at each")]
    assert faulting.apart(*names, every=every, timeout=90) == ""


def any_():
    """Any."""


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("pass", ""),
        ("sys.exit(3)", "status 3"),
        ("os.abort()", "status -6"),
        ("time.sleep(60)", "hangs"),
        ("print('what')", "tells"),
        ("print('Exception ignored', file=sys.stderr)", "complains"),
    ],
)
def test_each_way_to_end_is_told(code, wrong, monkeypatch, tmp_path):
    monkeypatch.setattr(faulting, "CATALOGUE", {})
    faulting.fault("any")(any_)
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
    python.chmod(0o755)
    told = faulting.apart("any", python=str(python), timeout=-19 if wrong == "hangs" else 60)
    assert told.startswith(wrong), told
    assert bool(told) == bool(wrong), told


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in finalizers
@pytest.mark.parametrize("how", [striking.SIGNAL, striking.RAISE])
def test_what_stays_held_after_a_strike_is_seen(how):
    """A statement that a strike leaves holding, as it is not a ``with``."""

    class Arranged:
        def __init__(self):
            self.x = la.zeros(3)
            self.guard = self.x.write()

        def act(self):
            self.guard.acquire()
            len([1])
            self.guard.release()

        def end(self):
            self.x = self.guard = None

    held = [bool(one.x.lock.holds()) for one, strike in striking.strikes(Arranged, how)]
    assert any(held), held
    assert not all(held), held
