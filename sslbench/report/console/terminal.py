"""Print the results of runs and the report of a study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sslbench.analysis.statistics.accuracy import AnswersByRun
from sslbench.analysis.tables.best_row import find_best_row, order_protocols
from sslbench.analysis.tables.estimates import group_by
from sslbench.analysis.tables.published import PublishedComparison
from sslbench.analysis.tables.run_tables import (
    RunRow,
    class_rows,
    compare_targets,
    default_answers,
    label_rows,
    list_columns,
    make_rows,
)
from sslbench.analysis.tables.selection import select_scores
from sslbench.analysis.tables.text_tables import Colored, TextTable, format_estimate, lay_out
from sslbench.analysis.tables.verdicts import judge_rows
from sslbench.catalog.metrics import MetricTable
from sslbench.report.baseline_note import describe_learning
from sslbench.report.console.narrow_tables import print_table
from sslbench.report.console.verdicts import coverage_lines, results_title, verdict_table
from sslbench.report.coverage import describe_classes, describe_left_out, describe_missing_classes
from sslbench.results.answers import Answers, read_answers
from sslbench.results.frames import Results
from sslbench.results.marks import joined_names, marked_method
from sslbench.results.record import DRAW, Record, setting_of
from sslbench.results.varied import VariedTable, protocol_of, varied_table

if TYPE_CHECKING:
    from sslbench.report.study import Report

EXTREMES = 5

MAX_ROWS = 40
"""Maximum of rows of a study's table on a terminal."""
UNMEASURED = ("unavailable", "failed", "diverged")
"""States of runs without scores."""


def results_table(rows: Sequence[RunRow], metrics: MetricTable) -> TextTable:
    """Tabulate scores, a row per run and a column per protocol and shown metric."""
    columns = {place: f"{place[0]}\n{metrics.title(place[1])}" for place in list_columns(rows, metrics)}
    named = {"data": len({row.dataset for row in rows}) > 1, "method": True, "backbone": True,
             "views": len({_views(row) for row in rows if not row.record.baseline}) > 1}  # fmt: skip
    labels = [name for name, is_shown in named.items() if is_shown]
    laid_out = []
    for row in rows:
        facts = {"data": row.dataset, "method": _marked_status(row.record), "views": _views(row),
                 "backbone": joined_names(row.record.backbones.values()) or "none"}  # fmt: skip
        cells = {place: format_estimate(row.cells.get(place), metrics.digits(place[1])) for place in columns}
        is_unmeasured = row.record.status in UNMEASURED
        laid_out.append(([facts[name] for name in labels], {} if is_unmeasured else cells))
    return lay_out(labels, columns, laid_out)


def _marked_status(record: Record) -> str:
    """Return the name of a run's method with its marks and, unless it is done, its status."""
    name = marked_method(record.method)
    if record.status in UNMEASURED:
        return Colored(f"{name} ({record.status})", "yellow", len(name))
    return name if record.status == "done" else Colored(f"{name} ({record.status}, not ranked)", "red", len(name))


def _views(row: RunRow) -> str:
    return joined_names(row.record.augmentations)


def classes_table(
    record: Record, dataset: str, protocol: str, title: str, answers: Answers | None = None
) -> TextTable | None:
    """Tabulate the worst and best classes under one protocol, of those with training and test samples."""
    rows = class_rows(record, dataset, protocol, answers)
    if not rows:
        return None
    cells = [[row.name, format_estimate(row.recall), f"{row.f1:.3f}", f"{row.support:.0f}"] for row in rows]
    shown = cells if len(cells) <= 2 * EXTREMES else [*cells[:EXTREMES], ["…", "", "", ""], *cells[-EXTREMES:]]
    return TextTable(headers=["class", "recall", "F1", "test samples"], rows=shown, title=title)


def labels_table(
    record: Record, dataset: str, protocol: str, title: str, metrics: MetricTable, answers: Answers | None = None
) -> TextTable | None:
    """Tabulate the metrics of every label or number under one protocol; of many, the worst and best by the first metric."""
    rows = label_rows(record, dataset, protocol, answers)
    names = list(dict.fromkeys(metric for row in rows for metric in row.scores))
    if not names:
        return None
    if len(rows) > 2 * EXTREMES:
        known = [row for row in rows if names[0] in row.scores]
        rows = sorted(known, key=lambda row: (row.scores[names[0]].mean, row.name))
    cells = [
        [row.name, *(format_estimate(row.scores.get(name)) for name in names), f"{row.support:.0f}"] for row in rows
    ]
    left_out = ["…", *[""] * (len(names) + 1)]
    shown = cells if len(cells) <= 2 * EXTREMES else [*cells[:EXTREMES], left_out, *cells[-EXTREMES:]]
    return TextTable(headers=["name", *map(metrics.title, names), "test samples"], rows=shown, title=title)


def describe_questions(records: Sequence[Record]) -> list[str]:
    """Describe the facts of protocols whose scores are for other than their default evaluation."""
    protocols_by_text: dict[str, dict[str, None]] = {}
    varied = varied_table(records)
    for record in records:
        measured: dict[str, dict[str, None]] = defaultdict(dict)
        for score in record.scores:
            measured[score.protocol] |= dict.fromkeys(setting_of(score.setting))
        for protocol, scores in group_by(select_scores(record.scores, varied), lambda score: score.protocol).items():
            settings = [setting_of(score.setting) for score in scores]
            if facts := _describe_question(settings, measured[protocol_of(protocol)], varied):
                protocols_by_text.setdefault(", ".join(facts), {})[protocol] = None
    return [f"{', '.join(protocols)}: {text}" for text, protocols in protocols_by_text.items()]


def _describe_question(
    settings: Sequence[Mapping[str, Any]], measured: Collection[str], varied: VariedTable
) -> list[str]:
    """Describe the facts under which scores with these settings were measured; `measured` are those that others have."""
    shown = {name: value for setting in settings for name, value in setting.items() if name in varied.limited}
    largest = [name for name in shown if varied[name].default == "largest"]
    facts = [varied[name].describe(max(one[name] for one in settings if name in one)) for name in largest]
    others = [varied[name].describe(shown[name]) for name in varied if name in shown and name not in largest]
    unset = dict.fromkeys(varied.unset(name, "") for name in varied.limited if name in measured)
    facts += others or [text for text in unset if text and facts]
    draws = len({setting[DRAW.name] for setting in settings if DRAW.name in setting})
    return [*facts, f"mean of {draws} draws"] if facts and draws > 1 else facts


def cluster_reference_table(records: Sequence[Record], metrics: MetricTable) -> TextTable:
    """Tabulate scores of clusters against columns other than the class, with their nulls."""
    rows = []
    for (run, dataset, metric), estimates in compare_targets(records, metrics).items():
        digits = metrics.digits(metric)
        for name in (name for name in estimates if not name.startswith("null of ")):
            cells = [format_estimate(estimates.get(place), digits) for place in (name, f"null of {name}")]
            rows.append([run, dataset, name, metrics.title(metric), *cells])
    return TextTable(
        headers=["run", "dataset", "against", "metric", "score", "null"], rows=rows, labels=4,
        title="clusters compared with other columns than the class",
    )  # fmt: skip


def show_results(
    console: Console, results: Results, metrics: MetricTable, published: Sequence[PublishedComparison] = ()
) -> None:
    """Print scores, comparisons of rows, warnings, published numbers and extreme classes."""
    records = results.records
    answers = {record.run: read_answers(results.root, record) for record in records}
    rows = make_rows(records, metrics, answers)
    names = list(dict.fromkeys(row.dataset for row in rows))
    rows.sort(key=lambda row: names.index(row.dataset))
    _print_titled(console, replace(results_table(rows, metrics), title=results_title(rows)))
    for line in (*coverage_lines(rows), *describe_learning(rows, metrics)):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    judged = list(judge_rows(rows, answers, metrics))
    for dataset in names:
        own = [one for one in judged if one.dataset == dataset]
        if own:
            _print_titled(console, verdict_table(own, rows))
    for line in describe_questions(records):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    _print_titled(console, cluster_reference_table(records, metrics))
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
        _print_titled(console, account_table(data["account"], f"{data['part']}: training data"))
    for dataset in names:
        _show_classes(console, rows, dataset, answers, metrics)


def _show_classes(
    console: Console, rows: Sequence[RunRow], dataset: str, answers: AnswersByRun, metrics: MetricTable
) -> None:
    """Print the worst and best classes of a dataset's best row, and which classes are not covered."""
    best = find_best_row(rows, dataset, metrics)
    shown = next(row for row in rows if row.dataset == dataset) if best is None else best.row
    record = shown.record
    varied = varied_table(row.record for row in rows)
    data = next(data for data in record.evaluated_on if data["part"] == dataset)
    sentences = [*describe_missing_classes(data), *describe_left_out(data)]
    for protocol in order_protocols([shown]) if best is None else [best.protocol]:
        own_answer = default_answers(record, dataset, answers, varied).get(protocol)
        several = sum(row.dataset == dataset and not row.record.baseline for row in rows) > 1
        start = f"{record.method['name']} on {dataset}, {protocol}:"
        end = " (best method)" if several and best else ""
        title = f"{start} recall of the worst and best classes{end}"
        table = classes_table(record, dataset, protocol, title, own_answer)
        if table is None:
            table = labels_table(record, dataset, protocol, f"{start} metrics by name{end}", metrics, own_answer)
        if table is not None:
            _print_titled(console, table)
            sentences = describe_classes(record, dataset, protocol)
            break
    for sentence in sentences:
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _reason(record: Record) -> str:
    details = f" (see {record.run}/traceback.txt)" if record.status == "failed" else ""
    return f"{record.method['name']}: {record.status}: {record.reason}{details}"


def account_table(account: Mapping[str, Sequence[Any]], title: str) -> TextTable:
    """Tabulate the composition of a dataset, as its reader reports it."""
    rows = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in account["rows"]]
    return TextTable(headers=account["columns"], rows=rows, title=title)


def _describe_unreadable(records: Sequence[Record]) -> Sequence[str]:
    """Describe how many files of every part could not be read, and the first of them."""
    found: dict[str, str] = {}
    for data in (data for record in records for data in (*record.pretrained_on, *record.evaluated_on)):
        if broken := data.get("unreadable"):
            more = f", and {len(broken) - 1} more in record.json" if len(broken) > 1 else ""
            found[data["part"]] = f"{data['part']}: {len(broken)} unreadable sample(s) left out: {broken[0]}{more}"
    return list(found.values())


def _print_titled(console: Console, table: TextTable) -> None:
    """Print a table below its title, unless it has no rows."""
    if table.rows:
        console.print()
        console.print(table.title, style="bold", highlight=False, markup=False, soft_wrap=True)
        print_table(console, table)


def show_report(console: Console, report: Report, folder: Path) -> None:
    """Print a study's tables, judged hypotheses, expected numbers, missing results, and the path of the report."""
    show_tables(console, report.tables, folder / "tables")
    for name, effect in report.class_effects.items():
        show_tables(console, effect.tables, folder / "class-effects" / name)
    _print_titled(console, report.hypotheses)
    for verdict in report.published:
        console.print(f"published: {verdict}", highlight=False, markup=False, soft_wrap=True)
    _print_titled(console, report.expected)
    for sentence in report.coverage:
        console.print(f"not covered: {sentence}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for sentence in report.missing:
        console.print(f"missing: {sentence}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\nreport: {folder}/index.html", highlight=False, markup=False, soft_wrap=True)


def show_tables(console: Console, tables: Sequence[TextTable], folder: Path) -> None:
    """Print tables; of long ones the first rows and the path of the file."""
    for made in tables:
        title = f"{made.title or made.name}: {made.note}"
        _print_titled(console, replace(made, title=title, rows=made.rows[:MAX_ROWS]))
        if len(made.rows) > MAX_ROWS:
            more = f"… and {len(made.rows) - MAX_ROWS} more rows in {folder}/{made.name}.md"
            console.print(more, markup=False, soft_wrap=True)
