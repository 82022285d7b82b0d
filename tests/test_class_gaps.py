"""Which classes one row answers worse than another: at the nominal rate where there is none, found where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from sslbench.analysis.class_gaps import Answered, class_gaps

CLASSES, SEEDS = 10, 5


def answered(right: np.ndarray, labels: np.ndarray, classes: int = CLASSES) -> Answered:
    recalls = np.stack([right[:, labels == c].mean(1) for c in range(classes)], 1)
    return Answered(recalls=recalls, right=right.mean(0))


def drawn(rng: np.random.Generator, ease: np.ndarray, labels: np.ndarray, lost: float) -> Answered:
    """A row whose seeds differ, whose samples are as hard as everybody's and a little its own, and which loses class 3."""
    own = ease + rng.normal(0, 0.1, len(ease)) + rng.normal(0, 0.03, (SEEDS, CLASSES))[:, labels] - lost * (labels == 3)
    return answered((rng.random(own.shape) < np.clip(own, 0, 1)).astype(float), labels)


@pytest.mark.parametrize(("samples", "lost", "power"), [(36, 0.25, 0.7), (200, 0.15, 0.8)])
def test_classes_are_lost_at_the_nominal_rate_and_found_where_planted(samples, lost, power):
    rng, wrong, found, count = np.random.default_rng(0), 0, 0, 400
    labels = np.repeat(np.arange(CLASSES), samples)
    for _ in range(count):
        ease = rng.beta(8, 1.5, len(labels))
        gap, p = class_gaps(drawn(rng, ease, labels, lost), drawn(rng, ease, labels, 0.0), labels)
        found += bool(p[3] < 0.05 and gap[3] < 0)
        wrong += bool((np.delete(p, 3) < 0.05).any())
    assert wrong / count <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / count)
    assert found / count >= power


def test_classes_that_say_nothing_have_no_p():
    labels = np.array([0] * 20 + [1] * 20 + [2])
    right = np.ones((2, 41))
    worse = right.copy()
    worse[:, :15] = 0
    gap, p = class_gaps(answered(worse, labels, 3), answered(right, labels, 3), labels)
    assert gap.tolist() == [-0.75, 0, 0]
    assert p[0] < 0.001
    assert p[1:].tolist() == [1, 1]
    one = class_gaps(answered(worse[:1], labels, 3), answered(right[:1], labels, 3), labels)
    assert one[1][0] < 0.001
