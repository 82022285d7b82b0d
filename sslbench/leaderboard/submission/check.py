"""Check that the numbers of a bundle follow from its predictions.

Returns one sentence per problem. A consistent forgery cannot be detected here.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.metrics import class_scores
from sslbench.api.metrics import Derivation
from sslbench.api.targets import KINDS
from sslbench.catalog.metrics import MetricTable
from sslbench.leaderboard.submission.bundle import (
    RECORD,
    REMEDY,
    Bundle,
    BundleError,
    bundle_folders,
    read_bundle,
    read_json,
    read_table,
)
from sslbench.leaderboard.submission.recompute import (
    STORED,
    Recomputed,
    answers_of,
    choice_problems,
    describe_place,
    place_of,
    recompute,
)
from sslbench.leaderboard.submission.requirements import suite_mismatches
from sslbench.leaderboard.submission.schema import schema_errors
from sslbench.leaderboard.submission.suite import Suite
from sslbench.results.class_scores import RANK
from sslbench.results.record import ClassScore, Record, Score
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS, VECTORS

TOLERANCE = 1e-9
MAX_NULL_DEVIATIONS = 4.0
"""Largest accepted difference of two null means, in standard deviations of one draw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCheck:
    """The result of a check: the bundle, None if it cannot be read, and the problems as sentences."""

    path: Path
    bundle: Bundle | None
    problems: tuple[str, ...]


def check_bundle(suite: Suite, path: Path, metrics: MetricTable) -> BundleCheck:
    """Check one bundle alone. Never raises for the content of a bundle."""
    try:
        return _check(suite, path, metrics)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
        problem = f"cannot be checked ({type(error).__name__}: {' '.join(str(error).split()):.120}). {REMEDY}"
        return BundleCheck(path=path, bundle=None, problems=(problem,))


def _check(suite: Suite, path: Path, metrics: MetricTable) -> BundleCheck:
    try:
        bundle = read_bundle(path)
        problems = list(schema_errors(bundle))
        if problems:
            return BundleCheck(path=path, bundle=None, problems=tuple(problems))
        predictions = read_table(path / PREDICTIONS)
        assignments, vectors = (
            read_table(path / name) if (path / name).exists() else None for name in (ASSIGNMENTS, VECTORS)
        )
        choices = read_json(path / CHOICES) if (path / CHOICES).exists() else []
    except BundleError as refusal:
        return BundleCheck(path=path, bundle=None, problems=(str(refusal),))
    problems += [*suite_mismatches(suite, bundle), *_missing_scores(suite, predictions, metrics)]
    found = recompute(suite, predictions, assignments, vectors, metrics)
    problems += found.problems
    if not found.problems:
        problems += [
            *_metric_problems(suite, bundle.record, found, metrics),
            *_class_problems(suite, bundle.record, found),
            *_label_problems(suite, bundle.record, found),
        ]
        problems += _answer_problems(bundle, found)
    problems += choice_problems(choices if isinstance(choices, list) else [], bundle.record, metrics)
    problems += [
        *_seed_problems(suite, bundle.record, found),
        *_implausible_values(suite, bundle.record, metrics),
        *_verification_problems(bundle),
    ]
    return BundleCheck(path=path, bundle=bundle, problems=tuple(problems))


def _missing_scores(suite: Suite, predictions: pd.DataFrame, metrics: MetricTable) -> Iterator[str]:
    """Require scores of classes where the suite is ranked by a metric that follows from them."""
    if metrics.find(suite.ranked_by).derived_from is Derivation.RANKED_SCORES and RANK not in predictions:
        ranking = f"suite {suite.name!r} is ranked by {suite.ranked_by}, which follows from them"
        yield f"{PREDICTIONS} has no scores of classes, but {ranking}. Submit the run with its scores"


def _metric_problems(suite: Suite, record: Record, found: Recomputed, metrics: MetricTable) -> Iterator[str]:
    """Compare every score that follows from predictions with the recomputed one, and list those that are missing.

    Missing are metrics of the suite, and those that the record has elsewhere: a plugin may have been installed later.
    """
    seen, others = set(), {one.name for one in record.varied if one.other_target}
    for score in record.scores:
        place, metric = place_of(score), metrics.find(score.metric)
        if score.chosen_on == "query" or place not in found.metrics:
            has_target = not others & {*json.loads(score.setting)}
            follows = metric.is_derived and metric.derived_from in STORED and has_target
            if follows and score.chosen_on != "query":
                yield f"{describe_place(place)}: reports {score.metric} without submitted predictions. {REMEDY}"
            continue
        recomputed = found.metrics[place].get(score.metric)
        if recomputed is not None:
            seen.add((place, score.metric))
            if abs(recomputed - score.value) > TOLERANCE:
                reported = f"{score.metric} is {score.value:.6f}"
                yield f"{describe_place(place)}: {reported}, but {recomputed:.6f} follows from its predictions. {REMEDY}"
        elif score.metric in found.nulls.get(place, ()):
            mean, deviation = found.nulls[place][score.metric]
            if abs(score.value - mean) > MAX_NULL_DEVIATIONS * deviation + 1e-6:
                expected = f"permuted labels give {mean:.6f} ±{deviation:.6f}. {REMEDY}"
                yield f"{describe_place(place)}: {score.metric} is {score.value:.6f}, but {expected}"
        elif metric.is_derived and metric.derived_from in STORED:
            yield f"{describe_place(place)}: reports {score.metric}, which does not follow from its predictions. {REMEDY}"
    required = {suite.ranked_by, *suite.metrics, *(score.metric for score in record.scores)}
    required |= {one.name for one in metrics.mains}
    for place, values in found.metrics.items():
        for name in values:
            if name in required and (place, name) not in seen:
                yield f"{describe_place(place)}: {name} is missing from the record. {REMEDY}"


def _class_problems(suite: Suite, record: Record, found: Recomputed) -> Iterator[str]:
    """Compare recall, precision, F1 and support of every class with the predictions."""
    reported: dict[Any, dict[str, Any]] = defaultdict(dict)
    for one in record.classes:
        reported[place_of(one)][one.name] = one
    for place, matrix in found.matrices.items():
        scores, names = class_scores(matrix), suite.datasets[place[0]].classes
        for code, name in enumerate(names):
            row: ClassScore | None = reported.get(place, {}).get(name)
            if row is None:
                yield f"{describe_place(place)}: class {name!r} is missing from the record. {REMEDY}"
                continue
            recall = None if math.isnan(scores.recall[code]) else float(scores.recall[code])
            same = (row.recall is None) == (recall is None) and row.support == scores.support[code]
            gaps = [(row.recall or 0) - (recall or 0), row.precision - scores.precision[code], row.f1 - scores.f1[code]]
            if not same or not np.allclose(gaps, 0, atol=TOLERANCE):
                values = f"recall, precision, F1 or support of class {name!r}"
                yield f"{describe_place(place)}: {values} does not match the predictions. {REMEDY}"


def _label_problems(suite: Suite, record: Record, found: Recomputed) -> Iterator[str]:
    """Compare the metrics and the support of every label or number with the predictions."""
    reported = {(place_of(one), one.name): one for one in record.labels}
    for place, (truth, predicted) in found.vectors.items():
        data = suite.datasets[place[0]]
        kind = KINDS[data.target]
        scores, supports = kind.score_each(truth, predicted), kind.count(truth, data.classes)
        for code, name in enumerate(data.classes):
            row = reported.get((place, name))
            if row is None:
                yield f"{describe_place(place)}: {kind.unit} {name!r} is missing from the record"
                continue
            own = [math.nan if row.scores.get(metric) is None else row.scores[metric] for metric in scores]
            expected = [values[code] for values in scores.values()]
            same = row.support == supports[code] and len(row.scores) == len(scores)
            if not same or not np.allclose(np.array(own, float), expected, atol=TOLERANCE, equal_nan=True):
                values = f"{', '.join(scores)} or support of {kind.unit} {name!r}"
                yield f"{describe_place(place)}: {values} does not match the predictions"


def _answer_problems(bundle: Bundle, found: Recomputed) -> Iterator[str]:
    """Compare the answers that rankings use with the predictions."""
    if sorted(map(repr, bundle.answers)) != sorted(map(repr, answers_of(found, bundle.record))):
        yield f"answers.json does not match predictions.parquet. {REMEDY}"


def _seed_problems(suite: Suite, record: Record, found: Recomputed) -> Iterator[str]:
    """Require answers for every seed and fold of the record, and for no others, so that no failed seed is hidden."""
    answered: dict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
    for dataset, protocol, seed, fold, _ in found.metrics:
        answered[dataset, protocol].add((seed, fold))
    wanted = {(seed, fold) for seed in record.seeds for fold in suite.folds}
    for (dataset, protocol), present in sorted(answered.items()):
        where = f"by {protocol} on {dataset}"
        for seed in sorted({seed for seed, _ in present} - set(record.seeds)):
            yield f"{PREDICTIONS} has answers of seed {seed}, which is not in the record, {where}"
        for seed, fold in sorted(wanted - present):
            yield f"{PREDICTIONS} has no answers of seed {seed}, which is in the record, {where}, fold {fold}"
    if not answered:
        yield f"{PREDICTIONS} has no answers"


def _implausible_values(suite: Suite, record: Record, metrics: MetricTable) -> Iterator[str]:
    """List values out of range, seeds with equal losses, and trainings that took no time."""
    for score in record.scores:
        low, high = _range(suite, score, metrics)
        if not low - TOLERANCE <= score.value <= high + TOLERANCE:
            yield f"{describe_place(place_of(score))}: {score.metric} is {score.value:g}, expected {low:g} to {high:g}"
    trained = [one for one in record.training if one.get("history")]
    if trained and float(record.cost.get("seconds", {}).get("pretrain", 0)) <= 0:
        yield f"{RECORD}: reports a training with 0 s of pretraining time"
    if trained and len({repr(one["history"]) for one in trained if one.get("fold") == trained[0].get("fold")}) < len(
        {one.get("seed") for one in trained}
    ):
        yield f"{RECORD}: two seeds have the same losses in every epoch. Submit separate trainings"


def _range(suite: Suite, score: Score, metrics: MetricTable) -> tuple[float, float]:
    """Return the range of a score: that of the suite, else that of the installed metric; none for an unknown one."""
    protocol = suite.protocols.get(score.protocol)
    declared = protocol.metrics.get(score.metric) if protocol else None
    metric = metrics.find(score.metric)
    return declared or (metric.low, metric.high)


def _verification_problems(bundle: Bundle) -> Iterator[str]:
    """Require that a verification is of this record and from another machine."""
    for one in bundle.verified:
        if one.record != bundle.manifest.files.get(RECORD):
            yield f"verified.json: {one.by!r:.40} verified a different record. Verify this one again"
        if one.machine == bundle.record.host.get("node"):
            yield f"verified.json: {one.by!r:.40} ran on the machine of the submission. Verify it on another machine"


def check_suite(suite: Suite, board: Path, metrics: MetricTable) -> list[BundleCheck]:
    """Check every bundle of a suite."""
    return [check_bundle(suite, path, metrics) for path in bundle_folders(board, suite.name)]
