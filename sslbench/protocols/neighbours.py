"""Nearest neighbours by cosine, exact and in bounded memory, the same for any size of a tile. No vote and no label.

Quick products choose candidates: what lies within twice the rounding error of the k-th best may be among the k nearest, and
nothing else may. Queries with too many of these are asked again in single precision. Cosines of candidates are then taken one
by one. The bank's mean is taken off every row first: that moves all cosines of a query alike, and leaves less to round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding, pad

from sslbench.environment import cpu_precision

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
CACHED = 2**20
"""Numbers that are worked on at once where they should stay in a processor's cache."""
HALF, SINGLE = 2**-8, 2**-24
"""What one rounding to bfloat16 and to float32 is off by at most, over the number's size."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Centred:
    """A bank [n, D], its mean [D]; of its rows without the mean the longest, and how far one moves at most when it is rounded
    to bfloat16; and how many rows are multiplied at once.
    """

    bank: Tensor
    centre: Tensor
    longest: float
    rough: float
    tile: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Approximate scores [Q, w] and their bank rows [Q, w], in no order; a place without one has the score -inf."""

    scores: Tensor
    rows: Tensor


def nearest(bank: Tensor, query: Tensor, k: int, memory: int) -> tuple[Tensor, Tensor]:
    """Cosines [Q, k] and rows [Q, k] of the nearest unit-length bank rows [n, D], best first, ties to the lower row.

    Of more than 8k + 256 rows that single precision cannot tell apart, any are taken. `memory` bounds the work space in MB.
    Raises ValueError for features that are no finite numbers.
    """
    k, centre = min(k, len(bank)), bank.mean(0)
    if not bool(torch.isfinite(centre).all() & torch.isfinite(query).all()):
        raise ValueError(
            "some features are no finite numbers, and nothing is near to them; try a lower train.rate, or float32"
        )
    if not len(query):
        return query.new_empty(0, k), torch.empty(0, k, dtype=torch.long)
    tile = min(TILE, max(k, memory * 2**20 // (4 * 6 * bank.shape[1])))
    longest, rough = 0.0, 0.0
    for part in torch.split(bank, tile):
        apart = part - centre
        longest = max(longest, float(apart.norm(dim=1).max()))
        rough = max(rough, float((apart - apart.bfloat16()).norm(dim=1).max()))
    centred = Centred(bank=bank, centre=centre, longest=longest, rough=rough, tile=tile)
    found = [_nearest(centred, part, k) for part in torch.split(query, _queries(k, memory))]
    return torch.cat([cosines for cosines, _ in found]), torch.cat([rows for _, rows in found])


def error(of: Centred, query: Tensor, precision: torch.dtype) -> Tensor:
    """[Q]: what a product of a query [Q, D] with a centred row is off by at most, both rounded, and their product, too.

    Each factor's rounding is measured; the result's is its unit of the largest product; sums are of float32, ours and theirs.
    """
    rounded = query.to(precision).float()
    length = rounded.norm(dim=1)
    rough, unit = (of.rough, HALF) if precision == torch.bfloat16 else (0.0, SINGLE)
    factors = (query - rounded).norm(dim=1) * of.longest + length * rough
    sums = 2 * query.shape[1] * SINGLE * length * (of.longest + rough)
    bound: Tensor = factors + unit * length * (of.longest + rough) + sums
    return bound


def _most(k: int) -> int:
    return MOST * k + SPARE**2


def _queries(k: int, memory: int) -> int:
    """How many queries' candidates (score and row, four times while they are merged) fit in a quarter of the memory."""
    return max(1, memory * 2**20 // (4 * 48 * _most(k)))


def _nearest(of: Centred, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """By half precision where the hardware gains by it, by single where that is no proof, and at last by its order alone."""
    cosines, rows = query.new_empty(len(query), k), torch.empty(len(query), k, dtype=torch.long)
    left = torch.arange(len(query))
    half = [torch.bfloat16] if cpu_precision() == "bfloat16" else []
    for precision in (*half, torch.float32):
        asked = query[left]
        found = _within(of, asked.to(precision), k, 2 * error(of, asked, precision))
        told = (found.scores > -torch.inf).any(1)
        if bool(told.any()):
            sure = Candidates(scores=found.scores[told], rows=found.rows[told])
            cosines[left[told]], rows[left[told]] = _ordered(of, asked[told], sure, k)
        left = left[~told]
        if not len(left):
            return cosines, rows
    asked = query[left]
    cosines[left], rows[left] = _ordered(of, asked, _best(of, asked, min(k + SPARE, len(of.bank))), k)
    return cosines, rows


def _within(of: Centred, query: Tensor, k: int, reach: Tensor) -> Candidates:
    """Rows whose product, in the query's precision, is within `reach` [Q] of the k-th largest; none where too many are."""
    parts, reaches = torch.split(query, BLOCK), torch.split(reach.unsqueeze(1), BLOCK)
    kept = [_none(len(part)) for part in parts]
    least = [torch.full((len(part), 1), -torch.inf) for part in parts]
    for start in range(0, len(of.bank), of.tile):
        tile = (of.bank[start : start + of.tile] - of.centre).to(query.dtype)
        for place, part in enumerate(parts):
            scores = part @ tile.T
            least[place] = torch.maximum(least[place], kth_of_groups(scores, k) - reaches[place])
            more, lost = packed(scores >= least[place].to(scores.dtype), scores, _most(k))
            kept[place] = _joined(kept[place], Candidates(scores=more.scores, rows=more.rows + start))
            if kept[place].scores.shape[1] > _most(k):
                kept[place], least[place], gone = _sifted(kept[place], k, reaches[place], least[place])
                lost = lost | gone
            least[place][lost] = torch.inf
            kept[place].scores[lost] = -torch.inf
    return _stacked([_sifted(one, k, reaches[place], least[place])[0] for place, one in enumerate(kept)])


def kth_of_groups(scores: Tensor, k: int) -> Tensor:
    """[Q, n] -> [Q, 1]: a bound below the k-th largest, and close to it; -inf where there are fewer.

    The k-th largest of the groups' largest: k different columns reach it.
    """
    groups = scores.shape[1] // GROUP
    if groups >= 4 * k:  # columns that are `groups` apart are one group
        scores = scores[:, : groups * GROUP].view(len(scores), GROUP, groups).amax(1)
    if scores.shape[1] < k:
        return torch.full((len(scores), 1), -torch.inf)
    return scores.float().kthvalue(scores.shape[1] - k + 1, dim=1, keepdim=True).values


def packed(chosen: Tensor, scores: Tensor, most: int) -> tuple[Candidates, Tensor]:
    """The chosen [Q, n] scores and their columns, side by side; and [Q] where they are more than `most`: none of those."""
    places, columns = chosen.nonzero(as_tuple=True)
    counts = torch.bincount(places, minlength=len(scores))
    lost = counts > most
    if bool(lost.any()):
        inside = ~lost[places]
        places, columns, counts = places[inside], columns[inside], counts.masked_fill(lost, 0)
    sideways = torch.arange(len(places)) - (counts.cumsum(0) - counts)[places]
    found = torch.full((len(scores), int(counts.max())), -torch.inf)
    rows = torch.zeros(found.shape, dtype=torch.long)
    found[places, sideways] = scores[places, columns].float()
    rows[places, sideways] = columns
    return Candidates(scores=found, rows=rows), lost


def _sifted(kept: Candidates, k: int, reach: Tensor, least: Tensor) -> tuple[Candidates, Tensor, Tensor]:
    """What is still within reach of the k-th best, the bound [Q, 1] that says so, and [Q] where that is too much."""
    if kept.scores.shape[1] >= k:
        bound = kept.scores.kthvalue(kept.scores.shape[1] - k + 1, dim=1, keepdim=True).values - reach
        least = torch.maximum(least, bound)
    fewer, lost = packed((kept.scores >= least) & (kept.scores > -torch.inf), kept.scores, _most(k))
    return Candidates(scores=fewer.scores, rows=kept.rows.gather(1, fewer.rows)), least, lost


def _none(count: int) -> Candidates:
    return Candidates(scores=torch.empty(count, 0), rows=torch.empty(count, 0, dtype=torch.long))


def _joined(one: Candidates, other: Candidates) -> Candidates:
    return Candidates(scores=torch.cat([one.scores, other.scores], 1), rows=torch.cat([one.rows, other.rows], 1))


def _stacked(every: Sequence[Candidates]) -> Candidates:
    """Blocks of queries below each other, as wide as the widest."""
    wide = max(one.scores.shape[1] for one in every)
    scores = [pad(one.scores, (0, wide - one.scores.shape[1]), value=-torch.inf) for one in every]
    rows = [pad(one.rows, (0, wide - one.rows.shape[1])) for one in every]
    return Candidates(scores=torch.cat(scores), rows=torch.cat(rows))


def _best(of: Centred, query: Tensor, wanted: int) -> Candidates:
    """The `wanted` largest products in single precision, however near to each other."""
    parts = torch.split(query, BLOCK)
    kept = [_none(len(part)) for part in parts]
    for start in range(0, len(of.bank), of.tile):
        tile = of.bank[start : start + of.tile] - of.centre
        for place, part in enumerate(parts):
            values, rows = (part @ tile.T).topk(min(wanted, len(tile)), dim=1)
            both = _joined(kept[place], Candidates(scores=values, rows=rows + start))
            scores, best = both.scores.topk(min(wanted, both.scores.shape[1]), dim=1)
            kept[place] = Candidates(scores=scores, rows=both.rows.gather(1, best))
    return _stacked(kept)


def _ordered(of: Centred, query: Tensor, candidates: Candidates, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of the candidates by their cosines, each summed alone: no tile and no neighbour moves a digit."""
    beyond = len(of.bank)
    rows = torch.where(candidates.scores > -torch.inf, candidates.rows, beyond).sort(dim=1).values
    block = max(1, CACHED // (rows.shape[1] * query.shape[1]))
    apart = query.new_empty(rows.shape)  # made first: small results between large blocks would leave holes in the heap
    for part, own, told in zip(*(torch.split(of_all, block) for of_all in (query, rows, apart)), strict=True):
        alone = embedding(own.clamp(max=beyond - 1), of.bank).sub_(of.centre).mul_(part.unsqueeze(1))
        torch.sum(alone, dim=2, out=told)
    apart[rows == beyond] = -torch.inf
    order = torch.argsort(apart, dim=1, descending=True, stable=True)[:, :k]
    common = (query * of.centre).sum(1, keepdim=True)
    return apart.gather(1, order) + common, rows.gather(1, order)
