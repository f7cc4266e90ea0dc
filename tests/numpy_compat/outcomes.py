"""What tests came to, by test function: read from records, compared, counted."""

from __future__ import annotations

import dataclasses
import json

__all__ = ["Compared", "Difference", "Totals", "add", "compared", "function_of", "read"]


def read(record):
    """Return by name the last entry of each test in a file of JSON lines."""
    if not record.exists():
        return {}
    entries = map(json.loads, record.read_text(encoding="utf-8").splitlines())
    return {entry["test"]: entry for entry in entries}


def add(record, test, outcome):
    """Record an outcome that the process of the test did not live to write."""
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"test": test, "outcome": outcome}) + "\n")


def function_of(test):
    """Return the name of the test function of a test, parametrized or not."""
    return test.partition("[")[0]


@dataclasses.dataclass
class Difference:
    """A test function that passes with the trivial subclass and not with LockedArray."""

    function: str
    failures: list[dict[str, str]]
    cases: int

    @property
    def kind(self):
        """'crash', 'hang', 'wrote as a reader' or ''."""
        for failure in self.failures:
            outcome = failure["outcome"]
            if outcome not in ("failed", "skipped", "missing"):
                return outcome.partition(" ")[0]
            if "Timeout (>" in failure.get("error", ""):
                return "hang"
        return next(filter(None, (failure.get("kind") for failure in self.failures)), "")

    def __str__(self):
        error = self.failures[0].get("error", self.failures[0]["outcome"])
        kind = f" [{self.kind}]" if self.kind else ""
        cases = f" ({len(self.failures)} of {self.cases} cases)" if self.cases > 1 else ""
        return f"{self.function}{cases}{kind}: {' '.join(error.split())[:160]}"


@dataclasses.dataclass
class Compared:
    """The test functions that pass with the trivial subclass, and what LockedArray makes of them."""

    agreed: set[str]
    differences: list[Difference]


def compared(baseline, locked):
    """Compare the outcomes with the trivial subclass and with LockedArray."""
    cases, failing = {}, set()
    for test, entry in baseline.items():
        if entry["outcome"] == "passed":
            cases.setdefault(function_of(test), []).append(test)
        elif entry["outcome"] != "skipped":
            failing.add(function_of(test))
    differences, agreed = [], set()
    for function, tests in cases.items():
        if function in failing:
            continue
        entries = [locked.get(test, {"outcome": "missing"}) for test in tests]
        failures = [entry for entry in entries if entry["outcome"] != "passed"]
        if failures:
            differences.append(Difference(function, failures, len(tests)))
        else:
            agreed.add(function)
    return Compared(agreed, differences)


@dataclasses.dataclass
class Totals:
    """Numbers of test functions."""

    baseline: int = 0
    passing: int = 0
    listed: int = 0
    forbidden: int = 0
    unlisted: int = 0
    crashes: int = 0
    hangs: int = 0
    readers: int = 0

    def add(self, compared, listed):
        """Count what was compared; return self."""
        self.baseline += len(compared.agreed) + len(compared.differences)
        self.passing += len(compared.agreed)
        for difference in compared.differences:
            if listed.reason(difference.function) is None:
                self.unlisted += 1
            else:
                self.listed += 1
                self.forbidden += listed.promise(difference.function) is not None
            self.crashes += difference.kind == "crash"
            self.hangs += difference.kind == "hang"
            self.readers += difference.kind == "wrote as a reader"
        return self

    def line(self):
        """Return the numbers in one line."""
        return (
            f"{self.passing} of {self.baseline} test functions pass "
            f"({_share(self.passing, self.baseline)}; "
            f"{_share(self.passing, self.baseline - self.forbidden)} without the {self.forbidden} "
            f"that ask for what a promise forbids), "
            f"{self.listed} differences listed, {self.unlisted} not, {self.crashes} crashes, "
            f"{self.hangs} hangs, {self.readers} readers that write"
        )


def _share(part, whole):
    return f"{100 * part / whole if whole else 0.0:.2f} %"
