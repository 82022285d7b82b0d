"""Declare the metrics of samples with several labels; those that need decisions threshold scores at 0.5."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sslbench.api import Derivation, Metric, hookimpl

FUNCTIONS, INFLUENCES = "sslbench.api.target_metrics", "sslbench.api.target_influences:influence_on"
SOURCE = "Zhang, Zhou (2014): A review on multi-label learning algorithms, section 2.2"
from_labels = partial(Metric, low=0, high=1, derived_from=Derivation.LABELS, source=SOURCE)


@hookimpl
def sslbench_metrics() -> Iterable[Metric]:
    yield from_labels(
        name="macro_average_precision", label="mAP", is_shown=True, is_main=True,
        compute=f"{FUNCTIONS}:macro_average_precision", influence=f"{INFLUENCES}_macro_average_precision",
        summary="mean over labels of the average precision of their scores",
    )  # fmt: skip
    yield from_labels(
        name="micro_average_precision", label="micro AP", is_shown=True,
        compute=f"{FUNCTIONS}:micro_average_precision", influence=f"{INFLUENCES}_micro_average_precision",
        summary="average precision over all pairs of sample and label",
    )  # fmt: skip
    yield from_labels(
        name="exact_match", label="exact match",
        compute=f"{FUNCTIONS}:exact_match", influence=f"{INFLUENCES}_exact_match",
        summary="share of samples whose labels are all right",
    )  # fmt: skip
    yield from_labels(
        name="label_micro_f1", label="label micro F1",
        compute=f"{FUNCTIONS}:micro_f1", influence=f"{INFLUENCES}_micro_f1",
        summary="F1 over all pairs of sample and label",
    )  # fmt: skip
    yield from_labels(
        name="label_macro_f1", label="label macro F1", is_shown=True,
        compute=f"{FUNCTIONS}:macro_f1", influence=f"{INFLUENCES}_macro_f1",
        summary="mean F1 of the labels that occur",
    )  # fmt: skip
