"""Check the tables and figures of a study that compare values of an axis, or that show training losses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sslbench.analysis.tables.estimates import UNITS
from sslbench.analysis.tables.selection import SCORE_FACTS
from sslbench.analysis.tables.text_tables import as_int
from sslbench.api.suggestions import did_you_mean
from sslbench.study.definition import Study
from sslbench.study.output_settings import DEFAULT_COLUMNS, FigureSettings, TableSettings

TRAINING_FACTS = (
    "method", "backbone", "augmentation", "dataset", "recipe", "pool", "bank", "query", "epoch", "term", "seed", "fold",
)  # fmt: skip


def comparison_problems(study: Study, varied: Collection[str]) -> list[str]:
    """List problems of wins, gains and box plots: of their axis, reference, metric and source.

    varied: settings that protocols vary.
    """
    problems: list[str] = []
    facts = (*SCORE_FACTS, *varied, *UNITS, "class")
    for where, output in _outputs(study):
        compares = output.kind in ("wins", "relative") or (output.kind == "box" and output.reference != "")
        problems += _find_useless(where, output, compares=compares)
        if compares or output.kind == "box":
            problems += _find_unclear(where, output)
        if compares:
            problems += _axis_problems(study, facts, where, output)
    return problems


def _outputs(study: Study) -> Iterator[tuple[str, TableSettings | FigureSettings]]:
    """Yield every table and figure with its place in the study."""
    yield from ((f"tables[{one.name}]", one) for one in study.tables)
    yield from ((f"figures[{one.name}]", one) for one in study.figures)


def _find_useless(where: str, output: TableSettings | FigureSettings, *, compares: bool) -> Iterator[str]:
    """Yield the settings that have no effect on this kind of table or figure."""
    wins = output.kind == "wins"
    useful = dict.fromkeys(("axis", "cells", "repetitions"), compares)
    useful |= {"welch": wins, "reference": compares and not wins}
    if isinstance(output, TableSettings):
        has_extremes = output.source in ("scores", "classes", "training")
        useful |= {"against": not compares, "aggregate_over": not compares, "extremes": has_extremes and not compares}
    for name, is_useful in useful.items():
        if not is_useful and getattr(output, name) != getattr(type(output)(), name):
            yield f"{where}.{name}: has no effect with kind={output.kind} and source={output.source}. Remove it"


def _find_unclear(where: str, output: TableSettings | FigureSettings) -> Iterator[str]:
    """Yield what is missing for cells of one metric."""
    if output.source not in ("scores", "classes"):
        yield f"{where}.source={output.source}: kind={output.kind} needs scores or classes"
    elif not isinstance(output.where.get("metric"), str) and "metric" not in _named(output):
        yield f"{where}: selects no metric, so different metrics would be compared. Add one metric to where"


def _named(output: TableSettings | FigureSettings) -> Sequence[str]:
    """Return the facts by whose values an output is divided."""
    return output.rows if isinstance(output, TableSettings) else (output.x, output.hue, output.panels)


def _axis_problems(
    study: Study, facts: Sequence[str], where: str, output: TableSettings | FigureSettings
) -> Iterator[str]:
    axis = output.axis or (output.x if isinstance(output, FigureSettings) else "")
    if not axis:
        yield f"{where}.axis: missing. Name the axis or fact whose values are compared"
    known = (*facts, *(one.name for one in study.axes), *study.dropped)
    for setting, names in {"axis": [axis], "cells": output.cells, "repetitions": output.repetitions}.items():
        for name in (name for name in names if name and name not in known):
            yield f"{where}.{setting}: {name!r} is not an axis or a fact{did_you_mean(name, known)}"
    if output.kind == "relative" and not output.reference:
        yield f"{where}.reference: missing. Name the value of {axis or 'the axis'} over which gains are computed"
    own = next((one for one in study.axes if one.name == axis and axis not in facts), None)
    labels = [str(as_int(value)) for value in own.values] if own else []
    if own and output.reference and output.reference not in labels:
        yield f"{where}.reference: {axis} has no value {output.reference!r}{did_you_mean(output.reference, labels)}"


def training_problems(study: Study) -> list[str]:
    """List names in tables and figures of training losses that these do not have, and other kinds of figures."""
    known = (*TRAINING_FACTS, *(one.name for one in study.axes), *study.dropped)
    problems = []
    for where, output in _outputs(study):
        if output.source != "training":
            continue
        if isinstance(output, TableSettings):
            columns = () if output.columns == DEFAULT_COLUMNS else output.columns
            names, is_divided = (*output.rows, *columns, output.aggregate_over), not columns
        else:
            names, is_divided = (output.hue, output.panels), not output.panels
            if output.kind != "line" or output.x not in ("", "epoch"):
                problems.append(f"{where}: training losses are lines over epochs. Remove kind, and x or set x: epoch")
        if not (is_divided or "term" in names or isinstance(output.where.get("term"), str)):
            problems.append(f"{where}: selects no term, so different terms would be averaged. Add one term to where")
        problems += [
            f"{where}: {name!r} is not an axis or a fact of a training{did_you_mean(name, known)}"
            for name in (*names, *output.where)
            if name and name not in known
        ]
    return problems
