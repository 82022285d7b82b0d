"""The two forms of VOC's average precision, against their definitions and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sslbench_mvmr.average_precision import all_points, eleven_points, mean_all_points, mean_eleven_points


def by_definition(truth, scores):
    """Recall and precision of the samples from each rank upwards; scores must differ."""
    order = np.argsort(-scores)
    hits = np.cumsum(truth[order])
    return hits / hits[-1], hits / np.arange(1, len(truth) + 1)


@given(st.integers(0, 2**16), st.integers(2, 40))
def test_both_forms_follow_their_definitions(seed, n):
    rng = np.random.default_rng(seed)
    truth, scores = rng.integers(0, 2, n), rng.permutation(n) / n
    truth[0] = 1
    recall, precision = by_definition(truth, scores)
    interpolated = [max(precision[recall >= r - 1e-12], default=0.0) for r in recall]
    expected = sum((r - before) * p for r, before, p in zip(recall, [0, *recall[:-1]], interpolated, strict=True))
    assert all_points(truth, scores) == pytest.approx(expected, abs=1e-12)
    eleven = [max(precision[recall >= r / 10 - 1e-12], default=0.0) for r in range(11)]
    assert eleven_points(truth, scores) == pytest.approx(np.mean(eleven), abs=1e-12)
    assert all_points(truth, scores) >= average_precision_score(truth, scores) - 1e-12


def test_a_worked_example():
    """Hits at ranks 1, 3 and 4 of 5: precision 1, 2/3 and 3/4, so the second is interpolated to 3/4."""
    truth, scores = np.array([1, 0, 1, 1, 0]), np.array([5.0, 4, 3, 2, 1])
    assert all_points(truth, scores) == pytest.approx((1 + 0.75 + 0.75) / 3)
    assert eleven_points(truth, scores) == pytest.approx((4 * 1 + 7 * 0.75) / 11)
    assert average_precision_score(truth, scores) == pytest.approx((1 + 2 / 3 + 0.75) / 3)


def test_unknown_entries_do_not_count_and_labels_without_positives_have_no_score():
    truth = np.array([[1, 0, 0], [0, 1, -1], [-1, 1, 0], [0, 0, 0]])
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.5], [0.99, 0.7, 0.5], [0.1, 0.9, 0.5]])
    second = all_points(truth[:, 1], scores[:, 1])
    assert mean_all_points(truth, scores) == pytest.approx((1 + second) / 2)
    assert mean_eleven_points(truth, scores) == pytest.approx((1 + eleven_points(truth[:, 1], scores[:, 1])) / 2)
    assert mean_all_points(np.zeros((3, 2), int), np.ones((3, 2))) is None
