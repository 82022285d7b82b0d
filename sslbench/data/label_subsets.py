"""Draw the tasks of a division: subsets of its training labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sslbench.api.targets import Labels, kind_of_labels
from sslbench.api.values import Task
from sslbench.data.groups import Rows
from sslbench.data.splits import VERSION, Division


def subset_size(available: float, fraction: float) -> int:
    """Return the number of a class's training images that a fraction keeps: max(1, floor(p * n)) (paper A, Table 4)."""
    return max(1, math.floor(fraction * available + 1e-9))


def label_subset(labels: Labels, rows: Rows, fraction: float, rng: np.random.Generator) -> Rows:
    """Keep a fraction of every stratum, at least one row; for equal generators, larger fractions contain smaller ones."""
    kept, strata = [], kind_of_labels(labels).make_strata(labels[rows])
    for code in np.unique(strata):
        shuffled = rng.permutation(rows[strata == code])
        kept.append(shuffled[: subset_size(len(shuffled), fraction)])
    return np.sort(np.concatenate(kept)) if kept else rows[:0]


def tasks_of(division: Division, labels: Labels, fractions: Sequence[float], fold: int) -> tuple[Task, ...]:
    """Return one task per label fraction; the draw of a subset depends on the fold only."""
    tasks = []
    for fraction in fractions:
        bank = division.bank
        if fraction < 1.0:
            bank = label_subset(labels, bank, fraction, np.random.default_rng([VERSION, fold]))
        setting = {"fold": fold, "fraction": fraction}
        tasks.append(Task(setting=setting, bank=bank, validation=division.validation, query=division.query))
    return tuple(tasks)
