"""Everything at once, for a long time: `make soak SECONDS=600`.

Threads, more and fewer of them, and processes work on the same arrays. After each phase of some seconds nobody
works for a moment, and all that was counted is compared with the arrays. The last line tells how it went.

    PYTHONPATH=tests python -P -m stress.soak --seconds 600 --threads 4..64 --processes 4
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import sysconfig
import time

import lockedarray as la
from stress.soaking import arrays
from stress.soaking.crew import Crew, Report, serve, within
from stress.soaking.memory import Memory

__all__ = ["main"]

PHASE = 4.0
"""Seconds of a phase, at most."""

PATIENCE = 60.0
"""Seconds after which an operation that has not come to an end hangs."""


def main(arguments=None, make=la.LockedArray):
    """Soak; 0 if all went well, 1 with a violation, 130 after Ctrl-C. `make` makes the arrays of threads."""
    options = _options(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    gil = "without the GIL" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with the GIL"
    _tell(f"--seed {seed}, {la.backend} core, Python {sys.version.split()[0]} {gil}")
    soak = Soak(options, seed, make)
    hung = soak.run()
    print(soak.line(), flush=True)
    status = 1 if soak.violations else 130 if soak.interrupted else 0
    if hung:  # a thread that hangs cannot be ended, nor waited for
        sys.stderr.flush()
        os._exit(status)
    return status


def _options(arguments):
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of what each thread chooses to do")
    parser.add_argument("--threads", type=_counts, default=_counts("4..64"), help="8, or 4..64")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds until it hangs")
    parser.add_argument(
        "--every", type=float, default=10, help="seconds: how often it is told how it goes"
    )
    return parser.parse_args(arguments)


def _counts(text):
    """Return the numbers of threads that the phases have: from the first to the last, each twice the other."""
    first, _, last = text.partition("..")
    counts = [int(first)]
    while last and counts[-1] < int(last):
        counts.append(min(2 * counts[-1], int(last)))
    return counts


def _tell(text):
    print(text, file=sys.stderr, flush=True)


class Soak:
    """One run."""

    def __init__(self, options, seed, make):
        self.options, self.seed = options, seed
        self.crew = Crew(arrays.new(make), seed, 0, options.patience)
        self.shared = arrays.shared() if options.processes else None
        self.processes, self.connections = [], []
        self.own, self.others = Report(), Report()  # of all phases until now
        self.memory = Memory()
        self.violations = []
        self.interrupted = False
        self.seconds = 0.0

    # -- from the first phase to the last ----------------------------------------------------------------

    def run(self):
        """Play phases until the time is over, or there is a violation; return whether something hangs."""
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is started here ignores it
        try:
            self.start_processes()
            signal.signal(signal.SIGINT, self.interrupt)
            self.play()
        finally:
            self.end_processes()
            signal.signal(signal.SIGINT, previous)
        growth = self.memory.growth()
        if growth:
            self.violations.append(f"memory grows steadily, by {growth:.0f} MiB in the second half")
        return self.crew.hung or any("hangs" in text for text in self.violations)

    def interrupt(self, *_):
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who is in a hurry asks twice

    def play(self):
        source = random.Random(self.seed)
        begin = told = time.monotonic()
        phase = min(PHASE, self.options.seconds / len(self.options.threads))
        operations, number = 0, 0
        while not (self.interrupted or self.violations):
            left = begin + self.options.seconds - time.monotonic()
            if left <= 0:
                break
            count = self.options.threads[number % len(self.options.threads)]
            number += 1
            sys.setswitchinterval(source.choice([0.005, 0.0005, 0.00005]))
            self.play_phase(count, min(phase, left))
            now = time.monotonic()
            self.seconds = now - begin
            if now - told >= self.options.every:
                rate = (self.operations - operations) / (now - told)
                _tell(
                    f"{self.seconds:.0f} s: {rate:,.0f} operations/s, {self.waits()}, {self.size()}"
                )
                told, operations = now, self.operations

    def play_phase(self, count, seconds):
        self.crew.start(count)
        for connection in self.connections:
            self.send(connection, max(1, count // 16))
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self.crew.is_over or self.interrupted):
            time.sleep(min(0.05, max(0.0, end - time.monotonic())))
        for connection in self.connections:
            self.send(connection, "stop")
        reports = [(self.own, self.crew.stop())]
        reports += [(self.others, self.answer(number)) for number in range(len(self.processes))]
        self.memory.add(sum(report.memory for _, report in reports))
        for total, report in reports:
            total.add(report)
            self.violations += report.violations
        if not self.violations:  # or something may be half done, or held
            self.check(self.crew.arrays, self.own, "")
            if self.shared:
                self.check(self.shared, self.others, "between processes: ")

    def check(self, of, report, where):
        wrong = within(self.options.patience, arrays.check, of, report.done)
        if wrong:
            self.violations.append(where + wrong)

    # -- processes ---------------------------------------------------------------------------------------

    def start_processes(self):
        context = multiprocessing.get_context("spawn")
        for number in range(1, self.options.processes + 1):
            ours, theirs = context.Pipe()
            args = theirs, self.shared, self.seed, number, self.options.patience
            process = context.Process(target=serve, args=args, daemon=True)
            process.start()
            theirs.close()
            self.processes.append(process)
            self.connections.append(ours)
        for number in range(len(self.processes)):
            answer = self.answer(number)
            if answer != "ready":
                self.violations += answer.violations

    def send(self, connection, order):
        try:
            connection.send(order)
        except OSError:  # it has ended: the answer will tell
            pass

    def answer(self, number):
        """Return what a process answers; that it has died, or hangs, is an answer, too."""
        connection, process = self.connections[number], self.processes[number]
        try:
            if connection.poll(2 * self.options.patience):
                return connection.recv()
            return Report(violations=[f"process {number + 1} hangs"])
        except (EOFError, OSError):
            process.join(5)
            return Report(violations=[f"process {number + 1} has ended: {process.exitcode}"])

    def end_processes(self):
        for connection in self.connections:
            self.send(connection, None)
        for process in self.processes:
            process.join(1 if self.violations else 30)
            if process.is_alive():
                process.kill()
                process.join()
        if self.shared:
            for array in self.shared.named.values():
                wrong = within(5, array.unlink)
                if wrong:
                    self.violations.append(wrong)

    # -- how it goes ---------------------------------------------------------------------------------------

    @property
    def operations(self):
        return self.own.operations + self.others.operations

    def longest(self):
        """Return the longest waits by kind."""
        both = Report()
        both.add(self.own)
        both.add(self.others)
        return both.longest

    def waits(self):
        waits = ", ".join(f"{kind} {seconds:.2f}" for kind, seconds in self.longest().most_common())
        return f"longest waits {waits} s"

    def size(self):
        return f"memory {self.memory.last:.0f} MiB"

    def line(self):
        """Return how it went, in one line."""
        if self.own.told or self.others.told:
            told = self.own.told + self.others.told
            _tell(", ".join(f"{count} {name}" for name, count in sorted(told.items())))
            _tell(self.waits())
        counts = self.options.threads
        threads = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        rate = self.operations / self.seconds if self.seconds else 0
        longest = max(self.longest().values(), default=0.0)
        line = (
            f"soak {self.seconds:.0f} s{' (stopped)' if self.interrupted else ''}: {threads} threads, "
            f"{self.options.processes} processes, {self.operations} operations ({rate:.0f}/s), "
            f"longest wait {longest:.2f} s, memory from {self.memory.first:.0f} to "
            f"{self.memory.last:.0f} MiB, violations {len(self.violations)}"
        )
        if self.violations:
            told = "; ".join(" ".join(text.split()) for text in self.violations[:5])
            line += f" (--seed {self.seed}): {told[:2000]}"
        return line


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
