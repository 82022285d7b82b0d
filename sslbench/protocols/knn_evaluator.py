"""Predict samples by weighted votes or means of their exact nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.targets import Labels, TargetKind, kind_of
from sslbench.api.values import Outcome, Task
from sslbench.protocols.knn import KnnConfig

QUERIES = 256
"""Queries whose neighbors' labels are averaged at once, which bounds memory."""


def compute_weights(cosines: Tensor, config: KnnConfig) -> Tensor:
    """Return the weights [Q, k] of neighbors with cosines [Q, k].

    exp((s - s_max) / T), or 1 / (1 - s), where exact matches get 1 and all others of that query 0.
    """
    if config.vote == "exponential":
        return torch.exp((cosines - cosines[:, :1]) / config.temperature)
    distance = (1 - cosines).clamp(min=0)
    exact = distance <= 1e-6
    exact_only = torch.where(exact, 1.0, 0.0)
    return torch.where(exact.any(1, keepdim=True), exact_only, 1 / distance.clamp(min=1e-12))


def sum_votes(weights: Tensor, labels: Tensor, classes: int, k: int) -> Tensor:
    """Return [Q, C] the sums of the k nearest weights by class."""
    return torch.zeros(len(weights), classes).scatter_add_(1, labels[:, :k], weights[:, :k])


def share_votes(weights: Tensor, labels: Tensor, classes: int, k: int) -> Tensor:
    """Return [Q, C] the shares of the votes by class; in float64, so that different votes have different shares."""
    votes = sum_votes(weights, labels, classes, k).double()
    return votes / votes.sum(1, keepdim=True)


def average_labels(weights: Tensor, labels: Tensor, default: Tensor, k: int) -> Tensor:
    """Return [Q, C] the weighted means of the k nearest neighbors' labels [Q, k, C], NaN where unknown.

    `default` [C] is the answer where no neighbor's label is known.
    """
    near, known = labels[:, :k], ~labels[:, :k].isnan()
    weight = torch.where(known, weights[:, :k, None], 0.0)
    total = weight.sum(1)
    return torch.where(total > 0, (weight * near.nan_to_num()).sum(1) / total.clamp(min=1e-30), default)


def predict(weights: Tensor, found: Tensor, bank: Tensor, classes: int, k: int) -> Tensor:
    """Return codes [Q] of the classes with most votes, or means [Q, C] of the labels.

    `found` [Q, k] are rows of `bank`: encoded labels [n] or [n, C]. Means are computed for a part of the queries at a time.
    """
    if bank.ndim == 1:
        return sum_votes(weights, bank[found], classes, k).argmax(1)
    parts = zip(torch.split(weights, QUERIES), torch.split(found, QUERIES), strict=True)
    return torch.cat([average_labels(weight, bank[rows], bank.nanmean(0).nan_to_num(), k) for weight, rows in parts])


class Knn:
    """Evaluator of the k-NN protocol: one search per task serves every k of the grid."""

    def __init__(self, config: KnnConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield for every task the predictions with k chosen on validation, and the oracle, chosen on the test set."""
        table = trial.table(self.config.space)
        vectors, labels = table.vectors(), np.asarray(table.target)
        for place, task in enumerate(trial.tasks):
            yield from self._task(trial, place, task, vectors, labels)

    def _task(
        self, trial: Trial, place: int, task: Task, vectors: NDArray[np.float32], labels: Labels
    ) -> Iterator[Outcome]:
        grid = sorted({min(k, len(task.bank)) for k in self.config.neighbors})
        kind, known, answers, searched = kind_of(trial.target), labels[task.bank], {}, {}
        encoded, classes = torch.from_numpy(kind.encode(known, known)), len(trial.target.names)
        for name, rows in (("validation", task.validation), ("query", task.query)):
            cosines, found = trial.find_nearest(vectors[task.bank], vectors[rows], grid[-1], memory=self.config.memory)
            searched[name] = compute_weights(torch.from_numpy(cosines), self.config), torch.from_numpy(found)
            means = {k: predict(*searched[name], encoded, classes, k).numpy() for k in grid}
            answers[name] = {k: kind.decode(mean, known) for k, mean in means.items()}
        qualities = score_all(kind, labels[task.validation], answers["validation"])
        best = choose_k(grid, qualities)
        oracle = choose_k(grid, score_all(kind, labels[task.query], answers["query"]))

        def answer(name: str, k: int) -> Labels:
            """Return what outcomes hold: shares of votes, or the means."""
            if encoded.ndim == 2:
                return answers[name][k]
            weights, neighbors = searched[name]
            return share_votes(weights, encoded[neighbors], classes, k).numpy()

        for k, part in ((best, "validation"), (oracle, "query")):
            yield Outcome(
                task=place,
                chosen={"k": k},
                chosen_on="query" if part == "query" else "validation" if qualities else "nothing",
                considered=tuple(({"k": k}, share) for k, share in qualities.items()) if part == "validation" else (),
                rows=task.query,
                predicted=answer("query", k),
                validation=answer("validation", k) if part == "validation" and qualities else None,
            )


def score_all(kind: TargetKind, labels: Labels, answers: Mapping[int, Labels]) -> dict[int, float]:
    """Return the score of each k, such as accuracy; empty if there are no labels to choose on."""
    return {k: kind.score(labels, predicted) for k, predicted in answers.items()} if len(labels) else {}


def choose_k(grid: Sequence[int], qualities: Mapping[int, float]) -> int:
    """Return the best k, the smallest among equals; the middle of the grid if `qualities` is empty."""
    return max(grid, key=lambda k: (qualities[k], -k)) if qualities else grid[len(grid) // 2]
