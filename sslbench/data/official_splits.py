"""Read the official splits of a dataset: column 'split', or 'split.0', 'split.1', ... where several are published."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sslbench.data.groups import Columns

PARTS = ("train", "validation", "test")


def count_official_splits(columns: Columns) -> int:
    """Return the number of official splits: 1 for column 'split', else the number of columns 'split.0', 'split.1', ..."""
    if "split" in columns:
        return 1
    count = 0
    while f"split.{count}" in columns:
        count += 1
    return count


def name_official_split(columns: Columns, fold: int) -> str:
    """Return the column with the official split of a fold."""
    return "split" if "split" in columns else f"split.{fold}"


def official_parts(columns: Columns, fold: int) -> NDArray[np.str_] | None:
    """Return the part [n] of every sample in the official split of a fold, or None without one."""
    return columns.get(name_official_split(columns, fold))


def join_official_parts(columns: Columns, samples: int) -> NDArray[np.str_]:
    """Return one text [n] for every sample with its parts in all official splits; '' without any."""
    joined = np.full(samples, "", np.str_)
    for fold in range(count_official_splits(columns)):
        parts = official_parts(columns, fold)
        joined = joined if parts is None else np.char.add(np.char.add(joined, "/" if fold else ""), parts)
    return joined
