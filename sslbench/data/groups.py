"""Assign samples to groups that no split may separate."""

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
"""Value of `splits.groups` that keeps no samples together and overrides the dataset's card."""


def group_columns(settings: SplitSettings, groups: Sequence[str]) -> tuple[str, ...]:
    """List the columns that identify a group: the one in `splits.groups`, else `groups` of the dataset's card.

    With `splits.groups=none` there are none.
    """
    if settings.groups == UNGROUPED:
        return ()
    return (settings.groups,) if settings.groups else tuple(groups)


def group_key(columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> NDArray[np.str_] | None:
    """Return the group [n] of each sample; None if no samples are kept together."""
    names = group_columns(settings, groups)
    return _key(columns, names, settings.group_gap) if names else None


def joint_group_keys(
    tables: Sequence[tuple[Columns, Sequence[str], SplitSettings]],
) -> list[NDArray[np.str_] | None]:
    """Return the group [n] of each sample of several datasets; None for a dataset that keeps no samples together.

    Each table is its columns, the group columns of its card, and the settings that divide it. Samples of two tables are in
    one group if the same columns have the same values. A dataset without the column in `splits.groups` uses those of its own
    card; with `splits.groups=none` no samples are kept together.
    """
    found: list[NDArray[np.str_] | None] = [None] * len(tables)
    tables_by_columns: dict[tuple[str, ...], list[int]] = {}
    for place, (columns, groups, settings) in enumerate(tables):
        possible = () if settings.groups == UNGROUPED else (group_columns(settings, groups), tuple(groups))
        names = next((names for names in possible if all(name in columns for name in names)), ())
        if names:
            tables_by_columns.setdefault(names, []).append(place)
    for names, places in tables_by_columns.items():
        joined = {name: np.concatenate([tables[place][0][name] for place in places]) for name in names}
        settings = tables[places[0]][2]
        key = _key(joined, names, settings.group_gap if names == (settings.groups,) else 0.0)
        # a group's name includes the columns' names: two columns may hold the same values by chance
        key = np.char.add("\x1f".join(names) + "\x1e", key)
        ends = np.cumsum([len(tables[place][0][names[0]]) for place in places])
        for place, part in zip(places, np.split(key, ends[:-1]), strict=True):
            found[place] = part
    return found


def find_shared(key: NDArray[np.str_] | None, rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Return a mask [len(rows)] of the rows whose group also contains one of `others`."""
    return np.zeros(len(rows), np.bool_) if key is None else np.isin(key[rows], key[others])


def name_chains(values: NDArray[np.str_], gap: float) -> NDArray[np.str_]:
    """Return the chain [n] of each sample; adjacent values of a chain differ by at most `gap`, and '' is its own chain."""
    numbers = np.array([float(value) if value else np.nan for value in values.tolist()])
    order = np.argsort(numbers, kind="stable")  # nan is last, and no two nan are close
    breaks = ~(np.diff(numbers[order]) <= gap)
    chain = np.zeros(len(numbers), np.int64)
    chain[order[1:]] = np.cumsum(breaks)
    return chain.astype(np.str_)


def separate_missing(key: NDArray[np.str_]) -> NDArray[np.str_]:
    """Give each sample without a value a group of its own."""
    empty = np.char.strip(key, "\x1f") == ""
    return np.where(empty, np.char.add("\x1falone ", np.arange(len(key)).astype(np.str_)), key)


def find_non_numbers(values: NDArray[np.str_]) -> list[str]:
    """List the values that are neither empty nor a finite number."""
    return [value for value in values.tolist() if value and not _is_number(value)]


def _key(columns: Columns, names: Sequence[str], gap: float) -> NDArray[np.str_]:
    if gap:
        return name_chains(columns[names[0]], gap)
    parts = [columns[name] for name in names]
    joined = ["\x1f".join(values) for values in zip(*(p.tolist() for p in parts), strict=True)]
    return separate_missing(np.array(joined, dtype=np.str_))


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
