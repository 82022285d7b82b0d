"""Make the tasks of a division: subsets of its training labels, as fractions or as lists of ids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.protocols import ProtocolSpec
from sslbench.api.targets import Labels, kind_of_labels
from sslbench.api.values import Scalar, Task
from sslbench.api.varied import Varied
from sslbench.data.groups import Rows
from sslbench.data.label_lists import LabelList, divide_by_list
from sslbench.data.splits import VERSION, Division

FRACTION = Varied(
    name="fraction", label="label list", unset="all labels", default="unset", number=1.0,
    format="{percent} % of the training labels",
)  # fmt: skip
"""The share of the training labels of a task, or the name of its list of ids."""
TASK_SETTINGS = (FRACTION,)
"""Settings of tasks, which every protocol may report; a fold is a column of its own."""


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


def tasks_of(
    division: Division,
    labels: Labels,
    subsets: Sequence[float | LabelList],
    fold: int,
    ids: NDArray[np.str_],
    key: NDArray[np.str_] | None = None,
) -> tuple[Task, ...]:
    """Return one task per subset of the labels; the draw of a fraction depends on the fold only.

    ids, key: id and group [n] of each sample, by which lists are found.
    """
    tasks = []
    for subset in subsets:
        bank, validation = division.bank, division.validation
        name: Scalar = subset.name if isinstance(subset, LabelList) else subset
        if isinstance(subset, LabelList):
            bank, validation = divide_by_list(subset, ids, division, key)
        elif subset < 1.0:
            bank = label_subset(labels, bank, subset, np.random.default_rng([VERSION, fold]))
        setting = {"fold": fold, FRACTION.name: name}
        tasks.append(Task(setting=setting, bank=bank, validation=validation, query=division.query))
    return tuple(tasks)


def reported_setting(task: Task) -> dict[str, Scalar]:
    """Return the setting of a task as scores report it: without a value that means the same as none."""
    unset = {one.name: one.number for one in TASK_SETTINGS}
    return {name: value for name, value in task.setting.items() if name not in unset or value != unset[name]}


def declared_settings(protocols: Iterable[ProtocolSpec[Any]]) -> tuple[Varied, ...]:
    """Return the settings that tasks and protocols vary, each name once."""
    varied = (*TASK_SETTINGS, *(one for spec in protocols for one in spec.varies))
    return tuple({one.name: one for one in reversed(varied)}.values())[::-1]
