"""Compare two runs in groups of their test samples, such as those of one plate or instrument. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.accuracy import vector_values
from sslbench.analysis.statistics.class_trends import correct_p
from sslbench.analysis.statistics.label_differences import label_means, score_gap
from sslbench.analysis.statistics.run_comparison import ClassDifference, LabelDifference, compare_classes
from sslbench.api.metrics import Metric
from sslbench.results.answers import Answers, TestAnswers, VectorAnswers

A = TypeVar("A", bound=Answers)
Groups: TypeAlias = NDArray[np.str_]
"""Group [n] of each test sample, '' where unknown."""
UnitDifference: TypeAlias = ClassDifference | LabelDifference
SAMPLE_AXES = {"ids": 0, "folds": 0, "labels": 0, "right": 1, "truth": 0, "predicted": 2}
"""Axis of the test samples in each array of answers."""


def select_samples(answers: A, chosen: NDArray[np.bool_]) -> A:
    """Return the answers to some of the test samples, by a mask [n]; they count as independent."""
    arrays = {name: (getattr(answers, name), axis) for name, axis in SAMPLE_AXES.items() if hasattr(answers, name)}
    taken: dict[str, Any] = {name: np.compress(chosen, values, axis) for name, (values, axis) in arrays.items()}
    return replace(answers, **taken, groups=None)


def encode_groups(answers: TestAnswers, groups: Groups) -> tuple[TestAnswers, list[str]]:
    """Return the answers of samples with a known group, labeled with codes of these groups, and the groups' names."""
    known = groups != ""
    names, codes = np.unique(groups[known], return_inverse=True)
    return replace(select_samples(answers, known), labels=codes.reshape(-1).astype(np.int64)), names.tolist()


def compare_groups(first: Answers, second: Answers, groups: Groups, metric: Metric) -> list[UnitDifference]:
    """Compare two runs in each group of their shared test samples; p is corrected by Holm over the groups.

    The score of a group is the share of right predictions, or `metric` of several labels or numbers. Samples of unknown
    group are left out, and so are groups in which the metric is not defined.
    """
    if isinstance(first, TestAnswers) and isinstance(second, TestAnswers):
        (own, names), (other, _) = encode_groups(first, groups), encode_groups(second, groups)
        return [*compare_classes(own, other, names)]
    if isinstance(first, VectorAnswers) and isinstance(second, VectorAnswers):
        found = list(_compare_vectors(first, second, groups, metric))
        ps = np.array([one.p for one in found], np.float64)
        corrected = correct_p(np.where(np.isnan(ps), 1.0, ps), "holm")
        return [one if one.p is None else replace(one, p=float(p)) for one, p in zip(found, corrected, strict=True)]
    raise ValueError("the two runs have different kinds of targets: compare runs on the same dataset")


def _compare_vectors(
    first: VectorAnswers, second: VectorAnswers, groups: Groups, metric: Metric
) -> Iterator[LabelDifference]:
    """Yield the difference in each group, with p that is not corrected."""
    for name in np.unique(groups[groups != ""]).tolist():
        own, other = (select_samples(one, groups == name) for one in (first, second))
        values, others = vector_values(own, metric), vector_values(other, metric)
        if values is None or others is None:
            continue
        scores = [float(label_means(one[:, :, None], own.folds)[0]) for one in (values, others)]
        gap = score_gap(scores[0] - scores[1], values, others, own, other, len(own.ids))
        errors = [np.nanmean(one.kind.measure_errors(one.truth, one.predicted), axis=(0, 1, 3)) for one in (own, other)]
        yield LabelDifference(
            name=name, metric=metric.name, higher_is_better=metric.higher_is_better, first=scores[0], second=scores[1],
            difference=gap.difference, half_width=gap.half_width, p=gap.p, test_samples=len(own.ids),
            only_first=int((errors[0] < errors[1]).sum()), only_second=int((errors[0] > errors[1]).sum()),
        )  # fmt: skip
