"""Define metrics, each with one defect. `BROKEN` maps a check to its metric."""

from __future__ import annotations

import numpy as np

from sslbench.api import Derivation, Metric


def of(derivation, function, **changes):
    return lambda folder: Metric(
        **{"name": "broken", "low": 0, "high": 1, "summary": "a toy", "derived_from": derivation, "compute": function}
        | changes
    )


def accuracy(matrix):
    return np.trace(matrix) / matrix.sum()


BROKEN = {
    "function_exists": of(Derivation.CONFUSION, "tests.broken.metrics:absent"),
    "lies_in_its_range": of(Derivation.CONFUSION, lambda matrix: 100 * accuracy(matrix)),
    "ignores_sample_order": of(Derivation.LABELS, lambda truth, scores: 1 - abs(truth[0, 0] - scores[0, 0]), low=-1),
    "prefers_right_answers": of(Derivation.CONFUSION, lambda matrix: 1 - accuracy(matrix)),
    "has_the_influence_of_samples": of(
        Derivation.VALUES,
        lambda truth, predicted: abs(truth - predicted).mean(),
        high=100,
        higher_is_better=False,
        influence=lambda truth, predicted: abs(truth - predicted).mean(1),  # not centered
    ),
    "has_a_summary": of(Derivation.CONFUSION, accuracy, summary=""),
}
