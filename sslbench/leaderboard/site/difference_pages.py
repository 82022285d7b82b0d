"""Prepare the page of each board with the differences of its entries, class by class, to the best and supervised ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.tables.text_tables import format_difference
from sslbench.leaderboard.standings.across_boards import MAX_COMPARED, SuiteBoards
from sslbench.leaderboard.standings.board import Board
from sslbench.leaderboard.standings.class_bias import ClassBias, count_worse_classes
from sslbench.leaderboard.standings.disk_list import DiskList
from sslbench.leaderboard.standings.entries import STABLE_DIGITS, Place

GAP_STEPS = 10
"""Color steps of a difference in either direction."""
MIN_LIMIT, MAX_LIMIT = 0.05, 1.0
"""Limits on the difference that has the strongest color."""


def difference_files(boards: Sequence[Board]) -> dict[Place, str]:
    """Return the path below the suite of the page of each board that compares at least two entries."""
    files: dict[Place, str] = {}
    for board in boards:
        if len(board.to_best):
            name = re.sub(r"[^A-Za-z0-9._+-]+", "-", f"{board.dataset}-{board.protocol}")
            while f"differences/{name}.html" in files.values():
                name += "~"
            files[board.dataset, board.protocol] = f"differences/{name}.html"
    return files


def difference_pages(boards: SuiteBoards) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path below the suite and the content of every page: heat maps against the best and supervised entries."""
    files = difference_files(boards.boards)
    for board in boards.boards:
        if (place := (board.dataset, board.protocol)) in files:
            supervised = board.bias.take([row for row, one in enumerate(board.bias) if one.against])
            names = boards.suite.datasets[board.dataset].classes
            yield files[place], {
                "board": board, "metric": board.to_best[0].metric, "best": board.to_best[0].against,
                "to_best": _heat_map(board.to_best, names),
                "to_supervised": _heat_map(supervised, names),
            }  # fmt: skip


def _heat_map(rows: DiskList[ClassBias], names: Sequence[str]) -> dict[str, Any]:
    """Return the first MAX_COMPARED rows with a cell per class, the largest losses first, and counts of worse classes."""
    shown = list(rows[:MAX_COMPARED])
    gaps, ps = (_as_matrix(shown, names, field) for field in ("gaps", "ps"))
    known = np.flatnonzero(~np.isnan(gaps).all(0))
    gaps, ps = gaps[:, known].round(STABLE_DIGITS), ps[:, known]
    columns = [names[place] for place in known.tolist()]
    order = np.lexsort((np.array(columns), np.nansum(gaps, 0).round(STABLE_DIGITS))).tolist()
    limit = float(np.clip(np.nanmax(np.abs(gaps)), MIN_LIMIT, MAX_LIMIT)) if gaps.size else MIN_LIMIT
    return {
        "classes": [columns[place] for place in order], "often_worse": count_worse_classes(rows),
        "more": len(rows) - len(shown),
        "rows": [
            (row, [_cell(gaps[line, place], ps[line, place], limit) for place in order]) for line, row in enumerate(shown)
        ],
    }  # fmt: skip


def _as_matrix(rows: Sequence[ClassBias], names: Sequence[str], field: str) -> NDArray[np.float64]:
    """Return the differences or p of every row and class [R, C]; nan where unknown."""
    codes = {name: code for code, name in enumerate(names)}
    found = np.full((len(rows), len(names)), np.nan)
    for line, row in enumerate(rows):
        found[line, [codes[name] for name in row.names]] = getattr(row, field)
    return found


def _cell(gap: float, p: float, limit: float) -> dict[str, Any]:
    step = 0 if np.isnan(gap) else round(min(abs(gap) / limit, 1.0) * GAP_STEPS)
    return {
        "text": format_difference(gap, p) or "–",
        "color": f"{'gain' if gap > 0 else 'loss'}-{step}" if step else "",
    }
