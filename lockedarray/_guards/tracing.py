"""Traces: how often locks are taken and waited for, for how long, and by which lines."""

from __future__ import annotations

import dis
import os
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, NamedTuple, SupportsIndex

from lockedarray._cores import RegionLockBase
from lockedarray._guards.observing import (
    add_observer,
    name_of_thread,
    remove_observer,
    users_frame,
)
from lockedarray._guards.watching import label_of, table

__all__ = ["Trace", "TraceRow", "tracing"]

_CHUNK = 256  # events for which a thread gets room at a time


class TraceRow(NamedTuple):
    """What one line of a program did with the lock of one array, in one mode.

    Attributes
    ----------
    array : str
        The name of the array's lock, or a number, as in ``'lock 7'``.
    mode : str
        ``'read'`` or ``'write'``.
    file, line : str, int
        Where the line is.
    locks : int
        How often it took the lock.
    waits : int
        How often it had to wait for it.
    waited : float
        For how many seconds it waited, all together.
    held : float
        For how many seconds it held the lock, all together.  Operations on single elements are not
        counted on the native core: they take too little time.
    behind : str
        The line, ``'file:line'``, that held the lock for most of the time that this one waited;
        ``''`` if none is known.
    """

    array: str
    mode: str
    file: str
    line: int
    locks: int
    waits: int
    waited: float
    held: float
    behind: str


class _Tally:
    """What one thread did at one line with one lock."""

    __slots__ = ("file", "held", "label", "line", "locks", "serial", "waited", "waits", "write")

    def __init__(self, lock: RegionLockBase, write: bool, file: str, line: int) -> None:
        self.serial = lock.serial
        self.label = label_of(lock)
        self.write = write
        self.file = file
        self.line = line
        self.locks = self.waits = self.waited = self.held = 0

    @property
    def mode(self) -> str:
        return "write" if self.write else "read"

    @property
    def site(self) -> str:
        return f"{self.file}:{self.line}"


_COPIES = bytes([dis.opmap["COPY"], 2] * 2) if "COPY" in dis.opmap else None


def _augments(frame: FrameType | None) -> bool:
    """Whether `frame` reads ``x[i]`` for ``x[i] += v``, which is one step."""
    if frame is None:
        return False
    code, at = frame.f_code.co_code, frame.f_lasti
    while at > 0 and code[at] == 0:  # an entry of its cache: Python 3.11 and 3.12
        at -= 2
    return code[at - 4 : at] == _COPIES and getattr(
        sys.modules["lockedarray"], "atomic_augmented_assignment", False
    )


class _Event(NamedTuple):
    """A hold, or a wait, from one time to another (ns)."""

    tally: _Tally
    waits: bool
    start: int
    end: int


class _Lane:
    """What one thread did: written by that thread alone."""

    __slots__ = ("dropped", "events", "ident", "name", "open", "room", "tallies")

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self.name = name_of_thread(self.ident)
        self.tallies: dict[tuple[int, bool, str, int], _Tally] = {}
        self.open: dict[int, tuple[_Tally, int]] = {}  # since when which holds are held
        self.events: list[_Event] = []
        self.room = 0
        self.dropped = 0

    def tally(self, lock: RegionLockBase, write: bool) -> _Tally:
        """Return the tally of the line that the thread is at."""
        frame = users_frame()
        write = write or _augments(frame)
        file, line = ("?", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno or 0)
        key = (lock.serial, write, file, line)
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = _Tally(lock, write, file, line)
        return tally


class Trace:
    """What `tracing` has recorded; ``print`` shows it as a table, the longest waits first.

    It is complete when the ``with`` block has ended.  It can be read before that, too.
    """

    def __init__(self, events: int) -> None:
        self._limit = events
        self._lanes: list[_Lane] = []
        self._local = threading.local()
        self._start = self._end = 0

    def __enter__(self) -> Trace:
        if self._start:
            raise RuntimeError("a trace can be made once only; start another one: la.tracing()")
        self._start = time.monotonic_ns()
        add_observer(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        remove_observer(self)
        self._end = time.monotonic_ns()

    # -- what the cores tell -----------------------------------------------------------------------

    def _lane(self) -> _Lane:
        try:
            lane: _Lane = self._local.lane
        except AttributeError:
            lane = self._local.lane = _Lane()
            self._lanes.append(lane)
        return lane

    def taken(
        self, lock: RegionLockBase, write: bool, key: int, subject: Any, low: int, high: int
    ) -> None:
        """As `Observer` has it."""
        lane = self._lane()
        tally = lane.tally(lock, write)
        if tally.write and not write:
            return  # x[i] += v is one step, and its end takes the lock
        tally.locks += 1
        lane.open[key] = tally, time.monotonic_ns()

    def waited(self, lock: RegionLockBase, write: bool, nanoseconds: int) -> None:
        """As `Observer` has it."""
        now = time.monotonic_ns()
        lane = self._lane()
        tally = lane.tally(lock, write)
        tally.waits += 1
        tally.waited += nanoseconds
        self._enter(lane, _Event(tally, True, now - nanoseconds, now))

    def given(self, key: int) -> None:
        """As `Observer` has it."""
        lane = self._lane()
        held = lane.open.pop(key, None)
        if held is not None:
            tally, start = held
            now = time.monotonic_ns()
            tally.held += now - start
            self._enter(lane, _Event(tally, False, start, now))

    def _enter(self, lane: _Lane, event: _Event) -> None:
        if lane.room <= 0:
            taken = sum(len(other.events) for other in list(self._lanes))
            lane.room = min(_CHUNK, self._limit - taken)
        if lane.room > 0:
            lane.room -= 1
            lane.events.append(event)
        else:
            lane.dropped += 1

    # -- what people ask ---------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How many seconds the trace took, or has taken until now: a float."""
        return ((self._end or time.monotonic_ns()) - self._start) / 1e9 if self._start else 0.0

    @property
    def dropped(self) -> int:
        """How many holds and waits are not in `plot` and `save`, as there were too many: an int.

        `rows` counts them all.
        """
        return sum(lane.dropped for lane in list(self._lanes))

    @property
    def rows(self) -> list[TraceRow]:
        """What each line did with each lock: a list of `TraceRow`, the longest waits first."""
        sums: dict[tuple[int, bool, str, int], list[Any]] = {}
        for lane in list(self._lanes):
            for key, tally in list(lane.tallies.items()):
                total = sums.setdefault(key, [tally, 0, 0, 0, 0])
                for i, number in enumerate((tally.locks, tally.waits, tally.waited, tally.held)):
                    total[i + 1] += number
        behind = self._behind()
        rows = [
            TraceRow(
                tally.label,
                tally.mode,
                tally.file,
                tally.line,
                locks,
                waits,
                waited / 1e9,
                held / 1e9,
                behind.get(key, ""),
            )
            for key, (tally, locks, waits, waited, held) in sums.items()
        ]
        return sorted(rows, key=lambda row: (-row.waited, -row.locks, row.file, row.line))

    def _behind(self) -> dict[tuple[int, bool, str, int], str]:
        """Return, for each line that waited, the one that held the lock for most of that time."""
        holds: dict[int, list[tuple[_Event, _Lane]]] = {}
        waits: list[tuple[_Event, _Lane]] = []
        for lane, event in self._events():
            if event.waits:
                waits.append((event, lane))
            else:
                holds.setdefault(event.tally.serial, []).append((event, lane))
        latest: dict[int, list[int]] = {}  # of the holds up to each one, the last end
        for serial, of_lock in holds.items():
            of_lock.sort(key=_start_of)
            last, ends = 0, []
            for event, _ in of_lock:
                last = max(last, event.end)
                ends.append(last)
            latest[serial] = ends
        blame: dict[tuple[int, bool, str, int], dict[str, int]] = {}
        for wait, lane in waits:
            tally = wait.tally
            of_lock = holds.get(tally.serial, [])
            i = bisect_left(of_lock, wait.end, key=_start_of)
            sites = blame.setdefault((tally.serial, tally.write, tally.file, tally.line), {})
            while i > 0 and latest[tally.serial][i - 1] > wait.start:
                i -= 1
                hold, other = of_lock[i]
                shared = min(hold.end, wait.end) - max(hold.start, wait.start)
                if other is not lane and shared > 0 and (hold.tally.write or tally.write):
                    sites[hold.tally.site] = sites.get(hold.tally.site, 0) + shared
        return {
            key: max(sites, key=lambda site: sites[site]) for key, sites in blame.items() if sites
        }

    def _events(self) -> Iterator[tuple[_Lane, _Event]]:
        for lane in list(self._lanes):
            for event in list(lane.events):
                yield lane, event

    def __str__(self) -> str:
        rows = self.rows
        lines = [
            (
                row.array,
                row.mode,
                f"{os.path.basename(row.file)}:{row.line}",
                os.path.basename(row.behind),
                str(row.locks),
                str(row.waits),
                f"{row.waited:.3f} s",
                f"{row.held:.3f} s",
            )
            for row in rows
        ]
        head = ("array", "mode", "line", "waited behind", "locks", "waits", "waited", "held")
        threads = len(list(self._lanes))
        text = f"{self.seconds:.3f} s, {threads} thread{'' if threads == 1 else 's'}"
        if self.dropped:
            text += f"; {self.dropped} holds and waits are not in plot() and save()"
        return f"{text}\n{table(head, lines, right=4)}" if rows else f"{text}, no locks"

    def __repr__(self) -> str:
        state = "not begun" if not self._start else "ended" if self._end else "under way"
        return f"<Trace: {state}>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the holds and the waits to a file, as Chrome trace events (JSON).

        ``ui.perfetto.dev`` and ``chrome://tracing`` show such a file.

        Parameters
        ----------
        path : path_like
            The file; one that exists is overwritten.

        Examples
        --------
        >>> import lockedarray as la, os, tempfile
        >>> with la.tracing() as trace:
        ...     la.zeros(3).sort()
        >>> trace.save(os.path.join(tempfile.mkdtemp(), "trace.json"))
        """
        process = os.getpid()
        events: list[dict[str, Any]] = []
        for lane in list(self._lanes):
            events.append(
                {
                    "name": "thread_name",
                    "ph": "M",
                    "pid": process,
                    "tid": lane.ident,
                    "args": {"name": lane.name},
                }
            )
        for lane, (tally, waits, start, end) in self._events():
            events.append(
                {
                    "name": f"{'wait to ' if waits else ''}{tally.mode} {tally.label}",
                    "cat": "wait" if waits else "hold",
                    "ph": "X",
                    "ts": (start - self._start) / 1e3,
                    "dur": (end - start) / 1e3,
                    "pid": process,
                    "tid": lane.ident,
                    "args": {"array": tally.label, "thread": lane.name, "line": tally.site},
                }
            )
        import json  # few need it

        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)

    def plot(self, path: str | os.PathLike[str] | None = None, *, ax: Any = None) -> Any:
        """Draw a timeline with Matplotlib: a row for each thread, with bars for holds and waits.

        Parameters
        ----------
        path : path_like, optional
            A file for the picture; its suffix says of which kind (``.png``, ``.svg``).
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            With the drawing.

        Raises
        ------
        ImportError
            Matplotlib is not installed: ``pip install 'lockedarray[plot]'``.

        Examples
        --------
        >>> import lockedarray as la, os, tempfile
        >>> with la.tracing() as trace:
        ...     la.zeros(3).sort()
        >>> axes = trace.plot(os.path.join(tempfile.mkdtemp(), "trace.png"))
        """
        try:
            from matplotlib.figure import Figure
            from matplotlib.patches import Patch
        except ImportError as problem:
            raise ImportError(
                "plot() draws with Matplotlib: pip install 'lockedarray[plot]'; "
                "save(path) writes the same for ui.perfetto.dev"
            ) from problem
        lanes = [lane for lane in list(self._lanes) if lane.events]
        if ax is None:
            size = 9, 1.6 + 0.45 * max(len(lanes), 1)
            if path is not None:
                ax = Figure(figsize=size, layout="constrained").subplots()
            else:
                from matplotlib import pyplot

                ax = pyplot.subplots(figsize=size, layout="constrained")[1]
        labels = sorted({event.tally.label for _, event in self._events()})
        colors = {label: f"C{i % 10}" for i, label in enumerate(labels)}
        for y, lane in enumerate(lanes):
            for label in labels:
                for waits in (False, True):
                    spans = [
                        ((event.start - self._start) / 1e9, (event.end - event.start) / 1e9)
                        for event in list(lane.events)
                        if event.waits == waits and event.tally.label == label
                    ]
                    style: dict[str, Any] = (
                        {"facecolor": "none", "edgecolor": colors[label], "hatch": "////"}
                        if waits
                        else {"facecolor": colors[label]}
                    )
                    ax.broken_barh(spans, (y - 0.4, 0.8), linewidth=0.5, **style)
        ax.set_yticks(range(len(lanes)), [lane.name for lane in lanes])
        ax.invert_yaxis()
        ax.set_xlim(0, max(self.seconds, 1e-6))
        ax.set_xlabel("seconds")
        patches = [Patch(facecolor=colors[label], label=f"holds {label}") for label in labels]
        patches += [
            Patch(
                facecolor="none", edgecolor=colors[label], hatch="////", label=f"waits for {label}"
            )
            for label in labels
        ]
        if patches:
            ax.legend(
                handles=patches,
                loc="lower center",
                bbox_to_anchor=(0.5, 1),
                ncols=4,
                fontsize="small",
                frameon=False,
            )
        if path is not None:
            ax.figure.savefig(path)
        return ax


def _start_of(hold: tuple[_Event, _Lane]) -> int:
    return hold[0].start


def tracing(*, events: SupportsIndex = 100_000) -> Trace:
    """Record what all threads do with locks while a ``with`` block runs.

    For each array and each line of the program it tells how often the lock was taken and waited
    for, and how long.  The line is the innermost one outside lockedarray and NumPy.  Several traces
    may run at once.  While one runs, each lock takes some microseconds longer.

    Parameters
    ----------
    events : int
        How many holds and waits to keep one by one, for `Trace.plot` and `Trace.save`.  Those that
        come later are only counted.

    Returns
    -------
    Trace
        A context manager that yields itself; ``print`` shows it as a table.

    Raises
    ------
    TypeError
        `events` is not an int.
    ValueError
        `events` is negative.

    See Also
    --------
    holds : Who holds and who waits at this moment.

    Examples
    --------
    >>> import lockedarray as la
    >>> x = la.zeros(4)
    >>> with la.tracing() as trace:
    ...     for _ in range(3):
    ...         with x.write() as raw:
    ...             raw += 1
    >>> [(row.mode, row.locks, row.waits) for row in trace.rows]
    [('write', 3, 0)]
    """
    if isinstance(events, bool) or not hasattr(events, "__index__"):
        raise TypeError(f"events must be an integer, not {events!r}")
    limit = events.__index__()
    if limit < 0:
        raise ValueError(f"events must not be negative, but is {events!r}")
    return Trace(limit)
