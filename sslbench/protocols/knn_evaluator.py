"""Classify samples by weighted votes of their exact nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.values import Outcome, Task
from sslbench.protocols.knn import KnnConfig


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


class Knn:
    """Evaluator of the k-NN protocol: one search per task serves every k of the grid."""

    def __init__(self, config: KnnConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield for every task the predictions with k chosen on validation, and the oracle, chosen on the test set."""
        table = trial.table(self.config.space)
        vectors, labels = table.vectors(), torch.from_numpy(np.asarray(table.target))
        for place, task in enumerate(trial.tasks):
            yield from self._task(trial, place, task, vectors, labels)

    def _task(
        self, trial: Trial, place: int, task: Task, vectors: NDArray[np.float32], labels: Tensor
    ) -> Iterator[Outcome]:
        grid = sorted({min(k, len(task.bank)) for k in self.config.neighbors})
        classes, answers = len(trial.target.names), {}
        for name, rows in (("validation", task.validation), ("query", task.query)):
            cosines, found = trial.find_nearest(vectors[task.bank], vectors[rows], grid[-1], memory=self.config.memory)
            weights = compute_weights(torch.from_numpy(cosines), self.config)
            neighbor_labels = labels[torch.from_numpy(task.bank[found])]
            answers[name] = {k: sum_votes(weights, neighbor_labels, classes, k).argmax(1) for k in grid}
        accuracies = compute_accuracies(grid, answers["validation"], labels[torch.from_numpy(task.validation)])
        best = choose_k(grid, accuracies)
        oracle = choose_k(grid, compute_accuracies(grid, answers["query"], labels[torch.from_numpy(task.query)]))
        for k, part in ((best, "validation"), (oracle, "query")):
            yield Outcome(
                task=place,
                chosen={"k": k},
                chosen_on="validation" if part == "validation" else "query",
                considered=tuple(({"k": k}, share) for k, share in accuracies.items()) if part == "validation" else (),
                rows=task.query,
                predicted=answers["query"][k].numpy(),
                validation=answers["validation"][k].numpy() if part == "validation" else None,
            )


def compute_accuracies(grid: Sequence[int], answers: dict[int, Tensor], labels: Tensor) -> dict[int, float]:
    """Return the accuracy of each k; empty if there are no labels to choose on."""
    return {k: float((answers[k] == labels).double().mean()) for k in grid} if len(labels) else {}


def choose_k(grid: Sequence[int], accuracies: Mapping[int, float]) -> int:
    """Return the most accurate k, the smallest among equals; the middle of the grid if `accuracies` is empty."""
    return max(grid, key=lambda k: (accuracies[k], -k)) if accuracies else grid[len(grid) // 2]
