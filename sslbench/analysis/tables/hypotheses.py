"""Judge hypotheses that one mean exceeds another, by differences paired over folds and seeds. Pure.

A hypothesis is written down before anything runs. Its verdict is 'holds', 'fails' or, if the 95 % interval contains 0,
'undecided'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sslbench.analysis.statistics.signed_rank_test import signed_rank_p
from sslbench.analysis.tables.estimates import UNITS, estimates
from sslbench.analysis.tables.selection import SCORE_FACTS, select, separate_settings
from sslbench.analysis.tables.text_tables import label
from sslbench.api.settings import setting, setting_from
from sslbench.results.varied import VariedTable

Place = Mapping[str, str | int | float | tuple[str | int | float, ...]]
MIN_FOLDS_FOR_SPREAD = 3
"""With two folds, the deviation without one of them would be that of a single number."""
MIN_DEVIATION = 1e-6
"""Smaller deviations of shares are replaced by this, because their logarithm carries no information."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A claim: the scores selected by `greater` exceed those selected by `lesser`.

    `where` selects what both have in common, and the claim is judged separately for every value of `by`. With `versus`
    the claim is that this difference exceeds the same difference there. With `statistic: spread` the logarithms of
    standard deviations over folds are compared instead of the scores.
    """

    claim: str = setting("", "Claim in words.")
    greater: Place = setting_from(
        dict, "Facts or axes of the scores that the claim expects to be greater.", old_names=("more",)
    )
    lesser: Place = setting_from(dict, "Facts or axes of the scores that they exceed.", old_names=("less",))
    where: Place = setting_from(dict, "Facts or axes that both sides have in common.")
    versus: Place = setting_from(
        dict, "Facts or axes where the difference is smaller ({}: compare no differences).", old_names=("than",)
    )
    by: tuple[str, ...] = setting(
        (), "Facts or axes; the claim is judged for each of their values.", old_names=("each",)
    )
    statistic: Literal["mean", "spread"] = setting(
        "mean", "Compare means, or standard deviations over folds.", old_names=("of",)
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Return every fact and axis that the hypothesis names."""
        return (*self.greater, *self.lesser, *self.where, *self.versus, *self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisVerdict:
    """A claim's verdict at one place, with its difference, interval, number of units and unit.

    `p` is from Wilcoxon's signed ranks, with the differences of one seed (of one fold if there is one seed) grouped.
    """

    claim: str
    place: str
    difference: float | None
    ci95_half_width: float | None
    n: int
    unit: str
    verdict: Literal["holds", "fails", "undecided", "not measured"]
    p: float | None = None


def judge_hypothesis(
    frame: pd.DataFrame, hypothesis: Hypothesis, axes: Sequence[str], varied: VariedTable
) -> list[HypothesisVerdict]:
    """Judge a hypothesis for every value of its `by`; one 'not measured', with the reason, if a side has no scores.

    Settings that tables show separately are judged separately.

    An axis that the frame lacks does not exist at this scale: a comparison along it is not measured, and a selection by
    it is ignored.
    """
    compared = {*hypothesis.greater, *hypothesis.lesser, *hypothesis.versus}
    if frame.empty or not compared <= set(frame.columns):
        return [_unmeasured(hypothesis, "no finished run with these facts" if frame.empty else "not at this scale")]
    where = {name: value for name, value in hypothesis.where.items() if name in frame}
    hypothesis = replace(hypothesis, where=where, by=tuple(name for name in hypothesis.by if name in frame))
    sides = (
        select(frame, {**where, **side}, hypothesis.by, varied) for side in (hypothesis.greater, hypothesis.lesser)
    )
    separate = dict.fromkeys(name for side in sides for name in separate_settings(side, hypothesis.names, varied))
    hypothesis = replace(hypothesis, by=(*hypothesis.by, *separate))
    frame = spreads(frame, axes, varied) if hypothesis.statistic == "spread" else frame
    found = differences(frame, hypothesis, {}, varied)
    if hypothesis.versus and len(found):
        units = [name for name in UNITS if name in found]
        versus = differences(frame, hypothesis, hypothesis.versus, varied)[[*hypothesis.by, *units, "value"]]
        paired = found.merge(versus, on=[*hypothesis.by, *units], suffixes=("", " versus"))
        found = paired.assign(value=paired["value"] - paired["value versus"])
    if found.empty:
        return [_unmeasured(hypothesis, _missing_side(frame, hypothesis, varied))]
    by = [*hypothesis.by] or ["all"]
    found = found.assign(all="")
    ranked = {place: _p(group) for place, group in found.groupby(by, dropna=False, sort=False)}
    rows = estimates(found, by)
    return [
        _verdict(hypothesis, by, row, p, varied) for (_, row), p in zip(rows.iterrows(), ranked.values(), strict=True)
    ]


def _p(group: pd.DataFrame) -> float | None:
    """Return the p of signed ranks grouped by seed (by fold with one seed); None for a single group."""
    unit = "seed" if group["seed"].nunique() > 1 else "fold"
    if group[unit].nunique() < 2:
        return None
    return signed_rank_p(group["value"].to_numpy(np.float64), group[unit].tolist())


def _unmeasured(hypothesis: Hypothesis, why: str) -> HypothesisVerdict:
    return HypothesisVerdict(
        claim=hypothesis.claim, place=why, difference=None, ci95_half_width=None, n=0, unit="", verdict="not measured"
    )


def _missing_side(frame: pd.DataFrame, hypothesis: Hypothesis, varied: VariedTable) -> str:
    """Describe the first side without scores."""
    for side in (hypothesis.greater, hypothesis.lesser):
        wanted = {**hypothesis.where, **side}
        if select(frame, wanted, hypothesis.by, varied).empty:
            return "no scores of " + ", ".join(f"{name} {value}" for name, value in wanted.items())
    return "no seed and fold in common"


def differences(frame: pd.DataFrame, hypothesis: Hypothesis, versus: Place, varied: VariedTable) -> pd.DataFrame:
    """Return greater minus lesser, one row per value of `by`, seed, fold (and draw) that both have.

    Columns: by…, seed, fold, value.
    """
    by = [*hypothesis.by, *(name for name in UNITS if name in frame)]
    sides = []
    for side in (hypothesis.greater, hypothesis.lesser):
        chosen = select(frame, {**hypothesis.where, **side, **versus}, hypothesis.by, varied)
        sides.append(chosen.groupby(by, dropna=False, sort=False)["value"].mean().reset_index())
    both = sides[0].merge(sides[1], on=by, suffixes=("", " lesser"))
    share = {"test_share": frame["test_share"].iloc[0]} if "test_share" in frame and len(frame) else {}
    return both.assign(value=both["value"] - both["value lesser"])[[*by, "value"]].assign(**share)


def spreads(frame: pd.DataFrame, axes: Sequence[str], varied: VariedTable) -> pd.DataFrame:
    """Return each fold's (and draw's) jackknife pseudo-value of the log standard deviation, all else equal.

    Their mean estimates the logarithm of the standard deviation, and they can be compared in pairs (Miller, Annals of
    Mathematical Statistics 39, 1968). Groups of fewer than three folds are left out.
    """
    fixed = [
        name
        for name in dict.fromkeys((*SCORE_FACTS, *varied.facts, *axes, "run", "seed", "test_share"))
        if name in frame
    ]
    within = [name for name in UNITS if name in frame and name != "seed"]
    frame = frame.groupby([*fixed, *within], dropna=False, sort=False)["value"].mean().reset_index()
    groups = frame.groupby(fixed, dropna=False)["value"]
    kept = frame[groups.transform("size") >= MIN_FOLDS_FOR_SPREAD]
    return kept.assign(value=kept.groupby(fixed, dropna=False)["value"].transform(pseudo_values))


def pseudo_values(values: pd.Series) -> NDArray[np.float64]:
    """Return n log s - (n - 1) log s without each value: [n]."""
    n, numbers = len(values), values.to_numpy(np.float64)
    without = np.array([np.delete(numbers, place).std(ddof=1) for place in range(n)])
    log_deviation = np.log(max(numbers.std(ddof=1), MIN_DEVIATION))
    result: NDArray[np.float64] = n * log_deviation - (n - 1) * np.log(np.maximum(without, MIN_DEVIATION))
    return result


def _verdict(
    hypothesis: Hypothesis, by: Sequence[str], row: pd.Series, p: float | None, varied: VariedTable
) -> HypothesisVerdict:
    half = None if pd.isna(row["ci95_half_width"]) else float(row["ci95_half_width"])
    mean = float(row["mean"])
    verdict: Literal["holds", "fails", "undecided"] = "undecided"
    if half is not None and abs(mean) > half:
        verdict = "holds" if mean > 0 else "fails"
    place = ", ".join(filter(None, (label(name, row[name], varied) for name in by)))
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
