"""``__array_function__``: NumPy's functions, locked as the roles table says (NEP 18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lockedarray._array.dispatch import function_roles
from lockedarray._array.dispatch.operation import run, run_as_view, run_unlocked
from lockedarray._array.facade import Facade
from lockedarray._array.memory import plain_view

__all__ = ["call_function"]


def call_function(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a NumPy function that was given LockedArrays, as one atomic operation."""
    written = function_roles.written_by(function, args, kwargs)
    read_only = function in function_roles.READ_ONLY_VIEWS and not kwargs.get("writeable", False)
    if function in function_roles.METADATA:
        return run_unlocked(function, args, kwargs)
    first = args[0] if args else None
    if isinstance(first, Facade):
        if function in function_roles.METHODS:
            return getattr(first, function.__name__)(*args[1:], **kwargs)
        if function in function_roles.FIRST_IS_METADATA and first.ndim > 0:
            return run(function, (plain_view(first, np.ndarray), *args[1:]), kwargs, written)
    if not written and function_roles.may_be_view(function):
        return run_as_view(function, args, kwargs, read_only)
    return run(function, args, kwargs, written, read_only)
