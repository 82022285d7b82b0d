"""Test how the score of every class changes with a numeric setting: correlations, slopes, corrected p. Pure.

After Bendidi et al. 2023 (arXiv 2304.11718), who call a class biased if its score correlates with an augmentation's
setting (Pearson, p < 0.05). They do not state which points they correlate, and 100 classes without any effect give
about five "biased" ones at that level; so every basis and every correction is reported next to theirs.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

Values = NDArray[np.float64]
LEVEL = 0.05
BASES: Mapping[str, tuple[str, str]] = {
    "means": ("pearson", "p_means"),
    "all": ("pearson_all", "p_all"),
    "ranks": ("spearman", "p_ranks"),
    "seeds": ("slope_seeds", "p_seeds"),
}
"""Basis -> its sign column and its p column.

Pearson over the settings' seed means, Pearson over all seeds' values, Spearman over seed means, and Student's t of the
slopes of single seeds (the only basis whose units are independent).
"""
CORRECTIONS = ("raw", "bh", "holm")
"""None, Benjamini-Hochberg (false discovery rate) and Holm (family-wise error), over the classes of a group."""
MAX_ENUMERATED_SETTINGS, N_PERMUTATIONS = 8, 200_000
ROUNDING_ERROR = 1e-24
"""Squared deviations of shares below this are rounding errors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineFits:
    """Linear fits of K rows of scores on a setting, all [K]: correlation, two-sided p, slope and its interval.

    Constant scores have r 0 and p 1, and so have fewer than three, whose interval is nan. The error of a line is at
    least the rounding of the scores, and p at least that of the most extreme order of the settings.
    """

    r: Values
    p: Values
    slope: Values
    ci95_half_width: Values


def fit_lines(x: Values, y: Values) -> LineFits:
    """Fit every row of y [K, n] on x [n] or [K, n]; nan is a missing score.

    p is of t = slope / error with n - 2 degrees of freedom.
    """
    x = np.where(np.isnan(y), np.nan, np.broadcast_to(x, y.shape))
    n = (~np.isnan(y)).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows that are all nan
        dx, dy = x - np.nanmean(x, 1, keepdims=True), y - np.nanmean(y, 1, keepdims=True)
        xx, yy, xy = np.nansum(dx**2, 1), np.nansum(dy**2, 1), np.nansum(dx * dy, 1)
        testable = (n >= 3) & (xx > 0) & (yy > ROUNDING_ERROR * n)
        rounding = smallest_step(y) ** 2 / 12
        r = np.where(testable, xy / np.sqrt(xx * yy), 0.0).clip(-1, 1)
        slope = np.where(xx > 0, xy / xx, 0.0)
        residual = np.maximum(np.maximum(yy - slope * xy, 0) / (n - 2), rounding)
        error = np.sqrt(residual / xx)
        p = np.where(testable, np.maximum(2 * stats.t.sf(np.abs(slope) / error, n - 2), smallest_p(x)), 1.0)
        half_width = np.where(n >= 3, stats.t.ppf(0.975, n - 2) * error, np.nan)
    return LineFits(r=r, p=p, slope=slope, ci95_half_width=half_width)


def smallest_step(y: Values) -> Values:
    """Return the smallest step between different scores of each row [K].

    Recalls of few samples are counts, which can lie on a line by chance.
    """
    ordered = np.sort(y, axis=1)
    steps = np.diff(ordered, axis=1)
    steps = np.where(steps > 1e-9, steps, np.inf)
    smallest = steps.min(axis=1, initial=np.inf)
    return np.where(np.isfinite(smallest), smallest, 0.0)


def smallest_p(x: Values) -> Values:
    """Return the p [K] of the most extreme order of each row's settings [K, n]: 2 / number of distinct orders."""
    found = []
    for row in x:
        _, counts = np.unique(row[~np.isnan(row)], return_counts=True)
        found.append(special.gammaln(counts.sum() + 1) - special.gammaln(counts + 1).sum())
    p: Values = np.minimum(2 * np.exp(-np.array(found)), 1.0)
    return p


def fit_class_trends(frame: pd.DataFrame, axis: str, by: Sequence[str] = ("method",)) -> pd.DataFrame:
    """Return one row per group and class: how its score changes with the numbers of `axis`.

    `frame` has columns axis, class, seed, value and `by`; folds are averaged within a seed. p values are corrected over
    the classes of a group: columns p_BASIS, p_BASIS_bh and p_BASIS_holm.
    """
    frame = frame.assign(**{name: frame[name].astype(object).where(frame[name].notna(), "–") for name in by})
    table = frame.pivot_table(index=[*by, "class"], columns=[axis, "seed"], values="value", aggfunc="mean", sort=False)
    settings = np.array(sorted(set(table.columns.get_level_values(0))), np.float64)
    seeds = list(dict.fromkeys(table.columns.get_level_values(1)))
    complete = table.reindex(columns=pd.MultiIndex.from_product([settings, seeds]))
    values = complete.to_numpy(np.float64).reshape(len(table), len(settings), len(seeds))
    found = pd.DataFrame(_trend_columns(settings, values), index=table.index).reset_index()
    return _add_corrected_p(found, by)


def rank_p(r: Values, n: NDArray[np.int64]) -> Values:
    """Return the two-sided p [K] of rank correlations [K] of n [K] settings, over all or 200,000 orders.

    The usual t approximation is too small in the tails for few settings: it rejected 8 % instead of 5 % of families of
    ten classes.
    """
    p = np.ones(len(r))
    for count in set(n.tolist()):
        chance = _chance_correlations(int(count))
        places = n == count
        p[places] = 1 - np.searchsorted(chance, np.abs(r[places]) - 1e-9) / len(chance)
    return np.maximum(p, 1 / N_PERMUTATIONS)


@lru_cache(maxsize=64)
def _chance_correlations(n: int) -> Values:
    """Return |rank correlation| of n settings over all, or 200,000 random, orders; sorted."""
    if n < 3:
        return np.ones(1)
    order = np.arange(n, dtype=np.float64)
    if n <= MAX_ENUMERATED_SETTINGS:
        orders = np.array(list(itertools.permutations(order)))
    else:
        orders = np.random.default_rng(n).permuted(np.tile(order, (N_PERMUTATIONS, 1)), axis=1)
    line = (order - order.mean()) / ((order - order.mean()) ** 2).sum()
    return np.sort(np.abs(orders @ line))


def _trend_columns(settings: Values, values: Values) -> dict[str, Values]:
    """Return the columns of every basis, each [K], from scores [K, S, R]."""
    rows, _, seeds = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # settings without a score
        means = np.nanmean(values, 2)
    line = fit_lines(settings, means)
    ranked = np.asarray(stats.rankdata(means, axis=1, nan_policy="omit"), np.float64)
    present = np.where(np.isnan(means), np.nan, np.broadcast_to(settings, means.shape))
    order = np.asarray(stats.rankdata(present, axis=1, nan_policy="omit"), np.float64)
    ranks = fit_lines(order, ranked)
    every = fit_lines(np.repeat(settings, seeds), values.reshape(rows, -1))
    seed_slopes = fit_lines(settings, np.swapaxes(values, 1, 2).reshape(rows * seeds, -1)).slope.reshape(rows, seeds)
    usable = (~np.isnan(values)).sum(1) >= 3
    steps = smallest_step(values.reshape(rows, -1))
    spread = ((settings - settings.mean()) ** 2).sum()
    slope, half_width, p = _mean_slopes(
        np.where(usable, seed_slopes, np.nan), steps / np.sqrt(12 * max(spread, 1e-300))
    )
    p = np.maximum(p, np.minimum(2 * (smallest_p(present) / 2) ** usable.sum(1), 1.0))  # each seed has its own order
    return {
        "settings": (~np.isnan(means)).sum(1), "seeds": usable.sum(1), "mean": np.nanmean(means, 1),
        "lowest": np.nanmin(means, 1), "highest": np.nanmax(means, 1),
        "pearson": line.r, "p_means": line.p, "slope": line.slope, "slope_ci95_half_width": line.ci95_half_width,
        "spearman": ranks.r, "p_ranks": rank_p(ranks.r, (~np.isnan(means)).sum(1)), "pearson_all": every.r, "p_all": every.p,
        "slope_seeds": slope, "slope_seeds_ci95_half_width": half_width, "p_seeds": p,
    }  # fmt: skip


def _mean_slopes(slopes: Values, rounding: Values) -> tuple[Values, Values, Values]:
    """Return mean, half-width of its 95 % interval and p [K] of independent seeds' slopes [K, R].

    The error of a slope is at least `rounding` [K]; a single seed has p 1 and no interval.
    """
    n = (~np.isnan(slopes)).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(slopes, 1)
        error = np.maximum(np.nanstd(slopes, 1, ddof=1), rounding) / np.sqrt(n)
        testable = (n >= 2) & (error > ROUNDING_ERROR)
        p = np.where(testable, 2 * stats.t.sf(np.abs(mean / error), n - 1), 1.0)
        half_width = np.where(n >= 2, stats.t.ppf(0.975, n - 1) * error, np.nan)
    return np.where(n > 0, mean, 0.0), half_width, p


def correct_p(p: Values, correction: str) -> Values:
    """Correct p values [..., n] along their last axis."""
    if correction == "bh":
        return np.asarray(stats.false_discovery_control(p, axis=-1))
    if correction == "holm":
        n, order = p.shape[-1], np.argsort(p, axis=-1, kind="stable")
        ordered = np.take_along_axis(p, order, -1) * np.arange(n, 0, -1)
        adjusted = np.minimum(np.maximum.accumulate(ordered, axis=-1), 1.0)
        return np.take_along_axis(adjusted, np.argsort(order, axis=-1, kind="stable"), -1)
    return p


def _add_corrected_p(found: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Add every basis's p, corrected over the classes of each group."""
    groups = found.groupby(list(by), dropna=False, sort=False).indices.values() if by else [np.arange(len(found))]
    for _, p in BASES.values():
        for correction in CORRECTIONS[1:]:
            values = found[p].to_numpy(np.float64).copy()
            for places in groups:
                values[places] = correct_p(values[places], correction)
            found[f"{p}_{correction}"] = values
    return found


def trend(found: pd.DataFrame, basis: str, correction: str, level: float = LEVEL) -> pd.Series:
    """Return the trend of every row under one rule: 'ascending', 'descending' or 'none' (not significant)."""
    sign, p = BASES[basis]
    significant = found[p if correction == "raw" else f"{p}_{correction}"] < level
    labels = np.where(~significant, "none", np.where(found[sign] > 0, "ascending", "descending"))
    return pd.Series(labels, index=found.index, name="trend")


def trend_counts(found: pd.DataFrame, by: Sequence[str] = ("method",)) -> pd.DataFrame:
    """Count classes by trend, for every group, basis and correction.

    `expected` is the number of significant classes by chance.
    """
    rows = []
    for basis in BASES:
        for correction in CORRECTIONS:
            labeled = found.assign(trend=trend(found, basis, correction))
            for key, group in labeled.groupby(list(by), dropna=False, sort=False) if by else [((), labeled)]:
                counts = {name: int((group["trend"] == name).sum()) for name in ("ascending", "descending", "none")}
                chance = LEVEL * len(group) if correction == "raw" else LEVEL
                place = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
                rows.append({**place, "basis": basis, "correction": correction, **counts, "expected": chance})
    return pd.DataFrame(rows)


def agreement(
    first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str], basis: str, correction: str
) -> pd.DataFrame:
    """Compare the trends of two measurements (such as linear and fine-tuned) class by class, for each group."""
    sides = [side.assign(trend=trend(side, basis, correction))[[*by, "class", "trend"]] for side in (first, second)]
    both = sides[0].merge(sides[1], on=[*by, "class"], suffixes=("_first", "_second"))
    both["same"] = both["trend_first"] == both["trend_second"]
    columns = {
        "classes": ("same", "size"), "same": ("same", "mean"),
        "descending_first": ("trend_first", lambda t: (t == "descending").sum()),
        "descending_second": ("trend_second", lambda t: (t == "descending").sum()),
    }  # fmt: skip
    return both.groupby(list(by), dropna=False, sort=False).agg(**columns).reset_index()
