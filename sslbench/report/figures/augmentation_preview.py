"""Draw a few training samples as read, as prepared, and in two augmented views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sslbench.api.values import View
from sslbench.config.plan import Plan
from sslbench.data.table import Pool, Prepared
from sslbench.report.figures.style import sample_grid, save_figure, title_sample

SAMPLES, VIEWS, CELL, SEED = 3, 2, 1.15, 0


def draw_augmentation_preview(plan: Plan, table: Prepared, folder: Path) -> Path | None:
    """Draw `seen` as PNG and SVG, one row per sample; None for a method without augmented views."""
    roles = [role for role, wanted in plan.roles.items() if wanted.augment]
    if not plan.spec.trains or not roles or not len(table):
        return None
    rows = np.unique(np.linspace(0, len(table) - 1, SAMPLES).astype(np.int64))
    stored = table.read(rows)
    views = _views(plan, table, rows, roles[0])
    steps = ("read", "prepared", *(f"view {number + 1}" for number in range(len(views))))
    columns = [f"{name}\n{step}" for name in plan.modalities for step in steps]
    figure, grid = sample_grid(len(rows), len(columns), cell=CELL, gap=0.05)
    for axes, title in zip(grid[0], columns, strict=True):
        title_sample(axes, title, 7)
    for grid_row, (place, row) in zip(grid, enumerate(table.kept[rows].tolist()), strict=True):
        read = plan.pretrain_parts[0].dataset.read(row, np.random.default_rng(SEED))
        cells = iter(grid_row)
        for name, modality in plan.modalities.items():
            lengths: list[Any] = [None, *(source.get(f"{name}.length") for source in (stored, *views))]
            values = [read[name], stored[name][place], *(view[name][place].numpy() for view in views)]
            for value, length in zip(values, lengths, strict=True):
                axes = next(cells)
                modality.code.draw(axes, value, modality, None if length is None else int(length[place]))
    return save_figure(figure, folder / "seen", tight=True)


def _views(plan: Plan, table: Prepared, rows: np.ndarray[Any, np.dtype[np.int64]], role: str) -> list[View]:
    """Make up to two views of these rows in one role, with the first augmentation."""
    import torch

    from sslbench.train.build import build_augmentation, make_views

    pool = Pool(members=[(table, np.arange(len(table)))], modalities=plan.modalities)
    is_squashed = plan.prepare.fit == "squash"
    maker = make_views(plan.modalities, SEED, torch.device("cpu"), is_squashed=is_squashed)
    augmentation = build_augmentation(plan.augmentations[0].reset_unused(plan.view), plan.modalities, pool)
    natural = maker.natural(pool.read(rows))
    made = maker.make(natural, torch.from_numpy(rows), 0, augmentation, {role: plan.roles[role]})
    return list(made[role][:VIEWS])
