"""Split the variance of a mean score over seeds by cause: test samples, seeds, interaction. Pure.

Correct predictions form a two-way table [seeds, samples] without replication in each stratum (a fold, or a class of a
fold):

answer = mean + seed + sample + interaction

The mean over the table varies with seeds and with samples. The variance between seeds and the variance between samples
both contain the interaction, so their sum counts it twice; `total_variance` counts it once.
tests/statistics/test_score_variance.py simulates how often equal methods are called different.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sslbench.analysis.statistics.bootstrap import sample_weights

Values = NDArray[np.float64]
Codes = NDArray[np.int64]
CONFIDENCE = 0.95
MAX_FREEDOM = 200
"""Degrees of freedom above which Student's t is replaced by the normal distribution."""
NORMAL_QUANTILE = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
_FREEDOMS = np.arange(1, MAX_FREEDOM + 1)
_QUANTILES = np.append(stats.t.ppf((1 + CONFIDENCE) / 2, _FREEDOMS[:-1]), NORMAL_QUANTILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreVariance:
    """Components of the variance of one mean score, each as a variance of that mean.

    `over_samples` is between test samples and `over_seeds` between seeds; both contain `interaction`. `floor` is the
    variance of a single prediction: the smallest that can be known if all predictions agree. `depends_on_seed` is False
    for features that no seed changes, such as raw ones.
    `sample_freedom` are the degrees of freedom of `over_samples`: the number of groups of dependent samples less 1, and
    infinite for independent samples.
    """

    over_samples: float
    over_seeds: float
    interaction: float
    floor: float
    n_seeds: int
    depends_on_seed: bool = True
    sample_freedom: float = math.inf

    @property
    def seeds_known(self) -> bool:
        """Return whether the variance over seeds is known: one seed contains no information about others."""
        return self.n_seeds > 1 or not self.depends_on_seed

    @property
    def freedom(self) -> float:
        """Return the degrees of freedom of `over_seeds`."""
        return float(self.n_seeds - 1) if self.over_seeds > 0 else float(MAX_FREEDOM)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StratumVariances:
    """Shares of correct predictions by stratum: means by seed [S, C], per sample over seeds [n], and variances of the
    mean [C].
    """

    means: Values
    per_sample: Values
    over_samples: Values
    interaction: Values


def stratum_variances(right: NDArray[np.floating], codes: Codes, strata: int) -> StratumVariances:
    """Split shares of correct predictions [S, n] of samples in these strata [n]; an empty stratum has mean nan.

    Variances that cannot be known (one sample, one seed) are 0.
    """
    counts = np.bincount(codes, minlength=strata).astype(np.float64)
    seeds, per_sample = len(right), right.mean(0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.stack([np.bincount(codes, one, strata) / counts for one in right])
        mean = means.mean(0)
        between = np.bincount(codes, (per_sample - mean[codes]) ** 2, strata)
        residual = right - per_sample - (means - mean)[:, codes]
        within = np.bincount(codes, (residual**2).sum(0), strata)
        over_samples = between / (counts - 1) / counts
        interaction = within / ((seeds - 1) * (counts - 1)) / (seeds * counts)
    return StratumVariances(
        means=means, per_sample=per_sample, over_samples=_known(over_samples), interaction=_known(interaction)
    )


def _known(variances: Values) -> Values:
    return np.where(np.isfinite(variances), variances, 0.0)


def variance_of_answers(
    right: NDArray[np.floating], codes: Codes, shares: Values, *, depends_on_seed: bool, groups: Codes | None = None
) -> ScoreVariance:
    """Split the variance of a score that is a mean of correct predictions [S, n], with these shares of the strata [C].

    groups: codes [n] of groups whose samples depend on each other; without them, samples are independent.
    """
    found = stratum_variances(right, codes, len(shares))
    scores = found.means @ shares
    over_samples, interaction = (float(shares**2 @ one) for one in (found.over_samples, found.interaction))
    if groups is not None:
        over_samples, interaction = _over_groups(right, found, codes, sample_weights(codes, shares), groups)
    return ScoreVariance(
        over_samples=over_samples,
        over_seeds=_over_seeds(scores),
        interaction=interaction,
        sample_freedom=math.inf if groups is None else float(groups.max()),
        floor=float((sample_weights(codes, shares) ** 2).mean()),
        n_seeds=len(right),
        depends_on_seed=depends_on_seed,
    )


def _over_groups(
    right: NDArray[np.floating], found: StratumVariances, codes: Codes, weights: Values, groups: Codes
) -> tuple[float, float]:
    """Return the variances of a score over groups of samples, and of the interaction of seeds and groups.

    The deviations of a group's samples are summed before they are squared (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13).
    """
    seeds, count = len(right), int(groups.max()) + 1
    mean = found.means.mean(0)
    residual = right - found.per_sample - (found.means - mean)[:, codes]
    correction = count / (count - 1)
    sums = np.bincount(groups, weights * (found.per_sample - mean[codes]), count)
    within = np.stack([np.bincount(groups, weights * one, count) for one in residual])
    interaction = correction * (within**2).sum() / ((seeds - 1) * seeds) if seeds > 1 else 0.0
    return float(correction * (sums**2).sum()), float(interaction)


def variance_over_seeds(values: Sequence[float], *, depends_on_seed: bool) -> ScoreVariance:
    """Describe a score that is not a mean over samples, such as cluster agreement: it varies over seeds alone."""
    over_seeds = _over_seeds(np.asarray(values, np.float64))
    return ScoreVariance(
        over_samples=0.0, over_seeds=over_seeds, interaction=0.0, floor=0.0, n_seeds=len(values),
        depends_on_seed=depends_on_seed,
    )  # fmt: skip


def _over_seeds(scores: Values) -> float:
    return float(scores.var(ddof=1)) / len(scores) if len(scores) > 1 else 0.0


def total_variance(over_samples: Any, over_seeds: Any, interaction: Any, floor: Any) -> Any:
    """Add variances over samples and seeds, counting the interaction once; elementwise, never below `floor`."""
    return np.maximum(np.maximum(over_samples - interaction, 0.0) + over_seeds, floor)


def satterthwaite(total: Any, parts: Any, least: Any) -> Any:
    """Return the degrees of freedom of a total variance (Satterthwaite 1946).

    `parts` is the sum of each part's square divided by its own degrees of freedom. The result lies between `least`, the
    fewest of any part, and `MAX_FREEDOM`.
    """
    freedom = np.divide(total**2, parts, out=np.full(np.shape(total), float(MAX_FREEDOM)), where=np.asarray(parts) > 0)
    return np.clip(freedom, least, MAX_FREEDOM)


def t_quantile(freedom: Any) -> Any:
    """Look up the two-sided 95 % quantile of Student's t, elementwise; a table, because leaderboards need millions."""
    return np.interp(freedom, _FREEDOMS, _QUANTILES)


def half_width(variance: ScoreVariance) -> float | None:
    """Return the half-width of a score's 95 % interval over seeds and test samples; None if unknown.

    With one seed of a score that depends on it, the interval covers the test samples of this one training.
    """
    total = float(total_variance(variance.over_samples, variance.over_seeds, variance.interaction, variance.floor))
    if total <= 0:
        return None
    parts = variance.over_seeds**2 / variance.freedom + variance.over_samples**2 / variance.sample_freedom
    freedom = satterthwaite(np.array(total), np.array(parts), min(variance.freedom, variance.sample_freedom))
    return float(t_quantile(freedom)) * math.sqrt(total)
