"""Write the page of one `run` command."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader

from sslbench.analysis.statistics.accuracy import AnswersByRun
from sslbench.analysis.tables.best_row import BestRow, find_best_row, own_settings
from sslbench.analysis.tables.cost_tables import PAIR, confusion_shares
from sslbench.analysis.tables.run_tables import (
    ClassRow,
    LabelRow,
    RunRow,
    class_rows,
    default_answers,
    label_rows,
    make_rows,
)
from sslbench.analysis.tables.text_tables import TextTable, format_estimate, lay_out
from sslbench.analysis.tables.verdicts import judge_rows
from sslbench.api.files import write_atomically
from sslbench.catalog.metrics import MetricTable
from sslbench.report.console.terminal import results_table
from sslbench.report.console.verdicts import coverage_lines, results_title, verdict_table
from sslbench.report.coverage import describe_coverage
from sslbench.report.figures.run_images import (
    Misclassified,
    ShownInput,
    encoder_inputs,
    figure_uri,
    find_misclassified,
    open_table,
)
from sslbench.report.figures.worst_samples import WorstSamples, find_worst_samples
from sslbench.results.answers import VectorAnswers, read_answers
from sslbench.results.frames import Results
from sslbench.results.marks import joined_names, marked_method
from sslbench.results.record import Record, encode
from sslbench.results.store import Store
from sslbench.results.varied import VariedTable, protocol_of

PAGE = "index.html"
VERSION = 5
"""Version of the layout; increase it when the page changes, so that existing pages are rewritten."""
MAX_MATRIX_CLASSES = 40
"""Number of classes up to which confusions are shown as a matrix."""
MAX_CONFUSIONS = 15
"""Number of confused pairs listed."""
COLOR_STEPS = 10
"""Number of color steps in a matrix."""
SOURCE = re.compile(r'<meta name="sslbench-source" content="([0-9a-f]+)">')


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
    verdicts: TextTable | None
    best: str
    protocol: str
    classes: TextTable | None
    labels: TextTable | None
    confusions: Confusions | None
    misclassified: Sequence[Misclassified]
    worst: Sequence[WorstSamples]
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
        table=results_table(rows, metrics),
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


def _dataset_page(
    results: Results, store: Store, rows: Sequence[RunRow], name: str, answers: AnswersByRun, metrics: MetricTable
) -> DatasetPage:
    varied = results.varied
    own = [row for row in rows if row.dataset == name]
    judged = [one for one in judge_rows(own, answers, metrics) if one.dataset == name]
    best = find_best_row(own, name, metrics)
    shown = own[0] if best is None else best.row
    table = open_table(store, shown.record, name)
    misclassified, inputs = [], []
    answered = None if best is None else default_answers(shown.record, name, answers, varied).get(best.protocol)
    if table is not None:
        inputs = encoder_inputs(shown.record, table)
        if best is not None:
            misclassified = find_misclassified(store, shown.record, name, best.protocol, table)
    return DatasetPage(
        name=name,
        verdicts=verdict_table(judged, own) if judged else None,
        best=marked_method(shown.record.method),
        protocol="" if best is None else best.protocol,
        classes=None if best is None else _classes(own, best, answers, varied),
        labels=None if best is None else _labels(own, best, metrics, answers, varied),
        confusions=None if best is None else _confusions(results, best),
        misclassified=misclassified, inputs=inputs, images_missing=table is None,
        worst=find_worst_samples(answered, table) if isinstance(answered, VectorAnswers) else (),
    )  # fmt: skip


def _classes(rows: Sequence[RunRow], best: BestRow, answers: AnswersByRun, varied: VariedTable) -> TextTable | None:
    """Tabulate the recall of every class by method, ordered from the lowest recall of the best row."""
    order, columns = list[ClassRow](), list[tuple[str, dict[str, str]]]()
    for row in rows:
        own = default_answers(row.record, row.dataset, answers, varied).get(best.protocol)
        if found := class_rows(row.record, row.dataset, best.protocol, own):
            title = f"{marked_method(row.record.method)}\n{joined_names(row.record.backbones.values())}".strip()
            columns.append((title, {one.name: format_estimate(one.recall) for one in found}))
            order = found if row is best.row else order
    return _by_name("class", order, columns)


def _labels(
    rows: Sequence[RunRow], best: BestRow, metrics: MetricTable, answers: AnswersByRun, varied: VariedTable
) -> TextTable | None:
    """Tabulate every label or number by method and metric, in the order of the target."""
    columns = list[tuple[str, dict[str, str]]]()
    for row in rows:
        own = default_answers(row.record, row.dataset, answers, varied).get(best.protocol)
        found = label_rows(row.record, row.dataset, best.protocol, own)
        title = marked_method(row.record.method)
        for metric in dict.fromkeys(metric for one in found for metric in one.scores):
            cells = {one.name: format_estimate(one.scores[metric]) for one in found if metric in one.scores}
            columns.append((f"{title}\n{metrics.title(metric)}", cells))
    return _by_name("name", label_rows(best.row.record, best.row.dataset, best.protocol), columns)


def _by_name(
    head: str, order: Sequence[ClassRow | LabelRow], columns: Sequence[tuple[str, Mapping[str, str]]]
) -> TextTable | None:
    """Lay out columns of cells by class, label or number; None if there are none of these."""
    heads = {-1: "test samples", **{place: title for place, (title, _) in enumerate(columns)}}
    rows = []
    for one in order:
        known = {place: own[one.name] for place, (_, own) in enumerate(columns) if one.name in own}
        rows.append(([one.name], {-1: f"{one.support:.0f}", **known}))
    return lay_out([head], heads, rows) if rows else None


def _confusions(results: Results, best: BestRow) -> Confusions | None:
    frame = Results(records=(best.row.record,), root=results.root).confusions
    if frame.empty:
        return None
    wanted = own_settings(best.row.record, best.row.dataset, best.protocol)
    chosen = frame[
        (frame["dataset"] == best.row.dataset) & (frame["protocol"] == protocol_of(best.protocol)) & frame["epoch"].isna()
        & frame["setting"].isin(list(wanted))
    ]  # fmt: skip
    if chosen.empty:
        return None
    shares = confusion_shares(chosen)
    names = sorted({*shares["class"], *shares["predicted_class"]})
    wrong = shares[(shares["class"] != shares["predicted_class"]) & (shares["share"] > 0)]
    wrong = wrong.sort_values(["share", *PAIR], ascending=[False, True, True])[:MAX_CONFUSIONS]
    matrix = _matrix(shares, names) if len(names) <= MAX_MATRIX_CLASSES else []
    listed = [(str(a), str(b), float(share)) for a, b, share in wrong[[*PAIR, "share"]].itertuples(index=False)]
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
