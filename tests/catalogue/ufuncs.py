"""The catalogue, part 6: every ufunc of NumPy, with every one of its methods."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
from numpy.testing.overrides import get_overridable_numpy_ufuncs

from catalogue.arrays import (
    BOOLS,
    COMPLEX,
    CUBE,
    DATES,
    DELTAS,
    FLOATS,
    INTS,
    OBJECTS,
    OTHERS,
    SMALL,
    SQUARE,
    STRINGS,
    TABLE,
    TEXT,
)
from catalogue.operation import Call, R, W, op

__all__ = ["UFUNCS", "UFUNC_METHODS", "all_ufuncs"]

LETTERS = np.array(["p", "f", "l"])

UFUNC_METHODS = {
    **dict.fromkeys(["__call__", "reduce", "accumulate", "reduceat", "outer", "at"], ""),
    "resolve_dtypes": "dtypes alone",
}
"""The public methods of a ufunc, and why not for those that the catalogue leaves out."""

# Operands for the ufuncs that do not work with FLOATS (and OTHERS).
OPERANDS = {
    "arccosh": (FLOATS + 1,),
    "bitwise_and": (INTS, SMALL),
    "bitwise_count": (INTS,),
    "bitwise_or": (INTS, SMALL),
    "bitwise_xor": (INTS, SMALL),
    "conjugate": (COMPLEX,),
    "gcd": (INTS, SMALL),
    "imag": (COMPLEX,),
    "invert": (INTS,),
    "isnat": (DATES,),
    "lcm": (INTS, SMALL),
    "ldexp": (FLOATS, SMALL),
    "left_shift": (INTS, SMALL),
    "matmul": (SQUARE, SQUARE[::-1].copy()),
    "matvec": (SQUARE, SQUARE[0]),
    "real": (COMPLEX,),
    "right_shift": (INTS, SMALL),
    "vecdot": (TABLE, TABLE[::-1].copy()),
    "vecmat": (SQUARE[0], SQUARE),
    # With more than two operands, or of strings: they have no public name, but are overridden.
    "clip": (FLOATS, OTHERS / 2, OTHERS),
    **dict.fromkeys(
        "isalnum isalpha isdecimal isdigit islower isnumeric isspace istitle isupper str_len"
        " _lstrip_whitespace _rstrip_whitespace _strip_whitespace".split(),
        (TEXT,),
    ),
    **dict.fromkeys("_lstrip_chars _rstrip_chars _strip_chars".split(), (TEXT, LETTERS)),
    **dict.fromkeys("count find rfind startswith endswith".split(), (TEXT, LETTERS, 0, 9)),
    **dict.fromkeys("index rindex".split(), (TEXT, LETTERS, 0, 9)),
    "_expandtabs": (STRINGS, 4),
    "_expandtabs_length": (TEXT, 4),
    "_replace": (STRINGS, "p", "q", 1),
    **dict.fromkeys("_center _ljust _rjust".split(), (STRINGS, 9, STRINGS[:1].astype("U1"))),
    "_zfill": (STRINGS, 9),
    **dict.fromkeys("_partition _rpartition".split(), (STRINGS, STRINGS[:1])),
    **dict.fromkeys("_partition_index _rpartition_index".split(), (TEXT, LETTERS, SMALL[:3])),
    "_slice": (STRINGS, 0, 2, 1),
}
"""By name; a scalar is given to every call as it is."""

MORE_OPERANDS = {
    "add": [(OBJECTS, OBJECTS[::-1]), (DATES, DELTAS), (BOOLS, BOOLS[::-1]), (TEXT, LETTERS)],
    "maximum": [(OBJECTS, 2)],
    "equal": [(TEXT, LETTERS), (OBJECTS, 2)],
    "less": [(DATES, DATES[::-1])],
    "negative": [(OBJECTS,), (DELTAS,)],
    "absolute": [(COMPLEX,)],
    "logical_or": [(OBJECTS, OBJECTS[::-1])],
    "isnan": [(DATES,)],
    "divmod": [(INTS, SMALL + 1)],
    "multiply": [(CUBE[0], FLOATS[:4])],
}

EXAMPLES = ("add", "maximum", "negative", "divmod", "matmul")
"""The ufuncs that are called in more ways than the others: what is true of them is of all."""


def all_ufuncs():
    """Return by name the ufuncs of NumPy's namespace, and those that only strings use."""
    named = {name: value for name, value in vars(np).items() if isinstance(value, np.ufunc)}
    return {ufunc.__name__: ufunc for ufunc in get_overridable_numpy_ufuncs()} | named


def _operands(ufunc):
    default = (FLOATS, OTHERS)[: ufunc.nin]
    return [OPERANDS.get(ufunc.__name__, default), *MORE_OPERANDS.get(ufunc.__name__, [])]


def _read(values):
    return R(values) if isinstance(values, np.ndarray) else values


def _space(values):
    """Return operands to write results like `values` to."""
    values = values if isinstance(values, tuple) else (values,)
    return tuple(W(np.zeros_like(value)) for value in values)


def _entry(name, ufunc, method, *args, **kwargs):
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    title = name if method == "__call__" else f"{name}.{method}"
    return op(title, function, *args, **kwargs, covers=ufunc)


def _calls(name, ufunc, values):
    if name in ("_partition_index", "_rpartition_index"):  # refuse to make arrays for the results
        yield _entry(name, ufunc, "__call__", *map(_read, values), out=_space((TEXT,) * 3))
        return
    yield _entry(name, ufunc, "__call__", *map(_read, values))
    if name.startswith("_"):  # private, and NumPy may crash when it is used in other ways
        return
    result = ufunc(*values)
    with_mask = {} if ufunc.signature else {"where": R(np.resize(BOOLS, np.shape(values[0])))}
    yield _entry(name, ufunc, "__call__", *map(_read, values), out=_space(result), **with_mask)
    if name in EXAMPLES:
        yield _entry(name, ufunc, "__call__", *map(_read, values), *_space(result))
        yield _entry(name, ufunc, "__call__", *map(_read, values), out=_space(result))
        itself = W(values[0])  # read and written
        more = (None,) * (ufunc.nout - 1)
        yield _entry(name, ufunc, "__call__", itself, *map(_read, values[1:]), out=(itself, *more))
        yield _entry(name, ufunc, "__call__", itself, *map(_read, values[1:]), itself)
    if name in EXAMPLES and ufunc.nout == 1:
        yield _entry(name, ufunc, "__call__", *map(_read, values), out=_space(result)[0])
    if ufunc.nout == 2:
        yield _entry(name, ufunc, "__call__", *map(_read, values), out=(None, _space(result)[1]))


def _methods(name, ufunc, values):
    """Yield the other methods; which raise is left to NumPy, see `_checked`."""
    if ufunc.nin > 2 or ufunc.nout > 1:  # they have none
        yield _entry(name, ufunc, "reduce", R(values[0]))
        return
    indices = np.array([0, 2])
    if ufunc.nin == 1:
        yield _entry(name, ufunc, "at", W(values[0]), [0, 2])
        yield _entry(name, ufunc, "at", W(values[0]), R(indices), alone="first")
        return
    table = np.resize(values[0], (3, 4))
    one, other = values
    yield _entry(name, ufunc, "reduce", R(table))
    yield _entry(name, ufunc, "accumulate", R(table), 1)
    yield _entry(name, ufunc, "reduceat", R(table), R(indices), alone="first")
    yield _entry(name, ufunc, "outer", R(one), _read(other))
    yield _entry(name, ufunc, "at", W(one), [0, 2, 0], _read(other[:3]) if np.ndim(other) else 2)
    yield _entry(name, ufunc, "at", W(one), R(indices), 2, alone="first")


def _methods_with_out(name, ufunc, table):
    result = ufunc.reduce(table)
    indices = np.array([0, 2])
    yield _entry(name, ufunc, "reduce", R(table), 0, None, *_space(result))
    yield _entry(name, ufunc, "reduce", R(table), axis=0, out=_space(result))
    yield _entry(name, ufunc, "accumulate", R(table), 0, None, *_space(table))
    yield _entry(name, ufunc, "accumulate", R(table), out=_space(table)[0])
    yield _entry(name, ufunc, "reduceat", R(table), indices, 0, None, *_space(table[:2]))
    yield _entry(name, ufunc, "reduceat", R(table), indices, 1, out=_space(table[:, :2]))
    yield _entry(name, ufunc, "outer", R(table[0]), R(table[1]), out=_space(np.zeros((4, 4))))
    itself = W(table)
    yield _entry(name, ufunc, "accumulate", itself, out=itself)
    row = itself.part(lambda array: array[0], "write")
    yield _entry(name, ufunc, "reduce", itself, out=row)


SPECIAL = [
    op("add.reduce", np.add.reduce, R(TABLE), axis=0, initial=1.5, where=R(TABLE > 0.5),
       out=W(np.zeros(4)), covers=np.add),
    op("add.reduce", np.add.reduce, R(TABLE), axis=(0, 1), keepdims=True, covers=np.add),
    op("add.reduce", np.add.reduce, R(TABLE), axis=2, covers=np.add, raises=True),
    op("add", np.add, R(FLOATS), 1, out=W(np.zeros(5)), covers=np.add, raises=True),
    op("add", np.add, R(FLOATS), 1, out=W(np.zeros(6, int)), covers=np.add, raises=True),
    op("add", np.add, R(FLOATS), 1, out=W(np.zeros(6, int)), casting="unsafe", covers=np.add),
    op("add", np.add, R(FLOATS), 1, dtype="f4", covers=np.add),
    op("add", np.add, R(INTS), 1, order="F", subok=False, covers=np.add),
    op("add.at", np.add.at, W(FLOATS), [0, 9], 1, covers=np.add, raises=True),
    op("add.at", np.add.at, W(TABLE), (slice(None), [0, 0, 2]), R(FLOATS[:3]), covers=np.add),
    op("add.at", np.add.at, W(TABLE), (R(np.array([0, 2])), [1, 1]), 5, covers=np.add,
       alone="first"),
    op("matmul", np.matmul, R(CUBE), R(TABLE.T), axes=[(-2, -1), (-2, -1), (-2, -1)],
       covers=np.matmul),
    op("matmul", np.matmul, R(SQUARE), R(TABLE), out=W(np.zeros((3, 4))), covers=np.matmul),
    op("matmul", np.matmul, R(SQUARE), R(FLOATS), covers=np.matmul, raises=True),
    op("sqrt", np.sqrt, R(OBJECTS), covers=np.sqrt, raises=True),
    op("frompyfunc", np.frompyfunc(lambda one, other: one + other, 2, 1), R(FLOATS), R(INTS),
       covers=""),
    op("frompyfunc.reduce", np.frompyfunc(lambda one, other: one + other, 2, 1).reduce, R(FLOATS),
       covers=""),
]  # fmt: skip


def _checked(entry):
    """Return `entry`, which says whether NumPy raises: not every method suits every ufunc."""
    raises = Call.plain(entry).outcome().error is not None
    return dataclasses.replace(entry, raises=raises)


def _all():
    for name, ufunc in sorted(all_ufuncs().items()):
        for values in _operands(ufunc):
            yield from _calls(name, ufunc, values)
            if not name.startswith("_"):
                yield from map(_checked, _methods(name, ufunc, values))
        if name in ("add", "maximum"):
            yield from _methods_with_out(name, ufunc, TABLE)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    UFUNCS = [*_all(), *SPECIAL]
