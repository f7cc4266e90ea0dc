"""A plugin for pytest: runs NumPy's test modules with another array class, and records outcomes.

``--array-class`` chooses the class, and ``--record`` names a file of JSON lines: when a test
starts and how it ends.  After a crash, another run with the same file goes on behind the test that
crashed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import lockedarray as la
from numpy_compat import constructors

__all__ = ["kind_of"]

LONGEST = 4000  # characters of a report


def pytest_addoption(parser):
    group = parser.getgroup("numpy_compat")
    group.addoption("--array-class", choices=sorted(constructors.CLASSES), default="plain")
    group.addoption("--record", type=Path)


def pytest_configure(config):
    constructors.install(config.getoption("array_class"))
    record = config.getoption("record")
    if record is not None:
        config.pluginmanager.register(_Recorder(record))


def kind_of(error):
    """Return 'wrote as a reader' if NumPy wrote to a raw view that it was to read, else ''.

    That is what happens where the table of writers does not name a function that writes.
    """
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ValueError) and "read-only" in str(error) and ": " not in str(error):
            traceback = error.__traceback__
            while traceback is not None:
                code = traceback.tb_frame.f_code
                if Path(code.co_filename).match("dispatch/operation.py") and code.co_name == "run":
                    given = traceback.tb_frame.f_locals
                    if not _has_alias((given["args"], given["kwargs"])):
                        return "wrote as a reader"
                traceback = traceback.tb_next
        error = error.__cause__ or error.__context__
    return ""


def _has_alias(argument):
    """Whether a read-only array that is no LockedArray is in there: then that was written."""
    if isinstance(argument, np.ndarray):
        return not isinstance(argument, la.LockedArray) and not argument.flags.writeable
    if isinstance(argument, (tuple, list, dict)):
        return any(map(_has_alias, argument.values() if isinstance(argument, dict) else argument))
    return False


class _Recorder:
    """Writes the start and the outcome of each test to a file."""

    def __init__(self, path):
        self._path = path
        self._before = set()
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            self._before = {json.loads(line)["test"] for line in lines}
        self._outcome = {}

    def _write(self, **entry):
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def pytest_collection_modifyitems(self, config, items):
        items[:] = [item for item in items if item.nodeid not in self._before]

    def pytest_collectreport(self, report):
        if report.failed:
            self._write(
                test=report.nodeid, outcome="failed", report=str(report.longrepr)[-LONGEST:]
            )

    def pytest_runtest_logstart(self, nodeid):
        self._outcome = {}
        self._write(test=nodeid, outcome="started")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        if report.outcome == "passed":
            return
        if report.failed:
            if self._outcome.get("outcome") == "failed":
                return
            error = call.excinfo.value if call.excinfo is not None else None
            text = f"{type(error).__name__}: {error}" if error is not None else str(report.longrepr)
            self._outcome = {
                "outcome": "failed",
                "kind": kind_of(error),
                "error": text[:300],
                "report": str(report.longrepr)[-LONGEST:],
            }
        else:
            self._outcome.setdefault("outcome", "skipped")

    def pytest_runtest_logfinish(self, nodeid):
        self._write(test=nodeid, **{"outcome": "passed", **self._outcome})
