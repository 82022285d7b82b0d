"""Estimate intervals of single labels and numbers, and test in which of them two rows differ. Pure.

A score of a label is taken as the mean over test samples of the score plus the influence of each sample; see
`sslbench.api.target_influences`. Folds in which the score is not defined are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sslbench.analysis.statistics.bootstrap import strata
from sslbench.analysis.statistics.score_variance import (
    CONFIDENCE,
    ScoreVariance,
    half_width,
    satterthwaite,
    total_variance,
    variance_of_answers,
)
from sslbench.results.answers import VectorAnswers

Values = NDArray[np.float64]
MIN_SUPPORT = 2
"""Positive test samples of a label, or known numbers, from which an interval is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The difference of two rows in one label or number, half of its 95 % interval, and its two-sided p; None: unknown."""

    difference: float
    half_width: float | None
    p: float | None


def label_values(answers: VectorAnswers) -> Mapping[str, Values]:
    """Return by metric the score of each label or number plus the influence of each sample [S, n, C]; NaN: not defined."""
    seeds, repeats, samples, width = answers.predicted.shape
    found = {metric: np.zeros((seeds, samples, width)) for metric in answers.kind.each}
    for fold in np.unique(answers.folds).tolist():
        rows = np.flatnonzero(answers.folds == fold)
        for seed, repeat in product(range(seeds), range(repeats)):
            truth, predicted = answers.truth[rows], answers.predicted[seed, repeat, rows]
            scores, influences = (
                answers.kind.score_each(truth, predicted),
                answers.kind.influence_each(truth, predicted),
            )
            for metric, own in found.items():
                own[seed, rows] += (scores[metric] + influences[metric]) / repeats
    return found


def label_means(values: Values, folds: NDArray[np.int64]) -> Values:
    """Return the mean score [C] over seeds and folds from `label_values` [S, n, C]; NaN where no fold has it."""
    by_fold = np.stack([values[:, folds == fold].mean((0, 1)) for fold in np.unique(folds).tolist()])
    known = ~np.isnan(by_fold)
    count = known.sum(0).astype(np.float64)
    mean: Values = np.where(known, by_fold, 0).sum(0) / np.where(count > 0, count, np.nan)
    return mean


def label_half_widths(answers: VectorAnswers) -> dict[tuple[str, str], float | None]:
    """Return half of the 95 % interval over seeds and test samples by (label or number, metric); None: unknown."""
    supports = answers.kind.count(answers.truth, answers.names)
    found: dict[tuple[str, str], float | None] = {}
    for metric, values in label_values(answers).items():
        for place, name in enumerate(answers.names):
            variance = _variance(values[:, :, place], answers, int(supports[place]))
            found[name, metric] = None if variance is None else half_width(variance)
    return found


def label_gaps(first: VectorAnswers, second: VectorAnswers) -> dict[tuple[str, str], Gap]:
    """Return the difference of two rows on the same test samples by (label or number, metric).

    The error combines paired samples with the seeds of each row. p is not corrected for the number of labels.
    """
    supports = first.kind.count(first.truth, first.names)
    values = label_values(first), label_values(second)
    found: dict[tuple[str, str], Gap] = {}
    for metric in first.kind.each:
        means = [label_means(one[metric], first.folds) for one in values]
        for place, name in enumerate(first.names):
            own, other = (one[metric][:, :, place] for one in values)
            difference = float(means[0][place] - means[1][place])
            found[name, metric] = score_gap(difference, own, other, first, second, int(supports[place]))
    return found


def score_gap(
    difference: float, own: Values, other: Values, first: VectorAnswers, second: VectorAnswers, support: int
) -> Gap:
    """Return the difference of two rows' scores with its interval and p.

    own, other: the scores plus the influence of each test sample [S, n]. support: positive samples, or known numbers.
    """
    error = _error(own, other, first, second, support)
    if error is None:
        return Gap(difference=difference, half_width=None, p=None)
    deviation, freedom = error
    if deviation <= 0:
        return Gap(difference=difference, half_width=None, p=1.0)
    return Gap(
        difference=difference, half_width=float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * deviation),
        p=float(2 * stats.t.sf(abs(difference) / deviation, freedom)),
    )  # fmt: skip


def _error(
    own: Values, other: Values, first: VectorAnswers, second: VectorAnswers, support: int
) -> tuple[float, float] | None:
    """Return the standard error of a paired difference of values [S, n], and its degrees of freedom; None: unknown."""
    one, two = _variance(own, first, support), _variance(other, second, support)
    paired = _variance((own.mean(0) - other.mean(0))[None], first, support)
    if one is None or two is None or paired is None or not (one.seeds_known and two.seeds_known):
        return None
    total = total_variance(
        np.array(paired.over_samples), one.over_seeds + two.over_seeds, one.interaction + two.interaction, one.floor
    )
    parts = np.array(one.over_seeds**2 / one.freedom + two.over_seeds**2 / two.freedom)
    freedom = satterthwaite(total, parts, min(one.freedom, two.freedom))
    return math.sqrt(float(total)), float(freedom)


def _variance(values: Values, answers: VectorAnswers, support: int) -> ScoreVariance | None:
    """Split the variance of one label's score from values [S, n]; None if it is defined in no fold, or has no support.

    It is at least that of a single decision about a positive sample; an error of a number has any size.
    """
    known = np.isfinite(values).all(0)
    if not known.any() or support < MIN_SUPPORT:
        return None
    folds = answers.folds[known]
    codes, shares = strata(np.zeros_like(folds), folds, by_class=False)
    found = variance_of_answers(values[:, known], codes, shares, depends_on_seed=answers.depends_on_seed)
    return replace(found, floor=support**-2.0 if answers.kind.has_decisions else 0.0)
