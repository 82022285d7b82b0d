"""Nearest neighbours by cosine, exact and in bounded memory, the same for any size of a tile. No vote and no label.

Quick products choose candidates; a bound on what rounding can do says for which queries these must hold every neighbour, and
the others are asked again in single precision. Cosines of candidates are then taken one by one. The bank's mean is taken off
every row first: that moves all cosines of a query alike, and leaves less to round.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslbench.environment import best_precision

SPARE = 16
"""Candidates kept beyond k in single precision, whose products are as good as the cosines themselves."""
SHARE = 3
"""Candidates kept in half precision, over k."""
TILE = 16384
"""Bank rows that are multiplied at once."""
BLOCK = 256
"""Queries that are, at most."""
GROUP = 16
"""Neighbouring columns of which only the largest is looked at first."""
HALF_ERROR = 2**-8 + 2**-9 + 2**-12
"""What a product of two bfloat16 vectors is off by at most, over the product of their lengths: both roundings (2^-9 each) and
that of the sum (2^-9); the small terms are the last."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Centred:
    """A bank [n, D], its mean [D], and the MB that may be worked in."""

    bank: Tensor
    centre: Tensor
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Approximate scores [Q, w], best first, and their bank rows [Q, w]."""

    scores: Tensor
    rows: Tensor


def nearest(bank: Tensor, query: Tensor, k: int, memory: int) -> tuple[Tensor, Tensor]:
    """Cosines [Q, k] and rows [Q, k] of the nearest unit-length bank rows [n, D], best first, ties to the lower row.

    `memory` bounds the work space in MB.
    """
    centred = Centred(bank=bank, centre=bank.mean(0), memory=memory)
    ways = _half if best_precision() == "bfloat16" else _single
    found = [ways(centred, part, min(k, len(bank))) for part in torch.split(query, _queries(SHARE * k + SPARE, memory))]
    return torch.cat([cosines for cosines, _ in found]), torch.cat([rows for _, rows in found])


def _queries(wanted: int, memory: int) -> int:
    """How many queries' candidates (a score and a row each, twice while they are merged) fit in a quarter of the memory."""
    return max(1, memory * 2**20 // (4 * 24 * wanted))


def _single(of: Centred, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """By single precision alone."""
    return _ordered(of, query, _candidates(of, query, min(k + SPARE, len(of.bank))).rows, k)


def _half(of: Centred, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """By half precision where that is proof, by single where it is not.

    Whatever lies more than twice the error below the k-th score cannot be among the k nearest.
    """
    wanted = min(SHARE * k + SPARE, len(of.bank))
    found = _candidates(of, query.bfloat16(), wanted)
    longest = max(float((tile - of.centre).norm(dim=1).max()) for tile in torch.split(of.bank, TILE))
    reach = 2 * HALF_ERROR * longest * query.norm(dim=1, keepdim=True)
    near = (found.scores >= found.scores[:, k - 1 : k] - reach).sum(1)
    proved = (near < wanted) | (wanted == len(of.bank))
    most = int(near[proved].max()) if bool(proved.any()) else k
    cosines, rows = _ordered(of, query, found.rows[:, :most], k)
    if not bool(proved.all()):
        cosines[~proved], rows[~proved] = _single(of, query[~proved], k)
    return cosines, rows


def _candidates(of: Centred, query: Tensor, wanted: int) -> Candidates:
    """The `wanted` largest products with centred rows, in the query's precision."""
    parts = torch.split(query, BLOCK)
    kept = [Candidates(scores=torch.empty(len(p), 0), rows=torch.empty(len(p), 0, dtype=torch.long)) for p in parts]
    for start in range(0, len(of.bank), TILE):
        tile = (of.bank[start : start + TILE] - of.centre).to(query.dtype)
        for place, part in enumerate(parts):
            values, rows = largest(part @ tile.T, min(wanted, len(tile)))
            scores = torch.cat([kept[place].scores, values.float()], 1)
            rows = torch.cat([kept[place].rows, rows + start], 1)
            scores, best = scores.topk(min(wanted, scores.shape[1]), dim=1)
            kept[place] = Candidates(scores=scores, rows=rows.gather(1, best))
    return Candidates(scores=torch.cat([one.scores for one in kept]), rows=torch.cat([one.rows for one in kept]))


def largest(scores: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """The `wanted` largest of [Q, n] and their places, best first.

    They lie in the `wanted` groups whose largest are the largest, and those are far fewer columns.
    """
    groups = scores.shape[1] // GROUP
    if groups < 2 * wanted or scores.shape[1] % GROUP:
        return scores.topk(wanted, dim=1)
    by_group = scores.view(len(scores), GROUP, groups)  # columns that are `groups` apart are one group
    chosen = by_group.amax(1).topk(wanted, dim=1, sorted=False).indices
    places = (chosen.unsqueeze(2) + torch.arange(GROUP) * groups).flatten(1)
    values, kept = scores.gather(1, places).topk(wanted, dim=1)
    return values, places.gather(1, kept)


def _ordered(of: Centred, query: Tensor, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of the candidates [Q, w] by their cosines, each summed alone: no tile and no neighbour moves a digit."""
    block = max(1, of.memory * 2**20 // (32 * candidates.shape[1] * query.shape[1]))
    rows = candidates.sort(dim=1).values
    apart = torch.cat([
        of.bank[own].sub_(of.centre).mul_(part.unsqueeze(1)).sum(2)
        for part, own in zip(torch.split(query, block), torch.split(rows, block), strict=True)
    ])  # fmt: skip
    order = torch.argsort(apart, dim=1, descending=True, stable=True)[:, :k]
    common = (query * of.centre).sum(1, keepdim=True)
    return apart.gather(1, order) + common, rows.gather(1, order)
