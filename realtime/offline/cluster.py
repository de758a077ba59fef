"""The same function on the machines of a Dask cluster (the extra `cluster`).

All machines see the same folders, under the same names. A machine that dies costs time: Dask gives
its items to another one. https://distributed.dask.org/en/stable/resilience.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from models.codec import CodecError
from realtime.offline.parallel_map import Item, Outcome, Result, apply

TIMEOUT_S = 10.0  # to connect


def map_in_cluster(
    address: str, function: Callable[[Item], Result], items: Iterable[Item], client: Any = None
) -> Iterator[Outcome[Item, Result]]:
    """Yield the outcome of each item, in no particular order, computed by the cluster at `address`.

    `client` is a client that is connected already. CodecError if the extra is not installed or
    nothing answers.
    """
    try:
        distributed: Any = import_module("distributed")  # has types for parts of it only
    except ImportError as error:
        raise CodecError('a cluster needs the extra "cluster": pip install "verdigris[cluster]".') from error
    try:
        client = client or distributed.Client(address, timeout=TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise CodecError(f"cluster {address} does not answer ({error}). Pass the address of a scheduler.") from error
    try:
        todo = list(items)
        futures = {client.submit(apply, function, item, pure=False): item for item in todo}
        for future in distributed.as_completed(list(futures)):
            item = futures.pop(future)
            try:
                yield future.result()
            except distributed.KilledWorker as error:
                yield Outcome(item, None, f"its machine died too often ({error}); it may lack memory.")
            future.release()
    finally:
        client.close()
