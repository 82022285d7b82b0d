"""Trials made by hand: features, labels and a split, as the harness passes them to an evaluator."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from sslbench.api.targets import kind_of_labels
from sslbench.api.values import Target, Task
from sslbench.evaluation.bench import HarnessTrial
from sslbench.evaluation.features import DiskFeatureTable


@cache
def digit_pixels() -> tuple[np.ndarray, np.ndarray]:
    loaded = load_digits()
    return loaded.data.astype(np.float32), loaded.target.astype(np.int64)


def trial_of(
    features: np.ndarray, labels: np.ndarray, *, seed: int = 0, classes: int | None = None, **columns: np.ndarray
) -> HarnessTrial:
    """Return a trial of one split; the kind of target follows from the label array."""
    order = np.random.default_rng(0).permutation(len(labels))
    a, b = int(0.7 * len(order)), int(0.8 * len(order))
    task = Task(setting={"fold": 0}, bank=order[:a], validation=order[a:b], query=order[b:])
    table = DiskFeatureTable(features={"image": features}, target=labels, columns=columns)
    names = tuple(map(str, range(classes or (int(labels.max()) + 1 if labels.ndim == 1 else labels.shape[1]))))
    target = Target(kind=kind_of_labels(labels).name, names=names)
    return HarnessTrial(
        tasks=[task], target=target, bench=None, rng_key=(seed, "p", "d"), open_table=lambda space: table
    )  # type: ignore[arg-type]  # fmt: skip


def accuracy(outcomes, labels: np.ndarray, *, on: str = "validation") -> float:
    chosen = next(o for o in outcomes if o.chosen_on == on)
    return float((labels[chosen.rows] == codes_of(chosen)).mean())


def codes_of(outcome) -> np.ndarray:
    """Return the predicted classes [n] of codes [n] or scores [n, C]."""
    return outcome.predicted.argmax(1) if outcome.predicted.ndim == 2 else outcome.predicted
