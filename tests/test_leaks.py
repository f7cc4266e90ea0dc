"""Operations leave nothing behind: no reference, no memory, whatever kind of path they take."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.timeout(300)

# What is repeated: each statement on arrays of its own kind, hot paths and general ones.
STATEMENTS = """
x[3]; x[-1]; x[np.int64(2)]; t[1, 2]; t[1]; x[2:5]; x[...]; t[:, 1]; r['a']; r[0]
x[3] = 1.5; x[3] = 2; x[3] = np.float64(1); t[1, 2] = 0; x[2:5] = 1; x[2:5] = y[2:5]
x[2:5] = z[2:5]; r['a'] = 1; t[:, 1] = 2; x[[1, 2]] = 3; x[2:5] = [1, 2, 3]
x[2:5] += 1; x += 1; x -= y; x *= 1; x /= 1; x **= 1; x //= 1; x %= 7; x += z; x += x
x + y; x - 1; 1 - x; y * x; x / 2; x ** 2; -x; abs(x); +x; x // 2; x % 3; divmod(x, 2); x @ y
x > 0; x == y; x != z; x < 1; y <= x; x >= 2; r == r
np.add(x, 1); np.add(y, y, out=x); np.add(x, z, out=x); np.sin(x); np.add.reduce(x); np.modf(x)
np.add.at(x, [1, 1], 1); np.multiply.outer(x, y)
np.sum(x); np.copyto(x, y); np.dot(x, z); np.sort(x); np.mean(t, 0); np.concatenate([x, z])
x.sum(); x.mean(); x.max(); x.copy(); x.tolist(); x.item(3); x.fill(1); x.sort(); t.sum(0); x.any()
x.astype('f4'); x.reshape(10, 10); t.T; x.ravel(); np.reshape(x, (10, 10)); x.view('i8')
list(x); list(t); 1.5 in x; len(x); bool(x[:1]); repr(x); str(t)
x.at[3] += 1; x.at[3] -= 1; i.at[3] += 1; i.at[3] *= 1; t.at[1, 2] += 1; x.at[[1, 2]] += 1
x.at[3].add(1); x.at[3].get(); x.at[3].compare_exchange(1, 2)
x.snapshot(); la.LockedArray(y); la.zeros(10); np.asarray(x); np.array(x)
s[3]; s[2:5]; s + 1; s.sum(); s[3] = 1; s += 1
o[3]; o[3] = 7; o + 1; e[1:]; e + 1; e += 1; f.sum(); f[3]; f + 1
""".replace("\n", ";").split(";")

FAILING = """
x[1000]; x['a']; x[1.5]; t[1, 2, 3]; x[3] = 'text'; x[2:5] = y; x += t; i += 1.5; x @ t
np.add(x, t, out=x); np.add(x, 1, 2, 3); x.sum(5); np.sum(x, 5); np.copyto(x, t); x.at[1000] += 1
f[3] = 1; f += 1; f.fill(1); f.at[3] += 1; x.at[3] = x.at[4]; d[3] = 1; d += 1; s['a']
""".replace("\n", ";").split(";")

SCRIPT = """
import gc, sys
import numpy as np
import lockedarray as la

np.seterr(all="ignore")
y, z = np.ones(100), la.ones(100)
x, t, i = la.ones(100), la.ones((5, 10)), la.LockedArray(np.arange(100))
r = la.LockedArray(np.zeros(5, [("a", "f8"), ("b", "i4")]))
o, e, f = la.LockedArray(np.array([1] * 5, object)), la.zeros(0), la.ones(100)
d = la.ones((5, 5)).diagonal()
f.freeze()

class Sub(la.LockedArray):
    pass

s = Sub(np.ones(100))

def repeat(statement, code, fails, count):
    names = globals()
    for _ in range(count):
        try:
            exec(code, names)
        except (IndexError, ValueError, TypeError):
            assert fails, statement
        else:
            assert not fails, statement

def blocks():
    gc.collect()
    gc.collect()
    return sys.getallocatedblocks()

def resident():
    with open("/proc/self/statm") as file:
        return 4096 * int(file.read().split()[1])

leaks = []
for statement, fails in STATEMENTS:
    code = compile(statement, "<test>", "exec")
    repeat(statement, code, fails, WARM_UP)
    more = []
    for _ in range(4):  # what is freed late, or cached, does not grow each time
        before = blocks()
        repeat(statement, code, fails, COUNT)
        more.append(blocks() - before)
    if min(more) > COUNT // 4:
        leaks.append((statement, more))
assert not leaks, leaks

if sys.platform == "linux":
    codes = [(text, compile(text, "<test>", "exec"), fails) for text, fails in STATEMENTS]
    def all_of_them():
        for text, code, fails in codes:
            repeat(text, code, fails, COUNT // 4)
    all_of_them()
    before = resident()
    for _ in range(4):
        all_of_them()
    grown = resident() - before
    assert grown < 4_000_000, grown
"""


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_repeating_an_operation_keeps_no_memory(fails):
    given = FAILING if fails else STATEMENTS
    statements = [(text.strip(), fails) for text in given if text.strip()]
    head = f"STATEMENTS, WARM_UP, COUNT = {statements!r}, 300, 300\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(SCRIPT)],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
