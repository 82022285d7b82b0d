"""Accuracies as means of right answers: what each test sample is worth, their variance, and how rows compare. Pure.

Leaderboards and runs share this.
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
from sslbench.results.answers import Question, TestAnswers

MAIN_METRIC = "macro_accuracy"
"""What rows are ordered by where they predict: every class counts alike."""
ACCURACIES = {"micro_accuracy": False, MAIN_METRIC: True}
"""Metrics that are means of right answers, and whether classes count alike."""
N_DRAWS = 500
AnswersByRun: TypeAlias = Mapping[str, Mapping[Question, TestAnswers]]
"""What each run answered to every test sample, by its name and question; empty where only records are at hand."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighting:
    """What each test sample is worth to a metric [n], by stratum, and what it was worth in each draw [DRAWS, n]."""

    codes: NDArray[np.int64]
    shares: NDArray[np.float64]
    weights: NDArray[np.float64]
    draw_weights: Draws


def make_weighting(labels: NDArray[np.int64], folds: NDArray[np.int64], metric: str, name: str) -> Weighting:
    """Weigh test samples for an accuracy; draws are those of `name`, whoever is compared."""
    codes, shares = strata(labels, folds, by_class=ACCURACIES[metric])
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return Weighting(
        codes=codes, shares=shares, weights=sample_weights(codes, shares),
        draw_weights=resampled_weights(codes, shares, N_DRAWS, rng),
    )  # fmt: skip


def accuracy_variance(answers: TestAnswers, metric: str) -> ScoreVariance:
    """Split the variance of one row's accuracy."""
    codes, shares = strata(answers.labels, answers.folds, by_class=ACCURACIES[metric])
    return variance_of_answers(answers.right, codes, shares, depends_on_seed=answers.depends_on_seed)


class Accuracy(NamedTuple):
    """One accuracy of one run: what it was asked, and which mean of right answers it is."""

    run: str
    question: Question
    metric: str


class KnownVariance(NamedTuple):
    """The variance of an accuracy, and how many test samples it is over."""

    variance: ScoreVariance
    test_samples: int


def known_variances(answers: AnswersByRun) -> dict[Accuracy, KnownVariance]:
    """Split the variance of every accuracy whose answers are known."""
    return {
        Accuracy(run, question, metric): KnownVariance(accuracy_variance(own, metric), len(own.ids))
        for run, by_question in answers.items()
        for question, own in by_question.items()
        for metric in ACCURACIES
    }


def compared_scores(rows: Mapping[str, TestAnswers], metric: str) -> ComparedScores:
    """Compare rows that answered the same test samples, by one accuracy."""
    answers: Sequence[TestAnswers] = list(rows.values())
    first = answers[0]
    weighting = make_weighting(first.labels, first.folds, metric, metric)
    return ComparedScores(
        names=list(rows),
        scores=np.array([float((one.right @ weighting.weights).mean()) for one in answers]),
        draws=np.stack([sample_draws(one.right, weighting.draw_weights) for one in answers]),
        variances=[accuracy_variance(one, metric) for one in answers],
    )
