"""Worker: a thread that does one thing after the other to the arrays of a soak, by chance."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import numpy as np

import lockedarray as la
from stress.soaking.arrays import BALANCE, VIEWED, check_rows, expect, keys

__all__ = ["Worker"]

MOMENT = 0.05
"""Seconds for which something is waited for that may never come."""

ROWS = 2000
"""Above so many, rows of the log are removed and none appended."""


class Oops(Exception):
    """What ends a guard's block."""


class Worker:
    """What one thread does, and what it has counted."""

    def __init__(self, arrays, number, seed):
        self.arrays, self.number = arrays, number
        self.source = random.Random(seed)
        self.done = Counter()  # what the arrays are to show, as arrays.check knows it
        self.longest = Counter()  # seconds, by kind
        self.told = Counter()  # refusals, by kind
        self.operations = 0
        self.appended = 0
        self.seen = np.zeros(4, np.int64)
        self.rung = 0
        self.own = 0.0
        self.view = arrays.grid[:VIEWED]

    def run(self, is_over):
        """Work until it is over."""
        acts = [
            (kind, act)
            for kind, act, weight, for_shared in _ACTS
            if for_shared or not self.arrays.is_shared
            for _ in range(weight)
        ]
        while not is_over():
            kind, act = self.source.choice(acts)
            self.own = 0.0
            begin = time.perf_counter()
            act(self)
            waited = time.perf_counter() - begin - self.own
            self.operations += 1
            self.longest[kind] = max(self.longest[kind], waited)

    def linger(self):
        """Let others come: now and then a little longer."""
        chance = self.source.random()
        if chance < 0.02:
            self.own += 0.001
            time.sleep(0.001)
        elif chance < 0.2:
            time.sleep(0)

    def patience(self):
        """Return the seconds of a timeout, which count as asked for."""
        seconds = self.source.choice([0, 0.0005, 0.005, MOMENT])
        self.own += seconds
        return seconds

    def moment(self):
        self.own += MOMENT
        return MOMENT

    # -- sums --------------------------------------------------------------------------------------------

    def read_sum(self):
        x = self.arrays.accounts
        kind = self.source.randrange(4)
        if kind == 0:
            total = x.sum()
        elif kind == 1:
            total = np.add.reduce(x)
        elif kind == 2:
            total = sum(x.tolist())
        else:
            with x.read() as raw:
                total = raw[:16].sum()
                self.linger()
                total += raw[16:].sum()
        expect(total == x.size * BALANCE, "the sum of the accounts is", total)

    def transfer(self):
        x = self.arrays.accounts
        i, j = self.source.sample(range(x.size), 2)
        kind = self.source.randrange(3)
        if kind == 0:
            x[[i, j]] += np.array([-1, 1])
        elif kind == 1:
            x.at[[i, j]].add(np.array([-1, 1]))
        else:
            with x.write() as raw:
                raw[i] -= 1
                self.linger()
                raw[j] += 1

    def reorder(self):
        x = self.arrays.accounts
        kind = self.source.randrange(3)
        if kind == 0:
            x.sort()
        elif kind == 1:
            x[...] = x[::-1]
        else:
            np.copyto(x[1:], x[:0:-1])

    def transfer_between(self):
        """Several arrays as one; others hold one of them and want the other, so it may be refused."""
        left, right = self.source.sample([self.arrays.left, self.arrays.right], 2)
        i = self.source.randrange(16)
        try:
            with la.acquire(write=(left, right)) as (one, other):
                one[i] -= 1
                self.linger()
                other[i] += 1
        except la.DeadlockError:
            self.told["deadlocks"] += 1

    def read_both(self):
        left, right = self.source.sample([self.arrays.left, self.arrays.right], 2)
        try:
            with la.acquire(read=(left, right)) as (one, other):
                total = one.sum()
                self.linger()
                total += other.sum()
        except la.DeadlockError:
            self.told["deadlocks"] += 1
        else:
            expect(total == 32 * BALANCE, "the sum of left and right is", total)

    def transfer_in_nested_blocks(self):
        """In any order: between threads a cycle is refused, between processes only the time ends it."""
        left, right = self.source.sample([self.arrays.left, self.arrays.right], 2)
        timeout = self.patience() if self.arrays.is_shared or self.source.random() < 0.2 else None
        i = self.source.randrange(16)
        try:
            with left.write() as one:
                self.linger()
                with right.write(timeout=timeout) as other:
                    one[i] -= 1
                    self.linger()
                    other[i] += 1
        except la.DeadlockError:
            self.told["deadlocks"] += 1
        except la.LockTimeout:
            self.told["timeouts"] += 1

    # -- halves ------------------------------------------------------------------------------------------

    def read_halves(self):
        x = self.arrays.halves
        if self.source.random() < 0.5:
            self.check_halves(x.snapshot())
            return
        with x.read() as raw:
            before = raw.copy()
            self.check_halves(before)
            self.linger()
            expect((raw == before).all(), "halves have changed under a read lock")

    def check_halves(self, raw):
        n = len(raw) // 2
        expect((raw[:n] == raw[n:]).all(), "halves differ", raw.tolist())

    def fill_halves(self, raw):
        """Change one half, and later the other."""
        self.check_halves(raw)
        n = len(raw) // 2
        values = np.arange(n) * self.source.randrange(1000)
        raw[:n] = values
        self.linger()
        raw[n:] = values

    def write_halves(self):
        x = self.arrays.halves
        kind = self.source.randrange(4)
        if kind == 0:
            x += 1
        elif kind == 1:
            np.negative(x, out=x)
        elif kind == 2:
            x.fill(self.number)
        else:
            with x.write() as raw:
                self.fill_halves(raw)

    def write_in_time(self):
        x = self.arrays.halves
        if self.source.random() < 0.3:
            if x.lock.acquire(timeout=self.patience()):
                try:
                    x -= 1
                finally:
                    x.lock.release()
            else:
                self.told["timeouts"] += 1
            return
        try:
            with x.write(timeout=self.patience()) as raw:
                self.fill_halves(raw)
        except la.LockTimeout:
            self.told["timeouts"] += 1

    def fail(self):
        raw = None
        try:
            with self.arrays.halves.write() as raw:
                raw[: len(raw) // 2] += 1
                self.linger()
                raw[: len(raw) // 2] -= 1
                raise Oops
        except Oops:
            self.told["exceptions"] += 1
        expect(not raw.flags.writeable, "a raw view is writable after its guard")

    def upgrade(self):
        x = self.arrays.halves
        with x.read() as raw:
            before = raw.copy()
            self.linger()
            try:
                with x.write() as raw:
                    expect(np.array_equal(raw, before), "halves have changed before the upgrade")
                    self.fill_halves(raw)
            except la.DeadlockError:  # another one wants it, too
                self.told["deadlocks"] += 1

    def resize_halves(self):
        x = self.arrays.halves
        n = self.source.randrange(1, 2000)
        if self.source.random() < 0.5:
            x.assign(np.tile(np.arange(n), 2))
            return
        with x.lock:
            x.resize(2 * n)
            self.linger()
            x[n:] = x[:n]

    # -- counters ----------------------------------------------------------------------------------------

    def count(self):
        x = self.arrays.counters
        i = self.source.randrange(x.size)
        kind = self.source.randrange(3)
        if kind == 0:
            x[i] += 1
        elif kind == 1:
            x.at[i].add(1)
        else:
            swapped, old = False, x[i]
            while not swapped:
                swapped, old = x.at[i].compare_exchange(old, old + 1)
        self.done["counters", i] += 1

    def count_several(self):
        x = self.arrays.counters
        i = self.source.randrange(x.size - 2)
        kind = self.source.randrange(6)
        counted = [i, i + 1]
        if kind == 0:
            x[i : i + 2] += 1
        elif kind == 1:
            x[counted] += 1
        elif kind == 2:
            x[np.isin(np.arange(x.size), counted)] += 1
        elif kind == 3:
            np.add(x[i : i + 2], 1, out=x[i : i + 2])
        elif kind == 4:
            np.add.at(x, counted, 1)
        else:
            with x.write() as raw:
                raw[i] += 1
                self.linger()
                raw[i + 1] += 1
        for number in counted:
            self.done["counters", number] += 1

    def count_objects(self):
        x = self.arrays.objects
        i = self.source.randrange(x.size)
        if self.source.random() < 0.5:
            x.at[i].add(1)
        else:
            try:
                x[i] += 1
            except RuntimeError as error:  # another thread was faster, and nothing is stored
                if type(error) is not RuntimeError or "x.at[" not in str(error):
                    raise
                self.told["refused += of objects"] += 1
                return
        self.done["objects", i] += 1

    def write_records(self):
        x = self.arrays.records
        number = self.source.randrange(1000)
        if self.source.random() < 0.5:
            x[...] = np.array((number, number), x.dtype)
        else:
            x[self.source.randrange(x.size)] = number, number

    def read_records(self):
        seen = self.arrays.records.copy()
        expect((seen["a"] == seen["b"]).all(), "a record is torn")

    # -- views of what is resized ------------------------------------------------------------------------

    def count_by_view(self):
        if self.source.random() < 0.05:
            self.view = self.arrays.grid[:VIEWED]
        i = self.source.randrange(VIEWED)
        kind = self.source.randrange(3)
        if kind == 0:
            view = self.view
            view += 1
            for number in range(VIEWED):
                self.done["grid", number] += 1
            return
        if kind == 1:
            self.view[i] += 1
        else:
            self.arrays.grid[i] += 1
        self.done["grid", i] += 1

    def look_through_view(self):
        with self.arrays.grid.read() as raw:
            seen = self.view.snapshot()
            expect(np.array_equal(seen, raw[:VIEWED]), "a view does not show the array any more")
            expect((seen == seen[:, :1]).all(), "a row of the grid is torn")

    def resize_grid(self):
        x = self.arrays.grid
        n = VIEWED + self.source.randrange(500)
        if self.source.random() < 0.5:
            x.resize((n, 4))
            return
        with x.write():
            before = len(x)
            x.resize((n, 4))
            self.linger()
            expect(not x[before:].snapshot().any(), "what a resize has added is not zero")
            x[VIEWED:] = 7

    # -- rows --------------------------------------------------------------------------------------------

    def append(self):
        x = self.arrays.log
        if len(x) > ROWS:
            self.remove()
            return
        n = self.source.randrange(1, 5)
        rows = np.empty((n, 3), np.int64)
        rows[:, 0] = self.number
        rows[:, 1] = np.arange(self.appended, self.appended + n)
        rows[:, 2] = keys(rows[:, 0], rows[:, 1])
        self.appended += n
        x.append(rows[0] if n == 1 else rows)
        self.done["log", "appended"] += n
        self.done["log", "appended keys"] += sum(rows[:, 2].tolist())

    def remove(self):
        n = self.source.randrange(1, 20)
        try:
            rows = self.arrays.log.popleft(n)
        except IndexError:  # so many are not there
            return
        expect(rows.shape == (n, 3), "removed rows have the shape", rows.shape)
        check_rows(rows)
        self.done["log", "removed"] += n
        self.done["log", "removed keys"] += sum(rows[:, 2].tolist())

    def read_log(self):
        check_rows(self.arrays.log.snapshot())

    # -- waiting for a change ----------------------------------------------------------------------------

    def write_version(self):
        x = self.arrays.versions
        i = self.source.randrange(x.size)
        x[i] += 1
        self.done["versions", i] += 1

    def read_version(self):
        seen = self.arrays.versions.snapshot()
        expect((seen >= self.seen).all(), "a version is older than one before", seen, self.seen)
        self.seen = seen

    def wait_for_version(self):
        i = self.source.randrange(4)
        seen = self.seen[i]
        try:
            with self.arrays.versions.read(
                timeout=self.moment(), when=lambda raw: raw[i] > seen
            ) as raw:
                expect(raw[i] > seen, "let in although the condition is false")
                self.seen = np.maximum(self.seen, raw)
        except la.LockTimeout:
            self.told["timeouts"] += 1

    def ring(self):
        self.arrays.bell[0] += 1
        self.done["bell", 0] += 1

    def hear(self):
        before = self.rung
        rung = self.arrays.bell.wait_for(
            lambda raw: raw[0] != before and int(raw[0]), self.moment()
        )
        if rung:
            expect(rung > before, "the bell has rung less often than before")
            self.rung = rung

    def open(self):
        self.arrays.bell.at[1].add(1)
        self.done["bell", 1] += 1

    def come_in(self):
        try:
            with self.arrays.bell.write(timeout=self.moment(), when=lambda raw: raw[1] > 0) as raw:
                expect(raw[1] > 0, "let in although nothing is open")
                raw[1] -= 1
        except la.LockTimeout:
            self.told["timeouts"] += 1
        else:
            self.done["bell", 1] -= 1

    def put(self):
        with self.arrays.changed:
            self.arrays.tokens[0] += 1
            self.arrays.changed.notify()
        self.done["tokens", 0] += 1

    def take(self):
        x, changed = self.arrays.tokens, self.arrays.changed
        if self.source.random() < 0.5:
            with changed:
                self.take_within(x, changed)
        else:
            with x.write(), changed:  # the wait lets go of both
                self.take_within(x, changed)

    def take_within(self, x, changed):
        if changed.wait_for(lambda: x[0] > 0, self.moment()):
            expect(x[0] > 0, "woken without a token")
            x[0] -= 1
            self.done["tokens", 0] -= 1

    # -- tasks -------------------------------------------------------------------------------------------

    def run_tasks(self):
        self.moment()  # together
        asyncio.run(self.some_tasks())

    async def some_tasks(self):
        kinds = [self.count_in_task, self.transfer_in_task, self.wait_in_task]
        tasks = [
            asyncio.create_task(self.source.choice(kinds)())
            for _ in range(self.source.randrange(2, 7))
        ]
        await asyncio.sleep(self.source.choice([0, 0, 0.001]))
        for task in self.source.sample(tasks, len(tasks) // 2):
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, asyncio.CancelledError):
                self.told["cancelled tasks"] += 1
            elif isinstance(result, la.DeadlockError):
                self.told["deadlocks"] += 1
            elif isinstance(result, la.LockTimeout):
                self.told["timeouts"] += 1
            elif result is not None:
                raise result

    async def count_in_task(self):
        i = self.source.randrange(8)
        async with self.arrays.counters.write() as raw:
            raw[i] += 1
            self.done["counters", i] += 1
            await asyncio.sleep(0)

    async def transfer_in_task(self):
        left, right = self.source.sample([self.arrays.left, self.arrays.right], 2)
        async with la.acquire(write=(left, right)) as (one, other):
            one[0] -= 1
            try:
                await asyncio.sleep(0)
            finally:  # cancelled or not
                other[0] += 1

    async def wait_in_task(self):
        before = self.rung
        guard = self.arrays.bell.read(timeout=MOMENT, when=lambda raw: raw[0] > before)
        async with guard as raw:
            self.rung = max(self.rung, int(raw[0]))


_ACTS = [  # kind, act, how often, and whether arrays of processes have it
    ("read", Worker.read_sum, 8, True),
    ("read", Worker.read_halves, 10, True),
    ("read", Worker.read_records, 3, False),
    ("read", Worker.read_log, 2, True),
    ("read", Worker.read_version, 6, True),
    ("read", Worker.look_through_view, 4, True),
    ("write", Worker.transfer, 8, True),
    ("write", Worker.reorder, 4, True),
    ("write", Worker.write_halves, 6, True),
    ("write", Worker.write_in_time, 4, True),
    ("write", Worker.fail, 3, True),
    ("write", Worker.write_records, 3, False),
    ("update", Worker.count, 12, True),
    ("update", Worker.count_several, 8, True),
    ("update", Worker.count_objects, 4, False),
    ("update", Worker.count_by_view, 8, True),
    ("update", Worker.write_version, 4, True),
    ("several", Worker.transfer_between, 4, True),
    ("several", Worker.read_both, 4, True),
    ("several", Worker.transfer_in_nested_blocks, 4, True),
    ("upgrade", Worker.upgrade, 3, True),
    ("resize", Worker.resize_halves, 1, True),
    ("resize", Worker.resize_grid, 2, True),
    ("append", Worker.append, 6, True),
    ("append", Worker.remove, 1, True),
    ("change", Worker.wait_for_version, 2, True),
    ("change", Worker.ring, 3, True),
    ("change", Worker.hear, 2, True),
    ("change", Worker.open, 3, True),
    ("change", Worker.come_in, 3, True),
    ("change", Worker.put, 3, False),
    ("change", Worker.take, 3, False),
    ("task", Worker.run_tasks, 1, True),
]
