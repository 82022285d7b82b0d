"""Compute win rates between names, and relative gains over a reference. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

Repetitions: TypeAlias = Mapping[tuple[str, str], Sequence[float]]
"""(name, experiment) -> one value per repetition, such as a seed."""
Outcome = Literal["won", "lost", "tied", "not significant", "not testable"]
MIRRORED: Mapping[Outcome, Outcome] = {"won": "lost", "lost": "won"}
NO_SPREAD = 1e-12
DIGITS = 12
"""Digits to which means are compared: the rounding of sums depends on the order of the values."""


def compare_repetitions(first: Sequence[float], second: Sequence[float], level: float = 0.0) -> Outcome:
    """Compare the means of two lists of repetitions; with a level above 0, by Welch's t-test.

    The test needs two repetitions of each ('not testable'). Where neither has spread, the means decide.
    """
    if level and min(len(first), len(second)) < 2:
        return "not testable"
    difference = round(float(np.mean(first)) - float(np.mean(second)), DIGITS)
    if difference == 0:
        return "tied"
    if level and _welch_p(first, second) >= level:
        return "not significant"
    return "won" if difference > 0 else "lost"


def _welch_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p of Welch's t-test; 0 if neither list has spread."""
    summaries = [(float(np.mean(one)), float(np.std(one, ddof=1)), len(one)) for one in (first, second)]
    if max(deviation for _, deviation, _ in summaries) < NO_SPREAD:
        return 0.0
    return float(stats.ttest_ind_from_stats(*summaries[0], *summaries[1], equal_var=False).pvalue)


def count_outcomes(values: Repetitions, level: float = 0.0) -> dict[tuple[str, str], Counter[Outcome]]:
    """Count the outcomes of every ordered pair of names over the experiments that both have."""
    names = list(dict.fromkeys(name for name, _ in values))
    experiments = list(dict.fromkeys(experiment for _, experiment in values))
    found: dict[tuple[str, str], Counter[Outcome]] = {}
    for first, second in combinations(names, 2):
        both = [one for one in experiments if (first, one) in values and (second, one) in values]
        outcomes = Counter(compare_repetitions(values[first, one], values[second, one], level) for one in both)
        found[first, second] = outcomes
        found[second, first] = Counter({MIRRORED.get(outcome, outcome): n for outcome, n in outcomes.items()})
    return found


def count_compared(outcomes: Mapping[Outcome, int], level: float = 0.0) -> int:
    """Count the experiments of which a win rate is a share: all, or with a level those that the test decides."""
    return sum(outcomes.get(name, 0) for name in (("won", "lost") if level else ("won", "lost", "tied")))


def win_matrix(values: Repetitions, level: float = 0.0) -> pd.DataFrame:
    """Return W[i, j]: the share of common experiments in which i's mean is above j's; a tie counts for neither.

    With a level, the share of the experiments that Welch's t-test decides (arXiv 2106.15147). NaN if there is none.
    """
    names = list(dict.fromkeys(name for name, _ in values))
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    for (first, second), outcomes in count_outcomes(values, level).items():
        if compared := count_compared(outcomes, level):
            matrix.loc[first, second] = outcomes["won"] / compared
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
