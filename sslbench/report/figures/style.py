"""Open and save figures as PNG and SVG, and draw single samples."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.values import Layout

DPI = 160
CHANNEL_COLORS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#888888")
"""Colors of a sequence's channels, safe for color-blind readers (Paul Tol's bright scheme)."""


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


def show_image(axes: Any, image: NDArray[Any]) -> None:
    """Draw an image [C, H, W] of values from 0 to 255: its first three channels, or the first one."""
    channels = np.moveaxis(image[: 3 if len(image) >= 3 else 1], 0, -1).astype(np.uint8)
    axes.imshow(channels.squeeze(-1) if channels.shape[-1] == 1 else channels, cmap="gray", vmin=0, vmax=255)


def show_sample(axes: Any, values: NDArray[Any], layout: Layout, steps: int | None = None) -> None:
    """Draw one modality of a sample: an image, a sequence [T, C] as a line per channel, or a vector [D] as bars.

    `steps` is the number of time steps of a padded sequence.
    """
    if layout == "image":
        show_image(axes, values)
    elif layout == "sequence":
        for channel, color in zip(values[:steps].T, itertools.cycle(CHANNEL_COLORS), strict=False):
            axes.plot(channel, color=color, linewidth=0.7)
    else:
        axes.bar(np.arange(len(values)), values, color=CHANNEL_COLORS[0], width=1.0)
        axes.set_yscale("symlog")  # the elements have different units, and large ones would hide the others
