"""Histories of operations of several clients on one array between machines, and networks that fail."""

import asyncio
import random

import array_histories
from array_histories import OF_ALL, contents

__all__ = [
    "OF_ALL_FAR",
    "add_in_two_steps",
    "forget_what_is_done",
    "make_unreliable",
    "model",
    "play",
    "play_parts",
    "program",
    "put_right",
    "send_in_parts_of",
]

OF_ALL_FAR = [*OF_ALL, "update", "lease", "read"]


def model(state, call):
    """As that of arrays, with what there is between machines alone."""
    match call:
        case "update" | "lease", a, b, value:
            return state[a:b], array_histories.model(state, ("add_slice", a, b, value))[1]
        case "read", a, b, _:
            return state[a:b], state
    return array_histories.model(state, call)


def program(seed, count, kinds):
    """Return that many random calls."""
    source = random.Random(seed)
    named = [source.choice(kinds) for _ in range(count)]
    calls = []
    for number, kind in enumerate(named):
        known = "add_slice" if kind in ("update", "lease", "read") else kind
        call = array_histories.program(seed * 100 + number, 1, [known])[0]
        calls.append((kind, *call[1:]))
    return calls


def perform(x, call):
    """Do `call` to a DistributedArray, and return what the model should."""
    match call:
        case "update", a, b, value:

            def add(raw):
                before = raw.copy()
                raw += value
                return before

            return contents(x.update(add, slice(a, b)))
        case "lease", a, b, value:
            with x.write(slice(a, b), lease=60) as raw:
                before = contents(raw)
                raw += value
            return before
        case "read", a, b, _:
            with x.read(slice(a, b), lease=60) as raw:
                return contents(raw)
    return array_histories.perform(x, call)


def play(x, caller, calls):
    """Do the calls, and return the operations with their times."""
    return array_histories.play(x, caller, calls, perform=perform)


def play_parts(client, say, hear):
    """Play one part after the other, of those that are heard: what a client's process does."""
    from lockedarray.distributed import attach

    while (heard := hear()) is not None:
        name, caller, calls, seed, part = heard
        make_unreliable(seed)
        send_in_parts_of(part)
        x = attach(client, name)
        say("ready")
        hear()
        say(play(x, caller, calls))


def make_unreliable(seed):
    """Have replies be lost, and calls arrive twice, at once or late; None: all is as it is."""
    from lockedarray._distributed import link
    from lockedarray._distributed.link import Link

    link._FIRST_PAUSE = 0.001
    execute = getattr(Link, "_reliable", Link._execute)
    Link._reliable = execute
    if seed is None:
        Link._execute = execute
        return
    source = random.Random(seed)
    late = set()

    async def again(link, arguments):
        await asyncio.sleep(source.random() / 100)
        await execute(link, "call", arguments)

    async def unreliable(self, function, arguments):
        fault = source.choice(["lost", "twice", "late", None, None, None])
        if fault == "twice" and function == "call":
            answer, _ = await asyncio.gather(*(execute(self, function, arguments) for _ in "12"))
            return answer
        answer = await execute(self, function, arguments)
        if fault == "lost":
            raise OSError("the reply is lost")
        if fault == "late" and function == "call":
            task = asyncio.ensure_future(again(self, arguments))
            late.add(task)
            task.add_done_callback(lambda task: (late.discard(task), task.exception()))
        return answer

    Link._execute = unreliable


def send_in_parts_of(nbytes):
    """Have what is larger than this travel in parts, from this process and to it."""
    from lockedarray._distributed import link, owner, staging, wire

    for module in (link, owner, staging, wire):
        module.CHUNK = nbytes


# What follows breaks an owner, so that it is seen that the checker finds it.


def add_in_two_steps():
    """Have ``x[i] += v`` read, and then write, with others in between."""
    from lockedarray._distributed.operations import Operations

    async def augment(self, index, name, operand, *, held, timeout=None):
        value = self.array[index] + operand
        await asyncio.sleep(0.005)
        return await self._set(index, value, held=held, timeout=timeout)

    Operations._whole_augment = Operations._augment
    Operations._augment = augment


def forget_what_is_done():
    """Have a call that arrives again be carried out again."""
    from lockedarray._distributed.lanes import Lanes

    async def call(self, name, number, perform):
        return await perform()

    Lanes._whole_call = Lanes.call
    Lanes.call = call


def put_right():
    """Have all be as it was."""
    from lockedarray._distributed.lanes import Lanes
    from lockedarray._distributed.operations import Operations

    Operations._augment = getattr(Operations, "_whole_augment", Operations._augment)
    Lanes.call = getattr(Lanes, "_whole_call", Lanes.call)
