"""Compute scores as weighted means over test samples, with their variances.

An accuracy is a mean of right answers. Another metric with influences is the mean of its value plus the influence of each
sample (see `sslbench.api.target_influences`). Runs and leaderboards share this module.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.bootstrap import Draws, resampled_weights, sample_draws, sample_weights, strata
from sslbench.analysis.statistics.score_variance import ScoreVariance, variance_of_answers
from sslbench.analysis.statistics.shared_ranks import ComparedScores
from sslbench.api.metrics import Metric
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Answers, Question, TestAnswers, VectorAnswers

N_DRAWS = 500
AnswersByRun: TypeAlias = Mapping[str, Mapping[Question, Answers]]
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


def make_weighting(
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    metric: Metric,
    name: str,
    groups: NDArray[np.int64] | None = None,
) -> Weighting:
    """Compute the weights of test samples in an accuracy.

    The bootstrap draws depend on `name` only, so that all compared rows share them. groups: codes [n] of groups that are
    drawn as a whole.
    """
    codes, shares = strata(labels, folds, by_class=metric.mean_over == "classes")
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return Weighting(
        codes=codes, shares=shares, weights=sample_weights(codes, shares),
        draw_weights=resampled_weights(codes, shares, N_DRAWS, rng, groups),
    )  # fmt: skip


def sample_values(answers: Answers, metric: Metric) -> NDArray[np.float64] | None:
    """Return values [S, n] whose weighted mean over test samples is a metric; None if it is no such mean.

    They are shares of right answers, or a metric of a fold plus the influence of each sample.
    """
    if isinstance(answers, TestAnswers):
        return answers.right if metric.mean_over is not None else None
    if metric.influence is None or metric.compute is None or metric.derived_from is not answers.kind.source:
        return None
    return vector_values(answers, metric)


def vector_values(answers: VectorAnswers, metric: Metric) -> NDArray[np.float64] | None:
    """Return a metric plus the influence of each sample [S, n], fold by fold, means over repetitions.

    None where the metric is not defined, or where a function of a plugin raises; a warning names an influence that does.
    """
    compute, influence = metric.implementation(), metric.influence_function()
    seeds, repeats = answers.predicted.shape[:2]
    found = np.zeros((seeds, len(answers.ids)))
    for fold in np.unique(answers.folds).tolist():
        rows = np.flatnonzero(answers.folds == fold)
        for seed, repeat in product(range(seeds), range(repeats)):
            arguments = answers.truth[rows], answers.predicted[seed, repeat, rows]
            try:
                value = compute(*arguments)
            except Exception:  # the record has a note on a metric that fails
                return None
            if value is None:
                return None
            try:
                own = influence(*arguments)
            except Exception as error:  # code of a plugin, which must not hide the scores of a finished run
                text = " ".join(str(error).split()) or "no message"
                warnings.warn(
                    f"metric {metric.name!r}: its influence raises {type(error).__name__}: {text}. Its intervals cover seeds "
                    "only. Correct the function that `influence` names",
                    stacklevel=2,
                )
                return None
            if own is None or not np.isfinite(own).all():
                return None
            found[seed, rows] += (value + own) / repeats
    return found


def answer_strata(answers: Answers, metric: Metric) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the stratum [n] of each test sample, and the share of each stratum in a metric."""
    labels = answers.labels if isinstance(answers, TestAnswers) else np.zeros(len(answers.ids), np.int64)
    return strata(labels, answers.folds, by_class=metric.mean_over == "classes")


def sample_variance(answers: Answers, metric: Metric) -> ScoreVariance | None:
    """Split the variance of one row's metric by cause; None if it is no mean over test samples."""
    values = sample_values(answers, metric)
    if values is None:
        return None
    found = variance_of_answers(
        values, *answer_strata(answers, metric), depends_on_seed=answers.depends_on_seed, groups=answers.groups
    )
    has_floor = isinstance(answers, TestAnswers) or answers.kind.has_decisions  # an error of a number has any size
    return found if has_floor else replace(found, floor=0.0)


class Accuracy(NamedTuple):
    """One accuracy, or another mean over test samples, of one run: the question it answered and the metric."""

    run: str
    question: Question
    metric: str


class KnownVariance(NamedTuple):
    """The variance of an accuracy, and the number of test samples behind it."""

    variance: ScoreVariance
    test_samples: int


def known_variances(answers: AnswersByRun, metrics: MetricTable) -> dict[Accuracy, KnownVariance]:
    """Split the variance of every mean over test samples whose predictions are known."""
    return {
        Accuracy(run, question, metric.name): KnownVariance(variance, len(own.ids))
        for run, by_question in answers.items()
        for question, own in by_question.items()
        for metric in metrics.values()
        if metric.covers_samples and (variance := sample_variance(own, metric)) is not None
    }


def compared_scores(rows: Mapping[str, Answers], metric: Metric) -> ComparedScores | None:
    """Collect scores, draws and variances of rows that predicted the same test samples; None if none has the metric."""
    known = {name: (answers, values) for name, answers in rows.items()
             if (values := sample_values(answers, metric)) is not None}  # fmt: skip
    if not known:
        return None
    first = next(iter(known.values()))[0]
    labels = first.labels if isinstance(first, TestAnswers) else np.zeros(len(first.ids), np.int64)
    weighting = make_weighting(labels, first.folds, metric, metric.name, first.groups)
    variances = [sample_variance(answers, metric) for answers, _ in known.values()]
    return ComparedScores(
        names=list(known),
        scores=np.array([float((values @ weighting.weights).mean()) for _, values in known.values()]),
        draws=np.stack([sample_draws(values, weighting.draw_weights) for _, values in known.values()]),
        variances=[one for one in variances if one is not None],
        higher_is_better=metric.higher_is_better,
        sample_freedom=math.inf if first.groups is None else float(first.groups.max()),
    )
