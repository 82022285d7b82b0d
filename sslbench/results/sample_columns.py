"""Store the columns of a run's test samples, such as plate or instrument, and read the groups that one of them forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.results.record import Record
from sslbench.results.store import SAMPLES

Columns = Mapping[str, NDArray[np.str_]]
NAMES = ("dataset", "column", "id", "value")
"""Columns of the file: it has one row per value, as each dataset has columns of its own."""
ID, SPLIT = "id", "split"
SPLIT_GROUP = "(group)"
"""Name of the column with the groups that no split divides, which may follow from several columns."""


def write_sample_columns(path: Path, by_dataset: Mapping[str, Columns]) -> None:
    """Write the values of each dataset's test samples; `id` [n] identifies them. Empty values and splits are left out."""
    tables = [arrow.table({name: arrow.array([], arrow.string()) for name in NAMES})]
    for dataset, columns in by_dataset.items():
        for column in sorted(columns):
            if column == ID or column.partition(".")[0] == SPLIT:
                continue
            known = columns[column] != ""
            ids, values = (columns[name][known].tolist() for name in (ID, column))
            constants = ([dataset] * len(ids), [column] * len(ids))
            tables.append(arrow.table(dict(zip(NAMES, (*constants, ids, values), strict=True)), tables[0].schema))
    parquet.write_table(arrow.concat_tables(tables), path)


def read_split_groups(path: Path) -> dict[str, pd.Series]:
    """Return by dataset the group of each test sample, indexed by id; only datasets that have groups no split divides."""
    if not path.exists():
        return {}
    table = parquet.read_table(path, filters=[("column", "=", SPLIT_GROUP)]).to_pandas()
    return {str(dataset): own.set_index("id")["value"] for dataset, own in table.groupby("dataset")}


@dataclass(slots=True, kw_only=True, eq=False)
class GroupReader:
    """Reads the groups of test samples that a column forms, and remembers why some are not known.

    root: folder of the runs. old_runs: runs of versions that stored no columns. known_columns: those of each dataset that
    lacks the column.
    """

    root: Path | None
    column: str
    old_runs: list[str] = field(default_factory=list)
    known_columns: dict[str, list[str]] = field(default_factory=dict)
    _read: tuple[str, pd.DataFrame] | None = None

    def read(self, record: Record, dataset: str, ids: NDArray[np.str_]) -> NDArray[np.str_] | None:
        """Return the group [n] of test samples, '' where unknown; None if the run or the dataset has no such column."""
        path = None if self.root is None else self.root / record.run / SAMPLES
        if path is None or not path.exists():
            self.old_runs += [record.run] if record.run not in self.old_runs else []
            return None
        if self._read is None or self._read[0] != record.run:
            self._read = record.run, parquet.read_table(path).to_pandas()
        values = self._read[1]
        own = values[values["dataset"] == dataset]
        chosen = own[own["column"] == self.column]
        if chosen.empty:
            self.known_columns[dataset] = sorted({*own["column"]} - {SPLIT_GROUP})
            return None
        return chosen.set_index("id")["value"].reindex(ids).fillna("").to_numpy().astype(np.str_)
