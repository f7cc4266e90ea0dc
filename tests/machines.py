"""Workers, schedulers and clients in processes of their own, which a test may stop and kill."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import pickle
import signal

__all__ = ["Machine", "Program", "scheduler", "worker"]

PATIENCE = 60

# What all of them need is imported once: they are forks of a process that has it.
_context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    _context.set_forkserver_preload(["distributed", "lockedarray.distributed"])


class Machine:
    """A process that can be stopped and killed, and whose last word is awaited."""

    def __init__(self, run, *arguments):
        self.pipe, there = _context.Pipe()
        self.process = _context.Process(target=_run, args=(run, there, *arguments), daemon=True)
        self.process.start()
        there.close()

    def hear(self):
        """Return what the process says next."""
        assert self.pipe.poll(PATIENCE), "it says nothing"
        said = self.pipe.recv()
        if isinstance(said, _Failed):
            raise AssertionError(f"it failed: {said.why}")
        return said

    def say(self, word=None):
        """Have what the process hears next be this."""
        self.pipe.send(word)

    def stop(self):
        """Have it do nothing, and notice nothing, until it goes on."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        """Have it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        """End it, at whatever it is."""
        self.process.kill()
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.pipe.close()


class Program(Machine):
    """A process with a client of its own, which runs ``function(client, say, hear)``.

    The function is passed by value; modules that it uses it gets by name.
    """

    def __init__(self, address, function):
        import cloudpickle

        super().__init__(_program, address, cloudpickle.dumps(function))


class _Failed:
    def __init__(self, why):
        self.why = why


def _run(run, pipe, *arguments):
    logging.disable(logging.CRITICAL)
    try:
        run(pipe, *arguments)
    except BaseException as error:
        with contextlib.suppress(OSError):
            pipe.send(_Failed(f"{type(error).__name__}: {error}"))
        raise


def scheduler(pipe, port=0):
    """Be a scheduler, which says its address."""
    from distributed import Scheduler

    async def main():
        async with Scheduler(dashboard=False, host="127.0.0.1", port=port) as scheduler:
            pipe.send(scheduler.address)
            await scheduler.finished()

    asyncio.run(main())


def worker(pipe, address, name, port=0):
    """Be a worker without a nanny, which says its address."""
    from distributed import Worker

    async def main():
        async with Worker(address, name=name, nthreads=2, host="127.0.0.1", port=port) as worker:
            pipe.send(worker.address)
            await worker.finished()

    asyncio.run(main())


def _program(pipe, address, function):
    from distributed import Client

    def hear():
        assert pipe.poll(PATIENCE)
        return pipe.recv()

    with Client(address, timeout=PATIENCE, set_as_default=False) as client:
        pickle.loads(function)(client, pipe.send, hear)
