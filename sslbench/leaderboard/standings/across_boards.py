"""Compare entries across the boards of a suite: order, wins, gains, disagreement, spread. Performs no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.protocol_agreement import Flip, correlations, find_flips
from sslbench.analysis.statistics.rank_aggregation import RankAggregate, aggregate_ranks
from sslbench.analysis.statistics.variance_components import seeds_needed
from sslbench.analysis.statistics.win_matrix import gain_summary, win_matrix
from sslbench.leaderboard.standings.board import Board, make_board, make_field
from sslbench.leaderboard.standings.columns import SuiteMetrics
from sslbench.leaderboard.standings.disk_list import DiskList
from sslbench.leaderboard.standings.entries import EntryResult, Place, matching_supervised, supervised_rows
from sslbench.leaderboard.submission.suite import Suite
from sslbench.leaderboard.submission.versions import InstalledProtocol, version_note

MAX_COMPARED = 200
"""Maximum number of entries that are compared in pairs and drawn in a figure."""
WELCH_LEVEL = 0.05
CAUSES = ("pretraining", "subset", "probe", "rest")
RankedResults = Mapping[Place, Sequence[EntryResult]]
"""Ranked results by board, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AcrossBoards:
    """Comparisons over boards; all empty with more than MAX_COMPARED entries. `orders` are by protocol and metric."""

    orders: Mapping[Place, RankAggregate] = field(default_factory=dict)
    wins: pd.DataFrame = field(default_factory=pd.DataFrame)
    welch: pd.DataFrame = field(default_factory=pd.DataFrame)
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    flips: tuple[tuple[str, Flip], ...] = ()
    spread: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SuiteBoards:
    """The contents of a suite's tables and pages: number of runs, all boards, and comparisons across them.

    `versions` describes outdated protocols.
    """

    suite: Suite
    runs: int
    boards: tuple[Board, ...]
    across: AcrossBoards
    metrics: SuiteMetrics
    versions: str = ""


def make_suite_boards(
    suite: Suite, runs: int, results: Mapping[Place, DiskList[EntryResult]], metrics: SuiteMetrics,
    installed: Mapping[str, InstalledProtocol],
) -> SuiteBoards:  # fmt: skip
    """Compare all entries of a suite and return its boards."""
    every = tuple(make_board(suite, place, own) for place, own in sorted(results.items(), key=lambda one: one[0]))
    return SuiteBoards(
        suite=suite, runs=runs, boards=every, across=compare_boards(every, metrics), metrics=metrics,
        versions=version_note(suite, installed),
    )  # fmt: skip


def compare_boards(boards: Sequence[Board], metrics: SuiteMetrics) -> AcrossBoards:
    """Compare the ranked entries of all boards."""
    if _has_too_many_entries(boards):
        return AcrossBoards()
    results = {
        (board.dataset, board.protocol): [result for result in board.results if result.entry.is_ranked]
        for board in boards
    }
    ranked = {place: own for place, own in results.items() if own}
    predicting = {place: [result for result in own if result.answered is not None] for place, own in ranked.items()}
    values = {
        (result.entry.name, " ".join(place)): result.values[result.main.name]
        for place, own in predicting.items()
        for result in sorted(own, key=lambda result: result.entry.name)
    }
    signs = {1 if result.main.higher_is_better else -1 for own in predicting.values() for result in own[:1]} or {1}
    merits = {key: [min(signs) * value for value in own] for key, own in values.items()}
    agreement, flipped = _disagreement(ranked)
    return AcrossBoards(
        orders=_orders(ranked, metrics), wins=win_matrix(merits), welch=win_matrix(merits, WELCH_LEVEL),
        gains=_gains(predicting, {key: float(np.mean(own)) for key, own in values.items()}),
        agreement=agreement, flips=flipped, spread=_spread(predicting),
    )  # fmt: skip


def _has_too_many_entries(boards: Sequence[Board]) -> bool:
    """Return whether more than MAX_COMPARED entries are ranked on any board."""
    names = set[str]()
    for result in chain.from_iterable(board.results for board in boards):
        if result.entry.is_ranked:
            names.add(result.entry.name)
        if len(names) > MAX_COMPARED:
            return True
    return False


def _orders(ranked: RankedResults, metrics: SuiteMetrics) -> dict[Place, RankAggregate]:
    """Return one order over datasets by protocol and metric, if there are several datasets."""
    lower = {one.metric.name for one in metrics.columns if not one.metric.higher_is_better}
    cells: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for (dataset, protocol), own in ranked.items():
        for result in own:
            for metric, values in result.values.items():
                cells[protocol, metric][dataset][result.entry.name] = float(np.mean(values)) * (
                    -1 if metric in lower else 1
                )
    return {
        place: aggregate_ranks(pd.DataFrame(datasets).sort_index())
        for place, datasets in sorted(cells.items())
        if len(datasets) > 1
    }


def _gains(predicting: RankedResults, means: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Return relative gains over the matching supervised row."""
    references = {}
    for place, own in predicting.items():
        experiment, supervised = " ".join(place), supervised_rows(own)
        for result in own:
            if (other := matching_supervised(result.entry, supervised)) is not None:
                references[result.entry.name, experiment] = means[other.entry.name, experiment]
    return gain_summary(means, references)


def _disagreement(ranked: RankedResults) -> tuple[pd.DataFrame, tuple[tuple[str, Flip], ...]]:
    """Return rank correlations of protocols, and pairs that they order oppositely, by dataset."""
    tables, flipped = [], []
    fields = {place: make_field(own) for place, own in ranked.items()}
    for dataset in dict.fromkeys(name for name, _ in fields):
        by_protocol = {protocol: field for (name, protocol), field in fields.items() if name == dataset}
        scores = pd.DataFrame({p: pd.Series(dict(zip(f.names, f.scores, strict=True))) for p, f in by_protocol.items()})
        tables.append(correlations(scores.sort_index()).assign(dataset=dataset))
        flipped += [(dataset, flip) for flip in find_flips(by_protocol)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), tuple(flipped)


def _spread(predicting: RankedResults) -> pd.DataFrame:
    """Return deviations of micro accuracy by cause, and the seeds needed to separate an entry from the next one."""
    found = []
    for (dataset, protocol), board in predicting.items():
        for result, following in zip(board, [*board[1:], None], strict=False):
            variances = [getattr(result.spread, cause, None) for cause in CAUSES]
            found.append({
                "dataset": dataset, "protocol": protocol, "entry": result.entry.name,
                **dict(zip(CAUSES, map(_deviation, variances), strict=True)),
                "next": following.entry.name if following else "", "seeds": len(result.values[result.main.name]),
                "seeds_needed":
                seeds_needed(result.values[result.main.name], following.values[following.main.name]) if following else None,
            })  # fmt: skip
    return pd.DataFrame(found).astype({"seeds_needed": "Int64"}) if found else pd.DataFrame()


def _deviation(variance: float | None) -> float | None:
    return None if variance is None else float(np.sqrt(variance))
