"""Check the contract of a protocol on features with a known answer, for every kind of target that it takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import Unavailable
from sslbench.api.protocols import Need
from sslbench.api.targets import KINDS, TargetName
from sslbench.api.values import Outcome
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.protocol_rig import CLASSES, QUERY, ToyProblem, make_problem, run_protocol, shuffle_rows

EASY, SOME, HARD = 0.1, 2.0, 5.0
EASY_SCORES: Mapping[TargetName, float] = {"class": 0.95, "labels": 0.95, "value": 0.8}
"""Least accuracy, mean average precision and R2 on well-separated samples."""
DRAWS = 3


def tested_kinds(subject: Subject) -> list[TargetName]:
    """Return the kinds of targets that the protocol takes, classes first."""
    return sorted(subject.spec.targets, key=lambda kind: [*KINDS].index(kind))


def solve(
    subject: Subject, noise: float, kind: TargetName, seed: int = 0, folds: int = 1
) -> tuple[ToyProblem, Sequence[Outcome]]:
    """Return a problem and the outcomes of the protocol on it, which are computed once."""

    def run() -> tuple[ToyProblem, Sequence[Outcome]]:
        problem = make_problem(noise, seed, kind=kind, folds=folds)
        return problem, run_protocol(subject, problem)[0]

    return subject.cached(f"{kind} {noise} {seed} {folds}", run)  # type: ignore[no-any-return]


def predicted_kinds(subject: Subject) -> list[TargetName]:
    """Return the kinds of targets that the protocol predicts, classes first; raises NotApplicable if there are none."""
    kinds = [one for one in tested_kinds(subject) if scored_outcomes(solve(subject, SOME, one)[1])]
    if not kinds:
        raise NotApplicable("predicts nothing")
    return kinds


def codes_of(predictions: NDArray[Any]) -> NDArray[np.int64]:
    """Convert codes [n] or scores [n, C] to codes [n]."""
    return predictions.argmax(1) if predictions.ndim == 2 else predictions.astype(np.int64)


def decisions(outcome: Outcome, problem: ToyProblem) -> NDArray[Any]:
    """Return the predicted classes [n], or the predictions [n, C] of labels and numbers."""
    predicted = np.asarray(outcome.predicted)
    return codes_of(predicted) if problem.target.kind == "class" else predicted


def are_different(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether predictions differ by more than rounding."""
    return one.shape != other.shape or not np.allclose(one, other, rtol=1e-4, atol=1e-5)


def scored_outcomes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Select the outcomes that count: predictions that were not selected on the query."""
    return [o for o in outcomes if o.predicted is not None and o.rows is not None and o.chosen_on != "query"]


def predict(subject: Subject, problem: ToyProblem) -> list[Outcome]:
    """Return the outcomes that count on a new problem."""
    return scored_outcomes(run_protocol(subject, problem)[0])


def scores_of(outcomes: Sequence[Outcome], problem: ToyProblem) -> list[float]:
    """Return the score of every outcome that counts: accuracy, mean average precision or R2."""
    return [problem.kind.score(problem.labels[o.rows], decisions(o, problem)) for o in scored_outcomes(outcomes)]


@check(
    "protocol",
    change="yield Outcome(task=...) for every task, and declare every further metric in the spec",
    needs=("has_an_implementation", "uses_known_names"),
)
def returns_valid_outcomes(subject: Subject) -> Iterator[str]:
    """A protocol without outcomes, or with undeclared metrics, leaves gaps in every table."""
    for place, kind in enumerate(tested_kinds(subject)):
        try:
            problem, outcomes = solve(subject, SOME, kind, folds=1 if place else 2)
        except (NotApplicable, Unavailable):
            raise
        except Exception as error:  # a plugin may raise anything
            yield f"{kind}: raised {type(error).__name__}: {error}"
        else:
            yield from dict.fromkeys(f"{kind}: {error}" for error in _outcome_errors(subject, outcomes, problem))


def _outcome_errors(subject: Subject, outcomes: Sequence[Outcome], problem: ToyProblem) -> Iterator[str]:
    if not outcomes:
        yield "yields no outcome"
    counts = {task: sum(o.task == task for o in outcomes) for task in range(len(problem.tasks))}
    if len({*counts.values()}) > 1:
        yield f"yields {' and '.join(map(str, counts.values()))} outcomes for two tasks"
    declared = {*subject.spec.shown_metrics, *(metric.name for metric in subject.spec.own_metrics)}
    for outcome in outcomes:
        if outcome.task is not None and outcome.task not in counts:
            yield f"an outcome is of task {outcome.task}, but there are {len(counts)} tasks"
        for name, value in outcome.scores.items():
            if name not in declared:
                yield f"the score {name!r} is not among the metrics that the spec declares"
            if not math.isfinite(value):
                yield f"{name} is {value}"
        rows = np.asarray([] if outcome.rows is None else outcome.rows)
        count = len(rows) if outcome.predicted is None else len(np.atleast_1d(np.asarray(outcome.predicted)))
        if count != len(rows):
            yield f"{count} predictions for {len(rows)} rows"
        for clusters in [clusters for clusters in outcome.clusters if len(clusters) != len(rows)]:
            yield f"a clustering of {len(clusters)} for {len(rows)} rows"
        is_free = outcome.predicted is None or subject.spec.tests_on_training_rows(subject.spec.config())
        if not is_free and outcome.task in counts and not np.isin(rows, problem.tasks[outcome.task].query).all():
            yield f"predicts rows that are not in the query of task {outcome.task}"


@check(
    "protocol",
    change="predict codes [n], or finite scores [n, C] of which the highest is the predicted class",
    needs=("returns_valid_outcomes",),
)
def returns_scores_of_every_class(subject: Subject) -> Iterator[str]:
    """Top-k accuracy and calibration are computed from scores, and the class with the highest one is the prediction."""
    outcomes = solve(subject, SOME, "class")[1] if "class" in subject.spec.targets else []
    found = [np.asarray(one) for o in outcomes for one in (o.predicted, o.validation) if one is not None]
    if not any(predicted.ndim == 2 for predicted in found):
        raise NotApplicable("predicts no scores of classes")
    for scores in [one for one in found if one.ndim == 2]:
        if scores.shape[1] != CLASSES:
            yield f"scores have shape {list(scores.shape)}, but there are {CLASSES} classes"
        elif not np.isfinite(scores).all():
            yield "scores are not finite"


@check("protocol", change="seed randomness with trial.rng()", needs=("returns_valid_outcomes",))
def is_deterministic(subject: Subject) -> Iterator[str]:
    """A score that changes between calls cannot be reproduced."""
    problem, first = solve(subject, SOME, tested_kinds(subject)[0])
    second = run_protocol(subject, problem)[0]
    pairs = zip(scored_outcomes(first), scored_outcomes(second), strict=True)
    if [o.scores for o in first] != [o.scores for o in second] or any(
        are_different(decisions(a, problem), decisions(b, problem)) for a, b in pairs
    ):
        yield "two calls return different results"


@check(
    "protocol",
    change="align labels and rows, predict what `targets` states (see sslbench.api.targets), or train longer by default",
    needs=("is_deterministic",),
)
def solves_easy_data(subject: Subject) -> Iterator[str]:
    """On well-separated samples every protocol must score (nearly) 1, or its low scores mean nothing.

    Of several labels and numbers the best result counts: a few samples do not show every combination of them.
    """
    for kind in predicted_kinds(subject):
        problem, outcomes = solve(subject, EASY, kind)
        scores = list[float]()
        for outcome in scored_outcomes(outcomes):
            truth, predicted = problem.labels[outcome.rows], decisions(outcome, problem)
            if predicted.shape != truth.shape:
                yield f"{kind}: predictions have shape {list(predicted.shape)}, not {list(truth.shape)}"
            elif not np.isfinite(predicted).all():
                yield f"{kind}: predicts numbers that are not finite"
            else:
                scores.append(problem.kind.score(truth, predicted))
        counted = min if kind == "class" else max
        if scores and counted(scores) < EASY_SCORES[kind]:
            yield f"{kind}: scores {counted(scores):.2f} on easy data, expected at least {EASY_SCORES[kind]}"


@check("protocol", change="use target[bank] and target[validation] only", needs=("is_deterministic",))
def ignores_query_labels(subject: Subject) -> Iterator[str]:
    """Predictions may be compared with the query's labels, but not made with them; an oracle sets chosen_on='query'."""
    for kind in predicted_kinds(subject):
        problem, outcomes = solve(subject, HARD, kind)  # where candidates of a selection predict most differently
        first, second = scored_outcomes(outcomes), predict(subject, problem.with_other_labels(problem.task.query))
        if len(first) != len(second) or any(
            are_different(decisions(a, problem), decisions(b, problem)) for a, b in zip(first, second, strict=True)
        ):
            yield f"{kind}: predictions change when only the query's labels change"


@check("protocol", change="do not use query rows for learning or selection", needs=("ignores_query_labels",))
def is_at_chance_on_random_labels(subject: Subject) -> Iterator[str]:
    """With labels unrelated to the features, a score above chance is a leak."""
    if "class" not in predicted_kinds(subject):
        raise NotApplicable("predicts no classes")
    problems = [make_problem(EASY, seed, related=False) for seed in range(DRAWS)]
    found = [scores_of(run_protocol(subject, problem)[0], problem) for problem in problems]
    high = 1 / CLASSES + 3 * math.sqrt((1 / CLASSES) * (1 - 1 / CLASSES) / (QUERY * DRAWS)) + 0.02
    for place, mean in enumerate(np.mean(found, axis=0)):
        if mean > high:
            yield f"outcome {place} has accuracy {mean:.2f} on random labels; chance is {1 / CLASSES:.2f}"


@check(
    "protocol",
    change="sort or match rows by their number, and draw from trial.rng()",
    needs=("is_deterministic",),
)
def ignores_row_order(subject: Subject) -> Iterator[str]:
    """Scores must not depend on the order of files on a disk."""
    problem, outcomes = solve(subject, SOME, predicted_kinds(subject)[0])
    reordered, place = shuffle_rows(problem)
    for one, other in zip(scored_outcomes(outcomes), predict(subject, reordered), strict=True):
        expected, found = decisions(one, problem), decisions(other, problem)
        by_row = dict(zip(np.asarray(other.rows).tolist(), found, strict=True))
        shuffled = np.array([by_row[int(place[row])] for row in np.asarray(one.rows)])
        is_same = np.isclose(shuffled, expected, rtol=0.05, atol=0.05 * float(np.std(expected)))
        if (share := 1 - float(is_same.mean())) > 0.05:
            yield f"{100 * share:.0f} % of predictions change with the order of the rows"


@check(
    "protocol",
    change="read series by table.vectors() or table.lengths, and leave out steps from the length on",
    needs=("is_deterministic",),
)
def ignores_padding_of_features(subject: Subject) -> Iterator[str]:
    """Series are padded to the longest one, and what an encoder makes of padding is no feature."""
    if Need.ENCODERS in subject.spec.needs:
        raise NotApplicable("trains encoders on samples")
    problem = make_problem(SOME, kind=tested_kinds(subject)[0])
    first, second = (run_protocol(subject, replace(problem, padding=value))[0] for value in (0.0, 100.0))
    pairs = [*zip(scored_outcomes(first), scored_outcomes(second), strict=True)]
    if any(are_different(decisions(a, problem), decisions(b, problem)) for a, b in pairs):
        yield "predictions change with the values of padded steps"
    elif any(
        not math.isclose(a.scores[name], b.scores[name], rel_tol=1e-4, abs_tol=1e-5)
        for a, b in zip(first, second, strict=True)
        for name in a.scores
    ):
        yield "scores change with the values of padded steps"


@check(
    "protocol",
    change="copy arrays before you modify them: np.array(table.features[...])",
    needs=("returns_valid_outcomes",),
)
def does_not_modify_features(subject: Subject) -> Iterator[str]:
    """A protocol changes no array that it receives, because the next protocol reads the same arrays."""
    problem = make_problem(SOME, kind=tested_kinds(subject)[0])
    kept = (problem.features.copy(), problem.labels.copy())
    _, table = run_protocol(subject, problem)
    if not np.array_equal(kept[0], problem.features):
        yield "modifies the features"
    if not np.array_equal(kept[1], table.target, equal_nan=kept[1].dtype.kind == "f"):
        yield "modifies the labels"


@check(
    "protocol",
    change="seed randomness with trial.rng(), and check the selection criterion",
    needs=("solves_easy_data",),
)
def scores_fall_with_noise(subject: Subject) -> Iterator[str]:
    """A protocol that prefers noise to signal ranks methods in reverse."""
    kind, means = predicted_kinds(subject)[0], {}
    for noise in (EASY, SOME, HARD):
        solved = [solve(subject, noise, kind, seed) for seed in range(DRAWS)]
        means[noise] = np.mean([scores_of(outcomes, problem) for problem, outcomes in solved], axis=0)
    for less, more in ((EASY, SOME), (SOME, HARD)):
        for place, (a, b) in enumerate(zip(means[less], means[more], strict=True)):
            if b > a + 0.03:
                yield f"outcome {place} scores {b:.2f} with noise {more}, and {a:.2f} with {less}"


@check(
    "protocol",
    change="score clusters against classes with a chance-corrected measure",
    needs=("returns_valid_outcomes",),
    tier="advised",
)
def stays_within_metric_ranges(subject: Subject) -> Iterator[str]:
    """Tables, plots and plausibility checks use the declared range of a metric."""
    outcomes = [o for noise in (EASY, HARD) for o in solve(subject, noise, tested_kinds(subject)[0])[1]]
    for metric in subject.spec.own_metrics:
        for value in (o.scores[metric.name] for o in outcomes if metric.name in o.scores):
            if not metric.low - 1e-6 <= value <= metric.high + 1e-6:
                yield f"{metric.name} is {value:.4g}, outside [{metric.low}, {metric.high}]"
