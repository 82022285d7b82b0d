"""Read and check a study's file of published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sslbench.analysis.tables.published_columns import NUMBER_COLUMNS, VALUE_COLUMNS, metric_range
from sslbench.analysis.tables.selection import SCORE_FACTS
from sslbench.api.errors import RequestError
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.metrics import MetricTable
from sslbench.study.definition import Study


def read_published(path: Path) -> pd.DataFrame:
    """Read a CSV file of published numbers.

    Columns: metric and value (or 'lost'), and optionally spread, min, max, source, facts and axes ('': any). Adds the
    columns `lost`, and `digits`: the decimal places of the numbers as written. Raises RequestError for a file that cannot be
    read, a missing column, a value that is not a number, or a minimum without a maximum.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RequestError(
            [f"published={path}: cannot be read as CSV ({' '.join(str(error).split())}). Correct the study's file"]
        ) from error
    if missing_columns := [name for name in ("metric", "value") if name not in frame]:
        raise RequestError(
            [f"published={path}: has no column {missing_columns[0]!r}, only {', '.join(frame.columns)}. Add it"]
        )
    written = [frame[name] for name in NUMBER_COLUMNS if name in frame]
    decimals = [[len(text.partition(".")[2]) for text in column] for column in written]
    frame["digits"] = [max(own) for own in zip(*decimals, strict=True)]
    for name in NUMBER_COLUMNS:
        given = frame[name] if name in frame else pd.Series("", index=frame.index)
        numbers = pd.to_numeric(given.replace("", None), errors="coerce")
        missing = given.isin(["lost"] if name == "value" else [""])
        wrong = numbers.isna() & ~missing
        if wrong.any():
            raise RequestError([f"published: {path}: {name} {given[wrong].iloc[0]!r}: must be a number"])
        if name == "value":
            frame["lost"] = missing
        frame[name] = numbers
    for value, low, high in zip(frame["value"], frame["min"], frame["max"], strict=True):
        if pd.isna(low) != pd.isna(high) or low > high:
            raise RequestError([f"published: {path}: min and max of {value:g}: must be two numbers in ascending order"])
    return frame


def published_problems(study: Study, metrics: MetricTable, varied: Sequence[str]) -> list[str]:
    """List problems of a study's file of published numbers and of the tables that show it.

    varied: settings that protocols vary.
    """
    if study.published is None:
        return [f"tables[{t.name}]: source=published needs a file. Set published in the study"
                for t in study.tables if t.source == "published"]  # fmt: skip
    try:
        frame = read_published(study.published)
    except RequestError as error:
        return list(error.problems)
    known = (
        *VALUE_COLUMNS,
        *SCORE_FACTS,
        *varied,
        "scale",
        "member",
        "class",
        "over",
        *(axis.name for axis in study.axes),
        *study.dropped,
    )
    problems = [
        f"published: column {name!r} is neither an axis nor a fact{did_you_mean(name, known)}"
        for name in frame.columns
        if name not in known
    ]
    problems += _values_out_of_range(frame, metrics)
    for table in [table for table in study.tables if table.source == "published"]:
        missing = [name for name in (*table.rows, *table.columns) if name not in frame]
        problems += [f"tables[{table.name}]: the published numbers have no column {name!r}" for name in missing]
    return problems


def _values_out_of_range(frame: pd.DataFrame, metrics: MetricTable) -> list[str]:
    """List the first value outside the range of its metric; see `metric_range`."""
    for column in ("value", "min", "max"):
        for name, value in zip(frame["metric"], frame[column], strict=True):
            low, high = metric_range(name, metrics)
            if value < low or value > high:
                return [f"published: {name} {value:g}: must be a number from {low:g} to {high:g}"]
    return []
