"""An operation that runs out of memory fails cleanly, whichever of its allocations it is."""

import ctypes
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("_testcapi", reason="has what makes Python's allocations fail")
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="each runs in a forked process"),
    pytest.mark.skipif(
        bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        reason="Python (3.13t) crashes by itself where an allocation of plain Python code fails",
    ),
]


@pytest.mark.parametrize(
    "name",
    [
        "scene increment_several",
        "scene several",
        "scene upgrade",
        "scene made",
        "scene wait_for",
        "__getitem__(R:float64:6, 2)",
        "__setitem__(W:float64:6, 2, ",
        "resize(W:float64:3x4, 3)",
        "assign(W:float64:3x4, R:float64:9x4)",
    ],
)
def test_an_allocation_that_fails_leaves_the_array_usable(name):
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stress.memory_errors", "--only", name],
        env={**os.environ, "PYTHONPATH": tests, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("violations 0\n"), done.stdout
    assert "allocations 0," not in done.stdout, done.stdout


@pytest.mark.parametrize("loses", [False, True])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_crash_is_that_of_numpy_where_plain_arrays_lose_a_reference_to_their_dtype(loses):
    memory_errors = pytest.importorskip("stress.memory_errors")

    def make():
        array = np.zeros(3, "U7")

        def call():
            try:
                return [object() for _ in range(4)]
            except MemoryError:
                if loses:
                    ctypes.pythonapi.Py_DecRef(ctypes.py_object(array.dtype))
                raise

        call.arrays, call.outcome = {"a": array}, call
        return call

    assert memory_errors.loses_dtypes(SimpleNamespace(make={"plain": make})) is loses
