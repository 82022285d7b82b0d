"""Print the results of runs and the report of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sslbench.analysis.statistics.accuracy import AnswersByRun
from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.tables.best_row import find_best_row, order_protocols
from sslbench.analysis.tables.published import PublishedComparison
from sslbench.analysis.tables.run_tables import (
    RunRow,
    class_rows,
    clustering_targets,
    default_answers,
    default_scores,
    list_columns,
    make_rows,
)
from sslbench.analysis.tables.selection import ALL_MODALITIES, DEFAULT_FACT, MAX_BY_DEFAULT, describe_fact
from sslbench.analysis.tables.verdicts import judge_rows
from sslbench.catalog.metrics import MetricTable
from sslbench.report.baseline_note import describe_learning
from sslbench.report.console.narrow_tables import plain_table, print_table
from sslbench.report.console.verdicts import coverage_lines, results_title, verdict_table, verdict_title
from sslbench.report.coverage import describe_classes, describe_left_out, describe_missing_classes
from sslbench.results.answers import TestAnswers, read_answers
from sslbench.results.frames import Results
from sslbench.results.marks import marks_of, with_marks
from sslbench.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from sslbench.report.study import Report
from sslbench.report.tables import ReportTable

EXTREMES = 5

MAX_ROWS = 40
"""Maximum of rows of a study's table on a terminal."""


def cell(estimate: Estimate | None, digits: int = 3) -> str:
    """Format a mean and, if known, the half-width of its 95 % interval."""
    if estimate is None:
        return "–"
    spread = "" if estimate.ci95_half_width is None else f" ±{estimate.ci95_half_width:.{digits}f}"
    return f"{estimate.mean:.{digits}f}{spread}"


def results_table(rows: Sequence[RunRow], metrics: MetricTable) -> Table:
    """Tabulate scores, a row per run and a column per protocol and shown metric."""
    columns = list_columns(rows, metrics)
    table = plain_table()
    several = len({row.dataset for row in rows}) > 1
    if several:
        table.add_column("data")
    table.add_column("method")
    table.add_column("backbone")
    viewed = len({_views(row) for row in rows if not row.record.baseline}) > 1
    if viewed:
        table.add_column("views")
    for protocol, metric in columns:
        table.add_column(f"{escape(protocol)}\n{escape(metrics.title(metric))}", justify="right", no_wrap=True)
    for row in rows:
        record = row.record
        backbone = "+".join(b["name"] for b in record.backbones.values()) or "none"
        name = escape(with_marks(record.method["name"], marks_of(record.method)))
        data = [escape(row.dataset)] if several else []
        views = [escape(_views(row))] if viewed else []
        if record.status in ("unavailable", "failed", "diverged"):
            status = [f"[yellow]{record.status}[/]", *["–"] * (len(columns) - 1)]
            table.add_row(*data, name, escape(backbone), *views, *status)
            continue
        mark = "" if record.status == "done" else f" [red]({record.status}, not ranked)[/]"
        cells = [cell(row.cells.get(place), metrics.find(place[1]).digits) for place in columns]
        table.add_row(*data, name + mark, escape(backbone), *views, *cells)
    return table


def _views(row: RunRow) -> str:
    return "+".join(augmentation["name"] for augmentation in row.record.augmentations)


def classes_table(record: Record, dataset: str, protocol: str, answers: TestAnswers | None = None) -> Table | None:
    """Tabulate the worst and best classes under one protocol, of those with training and test samples."""
    rows = class_rows(record, dataset, protocol, answers)
    if not rows:
        return None
    table = plain_table()
    for name, side in (("class", "left"), ("recall", "right"), ("F1", "right"), ("test samples", "right")):
        table.add_column(name, justify="right" if side == "right" else "left")
    shown = rows if len(rows) <= 2 * EXTREMES else [*rows[:EXTREMES], None, *rows[-EXTREMES:]]
    for row in shown:
        if row is None:
            table.add_row("…", "", "", "")
        else:
            table.add_row(escape(row.name), cell(row.recall), f"{row.f1:.3f}", f"{row.support:.0f}")
    return table


def describe_questions(records: Sequence[Record]) -> list[str]:
    """Describe the facts of protocols whose scores are for other than their default evaluation."""
    protocols_by_text: dict[str, dict[str, None]] = {}
    for record in records:
        last = [score for score in record.scores if score.epoch is None]
        for protocol in dict.fromkeys(score.protocol for score in last):
            own = default_scores([score for score in last if score.protocol == protocol])
            settings = [json.loads(score.setting) for score in own]
            facts = [
                f"{fact} {max(setting[fact] for setting in settings if fact in setting)}"
                for fact in MAX_BY_DEFAULT
                if any(fact in setting for setting in settings)
            ]
            other_facts = {fact: setting[fact] for setting in settings for fact in DEFAULT_FACT if fact in setting}
            facts += [describe_fact(fact, value) for fact, value in other_facts.items()] or [ALL_MODALITIES] * bool(
                facts
            )
            draws = len({setting["draw"] for setting in settings if "draw" in setting})
            facts += [f"mean of {draws} draws"] if facts and draws > 1 else []
            if facts:
                protocols_by_text.setdefault(", ".join(facts), {})[protocol] = None
    return [f"{', '.join(protocols)}: {text}" for text, protocols in protocols_by_text.items()]


def cluster_reference_table(records: Sequence[Record], metrics: MetricTable) -> Table | None:
    """Tabulate scores of clusters against columns other than the class, with their nulls; None if there are none."""
    found = clustering_targets(records, metrics)
    if not found:
        return None
    table = plain_table()
    for name in ("run", "dataset", "against"):
        table.add_column(name)
    for name in ("score", "null"):
        table.add_column(name, justify="right")
    for (run, dataset, metric), estimates in found.items():
        for name, estimate in estimates.items():
            if not name.startswith("null of "):
                null = estimates.get(f"null of {name}")
                score = f"{metric.replace('_', ' ')} {cell(estimate)}"
                table.add_row(escape(run), escape(dataset), escape(name), score, cell(null) if null else "–")
    return table


def show_results(
    console: Console, results: Results, metrics: MetricTable, published: Sequence[PublishedComparison] = ()
) -> None:
    """Print scores, comparisons of rows, warnings, published numbers and extreme classes."""
    records = results.records
    answers = {record.run: read_answers(results.root, record) for record in records}
    rows = make_rows(records, metrics, answers)
    names = list(dict.fromkeys(row.dataset for row in rows))
    rows.sort(key=lambda row: names.index(row.dataset))
    shown = results_table(rows, metrics)
    _print_titled(console, results_title(rows), shown, [column.justify for column in shown.columns].count("left"))
    for line in (*coverage_lines(rows), *describe_learning(rows, metrics)):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    judged = list(judge_rows(rows, answers, metrics))
    for dataset in names:
        own = [one for one in judged if one.dataset == dataset]
        if own:
            _print_titled(console, verdict_title(own, dataset), verdict_table(own, rows))
    for line in describe_questions(records):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    if (references := cluster_reference_table(records, metrics)) is not None:
        _print_titled(console, "clusters compared with other columns than the class", references, labels=3)
    reasons = [_reason(record) for record in records if record.reason]
    for record in records:
        notes = record.training[0].get("notes", {}) if record.training else {}
        reasons += [f"{record.method['name']}: {name}: {text}" for name, text in notes.items()]
    reasons += _describe_unreadable(records)
    reasons += dict.fromkeys(sentence for record in records for sentence in record.warnings)
    for reason in reasons:
        console.print(reason, style="yellow", highlight=False, markup=False, soft_wrap=True)
    for verdict in published:
        console.print(f"published: {verdict}", highlight=False, markup=False, soft_wrap=True)
    for data in {d["part"]: d for record in records for d in record.pretrained_on if "account" in d}.values():
        _print_titled(console, f"{data['part']}: training data", account_table(data["account"]))
    for dataset in names:
        _show_classes(console, rows, dataset, answers, metrics)


def _show_classes(
    console: Console, rows: Sequence[RunRow], dataset: str, answers: AnswersByRun, metrics: MetricTable
) -> None:
    """Print the worst and best classes of a dataset's best row, and which classes are not covered."""
    best = find_best_row(rows, dataset, metrics)
    shown = next(row for row in rows if row.dataset == dataset) if best is None else best.row
    record = shown.record
    data = next(data for data in record.evaluated_on if data["part"] == dataset)
    sentences = [*describe_missing_classes(data), *describe_left_out(data)]
    for protocol in order_protocols([shown]) if best is None else [best.protocol]:
        own_answer = default_answers(record, dataset, answers).get(protocol)
        table = classes_table(record, dataset, protocol, own_answer)
        if table is not None:
            title = f"{record.method['name']} on {dataset}, {protocol}: recall of the worst and best classes"
            several = sum(row.dataset == dataset and not row.record.baseline for row in rows) > 1
            _print_titled(console, f"{title} (best method)" if several and best else title, table)
            sentences = describe_classes(record, dataset, protocol)
            break
    for sentence in sentences:
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _reason(record: Record) -> str:
    details = f" (see {record.run}/traceback.txt)" if record.status == "failed" else ""
    return f"{record.method['name']}: {record.status}: {record.reason}{details}"


def account_table(account: Mapping[str, Sequence[Any]]) -> Table:
    """Tabulate the composition of a dataset, as its reader reports it."""
    table = plain_table()
    for place, name in enumerate(account["columns"]):
        table.add_column(escape(name), justify="left" if place == 0 else "right")
    for row in account["rows"]:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else escape(str(value)) for value in row))
    return table


def _describe_unreadable(records: Sequence[Record]) -> Sequence[str]:
    """Describe how many files of every part could not be read, and the first of them."""
    found: dict[str, str] = {}
    for data in (data for record in records for data in (*record.pretrained_on, *record.evaluated_on)):
        if broken := data.get("unreadable"):
            more = f", and {len(broken) - 1} more in record.json" if len(broken) > 1 else ""
            found[data["part"]] = f"{data['part']}: {len(broken)} unreadable sample(s) left out: {broken[0]}{more}"
    return list(found.values())


def _print_titled(console: Console, title: str, table: Table, labels: int = 1) -> None:
    """Print a table below its title; the first `labels` columns name its rows."""
    console.print()
    console.print(title, style="bold", highlight=False, markup=False, soft_wrap=True)
    print_table(console, table, labels)


def show_report(console: Console, report: Report, folder: Path) -> None:
    """Print a study's tables, judged hypotheses, expected numbers, missing results, and the path of the report."""
    for made in report.tables:
        _print_titled(
            console, f"{made.title or made.name}: {made.note}", _text_table(made.frame[:MAX_ROWS]), made.labels
        )
        if len(made.frame) > MAX_ROWS:
            console.print(
                f"… and {len(made.frame) - MAX_ROWS} more rows in {folder}/tables/{made.name}.md",
                markup=False,
                soft_wrap=True,
            )
    for name, effect in report.class_effects.items():
        show_tables(console, effect.tables, folder / "class-effects" / name)
    if len(report.hypotheses):
        _print_titled(console, "hypotheses: differences paired over folds and seeds, ± half-width of the 95 % interval",
                _text_table(report.hypotheses))  # fmt: skip
    for verdict in report.published:
        console.print(f"published: {verdict}", highlight=False, markup=False, soft_wrap=True)
    if len(report.expected):
        _print_titled(console, "expected and measured", _text_table(report.expected))
    for sentence in report.coverage:
        console.print(f"not covered: {sentence}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for sentence in report.missing:
        console.print(f"missing: {sentence}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\nreport: {folder}/index.html", highlight=False, markup=False, soft_wrap=True)


def show_tables(console: Console, tables: Sequence[ReportTable], folder: Path) -> None:
    """Print tables; of long ones the first rows and the path of the file."""
    for made in tables:
        _print_titled(
            console, f"{made.title or made.name}: {made.note}", _text_table(made.frame[:MAX_ROWS]), made.labels
        )
        if len(made.frame) > MAX_ROWS:
            console.print(
                f"… and {len(made.frame) - MAX_ROWS} more rows in {folder}/{made.name}.md", markup=False, soft_wrap=True
            )


def _text_table(frame: pd.DataFrame) -> Table:
    table = plain_table()
    for name in frame.columns:
        numbers = frame[name].astype(str).str.match(r"^[-–0-9.]").all()
        table.add_column(escape(str(name)), justify="right" if numbers else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(escape(str(value)) for value in row))
    return table
