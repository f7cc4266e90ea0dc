"""What programs are made of: lines of Python on a few arrays, drawn one after the other.

NumPy's side runs each line as soon as it is drawn, so that the next one can be about what is
there: indices that are in bounds, operands that broadcast, names of fields.
"""

from __future__ import annotations

import re
import string

import numpy as np
from hypothesis import strategies as st

from fuzz import known
from fuzz.sides import CAPACITY, Line, Sides

__all__ = ["program", "programs"]

# -- values: literals of each dtype ----------------------------------------------------------------

POOLS = {
    "?": ["True", "False"],
    "i1": ["0", "1", "-1", "7", "127", "-128"],
    "i2": ["0", "1", "-3", "300", "32767"],
    "i4": ["0", "1", "-1", "5", "2147483647"],
    "i8": ["0", "1", "-2", "3", "9007199254740993"],
    "u1": ["0", "1", "2", "255"],
    "u4": ["0", "1", "6", "4294967295"],
    "u8": ["0", "1", "2", "18446744073709551615"],
    ">i4": ["0", "1", "-9", "1000"],
    "f2": ["0.0", "0.5", "-2.0", "np.inf", "np.nan", "65504.0"],
    "f4": ["0.0", "-0.0", "1.5", "np.nan", "3e38"],
    "f8": ["0.0", "-0.0", "1.5", "-2.25", "np.nan", "np.inf", "1e300"],
    ">f8": ["0.0", "1.0", "-0.5", "np.nan"],
    "c8": ["0j", "1+2j", "-1j", "2.5"],
    "c16": ["0j", "1+2j", "-0.5", "complex(np.nan, 1)"],
    "S3": ["b''", "b'ab'", "b'xyz'", "b'z'"],
    "U2": ["''", "'a'", "'zz'", "'é'"],
    ">U1": ["'b'", "''"],
    "T": ["''", "'a'", "'b' * 40", "'ü' * 7"],
    "M8[D]": ["'2024-01-03'", "'NaT'", "'1969-12-31'"],
    "M8[s]": ["'2024-01-03T01:02:03'", "'NaT'"],
    "m8[D]": ["3", "-1", "'NaT'"],
    "m8[ms]": ["1000", "0", "'NaT'"],
    "O": ["None", "3", "1.5", "'x'", "[1, 2]", "{}", "Fraction(1, 2)", "(1,)", "-7"],
    "i4,f8": ["(1, 2.5)", "(0, 0.0)", "(-3, np.nan)"],
    "[('p', '>i2'), ('q', [('r', 'f4'), ('s', 'S2')])]": ["(1, (0.5, b'a'))", "(-2, (0.0, b'bc'))"],
    "[('n', 'i4'), ('o', 'O')]": ["(1, None)", "(2, [3])", "(0, 'y')"],
    "[('m', 'i2', (2,)), ('k', '?')]": ["((1, 2), True)", "((0, -1), False)"],
    "V3": ["b'abc'", "b'\\0\\1\\2'"],
}
NUMBERS = "? i1 i2 i4 i8 u1 u4 u8 >i4 f2 f4 f8 >f8 c8 c16".split()
WEIGHTED = [*NUMBERS, "i8", "f8", "f8", *POOLS, "O", "T"]
SPEC = {name: f"'{name}'" for name in POOLS} | {
    "T": "np.dtypes.StringDType()",
    **{name: name for name in POOLS if name.startswith("[")},
}
SHAPES = [
    (),
    (0,),
    (1,),
    (2,),
    (3,),
    (4,),
    (5,),
    (7,),
    (2, 3),
    (3, 3),
    (3, 1),
    (0, 3),
    (2, 2, 2),
    (1, 4),
    (4, 2),
    (1, 2, 3),
]

# -- what is done ------------------------------------------------------------------------------------
# {x}, {y}: arrays; {e}: an operand for x; {o}: an array of the shape of x; {m}: a mask of its shape;
# {v}: a value of its dtype; {u}: any value; {i}: an index of it; {a}: an axis; {k}: a small integer;
# {n}: one that is not negative; {j}: a list of positions; {d}: a dtype; {s}: a shape; {r}: of as many
# elements; {f}: a name of a field; {c}: casting=; {K}: order=; {b}: a bool; {U}, {B}: ufuncs of one and two;
# {p}, {q}: an operator, one that may stand in an augmented assignment

EXPRESSIONS = """
{x}[{i}] | {x}[{i}] | {x}[{i}] | {x}[{i}] | {x}[{i}] | {x}[{i}][{k}:] | {x}[{y}]
{x}.T | {x}.mT | {x}.real | {x}.imag | {x}.reshape({r}) | {x}.reshape({r}, order={K}) | {x}.ravel({K}) | {x}.flatten({K})
{x}.view({d}) | {x}.view() | {x}.swapaxes({a}, {a}) | {x}.transpose() | {x}.squeeze() | {x}.squeeze({a})
{x}.diagonal({k}) | {x}.diagonal() | {x}.astype({d}) | {x}.astype({d}, copy=False) | {x}.astype({d}, order={K}, casting={c})
{x}.copy({K}) | {x}.getfield({d}) | {x}.byteswap() | {x}.conj() | {x}.conjugate() | {x}.tolist() | {x}.tobytes({K}) | {x}.item({k})
{x}.item() | {x}.all({a}) | {x}.any(axis={a}, keepdims={b}) | {x}.argmax({a}) | {x}.argmin(keepdims={b}) | {x}.argsort(axis={a}, kind='stable')
{x}.argpartition({n}) | {x}.choose([{x}, {e}], mode='clip') | {x}.clip({v}, {v}) | {x}.clip(max={e}) | {x}.compress({m}.ravel())
{x}.compress([True, False, True], axis={a}) | {x}.cumsum({a}) | {x}.cumprod(axis={a}) | {x}.cumsum(dtype={d}) | {x}.dot({e}) | {x}.max({a}) | {x}.min(axis={a}, initial={v})
{x}.mean({a}) | {x}.mean(axis={a}, keepdims=True, where={m}) | {x}.sum({a}) | {x}.sum(axis={a}, dtype={d}) | {x}.sum(axis={a}, out={o}) | {x}.prod() | {x}.std() | {x}.var(axis={a}) | {x}.nonzero()
{x}.repeat({n}) | {x}.repeat({j}, axis={a}) | {x}.round({k}) | {x}.round(1, out={o}) | {x}.searchsorted({e}) | {x}.searchsorted({v}, side='right') | {x}.take({j}) | {x}.take({j}, axis={a}, mode='clip')
{x}.take({y}, mode='clip') | {x}.trace() | {x}.max(axis=(0, 1)) | {x}.max(out={o})
len({x}) | list({x}) | bool({x}) | int({x}) | float({x}) | complex({x}) | operator.index({x}) | {u} in {x} | {v} in {x} | hash({x})
str({x}) | text({x}) | f'{{{x}}}' | format({x}, '.2f') | np.array2string({x}) | abs({x}) | -{x} | +{x} | ~{x} | round({x}) | divmod({x}, {e})
{x} {p} {e} | {x} {p} {e} | {x} {p} {y} | {e} {p} {x} | {x} {p} {u} | {x} ** 2 | pow({x}, {v}) | {x} @ {e}
{x}.flat[{k}] | {x}.flat[{k}:] | {x}.flat[{j}] | {x}.flat[::{k}] | list({x}.flat) | {x}.flat.copy() | {x}.flat == {e} | {x}.flat[{x}.flat == {v}] | next({x}.flat) | len({x}.flat)
(lambda f: (next(f), f.index, f.coords))({x}.flat)
{x}.shape | {x}.dtype | {x}.nbytes | {x}.ndim | {x}.size | {x}.itemsize | {x}.flags.c_contiguous | {x}.flags.f_contiguous | {x}.dtype.names
np.{U}({x}) | np.{U}({x}, out={o}) | np.{U}({x}, dtype={d}) | np.{U}({x}, out={o}, where={m}, casting={c}) | np.{U}({x}, {o}) | np.{U}({x}, out=({o},)) | np.{U}({x}, order={K})
np.{B}({x}, {e}) | np.{B}({e}, {x}) | np.{B}({x}, {e}, out={o}) | np.{B}({x}, {e}, {o}) | np.{B}({x}, {e}, out={o}, where={m}) | np.{B}({x}, {e}, dtype={d}, casting={c}) | np.{B}({x}, {u}) | np.{B}({x}, {e}, out={o}, casting={c})
np.{B}({x}, {x}[::-1], out={x}) | np.{B}({x}[1:], {x}[:-1], out={x}[1:]) | np.{B}({x}, {e}, out=...) | np.{B}({x}, {e}, subok=False) | np.{B}({x}, {e}, where={m}, out={x})
np.{B}.reduce({x}) | np.{B}.reduce({x}, axis={a}, keepdims={b}) | np.{B}.reduce({x}, {a}, {d}) | np.{B}.reduce({x}, axis={a}, initial={v}, where={m}) | np.{B}.reduce({x}, axis={a}, out={o}) | np.{B}.accumulate({x}, {a}) | np.{B}.accumulate({x}, out={o})
np.{B}.outer({x}, {e}) | np.{B}.reduceat({x}, {j}) | np.{B}.reduceat({x}, {j}, axis={a}, out={o}) | np.{B}.reduceat({x}, [])
np.modf({x}) | np.frexp({x}) | np.divmod({x}, {e}) | np.divmod({x}, {e}, out=({o}, {o})) | np.modf({x}, out=({o}, None))
np.sum({x}, axis={a}) | np.prod({x}) | np.mean({x}, axis={a}, out={o}) | np.std({x}, axis={a}) | np.var({x}, ddof=1) | np.median({x}, axis={a}) | np.quantile({x}, 0.25, axis={a}) | np.percentile({x}, [10, 50])
np.nanmax({x}) | np.nansum({x}, axis={a}) | np.nanmean({x}) | np.nanmedian({x}) | np.max({x}, axis={a}, out={o}) | np.ptp({x}) | np.cumsum({x}, axis={a}, out={o}) | np.cumprod({x}) | np.diff({x}, axis={a}) | np.ediff1d({x}) | np.gradient({x})
np.any({x}, axis={a}, out={o}) | np.all({x}, axis={a}) | np.count_nonzero({x}, axis={a}) | np.argmax({x}, axis={a}, out={o}) | np.nonzero({x}) | np.flatnonzero({x}) | np.argwhere({x})
np.where({m}, {x}, {e}) | np.where({x}) | np.where({x} == {v}, {e}, {x}) | np.select([{m}, {x} == {v}], [{x}, {e}]) | np.choose({y}, [{x}, {e}], mode='clip') | np.piecewise({x}, [{m}], [{v}, lambda t: t])
np.sort({x}, axis={a}) | np.sort({x}, axis=None, kind='stable') | np.argsort({x}, kind='stable') | np.partition({x}, {n}) | np.lexsort(({x}, {o})) | np.searchsorted({x}, {e}) | np.unique({x}) | np.unique({x}, return_index=True, return_counts=True) | np.unique({x}, axis={a}) | np.unique_all({x})
np.concatenate([{x}, {y}]) | np.concatenate([{x}, {o}], axis={a}) | np.concatenate([{x}, {o}], axis=None, dtype={d}, casting={c}) | np.stack([{x}, {o}], axis={a}) | np.vstack([{x}, {o}]) | np.hstack([{x}, {o}]) | np.column_stack([{x}, {o}]) | np.block([[{x}, {o}]]) | np.append({x}, {e})
np.split({x}, 2) | np.array_split({x}, 3, axis={a}) | np.hsplit({x}, [1]) | np.unstack({x}) | np.insert({x}, {k}, {e}) | np.insert({x}, {j}, {v}, axis={a}) | np.delete({x}, {k}) | np.delete({x}, {j}, axis={a}) | np.delete({x}, slice(None, None, 2)) | np.trim_zeros({x})
np.roll({x}, {k}) | np.roll({x}, {k}, axis={a}) | np.rot90({x}) | np.flip({x}) | np.flip({x}, axis={a}) | np.fliplr({x}) | np.flipud({x}) | np.repeat({x}, {n}, axis={a}) | np.tile({x}, {n}) | np.tile({x}, (2, {n})) | np.resize({x}, {s}) | np.pad({x}, 1) | np.pad({x}, {n}, mode='edge')
np.reshape({x}, {r}) | np.ravel({x}) | np.transpose({x}) | np.moveaxis({x}, {a}, 0) | np.rollaxis({x}, {a}) | np.swapaxes({x}, {a}, {a}) | np.expand_dims({x}, {a}) | np.squeeze({x}) | np.atleast_2d({x}) | np.atleast_1d({x}, {y}) | np.broadcast_to({x}, {s}) | np.broadcast_arrays({x}, {e})
np.take({x}, {j}) | np.take({x}, {j}, axis={a}, mode='wrap') | np.take({x}, {j}, out={o}, mode='clip') | np.take_along_axis({x}, np.argsort({x}, kind='stable'), -1) | np.compress({j}, {x}, axis={a}) | np.extract({m}, {x}) | np.diag({x}) | np.diagonal({x}) | np.tril({x}) | np.triu({x}, {k}) | np.trace({x}, {k})
np.dot({x}, {e}) | np.dot({x}, {o}.T) | np.inner({x}, {o}) | np.outer({x}, {e}) | np.vdot({x}, {o}) | np.matmul({x}, {o}.T) | np.tensordot({x}, {o}, axes={n}) | np.kron({x}, {o}) | np.cross({x}, {o}) | np.einsum('...i,...i', {x}, {o}) | np.einsum('ij->ji', {x}) | np.einsum('ii->i', {x}) | np.einsum('...i->...', {x}) | np.vecdot({x}, {o}) | np.linalg.norm({x})
np.clip({x}, {v}, {v}) | np.clip({x}, None, {e}, out={o}) | np.round({x}, {k}) | np.round({x}, 1, out={o}) | np.nan_to_num({x}) | np.real({x}) | np.imag({x}) | np.angle({x}) | np.conj({x}) | np.isclose({x}, {e}) | np.allclose({x}, {e}) | np.array_equal({x}, {y}) | np.interp({x}, [0, 1], [2, 3]) | np.isin({x}, {e}) | np.union1d({x}, {e}) | np.intersect1d({x}, {y}) | np.setdiff1d({x}, {e})
np.zeros_like({x}) | np.ones_like({x}, dtype={d}) | np.full_like({x}, {v}) | np.full_like({x}, {v}, shape={s}) | np.copy({x}) | np.histogram({x}, bins=3) | np.bincount({x}) | np.digitize({x}, [0, 2]) | np.packbits({x}) | np.unpackbits({x}) | np.convolve({x}, [1, 2]) | np.apply_along_axis(np.sum, -1, {x}) | np.average({x}, axis={a}) | np.cov({x}) | np.meshgrid({x}, {e}) | np.ix_({x}, [0, 1])
np.strings.upper({x}) | np.strings.str_len({x}) | np.strings.add({x}, {e}) | np.strings.replace({x}, 'a', 'bb') | np.strings.startswith({x}, {e}) | np.char.upper({x}) | np.char.add({x}, {v}) | np.datetime_as_string({x}) | np.isnat({x}) | np.busday_offset({x}, 0, roll='forward') | np.is_busday({x}) | np.result_type({x}, {e}) | np.can_cast({x}.dtype, {d}) | np.shape({x}) | np.size({x}, {a}) | np.may_share_memory({x}, {y}) | np.shares_memory({x}, {y}) | np.iscomplexobj({x}) | np.array_repr({x}[:0]) | np.array_str({x})
np.lib.stride_tricks.sliding_window_view({x}, {n}) | np.lib.recfunctions.structured_to_unstructured({x}) | np.lib.recfunctions.repack_fields({x}) | np.lib.recfunctions.rename_fields({x}, {{'f0': 'z'}})
{x}[{f}] | {x}[{f}][{k}:] | {x}[[{f}]] | {x}[{f}].real
np.interp({x}, {o}, {o}) | np.interp([0.5, 1], {x}, {l}) | np.repeat({x}, {l}) | np.bincount({x}, {o}) | np.convolve({x}, {o}, 'same') | np.lexsort([{x}, {l}]) | np.choose({j}, [{x}, {x}], mode='wrap')
np.{B}({x}, {l}) | np.{B}({l}, {x}) | np.{B}({x}, {l}, out={o}) | np.{B}({l}, {l}, out={x}) | np.{B}({x}, {l}, out={o}, where={l}) | {x} {p} {l} | {l} {p} {x} | {x}.searchsorted({l}) | {x}.compress({l}) | {x}.put({j}, {l}) | {x}.clip({l}, {l}, out={o}) | {x}.dot({l})
np.flip(np.trim_zeros({x})) | np.moveaxis({x}.reshape({r}, order='C'), 0, -1) | np.rot90({x}, {k}) | np.split({x}.reshape({r}, order='C'), 1) | np.broadcast_to({x}.ravel('C'), {s}) | np.flip({x}.reshape({r}, order='A')).T | np.transpose(np.squeeze({x})) | np.ravel(np.atleast_2d({x}))
{x}.flat[{i}] | {x}.T.flat[{k}] | {x}.flat < {l} | [{x}.flat, next({x}.flat)][1] | sum({x}.real.flat)
"""

STATEMENTS = """
{x}[{i}] = {v} | {x}[{i}] = {u} | {x}[{i}] = {y} | {x}[...] = {e} | {x}[{i}] = {x}[{i}] | {x}[{i}] = [{v}, {v}] | {x}[{i}] = [{v}] | {x}[:] = {x}[::-1] | {x}[...] = {l} | {x}[{i}] = np.array({v}) | {x}[()] = {u} | {x}[{m}] = {v} | {x}[{m}] = {l} | {x}[{y}] = {v}
{x}[{i}] += {v} | {x}[{i}] -= {e} | {x}[{i}] *= 2 | {x}[{i}] {q}= {v} | {x}[{m}] += {v} | {x}[:] {q}= {e} | {x}[...] {q}= {u} | {x}[{i}] {q}= {y}
{x} += {e} | {x} {q}= {e} | {x} {q}= {y} | {x} {q}= {v} | {x} {q}= {u} | {x} **= 2 | {x} @= {e}
{x}[{f}] = {u} | {x}[{f}] += 1 | {x}[{f}][{k}] = {u} | {x}[[{f}]] = {x} | {x}[{f}][...] = {x}[{f}][::-1]
{x}.flat = {v} | {x}.flat = {e} | {x}.flat = {l} | {x}.flat[{k}] = {v} | {x}.flat[{k}] = {u} | {x}.flat[{k}:] = {e} | {x}.flat[{j}] = {l} | {x}.flat[{m}.ravel()] = {v} | {x}.flat[...] = {y} | {x}.flat[{k}] += {v} | {x}.flat[{k}] {q}= {l} | {x}.flat[{j}] {q}= {v} | {x}.T.flat[{k}] = {v} | {x}.flat[{i}] = {v} | {x}.flat = {y}
{x}.real = {v} | {x}.imag = {v} | {x}.real = {e} | {x}.real += 1 | {x}.imag *= 2 | {x}.imag[...] = {e} | {x}.real[{i}] = 2
{x}.fill({v}) | {x}.fill({u}) | {x}.sort() | {x}.sort(axis={a}, kind='stable') | {x}.sort(order={f}) | {x}.partition({n}) | {x}.put({j}, {v}) | {x}.put({j}, {l}, mode='wrap') | {x}.put({y}, {e}, mode='clip') | {x}.byteswap(inplace=True) | {x}.setfield({v}, {d}) | {x}.itemset({k}, {v})
np.copyto({x}, {e}) | np.copyto({x}, {e}, casting={c}) | np.copyto({x}, {y}, where={m}) | np.copyto({x}, {u}, where={e}) | np.put({x}, {j}, {e}) | np.put({x}, {k}, {u}, mode='clip') | np.place({x}, {m}, {l}) | np.place({x}, {e}, {v}) | np.putmask({x}, {m}, {e}) | np.putmask({x}, {y}, {l}) | np.fill_diagonal({x}, {v}) | np.fill_diagonal({x}, {e}, wrap=True) | np.put_along_axis({x}, np.zeros((1,) * {x}.ndim, int), {v}, 0) | np.put_along_axis({x}, np.argsort({x}, kind='stable'), {e}, -1)
np.nan_to_num({x}, copy=False) | np.nan_to_num({x}, copy=False, nan={v}) | np.median({x}, overwrite_input=True) | np.{U}.at({x}, {j}) | np.{U}.at({x}, {i}) | np.{B}.at({x}, {j}, {v}) | np.{B}.at({x}, {i}, {e}) | np.{B}.at({x}, {m}, {v}) | np.{B}.at({x}, {k}, {u}) | np.add.at({x}, {y}, {v})
np.concatenate([{x}, {x}], out={y}) | np.concatenate([{x}[:1], {x}[1:]], out={x}) | np.stack([{x}, {x}], out={y}) | np.dot({x}, {e}, out={y}) | np.matmul({x}, {o}, out={y}) | np.einsum('...,...', {x}, {o}, out={y}) | np.take({y}, {j}, out={x}) | np.choose({m}, [{x}, {e}], out={o}) | np.compress({m}.ravel(), {x}, out={y}) | np.outer({x}, {o}, out={y})
{x}.sort(); {x}[...] = {x}[::-1] | {x}[{i}], {x}[{i}] = {x}[{i}], {x}[{i}] | del {x} | {x}.__setitem__({i}, {v}) | {x}.__iadd__({e}) | operator.setitem({x}, {i}, {e}) | operator.iadd({x}, {e})
np.lib.recfunctions.assign_fields_by_name({x}, {y}) | np.lib.recfunctions.recursive_fill_fields({y}, {x})
"""

SPECIAL = ["at"] * 6 + ["resize"] * 4 + ["own"] * 3 + ["new"] * 3

UNARY = """negative positive absolute fabs rint sign conjugate sqrt square exp log1p sin tanh isnan isfinite signbit
logical_not invert floor ceil trunc reciprocal cbrt isinf spacing deg2rad bitwise_count""".split()
BINARY = """add subtract multiply true_divide floor_divide remainder fmod power maximum minimum fmax fmin equal not_equal
less less_equal greater logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift
arctan2 hypot copysign nextafter heaviside logaddexp gcd ldexp add add maximum equal""".split()
OPERATORS = "+ - * / // % & | ^ < <= == != > >= << >> + - ==".split()
AUGMENTED = "+ - * / // % & | ^ << >> + -".split()
AT = """get() | set({v}) | set({u}) | add({v}) | add({e}) | subtract({v}) | multiply({v}) | divide({v}) | power({n}) | min({v})
max({v}) | exchange({v}) | exchange({e}) | set({e}) | apply(lambda t: t) | apply(lambda t: t * 2) | apply(lambda t: [t])"""

# Objects, and text, that grow without bound: [1] * 2**31.
GROWING = re.compile(
    r"\*|multiply|power|\bpow|left_shift|<<|dot|matmul|@|prod|outer|einsum|kron|inner|cross|convolve|cov|norm|ldexp|"
    r"square|strings|char\.|logaddexp|interp|gradient|heaviside|quantile|percentile|cumprod|average|var|std|%|divmod"
)


def _templates(table):
    return [part.strip() for line in table.strip().splitlines() for part in line.split(" | ")]


EXPRESSIONS = _templates(EXPRESSIONS)
STATEMENTS = _templates(STATEMENTS)
AT = _templates(AT)
PLACE = re.compile(r"\{(\w)\}|(\{\{|\}\})")


class Program:
    """The lines of a program so far, with NumPy's side of it."""

    def __init__(self, number):
        self.number = number  # of low and high: draws an integer of these and what is between
        self.sides = Sides()
        self.lines = []
        self.outcomes = []

    # -- drawing -------------------------------------------------------------------------------

    def pick(self, choices):
        return choices[self.number(0, len(choices) - 1)]

    def chance(self, percent):
        return self.number(0, 99) >= 100 - percent

    # -- what is there -------------------------------------------------------------------------

    def arrays(self):
        plain = self.sides.plain
        return [name for name in self.sides.variables() if isinstance(plain[name], np.ndarray)]

    def locked(self):
        plain = self.sides.plain
        return [
            name
            for name in self.arrays()
            if type(plain[name]) is np.ndarray
            and self.sides.model.block_of(plain[name]) is not None
        ]

    def free_name(self):
        for name in string.ascii_lowercase:
            if name not in self.sides.plain:
                return name
        return None

    # -- text ----------------------------------------------------------------------------------

    def shape(self):
        return self.pick(SHAPES)

    def literal(self, name=None, shape=None, order=True):
        """Return the text of a plain array."""
        name = self.pick(WEIGHTED) if name is None else name
        shape = self.shape() if shape is None else shape
        size = int(np.prod(shape))
        pool = POOLS[name]
        start = self.number(0, len(pool) - 1)
        values = [pool[(start + i) % len(pool)] for i in range(min(size, 6))]
        if name == "O":  # a first None, that a list among the others is one element
            made = f"np.array([None, {', '.join(values)}], 'O')[1:]"
        else:
            made = f"np.array([{', '.join(values)}], {SPEC[name]})"
        if size > len(values):
            made = f"np.resize({made}, {size})"
        if shape != (size,):
            made += f".reshape({shape})"
        if order and len(shape) > 1 and self.chance(25):
            made += ".copy('F')"
        return made

    def name_of(self, dtype):
        """Return the name in POOLS that `dtype` has, or a like one."""
        for name in POOLS:
            try:
                if self.dtype_of(name) == dtype:
                    return name
            except TypeError:
                continue
        same = [n for n in POOLS if self.dtype_of(n).kind == dtype.kind and dtype.kind != "V"]
        return same[0] if same else "i8"

    def dtype_of(self, name):
        return DTYPES[name]

    def value(self, dtype):
        names = dtype.names
        name = self.name_of(dtype)
        text = self.pick(POOLS[name])
        if names is None and name != "O" and self.chance(15):
            return f"np.array({text}, {SPEC[name]})[()]"
        return text

    def values(self, array):
        """Return a list, sometimes nested, for `array`."""
        length = self.pick([array.shape[-1] if array.ndim else 1, 1, 2, array.size])
        kind = self.name_of(array.dtype) if self.chance(70) else self.pick(list(POOLS))
        items = [self.pick(POOLS[kind]) for _ in range(min(length, 6))]
        return f"[{', '.join(items)}]"

    def mask(self, shape):
        kind = self.number(0, 3)
        if kind == 0:
            named = [
                name
                for name in self.arrays()
                if self.sides.plain[name].dtype == bool and self.sides.plain[name].shape == shape
            ]
            if named:
                return self.pick(named)
        if kind == 1:
            return f"np.ones({shape}, bool)"
        text = self.literal("?", shape, order=False)
        return f"la.LockedArray({text})" if kind == 2 else text

    def operand(self, array):
        """Return what may be combined with `array`."""
        kind = self.number(0, 9)
        if kind <= 3:
            names = [n for n in self.arrays() if _broadcast(self.sides.plain[n].shape, array.shape)]
            if names:
                return self.pick(names)
        dtype = self.name_of(array.dtype)
        if kind in (4, 8):
            return self.value(array.dtype)
        if kind == 5:
            return self.values(array)
        if kind == 6 and dtype not in NUMBERS:
            dtype = self.pick(WEIGHTED)
        elif kind in (6, 7) and dtype in NUMBERS:
            dtype = self.pick(NUMBERS)
        text = self.literal(dtype, self.pick([array.shape, array.shape, array.shape[-1:], ()]))
        if kind == 9 and self.chance(30):
            return f"np.broadcast_to({text}, {array.shape})"
        if kind == 9 and dtype in NUMBERS and self.chance(30):
            return f"{text}.view(np.matrix)" if self.chance(50) else f"np.ma.array({text})"
        return text

    def index(self, array):
        shape = array.shape
        kind = self.number(0, 15)
        if kind == 0 and array.dtype.names:
            return repr(self.pick(array.dtype.names))
        if kind == 1 and array.dtype.names:
            return repr(list(array.dtype.names[: self.number(1, 2)]))
        if kind == 2:
            return self.mask(shape)
        if kind == 3:
            return self.pick(
                [
                    "...",
                    "()",
                    "None",
                    "[]",
                    "True",
                    "False",
                    "np.True_",
                    "(..., None)",
                    "slice(None)",
                    "1.5",
                    "'no'",
                ]
            )
        if kind == 4 and len(shape) > 1:
            return f"np.ix_({self.positions(shape[0])}, {self.positions(shape[1])})"
        if kind == 5:
            names = [n for n in self.arrays() if self.sides.plain[n].dtype.kind in "iub"]
            if names:
                return self.pick(names)
        if kind == 6:
            return self.positions(shape[0] if shape else 1)
        if kind == 7:
            return f"np.array({self.positions(shape[0] if shape else 1)}, {self.pick(['int', 'np.int8', 'np.uint64'])})"
        if kind <= 9:
            return self.one_index(shape[0] if shape else 1)
        parts = [self.one_index(length) for length in shape[: self.number(1, max(len(shape), 1))]]
        if self.chance(15):
            parts.insert(self.number(0, len(parts)), self.pick(["...", "None"]))
        if self.chance(3):
            parts.append("0")
        if not parts:
            return "()"
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"

    def one_index(self, length):
        kind = self.number(0, 7)
        if kind <= 2 and length:
            position = str(self.number(-length, length - 1))
            return (
                position
                if self.chance(75)
                else self.pick(
                    [f"np.int64({position})", f"np.array({position})", f"np.int8({position})"]
                )
            )
        if kind == 3:
            return self.positions(length)
        if kind == 4 and self.chance(30):
            return str(length + 1)
        start = self.pick(["", "", "1", "-2", "2", "0"])
        stop = self.pick(["", "", "", "2", "-1", "9"])
        step = self.pick(["", "", ":2", ":-1", ":-2", ":3"])
        return _slice(start, stop, step)

    def positions(self, length):
        if not length:
            return "[]"
        return repr([self.number(-length, length - 1) for _ in range(self.number(0, 3))])

    def fill(self, template):
        """Return `template` with its places filled, or None if it asks for what is not there."""
        names = {}
        plain = self.sides.plain

        def array(letter):
            if letter not in names:
                pool = self.locked() if letter == "x" and self.chance(85) else self.arrays()
                names[letter] = self.pick(pool or self.arrays())
            return names[letter]

        def place(match):
            if match[2]:
                return match[2][0]
            letter = match[1]
            if letter in "xy":
                return array(letter)
            x = plain[array("x")]
            if letter == "o":
                same = [name for name in self.arrays() if plain[name].shape == x.shape]
                if self.chance(10):
                    same = self.arrays()
                return self.pick(same)
            if letter == "a":
                if self.chance(10):
                    return "None"
                return str(self.number(-x.ndim, max(x.ndim - 1, 0)))
            if letter == "f":
                if not x.dtype.names:
                    raise _Unfit
                return repr(self.pick(x.dtype.names))
            return {
                "e": lambda: self.operand(x),
                "m": lambda: self.mask(x.shape),
                "v": lambda: self.value(x.dtype),
                "u": lambda: self.pick(POOLS[self.pick(list(POOLS))]),
                "i": lambda: self.index(x),
                "k": lambda: str(self.number(-3, 3)),
                "n": lambda: str(self.number(0, 3)),
                "j": lambda: self.positions(self.pick([x.size, len(x) if x.ndim else 1])),
                "d": lambda: SPEC[self.pick(list(POOLS))],
                "s": lambda: repr(self.pick([self.shape(), (2, *x.shape), x.shape])),
                "r": lambda: repr(self.pick(_splits(x.size))),
                "l": lambda: self.values(x),
                "c": lambda: repr(self.pick(["same_kind", "unsafe", "safe", "no", "equiv"])),
                "K": lambda: repr(self.pick("CFAK")),
                "b": lambda: self.pick(["True", "False"]),
                "U": lambda: self.pick(UNARY),
                "B": lambda: self.pick(BINARY),
                "p": lambda: self.pick(OPERATORS),
                "q": lambda: self.pick(AUGMENTED),
            }[letter]()

        return PLACE.sub(place, template)

    # -- lines ---------------------------------------------------------------------------------

    def add(self, kind, ours, plain=None):
        """Add a line and run it on NumPy's side; False if it is not to be."""
        line = Line(ours, ours if plain is None else plain, kind)
        if known.excluded(line, self.sides.plain):
            return False
        compile(
            line.ours, "<program>", "exec"
        )  # a line that is no Python would do the same on both sides
        outcome = self.sides.run_plain(line)
        self.lines.append(line)
        self.outcomes.append(outcome)
        return True

    def create(self):
        name = self.free_name()
        text = self.literal()
        order = f", order={self.pick('CFKA')!r}" if self.chance(15) else ""
        dtype = f", dtype={SPEC[self.pick(NUMBERS)]}" if self.chance(5) else ""
        self.add("new", f"{name} = la.LockedArray({text}{dtype}{order})")

    def grows(self, text):
        """Whether what `text` computes could be objects, or text, without bound."""
        if not GROWING.search(text):
            return False
        used = [
            self.sides.plain[name]
            for name in re.findall(r"\b[a-z]\b", text)
            if name in self.sides.plain
        ]
        kinds = {value.dtype.kind if isinstance(value, np.ndarray) else "O" for value in used}
        literal = any(
            word in text for word in ("'O'", "StringDType", "None", "Fraction", "'x'", "['")
        )
        return bool(kinds & set("OTSUV")) or literal

    def step(self):
        """Draw one line more."""
        name = self.free_name()
        if not self.arrays() or name is None:
            return self.create() if name else None
        kind = self.number(0, 99)
        try:
            if kind < 48:
                template = self.pick(EXPRESSIONS)
                text = self.fill(template)
                if not self.grows(text):
                    self.add(template, f"{name} = {text}")
            elif kind < 84:
                template = self.pick(STATEMENTS)
                text = self.fill(template)
                if not self.grows(text):
                    self.add(template, text)
            else:
                self.special(name)
        except _Unfit:
            return None
        self.tidy(name)

    def special(self, name):
        kind = self.pick(SPECIAL)
        if kind == "new":
            self.create()
        elif kind == "at":
            method = self.pick(AT)
            x = self.pick(self.locked() or self.arrays())
            index = self.index(self.sides.plain[x])
            method = self._fill_for(x, method)
            if x not in self.locked() or self.grows(f"{x} {method}"):
                return
            if self.sides.plain[x].dtype.kind == "T" and method.startswith(("set", "exchange")):
                method = "set('q' * 30)"
            self.add(
                "at." + method.split("(")[0],
                f"{name} = {x}.at[{index}].{method}",
                f"{name} = at({x}, {index}).{method}",
            )
        elif kind == "resize":
            roots = [n for n in self.locked() if self.sides.model.is_root(self.sides.plain[n])]
            x = self.pick(roots if roots and self.chance(90) else self.locked() or ["q"])
            if x == "q":
                return
            shape = self.pick([*SHAPES, (11,), (3, 5), (8, 3), (40,)])
            if np.prod(shape) > CAPACITY:
                return
            text = repr(shape) if self.chance(70) or shape == () else repr(shape)[1:-1].rstrip(",")
            self.add("resize", f"{x}.resize({text})", f"resize({x}, {text})")
        else:
            x = self.pick(self.locked() or ["q"])
            if x == "q":
                return
            how = self.pick(
                [
                    "copy.copy({x})",
                    "copy.deepcopy({x})",
                    "{x}.__copy__()",
                    *(f"round_trip({{x}}, {p})" for p in range(2, 6)),
                    "np.zeros(3, like={x})",
                    "la.LockedArray({x})",
                    "la.LockedArray({x}[::2])",
                ]
            )
            how = how.replace("{x}", x)
            plain = how if "la." in how else f"own({how})"
            self.add("own", f"{name} = {how}", f"{name} = {plain}")

    def _fill_for(self, x, method):
        plain = self.sides.plain[x]
        filled = {
            "v": self.value(plain.dtype),
            "u": self.pick(POOLS[self.pick(list(POOLS))]),
            "n": str(self.number(0, 2)),
            "e": self.operand(plain),
        }
        return PLACE.sub(lambda match: filled[match[1]], method)

    def tidy(self, name):
        """Forget what is too large, or no matter for a program."""
        value = self.sides.plain.get(name)
        if (isinstance(value, np.ndarray) and value.size > 300) or _weight(value) > 300:
            self.add("del", f"del {name}")
        names = self.arrays()
        if len(names) > 6:
            self.add("del", f"del {self.pick(names)}")


class _Unfit(Exception):
    """The template asks for what is not there."""


def _weight(value, depth=0):
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, (list, tuple)) and depth < 4:
        return sum(_weight(item, depth + 1) for item in value) + 1
    if isinstance(value, (str, bytes)):
        return len(value) // 50
    if type(value) is int:
        return 0 if abs(value) < 10**40 else 10**6
    return 1


def _slice(start, stop, step):
    parts = [start, stop, step[1:]]
    return f"slice({', '.join(part or 'None' for part in parts)})"


def _splits(size):
    return [
        (size,),
        (-1,),
        (1, size),
        (size, 1),
        *((2, size // 2), (-1, 2)) * (size % 2 == 0),
        *((3, size // 3),) * (size % 3 == 0),
        (),
    ]


def _broadcast(one, other):
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return True


DTYPES = {name: np.dtype(eval(SPEC[name], {"np": np})) for name in POOLS}


def program(number):
    """Return a program: its lines."""
    program = Program(number)
    program.create()
    if program.chance(50):
        program.create()
    for _ in range(program.number(1, 10)):
        program.step()
    return program.lines


@st.composite
def programs(draw):
    """Draw a program."""
    return program(lambda low, high: draw(st.integers(low, high)))
