"""How an index of an array in blocks along its first axis becomes an index for each block.

Only the first axis is split, so only one item of an index has to be changed: the one that picks
rows.  The others go to every block as they are, unless they are broadcast together with it.

NumPy itself says what it refuses: the index is tried on a stand-in, an array of the same shape
whose items have no bytes.  For an index with arrays in it, the axes that are sliced are cut to one
item first: their length changes no answer, and to go through as many items as the true result has
would take long.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Part", "Split", "gathered", "operand_for", "split"]

_ALL = slice(None)


class Part(NamedTuple):
    """What one block does of an operation."""

    block: int
    index: Any
    """For that block."""
    place: Any
    """Where in the whole result this part's belongs: ``result[place] = part``."""


class Split(NamedTuple):
    """An operation over blocks.  It has a part always: what picks nothing goes to one block."""

    shape: tuple[int, ...]
    """Of the whole result."""
    is_scalar: bool
    """The index names one element."""
    parts: list[Part]


class _Plan(NamedTuple):
    """What is known of an index before the blocks are looked at."""

    items: tuple[Any, ...]
    shape: tuple[int, ...]
    """Of the whole result."""
    is_scalar: bool
    first: int
    """The item that picks rows, or where a slice of all rows would have to be put."""
    rows: Any
    """What picks rows: an int, slice, array of integers or mask; None: a slice is to be put."""
    axis: int
    """Of the result: the first one that `rows` makes."""
    broadcast: tuple[int, ...]
    """The shape that the arrays among the items have together; () if there are none."""

    def with_rows(self, rows: Any) -> Any:
        """Return the index with other rows."""
        rest = self.items[self.first + (self.rows is not None) :]
        index = (*self.items[: self.first], rows, *rest)
        return index[0] if len(index) == 1 else index


def split(
    index: Any, shape: tuple[int, ...], starts: Sequence[int], dtype: np.dtype[Any] | None = None
) -> Split:
    """Return what each block has to do for an index of the whole array.

    Parameters
    ----------
    index
        Anything that NumPy takes as an index: also names of fields, masks, lists, `numpy.ix_`.
    shape
        Of the whole array.
    starts
        The first row of each block, ascending from 0; the last one ends at ``shape[0]``.  Blocks
        may be empty.
    dtype
        Of the array; needed for names of fields.

    Returns
    -------
    Split
        What lies in one block is one part, whose place is ``...``.  If there is only one block,
        its index is the very one that was given; should NumPy refuse it, that is left to the
        owner, who knows what shape the array has by then, and the shape is ().

    Raises
    ------
    IndexError, TypeError, ValueError, KeyError
        What NumPy raises for such an index, if there are several blocks.
    """
    if len(starts) == 1:
        return _unsplit(index, shape, dtype)
    if _names_fields(index):
        return _split_fields(index, shape, starts, dtype)
    plan = _plan(index, shape)
    rows = _ALL if plan.rows is None else plan.rows
    if type(rows) is int:
        parts = _one_row(plan, rows, shape[0], starts)
    elif type(rows) is slice:
        parts = _sliced(plan, range(*rows.indices(shape[0])), shape[0], starts)
    elif rows.dtype == bool:
        parts = _masked(plan, rows, shape[0], starts)
    else:
        parts = _listed(plan, rows, shape[0], starts)
    return Split(plan.shape, plan.is_scalar, parts)


def operand_for(value: Any, split: Split, part: Part, dtype: np.dtype[Any] | None = None) -> Any:
    """Return what one part needs of an operand of the whole operation.

    That is the operand itself if it is the same for all parts, or if there is only one part: then
    its owner says what does not fit.

    Parameters
    ----------
    value
        Anything that broadcasts to the whole result.
    split, part
        The operation, and the part of it.
    dtype
        Of the result, if the value is to be stored: what is not an array is converted to it as
        NumPy does, so that a tuple may be one item of a structured array.  None: the operand of
        an operator, which has a dtype of its own.

    Raises
    ------
    ValueError
        The operand does not broadcast to the shape of the result.
    """
    if part.place is ...:
        return value
    array = value if isinstance(value, np.ndarray) else np.asarray(value, dtype)
    if array.ndim == 0:
        return value
    extra = max(array.ndim - len(split.shape), 0)
    # More axes in front are kept: NumPy takes them in some places, and the owner says in which.
    whole = (1,) * extra + split.shape
    if any(n not in (1, m) for n, m in zip(array.shape[::-1], whole[::-1], strict=False)):
        raise ValueError(
            f"could not broadcast input array from shape {array.shape} into shape {split.shape}"
        )
    axis = sum(isinstance(where, slice) and where == _ALL for where in part.place)
    picking = part.place[axis:]
    at = axis + array.ndim - len(split.shape)
    if len(picking) > 1:
        if at + len(picking) <= 0:
            return array
        return np.broadcast_to(array, whole)[(_ALL,) * (axis + extra) + picking]
    if at < 0 or array.shape[at] == 1:
        return array
    return array[(_ALL,) * at + picking]


def gathered(split: Split, results: Sequence[Any], dtype: np.dtype[Any] | None = None) -> Any:
    """Return the result of the whole operation, of those of its parts.

    Its dtype is theirs; `dtype` is for results that are no arrays and have none.
    """
    if split.parts[0].place is ...:
        return results[0]
    whole = np.empty(split.shape, getattr(results[0], "dtype", dtype))
    for part, result in zip(split.parts, results, strict=True):
        whole[part.place] = result
    return whole


def _unsplit(index: Any, shape: tuple[int, ...], dtype: np.dtype[Any] | None) -> Split:
    """Return an operation of one block."""
    parts = [Part(0, index, ...)]
    try:
        if _names_fields(index):
            return Split(_stand_in(shape, dtype)[index].shape, False, parts)
        plan = _plan(index, shape)
    except (IndexError, TypeError, ValueError, KeyError):
        return Split((), False, parts)
    return Split(plan.shape, plan.is_scalar, parts)


def _names_fields(index: Any) -> bool:
    """Return whether an index is a field's name, or a list of names."""
    if isinstance(index, list):
        return bool(index) and all(isinstance(name, str) for name in index)
    return isinstance(index, str)


def _split_fields(
    index: Any, shape: tuple[int, ...], starts: Sequence[int], dtype: np.dtype[Any] | None
) -> Split:
    """Split what takes fields of all rows: each block does the same."""
    whole = _stand_in(shape, dtype)[index].shape
    stops = (*starts[1:], shape[0])
    rows = [(block, *ends) for block, ends in enumerate(zip(starts, stops, strict=True))]
    parts = [Part(block, index, (slice(low, high),)) for block, low, high in rows if low < high]
    if len(parts) < 2:
        parts = [Part(parts[0].block if parts else 0, index, ...)]
    return Split(whole, False, parts)


@lru_cache(maxsize=256)
def _stand_in(shape: tuple[int, ...], dtype: np.dtype[Any] | None = None) -> Any:
    """Return an array of any shape that takes no memory; without a dtype, nor do copies of it."""
    return np.broadcast_to(np.zeros((), "V0" if dtype is None else dtype), shape)


# What an index is made of.


def _plan(index: Any, shape: tuple[int, ...]) -> _Plan:
    """Read an index; raise what NumPy raises for it."""
    items = tuple(map(_item, index)) if isinstance(index, tuple) else (_item(index),)
    for item in items:
        if not (type(item) in (int, slice) or item is ... or item is None):
            return _plan_with_arrays(items, shape)
    result = _stand_in(shape)[items]
    first, rows, axis = _first(items, len(shape))
    return _Plan(items, result.shape, type(result) is np.void, first, rows, axis, ())


def _item(item: Any) -> Any:
    """Return an item of an index as an int, slice, Ellipsis, None or array, as NumPy takes it.

    What is none of these is returned as it is, for NumPy to refuse it in its own words.
    """
    if type(item) is int or type(item) is slice or item is ... or item is None:
        return item
    if not isinstance(item, (bool, np.bool, np.ndarray)):
        try:
            return operator.index(item)
        except TypeError:
            pass
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray):
        return array.astype(np.intp)  # [] is a list of no integers, not of no floats
    if array.dtype.kind in "iu":
        return int(array) if array.ndim == 0 else array
    return array if array.dtype == bool else item


def _first(items: tuple[Any, ...], ndim: int) -> tuple[int, Any, int]:
    """Return which item picks rows, what it is, and how many axes None makes before it."""
    axes = 0
    for at, item in enumerate(items):
        if item is None:
            axes += 1
        elif item is ...:
            if sum(map(_consumed, items)) < ndim:
                return at, None, axes
        elif _consumed(item):
            return at, item, axes
    return len(items), None, axes


def _consumed(item: Any) -> int:
    """Return how many axes an item is for, if it is no Ellipsis."""
    if item is None or item is ...:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1


def _plan_with_arrays(items: tuple[Any, ...], shape: tuple[int, ...]) -> _Plan:
    """Read an index that has arrays in it, or what NumPy refuses.

    Integers count as arrays then.  Where all arrays stand side by side, their axes in the result do
    so in their place; else they come first (NumPy's "Combining advanced and basic indexing").
    """
    skipped = len(shape) - sum(map(_consumed, items))
    if skipped < 0 or sum(item is ... for item in items) > 1:
        return _stand_in(shape)[items]  # raises IndexError
    arrays: list[int] = []  # which items they are
    lengths: list[int] = []  # of the result's other axes
    before = 0  # how many of these come before the first array
    small: list[int] = []  # the stand-in's shape
    trial: list[Any] = []
    for at, item in enumerate(items):
        span = shape[len(small) : len(small) + (skipped if item is ... else _consumed(item))]
        if item is None:
            lengths.append(1)
        elif item is ... or type(item) is slice:
            if item is not ...:
                span = (len(range(*item.indices(span[0]))),)
                item = _ALL
            lengths.extend(span)
            span = tuple(min(length, 1) for length in span)
        else:
            before = before if arrays else len(lengths)
            arrays.append(at)
        small.extend(span)
        trial.append(item)
    rest = shape[len(small) :]
    small.extend(min(length, 1) for length in rest)
    lengths.extend(rest)

    found = _stand_in(tuple(small))[tuple(trial)].shape
    if arrays[-1] - arrays[0] >= len(arrays):
        before = 0
    broadcast = found[before : before + len(found) - len(lengths)]
    whole = (*lengths[:before], *broadcast, *lengths[before:])
    first, rows, axis = _first(items, len(shape))
    if rows is None or type(rows) is slice:
        axis += len(broadcast) if before <= axis else 0
    else:
        axis = before
    return _Plan(items, whole, False, first, rows, axis, broadcast)


# What each block does.


def _block_of(row: int, starts: Sequence[int]) -> int:
    """Return which block a row is in: the last of those that begin there, the others are empty."""
    return bisect_right(starts, row) - 1


def _one_row(plan: _Plan, row: int, length: int, starts: Sequence[int]) -> list[Part]:
    """Split an index whose rows are an int."""
    if row < 0:
        row += length
    block = _block_of(row, starts)
    return [Part(block, plan.with_rows(row - starts[block]), ...)]


def _sliced(plan: _Plan, rows: range, length: int, starts: Sequence[int]) -> list[Part]:
    """Split an index whose rows are a slice."""
    if not rows:
        return [Part(0, plan.with_rows(slice(0, 0)), ...)]
    first, last = _block_of(rows[0], starts), _block_of(rows[-1], starts)
    if first == last:
        return [Part(first, plan.with_rows(_slice_of(rows, starts[first])), ...)]
    parts = []
    begin = 0
    for block in range(first, last + 1) if first < last else range(first, last - 1, -1):
        furthest = starts[block]
        if rows.step > 0:
            furthest = (starts[block + 1] if block + 1 < len(starts) else length) - 1
        end = min((furthest - rows.start) // rows.step + 1, len(rows))
        if begin < end:
            local = _slice_of(rows[begin:end], starts[block])
            place = (_ALL,) * plan.axis + (slice(begin, end),)
            parts.append(Part(block, plan.with_rows(local), place))
            begin = end
    return parts


def _slice_of(rows: range, start: int) -> slice:
    """Return the slice that picks these rows of a block that begins at `start`."""
    stop = rows[-1] - start + (1 if rows.step > 0 else -1)
    step = None if rows.step == 1 else rows.step
    return slice(rows[0] - start, stop if stop >= 0 else None, step)


def _masked(plan: _Plan, mask: Any, length: int, starts: Sequence[int]) -> list[Part]:
    """Split an index whose rows are a mask."""
    others = plan.items[: plan.first] + plan.items[plan.first + 1 :]
    if any(not (item is None or item is ... or type(item) is slice) for item in others):
        items, rows = _without_masks(plan)
        return _listed(plan._replace(items=items, rows=rows), rows, length, starts)
    parts = []
    begin = 0
    for block, start in enumerate(starts):
        stop = starts[block + 1] if block + 1 < len(starts) else length
        local = mask[start:stop]
        count = int(np.count_nonzero(local))
        if count:
            place = (_ALL,) * plan.axis + (slice(begin, begin + count),)
            parts.append(Part(block, plan.with_rows(local), place))
            begin += count
    if len(parts) == 1:
        return [parts[0]._replace(place=...)]
    return parts or [Part(0, plan.with_rows(mask[: starts[1]]), ...)]


def _without_masks(plan: _Plan) -> tuple[tuple[Any, ...], Any]:
    """Return the items, and the rows, with arrays of integers for masks.

    A mask without axes stays: it is for no axis, and its shape is (1,) or, of False, (0,).
    """
    items: list[Any] = []
    for item in plan.items:
        is_mask = isinstance(item, np.ndarray) and item.dtype == bool and item.ndim > 0
        items.extend(item.nonzero() if is_mask else (item,))
    return tuple(items), items[plan.first]


def _listed(plan: _Plan, rows: Any, length: int, starts: Sequence[int]) -> list[Part]:
    """Split an index whose rows are an array of integers."""
    if 0 in plan.broadcast:
        # NumPy does not look at numbers that are broadcast to nothing: those of other blocks do.
        return [Part(0, plan.with_rows(rows), ...)]
    rows = rows.astype(np.intp)
    rows[rows < 0] += length
    blocks = np.searchsorted(starts, rows, side="right") - 1
    used = np.unique(blocks).tolist()
    if len(used) == 1:
        return [Part(used[0], plan.with_rows(rows - starts[used[0]]), ...)]
    items, _ = _without_masks(plan)
    plan = plan._replace(items=items)
    return [_picked(plan, rows - starts[block], blocks == block, block) for block in used]


def _picked(plan: _Plan, rows: Any, chosen: Any, block: int) -> Part:
    """Return the part of one block, whose rows are those that are `chosen`.

    Where the rows differ along one axis only, as those of a list and of `numpy.ix_` do, what is
    chosen is so along that axis, and the other arrays keep their other axes.  Else it has no shape:
    all arrays are broadcast and become lists.
    """
    varying = [axis - rows.ndim for axis, count in enumerate(rows.shape) if count > 1]
    axis = None
    where: tuple[Any, ...]
    if len(varying) == 1:
        axis = varying[0]  # from the last, as arrays are broadcast
        where = (_simplest(np.flatnonzero(chosen)),)
        begin = plan.axis + len(plan.broadcast) + axis
    else:
        where = np.broadcast_to(chosen, plan.broadcast).nonzero()
        begin = plan.axis

    def pick(array: Any) -> Any:
        if axis is None:
            return np.broadcast_to(array, plan.broadcast)[where]
        if array.ndim < -axis or array.shape[axis] == 1:
            return array
        return array[(..., *where) + (_ALL,) * (-axis - 1)]

    is_list = [isinstance(item, np.ndarray) and item.ndim > 0 for item in plan.items]
    items = [pick(item) if yes else item for item, yes in zip(plan.items, is_list, strict=True)]
    plan = plan._replace(items=tuple(items))
    return Part(block, plan.with_rows(pick(rows)), (_ALL,) * begin + where)


def _simplest(numbers: Any) -> Any:
    """Return ascending numbers as a slice, if none is missing between them."""
    first, last = int(numbers[0]), int(numbers[-1])
    return slice(first, last + 1) if last - first + 1 == len(numbers) else numbers
