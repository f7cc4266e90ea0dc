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

The portable core takes and gives back its locks in Python, which needs memory for it: of it the locks
are not looked at, but all else is.

Python and NumPy can crash, too, when they run out of memory. So each operation is tried in a process of
its own; where plain arrays crash in the same operation, that is NumPy's. So it is where plain arrays lose a
reference to their dtype in it, as NumPy (2.4) has them do where it adds strings: the crash comes later, when
that memory has become something else.

    PYTHONPATH=tests python -P -m stress.memory_errors --only getitem
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import mmap
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
import warnings

import numpy as np

import lockedarray as la
from catalogue import CATALOGUE
from catalogue.operation import Call, Outcome
from catalogue.same import check_same
from leaks import LASTING
from stress import memory_scenes

__all__ = ["Report", "loses_dtypes", "prepared"]

PACKAGE = os.path.dirname(la.__file__)
"""Where the Python of the package is."""

GIVES_BACK = la.backend == "native"
"""Whether the core promises to give locks back where there is no memory at all."""

SIDES = ("plain", "locked")
WAYS = {"one": 1, "three": 3}
"""How many allocations fail, one after the other."""

MOST = 400
"""More allocations than these are tried in steps."""

SLACK = 3
"""So many more allocations are tried than were counted, as Python keeps some things for later use."""

NUMPYS_WORDS = (
    "is not a valid dtype instance",  # NumPy (2.4), of a dtype with a class
    "error return without exception set",
    "returned NULL without setting an exception",  # Python (3.11), without room for a frame
    "returned a result with an exception set",  # NumPy's asarray, unravel_index and others
    "broadcast to indexing result",  # NumPy, whatever fails where it assigns an array by a list
    "can't allocate lock",  # Python
    ": MemoryError: ",  # ctypes, in the portable core, as an ArgumentError
)
"""What NumPy and Python say in functions that ours call and the operation on plain arrays does not."""

KEEPING = (".reduce", ".accumulate", ".reduceat", "cumprod", "cumsum", ".at", ".outer")
"""Where these fail, NumPy (2.4) keeps the operands, see tests/leaks.py.

Of `at` and `outer` it does so for any class with an ``__array_ufunc__``.
"""

NOISE = 4
"""So few blocks or references more, after all failures of an operation, are what Python keeps."""

OF_ONE = 5
"""So many blocks are one LockedArray, where a plain array is one: who keeps it keeps these."""

OPERANDS = 4 * OF_ONE
"""NumPy (2.4) keeps the operands of a ufunc that has no memory to ask an ``__array_ufunc__``."""

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
        is_keeping = self.case.name.partition("(")[0].endswith(KEEPING)
        if not is_keeping and not runs_python(self.case.make["locked"]()):
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
            self.complaints.append(
                f"{self.case.name}: allocation {which}, {way}: {outcome}: {what}"
            )
        elif len(self.complaints) == 3:
            self.complaints.append(f"{self.case.name}: and more")

    def _check(self, call, outcome):
        if GIVES_BACK:
            complaint = self.elsewhere.complaint(roots(call))
            assert complaint is None, complaint
        for array in roots(call):
            assert not GIVES_BACK or array.lock.holds() == [], "something is held"
            assert not array.flags.writeable, "an array was left writable"
        has = contents(call)
        if outcome.error is not None and type(outcome.error) is not type(self.clean.error):
            self.raised += 1
            wanted = {MemoryError} | self.plain_errors
            said = any(words in str(outcome.error) for words in NUMPYS_WORDS)
            assert type(outcome.error) in wanted or said, "this is no MemoryError"
            self.after += has != self.before and has == self.done
        for number, (one, before, after) in enumerate(
            zip(has, self.before, self.done, strict=True)
        ):
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
            theirs = self._left("plain", least=0)
            name = self.case.name.partition("(")[0]
            more = OPERANDS if isinstance(getattr(np, name, None), np.ufunc) else NOISE
            left = {
                what: number
                for what, number in left.items()
                if number > OF_ONE * theirs.get(what, 0) + more
            }
        if left:
            self.complaints.append(f"{self.case.name}: failures leave {left}")

    def _left(self, side, least=NOISE):
        """Return what all failures of an operation leave behind each time, by name."""
        make = self.case.make[side]
        fewest = None
        for _ in range(ROUNDS):
            before = [sys.getrefcount(thing) for thing in LASTING.values()]
            blocks = self._blocks()
            for which, way in self._numbers_again(side):
                attempt(make(), which, way)
            blocks = self._blocks() - blocks
            left = [sys.getrefcount(thing) for thing in LASTING.values()]
            left = [new - old for old, new in zip(before, left, strict=True)] + [blocks]
            fewest = left if fewest is None else list(map(min, fewest, left))
            if max(fewest) <= least:
                return {}
        names = [f"references to {name}" for name in LASTING] + ["blocks"]
        return {name: number for name, number in zip(names, fewest, strict=True) if number > least}

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


# Each case in a process of its own.


def alone(case, skipped):
    """Do a case in a forked process: return what came of it, or how it crashed and where."""
    note = mmap.mmap(-1, 4096)
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(writable, "w") as told:
                json.dump(_trial(case, skipped, note), told)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writable)
    with open(readable) as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    if status == 0:
        return json.loads(text), None
    side, way, which = note[:64].split(b";")[0].decode().split()
    return os.waitstatus_to_exitcode(status), [side, way, int(which)]


def loses_dtypes(case):
    """Whether NumPy loses references to the dtypes of plain arrays, as the operation fails."""
    child = os.fork()
    if child == 0:
        lost = True
        try:
            lost = _loses_dtypes(case.make["plain"])
        finally:
            os._exit(int(lost))
    _, status = os.waitpid(child, 0)
    return status != 0


def _loses_dtypes(make):
    make().outcome()  # what is made once has been made
    for way in WAYS:
        for which in range(min(count(make()) + SLACK, MOST)):
            call = make()
            dtypes = [array.dtype for array in call.arrays.values()]
            before = [sys.getrefcount(dtype) for dtype in dtypes]
            attempt(call, which, way)
            after = [sys.getrefcount(dtype) for dtype in dtypes]
            if any(new < old for old, new in zip(before, after, strict=True)):
                return True
    return False


def _trial(case, skipped, note):
    def noted(side, way, which):
        text = b"%b %b %d;" % (side.encode(), way.encode() or b"-", which)
        note[: len(text)] = text

    signal.alarm(120)  # a hang
    noted("locked", "", -1)
    trial = Trial(case, skipped, noted, Elsewhere())
    trial.run()
    names = ("attempts", "raised", "after", "complaints")
    return {name: getattr(trial, name) for name in names}


@dataclasses.dataclass
class Report:
    """What came of it: the failed allocations that were tried, and what was wrong."""

    cases: int = 0
    attempts: int = 0
    raised: int = 0
    after: int = 0
    violations: list = dataclasses.field(default_factory=list)
    numpys: list = dataclasses.field(default_factory=list)

    def add(self, case):
        """Do a case, and again without what crashed, three times."""
        skipped = []
        self.cases += 1
        while True:
            told, crashed = alone(case, skipped)
            if crashed is None:
                break
            side, way, which = crashed
            text = f"{case.name}: {side}, allocation {which}, {way}: ended by {told}"
            if side == "plain" or ("plain" in case.make and loses_dtypes(case)):
                self.numpys.append(text)
                return
            self.violations.append(text)
            skipped.append(crashed)
            if which < 0 or len(skipped) == 3:
                return
        self.attempts += told["attempts"]
        self.raised += told["raised"]
        self.after += told["after"]
        self.violations += told["complaints"]


def prepared():
    """Return all cases, in a process that is ready to be forked."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    sys.unraisablehook = lambda _unraisable: None
    every = cases()
    gc.collect()
    gc.freeze()  # so that each collection is quick
    gc.disable()
    return every


def main():
    """Try what the command line chooses, and tell what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a part of the names of the operations")
    parser.add_argument("--every", type=int, default=1, help="each how many-th of them")
    parser.add_argument("--first", type=int, default=0, help="from which on")
    parser.add_argument("--seconds", type=float, default=3600, help="no new ones after these")
    given = parser.parse_args()
    report, end = Report(), time.monotonic() + given.seconds
    chosen = [case for case in prepared() if given.only in case.name]
    for case in chosen[given.first :: given.every]:
        if time.monotonic() > end:
            break
        number = len(report.violations)
        report.add(case)
        for text in report.violations[number:]:
            print(f"violation: {text}", flush=True)
    for text in report.numpys:
        print(f"NumPy's: {text}")
    print(
        f"{report.cases} operations; {report.raised} raised, {report.after} of them when all was done"
    )
    print(f"allocations {report.attempts}, violations {len(report.violations)}")


if __name__ == "__main__":
    main()
