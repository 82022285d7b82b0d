"""Figures of a study as PNG and SVG, with their data beside them. Draws what it is given; estimates nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.grids import seed_values, select
from sslbench.analysis.intervals import over_seeds
from sslbench.study.definition import FigureSettings

SIZE, DPI = 3.6, 160


def draw(frame: pd.DataFrame, figure: FigureSettings, folder: Path) -> Path:
    """Draw one figure into `folder`: NAME.png, NAME.svg and NAME.csv; raises ValueError when there is nothing to draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    if not figure.x or (figure.kind == "heat" and not figure.y):
        raise ValueError("this scale has not the axis that it is drawn against")
    named = [name for name in (figure.x, figure.y, figure.hue, figure.panels) if name]
    chosen = select(frame, figure.where, named)
    values = seed_values(chosen, [*dict.fromkeys(named)])
    values = values.dropna(subset=[name for name in (figure.x, figure.y) if name])
    if values.empty:
        raise ValueError("no run that it shows is done")
    metrics = sorted(chosen["metric"].unique())
    sns.set_theme(context="paper", style="whitegrid")
    grid = _heat(values, figure) if figure.kind == "heat" else _curves(values, figure)
    grid.set_titles("{col_name}")
    grid.set_axis_labels(figure.x, figure.y or ", ".join(metrics).replace("_", " "))
    if figure.title:
        grid.figure.suptitle(figure.title, y=1.02)
    folder.mkdir(parents=True, exist_ok=True)
    values.to_csv(folder / f"{figure.name}.csv", index=False)
    grid.figure.savefig(folder / f"{figure.name}.png", dpi=DPI, bbox_inches="tight")
    grid.figure.savefig(folder / f"{figure.name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(grid.figure)
    return folder / f"{figure.name}.png"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval over seeds, for seaborn."""
    found = over_seeds(list(values))
    half = found.half or 0.0
    return found.mean - half, found.mean + half


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
        "errorbar": interval,
        "height": SIZE,
        "aspect": 1.3,
    }
    if figure.hue:
        shared["palette"] = sns.color_palette("colorblind", values[figure.hue].nunique())
    if figure.kind == "line":
        return sns.relplot(kind="line", err_style="bars", marker="o", **shared)
    return sns.catplot(kind="bar", **shared)


def _heat(values: pd.DataFrame, figure: FigureSettings) -> Any:
    """Means over seeds, x across and y down, in panels."""
    import seaborn as sns

    means = values.groupby([n for n in (figure.x, figure.y, figure.panels) if n], sort=False)["value"].mean()
    low, high = float(np.min(means)), float(np.max(means))

    def cells(data: pd.DataFrame, **_: Any) -> None:
        table = data.pivot_table(index=figure.y, columns=figure.x, values="value", aggfunc="mean", sort=False)
        sns.heatmap(table, annot=True, fmt=".3f", vmin=low, vmax=high, cbar=False, cmap="viridis")

    grid = sns.FacetGrid(values, col=figure.panels or None, height=SIZE, aspect=1.3)
    grid.map_dataframe(cells)
    return grid
