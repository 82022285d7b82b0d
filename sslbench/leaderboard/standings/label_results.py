"""Summarize the predictions of several labels or numbers per sample of one entry on one board. Performs no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.accuracy import N_DRAWS, make_weighting, sample_values, sample_variance
from sslbench.analysis.statistics.bootstrap import Draws, sample_draws
from sslbench.analysis.statistics.class_trends import correct_p
from sslbench.analysis.statistics.label_differences import label_gaps, label_half_widths, label_means, label_values
from sslbench.analysis.statistics.score_variance import ScoreVariance
from sslbench.api.metrics import Metric
from sslbench.results.answers import VectorAnswers

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelResult:
    """Predictions of one entry, and the first metric of its kind of target by label or number.

    scores, half_widths: means over seeds and halves of their 95 % intervals [C]; NaN where unknown.
    """

    answers: VectorAnswers
    metric: str
    scores: Values
    half_widths: Values


def make_label_result(answers: VectorAnswers) -> LabelResult:
    """Compute the scores of every label or number."""
    metric, widths = answers.kind.each[0], label_half_widths(answers)
    known = [widths[name, metric] for name in answers.names]
    return LabelResult(
        answers=answers, metric=metric, scores=label_means(label_values(answers)[metric], answers.folds),
        half_widths=np.array([np.nan if width is None else width for width in known]),
    )  # fmt: skip


def known_variances(
    answers: VectorAnswers, metrics: Mapping[str, Metric], names: Iterable[str]
) -> dict[str, ScoreVariance]:
    """Split the variance of metrics by cause, without those whose variance over test samples is not known."""
    return {
        name: variance for name in names if (variance := sample_variance(answers, metrics[name])) is not None
    }  # fmt: skip


def draw_scores(answers: VectorAnswers, metric: Metric, name: str) -> Draws:
    """Return draws of a metric over test samples, which depend on `name` alone; zeros where they are not known."""
    values = sample_values(answers, metric)
    if values is None:
        return np.zeros(N_DRAWS, np.float32)
    weighting = make_weighting(np.zeros(len(answers.ids), np.int64), answers.folds, metric, name)
    return sample_draws(values, weighting.draw_weights)


def compare_labels(own: LabelResult, other: LabelResult | None) -> tuple[Values, Values]:
    """Return the difference [C] of each label or number from another row, and p [C], corrected by Holm; NaN if unknown."""
    unknown = np.full(len(own.scores), np.nan)
    if other is None or not own.answers.same_samples(other.answers):
        return unknown, unknown
    found = label_gaps(own.answers, other.answers)
    gaps = [found[name, own.metric] for name in own.answers.names]
    ps = np.array([gap.p for gap in gaps], np.float64)
    corrected = correct_p(np.where(np.isnan(ps), 1.0, ps), "holm")
    return np.array([gap.difference for gap in gaps]), np.where(np.isnan(ps), np.nan, corrected)
