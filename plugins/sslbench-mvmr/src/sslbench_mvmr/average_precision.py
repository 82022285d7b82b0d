"""Compute average precision as the PASCAL VOC challenges do: precision is interpolated, so that it never rises with recall.

scikit-learn's average precision, which the harness reports as mAP, is not interpolated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Values = NDArray[np.float64]


def interpolated_precision(truth: Labels, scores: Values) -> tuple[Values, Values]:
    """Return recall and interpolated precision [k] at each different score of one label, from low recall to high.

    truth: zeros and ones [n], with at least one 1; scores: [n].
    """
    from sklearn.metrics import precision_recall_curve  # imported here because it is slow

    precision, recall, _ = precision_recall_curve(truth, scores)
    # the last point, precision 1 at recall 0, is a convention of scikit-learn and not a measured one
    precision, recall = precision[:-1][::-1], recall[:-1][::-1]
    return recall, np.maximum.accumulate(precision[::-1])[::-1]


def eleven_points(truth: Labels, scores: Values) -> float:
    """Return the mean interpolated precision of one label at the recalls 0, 0.1, ..., 1; 0 beyond the largest recall."""
    recall, precision = interpolated_precision(truth, scores)
    places = [np.searchsorted(recall, step / 10 - 1e-12) for step in range(11)]
    return float(np.mean([precision[place] if place < len(precision) else 0.0 for place in places]))


def all_points(truth: Labels, scores: Values) -> float:
    """Return the area under the interpolated precision of one label."""
    recall, precision = interpolated_precision(truth, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def mean_eleven_points(truth: Labels, scores: Values) -> float | None:
    """Return the mean of `eleven_points` over labels with a known positive; None without one."""
    return _mean_over_labels(truth, scores, eleven_points)


def mean_all_points(truth: Labels, scores: Values) -> float | None:
    """Return the mean of `all_points` over labels with a known positive; None without one."""
    return _mean_over_labels(truth, scores, all_points)


def _mean_over_labels(truth: Labels, scores: Values, function: Callable[[Labels, Values], float]) -> float | None:
    """Average a function of each label's known entries: labels [n, C] are 1, 0 or -1 (unknown)."""
    found = [
        function(own[own >= 0], score[own >= 0])
        for own, score in zip(truth.T, scores.T, strict=True)
        if (own > 0).any()
    ]
    return float(np.mean(found)) if found else None
