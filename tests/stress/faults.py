"""Faults that programs commit around arrays, each as a program: nothing stays held, no thread hangs.

Each runs in a process of its own, so that one may kill, fork, or end it.  It commits the fault and then looks:
is the array whole, can another thread write at once?  What the process says, and how it ends, is part of it.

    PYTHONPATH=tests python -P -m stress.faults

The programs are in `interrupts` (Ctrl-C at each bytecode), `others_code` (exceptions in code that is called
meanwhile), `abandoned` (threads, generators and tasks that leave guards open), `processes` (forks, the end of
the interpreter, subinterpreters).  They are what the tests of these do not have:

====================================================  ====================================================
Ctrl-C amid waits, storms of signals, each line       tests/concurrency/test_interrupts.py
a handler that uses arrays amid a wait                tests/concurrency/test_interrupted_waiters.py
element code beside other threads                     tests/concurrency/test_element_code.py
elements that are replaced, whose ``__del__`` acts    tests/unit/test_replaced_objects.py
what strikes in an observer                           tests/unit/test_tracing.py
guards dropped or closed in other threads             tests/concurrency/test_abandoning.py
threads that end inside a guard                       tests/concurrency/test_waiting.py
plain and awaited guards of tasks                     tests/concurrency/test_tasks.py, test_awaiting.py
greenlets                                             tests/concurrency/test_greenlets.py
forks while others hold, wait, resize                 tests/concurrency/test_forks.py
killed processes, closing, forks of shared arrays     tests/processes, tests/kills
memory that is not there                              tests of allocators
====================================================  ====================================================
"""

from __future__ import annotations

import argparse
import sys

import lockedarray as la
from stress import faulting
from stress.faults_of import abandoned, interrupts, others_code, processes  # noqa: F401

__all__ = ["mine"]


def mine():
    """Return the faults for the core in use."""
    return [each for each in faulting.CATALOGUE.values() if each.cores in ("", la.backend)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", metavar="NAME", nargs="+", help="commit these, in this process")
    parser.add_argument("--seconds", type=float, default=600, help="after which that hangs")
    parser.add_argument("--step", type=int, default=1, help="Ctrl-C at each so many bytecodes")
    parser.add_argument("--only", default="", help="those with this in their names")
    given = parser.parse_args()
    if given.run:
        faulting.here(given.run, given.step, given.seconds)
        return
    print(f"{la.backend} core, Python {sys.version.split()[0]}")
    chosen = [each for each in mine() if given.only in each.name]
    violations = 0
    for each in chosen:
        wrong = faulting.apart(each.name, every=given.step, timeout=600)
        violations += bool(wrong)
        print(f"{each.group}: {each.name}: {wrong or 'right'}", flush=True)
    print(f"faults {len(chosen)}, violations {violations}")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
