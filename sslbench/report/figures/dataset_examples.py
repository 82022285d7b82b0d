"""Draw example samples of prepared data, from three classes with similar names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.data.table import Prepared
from sslbench.report.figures.style import label_row, sample_grid, save_figure, title_sample

CLASSES, PER_CLASS, CELL = 3, 3, 0.9


def draw_examples(table: Prepared, folder: Path, mark: str = "") -> list[Path]:
    """Draw `examples-NAME` as PNG and SVG for every modality, with a row per table or pool member.

    `mark` distinguishes tables of the same name.
    """
    paths = []
    for modality in table.modalities:
        if len(table):
            which = "" if len(table.modalities) == 1 else f"-{modality}"
            name = f"examples-{table.name.replace('/', '-')}{mark}{which}"
            rows = {
                label: choose_examples(class_names(table, rows), rows) for label, rows in _rows_by_member(table).items()
            }
            paths.append(_draw(table, modality, rows, folder / name))
    return paths


def _rows_by_member(table: Prepared) -> Mapping[str, NDArray[np.int64]]:
    """Return the rows of each pool member, or all rows by the table's name."""
    members = table.columns.get("member")
    if members is None:
        return {table.name: np.arange(len(table))}
    return {label: np.flatnonzero(members == label) for label in dict.fromkeys(members.tolist())}


def class_names(table: Prepared, rows: NDArray[np.int64]) -> list[str]:
    """Return the class name of each row, '' for unlabeled rows."""
    if "class" in table.columns:
        return [str(name) for name in table.columns["class"][rows]]
    if table.target.kind != "class":
        return [""] * len(rows)
    return [table.target.names[code] if code >= 0 else "" for code in table.labels[rows]]


def choose_examples(classes: Sequence[str], rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Choose evenly spaced rows of a few classes, or of all rows if there are no classes."""
    names = most_similar_names(sorted(set(classes) - {""}))
    if not names:
        return {"": _evenly_spaced(rows, CLASSES * PER_CLASS)}
    return {name: _evenly_spaced(rows[np.array(classes) == name], PER_CLASS) for name in names}


def most_similar_names(names: Sequence[str], most: int = CLASSES) -> list[str]:
    """Return `most` consecutive names of a sorted list with the longest common prefix."""
    starts = range(max(1, len(names) - most + 1))
    shared = [_common_start(names[i], names[min(i + most, len(names)) - 1]) if names else 0 for i in starts]
    best = int(np.argmax(shared))
    return list(names[best : best + most])


def _common_start(first: str, last: str) -> int:
    """Return the length of the common prefix of two names."""
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _evenly_spaced(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    places = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64))
    spread: NDArray[np.int64] = rows[places]
    return spread


def _draw(table: Prepared, modality: str, blocks: Mapping[str, Mapping[str, NDArray[np.int64]]], path: Path) -> Path:
    columns, what = CLASSES * PER_CLASS, table.modalities[modality]
    figure, grid = sample_grid(len(blocks), columns, cell=CELL)
    for grid_row, (label, groups) in zip(grid, blocks.items(), strict=True):
        label_row(grid_row[0], label, rotation=90)
        for place, (name, rows) in enumerate(groups.items()):
            title_sample(grid_row[place * PER_CLASS], name, 7, loc="left")
            stored = table.read(rows)
            lengths = stored.get(f"{modality}.length", [None] * len(rows))
            for axes, values, length in zip(grid_row[place * PER_CLASS :], stored[modality], lengths, strict=False):
                what.code.draw(axes, values, what, length)
    return save_figure(figure, path, tight=True)
