"""What programs leave out, each with the reason."""

from __future__ import annotations

import ast
import re

import numpy as np

__all__ = ["RULES", "excluded"]

RULES = {
    "at-misfits": "ufunc.at of NumPy crashes where the values are more than its index selects, and before "
    "2.5 it writes to what is read-only",
    "half-done": "NumPy's side may be half changed by a line that raises: where ours is as before, the program ends",
    "onto-itself": "np.copyto, np.concatenate and round of NumPy do not look at the flag of what they would copy "
    "onto itself",
    "array-in-itself": "an array that is stored in itself comes out as a LockedArray, which it is",
    "of-the-loop": "whether NaN in np.minimum and np.maximum are warned of depends on the loop that NumPy takes",
    "addresses": "the bytes of objects are addresses",
    "objects-out": "np.any(a, axis=0, out=a) of a 0-d object array uses an object that NumPy has let go of",
    "einsum-of-nothing": "einsum('ii->i') of shape (0, 3) shows memory that is not the array's",
    "text-arena": "NumPy itself, with a plain StringDType array, crashes in flat = other, put, place and "
    "byteswap and flat[1:], and hangs in a[i] = a: only what is known to be safe is done with one",
    "flat-objects": "NumPy's a.flat = array lets go of objects before it takes them, and crashes later",
    "asarray": "np.asarray(x) and what NumPy makes with it are aliases without a lock",
}
"""What stays: oddities of NumPy, and what a LockedArray promises to do otherwise."""


_SAFE_FOR_TEXT = {
    *(
        "new resize own del at.get at.set at.exchange {x}[{i}] {x}.T {x}.reshape({r}) {x}.copy({K}) {x}.tolist()".split()
    ),
    *("str({x}) list({x}) len({x}) text({x}) {x}.repeat({n}) {x}.sort()".split()),
    *(
        "np.unique({x}) np.flip({x}) np.copy({x}) np.strings.upper({x}) np.strings.str_len({x}) np.zeros_like({x})".split()
    ),
    *(
        "np.concatenate([{x}, {y}])|{x}[{i}] = {v}|{x}.fill({v})|np.copyto({x}, {e})|np.roll({x}, {k})".split(
            "|"
        )
    ),
    *(
        "{x} {p} {e}|{x}.take({j})|{x} += {e}|{x}[:] = {x}[::-1]|np.where({m}, {x}, {e})|np.putmask({x}, {m}, {e})".split(
            "|"
        )
    ),
}


_STORING = re.compile(r"^([a-z])\[.*\] = .*\b\1\b")

_COPYING = re.compile(r"concatenate\(|round\(")


def excluded(line, names):
    """Return the name of the rule that leaves `line` out, or None."""
    if "einsum" in line.ours and any(
        isinstance(value, np.ndarray) and not value.size for value in _arrays(line.ours, names)
    ):
        return "einsum-of-nothing"
    arrays = _arrays(line.ours, names)
    if "np.copyto(" in line.ours or ("out=" in line.ours and _COPYING.search(line.ours)):
        if not all(array.flags.writeable for array in arrays):
            return "onto-itself"
    if ".at" in line.ours and any(name in line.ours for name in ("min", "max")):
        if "nan" in line.ours or any(
            array.dtype.kind in "fc" and np.isnan(array).any() for array in arrays
        ):
            return "of-the-loop"
    if line.kind.startswith("at.") and _uses(line.ours, names, "O"):
        if len(re.findall(r"\b[a-z]\b", line.ours.partition("at[")[2])) > 0:
            return "array-in-itself"
    if _STORING.search(line.ours) and _uses(line.ours, names, "O"):
        return "array-in-itself"
    if line.kind == "at.multiply" and _uses(line.ours, names, "mM"):
        return "half-done"
    if "np.power.at(" in line.ours:
        return "half-done"
    if "tobytes" in line.ours and _uses(line.ours, names, "OV"):
        return "addresses"
    if "out=" in line.ours and _uses(line.ours, names, "OV"):
        return "objects-out"
    if ".flat" in line.ours and "=" in line.kind and _uses(line.ours, names, "OV"):
        return "flat-objects"
    if line.kind not in _SAFE_FOR_TEXT and _uses(line.ours, names, "T"):
        return "text-arena"
    if "at(" in line.plain and _misfits(line.plain, names):
        return "at-misfits"
    return None


def _arrays(text, names):
    """Return the arrays that `text` names."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return [names[name] for name in used if isinstance(names.get(name), np.ndarray)]


def _uses(text, names, kinds):
    """Whether an array in `text` is of a dtype of `kinds`."""
    return any(array.dtype.kind in kinds for array in _arrays(text, names))


def _misfits(text, names):
    """Whether `text` has an `at` whose values do not fit what its index selects."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr="at"), args=[array, index, *values]):
                value = values[0] if values else array
            case ast.Call(
                func=ast.Attribute(value=ast.Call(func=ast.Name(id="at"), args=[array, index])),
                args=[value],
            ):
                pass
            case _:
                continue
        try:
            selected = _evaluated(array, names)[_evaluated(index, names)]
            size = np.size(selected)
            if not _evaluated(array, names).flags.writeable:
                return True
            if value is array:
                continue
            if not size or np.broadcast_shapes(
                np.shape(selected), np.shape(_evaluated(value, names))
            ) != np.shape(selected):
                return True
        except Exception:
            return True
    return False


def _evaluated(node, names):
    return eval(ast.unparse(node), dict(names))
