"""Compute metrics from predictions: micro and macro scores, scores per class, confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """Scores per class [C]: recall (also called class accuracy), precision, F1 (0 if undefined) and support."""

    recall: Values
    precision: Values
    f1: Values
    support: Counts


def confusion(labels: Counts, predicted: Counts, classes: int) -> Counts:
    """Return the confusion matrix [C, C]: rows are true classes, columns predicted ones."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def class_scores(matrix: Counts) -> ClassScores:
    """Return recall, precision, F1 and support from a confusion matrix; recall of an absent class is nan."""
    hits = np.diag(matrix).astype(np.float64)
    support, predicted = matrix.sum(1), matrix.sum(0)
    recall = np.divide(hits, support, out=np.full(len(hits), np.nan), where=support > 0)
    precision = np.divide(hits, predicted, out=np.zeros(len(hits)), where=predicted > 0)
    total = support + predicted
    f1 = np.divide(2 * hits, total, out=np.zeros(len(hits)), where=total > 0)
    return ClassScores(recall=recall, precision=precision, f1=f1, support=support)


def micro_accuracy(matrix: Counts) -> float:
    """Return the share of samples on the diagonal of a confusion matrix [C, C]; 0 without samples."""
    return float(np.trace(matrix) / max(matrix.sum(), 1))


def macro_accuracy(matrix: Counts) -> float:
    """Return the mean recall of the classes that are present."""
    scores = class_scores(matrix)
    return float(scores.recall[scores.support > 0].mean())


def macro_precision(matrix: Counts) -> float:
    """Return the mean precision of the classes that are present."""
    scores = class_scores(matrix)
    return float(scores.precision[scores.support > 0].mean())


def macro_f1(matrix: Counts) -> float:
    """Return the mean F1 of the classes that are present."""
    scores = class_scores(matrix)
    return float(scores.f1[scores.support > 0].mean())


def exact_match(truth: Counts, scores: Values) -> float:
    """Return the share of rows of labels [n, C] that equal the scores above 0.5."""
    return float(((scores > 0.5) == (truth > 0)).all(1).mean())


def label_micro_f1(truth: Counts, scores: Values) -> float:
    """Return F1 over all labels [n, C], of scores above 0.5."""
    hits, total = _count_labels(truth, scores)
    return float(2 * hits.sum() / max(total.sum(), 1))


def label_macro_f1(truth: Counts, scores: Values) -> float:
    """Return the mean F1 of the labels that occur in [n, C], of scores above 0.5; 0 if none occurs."""
    hits, total = _count_labels(truth, scores)
    occurs = (truth > 0).any(0)
    return float((2 * hits / np.maximum(total, 1))[occurs].mean()) if occurs.any() else 0.0


def _count_labels(truth: Counts, scores: Values) -> tuple[Counts, Counts]:
    """Return by label [C] the right positives, and the sum of positives in both arrays."""
    positive, true = scores > 0.5, truth > 0
    return (positive & true).sum(0), positive.sum(0) + true.sum(0)
