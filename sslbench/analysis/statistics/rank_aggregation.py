"""Aggregate ranks over experiments: Borda counts, mean ranks, Friedman and Nemenyi tests (Demsar, JMLR 7, 2006). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankAggregate:
    """Ranks over experiments: one row per complete method, groups without a significant difference, Friedman's p.

    `left_out` names the methods without a score in every experiment.
    """

    rows: pd.DataFrame
    groups: tuple[tuple[str, ...], ...]
    p: float | None
    experiments: tuple[str, ...]
    left_out: tuple[str, ...]


def aggregate_ranks(scores: pd.DataFrame, level: float = 0.05) -> RankAggregate:
    """Aggregate scores [methods, experiments] (more is better).

    A method without a score in some experiment is left out. Columns of rows: method, mean_rank (equal scores share the
    mean of their ranks) and borda (methods beaten, a tie half, summed over experiments), best first.
    """
    complete = scores.dropna()
    ranks = complete.rank(axis=0, ascending=False, method="average")
    rows = pd.DataFrame({
        "method": complete.index,
        "mean_rank": ranks.mean(axis=1).to_numpy(),
        "borda": (len(complete) - ranks).sum(axis=1).to_numpy(),
    }).sort_values(["mean_rank", "method"], ignore_index=True)  # fmt: skip
    p: float | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    if len(complete) > 2 and complete.shape[1] > 1:
        p = _friedman(complete)
        groups = cliques(rows["method"].tolist(), nemenyi(complete), level)
    return RankAggregate(
        rows=rows, groups=groups, p=p, experiments=tuple(map(str, scores.columns)),
        left_out=tuple(name for name in scores.index if name not in complete.index),
    )  # fmt: skip


def _friedman(scores: pd.DataFrame) -> float:
    """Return the p of Friedman's test; 1 if every method has the same score everywhere."""
    p = float(stats.friedmanchisquare(*(row for _, row in scores.iterrows())).pvalue)
    return 1.0 if np.isnan(p) else p


def nemenyi(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the p of every pair's difference in mean rank, corrected for the number of pairs (Nemenyi)."""
    from scikit_posthocs import posthoc_nemenyi_friedman

    found: pd.DataFrame = posthoc_nemenyi_friedman(-scores.T.to_numpy())
    return pd.DataFrame(found.to_numpy(), index=scores.index, columns=scores.index)


def cliques(ordered: Sequence[str], p: pd.DataFrame, level: float) -> tuple[tuple[str, ...], ...]:
    """Return the longest runs of at least two neighbors without a significant difference: the bars of the diagram."""
    runs: list[tuple[int, int]] = []
    for first in range(len(ordered)):
        last = first
        while last + 1 < len(ordered) and (p.loc[list(ordered[first : last + 1]), ordered[last + 1]] >= level).all():
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return tuple(tuple(ordered[first : last + 1]) for first, last in runs)
