"""What threads make of a plain array, and of a LockedArray: two small programs, each run on both.

One counts, and one reads an array that grows.  The second one can crash, so each run has a process
of its own.

    python why.py

The exit code is 1 if the count on a LockedArray was wrong, or the program ended early.
"""

import platform
import signal
import subprocess
import sys
import sysconfig
import threading

import numpy as np

import lockedarray as la

THREADS, EACH = 8, 125_000
MAKERS = {"ndarray": np.zeros, "LockedArray": la.zeros}


def in_threads(work):
    """Run `work` in all threads at once, and wait for them."""
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def count(zeros):
    """Add 1 to one element, a million times in all."""
    counts = zeros(1, dtype=np.int64)

    def weight(number):
        return 1

    def work():
        for number in range(EACH):
            counts[0] += weight(number)

    in_threads(work)
    return f"{counts[0]:,} of {THREADS * EACH:,}"


def grow(zeros):
    """Make an array longer in one thread, and sum it up in another."""
    log = zeros(100_000)

    def work():
        for _ in range(5):
            for size in range(100_000, 1_000_000, 1000):
                log.resize(size, refcheck=False)

    writer = threading.Thread(target=work)
    writer.start()
    while writer.is_alive():
        log.sum()
    return "done"


PROGRAMS = {
    "count": (count, "8 threads: counts[0] += weight(n)"),
    "grow": (grow, "log.resize() beside log.sum()"),
}


def outcome(name, array):
    """Return the last line that a program prints on an array, or what has ended it."""
    command = [sys.executable, __file__, name, array]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if process.returncode < 0:
        return signal.strsignal(-process.returncode)
    return (process.stdout + process.stderr).splitlines()[-1]


def main():
    """Run one program, if its name and that of an array are given, or all of them."""
    if len(sys.argv) == 3:
        name, array = sys.argv[1:]
        print(PROGRAMS[name][0](MAKERS[array]))
        return 0
    gil = "without" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with"
    print(
        f"CPython {platform.python_version()} {gil} the GIL, NumPy {np.__version__}, "
        f"lockedarray {la.backend}\n"
    )
    print(f"{'':33}  {'ndarray':20}  LockedArray")
    right = True
    for name, (_, title) in PROGRAMS.items():
        plain, locked = (outcome(name, array) for array in MAKERS)
        print(f"{title:33}  {plain:20}  {locked}")
        right &= locked == "done" or locked.split(" of ")[0] == locked.split(" of ")[-1]
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
