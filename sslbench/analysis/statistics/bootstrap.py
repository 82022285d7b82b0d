"""Draw bootstrap scores over test samples, with the same draws for all methods.

A metric that is a mean of correct predictions is a weighted sum over samples, so hundreds of draws are one matrix
product. Seeds are not resampled: each method has its own, and `score_variance` adds their variance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Draws = NDArray[np.float32]


def strata(labels: Codes, folds: Codes, *, by_class: bool) -> tuple[Codes, NDArray[np.float64]]:
    """Return a stratum for each sample [n], and each stratum's share of a metric (micro or macro accuracy, mean over
    folds).

    Micro accuracy has one stratum per fold, macro accuracy one per class and fold.
    """
    pairs = np.stack([folds, labels if by_class else np.zeros_like(labels)], axis=1)
    present, codes = np.unique(pairs, axis=0, return_inverse=True)
    in_fold = np.array([(present[:, 0] == fold).sum() for fold in present[:, 0]])
    return codes.reshape(-1).astype(np.int64), 1 / (in_fold * len(np.unique(folds)))


def sample_weights(codes: Codes, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight [n] of a correct prediction of each sample; the weights sum to 1."""
    return (shares / np.bincount(codes, minlength=len(shares)))[codes]


def resampled_weights(
    codes: Codes, shares: NDArray[np.float64], draws: int, rng: np.random.Generator, groups: Codes | None = None
) -> Draws:
    """Return the weights [draws, n] after resampling each stratum with replacement, or the groups [n] of samples.

    Deviations from the weights are scaled by sqrt(n / (n - 1)), which makes variances unbiased in small strata or with few
    groups. A group is drawn as a whole, also if its samples are in several strata; the weights of a stratum keep their sum.
    """
    if groups is not None:
        return _resampled_groups(codes, shares, draws, rng, groups)
    weights = np.zeros((draws, len(codes)), np.float32)
    for stratum, share in enumerate(shares):
        rows = np.flatnonzero(codes == stratum)
        n = len(rows)
        counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
        weights[:, rows] = (1 + (counts - 1) * np.sqrt(n / max(n - 1, 1))) * (share / n)
    return weights


def _resampled_groups(
    codes: Codes, shares: NDArray[np.float64], draws: int, rng: np.random.Generator, groups: Codes
) -> Draws:
    count = int(groups.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws) - 1.0
    deviations = (drawn * np.sqrt(count / max(count - 1, 1))).astype(np.float32)[:, groups]
    for stratum in range(len(shares)):
        rows = np.flatnonzero(codes == stratum)
        deviations[:, rows] -= deviations[:, rows].mean(1, keepdims=True)
    weights: Draws = (1 + deviations) * sample_weights(codes, shares).astype(np.float32)
    return weights


def sample_draws(right: NDArray[np.floating], weights: Draws) -> Draws:
    """Return bootstrap draws [draws] of the mean score over seeds, from shares of correct predictions [S, n], 0 to 1."""
    found: Draws = weights @ right.mean(0, dtype=np.float64).astype(np.float32)
    return found
