"""Read the answers of a finished run to test samples from its predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.results.record import Record, setting_of
from sslbench.results.store import PREDICTIONS

REPEATS = ("draw", "probe_seed")
"""Settings that repeat one question; their answers are averaged within a seed."""
NAMES = ("dataset", "protocol", "setting", "id")


class Question(NamedTuple):
    """A dataset, a protocol and its setting as canonical JSON; every seed answers it."""

    dataset: str
    protocol: str
    setting: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TestAnswers:
    """Shares of right answers [S, n] by seed and test sample, with samples in the order of their folds.

    Shares are over draws and probe seeds. `labels` [n] are codes of the classes in the record.
    """

    __test__ = False  # pytest must not collect it
    ids: NDArray[np.str_]
    folds: NDArray[np.int64]
    labels: NDArray[np.int64]
    right: NDArray[np.float64]
    depends_on_seed: bool

    def same_samples(self, other: TestAnswers) -> bool:
        """Return whether another row has the same test samples, so that they can be paired."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.folds, other.folds)


@lru_cache(maxsize=4096)
def question_of(dataset: str, protocol: str, setting: str) -> Question:
    """Return the question of a score: its setting without the keys that only repeat it."""
    kept = {name: value for name, value in setting_of(setting).items() if name not in REPEATS}
    return Question(dataset, protocol, json.dumps(kept, sort_keys=True))


def read_answers(root: Path | None, record: Record) -> dict[Question, TestAnswers]:
    """Read a run's answers of its last epoch by question.

    A question is left out unless every seed answered the same samples equally often. Empty without the run's folder.
    """
    path = root / record.run / PREDICTIONS if root is not None else None
    if path is None or not path.exists():
        return {}
    columns = [*NAMES, "seed", "fold", "epoch", "label", "predicted"]
    table = parquet.read_table(path, columns=columns, read_dictionary=list(NAMES))
    table = table.filter(arrow.compute.is_null(table["epoch"])).unify_dictionaries().combine_chunks()
    codes, names = _encode(table)
    questions_by_code = [question_of("", "", setting).setting for setting in names["setting"]]
    questions = {text: code for code, text in enumerate(dict.fromkeys(questions_by_code))}
    question = np.array([questions[text] for text in questions_by_code], np.int64)[codes["setting"]]
    numbers = {name: table[name].to_numpy() for name in ("seed", "fold", "label", "predicted")}
    texts, found = list(questions), {}
    triples = np.stack([codes["dataset"], codes["protocol"], question], axis=1)
    for dataset, protocol, own in np.unique(triples, axis=0).tolist():
        rows = np.flatnonzero((triples == (dataset, protocol, own)).all(1))
        some = {name: values[rows] for name, values in numbers.items()}
        answers = _answers(np.array(names["id"], np.str_)[codes["id"][rows]], some, record)
        if answers is not None:
            found[Question(names["dataset"][dataset], names["protocol"][protocol], texts[own])] = answers
    return found


def _encode(table: arrow.Table) -> tuple[Mapping[str, NDArray[np.int64]], Mapping[str, list[str]]]:
    """Return codes and values of the text columns."""
    columns = {name: table[name].combine_chunks() for name in NAMES}
    columns = {
        name: column.chunk(0) if isinstance(column, arrow.ChunkedArray) else column for name, column in columns.items()
    }
    codes = {name: column.indices.to_numpy(zero_copy_only=False).astype(np.int64) for name, column in columns.items()}
    return codes, {name: column.dictionary.to_pylist() for name, column in columns.items()}


def _answers(ids: NDArray[np.str_], columns: Mapping[str, NDArray[np.int64]], record: Record) -> TestAnswers | None:
    named = np.array(
        [f"{fold:06d}\x1f{name}" for fold, name in zip(columns["fold"].tolist(), ids.tolist(), strict=True)]
    )
    samples, first, place = np.unique(named, return_index=True, return_inverse=True)
    seeds, seed = np.unique(columns["seed"], return_inverse=True)
    cell, size = seed * len(samples) + place.reshape(-1), len(seeds) * len(samples)
    counts = np.bincount(cell, minlength=size)
    if len(seeds) < len(record.seeds) or counts.min() != counts.max():
        return None
    right = np.bincount(cell, (columns["label"] == columns["predicted"]).astype(np.float64), size) / counts
    return TestAnswers(
        ids=ids[first], folds=columns["fold"][first], labels=columns["label"][first],
        right=right.reshape(len(seeds), len(samples)), depends_on_seed=record.depends_on_seed,
    )  # fmt: skip
