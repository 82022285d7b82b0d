"""Linear probes solved together: every rate and decay, for every task and probe seed, is a slice of one product.

The gradient of softmax cross-entropy is written out, so a whole grid costs two matrix products a step.
"""

from __future__ import annotations

import math
from collections import defaultdict
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
    """Trained probes of one bank: weights [D + 1, G, C] over standardised features, for G settings."""

    weights: Tensor
    mean: Tensor
    scale: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """[n, D] -> [n, G, C]."""
        groups, classes = self.weights.shape[1:]
        return (standardised(features, self.mean, self.scale) @ self.weights.flatten(1)).view(-1, groups, classes)


def standardised(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """[..., n, D] -> [..., n, D + 1]: zero mean, unit deviation, and a column of ones for the bias."""
    whitened = (features - mean) * scale
    return torch.cat([whitened, torch.ones(*whitened.shape[:-1], 1)], dim=-1)


def cross_entropy_gradient(scores: Tensor, targets: Tensor) -> Tensor:
    """[B, G, C] and [B] -> d(mean cross-entropy)/d(scores), for each of G probes on its own."""
    gradient = torch.softmax(scores, dim=2)
    gradient[torch.arange(len(targets)), :, targets] -= 1
    return gradient / len(targets)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bank:
    """Labelled features [n, D] to learn from, and the generator of their order and start."""

    features: Tensor
    labels: Tensor
    rng: np.random.Generator

    def batches(self, most: int) -> tuple[int, int]:
        """Rows in a batch, and batches in an epoch."""
        batch = min(most, len(self.labels))
        return batch, max(1, len(self.labels) // batch)


def train_probes(
    banks: Sequence[Bank], classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig
) -> list[Probes]:
    """Train one probe per bank and (rate, decay); banks with equally many batches are solved as one product."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, bank in enumerate(banks):
        alike[bank.batches(config.batch)].append(place)
    probes: dict[int, Probes] = {}
    for places in alike.values():
        probes |= dict(zip(places, _train_alike([banks[p] for p in places], classes, grid, config), strict=True))
    return [probes[place] for place in range(len(banks))]


def _train_alike(
    banks: Sequence[Bank], classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig
) -> list[Probes]:
    """J banks, G settings: weights [J, D + 1, G * C], and for each step one batch of every bank [J, B, D + 1]."""
    mean = torch.stack([bank.features.mean(0, keepdim=True) for bank in banks])
    deviation = torch.stack([bank.features.std(0, correction=0, keepdim=True) for bank in banks])
    scale = 1 / deviation.clamp(min=1e-6)
    width, wide = mean.shape[-1] + 1, len(grid) * classes
    starts = [bank.rng.normal(0, 0.01, (width, 1, classes)).astype(np.float32) for bank in banks]
    weights = torch.stack([torch.from_numpy(s).repeat(1, len(grid), 1).flatten(1) for s in starts])
    velocity = torch.zeros_like(weights)
    rates = torch.tensor([rate for rate, _ in grid]).repeat_interleave(classes)
    decays = torch.tensor([decay for _, decay in grid]).repeat_interleave(classes)
    batch, steps = banks[0].batches(config.batch)
    for epoch in range(config.epochs):
        orders = [torch.from_numpy(bank.rng.permutation(len(bank.labels))) for bank in banks]
        for step in range(steps):
            progress = (epoch + step / steps) / config.epochs
            rows = [order[step * batch : (step + 1) * batch] for order in orders]
            features = torch.stack([bank.features[r] for bank, r in zip(banks, rows, strict=True)])
            targets = torch.cat([bank.labels[r] for bank, r in zip(banks, rows, strict=True)])
            inputs = standardised(features, mean, scale)
            scores = (inputs @ weights).view(-1, len(grid), classes)
            slope = cross_entropy_gradient(scores, targets).view(len(banks), batch, wide) * len(banks)
            velocity.mul_(config.momentum).add_(inputs.mT @ slope).add_(decays * weights)
            weights -= rates * (0.5 + 0.5 * math.cos(math.pi * progress)) * velocity
    shaped = weights.view(len(banks), width, len(grid), classes)
    return [Probes(weights=w, mean=m, scale=s) for w, m, s in zip(shaped, mean, scale, strict=True)]


class Linear:
    """The protocol: for every task the whole grid, its choice on validation, and the oracle."""

    def __init__(self, config: LinearConfig) -> None:
        self.config = config
        self.grid = [(rate, decay) for rate in config.rates for decay in config.decays]

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield, for every task and probe seed, the choice on validation and what was best on the query."""
        table = trial.table(self.config.space)
        features, labels = torch.from_numpy(joined(table)), torch.from_numpy(np.asarray(table.target))
        jobs = [(place, seed) for place in range(len(trial.tasks)) for seed in range(self.config.seeds)]
        banks = []
        for place, seed in jobs:
            task = trial.tasks[place]
            rows = torch.from_numpy(task.bank)
            rng = trial.rng("probe", seed, str(sorted(task.setting.items())))
            banks.append(Bank(features=features[rows], labels=labels[rows], rng=rng))
        trained = train_probes(banks, len(trial.target.names), self.grid, self.config)
        for (place, seed), probes in zip(jobs, trained, strict=True):
            yield from self._answers(place, trial.tasks[place], seed, features, labels, probes)

    def _answers(
        self, place: int, task: Task, seed: int, features: Tensor, labels: Tensor, probes: Probes
    ) -> Iterator[Outcome]:
        said = {
            name: torch.cat([probes.scores(features[r]).argmax(2) for r in torch.split(torch.from_numpy(rows), 1024)])
            for name, rows in (("validation", task.validation), ("query", task.query))
            if len(rows)
        }
        for where in ("validation", "query"):
            if where not in said:
                continue
            truth = labels[torch.from_numpy(task.validation if where == "validation" else task.query)]
            right = (said[where] == truth.unsqueeze(1)).double().mean(0).tolist()
            named = [{"rate": rate, "decay": decay} for rate, decay in self.grid]
            best = right.index(max(right))
            yield Outcome(
                task=place,
                setting={"probe_seed": seed},
                chosen=named[best],
                chosen_on="validation" if where == "validation" else "query",
                considered=tuple(zip(named, right, strict=True)) if where == "validation" else (),
                rows=task.query,
                predicted=said["query"][:, best].numpy(),
                validation=said["validation"][:, best].numpy() if where == "validation" else None,
            )
