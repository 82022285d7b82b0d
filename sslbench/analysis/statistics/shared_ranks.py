"""Rank rows with ties: a row ranks below those that are significantly better, and below no others. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.score_variance import (
    NORMAL_QUANTILE,
    ScoreVariance,
    half_width,
    satterthwaite,
    t_quantile,
    total_variance,
)

Values = NDArray[np.float64]
Codes = NDArray[np.int64]
Draws = NDArray[np.float32]
ROW_BLOCK, COLUMN_BLOCK = 2048, 256
"""Rows, and columns, that are compared at once, so that the draws of a long leaderboard need not fit in memory."""
MIN_GAP, ROUNDING_MARGIN = 1e-12, 0.999
Verdict: TypeAlias = Literal["better", "worse", "undecided", "undecided: one seed"]


class DrawMatrix(Protocol):
    """Draws of one row after another [B]; an array [m, B] will do."""

    def __getitem__(self, index: int, /) -> Draws: ...


@dataclass(frozen=True, kw_only=True)
class RankedScore:
    """A row's mean score, the half-width of its 95 % interval, its shared rank, and the range of ranks that it could have.

    The range starts below the rows that are significantly better, and ends above those that are significantly worse.
    """

    name: str
    mean: float
    ci95_half_width: float | None
    rank: int
    ranks: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedScores:
    """Rows to compare: names, scores [m], draws of each over shared test samples [B], variances.

    Draws are loaded some rows at a time, so they may be stored outside memory. `sample_freedom` are the degrees of freedom
    of the variance over test samples; see `ScoreVariance`.
    """

    names: Sequence[str]
    scores: Values
    draws: DrawMatrix
    variances: Sequence[ScoreVariance]
    higher_is_better: bool = True
    sample_freedom: float = math.inf

    @property
    def merits(self) -> Values:
        """Return the scores [m] with the sign with which more is better."""
        return self.scores if self.higher_is_better else -self.scores

    def place(self, name: str) -> int:
        """Return the index of a row."""
        return self._places[name]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def column(self, name: str) -> Values:
        """Return one field of every row's variance [m]."""
        return np.array([float(getattr(variance, name)) for variance in self.variances])


def rank_rows(field: ComparedScores) -> list[RankedScore]:
    """Rank every row, best first, equal scores by name.

    Two rows differ if the 95 % interval of their difference excludes 0: its error comes from draws over shared samples
    and own seeds, its quantile from Student's t with the degrees of freedom of the seeds (Satterthwaite). A row that
    depends on its seed and has only one differs from none.
    """
    better_than, worse_than = np.zeros(len(field.names), np.int64), np.zeros(len(field.names), np.int64)
    for rows, columns, better in iter_surely_better(field):
        better_than[rows] += better.sum(1)
        worse_than[columns] += better.sum(0)
    merits = field.merits
    order = sorted(range(len(field.names)), key=lambda i: (-merits[i], field.names[i]))
    return [
        RankedScore(
            name=field.names[i], mean=float(field.scores[i]), ci95_half_width=half_width(field.variances[i]),
            rank=1 + int(better_than[i]), ranks=(1 + int(better_than[i]), len(field.names) - int(worse_than[i])),
        )
        for i in order
    ]  # fmt: skip


def iter_surely_better(field: ComparedScores) -> Iterator[tuple[Codes, Codes, NDArray[np.bool_]]]:
    """Yield blocks: rows, columns, and for each [rows, columns] whether the column is significantly better than the
    row.

    Rows are sorted by score, so that a block is compared only with earlier columns and its own.
    """
    order = np.argsort(-field.merits, kind="stable")
    known = _row_statistics(field, order)
    for start in range(0, len(order), ROW_BLOCK):
        rows = slice(start, start + ROW_BLOCK)
        draws = _centered(field.draws, order[rows])
        for first in range(0, min(start + ROW_BLOCK, len(order)), COLUMN_BLOCK):
            columns = slice(first, first + COLUMN_BLOCK)
            covariance = draws @ _centered(field.draws, order[columns]).T
            covariance *= np.float32(2 / (draws.shape[1] - 1))
            yield (
                order[rows],
                order[columns],
                _is_surely_better(known[rows], known[columns], covariance, field.sample_freedom),
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class _RowStatistics:
    """Statistics of each row alone [m]; `samples` is the variance of its draws."""

    score: Values
    samples: Values
    seeds: Values
    interaction: Values
    floor: Values
    freedom: Values
    decidable: NDArray[np.bool_]

    def __getitem__(self, rows: slice | Codes) -> _RowStatistics:
        return _RowStatistics(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def _row_statistics(field: ComparedScores, order: Codes) -> _RowStatistics:
    """Compute the statistics of each row, in this order."""
    samples = np.empty(len(order))
    for start in range(0, len(order), COLUMN_BLOCK):
        codes = order[start : start + COLUMN_BLOCK]
        centered = _centered(field.draws, codes)
        samples[codes] = np.einsum("mb,mb->m", centered, centered, dtype=np.float64) / (centered.shape[1] - 1)
    return _RowStatistics(
        score=field.merits, samples=samples, seeds=field.column("over_seeds"),
        interaction=field.column("interaction"), floor=field.column("floor"), freedom=field.column("freedom"),
        decidable=field.column("seeds_known") > 0,
    )[order]  # fmt: skip


def _centered(draws: DrawMatrix, codes: Codes) -> Draws:
    """Return some rows' draws less their mean [k, B]."""
    some: Draws = np.stack([draws[code] for code in codes])
    some -= some.mean(1, keepdims=True)
    return some


def _is_surely_better(
    rows: _RowStatistics, columns: _RowStatistics, covariance: NDArray[np.float32], sample_freedom: float
) -> NDArray[np.bool_]:
    """Return whether each column is significantly better than each row, from their statistics and twice their
    covariances.
    """
    gaps = columns.score - rows.score[:, None]
    # Student's quantile exceeds the normal one: look it up only for pairs that pass the latter, with a rounding margin
    over_samples = rows.samples[:, None] + columns.samples - covariance
    total = total_variance(
        over_samples,
        rows.seeds[:, None] + columns.seeds,
        rows.interaction[:, None] + columns.interaction,
        np.maximum(rows.floor[:, None], columns.floor),
    )
    decidable = rows.decidable[:, None] & columns.decidable & (total > 0)
    worse, better = np.nonzero((gaps > MIN_GAP) & decidable & (gaps**2 > ROUNDING_MARGIN * NORMAL_QUANTILE**2 * total))
    sure = np.zeros(gaps.shape, np.bool_)
    one, other = rows[worse], columns[better]
    samples = over_samples[worse, better], sample_freedom
    reach = _half_widths(total[worse, better], (one.seeds, one.freedom), (other.seeds, other.freedom), samples)
    sure[worse, better] = gaps[worse, better] > reach
    return sure


def _half_widths(
    total: Values, one: tuple[Values, Values], other: tuple[Values, Values], samples: tuple[Values, float]
) -> Values:
    """Return the half-width of the 95 % interval of each pair's difference.

    `total` is its variance; `one` and `other` hold each row's (variance over seeds, degrees of freedom), and `samples` those
    of the paired test samples.
    """
    parts = one[0] ** 2 / one[1] + other[0] ** 2 / other[1] + samples[0] ** 2 / samples[1]
    freedom = satterthwaite(total, parts, np.minimum(np.minimum(one[1], other[1]), samples[1]))
    found: Values = t_quantile(freedom) * np.sqrt(total)
    return found


def difference(field: ComparedScores, first: int, second: int) -> tuple[float, float | None]:
    """Return the difference of two rows, and the half-width of its 95 % interval; None if the variance over seeds is
    unknown.
    """
    gap = float(field.scores[first] - field.scores[second])
    one, other = field.variances[first], field.variances[second]
    if not (one.seeds_known and other.seeds_known):
        return gap, None
    over_samples = np.var([field.draws[first] - field.draws[second]], axis=1, ddof=1, dtype=np.float64)
    total = total_variance(
        over_samples,
        one.over_seeds + other.over_seeds, one.interaction + other.interaction, max(one.floor, other.floor),
    )  # fmt: skip
    if total[0] <= 0:
        return gap, None
    own, others = ((np.array([row.over_seeds]), np.array([row.freedom])) for row in (one, other))
    return gap, float(_half_widths(total, own, others, (over_samples, field.sample_freedom))[0])


def verdict(field: ComparedScores, row: int, other: int) -> Verdict:
    """Compare a row with another by the 95 % interval of their paired difference."""
    if not (field.variances[row].seeds_known and field.variances[other].seeds_known):
        return "undecided: one seed"
    gap, half = difference(field, row, other)
    if half is None or abs(gap) <= max(half, MIN_GAP):
        return "undecided"
    return "better" if (gap > 0) == field.higher_is_better else "worse"
