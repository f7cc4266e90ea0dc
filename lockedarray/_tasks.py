"""Asyncio tasks as owners of holds: which task runs here, and which owner is whose.

Asyncio is not imported here: who does not use it does not pay for it.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["TaskOwners", "running_task"]


class _Known(weakref.ref[Any]):
    """A task that has an owner."""

    __slots__ = ("key", "owner")
    key: int
    owner: Any


_events: Any = None
_tasks: Any = None
_looked_at = -1  # how many modules there were when asyncio was looked for


def running_task() -> Any:
    """Return the task that runs in this thread, or None."""
    if _tasks is None and not _is_imported():
        return None
    try:
        loop = _events._get_running_loop()
        return None if loop is None else _tasks.current_task(loop)
    except AttributeError:  # they are half imported
        return None


def _is_imported() -> bool:
    """Look for asyncio, but not again among the same modules.

    Without the GIL `sys.modules` has a mutex, which a thread that looks something up may have at
    the moment of a fork: then it is locked in the child for ever (CPython 3.13).
    """
    global _events, _tasks, _looked_at
    count = len(sys.modules)
    if count != _looked_at:
        _events, tasks = sys.modules.get("asyncio.events"), sys.modules.get("asyncio.tasks")
        if _events is not None:
            _tasks = tasks  # last: who finds it finds both
        _looked_at = count
    return _tasks is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_is_imported)  # so that the child need not look


class TaskOwners:
    """The owners of tasks, of one core.

    Parameters
    ----------
    new_owner : callable
        Makes an owner.
    follow : callable
        Has the owner of the task that runs in this thread, or the thread's own, current.
    """

    _ENDED = 1  # what an owner's `task` is, else the id of its task, once that has ended

    def __init__(self, new_owner: Callable[[], Any], follow: Callable[[], bool]) -> None:
        self._new_owner = new_owner
        self._follow = follow
        self._known: dict[int, _Known] = {}  # by the id of the task
        self._here = threading.local()  # `latest`: the task that was followed last in this thread

    def owner_of(self, task: Any) -> Any:
        """Return the owner of a task; it ends with that, and what it holds then is given back.

        Called when another task comes to be followed in this thread, or None for no task.  If the
        one before has ended, it is noticed here: its loop tells that later, or never.
        """
        latest: _Known | None = getattr(self._here, "latest", None)
        if latest is not None and (before := latest()) is not None:
            if before is not task and before.done():
                self._here.latest = None
                self._forget(latest)
        if task is None:
            self._here.latest = None
            return None
        known = self._known.get(id(task))
        if known is not None and known() is task:
            self._here.latest = known
            return known.owner
        owner = self._new_owner()
        owner.task = id(task)
        known = _Known(task, self._forget)
        known.key, known.owner = id(task), owner
        self._known[known.key] = self._here.latest = known
        task.add_done_callback(self._ended)
        return owner

    def _ended(self, task: Any) -> None:
        """Called by the loop, and so outside of tasks."""
        known = self._known.get(id(task))
        if known is not None and known() is task:
            self._forget(known)
            self._follow()

    def _forget(self, known: _Known) -> None:
        owner, known.owner = known.owner, None
        if owner is not None:
            owner.task = self._ENDED
        if self._known.get(known.key) is known:
            self._known.pop(known.key, None)

    def name_of(self, key: int) -> str | None:
        """Return the name of the task with this id; None of one that has no owner."""
        known = self._known.get(key)
        task = None if known is None else known()
        get_name = getattr(task, "get_name", None)
        return None if task is None else str(get_name() if get_name else task)
