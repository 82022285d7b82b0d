"""Linear probes solved together: every rate and decay, for every task and probe seed, is a slice of one product.

The gradient of softmax cross-entropy is written out, so a whole grid costs two matrix products a step. Their factors are in
half precision where the plan says so; weights, momentum and what is answered are in single precision.
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
from sslbench.evaluation.features import joined
from sslbench.protocols.linear import LinearConfig, count_epochs

ROUNDING = 8 * torch.finfo(torch.float32).eps
"""Deviation, relative to a unit's largest magnitude, up to which a unit is constant: the rounding of float32 operations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """One seed's probes of one bank: weights [D, G, C] over standardized features and biases [G, C], for G settings.

    `mean` [D] and `scale` [D] are the bank's; units that are constant in the bank have scale 0 and no part in any score.
    """

    weights: Tensor
    biases: Tensor
    mean: Tensor
    scale: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """[n, D] -> [n, G, C]."""
        apart = standardized(features, self.mean, self.scale) @ self.weights.flatten(1)
        return apart.view(-1, *self.biases.shape) + self.biases


def standardized(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """[n, D] -> [n, D]: zero mean and unit deviation."""
    return (features - mean).mul_(scale)


def compute_standardization(features: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean and the inverse deviation of every unit.

    `features` [n, D] float32 -> two tensors [D]. A unit that is constant up to rounding has scale 0: it carries no
    information, and 1 / deviation would magnify whatever other rows hold there. The limit is relative to the unit's largest
    magnitude, so that units that are small as a whole keep what they carry.
    """
    if not len(features):
        return features.new_zeros(features.shape[1]), features.new_zeros(features.shape[1])
    # float64, a few units at a time: float32 sums would hide a small deviation beside a large mean
    moments = [torch.var_mean(units.double(), dim=0, correction=0) for units in torch.split(features, 64, 1)]
    variance, mean = (torch.cat(parts) for parts in zip(*moments, strict=True))
    deviation = variance.sqrt()
    smallest = (ROUNDING * features.abs().amax(0).double()).clamp(min=torch.finfo(torch.float32).tiny)
    scale = torch.where(deviation > smallest, 1 / deviation, 0.0)
    return mean.float(), scale.float()


def cross_entropy_gradient(scores: Tensor, targets: Tensor) -> Tensor:
    """[B, G, C] and [B] -> d(mean cross-entropy)/d(scores), for each of G probes on its own."""
    gradient = torch.softmax(scores, dim=2)
    gradient[torch.arange(len(targets)), :, targets] -= 1
    return gradient.div_(len(targets))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bank:
    """Labeled features [n, D] to learn from, and for each probe seed the generator of their order."""

    features: Tensor
    labels: Tensor
    rngs: Sequence[np.random.Generator]

    def batches(self, most: int) -> tuple[int, int]:
        """Rows in a batch, and batches in an epoch."""
        batch = min(most, len(self.labels))
        return batch, max(1, len(self.labels) // batch)


def train_probes(
    banks: Sequence[Bank], classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig, precision: str
) -> list[list[Probes]]:
    """Train one probe per bank, seed and (rate, decay); banks with equally many batches are solved as one product."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, bank in enumerate(banks):
        alike[bank.batches(config.batch_size)].append(place)
    probes: dict[int, list[Probes]] = {}
    for places in alike.values():
        together = JointProbes(banks=[banks[p] for p in places], precision=getattr(torch, precision))
        probes |= dict(zip(places, together.train(classes, grid, config), strict=True))
    return [probes[place] for place in range(len(banks))]


class JointProbes:
    """Banks of equally many batches: for each step one batch of every bank and seed [J, B, D] and weights [J, D, G * C]."""

    def __init__(self, banks: Sequence[Bank], precision: torch.dtype) -> None:
        self.banks, self.precision = banks, precision
        moments = [compute_standardization(bank.features) for bank in banks]
        self.means, self.scales = [mean for mean, _ in moments], [scale for _, scale in moments]
        self.inputs = [
            standardized(bank.features, mean, scale).to(precision)
            for bank, mean, scale in zip(banks, self.means, self.scales, strict=True)
        ]
        self.jobs = [(place, rng) for place, bank in enumerate(banks) for rng in bank.rngs]

    def train(self, classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig) -> Iterator[list[Probes]]:
        """Yield every bank's probes, one for each of its seeds."""
        # from zero, not from random values: the problem is convex, and a unit that hardly varies keeps a small weight
        weights = torch.zeros(len(self.jobs), self.inputs[0].shape[1], len(grid) * classes)
        biases = torch.zeros(len(self.jobs), 1, len(grid) * classes)
        velocity, drift = torch.zeros_like(weights), torch.zeros_like(biases)
        rates = torch.tensor([rate for rate, _ in grid]).repeat_interleave(classes)
        decays = torch.tensor([decay for _, decay in grid]).repeat_interleave(classes)
        for progress, inputs, targets in self._steps(config):
            factor = -rates * (0.5 + 0.5 * math.cos(math.pi * progress))
            scores = (inputs @ weights.to(self.precision)).float().add_(biases)
            slope = cross_entropy_gradient(scores.view(-1, len(grid), classes), targets).mul_(len(self.jobs))
            slope = slope.view(scores.shape)
            velocity.mul_(config.momentum).add_(inputs.mT @ slope.to(self.precision)).addcmul_(decays, weights)
            drift.mul_(config.momentum).add_(slope.sum(1, keepdim=True))
            weights.addcmul_(velocity, factor)
            biases.addcmul_(drift, factor)
        place = 0
        for bank, mean, scale in zip(self.banks, self.means, self.scales, strict=True):
            mine = range(place, place + len(bank.rngs))
            place += len(bank.rngs)
            yield [
                Probes(
                    weights=weights[j].view(-1, len(grid), classes), biases=biases[j].view(len(grid), classes),
                    mean=mean, scale=scale,
                )
                for j in mine
            ]  # fmt: skip

    def _steps(self, config: LinearConfig) -> Iterator[tuple[float, Tensor, Tensor]]:
        """Progress in [0, 1), inputs [J, B, D] and targets [J * B] of every step."""
        batch, steps = self.banks[0].batches(config.batch_size)
        epochs = count_epochs(config, steps)
        for epoch in range(epochs):
            orders = [(place, torch.from_numpy(rng.permutation(len(self.inputs[place])))) for place, rng in self.jobs]
            for step in range(steps):
                rows = [(place, order[step * batch : (step + 1) * batch]) for place, order in orders]
                inputs = torch.stack([self.inputs[place][own] for place, own in rows])
                targets = torch.cat([self.banks[place].labels[own] for place, own in rows])
                yield (epoch + step / steps) / epochs, inputs, targets


class Linear:
    """The protocol: for every task the whole grid, its choice on validation, and the oracle."""

    def __init__(self, config: LinearConfig) -> None:
        self.config = config
        self.grid = [(rate, decay) for rate in config.lrs for decay in config.weight_decays]

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield, for every task and probe seed, the choice on validation and what was best on the query."""
        table = trial.table(self.config.space)
        features, labels = torch.from_numpy(joined(table)), torch.from_numpy(np.asarray(table.target))
        banks = []
        for task in trial.tasks:
            rows = torch.from_numpy(task.bank)
            told = str(sorted(task.setting.items()))
            rngs = [trial.rng("probe", seed, told) for seed in range(self.config.seeds)]
            banks.append(Bank(features=features[rows], labels=labels[rows], rngs=rngs))
        trained = train_probes(banks, len(trial.target.names), self.grid, self.config, trial.cpu_matmul_dtype)
        for place, every in enumerate(trained):
            for seed, probes in enumerate(every):
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
            # the smallest validation sets have many ties: the most regularized setting generalizes best
            best = max(range(len(right)), key=lambda place: (right[place], self.grid[place][1], -self.grid[place][0]))
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
