"""Declare the metrics that are computed from predicted classes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sslbench.api import Derivation, Metric, hookimpl

FUNCTIONS = "sslbench.analysis.statistics.metrics"
SOURCE = "Sokolova, Lapalme (2009): A systematic analysis of performance measures for classification tasks, Table 3"
from_matrix = partial(Metric, low=0, high=1, derived_from=Derivation.CONFUSION, source=SOURCE)


@hookimpl
def sslbench_metrics() -> Iterable[Metric]:
    yield from_matrix(
        name="micro_accuracy", label="micro", summary="share of samples that are classified correctly",
        compute=f"{FUNCTIONS}:micro_accuracy", is_shown=True, mean_over="samples",
    )  # fmt: skip
    yield from_matrix(
        name="macro_accuracy", label="macro", summary="mean recall of the classes with test samples",
        compute=f"{FUNCTIONS}:macro_accuracy", is_shown=True, is_main=True, mean_over="classes",
    )  # fmt: skip
    yield from_matrix(
        name="macro_precision", label="macro precision", compute=f"{FUNCTIONS}:macro_precision",
        summary="mean precision of the classes with test samples (0 where a class is never predicted)",
    )  # fmt: skip
    yield from_matrix(
        name="macro_f1", label="macro F1", compute=f"{FUNCTIONS}:macro_f1",
        summary="mean F1 of the classes with test samples",
    )  # fmt: skip
