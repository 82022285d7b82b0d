"""Which classes one row answers worse, or better, than another: shared test samples, own seeds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sslbench.analysis.responses import corrected

Values = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """A row's answers: recalls by seed [S, C], for each test sample [n] the share that is right, and for each class [C] what
    single answers, alike in nothing, add to the variance of its mean recall.
    """

    recalls: Values
    right: NDArray[np.float16]
    noise: Values

    def of_seeds(self) -> tuple[Values, Values]:
        """The variance [C] of mean recalls over seeds, and what of it is seeds' alone; 0 for one, which says nothing."""
        if len(self.recalls) == 1:
            return np.zeros_like(self.noise), np.zeros_like(self.noise)
        whole: Values = self.recalls.var(0, ddof=1) / len(self.recalls)
        return whole, np.maximum(whole - self.noise, 0.0)


def answered(right: Values, labels: Codes, classes: int) -> Answered:
    """What is kept of shares of right answers [S, n] (0 to 1, over probes and draws) to samples of these classes [n].

    Single answers are the interaction of seeds and samples in an analysis of variance of each class; a class without samples
    has recall nan.
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    seeds, per_sample = len(right), right.mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recalls = np.stack([np.bincount(labels, one, classes) / counts for one in right])
        apart = right - per_sample - (recalls - recalls.mean(0))[:, labels]
        squares = np.bincount(labels, (apart**2).sum(0), classes)
        noise = squares / ((seeds - 1) * (counts - 1)) / (seeds * counts)
    noise = np.where(np.isfinite(noise), noise, 0.0)
    return Answered(recalls=recalls, right=per_sample.astype(np.float16), noise=noise)


def class_gaps(own: Answered, other: Answered, labels: Codes) -> tuple[Values, Values]:
    """Difference of mean recall of each class [C], and two-sided p [C] that there is none, by Holm's rule over classes.

    `labels` [n] are the classes of the shared test samples. The error is of samples, which are paired, and of each row's own
    seeds (Satterthwaite's degrees of freedom); that of samples is no smaller than one answer's. p is 1 for a class with fewer
    than two samples, whose difference may be nan; rows with one seed say nothing of other seeds.
    """
    gap: Values = own.recalls.mean(0) - other.recalls.mean(0)
    counts = np.bincount(labels, minlength=len(gap)).astype(np.float64)
    apart = own.right.astype(np.float64) - other.right
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(labels, apart, len(counts)) / counts
        squares = np.bincount(labels, (apart - mean[labels]) ** 2, len(counts))
        of_samples = np.maximum(squares / (counts - 1), 1 / counts) / counts
        variance, spread = of_samples.copy(), of_samples**2 / (counts - 1)
        for row in (own, other):
            whole, alone = row.of_seeds()
            variance += alone
            spread += whole**2 / max(len(row.recalls) - 1, 1)
        p = 2 * stats.t.sf(np.abs(gap) / np.sqrt(variance), variance**2 / spread)
    return gap, corrected(np.where(np.isnan(p), 1.0, p), "holm")
