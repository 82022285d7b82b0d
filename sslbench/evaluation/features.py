"""Extract the features of an evaluation dataset to disk, and open them memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Method
from sslbench.api.series import average_steps, embed_view
from sslbench.api.values import Role, View
from sslbench.data.disk_arrays import create_array
from sslbench.data.loader import read_ahead
from sslbench.data.table import Pool, Prepared
from sslbench.data.views import BuiltAugmentation, ViewMaker

BATCH_SIZE = 256
AUGMENTED_SUFFIX = "@augmented"
"""Suffix, after the modality, of the names of arrays of augmented views."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiskFeatureTable:
    """A `FeatureTable` on disk."""

    features: Mapping[str, NDArray[np.float32]]
    target: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.str_]]
    augmented: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    lengths: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    space: str = ""
    groups: NDArray[np.str_] | None = None

    def rows(self) -> int:
        """Return the number of samples."""
        return len(self.target)

    def vectors(self) -> NDArray[np.float32]:
        """Return one vector per sample [n, D], the concatenation of all modalities."""
        return np.concatenate([self.vectors_of(name) for name in sorted(self.features)], axis=1)

    def vectors_of(self, modality: str) -> NDArray[np.float32]:
        """Return one vector per sample [n, D] of one modality; the steps of a series are averaged."""
        array = np.array(self.features[modality], dtype=np.float32)
        if array.ndim < 3:
            return array
        lengths = self.lengths.get(modality, np.full(len(array), array.shape[1]))
        inside = np.arange(array.shape[1])[None] < lengths[:, None]
        averaged: NDArray[np.float32] = (array * inside[..., None]).sum(1) / np.maximum(lengths, 1)[:, None].astype(
            np.float32
        )
        return averaged


def extract(method: Method, table: Prepared, views: ViewMaker, folder: Path, tick: Callable[[int, int], None]) -> None:
    """Embed every row of a table and write one array per space."""

    def embed_rows(rows: NDArray[np.int64], view: View) -> Mapping[str, Tensor]:
        return embed_view(method, views.plain(view), table.modalities)

    _write_arrays(method, table, views, folder, embed_rows, tick)
    lengths = {n.removesuffix(".length"): v.tolist() for n, v in _lengths(table).items()}
    (folder / "lengths.json").write_text(json.dumps(lengths))


def extract_views(
    method: Method,
    table: Prepared,
    views: ViewMaker,
    folder: Path,
    augmentation: BuiltAugmentation,
    tick: Callable[[int, int], None],
) -> None:
    """Embed two random views of every row of a table and write one array per modality."""

    def embed_rows(rows: NDArray[np.int64], view: View) -> Mapping[str, Tensor]:
        return _embed_two_views(method, table, view, rows, views, augmentation)

    _write_arrays(method, table, views, folder, embed_rows, tick)


def _write_arrays(
    method: Method,
    table: Prepared,
    views: ViewMaker,
    folder: Path,
    embed_rows: Callable[[NDArray[np.int64], View], Mapping[str, Tensor]],
    tick: Callable[[int, int], None],
) -> None:
    """Embed every row of a table in batches, and write one array per name."""
    method.eval()
    writers: dict[str, NDArray[np.float32]] = {}
    pool = Pool(members=[(table, np.arange(len(table)))], modalities=table.modalities)
    batches = [np.arange(i, min(i + BATCH_SIZE, len(table))) for i in range(0, len(table), BATCH_SIZE)]
    with torch.no_grad():
        for rows, stored in read_ahead(pool, batches):
            for name, values in embed_rows(rows, views.natural(stored)).items():
                _put(writers, folder, name, rows, values, _shape(name, values, table))
            tick(int(rows[-1]) + 1, len(table))
    for array in writers.values():
        array.flush()  # type: ignore[attr-defined]


def _embed_two_views(
    method: Method,
    table: Prepared,
    view: View,
    rows: NDArray[np.int64],
    views: ViewMaker,
    augmentation: BuiltAugmentation,
) -> dict[str, Tensor]:
    """Return two vectors per sample [B, 2, D] by array name; the steps of a series are averaged."""
    index = torch.from_numpy(rows).to(views.device)
    two_views = views.make(view, index, 0, augmentation, {"view": Role(count=2)})["view"]
    both = []
    for one in two_views:
        found = {name: x for name, x in embed_view(method, one, table.modalities).items() if "." not in name}
        both.append({n: average_steps(x, one.get(f"{n}.length")) if x.ndim == 3 else x for n, x in found.items()})
    return {f"{name}{AUGMENTED_SUFFIX}": torch.stack([b[name] for b in both], 1) for name in both[0]}


def _put(
    writers: dict[str, NDArray[np.float32]],
    folder: Path,
    name: str,
    rows: NDArray[np.int64],
    values: Tensor,
    shape: tuple[int, ...],
) -> None:
    if name not in writers:
        writers[name] = create_array(folder / f"{name}.npy", np.float32, shape)
    array = writers[name]
    array[rows[0] : rows[-1] + 1, *(slice(s) for s in values.shape[1:])] = values.float().cpu().numpy()


def _shape(name: str, values: Tensor, table: Prepared) -> tuple[int, ...]:
    """Return the shape of the whole array; a ragged series is as long as its longest sample."""
    column = table.data.get(name.partition(".")[0]) if values.ndim == 3 else None
    offsets = column.offsets if column is not None else None
    steps = (int(np.diff(offsets).max()),) if offsets is not None else tuple(values.shape[1:-1])
    return (len(table), *steps, values.shape[-1])


def _lengths(table: Prepared) -> dict[str, NDArray[np.int64]]:
    return {
        f"{name}.length": np.diff(column.offsets)[table.kept]
        for name, column in table.data.items()
        if column.offsets is not None
    }


def open_features(folder: Path, views: Path | None, table: Prepared, space: str = "") -> DiskFeatureTable:
    """Open the features of a space, and those of augmented views; modalities without the space use their encoder's."""
    arrays: dict[str, Any] = {path.stem: path for path in sorted(folder.glob("*.npy"))}
    plain = {name: path for name, path in arrays.items() if "." not in name}
    chosen = {name: arrays.get(f"{name}.{space}", path) for name, path in plain.items()}
    found = () if views is None else sorted(views.glob("*.npy"))
    augmented = {path.stem.removesuffix(AUGMENTED_SUFFIX): path for path in found}
    lengths = json.loads((folder / "lengths.json").read_text())
    return DiskFeatureTable(
        space=space if all(f"{name}.{space}" in arrays for name in plain) else "",
        features={name: np.load(path, mmap_mode="r") for name, path in chosen.items()},
        augmented={name: np.load(path, mmap_mode="r") for name, path in augmented.items()},
        target=table.labels,
        columns=table.columns,
        lengths={name: np.array(values, np.int64) for name, values in lengths.items()},
    )
