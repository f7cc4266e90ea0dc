"""Repeats operations and finds those that leave something behind: a program, started by test_leaks.

What is counted are the blocks of memory that Python has given out, and the references to what lives
longer than an operation: types, dtypes, names, and the arrays that it is done to.  On a debug build
of Python it is the sum of all references, too, if NumPy is built for it: NumPy's wheels do not add to
that sum, and so it tells nothing with them.

An operation that seems to leave something is repeated more often, and then it leaves as much. What
NumPy leaves, too, with plain arrays, or with a subclass that overrides ufuncs and does no more, is
not ours.
"""

from __future__ import annotations

import copy
import functools
import gc
import os
import sys
import sysconfig
import warnings

import numpy as np

import lockedarray as la
from catalogue import CATALOGUE
from catalogue.hostile import sabotaged
from catalogue.operation import Call, Outcome
from lockedarray import _cores as cores

__all__ = ["KINDS"]

REPEATS = (1, 4, 16, 64, 256)

# Each how many-th entry of the catalogue is taken: all take long, and leaks are mostly of C.
EVERY = int(os.environ.get("LOCKEDARRAY_LEAKS_EVERY", 50 if la.backend == "portable" else 10))
"""How much longer each try is; what is freed late, or cached, does not grow each time."""

GOING_ON = frozenset(
    "argmax argmin dot inner matmul matrix_power multi_dot reduceat tensordot".split()
)
"""What NumPy (2.4) goes on with after an element has raised, which a debug build does not let pass."""

KEEPING = {"__deepcopy__": "the memo that it is given keeps what was copied"}
"""What is not repeated on the same arrays."""

COUNTS_ALL = hasattr(sys, "gettotalrefcount") and np._core._multiarray_umath.__file__.endswith(
    sysconfig.get_config_var("EXT_SUFFIX")
)
"""Whether this is a debug build of Python, and NumPy built for it."""

_x = la.zeros(1)
LASTING = {
    repr(thing): thing
    for thing in (
        [None, True, False, Ellipsis, NotImplemented, (), "", 0, 1, "out", "__call__", "add", "a"]
        + [type(_x), type(_x.at), type(_x.at[0]), type(_x.read()), type(_x._buffer), type(_x.lock)]
        + [
            type(_x._buffer.memory),
            cores.ArrayBase,
            cores.BufferBase,
            cores.AtBase,
            cores.AtIndexBase,
        ]
        + [cores.GuardBase, cores.Holds, np.ndarray, np.ufunc, np.float64, np.add, np.sum]
        + [np.copyto, np.ndarray.sum, la.LockedArray.sum, la.LockedArray.__array_ufunc__]
        + [np.dtype(name) for name in "?bBhHiIlLqQefdgFDGOSUVmM"]
    )
}


def parts(arrays):
    """Return what an operation on these arrays refers to and does not make, by name."""
    found = {}
    for number, array in enumerate(arrays):
        found |= {f"array {number}": array, f"its dtype {array.dtype}": array.dtype}
        if isinstance(array, la.LockedArray):
            buffer = array._buffer
            found |= {f"its Buffer {number}": buffer, f"its lock {number}": array.lock}
            found |= {f"its Memory {number}": buffer.memory, f"its root {number}": buffer.root}
    return found


def counts(watched):
    """Return how many references there are to what is watched, and how much in all."""
    gc.collect()
    references = [sys.getrefcount(thing) for thing in watched]
    in_all = sys.gettotalrefcount() if COUNTS_ALL else 0
    return [*references, in_all, sys.getallocatedblocks()]


def added(call, number, watched):
    """Return how much more there is of each count after so many calls."""
    before = counts(watched.values())
    for _ in range(number):
        call()
    return [new - old for old, new in zip(before, counts(watched.values()), strict=True)]


def named(numbers, watched):
    """Return those of the counts that are more than none, by name."""
    names = [f"references to {name}" for name in watched] + ["references in all", "blocks"]
    return {name: number for name, number in zip(names, numbers, strict=True) if number > 0}


def left_behind(call, count, watched):
    """Return what each of `count` calls leaves behind, by name."""
    call()
    least = None
    for repeats in REPEATS:
        number = count * repeats
        left = [more // number for more in added(call, number, watched)]
        least = left if least is None else list(map(min, least, left))
        if max(least) <= 0:
            break
    return named(least, watched)


def left_by_numpy(call, count, watched):
    """Return the same of NumPy, about: its first calls take some of what they keep from Python's stock."""
    call()
    number = count * REPEATS[-1]
    return named([round(more / number) for more in added(call, number, watched)], watched)


class Overriding(np.ndarray):
    """What NumPy finds an ``__array_ufunc__`` in, as in a LockedArray."""

    def __array_ufunc__(self, ufunc, how, *inputs, **keywords):
        def plain(given):
            return given.view(np.ndarray) if isinstance(given, Overriding) else given

        if isinstance(keywords.get("out"), tuple):
            keywords["out"] = tuple(map(plain, keywords["out"]))
        return getattr(ufunc, how)(*map(plain, inputs), **keywords)


def on_new_arrays(operation, make):
    """Return a call that makes arrays and does `operation`, and what to watch."""
    return lambda: Outcome.of(lambda: make(operation)()) and None, LASTING


def on_the_same_arrays(operation, make):
    """The same, with arrays that are made once."""
    call = make(operation)
    return lambda: call.outcome() and None, LASTING | parts(call.arrays.values())


def with_numpys(operation, of):
    """Return what `of` returns with LockedArrays; then what returns it with NumPy's, in turn."""
    overriding = functools.partial(Call.plain, kind=Overriding)
    return of(operation, Call.all_locked), [
        functools.partial(of, operation, make) for make in (Call.plain, overriding)
    ]


def is_kept_by_numpy(operation):
    """Whether NumPy (2.4) keeps the arguments of a call that is overridden.

    It does so of reductions that fail.  Arrays that are kept are one reference each, if they are not
    new each time, and can be compared.
    """
    reduces = operation.name.rpartition(".")[2] in ("reduce", "accumulate", "reduceat")
    return reduces and Outcome.of(lambda: Call.all_locked(operation)()).error is not None


def on_new():
    """Yield each operation of the catalogue, by name, on new arrays each time."""
    for operation in CATALOGUE:
        if not is_kept_by_numpy(operation):
            yield str(operation), *with_numpys(operation, on_new_arrays)


def on_the_same():
    """Yield each operation of the catalogue, by name, on the same arrays each time."""
    for operation in CATALOGUE:
        if operation.name not in KEEPING:
            yield str(operation), *with_numpys(operation, on_the_same_arrays)


def failing():
    """Yield each operation of the catalogue with each of its arguments replaced by a hostile one."""
    is_debug = hasattr(sys, "gettotalrefcount")
    for operation in CATALOGUE:
        goes_on = is_debug and operation.name.rpartition(".")[2] in GOING_ON
        for how, variant in sabotaged(operation):
            if goes_on and how.startswith("hostile"):  # an argument may be one of a list
                continue
            of = on_the_same_arrays if is_kept_by_numpy(variant) else on_new_arrays
            if of is on_new_arrays or Outcome.of(Call.plain, variant).error is None:
                yield f"{operation}, {how}", *with_numpys(variant, of)


# Each on arrays of its own kind, hot paths and general ones.
STATEMENTS = """
x[3]; x[-1]; x[np.int64(2)]; t[1, 2]; t[1]; x[2:5]; x[...]; t[:, 1]; r['a']; r[0]
x[np.int8(3)]; t[np.uint8(1), 2]; o[np.int8(3)]; o[3:]; t[np.int8(1)]; t[None, 1]
x[3] = 1.5; x[3] = 2; x[3] = np.float64(1); t[1, 2] = 0; x[2:5] = 1; x[2:5] = y[2:5]
x[2:5] = z[2:5]; r['a'] = 1; t[:, 1] = 2; x[[1, 2]] = 3; x[2:5] = [1, 2, 3]; x[3] = '1'
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
x.at[3].add(1); x.at[3].get(); x.at[3].compare_exchange(1, 2); c.at[3] += 1j; b.at[3] |= True
x.snapshot(); la.LockedArray(y); la.zeros(10); np.asarray(x); np.array(x); S(y)[1:]
la.zeros(9, name="a"); la.array(y, ndmin=3); la.linspace(0, 1, 5); la.zeros_like(x); la.asarray(y)
x.read().acquire(); x.write().acquire(); x.write(); la.acquire(write=x, read=(z, t)).acquire()
la.zeros(9).resize(99); la.zeros(9)[1:].base.resize(99); la.zeros(9).freeze(); x.lock.holds()
x.__array_finalize__(z); x.__array_finalize__(None); la.zeros(9).__array_finalize__(x)
s[3]; s[2:5]; s + 1; s.sum(); s[3] = 1; s += 1
o[3]; o[3] = 7; o + 1; e[1:]; e + 1; e += 1; f.sum(); f[3]; f + 1
x.flat[3]; x.flat[2:5]; x.flat[3] = 1; x.flat[[1, 2]] = 3; list(x.flat); x.flat = 1; x.flat[3] += 1; next(x.flat); x.flat.copy()
c.real; c.imag; x.T; x.shape; x.flags.writeable; x.flags['OWNDATA']; np.asarray(t.flat); c.conj(); x.conj(); t.diagonal(); x.__array__()
x.at[3].apply(float); t.at[1].apply(np.sqrt); x.at[3] //= 2; x.at[3] %= 7; x.at[3] **= 2; x.at[3].exchange(1); o.at[1].exchange(2); t.at[1] = 1
copy.copy(x); copy.deepcopy(x); copy.copy(o); x.__reduce__(); x.take([1, 2]); x.put([1, 2], [3, 4]); x.dot(x); x.sum(where=[True]); x.byteswap()
np.put(x, [1], [2.0]); np.interp(x, y, x); np.lexsort((x, y)); np.take(x, [1, 2]); np.append(x, [1.0]); np.add(x, [1.0]); np.add.at(x, [1, 2], [3, 4])
np.flip(x); np.split(x, 2); np.ndim(x); np.zeros_like(x); np.moveaxis(t, 0, 1); np.ravel(t[:, 1]); np.broadcast_arrays(x, y); np.diag(t); np.real(c)
la.array([1, 2]); la.array(x); la.asarray(x); la.ones_like(t); la.full_like(t, 2.5); la.arange(9); la.full(9, 1.0); x + [1] * 100; x == None; x > [0]
x.take(['a']); np.take(x, [1000]); np.put(x, [1000], 1); np.flip(x, 5); np.split(x, 7); x.flat['a']; x.flat[1000]; x.flat[1000] = 1; x.at[3].apply(None)
x.at[3].apply(str); x.at[1000].apply(float); la.array([[1], [1, 2]]); la.full(-1, 1); x[2:5] = [1, 2]; x[2:5] = ['a']; x + [1, 2]; np.moveaxis(t, 7, 1)
x[1000]; x['a']; x[1.5]; t[1, 2, 3]; x[3] = 'text'; x[2:5] = y; x += t; i += 1.5; x @ t
np.add(x, t, out=x); np.add(x, 1, 2, 3); x.sum(5); np.sum(x, 5); np.copyto(x, t); x.at[1000] += 1
f[3] = 1; f += 1; f.fill(1); f.at[3] += 1; x.at[3] = x.at[4]; d[3] = 1; d += 1; s['a']
del x[3]; del x.at[3]; type(x.at)(3); type(x.at[3])(x); x._buffer = z._buffer; x.read(timeout=-1)
"""


def statements():
    """Yield each of the statements above."""

    class S(la.LockedArray):
        pass

    names = {
        "np": np, "la": la, "copy": copy, "S": S, "s": S(np.ones(100)),
        "y": np.ones(100), "z": la.ones(100), "x": la.ones(100), "t": la.ones((5, 10)),
        "i": la.LockedArray(np.arange(100)), "c": la.ones(9, complex), "b": la.ones(9, bool),
        "r": la.LockedArray(np.zeros(5, [("a", "f8"), ("b", "i4")])),
        "o": la.LockedArray(np.array([1] * 5, object)), "e": la.zeros(0), "f": la.ones(100),
        "d": la.ones((5, 5)).diagonal(),
    }  # fmt: skip
    names["f"].freeze()
    arrays = [value for value in names.values() if isinstance(value, np.ndarray)]
    watched = LASTING | parts(arrays)
    for text in STATEMENTS.replace("\n", ";").split(";"):
        if text.strip():
            code = compile(text.strip(), "<statement>", "exec")
            call = functools.partial(Outcome.of, exec, code, names)
            numpys = functools.partial(Outcome.of, exec, code, {**names, "la": np})
            # NumPy (2.4) keeps a reference to its default dtype in each np.zeros(10) and np.linspace.
            keeps = "la.zeros(" in text or "la.linspace(" in text
            plain = [lambda numpys=numpys: (numpys, watched)] if keeps else []
            yield text.strip(), (call, watched), plain


def resident():
    """Return the bytes of memory that this process uses."""
    with open("/proc/self/statm") as file:
        return 4096 * int(file.read().split()[1])


KINDS = {
    "statements": (statements, 60),
    "catalogue, new arrays": (on_new, 4),
    "catalogue, the same arrays": (on_the_same, 4),
    "catalogue, failing": (failing, 2),
}
"""What is repeated, and how often."""


def main(kind):
    """Print what leaves something behind."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    make, count = KINDS[kind]
    operations = list(make())[:: EVERY if kind.startswith("catalogue") else 1]
    for _name, (call, _watched), _plain in operations:
        call()
    gc.collect()
    gc.freeze()  # so that each collection is quick
    for name, (call, watched), plain in operations:
        left = left_behind(call, count, watched)
        for numpys in plain:
            if not left:
                break
            call, watched = numpys()
            theirs = left_by_numpy(call, count, watched)
            left = {what: number for what, number in left.items() if number > theirs.get(what, 0)}
        if left:
            print(f"{name}: each leaves", ", ".join(f"{n} {what}" for what, n in left.items()))
    if sys.platform == "linux":  # memory that is in no block of Python's
        before = resident()
        for _ in range(count):
            for _name, (call, _watched), _plain in operations:
                call()
        if (grown := resident() - before) > 4_000_000:
            print(f"all together: {grown} bytes more")


if __name__ == "__main__":
    main(sys.argv[1])
