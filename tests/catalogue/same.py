"""Whether what an operation did to LockedArrays is what it does to plain arrays."""

from __future__ import annotations

import numpy as np

import lockedarray as la

__all__ = ["check_same"]


def check_same(ours_call, ours, theirs_call, theirs):
    """Fail unless both calls did the same: result or exception, and what is in the arrays.

    Views must be LockedArrays on the memory and under the lock of the array that they show,
    and new memory plain.
    """
    _check_errors(ours, theirs)
    operation = ours_call.operation
    pairs = [(ours_call.arrays[root], theirs_call.arrays[root]) for root in operation.roots]
    ours_value, theirs_value = ours.value, theirs.value
    if operation.shown is not None and theirs.error is None:
        ours_value, theirs_value = operation.shown(ours_value), operation.shown(theirs_value)
    _check_value(ours_value, theirs_value, pairs, operation.result, "the result")
    for number, (locked, plain) in enumerate(pairs):
        _check_content(locked, plain, f"array {number} afterwards")
        if isinstance(locked, la.LockedArray):
            assert not locked.flags.writeable, f"array {number} was left writable"


def _check_errors(ours, theirs):
    if theirs.error is None and ours.error is None:
        return
    if theirs.error is None:
        raise AssertionError("it raised, and NumPy does not") from ours.error
    assert ours.error is not None, f"it returned {ours.value!r}; NumPy raises {theirs.error!r}"
    if type(ours.error) is not type(theirs.error):
        raise AssertionError(
            f"it raised {ours.error!r}; NumPy raises {theirs.error!r}"
        ) from ours.error


def _check_value(ours, theirs, pairs, result, what):
    for our_array, plain in pairs:
        if theirs is plain and result == "":
            assert ours is our_array, f"{what} is not the array itself but {ours!r}"
            return
    if isinstance(theirs, np.ma.MaskedArray):
        assert type(ours) is type(theirs), what
        _check_content(ours, theirs, what)  # what is masked may be anything, and is listed as None
    elif isinstance(theirs, np.ndarray):
        _check_kind(ours, theirs, pairs, result, what)
        _check_content(ours, theirs, what)
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs), f"{what} is of {type(ours)}, not {type(theirs)}"
        assert len(ours) == len(theirs), f"{what} is of length {len(ours)}, not {len(theirs)}"
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            _check_value(one, other, pairs, result, f"item {number} of {what}")
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), what
        for key in theirs:
            _check_value(ours[key], theirs[key], pairs, result, f"{what} at {key!r}")
    elif isinstance(theirs, np.void):  # a record, which has a class of its own
        assert isinstance(ours, type(theirs)), f"{what} is of {type(ours)}"
        assert ours.dtype == theirs.dtype, f"{what} is of {ours.dtype}, not {theirs.dtype}"
        assert repr(ours.item()) == repr(theirs.item()), what
    else:
        assert type(ours) is type(theirs), f"{what} is of {type(ours)}, not {type(theirs)}"
        _check_equal(ours, theirs, what)


def _check_equal(ours, theirs, what):
    if isinstance(theirs, np.generic):
        assert ours.dtype == theirs.dtype, f"{what} is of {ours.dtype}, not {theirs.dtype}"
        ours, theirs = ours.item(), theirs.item()
    assert ours is theirs or ours == theirs or repr(ours) == repr(theirs), (
        f"{what} is {ours!r}, not {theirs!r}"
    )


def _check_kind(ours, theirs, pairs, result, what):
    """Views show the same part of the same Buffer; what is new is plain."""
    for our_array, plain in pairs:
        if _owner(theirs) is not plain or result == "own":
            continue
        if isinstance(our_array, la.LockedArray) and result != "alias":
            assert type(ours) is la.LockedArray, f"{what} is a view of {type(ours)}"
            assert ours.lock is our_array.lock, f"{what} is a view under another lock"
            assert ours.base is our_array, f"{what} is a view of another array"
            assert not ours.flags.writeable, f"{what} is writable without the lock"
            _check_may_write(ours, theirs.flags.writeable, what)
        else:
            assert type(ours) is type(theirs), f"{what} is of {type(ours)}, not {type(theirs)}"
            assert not (isinstance(our_array, la.LockedArray) and ours.flags.writeable), (
                f"{what}, an alias, is writable"
            )
        offsets = [_address(ours) - _address(our_array), _address(theirs) - _address(plain)]
        assert offsets[0] == offsets[1] or not theirs.size, f"{what} is a view of another part"
        assert ours.strides == theirs.strides, f"{what} is a view with other strides"
        return
    if result == "own":
        assert type(ours) is la.LockedArray, f"{what} is of {type(ours)}"
        assert ours.base is None, f"{what} is a view"
        locks = [array.lock for array, _ in pairs if isinstance(array, la.LockedArray)]
        assert ours.lock not in locks, f"{what} is under the lock of an argument"
    else:
        assert type(ours) is type(theirs), f"{what} is of {type(ours)}, not {type(theirs)}"
        assert ours.flags.writeable == theirs.flags.writeable, f"{what}: its WRITEABLE flag"
        assert ours.strides == theirs.strides, f"{what} has strides {ours.strides}"
    for our_array, _ in pairs:
        assert not np.may_share_memory(ours, our_array), f"{what} is not new memory"


def _check_may_write(ours, writeable, what):
    try:
        with ours.write():
            may_write = True
    except ValueError:
        may_write = False
    assert may_write is writeable, f"{what} may {'' if may_write else 'not '}be written"


def _check_content(ours, theirs, what):
    assert ours.dtype == theirs.dtype, f"{what} is of {ours.dtype}, not {theirs.dtype}"
    assert ours.shape == theirs.shape, f"{what} is of shape {ours.shape}, not {theirs.shape}"
    ours = ours.snapshot() if isinstance(ours, la.LockedArray) else ours
    if type(ours) is np.ndarray is type(theirs) and not theirs.dtype.hasobject:
        if ours.tobytes() == theirs.tobytes():  # to print records with subarrays takes long
            return
    ours, theirs = repr(ours.tolist()), repr(theirs.tolist())
    assert ours == theirs, f"{what} holds {ours}, not {theirs}"


def _owner(array):
    while getattr(array, "base", None) is not None:  # stride_tricks has bases that are no arrays
        array = array.base
    return array


def _address(array):
    return array.__array_interface__["data"][0]
