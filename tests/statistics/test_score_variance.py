"""The variance of a mean score: closed forms, and rates at which equal methods and classes are called different."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sslbench.analysis.statistics.bootstrap import resampled_weights, sample_draws, strata
from sslbench.analysis.statistics.class_differences import (
    class_gap_ps,
    class_gaps,
    recall_half_widths,
    recall_statistics,
)
from sslbench.analysis.statistics.intervals import mean_over_seeds
from sslbench.analysis.statistics.score_variance import (
    half_width,
    total_variance,
    variance_of_answers,
    variance_over_seeds,
)
from sslbench.analysis.statistics.shared_ranks import ComparedScores, difference, rank_rows, verdict

SPREADS = (0.0, 0.15, 0.5)
"""Deviation of a method's ability between seeds, in logits."""
SAMPLES, CLASSES = 300, 10


def simulate_answers(rng: np.random.Generator, seeds: int, spread: float, hard: np.ndarray, groups: np.ndarray):
    """Correct predictions [S, n]: samples with a difficulty, partly shared by all methods, and seeds with a deviation."""
    luck = 0.8 + rng.normal(0, spread, (seeds, groups.max() + 1))[:, groups]
    own = hard + rng.normal(0, 0.7, len(hard))
    return (rng.random((seeds, len(hard))) < 1 / (1 + np.exp(own - luck))).astype(float)


def make_field(
    rows: dict[str, np.ndarray], weights: np.ndarray, codes: np.ndarray, shares: np.ndarray, **facts
) -> ComparedScores:
    return ComparedScores(
        names=list(rows),
        scores=np.array([right.mean() for right in rows.values()]),
        draws=np.stack([sample_draws(right, weights) for right in rows.values()]),
        variances=[variance_of_answers(right, codes, shares, depends_on_seed=True, **facts) for right in rows.values()],
    )


@pytest.fixture(scope="module")
def micro():
    zeros = np.zeros(SAMPLES, np.int64)
    codes, shares = strata(zeros, zeros, by_class=False)
    return resampled_weights(codes, shares, 500, np.random.default_rng(0)), codes, shares


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", SPREADS)
def test_equal_methods_are_called_different_in_five_percent(micro, seeds, spread):
    rng, wrong, tries = np.random.default_rng(seeds), 0, 1200
    for _ in range(tries):
        hard = rng.normal(0, 1.5, SAMPLES)
        rows = {name: simulate_answers(rng, seeds, spread, hard, np.zeros(SAMPLES, np.int64)) for name in "ab"}
        wrong += verdict(make_field(rows, *micro), 0, 1) != "undecided"
    assert 0.03 <= wrong / tries <= 0.07


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", SPREADS)
def test_equal_classes_are_called_different_in_five_percent(seeds, spread):
    rng, labels = np.random.default_rng(seeds), np.repeat(np.arange(CLASSES), 60)
    ps, families, tries = [], 0, 250
    for _ in range(tries):
        hard = rng.normal(0, 1.5, len(labels))
        rows = [
            recall_statistics(simulate_answers(rng, seeds, spread, hard, labels), labels, CLASSES) for _ in range(2)
        ]
        ps.append(class_gap_ps(*rows, labels)[1])
        families += bool((class_gaps(*rows, labels)[1] < 0.05).any())
    assert 0.03 <= (np.array(ps) < 0.05).mean() <= 0.07
    assert families / tries <= 0.1  # Holm's rule over ten classes; with three seeds the tails are a little heavier


def test_intervals_cover_the_expected_score_in_95_percent(micro):
    _, codes, shares = micro
    rng, covered, tries = np.random.default_rng(4), 0, 1000
    expected = np.mean([simulate_answers(rng, 1, 0.3, rng.normal(0, 1.5, SAMPLES), codes).mean() for _ in range(20000)])
    for _ in range(tries):
        right = simulate_answers(rng, 5, 0.3, rng.normal(0, 1.5, SAMPLES), codes)
        half = half_width(variance_of_answers(right, codes, shares, depends_on_seed=True))
        covered += abs(right.mean() - expected) <= half
    assert 0.93 <= covered / tries <= 0.97


def test_parts_are_those_of_a_two_way_table(micro):
    _, codes, shares = micro
    rng = np.random.default_rng(0)
    right = rng.random((4, SAMPLES))
    found = variance_of_answers(right, codes, shares, depends_on_seed=True)
    residual = right - right.mean(0) - right.mean(1, keepdims=True) + right.mean()
    assert found.over_samples == pytest.approx(right.mean(0).var(ddof=1) / SAMPLES)
    assert found.over_seeds == pytest.approx(right.mean(1).var(ddof=1) / 4)
    assert found.interaction == pytest.approx((residual**2).sum() / (3 * (SAMPLES - 1)) / (4 * SAMPLES))
    assert found.floor == pytest.approx(1 / SAMPLES**2)


def test_macro_accuracy_weights_the_variance_of_each_class():
    rng = np.random.default_rng(1)
    labels = np.array([0] * 10 + [1] * 90)
    codes, shares = strata(labels, np.zeros(100, np.int64), by_class=True)
    right = (rng.random((1, 100)) < 0.7).astype(float)
    found = variance_of_answers(right, codes, shares, depends_on_seed=False)
    wanted = sum(right[0, labels == c].var(ddof=1) / (labels == c).sum() / 4 for c in (0, 1))
    assert found.over_samples == pytest.approx(wanted)
    weights = resampled_weights(codes, shares, 20000, rng)
    assert sample_draws(right, weights).var(ddof=1) == pytest.approx(wanted, rel=0.05)


def test_interaction_is_counted_once():
    assert total_variance(3.0, 2.0, 1.0, 0.0) == 4.0
    assert total_variance(1.0, 2.0, 1.5, 0.0) == 2.0
    assert total_variance(0.0, 0.0, 0.0, 0.1) == 0.1


def test_intervals_of_clusters_are_students_over_seeds():
    values = (0.2, 0.26, 0.31)
    assert half_width(variance_over_seeds(values, depends_on_seed=True)) == pytest.approx(
        mean_over_seeds(values).ci95_half_width
    )
    assert half_width(variance_over_seeds((0.2,), depends_on_seed=True)) is None
    assert half_width(variance_over_seeds((0.2, 0.2), depends_on_seed=False)) is None


def test_one_seed_covers_the_test_samples_of_this_one_training(micro):
    _, codes, shares = micro
    right = (np.random.default_rng(0).random((1, SAMPLES)) < 0.75).astype(float)
    half = half_width(variance_of_answers(right, codes, shares, depends_on_seed=True))
    score = right.mean()
    assert half == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(score * (1 - score) / (SAMPLES - 1)), rel=1e-3)
    perfect = half_width(variance_of_answers(np.ones((3, SAMPLES)), codes, shares, depends_on_seed=True))
    assert perfect == pytest.approx(1.96 / SAMPLES, rel=0.02)


def one_seed_field(micro, first_depends: bool, second_depends: bool) -> ComparedScores:
    weights, codes, shares = micro
    rows = [np.zeros((1, SAMPLES)), np.ones((1, SAMPLES))]
    depends = (first_depends, second_depends)
    return ComparedScores(
        names=["low", "high"], scores=np.array([0.0, 1.0]), draws=np.stack([sample_draws(r, weights) for r in rows]),
        variances=[variance_of_answers(r, codes, shares, depends_on_seed=d) for r, d in zip(rows, depends, strict=True)],
    )  # fmt: skip


def test_a_trained_row_with_one_seed_is_never_better_or_worse(micro):
    for depends in ((True, True), (True, False), (False, True)):
        field = one_seed_field(micro, *depends)
        assert [verdict(field, 0, 1), verdict(field, 1, 0)] == ["undecided: one seed"] * 2
        assert difference(field, 1, 0) == (1.0, None)
        assert [one.rank for one in rank_rows(field)] == [1, 1]
        assert [one.ranks for one in rank_rows(field)] == [(1, 2), (1, 2)]


def test_rows_without_randomness_are_compared_by_test_samples_alone(micro):
    field = one_seed_field(micro, False, False)
    assert [verdict(field, 0, 1), verdict(field, 1, 0)] == ["worse", "better"]
    assert [(one.name, one.rank) for one in rank_rows(field)] == [("high", 1), ("low", 2)]


def test_class_gaps_of_a_row_with_one_seed_are_not_known():
    labels = np.repeat([0, 1], 20)
    worse, right = np.ones((1, 40)), np.ones((1, 40))
    worse[:, :20] = 0
    for depends in ((True, True), (True, False), (False, True)):
        rows = [
            recall_statistics(r, labels, 2, depends_on_seed=d) for r, d in zip((worse, right), depends, strict=True)
        ]
        gap, p = class_gaps(*rows, labels)
        assert gap.tolist() == [-1, 0]
        assert np.isnan(p).all()
    frozen = [recall_statistics(r, labels, 2, depends_on_seed=False) for r in (worse, right)]
    assert class_gaps(*frozen, labels)[1][0] < 0.001


def test_recall_intervals_cover_seeds_and_samples():
    rng, labels = np.random.default_rng(0), np.repeat([0, 1, 2], [50, 50, 1])
    right = (rng.random((1, 101)) < 0.8).astype(float)
    halves = recall_half_widths(recall_statistics(right, labels, 3), labels)
    recall = right[0, :50].mean()
    assert halves[0] == pytest.approx(stats.t.ppf(0.975, 49) * np.sqrt(recall * (1 - recall) / 49), rel=0.01)
    assert np.isnan(halves[2])
