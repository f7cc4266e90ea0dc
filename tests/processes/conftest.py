"""Tests of arrays between processes: each child tells by a pipe what it has come to."""

import os
import subprocess
import sys
import textwrap

import pytest

import lockedarray as la
import lockedarray.shared

pytest.importorskip("_posixshmem")

HEAD = """
import os, pickle, signal, sys
import numpy as np
import lockedarray as la
import lockedarray.shared
import lockedarray.shared

def tell(text):
    print(text, flush=True)

def hear():
    return sys.stdin.readline().strip()
"""


class Child:
    """Another process, which runs a program."""

    def __init__(self, program):
        code = HEAD + textwrap.dedent(program)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def hear(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.strip()

    def tell(self, text=""):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def end(self):
        """Return what it has written since; it has nothing to complain of."""
        out, err = self.process.communicate(timeout=60)
        assert err == ""
        assert self.process.returncode == 0
        return out.strip()


_children = []  # of the test


@pytest.fixture
def child(monkeypatch):
    """Return what starts a program in another process, which has ended when the test has."""

    def start(program):
        _children.append(Child(program))
        return _children[-1]

    yield start
    for one in _children:
        one.process.kill()
        one.process.communicate()


def _backends():
    from lockedarray._shared.backends import _BACKENDS

    return [name for name, backend in _BACKENDS.items() if backend.is_available()]


@pytest.fixture(autouse=True, params=_backends())
def shared_backend(request, monkeypatch):
    """Return which backend locks the arrays of the test, in all its processes."""
    monkeypatch.setenv("LOCKEDARRAY_SHARED", request.param)
    return request.param


@pytest.fixture(autouse=True)
def _nothing_is_left(shared_backend):
    yield
    from lockedarray._shared.control import registered
    from lockedarray._shared.lifetime import _made

    for control in registered():
        control.unlink()
    for place, stat in list(_made.values()):
        place.unlink(stat)
    makers = {os.getpid(), *(one.process.pid for one in _children)}
    _children.clear()
    # Other runs may make arrays at the same time.
    assert [entry for entry in la.shared.list() if entry.creator in makers] == []
