"""The roles table: which arguments each NumPy function writes; all others it reads.

A function that the table does not know is a reader, whose raw views are read-only: if it writes
after all, NumPy raises instead of racing.  ``out=`` is found by name and position in any function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from lockedarray._array.facade import Facade

__all__ = [
    "CREATORS",
    "METADATA",
    "PLAIN_JOINERS",
    "PLAIN_READERS",
    "PLAIN_WRITERS",
    "READ_ONLY_VIEWS",
    "VIEWS",
    "is_creator",
    "may_be_view",
    "plain_role",
    "role_of",
    "viewers",
    "written_by",
]


class Written(NamedTuple):
    """An argument that a function writes: its name and position, and on which condition."""

    name: str
    position: int
    condition: str | None = None  # written only if this argument ...
    condition_position: int = 0
    equals: bool = True  # ... has this truth value


def _functions(module: Any, names: str) -> list[Callable[..., Any]]:
    """The functions of `module` with these names, those that this NumPy has."""
    return [getattr(module, name) for name in names.split() if hasattr(module, name)]


WRITERS: dict[Callable[..., Any], Written] = {
    np.copyto: Written("dst", 0),
    np.put: Written("a", 0),
    np.place: Written("arr", 0),
    np.putmask: Written("a", 0),
    np.put_along_axis: Written("arr", 0),
    np.fill_diagonal: Written("a", 0),
    np.nan_to_num: Written("x", 0, "copy", 1, False),
    np.median: Written("a", 0, "overwrite_input", 3),
    np.nanmedian: Written("a", 0, "overwrite_input", 3),
    np.percentile: Written("a", 0, "overwrite_input", 4),
    np.nanpercentile: Written("a", 0, "overwrite_input", 4),
    np.quantile: Written("a", 0, "overwrite_input", 4),
    np.nanquantile: Written("a", 0, "overwrite_input", 4),
}

# What inspect.signature cannot tell of functions in C, in NumPy 2.0.
_OUT_IN_C: dict[Callable[..., Any], int] = {
    np.concatenate: 2,
    np.dot: 2,
    np.busday_offset: 6,
    np.busday_count: 5,
    np.is_busday: 4,
}

VIEWS = frozenset(
    _functions(
        np,
        "reshape ravel transpose matrix_transpose permute_dims swapaxes moveaxis rollaxis squeeze "
        "expand_dims atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays split "
        "array_split hsplit vsplit dsplit unstack flip fliplr flipud rot90 real imag diagonal diag "
        "ix_ meshgrid",
    )
    + _functions(np.linalg, "diagonal matrix_transpose")
    + _functions(np.lib.stride_tricks, "sliding_window_view")
)
"""Functions that return views where they can; see `may_be_view`, which knows of a few more."""

# Those of numpy.lib.recfunctions, by name: few import it, and with it comes numpy.ma.
_RECORDS = "numpy.lib.recfunctions"
_WRITERS_OF_RECORDS = {
    "assign_fields_by_name": Written("dst", 0),
    "recursive_fill_fields": Written("output", 1),
}
_VIEWS_OF_RECORDS = frozenset(("rename_fields", "structured_to_unstructured"))

READ_ONLY_VIEWS = frozenset(
    _functions(np, "diagonal diag broadcast_to")
    + _functions(np.linalg, "diagonal")
    + _functions(np.lib.stride_tricks, "sliding_window_view")
)
"""Functions whose views NumPy documents as read-only."""

METADATA = frozenset(
    _functions(
        np,
        "shape ndim size result_type can_cast common_type iscomplexobj isrealobj may_share_memory "
        "shares_memory empty_like zeros_like ones_like einsum_path diag_indices_from "
        "tril_indices_from triu_indices_from",
    )
)
"""Functions that look at shapes and dtypes alone, and wait for no lock."""

PLAIN_READERS = {
    function: most
    for most, functions in {
        1: _functions(
            np,
            "all amax amin any argmax argmin argpartition argsort argwhere around average copy "
            " corrcoef count_nonzero cov cumprod cumsum diff ediff1d flatnonzero gradient "
            "histogram max mean median min nanargmax nanargmin nancumsum nanmax nanmean nanmedian "
            "nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar nonzero pad partition "
            "percentile prod ptp quantile roll round sort std sum tile trace trapezoid tril "
            "triu unique var",
        )
        + _functions(
            np.linalg,
            "cholesky cond det eig eigh eigvals eigvalsh inv matrix_power matrix_rank norm pinv "
            "qr slogdet svd",
        ),
        2: _functions(
            np,
            "allclose array_equal compress cross digitize dot inner intersect1d "
            "isclose isin kron outer searchsorted setdiff1d take_along_axis tensordot "
            "union1d vdot",
        )
        + _functions(np.linalg, "lstsq solve"),
        3: _functions(np, "clip where"),
        4: _functions(np, "einsum"),
    }.items()
    for function in functions
}
"""Functions that a core may call by itself, and how many of their first arguments may be
LockedArrays: those are read.  Nothing is written but ``out=``, if the other arguments are
numbers, texts, dtypes, tuples of integers or plain arrays, and ``overwrite_input`` is not given.
"""

PLAIN_WRITERS = {np.copyto: 2}
"""The same, but they write the first argument."""

PLAIN_JOINERS = dict.fromkeys(
    _functions(np, "concatenate stack hstack vstack column_stack dstack"), 1
)
"""The same, but the first argument is a list or tuple of arrays, which are read."""

NAMED_OUT = (np.maximum, np.minimum)
"""Ufuncs that warn of ``out`` in the third place (NumPy 2.4)."""

METHODS = frozenset(_functions(np, "astype"))
"""Functions that are a method of the same name."""

FIRST_IS_METADATA = frozenset(_functions(np, "full_like min_scalar_type"))
"""Functions that look at the shape and dtype alone of their first argument, unless it is 0-d."""

OF_SEVERAL = frozenset("atleast_1d atleast_2d atleast_3d broadcast_arrays meshgrid ix_".split())
"""Functions that view each array; the others read what is not the first: a shape, or axes."""

_DOES_SEVERAL = 256
_DOES_METADATA, _DOES_FIRST, _DOES_READ_ONLY, _DOES_CONTIGUOUS = 1, 2, 4, 8
_DOES_VECTORS, _DOES_COPIES, _DOES_NEVER_COPY, _DOES_FLATTEN = 16, 32, 64, 128
"""What a core is told of these functions; the same numbers as in ``view_function.h``."""

NEVER_COPY = frozenset(
    "transpose matrix_transpose permute_dims swapaxes moveaxis rollaxis squeeze expand_dims "
    "atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays split array_split hsplit "
    "vsplit dsplit unstack flip fliplr flipud rot90 diagonal getfield sliding_window_view".split()
)
"""Names of functions and methods that make nothing but views of the arrays that they are given."""

_COPYING: dict[Callable[..., Any], int] = {
    np.reshape: _DOES_CONTIGUOUS,
    np.ravel: _DOES_CONTIGUOUS | _DOES_FLATTEN,
    **dict.fromkeys(_functions(np, "diag unstack"), _DOES_VECTORS),
    np.meshgrid: _DOES_COPIES,
}


def viewers() -> dict[Callable[..., Any], tuple[Callable[..., Any], int]]:
    """Return how a core calls each function that waits for no lock, and what it does.

    It calls them on plain arrays, so that NumPy need not look for others that override them.
    """
    found = {}
    for function in METADATA | FIRST_IS_METADATA | VIEWS:
        does = _COPYING.get(function, 0)
        if function in METADATA:
            does |= _DOES_METADATA
        if function in FIRST_IS_METADATA:
            does |= _DOES_METADATA | _DOES_FIRST
        if function in READ_ONLY_VIEWS:
            does |= _DOES_READ_ONLY
        if function.__name__ in NEVER_COPY:
            does |= _DOES_NEVER_COPY
        if function.__name__ in OF_SEVERAL:
            does |= _DOES_SEVERAL
        found[function] = getattr(function, "_implementation", function), does
    return found


CREATORS = frozenset(
    "arange array asarray asanyarray ascontiguousarray asfortranarray empty eye frombuffer "
    "fromfile fromfunction fromiter fromstring full genfromtxt identity loadtxt ones require tri "
    "zeros".split()
)
"""Names of the functions with ``like=``, through which alone they reach us."""


def is_creator(function: Callable[..., Any]) -> bool:
    """Whether `function` was called with ``like=`` and is to make a LockedArray."""
    return function.__name__ in CREATORS and function.__module__ == "numpy"


_COPY_READ_ONLY = frozenset(
    _functions(np, "interp bincount convolve correlate take put repeat choose")
)
"""They write nothing but what they make, and NumPy's C code copies read-only arrays for them."""


def plain_role(
    function: Callable[..., Any],
) -> tuple[str, int, str | None, int, int, bool] | None:
    """Return what a core has to know of a function to call it by itself; None: it may not.

    Returns
    -------
    name, position : str and int
        Which argument it writes; "" for none.
    condition, condition_position : str or None, and int
        Only if this argument is given does it write that, or not.
    out : int
        The position of ``out``, or -1.
    copies_read_only : bool
        Whether NumPy's C code copies its arguments unless they can be written.
    """
    special = (METADATA, METHODS, FIRST_IS_METADATA)
    if any(function in functions for functions in special):
        return None
    if may_be_view(function) or is_creator(function):
        return None
    role = role_of(function) or Written("", -1)
    out = _position_of_out(function)
    position = -1 if out is None else out
    copies = function in _COPY_READ_ONLY
    return role.name, role.position, role.condition, role.condition_position, position, copies


def role_of(function: Callable[..., Any]) -> Written | None:
    """Return which argument `function` writes, its ``out=`` apart; None: it reads all."""
    if getattr(function, "__module__", None) == _RECORDS:
        return _WRITERS_OF_RECORDS.get(function.__name__)
    return WRITERS.get(function)


def may_be_view(function: Callable[..., Any]) -> bool:
    """Whether `function` returns views where it can: those are made without waiting for a lock."""
    if getattr(function, "__module__", None) == _RECORDS:
        return function.__name__ in _VIEWS_OF_RECORDS
    return function in VIEWS


def written_by(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> set[int]:
    """Return the ``id`` of each LockedArray that the call writes."""
    written: set[int] = set()
    for argument in _written_arguments(function, args, kwargs):
        for item in argument if isinstance(argument, (tuple, list)) else (argument,):
            if isinstance(item, Facade):
                written.add(id(item))
    return written


def _written_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Any]:
    role = role_of(function)
    if role is not None and _applies(role, args, kwargs):
        argument = _argument(args, kwargs, role.name, role.position)
        # What may overwrite its input copies it now and then: NumPy says whether it would write.
        if role.condition != "overwrite_input" or not _is_read_only_view(argument):
            yield argument
    if "out" in kwargs:
        yield kwargs["out"]
    else:
        position = _position_of_out(function)
        if position is not None and position < len(args):
            yield args[position]


def _is_read_only_view(argument: Any) -> bool:
    return isinstance(argument, Facade) and not argument._may_write


def _applies(role: Written, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if role.condition is None:
        return True
    value = _argument(args, kwargs, role.condition, role.condition_position, not role.equals)
    return bool(value) is role.equals


def _argument(
    args: tuple[Any, ...], kwargs: dict[str, Any], name: str, position: int, default: Any = None
) -> Any:
    if name in kwargs:
        return kwargs[name]
    return args[position] if position < len(args) else default


_positions: dict[Callable[..., Any], int | None] = dict(_OUT_IN_C)


def _position_of_out(function: Callable[..., Any]) -> int | None:
    try:
        return _positions[function]
    except KeyError:
        pass
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    position = None
    for i, parameter in enumerate(parameters):
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        if parameter.name == "out":
            position = i
    _positions[function] = position
    return position
