"""Facade: the array type's part of a Buffer, below everything that locks.

As NumPy's C code sees it, a facade is a view with WRITEABLE cleared, always.  This module makes
facades and the raw views behind them; which lock has to be held for a raw view is the business
of its callers.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from lockedarray._array.buffer import Buffer, registering
from lockedarray._array.memory import Memory, base_behind, c_base, memory_of, plain_view
from lockedarray._cores import (
    ArrayBase,
    address,
    connect_roots,
    exchange_bodies,
    new_root,
    set_base,
    set_writeable,
)
from lockedarray._guards import debugging
from lockedarray._guards.region_lock import RegionLock
from lockedarray._holding import holding
from lockedarray._places import DEBUG

__all__ = [
    "Facade",
    "buffer_of",
    "called",
    "check_may_write",
    "make_root",
    "make_view",
    "raw_view",
    "settle",
]

_F = TypeVar("_F", bound="Facade")

_flags_of = np.ndarray.flags.__get__  # type: ignore[attr-defined]  # as NumPy's C code sees them


class Facade(ArrayBase):
    """An ndarray on a Buffer that NumPy's C code can read and not write."""

    def _general_finalize(self, obj: Any) -> None:
        """Attach what NumPy made to its Buffer, unless it owns its data and is still filled."""
        base = c_base(self)
        source = obj if isinstance(obj, Facade) else None
        if base is None:
            return
        if self._buffer is not None:  # again, as as_strided() does with what it made a view of
            if source is not None and source._buffer is self._buffer and self._owner is not None:
                self._may_write = source._may_write
            return
        end = base
        while isinstance(end, np.ndarray) and (following := base_behind(end)) is not None:
            end = following
        if isinstance(end, Facade):  # it owned its data until now
            buffer_of(end)
        buffer = source._buffer if source is not None else None
        if buffer is None:
            buffer = Buffer.shared(self)
        writeable = _flags_of(self).writeable
        np.ndarray.setflags(self, write=False)
        self._buffer = buffer
        memory = memory_of(self)
        if memory is None or isinstance(base, Facade):  # which may have moved since NumPy looked
            memory = buffer.memory_at(address(self))
        if type(base) is not np.ndarray or base.flags.writeable or end is not memory:
            set_base(self, memory.root(self))
        if source is None:
            self._may_write = writeable
            self._owner = buffer.claim(self)
        else:
            self._may_write = source._may_write
            self._owner = source._owner if source._owner is not None else source
        buffer.register(self)

    # -- what guards ask ---------------------------------------------------------------------------

    def _request(self, write: bool) -> tuple[Any, bool] | None:
        """Return what to lock to read or write this, and whether to write; None: nothing."""
        return buffer_of(self).request(self, write)

    def _lend(self, write: bool, lent: list[tuple[Facade, np.ndarray]]) -> None:
        """Enter this and a raw view of it into `lent`; the caller holds what was to be locked.

        Raises
        ------
        ValueError
            It is to be written, and the Buffer is frozen, or NumPy made the view read-only.
        """
        if write:
            check_may_write(self)
        raw = _lent_apart(self, write) if debugging.enabled else raw_view(self, write)
        lent.append((self, raw))  # first, lest one be known that nobody would take back
        buffer_of(self).register_raw_view(raw)

    def _lend_again(self, raw: np.ndarray) -> None:
        """Have a raw view writable again that was lent to write, and read-only since."""
        check_may_write(self)
        set_writeable(raw)

    def _show(self, raw: np.ndarray) -> None:
        """Have a raw view that was lent read-only, and where it is, while a predicate runs."""
        raw.setflags(write=False)
        buffer_of(self).begin(raw)

    def _show_no_more(self, raw: np.ndarray) -> None:
        """The predicate has returned."""
        buffer_of(self).end(raw)

    def _take_back(self, raw: np.ndarray) -> None:
        """Have nothing written any more to a raw view that was lent; its lock is still held."""
        raw.setflags(write=False)
        buffer_of(self).forget_raw_view(raw)


def settle(facade: Facade) -> None:
    """Have `facade` show what another process has made of it, before its shape is asked for.

    Raises
    ------
    ValueError
        It is closed.
    """
    buffer = facade._buffer
    if buffer is not None and buffer.watched:
        buffer.settle()


def buffer_of(facade: Facade) -> Buffer:
    """Return the Buffer of `facade`, made now if NumPy made the array and gave it its own data."""
    buffer = facade._buffer
    if buffer is None:
        buffer = holding(registering(), _made_locked, facade)
    return buffer


def _made_locked(facade: Facade) -> Buffer:
    if facade._buffer is None:
        _attached(facade)
    return facade._buffer or _take_over(facade)


def _attached(facade: _F) -> _F:
    """Attach a view whose class has an ``__array_finalize__`` that does not call ours."""
    if facade._buffer is None and c_base(facade) is not None:
        facade._general_finalize(None)
    return facade


def _take_over(facade: Facade) -> Buffer:
    """Move the ownership of the data of `facade` into a Buffer, the data staying where it is.

    Aliases that were made before keep the facade alive for its memory, and with it the Buffer.
    """
    owner = np.empty(0, np.uint8)
    seen = plain_view(facade, np.ndarray)
    buffer = Buffer(seen, owner, foreign=False, objects="exclusive")
    buffer.memory.aliased = True
    view = plain_view(seen, np.ndarray)
    view.setflags(write=False)
    set_base(view, buffer.memory.root(seen))
    exchange_bodies([(facade, view)])  # now the facade shows the data and `view` owns it
    exchange_bodies([(owner, view)])
    buffer.enter(owner)
    facade._buffer = buffer
    facade._may_write = True
    buffer.claim(facade)
    buffer.register(facade)
    return buffer


def make_root(
    cls: type[_F],
    array: np.ndarray,
    *,
    lock: RegionLock | None,
    objects: str,
    name: str | None = None,
) -> _F:
    """Return a facade over `array`, exact, which nobody else can reach, on a Buffer of its own."""
    made = new_root(cls, array, lock, objects, name)
    if made is not None:
        if name is not None or DEBUG:
            made._buffer.describe_lock()
        return made
    buffer = Buffer.private(array, lock=lock, objects=objects, name=name)
    root = buffer.root if buffer.root.shape == array.shape else buffer.memory.root(array)
    facade = _attached(plain_view(root, cls))
    facade._may_write = array.flags.writeable
    return facade


def make_view(array: np.ndarray, template: _F, writable: bool) -> _F:
    """Return a facade for `array`, an exact ndarray over memory of `template`'s Buffer."""
    if array.flags.writeable:
        array.setflags(write=False)
    cls = type(template)
    view = _attached(plain_view(array, cls))
    if cls.__array_finalize__ is not ArrayBase.__array_finalize__:  # a subclass with attributes
        view.__array_finalize__(template)
    view._owner = template._owner if template._owner is not None else template
    view._may_write = writable
    return view


connect_roots(Buffer, Memory, RegionLock)


def raw_view(facade: Facade, write: bool) -> np.ndarray:
    """Return an exact ndarray over what `facade` shows; the caller holds the lock it needs."""
    raw = plain_view(facade, np.ndarray)
    if write:
        set_writeable(raw)
    return raw


def _lent_apart(facade: Facade, write: bool) -> np.ndarray:
    """Return such a view for the debug mode, which counts the views of it."""
    base = buffer_of(facade).memory.root(plain_view(facade, np.ndarray))
    raw = debugging.lent_apart(base)
    if write:
        set_writeable(raw)
    return raw


def check_may_write(facade: Facade) -> None:
    """Refuse a write that no lock can make right; the caller holds the write lock.

    Raises
    ------
    ValueError
        The Buffer is frozen, or NumPy made the view read-only.
    """
    if facade._buffer is not None and facade._buffer.frozen:
        raise ValueError(
            f"assignment destination is read-only: {called(facade)} is frozen, by freeze() or "
            "setflags(write=False); write to a copy (x.copy())"
        )
    if not facade._may_write:
        owner = facade._owner
        raise ValueError(
            f"assignment destination is read-only: the memory that {called(facade)} was given is "
            "read-only; write to a copy (x.copy())"
            if owner is None or not owner._may_write
            else f"assignment destination is read-only: {called(facade, 'view')} was made "
            "read-only (as np.diagonal and np.broadcast_to do); write to the array that it is a "
            "view of"
        )


def called(facade: Facade, kind: str = "array") -> str:
    """Return what a message calls `facade`: by its name, if it has one."""
    name = None if facade._buffer is None else facade._buffer.name
    if name is None:
        return f"this {kind}"
    return repr(name) if kind == "array" else f"this {kind} of {name!r}"
