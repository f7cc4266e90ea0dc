"""Objects as long as they live, which other threads add to while one looks.

`weakref.WeakSet`, and `weakref.WeakValueDictionary.values`, go from member to member in Python: who
adds one meanwhile, in another thread or in a finalizer, makes them raise RuntimeError.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Alive"]

_T = TypeVar("_T")


class Alive(Generic[_T]):
    """A set of objects, told apart by identity, each of which is in it as long as it lives."""

    __slots__ = ("_references",)

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[_T]] = {}

    def add(self, member: _T) -> None:
        key, references = id(member), self._references
        # It is called before the memory of the member, and so its id, is free for another.
        references[key] = weakref.ref(member, lambda _: references.pop(key, None))

    def discard(self, member: _T) -> None:
        self._references.pop(id(member), None)

    def __iter__(self) -> Iterator[_T]:
        # A copy, in one step: no other thread comes in between, with a GIL or without.
        members = [reference() for reference in self._references.copy().values()]
        return iter([member for member in members if member is not None])

    def __len__(self) -> int:
        return len(self._references)
