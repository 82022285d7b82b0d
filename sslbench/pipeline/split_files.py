"""Write splits as files that two labs can compare: the part of each sample, the rule's version and a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.files import write_atomically
from sslbench.api.targets import kind_of
from sslbench.data.groups import group_columns, group_key
from sslbench.data.label_lists import LabelList
from sslbench.data.label_subsets import tasks_of
from sslbench.data.splits import Division, SplitSettings, divide, rule_versions
from sslbench.data.table import Prepared
from sslbench.results.coverage import count_left_out, count_missing_classes


def format_split(ids: Sequence[str], division: Division, versions: Sequence[int]) -> tuple[str, str]:
    """Return the text of a split file and its hash.

    The text has one sorted line per sample: part, tab, id. `versions` are those of the division rules.
    """
    parts = (("bank", division.bank), ("query", division.query), ("validation", division.validation))
    lines = sorted(f"{name}\t{ids[row]}" for name, rows in parts for row in rows.tolist())
    body = "\n".join(lines) + "\n"
    digest = hashlib.blake2b(body.encode(), digest_size=8).hexdigest()
    return f"# split version {'.'.join(map(str, versions))}, hash {digest}\n{body}", digest


def save_splits(
    splits: SplitSettings,
    folds: Sequence[int],
    tables: Sequence[Prepared],
    root: Path,
    label_lists: Mapping[str, Sequence[LabelList]],
) -> Mapping[str, Mapping[str, Any]]:
    """Write the split of every table and fold below `root`/splits; return hashes and counts by table.

    Hashes, classes that are missing from training or test set, and samples that are in no part are listed by fold.
    """
    found: dict[str, dict[str, Any]] = {}
    for table in tables:
        if not kind_of(table.target).is_labeled(table.labels).any():
            continue
        divisions = {fold: divide(table.labels, table.columns, splits, fold, table.groups) for fold in folds}
        versions = rule_versions(splits, table.groups, table.target)
        key = group_key(table.columns, splits, table.groups)
        hashes = {}
        for fold, division in divisions.items():
            text, hashes[str(fold)] = format_split(table.columns["id"].tolist(), division, versions)
            name = f"{table.name.replace('/', '-')}-fold{fold}-{hashes[str(fold)]}.tsv"
            if not (root / "splits" / name).exists():
                write_atomically(root / "splits" / name, text.encode())
        found[table.name] = {
            "splits": hashes,
            "divided": describe_division(splits, table, divisions, label_lists.get(table.name, ())),
            "missing_classes": {
                str(fold): count_missing_classes(division, table.labels, table.target)
                for fold, division in divisions.items()
            },
            "left_out": {str(fold): count_left_out(division, key) for fold, division in divisions.items()},
        }
    return found


def describe_division(
    splits: SplitSettings, table: Prepared, divisions: Mapping[int, Division], label_lists: Sequence[LabelList]
) -> dict[str, Any]:
    """Return the number of samples in total and per class or label, the groups, and the counts at each subset of labels."""
    everything = np.unique(
        np.concatenate([np.concatenate([d.bank, d.validation, d.query]) for d in divisions.values()])
    )
    labels: list[dict[str, Any]] = []
    subsets: tuple[float | LabelList, ...] = (*splits.label_fractions, *label_lists)
    key = group_key(table.columns, splits, table.groups)
    for fold, division in divisions.items():
        for task in tasks_of(division, table.labels, subsets, fold, table.columns["id"], key):
            held_out = {"validation_samples": len(task.validation), "test_samples": len(division.query)}
            labels.append({**task.setting, **_count_by_label(table, task.bank), **held_out})
    return {
        **_count_by_label(table, everything),
        "groups": _describe_groups(splits, table, everything),
        "labels": labels,
    }


def _count_by_label(table: Prepared, rows: NDArray[np.int64]) -> dict[str, int]:
    """Return the number of samples, of classes (labels, values) that they have, and the fewest and most samples of one."""
    found = kind_of(table.target).count(table.labels[rows], table.target.names)
    counts = found[found > 0]
    return {"samples": len(rows), "classes": len(counts), "min": int(counts.min()), "max": int(counts.max())}


def _describe_groups(splits: SplitSettings, table: Prepared, rows: NDArray[np.int64]) -> str:
    """Describe the groups that no split divides, in words."""
    names = group_columns(splits, table.groups)
    if not names:
        return "none"
    description = " and ".join(names) + (f" within {splits.group_gap:g}" if splits.group_gap else "")
    grouped = rows[np.any([table.columns[name][rows] != "" for name in names], axis=0)]
    if not len(grouped):
        return f"none (no {' or '.join(names)} is known)"
    key = group_key(table.columns, splits, table.groups)
    ungrouped = f", {len(rows) - len(grouped)} alone" if len(grouped) < len(rows) else ""
    return f"{len(set(key[grouped].tolist()) if key is not None else ())} of {description}{ungrouped}"
