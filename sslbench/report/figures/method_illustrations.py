"""Draw the images that a method saved in pretraining, such as reconstructions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.report.figures.style import pyplot, save_figure, show_image

PREFIX = "illustration-"
ROWS, CELL = 8, 1.1


def draw_illustrations(stage: Path, folder: Path) -> list[Path]:
    """Draw every set of images of a pretraining as PNG and SVG, a column per caption and a row per sample.

    The first three channels are drawn, or the first of two.
    """
    paths = []
    for file in sorted(stage.glob(f"{PREFIX}*.npz")):
        with np.load(file) as opened:
            arrays = {
                name: opened[name][:ROWS] for name in opened.files if opened[name].ndim == 4 and len(opened[name])
            }
        if arrays:
            paths.append(_draw(arrays, folder / file.stem.removeprefix(PREFIX)))
    return paths


def _draw(arrays: Mapping[str, NDArray[np.float32]], path: Path) -> Path:
    rows = max(len(images) for images in arrays.values())
    size = (CELL * len(arrays), CELL * rows + 0.3)
    figure, grid = pyplot().subplots(rows, len(arrays), figsize=size, squeeze=False, layout="constrained")
    for column, (caption, images) in enumerate(arrays.items()):
        grid[0, column].set_title(caption, fontsize=9)
        for row in range(rows):
            grid[row, column].axis("off")
            if row < len(images):
                show_image(grid[row, column], np.clip(images[row], 0, 1) * 255)
    return save_figure(figure, path)
