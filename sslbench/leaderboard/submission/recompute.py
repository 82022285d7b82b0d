"""Recompute the numbers that follow from predictions, cluster assignments and choices. Reads no files."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sslbench.analysis.statistics.derived_metrics import DerivedMetrics, class_metrics, cluster_metrics, derive_metrics
from sslbench.analysis.statistics.metrics import confusion
from sslbench.analysis.tables.selection import select_scores
from sslbench.api.metrics import Derivation
from sslbench.api.targets import KINDS, Labels, TargetKind
from sslbench.catalog.metrics import PREDICTIONS, VALIDATION, MetricTable
from sslbench.leaderboard.submission.bundle import REMEDY, Answers, pack_bits
from sslbench.leaderboard.submission.suite import Suite, TestSplit, ids_digest
from sslbench.results.class_scores import read_class_scores
from sslbench.results.record import DRAW, Record, Score
from sslbench.results.varied import protocol_of, varied_table

PLACE_COLUMNS = ("dataset", "protocol", "seed", "fold", "setting")
ScorePlace = tuple[str, str, int, int, str]
STORED = (*PREDICTIONS, Derivation.CLUSTERS)
"""What a bundle holds; metrics that are computed from it are computed again."""
NULL_DRAWS = 200
TOLERANCE = 1e-6
"""Largest accepted difference between two means of the same answers."""


@dataclass(slots=True, kw_only=True)
class Recomputed:
    """Recomputed metrics, right answers and nulls by place, confusion matrices summed over draws, and problems.

    Vectors are labels and predictions of several labels or numbers per sample.
    Nulls are by the name of the metric that holds them: mean and standard deviation of one draw.
    """

    metrics: dict[ScorePlace, Mapping[str, float]] = field(default_factory=dict)
    matrices: dict[ScorePlace, NDArray[np.int64]] = field(default_factory=dict)
    right: dict[ScorePlace, NDArray[np.bool_]] = field(default_factory=dict)
    vectors: dict[ScorePlace, tuple[Labels, Labels]] = field(default_factory=dict)
    nulls: dict[ScorePlace, dict[str, tuple[float, float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def describe_place(place: ScorePlace) -> str:
    """Describe a place in messages."""
    dataset, protocol, seed, fold, setting = place
    extra = "" if setting == "{}" else f" {setting}"
    return f"{protocol} on {dataset}, seed {seed}, fold {fold}{extra}"


@lru_cache(maxsize=1024)
def is_setting(text: str) -> bool:
    """Return whether a text is a JSON object of plain values, as settings of scores are."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and all(isinstance(v, (str, int, float, bool)) for v in values.values())


def recompute(
    suite: Suite, predictions: pd.DataFrame, assignments: pd.DataFrame | None, vectors: pd.DataFrame | None,
    metrics: MetricTable,
) -> Recomputed:  # fmt: skip
    """Recompute every installed metric. Answers that do not fit the suite's test splits are problems and are left out."""
    found = Recomputed()
    for place, rows in _groups(predictions, list(PLACE_COLUMNS)):
        wrong = list(_answer_mismatches(suite, place, rows, "predicted"))
        found.problems += wrong
        if not wrong:
            _add_predictions(found, place, rows, len(suite.datasets[place[0]].classes), metrics)
    for place, rows in _groups(vectors, list(PLACE_COLUMNS)) if vectors is not None else ():
        wrong = list(_answer_mismatches(suite, place, rows, "vectors"))
        found.problems += wrong
        if not wrong:
            _add_vectors(found, place, rows, KINDS[suite.datasets[place[0]].target], metrics)
    if assignments is not None:
        for place, rows in _groups(assignments, list(PLACE_COLUMNS)):
            wrong = [
                problem
                for _, one in rows.groupby("fit")
                for problem in _answer_mismatches(suite, place, one, "cluster")
            ]
            found.problems += wrong
            if not wrong:
                _add_assignments(found, place, rows, metrics)
    return found


def _groups(frame: pd.DataFrame, by: list[str]) -> Iterator[tuple[ScorePlace, pd.DataFrame]]:
    for named, rows in frame.groupby(by, sort=True):
        place: Any = named
        dataset, protocol, seed, fold, setting = place
        yield (str(dataset), str(protocol), int(seed), int(fold), str(setting)), rows.sort_values("id", kind="stable")


def _answer_mismatches(suite: Suite, place: ScorePlace, rows: pd.DataFrame, column: str) -> Iterator[str]:
    """List how answers differ from the suite's test split."""
    dataset, _, _, fold, _ = place
    data = suite.datasets.get(dataset)
    if data is None:
        yield f"{describe_place(place)}: the suite has no dataset {dataset!r}. Its datasets are {', '.join(suite.datasets)}"
        return
    test = data.tests.get(str(fold))
    if test is None:
        yield f"{describe_place(place)}: the suite has no fold {fold} of {dataset}. Its folds are {', '.join(data.tests)}"
        return
    if not is_setting(place[4]):
        yield f"{describe_place(place)}: its setting must be a JSON object of plain values"
        return
    ids = rows["id"].tolist()
    if len(set(ids)) != len(ids):
        yield f"{describe_place(place)}: {len(ids) - len(set(ids))} test samples have two answers. {REMEDY}"
    elif ids_digest(ids) != test.ids:
        split = f"the suite's test split of {test.size} samples"
        yield f"{describe_place(place)}: the {len(ids)} samples are not {split}. Run it again on the suite's data and splits"
    elif column == "vectors":
        yield from _vector_mismatches(place, rows, test, len(data.classes))
    elif rows["label"].tolist() != list(test.labels):
        wrong = int((rows["label"].to_numpy() != np.array(test.labels)).sum())
        problem = f"{wrong} samples have another label than in the suite's test split"
        yield f"{describe_place(place)}: {problem}. Run it again on the suite's data"
    elif column == "predicted" and not rows[column].between(0, len(data.classes) - 1).all():
        yield f"{describe_place(place)}: predicts a class code outside 0 to {len(data.classes) - 1}. {REMEDY}"


def _vector_mismatches(place: ScorePlace, rows: pd.DataFrame, test: TestSplit, width: int) -> Iterator[str]:
    """List how several labels or numbers per sample, and their predictions, differ from the suite's test split."""
    lengths = {len(one) for name in ("label", "predicted") for one in rows[name]}
    if not test.vectors or lengths != {width}:
        yield f"{describe_place(place)}: has {sorted(lengths)} numbers per sample; the suite's target has {width}. {REMEDY}"
        return
    truth, predicted = (np.stack(rows[name].tolist()).astype(np.float64) for name in ("label", "predicted"))
    if not np.isfinite(predicted).all():
        yield f"{describe_place(place)}: predicts a number that is not finite. {REMEDY}"
    expected = np.array(test.vectors, np.float64)
    if wrong := int((~((truth == expected) | (np.isnan(truth) & np.isnan(expected)))).any(1).sum()):
        problem = f"{wrong} samples have other labels than in the suite's test split"
        yield f"{describe_place(place)}: {problem}. Run it again on the suite's data"


def _add_vectors(
    found: Recomputed, place: ScorePlace, rows: pd.DataFrame, kind: TargetKind, metrics: MetricTable
) -> None:
    truth, predicted = (np.stack(rows[name].tolist()).astype(np.float64) for name in ("label", "predicted"))
    _add_metrics(found, place, derive_metrics(metrics, kind.source, truth, predicted))
    found.vectors[place] = truth, predicted


def _add_predictions(
    found: Recomputed, place: ScorePlace, rows: pd.DataFrame, classes: int, metrics: MetricTable
) -> None:
    labels, predicted = rows["label"].to_numpy(), rows["predicted"].to_numpy()
    matrix = confusion(labels, predicted, classes)
    try:
        ranked = read_class_scores(labels, predicted, classes, {str(name): rows[name] for name in rows})
    except ValueError as error:
        found.problems.append(f"{describe_place(place)}: {error}. {REMEDY}")
        return
    _add_metrics(found, place, class_metrics(labels, predicted, classes, metrics, ranked))
    found.right[place] = labels == predicted
    setting = {name: value for name, value in json.loads(place[4]).items() if name != DRAW.name}
    without_draw = (*place[:4], json.dumps(setting, sort_keys=True))
    found.matrices[without_draw] = found.matrices.get(without_draw, 0) + matrix


def _add_metrics(found: Recomputed, place: ScorePlace, derived: DerivedMetrics) -> None:
    found.metrics[place] = derived.values
    found.problems += [f"{describe_place(place)}: {problem}" for problem in derived.problems]


def _add_assignments(found: Recomputed, place: ScorePlace, rows: pd.DataFrame, metrics: MetricTable) -> None:
    """Add the metrics of all clusterings, and recomputed nulls of the first clustering."""
    rng = np.random.default_rng(zlib.crc32(repr(place).encode()))
    fits = [one for _, one in rows.groupby("fit", sort=True)]
    labels, clusters = fits[0]["label"].to_numpy(), [one["cluster"].to_numpy() for one in fits]
    _add_metrics(found, place, cluster_metrics(labels, clusters, metrics))
    nulls = [one for one in metrics.values() if one.chance_of and one.derived_from is Derivation.CLUSTERS]
    found.nulls[place] = {one.name: one.implementation()(labels, clusters[0], NULL_DRAWS, rng) for one in nulls}


def answers_of(found: Recomputed, record: Record) -> tuple[Answers, ...]:
    """Return the right answers to each protocol's own question, from which entries are compared."""
    places = sorted(found.right)
    shown = select_scores(map(_as_score, places), varied_table([record]))
    own = {place_of(replace(score, protocol=protocol_of(score.protocol))) for score in shown}
    return tuple(_answers(place, found.right[place]) for place in places if place in own)


def _answers(place: ScorePlace, right: NDArray[np.bool_]) -> Answers:
    dataset, protocol, seed, fold, setting = place
    return Answers(dataset=dataset, protocol=protocol, seed=seed, fold=fold, setting=setting, right=pack_bits(right))


def _as_score(place: ScorePlace) -> Score:
    dataset, protocol, seed, fold, setting = place
    return Score(
        dataset=dataset, protocol=protocol, seed=seed, fold=fold, setting=setting, epoch=None, chosen="{}",
        chosen_on="nothing", metric="", value=0.0,
    )  # fmt: skip


def place_of(score: Any) -> ScorePlace:
    """Return the place of a score or a class score."""
    return score.dataset, score.protocol, score.seed, score.fold, score.setting


def choice_problems(choices: Sequence[Mapping[str, Any]], record: Record, metrics: MetricTable) -> Iterator[str]:
    """List choices that are not the best on validation, and scores without a matching choice."""
    by_place: dict[ScorePlace, tuple[str, float]] = {}
    for choice in choices:
        try:
            place: Any = tuple(choice[name] for name in PLACE_COLUMNS)
            among = [(str(one["what"]), float(one["validation"])) for one in choice["among"]]
            chosen = str(choice["chosen"])
            best = max(among, key=lambda one: one[1])
        except (KeyError, TypeError, ValueError) as error:
            yield f"choices.json: not a choice: {error!r:.80}"
            return
        by_place[place] = chosen, best[1]
        if dict(among).get(chosen, -math.inf) < best[1]:  # a protocol may choose among equals by another rule
            yield f"{describe_place(place)}: chose {chosen}, but {best[0]} is better on validation ({best[1]:.4f})"
    yield from dict.fromkeys(_choice_mismatches(by_place, record, metrics))


def _choice_mismatches(
    choices: Mapping[ScorePlace, tuple[str, float]], record: Record, metrics: MetricTable
) -> Iterator[str]:
    """List scores without a choice or with a different one, once per metric of a place."""
    shares = {f"{VALIDATION}{one.name}" for one in metrics.accuracies if one.mean_over == "samples"}
    for score in [score for score in record.scores if score.chosen_on == "validation"]:
        place = place_of(score)
        if place not in choices:
            yield f"{describe_place(place)}: is marked as chosen on validation, but choices.json has no entry for it"
            continue
        chosen, share = choices[place]
        if chosen != score.chosen:
            yield f"{describe_place(place)}: chose {chosen}, but the record states {score.chosen}"
        elif score.metric in shares and abs(score.value - share) > TOLERANCE:
            yield f"{describe_place(place)}: {score.metric} is {score.value:.6f}, but choices.json states {share:.6f}"
