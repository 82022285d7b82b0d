"""Draw scatter plots of two-dimensional embeddings, such as t-SNE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sslbench.report.figures.cluster_exemplars import read_artifacts
from sslbench.report.figures.style import pyplot, save_figure
from sslbench.stages.graph import Stage

SIDE, MAX_LEGEND = 3.6, 24


def draw_points(evaluations: Sequence[Stage], folder: Path) -> list[Path]:
    """Draw `NAME-DATASET` as PNG and SVG for the first table with columns x and y of each name and dataset.

    Every other column colors the points of one panel.
    """
    paths: dict[str, Path] = {}
    for dataset, content in read_artifacts(evaluations):
        columns = content.get("columns") or {}
        name = f"{content['name']}-{dataset.replace('/', '-')}"
        if {"x", "y"} < set(columns) and columns["x"] and name not in paths:
            paths[name] = _draw(columns, folder / name)
    return list(paths.values())


def _draw(columns: Mapping[str, Sequence[Any]], path: Path) -> Path:
    import seaborn as sns

    hues = [name for name in columns if name not in ("x", "y")]
    plt = pyplot()
    sns.set_theme(context="paper", style="white")
    figure, grid = plt.subplots(
        1, len(hues), figsize=(1.5 * SIDE * len(hues), SIDE), squeeze=False, layout="constrained"
    )
    for axes, hue in zip(grid[0], hues, strict=True):
        values = [str(value) for value in columns[hue]]
        labels = sorted(set(values))
        palette = sns.color_palette("colorblind" if len(labels) <= 10 else "husl", len(labels))
        sns.scatterplot(
            x=list(columns["x"]), y=list(columns["y"]), hue=values, hue_order=labels, palette=palette, s=9, linewidth=0,
            legend=len(labels) <= MAX_LEGEND, ax=axes,
        )  # fmt: skip
        axes.set(title=hue, xticks=[], yticks=[], xlabel="", ylabel="")
        if len(labels) <= MAX_LEGEND:
            sns.move_legend(axes, "center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=6, title="")
    return save_figure(figure, path, tight=True)
