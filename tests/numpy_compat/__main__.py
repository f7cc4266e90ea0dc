"""Runs NumPy's own test suite with LockedArrays in it: ``python -m numpy_compat [options]``.

Each test module runs twice, in processes of its own: with a trivial subclass of ndarray, and with
LockedArray.  What passes with the one and not with the other is a difference, and each difference
has a reason in ``differences.toml``; one without a reason makes the run fail.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import lockedarray as la
from numpy_compat import outcomes
from numpy_compat.differences import Differences

HERE = Path(__file__).parent
FAST = [
    "_core/tests/test_indexing",
    "_core/tests/test_item_selection",
    "_core/tests/test_scalar_methods",
    "_core/tests/test_shape_base",
    "lib/tests/test_index_tricks",
    "lib/tests/test_nanfunctions",
    "lib/tests/test_shape_base",
    "lib/tests/test_stride_tricks",
    "lib/tests/test_twodim_base",
    "fft/tests/test_helper",
]
MODULES = [
    *(
        f"_core/tests/test_{name}"
        for name in (
            "api array_coercion array_interface arrayobject arrayprint casting_floatingpoint_errors "
            "casting_unittests conversion_utils custom_dtypes datetime defchararray deprecations "
            "dtype einsum errstate function_base half indexerrors indexing item_selection "
            "longdouble mem_overlap memmap methods multiarray multithreading nep50_promotions "
            "numeric numerictypes overrides print protocols records regression scalar_ctors "
            "scalar_methods scalarbuffer scalarinherit scalarmath scalarprint shape_base "
            "stringdtype strings ufunc umath umath_complex unicode"
        ).split()
    ),
    *(
        f"lib/tests/test_{name}"
        for name in (
            "array_utils arraypad arraysetops arrayterator format function_base histograms "
            "index_tricks io loadtxt mixins nanfunctions packbits polynomial recfunctions regression "
            "shape_base stride_tricks twodim_base type_check ufunclike utils"
        ).split()
    ),
    *(f"linalg/tests/test_{name}" for name in "deprecations linalg regression".split()),
    *(f"fft/tests/test_{name}" for name in "helper pocketfft".split()),
    *(
        f"polynomial/tests/test_{name}"
        for name in (
            "chebyshev classes hermite hermite_e laguerre legendre polynomial polyutils printing "
            "symbol"
        ).split()
    ),
]
"""Those that this NumPy does not have are left out."""

BEYOND = ["_core/tests/test_dlpack", "_core/tests/test_nditer"]
"""About what NumPy does not dispatch: they run, too, and are counted apart."""

GRACE = 30.0
"""Seconds after its deadline at which a process whose test does not end is killed."""


def run_module(module, array_class, record, options):
    """Run a test module to its end, however often it crashes on the way; return its outcomes."""
    record.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    while True:
        ended = _run(module, array_class, record, options)
        found = outcomes.read(record)
        pending = [name for name, outcome in found.items() if outcome["outcome"] == "started"]
        if not pending:
            if ended not in (0, 1, 2, 5):  # of pytest; the last is "no tests left"
                outcomes.add(record, module, f"pytest ended with {ended}")
            return outcomes.read(record)
        for name in pending:
            outcomes.add(record, name, "hang" if ended is None else f"crash ({ended})")


def _run(module, array_class, record, options):
    """Run pytest once; return its exit code, or None if a test did not end and it was killed."""
    packages = Path(np.__file__).parent.parent
    command = [
        *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(packages), "-q"),
        *("-p", "no:cacheprovider", "-p", "numpy_compat.plugin", "-m", "not slow"),
        *(f"--array-class={array_class}", f"--record={record}"),
        *(f"--timeout={options.timeout}", "--timeout-method=signal"),
        *(["-k", options.k] if options.k else []),
        f"{Path(np.__file__).parent / module}.py",
    ]
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    with record.with_suffix(".log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            return _waited(process, record, options.timeout + GRACE)
        finally:
            process.kill()
            process.wait()


def _waited(process, record, patience):
    """Wait for a process as long as its record grows; return its exit code, or None."""
    size, since = -1, time.monotonic()
    while True:
        try:
            return process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            pass
        grown = record.stat().st_size if record.exists() else 0
        if grown != size:
            size, since = grown, time.monotonic()
        elif time.monotonic() - since > patience:
            return None


def parsed(arguments):
    parser = argparse.ArgumentParser(prog="numpy_compat", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="parts of the names of modules; default: all")
    parser.add_argument("--fast", action="store_true", help="a few modules that take seconds")
    parser.add_argument("-k", help="tests to select, for pytest")
    parser.add_argument("--timeout", type=float, default=240.0, help="seconds for each test")
    parser.add_argument("--keep-baseline", action="store_true", help="use the last baseline")
    parser.add_argument("--verbose", "-v", action="store_true", help="show listed ones, too")
    parser.add_argument(
        "--records", type=Path, default=Path("build/numpy_compat"), help="folder for records"
    )
    return parser.parse_args(arguments)


def selected(options):
    modules = FAST if options.fast else [*MODULES, *BEYOND]
    if options.modules:
        every = [*MODULES, *BEYOND]
        modules = [name for name in every if any(part in name for part in options.modules)]
    folder = Path(np.__file__).parent
    return [name for name in modules if (folder / f"{name}.py").exists()]


def main(arguments=None):
    options = parsed(arguments)
    listed = Differences.read(HERE / "differences.toml")
    version = f"python{platform.python_version()}-numpy{np.__version__}"
    folder = options.records.resolve() / version
    totals, beyond = outcomes.Totals(), outcomes.Totals()
    for module in selected(options):
        name = module.replace("/", "_")
        baseline_record = folder / "identity" / f"{name}.jsonl"
        if options.keep_baseline and baseline_record.exists():
            baseline = outcomes.read(baseline_record)
        else:
            baseline = run_module(module, "identity", baseline_record, options)
        record = folder / f"locked-{la.backend}" / f"{name}.jsonl"
        locked = run_module(module, "locked", record, options)
        compared = outcomes.compared(baseline, locked)
        (beyond if module in BEYOND else totals).add(compared, listed)
        print(f"{module}: {outcomes.Totals().add(compared, listed).line()}", flush=True)
        for difference in compared.differences:
            reason = listed.reason(difference.function)
            if reason is None or options.verbose:
                mark = "listed" if reason else "NOT LISTED"
                print(f"  {mark}: {difference}")
        for function in sorted(compared.agreed & listed.functions()):
            print(f"  passes, and is listed: {function}")
    if beyond.baseline:
        print(f"numpy_compat: of what is not dispatched: {beyond.line()}")
    print(
        f"numpy_compat: {la.backend} core, NumPy {np.__version__}, "
        f"Python {platform.python_version()}: {totals.line()}"
    )
    return 1 if totals.unlisted or beyond.unlisted or not totals.baseline + beyond.baseline else 0


if __name__ == "__main__":
    sys.exit(main())
