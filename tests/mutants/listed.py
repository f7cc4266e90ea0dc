"""The list of mutants: one line that is changed, what that breaks, and the tests that notice it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CORES", "LIST", "Mutant", "changed", "read"]

LIST = Path(__file__).with_name("mutants.toml")

CORES = {"native", "portable", "c"}
"""Of what the tests are run: a core of the package, or the lock in C alone (tests/c)."""


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Parameters
    ----------
    name : str
        What the fault is, in a few words.
    file : str
        Where it is made, from the root of the tree on.
    old, new : str
        What stands there exactly once, and what then stands in its place.
    breaks : str
        What is wrong then, in a sentence.
    core : str
        One of `CORES`.
    tests : tuple of str
        At least one of them has to fail: ``path::name``, as pytest has it, also of tests in C.
    variant : str
        Of tests in C: how they are built, such as ``tsan``.
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    core: str
    tests: tuple[str, ...]
    variant: str = "debug"


def read(path: Path = LIST) -> list[Mutant]:
    """Return the mutants of a list."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def changed(mutant: Mutant, text: str) -> str:
    """Return the text of the file with the fault in it.

    Raises
    ------
    ValueError
        What is to be changed is not there, or more than once.
    """
    found = text.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its old text is {found} times in {mutant.file}")
    return text.replace(mutant.old, mutant.new)


def named(mutants: Iterable[Mutant], part: str | None) -> list[Mutant]:
    """Return those with `part` in their names."""
    return [mutant for mutant in mutants if part is None or part in mutant.name]
