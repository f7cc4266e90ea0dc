"""What an array between machines does not do, though an ndarray does, and what to write instead.

Python would answer some of it without asking the array, and wrongly: ``x == 1`` would be False.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

__all__ = ["SIGNS", "Refusals", "awaited"]

SIGNS = {
    "iadd": "+=",
    "isub": "-=",
    "imul": "*=",
    "imatmul": "@=",
    "itruediv": "/=",
    "ifloordiv": "//=",
    "imod": "%=",
    "ipow": "**=",
    "ilshift": "<<=",
    "irshift": ">>=",
    "iand": "&=",
    "ixor": "^=",
    "ior": "|=",
}
"""The operators of augmented assignment, which an array does have."""

_AT_METHODS = {
    "iadd": "add",
    "isub": "subtract",
    "imul": "multiply",
    "itruediv": "divide",
    "ipow": "power",
}


def awaited(name: str, index: str) -> str:
    """Return what is to be written for ``x[index] op= v`` if the client is asynchronous."""
    if name in _AT_METHODS:
        return f"await x.at[{index}].{_AT_METHODS[name]}(v)"
    return f"await x.update(function, region={index})"


class Refusals:
    """Refuses what would need all elements here, where nobody has said that they are to travel."""

    __slots__ = ()

    def _is_awaited(self) -> bool:
        """Whether the client is asynchronous, as far as is known."""
        raise NotImplementedError

    def _refuse_operator(self, form: str) -> NoReturn:
        is_awaited = self._is_awaited()
        snapshot = "(await x.snapshot())" if is_awaited else "np.asarray(x)"
        update = "await x.update(function)" if is_awaited else "x.update(function)"
        raise TypeError(
            f"{form.format('x')} would move the whole array here: write {form.format(snapshot)}, "
            f"which says so, or {update}, which computes at the owner"
        )

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        if other is self:  # which is asked of the keys of a WeakKeyDictionary
            return True
        self._refuse_operator("{} == v")

    def __ne__(self, other: object) -> bool:
        if other is self:
            return False
        self._refuse_operator("{} != v")

    def __contains__(self, _element: object) -> bool:
        raise TypeError("'v in x' would move the whole array here: write v in np.asarray(x)")

    def __bool__(self) -> bool:
        raise TypeError(
            "bool(x) would move the whole array here: write bool(x[i]), or np.asarray(x).any()"
        )

    def __delitem__(self, _index: Any) -> NoReturn:
        raise TypeError(
            "del x[i]: the elements of an array are not deleted; x.popleft(n) removes the first "
            "rows, and x.delete() the whole array"
        )

    def __aiter__(self) -> NoReturn:
        raise TypeError(
            "'async for row in x' is not possible: write 'for row in await x.snapshot()'"
        )

    if not TYPE_CHECKING:  # for which there is no such attribute

        def __getattr__(self, name: str) -> NoReturn:
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and hasattr(np.ndarray, name):
                called = f"{name}()" if callable(getattr(np.ndarray, name)) else name
                is_awaited = self._is_awaited()
                snapshot = "(await x.snapshot())" if is_awaited else "np.asarray(x)"
                update = "await x.update" if is_awaited else "x.update"
                text += (
                    f": {snapshot}.{called} works on a copy of the whole array; "
                    f"{update}(lambda raw: raw.{called}) computes at the owner"
                )
            raise AttributeError(text, name=name, obj=self)


def _refusal(form: str) -> Callable[..., NoReturn]:
    def refuse(self: Refusals, *_others: Any) -> NoReturn:
        self._refuse_operator(form)

    return refuse


_ARITHMETIC = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "matmul": "{} @ {}",
    "truediv": "{} / {}",
    "floordiv": "{} // {}",
    "mod": "{} % {}",
    "divmod": "divmod({}, {})",
    "pow": "{} ** {}",
    "lshift": "{} << {}",
    "rshift": "{} >> {}",
    "and": "{} & {}",
    "xor": "{} ^ {}",
    "or": "{} | {}",
}
_OTHERS = {
    "lt": "{} < v",
    "le": "{} <= v",
    "gt": "{} > v",
    "ge": "{} >= v",
    "neg": "-{}",
    "pos": "+{}",
    "invert": "~{}",
    "abs": "abs({})",
}
_FORMS = (
    _OTHERS
    | {name: form.format("{}", "v") for name, form in _ARITHMETIC.items()}
    | {f"r{name}": form.format("v", "{}") for name, form in _ARITHMETIC.items()}
)
for _name, _form in _FORMS.items():
    _refuse = _refusal(_form)
    _refuse.__name__ = f"__{_name}__"
    _refuse.__qualname__ = f"Refusals.__{_name}__"
    setattr(Refusals, _refuse.__name__, _refuse)
