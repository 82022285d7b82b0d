"""Make tables from records: one row per run and dataset, one column per protocol and metric, and class rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

from sslbench.analysis.statistics.accuracy import AnswersByRun, accuracy_variance
from sslbench.analysis.statistics.class_differences import recall_half_widths, recall_statistics
from sslbench.analysis.statistics.intervals import Estimate, mean_over_folds, mean_over_seeds
from sslbench.analysis.statistics.score_variance import half_width
from sslbench.analysis.tables.selection import find_default, has_largest
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Question, TestAnswers, question_of
from sslbench.results.record import ClassScore, LabelScore, Record, Score, setting_of

R = TypeVar("R", Score, ClassScore, LabelScore)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run on one dataset: estimates by (protocol, metric), the oracle's estimates, and values by seed."""

    record: Record
    dataset: str
    cells: Mapping[tuple[str, str], Estimate]
    oracle: Mapping[tuple[str, str], Estimate]
    by_seed: Mapping[tuple[str, str], Mapping[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: recall over seeds, F1, and number of test samples."""

    name: str
    recall: Estimate
    f1: float
    support: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One label or number of a target: number of test samples, and its metrics over seeds."""

    name: str
    support: float
    scores: Mapping[str, Estimate]


def seed_means(scores: Sequence[Score]) -> Mapping[int, float]:
    """Return one number per pretraining seed: folds, probe seeds and draws are averaged within it."""
    values: dict[int, list[float]] = defaultdict(list)
    for score in scores:
        values[score.seed].append(score.value)
    return {seed: float(np.mean(found)) for seed, found in sorted(values.items())}


def estimate(
    scores: Sequence[Score], test_share: float, metrics: MetricTable, answers: TestAnswers | None = None
) -> Estimate:
    """Estimate one metric of one question, over seeds and test samples if its predictions are known.

    Other metrics are estimated over seeds; with one seed and several folds over folds, corrected, with unit 'folds'.
    """
    means = seed_means(scores)
    metric = metrics.find(scores[0].metric)
    if answers is not None and metric.mean_over is not None and metric.name in metrics:
        variance = accuracy_variance(answers, metric)
        return Estimate(
            mean=float(np.mean(list(means.values()))), ci95_half_width=half_width(variance), n=len(means),
            unit="seeds and test samples" if variance.n_seeds > 1 else "test samples", test_samples=len(answers.ids),
        )  # fmt: skip
    folds: dict[int, list[float]] = defaultdict(list)
    for score in scores:
        folds[score.fold].append(score.value)
    if len(means) == 1 and len(folds) > 1:
        return mean_over_folds([float(np.mean(v)) for _, v in sorted(folds.items())], test_share)
    return mean_over_seeds(list(means.values()))


def default_scores(rows: Sequence[R]) -> list[R]:
    """Select a run's scores on a dataset that answer each protocol's default question (see `find_default`)."""
    by_protocol: dict[str, list[R]] = defaultdict(list)
    for row in rows:
        by_protocol[row.protocol].append(row)
    kept: list[R] = []
    for same in by_protocol.values():
        own = [row for row, wanted in zip(same, find_default([one.setting for one in same]), strict=True) if wanted]
        is_largest = has_largest([one.setting for one in own])
        kept += [row for row, wanted in zip(own, is_largest, strict=True) if wanted]
    return kept


def make_rows(
    records: Sequence[Record], metrics: MetricTable, answers: AnswersByRun = MappingProxyType({})
) -> list[RunRow]:
    """Make one row per run and evaluated dataset; a run without scores keeps its row.

    With a run's answers, the intervals of its accuracies cover test samples as well as seeds.
    """
    rows = []
    for record in records:
        for data in record.evaluated_on:
            mine = default_scores([s for s in record.scores if s.dataset == data["part"] and s.epoch is None])
            results = _grouped([s for s in mine if s.chosen_on != "query"])
            oracle = _grouped([s for s in mine if s.chosen_on == "query"])
            own = default_answers(record, data["part"], answers)
            rows.append(
                RunRow(
                    record=record,
                    dataset=data["part"],
                    cells={
                        (protocol, metric): estimate(found, record.test_share, metrics, own.get(protocol))
                        for (protocol, metric), found in results.items()
                    },
                    oracle={place: estimate(found, record.test_share, metrics) for place, found in oracle.items()},
                    by_seed={place: seed_means(found) for place, found in results.items()},
                )
            )
    return rows


def default_answers(record: Record, dataset: str, answers: AnswersByRun) -> dict[str, TestAnswers]:
    """Return a run's answers to each protocol's default question on a dataset, if there is exactly one question."""
    by_question = answers.get(record.run, {})
    questions: dict[str, set[Question]] = defaultdict(set)
    mine = [s for s in record.scores if (s.dataset, s.epoch) == (dataset, None) and s.chosen_on != "query"]
    mine = [score for score in mine if question_of(dataset, score.protocol, score.setting) in by_question]
    for score in default_scores(mine):
        questions[score.protocol].add(question_of(dataset, score.protocol, score.setting))
    return {protocol: by_question[next(iter(own))] for protocol, own in questions.items() if len(own) == 1}


def clustering_targets(
    records: Sequence[Record], metrics: MetricTable
) -> dict[tuple[str, str, str], dict[str, Estimate]]:
    """Return (run, dataset, metric) -> clustering target ('class' among them) -> its estimate, and that of its null.

    Null estimates are named 'null of NAME'. Empty if every run was compared with the classes only.
    """
    chance = {one.name: one.chance_of for one in metrics.values() if one.chance_of}
    found: dict[tuple[str, str, str], dict[str, Estimate]] = {}
    for record in records:
        grouped: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
        with_null = {chance[score.metric] for score in record.scores if score.metric in chance}
        for score in record.scores:
            metric = chance.get(score.metric, score.metric)
            if metric in with_null and score.epoch is None:
                name = setting_of(score.setting).get("against", "class")
                grouped[score.dataset, metric, name if metric == score.metric else f"null of {name}"].append(score)
        if all(name.removeprefix("null of ") == "class" for _, _, name in grouped):
            continue
        for (dataset, metric, name), scores in grouped.items():
            found.setdefault((record.run, dataset, metric), {})[name] = estimate(scores, record.test_share, metrics)
    return found


def _grouped(scores: Sequence[Score]) -> dict[tuple[str, str], list[Score]]:
    grouped: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in scores:
        grouped[score.protocol, score.metric].append(score)
    return grouped


def list_columns(rows: Sequence[RunRow], metrics: MetricTable) -> list[tuple[str, str]]:
    """List the shown (protocol, metric) columns that any row has, sorted by protocol, then in the order of `metrics`."""
    present = {place for row in rows for place in row.cells}
    return sorted((p for p in present if metrics.is_shown(*p)), key=lambda place: (place[0], metrics.place(place[1])))


def class_rows(record: Record, dataset: str, protocol: str, answers: TestAnswers | None = None) -> list[ClassRow]:
    """Make a row for every class with training and test samples, worst recall first; `count_untrained` counts the
    others.

    With the run's answers, the intervals of recalls cover test samples as well as seeds.
    """
    half_widths = _recall_half_widths(record, dataset, answers) if answers is not None else {}
    by_class: dict[str, dict[int, list[tuple[float, float, int]]]] = defaultdict(lambda: defaultdict(list))
    draws = _count_draws(record, dataset, protocol)
    for row in _class_scores(record, dataset, protocol):
        if row.recall is not None and row.training_samples != 0:
            by_class[row.name][row.seed].append((row.recall, row.f1, row.support))
    result = []
    for name, seeds in by_class.items():
        recall = mean_over_seeds([float(np.mean([r for r, _, _ in found])) for _, found in sorted(seeds.items())])
        if name in half_widths:
            unit: Literal["seeds and test samples", "test samples"]
            unit = "seeds and test samples" if recall.n > 1 else "test samples"
            width = half_widths[name]
            # with two test samples Student's t exceeds the range of a recall
            recall = replace(recall, ci95_half_width=None if width is None else min(width, 1.0), unit=unit)
        f1 = float(np.mean([f for found in seeds.values() for _, f, _ in found]))
        support = float(np.mean([s for found in seeds.values() for _, _, s in found])) / draws
        result.append(ClassRow(name=name, recall=recall, f1=f1, support=support))
    return sorted(result, key=lambda row: (row.recall.mean, row.name))


def label_rows(record: Record, dataset: str, protocol: str) -> list[LabelRow]:
    """Return a row for every label or number of a target, in the order of the target."""
    values: dict[str, dict[str, dict[int, list[float]]]] = {}
    supports: dict[str, list[int]] = defaultdict(list)
    for row in default_scores([row for row in record.labels if (row.dataset, row.protocol) == (dataset, protocol)]):
        supports[row.name].append(row.support)
        own = values.setdefault(row.name, {})
        for metric, value in row.scores.items():
            if value is not None:
                own.setdefault(metric, defaultdict(list))[row.seed].append(value)
    return [
        LabelRow(
            name=name, support=float(np.mean(supports[name])),
            scores={
                metric: mean_over_seeds([float(np.mean(found)) for _, found in sorted(seeds.items())])
                for metric, seeds in own.items()
            },
        )
        for name, own in values.items()
    ]  # fmt: skip


def _recall_half_widths(record: Record, dataset: str, answers: TestAnswers) -> dict[str, float | None]:
    """Return the half-width of the 95 % interval of each class's recall; None for a class with one test sample."""
    names = list(dict.fromkeys(row.name for row in record.classes if row.dataset == dataset))
    own = recall_statistics(answers.right, answers.labels, len(names), depends_on_seed=answers.depends_on_seed)
    found = recall_half_widths(own, answers.labels).tolist()
    return {name: None if np.isnan(width) else width for name, width in zip(names, found, strict=True)}


def count_untrained(record: Record, dataset: str, protocol: str) -> dict[str, int]:
    """Count the test samples of every class that a protocol tested without a training sample, in any fold."""
    found: dict[tuple[str, int], int] = {}
    draws = _count_draws(record, dataset, protocol)
    for row in _class_scores(record, dataset, protocol):
        if row.training_samples == 0 and row.support:
            found[row.name, row.fold] = -(-row.support // draws)
    names = dict.fromkeys(name for name, _ in found)
    return {name: sum(support for (one, _), support in found.items() if one == name) for name in names}


def count_test_samples(record: Record, dataset: str, protocol: str) -> dict[str, int]:
    """Count the test samples of every class that a protocol tests, the minimum over folds."""
    found: dict[str, int] = {}
    draws = _count_draws(record, dataset, protocol)
    for row in _class_scores(record, dataset, protocol):
        if row.support:
            count = -(-row.support // draws)
            found[row.name] = min(count, found.get(row.name, count))
    return found


def _count_draws(record: Record, dataset: str, protocol: str) -> int:
    """Count the draws of a protocol's default question: class scores add up the samples of all draws."""
    mine = default_scores([s for s in record.scores if s.dataset == dataset and s.protocol == protocol])
    return max(1, len({setting_of(score.setting).get("draw") for score in mine}))


def count_tested(record: Record, dataset: str, protocol: str) -> tuple[int, int]:
    """Count the classes behind a macro mean, the minimum over folds, and all classes."""
    tested: dict[int, set[str]] = defaultdict(set)
    rows = _class_scores(record, dataset, protocol)
    for row in rows:
        tested[row.fold] |= {row.name} if row.recall is not None else set()
    return min(map(len, tested.values()), default=0), len({row.name for row in rows})


def _class_scores(record: Record, dataset: str, protocol: str) -> list[ClassScore]:
    return default_scores([row for row in record.classes if row.dataset == dataset and row.protocol == protocol])


def is_ranked(record: Record) -> bool:
    """Return whether a run may be compared at all."""
    return record.status == "done"
