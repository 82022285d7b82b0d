"""Prepare a dataset: read every sample, fit it to its canvas, and write memory-mapped columns."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.api.errors import DataBroken
from sslbench.api.specs import Dataset
from sslbench.api.values import Modality
from sslbench.data.disk_arrays import create_array
from sslbench.data.prepare_inputs import PrepareInputs, SampleInputs
from sslbench.data.table import SCHEMA, describe_values
from sslbench.environment import count_cores, seed_from

Tick = Callable[[int, int], None]


def _explain_unreadable(unreadable: list[str], rows: int, allowed: float) -> str:
    if not unreadable:
        return "has no samples. Choose other data"
    more = f", or raise prepare.unreadable={allowed}" if len(unreadable) < rows else ""
    problem = f"{len(unreadable)} of {rows} samples cannot be read, such as {unreadable[0]}"
    return f"{problem}. Repair or remove these files{more}"


def prepare(inputs: PrepareInputs, name: str, folder: Path, tick: Tick) -> None:
    """Write a dataset's columns into a folder; `name` is its title, for error messages only.

    Raises DataBroken if more than the share `prepare.unreadable` of the samples cannot be read.
    """
    samples = inputs.samples
    dataset = samples.part.dataset
    rows = len(dataset.labels)
    writers = {one: _Writer(folder, one, modality, rows, samples) for one, modality in dataset.modalities.items()}
    kept, unreadable = [], []
    for row, sample in enumerate(_read_all(dataset, writers)):
        if isinstance(sample, Exception):
            unreadable.append(f"{dataset.columns['id'][row]}: {type(sample).__name__}: {sample}")
        else:
            kept.append(row)
            for one, writer in writers.items():
                writer.put(row, *sample[one])
        tick(row + 1, rows)
    if len(unreadable) > inputs.unreadable * rows or not kept:
        raise DataBroken(f"{name}: {_explain_unreadable(unreadable, rows, inputs.unreadable)}")
    described = {one: writer.close() for one, writer in writers.items()}
    np.save(folder / "kept.npy", np.array(kept, np.int64))
    np.save(folder / "labels.npy", dataset.labels)
    columns = {column: values.tolist() for column, values in dataset.columns.items()}
    parquet.write_table(arrow.table(columns), folder / "columns.parquet")
    meta = {
        "schema": SCHEMA,
        "target": {"kind": dataset.target.kind, "names": list(dataset.target.names)},
        "modalities": described,
        "unreadable": unreadable,
        "groups": list(samples.groups),
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))


def prepared_bytes(dataset: Dataset, canvas: int) -> int:
    """Return the bytes of a prepared dataset, without sequences of varying length, which are known only when read."""
    stored = [modality.code.stored(modality, canvas) for modality in dataset.modalities.values()]
    return len(dataset.labels) * sum(math.prod(m.shape) * np.dtype(m.stored_dtype).itemsize for m in stored)


class _Writer:
    """Write one modality's column row by row."""

    def __init__(self, folder: Path, name: str, modality: Modality, rows: int, samples: SampleInputs) -> None:
        self.folder, self.name, self.samples = folder, name, samples
        self.source, self.code = modality, modality.code
        self.modality = self.code.stored(modality, samples.canvas)
        self.ragged = modality.is_ragged
        self.kind = np.dtype(modality.stored_dtype)
        has_size = "size" in self.modality.facts
        self.sizes = np.zeros((rows, len(modality.sides)), np.int32) if has_size else None
        if self.ragged:
            self.lengths = np.zeros(rows, np.int64)
            self.file = (folder / f"{name}.raw").open("wb")
        else:
            self.values = create_array(folder / f"{name}.npy", self.kind, (rows, *self.modality.shape))

    def read(self, sample: Mapping[str, NDArray[Any]]) -> tuple[tuple[int, ...], NDArray[Any]]:
        """Return the original sides and the stored values of a sample; raises ValueError for what was not declared."""
        value, original = sample[self.name], sample.get(f"{self.name}.size")
        for error in self.code.find_sample_errors(value, self.source):
            raise ValueError(f"{self.name} {error}")
        sides = self.source.spec.sides(value.shape) if original is None else original
        return tuple(int(side) for side in sides), self.code.fit(value, self.modality, self.samples)

    def put(self, row: int, original: tuple[int, ...], value: NDArray[Any]) -> None:
        """Write one sample; `original` are its sides in the file."""
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
            **describe_values(self.modality),
        }


ReadSample = Mapping[str, tuple[tuple[int, ...], NDArray[Any]]]


def _read_all(dataset: Dataset, writers: Mapping[str, _Writer]) -> Iterator[ReadSample | Exception]:
    """Yield every sample in order, or its error, read by threads (decoding releases the GIL), few at a time in memory.

    Random numbers of readers, such as the noise of a border, are keyed by the sample's id, so they depend on neither the
    folder nor other samples.
    """
    ids = dataset.columns["id"]

    def read(row: int) -> ReadSample | Exception:
        try:
            sample = dataset.read(row, np.random.default_rng(seed_from("read", ids[row])))
            return {name: writer.read(sample) for name, writer in writers.items()}
        except Exception as error:  # broken files are collected and reported by name
            return error

    total = len(dataset.labels)
    with ThreadPoolExecutor(max(2, count_cores())) as threads:
        for start in range(0, total, 512):
            yield from threads.map(read, range(start, min(start + 512, total)))
