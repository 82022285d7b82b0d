"""Compute win rates between methods, and relative gains over a reference. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

Seeds = Mapping[tuple[str, str], Sequence[float]]
"""(method, experiment) -> one value per seed."""
NO_SPREAD = 1e-12


def win_matrix(values: Seeds) -> pd.DataFrame:
    """Return W[i, j]: the share of common experiments in which i's mean is above j's; a tie counts for neither."""
    return _shares(values, lambda first, second: np.sign(np.mean(first) - np.mean(second)), ties=True)


def welch_win_matrix(values: Seeds, level: float = 0.05) -> pd.DataFrame:
    """Return win rates over the experiments that Welch's t test decides (SCARF, arXiv 2106.15147); nan if none."""

    def decided(first: Sequence[float], second: Sequence[float]) -> float:
        if min(len(first), len(second)) < 2:
            return 0.0
        summaries = [(float(np.mean(one)), float(np.std(one, ddof=1)), len(one)) for one in (first, second)]
        sign = float(np.sign(summaries[0][0] - summaries[1][0]))
        if max(summaries[0][1], summaries[1][1]) < NO_SPREAD:  # without spread the test is 0/0 and the means decide
            return sign
        return sign if stats.ttest_ind_from_stats(*summaries[0], *summaries[1], equal_var=False).pvalue < level else 0.0

    return _shares(values, decided, ties=False)


def _shares(values: Seeds, compare: Callable[[Sequence[float], Sequence[float]], float], *, ties: bool) -> pd.DataFrame:
    names = list(dict.fromkeys(name for name, _ in values))
    experiments = list(dict.fromkeys(experiment for _, experiment in values))
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    for first in names:
        for second in names:
            both = [e for e in experiments if (first, e) in values and (second, e) in values]
            signs = [compare(values[first, e], values[second, e]) for e in both] if first != second else []
            counted = len(signs) if ties else sum(sign != 0 for sign in signs)
            if counted:
                matrix.loc[first, second] = sum(sign > 0 for sign in signs) / counted
    return matrix


def relative_gain(score: float, reference: float) -> float:
    """Return 100 (score - reference) / reference."""
    return 100 * (score - reference) / reference


def gain_summary(means: Mapping[tuple[str, str], float], references: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Summarize each method's relative gains over its reference, over the experiments that have one: one row per
    method.
    """
    rows = []
    for name in dict.fromkeys(name for name, _ in means):
        gains = [
            relative_gain(value, references[name, experiment])
            for (other, experiment), value in means.items()
            if other == name and references.get((name, experiment))
        ]
        if gains:
            rows.append({
                "method": name, "min": min(gains), "median": float(np.median(gains)), "mean": float(np.mean(gains)),
                "max": max(gains), "experiments": len(gains),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["method", "min", "median", "mean", "max", "experiments"])
