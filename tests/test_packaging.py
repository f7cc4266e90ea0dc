"""The installed package is whole, and is the one under test."""

import ast
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import lockedarray
from extras import MODULES

ROOT = Path(__file__).parent.parent


def test_the_installed_package_is_under_test():
    assert Path(lockedarray.__file__).parent != ROOT / "lockedarray"


def test_installed_package_holds_every_module_stub_and_marker():
    in_tree = {
        path.relative_to(parent).as_posix()
        for parent, patterns in [
            (ROOT, ["lockedarray/**/*.py", "lockedarray/**/*.pyi"]),
            (ROOT / "typings", ["**/*.pyi"]),
        ]
        for pattern in patterns
        for path in parent.glob(pattern)
    } | {"lockedarray/py.typed"}
    if importlib.util.find_spec("lockedarray._core") is None:  # built without the native core
        in_tree = {name for name in in_tree if not name.startswith("lockedarray/_core/")}
    installed = {
        file.as_posix()
        for file in importlib.metadata.files("lockedarray")
        if file.parts[0] == "lockedarray" and file.suffix in {".py", ".pyi", ".typed"}
    }
    assert installed == in_tree


@pytest.mark.parametrize("name", MODULES)
def test_each_module_imports_alone_without_a_warning(name):
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {name}"], check=True, timeout=60)


def test_locks_of_python_are_held_by_a_call_and_not_by_with():
    """See `lockedarray._holding`."""
    for path in Path(lockedarray.__file__).parent.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        locks = {
            ast.unparse(node.targets[0])
            for node in nodes
            if isinstance(node, ast.Assign)
            and ast.unparse(node.value) in {"threading.RLock()", "threading.Lock()"}
        }
        for node in nodes:
            if isinstance(node, ast.With):
                held = {ast.unparse(item.context_expr) for item in node.items}
                assert not held & locks, f"{path.name}:{node.lineno}"


def build(what, source, target, **settings):
    """Have meson-python build an sdist or a wheel, with what is installed beside this Python."""
    pytest.importorskip("mesonpy", reason="meson-python is among the test requirements")
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    code = f"import mesonpy, sys; mesonpy.build_{what}(sys.argv[1], {settings!r})"
    subprocess.run(
        [sys.executable, "-P", "-c", code, str(target)],
        cwd=source, env={**os.environ, "PATH": tools}, check=True, timeout=600,
    )  # fmt: skip
    (made,) = target.iterdir()
    return made


def test_the_version_is_the_same_wherever_it_stands():
    found = {
        "lockedarray": lockedarray.__version__,
        "metadata": importlib.metadata.version("lockedarray"),
        **{
            name: re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[1]
            for name, pattern in [
                ("meson.build", "version: '(.*?)'"),
                ("CITATION.cff", "^version: (.*)$"),
                ("CHANGELOG.md", "^## (\\S+)"),
            ]
        },
    }
    assert len(set(found.values())) == 1, found


def test_the_package_tells_what_a_report_of_a_fault_needs():
    told = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-m", "lockedarray"],
        env={**os.environ, "LOCKEDARRAY_DEBUG": "1"},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    for word in [
        lockedarray.__version__,
        lockedarray.backend,
        importlib.metadata.version("numpy"),
        platform.python_version(),
        "GIL",
        "LOCKEDARRAY_DEBUG=1",
    ]:
        assert word in told, told


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist of this checkout, unpacked."""
    if lockedarray.backend != "native":
        pytest.skip("once is enough: with the native core")
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("an sdist is what git has of the project")
    folder = tmp_path_factory.mktemp("sdist")
    (folder / "dist").mkdir()
    # The C compiler is not needed for this.
    made = build(
        "sdist", ROOT, folder / "dist",
        **{"builddir": str(folder / "build"), "setup-args": ["-Dnative=disabled"]},
    )  # fmt: skip
    with tarfile.open(made) as archive:
        archive.extractall(folder, filter="data")
    return folder / made.name.removesuffix(".tar.gz")


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_sdist_holds_what_git_has(sdist):
    tracked = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    assert files_below(sdist) == {*tracked, "PKG-INFO"}


def test_wheel_of_the_sdist_holds_native_module_stubs_and_marker(sdist, tmp_path):
    (tmp_path / "dist").mkdir()
    made = build(
        "wheel", sdist, tmp_path / "dist",
        **{"builddir": str(tmp_path / "build"), "setup-args": ["-Dnative=enabled", "-Doptimization=0"]},
    )  # fmt: skip
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path / "wheel")
    found = {name for name in files_below(tmp_path / "wheel") if ".dist-info/" not in name}
    package = {name for name in files_below(sdist) if name.startswith("lockedarray/")}
    assert found == {
        *(name for name in package if name.endswith((".py", ".typed", ".pyi"))),
        *(name for name in files_below(sdist / "typings") if name.endswith(".pyi")),
        f"lockedarray/_core/_native{EXTENSION_SUFFIXES[0]}",
    }
    assert "lockedarray/py.typed" in found
    assert "none-any" not in made.name
    subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c",
         "import lockedarray as la; assert la.backend == 'native'; print(la.zeros(3) + 1)"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "wheel"), "LOCKEDARRAY_BACKEND": "native"},
        check=True, timeout=60,
    )  # fmt: skip
