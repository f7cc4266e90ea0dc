"""Threads for tests: they re-raise in the test, start together or act step by step, and are seen to wait."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import time
import traceback

__all__ = ["DEADLINE", "Running", "Step", "changing_often", "start", "together", "wait_until"]

DEADLINE = 50.0
"""Seconds after which whatever a test waits for has failed."""

_numbers = itertools.count(1)


class Running:
    """A call that runs in a thread of its own; `result` returns what it did, or raises it."""

    def __init__(self, function, *args):
        self._call = function, args
        self._result = None
        self._error = None
        self._thread = threading.Thread(
            target=self._run, name=f"test-{next(_numbers)}", daemon=True
        )
        self._thread.start()

    def _run(self):
        function, args = self._call
        try:
            self._result = function(*args)
        except BaseException as error:
            self._error = error
        finally:
            del self._call

    @property
    def name(self):
        """The thread's name, as it stands in ``lock.holds()``."""
        return self._thread.name

    @property
    def done(self):
        """Whether the call has ended."""
        return not self._thread.is_alive()

    def result(self):
        """Return what the call returned, once it has ended, or raise what it raised."""
        self._thread.join(DEADLINE)
        if not self.done:
            raise AssertionError(f"still running after {DEADLINE:g} s, here:\n{self.stack()}")
        if self._error is not None:
            raise self._error
        return self._result

    def stack(self):
        """Return where the thread is, as text."""
        frame = sys._current_frames().get(self._thread.ident)
        return "".join(traceback.format_stack(frame)) if frame else "(ended)"

    def waiting(self, lock):
        """Return the mode in which the call waits for `lock`, or None."""
        for entry in lock.holds():
            if entry.waiting and entry.thread.rpartition(" of ")[2] == self.name:  # or its task
                return entry.mode
        return None

    def waits_for(self, lock):
        """Return the mode in which the call waits for `lock`, or None if it ended without."""
        wait_until(lambda: self.done or self.waiting(lock), self.stack)
        return None if self.done else self.waiting(lock)


class Step:
    """A thread that does one thing after the other, each when the test says so."""

    def __init__(self):
        self._orders = []
        self._new = threading.Condition()
        self._done = 0
        self.error = None
        self.call = start(self._work)

    def _work(self):
        while True:
            with self._new:
                assert self._new.wait_for(lambda: len(self._orders) > self._done, DEADLINE)
                order = self._orders[self._done]
            if order is None:
                return
            try:
                order()
            except BaseException as error:
                self.error = error
            self._orders[self._done] = order = len  # what it refers to is the test's to keep
            self._done += 1

    def begin(self, order):
        """Have the thread do something; do not wait for it."""
        with self._new:
            self._orders.append(order)
            self._new.notify()

    def do(self, order):
        """Have the thread do something, and wait until it is done; raise what it raised."""
        self.begin(order)
        self.wait()

    def wait(self):
        """Wait until all is done; raise the last error."""
        wait_until(lambda: self._done == len(self._orders) or self.call.done, self.call.stack)
        if self.call.done:
            self.call.result()
        error, self.error = self.error, None
        if error is not None:
            raise error

    def waits_for(self, lock):
        wait_until(
            lambda: self.call.waiting(lock) or self._done == len(self._orders), self.call.stack
        )
        return self.call.waiting(lock)

    def end(self):
        self.begin(None)
        self.call.result()


def start(function, *args):
    """Call ``function(*args)`` in a thread and return the `Running` call."""
    return Running(function, *args)


def together(*functions):
    """Call the functions in a thread each, all starting at a barrier; return the results."""
    barrier = threading.Barrier(len(functions))

    def begin(function):
        barrier.wait(DEADLINE)
        return function()

    running = [start(begin, function) for function in functions]
    return [call.result() for call in running]


def wait_until(condition, explain=lambda: ""):
    """Return once `condition` holds; after the deadline fail with what `explain` returns."""
    deadline = time.monotonic() + DEADLINE
    pause = 0.0
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE:g} s: {condition}\n{explain()}")
        time.sleep(pause)
        pause = min(pause + 1e-5, 1e-3)


@contextlib.contextmanager
def changing_often():
    """Have threads give the GIL to others after a microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
