"""Compute means with 95 % intervals over seeds or folds.

The independent unit is the pretraining seed; folds share training data, and their interval is corrected for that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

Unit: TypeAlias = Literal["seeds", "folds", "seeds and test samples", "test samples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean of n values, the half-width of its 95 % interval (None if unknown), and the unit that varies.

    `test_samples` counts the samples that an interval over test samples covers, else 0.
    """

    mean: float
    ci95_half_width: float | None
    n: int
    unit: Unit
    test_samples: int = 0


@cache
def quantile(confidence: float, freedom: int) -> float:
    """Return the two-sided quantile of Student's t; cached, because thousands of intervals use the same few."""
    return float(stats.t.ppf((1 + confidence) / 2, freedom))


def mean_over_seeds(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate a mean over seeds, with Student's t."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean=mean, ci95_half_width=None, n=len(values), unit="seeds")
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half_width = quantile(confidence, len(values) - 1) * error
    return Estimate(mean=mean, ci95_half_width=half_width, n=len(values), unit="seeds")


def mean_over_folds(values: Sequence[float], test_share: float, confidence: float = 0.95) -> Estimate:
    """Estimate a mean over folds with the corrected resampled t (Nadeau and Bengio 2003): variance times 1/n +
    test/train.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean=mean, ci95_half_width=None, n=len(values), unit="folds")
    inflated = float(np.var(values, ddof=1)) * (1 / len(values) + test_share / (1 - test_share))
    half_width = quantile(confidence, len(values) - 1) * math.sqrt(inflated)
    return Estimate(mean=mean, ci95_half_width=half_width, n=len(values), unit="folds")


def interval_ends(estimate: Estimate) -> tuple[float, float]:
    """Return the ends of a 95 % interval, twice the mean if its half-width is unknown."""
    half_width = estimate.ci95_half_width or 0.0
    return estimate.mean - half_width, estimate.mean + half_width
