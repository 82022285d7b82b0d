"""Compute and write the scores of a protocol's predictions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.analysis.statistics import metrics
from sslbench.api.values import Artifact, ImageArtifact, Outcome, SampleGroups, TableArtifact, Target, Task
from sslbench.convert import to_plain
from sslbench.results.record import ClassScore, Score
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS

UNNAMED = ""
"""The dataset's name in the files of an evaluation."""


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


def write_scores(
    outcomes: Iterable[Outcome], tasks: Sequence[Task], target: Target, labels: NDArray[np.int64], ids: NDArray[np.str_],
    key: EvaluationKey, folder: Path,
) -> None:  # fmt: skip
    """Compute and write the scores, class scores, confusion, predictions and artifacts of one evaluation.

    Each draw of a question has its own scores; class scores and the confusion matrix are summed over draws.
    """
    collected = _Collected(tasks=tasks, target=target, labels=labels, ids=ids, key=key)
    for number, outcome in enumerate(outcomes):
        fold = collected.add(outcome)
        for artifact in outcome.artifacts:
            _write_artifact(folder, f"{number:03d}-fold{fold}-{artifact.name}", artifact)
    collected.write(folder)


@dataclass(slots=True, kw_only=True)
class _Collected:
    """The scores, predictions, clusters and choices of the outcomes so far."""

    tasks: Sequence[Task]
    target: Target
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    key: EvaluationKey
    scores: list[Score] = field(default_factory=list)
    predictions: list[arrow.Table] = field(default_factory=list)
    partitions: list[arrow.Table] = field(default_factory=list)
    counted: dict[tuple[int, str, str], ClassCounts] = field(default_factory=dict)
    choices: list[dict[str, Any]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> int:
        """Add one outcome; returns its fold."""
        setting = _setting(outcome, self.tasks)
        fold = int(setting.pop("fold", 0))
        question = canonical_json(setting)
        setting_json = question if outcome.draw is None else canonical_json({**setting, "draw": outcome.draw})
        found = {**outcome.scores, **self._add_predictions(outcome, fold, question, setting_json)}
        for fit, codes in enumerate(outcome.clusters):
            line = {"fold": fold, "setting": setting_json, "fit": fit}
            truth = self.labels[outcome.rows]
            self.partitions.append(_make_table(self.ids[outcome.rows], truth, "cluster", codes, line))
        chosen = canonical_json(outcome.chosen)
        if outcome.considered:
            among = [{"what": canonical_json(what), "validation": share} for what, share in outcome.considered]
            self.choices.append({"fold": fold, "setting": setting_json, "chosen": chosen, "among": among})
        for name, value in sorted(found.items()):
            self.scores.append(
                Score(
                    dataset=UNNAMED, protocol=self.key.protocol, seed=self.key.seed, fold=fold, epoch=self.key.epoch,
                    setting=setting_json, chosen=chosen, chosen_on=outcome.chosen_on, metric=name,
                    value=_require_finite(name, value),
                )
            )  # fmt: skip
        return fold

    def _add_predictions(self, outcome: Outcome, fold: int, question: str, setting_json: str) -> dict[str, float]:
        """Add the predictions of an outcome, if it has any; returns the metrics that follow from them."""
        if outcome.predicted is None or outcome.rows is None:
            return {}
        truth, target = self.labels[outcome.rows], self.target
        found = dict(_derive_metrics(truth, outcome.predicted, target))
        if outcome.validation is not None and outcome.task is not None and len(outcome.validation):
            expected = self.labels[self.tasks[outcome.task].validation]
            validation = _derive_metrics(expected, outcome.validation, target)
            found |= {f"validation_{name}": value for name, value in validation.items()}
        if target.kind == "class" and outcome.chosen_on != "query":
            predicted = _predicted_classes(outcome.predicted)
            matrix = metrics.confusion(truth, predicted, len(target.names))
            same = (fold, question, outcome.chosen_on)
            counts = self.counted.setdefault(same, ClassCounts(matrix=0 * matrix))
            counts.add(matrix, _bank_labels(outcome, self.tasks, self.labels))
            line = {"fold": fold, "setting": setting_json, "chosen_on": outcome.chosen_on}
            self.predictions.append(_make_table(self.ids[outcome.rows], truth, "predicted", predicted, line))
        return found

    def write(self, folder: Path) -> None:
        """Write all files of the evaluation; a table without rows is written too."""
        none = np.zeros(0, np.int64)  # labels [n, C] would not fit a table's column
        no_prediction = _make_table(self.ids[:0], none, "predicted", none, {"fold": 0, "setting": "", "chosen_on": ""})
        no_cluster = _make_table(self.ids[:0], none, "cluster", none, {"fold": 0, "setting": "", "fit": 0})
        parquet.write_table(arrow.concat_tables([no_prediction, *self.predictions]), folder / PREDICTIONS)
        parquet.write_table(arrow.concat_tables([no_cluster, *self.partitions]), folder / ASSIGNMENTS)
        (folder / CHOICES).write_text(json.dumps(self.choices))
        confusions, classes = [], list[ClassScore]()
        for (fold, question, chosen_on), one in self.counted.items():
            classes += _class_scores(one, self.target, self.key, fold, question)
            line = {"fold": fold, "setting": question, "chosen_on": chosen_on}
            confusions.append({**line, "counts": _sparse(one.matrix)})
        (folder / "confusion.json").write_text(json.dumps(confusions))
        content = {"scores": to_plain(self.scores), "classes": to_plain(classes)}
        (folder / "scores.json").write_text(json.dumps(content, sort_keys=True, allow_nan=False))


def read_scores(folder: Path, dataset: str) -> tuple[list[Score], list[ClassScore]]:
    """Read the scores that `write_scores` wrote, and add the dataset's name."""
    content, name = json.loads((folder / "scores.json").read_text()), {"dataset": dataset}
    return [Score(**(s | name)) for s in content["scores"]], [ClassScore(**(c | name)) for c in content["classes"]]


def _require_finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"metric {name!r} is {value}, not a finite number")
    return float(value)


def _setting(outcome: Outcome, tasks: Sequence[Task]) -> dict[str, Any]:
    base = dict(tasks[outcome.task].setting) if outcome.task is not None else {}
    if base.get("fraction") == 1.0:
        del base["fraction"]
    return {**base, **outcome.setting}


def _bank_labels(outcome: Outcome, tasks: Sequence[Task], labels: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the training labels of an outcome, or None if they are unknown."""
    bank = outcome.bank if outcome.bank is not None or outcome.task is None else tasks[outcome.task].bank
    return None if bank is None else labels[bank]


def _predicted_classes(predicted: NDArray[Any]) -> NDArray[np.int64]:
    return (predicted.argmax(1) if predicted.ndim == 2 else predicted).astype(np.int64)


def _derive_metrics(truth: NDArray[np.int64], predicted: NDArray[Any], target: Target) -> Mapping[str, float]:
    if target.kind == "labels":
        return metrics.label_summary(truth, predicted.astype(np.float64))
    return metrics.summary(metrics.confusion(truth, _predicted_classes(predicted), len(target.names)))


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


def _make_table(
    ids: NDArray[np.str_], truth: NDArray[np.int64], name: str, values: NDArray[np.int64], line: Mapping[str, Any]
) -> arrow.Table:
    """Return the rows of one outcome as a table; arrays are used for speed, as there may be hundreds per sample."""
    kinds = {key: arrow.string() if isinstance(value, str) else arrow.int64() for key, value in line.items()}
    constants = {key: arrow.repeat(arrow.scalar(value, kinds[key]), len(ids)) for key, value in line.items()}
    return arrow.table({"id": arrow.array(ids.tolist(), arrow.string()), "label": truth, name: values, **constants})


def _write_artifact(folder: Path, name: str, artifact: Artifact) -> None:
    if isinstance(artifact, ImageArtifact):
        np.savez_compressed(folder / f"{name}.npz", **dict(artifact.arrays))  # type: ignore[arg-type]
    elif isinstance(artifact, SampleGroups):
        (folder / f"{name}.json").write_text(
            json.dumps({"name": artifact.name, "groups": to_plain(artifact.groups), "modalities": artifact.modalities})
        )
    elif isinstance(artifact, TableArtifact):
        (folder / f"{name}.json").write_text(json.dumps({"name": artifact.name, "columns": to_plain(artifact.columns)}))
