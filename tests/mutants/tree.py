"""A copy of the tree, in which faults are made, built and looked for."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from mutants.listed import Mutant, changed

__all__ = ["ROOT", "NothingShown", "Outcome", "Tree"]

ROOT = Path(__file__).resolve().parents[2]

_COPIED = ["lockedarray", "typings", "tests", "meson.build", "meson.options", "pyproject.toml"]
_IGNORED = shutil.ignore_patterns("__pycache__", "build", ".*", "*.so", "*.pyd")

_LIMIT = 15.0  # seconds of a test that hangs, and so many times what it takes by itself
_TIMES = 5.0
_FIRST_LIMIT = 300.0  # of one that is not known yet
_BUILD_LIMIT = 600.0


class NothingShown(Exception):
    """It cannot be built or imported, or its tests fail without it: an error of the list."""


@dataclass(frozen=True)
class Outcome:
    """What the tests of one mutant said: whether they failed, how, and in how many seconds."""

    failed: bool
    by: str
    seconds: float


class Tree:
    """A copy of the tree in a folder of its own, with a build of what `cores` need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.site = folder / "site"  # where the package is, as if installed

    @classmethod
    def made(cls, folder: Path, *, native: bool) -> Tree:
        """Copy the tree into `folder`, and build the native core if it is needed."""
        tree = cls(folder)
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, tree.source / name, ignore=_IGNORED)
            else:
                shutil.copy2(ROOT / name, tree.source / name)
        shutil.copytree(
            tree.source / "lockedarray",
            tree.site / "lockedarray",
            ignore=shutil.ignore_patterns("*.c", "*.h"),
        )
        if native:
            tree._run(
                ["meson", "setup", "build", "-Dnative=enabled", "-Doptimization=1"], tree.source
            )
            tree._build_native()
        return tree

    def copied(self, folder: Path) -> Tree:
        """Return another one like this, in which another thread works.

        Paths inside of a build are relative, and the times of files come along.
        """
        shutil.copytree(self.folder, folder, symlinks=True)
        return Tree(folder)

    # -- a fault -----------------------------------------------------------------------------------

    def change(self, mutant: Mutant) -> None:
        """Make the fault, and build what it needs.

        Raises
        ------
        NothingShown
            Nothing is to be learned from it.
        """
        path = self.source / mutant.file
        self._write(mutant, changed(mutant, path.read_text(encoding="utf-8")))
        self.build(mutant)

    def restore(self, mutant: Mutant) -> None:
        """Take the fault back; what was built with it is built anew by the next one."""
        self._write(mutant, (ROOT / mutant.file).read_text(encoding="utf-8"))

    def _write(self, mutant: Mutant, text: str) -> None:
        (self.source / mutant.file).write_text(text, encoding="utf-8")
        if mutant.file.endswith(".py"):
            (self.site / mutant.file).write_text(text, encoding="utf-8")

    def build(self, mutant: Mutant) -> None:
        """Build what the tests of this mutant are run with, as the tree is now."""
        if mutant.core == "c":
            programs = [f"build/{mutant.variant}/{name}" for name in _programs(mutant)]
            self._run(["make", "-s", "-j2", *programs], self.source / "tests/c")
            return
        if mutant.core == "native":
            self._build_native()
        # The one that is installed beside must not be taken for it.
        tell = "import lockedarray as la; print(la.backend, la.__file__)"
        told = self._run([sys.executable, "-P", "-c", tell], self.source, self._environment(mutant))
        expected = f"{mutant.core} {self.site / 'lockedarray' / '__init__.py'}"
        if told.strip() != expected:
            raise NothingShown(f"imported was {told.strip()}, and not {expected}")

    def _build_native(self) -> None:
        if not (self.source / "build").exists():
            return
        self._run(["ninja", "-C", "build"], self.source)
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        name = f"_native{suffix}"
        # Never over the old one: a process may have that still.
        target = self.site / "lockedarray/_core" / name
        target.unlink(missing_ok=True)
        shutil.copy2(self.source / "build" / name, target)

    def _run(
        self, command: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> str:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment or _tools(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_BUILD_LIMIT,
            )
        except subprocess.TimeoutExpired as error:
            raise NothingShown(str(error)) from None
        if done.returncode != 0:
            raise NothingShown(f"{' '.join(command)}\n{done.stdout[-4000:]}")
        return done.stdout

    # -- its tests ---------------------------------------------------------------------------------

    def test(self, mutant: Mutant, usual: float | None = None) -> Outcome:
        """Run the tests of a mutant; `usual` is how many seconds they take without it.

        Raises
        ------
        NothingShown
            There were no such tests.
        """
        limit = _FIRST_LIMIT if usual is None else _LIMIT + _TIMES * usual
        start = time.monotonic()
        by = None
        for command, environment in self._commands(mutant):
            by = self._failure(command, environment, limit)
            if by is not None:
                break
        return Outcome(by is not None, by or "nothing", time.monotonic() - start)

    def _commands(self, mutant: Mutant) -> list[tuple[list[str], dict[str, str]]]:
        if mutant.core == "c":
            return [
                (
                    [f"tests/c/build/{mutant.variant}/{Path(path).stem}"],
                    {**os.environ, "LA_ONLY": name, "TSAN_OPTIONS": "halt_on_error=1"},
                )
                for path, _, name in (test.partition("::") for test in mutant.tests)
            ]
        pytest = [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        return [([*pytest, *mutant.tests], self._environment(mutant))]

    def _environment(self, mutant: Mutant) -> dict[str, str]:
        return {
            **os.environ,
            "LOCKEDARRAY_BACKEND": mutant.core,
            "PYTHONPATH": str(self.site),
            "PYTHONSAFEPATH": "1",
            # A file that is changed twice in a second would be taken for the one that was compiled.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _failure(self, command: list[str], environment: dict[str, str], limit: float) -> str | None:
        """How it fails; None if it does not."""
        with (self.folder / "output").open("w+", errors="replace") as output:
            process = subprocess.Popen(
                command,
                cwd=self.source,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end_all(process)
            output.seek(0)
            said = output.read()
        is_pytest = "pytest" in command
        if status is None:
            return f"hung for {limit:.0f} s"
        # A program in C in which no test has the name ends well, too, and so do tests that are skipped.
        ran = r"^\d+ passed" if is_pytest else r" \.\.\. .*ok$"
        if status == 0 and re.search(ran, said, re.MULTILINE):
            return None
        if (is_pytest and status > 1) or status == 0:
            raise NothingShown(f"{' '.join(command)}: exit status {status}\n{said[-4000:]}")
        return _told(said, status)


def _told(said: str, status: int) -> str:
    """Who noticed it, as the output of a test tells."""
    for pattern in [
        r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$",
        r"in (\w+): (?:check )?failed",
        r"SUMMARY: (\w+: [\w ]+?) /",
        r"(\w+): Assertion",
    ]:
        if found := re.search(pattern, said, re.MULTILINE):
            return found[1]
    name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    running = re.findall(r"(test_\w+) \.\.\. ", said)
    return f"{running[-1]}, {name}" if running else name


def _programs(mutant: Mutant) -> list[str]:
    return sorted({Path(test.partition("::")[0]).stem for test in mutant.tests})


def _tools() -> dict[str, str]:
    """The environment, with meson and ninja from where this Python is."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
