"""Samples of one group, such as a parcel, depend on each other: closed forms, and rates of errors over groups."""

from __future__ import annotations

import numpy as np
import pytest

from sslbench.analysis.statistics.accuracy import compared_scores, sample_variance
from sslbench.analysis.statistics.bootstrap import resampled_weights, sample_draws, sample_weights, strata
from sslbench.analysis.statistics.score_variance import half_width, variance_of_answers
from sslbench.analysis.statistics.shared_ranks import rank_rows, verdict
from sslbench.catalog.metrics import core_metrics
from sslbench.results.answers import TestAnswers

SIZE = 12
"""Test samples of a group."""
MICRO, MACRO = (core_metrics()[name] for name in ("micro_accuracy", "macro_accuracy"))


def simulate(rng: np.random.Generator, groups: np.ndarray, shared: np.ndarray, *, known: bool = True) -> TestAnswers:
    """Return answers of three seeds; a group's samples share a difficulty, and how well this method deals with them."""
    own = rng.normal(0, 0.8, len(shared)) + shared
    logits = 0.8 + own[groups] + rng.normal(0, 0.1, (3, 1))
    right = (rng.random((3, len(groups))) < 1 / (1 + np.exp(-logits))).astype(float)
    return TestAnswers(
        ids=np.array([f"{place:04d}" for place in range(len(groups))]), folds=np.zeros(len(groups), np.int64),
        depends_on_seed=True, labels=np.arange(len(groups)) % 4, right=right, groups=groups if known else None,
    )  # fmt: skip


def test_the_variance_is_that_of_the_means_of_groups():
    rng = np.random.default_rng(0)
    groups, zeros = np.repeat(np.arange(20), SIZE), np.zeros(20 * SIZE, np.int64)
    right = (rng.random((4, len(groups))) < 0.7).astype(float)
    codes, shares = strata(zeros, zeros, by_class=False)
    found = variance_of_answers(right, codes, shares, depends_on_seed=True, groups=groups)
    means = right.reshape(4, 20, SIZE).mean(2)
    residual = means - means.mean(0) - means.mean(1, keepdims=True) + means.mean()
    assert found.over_samples == pytest.approx(means.mean(0).var(ddof=1) / 20)
    assert found.interaction == pytest.approx((residual**2).sum() / (3 * 19) / (4 * 20))
    assert found.sample_freedom == 19
    weights = resampled_weights(codes, shares, 20_000, rng, groups)
    assert sample_draws(right, weights).var(ddof=1) == pytest.approx(found.over_samples, rel=0.05)
    assert weights.sum(1) == pytest.approx(1, abs=1e-4)


def test_groups_of_one_sample_are_independent_samples():
    rng = np.random.default_rng(1)
    zeros, groups = np.zeros(200, np.int64), np.arange(200)
    right = (rng.random((3, 200)) < 0.7).astype(float)
    codes, shares = strata(zeros, zeros, by_class=False)
    alone = variance_of_answers(right, codes, shares, depends_on_seed=True)
    grouped = variance_of_answers(right, codes, shares, depends_on_seed=True, groups=groups)
    assert grouped.over_samples == pytest.approx(alone.over_samples)
    assert grouped.interaction == pytest.approx(alone.interaction)


def test_groups_may_hold_samples_of_several_classes():
    """All samples of a group are right or wrong together, so that macro accuracy varies as much as the groups do."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), SIZE)
    labels = np.tile(np.arange(4), 30 * SIZE // 4)
    right = np.repeat(rng.random(30) < 0.6, SIZE).astype(float)[None]
    codes, shares = strata(labels, np.zeros_like(labels), by_class=True)
    found = variance_of_answers(right, codes, shares, depends_on_seed=False, groups=groups)
    assert found.over_samples == pytest.approx(right[0, ::SIZE].var(ddof=1) / 30)
    weights = resampled_weights(codes, shares, 20_000, rng, groups)
    assert sample_draws(right, weights).var(ddof=1) == pytest.approx(found.over_samples, rel=0.05)
    by_class = np.stack([weights[:, codes == code].sum(1) for code in range(4)], axis=1)
    assert by_class == pytest.approx(np.full_like(by_class, 0.25), abs=1e-4)
    assert sample_weights(codes, shares).sum() == pytest.approx(1)


@pytest.mark.parametrize(("count", "metric"), [(8, MICRO), (24, MICRO), (24, MACRO)])
def test_equal_methods_are_called_different_in_five_percent(count, metric):
    """Without the groups, more than twice as many are."""
    rng, tries = np.random.default_rng(count), 160
    groups = np.repeat(np.arange(count), SIZE)
    wrong = {True: 0, False: 0}
    for number in range(tries):
        shared = rng.normal(0, 1, count)
        seeds = rng.integers(2**32, size=2)
        for known in (True, False) if number < tries // 2 else (True,):
            rows = {
                name: simulate(np.random.default_rng(seed), groups, shared, known=known)
                for name, seed in zip("ab", seeds, strict=True)
            }
            field = compared_scores(rows, metric)
            decided = verdict(field, 0, 1) != "undecided"
            if number < 10:
                assert decided == (sorted(one.rank for one in rank_rows(field)) == [1, 2])
            wrong[known] += decided
    assert 0.01 <= wrong[True] / tries <= 0.09
    assert wrong[False] / (tries // 2) > 0.12


def test_intervals_cover_the_expected_score_in_95_percent():
    rng, tries, covered = np.random.default_rng(5), 500, 0
    groups = np.repeat(np.arange(15), SIZE)
    expected = np.mean(1 / (1 + np.exp(-(0.8 + rng.normal(0, np.sqrt(1 + 0.8**2 + 0.1**2), 10**6)))))
    for _ in range(tries):
        answers = simulate(rng, groups, rng.normal(0, 1, 15))
        covered += abs(answers.right.mean() - expected) <= half_width(sample_variance(answers, MICRO))
    assert 0.92 <= covered / tries <= 0.98
