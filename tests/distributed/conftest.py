"""Clusters of worker processes, whose arrays are deleted after each test."""

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed.client")

from distributed import Client, LocalCluster

import lockedarray as la

PATIENCE = 60
"""Seconds after which what has not happened will not."""


@contextlib.contextmanager
def started(n_workers=2, threads_per_worker=2, **options):
    """A cluster of processes on this machine, which a client knows."""
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            processes=True,
            dashboard_address=":0",  # None would be port 8787, and a warning for the second cluster
            silence_logs=logging.CRITICAL,
            **options,
        ) as cluster,
        Client(cluster, timeout=PATIENCE, set_as_default=False) as client,
    ):
        client.wait_for_workers(n_workers, timeout=PATIENCE)
        yield cluster, client


def delete_all(client):
    """Delete the arrays of a cluster, if it has a registry."""
    if "lockedarray" not in client.run_on_scheduler(
        lambda dask_scheduler: [*dask_scheduler.plugins]
    ):
        return
    scheduler = client.scheduler
    for name in client.sync(scheduler.lockedarray_names):
        found = client.sync(scheduler.lockedarray_find, name=name)
        if found is not None:
            client.sync(scheduler.lockedarray_delete, name=name, generation=found["generation"])


def until(condition, seconds=PATIENCE):
    """Wait until `condition()` is true, and return what it returned; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {condition}")
        time.sleep(0.02)
    return outcome


_WITHOUT_LOCKS = ("test_checkpoints.py", "test_registry.py", "test_splitting.py")


def pytest_collection_modifyitems(items):
    """Leave out on one core what knows files, names and indices alone: it would run twice."""
    if la.backend == "native":
        return
    left_out = pytest.mark.skip(reason="no lock is in it: runs on the native core")
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name in _WITHOUT_LOCKS:
            item.add_marker(left_out)


@pytest.fixture(name="until")
def _until():
    """The function `until`."""
    return until


@pytest.fixture(scope="module")
def cluster():
    """Two workers of two threads each.  A test that kills any takes `fresh_cluster` instead."""
    with started() as (cluster, _):
        yield cluster


@pytest.fixture
def client(cluster):
    """A client of `cluster`; what a test leaves is deleted."""
    with Client(cluster, timeout=PATIENCE, set_as_default=False) as client:
        yield client
        delete_all(client)


@pytest.fixture
def in_loop(cluster):
    """Run ``function(client)``, a coroutine function, with an asynchronous client of `cluster`."""

    def run(function):
        async def main():
            async with Client(
                cluster.scheduler_address,
                asynchronous=True,
                timeout=PATIENCE,
                set_as_default=False,
            ) as client:
                return await asyncio.wait_for(function(client), PATIENCE)

        return asyncio.run(main())

    return run


@pytest.fixture
def fresh_cluster():
    """Return ``(cluster, client)`` of workers that the test may kill."""
    with contextlib.ExitStack() as stack:

        def start(n_workers=2, threads_per_worker=1, **options):
            return stack.enter_context(started(n_workers, threads_per_worker, **options))

        yield start
