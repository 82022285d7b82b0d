"""What a protocol promises: that its numbers mean what they say. Tried on features whose right answer is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.values import Outcome
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.protocol_rig import CLASSES, QUERY, ToyProblem, make_problem, run_protocol, shuffle_rows

EASY, SOME, HARD = 0.1, 2.0, 5.0
DRAWS = 3
ROUNDING = 1e-6


def predicted_codes(outcome: Outcome) -> NDArray[np.int64]:
    """The predicted classes [n]."""
    return codes_of(np.asarray(outcome.predicted))


def codes_of(said: NDArray[Any]) -> NDArray[np.int64]:
    """Codes [n], or scores [n, C], as codes [n]."""
    return said.argmax(1) if said.ndim == 2 else said.astype(np.int64)


def scored_outcomes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The answers that count: predictions that were not chosen on the query."""
    return [o for o in outcomes if o.predicted is not None and o.rows is not None and o.chosen_on != "query"]


def accuracies(subject: Subject, asked: ToyProblem) -> list[float]:
    """The share of right answers of everything that counts."""
    found = scored_outcomes(run_protocol(subject, asked)[0])
    if not found:
        raise NotApplicable("it predicts no classes")
    return [float((predicted_codes(o) == asked.labels[o.rows]).mean()) for o in found]


@check(
    "protocol",
    change="yield Outcome(task=...) for every task, and declare every further metric in the spec",
    needs=("has_an_implementation",),
)
def returns_valid_outcomes(subject: Subject) -> Iterator[str]:
    """A protocol that says nothing, or more than it declares, leaves holes in every table."""
    asked = make_problem(SOME)
    outcomes, _ = run_protocol(subject, asked)
    if not outcomes:
        yield "it yields no outcome"
    declared = {metric.name for metric in subject.spec.metrics}
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


@check("protocol", change="seed what is random with trial.rng()", needs=("returns_valid_outcomes",))
def is_deterministic(subject: Subject) -> Iterator[str]:
    """A score that moves by itself cannot be recomputed by anybody."""
    asked = make_problem(SOME)
    first, second = ([o.scores for o in run_protocol(subject, asked)[0]] for _ in range(2))
    one, other = ([predicted_codes(o) for o in scored_outcomes(run_protocol(subject, asked)[0])] for _ in range(2))
    if first != second or any((a != b).any() for a, b in zip(one, other, strict=True)):
        yield "asked twice it gives two answers"


@check(
    "protocol",
    change="look for labels and rows that got out of step, or train longer by default",
    needs=("is_deterministic",),
)
def solves_easy_data(subject: Subject) -> Iterator[str]:
    """On classes that lie far apart every instrument must score (nearly) 1, or its low scores mean nothing."""
    asked = make_problem(EASY)
    yield from (
        f"it is right in {100 * a:.0f} % of well-separated samples" for a in accuracies(subject, asked) if a < 0.95
    )


@check("protocol", change="use target[bank] and target[validation] only", needs=("is_deterministic",))
def ignores_query_labels(subject: Subject) -> Iterator[str]:
    """An answer may be compared with the query's labels, never made with them; an oracle says chosen_on='query'."""
    asked = make_problem(SOME)
    other = asked.labels.copy()
    other[asked.task.query] = (other[asked.task.query] + 1) % CLASSES
    twice = [scored_outcomes(run_protocol(subject, replace(asked, labels=labels))[0])
             for labels in (asked.labels, other)]  # fmt: skip
    if not twice[0]:
        raise NotApplicable("it predicts no classes")
    if len(twice[0]) != len(twice[1]) or any(
        (predicted_codes(a) != predicted_codes(b)).any() for a, b in zip(*twice, strict=True)
    ):
        yield "its answers change when only the query's labels do"


@check(
    "protocol", change="never let a query row into what is learned from or chosen on", needs=("ignores_query_labels",)
)
def is_at_chance_on_random_labels(subject: Subject) -> Iterator[str]:
    """On labels that have nothing to do with the features a score above chance is a leak."""
    found = [accuracies(subject, make_problem(EASY, seed, related=False)) for seed in range(DRAWS)]
    high = 1 / CLASSES + 3 * math.sqrt((1 / CLASSES) * (1 - 1 / CLASSES) / (QUERY * DRAWS)) + 0.02
    for place, mean in enumerate(np.mean(found, axis=0)):
        if mean > high:
            yield f"answer {place} is right in {mean:.2f} of samples whose labels are random; chance is {1 / CLASSES:.2f}"


@check(
    "protocol",
    change="name what was selected in chosen, where in chosen_on, and all candidates with their accuracy in considered",
    needs=("ignores_query_labels",),
)
def reports_its_selection(subject: Subject) -> Iterator[str]:
    """A choice that nobody sees can be neither checked nor compared, and its answers look as if nothing had been tuned."""
    asked = make_problem(SOME)
    said = run_protocol(subject, asked)[0]
    outcomes = scored_outcomes(said)
    if not outcomes:
        raise NotApplicable("it predicts no classes")
    for outcome in said:
        yield from _selection_errors(outcome, asked)
    silent = [place for place, outcome in enumerate(outcomes) if not _uses_validation(outcome, asked)]
    moved: set[int] = set()
    for shift in range(1, CLASSES if silent else 1):
        labels = asked.labels.copy()
        labels[asked.task.validation] = (labels[asked.task.validation] + shift) % CLASSES
        others = scored_outcomes(run_protocol(subject, replace(asked, labels=labels))[0])
        same = len(others) == len(outcomes)
        moved |= {n for n in silent if not same or (predicted_codes(others[n]) != predicted_codes(outcomes[n])).any()}
    yield from (
        f"answer {place} changes with the labels of the validation rows, and names no choice" for place in sorted(moved)
    )


def _selection_errors(outcome: Outcome, asked: ToyProblem) -> Iterator[str]:
    """Find where an answer says of its choice what cannot be so."""
    if outcome.chosen_on != "nothing" and not outcome.chosen:
        yield f"an answer is chosen on {outcome.chosen_on}, and does not say what was chosen"
    if outcome.chosen_on == "validation" and not outcome.considered:
        yield f"{dict(outcome.chosen)} is chosen on validation, and what it was chosen among is not told"
    if not outcome.considered:
        return
    best = max(share for _, share in outcome.considered)
    if not any(dict(what) == dict(outcome.chosen) and share == best for what, share in outcome.considered):
        yield f"{dict(outcome.chosen)} is not among the best of what was considered"
    if outcome.validation is not None:
        found = float((codes_of(outcome.validation) == asked.labels[asked.task.validation]).mean())
        if abs(found - best) > ROUNDING:
            yield f"{dict(outcome.chosen)} has {best:.4f} on validation by considered, and {found:.4f} by its predictions"


def _uses_validation(outcome: Outcome, asked: ToyProblem) -> bool:
    """Whether an answer says that it was chosen on, or learned from, validation rows."""
    learned = outcome.bank is not None and bool(np.isin(outcome.bank, asked.task.validation).any())
    return learned or outcome.chosen_on == "validation"


@check(
    "protocol",
    change="sort or match rows by their number, and draw from trial.rng()",
    needs=("is_deterministic",),
)
def ignores_row_order(subject: Subject) -> Iterator[str]:
    """The order in which files lie on a disk is no property of a method."""
    asked = make_problem(SOME)
    again, place = shuffle_rows(asked)
    first, second = scored_outcomes(run_protocol(subject, asked)[0]), scored_outcomes(run_protocol(subject, again)[0])
    if not first:
        raise NotApplicable("it predicts no classes")
    for one, other in zip(first, second, strict=True):
        said = dict(zip(np.asarray(other.rows).tolist(), predicted_codes(other).tolist(), strict=True))
        moved = np.array([said[int(place[row])] for row in np.asarray(one.rows)])
        if (share := float((moved != predicted_codes(one)).mean())) > 0.05:
            yield f"{100 * share:.0f} % of its answers change with the order of the rows"


@check("protocol", change="copy before you write: np.array(table.features[...])", needs=("returns_valid_outcomes",))
def does_not_modify_features(subject: Subject) -> Iterator[str]:
    """The next protocol reads the same arrays."""
    asked = make_problem(SOME)
    kept = (asked.features.copy(), asked.labels.copy())
    _, table = run_protocol(subject, asked)
    if not np.array_equal(kept[0], asked.features):
        yield "it changes the features"
    if not np.array_equal(kept[1], table.target):
        yield "it changes the labels"


@check(
    "protocol",
    change="seed what is random with trial.rng(), and look at what the answer is chosen by",
    needs=("solves_easy_data",),
)
def scores_fall_with_noise(subject: Subject) -> Iterator[str]:
    """An instrument that likes noise better than signal ranks methods upside down."""
    means = {}
    for noise in (EASY, SOME, HARD):
        means[noise] = np.mean([accuracies(subject, make_problem(noise, seed)) for seed in range(DRAWS)], axis=0)
    for less, more in ((EASY, SOME), (SOME, HARD)):
        for place, (a, b) in enumerate(zip(means[less], means[more], strict=True)):
            if b > a + 0.03:
                yield f"answer {place} scores {b:.2f} with noise {more}, and {a:.2f} with {less}"


@check(
    "protocol",
    change="score clusters against classes with a chance-corrected measure",
    needs=("returns_valid_outcomes",),
    tier="advised",
)
def stays_within_metric_ranges(subject: Subject) -> Iterator[str]:
    """Tables, plots and plausibility checks use the declared range of a metric."""
    outcomes = [o for noise in (EASY, HARD) for o in run_protocol(subject, make_problem(noise))[0]]
    for metric in subject.spec.metrics:
        for value in (o.scores[metric.name] for o in outcomes if metric.name in o.scores):
            if not metric.low - 1e-6 <= value <= metric.high + 1e-6:
                yield f"{metric.name} is {value:.4g}, outside [{metric.low}, {metric.high}]"
