"""Estimate where a score's variance comes from, and how many seeds separate two methods. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MAX_SEEDS = 10_000


@dataclass(frozen=True, kw_only=True)
class VarianceComponents:
    """Variances of a single measurement by cause; None if a cause was not varied."""

    pretraining: float | None
    subset: float | None
    probe: float | None
    rest: float | None


def split_variance(values: NDArray[np.float64]) -> VarianceComponents:
    """Split the variance of values [seeds, folds, probes] by the method of moments; never below 0.

    Seeds cross folds, probes are nested in both. The interaction of seeds and folds is `rest`. With one fold, the
    interaction counts as pretraining; with one seed, as the subset.
    """
    seeds, folds, probes = values.shape
    table = values.mean(2)
    within = float(values.var(2, ddof=1).mean()) if probes > 1 else None
    own = (within or 0.0) / probes
    if seeds < 2 and folds < 2:
        return VarianceComponents(pretraining=None, subset=None, probe=within, rest=None)
    if folds < 2 or seeds < 2:
        found = max(0.0, float(np.var(table, ddof=1)) - own)
        return VarianceComponents(
            pretraining=found if folds < 2 else None, subset=found if seeds < 2 else None, probe=within, rest=None
        )
    by_seed, by_fold = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    residual = float(((table - by_seed - by_fold + table.mean()) ** 2).sum() / ((seeds - 1) * (folds - 1)))
    return VarianceComponents(
        pretraining=max(0.0, float(np.var(by_seed, ddof=1)) - residual / folds),
        subset=max(0.0, float(np.var(by_fold, ddof=1)) - residual / seeds),
        probe=within,
        rest=max(0.0, residual - own),
    )


def power(gap: float, deviation: float, seeds: int, level: float = 0.05) -> float:
    """Return the power of a two-sided t test between two groups of `seeds` values with one deviation (noncentral t)."""
    if deviation == 0:
        return float(gap != 0)
    freedom, shift = 2 * (seeds - 1), abs(gap) / deviation * math.sqrt(seeds / 2)
    reach = stats.t.ppf(1 - level / 2, freedom)
    return float(stats.nct.sf(reach, freedom, shift) + stats.nct.cdf(-reach, freedom, shift))


def seeds_needed(first: Sequence[float], second: Sequence[float], target_power: float = 0.8) -> int | None:
    """Return the number of seeds per method that separates two methods with probability `target_power`.

    None above 10,000, or if a method has fewer than two seeds.
    """
    if min(len(first), len(second)) < 2:
        return None
    gap = float(np.mean(first) - np.mean(second))
    deviation = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    if gap == 0 or power(gap, deviation, MAX_SEEDS) < target_power:
        return None
    low, high = 1, 2
    while power(gap, deviation, high) < target_power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(gap, deviation, middle) >= target_power else (middle, high)
    return high
