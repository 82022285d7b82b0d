"""A study's report: tables as CSV and Markdown, figures, and one page that opens from disk. Made from whatever is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from sslbench.analysis.tables.hypotheses import HypothesisVerdict, judge_hypothesis
from sslbench.analysis.tables.published import Verdict
from sslbench.analysis.tables.selection import (
    DEFAULT_FACT,
    NOT_REQUESTED,
    SCORE_FACTS,
    cell,
    estimates,
    labeled,
    select,
)
from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.catalog.facts import did_you_mean
from sslbench.report.class_effects import class_effect_report
from sslbench.report.coverage import describe_coverage
from sslbench.report.figures.study_figures import draw_figure
from sslbench.report.tables import Frames, ReportTable, build_frames, make_table, markdown
from sslbench.results.frames import Results
from sslbench.study.definition import Expected, FigureSettings, Study, TableSettings
from sslbench.study.published import read_published

DEFAULT_METRICS = ("micro_accuracy", "macro_accuracy", "ami_max", "rank_me")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report shows: tables, figures, claims with verdicts, numbers that were expected, and what is missing.

    `coverage` says which classes are not both learned and tested, and which samples were left out.
    """

    tables: tuple[ReportTable, ...]
    figures: tuple[tuple[str, str], ...]
    expected: pd.DataFrame
    hypotheses: pd.DataFrame
    missing: tuple[str, ...]
    class_effects: Mapping[str, tuple[ReportTable, ...]]
    copied_figures: frozenset[str] = frozenset()
    published: tuple[Verdict, ...] = ()
    coverage: tuple[str, ...] = ()


def find_unknown_names(study: Study) -> list[str]:
    """Say which names in a study's tables and figures mean nothing, before anything runs."""
    known = (*SCORE_FACTS, *(axis.name for axis in study.axes), *study.dropped)
    used: list[tuple[str, Sequence[str]]] = []
    more = {"classes": ("class",), "pools": ("member",), "labels": ("fold",)}
    used += [
        (
            f"tables[{t.name}]",
            [
                n
                for n in (*t.rows, *t.columns, *t.where, *filter(None, [t.aggregate_over]))
                if n not in more.get(t.source, ())
            ],
        )
        for t in study.tables
    ]
    used += [
        (
            f"figures[{f.name}]",
            [n for n in (*filter(None, (f.x, f.y, f.hue, f.panels)), *f.where) if n not in more.get(f.source, ())],
        )
        for f in study.figures
    ]
    used += [(f"expect[{place}]", tuple(e.where)) for place, e in enumerate(study.expect)]
    used += [(f"directions[{d.claim}]", d.names) for d in study.hypotheses]
    strangers = [(where, name) for where, names in used for name in names if name not in known]
    problems = [f"{where}: {name!r} is no axis and no fact{did_you_mean(name, known)}" for where, name in strangers]
    problems += [f"figures[{f.name}]: needs x" for f in study.figures if not f.x and f.kind != "shown"]
    problems += [
        f"figures[{f.name}]: needs the file that it shows" for f in study.figures if f.kind == "shown" and not f.file
    ]
    axes = [axis.name for axis in study.axes]
    lost = [b.axis for b in study.class_effects if b.axis not in (*axes, *study.dropped)]
    problems += [f"class_effects: {name!r} is no axis{did_you_mean(name, axes)}" for name in lost]
    problems += [
        f"directions[{d.claim}]: names no {name}; add it to where, so that not all of them are averaged"
        for d in study.hypotheses
        for name in ("protocol", "metric")
        if name not in d.names
    ]
    problems += [
        f"directions[{d.claim}]: needs more and less" for d in study.hypotheses if not (d.greater and d.lesser)
    ]
    return problems + [f"figures[{f.name}]: a heat map needs y" for f in study.figures if f.kind == "heat" and not f.y]


def make_report(
    study: Study,
    results: Results,
    points: Mapping[str, Sequence[Mapping[str, Any]]],
    folder: Path,
    published: tuple[Verdict, ...] = (),
) -> Report:
    """Write every table and figure of a study and its page into `folder`."""
    if wrong := find_unknown_names(study):
        raise RequestError(wrong)
    found = {record.run for record in results.records}
    missing = [f"{run}: not run yet ({_describe_labels(labels)})" for run, labels in points.items() if run not in found]
    missing += [f"{r.run}: {r.status}: {r.reason}" for r in results.records if r.status != "done"]
    published_here = read_published(study.published) if study.published else None
    frames = build_frames(results, points, published_here, study.scale)
    axes = [axis.name for axis in study.axes]
    tables = []
    for settings in study.tables or (default_table(study, frames.scores),):
        made = make_table(frames, _without_dropped(settings, study.dropped), axes, folder / "tables")
        if made is None:
            missing.append(f"table {settings.name}: no run that it shows is done")
        else:
            tables.append(made)
    bias: dict[str, tuple[ReportTable, ...]] = {}
    for asked in (one for one in study.class_effects if one.axis not in study.dropped):
        try:
            bias[asked.name] = class_effect_report(study, results, points, asked, folder / "class-effects" / asked.name)
        except RequestError as error:
            missing += error.problems
    undrawn = _draw_figures(study, frames, labeled(results.runs, points), folder)
    directions = [one for claim in study.hypotheses for one in judge_hypothesis(frames.scores, claim, axes)]
    report = Report(
        tables=tuple(tables),
        figures=tuple((figure.name, figure.title) for figure in study.figures if figure.name not in undrawn),
        expected=compare_expected(frames, study.expect),
        hypotheses=_write_hypotheses(directions, folder / "tables"),
        missing=(*missing, *undrawn.values()),
        class_effects=bias,
        copied_figures=frozenset(figure.name for figure in study.figures if figure.kind == "shown"),
        published=published,
        coverage=tuple(describe_coverage(results.records)),
    )
    _write_page(study, report, folder)
    return report


def _draw_figures(study: Study, frames: Frames, runs: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Make every figure; gives by name why one could not be made."""
    undrawn = {}
    for figure in study.figures:
        try:
            if figure.kind == "shown":
                copy_run_figure(runs, figure, folder)
            else:
                draw_figure(getattr(frames, figure.source), _without_dropped(figure, study.dropped), folder / "figures")
        except (ValueError, KeyError) as error:
            undrawn[figure.name] = f"figure {figure.name}: {error}"
    return undrawn


def _without_dropped(settings: Any, dropped: Sequence[str]) -> Any:
    """Settings of a table or figure without the axes that this scale has not."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in ("x", "y", "hue", "panels") and value in dropped:
            changed[field.name] = ""
        elif isinstance(value, tuple):
            changed[field.name] = tuple(name for name in value if name not in dropped)
        elif isinstance(value, Mapping):
            changed[field.name] = {name: wanted for name, wanted in value.items() if name not in dropped}
    return dataclasses.replace(settings, **changed)


def default_table(study: Study, frame: pd.DataFrame) -> TableSettings:
    """Where a study declares none: everything that varies down, protocols and metrics across."""
    axes = [axis.name for axis in study.axes]
    several = [n for n in ("dataset", "backbone", "augmentation") if len(frame) and frame[n].nunique() > 1]
    rows = [*several[:1], "method", *several[1:], *axes] if several[:1] == ["dataset"] else ["method", *several, *axes]
    return TableSettings(name="scores", rows=tuple(dict.fromkeys(rows)), where={"metric": DEFAULT_METRICS})


def compare_expected(frames: Frames, expected: Sequence[Expected]) -> pd.DataFrame:
    """What was expected beside what was found; within the stated margin or not."""
    rows, frame = [], frames.scores
    for number in expected:
        chosen = select(frame, number.where, ()) if len(frame) else frame
        found, verdict = "–", "not run"
        if len(chosen):
            made = estimates(chosen.assign(all=""), ["all"], frames.variances).iloc[0]
            found = cell(made["mean"], made["half"])
            verdict = "as expected" if abs(made["mean"] - number.value) <= number.within else "differs"
        what = ", ".join(f"{name} {value}" for name, value in number.where.items())
        wanted = f"{number.value:g} ±{number.within:g}"
        rows.append({"what": what, "expected": wanted, "found": found, "verdict": verdict, "source": number.source})
    return pd.DataFrame(rows)


def _write_hypotheses(found: Sequence[HypothesisVerdict], folder: Path) -> pd.DataFrame:
    """Claims as a table, written beside the others."""
    frame = pd.DataFrame([dataclasses.asdict(one) for one in found])
    if frame.empty:
        return frame
    write_atomically(folder / "directions.csv", frame.to_csv(index=False).encode())
    gaps = ["–" if one.difference is None else cell(one.difference, one.ci95_half_width) for one in found]
    shown = frame[["claim", "place"]].assign(difference=gaps, over=[f"{one.n} {one.unit}".strip() for one in found])
    shown["p (signed ranks)"] = ["–" if pd.isna(p) else f"{p:.3f}" for p in frame["p"]]
    shown["verdict"] = frame["verdict"]
    write_atomically(folder / "directions.md", markdown(shown).encode())
    return shown


def copy_run_figure(runs: pd.DataFrame, figure: FigureSettings, folder: Path) -> None:
    """Copy a image that a run made to the study's figures; raises ValueError where no run that is meant has it."""
    chosen = select(runs, figure.where, [*DEFAULT_FACT]) if len(runs) else runs
    for run in chosen["run"] if len(chosen) else ():
        found = sorted((folder.parent.parent / run / "figures").glob(f"{figure.file}.png"))
        for ending in ("png", "svg") if found else ():
            image = found[0].with_suffix(f".{ending}").read_bytes()
            write_atomically(folder / f"figures/{figure.name}.{ending}", image)
        if found:
            return
    raise ValueError(f"no run that it means has made {figure.file}.png")


def _describe_labels(labels: Sequence[Mapping[str, Any]]) -> str:
    told = (f"{name}={value}" for name, value in labels[0].items() if name != NOT_REQUESTED)
    return ", ".join(told) or "the only point"


def _write_page(study: Study, report: Report, folder: Path) -> None:
    template = Environment(loader=PackageLoader("sslbench.report"), autoescape=True).get_template("study.html")
    write_atomically(folder / "index.html", template.render(study=study, report=report).encode())
