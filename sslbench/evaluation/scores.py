"""From a protocol's outcomes to numbers: the harness derives every accuracy, the protocol only predicts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.analysis.statistics import metrics
from sslbench.api.values import Artifact, ImageArtifact, Outcome, SampleGroups, TableArtifact, Target, Task
from sslbench.convert import plain
from sslbench.results.record import ClassScore, Score
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS

UNNAMED = ""
"""The dataset's name in the files of an evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What an evaluation is of. What the dataset is called is up to each record that uses the evaluation."""

    protocol: str
    seed: int
    epoch: int | None


@dataclass(slots=True, kw_only=True)
class Counted:
    """The answers to one question over its draws: a confusion matrix [C, C], and the samples [C] that were learned from."""

    matrix: NDArray[np.int64]
    taught: NDArray[np.int64] | None = None

    def add(self, matrix: NDArray[np.int64], labels: NDArray[np.int64] | None) -> None:
        """Add a draw: its confusion matrix, and the labels that it learned from; the most of a class in any draw counts."""
        self.matrix = self.matrix + matrix
        if labels is not None:
            taught = np.bincount(labels, minlength=len(matrix))
            self.taught = taught if self.taught is None else np.maximum(self.taught, taught)


def text(values: Mapping[str, Any]) -> str:
    """A mapping as one canonical line."""
    return json.dumps(plain(values), sort_keys=True)


def score(
    outcomes: Iterable[Outcome], tasks: Sequence[Task], target: Target, labels: NDArray[np.int64], ids: NDArray[np.str_],
    where: Where, folder: Path,
) -> None:  # fmt: skip
    """Derive and write scores, class scores, confusion, predictions and artifacts of one evaluation.

    Draws of one question have scores of their own, and classes and a confusion of all together.
    """
    scores: list[Score] = []
    none = np.zeros(0, np.int64)  # of labels [n, C] no row would fit a table's column
    predictions = [_rows(ids[:0], none, "predicted", none, {"fold": 0, "setting": "", "chosen_on": ""})]
    partitions = [_rows(ids[:0], none, "cluster", none, {"fold": 0, "setting": "", "fit": 0})]
    counted: dict[tuple[int, str, str], Counted] = {}
    choices: list[dict[str, Any]] = []
    for number, outcome in enumerate(outcomes):
        setting = _setting(outcome, tasks)
        fold = int(setting.pop("fold", 0))
        question = text(setting)
        asked = question if outcome.draw is None else text({**setting, "draw": outcome.draw})
        line = {"fold": fold, "setting": asked, "chosen_on": outcome.chosen_on}
        found = dict(outcome.scores)
        if outcome.predicted is not None and outcome.rows is not None:
            truth, said = labels[outcome.rows], outcome.predicted
            found |= _derived(truth, said, target)
            if outcome.validation is not None and outcome.task is not None and len(outcome.validation):
                held_out = _derived(labels[tasks[outcome.task].validation], outcome.validation, target)
                found |= {f"validation_{name}": value for name, value in held_out.items()}
            if target.kind == "class" and outcome.chosen_on != "query":
                matrix = metrics.confusion(truth, _codes(said), len(target.names))
                same = (fold, question, outcome.chosen_on)
                counted.setdefault(same, Counted(matrix=0 * matrix)).add(matrix, _taught(outcome, tasks, labels))
                predictions.append(_rows(ids[outcome.rows], truth, "predicted", _codes(said), line))
        for fit, codes in enumerate(outcome.clusters):
            given, truth = ids[outcome.rows], labels[outcome.rows]
            partitions.append(_rows(given, truth, "cluster", codes, {"fold": fold, "setting": asked, "fit": fit}))
        if outcome.considered:
            among = [{"what": text(what), "validation": share} for what, share in outcome.considered]
            choices.append({"fold": fold, "setting": asked, "chosen": text(outcome.chosen), "among": among})
        for name, value in sorted(found.items()):
            scores.append(
                Score(
                    dataset=UNNAMED, protocol=where.protocol, seed=where.seed, fold=fold, epoch=where.epoch,
                    setting=asked, chosen=text(outcome.chosen), chosen_on=outcome.chosen_on, metric=name,
                    value=_finite(name, value),
                )
            )  # fmt: skip
        for artifact in outcome.artifacts:
            _write_artifact(folder, f"{number:03d}-fold{fold}-{artifact.name}", artifact)
    parquet.write_table(arrow.concat_tables(predictions), folder / PREDICTIONS)
    parquet.write_table(arrow.concat_tables(partitions), folder / ASSIGNMENTS)
    (folder / CHOICES).write_text(json.dumps(choices))
    confusions, classes = [], list[ClassScore]()
    for (fold, question, chosen_on), one in counted.items():
        classes += _class_scores(one, target, where, fold, question)
        line = {"fold": fold, "setting": question, "chosen_on": chosen_on}
        confusions.append({**line, "counts": _sparse(one.matrix)})
    (folder / "confusion.json").write_text(json.dumps(confusions))
    content = {"scores": plain(scores), "classes": plain(classes)}
    (folder / "scores.json").write_text(json.dumps(content, sort_keys=True, allow_nan=False))


def read_scores(folder: Path, dataset: str) -> tuple[list[Score], list[ClassScore]]:
    """Read what `score` wrote, of a dataset of that name."""
    content, named = json.loads((folder / "scores.json").read_text()), {"dataset": dataset}
    return [Score(**(s | named)) for s in content["scores"]], [ClassScore(**(c | named)) for c in content["classes"]]


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"metric {name!r} is {value}")
    return float(value)


def _setting(outcome: Outcome, tasks: Sequence[Task]) -> dict[str, Any]:
    base = dict(tasks[outcome.task].setting) if outcome.task is not None else {}
    if base.get("fraction") == 1.0:
        del base["fraction"]
    return {**base, **outcome.setting}


def _taught(outcome: Outcome, tasks: Sequence[Task], labels: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The labels that an answer was learned from, where they are known."""
    bank = outcome.bank if outcome.bank is not None or outcome.task is None else tasks[outcome.task].bank
    return None if bank is None else labels[bank]


def _codes(said: NDArray[Any]) -> NDArray[np.int64]:
    return (said.argmax(1) if said.ndim == 2 else said).astype(np.int64)


def _derived(truth: NDArray[np.int64], said: NDArray[Any], target: Target) -> Mapping[str, float]:
    if target.kind == "labels":
        return metrics.label_summary(truth, said.astype(np.float64))
    return metrics.summary(metrics.confusion(truth, _codes(said), len(target.names)))


def _class_scores(counted: Counted, target: Target, where: Where, fold: int, setting: str) -> list[ClassScore]:
    found = metrics.class_scores(counted.matrix)
    return [
        ClassScore(
            dataset=UNNAMED,
            protocol=where.protocol,
            seed=where.seed,
            fold=fold,
            setting=setting,
            name=name,
            recall=None if math.isnan(found.recall[place]) else float(found.recall[place]),
            precision=float(found.precision[place]),
            f1=float(found.f1[place]),
            support=int(found.support[place]),
            training_samples=None if counted.taught is None else int(counted.taught[place]),
        )
        for place, name in enumerate(target.names)
    ]


def _sparse(matrix: NDArray[np.int64]) -> list[list[int]]:
    return [[int(r), int(c), int(matrix[r, c])] for r, c in zip(*np.nonzero(matrix), strict=True)]


def _rows(
    ids: NDArray[np.str_], truth: NDArray[np.int64], name: str, values: NDArray[np.int64], line: Mapping[str, Any]
) -> arrow.Table:
    """One answer's rows, as arrays and not as Python's objects: a protocol may give hundreds of answers a sample."""
    kinds = {key: arrow.string() if isinstance(value, str) else arrow.int64() for key, value in line.items()}
    told = {key: arrow.repeat(arrow.scalar(value, kinds[key]), len(ids)) for key, value in line.items()}
    return arrow.table({"id": arrow.array(ids.tolist(), arrow.string()), "label": truth, name: values, **told})


def _write_artifact(folder: Path, name: str, artifact: Artifact) -> None:
    if isinstance(artifact, ImageArtifact):
        np.savez_compressed(folder / f"{name}.npz", **dict(artifact.arrays))  # type: ignore[arg-type]
    elif isinstance(artifact, SampleGroups):
        (folder / f"{name}.json").write_text(
            json.dumps({"name": artifact.name, "groups": plain(artifact.groups), "modalities": artifact.modalities})
        )
    elif isinstance(artifact, TableArtifact):
        (folder / f"{name}.json").write_text(json.dumps({"name": artifact.name, "columns": plain(artifact.columns)}))
