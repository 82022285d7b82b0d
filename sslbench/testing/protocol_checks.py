"""Check the contract of a protocol on features with a known answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.targets import KINDS, TargetName
from sslbench.api.values import Outcome
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.protocol_rig import CLASSES, QUERY, ToyProblem, make_problem, relabel, run_protocol, shuffle_rows

EASY, SOME, HARD = 0.1, 2.0, 5.0
EASY_SCORES: Mapping[TargetName, float] = {"labels": 0.95, "value": 0.8}
"""Least mean average precision, and least R2, on well-separated samples."""
DRAWS = 3
ROUNDING = 1e-6


def predicted_codes(outcome: Outcome) -> NDArray[np.int64]:
    """Return the predicted classes [n]."""
    return codes_of(np.asarray(outcome.predicted))


def codes_of(predictions: NDArray[Any]) -> NDArray[np.int64]:
    """Convert codes [n] or scores [n, C] to codes [n]."""
    return predictions.argmax(1) if predictions.ndim == 2 else predictions.astype(np.int64)


def scored_outcomes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Select the outcomes that count: predictions that were not selected on the query."""
    return [o for o in outcomes if o.predicted is not None and o.rows is not None and o.chosen_on != "query"]


def accuracies(subject: Subject, problem: ToyProblem) -> list[float]:
    """Return the accuracy of every outcome that counts."""
    found = scored_outcomes(run_protocol(subject, problem)[0])
    if not found:
        raise NotApplicable("does not predict classes")
    return [float((predicted_codes(o) == problem.labels[o.rows]).mean()) for o in found]


@check(
    "protocol",
    change="yield Outcome(task=...) for every task, and declare every further metric in the spec",
    needs=("has_an_implementation",),
)
def returns_valid_outcomes(subject: Subject) -> Iterator[str]:
    """A protocol without outcomes, or with undeclared metrics, leaves gaps in every table."""
    problem = make_problem(SOME)
    outcomes, _ = run_protocol(subject, problem)
    if not outcomes:
        yield "yields no outcome"
    declared = {*subject.spec.shown_metrics, *(metric.name for metric in subject.spec.own_metrics)}
    for name in sorted({name for o in outcomes for name in o.scores} - declared):
        yield f"the score {name!r} is not among the metrics that the spec declares"
    for outcome in outcomes:
        for name, value in outcome.scores.items():
            if not math.isfinite(value):
                yield f"{name} is {value}"
        rows = 0 if outcome.rows is None else len(outcome.rows)
        if outcome.predicted is not None and len(np.atleast_1d(predicted_codes(outcome))) != rows:
            yield f"{len(predicted_codes(outcome))} predictions for {rows} rows"
        for clusters in [clusters for clusters in outcome.clusters if len(clusters) != rows]:
            yield f"a clustering of {len(clusters)} for {rows} rows"


@check(
    "protocol",
    change="predict codes [n], or finite scores [n, C] of which the highest is the predicted class",
    needs=("returns_valid_outcomes",),
)
def returns_scores_of_every_class(subject: Subject) -> Iterator[str]:
    """Top-k accuracy and calibration are computed from scores, and the class with the highest one is the prediction."""
    outcomes = run_protocol(subject, make_problem(SOME))[0]
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
    problem = make_problem(SOME)
    first, second = ([o.scores for o in run_protocol(subject, problem)[0]] for _ in range(2))
    one, other = ([predicted_codes(o) for o in scored_outcomes(run_protocol(subject, problem)[0])] for _ in range(2))
    if first != second or any((a != b).any() for a, b in zip(one, other, strict=True)):
        yield "two calls return different results"


@check(
    "protocol",
    change="check that labels and rows are aligned, or train longer by default",
    needs=("is_deterministic",),
)
def solves_easy_data(subject: Subject) -> Iterator[str]:
    """On well-separated classes every protocol must score (nearly) 1, or its low scores mean nothing."""
    problem = make_problem(EASY)
    yield from (
        f"classifies {100 * a:.0f} % of well-separated samples correctly"
        for a in accuracies(subject, problem)
        if a < 0.95
    )


@check(
    "protocol",
    change="learn and predict what `targets` states: [n, C] probabilities of labels, or numbers; see sslbench.api.targets",
    needs=("solves_easy_data",),
)
def solves_easy_data_of_every_target(subject: Subject) -> Iterator[str]:
    """A protocol that takes several labels or numbers must predict them, also where some are unknown.

    Its best result counts: a few samples of each label do not show every combination of labels.
    """
    found = False
    for kind in sorted(subject.spec.targets & set(EASY_SCORES)):
        problem, scores = relabel(make_problem(EASY), kind), list[float]()
        for outcome in scored_outcomes(run_protocol(subject, problem)[0]):
            found, truth, predicted = True, problem.labels[outcome.rows], np.asarray(outcome.predicted)
            if predicted.shape != truth.shape:
                yield f"{kind}: predictions have shape {list(predicted.shape)}, not {list(truth.shape)}"
            elif not np.isfinite(predicted).all():
                yield f"{kind}: predicts numbers that are not finite"
            else:
                scores.append(KINDS[kind].score(truth, predicted))
        if scores and max(scores) < EASY_SCORES[kind]:
            yield f"{kind}: scores {max(scores):.2f} on easy data, expected at least {EASY_SCORES[kind]}"
    if not found:
        raise NotApplicable("predicts neither several labels nor numbers")


@check("protocol", change="use target[bank] and target[validation] only", needs=("is_deterministic",))
def ignores_query_labels(subject: Subject) -> Iterator[str]:
    """Predictions may be compared with the query's labels, but not made with them; an oracle sets chosen_on='query'."""
    problem = make_problem(SOME)
    other = problem.labels.copy()
    other[problem.task.query] = (other[problem.task.query] + 1) % CLASSES
    twice = [scored_outcomes(run_protocol(subject, replace(problem, labels=labels))[0])
             for labels in (problem.labels, other)]  # fmt: skip
    if not twice[0]:
        raise NotApplicable("does not predict classes")
    if len(twice[0]) != len(twice[1]) or any(
        (predicted_codes(a) != predicted_codes(b)).any() for a, b in zip(*twice, strict=True)
    ):
        yield "predictions change when only the query's labels change"


@check("protocol", change="do not use query rows for learning or selection", needs=("ignores_query_labels",))
def is_at_chance_on_random_labels(subject: Subject) -> Iterator[str]:
    """With labels unrelated to the features, a score above chance is a leak."""
    found = [accuracies(subject, make_problem(EASY, seed, related=False)) for seed in range(DRAWS)]
    high = 1 / CLASSES + 3 * math.sqrt((1 / CLASSES) * (1 - 1 / CLASSES) / (QUERY * DRAWS)) + 0.02
    for place, mean in enumerate(np.mean(found, axis=0)):
        if mean > high:
            yield f"outcome {place} has accuracy {mean:.2f} on random labels; chance is {1 / CLASSES:.2f}"


@check(
    "protocol",
    change="set chosen (the selection), chosen_on (the rows) and considered (all candidates with their accuracy)",
    needs=("ignores_query_labels",),
)
def reports_its_selection(subject: Subject) -> Iterator[str]:
    """An unreported selection cannot be checked, and its results look untuned."""
    problem = make_problem(SOME)
    everything = run_protocol(subject, problem)[0]
    outcomes = scored_outcomes(everything)
    if not outcomes:
        raise NotApplicable("does not predict classes")
    for outcome in everything:
        yield from _selection_errors(outcome, problem)
    undeclared = [place for place, outcome in enumerate(outcomes) if not _uses_validation(outcome, problem)]
    changed: set[int] = set()
    for shift in range(1, CLASSES if undeclared else 1):
        labels = problem.labels.copy()
        labels[problem.task.validation] = (labels[problem.task.validation] + shift) % CLASSES
        others = scored_outcomes(run_protocol(subject, replace(problem, labels=labels))[0])
        same = len(others) == len(outcomes)
        changed |= {
            n for n in undeclared if not same or (predicted_codes(others[n]) != predicted_codes(outcomes[n])).any()
        }
    yield from (
        f"outcome {place} depends on the labels of validation rows, but reports no selection"
        for place in sorted(changed)
    )


def _selection_errors(outcome: Outcome, problem: ToyProblem) -> Iterator[str]:
    """Yield inconsistent statements of an outcome about its selection."""
    if outcome.chosen_on != "nothing" and not outcome.chosen:
        yield f"an outcome has chosen_on={outcome.chosen_on!r}, but chosen is empty"
    if outcome.chosen_on == "validation" and not outcome.considered:
        yield f"{dict(outcome.chosen)} is chosen on validation, but considered is empty"
    if not outcome.considered:
        return
    best = max(share for _, share in outcome.considered)
    if not any(dict(what) == dict(outcome.chosen) and share == best for what, share in outcome.considered):
        yield f"{dict(outcome.chosen)} is not the best of considered"
    if outcome.validation is not None:
        found = float((codes_of(outcome.validation) == problem.labels[problem.task.validation]).mean())
        if abs(found - best) > ROUNDING:
            shares = f"{best:.4f} in considered, but {found:.4f} by its predictions"
            yield f"{dict(outcome.chosen)} has validation accuracy {shares}"


def _uses_validation(outcome: Outcome, problem: ToyProblem) -> bool:
    """Return whether an outcome declares that it was selected on, or learned from, validation rows."""
    learned = outcome.bank is not None and bool(np.isin(outcome.bank, problem.task.validation).any())
    return learned or outcome.chosen_on == "validation"


@check(
    "protocol",
    change="sort or match rows by their number, and draw from trial.rng()",
    needs=("is_deterministic",),
)
def ignores_row_order(subject: Subject) -> Iterator[str]:
    """Scores must not depend on the order of files on a disk."""
    problem = make_problem(SOME)
    reordered, place = shuffle_rows(problem)
    first, second = (
        scored_outcomes(run_protocol(subject, problem)[0]),
        scored_outcomes(run_protocol(subject, reordered)[0]),
    )
    if not first:
        raise NotApplicable("does not predict classes")
    for one, other in zip(first, second, strict=True):
        by_row = dict(zip(np.asarray(other.rows).tolist(), predicted_codes(other).tolist(), strict=True))
        shuffled = np.array([by_row[int(place[row])] for row in np.asarray(one.rows)])
        if (share := float((shuffled != predicted_codes(one)).mean())) > 0.05:
            yield f"{100 * share:.0f} % of predictions change with the order of the rows"


@check(
    "protocol",
    change="copy arrays before you modify them: np.array(table.features[...])",
    needs=("returns_valid_outcomes",),
)
def does_not_modify_features(subject: Subject) -> Iterator[str]:
    """A protocol changes no array that it receives, because the next protocol reads the same arrays."""
    problem = make_problem(SOME)
    kept = (problem.features.copy(), problem.labels.copy())
    _, table = run_protocol(subject, problem)
    if not np.array_equal(kept[0], problem.features):
        yield "modifies the features"
    if not np.array_equal(kept[1], table.target):
        yield "modifies the labels"


@check(
    "protocol",
    change="seed randomness with trial.rng(), and check the selection criterion",
    needs=("solves_easy_data",),
)
def scores_fall_with_noise(subject: Subject) -> Iterator[str]:
    """A protocol that prefers noise to signal ranks methods in reverse."""
    means = {}
    for noise in (EASY, SOME, HARD):
        means[noise] = np.mean([accuracies(subject, make_problem(noise, seed)) for seed in range(DRAWS)], axis=0)
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
    outcomes = [o for noise in (EASY, HARD) for o in run_protocol(subject, make_problem(noise))[0]]
    for metric in subject.spec.own_metrics:
        for value in (o.scores[metric.name] for o in outcomes if metric.name in o.scores):
            if not metric.low - 1e-6 <= value <= metric.high + 1e-6:
                yield f"{metric.name} is {value:.4g}, outside [{metric.low}, {metric.high}]"


@check(
    "protocol",
    change="declare the settings of outcomes in `varies`, and the names of what is chosen in `chooses`",
    needs=("returns_valid_outcomes",),
)
def declares_what_it_varies(subject: Subject) -> Iterator[str]:
    """Tables show a setting as its declaration states, and an evaluation with another setting or choice fails."""
    outcomes = run_protocol(subject, make_problem(SOME))[0]
    yield from dict.fromkeys(problem for outcome in outcomes for problem in subject.spec.find_undeclared(outcome))
