"""A study's report: tables as CSV and Markdown, figures, and one page that opens from disk. Made from whatever is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from sslbench.analysis.grids import (
    SCORE_FACTS,
    UNSET,
    above,
    cell,
    crossed,
    estimates,
    labelled,
    select,
    study_frame,
    told_apart,
    with_unmeasured,
)
from sslbench.analysis.published import Verdict
from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.catalog.facts import did_you_mean
from sslbench.report.figures import draw
from sslbench.results.frames import Results
from sslbench.study.definition import Expected, Study, TableSettings

SHOWN = ("micro_accuracy", "macro_accuracy", "ami_max", "rank_me")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMade:
    """A table as it is shown: its first `labels` columns are names, and `note` says what its numbers are."""

    name: str
    title: str
    frame: pd.DataFrame
    labels: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report shows: tables, figures, numbers that were expected, and what is missing, each with a reason."""

    tables: tuple[TableMade, ...]
    figures: tuple[tuple[str, str], ...]
    expected: pd.DataFrame
    missing: tuple[str, ...]
    published: tuple[Verdict, ...] = ()


def named_wrongly(study: Study) -> list[str]:
    """Say which names in a study's tables and figures mean nothing, before anything runs."""
    known = (*SCORE_FACTS, *(axis.name for axis in study.axes), *study.dropped)
    used: list[tuple[str, Sequence[str]]] = []
    used += [(f"tables[{t.name}]", (*t.rows, *t.columns, *t.where)) for t in study.tables]
    used += [(f"figures[{f.name}]", (*filter(None, (f.x, f.y, f.hue, f.panels)), *f.where)) for f in study.figures]
    used += [(f"expect[{place}]", tuple(e.where)) for place, e in enumerate(study.expect)]
    strangers = [(where, name) for where, names in used for name in names if name not in known]
    problems = [f"{where}: {name!r} is no axis and no fact{did_you_mean(name, known)}" for where, name in strangers]
    problems += [f"figures[{f.name}]: needs x" for f in study.figures if not f.x]
    return problems + [f"figures[{f.name}]: a heat map needs y" for f in study.figures if f.kind == "heat" and not f.y]


def make_report(
    study: Study,
    results: Results,
    points: Mapping[str, Sequence[Mapping[str, Any]]],
    folder: Path,
    published: tuple[Verdict, ...] = (),
) -> Report:
    """Write every table and figure of a study and its page into `folder`."""
    if wrong := named_wrongly(study):
        raise RequestError(wrong)
    found = {record.run for record in results.records}
    missing = [f"{run}: not run yet ({_told(labels)})" for run, labels in points.items() if run not in found]
    missing += [f"{r.run}: {r.status}: {r.reason}" for r in results.records if r.status != "done"]
    scores = results.scores
    frame = study_frame(scores[scores["status"] == "done"] if len(scores) else scores, points)
    runs = results.runs
    absent = labelled(runs[runs["status"] != "done"], points) if len(runs) else runs
    tables, figures = [], []
    for settings in study.tables or (default_table(study, frame),):
        settings = _without(settings, study.dropped)
        made = _table(frame, absent, settings, [axis.name for axis in study.axes], folder / "tables")
        if made is None:
            missing.append(f"table {settings.name}: no run that it shows is done")
        else:
            tables.append(made)
    for figure in study.figures:
        try:
            draw(frame, _without(figure, study.dropped), folder / "figures")
        except (ValueError, KeyError) as error:
            missing.append(f"figure {figure.name}: {error}")
        else:
            figures.append((figure.name, figure.title))
    report = Report(
        tables=tuple(tables),
        figures=tuple(figures),
        expected=compared(frame, study.expect),
        missing=tuple(missing),
        published=published,
    )
    _page(study, report, folder)
    return report


def _without(settings: Any, dropped: Sequence[str]) -> Any:
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
    return TableSettings(name="scores", rows=tuple(dict.fromkeys(rows)), where={"metric": SHOWN})


def compared(frame: pd.DataFrame, expected: Sequence[Expected]) -> pd.DataFrame:
    """What was expected beside what was found; within the stated margin or not."""
    rows = []
    for number in expected:
        chosen = select(frame, number.where, ()) if len(frame) else frame
        found, verdict = "–", "not run"
        if len(chosen):
            made = estimates(chosen.assign(all=""), ["all"]).iloc[0]
            found = cell(made["mean"], made["half"])
            verdict = "as expected" if abs(made["mean"] - number.value) <= number.within else "differs"
        what = ", ".join(f"{name} {value}" for name, value in number.where.items())
        wanted = f"{number.value:g} ±{number.within:g}"
        rows.append({"what": what, "expected": wanted, "found": found, "verdict": verdict, "source": number.source})
    return pd.DataFrame(rows)


def markdown(frame: pd.DataFrame) -> str:
    """A frame of text as a Markdown table."""
    lines = [[str(name).replace("|", "\\|") for name in frame.columns], ["---"] * len(frame.columns)]
    lines += [[str(value).replace("|", "\\|") for value in row] for row in frame.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _table(
    frame: pd.DataFrame, absent: pd.DataFrame, settings: TableSettings, axes: Sequence[str], folder: Path
) -> TableMade | None:
    rows = settings.rows or ("method",)
    by = [*dict.fromkeys((*rows, *settings.columns))]
    chosen = select(frame, settings.where, by) if len(frame) else frame
    if settings.against and len(chosen):
        chosen = above(chosen, settings.against, axes)
    if chosen.empty:
        return None
    found = estimates(told_apart(chosen, by), by)
    told = {name: wanted for name, wanted in settings.where.items() if name in absent}
    shown = with_unmeasured(crossed(found, rows, settings.columns), rows, select(absent, told, [*UNSET]))
    write_atomically(folder / f"{settings.name}.csv", found.to_csv(index=False).encode())
    write_atomically(folder / f"{settings.name}.md", markdown(shown).encode())
    counts = ", ".join(map(str, sorted(found["n"].unique())))
    less = f"less {settings.against}'s, paired by seed: " if settings.against else ""
    spread = f"mean ± half of the 95 % interval over {' or '.join(sorted(found['over'].unique()))}, n = {counts}"
    note = less + ("one seed, so no interval" if counts == "1" else spread)
    return TableMade(name=settings.name, title=settings.title, frame=shown, labels=len(rows), note=note)


def _told(labels: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels[0].items()) or "the only point"


def _page(study: Study, report: Report, folder: Path) -> None:
    template = Environment(loader=PackageLoader("sslbench.report"), autoescape=True).get_template("study.html")
    write_atomically(folder / "index.html", template.render(study=study, report=report).encode())
