"""What fails on NumPy's arrays beside threads does not on a LockedArray: see docs/design/numpy-failures.md."""

import sys

import pytest

from stress import failures, running


@pytest.mark.parametrize("name", failures.CATALOGUE)
def test_ends_right_on_a_locked_array(name):
    # Long enough that a busy machine, or a sanitizer, is not taken for a hang.
    ending = running.apart(name, "LockedArray", seconds=0.1, timeout=100)
    assert ending.kind == "right", f"{name}: {ending}"


def test_there_are_at_least_forty_each_told_somewhere():
    assert len(failures.CATALOGUE) >= 40
    for entry in failures.CATALOGUE.values():
        assert entry.told, entry.name
        assert entry.sentence.endswith("."), entry.name


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("os.abort()", "crash"),  # sanitizers keep SIGSEGV for themselves
        ("time.sleep(60)", "hang"),
        ("raise IndexError('out of bounds')", "raised"),
        ("raise Wrong('torn')", "wrong"),
        ("return None", "right"),
    ],
)
def test_each_way_to_end_is_told(code, kind, tmp_path):
    # A python that puts a program of its own in the place of the one that is asked for.
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import os, sys, time\n"
        "sys.path.insert(0, os.environ['PYTHONPATH'])\n"
        "from stress import racing, running\n"
        "from stress.racing import Wrong\n"
        f"def program(make):\n    {code}\n"
        "running.here(racing.Failure('', (), '', '', program), 'ndarray')\n"
    )
    python.chmod(0o755)
    ending = running.apart(
        "any", "ndarray", python=str(python), timeout=1 if kind == "hang" else 30
    )
    assert ending.kind == kind, ending
