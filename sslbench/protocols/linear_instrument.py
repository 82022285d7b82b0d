"""Linear probes solved together: every rate and decay, for every task and probe seed, is a slice of one product.

The gradient of softmax cross-entropy is written out, so a whole grid costs two matrix products a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.values import Outcome, Task
from sslbench.protocols.features import joined
from sslbench.protocols.linear import LinearConfig


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """Trained probes of one task: weights [D + 1, G, C] over standardised features, for G settings."""

    weights: Tensor
    mean: Tensor
    scale: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """[n, D] -> [n, G, C]."""
        groups, classes = self.weights.shape[1:]
        return (standardised(features, self.mean, self.scale) @ self.weights.flatten(1)).view(-1, groups, classes)


def standardised(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """[n, D] -> [n, D + 1]: zero mean, unit deviation, and a column of ones for the bias."""
    whitened = (features - mean) * scale
    return torch.cat([whitened, torch.ones(len(whitened), 1)], dim=1)


def cross_entropy_gradient(scores: Tensor, targets: Tensor) -> Tensor:
    """[B, G, C] and [B] -> d(mean cross-entropy)/d(scores), for each of G probes on its own."""
    gradient = torch.softmax(scores, dim=2)
    gradient[torch.arange(len(targets)), :, targets] -= 1
    return gradient / len(targets)


def train_probes(
    features: Tensor, labels: Tensor, classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig,
    rng: np.random.Generator,
) -> Probes:  # fmt: skip
    """Train one probe per (rate, decay) on features [n, D], all on the same batches from the same start."""
    mean = features.mean(0)
    scale = 1 / features.std(0, correction=0).clamp(min=1e-6)
    inputs = standardised(features, mean, scale)
    width = inputs.shape[1]
    start = torch.from_numpy(rng.normal(0, 0.01, (width, 1, classes)).astype(np.float32))
    weights = start.repeat(1, len(grid), 1)
    velocity = torch.zeros_like(weights)
    rates = torch.tensor([rate for rate, _ in grid]).view(1, -1, 1)
    decays = torch.tensor([decay for _, decay in grid]).view(1, -1, 1)
    batch = min(config.batch, len(labels))
    steps = max(1, len(labels) // batch)
    for epoch in range(config.epochs):
        order = torch.from_numpy(rng.permutation(len(labels)))
        for step in range(steps):
            rows = order[step * batch : (step + 1) * batch]
            progress = (epoch + step / steps) / config.epochs
            scores = (inputs[rows] @ weights.flatten(1)).view(len(rows), len(grid), classes)
            gradient = inputs[rows].T @ cross_entropy_gradient(scores, labels[rows]).flatten(1)
            velocity.mul_(config.momentum).add_(gradient.view_as(weights)).add_(decays * weights)
            weights -= rates * (0.5 + 0.5 * math.cos(math.pi * progress)) * velocity
    return Probes(weights=weights, mean=mean, scale=scale)


class Linear:
    """The protocol: for every task the whole grid, its choice on validation, and the oracle."""

    def __init__(self, config: LinearConfig) -> None:
        self.config = config
        self.grid = [(rate, decay) for rate in config.rates for decay in config.decays]

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield, for every task and probe seed, the choice on validation and what was best on the query."""
        table = trial.table(self.config.space)
        features, labels = torch.from_numpy(joined(table)), torch.from_numpy(np.asarray(table.target))
        for place, task in enumerate(trial.tasks):
            for seed in range(self.config.seeds):
                rng = trial.rng("probe", seed, str(sorted(task.setting.items())))
                yield from self._task(place, task, seed, features, labels, len(trial.target.names), rng)

    def _task(
        self, place: int, task: Task, seed: int, features: Tensor, labels: Tensor, classes: int,
        rng: np.random.Generator,
    ) -> Iterator[Outcome]:  # fmt: skip
        bank = torch.from_numpy(task.bank)
        probes = train_probes(features[bank], labels[bank], classes, self.grid, self.config, rng)
        said = {
            name: torch.cat([probes.scores(features[r]).argmax(2) for r in torch.split(torch.from_numpy(rows), 1024)])
            for name, rows in (("validation", task.validation), ("query", task.query))
            if len(rows)
        }
        for where in ("validation", "query"):
            if where not in said:
                continue
            truth = labels[torch.from_numpy(task.validation if where == "validation" else task.query)]
            best = int((said[where] == truth.unsqueeze(1)).sum(0).argmax())
            rate, decay = self.grid[best]
            yield Outcome(
                task=place,
                setting={"probe_seed": seed},
                chosen={"rate": rate, "decay": decay},
                chosen_on="validation" if where == "validation" else "query",
                rows=task.query,
                predicted=said["query"][:, best].numpy(),
            )
