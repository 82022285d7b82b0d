"""Records into tables: one row per run and dataset, one column per protocol and metric, worst and best classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sslbench.analysis.grids import aside, largest
from sslbench.analysis.intervals import Estimate, over_folds, over_seeds
from sslbench.results.record import ClassScore, Record, Score, setting_of

SHOWN = ("micro_accuracy", "macro_accuracy", "macro_f1", "ami_max", "rank_me")
R = TypeVar("R", Score, ClassScore)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run on one dataset: estimates by (protocol, metric), and the oracle's beside them."""

    record: Record
    dataset: str
    cells: Mapping[tuple[str, str], Estimate]
    oracle: Mapping[tuple[str, str], Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: recall over seeds, F1, and how many test samples there are."""

    name: str
    recall: Estimate
    f1: float
    support: float


def seed_means(scores: Sequence[Score]) -> Mapping[int, float]:
    """One number per pretraining seed: folds, probe seeds and draws are averaged within it."""
    values: dict[int, list[float]] = defaultdict(list)
    for score in scores:
        values[score.seed].append(score.value)
    return {seed: float(np.mean(found)) for seed, found in sorted(values.items())}


def estimate(scores: Sequence[Score], test_share: float) -> Estimate:
    """Over seeds; with one seed and several folds over folds, corrected, and labelled so."""
    means = seed_means(scores)
    folds: dict[int, list[float]] = defaultdict(list)
    for score in scores:
        folds[score.fold].append(score.value)
    if len(means) == 1 and len(folds) > 1:
        return over_folds([float(np.mean(v)) for _, v in sorted(folds.items())], test_share)
    return over_seeds(list(means.values()))


def own_question(rows: Sequence[R]) -> list[R]:
    """Of one run's scores on a dataset, those that answer each protocol's own question."""
    kept = [row for row in rows if not aside(row.setting)]
    by_protocol: dict[str, list[R]] = defaultdict(list)
    for row in kept:
        by_protocol[row.protocol].append(row)
    return [
        row
        for own in by_protocol.values()
        for row, wanted in zip(own, largest([one.setting for one in own]), strict=True)
        if wanted
    ]


def rows_of(records: Sequence[Record]) -> list[Row]:
    """One row per run and evaluated dataset; a run without numbers keeps its row."""
    rows = []
    for record in records:
        for data in record.evaluated_on:
            mine = own_question([s for s in record.scores if s.dataset == data["part"] and s.epoch is None])
            rows.append(
                Row(
                    record=record,
                    dataset=data["part"],
                    cells=_cells([s for s in mine if s.chosen_on != "query"], record.test_share),
                    oracle=_cells([s for s in mine if s.chosen_on == "query"], record.test_share),
                )
            )
    return rows


def against(
    records: Sequence[Record], metrics: Sequence[str] = SHOWN
) -> dict[tuple[str, str, str], dict[str, Estimate]]:
    """(run, dataset, metric) -> what a clustering was set against ('class' among them) -> its estimate, and its null's.

    Null estimates are named 'null of NAME'. Empty where no run was set against anything but the classes.
    """
    found: dict[tuple[str, str, str], dict[str, Estimate]] = {}
    for record in records:
        grouped: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
        with_null = {metric for metric in metrics if any(score.metric == f"{metric}_null" for score in record.scores)}
        for score in record.scores:
            metric = score.metric.removesuffix("_null")
            if metric in with_null and score.epoch is None:
                name = setting_of(score.setting).get("against", "class")
                grouped[score.dataset, metric, name if metric == score.metric else f"null of {name}"].append(score)
        if all(name.removeprefix("null of ") == "class" for _, _, name in grouped):
            continue
        for (dataset, metric, name), scores in grouped.items():
            found.setdefault((record.run, dataset, metric), {})[name] = estimate(scores, record.test_share)
    return found


def _cells(scores: Sequence[Score], test_share: float) -> dict[tuple[str, str], Estimate]:
    grouped: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in scores:
        grouped[score.protocol, score.metric].append(score)
    return {place: estimate(found, test_share) for place, found in grouped.items()}


def columns_of(rows: Sequence[Row], metrics: Sequence[str] = SHOWN) -> list[tuple[str, str]]:
    """The (protocol, metric) columns that any row has, protocols in order of name, metrics in the order given."""
    there = {place for row in rows for place in row.cells}
    return sorted((p for p in there if p[1] in metrics), key=lambda place: (place[0], metrics.index(place[1])))


def class_rows(record: Record, dataset: str, protocol: str) -> list[ClassRow]:
    """Every class with test samples, worst recall first."""
    by_class: dict[str, dict[int, list[tuple[float, float, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in own_question([row for row in record.classes if row.dataset == dataset and row.protocol == protocol]):
        if row.recall is not None:
            by_class[row.name][row.seed].append((row.recall, row.f1, row.support))
    result = []
    for name, seeds in by_class.items():
        recall = over_seeds([float(np.mean([r for r, _, _ in found])) for _, found in sorted(seeds.items())])
        f1 = float(np.mean([f for found in seeds.values() for _, f, _ in found]))
        support = float(np.mean([s for found in seeds.values() for _, _, s in found]))
        result.append(ClassRow(name=name, recall=recall, f1=f1, support=support))
    return sorted(result, key=lambda row: (row.recall.mean, row.name))


def ranked(record: Record) -> bool:
    """Whether a run may be compared at all."""
    return record.status == "done"
