"""Prepare a dataset: read every sample, fit it to its canvas, and write memory-mapped columns."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from sslbench.data.fact_writer import FactWriter
from sslbench.data.prepare_inputs import PrepareInputs, SampleInputs
from sslbench.data.table import SCHEMA, describe_values
from sslbench.environment import count_cores, seed_from

Tick = Callable[[int, int], None]
FACT_ADVICE = "Correct the dataset's reader, or the facts of its Modality"


def _explain_unreadable(unreadable: list[str], rows: int, allowed: float) -> str:
    if not unreadable:
        return "has no samples. Choose other data"
    more = f", or raise prepare.unreadable={allowed}" if len(unreadable) < rows else ""
    problem = f"{len(unreadable)} of {rows} samples cannot be read, such as {unreadable[0]}"
    return f"{problem}. Repair or remove these files{more}"


def prepare(inputs: PrepareInputs, name: str, folder: Path, tick: Tick) -> None:
    """Write a dataset's columns into a folder; `name` is its title, for error messages only.

    Raises DataBroken if more than the share `prepare.unreadable` of the samples cannot be read, or if any lacks a fact that
    its modality announces.
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
            try:
                for one, writer in writers.items():
                    writer.put(row, sample[one])
            except ValueError as error:
                raise DataBroken(f"{name}: sample {dataset.columns['id'][row]}: {error}. {FACT_ADVICE}") from error
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadSample:
    """One modality of a sample: sides in the file, stored values, announced facts, and what is wrong with these."""

    sides: tuple[int, ...]
    value: NDArray[Any]
    facts: Mapping[str, NDArray[Any]]
    fact_errors: tuple[str, ...]


class _Writer:
    """Write one modality's column and its facts row by row."""

    def __init__(self, folder: Path, name: str, modality: Modality, rows: int, samples: SampleInputs) -> None:
        self.folder, self.name, self.samples = folder, name, samples
        self.source, self.code = modality, modality.code
        self.modality = self.code.stored(modality, samples.canvas)
        self.ragged = modality.is_ragged
        self.kind = np.dtype(modality.stored_dtype)
        has_size = "size" in self.modality.facts
        self.sizes = np.zeros((rows, len(modality.sides)), np.int32) if has_size else None
        self.facts = {
            fact: FactWriter(folder, f"{name}.{fact}", rows, is_ragged=self.ragged) for fact in modality.announced_facts
        }
        if self.ragged:
            self.lengths = np.zeros(rows, np.int64)
            self.file = (folder / f"{name}.raw").open("wb")
        else:
            self.values = create_array(folder / f"{name}.npy", self.kind, (rows, *self.modality.shape))

    def read(self, sample: Mapping[str, NDArray[Any]]) -> ReadSample:
        """Return what is stored of a sample; raises ValueError for values that were not declared."""
        value, original = sample[self.name], sample.get(f"{self.name}.size")
        for error in self.code.find_sample_errors(value, self.source):
            raise ValueError(f"{self.name} {error}")
        sides = self.source.spec.sides(value.shape) if original is None else original
        fitted = self.code.fit(value, self.modality, self.samples)
        keys = {fact: f"{self.name}.{fact}" for fact in self.facts}
        return ReadSample(
            sides=tuple(int(side) for side in sides), value=fitted,
            facts={fact: np.asarray(sample[key]) for fact, key in keys.items() if key in sample},
            fact_errors=tuple(self.source.find_fact_errors(self.name, {**sample, self.name: fitted})),
        )  # fmt: skip

    def put(self, row: int, sample: ReadSample) -> None:
        """Write one sample; raises ValueError for facts that are missing, or differ in shape from those of other samples."""
        if sample.fact_errors:
            raise ValueError("; ".join(sample.fact_errors))
        value = sample.value
        for fact, writer in self.facts.items():
            writer.put(row, sample.facts[fact])
        if self.sizes is not None:
            self.sizes[row] = sample.sides
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
        for fact in self.facts.values():
            fact.close()
        if self.sizes is not None:
            np.save(self.folder / f"{self.name}.size.npy", self.sizes)
        return {
            "layout": self.modality.layout,
            "shape": list(self.modality.shape),
            "sequence_of": self.modality.sequence_of,
            "facts": list(self.modality.facts),
            "stored_facts": [*(["size"] if self.sizes is not None else []), *self.facts],
            "step_facts": [fact for fact, writer in self.facts.items() if writer.has_steps],
            **describe_values(self.modality),
        }


def _read_all(dataset: Dataset, writers: Mapping[str, _Writer]) -> Iterator[Mapping[str, ReadSample] | Exception]:
    """Yield every sample in order, or its error, read by threads (decoding releases the GIL), few at a time in memory.

    Random numbers of readers, such as the noise of a border, are keyed by the sample's id, so they depend on neither the
    folder nor other samples.
    """
    ids = dataset.columns["id"]

    def read(row: int) -> Mapping[str, ReadSample] | Exception:
        try:
            sample = dataset.read(row, np.random.default_rng(seed_from("read", ids[row])))
            return {name: writer.read(sample) for name, writer in writers.items()}
        except Exception as error:  # broken files are collected and reported by name
            return error

    total = len(dataset.labels)
    with ThreadPoolExecutor(max(2, count_cores())) as threads:
        for start in range(0, total, 512):
            yield from threads.map(read, range(start, min(start + 512, total)))
