"""Classes on which one row is worse than another: errors at the nominal rate, and planted differences that are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sslbench.analysis.statistics.class_differences import class_gaps, recall_statistics

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """Samples a class, seeds, how far those differ, probes of each seed, and what class 3 loses with which power."""

    samples: int
    seeds: int
    spread: float
    probes: int
    lost: float
    power: float

    def row(self, rng: np.random.Generator, ease: np.ndarray, labels: np.ndarray, lost: float):
        """Samples have a common difficulty and a little of their own; probes of a seed share its deviation."""
        own = ease + rng.normal(0, 0.1, len(ease)) - lost * (labels == 3)
        own = own + rng.normal(0, self.spread, (self.seeds, CLASSES))[:, labels]
        right = rng.random((self.probes, *own.shape)) < np.clip(own, 0, 1)
        return recall_statistics(right.mean(0), labels, CLASSES)


@pytest.mark.parametrize(
    "case",
    [
        Case(36, 5, 0.03, 1, 0.25, 0.7), Case(200, 5, 0.03, 1, 0.15, 0.7), Case(200, 5, 0.05, 1, 0.3, 0.7),
        Case(100, 5, 0.03, 10, 0.2, 0.7), Case(100, 3, 0.05, 1, 0.5, 0.5), Case(100, 2, 0.03, 1, 0.6, 0.2),
    ],
)  # fmt: skip
def test_classes_are_lost_at_the_nominal_rate_and_found_where_planted(case):
    rng, wrong, found, count = np.random.default_rng(0), 0, 0, 400
    labels = np.repeat(np.arange(CLASSES), case.samples)
    for _ in range(count):
        ease = rng.beta(8, 1.5, len(labels))
        gap, p = class_gaps(case.row(rng, ease, labels, case.lost), case.row(rng, ease, labels, 0.0), labels)
        found += bool(p[3] < 0.05 and gap[3] < 0)
        wrong += bool((np.delete(p, 3) < 0.05).any())
    assert wrong / count <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / count)
    assert found / count >= case.power


def test_classes_without_information_have_no_p():
    labels = np.array([0] * 20 + [1] * 20 + [2])
    right = np.ones((2, 41))
    worse = right.copy()
    worse[:, :15] = 0
    gap, p = class_gaps(recall_statistics(worse, labels, 3), recall_statistics(right, labels, 3), labels)
    assert gap.tolist() == [-0.75, 0, 0]
    assert p[0] < 0.001
    assert p[1:].tolist() == [1, 1]
