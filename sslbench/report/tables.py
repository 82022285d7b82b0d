"""Make the tables of a study as CSV and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.analysis.statistics.accuracy import Accuracy, KnownVariance, known_variances
from sslbench.analysis.tables.cost_tables import mean_costs, most_confused
from sslbench.analysis.tables.estimates import deviations, estimates, extremes, paired_difference
from sslbench.analysis.tables.published_columns import (
    add_published,
    format_count,
    format_published,
    format_score,
    is_share,
    to_dicts,
)
from sslbench.analysis.tables.selection import expand_labels, select, separate_settings
from sslbench.analysis.tables.study_frames import Points, add_labels, classes_frame, disambiguate, study_frame
from sslbench.analysis.tables.text_tables import (
    TextTable,
    add_unmeasured,
    cross_table,
    frame_table,
    label,
)
from sslbench.analysis.tables.training_curves import last_and_best
from sslbench.api.files import write_atomically
from sslbench.catalog.metrics import MetricTable
from sslbench.data.label_subsets import TASK_SETTINGS
from sslbench.results.answers import read_answers
from sslbench.results.frames import SIZE_COLUMNS, Results
from sslbench.results.marks import with_marks
from sslbench.results.record import COSTS
from sslbench.results.varied import VariedTable
from sslbench.study.output_settings import DEFAULT_COLUMNS, TableSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectReport:
    """Tables of a class effect, its figures (the name of each and its caption), and the folder of both."""

    folder: Path
    tables: tuple[TextTable, ...]
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """Frames that tables are made from, with the study's labels; `absent` holds runs that are not done."""

    scores: pd.DataFrame
    classes: pd.DataFrame
    samples: pd.DataFrame
    labels: pd.DataFrame
    pools: pd.DataFrame
    costs: pd.DataFrame
    confusions: Callable[[], pd.DataFrame]
    training: Callable[[], pd.DataFrame]
    absent: pd.DataFrame
    published: pd.DataFrame | None
    scale: str
    variances: Mapping[Accuracy, KnownVariance]
    metrics: MetricTable
    varied: VariedTable


def build_frames(
    results: Results,
    points: Points,
    published: pd.DataFrame | None,
    scale: str,
    metrics: MetricTable,
) -> Frames:
    """Build the frames of a study's runs; scores and costs only from runs that are done."""

    def done(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["status"] == "done"] if len(frame) else frame

    def named(frame: pd.DataFrame) -> pd.DataFrame:
        return expand_labels(add_labels(frame, points), axes) if len(frame) else frame

    axes = list(dict.fromkeys(axis for labels in points.values() for point in labels for axis in point))
    varied, labels = results.varied, named(results.labels)
    for setting in TASK_SETTINGS if len(labels) else ():
        labels[setting.name] = labels[setting.name].where(labels[setting.name] != setting.number)
    runs = results.runs
    return Frames(
        scores=study_frame(done(results.scores), points, varied),
        classes=study_frame(classes_frame(done(results.classes)), points, varied),
        samples=named(results.samples),
        labels=labels,
        pools=named(results.pools),
        costs=named(done(results.costs)),
        confusions=lambda: study_frame(done(results.confusions), points, varied),
        training=lambda: named(done(results.training)),
        absent=named(runs[runs["status"] != "done"] if len(runs) else runs),
        published=published,
        scale=scale,
        variances=known_variances(
            {record.run: read_answers(results.root, record) for record in results.records}, metrics
        ),
        metrics=metrics,
        varied=varied,
    )


def make_table(frames: Frames, settings: TableSettings, axes: Sequence[str], folder: Path) -> TextTable | None:
    """Write a table into `folder` and return it as text; None if no matching run is done."""
    rows = settings.rows or ("method",)
    if settings.source == "published":
        return _published_table(frames, settings, rows, folder)
    if settings.source in ("samples", "labels", "pools"):
        return _count_table(frames, settings, rows, folder)
    if settings.source in ("costs", "confusions"):
        return _cost_or_confusion_table(frames, settings, rows, folder)
    is_training, columns = settings.source == "training", settings.columns
    frame: pd.DataFrame = last_and_best(frames.training()) if is_training else getattr(frames, settings.source)
    if is_training and columns == DEFAULT_COLUMNS:
        columns = ("term", "epoch")
    varied, by = frames.varied, [*dict.fromkeys((*rows, *columns))]
    chosen = select(frame, settings.where, by, varied) if len(frame) else frame
    rows = (*rows, *separate_settings(chosen, by, varied))
    by = [*dict.fromkeys((*rows, *columns))]
    if settings.against and len(chosen):
        chosen = paired_difference(chosen, settings.against, axes, varied)
    if chosen.empty:
        return None
    runs = disambiguate(chosen, by)
    if settings.aggregate_over or settings.spread == "deviation":
        found = deviations(runs, by, settings.aggregate_over)
    else:
        found = estimates(runs, by, frames.variances)
    note = "; ".join([_note(settings, found), *_list_shown_facts(chosen, {*by, *settings.where}, varied)])
    if settings.extremes:
        found = found.merge(extremes(runs, by, settings.aggregate_over), on=by, how="left")
    wanted = settings.where.get("metric", "")
    metric = wanted if isinstance(wanted, str) else ""
    if frames.published is not None and not settings.against:
        fixed = {name: value for name, value in settings.where.items() if not isinstance(value, (list, tuple))}
        found = add_published(found, {**fixed, "scale": frames.scale}, frames.published, varied)
    found = found.assign(cell=[_format_cell(row, row.get("metric", metric), frames.metrics) for row in to_dicts(found)])
    condition = {name: wanted for name, wanted in settings.where.items() if name in frames.absent}
    marked = add_marks(found, runs, by, varied)
    table = cross_table(marked, rows, columns, frames.metrics, varied, metric)
    shown = add_unmeasured(table, select(frames.absent, condition, varied.limited, varied))
    return _write_table(settings, found.drop(columns="cell", errors="ignore"), shown, note, folder)


def _format_cell(row: Mapping[str, Any], metric: str, metrics: MetricTable) -> str:
    """Format the mean and error of a cell, its published number and its extremes, if there are any."""
    digits = metrics.digits(metric, row["mean"])
    text = format_score(row, digits, in_points=is_share(metric, metrics))
    return f"{text} ({row['min']:.{digits}f} to {row['max']:.{digits}f})" if "min" in row else text


def add_marks(found: pd.DataFrame, runs: pd.DataFrame, by: Sequence[str], varied: VariedTable) -> pd.DataFrame:
    """Append the marks shared by all runs of a row to its method, or to its first label if no method is named."""
    column = "method" if "method" in by else by[0]
    marks = {}
    for key, group in runs.groupby(list(by), dropna=False, sort=False):
        marks[tuple(map(str, key))] = group["marks"].iloc[0] if group["marks"].nunique() == 1 else ""
    row_marks = [marks.get(tuple(map(str, key)), "") for key in found[list(by)].itertuples(index=False)]
    labels = zip(found[column], row_marks, strict=True)
    return found.assign(
        **{column: [with_marks(label(column, value, varied), mark) if mark else value for value, mark in labels]}
    )


def _note(settings: TableSettings, found: pd.DataFrame) -> str:
    counts, over = ", ".join(map(str, sorted(found["n"].unique()))), " or ".join(sorted(found["unit"].unique()))
    less = f"less {settings.against}'s, paired by seed: " if settings.against else ""
    more = (
        f" (minimum to maximum over {settings.aggregate_over or 'seeds, folds and draws'})" if settings.extremes else ""
    )
    if settings.source == "training":
        more += "; means over an epoch; best: the epoch with the lowest validation loss, or the lowest loss without one"
    if settings.aggregate_over or settings.spread == "deviation":
        means = f"mean ± standard deviation over {over} (n - 1; deviation_n in the CSV divides by n), n = {counts}"
        return f"{less}{means}{more}"
    samples = sorted({int(count) for count in found["test_samples"] if count})
    tested = f" ({_span(samples[0], samples[-1], ',')} test samples)" if samples else ""
    if found["ci95_half_width"].isna().all():
        return f"{less}one seed, so no interval{more}"
    return f"{less}mean ± half-width of the 95 % interval over {over}{tested}, n = {counts}{more}"


def _list_shown_facts(chosen: pd.DataFrame, named: Collection[str], varied: VariedTable) -> list[str]:
    """Describe the facts that all chosen scores share and the table does not name."""
    unset = [fact for fact in varied.limited if varied[fact].default == "unset"]
    facts = [fact for fact in unset if fact in chosen and fact not in named]
    return [varied[fact].describe(value) for fact in facts for value in chosen[fact].dropna().unique()]


def _published_table(frames: Frames, settings: TableSettings, rows: Sequence[str], folder: Path) -> TextTable | None:
    if frames.published is None:
        return None
    found = _rows_where(frames.published, settings, frames.varied)
    if found.empty:
        return None
    metrics = frames.metrics
    cells = [
        "lost"
        if row["lost"]
        else format_published(row, metrics.digits(row["metric"]) if metrics.is_known(row["metric"]) else row["digits"])
        for row in to_dicts(found)
    ]
    by = [*dict.fromkeys((*rows, *settings.columns))]
    # several numbers of one cell, such as of two scales, are joined
    joined = found.assign(cell=cells).groupby(by, dropna=False, sort=False)["cell"].agg(" / ".join).reset_index()
    return _write_table(
        settings,
        found,
        cross_table(joined, rows, settings.columns, frames.metrics, frames.varied),
        "as published",
        folder,
    )


def _rows_where(frame: pd.DataFrame, settings: TableSettings, varied: VariedTable) -> pd.DataFrame:
    """Select the rows that match a table's `where`, compared as text."""
    for name, wanted in settings.where.items():
        values = [str(value) for value in (wanted if isinstance(wanted, (list, tuple)) else [wanted])]
        if name in frame:
            values_as_shown = frame[name].astype(object).where(frame[name].notna(), varied.unset(name, ""))
            frame = frame[values_as_shown.astype(str).isin(values)]
    return frame


def _count_table(frames: Frames, settings: TableSettings, rows: Sequence[str], folder: Path) -> TextTable | None:
    frame = _rows_where(getattr(frames, settings.source), settings, frames.varied)
    if frame.empty:
        return None
    if settings.source == "labels":
        return _label_count_table(frames, frame, settings, rows, folder)
    note, count = "samples of all folds together; minimum and maximum per class", "samples"
    counted: Sequence[str] = SIZE_COLUMNS
    if settings.source == "pools":
        note, count = "images, those left out by reason, and those kept", "kept"
        counted = ["member", *frame.select_dtypes("number").columns]
    found = frame[[*dict.fromkeys((*rows, *counted))]].drop_duplicates()
    numbers = [name for name in counted if pd.api.types.is_numeric_dtype(found[name])]
    found = found.fillna(dict.fromkeys(numbers, 0)).astype(dict.fromkeys(numbers, int))
    shown = found.astype(str)
    if frames.published is not None:
        found = add_published(found, {"metric": count, "scale": frames.scale}, frames.published, frames.varied, count)
        shown[count] = [format_count(row, f"{row[count]:,}") for row in to_dicts(found)]
    return _write_table(settings, found, frame_table(shown, len(rows)), note, folder)


def _cost_or_confusion_table(
    frames: Frames, settings: TableSettings, rows: Sequence[str], folder: Path
) -> TextTable | None:
    """Make a table of training costs, or of the most frequent confusions."""
    by, varied = list(rows), frames.varied
    frame = frames.costs if settings.source == "costs" else frames.confusions()
    if frame.empty or (chosen := select(frame, settings.where, by, varied)).empty:
        return None
    by += separate_settings(chosen, by, varied)
    if settings.source == "costs":
        found = mean_costs(disambiguate(chosen, by), by)
        shown = add_marks(found, disambiguate(chosen, by), by, varied)
        shown = shown.assign(**{name: [f"{value:,.{int(value < 10)}f}" for value in found[name]] for name in COSTS[2:]})
        shown = shown.assign(**{name: [f"{value:,.0f}" for value in found[name]] for name in COSTS[:2]})
        note = "means over trainings; the seconds of a run are divided equally among its trainings"
    else:
        found = most_confused(disambiguate(chosen, by), by, settings.limit)
        shown = add_marks(found, disambiguate(chosen, by), by, varied).assign(
            share=[f"{share:.3f}" for share in found["share"]]
        )
        note = "share of a class's predictions, over all seeds, folds and draws"
    for name in by:
        shown[name] = [label(name, value, varied) for value in shown[name]]
    shown.columns = pd.Index([str(name).replace("_", " ") for name in shown.columns])
    return None if found.empty else _write_table(settings, found, frame_table(shown, len(by)), note, folder)


def _label_count_table(
    frames: Frames, frame: pd.DataFrame, settings: TableSettings, rows: Sequence[str], folder: Path
) -> TextTable:
    by = [*dict.fromkeys((*rows, *settings.columns))]
    places = frame.drop_duplicates([*by, "dataset", "bank", "query", "fold"]).groupby(by, dropna=False, sort=False)
    found = places.agg(
        min=("min", "min"), max=("max", "max"), fewest=("samples", "min"), samples=("samples", "max")
    ).reset_index()
    spans = zip(*(found[name] for name in ("min", "max", "fewest", "samples")), strict=True)
    cells = [f"{_span(a, b)} per class, {_span(c, d)} in total" for a, b, c, d in spans]
    if frames.published is not None:
        found = add_published(
            found, {"metric": "labels", "scale": frames.scale}, frames.published, frames.varied, "samples"
        )
        cells = [format_count(row, text) for text, row in zip(cells, to_dicts(found), strict=True)]
    note = "labels per class and in total; minimum to maximum over classes and folds"
    if settings.columns:
        shown = cross_table(found.assign(cell=cells), rows, settings.columns, frames.metrics, frames.varied)
    else:
        shown = frame_table(found[[*rows]].assign(labels=cells), len(rows))
    return _write_table(settings, found, shown, note, folder)


def _span(low: int, high: int, thousands: str = "") -> str:
    return f"{low:{thousands}}" if low == high else f"{low:{thousands}} to {high:{thousands}}"


def _write_table(settings: TableSettings, found: pd.DataFrame, shown: TextTable, note: str, folder: Path) -> TextTable:
    save_table(folder, settings.name, found, shown)
    return replace(shown, name=settings.name, title=settings.title, note=note)


def save_table(folder: Path, name: str, numbers: pd.DataFrame, table: TextTable | None = None) -> None:
    """Write numbers as CSV, and their table of text as Markdown."""
    write_atomically(folder / f"{name}.csv", numbers.to_csv(index=False).encode())
    if table is not None:
        write_atomically(folder / f"{name}.md", table.markdown().encode())
