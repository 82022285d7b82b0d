"""Read the stored outcomes of an evaluation, and compute every installed metric that follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.analysis.statistics.derived_metrics import DerivedMetrics, class_metrics, cluster_metrics, derive_metrics
from sslbench.api.metrics import Derivation
from sslbench.catalog.metrics import VALIDATION, MetricTable
from sslbench.evaluation.scores import OUTCOMES
from sslbench.results.class_scores import SCORE_COLUMNS, read_class_scores, stack_lists
from sslbench.results.record import ClassScore, LabelScore, Score
from sslbench.results.store import ASSIGNMENTS, PREDICTIONS, VECTORS


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationScores:
    """The scores of an evaluation, those of classes or labels, and a sentence per metric that could not be computed."""

    scores: list[Score]
    classes: list[ClassScore]
    labels: list[LabelScore]
    problems: tuple[str, ...]


def read_scores(folder: Path, dataset: str, metrics: MetricTable) -> EvaluationScores:
    """Return what protocols reported and what follows from stored answers; a metric that follows is not taken as reported."""
    content = json.loads((folder / OUTCOMES).read_text())
    values: list[dict[str, float]] = [{**outcome["scores"]} for outcome in content["outcomes"]]
    problems: dict[str, None] = {}
    for number, prefix, derived in _derive(folder, content, metrics):
        values[number] |= {f"{prefix}{name}": value for name, value in derived.values.items()}
        problems |= dict.fromkeys(derived.problems)
    scores = [
        Score(
            dataset=dataset, **content["key"], **{name: value for name, value in outcome.items() if name != "scores"},
            metric=metric, value=value,
        )
        for outcome, found in zip(content["outcomes"], values, strict=True)
        for metric, value in sorted(found.items())
    ]  # fmt: skip
    classes = [ClassScore(**{**row, "dataset": dataset}) for row in content["class_scores"]]
    labels = [LabelScore(**{**row, "dataset": dataset}) for row in content["label_scores"]]
    return EvaluationScores(scores=scores, classes=classes, labels=labels, problems=tuple(problems))


def _derive(
    folder: Path, content: Mapping[str, Any], metrics: MetricTable
) -> Iterator[tuple[int, str, DerivedMetrics]]:
    """Yield (number of the outcome, start of the metrics' names, metrics)."""
    columns, classes = ("outcome", "part", "label", "predicted"), content["classes"]
    table = parquet.read_table(folder / PREDICTIONS, columns=[*columns, *SCORE_COLUMNS])
    for (number, part), some in _grouped(table, columns[:2]):
        ranked = read_class_scores(some["label"], some["predicted"], classes, some)
        yield int(number), _prefix(part), class_metrics(some["label"], some["predicted"], classes, metrics, ranked)
    names = ("outcome", "fit", "label", "cluster")
    clusterings: dict[int, list[Mapping[str, NDArray[np.int64]]]] = {}
    for (number, _), some in _grouped(parquet.read_table(folder / ASSIGNMENTS, columns=list(names)), names[:2]):
        clusterings.setdefault(int(number), []).append(some)
    for number, fits in clusterings.items():
        yield number, "", cluster_metrics(fits[0]["label"], [fit["cluster"] for fit in fits], metrics)
    if (folder / VECTORS).exists():
        source = Derivation[content["source"]]
        for (number, part), some in _grouped(parquet.read_table(folder / VECTORS, columns=list(columns)), columns[:2]):
            truth, predicted = (stack_lists(some[name]) for name in columns[2:])
            yield int(number), _prefix(part), derive_metrics(metrics, source, truth, predicted)


def _prefix(part: str) -> str:
    return VALIDATION if part == "validation" else ""


def _grouped(table: arrow.Table, by: tuple[str, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield groups of consecutive rows with equal values, as arrays by column; lists are not converted."""
    if not len(table):
        return
    keys = [table[name].to_numpy() for name in by]
    columns = {name: table[name] for name in table.column_names if name not in by}
    others = {name: one if arrow.types.is_list(one.type) else one.to_numpy() for name, one in columns.items()}
    change = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    starts = [0, *(np.flatnonzero(change) + 1).tolist(), len(table)]
    for first, end in pairwise(starts):
        yield tuple(key[first] for key in keys), {name: values[first:end] for name, values in others.items()}
