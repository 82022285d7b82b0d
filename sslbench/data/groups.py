"""Groups of samples that no split may separate. Pure: columns and a rule in, the group of each sample out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sslbench.data.splits import SplitSettings

Rows = NDArray[np.int64]
Columns = Mapping[str, NDArray[np.str_]]
UNGROUPED = "none"
"""In `splits.groups`: no samples are kept together, not even those that the dataset's card names."""


def group_columns(settings: SplitSettings, groups: Sequence[str]) -> tuple[str, ...]:
    """List the columns that name a group: the one in `splits.groups`, else those of the dataset card, `groups`.

    With `splits.groups=none` there are none.
    """
    if settings.groups == UNGROUPED:
        return ()
    return (settings.groups,) if settings.groups else tuple(groups)


def group_key(columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> NDArray[np.str_] | None:
    """Name [n] the group of each sample that no split cuts; None where nothing is kept together."""
    names = group_columns(settings, groups)
    return _key(columns, names, settings.group_gap) if names else None


def joint_group_keys(
    tables: Sequence[tuple[Columns, Sequence[str]]], settings: SplitSettings
) -> list[NDArray[np.str_] | None]:
    """Name [n] the group of each sample of several datasets; None where a dataset keeps nothing together.

    Each table is its columns and the group columns of its card. Samples of two tables are in one group where the same
    columns name it by the same values. A dataset without the column in `splits.groups` is divided by its own card's,
    unless that says none.
    """
    found: list[NDArray[np.str_] | None] = [None] * len(tables)
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, (columns, groups) in enumerate(tables):
        possible = () if settings.groups == UNGROUPED else (group_columns(settings, groups), tuple(groups))
        names = next((names for names in possible if all(name in columns for name in names)), ())
        if names:
            alike.setdefault(names, []).append(place)
    for names, places in alike.items():
        together = {name: np.concatenate([tables[place][0][name] for place in places]) for name in names}
        key = _key(together, names, settings.group_gap if names == (settings.groups,) else 0.0)
        # the columns' names are part of a group's: two columns may hold the same values by chance
        key = np.char.add("\x1f".join(names) + "\x1e", key)
        ends = np.cumsum([len(tables[place][0][names[0]]) for place in places])
        for place, part in zip(places, np.split(key, ends[:-1]), strict=True):
            found[place] = part
    return found


def find_shared(key: NDArray[np.str_] | None, rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Find [len(rows)] which rows belong to a group that also holds one of `others`."""
    return np.zeros(len(rows), np.bool_) if key is None else np.isin(key[rows], key[others])


def name_chains(values: NDArray[np.str_], block: float) -> NDArray[np.str_]:
    """Name [n] the chain of each sample: in one chain, neighboring values differ by at most `block`; '' is a chain alone."""
    numbers = np.array([float(value) if value else np.nan for value in values.tolist()])
    order = np.argsort(numbers, kind="stable")  # nan last, and no two of them closer than anything
    breaks = ~(np.diff(numbers[order]) <= block)
    chain = np.zeros(len(numbers), np.int64)
    chain[order[1:]] = np.cumsum(breaks)
    return chain.astype(np.str_)


def separate_missing(key: NDArray[np.str_]) -> NDArray[np.str_]:
    """Give samples without any value a group each."""
    empty = np.char.strip(key, "\x1f") == ""
    return np.where(empty, np.char.add("\x1falone ", np.arange(len(key)).astype(np.str_)), key)


def find_non_numbers(values: NDArray[np.str_]) -> list[str]:
    """List the values that are neither empty nor a finite number."""
    return [value for value in values.tolist() if value and not _is_number(value)]


def _key(columns: Columns, names: Sequence[str], block: float) -> NDArray[np.str_]:
    if block:
        return name_chains(columns[names[0]], block)
    parts = [columns[name] for name in names]
    joined = ["\x1f".join(values) for values in zip(*(p.tolist() for p in parts), strict=True)]
    return separate_missing(np.array(joined, dtype=np.str_))


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
