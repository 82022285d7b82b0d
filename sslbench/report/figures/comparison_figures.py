"""Draw box plots of scores and relative gains, and heat maps of wins, as PNG and SVG with their data as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.analysis.tables.comparisons import count_wins, measure_gains
from sslbench.analysis.tables.published_columns import format_added, to_dicts
from sslbench.analysis.tables.text_tables import label
from sslbench.report.comparison_tables import join_published, select_cells
from sslbench.report.figures.study_figures import (
    HORIZONTAL_WIDTH,
    ROW_HEIGHT,
    SIZE,
    count_panels_per_row,
    is_horizontal,
)
from sslbench.report.figures.style import pyplot, save_figure
from sslbench.report.tables import Frames
from sslbench.study.output_settings import FigureSettings

MAX_POINTS = 30
"""Maximum of points of a box that are drawn in addition to it."""
BOX_WIDTH, CELL_SIDE = 0.8, 0.75
"""Share of its place that the boxes of a name fill, and inches of a place of a matrix."""
MAX_COLUMN_LETTERS = 9
"""Maximum of letters of the names of columns, before they are vertical."""


def draw_comparison(frames: Frames, figure: FigureSettings, axes: Sequence[str], folder: Path) -> Path:
    """Write NAME.png, NAME.svg and NAME.csv into `folder`; raises ValueError if there is nothing to draw."""
    import seaborn as sns

    pyplot()
    sns.set_theme(context="paper", style="white" if figure.kind == "wins" else "whitegrid")
    values, grid = (_wins if figure.kind == "wins" else _boxes)(frames, figure, axes)
    grid.set_titles("{col_name}")
    if figure.title:
        grid.figure.suptitle(figure.title, y=1.02)
    folder.mkdir(parents=True, exist_ok=True)
    values.to_csv(folder / f"{figure.name}.csv", index=False)
    return save_figure(grid.figure, folder / figure.name, tight=True)


def _wins(frames: Frames, figure: FigureSettings, axes: Sequence[str]) -> tuple[pd.DataFrame, Any]:
    """Draw the win matrices of all panels: rows win over columns."""
    import seaborn as sns

    axis, by = figure.axis, [figure.panels] if figure.panels else []
    cells = select_cells(frames, figure, axis, by, axes)
    if cells is None:
        raise ValueError("no matching run is done")
    found = count_wins(cells, figure.welch)
    if found.empty:
        raise ValueError(f"only one value of {axis} has scores")
    names = list(dict.fromkeys(cells.frame[axis]))
    found = join_published(found, frames, figure, "_wins", "share")
    texts = [
        (f"{row['share']:.2f}\n{row['won']}/{row['compared']}" if row["compared"] else "–")
        + format_added(row, 2, suffix="_wins").replace(" (", "\n(")
        for row in to_dicts(found)
    ]
    found = found.assign(text=texts)

    rotation = 90 if max(map(len, names)) > MAX_COLUMN_LETTERS else 0

    def matrix(data: pd.DataFrame, **_: Any) -> None:
        table, text = (
            data.pivot(index=axis, columns="over", values=name).reindex(index=names, columns=names)
            for name in ("share", "text")
        )
        drawn = sns.heatmap(
            table, annot=text.fillna(""), fmt="", vmin=0, vmax=1, cmap="vlag_r", linewidths=1, cbar=False, square=True,
            annot_kws={"size": 8},
        )  # fmt: skip
        drawn.tick_params(axis="x", rotation=rotation)
        drawn.tick_params(axis="y", rotation=0)

    height = max(SIZE, CELL_SIDE * len(names) + 1)
    grid = sns.FacetGrid(
        found, col=figure.panels or None, col_wrap=count_panels_per_row(found, figure), height=height, aspect=1
    )
    grid.map_dataframe(matrix)
    grid.set_axis_labels("over", f"wins of {axis}")
    return found.drop(columns="text"), grid


def _boxes(frames: Frames, figure: FigureSettings, axes: Sequence[str]) -> tuple[pd.DataFrame, Any]:
    """Draw boxes of all scores, or of the gains of all cells, with the points if they are few."""
    import seaborn as sns

    is_gain, named = bool(figure.reference), [name for name in (figure.x, figure.hue, figure.panels) if name]
    axis = figure.axis if is_gain and figure.axis else figure.x
    settings = figure if is_gain else replace(figure, repetitions=())  # each score is a point
    cells = select_cells(frames, settings, axis, [name for name in dict.fromkeys(named) if name != axis], axes)
    if cells is None or not figure.x:
        raise ValueError("no matching run is done" if figure.x else "its axis is not defined in this scale")
    metric = str(figure.where.get("metric", "score")).replace("_", " ")
    values, text, suffix = cells.frame.drop(columns="repetitions"), metric, ""
    if is_gain:
        reference = label(axis, figure.reference, frames.varied)
        gains = measure_gains(cells, reference).rename(columns={"value": "score", "gain": "value"})
        values = gains.dropna(subset=["value"])
        text, suffix = f"gain of {metric} over {reference} (%)", "_gain"
    if values.empty:
        raise ValueError("no cell has scores of the reference and of another value")
    values = values.assign(**{name: [label(name, value, frames.varied) for value in values[name]] for name in named})
    horizontal = is_horizontal(values, figure)
    orders: dict[str, Any] = {"order": list(dict.fromkeys(values[figure.x]))}
    if figure.hue:
        orders |= {"hue": figure.hue, "hue_order": list(dict.fromkeys(values[figure.hue]))}
    shared = {**orders, "x": "value" if horizontal else figure.x, "y": figure.x if horizontal else "value"}
    most = int(values.groupby(list(dict.fromkeys(named)), sort=False).size().max())
    boxes = len(orders["order"]) * len(orders.get("hue_order", [0]))
    height = max(SIZE, ROW_HEIGHT * boxes) if horizontal else SIZE
    grid = sns.catplot(
        kind="box", data=values, **shared, col=figure.panels or None, col_wrap=count_panels_per_row(values, figure),
        height=height, aspect=HORIZONTAL_WIDTH / height if horizontal else 1.3, width=BOX_WIDTH, linewidth=1,
        showfliers=most > MAX_POINTS, boxprops={"alpha": 0.6}, palette="colorblind" if figure.hue else None,
    )  # fmt: skip
    published = _published_boxes(values, frames, figure, suffix)
    for panel, drawn in grid.axes_dict.items() if figure.panels else ((None, grid.ax),):
        own, marks = (one if panel is None else one[one[figure.panels] == panel] for one in (values, published))
        if most <= MAX_POINTS:
            points = {"palette": "dark:black", "dodge": True} if figure.hue else {"color": "black"}
            sns.stripplot(data=own, **shared, **points, jitter=False, size=3.5, alpha=0.6, legend=False, ax=drawn)
        if is_gain:
            (drawn.axvline if horizontal else drawn.axhline)(0, color="black", linewidth=1)
        _mark_published(drawn, marks, figure, orders, horizontal=horizontal)
    text += "\n(diamonds: published)" if len(published) else ""
    grid.set_axis_labels(*((text, figure.x) if horizontal else (figure.x, text)))
    return values, grid


def _published_boxes(values: pd.DataFrame, frames: Frames, figure: FigureSettings, suffix: str) -> pd.DataFrame:
    """Return the published number of each box that has one."""
    named = [name for name in dict.fromkeys((figure.x, figure.hue, figure.panels, figure.axis)) if name]
    boxes = values.groupby(named, sort=False)["value"].median().reset_index()
    found = join_published(boxes, frames, figure, suffix, "value").rename(
        columns=lambda name: name.removesuffix(suffix)
    )
    return found.dropna(subset=["published"]) if "published" in found else found.head(0)


def _mark_published(
    axes: Any, published: pd.DataFrame, figure: FigureSettings, orders: dict[str, Any], *, horizontal: bool
) -> None:
    """Draw published means as diamonds, with lines from minimum to maximum."""
    hues = orders.get("hue_order", [None])
    for row in to_dicts(published):
        hue = hues.index(row[figure.hue]) if figure.hue else 0
        place = orders["order"].index(row[figure.x]) + (hue - (len(hues) - 1) / 2) * BOX_WIDTH / len(hues)
        style = {"color": "crimson", "zorder": 5}
        means, ends = [row["published"]], [row["published_min"], row["published_max"]]
        for numbers, own in ((means, {"marker": "D", "markersize": 5, "linestyle": ""}), (ends, {"linewidth": 1})):
            at = [place] * len(numbers)
            axes.plot(*((numbers, at) if horizontal else (at, numbers)), **style, **own)
