"""The catalogue, part 7: every function of NumPy that can be overridden and takes an array."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import io
import operator
import tempfile

import numpy as np
import numpy.char
import numpy.fft
import numpy.lib.recfunctions
import numpy.polynomial
import numpy.strings
from numpy.testing.overrides import get_overridable_numpy_array_functions

from catalogue.arrays import (
    BITS,
    BOOLS,
    BYTES,
    COMPLEX,
    CUBE,
    DATES,
    FLOATS,
    INT_TABLE,
    INTS,
    MASK,
    MORE_RECORDS,
    OBJECTS,
    OTHERS,
    PAIRS,
    RECORDS,
    SMALL,
    SQUARE,
    TABLE,
    TEXT,
    WITH_NAN,
    ZERO_D,
)
from catalogue.operation import N, Operand, R, W, op

__all__ = ["FUNCTIONS", "all_functions"]

SOMETIMES = frozenset(
    """
    in1d astype cumulative_prod cumulative_sum unstack trapezoid
    unique_all unique_counts unique_inverse unique_values matrix_transpose
    polynomial.polynomial.polyvalnd strings.partition strings.rpartition
    """.split()
)
"""Functions that not every supported NumPy has, by their names in the tables."""


def all_functions():
    """Return the names of NumPy's functions that can be overridden, in the version at hand."""
    return {_full_name(function) for function in get_overridable_numpy_array_functions()}


def _full_name(function):
    # Not the function itself: of those with like= an inner one is listed.
    return f"{function.__module__}.{function.__name__}"


def _find(name):
    """Return the function `name` of NumPy, or None where this NumPy does not have it."""
    if name not in SOMETIMES:
        return operator.attrgetter(name)(np)
    return functools.reduce(lambda part, attribute: getattr(part, attribute, None),
                            name.split("."), np)  # fmt: skip


def f(name, *args, **kwargs):
    """Return the operation that calls NumPy's function `name`, or None if there is none."""
    function = _find(name)
    if function is None:
        return None
    kwargs.setdefault("covers", _full_name(function))
    return op(name, function, *args, **kwargs)


def through(name, function, *args, **kwargs):
    """Return the operation `function`, which calls NumPy's `name` in a way of its own."""
    return op(name, function, *args, covers=_full_name(_find(name)), **kwargs)


def _space(*shape, dtype=float):
    return W(np.zeros(shape, dtype))


# NumPy asks the elements of a one-dimensional array, not the array, whether they override these.
BY_ELEMENT = {"steps": None, "why": "not dispatched, and reads element by element"}

# -- one table for each topic; out= is tried by position, too: see `_by_position` ------------------

COPYING = [
    f("append", R(FLOATS), R(OTHERS)),
    f("append", R(TABLE), [[1.0, 2.0, 3.0, 4.0]], axis=0),
    f("array_repr", R(FLOATS)),
    f("array_str", R(FLOATS)),
    f("array2string", R(FLOATS), precision=2),
    f("astype", R(FLOATS), np.int64),
    f("astype", N(FLOATS), np.float64, copy=False, why="it is the array itself"),
    f("block", [[R(SQUARE), R(SQUARE)], [SQUARE, SQUARE]]),
    f("choose", R(SMALL[:3]), [R(OTHERS[:3]), FLOATS[:3], R(FLOATS[3:]), OTHERS[3:]],
      out=_space(3), mode="clip"),
    f("choose", R(SMALL[:3]), R(CUBE[0, :, :3])),
    f("column_stack", (R(FLOATS), R(OTHERS))),
    f("compress", [True, False, True], R(TABLE), axis=0, out=_space(2, 4)),
    f("compress", R(BOOLS), R(FLOATS)),
    f("concatenate", (R(FLOATS), R(OTHERS))),
    f("concatenate", [R(TABLE), TABLE], 1, out=_space(3, 8)),
    f("concatenate", (R(FLOATS), R(INTS)), axis=None, dtype="f4", casting="unsafe"),
    f("copy", R(TABLE)),
    f("copy", R(TABLE), order="F"),
    f("delete", R(FLOATS), [0, 2]),
    f("delete", R(TABLE), R(np.array([1])), axis=0, alone="first"),
    f("diag", R(FLOATS)),
    f("diagflat", R(FLOATS)),
    f("dstack", [R(TABLE), R(TABLE)]),
    f("extract", R(MASK), R(TABLE)),
    f("hstack", [R(FLOATS), R(OTHERS)]),
    f("insert", R(FLOATS), 1, R(ZERO_D)),
    f("insert", R(TABLE), R(np.array([1])), 7, axis=1),
    f("kron", R(SQUARE), R(SQUARE[:2, :2])),
    f("meshgrid", R(FLOATS), R(OTHERS)),
    f("meshgrid", R(FLOATS), R(OTHERS), indexing="ij", sparse=True),
    f("packbits", R(BITS)),
    f("packbits", R(BITS), 0, "little"),
    f("pad", R(TABLE), 1),
    f("pad", R(FLOATS), (2, 1), mode="reflect"),
    f("pad", R(FLOATS), 2, mode="constant", constant_values=7),
    f("ravel", R(TABLE), "F"),
    f("repeat", R(FLOATS), 2),
    f("repeat", R(TABLE), R(np.array([1, 0, 2])), 0, alone="first"),
    f("reshape", R(TABLE), -1, order="F"),
    f("resize", R(FLOATS), (2, 4)),
    f("roll", R(TABLE), 1, axis=1),
    f("select", [R(BOOLS), R(~BOOLS)], [R(FLOATS), R(OTHERS)], 9.0),
    f("stack", [R(FLOATS), R(OTHERS)], 1, out=_space(6, 2)),
    f("stack", [R(FLOATS), OTHERS], dtype="f4", casting="same_kind"),
    f("take", R(TABLE), [2, 0], 0, out=_space(2, 4)),
    f("take", R(FLOATS), R(SMALL), mode="wrap", alone="first"),
    f("take_along_axis", R(TABLE), R(np.array([[1], [0], [2]])), 1),
    f("tile", R(FLOATS), 2),
    f("tril", R(SQUARE)),
    f("triu", R(SQUARE), 1),
    f("unpackbits", R(BYTES)),
    f("unpackbits", R(BYTES.reshape(2, 2)), 1, 12, "little"),
    f("vander", R(FLOATS), 3),
    f("vstack", [R(FLOATS), R(OTHERS)]),
    # One array in place of a list of arrays.
    f("column_stack", R(TABLE)),
    f("concatenate", R(TABLE)),
    f("dstack", R(CUBE)),
    f("hstack", R(TABLE)),
    f("stack", R(TABLE), 1),
    f("vstack", R(TABLE)),
    f("select", R(MASK), R(TABLE)),
    f("where", R(BOOLS), R(FLOATS), R(OTHERS)),
    f("where", R(BOOLS)),
    f("concatenate", (R(FLOATS), R(TABLE)), raises=True),
    f("stack", [R(FLOATS), R(TABLE)], raises=True),
    f("take", R(FLOATS), [9], raises=True),
    f("copy", R(OBJECTS)),
    f("copy", R(OBJECTS, objects="shared")),
    f("concatenate", (R(OBJECTS), R(OBJECTS))),
    f("full_like", N(FLOATS), R(ZERO_D), why="its shape and dtype are asked for"),
    f("linspace", R(FLOATS), R(OTHERS), 3),
    f("linspace", R(FLOATS[:1]), 2.0, 3, retstep=True, dtype="f4"),
    f("logspace", R(FLOATS), R(OTHERS), 3),
    f("logspace", 0.0, 1.0, 6, base=R(INTS + 1.0)),
    f("geomspace", R(FLOATS), R(OTHERS), 3),
]  # fmt: skip

VIEWS = [
    f("array_split", N(FLOATS), 4, why="views"),
    f("atleast_1d", N(FLOATS), why="a view"),
    f("atleast_1d", N(ZERO_D), why="a view"),
    f("atleast_2d", N(FLOATS), why="a view"),
    f("atleast_2d", N(FLOATS), N(TABLE), why="views"),
    f("atleast_3d", N(TABLE), why="a view"),
    f("broadcast_arrays", N(FLOATS), N(FLOATS[:, np.newaxis]), why="views"),
    f("broadcast_to", N(FLOATS), (2, 6), why="a view"),
    f("diag", N(SQUARE), why="a view"),
    f("diagonal", N(SQUARE), 1, why="a view"),
    f("dsplit", N(CUBE), 2, why="views"),
    f("expand_dims", N(FLOATS), 0, why="a view"),
    f("flip", N(TABLE), 1, why="a view"),
    f("fliplr", N(TABLE), why="a view"),
    f("flipud", N(TABLE), why="a view"),
    f("hsplit", N(TABLE), 2, why="views"),
    f("imag", N(COMPLEX), why="a view"),
    f("ix_", N(SMALL), N(SMALL[:2]), why="views, of integers"),
    f("matrix_transpose", N(CUBE), why="a view"),
    f("meshgrid", N(FLOATS), N(OTHERS), copy=False, why="views"),
    f("moveaxis", N(CUBE), 0, 2, why="a view"),
    f("ravel", N(TABLE), why="a view"),
    f("real", N(COMPLEX), why="a view"),
    f("real", N(FLOATS), why="the array itself"),
    f("reshape", N(TABLE), (4, 3), why="a view"),
    f("reshape", N(TABLE), (5, 3), why="a view", raises=True),
    f("rollaxis", N(CUBE), 2, why="a view"),
    f("rot90", N(TABLE), why="a view"),
    f("rot90", N(TABLE), 2, why="a view"),
    f("split", N(FLOATS), 3, why="views"),
    f("split", N(TABLE), [1], axis=1, why="views"),
    f("split", N(FLOATS), 4, why="views", raises=True),
    f("squeeze", N(TABLE[:1]), why="a view"),
    f("squeeze", N(TABLE[:1]), axis=0, why="a view"),
    f("swapaxes", N(TABLE), 0, 1, why="a view"),
    f("transpose", N(CUBE), why="a view"),
    f("transpose", N(CUBE), (1, 0, 2), why="a view"),
    f("unstack", N(TABLE), axis=1, why="views"),
    f("vsplit", N(TABLE), 3, why="views"),
    f("linalg.diagonal", N(CUBE), why="a view"),
    f("linalg.matrix_transpose", N(CUBE), why="a view"),
    f("lib.stride_tricks.sliding_window_view", N(FLOATS), 3, why="a view"),
    f("lib.stride_tricks.sliding_window_view", N(TABLE), (2, 2), writeable=True, why="a view"),
    # They look at the data, and what they return is a view nevertheless.
    f("trim_zeros", R(np.array([0.0, 0.0, 1.5, 0.0, 2.5, 0.0]))),
    f("real_if_close", R(COMPLEX.real + 0j)),
    f("real_if_close", R(COMPLEX)),
    f("ix_", R(BOOLS[:3]), R(SMALL), covers=""),
]  # fmt: skip

METADATA = [
    f("can_cast", N(FLOATS), "f4", why="a dtype"),
    f("common_type", N(FLOATS), N(COMPLEX), why="dtypes"),
    f("diag_indices_from", N(SQUARE), why="a shape"),
    f("einsum_path", "ij,jk", N(SQUARE), N(SQUARE), why="shapes"),
    f("empty_like", N(FLOATS), why="a shape and a dtype", shown=np.zeros_like),
    f("empty_like", N(FLOATS), "i4", "F", False, (2, 2), why="a dtype", shown=np.zeros_like),
    f("full_like", N(FLOATS), 7, why="a shape and a dtype"),
    f("iscomplexobj", N(COMPLEX), why="a dtype"),
    f("isrealobj", N(COMPLEX), why="a dtype"),
    f("may_share_memory", N(FLOATS), N(FLOATS), why="addresses"),
    f("min_scalar_type", N(FLOATS), why="a dtype"),
    f("min_scalar_type", R(np.array(200))),
    f("ndim", N(TABLE), why="a shape"),
    f("ones_like", N(TABLE), "i4", why="a shape and a dtype"),
    f("result_type", N(FLOATS), N(INTS), "f4", why="dtypes"),
    f("shape", N(TABLE), why="a shape"),
    f("shares_memory", N(FLOATS), N(FLOATS), why="addresses"),
    f("size", N(TABLE), 0, why="a shape"),
    f("tril_indices_from", N(SQUARE), why="a shape"),
    f("triu_indices_from", N(SQUARE), 1, why="a shape"),
    f("zeros_like", N(TABLE), why="a shape and a dtype"),
]  # fmt: skip

WRITING = [
    f("copyto", W(FLOATS), R(OTHERS)),
    f("copyto", W(FLOATS), 1.5, where=R(BOOLS)),
    f("copyto", W(FLOATS), R(INTS), "same_kind", BOOLS),
    f("copyto", dst=W(FLOATS), src=R(OTHERS)),
    f("copyto", W(INTS), R(FLOATS), raises=True),
    f("copyto", W(OBJECTS), R(OBJECTS[::-1])),
    f("fill_diagonal", W(SQUARE), 7),
    f("fill_diagonal", W(TABLE), R(FLOATS), wrap=True, alone="first"),
    f("fill_diagonal", a=W(SQUARE), val=7),
    f("fill_diagonal", W(FLOATS), 7, raises=True),
    f("nan_to_num", R(WITH_NAN)),
    f("nan_to_num", W(WITH_NAN), False),
    f("nan_to_num", W(WITH_NAN), copy=False, nan=7.0),
    f("nan_to_num", x=W(WITH_NAN), copy=False),
    f("nan_to_num", R(WITH_NAN), nan=R(ZERO_D), alone="first"),
    f("place", W(TABLE), R(MASK), R(FLOATS)),
    f("place", W(FLOATS), BOOLS, [7, 8]),
    f("place", arr=W(FLOATS), mask=BOOLS, vals=[7, 8]),
    f("put", W(FLOATS), [0, 2], [7, 8]),
    f("put", W(FLOATS), R(SMALL), R(OTHERS), "wrap"),
    f("put", a=W(FLOATS), ind=[0, 2], v=7),
    f("put", W(FLOATS), [9], 7, raises=True),
    f("put_along_axis", W(TABLE), R(np.array([[1], [0], [2]])), 9.0, 1),
    f("put_along_axis", W(TABLE), np.array([[1], [0], [2]]), R(FLOATS[:3, np.newaxis]), axis=1),
    f("put_along_axis", arr=W(TABLE), indices=np.array([[1], [0], [2]]), values=9.0, axis=1),
    f("putmask", W(FLOATS), R(BOOLS), R(OTHERS)),
    f("putmask", W(FLOATS), mask=BOOLS, values=7),
    f("putmask", W(FLOATS), np.ones(5, bool), 7, raises=True),
]  # fmt: skip

REDUCTIONS = [
    f("all", R(MASK), 0, out=_space(4, dtype=bool)),
    f("all", R(MASK), where=R(MASK)),
    f("allclose", R(FLOATS), R(OTHERS)),
    f("amax", R(TABLE), 0, out=_space(4)),
    f("amin", R(TABLE), 0, out=_space(4)),
    f("any", R(MASK), 0, out=_space(4, dtype=bool)),
    f("any", R(MASK), where=R(MASK)),
    f("argmax", R(TABLE), 0, out=_space(4, dtype=np.intp)),
    f("argmax", R(OBJECTS)),
    f("argmin", R(TABLE), 0, out=_space(4, dtype=np.intp)),
    f("array_equal", R(FLOATS), R(FLOATS)),
    f("array_equiv", R(FLOATS), R(TABLE[0, 0])),
    f("average", R(TABLE), axis=0, weights=R(FLOATS[:3])),
    f("average", R(TABLE), returned=True),
    f("bincount", R(SMALL)),
    f("bincount", R(SMALL), R(FLOATS), 6),
    f("count_nonzero", R(MASK)),
    f("count_nonzero", R(TABLE), axis=0),
    f("cumprod", R(TABLE), 0, out=_space(3, 4)),
    f("cumsum", R(TABLE), 0, out=_space(3, 4)),
    f("cumulative_prod", R(TABLE), axis=0, out=_space(3, 4)),
    f("cumulative_sum", R(TABLE), axis=0, include_initial=True),
    f("cumulative_sum", R(TABLE), axis=1, out=_space(3, 4)),
    f("max", R(TABLE), 0, out=_space(4), initial=1, where=R(MASK)),
    f("mean", R(TABLE), 0, out=_space(4)),
    f("mean", R(TABLE), where=R(MASK)),
    f("min", R(TABLE), 0, out=_space(4), initial=1, where=R(MASK)),
    f("nanargmax", R(WITH_NAN[:, :1]), 0, out=_space(1, dtype=np.intp)),
    f("nanargmin", R(WITH_NAN), 0),
    f("nancumprod", R(WITH_NAN), 0, out=_space(2, 3)),
    f("nancumsum", R(WITH_NAN), 0, out=_space(2, 3)),
    f("nanmax", R(WITH_NAN), 0, out=_space(3)),
    f("nanmean", R(WITH_NAN), 0, out=_space(3)),
    f("nanmin", R(WITH_NAN), 0, out=_space(3)),
    f("nanprod", R(WITH_NAN), 0, out=_space(3)),
    f("nanstd", R(WITH_NAN), 0, out=_space(3)),
    f("nansum", R(WITH_NAN), 0, out=_space(3), where=R(WITH_NAN != 0.5)),
    f("nanvar", R(WITH_NAN), 0, out=_space(3)),
    f("prod", R(TABLE), 0, out=_space(4)),
    f("prod", R(TABLE), where=R(MASK)),
    f("ptp", R(TABLE), 0, out=_space(4)),
    f("std", R(TABLE), 0, out=_space(4)),
    f("std", R(TABLE), where=R(MASK), mean=R(np.array([[1.0]])), alone="first"),
    f("sum", R(TABLE), 0, out=_space(4)),
    f("sum", R(TABLE), where=R(MASK)),
    f("sum", R(OBJECTS)),
    f("sum", R(TABLE), 2, raises=True),
    f("sum", R(TABLE), 0, out=_space(5), raises=True),
    f("trace", R(CUBE), out=_space(4)),
    f("trapezoid", R(TABLE), R(np.arange(4.0))),
    f("var", R(TABLE), 0, out=_space(4)),
    f("var", R(TABLE), ddof=1, where=R(MASK)),
]  # fmt: skip


def _order_statistics():
    """The family with ``overwrite_input=True``, which sorts the array that it is given."""
    for name in ("median", "nanmedian"):
        yield f(name, R(TABLE))
        yield f(name, R(TABLE), 0, out=_space(4))
        yield f(name, W(TABLE), overwrite_input=True)
        yield f(name, W(TABLE), 0, None, True)
        yield f(name, R(WITH_NAN), 1, None, False, True)
    for name in ("percentile", "nanpercentile", "quantile", "nanquantile"):
        yield f(name, R(TABLE), 0.25)
        yield f(name, R(TABLE), R(np.array([0.25, 0.5])), 0, out=_space(2, 4))
        yield f(name, W(TABLE), 0.25, overwrite_input=True)
        yield f(name, W(TABLE), 0.25, 0, None, True)
        yield f(name, R(TABLE), 0.25, 1, None, False, "lower", True)
        yield f(name, R(TABLE), 0.25, weights=R(TABLE), method="inverted_cdf", axis=1)


SEARCHING = [
    f("argpartition", R(FLOATS), 2),
    f("argsort", R(FLOATS)),
    f("argsort", R(RECORDS), order="b"),
    f("argwhere", R(MASK)),
    f("digitize", R(FLOATS), R(np.array([0.2, 0.4, 0.6]))),
    f("ediff1d", R(FLOATS), R(ZERO_D), R(ZERO_D)),
    f("flatnonzero", R(MASK)),
    f("in1d", R(INTS), R(SMALL)),
    f("intersect1d", R(INTS), R(SMALL)),
    f("intersect1d", R(INTS), R(SMALL), return_indices=True),
    f("isin", R(INTS), R(SMALL)),
    f("lexsort", (R(FLOATS), R(SMALL))),
    f("lexsort", R(TABLE)),
    f("nonzero", R(MASK)),
    f("partition", R(FLOATS), 2),
    f("searchsorted", R(np.arange(9.0)), R(FLOATS)),
    f("searchsorted", R(FLOATS), 0.3, "right", R(np.argsort(FLOATS))),
    f("setdiff1d", R(INTS), R(SMALL)),
    f("setxor1d", R(INTS), R(SMALL)),
    f("sort", R(FLOATS)),
    f("sort", R(TABLE), axis=None),
    f("sort", R(OBJECTS)),
    f("sort_complex", R(COMPLEX)),
    f("union1d", R(INTS), R(SMALL)),
    f("unique", R(SMALL)),
    f("unique", R(INT_TABLE), True, True, True, 0),
    f("unique_all", R(SMALL)),
    f("unique_counts", R(SMALL)),
    f("unique_inverse", R(SMALL)),
    f("unique_values", R(SMALL)),
    f("sort", R(np.array([1, "a"], object)), raises=True),
]

MATHEMATICS = [
    f("angle", R(COMPLEX), deg=True),
    f("apply_along_axis", np.sum, 0, R(TABLE)),
    f("apply_over_axes", np.sum, R(CUBE), [0, 2]),
    f("around", R(FLOATS), 1, out=_space(6)),
    f("clip", R(FLOATS), R(OTHERS / 2), R(OTHERS), out=_space(6)),
    f("clip", R(FLOATS), 0.25, 0.5),
    f("convolve", R(FLOATS), R(OTHERS[:3])),
    f("corrcoef", R(TABLE), R(TABLE[::-1])),
    f("correlate", R(FLOATS), R(OTHERS), "full"),
    f("cov", R(TABLE), R(TABLE[::-1]), fweights=R(INTS[:4]), aweights=R(FLOATS[:4])),
    f("cross", R(SQUARE), R(SQUARE[::-1])),
    f("diff", R(FLOATS), prepend=R(ZERO_D), append=R(ZERO_D)),
    f("dot", R(SQUARE), R(SQUARE[::-1]), out=_space(3, 3)),
    f("dot", R(FLOATS), OTHERS),
    f("einsum", "ij,jk->ik", R(SQUARE), R(TABLE), out=_space(3, 4)),
    f("einsum", "ij,jk,kl", R(SQUARE), R(SQUARE), R(SQUARE), optimize=True),
    f("einsum", R(SQUARE), [0, 1], [1, 0]),
    f("fix", R(TABLE), out=_space(3, 4)),
    f("gradient", R(FLOATS), R(np.arange(6.0))),
    f("gradient", R(TABLE), axis=1),
    f("histogram", R(FLOATS), 3, weights=R(OTHERS)),
    f("histogram", R(FLOATS), R(np.array([0.0, 0.5, 1.0])), density=True),
    f("histogram2d", R(FLOATS), R(OTHERS), 2, weights=R(FLOATS)),
    f("histogram_bin_edges", R(FLOATS), 3),
    f("histogramdd", R(TABLE[:, :2]), 2, weights=R(FLOATS[:3])),
    f("i0", R(FLOATS)),
    f("inner", R(SQUARE), R(SQUARE)),
    f("interp", R(FLOATS), R(np.arange(6.0)), R(OTHERS)),
    f("isclose", R(FLOATS), R(OTHERS)),
    f("iscomplex", R(COMPLEX)),
    f("isneginf", R(FLOATS), out=_space(6, dtype=bool)),
    f("isposinf", R(FLOATS), out=_space(6, dtype=bool)),
    f("isreal", R(COMPLEX)),
    f("outer", R(FLOATS), R(OTHERS), out=_space(6, 6)),
    f("piecewise", R(FLOATS), [R(FLOATS < 0.5), R(FLOATS >= 0.5)], [-1, np.sqrt]),
    f("ravel_multi_index", (R(SMALL), R(SMALL)), (4, 4)),
    f("ravel_multi_index", R(SMALL.reshape(2, 3)), (4, 4)),
    f("round", R(FLOATS), 1, out=_space(6)),
    f("sinc", R(FLOATS)),
    f("tensordot", R(SQUARE), R(TABLE), 1),
    f("unravel_index", R(INTS), (3, 4)),
    f("unwrap", R(9 * FLOATS)),
    f("vdot", R(FLOATS), R(OTHERS)),
    f("interp", R(FLOATS), R(OTHERS), R(OTHERS[:3]), raises=True),
    f("einsum", "ij,jk->ik", R(SQUARE), R(FLOATS), raises=True),
    f("apply_along_axis", lambda row: 1 / 0, 0, R(TABLE), raises=True),
    f("piecewise", R(FLOATS), [FLOATS < 0.5], [lambda _: 1 / 0], raises=True),
    f("busday_count", R(DATES), R(DATES[::-1]), out=_space(3, dtype=np.int64)),
    f("busday_count", R(DATES), DATES[::-1], holidays=R(DATES[:1])),
    f("busday_offset", R(DATES), R(SMALL[:3]), "forward", out=W(np.zeros(3, "M8[D]"))),
    f("is_busday", R(DATES), out=_space(3, dtype=bool)),
    f("is_busday", R(DATES), holidays=R(DATES[:1])),
    f("datetime_as_string", R(DATES)),
    f("poly", R(FLOATS), **BY_ELEMENT),
    f("polyadd", R(FLOATS), R(OTHERS)),
    f("polyder", R(FLOATS)),
    f("polydiv", R(FLOATS), R(OTHERS[:3])),
    f("polyfit", R(FLOATS), R(OTHERS), 2, w=R(INTS)),
    f("polyint", R(FLOATS), k=1),
    f("polymul", R(FLOATS), R(OTHERS)),
    f("polysub", R(FLOATS), R(OTHERS)),
    f("polyval", R(FLOATS), R(OTHERS)),
    f("roots", R(FLOATS), **BY_ELEMENT),
    f("polynomial.polynomial.polygrid2d", R(FLOATS), R(OTHERS), R(SQUARE)),
    f("polynomial.polynomial.polyval2d", R(FLOATS), R(OTHERS), R(SQUARE)),
    f("polynomial.polynomial.polyvalnd", [R(FLOATS), R(OTHERS)], R(SQUARE)),
    *(
        f(f"lib.scimath.{name}", R(FLOATS - 0.5))
        for name in "arccos arcsin arctanh log log10 log2 sqrt".split()
    ),
    f("lib.scimath.logn", R(FLOATS + 1), R(OTHERS + 1)),
    f("lib.scimath.power", R(FLOATS - 0.5), R(OTHERS)),
]  # fmt: skip

LINEAR_ALGEBRA = [
    *(
        f(f"linalg.{name}", R(SQUARE))
        for name in """
            cholesky cond det eig eigh eigvals eigvalsh inv matrix_norm matrix_rank norm pinv qr
            slogdet svd svdvals trace vector_norm
        """.split()
    ),
    f("linalg.cross", R(SQUARE), R(SQUARE[::-1])),
    f("linalg.lstsq", R(SQUARE), R(TABLE)),
    f("linalg.matmul", R(SQUARE), R(TABLE)),
    f("linalg.matrix_power", R(SQUARE), 3),
    f("linalg.matrix_rank", R(SQUARE), R(np.array(0.1)), alone="first"),
    f("linalg.multi_dot", [R(SQUARE), R(SQUARE), R(TABLE)], out=_space(3, 4)),
    f("linalg.multi_dot", R(np.stack([SQUARE, SQUARE]))),
    f("linalg.norm", R(TABLE), 1, axis=0),
    f("linalg.outer", R(FLOATS), R(OTHERS)),
    f("linalg.solve", R(SQUARE), R(TABLE)),
    f("linalg.tensordot", R(SQUARE), R(TABLE), axes=1),
    f("linalg.tensorinv", R(SQUARE), 1),
    f("linalg.tensorsolve", R(SQUARE), R(SQUARE[0])),
    f("linalg.vecdot", R(TABLE), R(TABLE[::-1])),
    f("linalg.inv", R(np.zeros((3, 3))), raises=True),
    f("linalg.cholesky", R(-SQUARE), raises=True),
    f("linalg.inv", R(TABLE), raises=True),
]

_SQUARE = np.outer(COMPLEX, COMPLEX)
_TRANSFORMED = {
    "fft": COMPLEX, "ifft": COMPLEX, "hfft": COMPLEX, "irfft": COMPLEX, "rfft": FLOATS,
    "ihfft": FLOATS, "fft2": _SQUARE, "ifft2": _SQUARE, "fftn": _SQUARE, "ifftn": _SQUARE,
    "irfft2": _SQUARE, "irfftn": _SQUARE, "rfft2": TABLE, "rfftn": TABLE,
}  # fmt: skip


def _fourier():
    for name, values in _TRANSFORMED.items():
        result = getattr(np.fft, name)(values)
        yield f(f"fft.{name}", R(values))
        yield f(f"fft.{name}", R(values), out=W(np.zeros_like(result)))
    yield f("fft.fftshift", R(FLOATS))
    yield f("fft.ifftshift", R(FLOATS))
    yield f("fft.fft", R(COMPLEX), 0, raises=True)


_FIELDS = "lib.recfunctions"

RECORD_FUNCTIONS = [
    f(f"{_FIELDS}.append_fields", R(RECORDS), ["c"], [R(FLOATS[:3])], usemask=False),
    f(f"{_FIELDS}.append_fields", R(RECORDS), ["c"], [R(FLOATS[:3])]),
    f(f"{_FIELDS}.append_fields", R(RECORDS), "c", R(FLOATS[:3]), **BY_ELEMENT),
    f(f"{_FIELDS}.apply_along_fields", np.mean, R(PAIRS)),
    f(f"{_FIELDS}.assign_fields_by_name", W(RECORDS[:2]), R(MORE_RECORDS)),
    f(f"{_FIELDS}.assign_fields_by_name", dst=W(RECORDS[:2]), src=R(MORE_RECORDS),
      zero_unassigned=False),
    f(f"{_FIELDS}.drop_fields", R(RECORDS), "a"),
    f(f"{_FIELDS}.find_duplicates", R(RECORDS), raises=True),  # works with masked arrays alone
    f(f"{_FIELDS}.join_by", "a", R(RECORDS), R(MORE_RECORDS), usemask=False),
    f(f"{_FIELDS}.join_by", "a", R(RECORDS), R(MORE_RECORDS), "outer"),
    f(f"{_FIELDS}.merge_arrays", (R(RECORDS), R(FLOATS[:3]))),
    f(f"{_FIELDS}.merge_arrays", (R(RECORDS), R(FLOATS[:3])), flatten=True, usemask=True),
    f(f"{_FIELDS}.rec_append_fields", R(RECORDS), ["c"], [R(FLOATS[:3])]),
    f(f"{_FIELDS}.rec_drop_fields", R(RECORDS), "a"),
    f(f"{_FIELDS}.rec_join", "a", R(RECORDS), R(MORE_RECORDS)),
    f(f"{_FIELDS}.recursive_fill_fields", R(RECORDS), W(np.zeros(4, RECORDS.dtype))),
    f(f"{_FIELDS}.rename_fields", N(RECORDS), {"a": "z"}, why="a view"),
    f(f"{_FIELDS}.repack_fields", R(RECORDS[["b"]])),
    f(f"{_FIELDS}.require_fields", R(RECORDS), [("b", "f8")]),
    f(f"{_FIELDS}.stack_arrays", (R(RECORDS), R(MORE_RECORDS)), usemask=False),
    f(f"{_FIELDS}.structured_to_unstructured", R(RECORDS)),
    f(f"{_FIELDS}.structured_to_unstructured", N(PAIRS), why="a view"),
    f(f"{_FIELDS}.structured_to_unstructured", R(PAIRS), copy=True),
    f(f"{_FIELDS}.unstructured_to_structured", R(TABLE), names=list("abcd")),
]  # fmt: skip


def _written(function):
    """Return what calls `function`, which writes a file, and returns what is in the file."""

    def call(*args, **kwargs):
        file = io.BytesIO()
        function(file, *args, **kwargs)
        return file.getvalue()

    call.__name__ = function.__name__
    return call


def _loaded(content):
    with np.load(io.BytesIO(content)) as file:
        return dict(file)


FILES = [
    through("save", _written(np.save), R(TABLE)),
    through("save", _written(np.save), R(OBJECTS)),
    through("savetxt", _written(np.savetxt), R(TABLE)),
    through("savez", _written(np.savez), R(TABLE), R(FLOATS), named=R(INTS), shown=_loaded),
    through("savez_compressed", _written(np.savez_compressed), R(TABLE), b=R(FLOATS),
            shown=_loaded),
]  # fmt: skip


def _like():
    """What makes an array like another one: a LockedArray of its own."""
    numbers = [1.0, 2.0]
    for name, *args in [
        ("arange", 3), ("array", numbers), ("asanyarray", numbers), ("asarray", numbers),
        ("ascontiguousarray", numbers), ("asfortranarray", numbers), ("empty", 0), ("eye", 3),
        ("frombuffer", b"12345678"), ("fromfunction", np.add, (2, 2)), ("fromiter", numbers, float),
        ("full", 3, 7.0), ("identity", 3), ("ones", 3), ("require", numbers), ("tri", 3),
        ("zeros", 3),
    ]:  # fmt: skip
        yield f(name, *args, like=N(FLOATS), why="only its type is asked for", result="own")
    keywords = {"like": N(FLOATS), "why": "only its type is asked for", "result": "own"}
    yield f("fromstring", "1 2", sep=" ", **keywords)
    for name in ("genfromtxt", "loadtxt"):
        yield through(name, _reading(_find(name)), **keywords)
    yield through("fromfile", _from_file, **keywords)
    # What they are made of is read.
    keywords = {"like": N(FLOATS), "why": "only its type is asked for", "result": "own",
                "alone": "none"}  # fmt: skip
    for name in ("array", "asarray", "asanyarray", "ascontiguousarray", "require"):
        yield f(name, R(TABLE), np.float32, **keywords)
    yield f("full", 3, R(ZERO_D), **keywords)


def _reading(function):
    def call(like):
        return function(io.BytesIO(b"1 2\n3 4\n"), like=like)

    return call


def _from_file(like):
    with tempfile.TemporaryFile() as file:
        file.write(FLOATS.tobytes())
        file.seek(0)
        return np.fromfile(file, like=like)


# In NumPy 2.0, those of numpy.strings were no functions that can be overridden.
STRINGS = [
    *(f(f"strings.{name}", R(TEXT)) for name in "capitalize lower swapcase title upper".split()),
    *(f(f"strings.{name}", R(TEXT), 9) for name in "center ljust rjust zfill".split()),
    f("strings.decode", R(TEXT.astype("S"))),
    f("strings.encode", R(TEXT)),
    f("strings.expandtabs", R(TEXT), 4),
    f("strings.mod", R(np.array(["%d", "%x", "%o"])), R(SMALL[:3])),
    f("strings.multiply", R(TEXT), R(SMALL[:3])),
    f("strings.partition", R(TEXT), "p"),
    f("strings.replace", R(TEXT), "p", "q"),
    f("strings.rpartition", R(TEXT), "p"),
    f("strings.translate", R(TEXT), {ord("p"): "q"}),
    f("char.join", "-", R(TEXT)),
    f("char.split", R(TEXT), "p"),
    f("char.rsplit", R(TEXT), "p"),
    f("char.splitlines", R(TEXT)),
    *(
        f(f"char.{name}", R(TEXT), R(TEXT[::-1]))
        for name in "equal greater greater_equal less less_equal not_equal".split()
    ),
]


# -- all of them -----------------------------------------------------------------------------------

# Where inspect.signature does not tell: the parameters before out=, with their defaults.
_BEFORE_OUT = {np.concatenate: {"arrays": None, "axis": 0}, np.dot: {"a": None, "b": None}}
# The parameter before their out= takes no None, and goes with no other parameter.
_OUT_BY_NAME = {np.busday_offset, np.busday_count, np.is_busday}


def _before_out(function, number_given):
    """Return the parameters between the given ones and out=; None if out= has no position."""
    if function in _OUT_BY_NAME:
        return None
    if function in _BEFORE_OUT:
        return dict(list(_BEFORE_OUT[function].items())[number_given:])
    defaults = {}
    for number, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            return None
        if parameter.name == "out":
            return defaults
        if number >= number_given:
            defaults[parameter.name] = parameter.default
    return None


def _by_position(entry):
    """Return `entry`, which has out= by name, with out= by position; None where it has none."""
    if not isinstance(entry.kwargs.get("out"), Operand):
        return None
    defaults = _before_out(entry.function, len(entry.args))
    if defaults is None:
        return None
    kwargs = dict(entry.kwargs)
    out = kwargs.pop("out")
    given = [kwargs.pop(name, default) for name, default in defaults.items()]
    return dataclasses.replace(entry, args=(*entry.args, *given, out), kwargs=kwargs)


def _all():
    tables = [
        COPYING, VIEWS, METADATA, WRITING, REDUCTIONS, _order_statistics(), SEARCHING,
        MATHEMATICS, LINEAR_ALGEBRA, _fourier(), RECORD_FUNCTIONS, FILES, _like(), STRINGS,
    ]  # fmt: skip
    dispatched = all_functions()
    for entry in (entry for table in tables for entry in table if entry is not None):
        if entry.covers and not entry.covers & dispatched:
            continue
        yield entry
        by_position = _by_position(entry)
        if by_position is not None:
            yield by_position


FUNCTIONS = list(_all())
