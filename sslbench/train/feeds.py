"""Yield, for every optimizer step, the batches of its passes, each with the weight of its loss.

The weights of one augmentation's passes add up to the weight of the augmentation, so that a step's loss is a mean over
rows, independent of the number of passes and processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.values import Batch, FeatureTable, ProcessGroup, Role, UnaugmentedPass, View
from sslbench.data.keyed_random import CounterRandom
from sslbench.data.loader import Rows, Stored, count_batches, epoch_order, process_share, read_ahead
from sslbench.data.table import Pool
from sslbench.data.views import BuiltAugmentation, ViewMaker

Pass = Sequence[tuple[float, Batch]]


def row_share(rows: int, batch: int, processes: int = 1) -> float:
    """Return the weight of a pass in a step's loss: its share of the batch's rows, times the number of processes.

    `rows` are those of this process's pass, `batch` those of the whole step. Gradients and losses are averaged over
    processes afterwards, so the shares are multiplied by their number.
    """
    return rows * processes / batch


class Feed(Protocol):
    """A source of batches."""

    def steps(self) -> int:
        """Return the optimizer steps in an epoch."""
        ...

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        """Yield the passes of every step from step `start` on."""
        ...

    def unaugmented_pass(self) -> UnaugmentedPass:
        """Return a pass over every row once, without augmentation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleFeed:
    """Batches of views of a pool's samples, made on the device; each augmentation adds one weighted batch per pass.

    `first_index` is the index of the pool's first row, if another pool precedes it.
    """

    pool: Pool
    views: ViewMaker
    roles: Mapping[str, Role]
    augmentations: Sequence[BuiltAugmentation]
    batch_size: int
    grad_accumulation: int
    seed: int
    processes: ProcessGroup
    labels: NDArray[np.int64] | None = None
    first_index: int = 0

    def steps(self) -> int:
        return count_batches(len(self.pool), self.batch_size)

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        order = epoch_order(len(self.pool), self.batch_size, self.seed, epoch)[start:]
        passes = [part for rows in order for part in np.array_split(rows, min(self.grad_accumulation, len(rows)))]
        steps = [(min(self.grad_accumulation, len(rows)), len(rows)) for rows in order]
        stored = read_ahead(
            self.pool, [process_share(part, self.processes.rank, self.processes.size) for part in passes]
        )
        for passes_of_step, batch in steps:
            yield [self._pass(*next(stored), epoch, batch) for _ in range(passes_of_step)]

    def _pass(self, rows: Rows, stored: Stored, epoch: int, batch: int) -> Pass:
        device = self.views.device
        index = torch.from_numpy(rows + self.first_index).to(device)
        view = self.views.natural(stored)
        target = None if self.labels is None else torch.from_numpy(self.labels[rows]).to(device)
        share_of_step = row_share(len(rows), batch, self.processes.size)
        result = []
        for augmentation in self.augmentations:
            views = self.views.make(view, index, epoch, augmentation, self.roles)
            random = CounterRandom.of(index, self.seed, epoch, augmentation.name, "method")
            result.append(
                (augmentation.weight * share_of_step, Batch(views=views, index=index, random=random, target=target))
            )
        return result

    def unaugmented_pass(self) -> UnaugmentedPass:
        def walk() -> Iterator[tuple[Tensor, View]]:
            own = process_share(np.arange(len(self.pool)), self.processes.rank, self.processes.size)
            batches = [own[i : i + self.batch_size] for i in range(0, len(own), self.batch_size)]
            for rows, stored in read_ahead(self.pool, batches):
                yield torch.from_numpy(rows), self.views.plain(self.views.natural(stored))

        return walk


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureFeed:
    """Batches of `rows` of extracted features; each batch is read when it is needed, with the lengths of its series."""

    table: FeatureTable
    rows: Rows
    labels: NDArray[np.int64]
    batch_size: int
    seed: int
    device: torch.device

    def steps(self) -> int:
        return count_batches(len(self.rows), self.batch_size)

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        for rows in epoch_order(len(self.rows), self.batch_size, self.seed, epoch)[start:]:
            index = torch.from_numpy(rows).to(self.device)
            target = torch.from_numpy(self.labels[rows]).to(self.device)
            random = CounterRandom.of(index, self.seed, epoch, "features")
            yield [[(1.0, Batch(views={"view": (self._view(rows),)}, index=index, random=random, target=target))]]

    def _view(self, places: Rows) -> View:
        return read_feature_view(self.table, self.rows[places], self.device)

    def unaugmented_pass(self) -> UnaugmentedPass:
        def walk() -> Iterator[tuple[Tensor, View]]:
            for start in range(0, len(self.rows), self.batch_size):
                rows = np.arange(start, min(start + self.batch_size, len(self.rows)))
                yield torch.from_numpy(rows), self._view(rows)

        return walk


def read_feature_view(table: FeatureTable, rows: Rows, device: torch.device) -> View:
    """Return the features of rows as a view on a device, with `NAME.length` for series of different lengths."""
    read = {name: np.asarray(values[rows]) for name, values in table.features.items()}
    lengths = {f"{name}.length": values[rows] for name, values in table.lengths.items()}
    return {name: torch.from_numpy(values).to(device) for name, values in {**read, **lengths}.items()}
