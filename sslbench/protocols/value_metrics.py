"""Declare the metrics of samples with numbers; several numbers per sample have equal weight."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sslbench.api import Derivation, Metric, hookimpl

FUNCTIONS, INFLUENCES = "sslbench.api.target_metrics", "sslbench.api.target_influences:influence_on"
from_values = partial(Metric, derived_from=Derivation.VALUES, is_shown=True)


@hookimpl
def sslbench_metrics() -> Iterable[Metric]:
    yield from_values(
        name="r2", low=-1e12, high=1, label="R2", is_main=True,
        compute=f"{FUNCTIONS}:r2", influence=f"{INFLUENCES}_r2",
        summary="share of the variance of the test set that is explained; 0 for its mean, negative below that",
        source="scikit-learn: r2_score",
    )  # fmt: skip
    yield from_values(
        name="mean_absolute_error", low=0, high=1e300, higher_is_better=False,
        compute=f"{FUNCTIONS}:mean_absolute_error", influence=f"{INFLUENCES}_mean_absolute_error",
        summary="mean absolute difference of predicted and true numbers, in their unit",
        source="scikit-learn: mean_absolute_error",
    )  # fmt: skip
    yield from_values(
        name="spearman", low=-1, high=1, label="Spearman",
        compute=f"{FUNCTIONS}:spearman", influence=f"{INFLUENCES}_spearman",
        summary="rank correlation of predicted and true numbers",
        source="Spearman (1904): The Proof and Measurement of Association between Two Things",
    )  # fmt: skip
