"""Operators by the names of their methods, and who does one its own way."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["has_own", "operate"]


def operate(name: str) -> Callable[[Any, Any], Any]:
    """Return the function that does what the operator does that calls the method `name`."""
    return divmod if name == "__divmod__" else getattr(operator, name)  # type: ignore[no-any-return]


def has_own(cls: type, name: str) -> bool:
    """Whether `cls`, a subclass of ndarray, has other methods for an operator than ndarray."""
    return any(
        getattr(cls, method) is not getattr(np.ndarray, method)
        for method in (name, f"__r{name[2:]}")
    )
