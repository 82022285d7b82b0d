"""Draw the groups of samples that a protocol selected, such as cluster exemplars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslbench.data.table import Prepared
from sslbench.report.figures.dataset_examples import class_names
from sslbench.report.figures.style import choose_shown, label_row, sample_grid, save_figure, title_sample
from sslbench.stages.graph import Stage

MAX_PER_GROUP, CELL = 8, 0.75


def draw_exemplars(evaluations: Sequence[Stage], tables: Sequence[Prepared], folder: Path) -> list[Path]:
    """Draw `NAME-DATASET` as PNG and SVG for every group artifact; of several evaluations the first is drawn."""
    paths: dict[str, Path] = {}
    named = {table.name: table for table in tables}
    for dataset, content in read_artifacts(evaluations):
        table, name = named.get(dataset), f"{content.get('name')}-{dataset.replace('/', '-')}"
        if not content.get("groups") or table is None or name in paths:
            continue
        shown = content.get("modalities") or [choose_shown(table.modalities)] * 2
        paths[name] = _draw(table, shown, content["groups"], folder / name)
    return list(paths.values())


def read_artifacts(evaluations: Sequence[Stage]) -> list[tuple[str, Mapping[str, Any]]]:
    """Read the JSON artifacts of evaluations, as (dataset, content)."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for stage in evaluations:
        for file in sorted(stage.folder.glob("*.json")):
            content = json.loads(file.read_text())
            if isinstance(content, dict) and "name" in content:
                found.append((str(stage.facts["dataset"]), content))
    return found


def _draw(table: Prepared, shown: Sequence[str], groups: Mapping[str, Sequence[int]], path: Path) -> Path:
    """Draw a row per group: its first sample in the first of two modalities, the others in the second."""
    columns = min(MAX_PER_GROUP, max(len(rows) for rows in groups.values()))
    figure, grid = sample_grid(len(groups), columns, cell=CELL)
    for grid_row, (label, rows) in zip(grid, groups.items(), strict=True):
        label_row(grid_row[0], label)
        chosen = np.array(rows[:columns], np.int64)
        names, stored = class_names(table, chosen), table.read(chosen)
        for place, (axes, name) in enumerate(zip(grid_row, names, strict=False)):
            modality = shown[min(place, 1)]
            steps = stored.get(f"{modality}.length")
            length = None if steps is None else int(steps[place])
            what = table.modalities[modality]
            what.code.draw(axes, stored[modality][place], what, length)
            title_sample(axes, name[:18], 5)
    return save_figure(figure, path, tight=True)
