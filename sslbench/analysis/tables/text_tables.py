"""Lay out aggregated scores as tables of text, with the titles and digits of metrics. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.statistics.run_comparison import SIGNIFICANCE
from sslbench.catalog.metrics import MetricTable
from sslbench.results.varied import VariedTable

Key = TypeVar("Key", bound=Hashable)
NUMBER = re.compile(r"[-–+…0-9.]|$")
"""Start of a cell that is a number, or empty."""


class Colored(str):
    """A cell that a terminal colors from a character on."""

    color: str
    start: int

    def __new__(cls, text: str, color: str, start: int = 0) -> Colored:
        cell = super().__new__(cls, text)
        cell.color, cell.start = color, start
        return cell


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A table as text for terminals, pages and files; its first `labels` columns name the rows.

    name: file name of the table.
    note: description of its numbers.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    name: str = ""
    title: str = ""
    note: str = ""

    def is_text(self, place: int) -> bool:
        """Return whether a column names rows or has other cells than numbers."""
        return place < self.labels or not all(NUMBER.match(row[place]) for row in self.rows)

    def markdown(self) -> str:
        """Format the table as Markdown."""
        lines = [self.headers, ["---"] * len(self.headers), *self.rows]
        escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
        return "".join(f"| {' | '.join(line)} |\n" for line in escaped)

    def frame(self) -> pd.DataFrame:
        """Return the text as a frame."""
        return pd.DataFrame(self.rows, columns=pd.Index(self.headers))


def lay_out(
    labels: Sequence[str],
    columns: Mapping[Key, str],
    rows: Iterable[tuple[Sequence[str], Mapping[Key, str]]],
    *,
    title: str = "",
) -> TextTable:
    """Lay out rows, each of labels and of cells by column; `columns` holds the head of each, and a missing cell is '–'."""
    return TextTable(
        headers=[*labels, *columns.values()], labels=len(labels), title=title,
        rows=[[*names, *(cells.get(column, "–") for column in columns)] for names, cells in rows],
    )  # fmt: skip


def frame_table(frame: pd.DataFrame, labels: int, *, name: str = "", title: str = "", note: str = "") -> TextTable:
    """Convert a frame to text."""
    rows = [[str(value) for value in row] for row in frame.itertuples(index=False)]
    headers = [str(column) for column in frame.columns]
    return TextTable(headers=headers, rows=rows, labels=labels, name=name, title=title, note=note)


def format_mean(mean: float | None, error: float | None = None, digits: int = 3, *, sign: str = "") -> str:
    """Format a mean and, if there is one, its error: half of an interval, or a deviation; '–' without a mean.

    With sign '+', positive numbers have a sign too.
    """
    if mean is None:
        return "–"
    return f"{mean:{sign}.{digits}f}" + ("" if error is None or np.isnan(error) else f" ±{error:.{digits}f}")


def format_difference(difference: float | None, p: float | None) -> str:
    """Format a cell of a heat map: a difference, and * if it is significant; '' without a difference."""
    if difference is None or np.isnan(difference):
        return ""
    return f"{difference:+.2f}" + ("*" if p is not None and p < SIGNIFICANCE else "")


def format_estimate(estimate: Estimate | None, digits: int = 3) -> str:
    """Format a mean and, if known, the half-width of its 95 % interval."""
    return "–" if estimate is None else format_mean(estimate.mean, estimate.ci95_half_width, digits)


def label(fact: str, value: Any, varied: VariedTable) -> str:
    """Return the value of a fact as text, with a default for a missing one."""
    return varied.unset(fact) if pd.isna(value) else str(as_int(value))


def as_int(value: Any) -> Any:
    """Convert a whole number to int, such as 10.0 in a column with missing values."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) >= 1 else value


def cross_table(
    found: pd.DataFrame,
    rows: Sequence[str],
    columns: Sequence[str],
    metrics: MetricTable,
    varied: VariedTable,
    metric: str = "",
) -> TextTable:
    """Lay out estimates: `rows` down, `columns` across, each cell its 'cell' or mean ± error.

    `metric` names the metric of estimates without a column of it. Several facts across keep their order; one is sorted.
    """
    names = found["metric"].tolist() if "metric" in found else [metric] * len(found)
    if "cell" not in found:
        values = zip(found["mean"], found[error_column(found)], names, strict=True)
        found = found.assign(cell=[format_mean(m, error, metrics.digits(name, m)) for m, error, name in values])
    across, down = (
        [
            tuple(label(name, value, varied) for name, value in zip(names, place, strict=True))
            for place in _places(found, names)
        ]
        for names in (columns, rows)
    )
    heads = {
        across[i]: " ".join(_titles(columns, across[i], metrics)).replace("_", " ")
        for i in _order(found, columns, varied)
    }
    if not columns:
        heads = {(): metrics.title(metric) if metric else "value"}
    by_row: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
    for row, column, text in zip(down, across, found["cell"], strict=True):
        by_row.setdefault(row, {})[column] = text
    return lay_out(rows, heads, ((_titles(rows, row, metrics), cells) for row, cells in by_row.items()))


def _places(found: pd.DataFrame, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the values of these facts by estimate."""
    return list(zip(*(found[name] for name in names), strict=True)) if names else [()] * len(found)


def _titles(names: Sequence[str], values: Sequence[str], metrics: MetricTable) -> list[str]:
    """Return the values of facts with the titles of metrics."""
    return [metrics.title(value) if name == "metric" else value for name, value in zip(names, values, strict=True)]


def _order(found: pd.DataFrame, columns: Sequence[str], varied: VariedTable) -> list[int]:
    """Return the places of estimates in the order of their columns."""
    places = list(range(len(found)))
    if len(columns) != 1:
        return places
    values = [varied.unset(columns[0]) if pd.isna(value) else value for value in found[columns[0]]]
    return sorted(places, key=lambda place: (isinstance(values[place], str), values[place]))


def add_unmeasured(table: TextTable, runs: pd.DataFrame) -> TextTable:
    """Add a row for each run without scores, with its status after the method's name."""
    facts = table.headers[: table.labels]
    name = facts.index("method") if "method" in facts else 0
    added = []
    for _, run in runs.iterrows():
        names = [str(as_int(run[fact])) if fact in run and pd.notna(run[fact]) else "–" for fact in facts]
        names[name] = f"{names[name]} ({run['status']})"
        added.append([*names, *["–"] * (len(table.headers) - len(names))])
    return replace(table, rows=[*table.rows, *added])


def error_column(found: pd.DataFrame | Mapping[str, Any]) -> str:
    """Return the column with the error of each mean: half of a 95 % interval, or a standard deviation."""
    return "ci95_half_width" if "ci95_half_width" in found else "deviation"
