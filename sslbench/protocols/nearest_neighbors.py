"""Nearest neighbors by cosine, exact and in bounded memory, the same for any size of a tile. No vote and no label.

Quick products choose candidates: what lies within twice the rounding error of the k-th best may be among the k nearest, and
nothing else may. They are compared as integers in the order of their numbers, which a processor does several times as fast.
Queries with too many candidates are asked again in single precision. Cosines of candidates are then taken one by one.
The bank's mean is taken off every row first: that moves all cosines of a query alike, and leaves less to round.
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

from sslbench.environment import cpu_precision

Keys = NDArray[np.signedinteger[Any]]
"""Integers in the order of the scores that they stand for."""
SPARE = 16
"""Candidates kept beyond k where even single precision cannot tell rows apart."""
MOST = 8
"""Candidates that may be held, over k, before a query is given up in this precision; and SPARE squared more."""
TILE = 16384
"""Bank rows that are multiplied at once, at most."""
BLOCK = 256
"""Queries that are, at most."""
GROUP = 16
"""Columns, as far apart as there are groups, of which only the largest is looked at first."""
UNITS = {torch.bfloat16: 2**-8, torch.float32: 2**-24}
"""What one rounding is off by at most, over the number's size."""
SINGLE = UNITS[torch.float32]
INTEGERS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
"""As wide as the numbers that a product is made in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Centered:
    """A bank [n, D], its mean [D]; of its rows without the mean the longest, and how far one moves at most when it is rounded
    to bfloat16; how many rows are multiplied at once; and where there is room for them all rows less the mean, also rounded.
    """

    bank: Tensor
    center: Tensor
    longest: float
    rough: float
    tile: int
    apart: Tensor | None = None
    half: Tensor | None = None

    def tiles(self, precision: torch.dtype) -> Iterator[tuple[int, Tensor]]:
        """(first row, rows without the mean) one after another."""
        for start in range(0, len(self.bank), self.tile):
            rows = slice(start, start + self.tile)
            if self.half is not None and precision == torch.bfloat16:
                yield start, self.half[rows]
            else:
                apart = self.bank[rows] - self.center if self.apart is None else self.apart[rows]
                yield start, apart.to(precision)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Rows [c] that may be near to queries, whose places [c], and the keys of their scores [c]; by tile, by place, by row."""

    places: NDArray[np.intp]
    rows: NDArray[np.intp]
    keys: Keys

    def at(self, which: NDArray[Any]) -> Candidates:
        """Some of them."""
        return Candidates(places=self.places[which], rows=self.rows[which], keys=self.keys[which])


def nearest(bank: Tensor, query: Tensor, k: int, memory: int) -> tuple[Tensor, Tensor]:
    """Cosines [Q, k] and rows [Q, k] of the nearest unit-length bank rows [n, D], best first, ties to the lower row.

    Of more than 8k + 256 rows that single precision cannot tell apart, any are taken. `memory` bounds the work space in MB.
    Raises ValueError for features that are no finite numbers.
    """
    k, center = min(k, len(bank)), bank.mean(0)
    if not bool(torch.isfinite(center).all() & torch.isfinite(query).all()):
        raise ValueError(
            "some features are no finite numbers, and nothing is near to them; try a lower train.lr, or float32"
        )
    if not len(query):
        return query.new_empty(0, k), torch.empty(0, k, dtype=torch.long)
    of = _centered(bank, center, max(k, memory * 2**20 // (4 * 6 * bank.shape[1])), memory)
    found = [_nearest(of, part, k) for part in torch.split(query, _queries(k, memory))]
    return torch.cat([cosines for cosines, _ in found]), torch.cat([rows for _, rows in found])


def _centered(bank: Tensor, center: Tensor, room: int, memory: int) -> Centered:
    """What is known of a bank before anything is asked; rows less the mean are kept if three fifths of the memory will do."""
    apart = bank - center if 6 * bank.numel() <= memory * 2**20 * 3 // 5 else None
    half = apart.bfloat16() if apart is not None and cpu_precision() == "bfloat16" else None
    of = Centered(bank=bank, center=center, longest=0.0, rough=0.0, tile=min(TILE, room), apart=apart, half=half)
    longest, rough = 0.0, 0.0
    for _, part in of.tiles(torch.float32):
        longest = max(longest, float(part.norm(dim=1).max()))
        rough = max(rough, float((part - part.bfloat16()).norm(dim=1).max()))
    return replace(of, longest=longest, rough=rough)


def error(of: Centered, query: Tensor, precision: torch.dtype) -> Tensor:
    """[Q]: what a product of a query [Q, D] with a centered row is off by at most, both rounded, before it is rounded itself.

    Each factor's rounding is measured; sums are of float32, ours and theirs.
    """
    rounded = query.to(precision).float()
    length = rounded.norm(dim=1)
    rough = of.rough if precision == torch.bfloat16 else 0.0
    factors = (query - rounded).norm(dim=1) * of.longest + length * rough
    bound: Tensor = factors + 2 * query.shape[1] * SINGLE * length * (of.longest + rough)
    return bound


def _most(k: int) -> int:
    return MOST * k + SPARE**2


def _queries(k: int, memory: int) -> int:
    """How many queries' candidates (place, row and key, a few times while they are merged) fit in a quarter of the memory."""
    return max(1, min(2**15, memory * 2**20 // (4 * 48 * _most(k))))


def _nearest(of: Centered, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """By half precision where the hardware gains by it, by single where that is no proof, and at last by its order alone."""
    found, rows = query.new_empty(len(query), k), torch.empty(len(query), k, dtype=torch.long)
    left = torch.arange(len(query))
    half = [torch.bfloat16] if cpu_precision() == "bfloat16" else []
    for precision in (*half, torch.float32):
        candidates, lost = _within(of, query[left], precision, k)
        told = left[~lost]
        if len(told):
            found[told], rows[told] = _ordered(of, query[left], candidates, ~lost, k)
        left = left[lost]
        if not len(left):
            return found, rows
    for at in torch.split(left, BLOCK):
        every = torch.ones(len(at), dtype=torch.bool)
        found[at], rows[at] = _ordered(of, query[at], _best(of, query[at], k), every, k)
    return found, rows


def _within(of: Centered, query: Tensor, precision: torch.dtype, k: int) -> tuple[Candidates, Tensor]:
    """Rows whose product, in this precision, may be the k-th largest or above it, and [Q] which queries are given none."""
    blocks = [
        Block(query=part.to(precision), off=error(of, part, precision), k=k) for part in torch.split(query, BLOCK)
    ]
    for start, tile in of.tiles(precision):
        for block in blocks:
            block.look(block.query @ tile.T, start)
    by_tile = zip(*(block.found() for block in blocks), strict=True)
    pieces = [(place * BLOCK, piece) for tile in by_tile for place, piece in enumerate(tile)]
    candidates = Candidates(
        places=np.concatenate([piece.places + first for first, piece in pieces]),
        rows=np.concatenate([piece.rows for _, piece in pieces]), keys=np.concatenate([piece.keys for _, piece in pieces]),
    )  # fmt: skip
    return candidates, torch.from_numpy(np.concatenate([block.lost for block in blocks]))


@dataclass(slots=True, kw_only=True, eq=False)
class Block:
    """Queries [Q, D] that are asked together, how far products may be off [Q], and what has been found so far: `top`
    [Q, k] the largest keys that different rows reach, candidates, how many they are, and which queries have too many.
    """

    query: Tensor
    off: Tensor
    k: int
    top: Keys | None = None
    pieces: list[Candidates] = field(default_factory=list)
    counts: NDArray[np.intp] = field(init=False)
    lost: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.counts, self.lost = np.zeros(len(self.query), np.intp), np.zeros(len(self.query), np.bool_)

    def look(self, scores: Tensor, start: int) -> None:
        """Take what may be near of some rows' scores [Q, n], the first of which is row `start`."""
        self.top = largest(scores, self.top, self.k)
        least = self._least()
        # the bits of positive scores are in order as they are, and above those of all others
        keys = bits_of(scores) if least.min() > 0 else ordered(scores)
        flat = np.flatnonzero((keys >= torch.from_numpy(least).unsqueeze(1)).numpy())
        places, columns = np.divmod(flat, scores.shape[1])
        self.pieces.append(Candidates(places=places, rows=columns + start, keys=keys.view(-1).numpy()[flat]))
        self.counts += np.bincount(places, minlength=len(least))
        if self.counts.max() > _most(self.k):
            self.pieces = sifted(self.pieces, least)
            self.counts = np.bincount(np.concatenate([one.places for one in self.pieces]), minlength=len(least))
            self.lost |= self.counts > _most(self.k)
            self.pieces = self.found()

    def _least(self) -> Keys:
        """[Q]: the key that a candidate has at least; what nothing has for a query that is lost."""
        return least_keys(self.top, self.off, self.k, self.query.dtype, self.lost)

    def found(self) -> list[Candidates]:
        """What is within reach of all that has been looked at, tile by tile."""
        return sifted(self.pieces, self._least())


def bits_of(scores: Tensor) -> Tensor:
    """Floating-point numbers as integers of their width."""
    return scores.view(INTEGERS[scores.dtype])


def ordered(scores: Tensor) -> Tensor:
    """Integers as wide as floating-point numbers, in their order (-0 just below 0); of such integers the numbers' bits again.

    The bits of a number that is not negative are in order as they are; of a negative one all but its sign are turned.
    """
    bits = bits_of(scores)
    known = torch.iinfo(bits.dtype)
    turned = bits >> (known.bits - 1)
    return turned.bitwise_and_(known.max).bitwise_xor_(bits)


def largest(scores: Tensor, top: Keys | None, k: int) -> Keys:
    """[Q, up to k]: keys of some of the largest of scores [Q, n], and of those kept before, each of another row.

    Of many columns the largest of groups: all of a group count as one, so the least may be a little below the k-th largest.
    """
    if scores.shape[1] // GROUP < 4 * k:
        return _upper(ordered(scores), top, k)
    found = _upper(_maxima(bits_of(scores)), top, k)  # bits of positive scores are in order, and above all others
    return found if found.min() > 0 else _upper(_maxima(ordered(scores)), top, k)


def _maxima(keys: Tensor) -> Tensor:
    """[Q, n] -> [Q, groups]: of columns that are `groups` apart the largest."""
    groups = keys.shape[1] // GROUP
    return keys[:, : groups * GROUP].view(len(keys), GROUP, groups).amax(1)


def _upper(keys: Tensor, top: Keys | None, k: int) -> Keys:
    """[Q, up to k]: the largest, together with those kept before."""
    every: Keys = keys.numpy() if top is None else np.concatenate([top, keys.numpy()], axis=1)
    return every if every.shape[1] <= k else np.partition(every, -k, axis=1)[:, -k:]


def least_keys(top: Keys | None, off: Tensor, k: int, precision: torch.dtype, lost: NDArray[np.bool_]) -> Keys:
    """[Q]: the least key that one has that may be as near as the k-th largest; above all keys for the lost.

    With scores off by e [Q] and then rounded by u of their size, k rows are truly above c - e - u|c|, c being the k-th
    largest; whatever is, has a score above c - 2(e + u|c|) but for products of u, which 1 + 2u holds.
    """
    known = torch.iinfo(INTEGERS[precision])
    if top is None or top.shape[1] < k:
        return np.where(lost, known.max, known.min).astype(np.int16 if known.bits == 16 else np.int32)
    kth = torch.from_numpy(np.ascontiguousarray(top.min(1)))
    score, unit = ordered(kth.view(precision)).view(precision).float(), UNITS[precision]  # the turn undoes itself
    least = (score - 2 * (1 + 2 * unit) * (off + unit * score.abs())).to(precision)
    keys = ordered(torch.where(least == 0, -0.0, least))
    keys[torch.from_numpy(lost)] = known.max
    found: Keys = keys.numpy()
    return found


def sifted(pieces: list[Candidates], least: Keys) -> list[Candidates]:
    """Every piece without what is below the least [Q] of its query."""
    return [piece.at(np.flatnonzero(piece.keys >= least[piece.places])) for piece in pieces]


def _best(of: Centered, query: Tensor, k: int) -> Candidates:
    """The k largest products in single precision and some more, however near to each other."""
    wanted = min(k + SPARE, len(of.bank))
    scores, rows = query.new_empty(len(query), 0), torch.empty(len(query), 0, dtype=torch.long)
    for start, tile in of.tiles(torch.float32):
        values, columns = (query @ tile.T).topk(min(wanted, len(tile)), dim=1)
        scores, rows = torch.cat([scores, values], 1), torch.cat([rows, columns + start], 1)
        scores, best = scores.topk(min(wanted, scores.shape[1]), dim=1)
        rows = rows.gather(1, best)
    places = np.repeat(np.arange(len(query)), rows.shape[1])
    found = Candidates(places=places, rows=rows.flatten().numpy(), keys=ordered(scores).flatten().numpy())
    return found.at(np.lexsort((found.rows, found.places, found.rows // of.tile)))


def _ordered(of: Centered, query: Tensor, candidates: Candidates, told: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of the candidates of those that are told, by their cosines."""
    cosines = _apart(of, query, candidates)
    # tiles are in order of their rows, so a stable sort by places leaves those so; of 16 bits it looks at no pair
    order = torch.from_numpy(np.argsort(candidates.places.astype(np.uint16), kind="stable"))
    places, near = (torch.from_numpy(one)[order] for one in (candidates.places, candidates.rows))
    counts = torch.bincount(places, minlength=len(query))
    sideways = torch.arange(len(places)) - (counts.cumsum(0) - counts)[places]
    found = torch.full((len(query), int(counts.max())), -torch.inf)
    rows = torch.zeros(found.shape, dtype=torch.long)
    rows[places, sideways], found[places, sideways] = near, cosines[order]
    best = torch.argsort(found[told], dim=1, descending=True, stable=True)[:, :k]
    common = (query[told] * of.center).sum(1, keepdim=True)
    return found[told].gather(1, best) + common, rows[told].gather(1, best)


def _apart(of: Centered, query: Tensor, candidates: Candidates) -> Tensor:
    """[c]: cosines of queries [Q, D] with their candidates, less what all rows have in common; a tile stays in the cache."""
    found = torch.empty(len(candidates.rows))
    ends = np.searchsorted(candidates.rows // of.tile, np.arange(-(-len(of.bank) // of.tile) + 1))
    for own, (start, tile) in zip(map(slice, ends, ends[1:]), of.tiles(torch.float32), strict=True):
        counts = np.bincount(candidates.places[own], minlength=len(query))
        offsets = torch.from_numpy(np.concatenate([[0], counts.cumsum()]))
        found[own] = products(tile, query, offsets, torch.from_numpy(candidates.rows[own] - start))
    return found


def products(bank: Tensor, query: Tensor, offsets: Tensor, rows: Tensor) -> Tensor:
    """[c]: products of queries [Q, D] with some of the bank's rows [c], the q-th with those from offsets q to q + 1 [Q + 1].

    Each is summed alone: no tile and no neighbor moves a digit.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        pattern = torch.sparse_csr_tensor(
            offsets, rows, torch.zeros(len(rows)), (len(query), len(bank)), check_invariants=False
        )
    found: Tensor = torch.sparse.sampled_addmm(pattern, query, bank.T, beta=0.0).values()
    return found
