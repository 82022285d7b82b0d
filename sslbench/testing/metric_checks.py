"""Check the contract of metrics on random answers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from sslbench.api.errors import ImplementationError
from sslbench.api.metrics import Derivation, Metric
from sslbench.api.ranked_scores import rank_scores
from sslbench.testing.check import NotApplicable, Subject, check

CLASSES, SAMPLES, DRAWS = 4, 60, 5
TOLERANCE = 1e-9
COPIES, MAX_DERIVATIVE_ERROR = 100, 0.01
"""Copies of each sample, whose number stands for its weight, and the largest relative error of a derivative."""


def random_answers(source: Derivation, rng: np.random.Generator) -> tuple[Any, ...]:
    """Return random arguments of a function, one row per sample in every array."""
    labels = rng.integers(0, CLASSES, SAMPLES)
    answers: dict[Derivation, tuple[Any, ...]] = {
        Derivation.CONFUSION: (labels, rng.integers(0, CLASSES, SAMPLES)),
        Derivation.RANKED_SCORES: (labels, rng.dirichlet(np.ones(CLASSES), SAMPLES)),
        Derivation.LABELS: (rng.integers(0, 2, (SAMPLES, CLASSES)), rng.random((SAMPLES, CLASSES))),
        Derivation.VALUES: (rng.normal(size=(SAMPLES, 2)), rng.normal(size=(SAMPLES, 2))),
        Derivation.CLUSTERS: (labels, *(rng.integers(0, CLASSES, SAMPLES) for _ in range(2))),
    }
    if source not in answers:
        raise NotApplicable(f"is not computed from answers, but from {source.value}")
    return answers[source]


def incomplete_answers(source: Derivation) -> dict[str, tuple[Any, ...]]:
    """Return answers as real data has them: unknown labels, a class without samples, equal labels or predictions."""
    labels, *others = random_answers(source, np.random.default_rng(0))
    unknown = np.random.default_rng(1).random(labels.shape) < 0.1
    if source is Derivation.LABELS:
        return {
            "unknown labels": (np.where(unknown, -1, labels), *others),
            "a label without positives": (labels * [0, 1, 1, 1], *others),
        }
    if source is Derivation.VALUES:
        return {
            "unknown numbers": (np.where(unknown, np.nan, labels), *others),
            "equal numbers": (np.ones_like(labels), *others),
        }
    constant = [np.tile(one[:1], (SAMPLES, *(1,) * (one.ndim - 1))) for one in others]
    return {
        "a class without samples": (labels % (CLASSES - 1), *others),
        "equal predictions": (labels, *constant),
        "samples of one class": (np.zeros_like(labels), *others),
    }


def arguments_of(metric: Metric, answers: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments with which the metric of answers is computed; raises NotApplicable for a reported one."""
    if not metric.is_derived:
        raise NotApplicable("is reported by a protocol")
    if metric.derived_from is Derivation.CONFUSION:
        matrix = np.zeros((CLASSES, CLASSES), np.int64)
        np.add.at(matrix, (answers[0], answers[1]), 1)
        return (matrix,)
    if metric.derived_from is Derivation.RANKED_SCORES:
        return (rank_scores(*answers),)
    return (answers[0], list(answers[1:])) if metric.derived_from is Derivation.CLUSTERS else answers


def measure(metric: Metric, answers: tuple[Any, ...]) -> float | None:
    """Return the metric of answers; None where it is not defined."""
    found = metric.implementation()(*arguments_of(metric, answers))
    return None if found is None else float(found)


@check("metric", change="name an importable function: compute='package.module:function'")
def function_exists(subject: Subject) -> Iterator[str]:
    """The function is imported when a record is written; a wrong name would leave the metric out of every record."""
    if subject.spec.compute is None:
        raise NotApplicable("is reported by a protocol")
    try:
        subject.spec.implementation()
    except ImplementationError as error:
        yield str(error)


@check(
    "metric",
    change="state the true range in low and high, and return None where the number is not defined",
    needs=("function_exists",),
)
def lies_in_its_range(subject: Subject) -> Iterator[str]:
    """A submission with a value outside the range is refused."""
    metric = subject.spec
    source = metric.derived_from
    cases = [("random answers", random_answers(source, np.random.default_rng(seed))) for seed in range(DRAWS)]
    for what, answers in [*cases, *incomplete_answers(source).items()]:
        value = measure(metric, answers)
        if value is not None and not metric.low - TOLERANCE <= value <= metric.high + TOLERANCE:
            yield f"is {value:.4g} on {what}, outside [{metric.low}, {metric.high}]"
            return


@check("metric", change="copy arrays before you change them", needs=("lies_in_its_range",))
def does_not_modify_answers(subject: Subject) -> Iterator[str]:
    """The next metric is computed from the same arrays."""
    metric = subject.spec
    arguments = arguments_of(metric, random_answers(metric.derived_from, np.random.default_rng(0)))
    before = copy.deepcopy(arguments)
    metric.implementation()(*arguments)
    if not all(map(np.array_equal, _arrays_in(before), _arrays_in(arguments))):
        yield "changes the arrays that it receives"


def _arrays_in(value: Any) -> list[Any]:
    """Return the arrays in tuples, lists and dataclasses."""
    if isinstance(value, np.ndarray):
        return [value]
    if dataclasses.is_dataclass(value):
        value = [getattr(value, one.name) for one in dataclasses.fields(value)]
    return [array for one in value for array in _arrays_in(one)] if isinstance(value, (tuple, list)) else []


@check(
    "metric", change="use no random numbers, and do not depend on the order of samples", needs=("lies_in_its_range",)
)
def ignores_sample_order(subject: Subject) -> Iterator[str]:
    """The number is computed again when a submission is checked, from samples sorted by their ids."""
    metric, rng = subject.spec, np.random.default_rng(0)
    answers = random_answers(metric.derived_from, rng)
    order = rng.permutation(SAMPLES)
    first, second = measure(metric, answers), measure(metric, tuple(one[order] for one in answers))
    if (first is None) != (second is None) or (
        first is not None and second is not None and abs(first - second) > TOLERANCE
    ):
        yield f"is {first} and {second} on the same samples in another order"


@check("metric", change="set higher_is_better to the true direction", needs=("lies_in_its_range",))
def prefers_right_answers(subject: Subject) -> Iterator[str]:
    """Rows are ordered by the stated direction, and a wrong one puts the worst first."""
    metric = subject.spec
    answers = random_answers(metric.derived_from, np.random.default_rng(0))
    truth = np.eye(CLASSES)[answers[0]] if metric.derived_from is Derivation.RANKED_SCORES else answers[0]
    right, value = measure(metric, (answers[0], *(truth for _ in answers[1:]))), measure(metric, answers)
    if right is not None and value is not None and metric.derived_from is not Derivation.CLUSTERS:
        better = right >= value if metric.higher_is_better else right <= value
        if not better:
            direction = "higher" if metric.higher_is_better else "lower"
            yield f"is {right:.4g} for right answers and {value:.4g} for random ones, but {direction} is stated as better"


@check(
    "metric",
    change="return n times the derivative of the metric by the weight of each sample, or remove influence",
    needs=("lies_in_its_range",),
)
def has_the_influence_of_samples(subject: Subject) -> Iterator[str]:
    """Intervals and paired differences over test samples follow from it, and a wrong one makes them too narrow or wide."""
    metric = subject.spec
    if metric.influence is None:
        raise NotApplicable("states no influence; its intervals cover seeds, or right answers")
    answers = random_answers(metric.derived_from, np.random.default_rng(0))
    try:
        found = metric.influence_function()(*answers)
    except ImplementationError as error:
        yield str(error)
        return
    if np.shape(found) != (SAMPLES,):
        yield f"influence returns shape {list(np.shape(found))} for {SAMPLES} samples"
        return
    for row in range(0, SAMPLES, SAMPLES // DRAWS):
        expected = differentiate(metric, answers, row)
        if expected is not None and abs(found[row] - expected) > MAX_DERIVATIVE_ERROR * (1 + abs(expected)):
            yield f"the influence of a sample is {found[row]:.4g}, but the metric changes by {expected:.4g} with its weight"
            return


def differentiate(metric: Metric, answers: tuple[Any, ...], row: int) -> float | None:
    """Return n times the derivative of a metric by the weight of a sample, from copies; None where it is not defined."""
    values = []
    for change in (1, -1):
        weights = np.full(SAMPLES, COPIES)
        weights[row] += change
        values.append(measure(metric, tuple(one.repeat(weights, 0) for one in answers)))
    more, less = values
    return None if more is None or less is None else (more - less) / 2 * COPIES * SAMPLES


@check("metric", change="fill summary with one line on the meaning of the number", tier="advised")
def has_a_summary(subject: Subject) -> Iterator[str]:
    """Readers of a table need to know what a column means."""
    if not subject.spec.summary.strip():
        yield "summary is empty"
