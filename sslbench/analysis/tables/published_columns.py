"""Join published numbers with a study's own, by the facts and axes that their file names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sslbench.analysis.tables.text_tables import error_column, format_mean
from sslbench.api.targets import KINDS
from sslbench.catalog.metrics import MetricTable
from sslbench.results.varied import VariedTable

NUMBER_COLUMNS = ("value", "spread", "min", "max")
VALUE_COLUMNS = (*NUMBER_COLUMNS, "source", "lost", "digits")
COUNT_METRICS = ("samples", "labels", "kept")
"""Values of `metric` in a published file that are counts."""
ADDED = ("published", "published_spread", "published_min", "published_max", "difference", "published_lost")


def metric_range(name: str, metrics: MetricTable) -> tuple[float, float]:
    """Return the range of published values of a metric; one that is not installed, such as a gain, has no limits."""
    if name in COUNT_METRICS:
        return 0.0, math.inf
    if name in KINDS["class"].each:
        return 0.0, 1.0
    return metrics.find(name).low, metrics.find(name).high


def is_share(name: str, metrics: MetricTable) -> bool:
    """Return whether differences of a metric are stated in points of a hundred."""
    low, high = metric_range(name, metrics)
    return low >= -1 and high <= 1


def add_published(
    found: pd.DataFrame,
    fixed: Mapping[str, Any],
    published: pd.DataFrame,
    varied: VariedTable,
    measured: str = "mean",
) -> pd.DataFrame:
    """Add the columns ADDED; they are empty if nothing was published.

    `published_lost` marks a published number that can no longer be read.
    """
    joined = [name for name in published.columns if name not in VALUE_COLUMNS]
    numbers = [({n: row[n] for n in joined if row[n]}, row) for row in to_dicts(published)]
    rows = []
    for _, row in found.iterrows():
        place = {name: _as_text(value, varied.unset(name, "")) for name, value in {**fixed, **row}.items()}
        matching = (n for n in numbers if all(place.get(name) == _as_text(value) for name, value in n[0].items()))
        own: Mapping[str, Any] = next(matching, ({}, {}))[1]
        values = [own.get(name) for name in NUMBER_COLUMNS]
        gap = None if values[0] is None else row[measured] - values[0]
        rows.append([*values, gap, own.get("lost", False)])
    added = pd.DataFrame(rows, index=found.index, columns=[*ADDED])
    return pd.concat([found, added.astype(dict.fromkeys(ADDED[:-1], float))], axis=1)


def format_score(row: Mapping[str, Any], digits: int, *, in_points: bool = True) -> str:
    """Format our mean and error and, if there is one, the published number and the difference."""
    gap = row.get("difference", math.nan)
    text = f"{100 * gap:+.1f} points" if in_points else f"{gap:+.{digits}f}"
    return format_mean(row["mean"], row[error_column(row)], digits) + format_added(row, digits, f", {text}")


def format_added(row: Mapping[str, Any], digits: int, ending: str = "", *, suffix: str = "") -> str:
    """Format the published number that was added to a row; '' if there is none. `suffix` follows the names of ADDED."""
    if row.get(f"published_lost{suffix}"):
        return " (published number lost)"
    values = [row.get(f"{name}{suffix}") for name in ADDED[: len(NUMBER_COLUMNS)]]
    if pd.isna(values[0]):
        return ""
    return f" (published {format_published(dict(zip(NUMBER_COLUMNS, values, strict=True)), digits)}{ending})"


def format_published(row: Mapping[str, Any], digits: int) -> str:
    """Format a published number with its deviation and its range, if they are given."""
    text = format_mean(row["value"], row["spread"], digits)
    return text if pd.isna(row["min"]) else f"{text} ({row['min']:.{digits}f} to {row['max']:.{digits}f})"


def format_count(row: Mapping[str, Any], ours: str) -> str:
    """Format a count and, if there is one, the published count and the difference."""
    if row["published_lost"]:
        return f"{ours} (published number lost)"
    if pd.isna(row["published"]):
        return ours
    return f"{ours} (published {row['published']:,.0f}, {row['difference']:+,.0f})"


def to_dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as dictionaries by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _as_text(value: Any, unset: str = "") -> str:
    """Return a value in the notation that both sides share, or the text for a missing one."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return unset
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)
