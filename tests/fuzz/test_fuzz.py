"""Random programs do the same on LockedArrays as on plain arrays; and the comparison can tell."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import lockedarray as la
from fuzz import known, play, sides
from fuzz.grammar import programs

PLAYED = settings(
    max_examples=150,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings("ignore")  # each line's are compared
def test_random_programs_do_what_they_do_on_plain_arrays():
    found = []

    @seed(12)
    @PLAYED
    @given(programs())
    def one(lines):
        difference = play.difference_of(lines)
        if difference is not None and not found:
            found.append(sides.script(*play.shortened(lines, difference)))

    one()
    assert not found, found[0]


def line(ours, plain=None):
    return sides.Line(ours, plain or ours, "")


NEW = line("a = la.LockedArray(np.array([[3, 1, 2], [6, 5, 4]]))")


@pytest.mark.parametrize(
    ("lines", "name", "broken", "kind"),
    [
        ([line("a.sort()")], "sort", lambda self, *a, **k: None, "value"),
        ([line("b = a.T")], "T", property(lambda self: self.snapshot().T), "kind"),
        ([line("b = a.reshape(6)"), line("a[0, 0] = 9")], "reshape", lambda self, *s: la.LockedArray(self.snapshot().reshape(*s)), "kind"),
        ([line("b = a.take([7])")], "take", lambda self, *a: np.take(self, *a, mode="clip"), "does not raise"),
        ([line("a.resize((3, 3))", "resize(a, (3, 3))")], "resize", lambda self, shape: None, "value"),
        ([line("b = a.cumsum()")], "cumsum", lambda self: np.cumsum(self).astype("f8"), "value"),
        ([line("b = a.mean()")], "mean", lambda self: warnings.warn("x", stacklevel=1) or np.mean(self), "warnings"),
        ([line("b = a.max(axis=7)")], "max", lambda self, axis: {}[axis], "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_kind_of_fault_is_seen(monkeypatch, lines, name, broken, kind):
    assert play.difference_of([NEW, *lines]) is None
    monkeypatch.setattr(la.LockedArray, name, broken)
    difference = play.difference_of([NEW, line("c = a + 1"), *lines])
    assert difference is not None
    assert difference.kind == kind
    fewer, _ = play.shortened([NEW, line("c = a + 1"), *lines], difference)
    assert line("c = a + 1") not in fewer  # what has no part in it is left out
    assert "la.LockedArray(" in sides.script(fewer, difference)


def test_views_of_the_model_stay_attached_when_it_is_resized():
    lines = [
        NEW,
        line("b = a[0, ::2]"),
        line("a.resize((5, 5))", "resize(a, (5, 5))"),
        line("a[0, 2] = 70"),
        line("b[0] = 50"),
    ]
    assert play.difference_of(lines) is None


def test_what_is_left_out_has_a_reason():
    assert all(len(reason) > 20 for reason in known.RULES.values())
