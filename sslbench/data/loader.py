"""Shuffle samples into batches and read them a few batches ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.data.table import Pool
from sslbench.environment import seed_from

Rows = NDArray[np.int64]
Stored = dict[str, NDArray[Any]]


def count_batches(rows: int, batch: int) -> int:
    """Return the number of batches of an epoch: a short last one is dropped unless it is the only one."""
    return max(1, rows // batch)


def epoch_order(rows: int, batch: int, seed: int, epoch: int) -> list[Rows]:
    """Return the rows of every batch of an epoch: a permutation that depends on seed and epoch only."""
    order = np.random.default_rng(seed_from("order", seed, epoch)).permutation(rows)
    count = count_batches(rows, batch)
    return [order[i * batch : (i + 1) * batch] for i in range(count)]


def process_share(rows: Rows, rank: int, size: int) -> Rows:
    """Return a process's contiguous slice of a global batch, so that gathering restores the order."""
    each = -(-len(rows) // size)
    return rows[rank * each : (rank + 1) * each]


def read_ahead(pool: Pool, batches: list[Rows], depth: int = 3) -> Iterator[tuple[Rows, Stored]]:
    """Yield batches in order, read by a thread at most `depth` ahead."""
    waiting: queue.Queue[tuple[Rows, Stored] | Exception | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: tuple[Rows, Stored] | Exception | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for rows in batches:
                if not put((rows, pool.read(rows))):
                    return
            put(None)
        except Exception as error:  # passed to the consumer, which raises it
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
