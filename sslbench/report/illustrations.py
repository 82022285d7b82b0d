"""What a method shows of itself (reconstructions, prototypes) as figures of a run. Draws what is there; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.report.drawing import keep, pyplot

PREFIX = "illustration-"
ROWS, CELL = 8, 1.1


def draw_illustrations(stage: Path, folder: Path) -> list[Path]:
    """Draw every set of pictures that a pretraining left: a column per caption, a row per sample, as PNG and SVG.

    Of more than three channels the first three are drawn, of two the first.
    """
    made = []
    for file in sorted(stage.glob(f"{PREFIX}*.npz")):
        with np.load(file) as opened:
            arrays = {
                name: opened[name][:ROWS] for name in opened.files if opened[name].ndim == 4 and len(opened[name])
            }
        if arrays:
            made.append(_draw(arrays, folder / file.stem.removeprefix(PREFIX)))
    return made


def _draw(arrays: Mapping[str, NDArray[np.float32]], path: Path) -> Path:
    rows = max(len(pictures) for pictures in arrays.values())
    size = (CELL * len(arrays), CELL * rows + 0.3)
    figure, grid = pyplot().subplots(rows, len(arrays), figsize=size, squeeze=False, layout="constrained")
    for column, (caption, pictures) in enumerate(arrays.items()):
        grid[0, column].set_title(caption, fontsize=9)
        for row in range(rows):
            grid[row, column].axis("off")
            if row < len(pictures):
                channels = pictures[row][: 3 if len(pictures[row]) >= 3 else 1]
                picture = np.clip(np.moveaxis(channels, 0, -1), 0, 1)
                grid[row, column].imshow(
                    picture.squeeze(-1) if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1
                )
    return keep(figure, path)
