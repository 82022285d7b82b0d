"""Compute how much each sample contributes to metrics of several labels and of numbers: its influence.

The influence of a sample is n times the derivative of the metric by the weight of that sample (Hampel 1974, "The influence
curve and its role in robust estimation"; Efron 1982, infinitesimal jackknife). Influences have mean 0. A metric plus its
influences is a sample of values whose mean is the metric, which can be resampled and paired like right and wrong answers.

Shapes as in `sslbench.api.target_metrics`. An unknown entry has no influence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sslbench.api.target_metrics import THRESHOLD, Labels, Values


def influence_on_average_precisions(truth: Labels, scores: Values) -> Values:
    """Return influences [n, C] on the average precision of each label; NaN without a known positive."""
    found = np.full(truth.shape, np.nan)
    for place, (own, score) in enumerate(zip(truth.T, scores.T, strict=True)):
        if (own > 0).any():
            found[:, place] = _influence_on_average_precision(own, score)
    return found


def influence_on_macro_average_precision(truth: Labels, scores: Values) -> Values | None:
    """Return influences [n] on the mean average precision over labels."""
    return _mean_known(influence_on_average_precisions(truth, scores))


def influence_on_micro_average_precision(truth: Labels, scores: Values) -> Values | None:
    """Return influences [n] on the average precision over all known pairs of sample and label."""
    if not (truth > 0).any():
        return None
    by_pair = _influence_on_average_precision(truth.ravel(), scores.ravel()).reshape(truth.shape)
    found: Values = by_pair.sum(1) / truth.shape[1]  # a sample's weight is that of all its pairs
    return found


def _influence_on_average_precision(truth: Labels, scores: Values) -> Values:
    """Return influences [n] on one average precision, the mean of the precision at the score of every positive."""
    found, known = np.zeros(len(truth)), truth >= 0
    positive = (truth[known] > 0).astype(np.float64)
    _, group = np.unique(-scores[known], return_inverse=True)  # groups of equal scores, the highest first
    hits = np.bincount(group, positive)
    total, selected = np.cumsum(hits), np.cumsum(np.bincount(group))
    precision = total / selected
    value, positives = (hits * precision).sum() / hits.sum(), hits.sum()
    # a sample changes the precision at its own score and at all lower ones
    gain = np.cumsum((hits / selected)[::-1])[::-1]
    loss = np.cumsum((hits * total / selected**2)[::-1])[::-1]
    own = positive * (precision[group] - value + gain[group]) - loss[group]
    found[known] = own / positives * len(truth)
    return found


def influence_on_exact_match(truth: Labels, scores: Values) -> Values:
    """Return influences [n] on the share of samples of which all known labels are right."""
    right = (((scores > THRESHOLD) == (truth > 0)) | (truth < 0)).all(1).astype(np.float64)
    centered: Values = right - right.mean()
    return centered


def influence_on_micro_f1(truth: Labels, scores: Values) -> Values:
    """Return influences [n] on F1 over all known pairs of sample and label."""
    hits, counted = _count_decisions(truth, scores)
    return _influence_on_ratio(2 * hits.sum(1), counted.sum(1))


def influence_on_macro_f1(truth: Labels, scores: Values) -> Values | None:
    """Return influences [n] on the mean F1 over labels with a known positive."""
    hits, counted = _count_decisions(truth, scores)
    by_label = np.stack([_influence_on_ratio(2 * h, c) for h, c in zip(hits.T, counted.T, strict=True)], axis=1)
    return _mean_known(np.where((truth > 0).any(0), by_label, np.nan))


def _count_decisions(truth: Labels, scores: Values) -> tuple[Values, Values]:
    """Return by sample and label [n, C] the true positives, and the positives plus those decided as positive."""
    positive, true = (scores > THRESHOLD) & (truth >= 0), truth > 0
    return (positive & true).astype(np.float64), positive.astype(np.float64) + true


def _influence_on_ratio(numerator: Values, denominator: Values) -> Values:
    """Return influences [n] on a ratio of two sums; 0 if the denominator is 0."""
    below = denominator.mean()
    if below == 0:
        return np.zeros(len(numerator))
    ratio: Values = (numerator - numerator.mean() / below * denominator) / below
    return ratio


def influence_on_r2_by_value(truth: Values, predicted: Values) -> Values:
    """Return influences [n, D] on the coefficient of determination of each number; NaN where it is not defined."""
    found = np.full(truth.shape, np.nan)
    for place, known in _known_entries(truth, different=True):
        own = truth[known, place]
        error, spread = (own - predicted[known, place]) ** 2, (own - own.mean()) ** 2
        found[:, place] = 0.0
        found[known, place] = (error.sum() / spread.sum() * spread - error) / spread.sum() * len(truth)
    return found


def influence_on_errors_by_value(truth: Values, predicted: Values) -> Values:
    """Return influences [n, D] on the mean absolute error of each number; NaN without a known entry."""
    found = np.full(truth.shape, np.nan)
    for place, known in _known_entries(truth, different=False):
        error = np.abs(truth[known, place] - predicted[known, place])
        found[:, place] = 0.0
        found[known, place] = (error - error.mean()) / len(error) * len(truth)
    return found


def influence_on_r2(truth: Values, predicted: Values) -> Values | None:
    """Return influences [n] on the mean coefficient of determination over the numbers of a target."""
    return _mean_known(influence_on_r2_by_value(truth, predicted))


def influence_on_mean_absolute_error(truth: Values, predicted: Values) -> Values | None:
    """Return influences [n] on the mean absolute error, averaged over the numbers of a target."""
    return _mean_known(influence_on_errors_by_value(truth, predicted))


def influence_on_spearman(truth: Values, predicted: Values) -> Values | None:
    """Return influences [n] on Spearman's rank correlation, averaged over the numbers of a target."""
    found = np.full(truth.shape, np.nan)
    for place, known in _known_entries(truth, different=True):
        found[:, place] = 0.0
        own = _influence_on_rank_correlation(truth[known, place], predicted[known, place])
        found[known, place] = own / len(own) * len(truth)
    return _mean_known(found)


def _influence_on_rank_correlation(first: Values, second: Values) -> Values:
    """Return influences [n] on a rank correlation: through a sample's own ranks, and through the ranks of all others."""
    if np.ptp(second) == 0:
        return np.zeros(len(first))
    ranks = [_ranks(first), _ranks(second)]
    spreads = [np.sqrt((own**2).mean()) for own in ranks]
    one, other = ranks[0] / spreads[0], ranks[1] / spreads[1]
    value = (one * other).mean()
    through_others = (
        (_sum_above(first, other) - value * _sum_above(first, one)) / spreads[0]
        + (_sum_above(second, one) - value * _sum_above(second, other)) / spreads[1]
    )  # fmt: skip
    found = one * other - value / 2 * (one**2 + other**2) + through_others
    centered: Values = found - found.mean()
    return centered


def _ranks(values: Values) -> Values:
    """Return ranks [n] from 0 to 1, centered; equal values share one."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(count) - count / 2
    ranks: Values = below[group] / len(values)
    centered: Values = ranks - ranks.mean()
    return centered


def _sum_above(values: Values, weights: Values) -> Values:
    """Return for each sample the mean [n] of the weights of samples with a larger value; equal values count half."""
    _, group = np.unique(values, return_inverse=True)
    sums = np.bincount(group, weights)
    above: Values = (np.cumsum(sums[::-1])[::-1] - sums / 2)[group] / len(values)
    return above


def _known_entries(truth: Values, *, different: bool) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return (number, mask [n] of its known entries) where a metric of it is defined."""
    masks = [(place, ~np.isnan(own)) for place, own in enumerate(truth.T)]
    return [
        (place, known)
        for place, known in masks
        if known.any() and (not different or np.ptp(truth[known, place]) > 0)
    ]  # fmt: skip


def _mean_known(influences: Values) -> Values | None:
    """Return the mean [n] over the columns that are defined; None if none is."""
    known = ~np.isnan(influences[0])
    mean: Values = influences[:, known].mean(1)
    return mean if known.any() else None
