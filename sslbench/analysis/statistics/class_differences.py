"""Test which classes one row recalls better or worse than another. Pure.

Rows share test samples; each has its own seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sslbench.analysis.statistics.class_trends import correct_p
from sslbench.analysis.statistics.moderated_variance import moderate_variances
from sslbench.analysis.statistics.score_variance import CONFIDENCE, satterthwaite, stratum_variances, total_variance

Values = NDArray[np.float64]
Codes = NDArray[np.int64]
MIN_RATIO = 1e-3
"""Smallest ratio of a variance over seeds to that of single predictions; smaller ones are chance, and logarithms need
more than 0.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecallStatistics:
    """Recalls of one row: by seed [S, C], the share of correct predictions of each test sample [n], and `noise` [C].

    `noise` is what the interaction of seeds and samples adds to the variance of each class's mean recall.
    """

    recalls: Values
    right: NDArray[np.float16]
    noise: Values
    depends_on_seed: bool = True

    @property
    def seeds_known(self) -> bool:
        """Return whether the variance over seeds is known: one seed contains no information about others."""
        return len(self.recalls) > 1 or not self.depends_on_seed

    def over_seeds(self) -> Values:
        """Return the variance [C] of mean recalls between seeds; 0 for one seed."""
        if len(self.recalls) == 1:
            return np.zeros_like(self.noise)
        return np.asarray(self.recalls.var(0, ddof=1) / len(self.recalls))


def recall_statistics(right: Values, labels: Codes, classes: int, *, depends_on_seed: bool = True) -> RecallStatistics:
    """Summarize shares of correct predictions [S, n] (0 to 1, over probes and draws) of samples with these classes [n].

    A class without samples has recall nan.
    """
    found = stratum_variances(right, labels, classes)
    return RecallStatistics(
        recalls=found.means, right=found.per_sample.astype(np.float16), noise=found.interaction,
        depends_on_seed=depends_on_seed,
    )  # fmt: skip


def class_gaps(own: RecallStatistics, other: RecallStatistics, labels: Codes) -> tuple[Values, Values]:
    """Return each class's difference of mean recall [C], and its two-sided p [C], corrected by Holm over classes.

    `labels` [n] are the classes of the shared test samples. The error combines paired samples with each row's own
    seeds, whose variances are moderated across classes; it is at least that of a single prediction. p is 1 for a class
    with fewer than two samples (its difference may be nan), and nan for all classes if a row has a single seed.
    """
    gap, p = class_gap_ps(own, other, labels)
    if not (own.seeds_known and other.seeds_known):
        return gap, np.full(len(gap), np.nan)
    return gap, correct_p(np.where(np.isnan(p), 1.0, p), "holm")


def class_gap_ps(own: RecallStatistics, other: RecallStatistics, labels: Codes) -> tuple[Values, Values]:
    """Return each class's difference of mean recall [C] and its uncorrected two-sided p [C]; nan if unknown."""
    gap: Values = own.recalls.mean(0) - other.recalls.mean(0)
    counts = np.bincount(labels, minlength=len(gap)).astype(np.float64)
    differences = own.right.astype(np.float64) - other.right
    known = counts > 1
    p = np.full(len(gap), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(labels, differences, len(counts)) / counts
        squares = np.bincount(labels, (differences - mean[labels]) ** 2, len(counts))
        paired = np.maximum(squares / (counts - 1) / counts - own.noise - other.noise, 0.0)
    counts, paired, floor = counts[known], paired[known], counts[known] ** -2.0
    over_seeds, freedom = _over_seeds((own, other), known, floor)
    variance = total_variance(paired, over_seeds, 0.0, floor)
    parts = over_seeds**2 / freedom + paired**2 / (counts - 1)
    freedoms = np.divide(variance**2, parts, out=counts - 1, where=parts > 0)
    p[known] = 2 * stats.t.sf(np.abs(gap[known]) / np.sqrt(variance), freedoms)
    return gap, p


def _over_seeds(rows: Sequence[RecallStatistics], known: NDArray[np.bool_], floor: Values) -> tuple[Values, float]:
    """Return the variance over seeds of two rows' difference per known class, and its degrees of freedom.

    Few seeds estimate it poorly for one class, so it is moderated across classes, as a multiple of the variance of
    single predictions, which depends on a class's number of samples.
    """
    varying = [row for row in rows if len(row.recalls) > 1 and row.over_seeds()[known].any()]
    if not varying:
        return np.zeros(int(known.sum())), 1.0
    noise = np.maximum(sum(row.noise[known] for row in varying), floor)
    ratios = np.maximum(sum(row.over_seeds()[known] for row in varying) / noise, MIN_RATIO)
    moderated, freedom = moderate_variances(ratios, float(sum(len(row.recalls) - 1 for row in varying)))
    return moderated * noise, freedom


def recall_half_widths(row: RecallStatistics, labels: Codes) -> Values:
    """Return the half-width of the 95 % interval of each class's mean recall [C]; nan below two samples.

    The interval covers seeds and test samples; with one seed, the test samples of this one training.
    """
    counts = np.bincount(labels, minlength=len(row.noise)).astype(np.float64)
    right, over_seeds = row.right.astype(np.float64), row.over_seeds()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(labels, right, len(counts)) / counts
        over_samples = np.bincount(labels, (right - mean[labels]) ** 2, len(counts)) / (counts - 1) / counts
        total = total_variance(over_samples, over_seeds, row.noise, counts**-2.0)
        freedom = max(len(row.recalls) - 1, 1)
        parts = over_seeds**2 / freedom + np.maximum(over_samples - row.noise, 0) ** 2 / (counts - 1)
        freedoms = satterthwaite(total, parts, np.where(over_seeds > 0, freedom, counts - 1))
        found = stats.t.ppf((1 + CONFIDENCE) / 2, freedoms) * np.sqrt(total)
    return np.where(counts > 1, found, np.nan)
