"""The catalogue by dtype and layout: arrays of every kind, and operations tried on all of them.

The tables of the other parts try every operation on a few dtypes; here fewer operations meet all.
Most of them make no sense for some dtypes. NumPy then raises, and so must we.
"""

from __future__ import annotations

import operator
import pickle
import warnings
from fractions import Fraction

import numpy as np

import lockedarray as la
from catalogue.operation import Operand, op

try:
    from ml_dtypes import bfloat16
except ImportError:
    bfloat16 = None

__all__ = ["KINDS", "operations"]

ALIGNED = np.dtype([("a", "i1"), ("b", "f8"), ("c", "S3")], align=True)
NESTED = np.dtype([("p", [("x", "f4"), ("y", "f4")]), ("n", ">i2"), ("t", "U2")])
WITH_SUBARRAYS = np.dtype([("m", "f8", (2, 2)), ("k", "i4", 3)])
WITH_OBJECTS = np.dtype([("a", "i4"), ("o", "O"), ("q", [("s", "O"), ("f", "f8")])])
TITLED = np.dtype([(("title of a", "a"), "i4"), (("title of b", "b"), "f8")])
GAPS = np.dtype({"names": ["a", "b"], "formats": ["i2", "f4"], "offsets": [3, 9], "itemsize": 16})
OVERLAPPING = np.dtype({"names": ["a", "b"], "formats": ["u4", "u2"], "offsets": [0, 2]})

NUMBERS = [3, 1, 2, 0, 1, 5]
REALS = [0.5, -1.25, np.nan, 0.0, np.inf, 3.0]
COMPLEXES = [1 + 2j, 3 - 4j, complex(np.nan, 1), 0, 1j, -2]
WORDS = ["pear", "fig", "", "fig", "é", "apple"]
DATES = ["2024-01-03", "2024-01-01", "NaT", "1969-12-31", "2024-02-29", "2024-01-01"]


def _records(dtype):
    values = np.zeros(6, dtype)
    flat = values.view("u1") if not dtype.hasobject else None
    if flat is not None and dtype.names:
        for number, name in enumerate(dtype.names):
            field = values[name]
            numbers = (np.arange(field.size).reshape(field.shape) * 3 + number) % 7
            if field.dtype.names is None:
                field[...] = numbers.astype(field.dtype)
            else:
                field[field.dtype.names[0]] = numbers
    return values


def _records_with_objects():
    values = np.zeros(6, WITH_OBJECTS)
    values["a"] = NUMBERS
    for number in range(6):
        values["o"][number] = [WORDS[number]]
    values["q"]["s"] = WORDS
    values["q"]["f"] = [0.5, -1.25, 2.0, 0.0, 4.0, 3.0]
    return values


def _objects():
    values = np.empty(6, object)
    values[:] = [3, Fraction(1, 2), 2, 7.5, True, 3]
    return values


def _mixed_objects():
    values = np.empty(6, object)
    values[:] = [3, None, "text", (1, 2), [3], {"k": 1}]
    return values


def _without_unit(values, dtype):
    with warnings.catch_warnings():  # deprecated in NumPy 2.5
        warnings.simplefilter("ignore")
        return np.array(values, dtype)


DTYPES = {
    "bool": np.array([1, 0, 1, 1, 0, 1], "?"),
    **{code: np.array(NUMBERS, code) for code in "bBhHiIlLqQ"},
    **{code: np.array(REALS, code) for code in "efdg"},
    **{code: np.array(COMPLEXES, code) for code in "FDG"},
    "days": np.array(DATES, "M8[D]"),
    "nanoseconds": np.array(DATES, "M8[ns]"),
    "25 seconds": np.array(DATES, "M8[25s]"),
    "dates without unit": _without_unit(["NaT"] * 6, "M8"),
    "hours": np.array(NUMBERS, "m8[h]"),
    "timedelta without unit": _without_unit(NUMBERS, "m8"),
    "bytes": np.array(["pear", "fig", "", "fig", "e", "apple"], "S5"),
    "text": np.array(WORDS, "U5"),
    "void": np.array([bytes([n] * 4) for n in NUMBERS], "V4"),
    "strings": np.array(WORDS, np.dtypes.StringDType()),
    "strings with NaN": np.array([*WORDS[:5], np.nan], np.dtypes.StringDType(na_object=np.nan)),
    "strings with None": np.array([*WORDS[:5], None], np.dtypes.StringDType(na_object=None)),
    "records": _records(np.dtype([("a", "i4"), ("b", "f8")])),
    "aligned records": _records(ALIGNED),
    "nested records": _records(NESTED),
    "records with subarrays": _records(WITH_SUBARRAYS),
    "records with objects": _records_with_objects(),
    "records with titles": _records(TITLED),
    "records with gaps": _records(GAPS),
    "overlapping fields": _records(OVERLAPPING),
    "byte-swapped records": _records(np.dtype([("a", ">i4"), ("b", ">f8")])),
    "records without fields": np.zeros(6, np.dtype([])),
    "np.record": _records(np.dtype((np.record, [("a", "i4"), ("b", "f8")]))),
    "objects": _objects(),
    "objects of all kinds": _mixed_objects(),
    **{code: np.array(NUMBERS, code) for code in (">u2", ">i4", ">m8[s]")},
    **{code: np.array(REALS, code) for code in (">f2", ">f8", ">g")},
    ">c16": np.array(COMPLEXES, ">c16"),
    ">M8[s]": np.array(DATES, ">M8[s]"),
    ">U5": np.array(WORDS, ">U5"),
}  # fmt: skip
"""Six values of each dtype, in no order, some twice."""

if bfloat16 is not None:
    DTYPES["bfloat16"] = np.array(NUMBERS).astype(bfloat16)


def _packed(values):
    """Return records in which `values` stand at odd offsets."""
    packed = np.zeros(values.shape, np.dtype([("pad", "u1"), ("v", values.dtype)]))
    packed["v"] = values
    return packed


LAYOUTS = {
    "1-d": (lambda values: values, None),
    "0-d": (lambda values: values[1:2].reshape(()), None),
    "empty": (lambda values: values[:0].reshape(0, 3), None),
    "2-d": (lambda values: values.reshape(2, 3), None),
    "Fortran": (lambda values: np.asfortranarray(values.reshape(2, 3)), None),
    "reversed": (lambda values: values, lambda array: array[::-1]),
    "every second": (lambda values: values[np.arange(12) // 2], lambda array: array[::2]),
    "transposed block": (
        lambda values: values[np.arange(20).reshape(4, 5) % 6],
        lambda array: array[1:3, ::-2].T,
    ),
    "broadcast": (lambda values: values[:3], lambda array: np.broadcast_to(array, (2, 3))),
    "windows": (
        lambda values: values,
        lambda array: np.lib.stride_tricks.sliding_window_view(array, 3),
    ),
    "unaligned": (_packed, lambda array: array["v"]),
}
"""What makes an array of the six values, and what makes a view of it."""

WITH_FIELDS = ("unaligned", "windows")  # which NumPy makes of fields, or by the name of the dtype


FEW_LAYOUTS = ("1-d", "0-d", "reversed", "unaligned")
"""The layouts of dtypes that are much like others, which have them all."""

MUCH_LIKE_OTHERS = frozenset([*"bBhHIlLqQefgFG", ">u2", ">m8[s]", ">f2", ">c16", ">M8[s]"])

KINDS = [
    (dtype, layout)
    for dtype in DTYPES
    for layout in (FEW_LAYOUTS if dtype in MUCH_LIKE_OTHERS else LAYOUTS)
    if not (isinstance(DTYPES[dtype].dtype, np.dtypes.StringDType) and layout in WITH_FIELDS)
]
"""All dtypes, each in its layouts."""

# -- what is done: functions of the array and, some, of another like it ----------------------------


def _doing(function):
    """Return what does `function` and returns nothing: in-place operators return their target."""
    return lambda *args: function(*args) and None


def _setting(index, value):
    def set_item(array, other):
        array[index] = value(other) if callable(value) else value

    return set_item


def _first(other):
    return other.flat[0]


def _masked(array):
    mask = np.zeros(array.shape, bool)
    mask.flat[::2] = True
    return mask


def _in_place_part(array, other):
    array[..., 1:] += other[..., 1:]


def _fields(array):
    return [array[name] for name in array.dtype.names]


def _set_fields(array, other):
    for name in array.dtype.names:
        array[name] = other[name]


def _set_nested(array, other):
    for name in array.dtype.names:
        array[name][..., :1] = other[name][..., :1]


GETTING = {
    "a[0]": lambda a: a[0],
    "a[()]": lambda a: a[()],
    "a[...]": lambda a: a[...],
    "a[-1, ..., None]": lambda a: a[-1, ..., None],
    "a[1:]": lambda a: a[1:],
    "a[..., ::-1]": lambda a: a[..., ::-1],
    "a[[1, 0, 1]]": lambda a: a[[1, 0, 1]],
    "a[..., [1, 0]]": lambda a: a[..., [1, 0]],
    "a[mask]": lambda a: a[_masked(a)],
    "a[9]": lambda a: a[9],
    "a['no']": lambda a: a["no"],
    "fields": _fields,
    "a[names]": lambda a: a[list(a.dtype.names)],
    "a[0][name]": lambda a: a[0][a.dtype.names[-1]].tolist(),  # records of ours are copies
    "a[index of itself]": lambda a: a[a],
    "iter": list,
    "flat": lambda a: list(a.flat),
    "flat[1:3]": lambda a: a.flat[1:3],
    "item": lambda a: a.item(1),
    "take": lambda a: a.take([0, -1, 0]),
    "take mode": lambda a: a.take([7, -9], mode="wrap"),
    "compress": lambda a: a.compress([True, False, True], axis=-1),
    "diagonal": lambda a: a.diagonal(),
    "real": lambda a: a.real,
    "imag": lambda a: a.imag,
    "T": lambda a: a.T,
    "reshape": lambda a: a.reshape(-1),
    "reshape F": lambda a: a.reshape(-1, order="F"),
    "ravel": lambda a: a.ravel(),
    "ravel K": lambda a: a.ravel("K"),
    "squeeze": lambda a: a.squeeze(),
    "swapaxes": lambda a: a.swapaxes(0, -1),
    "view": lambda a: a.view(),
    "view bytes": lambda a: a.view("u1"),
    "view void": lambda a: a.view(f"V{a.dtype.itemsize}"),
    "view swapped": lambda a: a.view(a.dtype.newbyteorder()),
    "getfield": lambda a: a.getfield("u1", 0),
    "broadcast_to": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "array_split": lambda a: np.array_split(a, 2),
}

READING = {
    "-a": operator.neg,
    "~a": operator.invert,
    "abs(a)": abs,
    "bool(a)": bool,
    "int(a)": int,
    "float(a)": float,
    "complex(a)": complex,
    "index(a)": operator.index,
    "len(a)": len,
    "hash(a)": hash,
    "str(a)": str,
    "format": lambda a: f"{a:}",
    "array2string": lambda a: np.array2string(a),
    "tolist": lambda a: a.tolist(),
    "tobytes": lambda a: a.tobytes(),
    "tobytes F": lambda a: a.tobytes("F"),
    "copy": lambda a: a.copy(),
    "copy F": lambda a: a.copy("F"),
    "flatten": lambda a: a.flatten(),
    "astype same": lambda a: a.astype(a.dtype),
    "astype swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    **{
        f"astype {code}": lambda a, code=code: a.astype(code)
        for code in ("?", "i8", "f8", "c16", "O", "S8", "U8", "V3", "M8[s]", "m8[s]", "T", "i4,f8")
    },
    "astype safe": lambda a: a.astype("i2", casting="safe"),
    "sum": lambda a: a.sum(),
    "sum axis": lambda a: a.sum(axis=-1, keepdims=True),
    "prod": lambda a: a.prod(),
    "mean": lambda a: a.mean(),
    "std": lambda a: a.std(),
    "min": lambda a: a.min(),
    "max": lambda a: a.max(axis=0),
    "argmax": lambda a: a.argmax(),
    "argmin": lambda a: a.argmin(axis=-1),
    "ptp": np.ptp,
    "any": lambda a: a.any(),
    "all": lambda a: a.all(axis=-1),
    "cumsum": lambda a: a.cumsum(),
    "cumprod": lambda a: a.cumprod(axis=0),
    "trace": lambda a: a.trace(),
    "argsort": lambda a: a.argsort(kind="stable"),
    "argpartition": lambda a: np.sort(a.argpartition(1)),
    "np.sort": np.sort,
    "nonzero": lambda a: a.nonzero(),
    "round": lambda a: a.round(),
    "conj": lambda a: a.conj(),
    "byteswap": lambda a: a.byteswap(),
    "median": np.median,
    "unique": np.unique,
    "count_nonzero": np.count_nonzero,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "isnat": np.isnat,
    "sqrt": np.sqrt,
    "sign": np.sign,
    "diff": np.diff,
    "roll": lambda a: np.roll(a, 1),
    "repeat": lambda a: np.repeat(a, 2),
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
    "nan_to_num": np.nan_to_num,
    "str_len": np.strings.str_len,
    "upper": np.strings.upper,
    "concatenate": lambda a: np.concatenate([a, a]),
    "where": lambda a: np.where(_masked(a), a, a),
    "np.array": lambda a: np.copy(a),
    "add.reduce": lambda a: np.add.reduce(a, axis=None),
    "add.accumulate": np.add.accumulate,
    "maximum.reduceat": lambda a: np.maximum.reduceat(a, [0, 1]),
    "einsum": lambda a: np.einsum("...i->...", a),
}

BINARY = {
    **{
        name: getattr(operator, name)
        for name in "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift "
        "eq ne lt le gt ge".split()
    },
    "divmod": divmod,
    "maximum": np.maximum,
    "fmin": np.fmin,
    "logical_and": np.logical_and,
    "hypot": np.hypot,
    "with a scalar": lambda a, b: a + b.flat[0],
    "with an object": lambda a, b: a == None,  # noqa: E711
    "multiply.outer": np.multiply.outer,
    "dot": lambda a, b: a.dot(b),
    "in": lambda a, b: b.flat[0] in a,
    "searchsorted": lambda a, b: a.searchsorted(b),
    "clip": lambda a, b: a.clip(b, b),
    "array_equal": np.array_equal,
    "isin": np.isin,
    "np.concatenate": lambda a, b: np.concatenate([a, b], axis=None),
    "np.where": lambda a, b: np.where(_masked(a), a, b),
    "np.stack": lambda a, b: np.stack([a, b], axis=-1),
}

WRITING = {
    "a[0] = scalar": _setting(0, _first),
    "a[0] = item": _setting(0, lambda other: other.item(0)),
    "a[()] = scalar": _setting((), _first),
    "a[...] = other": _setting(..., lambda other: other),
    "a[...] = list": _setting(..., lambda other: other.tolist()),
    "a[..., ::-1] = other": _setting((..., slice(None, None, -1)), lambda other: other),
    "a[1:] = part": _setting(slice(1, None), lambda other: other[1:]),
    "a[[0, 1, 0]] = scalar": _setting([0, 1, 0], _first),
    "a[[0, -1]] = others": _setting([0, -1], lambda other: other[[1, 0]]),
    "a[...] = None": _setting(..., None),
    "a[...] = 1": _setting(..., 1),
    "a[...] = 2.5": _setting(..., 2.5),
    "a[...] = 1j": _setting(..., 1j),
    "a[...] = 'x'": _setting(..., "x"),
    "a[...] = b'y'": _setting(..., b"y"),
    "a[...] = ()": _setting(..., ()),
    "a[...] = [1]": _setting(..., [1]),
    "a[...] = '2001-02-03'": _setting(..., "2001-02-03"),
    "a[0] = 2**70": _setting(0, 2**70),
    "a[...] = timedelta": _setting(..., np.timedelta64(3, "s")),
    "a[9] = scalar": _setting(9, _first),
    "a[mask] = scalar": lambda a, b: a.__setitem__(_masked(a), b.flat[0]),
    "a[mask] = others": lambda a, b: a.__setitem__(_masked(a), b[_masked(b)]),
    "a[...] = reversed": lambda a, b: a.__setitem__(..., a[..., ::-1]),
    "fields": _set_fields,
    "fields of parts": _set_nested,
    "a[names] = other": lambda a, b: a.__setitem__(list(a.dtype.names), b),
    "a[part] += part": _in_place_part,
    "flat[0] = scalar": lambda a, b: a.flat.__setitem__(0, b.flat[0]),
    "flat[::2] = list": lambda a, b: a.flat.__setitem__(slice(None, None, 2), b.ravel().tolist()),
    "a.real = 1": lambda a, b: setattr(a, "real", 1),
    "a.imag = 1": lambda a, b: setattr(a, "imag", 1),
    "a.flat = other": lambda a, b: setattr(a, "flat", b),
    **{
        name: _doing(getattr(operator, name))
        for name in "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift".split()
    },
    "out=": lambda a, b: np.add(a, b, out=a),
    "out=, where=": lambda a, b: np.maximum(a, b, out=a, where=_masked(a)),
    "out= of another dtype": lambda a, b: np.add(1, 2, out=a, casting="unsafe"),
    "cumsum out=": lambda a, b: np.cumsum(b, axis=-1, out=a),
    "add.at": lambda a, b: np.add.at(a, [0, 0], b.flat[0]),
    "negative.at": lambda a, b: np.negative.at(a, 0),
    "sort": lambda a, b: a.sort(),
    "sort axis": lambda a, b: a.sort(axis=0, kind="stable"),
    "partition": lambda a, b: a.partition(0),
    "fill": lambda a, b: a.fill(b.flat[0]),
    "fill item": lambda a, b: a.fill(b.item(0)),
    "put": lambda a, b: a.put([0, -1, 0], b),
    "itemswap": lambda a, b: a.byteswap(inplace=True),
    "setfield": lambda a, b: a.setfield(1, "u1", 0),
    "copyto": lambda a, b: np.copyto(a, b),
    "copyto where": lambda a, b: np.copyto(a, b, where=_masked(a)),
    "copyto unsafe": lambda a, b: np.copyto(a, np.arange(3), casting="unsafe"),
    "putmask": lambda a, b: np.putmask(a, _masked(a), b),
    "place": lambda a, b: np.place(a, _masked(a), b),
    "fill_diagonal": lambda a, b: np.fill_diagonal(a, b.flat[0]),
    "put_along_axis": lambda a, b: np.put_along_axis(
        a, np.zeros((1,) * a.ndim, int), b.flat[0], a.ndim - 1
    ),
    "nan_to_num": lambda a, b: _doing(np.nan_to_num)(a, False),
}


def _refused(*_):
    raise ValueError("read-only")


READ_ONLY = ("broadcast", "windows")
# Where NumPy, or an old one, looks at the flag late or never.
REFUSED = ("a.real = 1", "add.at", "negative.at", "at.add", "at.max", "cumsum out=")

AT = {  # on a plain array: what comes to the same
    "at.set": (
        lambda a, b: a.at[0].set(b.flat[0]),
        lambda a, b: _then_first(a, a.__setitem__(0, b.flat[0])),
    ),
    "at.add": (
        lambda a, b: a.at[0].add(b.flat[0]),
        lambda a, b: _then_first(a, np.add.at(a, 0, b.flat[0])),
    ),
    "at.max": (
        lambda a, b: a.at[0].max(b.flat[0]),
        lambda a, b: _then_first(a, np.maximum.at(a, 0, b.flat[0])),
    ),
    "at.get": (
        lambda a, b: a.at[...].get(),
        lambda a, b: a.copy(),
    ),
    "at.exchange": (
        lambda a, b: a.at[..., :2].exchange(b[..., :2]),
        lambda a, b: (a[..., :2].copy(), a.__setitem__((..., slice(2)), b[..., :2]))[0],
    ),
}  # fmt: skip

PICKLING = {f"pickle {n}": lambda a, n=n: pickle.loads(pickle.dumps(a, n)) for n in (2, 4, 5)}


def _then_first(array, _):
    first = array[0]
    return first.copy() if isinstance(first, np.ndarray) else first


def _resized(shape):
    def resize(array):
        if isinstance(array, la.LockedArray):
            array.resize(shape)
        else:
            array.resize(shape, refcheck=False)

    return resize


def _operand(values, layout, mode):
    of_values, through = LAYOUTS[layout]
    root = Operand(np.asarray(of_values(values)), mode)
    return root.part(through, mode) if through else root


def _other(values, layout):
    """Return a plain array like the operand, with the values the other way round."""
    of_values, through = LAYOUTS[layout]
    array = np.array(of_values(values[::-1]))
    return array if through is None else np.array(through(array))


NUMPY = np.lib.NumpyVersion(np.__version__)
SWAPPING = ("byteswap", "itemswap", "view swapped")
BYTES = ("view bytes", "view void", "getfield", "tobytes", "tobytes F", "astype V3")


def _ends_numpy(name, dtype, layout):
    """Whether the operation crashes NumPy itself, or breaks its memory, with plain arrays."""
    if NUMPY >= "2.5.0":
        return False
    strings = isinstance(dtype, np.dtypes.StringDType)
    return (
        (layout == "0-d" and name == "cumsum out=")
        or (strings and name in (*SWAPPING, "place"))
        or (dtype.kind == "m" and name == "astype S8" and NUMPY < "2.3.0")
        or (strings and name.startswith("resize") and NUMPY < "2.2.0")
    )


def _is_undefined(name, dtype, layout):
    """Whether NumPy's result is no fixed value, or one that NumPy gets wrong."""
    return (
        (name in BYTES and _has_unused_bytes(dtype))
        or (name in (*SWAPPING, "setfield") and _has_limits(dtype))
        or (layout == "Fortran" and not dtype.itemsize)  # elements without bytes have no order
        or (name == "a.flat = other" and dtype.hasobject and dtype.kind != "O")
    )


def _leaves(dtype):
    """Return the dtypes of the fields of `dtype`, and of their fields, without subarrays."""
    if dtype.names is None:
        return [dtype.base]
    return [leaf for name in dtype.names for leaf in _leaves(dtype.fields[name][0].base)]


def _has_unused_bytes(dtype):
    """Whether some bytes of an element mean nothing, or are addresses."""
    leaves = _leaves(dtype)
    gaps = dtype.names is not None and sum(leaf.itemsize for leaf in leaves) < dtype.itemsize
    return gaps or dtype.hasobject or any(leaf.char in "gG" for leaf in leaves)


def _has_limits(dtype):
    """Whether some patterns of bytes are no character, or a date that Python does not have."""
    return any(leaf.kind in "UM" for leaf in _leaves(dtype))


def operations(dtype, layout):
    """Return all operations on arrays of this dtype and layout, by the names of the tables."""
    named = DTYPES[dtype].dtype
    return [
        operation
        for operation in _all_operations(dtype, layout)
        if not _ends_numpy(operation.name, named, layout)
        and not _is_undefined(operation.name, named, layout)
    ]


def _all_operations(dtype, layout):
    values = DTYPES[dtype]
    other = _other(values, layout)
    like = Operand(other, "read")
    for name, function in (GETTING | READING).items():
        yield op(name, function, _operand(values, layout, "read"))
    for name, function in BINARY.items():
        yield op(name, function, _operand(values, layout, "read"), like)
        yield op(name, function, _operand(values, layout, "read"), other)
        yield op(f"{name}, reflected", function, other, _operand(values, layout, "read"))
    for name, function in WRITING.items():
        reference = _refused if layout in READ_ONLY and name in REFUSED else function
        for argument in (like, other):
            yield op(name, function, _operand(values, layout, "write"), argument,
                     reference=reference)  # fmt: skip
    for name, (function, reference) in AT.items():
        if layout in READ_ONLY and name in REFUSED:
            reference = _refused
        yield op(name, function, _operand(values, layout, "write"), other, reference=reference)
    for name, function in PICKLING.items():
        yield op(name, function, _operand(values, layout, "read"), result="own")
    if LAYOUTS[layout][1] is None:
        for shape in (2, (3, 4), (0,), (), (1000,)):
            yield op(f"resize to {shape}", _resized(shape), _operand(values, layout, "write"))
