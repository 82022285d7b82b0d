"""Weighted k-NN: votes of exact neighbors for a whole grid of k."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.values import Outcome, Task
from sslbench.evaluation.features import joined
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.nearest_neighbors import nearest


def weights(cosines: Tensor, config: KnnConfig) -> Tensor:
    """[Q, k] -> [Q, k]: exp((s - s_max) / T), or 1 / (1 - s) where an exact match silences all others."""
    if config.vote == "exponential":
        return torch.exp((cosines - cosines[:, :1]) / config.temperature)
    distance = (1 - cosines).clamp(min=0)
    exact = distance <= 1e-6
    silenced = torch.where(exact, 1.0, 0.0)
    return torch.where(exact.any(1, keepdim=True), silenced, 1 / distance.clamp(min=1e-12))


def votes(vote: Tensor, labels: Tensor, classes: int, k: int) -> Tensor:
    """[Q, C] sums of the k nearest weights by class."""
    return torch.zeros(len(vote), classes).scatter_add_(1, labels[:, :k], vote[:, :k])


class Knn:
    """The protocol: one set of neighbors per task, every k of the grid from it."""

    def __init__(self, config: KnnConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Choose k on validation; the k that would have been best on the query is the oracle."""
        table = trial.table(self.config.space)
        features = torch.nn.functional.normalize(torch.from_numpy(joined(table)), dim=1)
        labels = torch.from_numpy(np.asarray(table.target))
        for place, task in enumerate(trial.tasks):
            yield from self._task(place, task, features, labels, len(trial.target.names))

    def _task(self, place: int, task: Task, features: Tensor, labels: Tensor, classes: int) -> Iterator[Outcome]:
        bank = torch.from_numpy(task.bank)
        grid = sorted({min(k, len(bank)) for k in self.config.neighbors})
        answers = {}
        for name, rows in (("validation", task.validation), ("query", task.query)):
            asked = torch.from_numpy(rows)
            cosines, found = nearest(features[bank], features[asked], grid[-1], self.config.memory)
            vote, named = weights(cosines, self.config), labels[bank][found]
            answers[name] = {k: votes(vote, named, classes, k).argmax(1) for k in grid}
        right = accuracies(grid, answers["validation"], labels[torch.from_numpy(task.validation)])
        best = best_of(grid, right)
        oracle = best_of(grid, accuracies(grid, answers["query"], labels[torch.from_numpy(task.query)]))
        for k, where in ((best, "validation"), (oracle, "query")):
            yield Outcome(
                task=place,
                chosen={"k": k},
                chosen_on="validation" if where == "validation" else "query",
                considered=tuple(({"k": k}, share) for k, share in right.items()) if where == "validation" else (),
                rows=task.query,
                predicted=answers["query"][k].numpy(),
                validation=answers["validation"][k].numpy() if where == "validation" else None,
            )


def accuracies(grid: Sequence[int], answers: dict[int, Tensor], labels: Tensor) -> dict[int, float]:
    """The share of hits by k; nothing without anything to choose on."""
    return {k: float((answers[k] == labels).double().mean()) for k in grid} if len(labels) else {}


def best_of(grid: Sequence[int], right: Mapping[int, float]) -> int:
    """The k with most hits, the smallest among equals; the middle of the grid without anything to choose on."""
    return max(grid, key=lambda k: (right[k], -k)) if right else grid[len(grid) // 2]
