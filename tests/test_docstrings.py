"""Each public name explains itself: a summary, its arguments, its result, and an example."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import lockedarray as la
from extras import MODULES

CLASSES = """
lockedarray.LockedArray lockedarray.Guard lockedarray.RegionLock
lockedarray._array.at.AtIndex lockedarray._guards.tracing.Trace
lockedarray.distributed.DistributedArray lockedarray._distributed.at.DistributedAtIndex
""".split()
RECORDS = """
lockedarray._array.at.CompareExchangeResult lockedarray._guards.region_lock.HeldLock
lockedarray._guards.watching.ArrayHold lockedarray._guards.tracing.TraceRow
lockedarray._shared.listing.SharedArray
""".split()
PACKAGES = ["lockedarray", "lockedarray.shared", "lockedarray.distributed"]

# Others make these.
NOT_MADE_BY_USERS = {
    *("lockedarray.Guard", "lockedarray.PoisonedError", "lockedarray.distributed.DistributedArray"),
    *("lockedarray._array.at.AtIndex", "lockedarray._distributed.at.DistributedAtIndex"),
    *("lockedarray._guards.tracing.Trace", "lockedarray.shared.SharedArray"),
}
# With an asynchronous client they return an awaitable of nothing.
RETURNING_NOTHING = {
    f"lockedarray.distributed.DistributedArray.{name}"
    for name in ("checkpoint", "delete", "freeze")
}
# The example of acquire() or tracing() has it, or there is nothing to show.
WITHOUT_EXAMPLE = (
    {"lockedarray.Guard.release", "lockedarray.RegionLock.release"}
    | {
        f"lockedarray.{name}"
        for name in "RegionLock.locked PoisonedError DebugWarning shared.SharedArray _guards.tracing.Trace".split()
    }
    | {"lockedarray.distributed.OwnerLost", "lockedarray.distributed.LeaseExpired"}
)

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)


def found(name):
    """Return what has this dotted name, or None where its module cannot be imported."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last) if module in MODULES else None


def members(cls):
    """Yield the public members that a class of ours has beside ndarray's."""
    for name in dir(cls):
        if not name.startswith("_") and (
            cls is not la.LockedArray or not hasattr(np.ndarray, name)
        ):
            yield name, inspect.getattr_static(cls, name)


def public():
    """Yield (name, object) of all that users may name, but for plain values."""
    for package in PACKAGES:
        if package in MODULES:
            for name in importlib.import_module(package).__all__:
                thing = found(f"{package}.{name}")
                if callable(thing):
                    yield f"{package}.{name}", thing
    for name in CLASSES:
        if (cls := found(name)) is not None:
            yield name, cls
            for member, static in members(cls):
                is_called = callable(getattr(cls, member))
                yield f"{name}.{member}", getattr(cls, member) if is_called else static


# What a lock and an array have for the cores is public in Python's sense alone.
INNER = {
    f"lockedarray.{name}"
    for name in "RegionLock.below RegionLock.entries RegionLock.serial RegionLock.made_at".split()
} | {f"lockedarray._guards.tracing.Trace.{name}" for name in ("taken", "waited", "given")}
PUBLIC = {name: thing for name, thing in public() if name not in INNER}


def sections(text):
    """Return the sections of a docstring by their titles."""
    parts = SECTION.split(text)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def named_in(section):
    """The names that a section explains: ``a, b : int`` explains two."""
    lines = re.findall(r"^(\S.*?) :", section, re.MULTILINE)
    return {name.strip().lstrip("*") for line in lines for name in line.split(",")}


def signature(thing):
    return inspect.signature(thing) if callable(thing) else None


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_says_in_one_line_what_it_is(name):
    summary = inspect.getdoc(PUBLIC[name]).split("\n\n")[0]
    assert "\n" not in summary
    assert summary.endswith(".")


@pytest.mark.parametrize("name", PUBLIC)
def test_each_argument_is_explained_and_so_is_what_is_returned(name):
    thing = PUBLIC[name]
    text = sections(inspect.getdoc(thing))
    if not callable(thing) or name in NOT_MADE_BY_USERS:
        return
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return
    signature = inspect.signature(thing)
    given = [p for p in signature.parameters if p not in ("self", "cls")]
    assert set(given) == named_in(text.get("Parameters", ""))
    if not inspect.isclass(thing) and signature.return_annotation not in ("None", inspect._empty):
        assert ("Returns" in text) != (name in RETURNING_NOTHING)


@pytest.mark.parametrize("name", [n for n in PUBLIC if callable(PUBLIC[n])])
def test_each_function_method_and_class_has_an_example(name):
    text = sections(inspect.getdoc(PUBLIC[name]))
    assert (">>> " in text.get("Examples", "")) != (name in WITHOUT_EXAMPLE)


@pytest.mark.parametrize("name", RECORDS)
def test_each_field_of_a_record_is_explained(name):
    record = found(name)
    if record is None:
        pytest.skip("its module cannot be imported here")
    assert named_in(sections(inspect.getdoc(record))["Attributes"]) == set(record._fields)


DUMP = """
import inspect, json
from test_docstrings import PUBLIC
print(json.dumps({
    name: [inspect.getdoc(thing), [*inspect.signature(thing).parameters]
           if callable(thing) and not inspect.isclass(thing) else None]
    for name, thing in PUBLIC.items()
}))
"""


@pytest.mark.skipif(la.backend != "native", reason="compared once")
def test_both_cores_say_the_same_of_the_same_arguments():
    said = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", DUMP],
                env={
                    **os.environ,
                    "LOCKEDARRAY_BACKEND": core,
                    "PYTHONPATH": os.path.dirname(__file__),
                },
                stdout=subprocess.PIPE,
                check=True,
                timeout=100,
            ).stdout
        )
        for core in ("native", "portable")
    ]
    assert said[0] == said[1]


def test_what_ndarray_has_is_one_line_each_that_says_what_is_locked():
    for name in ("sum", "sort", "fill", "reshape", "astype", "__bool__"):
        text = getattr(la.LockedArray, name).__doc__
        assert "\n" not in text
        assert re.search(r"lock.*; see `numpy\.ndarray\." + name, text), text


def test_help_begins_with_what_is_ours():
    shown = subprocess.run(
        [sys.executable, "-c", "import lockedarray as la; help(la.LockedArray)"],
        capture_output=True,
        text=True,
        timeout=100,
    ).stdout
    own, _, rest = shown.partition("inherited from")
    assert " |  write(" in own
    assert " |  popleft(" in own
    assert " |  sum(" in rest
    assert "Refer to `numpy.sum`" not in shown


@pytest.mark.parametrize("name", [name for name in PACKAGES if name in MODULES])
def test_a_module_lists_its_public_names(name):
    module = importlib.import_module(name)
    listed = set(re.findall(r"`(\w+)`", module.__doc__))
    assert set(module.__all__) <= listed
