"""Find nearest neighbors by cosine: exact, in bounded memory, independent of the tile size.

Low-precision products select candidates: only rows within twice the rounding error of the k-th best can be among the k
nearest. Scores are compared as integers in the same order, which a CPU does several times faster. Queries with too many
candidates are repeated in single precision. The cosines of the candidates are then computed one by one. The bank's mean is
subtracted from every row first: this shifts all cosines of a query equally, and reduces rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Keys = NDArray[np.signedinteger[Any]]
"""Integers that sort like the scores that they represent."""
EXTRA_CANDIDATES = 16
"""Candidates kept beyond k if even single precision cannot separate rows."""
CANDIDATES_PER_NEIGHBOR = 8
"""A query overflows in a precision beyond this many candidates times k, plus EXTRA_CANDIDATES squared."""
TILE = 16384
"""Maximum bank rows in one product."""
BLOCK = 256
"""Maximum queries in one product."""
GROUP = 16
"""Columns per group, spaced by the number of groups; only the maximum of a group is compared first."""
UNIT_ROUNDOFF = {torch.bfloat16: 2**-8, torch.float32: 2**-24}
"""Maximum relative error of one rounding."""
FLOAT32_ROUNDOFF = UNIT_ROUNDOFF[torch.float32]
INTEGERS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
"""Integer type of the same width as each floating-point type."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CenteredBank:
    """A bank [n, D] and its mean `center` [D].

    `max_norm` is the largest norm of a centered row, `rounding` the largest distance that rounding to bfloat16 moves one,
    and `tile` the number of rows in one product. The centered rows are stored only if memory allows.
    """

    bank: Tensor
    center: Tensor
    max_norm: float
    rounding: float
    tile: int
    centered: Tensor | None = None
    centered_bfloat16: Tensor | None = None

    def tiles(self, precision: torch.dtype) -> Iterator[tuple[int, Tensor]]:
        """Yield (first row, centered rows) of each tile."""
        for start in range(0, len(self.bank), self.tile):
            rows = slice(start, start + self.tile)
            if self.centered_bfloat16 is not None and precision == torch.bfloat16:
                yield start, self.centered_bfloat16[rows]
            else:
                centered = self.bank[rows] - self.center if self.centered is None else self.centered[rows]
                yield start, centered.to(precision)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Bank rows [c] that may be neighbors of the queries at `places` [c], and the keys of their scores [c].

    Sorted by tile, then by place, then by row.
    """

    places: NDArray[np.intp]
    rows: NDArray[np.intp]
    keys: Keys

    def select(self, chosen: NDArray[Any]) -> Candidates:
        """Return the candidates at the indices `chosen`."""
        return Candidates(places=self.places[chosen], rows=self.rows[chosen], keys=self.keys[chosen])


def find_nearest(bank: Tensor, query: Tensor, k: int, memory: int, matmul_dtype: str) -> tuple[Tensor, Tensor]:
    """Return the cosines [Q, k] and rows [Q, k] of the nearest bank rows, best first; the lower row wins ties.

    Bank [n, D] and query [Q, D] have unit length. If more than 8k + 256 rows are equal in single precision, the choice
    among them is arbitrary. `memory` limits the work space in MB. `matmul_dtype` ("bfloat16" or "float32") is the type of
    the products that select candidates; it changes no neighbor. Raises ValueError for features that are not finite.
    """
    k, center = min(k, len(bank)), bank.mean(0)
    if not bool(torch.isfinite(center).all() & torch.isfinite(query).all()):
        raise ValueError(
            "features contain NaN or infinity, so neighbors cannot be searched. Training probably diverged: lower train.lr,"
            " or set train.precision=float32"
        )
    if not len(query):
        return query.new_empty(0, k), torch.empty(0, k, dtype=torch.long)
    is_half = matmul_dtype == "bfloat16"
    centered = _center(bank, center, max(k, memory * 2**20 // (4 * 6 * bank.shape[1])), memory, is_half=is_half)
    found = [_find_nearest(centered, part, k, is_half=is_half) for part in torch.split(query, _max_queries(k, memory))]
    return torch.cat([cosines for cosines, _ in found]), torch.cat([rows for _, rows in found])


def _center(bank: Tensor, center: Tensor, max_tile: int, memory: int, *, is_half: bool) -> CenteredBank:
    """Prepare a bank; centered rows are stored if they fit in three fifths of the memory."""
    rows = bank - center if 6 * bank.numel() <= memory * 2**20 * 3 // 5 else None
    rounded = rows.bfloat16() if rows is not None and is_half else None
    centered = CenteredBank(
        bank=bank, center=center, max_norm=0.0, rounding=0.0, tile=min(TILE, max_tile), centered=rows,
        centered_bfloat16=rounded,
    )  # fmt: skip
    max_norm, rounding = 0.0, 0.0
    for _, part in centered.tiles(torch.float32):
        max_norm = max(max_norm, float(part.norm(dim=1).max()))
        rounding = max(rounding, float((part - part.bfloat16()).norm(dim=1).max()))
    return replace(centered, max_norm=max_norm, rounding=rounding)


def bound_error(bank: CenteredBank, query: Tensor, precision: torch.dtype) -> Tensor:
    """Return [Q] the maximum error of a product of a query [Q, D] with a centered row, before the result is rounded.

    Both factors are rounded to `precision`, and their rounding is measured; sums are accumulated in float32.
    """
    rounded = query.to(precision).float()
    length = rounded.norm(dim=1)
    rounding = bank.rounding if precision == torch.bfloat16 else 0.0
    factors = (query - rounded).norm(dim=1) * bank.max_norm + length * rounding
    bound: Tensor = factors + 2 * query.shape[1] * FLOAT32_ROUNDOFF * length * (bank.max_norm + rounding)
    return bound


def _max_candidates(k: int) -> int:
    return CANDIDATES_PER_NEIGHBOR * k + EXTRA_CANDIDATES**2


def _max_queries(k: int, memory: int) -> int:
    """Return how many queries' candidates (place, row, key, copied while merging) fit in a quarter of the memory."""
    return max(1, min(2**15, memory * 2**20 // (4 * 48 * _max_candidates(k))))


def _find_nearest(bank: CenteredBank, query: Tensor, k: int, *, is_half: bool) -> tuple[Tensor, Tensor]:
    """Search in bfloat16 if `is_half`, then in float32, and finally by float32 order alone."""
    found, rows = query.new_empty(len(query), k), torch.empty(len(query), k, dtype=torch.long)
    remaining = torch.arange(len(query))
    half = [torch.bfloat16] if is_half else []
    for precision in (*half, torch.float32):
        candidates, overflowed = _find_candidates(bank, query[remaining], precision, k)
        solved = remaining[~overflowed]
        if len(solved):
            found[solved], rows[solved] = _rank_candidates(bank, query[remaining], candidates, ~overflowed, k)
        remaining = remaining[overflowed]
        if not len(remaining):
            return found, rows
    for part in torch.split(remaining, BLOCK):
        every = torch.ones(len(part), dtype=torch.bool)
        found[part], rows[part] = _rank_candidates(bank, query[part], _find_top(bank, query[part], k), every, k)
    return found, rows


def _find_candidates(bank: CenteredBank, query: Tensor, precision: torch.dtype, k: int) -> tuple[Candidates, Tensor]:
    """Return the rows whose product may be among the k largest, and [Q] which queries have too many and get none."""
    blocks = [
        QueryBlock(query=part.to(precision), error_bounds=bound_error(bank, part, precision), k=k)
        for part in torch.split(query, BLOCK)
    ]
    for start, tile in bank.tiles(precision):
        for block in blocks:
            block.add_scores(block.query @ tile.T, start)
    by_tile = zip(*(block.list_candidates() for block in blocks), strict=True)
    pieces = [(place * BLOCK, piece) for tile in by_tile for place, piece in enumerate(tile)]
    candidates = Candidates(
        places=np.concatenate([piece.places + first for first, piece in pieces]),
        rows=np.concatenate([piece.rows for _, piece in pieces]), keys=np.concatenate([piece.keys for _, piece in pieces]),
    )  # fmt: skip
    return candidates, torch.from_numpy(np.concatenate([block.overflowed for block in blocks]))


@dataclass(slots=True, kw_only=True, eq=False)
class QueryBlock:
    """A block of queries [Q, D] with the error bounds of its products [Q], and the candidates so far.

    `top` [Q, k] holds the largest keys of different rows, `counts` [Q] the number of candidates, and `overflowed` [Q] is
    True for queries with too many.
    """

    query: Tensor
    error_bounds: Tensor
    k: int
    top: Keys | None = None
    pieces: list[Candidates] = field(default_factory=list)
    counts: NDArray[np.intp] = field(init=False)
    overflowed: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.counts, self.overflowed = np.zeros(len(self.query), np.intp), np.zeros(len(self.query), np.bool_)

    def add_scores(self, scores: Tensor, start: int) -> None:
        """Add the candidates among the scores [Q, n] of bank rows from `start` on."""
        self.top = keep_largest(scores, self.top, self.k)
        min_keys = self._min_keys()
        # the bits of positive scores sort like the scores, and above the bits of all others
        keys = view_bits(scores) if min_keys.min() > 0 else order_keys(scores)
        flat = np.flatnonzero((keys >= torch.from_numpy(min_keys).unsqueeze(1)).numpy())
        places, columns = np.divmod(flat, scores.shape[1])
        self.pieces.append(Candidates(places=places, rows=columns + start, keys=keys.view(-1).numpy()[flat]))
        self.counts += np.bincount(places, minlength=len(min_keys))
        if self.counts.max() > _max_candidates(self.k):
            self.pieces = drop_below(self.pieces, min_keys)
            self.counts = np.bincount(np.concatenate([one.places for one in self.pieces]), minlength=len(min_keys))
            self.overflowed |= self.counts > _max_candidates(self.k)
            self.pieces = self.list_candidates()

    def _min_keys(self) -> Keys:
        """Return [Q] the minimum key of a candidate; unreachable for a query that overflowed."""
        return compute_min_keys(self.top, self.error_bounds, self.k, self.query.dtype, self.overflowed)

    def list_candidates(self) -> list[Candidates]:
        """Return the candidates that are still possible, tile by tile."""
        return drop_below(self.pieces, self._min_keys())


def view_bits(scores: Tensor) -> Tensor:
    """Return the bits of floating-point numbers as integers of the same width."""
    return scores.view(INTEGERS[scores.dtype])


def order_keys(scores: Tensor) -> Tensor:
    """Map floating-point numbers to integers of the same width and order (-0 just below 0). Its own inverse.

    The bits of a non-negative number already sort correctly; for a negative number, all bits but the sign are flipped.
    """
    bits = view_bits(scores)
    info = torch.iinfo(bits.dtype)
    sign = bits >> (info.bits - 1)
    return sign.bitwise_and_(info.max).bitwise_xor_(bits)


def keep_largest(scores: Tensor, top: Keys | None, k: int) -> Keys:
    """Return keys [Q, up to k] of the largest scores [Q, n] and of those kept before, each from a different row.

    For wide matrices, each group of columns is first reduced to its maximum; the smallest key may then be slightly below
    the k-th largest.
    """
    if scores.shape[1] // GROUP < 4 * k:
        return _merge_largest(order_keys(scores), top, k)
    # the bits of positive scores sort like the scores, and above the bits of all others
    found = _merge_largest(_group_maxima(view_bits(scores)), top, k)
    return found if found.min() > 0 else _merge_largest(_group_maxima(order_keys(scores)), top, k)


def _group_maxima(keys: Tensor) -> Tensor:
    """Return the maxima [Q, groups] of the keys [Q, n] in columns that are `groups` apart."""
    groups = keys.shape[1] // GROUP
    return keys[:, : groups * GROUP].view(len(keys), GROUP, groups).amax(1)


def _merge_largest(keys: Tensor, top: Keys | None, k: int) -> Keys:
    """Return [Q, up to k] the largest of the keys and of those kept before."""
    every: Keys = keys.numpy() if top is None else np.concatenate([top, keys.numpy()], axis=1)
    return every if every.shape[1] <= k else np.partition(every, -k, axis=1)[:, -k:]


def compute_min_keys(
    top: Keys | None, error: Tensor, k: int, precision: torch.dtype, overflowed: NDArray[np.bool_]
) -> Keys:
    """Return [Q] the smallest key that a row among the k nearest can have; above all keys for overflowed queries.

    If scores have error e [Q] and are then rounded with relative error u, k rows are truly above c - e - u|c|, where c is
    the k-th largest score. Any row above that has a score above c - 2(e + u|c|), up to products of u, which the factor
    1 + 2u covers.
    """
    info = torch.iinfo(INTEGERS[precision])
    if top is None or top.shape[1] < k:
        return np.where(overflowed, info.max, info.min).astype(np.int16 if info.bits == 16 else np.int32)
    kth = torch.from_numpy(np.ascontiguousarray(top.min(1)))
    score = order_keys(kth.view(precision)).view(precision).float()  # order_keys is its own inverse
    unit = UNIT_ROUNDOFF[precision]
    lowest = (score - 2 * (1 + 2 * unit) * (error + unit * score.abs())).to(precision)
    keys = order_keys(torch.where(lowest == 0, -0.0, lowest))
    keys[torch.from_numpy(overflowed)] = info.max
    found: Keys = keys.numpy()
    return found


def drop_below(pieces: list[Candidates], min_keys: Keys) -> list[Candidates]:
    """Drop from every part of the candidates those whose similarity key is below the minimum [Q] of their query."""
    return [piece.select(np.flatnonzero(piece.keys >= min_keys[piece.places])) for piece in pieces]


def _find_top(bank: CenteredBank, query: Tensor, k: int) -> Candidates:
    """Return the k + EXTRA_CANDIDATES largest products in single precision."""
    count = min(k + EXTRA_CANDIDATES, len(bank.bank))
    scores, rows = query.new_empty(len(query), 0), torch.empty(len(query), 0, dtype=torch.long)
    for start, tile in bank.tiles(torch.float32):
        values, columns = (query @ tile.T).topk(min(count, len(tile)), dim=1)
        scores, rows = torch.cat([scores, values], 1), torch.cat([rows, columns + start], 1)
        scores, best = scores.topk(min(count, scores.shape[1]), dim=1)
        rows = rows.gather(1, best)
    places = np.repeat(np.arange(len(query)), rows.shape[1])
    found = Candidates(places=places, rows=rows.flatten().numpy(), keys=order_keys(scores).flatten().numpy())
    return found.select(np.lexsort((found.rows, found.places, found.rows // bank.tile)))


def _rank_candidates(
    bank: CenteredBank, query: Tensor, candidates: Candidates, solved: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return the cosines and rows of the k nearest candidates of the queries that are `solved` [Q]."""
    cosines = _compute_cosines(bank, query, candidates)
    # rows are sorted within a place, and a stable sort by place keeps that order; numpy sorts 16 bits without comparisons
    order = torch.from_numpy(np.argsort(candidates.places.astype(np.uint16), kind="stable"))
    places, near = (torch.from_numpy(one)[order] for one in (candidates.places, candidates.rows))
    counts = torch.bincount(places, minlength=len(query))
    columns = torch.arange(len(places)) - (counts.cumsum(0) - counts)[places]
    found = torch.full((len(query), int(counts.max())), -torch.inf)
    rows = torch.zeros(found.shape, dtype=torch.long)
    rows[places, columns], found[places, columns] = near, cosines[order]
    best = torch.argsort(found[solved], dim=1, descending=True, stable=True)[:, :k]
    common = (query[solved] * bank.center).sum(1, keepdim=True)
    return found[solved].gather(1, best) + common, rows[solved].gather(1, best)


def _compute_cosines(bank: CenteredBank, query: Tensor, candidates: Candidates) -> Tensor:
    """Return [c] the products of queries [Q, D] with their centered candidates, tile by tile to stay in the cache."""
    found = torch.empty(len(candidates.rows))
    ends = np.searchsorted(candidates.rows // bank.tile, np.arange(-(-len(bank.bank) // bank.tile) + 1))
    for own, (start, tile) in zip(map(slice, ends, ends[1:]), bank.tiles(torch.float32), strict=True):
        counts = np.bincount(candidates.places[own], minlength=len(query))
        offsets = torch.from_numpy(np.concatenate([[0], counts.cumsum()]))
        found[own] = compute_products(tile, query, offsets, torch.from_numpy(candidates.rows[own] - start))
    return found


def compute_products(bank: Tensor, query: Tensor, offsets: Tensor, rows: Tensor) -> Tensor:
    """Return [c] the products of queries [Q, D] with bank rows [c]; query q has those from offsets[q] to offsets[q + 1].

    Each product is summed separately, so that tiles and other rows do not change a digit.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        pattern = torch.sparse_csr_tensor(
            offsets, rows, torch.zeros(len(rows)), (len(query), len(bank)), check_invariants=False
        )
    found: Tensor = torch.sparse.sampled_addmm(pattern, query, bank.T, beta=0.0).values()
    return found
