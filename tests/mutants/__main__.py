"""Make each fault of the list, and see that a test notices: `make mutants ARGS='--only fork'`."""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants.listed import LIST, Mutant, named, read
from mutants.tree import NothingShown, Outcome, Tree

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Show that the tests pass, make the faults, and print who noticed; 1 if nobody did."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", help="those with this in their names")
    parser.add_argument("--every", type=int, default=1, help="each how many-th of them")
    parser.add_argument("--jobs", type=int, default=2, help="so many at once, in as many copies")
    parser.add_argument("--list", action="store_true", help="print what there is, and end")
    parser.add_argument("--from", dest="path", type=Path, default=LIST, help="another list")
    options = parser.parse_args(arguments)
    mutants = named(read(options.path), options.only)[:: options.every]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name} ({mutant.core}, {mutant.file})\n    {mutant.breaks}")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        return _played(mutants, Path(folder), options.jobs)


def _played(mutants: list[Mutant], folder: Path, jobs: int) -> int:
    start = time.monotonic()
    first = Tree.made(folder / "0", native=any(mutant.core == "native" for mutant in mutants))
    trees: queue.SimpleQueue[Tree] = queue.SimpleQueue()
    trees.put(first)
    for number in range(1, jobs):
        trees.put(first.copied(folder / str(number)))
    print(f"built in {time.monotonic() - start:.0f} s", flush=True)
    usual = _unchanged(mutants, trees, jobs)

    def attempt(tree: Tree, mutant: Mutant) -> Outcome:
        if _which(mutant) not in usual:
            raise NothingShown("its tests fail without it")
        try:
            tree.change(mutant)
            return tree.test(mutant, usual[_which(mutant)])
        finally:
            tree.restore(mutant)

    escaped, errors = [], []
    for mutant, outcome in _each(mutants, trees, jobs, attempt):
        if isinstance(outcome, NothingShown):
            errors.append(mutant.name)
            print(f"error    {mutant.name}: {outcome}", flush=True)
        elif outcome.failed:
            told = f"{mutant.name}: {outcome.by}, {outcome.seconds:.1f} s"
            print(f"caught   {told}", flush=True)
        else:
            escaped.append(mutant.name)
            print(f"escaped  {mutant.name}: {mutant.breaks}", flush=True)
    caught = len(mutants) - len(escaped) - len(errors)
    line = f"mutants {len(mutants)}, caught {caught}"
    for word, names in [("escaped", escaped), ("errors", errors)]:
        line += f", {word}: {', '.join(names)}" if names else ""
    print(f"in {time.monotonic() - start:.0f} s\n{line}", flush=True)
    return 1 if escaped or errors else 0


def _which(mutant: Mutant) -> tuple[object, ...]:
    """What tests it has, and of what."""
    return mutant.core, mutant.variant, mutant.tests


def _unchanged(
    mutants: list[Mutant], trees: queue.SimpleQueue[Tree], jobs: int
) -> dict[tuple[object, ...], float]:
    """How many seconds the tests take where nothing is changed; without those that fail."""

    def attempt(tree: Tree, mutant: Mutant) -> Outcome:
        tree.build(mutant)
        return tree.test(mutant)

    usual = {}
    different = {_which(mutant): mutant for mutant in mutants}
    for mutant, outcome in _each(list(different.values()), trees, jobs, attempt):
        if isinstance(outcome, NothingShown):
            print(f"fails    without {mutant.name}: {outcome}", flush=True)
        elif outcome.failed:
            print(f"fails    without {mutant.name}: {outcome.by}", flush=True)
        else:
            usual[_which(mutant)] = outcome.seconds
    seconds = sum(usual.values())
    print(f"unchanged, {len(usual)} of {len(different)} pass, in {seconds:.0f} s", flush=True)
    return usual


def _each(
    mutants: list[Mutant],
    trees: queue.SimpleQueue[Tree],
    jobs: int,
    attempt: Callable[[Tree, Mutant], Outcome],
) -> Iterator[tuple[Mutant, Outcome | NothingShown]]:
    """Yield each mutant with what became of it, in order; each is alone in its tree."""

    def alone(mutant: Mutant) -> Outcome | NothingShown:
        tree = trees.get()
        try:
            return attempt(tree, mutant)
        except NothingShown as error:
            return error
        finally:
            trees.put(tree)

    with ThreadPoolExecutor(jobs) as pool:
        yield from zip(mutants, pool.map(alone, mutants), strict=True)


if __name__ == "__main__":
    sys.exit(main())
