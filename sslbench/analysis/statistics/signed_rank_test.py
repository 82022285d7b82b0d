"""Test grouped differences, such as the galleries of one fold, with Wilcoxon's signed ranks. Pure.

Differences of one group are not independent, so their signs are flipped together (Rosner, Glynn and Lee, Biometrics 62,
2006, whose statistic this is; for few groups the null distribution is enumerated). With one difference per group this
is Wilcoxon's test.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

MAX_ENUMERATED_GROUPS = 14
"""Number of groups up to which all sign flips are enumerated."""


def signed_rank_p(differences: NDArray[np.float64], groups: Sequence[object]) -> float | None:
    """Return the two-sided p of no difference [n], by flipping the signs of whole groups; None if all differences are
    0.

    p is at least 2 / 2^G for G groups.
    """
    values = np.asarray(differences, np.float64)
    nonzero = values != 0
    if not nonzero.any():
        return None
    ranks = np.sign(values[nonzero]) * rankdata(np.abs(values[nonzero]))
    codes = np.unique([str(group) for group in groups], return_inverse=True)[1][nonzero]
    sums = np.bincount(codes, weights=ranks)
    sums = sums[np.bincount(codes) > 0]
    statistic = abs(sums.sum())
    if len(sums) > MAX_ENUMERATED_GROUPS:
        return float(2 * norm.sf(statistic / np.sqrt((sums**2).sum())))
    flipped = np.array(list(product((-1, 1), repeat=len(sums)))) @ sums
    return float((np.abs(flipped) >= statistic - 1e-9).mean())
