from os import PathLike
from types import TracebackType
from typing import Any, NamedTuple, Self, SupportsIndex

__all__ = ["Trace", "TraceRow", "tracing"]

class TraceRow(NamedTuple):
    array: str
    mode: str
    file: str
    line: int
    locks: int
    waits: int
    waited: float
    held: float
    behind: str

class Trace:
    def __init__(self, events: int) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def taken(
        self, lock: Any, write: bool, key: int, subject: Any, low: int, high: int
    ) -> None: ...
    def waited(self, lock: Any, write: bool, nanoseconds: int) -> None: ...
    def given(self, key: int) -> None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def dropped(self) -> int: ...
    @property
    def rows(self) -> list[TraceRow]: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    # A matplotlib.axes.Axes, which need not be installed.
    def plot(self, path: str | PathLike[str] | None = None, *, ax: Any = None) -> Any: ...

def tracing(*, events: SupportsIndex = 100_000) -> Trace: ...
