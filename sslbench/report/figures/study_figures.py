"""Draw the figures of a study as PNG and SVG, and write their data as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.intervals import interval_ends, mean_over_seeds
from sslbench.analysis.tables.estimates import seed_values, unit_values
from sslbench.analysis.tables.selection import select, separate_settings
from sslbench.analysis.tables.study_frames import disambiguate
from sslbench.analysis.tables.text_tables import as_int
from sslbench.report.figures.style import pyplot, save_figure
from sslbench.results.varied import VariedTable
from sslbench.study.output_settings import FigureSettings

SIZE, HORIZONTAL_WIDTH, ROW_HEIGHT = 3.6, 4.7, 0.26
MAX_TICKS, MAX_PANELS_PER_ROW = 8, 4
"""Maximum of ticks on a logarithmic axis, and of panels in a row."""
MAX_MARKERS = 30
"""Maximum of markers of a line, before they hide it."""
MAX_VERTICAL_BARS, MAX_LABEL_LETTERS = 6, 40
"""Maximum of vertical bars, and of letters in their names, before the names overlap."""


def draw_figure(frame: pd.DataFrame, figure: FigureSettings, folder: Path, varied: VariedTable) -> Path:
    """Write NAME.png, NAME.svg and NAME.csv into `folder`.

    Raises ValueError if there is nothing to draw, or a mean over a setting that tables show separately.
    """
    import seaborn as sns

    is_training = figure.source == "training"
    if is_training:
        figure = replace(figure, x="epoch", panels=figure.panels or "term")
    if not figure.x or (figure.kind == "heat" and not figure.y):
        raise ValueError("its axis is not defined in this scale")
    if frame.empty:
        raise ValueError("no matching run is done")
    named = [name for name in (figure.x, figure.y, figure.hue, figure.panels) if name]
    chosen = select(frame, figure.where, named, varied)
    if several := separate_settings(chosen, named, varied):
        raise ValueError(
            f"{several[0]} has several values. Name it in x, y, hue or panels, or name one of them in where"
        )
    chances = select(frame, {**figure.where, "metric": figure.chance}, named, varied) if figure.chance else None
    by = [*dict.fromkeys(named)]
    if figure.x in varied and varied[figure.x].number is not None:
        chosen = chosen.fillna({figure.x: varied[figure.x].number})
    values = (unit_values if figure.spread == "deviation" else seed_values)(disambiguate(chosen, by), by)
    values = _fill_default_facts(values, figure, varied).dropna(subset=[name for name in (figure.x, figure.y) if name])
    if values.empty:
        raise ValueError("no matching run is done")
    for name in (name for name in (figure.hue, figure.panels) if name):
        values[name] = [varied.unset(name, value) if pd.isna(value) else as_int(value) for value in values[name]]
    metrics = ["mean over the epoch"] if is_training else sorted(chosen["metric"].unique())
    pyplot()
    sns.set_theme(context="paper", style="whitegrid")
    grid = _heat(values, figure) if figure.kind == "heat" else _curves(values, figure)
    grid.set_titles("{col_name}")
    value = ", ".join(metrics) + (f" (dashed: {figure.chance})" if figure.chance else "")
    labels = (figure.x, figure.y or value.replace("_", " "))
    grid.set_axis_labels(*(labels[::-1] if is_horizontal(values, figure) else labels))
    if chances is not None and len(chances):
        _draw_chance(grid, chances, figure, horizontal=is_horizontal(values, figure))
    if not is_training and values["value"].between(0, 1).all():  # shares, whose intervals may reach outside 0 and 1
        for axes in grid.axes.flat if figure.kind != "heat" else ():
            axes.set(**_limit_to_shares(axes, "xlim" if is_horizontal(values, figure) else "ylim"))
    if is_training:
        for axes in grid.axes.flat:
            axes.xaxis.get_major_locator().set_params(integer=True)
    if figure.log and pd.api.types.is_numeric_dtype(values[figure.x]):
        grid.set(xscale="log")
        _set_ticks(grid, sorted(values[figure.x].unique()))
    if figure.title:
        grid.figure.suptitle(figure.title, y=1.02)
    folder.mkdir(parents=True, exist_ok=True)
    values.to_csv(folder / f"{figure.name}.csv", index=False)
    return save_figure(grid.figure, folder / figure.name, tight=True)


def _fill_default_facts(values: pd.DataFrame, figure: FigureSettings, varied: VariedTable) -> pd.DataFrame:
    """Fill missing facts with their default names on axes of text."""
    for name in [name for name in (figure.x, figure.y) if varied.unset(name, "")]:
        if not pd.api.types.is_numeric_dtype(values[name]):
            values = values.assign(**{name: values[name].fillna(varied.unset(name))})
    return values


def _set_ticks(grid: Any, places: Sequence[float]) -> None:
    """Set plain ticks at the measured settings if they are few."""
    if len(places) <= MAX_TICKS:
        for axes in grid.axes.flat:
            axes.set_xticks(places, [f"{place:g}" for place in places])
            axes.set_xticks([], minor=True)


def _draw_chance(grid: Any, chances: pd.DataFrame, figure: FigureSettings, *, horizontal: bool) -> None:
    """Draw a dashed line at the chance level of each panel."""
    for panel, axes in grid.axes_dict.items() if figure.panels else ((None, grid.ax),):
        panel_chances = chances if panel is None else chances[chances[figure.panels] == panel]
        (axes.axvline if horizontal else axes.axhline)(
            float(panel_chances["value"].mean()), color="black", linestyle="--", linewidth=1
        )


def _limit_to_shares(axes: Any, limit: str) -> dict[str, tuple[float, float]]:
    """Return the limits of an axis clipped to 0 and 1, with a margin for markers."""
    low, high = getattr(axes, f"get_{limit}")()
    return {limit: (max(-0.015 if low else 0.0, low), min(1.015, high))}


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval over seeds, for seaborn."""
    return interval_ends(mean_over_seeds(list(values)))


def one_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean minus and plus one standard deviation (n - 1), for seaborn."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)) - spread, float(np.mean(values)) + spread


def _curves(values: pd.DataFrame, figure: FigureSettings) -> Any:
    """Draw lines, bars or dots against x, by hue, in panels."""
    import seaborn as sns

    numbers = figure.kind == "line" and pd.api.types.is_numeric_dtype(values[figure.x])
    shared: dict[str, Any] = {
        "data": values if numbers else values.assign(**{figure.x: values[figure.x].astype(str)}),
        "x": figure.x,
        "y": "value",
        "hue": figure.hue or None,
        "col": figure.panels or None,
        "col_wrap": count_panels_per_row(values, figure),
        "errorbar": one_deviation if figure.spread == "deviation" else interval_over_seeds,
        "height": SIZE,
        "aspect": 1.3,
    }
    if figure.hue:
        shared["palette"] = sns.color_palette("colorblind", values[figure.hue].nunique())
    if figure.kind == "line":
        is_curve = figure.source == "training"
        shared |= {
            "facet_kws": {"sharey": figure.panels != "term"},
            "err_style": "band" if figure.band or is_curve else "bars",
        }
        return sns.relplot(kind="line", marker=None if values[figure.x].nunique() > MAX_MARKERS else "o", **shared)
    if is_horizontal(values, figure):
        rows = values[figure.x].nunique()
        if figure.kind == "bar" and figure.hue:
            rows *= values[figure.hue].nunique()
        height = max(SIZE, ROW_HEIGHT * rows)
        shared |= {"x": "value", "y": figure.x, "height": height, "aspect": HORIZONTAL_WIDTH / height}
    if figure.kind == "bar":
        return sns.catplot(kind="bar", **shared)
    if figure.hue:
        shared["dodge"] = 0.1 * values[figure.hue].nunique()
    return sns.catplot(kind="point", linestyle="none", markersize=4, linewidth=1.2, **shared)


def count_panels_per_row(values: pd.DataFrame, figure: FigureSettings) -> int | None:
    """Return the number of panels per row; None if all fit in one."""
    return MAX_PANELS_PER_ROW if figure.panels and values[figure.panels].nunique() > MAX_PANELS_PER_ROW else None


def is_horizontal(values: pd.DataFrame, figure: FigureSettings) -> bool:
    """Return whether bars, dots and boxes are horizontal, because their names would overlap."""
    names = values[figure.x].astype(str).unique()
    return figure.kind in ("bar", "dots", "box") and (
        len(names) > MAX_VERTICAL_BARS or sum(map(len, names)) > MAX_LABEL_LETTERS
    )


def _heat(values: pd.DataFrame, figure: FigureSettings) -> Any:
    """Draw heat maps of means over seeds, with x as columns and y as rows, in panels."""
    import seaborn as sns

    means = values.groupby([n for n in (figure.x, figure.y, figure.panels) if n], sort=False)["value"].mean()
    low, high = float(np.min(means)), float(np.max(means))
    row_labels, column_labels = (list(dict.fromkeys(values[name])) for name in (figure.y, figure.x))

    def cells(data: pd.DataFrame, **_: Any) -> None:
        table = data.pivot_table(index=figure.y, columns=figure.x, values="value", aggfunc="mean", sort=False)
        table = table.reindex(index=row_labels, columns=column_labels)  # panels share their axes
        sns.heatmap(table, annot=True, fmt=".3f", vmin=low, vmax=high, cbar=False, cmap="viridis")

    grid = sns.FacetGrid(
        values, col=figure.panels or None, col_wrap=count_panels_per_row(values, figure), height=SIZE, aspect=1.3
    )
    grid.map_dataframe(cells)
    return grid
