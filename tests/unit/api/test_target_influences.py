"""Influences of samples are the derivatives of metrics by the samples' weights."""

from __future__ import annotations

import numpy as np
import pytest

from sslbench.api.metrics import Derivation
from sslbench.api.targets import KINDS
from sslbench.catalog.metrics import core_metrics

SAMPLES, COPIES = 24, 300


def make_arguments(source: Derivation) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and predictions with ties and unknown entries."""
    rng = np.random.default_rng(0)
    if source is Derivation.LABELS:
        return rng.integers(-1, 2, (SAMPLES, 3)), np.round(rng.random((SAMPLES, 3)), 1)
    truth = np.round(rng.normal(size=(SAMPLES, 2)), 1)
    predicted = np.round(truth + rng.normal(size=truth.shape), 1)
    truth[::5, 1] = np.nan
    return truth, predicted


def differentiate(function, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return n times the derivative of a metric by the weight of each sample, from copies of samples."""
    found = []
    for row in range(SAMPLES):
        changed = []
        for change in (1, -1):
            weights = np.full(SAMPLES, COPIES)
            weights[row] += change
            changed.append(np.asarray(function(truth.repeat(weights, 0), predicted.repeat(weights, 0))))
        found.append((changed[0] - changed[1]) / 2 * COPIES * SAMPLES)
    return np.array(found)


@pytest.mark.parametrize("name", [name for name, one in core_metrics().items() if one.influence])
def test_influences_are_the_derivatives_of_every_metric(name):
    metric = core_metrics()[name]
    arguments = make_arguments(metric.derived_from)
    found = metric.influence_function()(*arguments)
    assert found.mean() == pytest.approx(0, abs=1e-12)
    assert found == pytest.approx(differentiate(metric.implementation(), *arguments), abs=1e-4)


@pytest.mark.parametrize("kind", ["labels", "value"])
def test_influences_are_the_derivatives_of_single_labels_and_numbers(kind):
    target = KINDS[kind]
    arguments = make_arguments(target.source)
    for metric, found in target.influence_each(*arguments).items():
        expected = differentiate(lambda *own, metric=metric: target.score_each(*own)[metric], *arguments)
        assert found == pytest.approx(expected, abs=1e-4)


def test_every_metric_of_labels_and_numbers_states_its_influence():
    of_vectors = [one for one in core_metrics().values() if one.derived_from in (Derivation.LABELS, Derivation.VALUES)]
    assert len(of_vectors) >= 8
    assert all(one.influence for one in of_vectors)
