"""Make the tables of a suite with one row per class, label or number of every entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sslbench.analysis.statistics.class_differences import recall_half_widths
from sslbench.api.targets import KINDS
from sslbench.leaderboard.standings.across_boards import SuiteBoards
from sslbench.leaderboard.standings.board import Board
from sslbench.leaderboard.standings.class_bias import ClassBias
from sslbench.leaderboard.standings.entries import test_codes
from sslbench.leaderboard.submission.suite import SuiteData

Value = TypeVar("Value")
ENTRIES_PER_PART = 1000
"""Entries per data frame, which limits the memory of a table."""
RECALL = "recall"
"""Metric of classes; those of labels and numbers have tables of their own."""


def csv_name(suite: str, table: str, metric: str) -> str:
    """Return the file name of a table; that of recalls has no metric in its name."""
    return f"{suite}-{table}.csv" if metric == RECALL else f"{suite}-{table}-{metric}.csv"


def metrics_by_name(boards: Sequence[Board]) -> list[str]:
    """List the metrics of labels and numbers that any entry has."""
    return list(dict.fromkeys(line.metric_by_name for board in boards for line in board.results if line.labels))


def count_by_name(data: SuiteData) -> NDArray[np.int64]:
    """Count the test samples of every class, the positive ones of every label, or those with a known number [C]."""
    kind = KINDS[data.target]
    if kind.name in ("class", "none"):
        return kind.count(test_codes(data)[0], data.classes)
    rows = [row for test in data.tests.values() for row in test.vectors]
    return kind.count(np.array(rows, np.float64).reshape(len(rows), len(data.classes)), data.classes)


def _unit(metric: str) -> str:
    return "class" if metric == RECALL else "name"


def split_entries(values: Iterable[tuple[Board, Iterable[Value]]]) -> Iterator[tuple[Board, list[Value]]]:
    """Yield the values of every board in parts of at most ENTRIES_PER_PART."""
    for board, own in values:
        every = iter(own)
        yield from ((board, part) for part in iter(lambda: list(islice(every, ENTRIES_PER_PART)), []))  # noqa: B023


def class_frames(boards: SuiteBoards) -> Iterator[pd.DataFrame]:
    """Yield frames with one row per entry, dataset, protocol and class.

    Columns: mean recall, half the width of its interval over seeds and test samples, and the number of test samples.
    """
    answered = ((board, (one for one in board.results if one.answered is not None)) for board in boards.boards)
    for board, lines in split_entries(answered):
        data = boards.suite.datasets[board.dataset]
        codes = test_codes(data)[0]
        counts = np.bincount(codes, minlength=len(data.classes))
        rows = [line.answered for line in lines if line.answered is not None]
        entries = np.array([line.entry.name for line in lines], object)
        yield pd.DataFrame({
            "dataset": board.dataset, "protocol": board.protocol, "entry": np.repeat(entries, len(counts)),
            "class": np.tile(np.array(data.classes, object), len(lines)),
            "recall": np.concatenate([row.recalls.mean(0) for row in rows]),
            "ci95_half_width": np.concatenate([recall_half_widths(row, codes) for row in rows]),
            "samples": np.tile(counts, len(lines)),
        })  # fmt: skip


def name_frames(boards: SuiteBoards, metric: str) -> Iterator[pd.DataFrame]:
    """Yield frames with one row per entry, dataset, protocol and label or number.

    Columns: the metric, half the width of its interval over seeds and test samples, and the number of test samples: positive
    ones of a label, or those with a known number.
    """
    labeled = (
        (board, (line for line in board.results if line.labels and line.labels.metric == metric))
        for board in boards.boards
    )
    for board, lines in split_entries(labeled):
        data = boards.suite.datasets[board.dataset]
        counts = count_by_name(data)
        rows = [line.labels for line in lines if line.labels]
        entries = np.array([line.entry.name for line in lines], object)
        yield pd.DataFrame({
            "dataset": board.dataset, "protocol": board.protocol, "entry": np.repeat(entries, len(counts)),
            "name": np.tile(np.array(data.classes, object), len(lines)),
            metric: np.concatenate([row.scores for row in rows]),
            "ci95_half_width": np.concatenate([row.half_widths for row in rows]),
            "samples": np.tile(counts, len(lines)),
        })  # fmt: skip


def bias_frames(
    boards: Sequence[Board], metric: str, rows_of: Callable[[Board], Iterable[ClassBias]]
) -> Iterator[pd.DataFrame]:
    """Yield frames with one row per entry, dataset, protocol and class, label or number.

    Columns: recall or the metric, difference from the other row, and p corrected by Holm.
    """
    chosen = ((board, (one for one in rows_of(board) if one.metric == metric)) for board in boards)
    for board, some in split_entries(chosen):
        sizes = [len(one.names) for one in some]
        names = {"entry": [one.entry.name for one in some], "against": [one.against for one in some]}
        yield pd.DataFrame({
            "dataset": board.dataset, "protocol": board.protocol,
            **{name: np.repeat(np.array(values, object), sizes) for name, values in names.items()},
            _unit(metric): [name for one in some for name in one.names],
            metric: np.concatenate([one.recalls for one in some]), "gap": np.concatenate([one.gaps for one in some]),
            "p_holm": np.concatenate([one.ps for one in some]),
        })  # fmt: skip
