"""Prepare a dataset: read every sample, fit it to its canvas, and write memory-mapped columns."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.api.errors import DataBroken
from sslbench.api.specs import Dataset
from sslbench.api.values import Modality
from sslbench.data.canvas import PrepareSettings, fit_to_canvas, match_background
from sslbench.data.disk_arrays import create_array
from sslbench.data.table import SCHEMA
from sslbench.environment import count_cores, seed_from

Tick = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrepareJob:
    """A dataset to prepare with its settings; `name` is used in progress and errors."""

    name: str
    dataset: Dataset
    settings: PrepareSettings
    canvas: int
    groups: tuple[str, ...]


def prepare(job: PrepareJob, folder: Path, tick: Tick) -> None:
    """Write a dataset's columns into a folder.

    Raises DataBroken if more than the share `prepare.unreadable` of the samples cannot be read.
    """
    dataset, rows = job.dataset, len(job.dataset.labels)
    writers = {name: _Writer(folder, name, modality, rows, job) for name, modality in dataset.modalities.items()}
    kept, unreadable = [], []
    for row, sample in enumerate(_read_all(job, writers)):
        if isinstance(sample, Exception):
            unreadable.append(f"{dataset.columns['id'][row]}: {type(sample).__name__}: {sample}")
        else:
            kept.append(row)
            for name, writer in writers.items():
                writer.put(row, *sample[name])
        tick(row + 1, rows)
    if len(unreadable) > job.settings.unreadable * rows or not kept:
        raise DataBroken(
            f"{job.name}: {len(unreadable)} of {rows} samples cannot be read, more than the share "
            f"prepare.unreadable={job.settings.unreadable}. The first: {unreadable[0] if unreadable else 'no sample at all'}"
        )
    described = {name: writer.close() for name, writer in writers.items()}
    np.save(folder / "kept.npy", np.array(kept, np.int64))
    np.save(folder / "labels.npy", dataset.labels)
    columns = {name: values.tolist() for name, values in dataset.columns.items()}
    parquet.write_table(arrow.table(columns), folder / "columns.parquet")
    meta = {
        "schema": SCHEMA,
        "target": {"kind": dataset.target.kind, "names": list(dataset.target.names)},
        "modalities": described,
        "unreadable": unreadable,
        "groups": list(job.groups),
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))


def prepared_modality(modality: Modality, canvas: int) -> Modality:
    """Return a modality after preparation: images of mixed size get a canvas and keep their size as a fact."""
    if modality.layout == "image" and 0 in modality.shape:
        return replace(modality, shape=(modality.shape[0], canvas, canvas), facts=(*modality.facts, "size"))
    if modality.layout == "image" and canvas and canvas < max(modality.shape[1:]):
        return replace(modality, shape=(modality.shape[0], canvas, canvas))
    if modality.layout == "sequence" and modality.shape[0] == 0:
        return replace(modality, facts=(*modality.facts, "length"))
    return modality


def stored_type(modality: Modality) -> type[np.uint8] | type[np.float32]:
    """Return the type of a modality's stored values."""
    return np.uint8 if modality.layout == "image" else np.float32


def prepared_bytes(dataset: Dataset, canvas: int) -> int:
    """Return the bytes of a prepared dataset, without sequences of varying length, which are known only when read."""
    shapes = {name: prepared_modality(modality, canvas).shape for name, modality in dataset.modalities.items()}
    per_row = [math.prod(shapes[name]) * stored_type(m)().itemsize for name, m in dataset.modalities.items()]
    return len(dataset.labels) * sum(per_row)


class _Writer:
    """Write one modality's column row by row."""

    def __init__(self, folder: Path, name: str, modality: Modality, rows: int, job: PrepareJob) -> None:
        self.folder, self.name, self.job = folder, name, job
        self.source = modality
        self.modality = prepared_modality(modality, job.canvas)
        self.ragged = modality.layout == "sequence" and modality.shape[0] == 0
        self.kind = stored_type(modality)
        self.sizes = np.zeros((rows, 2), np.int32) if "size" in self.modality.facts else None
        if self.ragged:
            self.lengths = np.zeros(rows, np.int64)
            self.file = (folder / f"{name}.raw").open("wb")
        else:
            self.values = create_array(folder / f"{name}.npy", self.kind, (rows, *self.modality.shape))

    def fit(self, value: NDArray[Any]) -> NDArray[Any]:
        """Return the stored values of one sample; raises ValueError for a shape that the dataset did not declare."""
        expected = self.source.shape
        if value.ndim != len(expected) or any(e not in (0, v) for e, v in zip(expected, value.shape, strict=True)):
            raise ValueError(f"{self.name} has shape {value.shape}, but the dataset declares {expected}")
        if self.modality.layout != "image":
            return value
        value = match_background(value, self.job.settings.background)
        return (
            value
            if value.shape == self.modality.shape
            else fit_to_canvas(value, self.modality.shape[1], self.job.settings.fit)
        )

    def put(self, row: int, original: tuple[int, ...], value: NDArray[Any]) -> None:
        """Write one sample; `original` is its image's height and width in the file."""
        if self.sizes is not None:
            self.sizes[row] = original
        if self.ragged:
            self.lengths[row] = len(value)
            self.file.write(np.ascontiguousarray(value, self.kind).tobytes())
        else:
            self.values[row] = value

    def close(self) -> dict[str, Any]:
        """Finish the files, and return the modality's entry of meta.json."""
        if self.ragged:
            self.file.close()
            raw = self.folder / f"{self.name}.raw"
            flat = np.fromfile(raw, self.kind).reshape(-1, *self.source.shape[1:])
            np.save(self.folder / f"{self.name}.npy", flat)
            np.save(self.folder / f"{self.name}.offsets.npy", np.concatenate([[0], np.cumsum(self.lengths)]))
            raw.unlink()
        else:
            self.values.flush()  # type: ignore[attr-defined]
        if self.sizes is not None:
            np.save(self.folder / f"{self.name}.size.npy", self.sizes)
        return {
            "layout": self.modality.layout,
            "shape": list(self.modality.shape),
            "sequence_of": self.modality.sequence_of,
            "facts": list(self.modality.facts),
            "stored_facts": ["size"] if self.sizes is not None else [],
        }


def _original_size(sample: Mapping[str, NDArray[Any]], name: str) -> tuple[int, ...]:
    """Return an image's height and width in its file."""
    size = sample.get(f"{name}.size")
    return tuple(int(side) for side in (sample[name].shape[1:3] if size is None else size))


ReadSample = Mapping[str, tuple[tuple[int, ...], NDArray[Any]]]


def _read_all(job: PrepareJob, writers: Mapping[str, _Writer]) -> Iterator[ReadSample | Exception]:
    """Yield every sample in order, or its error, read by threads (decoding releases the GIL), few at a time in memory.

    Random numbers of readers, such as the noise of a border, are keyed by the sample's id, so they depend on neither the
    folder nor other samples.
    """
    ids = job.dataset.columns["id"]

    def read(row: int) -> ReadSample | Exception:
        try:
            sample = job.dataset.read(row, np.random.default_rng(seed_from("read", ids[row])))
            return {name: (_original_size(sample, name), writer.fit(sample[name])) for name, writer in writers.items()}
        except Exception as error:  # broken files are collected and reported by name
            return error

    total = len(job.dataset.labels)
    with ThreadPoolExecutor(max(2, count_cores())) as threads:
        for start in range(0, total, 512):
            yield from threads.map(read, range(start, min(start + 512, total)))
