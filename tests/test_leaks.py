"""Operations leave nothing behind: no reference, no memory, whatever kind of path they take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaks import KINDS

SECONDS = 580 * float(os.environ.get("LOCKEDARRAY_PATIENCE", "1"))

pytestmark = pytest.mark.timeout(SECONDS + 20)


@pytest.mark.parametrize("kind", KINDS)
def test_repeating_an_operation_keeps_nothing(kind):
    program = Path(__file__).with_name("leaks.py")
    done = subprocess.run(
        [sys.executable, "-P", program, kind],
        env={**os.environ, "PYTHONPATH": str(program.parent)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout, done.stdout
