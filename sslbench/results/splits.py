"""Splits as files that two labs can compare: which sample was in which part, with the rule's version and a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from sslbench.api.files import write_atomically
from sslbench.config.plan import Plan
from sslbench.data.splits import VERSION, Division, divide
from sslbench.data.table import Prepared


def index_file(ids: Sequence[str], division: Division) -> tuple[str, str]:
    """The file's text (one line per sample: part, tab, id; sorted) and its hash."""
    parts = (("bank", division.bank), ("query", division.query), ("validation", division.validation))
    lines = sorted(f"{name}\t{ids[row]}" for name, rows in parts for row in rows.tolist())
    body = "\n".join(lines) + "\n"
    digest = hashlib.blake2b(body.encode(), digest_size=8).hexdigest()
    return f"# split version {VERSION}, hash {digest}\n{body}", digest


def save_splits(plan: Plan, tables: Sequence[Prepared], root: Path) -> Mapping[str, Mapping[str, str]]:
    """Write the split of every table and fold below `root`/splits; returns hashes by table and fold."""
    hashes: dict[str, dict[str, str]] = {}
    for table in tables:
        if table.target.kind != "class" or not (table.labels >= 0).any():
            continue
        for fold in plan.folds:
            division = divide(table.labels, table.columns, plan.splits, fold, table.groups)
            text, digest = index_file(table.columns["id"].tolist(), division)
            name = f"{table.name.replace('/', '-')}-fold{fold}-{digest}.tsv"
            if not (root / "splits" / name).exists():
                write_atomically(root / "splits" / name, text.encode())
            hashes.setdefault(table.name, {})[str(fold)] = digest
    return hashes
