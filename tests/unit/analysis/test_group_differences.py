"""Two runs are compared in groups of their test samples, such as those of one plate."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from sslbench.analysis.statistics.group_differences import compare_groups
from sslbench.api.targets import KINDS
from sslbench.catalog.metrics import core_metrics
from sslbench.results.answers import TestAnswers, VectorAnswers

ACCURACY = core_metrics()["micro_accuracy"]


def class_answers(right: np.ndarray, *, depends_on_seed: bool = True) -> TestAnswers:
    """Return answers to samples of five classes, which groups do not follow."""
    n = right.shape[1]
    return TestAnswers(
        ids=np.array([f"{place:04d}" for place in range(n)]), folds=np.zeros(n, np.int64), depends_on_seed=depends_on_seed,
        labels=np.arange(n) % 5, right=right.astype(float),
    )  # fmt: skip


def value_answers(truth: np.ndarray, predicted: np.ndarray) -> VectorAnswers:
    n = len(truth)
    return VectorAnswers(
        ids=np.array([f"{place:04d}" for place in range(n)]), folds=np.zeros(n, np.int64), depends_on_seed=True,
        kind=KINDS["value"], names=("length",), truth=truth, predicted=predicted,
    )  # fmt: skip


def test_accuracies_of_groups_are_shares_of_their_own_samples():
    """Plate b loses half of its samples; two samples have no plate, and one is alone."""
    groups = np.array(["a"] * 20 + ["b"] * 20 + ["", ""] + ["c"])
    other = np.ones((2, 43))
    own = other.copy()
    own[:, 20:30] = 0
    own[:, 40:42] = 0
    found = {one.name: one for one in compare_groups(class_answers(own), class_answers(other), groups, ACCURACY)}
    assert [*found] == ["b", "a", "c"]  # the worst first
    assert (found["b"].first, found["b"].second, found["b"].difference) == (0.5, 1.0, -0.5)
    assert (found["b"].only_first, found["b"].only_second, found["b"].test_samples) == (0, 10, 20)
    assert found["b"].differs
    assert (found["a"].difference, found["a"].p) == (0.0, 1.0)
    assert (found["c"].test_samples, found["c"].p) == (1, 1.0)


def test_p_is_corrected_over_groups_and_unknown_with_one_seed():
    rng = np.random.default_rng(0)
    groups = np.repeat([f"{place:02d}" for place in range(20)], 30)
    other = (rng.random((3, 600)) < 0.8).astype(float)
    own = other.copy()
    own[:, :30] = rng.random((3, 30)) < 0.5
    few = groups < "02"
    alone, among = (
        {
            one.name: one
            for one in compare_groups(
                *(class_answers(right[:, chosen]) for right in (own, other)), groups[chosen], ACCURACY
            )
        }
        for chosen in (few, few | True)
    )
    assert alone["00"].difference == among["00"].difference
    assert alone["00"].p < among["00"].p  # 2 tests, or 20
    single = compare_groups(class_answers(own[:1]), class_answers(other[:1]), groups, ACCURACY)
    assert {one.p for one in single} == {None}
    fixed = compare_groups(
        class_answers(own[:1], depends_on_seed=False), class_answers(other[:1], depends_on_seed=False), groups, ACCURACY
    )
    assert all(one.p is not None for one in fixed)


def test_equal_methods_differ_in_few_families_of_groups():
    """Samples of a group are independent here; 10 groups of 40 samples."""
    rng, wrong, tries = np.random.default_rng(1), 0, 300
    groups = np.repeat([f"{place:02d}" for place in range(10)], 40)
    for _ in range(tries):
        ease = rng.beta(6, 2, len(groups))
        rows = [class_answers(rng.random((3, len(groups))) < ease) for _ in range(2)]
        wrong += any(one.differs for one in compare_groups(*rows, groups, ACCURACY))
    assert wrong / tries <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tries)


def test_numbers_of_a_group_have_the_metric_of_its_samples():
    rng = np.random.default_rng(2)
    groups, truth = np.repeat(["near", "far", "constant", ""], 60), rng.normal(size=(240, 1))
    truth[groups == "constant"] = 1.0  # R2 is not defined
    noise = np.where(groups == "far", 1.5, 0.3)[:, None]
    good = truth + 0.3 * rng.normal(size=(3, 1, 240, 1))
    poor = truth + noise * rng.normal(size=(3, 1, 240, 1))
    metric = core_metrics()["r2"]
    found = {
        one.name: one for one in compare_groups(value_answers(truth, poor), value_answers(truth, good), groups, metric)
    }
    assert sorted(found) == ["far", "near"]
    for name, one in found.items():
        chosen = groups == name
        expected = [np.mean([r2_score(truth[chosen], run[0, chosen]) for run in runs]) for runs in (poor, good)]
        assert (one.first, one.second) == pytest.approx(expected)
        assert one.difference == pytest.approx(expected[0] - expected[1])
        assert (one.metric, one.higher_is_better, one.test_samples) == ("r2", True, 60)
    assert found["far"].differs
    assert not found["near"].differs
    assert found["far"].only_second > found["far"].only_first
    errors = compare_groups(
        value_answers(truth, poor), value_answers(truth, good), groups, core_metrics()["mean_absolute_error"]
    )
    assert [one.name for one in errors if not one.higher_is_better] == ["constant", "far", "near"]


def test_answers_of_two_kinds_of_target_are_refused():
    one = class_answers(np.ones((2, 4)))
    other = value_answers(np.ones((4, 1)), np.ones((2, 1, 4, 1)))
    with pytest.raises(ValueError, match="different kinds of targets"):
        compare_groups(one, other, np.array(["a"] * 4), ACCURACY)
