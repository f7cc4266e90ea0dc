"""Run programs of the catalogue, each in a process of its own, and tell how they ended."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stress import racing

__all__ = ["ARRAYS", "TIMEOUT", "Ending", "apart", "here", "made_on", "versions"]

TIMEOUT = 10.0
"""Seconds after which a program hangs."""

ARRAYS = ("ndarray", "LockedArray")


VERSIONS = """
import platform, sysconfig, numpy
told = [f"CPython {platform.python_version()}", f"NumPy {numpy.__version__}"]
try:
    import lockedarray
    told.append(f"{lockedarray.backend} core")
except ImportError:
    pass
print(*told, "no GIL" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL", sep=", ")
"""


@dataclass(frozen=True)
class Ending:
    """How a program ended: right, wrong, raised, crash or hang; and what there is to say of it."""

    kind: str
    note: str = ""

    def __str__(self):
        return f"{self.kind}: {self.note}" if self.note else self.kind


def apart(name, array, python=sys.executable, seconds=None, timeout=TIMEOUT):
    """Run the program of that name in a process of its own, on arrays of that kind."""
    command = [python, "-P", "-m", "stress.failures", "--run", name, "--on", array]
    if seconds is not None:
        command += ["--seconds", str(seconds)]
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": tests, "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return Ending("hang", f"after {timeout:g} s")
    if done.returncode < 0:
        return Ending("crash", signal.Signals(-done.returncode).name)
    if done.returncode:
        return Ending("raised", done.stderr.strip().rpartition("\n")[2])
    return Ending(**json.loads(done.stdout))


def here(failure, array):
    """Run a program in this process, and print how it ended, for who started the process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is what is looked for
    warnings.simplefilter("ignore")
    try:
        ending = Ending("right", failure.program(made_on(array)) or "")
    except racing.Wrong as error:
        ending = Ending("wrong", str(error))
    except Exception as error:
        ending = Ending("raised", f"{type(error).__name__}: {error}")
    print(json.dumps(vars(ending)), flush=True)


def versions(python):
    """Return what that Python is, and which NumPy and LockedArray it has."""
    told = subprocess.run(
        [python, "-P", "-c", VERSIONS], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def made_on(array):
    """Return what makes arrays of that kind, always of new memory."""
    if array == "ndarray":
        return np.array
    import lockedarray as la

    return la.array
