"""Read prepared samples: memory-mapped columns, and pools that join several tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.api.values import Modality, Target

Rows = NDArray[np.int64]
SCHEMA = 1
MODALITY_ENTRY = ".modality"
"""Entry of files of computed samples: their modality without the shape, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """One modality on disk: dense [n, ...], or ragged rows of `flat` between `offsets` [n + 1]."""

    values: NDArray[Any]
    offsets: Rows | None = None

    def read(self, rows: Rows) -> tuple[NDArray[Any], Rows | None]:
        """Return values [b, ...] and, for ragged columns, which are padded with zeros at the end, their lengths [b]."""
        if self.offsets is None:
            return np.ascontiguousarray(self.values[rows]), None
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        lengths = ends - starts
        batch = np.zeros((len(rows), int(lengths.max(initial=1)), *self.values.shape[1:]), self.values.dtype)
        for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
            batch[place, : end - start] = self.values[start:end]
        return batch, lengths


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """One prepared part of a dataset: its readable samples, and messages about unreadable ones."""

    key: str
    name: str
    modalities: Mapping[str, Modality]
    target: Target
    labels: NDArray[Any]
    columns: Mapping[str, NDArray[np.str_]]
    data: Mapping[str, Column]
    facts: Mapping[str, Column] = field(default_factory=dict)
    kept: Rows
    unreadable: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.kept)

    def read(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Read rows: stored values [b, ...] by modality, and facts such as 'image.size'."""
        places = self.kept[rows]
        batch: dict[str, NDArray[Any]] = {}
        for name, column in self.data.items():
            batch[name], lengths = column.read(places)
            if lengths is not None:
                batch[f"{name}.length"] = lengths
        for name, values in self.facts.items():
            batch[name] = values.read(places)[0]
        return batch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Training samples of a method: rows of one or several prepared tables, numbered consecutively."""

    members: Sequence[tuple[Prepared, Rows]]
    modalities: Mapping[str, Modality]

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.members)

    def read(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Read rows of any members in the given order."""
        if len(self.members) == 1:
            table, own = self.members[0]
            return table.read(own[rows])
        starts = np.cumsum([0, *(len(own) for _, own in self.members)])
        member = np.searchsorted(starts, rows, side="right") - 1
        parts = []
        for place in np.unique(member):
            table, own = self.members[place]
            chosen = np.flatnonzero(member == place)
            parts.append((chosen, table.read(own[rows[chosen] - starts[place]])))
        return _interleave(parts, len(rows))


def _interleave(parts: Sequence[tuple[Rows, dict[str, NDArray[Any]]]], n: int) -> dict[str, NDArray[Any]]:
    joined: dict[str, NDArray[Any]] = {}
    for name, example in parts[0][1].items():
        shape = tuple(np.max([part[name].shape[1:] for _, part in parts], axis=0)) if example.ndim > 1 else ()
        joined[name] = np.zeros((n, *shape), example.dtype)
        for places, part in parts:
            values = part[name]
            inside: Any = (places, *(slice(s) for s in values.shape[1:]))
            joined[name][inside] = values
    return joined


def with_statistics(modalities: Mapping[str, Modality], pool: Pool, max_rows: int = 4096) -> dict[str, Modality]:
    """Return modalities with mean and standard deviation per channel, of at most `max_rows` evenly spaced rows of a pool.

    They are those of the natural range; padded steps of sequences do not count.
    """
    rows = np.unique(np.linspace(0, len(pool) - 1, min(max_rows, len(pool))).astype(np.int64))
    sums: dict[str, tuple[NDArray[np.float64], NDArray[np.float64], float]] = {}
    for start in range(0, len(rows), 256):
        batch = pool.read(rows[start : start + 256])
        for name, modality in modalities.items():
            total, squares, count = sums.get(name, (np.zeros(1), np.zeros(1), 0.0))
            values = modality.code.by_channel(batch[name], batch.get(f"{name}.length"), modality)
            sums[name] = (total + values.sum(0), squares + (values**2).sum(0), count + len(values))
    result = {}
    for name, modality in modalities.items():
        total, squares, count = sums[name]
        mean = total / max(count, 1)
        std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        # constant up to float32 rounding, which is relative: a channel of small values (in volts) is scaled too
        std = np.where(std > 1e-6 * np.sqrt(squares / max(count, 1)), std, 1.0)
        result[name] = replace(modality, mean=tuple(map(float, mean)), std=tuple(map(float, std)))
    return result


def describe_values(modality: Modality) -> dict[str, Any]:
    """Return the fields of a modality on its values that differ from the defaults, for JSON."""
    fields = {"dtype": modality.dtype, "range": modality.range, "shown": modality.shown}
    return {name: value for name, value in fields.items() if value}


def read_modality(described: Mapping[str, Any]) -> Modality:
    """Return a modality from its entry in a JSON file."""
    values: dict[str, Any] = {}
    for name in (one.name for one in fields(Modality) if one.name in described):
        values[name] = tuple(described[name]) if isinstance(described[name], list) else described[name]
    return Modality(**values)


def open_prepared(folder: Path, name: str) -> Prepared:
    """Open a prepared folder; values are memory-mapped, only labels and columns are read."""
    meta = json.loads((folder / "meta.json").read_text())
    table = parquet.read_table(folder / "columns.parquet")
    columns = {c: np.array(table[c].to_pylist(), dtype=np.str_) for c in table.column_names}
    kept = np.load(folder / "kept.npy")
    modalities, data, facts = {}, {}, {}
    for modality, described in meta["modalities"].items():
        modalities[modality] = read_modality(described)
        offsets = folder / f"{modality}.offsets.npy"
        data[modality] = Column(
            values=np.load(folder / f"{modality}.npy", mmap_mode="r"),
            offsets=np.load(offsets) if offsets.exists() else None,
        )
        for fact in described["stored_facts"]:
            facts[f"{modality}.{fact}"] = Column(
                values=np.load(folder / f"{modality}.{fact}.npy"),
                offsets=data[modality].offsets if fact in described.get("step_facts", ()) else None,
            )
    return Prepared(
        key=folder.name,
        name=name,
        modalities=modalities,
        target=Target(kind=meta["target"]["kind"], names=tuple(meta["target"]["names"])),
        labels=np.load(folder / "labels.npy")[kept],
        columns={c: values[kept] for c, values in columns.items()},
        data=data,
        facts=facts,
        kept=kept,
        unreadable=tuple(meta["unreadable"]),
        groups=tuple(meta["groups"]),
    )
