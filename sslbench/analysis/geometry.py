"""The shape of a cloud of features: rank, spread, collapse, alignment, uniformity."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
COLLAPSED_SPREAD, COLLAPSED_RANK = 1e-3, 1.5


def unit(features: Features) -> NDArray[np.float64]:
    """Rows of length 1; a row of zeros stays zero."""
    wide = features.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def rank_me(features: Features) -> float:
    """exp of the entropy of the centred singular values' shares (RankMe, Garrido et al. 2023, eq. 1-2).

    Centring caps the rank at min(n - 1, D): see `rank_ceiling`.
    """
    wide = features.astype(np.float64)
    values = np.linalg.svd(wide - wide.mean(0), compute_uv=False)
    if values.sum() <= 1e-12 * len(features):
        return 1.0
    shares = values[values > 0] / values.sum()
    return float(math.exp(-(shares * np.log(shares)).sum()))


def rank_ceiling(features: Features) -> int:
    """The largest rank that centred features of this shape can have."""
    return int(min(len(features) - 1, features.shape[1]))


def spread(features: Features) -> float:
    """Mean deviation per dimension of unit-length features times sqrt(D): 1 for an isotropic cloud, 0 for a point."""
    return float(unit(features).std(0).mean() * math.sqrt(features.shape[1]))


def alignment(first: Features, second: Features) -> float:
    """Mean squared distance of two views of a sample on the unit sphere (Wang and Isola 2020, eq. 1, alpha 2)."""
    return float(((unit(first) - unit(second)) ** 2).sum(1).mean())


def uniformity(features: Features) -> float:
    """log of the mean Gaussian potential over pairs on the unit sphere (Wang and Isola 2020, eq. 2, t 2)."""
    rows = unit(features)
    squared = np.maximum(2 - 2 * rows @ rows.T, 0)
    pairs = np.exp(-2 * squared[np.triu_indices(len(rows), 1)])
    return float(np.log(pairs.mean()))


def describe(features: Features, most: int = 2048) -> Mapping[str, float]:
    """Rank, its ceiling, spread, and whether the features have collapsed, on at most `most` evenly spread rows."""
    rows = np.unique(np.linspace(0, len(features) - 1, min(most, len(features))).astype(int))
    sample = np.asarray(features[rows], dtype=np.float32)
    rank, width = rank_me(sample), spread(sample)
    collapsed = not np.isfinite(sample).all() or width < COLLAPSED_SPREAD or rank < COLLAPSED_RANK
    ceiling = float(rank_ceiling(sample))
    return {"rank_me": rank, "rank_ceiling": ceiling, "spread": width, "collapsed": float(collapsed and ceiling > 1)}
