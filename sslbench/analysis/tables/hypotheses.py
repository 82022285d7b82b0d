"""Claims that one mean is above another, judged by differences that are paired over folds and seeds. Pure.

A claim is written down before anything runs. What is found is 'holds', 'fails' or, with 0 in the 95 % interval, 'undecided'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sslbench.analysis.statistics.signed_rank_test import signed_rank_p
from sslbench.analysis.tables.selection import DEFAULT_FACT, SCORE_FACTS, UNITS, as_int, estimates, select

Place = Mapping[str, str | int | float | tuple[str | int | float, ...]]
MIN_FOLDS_FOR_SPREAD = 3
"""Of two folds, the deviation without one of them is that of a single number."""
MIN_DEVIATION = 1e-6
"""Deviations of shares below this are taken for it: their logarithm says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A claim: the scores `more` are above the scores `less`.

    `where` is what both have in common, and the claim is judged apart for every value of `each`. With `than` the claim is
    that this difference is larger than the same difference there. With `of: spread` not the scores are compared but the
    logarithms of their standard deviations over folds.
    """

    claim: str = ""
    greater: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)
    lesser: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)
    where: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)
    versus: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    statistic: Literal["mean", "spread"] = "mean"

    @property
    def names(self) -> tuple[str, ...]:
        """Every fact and axis that it speaks of."""
        return (*self.greater, *self.lesser, *self.where, *self.versus, *self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisVerdict:
    """A claim's verdict at one place, the difference that it rests on, half of its interval, and over how many of what.

    `p` is that of Wilcoxon's signed ranks, where differences of one seed (of one fold if there is one seed) go together.
    """

    claim: str
    place: str
    difference: float | None
    ci95_half_width: float | None
    n: int
    unit: str
    verdict: Literal["holds", "fails", "undecided", "not measured"]
    p: float | None = None


def judge_hypothesis(frame: pd.DataFrame, hypothesis: Hypothesis, axes: Sequence[str]) -> list[HypothesisVerdict]:
    """The verdict on a claim for every value of its `each`; one 'not measured', with why, where a side of it has no scores.

    An axis that the frame lacks is one that this scale has not: what compares along it is not measured, what is only placed
    by it is judged without.
    """
    compared = {*hypothesis.greater, *hypothesis.lesser, *hypothesis.versus}
    if frame.empty or not compared <= set(frame.columns):
        return [_unmeasured(hypothesis, "no run that it speaks of is done" if frame.empty else "not at this scale")]
    where = {name: value for name, value in hypothesis.where.items() if name in frame}
    hypothesis = replace(hypothesis, where=where, by=tuple(name for name in hypothesis.by if name in frame))
    frame = spreads(frame, axes) if hypothesis.statistic == "spread" else frame
    found = differences(frame, hypothesis, {})
    if hypothesis.versus and len(found):
        units = [name for name in UNITS if name in found]
        there = differences(frame, hypothesis, hypothesis.versus)[[*hypothesis.by, *units, "value"]]
        paired = found.merge(there, on=[*hypothesis.by, *units], suffixes=("", " there"))
        found = paired.assign(value=paired["value"] - paired["value there"])
    if found.empty:
        return [_unmeasured(hypothesis, _missing_side(frame, hypothesis))]
    by = [*hypothesis.by] or ["all"]
    found = found.assign(all="")
    ranked = {place: _p(group) for place, group in found.groupby(by, dropna=False, sort=False)}
    rows = estimates(found, by)
    return [_verdict(hypothesis, by, row, p) for (_, row), p in zip(rows.iterrows(), ranked.values(), strict=True)]


def _p(group: pd.DataFrame) -> float | None:
    """Of one seed the folds are the groups, of several the seeds; None for one group."""
    unit = "seed" if group["seed"].nunique() > 1 else "fold"
    if group[unit].nunique() < 2:
        return None
    return signed_rank_p(group["value"].to_numpy(np.float64), group[unit].tolist())


def _unmeasured(hypothesis: Hypothesis, why: str) -> HypothesisVerdict:
    return HypothesisVerdict(
        claim=hypothesis.claim, place=why, difference=None, ci95_half_width=None, n=0, unit="", verdict="not measured"
    )


def _missing_side(frame: pd.DataFrame, hypothesis: Hypothesis) -> str:
    """Why there is nothing to compare: the first side without scores."""
    for side in (hypothesis.greater, hypothesis.lesser):
        meant = {**hypothesis.where, **side}
        if select(frame, meant, hypothesis.by).empty:
            return "no scores of " + ", ".join(f"{name} {value}" for name, value in meant.items())
    return "no seed and fold that both sides have"


def differences(frame: pd.DataFrame, hypothesis: Hypothesis, versus: Place) -> pd.DataFrame:
    """More minus less, one row for each of `each`, seed, fold (and draw) that both have: columns each…, seed, fold, value."""
    by = [*hypothesis.by, *(name for name in UNITS if name in frame)]
    sides = []
    for side in (hypothesis.greater, hypothesis.lesser):
        chosen = select(frame, {**hypothesis.where, **side, **versus}, hypothesis.by)
        sides.append(chosen.groupby(by, dropna=False, sort=False)["value"].mean().reset_index())
    both = sides[0].merge(sides[1], on=by, suffixes=("", " less"))
    share = {"test_share": frame["test_share"].iloc[0]} if "test_share" in frame and len(frame) else {}
    return both.assign(value=both["value"] - both["value less"])[[*by, "value"]].assign(**share)


def spreads(frame: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Each fold's (and draw's) share in how far they lie apart, all else equal: jackknife pseudo-values of log deviation.

    Their mean is about the logarithm of the standard deviation, and they can be compared pair by pair (Miller, Annals of
    Mathematical Statistics 39, 1968). Groups of fewer than three folds are left out.
    """
    alike = [name for name in dict.fromkeys((*SCORE_FACTS, *axes, "run", "seed", "test_share")) if name in frame]
    within = [name for name in UNITS if name in frame and name != "seed"]
    frame = frame.groupby([*alike, *within], dropna=False, sort=False)["value"].mean().reset_index()
    groups = frame.groupby(alike, dropna=False)["value"]
    kept = frame[groups.transform("size") >= MIN_FOLDS_FOR_SPREAD]
    return kept.assign(value=kept.groupby(alike, dropna=False)["value"].transform(pseudo_values))


def pseudo_values(values: pd.Series) -> NDArray[np.float64]:
    """n log s - (n - 1) log s without each value: [n]."""
    n, numbers = len(values), values.to_numpy(np.float64)
    without = np.array([np.delete(numbers, place).std(ddof=1) for place in range(n)])
    whole = np.log(max(numbers.std(ddof=1), MIN_DEVIATION))
    result: NDArray[np.float64] = n * whole - (n - 1) * np.log(np.maximum(without, MIN_DEVIATION))
    return result


def _verdict(hypothesis: Hypothesis, by: Sequence[str], row: pd.Series, p: float | None) -> HypothesisVerdict:
    half = None if pd.isna(row["ci95_half_width"]) else float(row["ci95_half_width"])
    mean = float(row["mean"])
    verdict: Literal["holds", "fails", "undecided"] = "undecided"
    if half is not None and abs(mean) > half:
        verdict = "holds" if mean > 0 else "fails"
    named = {name: DEFAULT_FACT.get(name, "–") if pd.isna(row[name]) else as_int(row[name]) for name in by}
    place = ", ".join(str(value) for value in named.values() if value != "")
    return HypothesisVerdict(
        claim=hypothesis.claim,
        place=place,
        difference=mean,
        ci95_half_width=half,
        n=int(row["n"]),
        unit=str(row["unit"]),
        verdict=verdict,
        p=p,
    )
