"""The reviewed list of differences, ``differences.toml``: which tests of NumPy fail, and why."""

from __future__ import annotations

import tomllib

import numpy as np

import lockedarray as la

__all__ = ["Differences"]


class Differences:
    """The differences from NumPy that have a reason.

    Parameters
    ----------
    reasons : list of dict
        Each with ``why``, ``tests``, and where it is not for every core, ``backend``, nor for
        every NumPy, ``since`` and ``before``: the first versions that it is for, and is not for;
        and ``promise``, where a promise of LockedArray's forbids what the tests ask for.
    """

    def __init__(self, reasons):
        self._reasons = {}
        self._promises = {}
        for reason in reasons:
            if reason.get("backend", la.backend) == la.backend and _is_for_this_numpy(reason):
                for test in reason["tests"]:
                    self._reasons[_full_name(test)] = reason["why"]
                    self._promises[_full_name(test)] = reason.get("promise")

    @classmethod
    def read(cls, path):
        with path.open("rb") as file:
            return cls(tomllib.load(file)["reason"])

    def reason(self, function):
        """Return why a test function fails, or None if it is not to."""
        return self._reasons.get(function)

    def promise(self, function):
        """Return the promise that forbids what a test function asks for, if one does."""
        return self._promises.get(function)

    def functions(self):
        """Return the names of the test functions that are listed."""
        return self._reasons.keys()


def _is_for_this_numpy(reason):
    version = np.lib.NumpyVersion(np.__version__)
    return version >= reason.get("since", "2.0.0") and version < reason.get("before", "99.0.0")


def _full_name(test):
    module, _, name = test.partition("::")
    package, _, module = module.rpartition(".")
    folder = package.replace(".", "/")
    return f"{np.__name__}/{folder}/tests/test_{module}.py::{name}"
