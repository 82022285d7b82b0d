"""Ranks that admit ties: a method stands below those that are surely better than it, and below nobody else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
Codes = NDArray[np.int64]
Draws = NDArray[np.float32]
ROWS, COLUMNS = 2048, 256
"""Rows, and columns, that are compared at once: of a long board not all draws are in memory."""
SURE = 0.95
NORMAL = float(stats.norm.ppf((1 + SURE) / 2))
MOST_FREEDOM = 200
"""Degrees of freedom from which on Student's t is taken for normal."""
FREEDOMS = np.arange(1, MOST_FREEDOM + 1)
QUANTILES = np.append(stats.t.ppf((1 + SURE) / 2, FREEDOMS[:-1]), NORMAL)
LEAST_GAP, ROOM = 1e-12, 0.999


class Rows(Protocol):
    """Draws of one row after another [B]; an array [m, B] will do."""

    def __getitem__(self, at: int, /) -> Draws: ...


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A score and half of its 95 % interval (None for one seed)."""

    score: float
    half: float | None


@dataclass(frozen=True, kw_only=True)
class Standing(Scored):
    """A row's score, the rank it shares, and the ranks that it could have: below those that are surely better, above those
    that are surely worse.
    """

    name: str
    rank: int
    ranks: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """Rows that are compared: names, scores [m] (more is better), draws of each [B], and each one's value by seed.

    Draws are taken some rows at a time, so they may lie elsewhere than in memory.
    """

    names: Sequence[str]
    scores: Values
    draws: Rows
    seeds: Sequence[Sequence[float]]

    def place(self, name: str) -> int:
        """Where a row is."""
        return self._places[name]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def freedoms(self) -> Values:
        """Degrees of freedom of each one's seeds [m]; as many as count for one seed, whose variance is not known."""
        return np.array([float(len(s) - 1) if len(s) > 1 else float(MOST_FREEDOM) for s in self.seeds])

    @cached_property
    def seed_variances(self) -> Values:
        """The variance of each mean over seeds [m]; 0 for one seed, which says nothing of it."""
        return np.array([np.var(s, ddof=1) / len(s) if len(s) > 1 else 0.0 for s in self.seeds])


def standings(field: Field) -> list[Standing]:
    """Every row with its rank, best first, equal scores by name.

    Two rows differ when the 95 % interval of their difference leaves out 0: its error comes from draws over shared samples
    and own seeds, its quantile from Student's t with the degrees of freedom that the seeds leave (Satterthwaite).
    """
    above, below = np.zeros(len(field.names), np.int64), np.zeros(len(field.names), np.int64)
    for rows, columns, better in surely_better(field):
        above[rows] += better.sum(1)
        below[columns] += better.sum(0)
    order = sorted(range(len(field.names)), key=lambda i: (-field.scores[i], field.names[i]))
    return [
        Standing(
            name=field.names[i], score=float(field.scores[i]), half=half_of(field.draws[i], field.seeds[i]),
            rank=1 + int(above[i]), ranks=(1 + int(above[i]), len(field.names) - int(below[i])),
        )
        for i in order
    ]  # fmt: skip


def surely_better(field: Field) -> Iterator[tuple[Codes, Codes, NDArray[np.bool_]]]:
    """Block by block: rows, columns, and for each [rows, columns] whether the column is surely better than the row.

    Rows are taken by score, so that a block meets no columns but those before it and its own.
    """
    order = np.argsort(-field.scores, kind="stable")
    known = _known(field, order)
    for start in range(0, len(order), ROWS):
        rows = slice(start, start + ROWS)
        draws = _centred(field.draws, order[rows])
        for first in range(0, min(start + ROWS, len(order)), COLUMNS):
            columns = slice(first, first + COLUMNS)
            together = draws @ _centred(field.draws, order[columns]).T
            together *= np.float32(2 / (draws.shape[1] - 1))
            yield order[rows], order[columns], _sure(known[rows], known[columns], together)


def _known(field: Field, order: Codes) -> Values:
    """What is known of each row alone, in this order [m, 4]: score, variance of its draws, freedom and share of its seeds."""
    freedoms = field.freedoms
    variances = np.empty(len(order))
    for start in range(0, len(order), COLUMNS):
        codes = order[start : start + COLUMNS]
        centred = _centred(field.draws, codes)
        variances[codes] = np.einsum("mb,mb->m", centred, centred, dtype=np.float64) / (centred.shape[1] - 1)
    return np.stack([field.scores, variances, freedoms, field.seed_variances**2 / freedoms], axis=1)[order]


def _centred(draws: Rows, codes: Codes) -> Draws:
    """Some rows' draws less their mean [k, B]."""
    some: Draws = np.stack([draws[code] for code in codes])
    some -= some.mean(1, keepdims=True)
    return some


def _sure(rows: Values, columns: Values, together: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each column is surely better than each row, from what is known of them and twice their covariances."""
    gaps = columns[None, :, 0] - rows[:, None, 0]
    # Student's quantile is above the normal one, and looked up only for pairs that pass that with room for rounding
    near = rows[:, None, 1] + columns[None, :, 1] - together
    worse, better = np.nonzero((gaps > LEAST_GAP) & (gaps**2 > ROOM * NORMAL**2 * near))
    squared, apart = np.maximum(near[worse, better], 0), gaps[worse, better]
    sure = np.zeros(gaps.shape, np.bool_)
    share, least = rows[worse, 3] + columns[better, 3], np.minimum(rows[worse, 2], columns[better, 2])
    sure[worse, better] = apart > _quantiles(squared, share, least) * np.sqrt(squared)
    return sure


def half_of(draws: Draws, seeds: Sequence[float]) -> float | None:
    """Half of a score's 95 % interval, from draws of it and its value by seed; None for one seed."""
    if len(seeds) < 2:
        return None
    variance, freedom = np.array([draws.var(ddof=1)], np.float64), np.array([len(seeds) - 1.0])
    share = (np.var(seeds, ddof=1, keepdims=True) / len(seeds)) ** 2 / freedom
    return float(_quantiles(variance, share, freedom)[0] * np.sqrt(variance[0]))


def difference(field: Field, first: int, second: int) -> tuple[float, float | None]:
    """By how much one row is above another, and half of the 95 % interval; None where either has one seed."""
    gap = float(field.scores[first] - field.scores[second])
    if min(len(field.seeds[first]), len(field.seeds[second])) < 2:
        return gap, None
    squared = np.array([np.var(field.draws[first] - field.draws[second], ddof=1)], np.float64)
    pair = [first, second]
    freedoms = field.freedoms[pair]
    share = (field.seed_variances[pair] ** 2 / freedoms).sum(keepdims=True)
    return gap, float(_quantiles(squared, share, freedoms.min(keepdims=True))[0] * np.sqrt(squared[0]))


def _quantiles(squared: Values, shares: Values, least: Values) -> Values:
    """Student's t of Satterthwaite's degrees of freedom, which `shares` (variance squared by freedom of the seeds) leave.

    They are never fewer than the `least` of any part; draws, which only estimate a variance, could make them so.
    """
    freedom = np.divide(squared**2, shares, out=np.full(squared.shape, float(MOST_FREEDOM)), where=shares > 0)
    found: Values = np.interp(np.clip(freedom, least, MOST_FREEDOM), FREEDOMS, QUANTILES)
    return found
