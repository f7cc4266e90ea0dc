"""Every block of Python in the README, the documentation and the docstrings runs as written."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lockedarray
from extras import MODULES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCTEST_OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

# What the blocks of a page import beside NumPy, in a comment of Markdown: without it they are not run.
NEEDS = re.compile(r"^% needs: (.*)$", re.MULTILINE)

# A fenced block: its language, or {directive} arguments, and its text.
BLOCK = re.compile(r"^```(?P<info>.*)\n(?P<text>(?:.*\n)*?)^```$", re.MULTILINE)
NOT_PYTHON = re.compile(r"console|text|\{[a-z-]+\}.*")

# A block that begins so is a file, and one of the console that begins so tells what it prints.
FILE = re.compile(r"# (\w+\.py)\n")
RUN = re.compile(r"\$ python (\w+\.py)\n")


def blocks_to_run(page):
    """Yield (line, text) of each block of Python, and of each that runs a file that was one.

    A block in an unknown language is an error.
    """
    content = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(content))
    assert 2 * len(blocks) == content.count("```"), "a fence that is indented or never closed"
    for block in blocks:
        if block["info"] == "python" or RUN.match(block["text"]):
            yield content.count("\n", 0, block.start("text")), block["text"]
        else:
            assert NOT_PYTHON.fullmatch(block["info"]), f"unknown language {block['info']!r}"


def run_doctest(test):
    """Run one DocTest; what it defines stays in its globals."""
    report = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=DOCTEST_OPTIONS)
    runner.run(test, out=report.append, clear_globs=False)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    for needed in NEEDS.findall(page.read_text(encoding="utf-8")):
        for package in needed.split():
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, text in blocks_to_run(page):
        if file := FILE.match(text):
            Path(file[1]).write_text(text, encoding="utf-8")
        elif command := RUN.match(text):
            program = subprocess.run(
                [sys.executable, command[1]], capture_output=True, text=True, timeout=100
            )
            # Dask tells when a worker of a busy machine takes long to end.
            errors = re.sub(
                r"^.* - distributed\..* - WARNING - .*\n", "", program.stderr, flags=re.M
            )
            assert program.stdout + errors == text[command.end() :], command[1]
        elif text.startswith(">>>"):
            parse = doctest.DocTestParser().get_doctest
            test = parse(text, namespace, page.name, str(page), line)
            run_doctest(test)
            namespace = test.globs
        else:
            exec(compile("\n" * line + text, str(page), "exec"), namespace)


def examples():
    """Yield the examples of each function and class; public ones do not tell where they stand."""
    for name in MODULES:
        names = vars(importlib.import_module(name))
        parse = doctest.DocTestParser().get_doctest
        yield parse(names["__doc__"] or "", dict(names), name, None, None)
        for value in list(names.values()):
            if inspect.isroutine(value) or inspect.isclass(value):
                if (module := getattr(value, "__module__", None)) in (name, "lockedarray"):
                    called = "shared." * (module == "lockedarray.shared") + value.__name__
                    finder = doctest.DocTestFinder()
                    yield from finder.find(value, called, module=False, globs=names)


EXAMPLES = {
    test.name: test
    for test in examples()
    if test.examples and "._baseclass" not in test.name  # which is NumPy's ndarray
}


@pytest.fixture(scope="module")
def client():
    """The `client` of examples: of a cluster in this process."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(processes=False, dashboard_address=None, silence_logs=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_run(name, request):
    test = EXAMPLES[name]
    if "lockedarray.shared" in test.docstring or name.startswith("shared."):
        pytest.importorskip("_posixshmem")
    if "(client, " in test.docstring:
        test.globs["client"] = request.getfixturevalue("client")
    try:
        run_doctest(test)
    finally:
        if "(client, " in test.docstring:
            test.globs["x"].delete()


def test_examples_of_all_of_the_package_are_found():
    assert EXAMPLES.keys() >= {"LockedArray", "Guard", "acquire", "AtIndex", "Region"}
    assert EXAMPLES.keys() >= {"zeros", "shared.zeros", "LockedArray.append", "AtIndex.add"}
    assert "lockedarray" in EXAMPLES


def test_reference_names_every_public_name():
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"^\.\. (?:auto\w+|class):: (?:lockedarray\.)?(\w+)", reference, re.MULTILINE)
    )
    assert set(lockedarray.__all__) <= named
