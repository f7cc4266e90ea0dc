"""Who plays: threads, and processes, that stay for many histories, and begin each at one moment."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import queue
import threading
import time

import lockedarray as la
import lockedarray.shared
from array_histories import play

__all__ = ["Hung", "Processes", "Threads"]

PATIENCE = 100
"""Seconds after which a history has come to no end."""

FRESH = 20
"""How many histories an array has before it is made anew."""


class Hung(Exception):
    """Somebody has come to no end."""


def _perform(cells, call):
    """Return what is not expected, too: no order explains it."""
    try:
        return cells.perform(call)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _zeros(shape, dtype):
    return la.zeros(shape, dtype)


class Threads:
    """Threads that play, each its program, on arrays of this process."""

    def __init__(self):
        self._threads = []
        self._orders = []
        self._histories = queue.SimpleQueue()
        self._is_hung = False
        self._cells = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for orders in self._orders:
            orders.put(None)
        for thread in self._threads:
            thread.join(0 if self._is_hung else PATIENCE)

    def play(self, play):
        """Return the history of a play, with a last look at what is left."""
        scene, programs = play.scene, play.programs
        number, cells = self._cells.get(scene.name, (0, None))
        if number % FRESH == 0:
            cells = scene.make(_zeros)
        else:
            scene.reset(cells)
        self._cells[scene.name] = number + 1, cells
        while len(self._orders) < len(programs):
            orders = queue.SimpleQueue()
            caller = len(self._orders)
            thread = threading.Thread(target=self._work, args=(caller, orders), daemon=True)
            thread.start()
            self._threads.append(thread)
            self._orders.append(orders)
        arrived = []
        for orders, program in zip(self._orders, programs, strict=False):
            orders.put((cells, program, arrived, len(programs)))
        history = []
        try:
            for _ in programs:
                history += self._histories.get(timeout=PATIENCE)
        except queue.Empty:
            self._is_hung = True
            raise Hung from None
        return history + _play(cells, "end", (("snapshot",),))

    def _work(self, caller, orders):
        while (order := orders.get()) is not None:
            cells, program, arrived, callers = order
            arrived.append(caller)
            while len(arrived) < callers:  # a barrier would wake one after the other
                time.sleep(0)
            self._histories.put(_play(cells, caller, program))


def _play(cells, caller, program):
    return play(cells, caller, program, perform=_perform)


class Processes:
    """Processes that play, each its program, on arrays of `lockedarray.shared`."""

    def __init__(self, scenes, count=4):
        context = multiprocessing.get_context("fork")
        self._arrays = []
        self._cells = {scene.name: scene.make(self._zeros) for scene in scenes}
        self._arrived = context.RawArray(ctypes.c_int64, count)
        self._number = 0
        self._players = []
        for caller in range(count):
            pipe, there = context.Pipe()
            process = context.Process(target=self._work, args=(caller, there), daemon=True)
            process.start()
            there.close()
            self._players.append((pipe, process))

    def _zeros(self, shape, dtype):
        array = la.shared.zeros(shape, dtype)
        self._arrays.append(array)
        return array

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe, process in self._players:
            with contextlib.suppress(OSError):
                pipe.send(None)
            process.join(10)
            if process.exitcode is None:
                process.kill()
                process.join()
            pipe.close()
        for array in self._arrays:
            array.unlink()

    def play(self, play):
        """Return the history of a play, with a last look at what is left."""
        scene, programs = play.scene, play.programs
        cells = self._cells[scene.name]
        scene.reset(cells)
        self._number += 1
        players = self._players[: len(programs)]
        for (pipe, _), program in zip(players, programs, strict=True):
            pipe.send((scene.name, program, self._number, len(programs)))
        history = []
        for pipe, _ in players:
            if not pipe.poll(PATIENCE):
                raise Hung
            history += pipe.recv()
        return history + _play(cells, "end", (("snapshot",),))

    def _work(self, caller, pipe):
        while (order := pipe.recv()) is not None:
            name, program, number, callers = order
            self._arrived[caller] = number
            while min(self._arrived[:callers]) < number:
                time.sleep(0)
            pipe.send(_play(self._cells[name], caller, program))
        os._exit(0)  # what the parent is going to remove is not to be removed here
