"""Arrays between machines: on a Dask cluster, an array that all its workers and clients change.

``import lockedarray.distributed`` has them; it needs Dask's distributed, which
``pip install lockedarray[distributed]`` brings.
"""

from __future__ import annotations

from typing import Any

try:
    from distributed import Client
except ModuleNotFoundError as _error:
    raise ImportError(
        f"lockedarray.distributed needs Dask ({_error}): pip install lockedarray[distributed]"
    ) from _error

from lockedarray._distributed import making
from lockedarray._distributed.array import DistributedArray
from lockedarray._distributed.clients import check_client
from lockedarray._distributed.errors import LeaseExpired, OwnerLost

__all__ = ["DistributedArray", "LeaseExpired", "OwnerLost", "attach", "create", "delete"]


def create(
    client: Client,
    shape: Any,
    dtype: Any = float,
    *,
    name: str,
    checkpoint: Any = None,
    every: float | None = None,
    shards: int = 1,
    worker: Any = None,
) -> Any:
    """Make an array of zeros on a cluster, or the one that its checkpoint has.

    A worker owns it, or several do, a block of rows each.  It lives until it is deleted, or an
    owner is lost; it does not need its client.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    shape : int or tuple of int
        Its shape.  If there is a checkpoint, that tells the number of rows.
    dtype : data-type
        Of the elements; no objects, and no text of varied length.
    name : str
        By which all find it.
    checkpoint : path_like, optional
        A file that each owner can read and write, and that is to outlive it.  Of several blocks
        each has one of its own, beside it.  What is in it is what the array begins with.
    every : float, optional
        Seconds between two checkpoints, where something has changed; without it only
        ``x.checkpoint()`` writes them.
    shards : int
        In how many blocks it is, along the first axis.
    worker : str, int, or list of these, optional
        Name or address of the worker, or workers; by default those with the most memory left.

    Returns
    -------
    DistributedArray
        Of an asynchronous client, an awaitable of it.

    Raises
    ------
    ValueError
        The name is taken; no worker has the memory for it; the checkpoint is damaged, or one of
        another array; or the client is closed.
    TypeError
        `dtype` has objects or text of varied length; or `client` is none.

    See Also
    --------
    attach : Find it from somewhere else.

    Examples
    --------
    >>> import lockedarray as la
    >>> from distributed import Client
    >>> client = Client()  # doctest: +SKIP
    >>> x = la.distributed.create(client, (1000, 10), name="weights")  # doctest: +SKIP
    >>> x[3] += 1  # doctest: +SKIP
    >>> x.update(lambda raw: raw.sort(axis=0))  # doctest: +SKIP
    """
    check_client(client)

    async def made() -> DistributedArray:
        entry = await making.create(client, shape, dtype, name, checkpoint, every, shards, worker)
        return DistributedArray(client, entry)

    made.__qualname__ = "create"  # what Python says was never awaited
    with making.beside_tasks():
        return client.sync(made)  # type: ignore[no-untyped-call]


def attach(client: Client, name: str) -> Any:
    """Return the array of that name, which somebody has made on the cluster.

    Returns
    -------
    DistributedArray
        Of an asynchronous client, an awaitable of it.

    Raises
    ------
    LookupError
        There is none.
    OwnerLost
        There was one, and its owner is lost.
    """
    check_client(client)

    async def found() -> DistributedArray:
        return DistributedArray(client, await making.find(client, name))

    found.__qualname__ = "attach"  # what Python says was never awaited
    return client.sync(found)  # type: ignore[no-untyped-call]


def delete(client: Client, name: str) -> Any:
    """Delete the array of that name, lost or not, and free the name.  Its checkpoint stays.

    Returns
    -------
    None
        Of an asynchronous client, an awaitable.

    Raises
    ------
    LookupError
        There is none.
    """
    check_client(client)

    async def deleted() -> None:
        entry = await making.find(client, name, lost=True)
        (await DistributedArray(client, entry)._delete(())).unwrap()

    deleted.__qualname__ = "delete"  # what Python says was never awaited
    return client.sync(deleted)  # type: ignore[no-untyped-call]


for _name in __all__:
    globals()[_name].__module__ = "lockedarray.distributed"
