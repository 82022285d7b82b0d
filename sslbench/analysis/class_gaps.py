"""Which classes one row answers worse, or better, than another: shared test samples, own seeds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sslbench.analysis.responses import corrected

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """A row's recalls by seed [S, C], and for each test sample [n] the share of seeds that answer it rightly."""

    recalls: Values
    right: Values

    def of_seeds(self, labels: NDArray[np.int64], counts: Values) -> Values:
        """Variance [C] of the mean recalls that comes from seeds alone, without what single answers of theirs add."""
        seeds = len(self.recalls)
        if seeds == 1:
            return np.zeros(len(counts))
        single = self.right * (1 - self.right) / (seeds - 1)
        noise: Values = np.bincount(labels, single, len(counts)) / counts**2
        own: Values = np.maximum(self.recalls.var(0, ddof=1) / seeds - noise, 0.0)
        return own


def class_gaps(own: Answered, other: Answered, labels: NDArray[np.int64]) -> tuple[Values, Values]:
    """Difference of mean recall of each class [C], and two-sided p [C] that there is none, by Holm's rule over classes.

    `labels` [n] are the classes of the shared test samples. The error is of samples, which are paired, and of each row's own
    seeds (Satterthwaite's degrees of freedom); that of samples is no smaller than one answer's. p is 1 for a class with fewer
    than two samples, whose difference may be nan; rows with one seed say nothing of other seeds.
    """
    gap = own.recalls.mean(0) - other.recalls.mean(0)
    counts = np.bincount(labels, minlength=len(gap)).astype(np.float64)
    apart = own.right - other.right
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(labels, apart, len(counts)) / counts
        squares = np.bincount(labels, (apart - mean[labels]) ** 2, len(counts))
        of_samples = np.maximum(squares / (counts - 1), 1 / counts) / counts
        parts = np.stack([of_samples, own.of_seeds(labels, counts), other.of_seeds(labels, counts)])
        freedom = np.stack(
            [counts - 1, *(np.full(len(counts), max(len(one.recalls) - 1.0, 1.0)) for one in (own, other))]
        )
        left = parts.sum(0) ** 2 / (parts**2 / freedom).sum(0)
        p = 2 * stats.t.sf(np.abs(gap) / np.sqrt(parts.sum(0)), left)
    return gap, corrected(np.where(np.isnan(p), 1.0, p), "holm")
