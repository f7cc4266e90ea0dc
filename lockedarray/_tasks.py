"""Asyncio tasks as owners of holds: which task runs here, and which owner is whose.

Asyncio is not imported here: who does not use it does not pay for it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["connect", "owner_of", "running_task", "task_name"]

ENDED = 1
"""What an owner's ``task`` is, which else is the id of its task, once that has ended."""


class _Known(weakref.ref[Any]):
    """A task that has an owner."""

    __slots__ = ("key", "owner")
    key: int
    owner: Any


_known: dict[int, _Known] = {}  # by the id of the task
_core: dict[str, Callable[[], Any]] = {}


def connect(*, new_owner: Callable[[], Any], follow: Callable[[], None]) -> None:
    """Tell of the core's functions: make an owner; have who runs here current."""
    _core.update(new_owner=new_owner, follow=follow)


def running_task() -> Any:
    """Return the task that runs in this thread, or None."""
    modules = sys.modules
    events, tasks = modules.get("asyncio.events"), modules.get("asyncio.tasks")
    if events is None or tasks is None:
        return None
    try:
        loop = events._get_running_loop()
        return None if loop is None else tasks.current_task(loop)
    except AttributeError:  # they are half imported
        return None


def owner_of(task: Any) -> Any:
    """Return the owner of a task, which ends with it: what the task holds then is given back."""
    known = _known.get(id(task))
    if known is not None and known() is task:
        return known.owner
    owner = _core["new_owner"]()
    owner.task = id(task)
    known = _Known(task, _forget)
    known.key, known.owner = id(task), owner
    _known[known.key] = known
    task.add_done_callback(_ended)
    return owner


def _ended(task: Any) -> None:
    """Called by the loop, and so outside of tasks."""
    known = _known.get(id(task))
    if known is not None and known() is task:
        _forget(known)
        _core["follow"]()


def _forget(known: _Known) -> None:
    known.owner.task = ENDED
    if _known.get(known.key) is known:
        del _known[known.key]
    del known.owner


def task_name(key: int) -> str | None:
    """Return the name of the task with this id; None of one that is no owner's, or has ended."""
    known = _known.get(key)
    task = None if known is None else known()
    get_name = getattr(task, "get_name", None)
    return None if task is None else str(get_name() if get_name else task)
