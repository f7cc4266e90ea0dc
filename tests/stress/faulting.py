"""What the faults are made of: how each is entered, run in a process of its own, and what must be left."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from arrange import child, ended_well, held_elsewhere, joined
from threads import start, wait_until

__all__ = [
    "CATALOGUE", "Blown", "Fault", "apart", "blows", "child", "daemon", "ended_well", "fault", "held_elsewhere",
    "here", "joined", "start", "step", "wait_until", "whole",
]  # fmt: skip

CATALOGUE: dict[str, Fault] = {}

TIMEOUT = 60.0
"""Seconds after which a fault hangs: long, so that a busy machine is not taken for one."""

step = 1
"""Each how many bytecodes Ctrl-C strikes; the runner sets it."""


class Blown(Exception):
    """The fault itself, raised where others' code runs."""


@dataclass(frozen=True)
class Fault:
    """A fault, and the program that commits it and looks at what is left."""

    name: str
    group: str
    sentence: str
    program: object
    status: int
    """With which the process ends; of a signal, its negative."""
    tells: str
    """What the program writes, at the last moment, too."""
    complains: str
    """What Python itself says of it, the last line: of an error that nobody catches."""
    cores: str
    """The core that it is for, or '' for both."""
    environment: tuple[tuple[str, str], ...]


def fault(group, *, status=0, tells="", complains="", cores="", **environment):
    """Enter a program in the catalogue; its docstring says what the fault is."""

    def enter(program):
        name = program.__name__.replace("_", " ").strip()
        CATALOGUE[name] = Fault(
            name, group, program.__doc__, program, status, tells, complains, cores,
            tuple(environment.items()),
        )  # fmt: skip
        return program

    return enter


def apart(*names, python=sys.executable, every=1, timeout=TIMEOUT):
    """Run the faults of these names in a process of their own; return what is wrong with its end, or ''.

    Several are to end alike.  The process tells by itself who hangs, a little before it is ended.
    """
    entry = CATALOGUE[names[0]]
    command = [python, "-P", "-W", "error", "-X", "faulthandler", "-m", "stress.faults"]
    command += ["--step", str(every), "--seconds", str(timeout), "--run", *names]
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": tests, **dict(entry.environment)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout + 20,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return f"hangs: {(late.stderr or b'').decode()}"
    if done.returncode != entry.status:
        return f"status {done.returncode} and not {entry.status}: {done.stdout}{done.stderr}"
    if done.stdout != entry.tells:
        return f"tells {done.stdout!r} and not {entry.tells!r}: {done.stderr}"
    last = names[-1] if len(names) > 1 else entry.complains
    if done.stderr.strip().rpartition("\n")[2] != last:
        return f"complains: {done.stderr}"
    return ""


def here(names, every, seconds):
    """Run the faults of these names in this process, and leave its end to Python."""
    import faulthandler

    import stress.faulting as this

    this.step = every  # which other modules look at, also if this one is run as a program
    faulthandler.dump_traceback_later(seconds, exit=True)
    for name in names:
        if len(names) > 1:
            print(name, file=sys.stderr)
        this.CATALOGUE[name].program()


def whole(*arrays):
    """Fail if anything is left held of `arrays`, or if another thread or this one cannot use them."""
    for array in arrays:
        if array.lock.holds():
            gc.collect()  # what an error's traceback refers to may be a circle
        assert array.lock.holds() == [], array.lock.holds()

    def use():
        for array in arrays:
            with array.write(timeout=20) as raw:
                kept = raw.copy()
                raw[...] = kept
            array[...] = kept

    start(use).result()
    for array in arrays:
        with array.read(timeout=20) as raw:
            assert raw.shape == array.shape
        array[...] = array.snapshot()
        assert array.lock.holds() == [], array.lock.holds()


def blows(act, *arrays):
    """Have `act` raise `Blown`, or what NumPy makes of it (a TypeError, say); then `arrays` are whole."""
    try:
        act()
    except Exception:
        pass
    else:
        raise AssertionError(f"nothing was raised: {act}")
    whole(*arrays)


def daemon(function, *args):
    """Start a daemon thread, which the end of the interpreter does not wait for."""
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread
