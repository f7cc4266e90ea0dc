"""What programs leave out, each with the reason."""

from __future__ import annotations

import ast

import numpy as np

__all__ = ["RULES", "SWITCHES", "excluded", "on"]

SWITCHES = {
    "string-resize": "StringDType and a resize corrupt memory",
    "siblings": "operators of sibling classes are passed by",
    "out-ellipsis": "out=... gives a scalar",
    "flat-list": "x.flat = list loses the dtype of the array on the way",
}
"""Faults that are to be cured; without the entry they are looked for."""

RULES = {
    "at-misfits": "ufunc.at of NumPy crashes where the values are more than its index selects",
    "text-arena": "NumPy itself, with a plain StringDType array, crashes in flat = other, put, place and "
    "byteswap, and hangs in a[i] = a: only what is known to be safe is done with one",
    "asarray": "np.asarray(x) and what NumPy makes with it are aliases without a lock",
}
"""What stays: oddities of NumPy, and what a LockedArray promises to do otherwise."""


_SAFE_FOR_TEXT = {
    *(
        "new resize own del at.get at.set at.exchange {x}[{i}] {x}.T {x}.reshape({r}) {x}.copy({K}) {x}.tolist()".split()
    ),
    *(
        "str({x}) list({x}) len({x}) text({x}) {x}.flat[{k}] {x}.flat[{k}:] list({x}.flat) {x}.repeat({n}) {x}.sort()".split()
    ),
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


def on(name):
    return name in SWITCHES


def excluded(line, names):
    """Return the name of the rule that leaves `line` out, or None."""
    if line.kind == "resize" and on("string-resize"):
        used = names.get(line.ours.split(".")[0])
        if isinstance(used, np.ndarray) and used.dtype.kind == "T":
            return "string-resize"
    if "out=..." in line.ours and on("out-ellipsis"):
        return "out-ellipsis"
    if ".flat" in line.ours and "=" in line.kind and on("flat-list"):
        if line.kind.endswith("{l}") or "= [" in line.ours:
            return "flat-list"
    if line.kind not in _SAFE_FOR_TEXT and _uses(line.ours, names, "T"):
        return "text-arena"
    if "at(" in line.plain and _misfits(line.plain, names):
        return "at-misfits"
    return None


def _uses(text, names, kinds):
    """Whether an array in `text` is of a dtype of `kinds`."""
    return any(
        isinstance(node, ast.Name)
        and isinstance(names.get(node.id), np.ndarray)
        and names[node.id].dtype.kind in kinds
        for node in ast.walk(ast.parse(text))
    )


def _misfits(text, names):
    """Whether `text` has an `at` whose values do not fit what its index selects."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr="at"), args=[array, index, value]):
                pass
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
            if not size or np.broadcast_shapes(
                np.shape(selected), np.shape(_evaluated(value, names))
            ) != np.shape(selected):
                return True
        except Exception:
            return True
    return False


def _evaluated(node, names):
    return eval(ast.unparse(node), dict(names))
