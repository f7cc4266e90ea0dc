"""Episode: new arrays, processes that work on them, and who kills these, one after the other.

Who kills has no part in the arrays: it sees in the journal whether all go on.  It has one thread,
and forks.
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import tempfile
import threading
import time
import traceback

from kills.journal import Journal
from kills.work import PATIENCE, SLOTS, Fault, Survivor, Worker, new_arrays
from lockedarray._shared import backends
from lockedarray._shared.record_locks import RecordLocks

__all__ = ["Hang", "play"]

_THREADS = 2  # of a process
_LIMIT = 2 * PATIENCE  # seconds in which each living thread has come to an end of something


class Hang(AssertionError):
    """A thread does not go on."""


def play(kills: int, seed: int) -> dict[str, int]:
    """Kill so many processes, and return what happened, in numbers.

    Raises
    ------
    Fault
        What one of the processes found wrong, with its words.
    Hang
        One of them did not go on; the stacks of all are in it.
    """
    return _Episode(kills, seed).play()


class _Episode:
    def __init__(self, kills: int, seed: int) -> None:
        self.kills, self.seed = kills, seed
        self.source = random.Random(seed)
        # Some are killed together: a few more than were asked for.
        self.journal = Journal(_THREADS * (kills + 2 * SLOTS + 2))
        self.rows = 0
        self.arrays = new_arrays()
        # With record locks one lock is of the whole array.
        self.has_regions = backends.chosen() is not RecordLocks
        self.running: dict[int, int] = {}  # process by slot; the survivor has the last one
        self.killed = 0
        self.told = tempfile.TemporaryFile("w+")  # by those that fail or hang
        self.beats: dict[int, tuple[int, float]] = {}

    def play(self) -> dict[str, int]:
        try:
            for slot in range(SLOTS + 1):
                self.start(slot)
            while self.killed < self.kills:
                self.wait_and_kill()
                self.look()
            self.journal.stop = True
            while len(self.running) > 1:
                self.look()
                time.sleep(0.001)
            self.journal.alone = True
            while self.running:
                self.look()
                time.sleep(0.001)
        finally:
            for pid in self.running.values():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            self.told.close()
            for array in self.arrays.values():
                array.unlink()
        rows = self.journal.rows
        numbers = {"kills": self.killed, "operations": int(rows["beats"].sum())}
        for name in ("told", "repaired"):
            numbers[name] = int(rows[name].sum())
        return numbers

    # -- processes -------------------------------------------------------------------------------------

    def start(self, slot: int) -> None:
        rows = range(self.rows, self.rows + _THREADS)
        self.rows += _THREADS
        seed = self.source.getrandbits(32)
        count = 2 if slot == 0 else 1  # one of them has two threads
        pid = os.fork()
        if pid == 0:
            try:
                self.work(slot, rows[:count], seed)
                os._exit(0)
            except BaseException:
                self.fail()
        self.running[slot] = pid
        for row in rows[:count]:  # or it is not known, if it is killed now
            self.journal.rows["pid"][row] = pid

    def work(self, slot: int, rows: range, seed: int) -> None:
        faulthandler.register(signal.SIGUSR1, self.told, all_threads=True)
        kind = Survivor if slot == SLOTS else Worker
        threads = []
        for number, row in enumerate(rows):
            self.journal.rows["slot"][row] = slot
            self.journal.rows["pid"][row] = os.getpid()
            worker = kind(self.arrays, self.journal, row, slot, seed + number, self.has_regions)
            threads.append(threading.Thread(target=self.run, args=(worker,)))
        for thread in threads[1:]:
            thread.start()
        threads[0].run()
        for thread in threads[1:]:
            thread.join()

    def run(self, worker: Worker) -> None:
        try:
            worker.run()
        except BaseException:
            self.fail()

    def fail(self) -> None:
        text = f"process {os.getpid()}:\n{traceback.format_exc()}"
        os.write(self.told.fileno(), text.encode())
        os._exit(3)

    # -- who kills ---------------------------------------------------------------------------------------

    def wait_and_kill(self) -> None:
        source = self.source
        victims = source.sample(range(SLOTS), source.choice([1, 1, 1, 1, 2, SLOTS]))
        pause = source.expovariate(1 / 0.004)
        manner = source.randrange(4)
        if manner == 0:
            time.sleep(pause)
        else:  # while it may be writing
            pid = self.running[victims[0]]
            end = time.monotonic() + 0.02
            (numbers,) = (self.journal.rows["pid"] == pid).nonzero()
            while time.monotonic() < end and not self.journal.rows["inside"][numbers].any():
                pass
            for _ in range(source.randrange(2000)):
                pass
        if manner == 3:  # who is stopped is no dead one
            os.kill(self.running[victims[0]], signal.SIGSTOP)
            time.sleep(pause)
            if source.random() < 0.5:
                os.kill(self.running[victims[0]], signal.SIGCONT)
                return
        for slot in victims:
            pid = self.running.pop(slot)
            self.journal.rows["killed"][self.journal.rows["pid"] == pid] = 1
            os.kill(pid, signal.SIGKILL)
            self.reap(slot, os.waitpid(pid, 0)[1])
            self.killed += 1
        for slot in victims:
            self.start(slot)

    def look(self) -> None:
        """Whether all go on, and nobody has failed."""
        for slot, pid in list(self.running.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self.running[slot]
                self.reap(slot, status, None if self.journal.stop else "before it was told to")
        now = time.monotonic()
        rows = self.journal.rows
        for pid in self.running.values():
            for row in (rows["pid"] == pid).nonzero()[0].tolist():
                beats = int(rows["beats"][row])
                if self.beats.get(row, (-1, 0.0))[0] != beats:
                    self.beats[row] = beats, now
                elif now - self.beats[row][1] > _LIMIT:
                    raise Hang(self.stacks(row))

    def reap(self, slot: int, status: int, why: str | None = None) -> None:
        status = os.waitstatus_to_exitcode(status)
        if status not in (0, -signal.SIGKILL) or (status == 0 and why):
            raise Fault(
                f"slot {slot}, exit status {status} {why or ''}\n{self.said()}\n{self.journal.told()}"
            )

    def stacks(self, row: int) -> str:
        for pid in self.running.values():
            os.kill(pid, signal.SIGUSR1)
            time.sleep(0.2)  # one after the other; this is for people to read
        faulthandler.dump_traceback_later(PATIENCE, exit=True)  # the lock may be in its way, too
        holds = "\n".join(f"{name}: {x.lock.holds()}" for name, x in self.arrays.items())
        faulthandler.cancel_dump_traceback_later()
        return f"row {row} does not go on:\n{self.journal.told()}\n{holds}\n{self.said()}"

    def said(self) -> str:
        self.told.seek(0)
        return self.told.read()
