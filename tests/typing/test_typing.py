"""The stubs, as a user's type checker sees them, installed beside the package.

``pass`` holds programs that type-check and run, ``reveal`` asserts types with `assert_type` and
runs too, ``fail`` has an ignored error on every wrong line: one that is missing, or another one, is
reported, since ``mypy --strict`` reports what is ignored without need.
"""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lockedarray

HERE = Path(__file__).parent
ALLOWLIST = HERE.parents[1] / "typings" / "allowlist.txt"

Run = Callable[..., subprocess.CompletedProcess[str]]


def files(*folders: str) -> list[str]:
    return [f"{folder}/{path.name}" for folder in folders for path in (HERE / folder).glob("*.py")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a tool of mypy's where the only `lockedarray` to be found is the installed one."""
    pytest.importorskip("mypy", reason="no mypy here: it has no wheels for some interpreters")
    folder = tmp_path_factory.mktemp("typing")

    def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return run


@pytest.fixture(scope="module")
def report(run: Run) -> str:
    """What ``mypy --strict`` says of all files together."""
    folders = [HERE / name for name in ("pass", "fail", "reveal")]
    report = run("mypy", "--config-file=", "--strict", "--show-absolute-path", *folders).stdout
    assert report.splitlines()[-1].startswith(("Success", "Found")), report
    return report


def test_the_stubs_lie_beside_the_modules() -> None:
    folder = Path(lockedarray.__file__).parent
    stubs = {path.relative_to(folder).as_posix() for path in folder.rglob("*.pyi")}
    described = "_array/array _array/at _array/creation _guards/guards _guards/lockables"
    described = f"__init__ {described} _guards/region_lock _guards/tracing _guards/watching shared"
    assert stubs - {"_core/_native.pyi"} == {f"{name}.pyi" for name in described.split()}
    assert (folder / "py.typed").exists()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", files("pass", "fail", "reveal"))
def test_mypy_strict_sees_what_the_file_says(name: str, report: str) -> None:
    assert [line for line in report.splitlines() if line.startswith(f"{HERE / name}:")] == []


@pytest.mark.parametrize("name", files("pass", "reveal"))
def test_what_type_checks_runs(name: str) -> None:
    runpy.run_path(str(HERE / name))


@pytest.mark.timeout(600)
def test_the_stubs_agree_with_the_package(run: Run) -> None:
    done = run("mypy.stubtest", "lockedarray", "--concise", "--allowlist", ALLOWLIST)
    assert done.returncode == 0, done.stdout


UNANNOTATED = """
import lockedarray as la
import numpy as np

def sums(a: la.LockedArray, k):
    with a[k, 1].write() as raw:
        raw += 1
    with a[1:, k].write(), a[k : k + 1].read():
        pass
    return a[k].snapshot()

def of_all(a: la.LockedArray[tuple[int, int], np.dtype[np.float64]], keys):
    return [a[key].snapshot() for key in keys] + [a[..., key].snapshot() for key in keys]
"""


@pytest.mark.timeout(600)
def test_pyright_has_no_complaint_and_knows_no_type_where_none_is_known(
    run: Run, tmp_path: Path
) -> None:
    pytest.importorskip("basedpyright", reason="it has no wheels for some systems")
    (tmp_path / "unannotated.py").write_text(UNANNOTATED)
    for path in (HERE / "pass").glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = {"typeCheckingMode": "standard", "include": ["."]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = run("basedpyright", "--pythonpath", sys.executable, "--project", tmp_path)
    assert done.returncode == 0, done.stdout
