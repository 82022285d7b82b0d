"""Compare two runs on the same test samples: differences overall, by class and by sample. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.accuracy import compared_scores
from sslbench.analysis.statistics.class_differences import class_gaps, recall_statistics
from sslbench.analysis.statistics.shared_ranks import Verdict, difference, verdict
from sslbench.api.metrics import Metric
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import TestAnswers

CORRECT_SHARE = 0.5
"""A run classifies a sample correctly if more than this share of its predictions, over seeds, is right."""
SIGNIFICANCE = 0.05
"""A class differs if its p, corrected for the number of classes, is below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One accuracy of two runs (0 to 1), the first less the second, and the half-width of its 95 % interval (None if
    unknown).
    """

    metric: str
    first: float
    second: float
    difference: float
    half_width: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDifference:
    """One class: recalls (0 to 1) of two runs, their difference, and p by Holm (None if a run has one seed).

    `only_first` and `only_second` count test samples that only one run classifies correctly (see CORRECT_SHARE).
    """

    name: str
    first: float
    second: float
    difference: float
    p: float | None
    test_samples: int
    only_first: int
    only_second: int

    @property
    def differs(self) -> bool:
        """Return whether the recalls differ significantly."""
        return self.p is not None and self.p < SIGNIFICANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs under one protocol on one dataset; ids of samples that only one of them classifies correctly."""

    overall: Sequence[Difference]
    classes: Sequence[ClassDifference]
    only_first: Sequence[str]
    only_second: Sequence[str]
    test_samples: int


def compare_answers(first: TestAnswers, second: TestAnswers, names: Sequence[str], metrics: MetricTable) -> Comparison:
    """Compare two runs on the same test samples; `names` are the classes that labels index.

    Classes are sorted by their difference, those that the first run classifies worse at the beginning. Raises
    ValueError if the test samples differ.
    """
    if not first.same_samples(second):
        raise ValueError(
            "the two runs have different test samples: compare runs with the same dataset, splits and protocol"
        )
    own, other = first.right.mean(0), second.right.mean(0)
    only_first, only_second = (
        (own > CORRECT_SHARE) & (other < CORRECT_SHARE),
        (own < CORRECT_SHARE) & (other > CORRECT_SHARE),
    )
    return Comparison(
        overall=[_compare_accuracy({"first": first, "second": second}, metric) for metric in metrics.accuracies],
        classes=_compare_classes(first, second, names, only_first, only_second),
        only_first=sorted(set(first.ids[only_first].tolist())),
        only_second=sorted(set(first.ids[only_second].tolist())),
        test_samples=len(first.ids),
    )


def _compare_accuracy(rows: Mapping[str, TestAnswers], metric: Metric) -> Difference:
    field = compared_scores(rows, metric)
    gap, half_width = difference(field, 0, 1)
    first, second = (float(score) for score in field.scores)
    return Difference(
        metric=metric.name,
        first=first,
        second=second,
        difference=gap,
        half_width=half_width,
        verdict=verdict(field, 0, 1),
    )


def _compare_classes(
    first: TestAnswers,
    second: TestAnswers,
    names: Sequence[str],
    only_first: NDArray[np.bool_],
    only_second: NDArray[np.bool_],
) -> list[ClassDifference]:
    own, other = (
        recall_statistics(one.right, one.labels, len(names), depends_on_seed=one.depends_on_seed)
        for one in (first, second)
    )
    gaps, ps = class_gaps(own, other, first.labels)
    recalls = own.recalls.mean(0), other.recalls.mean(0)
    counts, first_counts, second_counts = (
        np.bincount(first.labels[chosen], minlength=len(names)) for chosen in (slice(None), only_first, only_second)
    )
    found = [
        ClassDifference(
            name=name, first=float(recalls[0][code]), second=float(recalls[1][code]), difference=float(gaps[code]),
            p=None if np.isnan(ps[code]) else float(ps[code]), test_samples=int(counts[code]),
            only_first=int(first_counts[code]), only_second=int(second_counts[code]),
        )
        for code, name in enumerate(names)
        if counts[code]
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.difference, one.name))
