"""Draw class scores by a numeric setting, and the number of classes that rise and fall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.report.figures.style import pyplot, save_figure

HIGHLIGHTED, MAX_PANELS_PER_ROW = 6, 3


def draw_curves(
    scores: pd.DataFrame, classes: pd.DataFrame, by: Sequence[str], axis: str, metric: str, path: Path
) -> None:
    """Draw a panel per group and a curve per class.

    The classes that change most are in color with one standard deviation over seeds, the others in gray.
    """
    groups = list(scores.groupby(list(by), dropna=False, sort=False))
    columns = min(MAX_PANELS_PER_ROW, len(groups))
    rows = -(-len(groups) // columns)
    figure, grid = pyplot().subplots(
        rows,
        columns,
        figsize=(4.4 * columns, 3.4 * rows),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    highlighted = []
    for place, (axes, (key, group)) in enumerate(zip(grid.flat, groups, strict=False)):
        effects = classes[(classes[list(by)] == list(key)).all(axis=1)]
        order = effects["slope_seeds"].abs().sort_values(ascending=False, kind="stable").index
        highlighted.append(set(effects.loc[order, "class"][:HIGHLIGHTED]))
        _panel(axes, group, highlighted[-1], axis)
        axes.set_title(", ".join(map(str, key)))
        if place % columns == 0:
            axes.set_ylabel(metric)
        if place + columns >= len(groups):  # the lowest panel of its column
            axes.set_xlabel(axis)
            axes.tick_params(labelbottom=True)
    for axes in list(grid.flat)[len(groups) :]:
        axes.axis("off")
    if all(one == highlighted[0] for one in highlighted):
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, fontsize=8, loc="outside right upper")
    else:
        for axes in list(grid.flat)[: len(groups)]:
            axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.0, 1.0))  # outside the axes, which curves fill
    save_figure(figure, path, tight=True)


def _panel(axes: Any, group: pd.DataFrame, highlighted: set[Any], axis: str) -> None:
    for name, one in group.groupby("class", sort=True):
        seeds = one.groupby([axis, "seed"])["value"].mean().groupby(level=0)
        mean, spread = seeds.mean(), seeds.std(ddof=1).fillna(0)
        if name not in highlighted:
            axes.plot(mean.index, mean, color="0.8", linewidth=0.8, zorder=1)
            continue
        (line,) = axes.plot(mean.index, mean, marker="o", markersize=3, label=str(name), zorder=3)
        low, high = (mean - spread).clip(0, 1), (mean + spread).clip(0, 1)  # shares lie between 0 and 1
        axes.fill_between(mean.index, low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def draw_counts(counts: pd.DataFrame, by: Sequence[str], basis: str, source: str, path: Path) -> None:
    """Draw the number of classes or datasets that rise and fall, by correction, for one basis."""
    import seaborn as sns

    pyplot()
    kinds = ["descending", "ascending"]
    chosen = counts[counts["basis"] == basis]
    long = chosen.melt(id_vars=[*by, "correction"], value_vars=kinds, var_name="trend", value_name="classes")
    long["group"] = long[list(by)].astype(str).agg(", ".join, axis=1)
    height = max(2.2, 0.5 * long["group"].nunique() + 1)
    grid = sns.catplot(
        data=long, kind="bar", y="group", x="classes", hue="trend", col="correction", height=height, aspect=4 / height,
        palette={"descending": "C3", "ascending": "C0"},
    )  # fmt: skip
    for axes in grid.axes.flat:
        axes.set_xlim(0, max(1, 1.1 * long["classes"].max()))  # also if no class changes
        for bars in axes.containers:
            axes.bar_label(bars, fontsize=7, padding=2)
    grid.set_titles("{col_name}").set_axis_labels(f"{source} with a trend, by {basis}", "")
    save_figure(grid.figure, path, tight=True)
