"""Choose the rows for training and for the validation loss; no group of samples is in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslbench.api.targets import kind_of
from sslbench.config.stage_inputs import PoolInputs
from sslbench.data.groups import joint_group_keys
from sslbench.data.official_splits import official_parts
from sslbench.data.splits import SplitSettings, divide
from sslbench.data.table import Prepared, Rows

HOLDOUT_SEED = 0
Keys = Sequence[NDArray[np.str_] | None]
"""The group [n] of each row of each table; None for a table without groups."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingRows:
    """The rows of one table that may be used for training, and those that its split reserves.

    With `is_divided` the validation loss is computed on the validation rows, even if there are none.
    """

    learned: Rows
    validation: Rows
    query: Rows
    is_divided: bool


def divide_pool(pool: PoolInputs, tables: Sequence[Prepared], *, uses_labels: bool) -> list[tuple[Rows, Rows]]:
    """Choose, for every table, the rows for training and the rows for the validation loss.

    Under pool `train`, and for a method that uses labels, no row belongs to a group of any table's validation or test
    rows. Raises ValueError if holding out a group would leave nothing for training.
    """
    if not pool.divisions:
        return [(np.arange(len(table)), np.arange(0)) for table in tables]
    divided = [one.settings for one in pool.divisions]
    keys = joint_group_keys(
        [(table.columns, table.groups, splits) for table, splits in zip(tables, divided, strict=True)]
    )
    found = [
        find_candidates(pool, splits, table, uses_labels=uses_labels)
        for table, splits in zip(tables, divided, strict=True)
    ]
    reserved = [np.concatenate([one.validation, one.query]) for one in found]
    learned = _drop_groups(keys, [one.learned for one in found], reserved)
    if not pool.has_holdout:
        return [(rows, rows[:0]) for rows in learned]
    free = [rows[:0] if one.is_divided else rows for one, rows in zip(found, learned, strict=True)]
    shares = hold_out(keys, free, pool.holdout_fraction)
    holdout = [one.validation if one.is_divided else rows for one, rows in zip(found, shares, strict=True)]
    kept = [np.setdiff1d(rows, out) for rows, out in zip(learned, holdout, strict=True)]
    kept = _drop_groups(keys, kept, holdout)
    if any(map(len, learned)) and not any(map(len, kept)):
        raise ValueError(
            f"train.monitor=validation: all {sum(map(len, learned))} training samples are in one group, so none can be held"
            " out. Set train.monitor=training, or name another column in splits.groups"
        )
    return list(zip(kept, holdout, strict=True))


def find_candidates(pool: PoolInputs, splits: SplitSettings, table: Prepared, *, uses_labels: bool) -> TrainingRows:
    """Find the rows of one table that may be used for training.

    Excludes test rows under pool `train`, and unlabeled rows for a method that uses labels.
    """
    everything, split = np.arange(len(table)), official_parts(table.columns, pool.fold)
    in_test = np.zeros(len(table), np.bool_) if split is None else split == "test"
    none = everything[:0]
    labeled = kind_of(table.target).is_labeled(table.labels)
    if not labeled.any() and uses_labels:
        return TrainingRows(learned=none, validation=none, query=none, is_divided=False)
    if not pool.is_divided:
        return TrainingRows(learned=everything, validation=none, query=none, is_divided=False)
    if not labeled.any():
        query = np.flatnonzero(in_test)
        return TrainingRows(learned=np.setdiff1d(everything, query), validation=none, query=query, is_divided=False)
    division = divide(table.labels, table.columns, splits, pool.fold, table.groups)
    learned = division.bank
    if not uses_labels:
        unlabeled = ~labeled & ~in_test
        if splits.transfer:
            unlabeled &= table.columns[splits.transfer] == splits.bank
        learned = np.sort(np.concatenate([learned, np.flatnonzero(unlabeled)]))
    return TrainingRows(learned=learned, validation=division.validation, query=division.query, is_divided=True)


def hold_out(keys: Keys, rows: Sequence[Rows], share: float) -> list[Rows]:
    """Choose a share of the rows of every table, in whole groups; tables with groups are combined."""
    held = [one[:0] for one in rows]
    with_groups = [place for place, key in enumerate(keys) if key is not None and len(rows[place])]
    alone = [[place] for place, key in enumerate(keys) if key is None and len(rows[place])]
    for places in [*alone, *([with_groups] if with_groups else [])]:
        names = [np.arange(len(rows[p])) if (key := keys[p]) is None else key[rows[p]] for p in places]
        inside = choose_groups(np.unique(np.concatenate(names), return_inverse=True)[1], share)
        ends = np.cumsum([len(rows[p]) for p in places])[:-1]
        for place, chosen in zip(places, np.split(inside, ends), strict=True):
            held[place] = rows[place][chosen]
    return held


def choose_groups(group: Rows, share: float) -> NDArray[np.bool_]:
    """Return [n] True for the rows of randomly chosen groups that hold at least `share` of all rows.

    `group` [n] holds the code of each row's group.
    """
    order = np.random.default_rng([HOLDOUT_SEED, len(group)]).permutation(int(group.max()) + 1)
    sizes = np.cumsum(np.bincount(group)[order])
    chosen = order[: 1 + int(np.searchsorted(sizes, round(share * len(group))))]
    return np.isin(group, chosen)


def _drop_groups(keys: Keys, rows: Sequence[Rows], others: Sequence[Rows]) -> list[Rows]:
    """Drop the rows of every table whose group contains one of `others` in any table."""
    groups = [key[other] for key, other in zip(keys, others, strict=True) if key is not None]
    excluded = np.unique(np.concatenate(groups)) if groups else np.zeros(0, np.str_)
    return [own if key is None else own[~np.isin(key[own], excluded)] for key, own in zip(keys, rows, strict=True)]
