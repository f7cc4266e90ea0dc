"""Crew: the threads of one process of a soak, which work for a phase and then say what they have done."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

import lockedarray as la
from stress.soaking.memory import resident
from stress.soaking.worker import Worker

__all__ = ["Crew", "Report", "serve", "within"]


@dataclass
class Report:
    """What the threads of one process, or of all, have done."""

    done: Counter = field(default_factory=Counter)
    """What they have counted, for `arrays.check`."""
    told: Counter = field(default_factory=Counter)
    """Deadlocks, timeouts and other refusals, which belong to it."""
    longest: Counter = field(default_factory=Counter)
    """The longest wait in seconds, by kind."""
    operations: int = 0
    memory: float = 0.0
    """MiB that are resident, now."""
    violations: list[str] = field(default_factory=list)

    def add(self, other):
        """Add what another thread or process has done. Counts may be negative, which Counter's + drops."""
        self.done.update(other.done)
        self.told.update(other.told)
        for kind, seconds in other.longest.items():
            self.longest[kind] = max(self.longest[kind], seconds)
        self.operations += other.operations


class Crew:
    """So many threads at a time, on the same arrays. `hung` is for good: a thread cannot be ended."""

    def __init__(self, arrays, seed, process, patience):
        self.arrays, self.seed, self.process, self.patience = arrays, seed, process, patience
        self.phases = 0
        self.is_over = False
        self.hung = False
        self.violations = []
        self.workers, self.threads = [], []

    def start(self, count):
        """Let so many threads work."""
        self.is_over = False
        self.phases += 1
        # A writer of rows has a number of its own, in all phases and processes.
        first = (self.process * 10**9 + self.phases) * 1000
        for number in range(first, first + count):
            worker = Worker(self.arrays, number, f"{self.seed} {number}")
            thread = threading.Thread(
                target=self.run, args=(worker,), daemon=True, name=f"soak-{number % 1000}"
            )
            self.workers.append(worker)
            self.threads.append(thread)
        for thread in self.threads:
            thread.start()

    def run(self, worker):
        try:
            worker.run(lambda: self.is_over)
        except BaseException as error:
            sys.stderr.write(traceback.format_exc())
            self.violations.append(f"{type(error).__name__}: {error}")
            self.is_over = True

    def stop(self):
        """End the phase, and return the Report of it. Who does not come to an end hangs."""
        self.is_over = True
        idle = 0.0
        while alive := [thread for thread in self.threads if thread.is_alive()]:
            begin = time.monotonic()
            alive[0].join(0.5)
            idle += min(time.monotonic() - begin, 1.0)  # while the machine sleeps, nobody hangs
            if idle > self.patience:
                self.hung = True
                names = [thread.name for thread in self.threads if thread.is_alive()]
                self.violations.append(f"no progress for {self.patience:g} s of {', '.join(names)}")
                sys.stderr.write(_stacks())
                break
        report = Report(violations=self.violations[:5])
        for worker in self.workers:
            report.add(worker)
        if not self.hung:
            self.workers.clear()  # with the views that they have
            self.threads.clear()
        gc.collect()
        report.memory = resident()
        return report


def serve(connection, arrays, seed, process, patience):
    """Be a process of the soak: begin and end phases as one is told to, until there is nobody who tells."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us is told, and tells us
    faulthandler.enable()
    crew = Crew(arrays, seed, process, patience)
    try:
        connection.send("ready")
        while (order := connection.recv()) is not None:
            if order == "stop":
                connection.send(crew.stop())
                if crew.hung:
                    break
            else:
                crew.start(order)
    except (EOFError, BrokenPipeError):  # who started us has been killed
        crew.is_over = True
        for thread in crew.threads:
            thread.join(5)
    if crew.hung:
        os._exit(1)


def within(seconds, function, *args):
    """Call a function that may hang, or raise; return None, or what is to be said of it."""
    told = [f"{function.__name__} hangs"]

    def call():
        try:
            function(*args)
        except BaseException as error:
            told[:] = [f"{type(error).__name__}: {error}"]
        else:
            told[:] = [None]

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        sys.stderr.write(_stacks())
    return told[0]


def _stacks():
    """Return the stacks of all threads, and who holds what."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        stacks = file.read()
    holds = ["holds: not known"]
    thread = threading.Thread(target=lambda: holds.append(f"holds: {la.holds()}"), daemon=True)
    thread.start()
    thread.join(5)  # what hangs may be in its way
    return f"process {os.getpid()}:\n{stacks}{holds[-1]}\n"
