"""Rank the entries of one dataset and protocol. Performs no I/O except temporary files.

Results of one dataset and protocol are comparable because the suite fixes versions, fingerprints and settings. The board is
stored on disk because there may be very many entries; a comparison keeps a few bytes of each in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, takewhile

import numpy as np

from sslbench.analysis.statistics.bootstrap import Draws
from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.statistics.score_variance import ScoreVariance
from sslbench.analysis.statistics.shared_ranks import ComparedScores, RankedScore, difference, rank_rows
from sslbench.leaderboard.standings.class_bias import ClassBias, class_biases, recall_order
from sslbench.leaderboard.standings.disk_list import DiskList
from sslbench.leaderboard.standings.entries import Entry, EntryResult, Place, matching_supervised, supervised_rows
from sslbench.leaderboard.submission.suite import Suite, SuiteData


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One entry on one board: its rank, scores by metric, worst class, and gap to the supervised row.

    Scores of predictions include the clustering metric of the same encoders. An entry that is not ranked has no standing and
    no scores.
    """

    entry: Entry
    dataset: str
    protocol: str
    standing: RankedScore | None
    scores: Mapping[str, Estimate]
    worst: tuple[str, float] | None
    gap: tuple[float, float | None] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """Entries on one dataset under one protocol, the best first.

    `bias` compares the classes of entries with those of supervised rows, sorted by mean recall, and `to_best` those of all
    other entries with those of the best one.
    """

    dataset: str
    protocol: str
    results: DiskList[EntryResult]
    rows: DiskList[BoardRow]
    bias: DiskList[ClassBias]
    to_best: DiskList[ClassBias]


def make_board(suite: Suite, place: Place, results: DiskList[EntryResult]) -> Board:
    """Compare all entries of one board and return it."""
    data, best = suite.datasets[place[0]], results.sorted_by(_best_first)
    supervised = supervised_rows(best)
    leader = next((one for one in best if one.entry.is_ranked and one.scores_by_name is not None), None)
    others = (one for one in best if leader is not None and one.entry.run != leader.entry.run)
    return Board(
        dataset=place[0], protocol=place[1], results=best, rows=DiskList(_make_rows(data, best, supervised)),
        bias=DiskList(
            class_biases(data, best, lambda one: matching_supervised(one.entry, supervised))
        ).sorted_by(recall_order),
        to_best=DiskList(class_biases(data, others, lambda one: leader)),
    )  # fmt: skip


def _best_first(result: EntryResult) -> tuple[bool, int, float, str]:
    """Return the sort key: ranked by the suite's metric, ranked by another, others; the best score first."""
    return not result.entry.is_ranked, result.level, -result.merit, result.entry.name


def make_field(results: Iterable[EntryResult]) -> ComparedScores:
    """Collect the scores that one board compares.

    `results` are sorted by `_best_first`. Those ordered by the metric of the first are compared.
    """
    names, scores, draws, variances = list[str](), list[float](), DiskList[Draws](), list[ScoreVariance]()
    ranked = takewhile(lambda result: result.entry.is_ranked, results)
    _, compared = next(groupby(ranked, key=lambda result: result.level), (0, ()))
    higher_is_better = True
    for result in compared:
        higher_is_better = result.main.higher_is_better
        names.append(result.entry.name)
        scores.append(result.score.mean)
        draws.append(result.draws)
        variances.append(result.variance)
    return ComparedScores(
        names=names, scores=np.array(scores), draws=draws, variances=variances, higher_is_better=higher_is_better
    )


def _make_rows(
    data: SuiteData, results: DiskList[EntryResult], supervised: Mapping[str, EntryResult]
) -> Iterator[BoardRow]:
    """Yield one row per shown result, the best first."""
    field = make_field(results if any(result.is_shown for result in results) else ())
    by_name = {standing.name: standing for standing in rank_rows(field)}
    for result in results:
        if result.is_shown:
            yield BoardRow(
                entry=result.entry, dataset=result.dataset, protocol=result.protocol, standing=by_name.get(result.entry.name),
                scores=result.scores if result.entry.is_ranked else {}, worst=_worst_class(data, result),
                gap=_gap_to_supervised(result, field, supervised),
            )  # fmt: skip


def _worst_class(data: SuiteData, result: EntryResult) -> tuple[str, float] | None:
    """Return the class, label or number with the lowest mean over seeds, among classes with training samples."""
    means = result.scores_by_name
    if means is None:
        return None
    known = [
        code
        for code, name in enumerate(data.classes)
        if name not in result.untrained_classes and not np.isnan(means[code])
    ]
    code = min(known, key=lambda code: float(means[code]), default=None)
    return None if code is None else (data.classes[code], float(means[code]))


def _gap_to_supervised(
    result: EntryResult, field: ComparedScores, supervised: Mapping[str, EntryResult]
) -> tuple[float, float | None] | None:
    """Return the difference from the supervised row (above 0: better) and half of its 95 % interval."""
    other = matching_supervised(result.entry, supervised)
    if other is None or not result.entry.is_ranked or result.scores_by_name is None:
        return None
    return difference(field, field.place(result.entry.name), field.place(other.entry.name))
