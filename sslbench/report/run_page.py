"""Write the page of one `run` command."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader
from rich.table import Table
from rich.text import Text

from sslbench.analysis.statistics.accuracy import AnswersByRun
from sslbench.analysis.tables.best_row import BestRow, find_best_row, own_settings
from sslbench.analysis.tables.run_tables import RunRow, class_rows, default_answers, label_rows, make_rows
from sslbench.analysis.tables.verdicts import judge_rows
from sslbench.api.files import write_atomically
from sslbench.catalog.metrics import MetricTable
from sslbench.report.console.terminal import cell, results_table
from sslbench.report.console.verdicts import coverage_lines, results_title, verdict_table, verdict_title
from sslbench.report.coverage import describe_coverage
from sslbench.report.figures.run_images import (
    Misclassified,
    ShownInput,
    encoder_inputs,
    figure_uri,
    find_misclassified,
    open_table,
)
from sslbench.results.answers import read_answers
from sslbench.results.frames import Results
from sslbench.results.marks import marks_of, with_marks
from sslbench.results.record import Record, encode
from sslbench.results.store import Store

PAGE = "index.html"
VERSION = 3
"""Version of the layout; increase it when the page changes, so that existing pages are rewritten."""
MAX_MATRIX_CLASSES = 40
"""Number of classes up to which confusions are shown as a matrix."""
MAX_CONFUSIONS = 15
"""Number of confused pairs listed."""
COLOR_STEPS = 10
"""Number of color steps in a matrix."""
SOURCE = re.compile(r'<meta name="sslbench-source" content="([0-9a-f]+)">')


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """A table as text: its title, headers, rows, and how many of its first columns are names."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusions:
    """Shares of a class's samples by predicted class: a matrix (text, color step) and the largest off-diagonal shares."""

    names: Sequence[str]
    matrix: Sequence[Sequence[tuple[str, int]]]
    listed: Sequence[tuple[str, str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPage:
    """Content of a page for one dataset; `best` names the method that is shown in detail, under `protocol`."""

    name: str
    verdicts: PageTable | None
    best: str
    protocol: str
    classes: PageTable | None
    labels: PageTable | None
    confusions: Confusions | None
    misclassified: Sequence[Misclassified]
    inputs: Sequence[ShownInput]
    images_missing: bool


def write_run_page(results: Results, metrics: MetricTable) -> Path | None:
    """Write a page of all records into the first record's folder and return its path.

    The page is kept if the records have not changed. Returns None for results without a folder.
    """
    if results.root is None or not results.records:
        return None
    store = Store(root=results.root)
    path = store.run(results.records[0].run) / PAGE
    source = hashlib.blake2b(digest_size=16)
    source.update(f"page {VERSION} {metrics.describe()}".encode())
    for record in results.records:
        source.update(encode(record))
    if path.exists() and (found := SOURCE.search(path.read_text()[:2000])) and found[1] == source.hexdigest():
        return path
    answers = {record.run: read_answers(results.root, record) for record in results.records}
    rows = make_rows(results.records, metrics, answers)
    names = list(dict.fromkeys(row.dataset for row in rows))
    template = Environment(loader=PackageLoader("sslbench.report"), autoescape=True).get_template("run.html")
    page = template.render(
        source=source.hexdigest(),
        title=results_title(rows),
        table=as_page_table("", results_table(rows, metrics)),
        notes=list(coverage_lines(rows)),
        datasets=[_dataset_page(results, store, rows, name, answers, metrics) for name in names],
        coverage=describe_coverage(results.records),
        warnings=list(dict.fromkeys(_warnings(results.records))),
        previews=_preview_figures(store, results.records),
        runs=[(record, f"../{record.run}") for record in results.records],
        steps=COLOR_STEPS,
    )
    write_atomically(path, page.encode())
    return path


def as_page_table(title: str, table: Table) -> PageTable:
    """Convert a table of the terminal to plain text; headers may have several lines."""
    columns = [[Text.from_markup(str(value)).plain for value in column.cells] for column in table.columns]
    headers = [Text.from_markup(str(column.header)).plain for column in table.columns]
    numbers = [place for place, column in enumerate(table.columns) if column.justify == "right"]
    labels = min(numbers, default=len(headers))
    return PageTable(title=title, headers=headers, rows=list(zip(*columns, strict=True)), labels=labels)


def _dataset_page(
    results: Results, store: Store, rows: Sequence[RunRow], name: str, answers: AnswersByRun, metrics: MetricTable
) -> DatasetPage:
    own = [row for row in rows if row.dataset == name]
    judged = [one for one in judge_rows(own, answers, metrics) if one.dataset == name]
    best = find_best_row(own, name, metrics)
    shown = own[0] if best is None else best.row
    table = open_table(store, shown.record, name)
    misclassified, inputs = [], []
    if table is not None:
        inputs = encoder_inputs(shown.record, table)
        if best is not None:
            misclassified = find_misclassified(store, shown.record, name, best.protocol, table)
    return DatasetPage(
        name=name,
        verdicts=as_page_table(verdict_title(judged, name), verdict_table(judged, own)) if judged else None,
        best=with_marks(shown.record.method["name"], marks_of(shown.record.method)),
        protocol="" if best is None else best.protocol,
        classes=None if best is None else _classes(own, best, answers),
        labels=None if best is None else _labels(own, best, metrics),
        confusions=None if best is None else _confusions(results, best),
        misclassified=misclassified, inputs=inputs, images_missing=table is None,
    )  # fmt: skip


def _classes(rows: Sequence[RunRow], best: BestRow, answers: AnswersByRun) -> PageTable | None:
    """Tabulate the recall of every class by method, ordered from the lowest recall of the best row."""
    by_row: list[tuple[str, Mapping[str, str]]] = []
    for row in rows:
        own = default_answers(row.record, row.dataset, answers).get(best.protocol)
        found = class_rows(row.record, row.dataset, best.protocol, own)
        if found:
            backbones = "+".join(backbone["name"] for backbone in row.record.backbones.values())
            title = f"{with_marks(row.record.method['name'], marks_of(row.record.method))}\n{backbones}".strip()
            by_row.append((title, {one.name: cell(one.recall) for one in found}))
    own = default_answers(best.row.record, best.row.dataset, answers).get(best.protocol)
    order = class_rows(best.row.record, best.row.dataset, best.protocol, own)
    if not order:
        return None
    return PageTable(
        title="",
        headers=["class", "test samples", *(title for title, _ in by_row)],
        rows=[
            [one.name, f"{one.support:.0f}", *(cells.get(one.name, "–") for _, cells in by_row)] for one in order
        ],
        labels=1,
    )  # fmt: skip


def _labels(rows: Sequence[RunRow], best: BestRow, metrics: MetricTable) -> PageTable | None:
    """Tabulate every label or number by method and metric, in the order of the target."""
    order = label_rows(best.row.record, best.row.dataset, best.protocol)
    if not order:
        return None
    headers, columns = list[str](), list[Mapping[str, str]]()
    for row in rows:
        found = label_rows(row.record, row.dataset, best.protocol)
        title = with_marks(row.record.method["name"], marks_of(row.record.method))
        for metric in dict.fromkeys(metric for one in found for metric in one.scores):
            headers.append(f"{title}\n{metrics.title(metric)}")
            columns.append({one.name: cell(one.scores[metric]) for one in found if metric in one.scores})
    return PageTable(
        title="", headers=["name", "test samples", *headers], labels=1,
        rows=[[one.name, f"{one.support:.0f}", *(own.get(one.name, "–") for own in columns)] for one in order],
    )  # fmt: skip


def _confusions(results: Results, best: BestRow) -> Confusions | None:
    frame = Results(records=(best.row.record,), root=results.root).confusions
    if frame.empty:
        return None
    wanted = own_settings(best.row.record, best.row.dataset, best.protocol)
    chosen = frame[
        (frame["dataset"] == best.row.dataset) & (frame["protocol"] == best.protocol) & frame["epoch"].isna()
        & frame["setting"].isin(list(wanted))
    ]  # fmt: skip
    if chosen.empty:
        return None
    counts = chosen.groupby(["class", "predicted_class"], sort=True)["count"].sum()
    shares = (counts / counts.groupby("class").transform("sum")).rename("share").reset_index()
    names = sorted({*shares["class"], *shares["predicted_class"]})
    wrong = shares[shares["class"] != shares["predicted_class"]].sort_values(
        ["share", "class", "predicted_class"], ascending=[False, True, True]
    )
    wrong = wrong[wrong["share"] > 0]
    matrix = _matrix(shares, names) if len(names) <= MAX_MATRIX_CLASSES else []
    listed = [(str(a), str(b), float(share)) for a, b, share in wrong[:MAX_CONFUSIONS].itertuples(index=False)]
    return Confusions(names=names, matrix=matrix, listed=listed)


def _matrix(shares: pd.DataFrame, names: Sequence[str]) -> list[list[tuple[str, int]]]:
    table = shares.pivot_table(index="class", columns="predicted_class", values="share", fill_value=0.0)
    table = table.reindex(index=pd.Index(names), columns=pd.Index(names), fill_value=0.0)
    return [
        [(f"{value:.2f}" if value else "", round(float(value) * COLOR_STEPS)) for value in line]
        for line in table.to_numpy()
    ]


def _preview_figures(store: Store, records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return the figure of augmented views of every method that has one, as (method, data URI)."""
    drawn = [(record, figure_uri(store.run(record.run) / "figures/seen.png")) for record in records]
    return [(record.method["name"], image) for record, image in drawn if image is not None]


def _warnings(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if record.reason:
            yield f"{record.method['name']}: {record.status}: {record.reason}"
        yield from record.warnings
