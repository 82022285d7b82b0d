"""What all boards of a suite say together: one order over datasets, wins, gains, disagreement, spread. Pure.

Matrices of pairs, made of leaderboards that somebody could read them of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.accuracy import MAIN
from sslbench.analysis.statistics.protocol_agreement import Flip, correlations, flips
from sslbench.analysis.statistics.rank_aggregation import Order, order_of
from sslbench.analysis.statistics.variance_components import seeds_needed
from sslbench.analysis.statistics.win_matrix import gain_summary, welch_win_matrix, win_matrix
from sslbench.leaderboard.standings.board import Board, make_board, make_field
from sslbench.leaderboard.standings.disk_list import DiskList
from sslbench.leaderboard.standings.entries import (
    REPORTED_METRIC,
    EntryResult,
    Place,
    matching_supervised,
    supervised_rows,
)
from sslbench.leaderboard.submission.suite import Suite
from sslbench.leaderboard.submission.versions import InstalledProtocol, current_name, version_note

MAX_COMPARED = 200
"""Entries of a suite up to which pairs are put into matrices, and that a image shows: a larger one nobody reads."""
CAUSES = ("pretraining", "subset", "probe", "rest")
RankedResults = Mapping[Place, Sequence[EntryResult]]
"""Ranked ones of every board, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AcrossBoards:
    """Comparisons over boards; of very many entries there are none. Orders are by protocol and metric."""

    orders: Mapping[Place, Order] = field(default_factory=dict)
    wins: pd.DataFrame = field(default_factory=pd.DataFrame)
    welch: pd.DataFrame = field(default_factory=pd.DataFrame)
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    flips: tuple[tuple[str, Flip], ...] = ()
    spread: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SuiteBoards:
    """Everything that a suite's tables and pages show: how many runs, every board by name, and those together.

    `reported` is what the metric that nothing submitted shows is called today; `versions` says which protocols are outdated.
    """

    suite: Suite
    runs: int
    boards: tuple[Board, ...]
    across: AcrossBoards
    reported_metric: str = REPORTED_METRIC
    versions: str = ""


def make_suite_boards(
    suite: Suite, runs: int, lines: Mapping[Place, DiskList[EntryResult]], installed: Mapping[str, InstalledProtocol]
) -> SuiteBoards:
    """Compare all entries of a suite."""
    every = tuple(make_board(suite, place, own) for place, own in sorted(lines.items(), key=lambda one: one[0]))
    return SuiteBoards(
        suite=suite, runs=runs, boards=every, across=compare_boards(every),
        reported_metric=current_name(suite, REPORTED_METRIC, installed), versions=version_note(suite, installed),
    )  # fmt: skip


def compare_boards(boards: Sequence[Board]) -> AcrossBoards:
    """Compare the ranked entries of all boards."""
    if _has_too_many_entries(boards):
        return AcrossBoards()
    lines = {
        (board.dataset, board.protocol): [line for line in board.results if line.entry.is_ranked] for board in boards
    }
    ranked = {place: own for place, own in lines.items() if own}
    predicting = {place: [line for line in own if line.main == MAIN] for place, own in ranked.items()}
    values = {
        (line.entry.name, " ".join(place)): line.values[MAIN]
        for place, own in predicting.items()
        for line in sorted(own, key=lambda line: line.entry.name)
    }
    agreement, flipped = _disagreement(ranked)
    return AcrossBoards(
        orders=_orders(ranked), wins=win_matrix(values), welch=welch_win_matrix(values),
        gains=_gains(predicting, {key: float(np.mean(own)) for key, own in values.items()}),
        agreement=agreement, flips=flipped, spread=_spread(predicting),
    )  # fmt: skip


def _has_too_many_entries(boards: Sequence[Board]) -> bool:
    """Whether more entries are ranked, on any board, than are compared pair by pair."""
    names = set[str]()
    for line in chain.from_iterable(board.results for board in boards):
        if line.entry.is_ranked:
            names.add(line.entry.name)
        if len(names) > MAX_COMPARED:
            return True
    return False


def _orders(ranked: RankedResults) -> dict[Place, Order]:
    """One order over datasets, by protocol and metric, where there are several datasets."""
    cells: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for (dataset, protocol), own in ranked.items():
        for line in own:
            for metric, values in line.values.items():
                cells[protocol, metric][dataset][line.entry.name] = float(np.mean(values))
    return {
        place: order_of(pd.DataFrame(datasets).sort_index())
        for place, datasets in sorted(cells.items())
        if len(datasets) > 1
    }


def _gains(predicting: RankedResults, means: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Relative gains of macro accuracy, each over the supervised row that its gap is told of."""
    references = {}
    for place, own in predicting.items():
        experiment, beside = " ".join(place), supervised_rows(own)
        for line in own:
            if (other := matching_supervised(line.entry, beside)) is not None:
                references[line.entry.name, experiment] = means[other.entry.name, experiment]
    return gain_summary(means, references)


def _disagreement(ranked: RankedResults) -> tuple[pd.DataFrame, tuple[tuple[str, Flip], ...]]:
    """Rank correlations of protocols, and pairs that they order oppositely, dataset by dataset."""
    tables, turned = [], []
    fields = {place: make_field(own) for place, own in ranked.items()}
    for dataset in dict.fromkeys(of for of, _ in fields):
        there = {protocol: field for (of, protocol), field in fields.items() if of == dataset}
        scores = pd.DataFrame({p: pd.Series(dict(zip(f.names, f.scores, strict=True))) for p, f in there.items()})
        tables.append(correlations(scores.sort_index()).assign(dataset=dataset))
        turned += [(dataset, flip) for flip in flips(there)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), tuple(turned)


def _spread(predicting: RankedResults) -> pd.DataFrame:
    """Deviations of micro accuracy by cause, and the seeds that would tell an entry from the next one below it."""
    found = []
    for (dataset, protocol), board in predicting.items():
        for line, below in zip(board, [*board[1:], None], strict=False):
            variances = [getattr(line.spread, cause, None) for cause in CAUSES]
            found.append({
                "dataset": dataset, "protocol": protocol, "entry": line.entry.name,
                **dict(zip(CAUSES, map(_deviation, variances), strict=True)),
                "next": below.entry.name if below else "", "seeds": len(line.values[MAIN]),
                "seeds_needed": seeds_needed(line.values[MAIN], below.values[MAIN]) if below else None,
            })  # fmt: skip
    return pd.DataFrame(found).astype({"seeds_needed": "Int64"}) if found else pd.DataFrame()


def _deviation(variance: float | None) -> float | None:
    return None if variance is None else float(np.sqrt(variance))
