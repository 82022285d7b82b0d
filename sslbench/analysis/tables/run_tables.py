"""Make tables from records: one row per run and dataset, one column per protocol and metric, and class rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from sslbench.analysis.statistics.accuracy import AnswersByRun, KnownVariance, sample_variance
from sslbench.analysis.statistics.class_differences import recall_half_widths, recall_statistics
from sslbench.analysis.statistics.intervals import Estimate, Unit, mean_over_seeds
from sslbench.analysis.statistics.label_differences import label_half_widths
from sslbench.analysis.tables.estimates import estimate, group_by, mean_by
from sslbench.analysis.tables.selection import select_scores
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Answers, Question, TestAnswers, VectorAnswers, question_of
from sslbench.results.record import Record, Score, setting_of
from sslbench.results.varied import VariedTable, protocol_of, varied_table


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run on one dataset: estimates and values by seed, by (protocol, metric)."""

    record: Record
    dataset: str
    cells: Mapping[tuple[str, str], Estimate]
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


def make_rows(
    records: Sequence[Record], metrics: MetricTable, answers: AnswersByRun = MappingProxyType({})
) -> list[RunRow]:
    """Make one row per run and evaluated dataset; a run without scores keeps its row.

    With a run's answers, the intervals of its accuracies cover test samples as well as seeds.
    """
    rows, varied = [], varied_table(records)
    for record in records:
        for data in record.evaluated_on:
            mine = select_scores(record.scores, varied, dataset=data["part"])
            grouped = group_by(mine, lambda score: (score.protocol, score.metric))
            own = default_answers(record, data["part"], answers, varied)
            cells = {
                (protocol, metric): estimate_scores(found, record, _known_variance(own.get(protocol), metric, metrics))
                for (protocol, metric), found in grouped.items()
            }
            by_seed = {place: seed_means(found) for place, found in grouped.items()}
            rows.append(RunRow(record=record, dataset=data["part"], cells=cells, by_seed=by_seed))
    return rows


def seed_means(scores: Sequence[Score]) -> Mapping[int, float]:
    """Return one number per pretraining seed: folds, probe seeds and draws are averaged within it."""
    return mean_by((score.seed for score in scores), (score.value for score in scores))


def estimate_scores(scores: Sequence[Score], record: Record, known: KnownVariance | None = None) -> Estimate:
    """Estimate one metric of one question of a run; see `estimate`."""
    seeds, folds, values = zip(*((score.seed, score.fold, score.value) for score in scores), strict=True)
    return estimate(seeds, folds, values, record.test_share, known)


def _known_variance(answers: Answers | None, metric: str, metrics: MetricTable) -> KnownVariance | None:
    """Return the variance of a mean over test samples; None for other metrics and without predictions."""
    if answers is None or metric not in metrics:
        return None
    variance = sample_variance(answers, metrics[metric])
    return None if variance is None else KnownVariance(variance, len(answers.ids))


def default_answers(record: Record, dataset: str, answers: AnswersByRun, varied: VariedTable) -> dict[str, Answers]:
    """Return a run's answers to each protocol's default question on a dataset, if there is exactly one question.

    varied: settings of all records of a table, by which protocols are named as in `select_scores`.
    """
    by_question = answers.get(record.run, {})
    questions: dict[str, set[Question]] = defaultdict(set)
    answered = (
        s for s in record.scores if question_of(s.dataset, s.protocol, s.setting, record.repeats) in by_question
    )
    for score in select_scores(answered, varied, dataset=dataset):
        own = question_of(dataset, protocol_of(score.protocol), score.setting, record.repeats)
        questions[score.protocol].add(own)
    return {protocol: by_question[next(iter(own))] for protocol, own in questions.items() if len(own) == 1}


def compare_targets(records: Sequence[Record], metrics: MetricTable) -> dict[tuple[str, str, str], dict[str, Estimate]]:
    """Return (run, dataset, metric) -> what answers are compared with -> the metric's estimate, and that of its null.

    It is named by a setting with `other_target`. Null estimates are named 'null of NAME'. Empty if every run was compared
    with the target only.
    """
    varied = varied_table(records)
    others = [name for name, one in varied.items() if one.other_target]
    target = next((varied.unset(name) for name in others), "")
    chance = {one.name: one.chance_of for one in metrics.values() if one.chance_of}
    found: dict[tuple[str, str, str], dict[str, Estimate]] = {}
    for record in records:
        grouped: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
        with_null = {chance[score.metric] for score in record.scores if score.metric in chance}
        for score in record.scores:
            metric = chance.get(score.metric, score.metric)
            if metric in with_null and score.epoch is None:
                setting = setting_of(score.setting)
                values = varied.variant(score.protocol, setting).partition(":")[2]
                name = next((str(setting[other]) for other in others if other in setting), target)
                name += f" ({values})" if values else ""
                grouped[score.dataset, metric, name if metric == score.metric else f"null of {name}"].append(score)
        if not any(other in setting_of(score.setting) for score in record.scores for other in others):
            continue
        for (dataset, metric, name), scores in grouped.items():
            found.setdefault((record.run, dataset, metric), {})[name] = estimate_scores(scores, record)
    return found


def list_columns(rows: Sequence[RunRow], metrics: MetricTable) -> list[tuple[str, str]]:
    """List the shown (protocol, metric) columns that any row has, sorted by protocol, then in the order of `metrics`."""
    present = {place for row in rows for place in row.cells}
    shown = (place for place in present if metrics.is_shown(protocol_of(place[0]), place[1]))
    return sorted(shown, key=lambda place: (place[0], metrics.place(place[1])))


def class_rows(record: Record, dataset: str, protocol: str, answers: Answers | None = None) -> list[ClassRow]:
    """Make a row for every class with training and test samples, worst recall first; `count_untrained` counts the
    others.

    With the run's answers, the intervals of recalls cover test samples as well as seeds.
    """
    half_widths = _recall_half_widths(record, dataset, answers) if isinstance(answers, TestAnswers) else {}
    draws = _count_draws(record, dataset, protocol)
    mine = select_scores(record.classes, varied_table([record]), dataset=dataset, protocol=protocol)
    known = [row for row in mine if row.recall is not None and row.training_samples != 0]
    result = []
    for name, rows in group_by(known, lambda row: row.name).items():
        recall = mean_over_seeds(
            list(mean_by((row.seed for row in rows), (row.recall or 0.0 for row in rows)).values())
        )
        if name in half_widths:
            unit: Unit = "seeds and test samples" if recall.n > 1 else "test samples"
            width = half_widths[name]
            # with two test samples Student's t exceeds the range of a recall
            recall = replace(recall, ci95_half_width=None if width is None else min(width, 1.0), unit=unit)
        f1, support = float(np.mean([row.f1 for row in rows])), float(np.mean([row.support for row in rows])) / draws
        result.append(ClassRow(name=name, recall=recall, f1=f1, support=support))
    return sorted(result, key=lambda row: (row.recall.mean, row.name))


def label_rows(record: Record, dataset: str, protocol: str, answers: Answers | None = None) -> list[LabelRow]:
    """Return a row for every label or number of a target, in the order of the target.

    With the run's answers, the intervals cover test samples as well as seeds.
    """
    half_widths = label_half_widths(answers) if isinstance(answers, VectorAnswers) else {}
    found = []
    mine = select_scores(record.labels, varied_table([record]), dataset=dataset, protocol=protocol)
    for name, rows in group_by(mine, lambda row: row.name).items():
        known: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for row in rows:
            for metric, value in row.scores.items():
                if value is not None:
                    known[metric].append((row.seed, value))
        scores = {
            metric: mean_over_seeds(list(mean_by(*zip(*own, strict=True)).values())) for metric, own in known.items()
        }
        for metric in [metric for metric in scores if (name, metric) in half_widths]:
            unit: Unit = "seeds and test samples" if scores[metric].n > 1 else "test samples"
            scores[metric] = replace(scores[metric], ci95_half_width=half_widths[name, metric], unit=unit)
        found.append(LabelRow(name=name, support=float(np.mean([row.support for row in rows])), scores=scores))
    return found


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
    for row in select_scores(record.classes, varied_table([record]), dataset=dataset, protocol=protocol):
        if row.training_samples == 0 and row.support:
            found[row.name, row.fold] = -(-row.support // draws)
    names = dict.fromkeys(name for name, _ in found)
    return {name: sum(support for (one, _), support in found.items() if one == name) for name in names}


def count_test_samples(record: Record, dataset: str, protocol: str) -> dict[str, int]:
    """Count the test samples of every class that a protocol tests, the minimum over folds."""
    found: dict[str, int] = {}
    draws = _count_draws(record, dataset, protocol)
    for row in select_scores(record.classes, varied_table([record]), dataset=dataset, protocol=protocol):
        if row.support:
            count = -(-row.support // draws)
            found[row.name] = min(count, found.get(row.name, count))
    return found


def _count_draws(record: Record, dataset: str, protocol: str) -> int:
    """Count the draws of a protocol's default question: class scores add up the samples of all draws."""
    mine = select_scores(record.scores, varied_table([record]), dataset=dataset, protocol=protocol)
    return max(1, len({setting_of(score.setting).get("draw") for score in mine}))


def count_tested(record: Record, dataset: str, protocol: str) -> tuple[int, int]:
    """Count the classes behind a macro mean, the minimum over folds, and all classes."""
    tested: dict[int, set[str]] = defaultdict(set)
    rows = select_scores(record.classes, varied_table([record]), dataset=dataset, protocol=protocol)
    for row in rows:
        tested[row.fold] |= {row.name} if row.recall is not None else set()
    return min(map(len, tested.values()), default=0), len({row.name for row in rows})
