"""Make a suite's tables as CSV and Markdown.

Numbers are rounded here, so that builds on two machines give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sslbench.analysis.statistics.intervals import mean_over_seeds
from sslbench.analysis.statistics.shared_ranks import RankedScore
from sslbench.analysis.tables.text_tables import TextTable, format_mean
from sslbench.api.metrics import Metric
from sslbench.leaderboard.site.tables_by_name import (
    bias_frames,
    class_frames,
    csv_name,
    metrics_by_name,
    name_frames,
    split_entries,
)
from sslbench.leaderboard.standings.across_boards import AcrossBoards, SuiteBoards
from sslbench.leaderboard.standings.board import Board, BoardRow
from sslbench.leaderboard.standings.class_bias import ClassBias
from sslbench.leaderboard.standings.columns import ScoreColumn, SuiteMetrics
from sslbench.leaderboard.submission.suite import Suite
from sslbench.results.marks import with_marks

Values = NDArray[np.float64]
DIGITS = 4
P_COLUMNS = ("p", "p_holm")
"""Columns of p values, written with two significant digits."""
MAX_SHOWN = 500
"""Rows of a board on pages, in addition to baselines; the CSV has every row."""
BEGIN, END = "<!-- leaderboard: {name} -->", "<!-- /leaderboard: {name} -->"
BIAS_TABLES: Mapping[str, Callable[[Board], Iterable[ClassBias]]] = {
    "bias": lambda board: board.bias, "differences": lambda board: board.to_best
}  # fmt: skip
"""Tables of classes that are compared with those of another row, by the end of their file names."""


def make_tables(boards: SuiteBoards) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield (file name, parts of its text) of every table of a suite."""
    suite, every, across = boards.suite, boards.boards, boards.across
    name = suite.name
    yield f"{name}.csv", _texts(board_frames(every, boards.metrics))
    yield f"{name}.md", [board_markdown(boards)]
    yield f"{name}-classes.csv", _texts(class_frames(boards))
    for metric in metrics_by_name(every):
        yield csv_name(name, "classes", metric), _texts(name_frames(boards, metric))
    for table, rows_of in BIAS_TABLES.items():
        for metric in dict.fromkeys(one.metric for board in every for one in islice(rows_of(board), 1)):
            yield csv_name(name, table, metric), _texts(bias_frames(every, metric, rows_of))
    if any(line.curve for board in every for line in board.results):
        yield f"{name}-labels.csv", _texts(label_frames(every, boards.metrics.main.name))
    for title, made in (
        ("order", order_frame(across)), ("wins", wins_frame(across.wins)), ("wins-welch", wins_frame(across.welch)),
        ("gains", across.gains), ("protocols", across.agreement), ("flips", flip_frame(across)), ("spread", across.spread),
    ):  # fmt: skip
        if len(made):
            yield f"{name}-{title}.csv", [csv(made)]


def _texts(frames: Iterable[pd.DataFrame]) -> Iterator[str]:
    """Yield the CSV text of a table part by part; an empty line if there are no frames."""
    place = 0
    for place, frame in enumerate(frames, 1):
        yield csv(frame, header=place == 1)
    if not place:
        yield "\n"


def csv(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Format a frame as CSV with rounded numbers and the same line endings on every system."""
    rounded = frame.round({name: DIGITS for name in frame.columns if name not in P_COLUMNS})
    for name in rounded.columns:
        if name in P_COLUMNS:
            rounded[name] = rounded[name].map(lambda p: float(f"{p:.2g}"), na_action="ignore")
        elif rounded[name].dtype.kind == "O" or pd.api.types.is_string_dtype(rounded[name]):
            rounded[name] = rounded[name].map(_escape_formula, na_action="ignore")
    text: str = rounded.to_csv(index=False, header=header, lineterminator="\n")
    return text


def _escape_formula(value: object) -> object:
    """Quote a text that a spreadsheet would evaluate as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def board_frames(boards: Sequence[Board], metrics: SuiteMetrics) -> Iterator[pd.DataFrame]:
    """Yield frames with one row per entry, dataset and protocol, and one number per column."""
    for _, rows in split_entries((board, board.rows) for board in boards):
        frame = pd.DataFrame([_number_row(row, metrics) for row in rows])
        yield frame.astype(dict.fromkeys(("rank", "rank_low", "rank_high"), "Int64"))


def _number_row(row: BoardRow, metrics: SuiteMetrics) -> dict[str, Any]:
    entry, main = row.entry, row.standing
    found: dict[str, Any] = {
        "dataset": row.dataset, "protocol": row.protocol, "rank": main.rank if main else None,
        "rank_low": main.ranks[0] if main else None, "rank_high": main.ranks[1] if main else None, "entry": entry.name,
        "method": entry.method, "version": entry.version, "backbone": entry.backbone, "augmentation": entry.augmentation,
        "recipe": entry.recipe, "status": entry.status, "baseline": entry.baseline, "marks": entry.marks,
    }  # fmt: skip
    for column in metrics.scores:
        one, name = row.scores.get(column.stored_name), column.metric.name
        found |= {name: one.mean if one else None, f"{name}_ci95_half_width": one.ci95_half_width if one else None}
    found |= {
        "worst_class": row.worst[0] if row.worst else None, "worst_recall": row.worst[1] if row.worst else None,
        "to_supervised": row.gap[0] if row.gap else None, "to_supervised_ci95_half_width": row.gap[1] if row.gap else None,
        **{one.metric.name: entry.reported.get((row.dataset, one.stored_name)) for one in metrics.reported},
        "seconds": entry.seconds,
        "verification": entry.verification, "run": entry.run,
    }  # fmt: skip
    return found


def format_row(row: BoardRow, metrics: SuiteMetrics) -> dict[str, str]:
    """Format one row for pages and Markdown."""
    entry, main = row.entry, row.standing
    seconds = "–" if entry.seconds is None else f"{entry.seconds:.1f}"
    own, others = ({c.title: _format_score(row, c) for c in some} for some in split_columns(metrics))
    return {
        "rank": format_rank(main) if main else f"({entry.status})", "entry": with_marks(entry.name, entry.marks), **own,
        "worst class": f"{row.worst[1]:.3f} ({row.worst[0]})" if row.worst else "–",
        "to supervised": format_mean(*row.gap, sign="+") if row.gap else "–", **others,
        "s per training": seconds, "verification": entry.verification,
    }  # fmt: skip


def split_columns(metrics: SuiteMetrics) -> tuple[list[ScoreColumn], list[ScoreColumn]]:
    """Return the columns of a protocol's own predictions, and those of encoders, which come later."""
    own = [column for column in metrics.columns if not column.of_encoders]
    return own, [column for column in metrics.columns if column.of_encoders]


def column_value(row: BoardRow, column: ScoreColumn) -> float | None:
    """Return the value of a row in a column; None if it has none."""
    if column.is_reported:
        return row.entry.reported.get((row.dataset, column.stored_name))
    return row.scores[column.stored_name].mean if column.stored_name in row.scores else None


def _format_score(row: BoardRow, column: ScoreColumn) -> str:
    value, scored = column_value(row, column), row.scores.get(column.stored_name)
    half = scored.ci95_half_width if scored and not column.is_reported else None
    return format_mean(value, half, column.metric.digits)


def format_rank(standing: RankedScore) -> str:
    """Format a shared rank and the range of ranks that remain possible."""
    low, high = standing.ranks
    return f"{standing.rank}" if low == high == standing.rank else f"{standing.rank} ({low}–{high})"


def board_markdown(boards: SuiteBoards) -> str:
    """Format every board of a suite as one Markdown text."""
    suite = boards.suite
    parts = [f"# {suite.name}\n\n{suite.summary}\n", *([f"{boards.versions}\n"] if boards.versions else [])]
    for board in boards.boards:
        top = top_rows(board.rows)
        if top:
            cells = [format_row(row, boards.metrics) for row in top]
            table = _markdown([*cells[0]], (one.values() for one in cells))
            more = f"\n{len(board.rows) - len(top):,} more in {suite.name}.csv.\n" if len(board.rows) > len(top) else ""
            count = test_samples(suite, board.dataset)
            parts.append(f"## {board.dataset}, {board.protocol} ({count:,} test samples)\n\n{table}{more}")
    return "\n".join([*parts, describe_numbers(boards) + "\n"])


def test_samples(suite: Suite, dataset: str) -> int:
    """Count the test samples of all folds of a dataset."""
    return sum(test.size for test in suite.datasets[dataset].tests.values())


test_samples.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it


def describe_numbers(boards: SuiteBoards) -> str:
    """Explain the numbers of a suite's tables."""
    over_seeds = [column.metric.title for column in boards.metrics.without_samples]
    seeds = OVER_SEEDS.format(names=", ".join(over_seeds)) if over_seeds else ""
    reported = "".join(f" and {column.metric.title}" for column in boards.metrics.reported)
    return f"{NOTE}{seeds} {AS_REPORTED.format(reported=reported)}"


def top_rows(rows: Iterable[BoardRow]) -> list[BoardRow]:
    """Return the best MAX_SHOWN rows and every baseline."""
    return [row for place, row in enumerate(rows) if place < MAX_SHOWN or row.entry.baseline]


NOTE = (
    "± is the half-width of a 95 % interval, over seeds and test samples. Entries share a rank unless the interval of their "
    "paired difference excludes 0; the ranks in brackets are those that remain possible: below all entries that are "
    "significantly better, above all that are significantly worse. A trained entry with one seed is neither better nor worse "
    "than another: its interval covers the test samples of one training."
)
OVER_SEEDS = " Intervals of {names} are over seeds only, because such a number is not a mean over samples."
AS_REPORTED = (
    "Costs{reported} are as reported: they cannot be recomputed from submitted files, and they do not rank entries."
)
"""Explanation below every table, with the titles of metrics."""


def _markdown(headers: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Format rows as a Markdown table; their text is escaped."""
    return TextTable(headers=headers, rows=[[_escape_markdown(cell) for cell in row] for row in rows]).markdown()


def _escape_markdown(text: str) -> str:
    """Escape the markup of Markdown."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>|" else {"<": "&lt;", ">": "&gt;", "|": "&#124;"}[sign])
    return text


def label_frames(boards: Sequence[Board], metric: str) -> Iterator[pd.DataFrame]:
    """Yield frames with one row per entry, dataset, protocol and fraction of labels, if there are several."""
    for board, lines in split_entries((board, (line for line in board.results if line.curve)) for board in boards):
        yield pd.DataFrame([
            {"dataset": board.dataset, "protocol": board.protocol, "entry": line.entry.name, "share": share,
             metric: one.mean, f"{metric}_ci95_half_width": one.ci95_half_width, "seeds": len(values)}
            for line in lines for share, values in line.curve.items() for one in [mean_over_seeds(values)]
        ])  # fmt: skip


def order_frame(across: AcrossBoards) -> pd.DataFrame:
    """Return one order over datasets per protocol and metric, in long form."""
    frames = [
        order.rows.assign(protocol=protocol, metric=metric, experiments=len(order.experiments), p=order.p)
        for (protocol, metric), order in across.orders.items()
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def wins_frame(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return a matrix with its names as a column."""
    return matrix.reset_index(names="entry") if len(matrix) else matrix


def flip_frame(across: AcrossBoards) -> pd.DataFrame:
    """Return the pairs that two protocols order oppositely."""
    return pd.DataFrame([
        {"dataset": dataset, "first": flip.first, "second": flip.second, "prefers_first": flip.prefers_first,
         "prefers_second": flip.prefers_second}
        for dataset, flip in across.flips
    ])  # fmt: skip


def make_overview(boards: SuiteBoards) -> str:
    """Format the suite's metric of every entry and dataset under the first protocol that has it."""
    metric = boards.metrics.main
    protocol = next(
        (board.protocol for board in boards.boards for row in board.rows[:1] if metric.name in row.scores), ""
    )
    own = {board.dataset: board for board in boards.boards if board.protocol == protocol}
    ranks = {dataset: known for dataset, board in own.items() if (known := _ranks(board.rows, metric))}
    entries = list(dict.fromkeys(name for known in ranks.values() for name in known))
    if not entries:
        return "No ranked entry yet."
    mean = {name: sum(known.get(name, len(entries) + 1) for known in ranks.values()) / len(ranks) for name in entries}
    top = sorted(entries, key=lambda name: (mean[name], name))[:MAX_SHOWN]
    cells = {dataset: _standings(own[dataset].rows, set(top), metric) for dataset in ranks}
    table = _markdown(["entry", *ranks], ([name, *(cells[one].get(name, "–") for one in ranks)] for name in top))
    counts = ", ".join(f"{dataset} {test_samples(boards.suite, dataset):,}" for dataset in ranks)
    title = metric.name.replace("_", " ").capitalize()
    note = (
        f"{title}, {protocol}, ± the half-width of a 95 % interval over seeds and test samples ({counts}); the "
        "shared rank is in brackets, and rows are ordered by its mean."
    )
    if boards.versions:
        note += f" {boards.versions}"
    more = f"\n{len(entries) - MAX_SHOWN:,} more on the leaderboard's pages.\n" if len(entries) > MAX_SHOWN else ""
    return f"{table}{more}\n{note}"


def _ranks(rows: Iterable[BoardRow], metric: Metric) -> dict[str, int]:
    return {row.entry.name: row.standing.rank for row in rows if row.standing and metric.name in row.scores}


def _standings(rows: Iterable[BoardRow], names: Container[str], metric: Metric) -> dict[str, str]:
    ranked = ((row.entry.name, row.standing) for row in rows if row.entry.name in names and metric.name in row.scores)
    return {
        name: f"{format_mean(one.mean, one.ci95_half_width, metric.digits)} ({one.rank})" for name, one in ranked if one
    }


def replace_between_markers(text: str, name: str, table: str) -> str:
    """Replace the text between a suite's markers; without markers the text is unchanged."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if begin not in text or end not in text:
        return text
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n\n{table.strip()}\n\n{end}{rest.partition(end)[2]}"
