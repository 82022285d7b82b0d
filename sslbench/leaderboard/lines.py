"""From bundles to lines: an entry on a dataset by a protocol, with all that comparing it needs and no more. Pure.

A bundle is read, becomes lines, and is let go, so that memory grows by some kilobytes an entry (two more bytes for every
test sample and protocol).
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.bootstrap import (
    Draws,
    answered_draws,
    resampled_weights,
    sample_weights,
    seeded_draws,
    strata,
)
from sslbench.analysis.class_gaps import Answered, answered
from sslbench.analysis.ranks import Scored, half_of
from sslbench.analysis.variance import Split, split
from sslbench.leaderboard.bundle import Answers, Bundle, unbits
from sslbench.leaderboard.suite import Suite, SuiteData
from sslbench.results.record import Record, setting_of

MAIN = "macro_accuracy"
"""What entries are ordered by where they predict: every class counts alike."""
ANSWERED = {"micro_accuracy": False, MAIN: True}
"""Metrics that are means of right answers, and whether classes count alike."""
CLUSTERED = "ami_max"
REPORTED = ("rank_me",)
"""Metrics that nothing submitted shows: never ranked."""
Place = tuple[str, str]
"""A board: dataset and protocol."""
DRAWS = 500
SETTLED = 12
"""Digits that a sum has on every machine: what lies between two printed numbers must fall to the same side everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One entry on one dataset by one protocol: values by metric and seed, scores by metric, and of what predicts its answers
    and draws of the metric that it is ordered by.
    """

    entry: str
    run: str
    dataset: str
    protocol: str
    values: Mapping[str, tuple[float, ...]]
    scores: Mapping[str, Scored]
    drawn: Draws | None = None
    answered: Answered | None = None
    curve: Mapping[float, tuple[float, ...]] = field(default_factory=dict)
    spread: Split | None = None

    @property
    def main(self) -> str:
        """The metric that it is ordered by."""
        return MAIN if MAIN in self.values else CLUSTERED

    @property
    def draws(self) -> Draws:
        """Of the metric that it is ordered by."""
        if self.drawn is not None:
            return self.drawn
        return _draws_over_seeds(self.run, (self.dataset, self.protocol), self.values[CLUSTERED])

    @property
    def recalls(self) -> NDArray[np.float64] | None:
        """[S, C], where it predicts."""
        return self.answered.recalls if self.answered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one submitted run, its numbers apart: `reported` are metrics by dataset that nothing shows."""

    entry: str
    run: str
    by: str
    note: str
    method: str
    version: int
    backbone: str
    augmentation: str
    recipe: str
    status: str
    baseline: bool
    supervised: bool
    datasets: tuple[str, ...]
    seconds: float | None
    reported: Mapping[tuple[str, str], float]
    trust: str

    @property
    def ranked(self) -> bool:
        """Whether it is compared at all."""
        return self.status == "done"


class Weights:
    """What each test sample of a suite's datasets is worth, and what it was worth in each draw; made once a dataset."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._made: dict[tuple[str, str], tuple[NDArray[np.float64], Draws]] = {}

    def of(self, dataset: str, metric: str) -> tuple[NDArray[np.float64], Draws]:
        """Weights [n] over all folds' test samples one after another, and draws of them [draws, n]."""
        if (dataset, metric) not in self._made:
            labels, folds = samples(self.suite.datasets[dataset])
            codes, shares = strata(labels, folds, by_class=ANSWERED[metric])
            rng = np.random.default_rng(zlib.crc32(f"{self.suite.name}/{dataset}/{metric}".encode()))
            self._made[dataset, metric] = sample_weights(codes, shares), resampled_weights(codes, shares, DRAWS, rng)
        return self._made[dataset, metric]


def samples(data: SuiteData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Class codes and folds of all test samples, fold after fold."""
    labels = [np.array(test.labels, np.int64) for test in data.tests.values()]
    folds = [np.full(len(some), place) for place, some in enumerate(labels)]
    return np.concatenate(labels), np.concatenate(folds)


def entry_of(bundle: Bundle) -> Entry:
    """What is told of a run beside its numbers."""
    record, manifest = bundle.record, bundle.manifest
    trainings = max(1, len(record.training))
    spent = record.cost.get("seconds", {}).get("pretrain")
    learnt = any(one.get("history") for one in record.training)
    return Entry(
        entry=manifest.entry, run=manifest.run, by=manifest.by, note=manifest.note, method=record.method["name"],
        version=record.method["version"], backbone="+".join(b["name"] for b in record.backbones.values()) or "none",
        augmentation="+".join(a["name"] for a in record.augmentations) or "none", recipe=record.recipe,
        status=record.status, baseline=record.baseline, supervised=bool(record.method.get("takes_target")),
        datasets=tuple(data["part"] for data in record.evaluated_on),
        seconds=round(float(spent) / trainings, 1) if learnt and spent is not None else None,
        reported=_reported(record), trust=_trust(bundle),
    )  # fmt: skip


def _trust(bundle: Bundle) -> str:
    """Whose word a row is."""
    if not bundle.verified:
        return "self-reported"
    who = ", ".join(f"{one.by} ({one.on}, at most {100 * one.furthest:.1f} points apart)" for one in bundle.verified)
    return f"verified by {who}"


def _reported(record: Record) -> dict[tuple[str, str], float]:
    found: dict[Place, list[float]] = defaultdict(list)
    for score in record.scores:
        if score.metric in REPORTED:
            found[score.dataset, score.metric].append(score.value)
    return {place: float(np.mean(values)) for place, values in found.items()}


def lines_of(bundle: Bundle, weights: Weights) -> list[Line]:
    """Every line of a bundle."""
    answers: dict[Place, list[Answers]] = defaultdict(list)
    for one in bundle.answers:
        answers[intern(one.dataset), intern(one.protocol)].append(one)
    lines = [_answered(bundle, place, own, weights) for place, own in sorted(answers.items())]
    return [line for line in lines if line is not None] + _clustered(bundle)


def _answered(bundle: Bundle, place: Place, answers: Sequence[Answers], weights: Weights) -> Line | None:
    dataset, protocol = place
    data, seeds = weights.suite.datasets[dataset], tuple(bundle.record.seeds)
    right = _right(data, seeds, answers)
    if right is None:
        return None
    values, draws = {}, {}
    for metric in ANSWERED:
        worth, drawn = weights.of(dataset, metric)
        values[metric] = tuple(np.round(right @ worth, SETTLED).tolist())
        draws[metric] = answered_draws(right, drawn, _own_rng(bundle.manifest.run, place, metric))
    return Line(
        entry=bundle.manifest.entry, run=bundle.manifest.run, dataset=dataset, protocol=protocol, values=values,
        drawn=draws[MAIN], scores={metric: scored(values[metric], draws[metric]) for metric in values},
        answered=answered(right, samples(data)[0], len(data.classes)),
        curve=_curve(bundle.record, place), spread=spread_of(data, answers),
    )  # fmt: skip


def scored(values: Sequence[float], draws: Draws) -> Scored:
    """The mean over seeds, the same on every machine, and half of its interval."""
    return Scored(score=round(float(np.mean(values)), SETTLED), half=half_of(draws, values))


def _own_rng(run: str, place: Place, metric: str) -> np.random.Generator:
    """A generator of this entry alone: who else is on the board changes none of its draws."""
    return np.random.default_rng(zlib.crc32(f"{run}/{'/'.join(place)}/{metric}".encode()))


def _right(data: SuiteData, seeds: Sequence[int], answers: Sequence[Answers]) -> NDArray[np.float64] | None:
    """Shares of right answers [S, n] over probes and draws, folds one after another; None where a seed lacks a fold."""
    by_cell: dict[tuple[int, str], list[NDArray[np.bool_]]] = defaultdict(list)
    for one in answers:
        by_cell[one.seed, str(one.fold)].append(unbits(one.right, len(data.tests[str(one.fold)].labels)))
    if any((seed, fold) not in by_cell for seed in seeds for fold in data.tests):
        return None
    return np.stack([
        np.concatenate([np.mean(by_cell[seed, fold], axis=0) for fold in data.tests]) for seed in seeds
    ])  # fmt: skip


def spread_of(data: SuiteData, answers: Sequence[Answers]) -> Split | None:
    """Where micro accuracy's variance comes from; None where cells hold unequally many answers."""
    cells: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in answers:
        cells[one.seed][one.fold].append(float(unbits(one.right, len(data.tests[str(one.fold)].labels)).mean()))
    sizes = {(len(folds), len(probes)) for folds in cells.values() for probes in folds.values()}
    if len(sizes) > 1:
        return None
    return split(np.array([[probes for _, probes in sorted(folds.items())] for folds in cells.values()]))


def _curve(record: Record, place: Place) -> dict[float, tuple[float, ...]]:
    """Macro accuracy by share of labels and seed, for a protocol that was given several."""
    found: dict[float, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in record.scores:
        if (score.dataset, score.protocol, score.metric) == (*place, "macro_accuracy") and score.chosen_on != "query":
            found[float(setting_of(score.setting).get("fraction", 1.0))][score.seed].append(score.value)
    curve = {
        share: tuple(float(np.mean(v)) for _, v in sorted(seeds.items())) for share, seeds in sorted(found.items())
    }
    return curve if len(curve) > 1 else {}


def _clustered(bundle: Bundle) -> list[Line]:
    """Lines of what has clusters only: compared over seeds, for a clustering is no mean of right answers."""
    found: dict[Place, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in bundle.record.scores:
        own = score.chosen_on != "query" and "against" not in setting_of(score.setting)
        if score.metric == CLUSTERED and own:
            found[intern(score.dataset), intern(score.protocol)][score.seed].append(score.value)
    lines = []
    for place, seeds in sorted(found.items()):
        values = tuple(float(np.mean(own)) for _, own in sorted(seeds.items()))
        draws = _draws_over_seeds(bundle.manifest.run, place, values)
        lines.append(Line(
            entry=bundle.manifest.entry, run=bundle.manifest.run, dataset=place[0], protocol=place[1],
            values={CLUSTERED: values}, scores={CLUSTERED: scored(values, draws)},
        ))  # fmt: skip
    return lines


def _draws_over_seeds(run: str, place: Place, values: Sequence[float]) -> Draws:
    return seeded_draws(values, DRAWS, _own_rng(run, place, CLUSTERED))


def by_place(lines: Sequence[Line]) -> dict[Place, list[Line]]:
    """Lines by dataset and protocol, in order of name."""
    found: dict[Place, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.dataset, line.protocol, line.entry)):
        found[line.dataset, line.protocol].append(line)
    return found


def taught_rows(by_run: Mapping[str, Entry], lines: Sequence[Line]) -> dict[Place, list[Entry]]:
    """The ranked rows that learnt from labels, by board."""
    found: dict[Place, list[Entry]] = defaultdict(list)
    for line in lines:
        entry = by_run[line.run]
        if entry.supervised and entry.ranked and line.recalls is not None:
            found[line.dataset, line.protocol].append(entry)
    for own in found.values():
        own.sort(key=lambda one: one.entry)
    return found


def alike(entry: Entry, taught: Sequence[Entry]) -> Entry | None:
    """The supervised row with the same backbone, or the first that there is."""
    return next((other for other in taught if other.backbone == entry.backbone), taught[0] if taught else None)
