"""The test suite on each supported NumPy, on each Python: `make test-matrix`.

Every session installs the package, built for it, into an environment of its own, and runs the
test suite on each core.  A Python that is not there is left out.  The free-threaded ones are
``python3.13t`` and ``python3.14t`` on the path, or what the variables ``FREE_THREADED_PYTHON`` and
``FREE_THREADED_PYTHON_3_14`` name.

The last line counts sessions and tests.  ``make test-matrix ARGS='-l'`` lists the sessions, and
``ARGS='-k "numpy_2_0 and py_3_11"'`` takes some; what stands behind ``--`` goes to pytest.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nox

FREE_THREADED = os.environ.get("FREE_THREADED_PYTHON", "python3.13t")
FREE_THREADED_3_14 = os.environ.get("FREE_THREADED_PYTHON_3_14", "python3.14t")
NEWEST = "newest"
PYTHONS = {
    "2.0": ["3.11", "3.12"],
    "2.2": ["3.11", "3.12", "3.13"],
    "2.4": ["3.11", "3.12", "3.13", "3.14", FREE_THREADED],
    NEWEST: ["3.12", "3.13", "3.14", FREE_THREADED_3_14],
}
"""Those that a NumPy has wheels for; of the newest, which may be one of the others on 3.11."""

CORES = ("native", "portable")

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False

counted: dict[str, dict[str, int]] = {}


def _named(numpy, python):
    version = Path(python).name.removeprefix("python")
    return f"numpy_{numpy}-py_{version}".replace(".", "_")


@nox.session
@nox.parametrize(
    ("python", "numpy"),
    [
        nox.param(python, numpy, id=_named(numpy, python))
        for numpy, pythons in PYTHONS.items()
        for python in pythons
    ],
)
def tests(session, numpy):
    """Run the test suite on this NumPy."""
    session.notify("summary")
    counts = counted.setdefault(session.name, dict.fromkeys(("passed", "failed", "skipped"), 0))
    free_threaded = session.python in (FREE_THREADED, FREE_THREADED_3_14)
    session.env.update(PIP_PREFER_BINARY="1", PYTHONSAFEPATH="1")
    if free_threaded:
        session.env["PYTHON_GIL"] = "0"
    newer_have_no_wheels = ["hypothesis<6.156"] if free_threaded else []
    wanted = "numpy" if numpy == NEWEST else f"numpy=={numpy}.*"
    constraints = Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text("\n".join([wanted, *newer_have_no_wheels]), encoding="utf-8")
    session.env.update(PIP_CONSTRAINT=str(constraints), PIP_BUILD_CONSTRAINT=str(constraints))
    session.install("--only-binary=numpy", wanted, *newer_have_no_wheels, ".[test]")
    session.run("python", "-c", "import numpy, sys; print('numpy', numpy.__version__, sys.version)")
    broken = []
    for core in CORES:
        report = Path(session.create_tmp()) / f"{core}.xml"
        report.unlink(missing_ok=True)
        try:
            session.run(
                "python", "-P", "-m", "pytest", "-q", f"--junitxml={report}", *session.posargs,
                env={"LOCKEDARRAY_BACKEND": core},
            )  # fmt: skip
        except nox.command.CommandFailed:
            broken.append(core)
        _count(report, counts)
    if broken:
        session.error(f"not all tests passed on the core: {', '.join(broken)}")


def _count(report, counts):
    if not report.exists():  # it ended before its first test
        counts["failed"] += 1
        return
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        skipped = int(suite.get("skipped"))
        counts["failed"] += failed
        counts["skipped"] += skipped
        counts["passed"] += int(suite.get("tests")) - failed - skipped


@nox.session(python=False, default=False)
def summary(session):
    """Print the numbers of all sessions; the last line has the sums."""
    for name, counts in counted.items():
        print(f"{name}: {_in_words(counts)}")
    sums = {
        key: sum(counts[key] for counts in counted.values())
        for key in ("passed", "failed", "skipped")
    }
    print(f"{len(counted)} environments x {len(CORES)} cores: {_in_words(sums)}")
    if sums["failed"]:
        session.error("not all passed")


def _in_words(counts):
    return ", ".join(f"{number} {key}" for key, number in counts.items())
