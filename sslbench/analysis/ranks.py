"""Ranks that admit ties: a method stands below those that are surely better than it, and below nobody else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
BLOCK = 256
"""Rows that are compared with all others at once."""
SURE = 0.95
NORMAL = float(stats.norm.ppf((1 + SURE) / 2))
MOST_FREEDOM = 200
"""Degrees of freedom from which on Student's t is taken for normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A row's score, half of its interval (None for one seed), the rank it shares, and the ranks that it could have:
    below those that are surely better, above those that are surely worse.
    """

    name: str
    score: float
    half: float | None
    rank: int
    ranks: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """Rows that are compared: names, scores [m] (more is better), draws of them [m, B], and each one's value by seed."""

    names: Sequence[str]
    scores: Values
    draws: NDArray[np.float32]
    seeds: Sequence[Sequence[float]]

    def place(self, name: str) -> int:
        """Where a row is."""
        return self._places[name]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def seed_variances(self) -> Values:
        """The variance of each mean over seeds [m]; 0 for one seed, which says nothing of it."""
        return np.array([np.var(s, ddof=1) / len(s) if len(s) > 1 else 0.0 for s in self.seeds])


def standings(field: Field) -> list[Standing]:
    """Every row with its rank, best first, equal scores by name.

    Two rows differ when the 95 % interval of their difference leaves out 0: its error comes from draws over shared samples
    and own seeds, its quantile from Student's t with the degrees of freedom that the seeds leave (Satterthwaite).
    """
    if not len(field.names):
        return []
    halves = intervals(field)
    above, below = np.zeros(len(field.names), np.int64), np.zeros(len(field.names), np.int64)
    for rows, better in surely_better(field):
        above[rows] = better.sum(1)
        below += better.sum(0)
    order = sorted(range(len(field.names)), key=lambda i: (-field.scores[i], field.names[i]))
    return [
        Standing(
            name=field.names[i], score=float(field.scores[i]), half=halves[i], rank=1 + int(above[i]),
            ranks=(1 + int(above[i]), len(field.names) - int(below[i])),
        )
        for i in order
    ]  # fmt: skip


def surely_better(field: Field) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Block by block: rows, and for each [rows, m] who is surely better than it."""
    centred = field.draws - field.draws.mean(1, keepdims=True)
    variances = centred.var(1, ddof=1).astype(np.float64)
    of_seeds, freedom = field.seed_variances(), np.array([max(1, len(s) - 1) for s in field.seeds])
    shares = of_seeds**2 / freedom
    for start in range(0, len(field.names), BLOCK):
        rows = slice(start, start + BLOCK)
        together = centred[rows] @ centred.T / (field.draws.shape[1] - 1)
        squared = np.maximum(variances[rows, None] + variances[None, :] - 2 * together, 0)
        gaps = field.scores[None, :] - field.scores[rows, None]
        better = (gaps > NORMAL * np.sqrt(squared)) & (gaps > 1e-12)
        doubtful = np.nonzero(better)  # Student's quantile is above the normal one: looked up for these alone
        exact = squared[doubtful]
        freedom = shares[rows][doubtful[0]] + shares[doubtful[1]]
        better[doubtful] = gaps[doubtful] > _quantiles(exact, freedom) * np.sqrt(exact)
        yield rows, better


def intervals(field: Field) -> list[float | None]:
    """Half of the 95 % interval of each score; None for one seed."""
    variances = field.draws.var(1, ddof=1).astype(np.float64)
    freedom = np.array([max(1, len(s) - 1) for s in field.seeds])
    halves = _quantiles(variances, field.seed_variances() ** 2 / freedom) * np.sqrt(variances)
    return [float(half) if len(s) > 1 else None for half, s in zip(halves, field.seeds, strict=True)]


def difference(field: Field, first: int, second: int) -> tuple[float, float | None]:
    """By how much one row is above another, and half of the 95 % interval; None where either has one seed."""
    gap = float(field.scores[first] - field.scores[second])
    if min(len(field.seeds[first]), len(field.seeds[second])) < 2:
        return gap, None
    squared = np.array([np.var(field.draws[first] - field.draws[second], ddof=1)], np.float64)
    pair = [first, second]
    freedom = np.array([len(field.seeds[place]) - 1 for place in pair])
    share = (field.seed_variances()[pair] ** 2 / freedom).sum(keepdims=True)
    return gap, float(_quantiles(squared, share)[0] * np.sqrt(squared[0]))


def _quantiles(squared: Values, shares: Values) -> Values:
    """Student's t of Satterthwaite's degrees of freedom, which `shares` (variance squared by freedom of the seeds) leave."""
    table = stats.t.ppf((1 + SURE) / 2, np.arange(1, MOST_FREEDOM))
    table = np.concatenate([table, [NORMAL]])
    freedom = np.divide(squared**2, shares, out=np.full(squared.shape, float(MOST_FREEDOM)), where=shares > 0)
    found: Values = table[np.clip(freedom, 1, MOST_FREEDOM).astype(np.int64) - 1]
    return found
