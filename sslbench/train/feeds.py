"""What the loop is fed: for every optimizer step, the batches of its passes, each with the weight of its loss.

The weights of one augmentation's passes add up to its own weight, so that a step's loss is a mean over rows however
many passes and processes share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.values import Batch, ProcessGroup, Role, UnaugmentedPass, View
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
    """Where batches come from."""

    def steps(self) -> int:
        """Optimizer steps in an epoch."""
        ...

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        """The passes of every step from the `start`-th on."""
        ...

    def survey(self) -> UnaugmentedPass:
        """Every row once, un-augmented."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleFeed:
    """Views of a pool's samples, made on the device; several augmentations give several weighted batches a pass.

    `first` is the number of the pool's first row, where another pool comes before it.
    """

    pool: Pool
    views: ViewMaker
    roles: Mapping[str, Role]
    augmentations: Sequence[BuiltAugmentation]
    batch: int
    accumulate: int
    seed: int
    world: ProcessGroup
    labels: NDArray[np.int64] | None = None
    first: int = 0

    def steps(self) -> int:
        return count_batches(len(self.pool), self.batch)

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        order = epoch_order(len(self.pool), self.batch, self.seed, epoch)[start:]
        passes = [part for rows in order for part in np.array_split(rows, min(self.accumulate, len(rows)))]
        steps = [(min(self.accumulate, len(rows)), len(rows)) for rows in order]
        stored = read_ahead(self.pool, [process_share(part, self.world.rank, self.world.size) for part in passes])
        for passes_of_step, batch in steps:
            yield [self._pass(*next(stored), epoch, batch) for _ in range(passes_of_step)]

    def _pass(self, rows: Rows, stored: Stored, epoch: int, batch: int) -> Pass:
        device = self.views.device
        index = torch.from_numpy(rows + self.first).to(device)
        view = self.views.natural(stored)
        target = None if self.labels is None else torch.from_numpy(self.labels[rows]).to(device)
        share_of_step = row_share(len(rows), batch, self.world.size)
        result = []
        for augmentation in self.augmentations:
            made = self.views.make(view, index, epoch, augmentation, self.roles)
            draws = CounterRandom.of(index, self.seed, epoch, augmentation.name, "method")
            views = Batch(views=made, index=index, random=draws, target=target)
            result.append((augmentation.weight * share_of_step, views))
        return result

    def survey(self) -> UnaugmentedPass:
        def walk() -> Iterator[tuple[Tensor, View]]:
            mine = process_share(np.arange(len(self.pool)), self.world.rank, self.world.size)
            batches = [mine[i : i + self.batch] for i in range(0, len(mine), self.batch)]
            for rows, stored in read_ahead(self.pool, batches):
                yield torch.from_numpy(rows), self.views.plain(self.views.natural(stored))

        return walk


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureFeed:
    """Batches of features that were extracted before: modality -> [n, ...]."""

    features: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64]
    batch: int
    seed: int
    device: torch.device

    @property
    def rows(self) -> int:
        return len(self.labels)

    def steps(self) -> int:
        return count_batches(self.rows, self.batch)

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        for rows in epoch_order(self.rows, self.batch, self.seed, epoch)[start:]:
            index = torch.from_numpy(rows).to(self.device)
            target = torch.from_numpy(self.labels[rows]).to(self.device)
            draws = CounterRandom.of(index, self.seed, epoch, "features")
            yield [[(1.0, Batch(views={"view": (self._view(rows),)}, index=index, random=draws, target=target))]]

    def _view(self, rows: Rows) -> View:
        return {name: torch.from_numpy(values[rows]).to(self.device) for name, values in self.features.items()}

    def survey(self) -> UnaugmentedPass:
        def walk() -> Iterator[tuple[Tensor, View]]:
            for start in range(0, self.rows, self.batch):
                rows = np.arange(start, min(start + self.batch, self.rows))
                yield torch.from_numpy(rows), self._view(rows)

        return walk
