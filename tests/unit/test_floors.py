"""The house in C: array, guard and lock are floors, and includes and names go down only.

A *unit* is a header and the file in C of the same name. There is an arrow from a unit to each one
whose header it includes, and to each one that defines a name it uses.
"""

import graphlib
import re
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "lockedarray" / "_core"
FLOORS = ["lock", "guard", "array"]  # from below

pytestmark = pytest.mark.skipif(not CORE.exists(), reason="the sources are not here")

INCLUDE = re.compile(r'^#include "([\w/]+)\.h"', re.MULTILINE)
# Function names stand at the beginning of a line, what they return on the one before.
FUNCTION = re.compile(r"^(?P<before>.*)\n(?P<name>la_\w+)\((?:[^;{}]|\n)*?\)\n\{", re.MULTILINE)
VARIABLE = re.compile(
    r"^(?!static|extern|typedef|struct|return|#)\w[\w (*)]*?[ *)](?P<name>la_\w+)(?:\)\(.*\))?"
    r"(?:\[.*\])?(?: = .*)?(?:;| = \{)",
    re.MULTILINE,
)
TYPE = re.compile(
    r"^\} (la_\w+);|^struct (la_\w+) \{|^typedef (?!struct).*?\(\*(la_\w+)\)", re.MULTILINE
)
MACRO = re.compile(r"^#define (LA_\w+|la_\w+)|^    (LA_\w+)(?: = .*)?,", re.MULTILINE)
DECLARATION = re.compile(
    r"^(?!static|typedef|#|struct| )[\w *]+?[ *](la_\w+)\((?:[^;{}]|\n)*?\);", re.MULTILINE
)
FORWARD = re.compile(r"^typedef struct (la_\w+) \1;", re.MULTILINE)
NAME = re.compile(r"\b(?:la|LA)_\w+")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


class Unit:
    """A header and its file in C; either may be missing."""

    def __init__(self, name):
        self.name = name
        self.floor = name.partition("/")[0] if "/" in name else "module"
        texts = [CORE / f"{name}{suffix}" for suffix in (".h", ".c")]
        self.header, self.code = (
            without_comments(path.read_text(encoding="utf-8")) if path.exists() else ""
            for path in texts
        )
        self.text = self.header + self.code
        self.includes = set(INCLUDE.findall(self.text)) - {name}

    def defined(self):
        """The names that others may use."""
        functions = {
            match["name"]
            for text in (self.header, self.code)
            for match in FUNCTION.finditer(text)
            if text is self.header or not match["before"].startswith("static")
        }
        variables = {match["name"] for match in VARIABLE.finditer(self.code)}
        types = {name for match in TYPE.findall(self.header) for name in match if name}
        macros = {name for match in MACRO.findall(self.header) for name in match if name}
        return functions | variables | types | macros - {f"LOCKEDARRAY_CORE_{self.name}"}

    def private(self):
        """The names that are this unit's alone: statics, and what only its file in C defines."""
        statics = re.findall(r"^static (?:.*\n)?.*?\b(la_\w+)", self.code, re.MULTILINE)
        inside = [name for match in TYPE.findall(self.code) for name in match]
        return {*statics, *inside, *(name for match in MACRO.findall(self.code) for name in match)}


UNITS = {
    name: Unit(name)
    for name in sorted(
        {path.relative_to(CORE).with_suffix("").as_posix() for path in CORE.rglob("*.[ch]")}
    )
}


def definers():
    """Who defines each name."""
    found = {}
    for unit in UNITS.values():
        for name in unit.defined():
            found.setdefault(name, set()).add(unit.name)
    return found


def arrows():
    """Of each unit the units that it needs, by includes and by names."""
    known = definers()
    graph = {}
    # A pointer to one of these needs no more than its name.
    forward = {name for unit in UNITS.values() for name in FORWARD.findall(unit.header)}
    for unit in UNITS.values():
        used = set(NAME.findall(unit.text)) - unit.private() - unit.defined() - forward
        graph[unit.name] = {next(iter(known[name])) for name in used if name in known}
        graph[unit.name] |= unit.includes
        graph[unit.name].discard(unit.name)
    return graph


def height(name):
    floor = UNITS[name].floor
    return FLOORS.index(floor) if floor in FLOORS else len(FLOORS)


def test_the_floors_are_all_there_and_their_names_are_seen():
    assert {unit.floor for unit in UNITS.values()} == {*FLOORS, "module"}
    known = definers()
    for name, unit in {
        "la_acquire": "lock/acquire",
        "la_acquire_slow": "lock/acquire",
        "la_on_hold_end": "lock/registry",
        "la_hold": "lock/hold",
        "LA_LISTED": "lock/regionlock",
        "la_wanted": "guard/wanted",
        "la_arrays": "guard/arrays",
        "la_region_lock_type": "guard/region_lock",
        "la_number_slots": "array/numbers",
        "la_operation_lock": "array/operation",
    }.items():
        assert known[name] == {unit}, name


def test_each_name_is_defined_once():
    assert {name: units for name, units in definers().items() if len(units) > 1} == {}


def test_includes_and_names_go_down():
    wrong = [(a, b) for a, below in arrows().items() for b in below if height(b) > height(a)]
    assert wrong == []


def test_there_is_no_circle_of_files():
    list(graphlib.TopologicalSorter(arrows()).static_order())  # raises CycleError, naming it


def test_who_uses_a_name_includes_its_header():
    headers = {unit.name for unit in UNITS.values() if unit.header}

    def reached(name, seen):
        for below in UNITS[name].includes - seen:
            seen.add(below)
            reached(below, seen)
        return seen

    for name, below in arrows().items():
        assert below & headers <= reached(name, set()), name


def test_a_header_declares_what_its_own_file_defines():
    for unit in UNITS.values():
        assert set(DECLARATION.findall(unit.header)) <= unit.defined(), unit.name


def test_the_lock_knows_no_python():
    for unit in UNITS.values():
        if unit.floor == "lock":
            assert not re.search(r"\bPy[A-Z_]\w+|#include <(Python|numpy)", unit.text), unit.name


def test_only_the_array_floor_knows_numpy():
    for unit in UNITS.values():
        if unit.floor in ("lock", "guard"):
            assert not re.search(r"\b(PyArray|NPY_|npy_)|#include <numpy", unit.text), unit.name
