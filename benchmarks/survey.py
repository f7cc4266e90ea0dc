"""What ordinary operations cost on a LockedArray, beside a plain ndarray: some hundreds of them.

The operations come from catalogues: what NumPy's own namespace has (all ufuncs, operators), and
lists of indices, methods, functions and dtypes.  Each is timed on equal data of a plain ndarray, of
a LockedArray, and of a plain ndarray that is read-only: what NumPy itself pays for that (as
`np.interp`, which copies it) is not the lock's.  The three take turns in short rounds in one
process, so that a slow moment of the machine hits all of them; the median of the rounds counts.

The table is sorted by the ratio.  ``LOCKEDARRAY_BACKEND`` chooses the core, as everywhere.
"""

import argparse
import collections
import copy
import functools
import json
import operator
import os
import pickle
import platform
import re
import statistics
import sys
import sysconfig
import time
import warnings
from typing import NamedTuple

import numpy as np

import lockedarray as la

LIMIT = 3
"""No operation costs more than so many times what ndarray's does (promise P8)."""


class Operation(NamedTuple):
    """A statement, and what a plain ndarray does instead, where that is something else."""

    group: str
    statement: str
    plain: str


# -- the operations ------------------------------------------------------------------------------------
#
# The names: x float64, m the same with two axes, k int64, c complex, o objects, s records, u text,
# b bytes, d datetimes, t timedeltas, q bool, w varied text, z an array without axes; y is a plain
# float64 array, p a plain one of two axes, n an int64 one; idx and mask are plain.

INDICES = {
    "x": "3|-1|np.intp(3)|2:5|:|::2|::-1|...|None|[1, 2, 3]|idx|mask|(3,)|x > 0|np.array(3)|y[:0] > 0",
    "m": "1|1, 2|-1, -1|:, 1|..., 0|0:2|:, 1:3|[0, 1]|[0, 1], [1, 2]|0, [1, 2]|None, 1|np.ix_([0, 1], [1, 2])",
    "s": "3|'a'|['a', 'b']|2:5|idx",
    "z": "()|...",
    **dict.fromkeys("kcoubdtqw", "3|2:5|idx"),
}  # fmt: skip

ASSIGNED = {
    "x": "3 = 1.0|3 = 1|-1 = np.float64(2)|3 = z|2:5 = 1.0|2:5 = [1, 2, 3]|2:5 = (1, 2, 3)|2:5 = y[2:5]|"
    "2:5 = x[3:6]|: = y|... = 0|idx = 1.0|idx = y[idx]|mask = 0|[1, 2] = [3, 4]|2:5 = n[2:5]",
    "m": "1 = 1.0|1, 2 = 1.0|1 = y[: m.shape[1]]|1 = p[0].tolist()|:, 1 = 2.0|0:2, 1:3 = 1|"
    "[0, 1] = 1|[0, 1], [1, 2] = 1.0",
    "s": "3 = (1, 2.0)|'a' = 1|'b' = y|2:5 = (1, 2.0)|3 = s[2]",
    "k": "3 = 1|2:5 = 1|2:5 = [1, 2, 3]",
    "c": "3 = 1j|2:5 = 1j|2:5 = [1, 2j, 3]",
    "o": "3 = None|2:5 = None|2:5 = [1, 'two', 3]",
    "u": "3 = 'a'|2:5 = 'a'|2:5 = ['a', 'b', 'c']",
    "b": "3 = b'a'|2:5 = b'a'",
    "d": "3 = np.datetime64(5, 's')|2:5 = np.datetime64(5, 's')",
    "t": "3 = np.timedelta64(5, 's')|3 = 5",
    "q": "3 = True|2:5 = False|2:5 = [True, False, True]",
    "w": "3 = 'a'|2:5 = 'a'",
    "z": "() = 1.0|... = 1.0",
}

AUGMENTED = {
    "x[3]": "+= 1.0; -= 1.0; *= 1.0; /= 1.0; //= 1.0; %= 7.0; **= 1.0",
    "k[3]": "+= 1; &= 7; |= 1; ^= 1; <<= 1; >>= 1",
    "m[1, 2]": "+= 1.0",
    "m[1]": "+= 1.0",
    "m[:, 1]": "+= 1.0",
    "x[2:5]": "+= 1.0; *= 1.0; += y[2:5]; += [1, 2, 3]",
    "x[idx]": "+= 1.0",
    "x[mask]": "+= 1.0",
    "x": "+= 1; -= 1.0; *= 1.0; /= 1.0; //= 1.0; %= 7.0; **= 1; += y; += x",
    "k": "+= 1; &= 7; |= 1; ^= 1; += n",
    "q": "&= mask; |= mask; ^= mask",
    "c": "+= 1j",
    "c[3]": "+= 1j",
    "o[3]": "= o[3]; += 1",
    "big[3]": "+= 1",
    "half[3]": "+= 1",
    "long[3]": "+= 1",
    "s['a']": "+= 1",
    "d": "+= np.timedelta64(1, 's')",
    "z": "+= 1.0",
}

OPERANDS = "1|1.0|np.float64(1)|[1.0] * len(x)|y|x|z"
BINARY = "+ - * / // % ** == != < <= > >=".split()
OPERATORS = [
    *[f"x + {operand}" for operand in OPERANDS.split("|")],
    *[f"{operand} - x" for operand in "1|np.float64(1)|y".split("|")],
    *[f"x {sign} 2.0" for sign in BINARY],
    *[f"k {sign} 3" for sign in "+ // % & | ^ << >> ==".split()],
    *["-x", "+x", "abs(x)", "~k", "~q", "divmod(x, 2.0)", "x @ y", "m @ m.T", "m @ y[: m.shape[1]]"],
    *["q & mask", "q | mask", "c * 1j", "c + c", "d - d", "d + t", "u == 'a'", "o == o", "s == s", "u + u"],
    *["x[2:5] + 1", "m[1] + m[0]", "m + y[: m.shape[1]]", "x + k", "x * c", "x == None", "3.0 in x"],
]  # fmt: skip

METHODS = """
x: all() any() argmax() argmin() argsort() astype('f4') astype('f8',copy=False) astype('f8') byteswap()
   clip(0,1) compress(mask) conj() conjugate() copy() cumprod() cumsum() dot(y) dot(x)
   fill(1.0) flatten() item(3) max() mean() min() nonzero() partition(3) argpartition(3) prod() put([1,2],[3,4])
   put(3,1.0) ravel() repeat(2) reshape(-1) reshape(2,-1) round() round(2) searchsorted(0.5) searchsorted([0.5,1.0])
   setflags() sort() squeeze() std() sum() sum(dtype='f4') sum(keepdims=True) swapaxes(0,0) take([1,2]) take(3)
   tobytes() tolist() transpose() var() view() view('i8') view(np.ndarray) to_device('cpu')
   max(initial=0) sum(where=mask) sum(out=z) mean(axis=0) __len__()
   __array__() __copy__() __deepcopy__({}) __reduce__() __contains__(1.0)
m: sum(axis=0) sum(axis=1) max(axis=0) mean(axis=1) argmax(axis=0) sort() cumsum(axis=0) diagonal() trace() ravel() flatten()
   reshape(-1) transpose() transpose(1,0) swapaxes(0,1) any(axis=0) std(axis=0) dot(m.T) squeeze() copy() copy(order='F')
   astype('f4') take([0,1],axis=0) repeat(2,axis=1) tolist() nonzero() item(1,2)
k: sum() max() astype('f8') view('f8') tolist() clip(0,5) mean() prod() cumsum() sort() argsort()
c: sum() conj() tolist() copy() mean() astype('c8') round()
o: tolist() copy() sum() astype('O') take([1,2]) fill(None) nonzero() ravel()
u: tolist() copy() astype('U4') sort() argsort() view('i4') item(3)
s: tolist() copy() item(3) astype(s.dtype) view(np.recarray) sort() take([1,2])
d: tolist() astype('i8') max() view('i8') copy() sort()
q: all() any() sum() nonzero() copy() astype('i8') view('u1')
z: item() tolist() copy() sum() reshape(1) astype('i8')
"""

FUNCTIONS = """
sum(x) prod(x) mean(x) std(x) var(x) min(x) max(x) amin(x) ptp(x) median(x) percentile(x,50) quantile(x,0.5) average(x)
nansum(x) nanmean(x) nanmax(x) nanmedian(x) argmax(x) argmin(x) nanargmax(x) all(q) any(q) count_nonzero(x) nonzero(x)
cumsum(x) cumprod(x) diff(x) ediff1d(x) gradient(x) trapezoid(x) cross(x[:3],y[:3]) sum(m,axis=0) mean(m,axis=1)
sort(x) argsort(x) lexsort((x,)) partition(x,3) argpartition(x,3) searchsorted(x,0.5) digitize(x,[0.5]) unique(k)
histogram(x) bincount(k) interp(0.5,x,x) interp(x,y,y) interp(y,x,x) clip(x,0,1) round(x) around(x,2) where(q,x,y) where(q)
select([q],[x]) choose(k%2,[x,x]) extract(q,x) compress(q,x) take(x,[1,2]) take(x,3) take_along_axis(x,n,0) put(x,[1],[2.0])
put_along_axis(x,n,1.0,0) place(x,mask,[1.0]) putmask(x,mask,1.0) copyto(x,y) copyto(x,1.0) copyto(x,y,where=mask)
fill_diagonal(m,1.0) add(x,y) add(x,y,out=x) add(x,1.0,out=x) add(x,x,out=x) add(x,y,where=mask,out=x) add(x,y,dtype='f4')
multiply(x,2.0,out=x) sin(x,out=x) add.reduce(x) add.accumulate(x) add.reduceat(x,[0,3]) add.outer(x[:5],y[:5]) add.at(x,idx,1)
add.at(x,3,1) maximum.reduce(x) add.reduce(m,axis=1) logical_and.reduce(q) matmul(m,m.T) dot(x,y) vdot(x,y) inner(x,y)
outer(x[:9],y[:9]) tensordot(x,y,1) einsum('i,i',x,y) kron(x[:3],y[:3]) trace(m) linalg.norm(x) linalg.det(m[:2,:2])
linalg.inv(m[:2,:2]+np.eye(2)) linalg.solve(m[:2,:2]+np.eye(2),[1,2]) convolve(x[:9],y[:3]) correlate(x[:9],y[:3]) corrcoef(x[:9],y[:9])
cov(x[:9]) polyfit(x[:9],y[:9],1) polyval([1,2],x) fft.fft(x) fft.rfft(x) reshape(x,(2,-1)) ravel(x) transpose(m)
swapaxes(m,0,1) moveaxis(m,0,1) rollaxis(m,1) expand_dims(x,0) squeeze(x) atleast_1d(x) atleast_2d(x) broadcast_to(x,(2,x.size))
broadcast_arrays(x,y) flip(x) flip(m,0) fliplr(m) flipud(m) rot90(m) roll(x,1) tile(x,2) repeat(x,2) resize(x,3) pad(x,1)
concatenate([x,y]) concatenate([x,x]) stack([x,y]) vstack([x,y]) hstack([x,y]) column_stack([x,y]) append(x,1.0) insert(x,1,2.0)
delete(x,1) split(x,2) array_split(x,3) hsplit(m,[1]) vsplit(m,[1]) diag(x[:5]) diagonal(m) tril(m) triu(m) meshgrid(x[:3],y[:3])
zeros_like(x) ones_like(x) empty_like(x) full_like(x,1.0) copy(x) array(x) asarray(x) ascontiguousarray(x) array([x,x])
asanyarray(x) require(x) ndim(x) shape(x) size(x) result_type(x) result_type(x,1.0) can_cast(x.dtype,'f4') may_share_memory(x,y)
shares_memory(x,y) may_share_memory(x,x) shares_memory(x,x) array_equal(x,y) array_equal(x,x) array_equiv(x,y) allclose(x,y) isclose(x,y)
isnan(x) isfinite(x) isin(x,[1.0]) intersect1d(k,n) union1d(k,n) setdiff1d(k,n) iscomplexobj(x) isrealobj(x) isscalar(x)
real(x) imag(x) real(c) imag(c) angle(c) conj(c) real_if_close(c) nan_to_num(x) array2string(x[:3]) array_str(x[:3]) array_repr(x[:3])
packbits(q) unpackbits(x.view('u1')[:9]) ndenumerate(x) nditer(x) apply_along_axis(np.sum,0,x[:5]) vectorize(float)(x[:3])
piecewise(x,[q],[1.0]) floor(x) strings.upper(u) char.upper(u) strings.str_len(u) strings.find(u,'a') datetime_as_string(d[:5])
busday_count('2020-01-01',d[:5].astype('M8[D]')) frombuffer(x[:3].tobytes()) fromiter(x[:5],float) astype(x,'f4') permute_dims(m)
matrix_transpose(m) vecdot(x,y) unstack(m[:2]) trim_zeros(x[:5]) flatnonzero(x) argwhere(x) unravel_index(k[:3]%3,(3,3))
ravel_multi_index((k[:3]%3,k[:3]%3),(3,3)) isnat(d) apply_over_axes(np.sum,m[:2,:2],0) lib.stride_tricks.as_strided(x)
lib.stride_tricks.sliding_window_view(x,3) min_scalar_type(x) common_type(x) shape(m) cumulative_sum(x) emath.sqrt(x)
"""

ATTRIBUTES = {
    "x": "shape size ndim dtype nbytes itemsize strides T base flat flags real imag ctypes data device __array_interface__",
    "c": "real imag",
    "m": "T shape mT",
}

STATEMENTS = """
iteration: list(x)|list(k)|list(m)|list(o)|list(u)|list(s)|list(c)|list(d)|list(q)|list(w)|list(x.flat)|list(m.flat)|for e in x: pass|
  for e in o: pass|for row in m: pass|sum(x[:50])|max(x[:50])|len(x)|list(zip(x[:50], x[:50]))|list(enumerate(x[:50]))|
  list(reversed(x[:50]))|sorted(x[:50])|list(np.ndenumerate(x[:50]))|list(np.nditer(x[:50]))|a, b, *r = x[:5]|tuple(x[:50])|set(x[:50])|
  [e for e in m[1]]|any(q)|np.array(list(x[:50]))|dict(enumerate(x[:20]))
flat: x.flat[3]|x.flat[3] = 1.0|x.flat[2:5]|x.flat[2:5] = 1.0|m.flat[3]|m.flat[[1, 2]]|x.flat = 1.0|x.flat[3] += 1.0|next(x.flat)|
  x.flat.copy()|np.asarray(m.flat)|o.flat[3]
scalars: float(z)|int(z)|bool(z)|complex(z)|z + 1|z == 1|f'{z}'|str(z)|repr(z)|f'{z:.3f}'|z.item()|z[()]|hash(z.item())|operator.index(k[3])
text: str(x[:5])|repr(x[:5])|repr(m[:2, :2])|str(o[:3])|f'{x[:3]}'
copies: copy.copy(x)|copy.deepcopy(x)|pickle.dumps(x)|pickle.loads(pickle.dumps(x))|copy.copy(o)|x.copy()|bytes(x)|memoryview(x)|
  bytearray(x)|x.tobytes()|np.array(x, copy=True)
views: x[2:5][1]|m[1][2]|m.T[1]|x.reshape(2, -1)[1]|m[:, 1][0]|x[::2][1] = 1.0|m.T[1, 0] = 1.0|x.view('i8')[3]|m.ravel()[3]|x[2:5].sum()|
  s['a'][3]|s['a'][3] = 1|s['b'].sum()|s[3]['a']|s[3][0]|m[0, 1:3] = 1|x[2:5].copy()|m[1:, 1:]|x[:, None]|x[np.newaxis, :]|m[0].tolist()
shape: m.shape|x.strides|x.dtype == float|x.flags.writeable|x.flags['C_CONTIGUOUS']
"""

OTHERWISE = {
    "construction": {
        "la.zeros(10)": "np.zeros(10)", "la.ones(10)": "np.ones(10)", "la.empty(10)": "np.empty(10)",
        "la.full(10, 1.0)": "np.full(10, 1.0)", "la.arange(10)": "np.arange(10)",
        "la.array([1, 2, 3])": "np.array([1, 2, 3])", "la.linspace(0, 1, 10)": "np.linspace(0, 1, 10)",
        "la.array(y)": "np.array(y)", "la.zeros_like(x)": "np.zeros_like(x)", "la.asarray(x)": "np.asarray(x)",
        "la.LockedArray(np.zeros(10))": "np.asarray(np.zeros(10))", "la.zeros((10, 10))": "np.zeros((10, 10))",
        "x.snapshot()": "x.copy()",
    },
    "at": {
        **{f"x.at[3] {sign}= {v}": f"x[3] {sign}= {v}" for sign, v in
           {"+": 1.0, "-": 1.0, "*": 1.0, "/": 1.0, "//": 1.0, "%": 7.0, "**": 1.0}.items()},
        **{f"k.at[3] {sign}= 1": f"k[3] {sign}= 1" for sign in ("+", "&", "|", "^", "<<", ">>", "//", "%")},
        "x.at[3].add(1.0)": "x[3] += 1.0; x[3]", "x.at[3].subtract(1.0)": "x[3] -= 1.0; x[3]",
        "x.at[3].multiply(1.0)": "x[3] *= 1.0; x[3]", "x.at[3].power(1.0)": "x[3] **= 1.0; x[3]",
        "x.at[3].max(1.0)": "x[3] = max(x[3], 1.0); x[3]", "x.at[3].min(1.0)": "x[3] = min(x[3], 1.0); x[3]",
        "x.at[3].apply(f)": "x[3] = f(x[3]); x[3]", "o.at[3].apply(g)": "o[3] = g(o[3]); o[3]",
        "m.at[1, 2].apply(f)": "m[1, 2] = f(m[1, 2]); m[1, 2]", "m.at[1].apply(f)": "m[1] = f(m[1]); m[1]",
        "x.at[3].exchange(1.0)": "old = x[3]; x[3] = 1.0", "o.at[3].exchange(None)": "old = o[3]; o[3] = None",
        "x.at[3].compare_exchange(1.0, 1.0)": "if x[3] == 1.0: x[3] = 1.0",
        "m.at[1] += 1.0": "m[1] += 1.0", "m.at[1, 2] += 1.0": "m[1, 2] += 1.0", "x.at[2:5] += 1.0": "x[2:5] += 1.0",
        "x.at[idx] += 1.0": "x[idx] += 1.0", "x.at[mask] += 1.0": "x[mask] += 1.0", "x.at[[1, 2]] += 1.0": "x[[1, 2]] += 1.0",
        "c.at[3] += 1j": "c[3] += 1j", "s.at['a'] += 1": "s['a'] += 1", "m.at[1] = 1.0": "m[1] = 1.0",
        **{f"{name}.at[3] += 1": f"{name}[3] += 1" for name in ("o", "big", "half", "long")},
        "x.at[[1, 2]].add(1.0)": "x[[1, 2]] += 1.0; x[[1, 2]]",
    },
    "guards": {
        "with x.read() as r: r[3]": "x[3]", "with x.write() as r: r[3] = 1.0": "x[3] = 1.0",
    },
}  # fmt: skip
"""By group: statements whose plain counterpart is another one.  Guards are named in the docs: two
locks' worth of work stands beside one assignment."""


def ufuncs():
    """Yield a call of each ufunc of NumPy, with operands that it takes."""
    for name in sorted(vars(np)):
        ufunc = getattr(np, name)
        if not isinstance(ufunc, np.ufunc) or ufunc.signature or ufunc.__name__ != name:
            continue
        names = "x", "k", "d", "q"
        types = [t.split("->")[0] for t in ufunc.types]
        first = next(
            (n for n, code in zip(names, "dlMp", strict=True) if code * ufunc.nin in types), None
        )
        if first is not None:
            yield f"np.{name}({', '.join([first, *['2' if first == 'k' else first] * (ufunc.nin - 1)])})"


def operations():
    """Yield the operations, by group, each once."""
    for group, found in {
        "index": [f"{a}[{i}]" for a, those in INDICES.items() for i in those.split("|")],
        "assignment": [
            f"{a}[{i}] = {v}" for a, those in ASSIGNED.items()
            for i, v in (each.split(" = ") for each in those.split("|"))
        ],
        "augmented": [
            f"{a} {each}" for a, those in AUGMENTED.items() for each in those.split("; ")
        ],
        "operator": OPERATORS,
        "ufunc": list(ufuncs()),
        "method": [
            f"{a}.{call}"
            for a, line in (part.split(": ") for part in METHODS.strip().replace("\n   ", " ").splitlines())
            for call in line.split()
        ],
        "function": [f"np.{call}" for call in FUNCTIONS.split()],
        "attribute": [f"{a}.{each}" for a, those in ATTRIBUTES.items() for each in those.split()],
        **{
            group: each.split("|")
            for group, each in (
                part.split(": ", 1) for part in STATEMENTS.strip().replace("\n  ", "").splitlines()
            )
        },
    }.items():  # fmt: skip
        for statement in dict.fromkeys(found):
            yield Operation(group, statement, statement)
    for group, pairs in OTHERWISE.items():
        for statement, plain in pairs.items():
            yield Operation(group, statement, plain)


# -- the operands --------------------------------------------------------------------------------------


SHARED = {
    "x": lambda numbers: numbers / 100 + 0.25,
    "m": lambda numbers: (numbers / 100 + 0.25).reshape(-1, columns(numbers.size)),
    "k": lambda numbers: numbers + 1,
    "c": lambda numbers: numbers + 1j,
    "o": lambda numbers: numbers.astype(object),
    "s": lambda numbers: np.zeros(numbers.size, [("a", "i8"), ("b", "f8")]),
    "u": lambda numbers: numbers.astype("U8"),
    "b": lambda numbers: numbers.astype("S8"),
    "d": lambda numbers: numbers.astype("M8[s]"),
    "t": lambda numbers: numbers.astype("m8[s]"),
    "q": lambda numbers: numbers % 2 == 0,
    "w": lambda numbers: numbers.astype("U8").astype(np.dtypes.StringDType()),
    "z": lambda numbers: np.array(1.0),
    "big": lambda numbers: numbers.astype(">f8"),
    "half": lambda numbers: (numbers % 100).astype("f2"),
    "long": lambda numbers: numbers.astype(np.longdouble),
}
PLAIN = {
    "y": lambda numbers: np.sort(numbers / 50),
    "p": lambda numbers: np.ones((numbers.size // columns(numbers.size), columns(numbers.size))),
    "n": lambda numbers: numbers % 10,
    "idx": lambda numbers: np.array([1, 2, 5]),
    "mask": lambda numbers: np.isin(np.arange(numbers.size), [1, 3]),
}
KNOWN = {"np": np, "la": la, "f": lambda v: v * 1.0, "g": lambda v: v}
KNOWN |= {"copy": copy, "operator": operator, "pickle": pickle}


def columns(size):
    """Return how many columns an array of so many elements has."""
    return size // 2 if size < 100 else 1000


def operands(statement, size, make):
    """Return the operands of `statement` by name, the LockedArrays among them made by `make`."""
    names = {*re.findall(r"\b[a-z]+\b", statement)}
    found = {name: make(master(name, size).copy()) for name in SHARED if name in names}
    found |= {name: master(name, size).copy() for name in PLAIN if name in names}
    return found | KNOWN


@functools.cache
def master(name, size):
    """Return the operand as it is at first."""
    return (SHARED | PLAIN)[name](np.arange(size) % 100)


def read_only(array):
    """Return `array`, which nobody may write."""
    array.flags.writeable = False
    return array


MAKERS = {"ndarray": lambda array: array, "read-only": read_only, "LockedArray": la.LockedArray}

LOOP = """
def run(count, clock, {names}):
    start = clock()
    for _ in range(count):
        {statement}
    return clock() - start
"""


class Loop:
    """A statement in a loop, on the operands of one contender."""

    def __init__(self, statement, contender, size, scale):
        names = operands(statement, size, MAKERS[contender])
        made = {}
        exec(LOOP.format(statement=statement, names=", ".join(names)), made)
        self._run, self._names = made["run"], names
        self.count = 1
        self.seconds(1)  # what is made once is not to be timed
        while self.count < 10_000 and self.seconds(self.count) < scale / 2:
            self.count *= 4

    def seconds(self, count):
        """Return how long `count` times take."""
        return self._run(count, time.perf_counter, **self._names)


class Result(NamedTuple):
    """Seconds of one operation at one size: medians, None of what a read-only array refuses."""

    operation: Operation
    size: int
    plain: float
    locked: float
    read_only: float | None

    @property
    def ratio(self):
        """How many times what ndarray takes."""
        return self.locked / self.plain


def measure(operation, size, options):
    """Return the result of one operation at one size."""
    loops = {"ndarray": Loop(operation.plain, "ndarray", size, options.seconds)}
    loops["LockedArray"] = Loop(operation.statement, "LockedArray", size, options.seconds)
    try:
        loops["read-only"] = Loop(operation.plain, "read-only", size, options.seconds)
    except (ValueError, AttributeError):
        pass
    times = collections.defaultdict(list)
    spent = time.perf_counter()
    for n in range(options.rounds):
        for contender in (*loops,) if n % 2 else reversed(loops):
            loop = loops[contender]
            times[contender].append(loop.seconds(loop.count) / loop.count)
        if time.perf_counter() - spent > options.most:
            break
    median = {contender: statistics.median(those) for contender, those in times.items()}
    return Result(
        operation, size, median["ndarray"], median["LockedArray"], median.get("read-only")
    )


# -- the table -----------------------------------------------------------------------------------------


def microseconds(seconds):
    """Return a time in words."""
    return "" if seconds is None else f"{seconds * 1e6:.3g}"


def print_table(results, options):
    """Print what costs most, and the medians."""
    by_operation = collections.defaultdict(dict)
    for result in results:
        by_operation[result.operation][result.size] = result
    order = sorted(by_operation.items(), key=lambda item: -max(r.ratio for r in item[1].values()))
    print(
        f"CPython {platform.python_version()} {'without' if FREE_THREADED else 'with'} GIL, NumPy {np.__version__},"
    )
    print(f"{platform.machine()}, {os.cpu_count()} processors, {la.backend} core. Times in µs.\n")
    heads = "".join(
        f"| ndarray | read-only | LockedArray | ratio at {size:,} " for size in options.sizes
    )
    print(f"| operation {heads}|\n|---|{'--:|' * 4 * len(options.sizes)}")
    for operation, found in order:
        if max(result.ratio for result in found.values()) < options.above:
            continue
        cells = []
        for size in options.sizes:
            r = found[size]
            cells += [microseconds(r.plain), microseconds(r.read_only), microseconds(r.locked)]
            cells += [
                f"{'**' if r.ratio > LIMIT else ''}{r.ratio:.2f}{'**' if r.ratio > LIMIT else ''}"
            ]
        statement = operation.statement.replace("|", "\\|")
        print(f"| `{statement}` | {' | '.join(cells)} |")
    print()
    for size in options.sizes:
        ratios = [result.ratio for result in results if result.size == size]
        above = sum(ratio > LIMIT for ratio in ratios)
        print(
            f"{size:,} elements: {len(ratios)} operations, {above} above {LIMIT:g}, median {statistics.median(ratios):.2f}"
        )


FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 1_000_000], help="elements")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.0005, help="of each round, about")
    parser.add_argument(
        "--most", type=float, default=0.5, help="seconds for all rounds of one operation, about"
    )
    parser.add_argument(
        "--only", nargs="*", default=[], help="operations that contain any of these"
    )
    parser.add_argument("--group", nargs="*", default=[], help="operations of these groups")
    parser.add_argument(
        "--above", type=float, default=0, help="print those with a ratio above this"
    )
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    results = []
    for operation in operations():
        if options.group and operation.group not in options.group:
            continue
        if options.only and not any(part in operation.statement for part in options.only):
            continue
        print(operation.statement, end="\r\033[K", file=sys.stderr, flush=True)
        for size in options.sizes:
            try:
                results.append(measure(operation, size, options))
            except Exception as error:
                raise SystemExit(f"{operation}, {size}: {error!r}") from error
    print_table(results, options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump([{**r._asdict(), "operation": r.operation._asdict()} for r in results], file)


if __name__ == "__main__":
    main()
