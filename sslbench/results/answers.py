"""Read the answers of a finished run to test samples from its predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.api.targets import KINDS, TargetKind
from sslbench.results.record import Record, setting_of
from sslbench.results.sample_columns import read_split_groups
from sslbench.results.store import PREDICTIONS, SAMPLES, VECTORS

NAMES = ("dataset", "protocol", "setting", "id")


class Question(NamedTuple):
    """A dataset, a protocol and its setting as canonical JSON; every seed answers it."""

    dataset: str
    protocol: str
    setting: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TestSamples:
    """Test samples in the order of their folds: ids [n] and folds [n].

    groups: codes [n] of the groups that no split divides, whose samples depend on each other; None: all are independent.
    """

    __test__ = False  # pytest must not collect it
    ids: NDArray[np.str_]
    folds: NDArray[np.int64]
    depends_on_seed: bool
    groups: NDArray[np.int64] | None = None

    def same_samples(self, other: TestSamples) -> bool:
        """Return whether another row has the same test samples, so that they can be paired."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.folds, other.folds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TestAnswers(TestSamples):
    """Shares of right answers [S, n] by seed and test sample, over draws and probe seeds.

    `labels` [n] are codes of the classes in the record.
    """

    labels: NDArray[np.int64]
    right: NDArray[np.float64]

    @property
    def target_unit(self) -> str:
        """Return what the target of a sample is called."""
        return KINDS["class"].unit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorAnswers(TestSamples):
    """Predicted scores of labels, or numbers [S, R, n, C], by seed, repetition (draws and probe seeds) and test sample.

    `truth` [n, C] are labels (-1: unknown) or numbers (NaN: unknown), and `names` [C] are those of the target.
    """

    kind: TargetKind
    names: tuple[str, ...]
    truth: NDArray[Any]
    predicted: NDArray[np.float64]

    @property
    def target_unit(self) -> str:
        """Return what one column of the target is called."""
        return self.kind.unit


Answers: TypeAlias = TestAnswers | VectorAnswers


@lru_cache(maxsize=4096)
def question_of(dataset: str, protocol: str, setting: str, repeats: tuple[str, ...]) -> Question:
    """Return the question of a score: its setting without those that only repeat it (see `Record.repeats`)."""
    kept = {name: value for name, value in setting_of(setting).items() if name not in repeats}
    return Question(dataset, protocol, json.dumps(kept, sort_keys=True))


def read_answers(root: Path | None, record: Record) -> dict[Question, Answers]:
    """Read a run's answers of its last epoch by question.

    A question is left out unless every seed answered the same samples equally often. Empty without the run's folder.
    """
    return {} if root is None else read_folder_answers(root / record.run, record)


def read_folder_answers(folder: Path, record: Record) -> dict[Question, Answers]:
    """Read the answers in the folder of a run or a submission by question; see `read_answers`."""
    makers: Mapping[str, Callable[..., Answers | None]] = {PREDICTIONS: _class_answers, VECTORS: _vector_answers}
    found: dict[Question, Answers] = {}
    for name, make in makers.items():
        path = folder / name
        if path.exists():
            found |= _read_file(path, record, make)
    groups = read_split_groups(folder / SAMPLES)
    return {question: _add_groups(answers, groups.get(question.dataset)) for question, answers in found.items()}


def _add_groups(answers: Answers, groups: pd.Series | None) -> Answers:
    """Return answers with codes of groups, unless these are unknown, only one, or as many as test samples."""
    if groups is None:
        return answers
    codes, names = pd.factorize(groups.reindex(answers.ids))
    is_useful = codes.min() >= 0 and 1 < len(names) < len(set(answers.ids.tolist()))
    return replace(answers, groups=codes.astype(np.int64)) if is_useful else answers


def _read_file(path: Path, record: Record, make: Callable[..., Answers | None]) -> dict[Question, Answers]:
    columns = [*NAMES, "seed", "fold", "label", "predicted"]
    has_epoch = "epoch" in parquet.read_schema(path).names  # submissions hold the last epoch alone
    table = parquet.read_table(path, columns=[*columns, *["epoch"] * has_epoch], read_dictionary=list(NAMES))
    if has_epoch:
        table = table.filter(arrow.compute.is_null(table["epoch"]))
    table = table.unify_dictionaries().combine_chunks()
    codes, names = _encode(table)
    questions_by_code = [question_of("", "", setting, record.repeats).setting for setting in names["setting"]]
    questions = {text: code for code, text in enumerate(dict.fromkeys(questions_by_code))}
    question = np.array([questions[text] for text in questions_by_code], np.int64)[codes["setting"]]
    texts, found = list(questions), dict[Question, Answers]()
    triples = np.stack([codes["dataset"], codes["protocol"], question], axis=1)
    for dataset, protocol, own in np.unique(triples, axis=0).tolist():
        rows = np.flatnonzero((triples == (dataset, protocol, own)).all(1))
        some = {name: _take(table[name], rows) for name in ("seed", "fold", "label", "predicted")}
        cells = _find_cells(np.array(names["id"], np.str_)[codes["id"][rows]], some["fold"], some["seed"], record)
        answers = None if cells is None else make(cells, some, record, names["dataset"][dataset])
        if answers is not None:
            found[Question(names["dataset"][dataset], names["protocol"][protocol], texts[own])] = answers
    return found


def _take(column: arrow.ChunkedArray, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows of a column of numbers [n], or of lists of equal length [n, C]."""
    taken = column.take(arrow.array(rows)).combine_chunks()
    taken = taken.chunk(0) if isinstance(taken, arrow.ChunkedArray) else taken
    if not arrow.types.is_list(taken.type):
        return np.asarray(taken.to_numpy(zero_copy_only=False))
    return np.asarray(taken.flatten().to_numpy(zero_copy_only=False)).reshape(len(rows), -1)


def _encode(table: arrow.Table) -> tuple[Mapping[str, NDArray[np.int64]], Mapping[str, list[str]]]:
    """Return codes and values of the text columns."""
    columns = {name: table[name].combine_chunks() for name in NAMES}
    columns = {
        name: column.chunk(0) if isinstance(column, arrow.ChunkedArray) else column for name, column in columns.items()
    }
    codes = {name: column.indices.to_numpy(zero_copy_only=False).astype(np.int64) for name, column in columns.items()}
    return codes, {name: column.dictionary.to_pylist() for name, column in columns.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """Rows of one question by seed and test sample: `first` row of each sample [n], and the `cell` of each row.

    There are S x n cells, and `repeats` rows in each.
    """

    ids: NDArray[np.str_]
    folds: NDArray[np.int64]
    first: NDArray[np.int64]
    cell: NDArray[np.int64]
    seeds: int
    repeats: int


def _find_cells(
    ids: NDArray[np.str_], folds: NDArray[np.int64], seeds: NDArray[np.int64], record: Record
) -> _Cells | None:
    """Return the cells of rows; None unless every seed has the same samples equally often."""
    named = np.array([f"{fold:06d}\x1f{name}" for fold, name in zip(folds.tolist(), ids.tolist(), strict=True)])
    samples, first, place = np.unique(named, return_index=True, return_inverse=True)
    found, seed = np.unique(seeds, return_inverse=True)
    cell = seed * len(samples) + place.reshape(-1)
    counts = np.bincount(cell, minlength=len(found) * len(samples))
    if len(found) < len(record.seeds) or counts.min() != counts.max():
        return None
    return _Cells(
        ids=ids[first], folds=folds[first], first=first, cell=cell, seeds=len(found), repeats=int(counts.max())
    )


def _class_answers(cells: _Cells, columns: Mapping[str, NDArray[Any]], record: Record, dataset: str) -> TestAnswers:
    right = (columns["label"] == columns["predicted"]).astype(np.float64)
    shares = np.bincount(cells.cell, right, cells.seeds * len(cells.ids)) / cells.repeats
    return TestAnswers(
        ids=cells.ids, folds=cells.folds, labels=columns["label"][cells.first],
        right=shares.reshape(cells.seeds, len(cells.ids)), depends_on_seed=record.depends_on_seed,
    )  # fmt: skip


def _vector_answers(
    cells: _Cells, columns: Mapping[str, NDArray[Any]], record: Record, dataset: str
) -> VectorAnswers | None:
    own = [row for row in record.labels if row.dataset == dataset]
    metrics = {metric for row in own for metric in row.scores}
    kind = next((kind for kind in KINDS.values() if metrics & {*kind.each}), None)
    if kind is None:
        return None
    order = np.argsort(cells.cell, kind="stable")  # repetitions stay in their order
    shape = (cells.seeds, len(cells.ids), cells.repeats, columns["predicted"].shape[1])
    truth = columns["label"][cells.first]
    return VectorAnswers(
        ids=cells.ids, folds=cells.folds, depends_on_seed=record.depends_on_seed, kind=kind,
        names=tuple(dict.fromkeys(row.name for row in own)),
        truth=truth.astype(np.int64) if kind.name == "labels" else truth,
        predicted=columns["predicted"][order].astype(np.float64).reshape(shape).transpose(0, 2, 1, 3),
    )  # fmt: skip
