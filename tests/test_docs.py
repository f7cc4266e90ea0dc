"""Every block of Python in the README, the documentation and the docstrings runs as written."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import lockedarray

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = ["lockedarray"] + [
    module.name for module in pkgutil.walk_packages(lockedarray.__path__, "lockedarray.")
]
# Methods that differ from NumPy's in their lock alone have NumPy's docstrings: NumPy's to test.
NUMPY_DOCSTRINGS = {np.ndarray.__doc__, *(getattr(np.ndarray, n).__doc__ for n in dir(np.ndarray))}
DOCTEST_OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

# What the blocks of a page import beside NumPy, in a comment of Markdown: without it they are not run.
NEEDS = re.compile(r"^% needs: (.*)$", re.MULTILINE)

# A fenced block: its language, or {directive} arguments, and its text.
BLOCK = re.compile(r"^```(?P<info>.*)\n(?P<text>(?:.*\n)*?)^```$", re.MULTILINE)
NOT_PYTHON = re.compile(r"console|text|\{[a-z-]+\}.*")


def python_blocks(page):
    """Yield (line, text) of each block of Python; a block in an unknown language is an error."""
    content = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(content))
    assert 2 * len(blocks) == content.count("```"), "a fence that is indented or never closed"
    for block in blocks:
        if block["info"] == "python":
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
    for line, text in python_blocks(page):
        if text.startswith(">>>"):
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
        for value in list(names.values()):
            if inspect.isroutine(value) or inspect.isclass(value):
                if getattr(value, "__module__", None) in (name, "lockedarray"):
                    yield from doctest.DocTestFinder().find(value, module=False, globs=names)


EXAMPLES = {
    test.name: test
    for test in examples()
    if test.examples and test.docstring not in NUMPY_DOCSTRINGS
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_run(name):
    run_doctest(EXAMPLES[name])


def test_examples_of_all_of_the_package_are_found():
    assert EXAMPLES.keys() >= {"LockedArray", "Guard", "acquire", "AtIndex", "Region"}


def test_reference_names_every_public_name():
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"^\.\. (?:auto\w+|class):: (?:lockedarray\.)?(\w+)", reference, re.MULTILINE)
    )
    assert set(lockedarray.__all__) <= named
