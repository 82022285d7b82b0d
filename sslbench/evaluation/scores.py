"""Write the outcomes of a protocol: answers, clusters, reported scores and scores of classes.

Only classes, labels and numbers are scored here: `evaluation.stored` derives the installed metrics when a record is written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.analysis.statistics import metrics
from sslbench.api.protocols import ProtocolSpec
from sslbench.api.ranked_scores import RankedScores, rank_scores, round_to
from sslbench.api.targets import Labels, kind_of
from sslbench.api.values import Artifact, ImageArtifact, Outcome, SampleGroups, TableArtifact, Target, Task
from sslbench.convert import to_plain
from sslbench.data.label_subsets import reported_setting
from sslbench.results.class_scores import as_lists, score_columns
from sslbench.results.record import ClassScore, LabelScore
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS, VECTORS

UNNAMED = ""
"""The dataset's name in the files of an evaluation."""
OUTCOMES, CONFUSION = "outcomes.json", "confusion.json"
"""Files of an evaluation: its outcomes, and confusion matrices."""
Part: TypeAlias = Literal["test", "validation"]
"""Samples that were predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationKey:
    """Protocol, seed and epoch of an evaluation; each record that uses the evaluation adds the dataset's name."""

    protocol: str
    seed: int
    epoch: int | None


@dataclass(slots=True, kw_only=True)
class ClassCounts:
    """The confusion matrix [C, C] of one question over its draws, and its training samples per class [C]."""

    matrix: NDArray[np.int64]
    training_samples: NDArray[np.int64] | None = None

    def add(self, matrix: NDArray[np.int64], labels: NDArray[np.int64] | None) -> None:
        """Add a draw's confusion matrix and training labels; the maximum count of each class over draws is kept."""
        self.matrix = self.matrix + matrix
        if labels is not None:
            counts = np.bincount(labels, minlength=len(matrix))
            self.training_samples = (
                counts if self.training_samples is None else np.maximum(self.training_samples, counts)
            )


def canonical_json(values: Mapping[str, Any]) -> str:
    """Return a mapping as one line of JSON with sorted keys."""
    return json.dumps(to_plain(values), sort_keys=True)


def write_outcomes(
    outcomes: Iterable[Outcome], tasks: Sequence[Task], target: Target, labels: Labels, ids: NDArray[np.str_],
    key: EvaluationKey, folder: Path, spec: ProtocolSpec[Any],
) -> None:  # fmt: skip
    """Write the outcomes, predictions, clusters, class scores, confusion and artifacts of one evaluation.

    Each draw of a question has its own outcome; class scores and the confusion matrix are summed over draws.
    Raises ValueError for a setting or choice that the protocol's spec does not declare.
    """
    collected = _Collected(tasks=tasks, target=target, labels=labels, ids=ids, key=key)
    for number, outcome in enumerate(outcomes):
        if problem := next(spec.find_undeclared(outcome), ""):
            raise ValueError(f"protocol {spec.name!r}: {problem}, or report it to its authors")
        fold = collected.add(outcome)
        for artifact in outcome.artifacts:
            _write_artifact(folder, f"{number:03d}-fold{fold}-{artifact.name}", artifact)
    collected.write(folder)


@dataclass(slots=True, kw_only=True)
class _Collected:
    """The reported scores, predictions, clusters and choices of the outcomes so far."""

    tasks: Sequence[Task]
    target: Target
    labels: Labels
    ids: NDArray[np.str_]
    key: EvaluationKey
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[arrow.Table] = field(default_factory=list)
    partitions: list[arrow.Table] = field(default_factory=list)
    vectors: list[arrow.Table] = field(default_factory=list)
    label_scores: list[LabelScore] = field(default_factory=list)
    counted: dict[tuple[int, str, str], ClassCounts] = field(default_factory=dict)
    choices: list[dict[str, Any]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> int:
        """Add one outcome; returns its fold."""
        setting = _setting(outcome, self.tasks)
        fold = int(setting.pop("fold", 0))
        question = canonical_json(setting)
        setting_json = question if outcome.draw is None else canonical_json({**setting, "draw": outcome.draw})
        self._add_predictions(outcome, fold, question, setting_json)
        for fit, codes in enumerate(outcome.clusters):
            line = {"fold": fold, "setting": setting_json, "fit": fit, "outcome": len(self.outcomes)}
            truth = self.labels[outcome.rows]
            self.partitions.append(_make_table(self.ids[outcome.rows], truth, "cluster", codes, line))
        chosen = canonical_json(outcome.chosen)
        if outcome.considered:
            among = [{"what": canonical_json(what), "validation": share} for what, share in outcome.considered]
            self.choices.append({"fold": fold, "setting": setting_json, "chosen": chosen, "among": among})
        reported = {name: _require_finite(self.key.protocol, name, value) for name, value in outcome.scores.items()}
        place = {"fold": fold, "setting": setting_json, "chosen": chosen, "chosen_on": outcome.chosen_on}
        self.outcomes.append({**place, "scores": reported})
        return fold

    def _add_predictions(self, outcome: Outcome, fold: int, question: str, setting_json: str) -> None:
        """Add the predictions of an outcome, if it has any."""
        if outcome.predicted is None or outcome.rows is None:
            return
        parts: list[tuple[Part, NDArray[np.int64], Labels]] = [("test", outcome.rows, outcome.predicted)]
        if outcome.validation is not None and outcome.task is not None and len(outcome.validation):
            parts.append(("validation", self.tasks[outcome.task].validation, outcome.validation))
        for part, rows, predicted in parts:
            number, truth = len(self.outcomes), self.labels[rows]
            line = {"fold": fold, "setting": setting_json, "chosen_on": outcome.chosen_on}
            line |= {"outcome": number, "part": part}
            if truth.ndim == 2:
                lists = as_lists(truth.astype(np.float64)), as_lists(self._as_stored(predicted))
                self.vectors.append(_make_table(self.ids[rows], lists[0], "predicted", lists[1], line))
                continue
            codes = _predicted_classes(predicted)
            table = _make_table(self.ids[rows], truth, "predicted", codes, line)
            ranked = _rank(self.key.protocol, truth, predicted, len(self.target.names))
            self.predictions.append(_add_columns(table, score_columns(ranked, len(rows))))
        if outcome.chosen_on == "query":
            return
        if self.labels.ndim == 2:
            self.label_scores += self._score_labels(outcome, fold, setting_json)
        else:
            predicted = _predicted_classes(outcome.predicted)
            matrix = metrics.confusion(self.labels[outcome.rows], predicted, len(self.target.names))
            same = (fold, question, outcome.chosen_on)
            counts = self.counted.setdefault(same, ClassCounts(matrix=0 * matrix))
            counts.add(matrix, _bank_labels(outcome, self.tasks, self.labels))

    def _as_stored(self, predicted: Labels) -> Labels:
        return round_to(predicted, kind_of(self.target).stored_as)

    def _score_labels(self, outcome: Outcome, fold: int, setting: str) -> Iterator[LabelScore]:
        """Yield the scores of every label or number of an outcome."""
        kind, names, truth = kind_of(self.target), self.target.names, self.labels[outcome.rows]
        bank = _bank_labels(outcome, self.tasks, self.labels)
        learned = None if bank is None else kind.count(bank, names)
        found = kind.score_each(truth, self._as_stored(np.asarray(outcome.predicted)).astype(np.float64))
        for place, (name, support) in enumerate(zip(names, kind.count(truth, names).tolist(), strict=True)):
            yield LabelScore(
                dataset=UNNAMED, protocol=self.key.protocol, seed=self.key.seed, fold=fold, setting=setting, name=name,
                scores={metric: None if math.isnan(own[place]) else float(own[place]) for metric, own in found.items()},
                support=support, training_samples=None if learned is None else int(learned[place]),
            )  # fmt: skip

    def write(self, folder: Path) -> None:
        """Write all files of the evaluation; a table without rows is written too."""
        none = np.zeros(0, np.int64)  # labels [n, C] would not fit a table's column
        line = {"fold": 0, "setting": ""}
        no_prediction = _make_table(
            self.ids[:0], none, "predicted", none, {**line, "chosen_on": "", "outcome": 0, "part": ""}
        )
        no_cluster = _make_table(self.ids[:0], none, "cluster", none, {**line, "fit": 0, "outcome": 0})
        no_prediction = _add_columns(no_prediction, score_columns(None, 0))
        parquet.write_table(arrow.concat_tables([no_prediction, *self.predictions]), folder / PREDICTIONS)
        parquet.write_table(arrow.concat_tables([no_cluster, *self.partitions]), folder / ASSIGNMENTS)
        (folder / CHOICES).write_text(json.dumps(self.choices))
        confusions, classes = [], list[ClassScore]()
        for (fold, question, chosen_on), one in self.counted.items():
            classes += _class_scores(one, self.target, self.key, fold, question)
            line = {"fold": fold, "setting": question, "chosen_on": chosen_on}
            confusions.append({**line, "counts": _sparse(one.matrix)})
        (folder / CONFUSION).write_text(json.dumps(confusions))
        if self.vectors:
            parquet.write_table(arrow.concat_tables(self.vectors), folder / VECTORS)
        content = {
            "key": to_plain(self.key), "classes": len(self.target.names), "outcomes": self.outcomes,
            "class_scores": to_plain(classes), "label_scores": to_plain(self.label_scores),
            "source": kind_of(self.target).source.name,
        }  # fmt: skip
        (folder / OUTCOMES).write_text(json.dumps(content, sort_keys=True, allow_nan=False))


def _require_finite(protocol: str, name: str, value: float) -> float:
    if not math.isfinite(value):
        fix = "Lower train.lr if the training diverged, or report it to the authors of the protocol"
        raise ValueError(f"protocol {protocol!r}: metric {name!r} is {value}, not a finite number. {fix}")
    return float(value)


def _setting(outcome: Outcome, tasks: Sequence[Task]) -> dict[str, Any]:
    base = reported_setting(tasks[outcome.task]) if outcome.task is not None else {}
    return {**base, **outcome.setting}


def _bank_labels(outcome: Outcome, tasks: Sequence[Task], labels: Labels) -> Labels | None:
    """Return the training labels of an outcome, or None if they are unknown."""
    bank = outcome.bank if outcome.bank is not None or outcome.task is None else tasks[outcome.task].bank
    return None if bank is None else labels[bank]


def _predicted_classes(predicted: NDArray[Any]) -> NDArray[np.int64]:
    return (predicted.argmax(1) if predicted.ndim == 2 else predicted).astype(np.int64)


def _rank(protocol: str, truth: Labels, predicted: Labels, classes: int) -> RankedScores | None:
    """Return the scores of classes as they are stored; None for codes, and for scores that are not finite."""
    if predicted.ndim == 1:
        return None
    if predicted.shape != (len(truth), classes):
        shapes = f"{list(predicted.shape)}, not {[len(truth), classes]}"
        raise ValueError(f"protocol {protocol!r}: class scores have shape {shapes}. Report it to its authors")
    return rank_scores(truth, predicted) if np.isfinite(predicted).all() else None


def _class_scores(
    counted: ClassCounts, target: Target, key: EvaluationKey, fold: int, setting: str
) -> list[ClassScore]:
    found = metrics.class_scores(counted.matrix)
    return [
        ClassScore(
            dataset=UNNAMED,
            protocol=key.protocol,
            seed=key.seed,
            fold=fold,
            setting=setting,
            name=name,
            recall=None if math.isnan(found.recall[place]) else float(found.recall[place]),
            precision=float(found.precision[place]),
            f1=float(found.f1[place]),
            support=int(found.support[place]),
            training_samples=None if counted.training_samples is None else int(counted.training_samples[place]),
        )
        for place, name in enumerate(target.names)
    ]


def _sparse(matrix: NDArray[np.int64]) -> list[list[int]]:
    return [[int(r), int(c), int(matrix[r, c])] for r, c in zip(*np.nonzero(matrix), strict=True)]


def _make_table(ids: NDArray[np.str_], truth: Any, name: str, values: Any, line: Mapping[str, Any]) -> arrow.Table:
    """Return the rows of one outcome as a table; arrays are used for speed, as there may be hundreds per sample."""
    kinds = {key: arrow.string() if isinstance(value, str) else arrow.int64() for key, value in line.items()}
    constants = {key: arrow.repeat(arrow.scalar(value, kinds[key]), len(ids)) for key, value in line.items()}
    return arrow.table({"id": arrow.array(ids.tolist(), arrow.string()), "label": truth, name: values, **constants})


def _add_columns(table: arrow.Table, columns: Mapping[str, Any]) -> arrow.Table:
    for name, values in columns.items():
        table = table.append_column(name, arrow.array(values) if isinstance(values, np.ndarray) else values)
    return table


def _write_artifact(folder: Path, name: str, artifact: Artifact) -> None:
    if isinstance(artifact, ImageArtifact):
        np.savez_compressed(folder / f"{name}.npz", **dict(artifact.arrays))  # type: ignore[arg-type]
    elif isinstance(artifact, SampleGroups):
        (folder / f"{name}.json").write_text(
            json.dumps({"name": artifact.name, "groups": to_plain(artifact.groups), "modalities": artifact.modalities})
        )
    elif isinstance(artifact, TableArtifact):
        (folder / f"{name}.json").write_text(json.dumps({"name": artifact.name, "columns": to_plain(artifact.columns)}))
