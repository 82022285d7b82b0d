"""Scores of classes: ranks, both stored forms, and the metrics that follow from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import torch
from sklearn.metrics import mean_squared_error, top_k_accuracy_score

from sslbench.analysis.statistics.derived_metrics import class_metrics
from sslbench.analysis.statistics.ranked_metrics import (
    area_under_risk_coverage,
    brier_score,
    expected_calibration_error,
    macro_top5_accuracy,
    top5_accuracy,
)
from sslbench.api import rank_scores
from sslbench.api.ranked_scores import MAX_NUMBERS
from sslbench.api.target_losses import LOSSES
from sslbench.catalog.metrics import core_metrics
from sslbench.results.class_scores import SCORE_COLUMNS, read_class_scores, score_columns


def random_scores(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    return labels, rng.dirichlet(np.full(classes, 0.3), rows)


def stored(ranked, path):
    """Return the scores after they were written to a file."""
    columns = score_columns(ranked, len(ranked.labels))
    parquet.write_table(arrow.table(columns), path)
    table = parquet.read_table(path)
    return read_class_scores(ranked.labels, ranked.predicted, ranked.classes, {n: table[n] for n in SCORE_COLUMNS})


@pytest.mark.parametrize(("rows", "classes"), [(300, 8), (200, 40), (1000, 40)])
def test_top5_accuracy_is_that_of_scikit_learn_in_both_forms(rows, classes, tmp_path):
    labels, scores = random_scores(rows, classes)
    ranked = stored(rank_scores(labels, scores), tmp_path / "scores.parquet")
    assert (ranked.matrix is None) == (rows * classes > MAX_NUMBERS)
    codes = np.arange(classes)
    assert top5_accuracy(ranked) == pytest.approx(top_k_accuracy_score(labels, scores, k=5, labels=codes), abs=1e-12)
    by_class = [
        top_k_accuracy_score(labels[labels == c], scores[labels == c], k=5, labels=codes) for c in np.unique(labels)
    ]
    assert macro_top5_accuracy(ranked) == pytest.approx(np.mean(by_class), abs=1e-12)
    assert np.allclose(ranked.confidence, scores.max(1), atol=1e-3)
    assert np.allclose(ranked.label_scores, scores[np.arange(rows), labels], atol=1e-3)
    assert (ranked.predicted == scores.argmax(1)).all()
    assert ((ranked.ranks == 1) == ranked.is_right).all()


def test_both_forms_have_the_same_ranks_confidence_and_metrics(tmp_path):
    labels, scores = random_scores(1000, 40)
    best = rank_scores(labels, scores)
    parts = [rank_scores(labels[some], scores[some]) for some in np.array_split(np.arange(1000), 4)]
    assert best.matrix is None
    whole = replace(best, best=None, scores=np.concatenate([part.matrix for part in parts]))
    assert not list(whole.find_errors())
    assert (best.ranks == np.concatenate([part.ranks for part in parts])).all()
    assert (best.confidence == whole.confidence).all()
    assert (best.label_scores == whole.label_scores).all()
    for metric in (top5_accuracy, macro_top5_accuracy, expected_calibration_error, area_under_risk_coverage):
        assert metric(best) == metric(whole)
    assert brier_score(best) is None


def test_ranks_are_those_before_rounding():
    scores = np.full((1, 12), 1e-12)
    scores[0, 3], scores[0, 11] = 1, 1e-9
    assert rank_scores(np.array([11]), scores).ranks.tolist() == [2]


def test_the_brier_score_is_a_squared_error():
    labels, scores = random_scores(500, 6)
    expected = 6 * mean_squared_error(np.eye(6)[labels], scores)
    assert brier_score(rank_scores(labels, scores)) == pytest.approx(expected, abs=1e-3)
    sure = rank_scores(labels, np.eye(6)[labels])
    assert brier_score(sure) == expected_calibration_error(sure) == area_under_risk_coverage(sure) == 0
    wrong = rank_scores(labels, np.eye(6)[(labels + 1) % 6])
    assert (brier_score(wrong), expected_calibration_error(wrong), area_under_risk_coverage(wrong)) == (2, 1, 1)


def test_calibration_error_sums_the_gaps_of_the_bins():
    # confidences 0.5 (two of four right, no gap) and 0.75 (one of four right, gap 0.5)
    confidence = np.repeat([0.5, 0.75], 4)
    scores = np.stack([confidence, 1 - confidence, 0 * confidence], axis=1)
    labels = np.array([0, 0, 1, 1, 0, 1, 1, 1])
    assert expected_calibration_error(rank_scores(labels, scores)) == pytest.approx(0.25)
    assert expected_calibration_error(rank_scores(labels, 10 * scores)) is None  # no probabilities
    assert expected_calibration_error(rank_scores(labels, scores / 2)) is None


def test_risk_coverage_averages_the_risks_of_the_most_confident_samples():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 1])
    risks = [0, 1 / 2, 1 / 3, 2 / 4]
    assert area_under_risk_coverage(rank_scores(labels, scores)) == pytest.approx(np.mean(risks))
    equal = np.tile(scores[:1], (4, 1))  # any order: the error rate
    assert area_under_risk_coverage(rank_scores(labels, equal)) == pytest.approx(0.5)


def test_top5_accuracy_is_not_defined_for_five_classes():
    ranked = rank_scores(*random_scores(50, 5))
    assert top5_accuracy(ranked) is macro_top5_accuracy(ranked) is None
    found = class_metrics(ranked.labels, ranked.predicted, 5, core_metrics(), ranked)
    assert "top5_accuracy" not in found.values
    assert not found.problems
    assert {"brier_score", "macro_accuracy"} <= {*found.values}


@pytest.mark.parametrize("rows", [300, 1000])
@pytest.mark.parametrize(
    "change",
    [
        lambda one: {"ranks": np.where(one.is_right, 2, one.ranks)},
        lambda one: {"ranks": np.where(np.arange(len(one.ranks)) == 5, 0, one.ranks)},
        lambda one: {"predicted": (one.predicted + 1) % one.classes},
        lambda one: {"scores": one.scores[:, ::-1]},
        lambda one: {"scores": one.scores[:, 1:]},
        lambda one: {"scores": np.where(one.scores == one.scores.max(), np.nan, one.scores)},
    ],
)
def test_contradictory_scores_are_refused(rows, change, tmp_path):
    ranked = rank_scores(*random_scores(rows, 40))
    assert not list(ranked.find_errors())
    with pytest.raises(ValueError, match=r"has (class )?scores"):
        stored(replace(ranked, **change(ranked)), tmp_path / "scores.parquet")


def test_probabilities_have_the_same_best_class_as_their_scores():
    rng = np.random.default_rng(0)
    close = rng.normal(size=(2000, 1)) + rng.integers(-2, 3, (2000, 7)) * 6e-8  # a rounding error apart
    scores = torch.from_numpy(close).float()
    loss = LOSSES["class"]
    assert (loss.output(scores).argmax(1) == loss.answer(scores)).all()
    assert torch.allclose(loss.output(scores).sum(1), torch.ones(2000, dtype=torch.float64))
    infinite = torch.tensor([[0.0, torch.inf, 1.0]])
    assert loss.output(infinite).argmax(1) == loss.answer(infinite)
