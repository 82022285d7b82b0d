"""Compute the adjusted mutual information of a clustering and its permutation null.

The expectation depends on the cluster sizes alone, so it is computed once for all permutations; a permutation changes
only the contingency table.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def contingency_table(labels: Codes, clusters: Codes) -> Codes:
    """Count how often each label [n] and cluster [n] (whole numbers from 0) occur together: [labels, clusters]."""
    shape = int(labels.max(initial=0)) + 1, int(clusters.max(initial=0)) + 1
    table: Codes = np.bincount(labels * shape[1] + clusters, minlength=shape[0] * shape[1]).reshape(shape)
    return table


def _ratio(numerator: float, denominator: float) -> float:
    """Divide, and return 1 if both sides have a single cluster, as scikit-learn does."""
    return numerator / denominator if abs(denominator) > 1e-15 else 1.0
