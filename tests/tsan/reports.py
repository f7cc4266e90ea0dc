"""Reads reports of ThreadSanitizer and tells whose they are.

A report shows two accesses to the same memory, each with its stack. An access is done by the first
frame that is not of the sanitizer itself, whose functions stand for `memcpy` and the like. If that is
our code in one of the two, the report is ours. If it is not, but was called by ours, it may still be
our fault: then we have called a function of CPython's without what it wants to be held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["KNOWN", "OWNERS", "Frame", "Report", "each_once", "judged", "read"]

OWNERS = ("ours", "called by ours", "NumPy's", "CPython's", "others'")

_WITHOUT_THE_LOCK = "a plain alias of the array reads its elements without the lock"
KNOWN = {
    frozenset({"la_body_set_rows"}): (
        "a length is one word and is stored whole; who reads it without the lock finds the old or "
        "the new one, and reads it again under the lock"
    ),
    frozenset({"la_resize", "_contig_to_contig"}): _WITHOUT_THE_LOCK,
    frozenset({"la_append", "_contig_to_contig"}): _WITHOUT_THE_LOCK,
    frozenset({"la_resize", "unknown"}): _WITHOUT_THE_LOCK,
}
"""Why a report of ours is none, by functions that are among those of its two accesses."""

_ACCESS = re.compile(r"^  (Previous )?(atomic )?(read|write) of size ", re.IGNORECASE)
_FRAME = re.compile(r"^    #\d+ (?P<function>.+?) (?P<place>\S+|<null>) \((?P<file>[^()]*)\)\s*$")
_OF_NUMPY = ("_multiarray", "_umath", "_simd", "_pocketfft_umath", "libscipy_openblas")
_END = "=================="


@dataclass(frozen=True)
class Frame:
    """A function in a stack: its name, its line in the source if that is known, and its library."""

    function: str
    place: str
    file: str

    @property
    def owner(self):
        name = self.file.rpartition("/")[2]  # of many there is no folder
        if "libtsan" in name:
            return "sanitizer"
        if name.startswith("_native."):
            return "ours"
        if "numpy" in self.file or name.startswith(_OF_NUMPY):
            return "NumPy's"
        return "CPython's" if name.startswith("python") or "lib-dynload" in self.file else "others'"


@dataclass(frozen=True)
class Report:
    """One report: its first line, and the stacks of the accesses that it is about."""

    kind: str
    stacks: tuple[tuple[Frame, ...], ...]
    text: str

    @property
    def tops(self):
        """The frames that did the accesses."""
        return [stack[0] for stack in self.stacks if stack]

    @property
    def title(self):
        places = (f"{top.function} {top.place.rpartition('/')[2]}" for top in self.tops)
        return f"{self.kind}: {', '.join(places)}"


def read(text):
    """Yield the reports in what a process has written."""
    for part in text.split(_END):
        found = re.search(r"WARNING: ThreadSanitizer: ([^(]+)", part)
        if found:
            yield Report(found[1].strip(), tuple(_stacks(part)), part.strip())


def _stacks(text):
    """Yield the stacks of accesses, without the frames of the sanitizer; of other reports all of them."""
    is_race = "data race" in text or "use-after-free" in text
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        while lines and not lines[0].startswith("  "):
            del lines[0]  # the line of the report itself
        frames = [Frame(**found.groupdict()) for found in map(_FRAME.match, lines) if found]
        if frames and (not is_race or _ACCESS.match(lines[0])):
            yield tuple(frame for frame in frames if frame.owner != "sanitizer")


def judged(report):
    """Return whose a report is, and why it is none if that is known."""
    owners = [top.owner for top in report.tops]
    if "ours" in owners:
        functions = {top.function for top in report.tops}
        if len(report.tops) == 1:
            functions.add("unknown")  # the sanitizer remembers a stack for a while only
        return "ours", next((why for known, why in KNOWN.items() if known <= functions), "")
    if any(_is_called_by_ours(stack) for stack in report.stacks):
        return "called by ours", ""
    return next((owner for owner in OWNERS if owner in owners), "others'"), ""


def _is_called_by_ours(stack):
    """Whether the first frame of other code than the top's is ours."""
    caller = next((frame for frame in stack if frame.owner != stack[0].owner), None)
    return caller is not None and caller.owner == "ours"


def each_once(files):
    """Return how often there is a report of each two places, by the first such report."""
    first, numbers = {}, {}
    for file in sorted(files):
        for report in read(file.read_text(encoding="utf-8", errors="replace")):
            report = first.setdefault((report.kind, frozenset(report.tops)), report)
            numbers[report] = numbers.get(report, 0) + 1
    return numbers
