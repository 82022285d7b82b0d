"""Compute metrics from the scores of classes: top-5 accuracy, calibration and selective prediction."""

from __future__ import annotations

import numpy as np

from sslbench.api.ranked_scores import RankedScores

BINS = 15
"""Bins of confidence, of equal width."""


def top5_accuracy(ranked: RankedScores) -> float | None:
    """Return the share of samples with a rank of at most 5; None for five classes or fewer."""
    return float((ranked.ranks <= 5).mean()) if ranked.classes > 5 else None


def macro_top5_accuracy(ranked: RankedScores) -> float | None:
    """Return the mean over classes with samples of their top-5 accuracy; None for five classes or fewer."""
    if ranked.classes <= 5:
        return None
    support = np.bincount(ranked.labels, minlength=ranked.classes)
    hits = np.bincount(ranked.labels, ranked.ranks <= 5, ranked.classes)
    return float((hits[support > 0] / support[support > 0]).mean())


def expected_calibration_error(ranked: RankedScores) -> float | None:
    """Return the difference of confidence and accuracy by bin, weighted by samples; None without probabilities."""
    if not ranked.are_probabilities:
        return None
    confidence = ranked.confidence
    bins = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(np.int64)  # (0, 1/15], (1/15, 2/15], ...
    gaps = np.bincount(bins, confidence - ranked.is_right, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def brier_score(ranked: RankedScores) -> float | None:
    """Return the squared error of the probabilities [n, C], summed over classes; None without all of them."""
    if ranked.matrix is None or not ranked.are_probabilities:
        return None
    wanted = np.arange(ranked.classes) == ranked.labels[:, None]
    return float(((ranked.matrix - wanted) ** 2).sum(1).mean())


def area_under_risk_coverage(ranked: RankedScores) -> float:
    """Return the mean over i of the error rate of the i most confident samples.

    Samples of equal confidence have their mean error each: the expectation over their orders.
    """
    _, group, counts = np.unique(-ranked.confidence, return_inverse=True, return_counts=True)
    errors = np.bincount(group.reshape(-1), ~ranked.is_right) / counts
    risks = np.cumsum(np.repeat(errors, counts)) / np.arange(1, len(group) + 1)
    return float(risks.mean())
