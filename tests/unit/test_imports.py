"""Imports run one way: array, then at, guards and dispatch, then buffer, then the cores, then errors."""

import ast
import pickle
import pkgutil
import traceback
from pathlib import Path

import lockedarray

ROOT = Path(lockedarray.__file__).parent
# Each module may import from the tiers below its own, and within its tier in one direction.
TIERS = [
    {"lockedarray"},
    {"_array"},
    {"_guards"},
    {"_cores", "_portable", "_core"},
    {"_holding", "_errors"},
]


def modules():
    """Yield (name, source path) of each module of the package in Python."""
    yield "lockedarray", ROOT / "__init__.py"
    for module in pkgutil.walk_packages([str(ROOT)], "lockedarray."):
        path = ROOT.joinpath(*module.name.split(".")[1:])
        path = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        if path.exists():  # and is no extension module
            yield module.name, path


def imported(name, path):
    """Yield the names of this package's modules that the module imports, wherever it does."""
    known = {module for module, _ in modules()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
            if not known.issuperset(found):  # it is names of the module itself that are imported
                found.append(node.module)
        else:
            continue
        yield from (module for module in found if module in known and module != name)


def tier(name):
    part = name.split(".")[1] if "." in name else name
    for i, members in enumerate(TIERS):
        if part in members:
            return i
    raise AssertionError(f"no tier for {name}")


GRAPH = {name: set(imported(name, path)) for name, path in modules()}


def test_every_module_has_its_tier():
    assert len(GRAPH) > 10
    assert sorted({tier(name) for name in GRAPH}) == list(range(len(TIERS)))


def test_no_module_imports_one_above_it():
    wrong = [(a, b) for a, below in GRAPH.items() for b in below if tier(b) < tier(a)]
    assert not wrong


def test_no_two_modules_import_each_other():
    done, path = set(), []

    def visit(name):
        assert name not in path, f"a cycle: {path[path.index(name) :]}"
        if name not in done:
            path.append(name)
            for below in GRAPH[name] - {"lockedarray"}:
                visit(below)
            path.pop()
            done.add(name)

    for name in GRAPH:
        visit(name)


def test_nothing_but_cores_imports_a_core():
    for name, below in GRAPH.items():
        for module in below:
            part = module.split(".")[1] if "." in module else ""
            if part in ("_portable", "_core"):
                assert name == "lockedarray._cores" or name.split(".")[1] == part, (
                    f"{name}: {module}"
                )


def test_public_names_are_those_of_all_and_no_modules():
    public = [name for name in dir(lockedarray) if not name.startswith("_")]
    assert public == sorted(set(lockedarray.__all__) - {"__version__"})


def test_public_classes_and_functions_name_the_package_they_are_imported_from():
    things = [getattr(lockedarray, name) for name in lockedarray.__all__]
    things = [thing for thing in things if callable(thing)]
    assert len(things) == 10
    for thing in things:
        assert thing.__module__ == "lockedarray"
        assert pickle.loads(pickle.dumps(thing)) is thing


def test_tracebacks_name_errors_as_users_write_them():
    lines = traceback.format_exception_only(lockedarray.LockTimeout("late"))
    assert lines == ["lockedarray.LockTimeout: late\n"]
    assert (
        repr(pickle.loads(pickle.dumps(lockedarray.DeadlockError("why")))) == "DeadlockError('why')"
    )


def test_methods_are_pickled_by_their_names():
    for name in ("sum", "read", "resize", "sort"):
        method = getattr(lockedarray.LockedArray, name)
        assert pickle.loads(pickle.dumps(method)) is method
