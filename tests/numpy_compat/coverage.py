"""What of NumPy is dispatched to LockedArray, what it locks, and whether it is in the catalogue.

``python -m numpy_compat.coverage`` makes the page ``docs/coverage.md`` of it, and fails where NumPy
has something that neither the catalogue nor ``unseen.toml`` knows: with a new NumPy, that is a list
of names to look at.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import tomllib
import types
from pathlib import Path

import numpy as np

import lockedarray as la
from catalogue import CATALOGUE, METHODS
from catalogue.functions import FUNCTIONS, all_functions
from catalogue.ufuncs import UFUNC_METHODS, UFUNCS, all_ufuncs
from lockedarray._array.dispatch import function_roles

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"

MODULES = """
numpy numpy.char numpy.ctypeslib numpy.dtypes numpy.fft numpy.lib numpy.lib.array_utils
numpy.lib.format numpy.lib.introspect numpy.lib.mixins numpy.lib.npyio numpy.lib.recfunctions
numpy.lib.scimath numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial
numpy.polynomial.polynomial numpy.random numpy.rec numpy.strings numpy.testing
""".split()
"""The public modules of NumPy that have functions."""

READ, WRITE, NONE = "read", "write", "none"


# -- what NumPy has --------------------------------------------------------------------------------


def _full_name(function):
    return f"{getattr(function, '__module__', None)}.{getattr(function, '__name__', None)}"


def undispatched():
    """Return the public names, by module, of what takes part in no dispatch of NumPy's."""
    dispatched = all_functions()
    found = {}
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for member in getattr(module, "__all__", None) or dir(module):
            value = getattr(module, member, None)
            if member.startswith("_") and member != "__array_namespace_info__":
                continue
            if (
                callable(value)
                and not _needs_no_word(value)
                and _full_name(value) not in dispatched
            ):
                found.setdefault(name, set()).add(member)
    return found


def _needs_no_word(value):
    """Whether it is a ufunc, a kind of scalar, dtype or exception, or a module."""
    if isinstance(value, (np.ufunc, types.ModuleType)):
        return True
    return isinstance(value, type) and issubclass(value, (np.generic, BaseException, np.dtype))


def read_unseen():
    """Return the groups of ``unseen.toml``, each with its names as sets."""
    with (Path(__file__).parent / "unseen.toml").open("rb") as file:
        groups = tomllib.load(file)["unseen"]
    for group in groups:
        group["names"] = {module: set(names.split()) for module, names in group["names"].items()}
    return groups


def unknown(groups):
    """Return the names of what this NumPy has and nobody has looked at."""
    names = [f"ndarray.{name}" for name in sorted(set(dir(np.ndarray)) - covered_by(METHODS))]
    missing = set(all_ufuncs().values()) - covered_by(UFUNCS)
    names += sorted(f"ufunc {ufunc.__name__}" for ufunc in missing)
    public = {name for name in dir(np.ufunc) if not name.startswith("_")}
    methods = {name for name in public if callable(getattr(np.ufunc, name))}
    names += [f"ufunc method {name}" for name in sorted(methods - set(UFUNC_METHODS))]
    names += sorted(all_functions() - covered_by(FUNCTIONS))
    for module, members in undispatched().items():
        known = set().union(*(group["names"].get(module, set()) for group in groups))
        if "*" not in known:
            names += sorted(f"{module}.{member}" for member in members - known)
    return names


def covered_by(operations):
    return frozenset().union(*(operation.covers for operation in operations))


# -- what it locks ---------------------------------------------------------------------------------


def _modes(operations):
    """Return in words the modes in which operations of the catalogue lock their arrays."""
    modes = {root_mode for entry in operations for root_mode in map(_mode, entry.operands)}
    if modes == {NONE}:
        return NONE
    return " and ".join(mode for mode in (READ, WRITE) if mode in modes) or NONE


def _mode(operand):
    return operand.mode


def lock_of_function(name, entries):
    """Return in words what a NumPy function locks."""
    if any(entry.result == "own" for entry in entries):
        return "none (`like=`): makes a LockedArray of its own"
    function = entries[0].function
    role = function_roles.role_of(function)
    written = ["`out`"] if any("out" in entry.kwargs for entry in entries) else []
    if role is not None:
        condition = f" if `{role.condition}={role.equals}`" if role.condition else ""
        written.append(f"`{role.name}`{condition}")
    if written:
        return f"write {' and '.join(written)}; read the rest"
    modes = _modes(entries)
    is_view = function_roles.may_be_view(function)
    return "none for a view; read where it copies" if is_view else modes


def _dispatched_by(name):
    """Return how an attribute of ndarray reaches us."""
    if name.startswith("__") and _is_operator(name):
        return "ufunc"
    above = np.ndarray.__mro__
    ours = any(name in vars(cls) for cls in la.LockedArray.__mro__ if cls not in above)
    if ours and name != "__delitem__":  # which a type in C has with __setitem__, and refuses
        return "LockedArray"
    plain = getattr(np.ndarray, name)
    return "object" if plain is getattr(object, name, None) else "ndarray"


def _is_operator(name):
    base = name.strip("_")
    names = (
        "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or neg pos abs "
        "invert"
    ).split()
    return base in names or base[1:] in names


# -- the page --------------------------------------------------------------------------------------


def _table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def _function_rows():
    by_name = {}
    for entry in FUNCTIONS:
        for name in entry.covers:
            by_name.setdefault(name, []).append(entry)
    for name in sorted(all_functions()):
        entries = by_name.get(name, [])
        lock = lock_of_function(name, entries) if entries else "?"
        yield f"`{name.removeprefix('numpy.')}`", lock, len(entries)


def _ufunc_rows():
    for name, ufunc in sorted(all_ufuncs().items()):
        entries = [entry for entry in UFUNCS if ufunc in entry.covers]
        methods = {entry.name.partition(".")[2] for entry in entries} - {""}
        named = ", ".join(f"`{method}`" for method in sorted(methods))
        yield f"`{name}`", named or "", len(entries)


def _attribute_rows():
    for name in sorted(dir(np.ndarray)):
        entries = [entry for entry in METHODS if name in entry.covers]
        yield f"`{name}`", _dispatched_by(name), _modes(entries), len(entries)


def _unseen_rows(groups):
    present = undispatched()
    every = {name: set(dir(importlib.import_module(name))) for name in MODULES if _exists(name)}
    for group in groups:
        names = []
        for module, members in group["names"].items():
            prefix = module.removeprefix("numpy").removeprefix(".")
            prefix = f"{prefix}." if prefix else ""
            if "*" in members:
                names.append(f"`{prefix}*`")
            here = members & present.get(module, set())
            if "like=x" in group["instead"]:  # dispatched, but by like= alone
                here = members & every.get(module, set())
            names += [f"`{prefix}{member}`" for member in sorted(here)]
        if names:
            yield group["what"], group["instead"], group["write"], ", ".join(names)


def _difference_rows():
    with (Path(__file__).parent / "differences.toml").open("rb") as file:
        for reason in tomllib.load(file)["reason"]:
            core = f" (on the {reason['backend']} core)" if "backend" in reason else ""
            if "before" in reason:
                core += f" (before NumPy {reason['before']})"
            if "since" in reason:
                core += f" (since NumPy {reason['since']})"
            yield _sentence(reason["why"]) + core, reason.get("promise", ""), len(reason["tests"])


def _adaptation_rows():
    with (Path(__file__).parent / "adaptations.toml").open("rb") as file:
        for adaptation in tomllib.load(file)["adaptation"]:
            line = adaptation["old"].strip().splitlines()[0]
            yield f"`{adaptation['module']}`", f"`{line}`", _sentence(adaptation["why"])


def _sentence(text):
    return text.replace("*", "\\*").replace("__", "\\_\\_")


def _exists(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def made_with():
    """Return the line of the page that says of what versions it is."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"It is of NumPy {np.__version__} on Python {python}."


def page(groups):
    """Return the text of the page."""
    functions, ufuncs = list(_function_rows()), list(_ufunc_rows())
    attributes = list(_attribute_rows())
    lines = [
        "# What of NumPy is covered",
        "",
        "This page is made by `make coverage-numpy`, which fails when NumPy has something that is "
        "not on it.",
        made_with(),
        "",
        "*Entries* is the number of ways in which the catalogue of the test suite calls a name. For "
        "each of them tests check",
        "that it waits for the locks that it needs, and for no other; that it does what NumPy does "
        "with plain arrays; and that",
        "an exception in it leaves no lock held.",
        "",
        f"## Functions: {len(functions)}",
        "",
        "NumPy asks us (`__array_function__`) when one of these is given a LockedArray, in an "
        "argument that it looks at:",
        "{doc}`pitfalls` tells of the others. Arrays of Python objects are read under the write lock, "
        "as {doc}`guarantees` says.",
        "",
        *_table(("function", "lock", "entries"), functions),
        f"## Ufuncs: {len(ufuncs)}",
        "",
        "NumPy asks us (`__array_ufunc__`) for every method of every ufunc, those of other packages "
        "included. All of them lock what",
        "`out` names for writing, and `at` its first operand; what is left is read.",
        "",
        *_table(("ufunc", "methods in the catalogue beside the call", "entries"), ufuncs),
        f"## Attributes of an array: {len(attributes)}",
        "",
        "*By* says whose the attribute is: LockedArray's own; an operator of NumPy's, which calls a "
        "ufunc; or NumPy's or",
        "Python's, which touches no data or calls attributes that are ours.",
        "",
        *_table(("attribute", "by", "lock", "entries"), attributes),
        "## What NumPy gives no way to see",
        "",
        "These are not dispatched, and so an argument that is a LockedArray is to them an array that "
        "is read-only.",
        "So are a plain array's own methods (`a.dot(x)`), indices (`a[x]`) and assignments "
        "(`a[:] = x`), and what takes the memory",
        "by the buffer protocol or the array interface. {doc}`guarantees` says what to write instead.",
        "",
        *_table(("it ...", "what happens", "write", "names"), _unseen_rows(groups)),
        "## NumPy's own test suite",
        "",
        "`make test-numpy` runs NumPy's test modules with LockedArrays in place of the arrays that "
        "they make, and again with a",
        "trivial subclass of ndarray. What passes with the one and fails with the other has one of "
        "these reasons.",
        "",
        *_table(
            ("reason", "the promise that it follows from", "test functions"), _difference_rows()
        ),
        "Two modules are counted apart, since they are about what NumPy does not dispatch: "
        "`nditer` and `dlpack`.",
        "These lines of helpers and setups in NumPy's tests are replaced, in both runs. As they stand "
        "they stop many tests before they",
        "come to what they test. `np.random.shuffle` shuffles the raw view of a write guard, for the "
        "same reason.",
        "",
        *_table(("module", "line", "reason"), _adaptation_rows()),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="numpy_compat.coverage", description=__doc__)
    parser.add_argument("--no-page", action="store_true", help="look only, and write no page")
    options = parser.parse_args(arguments)
    groups = read_unseen()
    names = unknown(groups)
    for name in names:
        print(f"unknown: {name}")
    text = page(groups)
    if not options.no_page:
        PAGE.write_text(text, encoding="utf-8")
    dispatched = len(all_functions()) + len(all_ufuncs()) + len(dir(np.ndarray))
    missing = [
        name for name in names if name.partition(".")[0] != "numpy" or name in all_functions()
    ]
    print(
        f"coverage: NumPy {np.__version__}: {dispatched - len(missing)} of {dispatched} names that "
        f"dispatch are in the catalogue ({100 * (dispatched - len(missing)) / dispatched:.1f} %), "
        f"in {len(CATALOGUE)} entries; {len(names)} unknown"
    )
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
