"""Figures of a study as PNG and SVG, with their data beside them. Draws what it is given; estimates nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.intervals import over_seeds
from sslbench.analysis.tables.selection import DEFAULT_FACT, seed_values, select, told_apart, unit_values, whole
from sslbench.report.figures.style import pyplot, save_figure
from sslbench.study.definition import FigureSettings

SIZE, HORIZONTAL_WIDTH, ROW_HEIGHT = 3.6, 4.7, 0.26
MAX_TICKS, MAX_PANELS_PER_ROW = 8, 4
"""Ticks of an axis by factors, and panels side by side, at most."""
DEFAULT_NUMBERS = {"fraction": 1.0}
"""What an axis of numbers calls scores that have not the fact."""
MAX_VERTICAL_BARS, MAX_LABEL_LETTERS = 6, 40
"""Bars that stand side by side, and letters of their names, before these overlap."""


def draw_figure(frame: pd.DataFrame, figure: FigureSettings, folder: Path) -> Path:
    """Draw one figure into `folder`: NAME.png, NAME.svg and NAME.csv; raises ValueError when there is nothing to draw."""
    import seaborn as sns

    if not figure.x or (figure.kind == "heat" and not figure.y):
        raise ValueError("this scale has not the axis that it is drawn against")
    if frame.empty:
        raise ValueError("no run that it shows is done")
    named = [name for name in (figure.x, figure.y, figure.hue, figure.panels) if name]
    chosen = select(frame, figure.where, named)
    chances = select(frame, {**figure.where, "metric": figure.chance}, named) if figure.chance else None
    by = [*dict.fromkeys(named)]
    if figure.x in DEFAULT_NUMBERS:
        chosen = chosen.fillna({figure.x: DEFAULT_NUMBERS[figure.x]})
    values = (unit_values if figure.spread == "deviation" else seed_values)(told_apart(chosen, by), by)
    values = _fill_default_facts(values, figure).dropna(subset=[name for name in (figure.x, figure.y) if name])
    if values.empty:
        raise ValueError("no run that it shows is done")
    for name in (name for name in (figure.hue, figure.panels) if name):
        values[name] = [DEFAULT_FACT.get(name, value) if pd.isna(value) else whole(value) for value in values[name]]
    metrics = sorted(chosen["metric"].unique())
    pyplot()
    sns.set_theme(context="paper", style="whitegrid")
    grid = _heat(values, figure) if figure.kind == "heat" else _curves(values, figure)
    grid.set_titles("{col_name}")
    value = ", ".join(metrics) + (f" (dashed: {figure.chance})" if figure.chance else "")
    labels = (figure.x, figure.y or value.replace("_", " "))
    grid.set_axis_labels(*(labels[::-1] if _is_horizontal(values, figure) else labels))
    if chances is not None and len(chances):
        _draw_chance(grid, chances, figure, lying=_is_horizontal(values, figure))
    if values["value"].between(0, 1).all():  # shares: an interval of two seeds may reach where no share can be
        for axes in grid.axes.flat if figure.kind != "heat" else ():
            axes.set(**_limit_to_shares(axes, "xlim" if _is_horizontal(values, figure) else "ylim"))
    if figure.log:
        grid.set(xscale="log")
        _set_ticks(grid, sorted(values[figure.x].unique()))
    if figure.title:
        grid.figure.suptitle(figure.title, y=1.02)
    folder.mkdir(parents=True, exist_ok=True)
    values.to_csv(folder / f"{figure.name}.csv", index=False)
    return save_figure(grid.figure, folder / figure.name, tight=True)


def _fill_default_facts(values: pd.DataFrame, figure: FigureSettings) -> pd.DataFrame:
    """Scores that lack a fact which is told in words have a place of their own on an axis of it."""
    for name in {figure.x, figure.y} & set(DEFAULT_FACT):
        if not pd.api.types.is_numeric_dtype(values[name]):
            values = values.assign(**{name: values[name].fillna(DEFAULT_FACT[name])})
    return values


def _set_ticks(grid: Any, places: Sequence[float]) -> None:
    """Ticks at what was measured, as plain numbers, where these are few."""
    if len(places) <= MAX_TICKS:
        for axes in grid.axes.flat:
            axes.set_xticks(places, [f"{place:g}" for place in places])
            axes.set_xticks([], minor=True)


def _draw_chance(grid: Any, chances: pd.DataFrame, figure: FigureSettings, *, lying: bool) -> None:
    """A dashed line in each panel where the score by chance lies."""
    for panel, axes in grid.axes_dict.items() if figure.panels else ((None, grid.ax),):
        here = chances if panel is None else chances[chances[figure.panels] == panel]
        (axes.axvline if lying else axes.axhline)(
            float(here["value"].mean()), color="black", linestyle="--", linewidth=1
        )


def _limit_to_shares(axes: Any, limit: str) -> dict[str, tuple[float, float]]:
    """An axis's limits, inside 0 and 1 but for what a dot there needs."""
    low, high = getattr(axes, f"get_{limit}")()
    return {limit: (max(-0.015 if low else 0.0, low), min(1.015, high))}


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval over seeds, for seaborn."""
    found = over_seeds(list(values))
    half = found.half or 0.0
    return found.mean - half, found.mean + half


def one_deviation(values: Sequence[float]) -> tuple[float, float]:
    """The mean and one standard deviation (n - 1) to either side, for seaborn."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)) - spread, float(np.mean(values)) + spread


def _curves(values: pd.DataFrame, figure: FigureSettings) -> Any:
    """A line or bars against x, by hue, in panels."""
    import seaborn as sns

    numbers = figure.kind == "line" and pd.api.types.is_numeric_dtype(values[figure.x])
    shared: dict[str, Any] = {
        "data": values if numbers else values.assign(**{figure.x: values[figure.x].astype(str)}),
        "x": figure.x,
        "y": "value",
        "hue": figure.hue or None,
        "col": figure.panels or None,
        "col_wrap": _panels_per_row(values, figure),
        "errorbar": one_deviation if figure.spread == "deviation" else interval_over_seeds,
        "height": SIZE,
        "aspect": 1.3,
    }
    if figure.hue:
        shared["palette"] = sns.color_palette("colorblind", values[figure.hue].nunique())
    if figure.kind == "line":
        return sns.relplot(kind="line", err_style="band" if figure.band else "bars", marker="o", **shared)
    if _is_horizontal(values, figure):
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


def _panels_per_row(values: pd.DataFrame, figure: FigureSettings) -> int | None:
    """How many panels are side by side, where not all are."""
    return MAX_PANELS_PER_ROW if figure.panels and values[figure.panels].nunique() > MAX_PANELS_PER_ROW else None


def _is_horizontal(values: pd.DataFrame, figure: FigureSettings) -> bool:
    """Whether bars and dots lie down, because their names would overlap side by side."""
    names = values[figure.x].astype(str).unique()
    return figure.kind in ("bar", "dots") and (
        len(names) > MAX_VERTICAL_BARS or sum(map(len, names)) > MAX_LABEL_LETTERS
    )


def _heat(values: pd.DataFrame, figure: FigureSettings) -> Any:
    """Means over seeds, x across and y down, in panels."""
    import seaborn as sns

    means = values.groupby([n for n in (figure.x, figure.y, figure.panels) if n], sort=False)["value"].mean()
    low, high = float(np.min(means)), float(np.max(means))
    down, across = (list(dict.fromkeys(values[name])) for name in (figure.y, figure.x))

    def cells(data: pd.DataFrame, **_: Any) -> None:
        table = data.pivot_table(index=figure.y, columns=figure.x, values="value", aggfunc="mean", sort=False)
        table = table.reindex(index=down, columns=across)  # panels share their axes, also one that lacks a place
        sns.heatmap(table, annot=True, fmt=".3f", vmin=low, vmax=high, cbar=False, cmap="viridis")

    grid = sns.FacetGrid(
        values, col=figure.panels or None, col_wrap=_panels_per_row(values, figure), height=SIZE, aspect=1.3
    )
    grid.map_dataframe(cells)
    return grid
