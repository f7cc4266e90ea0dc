"""Arrays on a Dask cluster, which all its workers and clients can change.

It needs Dask's distributed: ``pip install lockedarray[distributed]``.

- `create`: make an array on the cluster
- `attach`: find it from another client, or from a task
- `delete`: delete it
- `DistributedArray`: what stands for it in each process
- `OwnerLost`, `LeaseExpired`: its errors

In the examples `client` is the `distributed.Client` of a cluster.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["DistributedArray", "LeaseExpired", "OwnerLost", "attach", "create", "delete"]


def create(
    client: Client,
    shape: int | tuple[int, ...],
    dtype: DTypeLike = float,
    *,
    name: str,
    checkpoint: str | PathLike[str] | None = None,
    every: float | None = None,
    shards: int = 1,
    worker: str | int | list[str | int] | None = None,
) -> Any:
    """Make an array on a cluster: of zeros, or of what its checkpoint file has.

    A worker has it in its memory, or several workers have a block of rows each.  It stays until
    it is deleted, or one of these workers is lost.  It stays when its client is closed.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.
    shape : int or tuple of int
        Lengths of the axes.  If there is a checkpoint, that says how many rows there are.
    dtype : dtype_like
        Data type of the elements: no objects, and no text of varied length.
    name : str
        The name by which `attach` finds the array.
    checkpoint : path_like, optional
        A file for copies of the array, which each of these workers can read and write.  If it
        exists, the array begins with what is in it.  Of several blocks each has a file beside it.
    every : float, optional
        Seconds after which a checkpoint is written again, if something has changed.  By default
        only ``x.checkpoint()`` writes one.
    shards : int
        Into how many blocks of rows to divide the array.
    worker : str, int, or list of these, optional
        Which worker, or workers, by name or address; by default those with the most free memory.

    Returns
    -------
    DistributedArray
        With an asynchronous client, an awaitable of one.

    Raises
    ------
    ValueError
        The name is taken; no worker has enough memory; the checkpoint is damaged, or is of another
        array; or the client is closed.
    TypeError
        Elements of that dtype cannot be shared; or `client` is not a client.

    See Also
    --------
    attach : Find it from somewhere else.

    Examples
    --------
    >>> import lockedarray.distributed as distributed
    >>> x = distributed.create(client, (1000, 10), name="weights")
    >>> x[3] += 1
    >>> x.update(lambda raw: raw.sort(axis=0))
    """
    check_client(client)

    async def made() -> DistributedArray:
        entry = await making.create(client, shape, dtype, name, checkpoint, every, shards, worker)
        return DistributedArray(client, entry)

    made.__qualname__ = "create"  # what Python says was never awaited
    with making.beside_tasks():
        return client.sync(made)  # type: ignore[no-untyped-call]


def attach(client: Client, name: str) -> Any:
    """Return the array on the cluster that has this name.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.
    name : str
        The name that it was created with.

    Returns
    -------
    DistributedArray
        With an asynchronous client, an awaitable of one.

    Raises
    ------
    LookupError
        There is no such array.
    OwnerLost
        There was one, but a worker that had a part of it is lost.

    Examples
    --------
    >>> import lockedarray.distributed as distributed
    >>> x = distributed.create(client, 3, name="found")
    >>> distributed.attach(client, "found")[0]
    np.float64(0.0)
    """
    check_client(client)

    async def found() -> DistributedArray:
        return DistributedArray(client, await making.find(client, name))

    found.__qualname__ = "attach"  # what Python says was never awaited
    return client.sync(found)  # type: ignore[no-untyped-call]


def delete(client: Client, name: str) -> Any:
    """Delete the array of this name, and free the name; its checkpoint stays.

    It works, too, if a worker that had a part of the array is lost.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.
    name : str
        The name that it was created with.

    Returns
    -------
    None
        With an asynchronous client, an awaitable.

    Raises
    ------
    LookupError
        There is no such array.

    Examples
    --------
    >>> import lockedarray.distributed as distributed
    >>> x = distributed.create(client, 3, name="used")
    >>> distributed.delete(client, "used")
    """
    check_client(client)

    async def deleted() -> None:
        entry = await making.find(client, name, lost=True)
        (await DistributedArray(client, entry)._delete(())).unwrap()

    deleted.__qualname__ = "delete"  # what Python says was never awaited
    return client.sync(deleted)  # type: ignore[no-untyped-call]


for _name in __all__:
    globals()[_name].__module__ = "lockedarray.distributed"
