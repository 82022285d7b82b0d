"""Wilcoxon's signed ranks for differences that come in groups, such as the galleries of one fold. Pure.

Differences of one group are not independent, so their signs turn together (Rosner, Glynn and Lee, Biometrics 62, 2006,
whose statistic this is; its null is enumerated here where the groups are few). Alone in its group each, they are Wilcoxon's.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

MAX_ENUMERATED_GROUPS = 14
"""Groups up to which all turns of signs are tried."""


def signed_rank_p(differences: NDArray[np.float64], groups: Sequence[object]) -> float | None:
    """Two-sided p of no difference [n], by turning the signs of whole groups; None where nothing differs.

    No p is below 2 / 2^G for G groups.
    """
    values = np.asarray(differences, np.float64)
    there = values != 0
    if not there.any():
        return None
    ranks = np.sign(values[there]) * rankdata(np.abs(values[there]))
    codes = np.unique([str(group) for group in groups], return_inverse=True)[1][there]
    sums = np.bincount(codes, weights=ranks)
    sums = sums[np.bincount(codes) > 0]
    found = abs(sums.sum())
    if len(sums) > MAX_ENUMERATED_GROUPS:
        return float(2 * norm.sf(found / np.sqrt((sums**2).sum())))
    turned = np.array(list(product((-1, 1), repeat=len(sums)))) @ sums
    return float((np.abs(turned) >= found - 1e-9).mean())
