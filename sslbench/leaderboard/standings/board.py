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
from sslbench.leaderboard.standings.class_bias import Bias, biases, by_recall
from sslbench.leaderboard.standings.disk_list import Spool
from sslbench.leaderboard.standings.entries import Entry, EntryResult, Place, alike, taught
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
    lines: Spool[EntryResult]
    rows: Spool[BoardRow]
    bias: Spool[Bias]


def board_of(suite: Suite, place: Place, lines: Spool[EntryResult]) -> Board:
    """Compare all entries of one board."""
    data, best = suite.datasets[place[0]], lines.by(_best_first)
    beside = taught(best)
    return Board(
        dataset=place[0], protocol=place[1], lines=best, rows=Spool(_rows(data, best, beside)),
        bias=Spool(biases(data, best, beside)).by(by_recall),
    )  # fmt: skip


def _best_first(line: EntryResult) -> tuple[bool, bool, float, str]:
    """Ranked ones that predict, then what only clusters, then the others; of each the highest score first."""
    return not line.entry.ranked, line.main != MAIN, -line.score.score, line.entry.name


def field_of(lines: Iterable[EntryResult]) -> Field:
    """What is compared on one board, of ranked lines the best first: those that predict, or where none does all."""
    names, scores, draws, variances = list[str](), list[float](), Spool[Draws](), list[ScoreVariance]()
    ranked = takewhile(lambda line: line.entry.ranked, lines)
    _, compared = next(groupby(ranked, key=lambda line: line.main), (MAIN, ()))
    for line in compared:
        names.append(line.entry.name)
        scores.append(line.score.score)
        draws.append(line.draws)
        variances.append(line.variance)
    return Field(names=names, scores=np.array(scores), draws=draws, variances=variances)


def _rows(data: SuiteData, lines: Spool[EntryResult], taught: Mapping[str, EntryResult]) -> Iterator[BoardRow]:
    """One row per line that is shown, the best first."""
    field = field_of(lines if any(line.shown for line in lines) else ())
    stood = {standing.name: standing for standing in standings(field)}
    for line in lines:
        if line.shown:
            yield BoardRow(
                entry=line.entry, dataset=line.dataset, protocol=line.protocol, standing=stood.get(line.entry.name),
                scores=line.scores if line.entry.ranked else {}, worst=_worst(data, line), gap=_gap(line, field, taught),
            )  # fmt: skip


def _worst(data: SuiteData, line: EntryResult) -> tuple[str, float] | None:
    """The class with the lowest mean recall over seeds, of those that had training samples."""
    if line.recalls is None:
        return None
    means = line.recalls.mean(0)
    taught = [code for code, name in enumerate(data.classes) if name not in line.untaught and not np.isnan(means[code])]
    code = min(taught, key=lambda code: float(means[code]), default=None)
    return None if code is None else (data.classes[code], float(means[code]))


def _gap(line: EntryResult, field: Field, taught: Mapping[str, EntryResult]) -> tuple[float, float | None] | None:
    """Above (below 0: under) a supervised row."""
    other = alike(line.entry, taught)
    if other is None or not line.entry.ranked or line.recalls is None:
        return None
    return difference(field, field.place(line.entry.name), field.place(other.entry.name))
