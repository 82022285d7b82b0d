"""Describe the geometry of features: rank, spread, collapse, alignment, uniformity."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
COLLAPSED_SPREAD, COLLAPSED_RANK = 1e-3, 1.5
RANK_ME_EPSILON = 1e-7
"""Added to every share of a singular value (RankMe, section 3.1, for float32)."""


def unit_length(features: Features) -> NDArray[np.float64]:
    """Scale rows to length 1; a row of zeros stays zero."""
    wide = features.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def rank_me(features: Features) -> float:
    """Return RankMe: exp of the entropy of the singular values' shares (Garrido et al. 2023, eq. 1 and 2).

    The features are not centered, so a common offset counts as a direction. At least 1; 1 for features of zeros.
    """
    values = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    if values.sum() <= 0:
        return 1.0
    shares = values / values.sum() + RANK_ME_EPSILON
    return max(1.0, float(math.exp(-(shares * np.log(shares)).sum())))


def centered_effective_rank(features: Features) -> float:
    """Return the effective rank of centered features: exp of the entropy of their singular values' shares.

    The effective rank is that of Roy and Vetterli (2007), on features whose mean is subtracted, so that a common offset
    neither hides a collapse nor looks like one. At most `centered_rank_ceiling`.
    """
    wide = features.astype(np.float64)
    values = np.linalg.svd(wide - wide.mean(0), compute_uv=False)
    if values.sum() <= 1e-12 * len(features):
        return 1.0
    shares = values[values > 0] / values.sum()
    return float(math.exp(-(shares * np.log(shares)).sum()))


def centered_rank_ceiling(features: Features) -> int:
    """Return the largest rank that centered features of this shape can have: min(n - 1, D)."""
    return int(min(len(features) - 1, features.shape[1]))


def spread(features: Features) -> float:
    """Return the mean deviation per dimension of unit-length features times sqrt(D): 1 if isotropic, 0 for a point."""
    return float(unit_length(features).std(0).mean() * math.sqrt(features.shape[1]))


def alignment(first: Features, second: Features) -> float:
    """Return the mean squared distance of two views of a sample on the unit sphere (Wang and Isola 2020, eq. 1, alpha
    2).
    """
    return float(((unit_length(first) - unit_length(second)) ** 2).sum(1).mean())


def uniformity(features: Features) -> float:
    """Return the log of the mean Gaussian potential over pairs on the unit sphere (Wang and Isola 2020, eq. 2, t 2)."""
    rows = unit_length(features)
    squared = np.maximum(2 - 2 * rows @ rows.T, 0)
    pairs = np.exp(-2 * squared[np.triu_indices(len(rows), 1)])
    return float(np.log(pairs.mean()))


def describe(features: Features, max_samples: int = 2048) -> Mapping[str, float]:
    """Return ranks, spread, and whether the features have collapsed, on at most `max_samples` evenly spaced rows.

    A collapse is judged by the centered effective rank: RankMe is close to 1 for features in a narrow cone as well.
    """
    rows = np.unique(np.linspace(0, len(features) - 1, min(max_samples, len(features))).astype(int))
    sample = np.asarray(features[rows], dtype=np.float32)
    rank, width = centered_effective_rank(sample), spread(sample)
    collapsed = not np.isfinite(sample).all() or width < COLLAPSED_SPREAD or rank < COLLAPSED_RANK
    ceiling = float(centered_rank_ceiling(sample))
    return {
        "rank_me": rank_me(sample),
        "centered_effective_rank": rank,
        "centered_rank_ceiling": ceiling,
        "spread": width,
        "collapsed": float(collapsed and ceiling > 1),
    }
