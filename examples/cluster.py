"""Count pairs of bytes on a Dask cluster of which a worker is killed half-way, and end right.

As in bigrams.py, the input are the source files of Python's standard library.  Tasks, of a few
files each, count on all workers, and add what they find to one array, which one worker owns.  When
half of the files are counted, a worker is killed by SIGKILL, as the kernel does when memory is
short: one that only counts, or the one that owns the array.

    python cluster.py
    python cluster.py --kill owner --workers 4
    python cluster.py --files 100                       # quicker
    python cluster.py --address tcp://10.0.0.1:8786 --folder /shared    # nobody is killed there

Dask does again what a lost worker was at, and what it alone had the results of; so a file can be
counted twice, and be added twice.  It counts once because of how it is added: the array has, beside
the counts, which files they are of, and both change in one update.  An owner that is killed takes
the array with it.  It is created again then, and begins with its last checkpoint, which tells just
as well which files are still to be counted.

The contents of the files travel to the workers, and the pairs found to the owner: no worker needs
the files.  Only checkpoints want a folder that all workers see.

It needs Dask (pip install lockedarray[distributed]).  The exit code is 1 if the counts are not
those of one process.
"""

import argparse
import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np

import lockedarray as la

try:
    import lockedarray.distributed
except ImportError as error:
    print(error)
    sys.exit(2)

from distributed import Client, LocalCluster, as_completed, wait

PAIRS = 256 * 256
TOGETHER = 10  # files in one task


def count(content):
    """Return the pairs of bytes in a file, as numbers, and how often each one is there."""
    codes = np.frombuffer(content, np.uint8).astype(np.intp)
    return np.unique(codes[:-1] * 256 + codes[1:], return_counts=True)


def standard_library():
    """Return the source files of Python's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"}
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and installed.isdisjoint(path.relative_to(root).parts)
    ]


# -- the cluster -----------------------------------------------------------------------------------


def count_files(numbers, contents, array):
    """Count some files, and add them to the array.  It is a task: Dask may run it once more."""
    found = [(number, *count(content)) for number, content in zip(numbers, contents, strict=True)]

    def add(raw):
        for number, pairs, times in found:
            if raw["counted"][number]:  # by a task whose worker was killed after this
                raw["again"] += 1
            else:
                raw["counts"][pairs] += times
                raw["counted"][number] = True

    array.update(add)  # nobody was kept out until here


def count_the_rest(client, array, contents, at_half, bar):
    """Count the files that the array does not have yet, and call `at_half` half-way."""
    rest = np.flatnonzero(~array["counted"]).tolist()
    shares = [rest[first : first + TOGETHER] for first in range(0, len(rest), TOGETHER)]
    share_of = {}  # by the task's future
    for share in shares:
        some = [contents[number] for number in share]
        share_of[client.submit(count_files, share, some, array, pure=False)] = share
    done = len(contents) - len(rest)
    try:
        for future in as_completed(share_of):
            if future.status == "error":  # one that is lost meanwhile is in the array all the same
                future.result()  # raises what the task raised
            before, done = done, done + len(share_of[future])
            bar.show(f"{done:,} files", done / len(contents))
            if before < len(contents) // 4 <= done:
                array.checkpoint()  # beside those each second: a short count has one, too
            if before < len(contents) // 2 <= done:
                bar.clear()
                at_half(array, done)
        wait(list(share_of))  # for what Dask does again, too: it must not change anything
    finally:
        client.cancel(list(share_of))
        bar.clear()


def count_by_cluster(client, contents, path, at_half, bar):
    """Return the element with all counts, whichever workers die."""
    name = f"bigrams-{uuid.uuid4().hex}"  # others may use the same cluster
    kind = np.dtype([
        ("counts", np.int64, PAIRS),
        ("counted", bool, len(contents)),  # which files are in the counts
        ("again", np.int64),  # how many came once more
    ])  # fmt: skip

    def create():
        return la.distributed.create(client, (), kind, name=name, checkpoint=path, every=1)

    array = create()
    try:
        while True:
            try:
                count_the_rest(client, array, contents, at_half, bar)
                return array.snapshot()
            except la.distributed.OwnerLost:
                at_half = nothing_happens
                array = create()
                files = np.count_nonzero(array["counted"])
                print(
                    f"OwnerLost; the array is back from its checkpoint, with {files:,} files",
                    flush=True,
                )
    finally:
        array.delete()


def nothing_happens(array, done):
    """Kill nobody."""


def killer_of(client, whom):
    """Return what kills a worker: "owner" of the array, or a "counter", which is another one."""
    import psutil  # which comes with Dask, and kills on Windows, too

    def kill(array, done):
        (owner,) = array.owners
        pids = client.run(os.getpid)
        victim = owner if whom == "owner" else next(worker for worker in pids if worker != owner)
        what = "which owns the array" if whom == "owner" else "which only counts"
        print(f"{done:,} files are counted; now {victim} is killed, {what}", flush=True)
        psutil.Process(pids[victim]).kill()

    return kill


# -- the progress bar ------------------------------------------------------------------------------


class ProgressBar:
    """One line on the terminal, drawn at most ten times a second; nothing if there is none."""

    def __init__(self, stream=sys.stderr):
        self.stream = stream
        self.visible = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.drawn = 0.0

    def show(self, title, part):
        """Draw the bar, `part` of it (0 to 1) filled."""
        if not self.visible or time.monotonic() - self.drawn < 0.1:
            return
        self.drawn = time.monotonic()
        filled = round(part * 30)
        line = f"[{'#' * filled}{'.' * (30 - filled)}] {part:4.0%}  {title}"
        self.stream.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        self.stream.flush()

    def clear(self):
        """Leave the line empty for what is printed next."""
        if self.visible:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


# -- the program -----------------------------------------------------------------------------------


def count_by_one_process(contents):
    """Return what the others are compared with."""
    counts = np.zeros(PAIRS, np.int64)
    for content in contents:
        pairs, times = count(content)
        counts[pairs] += times
    return counts


def start_cluster(workers):
    """Return a cluster of processes on this machine; a worker that is killed is started anew."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=":0",  # whichever port is free
        silence_logs="CRITICAL",  # that a worker has died is said here
    )


def options():
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cores = max(2, min(8, os.cpu_count() or 2))
    add = parser.add_argument
    add("--workers", type=int, default=cores, help="default: one per core, 2 to 8")
    add("--files", type=int, help="count in this many files; default: all")
    add("--kill", choices=["counter", "owner", "nobody"], help="default: counter")
    add("--address", help="of the scheduler of a cluster to use; nobody is killed there")
    add("--folder", type=Path, help="for checkpoints; default: that for temporary files")
    chosen = parser.parse_args()
    if chosen.address and chosen.kill not in (None, "nobody"):
        parser.error("--kill is for the program's own cluster, and not for one by --address")
    if chosen.workers < 2:
        parser.error("--workers must be 2 or more")
    if chosen.files is not None and chosen.files < 4:
        parser.error("--files must be 4 or more")
    return chosen


def run(chosen, contents):
    """Return the element with all counts, how many workers there were, and the seconds it took."""
    with contextlib.ExitStack() as stack:
        if chosen.address:
            client = stack.enter_context(Client(chosen.address))
        else:
            client = stack.enter_context(Client(stack.enter_context(start_cluster(chosen.workers))))
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=chosen.folder))
        path = Path(folder) / "bigrams.checkpoint"
        workers = len(client.ncores())
        if chosen.address or chosen.kill == "nobody":
            at_half = nothing_happens
        else:
            at_half = killer_of(client, chosen.kill or "counter")
        begin = time.perf_counter()
        found = count_by_cluster(client, contents, path, at_half, ProgressBar())
        return found, workers, time.perf_counter() - begin


def main():
    """Count by a cluster and by one process, and compare."""
    chosen = options()
    contents = [path.read_bytes() for path in standard_library()[: chosen.files]]
    found, workers, seconds = run(chosen, contents)
    begin = time.perf_counter()
    right = count_by_one_process(contents)
    by_one = time.perf_counter() - begin
    print(f"{int(found['again']):,} files came once more, and were not added again")
    print(
        f"{len(contents):,} files, {right.sum():,} pairs: {seconds:.2f} s by {workers} workers, "
        f"{by_one:.2f} s by one process"
    )
    same = np.array_equal(found["counts"], right)
    print("the counts are " + ("those of one process" if same else "WRONG"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
