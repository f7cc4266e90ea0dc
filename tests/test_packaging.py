"""The installed package is whole, is the one under test, and its imports run one way."""

import ast
import graphlib
import importlib.metadata
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import lockedarray

ROOT = Path(__file__).parent.parent
MODULES = ["lockedarray"] + [
    module.name for module in pkgutil.walk_packages(lockedarray.__path__, "lockedarray.")
]


def test_the_installed_package_is_under_test():
    assert Path(lockedarray.__file__).parent != ROOT / "lockedarray"


def test_installed_package_holds_every_module_stub_and_marker():
    in_tree = {
        path.relative_to(parent).as_posix()
        for parent, pattern in [(ROOT, "lockedarray/**/*.py"), (ROOT / "typings", "**/*.pyi")]
        for path in parent.glob(pattern)
    } | {"lockedarray/py.typed"}
    if importlib.util.find_spec("lockedarray._core") is None:  # built without the native core
        in_tree = {name for name in in_tree if not name.startswith("lockedarray/_core/")}
    installed = {
        file.as_posix()
        for file in importlib.metadata.files("lockedarray")
        if file.parts[0] == "lockedarray" and "__pycache__" not in file.parts
    }
    assert installed == in_tree


@pytest.mark.parametrize("name", MODULES)
def test_each_module_imports_alone_without_a_warning(name):
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {name}"], check=True, timeout=60)


def imports_of(name):
    """Return the modules of the package that the module `name` imports, at its top or later."""
    folder = Path(lockedarray.__file__).parent.joinpath(*name.split(".")[1:])
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import, and the others have none"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found.intersection(MODULES) - {"lockedarray"}


def test_imports_run_one_way():
    graph = {name: imports_of(name) for name in MODULES}
    assert sum(map(len, graph.values())) > len(MODULES)
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, naming the cycle


def test_only_cores_imports_a_core():
    importers = {
        name
        for name in MODULES
        for imported in imports_of(name)
        if imported.startswith("lockedarray._")
    }
    assert {name for name in importers if "._" not in name} == {"lockedarray.cores"}
