"""Compute metrics of several labels and of numbers per sample. Unknown entries do not count.

Shapes: labels [n, C] are 1, 0 or -1 (unknown), scores [n, C] have any scale; numbers [n, D] are NaN where unknown. A label
without a known positive, or a number with fewer than two different known entries, has no score of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Values = NDArray[np.float64]
THRESHOLD = 0.5
"""Scores above it count as positive, where a metric needs decisions."""


def average_precisions(truth: Labels, scores: Values) -> Values:
    """Return the average precision of each label [C] (scikit-learn's definition); NaN without a known positive."""
    from sklearn.metrics import average_precision_score  # imported here because it is slow

    return np.array([
        average_precision_score(own[own >= 0] > 0, score[own >= 0]) if (own > 0).any() else np.nan
        for own, score in zip(truth.T, scores.T, strict=True)
    ], np.float64)  # fmt: skip


def macro_average_precision(truth: Labels, scores: Values) -> float | None:
    """Return the mean average precision over labels; None if no label has a known positive."""
    return _mean_known(average_precisions(truth, scores))


def micro_average_precision(truth: Labels, scores: Values) -> float | None:
    """Return the average precision over all known pairs of sample and label; None without a positive."""
    known = truth >= 0
    return _mean_known(average_precisions(truth[known][:, None], scores[known][:, None]))


def exact_match(truth: Labels, scores: Values) -> float:
    """Return the share of samples of which all known labels are right, with scores thresholded at 0.5."""
    right = ((scores > THRESHOLD) == (truth > 0)) | (truth < 0)
    return float(right.all(1).mean())


def micro_f1(truth: Labels, scores: Values) -> float:
    """Return F1 over all known pairs of sample and label, with scores thresholded at 0.5; 0 if undefined."""
    hits, total = _count_decisions(truth, scores)
    return float(2 * hits.sum() / max(total.sum(), 1))


def macro_f1(truth: Labels, scores: Values) -> float | None:
    """Return the mean F1 over labels with a known positive, with scores thresholded at 0.5; None without one."""
    hits, total = _count_decisions(truth, scores)
    return _mean_known(np.where((truth > 0).any(0), 2 * hits / np.maximum(total, 1), np.nan))


def _count_decisions(truth: Labels, scores: Values) -> tuple[Labels, Labels]:
    """Return by label [C] the true positives, and the positives plus those decided as positive."""
    positive, true = (scores > THRESHOLD) & (truth >= 0), truth > 0
    return (positive & true).sum(0), positive.sum(0) + true.sum(0)


def r2_by_value(truth: Values, predicted: Values) -> Values:
    """Return the coefficient of determination of each number [D]; NaN where it is not defined."""
    from sklearn.metrics import r2_score  # imported here because it is slow

    return _by_value(truth, predicted, r2_score, different=True)


def errors_by_value(truth: Values, predicted: Values) -> Values:
    """Return the mean absolute error of each number [D], in its unit; NaN without a known entry."""
    from sklearn.metrics import mean_absolute_error  # imported here because it is slow

    return _by_value(truth, predicted, mean_absolute_error, different=False)


def r2(truth: Values, predicted: Values) -> float | None:
    """Return the mean coefficient of determination over the numbers of a target."""
    return _mean_known(r2_by_value(truth, predicted))


def mean_absolute_error(truth: Values, predicted: Values) -> float | None:
    """Return the mean absolute error, averaged over the numbers of a target."""
    return _mean_known(errors_by_value(truth, predicted))


def spearman(truth: Values, predicted: Values) -> float | None:
    """Return Spearman's rank correlation, averaged over the numbers of a target; 0 for constant predictions."""
    return _mean_known(_by_value(truth, predicted, _rank_correlation, different=True))


def _rank_correlation(truth: Values, predicted: Values) -> float:
    from scipy.stats import spearmanr  # imported here because it is slow

    return 0.0 if (predicted == predicted[0]).all() else float(spearmanr(truth, predicted).statistic)


def _by_value(truth: Values, predicted: Values, function: Callable[[Any, Any], float], *, different: bool) -> Values:
    """Return a metric of the known entries of each number [D]; with `different` these must have two different values."""
    found = np.full(truth.shape[1], np.nan)
    for place, (own, answer) in enumerate(zip(truth.T, predicted.T, strict=True)):
        known = ~np.isnan(own)
        if known.any() and (not different or np.ptp(own[known]) > 0):
            found[place] = function(own[known], answer[known])
    return found


def _mean_known(values: Values) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
