"""Compare the values of one fact or axis, cell by cell: which is better how often, and relative gains over one. Pure.

A cell is a combination of the other facts, such as a dataset and a fold. Its scores are averaged over repetitions. A pair of
values is compared over the cells that both have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from sslbench.analysis.statistics.win_matrix import count_compared, count_outcomes, relative_gain
from sslbench.analysis.tables.selection import NOT_REQUESTED, MultiLabel, expand_labels
from sslbench.analysis.tables.text_tables import label
from sslbench.api.varied import NO_TEXT
from sslbench.results.varied import VariedTable

ATTRIBUTES = ("method", "backbone", "augmentation", "recipe", "pool")
"""Facts of a run that may follow from the compared value, such as the backbone of a method."""
NOT_FACTS = frozenset({
    "run", "status", "marks", "baseline", "test_share", "fingerprint", "setting", "question", "chosen", "chosen_on", "value",
    NOT_REQUESTED,
})  # fmt: skip
"""Columns of scores that tell no cells apart."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellScores:
    """Scores by group, compared value and cell.

    frame: columns of `by` and `axis`, `cell` (text), `repetitions` (list) and `value` (their mean).
    facts: facts whose combinations are the cells.
    """

    frame: pd.DataFrame
    axis: str
    by: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def repetitions(self) -> str:
        """Return the range of the numbers of repetitions as text."""
        counts = self.frame["repetitions"].map(len)
        low, high = int(counts.min()), int(counts.max())
        return str(low) if low == high else f"{low} to {high}"

    def describe_missing(self) -> str:
        """Describe, by value of the axis, how many cells have scores of other values only; '' if there are none."""
        missing, total = dict.fromkeys(map(str, self.frame[self.axis]), 0), 0
        for _, group in _groups(self):
            every = set(group["cell"])
            total += len(every)
            for name in missing:
                missing[name] += len(every - set(group.loc[group[self.axis] == name, "cell"]))
        names = {
            count: ", ".join(one for one in missing if missing[one] == count) for count in missing.values() if count
        }
        return "; ".join(f"{listed}: {count} of {total}" for count, listed in names.items())


def divide_into_cells(
    chosen: pd.DataFrame,
    axis: str,
    by: Sequence[str],
    repetitions: Collection[str],
    facts: Sequence[str],
    axes: Sequence[str],
    varied: VariedTable,
) -> CellScores:
    """Average scores over repetitions by group, value of `axis` and cell.

    facts: facts that form cells ([]: see `list_cell_facts`). axes: all axes of the study. Runs that no grid point
    requested, such as baselines, are in the cells of all values of an axis; so are methods without a backbone.
    """
    frame = expand_labels(chosen, axes)
    frame = frame.assign(**{axis: [label(axis, value, varied) for value in frame[axis]]})
    frame = frame[frame[axis] != NO_TEXT]
    own = tuple(fact for fact in facts or list_cell_facts(frame, axis, by, repetitions, axes) if fact in frame)
    frame = _repeat_unlabeled(frame, [fact for fact in (*by, *own) if fact in axes or fact == "backbone"])
    keys = [*by, axis, *own]
    units = [name for name in repetitions if name in frame and name not in keys]
    values = frame.groupby([*keys, *units], dropna=False, sort=False)["value"].mean().reset_index()
    rows = values.groupby(keys, dropna=False, sort=False)["value"].agg(repetitions=list, value="mean").reset_index()
    if by:  # groups follow each other
        rows = rows.iloc[rows.groupby([*by], dropna=False, sort=False).ngroup().argsort(kind="stable")]
    places = zip(*(rows[fact] for fact in own), strict=True) if own else [()] * len(rows)
    named = [", ".join(label(*pair, varied) for pair in zip(own, place, strict=True)) for place in places]
    return CellScores(
        frame=rows.assign(cell=named)[[*by, axis, "cell", "repetitions", "value"]], axis=axis, by=tuple(by), facts=own
    )


def list_cell_facts(
    frame: pd.DataFrame, axis: str, by: Sequence[str], repetitions: Collection[str], axes: Sequence[str]
) -> list[str]:
    """List the facts that form cells: all that vary, except repetitions and attributes of the compared values.

    An attribute has one value for each compared value: the backbone of a method, or the axis by which methods are
    selected. Where an axis is compared, every other axis forms cells.
    """
    requested = frame[frame[NOT_REQUESTED].isna()] if NOT_REQUESTED in frame else frame
    found = []
    for fact in frame.columns:
        if fact in NOT_FACTS or fact in (axis, *by, *repetitions) or frame[fact].nunique(dropna=False) < 2:
            continue
        may_follow = fact in ATTRIBUTES or (fact in axes and axis not in axes)
        values = frame if fact in ATTRIBUTES else requested
        if may_follow and values.groupby([*by, axis], dropna=False)[fact].nunique(dropna=False).max() <= 1:
            continue
        found.append(str(fact))
    return found


def _repeat_unlabeled(frame: pd.DataFrame, facts: Sequence[str]) -> pd.DataFrame:
    """Repeat scores that lack a value of these facts for each of its values."""
    for fact in facts:
        is_missing = frame[fact].isna() | (frame[fact].eq("none") & (fact == "backbone"))
        values = MultiLabel(dict.fromkeys(frame.loc[~is_missing, fact]))
        labels = [values if gone else value for gone, value in zip(is_missing, frame[fact], strict=True)]
        if is_missing.any() and values:
            frame = expand_labels(frame.assign(**{fact: pd.Series(labels, index=frame.index)}), [fact])
    return frame


def count_wins(cells: CellScores, level: float = 0.0) -> pd.DataFrame:
    """Return one row per group and ordered pair: a value of the axis and the value `over` which it wins.

    Columns: share (NaN if nothing is compared), and counts of cells: compared, won, lost, tied, not_significant,
    not_testable. With a level, only cells that Welch's t-test decides are compared.
    """
    rows = []
    for places, group in _groups(cells):
        values = {(row[cells.axis], row["cell"]): row["repetitions"] for row in group.to_dict("records")}
        for (first, second), outcomes in count_outcomes(values, level).items():
            compared = count_compared(outcomes, level)
            rows.append({
                **places, cells.axis: first, "over": second,
                "share": outcomes["won"] / compared if compared else float("nan"), "compared": compared,
                "won": outcomes["won"], "lost": outcomes["lost"], "tied": outcomes["tied"],
                "not_significant": outcomes["not significant"], "not_testable": outcomes["not testable"],
            })  # fmt: skip
    counts = ("share", "compared", "won", "lost", "tied", "not_significant", "not_testable")
    return pd.DataFrame(rows, columns=[*cells.by, cells.axis, "over", *counts])


def measure_gains(cells: CellScores, reference: str) -> pd.DataFrame:
    """Return one row per group, value of the axis and cell that the reference has too: `value`, `reference` and `gain`.

    `gain` is in percent of the reference, and NaN where the reference is not above 0.
    """
    is_reference = cells.frame[cells.axis] == reference
    places = [*cells.by, "cell"]
    base = cells.frame.loc[is_reference, [*places, "value"]].rename(columns={"value": "reference"})
    ours = cells.frame.loc[~is_reference, [*cells.by, cells.axis, "cell", "value"]]
    found = ours.merge(base, on=places)
    pairs = zip(found["value"], found["reference"], strict=True)
    return found.assign(gain=[relative_gain(value, own) if own > 0 else float("nan") for value, own in pairs])


def summarize_gains(cells: CellScores, reference: str) -> pd.DataFrame:
    """Return one row per group and value of the axis: its mean score, and mean, minimum and maximum of its gains.

    Columns: mean, deviation (n - 1, over cells), gain, min, max (percent), cells (with a gain), above (cells with a gain
    above 0). The reference has no gains.
    """
    keys = [*cells.by, cells.axis]
    grouped = cells.frame.groupby(keys, dropna=False, sort=False)["value"]
    gains = measure_gains(cells, reference)
    gains = gains.assign(above=gains["gain"] > 0).groupby(keys, dropna=False).agg(
        gain=("gain", "mean"), min=("gain", "min"), max=("gain", "max"), cells=("gain", "count"), above=("above", "sum")
    )  # fmt: skip
    found = grouped.agg(mean="mean", deviation="std").reset_index().merge(gains.reset_index(), on=keys, how="left")
    counts = ["cells", "above"]
    return found.fillna(dict.fromkeys(counts, 0)).astype(dict.fromkeys(counts, int))


def _groups(cells: CellScores) -> list[tuple[dict[str, object], pd.DataFrame]]:
    """Return the facts and the rows of every group."""
    if not cells.by:
        return [({}, cells.frame)]
    grouped = cells.frame.groupby([*cells.by], dropna=False, sort=False)
    return [(dict(zip(cells.by, key, strict=True)), group) for key, group in grouped]
