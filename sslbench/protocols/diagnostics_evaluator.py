"""Describe the features of the test samples of every fold; formulas are in `sslbench.api.feature_geometry`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sslbench.api import feature_geometry
from sslbench.api.modules import Trial
from sslbench.api.values import Outcome
from sslbench.protocols.diagnostics import DiagnosticsConfig


class Diagnostics:
    """Evaluator of the diagnostics protocol."""

    def __init__(self, config: DiagnosticsConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Describe the features of every distinct test set, or of the whole table if there are no tasks."""
        table = trial.table(self.config.space)
        features = table.vectors()
        queries = {task.query.tobytes(): (place, task.query) for place, task in reversed(list(enumerate(trial.tasks)))}
        for place, query in queries.values() or [(None, np.arange(table.rows()))]:
            rows = query[
                np.unique(np.linspace(0, len(query) - 1, min(self.config.max_samples, len(query))).astype(int))
            ]
            scores = dict(feature_geometry.describe(features[rows], self.config.max_samples))
            scores["uniformity"] = feature_geometry.uniformity(features[rows])
            if table.augmented:
                both = np.concatenate([np.asarray(v[rows]) for _, v in sorted(table.augmented.items())], axis=2)
                scores["alignment"] = feature_geometry.alignment(both[:, 0], both[:, 1])
            yield Outcome(task=place, scores=scores)
