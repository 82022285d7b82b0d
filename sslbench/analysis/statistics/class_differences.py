"""Which classes one row answers worse, or better, than another: shared test samples, own seeds. Pure."""

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
"""A variance over seeds below this share of what single answers account for is chance: logarithms need it above 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecallStatistics:
    """A row's answers: recalls by seed [S, C], for each test sample [n] the share that is right, and for each class [C] what
    single answers, alike in nothing, add to the variance of its mean recall.
    """

    recalls: Values
    right: NDArray[np.float16]
    noise: Values
    depends_on_seed: bool = True

    @property
    def seeds_known(self) -> bool:
        """Whether the variance over seeds is known: one seed says nothing of others."""
        return len(self.recalls) > 1 or not self.depends_on_seed

    def over_seeds(self) -> Values:
        """The variance [C] of mean recalls as it is seen between seeds; 0 for one seed."""
        if len(self.recalls) == 1:
            return np.zeros_like(self.noise)
        return np.asarray(self.recalls.var(0, ddof=1) / len(self.recalls))


def recall_statistics(right: Values, labels: Codes, classes: int, *, depends_on_seed: bool = True) -> RecallStatistics:
    """What is kept of shares of right answers [S, n] (0 to 1, over probes and draws) to samples of these classes [n].

    A class without samples has recall nan.
    """
    found = stratum_variances(right, labels, classes)
    return RecallStatistics(
        recalls=found.means, right=found.per_sample.astype(np.float16), noise=found.interaction,
        depends_on_seed=depends_on_seed,
    )  # fmt: skip


def class_gaps(own: RecallStatistics, other: RecallStatistics, labels: Codes) -> tuple[Values, Values]:
    """Difference of mean recall of each class [C], and two-sided p [C] that there is none, by Holm's rule over classes.

    `labels` [n] are the classes of the shared test samples. The error is of samples, which are paired, and of each row's own
    seeds, whose variances classes share in part; it is no smaller than one answer's. p is 1 for a class with fewer than two
    samples, whose difference may be nan, and nan for all classes where a row has one seed, which says nothing of others.
    """
    gap, p = class_gap_ps(own, other, labels)
    if not (own.seeds_known and other.seeds_known):
        return gap, np.full(len(gap), np.nan)
    return gap, correct_p(np.where(np.isnan(p), 1.0, p), "holm")


def class_gap_ps(own: RecallStatistics, other: RecallStatistics, labels: Codes) -> tuple[Values, Values]:
    """Difference of mean recall of each class [C], and two-sided p [C] before any correction; nan where nothing is known."""
    gap: Values = own.recalls.mean(0) - other.recalls.mean(0)
    counts = np.bincount(labels, minlength=len(gap)).astype(np.float64)
    apart = own.right.astype(np.float64) - other.right
    known = counts > 1
    p = np.full(len(gap), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(labels, apart, len(counts)) / counts
        squares = np.bincount(labels, (apart - mean[labels]) ** 2, len(counts))
        paired = np.maximum(squares / (counts - 1) / counts - own.noise - other.noise, 0.0)
    counts, paired, floor = counts[known], paired[known], counts[known] ** -2.0
    over_seeds, freedom = _over_seeds((own, other), known, floor)
    variance = total_variance(paired, over_seeds, 0.0, floor)
    parts = over_seeds**2 / freedom + paired**2 / (counts - 1)
    freedoms = np.divide(variance**2, parts, out=counts - 1, where=parts > 0)
    p[known] = 2 * stats.t.sf(np.abs(gap[known]) / np.sqrt(variance), freedoms)
    return gap, p


def _over_seeds(rows: Sequence[RecallStatistics], known: NDArray[np.bool_], floor: Values) -> tuple[Values, float]:
    """The variance over seeds of the difference of two rows for each known class, and its degrees of freedom.

    Few seeds show it badly for one class, so classes share what they show (moderated variances), as multiples of what
    single answers account for, which differs with a class's samples.
    """
    varying = [row for row in rows if len(row.recalls) > 1 and row.over_seeds()[known].any()]
    if not varying:
        return np.zeros(int(known.sum())), 1.0
    noise = np.maximum(sum(row.noise[known] for row in varying), floor)
    ratios = np.maximum(sum(row.over_seeds()[known] for row in varying) / noise, MIN_RATIO)
    moderated, freedom = moderate_variances(ratios, float(sum(len(row.recalls) - 1 for row in varying)))
    return moderated * noise, freedom


def recall_half_widths(row: RecallStatistics, labels: Codes) -> Values:
    """Half of the 95 % interval of each class's mean recall [C], over seeds and test samples; nan below two samples.

    With one seed of what depends on it, the interval covers the test samples of this one training.
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
