"""Define everything that is specific to one kind of target. Imports no torch at import time.

Shapes of label arrays: class [n] int, labels [n, C] int, value [n, D] float; none [n] int, all -1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.api.label_arrays import describe_array, find_bins, find_moments, place_columns
from sslbench.api.metrics import Derivation
from sslbench.api.renamed import missing_name
from sslbench.api.target_influences import (
    influence_on_average_precisions,
    influence_on_errors_by_value,
    influence_on_r2_by_value,
)
from sslbench.api.target_metrics import (
    THRESHOLD,
    average_precisions,
    errors_by_value,
    macro_average_precision,
    r2,
    r2_by_value,
)
from sslbench.api.values import TargetName as TargetName

if TYPE_CHECKING:
    from sslbench.api.values import Target

Codes: TypeAlias = NDArray[np.int64]
Labels: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]

UNKNOWN = -1
"""Class code, label and stratum of what is not known; an unknown value is NaN."""
NOT_FINITE = -1e9
"""Score of predictions that are not finite: below all others, and a number in JSON."""


class TargetKind(ABC):
    """One kind of target: the shape and meaning of its label array, and how samples are divided and counted by it.

    name: value of `Target.kind`.
    content: what a sample has, for messages.
    unit, units: one column or code of the label array, and several, for messages.
    has_labels: whether any sample can have a label.
    source: what the metrics of predictions are computed from.
    each: metrics of a single class, label or number; for classes they follow from the confusion matrix.
    stored_as: type of the predictions [n, C] that are stored, from which metrics are computed.
    has_decisions: whether a prediction is right or wrong.
    rule: versions, part of stage keys, of the rules that divide samples by these labels; () for those of `splits.VERSION`.
    """

    name: ClassVar[TargetName]
    content: ClassVar[str]
    unit: ClassVar[str]
    units: ClassVar[str]
    has_labels: ClassVar[bool] = True
    rule: ClassVar[tuple[int, ...]] = ()
    source: ClassVar[Derivation] = Derivation.NOTHING
    each: ClassVar[tuple[str, ...]] = ()
    stored_as: ClassVar[type[np.floating[Any]]] = np.float64
    has_decisions: ClassVar[bool] = True

    @abstractmethod
    def is_labeled(self, labels: Labels) -> Mask:
        """Return a mask [n] of the samples with at least one known label."""

    @abstractmethod
    def find_errors(self, labels: Labels, names: Sequence[str]) -> Iterator[str]:
        """Yield one sentence per rule of the label array that it breaks."""

    @abstractmethod
    def make_strata(self, labels: Labels) -> Codes:
        """Return the stratum [n] of each sample, which splits and label fractions keep balanced; -1 for unlabeled ones."""

    @abstractmethod
    def count(self, labels: Labels, names: Sequence[str]) -> Codes:
        """Count the samples of each class, the positives of each label, or the known entries of each value."""

    @abstractmethod
    def rename(self, labels: Labels, names: Sequence[str], new: Sequence[str]) -> Labels:
        """Return the label array with the columns or codes of `new`, which contains `names`."""

    @abstractmethod
    def generate(self, rows: int, names: Sequence[str]) -> Labels:
        """Return an arbitrary label array, for timing a few steps."""

    @abstractmethod
    def score(self, truth: Labels, predicted: Labels) -> float:
        """Return how well labeled samples are predicted; protocols choose their settings by it. Higher is better."""

    def score_each(self, truth: Labels, predicted: Labels) -> Mapping[str, Labels]:
        """Return the metrics `each` of every label or number [C], NaN where not defined."""
        return {}

    def influence_each(self, truth: Labels, predicted: Labels) -> Mapping[str, Labels]:
        """Return the influences [n, C] on the metrics `each`; see `sslbench.api.target_influences`."""
        return {}

    def find_right(self, truth: Labels, predicted: Labels) -> Mask:
        """Return a mask [..., n, C] of the known entries that are decided correctly; of numbers, none is."""
        return np.zeros(np.broadcast_shapes(truth.shape, predicted.shape), np.bool_)

    def measure_errors(self, truth: Labels, predicted: Labels) -> Labels:
        """Return the distances [..., n, C] of predictions from labels or numbers; NaN where unknown."""
        return np.asarray(np.abs(predicted - self.encode_known(truth)))

    def encode_known(self, labels: Labels) -> Labels:
        """Return labels [n, C] as numbers, NaN where unknown."""
        return labels

    def encode(self, labels: Labels, reference: Labels) -> Labels:
        """Return labels as losses take them: [n] codes, or [n, C] numbers, NaN where unknown.

        `reference` holds the labels of the samples that are learned from.
        """
        return labels

    def decode(self, answers: Labels, reference: Labels) -> Labels:
        """Return the predictions that answers on encoded labels mean."""
        return answers

    def lay_out(self, counts: Mapping[str, int], samples: int) -> Labels:
        """Return the label array of samples that are missing, by what their card states (0 samples: unknown)."""
        return self.generate(samples or max(counts.values()), tuple(counts))

    def is_covered(self, labels: Labels, bank: Labels) -> Mask:
        """Return a mask [n] of the samples whose label can be learned from a bank with the given labels."""
        return self.is_labeled(labels)


class ClassTarget(TargetKind):
    """One of C classes: codes [n], -1 unknown."""

    name: ClassVar[TargetName] = "class"
    content = "one class"
    source = Derivation.CONFUSION
    each: ClassVar[tuple[str, ...]] = ("recall", "precision", "f1")
    unit, units = "class", "classes"

    def is_labeled(self, labels: Labels) -> Mask:
        return labels >= 0

    def find_errors(self, labels: Labels, names: Sequence[str]) -> Iterator[str]:
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            yield f"labels are {describe_array(labels)}, but a target of one class needs whole numbers of shape [n]"
        elif len(labels) and not UNKNOWN <= labels.min() <= labels.max() < len(names):
            yield f"labels range from {labels.min()} to {labels.max()}, but there are {len(names)} class names"

    def make_strata(self, labels: Labels) -> Codes:
        return labels

    def count(self, labels: Labels, names: Sequence[str]) -> Codes:
        return np.bincount(labels[labels >= 0], minlength=len(names))

    def rename(self, labels: Labels, names: Sequence[str], new: Sequence[str]) -> Labels:
        code = {name: place for place, name in enumerate(new)}
        return np.array([*(code[name] for name in names), UNKNOWN], np.int64)[labels]

    def generate(self, rows: int, names: Sequence[str]) -> Labels:
        return np.arange(rows) % len(names)

    def score(self, truth: Labels, predicted: Labels) -> float:
        """Return the accuracy; `predicted` are codes [n] or scores [n, C]."""
        return float(((predicted.argmax(1) if predicted.ndim == 2 else predicted) == truth).mean())

    def lay_out(self, counts: Mapping[str, int], samples: int) -> Labels:
        return np.repeat(np.arange(len(counts)), list(counts.values()))

    def is_covered(self, labels: Labels, bank: Labels) -> Mask:
        return np.isin(labels, bank)


class NoTarget(ClassTarget):
    """No labels: codes [n], all -1."""

    name: ClassVar[TargetName] = "none"
    content = "no labels"
    source = Derivation.NOTHING
    each: ClassVar[tuple[str, ...]] = ()
    has_labels = False
    rule = (1,)

    def is_labeled(self, labels: Labels) -> Mask:
        return np.zeros(len(labels), np.bool_)

    def find_errors(self, labels: Labels, names: Sequence[str]) -> Iterator[str]:
        yield from ()

    def generate(self, rows: int, names: Sequence[str]) -> Labels:
        return np.full(rows, UNKNOWN)

    def lay_out(self, counts: Mapping[str, int], samples: int) -> Labels:
        return self.generate(samples or sum(counts.values()), ())


class LabelsTarget(TargetKind):
    """Any of C labels: 1 positive, 0 negative, -1 unknown, [n, C]."""

    name: ClassVar[TargetName] = "labels"
    content = "several labels"
    source = Derivation.LABELS
    each: ClassVar[tuple[str, ...]] = ("average_precision",)
    stored_as = np.float16
    unit, units = "label", "labels"
    rule = (1, 1)

    def is_labeled(self, labels: Labels) -> Mask:
        return np.asarray(np.any(labels >= 0, axis=1))

    def find_errors(self, labels: Labels, names: Sequence[str]) -> Iterator[str]:
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            yield f"labels are {describe_array(labels)}, but a target of several labels needs whole numbers of shape [n, C]"
            return
        if labels.shape[1] != len(names):
            yield f"labels have {labels.shape[1]} columns, but there are {len(names)} label names"
        if wrong := sorted(set(np.unique(labels).tolist()) - {UNKNOWN, 0, 1}):
            yield f"labels contain {wrong[0]}, but a label is 1 (positive), 0 (negative) or -1 (unknown)"

    def make_strata(self, labels: Labels) -> Codes:
        """Return each sample's rarest positive label; C for a sample without one.

        Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10) distributes the
        samples of the rarest label first. These strata do the same in one pass, and work with groups.
        """
        positive = labels > 0
        frequency = np.where(positive, positive.sum(0), len(labels) + 1)
        strata = np.where(positive.any(1), frequency.argmin(1), labels.shape[1])
        return np.where(self.is_labeled(labels), strata, UNKNOWN)

    def count(self, labels: Labels, names: Sequence[str]) -> Codes:
        found: Codes = (labels > 0).sum(0)
        return found

    def rename(self, labels: Labels, names: Sequence[str], new: Sequence[str]) -> Labels:
        return place_columns(labels, names, new, UNKNOWN)

    def generate(self, rows: int, names: Sequence[str]) -> Labels:
        return np.random.default_rng(0).integers(0, 2, (rows, len(names)))

    def score(self, truth: Labels, predicted: Labels) -> float:
        """Return the macro average of average precision; 0 if no label has a known positive."""
        return macro_average_precision(truth, predicted) or 0.0 if np.isfinite(predicted).all() else NOT_FINITE

    def score_each(self, truth: Labels, predicted: Labels) -> Mapping[str, Labels]:
        return {"average_precision": average_precisions(truth, predicted)}

    def influence_each(self, truth: Labels, predicted: Labels) -> Mapping[str, Labels]:
        return {"average_precision": influence_on_average_precisions(truth, predicted)}

    def find_right(self, truth: Labels, predicted: Labels) -> Mask:
        right: Mask = ((predicted > THRESHOLD) == (truth > 0)) & (truth >= 0)
        return right

    def encode_known(self, labels: Labels) -> Labels:
        return np.where(labels < 0, np.nan, labels).astype(np.float32)

    def encode(self, labels: Labels, reference: Labels) -> Labels:
        return self.encode_known(labels)


class ValueTarget(TargetKind):
    """One or more numbers: [n, D], NaN unknown."""

    name: ClassVar[TargetName] = "value"
    content = "a number"
    source = Derivation.VALUES
    each: ClassVar[tuple[str, ...]] = ("r2", "mean_absolute_error")
    unit, units = "number", "numbers"
    has_decisions: ClassVar[bool] = False
    rule = (1, 1)

    def is_labeled(self, labels: Labels) -> Mask:
        return np.asarray(np.any(~np.isnan(labels), axis=1))

    def find_errors(self, labels: Labels, names: Sequence[str]) -> Iterator[str]:
        if labels.ndim != 2 or labels.dtype.kind != "f":
            yield f"labels are {describe_array(labels)}, but a target of values needs floating-point numbers of shape [n, D]"
            return
        if labels.shape[1] != len(names):
            yield f"labels have {labels.shape[1]} columns, but there are {len(names)} value names"
        if np.isinf(labels).any():
            yield "labels contain infinity, but an unknown value is NaN"

    def make_strata(self, labels: Labels) -> Codes:
        """Return the quantile bin of each sample: ten bins of one value, 3 x 3 of two, 2 x 2 x 2 of the first three."""
        return np.where(self.is_labeled(labels), find_bins(labels), UNKNOWN)

    def count(self, labels: Labels, names: Sequence[str]) -> Codes:
        found: Codes = (~np.isnan(labels)).sum(0)
        return found

    def rename(self, labels: Labels, names: Sequence[str], new: Sequence[str]) -> Labels:
        return place_columns(labels, names, new, np.nan)

    def generate(self, rows: int, names: Sequence[str]) -> Labels:
        return np.random.default_rng(0).normal(size=(rows, len(names)))

    def score(self, truth: Labels, predicted: Labels) -> float:
        """Return R2, averaged over values; 0 if none has two different known entries."""
        return r2(truth, predicted) or 0.0 if np.isfinite(predicted).all() else NOT_FINITE

    def score_each(self, truth: Labels, predicted: Labels) -> Mapping[str, Labels]:
        return {"r2": r2_by_value(truth, predicted), "mean_absolute_error": errors_by_value(truth, predicted)}

    def influence_each(self, truth: Labels, predicted: Labels) -> Mapping[str, Labels]:
        return {
            "r2": influence_on_r2_by_value(truth, predicted),
            "mean_absolute_error": influence_on_errors_by_value(truth, predicted),
        }

    def encode(self, labels: Labels, reference: Labels) -> Labels:
        """Return values with the mean 0 and the standard deviation 1 of the reference."""
        mean, deviation = find_moments(reference)
        return ((labels - mean) / deviation).astype(np.float32)

    def decode(self, answers: Labels, reference: Labels) -> Labels:
        mean, deviation = find_moments(reference)
        return answers * deviation + mean


KINDS: Mapping[str, TargetKind] = {
    kind.name: kind for kind in (ClassTarget(), LabelsTarget(), ValueTarget(), NoTarget())
}


def kind_of(target: Target) -> TargetKind:
    """Return the kind of a target."""
    return KINDS[target.kind]


def kind_of_labels(labels: Labels) -> TargetKind:
    """Return the kind of a label array, by its shape and type; 'class' for one without any label."""
    if labels.ndim == 1:
        return KINDS["class"]
    return KINDS["value" if labels.dtype.kind == "f" else "labels"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
