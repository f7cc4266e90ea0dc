"""The soak passes on LockedArrays, and tells what is wrong with arrays that are broken on purpose."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import lockedarray as la
from stress.racing import Wrong
from stress.soaking import arrays
from stress.soaking.memory import BOUND, Memory

TESTS = str(Path(__file__).parents[1])

LINE = (
    r"soak \d+ s%s: 4 to 64 threads, 4 processes, (\d+) operations \(\d+/s\), longest wait \d+\.\d\d s, "
    r"memory from \d+ to \d+ MiB, violations 0\n"
)

BROKEN = """
import sys, time
import numpy as np
import lockedarray as la
from stress import soak

class Broken(la.LockedArray):
{methods}

if __name__ == "__main__":
    sys.exit(soak.main(sys.argv[1:], make=Broken))
"""

ENDING = """
import os, sys
from stress import soak

def serve(connection, *args):
    {before}
    os._exit(3)

if __name__ == "__main__":
    soak.serve = serve
    sys.exit(soak.main(sys.argv[1:]))
"""

LOST_INCREMENT = """
    def __setitem__(self, index, value):  # of a subclass with this method, += is two steps
        time.sleep(0)
        super().__setitem__(index, value)
"""
TORN_WRITER = """
    def fill(self, value):
        half = len(self) // 2
        self[:half] = value
        time.sleep(0.001)
        self[half:] = value
"""
LOST_APPEND = """
    def append(self, values):
        if np.atleast_2d(values)[0, 1] % 7 != 6:
            return super().append(values)
"""
OLD_VERSION = """
    def snapshot(self):
        seen = super().snapshot()
        return np.zeros_like(seen) if self.shape == (4,) and time.time() % 1 > 0.5 else seen
"""
HANG = """
    def sort(self):
        with self.write():
            time.sleep(1000)
"""


def started(*arguments, program=None):
    """Start a soak, or a program that is one on broken arrays, with so many arguments."""
    what = ["-m", "stress.soak"] if program is None else [str(program)]
    return subprocess.Popen(
        [sys.executable, "-P", *what, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": TESTS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def broken(tmp_path):
    """Soak arrays whose class has such methods; return exit status, the line, and what else was told."""

    def run(methods, *arguments):
        program = tmp_path / "broken.py"
        program.write_text(BROKEN.format(methods=methods))
        process = started("--processes", 0, "--threads", 8, *arguments, program=program)
        told, errors = process.communicate(timeout=100)
        return process.returncode, told, errors

    return run


def test_two_seconds_pass():
    process = started("--seconds", 2, "--seed", 7)
    told, errors = process.communicate(timeout=100)
    assert process.returncode == 0, told + errors
    found = re.fullmatch(LINE % "", told)
    assert found, told
    assert int(found[1]) > 100
    assert errors.startswith(f"--seed 7, {la.backend} core")


@pytest.mark.parametrize(
    ("methods", "violation"),
    [
        (
            LOST_INCREMENT,
            r"(counters|grid|versions|bell)\[\d\] is \d+, and \d+ were counted|the sum of the accounts is",
        ),
        (TORN_WRITER, r"halves differ"),
        (LOST_APPEND, r"rows of the log are lost or there twice|the log has \d+ rows"),
        (OLD_VERSION, r"a version is older than one before"),
    ],
    ids=["lost increment", "torn writer", "lost append", "old version"],
)
def test_broken_array_is_told_with_the_seed(broken, methods, violation):
    status, told, errors = broken(methods, "--seconds", 60, "--seed", 7)
    assert status == 1, errors
    assert re.search(rf"violations \d+ \(--seed 7\): .*{violation}", told), told + errors
    assert told.count("\n") == 1


def test_hang_is_told_with_the_stacks(broken):
    status, told, errors = broken(HANG, "--seconds", 60, "--seed", 7, "--patience", 2)
    assert status == 1, errors
    assert re.search(r"violations 1 \(--seed 7\): no progress for 2 s of soak-\d+", told), told
    assert re.search(r'File ".*broken\.py", line \d+ in sort', errors), errors
    assert "holds:" in errors


@pytest.mark.parametrize(
    "before", ["connection.send('ready')", "connection.send('ready'), connection.recv()", "0"]
)
def test_process_that_ends_is_told(tmp_path, before):
    program = tmp_path / "ending.py"
    program.write_text(ENDING.format(before=before))
    process = started("--processes", 2, "--threads", 4, "--seconds", 60, program=program)
    told, errors = process.communicate(timeout=100)
    assert process.returncode == 1, told + errors
    assert re.search(r"violations 2 \(--seed \d+\): process 1 has ended: 3; process 2 has", told), (
        told
    )


def test_ctrl_c_tells_the_line_so_far():
    process = started("--seconds", 600, "--every", 0.5)
    first = process.stderr.readline()  # and then it has come so far that it starts its processes
    assert first.startswith("--seed ")
    second = process.stderr.readline()  # after a phase
    assert "operations/s" in second, second
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=100)
    assert process.returncode == 130, told + errors
    assert re.fullmatch(LINE % r" \(stopped\)", told), told
    assert "Traceback" not in errors


def test_lock_that_is_still_held_is_told():
    made = arrays.new(la.LockedArray)
    done = Counter()
    arrays.check(made, done)
    with made.left[2:].read(), pytest.raises(Wrong, match="the lock of left is still held"):
        arrays.check(made, done)


def test_rows_that_come_twice_or_as_others_are_told():
    rows = np.zeros((4, 3), np.int64)
    rows[:, 0] = 1, 2, 1, 2
    rows[:, 1] = 5, 0, 6, 1
    rows[:, 2] = arrays.keys(rows[:, 0], rows[:, 1])
    arrays.check_rows(rows)
    with pytest.raises(Wrong, match="lost or there twice"):
        arrays.check_rows(rows[[0, 1, 1, 2, 3]])
    rows[2, 0] = 2
    with pytest.raises(Wrong, match="torn"):
        arrays.check_rows(rows)


def growth_of(values):
    memory = Memory()
    for value in values:
        memory.add(value)
    assert len(memory.values) < memory.most
    return memory.growth()


def test_memory_that_grows_all_the_time_is_told_and_other_memory_is_not():
    moments = np.arange(5000)
    noise = 40 * np.random.default_rng(0).random(5000)
    assert growth_of(200 + moments * 0.1 + noise) > BOUND
    assert growth_of(200 + noise) == 0
    assert growth_of(200 + moments * 0.001) == 0
    assert growth_of(200 + 100 * (moments > 3000)) == 0  # once
    assert growth_of(300 - 100 / (1 + moments) + noise) == 0  # until all is warm
    assert growth_of([200, 300]) == 0  # too short to tell
