"""Open and save figures as PNG and SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DPI = 160


def pyplot() -> Any:
    """Return matplotlib.pyplot with a backend that draws to files."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "sslbench"  # otherwise the ids of SVG elements are random
    import matplotlib.pyplot as plt

    return plt


def save_figure(figure: Any, path: Path, *, tight: bool = False) -> Path:
    """Write PATH.png and PATH.svg, close the figure, and return the path of the PNG; the files are reproducible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    box = {"bbox_inches": "tight"} if tight else {}
    png = path.parent / f"{path.name}.png"
    figure.savefig(png, dpi=DPI, **box)
    figure.savefig(path.parent / f"{path.name}.svg", metadata={"Date": None}, **box)
    pyplot().close(figure)
    return png
