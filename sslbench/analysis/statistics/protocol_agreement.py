"""Compare how protocols rank the same encoders: rank correlations and reversed pairs. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sslbench.analysis.statistics.shared_ranks import ComparedScores, iter_surely_better

MIN_METHODS = 3
"""Smallest number of methods for which a rank correlation is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Two methods of which one protocol significantly prefers the first and another the second."""

    first: str
    second: str
    prefers_first: str
    prefers_second: str


def correlations(scores: pd.DataFrame) -> pd.DataFrame:
    """Return Kendall's tau-b of every pair of protocols over the methods [methods, protocols] that both have.

    Columns: first, second, tau, p, methods. Fewer than three methods, or only equal ones, give nan.
    """
    rows = []
    for first, second in itertools.combinations(map(str, scores.columns), 2):
        both = scores[[first, second]].dropna()
        tau, p = np.nan, np.nan
        if len(both) >= MIN_METHODS and both.nunique().min() > 1:
            tau, p = stats.kendalltau(both[first], both[second])
        rows.append({"first": first, "second": second, "tau": float(tau), "p": float(p), "methods": len(both)})
    return pd.DataFrame(rows, columns=["first", "second", "tau", "p", "methods"])


def find_flips(fields: Mapping[str, ComparedScores]) -> list[Flip]:
    """Find every pair of methods that two protocols order oppositely, both significantly."""
    significant = {protocol: _pairs(field) for protocol, field in fields.items()}
    found = []
    for one, other in itertools.combinations(significant, 2):
        for better, worse in sorted(significant[one]):
            if (worse, better) in significant[other]:
                found.append(Flip(first=better, second=worse, prefers_first=one, prefers_second=other))
    return found


def _pairs(field: ComparedScores) -> set[tuple[str, str]]:
    """Return significant (better, worse) pairs of names."""
    names: Sequence[str] = field.names
    return {
        (names[columns[better]], names[rows[worse]])
        for rows, columns, matrix in iter_surely_better(field)
        for worse, better in np.argwhere(matrix).tolist()
    }
