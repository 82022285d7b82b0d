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
