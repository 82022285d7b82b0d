"""k-means (scikit-learn's) on the query's features, scored by AMI; exemplars are the samples nearest to centroids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from sslbench.analysis.agreement import adjusted
from sslbench.api.modules import Trial
from sslbench.api.values import Columns, Outcome, RowGroups, Task
from sslbench.protocols.clustering import ClusteringConfig
from sslbench.protocols.features import joined


class Clustering:
    """The protocol: every K, several seeds, and the spread over them."""

    def __init__(self, config: ClusteringConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Cluster the query of every fold once: how many labels a task may use makes no difference to it."""
        table = trial.table(self.config.space)
        features = joined(table)
        labels = np.asarray(table.target)
        seen: set[bytes] = set()
        for place, task in enumerate(trial.tasks):
            if task.query.tobytes() in seen:
                continue
            seen.add(task.query.tobytes())
            for clusters in self.config.clusters or (len(trial.target.names),):
                yield self._cluster(trial, place, task, clusters, features[task.query], labels[task.query])

    def _cluster(
        self,
        trial: Trial,
        place: int,
        task: Task,
        clusters: int,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
    ) -> Outcome:
        clusters = min(clusters, len(features))
        runs = []
        for seed in range(self.config.seeds):
            rng = trial.rng("kmeans", clusters, seed, str(task.setting.get("fold")))
            state = int(rng.integers(2**31))
            fitted = KMeans(clusters, n_init=self.config.restarts, random_state=state).fit(features)
            found = adjusted(labels, fitted.labels_.astype(np.int64), self.config.null if seed == 0 else 0, rng)
            runs.append((fitted, found))
        first, scores = runs[0][0], dict(runs[0][1])
        for name in ("ami_max", "ami_arithmetic"):
            scores[name] = float(np.mean([found[name] for _, found in runs]))
        if len(runs) > 1:
            scores["ami_max_sd"] = float(np.std([found["ami_max"] for _, found in runs], ddof=1))
        columns = {"row": tuple(task.query.tolist()), "cluster": tuple(first.labels_.tolist())}
        assigned = Columns(name=f"assignment-{clusters}", columns=columns)
        return Outcome(
            task=place,
            setting={"clusters": clusters},
            scores=scores,
            artefacts=(assigned, self._exemplars(first, features, task)),
        )

    def _exemplars(self, fitted: KMeans, features: NDArray[np.float32], task: Task) -> RowGroups:
        distances = fitted.transform(features)
        groups = {}
        for cluster in range(distances.shape[1]):
            inside = np.flatnonzero(fitted.labels_ == cluster)
            near = inside[np.argsort(distances[inside, cluster], kind="stable")[: self.config.exemplars]]
            groups[f"cluster {cluster}"] = tuple(int(row) for row in task.query[near])
        return RowGroups(name=f"exemplars-{distances.shape[1]}", groups=groups)
