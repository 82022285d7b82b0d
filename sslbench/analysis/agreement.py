"""Adjusted mutual information of a clustering with labels, by both normalisations, and its permutation null.

The expectation depends on the cluster sizes alone, so it is computed once for all permutations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

Codes = NDArray[np.int64]


def adjusted(labels: Codes, clusters: Codes, draws: int, rng: np.random.Generator) -> Mapping[str, float]:
    """AMI with max and arithmetic normalisation (Vinh, Epps, Bailey 2010), and mean and deviation under permuted labels."""
    table = contingency_matrix(labels, clusters, sparse=True).astype(np.int64)
    rows, columns = np.asarray(table.sum(1)).ravel(), np.asarray(table.sum(0)).ravel()
    expected = float(expected_mutual_information(table, len(labels)))
    entropies = float(entropy(rows)), float(entropy(columns))
    scales = {"ami_max": max(entropies), "ami_arithmetic": sum(entropies) / 2}

    def scores(codes: Codes) -> dict[str, float]:
        information = float(mutual_info_score(codes, clusters))
        return {name: _ratio(information - expected, scale - expected) for name, scale in scales.items()}

    found = scores(labels)
    null = [scores(rng.permutation(labels))["ami_max"] for _ in range(draws)]
    if null:
        found |= {
            "ami_max_null": float(np.mean(null)),
            "ami_max_null_sd": float(np.std(null, ddof=1 if draws > 1 else 0)),
        }
    return found


def _ratio(above: float, below: float) -> float:
    """1 where both sides have a single cluster, as scikit-learn has it."""
    return above / below if abs(below) > 1e-15 else 1.0
