"""Write the report of a study from its finished runs: tables, figures and one page."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from sslbench.analysis.tables.estimates import estimates
from sslbench.analysis.tables.hypotheses import HypothesisVerdict, judge_hypothesis
from sslbench.analysis.tables.published import PublishedComparison
from sslbench.analysis.tables.selection import NOT_REQUESTED, SCORE_FACTS, select, separate_settings
from sslbench.analysis.tables.study_frames import Points, add_labels
from sslbench.analysis.tables.text_tables import TextTable, format_mean
from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.metrics import MetricTable
from sslbench.report.class_effects import class_effect_report
from sslbench.report.comparison_tables import make_comparison_table
from sslbench.report.coverage import describe_coverage
from sslbench.report.figures.comparison_figures import draw_comparison
from sslbench.report.figures.study_figures import draw_figure
from sslbench.report.tables import EffectReport, Frames, build_frames, make_table, save_table
from sslbench.results.frames import Results
from sslbench.results.varied import VariedTable
from sslbench.study.definition import Expected, Study
from sslbench.study.output_problems import comparison_problems, training_problems
from sslbench.study.output_settings import FigureSettings, TableSettings
from sslbench.study.published import read_published


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Content of a report: tables, figures, judged hypotheses, expected numbers, and missing results.

    `coverage` describes classes without training or test samples, and samples left out.
    """

    tables: tuple[TextTable, ...]
    figures: tuple[tuple[str, str], ...]
    expected: TextTable
    hypotheses: TextTable
    missing: tuple[str, ...]
    class_effects: Mapping[str, EffectReport]
    copied_figures: frozenset[str] = frozenset()
    published: tuple[PublishedComparison, ...] = ()
    coverage: tuple[str, ...] = ()


def find_unknown_names(study: Study, varied: Collection[str]) -> list[str]:
    """Return the problems of names in a study's tables, figures and hypotheses; `varied` are settings of protocols."""
    axes = [axis.name for axis in study.axes]
    known = (*SCORE_FACTS, *varied, *axes, *study.dropped)
    own = {"classes": "class", "pools": "member", "labels": "fold"}
    tables = [table for table in study.tables if table.source != "training"]
    figures = [figure for figure in study.figures if figure.source != "training"]
    used: list[tuple[str, str, Sequence[str]]] = [
        (f"tables[{t.name}]", own.get(t.source, ""), (*t.rows, *t.columns, *t.where, t.aggregate_over)) for t in tables
    ]
    used += [(f"figures[{f.name}]", own.get(f.source, ""), (f.x, f.y, f.hue, f.panels, *f.where)) for f in figures]
    used += [(f"expect[{place}]", "", tuple(e.where)) for place, e in enumerate(study.expect)]
    used += [(f"hypotheses[{d.claim}]", "", d.names) for d in study.hypotheses]
    problems = [
        f"{where}: {name!r} is not an axis or a fact{did_you_mean(name, known)}"
        for where, extra, names in used
        for name in names
        if name not in (*known, extra, "")
    ]
    problems += [*training_problems(study), *comparison_problems(study, varied)]
    for f in study.figures:
        if f.kind == "shown":
            problems += [] if f.file else [f"figures[{f.name}].file: missing. Name the figure of a run to copy"]
        elif not f.x and f.kind != "wins" and f.source != "training":
            problems.append(f"figures[{f.name}].x: missing. Name an axis or a fact")
        if f.kind == "heat" and not f.y:
            problems.append(f"figures[{f.name}].y: a heat map requires it")
    unknown = [b.axis for b in study.class_effects if b.axis not in (*axes, *study.dropped)]
    problems += [f"class_effects: {name!r} is not an axis{did_you_mean(name, axes)}" for name in unknown]
    for d in study.hypotheses:
        missing = [name for name in ("protocol", "metric") if name not in d.names]
        problems += [
            f"hypotheses[{d.claim}]: does not name a {name}, so all would be averaged. Add {name} to where"
            for name in missing
        ]
        if not (d.greater and d.lesser):
            problems.append(f"hypotheses[{d.claim}]: greater and lesser are both required")
    return problems


def make_report(
    study: Study,
    results: Results,
    points: Points,
    folder: Path,
    metrics: MetricTable,
    published: tuple[PublishedComparison, ...] = (),
) -> Report:
    """Write every table and figure of a study and its page into `folder`."""
    if wrong := find_unknown_names(study, results.varied):
        raise RequestError(wrong)
    recorded = {record.run for record in results.records}
    missing = [
        f"{run}: not run yet ({_describe_labels(labels)})" for run, labels in points.items() if run not in recorded
    ]
    missing += [f"{r.run}: {r.status}: {r.reason}" for r in results.records if r.status != "done"]
    published_frame = read_published(study.published) if study.published else None
    frames = build_frames(results, points, published_frame, study.scale, metrics)
    axes = [axis.name for axis in study.axes]
    dropped = [name for name in study.dropped if name not in frames.varied]
    tables = []
    for settings in study.tables or (default_table(study, frames.scores, metrics),):
        make = make_table if settings.kind == "values" else make_comparison_table
        try:
            table = make(frames, _without_dropped(settings, dropped), axes, folder / "tables")
        except ValueError as error:
            missing.append(f"table {settings.name}: {error}")
            continue
        if table is None:
            missing.append(f"table {settings.name}: no matching run is done")
        else:
            tables.append(table)
    class_effects: dict[str, EffectReport] = {}
    for request in (one for one in study.class_effects if one.axis not in study.dropped):
        try:
            effect = class_effect_report(study, results, points, request, metrics, folder / "class-effects")
            class_effects[effect.folder.name] = effect
        except RequestError as error:
            missing += error.problems
    undrawn = _draw_figures(study, frames, dropped, add_labels(results.runs, points), folder)
    verdicts = [
        one for claim in study.hypotheses for one in judge_hypothesis(frames.scores, claim, axes, frames.varied)
    ]
    report = Report(
        tables=tuple(tables),
        figures=tuple((figure.name, figure.title) for figure in study.figures if figure.name not in undrawn),
        expected=compare_expected(frames, study.expect),
        hypotheses=_write_hypotheses(verdicts, metrics, folder / "tables"),
        missing=(*missing, *undrawn.values()),
        class_effects=class_effects,
        copied_figures=frozenset(figure.name for figure in study.figures if figure.kind == "shown"),
        published=published,
        coverage=tuple(describe_coverage(results.records)),
    )
    _write_page(study, report, folder)
    return report


def _draw_figures(
    study: Study, frames: Frames, dropped: Sequence[str], runs: pd.DataFrame, folder: Path
) -> dict[str, str]:
    """Draw every figure and return the reasons of those not drawn, by name."""
    undrawn = {}
    for figure in study.figures:
        try:
            if figure.kind == "shown":
                copy_run_figure(runs, figure, folder, frames.varied)
                continue
            shown = _without_dropped(figure, dropped)
            if figure.kind in ("box", "wins"):
                draw_comparison(frames, shown, [axis.name for axis in study.axes], folder / "figures")
            else:
                frame = frames.training() if figure.source == "training" else getattr(frames, figure.source)
                draw_figure(frame, shown, folder / "figures", frames.varied)
        except (ValueError, KeyError) as error:
            undrawn[figure.name] = f"figure {figure.name}: {error}"
    return undrawn


def _without_dropped(settings: Any, dropped: Sequence[str]) -> Any:
    """Return the settings of a table or figure without the axes that the scale drops."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in ("x", "y", "hue", "panels", "axis") and value in dropped:
            changed[field.name] = ""
        elif isinstance(value, tuple):
            changed[field.name] = tuple(name for name in value if name not in dropped)
        elif isinstance(value, Mapping):
            changed[field.name] = {name: wanted for name, wanted in value.items() if name not in dropped}
    return dataclasses.replace(settings, **changed)


def default_table(study: Study, frame: pd.DataFrame, metrics: MetricTable) -> TableSettings:
    """Return the table of a study that declares none: one row per varied setting, protocols and metrics as columns."""
    axes = [axis.name for axis in study.axes]
    several = [n for n in ("dataset", "backbone", "augmentation") if len(frame) and frame[n].nunique() > 1]
    rows = [*several[:1], "method", *several[1:], *axes] if several[:1] == ["dataset"] else ["method", *several, *axes]
    present = zip(frame["protocol"], frame["metric"], strict=True) if len(frame) else ()
    shown = {name for protocol, name in dict.fromkeys(present) if metrics.is_shown(protocol, name)}
    where = {"metric": tuple(sorted(shown, key=metrics.place))}
    return TableSettings(name="scores", rows=tuple(dict.fromkeys(rows)), where=where)


def compare_expected(frames: Frames, expected: Sequence[Expected]) -> TextTable:
    """Compare expected numbers with the measured ones, within the stated margin."""
    rows, frame = [], frames.scores
    for number in expected:
        chosen = select(frame, number.where, (), frames.varied) if len(frame) else frame
        measured, verdict = "–", "not run"
        if several := separate_settings(chosen, (), frames.varied):
            verdict = f"several values of {' and '.join(several)}. Name one in where"
        elif len(chosen):
            made = estimates(chosen.assign(all=""), ["all"], frames.variances).iloc[0]
            digits = frames.metrics.digits(str(number.where.get("metric", "")), made["mean"])
            measured = format_mean(made["mean"], made["ci95_half_width"], digits)
            verdict = "as expected" if abs(made["mean"] - number.value) <= number.within else "differs"
        condition = ", ".join(f"{name} {value}" for name, value in number.where.items())
        rows.append([condition, f"{number.value:g} ±{number.within:g}", measured, verdict, number.source])
    headers = ["scores", "expected", "measured", "verdict", "source"]
    return TextTable(headers=headers, rows=rows, title="expected and measured")


def _write_hypotheses(verdicts: Sequence[HypothesisVerdict], metrics: MetricTable, folder: Path) -> TextTable:
    """Write the judged hypotheses as a table and return it as text."""
    table = TextTable(
        title="hypotheses: differences paired over folds and seeds, ± half-width of the 95 % interval",
        headers=["claim", "place", "difference", "unit", "p (signed ranks)", "verdict"], labels=2,
        rows=[
            [
                one.claim, one.place,
                format_mean(one.difference, one.ci95_half_width, metrics.digits("", one.difference or 0.0)),
                f"{one.n} {one.unit}".strip(), format_mean(one.p), one.verdict,
            ]
            for one in verdicts
        ],
    )  # fmt: skip
    if verdicts:
        save_table(folder, "directions", pd.DataFrame([dataclasses.asdict(one) for one in verdicts]), table)
    return table


def copy_run_figure(runs: pd.DataFrame, figure: FigureSettings, folder: Path, varied: VariedTable) -> None:
    """Copy a figure of the first matching run that has it; raises ValueError if none has."""
    chosen = select(runs, figure.where, varied.limited, varied) if len(runs) else runs
    for run in chosen["run"] if len(chosen) else ():
        drawn = sorted((folder.parent.parent / run / "figures").glob(f"{figure.file}.png"))
        for ending in ("png", "svg") if drawn else ():
            image = drawn[0].with_suffix(f".{ending}").read_bytes()
            write_atomically(folder / f"figures/{figure.name}.{ending}", image)
        if drawn:
            return
    raise ValueError(f"no matching run has {figure.file}.png")


def _describe_labels(labels: Sequence[Mapping[str, Any]]) -> str:
    named = (f"{name}={value}" for name, value in labels[0].items() if name != NOT_REQUESTED)
    return ", ".join(named) or "the only point"


def _write_page(study: Study, report: Report, folder: Path) -> None:
    template = Environment(loader=PackageLoader("sslbench.report"), autoescape=True).get_template("study.html")
    write_atomically(folder / "index.html", template.render(study=study, report=report).encode())
