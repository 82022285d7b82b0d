"""Train a grid of linear probes at once, for every task and probe seed.

The gradient of the loss is computed explicitly, so a whole grid costs two matrix products per step. Their
factors have the planned matmul precision; weights, momentum and predictions have single precision.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.target_losses import cross_entropy_gradient, loss_of
from sslbench.api.targets import Labels, kind_of
from sslbench.api.values import Outcome, Target, Task
from sslbench.protocols.linear import LinearConfig, count_epochs

Gradient: TypeAlias = Callable[[Tensor, Tensor], Tensor]
CONSTANT_TOLERANCE = 8 * torch.finfo(torch.float32).eps
"""Standard deviation, relative to a unit's largest magnitude, up to which the unit counts as constant (float32 rounding)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """The probes of one bank and seed: weights [D, G, C] over standardized features and biases [G, C], for G settings.

    `mean` [D] and `scale` [D] standardize the features; units that are constant in the bank have scale 0.
    """

    weights: Tensor
    biases: Tensor
    mean: Tensor
    scale: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """Return the class scores [n, G, C] of features [n, D]."""
        products = standardize(features, self.mean, self.scale) @ self.weights.flatten(1)
        return products.view(-1, *self.biases.shape) + self.biases


def standardize(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Return features [n, D] with zero mean and unit standard deviation."""
    return (features - mean).mul_(scale)


def compute_standardization(features: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean [D] and the inverse standard deviation [D] of every unit of features [n, D] float32.

    A unit that is constant up to rounding has scale 0: it carries no information, and 1 / deviation would magnify noise in
    other rows. The limit is relative to the unit's largest magnitude, so that small but informative units are kept.
    """
    if not len(features):
        return features.new_zeros(features.shape[1]), features.new_zeros(features.shape[1])
    # float64, a few units at a time: float32 sums would lose a small deviation from a large mean
    moments = [torch.var_mean(units.double(), dim=0, correction=0) for units in torch.split(features, 64, 1)]
    variance, mean = (torch.cat(parts) for parts in zip(*moments, strict=True))
    deviation = variance.sqrt()
    smallest = (CONSTANT_TOLERANCE * features.abs().amax(0).double()).clamp(min=torch.finfo(torch.float32).tiny)
    scale = torch.where(deviation > smallest, 1 / deviation, 0.0)
    return mean.float(), scale.float()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bank:
    """Training features [n, D] with encoded labels, and for each probe seed the generator of their order."""

    features: Tensor
    labels: Tensor
    rngs: Sequence[np.random.Generator]

    def count_batches(self, batch_size: int) -> tuple[int, int]:
        """Return the rows in a batch, at most `batch_size`, and the batches in an epoch."""
        batch = min(batch_size, len(self.labels))
        return batch, max(1, len(self.labels) // batch)


def train_probes(
    banks: Sequence[Bank], classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig, precision: str,
    gradient: Gradient = cross_entropy_gradient,
) -> list[list[Probes]]:  # fmt: skip
    """Train one probe per bank, seed and (lr, weight decay); banks with equal batch sizes and counts share products."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, bank in enumerate(banks):
        groups[bank.count_batches(config.batch_size)].append(place)
    probes: dict[int, list[Probes]] = {}
    for places in groups.values():
        joint = JointProbes(banks=[banks[p] for p in places], precision=getattr(torch, precision))
        probes |= dict(zip(places, joint.train(classes, grid, config, gradient), strict=True))
    return [probes[place] for place in range(len(banks))]


class JointProbes:
    """Probes of banks with equal batch sizes and counts, trained at once.

    Each step multiplies one batch of every bank and seed [J, B, D] with weights [J, D, G * C].
    """

    def __init__(self, banks: Sequence[Bank], precision: torch.dtype) -> None:
        self.banks, self.precision = banks, precision
        moments = [compute_standardization(bank.features) for bank in banks]
        self.means, self.scales = [mean for mean, _ in moments], [scale for _, scale in moments]
        self.inputs = [
            standardize(bank.features, mean, scale).to(precision)
            for bank, mean, scale in zip(banks, self.means, self.scales, strict=True)
        ]
        self.jobs = [(place, rng) for place, bank in enumerate(banks) for rng in bank.rngs]

    def train(
        self, classes: int, grid: Sequence[tuple[float, float]], config: LinearConfig, gradient_of: Gradient
    ) -> Iterator[list[Probes]]:
        """Yield the probes of each bank, one per seed."""
        # from zero, not from random values: the problem is convex, and units of low variance keep small weights
        weights = torch.zeros(len(self.jobs), self.inputs[0].shape[1], len(grid) * classes)
        biases = torch.zeros(len(self.jobs), 1, len(grid) * classes)
        velocity, bias_velocity = torch.zeros_like(weights), torch.zeros_like(biases)
        lrs = torch.tensor([lr for lr, _ in grid]).repeat_interleave(classes)
        decays = torch.tensor([decay for _, decay in grid]).repeat_interleave(classes)
        for progress, inputs, targets in self._iterate_steps(config):
            factor = -lrs * (0.5 + 0.5 * math.cos(math.pi * progress))
            scores = (inputs @ weights.to(self.precision)).float().add_(biases)
            gradient = gradient_of(scores.view(-1, len(grid), classes), targets).mul_(len(self.jobs))
            gradient = gradient.view(scores.shape)
            velocity.mul_(config.momentum).add_(inputs.mT @ gradient.to(self.precision)).addcmul_(decays, weights)
            bias_velocity.mul_(config.momentum).add_(gradient.sum(1, keepdim=True))
            weights.addcmul_(velocity, factor)
            biases.addcmul_(bias_velocity, factor)
        place = 0
        for bank, mean, scale in zip(self.banks, self.means, self.scales, strict=True):
            jobs = range(place, place + len(bank.rngs))
            place += len(bank.rngs)
            yield [
                Probes(
                    weights=weights[j].view(-1, len(grid), classes), biases=biases[j].view(len(grid), classes),
                    mean=mean, scale=scale,
                )
                for j in jobs
            ]  # fmt: skip

    def _iterate_steps(self, config: LinearConfig) -> Iterator[tuple[float, Tensor, Tensor]]:
        """Yield progress in [0, 1), inputs [J, B, D] and encoded labels [J * B, ...] of every step."""
        batch, steps = self.banks[0].count_batches(config.batch_size)
        epochs = count_epochs(config, steps)
        for epoch in range(epochs):
            orders = [(place, torch.from_numpy(rng.permutation(len(self.inputs[place])))) for place, rng in self.jobs]
            for step in range(steps):
                rows = [(place, order[step * batch : (step + 1) * batch]) for place, order in orders]
                inputs = torch.stack([self.inputs[place][own] for place, own in rows])
                targets = torch.cat([self.banks[place].labels[own] for place, own in rows])
                yield (epoch + step / steps) / epochs, inputs, targets


class Linear:
    """Evaluator of the linear protocol: the whole grid for every task."""

    def __init__(self, config: LinearConfig) -> None:
        self.config = config
        self.grid = [(lr, decay) for lr in config.lrs for decay in config.weight_decays]

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield, for every task and probe seed, the probe chosen on validation and the oracle, chosen on the test set."""
        table = trial.table(self.config.space)
        features, labels = torch.from_numpy(table.vectors()), np.asarray(table.target)
        kind, banks = kind_of(trial.target), []
        for task in trial.tasks:
            rows = torch.from_numpy(task.bank)
            task_key = str(sorted(task.setting.items()))
            rngs = [trial.rng("probe", seed, task_key) for seed in range(self.config.seeds)]
            encoded = torch.from_numpy(kind.encode(labels[task.bank], labels[task.bank]))
            banks.append(Bank(features=features[rows], labels=encoded, rngs=rngs))
        trained = train_probes(
            banks,
            len(trial.target.names),
            self.grid,
            self.config,
            trial.cpu_matmul_dtype,
            loss_of(trial.target).gradient,
        )
        for place, by_seed in enumerate(trained):
            for seed, probes in enumerate(by_seed):
                yield from self._choose(trial.target, place, trial.tasks[place], seed, features, labels, probes)

    def _choose(
        self, target: Target, place: int, task: Task, seed: int, features: Tensor, labels: Labels, probes: Probes
    ) -> Iterator[Outcome]:
        kind, loss = kind_of(target), loss_of(target)
        parts = {name: rows for name, rows in (("validation", task.validation), ("query", task.query)) if len(rows)}

        def predict(part: str, function: Callable[[Tensor], Tensor], setting: int | slice) -> Labels:
            rows = torch.split(torch.from_numpy(parts[part]), 1024)
            found = torch.cat([function(probes.scores(features[some]))[:, setting] for some in rows])
            return kind.decode(found.numpy(), labels[task.bank])

        predicted = {part: predict(part, loss.answer, slice(None)) for part in parts}
        if len(self.grid) == 1 and "validation" not in parts and "query" in parts:  # nothing to choose
            lr, decay = self.grid[0]
            answer = predict("query", loss.output, 0)
            yield Outcome(
                task=place, setting={"probe_seed": seed}, chosen={"rate": lr, "decay": decay}, rows=task.query,
                predicted=answer,
            )  # fmt: skip
        for part, rows in parts.items():
            qualities = [kind.score(labels[rows], predicted[part][:, place]) for place in range(len(self.grid))]
            choices = [{"rate": lr, "decay": decay} for lr, decay in self.grid]
            # the smallest validation sets have many ties: the most regularized setting generalizes best
            best = max(range(len(choices)), key=lambda i: (qualities[i], self.grid[i][1], -self.grid[i][0]))
            yield Outcome(
                task=place,
                setting={"probe_seed": seed},
                chosen=choices[best],
                chosen_on="validation" if part == "validation" else "query",
                considered=tuple(zip(choices, qualities, strict=True)) if part == "validation" else (),
                rows=task.query,
                predicted=predict("query", loss.output, best),
                validation=predict("validation", loss.output, best) if part == "validation" else None,
            )
