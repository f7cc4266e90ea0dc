"""Arrays between machines, as programs use them."""

from typing import Any

import numpy as np
from distributed import Client

import lockedarray as la
import lockedarray.distributed
from lockedarray.distributed import DistributedArray, LeaseExpired, OwnerLost


def program(client: Client) -> None:
    x: DistributedArray = la.distributed.create(client, (4, 3), np.int64, name="x", shards=2)
    x[0] += 1
    x.at[1, 2].add(5)
    row: Any = x.update(lambda raw: raw.sort(), 0, timeout=3.0)
    try:
        with x.write(slice(0, 2), lease=10) as raw:
            raw += 1
    except (LeaseExpired, OwnerLost):
        pass
    plain = np.asarray(x)
    shape: tuple[int, ...] = x.shape
    lockedarray.distributed.delete(client, "x")
    print(row, plain, shape, len(x), x.frozen)
