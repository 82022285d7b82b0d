"""Compare two runs on the same test samples: differences overall, by class, label or number, and by sample. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.accuracy import compared_scores
from sslbench.analysis.statistics.class_differences import class_gaps, recall_statistics
from sslbench.analysis.statistics.class_trends import correct_p
from sslbench.analysis.statistics.label_differences import label_gaps, label_means, label_values
from sslbench.analysis.statistics.shared_ranks import Verdict, difference, verdict
from sslbench.api.metrics import Metric
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Answers, TestAnswers, VectorAnswers

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
CORRECT_SHARE = 0.5
"""A run classifies a sample correctly if more than this share of its predictions, over seeds, is right."""
SIGNIFICANCE = 0.05
"""A class differs if its p, corrected for the number of classes, is below this; so does a label or number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of two runs, the first less the second, and the half-width of its 95 % interval (None if
    unknown).
    """

    metric: str
    first: float
    second: float
    difference: float
    half_width: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A difference with its p, corrected by Holm for the number of classes, labels or numbers; None if it is unknown."""

    p: float | None

    @property
    def differs(self) -> bool:
        """Return whether the difference is significant."""
        return self.p is not None and self.p < SIGNIFICANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDifference(Tested):
    """One class: recalls (0 to 1) of two runs, their difference, and p by Holm (None if a run has one seed).

    `only_first` and `only_second` count test samples that only one run classifies correctly (see CORRECT_SHARE).
    """

    name: str
    first: float
    second: float
    difference: float
    test_samples: int
    only_first: int
    only_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDifference(Tested):
    """One metric of a label or number: values of two runs, their difference, half of its 95 % interval, and p by Holm.

    A value is None where it is not known: with one seed, or fewer than two test samples. `only_first` and `only_second`
    count the test samples for which one run is right about a label and the other wrong, or is nearer to a number.
    """

    name: str
    metric: str
    higher_is_better: bool
    first: float
    second: float
    difference: float
    half_width: float | None
    test_samples: int
    only_first: int
    only_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs under one protocol on one dataset; ids of samples that only one of them predicts correctly.

    Of numbers, none is predicted correctly, and the ids are empty.
    """

    overall: Sequence[Difference]
    classes: Sequence[ClassDifference] = ()
    labels: Sequence[LabelDifference] = ()
    only_first: Sequence[str]
    only_second: Sequence[str]
    test_samples: int


def compare_answers(first: Answers, second: Answers, names: Sequence[str], metrics: MetricTable) -> Comparison:
    """Compare two runs on the same test samples; `names` are the classes that labels index.

    Classes are sorted by their difference, those that the first run classifies worse at the beginning; labels and numbers
    are in the order of the target. Raises ValueError if the test samples or the kinds of target differ.
    """
    if not first.same_samples(second):
        raise ValueError(
            "the two runs have different test samples: compare runs with the same dataset, splits and protocol"
        )
    overall = [
        difference
        for metric in metrics.values()
        if metric.covers_samples
        and (difference := _compare_metric({"first": first, "second": second}, metric)) is not None
    ]
    if isinstance(first, TestAnswers) and isinstance(second, TestAnswers):
        only_first, only_second = _right_in_one(first.right, second.right)
        classes, labels = compare_classes(first, second, names), list[LabelDifference]()
    elif isinstance(first, VectorAnswers) and isinstance(second, VectorAnswers):
        only_first, only_second = _right_in_one(_all_right(first), _all_right(second))
        classes, labels = [], _compare_labels(first, second, metrics)
    else:
        raise ValueError("the two runs have different kinds of targets: compare runs on the same dataset")
    return Comparison(
        overall=overall, classes=classes, labels=labels, only_first=sorted(set(first.ids[only_first].tolist())),
        only_second=sorted(set(first.ids[only_second].tolist())), test_samples=len(first.ids),
    )  # fmt: skip


def _compare_metric(rows: Mapping[str, Answers], metric: Metric) -> Difference | None:
    field = compared_scores(rows, metric)
    if field is None or len(field.names) < 2:
        return None
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


def _right_in_one(first: Values, second: Values) -> tuple[Mask, Mask]:
    """Return masks of what only one run predicts correctly in most seeds, from shares [S, ...] of right predictions."""
    own, other = first.mean(0), second.mean(0)
    return (own > CORRECT_SHARE) & (other < CORRECT_SHARE), (own < CORRECT_SHARE) & (other > CORRECT_SHARE)


def _all_right(answers: VectorAnswers) -> Values:
    """Return shares [S, n] of predictions that are right about all known labels of a sample; 0 for numbers."""
    right = answers.kind.find_right(answers.truth, answers.predicted)
    unknown = np.isnan(answers.kind.encode_known(answers.truth))
    shares: Values = (right | (unknown & answers.kind.has_decisions)).all(-1).mean(1, dtype=np.float64)
    return shares


def _compare_labels(first: VectorAnswers, second: VectorAnswers, metrics: MetricTable) -> list[LabelDifference]:
    """Compare labels or numbers, metric by metric; p is corrected over the labels of one metric."""
    gaps, values = label_gaps(first, second), (label_values(first), label_values(second))
    counts = _count_nearer(first, second)
    supports = first.kind.count(first.truth, first.names)
    found = []
    for metric in first.kind.each:
        means = [label_means(one[metric], first.folds) for one in values]
        ps = np.array([gaps[name, metric].p for name in first.names], np.float64)
        corrected = correct_p(np.where(np.isnan(ps), 1.0, ps), "holm")
        for place, name in enumerate(first.names):
            gap = gaps[name, metric]
            if np.isfinite(gap.difference):
                found.append(LabelDifference(
                    name=name, metric=metric, higher_is_better=metrics.find(metric).higher_is_better,
                    first=float(means[0][place]), second=float(means[1][place]),
                    difference=gap.difference, half_width=gap.half_width,
                    p=None if gap.p is None else float(corrected[place]), test_samples=int(supports[place]),
                    only_first=int(counts[0][place]), only_second=int(counts[1][place]),
                ))  # fmt: skip
    return found


def _count_nearer(first: VectorAnswers, second: VectorAnswers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count by label [C] the samples that only one run decides correctly, or by number those to which it is nearer."""
    kind = first.kind
    if kind.has_decisions:
        right = (kind.find_right(one.truth, one.predicted).mean(1, dtype=np.float64) for one in (first, second))
        in_first, in_second = _right_in_one(*right)
    else:
        own, other = (kind.measure_errors(one.truth, one.predicted).mean((0, 1)) for one in (first, second))
        in_first, in_second = own < other, own > other
    return in_first.sum(0), in_second.sum(0)


def compare_classes(first: TestAnswers, second: TestAnswers, names: Sequence[str]) -> list[ClassDifference]:
    """Compare the shares of right predictions of each class; `names` are those that labels index."""
    only_first, only_second = _right_in_one(first.right, second.right)
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
