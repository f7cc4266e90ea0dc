"""Reports of ThreadSanitizer are sorted by whose code did the accesses."""

import pytest

from tsan import reports
from tsan.__main__ import main

NATIVE = "/env/lockedarray/_core/_native.cpython-313t-x86_64-linux-gnu.so+0x1"
NUMPY = "/env/numpy/_core/_multiarray_umath.cpython-313t-x86_64-linux-gnu.so+0x2"
CPYTHON = "/home/python3.13t+0x3"
OURS = f"la_read element.c:5 ({NATIVE})"


def report(first, second, kind="data race"):
    """A report as the sanitizer writes it; each stack is a list of frames."""
    stacks = [
        "\n".join(f"    #{i} {frame}" for i, frame in enumerate(each)) for each in (first, second)
    ]
    return f"""==================
WARNING: ThreadSanitizer: {kind} (pid=7)
  Write of size 8 at 0x7b by thread T2:
{stacks[0]}

  Previous read of size 8 at 0x7b by main thread:
{stacks[1]}

  Location is heap block of size 48 at 0x7b allocated by main thread:
    #0 malloc <null> (libtsan.so.2+0x4)
    #1 la_make make.c:1 ({NATIVE})

  Thread T2 'a' (tid=9, running) created by main thread at:
    #0 pthread_create <null> (libtsan.so.2+0x5)
    #1 la_start start.c:2 ({NATIVE})

SUMMARY: ThreadSanitizer: data race element.c:5 in la_read
==================
"""


EVAL = f"_PyEval_EvalFrameDefault <null> ({CPYTHON})"
LOOP = f"DOUBLE_add <null> ({NUMPY})"


@pytest.mark.parametrize(
    ("first", "second", "owner"),
    [
        ([EVAL], [OURS, EVAL], "ours"),
        (["memcpy <null> (libtsan.so.2+0x1)", OURS], [EVAL], "ours"),
        ([f"PyList_Append <null> ({CPYTHON})", OURS], [EVAL], "called by ours"),
        ([f"PyList_Append <null> ({CPYTHON})", LOOP, OURS], [EVAL], "CPython's"),
        (["memmove <null> (libtsan.so.2+0x1)", LOOP, EVAL], [EVAL, EVAL], "NumPy's"),
        ([EVAL, EVAL], [EVAL], "CPython's"),
        ([f"la_read <null> ({NATIVE.rpartition('/')[2]})"], [EVAL], "ours"),
        ([f"DOUBLE_add <null> ({NUMPY.rpartition('/')[2]})"], [EVAL], "NumPy's"),
        (["strlen <null> (libc.so.6+0x9)"], ["strlen <null> (libc.so.6+0x9)"], "others'"),
    ],
)
def test_a_report_is_of_who_did_the_access(first, second, owner):
    (found,) = reports.read(report(first, second))
    assert len(found.stacks) == 2
    assert reports.judged(found) == (owner, "")


def test_what_is_ours_is_printed_once_and_is_an_error(tmp_path, capsys):
    (tmp_path / "report.1").write_text(report([EVAL], [OURS]) * 2 + report([EVAL], [EVAL]))
    (tmp_path / "report.2").write_text(report([OURS], [EVAL]))
    assert main(tmp_path) == 1
    out = capsys.readouterr().out
    assert "ours, 3 times: data race: _PyEval_EvalFrameDefault <null>, la_read element.c:5" in out
    assert "1 of them ours and not known" in out
    assert out.count("SUMMARY") == 1


def test_what_is_known_is_no_error(tmp_path, capsys, monkeypatch):
    both = frozenset({"_PyEval_EvalFrameDefault", "la_read"})
    monkeypatch.setattr(reports, "KNOWN", {both: "for a reason"})
    (tmp_path / "report.1").write_text(report([EVAL], [OURS]))
    assert main(tmp_path) == 0
    assert "(for a reason)" in capsys.readouterr().out


def test_no_report_is_no_error(tmp_path):
    assert main(tmp_path) == 0


def test_other_kinds_have_their_stacks_as_well(tmp_path):
    text = report([OURS], [EVAL], "signal-unsafe call inside of a signal")
    (found,) = reports.read(text)
    assert reports.judged(found)[0] == "ours"
