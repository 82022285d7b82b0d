"""Draw class scores by a setting, the number of classes that rise and fall, and differences between names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.tables.text_tables import format_difference
from sslbench.report.class_units import ComparedUnit
from sslbench.report.figures.style import pyplot, save_figure

HIGHLIGHTED, MAX_PANELS_PER_ROW, MAX_CLASSES = 6, 3, 40


def draw_curves(
    scores: pd.DataFrame,
    classes: pd.DataFrame,
    by: Sequence[str],
    axis: str,
    metric: str,
    path: Path,
    *,
    is_share: bool,
) -> None:
    """Draw a panel per group and a curve per class.

    The classes that change most are in color with one standard deviation over seeds, the others in gray.
    is_share: whether scores lie between 0 and 1.
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
        _panel(axes, group, highlighted[-1], axis, is_share)
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


def _panel(axes: Any, group: pd.DataFrame, highlighted: set[Any], axis: str, is_share: bool) -> None:
    for name, one in group.groupby("class", sort=True):
        seeds = one.groupby([axis, "seed"])["value"].mean().groupby(level=0)
        mean, spread = seeds.mean(), seeds.std(ddof=1).fillna(0)
        if name not in highlighted:
            axes.plot(mean.index, mean, color="0.8", linewidth=0.8, zorder=1)
            continue
        (line,) = axes.plot(mean.index, mean, marker="o", markersize=3, label=str(name), zorder=3)
        low, high = mean - spread, mean + spread
        if is_share:
            low, high = low.clip(0, 1), high.clip(0, 1)
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


def draw_differences(units: pd.DataFrame, by: Sequence[str], unit: ComparedUnit, reference: str, path: Path) -> None:
    """Draw the difference of every unit's score to the reference, a column per comparison; * marks p < 0.05.

    Of more than 40 units those with the largest differences are drawn. Blue is better.
    """
    import seaborn as sns

    pyplot()
    columns = units[list(by)].astype(str).agg(", ".join, axis=1)
    gaps, ps = (
        units.assign(column=columns).pivot_table(
            index=unit.column, columns="column", values=value, sort=False, dropna=False
        )
        for value in ("difference", "p_holm")
    )
    order = gaps.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:MAX_CLASSES]
    gaps = gaps.loc[order].sort_values(gaps.columns[0], kind="stable")
    ps = ps.reindex(index=gaps.index, columns=gaps.columns)
    texts = [list(map(format_difference, *row)) for row in zip(gaps.to_numpy(), ps.to_numpy(), strict=True)]
    figure, axes = pyplot().subplots(figsize=(2.2 + 1.3 * len(gaps.columns), 1.2 + 0.3 * len(gaps)))
    limit = max(float(gaps.abs().max().max()), 0.01)
    sns.heatmap(
        gaps, ax=axes, cmap="RdBu" if unit.higher_is_better else "RdBu_r", center=0, vmin=-limit, vmax=limit,
        annot=np.array(texts), fmt="", annot_kws={"fontsize": 7}, linewidths=0.5,
        cbar_kws={"label": f"difference of {unit.score.replace('_', ' ')} to {reference}"},
    )  # fmt: skip
    axes.set(xlabel="", ylabel="")
    axes.tick_params(axis="y", labelsize=8, rotation=0)
    axes.tick_params(axis="x", labelsize=8, rotation=30)
    save_figure(figure, path, tight=True)
