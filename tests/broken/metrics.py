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


def spoils(matrix):
    found = accuracy(matrix)
    matrix[:] = 0
    return found


BROKEN = {
    "function_exists": of(Derivation.CONFUSION, "tests.broken.metrics:absent"),
    "lies_in_its_range": of(Derivation.CONFUSION, lambda matrix: 100 * accuracy(matrix)),
    "ignores_sample_order": of(Derivation.LABELS, lambda truth, scores: 1 - abs(truth[0, 0] - scores[0, 0]), low=-1),
    "prefers_right_answers": of(Derivation.CONFUSION, lambda matrix: 1 - accuracy(matrix)),
    "has_the_influence_of_samples": of(
        Derivation.VALUES,
        lambda truth, predicted: np.nanmean(abs(truth - predicted)),
        high=100,
        higher_is_better=False,
        influence=lambda truth, predicted: abs(truth - predicted).mean(1),  # not centered
    ),
    "has_a_summary": of(Derivation.CONFUSION, accuracy, summary=""),
    "does_not_modify_answers": of(Derivation.CONFUSION, spoils),
}
FAULTS = [
    (
        "lies_in_its_range",
        "is nan on a class without samples",
        of(Derivation.CONFUSION, lambda matrix: np.nan if 0 in matrix.sum(1) else accuracy(matrix)),
    ),
    (
        "lies_in_its_range",
        "is nan on unknown numbers",
        of(Derivation.VALUES, lambda truth, predicted: abs(truth - predicted).mean(), high=100, higher_is_better=False),
    ),
]
"""Checks and what they find in metrics with another defect than those of `BROKEN`."""
SOUND = of(Derivation.CONFUSION, accuracy)
