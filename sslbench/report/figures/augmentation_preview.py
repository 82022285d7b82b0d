"""Draw a few training samples as read, as prepared, and in two augmented views."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.values import Modality, View
from sslbench.config.plan_stages import PlannedTable
from sslbench.config.stage_inputs import PretrainInputs, TrainingInputs
from sslbench.data.canvas import Fit
from sslbench.data.table import Pool, Prepared
from sslbench.report.figures.style import sample_grid, save_figure, title_sample

SAMPLES, VIEWS, CELL, SEED = 3, 2, 1.15, 0


def draw_augmentation_preview(
    inputs: PretrainInputs, planned: PlannedTable, table: Prepared, folder: Path
) -> Path | None:
    """Draw `seen` as PNG and SVG, one row per sample; None for a method without augmented views."""
    training, modalities = inputs.training, inputs.modalities
    roles = [role for role, wanted in training.roles.items() if wanted.augment] if training else []
    if training is None or not roles or not len(table):
        return None
    rows = np.unique(np.linspace(0, len(table) - 1, SAMPLES).astype(np.int64))
    stored = table.read(rows)
    views = _views(training, modalities, planned.prepare.samples.fit, table, rows, roles[0])
    steps = ("read", "prepared", *(f"view {number + 1}" for number in range(len(views))))
    columns = [f"{name}\n{step}" for name in modalities for step in steps]
    figure, grid = sample_grid(len(rows), len(columns), cell=CELL, gap=0.05)
    for axes, title in zip(grid[0], columns, strict=True):
        title_sample(axes, title, 7)
    for grid_row, (place, row) in zip(grid, enumerate(table.kept[rows].tolist()), strict=True):
        read = planned.part.dataset.read(row, np.random.default_rng(SEED))
        cells = iter(grid_row)
        for name, modality in modalities.items():
            lengths: list[Any] = [None, *(source.get(f"{name}.length") for source in (stored, *views))]
            values = [read[name], stored[name][place], *(view[name][place].numpy() for view in views)]
            for value, length in zip(values, lengths, strict=True):
                axes = next(cells)
                modality.code.draw(axes, value, modality, None if length is None else int(length[place]))
    return save_figure(figure, folder / "seen", tight=True)


def _views(
    training: TrainingInputs, modalities: Mapping[str, Modality], fit: Fit, table: Prepared, rows: NDArray[np.int64],
    role: str,
) -> list[View]:  # fmt: skip
    """Make up to two views of these rows in one role, with the first augmentation."""
    import torch

    from sslbench.train.build import build_augmentation, make_views

    pool = Pool(members=[(table, np.arange(len(table)))], modalities=modalities)
    maker = make_views(modalities, SEED, torch.device("cpu"), is_squashed=fit == "squash")
    augmentation = build_augmentation(training.augmentations[0], modalities, pool)
    natural = maker.natural(pool.read(rows))
    made = maker.make(natural, torch.from_numpy(rows), 0, augmentation, {role: training.roles[role]})
    return list(made[role][:VIEWS])
