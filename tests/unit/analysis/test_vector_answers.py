"""Runs on several labels or numbers per sample are compared on the test samples that they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sslbench.analysis.statistics.accuracy import compared_scores, sample_variance, vector_values
from sslbench.analysis.statistics.label_differences import label_half_widths
from sslbench.analysis.statistics.run_comparison import compare_answers
from sslbench.analysis.statistics.score_variance import half_width
from sslbench.analysis.statistics.shared_ranks import verdict
from sslbench.api.targets import KINDS
from sslbench.catalog.metrics import core_metrics
from sslbench.results.answers import VectorAnswers

SAMPLES, WIDTH = 160, 3
MAIN = {"labels": "macro_average_precision", "value": "r2"}
TRIES = 120


def make_truth(kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "labels":
        return (rng.random((SAMPLES, WIDTH)) < [0.5, 0.3, 0.15]).astype(np.int64)
    return rng.normal(size=(SAMPLES, WIDTH))


def make_answers(
    kind: str, truth: np.ndarray, rng: np.random.Generator, *, noise: float = 1.0, seeds: int = 3
) -> VectorAnswers:
    """Return predictions that differ from the truth by noise, of which seeds share one half."""
    shared = rng.normal(size=truth.shape)
    predicted = truth + noise * (shared + rng.normal(size=(seeds, 1, *truth.shape))) / np.sqrt(2)
    if kind == "labels":
        predicted = 1 / (1 + np.exp(1 - 2 * predicted))
    return VectorAnswers(
        ids=np.array([f"{place:04d}" for place in range(len(truth))]), folds=np.zeros(len(truth), np.int64),
        depends_on_seed=True, kind=KINDS[kind], names=("first", "second", "third"), truth=truth, predicted=predicted,
    )  # fmt: skip


@pytest.mark.parametrize("kind", MAIN)
def test_equal_methods_are_called_different_in_about_five_percent(kind):
    rng, metric, wrong = np.random.default_rng(1), core_metrics()[MAIN[kind]], 0
    for _ in range(TRIES):
        truth = make_truth(kind, rng)
        field = compared_scores({name: make_answers(kind, truth, rng) for name in "ab"}, metric)
        wrong += verdict(field, 0, 1) != "undecided"
    assert 0.01 <= wrong / TRIES <= 0.1


@pytest.mark.parametrize("kind", MAIN)
def test_an_interval_contains_the_score_of_many_samples(kind):
    rng, metric, name = np.random.default_rng(2), core_metrics()[MAIN[kind]], KINDS[kind].each[0]
    large = [make_truth(kind, rng) for _ in range(100)]
    many = make_answers(kind, np.concatenate(large), rng, seeds=1)
    expected = metric.implementation()(many.truth, many.predicted[0, 0])
    by_label = KINDS[kind].score_each(many.truth, many.predicted[0, 0])[name]
    inside, inside_by_label = 0, np.zeros(WIDTH)
    for _ in range(TRIES):
        own = make_answers(kind, make_truth(kind, rng), rng)
        scores = [metric.implementation()(own.truth, one[0]) for one in own.predicted]
        inside += abs(np.mean(scores) - expected) <= half_width(sample_variance(own, metric))
        found = np.mean([KINDS[kind].score_each(own.truth, one[0])[name] for one in own.predicted], axis=0)
        widths = label_half_widths(own)
        inside_by_label += np.abs(found - by_label) <= [widths[label, name] for label in own.names]
    assert inside / TRIES >= 0.89
    assert (inside_by_label / TRIES >= 0.86).all(), inside_by_label / TRIES


@pytest.mark.parametrize("kind", MAIN)
def test_a_better_run_is_found_overall_and_by_name(kind):
    rng = np.random.default_rng(3)
    truth = make_truth(kind, rng)
    good, poor = make_answers(kind, truth, rng, noise=0.4), make_answers(kind, truth, rng, noise=1.5)
    found = compare_answers(good, poor, (), core_metrics())
    by_metric = {one.metric: one for one in found.overall}
    assert by_metric[MAIN[kind]].verdict == "better"
    assert [one.name for one in found.labels if one.metric == KINDS[kind].each[0]] == ["first", "second", "third"]
    for one in found.labels:
        assert one.differs
        assert (one.difference > 0) == one.higher_is_better
        assert one.only_first > one.only_second
    assert bool(found.only_first) == (kind == "labels")
    back = compare_answers(poor, good, (), core_metrics())
    assert [-one.difference for one in back.labels] == pytest.approx([one.difference for one in found.labels])
    assert (back.only_first, back.only_second) == (found.only_second, found.only_first)


def test_a_run_does_not_differ_from_itself():
    rng = np.random.default_rng(4)
    one = make_answers("labels", make_truth("labels", rng), rng)
    found = compare_answers(one, one, (), core_metrics())
    assert {row.verdict for row in found.overall} == {"undecided"}
    assert not any(row.differs or row.only_first or row.only_second for row in found.labels)
    assert (found.only_first, found.only_second) == ([], [])


def test_unknown_labels_and_labels_with_one_positive_have_no_interval():
    rng = np.random.default_rng(5)
    truth = make_truth("labels", rng)
    truth[:, 1] = -1
    truth[:, 2] = 0
    truth[7, 2] = 1
    own, other = (make_answers("labels", truth, rng) for _ in range(2))
    widths = label_half_widths(own)
    assert widths["first", "average_precision"] > 0
    assert widths["second", "average_precision"] is widths["third", "average_precision"] is None
    found = {one.name: one for one in compare_answers(own, other, (), core_metrics()).labels}
    assert set(found) == {"first", "third"}
    assert found["third"].p is None


def test_an_influence_that_raises_is_a_warning():
    """The intervals then cover seeds only, which must not stay unnoticed."""

    def fail(truth, predicted):
        raise KeyError("weights")

    rng = np.random.default_rng(0)
    answers = make_answers("value", make_truth("value", rng), rng)
    metric = replace(core_metrics()["r2"], influence=fail)
    told = (
        r"metric 'r2': its influence raises KeyError: 'weights'\. Its intervals cover seeds only\. Correct the function"
    )
    with pytest.warns(UserWarning, match=told):
        assert vector_values(answers, metric) is None
