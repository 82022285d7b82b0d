"""Contrastive losses of two sides of B samples, and the projector in front of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sslbench.api.modules import equation


@equation
def printed_nt_xent(anchor: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Return the mean over samples i of -log(r(a_i, o_i) / (sum_k r(a_i, a_k) + sum_m r(a_i, o_m))), k and m not i.

    r is exp(cosine / temperature). The positive pair is not in the denominator, so the loss may be negative.
    anchor, other: projections [B, D] of both sensors, B >= 2. Source: Patnala et al. 2024, eq. 1.
    """
    anchor, other = (nn.functional.normalize(x, dim=1) for x in (anchor, other))
    own = torch.eye(len(anchor), dtype=torch.bool, device=anchor.device)
    within, across = anchor @ anchor.T / temperature, anchor @ other.T / temperature
    negatives = torch.cat([x.masked_fill(own, float("-inf")) for x in (within, across)], dim=1)
    return (negatives.logsumexp(dim=1) - across.diagonal()).mean()


@equation
def scarf_loss(clean: Tensor, corrupted: Tensor, temperature: float) -> Tensor:
    """Return the mean over samples i of -log(exp(s_ii / T) / (1/B sum_k exp(s_ik / T))).

    s_ik is the cosine of the clean view of i and the corrupted view of k, and T the temperature.
    clean, corrupted: projections [B, D]. Source: Bahri et al. 2022, algorithm 1.
    """
    clean, corrupted = (nn.functional.normalize(x, dim=1) for x in (clean, corrupted))
    own = torch.arange(len(clean), device=clean.device)
    return nn.functional.cross_entropy(clean @ corrupted.T / temperature, own) - math.log(len(clean))


def make_projector(width: int, hidden: int, out: int) -> nn.Sequential:
    """Build linear, ReLU, batch norm and linear: 132,096 parameters where all widths are 256. `hidden` 0: `width`."""
    inside = hidden or width
    return nn.Sequential(nn.Linear(width, inside), nn.ReLU(), nn.BatchNorm1d(inside), nn.Linear(inside, out))
