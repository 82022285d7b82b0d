"""From lines to comparisons: boards with ranks, one order over datasets, wins, gains, disagreement, spread. Pure.

Lines of one dataset and protocol are comparable by construction: the suite pins versions, fingerprints and settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslbench.analysis.aggregate import Order, order_of
from sslbench.analysis.disagreement import Flip, correlations, flips
from sslbench.analysis.ranks import Field, Scored, Standing, difference, standings
from sslbench.analysis.variance import seeds_needed
from sslbench.analysis.wins import gain_summary, welch_win_matrix, win_matrix
from sslbench.leaderboard.bias import Bias, biases
from sslbench.leaderboard.lines import CLUSTERED, MAIN, Entry, Line, Place, alike, by_place, taught_rows
from sslbench.leaderboard.suite import Suite

MOST_COMPARED = 200
"""Entries up to which matrices of pairs are made, and that a picture shows: a larger one nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
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
class Boards:
    """Everything that a suite's tables and pages show."""

    suite: Suite
    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]
    orders: Mapping[Place, Order]
    wins: pd.DataFrame
    welch: pd.DataFrame
    gains: pd.DataFrame
    agreement: pd.DataFrame
    flips: tuple[tuple[str, Flip], ...]
    spread: pd.DataFrame
    bias: tuple[Bias, ...]


def boards_of(suite: Suite, entries: Sequence[Entry], lines: Sequence[Line]) -> Boards:
    """Compare all entries of a suite."""
    by_run = {entry.run: entry for entry in entries}
    ranked = [line for line in lines if by_run[line.run].ranked]
    few = len({line.entry for line in ranked}) <= MOST_COMPARED
    values = _experiments(ranked) if few else {}
    rows = _rows(suite, by_run, lines)
    agreement, flipped = _disagreement(suite, ranked) if few else (pd.DataFrame(), ())
    return Boards(
        suite=suite, entries=tuple(sorted(entries, key=lambda e: (e.entry, e.run))), lines=tuple(lines), rows=tuple(rows),
        orders=_orders(ranked) if few else {}, wins=win_matrix(values), welch=welch_win_matrix(values),
        gains=_gains(by_run, ranked) if few else pd.DataFrame(), agreement=agreement, flips=flipped,
        spread=_spread(ranked, rows) if few else pd.DataFrame(), bias=tuple(biases(suite, by_run, ranked)),
    )  # fmt: skip


def foremost(boards: Boards, lines: Sequence[Line]) -> list[Line]:
    """Those of a board's lines that a picture shows: ranked ones by score, then the others."""
    ranked = {entry.run for entry in boards.entries if entry.ranked}
    order = sorted(lines, key=lambda line: (line.run not in ranked, -line.scores[line.main].score, line.entry))
    return order[:MOST_COMPARED]


def field_of(lines: Sequence[Line]) -> Field:
    """What is compared on one board: the lines that predict, or where none does all."""
    own = [line for line in lines if line.main == MAIN] or lines
    return Field(
        names=[line.entry for line in own],
        scores=np.array([line.scores[line.main].score for line in own]),
        draws=np.stack([line.draws for line in own]),
        seeds=[line.values[line.main] for line in own],
    )


def _rows(suite: Suite, by_run: Mapping[str, Entry], lines: Sequence[Line]) -> list[Row]:
    """One row per predicting line, best first; clusterings stand beside them, or alone where nothing predicts."""
    clusters = {(line.run, line.dataset): line.scores for line in lines if line.main == CLUSTERED}
    predicting = {(line.run, line.dataset) for line in lines if line.recalls is not None}
    taught = taught_rows(by_run, lines)
    rows = []
    for place, own in by_place(lines).items():
        shown = [line for line in own if line.recalls is not None or (line.run, line.dataset) not in predicting]
        compared = [line for line in own if by_run[line.run].ranked] if shown else []
        field = field_of(compared) if compared else None
        stood = {standing.name: standing for standing in standings(field)} if field else {}
        for line in shown:
            entry, standing = by_run[line.run], stood.get(line.entry)
            beside = clusters.get((line.run, line.dataset), {})
            rows.append(Row(
                entry=entry, dataset=line.dataset, protocol=line.protocol, standing=standing,
                scores={**beside, **line.scores} if entry.ranked else {}, worst=_worst(suite, line),
                gap=None if line.recalls is None else _gap(entry, field, taught.get(place, [])),
            ))  # fmt: skip
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[str, str, float, str]:
    return row.dataset, row.protocol, -row.standing.score if row.standing else 1.0, row.entry.entry


def _worst(suite: Suite, line: Line) -> tuple[str, float] | None:
    """The class with the lowest mean recall over seeds."""
    if line.recalls is None:
        return None
    means = line.recalls.mean(0)
    code = int(np.nanargmin(means))
    return suite.datasets[line.dataset].classes[code], float(means[code])


def _gap(entry: Entry, field: Field | None, taught: Sequence[Entry]) -> tuple[float, float | None] | None:
    """Above (below 0: under) a supervised row."""
    other = alike(entry, taught)
    if field is None or entry.supervised or not entry.ranked or other is None:
        return None
    return difference(field, field.place(entry.entry), field.place(other.entry))


def _orders(lines: Sequence[Line]) -> dict[tuple[str, str], Order]:
    """One order over datasets, by protocol and metric, where there are several datasets."""
    cells: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        for metric, values in line.values.items():
            cells[line.protocol, metric][line.dataset][line.entry] = float(np.mean(values))
    return {
        place: order_of(pd.DataFrame(datasets).sort_index())
        for place, datasets in sorted(cells.items())
        if len(datasets) > 1
    }


def _experiments(lines: Sequence[Line]) -> dict[tuple[str, str], tuple[float, ...]]:
    """(entry, dataset by protocol) -> macro accuracy of every seed."""
    own = [line for line in lines if MAIN in line.values]
    return {(line.entry, f"{line.dataset} {line.protocol}"): line.values[MAIN] for line in own}


def _gains(by_run: Mapping[str, Entry], lines: Sequence[Line]) -> pd.DataFrame:
    """Relative gains of macro accuracy, each over the supervised row that its gap is told of."""
    taught = taught_rows(by_run, lines)
    own = [line for line in lines if MAIN in line.values]
    means = {(line.entry, f"{line.dataset} {line.protocol}"): float(np.mean(line.values[MAIN])) for line in own}
    references = {}
    for line in own:
        experiment, entry = f"{line.dataset} {line.protocol}", by_run[line.run]
        other = alike(entry, taught.get((line.dataset, line.protocol), []))
        if other is not None and not entry.supervised:
            references[line.entry, experiment] = means[other.entry, experiment]
    return gain_summary(means, references)


def _disagreement(suite: Suite, lines: Sequence[Line]) -> tuple[pd.DataFrame, tuple[tuple[str, Flip], ...]]:
    """Rank correlations of protocols, and pairs that they order oppositely, dataset by dataset."""
    tables, turned = [], []
    fields = {place: field_of(own) for place, own in by_place(lines).items()}
    for dataset in suite.datasets:
        there = {protocol: field for (of, protocol), field in fields.items() if of == dataset}
        scores = pd.DataFrame({p: pd.Series(dict(zip(f.names, f.scores, strict=True))) for p, f in there.items()})
        tables.append(correlations(scores).assign(dataset=dataset))
        turned += [(dataset, flip) for flip in flips(there)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), tuple(turned)


def _spread(lines: Sequence[Line], rows: Sequence[Row]) -> pd.DataFrame:
    """Deviations of micro accuracy by cause, and the seeds that would tell an entry from the next one below it."""
    found = []
    for (dataset, protocol), own in by_place([line for line in lines if line.main == MAIN]).items():
        by_name = {line.entry: line for line in own}
        here = [row.entry.entry for row in rows if (row.dataset, row.protocol) == (dataset, protocol)]
        board = [name for name in here if name in by_name]
        for place, name in enumerate(board):
            line, parts = by_name[name], by_name[name].spread
            below = board[place + 1] if place + 1 < len(board) else None
            variances = [getattr(parts, cause, None) for cause in ("pretraining", "subset", "probe", "rest")]
            found.append({
                "dataset": dataset, "protocol": protocol, "entry": name,
                **dict(zip(("pretraining", "subset", "probe", "rest"), map(_root, variances), strict=True)),
                "next": below or "", "seeds": len(line.values[MAIN]),
                "seeds_needed": seeds_needed(line.values[MAIN], by_name[below].values[MAIN]) if below else None,
            })  # fmt: skip
    return pd.DataFrame(found).astype({"seeds_needed": "Int64"}) if found else pd.DataFrame()


def _root(variance: float | None) -> float | None:
    return None if variance is None else float(np.sqrt(variance))
