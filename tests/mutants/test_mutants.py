"""The list of mutants fits the tree, and who plays it tells what was noticed from what was not."""

import re
from collections import Counter

import pytest

from mutants.__main__ import main
from mutants.listed import CORES, changed, read
from mutants.tree import ROOT

MUTANTS = read()


def test_each_has_a_name_of_its_own():
    assert [name for name, count in Counter(m.name for m in MUTANTS).items() if count > 1] == []


def test_what_is_changed_stands_in_its_file_once():
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert changed(mutant, text) != text


def test_each_is_built_where_its_tests_look():
    for mutant in MUTANTS:
        assert mutant.core in CORES
        assert mutant.core != "c" or mutant.file.startswith("lockedarray/_core/lock/"), mutant.name
        assert mutant.core != "portable" or mutant.file.endswith(".py"), mutant.name
        assert mutant.variant in {"debug", "release", "tsan", "asan"}, mutant.name


@pytest.mark.parametrize("core", sorted(CORES))
def test_the_tests_of_each_are_there(core):
    tests = [test for mutant in MUTANTS if mutant.core == core for test in mutant.tests]
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        name = re.escape(name.partition("[")[0])
        if core == "c":
            assert re.search(rf"^{name}\(void\)$", text, re.MULTILINE), test
            assert re.search(rf"^    \w+\({name}\);$", text, re.MULTILINE), test
        else:
            assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), test


FAULTS = r"""
[[mutant]]
name = "a comment"
file = "lockedarray/_array/array.py"
old = "        buffer = buffer_of(self)\n        holds = Holds([(buffer.lock, True)])"
new = "        buffer = buffer_of(self)  # of x\n        holds = Holds([(buffer.lock, True)])"
breaks = "Nothing."
core = "portable"
tests = ["tests/unit/test_freezing.py::test_freezing_waits_for_readers_and_writers"]

[[mutant]]
name = "a fault"
file = "lockedarray/_array/array.py"
old = "        buffer = buffer_of(self)\n        holds = Holds([(buffer.lock, True)])"
new = "        buffer = buffer_of(self)\n        holds = Holds([(buffer.lock, False)])"
breaks = "It is frozen beside readers."
core = "portable"
tests = ["tests/unit/test_freezing.py::test_freezing_waits_for_readers_and_writers"]

[[mutant]]
name = "no Python"
file = "lockedarray/_array/array.py"
old = "        buffer = buffer_of(self)\n        holds = Holds([(buffer.lock, True)])"
new = "        buffer = buffer_of(self) holds = Holds([(buffer.lock, True)])"
breaks = "It cannot be imported, which no test has noticed."
core = "portable"
tests = ["tests/unit/test_freezing.py::test_freezing_waits_for_readers_and_writers"]
"""


@pytest.mark.timeout(600)
def test_what_no_test_notices_has_escaped(tmp_path, capfd):
    faults = tmp_path / "faults.toml"
    faults.write_text(FAULTS)
    assert main(["--from", str(faults), "--jobs", "1"]) == 1
    told = capfd.readouterr().out
    assert re.findall(r"^(caught|escaped|error) ", told, re.MULTILINE) == [
        "escaped",
        "caught",
        "error",
    ]
    assert told.endswith("\nmutants 3, caught 1, escaped: a comment, errors: no Python\n")


def test_tests_that_fail_without_a_fault_do_not_catch_it(tmp_path, capfd):
    faults = tmp_path / "faults.toml"
    missing = FAULTS.replace(
        "test_freezing_waits_for_readers_and_writers", "test_that_is_not_there"
    )
    faults.write_text(missing)
    assert main(["--from", str(faults), "--jobs", "1", "--only", "a fault"]) == 1
    told = capfd.readouterr().out
    assert re.search("^fails    without a fault: ", told, re.MULTILINE)
    assert told.endswith("\nmutants 1, caught 0, errors: a fault\n")
