"""Processes are killed at random moments, and the others go on: `make test-processes` does it for longer."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lockedarray as la

pytestmark = [
    pytest.mark.timeout(280),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
]

TESTS = str(Path(__file__).parent.parent)


def run(program, *arguments):
    """Run it in a process of its own, which has not forked nor has threads; return status and text."""
    done = subprocess.run(
        [sys.executable, "-P", *program, *arguments],
        env={**os.environ, "PYTHONPATH": TESTS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=270,
    )
    return done.returncode, done.stdout


def test_processes_that_are_killed_leave_the_others_going(shared_backend):
    status, told = run(["-m", "kills"], "--kills", "60" if shared_backend == "robust" else "25")
    assert status == 0, told
    assert "no fault" in told


BROKEN = {
    "no lock": (
        "halves",
        """
        import contextlib, ctypes

        @contextlib.contextmanager
        def writing(x, locked=work.writing):
            if x.size != 64:
                with locked(x) as raw:
                    yield raw
            else:
                raw = (ctypes.c_int64 * 64).from_address(np.asarray(x).ctypes.data)
                yield np.frombuffer(raw, int)

        work.writing = writing
        work.Worker.ACTS = [(work.Worker.write_halves, 1)]
        """,
    ),
    "no repair": (
        "halves",
        """
        def repair(self):
            with self.repairing("halves"): pass

        work.Worker.repair_halves = repair
        work.Worker.ACTS = work.Survivor.ACTS = [(work.Worker.write_halves, 1)]
        work.Worker.linger = lambda self: time.sleep(0.002)
        """,
    ),
    "a lost row": (
        "rows of|order",
        """
        def append(self):
            with self.touching(("log", work.WHOLE), counts=["log"]):
                pass
            self.sequence += 1

        work.Worker.ACTS = [(work.Worker.append, 50), (append, 1)]
        """,
    ),
    "a hang": (
        "does not go on",
        """
        episode._LIMIT = 1.0
        work.Worker.ACTS = [(lambda self: time.sleep(1000), 1)]
        episode._Episode.wait_and_kill = lambda self: time.sleep(0.01)
        """,
    ),
}


@pytest.mark.skipif(
    la.backend == "native", reason="with one core is enough, and this is the longer suite"
)
@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("shared_backend", ["fcntl"], indirect=True)
def test_what_is_broken_is_found(what, shared_backend):
    words, code = BROKEN[what]
    head = "import time\nimport numpy as np\nfrom kills import __main__, episode, work\n"
    tail = "__main__.main(['--kills', '100'])\n"
    _, told = run(["-c", head + textwrap.dedent(code) + tail])
    assert "failed: --seed" in told, told
    assert any(word in told for word in words.split("|")), told
    if what == "a hang":
        assert "in <lambda>" in told or "in attempt" in told  # where it stands
