"""Compute the adjusted mutual information of a clustering and its permutation null.

The expectation depends on the cluster sizes alone, so it is computed once for all permutations; a permutation changes
only the contingency table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.metrics.cluster import expected_mutual_information

Codes = NDArray[np.int64]


def adjusted_mutual_info(labels: Codes, clusters: Codes, draws: int, rng: np.random.Generator) -> Mapping[str, float]:
    """Return the AMI with max and arithmetic normalization (Vinh, Epps, Bailey 2010).

    With `draws` > 0 the result also holds the mean and deviation of `ami_max` under permuted labels.
    """
    coded, clustered = (np.unique(codes, return_inverse=True)[1] for codes in (labels, clusters))
    table = contingency_table(coded, clustered)
    rows, columns = table.sum(1), table.sum(0)
    expected = float(expected_mutual_information(table, len(labels)))
    entropies = float(entropy(rows)), float(entropy(columns))
    scales = {"ami_max": max(entropies), "ami_arithmetic": sum(entropies) / 2}

    def scores(table: Codes) -> dict[str, float]:
        shared = sum(entropies) - float(entropy(table.ravel()))
        return {name: _ratio(shared - expected, scale - expected) for name, scale in scales.items()}

    found = scores(table)
    null = [scores(contingency_table(rng.permutation(coded), clustered))["ami_max"] for _ in range(draws)]
    if null:
        found |= {
            "ami_max_null": float(np.mean(null)),
            "ami_max_null_sd": float(np.std(null, ddof=1 if draws > 1 else 0)),
        }
    return found


def ami_max(labels: Codes, clusterings: Sequence[Codes]) -> float:
    """Return the mean AMI of several clusterings [n], with max normalization."""
    return float(np.mean([_ami(labels, clusters)["ami_max"] for clusters in clusterings]))


def ami_arithmetic(labels: Codes, clusterings: Sequence[Codes]) -> float:
    """Return the mean AMI of several clusterings [n], with arithmetic normalization."""
    return float(np.mean([_ami(labels, clusters)["ami_arithmetic"] for clusters in clusterings]))


def ami_max_deviation(labels: Codes, clusterings: Sequence[Codes]) -> float | None:
    """Return the standard deviation (n - 1) of the AMI of several clusterings [n]; None for one."""
    found = [_ami(labels, clusters)["ami_max"] for clusters in clusterings]
    return float(np.std(found, ddof=1)) if len(found) > 1 else None


def ami_max_by_chance(labels: Codes, clusters: Codes, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return mean and standard deviation of the AMI of clusters [n] under permuted labels."""
    found = adjusted_mutual_info(labels, clusters, draws, rng)
    return found["ami_max_null"], found["ami_max_null_sd"]


def _ami(labels: Codes, clusters: Codes) -> Mapping[str, float]:
    return _cached_ami(labels.astype(np.int64).tobytes(), clusters.astype(np.int64).tobytes())


@lru_cache(maxsize=64)
def _cached_ami(labels: bytes, clusters: bytes) -> Mapping[str, float]:
    """Compute the AMI once for the metrics of one clustering; most of the time goes into its expectation."""
    first, second = (np.frombuffer(one, np.int64) for one in (labels, clusters))
    return adjusted_mutual_info(first, second, 0, np.random.default_rng(0))


def contingency_table(labels: Codes, clusters: Codes) -> Codes:
    """Count how often each label [n] and cluster [n] (whole numbers from 0) occur together: [labels, clusters]."""
    shape = int(labels.max(initial=0)) + 1, int(clusters.max(initial=0)) + 1
    table: Codes = np.bincount(labels * shape[1] + clusters, minlength=shape[0] * shape[1]).reshape(shape)
    return table


def _ratio(numerator: float, denominator: float) -> float:
    """Divide, and return 1 if both sides have a single cluster, as scikit-learn does."""
    return numerator / denominator if abs(denominator) > 1e-15 else 1.0
