"""Turn a bundle into one result per dataset and protocol. Performs no I/O.

A result holds only the data needed for comparisons: a few kilobytes, plus two bytes per test sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.accuracy import N_DRAWS, KnownVariance, Weighting, make_weighting
from sslbench.analysis.statistics.bootstrap import Draws, sample_draws
from sslbench.analysis.statistics.class_differences import RecallStatistics, recall_statistics
from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.statistics.score_variance import (
    ScoreVariance,
    variance_of_answers,
    variance_over_seeds,
)
from sslbench.analysis.statistics.variance_components import VarianceComponents, split_variance
from sslbench.analysis.tables.estimates import estimate_known, group_by, mean_by
from sslbench.analysis.tables.run_tables import count_untrained, seed_means
from sslbench.analysis.tables.selection import select_scores
from sslbench.api.metrics import Derivation, Metric
from sslbench.leaderboard.standings.columns import SuiteMetrics
from sslbench.leaderboard.standings.label_curves import label_curve
from sslbench.leaderboard.standings.label_results import (
    LabelResult,
    draw_scores,
    known_variances,
    make_label_result,
)
from sslbench.leaderboard.submission.bundle import Answers, Bundle, unpack_bits
from sslbench.leaderboard.submission.suite import Suite, SuiteData
from sslbench.results.answers import VectorAnswers
from sslbench.results.marks import joined_names, marks_of
from sslbench.results.record import Record, setting_of
from sslbench.results.varied import VariedTable, varied_table

Place = tuple[str, str]
"""A board: dataset and protocol."""
STABLE_DIGITS = 12
"""Digits of a sum that are equal on every machine, so that rounding for print gives the same text everywhere."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Facts about one submitted run; `reported` holds the metrics that cannot be recomputed, by (dataset, metric)."""

    name: str
    run: str
    submitted_by: str
    note: str
    method: str
    version: int
    backbone: str
    augmentation: str
    recipe: str
    status: str
    baseline: bool
    supervised: bool
    marks: str
    datasets: tuple[str, ...]
    seconds: float | None
    reported: Mapping[tuple[str, str], float]
    verification: str
    depends_on_seed: bool

    @property
    def is_ranked(self) -> bool:
        """Return whether the entry is compared with others."""
        return self.status == "done"


@dataclass(frozen=True, kw_only=True, eq=False)
class EntryResult:
    """One entry on one dataset under one protocol.

    `values` are by metric and seed; `scores` are by metric and include clusterings of the same encoders. `main` is the
    metric that orders the entry, `level` its place among those that could, and `draws` and `variance` belong to it.
    `answered` and `spread` exist for predictions of classes only, `labels` for those of labels or numbers. Classes without
    training samples (`untrained_classes`) cannot be the worst class. `is_shown` is false for a clustering of
    encoders that have predictions on the same dataset.
    """

    entry: Entry
    dataset: str
    protocol: str
    values: Mapping[str, tuple[float, ...]]
    scores: Mapping[str, Estimate]
    main: Metric
    level: int
    draws: Draws
    variance: ScoreVariance
    is_shown: bool = True
    answered: RecallStatistics | None = None
    labels: LabelResult | None = None
    untrained_classes: frozenset[str] = frozenset()
    curve: Mapping[float, tuple[float, ...]] = field(default_factory=dict)
    spread: VarianceComponents | None = None

    @property
    def score(self) -> Estimate:
        """Return the score of the metric that orders the entry."""
        return self.scores[self.main.name]

    @property
    def merit(self) -> float:
        """Return the score with the sign with which more is better."""
        return self.score.mean if self.main.higher_is_better else -self.score.mean

    @property
    def recalls(self) -> NDArray[np.float64] | None:
        """Return the recalls [S, C], or None without predictions."""
        return self.answered.recalls if self.answered else None

    @property
    def metric_by_name(self) -> str:
        """Return the metric of `scores_by_name`."""
        return self.labels.metric if self.labels else "recall"

    @property
    def scores_by_name(self) -> NDArray[np.float64] | None:
        """Return mean recalls of classes, or scores of labels or numbers [C]; None without predictions."""
        if self.labels:
            return self.labels.scores
        return None if self.recalls is None else self.recalls.mean(0)


class SuiteWeights:
    """Weightings of a suite's datasets, cached by dataset and metric."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._cache: dict[tuple[str, str], Weighting] = {}

    def get(self, dataset: str, metric: Metric) -> Weighting:
        """Return the weighting of the test samples of all folds, fold after fold."""
        if (dataset, metric.name) not in self._cache:
            labels, folds = test_codes(self.suite.datasets[dataset])
            name = f"{self.suite.name}/{dataset}/{metric.name}"
            self._cache[dataset, metric.name] = make_weighting(labels, folds, metric, name)
        return self._cache[dataset, metric.name]


def test_codes(data: SuiteData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return class codes and folds of all test samples, fold after fold."""
    labels = [np.array(test.labels, np.int64) for test in data.tests.values()]
    folds = [np.full(len(some), place) for place, some in enumerate(labels)]
    return np.concatenate(labels), np.concatenate(folds)


def make_entry(bundle: Bundle, metrics: SuiteMetrics) -> Entry:
    """Collect the facts about a submitted run."""
    record, manifest = bundle.record, bundle.manifest
    trainings = max(1, len(record.training))
    spent = record.cost.get("seconds", {}).get("pretrain")
    learned = any(one.get("history") for one in record.training)
    return Entry(
        name=manifest.entry, run=manifest.run, submitted_by=manifest.by, note=manifest.note, method=record.method["name"],
        version=record.method["version"], backbone=joined_names(record.backbones.values()) or "none",
        augmentation=joined_names(record.augmentations) or "none", recipe=record.recipe,
        status=record.status, baseline=record.baseline, supervised=bool(record.method.get("uses_labels")),
        marks=marks_of(record.method),
        datasets=tuple(data["part"] for data in record.evaluated_on),
        seconds=round(float(spent) / trainings, 1) if learned and spent is not None else None,
        reported=_reported_values(record, metrics), verification=_describe_verification(bundle),
        depends_on_seed=record.depends_on_seed,
    )  # fmt: skip


def _describe_verification(bundle: Bundle) -> str:
    """Describe who reproduced the run."""
    if not bundle.verified:
        return "self-reported"
    others = ", ".join(f"{one.by} ({one.on}, at most {100 * one.furthest:.1f} points apart)" for one in bundle.verified)
    return f"reproduced by {others}"


def _reported_values(record: Record, metrics: SuiteMetrics) -> dict[tuple[str, str], float]:
    names = {column.stored_name for column in metrics.reported}
    reported = [score for score in record.scores if score.metric in names]
    return mean_by(((one.dataset, one.metric) for one in reported), (one.value for one in reported))


def make_results(
    bundle: Bundle, entry: Entry, weights: SuiteWeights, metrics: SuiteMetrics,
    vectors: Mapping[Place, VectorAnswers] = MappingProxyType({}),
) -> list[EntryResult]:  # fmt: skip
    """Make every result of a bundle; `vectors` are its predictions of several labels or numbers per sample."""
    answers: dict[Place, list[Answers]] = defaultdict(list)
    varied = varied_table([bundle.record])
    for one in bundle.answers:
        answers[one.dataset, varied.variant(one.protocol, setting_of(one.setting))].append(one)
    made = [
        _predicted_result(bundle.record, entry, place, own, weights, metrics, varied)
        for place, own in sorted(answers.items())
    ]
    predicted = [result for result in made if result is not None]
    clustered = _seed_results(bundle.record, entry, metrics, weights.suite.name, vectors, varied)
    covered = {result.dataset for result in predicted}
    cluster_scores = {result.dataset: result.scores for result in clustered}
    return [
        *(replace(one, scores={**cluster_scores.get(one.dataset, {}), **one.scores}) for one in predicted),
        *(replace(one, is_shown=one.dataset not in covered) for one in clustered),
    ]


def _predicted_result(
    record: Record, entry: Entry, place: Place, answers: Sequence[Answers], weights: SuiteWeights, metrics: SuiteMetrics,
    varied: VariedTable,
) -> EntryResult | None:  # fmt: skip
    dataset, protocol = place
    data, seeds = weights.suite.datasets[dataset], tuple(record.seeds)
    right = _right_shares(data, seeds, answers)
    if right is None:
        return None
    values, variances = dict[str, tuple[float, ...]](), dict[str, ScoreVariance]()
    for metric in metrics.accuracies:
        weighting = weights.get(dataset, metric)
        values[metric.name] = tuple(np.round(right @ weighting.weights, STABLE_DIGITS).tolist())
        variances[metric.name] = variance_of_answers(
            right, weighting.codes, weighting.shares, depends_on_seed=entry.depends_on_seed
        )
    others = {one.stored_name for one in metrics.columns if not one.of_encoders and one.stored_name not in values}
    values |= _values_by_seed(record, others, varied).get(place, {})
    made = _make_result(entry, place, values, variances, metrics)
    draws = made.draws
    if made.main.mean_over is not None:
        draws = sample_draws(right, weights.get(dataset, made.main).draw_weights)
    return replace(
        made, draws=draws,
        answered=recall_statistics(
            right, test_codes(data)[0], len(data.classes), depends_on_seed=entry.depends_on_seed
        ),
        untrained_classes=frozenset(count_untrained(record, dataset, protocol)),
        curve=label_curve(record, place, made.main.name, varied), spread=split_answer_variance(data, answers),
    )  # fmt: skip


def _make_result(
    entry: Entry, place: Place, values: Mapping[str, tuple[float, ...]], variances: Mapping[str, ScoreVariance],
    metrics: SuiteMetrics,
) -> EntryResult:  # fmt: skip
    """Make a result of values by metric and seed, ordered by the first metric of the suite that it has.

    Metrics without a known variance are not means over samples: theirs is over seeds.
    """
    level, main = next((level, one) for level, one in enumerate(metrics.ranking) if one.name in values)
    over_seeds = {
        name: variance_over_seeds(own, depends_on_seed=entry.depends_on_seed)
        for name, own in values.items()
        if name not in variances
    }
    known = {**variances, **over_seeds}
    return EntryResult(
        entry=entry, dataset=place[0], protocol=place[1], values=values, main=main, level=level,
        scores={name: summarize(own, known[name]) for name, own in values.items()},
        draws=np.zeros(N_DRAWS, np.float32), variance=known[main.name],
    )  # fmt: skip


def summarize(values: Sequence[float], variance: ScoreVariance, test_samples: int = 0) -> Estimate:
    """Estimate the mean over seeds, equal on every machine."""
    found = estimate_known(values, KnownVariance(variance, test_samples))
    return replace(found, mean=round(found.mean, STABLE_DIGITS))


def _right_shares(data: SuiteData, seeds: Sequence[int], answers: Sequence[Answers]) -> NDArray[np.float64] | None:
    """Return shares of right answers [S, n] over probes and draws, fold after fold; None if a seed lacks a fold."""
    by_cell: dict[tuple[int, str], list[NDArray[np.bool_]]] = defaultdict(list)
    for one in answers:
        by_cell[one.seed, str(one.fold)].append(unpack_bits(one.right, len(data.tests[str(one.fold)].labels)))
    if any((seed, fold) not in by_cell for seed in seeds for fold in data.tests):
        return None
    return np.stack([
        np.concatenate([np.mean(by_cell[seed, fold], axis=0) for fold in data.tests]) for seed in seeds
    ])  # fmt: skip


def split_answer_variance(data: SuiteData, answers: Sequence[Answers]) -> VarianceComponents | None:
    """Split the variance of micro accuracy by cause; None if cells hold different numbers of answers."""
    cells: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in answers:
        cells[one.seed][one.fold].append(float(unpack_bits(one.right, len(data.tests[str(one.fold)].labels)).mean()))
    sizes = {(len(folds), len(probes)) for folds in cells.values() for probes in folds.values()}
    if len(sizes) > 1:
        return None
    return split_variance(np.array([[probes for _, probes in sorted(folds.items())] for folds in cells.values()]))


def _values_by_seed(
    record: Record, names: Container[str], varied: VariedTable
) -> dict[Place, dict[str, tuple[float, ...]]]:
    """Return metrics of each protocol's default question by seed, means over folds and draws."""
    others = {name for name, one in varied.items() if one.other_target}
    chosen = (s for s in record.scores if s.metric in names and not others & {*setting_of(s.setting)})
    found: dict[Place, dict[str, tuple[float, ...]]] = defaultdict(dict)
    by_metric = group_by(select_scores(chosen, varied), lambda score: (score.dataset, score.protocol, score.metric))
    for (dataset, protocol, metric), scores in by_metric.items():
        found[dataset, protocol][metric] = tuple(seed_means(scores).values())
    return found


def _seed_results(
    record: Record, entry: Entry, metrics: SuiteMetrics, suite: str, vectors: Mapping[Place, VectorAnswers],
    varied: VariedTable,
) -> list[EntryResult]:  # fmt: skip
    """Return results that are not recalls of classes: clusterings, whose variance is over seeds, labels and numbers."""
    known = {
        one.stored_name: one.metric for one in metrics.scores if one.metric.derived_from is not Derivation.CONFUSION
    }
    known |= {one.name: one for one in metrics.ranking if one.derived_from is not Derivation.CONFUSION}
    results = []
    for place, values in sorted(_values_by_seed(record, known, varied).items()):
        if not any(one.name in values for one in metrics.ranking):
            continue
        if (answers := vectors.get(place)) is None:
            results.append(_make_result(entry, place, values, {}, metrics))
            continue
        made = _make_result(entry, place, values, known_variances(answers, known, values), metrics)
        draws = draw_scores(answers, made.main, f"{suite}/{place[0]}/{made.main.name}")
        results.append(replace(made, draws=draws, labels=make_label_result(answers)))
    return results


def supervised_rows(results: Iterable[EntryResult]) -> dict[str, EntryResult]:
    """Return the ranked supervised row by backbone, the first by name; the first of all is under ''."""
    found: dict[str, EntryResult] = {}
    for result in results:
        if result.entry.supervised and result.entry.is_ranked and result.scores_by_name is not None:
            for backbone in (result.entry.backbone, ""):
                if backbone not in found or result.entry.name < found[backbone].entry.name:
                    found[backbone] = result
    return found


def matching_supervised(entry: Entry, supervised: Mapping[str, EntryResult]) -> EntryResult | None:
    """Return the supervised row with the same backbone, else the first; None for a supervised entry."""
    return None if entry.supervised else supervised.get(entry.backbone, supervised.get(""))
