"""Make the tables of a study that compare the values of one axis cell by cell: wins and relative gains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.analysis.tables.comparisons import (
    CellScores,
    count_wins,
    divide_into_cells,
    measure_gains,
    summarize_gains,
)
from sslbench.analysis.tables.published_columns import (
    ADDED,
    add_published,
    format_added,
    format_score,
    is_share,
    to_dicts,
)
from sslbench.analysis.tables.selection import select
from sslbench.analysis.tables.text_tables import TextTable, label, lay_out
from sslbench.report.tables import Frames, save_table
from sslbench.study.output_settings import ComparisonSettings, FigureSettings, TableSettings

GAIN_DIGITS = 2
"""Decimal places of gains in percent."""


def make_comparison_table(
    frames: Frames, settings: TableSettings, axes: Sequence[str], folder: Path
) -> TextTable | None:
    """Write a table of wins or relative gains into `folder` and return it as text; None if no matching run is done.

    Raises ValueError if the scale lacks the axis, or no score has the reference.
    """
    by = [name for name in dict.fromkeys(settings.rows) if name != settings.axis]
    cells = select_cells(frames, settings, settings.axis, by, axes)
    if cells is None:
        return None
    make = _wins_table if settings.kind == "wins" else _gains_table
    found, shown, note = make(frames, settings, cells)
    save_table(folder, settings.name, found, shown)
    return replace(shown, name=settings.name, title=settings.title, note=f"{note}; {_describe_cells(cells, settings)}")


def select_cells(
    frames: Frames, settings: TableSettings | FigureSettings, axis: str, by: Sequence[str], axes: Sequence[str]
) -> CellScores | None:
    """Divide the selected scores into cells; None if there are none. For wins, greater values are better.

    Raises ValueError if the scale lacks the axis, or no score has the reference.
    """
    if not axis:
        raise ValueError("its axis is not defined in this scale")
    frame: pd.DataFrame = getattr(frames, settings.source)
    chosen = select(frame, settings.where, [axis, *by, *settings.cells], frames.varied) if len(frame) else frame
    if chosen.empty:
        return None
    if settings.kind == "wins":
        signs = [1 if frames.metrics.find(name).higher_is_better else -1 for name in chosen["metric"]]
        chosen = chosen.assign(value=chosen["value"] * signs)
    cells = divide_into_cells(chosen, axis, by, settings.repetitions, settings.cells, axes, frames.varied)
    if cells.frame.empty:
        return None
    names, reference = list(dict.fromkeys(cells.frame[axis])), label(axis, settings.reference, frames.varied)
    if settings.reference and reference not in names:
        raise ValueError(f"no score has {axis} {reference!r}, only {', '.join(names)}. Correct reference")
    return cells


def join_published(
    found: pd.DataFrame, frames: Frames, settings: TableSettings | FigureSettings, suffix: str, measured: str
) -> pd.DataFrame:
    """Add the published numbers whose metric is the selected one followed by `suffix`, which also ends the new names."""
    if frames.published is None:
        return found
    fixed = {name: value for name, value in settings.where.items() if not isinstance(value, (list, tuple))}
    fixed |= {"metric": f"{fixed.get('metric', '')}{suffix}", "scale": frames.scale}
    named = found.assign(metric=found["metric"] + suffix) if "metric" in found else found
    added = add_published(named, fixed, frames.published, frames.varied, measured).iloc[:, -len(ADDED) :]
    return found.join(added.add_suffix(suffix))


def _wins_table(frames: Frames, settings: TableSettings, cells: CellScores) -> tuple[pd.DataFrame, TextTable, str]:
    found = count_wins(cells, settings.welch)
    found = join_published(found, frames, settings, "_wins", "share")
    by_row: dict[tuple[str, ...], dict[str, str]] = {}
    for row in to_dicts(found):
        text = f"{row['share']:.2f} ({row['won']}/{row['compared']})" if row["compared"] else "–"
        by_row.setdefault(_label_row(row, cells, frames), {})[row["over"]] = text + format_added(row, 2, suffix="_wins")
    heads = {name: f"over {name}" for name in dict.fromkeys(cells.frame[cells.axis])}
    shown = lay_out([*cells.by, cells.axis], heads, by_row.items())
    return found, shown, describe_wins(found, settings)


def describe_wins(found: pd.DataFrame, settings: ComparisonSettings) -> str:
    """Describe what a win is, and how many comparisons are left out."""
    ties, significant, testable = (int(found[name].sum()) // 2 for name in ("tied", "not_significant", "not_testable"))
    note = "share of cells in which the row is better than the column, and wins/cells compared"
    if settings.welch:
        note += f", among those with a difference that Welch's t-test finds significant at {settings.welch:g}"
        note += f"; {significant} comparisons are not significant"
    note += f"; ties count for neither ({ties})"
    if testable:
        note += f"; {testable} comparisons are left out because Welch's t-test needs two repetitions of each"
    return note


def _gains_table(frames: Frames, settings: TableSettings, cells: CellScores) -> tuple[pd.DataFrame, TextTable, str]:
    reference, metrics = label(cells.axis, settings.reference, frames.varied), frames.metrics
    found = summarize_gains(cells, reference)
    found = join_published(found, frames, settings, "", "mean")
    found = join_published(found, frames, settings, "_gain", "gain")
    rows = []
    for row in to_dicts(found):
        metric = str(row.get("metric", settings.where.get("metric", "")))
        digits, in_points = metrics.digits(metric, row["mean"]), is_share(metric, metrics)
        texts = {"score": format_score(row, digits, in_points=in_points)}
        if row["cells"]:
            texts |= {name: f"{row[name]:+.{GAIN_DIGITS}f}" for name in ("gain", "min", "max")}
            texts["gain"] += format_added(row, GAIN_DIGITS, suffix="_gain")
            texts["above"] = f"{row['above']}/{row['cells']}"
        rows.append((_label_row(row, cells, frames), texts))
    heads = {"score": "score", "gain": "gain (%)", "min": "min (%)", "max": "max (%)", "above": f"above {reference}"}
    undefined = int(measure_gains(cells, reference)["gain"].isna().sum())
    note = (
        f"score: mean ± standard deviation over cells; gain: (score - reference) / reference of a cell, in percent, with "
        f"{cells.axis} {reference} as reference: mean, minimum and maximum over cells; above: cells with a gain above 0"
    )
    if undefined:
        note += f"; {undefined} gains over a reference that is not above 0 are left out"
    return found, lay_out([*cells.by, cells.axis], heads, rows), note


def _label_row(row: dict[str, Any], cells: CellScores, frames: Frames) -> tuple[str, ...]:
    """Return the labels of a row: the facts of its group, and the compared value."""
    texts = (
        frames.metrics.title(row[name]) if name == "metric" else label(name, row[name], frames.varied)
        for name in cells.by
    )
    return (*texts, row[cells.axis])


def _describe_cells(cells: CellScores, settings: ComparisonSettings) -> str:
    """Describe what the cells are, what their scores are means of, and which cells are left out."""
    over = ", ".join(settings.repetitions)
    text = f"cells: {', '.join(cells.facts) or 'one'}"
    text += f"; scores are means over {over}, n = {cells.repetitions}" if over else ""
    missing = cells.describe_missing()
    return text + (f"; cells without scores are left out ({missing})" if missing else "")
