"""Open and save figures as PNG and SVG, and lay out samples in a grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslbench.api.values import Modality

DPI = 160


def pyplot() -> Any:
    """Return matplotlib.pyplot with a backend that draws to files."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "sslbench"  # otherwise the ids of SVG elements are random
    import matplotlib.pyplot as plt

    return plt


def sample_grid(rows: int, columns: int, *, cell: float, gap: float = 0.2) -> tuple[Any, Any]:
    """Return a figure and its [rows, columns] axes without ticks, one for each sample.

    cell: width and height of a sample in inches.
    gap: space above each row in inches, for titles.
    Save it with `tight=True`, as texts lie outside the axes. Layout engines take seconds for a hundred axes.
    """
    figure, grid = pyplot().subplots(
        rows, columns, figsize=(cell * columns, (cell + gap) * rows), squeeze=False,
        subplot_kw={"xticks": (), "yticks": ()},
        gridspec_kw={"left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": 0.05, "hspace": gap / cell},
    )  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
    return figure, grid


def choose_shown(modalities: Mapping[str, Modality]) -> str:
    """Return the modality that represents a sample in figures: the first with images, or the first."""
    return next((name for name, one in modalities.items() if one.spec.has_image), next(iter(modalities)))


def title_sample(axes: Any, text: str, size: float, *, loc: str = "center") -> None:
    """Write a title directly above a sample; a fixed height avoids the search for a free one."""
    axes.set_title(text, fontsize=size, loc=loc, y=1.0, pad=3)


def label_row(axes: Any, text: str, *, rotation: float = 0) -> None:
    """Write a text to the left of a row's first sample."""
    axes.text(-0.1, 0.5, text, rotation=rotation, ha="right", va="center", fontsize=7, transform=axes.transAxes)


def save_figure(figure: Any, path: Path, *, tight: bool = False) -> Path:
    """Write PATH.png and PATH.svg, close the figure, and return the path of the PNG; the files are reproducible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    box = {"bbox_inches": "tight"} if tight else {}
    png = path.parent / f"{path.name}.png"
    figure.savefig(png, dpi=DPI, **box)
    figure.savefig(path.parent / f"{path.name}.svg", metadata={"Date": None}, **box)
    pyplot().close(figure)
    return png
