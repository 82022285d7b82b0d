"""Samples that a protocol singled out (nearest to a cluster's centre, retrieved), as a figure of a run. Computes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sslbench.data.table import Prepared
from sslbench.report.drawing import keep, pyplot, show
from sslbench.report.examples import classes_of

MOST, CELL = 8, 0.75


def draw_exemplars(evaluations: Sequence[Path], tables: Sequence[Prepared], folder: Path) -> list[Path]:
    """Draw every group of rows that the first evaluation of a dataset by a protocol left: `NAME-DATASET` as PNG and SVG."""
    made: dict[str, Path] = {}
    named = {table.name: table for table in tables}
    for stage in evaluations:
        scores = json.loads((stage / "scores.json").read_text())["scores"]
        table = named.get(str(scores[0]["dataset"])) if scores else None
        for file in sorted(stage.glob("*.json")) if table is not None else ():
            content = json.loads(file.read_text())
            groups = content.get("groups") if isinstance(content, dict) else None
            name = f"{content['name']}-{str(scores[0]['dataset']).replace('/', '-')}" if groups else ""
            if groups and table is not None and name not in made:
                for modality, what in table.modalities.items():
                    if what.layout == "image":
                        made[name] = _draw(table, modality, groups, folder / name)
    return list(made.values())


def _draw(table: Prepared, modality: str, groups: Mapping[str, Sequence[int]], path: Path) -> Path:
    wide = min(MOST, max(len(rows) for rows in groups.values()))
    size = (CELL * wide + 0.6, (CELL + 0.15) * len(groups))
    figure, grid = pyplot().subplots(len(groups), wide, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat:
        axes.axis("off")
    for line, (label, rows) in zip(grid, groups.items(), strict=True):
        line[0].text(-0.1, 0.5, label, ha="right", va="center", fontsize=7, transform=line[0].transAxes)
        shown = np.array(rows[:wide], np.int64)
        names = classes_of(table, shown)
        for axes, picture, name in zip(line, table.read(shown)[modality], names, strict=False):
            show(axes, picture)
            axes.set_title(name[:14], fontsize=5, pad=1)
    return keep(figure, path)
