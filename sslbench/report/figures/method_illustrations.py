"""Draw the samples that a method saved in pretraining, such as reconstructions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.layouts import LAYOUTS
from sslbench.data.table import MODALITY_ENTRY, read_modality
from sslbench.report.figures.style import sample_grid, save_figure, title_sample

PREFIX = "illustration-"
OLD_MODALITY: Mapping[str, Any] = {"layout": "image"}
"""Modality of files that an earlier version wrote, which state none."""
ROWS, CELL = 8, 1.1


def draw_illustrations(stage: Path, folder: Path) -> list[Path]:
    """Draw every set of samples of a pretraining as PNG and SVG, a column per caption and a row per sample.

    Their layout draws them.
    """
    paths = []
    for file in sorted(stage.glob(f"{PREFIX}*.npz")):
        with np.load(file) as opened:
            described = json.loads(str(opened[MODALITY_ENTRY])) if MODALITY_ENTRY in opened.files else OLD_MODALITY
            spec = LAYOUTS.find(described["layout"])
            arrays = {name: opened[name][:ROWS] for name in opened.files if name != MODALITY_ENTRY}
        samples = {name: one for name, one in arrays.items() if one.ndim == 1 + len(spec.axes) and len(one)}
        lengths = {name: arrays[f"{name}.length"].tolist() for name in samples if f"{name}.length" in arrays}
        if samples:
            paths.append(_draw(samples, lengths, described, folder / file.stem.removeprefix(PREFIX)))
    return paths


def _draw(
    arrays: Mapping[str, NDArray[np.float32]],
    lengths: Mapping[str, Sequence[int]],
    described: Mapping[str, Any],
    path: Path,
) -> Path:
    rows = max(len(samples) for samples in arrays.values())
    figure, grid = sample_grid(rows, len(arrays), cell=CELL, gap=0.05)
    for column, (caption, samples) in enumerate(arrays.items()):
        title_sample(grid[0, column], caption, 9)
        for axes, values, length in zip(grid[:, column], samples, lengths.get(caption, [None] * rows), strict=False):
            modality = read_modality({**described, "shape": values.shape})
            modality.code.draw(axes, values, modality, length)
    return save_figure(figure, path, tight=True)
