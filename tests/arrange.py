"""Situations that tests of waiting need: a lock that another thread holds, a process of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from contextlib import contextmanager

from threads import DEADLINE, start, wait_until

__all__ = [
    "child", "ended_well", "forked", "free", "held_elsewhere", "joined", "queued", "run_isolated",
    "waits_beside",
]  # fmt: skip


@contextmanager
def held_elsewhere(guard):
    """Hold `guard`, a context manager, in another thread for the length of the block."""
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with guard:
            held.set()
            assert let_go.wait(DEADLINE)

    holder = start(hold)
    try:
        wait_until(lambda: held.is_set() or holder.done)
        if not held.is_set():
            holder.result()
        yield holder
    finally:
        let_go.set()
        holder.result()


def queued(lock):
    """Return the names of the threads that wait for `lock`, the first in front."""
    return [entry.thread for entry in lock.holds() if entry.waiting]


def free(*arrays):
    """Whether nobody holds the locks of `arrays`, nor waits for them."""
    return all(array.lock.holds() == [] for array in arrays)


def waits_beside(guard, lock, function):
    """Start `function` while another thread holds `guard`; return the mode it waits in and its result.

    The mode is None if it did not wait.
    """
    with held_elsewhere(guard):
        call = start(function)
        mode = call.waits_for(lock)
        if mode is None:
            return None, call.result()
    return mode, call.result()


def run_isolated(program, timeout=110.0, **environment):
    """Run a program in a Python of its own and return what it printed.

    A crash dumps the stacks of its threads; so does a hang, half-way to the time limit.
    """
    dump = f"import faulthandler\nfaulthandler.dump_traceback_later({timeout / 2}, exit=True)\n"
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-W",
            "error",
            "-c",
            dump + textwrap.dedent(program),
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout


def child(function):
    """Fork; the child runs `function`, and has 60 s; fail if that fails."""
    joined(forked(function))


def forked(function):
    """Fork; return the number of the child, which runs `function` and ends: see `joined`."""
    pid = os.fork()
    if pid == 0:
        ended_well(function)
    return pid


def ended_well(function):
    """End this process, which is a child: by status 0 if `function` does not raise within 60 s."""
    signal.alarm(60)
    try:
        function()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def joined(pid):
    """Wait for a child; fail if it failed."""
    deadline = time.monotonic() + 80
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        assert time.monotonic() < deadline, "the child hangs"
        time.sleep(0.002)
    assert ended[1] == 0, f"the child ended with {ended[1]}"
