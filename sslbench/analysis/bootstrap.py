"""Draws of a score over what it could have been: test samples, which all methods share, and seeds, which each has its own.

A metric that is a mean of right answers is a weight for every sample, so a thousand draws are one matrix product. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Draws = NDArray[np.float32]


def strata(labels: Codes, folds: Codes, *, by_class: bool) -> tuple[Codes, NDArray[np.float64]]:
    """A stratum for each sample [n], and each stratum's share of a metric: micro or macro accuracy, the mean over folds.

    Micro accuracy has a stratum a fold, macro accuracy one for each class of a fold.
    """
    pairs = np.stack([folds, labels if by_class else np.zeros_like(labels)], axis=1)
    there, codes = np.unique(pairs, axis=0, return_inverse=True)
    in_fold = np.array([(there[:, 0] == fold).sum() for fold in there[:, 0]])
    return codes.reshape(-1).astype(np.int64), 1 / (in_fold * len(np.unique(folds)))


def sample_weights(codes: Codes, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a right answer to each sample [n] is worth; they sum to 1."""
    return (shares / np.bincount(codes, minlength=len(shares)))[codes]


def resampled_weights(codes: Codes, shares: NDArray[np.float64], draws: int, rng: np.random.Generator) -> Draws:
    """The same [draws, n] when each stratum's samples are drawn again with replacement."""
    weights = np.zeros((draws, len(codes)), np.float32)
    for stratum, share in enumerate(shares):
        rows = np.flatnonzero(codes == stratum)
        counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=draws)
        weights[:, rows] = counts * (share / len(rows))
    return weights


def score_draws(per_seed: NDArray[np.floating], rng: np.random.Generator) -> Draws:
    """Draws of the mean over seeds [draws] from each seed's own [draws, S].

    One seed fewer than there are is drawn each time, which makes the variance of the mean unbiased (McCarthy and Snowden, The
    bootstrap and finite population sampling, 1985).
    """
    draws, seeds = per_seed.shape
    if seeds == 1:
        return per_seed[:, 0].astype(np.float32)
    picked = rng.multinomial(seeds - 1, np.full(seeds, 1 / seeds), size=draws) / (seeds - 1)
    found: Draws = (per_seed * picked).sum(1).astype(np.float32)
    return found


def answered_draws(right: NDArray[np.floating], weights: Draws, rng: np.random.Generator) -> Draws:
    """Draws [draws] of a score from how often each seed answered each sample rightly [S, n], 0 to 1."""
    return score_draws(weights @ right.T.astype(np.float32), rng)


def seeded_draws(values: Sequence[float], draws: int, rng: np.random.Generator) -> Draws:
    """Draws [draws] of a mean over seeds that says nothing of its samples."""
    return score_draws(np.tile(np.asarray(values, np.float64), (draws, 1)), rng)
