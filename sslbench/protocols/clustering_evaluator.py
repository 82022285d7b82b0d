"""Cluster the features of test samples with k-means and score them by adjusted mutual information."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from sslbench.api.adjusted_mutual_info import adjusted_mutual_info
from sslbench.api.errors import RequestError
from sslbench.api.modules import Trial
from sslbench.api.suggestions import did_you_mean
from sslbench.api.values import FeatureTable, Outcome, SampleGroups, Task
from sslbench.protocols.clustering import ClusteringConfig

Codes = NDArray[np.int64]


class Clustering:
    """Evaluator of the clustering protocol: every number of clusters with several seeds."""

    def __init__(self, config: ClusteringConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Cluster the test set of every fold once; tasks that differ only in their training labels share a result."""
        table = trial.table(self.config.space)
        features, labels = table.vectors(), np.asarray(table.target)
        columns = {
            name: encode_column(get_column(table, name), self.config.bins) for name in self.config.also_score_against
        }
        seen: set[bytes] = set()
        for place, task in enumerate(trial.tasks):
            if task.query.tobytes() in seen:
                continue
            seen.add(task.query.tobytes())
            requested = self.config.clusters or (len(trial.target.names),)
            for clusters in dict.fromkeys(min(number, len(task.query)) for number in requested):
                yield from self._cluster(trial, place, task, clusters, features[task.query], labels, columns)

    def _cluster(
        self,
        trial: Trial,
        place: int,
        task: Task,
        clusters: int,
        features: NDArray[np.float32],
        labels: Codes,
        columns: Mapping[str, Codes],
    ) -> Iterator[Outcome]:
        fits, rngs = [], []
        for seed in range(self.config.seeds):
            rngs.append(trial.rng("kmeans", clusters, seed, str(task.setting.get("fold"))))
            state = int(rngs[-1].integers(2**31))
            fits.append(KMeans(clusters, n_init=self.config.restarts, random_state=state).fit(features))
        assigned = [fit.labels_.astype(np.int64) for fit in fits]
        yield Outcome(
            task=place,
            setting={"clusters": clusters},
            rows=task.query,
            clusters=tuple(assigned),
            scores=self._score_chance(labels[task.query], assigned[0], rngs[0]),
            artifacts=(self._exemplars(fits[0], features, task),),
        )
        for name, codes in columns.items():
            scores = self._scores(codes[task.query], assigned, rngs[0])
            yield Outcome(task=place, setting={"clusters": clusters, "against": name}, scores=scores)

    def _score_chance(self, codes: Codes, clusters: Codes, rng: np.random.Generator) -> dict[str, float]:
        """Return what does not follow from stored clusters: the null of a clustering."""
        found = adjusted_mutual_info(codes[codes >= 0], clusters[codes >= 0], self.config.permutations, rng)
        return {name: found[name] for name in ("ami_max_null", "ami_max_null_sd") if name in found}

    def _scores(self, codes: Codes, assigned: Sequence[Codes], rng: np.random.Generator) -> dict[str, float]:
        """Return the mean scores of all clusterings and the null of the first; samples with a negative code are left out."""
        known = codes >= 0
        found = [
            adjusted_mutual_info(codes[known], clusters[known], self.config.permutations if seed == 0 else 0, rng)
            for seed, clusters in enumerate(assigned)
        ]
        scores = dict(found[0])
        for name in ("ami_max", "ami_arithmetic"):
            scores[name] = float(np.mean([one[name] for one in found]))
        if len(found) > 1:
            scores["ami_max_sd"] = float(np.std([one["ami_max"] for one in found], ddof=1))
        return scores

    def _exemplars(self, fitted: KMeans, features: NDArray[np.float32], task: Task) -> SampleGroups:
        """Return the samples nearest to each centroid."""
        distances = fitted.transform(features)
        groups = {}
        for cluster in range(distances.shape[1]):
            inside = np.flatnonzero(fitted.labels_ == cluster)
            near = inside[np.argsort(distances[inside, cluster], kind="stable")[: self.config.exemplars]]
            groups[f"cluster {cluster}"] = tuple(int(row) for row in task.query[near])
        return SampleGroups(name=f"exemplars-{distances.shape[1]}", groups=groups)


def get_column(table: FeatureTable, name: str) -> NDArray[np.str_]:
    """Return a column of the data. Raises RequestError if it does not exist."""
    if name not in table.columns:
        hint = did_you_mean(name, sorted(table.columns))
        raise RequestError(
            [f"protocol_settings.clustering.also_score_against={name}: the data has no such column{hint}"]
        )
    return table.columns[name]


def encode_column(column: NDArray[np.str_], bins: int) -> Codes:
    """Return codes [n] of a column: numbers in `bins` equally filled bins, other values by their text, '' as -1."""
    filled = column != ""
    codes = np.full(len(column), -1, np.int64)
    try:
        values = column[filled].astype(np.float64)
    except ValueError:
        values = None
    if values is None or len(set(values.tolist())) <= bins:
        codes[filled] = np.unique(column[filled], return_inverse=True)[1]
    else:
        edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
        codes[filled] = np.searchsorted(edges, values, side="right")
    return codes
