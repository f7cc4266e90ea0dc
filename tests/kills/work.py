"""What the processes do, each of which may be killed at any moment, and what holds nevertheless.

Each operation looks, too: what it reads under the lock is whole, or it was told of poison.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager

import numpy as np

import lockedarray as la
import lockedarray.shared
from kills.journal import ARRAYS, COUNTS, WHOLE, Journal

__all__ = ["PATIENCE", "SLOTS", "Fault", "Survivor", "Worker", "new_arrays", "writing"]

SLOTS = 3
"""How many processes are there at a time that are killed."""

ALL = SLOTS + 1  # with the survivor

PATIENCE = 60.0
"""Seconds after which whatever waits has waited for too long."""

_KEY = 0x5EED


class Fault(AssertionError):
    """Something is wrong with the arrays, or with their locks."""


def new_arrays() -> dict[str, la.LockedArray]:
    """Return the arrays of an episode."""
    return {
        "halves": la.shared.zeros(64, int),  # all elements are equal
        "columns": la.shared.zeros((8, ALL), int),  # those of a column are; a slot has one
        "rows": la.shared.zeros((ALL, 8), int),
        "counters": la.shared.zeros(4, int),
        "left": la.shared.zeros(8, int),  # all elements of the two are equal
        "right": la.shared.zeros(8, int),
        "log": la.shared.zeros((0, 3), int),  # who, its number, and both with a key
        "sizes": la.shared.zeros(1, int),  # a number some times, and then zeros
        "bell": la.shared.zeros(2, int),  # it has rung so often; so many may come in
        "ice": la.shared.zeros(2, int),
    }


@contextmanager
def writing(x):
    """Hold the write lock of x."""
    with x.write(timeout=PATIENCE) as raw:
        yield raw


def expect(condition, *told):
    if not condition:
        raise Fault(*told)


class Worker:
    """A thread that does one thing after another until it is told to stop, or killed."""

    def __init__(self, arrays, journal: Journal, row: int, slot: int, seed: int, has_regions: bool):
        self.journal, self.row, self.slot = journal, row, slot
        self.mine = journal.rows[row]
        self.source = random.Random(seed)
        self.has_regions = has_regions  # or poison is of the whole array
        self.touched: list[tuple[str, tuple[int, int]]] = []
        for name, array in arrays.items():
            setattr(self, name, array)
        self.arrays = arrays
        self.seen = 0
        self.sequence = 0

    def run(self):
        acts = [act for act, weight in self.ACTS for _ in range(weight)]
        while not self.journal.stop:
            self.attempt(self.source.choice(acts))

    def attempt(self, act):
        """Do something once; poison is told, and repaired or left to others."""
        self.mine["act"] = getattr(act, "__name__", "")
        try:
            act(self)
        except la.PoisonedError as error:
            self.check_poison(error)
            self.mine["act"] = "repair"
            if self.source.random() < 0.7:
                self.repair_touched()
        self.mine["beats"] += 1

    # -- what the journal is told ------------------------------------------------------------------

    @contextmanager
    def touching(self, *regions, write=True, counts=()):
        """Tell which bytes the block is going to use, and what it will have written."""
        mine = self.mine
        self.touched = list(regions)
        for count in counts:
            mine["begun"][COUNTS.index(count)] += 1
        if write:
            for name, region in regions:
                mine["writes"][ARRAYS.index(name)] = region
            mine["inside"] = 1
        try:
            yield
        except (la.PoisonedError, la.DeadlockError):  # and so nothing was written
            for count in counts:
                mine["begun"][COUNTS.index(count)] -= 1
            raise
        else:
            for count in counts:
                mine["done"][COUNTS.index(count)] += 1
        finally:
            mine["inside"] = 0
            mine["writes"] = 0

    def linger(self):
        """Let others come, and be killed here."""
        chance = self.source.random()
        if chance < 0.1:
            time.sleep(0.001)
        elif chance < 0.5:
            for _ in range(self.source.randrange(300)):
                pass

    # -- poison --------------------------------------------------------------------------------------

    def check_poison(self, error):
        """It is of a process that was killed while it wrote there, and overlaps what was wanted."""
        self.mine["told"] += 1
        rows = self.journal.of(error.pid)
        expect(len(rows), f"poison of an unknown process: {error}")
        expect(rows["killed"].any(), f"poison of a process that nobody has killed: {error}")
        expect(0 < error.since <= time.time() + 1, f"at {error.since}: {error}")
        if not self.has_regions:
            return
        low, high = error.region
        for name, (first, end) in self.touched:
            wrote = rows["writes"][:, ARRAYS.index(name)]
            if low < end and first < high and ((wrote[:, 0] <= low) & (high <= wrote[:, 1])).any():
                return
        raise Fault(f"{error}: wanted {self.touched}, but it wrote {rows['writes'].tolist()}")

    def repair_touched(self):
        try:
            for name, _ in self.touched:
                getattr(self, f"repair_{name}")()
            self.mine["repaired"] += 1
        except la.PoisonedError as error:  # somebody died since
            self.check_poison(error)

    @contextmanager
    def repairing(self, name):
        with self.touching((name, WHOLE)), self.arrays[name].recover() as raw:
            yield raw
            self.linger()

    def repair_halves(self):
        with self.repairing("halves") as raw:
            raw[:] = raw[0]

    def repair_columns(self):
        with self.repairing("columns") as raw:
            raw[:] = raw[0]

    def repair_rows(self):
        """Repair the own row; what is poisoned beyond it, as a whole."""
        (row,) = [region for name, region in self.touched if name == "rows"]
        if row != WHOLE and self.source.random() < 0.8:
            with self.touching(("rows", row)), self.rows[self.slot].recover() as raw:
                raw[:] = raw[0]
                self.linger()
            if self.source.random() < 0.5:
                return
        with self.repairing("rows") as raw:
            raw[:] = raw[:, :1]

    def repair_counters(self):
        with self.repairing("counters"):
            pass  # a number is old or new

    def repair_left(self):
        # Both at once, in the order in which all take them: the one has what the other is to be.
        first, second = sorted(("left", "right"), key=lambda name: self.arrays[name].lock.serial)
        with (
            self.touching((first, WHOLE), (second, WHOLE)),
            self.arrays[first].recover() as one,
            self.arrays[second].recover() as other,
        ):
            left, right = (one, other) if first == "left" else (other, one)
            left[:] = left[0]
            self.linger()
            right[:] = left[0]

    def repair_right(self):
        pass  # it is touched together with the left one

    def repair_log(self):
        with self.repairing("log") as raw:
            wrong = raw[:, 0] ^ raw[:, 1] ^ _KEY != raw[:, 2]
            raw[wrong] = -1, -1, _KEY

    def repair_sizes(self):
        with self.repairing("sizes") as raw:
            raw[:] = raw[:1]

    def repair_bell(self):
        with self.repairing("bell"):
            pass

    def repair_ice(self):
        if self.journal.rows["freezes"].any():
            return  # nothing is written there any more
        with self.repairing("ice") as raw:
            raw[:] = raw[0]

    # -- the operations --------------------------------------------------------------------------------

    def write_halves(self):
        with self.touching(("halves", (0, 512)), counts=["halves"]), writing(self.halves) as raw:
            self.check_equal(raw, "halves")
            value = raw[0] + 1
            raw[:32] = value
            self.linger()
            raw[32:] = value

    def add_to_halves(self):
        with self.touching(("halves", (0, 512)), counts=["halves"]):
            self.halves += 1

    def read_halves(self):
        with self.touching(("halves", (0, 512)), write=False):
            if self.source.random() < 0.5:
                self.check_equal(self.halves.snapshot(), "halves")
            else:
                with self.halves.read(timeout=PATIENCE) as raw:
                    self.check_equal(raw, "halves")
                    value = raw[0]
                    self.linger()
                    expect((raw == value).all(), "halves changed under a read lock", raw)

    def upgrade(self):
        with self.touching(("halves", (0, 512)), write=False), self.halves.read() as raw:
            value = raw[0]
            self.linger()
            try:
                with self.touching(("halves", (0, 512)), counts=["halves"]), writing(self.halves) as raw:  # fmt: skip
                    expect(raw[0] == value, "halves changed before the upgrade", raw, value)
                    raw[:32] = value + 1
                    self.linger()
                    raw[32:] = value + 1
            except la.DeadlockError:  # another one wants it, too
                pass

    def write_column(self):
        low = 8 * self.slot
        region = low, low + 7 * 8 * ALL + 8
        with self.touching(("columns", region), counts=["columns"]):
            if self.source.random() < 0.5:
                self.columns[:, self.slot] += 1
            else:
                with writing(self.columns[:, self.slot]) as raw:
                    self.check_equal(raw, "column")
                    value = raw[0] + 1
                    raw[:4] = value
                    self.linger()
                    raw[4:] = value

    def read_column(self):
        k = self.source.randrange(ALL)
        low = 8 * k
        with self.touching(("columns", (low, low + 7 * 8 * ALL + 8)), write=False):
            self.check_equal(self.columns[:, k].snapshot(), "column")

    def write_row(self):
        region = 64 * self.slot, 64 * self.slot + 64
        with self.touching(("rows", region), counts=["rows"]):
            if self.source.random() < 0.5:
                self.rows[self.slot] += 1
            else:
                with writing(self.rows[self.slot]) as raw:
                    self.check_equal(raw, "row")
                    raw[::2] += 1
                    self.linger()
                    raw[1::2] += 1

    def read_rows(self):
        with self.touching(("rows", WHOLE), write=False):
            rows = self.rows.snapshot()
            expect((rows == rows[:, :1]).all(), "rows", rows)

    def count(self):
        i = self.source.randrange(4)
        with self.touching(("counters", (8 * i, 8 * i + 8)), counts=[f"c{i}"]):
            kind = self.source.randrange(3)
            if kind == 0:
                self.counters[i] += 1
            elif kind == 1:
                self.counters.at[i].add(1)
            else:
                swapped, old = False, self.counters[i]
                while not swapped:
                    swapped, old = self.counters.at[i].compare_exchange(old, old + 1)

    def count_several(self):
        if self.source.random() < 0.5:
            with self.touching(("counters", (8, 24)), counts=["c1", "c2"]):
                self.counters[1:3] += 1
        else:
            with self.touching(("counters", WHOLE), counts=["c0", "c3"]):
                self.counters[[0, 3]] += 1

    def write_pair(self):
        pair = (self.left, self.right)
        order = self.source.choice([(0, 1), (1, 0)])
        with (
            self.touching(("left", (0, 64)), ("right", (0, 64)), counts=["pair"]),
            la.acquire(write=(pair[order[0]], pair[order[1]]), timeout=PATIENCE) as raws,
        ):
            left, right = raws[order[0]], raws[order[1]]
            value = left[0] + 1
            left[:] = value
            self.linger()
            right[:] = value

    def read_pair(self):
        with (
            self.touching(("left", (0, 64)), ("right", (0, 64)), write=False),
            la.acquire(read=(self.left, self.right), timeout=PATIENCE) as (left, right),
        ):
            expect((left == left[0]).all() and (right == left[0]).all(), "pair", left, right)

    def append(self):
        row = [self.row, self.sequence, self.row ^ self.sequence ^ _KEY]
        self.touched = [("log", WHOLE)]
        with self.touching(("log", WHOLE), counts=["log"]):
            index = self.log.append(row)
        expect(index >= 0, "append", index)
        self.sequence += 1

    def read_log(self):
        with self.touching(("log", WHOLE), write=False):
            rows = self.log.snapshot()
        expect((rows[:, 0] ^ rows[:, 1] ^ _KEY == rows[:, 2]).all(), "log", rows)

    def resize(self):
        n = self.source.randrange(1, 2000)
        with self.touching(("sizes", WHOLE)):
            kind = self.source.randrange(3)
            if kind == 0:
                self.sizes.resize(n)
            elif kind == 1:
                self.sizes.assign(np.full(n, n))
            else:
                with writing(self.sizes) as raw:
                    raw[: len(raw) // 2] = n
                    self.linger()
                    raw[len(raw) // 2 :] = n

    def read_sizes(self):
        with self.touching(("sizes", WHOLE), write=False):
            rows = self.sizes.snapshot()
        count = np.count_nonzero(rows)
        expect((rows[:count] == rows[:1]).all() and not rows[count:].any(), "sizes", rows)

    def wait(self):
        with self.touching(("bell", (0, 16)), write=False):
            rung = self.bell.wait_for(lambda raw: raw[0] != self.seen and int(raw[0]), PATIENCE)
        expect(rung, "nobody has rung the bell, or who waits for that was not told", self.seen)
        self.seen = rung

    def come_in(self):
        with (
            self.touching(("bell", (0, 16))),
            self.bell.write(timeout=PATIENCE, when=lambda raw: raw[1] > 0) as raw,
        ):
            raw[1] -= 1

    def write_ice(self):
        was_frozen = self.journal.rows["frozen"].any()
        try:
            with self.touching(("ice", (0, 16))):
                self.ice += 1
        except ValueError as error:
            expect(self.journal.rows["freezes"].any(), "frozen by nobody", error)
        else:
            expect(not was_frozen, "written although it is frozen")

    def freeze(self):
        self.mine["freezes"] = 1
        with self.touching(("ice", WHOLE)):
            self.ice.freeze()
        self.mine["frozen"] = 1

    @staticmethod
    def check_equal(raw, what):
        expect((raw == raw[0]).all(), what, raw)

    ACTS = [
        (write_halves, 40), (add_to_halves, 20), (read_halves, 20), (upgrade, 10), (write_column, 40), (read_column, 10),
        (write_row, 40), (read_rows, 10), (count, 40), (count_several, 20), (write_pair, 30), (read_pair, 20), (append, 30),
        (read_log, 5), (resize, 10), (read_sizes, 10), (wait, 20), (come_in, 20), (write_ice, 10), (freeze, 1),
    ]  # fmt: skip


class Survivor(Worker):
    """Who is never killed: it lets others go on, takes rows from the log, and looks at all in the end."""

    def __init__(self, *args):
        super().__init__(*args)
        self.next: dict[int, int] = {}

    def run(self):
        acts = [act for act, weight in self.ACTS for _ in range(weight)]
        while not self.journal.alone:
            self.attempt(Survivor.ring)
            self.attempt(self.source.choice(acts))
        self.check_all()

    def ring(self):
        with self.touching(("bell", (0, 16))), writing(self.bell) as raw:
            raw[0] += 1
            raw[1] = SLOTS

    def take(self):
        with self.touching(("log", WHOLE)):
            with self.log.read(timeout=PATIENCE) as raw:
                count = min(len(raw), 100)
            rows = self.log.popleft(count) if count else raw[:0]
        for who, number, key in rows.tolist():
            expect(who ^ number ^ _KEY == key, "row", who, number, key)
            if who >= 0:
                expect(number == self.next.get(who, 0), "order", who, number, self.next.get(who, 0))
                self.next[who] = number + 1

    ACTS = [
        *[(act, weight) for act, weight in Worker.ACTS
          if act not in (Worker.wait, Worker.come_in, Worker.freeze, Worker.append)],
        (take, 40),
    ]  # fmt: skip

    def check_all(self):
        """Look at everything, once all others have ended: nothing is held, and nothing lost."""
        for act in (
            Worker.read_halves, Worker.read_rows, Worker.read_pair, Worker.read_log, Worker.read_sizes,
            *[Worker.read_column] * 20, *[Worker.count] * 20, Survivor.ring,
        ):  # fmt: skip
            for _ in range(10):
                try:
                    act(self)
                    break
                except la.PoisonedError as error:
                    self.check_poison(error)
                    self.repair_touched()
            else:
                raise Fault(f"poison that no repair has taken out: {self.touched}")
        while len(self.log.snapshot()):
            self.take()
        rows = self.journal.rows
        for row, number in self.next.items():
            begun, done = (rows[field][row, COUNTS.index("log")] for field in ("begun", "done"))
            expect(done <= number <= begun, f"{number} rows of {row}, not {done} to {begun}")
        halves, left = self.halves.snapshot(), self.left.snapshot()
        self.check_between("halves", halves[0])
        self.check_between("pair", left[0])
        self.check_between("columns", self.columns.snapshot()[0].sum())
        self.check_between("rows", self.rows.snapshot()[:, 0].sum())
        for i, value in enumerate(self.counters.snapshot()):
            self.check_between(f"c{i}", value)
        killed = {f"process {pid}" for pid in rows["pid"][rows["killed"] != 0]}
        for name, array in self.arrays.items():
            # Of the dead it may tell until somebody has been in their way.
            left = [hold for hold in array.lock.holds() if hold.thread not in killed]
            expect(left == [], name, left)

    def check_between(self, count, value):
        done, begun = self.journal.sums(count)
        expect(done <= value <= begun, f"{count}: {value}, not {done} to {begun}")
