"""Measure the distance correlation of features and descriptors of the test samples of every fold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from sslbench.api import Outcome
from sslbench.api.modules import Trial
from sslbench_mvmr.dependence import center, product_distances, squared_correlation
from sslbench_mvmr.protocols.dependence import DependenceConfig


class Dependence:
    """Evaluator of the dependence protocol."""

    def __init__(self, config: DependenceConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield one outcome per descriptor for every distinct test set, or for the whole table if there are no tasks."""
        table = trial.table(self.config.space)
        features = table.vectors()
        queries = {task.query.tobytes(): (place, task.query) for place, task in reversed(list(enumerate(trial.tasks)))}
        for place, query in queries.values() or [(None, np.arange(table.rows()))]:
            count = min(self.config.max_samples, len(query))
            rows = query[np.unique(np.linspace(0, len(query) - 1, count).astype(int))]
            own = center(product_distances(torch.from_numpy(features[rows])), "u")
            for name in self.config.descriptors:
                described = trial.bench.answer(trial.dependency(name), rows, source="samples")
                other = center(product_distances(described), "u")
                value = float(squared_correlation(own, other))
                yield Outcome(task=place, setting={"descriptor": name}, scores={"distance_correlation": value})
