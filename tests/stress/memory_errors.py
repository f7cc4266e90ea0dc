"""Operations whose n-th allocation fails, for each n: a failure is clean, whatever they were about.

An operation is done on new arrays again and again, and another of its allocations fails each time;
then once more each time, and three in a row fail, which is what meets the code that cleans up. (If all
from one on fail, Python itself gives up.) What has to hold:

- It raises MemoryError, or what NumPy raises in the same place on plain arrays, or succeeds, and then
  with the right result.
- The data are as before, or as after it. Where NumPy leaves plain arrays half done, ours may be left so.
- Nobody holds a lock: another thread can write to each array at once.
- Where the data are as before, the same call on the same arrays then does what it should.
- Nothing is left behind: no memory, no reference, each time that it fails. That is looked at where the
  native core does all by itself: Python (3.11) leaves the cells of a function that it cannot begin.

What fails are the allocations that go through the allocators of Python. NumPy's data do not, nor do the
records of the lock: for those see tests/c/test_no_memory.c.

Python and NumPy can crash, too, when they run out of memory. So each part of the work is done in a process of its own, which goes
on behind what crashed; where plain arrays crash in the same operation, that is NumPy's.

    PYTHONPATH=tests python -P -m stress.memory_errors --only getitem
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import gc
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np

import lockedarray as la
from catalogue import CATALOGUE
from catalogue.operation import Call, Outcome
from catalogue.same import check_same
from leaks import LASTING
from stress import memory_scenes

__all__ = ["Report", "apart"]

PACKAGE = os.path.dirname(la.__file__)
"""Where the Python of the package is."""

SIDES = ("plain", "locked")
WAYS = {"one": 1, "three": 3}
"""How many allocations fail, one after the other."""

MOST = 400
"""More allocations than these are tried in steps."""

SLACK = 3
"""So many more allocations are tried than were counted, as Python keeps some things for later use."""

NUMPYS_WORDS = ("is not a valid dtype instance", "error return without exception set")
"""What NumPy (2.4) says in functions that ours call and the operation on plain arrays does not."""

ROUNDS = 4
"""How often all failures of an operation are repeated, to see what they leave."""


# What fails.


def hooks():
    """Return what makes allocations fail, and what ends that."""
    from _testcapi import remove_mem_hooks, set_nomemory

    return set_nomemory, remove_mem_hooks


def attempt(call, number, way):
    """Call, with the allocation of that number failing, and return the outcome."""
    set_nomemory, remove = hooks()
    stop = number + WAYS[way]
    value = error = None
    try:
        set_nomemory(number, stop)
        value = call()
        remove()
    except Exception as raised:
        remove()
        error = raised
    return Outcome(value, error)


def count(call):
    """Return how many allocations `call` makes; it may raise."""
    set_nomemory, remove = hooks()
    limit = 20_000
    probes = [object] * (limit + 1)
    numbers = []
    for what in (lambda: None, call):
        left = iter(probes)
        result = error = None  # as each thing that a call returns is one that is freed later
        set_nomemory(limit, 0)
        try:
            result = what()
        except Exception as raised:
            error = raised
        try:
            for probe in left:
                probe()
        except MemoryError:
            pass
        remove()
        numbers.append(limit - (len(probes) - left.__length_hint__()))
        del result, error
    return max(numbers[1] - numbers[0], 0)


# What is done.


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to do: `make` returns what does it, on new arrays, and has these arrays."""

    name: str
    make: dict  # of side to what makes a call
    operation: object = None


def cases():
    """Return all there is to do."""
    entries = []
    for operation in CATALOGUE:
        make = {
            "plain": lambda operation=operation: Call.plain(operation),
            "locked": lambda operation=operation: Call.all_locked(operation),
        }
        entries.append(Case(str(operation), make, operation))
    for name, make in memory_scenes.scenes():
        entries.append(Case(name, {"locked": make}))
    return entries


class Elsewhere:
    """Another thread, which tries whether the arrays are free."""

    def __init__(self):
        self._asked, self._answers = queue.SimpleQueue(), queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def complaint(self, arrays):
        """Return what is wrong with these arrays, or None."""
        self._asked.put(arrays)
        return self._answers.get(timeout=60)

    def _serve(self):
        while True:
            arrays, answer = self._asked.get(), None
            for array in arrays:
                try:
                    with array.read(timeout=0) if array.frozen else array.write(timeout=0):
                        pass
                except Exception as error:
                    answer = f"another thread gets {type(error).__name__}: {error}"
            self._answers.put(answer)
            del arrays
            array = None


def content(array):
    """Return what is in an array, to be compared, with its shape and its type."""
    frozen = None
    if isinstance(array, la.LockedArray):
        frozen = array.frozen
        array = array.snapshot()
    else:
        array = np.asarray(array)
    data = repr(array.tolist()) if array.dtype.hasobject else array.tobytes()
    return str(array.dtype), array.shape, data, frozen


def contents(call):
    return [content(array) for array in call.arrays.values()]


def roots(call):
    return [array for array in call.arrays.values() if isinstance(array, la.LockedArray)]


def runs_python(call):
    """Whether `call` runs any Python of the package."""
    ran = []

    def see(frame, event, _argument):
        if event == "call" and PACKAGE in frame.f_code.co_filename:
            ran.append(frame.f_code)

    sys.setprofile(see)
    call.outcome()
    sys.setprofile(None)
    return bool(ran)


class Trial:
    """One case: what plain arrays do when memory fails, then what ours do."""

    def __init__(self, case, skipped, note, elsewhere):
        self.case = case
        self.skipped = skipped
        self.note = note
        self.elsewhere = elsewhere
        self.complaints = []
        self.attempts = self.raised = self.after = 0
        self.plain_errors = set()
        self.plain_contents = set()
        self.numpy_is_wrong = False

    def run(self):
        if "plain" in self.case.make:
            self._plain()
        self._locked()
        if not runs_python(self.case.make["locked"]()):
            self._leaks()

    def _numbers(self, side):
        """Yield which allocations fail, and how, but for those that crashed before."""
        for _ in range(3):
            self.case.make[side]().outcome()  # what is made once has been made
        gc.collect()  # what Python keeps for later use has to be allocated now
        number = count(self.case.make[side]()) + SLACK
        step = 1 + number // MOST
        for way in WAYS:
            for which in range(0, number, step):
                if [side, way, which] not in self.skipped:
                    self.note(side, way, which)
                    yield which, way

    def _plain(self):
        clean = self.case.make["plain"]()
        before = contents(clean)
        self.plain_clean = clean, clean.outcome()
        self.plain_after = contents(clean)
        for which, way in self._numbers("plain"):
            call = self.case.make["plain"]()
            outcome = attempt(call, which, way)
            self.note("plain", "", -1)
            if outcome.error is not None:
                self.plain_errors.add(type(outcome.error))
            elif self.plain_clean[1].error is not None or contents(call) != self.plain_after:
                self.numpy_is_wrong = True
            for number, has in enumerate(contents(call)):
                self.plain_contents.add((number, has[:3]))
        self.plain_contents |= {(n, has[:3]) for n, has in enumerate(before + self.plain_after)}

    def _locked(self):
        make = self.case.make["locked"]
        clean = make()
        self.before = contents(clean)
        self.clean = clean.outcome()
        self.done = contents(clean)
        for which, way in self._numbers("locked"):
            call = make()
            outcome = attempt(call, which, way)
            self.note("locked", "", -1)
            self.attempts += 1
            try:
                self._check(call, outcome)
            except Exception as error:
                self._complain(which, way, outcome, f"{type(error).__name__}: {error}")

    def _complain(self, which, way, outcome, what):
        if len(self.complaints) < 3:
            self.complaints.append(f"{self.case.name}: allocation {which}, {way}: {outcome}: {what}")
        elif len(self.complaints) == 3:
            self.complaints.append(f"{self.case.name}: and more")

    def _check(self, call, outcome):
        complaint = self.elsewhere.complaint(roots(call))
        assert complaint is None, complaint
        for array in roots(call):
            assert array.lock.holds() == [], "something is held"
            assert not array.flags.writeable, "an array was left writable"
        has = contents(call)
        if outcome.error is not None and type(outcome.error) is not type(self.clean.error):
            self.raised += 1
            wanted = {MemoryError} | self.plain_errors
            said = any(words in str(outcome.error) for words in NUMPYS_WORDS)
            assert type(outcome.error) in wanted or said, "this is no MemoryError"
            self.after += has != self.before and has == self.done
        for number, (one, before, after) in enumerate(zip(has, self.before, self.done, strict=True)):
            fine = one in (before, after) or (number, one[:3]) in self.plain_contents
            assert fine, f"array {number} is left half done: {one}"
        if outcome.error is None and not self.numpy_is_wrong:
            self._check_right(call, outcome)
        if outcome.error is not None and has == self.before:
            self._check_right(call, call.outcome())

    def _check_right(self, call, outcome):
        if "plain" in self.case.make:
            check_same(call, outcome, *self.plain_clean)
        else:
            assert type(outcome.error) is type(self.clean.error), f"then it does {outcome}"
            assert contents(call) == self.done, "then it does something else"

    def _leaks(self):
        left = self._left("locked")
        if left and "plain" in self.case.make:
            theirs = self._left("plain")
            left = {what: number for what, number in left.items() if number > theirs.get(what, 0)}
        if left:
            self.complaints.append(f"{self.case.name}: failures leave {left}")

    def _left(self, side):
        """Return what all failures of an operation leave behind each time, by name."""
        make = self.case.make[side]
        least = None
        for _ in range(ROUNDS):
            before = [sys.getrefcount(thing) for thing in LASTING.values()]
            blocks = self._blocks()
            for which, way in self._numbers_again(side):
                attempt(make(), which, way)
            blocks = self._blocks() - blocks
            left = [sys.getrefcount(thing) for thing in LASTING.values()]
            left = [new - old for old, new in zip(before, left, strict=True)] + [blocks]
            least = left if least is None else list(map(min, least, left))
            if max(least) <= 0:
                return {}
        names = [f"references to {name}" for name in LASTING] + ["blocks"]
        return {name: number for name, number in zip(names, least, strict=True) if number > 0}

    def _numbers_again(self, side):
        if not hasattr(self, "counted"):
            self.counted = {}
        if side not in self.counted:
            self.counted[side] = min(count(self.case.make[side]()) + SLACK, MOST)
        for way in WAYS:
            for which in range(self.counted[side]):
                if [side, way, which] not in self.skipped:
                    self.note(side, way, which)
                    yield which, way
                    self.note(side, "", -1)

    @staticmethod
    def _blocks():
        gc.collect()
        return sys.getallocatedblocks()


# In a process of its own.


def work(chosen, first, skipped):
    """Do the cases from the first one on; print what came of each, and note what is tried."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    sys.unraisablehook = lambda _unraisable: None
    faulthandler.enable()
    where = os.open(os.environ["LA_MEMORY_NOTE"], os.O_RDWR)
    elsewhere = Elsewhere()
    all_cases = cases()
    gc.collect()
    gc.freeze()  # so that each collection is quick
    gc.disable()
    for index in chosen:
        if index < first:
            continue

        def note(side, way, which, index=index):
            os.pwrite(where, b"%d %b %b %d\n%20s" % (index, side.encode(), way.encode() or b"-", which, b""), 0)

        note("locked", "", -1)
        trial = Trial(all_cases[index], skipped.get(str(index), []), note, elsewhere)
        trial.run()
        told = {
            "index": index,
            "attempts": trial.attempts,
            "raised": trial.raised,
            "after": trial.after,
            "complaints": trial.complaints,
        }
        print(json.dumps(told), flush=True)


@dataclasses.dataclass
class Report:
    """What came of it: the failed allocations that were tried, and what was wrong."""

    cases: int = 0
    allocations: int = 0
    raised: int = 0
    after: int = 0
    violations: list = dataclasses.field(default_factory=list)
    crashes_of_numpy: list = dataclasses.field(default_factory=list)


def apart(chosen, timeout, say=lambda text: None):
    """Do the chosen cases in processes of their own, each going on where one crashed."""
    import tempfile

    report, skipped, names = Report(), {}, [case.name for case in cases()]
    first = 0
    crashed = {}
    while True:
        with tempfile.NamedTemporaryFile() as note:
            done, error, lines = _one_process(chosen, first, skipped, note.name, timeout)
            for line in lines:
                told = json.loads(line)
                first = told["index"] + 1
                report.cases += 1
                report.allocations += told["attempts"]
                report.raised += told["raised"]
                report.after += told["after"]
                report.violations += told["complaints"]
                for complaint in told["complaints"]:
                    say(complaint)
                report.violations += crashed.get(told["index"], ([], []))[1]
            if done == 0:
                return report
            words = Path(note.name).read_text().split("\n")[0].split()
        index, side, way, which = int(words[0]), words[1], words[2], int(words[3])
        text = f"{names[index]}: {side}, allocation {which}, {way}: ended by {done}"
        say(f"{text}\n{error[:400]}")
        if which < 0 or [side, way, which] in skipped.get(index, []):
            report.violations.append(f"{text}, not in the operation")
            first = index + 1
            continue
        skipped.setdefault(index, []).append([side, way, which])
        crashed.setdefault(index, ([], []))[side == "locked"].append(text)
        first = index
        if side == "plain":  # one is enough
            report.crashes_of_numpy.append(text)
            first = index + 1


def _one_process(chosen, first, skipped, note, timeout):
    command = [sys.executable, "-P", "-m", "stress.memory_errors", "--work"]
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": tests, "LA_MEMORY_NOTE": note}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    told = json.dumps({"chosen": chosen, "first": first, "skipped": skipped})
    done = subprocess.run(
        command, env=environment, input=told, capture_output=True, text=True, timeout=timeout, check=False
    )
    return done.returncode, done.stderr[-3000:], done.stdout.splitlines()


def main():
    """Try what the command line chooses, and tell what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a part of the names of the operations")
    parser.add_argument("--every", type=int, default=1, help="each how many-th of them")
    parser.add_argument("--timeout", type=float, default=3600)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        told = json.load(sys.stdin)
        work(told["chosen"], told["first"], told["skipped"])
        return
    chosen = [n for n, case in enumerate(cases()) if given.only in case.name][:: given.every]
    report = apart(chosen, given.timeout, lambda text: print(text, flush=True))
    print(f"{report.cases} operations; {report.raised} raised, {report.after} of them when all was done")
    for text in report.crashes_of_numpy:
        print(f"NumPy's: {text}")
    for text in report.violations:
        print(f"violation: {text}")
    print(f"allocations {report.allocations}, violations {len(report.violations)}")


if __name__ == "__main__":
    main()
