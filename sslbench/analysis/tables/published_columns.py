"""Join published numbers with a study's own, by the facts and axes that their file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sslbench.analysis.tables.text_tables import error_column, format_mean
from sslbench.results.varied import VariedTable

VALUE_COLUMNS = ("value", "spread", "source", "lost")
COUNT_METRICS = ("samples", "labels", "kept")
"""Values of `metric` in a published file that are counts; every other metric lies in [0, 1]."""


def add_published(
    found: pd.DataFrame,
    fixed: Mapping[str, Any],
    published: pd.DataFrame,
    varied: VariedTable,
    measured: str = "mean",
) -> pd.DataFrame:
    """Add columns `published`, `published_spread`, `difference` and `published_lost`; empty if nothing was published.

    `published_lost` marks a published number that can no longer be read.
    """
    joined = [name for name in published.columns if name not in VALUE_COLUMNS]
    numbers = [
        ({n: row[n] for n in joined if row[n]}, row["value"], row["spread"], row["lost"]) for row in to_dicts(published)
    ]
    rows = []
    for _, row in found.iterrows():
        place = {name: _as_text(value, varied.unset(name, "")) for name, value in {**fixed, **row}.items()}
        matching = (n for n in numbers if all(place.get(name) == _as_text(value) for name, value in n[0].items()))
        _, value, spread, is_lost = next(matching, ({}, None, None, False))
        gap = None if value is None else row[measured] - value
        rows.append({"published": value, "published_spread": spread, "difference": gap, "published_lost": is_lost})
    added = pd.DataFrame(
        rows, index=found.index, columns=["published", "published_spread", "difference", "published_lost"]
    )
    return pd.concat([found, added.astype(dict.fromkeys(added.columns[:3], float))], axis=1)


def format_score(row: Mapping[str, Any], digits: int) -> str:
    """Format our mean and error and, if there is one, the published number and the difference in points."""
    ours = format_mean(row["mean"], row[error_column(row)], digits)
    if row["published_lost"]:
        return f"{ours} (published number lost)"
    if pd.isna(row["published"]):
        return ours
    published = format_mean(row["published"], row["published_spread"], digits)
    return f"{ours} (published {published}, {100 * row['difference']:+.1f} points)"


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
