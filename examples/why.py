"""What threads make of a plain array, and of a LockedArray: two small programs, each run on both.

One counts, and one reads an array that grows.  The second one can crash, so each run has a process
of its own.

    python why.py
    python why.py --updates 100000 --resizes 500

The exit code is 1 if the count on a LockedArray was wrong, or the program ended early.
"""

import argparse
import platform
import signal
import subprocess
import sys
import sysconfig
import threading

import numpy as np

import lockedarray as la

THREADS = 8
MAKERS = {"ndarray": np.zeros, "LockedArray": la.zeros}


def in_threads(work):
    """Run `work` in all threads at once, and wait for them."""
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def count(zeros, updates):
    """Add 1 to one element, so many times in all."""
    counts = zeros(1, dtype=np.int64)

    def weight(number):
        return 1

    def work():
        for number in range(updates // THREADS):
            counts[0] += weight(number)

    in_threads(work)
    return f"{counts[0]:,} of {updates // THREADS * THREADS:,}"


def grow(zeros, resizes):
    """Make an array longer in one thread, and sum it up in another."""
    log = zeros(100_000)

    def work():
        for number in range(resizes):
            log.resize(100_000 + number % 900 * 1000, refcheck=False)

    writer = threading.Thread(target=work)
    writer.start()
    while writer.is_alive():
        log.sum()
    return "done"


PROGRAMS = {
    "count": (count, "8 threads: counts[0] += weight(n)"),
    "grow": (grow, "log.resize() beside log.sum()"),
}


def outcome(name, array, size):
    """Return the last line that a program prints on an array, or what has ended it."""
    command = [sys.executable, __file__, "--run", name, array, str(size)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if process.returncode < 0:
        return signal.strsignal(-process.returncode)
    lines = (process.stdout + process.stderr).splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"


def options():
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--updates", type=int, default=1_000_000, help="of the count; default: 1,000,000")
    add("--resizes", type=int, default=4500, help="of the array that grows; default: 4500")
    add("--run", nargs=3, help=argparse.SUPPRESS)  # one program: its name, the array, and the size
    return parser.parse_args()


def main():
    """Run all programs on both arrays, each in a process of its own."""
    chosen = options()
    if chosen.run:
        name, array, size = chosen.run
        print(PROGRAMS[name][0](MAKERS[array], int(size)))
        return 0
    gil = "without" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with"
    print(
        f"CPython {platform.python_version()} {gil} the GIL, NumPy {np.__version__}, "
        f"lockedarray {la.backend}\n"
    )
    print(f"{'':33}  {'ndarray':20}  LockedArray")
    right = True
    for name, size in [("count", chosen.updates), ("grow", chosen.resizes)]:
        plain, locked = (outcome(name, array, size) for array in MAKERS)
        print(f"{PROGRAMS[name][1]:33}  {plain:20}  {locked}")
        right &= locked == "done" or locked.split(" of ")[0] == locked.split(" of ")[-1]
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
