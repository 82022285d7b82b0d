"""Write tables and a figure of what an axis of names changes, such as two methods: scores of classes, labels or groups."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.analysis.statistics.group_differences import Groups, UnitDifference, compare_groups
from sslbench.analysis.statistics.run_comparison import Comparison, compare_answers
from sslbench.analysis.tables.selection import NOT_REQUESTED
from sslbench.analysis.tables.study_frames import Points
from sslbench.analysis.tables.text_tables import TextTable, format_mean, frame_table
from sslbench.api.errors import RequestError
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.metrics import MetricTable
from sslbench.report.class_units import ComparedUnit
from sslbench.report.figures.class_effect_figures import draw_differences
from sslbench.report.group_scores import read_group_answers
from sslbench.report.tables import EffectReport, save_table
from sslbench.results.answers import Answers, Question, read_answers
from sslbench.results.frames import Results
from sslbench.results.record import Record
from sslbench.study.definition import DATASET, ClassEffectSettings, Study

EXTREMES = 5
Place = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    """One run's answers to a question, with the names of the classes, and the groups of the test samples."""

    answers: Answers
    classes: Sequence[str]
    groups: Groups | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Compared:
    """A value of the axis compared with the reference: labels, overall differences, and those of each unit."""

    labels: Mapping[str, Any]
    overall: Comparison
    units: Sequence[UnitDifference]
    ungrouped: int


def name_effect_report(
    study: Study, results: Results, points: Points, request: ClassEffectSettings, unit: ComparedUnit, metrics: MetricTable,
    folder: Path,
) -> EffectReport:  # fmt: skip
    """Compare every value of an axis with its reference value, unit by unit on the same test samples.

    Writes tables and a figure into `folder`. Raises RequestError if the settings or the finished runs do not allow it.
    """
    names = next([str(value) for value in axis.values] for axis in study.axes if axis.name == request.axis)
    reference = request.reference or names[0]
    if problems := list(_list_problems(request, unit, names, reference)):
        raise RequestError(problems)
    rows = _group_answers(results, points, request, unit)
    compared = list(_compare(rows, reference, request.axis, unit, metrics))
    if not compared:
        raise RequestError([
            f"class_effects: axis {request.axis}, protocol {request.protocol}: no finished run of {reference!r} and of "
            "another value predicted the same test samples. Run the study, or name another protocol or reference"
        ])  # fmt: skip
    by = [
        *_varying_names([one.labels for one in compared], [axis.name for axis in study.axes], request.axis),
        request.axis,
    ]
    units = pd.DataFrame([row for one in compared for row in _unit_rows(one, unit, by)])
    if units.empty:
        raise RequestError([
            f"class_effects: {unit.score} is not defined in any {unit.unit}. Name another column or metric"
        ])  # fmt: skip
    units = units.astype({"p_holm": float})  # None with one seed
    overall = pd.DataFrame([_overall_row(one, unit, by) for one in compared])
    unpaired = sum(value != reference for values in rows.values() for value in values) - len(compared)
    ungrouped = max(one.ungrouped for one in compared)
    tables = (
        _overall_table(overall, by, request, unit, reference, unpaired),
        _unit_table(units, by, unit, reference, ungrouped),
    )
    save_table(folder, "overall", overall, tables[0])
    save_table(folder, "differences", units)
    save_table(folder, "classes", tables[1].frame(), tables[1])
    draw_differences(units, by, unit, reference, folder / "differences")
    score = unit.score.replace("_", " ")
    caption = f"* marks a difference with p < 0.05 by Holm over the {unit.units} of a column; {score} less that of "
    caption += reference
    return EffectReport(folder=folder, tables=tables, figures=(("differences", caption),))


def _list_problems(
    request: ClassEffectSettings, unit: ComparedUnit, names: Sequence[str], reference: str
) -> Iterator[str]:
    """List settings that do not suit an axis of names."""
    if reference not in names:
        problem = f"reference={reference}: axis {request.axis} has no such value"
        yield f"class_effects: {problem}{did_you_mean(reference, names)}"
    if unit.unit == DATASET:
        yield f"class_effects: by={DATASET}: names are compared on each dataset in the overall table. Remove by"
    if unit.unit == "class" and unit.score != "recall":
        problem = f"metric={unit.score}: the recalls of names are compared"
        yield f"class_effects: {problem}. Remove metric, or name an axis of numbers"
    if request.compare_protocol:
        problem = f"compare_protocol={request.compare_protocol}: compares the trends of an axis of numbers"
        yield f"class_effects: {problem}. Remove it"


def _group_answers(
    results: Results, points: Points, request: ClassEffectSettings, unit: ComparedUnit
) -> Mapping[Place, Mapping[str, _Row]]:
    """Return the rows by the value of the axis, for each place that is equal in everything else."""
    labels = {
        record.run: [point for point in points.get(record.run, ()) if not point.get(NOT_REQUESTED)]
        for record in results.records
        if record.status == "done"
    }
    requested = replace(results, records=tuple(record for record in results.records if labels.get(record.run)))
    places: dict[Place, dict[str, _Row]] = defaultdict(dict)
    for record, question, answers, groups in _read_answers(requested, request, unit):
        row = _Row(answers=answers, classes=_class_names(record, question.dataset), groups=groups)
        facts = {"dataset": question.dataset, **json.loads(question.setting)}
        for point in labels[record.run]:
            others = {name: value for name, value in point.items() if name != request.axis}
            places[tuple({**others, **facts}.items())][str(point[request.axis])] = row
    return places


def _read_answers(
    results: Results, request: ClassEffectSettings, unit: ComparedUnit
) -> Iterator[tuple[Record, Question, Answers, Groups | None]]:
    """Yield the answers whose units are compared, and the groups of the test samples."""
    if unit.group_column:
        yield from read_group_answers(results, request.protocol, unit)
        return
    for record in results.records:
        for question, answers in read_answers(results.root, record).items():
            if question.protocol == request.protocol and answers.target_unit == unit.unit:
                yield record, question, answers, None


def _class_names(record: Record, dataset: str) -> list[str]:
    return list(dict.fromkeys(row.name for row in record.classes if row.dataset == dataset))


def _compare(
    places: Mapping[Place, Mapping[str, _Row]], reference: str, axis: str, unit: ComparedUnit, metrics: MetricTable
) -> Iterator[_Compared]:
    """Yield the comparison of every value with the reference, where both predicted the same samples."""
    for place, rows in places.items():
        own = rows.get(reference)
        for value, row in rows.items():
            if own is None or row is own or not row.answers.same_samples(own.answers):
                continue
            found = compare_answers(row.answers, own.answers, own.classes, metrics)
            units: Sequence[UnitDifference] = found.classes or [one for one in found.labels if one.metric == unit.score]
            if own.groups is not None:
                units = compare_groups(row.answers, own.answers, own.groups, metrics.find(unit.score))
            ungrouped = 0 if own.groups is None else int((own.groups == "").sum())
            yield _Compared(labels=dict(place) | {axis: value}, overall=found, units=units, ungrouped=ungrouped)


def _varying_names(labels: Sequence[Mapping[str, Any]], axes: Sequence[str], axis: str) -> list[str]:
    """Return the other axes that differ between comparisons, then the facts that differ between some with equal axes."""
    frame = pd.DataFrame(list(labels)).fillna("–").astype(str)
    others = [name for name in axes if name != axis and frame[name].nunique() > 1]
    facts = frame.groupby([*others, axis])[[name for name in frame if name not in axes]].nunique().max()
    return [*others, *facts.index[facts > 1]]


def _unit_rows(compared: _Compared, unit: ComparedUnit, by: Sequence[str]) -> Iterator[dict[str, Any]]:
    for one in compared.units:
        yield {name: compared.labels.get(name, "–") for name in by} | {
            unit.column: one.name, unit.score: one.first, f"reference_{unit.score}": one.second,
            "difference": one.difference, "p_holm": one.p, "test_samples": one.test_samples,
            "only_here": one.only_first, "only_reference": one.only_second,
        }  # fmt: skip


def _overall_row(compared: _Compared, unit: ComparedUnit, by: Sequence[str]) -> dict[str, Any]:
    row = {name: compared.labels.get(name, "–") for name in by}
    for one in compared.overall.overall:
        row |= {f"{one.metric}_difference": one.difference, f"{one.metric}_ci95_half_width": one.half_width}
    sign = 1 if unit.higher_is_better else -1
    differing = [sign * one.difference for one in compared.units if one.differs]
    return row | {
        unit.units: len(compared.units), "better": sum(gap > 0 for gap in differing),
        "worse": sum(gap < 0 for gap in differing), "test_samples": compared.overall.test_samples,
    }  # fmt: skip


def _overall_table(
    overall: pd.DataFrame,
    by: Sequence[str],
    request: ClassEffectSettings,
    unit: ComparedUnit,
    reference: str,
    unpaired: int,
) -> TextTable:
    shown = overall[list(by)].copy()
    for column in overall.columns:
        if column.endswith("_difference"):
            metric = column.removesuffix("_difference")
            halves = overall[f"{metric}_ci95_half_width"]
            pairs = zip(overall[column], halves, strict=True)
            shown[metric.replace("_", " ")] = [format_mean(gap, half, sign="+") for gap, half in pairs]
    counts = [unit.units, "better", "worse", "test_samples"]
    shown[[name.replace("_", " ") for name in counts]] = overall[counts]
    score = unit.score.replace("_", " ")
    note = f"difference to {reference}; ± half-width of the 95 % interval over seeds and test samples; better, worse: "
    note += f"{unit.units} whose {score} differs with p < 0.05 by Holm over the {unit.units} of a row"
    if unpaired:
        note += f"; left out: {unpaired} result(s) for which {reference} has not the same test samples"
    title = f"{request.axis}: differences to {reference} ({request.protocol})"
    return frame_table(shown, len(by), name="overall", title=title, note=note)


def _unit_table(
    units: pd.DataFrame, by: Sequence[str], unit: ComparedUnit, reference: str, ungrouped: int
) -> TextTable:
    ordered = units.sort_values([*by, "difference"], kind="stable")
    place = ordered.groupby(list(by), sort=False, dropna=False).cumcount()
    size = ordered.groupby(list(by), sort=False, dropna=False)[unit.column].transform("size")
    chosen = ordered[(place < EXTREMES) | (place >= size - EXTREMES)]
    columns: dict[str, Any] = {
        unit.score.replace("_", " "): list(map(format_mean, chosen[unit.score])),
        "reference": list(map(format_mean, chosen[f"reference_{unit.score}"])),
        "difference": [format_mean(value, sign="+") for value in chosen["difference"]],
        "p": ["<0.001" if p < 0.0005 else format_mean(None if pd.isna(p) else p) for p in chosen["p_holm"]],
        "test samples": chosen["test_samples"],
    }  # fmt: skip
    shown = chosen[[*by, unit.column]].assign(**columns)
    note = f"p by Holm over the {unit.units} of a row; – for runs with one seed, as the variance over seeds is unknown"
    if ungrouped:
        note += f"; {ungrouped} test samples without a value of {unit.group_column} are left out"
    title = f"{unit.units.capitalize()} with the largest differences to {reference}"
    return frame_table(shown, len(by) + 1, name="classes", title=title, note=note)
