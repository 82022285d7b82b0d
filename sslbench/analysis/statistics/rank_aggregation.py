"""One order from several experiments: Borda counts, mean ranks, and which of those differ (Demsar, JMLR 7, 2006). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankAggregate:
    """Methods over experiments that all of them have: one row each, groups that do not differ, Friedman's p, the left out."""

    rows: pd.DataFrame
    groups: tuple[tuple[str, ...], ...]
    p: float | None
    experiments: tuple[str, ...]
    left_out: tuple[str, ...]


def aggregate_ranks(scores: pd.DataFrame, level: float = 0.05) -> RankAggregate:
    """Aggregate scores [methods, experiments] (more is better).

    A method without a score somewhere is left out by name. Columns of rows: method, mean_rank (equal scores share the mean
    of their ranks) and borda (methods beaten, a tie half, summed over experiments), best first.
    """
    whole = scores.dropna()
    ranks = whole.rank(axis=0, ascending=False, method="average")
    rows = pd.DataFrame({
        "method": whole.index,
        "mean_rank": ranks.mean(axis=1).to_numpy(),
        "borda": (len(whole) - ranks).sum(axis=1).to_numpy(),
    }).sort_values(["mean_rank", "method"], ignore_index=True)  # fmt: skip
    p: float | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    if len(whole) > 2 and whole.shape[1] > 1:
        p = _friedman(whole)
        groups = cliques(rows["method"].tolist(), nemenyi(whole), level)
    return RankAggregate(
        rows=rows, groups=groups, p=p, experiments=tuple(map(str, scores.columns)),
        left_out=tuple(name for name in scores.index if name not in whole.index),
    )  # fmt: skip


def _friedman(whole: pd.DataFrame) -> float:
    """The p of no difference at all; 1 where every method has the same score everywhere."""
    p = float(stats.friedmanchisquare(*(row for _, row in whole.iterrows())).pvalue)
    return 1.0 if np.isnan(p) else p


def nemenyi(whole: pd.DataFrame) -> pd.DataFrame:
    """p of every pair's difference in mean rank, corrected for how many pairs there are (Nemenyi)."""
    from scikit_posthocs import posthoc_nemenyi_friedman

    found: pd.DataFrame = posthoc_nemenyi_friedman(-whole.T.to_numpy())
    return pd.DataFrame(found.to_numpy(), index=whole.index, columns=whole.index)


def cliques(ordered: Sequence[str], p: pd.DataFrame, level: float) -> tuple[tuple[str, ...], ...]:
    """The longest runs of at least two neighbors in an order of which no two differ: the bars of the diagram."""
    runs: list[tuple[int, int]] = []
    for first in range(len(ordered)):
        last = first
        while last + 1 < len(ordered) and (p.loc[list(ordered[first : last + 1]), ordered[last + 1]] >= level).all():
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return tuple(tuple(ordered[first : last + 1]) for first, last in runs)
