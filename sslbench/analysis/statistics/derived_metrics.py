"""Compute every metric that follows from stored answers: for a run's record, and again when a submission is checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.metrics import confusion
from sslbench.api.metrics import Derivation
from sslbench.api.ranked_scores import RankedScores
from sslbench.catalog.metrics import MetricTable

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedMetrics:
    """Values by name, without metrics that are not defined for the answers; and a sentence per function that failed."""

    values: dict[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def derive_metrics(metrics: MetricTable, source: Derivation, *arguments: Any) -> DerivedMetrics:
    """Compute the metrics of one source; a function that raises fails alone, as it may be a plugin's."""
    values, problems = dict[str, float](), list[str]()
    for metric in metrics.derived(source):
        try:
            found = metric.implementation()(*arguments)
            value = math.nan if found is None else float(found)
        except Exception as error:
            text = " ".join(str(error).split()) or "no message"
            problems.append(f"metric {metric.name!r}: not computed: {type(error).__name__}: {text}")
            continue
        if math.isfinite(value):
            values[metric.name] = value
    return DerivedMetrics(values=values, problems=tuple(problems))


def class_metrics(
    labels: Codes, predicted: Codes, classes: int, metrics: MetricTable, ranked: RankedScores | None = None
) -> DerivedMetrics:
    """Compute the metrics of predicted class codes [n], and of the scores of classes where they are stored."""
    found = derive_metrics(metrics, Derivation.CONFUSION, confusion(labels, predicted, classes))
    if ranked is None:
        return found
    more = derive_metrics(metrics, Derivation.RANKED_SCORES, ranked)
    return DerivedMetrics(values=found.values | more.values, problems=found.problems + more.problems)


def cluster_metrics(labels: Codes, clusterings: Sequence[Codes], metrics: MetricTable) -> DerivedMetrics:
    """Compute the metrics of clusterings [n]; samples with a negative class code are left out."""
    known = labels >= 0
    return derive_metrics(metrics, Derivation.CLUSTERS, labels[known], [codes[known] for codes in clusterings])
