"""Hash the files of Python's standard library with several threads, and show how far they are.

Each thread adds to its own row of a shared array: one file, and so many bytes.  The main thread
sleeps until the next tenth is done, wherever in the array that was counted:

    progress.wait_for(lambda rows: rows[:, FILES].sum() >= wanted)

    python progress.py
    python progress.py --threads 8 --files 100

The exit code is 1 if the hashes, or the numbers, are not those that one thread finds.
"""

import argparse
import hashlib
import sys
import sysconfig
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import lockedarray as la

FILES, BYTES = 0, 1  # the columns
STEPS = 10


def standard_library():
    """Return the source files of Python's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"}
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and installed.isdisjoint(path.relative_to(root).parts)
    ]


def hash_files(todo, digests, done):
    """Hash what is left to do, and count it in `done`, the row of this thread."""
    while todo:
        try:
            number, path = todo.popleft()
        except IndexError:  # another thread has taken the last one
            return
        size = 0
        try:
            data = path.read_bytes()
            size = len(data)
            digests[number] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
        finally:  # whoever waits for it should not wait for ever
            done += 1, size


def show(progress, number):
    """Print a line for each tenth of `number` files."""
    for step in range(1, STEPS + 1):
        wanted = number * step // STEPS
        files, size = progress.wait_for(
            lambda rows, wanted=wanted: (
                rows[:, FILES].sum() >= wanted and tuple(rows.sum(axis=0).tolist())
            )
        )
        print(f"{step / STEPS:4.0%}  {files:>6,} files {size:>12,} bytes", flush=True)


def main():
    """Hash by several threads and by one, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=4, help="default: 4")
    parser.add_argument("--files", type=int, help="hash this many files; default: all")
    chosen = parser.parse_args()
    paths = standard_library()[: chosen.files]
    if chosen.threads < 1 or not paths:
        parser.error("--threads and --files must be 1 or more")

    progress = la.zeros((chosen.threads, 2), dtype=np.int64)
    digests = la.zeros((len(paths), 32), dtype=np.uint8)
    todo = deque(enumerate(paths))
    with ThreadPoolExecutor(chosen.threads) as pool:
        workers = [pool.submit(hash_files, todo, digests, row) for row in progress]
        try:
            show(progress, len(paths))
        finally:  # after Ctrl-C the threads end with the file they are at
            todo.clear()
    for worker in workers:
        worker.result()  # raises what the thread raised

    contents = [path.read_bytes() for path in paths]
    right = [list(hashlib.sha256(data).digest()) for data in contents]
    total = [len(paths), sum(map(len, contents))]
    same = digests.tolist() == right and progress.sum(axis=0).tolist() == total
    print("the hashes and the numbers are " + ("those of one thread" if same else "WRONG"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
