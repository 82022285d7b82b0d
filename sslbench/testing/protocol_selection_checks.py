"""Check what a protocol states about its selection and the settings that it varies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sslbench.api.targets import TargetName
from sslbench.api.values import Outcome
from sslbench.testing.check import Subject, check
from sslbench.testing.protocol_checks import (
    SOME,
    are_different,
    decisions,
    predict,
    predicted_kinds,
    scored_outcomes,
    solve,
    tested_kinds,
)
from sslbench.testing.protocol_rig import CLASSES, ToyProblem

ROUNDING: Mapping[TargetName, float] = {"class": 1e-6, "labels": 1e-3, "value": 1e-3}
"""Largest difference between a reported score and that of the reported predictions, which may be rounded."""


@check(
    "protocol",
    change="set chosen (the selection), chosen_on (the rows) and considered (all candidates with their score)",
    needs=("ignores_query_labels",),
)
def reports_its_selection(subject: Subject) -> Iterator[str]:
    """An unreported selection cannot be checked, and its results look untuned."""
    for kind in predicted_kinds(subject):
        yield from (f"{kind}: {error}" for error in _undeclared_selections(subject, *solve(subject, SOME, kind)))


def _undeclared_selections(subject: Subject, problem: ToyProblem, everything: Sequence[Outcome]) -> Iterator[str]:
    outcomes = scored_outcomes(everything)
    for outcome in everything:
        yield from _selection_errors(outcome, problem)
    undeclared = [place for place, outcome in enumerate(outcomes) if not _uses_validation(outcome, problem)]
    changed: set[int] = set()
    for shift in range(1, CLASSES if undeclared else 1):
        others = predict(subject, problem.with_other_labels(problem.task.validation, shift))
        same = len(others) == len(outcomes)
        changed |= {
            n
            for n in undeclared
            if not same or are_different(decisions(others[n], problem), decisions(outcomes[n], problem))
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
        predicted = decisions(replace(outcome, predicted=outcome.validation), problem)
        found = problem.kind.score(problem.labels[problem.task.validation], predicted)
        if abs(found - best) > ROUNDING[problem.target.kind]:
            shares = f"{best:.4f} in considered, but {found:.4f} by its predictions"
            yield f"{dict(outcome.chosen)} has the validation score {shares}"


def _uses_validation(outcome: Outcome, problem: ToyProblem) -> bool:
    """Return whether an outcome declares that it was selected on, or learned from, validation rows."""
    learned = outcome.bank is not None and bool(np.isin(outcome.bank, problem.task.validation).any())
    return learned or outcome.chosen_on == "validation"


@check(
    "protocol",
    change="declare the settings of outcomes in `varies`, and the names of what is chosen in `chooses`",
    needs=("returns_valid_outcomes",),
)
def declares_what_it_varies(subject: Subject) -> Iterator[str]:
    """Tables show a setting as its declaration states, and an evaluation with another setting or choice fails."""
    outcomes = [outcome for kind in tested_kinds(subject) for outcome in solve(subject, SOME, kind)[1]]
    yield from dict.fromkeys(problem for outcome in outcomes for problem in subject.spec.find_undeclared(outcome))
