"""Compute accuracies as weighted means of correct predictions, with their variances.

Runs and leaderboards share this module.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.bootstrap import Draws, resampled_weights, sample_draws, sample_weights, strata
from sslbench.analysis.statistics.score_variance import ScoreVariance, variance_of_answers
from sslbench.analysis.statistics.shared_ranks import ComparedScores
from sslbench.api.metrics import Metric
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Question, TestAnswers

N_DRAWS = 500
AnswersByRun: TypeAlias = Mapping[str, Mapping[Question, TestAnswers]]
"""Test predictions of each run, by run name and question; empty if only records are available."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighting:
    """Weights of test samples in a metric: `codes` [n] (stratum), `shares` [C], `weights` [n], `draw_weights` [N_DRAWS,
    n].
    """

    codes: NDArray[np.int64]
    shares: NDArray[np.float64]
    weights: NDArray[np.float64]
    draw_weights: Draws


def make_weighting(labels: NDArray[np.int64], folds: NDArray[np.int64], metric: Metric, name: str) -> Weighting:
    """Compute the weights of test samples in an accuracy.

    The bootstrap draws depend on `name` only, so that all compared rows share them.
    """
    codes, shares = strata(labels, folds, by_class=metric.mean_over == "classes")
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return Weighting(
        codes=codes, shares=shares, weights=sample_weights(codes, shares),
        draw_weights=resampled_weights(codes, shares, N_DRAWS, rng),
    )  # fmt: skip


def accuracy_variance(answers: TestAnswers, metric: Metric) -> ScoreVariance:
    """Split the variance of one row's accuracy by cause."""
    codes, shares = strata(answers.labels, answers.folds, by_class=metric.mean_over == "classes")
    return variance_of_answers(answers.right, codes, shares, depends_on_seed=answers.depends_on_seed)


class Accuracy(NamedTuple):
    """One accuracy of one run: the question it answered and the metric."""

    run: str
    question: Question
    metric: str


class KnownVariance(NamedTuple):
    """The variance of an accuracy, and the number of test samples behind it."""

    variance: ScoreVariance
    test_samples: int


def known_variances(answers: AnswersByRun, metrics: MetricTable) -> dict[Accuracy, KnownVariance]:
    """Split the variance of every mean of right answers whose predictions are known."""
    return {
        Accuracy(run, question, metric.name): KnownVariance(accuracy_variance(own, metric), len(own.ids))
        for run, by_question in answers.items()
        for question, own in by_question.items()
        for metric in metrics.accuracies
    }


def compared_scores(rows: Mapping[str, TestAnswers], metric: Metric) -> ComparedScores:
    """Collect scores, draws and variances of rows that predicted the same test samples, for one accuracy."""
    answers: Sequence[TestAnswers] = list(rows.values())
    first = answers[0]
    weighting = make_weighting(first.labels, first.folds, metric, metric.name)
    return ComparedScores(
        names=list(rows),
        scores=np.array([float((one.right @ weighting.weights).mean()) for one in answers]),
        draws=np.stack([sample_draws(one.right, weighting.draw_weights) for one in answers]),
        variances=[accuracy_variance(one, metric) for one in answers],
        higher_is_better=metric.higher_is_better,
    )
