"""Write tables and a figure of the classes that an axis of names changes, such as two methods or two backbones."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.analysis.statistics.run_comparison import Comparison, compare_answers
from sslbench.analysis.tables.selection import NOT_REQUESTED
from sslbench.analysis.tables.study_frames import Points
from sslbench.analysis.tables.text_tables import TextTable, format_mean, frame_table
from sslbench.api.errors import RequestError
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.metrics import MetricTable
from sslbench.report.figures.class_effect_figures import draw_differences
from sslbench.report.tables import EffectReport, save_table
from sslbench.results.answers import TestAnswers, read_answers
from sslbench.results.frames import Results
from sslbench.results.record import Record
from sslbench.study.definition import ClassEffectSettings, Study

EXTREMES = 5
FIGURE = "* marks a difference with p < 0.05 by Holm over the classes of a column; recall less that of"
Group = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One run's answers to a question, with the names of the classes."""

    answers: TestAnswers
    classes: Sequence[str]


def name_effect_report(
    study: Study, results: Results, points: Points, request: ClassEffectSettings, metrics: MetricTable, folder: Path
) -> EffectReport:
    """Compare the classes of every value of an axis with those of its reference value, on the same test samples.

    Writes tables and a figure into `folder`. Raises RequestError if the settings or the finished runs do not allow it.
    """
    names = next([str(value) for value in axis.values] for axis in study.axes if axis.name == request.axis)
    reference = request.reference or names[0]
    if reference not in names:
        raise RequestError([
            f"class_effects: reference={reference}: axis {request.axis} has no such value{did_you_mean(reference, names)}"
        ])  # fmt: skip
    if request.score != "recall":
        raise RequestError([
            f"class_effects: metric={request.score}: the recalls of names are compared. Remove metric and source, or name "
            "an axis of numbers"
        ])  # fmt: skip
    groups = _group_answers(results, points, request)
    compared = list(_compare(groups, reference, request.axis, metrics))
    if not compared:
        raise RequestError([
            f"class_effects: axis {request.axis}, protocol {request.protocol}: no finished run of {reference!r} and of "
            "another value predicted the same test samples. Run the study, or name another protocol or reference"
        ])  # fmt: skip
    by = [
        *_varying_names([labels for labels, _ in compared], [axis.name for axis in study.axes], request.axis),
        request.axis,
    ]
    classes = pd.DataFrame([row for labels, found in compared for row in _class_rows(labels, found, by)])
    overall = pd.DataFrame([_overall_row(labels, found, by) for labels, found in compared])
    unpaired = sum(value != reference for rows in groups.values() for value in rows) - len(compared)
    tables = (_overall_table(overall, by, request, reference, unpaired), _class_table(classes, by, request, reference))
    save_table(folder, "overall", overall, tables[0])
    save_table(folder, "differences", classes)
    save_table(folder, "classes", tables[1].frame(), tables[1])
    draw_differences(classes, by, reference, folder / "differences")
    return EffectReport(tables=tables, figures=(("differences", f"{FIGURE} {reference}"),))


def _group_answers(
    results: Results, points: Points, request: ClassEffectSettings
) -> Mapping[Group, Mapping[str, _Row]]:
    """Return the rows by the value of the axis, for each group that is equal in everything else."""
    groups: dict[Group, dict[str, _Row]] = defaultdict(dict)
    for record in results.records:
        labels = [point for point in points.get(record.run, ()) if not point.get(NOT_REQUESTED)]
        if record.status != "done" or not labels:
            continue
        for question, answers in read_answers(results.root, record).items():
            if question.protocol != request.protocol or not isinstance(answers, TestAnswers):
                continue
            row = _Row(answers=answers, classes=_class_names(record, question.dataset))
            facts = {"dataset": question.dataset, **json.loads(question.setting)}
            for point in labels:
                others = {name: value for name, value in point.items() if name != request.axis}
                groups[tuple({**others, **facts}.items())][str(point[request.axis])] = row
    return groups


def _class_names(record: Record, dataset: str) -> list[str]:
    return list(dict.fromkeys(row.name for row in record.classes if row.dataset == dataset))


def _compare(
    groups: Mapping[Group, Mapping[str, _Row]], reference: str, axis: str, metrics: MetricTable
) -> Iterator[tuple[dict[str, Any], Comparison]]:
    """Yield the labels and the comparison of every value with the reference, where both predicted the same samples."""
    for group, rows in groups.items():
        own = rows.get(reference)
        for value, row in rows.items():
            if own is not None and row is not own and row.answers.same_samples(own.answers):
                yield dict(group) | {axis: value}, compare_answers(row.answers, own.answers, own.classes, metrics)


def _varying_names(labels: Sequence[Mapping[str, Any]], axes: Sequence[str], axis: str) -> list[str]:
    """Return the other axes that differ between comparisons, then the facts that differ between some with equal axes."""
    frame = pd.DataFrame(list(labels)).fillna("–").astype(str)
    others = [name for name in axes if name != axis and frame[name].nunique() > 1]
    facts = frame.groupby([*others, axis])[[name for name in frame if name not in axes]].nunique().max()
    return [*others, *facts.index[facts > 1]]


def _class_rows(labels: Mapping[str, Any], found: Comparison, by: Sequence[str]) -> Iterator[dict[str, Any]]:
    for one in found.classes:
        yield {name: labels.get(name, "–") for name in by} | {
            "class": one.name, "recall": one.first, "reference_recall": one.second, "difference": one.difference,
            "p_holm": one.p, "test_samples": one.test_samples, "only_here": one.only_first,
            "only_reference": one.only_second,
        }  # fmt: skip


def _overall_row(labels: Mapping[str, Any], found: Comparison, by: Sequence[str]) -> dict[str, Any]:
    row = {name: labels.get(name, "–") for name in by}
    for one in found.overall:
        row |= {f"{one.metric}_difference": one.difference, f"{one.metric}_ci95_half_width": one.half_width}
    differing = [one.difference for one in found.classes if one.differs]
    return row | {
        "classes": len(found.classes), "better": sum(gap > 0 for gap in differing),
        "worse": sum(gap < 0 for gap in differing), "test_samples": found.test_samples,
    }  # fmt: skip


def _overall_table(
    overall: pd.DataFrame, by: Sequence[str], request: ClassEffectSettings, reference: str, unpaired: int
) -> TextTable:
    shown = overall[list(by)].copy()
    for column in overall.columns:
        if column.endswith("_difference"):
            metric = column.removesuffix("_difference")
            halves = overall[f"{metric}_ci95_half_width"]
            pairs = zip(overall[column], halves, strict=True)
            shown[metric.replace("_", " ")] = [format_mean(gap, half, sign="+") for gap, half in pairs]
    shown[["classes", "better", "worse", "test samples"]] = overall[["classes", "better", "worse", "test_samples"]]
    note = f"difference to {reference}; ± half-width of the 95 % interval over seeds and test samples; better, worse: classes"
    note += " whose recall differs with p < 0.05 by Holm over the classes of a row"
    if unpaired:
        note += f"; left out: {unpaired} result(s) for which {reference} has not the same test samples"
    title = f"{request.axis}: differences to {reference} ({request.protocol})"
    return frame_table(shown, len(by), name="overall", title=title, note=note)


def _class_table(classes: pd.DataFrame, by: Sequence[str], request: ClassEffectSettings, reference: str) -> TextTable:
    ordered = classes.sort_values([*by, "difference"], kind="stable")
    place = ordered.groupby(list(by), sort=False, dropna=False).cumcount()
    size = ordered.groupby(list(by), sort=False, dropna=False)["class"].transform("size")
    chosen = ordered[(place < EXTREMES) | (place >= size - EXTREMES)]
    shown = chosen[[*by, "class"]].assign(
        recall=list(map(format_mean, chosen["recall"])),
        reference=list(map(format_mean, chosen["reference_recall"])),
        difference=[format_mean(value, sign="+") for value in chosen["difference"]],
        p=["<0.001" if p < 0.0005 else format_mean(None if pd.isna(p) else p) for p in chosen["p_holm"]],
        **{"test samples": chosen["test_samples"]},
    )
    note = "p by Holm over the classes of a row; – for runs with one seed, as the variance over seeds is unknown"
    title = f"Classes with the largest differences to {reference}"
    return frame_table(shown, len(by) + 1, name="classes", title=title, note=note)
