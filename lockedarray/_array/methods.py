"""The methods of ndarray, each as one operation under the lock: tables of what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from lockedarray._array.construction import has_order
from lockedarray._array.dispatch.arguments import PLAIN
from lockedarray._array.dispatch.operation import run, run_as_view
from lockedarray._array.facade import Facade
from lockedarray._cores import locked_method
from lockedarray._guards import debugging

__all__ = ["by_core", "methods_of_ndarray"]

_M = TypeVar("_M", bound=Callable[..., Any])


def by_core(mode: str, plain: Callable[..., Any] | None = None) -> Callable[[_M], _M]:
    """Decorate a method that a core may do by itself, where `mode` says what; see `locked_method`.

    `plain` is ndarray's method that it calls then, or None of one that is none of ndarray's.
    """
    if debugging.enabled and plain is None:
        return lambda general: general  # the guards that are made in Python lend raw views apart
    return lambda general: locked_method(plain, general, mode)  # type: ignore[return-value]


# What they do with the array; `out` apart, and some return it itself if there is nothing to do.
_READERS = (
    "all any argmax argmin argpartition argsort choose clip compress copy cumprod cumsum dot "
    "flatten item max mean min nonzero prod repeat round searchsorted std sum take tobytes tolist "
    "trace var tofile tostring "
    "__contains__ __bool__ __int__ __float__ __complex__ __index__"
).split()
_WRITERS = "partition put setfield sort".split()
_SOMETIMES_ITSELF = "astype conj conjugate to_device".split()
_VIEWERS = "getfield ravel reshape squeeze swapaxes transpose".split()

# What a core may do by itself, and how.
_MODES = {
    **dict.fromkeys(_READERS, "reads"),
    "astype": "reads one argument",
    **dict.fromkeys(("conj", "conjugate", "to_device"), "returns itself"),
    "byteswap": "reads alone",
    **dict.fromkeys((*_WRITERS, "fill"), "writes"),
    **dict.fromkeys(("reshape", "ravel"), "views contiguous"),
    **dict.fromkeys(("getfield", "squeeze", "swapaxes", "transpose"), "views"),
    "diagonal": "views read-only",
}

# Positions of out=, behind self.
_OUT = {
    "all": 2, "any": 2, "argmax": 1, "argmin": 1, "clip": 2, "compress": 2, "conj": 0,
    "conjugate": 0, "cumprod": 2, "cumsum": 2, "dot": 1, "max": 1, "mean": 2, "min": 1, "prod": 2,
    "round": 1, "std": 2, "sum": 2, "take": 2, "trace": 4, "var": 2,
}  # fmt: skip


def _written_out(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    position = _OUT.get(name)
    out = kwargs.get("out")
    if out is None and position is not None and position < len(args):
        out = args[position]
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    return (id(out),) if isinstance(out, Facade) else ()


def _reader(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Facade, *args: Any, **kwargs: Any) -> Any:
        return run(plain, (self, *args), kwargs, _written_out(name, args, kwargs))

    return method


def _writer(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Facade, *args: Any, **kwargs: Any) -> Any:
        return run(plain, (self, *args), kwargs, (id(self),))

    return method


def _viewer(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Facade, *args: Any, **kwargs: Any) -> Any:
        return run_as_view(plain, (self, *args), kwargs)

    return method


def _sometimes_itself(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Of a method that returns the array itself where there is nothing to do."""
    probe = np.empty(0)

    def may_be_itself(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if name == "astype":
            return not (args[4] if len(args) > 4 else kwargs.get("copy", True))
        return not (args or "out" in kwargs) or name == "to_device"

    def casts(empty: np.ndarray, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether astype() will cast, which may warn, of no elements, too."""
        if name != "astype" or empty.dtype.kind != "c":
            return False
        dtype = args[0] if args else kwargs.get("dtype")
        try:
            return not np.can_cast(empty.dtype, np.dtype(dtype), "equiv")
        except TypeError:  # NumPy has words for it
            return False

    def method(self: Facade, *args: Any, **kwargs: Any) -> Any:
        order = args[1] if len(args) > 1 else kwargs.get("order", "K")
        if may_be_itself(args, kwargs) and has_order(self, order) and not self.dtype.hasobject:
            empty = np.empty_like(probe, self.dtype)
            if not casts(empty, args, kwargs) and plain(empty, *args, **kwargs) is empty:
                return self
        return run(plain, (self, *args), kwargs, _written_out(name, args, kwargs))

    return method


def _fill(self: Facade, *args: Any, **kwargs: Any) -> None:
    if kwargs or len(args) != 1:  # NumPy says what is wrong
        return run(np.ndarray.fill, (self, *args), kwargs, (id(self),))
    (value,) = args
    kind = type(value)
    is_number = not isinstance(value, (list, tuple, dict, np.ndarray)) and kind not in PLAIN
    # The value itself becomes the elements, or is asked for a number, and makes no array.
    if self.dtype.hasobject or (is_number and not hasattr(kind, "__array__")):
        return run(lambda array: array.fill(value), (self,), {}, (id(self),))
    return run(np.ndarray.fill, (self, value), {}, (id(self),))


def _diagonal(self: Facade, *args: Any, **kwargs: Any) -> Any:
    return run_as_view(np.ndarray.diagonal, (self, *args), kwargs, read_only_result=True)


def _byteswap(self: Facade, inplace: bool = False) -> Any:
    return run(np.ndarray.byteswap, (self, inplace), {}, (id(self),) if inplace else ())


_OF_THEIR_OWN: dict[str, Callable[..., Any]] = {
    "byteswap": _byteswap,
    "diagonal": _diagonal,
    "fill": _fill,
}


def _named(name: str, method: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return `method` as LockedArray has it, with the name of ndarray's."""
    method.__name__ = name
    method.__qualname__ = f"LockedArray.{name}"
    method.__module__ = "lockedarray"
    method.__doc__ = _text(name, plain)
    method.__wrapped__ = plain  # type: ignore[attr-defined]  # for its signature
    mode = _MODES.get(name)
    return method if mode is None else locked_method(plain, method, mode, _OUT.get(name, -1))


_LOCKS = {
    **dict.fromkeys((*_READERS, *_SOMETIMES_ITSELF), "read lock"),
    **dict.fromkeys((*_WRITERS, "fill"), "write lock"),
    "byteswap": "read lock, or write lock with inplace=True",
    **dict.fromkeys((*_VIEWERS, "diagonal"), "makes a view, without the lock"),
}


def _text(name: str, plain: Callable[..., Any]) -> str:
    """Return the docstring of a method: the first sentence of NumPy's, and what is locked."""
    parts = (plain.__doc__ or "").split("\n\n")  # the first one may be a signature
    summary = next((part for part in parts if part and not part.lstrip().startswith("a.")), "")
    sentence = " ".join(summary.split()).split(". ")[0].rstrip(".") or f"Do what {name} does"
    return f"{sentence} ({_LOCKS[name]}; see `numpy.ndarray.{name}`)."


def methods_of_ndarray() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the name of each method of ndarray, and what LockedArray has in its place."""
    for make, names in (
        (_reader, _READERS),
        (_writer, _WRITERS),
        (_viewer, _VIEWERS),
        (_sometimes_itself, _SOMETIMES_ITSELF),
    ):
        for name in names:
            plain = getattr(np.ndarray, name, None)
            if plain is not None:  # some come and go with NumPy's version
                yield name, _named(name, make(name, plain), plain)
    for name, method in _OF_THEIR_OWN.items():
        yield name, _named(name, method, getattr(np.ndarray, name))
