"""Compute metrics from predictions: micro and macro scores, scores per class, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
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


def summary(matrix: Counts) -> Mapping[str, float]:
    """Return micro accuracy over samples, and macro accuracy, precision and F1 over the classes that are present."""
    scores = class_scores(matrix)
    present = scores.support > 0
    return {
        "micro_accuracy": float(np.trace(matrix) / max(matrix.sum(), 1)),
        "macro_accuracy": float(scores.recall[present].mean()),
        "macro_precision": float(scores.precision[present].mean()),
        "macro_f1": float(scores.f1[present].mean()),
    }


def label_summary(labels: Counts, predicted: Values) -> Mapping[str, float]:
    """Return exact match, micro F1 and macro F1 of multi-label scores [n, C], thresholded at 0.5."""
    positive = predicted > 0.5
    truth = labels > 0
    hits, counts, support = (positive & truth).sum(0), positive.sum(0), truth.sum(0)
    f1 = 2 * hits / np.maximum(counts + support, 1)
    return {
        "exact_match": float((positive == truth).all(1).mean()),
        "micro_f1": float(2 * hits.sum() / max(counts.sum() + support.sum(), 1)),
        "macro_f1": float(f1[support > 0].mean()) if (support > 0).any() else 0.0,
    }
