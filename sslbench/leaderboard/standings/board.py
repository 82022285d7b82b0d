"""Boards: one for each dataset and protocol, with what each entry's place on it is, by its scores and class by class. Pure.

Lines of one dataset and protocol are comparable by construction: the suite pins versions, fingerprints and settings. All of a
board lies on disk, for there may be very many entries; what a comparison needs of all at once are some bytes of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, takewhile

import numpy as np

from sslbench.analysis.statistics.accuracy import MAIN
from sslbench.analysis.statistics.bootstrap import Draws
from sslbench.analysis.statistics.score_variance import ScoreVariance
from sslbench.analysis.statistics.shared_ranks import Field, Scored, Standing, difference, standings
from sslbench.leaderboard.standings.class_bias import ClassBias, class_biases, recall_order
from sslbench.leaderboard.standings.disk_list import DiskList
from sslbench.leaderboard.standings.entries import Entry, EntryResult, Place, matching_supervised, supervised_rows
from sslbench.leaderboard.submission.suite import Suite, SuiteData


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One entry on one board: where it stands, its scores by metric, its worst class, its gap to a supervised row.

    Clusters of the same encoders stand among the scores of what predicts. What is not ranked has no standing and no scores.
    """

    entry: Entry
    dataset: str
    protocol: str
    standing: Standing | None
    scores: Mapping[str, Scored]
    worst: tuple[str, float] | None
    gap: tuple[float, float | None] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """Entries on one dataset by one protocol, the best first; their bias by the mean recall of classes."""

    dataset: str
    protocol: str
    results: DiskList[EntryResult]
    rows: DiskList[BoardRow]
    bias: DiskList[ClassBias]


def make_board(suite: Suite, place: Place, lines: DiskList[EntryResult]) -> Board:
    """Compare all entries of one board."""
    data, best = suite.datasets[place[0]], lines.sorted_by(_best_first)
    beside = supervised_rows(best)
    return Board(
        dataset=place[0], protocol=place[1], results=best, rows=DiskList(_make_rows(data, best, beside)),
        bias=DiskList(class_biases(data, best, beside)).sorted_by(recall_order),
    )  # fmt: skip


def _best_first(line: EntryResult) -> tuple[bool, bool, float, str]:
    """Ranked ones that predict, then what only clusters, then the others; of each the highest score first."""
    return not line.entry.is_ranked, line.main != MAIN, -line.score.score, line.entry.name


def make_field(lines: Iterable[EntryResult]) -> Field:
    """What is compared on one board, of ranked lines the best first: those that predict, or where none does all."""
    names, scores, draws, variances = list[str](), list[float](), DiskList[Draws](), list[ScoreVariance]()
    ranked = takewhile(lambda line: line.entry.is_ranked, lines)
    _, compared = next(groupby(ranked, key=lambda line: line.main), (MAIN, ()))
    for line in compared:
        names.append(line.entry.name)
        scores.append(line.score.score)
        draws.append(line.draws)
        variances.append(line.variance)
    return Field(names=names, scores=np.array(scores), draws=draws, variances=variances)


def _make_rows(data: SuiteData, lines: DiskList[EntryResult], taught: Mapping[str, EntryResult]) -> Iterator[BoardRow]:
    """One row per line that is shown, the best first."""
    field = make_field(lines if any(line.is_shown for line in lines) else ())
    stood = {standing.name: standing for standing in standings(field)}
    for line in lines:
        if line.is_shown:
            yield BoardRow(
                entry=line.entry, dataset=line.dataset, protocol=line.protocol, standing=stood.get(line.entry.name),
                scores=line.scores if line.entry.is_ranked else {}, worst=_worst(data, line), gap=_gap(line, field, taught),
            )  # fmt: skip


def _worst(data: SuiteData, line: EntryResult) -> tuple[str, float] | None:
    """The class with the lowest mean recall over seeds, of those that had training samples."""
    if line.recalls is None:
        return None
    means = line.recalls.mean(0)
    taught = [
        code
        for code, name in enumerate(data.classes)
        if name not in line.untrained_classes and not np.isnan(means[code])
    ]
    code = min(taught, key=lambda code: float(means[code]), default=None)
    return None if code is None else (data.classes[code], float(means[code]))


def _gap(line: EntryResult, field: Field, taught: Mapping[str, EntryResult]) -> tuple[float, float | None] | None:
    """Above (below 0: under) a supervised row."""
    other = matching_supervised(line.entry, taught)
    if other is None or not line.entry.is_ranked or line.recalls is None:
        return None
    return difference(field, field.place(line.entry.name), field.place(other.entry.name))
